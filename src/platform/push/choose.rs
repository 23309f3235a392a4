//! Which images are pushed. Nothing is built: what was built last is meant, or what a version names.

use super::commands::not_carried;
use super::fault::PushError;
use crate::model::image::{ImageFacts, ImageId};
use crate::model::process_type::ProcessType;
use crate::platform::PlatformError;
use crate::platform::builds::{BuildOptions, changed_since};
use crate::platform::project::Project;
use crate::platform::store::{Builds, Images};
use crate::platform::tested::{Entry, Ledger};
use crate::registry::{Digest, Tag};
use std::collections::BTreeSet;

/// What is to be pushed.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// These process types; all that were built, or that the version names, when empty.
    pub types: Vec<ProcessType>,
    /// The images of this version, in place of the newest builds.
    pub version: Option<Tag>,
    /// A version for the images, beside `latest`.
    pub tag: Option<Tag>,
    /// Also what no test vouches for.
    pub allow_untested: bool,
    /// Also where a version's tag names another image.
    pub force: bool,
}

/// An image that is to be pushed.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) process_type: ProcessType,
    pub(super) image: ImageId,
    /// Its version.
    pub(super) version: Option<Tag>,
    /// What it says about itself, as far as that was looked at.
    pub(super) facts: ImageFacts,
}

/// A digest as the rest of dynosim has it.
pub(super) fn image_id(digest: &Digest) -> ImageId {
    ImageId(digest.to_string())
}

/// The images, each of them there, for Heroku's machines, and vouched for; or the first that is not.
pub(super) async fn images(project: &Project, ledger: &Ledger, wish: &Wish) -> Result<Vec<Chosen>, PlatformError> {
    let found = match &wish.version {
        Some(version) => of_version(ledger, version, wish)?,
        None => newest(project, ledger, wish).await?,
    };
    let known = Images::open(project.state.file("images.json"));
    let mut chosen = Vec::new();
    for mut one in found {
        vouched(project, ledger, &one, wish.allow_untested)?;
        let facts = known.value.get(&one.image.0).cloned();
        let there = project.engine.exists(&one.image).await?;
        let facts = match facts.filter(|_| there) {
            Some(facts) => Some(facts),
            None => project.engine.inspect(&one.image).await?,
        };
        let gone = || PushError::Gone { process_type: one.process_type.clone(), image: one.image.clone() };
        let facts = facts.ok_or_else(gone)?;
        if facts.os != "linux" || facts.architecture != "amd64" {
            let platform = format!("{}/{}", facts.os, facts.architecture);
            return Err(PushError::Platform { process_type: one.process_type, platform }.into());
        }
        if facts.cmd.is_empty() {
            return Err(PushError::NoCommand { process_type: one.process_type }.into());
        }
        one.facts = facts;
        chosen.push(one);
    }
    // An earlier version is not held against the files of today.
    if wish.version.is_none() {
        for text in not_carried(&project.app, &chosen, wish.types.is_empty()) {
            project.report.warn(text);
        }
    }
    Ok(chosen)
}

fn of_version(ledger: &Ledger, version: &Tag, wish: &Wish) -> Result<Vec<Chosen>, PushError> {
    let missing = |what: &str| PushError::NoVersion { version: version.to_string(), what: what.to_owned() };
    let tagged = ledger.by_version(version.as_str()).ok_or_else(|| missing("this app"))?;
    let types = if wish.types.is_empty() { tagged.images.keys().cloned().collect() } else { wish.types.clone() };
    let one = |process_type: ProcessType| {
        let image = tagged.images.get(&process_type).ok_or_else(|| missing(process_type.as_str()))?;
        let version = wish.tag.clone().or_else(|| Some(version.clone()));
        Ok(Chosen { image: image.config.clone(), process_type, version, facts: ImageFacts::default() })
    };
    types.into_iter().map(one).collect()
}

async fn newest(project: &Project, ledger: &Ledger, wish: &Wish) -> Result<Vec<Chosen>, PlatformError> {
    let builds = Builds::open(project.state.file("builds.json"));
    let types = types_of(project, &wish.types)?;
    let mut found = Vec::new();
    for process_type in &types {
        let missing = || PushError::NotBuilt { process_type: process_type.clone() };
        let built = builds.value.get(process_type.as_str()).ok_or_else(missing)?;
        let version = wish.tag.clone().or_else(|| newest_version(ledger, process_type, &built.image));
        found.push(Chosen {
            process_type: process_type.clone(),
            image: built.image.clone(),
            version,
            facts: ImageFacts::default(),
        });
    }
    let options = BuildOptions { platform: "linux/amd64".into(), no_cache: false };
    for process_type in changed_since(project, &types, &builds, &options).await? {
        project.report.warn(format!(
            "the sources of {process_type} are not those of its newest build any more; what was built is what counts \
             here: `dynosim test` builds and tests anew"
        ));
    }
    Ok(found)
}

/// The types that are meant: those named, else all that the project builds.
pub(super) fn types_of(project: &Project, named: &[ProcessType]) -> Result<BTreeSet<ProcessType>, PlatformError> {
    let app = &project.app;
    if named.is_empty() {
        return Ok(app.builds.keys().cloned().collect());
    }
    let one = |name: &ProcessType| match app.processes.get(name) {
        _ if app.builds.contains_key(name) => Ok(name.clone()),
        Some(spec) => Err(PushError::NoImage { process_type: name.clone(), of: spec.image.clone() }.into()),
        None => Err(PlatformError::no_such_type(app, name)),
    };
    named.iter().map(one).collect()
}

/// The version that was given to an image last.
fn newest_version(ledger: &Ledger, process_type: &ProcessType, image: &ImageId) -> Option<Tag> {
    let tagged = ledger.iter().rev().filter_map(|entry| if let Entry::Tagged(one) = entry { Some(one) } else { None });
    let mut named = tagged.filter(|one| one.images.get(process_type).is_some_and(|found| found.config == *image));
    named.find_map(|one| one.version.parse().ok().filter(|tag| *tag != Tag::latest()))
}

/// Sees that a test vouches for an image, or that the user takes it all the same.
pub(super) fn vouched(
    project: &Project,
    ledger: &Ledger,
    one: &Chosen,
    allow_untested: bool,
) -> Result<(), PlatformError> {
    if ledger.vouches_for(&one.image).is_some() {
        return Ok(());
    }
    if allow_untested {
        project.report.warn(format!(
            "{} {} is UNTESTED, and goes on because of --allow-untested",
            one.process_type,
            one.image.short()
        ));
        return Ok(());
    }
    if let Some(broken) = ledger.broken() {
        project.report.warn(format!("the ledger of tested images is believed up to there only: {broken}"));
    }
    let before = ledger.tests().any(|test| test.verdict.passed() && test.images.contains_key(&one.process_type));
    Err(PushError::Untested { process_type: one.process_type.clone(), image: one.image.clone(), before }.into())
}
