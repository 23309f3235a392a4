//! One look at the files: what they say, what differs, and what all of that asks for together.

use super::changes::{Looks, Verdict, relevant};
use super::{Image, Surveyed, Watch};
use crate::engine::Piece;
use crate::model::app::{App, Build, CommandText};
use crate::model::process_type::ProcessType;
use crate::platform::error::PlatformError;
use crate::platform::project::Project;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::time::Instant;

/// What process types run and how their images are made, without where that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commands {
    builds: BTreeMap<ProcessType, Build>,
    processes: BTreeMap<ProcessType, (ProcessType, Option<String>)>,
    release: Option<(ProcessType, Option<String>)>,
}

impl Commands {
    pub(super) fn of(app: &App) -> Self {
        let text = |command: &Option<CommandText>| command.as_ref().map(|command| command.text.clone());
        let processes = app.processes.iter();
        Self {
            builds: app.builds.clone(),
            processes: processes
                .map(|(name, spec)| (name.clone(), (spec.image.clone(), text(&spec.command))))
                .collect(),
            release: app.release.as_ref().map(|spec| (spec.image.clone(), text(&spec.command))),
        }
    }
}

/// Files for the image of this number.
pub(super) struct Sync {
    pub(super) image: usize,
    pub(super) pieces: Vec<Piece>,
    pub(super) fresh: Vec<String>,
}

/// What a look asks for.
pub(super) enum Turn {
    /// Nothing that runs depends on what changed.
    Nothing,
    /// Files on top of images.
    Sync(Vec<Sync>),
    /// Another config, nothing else.
    Config,
    /// A deploy: which images are built for what reason, by label.
    Release(Vec<(String, String)>),
}

impl Watch {
    /// Looks at everything, and acts. Of a glance nothing comes but a sync, which is ready when the burst is over.
    pub(super) async fn look(&mut self) {
        self.listen();
        let glance = self.settle.rest(Instant::now());
        let (project, now) = match (self.read_all().await, glance) {
            (Ok(found), _) => found,
            (Err(_), Some(over)) => return self.settle.wait(over),
            (Err(error), None) => return self.complain(error),
        };
        self.complaint = None;
        let more = self.cover(&project.app, &now);
        self.remark(&project.app);
        match (self.judge(&project.app, &now), glance) {
            (Turn::Config | Turn::Release(_), Some(over)) => self.settle.wait(over),
            (Turn::Nothing, _) => {
                self.acted(&project, &now);
            }
            (Turn::Sync(syncs), over) => self.sync(&project, now, syncs, over).await,
            (Turn::Config, None) => {
                self.acted(&project, &now);
                self.take_config().await;
            }
            (Turn::Release(builds), None) => self.release(&project, now, builds).await,
        }
        if more {
            // What is in a new folder may have come before the folder was watched.
            self.settle.add(PathBuf::new(), Instant::now());
        }
    }

    /// Takes in what was seen meanwhile. Whether anything was.
    pub(super) fn listen(&mut self) -> bool {
        let mut any = false;
        while let Ok(path) = self.events.try_recv() {
            self.settle.add(path, Instant::now());
            any = true;
        }
        any
    }

    /// What the files say, and what the build contexts hold.
    async fn read_all(&self) -> Result<(Arc<Project>, Vec<Surveyed>), PlatformError> {
        let app = self.read().await?;
        let project = Arc::new(Project { app, ..(*self.project).clone() });
        let now = self.surveys(&project).await?;
        Ok((project, now))
    }

    async fn read(&self) -> Result<App, PlatformError> {
        let reload = Arc::clone(&self.options.reload);
        let app = tokio::task::spawn_blocking(move || reload()).await;
        app.map_err(|error| PlatformError::io("read the project")(io::Error::other(error)))?
    }

    /// Says what is wrong with the files, once for each wrong.
    fn complain(&mut self, error: PlatformError) {
        self.settle.clear();
        let text = match &error {
            PlatformError::Project(findings) => {
                findings.iter().map(|finding| finding.render(false)).collect::<Vec<_>>().join("\n")
            }
            other => other.to_string(),
        };
        if self.complaint.as_ref() != Some(&text) {
            self.complaint = Some(text);
            self.failed(error);
        }
    }

    /// What a file says and a running app does not take from it.
    fn remark(&mut self, app: &App) {
        if self.project.app.formation != app.formation {
            let mut project = (*self.project).clone();
            project.app.formation.clone_from(&app.formation);
            self.project = Arc::new(project);
            self.project.report.note(
                "the formation of app.json counts when an app is made, not later: scale the running app with ps:scale",
            );
        }
    }

    fn judge(&self, app: &App, now: &[Surveyed]) -> Turn {
        let commands = Commands::of(app);
        let (mut builds, mut syncs) = (Vec::new(), Vec::new());
        for (number, one) in now.iter().enumerate() {
            match self.images.iter().find(|image| image.plan == one.plan && image.types == one.types) {
                None => builds.push((one.plan.label.clone(), "it is built in another way now".to_owned())),
                Some(image) => match self.verdict(image, one) {
                    Verdict::Same => {}
                    Verdict::Build(reason) => builds.push((one.plan.label.clone(), reason)),
                    Verdict::Sync { pieces, fresh } => syncs.push(Sync { image: number, pieces, fresh }),
                },
            }
        }
        // What was tried and failed is not tried again before something changes.
        let new = commands != self.commands.1;
        let pending = commands != self.commands.0;
        let config = app.config.plain() != self.control.config();
        if new || !builds.is_empty() || (!syncs.is_empty() && (pending || config)) {
            let of = |sync: &Sync| (now[sync.image].plan.label.clone(), "it is released with other changes".to_owned());
            builds.extend(syncs.iter().map(of));
            return Turn::Release(builds);
        }
        match (syncs.is_empty(), config) {
            (false, _) => Turn::Sync(syncs),
            (true, true) => Turn::Config,
            (true, false) => Turn::Nothing,
        }
    }

    fn verdict(&self, image: &Image, now: &Surveyed) -> Verdict {
        let Some(base) = &image.base else {
            let changed = !relevant(image.seen.differences(&now.survey)).is_empty();
            return if changed { Verdict::Build("its image is not known".into()) } else { Verdict::Same };
        };
        let dockerfile =
            image.plan.dockerfile.strip_prefix(&image.plan.context).ok().map(|path| path.to_string_lossy());
        let looks = Looks {
            context: &image.plan.context,
            native: image.plan.native.is_some(),
            dynos_write: &self.options.dynos_write,
            dockerfile: dockerfile.as_deref(),
            target: image.plan.target.as_deref(),
            built: &base.survey,
            image: &base.image,
            seen: &image.seen,
            now: &now.survey,
        };
        match looks.verdict() {
            Verdict::Sync { .. } if !self.runs_ours(image, base) => {
                Verdict::Build("the release that runs has another image".into())
            }
            verdict => verdict,
        }
    }

    /// Whether what runs is what we know: not after a rollback, or a release phase that failed.
    fn runs_ours(&self, image: &Image, base: &super::Base) -> bool {
        let Some(deployed) = self.control.deployed() else { return false };
        let running = deployed.slug.get(&image.types[0]);
        running.is_some_and(|id| id.0 == base.image.id || Some(id) == image.synced.as_ref())
    }

    /// Everything up to this look is done with.
    pub(super) fn acted(&mut self, project: &Project, now: &[Surveyed]) {
        self.settle.clear();
        self.commands.1 = Commands::of(&project.app);
        for image in &mut self.images {
            if let Some(found) = now.iter().find(|found| found.plan == image.plan) {
                image.seen = found.survey.clone();
            }
        }
    }
}
