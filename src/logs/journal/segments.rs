//! The owner's side: whole lines are appended to the newest segment; a full one is followed by the next, and the
//! oldest are deleted before all of them together pass the cap.

use super::disk::{Disk, SegmentFile, ends_whole, make_folder, open_for_append};
use super::{COUNTS, COUNTS_BYTES, segment_numbers, segment_path};
use crate::logs::line::count_lines;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// How large a journal may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::logs) struct Caps {
    /// Bytes of one segment.
    pub(in crate::logs) segment: u64,
    /// Bytes of all of them.
    pub(in crate::logs) total: u64,
}

/// A journal as its owner holds it.
pub(in crate::logs) struct Journal {
    dir: PathBuf,
    disk: Box<dyn Disk>,
    caps: Caps,
    /// Finished segments, oldest first: number and bytes.
    finished: VecDeque<(u64, u64)>,
    newest: Option<Newest>,
    /// The number the next segment gets.
    next_number: u64,
}

struct Newest {
    number: u64,
    file: Box<dyn SegmentFile>,
    /// The file may end in the middle of a line that could not be cut off.
    torn: bool,
}

/// An append that failed: so many bytes of it, all whole lines, are in the journal; the rest is not.
#[derive(Debug)]
pub(in crate::logs) struct Cut {
    pub(in crate::logs) whole: usize,
    pub(in crate::logs) error: io::Error,
}

impl Journal {
    /// Takes over a folder, made if need be. A line that a crash tore is ended.
    pub(in crate::logs) fn open(dir: &Path, disk: Box<dyn Disk>, caps: Caps) -> io::Result<Self> {
        make_folder(dir)?;
        trim_counts(dir)?;
        let mut numbers = segment_numbers(dir)?;
        let last = numbers.pop();
        let mut finished = VecDeque::new();
        for number in numbers {
            finished.push_back((number, segment_path(dir, number).metadata()?.len()));
        }
        let next_number = last.map_or(1, |n| n.saturating_add(1));
        let mut journal = Self { dir: dir.to_owned(), disk, caps, finished, newest: None, next_number };
        if let Some(number) = last {
            let file = journal.disk.append_to(&segment_path(dir, number))?;
            let torn = !ends_whole(&segment_path(dir, number))?;
            journal.newest = Some(Newest { number, file, torn });
            // A full disk is no reason not to start: the line is ended by the first append instead.
            let _ = journal.end_torn_line();
        }
        Ok(journal)
    }

    /// Appends whole lines.
    pub(in crate::logs) fn append(&mut self, lines: &[u8]) -> Result<(), Cut> {
        let mut whole = 0;
        while whole < lines.len() {
            match self.append_some(&lines[whole..]) {
                Ok(some) => whole += some,
                Err(cut) => return Err(Cut { whole: whole + cut.whole, ..cut }),
            }
        }
        Ok(())
    }

    /// Appends as many lines as the newest segment takes, at least one.
    fn append_some(&mut self, lines: &[u8]) -> Result<usize, Cut> {
        let before = |error| Cut { whole: 0, error };
        self.end_torn_line().map_err(before)?;
        let (start, some) = loop {
            let length = self.length().map_err(before)?;
            let some = self.fitting(lines, length);
            if some > 0 {
                break (length, some);
            }
            self.begin_segment().map_err(before)?;
        };
        let Some(newest) = &mut self.newest else { return Ok(0) };
        write_all(newest.file.as_mut(), &lines[..some]).map_err(|(written, error)| {
            let whole = memchr::memrchr(b'\n', &lines[..written]).map_or(0, |p| p + 1);
            newest.torn = written > whole && !cut_back(newest.file.as_mut(), start, whole, written);
            Cut { whole, error }
        })?;
        Ok(some)
    }

    fn length(&self) -> io::Result<u64> {
        self.newest.as_ref().map_or(Ok(0), |newest| newest.file.length())
    }

