//! Releases: each change that makes one gets its number and is written down before anybody is told; then it waits for
//! its turn, runs its release command, and only then its dynos boot (R9).

use super::{Control, ControlError, Deployed};
use crate::model::app::App;
use crate::model::formation::Formation;
use crate::model::image::ImageId;
use crate::model::process_type::ProcessType;
use crate::model::release::{Release, ReleaseStatus, Slug, Version};
use crate::platform::PlatformError;
use crate::platform::builds::BuildOptions;
use crate::platform::deploy::{self, Ground};
use crate::platform::env;
use crate::platform::interrupt::Interrupt;
use crate::platform::slate::Slate;
use crate::platform::store::{Images, Releases, Scaled};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Reads the project's files again.
pub type Reload = Arc<dyn Fn() -> Result<App, PlatformError> + Send + Sync>;

/// How a release came out.
pub type Outcome = oneshot::Receiver<Result<Release, PlatformError>>;

/// A release that waits for its turn.
pub(super) struct Job {
    deployed: Deployed,
    done: oneshot::Sender<Result<Release, PlatformError>>,
}

/// Where releases are made.
pub(super) struct Desk {
    ground: Ground,
    releases: Mutex<Releases>,
    queue: mpsc::UnboundedSender<Job>,
    pub(super) reload: Reload,
    pub(super) build: BuildOptions,
    /// One change of the config at a time: files are read, written and read again.
    turn: tokio::sync::Mutex<()>,
}

impl Desk {
    pub(super) fn open(
        ground: Ground,
        releases: Releases,
        reload: Reload,
        build: BuildOptions,
    ) -> (Self, mpsc::UnboundedReceiver<Job>) {
        let (queue, jobs) = mpsc::unbounded_channel();
        (
            Self { ground, releases: Mutex::new(releases), queue, reload, build, turn: tokio::sync::Mutex::default() },
            jobs,
        )
    }

    fn releases(&self) -> MutexGuard<'_, Releases> {
        self.releases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest release that dynos run or will run: one that has not failed.
    pub(super) fn newest_to_run(&self) -> Option<Version> {
        let to_run = |release: &&Release| matches!(release.status, ReleaseStatus::Pending | ReleaseStatus::Succeeded);
        self.releases().iter().filter(to_run).last().map(|release| release.version)
    }

    /// The config vars that the first release of this run will have.
    pub(super) fn first_config(&self) -> BTreeMap<String, String> {
        self.ground.project.app.config.plain()
    }

    /// The process types that the first release of this run will have.
    pub(super) fn first_types(&self) -> Vec<ProcessType> {
        self.ground.project.app.processes.keys().cloned().collect()
    }

    /// What the project's files say now.
    pub(super) async fn read(&self) -> Result<App, PlatformError> {
        let reload = Arc::clone(&self.reload);
        let app = tokio::task::spawn_blocking(move || reload()).await;
        app.map_err(|error| PlatformError::io("read the project")(io::Error::other(error)))?
    }

    fn write_env(&self, changes: &env::Changes, wanted: &env::Vars) -> Result<App, ControlError> {
        env::write(&self.ground.project.app.root, &self.reload, changes, wanted)
    }

    /// Writes a line as the API does.
    pub(super) fn api(&self, text: impl AsRef<str>) {
        self.ground.api(text);
    }

    /// Keeps what `ps:scale` asked for, for the next run.
    pub(super) fn keep_scale(&self, changed: &Formation) -> io::Result<()> {
        let mut scaled = Scaled::open(self.ground.project.state.file("scaled.json"));
        for (name, scale) in changed {
            scaled.value.insert(name.to_string(), (scale.quantity, scale.size.name.to_owned()));
        }
        scaled.save()
    }

    /// Numbers a release, writes it down and queues it. Numbers and turns are in one order.
    fn enter(
        &self,
        ground: Ground,
        slug: Slug,
        slate: Slate,
        description: String,
        config: BTreeMap<String, String>,
    ) -> Result<(Release, Outcome), PlatformError> {
        let mut releases = self.releases();
        let release = deploy::enter(&ground, &mut releases, slug.clone(), &slate, description, config)?;
        let (done, outcome) = oneshot::channel();
        let _ = self.queue.send(Job { deployed: Deployed { ground, slate, release: release.clone(), slug }, done });
        Ok((release, outcome))
    }
}

