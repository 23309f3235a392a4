//! Cuts a `.env` text into logical entries with their places. What the quotes mean is `env_file.rs`'s business.

use super::node::line_of;
use std::ops::Range;

/// A logical entry, or what stands there instead.
pub(super) enum Cut<'t> {
    /// `NAME=value`.
    Entry(Entry<'t>),
    /// A line that is none.
    Fault(Fault),
}

/// `NAME=value`, before the value is read.
pub(super) struct Entry<'t> {
    /// The name.
    pub(super) name: &'t str,
    /// Its bytes.
    pub(super) name_span: Range<usize>,
    /// The line of the name, from 1.
    pub(super) line: usize,
    /// Whether `export` stands before it.
    pub(super) exported: bool,
    /// How the value is quoted.
    pub(super) quotes: Quotes,
    /// The value without its quotes, without a comment.
    pub(super) raw: &'t str,
    /// Bytes of the value, quotes and comment included: what nobody should see.
    pub(super) value_span: Range<usize>,
}

/// How a value is quoted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    /// Not at all: the value ends with the line, or at ` #`.
    None,
    /// `'…'`.
    Single,
    /// `"…"`.
    Double,
}

/// Why a line is no entry.
pub(super) struct Fault {
    /// What is wrong.
    pub(super) title: String,
    /// Where.
    pub(super) span: Range<usize>,
    /// What stands there.
    pub(super) label: &'static str,
    /// How to mend it.
    pub(super) help: String,
    /// Bytes that nobody should see.
    pub(super) secret: Range<usize>,
}

/// Cuts `text`. After a quote that is never closed nothing more is read: whatever follows may be a part of the value.
pub(super) fn cut(text: &str) -> Vec<Cut<'_>> {
    let mut pieces = Vec::new();
    let mut at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    while at < text.len() {
        let end = line_end(text, at);
        let start = at + (text[at..end].len() - text[at..end].trim_start().len());
        let line = text[start..end].trim_end();
        at = end + 1;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (piece, next) = entry(text, start, start + line.len());
        at = at.max(next);
        pieces.push(piece);
    }
    pieces
}

/// The piece that starts at `start` in a line that ends at `end`, and where the next line begins at the earliest.
fn entry(text: &str, start: usize, end: usize) -> (Cut<'_>, usize) {
    let line = &text[start..end];
    let Some(equals) = line.find('=') else { return (Cut::Fault(no_equals(text, start, end)), end) };
    let value_start = start + equals + 1;
    let mut name = line[..equals].trim_end();
    let mut name_start = start;
    let exported = name.strip_prefix("export").is_some_and(|rest| rest.starts_with([' ', '\t']));
    if exported {
        let rest = name["export".len()..].trim_start();
        name_start = start + name.len() - rest.len();
        name = rest;
    }
    let name_span = name_start..name_start + name.len();
    if !is_name(name) {
        return (Cut::Fault(bad_name(text, name_span, value_start..end)), end);
    }
    let blank = text[value_start..end].len() - text[value_start..end].trim_start().len();
    let at = value_start + blank;
    let mut entry = Entry {
        name,
        line: line_of(text, name_span.start),
        name_span,
        exported,
        quotes: Quotes::None,
        raw: "",
        value_span: at..end,
    };
    entry.quotes = match text[at..end].chars().next() {
        Some('"') => Quotes::Double,
        Some('\'') => Quotes::Single,
        _ => {
            let value = &text[at..end];
            // `A= # note` is empty, `A=#fff` is a colour.
            entry.raw = if blank > 0 && value.starts_with('#') { "" } else { without_comment(value) };
            return (Cut::Entry(entry), end);
        }
    };
    quoted(text, entry, end)
}

/// Finishes an entry whose value starts with a quote in a line that ends at `end`.
fn quoted<'t>(text: &'t str, mut entry: Entry<'t>, end: usize) -> (Cut<'t>, usize) {
    let open = entry.value_span.start;
    let Some(close) = closing(text, open, entry.quotes) else {
        let fault = Fault {
            title: format!("the quote that opens the value of {} is never closed", entry.name),
            span: open..open + 1,
            label: "opened here",
            help: format!(
                "close it with the same quote; a quote that is part of the value needs the other kind around: {}=…",
                entry.name
            ),
            secret: open..text.len(),
        };
        return (Cut::Fault(fault), text.len());
    };
    let close_end = line_end(text, close);
    let after = text[close + 1..close_end].trim_end();
    let ends_well = after.is_empty() || (after.starts_with([' ', '\t']) && after.trim_start().starts_with('#'));
    if !ends_well {
        let fault = Fault {
            title: format!("text after the closing quote of {}", entry.name),
            span: if close < end { close..close_end } else { open..open + 1 },
            label: if close < end { "the value ends here" } else { "opened here, and closed some lines below" },
            help: "put the whole value into one pair of quotes; a comment needs a blank before `#`".into(),
            secret: open..close_end,
        };
        return (Cut::Fault(fault), close_end);
    }
    entry.raw = &text[open + 1..close];
    entry.value_span = open..close_end;
    (Cut::Entry(entry), close_end)
}

/// The quote that closes the one at `open`.
fn closing(text: &str, open: usize, quotes: Quotes) -> Option<usize> {
    let body = &text[open + 1..];
    if quotes == Quotes::Single {
        return body.find('\'').map(|at| open + 1 + at);
    }
    let mut escaped = false;
    let at = body.find(|c| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    });
    at.map(|at| open + 1 + at)
}

fn without_comment(value: &str) -> &str {
    let comment = value.match_indices('#').map(|(at, _)| at).find(|at| value[..*at].ends_with([' ', '\t']));
    value[..comment.unwrap_or(value.len())].trim_end()
}

fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |n| at + n)
}

/// What dotenvy takes for a name.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
}

fn no_equals(text: &str, start: usize, end: usize) -> Fault {
    let line = &text[start..end];
    let word = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(line.len());
    let json = text[..start].trim().is_empty() && line.trim_start().starts_with(['{', '[']);
    let help = if json {
        "this looks like JSON, which is not read: write one NAME=value on each line".into()
    } else if word > 0 && line[word..].starts_with(':') && is_name(&line[..word]) {
        format!("write `{}=…`", &line[..word])
    } else {
        "write NAME=value; a value over several lines needs quotes around it, a comment a `#` before it".into()
    };
    // Four letters say which line it is; more could be a secret that lost its name.
    let shown = line.char_indices().nth(4).map_or(line.len(), |(at, _)| at);
    Fault {
        title: "a line has no `=`".into(),
        span: start..end,
        label: "expected NAME=value",
        help,
        secret: start + shown..end,
    }
}

fn bad_name(text: &str, span: Range<usize>, secret: Range<usize>) -> Fault {
    let name = &text[span.clone()];
    let title = if name.is_empty() { "no name before `=`".to_owned() } else { format!("`{name}` is not a name") };
    let at = if span.is_empty() { span.start..span.start + 1 } else { span };
    Fault {
        title,
        span: at,
        label: "expected the name of a variable",
        help: "a name has letters, digits and `_`, and does not start with a digit".into(),
        secret,
    }
}
