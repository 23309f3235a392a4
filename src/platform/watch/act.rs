//! What is done about a change.

use super::changes::{named, relevant};
use super::look::{Commands, Sync};
use super::{Base, IDLE, Image, InBackground, Surveyed, Watch, certain, facts_of, in_thread};
use crate::dyno::explain::count;
use crate::engine::{BuildPlan, Patch};
use crate::model::app::App;
use crate::model::image::{ImageFacts, ImageId};
use crate::model::process_type::ProcessType;
use crate::model::release::{ReleaseStatus, Slug};
use crate::platform::builds::{self, BuiltSlug};
use crate::platform::control::{ControlError, Renewal};
use crate::platform::deploy::Ground;
use crate::platform::error::PlatformError;
use crate::platform::project::Project;
use crate::platform::report::Reporter;
use crate::platform::slate::Slate;
use crate::platform::store::Synced;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};

impl Watch {
    /// Puts files on top of images, and restarts their dynos, but not before the burst is `over`. What the engine cannot
    /// do exactly is built instead.
    pub(super) async fn sync(
        &mut self,
        project: &Arc<Project>,
        now: Vec<Surveyed>,
        syncs: Vec<Sync>,
        over: Option<Instant>,
    ) {
        self.no_release_pending().await;
        let mut made: Vec<(usize, Arc<ImageFacts>, String)> = Vec::new();
        for sync in syncs {
            let label = now[sync.image].plan.label.clone();
            let Some(number) = self.images.iter().position(|image| image.plan == now[sync.image].plan) else {
                continue;
            };
            match self.put(number, &sync).await {
                Ok(facts) => {
                    let what = named(&sync.fresh);
                    let text = if now[sync.image].plan.native.is_some() {
                        format!("restarting {label}: {what} changed")
                    } else {
                        format!("synced {} into {label}: {what}", count(sync.fresh.len(), "file"))
                    };
                    made.push((number, facts, text));
                }
                Err(reason) => {
                    // The file may just be on its way to another name.
                    if !self.more_came(project, &now, over).await {
                        self.release(project, now, vec![(label, reason)]).await;
                    }
                    return;
                }
            }
        }
        // One restart does for all of it.
        if self.more_came(project, &now, over).await {
            return;
        }
        let heard = self.settle.due().is_some();
        let Some(deployed) = self.control.deployed() else { return };
        let mut images = BTreeMap::new();
        for (number, facts, _) in &made {
            let image = &self.images[*number];
            images.extend(image.types.iter().map(|name| (name.clone(), Arc::clone(facts))));
        }
        let synced: Vec<ImageId> = images.values().map(|facts| ImageId(facts.id.clone())).collect();
        if !self.control.refresh(deployed.release.version, &images, Renewal::Now) {
            self.settle.add(PathBuf::new(), Instant::now());
            return;
        }
        // The new dynos are on their way: a disk that is slow to write this down holds up nobody.
        self.remember(&synced, &images);
        self.acted(project, &now);
        if heard {
            self.settle.add(PathBuf::new(), Instant::now());
        }
        for (number, facts, text) in made {
            let image = &mut self.images[number];
            let is_base = image.base.as_ref().is_some_and(|base| base.image.id == facts.id);
            image.synced = (!is_base).then(|| ImageId(facts.id.clone()));
            self.say(text);
        }
        // Where nothing is built, there is nothing to catch up with.
        self.idle = (!project.engine.facts().native).then(|| Instant::now() + IDLE);
    }

    /// A release on its way has its turn first: what it runs is what files are put on.
    async fn no_release_pending(&self) {
        let mut changes = self.control.changes();
        let pending = || self.control.releases().0.last().is_some_and(|last| last.status == ReleaseStatus::Pending);
        while pending() && changes.changed().await.is_ok() {}
    }

    async fn put(&self, number: usize, sync: &Sync) -> Result<Arc<ImageFacts>, String> {
        let image = &self.images[number];
        let base = image.base.as_ref().ok_or("its image is not known")?;
        if sync.pieces.is_empty() && image.plan.native.is_none() {
            return Ok(Arc::clone(&base.image));
        }
        let patch = Patch {
            label: image.plan.label.clone(),
            repository: image.plan.repository.clone(),
            base: (*base.image).clone(),
            pieces: sync.pieces.clone(),
        };
        let facts = self.project.engine.patch(&patch).await;
        facts.map(Arc::new).map_err(|error| format!("files cannot be put on its image: {error}"))
    }