/// Makes releases, one after the other, until the last hand on the app is gone.
pub(super) fn work(control: Control, mut queue: mpsc::UnboundedReceiver<Job>, interrupt: Interrupt) {
    let inner = Arc::downgrade(&control.0);
    drop(control);
    tokio::spawn(async move {
        while let Some(Job { mut deployed, done }) = queue.recv().await {
            let began = Instant::now();
            let list = |dyno, place| {
                if let Some(inner) = inner.upgrade() {
                    inner.list_release(dyno, place);
                }
            };
            let outcome = deploy::carry_out(&deployed, &interrupt, list).await;
            let phase = deployed.slate.release.is_some().then(|| began.elapsed());
            let Some(inner) = inner.upgrade() else { return };
            let status = if outcome.is_ok() { ReleaseStatus::Succeeded } else { ReleaseStatus::Failed };
            let outcome = inner.desk.close(&mut deployed, status).and(outcome);
            let release = deployed.release.clone();
            if outcome.is_ok() {
                deploy::announce(&deployed.ground, &release, phase);
                inner.install(deployed);
            }
            inner.tell();
            let _ = done.send(outcome.map(|()| release));
        }
    });
}

impl Desk {
    fn close(&self, deployed: &mut Deployed, status: ReleaseStatus) -> Result<(), PlatformError> {
        if deployed.release.status == status {
            return Ok(());
        }
        deployed.release.status = status;
        let doing = format!("write release {}", deployed.release.version);
        self.releases().put(deployed.release.clone()).map_err(PlatformError::io(doing))
    }
}

impl Control {
    /// Every release, oldest first, and the version that dynos run.
    pub fn releases(&self) -> (Vec<Release>, Option<Version>) {
        let all: Vec<Release> = self.0.desk.releases().iter().cloned().collect();
        let current = self.deployed().map(|deployed| deployed.release.version);
        let current = current.or_else(|| self.0.desk.releases().current().map(|release| release.version));
        (all, current)
    }

    /// The config vars of the newest release; of the files, before there is one.
    pub fn config(&self) -> BTreeMap<String, String> {
        let newest = self.0.desk.releases().iter().last().cloned();
        newest.map_or_else(|| self.0.desk.first_config(), |release| release.config)
    }

    /// Releases what was built (R6.2). The outcome tells when its release phase is over.
    pub fn deploy(&self, ground: Ground, slug: Slug, slate: Slate) -> Result<(Release, Outcome), PlatformError> {
        let description = deploy::describe(&slug);
        let config = ground.project.app.config.plain();
        let entered = self.0.desk.enter(ground, slug, slate, description, config)?;
        self.0.tell();
        Ok(entered)
    }

    /// What runs, if a change can go on from there.
    fn released(&self) -> Result<Arc<Deployed>, ControlError> {
        let board = self.0.board();
        if board.closing {
            return Err(ControlError::Closing);
        }
        board.deployed.clone().ok_or(ControlError::NotReleased)
    }

    /// Sets (`Some`) and unsets (`None`) config vars: in `.env`, and as one release. Nothing happens when that changes
    /// nothing.
    pub async fn set_config(
        &self,
        changes: BTreeMap<String, Option<String>>,
    ) -> Result<Option<(Release, Outcome)>, ControlError> {
        let _turn = self.0.desk.turn.lock().await;
        env::check(&changes)?;
        let current = self.released()?;
        let before = self.config();
        let wanted = env::applied(&before, &changes);
        if wanted == before {
            return Ok(None);
        }
        let app = self.0.desk.write_env(&changes, &wanted)?;
        self.reconfigure(&current, app, &before).map(Some)
    }

    /// Takes over what the files say of the config, as one release, when that is not what the newest release has.
    /// A change that [`Control::set_config`] wrote is no news.
    pub async fn take_config(&self) -> Result<Option<(Release, Outcome)>, ControlError> {
        let _turn = self.0.desk.turn.lock().await;
        let current = self.deployed().ok_or(ControlError::NotReleased)?;
        let app = self.0.desk.read().await?;
        let before = self.config();
        if app.config.plain() == before {
            return Ok(None);
        }
        self.reconfigure(&current, app, &before).map(Some)
    }

    /// The release of another config: everything else is as it runs now.
    fn reconfigure(
        &self,
        current: &Deployed,
        app: App,
        before: &BTreeMap<String, String>,
    ) -> Result<(Release, Outcome), ControlError> {
        let wanted = app.config.plain();
        // Of the files that were read again only the config is meant; the rest of them comes with a build.
        let mut project = (*current.ground.project).clone();
        project.app.config = app.config;
        let ground = Ground { project: Arc::new(project), ..current.ground.clone() };
        let slug = current.slug.clone();
        let entered = self.0.desk.enter(ground, slug, current.slate.clone(), said(before, &wanted), wanted)?;
        self.0.tell();
        Ok(entered)
    }

