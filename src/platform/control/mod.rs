//! The running app, as everybody who steers it has it: the terminal, the API's clients, the watcher. Whatever is asked
//! for ends up as what is wanted of each place of the formation (`seat`) or as a release in the queue
//! (`releases`); there is no other way to change a running app.

mod errors;
mod formation;
mod guest;
mod measure;
mod one_off;
mod rebuild;
mod refresh;
mod releases;
#[cfg(test)]
pub(crate) mod scene;
mod seat;
mod selector;
mod terminal;
#[cfg(test)]
mod tests;

pub use errors::ControlError;
pub use formation::{Quantity, ScaleUpdate};
pub use guest::{Arrived, Guest};
pub use measure::Measured;
pub use one_off::OneOffRequest;
pub use refresh::Renewal;
pub(super) use releases::images_kept;
pub use releases::{Outcome, Reload};
pub use seat::Place;
pub use selector::Selector;
pub use terminal::Typing;

use super::builds::BuildOptions;
use super::deploy::Ground;
use super::interrupt::Interrupt;
use super::slate::Slate;
use super::store::Releases;
use crate::dyno::LastWords;
use crate::model::dyno::{DynoName, DynoState};
use crate::model::formation::Formation;
use crate::model::process_type::ProcessType;
use crate::model::release::{Release, Slug, Version};
use crate::router::table::{Backend, HostRule, Route, Table};
use crate::router::traffic::Traffic;
use futures_util::future::{join, join_all};
use one_off::OneOff;
use releases::Desk;
use seat::{Manner, Seat, View, Wanted};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A release with everything that its dynos need.
pub struct Deployed {
    /// The project as it was read for it, the log and the rules.
    pub ground: Ground,
    /// Images and commands.
    pub slate: Slate,
    /// The release.
    pub release: Release,
    /// The images that dynos get now: those of the release, or others with later files on them. What is released next
    /// of the same code has these.
    pub slug: Slug,
}

/// What a control begins with.
pub struct Beginning {
    /// The project, the log and the rules.
    pub ground: Ground,
    /// Past releases.
    pub releases: Releases,
    /// What is wanted, once there is a release.
    pub formation: Formation,
    /// Further hosts of the app.
    pub hosts: Vec<HostRule>,
    /// Maintenance mode from the start.
    pub maintenance: bool,
    /// Reads the project's files again.
    pub reload: Reload,
    /// How images are built again.
    pub build: BuildOptions,
    /// Ends release commands.
    pub interrupt: Interrupt,
}

/// A hand on the running app; clones steer the same app.
#[derive(Clone)]
pub struct Control(Arc<Inner>);

struct Inner {
    board: Mutex<Board>,
    desk: Desk,
    table: watch::Sender<Arc<Table>>,
    changes: watch::Sender<u64>,
    force: CancellationToken,
    app: String,
    hosts: Vec<HostRule>,
}

/// What is wanted, and who brings it about.
#[allow(clippy::struct_excessive_bools, reason = "independent switches of an app")]
struct Board {
    formation: Formation,
    /// What dynos run; none before the first release of this run.
    deployed: Option<Arc<Deployed>>,
    /// The app was released before, in this run or an earlier one: else it is blank (H81).
    released: bool,
    seats: BTreeMap<DynoName, Handle>,
    one_offs: BTreeMap<DynoName, OneOff>,
    /// How the last of them ended.
    exits: VecDeque<(DynoName, i32)>,
    turns: u64,
    maintenance: bool,
    preboot: bool,
    /// The app is being stopped: nothing is started any more.
    closing: bool,
}

/// A hand on a place.
struct Handle {
    wanted: watch::Sender<Option<Wanted>>,
    view: watch::Receiver<View>,
    task: JoinHandle<()>,
}

impl Control {
    /// Begins, with no dynos: the first release brings them. Must be called inside a tokio runtime.
    pub fn begin(beginning: Beginning) -> Self {
        let Beginning { ground, releases, formation, hosts, maintenance, reload, build, interrupt } = beginning;
        let released = !releases.is_empty();
        let board = Board {
            formation,
            deployed: None,
            released,
            seats: BTreeMap::new(),
            one_offs: BTreeMap::new(),
            exits: VecDeque::new(),
            turns: 0,
            maintenance,
            preboot: false,
            closing: false,
        };
        let app = ground.project.app.name.clone();
        let (desk, queue) = Desk::open(ground, releases, reload, build);
        let inner = Arc::new(Inner {
            board: Mutex::new(board),
            desk,
            table: watch::channel(Arc::default()).0,
            changes: watch::channel(0).0,
            force: CancellationToken::new(),
            app,
            hosts,
        });
        inner.publish(&inner.board());
        releases::work(Self(Arc::clone(&inner)), queue, interrupt);
        Self(inner)
    }

