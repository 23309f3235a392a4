//! A file to instructions, as BuildKit cuts it: a line goes on after a `\` at its end, comments and empty lines between
//! are passed over, and a here-document belongs to the instruction that opens it.

use super::faults;
use super::text::Text;
use super::words::{self, Flag};
use std::ops::Range;

/// A Dockerfile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dockerfile {
    /// In order.
    pub instructions: Vec<Instruction>,
    /// `# syntax=…`, `# escape=…`, `# check=…`.
    pub directives: Vec<Directive>,
    /// What continues a line and escapes a character.
    pub escape: char,
    /// What the builder would refuse, or take for something else.
    pub faults: Vec<Fault>,
}

/// A parser directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// In small letters.
    pub name: String,
    /// As written.
    pub value: String,
    /// Its line without the line's end.
    pub span: Range<usize>,
}

/// Something that the builder would refuse, or take for something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub title: String,
    /// Where.
    pub span: Range<usize>,
    /// What becomes of it.
    pub label: &'static str,
    /// How to mend it.
    pub help: String,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Its first line, from 1.
    pub line: usize,
    /// Upper-case.
    pub keyword: String,
    /// The keyword in the file.
    pub keyword_span: Range<usize>,
    /// From the keyword to the end of its last line, here-documents not counted.
    pub span: Range<usize>,
    /// `--chown=node`, …
    pub flags: Vec<Flag>,
    /// Everything, the keyword included, as one line.
    pub text: Text,
    /// Where in `text` what follows the flags begins.
    pub(super) body: usize,
    /// What continues a line and escapes a character in this file.
    pub(super) escape: char,
    /// In order.
    pub heredocs: Vec<Heredoc>,
}

/// A here-document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heredoc {
    /// The word that ends it.
    pub name: String,
    /// Whether variables in it are replaced.
    pub expands: bool,
    /// Its lines, without the one that ends it.
    pub span: Range<usize>,
}

/// Reads a file; a byte order mark is passed over.
pub fn read(text: &str) -> Dockerfile {
    let mut reader = Reader { text, at: if text.starts_with('\u{feff}') { 3 } else { 0 }, line: 1 };
    let mut file = Dockerfile { escape: '\\', ..Dockerfile::default() };
    reader.directives(&mut file);
    while let Some(instruction) = reader.instruction(&mut file) {
        file.instructions.push(instruction);
    }
    faults::find(&mut file, text.len());
    file
}

impl Dockerfile {
    /// Whether another program than Docker's own reads this file, whose rules nobody here knows.
    pub fn has_own_syntax(&self) -> bool {
        let syntax = self.directives.iter().find(|one| one.name == "syntax");
        syntax.is_some_and(|one| !one.value.trim_start_matches("docker.io/").starts_with("docker/dockerfile"))
    }
}

/// A place in the text, always at the beginning of a line.
struct Reader<'t> {
    text: &'t str,
    at: usize,
    line: usize,
}

impl<'t> Reader<'t> {
    /// The next line without its end, and where it begins.
    fn next(&mut self) -> Option<(usize, &'t str)> {
        let start = self.at;
        let rest = self.text.get(start..).filter(|rest| !rest.is_empty())?;
        let line = rest.split('\n').next().unwrap_or(rest);
        self.at = (start + line.len() + 1).min(self.text.len());
        self.line += 1;
        Some((start, line.strip_suffix('\r').unwrap_or(line)))
    }

    /// Comments of the form `# name=value` before everything else.
    fn directives(&mut self, file: &mut Dockerfile) {
        loop {
            let before = (self.at, self.line);
            let directive = self.next().and_then(|(start, line)| directive(start, line));
            let known =
                directive.as_ref().is_some_and(|one| !file.directives.iter().any(|other| other.name == one.name));
            let Some(directive) = directive.filter(|_| known) else {
                (self.at, self.line) = before;
                return;
            };
            if directive.name == "escape" {
                match directive.value.as_str() {
                    "\\" | "`" => file.escape = directive.value.chars().next().unwrap_or('\\'),
                    other => file.faults.push(Fault {
                        title: format!("`{other}` cannot be the escape character"),
                        span: directive.span.clone(),
                        label: faults::REFUSES,
                        help: "it is a backslash or a backtick".into(),
                    }),
                }
            }
            file.directives.push(directive);
        }
    }

    fn instruction(&mut self, file: &mut Dockerfile) -> Option<Instruction> {
        let escape = file.escape;
        let mut text = Text::default();
        let mut begun = None;
        while let Some((start, line)) = self.next() {
            let indent = line.len() - line.trim_start().len();
            if line[indent..].is_empty() || line[indent..].starts_with('#') {
                continue;
            }
            let (kept, goes_on) = match continued(line, escape) {
                Some(kept) => (kept, true),
                None => (line.trim_end(), false),
            };
            let from = if begun.is_none() { indent.min(kept.len()) } else { 0 };
            let (at, _) = begun.get_or_insert((start + indent, self.line - 1));
            let at = *at;
            text.push(&kept[from..], start + from);
            if !goes_on {
                let end = start + kept.len();
                return Some(self.finish(text, at..end.max(at), begun.map_or(1, |(_, line)| line), file));
            }
        }
        let (at, line) = begun?;
        let end = at + self.text[at..].trim_end().len();
        Some(self.finish(text, at..end, line, file))
    }

    fn finish(&mut self, text: Text, span: Range<usize>, line: usize, file: &mut Dockerfile) -> Instruction {
        let whole = text.as_str();
        let end = whole.find(char::is_whitespace).unwrap_or(whole.len());
        let keyword = whole[..end].to_ascii_uppercase();
        let (flags, body) = words::flags(&text, end);
        let keyword_span = text.span(0..end);
        let mut instruction = Instruction {
            line,
            keyword,
            keyword_span,
            span,
            flags,
            text,
            body,
            escape: file.escape,
            heredocs: Vec::new(),
        };
        for (name, expands, tabs) in words::heredocs(&instruction) {
            instruction.heredocs.push(self.heredoc(name, expands, tabs, &instruction, file));
        }
        instruction
    }

    /// The lines up to the one that is `name`.
    fn heredoc(&mut self, name: String, expands: bool, tabs: bool, of: &Instruction, file: &mut Dockerfile) -> Heredoc {
        let start = self.at;
        while let Some((at, line)) = self.next() {
            let shown = if tabs { line.trim_start_matches('\t') } else { line };
            if shown == name {
                return Heredoc { name, expands, span: start..at };
            }
        }
        file.faults.push(Fault {
            title: format!("the here-document `{name}` has no end"),
            span: of.span.clone(),
            label: faults::REFUSES,
            help: format!("end it with a line that is `{name}` and nothing else"),
        });
        Heredoc { name, expands, span: start..self.text.len() }
    }
}

/// The line without what says that it goes on; an escaped escape character does not.
fn continued(line: &str, escape: char) -> Option<&str> {
    let kept = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    (!kept.ends_with(escape)).then_some(kept)
}

fn directive(start: usize, line: &str) -> Option<Directive> {
    let (name, value) = line.trim_start().strip_prefix('#')?.split_once('=')?;
    let name = name.trim().to_ascii_lowercase();
    let known = ["syntax", "escape", "check"].contains(&name.as_str());
    known.then(|| Directive { name, value: value.trim().to_owned(), span: start..start + line.len() })
}