    /// How many bytes of these lines go into the newest segment, whole lines; 0 asks for the next segment.
    fn fitting(&self, lines: &[u8], length: u64) -> usize {
        let Some(newest) = &self.newest else { return 0 };
        let room = usize::try_from(self.caps.segment.saturating_sub(length)).unwrap_or(usize::MAX);
        if lines.len() <= room {
            return lines.len();
        }
        if let Some(end) = memchr::memrchr(b'\n', &lines[..room]) {
            return end + 1;
        }
        // Too long for any segment, or another process is appending here right now: then this segment takes it.
        if length == 0 || (!newest.file.seal() && length < 2 * self.caps.segment) {
            return memchr::memchr(b'\n', lines).map_or(lines.len(), |end| end + 1);
        }
        0
    }

    /// Opens the next segment; what the old one held is written down, and the oldest are deleted.
    fn begin_segment(&mut self) -> io::Result<()> {
        let number = self.next_number;
        let file = self.disk.append_to(&segment_path(&self.dir, number))?;
        self.next_number = number.saturating_add(1);
        if let Some(old) = self.newest.replace(Newest { number, file, torn: false }) {
            // Without its count a loss is only reported as smaller than it was.
            let bytes = self.write_down(old.number).unwrap_or(self.caps.segment);
            self.finished.push_back((old.number, bytes));
        }
        let limit = self.caps.total.saturating_sub(self.caps.segment);
        while self.finished.iter().map(|(_, bytes)| bytes).sum::<u64>() > limit {
            let Some((oldest, _)) = self.finished.pop_front() else { break };
            let _ = std::fs::remove_file(segment_path(&self.dir, oldest));
        }
        Ok(())
    }

    /// Counts a finished segment's lines, while it is still in the page cache; gives its bytes.
    fn write_down(&self, number: u64) -> io::Result<u64> {
        let mut file = File::open(segment_path(&self.dir, number))?;
        let mut chunk = vec![0; 256 * 1024];
        let (mut lines, mut bytes) = (0, 0);
        loop {
            let some = file.read(&mut chunk)?;
            if some == 0 {
                break;
            }
            bytes += some as u64;
            lines += count_lines(&chunk[..some]);
        }
        let mut counts = open_for_append(&self.dir.join(COUNTS))?;
        counts.write_all(format!("{number} {lines} {bytes}\n").as_bytes())?;
        Ok(bytes)
    }

    fn end_torn_line(&mut self) -> io::Result<()> {
        if let Some(newest) = self.newest.as_mut().filter(|newest| newest.torn) {
            newest.file.append(b"\n")?;
            newest.torn = false;
        }
        Ok(())
    }
}

