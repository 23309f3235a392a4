//! What a dyno printed last, for explanations: often the best hint at what it was doing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The end of the output that is kept.
const KEPT: usize = 600;
/// Characters of a line that are told.
const TOLD: usize = 160;

/// The end of one start's output; clones hear the same dyno.
#[derive(Clone, Debug, Default)]
pub struct LastWords(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    at: Option<Instant>,
    tail: Vec<u8>,
}

impl LastWords {
    /// Takes a piece of output.
    pub(super) fn hear(&self, piece: &[u8]) {
        let mut heard = self.heard();
        heard.at = Some(Instant::now());
        if piece.len() >= KEPT {
            heard.tail.clear();
        }
        heard.tail.extend_from_slice(&piece[piece.len().saturating_sub(KEPT)..]);
        let excess = heard.tail.len().saturating_sub(2 * KEPT);
        if excess > 0 {
            heard.tail.drain(..excess + KEPT);
        }
    }

    /// Forgets what an earlier start printed.
    pub(super) fn clear(&self) {
        *self.heard() = Heard::default();
    }

    /// The last line with something on it, made fit for one line of the log, and how long ago it came.
    pub fn line(&self) -> Option<(String, Duration)> {
        let heard = self.heard();
        let text = String::from_utf8_lossy(&heard.tail);
        let plain = |line: &str| -> String { without_escapes(line).trim().chars().take(TOLD).collect() };
        let line = text.lines().rev().map(plain).find(|line| !line.is_empty())?;
        Some((line, heard.at?.elapsed()))
    }

    /// `; it last printed, 29 s ago: "…"`; empty when nothing was heard of it.
    pub fn told(&self) -> String {
        match self.line() {
            Some((line, ago)) => format!("; it last printed, {} s ago: \"{line}\"", ago.as_secs()),
            None => String::new(),
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line without colours and other control characters.
fn without_escapes(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // `ESC [ … letter`: the colours of a terminal.
            if chars.next() == Some('[') {
                chars.by_ref().find(char::is_ascii_alphabetic);
            }
        } else if !c.is_control() || c == '\t' {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{KEPT, LastWords, TOLD};
    use std::time::Duration;
    use tokio::time::sleep;

    fn line(words: &LastWords) -> Option<String> {
        words.line().map(|(line, _)| line)
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_line_with_something_on_it_is_kept_with_its_age() {
        let words = LastWords::default();
        assert_eq!((words.line(), words.told().as_str()), (None, ""));
        words.hear(b"one\ntw");
        words.hear(b"o\n\x1b[31m  three\x1b[0m \r\n\n");
        sleep(Duration::from_secs(29)).await;
        assert_eq!(words.told(), "; it last printed, 29 s ago: \"three\"");
        words.clear();
        assert_eq!(words.line(), None);
    }

    #[test]
    fn however_much_is_printed_little_is_kept() {
        let words = LastWords::default();
        for size in [1, 10, KEPT - 1, KEPT, 10 * KEPT] {
            for _ in 0..50 {
                words.hear(&vec![b'x'; size]);
                assert!(words.heard().tail.len() <= 2 * KEPT);
            }
            words.hear(b"\nlast\n");
            assert_eq!(line(&words).as_deref(), Some("last"));
        }
        words.hear("ä".repeat(500).as_bytes());
        assert_eq!(line(&words).unwrap().chars().count(), TOLD);
    }
}
