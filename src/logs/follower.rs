//! Following a journal: in the process that writes it, woken as lines arrive, or from another one, by looking.

use super::Filter;
use super::journal::reader::{Lost, Position, Reader, Start, Step};
use super::writer::Progress;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Between looks for lines of other processes, which nobody announces.
const LOOK: Duration = Duration::from_millis(500);
const LOOK_FROM_OUTSIDE: Duration = Duration::from_millis(100);

/// Says whether more lines may come; asked before each look.
pub type LookAgain = Box<dyn FnMut() -> bool + Send>;

/// Gives out a journal's lines as they come. It reads from disk at its own pace: slow or fast, it delays nobody.
pub struct Follower {
    work: Work,
    wake: Wake,
    /// No more lines were to come when the current read began: its end is the end.
    last: bool,
}

/// A read on the blocking pool survives a caller that stops waiting for it.
enum Work {
    Idle(Box<Reader>, Vec<u8>),
    Reading(JoinHandle<(Box<Reader>, Vec<u8>, io::Result<Step>)>),
    Failed,
}

enum Wake {
    Owner(watch::Receiver<Progress>),
    Outside(LookAgain),
}

impl Follower {
    /// Follows the journal of this process.
    pub(super) fn inside(reader: Reader, progress: watch::Receiver<Progress>) -> Self {
        Self { work: Work::Idle(Box::new(reader), Vec::new()), wake: Wake::Owner(progress), last: false }
    }

    /// Follows the journal in `dir` from another process. `more` is asked before each look for new lines: once it
    /// says no, the follower ends with the last line there is. `|| false` prints what is there and ends.
    pub fn outside(dir: &Path, start: Start, filter: Filter, more: LookAgain) -> io::Result<Self> {
        let reader = Reader::open(dir, start, filter)?;
        Ok(Self { work: Work::Idle(Box::new(reader), Vec::new()), wake: Wake::Outside(more), last: false })
    }

    /// The next whole lines; `None` when the journal was closed, or the run has ended, and all was given out. May be
    /// dropped and called again without losing lines.
    pub async fn next_lines(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            match self.read().await? {
                Step::Lines => break,
                Step::End if self.last => return Ok(None),
                Step::End => self.wait().await,
            }
        }
        match &self.work {
            Work::Idle(_, lines) => Ok(Some(lines)),
            Work::Reading(_) | Work::Failed => Ok(None),
        }
    }

    /// The place after the lines given out last; `None` while the journal has no lines.
    pub fn position(&self) -> Option<Position> {
        match &self.work {
            Work::Idle(reader, _) => reader.position(),
            Work::Reading(_) | Work::Failed => None,
        }
    }

    /// What was deleted before it could be read.
    pub fn lost(&self) -> Lost {
        match &self.work {
            Work::Idle(reader, _) => reader.lost(),
            Work::Reading(_) | Work::Failed => Lost::default(),
        }
    }

    /// Must be asked before reading: then what was written before the end is read after it.
    fn expects_more(&mut self) -> bool {
        match &mut self.wake {
            Wake::Owner(progress) => !progress.borrow_and_update().ended && progress.has_changed().is_ok(),
            Wake::Outside(more) => more(),
        }
    }

    async fn read(&mut self) -> io::Result<Step> {
        self.work = match std::mem::replace(&mut self.work, Work::Failed) {
            Work::Idle(mut reader, mut lines) => {
                self.last = !self.expects_more();
                Work::Reading(tokio::task::spawn_blocking(move || {
                    lines.clear();
                    let result = reader.read(&mut lines);
                    (reader, lines, result)
                }))
            }
            other => other,
        };
        let Work::Reading(reading) = &mut self.work else { return Ok(Step::End) };
        let (reader, lines, result) = reading.await.map_err(io::Error::other)?;
        self.work = Work::Idle(reader, lines);
        result
    }

    async fn wait(&mut self) {
        let Work::Idle(reader, _) = &self.work else { return };
        match &mut self.wake {
            Wake::Outside(_) => tokio::time::sleep(LOOK_FROM_OUTSIDE).await,
            Wake::Owner(progress) => {
                // An error from the channel means that the writer is gone, which is news too.
                while tokio::time::timeout(LOOK, progress.changed()).await.is_err() && !reader.has_more() {}
            }
        }
    }
}
