//! What the rules look at: the app, the images it deploys with their Dockerfiles read, and what each process type runs.

use super::bases::{BaseName, Default as BaseDefault, Known};
use super::command::Values;
use super::folder::{self, Folder, text_of};
use super::run::{Run, run};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::dockerfile::{self, Base, Dockerfile, Form, Instruction, LONGEST, Stage, Vars, expand};
use crate::manifest::Loaded;
use crate::model::app::{Build, CommandText};
use crate::model::process_type::ProcessType;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Everything.
pub struct Scene<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) images: Vec<Image>,
    pub(super) processes: Vec<Process>,
    /// heroku.yml and Procfile, where they are.
    pub(super) heroku_yml: Option<Arc<SourceFile>>,
    pub(super) procfile: Option<Arc<SourceFile>>,
    /// Dockerfiles that cannot be read.
    pub(super) unreadable: Vec<Diagnostic>,
}

/// An image that is deployed.
pub(super) struct Image {
    /// What it is built for.
    pub(super) types: Vec<ProcessType>,
    pub(super) build: Build,
    pub(super) file: Arc<SourceFile>,
    /// The text is not the file's: it is no UTF-8.
    pub(super) lossy: bool,
    pub(super) docker: Dockerfile,
    pub(super) stages: Vec<Stage>,
    /// Stages whose layers it has, first to last.
    pub(super) chain: Vec<usize>,
    pub(super) base: Option<BaseName>,
    pub(super) known: Option<Known>,
    /// `ARG` and `ENV` at its end.
    pub(super) vars: Vars,
    pub(super) cmd: Setting,
    pub(super) entrypoint: Setting,
    /// Absolute; `None` where nobody can tell.
    pub(super) workdir: Option<String>,
    pub(super) folder: Folder,
    /// By instruction: the folder that counts there.
    pub(super) workdirs: BTreeMap<usize, String>,
}

/// `CMD` or `ENTRYPOINT` of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    /// The base image's, whatever it is.
    Base,
    /// Of this instruction.
    Own(usize, Form),
    /// Taken away by the `ENTRYPOINT` at this instruction.
    TakenAway(usize),
}

/// A process type.
pub(super) struct Process {
    pub(super) name: ProcessType,
    /// Which of the scene's images.
    pub(super) image: usize,
    pub(super) command: Option<Overlay>,
    pub(super) run: Run,
}

/// A command of heroku.yml.
pub(super) struct Overlay {
    pub(super) command: CommandText,
    pub(super) file: Arc<SourceFile>,
    /// Where the text stands; its whole line where it stands there in other words.
    pub(super) span: Range<usize>,
    /// Whether `span` is the text itself.
    pub(super) exact: bool,
}

impl<'a> Scene<'a> {
    /// Reads what a loaded project deploys.
    pub(super) fn of(loaded: &'a Loaded) -> Self {
        let app = &loaded.app;
        let source =
            |name: &str| text_of(&app.root.join(name)).map(|text| Arc::new(SourceFile { name: name.to_owned(), text }));
        let (heroku_yml, procfile) = (source("heroku.yml"), source("Procfile"));
        let (images, processes, unreadable) = (Vec::new(), Vec::new(), Vec::new());
        let mut scene = Self { loaded, images, processes, heroku_yml, procfile, unreadable };
        let mut by_type = BTreeMap::new();
        for (name, build) in &app.builds {
            // What stands for an image where a Procfile is alone is no Dockerfile.
            if app.only_procfile || !scene.deploys(name) {
                continue;
            }
            if let Some(at) = scene.images.iter().position(|image| image.build == *build) {
                scene.images[at].types.push(name.clone());
                by_type.insert(name.clone(), at);
                continue;
            }
            match Image::read(&app.root, name, build) {
                Ok(image) => {
                    by_type.insert(name.clone(), scene.images.len());
                    scene.images.push(image);
                }
                // Several images can be made of one file.
                Err(why) if !scene.unreadable.contains(&why) => scene.unreadable.push(why),
                Err(_) => {}
            }
        }
        let release = app.release.iter().map(|one| (ProcessType::release(), &one.image, &one.command));
        let types = app.processes.iter().map(|(name, one)| (name.clone(), &one.image, &one.command));
        for (name, image, command) in types.chain(release) {
            let Some(image) = by_type.get(image).copied().filter(|_| name.is_release() || scene.deploys(&name)) else {
                continue;
            };
            let overlay = command.as_ref().and_then(|command| scene.overlay(command));
            // A type of the Procfile alone is none on Heroku.
            if command.is_some() && overlay.is_none() && !app.builds.contains_key(&name) {
                continue;
            }
            let command = overlay;
            let values = scene.images[image].values(&app.config);
            let run = run(&scene.images[image], &name, command.as_ref(), values);
            scene.processes.push(Process { name, image, command, run });
        }
        scene
    }

