//! YAML text to a located tree. The only file that names the YAML crate.

use super::node::{Entry, Node, Value};
use crate::diagnostic::{Diagnostic, SourceFile, line_span};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{AliasLimits, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Options, Spanned};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Reads one YAML document. Numbers and booleans keep the text they were written in.
pub(super) fn parse(file: &Arc<SourceFile>) -> Result<Node, Diagnostic> {
    match serde_saphyr::from_str_with_options::<Spanned<Tree>>(&file.text, options()) {
        Ok(tree) => Ok(located(tree, &file.text)),
        Err(error) => Err(refusal(file, &error)),
    }
}

/// Whether a text is one YAML document.
pub fn is_yaml(text: &str) -> bool {
    serde_saphyr::from_str_with_options::<Spanned<Tree>>(text, options()).is_ok()
}

/// A manifest is a page of text: a small budget stops alias bombs and deep nesting at once.
fn options() -> Options {
    let mut aliases = AliasLimits::default();
    aliases.max_total_replayed_events = 5_000;
    aliases.max_replay_stack_depth = 16;
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 50_000,
            max_nodes: 20_000,
            max_depth: 32,
            flow_nesting_limit: 32,
            max_aliases: 200,
            max_anchors: 200,
            max_merge_keys: 200,
            max_documents: 2,
        },
        alias_limits: aliases,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    }
}

fn refusal(file: &Arc<SourceFile>, error: &serde_saphyr::Error) -> Diagnostic {
    let whole = error.without_snippet().to_string();
    let first = whole.lines().next().unwrap_or_default();
    let message = first.split(" at line ").next().unwrap_or(first).trim_end_matches([':', ',', ' ']);
    // What the crate says to those who program with it is of no use to who wrote the file.
    let message = match error.without_snippet() {
        serde_saphyr::Error::MultipleDocuments { .. } => "it holds multiple documents".to_owned(),
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => format!("the key `{key}` is there twice"),
        serde_saphyr::Error::DuplicateMappingKey { .. } => "a key is there twice".to_owned(),
        serde_saphyr::Error::RecursiveReferencesRequireWeakTypes { .. } => {
            "an alias stands inside of what it repeats".to_owned()
        }
        serde_saphyr::Error::Budget { .. }
        | serde_saphyr::Error::AliasReplayLimitExceeded { .. }
        | serde_saphyr::Error::AliasExpansionLimitExceeded { .. }
        | serde_saphyr::Error::AliasReplayStackDepthExceeded { .. } => {
            "it is larger, or deeper, than a manifest is".to_owned()
        }
        _ => message.strip_prefix("error: ").unwrap_or(message).to_owned(),
    };
    let finding = Diagnostic::error(format!("{} cannot be read as YAML: {message}", file.name));
    let finding = match error.location() {
        Some(place) if place.line() > 0 => {
            let line = line_span(&file.text, usize::try_from(place.line()).unwrap_or(usize::MAX));
            let span = bytes(place).filter(|s| s.end > s.start && s.start >= line.start && s.end <= line.end);
            finding.at(file, span.unwrap_or(line), "the fault is here or just above")
        }
        _ => finding.at_line(file, 1, "in this file"),
    };
    finding.help("indent with spaces, never tabs; write each key once; quote texts that hold `: ` or ` #`")
}

fn bytes(place: Location) -> Option<Range<usize>> {
    let start = usize::try_from(place.span().byte_offset()?).ok()?;
    let length = usize::try_from(place.span().byte_len()?).ok()?;
    Some(start..start.saturating_add(length))
}

/// The tree as serde sees it: numbers have lost their text, places stand beside.
enum Tree {
    Null,
    Text(String),
    Plain,
    List(Vec<Spanned<Tree>>),
    Map(Vec<(Spanned<String>, Spanned<Tree>)>),
}

fn located(tree: Spanned<Tree>, text: &str) -> Node {
    let written = bytes(tree.defined).and_then(|span| text.get(span));
    let value = match tree.value {
        Tree::Null => Value::Null,
        Tree::Text(text) => Value::Text(text),
        Tree::Plain => Value::Plain(written.unwrap_or_default().trim().to_owned()),
        Tree::List(items) => Value::List(items.into_iter().map(|item| located(item, text)).collect()),
        Tree::Map(entries) => Value::Map(entries.into_iter().map(|entry| self::entry(entry, text)).collect()),
    };
    Node { span: bytes(tree.referenced).unwrap_or(0..0), value }
}

