//! Words and operators to simple commands.

use super::lexer::Token;
use super::{Join, ShellWord, Simple};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Frame {
    If,
    Loop,
    Case,
    Group,
    Function,
}

#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent states of reading")]
pub(super) struct Parser {
    done: Vec<Simple>,
    current: Simple,
    frames: Vec<Frame>,
    /// How many of them are no plain groups.
    depth: usize,
    condition: bool,
    before: Join,
    pending_redirect: Option<String>,
    /// A function's name was read: the next group is its body.
    function: bool,
    /// `function` was read: the next word is the name.
    name: bool,
    /// The patterns of a `case` are being read.
    pattern: bool,
    /// The words of a `for` are being read.
    discard: bool,
}

impl Parser {
    pub(super) fn run(mut self, tokens: Vec<Token>) -> Vec<Simple> {
        for token in tokens {
            match token {
                Token::Word(word) => self.word(word),
                Token::Redirect(sign) => self.pending_redirect = Some(sign),
                Token::Join(_) if self.pattern => {}
                Token::Join(join) => self.end(join),
                Token::CaseEnd => {
                    self.end(Join::Sequence);
                    self.pattern = self.frames.last() == Some(&Frame::Case);
                }
                Token::Open | Token::Close if self.pattern => {
                    self.pattern = matches!(token, Token::Open);
                    self.current = Simple::default();
                }
                Token::Open => self.open(),
                Token::Close => self.close(),
            }
        }
        self.end(Join::Sequence);
        self.done
    }

    fn word(&mut self, word: ShellWord) {
        if let Some(sign) = self.pending_redirect.take() {
            self.current.redirects.push((sign, word));
            return;
        }
        if self.pattern {
            if word.text == "esac" {
                self.pattern = false;
                self.leave();
            }
            return;
        }
        if word.text == "in" && self.frames.last() == Some(&Frame::Case) && self.current.words.len() == 1 {
            self.current = Simple::default();
            self.pattern = true;
            return;
        }
        if std::mem::take(&mut self.name) {
            return;
        }
        let first = self.current.words.is_empty() && self.current.assigns.is_empty();
        let plain = word.range.len() == word.text.len();
        if first && plain && self.keyword(&word.text) {
            return;
        }
        if self.current.words.is_empty()
            && let Some((name, value)) = assignment(&word)
        {
            self.current.assigns.push((name, value));
            return;
        }
        self.current.words.push(word);
    }

    fn enter(&mut self, frame: Frame) {
        self.depth += usize::from(frame != Frame::Group);
        self.frames.push(frame);
    }

    fn leave(&mut self) {
        let left = self.frames.pop();
        self.depth -= usize::from(left.is_some_and(|frame| frame != Frame::Group));
    }

    /// Takes a reserved word.
    fn keyword(&mut self, word: &str) -> bool {
        match word {
            "if" => {
                self.enter(Frame::If);
                self.condition = true;
            }
            "while" | "until" => {
                self.enter(Frame::Loop);
                self.condition = true;
            }
            "for" | "select" => {
                self.enter(Frame::Loop);
                self.discard = true;
            }
            "case" => self.enter(Frame::Case),
            "elif" => self.condition = true,
            "then" | "do" | "else" => self.condition = false,
            "{" => {
                let frame = if std::mem::take(&mut self.function) { Frame::Function } else { Frame::Group };
                self.enter(frame);
            }
            "fi" | "done" | "esac" | "}" => {
                self.leave();
                self.condition = false;
            }
            "!" => self.current.condition = true,
            "function" => (self.function, self.name) = (true, true),
            _ => return false,
        }
        true
    }

    fn open(&mut self) {
        if self.current.words.len() == 1 {
            // `name()`
            self.current = Simple::default();
            self.function = true;
        } else if self.current.words.is_empty() && !self.function {
            self.enter(Frame::Group);
        }
    }

    fn close(&mut self) {
        if self.function && self.current.words.is_empty() {
            return;
        }
        self.end(Join::Sequence);
        if self.frames.last() == Some(&Frame::Group) {
            self.leave();
        }
    }

    fn end(&mut self, after: Join) {
        let mut simple = std::mem::take(&mut self.current);
        self.pending_redirect = None;
        if std::mem::take(&mut self.discard) {
            return;
        }
        if simple.words.is_empty() && simple.assigns.is_empty() && simple.redirects.is_empty() {
            return;
        }
        simple.depth = self.depth;
        simple.condition |= self.condition;
        simple.before = std::mem::replace(&mut self.before, after);
        simple.after = after;
        self.done.push(simple);
    }
}

fn assignment(word: &ShellWord) -> Option<(String, ShellWord)> {
    let (name, value) = word.text.split_once('=')?;
    let good = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let value = ShellWord { text: value.to_owned(), ..word.clone() };
    good.then(|| (name.to_owned(), value))
}
