//! What a process type surely runs: its command and entrypoint as simple commands, scripts of the project followed.

use super::folder::Content;
use super::servers::{Bind, SERVERS, Server, WRAPPERS};
use super::shell::{self, Join, ShellWord};
use crate::diagnostic::SourceFile;
use crate::dockerfile::{LONGEST, Text};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Where a text came from.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) file: Arc<SourceFile>,
    pub(super) map: Map,
}

/// The way from bytes of a text to bytes of its file.
#[derive(Clone)]
pub(super) enum Map {
    /// The text stands in the file from this byte on.
    From(usize),
    /// It is a part of an instruction that begins at this byte of it.
    Text(Text, usize),
    /// It was put together: all of it is this place.
    Whole(Range<usize>),
}

impl Origin {
    /// Where bytes of the text stand.
    pub(super) fn span(&self, range: Range<usize>) -> Range<usize> {
        match &self.map {
            Map::From(start) => start + range.start..start + range.end,
            Map::Text(text, start) => text.span(start + range.start..start + range.end),
            Map::Whole(span) => span.clone(),
        }
    }
}

/// One argument.
#[derive(Clone, Debug)]
pub(super) struct Arg {
    /// Known variables replaced, others as written.
    pub(super) text: String,
    /// Where it stands, which for what heroku.yml gives to an `ENTRYPOINT` is not where the program does.
    pub(super) file: Arc<SourceFile>,
    /// In the file.
    pub(super) span: Range<usize>,
    /// No shell replaces a variable in it.
    pub(super) literal: bool,
}

/// One command.
#[derive(Clone)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts about one command")]
pub(super) struct Command {
    /// Program and arguments.
    pub(super) args: Vec<Arg>,
    /// Where output goes.
    pub(super) redirects: Vec<(String, Arg)>,
    /// Where it stands, or the last of it.
    pub(super) file: Arc<SourceFile>,
    /// The script of the project that it stands in.
    pub(super) script: Option<String>,
    /// Whether nothing decides whether it runs.
    pub(super) sure: bool,
    /// A failure of it is taken care of.
    pub(super) excused: bool,
    /// What follows.
    pub(super) after: Join,
    /// It takes the place of the shell.
    pub(super) exec: bool,
    /// A shell reads it.
    pub(super) by_shell: bool,
}

/// Values of variables that are known to the image and that no config var replaces.
pub(super) type Values = BTreeMap<String, String>;

/// The commands of a shell text.
pub(super) fn of_text(text: &str, origin: &Origin, values: &mut Values, script: Option<&str>) -> Vec<Command> {
    let mut found = Vec::new();
    let simple = shell::commands(text);
    let mut tested = false;
    for (at, one) in simple.iter().enumerate() {
        let conditional = one.before == Join::Or || (one.before == Join::And && tested);
        let sure = one.depth == 0 && !one.condition && !conditional;
        let arg = |word: &ShellWord, values: &Values| Arg {
            text: if word.literal { word.text.clone() } else { replaced(&word.text, values) },
            file: Arc::clone(&origin.file),
            span: origin.span(word.range.clone()),
            literal: word.literal,
        };
        let words = |values: &Values| one.words.iter().map(|word| arg(word, values)).collect::<Vec<Arg>>();
        // `PORT=1 program $PORT` is told the platform's port, and what follows it is too.
        let early = one.assigns.iter().any(|(name, _)| name == "PORT").then(|| words(values));
        for (name, value) in &one.assigns {
            if name == "PORT" && !one.words.is_empty() && at + 1 < simple.len() {
                continue;
            }
            // What is decided at run time is known to nobody.
            let value = arg(value, values).text;
            let told = dollar_names(&value).contains(&"PORT") && !value.contains("$(");
            if sure && (told || !value.contains(['`', '$'])) {
                values.insert(name.clone(), value);
            } else {
                values.remove(name);
            }
        }
        let args = early.unwrap_or_else(|| words(values));
        if matches!(args.first().map(|arg| arg.text.as_str()), Some("export" | "readonly" | "local")) {
            for arg in &args[1..] {
                if let Some((name, value)) = arg.text.split_once('=') {
                    if sure && (!value.contains(['`', '$']) || dollar_names(value).contains(&"PORT")) {
                        values.insert(name.to_owned(), value.to_owned());
                    } else {
                        values.remove(name);
                    }
                }
            }
        }
        tested = args
            .first()
            .is_some_and(|arg| ["[", "test", "[[", "command", "which", "grep", "type"].contains(&arg.text.as_str()));
        if args.is_empty() {
            continue;
        }
        let exec = args[0].text == "exec";
        found.push(Command {
            redirects: one.redirects.iter().map(|(sign, word)| (sign.clone(), arg(word, values))).collect(),
            args,
            file: Arc::clone(&origin.file),
            script: script.map(str::to_owned),
            sure,
            excused: one.after == Join::Or || one.after == Join::Pipe,
            after: one.after,
            exec,
            by_shell: true,
        });
    }
    found
}