    /// Whether the files changed again before the burst was `over`, and are looked at again soon.
    async fn more_came(&mut self, project: &Project, now: &[Surveyed], over: Option<Instant>) -> bool {
        sleep_until(over.unwrap_or_else(Instant::now)).await;
        self.listen() && !self.settle.is_overdue(Instant::now()) && self.differs_from(project, now).await
    }

    async fn differs_from(&self, project: &Project, now: &[Surveyed]) -> bool {
        let Ok(later) = self.surveys(project).await else { return true };
        let pairs = now.iter().zip(&later);
        pairs.into_iter().any(|(one, other)| !relevant(one.survey.differences(&other.survey)).is_empty())
    }

    /// Writes down which images dynos run that no build made, so that they are not removed as replaced ones.
    pub(super) fn remember(&self, synced: &[ImageId], replaced: &BTreeMap<ProcessType, Arc<ImageFacts>>) {
        let others = self.images.iter().filter(|image| !replaced.contains_key(&image.types[0]));
        let mut kept = Synced::open(self.project.state.file("synced.json"));
        kept.value = synced.iter().cloned().chain(others.filter_map(|image| image.synced.clone())).collect();
        if let Err(error) = kept.save() {
            self.project.report.note(format!("an image that runs was not written down: {error}"));
        }
    }

    /// Releases another config.
    pub(super) async fn take_config(&mut self) {
        let outcome = match self.control.take_config().await {
            Ok(Some((_, outcome))) => outcome,
            Ok(None) => return,
            Err(ControlError::Platform(error)) => return self.failed(error),
            Err(error) => return self.project.report.note(error.to_string()),
        };
        if let Ok(Err(error)) = outcome.await {
            self.failed(error);
        }
    }

    /// Builds what must be built, and releases it with whatever else the files say.
    pub(super) async fn release(&mut self, project: &Arc<Project>, now: Vec<Surveyed>, reasons: Vec<(String, String)>) {
        if reasons.is_empty() {
            self.say("releasing: the process types or their commands changed");
        }
        for (label, reason) in &reasons {
            self.say(format!("rebuilding {label}: {reason}"));
        }
        if let Some(task) = self.background.take() {
            let built = task.await.unwrap_or(Err(PlatformError::Interrupted));
            self.take_built(built);
        }
        self.idle = None;
        let labels: BTreeSet<&str> = reasons.iter().map(|(label, _)| label.as_str()).collect();
        // A release is made of images that were built, and has all of them.
        let lacks = |image: &Image| image.synced.is_some() || image.base.is_none();
        let lacking: Vec<&BuildPlan> =
            self.images.iter().filter(|image| lacks(image)).map(|image| &image.plan).collect();
        let wanted = now.iter().filter(|one| labels.contains(one.plan.label.as_str()) || lacking.contains(&&one.plan));
        let wanted: BTreeSet<ProcessType> = wanted.flat_map(|one| one.types.clone()).collect();
        self.acted(project, &now);
        if let Err(error) = self.build_and_deploy(project, now, &wanted).await {
            self.failed(error);
        }
    }

    async fn build_and_deploy(
        &mut self,
        project: &Arc<Project>,
        now: Vec<Surveyed>,
        wanted: &BTreeSet<ProcessType>,
    ) -> Result<(), PlatformError> {
        let built = if wanted.is_empty() {
            BuiltSlug::default()
        } else {
            builds::build(project, wanted, &self.options.build).await?
        };
        let later = self.surveys(project).await?;
        let mut images = Vec::new();
        for Surveyed { types, plan, survey } in now {
            let place = self.images.iter().position(|image| image.plan == plan);
            let mut image = match place {
                Some(place) => self.images.swap_remove(place),
                None => Image { types: types.clone(), plan, seen: survey.clone(), base: None, synced: None },
            };
            image.types = types;
            if let Some(facts) = built.facts.get(&image.types[0]) {
                let after = later.iter().find(|one| one.plan == image.plan).map_or(&survey, |one| &one.survey);
                image.base = Some(Base { survey: certain(&survey, after), image: Arc::clone(facts) });
                image.synced = None;
            }
            images.push(image);
        }
        self.images = images;
        let deployed = self.deploy(project).await;
        self.expect_patches();
        deployed
    }

