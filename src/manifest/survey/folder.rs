//! The files of a folder, as a survey reads them.

use super::Fact;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::manifest::node::{Entry, Node, Value, line_of};
use crate::manifest::{files, json};
use crate::model::app::CommandText;
use ignore::WalkBuilder;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files of one kind that a survey looks into at most; an app has its start near the top.
const MOST_FILES: usize = 400;
/// How deep below the root it looks.
const DEPTH: usize = 4;

/// The folder, with what was found and what is wrong.
pub(super) struct Folder {
    pub(super) root: PathBuf,
    pub(super) facts: Vec<Fact>,
    pub(super) findings: Vec<Diagnostic>,
    /// Files that could not be read: said once.
    refused: Vec<String>,
}

impl Folder {
    pub(super) fn open(root: &Path) -> Self {
        Self { root: root.to_owned(), facts: Vec::new(), findings: Vec::new(), refused: Vec::new() }
    }

    /// Whether there is such a file.
    pub(super) fn has(&self, name: &str) -> bool {
        self.root.join(name).is_file()
    }

    /// The first of these files that is there.
    pub(super) fn first<'n>(&self, names: &[&'n str]) -> Option<&'n str> {
        names.iter().copied().find(|name| self.has(name))
    }

    /// A file that is there; one that cannot be read is a finding.
    pub(super) fn read(&mut self, name: &str) -> Option<Arc<SourceFile>> {
        match files::read(&self.root.join(name), name) {
            Ok(file) => file,
            Err(finding) => {
                if !self.refused.iter().any(|one| one == name) {
                    self.refused.push(name.to_owned());
                    self.findings.push(finding);
                }
                None
            }
        }
    }

    /// A JSON file, with places.
    pub(super) fn json(&mut self, name: &str) -> Option<(Arc<SourceFile>, Node)> {
        let file = self.read(name)?;
        match json::parse(&file) {
            Ok(node) => Some((file, node)),
            Err(finding) => {
                self.findings.push(finding);
                None
            }
        }
    }

    /// A TOML file.
    pub(super) fn toml(&mut self, name: &str) -> Option<(Arc<SourceFile>, toml::Table)> {
        let file = self.read(name)?;
        match file.text.parse::<toml::Table>() {
            Ok(table) => Some((file, table)),
            Err(error) => {
                let said = error.message().lines().next().unwrap_or_default().to_owned();
                let finding = Diagnostic::error(format!("{name} cannot be read as TOML: {said}"));
                let span = error.span().unwrap_or(0..1);
                self.findings.push(finding.at(&file, span, "here").help("mend the line; texts stand in quotes"));
                None
            }
        }
    }

    /// Folders beside the sources that a compiled program may read when it runs.
    pub(super) fn assets(&self) -> Vec<&'static str> {
        let usual = ["assets", "migrations", "public", "static", "templates", "views", "web"];
        usual.into_iter().filter(|name| self.root.join(name).is_dir()).collect()
    }

    /// Notes what was found.
    pub(super) fn fact(&mut self, what: impl Into<String>, origin: impl Into<String>) {
        self.facts.push(Fact { what: what.into(), origin: origin.into() });
    }

    /// Files with these endings, shallow first, as far as git would see them; paths from the root, with `/`.
    pub(super) fn sources(&self, endings: &[&str]) -> Vec<String> {
        const OTHERS: &[&str] = &[
            "node_modules",
            "vendor",
            "target",
            "venv",
            "site-packages",
            "__pycache__",
            "dist",
            "build",
            "tmp",
            "log",
        ];
        let walk = WalkBuilder::new(&self.root)
            .require_git(false)
            .git_global(false)
            .max_depth(Some(DEPTH))
            .filter_entry(|entry| {
                let name = entry.file_name().to_str().unwrap_or_default();
                let folder = entry.file_type().is_some_and(|kind| kind.is_dir());
                entry.depth() == 0 || !folder || !(OTHERS.contains(&name) || entry.path().join("pyvenv.cfg").exists())
            })
            .build();
        let mut found: Vec<String> = walk
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
            .filter_map(|entry| Some(entry.path().strip_prefix(&self.root).ok()?.to_str()?.to_owned()))
            .filter(|path| endings.iter().any(|ending| path.ends_with(ending)))
            .collect();
        found.sort_by_cached_key(|path| (path.matches('/').count(), path.clone()));
        found.truncate(MOST_FILES);
        found
    }

    /// The text of a source; none when it is not text, which is no fault of it.
    pub(super) fn source(&self, path: &str) -> Option<Arc<SourceFile>> {
        files::read(&self.root.join(path), path).ok().flatten()
    }
}

/// `file:line` of a byte.
pub(super) fn place(file: &SourceFile, at: usize) -> String {
    format!("{}:{}", file.name, line_of(&file.text, at))
}

/// A command and where it was found.
pub(super) fn command(text: impl Into<String>, origin: impl Into<String>) -> CommandText {
    CommandText { text: text.into(), origin: origin.into() }
}

/// The entry at a path of keys.
pub(super) fn entry<'n>(node: &'n Node, path: &[&str]) -> Option<&'n Entry> {
    let Value::Map(entries) = &node.value else { return None };
    let found = entries.iter().find(|entry| entry.key == path[0])?;
    if path.len() == 1 { Some(found) } else { entry(&found.node, &path[1..]) }
}

/// The text at a path of keys, and where it stands.
pub(super) fn text<'n>(file: &SourceFile, node: &'n Node, path: &[&str]) -> Option<(&'n str, String)> {
    let found = entry(node, path)?;
    Some((found.node.scalar()?, place(file, found.key_span.start)))
}

/// The keys of the map at a path.
pub(super) fn keys<'n>(node: &'n Node, path: &[&str]) -> Vec<&'n Entry> {
    match entry(node, path).map(|entry| &entry.node.value) {
        Some(Value::Map(entries)) => entries.iter().collect(),
        _ => Vec::new(),
    }
}

/// The lines of a file with their numbers, from 1, without blanks around them.
pub(super) fn lines(file: &SourceFile) -> impl Iterator<Item = (usize, &str)> {
    file.text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()))
}

/// The text between the first two quotes of one kind.
pub(super) fn quoted(text: &str) -> Option<&str> {
    let at = text.find(['"', '\''])?;
    let quote = text[at..].chars().next()?;
    let rest = &text[at + 1..];
    Some(&rest[..rest.find(quote)?])
}

/// The first number with dots in a text, at most `parts` of it: `>=3.11.4` and 2 is `3.11`.
pub(super) fn version(text: &str, parts: usize) -> Option<String> {
    let at = text.find(|c: char| c.is_ascii_digit())?;
    let digits: String = text[at..].chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let found: Vec<&str> = digits.split('.').filter(|part| !part.is_empty()).take(parts).collect();
    (!found.is_empty()).then(|| found.join("."))
}
