//! A Dockerfile read for what it says of the image itself: command, environment, folder. For an engine that builds no
//! images; what only a build could do is listed, not done.
//!
//! Paths of the image become paths of this machine where the context is copied to them: in `WORKDIR`, in commands, and
//! in `ENV` values, whole or between colons.

mod paths;
#[cfg(test)]
mod tests;
mod words;

use super::copies::{cut_at, instructions, is_foreign, stage_name, words as taken};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::dockerfile::Instruction;
use crate::model::bare::{Bare, Lands};
use crate::model::image::ImageFacts;
use paths::joined;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use words::{assignments, expanded, split};

/// What a file is read with.
pub struct Reading<'a> {
    /// The build context.
    pub context: &'a Path,
    /// Multi-stage target.
    pub target: Option<&'a str>,
    /// Build args.
    pub args: &'a BTreeMap<String, String>,
    /// `$PATH` of this machine, where the programs are.
    pub path: &'a str,
}

impl Reading<'_> {
    /// Of an app that has a Procfile only: the folder itself, and nothing else.
    pub fn procfile(&self, source: Arc<SourceFile>) -> Bare {
        let facts = ImageFacts { workdir: shown(self.context), env: self.base(), ..ImageFacts::default() };
        Bare { facts, source, line: 1, lands: Lands::default(), undone: Vec::new() }
    }

    /// Of a Dockerfile, or why it says nothing that could be run.
    pub fn dockerfile(&self, source: Arc<SourceFile>) -> Result<Bare, Box<Diagnostic>> {
        let unread = |reason: String| {
            let title = format!("{} cannot be run without building it: {reason}", source.name);
            let help = "give the process type a command in heroku.yml (`run`) or a Procfile, or use a container engine";
            Box::new(Diagnostic::error(title).help(help))
        };
        let mut steps = instructions(&source.text).map_err(unread)?;
        let stages = cut_at(&mut steps, self.target).map_err(unread)?;
        let last = *stages.last().ok_or_else(|| unread("it has no FROM".to_owned()))?;
        let file = Stages { steps: &steps, begins: &stages, lands: RefCell::default() };
        let mut image = Image::new(self, &file, steps[last].line);
        for step in file.chain(last) {
            image.take(step);
        }
        Ok(image.finish(source, &steps[..last]))
    }

    /// What a dyno's environment begins with.
    fn base(&self) -> Vec<(String, String)> {
        vec![("HOME".to_owned(), shown(self.context)), ("PATH".to_owned(), self.path.to_owned())]
    }
}

/// A Dockerfile's instructions, with where its stages begin.
struct Stages<'s> {
    steps: &'s [Instruction],
    /// Where each stage begins.
    begins: &'s [usize],
    /// What stages have of the context, once somebody has asked.
    lands: RefCell<BTreeMap<usize, Lands>>,
}

impl<'s> Stages<'s> {
    /// The instructions that make a stage: those of the stages that it builds upon first.
    fn chain(&self, from: usize) -> Vec<&'s Instruction> {
        let end = self.begins.iter().find(|at| **at > from).copied().unwrap_or(self.steps.len());
        let base = self.steps[from].rest();
        let base = base.split_whitespace().next().unwrap_or_default();
        let mut all = self.before(base, from).map(|at| self.chain(at)).unwrap_or_default();
        all.extend(&self.steps[from + 1..end]);
        all
    }

    /// Where the stage of this name or number begins, of those before a place.
    fn before(&self, name: &str, place: usize) -> Option<usize> {
        let named = |at: &usize| stage_name(&self.steps[*at]).is_some_and(|known| known.eq_ignore_ascii_case(name));
        let earlier = || self.begins.iter().copied().filter(|at| *at < place);
        let numbered = || self.begins.get(name.parse::<usize>().ok()?).copied().filter(|at| *at < place);
        earlier().rfind(named).or_else(numbered)
    }
}

/// An image as its instructions make it.
struct Image<'r> {
    reading: &'r Reading<'r>,
    file: &'r Stages<'r>,
    facts: ImageFacts,
    /// Variables of the build, which no dyno gets.
    args: BTreeMap<String, String>,
    shell: Vec<String>,
    lands: Lands,
    line: usize,
    runs: Vec<usize>,
    foreign: Vec<usize>,
}

impl<'r> Image<'r> {
    fn new(reading: &'r Reading<'r>, file: &'r Stages<'r>, from: usize) -> Self {
        Self {
            reading,
            file,
            facts: ImageFacts { workdir: "/".into(), env: reading.base(), ..ImageFacts::default() },
            args: BTreeMap::new(),
            shell: vec!["/bin/sh".into(), "-c".into()],
            lands: Lands::default(),
            line: from,
            runs: Vec::new(),
            foreign: Vec::new(),
        }
    }

    fn value(&self, name: &str) -> Option<String> {
        self.facts.env(name).map(str::to_owned).or_else(|| self.args.get(name).cloned())
    }

