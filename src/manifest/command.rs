//! Commands of heroku.yml: a text, or a list of texts (R2, R13#6).

use super::node::{Node, Reader, Value};
use crate::model::app::CommandText;

/// Reads a command at `path` (`run.web`). Entries that are all single words are the words of one command; otherwise
/// each entry is a command, run one after another until one fails, with a warning: Heroku documents one entry only.
pub(super) fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<CommandText> {
    let example = example(path);
    let text = match &node.value {
        Value::List(items) => {
            let before = reader.findings.len();
            let entries: Vec<String> = items
                .iter()
                .filter_map(|item| reader.filled_text(item, path, &example))
                .map(|entry| entry.value.trim().to_owned())
                .collect();
            if reader.findings.len() > before {
                return None;
            }
            list(reader, node, path, &entries)?
        }
        Value::Null => {
            reader.wrong_kind(node, path, "a command", &example);
            return None;
        }
        _ => reader.filled_text(node, path, &example)?.value.trim_end().to_owned(),
    };
    let origin = format!("{}:{} {path}", reader.file.name, reader.line(&node.span));
    Some(CommandText { text, origin })
}

fn list(reader: &mut Reader, node: &Node, path: &str, entries: &[String]) -> Option<String> {
    match entries {
        [] => {
            reader.wrong_kind(node, path, "at least one command", &example(path));
            None
        }
        [one] => Some(one.clone()),
        words if words.iter().all(|w| !w.contains(char::is_whitespace)) => {
            let text = words.join(" ");
            let title = format!("`{path}` is a list of single words: taken as one command, `{text}`");
            reader.note(&node.span, title, "words of one command");
            Some(text)
        }
        several => {
            let text = several.iter().map(|entry| grouped(entry)).collect::<Vec<_>>().join(" && ");
            let title = format!("`{path}` lists {} commands: they run one after another, as `{text}`", several.len());
            let help = "Heroku documents lists of one entry: write the commands as one text, joined with `&&`, \
                        or put them into a script";
            reader.warn(&node.span, title, "more than one command", help);
            Some(text)
        }
    }
}

/// Braces keep `a || b` and `a; b` together when `&&` follows.
fn grouped(entry: &str) -> String {
    let entry = entry.trim_end_matches([';', ' ']);
    if entry.contains("||") || entry.contains(';') { format!("{{ {entry}; }}") } else { entry.to_owned() }
}

fn example(path: &str) -> String {
    format!("{}: node server.js", path.rsplit('.').next().unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::super::node::{Entry, Reader, Value};
    use crate::diagnostic::SourceFile;
    use std::sync::Arc;

    fn read(text: &str) -> (Option<String>, Vec<String>) {
        let file = Arc::new(SourceFile { name: "heroku.yml".into(), text: text.into() });
        let Value::Map(entries) = super::super::yaml::parse(&file).unwrap().value else { panic!("a map") };
        let Entry { key, node, .. } = &entries[0];
        let mut reader = Reader::new(&file);
        let command = super::read(&mut reader, node, &format!("run.{key}"));
        (command.map(|c| c.text), reader.findings.into_iter().map(|f| f.render(false)).collect())
    }

    #[test]
    fn r13_6_a_list_of_single_words_is_one_command() {
        let (command, said) = read("web:\n  - node\n  - migrate.js\n");
        assert_eq!(command.as_deref(), Some("node migrate.js"));
        assert!(said[0].starts_with("note") && said[0].contains("node migrate.js"), "{said:?}");
    }

    #[test]
    fn r13_6_several_commands_run_until_one_fails_with_a_warning() {
        let (command, said) = read("web:\n  - rake a; rake b;\n  - rake c || true\n  - rake d\n");
        assert_eq!(command.as_deref(), Some("{ rake a; rake b; } && { rake c || true; } && rake d"));
        assert!(said[0].starts_with("warning") && said[0].contains("heroku.yml:2"), "{said:?}");
    }

    #[test]
    fn one_entry_and_plain_texts_are_taken_as_they_stand() {
        for text in ["web: a && b\n", "web: [a && b]\n", "web: >\n  a &&\n  b\n"] {
            assert_eq!(read(text), (Some("a && b".into()), vec![]), "{text}");
        }
        assert_eq!(read("web: 5000\n").0.as_deref(), Some("5000"));
    }

    #[test]
    fn what_is_no_command_is_refused_with_an_example() {
        for text in ["web:\n", "web: []\n", "web: ''\n", "web: [[a]]\n", "web: {a: b}\n", "web: ['']\n"] {
            let (command, said) = read(text);
            assert_eq!(command, None, "{text}");
            assert!(said[0].starts_with("error") && said[0].contains("web: node server.js"), "{said:?}");
        }
    }
}
