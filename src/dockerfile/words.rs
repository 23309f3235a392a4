//! What an instruction takes.

use super::read::Instruction;
use super::text::Text;
use std::ops::Range;

/// A piece of an instruction and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Without the quotes of a JSON list; else as written.
    pub text: String,
    /// In the file.
    pub span: Range<usize>,
}

/// `--name=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Without the dashes.
    pub name: String,
    /// Empty where there is none.
    pub value: String,
    /// In the file.
    pub span: Range<usize>,
}

/// The two forms of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A JSON list: no shell.
    Exec(Vec<Word>),
    /// A text for the shell.
    Shell(Word),
}

/// `NAME=value` of `ENV`, `ARG` and `LABEL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The name.
    pub name: Word,
    /// As written, with its quotes; `None` where nothing is assigned.
    pub value: Option<Word>,
}

impl Instruction {
    /// What follows the flags.
    pub fn body(&self) -> &str {
        &self.text.as_str()[self.body..]
    }

    /// Where bytes of the body stand in the file.
    pub fn body_span(&self, range: Range<usize>) -> Range<usize> {
        self.text.span(self.body + range.start..self.body + range.end)
    }

    /// What follows the flags, lines joined by one blank.
    pub fn rest(&self) -> String {
        self.text.on_one_line(self.body)
    }

    /// The instruction on one line, lines joined by one blank.
    pub fn whole(&self) -> String {
        self.text.on_one_line(0)
    }

    /// As it is shown in a sentence: `RUN npm ci --omit=dev …`.
    pub fn shown(&self) -> String {
        const MOST: usize = 40;
        let whole = format!("{} {}", self.keyword, self.rest());
        if whole.chars().count() <= MOST {
            return whole;
        }
        let short: String = whole.chars().take(MOST).collect();
        format!("{}…", short.trim_end())
    }

    /// The value of a flag.
    pub fn flag(&self, name: &str) -> Option<&Flag> {
        self.flags.iter().find(|flag| flag.name == name)
    }

    /// A command: a JSON list of texts is the exec form, everything else the shell form, JSON that is not well-formed too.
    pub fn form(&self) -> Form {
        match self.list() {
            Some(words) => Form::Exec(words),
            None => Form::Shell(Word { text: self.body().to_owned(), span: self.body_span(0..self.body().len()) }),
        }
    }

    /// Whether it is written as a list and is none, so that the builder takes it for a text. A shell's own `[ … ]` and
    /// `[[ … ]]`, and patterns of paths, are meant as they are.
    pub fn is_broken_list(&self) -> bool {
        let Some(rest) = self.body().strip_prefix('[').filter(|_| self.list().is_none()) else { return false };
        let quotes = ['"', '\'', '“', '”', '‘', '’'];
        match self.keyword.as_str() {
            "CMD" | "ENTRYPOINT" | "RUN" => {
                let inner = rest.trim_start().strip_prefix(quotes);
                let comma = inner.and_then(|inner| inner.split_once(quotes)).map(|(_, next)| next.trim_start());
                rest.starts_with(|c: char| !c.is_whitespace() && c != '[')
                    || comma.is_some_and(|next| next.starts_with(','))
            }
            "COPY" | "ADD" | "VOLUME" => rest.starts_with(quotes),
            _ => false,
        }
    }

    /// The words of a body in shell form, cut at blanks outside of quotes, quotes kept.
    pub fn plain_words(&self) -> Vec<Word> {
        let cut = cut(self.body(), self.escape);
        cut.into_iter()
            .map(|range| Word { text: self.body()[range.clone()].to_owned(), span: self.body_span(range) })
            .collect()
    }

    /// The words of `COPY` and `ADD`: sources and, last, the destination. `None` where there are fewer than two, and
    /// where quotes stand in them.
    pub fn paths(&self) -> Option<Vec<Word>> {
        let words = match self.list() {
            Some(words) => words,
            None if self.body().starts_with('[') || self.body().contains(['"', '\'']) => return None,
            None => self.plain_words(),
        };
        (words.len() >= 2).then_some(words)
    }

