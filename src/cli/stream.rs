//! The log on stdout, as it is written.

use super::bottom;
use super::printer::Printer;
use super::view::View;
use crate::logs::{Filter, Follower, JournalState, Logs, Outlet, Printed, Renderer, Start, Style, print};
use crate::platform::report::Reporter;
use std::io;
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

/// A running print of the log.
pub(super) struct Stream(Option<JoinHandle<()>>);

/// Prints every line from now on. A reader that has gone, as `| head` does, ends the printing and not the app.
///
/// With a view, which a terminal's keys set, only the lines that it lets through, above the prompt.
pub(super) fn print_from_now(logs: &Logs, printer: Printer, report: Reporter, view: Option<View>) -> Stream {
    let follower = logs.follow(Start::Now, Filter::default());
    Stream(match follower {
        Ok(mut follower) => Some(tokio::spawn(async move {
            let mut renderer = Renderer::new(style(printer));
            let printed = print_to_stdout(&mut follower, &mut renderer, view.as_ref()).await;
            match printed {
                Ok(Printed::All) => {}
                Ok(Printed::ReaderGone) => {
                    report.note("nobody reads the log here any more; the app runs on, and `dynosim logs -t` shows it");
                }
                Err(error) => report.note(format!("the log is not shown any more: {error}")),
            }
        })),
        Err(error) => {
            report.note(format!("the log is not shown: {error}"));
            None
        }
    })
}

/// Prints what a follower gives until it ends.
pub(super) async fn print_to_stdout(
    follower: &mut Follower,
    renderer: &mut Renderer,
    view: Option<&View>,
) -> io::Result<Printed> {
    let Some(view) = view else { return print(follower, renderer, &mut Outlet::stdout()?).await };
    while let Some(lines) = follower.next_lines().await? {
        let shown = renderer.render(&view.sift(lines)).to_vec();
        let written = spawn_blocking(move || bottom::above(&shown, &mut io::stdout().lock()));
        match written.await.map_err(io::Error::other)? {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Printed::ReaderGone),
            other => other?,
        }
    }
    Ok(Printed::All)
}

/// How long a reader that does not read, as a paused terminal, may hold up the end.
const LAST_LINES_PATIENCE: Duration = Duration::from_secs(5);

impl Stream {
    /// Waits until the last line is printed.
    pub(super) async fn finish(self) {
        if let Some(task) = self.0 {
            let _ = timeout(LAST_LINES_PATIENCE, task).await;
        }
    }
}

/// Says when the journal cannot be written, and when it can again.
pub(super) fn watch_journal(logs: &Logs, report: Reporter) {
    let mut state = logs.state();
    tokio::spawn(async move {
        while state.changed().await.is_ok() {
            let text = match &*state.borrow_and_update() {
                JournalState::Writing => "the log is written again".to_owned(),
                JournalState::DiskFull => {
                    "the disk is full: the newest log lines are kept in memory until there is room".to_owned()
                }
                JournalState::Unwritable(reason) => format!("the log cannot be written: {reason}"),
            };
            report.note(text);
        }
    });
}

/// How lines look on this stdout.
pub(super) fn style(printer: Printer) -> Style {
    match (printer.json, printer.out_colour) {
        (true, _) => Style::Json,
        (false, true) => Style::Colour,
        (false, false) => Style::Plain,
    }
}
