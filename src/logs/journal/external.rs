//! Lines from a second process, such as a one-off dyno started in another terminal, into a journal that a running
//! `up` owns.

use super::disk::{ends_whole, open_for_append};
use super::segments::Cut;
use super::{segment_numbers, segment_path};
use crate::clock::Clock;
use crate::logs::line::{stamp, write_message};
use crate::logs::writer::Store;
use crate::model::log::Message;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Tries before the lock is given up on; each lets other threads run.
const TRIES: usize = 100;

/// Appends to a journal that it does not own: whole lines, each message with one write. It never rotates, deletes or
/// cuts; the owner's readers see its lines within half a second.
pub struct Guest {
    dir: PathBuf,
    clock: Clock,
}

impl Guest {
    /// A guest of the journal in `dir`, which need not exist yet.
    pub fn new(dir: &Path, clock: Clock) -> Self {
        Self { dir: dir.to_owned(), clock }
    }

    /// Appends a message to the newest segment.
    pub fn publish(&self, message: &Message) -> io::Result<()> {
        let mut lines = Vec::new();
        write_message(&stamp(self.clock.now()), message, &mut lines);
        self.append_lines(&lines)
    }

    /// Appends whole lines to the newest segment.
    fn append_lines(&self, lines: &[u8]) -> io::Result<()> {
        for _ in 0..TRIES {
            let newest = self.newest()?;
            let path = segment_path(&self.dir, newest);
            let mut file = open_for_append(&path)?;
            // The owner locks a segment for good when it ends it: then there is, or soon will be, a newer one. And it
            // may be in the middle of a line, though not for long.
            if file.try_lock().is_ok() && self.newest()? == newest && ends_whole(&path)? {
                return file.write_all(lines);
            }
            drop(file);
            std::thread::yield_now();
        }
        let path = segment_path(&self.dir, self.newest()?);
        let mut file = open_for_append(&path)?;
        if !ends_whole(&path)? {
            file.write_all(b"\n")?;
        }
        file.write_all(lines)
    }

    fn newest(&self) -> io::Result<u64> {
        Ok(segment_numbers(&self.dir)?.last().copied().unwrap_or(1))
    }
}

impl Store for Guest {
    fn append(&mut self, lines: &[u8]) -> Result<(), Cut> {
        self.append_lines(lines).map_err(|error| Cut { whole: 0, error })
    }
}

#[cfg(test)]
mod tests {
    use super::Guest;
    use crate::clock::Clock;
    use crate::logs::journal::disk::FileSystem;
    use crate::logs::journal::segment_numbers;
    use crate::logs::journal::segments::{Caps, Journal};
    use crate::logs::line::ParsedLine;
    use crate::model::log::Message;

    #[test]
    fn a_guest_s_lines_and_the_owner_s_mix_without_harm_while_segments_end() {
        let dir = tempfile::tempdir().unwrap();
        let caps = Caps { segment: 5_000, total: 1_000_000 };
        let mut owner = Journal::open(dir.path(), Box::new(FileSystem), caps).unwrap();
        let guest = Guest::new(dir.path(), Clock::system());
        let guesting = std::thread::spawn(move || {
            for i in 0..500 {
                guest.publish(&Message::router(format!("guest {i}"))).unwrap();
            }
        });
        for i in 0..500 {
            owner.append(format!("2026-11-21T03:08:15.123456+00:00 app[web.1]: owner {i}\n").as_bytes()).unwrap();
        }
        guesting.join().unwrap();
        let mut lines = Vec::new();
        for number in segment_numbers(dir.path()).unwrap() {
            lines.extend(std::fs::read(super::segment_path(dir.path(), number)).unwrap());
        }
        for who in ["owner", "guest"] {
            let texts: Vec<String> = lines
                .split_inclusive(|b| *b == b'\n')
                .map(|line| String::from_utf8(ParsedLine::parse(line).unwrap().text.to_vec()).unwrap())
                .filter(|text| text.starts_with(who))
                .collect();
            assert_eq!(texts, (0..500).map(|i| format!("{who} {i}")).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_owner_does_not_end_a_segment_that_a_guest_is_writing_to() {
        let dir = tempfile::tempdir().unwrap();
        let caps = Caps { segment: 100, total: 1_000 };
        let mut owner = Journal::open(dir.path(), Box::new(FileSystem), caps).unwrap();
        owner.append(&[b"x".repeat(99), b"\n".to_vec()].concat()).unwrap();
        let guest = super::open_for_append(&super::segment_path(dir.path(), 1)).unwrap();
        guest.lock().unwrap();
        owner.append(b"in the old one\n").unwrap();
        assert_eq!(segment_numbers(dir.path()).unwrap(), [1]);
        drop(guest);
        owner.append(b"in the new one\n").unwrap();
        assert_eq!(segment_numbers(dir.path()).unwrap(), [1, 2]);
    }

    #[test]
    fn a_line_that_a_crashed_owner_tore_is_ended_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = super::segment_path(dir.path(), 1);
        std::fs::write(&path, "2026-11-21T03:08").unwrap();
        Guest::new(dir.path(), Clock::system()).publish(&Message::api("x")).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "2026-11-21T03:08");
        assert_eq!(ParsedLine::parse(lines[1].as_bytes()).unwrap().text, b"x");
    }

    #[test]
    fn a_guest_alone_begins_the_journal() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("app/journal");
        Guest::new(&at, Clock::system()).publish(&Message::api("x")).unwrap();
        assert_eq!(segment_numbers(&at).unwrap(), [1]);
    }
}
