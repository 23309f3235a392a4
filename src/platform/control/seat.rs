//! One place of the formation, `web.1` say: whoever steers the app says what is wanted there, and this brings it about.
//! Orders are not queued; the newest one counts, so that commands from many terminals end in one state.
//!
//! A replacement starts as soon as the old dyno was signalled, and the two overlap (R5.3). With preboot the old one
//! serves until the new one is up, or its time is over (R5.6), and is told to stop when its last request has ended: an app
//! that closes its socket at once would drop the connections that wait there.

use super::Deployed;
use super::terminal::Terminal;
use crate::dyno::{Attachment, Dyno, DynoStatus, Gauge, LastWords, StopKind};
use crate::model::dyno::{DynoKind, DynoName, DynoSize, DynoState};
use crate::model::limits;
use crate::model::log::Message;
use crate::model::release::{Release, Version};
use crate::platform::slate::Runnable;
use crate::router::table::Backend;
use crate::router::traffic::Traffic;
use futures_util::future::{FutureExt as _, select_all};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

/// What a place shall run.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) deployed: Arc<Deployed>,
    pub(super) size: DynoSize,
    /// Another number is another dyno, even of the same release.
    pub(super) turn: u64,
    /// How the dyno that is there makes room.
    pub(super) manner: Manner,
    /// A terminal of its own.
    pub(super) terminal: Option<Terminal>,
}

/// How a dyno makes room for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// A restart or a new release.
    Replace,
    /// The same, the new dyno first: web only.
    Preboot,
    /// `ps:stop`: it goes down, and is started again.
    Stop,
    /// The daily restart.
    Cycle,
}

/// What others may know of a place.
#[derive(Clone, Debug)]
pub struct Place {
    /// `web.1`
    pub name: DynoName,
    /// The release it runs.
    pub version: Version,
    /// Its command, as its log line names it.
    pub command: String,
    /// Its size.
    pub size: DynoSize,
    /// How often it was started here, crashes among it.
    pub starts: u64,
    /// What its dyno is at.
    pub status: DynoStatus,
}

impl Place {
    /// Of a dyno beside the formation, which is started once.
    pub(in crate::platform) fn of(dyno: &Dyno, release: &Release, runnable: &Runnable, size: DynoSize) -> Self {
        Self {
            name: dyno.name.clone(),
            version: release.version,
            command: runnable.launch.command.clone(),
            size,
            starts: 1,
            status: dyno.status().borrow().clone(),
        }
    }
}

/// What a place shows: itself, and what the router may use of it.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub(super) place: Option<Place>,
    /// Which order put the dyno there.
    pub(super) turn: Option<u64>,
    pub(super) backend: Option<Backend>,
    /// Measures the dyno there.
    pub(super) gauge: Option<Gauge>,
    /// What the dyno there printed last.
    pub(super) words: Option<LastWords>,
}

/// A dyno with what it was started for.
struct Life {
    dyno: Dyno,
    status: watch::Receiver<DynoStatus>,
    wanted: Wanted,
    /// Lives of this place so far; makes generations unique (G5).
    number: u64,
    cycle: Instant,
    /// The requests that are there.
    traffic: Traffic,
    /// It gets no new requests, and is told to stop when those it has are over, at the latest then.
    ends: Option<Instant>,
}

/// The task of one place.
pub(super) struct Seat {
    name: DynoName,
    wanted: watch::Receiver<Option<Wanted>>,
    view: watch::Sender<View>,
    /// Called after every change of the view.
    changed: Arc<dyn Fn() + Send + Sync>,
    force: CancellationToken,
    current: Option<Life>,
    /// Boots while `current` still serves.
    next: Option<(Life, Instant)>,
    leaving: Vec<Life>,
    lives: u64,
}

enum Wake {
    Wanted,
    Status,
    Deadline,
    Force,
}

impl Seat {
    pub(super) fn new(
        name: DynoName,
        wanted: watch::Receiver<Option<Wanted>>,
        view: watch::Sender<View>,
        changed: Arc<dyn Fn() + Send + Sync>,
        force: CancellationToken,
    ) -> Self {
        Self { name, wanted, view, changed, force, current: None, next: None, leaving: Vec::new(), lives: 0 }
    }