    /// Whether a type is deployed: everything that heroku.yml names; else what is meant to run beside web.
    fn deploys(&self, name: &ProcessType) -> bool {
        let app = &self.loaded.app;
        app.from_heroku_yml
            || name.is_web()
            || name.is_release()
            || name.as_str() == "worker"
            || app.formation.get(name).is_some_and(|scale| scale.quantity > 0)
    }

    /// Where a command of heroku.yml stands; `None` of the Procfile, which Heroku does not read beside images.
    fn overlay(&self, command: &CommandText) -> Option<Overlay> {
        let (name, line) = command.origin.split(' ').next()?.rsplit_once(':')?;
        let file = self.heroku_yml.as_ref().filter(|file| file.name == name)?;
        let line = crate::diagnostic::line_span(&file.text, line.parse().ok()?);
        let near = file.text.get(line.start..)?;
        let found = near.find(&command.text).filter(|at| near[..*at].matches('\n').count() < 4);
        let span = found.map_or(line.clone(), |at| line.start + at..line.start + at + command.text.len());
        Some(Overlay { command: command.clone(), file: Arc::clone(file), span, exact: found.is_some() })
    }

    /// The web process, where there is one.
    pub(super) fn web(&self) -> Option<(&Process, &Image)> {
        self.processes.iter().find(|one| one.name.is_web()).map(|one| (one, &self.images[one.image]))
    }

    /// Whether a type exists only because its image does, which others run on: a base of theirs.
    pub(super) fn is_base(&self, process: &Process) -> bool {
        let shared =
            |other: &&Process| other.name != process.name && other.image == process.image && other.command.is_some();
        !process.name.is_web() && process.command.is_none() && self.processes.iter().any(|other| shared(&other))
    }

    /// Process types with their images.
    pub(super) fn each(&self) -> impl Iterator<Item = (&Process, &Image)> {
        self.processes.iter().map(|one| (one, &self.images[one.image]))
    }
}

impl Image {
    fn read(project: &Path, name: &ProcessType, build: &Build) -> Result<Self, Diagnostic> {
        let shown = build.dockerfile.strip_prefix(project).unwrap_or(&build.dockerfile).display().to_string();
        let (text, whole) = folder::dockerfile(&build.dockerfile, &shown)?;
        let docker = dockerfile::read(&text);
        let given: Vars = build.args.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
        let stages = docker.stages(&given);
        let last = docker.target(&stages, build.target.as_deref());
        let (chain, base) = last.map_or((Vec::new(), Base::Unknown), |last| docker.chain(&stages, last));
        let base = match base {
            Base::Image(name) => Some(BaseName::of(&name)),
            Base::Unknown => None,
        };
        let known = base.as_ref().and_then(BaseName::known);
        let mut image = Self {
            types: vec![name.clone()],
            build: build.clone(),
            file: Arc::new(SourceFile { name: shown, text }),
            lossy: !whole,
            folder: Folder::open(project, &build.context, &build.dockerfile),
            stages,
            chain,
            workdir: known.filter(|_| base.as_ref().is_some_and(|base| at_root(&base.name))).map(|_| "/".to_owned()),
            base,
            known,
            vars: Vars::new(),
            cmd: Setting::Base,
            entrypoint: Setting::Base,
            workdirs: BTreeMap::new(),
            docker,
        };
        image.walk(&given);
        Ok(image)
    }

