//! The app's own sources, as far as a rule may look: whether they know `$PORT`.

use super::folder::{Content, Folder, text_of};
use ignore::WalkBuilder;
use std::path::Path;

/// With more files than these nobody can say what none of them says.
const MOST_FILES: usize = 3000;
/// Files that are looked into.
const KINDS: &[&str] = &[
    "js",
    "mjs",
    "cjs",
    "ts",
    "mts",
    "cts",
    "jsx",
    "tsx",
    "py",
    "rb",
    "json",
    "yml",
    "yaml",
    "toml",
    "ini",
    "cfg",
    "conf",
    "sh",
    "env",
    "properties",
    "config",
    "xml",
    "go",
    "java",
    "cs",
    "fs",
    "vb",
    "kt",
    "php",
    "ex",
    "exs",
];

/// Folders whose files are not the app's own.
const FOREIGN: &[&str] = &["node_modules", ".git", "vendor", "venv", ".venv", "target"];
/// How deep a folder is looked into for files by name.
const DEPTH: usize = 4;

/// Files of a context that a build would get, by their names.
pub(super) fn named_files(folder: &Folder, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let walk = WalkBuilder::new(&folder.root)
        .standard_filters(false)
        .max_depth(Some(DEPTH))
        .sort_by_file_name(std::cmp::Ord::cmp)
        .filter_entry(|entry| !FOREIGN.contains(&entry.file_name().to_str().unwrap_or_default()))
        .build();
    walk.filter_map(Result::ok)
        .take(MOST_FILES)
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .filter(|entry| entry.file_name().to_str().is_some_and(&wanted))
        .filter_map(|entry| Some(entry.path().strip_prefix(&folder.root).ok()?.to_str()?.to_owned()))
        .filter(|path| !folder.ignored(path))
        .collect()
}

/// Whether any source or configuration of a context speaks of `PORT`; also where there are too many to tell. A file that
/// has a constant of its own for the port is not held to speak of it by that name.
pub(super) fn mentions_port(folder: &Folder, constant: Option<(&Content, &str)>) -> bool {
    let walk = WalkBuilder::new(&folder.root)
        .hidden(false)
        .ignore(false)
        .git_global(false)
        .git_exclude(false)
        .require_git(false)
        .filter_entry(|entry| !FOREIGN.contains(&entry.file_name().to_str().unwrap_or_default()))
        .build();
    let own = |path: &Path| constant.filter(|(content, _)| content.real == path).map(|(_, name)| name);
    let mut seen = 0;
    for entry in walk.filter_map(Result::ok).filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file())) {
        let path = entry.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let kind = name.rsplit('.').next().unwrap_or_default();
        if !KINDS.contains(&kind) || name == "package-lock.json" {
            continue;
        }
        seen += 1;
        if seen > MOST_FILES || text_of(path).is_none_or(|text| speaks_of_port(&text, own(path))) {
            return true;
        }
    }
    false
}

fn speaks_of_port(text: &str, constant: Option<&str>) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices("PORT").any(|(at, _)| {
        let joins = |c: char| c.is_ascii_uppercase();
        let start = text[..at].trim_end_matches(is_name).len();
        let own = constant.is_some_and(|name| {
            text[start..].strip_prefix(name).is_some_and(|rest| !rest.starts_with(is_name))
                && !text[..start].ends_with(['.', '\'', '"', '`', '['])
        });
        !own && !text[..at].ends_with(joins) && !text[at + 4..].starts_with(joins)
    })
}
