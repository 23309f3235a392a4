//! The form of a journal line, in both directions: `TS source[process]: text`.

use crate::clock;
use crate::model::limits::LOG_LINE_BYTES;
use crate::model::log::{Message, Source};
use std::io::Write as _;
use std::ops::Range;
use time::OffsetDateTime;

/// Length of a stamp such as `2026-11-21T03:08:15.123456+00:00`.
pub(super) const STAMP_BYTES: usize = 32;

/// A stamp as the bytes that stand in the line; sorts as time does.
pub(super) type Stamp = [u8; STAMP_BYTES];

const STAMP_FORM: &Stamp = b"dddd-dd-ddTdd:dd:dd.dddddd+00:00";
const SOURCES: [Source; 3] = [Source::App, Source::Heroku, Source::Dynosim];

/// A journal line taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedLine<'a> {
    /// When it was stamped: RFC 3339, UTC, microseconds, `+00:00`.
    pub time: &'a str,
    /// Who speaks.
    pub source: Source,
    /// What stands in the bracket: `web.1`, `router`, `api`, `logplex`.
    pub process: &'a str,
    /// The text, without the newline; any bytes.
    pub text: &'a [u8],
}

impl<'a> ParsedLine<'a> {
    /// Takes a line apart, with or without its newline; `None` for bytes that are no journal line.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        stamp_of(line)?;
        let (stamp, rest) = line.split_at(STAMP_BYTES);
        let rest = rest.strip_prefix(b" ")?;
        let (source, rest) =
            SOURCES.iter().find_map(|s| Some((*s, rest.strip_prefix(s.as_str().as_bytes())?.strip_prefix(b"[")?)))?;
        let end = memchr::memchr(b']', rest)?;
        let (process, rest) = rest.split_at(end);
        if process.is_empty() || !process.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let text = rest.strip_prefix(b"]: ")?;
        Some(Self { time: str::from_utf8(stamp).ok()?, source, process: str::from_utf8(process).ok()?, text })
    }
}

/// Makes many stamps: within a second only the microseconds are written anew.
#[derive(Default)]
pub(super) struct Stamper {
    last: Option<(i64, Stamp)>,
}

impl Stamper {
    /// A moment as it stands in a line.
    pub(super) fn stamp(&mut self, at: OffsetDateTime) -> Stamp {
        let second = at.unix_timestamp();
        let mut stamp = match self.last {
            Some((known, stamp)) if known == second => stamp,
            _ => stamp(at),
        };
        let mut rest = at.microsecond();
        for digit in stamp[20..26].iter_mut().rev() {
            *digit = b"0123456789"[rest as usize % 10];
            rest /= 10;
        }
        self.last = Some((second, stamp));
        stamp
    }
}

/// A moment as it stands in a line.
pub(super) fn stamp(at: OffsetDateTime) -> Stamp {
    // Years beyond 9999 are the only times with another length.
    clock::stamp(at).as_bytes().first_chunk().copied().unwrap_or(*b"9999-12-31T23:59:59.999999+00:00")
}

/// The stamp that a line begins with, if it does.
pub(super) fn stamp_of(line: &[u8]) -> Option<&Stamp> {
    let stamp: &Stamp = line.first_chunk()?;
    let fits = stamp.iter().zip(STAMP_FORM).all(|(b, form)| if *form == b'd' { b.is_ascii_digit() } else { b == form });
    fits.then_some(stamp)
}

