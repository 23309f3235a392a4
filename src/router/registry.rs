//! The newest table with what the router keeps beside it: pools and counters, which outlive a change of the table as
//! long as their dyno or app does.

use super::pool::{Slot, SlotKey};
use super::table::{Route, Table};
use super::traffic::Traffic;
use crate::model::dyno::DynoState;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio::time::Duration;

/// Hands out the table in force.
pub(super) struct Registry {
    table: watch::Receiver<Arc<Table>>,
    live: Mutex<Arc<Live>>,
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
    pub(super) fn new(table: watch::Receiver<Arc<Table>>) -> Self {
        let empty = Live { table: Arc::new(Table::default()), apps: Vec::new() };
        Self { table, live: Mutex::new(Arc::new(empty)) }
    }

    /// A receiver that wakes at the next change.
    pub(super) fn changes(&self) -> watch::Receiver<Arc<Table>> {
        let mut changes = self.table.clone();
        changes.mark_unchanged();
        changes
    }

    /// The table in force, never an older one than was published before the call.
    pub(super) fn current(&self) -> Arc<Live> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = self.table.borrow();
        if !Arc::ptr_eq(&live.table, &newest) {
            let newest = Arc::clone(&newest);
            *live = Arc::new(live.follow(newest));
        }
        Arc::clone(&live)
    }

    /// Whether that is the table in force.
    pub(super) fn is_current(&self, live: &Live) -> bool {
        Arc::ptr_eq(&live.table, &self.table.borrow())
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

impl Live {
    /// The app at the table's `index`.
    pub(super) fn app(&self, index: usize) -> Option<(&Route, &LiveApp)> {
        self.table.apps.get(index).zip(self.apps.get(index))
    }

    /// The next table, with the slots and counters that stay; the slots that do not are closed.
    fn follow(&self, table: Arc<Table>) -> Self {
        let mut slots: HashMap<SlotKey, Arc<Slot>> =
            self.apps.iter().flat_map(|app| &app.up).map(|slot| (slot.key.clone(), Arc::clone(slot))).collect();
        let mut counters: HashMap<&str, Arc<AtomicUsize>> = self
            .table
            .apps
            .iter()
            .zip(&self.apps)
            .map(|(route, app)| (route.app.as_str(), Arc::clone(&app.in_flight)))
            .collect();
        let apps = table
            .apps
            .iter()
            .map(|route| LiveApp {
                in_flight: counters.remove(route.app.as_str()).unwrap_or_default(),
                up: keys(route)
                    .map(|(key, traffic)| slots.remove(&key).unwrap_or_else(|| Slot::new(key, traffic.clone())))
                    .collect(),
            })
            .collect();
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
