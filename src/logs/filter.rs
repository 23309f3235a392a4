//! Which lines a reader wants to see.

use super::line::{ParsedLine, Stamp, stamp};
use crate::model::log::Source;
use time::OffsetDateTime;

/// Which lines to show; the default is all. Conditions of different kinds must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Dyno names (`web.1`), process types (`web`) or processes (`router`), any of them; empty means all (R7).
    pub processes: Vec<String>,
    /// Only lines of this source (R7).
    pub source: Option<Source>,
    /// Only lines stamped at this time or later.
    pub since: Option<OffsetDateTime>,
}

impl Filter {
    /// Whether every line passes, bytes that are no journal line too.
    pub fn is_all(&self) -> bool {
        self.processes.is_empty() && self.source.is_none() && self.since.is_none()
    }
}

/// A filter made ready for many lines.
pub(super) struct Sieve {
    all: bool,
    filter: Filter,
    since: Option<Stamp>,
}

impl Sieve {
    pub(super) fn new(filter: Filter) -> Self {
        let since = filter.since.map(stamp);
        Self { all: filter.is_all(), filter, since }
    }

    pub(super) fn since(&self) -> Option<&Stamp> {
        self.since.as_ref()
    }

    /// Whether this line, with or without its newline, passes.
    pub(super) fn passes(&self, line: &[u8]) -> bool {
        if self.all {
            return true;
        }
        ParsedLine::parse(line).is_some_and(|line| {
            self.filter.source.is_none_or(|source| source == line.source)
                && self.since.is_none_or(|since| line.time.as_bytes() >= since.as_slice())
                && (self.filter.processes.is_empty() || self.filter.processes.iter().any(|p| names(p, line.process)))
        })
    }

    /// Appends the lines that pass.
    pub(super) fn sift(&self, lines: &[u8], out: &mut Vec<u8>) {
        if self.all {
            out.extend_from_slice(lines);
            return;
        }
        for line in lines.split_inclusive(|b| *b == b'\n').filter(|line| self.passes(line)) {
            out.extend_from_slice(line);
        }
    }
}

/// `web` names `web.1`, and so does `web.1`.
fn names(wanted: &str, process: &str) -> bool {
    process.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::{Filter, Sieve};
    use crate::model::log::Source;
    use time::macros::datetime;

    const LINES: &str = "2026-11-21T03:08:15.000000+00:00 app[web.1]: one\n\
                         2026-11-21T03:08:16.000000+00:00 heroku[web.1]: two\n\
                         2026-11-21T03:08:17.000000+00:00 heroku[router]: three\n\
                         no journal line\n\
                         2026-11-21T03:08:18.000000+00:00 app[web.11]: four\n\
                         2026-11-21T03:08:19.000000+00:00 dynosim[webhook.1]: five\n";

    fn shown(filter: Filter) -> Vec<String> {
        let mut out = Vec::new();
        Sieve::new(filter).sift(LINES.as_bytes(), &mut out);
        let out = String::from_utf8(out).unwrap();
        out.lines().map(|l| l.rsplit(' ').next().unwrap().to_owned()).collect()
    }

    fn processes(names: &[&str]) -> Filter {
        Filter { processes: names.iter().map(|n| (*n).to_owned()).collect(), ..Filter::default() }
    }

    #[test]
    fn r7_lines_are_chosen_by_dyno_name_process_type_and_source() {
        assert_eq!(shown(processes(&["web"])), ["one", "two", "four"]);
        assert_eq!(shown(processes(&["web.1"])), ["one", "two"]);
        assert_eq!(shown(processes(&["router", "webhook"])), ["three", "five"]);
        assert_eq!(shown(Filter { source: Some(Source::Heroku), ..Filter::default() }), ["two", "three"]);
        assert_eq!(shown(Filter { source: Some(Source::App), ..processes(&["web.1"]) }), ["one"]);
    }

    #[test]
    fn lines_are_chosen_by_time() {
        let since = Some(datetime!(2026-11-21 04:08:17 +1));
        assert_eq!(shown(Filter { since, ..Filter::default() }), ["three", "four", "five"]);
    }

    #[test]
    fn without_conditions_everything_passes_as_it_is() {
        let mut out = Vec::new();
        Sieve::new(Filter::default()).sift(LINES.as_bytes(), &mut out);
        assert_eq!(out, LINES.as_bytes());
    }
}
