//! Edits of the project reach the running app. A change is applied as what it is: files that the Dockerfile only copies
//! at its end go on top of the built image, in a blink; everything else is built and released as a deploy; config vars
//! are a release of their own; a file that cannot be read changes nothing.
//!
//! | file | is |
//! |---|---|
//! | `eyes` | which folders are watched; says that something may have changed |
//! | `settle` | when a burst of changes is over |
//! | `changes` | what a change means for an image (pure) |
//! | `look` | what all changes together ask for |
//! | `act` | sync, release, the build in the background |

mod act;
mod changes;
mod eyes;
mod look;
mod settle;
#[cfg(test)]
mod tests;

use super::builds::{self, BuildOptions, BuiltSlug};
use super::control::{Control, Reload};
use super::error::PlatformError;
use super::interrupt::Interrupt;
use super::project::Project;
use super::report::News;
use super::up::builds_wanted;
use crate::engine::BuildPlan;
use crate::engine::context::{Survey, survey};
use crate::manifest::Copies;
use crate::model::app::App;
use crate::model::image::{ImageFacts, ImageId};
use crate::model::launch::LaunchOptions;
use crate::model::log::Message;
use crate::model::process_type::ProcessType;
use eyes::{Eyes, SystemEyes};
use look::Commands;
use settle::Settle;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

/// Without the system's help, the files are looked at so often.
const POLL: Duration = Duration::from_secs(2);
/// The build in the background begins when nothing was synced for so long: the new dynos boot first.
const IDLE: Duration = Duration::from_secs(2);
/// How long the engine is left to dynos that start, before it is asked what a sync would need to know.
const ASIDE: Duration = Duration::from_secs(1);

/// What watching needs to know.
pub struct WatchOptions {
    /// How images are built.
    pub build: BuildOptions,
    /// How commands are formed.
    pub launch: LaunchOptions,
    /// Files outside the build contexts that the project is read from (`-e FILE`), absolute.
    pub files: Vec<PathBuf>,
    /// Places of the project that dynos themselves write to: what changes there is no edit.
    pub dynos_write: Vec<PathBuf>,
    /// Reads the project's files again.
    pub reload: Reload,
    /// Ends it.
    pub interrupt: Interrupt,
}

/// Watches the project from now on, until the interrupt. Changes count from this moment; they are applied once the app
/// is released. Must be called inside a tokio runtime.
pub fn begin(control: &Control, project: Arc<Project>, options: WatchOptions) {
    let (eyes, seen) = SystemEyes::open();
    start(control, project, options, Box::new(eyes), seen);
}

fn start(
    control: &Control,
    project: Arc<Project>,
    options: WatchOptions,
    eyes: Box<dyn Eyes>,
    events: mpsc::Receiver<PathBuf>,
) {
    let interrupt = options.interrupt.clone();
    let mut watch = Watch::new(control.clone(), project, options, eyes, events);
    watch.first_look();
    tokio::spawn(async move {
        tokio::select! {
            () = watch.run() => {}
            _ = interrupt.wanted() => {}
        }
    });
}

/// An image of the app, and what it was built of.
struct Image {
    types: Vec<ProcessType>,
    plan: BuildPlan,
    /// What was last acted on.
    seen: Survey,
    base: Option<Base>,
    /// What runs instead of the base, when files were put on it.
    synced: Option<ImageId>,
}

/// An image that a build made.
struct Base {
    survey: Survey,
    image: Arc<ImageFacts>,
}

/// What a build in the background came to: the images, and the contexts before and after it.
type InBackground = Result<(BuiltSlug, Vec<(Surveyed, Surveyed)>), PlatformError>;

/// A build and its context at one moment.
#[derive(Clone)]
struct Surveyed {
    types: Vec<ProcessType>,
    plan: BuildPlan,
    survey: Survey,
}

