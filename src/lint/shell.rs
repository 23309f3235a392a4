//! A POSIX shell text as simple commands, as far as it must be understood to tell what surely runs. Nothing is executed
//! or expanded here; what stands in quotes, substitutions and here-documents is kept together.

use std::ops::Range;

/// A simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Simple {
    /// Program and arguments.
    pub(super) words: Vec<ShellWord>,
    /// `NAME=value` before them.
    pub(super) assigns: Vec<(String, ShellWord)>,
    /// Operator and target.
    pub(super) redirects: Vec<(String, ShellWord)>,
    /// How many conditions, loops and functions stand around it; a plain group does not count.
    pub(super) depth: usize,
    /// Whether it is the condition of something.
    pub(super) condition: bool,
    /// What stands before it.
    pub(super) before: Join,
    /// What stands behind it.
    pub(super) after: Join,
}

/// A word without its quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ShellWord {
    /// Variables as written.
    pub(super) text: String,
    /// In the text.
    pub(super) range: Range<usize>,
    /// A `$` in it is one: it stood in single quotes, or was escaped.
    pub(super) literal: bool,
}

/// What joins two commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Join {
    /// `;`, a line's end, the text's end.
    #[default]
    Sequence,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `|`
    Pipe,
    /// `&`
    Background,
}

/// Cuts a text into its commands.
pub(super) fn commands(text: &str) -> Vec<Simple> {
    let tokens = Lexer { text, at: 0, heredocs: Vec::new() }.run();
    Parser::default().run(tokens)
}

#[derive(Debug)]
enum Token {
    Word(ShellWord),
    /// Operator of a redirection; its target is the next word.
    Redirect(String),
    Join(Join),
    /// `;;`
    CaseEnd,
    Open,
    Close,
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// Here-documents that begin after this line: the word that ends each, and whether tabs before it count.
    heredocs: Vec<(String, bool)>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn take(&mut self, sign: &str) -> bool {
        let there = self.rest().starts_with(sign);
        self.at += if there { sign.len() } else { 0 };
        there
    }

    fn run(mut self) -> Vec<Token> {
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Frame {
    If,
    Loop,
    Case,
    Group,
    Function,
}

#[derive(Default)]
struct Parser {
    done: Vec<Simple>,
    current: Simple,
    frames: Vec<Frame>,
    condition: bool,
    before: Join,
    pending_redirect: Option<String>,
    /// A function's name was read: the next group is its body.
    function: bool,
    /// The patterns of a `case` are being read.
    pattern: bool,
    /// The words of a `for` are being read.
    discard: bool,
}

impl Parser {
    fn run(mut self, tokens: Vec<Token>) -> Vec<Simple> {
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
                self.frames.pop();
            }
            return;
        }
        if word.text == "in" && self.frames.last() == Some(&Frame::Case) && self.current.words.len() == 1 {
            self.current = Simple::default();
            self.pattern = true;
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

    /// Takes a reserved word.
    fn keyword(&mut self, word: &str) -> bool {
        match word {
            "if" => {
                self.frames.push(Frame::If);
                self.condition = true;
            }
            "while" | "until" => {
                self.frames.push(Frame::Loop);
                self.condition = true;
            }
            "for" | "select" => {
                self.frames.push(Frame::Loop);
                self.discard = true;
            }
            "case" => self.frames.push(Frame::Case),
            "elif" => self.condition = true,
            "then" | "do" | "else" => self.condition = false,
            "{" => {
                let frame = if std::mem::take(&mut self.function) { Frame::Function } else { Frame::Group };
                self.frames.push(frame);
            }
            "fi" | "done" | "esac" | "}" => {
                self.frames.pop();
                self.condition = false;
            }
            "!" => self.current.condition = true,
            "function" => self.function = true,
            _ => return false,
        }
        true
    }

    fn open(&mut self) {
        if self.current.words.len() == 1 {
            // `name()`
            self.current = Simple::default();
            self.function = true;
        } else if self.current.words.is_empty() {
            self.frames.push(Frame::Group);
        }
    }

    fn close(&mut self) {
        if self.function && self.current.words.is_empty() {
            return;
        }
        self.end(Join::Sequence);
        if self.frames.last() == Some(&Frame::Group) {
            self.frames.pop();
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
        simple.depth = self.frames.iter().filter(|frame| **frame != Frame::Group).count();
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

#[cfg(test)]
mod tests {
    use super::{Join, commands};
    use proptest::prelude::*;

    fn shown(text: &str) -> Vec<String> {
        let words = |one: &super::Simple| one.words.iter().map(|word| word.text.clone()).collect::<Vec<_>>().join("|");
        commands(text).iter().map(|one| format!("{}:{}", one.depth, words(one))).collect()
    }

    #[test]
    fn commands_are_cut_at_operators_and_know_what_stands_around_them() {
        assert_eq!(
            shown(
                "#!/bin/sh\nset -e # all\nA=1 npm run \"a b\" && exec node 'x y'.js --p=$PORT\nif [ -z $A ]; then\n  chown a b\nfi\n"
            ),
            ["0:set|-e", "0:npm|run|a b", "0:exec|node|x y.js|--p=$PORT", "1:[|-z|$A|]", "1:chown|a|b"]
        );
        assert_eq!(
            shown("case $1 in\n  web|api) gunicorn x ;;\n  *) exec \"$@\" ;;\nesac\nlast \\\n  word"),
            ["1:gunicorn|x", "1:exec|$@", "0:last|word"]
        );
        assert_eq!(
            shown("f() { inner; }\nfunction g { h; }\n(cd /x; ls) > /dev/null"),
            ["1:inner", "1:h", "0:cd|/x", "0:ls", "0:"]
        );
        assert_eq!(
            shown("cat <<EOF > x\nchown $x `y\nEOF\necho $(date; ls) ${A:-b c} `x y`"),
            ["0:cat", "0:echo|$(date; ls)|${A:-b c}|`x y`"]
        );
    }

    #[test]
    fn joins_redirects_and_literal_dollars_are_kept() {
        let all = commands("a || b & c 2>/dev/null >> /log '$PORT' \\$X");
        assert_eq!((all[0].after, all[1].before, all[1].after), (Join::Or, Join::Or, Join::Background));
        let redirects: Vec<_> = all[2].redirects.iter().map(|(sign, word)| format!("{sign}{}", word.text)).collect();
        assert_eq!(redirects, [">/dev/null", ">>/log"]);
        assert!(all[2].words[1].literal && all[2].words[2].literal && !all[2].words[0].literal);
    }

    proptest! {
        #[test]
        fn no_text_panics_and_every_place_is_inside(text in any::<String>()) {
            for one in commands(&text) {
                for word in one.words.iter().chain(one.assigns.iter().map(|(_, word)| word)) {
                    prop_assert!(text.get(word.range.clone()).is_some());
                }
            }
        }

        #[test]
        fn no_soup_of_signs_panics(text in "(if|then|fi|case|esac|in|do|done|[a{}()<>|&;\"'`$\\\\= \n\r\té#0-9-]){0,50}") {
            for one in commands(&text) {
                for word in &one.words {
                    prop_assert!(text.get(word.range.clone()).is_some());
                }
            }
        }
    }
}
