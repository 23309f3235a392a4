//! Changes to a `.env` file that leave everything else in it as it is: comments, order, blank lines, quotes.

use super::env_cut::{Cut, Entry, Quotes, cut};
use super::env_file::parse;
use crate::diagnostic::{Diagnostic, Severity};
use std::collections::BTreeMap;
use std::ops::Range;

/// The text with these variables set (`Some`) or removed (`None`), or the name of a line that cannot be read, from 1.
///
/// A variable that is set more than once keeps its last line, which is the one that counts; a new one goes to the end.
pub fn edited(text: &str, changes: &BTreeMap<String, Option<String>>) -> Result<String, usize> {
    let pieces = cut(text);
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let mut entries: BTreeMap<&str, Vec<&Entry<'_>>> = BTreeMap::new();
    for piece in &pieces {
        match piece {
            Cut::Entry(entry) => entries.entry(entry.name).or_default().push(entry),
            Cut::Fault(fault) => return Err(super::node::line_of(text, fault.span.start)),
        }
    }
    let mut new = String::new();
    for (name, value) in changes {
        let there = entries.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
        match (value, there) {
            (Some(value), [.., last]) => {
                let place = value_of(last);
                // `A= # note`: what follows an empty value must stay a comment.
                let gap = if text[place.end..].starts_with('#') { " " } else { "" };
                edits.push((place, quoted(value) + gap));
            }
            (Some(value), []) => new.extend([name, "=", &quoted(value), "\n"]),
            (None, there) => edits.extend(there.iter().map(|entry| (line_of(text, entry), String::new()))),
        }
    }
    edits.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(text.len() + new.len());
    let mut from = 0;
    for (range, replacement) in edits {
        out.push_str(&text[from..range.start]);
        out.push_str(&replacement);
        from = range.end;
    }
    out.push_str(&text[from..]);
    if !new.is_empty() && !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    out.push_str(&new);
    Ok(out)
}

/// What a text in the dialect of `.env` sets; `name` is what its findings call it.
pub fn read(name: &str, text: &str) -> Result<BTreeMap<String, String>, Vec<Diagnostic>> {
    let (file, findings) = parse(name, text, None);
    let wrong: Vec<Diagnostic> = findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect();
    let vars = file.assignments.into_iter().map(|assignment| (assignment.name, assignment.value)).collect();
    if wrong.is_empty() { Ok(vars) } else { Err(wrong) }
}

/// The value with its quotes, without a comment behind it.
fn value_of(entry: &Entry<'_>) -> Range<usize> {
    let quotes = if entry.quotes == Quotes::None { 0 } else { 2 };
    let start = entry.value_span.start;
    start..start + entry.raw.len() + quotes
}

/// The whole of the entry's lines, with the line end.
fn line_of(text: &str, entry: &Entry<'_>) -> Range<usize> {
    let start = text[..entry.name_span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = entry.value_span.end;
    start..text[end..].find('\n').map_or(text.len(), |at| end + at + 1)
}

/// The value as it is read back: without quotes where that is safe, in single quotes where it can be, else in double.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?&=+@%,;!*()[]{}|<>^$".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    if !value.contains(['\'', '\n', '\r']) {
        return format!("'{value}'");
    }
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::super::env_file::parse;
    use super::edited;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn changes(of: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<String>> {
        of.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
    }

    #[test]
    fn everything_that_is_not_changed_stays_as_it_is() {
        let text =
            "# who we are\nexport NAME='shop' # its name\n\nKEY = \"a\\nb\"\nOLD=1\nTWICE=1\nTWICE=2 # counts\nLAST=x";
        let changes = changes(&[
            ("NAME", Some("new shop")),
            ("KEY", Some("plain")),
            ("OLD", None),
            ("TWICE", Some("3")),
            ("ADDED", Some("it's")),
            ("MISSING", None),
        ]);
        assert_eq!(
            edited(text, &changes).unwrap(),
            "# who we are\nexport NAME='new shop' # its name\n\nKEY = plain\nTWICE=1\nTWICE=3 # counts\nLAST=x\nADDED=\"it's\"\n"
        );
        assert_eq!(edited("", &super::tests::changes(&[("A", Some("1"))])).unwrap(), "A=1\n");
        assert_eq!(edited("A=1\nA=2\n", &super::tests::changes(&[("A", None)])).unwrap(), "");
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        assert_eq!(edited("A=1\nnonsense\n", &changes(&[("A", None)])), Err(2));
    }

    proptest! {
        #[test]
        fn what_was_set_is_read_back_and_the_rest_with_it(
            value in "[ -~\n\t'\"\\\\$#é]{0,20}",
            other in "[ -~]{0,12}",
            before in any::<bool>(),
        ) {
            let first = edited("", &changes(&[("OTHER", Some(&other))])).unwrap();
            let text = if before { edited(&first, &changes(&[("NAME", Some("old one"))])).unwrap() } else { first };
            let text = edited(&text, &changes(&[("NAME", Some(&value))])).unwrap();
            let (file, findings) = parse(".env", &text, None);
            prop_assert!(findings.iter().all(|f| f.severity != crate::diagnostic::Severity::Error), "{text:?}");
            let read: BTreeMap<_, _> = file.assignments.into_iter().map(|a| (a.name, a.value)).collect();
            prop_assert_eq!(read.get("NAME"), Some(&value), "{:?}", text);
            prop_assert_eq!(read.get("OTHER"), Some(&other), "{:?}", text);
        }
    }
}