fn write_all(file: &mut dyn SegmentFile, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < bytes.len() {
        match file.append(&bytes[written..]) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(some) => written += some,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

/// Cuts off the line that was written in part; not if another process has appended behind it.
fn cut_back(file: &mut dyn SegmentFile, start: u64, whole: usize, written: usize) -> bool {
    file.length().is_ok_and(|length| length == start + written as u64) && file.truncate(start + whole as u64).is_ok()
}

/// Forgets the older half of a counts file that has grown long.
fn trim_counts(dir: &Path) -> io::Result<()> {
    let path = dir.join(COUNTS);
    if path.metadata().is_ok_and(|meta| meta.len() > COUNTS_BYTES) {
        let text = std::fs::read_to_string(&path)?;
        let newer = text.lines().skip(text.lines().count() / 2);
        let beside = dir.join("journal.counts.new");
        std::fs::write(&beside, newer.flat_map(|line| [line, "\n"]).collect::<String>())?;
        std::fs::rename(beside, path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Caps, Journal};
    use crate::logs::journal::disk::FileSystem;
    use crate::logs::journal::disk::fake::SmallDisk;
    use crate::logs::journal::{COUNTS, segment_numbers, segment_path};
    use std::path::Path;

    const CAPS: Caps = Caps { segment: 100, total: 300 };

    fn open(dir: &Path) -> Journal {
        Journal::open(dir, Box::new(FileSystem), CAPS).unwrap()
    }

    fn read(dir: &Path, number: u64) -> String {
        std::fs::read_to_string(segment_path(dir, number)).unwrap()
    }

    #[test]
    fn a_segment_ends_at_a_whole_line_and_the_next_begins() {
        let dir = tempfile::tempdir().unwrap();
        let lines = (0..30).map(|i| format!("line {i:04}\n")).collect::<Vec<_>>().concat();
        open(dir.path()).append(lines.as_bytes()).unwrap();
        assert_eq!(read(dir.path(), 1) + &read(dir.path(), 2) + &read(dir.path(), 3), lines);
        assert_eq!(read(dir.path(), 1).len(), 100);
    }

    #[test]
    fn the_oldest_segment_goes_before_the_total_passes_the_cap() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = open(dir.path());
        for i in 0..200 {
            journal.append(format!("line {i:05}\n").as_bytes()).unwrap();
            let numbers = segment_numbers(dir.path()).unwrap();
            let total: usize = numbers.iter().map(|n| read(dir.path(), *n).len()).sum();
            assert!(total <= 300, "{total} bytes in {numbers:?}");
        }
        assert_eq!(segment_numbers(dir.path()).unwrap(), [21, 22, 23]);
        assert!(read(dir.path(), 23).ends_with("line 00199\n"));
        let counts = std::fs::read_to_string(dir.path().join(COUNTS)).unwrap();
        assert!(counts.starts_with("1 9 99\n2 9 99\n"), "{counts}");
    }

    #[test]
    fn a_line_longer_than_a_segment_gets_one_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let long = format!("{}\n", "x".repeat(250));
        let roomy = Caps { total: 3_000, ..CAPS };
        let mut journal = Journal::open(dir.path(), Box::new(FileSystem), roomy).unwrap();
        journal.append(format!("a\n{long}b\n").as_bytes()).unwrap();
        assert_eq!((read(dir.path(), 1), read(dir.path(), 2), read(dir.path(), 3)), ("a\n".into(), long, "b\n".into()));
    }

    #[test]
    fn a_line_torn_by_a_crash_is_ended_and_the_newest_segment_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).append(b"whole\n").unwrap();
        std::fs::write(segment_path(dir.path(), 1), "whole\nhal").unwrap();
        open(dir.path()).append(b"next\n").unwrap();
        assert_eq!(read(dir.path(), 1), "whole\nhal\nnext\n");
        open(dir.path());
        assert_eq!(read(dir.path(), 1), "whole\nhal\nnext\n", "opening a sound journal changes nothing");
    }

    #[test]
    fn a_full_disk_leaves_whole_lines_only() {
        let dir = tempfile::tempdir().unwrap();
        for free in 0..40 {
            let (at, disk) = (dir.path().join(free.to_string()), SmallDisk::with(free));
            let mut journal = Journal::open(&at, Box::new(disk.clone()), CAPS).unwrap();
            let lines = b"first\nsecond\nthird\nfourth\n";
            match journal.append(lines) {
                Ok(()) => assert!(free >= lines.len()),
                Err(cut) => {
                    assert_eq!(read(&at, 1).as_bytes(), &lines[..cut.whole], "with {free} bytes free");
                    assert!(cut.whole == 0 || lines[cut.whole - 1] == b'\n');
                    disk.set_free(1_000);
                    journal.append(&lines[cut.whole..]).unwrap();
                }
            }
            assert_eq!(read(&at, 1).as_bytes(), lines);
        }
    }

    #[test]
    fn a_folder_deleted_under_the_owner_is_made_again_with_the_next_segment() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("app/journal");
        let mut journal = open(&at);
        journal.append(&[b'x'; 99]).unwrap();
        std::fs::remove_dir_all(&at).unwrap();
        journal.append(b"after\n").unwrap();
        assert_eq!(read(&at, 2), "after\n");
    }
}
