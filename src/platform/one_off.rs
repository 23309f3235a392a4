//! One-off dynos: `run` in the same image and config as the app's (R1.6, R5.1).

use super::builds::{self, BuildOptions, BuiltSlug};
use super::control::Place;
use super::deploy::Ground;
use super::error::PlatformError;
use super::interrupt::Interrupt;
use super::project::Project;
use super::slate;
use super::store::{Images, Releases};
use crate::dyno::{Attachment, Dyno, DynoStatus, StopKind};
use crate::engine::{Console, Output, Signal};
use crate::model::app::{App, CommandText};
use crate::model::dyno::{DynoKind, DynoName, DynoSize};
use crate::model::image::ImageId;
use crate::model::launch::{LaunchOptions, one_off_command};
use crate::model::limits;
use crate::model::log::Message;
use crate::model::process_type::ProcessType;
use crate::model::release::{Release, ReleaseStatus, Version};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// What `run` was asked for.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The command's words; one word is a command line for the shell. A single word that names a process type means
    /// that type's command, as `heroku run web` does (R3). Empty: the image's own command.
    pub words: Vec<String>,
    /// Whose image: web unless told.
    pub process_type: ProcessType,
    /// The dyno's size.
    pub size: DynoSize,
    /// Config vars for this dyno alone.
    pub env: BTreeMap<String, String>,
    /// How it is connected.
    pub console: Console,
    /// How images are built, when none is there yet.
    pub build: BuildOptions,
    /// How the command is formed.
    pub launch: LaunchOptions,
    /// Whether the app runs now: then its release is used as it is.
    pub app_runs: bool,
}

/// What the client does besides typing, on its way to the dyno.
#[derive(Clone, Debug)]
pub enum ClientInput {
    /// The terminal's size: columns, rows.
    Size(u16, u16),
    /// A signal the client got.
    Signal(Signal),
}

/// A one-off dyno that runs.
pub struct OneOff {
    dyno: Dyno,
    /// What a list of dynos says of it.
    pub place: Place,
}

/// Starts the dyno; its output goes to `output` as it comes.
pub async fn start(
    ground: &Ground,
    options: &RunOptions,
    output: mpsc::Sender<Output>,
) -> Result<OneOff, PlatformError> {
    let project = &ground.project;
    let (built, mut release) = if options.app_runs {
        of_running(project, &options.process_type).await?
    } else {
        of_project(project, options).await?
    };
    project.engine.open_run(&ground.run).await?;
    release.config.extend(options.env.clone());
    let command = command_of(&project.app, &options.process_type, &options.words);
    let image = image_key(project, &options.process_type);
    let facts =
        built.facts.get(&image).ok_or_else(|| PlatformError::no_such_type(&project.app, &options.process_type))?;
    let runnable = slate::runnable(&ProcessType::run(), facts, command.as_ref(), options.launch)?;
    for note in &runnable.launch.notes {
        project.report.note(note.to_string());
    }
    let name = DynoName::new(ProcessType::run(), project.clock.random(limits::ONE_OFF_NUMBERS));
    ground.api(format!("Starting process with command `{}`", runnable.launch.command));
    ground.logs.publish(&Message::heroku(&name, "Awaiting client"));
    let mut plan = ground.plan(name, DynoKind::OneOff, options.size, &runnable, &release);
    plan.attachment = Attachment::Client(options.console, output);
    let dyno = Dyno::start(plan);
    Ok(OneOff { place: Place::of(&dyno, &release, &runnable, options.size), dyno })
}

impl OneOff {
    /// The dyno's standard input; an empty piece ends it.
    pub fn stdin(&self) -> mpsc::Sender<Bytes> {
        self.dyno.stdin()
    }

    /// What it is at, now and as that changes.
    pub fn status(&self) -> watch::Receiver<DynoStatus> {
        self.dyno.status()
    }

