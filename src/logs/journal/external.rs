//! Lines from a second process, such as a one-off dyno started in another terminal, into a journal that a running
//! `up` owns.

use super::disk::open_for_append;
use super::segments::Cut;
use super::{segment_numbers, segment_path};
use crate::clock::Clock;
use crate::logs::line::{stamp_now, write_message};
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
        write_message(&stamp_now(&self.clock), message, &mut lines);
        self.append_lines(&lines)
    }

    /// Appends whole lines to the newest segment.
    fn append_lines(&self, lines: &[u8]) -> io::Result<()> {
        for _ in 0..TRIES {
            let newest = self.newest()?;
            let mut file = open_for_append(&segment_path(&self.dir, newest))?;
            // The owner locks a segment for good when it ends it: then there is, or soon will be, a newer one.
            if file.try_lock().is_ok() && self.newest()? == newest {
                return file.write_all(lines);
            }
            drop(file);
            std::thread::yield_now();
        }
        open_for_append(&segment_path(&self.dir, self.newest()?))?.write_all(lines)
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
    fn a_guest_alone_begins_the_journal() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("app/journal");
        Guest::new(&at, Clock::system()).publish(&Message::api("x")).unwrap();
        assert_eq!(segment_numbers(&at).unwrap(), [1]);
    }
}