    /// Goes back to a release, or to the one before the current: its images, commands and config come back as a new
    /// release, `.env` too (R9).
    pub async fn rollback(&self, to: Option<Version>) -> Result<(Version, Release, Outcome), ControlError> {
        let _turn = self.0.desk.turn.lock().await;
        let current = self.released()?;
        let target = self.target(to, current.release.version)?;
        let slate = self.slate_of(&current, &target).await?;
        let before = self.config();
        let mut changes: BTreeMap<String, Option<String>> = BTreeMap::new();
        for name in before.keys().chain(target.config.keys()) {
            let value = target.config.get(name).cloned();
            if before.get(name) != value.as_ref() {
                changes.insert(name.clone(), value);
            }
        }
        let mut project = (*current.ground.project).clone();
        if !changes.is_empty() {
            project.app.config = self.0.desk.write_env(&changes, &target.config)?.config;
        }
        let description = format!("Rollback to {}", target.version);
        let ground = Ground { project: Arc::new(project), ..current.ground.clone() };
        let entered = self.0.desk.enter(ground, target.slug.clone(), slate, description, target.config.clone())?;
        self.0.tell();
        Ok((target.version, entered.0, entered.1))
    }

    fn target(&self, to: Option<Version>, current: Version) -> Result<Release, ControlError> {
        let releases = self.0.desk.releases();
        let Some(version) = to else {
            let before = releases.iter().filter(|release| release.version < current && release.is_eligible()).last();
            let app = &self.0.app;
            return before.cloned().ok_or_else(|| ControlError::NothingToRollBackTo(app.clone()));
        };
        let release = releases.iter().find(|release| release.version == version);
        let release = release.ok_or(ControlError::NoSuchRelease(version))?;
        if release.is_eligible() { Ok(release.clone()) } else { Err(ControlError::NotEligible(version)) }
    }

    /// What a past release ran, from its images as they are still there.
    async fn slate_of(&self, current: &Deployed, target: &Release) -> Result<Slate, ControlError> {
        let project = &current.ground.project;
        let images = Images::open(project.state.file("images.json"));
        let mut facts = BTreeMap::new();
        for (process_type, image) in &target.slug {
            let found = match images.value.get(&image.0) {
                Some(facts) if project.engine.exists(image).await.map_err(PlatformError::from)? => Some(facts.clone()),
                _ => project.engine.inspect(image).await.map_err(PlatformError::from)?,
            };
            let gone = || ControlError::ImageGone { version: target.version, process_type: process_type.clone() };
            facts.insert(process_type.clone(), Arc::new(found.ok_or_else(gone)?));
        }
        let mut app = project.app.clone();
        if let Some(commands) = &target.commands {
            app.processes.clone_from(&commands.processes);
            app.release.clone_from(&commands.release);
        }
        let running = self.running_types();
        let running: Vec<&ProcessType> = running.iter().collect();
        Ok(Slate::of_facts(&app, &facts, &running, current.slate.launch)?)
    }

    fn running_types(&self) -> Vec<ProcessType> {
        let formation = self.0.board().formation.clone();
        formation.into_iter().filter(|(_, scale)| scale.quantity > 0).map(|(name, _)| name).collect()
    }
}

/// `Set A, B config vars and Remove C config vars` (R9).
fn said(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> String {
    let (mut set, mut removed) = (Vec::new(), Vec::new());
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        match (before.get(name), after.get(name)) {
            (before, Some(value)) if before != Some(value) => set.push(name.as_str()),
            (Some(_), None) => removed.push(name.as_str()),
            _ => {}
        }
    }
    let said = [("Set", set), ("Remove", removed)];
    let said = said.iter().filter(|(_, names)| !names.is_empty());
    said.map(|(verb, names)| format!("{verb} {} config vars", names.join(", "))).collect::<Vec<_>>().join(" and ")
}

/// Images that a rollback may need: those of the newest releases that could be gone back to.
pub(in crate::platform) fn images_kept(releases: &Releases, count: usize) -> Vec<ImageId> {
    let all: Vec<&Release> = releases.iter().filter(|release| release.is_eligible()).collect();
    all.iter().rev().take(count).flat_map(|release| release.slug.values().cloned()).collect()
}