    /// The assignments of `ENV`, `ARG` and `LABEL`; `ENV NAME value` is one.
    pub fn pairs(&self) -> Vec<Pair> {
        let body = self.body();
        let words = cut(body, self.escape);
        let word = |range: Range<usize>| Word { text: body[range.clone()].to_owned(), span: self.body_span(range) };
        let old = words.first().filter(|first| self.keyword != "ARG" && !body[(*first).clone()].contains('='));
        if let Some(name) = old {
            let value = words.get(1).map(|second| word(second.start..body.trim_end().len()));
            return vec![Pair { name: word(name.clone()), value }];
        }
        let pair = |range: Range<usize>| match body[range.clone()].find('=') {
            Some(at) => {
                Pair { name: word(range.start..range.start + at), value: Some(word(range.start + at + 1..range.end)) }
            }
            None => Pair { name: word(range), value: None },
        };
        words.into_iter().map(pair).collect()
    }

    /// The texts of a JSON list, each with its place, quotes not counted.
    pub fn list(&self) -> Option<Vec<Word>> {
        let body = self.body();
        let list: Vec<String> = serde_json::from_str(body.trim_end()).ok()?;
        let mut words = Vec::with_capacity(list.len());
        let mut at = 0;
        for text in list {
            let start = at + body.get(at..)?.find('"')? + 1;
            let end = start + closing(body.get(start..)?)?;
            words.push(Word { text, span: self.body_span(start..end) });
            at = end + 1;
        }
        Some(words)
    }
}

/// The quote that ends a JSON text.
fn closing(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    })
}

/// Flags after the keyword, and where what follows them begins.
pub(super) fn flags(text: &Text, keyword: usize) -> (Vec<Flag>, usize) {
    let whole = text.as_str();
    let mut flags = Vec::new();
    let mut at = keyword;
    loop {
        at += whole[at..].len() - whole[at..].trim_start().len();
        let rest = &whole[at..];
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let Some(flag) = rest[..end].strip_prefix("--").filter(|flag| !flag.is_empty()) else { return (flags, at) };
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        flags.push(Flag { name: name.to_owned(), value: value.to_owned(), span: text.span(at..at + end) });
        at += end;
    }
}

/// The here-documents that an instruction opens: the word that ends each, whether variables in it are replaced, and
/// whether tabs before that word do not count.
pub(super) fn heredocs(instruction: &Instruction) -> Vec<(String, bool, bool)> {
    let takes = |keyword: &str| ["RUN", "COPY", "ADD"].contains(&keyword);
    let mut words = cut(instruction.body(), instruction.escape).into_iter().map(|range| &instruction.body()[range]);
    let on_build = instruction.keyword == "ONBUILD"
        && words.clone().next().is_some_and(|first| takes(first.to_ascii_uppercase().as_str()));
    if !takes(&instruction.keyword) && !on_build {
        return Vec::new();
    }
    if on_build {
        words.next();
    }
    words.filter_map(heredoc).collect()
}

fn heredoc(word: &str) -> Option<(String, bool, bool)> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (rest, tabs) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
    let name: String = rest.chars().filter(|c| !matches!(c, '"' | '\'' | '\\')).collect();
    (!name.is_empty() && !name.contains('<')).then(|| (name.clone(), name == rest, tabs))
}

/// Where the words of a text are: blanks outside of quotes part them.
fn cut(text: &str, escape: char) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() && quote.is_none() {
            words.extend(start.take().map(|start| start..at));
            continue;
        }
        start.get_or_insert(at);
        match (quote, c) {
            (Some('\''), c) if c != '\'' => {}
            (_, c) if c == escape => drop(chars.next()),
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            _ => {}
        }
    }
    words.extend(start.map(|start| start..text.len()));
    words
}
