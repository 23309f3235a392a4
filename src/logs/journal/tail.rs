//! Finding where to begin: the end, the oldest line, the last n lines that pass a filter.

use super::reader::{Position, Start};
use super::{segment_numbers, segment_path};
use crate::logs::filter::Sieve;
use crate::logs::line::stamp_of;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Read at a time, backwards.
const BLOCK: u64 = 256 * 1024;

/// The place where a reader begins; `None` in a journal without segments.
pub(super) fn locate(dir: &Path, start: Start, sieve: &Sieve) -> io::Result<Option<Position>> {
    let numbers = segment_numbers(dir)?;
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return Ok(None) };
    let place = match start {
        Start::At(position) => position,
        Start::Oldest => Position { segment: since(dir, &numbers, sieve)?.unwrap_or(*first), offset: 0 },
        Start::Now | Start::Last(0) => Position { segment: *last, offset: end_of_lines(dir, *last)? },
        Start::Last(n) => last_lines(dir, &numbers, n, sieve)?,
    };
    Ok(Some(place))
}

/// The last segment that begins before the filter's time: lines are stamped in the order in which they are written.
fn since(dir: &Path, numbers: &[u64], sieve: &Sieve) -> io::Result<Option<u64>> {
    let Some(since) = sieve.since() else { return Ok(None) };
    for number in numbers.iter().rev() {
        let mut head = [0; 64];
        let Some(file) = open(dir, *number)? else { continue };
        let some = file.read_at(&mut head, 0)?;
        if stamp_of(&head[..some]).is_some_and(|stamp| stamp < since) {
            return Ok(Some(*number));
        }
    }
    Ok(None)
}

fn last_lines(dir: &Path, numbers: &[u64], n: usize, sieve: &Sieve) -> io::Result<Position> {
    let mut wanted = n;
    let mut place = Position { segment: numbers.last().copied().unwrap_or(1), offset: 0 };
    for number in numbers.iter().rev() {
        let Some(file) = open(dir, *number)? else { continue };
        let mut end = end_of_lines(dir, *number)?;
        while end > 0 {
            let (start, block) = block_before(&file, end)?;
            let mut line_end = block.len();
            while line_end > 0 {
                let line = memchr::memrchr(b'\n', &block[..line_end - 1]).map_or(0, |newline| newline + 1);
                if sieve.passes(&block[line..line_end]) {
                    place = Position { segment: *number, offset: start + line as u64 };
                    wanted -= 1;
                    if wanted == 0 {
                        return Ok(place);
                    }
                }
                line_end = line;
            }
            end = start;
        }
    }
    // Fewer than n: every one that passes, which may be none at all.
    Ok(if wanted == n { Position { segment: place.segment, offset: end_of_lines(dir, place.segment)? } } else { place })
}

/// Whole lines that end at `end`, and where the first begins.
fn block_before(file: &File, end: u64) -> io::Result<(u64, Vec<u8>)> {
    let mut start = end.saturating_sub(BLOCK);
    loop {
        let mut block = vec![0; usize::try_from(end - start).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut block, start)?;
        if start == 0 {
            return Ok((0, block));
        }
        let last = block.len() - 1;
        if let Some(newline) = memchr::memchr(b'\n', &block[..last]) {
            block.drain(..=newline);
            return Ok((start + newline as u64 + 1, block));
        }
        start = start.saturating_sub(4 * BLOCK);
    }
}