    /// Runs until nobody can want anything here any more, and nothing is left.
    pub(super) async fn run(mut self) {
        let mut forced = false;
        loop {
            // Asked once in each turn: what changes meanwhile must still wake it.
            let let_go = self.wanted.has_changed().is_err();
            let wanted = self.wanted.borrow_and_update().clone().filter(|_| !let_go);
            match wanted {
                None => self.clear(),
                Some(wanted) if self.newest_turn() != Some(wanted.turn) => self.place(wanted).await,
                Some(_) => {}
            }
            self.reap();
            self.tell_idle();
            self.show();
            let empty = self.current.is_none() && self.next.is_none() && self.leaving.is_empty();
            if empty && let_go {
                return;
            }
            match self.wake(forced, let_go).await {
                Wake::Wanted | Wake::Status => {}
                Wake::Deadline => self.due().await,
                Wake::Force => {
                    forced = true;
                    for life in self.current.iter().chain(self.next.iter().map(|(life, _)| life)).chain(&self.leaving) {
                        life.dyno.stop(StopKind::Down);
                        life.dyno.kill();
                    }
                }
            }
        }
    }

    fn newest_turn(&self) -> Option<u64> {
        let newest = self.next.as_ref().map(|(life, _)| life).or(self.current.as_ref());
        newest.map(|life| life.wanted.turn)
    }

    /// The next thing that happens. `let_go`: whoever steers the app is done with this place.
    async fn wake(&mut self, forced: bool, let_go: bool) -> Wake {
        let Self { current, next, leaving, wanted, force, .. } = self;
        let deadline = match (&*next, &*current) {
            (Some((_, until)), _) => Some(*until),
            (None, Some(life)) => Some(life.cycle),
            (None, None) => None,
        };
        let lives = current.iter_mut().chain(next.iter_mut().map(|(life, _)| life)).chain(leaving);
        // Those that have ended since they were looked at tell so at once.
        let changes: Vec<_> = lives.map(|life| life.news().boxed()).collect();
        let any =
            async { if changes.is_empty() { std::future::pending().await } else { drop(select_all(changes).await) } };
        tokio::select! {
            biased;
            () = force.cancelled(), if !forced => Wake::Force,
            _ = wanted.changed(), if !let_go => Wake::Wanted,
            () = any => Wake::Status,
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => Wake::Deadline,
        }
    }

    /// Nothing is wanted here.
    fn clear(&mut self) {
        for life in &mut self.leaving {
            life.tell();
        }
        let gone: Vec<Life> = self.current.take().into_iter().chain(self.next.take().map(|(life, _)| life)).collect();
        if gone.is_empty() {
            return;
        }
        // No request is sent to a dyno that is about to be told.
        self.show();
        for life in gone {
            self.leave(life, StopKind::Down);
        }
    }

    /// Puts a new dyno here.
    async fn place(&mut self, wanted: Wanted) {
        if let Some((life, _)) = self.next.take() {
            self.leave(life, StopKind::Down);
        }
        let serves = self.current.as_ref().is_some_and(|life| life.status.borrow().state == DynoState::Up);
        if wanted.manner == Manner::Preboot && serves {
            let until = Instant::now() + wanted.deployed.ground.rules.timeouts.boot + limits::PREBOOT_WINDOW;
            if let Some(life) = self.start(wanted) {
                self.next = Some((life, until));
            }
            return;
        }
        if let Some(old) = self.current.take() {
            self.hold_requests(&old);
            let kind = match wanted.manner {
                Manner::Replace | Manner::Preboot => StopKind::Replaced,
                Manner::Stop => StopKind::Down,
                Manner::Cycle => StopKind::Cycled,
            };
            let mut status = old.status.clone();
            self.leave(old, kind);
            // A task that is gone has told it long ago.
            let _ = status.wait_for(|status| status.stopping || status.ended).await;
            if wanted.manner == Manner::Stop {
                self.say(&wanted, "State changed from down to starting");
            }
        }
        self.current = self.start(wanted);
    }

    /// The preboot window or the day is over.
    async fn due(&mut self) {
        if self.next.is_some() {
            return self.switch();
        }
        let Some(wanted) = self.current.as_ref().map(|life| life.wanted.clone()) else { return };
        if self.current.as_ref().is_some_and(|life| Instant::now() >= life.cycle) {
            self.place(Wanted { manner: Manner::Cycle, ..wanted }).await;
        }
    }

    /// The prebooted dyno takes over.
    fn switch(&mut self) {
        let Some((life, _)) = self.next.take() else { return };
        let limit = life.wanted.deployed.ground.rules.timeouts.first_byte;
        let old = self.current.replace(life);
        self.show();
        if let Some(mut old) = old {
            old.ends = Some(Instant::now() + limit);
            self.leaving.push(old);
            self.tell_idle();
        }
    }

