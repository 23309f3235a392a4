//! Paths and patterns of a build context.

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
        wanted.contains(['[', '\\']) || wanted == "**" || glob(wanted.as_bytes(), part.as_bytes())
    }) || pattern.contains("**")
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some(b'*'), _) => glob(&pattern[1..], text) || (!text.is_empty() && glob(pattern, &text[1..])),
        (Some(b'?'), Some(_)) => glob(&pattern[1..], &text[1..]),
        (Some(one), Some(other)) if one == other => glob(&pattern[1..], &text[1..]),
        _ => false,
    }
}
