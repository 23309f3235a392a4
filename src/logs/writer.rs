//! The task that stores lines: takes what has gathered in the buffer, hands it to the journal, tells the readers.
//!
//! ```text
//!            append ok                    append failed
//!   Writing ───────────▶ Writing   Writing ───────────▶ DiskFull / Unwritable
//!            a second later, ok                     every second: try again;
//!   DiskFull ────────────▶ Writing                  meanwhile keep the newest lines in memory
//! ```
//!
//! File work runs on the blocking pool, so a slow disk never holds a thread that serves requests.

use super::buffer::{Batch, Buffer, Dropped};
use super::journal::segments::{Cut, Journal};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

const RETRY: Duration = Duration::from_secs(1);
/// From one write to the next, at least: many short lines of many requests make one write, which costs more than they
/// do. The first line after a rest is written at once.
const PACE: Duration = Duration::from_millis(5);
/// Buffers larger than this are given back once the flood is over.
const IDLE_CAPACITY: usize = 256 * 1024;

/// Whether lines reach the disk. Says each change once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalState {
    /// They do.
    Writing,
    /// The disk or the quota is full: the newest lines are kept in memory until there is room.
    DiskFull,
    /// They do not for another reason, which is given; handled as a full disk is.
    Unwritable(String),
}

impl JournalState {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Unwritable(error.to_string()),
        }
    }
}

/// How far the writer has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Bytes of lines that need no more waiting for: stored or, when the disk was full for long, given up.
    pub(super) settled: u64,
    /// Lines that were in memory only when the writer ended.
    pub(super) unwritten: u64,
    /// The writer has ended.
    pub(super) ended: bool,
}

/// Where lines are stored: the journal of their owner, or somebody else's.
pub(super) trait Store: Send + Sync {
    /// Appends whole lines; after an error, says how many bytes of them were stored.
    fn append(&mut self, lines: &[u8]) -> Result<(), Cut>;
}

impl Store for Journal {
    fn append(&mut self, lines: &[u8]) -> Result<(), Cut> {
        Journal::append(self, lines)
    }
}

/// See the module.
pub(super) struct Writer {
    pub(super) buffer: Arc<Buffer>,
    pub(super) journal: Box<dyn Store>,
    /// Bytes of lines to keep in memory while nothing can be written.
    pub(super) keep: usize,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) state: watch::Sender<JournalState>,
}

/// Lines on their way from the buffer to the disk.
#[derive(Default)]
struct Backlog {
    lines: Vec<u8>,
    dropped: Dropped,
}

impl Writer {
    /// Runs until the buffer is closed and empty.
    pub(super) async fn run(mut self) {
        let mut backlog = Backlog::default();
        let mut spare = Vec::new();
        let mut retry: Option<Instant> = None;
        loop {
            let Batch { lines, total, closed } = self.buffer.take(spare);
            let flood = lines.len() >= IDLE_CAPACITY;
            spare = backlog.push(lines);
            if retry.is_none_or(|at| closed || at <= Instant::now()) {
                let Some((writer, rest, result)) = self.store(backlog).await else { return };
                (self, backlog) = (writer, rest);
                retry = self.note(result);
            }
            if retry.is_some() {
                backlog.keep_newest(self.keep);
            } else if !flood {
                backlog.lines.shrink_to(IDLE_CAPACITY);
                spare = Vec::new();
            }
            let settled = total.saturating_sub(backlog.lines.len() as u64);
            self.progress.send_if_modified(|known| std::mem::replace(&mut known.settled, settled) != settled);
            if closed && self.buffer.total() == total {
                let unwritten = backlog.count();
                self.progress.send_modify(|progress| *progress = Progress { settled, unwritten, ended: true });
                return;
            }
            // What comes in floods has gathered already.
            let next = if flood { Instant::now() } else { Instant::now() + PACE };
            self.wait(retry, next).await;
        }
    }

    /// Appends the backlog; what could not be stored comes back. `None` when the runtime is being torn down.
    async fn store(mut self, mut backlog: Backlog) -> Option<(Self, Backlog, io::Result<()>)> {
        if backlog.lines.is_empty() {
            return Some((self, backlog, Ok(())));
        }
        let work = tokio::task::spawn_blocking(move || {
            let result = backlog.append_to(self.journal.as_mut());
            (self, backlog, result)
        });
        work.await.ok()
    }

    /// Tells a change of state; gives the time of the next try, if there must be one.
    fn note(&self, result: io::Result<()>) -> Option<Instant> {
        let (state, retry) = match result {
            Ok(()) => (JournalState::Writing, None),
            Err(error) => (JournalState::of(&error), Some(Instant::now() + RETRY)),
        };
        self.state.send_if_modified(|known| {
            let changed = *known != state;
            *known = state;
            changed
        });
        retry
    }

    /// Waits until there is something to do, and may be done: not before `next`.
    async fn wait(&self, retry: Option<Instant>, next: Instant) {
        let Some(at) = retry else {
            self.buffer.filled.notified().await;
            if next > Instant::now() {
                tokio::time::sleep_until(next).await;
            }
            return;
        };
        tokio::select! {
            () = self.buffer.filled.notified() => {}
            () = tokio::time::sleep_until(at) => {}
        }
    }
}

impl Backlog {
    /// Adds lines; gives back a vector to be filled again.
    fn push(&mut self, mut lines: Vec<u8>) -> Vec<u8> {
        if self.lines.is_empty() {
            std::mem::swap(&mut self.lines, &mut lines);
        } else {
            self.lines.extend_from_slice(&lines);
        }
        lines
    }

    fn append_to(&mut self, journal: &mut dyn Store) -> io::Result<()> {
        if self.dropped.lines > 0 {
            let mut notice = Vec::new();
            self.dropped.report(&self.lines, &mut notice);
            journal.append(&notice).map_err(|cut| cut.error)?;
            self.dropped = Dropped::default();
        }
        match journal.append(&self.lines) {
            Ok(()) => {
                self.lines.clear();
                Ok(())
            }
            Err(cut) => {
                self.lines.drain(..cut.whole);
                Err(cut.error)
            }
        }
    }

    /// Drops the oldest lines beyond so many bytes.
    fn keep_newest(&mut self, bytes: usize) {
        let Some(excess) = self.lines.len().checked_sub(bytes).filter(|n| *n > 0) else { return };
        let end = memchr::memchr(b'\n', &self.lines[excess - 1..]).map_or(self.lines.len(), |p| excess + p);
        self.dropped.add(&self.lines[..end]);
        self.lines.drain(..end);
    }

    fn count(&self) -> u64 {
        super::line::count_lines(&self.lines) + self.dropped.lines
    }
}