    fn take(&mut self, step: &Instruction) {
        let rest = step.rest();
        let rest = rest.as_str();
        match step.keyword.as_str() {
            "ENV" => {
                for (name, value) in assignments(rest, &|name| self.value(name)) {
                    self.facts.env.retain(|(other, _)| *other != name);
                    self.facts.env.push((name, value));
                }
            }
            "ARG" => {
                let (name, default) = rest.split_once('=').unwrap_or((rest, ""));
                let given = self.reading.args.get(name.trim()).cloned();
                let value = given.unwrap_or_else(|| split(default, &|name| self.value(name)).join(" "));
                self.args.insert(name.trim().to_owned(), value);
            }
            "WORKDIR" => {
                let path = expanded(rest.trim_matches(['"', '\'']), &|name| self.value(name));
                self.facts.workdir = joined(&self.facts.workdir, &path);
            }
            "COPY" | "ADD" if is_foreign(step) => {
                let known = self.take_from_stage(step);
                self.foreign.extend((!known).then_some(step.line));
            }
            "COPY" | "ADD" => {
                let words =
                    taken(step).map(|words| words.iter().map(|word| expanded(word, &|n| self.value(n))).collect());
                let context = self.reading.context;
                paths::copy(&mut self.lands, context, words.unwrap_or_default(), &self.facts.workdir);
            }
            "RUN" => self.runs.push(step.line),
            "CMD" => {
                self.facts.cmd = self.command(rest);
                self.line = if self.facts.entrypoint.is_empty() { step.line } else { self.line };
            }
            "ENTRYPOINT" => {
                self.facts.entrypoint = self.command(rest);
                self.facts.cmd.clear();
                self.line = step.line;
            }
            "SHELL" => self.shell = serde_json::from_str(rest).unwrap_or_else(|_| self.shell.clone()),
            "USER" => rest.clone_into(&mut self.facts.user),
            "HEALTHCHECK" => self.facts.healthcheck = !rest.eq_ignore_ascii_case("none"),
            "STOPSIGNAL" => self.facts.stop_signal = Some(rest.to_owned()),
            "EXPOSE" => self.facts.exposed.extend(rest.split_whitespace().map(str::to_owned)),
            "VOLUME" => {
                let words = serde_json::from_str(rest).ok();
                let plain = || rest.split_whitespace().map(str::to_owned).collect();
                self.facts.volumes.extend::<Vec<String>>(words.unwrap_or_else(plain));
            }
            _ => {}
        }
    }

    /// What an earlier stage has from the context is of the context here too. Whether that was all there is to it.
    fn take_from_stage(&mut self, step: &Instruction) -> bool {
        let place = self.file.steps.iter().position(|other| other.line == step.line).unwrap_or(0);
        let stage = step.flag("from").and_then(|flag| self.file.before(&flag.value, place));
        let (Some(stage), Some(mut words)) = (stage, taken(step)) else { return false };
        let earlier = self.of_stage(stage);
        let target = words.pop().unwrap_or_default();
        let target = joined(&self.facts.workdir, &expanded(&target, &|name| self.value(name)));
        let found: Vec<String> = words.iter().filter_map(|word| earlier.here(&joined("/", word))).collect();
        let folders = found.iter().filter(|path| Path::new(path).is_dir());
        for folder in folders.clone() {
            self.lands.add(target.clone(), folder.into());
        }
        folders.count() == words.len()
    }

    /// What a stage has of the context.
    fn of_stage(&self, stage: usize) -> Lands {
        if let Some(known) = self.file.lands.borrow().get(&stage) {
            return known.clone();
        }
        let mut image = Image::new(self.reading, self.file, 0);
        for step in self.file.chain(stage) {
            image.take(step);
        }
        self.file.lands.borrow_mut().insert(stage, image.lands.clone());
        image.lands
    }

    /// Exec form as it stands, shell form behind the shell.
    fn command(&self, rest: &str) -> Vec<String> {
        let exec: Option<Vec<String>> = serde_json::from_str(rest).ok();
        exec.unwrap_or_else(|| self.shell.iter().cloned().chain([rest.to_owned()]).collect())
    }

    fn finish(mut self, source: Arc<SourceFile>, before: &[Instruction]) -> Bare {
        let lands = &self.lands;
        let here = |words: &mut Vec<String>| {
            if let Some(program) = words.first_mut() {
                *program = lands.program(program).unwrap_or_else(|| program.clone());
            }
            for word in words.iter_mut() {
                *word = lands.here(word).unwrap_or_else(|| lands.here_in_line(word));
            }
        };
        here(&mut self.facts.cmd);
        here(&mut self.facts.entrypoint);
        for (name, value) in &mut self.facts.env {
            // Those of this machine are of this machine.
            let own: Vec<&str> = if name == "PATH" { self.reading.path.split(':').collect() } else { Vec::new() };
            if name != "HOME" || !Path::new(value.as_str()).starts_with(self.reading.context) {
                *value = lands.here_in_list(value, &own);
            }
        }
        let here = lands.here(&self.facts.workdir).filter(|path| Path::new(path).is_dir());
        self.facts.workdir = here.unwrap_or_else(|| shown(self.reading.context));
        let undone = undone(&source.name, &self.runs, &self.foreign, before);
        Bare { facts: self.facts, source, line: self.line, lands: self.lands, undone }
    }
}

/// What a build would have done.
fn undone(file: &str, runs: &[usize], foreign: &[usize], before: &[Instruction]) -> Vec<String> {
    let lines = |lines: &[usize]| {
        let shown: Vec<String> = lines.iter().map(ToString::to_string).collect();
        format!("{file}:{}", shown.join(", "))
    };
    let mut undone = Vec::new();
    let early: Vec<usize> = before.iter().filter(|step| step.keyword == "RUN").map(|step| step.line).collect();
    let runs: Vec<usize> = early.into_iter().chain(runs.iter().copied()).collect();
    let mut sorted = runs;
    sorted.sort_unstable();
    sorted.dedup();
    if !sorted.is_empty() {
        undone.push(format!("RUN ({}) is not carried out: what it installs must be on this machine", lines(&sorted)));
    }
    if !foreign.is_empty() {
        undone.push(format!("what is copied from other images or the net ({}) is not there", lines(foreign)));
    }
    undone
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
