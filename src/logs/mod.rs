//! Every line, from any source, in one order, on disk; and whoever wants to see them reads them from there.
//!
//! ```text
//! dynos ─ AppLines ─┐                                    ┌─ Follower ─ Renderer ─ terminal or pipe
//! platform, router ─┴─▶ Buffer ─▶ Writer ─▶ journal on disk ─┼─ Follower ─ …
//!                       (memory)            (a few segments) └─ another process: Follower::outside
//! other processes ─ Guest ──────────────────────▲
//! ```
//!
//! The journal is the buffer: a reader that is slow, stopped or started later catches up from disk, and so never
//! delays the app. The app itself waits only for the disk, when lines come faster than it takes them.
//!
//! Lines are bytes, exactly as Heroku prints them (R6, R7): nothing here interprets an app's output, and nothing here
//! knows what a line means. Only the JSON face decodes, lossily.

mod buffer;
mod filter;
mod follower;
mod journal;
mod line;
mod outlet;
mod print;
mod render;
mod split;
mod writer;

pub use filter::Filter;
pub use follower::{Follower, LookAgain};
pub use journal::external::Guest;
pub use journal::reader::{Lost, Position, Reader, Start, Step};
pub use line::ParsedLine;
pub use outlet::Outlet;
pub use print::{Printed, print};
pub use render::{Renderer, Style};
pub use writer::JournalState;

use crate::clock::Clock;
use crate::model::dyno::DynoName;
use crate::model::log::Message;
use buffer::Buffer;
use journal::disk::{Disk, FileSystem};
use journal::segments::{Caps, Journal};
use line::write_message;
use split::Splitter;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;
use writer::{Progress, Store, Writer};

/// `heroku logs` shows this many lines unless asked for more or fewer (R7).
pub const TAIL_LINES: usize = 100;
/// `heroku logs -n` shows no more than this many (R7).
pub const TAIL_LINES_MAX: usize = 1_500;
/// An app's output is taken in bites of this many bytes, so that one dyno does not hold up the others for long.
const BITE: usize = 64 * 1024;

/// How much disk and memory the log may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogsOptions {
    /// Bytes on disk in all; the oldest lines are deleted to stay below.
    pub total_bytes: u64,
    /// Bytes of one journal file; what is deleted is deleted in these units.
    pub segment_bytes: u64,
    /// Bytes that may wait in memory for the disk before the app has to wait too.
    pub buffer_bytes: usize,
    /// Bytes of the newest lines that are kept in memory while the disk is full.
    pub kept_bytes: usize,
}

impl Default for LogsOptions {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            total_bytes: 256 * MIB as u64,
            segment_bytes: 16 * MIB as u64,
            buffer_bytes: 4 * MIB,
            kept_bytes: 4 * MIB,
        }
    }
}

/// The log of an app, as its owner holds it; clone freely. When the last clone is dropped, what was published is still
/// written; [`Logs::close`] also waits for that.
#[derive(Clone)]
pub struct Logs {
    dir: PathBuf,
    input: Arc<Input>,
    progress: watch::Receiver<Progress>,
    state: watch::Receiver<JournalState>,
}

/// The writing end; without any, the writer ends.
struct Input(Arc<Buffer>);

impl Drop for Input {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Logs {
    /// Takes over the journal in `dir`, made if need be: the caller sees to it that only one process does. Must be
    /// called inside a tokio runtime.
    ///
    /// # Errors
    /// The folder cannot be made, listed or written to.
    pub fn open(dir: &Path, clock: Clock, options: LogsOptions) -> io::Result<Self> {
        Self::open_on(Box::new(FileSystem), dir, clock, options)
    }

    fn open_on(disk: Box<dyn Disk>, dir: &Path, clock: Clock, options: LogsOptions) -> io::Result<Self> {
        let caps = Caps { segment: options.segment_bytes, total: options.total_bytes };
        Ok(Self::onto(Box::new(Journal::open(dir, disk, caps)?), dir, clock, options))
    }

    /// Writes into the journal in `dir` while another process owns it, as a one-off dyno does beside a running `up`.
    /// Must be called inside a tokio runtime.
    pub fn open_beside(dir: &Path, clock: Clock) -> Self {
        Self::onto(Box::new(Guest::new(dir, clock.clone())), dir, clock, LogsOptions::default())
    }

