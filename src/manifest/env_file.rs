//! `.env` files: cut into logical entries here, so that every fault has a line; each entry's quotes and escapes are
//! read by dotenvy.
//!
//! The dialect: a value without quotes and one in single quotes is literal, `$` and backslashes included, as
//! `heroku local` and foreman have it; double quotes know dotenvy's escapes; quotes may span lines; ` #` ends a value
//! without quotes. The host's environment is never looked at, which dotenvy alone would do for every `$`.
//!
//! Findings point into a copy of the file with its values masked: diagnostics end up in terminals and logs.

use super::env_cut::{Cut, Entry, Fault, Quotes, cut};
use super::interpolate::{Substitution, substitute};
use crate::diagnostic::{Diagnostic, SourceFile};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// The assignments of one file, in order. No `Debug`: values are secrets.
pub(super) struct EnvFile {
    /// The file with its values masked, to point at.
    pub(super) file: Arc<SourceFile>,
    /// One for each entry; a name may come twice, the later one wins.
    pub(super) assignments: Vec<Assignment>,
}

/// One `NAME=value`.
pub(super) struct Assignment {
    /// The name.
    pub(super) name: String,
    /// Its bytes.
    pub(super) name_span: Range<usize>,
    /// The line of the name, from 1.
    pub(super) line: usize,
    /// The value, byte for byte as the app gets it.
    pub(super) value: String,
}

/// Reads `text`, known to the user as `name`. With `known`, `$NAME` and `${NAME}` outside single quotes are replaced
/// by variables set above, in this file or in one read earlier; `known` grows by what this file sets.
pub(super) fn parse(
    name: &str,
    text: &str,
    mut known: Option<&mut BTreeMap<String, String>>,
) -> (EnvFile, Vec<Diagnostic>) {
    let pieces = cut(text);
    let masked = SourceFile { name: name.to_owned(), text: masked(text, &pieces) };
    let mut file = EnvFile { file: Arc::new(masked), assignments: Vec::new() };
    let mut findings = Vec::new();
    for piece in &pieces {
        match piece {
            Cut::Fault(fault) => findings.push(fault_finding(&file.file, fault)),
            Cut::Entry(entry) => match read(&file.file, entry, known.as_deref(), &mut findings) {
                Err(fault) => findings.push(fault),
                Ok(value) => {
                    findings.extend(repeated(&file, entry));
                    if let Some(known) = known.as_deref_mut() {
                        known.insert(entry.name.to_owned(), value.clone());
                    }
                    file.assignments.push(Assignment {
                        name: entry.name.to_owned(),
                        name_span: entry.name_span.clone(),
                        line: entry.line,
                        value,
                    });
                }
            },
        }
    }
    findings.extend(dialects(&file.file, &pieces));
    (file, findings)
}

fn read(
    file: &Arc<SourceFile>,
    entry: &Entry<'_>,
    known: Option<&BTreeMap<String, String>>,
    findings: &mut Vec<Diagnostic>,
) -> Result<String, Diagnostic> {
    let value = match known {
        Some(known) if entry.quotes != Quotes::Single => {
            let done = substitute(entry.raw, known, entry.quotes == Quotes::Double)
                .map_err(|unknown| unknown_reference(file, entry, &unknown))?;
            findings.extend(done.made.iter().map(|made| substituted(file, entry, made)));
            double_quoted(&done.text)
        }
        _ if entry.quotes == Quotes::Double => double_quoted(entry.raw),
        _ => double_quoted(&escaped(entry.raw)),
    };
    let line = format!("{}=\"{value}\"", entry.name);
    match dotenvy::from_read_iter(line.as_bytes()).next() {
        Some(Ok((_, value))) => Ok(value),
        _ => Err(bad_escape(file, entry)),
    }
}

/// The body of dotenvy's double quotes: `$` made literal, line ends made `\n`, escapes left to dotenvy.
fn double_quoted(raw: &str) -> String {
    let raw = raw.replace("\r\n", "\n");
    let mut out = String::with_capacity(raw.len() + 8);
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                out.push('\\');
                out.extend(chars.next());
            }
            '$' => out.push_str("\\$"),
            c => out.push(c),
        }
    }
    out
}

/// A literal text as the body of double quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn fault_finding(file: &Arc<SourceFile>, fault: &Fault) -> Diagnostic {
    Diagnostic::error(format!("{}: {}", file.name, fault.title))
        .at(file, fault.span.clone(), fault.label)
        .help(fault.help.clone())
}

