//! The log on stdout, as it is written.

use super::printer::Printer;
use crate::logs::{Filter, Logs, Printed, Renderer, Start, Style, print};
use crate::platform::report::Reporter;
use tokio::task::JoinHandle;

/// A running print of the log.
pub(super) struct Stream(Option<JoinHandle<()>>);

/// Prints every line from now on. A reader that has gone, as `| head` does, ends the printing and not the app.
pub(super) fn print_from_now(logs: &Logs, printer: Printer, report: Reporter) -> Stream {
    let follower = logs.follow(Start::Now, Filter::default());
    Stream(match follower {
        Ok(mut follower) => Some(tokio::spawn(async move {
            let mut renderer = Renderer::new(style(printer));
            match print(&mut follower, &mut renderer, &mut tokio::io::stdout()).await {
                Ok(Printed::All | Printed::ReaderGone) => {}
                Err(error) => report.note(format!("the log is not shown any more: {error}")),
            }
        })),
        Err(error) => {
            report.note(format!("the log is not shown: {error}"));
            None
        }
    })
}

impl Stream {
    /// Waits until the last line is printed.
    pub(super) async fn finish(self) {
        if let Some(task) = self.0 {
            let _ = task.await;
        }
    }
}

/// How lines look on this stdout.
pub(super) fn style(printer: Printer) -> Style {
    match (printer.json, printer.out_colour) {
        (true, _) => Style::Json,
        (false, true) => Style::Colour,
        (false, false) => Style::Plain,
    }
}
