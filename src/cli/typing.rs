//! Typing into a dyno of the formation: its terminal is this terminal until Ctrl-].

use super::terminal;
use super::tty::{self, Mode};
use super::view::View;
use crate::platform::control::Typing;
use crate::platform::report::Reporter;
use bytes::Bytes;
use std::io::{self, Write};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Ctrl-]: the way out of telnet, and a key that no shell or debugger needs.
const LEAVE: u8 = 0x1d;

/// Runs until the user leaves, or the dyno is restarted by somebody else.
pub(super) async fn session(dyno: Typing, pressed: &mut mpsc::Receiver<Bytes>, view: &View, report: &Reporter) {
    let Typing { name, mut output, mut keyboard } = dyno;
    report.note(format!("{name} restarts, for a process gets its terminal only as it starts; Ctrl-] leaves it again"));
    let Ok(mut resized) = signal(SignalKind::window_change()) else { return };
    view.hide(true);
    tty::want(Mode::Raw);
    loop {
        tokio::select! {
            printed = output.recv() => match printed {
                Some(piece) => {
                    let mut out = io::stdout().lock();
                    // A terminal that is gone ends the keys as well.
                    let _ = out.write_all(&piece.bytes).and_then(|()| out.flush());
                }
                None => break,
            },
            keys = pressed.recv() => {
                let Some(keys) = keys else { break };
                let end = keys.iter().position(|key| *key == LEAVE);
                let typed = keys.slice(..end.unwrap_or(keys.len()));
                let now = keyboard.borrow_and_update().clone();
                if let Some(now) = now.filter(|_| !typed.is_empty()) {
                    now.press(typed).await;
                }
                if end.is_some() {
                    break;
                }
            }
            Some(()) = resized.recv() => {
                let (columns, rows) = terminal::size();
                if let Some(now) = &*keyboard.borrow() {
                    now.resize(columns, rows);
                }
            }
        }
    }
    tty::want(Mode::Keys);
    view.hide(false);
    report.note(format!("left {name}; it keeps its terminal until its next restart, and its lines are in the log"));
}
