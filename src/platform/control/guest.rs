//! One-off dynos of other processes, such as `dynosim run` in another terminal: listed as long as they live, and told to
//! stop when somebody wants that. Everything else about them is their owner's affair.

use super::one_off::{OneOff, Runs};
use super::{Control, ControlError, Inner, Place};
use crate::dyno::DynoStatus;
use crate::model::dyno::{DynoName, DynoSize, DynoState};
use crate::model::process_type::ProcessType;
use std::sync::Weak;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What another process says of its dyno.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The 1234 of `run.1234`.
    pub number: u32,
    /// Its command.
    pub command: String,
    /// Its size.
    pub size: DynoSize,
    /// What it is at.
    pub state: DynoState,
}

/// A dyno of another process, listed until this is dropped.
pub struct Guest {
    inner: Weak<Inner>,
    name: DynoName,
    stop: CancellationToken,
}

impl Control {
    /// Lists a one-off dyno of another process, as one of the release that runs.
    pub fn welcome(&self, arrived: Arrived) -> Result<Guest, ControlError> {
        let name = DynoName::new(ProcessType::run(), arrived.number);
        let mut board = self.0.board();
        if board.closing {
            return Err(ControlError::Closing);
        }
        let version = board.deployed.as_ref().ok_or(ControlError::NotReleased)?.release.version;
        if board.one_offs.contains_key(&name) {
            return Err(ControlError::NameTaken(name));
        }
        let now = DynoStatus {
            state: arrived.state,
            endpoint: None,
            generation: 0,
            crashes: 0,
            exit: None,
            stopping: false,
            ended: false,
            since: Instant::now(),
        };
        let (status, seen) = watch::channel(now.clone());
        let Arrived { command, size, .. } = arrived;
        let place = Place { name: name.clone(), version, command, size, starts: 1, status: now };
        let stop = CancellationToken::new();
        let runs = Runs::Elsewhere { status, stop: stop.clone() };
        board.one_offs.insert(name.clone(), OneOff { runs, status: seen, place });
        drop(board);
        self.0.tell();
        Ok(Guest { inner: std::sync::Arc::downgrade(&self.0), name, stop })
    }

    /// Takes over what the dyno of another process is at now.
    pub fn guest_is(&self, name: &str, state: DynoState) -> Result<(), ControlError> {
        let board = self.0.board();
        let named = board.one_offs.values().find(|one_off| one_off.place.name.to_string() == name);
        let Some(OneOff { runs: Runs::Elsewhere { status, .. }, .. }) = named else {
            let running = board.one_offs.keys().map(ToString::to_string).collect();
            return Err(ControlError::NoSuchDyno { asked: name.to_owned(), running });
        };
        status.send_modify(|status| (status.state, status.since) = (state, Instant::now()));
        drop(board);
        self.0.tell();
        Ok(())
    }
}

impl Guest {
    /// Waits until somebody stops it.
    pub async fn told_to_stop(&self) {
        self.stop.cancelled().await;
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.upgrade() {
            inner.board().one_offs.remove(&self.name);
            inner.tell();
        }
    }
}
