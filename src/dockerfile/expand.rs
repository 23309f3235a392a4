//! Variables and quotes, as the builder replaces them in everything but `RUN`, `CMD` and `ENTRYPOINT`.

use std::collections::BTreeMap;

/// Variables by name; `None` for one that is declared and has no value that can be told.
pub type Vars = BTreeMap<String, Option<String>>;

/// The text with its variables replaced and its quotes taken away. `Err` names the first variable that cannot be told.
pub fn expand(text: &str, vars: &Vars, escape: char) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    let mut double = false;
    while let Some(c) = chars.next() {
        match c {
            '\'' if !double => out.extend(chars.by_ref().take_while(|c| *c != '\'')),
            '"' => double = !double,
            c if c == escape => match chars.clone().next() {
                // Inside double quotes, only these are escaped.
                Some(next) if !double || ['"', '$', escape].contains(&next) => {
                    chars.next();
                    out.push(next);
                }
                _ => out.push(c),
            },
            '$' => {
                let rest = chars.as_str();
                let (reference, used) = reference(rest);
                match reference {
                    Reference::None => out.push('$'),
                    Reference::Odd(name) => return Err(name.to_owned()),
                    Reference::Plain(name) => out.push_str(&value(name, vars)?),
                    Reference::Default(name, word) => match vars.get(name) {
                        Some(None) => return Err(name.to_owned()),
                        Some(Some(value)) if !value.is_empty() => out.push_str(value),
                        _ => out.push_str(&expand(word, vars, escape)?),
                    },
                    Reference::Alternative(name, word) => match vars.get(name) {
                        Some(None) => return Err(name.to_owned()),
                        Some(Some(value)) if !value.is_empty() => out.push_str(&expand(word, vars, escape)?),
                        _ => {}
                    },
                }
                chars = rest[used..].chars();
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

/// The names of the variables that a text refers to.
pub fn names(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let escaped = rest[..at].ends_with('\\');
        rest = &rest[at + 1..];
        let (reference, used) = reference(rest);
        match reference {
            Reference::Plain(name) | Reference::Odd(name) if !escaped => found.push(name),
            Reference::Default(name, word) | Reference::Alternative(name, word) if !escaped => {
                found.push(name);
                found.extend(names(word));
            }
            _ => {}
        }
        rest = &rest[used..];
    }
    found
}

enum Reference<'t> {
    None,
    Plain(&'t str),
    /// `${NAME:-word}`
    Default(&'t str, &'t str),
    /// `${NAME:+word}`
    Alternative(&'t str, &'t str),
    /// Something else with this name, as `${NAME%x}`.
    Odd(&'t str),
}

/// What stands behind a `$`, and how many bytes of the text it takes.
fn reference(rest: &str) -> (Reference<'_>, usize) {
    let name_end = |text: &str| {
        let digit = text.starts_with(|c: char| c.is_ascii_digit());
        if digit { 0 } else { text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len()) }
    };
    let Some(inner) = rest.strip_prefix('{') else {
        let end = name_end(rest);
        return if end == 0 { (Reference::None, 0) } else { (Reference::Plain(&rest[..end]), end) };
    };
    let end = name_end(inner);
    let Some(close) = closing_brace(inner).filter(|close| end > 0 && *close >= end) else {
        return (Reference::None, 0);
    };
    let (name, tail) = (&inner[..end], &inner[end..close]);
    let reference = if tail.is_empty() {
        Reference::Plain(name)
    } else if let Some(word) = tail.strip_prefix(":-").or_else(|| tail.strip_prefix('-')) {
        Reference::Default(name, word)
    } else if let Some(word) = tail.strip_prefix(":+").or_else(|| tail.strip_prefix('+')) {
        Reference::Alternative(name, word)
    } else {
        Reference::Odd(name)
    };
    (reference, close + 2)
}

fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 1;
    text.char_indices().find_map(|(at, c)| {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        (depth == 0).then_some(at)
    })
}

fn value(name: &str, vars: &Vars) -> Result<String, String> {
    match vars.get(name) {
        Some(Some(value)) => Ok(value.clone()),
        _ => Err(name.to_owned()),
    }
}