/// Where the last whole line of a segment ends.
fn end_of_lines(dir: &Path, number: u64) -> io::Result<u64> {
    let Some(file) = open(dir, number)? else { return Ok(0) };
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let mut block = vec![0; usize::try_from(end - start).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut block, start)?;
        if let Some(newline) = memchr::memrchr(b'\n', &block) {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn open(dir: &Path, number: u64) -> io::Result<Option<File>> {
    match File::open(segment_path(dir, number)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use crate::logs::filter::Filter;
    use crate::logs::journal::disk::FileSystem;
    use crate::logs::journal::reader::{Reader, Start, Step};
    use crate::logs::journal::segments::{Caps, Journal};
    use crate::logs::journal::{segment_numbers, segment_path};
    use proptest::prelude::*;
    use std::path::Path;
    use time::macros::datetime;

    fn line(i: usize) -> String {
        let process = if i.is_multiple_of(3) { "worker.1" } else { "web.1" };
        format!("2026-11-21T03:08:15.{i:06}+00:00 app[{process}]: {i}\n")
    }

    fn journal(dir: &Path, segment: u64) -> Journal {
        Journal::open(dir, Box::new(FileSystem), Caps { segment, total: 5 * segment }).unwrap()
    }

    fn write(dir: &Path, segment: u64, lines: std::ops::Range<usize>) {
        journal(dir, segment).append(lines.map(line).collect::<String>().as_bytes()).unwrap();
    }

    fn rest(reader: &mut Reader) -> String {
        let mut out = Vec::new();
        while reader.read(&mut out).unwrap() == Step::Lines {}
        String::from_utf8(out).unwrap()
    }

    fn open(dir: &Path, start: Start) -> Reader {
        Reader::open(dir, start, Filter::default()).unwrap()
    }

    #[test]
    fn a_reader_sees_every_line_in_order_over_segments_and_while_they_grow() {
        let dir = tempfile::tempdir().unwrap();
        let mut early = open(dir.path(), Start::Now);
        assert_eq!(rest(&mut early), "", "no folder content yet");
        assert!(!early.has_more());
        let mut journal = journal(dir.path(), 300);
        let mut all = String::new();
        for i in 0..20 {
            journal.append(line(i).as_bytes()).unwrap();
            assert!(early.has_more());
            assert_eq!(rest(&mut early), line(i));
            assert!(!early.has_more());
            all += &line(i);
        }
        assert_eq!(rest(&mut open(dir.path(), Start::Oldest)), all);
        assert_eq!(rest(&mut open(dir.path(), Start::Now)), "");
        let again = Start::At(early.position().unwrap());
        journal.append(line(20).as_bytes()).unwrap();
        assert_eq!(rest(&mut open(dir.path(), again)), line(20), "a reader goes on where another left off");
    }

    #[test]
    fn r7_the_last_lines_are_counted_after_filtering_and_over_segments() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 600, 0..40);
        assert_eq!(segment_numbers(dir.path()).unwrap().len(), 4);
        assert_eq!(rest(&mut open(dir.path(), Start::Last(25))), (15..40).map(line).collect::<String>());
        assert_eq!(rest(&mut open(dir.path(), Start::Last(1_500))), (0..40).map(line).collect::<String>());
        assert_eq!(rest(&mut open(dir.path(), Start::Last(0))), "");
        let worker = Filter { processes: vec!["worker".into()], ..Filter::default() };
        let mut reader = Reader::open(dir.path(), Start::Last(10), worker).unwrap();
        assert_eq!(rest(&mut reader), [12, 15, 18, 21, 24, 27, 30, 33, 36, 39].map(line).concat());
        let none = Filter { processes: vec!["clock".into()], ..Filter::default() };
        let mut reader = Reader::open(dir.path(), Start::Last(10), none).unwrap();
        assert_eq!(rest(&mut reader), "");
    }

    #[test]
    fn lines_since_a_time_are_found_without_reading_all_segments() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 600, 0..40);
        let since = Some(datetime!(2026-11-21 03:08:15.000033 UTC));
        let mut reader = Reader::open(dir.path(), Start::Oldest, Filter { since, ..Filter::default() }).unwrap();
        assert!(reader.position().unwrap().segment > 1);
        assert_eq!(rest(&mut reader), (33..40).map(line).collect::<String>());
    }

    #[test]
    fn a_line_that_is_still_being_written_is_not_shown_by_halves() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 10_000, 0..2);
        let path = segment_path(dir.path(), 1);
        let (whole, half) = (std::fs::read_to_string(&path).unwrap(), line(2));
        std::fs::write(&path, format!("{whole}{}", &half[..20])).unwrap();
        let mut reader = open(dir.path(), Start::Last(1));
        assert_eq!(rest(&mut reader), line(1));
        std::fs::write(&path, whole + &half).unwrap();
        assert_eq!(rest(&mut reader), half);
    }

    #[test]
    fn r6_1_a_reader_that_was_overrun_says_how_much_it_lost_and_goes_on_at_the_oldest_line() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = journal(dir.path(), 300);
        journal.append(line(0).as_bytes()).unwrap();
        let mut reader = open(dir.path(), Start::Oldest);
        assert_eq!(rest(&mut reader), line(0));
        journal.append((1..100).map(line).collect::<String>().as_bytes()).unwrap();
        let text = rest(&mut reader);
        let shown: Vec<&str> = text.lines().collect();
        let notice = shown.iter().position(|l| l.contains("heroku[logplex]")).unwrap();
        let lost = 99 - (shown.len() - 1);
        let (before, after) = (&shown[notice - 1][..32], &shown[notice + 1][..32]);
        assert_eq!(
            shown[notice],
            format!(
                "{after} heroku[logplex]: Error L11 (Tail buffer overflow) -> This tail session dropped {lost} \
                 messages since {before}."
            )
        );
        assert!(text.ends_with(&line(99)));
        assert_eq!(reader.lost().lines, lost as u64);
        let bytes: usize = (0..100).map(line).map(|l| l.len()).sum();
        let kept: usize = shown.iter().map(|l| l.len() + 1).sum::<usize>() - shown[notice].len() - 1 + line(0).len();
        assert_eq!(reader.lost().bytes, (bytes - kept) as u64);
    }

    #[test]
    fn a_journal_begun_anew_in_the_same_folder_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("journal");
        write(&at, 300, 0..20);
        let mut reader = open(&at, Start::Now);
        std::fs::remove_dir_all(&at).unwrap();
        assert_eq!(rest(&mut reader), "");
        write(&at, 300, 20..22);
        assert_eq!(rest(&mut reader), line(20) + &line(21));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_last_n_lines_are_the_last_n_whatever_their_lengths(lengths in proptest::collection::vec(0..9_000usize, 1..120), n in 1..130usize) {
            let dir = tempfile::tempdir().unwrap();
            let lines: Vec<String> = lengths.iter().map(|n| format!("{}\n", "x".repeat(*n))).collect();
            journal(dir.path(), 200_000).append(lines.concat().as_bytes()).unwrap();
            prop_assert_eq!(rest(&mut open(dir.path(), Start::Last(n))), lines[lines.len().saturating_sub(n)..].concat());
        }
    }
}
