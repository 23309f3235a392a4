//! Reading a journal, from any process, while it grows.
//!
//! A reader holds its segment open, so a segment that is deleted under it is still read to its end. Only when whole
//! segments were deleted before it got to them are lines lost to it; it says so with Heroku's L11 and goes on at the
//! oldest line there is.

use super::tail;
use super::{COUNTS, parse_counts, segment_numbers, segment_path};
use crate::logs::filter::{Filter, Sieve};
use crate::logs::line::{Stamp, stamp_of, write_l11};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Read at a time; every journal line is shorter.
const CHUNK: usize = 256 * 1024;

/// A place between two lines of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The segment's number.
    pub segment: u64,
    /// Bytes from its start.
    pub offset: u64,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest line there is.
    Oldest,
    /// With the last so many lines that pass the filter. Heroku shows [`TAIL_LINES`](crate::logs::TAIL_LINES) unless
    /// asked and never more than [`TAIL_LINES_MAX`](crate::logs::TAIL_LINES_MAX); a face applies both.
    Last(usize),
    /// With the next line that is written.
    Now,
    /// Where an earlier reader left off.
    At(Position),
}

/// Whether a read gave something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There may be more.
    Lines,
    /// Everything that is in the journal now has been read.
    End,
}

/// What a reader missed because it was deleted before it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Lines, of all processes and sources.
    pub lines: u64,
    /// Their bytes, stamps included.
    pub bytes: u64,
}

/// A reader of the journal in a folder. Blocking: in async code it belongs into `spawn_blocking`, or use a
/// [`Follower`](crate::logs::Follower).
pub struct Reader {
    dir: PathBuf,
    sieve: Sieve,
    current: Option<Segment>,
    chunk: Vec<u8>,
    /// The first segment that was deleted before it was read, when that is still to be said.
    gap: Option<u64>,
    /// Stamp of the newest line seen.
    seen: Option<Stamp>,
    lost: Lost,
}

struct Segment {
    number: u64,
    file: File,
    offset: u64,
}

impl Reader {
    /// Opens the journal in `dir`. A folder that does not exist, or is empty, is a journal without lines.
    pub fn open(dir: &Path, start: Start, filter: Filter) -> io::Result<Self> {
        let sieve = Sieve::new(filter);
        let position = tail::locate(dir, start, &sieve)?;
        let mut reader = Self {
            dir: dir.to_owned(),
            sieve,
            current: None,
            chunk: vec![0; CHUNK],
            gap: None,
            seen: None,
            lost: Lost::default(),
        };
        if let Some(Position { segment, offset }) = position {
            reader.current = open_segment(dir, segment)?.map(|file| Segment { number: segment, file, offset });
            if reader.current.is_none() {
                reader.current = reader.oldest_after(segment)?;
                reader.gap = Some(segment);
            }
        }
        Ok(reader)
    }

    /// Appends whole lines to `out`, those that pass the filter; at most a few hundred kilobytes at a time.
    pub fn read(&mut self, out: &mut Vec<u8>) -> io::Result<Step> {
        let before = out.len();
        if self.current.is_none() {
            self.current = self.oldest_after(0)?;
        }
        self.report_overrun(out)?;
        while out.len() == before {
            if !self.read_current(out)? && !self.advance(out)? {
                return Ok(Step::End);
            }
        }
        Ok(Step::Lines)
    }

    /// The place after the last line that was read; `None` while the journal has no segment.
    pub fn position(&self) -> Option<Position> {
        self.current.as_ref().map(|at| Position { segment: at.number, offset: at.offset })
    }

    /// What was deleted before it could be read.
    pub fn lost(&self) -> Lost {
        self.lost
    }

    /// Whether a read would find something that was not there before; cheap.
    pub fn has_more(&self) -> bool {
        let Some(at) = &self.current else { return !segment_numbers(&self.dir).unwrap_or_default().is_empty() };
        at.file.metadata().is_ok_and(|meta| meta.len() > at.offset || meta.nlink() == 0)
            || segment_path(&self.dir, at.number.saturating_add(1)).exists()
    }