    /// Tells the dyno that a prebooted one replaced to stop, once it has answered what it was asked.
    fn tell_idle(&mut self) {
        for life in &mut self.leaving {
            if life.traffic.is_over() || life.ends.is_some_and(|ends| Instant::now() >= ends) {
                life.tell();
            }
        }
    }

    fn start(&mut self, wanted: Wanted) -> Option<Life> {
        let deployed = &wanted.deployed;
        let runnable = deployed.slate.types.get(&self.name.process_type)?;
        let mut plan =
            deployed.ground.plan(self.name.clone(), DynoKind::Formation, wanted.size, runnable, &deployed.release);
        self.lives += 1;
        let cycle = Instant::now() + cycle_of(deployed);
        if let Some(Terminal { console, output, .. }) = &wanted.terminal {
            plan.attachment = Attachment::Both(*console, output.clone());
        }
        let dyno = Dyno::start(plan);
        if let Some(terminal) = &wanted.terminal {
            terminal.keyboard.send_replace(Some(dyno.keyboard()));
        }
        let (status, number, traffic) = (dyno.status(), self.lives, Traffic::default());
        Some(Life { dyno, status, wanted, number, cycle, traffic, ends: None })
    }

    fn leave(&mut self, life: Life, kind: StopKind) {
        life.dyno.stop(kind);
        self.leaving.push(life);
    }

    fn reap(&mut self) {
        let lives = |life: &Life| !life.status.borrow().ended;
        self.leaving.retain(lives);
        self.current = self.current.take().filter(lives);
        self.next = self.next.take().filter(|(life, _)| lives(life));
        if self.next.as_ref().is_some_and(|(life, _)| life.status.borrow().state == DynoState::Up) {
            self.switch();
        }
    }

    fn say(&self, wanted: &Wanted, text: &str) {
        wanted.deployed.ground.logs.publish(&Message::heroku(&self.name, text));
    }

    /// Requests wait from here on: the dyno there is about to be told, and the next one has not started.
    fn hold_requests(&self, old: &Life) {
        let mut view = self.view.borrow().clone();
        view.backend = self.name.process_type.is_web().then(|| Backend {
            name: self.name.clone(),
            generation: generation(old.number + 1, 0),
            state: DynoState::Starting,
            endpoint: None,
            traffic: Traffic::default(),
        });
        self.view.send_replace(view);
        (self.changed)();
    }

    fn show(&self) {
        let shown = self.current.as_ref().or(self.leaving.last());
        let place = shown.map(|life| {
            let status = life.status.borrow().clone();
            let deployed = &life.wanted.deployed;
            let runnable = deployed.slate.types.get(&self.name.process_type);
            Place {
                name: self.name.clone(),
                version: deployed.release.version,
                command: runnable.map(|runnable| runnable.launch.command.clone()).unwrap_or_default(),
                size: life.wanted.size,
                starts: life.number - 1 + status.generation,
                status,
            }
        });
        let backend = self.current.as_ref().filter(|_| self.name.process_type.is_web()).and_then(|life| {
            let status = life.status.borrow();
            (!status.stopping && !status.ended).then(|| Backend {
                name: self.name.clone(),
                generation: generation(life.number, status.generation),
                state: status.state,
                endpoint: status.endpoint.clone(),
                traffic: life.traffic.clone(),
            })
        });
        let turn = shown.map(|life| life.wanted.turn);
        let gauge = shown.map(|life| life.dyno.gauge());
        let words = shown.map(|life| life.dyno.words());
        self.view.send_replace(View { place, turn, backend, gauge, words });
        (self.changed)();
    }
}

impl Life {
    /// The next thing to look at here.
    async fn news(&mut self) {
        let Self { status, traffic, ends, .. } = self;
        let Some(ends) = *ends else { return drop(status.changed().await) };
        tokio::select! {
            _ = status.changed() => {}
            _ = timeout_at(ends, traffic.over()) => {}
        }
    }

    /// Tells a dyno that was left its last requests to stop.
    fn tell(&mut self) {
        if self.ends.take().is_some() {
            self.dyno.stop(StopKind::Down);
        }
    }
}

/// Of the n-th life here and the m-th start in it.
fn generation(life: u64, start: u64) -> u64 {
    life << 32 | start
}

/// When a dyno that starts now is cycled: a day, and up to 216 minutes more (R5.4).
fn cycle_of(deployed: &Deployed) -> Duration {
    let minutes = deployed.ground.project.clock.random(0..=limits::CYCLE_SPREAD_MINUTES);
    deployed.ground.rules.timeouts.cycle + Duration::from_secs(60) * minutes
}
