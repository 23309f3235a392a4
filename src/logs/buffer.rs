//! Where lines wait, a few milliseconds, for the writer. One lock around it makes one order for all sources.
//!
//! Lines are stamped and formatted under the lock, straight into the bytes that are written to disk: stamps never run
//! backwards, and a line is copied once. The app waits when the buffer is full; the platform's own messages do not,
//! they may fill it to twice the limit and are counted, not kept, beyond that.

use super::line::{Stamp, Stamper, count_lines, stamp_of, write_l12};
use crate::clock::Clock;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The buffer between everyone who writes lines and the one who stores them.
pub(super) struct Buffer {
    pending: Mutex<Pending>,
    clock: Clock,
    limit: usize,
    /// Something is there to be written, or no more will come.
    pub(super) filled: Notify,
    /// There is room again.
    pub(super) emptied: Notify,
}

#[derive(Default)]
struct Pending {
    lines: Vec<u8>,
    /// Bytes of all lines so far.
    total: u64,
    closed: bool,
    dropped: Dropped,
    stamper: Stamper,
}

/// What was taken out of the buffer.
pub(super) struct Batch {
    /// Whole lines.
    pub(super) lines: Vec<u8>,
    /// Bytes of all lines so far, these included.
    pub(super) total: u64,
    /// Whether no more will come.
    pub(super) closed: bool,
}

/// Lines that could not be kept.
#[derive(Default)]
pub(super) struct Dropped {
    pub(super) lines: u64,
    since: Option<Stamp>,
}

impl Dropped {
    /// Counts these lines.
    pub(super) fn add(&mut self, lines: &[u8]) {
        self.since = self.since.or_else(|| stamp_of(lines).copied());
        self.lines += count_lines(lines);
    }

    /// Appends the line that says how many they were, stamped as the line that follows it, if there were any.
    pub(super) fn report(&self, next: &[u8], out: &mut Vec<u8>) {
        if self.lines > 0
            && let Some(since) = &self.since
        {
            write_l12(stamp_of(next).unwrap_or(since), self.lines, since, out);
        }
    }
}

impl Buffer {
    pub(super) fn new(clock: Clock, limit: usize) -> Self {
        let pending = Mutex::new(Pending::default());
        Self { pending, clock, limit, filled: Notify::new(), emptied: Notify::new() }
    }

    /// Appends what `write` makes, waiting for room first.
    pub(super) async fn append_patiently(&self, mut write: impl FnMut(&Stamp, &mut Vec<u8>)) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.append(self.limit, &mut write) {
                return;
            }
            emptied.await;
        }
    }

    /// Appends what `write` makes, without waiting.
    pub(super) fn append_now(&self, mut write: impl FnMut(&Stamp, &mut Vec<u8>)) {
        if self.append(2 * self.limit, &mut write) {
            return;
        }
        let (mut lost, mut pending) = (Vec::new(), self.lock());
        write(&pending.stamper.stamp(self.clock.now()), &mut lost);
        pending.dropped.add(&lost);
    }

    /// Takes everything, leaving `spare` to be filled.
    pub(super) fn take(&self, mut spare: Vec<u8>) -> Batch {
        spare.clear();
        let mut pending = self.lock();
        let lines = std::mem::replace(&mut pending.lines, spare);
        let batch = Batch { lines, total: pending.total, closed: pending.closed };
        drop(pending);
        if !batch.lines.is_empty() {
            self.emptied.notify_waiters();
        }
        batch
    }

    /// Bytes of all lines so far.
    pub(super) fn total(&self) -> u64 {
        self.lock().total
    }

    /// Says that no more lines will come; those that come all the same are dropped.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
        self.emptied.notify_waiters();
    }

    fn append(&self, limit: usize, write: &mut dyn FnMut(&Stamp, &mut Vec<u8>)) -> bool {
        let mut pending = self.lock();
        if pending.closed {
            return true;
        }
        if pending.lines.len() >= limit {
            return false;
        }
        let stamp = pending.stamper.stamp(self.clock.now());
        let before = pending.lines.len();
        if pending.dropped.lines > 0 {
            let dropped = std::mem::take(&mut pending.dropped);
            dropped.report(&stamp, &mut pending.lines);
        }
        write(&stamp, &mut pending.lines);
        pending.total += (pending.lines.len() - before) as u64;
        drop(pending);
        self.filled.notify_one();
        true
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
