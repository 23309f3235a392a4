//! What goes through a dyno's standard streams: output becomes lines in the log, or bytes for a client; a client's
//! input is fed to it.

use super::hints::WriteHints;
use crate::engine::{Instance, Output};
use crate::logs::Logs;
use crate::model::dyno::DynoName;
use crate::model::log::Message;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Carries output to the log, reading along for refused writes.
pub(super) struct Forward {
    pub(super) logs: Logs,
    pub(super) name: DynoName,
    pub(super) hints: WriteHints,
}

impl Forward {
    /// Runs until the dyno has printed its last.
    pub(super) async fn run(mut self, mut output: mpsc::Receiver<Output>) {
        let mut lines = self.logs.lines_of(&self.name);
        while let Some(piece) = output.recv().await {
            lines.push(&piece.bytes).await;
            for hint in self.hints.read(&piece.bytes) {
                self.logs.publish(&Message::explain(&self.name, hint));
            }
        }
        lines.finish();
    }
}

pub(super) async fn feed(instance: Arc<dyn Instance>, mut typed: mpsc::Receiver<Bytes>) {
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
