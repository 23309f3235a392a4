//! What a process type runs, followed from `ENTRYPOINT` and command into scripts of the project (R1.4).

use super::bases::Entry;
use super::command::{Arg, Command, Map, Origin, Values, of_script, of_text};
use super::folder::Content;
use super::locate::locate;
use super::scene::{Image, Overlay, Setting};
use super::shell::Join;
use crate::diagnostic::SourceFile;
use crate::dockerfile::{Form, Word};
use crate::model::launch::shellwords_split;
use crate::model::process_type::ProcessType;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// How deep scripts that start scripts are followed.
const DEPTH: usize = 4;
/// No process type starts more commands; what lies behind is told by nobody.
const MOST: usize = 1000;

/// What surely runs.
#[derive(Default)]
pub(super) struct Run {
    /// In order.
    pub(super) commands: Vec<Command>,
    /// Scripts of the project that were followed.
    pub(super) scripts: Vec<Script>,
    /// Variables that are known at the end.
    pub(super) values: Values,
    /// The text of a `bash -c`, which replaces itself by its last command.
    pub(super) bash_text: bool,
    /// Nobody can tell all of it: the base image has a part in it that is not known.
    pub(super) unknown: bool,
}

/// A script of the project.
pub(super) struct Script {
    pub(super) content: Content,
    /// Executed itself, not given to a shell.
    pub(super) direct: bool,
    /// The image's `ENTRYPOINT`.
    pub(super) entrypoint: bool,
    /// It runs the arguments it is given, or at least looks at them.
    pub(super) passes_on: bool,
    /// The `COPY` that put it there.
    pub(super) copied_by: usize,
    /// Where it is named.
    pub(super) named: (Arc<SourceFile>, Range<usize>),
}

struct Follower<'i> {
    image: &'i Image,
    run: Run,
    /// Scripts of package.json that were followed: its folder, and the script's name.
    packaged: BTreeSet<(String, String)>,
    /// Commands that were looked at.
    seen: usize,
    /// Files that were looked for.
    located: BTreeMap<String, Option<(Content, usize)>>,
}

/// Follows a process type.
pub(super) fn run(image: &Image, name: &ProcessType, overlay: Option<&Overlay>, values: Values) -> Run {
    let run = Run { values, ..Run::default() };
    let mut follower = Follower { image, run, packaged: BTreeSet::new(), seen: 0, located: BTreeMap::new() };
    let entry = follower.entrypoint();
    let (words, text) = follower.command(overlay);
    match entry {
        Start::Shell(text, origin) => follower.text(&text, &origin, None, DEPTH),
        Start::Words(first) if !first.is_empty() => {
            let rest = match (&text, name.is_release()) {
                // A release command gets a shell of its own behind an ENTRYPOINT.
                (Some((text, origin)), true) => {
                    follower.arguments(first, Vec::new(), DEPTH, true);
                    follower.text(text, origin, None, DEPTH);
                    return follower.run;
                }
                (Some((text, origin)), false) => split(text, origin),
                (None, _) => words,
            };
            follower.arguments(first, rest, DEPTH, true);
        }
        Start::Words(_) => match text {
            Some((text, origin)) => follower.text(&text, &origin, None, DEPTH),
            None if !words.is_empty() => follower.arguments(Vec::new(), words, DEPTH, false),
            None => follower.run.unknown = true,
        },
    }
    follower.run
}

/// What an `ENTRYPOINT` is.
enum Start {
    Words(Vec<Arg>),
    Shell(String, Origin),
}

