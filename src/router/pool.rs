//! Connections to one dyno: those in use are leased to an exchange, the others wait here, newest first (§9.2, §18).

use super::dial::Dial;
use super::link::Link;
use super::traffic::{Counted, Traffic};
use crate::model::dyno::DynoName;
use crate::model::endpoint::Endpoint;
use crate::model::timeouts::Timeouts;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use tokio::time::{Duration, Instant, timeout};

/// One life of one dyno, as a lane keeps it.
pub(super) struct Slot {
    /// For the log line.
    pub(super) name: Arc<str>,
    pub(super) key: SlotKey,
    idle: Mutex<Vec<(Instant, Box<Link>)>>,
    quarantine: Arc<Quarantine>,
    /// It is gone from the table: nothing is kept for it any more.
    closed: AtomicBool,
    /// Requests that are at it, of all lanes.
    pub(super) traffic: Traffic,
}

/// What makes a dyno's life: a new start or a new address is another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SlotKey {
    pub(super) name: DynoName,
    pub(super) generation: u64,
    pub(super) endpoint: Endpoint,
}

/// A dyno failed a connect, and is left alone for a while by all lanes (§12).
#[derive(Default)]
pub(super) struct Quarantine {
    /// There was one; else nothing needs to be locked.
    ever: AtomicBool,
    until: Mutex<Option<Instant>>,
}

/// A request at a dyno, until this is dropped.
pub(super) struct Passage {
    pub(super) slot: Arc<Slot>,
    counted: Counted,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DialFailure {
    Refused,
    TimedOut,
}

impl Slot {
    pub(super) fn new(key: SlotKey, traffic: Traffic, quarantine: Arc<Quarantine>) -> Arc<Self> {
        Arc::new(Self {
            name: Arc::from(key.name.to_string()),
            key,
            idle: Mutex::default(),
            quarantine,
            closed: AtomicBool::new(false),
            traffic,
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Instant, Box<Link>)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when it is left alone; `None` when it may be tried.
    pub(super) fn quarantined_until(&self) -> Option<Instant> {
        if !self.quarantine.ever.load(Ordering::Acquire) {
            return None;
        }
        let until = *self.quarantine.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.filter(|until| *until > Instant::now())
    }

    pub(super) fn quarantine(&self, time: Duration) {
        *self.quarantine.until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + time);
        self.quarantine.ever.store(true, Ordering::Release);
    }

    /// The newest pooled connection that is still good `now`.
    pub(super) fn take_idle(&self, now: Instant, max_idle: Duration, cx: &mut Context<'_>) -> Option<Box<Link>> {
        loop {
            let (since, mut link) = self.idle().pop()?;
            if now.saturating_duration_since(since) < max_idle && link.is_silent(cx) {
                link.reused = true;
                return Some(link);
            }
        }
    }

    /// Takes a connection back after a response, if it can carry another request.
    pub(super) fn give_back(&self, mut link: Box<Link>) {
        if link.end() && !self.closed.load(Ordering::Acquire) {
            self.idle().push((Instant::now(), link));
        }
        if self.closed.load(Ordering::Acquire) {
            self.idle().clear();
        }
    }

    /// Opens a new connection.
    pub(super) async fn dial(&self, dial: &dyn Dial, timeouts: &Timeouts) -> Result<Box<Link>, DialFailure> {
        match timeout(timeouts.connect, dial.dial(&self.key.endpoint)).await {
            Ok(Ok(stream)) => Ok(Link::new(stream, timeouts.first_byte, timeouts.idle)),
            Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => Err(DialFailure::TimedOut),
            Ok(Err(_)) => Err(DialFailure::Refused),
            Err(_) => Err(DialFailure::TimedOut),
        }
    }

    /// The dyno is gone from the table.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.idle().clear();
    }

    /// Drops what has been idle for too long, or was closed by the dyno. Says for how long such a one was idle.
    pub(super) fn sweep(&self, max_idle: Duration) -> Option<Duration> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut closed_after = None;
        self.idle().retain_mut(|(since, link)| {
            let young = since.elapsed() < max_idle;
            let usable = link.is_silent(&mut cx);
            if young && !usable {
                closed_after = Some(since.elapsed());
            }
            young && usable
        });
        closed_after
    }
}

impl Passage {
    pub(super) fn to(slot: Arc<Slot>) -> Self {
        Self { counted: slot.traffic.enter(), slot }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.slot.traffic.leave(&self.counted);
    }
}
