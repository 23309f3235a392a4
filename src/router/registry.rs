//! The newest table with what a lane keeps beside it: pools and counters, which outlive a change of the table as long
//! as their dyno or app does.

use super::pool::{Quarantine, Slot, SlotKey};
use super::table::{Route, Table};
use super::traffic::Traffic;
use crate::model::dyno::DynoState;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::watch;
use tokio::time::Duration;

/// Hands out the table in force to one lane.
pub(super) struct Registry {
    table: watch::Receiver<Arc<Table>>,
    followed: Mutex<Followed>,
    common: Arc<Common>,
}

/// How far a lane is.
struct Followed {
    /// Has seen the table of `live`.
    table: watch::Receiver<Arc<Table>>,
    live: Arc<Live>,
}

/// What is one for all lanes.
#[derive(Default)]
pub(super) struct Common {
    in_flight: Mutex<HashMap<String, Weak<AtomicUsize>>>,
    quarantines: Mutex<HashMap<SlotKey, Weak<Quarantine>>>,
}

/// One table, with the slots of its dyno.
pub(super) struct Live {
    pub(super) table: Arc<Table>,
    /// One for each app of the table.
    pub(super) apps: Vec<LiveApp>,
}

/// One app of a live table.
#[derive(Clone)]
pub(super) struct LiveApp {
    in_flight: Arc<AtomicUsize>,
    /// Up and with an address.
    pub(super) up: Vec<Arc<Slot>>,
}

/// A request that counts towards H11 until this is dropped.
pub(super) struct InFlight(Arc<AtomicUsize>);

impl Registry {
    pub(super) fn new(table: &watch::Receiver<Arc<Table>>, common: Arc<Common>) -> Self {
        let mut table = table.clone();
        // The first table is to be followed too.
        table.mark_changed();
        let live = Arc::new(Live { table: Arc::new(Table::default()), apps: Vec::new() });
        Self { table: table.clone(), followed: Mutex::new(Followed { table, live }), common }
    }

    /// A receiver that wakes at the next change.
    pub(super) fn changes(&self) -> watch::Receiver<Arc<Table>> {
        let mut changes = self.table.clone();
        changes.mark_unchanged();
        changes
    }

    /// The table in force, never an older one than was published before the call.
    pub(super) fn current(&self) -> Arc<Live> {
        let mut followed = self.followed();
        if followed.is_behind() {
            let newest = Arc::clone(&followed.table.borrow_and_update());
            followed.live = Arc::new(followed.live.follow(newest, &self.common));
        }
        Arc::clone(&followed.live)
    }

    /// Whether that is the table in force.
    pub(super) fn is_current(&self, live: &Live) -> bool {
        let followed = self.followed();
        std::ptr::eq(Arc::as_ptr(&followed.live), live) && !followed.is_behind()
    }

    fn followed(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops pooled connections that are too old or were closed by their dyno; for each of the latter, says how long
    /// it had been idle.
    pub(super) fn sweep(&self, max_idle: Duration, mut closed: impl FnMut(&Slot, Duration)) {
        for slot in self.current().apps.iter().flat_map(|app| &app.up) {
            if let Some(after) = slot.sweep(max_idle) {
                closed(slot, after);
            }
        }
    }

    /// Forgets every pooled connection.
    pub(super) fn close(&self) {
        for slot in self.current().apps.iter().flat_map(|app| &app.up) {
            slot.close();
        }
    }
}

impl Followed {
    /// Whether there is a newer table. Nothing is locked or counted to see that, as long as there may be one at all.
    fn is_behind(&self) -> bool {
        self.table.has_changed().unwrap_or_else(|_| !Arc::ptr_eq(&self.live.table, &self.table.borrow()))
    }
}

impl Common {
    /// What all lanes have of this one.
    fn of<K: Eq + Hash, T: Default>(all: &Mutex<HashMap<K, Weak<T>>>, key: K) -> Arc<T> {
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, one| one.strong_count() > 0);
        let known = all.get(&key).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let new = Arc::default();
            all.insert(key, Arc::downgrade(&new));
            new
        })
    }
}

impl Live {
    /// The app at the table's `index`.
    pub(super) fn app(&self, index: usize) -> Option<(&Route, &LiveApp)> {
        self.table.apps.get(index).zip(self.apps.get(index))
    }

    /// The next table, with the slots that stay; those that do not are closed.
    fn follow(&self, table: Arc<Table>, common: &Common) -> Self {
        let mut slots: HashMap<SlotKey, Arc<Slot>> =
            self.apps.iter().flat_map(|app| &app.up).map(|slot| (slot.key.clone(), Arc::clone(slot))).collect();
        let mut slot = |(key, traffic): (SlotKey, &Traffic)| {
            let new = |key: SlotKey| Slot::new(key.clone(), traffic.clone(), Common::of(&common.quarantines, key));
            slots.remove(&key).unwrap_or_else(|| new(key))
        };
        let mut app = |route: &Route| LiveApp {
            in_flight: Common::of(&common.in_flight, route.app.clone()),
            up: keys(route).map(&mut slot).collect(),
        };
        let apps = table.apps.iter().map(&mut app).collect();
        for gone in slots.values() {
            gone.close();
        }
        Self { table, apps }
    }
}

fn keys(route: &Route) -> impl Iterator<Item = (SlotKey, &Traffic)> {
    route.dynos.iter().filter(|dyno| dyno.state == DynoState::Up).filter_map(|dyno| {
        let endpoint = dyno.endpoint.clone()?;
        let key = SlotKey { name: dyno.name.clone(), generation: dyno.generation, endpoint };
        Some((key, &dyno.traffic))
    })
}

impl LiveApp {
    /// Requests that count towards H11 now.
    #[cfg(test)]
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Counts one more request, unless there are too many: `per_dyno` for each dyno that is up (§12). An app whose
    /// dynos are still starting may hold back as many as one dyno takes.
    pub(super) fn enter(&self, per_dyno: usize) -> Option<InFlight> {
        let limit = per_dyno.saturating_mul(self.up.len().max(1));
        let mut now = self.in_flight.load(Ordering::Relaxed);
        loop {
            if now >= limit {
                return None;
            }
            match self.in_flight.compare_exchange_weak(now, now + 1, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Some(InFlight(Arc::clone(&self.in_flight))),
                Err(seen) => now = seen,
            }
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