impl Follower<'_> {
    fn origin(&self, at: usize) -> Origin {
        let one = &self.image.docker.instructions[at];
        let start = one.text.as_str().len() - one.body().len();
        Origin { file: Arc::clone(&self.image.file), map: Map::Text(one.text.clone(), start) }
    }

    fn entrypoint(&mut self) -> Start {
        match &self.image.entrypoint {
            Setting::Own(_, Form::Exec(words)) => Start::Words(args(words, &self.image.file)),
            Setting::Own(at, Form::Shell(word)) => Start::Shell(word.text.clone(), self.origin(*at)),
            Setting::Base | Setting::TakenAway(_) => {
                let entry = self.image.known.map(|known| known.entry);
                self.run.unknown |= !matches!(entry, Some(Entry::None | Entry::PassesOn));
                Start::Words(Vec::new())
            }
        }
    }

    /// The words, or the text for a shell, of what is run.
    fn command(&self, overlay: Option<&Overlay>) -> (Vec<Arg>, Option<(String, Origin)>) {
        if let Some(overlay) = overlay {
            let map = if overlay.exact { Map::From(overlay.span.start) } else { Map::Whole(overlay.span.clone()) };
            let origin = Origin { file: Arc::clone(&overlay.file), map };
            return (Vec::new(), Some((overlay.command.text.clone(), origin)));
        }
        match &self.image.cmd {
            Setting::Own(_, Form::Exec(words)) => (args(words, &self.image.file), None),
            Setting::Own(at, Form::Shell(word)) => {
                let text = (word.text.clone(), self.origin(*at));
                // Docker keeps the shell form as three words, so an ENTRYPOINT gets a shell too.
                let behind = !matches!(&self.image.entrypoint, Setting::Base)
                    && !matches!(&self.image.entrypoint, Setting::Own(_, Form::Exec(words)) if words.is_empty());
                if behind {
                    let file = &self.image.file;
                    let word = |text: &str| Arg {
                        text: text.into(),
                        file: Arc::clone(file),
                        span: word.span.clone(),
                        literal: true,
                    };
                    (vec![word("/bin/sh"), word("-c"), word(&text.0)], None)
                } else {
                    (Vec::new(), Some(text))
                }
            }
            Setting::Base | Setting::TakenAway(_) => (Vec::new(), None),
        }
    }

    /// A program with arguments: `first` are those of the `ENTRYPOINT`.
    fn arguments(&mut self, first: Vec<Arg>, rest: Vec<Arg>, depth: usize, entrypoint: bool) {
        let count = first.len();
        let args: Vec<Arg> = first.into_iter().chain(rest).collect();
        let command = Command {
            redirects: Vec::new(),
            file: args.last().map_or_else(|| Arc::clone(&self.image.file), |arg| Arc::clone(&arg.file)),
            args,
            script: None,
            sure: true,
            excused: false,
            after: Join::Sequence,
            exec: true,
            by_shell: false,
        };
        self.one(command, depth, entrypoint.then_some(count));
    }

    fn text(&mut self, text: &str, origin: &Origin, script: Option<&str>, depth: usize) {
        for command in of_text(text, origin, &mut self.run.values, script) {
            self.one(command, depth, None);
        }
    }

    /// Keeps a command, and follows it where it is a shell's text or a script. `entrypoint`: it begins with so many words
    /// of the image's own.
    fn one(&mut self, command: Command, depth: usize, entrypoint: Option<usize>) {
        self.seen += 1;
        if self.seen > MOST {
            self.run.unknown = true;
            return;
        }
        let (at, name) = command.program();
        let shell = ["sh", "bash", "ash", "dash"].contains(&name);
        let sourced = [".", "source"].contains(&name);
        let mut next = at;
        if shell || sourced {
            next += 1;
            while command.args.get(next).is_some_and(|arg| arg.text.starts_with('-')) {
                let text = &command.args[next].text;
                if shell && !text.starts_with("--") && text.ends_with('c') {
                    let inner = command.args.get(next + 1).cloned();
                    if let Some(inner) = inner.filter(|_| depth > 0 && command.sure) {
                        let map = if inner.span.len() >= inner.text.len()
                            && inner.file.text.get(inner.span.clone()) == Some(&inner.text)
                        {
                            Map::From(inner.span.start)
                        } else {
                            Map::Whole(inner.span.clone())
                        };
                        let origin = Origin { file: Arc::clone(&inner.file), map };
                        self.run.bash_text |= name == "bash";
                        self.text(&inner.text, &origin, command.script.as_deref(), depth - 1);
                        return;
                    }
                }
                next += 1;
            }
        }
        let file = command.args.get(next).cloned();
        let found = file.filter(|_| depth > 0 && command.sure).and_then(|file| Some((self.located(&file.text)?, file)));
        if let Some(((content, copied_by), file)) = found
            && (is_shell_script(&content.file.text) || ((shell || sourced) && !content.file.text.starts_with("#!")))
        {
            let passes_on = looks_at_arguments(&content.file.text);
            let known = self.run.scripts.iter().any(|script| script.content.path == content.path);
            let named = (file.file, file.span);
            let is_entrypoint = entrypoint.is_some_and(|count| next < count);
            let direct = !shell && !sourced;
            let script = Script { content, direct, entrypoint: is_entrypoint, passes_on, copied_by, named };
            let inner = if known { Vec::new() } else { of_script(&script.content, &mut self.run.values) };
            self.run.scripts.push(script);
            if known {
                return;
            }
            for one in inner {
                self.one(one, depth - 1, None);
            }
            if passes_on && command.args.len() > next + 1 {
                let args = command.args[next + 1..].to_vec();
                self.one(Command { args, ..command }, depth - 1, None);
            }
            return;
        }
        if depth > 0
            && command.sure
            && let Some((text, origin, path)) = self.package_script(&command, at)
        {
            self.run.commands.push(command);
            self.text(&text, &origin, Some(&path), depth - 1);
            return;
        }
        self.run.commands.push(command);
    }

    fn located(&mut self, path: &str) -> Option<(Content, usize)> {
        if let Some(known) = self.located.get(path) {
            return known.clone();
        }
        let found = locate(self.image, path);
        self.located.insert(path.to_owned(), found.clone());
        found
    }

    /// What `npm start` and the like run, where that was not followed yet: the script's text in package.json, and where
    /// that is.
    fn package_script(&mut self, command: &Command, at: usize) -> Option<(String, Origin, String)> {
        let manager = ["npm", "yarn", "pnpm", "bun"].contains(&command.name(at));
        let word = |at: usize| command.args.get(at).map_or("", |arg| arg.text.as_str());
        let script = match (manager, word(at + 1)) {
            (true, "run" | "run-script") => word(at + 2),
            (true, "start") => "start",
            _ => return None,
        };
        let folder = self.image.workdir.as_deref()?;
        if !self.packaged.insert((folder.to_owned(), script.to_owned())) {
            return None;
        }
        let (content, _) = locate(self.image, &format!("{folder}/package.json"))?;
        let json: serde_json::Value = serde_json::from_str(&content.file.text).ok()?;
        let text = json.get("scripts")?.get(script)?.as_str()?.to_owned();
        let scripts = content.file.text.find("\"scripts\"")?;
        let key = scripts + content.file.text[scripts..].find(&format!("\"{script}\""))?;
        let map = match content.file.text[key..].find(&text).filter(|_| !text.is_empty()) {
            Some(at) => Map::From(key + at),
            None => Map::Whole(key..key + script.len() + 2),
        };
        Some((text, Origin { file: Arc::clone(&content.file), map }, content.path))
    }
}

