//! A located tree: what heroku.yml and app.json are read into before anybody asks what their keys mean.
//!
//! [`Reader`] takes the tree apart and collects what is wrong with it; it never stops at the first fault.

use crate::diagnostic::{Diagnostic, SourceFile};
use std::ops::Range;
use std::sync::Arc;

/// A value and the bytes of the file it stands at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// Bytes of the value; quotes included.
    pub(super) span: Range<usize>,
    /// The value.
    pub(super) value: Value,
}

/// What stands at a place.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Nothing, or `null`.
    Null,
    /// Text.
    Text(String),
    /// A number or a boolean, as written.
    Plain(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// The key.
    pub(super) key: String,
    /// Bytes of the key.
    pub(super) key_span: Range<usize>,
    /// What it holds.
    pub(super) node: Node,
}

/// A value that remembers its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located<T> {
    /// The value.
    pub(super) value: T,
    /// Its bytes.
    pub(super) span: Range<usize>,
}

impl Node {
    /// What a reader would call the value.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Text(_) => "a text",
            Value::Plain(_) => "a number or boolean",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// The text of a scalar; numbers and booleans as written.
    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Plain(text) => Some(text),
            _ => None,
        }
    }
}

/// Takes a tree apart, collecting findings.
pub(super) struct Reader {
    /// The file of the tree.
    pub(super) file: Arc<SourceFile>,
    /// What was found so far.
    pub(super) findings: Vec<Diagnostic>,
}

impl Reader {
    /// A reader of `file` without findings.
    pub(super) fn new(file: &Arc<SourceFile>) -> Self {
        Self { file: Arc::clone(file), findings: Vec::new() }
    }

    /// Reports an error at `span`.
    pub(super) fn error(&mut self, span: &Range<usize>, title: String, label: &str, help: impl Into<String>) {
        self.findings.push(Diagnostic::error(title).at(&self.file, self.shown(span), label).help(help));
    }

    /// Reports a warning at `span`.
    pub(super) fn warn(&mut self, span: &Range<usize>, title: String, label: &str, help: impl Into<String>) {
        self.findings.push(Diagnostic::warning(title).at(&self.file, self.shown(span), label).help(help));
    }

    /// Reports a note at `span`.
    pub(super) fn note(&mut self, span: &Range<usize>, title: String, label: &str) {
        self.findings.push(Diagnostic::note(title).at(&self.file, self.shown(span), label));
    }

    /// Reports that `path` holds something else than `expected`.
    pub(super) fn wrong_kind(&mut self, node: &Node, path: &str, expected: &str, example: &str) {
        let title = format!("`{path}` holds {}", node.kind());
        self.error(&node.span, title, &format!("expected {expected}"), format!("write it as `{example}`"));
    }

    /// The line of a span, from 1.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        line_of(&self.file.text, span.start)
    }

    /// The entries of a map. An empty section (`run:` and nothing below) is an empty map with a warning.
    pub(super) fn map<'n>(&mut self, node: &'n Node, path: &str, example: &str) -> &'n [Entry] {
        match &node.value {
            Value::Map(entries) => entries,
            Value::Null => {
                let title = format!("`{path}` is empty");
                self.warn(&node.span, title, "nothing stands here", "Heroku may refuse an empty section: leave it out");
                &[]
            }
            _ => {
                self.wrong_kind(node, path, "a map", example);
                &[]
            }
        }
    }

    /// A text; numbers and booleans are taken as written.
    pub(super) fn text(&mut self, node: &Node, path: &str, example: &str) -> Option<Located<String>> {
        let Some(text) = node.scalar() else {
            self.wrong_kind(node, path, "a text", example);
            return None;
        };
        Some(Located { value: text.to_owned(), span: node.span.clone() })
    }

    /// A text that holds something.
    pub(super) fn filled_text(&mut self, node: &Node, path: &str, example: &str) -> Option<Located<String>> {
        let text = self.text(node, path, example)?;
        if text.value.trim().is_empty() {
            self.error(
                &node.span,
                format!("`{path}` is empty"),
                "nothing stands here",
                format!("write it as `{example}`"),
            );
            return None;
        }
        Some(text)
    }

    /// A span to show: where the tree gives only a point, the rest of its line.
    fn shown(&self, span: &Range<usize>) -> Range<usize> {
        let Some(rest) = self.file.text.get(span.start..) else { return span.clone() };
        let line = rest.lines().next().unwrap_or_default();
        let wanted = if span.is_empty() { Some(line) } else { line.get(..span.len()) };
        span.start..span.start + wanted.unwrap_or(line).trim_end().len()
    }
}

/// The line of a byte, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).map_or(0, |before| before.matches('\n').count()) + 1
}

/// The one of `known` that `word` is most likely meant to be: at most two letters away.
pub fn similar<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_ascii_lowercase();
    known
        .iter()
        .copied()
        .map(|k| (distance(&word, k), k))
        .filter(|(d, k)| *d <= 2 && *d < k.len())
        .min()
        .map(|(_, k)| k)
}

/// Levenshtein's distance, in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::similar;

    #[test]
    fn slips_of_the_pen_find_the_key_that_was_meant() {
        let known = ["build", "release", "run", "setup"];
        assert_eq!(similar("biuld", &known), Some("build"));
        assert_eq!(similar("Runs", &known), Some("run"));
        assert_eq!(similar("formation", &known), None);
    }
}
