//! `tag`: a version for images that were tested. `container:pull`: images back from a registry.

use super::choose::{self, Chosen, types_of};
use super::fault::PushError;
use super::open_ledger;
use super::sign_in::SignIns;
use super::target::Target;
use crate::model::image::{ImageFacts, ImageId};
use crate::model::process_type::ProcessType;
use crate::platform::PlatformError;
use crate::platform::project::Project;
use crate::platform::store::Builds;
use crate::platform::tested::{Tagged, TaggedImage};
use crate::registry::{Client, Patience, Tag};

/// An image that got a version.
#[derive(Clone, Debug)]
pub struct TaggedHere {
    /// Whose image.
    pub process_type: ProcessType,
    /// Its config digest.
    pub image: ImageId,
    /// `registry.heroku.com/shop/web:v1.0.0`: its name in the engine.
    pub name: String,
}

/// Gives the newest builds a version, in the ledger and in the engine. Nothing is built or sent.
pub async fn tag(
    project: &Project,
    target: &Target,
    version: &Tag,
    types: &[ProcessType],
    allow_untested: bool,
) -> Result<Vec<TaggedHere>, PlatformError> {
    let mut ledger = open_ledger(project)?;
    let builds = Builds::open(project.state.file("builds.json"));
    let mut chosen = Vec::new();
    for process_type in types_of(project, types)? {
        let missing = || PushError::NotBuilt { process_type: process_type.clone() };
        let image = builds.value.get(process_type.as_str()).ok_or_else(missing)?.image.clone();
        // Names that no registry takes are found out before anything is written down.
        target.repository(&process_type)?;
        let one = Chosen { process_type, image, version: Some(version.clone()), facts: ImageFacts::default() };
        choose::vouched(project, &ledger, &one, allow_untested)?;
        if !project.engine.exists(&one.image).await? {
            return Err(PushError::Gone { process_type: one.process_type, image: one.image }.into());
        }
        chosen.push(one);
    }
    let image = |one: &Chosen| TaggedImage { config: one.image.clone(), manifest: None };
    let images = chosen.iter().map(|one| (one.process_type.clone(), image(one))).collect();
    let line = Tagged { version: version.to_string(), images, time: crate::clock::stamp(project.clock.now()) };
    ledger.tag(line).map_err(PushError::from)?;
    let mut done = Vec::new();
    for one in chosen {
        let repository = target.repository(&one.process_type)?.to_string();
        for tag in [version, &Tag::latest()] {
            project.engine.tag(&one.image, &repository, tag.as_str()).await?;
        }
        let name = format!("{repository}:{version}");
        done.push(TaggedHere { process_type: one.process_type, image: one.image, name });
    }
    Ok(done)
}

/// An image that was fetched.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// `registry.heroku.com/shop/web:latest`
    pub name: String,
    /// Its id at the engine.
    pub image: ImageId,
}

/// Fetches an image into the engine and compares it with what the registry says it is.
pub async fn pull(
    engine: &dyn crate::engine::Engine,
    target: &Target,
    process_type: &ProcessType,
    tag: &Tag,
    sign_ins: &SignIns,
    patience: Patience,
) -> Result<Pulled, PlatformError> {
    let repository = target.repository(process_type)?;
    let login = sign_ins.of(&target.host).await;
    let client =
        Client::new(repository.clone(), login.clone(), patience, &sign_ins.proxies).map_err(PushError::from)?;
    let found = client.manifest(tag.as_str()).await.map_err(PushError::from)?;
    let missing = || PushError::NotThere { tag: tag.to_string(), repository: repository.to_string() };
    let found = found.ok_or_else(missing)?;
    let name = repository.to_string();
    let image = engine.pull(&name, tag.as_str(), login.as_ref()).await?;
    // Engines that keep images by their manifests name them so.
    let known = [found.config(), Some(found.digest.clone())];
    if let Some(config) = found.config()
        && !known.iter().flatten().any(|digest| digest.as_str() == image.0)
    {
        let (repository, tag) = (repository.to_string(), tag.to_string());
        return Err(
            PushError::Differs { repository, tag, found: config.to_string(), wanted: image_digest(&image)? }.into()
        );
    }
    Ok(Pulled { name: format!("{name}:{tag}"), image })
}

fn image_digest(image: &ImageId) -> Result<crate::registry::Digest, PushError> {
    Ok(image.0.parse()?)
}