    /// Reads the next lines of this segment; false at its end.
    fn read_current(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        let Some(at) = &mut self.current else { return Ok(false) };
        let some = at.file.read_at(&mut self.chunk, at.offset)?;
        let whole = memchr::memrchr(b'\n', &self.chunk[..some]).map_or(0, |end| end + 1);
        if whole > 0 {
            at.offset += whole as u64;
            self.deliver(whole, out);
        } else if some == CHUNK {
            // No line of ours is this long: somebody else's bytes, passed on in pieces.
            at.offset += some as u64;
            self.sieve.sift(&self.chunk, out);
        }
        Ok(whole > 0 || some == CHUNK)
    }

    fn deliver(&mut self, bytes: usize, out: &mut Vec<u8>) {
        let lines = &self.chunk[..bytes];
        let last = memchr::memrchr(b'\n', &lines[..bytes - 1]).map_or(0, |end| end + 1);
        self.seen = stamp_of(&lines[last..]).copied().or(self.seen);
        self.sieve.sift(lines, out);
    }

    /// From the end of a segment to the next; false when there is none yet.
    fn advance(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        let Some(at) = &self.current else { return Ok(false) };
        let number = at.number;
        let next = match open_segment(&self.dir, number.saturating_add(1))? {
            Some(file) => Segment { number: number + 1, file, offset: 0 },
            // The newest segment is never deleted: one that is gone means that this reader was overrun.
            None if at.file.metadata()?.nlink() == 0 => match self.oldest_after(number)? {
                Some(next) => next,
                None => return Ok(false),
            },
            None => return Ok(false),
        };
        // The segment may have grown between its end being seen and the next one being there.
        if self.read_current(out)? {
            return Ok(true);
        }
        self.deliver_torn_line(out)?;
        self.gap = (next.number > number + 1).then_some(number + 1);
        self.current = Some(next);
        self.report_overrun(out)?;
        Ok(true)
    }

    /// A finished segment may end without a newline after a crash.
    fn deliver_torn_line(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let Some(at) = &mut self.current else { return Ok(()) };
        let some = at.file.read_at(&mut self.chunk[..CHUNK - 1], at.offset)?;
        if some > 0 {
            at.offset += some as u64;
            self.chunk[some] = b'\n';
            self.deliver(some + 1, out);
        }
        Ok(())
    }

    /// The oldest segment with a greater number; the oldest of all when the journal was begun anew.
    fn oldest_after(&self, number: u64) -> io::Result<Option<Segment>> {
        let numbers = segment_numbers(&self.dir)?;
        let newer = numbers.iter().copied().filter(|n| *n > number);
        let candidates: Vec<u64> = newer.chain(numbers.iter().copied()).collect();
        for number in candidates {
            if let Some(file) = open_segment(&self.dir, number)? {
                return Ok(Some(Segment { number, file, offset: 0 }));
            }
        }
        Ok(None)
    }

    /// Says what was lost, if something was. A place given by [`Start::At`] in a deleted segment counts as its start.
    fn report_overrun(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let (Some(first), Some(at)) = (self.gap.take(), &self.current) else { return Ok(()) };
        let counts = parse_counts(&std::fs::read_to_string(self.dir.join(COUNTS)).unwrap_or_default());
        let mut lost = Lost::default();
        for (_, count) in counts.iter().filter(|(number, _)| (first..at.number).contains(*number)) {
            lost.lines += count.lines;
            lost.bytes += count.bytes;
        }
        self.lost.lines += lost.lines;
        self.lost.bytes += lost.bytes;
        let mut head = [0; 64];
        let some = at.file.read_at(&mut head, 0)?;
        if let Some(stamp) = stamp_of(&head[..some]).filter(|_| lost.lines > 0) {
            write_l11(stamp, lost.lines, self.seen.as_ref().unwrap_or(stamp), out);
        }
        Ok(())
    }
}

fn open_segment(dir: &Path, number: u64) -> io::Result<Option<File>> {
    match File::open(segment_path(dir, number)) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