/// The watcher's task.
struct Watch {
    control: Control,
    project: Arc<Project>,
    options: WatchOptions,
    eyes: Box<dyn Eyes>,
    events: mpsc::Receiver<PathBuf>,
    settle: Settle,
    images: Vec<Image>,
    /// What process types run, as released and as last read.
    commands: (Commands, Commands),
    /// What was last said about files that cannot be read.
    complaint: Option<String>,
    background: Option<JoinHandle<InBackground>>,
    /// When a build in the background may begin.
    idle: Option<Instant>,
}

enum Wake {
    Seen(PathBuf),
    Look,
    Idle,
    Built(InBackground),
}

impl Watch {
    fn new(
        control: Control,
        project: Arc<Project>,
        options: WatchOptions,
        eyes: Box<dyn Eyes>,
        events: mpsc::Receiver<PathBuf>,
    ) -> Self {
        let commands = Commands::of(&project.app);
        Self {
            control,
            project,
            options,
            eyes,
            events,
            settle: Settle::default(),
            images: Vec::new(),
            commands: (commands.clone(), commands),
            complaint: None,
            background: None,
            idle: None,
        }
    }

    /// What there is before anything is built. Blocks for a moment.
    fn first_look(&mut self) {
        let project = Arc::clone(&self.project);
        // A context that cannot be read fails its build, which says so.
        let found = survey_all(&self.plans(&project)).unwrap_or_default();
        self.cover(&project.app, &found);
        let folders = self.folders(&project.app, &found).len();
        self.images = found
            .into_iter()
            .map(|Surveyed { types, plan, survey }| Image { types, plan, seen: survey, base: None, synced: None })
            .collect();
        let polling = self.eyes.is_blind();
        self.project.report.tell(News::Watching { folders, polling });
    }

    async fn run(mut self) {
        let mut changes = self.control.changes();
        while self.control.deployed().is_none() {
            if changes.changed().await.is_err() {
                return;
            }
        }
        self.adopt().await;
        self.look().await;
        loop {
            match self.wake().await {
                Wake::Seen(path) => self.settle.add(path, Instant::now()),
                Wake::Look => self.look().await,
                Wake::Idle => self.build_in_background(),
                Wake::Built(built) => self.take_built(built),
            }
        }
    }

    async fn wake(&mut self) -> Wake {
        let Self { events, settle, background, idle, eyes, .. } = self;
        let due = settle.due();
        let poll = eyes.is_blind();
        let idle = idle.filter(|_| background.is_none());
        tokio::select! {
            biased;
            Some(path) = events.recv() => Wake::Seen(path),
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Wake::Look,
            built = async { match background { Some(task) => task.await, None => std::future::pending().await } } => {
                self.background = None;
                Wake::Built(built.unwrap_or(Err(PlatformError::Interrupted)))
            }
            () = sleep_until(idle.unwrap_or_else(Instant::now)), if idle.is_some() => Wake::Idle,
            () = sleep(POLL), if poll => Wake::Look,
        }
    }

    /// Takes over what the first release of this run was built of.
    async fn adopt(&mut self) {
        let Some(deployed) = self.control.deployed() else { return };
        let project = Arc::clone(&self.project);
        let Ok(after) = self.surveys(&project).await else { return };
        for image in &mut self.images {
            let Some(later) = after.iter().find(|found| found.plan == image.plan) else { continue };
            let Some(id) = deployed.slug.get(&image.types[0]) else { continue };
            let Ok(Some(facts)) = project.engine.inspect(id).await else { continue };
            let survey = certain(&image.seen, &later.survey);
            image.base = Some(Base { survey, image: Arc::new(facts) });
        }
        // What an earlier run synced is of no use any more.
        self.remember(&[], &BTreeMap::new());
        self.expect_patches();
    }

    fn plans(&self, project: &Project) -> Vec<(Vec<ProcessType>, BuildPlan)> {
        let wanted = builds_wanted(&project.app, &self.control.formation());
        let groups = builds::groups(project, &wanted, &self.options.build);
        groups.into_iter().map(|group| (group.types, group.plan)).collect()
    }

