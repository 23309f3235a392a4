//! What is in a build context at one moment, and what differs between two: the watcher acts on this, never on what a
//! file system says that it did.

use super::{Context, Entry, Visitor, recipe};
use crate::engine::BuildPlan;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What something in a context is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A socket, pipe or device: no part of an image.
    Other,
}

/// A file as far as can be told without reading it: equal stamps mean an equal file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Bytes; 0 for folders.
    pub size: u64,
    /// Inode and time of the last change of its contents; nothing for folders, whose own change with files left out.
    identity: (u64, i64, i64),
    /// It may have been read before or after it changed: equal to nothing that is seen.
    unsure: bool,
}

/// A context at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The Dockerfile's text.
    pub dockerfile: String,
    /// By path in the context, with `/`.
    pub entries: BTreeMap<String, Stamp>,
    /// Every folder in which something could appear that belongs to the context.
    pub folders: BTreeSet<PathBuf>,
}

impl Survey {
    /// The paths that differ, the Dockerfile not among them.
    pub fn differences(&self, later: &Self) -> BTreeSet<String> {
        let one = self.entries.iter().filter(|(path, stamp)| later.entries.get(*path) != Some(*stamp));
        let other = later.entries.keys().filter(|path| !self.entries.contains_key(*path));
        one.map(|(path, _)| path).chain(other).cloned().collect()
    }

    /// What an image has that was built while these paths changed: nobody knows which state of them.
    #[must_use]
    pub fn unsure_of(mut self, paths: &BTreeSet<String>, later: &Self) -> Self {
        for path in paths {
            let stamp = self.entries.get(path).or_else(|| later.entries.get(path)).cloned();
            if let Some(stamp) = stamp {
                self.entries.insert(path.clone(), Stamp { unsure: true, ..stamp });
            }
        }
        self
    }
}

/// Looks at a plan's context and Dockerfile, without reading the context's files.
pub fn survey(plan: &BuildPlan) -> io::Result<Survey> {
    let text = recipe(plan)?;
    let dockerfile = String::from_utf8_lossy(&text).into_owned();
    let mut survey = Survey { dockerfile, ..Survey::default() };
    Context::open(plan, true)?.walk(&mut survey)?;
    if let Some(folder) = plan.dockerfile.parent() {
        survey.folders.insert(folder.to_owned());
    }
    Ok(survey)
}

impl Visitor for Survey {
    fn enter(&mut self, folder: &Path) {
        self.folders.insert(folder.to_owned());
    }

    fn see(&mut self, entry: Entry<'_>) -> io::Result<()> {
        let facts = entry.facts;
        let kind = match facts.file_type() {
            kind if kind.is_file() => Kind::File,
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_symlink() => Kind::Link,
            _ => Kind::Other,
        };
        let folder = kind == Kind::Folder;
        let stamp = Stamp {
            kind,
            mode: facts.mode() & 0o7777,
            size: if folder { 0 } else { facts.len() },
            identity: if folder { (0, 0, 0) } else { (facts.ino(), facts.mtime(), facts.mtime_nsec()) },
            unsure: false,
        };
        self.entries.insert(entry.name.to_owned(), stamp);
        Ok(())
    }
}

#[cfg(test)]
impl Stamp {
    /// A file of that mode; two with different times differ.
    pub fn file(mode: u32, time: i64) -> Self {
        Self { kind: Kind::File, mode, size: 1, identity: (1, time, 0), unsure: false }
    }

    /// A folder.
    pub fn folder(mode: u32) -> Self {
        Self { kind: Kind::Folder, mode, size: 0, identity: (0, 0, 0), unsure: false }
    }

    /// A symbolic link.
    pub fn link(time: i64) -> Self {
        Self { kind: Kind::Link, ..Self::file(0o777, time) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{plan, project};
    use super::{Kind, survey};
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn paths(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn what_differs_is_what_is_sent_and_changed_appeared_or_went() {
        let folder =
            project(&[("Dockerfile", "FROM x"), (".dockerignore", "log"), ("a", "1"), ("b/c", "1"), ("log/x", "")]);
        symlink("a", folder.path().join("link")).unwrap();
        let plan = plan(folder.path());
        let before = survey(&plan).unwrap();
        assert_eq!(before.entries["link"].kind, Kind::Link);
        assert_eq!(before.differences(&survey(&plan).unwrap()), paths(&[]));
        fs::write(folder.path().join("log/y"), "").unwrap();
        fs::write(folder.path().join("a"), "22").unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        fs::write(folder.path().join("d/e"), "").unwrap();
        fs::remove_file(folder.path().join("b/c")).unwrap();
        let after = survey(&plan).unwrap();
        assert_eq!(before.differences(&after), paths(&["a", "b/c", "d", "d/e"]));
        assert_eq!(after.differences(&before), before.differences(&after));
    }

    #[test]
    fn only_folders_that_can_bring_something_are_looked_into() {
        let folder = project(&[
            ("Dockerfile", "FROM x"),
            (".dockerignore", "log\nkeep/*\n!keep/one/x"),
            ("src/a", ""),
            ("log/x", ""),
            ("keep/one/x", ""),
            ("keep/two/x", ""),
        ]);
        let survey = survey(&plan(folder.path())).unwrap();
        let folders: Vec<String> = survey
            .folders
            .iter()
            .map(|found| found.strip_prefix(folder.path()).unwrap().display().to_string())
            .collect();
        assert_eq!(folders, ["", "keep", "keep/one", "src"]);
    }

    #[test]
    fn what_changed_while_it_was_read_is_equal_to_nothing() {
        let folder = project(&[("Dockerfile", "FROM x"), ("a", "1"), ("b", "1")]);
        let plan = plan(folder.path());
        let before = survey(&plan).unwrap();
        fs::write(folder.path().join("a"), "22").unwrap();
        let after = survey(&plan).unwrap();
        let known = before.clone().unsure_of(&before.differences(&after), &after);
        assert_eq!(known.differences(&after), paths(&["a"]));
        assert_eq!(known.differences(&before), paths(&["a"]));
    }
}
