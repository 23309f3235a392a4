//! Requests a second and the last code of each dyno, as the router's lines in the log tell them.

use crate::logs::ParsedLine;
use crate::model::log::Source;
use std::collections::{BTreeMap, VecDeque};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Seconds over which requests are counted.
const WINDOW: i64 = 5;

/// What the router's lines have told so far.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    /// By dyno; those that reached none stand under an empty name.
    dynos: BTreeMap<String, Dyno>,
    /// A stamp up to its second, and that second.
    second: (String, i64),
}

#[derive(Debug, Default)]
struct Dyno {
    /// Seconds and requests in them, oldest first.
    counts: VecDeque<(i64, u64)>,
    code: String,
}

impl Traffic {
    /// Takes a line of the log: the router's, or one that says that a dyno starts, which then has no code yet.
    pub(super) fn take(&mut self, line: &ParsedLine<'_>) {
        if line.source != Source::Heroku {
            return;
        }
        if line.process != "router" {
            if line.text.starts_with(b"Starting process with command")
                && let Some(dyno) = self.dynos.get_mut(line.process)
            {
                dyno.code.clear();
            }
            return;
        }
        let Ok(text) = std::str::from_utf8(line.text) else { return };
        let Some(status) = field(text, "status") else { return };
        let name = field(text, "dyno").unwrap_or_default();
        let code = field(text, "code").map_or_else(|| status.to_owned(), |code| format!("{status} {code}"));
        let second = self.second_of(line.time);
        let dyno = self.dynos.entry(name.to_owned()).or_default();
        dyno.code = code;
        match dyno.counts.back_mut() {
            Some((last, count)) if *last >= second => *count += 1,
            _ => dyno.counts.push_back((second, 1)),
        }
        while dyno.counts.front().is_some_and(|(first, _)| *first < second - WINDOW) {
            dyno.counts.pop_front();
        }
    }

    fn second_of(&mut self, stamp: &str) -> i64 {
        let (whole, _) = stamp.split_at_checked(19).unwrap_or((stamp, ""));
        if self.second.0 != whole {
            let at = OffsetDateTime::parse(stamp, &Rfc3339).map_or(0, OffsetDateTime::unix_timestamp);
            self.second = (whole.to_owned(), at);
        }
        self.second.1
    }

    /// Requests a second that a dyno had in the last five whole seconds.
    pub(super) fn rate(&self, dyno: &str, now: OffsetDateTime) -> f64 {
        self.dynos.get(dyno).map_or(0.0, |dyno| dyno.rate(now))
    }

    /// Of all, those that reached no dyno among them.
    pub(super) fn total(&self, now: OffsetDateTime) -> f64 {
        // Summed from 0.0: the sum of nothing would be -0.0.
        self.dynos.values().fold(0.0, |sum, dyno| sum + dyno.rate(now))
    }

    /// `200`, `503 H12`; empty before the first request since it started.
    pub(super) fn code(&self, dyno: &str) -> &str {
        self.dynos.get(dyno).map_or("", |dyno| &dyno.code)
    }
}

impl Dyno {
    #[allow(clippy::cast_precision_loss, reason = "a rate with one decimal")]
    fn rate(&self, now: OffsetDateTime) -> f64 {
        let now = now.unix_timestamp();
        let recent = self.counts.iter().filter(|(second, _)| (now - WINDOW..now).contains(second));
        recent.map(|(_, count)| *count).sum::<u64>() as f64 / WINDOW as f64
    }
}

/// The value of `name=value` in a router line. A path or a host in it is quoted or has no space, so that no value can pass
/// for another field before the real one: those that the client chooses are quoted.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(' ').map_or((after, ""), |(value, _)| (value, &after[value.len()..])),
        };
        if key.trim_start() == name {
            return Some(value);
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Traffic;
    use crate::logs::ParsedLine;
    use time::macros::datetime;

    fn taken(lines: &[&str]) -> Traffic {
        let mut traffic = Traffic::default();
        for line in lines {
            traffic.take(&ParsedLine::parse(line.as_bytes()).unwrap());
        }
        traffic
    }

    #[test]
    fn rates_and_codes_are_those_of_the_router_s_lines() {
        let line = |second: u32, rest: &str| format!("2026-11-21T03:08:{second:02}.500000+00:00 {rest}");
        let ok = "heroku[router]: at=info method=GET path=\"/\" host=localhost dyno=web.1 connect=0ms service=4ms status=200 bytes=2";
        let timed_out = "heroku[router]: at=error code=H12 desc=\"Request timeout\" method=GET path=\"/ dyno=web.9 status=1\" dyno=web.2 status=503 bytes=0";
        let nobody = "heroku[router]: at=error code=H10 desc=\"App crashed\" dyno= connect= service= status=503 bytes=";
        let app = "app[web.1]: heroku[router]: dyno=web.1 status=500";
        let mut lines: Vec<String> = (5..=15).map(|second| line(second, ok)).collect();
        lines.extend([line(15, timed_out), line(15, nobody), line(15, app)]);
        assert_eq!(format!("{:.1}", Traffic::default().total(datetime!(2026-11-21 03:08:16 UTC))), "0.0");
        let traffic = taken(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let now = datetime!(2026-11-21 03:08:16.1 UTC);
        assert!((traffic.rate("web.1", now) - 1.0).abs() < 0.01, "five in five seconds");
        assert!((traffic.total(now) - 1.4).abs() < 0.01);
        assert_eq!((traffic.code("web.1"), traffic.code("web.2"), traffic.code("web.9")), ("200", "503 H12", ""));
        let later = datetime!(2026-11-21 03:08:40 UTC);
        assert!(traffic.total(later).abs() < 0.01, "what is past counts no more");
        assert_eq!(traffic.code("web.1"), "200");
        lines.push(line(15, "heroku[web.1]: Starting process with command `serve`"));
        let traffic = taken(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!((traffic.code("web.1"), traffic.code("web.2")), ("", "503 H12"), "a new one has had no request");
    }
}