    async fn surveys(&self, project: &Project) -> Result<Vec<Surveyed>, PlatformError> {
        in_thread(self.plans(project)).await
    }

    /// The folders that count: those of the contexts, and those of the project's own files.
    fn folders(&self, app: &App, found: &[Surveyed]) -> BTreeSet<PathBuf> {
        let mut folders: BTreeSet<PathBuf> = found.iter().flat_map(|one| one.survey.folders.clone()).collect();
        folders.retain(|folder| !folder.components().any(|part| part.as_os_str() == ".git"));
        folders.insert(app.root.clone());
        folders.extend(self.options.files.iter().filter_map(|file| file.parent().map(PathBuf::from)));
        folders
    }

    /// Watches what there is now. Whether more is watched than before.
    fn cover(&mut self, app: &App, found: &[Surveyed]) -> bool {
        let folders = self.folders(app, found);
        let more = self.eyes.cover(&folders);
        if let Some(finding) = self.eyes.blindness() {
            self.project.report.tell(News::Finding(finding));
        }
        more
    }

    /// Finds out what a sync would need to know, when everything else is done.
    fn expect_patches(&self) {
        for image in &self.images {
            let Some(base) = &image.base else { continue };
            let copies = Copies::read(&base.survey.dockerfile, image.plan.target.as_deref());
            let folders = copies.destinations(&base.image);
            let (engine, facts) = (Arc::clone(&self.project.engine), Arc::clone(&base.image));
            tokio::spawn(async move {
                // New dynos have the engine for themselves.
                sleep(ASIDE).await;
                engine.expect_patch(&facts, &folders).await;
            });
        }
    }

    /// An explanation in the log.
    fn say(&self, text: impl Into<String>) {
        if let Some(deployed) = self.control.deployed() {
            deployed.ground.logs.publish(&Message::watch(text));
        }
    }

    /// A change was not applied: why.
    fn failed(&self, error: PlatformError) {
        if !matches!(error, PlatformError::Interrupted) {
            self.project.report.tell(News::Failed(Arc::new(error)));
        }
    }
}

/// What an image has for certain that was built between two looks.
fn certain(before: &Survey, after: &Survey) -> Survey {
    before.clone().unsure_of(&before.differences(after), after)
}

fn survey_all(plans: &[(Vec<ProcessType>, BuildPlan)]) -> io::Result<Vec<Surveyed>> {
    let own = own_output();
    let one = |(types, plan): &(Vec<ProcessType>, BuildPlan)| {
        let mut survey = survey(plan)?;
        for path in own.iter().filter_map(|path| path.strip_prefix(&plan.context).ok()) {
            survey.entries.remove(&*path.to_string_lossy());
        }
        Ok(Surveyed { types: types.clone(), plan: plan.clone(), survey })
    };
    plans.iter().map(one).collect()
}

/// Files that this process writes its own output to, where the system tells: `up > up.log` in the project's folder must
/// not be taken for an edit, which would be told there, and so on for ever.
fn own_output() -> Vec<PathBuf> {
    let files = ["/proc/self/fd/1", "/proc/self/fd/2"].into_iter().filter_map(|fd| std::fs::read_link(fd).ok());
    files.filter(|path| path.is_file()).collect()
}

async fn in_thread(plans: Vec<(Vec<ProcessType>, BuildPlan)>) -> Result<Vec<Surveyed>, PlatformError> {
    let found = tokio::task::spawn_blocking(move || survey_all(&plans)).await;
    found.map_err(io::Error::other).and_then(|found| found).map_err(PlatformError::io("look at the build contexts"))
}

/// The images of a slate by the name they are built for, from what is known of all of them.
fn facts_of(images: &[Image]) -> BTreeMap<ProcessType, Arc<ImageFacts>> {
    let known = images.iter().filter_map(|image| Some((image, Arc::clone(&image.base.as_ref()?.image))));
    known.flat_map(|(image, facts)| image.types.iter().map(move |name| (name.clone(), Arc::clone(&facts)))).collect()
}