/// The commands of a script.
pub(super) fn of_script(script: &Content, values: &mut Values) -> Vec<Command> {
    let origin = Origin { file: Arc::clone(&script.file), map: Map::From(0) };
    of_text(&script.file.text, &origin, values, Some(&script.path))
}

/// Whether a file's name ends so.
pub(super) fn has_extension(name: &str, extension: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| end == extension)
}

/// Names of variables in a text.
pub(super) fn dollar_names(text: &str) -> Vec<&str> {
    crate::dockerfile::names(text)
}

/// The text with known variables replaced; `PORT` is known only where the command line gives it a value of its own.
pub(super) fn replaced(text: &str, values: &Values) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let last_close = text.rfind('}').unwrap_or(0);
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        // Where nothing closes a brace any more, it is not looked for again and again.
        let (used, name) = simple_reference(rest, text.len() - rest.len() < last_close);
        let value = name.and_then(|name| values.get(name)).filter(|value| name != Some("PORT") || !value.contains('$'));
        match value.filter(|value| out.len() + value.len() <= LONGEST) {
            Some(value) => out.push_str(value),
            None => out.push_str(&rest[..used]),
        }
        rest = &rest[used..];
    }
    out + rest
}

/// `$NAME`, `${NAME}` or `${NAME:-word}` at the start: how long it is, and the name. `closes`: there is a `}` somewhere.
fn simple_reference(text: &str, closes: bool) -> (usize, Option<&str>) {
    let body = &text[1..];
    let end_of = |text: &str| text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    if let Some(inner) = body.strip_prefix('{') {
        let end = end_of(inner);
        let name = &inner[..end];
        let Some(close) = closes.then(|| inner[end..].find('}')).flatten() else { return (1, None) };
        let plain = close == 0 || inner[end..].starts_with(":-") && !inner[end..end + close].contains('$');
        return (end + close + 3, plain.then_some(name));
    }
    let end = end_of(body);
    if end == 0 { (1, None) } else { (end + 1, Some(&body[..end])) }
}

impl Command {
    /// The command without programs that only run it: where its own program stands among `args`, and its name without
    /// folders.
    pub(super) fn program(&self) -> (usize, &str) {
        let mut at = 0;
        for _ in 0..8 {
            let next = self.peel(at);
            if next == at || next >= self.args.len() {
                break;
            }
            at = next;
        }
        (at, self.name(at))
    }

    /// The name of an argument as a program.
    pub(super) fn name(&self, at: usize) -> &str {
        self.args.get(at).map_or("", |arg| arg.text.rsplit('/').next().unwrap_or_default())
    }

    fn text(&self, at: usize) -> &str {
        self.args.get(at).map_or("", |arg| arg.text.as_str())
    }

    fn options_end(&self, mut at: usize) -> usize {
        while self.text(at).starts_with('-') {
            at += 1;
            if self.text(at - 1) == "--" {
                break;
            }
        }
        at
    }

    fn peel(&self, at: usize) -> usize {
        let name = self.name(at);
        if name == "env" {
            let mut next = self.options_end(at + 1);
            while self.text(next).contains('=') && !self.text(next).starts_with('$') {
                next += 1;
            }
            return next;
        }
        if name.starts_with("python") || name.starts_with("pypy") {
            let mut next = at + 1;
            while self.text(next).starts_with('-') && self.text(next) != "-m" && self.text(next) != "-c" {
                next += 1;
            }
            return match self.text(next) {
                "-m" => next + 1,
                file if has_extension(file, "py") => next,
                _ => at,
            };
        }
        let runs_file = match name {
            "ruby" => self.name(at + 1) == "rails",
            "php" => self.name(at + 1) == "artisan",
            _ => false,
        };
        if runs_file {
            return at + 1;
        }
        for wrapper in WRAPPERS {
            let found = match wrapper.split_once(' ') {
                None => (name == *wrapper).then_some(at + 1),
                Some((first, second)) => (name == first && self.text(at + 1) == second).then_some(at + 2),
            };
            if let Some(next) = found {
                return self.options_end(next);
            }
        }
        at
    }

