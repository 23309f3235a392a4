//! Paths and patterns of a build context.

use crate::model::glob;

/// A path of the context without `.` and slashes at its ends; empty for all of it, `None` when it leads out.
pub(in crate::manifest) fn clean(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => return None,
            other => parts.push(other),
        }
    }
    Some(parts.join("/"))
}

/// Whether a pattern may match a path or something above it. In doubt it does.
pub(super) fn may_match(pattern: &str, path: &str) -> bool {
    let Some(pattern) = clean(pattern) else { return true };
    let mut parts = path.split('/');
    pattern.split('/').all(|wanted| {
        let Some(part) = parts.next() else { return false };
        wanted.contains(['[', '\\']) || wanted == "**" || glob::matches(wanted, part)
    }) || pattern.contains("**")
}
