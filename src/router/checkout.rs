//! Which dyno gets a request, and the wait for one (§12).

use super::Shared;
use super::failure::Failure;
use super::link::Link;
use super::pool::{DialFailure, Passage, Slot};
use super::registry::Live;
use crate::model::dyno::DynoState;
use crate::model::limits::CONNECT_ATTEMPTS;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep_until};

/// A connection to a dyno for one request.
pub(super) struct Lease {
    pub(super) passage: Passage,
    pub(super) link: Box<Link>,
}

impl Lease {
    pub(super) fn slot(&self) -> &Slot {
        &self.passage.slot
    }
}

/// No connection: why, and the dyno that was tried last.
pub(super) struct NoLease {
    pub(super) failure: Failure,
    pub(super) tried: Option<Arc<Slot>>,
}

impl From<Failure> for NoLease {
    fn from(failure: Failure) -> Self {
        Self { failure, tried: None }
    }
}

impl From<DialFailure> for Failure {
    fn from(failure: DialFailure) -> Self {
        match failure {
            DialFailure::Refused => Self::Refused,
            DialFailure::TimedOut => Self::ConnectTimeout,
        }
    }
}

/// What to do next for a request that wants a dyno.
enum Step {
    Try(Arc<Slot>),
    /// Nothing before the table changes, or this instant comes; and how the request fails if the queue time ends.
    Wait(Option<Instant>, Failure),
    Fail(Failure),
}

/// Finds a dyno of the app named `app` and a connection to it: a pooled one or a new one. `wanted` is the dyno of the
/// client's session, tried first. `live` is the table that the app was just found in.
pub(super) async fn checkout(shared: &Shared, live: &Live, app: &str, wanted: Option<&str>) -> Result<Lease, NoLease> {
    let timeouts = &shared.config.timeouts;
    let mut now = Instant::now();
    let give_up = now + timeouts.queue;
    // Subscribed to before the first wait, after which the table is looked at again.
    let mut changes = None;
    let mut tried: Vec<Arc<Slot>> = Vec::new();
    let mut last = Failure::Refused;
    let mut newer: Option<Arc<Live>> = None;
    loop {
        let live = newer.as_deref().unwrap_or(live);
        match next_step(shared, live, app, wanted, &tried, last) {
            Step::Try(slot) => {
                let passage = Passage::to(slot);
                // Who has taken the dyno out of the table, and then sees no request at it, stops it.
                if shared.registry().is_current(live) {
                    match connect(shared, &passage.slot, now).await {
                        Ok(link) => return Ok(Lease { passage, link }),
                        Err(failure) => {
                            passage.slot.quarantine(timeouts.quarantine);
                            last = failure.into();
                            tried.push(Arc::clone(&passage.slot));
                        }
                    }
                }
                newer = Some(shared.registry().current());
            }
            Step::Fail(failure) => {
                let connecting = matches!(failure, Failure::Refused | Failure::ConnectTimeout);
                return Err(NoLease { failure, tried: tried.pop().filter(|_| connecting) });
            }
            Step::Wait(until, failure) => {
                let Some(changes) = &mut changes else {
                    changes = Some(shared.registry().changes());
                    newer = Some(shared.registry().current());
                    continue;
                };
                let wake = until.map_or(give_up, |until| until.min(give_up));
                tokio::select! {
                    biased;
                    result = changes.changed() => if result.is_err() {
                        sleep_until(wake).await;
                    },
                    () = sleep_until(wake) => {}
                }
                now = Instant::now();
                if now >= give_up {
                    return Err(failure.into());
                }
                changes.borrow_and_update();
                newer = Some(shared.registry().current());
            }
        }
    }
}

/// The choice: uniformly among the dynos that are up, not quarantined and not tried for this request.
fn next_step(
    shared: &Shared,
    live: &Live,
    app: &str,
    wanted: Option<&str>,
    tried: &[Arc<Slot>],
    last: Failure,
) -> Step {
    let index = live.table.apps.iter().position(|route| route.app == app);
    let Some((route, live)) = index.and_then(|index| live.app(index)) else {
        return Step::Fail(Failure::NoWeb);
    };
    let untried = || live.up.iter().filter(|slot| !tried.iter().any(|before| Arc::ptr_eq(before, slot)));
    if !tried.is_empty() && (tried.len() >= CONNECT_ATTEMPTS || untried().next().is_none()) {
        return Step::Fail(last);
    }
    let free = || untried().filter(|slot| slot.quarantined_until().is_none());
    if let Some(session) = wanted.and_then(|name| free().find(|slot| *slot.name == *name)) {
        return Step::Try(Arc::clone(session));
    }
    let choice = match free().count() {
        0 => None,
        1 => free().next(),
        n => free().nth(shared.clock().random(0..=n - 1)),
    };
    if let Some(slot) = choice {
        return Step::Try(Arc::clone(slot));
    }
    let has = |state: DynoState| route.dynos.iter().any(|dyno| dyno.state == state);
    if let Some(until) = untried().filter_map(|slot| slot.quarantined_until()).min() {
        let h34 = shared.config.quarantine_is_h34;
        Step::Wait(Some(until), if h34 { Failure::AllQuarantined } else { Failure::Quarantined })
    } else if has(DynoState::Starting) || has(DynoState::Up) {
        Step::Wait(None, Failure::Booting)
    } else if has(DynoState::Crashed) {
        Step::Fail(Failure::Crashed)
    } else {
        Step::Fail(Failure::NoWeb)
    }
}

async fn connect(shared: &Shared, slot: &Slot, now: Instant) -> Result<Box<Link>, DialFailure> {
    if shared.pools() {
        let max_idle = shared.config.timeouts.pool_idle;
        // However many of them have closed: a task that has used up its turn sees all of them as open.
        if let Some(link) = unconstrained(poll_fn(|cx| Poll::Ready(slot.take_idle(now, max_idle, cx)))).await {
            return Ok(link);
        }
    }
    // Boxed, so that it takes no room in a request that needs no new connection.
    Box::pin(slot.dial(&*shared.dial, &shared.config.timeouts)).await
}