    fn onto(journal: Box<dyn Store>, dir: &Path, clock: Clock, options: LogsOptions) -> Self {
        let buffer = Arc::new(Buffer::new(clock, options.buffer_bytes));
        let (progress, progress_rx) = watch::channel(Progress::default());
        let (state, state_rx) = watch::channel(JournalState::Writing);
        let writer = Writer { buffer: buffer.clone(), journal, keep: options.kept_bytes, progress, state };
        tokio::spawn(writer.run());
        Self { dir: dir.to_owned(), input: Arc::new(Input(buffer)), progress: progress_rx, state: state_rx }
    }

    /// Stamps and stores a message; a newline in its text makes several lines with one stamp. Never waits.
    pub fn publish(&self, message: &Message) {
        self.input.0.append_now(|stamp, out| write_message(stamp, message, out));
    }

    /// Takes the output of one run of a dyno.
    pub fn lines_of(&self, dyno: &DynoName) -> AppLines {
        AppLines { input: self.input.clone(), splitter: Splitter::new(dyno) }
    }

    /// Shows the lines that pass the filter, from `start` on, as they come. [`Start::Now`] is the end of the journal
    /// on disk: lines published a moment ago may still count as new.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn follow(&self, start: Start, filter: Filter) -> io::Result<Follower> {
        Ok(Follower::inside(Reader::open(&self.dir, start, filter)?, self.progress.clone()))
    }

    /// Whether lines reach the disk; each change is said once.
    pub fn state(&self) -> watch::Receiver<JournalState> {
        self.state.clone()
    }

    /// Waits until everything published so far is in the journal's files (handed to the kernel, not forced to the
    /// platter).
    ///
    /// # Errors
    /// The disk is full, or the journal cannot be written for another reason.
    pub async fn flush(&self) -> io::Result<()> {
        self.settled(self.input.0.total()).await
    }

    /// Takes no more lines, waits for all to be written, and lets followers end once they have given out the last.
    ///
    /// # Errors
    /// As for [`Logs::flush`]; a full disk is tried once more, and the error says how many lines were lost.
    pub async fn close(&self) -> io::Result<()> {
        self.input.0.close();
        let mut progress = self.progress.clone();
        let end = match progress.wait_for(|progress| progress.ended).await {
            Ok(end) => *end,
            Err(_) => return Err(io::Error::other("the log was torn down before it was written")),
        };
        if end.unwritten == 0 {
            return Ok(());
        }
        Err(io::Error::other(format!("{}: the last {} lines are lost", self.trouble(), end.unwritten)))
    }

    async fn settled(&self, target: u64) -> io::Result<()> {
        let (mut progress, mut state) = (self.progress.clone(), self.state.clone());
        loop {
            if progress.borrow_and_update().settled >= target {
                return Ok(());
            }
            if *state.borrow_and_update() != JournalState::Writing {
                return Err(io::Error::other(self.trouble()));
            }
            let gone = tokio::select! {
                changed = progress.changed() => changed.is_err(),
                changed = state.changed() => changed.is_err(),
            };
            if gone {
                return Err(io::Error::other("the log was torn down before it was written"));
            }
        }
    }

    fn trouble(&self) -> String {
        let dir = self.dir.display();
        match &*self.state.borrow() {
            JournalState::Writing => format!("cannot write the log in {dir}"),
            JournalState::DiskFull => format!("the disk that holds the log is full ({dir})"),
            JournalState::Unwritable(reason) => format!("cannot write the log in {dir}: {reason}"),
        }
    }
}

/// Takes the output of one run of one dyno, in whatever pieces it comes.
pub struct AppLines {
    input: Arc<Input>,
    splitter: Splitter,
}

impl AppLines {
    /// Takes bytes; the lines they complete are stamped and on their way. Waits while the disk is behind by more than
    /// [`LogsOptions::buffer_bytes`]; if the caller stops waiting, what was not taken yet is lost.
    pub async fn push(&mut self, bytes: &[u8]) {
        for bite in bytes.chunks(BITE) {
            self.input.0.append_patiently(|stamp, out| self.splitter.push(stamp, bite, out)).await;
        }
    }

    /// Ends the output: an unfinished last line becomes a line. To be called before the line that reports the exit.
    pub fn finish(&mut self) {
        self.input.0.append_now(|stamp, out| self.splitter.finish(stamp, out));
    }
}

#[cfg(test)]
mod tests;
