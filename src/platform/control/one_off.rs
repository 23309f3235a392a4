//! Dynos beside the formation: those of `run:detached`, which live in the running app and need no client, its release
//! commands, and the guests of other processes. They end by themselves, by `ps:stop`, or, but for guests, with the app.

#[cfg(test)]
mod tests;

use super::{Board, Control, ControlError, Deployed, Inner, Place, Selector};
use crate::dyno::{Dyno, DynoStatus, Gauge, StopKind};
use crate::model::dyno::{DynoKind, DynoName, DynoSize};
use crate::model::limits;
use crate::model::process_type::ProcessType;
use crate::platform::one_off::command_of;
use crate::platform::slate;
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Ends that are kept, for those who come late to ask.
const EXITS_KEPT: usize = 100;

/// A command for a dyno of its own.
#[derive(Clone, Debug)]
pub struct OneOffRequest {
    /// The command's words, as `run` has them: one word is a command line for the shell; a single word that names a
    /// process type means that type's command.
    pub words: Vec<String>,
    /// Whose image.
    pub process_type: ProcessType,
    /// The dyno's size.
    pub size: DynoSize,
    /// Config vars for this dyno alone.
    pub env: BTreeMap<String, String>,
}

/// A dyno beside the formation.
pub(super) struct OneOff {
    pub(super) runs: Runs,
    pub(super) status: watch::Receiver<DynoStatus>,
    pub(super) place: Place,
}

/// Who runs it.
pub(super) enum Runs {
    /// This process.
    Here(Arc<Dyno>),
    /// Another one, which tells what the dyno is at, and is told to stop it.
    Elsewhere { status: watch::Sender<DynoStatus>, stop: CancellationToken },
}

impl OneOff {
    pub(super) fn place(&self) -> Place {
        Place { status: self.status.borrow().clone(), ..self.place.clone() }
    }

    /// Who runs elsewhere is not measured from here.
    pub(super) fn gauge(&self) -> Option<Gauge> {
        match &self.runs {
            Runs::Here(dyno) => Some(dyno.gauge()),
            Runs::Elsewhere { .. } => None,
        }
    }

    pub(super) fn stop(&self) {
        match &self.runs {
            Runs::Here(dyno) => dyno.stop(StopKind::Down),
            Runs::Elsewhere { stop, .. } => stop.cancel(),
        }
    }
}

/// Stops all that run here and waits until they have ended; `force` kills those that are left.
pub(super) async fn end_all(mut one_offs: Vec<OneOff>, force: impl Future<Output = ()>) {
    one_offs.retain(|one| matches!(one.runs, Runs::Here(_)));
    for one in &one_offs {
        one.stop();
    }
    let ended = join_all(one_offs.iter().map(|one| ended(one.status.clone())));
    tokio::pin!(ended);
    tokio::select! {
        _ = &mut ended => {}
        () = force => {
            for one in &one_offs {
                if let Runs::Here(dyno) = &one.runs {
                    dyno.kill();
                }
            }
            ended.await;
        }
    }
}

/// A task that is gone has ended too.
async fn ended(mut status: watch::Receiver<DynoStatus>) {
    let _ = status.wait_for(|status| status.ended).await;
}

impl Control {
    /// Starts a command in a one-off dyno of the release that runs, without a client (R1.6). Returns its place; it is
    /// among [`Control::places`] until it has ended.
    pub fn run_detached(&self, request: &OneOffRequest) -> Result<Place, ControlError> {
        let mut board = self.0.board();
        if board.closing {
            return Err(ControlError::Closing);
        }
        let deployed = board.deployed.clone().ok_or(ControlError::NotReleased)?;
        let app = &deployed.ground.project.app;
        let of = deployed.slate.types.get(&request.process_type).ok_or_else(|| ControlError::NoSuchType {
            asked: request.process_type.to_string(),
            known: deployed.slate.types.keys().map(ToString::to_string).collect(),
        })?;
        let command = command_of(app, &request.process_type, &request.words);
        let runnable = slate::runnable(&ProcessType::run(), &of.image, command.as_ref(), deployed.slate.launch)?;
        let name = loop {
            let number = deployed.ground.project.clock.random(limits::ONE_OFF_NUMBERS);
            let name = DynoName::new(ProcessType::run(), number);
            if !board.one_offs.contains_key(&name) {
                break name;
            }
        };
        let (dyno, place) = start(&deployed, &name, &runnable, request);
        self.0.list(&mut board, dyno, place.clone());
        drop(board);
        self.0.tell();
        Ok(place)
    }

    /// Waits until a dyno beside the formation has ended; returns its status, `None` when there is no such dyno or the app
    /// has stopped.
    pub async fn exit_of(&self, name: &str) -> Option<i32> {
        let mut changes = self.changes();
        loop {
            changes.borrow_and_update();
            {
                let board = self.0.board();
                let ended = board.exits.iter().rev().find(|(ended, _)| ended.to_string() == name);
                let lives = board.one_offs.keys().any(|other| other.to_string() == name);
                if !lives {
                    return ended.map(|(_, exit)| *exit);
                }
            }
            changes.changed().await.ok()?;
        }
    }
}

impl Inner {
    /// Lists a release's dyno until it has ended.
    pub(super) fn list_release(self: &Arc<Self>, dyno: Arc<Dyno>, place: Place) {
        self.list(&mut self.board(), dyno, place);
        self.tell();
    }

    fn list(self: &Arc<Self>, board: &mut Board, dyno: Arc<Dyno>, place: Place) {
        let (name, status) = (place.name.clone(), dyno.status());
        self.attend(name.clone(), status.clone());
        board.one_offs.insert(name, OneOff { runs: Runs::Here(dyno), status, place });
    }

    /// Tells of every change, and forgets the dyno when it has ended.
    fn attend(self: &Arc<Self>, name: DynoName, mut status: watch::Receiver<DynoStatus>) {
        let inner = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                let over = status.changed().await.is_err() || status.borrow_and_update().ended;
                let Some(inner) = inner.upgrade() else { return };
                if over {
                    inner.board().forget(&name, status.borrow().exit.map_or(1, |exit| exit.status));
                }
                inner.tell();
                if over {
                    return;
                }
            }
        });
    }
}

impl Board {
    fn forget(&mut self, name: &DynoName, exit: i32) {
        self.one_offs.remove(name);
        self.exits.push_back((name.clone(), exit));
        if self.exits.len() > EXITS_KEPT {
            self.exits.pop_front();
        }
    }

    /// Stops the one-off dynos that are meant. Returns which.
    pub(super) fn stop_one_offs(&self, which: &Selector) -> Vec<DynoName> {
        let meant = self.one_offs.iter().filter(|(name, _)| *which != Selector::All && which.takes(name));
        meant
            .map(|(name, one)| {
                one.stop();
                name.clone()
            })
            .collect()
    }
}

fn start(
    deployed: &Arc<Deployed>,
    name: &DynoName,
    runnable: &slate::Runnable,
    request: &OneOffRequest,
) -> (Arc<Dyno>, Place) {
    let ground = &deployed.ground;
    ground.api(format!("Starting process with command `{}`", runnable.launch.command));
    let mut release = deployed.release.clone();
    release.config.extend(request.env.clone());
    let dyno = Dyno::start(ground.plan(name.clone(), DynoKind::OneOff, request.size, runnable, &release));
    let place = Place::of(&dyno, &release, runnable, request.size);
    (Arc::new(dyno), place)
}
