//! The user's terminal, for one-off dynos: raw while the dyno has it, as it was afterwards.

use bytes::Bytes;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::{self, IsTerminal, Read};
use tokio::sync::mpsc;

/// Holds the terminal raw; restores it when dropped.
pub(super) struct Raw(Termios);

impl Raw {
    /// Makes stdin raw: every key goes to the dyno.
    pub(super) fn new() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.0);
    }
}

/// Whether both ends that a terminal session needs are terminals.
pub(super) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Columns and rows; 80 by 24 where that cannot be told.
pub(super) fn size() -> (u16, u16) {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => (80, 24),
    }
}

/// Reads stdin in a thread of its own, which ends with the process: a read of a terminal cannot be cancelled.
pub(super) fn read_stdin(to: mpsc::Sender<Bytes>) {
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let bytes = match stdin.read(&mut buffer) {
                Ok(n) => Bytes::copy_from_slice(&buffer[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => Bytes::new(),
            };
            let end = bytes.is_empty();
            if to.blocking_send(bytes).is_err() || end {
                return;
            }
        }
    });
}
