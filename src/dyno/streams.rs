//! What goes through a dyno's standard streams: output becomes lines in the log, or bytes for a client; a client's
//! input is fed to it.

use super::hints::WriteHints;
use super::words::LastWords;
use crate::engine::{Instance, Output};
use crate::logs::Logs;
use crate::model::dyno::DynoName;
use crate::model::log::Message;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};

/// Carries output to the log, reading along for refused writes.
pub(super) struct Forward {
    pub(super) logs: Logs,
    pub(super) name: DynoName,
    pub(super) hints: WriteHints,
    pub(super) words: LastWords,
    /// Also gets everything as it comes.
    pub(super) client: Option<mpsc::Sender<Output>>,
}

impl Forward {
    /// Runs until the dyno has printed its last.
    pub(super) async fn run(mut self, mut output: mpsc::Receiver<Output>) {
        let mut lines = self.logs.lines_of(&self.name);
        let terminal = self.client.is_some();
        while let Some(piece) = output.recv().await {
            if terminal {
                // A terminal ends its lines with a return, which is none of the line's bytes.
                lines.push(&without_returns(&piece.bytes)).await;
            } else {
                lines.push(&piece.bytes).await;
            }
            self.words.hear(&piece.bytes);
            for hint in self.hints.read(&piece.bytes) {
                self.logs.publish(&Message::explain(&self.name, hint));
            }
            // A client that went away is not missed.
            if let Some(client) = &self.client
                && client.send(piece).await.is_err()
            {
                self.client = None;
            }
        }
        lines.finish();
    }
}

/// The bytes without the returns that stand before a newline.
fn without_returns(bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    for (at, byte) in bytes.iter().enumerate() {
        if *byte != b'\r' || bytes.get(at + 1).is_some_and(|next| *next != b'\n') {
            kept.push(*byte);
        }
    }
    kept
}

/// A client's input, for one launch of its dyno after the other.
pub(super) type Typed = Arc<Mutex<mpsc::Receiver<Bytes>>>;

pub(super) async fn feed(instance: Arc<dyn Instance>, typed: Typed) {
    let mut typed = typed.lock().await;
    while let Some(bytes) = typed.recv().await {
        instance.input(bytes).await;
    }
}

/// Carries output to a client as it comes.
pub(super) async fn pass_on(mut output: mpsc::Receiver<Output>, client: mpsc::Sender<Output>) {
    while let Some(piece) = output.recv().await {
        // A client that went away does not stop the dyno from printing.
        let _ = client.send(piece).await;
    }
}

#[cfg(test)]
mod tests {
    use super::without_returns;

    #[test]
    fn only_the_returns_that_end_a_line_are_left_out() {
        assert_eq!(without_returns(b"one\r\n50%\r60%\r\n"), b"one\n50%\r60%\n");
        assert_eq!(without_returns(b"one\r"), b"one", "its newline comes in the next piece");
    }
}
