//! From Dockerfiles to a slug: one build for each distinct set of inputs, none where nothing changed.

use super::control::images_kept;
use super::error::PlatformError;
use super::native;
use super::project::Project;
use super::report::News;
use super::state::StateDir;
use super::store::{Builds, Built, Given, Images, Releases, Synced};
use super::tested::Ledger;
use crate::engine::context::fingerprint;
use crate::engine::{BuildEvent, BuildPlan, Engine, EngineError};
use crate::model::app::Build;
use crate::model::image::{ImageFacts, ImageId};
use crate::model::process_type::ProcessType;
use crate::model::release::Slug;
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Releases whose images are kept for a rollback.
const RELEASES_KEPT: usize = 10;

/// The images of an app and what they say about themselves.
#[derive(Clone, Debug, Default)]
pub struct BuiltSlug {
    /// By process type.
    pub slug: Slug,
    /// By process type.
    pub facts: BTreeMap<ProcessType, Arc<ImageFacts>>,
    /// Hash of what went into each, by process type; empty where it changed during the build.
    pub inputs: BTreeMap<ProcessType, String>,
}

/// One build that serves one or more process types.
pub(super) struct Group {
    pub(super) types: Vec<ProcessType>,
    pub(super) plan: BuildPlan,
    /// Names of build args that the command line gave.
    given: BTreeSet<String>,
}

struct Outcome {
    types: Vec<ProcessType>,
    built: Built,
    facts: ImageFacts,
}

/// How a project is built.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// `linux/amd64` unless told otherwise.
    pub platform: String,
    /// Build every step anew, whatever is known.
    pub no_cache: bool,
}

