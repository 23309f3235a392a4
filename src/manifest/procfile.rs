//! Procfile to process types and commands (R3).
//!
//! The grammar is foreman's, with leading blanks and comment lines allowed. Foreman passes over lines that do not
//! match; here each of them is an error, for a process type that silently does not run is the worst outcome.

use super::node::{Located, Reader};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::model::app::CommandText;
use crate::model::process_type::ProcessType;
use std::ops::Range;
use std::sync::Arc;

/// One line that names a process type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Process {
    /// The name, at its place.
    pub(super) process_type: Located<ProcessType>,
    /// The rest of the line.
    pub(super) command: CommandText,
}

/// Reads the processes of the file, with everything that is wrong with it.
pub(super) fn parse(file: &Arc<SourceFile>) -> (Vec<Process>, Vec<Diagnostic>) {
    let mut reader = Reader::new(file);
    let mut processes: Vec<Process> = Vec::new();
    let mut start = 0;
    for (index, line) in file.text.split_inclusive('\n').enumerate() {
        let text = line.trim_end();
        let indent = text.len() - text.trim_start().len();
        let span = start + indent..start + text.len();
        start += line.len();
        let text = text.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let Some(process) = process(&mut reader, text, &span, index + 1) else { continue };
        match processes.iter().find(|p| p.process_type.value == process.process_type.value) {
            Some(first) => {
                let name = &process.process_type.value;
                let first_line = reader.line(&first.process_type.span);
                let title =
                    format!("`{name}` stands twice in the Procfile: in line {first_line} and in line {}", index + 1);
                reader.error(&process.process_type.span, title, "the second one", "keep one, or give it another name");
            }
            None => processes.push(process),
        }
    }
    if processes.is_empty() && reader.findings.is_empty() {
        let empty = Diagnostic::warning("the Procfile defines no process").at_line(file, 1, "nothing stands here");
        reader.findings.push(empty.help("write a line such as `web: node server.js`, or remove the file"));
    }
    (processes, reader.findings)
}

fn process(reader: &mut Reader, text: &str, span: &Range<usize>, line: usize) -> Option<Process> {
    let name_end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(text.len());
    let name_span = span.start..span.start + name_end;
    let Some(command) = text[name_end..].strip_prefix(':') else {
        let title = format!("line {line} of the Procfile is not `<process type>: <command>`");
        let help = if text[name_end..].trim_start().starts_with(':') {
            "take the blank before the colon away"
        } else if name_end > 0 && text[name_end..].starts_with('=') {
            "write a colon, not `=`; variables belong into .env"
        } else {
            "write `web: node server.js`; a comment starts with `#`; a command cannot go on in the next line"
        };
        reader.error(span, title, "heroku would pass over this line in silence", help);
        return None;
    };
    let name = &text[..name_end];
    let process_type = match ProcessType::new(name) {
        Ok(value) => Located { value, span: name_span.clone() },
        Err(bad) => {
            let shown = if name.is_empty() { span } else { &name_span };
            reader.error(shown, bad.to_string(), "expected a process type", "write `web: node server.js`");
            return None;
        }
    };
    let command = command.trim();
    if command.is_empty() {
        let title = format!("`{name}` has no command");
        reader.error(span, title, "nothing after the colon", format!("write `{name}: <command>`, or remove the line"));
        return None;
    }
    if !strict(name) {
        let title = format!("`{name}` is not a name that every Heroku tool takes");
        let help =
            format!("use small letters, digits and inner dashes: `{}`", name.to_ascii_lowercase().replace('_', "-"));
        reader.warn(&name_span, title, "outside `[a-z0-9-]`", help);
    }
    Some(Process { process_type, command: CommandText { text: command.into(), origin: format!("Procfile:{line}") } })
}

/// The names of Heroku's strict parser: `[a-z0-9]([a-z0-9-]*[a-z0-9])?`.
fn strict(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::{Process, parse};
    use crate::diagnostic::{Diagnostic, Severity, SourceFile};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn read(text: &str) -> (Vec<Process>, Vec<Diagnostic>) {
        parse(&Arc::new(SourceFile { name: "Procfile".into(), text: text.into() }))
    }

    #[test]
    fn r3_lines_become_process_types_and_commands() {
        let (processes, findings) =
            read("# the app\r\nweb: bundle exec puma -p $PORT\r\n\r\n  worker:rake jobs:work # now\n");
        let shown: Vec<(&str, &str, &str)> = processes
            .iter()
            .map(|p| (p.process_type.value.as_str(), p.command.text.as_str(), p.command.origin.as_str()))
            .collect();
        assert_eq!(
            shown,
            [("web", "bundle exec puma -p $PORT", "Procfile:2"), ("worker", "rake jobs:work # now", "Procfile:4"),]
        );
        assert_eq!(findings, []);
    }

    #[test]
    fn r3_and_r13_16_bad_lines_are_errors_and_never_passed_over() {
        for (text, line, help) in [
            ("web: a\nnonsense\n", 2, "web: node server.js"),
            ("web : a\n", 1, "blank before the colon"),
            ("PORT=5000\n", 1, ".env"),
            ("web: a \\\n  && b\n", 2, "cannot go on"),
            ("web:\n", 1, "web: <command>"),
            ("web: a\nweb: b\n", 2, "keep one"),
            ("-x: a\n", 1, "web: node"),
            (": a\n", 1, "web: node"),
        ] {
            let (_, findings) = read(text);
            assert_eq!(findings.len(), 1, "{text}");
            assert_eq!((findings[0].severity, findings[0].line()), (Severity::Error, Some(line)), "{text}");
            assert!(findings[0].render(false).contains(help), "{}", findings[0].render(false));
        }
    }

    #[test]
    fn r3_names_outside_the_strict_set_are_warned_of_and_kept() {
        let (processes, findings) = read("Flask_App: python app.py\n");
        assert_eq!(processes[0].process_type.value.as_str(), "Flask_App");
        assert!(findings[0].severity == Severity::Warning && findings[0].render(false).contains("`flask-app`"));
    }

    #[test]
    fn r3_an_empty_procfile_is_warned_of() {
        assert_eq!(read("\n# nothing\n").1[0].severity, Severity::Warning);
    }

    proptest! {
        #[test]
        fn no_procfile_panics(text in any::<String>()) {
            for finding in read(&text).1 {
                let (file, span) = finding.place.clone().unwrap();
                prop_assert!(file.text.get(span).is_some());
            }
        }

        #[test]
        fn what_is_written_is_read(name in "[a-z][a-z0-9]{0,9}", command in "[!-~][ -~]{0,30}[!-~]") {
            let (processes, findings) = read(&format!("{name}: {command}\n"));
            prop_assert!(findings.is_empty());
            prop_assert_eq!(&processes[0].command.text, &command);
        }
    }
}