    /// The router's table, now and as it changes.
    pub fn table(&self) -> watch::Receiver<Arc<Table>> {
        self.0.table.subscribe()
    }

    /// Changes whenever anything does that could be asked for here.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// What runs now; none before the first release.
    pub fn deployed(&self) -> Option<Arc<Deployed>> {
        self.0.board().deployed.clone()
    }

    /// Every place of the formation and what its dyno is at, in the order of names; then the one-off dynos.
    pub fn places(&self) -> Vec<Place> {
        let board = self.0.board();
        let seats = board.seats.values().filter_map(|seat| seat.view.borrow().place.clone());
        seats.chain(board.one_offs.values().map(OneOff::place)).collect()
    }

    /// Every place of the formation, with what its dyno printed last.
    pub fn last_words(&self) -> Vec<(Place, LastWords)> {
        let board = self.0.board();
        let views = board.seats.values().map(|seat| seat.view.borrow().clone());
        views.filter_map(|view| Some((view.place?, view.words?))).collect()
    }

    /// Whether maintenance mode is on.
    pub fn maintenance(&self) -> bool {
        self.0.board().maintenance
    }

    /// Turns maintenance mode on or off: every request is H80; dynos go on (§13).
    pub fn set_maintenance(&self, on: bool) {
        let mut board = self.0.board();
        if board.maintenance != on {
            board.maintenance = on;
            self.0.publish(&board);
            drop(board);
            self.0.desk.api(if on { "Enabled maintenance mode" } else { "Disabled maintenance mode" });
        }
    }

    /// Whether preboot is on.
    pub fn preboot(&self) -> bool {
        self.0.board().preboot
    }

    /// Turns preboot on or off: new web dynos take requests before the old ones stop (R5.6).
    pub fn set_preboot(&self, on: bool) {
        self.0.board().preboot = on;
        self.0.tell();
    }

    /// Waits until every dyno that is wanted is up on the newest release, one whose release phase goes on among them.
    /// Whether they are: a dyno that crashed, or an app that is being stopped, is not waited for.
    pub async fn all_up(&self) -> bool {
        let mut changes = self.changes();
        loop {
            changes.borrow_and_update();
            let newest = self.0.desk.newest_to_run();
            if let Some(verdict) = self.0.board().verdict_on(newest) {
                return verdict;
            }
            if changes.changed().await.is_err() {
                return false;
            }
        }
    }

