//! Variables and quotes, as the builder replaces them in everything but `RUN`, `CMD` and `ENTRYPOINT`.
//!
//! What is read may be written to do harm: words in words are followed to a depth, values grow to a size, and braces are
//! matched once.

use std::collections::{BTreeMap, BTreeSet};

/// Variables by name; `None` for one that is declared and has no value that can be told.
pub type Vars = BTreeMap<String, Option<String>>;

/// How deep a word in `${NAME:-word}` may hold another; nobody writes five.
const DEPTH: usize = 32;
/// A text that variables make longer than this is told by nobody: each line of `ENV` can double the one above.
pub const LONGEST: usize = 4096;

/// The text with its variables replaced and its quotes taken away. `Err` names the first variable that cannot be told.
pub fn expand(text: &str, vars: &Vars, escape: char) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    Expander { braces: Braces::of(text), text, vars, escape }.run(0, text.len(), DEPTH, &mut out)?;
    Ok(out)
}

struct Expander<'t> {
    text: &'t str,
    braces: Braces,
    vars: &'t Vars,
    escape: char,
}

impl Expander<'_> {
    /// Adds what the bytes from `at` to `end` make.
    fn run(&self, mut at: usize, end: usize, depth: usize, out: &mut String) -> Result<(), String> {
        let mut double = false;
        while let Some(c) = self.text[at..end].chars().next() {
            at += c.len_utf8();
            match c {
                '\'' if !double => {
                    let inner = self.text[at..end].split('\'').next().unwrap_or_default();
                    out.push_str(inner);
                    at = (at + inner.len() + 1).min(end);
                }
                '"' => double = !double,
                c if c == self.escape => match self.text[at..end].chars().next() {
                    // Inside double quotes, only these are escaped.
                    Some(next) if !double || ['"', '$', self.escape].contains(&next) => {
                        at += next.len_utf8();
                        out.push(next);
                    }
                    _ => out.push(c),
                },
                '$' => {
                    let (reference, used) = reference(&self.text[..end], at, &self.braces);
                    self.replace(reference, depth, out)?;
                    at += used;
                }
                c => out.push(c),
            }
        }
        Ok(())
    }

    fn replace(&self, reference: Reference<'_>, depth: usize, out: &mut String) -> Result<(), String> {
        let (name, word, without) = match reference {
            Reference::None => {
                out.push('$');
                return Ok(());
            }
            Reference::Odd(name) => return Err(name.to_owned()),
            Reference::Plain(name) => (name, None, false),
            Reference::Default(name, word) => (name, Some(word), true),
            Reference::Alternative(name, word) => (name, Some(word), false),
        };
        let value = match self.vars.get(name) {
            Some(None) => return Err(name.to_owned()),
            Some(Some(value)) => Some(value).filter(|value| word.is_none() || !value.is_empty()),
            None if word.is_none() => return Err(name.to_owned()),
            None => None,
        };
        match (value, word) {
            // `${NAME:+word}` is never the value, `${NAME:-word}` is the word only without one.
            (Some(value), word) if word.is_none() || without => {
                if out.len() + value.len() > LONGEST {
                    return Err(name.to_owned());
                }
                out.push_str(value);
            }
            (value, Some((start, end))) if value.is_some() != without => {
                let deeper = depth.checked_sub(1).ok_or_else(|| name.to_owned())?;
                self.run(start, end, deeper, out)?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// The names of the variables that a text refers to, each once.
pub fn names(text: &str) -> Vec<&str> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    let braces = Braces::of(text);
    let mut at = 0;
    while let Some(dollar) = text[at..].find('$') {
        let escaped = text[at..at + dollar].ends_with('\\');
        at += dollar + 1;
        let (reference, used) = reference(text, at, &braces);
        match reference {
            Reference::Plain(name) | Reference::Odd(name) if !escaped => {
                found.extend(seen.insert(name).then_some(name));
            }
            Reference::Default(name, (word, _)) | Reference::Alternative(name, (word, _)) if !escaped => {
                found.extend(seen.insert(name).then_some(name));
                // The word is looked at next, as what follows it is.
                at = word;
                continue;
            }
            _ => {}
        }
        at += used;
    }
    found
}

/// What closes each `{` of a text.
struct Braces(BTreeMap<usize, usize>);

impl Braces {
    fn of(text: &str) -> Self {
        let (mut open, mut pairs) = (Vec::new(), BTreeMap::new());
        for (at, sign) in text.bytes().enumerate() {
            match sign {
                b'{' => open.push(at),
                b'}' => pairs.extend(open.pop().map(|open| (open, at))),
                _ => {}
            }
        }
        Self(pairs)
    }
}

#[derive(Clone, Copy)]
enum Reference<'t> {
    None,
    Plain(&'t str),
    /// `${NAME:-word}`, with where the word begins and ends.
    Default(&'t str, (usize, usize)),
    /// `${NAME:+word}`
    Alternative(&'t str, (usize, usize)),
    /// Something else with this name, as `${NAME%x}`.
    Odd(&'t str),
}

/// What stands behind a `$`, from byte `at` on, and how many bytes of the text it takes.
fn reference<'t>(text: &'t str, at: usize, braces: &Braces) -> (Reference<'t>, usize) {
    let name_end = |text: &str| {
        let digit = text.starts_with(|c: char| c.is_ascii_digit());
        if digit { 0 } else { text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len()) }
    };
    let rest = &text[at..];
    let Some(inner) = rest.strip_prefix('{') else {
        let end = name_end(rest);
        return if end == 0 { (Reference::None, 0) } else { (Reference::Plain(&rest[..end]), end) };
    };
    let end = name_end(inner);
    let close = braces.0.get(&at).map(|close| close - at - 1);
    let Some(close) = close.filter(|close| end > 0 && *close >= end && *close < inner.len()) else {
        return (Reference::None, 0);
    };
    let (name, tail) = (&inner[..end], &inner[end..close]);
    let word = |sign: &str| (at + 1 + end + sign.len(), at + 1 + close);
    let signs = |with: &'static str, without: &'static str| {
        [with, without].into_iter().find(|sign| tail.starts_with(sign)).map(word)
    };
    let reference = if tail.is_empty() {
        Reference::Plain(name)
    } else if let Some(word) = signs(":-", "-") {
        Reference::Default(name, word)
    } else if let Some(word) = signs(":+", "+") {
        Reference::Alternative(name, word)
    } else {
        Reference::Odd(name)
    };
    (reference, close + 2)
}