    /// Carries signals and sizes to the dyno until it ends; returns its status.
    pub async fn attend(self, mut input: mpsc::Receiver<ClientInput>, interrupt: &Interrupt) -> i32 {
        let mut status = self.dyno.status();
        let (mut open, mut stopped, mut killed) = (true, false, false);
        let exit = loop {
            tokio::select! {
                changed = status.changed() => {
                    let now = status.borrow_and_update().clone();
                    if now.ended || changed.is_err() {
                        break now.exit.map_or(1, |exit| exit.status);
                    }
                }
                given = input.recv(), if open => match given {
                    Some(ClientInput::Size(columns, rows)) => self.dyno.resize(columns, rows),
                    Some(ClientInput::Signal(signal)) => self.dyno.signal(signal),
                    None => open = false,
                },
                _ = interrupt.wanted(), if !stopped => {
                    stopped = true;
                    self.dyno.stop(StopKind::Down);
                }
                () = interrupt.forced(), if !killed => {
                    killed = true;
                    self.dyno.stop(StopKind::Down);
                    self.dyno.kill();
                }
            }
        };
        self.dyno.ended().await;
        exit
    }
}

/// The command: that of a process type which is named alone, else the words.
pub(super) fn command_of(app: &App, process_type: &ProcessType, words: &[String]) -> Option<CommandText> {
    if let [word] = words
        && let Ok(named) = ProcessType::new(word.clone())
        && let Some(spec) = app.processes.get(&named)
        && spec.command.is_some()
    {
        return spec.command.clone();
    }
    if words.is_empty() {
        return app.processes.get(process_type).and_then(|spec| spec.command.clone());
    }
    one_off_command(words)
}

fn image_key(project: &Project, process_type: &ProcessType) -> ProcessType {
    match project.app.processes.get(process_type) {
        Some(spec) => spec.image.clone(),
        // A Procfile alone is one slug, whatever its types are.
        None if project.app.only_procfile => project.app.builds.keys().next().unwrap_or(process_type).clone(),
        None => process_type.clone(),
    }
}

/// Image and config of the release that runs now.
async fn of_running(project: &Project, process_type: &ProcessType) -> Result<(BuiltSlug, Release), PlatformError> {
    let releases = Releases::open(&project.state).map_err(PlatformError::io("read the releases"))?;
    let release = releases.current().cloned().ok_or_else(|| PlatformError::Refused {
        process_type: process_type.clone(),
        reason: "the app runs, but it has no release yet".into(),
        help: "wait until its release phase has ended".into(),
    })?;
    let key = image_key(project, process_type);
    let id = release.slug.get(&key).ok_or_else(|| PlatformError::no_such_type(&project.app, process_type))?;
    let images = Images::open(project.state.file("images.json"));
    let facts = match images.value.get(&id.0) {
        Some(facts) => facts.clone(),
        None => project.engine.inspect(id).await?.ok_or_else(|| gone(id))?,
    };
    let mut built = BuiltSlug::default();
    built.slug.insert(key.clone(), id.clone());
    built.facts.insert(key, Arc::new(facts));
    Ok((built, release))
}

fn gone(id: &ImageId) -> PlatformError {
    PlatformError::Engine(crate::engine::EngineError::Operation {
        doing: format!("find image {}", id.short()),
        reason: "the release's image is gone from the engine; start the app again".into(),
    })
}

/// Image and config of the project's files, built when that is needed. No release is made.
async fn of_project(project: &Project, options: &RunOptions) -> Result<(BuiltSlug, Release), PlatformError> {
    let key = image_key(project, &options.process_type);
    if !project.app.builds.contains_key(&key) {
        return Err(PlatformError::no_such_type(&project.app, &options.process_type));
    }
    let built = builds::build(project, &BTreeSet::from([key]), &options.build).await?;
    let releases = Releases::open(&project.state).map_err(PlatformError::io("read the releases"))?;
    let release = Release {
        version: releases.current().map_or(Version(0), |release| release.version),
        description: "not released".into(),
        user: project.user.clone(),
        created_at: String::new(),
        slug: built.slug.clone(),
        config: project.app.config.plain(),
        status: ReleaseStatus::Succeeded,
        commands: None,
        release_dyno: None,
    };
    Ok((built, release))
}
