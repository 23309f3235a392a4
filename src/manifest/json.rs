//! JSON text to a located tree. serde_json decides what is JSON; this file only finds out where things stand.

use super::node::{Entry, Node, Value};
use crate::diagnostic::{Diagnostic, SourceFile, line_span};
use std::sync::Arc;

/// Reads one JSON value.
pub(super) fn parse(file: &Arc<SourceFile>) -> Result<Node, Diagnostic> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&file.text) {
        return Err(refusal(file, &error));
    }
    let mut walk = Walk { text: &file.text, at: 0, repeated: None };
    let node = walk.value();
    match (node, walk.repeated) {
        (Some(node), None) => Ok(node),
        (_, Some(again)) => {
            let key = file.text[again.clone()].to_owned();
            Err(Diagnostic::error(format!("{key} stands twice in one object of {}", file.name))
                .at(file, again, "the second one")
                .help("keep one of them"))
        }
        (None, None) => {
            Err(Diagnostic::error(format!("{} cannot be read as JSON", file.name)).at_line(file, 1, "here"))
        }
    }
}

fn refusal(file: &Arc<SourceFile>, error: &serde_json::Error) -> Diagnostic {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message);
    let line = line_span(&file.text, error.line().max(1));
    let at = line.start + error.column().saturating_sub(1);
    let help = if message.contains("trailing comma") {
        "take the comma before the closing bracket away"
    } else {
        "JSON has no comments and no single quotes; each entry but the last ends in a comma"
    };
    Diagnostic::error(format!("{} cannot be read as JSON: {message}", file.name))
        .at(file, at..at + 1, "here")
        .help(help)
}

/// Walks a text that is known to be valid JSON; `None` can only mean that it is not.
struct Walk<'t> {
    text: &'t str,
    at: usize,
    repeated: Option<std::ops::Range<usize>>,
}

impl Walk<'_> {
    fn value(&mut self) -> Option<Node> {
        self.blank();
        let start = self.at;
        let value = match self.peek()? {
            b'{' => Value::Map(self.entries()?),
            b'[' => Value::List(self.items()?),
            b'"' => Value::Text(self.string()?),
            _ => {
                let rest = &self.text[start..];
                self.at += rest.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
                match &self.text[start..self.at] {
                    "null" => Value::Null,
                    written => Value::Plain(written.to_owned()),
                }
            }
        };
        Some(Node { span: start..self.at, value })
    }

    fn entries(&mut self) -> Option<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        self.at += 1;
        while self.more(b'}')? {
            let start = self.at;
            let key = self.string()?;
            let key_span = start..self.at;
            self.blank();
            self.at += 1; // the colon
            let node = self.value()?;
            if entries.iter().any(|e| e.key == key) {
                self.repeated.get_or_insert(key_span.clone());
            }
            entries.push(Entry { key, key_span, node });
        }
        Some(entries)
    }

    fn items(&mut self) -> Option<Vec<Node>> {
        let mut items = Vec::new();
        self.at += 1;
        while self.more(b']')? {
            items.push(self.value()?);
        }
        Some(items)
    }

    /// Passes blanks and a comma; `false` past the closing bracket.
    fn more(&mut self, close: u8) -> Option<bool> {
        self.blank();
        if self.peek()? == b',' {
            self.at += 1;
            self.blank();
        }
        let closes = self.peek()? == close;
        self.at += usize::from(closes);
        Some(!closes)
    }

    fn string(&mut self) -> Option<String> {
        let start = self.at;
        self.at += 1;
        while self.peek()? != b'"' {
            self.at += if self.peek()? == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }

    fn blank(&mut self) {
        while self.peek().is_some_and(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::node::{Node, Value};
    use super::parse;
    use crate::diagnostic::{Diagnostic, SourceFile};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn read(text: &str) -> Result<Node, Diagnostic> {
        parse(&Arc::new(SourceFile { name: "app.json".into(), text: text.into() }))
    }

    #[test]
    fn every_value_knows_its_bytes() {
        let text = r#" { "a" : [1, true, null, "é\n"], "\u0062": {} , "c":{"d":-1.5e3}} "#;
        let Value::Map(entries) = read(text).unwrap().value else { panic!("a map") };
        let shown: Vec<(&str, &str)> = entries.iter().map(|e| (e.key.as_str(), &text[e.node.span.clone()])).collect();
        assert_eq!(shown, [("a", r#"[1, true, null, "é\n"]"#), ("b", "{}"), ("c", r#"{"d":-1.5e3}"#)]);
        let Value::List(items) = &entries[0].node.value else { panic!("a list") };
        assert_eq!(items[1].value, Value::Plain("true".into()));
        assert_eq!(items[3].value, Value::Text("é\n".into()));
    }

    #[test]
    fn faults_name_the_line_and_what_helps() {
        let fault = read("{\n  \"a\": 1,\n}\n").unwrap_err();
        assert_eq!(fault.line(), Some(3));
        assert!(fault.help.unwrap().contains("comma"));
        let twice = read("{\"a\": 1,\n \"a\": 2}").unwrap_err();
        assert_eq!(twice.line(), Some(2));
        assert!(twice.title.contains("\"a\""), "{}", twice.title);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[{}\\[\\]\",:a1\\\\né \n-]{0,40}") {
            if let Err(fault) = read(&text) {
                prop_assert!(!fault.render(false).is_empty());
            }
        }

        #[test]
        fn whatever_serde_json_reads_is_read(list in proptest::collection::vec((any::<String>(), any::<i32>()), 0..5)) {
            let mut object = serde_json::Map::new();
            for (key, number) in list {
                object.insert(key.clone(), serde_json::json!([number, key, {"x": null}]));
            }
            let text = serde_json::to_string_pretty(&object).unwrap();
            let node = read(&text).unwrap();
            prop_assert_eq!(node.span, 0..text.len());
        }
    }
}
