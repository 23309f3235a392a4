//! A shell text to words and operators.

use super::{Join, ShellWord};

#[derive(Debug)]
pub(super) enum Token {
    Word(ShellWord),
    /// Operator of a redirection; its target is the next word.
    Redirect(String),
    Join(Join),
    /// `;;`
    CaseEnd,
    Open,
    Close,
}

pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// Here-documents that begin after this line: the word that ends each, and whether tabs before it count.
    heredocs: Vec<(String, bool)>,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, heredocs: Vec::new() }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn take(&mut self, sign: &str) -> bool {
        let there = self.rest().starts_with(sign);
        self.at += if there { sign.len() } else { 0 };
        there
    }

    pub(super) fn run(mut self) -> Vec<Token> {
        let mut tokens = Vec::new();
        let mut awaits_end = None;
        while let Some(c) = self.rest().chars().next() {
            if self.take("\\\n") || self.take("\\\r\n") {
            } else if c == '\n' {
                self.at += 1;
                self.skip_heredocs();
                tokens.push(Token::Join(Join::Sequence));
            } else if c.is_whitespace() {
                self.at += c.len_utf8();
            } else if c == '#' {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            } else if let Some(token) = self.operator() {
                if let Token::Redirect(sign) = &token {
                    awaits_end = sign.ends_with("<<").then_some(false).or(sign.ends_with("<<-").then_some(true));
                }
                tokens.push(token);
            } else {
                let word = self.word();
                if let Some(tabs) = awaits_end.take() {
                    self.heredocs.push((word.text.clone(), tabs));
                }
                tokens.push(Token::Word(word));
            }
        }
        tokens
    }

    fn skip_heredocs(&mut self) {
        for (end, tabs) in std::mem::take(&mut self.heredocs) {
            while !self.rest().is_empty() {
                let line = self.rest().split('\n').next().unwrap_or_default();
                let shown = line.strip_suffix('\r').unwrap_or(line);
                let shown = if tabs { shown.trim_start_matches('\t') } else { shown };
                let ends = shown == end;
                self.at = (self.at + line.len() + 1).min(self.text.len());
                if ends {
                    break;
                }
            }
        }
    }

    fn operator(&mut self) -> Option<Token> {
        let digits = self.rest().len() - self.rest().trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if self.rest()[digits..].starts_with(['<', '>']) {
            self.at += digits;
        }
        for sign in ["<<<", "<<-", "<<", "&>>", "&>", ">>", ">&", "<&", ">|", "<>", "<", ">"] {
            if !self.rest().starts_with("<(") && !self.rest().starts_with(">(") && self.take(sign) {
                return Some(Token::Redirect(sign.to_owned()));
            }
        }
        let token = if self.take(";;") {
            Token::CaseEnd
        } else if self.take("&&") {
            Token::Join(Join::And)
        } else if self.take("||") {
            Token::Join(Join::Or)
        } else if self.take("|&") || self.take("|") {
            Token::Join(Join::Pipe)
        } else if self.take("&") {
            Token::Join(Join::Background)
        } else if self.take(";") {
            Token::Join(Join::Sequence)
        } else if self.take("(") {
            Token::Open
        } else if self.take(")") {
            Token::Close
        } else {
            return None;
        };
        Some(token)
    }

    fn word(&mut self) -> ShellWord {
        let start = self.at;
        let mut word = ShellWord::default();
        while let Some(c) = self.rest().chars().next() {
            match c {
                '<' | '>' if self.at == start => self.nested(c.len_utf8(), &mut word),
                c if c.is_whitespace() || ";&|()<>".contains(c) => break,
                '\'' => {
                    self.at += 1;
                    let inner = self.rest().split('\'').next().unwrap_or_default().to_owned();
                    self.at = (self.at + inner.len() + 1).min(self.text.len());
                    word.literal |= inner.contains('$');
                    word.text.push_str(&inner);
                }
                '"' => self.double(&mut word),
                '\\' => self.escaped(&mut word, false),
                '`' => {
                    let end = self.rest()[1..].find('`').map_or(self.rest().len(), |end| end + 2);
                    word.text.push_str(&self.text[self.at..self.at + end]);
                    self.at += end;
                }
                '$' => self.dollar(&mut word),
                c => {
                    word.text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
        word.range = start..self.at;
        word
    }

    fn double(&mut self, word: &mut ShellWord) {
        self.at += 1;
        while let Some(c) = self.rest().chars().next() {
            match c {
                '"' => {
                    self.at += 1;
                    return;
                }
                '\\' => self.escaped(word, true),
                '$' => self.dollar(word),
                c => {
                    word.text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    fn escaped(&mut self, word: &mut ShellWord, quoted: bool) {
        self.at += 1;
        let Some(c) = self.rest().chars().next() else { return };
        if c == '\r' && self.rest().starts_with("\r\n") {
            self.at += 2;
            return;
        }
        self.at += c.len_utf8();
        if c == '\n' {
            return;
        }
        if quoted && !"$`\"\\".contains(c) {
            word.text.push('\\');
        }
        word.literal |= c == '$';
        word.text.push(c);
    }

    /// `$(…)`, `${…}`, `$NAME`, kept as written.
    fn dollar(&mut self, word: &mut ShellWord) {
        if self.rest().starts_with("$(") {
            self.nested(1, word);
        } else if self.rest().starts_with("${") {
            self.until(2, ('{', '}'), word);
        } else {
            word.text.push('$');
            self.at += 1;
        }
    }

    fn nested(&mut self, before: usize, word: &mut ShellWord) {
        self.until(before + 1, ('(', ')'), word);
    }

    /// Takes everything up to the bracket that closes the one that `skip` bytes go up to.
    fn until(&mut self, skip: usize, (open, close): (char, char), word: &mut ShellWord) {
        let (mut depth, mut quote) = (1_usize, None);
        let skip = skip.min(self.rest().len());
        let mut end = self.rest().len();
        let mut chars = self.rest()[skip..].char_indices();
        while let Some((at, c)) = chars.next() {
            match (quote, c) {
                (Some(q), c) if q == c => quote = None,
                (Some('\''), _) => {}
                (_, '\\') => drop(chars.next()),
                (None, '\'' | '"') => quote = Some(c),
                (None, c) if c == open => depth += 1,
                (None, c) if c == close => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                end = skip + at + c.len_utf8();
                break;
            }
        }
        word.text.push_str(&self.text[self.at..self.at + end]);
        self.at += end;
    }
}
