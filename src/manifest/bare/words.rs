//! Words and variables of `ENV`, `ARG` and `WORKDIR`, as a Dockerfile has them: quotes, backslashes, `$NAME`,
//! `${NAME}`, `${NAME:-word}` and `${NAME:+word}`.

use std::iter::Peekable;
use std::str::Chars;

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// `A=1 B="two words"`, or the old `A the rest of the line`.
pub(super) fn assignments(rest: &str, value: Lookup<'_>) -> Vec<(String, String)> {
    let first = rest.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        let (name, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        return vec![(name.to_owned(), expanded(text.trim(), value))];
    }
    let words = split(rest, value);
    words.iter().filter_map(|word| word.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

/// The words of a text, without quotes, their variables replaced.
pub(super) fn split(text: &str, value: Lookup<'_>) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => {
                let next = chars.next();
                let kept = quote.is_some() && !matches!(next, Some('"' | '\\' | '$'));
                let word = word.get_or_insert_default();
                word.extend(kept.then_some('\\'));
                word.extend(next);
            }
            ('$', None | Some('"')) => word.get_or_insert_default().push_str(&variable(&mut chars, value)),
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// A text with its variables replaced, blanks and all.
pub(super) fn expanded(text: &str, value: Lookup<'_>) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '$' => out.push_str(&variable(&mut chars, value)),
            '\\' if chars.peek() == Some(&'$') => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

/// What stands for the variable whose name follows; one that is not known is empty, as in a build.
fn variable(chars: &mut Peekable<Chars<'_>>, value: Lookup<'_>) -> String {
    let mut name = String::new();
    if chars.next_if_eq(&'{').is_some() {
        let inside: String = chars.by_ref().take_while(|c| *c != '}').collect();
        let cut = inside.find(":-").or_else(|| inside.find(":+"));
        let (name, rest) = inside.split_at(cut.unwrap_or(inside.len()));
        let found = value(name).filter(|found| !found.is_empty());
        return match (rest.get(..2), rest.get(2..)) {
            (Some(":-"), Some(word)) => found.unwrap_or_else(|| word.to_owned()),
            (Some(":+"), Some(word)) => found.map(|_| word.to_owned()).unwrap_or_default(),
            _ => found.unwrap_or_default(),
        };
    }
    while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
        name.push(c);
    }
    if name.is_empty() { "$".to_owned() } else { value(&name).unwrap_or_default() }
}