    async fn deploy(&mut self, project: &Arc<Project>) -> Result<(), PlatformError> {
        let Some(deployed) = self.control.deployed() else { return Err(PlatformError::Interrupted) };
        let facts = facts_of(&self.images);
        let slug: Slug = facts.iter().map(|(name, facts)| (name.clone(), ImageId(facts.id.clone()))).collect();
        if slug == deployed.slug && slug == deployed.release.slug && Commands::of(&project.app) == self.commands.0 {
            // The build came to what runs already. Of the files only the config can be new.
            self.take_config().await;
            return Ok(());
        }
        let running = running(&project.app, self.control.formation());
        let running: Vec<&ProcessType> = running.iter().collect();
        let slate = Slate::of_facts(&project.app, &facts, &running, self.options.launch)?;
        let ground = Ground { project: Arc::clone(project), ..deployed.ground.clone() };
        let (_, outcome) = self.control.deploy(ground, slug, slate)?;
        outcome.await.map_err(|_| PlatformError::Interrupted)??;
        self.commands.0 = Commands::of(&project.app);
        self.remember(&[], &facts);
        Ok(())
    }

    /// Begins to build what was synced, for whoever needs an image from a build. Nothing is said while it goes well.
    pub(super) fn build_in_background(&mut self) {
        self.idle = None;
        let synced = self.images.iter().filter(|image| image.synced.is_some());
        let plans: Vec<_> = synced.map(|image| (image.types.clone(), image.plan.clone())).collect();
        if plans.is_empty() {
            return;
        }
        let wanted: BTreeSet<ProcessType> = plans.iter().flat_map(|(types, _)| types.clone()).collect();
        let Some(deployed) = self.control.deployed() else { return };
        let project = Project { report: Reporter::new().0, ..(*deployed.ground.project).clone() };
        let options = self.options.build.clone();
        self.background = Some(tokio::spawn(async move {
            let before = in_thread(plans.clone()).await?;
            let built = builds::build(&project, &wanted, &options).await?;
            let after = in_thread(plans).await?;
            Ok((built, before.into_iter().zip(after).collect()))
        }));
    }

    /// What was built in the background is what the next restart uses, and what is put under the next sync.
    pub(super) fn take_built(&mut self, built: InBackground) {
        let (built, surveys) = match built {
            Ok(built) => built,
            Err(error) => return self.failed(error),
        };
        let mut images = BTreeMap::new();
        let mut said = Vec::new();
        for (before, after) in surveys {
            let found = self.images.iter_mut().find(|image| image.plan == before.plan);
            let (Some(image), Some(facts)) = (found, built.facts.get(&before.types[0])) else { continue };
            let survey = certain(&before.survey, &after.survey);
            if relevant(survey.differences(&image.seen)).is_empty() {
                image.synced = None;
                images.extend(image.types.iter().map(|name| (name.clone(), Arc::clone(facts))));
                said.push(format!(
                    "built {} in the background: {}",
                    image.plan.label,
                    ImageId(facts.id.clone()).short()
                ));
            } else {
                self.idle = Some(Instant::now() + IDLE);
            }
            image.base = Some(Base { survey, image: Arc::clone(facts) });
        }
        if let Some(deployed) = self.control.deployed().filter(|_| !images.is_empty()) {
            self.control.refresh(deployed.release.version, &images, Renewal::Later);
        }
        for text in said {
            self.say(text);
        }
        self.expect_patches();
    }
}

fn running(app: &App, formation: crate::model::formation::Formation) -> Vec<ProcessType> {
    let runs = formation.into_iter().filter(|(name, scale)| scale.quantity > 0 && app.processes.contains_key(name));
    runs.map(|(name, _)| name).collect()
}
