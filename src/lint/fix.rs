//! Fixes that are certain: what is changed in which file. Nothing is written here.

use super::command::has_extension;
use super::folder::Folder;
use crate::diagnostic::SourceFile;
use crate::manifest::is_yaml;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A change of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// As the user knows it, from the project's folder.
    pub name: String,
    /// Where it is, when that is not the project's folder and the name.
    pub real: Option<PathBuf>,
    /// What is changed.
    pub change: Change,
}

/// What is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These bytes become this text; they must still be what was checked.
    Replace {
        /// Where.
        span: Range<usize>,
        /// What stands there.
        before: String,
        /// What will.
        after: String,
    },
    /// A line at the end, unless it is there.
    Line(String),
    /// LF at the end of every line.
    LineEnds,
    /// The exec bit.
    Executable,
}

impl Fix {
    /// Bytes of a file replaced; none where that would spoil a YAML file: `${` has a meaning of its own within `{…}`.
    pub(super) fn replace(file: &Arc<SourceFile>, span: Range<usize>, after: &str) -> Option<Self> {
        let before = file.text.get(span.clone())?.to_owned();
        let change = Change::Replace { span, before, after: after.to_owned() };
        let yaml = has_extension(&file.name, "yml") || has_extension(&file.name, "yaml");
        let spoilt = yaml && !fixed(&file.text, &[&change]).is_some_and(|text| is_yaml(&text));
        (!spoilt).then(|| Self { name: file.name.clone(), real: None, change })
    }

    /// LF at the end of every line.
    pub(super) fn line_ends(file: &Arc<SourceFile>, real: &Path) -> Self {
        Self { name: file.name.clone(), real: Some(real.to_owned()), change: Change::LineEnds }
    }

    /// The exec bit.
    pub(super) fn executable(file: &Arc<SourceFile>, real: &Path) -> Self {
        Self { name: file.name.clone(), real: Some(real.to_owned()), change: Change::Executable }
    }

    /// A line in the `.dockerignore` of a context.
    pub(super) fn ignored(folder: &Folder, pattern: &str) -> Self {
        let own = folder.ignore_file.as_ref().map(|file| file.name.clone());
        let name = own.unwrap_or_else(|| format!("{}.dockerignore", folder.prefix));
        Self { name, real: None, change: Change::Line(pattern.to_owned()) }
    }
}

/// A text with all changes of it made; line ends are kept. `None` when it is not the text that was checked.
pub fn fixed(text: &str, changes: &[&Change]) -> Option<String> {
    let mut replaced: Vec<(&Range<usize>, &str, &str)> = Vec::new();
    for change in changes {
        if let Change::Replace { span, before, after } = change {
            let overlaps = replaced.iter().any(|(other, ..)| other.start < span.end && span.start < other.end);
            if !overlaps {
                replaced.push((span, before, after));
            }
        }
    }
    replaced.sort_by_key(|(span, ..)| std::cmp::Reverse(span.start));
    let mut text = text.to_owned();
    for (span, before, after) in replaced {
        if text.get(span.clone()) != Some(before) {
            return None;
        }
        text.replace_range(span.clone(), after);
    }
    if changes.contains(&&Change::LineEnds) {
        text = text.replace("\r\n", "\n");
    }
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    for change in changes {
        if let Change::Line(line) = change
            && !text.lines().any(|other| other.trim() == line)
        {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push_str(end);
            }
            text.push_str(line);
            text.push_str(end);
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::{Change, fixed};

    fn replace(text: &str, before: &str, after: &str) -> Change {
        let at = text.find(before).unwrap();
        Change::Replace { span: at..at + before.len(), before: before.into(), after: after.into() }
    }

    #[test]
    fn changes_keep_line_ends_and_refuse_another_text() {
        let text = "a 1\r\nb 2\r\n";
        let (one, two) = (replace(text, "1", "$PORT"), replace(text, "2", "x"));
        assert_eq!(fixed(text, &[&one, &two, &one]).unwrap(), "a $PORT\r\nb x\r\n");
        assert_eq!(fixed("other text", &[&one]), None);
        let line = Change::Line(".env".into());
        assert_eq!(fixed(text, &[&line, &line]).unwrap(), "a 1\r\nb 2\r\n.env\r\n");
        assert_eq!(fixed("x", &[&line]).unwrap(), "x\n.env\n");
        assert_eq!(fixed("", &[&line]).unwrap(), ".env\n");
        assert_eq!(fixed(text, &[&Change::LineEnds]).unwrap(), "a 1\nb 2\n");
    }
}