    /// Waits until every dyno that is wanted is up, however often they crash before.
    pub async fn until_up(&self) {
        let mut changes = self.changes();
        loop {
            changes.borrow_and_update();
            if self.0.board().verdict() == Some(true) {
                return;
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Stops every dyno, side by side, and waits until all have ended. `force` kills what is left.
    pub async fn stop(&self, force: impl Future<Output = ()>) {
        let (tasks, one_offs): (Vec<JoinHandle<()>>, Vec<OneOff>) = {
            let mut board = self.0.board();
            board.closing = true;
            let seats = std::mem::take(&mut board.seats);
            let one_offs = std::mem::take(&mut board.one_offs);
            self.0.publish(&board);
            // To let go of a place is to want nothing there.
            (seats.into_values().map(|seat| seat.task).collect(), one_offs.into_values().collect())
        };
        let forced = self.0.force.clone();
        let ended = join(join_all(tasks), one_off::end_all(one_offs, forced.cancelled_owned()));
        tokio::pin!(ended);
        tokio::select! {
            _ = &mut ended => {}
            () = force => {
                self.0.force.cancel();
                ended.await;
            }
        }
    }
}

impl Inner {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something changed.
    fn tell(&self) {
        self.changes.send_modify(|number| *number += 1);
    }

    /// Makes the router's table out of what all places show: made whole, under the board's lock, so that no older
    /// picture can overtake a newer one.
    fn publish(&self, board: &Board) {
        // Before the first release of this run, the files say what it will be.
        let first = || self.desk.first_config();
        let config = board.deployed.as_ref().map_or_else(first, |deployed| deployed.release.config.clone());
        let page = |name: &str| config.get(name).filter(|url| !url.is_empty()).cloned();
        let route = Route {
            app: self.app.clone(),
            hosts: self.hosts.clone(),
            maintenance: board.maintenance,
            blank: !board.released,
            dynos: board.backends(),
            error_page_url: page("ERROR_PAGE_URL"),
            maintenance_page_url: page("MAINTENANCE_PAGE_URL"),
        };
        let table = Table { apps: vec![route] };
        self.table.send_if_modified(|current| {
            let differs = **current != table;
            if differs {
                *current = Arc::new(table);
            }
            differs
        });
        self.tell();
    }

    /// Makes the places those of the formation. Places of `anew` get new dynos; the others keep theirs.
    fn arrange(self: &Arc<Self>, board: &mut Board, anew: &dyn Fn(&DynoName) -> bool, manner: Manner) {
        let Some(deployed) = board.deployed.clone().filter(|_| !board.closing) else { return };
        let mut unwanted: Vec<DynoName> = board.seats.keys().cloned().collect();
        for (process_type, scale) in board.formation.clone() {
            for number in 1..=scale.quantity {
                let name = DynoName::new(process_type.clone(), number);
                unwanted.retain(|other| *other != name);
                let before = board.seats.get(&name).and_then(|seat| seat.wanted.borrow().clone());
                let keeps = before.as_ref().is_some_and(|wanted| wanted.size == scale.size && !anew(&name));
                if keeps {
                    continue;
                }
                board.turns += 1;
                let preboot = board.preboot && process_type.is_web() && manner == Manner::Replace;
                let manner = if preboot { Manner::Preboot } else { manner };
                let turn = board.turns;
                let wanted = Wanted { deployed: Arc::clone(&deployed), size: scale.size, turn, manner, terminal: None };
                self.seat(board, name, wanted);
            }
        }
        // The place stays, with nothing on it: an order that comes next must not find it just leaving.
        for name in unwanted {
            if let Some(seat) = board.seats.get(&name) {
                seat.wanted.send_replace(None);
            }
        }
    }

    fn seat(self: &Arc<Self>, board: &mut Board, name: DynoName, wanted: Wanted) {
        if let Some(seat) = board.seats.get(&name) {
            seat.wanted.send_replace(Some(wanted));
            return;
        }
        let (sender, receiver) = watch::channel(Some(wanted));
        let (view, seen) = watch::channel(View::default());
        let inner = Arc::downgrade(self);
        let changed = Arc::new(move || {
            if let Some(inner) = inner.upgrade() {
                inner.publish(&inner.board());
            }
        });
        let seat = Seat::new(name.clone(), receiver, view, changed, self.force.clone());
        let task = tokio::spawn(seat.run());
        board.seats.insert(name, Handle { wanted: sender, view: seen, task });
    }

    /// A release's dynos may boot: every place gets a new one.
    fn install(self: &Arc<Self>, deployed: Deployed) {
        let mut board = self.board();
        let newer = |current: &Arc<Deployed>| current.release.version > deployed.release.version;
        if board.deployed.as_ref().is_some_and(newer) {
            return;
        }
        board.deployed = Some(Arc::new(deployed));
        board.released = true;
        self.arrange(&mut board, &|_| true, Manner::Replace);
        self.publish(&board);
    }
}

impl Board {
    fn backends(&self) -> Vec<Backend> {
        if self.deployed.is_some() || self.closing {
            return self.seats.values().filter_map(|seat| seat.view.borrow().backend.clone()).collect();
        }
        // The web dynos that will be there once the release is made: requests wait for them, as for any that boot.
        let web = ProcessType::web();
        let quantity = self.formation.get(&web).map_or(0, |scale| scale.quantity);
        let backend = |number| Backend {
            name: DynoName::new(web.clone(), number),
            generation: 0,
            state: DynoState::Starting,
            endpoint: None,
            traffic: Traffic::default(),
        };
        (1..=quantity).map(backend).collect()
    }

    /// The verdict, once the dynos run the newest release that is to be run.
    fn verdict_on(&self, newest: Option<Version>) -> Option<bool> {
        let behind = self.deployed.as_ref().map(|deployed| deployed.release.version) < newest;
        if behind && !self.closing { None } else { self.verdict() }
    }

    /// Whether all that is wanted is up; `None` while that is not known.
    fn verdict(&self) -> Option<bool> {
        if self.closing {
            return Some(false);
        }
        let version = self.deployed.as_ref()?.release.version;
        let mut verdict = Some(true);
        for (process_type, scale) in &self.formation {
            for number in 1..=scale.quantity {
                let seat = self.seats.get(&DynoName::new(process_type.clone(), number))?;
                let wanted = seat.wanted.borrow().as_ref().map(|wanted| wanted.turn);
                let view = seat.view.borrow();
                // A dyno that is about to be replaced is not what is wanted.
                let place = view.place.as_ref().filter(|place| place.version == version && !place.status.ended);
                let place = place.filter(|_| view.turn == wanted)?;
                match place.status.state {
                    DynoState::Up if !place.status.stopping => {}
                    DynoState::Crashed => return Some(false),
                    _ => verdict = None,
                }
            }
        }
        verdict
    }
}
