//! A line of the log, fit for the screen. Pure.

use super::lay::rows;
use super::log::Window;
use super::plain::plain;
use crate::cli::view::Sieve;
use crate::logs::ParsedLine;
use ratatui::text::Line as Text;
use regex::bytes::Regex;

/// See the module.
#[derive(Debug)]
pub(super) struct Line {
    /// `03:08:15`; empty for what is no line of the log's form.
    pub(super) time: String,
    /// `app[web.1]: `
    pub(super) head: String,
    /// `web.1`
    pub(super) process: String,
    pub(super) text: String,
    /// As it came.
    pub(super) whole: Vec<u8>,
    /// Whether focus and filter choose it.
    pub(super) chosen: bool,
}

impl Line {
    pub(super) fn of(whole: &str, sieve: &Sieve) -> Self {
        let chosen = sieve.takes(whole.as_bytes());
        let kept = whole.as_bytes().to_vec();
        match ParsedLine::parse(whole.as_bytes()) {
            Some(line) => Self {
                time: line.time.get(11..19).unwrap_or_default().to_owned(),
                head: format!("{}[{}]: ", line.source.as_str(), line.process),
                process: line.process.to_owned(),
                text: plain(&String::from_utf8_lossy(line.text)),
                whole: kept,
                chosen,
            },
            None => Self {
                time: String::new(),
                head: String::new(),
                process: String::new(),
                text: plain(whole),
                whole: kept,
                chosen,
            },
        }
    }

    /// All of it as it is shown.
    pub(super) fn shown(&self) -> String {
        let gap = if self.time.is_empty() { "" } else { " " };
        format!("{}{gap}{}{}", self.time, self.head, self.text)
    }

    pub(super) fn width(&self) -> usize {
        Text::raw(self.shown()).width()
    }

    pub(super) fn matches(&self, search: &Regex) -> bool {
        search.is_match(self.shown().as_bytes())
    }

    /// Rows that it takes.
    pub(super) fn rows(&self, window: Window, wrap: bool) -> usize {
        if wrap { rows(&self.shown(), window.columns) } else { 1 }
    }
}
