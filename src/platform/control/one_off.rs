//! One-off dynos that live in the running app and need no client: `run:detached`. Their output goes to the log; they end
//! by themselves, by `ps:stop`, or with the app.

#[cfg(test)]
mod tests;

use super::{Control, ControlError, Deployed, Place, Selector};
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

/// A one-off dyno that was started.
pub(super) struct OneOff {
    dyno: Arc<Dyno>,
    status: watch::Receiver<DynoStatus>,
    place: Place,
}

impl OneOff {
    pub(super) fn place(&self) -> Place {
        Place { status: self.status.borrow().clone(), ..self.place.clone() }
    }

    pub(super) fn gauge(&self) -> Gauge {
        self.dyno.gauge()
    }

    pub(super) fn stop(&self) {
        self.dyno.stop(StopKind::Down);
    }
}

/// Stops all and waits until they have ended; `force` kills those that are left.
pub(super) async fn end_all(one_offs: Vec<OneOff>, force: impl Future<Output = ()>) {
    for one in &one_offs {
        one.stop();
    }
    let ended = join_all(one_offs.iter().map(|one| ended(one.status.clone())));
    tokio::pin!(ended);
    tokio::select! {
        _ = &mut ended => {}
        () = force => {
            for one in &one_offs {
                one.dyno.kill();
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
        let one_off = start(&deployed, name.clone(), &runnable, request);
        let place = one_off.place();
        self.attend_one_off(name.clone(), one_off.status.clone());
        board.one_offs.insert(name, one_off);
        drop(board);
        self.0.tell();
        Ok(place)
    }

    /// Tells of every change, and forgets the dyno when it has ended.
    fn attend_one_off(&self, name: DynoName, mut status: watch::Receiver<DynoStatus>) {
        let inner = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                let over = status.changed().await.is_err() || status.borrow_and_update().ended;
                let Some(inner) = inner.upgrade() else { return };
                if over {
                    inner.board().one_offs.remove(&name);
                }
                inner.tell();
                if over {
                    return;
                }
            }
        });
    }
}

impl super::Board {
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

fn start(deployed: &Arc<Deployed>, name: DynoName, runnable: &slate::Runnable, request: &OneOffRequest) -> OneOff {
    let ground = &deployed.ground;
    ground.api(format!("Starting process with command `{}`", runnable.launch.command));
    let mut release = deployed.release.clone();
    release.config.extend(request.env.clone());
    let dyno = Dyno::start(ground.plan(name.clone(), DynoKind::OneOff, request.size, runnable, &release));
    let status = dyno.status();
    let place = Place {
        name,
        version: release.version,
        command: runnable.launch.command.clone(),
        size: request.size,
        starts: 1,
        status: status.borrow().clone(),
    };
    OneOff { dyno: Arc::new(dyno), status, place }
}
