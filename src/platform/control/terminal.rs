//! A dyno of the formation with a terminal of its own, so that a debugger's prompt in it can be answered. A process gets
//! its terminal when it starts and never later, so the dyno is restarted for it; its lines stay in the log.

use super::seat::{Manner, Wanted};
use super::{Control, ControlError};
use crate::dyno::Keyboard;
use crate::engine::{Console, Output};
use crate::model::dyno::DynoName;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Pieces of output that may wait for who types.
const QUEUE: usize = 64;

/// What a dyno is started with.
#[derive(Clone)]
pub(super) struct Terminal {
    pub(super) console: Console,
    pub(super) output: mpsc::Sender<Output>,
    /// The keyboard of the dyno that was started last.
    pub(super) keyboard: Arc<watch::Sender<Option<Keyboard>>>,
}

/// Somebody's end of a dyno's terminal. The dyno keeps its terminal until its next restart, used or not.
pub struct Typing {
    /// Which dyno.
    pub name: DynoName,
    /// What it prints, as it comes; ends with the dyno's restart by somebody else.
    pub output: mpsc::Receiver<Output>,
    /// Its keyboard, once it is being started.
    pub keyboard: watch::Receiver<Option<Keyboard>>,
}

impl Control {
    /// Restarts a dyno of the formation with a terminal of this size: columns, rows.
    pub fn type_into(&self, asked: &str, size: (u16, u16)) -> Result<Typing, ControlError> {
        let mut board = self.0.board();
        if board.closing {
            return Err(ControlError::Closing);
        }
        let deployed = board.deployed.clone().ok_or(ControlError::NotReleased)?;
        let name = board.names().find(|name| name.to_string() == asked).ok_or_else(|| ControlError::NoSuchDyno {
            asked: asked.to_owned(),
            running: board.names().map(|name| name.to_string()).collect(),
        })?;
        let Some(scale) = board.formation.get(&name.process_type).copied() else {
            return Err(ControlError::NotReleased);
        };
        let (output, printed) = mpsc::channel(QUEUE);
        let (keys, keyboard) = watch::channel(None);
        let terminal = Terminal { console: Console::Terminal(size.0, size.1), output, keyboard: Arc::new(keys) };
        board.turns += 1;
        let turn = board.turns;
        let wanted = Wanted { deployed, size: scale.size, turn, manner: Manner::Replace, terminal: Some(terminal) };
        self.0.seat(&mut board, name.clone(), wanted);
        self.0.publish(&board);
        Ok(Typing { name, output: printed, keyboard })
    }
}