fn bad_escape(file: &Arc<SourceFile>, entry: &Entry<'_>) -> Diagnostic {
    let mut chars = entry.raw.chars();
    let mut odd = None;
    while let Some(c) = chars.next() {
        if c == '\\' {
            odd = chars.next().filter(|c| !"\\'\"$ n".contains(*c));
            if odd.is_some() {
                break;
            }
        }
    }
    let what = odd.map_or_else(|| "a backslash".to_owned(), |c| format!("`\\{c}`"));
    Diagnostic::error(format!("{}: the value of {} holds {what}, which is no escape", file.name, entry.name))
        .at(file, entry.name_span.clone(), "in this value")
        .help("double quotes know \\n \\\\ \\\" \\' \\$ and backslash-blank: write \\\\ for a backslash, or use single quotes")
}

fn unknown_reference(file: &Arc<SourceFile>, entry: &Entry<'_>, unknown: &str) -> Diagnostic {
    let title = format!("{}: the value of {} refers to ${unknown}, which nothing above sets", file.name, entry.name);
    Diagnostic::error(title)
        .at(file, entry.name_span.clone(), "in this value")
        .help("only variables set above in these files are replaced, never those of this machine; write \\$ for a literal `$`")
}

fn substituted(file: &Arc<SourceFile>, entry: &Entry<'_>, made: &Substitution) -> Diagnostic {
    let title = format!("{}: ${} in the value of {} was replaced", file.name, made.name, entry.name);
    Diagnostic::note(title).at(file, entry.name_span.clone(), "in this value").code("D051")
}

fn repeated(file: &EnvFile, entry: &Entry<'_>) -> Option<Diagnostic> {
    let first = file.assignments.iter().find(|a| a.name == entry.name)?;
    let title =
        format!("{}: {} is set in line {} and again in line {}", file.file.name, entry.name, first.line, entry.line);
    let finding = Diagnostic::warning(title).at(&file.file, entry.name_span.clone(), "this one counts");
    Some(finding.help("remove one of them"))
}

/// A `.env` file as others may read it. No values in it.
pub struct EnvReadings {
    /// The file with its values masked.
    pub masked: Arc<SourceFile>,
    /// Its entries, in order.
    pub entries: Vec<EnvReading>,
}

/// What other readers mind in one entry.
pub struct EnvReading {
    /// Its line, from 1.
    pub line: usize,
    /// The bytes of its name.
    pub name: Range<usize>,
    /// A `$` before a name, outside of single quotes.
    pub dollar: bool,
    /// Quotes around the value.
    pub quoted: bool,
    /// `export` before the name.
    pub exported: bool,
}

/// Whether a `$` stands before a name or a brace; a pattern that ends in one means itself everywhere.
fn names_a_variable(raw: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '{';
    raw.match_indices('$').any(|(at, _)| raw[at + 1..].starts_with(begins))
}

/// What other readers mind in a `.env` text.
pub fn readings(text: &str) -> EnvReadings {
    let pieces = cut(text);
    let entries = pieces.iter().filter_map(|piece| match piece {
        Cut::Entry(entry) => Some(EnvReading {
            line: entry.line,
            name: entry.name_span.clone(),
            dollar: names_a_variable(entry.raw) && entry.quotes != Quotes::Single,
            quoted: entry.quotes != Quotes::None,
            exported: entry.exported,
        }),
        Cut::Fault(_) => None,
    });
    let entries = entries.collect();
    EnvReadings { masked: Arc::new(SourceFile { name: ".env".into(), text: masked(text, &pieces) }), entries }
}

/// One note for the entries that `heroku local` reads otherwise.
fn dialects(file: &Arc<SourceFile>, pieces: &[Cut<'_>]) -> Option<Diagnostic> {
    let differing: Vec<(&Entry<'_>, &str)> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Cut::Entry(entry) => dialect(entry).map(|why| (entry, why)),
            Cut::Fault(_) => None,
        })
        .collect();
    let (first, why) = differing.first()?;
    let lines: Vec<String> = differing.iter().map(|(entry, _)| entry.line.to_string()).collect();
    let noun = if lines.len() == 1 { "line" } else { "lines" };
    let title = format!("{}: `heroku local` reads {noun} {} otherwise", file.name, lines.join(", "));
    Some(Diagnostic::note(title).at(file, first.name_span.clone(), *why).code("D051"))
}