    /// The server that this starts, if it is a known one, and where its arguments begin. `busybox`: `httpd` is BusyBox's.
    pub(super) fn server(&self, busybox: bool) -> Option<(&'static Server, usize)> {
        let (at, name) = self.program();
        let apache = ["-D", "-k"].iter().any(|flag| self.args[at..].iter().any(|arg| arg.text == *flag));
        let name = if name == "httpd" && busybox && !apache { "busybox httpd" } else { name };
        let alone = self.args.get(at + 1).is_none_or(|arg| arg.text.starts_with('-'));
        let name = if name == "vite" && alone { "vite dev" } else { name };
        SERVERS.iter().find_map(|server| {
            let named = server.names.iter().any(|known| match known.split_once(' ') {
                _ if *known == name => true,
                Some((first, second)) => name == first && self.args[at + 1..].iter().any(|arg| arg.text == second),
                None => false,
            });
            named.then_some((server, at + 1))
        })
    }

    /// The values of options, in any of their spellings, from argument `at` on.
    pub(super) fn values_of(&self, flags: &[&str], at: usize) -> Vec<Arg> {
        let mut found = Vec::new();
        let mut index = at;
        while let Some(arg) = self.args.get(index) {
            index += 1;
            for flag in flags {
                let Some(rest) = arg.text.strip_prefix(flag) else { continue };
                if rest.is_empty() {
                    found.extend(self.args.get(index).cloned());
                    break;
                }
                let short = flag.len() == 2;
                if let Some(value) = rest.strip_prefix('=').or(short.then_some(rest)) {
                    found.push(Arg { text: value.to_owned(), ..arg.clone() });
                    break;
                }
            }
        }
        found
    }

    /// Whether one of these options is there.
    pub(super) fn has(&self, flags: &[&str], at: usize) -> bool {
        let is = |arg: &Arg, flag: &str| {
            arg.text.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        self.args.iter().skip(at).any(|arg| flags.iter().any(|flag| is(arg, flag)))
    }

    /// Where a server is told to listen: each place with the argument that says so.
    pub(super) fn binds(&self, server: &Server, at: usize) -> Vec<(Bind, Arg)> {
        let mut found: Vec<(Bind, Arg)> = Vec::new();
        for arg in self.values_of(server.port, at) {
            found.push((Bind { host: None, port: Some(arg.text.clone()) }, arg));
        }
        for arg in self.values_of(server.host, at) {
            found.push((Bind { host: Some(arg.text.clone()), port: None }, arg));
        }
        for arg in self.values_of(server.bind, at) {
            found.extend(arg.text.split([',', ';']).filter_map(Bind::of).map(|bind| (bind, arg.clone())));
        }
        if server.positional {
            found.extend(self.positional(server, at).and_then(|arg| Some((Bind::of(&arg.text)?, arg))));
        }
        found
    }

    fn positional(&self, server: &Server, at: usize) -> Option<Arg> {
        let second = server.names.iter().find_map(|name| name.split_once(' ')).map(|(_, second)| second);
        let start = match second {
            Some(second) => at + self.args[at..].iter().position(|arg| arg.text == second)? + 1,
            None => at,
        };
        let mut skip = false;
        for arg in &self.args[start..] {
            if std::mem::take(&mut skip) {
                continue;
            }
            if arg.text.starts_with('-') {
                skip = !arg.text.contains('=')
                    && ["-b", "-d", "-t", "--bind", "--directory", "--settings"].contains(&arg.text.as_str());
                continue;
            }
            let place =
                arg.text.contains(':') || arg.text.starts_with('$') || arg.text.bytes().all(|b| b.is_ascii_digit());
            return place.then(|| arg.clone());
        }
        None
    }

    /// From the first to the last argument that stands in its file.
    pub(super) fn span(&self) -> Range<usize> {
        let mut own = self.args.iter().filter(|arg| arg.file.name == self.file.name);
        let first = own.next();
        let start = first.map_or(0, |arg| arg.span.start);
        start..own.next_back().or(first).map_or(start, |arg| arg.span.end).max(start)
    }

    /// Why an argument with a variable in place of a literal would not do, and what would.
    pub(super) fn instead_of_literal(&self, arg: &Arg) -> &'static str {
        if !arg.literal {
            ""
        } else if self.script.is_none() && ["heroku.yml", "Procfile"].contains(&arg.file.name.as_str()) {
            "; no shell reads a command behind an ENTRYPOINT, so wrap it in `sh -c '…'`"
        } else {
            "; an exec form replaces no variables, so write CMD in shell form"
        }
    }
}
