//! The journal: a folder of numbered segments that hold every line, the buffer between the app and whoever reads.
//!
//! ```text
//! journal.000007.log     oldest kept
//! journal.000008.log
//! journal.000009.log     newest, appended to
//! journal.counts         how many lines each finished segment had, so that a loss can be counted
//! ```
//!
//! One process owns a journal and appends ([`segments`]); others may add lines of their own ([`external`]) and anyone
//! may read ([`reader`]). There is no index and no header: a segment is lines, exactly as Heroku prints them.
//! Numbers only grow, over runs too.

pub(super) mod disk;
pub(super) mod external;
pub(super) mod reader;
pub(super) mod segments;
mod tail;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

const COUNTS: &str = "journal.counts";
/// A larger counts file is cut to its newer half when the journal is opened.
const COUNTS_BYTES: u64 = 64 * 1024;

fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("journal.{number:06}.log"))
}

fn segment_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("journal.")?.strip_suffix(".log")?;
    if (6..19).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}

/// The numbers of the segments in a folder, oldest first; none for a folder that does not exist.
fn segment_numbers(dir: &Path) -> io::Result<Vec<u64>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        numbers.extend(entry?.file_name().to_str().and_then(segment_number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// What a segment that is gone held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    lines: u64,
    bytes: u64,
}

fn parse_counts(text: &str) -> BTreeMap<u64, Count> {
    let entry = |line: &str| {
        let mut words = line.split(' ').map(str::parse::<u64>);
        let mut word = || words.next()?.ok();
        Some((word()?, Count { lines: word()?, bytes: word()? }))
    };
    text.lines().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::{Count, parse_counts, segment_number, segment_path};
    use std::path::Path;

    #[test]
    fn segments_are_named_by_number_and_other_files_are_left_alone() {
        assert_eq!(segment_path(Path::new("d"), 7), Path::new("d/journal.000007.log"));
        assert_eq!(segment_number("journal.000007.log"), Some(7));
        assert_eq!(segment_number("journal.1234567.log"), Some(1_234_567));
        for name in ["journal.counts", "journal.7.log", "journal.00000x.log", "journal.000007.log.gz", "x"] {
            assert_eq!(segment_number(name), None, "{name}");
        }
    }

    #[test]
    fn a_torn_entry_in_the_counts_is_passed_over() {
        let counts = parse_counts("1 10 1000\n2 2");
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), [(1, Count { lines: 10, bytes: 1000 })]);
    }
}