/// Appends a message as whole lines: one for each line of its text, cut at 10,000 bytes, all with one stamp (R6.2, R7).
pub(super) fn write_message(stamp: &Stamp, message: &Message, out: &mut Vec<u8>) {
    let text = message.text.strip_suffix('\n').unwrap_or(&message.text);
    let mut prefix = None;
    for line in text.split('\n') {
        let mut rest = line.as_bytes();
        loop {
            let (piece, later) = rest.split_at(rest.len().min(LOG_LINE_BYTES));
            match &prefix {
                None => prefix = Some(write_prefix(stamp, message, out)),
                Some(prefix) => out.extend_from_within(Range::clone(prefix)),
            }
            write_line(&[], piece, out);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
    }
}

/// Appends what stands before the text; gives the place where it is, for further lines.
fn write_prefix(stamp: &Stamp, message: &Message, out: &mut Vec<u8>) -> Range<usize> {
    let begin = out.len();
    out.extend_from_slice(stamp);
    out.push(b' ');
    out.extend_from_slice(message.source.as_str().as_bytes());
    // Writing to memory cannot fail.
    let _ = write!(out, "[{}]: ", message.process);
    begin..out.len()
}

/// Appends one line.
pub(super) fn write_line(prefix: &[u8], text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(prefix);
    out.extend_from_slice(text);
    out.push(b'\n');
}

/// Heroku's L12: this machine could not store lines for a while and had to drop some (R6.1).
pub(super) fn write_l12(stamp: &Stamp, dropped: u64, since: &Stamp, out: &mut Vec<u8>) {
    write_notice(stamp, "app[log-shuttle]: Error L12: ", dropped, " messages dropped since ", since, out);
}

/// Heroku's L11: a reader fell so far behind that lines it had not read were deleted (R6.1).
pub(super) fn write_l11(stamp: &Stamp, dropped: u64, since: &Stamp, out: &mut Vec<u8>) {
    let text = "heroku[logplex]: Error L11 (Tail buffer overflow) -> This tail session dropped ";
    write_notice(stamp, text, dropped, " messages since ", since, out);
}

fn write_notice(stamp: &Stamp, before: &str, count: u64, after: &str, since: &Stamp, out: &mut Vec<u8>) {
    out.extend_from_slice(stamp);
    out.push(b' ');
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(count.to_string().as_bytes());
    out.extend_from_slice(after.as_bytes());
    out.extend_from_slice(since);
    out.extend_from_slice(b".\n");
}

/// How many lines end in these bytes.
pub(super) fn count_lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
mod tests {
    use super::{ParsedLine, Stamper, write_l11, write_l12, write_message};
    use crate::model::dyno::DynoName;
    use crate::model::log::{Message, Source};
    use crate::model::process_type::ProcessType;
    use proptest::prelude::*;
    use time::macros::datetime;

    const TS: &str = "2026-11-21T03:08:15.123456+00:00";

    fn web() -> DynoName {
        DynoName::new(ProcessType::web(), 1)
    }

    fn written(message: &Message) -> String {
        let mut out = Vec::new();
        write_message(TS.as_bytes().first_chunk().unwrap(), message, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn r7_a_line_is_stamp_source_process_and_text() {
        assert_eq!(
            written(&Message::heroku(&web(), "State changed from starting to up")),
            "2026-11-21T03:08:15.123456+00:00 heroku[web.1]: State changed from starting to up\n"
        );
        assert_eq!(written(&Message::router("at=info")), format!("{TS} heroku[router]: at=info\n"));
        assert_eq!(written(&Message::explain(&web(), "why")), format!("{TS} dynosim[web.1]: why\n"));
    }

    #[test]
    fn r6_2_a_message_of_several_lines_becomes_several_lines_with_one_stamp() {
        assert_eq!(
            written(&Message::api("Build\n\nsucceeded\n")),
            format!("{TS} app[api]: Build\n{TS} app[api]: \n{TS} app[api]: succeeded\n")
        );
    }

    #[test]
    fn r7_a_message_over_ten_thousand_bytes_is_cut() {
        let text = written(&Message::api("x".repeat(25_000)));
        let lengths: Vec<usize> = text.lines().map(|l| ParsedLine::parse(l.as_bytes()).unwrap().text.len()).collect();
        assert_eq!(lengths, [10_000, 10_000, 5_000]);
        assert_eq!(written(&Message::api("x".repeat(10_000))).lines().count(), 1);
    }

    #[test]
    fn r6_1_the_notices_of_lost_lines_are_heroku_s() {
        let mut out = Vec::new();
        let stamp = TS.as_bytes().first_chunk().unwrap();
        write_l11(stamp, 1101, stamp, &mut out);
        write_l12(stamp, 222, stamp, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!(
                "{TS} heroku[logplex]: Error L11 (Tail buffer overflow) -> This tail session dropped 1101 messages \
                 since {TS}.\n{TS} app[log-shuttle]: Error L12: 222 messages dropped since {TS}.\n"
            )
        );
    }

    #[test]
    fn a_line_comes_apart_into_its_four_parts() {
        let line = format!("{TS} app[web.1]: a ]: b\r");
        let parsed = ParsedLine::parse(line.as_bytes()).unwrap();
        assert_eq!(
            parsed,
            ParsedLine { time: TS, source: Source::App, process: "web.1", text: b"a ]: b\r" },
            "the text keeps its carriage return"
        );
    }

    #[test]
    fn stamps_made_in_a_row_are_the_clock_s() {
        let mut stamper = Stamper::default();
        let mut at = datetime!(1969-12-31 23:59:58.999999 UTC);
        for step in [0, 1, 999_998, 1, 1, 86_400_000_000, 123_456, 0] {
            at += time::Duration::microseconds(step);
            assert_eq!(str::from_utf8(&stamper.stamp(at)).unwrap(), crate::clock::stamp(at));
            let elsewhere = at.to_offset(time::macros::offset!(+5:30));
            assert_eq!(stamper.stamp(elsewhere), stamper.stamp(at));
        }
    }

    #[test]
    fn bytes_that_are_no_journal_line_are_none() {
        for text in ["", "\n", TS, "2026-11-21 app[web.1]: x", &format!("{TS} other[web.1]: x")] {
            assert_eq!(ParsedLine::parse(text.as_bytes()), None, "{text:?}");
        }
        for tail in [" app[web.1] x", " app[]: x", " app[a b]: x", " app[web.1", "app[web.1]: x"] {
            assert_eq!(ParsedLine::parse(format!("{TS}{tail}").as_bytes()), None, "{tail:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_fails_otherwise_than_with_none(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = ParsedLine::parse(&bytes);
            let mut line = format!("{TS} app[web.1]: ").into_bytes();
            line.extend(bytes.iter().filter(|b| **b != b'\n'));
            let text = ParsedLine::parse(&line).unwrap().text;
            prop_assert!(bytes.iter().filter(|b| **b != b'\n').eq(text.iter()));
        }
    }
}