    /// Follows the instructions of its chain.
    fn walk(&mut self, given: &Vars) {
        let globals = self.docker.global_args(given);
        for stage in self.chain.clone() {
            let mut command_set = false;
            let start = self.stages[stage].range.start + 1;
            for at in start..self.stages[stage].range.end {
                let one = &self.docker.instructions[at];
                if let Some(folder) = &self.workdir {
                    self.workdirs.insert(at, folder.clone());
                }
                match one.keyword.as_str() {
                    "ARG" => {
                        for pair in one.pairs() {
                            let default =
                                pair.value.map(|value| expand(&value.text, &self.vars, self.docker.escape).ok());
                            let value = match (given.get(&pair.name.text), default) {
                                (Some(given), _) => given.clone(),
                                (None, Some(default)) => default,
                                (None, None) => globals.get(&pair.name.text).cloned().flatten(),
                            };
                            self.vars.insert(pair.name.text, value);
                        }
                    }
                    "ENV" => {
                        for pair in one.pairs() {
                            let value =
                                pair.value.and_then(|value| expand(&value.text, &self.vars, self.docker.escape).ok());
                            self.vars.insert(pair.name.text, value);
                        }
                    }
                    "WORKDIR" => {
                        let path = expand(&one.rest(), &self.vars, self.docker.escape).ok();
                        self.workdir = path.and_then(|path| absolute(&path, self.workdir.as_deref()));
                    }
                    "CMD" => {
                        self.cmd = Setting::Own(at, one.form());
                        command_set = true;
                    }
                    "ENTRYPOINT" => {
                        self.entrypoint = Setting::Own(at, one.form());
                        if !command_set {
                            self.cmd = Setting::TakenAway(at);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// Variables of the image that no config var replaces.
    fn values(&self, config: &crate::model::config_vars::ConfigVars) -> Values {
        let mut values = Values::new();
        for one in self.steps().map(|(_, one)| one).filter(|one| one.keyword == "ENV") {
            for pair in one.pairs() {
                let name = pair.name.text;
                if let Some(Some(value)) = self.vars.get(&name)
                    && config.get(&name).is_none()
                    && name != "PORT"
                {
                    values.insert(name, value.clone());
                }
            }
        }
        values
    }

    /// The instructions that make it, first to last, with their numbers; no `FROM`.
    pub(super) fn steps(&self) -> impl DoubleEndedIterator<Item = (usize, &Instruction)> {
        let stages = self.chain.iter().map(|stage| &self.stages[*stage]);
        stages.flat_map(|stage| (stage.range.start + 1..stage.range.end).map(|at| (at, &self.docker.instructions[at])))
    }

    /// The texts of all its `RUN`s.
    pub(super) fn runs(&self) -> impl Iterator<Item = String> {
        self.steps().filter(|(_, one)| one.keyword == "RUN").map(|(_, one)| self.whole(one))
    }

    /// An instruction with its here-documents.
    pub(super) fn whole(&self, one: &Instruction) -> String {
        let documents = one.heredocs.iter().map(|heredoc| &self.file.text[heredoc.span.clone()]);
        std::iter::once(one.whole()).chain(documents.map(str::to_owned)).collect::<Vec<_>>().join("\n")
    }

    /// Whether a word stands anywhere in the Dockerfile.
    pub(super) fn mentions(&self, word: &str) -> bool {
        self.docker.instructions.iter().any(|one| self.whole(one).contains(word))
    }

    /// Whether `httpd` is BusyBox's.
    pub(super) fn is_busybox(&self) -> bool {
        self.base.as_ref().is_some_and(|base| ["busybox", "alpine"].contains(&base.name.as_str()))
    }

    /// The server that the base image starts by itself.
    pub(super) fn base_server(&self) -> Option<&'static str> {
        match self.known?.default {
            BaseDefault::Server(name) => Some(name),
            _ => None,
        }
    }

    /// The `FROM` of its first stage.
    pub(super) fn from(&self) -> Option<&Stage> {
        self.chain.first().map(|stage| &self.stages[*stage])
    }
}

/// Images whose own `WORKDIR` is not set.
fn at_root(name: &str) -> bool {
    ["debian", "ubuntu", "alpine", "busybox", "python", "ruby", "node", "scratch", "elixir", "erlang", "buildpack-deps"]
        .contains(&name)
}

/// A path of the image as written in a folder, absolute and clean; not one that no system takes.
pub(super) fn absolute(path: &str, folder: Option<&str>) -> Option<String> {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", folder?) };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    Some(format!("/{}", parts.join("/"))).filter(|path| path.len() <= LONGEST)
}