fn args(words: &[Word], file: &Arc<SourceFile>) -> Vec<Arg> {
    let arg =
        |word: &Word| Arg { text: word.text.clone(), file: Arc::clone(file), span: word.span.clone(), literal: true };
    words.iter().map(arg).collect()
}

/// A command of heroku.yml, cut into words for an `ENTRYPOINT`.
fn split(text: &str, origin: &Origin) -> Vec<Arg> {
    let words = shellwords_split(text).unwrap_or_default();
    let mut at = 0;
    let place = |word: String| {
        let found = text[at..].find(&word).map(|found| at + found..at + found + word.len());
        at = found.as_ref().map_or(at, |range| range.end);
        let span = origin.span(found.unwrap_or(0..text.len()));
        Arg { file: Arc::clone(&origin.file), span, text: word, literal: true }
    };
    words.into_iter().map(place).collect()
}

fn is_shell_script(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let program = first
        .strip_prefix("#!")
        .map(|rest| rest.trim().rsplit(['/', ' ']).find(|word| !word.starts_with('-')).unwrap_or_default());
    program.is_some_and(|program| ["sh", "bash", "ash", "dash"].contains(&program))
}

fn looks_at_arguments(text: &str) -> bool {
    let signs = ["$@", "${@", "$*", "${*", "$1", "${1", "$#", "shift", "getopts", "$0"];
    let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    code.into_iter().any(|line| signs.iter().any(|sign| line.contains(sign)))
}
