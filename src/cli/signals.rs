//! Ctrl-C, SIGTERM and SIGHUP become the wish to stop; a second one forces.

use crate::platform::interrupt::{Interrupter, Stage};
use crate::platform::report::Reporter;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

/// Wrappers such as npm pass one Ctrl-C on a second time; within this time it counts once.
const DEBOUNCE: Duration = Duration::from_millis(500);

/// Listens from now on. `asked_by_down` tells whether a SIGTERM is `dynosim down`'s.
pub(super) fn listen(
    interrupter: Interrupter,
    report: Reporter,
    asked_by_down: impl Fn() -> bool + Send + 'static,
) -> std::io::Result<()> {
    let (mut int, mut term, mut hup) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    tokio::spawn(async move {
        let mut last: Option<Instant> = None;
        while let Some(why) = next(&mut int, &mut term, &mut hup).await {
            let now = Instant::now();
            if last.is_some_and(|last| now - last < DEBOUNCE) {
                continue;
            }
            last = Some(now);
            let why = if why == "SIGTERM" && asked_by_down() { DOWN } else { why };
            if interrupter.press(why) == Stage::Force {
                report.note("forced: killing what is left");
            }
        }
    });
    Ok(())
}

/// The reason that stands for a stop by `dynosim down`.
pub(super) const DOWN: &str = "dynosim down";

/// The reason that stands for the key.
pub(super) const QUIT: &str = "quit";

async fn next(int: &mut Signal, term: &mut Signal, hup: &mut Signal) -> Option<&'static str> {
    tokio::select! {
        got = int.recv() => got.map(|()| "Ctrl-C"),
        got = term.recv() => got.map(|()| "SIGTERM"),
        got = hup.recv() => got.map(|()| "SIGHUP"),
    }
}
