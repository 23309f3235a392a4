//! The app's own sources, as far as a rule may look: whether they know `$PORT`, and where a program listens.

use super::folder::{Content, Folder, text_of};
use ignore::WalkBuilder;
use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

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
    "kt",
    "php",
    "ex",
    "exs",
];

static LISTEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?m)^[^/#*\n]*?(?:\.listen\([ \t]*(?:\{[ \t]*port:[ \t]*)?|app\.run\([^)\n]*?port[ \t]*=[ \t]*|set[ \t]+:port,[ \t]*|HTTPServer\(\([ \t]*["'][^"'\n]*["'][ \t]*,[ \t]*)([0-9]{2,5})(?-u:\b)"#,
    )
    .ok()
});

/// The port that a program's own file surely listens on: the only listening line, with a number in it.
pub(super) fn find_listen(content: &Content) -> Option<(Range<usize>, u16)> {
    let mut all = LISTEN.as_ref()?.captures_iter(&content.file.text);
    let number = all.next()?.get(1)?;
    let port = number.as_str().parse().ok()?;
    all.next().is_none().then(|| (number.range(), port))
}

static LOOPBACK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?m)^[^/#*\n]*?(?:\.listen\(|app\.run\(|uvicorn\.run\(|HTTPServer\(\(|serve\()[^\n]*?["'](127\.0\.0\.1|localhost)["']"#,
    )
    .ok()
});

static ANY_LISTEN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\.listen\(|app\.run\(|uvicorn\.run\(|HTTPServer\(|serve\(").ok());

/// The loopback address in the only line of a program that listens.
pub(super) fn find_loopback(content: &Content) -> Option<Range<usize>> {
    let text = &content.file.text;
    let found = LOOPBACK.as_ref()?.captures(text)?.get(1)?.range();
    (ANY_LISTEN.as_ref()?.find_iter(text).count() == 1).then_some(found)
}

/// Whether any source or configuration of a context speaks of `PORT`; also where there are too many to tell.
pub(super) fn mentions_port(folder: &Folder) -> bool {
    let walk = WalkBuilder::new(&folder.root)
        .hidden(false)
        .ignore(false)
        .git_global(false)
        .git_exclude(false)
        .require_git(false)
        .filter_entry(|entry| {
            !["node_modules", ".git", "vendor", "venv", ".venv", "target"]
                .contains(&entry.file_name().to_str().unwrap_or_default())
        })
        .build();
    let mut seen = 0;
    for entry in walk.filter_map(Result::ok).filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file())) {
        let path = entry.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let kind = name.rsplit('.').next().unwrap_or_default();
        if !KINDS.contains(&kind) || name == "package-lock.json" {
            continue;
        }
        seen += 1;
        if seen > MOST_FILES || text_of(path).is_none_or(|text| speaks_of_port(&text)) {
            return true;
        }
    }
    false
}

fn speaks_of_port(text: &str) -> bool {
    text.match_indices("PORT").any(|(at, _)| {
        let joins = |c: char| c.is_ascii_uppercase();
        !text[..at].ends_with(joins) && !text[at + 4..].starts_with(joins)
    })
}