/// Builds what `wanted` names, in parallel, and forgets images that were replaced.
pub async fn build(
    project: &Project,
    wanted: &BTreeSet<ProcessType>,
    options: &BuildOptions,
) -> Result<BuiltSlug, PlatformError> {
    if project.engine.facts().native {
        native::refuse_unfit(&project.app, wanted)?;
    }
    let waiting = || project.report.note("another command of this app builds; waiting for it");
    let _turn = project.state.turn_to_build(waiting).await.map_err(PlatformError::io("wait for the turn to build"))?;
    let mut known = Builds::open(project.state.file("builds.json"));
    let mut images = Images::open(project.state.file("images.json"));
    let groups = groups(project, wanted, options);
    let outcomes =
        join_all(groups.into_iter().map(|group| one(project, group, &known, &images, options.no_cache))).await;
    let mut slug = BuiltSlug::default();
    let mut failed = None;
    for outcome in outcomes {
        match outcome {
            Ok(outcome) => keep(outcome, &mut slug, &mut known, &mut images),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    // What was built is kept even when another image failed: the next try need not build it again.
    let current = used(&project.state, &known)?;
    images.value.retain(|id, _| current.iter().any(|image| image.0 == *id));
    let saved = known.save().and_then(|()| images.save()).map_err(PlatformError::io("remember the builds"));
    // A build that failed is what the user must mend; a record that was not kept only costs the next build time.
    if let Some(error) = failed {
        return Err(error);
    }
    saved?;
    if let Err(error) = project.engine.prune_images(&project.repository(), &current).await {
        project.report.note(format!("replaced images were not removed: {error}"));
    }
    Ok(slug)
}

/// Images that must stay: what was last built, what a rollback may need, and what has a version.
pub fn used(state: &StateDir, known: &Builds) -> Result<Vec<ImageId>, PlatformError> {
    let releases = Releases::open(state).map_err(PlatformError::io("read the releases"))?;
    let mut images: Vec<ImageId> = known.value.values().map(|built| built.image.clone()).collect();
    images.extend(Synced::open(state.file("synced.json")).value);
    images.extend(images_kept(&releases, RELEASES_KEPT));
    let ledger = Ledger::open(state).map_err(PlatformError::io("read the ledger of tested images"))?;
    images.extend(ledger.versioned_images());
    Ok(images)
}

/// The builds of what `wanted` names.
pub(super) fn groups(project: &Project, wanted: &BTreeSet<ProcessType>, options: &BuildOptions) -> Vec<Group> {
    let mut groups: Vec<(Vec<ProcessType>, &Build)> = Vec::new();
    for (process_type, build) in &project.app.builds {
        if !wanted.contains(process_type) {
            continue;
        }
        match groups.iter_mut().find(|(_, other)| *other == build) {
            Some((types, _)) => types.push(process_type.clone()),
            None => groups.push((vec![process_type.clone()], build)),
        }
    }
    groups
        .into_iter()
        .map(|(types, build)| {
            let names: Vec<&str> = types.iter().map(ProcessType::as_str).collect();
            let plan = BuildPlan {
                label: names.join(", "),
                repository: format!("{}/{}", project.repository(), types[0].as_str().to_ascii_lowercase()),
                dockerfile: build.dockerfile.clone(),
                context: build.context.clone(),
                target: build.target.clone(),
                args: build.args.clone(),
                platform: options.platform.clone(),
                no_cache: options.no_cache,
                native: build.native.as_ref().and_then(|native| Some(native.as_ref().ok()?.facts.clone())),
            };
            Group { types, plan, given: build.given.clone() }
        })
        .collect()
}

/// The types whose sources are not what their newest build was made of; what the command line gave that build counts as
/// unchanged.
pub(super) async fn changed_since(
    project: &Project,
    types: &BTreeSet<ProcessType>,
    known: &Builds,
    options: &BuildOptions,
) -> Result<Vec<ProcessType>, PlatformError> {
    let mut changed = Vec::new();
    for Group { types, plan, .. } in groups(project, types, options) {
        for process_type in types {
            let Some(built) = known.value.get(process_type.as_str()) else { continue };
            let same = match &built.given {
                None => inputs_of(&plan).await? == built.inputs,
                Some(given) => {
                    let context = given.context.clone().unwrap_or_else(|| plan.context.clone());
                    let plan = BuildPlan { context, ..plan.clone() };
                    sources_of(&plan, &given.args).await.is_ok_and(|sources| sources == given.sources)
                }
            };
            if !same {
                changed.push(process_type);
            }
        }
    }
    Ok(changed)
}

/// What the command line gave to a build, if it gave anything.
async fn given(plan: &BuildPlan, args: BTreeSet<String>) -> Result<Option<Given>, PlatformError> {
    let context = Some(plan.context.clone()).filter(|context| plan.dockerfile.parent() != Some(context));
    if args.is_empty() && context.is_none() {
        return Ok(None);
    }
    let sources = sources_of(plan, &args).await?;
    Ok(Some(Given { args, context, sources }))
}

/// The hash of all that a build is made of but these args.
async fn sources_of(plan: &BuildPlan, but: &BTreeSet<String>) -> Result<String, PlatformError> {
    let mut plan = plan.clone();
    plan.args.retain(|name, _| !but.contains(name));
    inputs_of(&plan).await
}

async fn one(
    project: &Project,
    group: Group,
    known: &Builds,
    images: &Images,
    anew: bool,
) -> Result<Outcome, PlatformError> {
    let Group { types, plan, given: args } = group;
    let began = Instant::now();
    let inputs = inputs_of(&plan).await?;
    let before = known.value.get(types[0].as_str()).filter(|built| built.inputs == inputs && !anew);
    if let Some(built) = before
        && let Some(facts) = still_there(project.engine.as_ref(), built, images).await?
    {
        done(project, &plan, &facts, began.elapsed(), None);
        return Ok(Outcome { types, built: built.clone(), facts });
    }
    if plan.native.is_none() {
        project.report.tell(News::BuildStarted { label: plan.label.clone() });
    }
    let (image, steps) = run(project, &plan).await?;
    let facts = project.engine.inspect(&image).await?.ok_or_else(|| EngineError::Operation {
        doing: format!("inspect the image of {}", plan.label),
        reason: "the engine built it but does not have it".into(),
    })?;
    // Measured again after the build: what changed meanwhile is not in the image and must be built next time.
    let after = inputs_of(&plan).await?;
    let inputs = if after == inputs { inputs } else { String::new() };
    let mut given = given(&plan, args).await?;
    if let Some(given) = given.as_mut().filter(|_| inputs.is_empty()) {
        given.sources.clear();
    }
    done(project, &plan, &facts, began.elapsed(), Some(steps));
    Ok(Outcome { types, built: Built { inputs, image, given }, facts })
}

async fn inputs_of(plan: &BuildPlan) -> Result<String, PlatformError> {
    let (plan, label) = (plan.clone(), plan.label.clone());
    tokio::task::spawn_blocking(move || fingerprint(&plan))
        .await
        .map_err(std::io::Error::other)
        .and_then(|result| result)
        .map_err(PlatformError::io(format!("read the build context of {label}")))
}

async fn still_there(engine: &dyn Engine, built: &Built, images: &Images) -> Result<Option<ImageFacts>, PlatformError> {
    match images.value.get(&built.image.0) {
        Some(facts) if engine.exists(&built.image).await? => Ok(Some(facts.clone())),
        Some(_) => Ok(None),
        None => Ok(engine.inspect(&built.image).await?),
    }
}

/// Whether a step is one that the Dockerfile writes and a cache can spare: `[2/5] RUN make`, not `[1/5] FROM x`, and not
/// BuildKit's own `[internal] load metadata` or `exporting to image`.
fn is_of_dockerfile(step: &str) -> bool {
    let parts = step.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    parts.is_some_and(|(place, instruction)| place.contains('/') && !instruction.starts_with("FROM "))
}

async fn run(project: &Project, plan: &BuildPlan) -> Result<(ImageId, (usize, usize)), PlatformError> {
    let (sink, mut events) = mpsc::unbounded_channel();
    let (label, report) = (plan.label.clone(), project.report.clone());
    let watch = async move {
        let mut steps: BTreeMap<String, bool> = BTreeMap::new();
        while let Some(event) = events.recv().await {
            if let BuildEvent::Step(step) = &event
                && is_of_dockerfile(&step.name)
            {
                steps.insert(step.id.clone(), step.cached);
            }
            report.tell(News::BuildProgress { label: label.clone(), event });
        }
        (steps.len(), steps.values().filter(|cached| **cached).count())
    };
    let build = async move {
        let result = project.engine.build(plan, &sink).await;
        drop(sink);
        result
    };
    let (result, steps) = tokio::join!(build, watch);
    match result {
        Ok(image) => Ok((image, steps)),
        Err(EngineError::Build(failure)) => Err(PlatformError::Build {
            label: plan.label.clone(),
            dockerfile: plan.dockerfile.strip_prefix(&project.app.root).unwrap_or(&plan.dockerfile).to_owned(),
            failure,
        }),
        Err(other) => Err(other.into()),
    }
}

/// Says that an image is there, where there are images.
fn done(project: &Project, plan: &BuildPlan, facts: &ImageFacts, took: Duration, steps: Option<(usize, usize)>) {
    if plan.native.is_some() {
        return;
    }
    project.report.tell(News::BuildDone {
        label: plan.label.clone(),
        image: ImageId(facts.id.clone()),
        size: facts.size,
        took,
        steps,
    });
}

fn keep(outcome: Outcome, slug: &mut BuiltSlug, known: &mut Builds, images: &mut Images) {
    let facts = Arc::new(outcome.facts.clone());
    images.value.insert(outcome.built.image.0.clone(), outcome.facts);
    for process_type in outcome.types {
        known.value.insert(process_type.to_string(), outcome.built.clone());
        slug.slug.insert(process_type.clone(), outcome.built.image.clone());
        slug.inputs.insert(process_type.clone(), outcome.built.inputs.clone());
        slug.facts.insert(process_type, Arc::clone(&facts));
    }
}

#[cfg(test)]
mod tests {
    use super::is_of_dockerfile;

    #[test]
    fn only_steps_that_a_cache_can_spare_are_counted() {
        for counted in ["[2/5] RUN make", "[build 3/4] COPY . ."] {
            assert!(is_of_dockerfile(counted), "{counted}");
        }
        for own in ["[internal] load metadata for x", "[1/5] FROM x", "exporting to image", "copy /context /"] {
            assert!(!is_of_dockerfile(own), "{own}");
        }
    }
}