fn dialect(entry: &Entry<'_>) -> Option<&'static str> {
    match entry.quotes {
        Quotes::None if entry.raw.contains('#') => Some("it cuts the value at `#`: use quotes"),
        _ if entry.raw.contains('\n') => Some("it knows no values over several lines"),
        Quotes::Double if entry.raw.contains('\\') => Some("it knows no escapes: a backslash stays"),
        _ if entry.exported => Some("it takes `export` for a part of the name"),
        _ => None,
    }
}

/// The text with every value replaced by stars, byte for byte, so that places stay what they are.
fn masked(text: &str, pieces: &[Cut<'_>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for piece in pieces {
        let secret = match piece {
            Cut::Entry(entry) => entry.value_span.clone(),
            Cut::Fault(fault) => fault.secret.clone(),
        };
        for byte in &mut bytes[secret] {
            if !matches!(*byte, b'\n' | b'\r') {
                *byte = b'*';
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::diagnostic::{Diagnostic, Severity};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn read(text: &str) -> (Vec<(String, String)>, Vec<Diagnostic>) {
        let (file, findings) = parse(".env", text, None);
        (file.assignments.into_iter().map(|a| (a.name, a.value)).collect(), findings)
    }

    fn value(line: &str) -> String {
        let (mut read, findings) = read(line);
        assert!(findings.iter().all(|f| f.severity < Severity::Error), "{line}: {}", findings[0].render(false));
        assert_eq!(read.len(), 1, "{line}");
        read.remove(0).1
    }

    #[test]
    fn values_are_literal_as_heroku_local_and_foreman_have_them() {
        for (line, expected) in [
            ("A=abc$def", "abc$def"),
            ("A=pa$$word", "pa$$word"),
            ("A=$HOME", "$HOME"),
            ("A=\"$HOME ${PATH}\"", "$HOME ${PATH}"),
            ("A=two words", "two words"),
            ("A=back\\slash", "back\\slash"),
            ("A=1 # note", "1"),
            ("A=val#x", "val#x"),
            ("A=#fff", "#fff"),
            ("A= # note", ""),
            ("A=", ""),
            ("A=it's", "it's"),
            ("A={\"k\": \"v\"}", "{\"k\": \"v\"}"),
            ("A=\"a\\nb\\\\\\\"\\$c\"", "a\nb\\\"$c"),
            ("A='a\\nb \"$x\" #'", "a\\nb \"$x\" #"),
            ("A='C:\\dir\\'", "C:\\dir\\"),
            ("export A=v", "v"),
            ("  A = v  ", "v"),
            ("export=v", "v"),
            ("A=\"v\" # note", "v"),
            ("A=a=b==", "a=b=="),
            ("A=é ü", "é ü"),
        ] {
            assert_eq!(value(line), expected, "{line}");
        }
    }

    #[test]
    fn a_byte_order_mark_and_windows_line_ends_do_no_harm() {
        let (read, findings) = read("\u{feff}A=1\r\n\r\n# c\r\nB='x\r\ny'\r\nC=\"x\r\ny\"\r\n");
        let expected = [("A", "1"), ("B", "x\ny"), ("C", "x\ny")];
        assert_eq!(read, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert!(findings.iter().all(|f| f.severity == Severity::Note));
    }

    #[test]
    fn quotes_span_lines_and_the_line_of_the_name_counts() {
        let (file, _) = parse(".env", "A=1\nKEY=\"-----BEGIN-----\nabc==\n-----END-----\"\nB=2\n", None);
        let lines: Vec<(&str, usize)> = file.assignments.iter().map(|a| (a.name.as_str(), a.line)).collect();
        assert_eq!(lines, [("A", 1), ("KEY", 2), ("B", 5)]);
        assert_eq!(file.assignments[1].value, "-----BEGIN-----\nabc==\n-----END-----");
    }

    #[test]
    fn malformed_lines_are_errors_with_line_and_fix_and_the_rest_is_read() {
        for (line, says) in [
            ("FOO", "no `=`"),
            ("FOO: bar", "write `FOO=…`"),
            ("my-key=1", "`my-key` is not a name"),
            ("1A=1", "`1A` is not a name"),
            ("=x", "no name before `=`"),
            ("A B=x", "`A B` is not a name"),
            ("A=\"x\" y", "after the closing quote"),
            ("A='x'y'", "after the closing quote"),
            ("A=\"\\d\"", "`\\d`, which is no escape"),
        ] {
            let (read, findings) = read(&format!("X=1\n{line}\nY=2\n"));
            assert_eq!(read.iter().map(|(k, _)| k.as_str()).collect::<Vec<_>>(), ["X", "Y"], "{line}");
            let errors: Vec<_> = findings.iter().filter(|f| f.severity == Severity::Error).collect();
            assert_eq!(errors.len(), 1, "{line}");
            assert_eq!(errors[0].line(), Some(2), "{line}");
            assert!(errors[0].help.is_some() && errors[0].render(false).contains(says), "{}", errors[0].render(false));
        }
    }

    #[test]
    fn an_open_quote_is_one_error_at_the_quote() {
        for text in ["A=1\nB=\"x\nC=2\n", "A=1\nB=\"x\nC=\"y\"\n"] {
            let (_, findings) = read(text);
            let errors: Vec<_> = findings.iter().filter(|f| f.severity == Severity::Error).collect();
            assert_eq!((errors.len(), errors[0].line()), (1, Some(2)), "{text}");
            assert!(errors[0].title.contains("never closed") || errors[0].title.contains("closing quote"));
        }
    }

    #[test]
    fn no_finding_shows_a_value() {
        for text in
            ["A=hunter2x\nA=hunter2x\n", "A=\"hunter2x\\q\"", "A=\"hunter2x", "A='hunter2x' hunter2x", "hunter2x"]
        {
            let (_, findings) = read(text);
            assert!(!findings.is_empty(), "{text}");
            for finding in findings {
                let shown = format!("{finding:?} {}", finding.render(false));
                assert!(!shown.contains("hunter2x"), "{shown}");
            }
        }
    }

    #[test]
    fn a_name_set_twice_is_warned_of_and_the_later_one_wins() {
        let (read, findings) = read("A=1\nA=2\n");
        assert_eq!(read.last().unwrap().1, "2");
        assert_eq!((findings[0].severity, findings[0].line()), (Severity::Warning, Some(2)));
    }

    #[test]
    fn differences_to_heroku_local_are_noted_once_for_the_file() {
        let (_, findings) = read("A=x#y\nB=1\nexport C=2\n");
        assert_eq!(findings.len(), 1);
        assert!(findings[0].title.contains("lines 1, 3") && findings[0].severity == Severity::Note);
    }

    #[test]
    fn interpolation_is_by_choice_and_knows_only_what_stands_above() {
        let mut known = BTreeMap::from([("OLD".to_owned(), "o$ld".to_owned())]);
        let text = "A_B=1\nB=$A_B-${OLD}\nC=\"x $B \\$B\"\nD='$B'\nE=a\\$b$\n";
        let (file, findings) = parse(".env", text, Some(&mut known));
        let values: Vec<&str> = file.assignments.iter().map(|a| a.value.as_str()).collect();
        assert_eq!(values, ["1", "1-o$ld", "x 1-o$ld $B", "$B", "a$b$"]);
        assert_eq!(findings.iter().filter(|f| f.title.contains("was replaced")).count(), 3);
        assert_eq!(known["B"], "1-o$ld");

        let (_, findings) = parse(".env", "A=$HOME\n", Some(&mut BTreeMap::new()));
        assert!(findings[0].severity == Severity::Error && findings[0].title.contains("$HOME"));
    }

    proptest! {
        #[test]
        fn no_file_panics_and_every_place_is_inside(text in any::<String>(), interpolate in any::<bool>()) {
            let mut known = BTreeMap::new();
            let (file, findings) = parse(".env", &text, interpolate.then_some(&mut known));
            prop_assert!(file.assignments.iter().all(|a| text.get(a.name_span.clone()) == Some(&a.name)));
            for finding in findings {
                prop_assert!(!finding.render(false).is_empty());
            }
        }

        #[test]
        fn no_soup_of_signs_panics(text in "[AB=\"'#$\\\\{} \n\r\té]{0,60}", interpolate in any::<bool>()) {
            let mut known = BTreeMap::new();
            parse(".env", &text, interpolate.then_some(&mut known));
        }

        #[test]
        fn literal_values_come_back_from_single_quotes(value in "[^'\r]*") {
            prop_assert_eq!(self::value(&format!("A='{value}'")), value);
        }

        #[test]
        fn literal_values_come_back_without_quotes(value in "[!$-&(-~é][ !$-~é]{0,20}[!$-~é]") {
            prop_assert_eq!(self::value(&format!("A={value}\n")), value);
        }
    }
}
