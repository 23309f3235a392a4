//! `$NAME` and `${NAME}` in `.env` values, when the user asks for it. dotenvy could do it, but it prefers the host's
//! environment to the file, and ends a name at `_`.

use std::collections::BTreeMap;

/// A value with its references replaced.
pub(super) struct Done {
    /// The body of double quotes, with `\` escapes.
    pub(super) text: String,
    /// Each reference that was replaced.
    pub(super) made: Vec<Substitution>,
}

/// One reference that was replaced.
pub(super) struct Substitution {
    /// The variable.
    pub(super) name: String,
}

/// Replaces references in `raw`: the inside of double quotes (`escapes`), or a value without quotes, where only `\$`
/// is an escape. The error is a name that `known` does not have.
pub(super) fn substitute(raw: &str, known: &BTreeMap<String, String>, escapes: bool) -> Result<Done, String> {
    let mut done = Done { text: String::with_capacity(raw.len()), made: Vec::new() };
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if c == '\\' && (escapes || after.starts_with('$')) {
            let pair = after.chars().next().map_or(1, |next| 1 + next.len_utf8());
            done.text.push_str(&rest[..pair]);
            rest = &rest[pair..];
        } else if let Some((name, length)) = reference(after).filter(|_| c == '$') {
            let value = known.get(name).ok_or_else(|| name.to_owned())?;
            value.chars().for_each(|c| literal(&mut done.text, c));
            done.made.push(Substitution { name: name.to_owned() });
            rest = &after[length..];
        } else {
            if escapes && c != '$' {
                done.text.push(c);
            } else {
                literal(&mut done.text, c);
            }
            rest = after;
        }
    }
    Ok(done)
}

/// The name after a `$`, and how many bytes the reference takes after it.
fn reference(after: &str) -> Option<(&str, usize)> {
    let name = |text: &str| {
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
        if text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') { end } else { 0 }
    };
    if let Some(braced) = after.strip_prefix('{') {
        let end = name(braced);
        return (end > 0 && braced[end..].starts_with('}')).then(|| (&braced[..end], end + 2));
    }
    match name(after) {
        0 => None,
        end => Some((&after[..end], end)),
    }
}

fn literal(out: &mut String, c: char) {
    if matches!(c, '\\' | '"' | '$') {
        out.push('\\');
    }
    out.push(c);
}