fn entry((key, node): (Spanned<String>, Spanned<Tree>), text: &str) -> Entry {
    let key_span = bytes(key.referenced).unwrap_or(0..0);
    let mut node = located(node, text);
    if node.value == Value::Null {
        node.span = key_span.clone(); // nothing stands nowhere: point at the key
    }
    Entry { key: key.value, key_span, node }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a list or a map")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Plain)
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Tree::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::super::node::{Node, Value};
    use super::parse;
    use crate::diagnostic::{Diagnostic, SourceFile};
    use proptest::prelude::*;
    use std::fmt::Write;
    use std::sync::Arc;

    fn read(text: &str) -> Result<Node, Diagnostic> {
        parse(&Arc::new(SourceFile { name: "heroku.yml".into(), text: text.into() }))
    }

    /// Every scalar with the text at its span, in order.
    fn scalars(node: &Node, source: &str, into: &mut Vec<(String, String)>) {
        match &node.value {
            Value::Null => into.push(("null".into(), source[node.span.clone()].into())),
            Value::Text(text) | Value::Plain(text) => into.push((text.clone(), source[node.span.clone()].into())),
            Value::List(items) => items.iter().for_each(|item| scalars(item, source, into)),
            Value::Map(entries) => {
                for entry in entries {
                    assert!(source.get(entry.key_span.clone()).is_some());
                    scalars(&entry.node, source, into);
                }
            }
        }
    }

    #[test]
    fn numbers_and_booleans_keep_the_text_they_were_written_in() {
        let source = "é: 0755\nb: yes\n'c': 1.10\nd: -0x1F\ne: 1e999\nf: 99999999999999999999\ng: .inf\nh: ~\ni: 'x # y' # z\nj:\n";
        let mut found = Vec::new();
        scalars(&read(source).unwrap(), source, &mut found);
        let texts: Vec<&str> = found.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(
            texts,
            ["0755", "yes", "1.10", "-0x1F", "1e999", "99999999999999999999", ".inf", "null", "x # y", "null"]
        );
        let spans: Vec<&str> = found.iter().map(|(_, span)| span.as_str()).collect();
        assert_eq!(spans[..3], ["0755", "yes", "1.10"]);
        assert_eq!(spans[9], "j", "an empty value points at its key");
    }

    #[test]
    fn aliases_and_merge_keys_are_followed() {
        let source = "a: &x {p: 1}\nb: *x\nc:\n  <<: *x\n  q: 2\n";
        let Value::Map(entries) = read(source).unwrap().value else { panic!("a map") };
        let mut found = Vec::new();
        for entry in &entries {
            let Value::Map(inner) = &entry.node.value else { panic!("{entry:?}") };
            found.extend(inner.iter().map(|e| format!("{}={}", e.key, e.node.scalar().unwrap())));
        }
        assert_eq!(found, ["p=1", "p=1", "q=2", "p=1"]);
    }

    #[test]
    fn faults_of_syntax_name_the_line() {
        for (text, line, says) in [
            ("build:\n\tdocker: x\n", 2, "tab"),
            ("run:\n  web: a\n  web: b\n", 3, "the key `web` is there twice"),
            ("a: &x\n  b: *x\n", 2, "an alias stands inside"),
            ("run:\n  web: [a\n", 3, ""),
            ("a: b: c\n", 1, ""),
            ("a: 1\n---\nb: 2\n", 3, "multiple"),
            ("a: *nowhere\n", 1, ""),
        ] {
            let fault = read(text).unwrap_err();
            assert!(fault.line().unwrap() <= line, "{}", fault.render(false));
            assert!(fault.title.to_lowercase().contains(says), "{}", fault.render(false));
            assert!(fault.help.is_some());
        }
    }

    #[test]
    fn an_alias_bomb_is_refused_at_once() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..9 {
            let previous = format!("*a{}, ", i - 1).repeat(9);
            writeln!(bomb, "a{i}: &a{i} [{}]", previous.trim_end_matches(", ")).unwrap();
        }
        assert!(read(&bomb).is_err());
        assert!(read(&"[".repeat(10_000)).is_err());
        assert!(read(&"a:\n ".repeat(2)).is_err() || read("a:\n a:\n ").is_ok());
    }

    proptest! {
        #[test]
        fn no_text_panics_and_every_span_is_inside(text in "[a-c:\\-#&*<\\[\\]{}'\"|> \n\té~1,!?]{0,60}") {
            match read(&text) {
                Ok(node) => scalars(&node, &text, &mut Vec::new()), // slices the text at every span
                Err(fault) => prop_assert!(!fault.render(false).is_empty()),
            }
        }
    }
}
