//! Images that were tested go to a registry, and nothing else does: `tag`, `container:push`, `container:pull`.
//!
//! | file | is |
//! |---|---|
//! | `target` | where: registry and app |
//! | `choose` | which images, and whether tests vouch for them |
//! | `commands` | what heroku.yml and Procfile say that a pushed image does not |
//! | `memory` | what is known of earlier pushes; never believed without asking the registry |
//! | `prepare` | the manifest, and the bytes that the registry lacks |
//! | `send` | blobs, then tags, then the registry's own answer |
//! | `hosted` | the registry as a release needs it |
//! | `sign_in` | logins |
//!
//! A push changes no tag before every blob of every image is there. Whatever ends it, the ledger and the tags are as they
//! were, or as they should be; what was sent stays with the registry, and the next push goes on from there.

mod choose;
mod commands;
mod fault;
mod hosted;
mod memory;
mod prepare;
mod send;
mod sign_in;
mod tag;
mod target;
#[cfg(test)]
mod tests;

pub use choose::Wish;
pub use fault::PushError;
pub use hosted::AppImages;
pub use sign_in::{HEROKU_USER, SignIns, log_in, log_out};
pub use tag::{Pulled, TaggedHere, pull, tag};
pub use target::{Target, heroku_registry};

use super::PlatformError;
use super::project::Project;
use super::report::News;
use super::tested::{Ledger, Pushed, Tagged, TaggedImage};
use crate::model::process_type::ProcessType;
use crate::registry::{Client, Digest, Manifest, Patience, Squeezer, Tag};
use choose::Chosen;
use memory::Memory;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// An image that a registry has, by its own answer.
#[derive(Clone, Debug)]
pub struct Landed {
    /// Whose image.
    pub process_type: ProcessType,
    /// `registry.heroku.com/shop/web`
    pub repository: String,
    /// The tags that name it, `latest` last.
    pub tags: Vec<Tag>,
    /// Those of them that named it before.
    pub unchanged: Vec<Tag>,
    /// Its config digest: what was tested, and what Heroku releases.
    pub config: Digest,
    /// Its manifest's digest.
    pub manifest: Digest,
    /// Bytes that were sent.
    pub sent: u64,
    /// How long it took.
    pub took: Duration,
}

/// One image on its way.
struct Parcel {
    chosen: Chosen,
    client: Client,
    tags: Vec<Tag>,
    manifest: Manifest,
    sent: u64,
    /// Tags that the registry already has as they should be.
    set: Vec<Tag>,
}

/// Pushes what is wished for, and returns what the registry then has.
pub async fn push(
    project: &Project,
    target: &Target,
    wish: &Wish,
    sign_ins: &SignIns,
    patience: Patience,
) -> Result<Vec<Landed>, PlatformError> {
    let began = Instant::now();
    let waiting = || project.report.note("another push of this app is under way; waiting for it");
    let _turn = project.state.turn_to_push(waiting).await.map_err(PlatformError::io("wait for the turn to push"))?;
    let mut ledger = open_ledger(project)?;
    let chosen = choose::images(project, &ledger, wish).await?;
    let login = sign_ins.of(&target.host).await;
    let memory = Memory::open(&project.state);
    let folder = project.state.file("push");
    super::state::private_dir(&folder).map_err(PlatformError::io("make the folder for what is pushed"))?;
    let squeezer = Squeezer::new(folder);
    let _tidied = Tidied(&squeezer);
    let mut parcels = Vec::new();
    for one in chosen {
        let repository = target.repository(&one.process_type)?;
        let client = Client::new(repository, login.clone(), patience, &sign_ins.proxies).map_err(PushError::from)?;
        let ready = prepare::prepare(project, &client, &one, &memory, &squeezer).await?;
        send::check_tags(&client, &one, &ready, wish.force)?;
        parcels.push((one, client, ready));
    }
    // Nothing has left this machine so far. Now the blobs, of all images; then the tags.
    let mut sent = Vec::new();
    for (one, client, ready) in parcels {
        sent.push(send::blobs(project, one, client, ready, &memory).await?);
    }
    send::tags(&sent).await?;
    let mut landed = Vec::new();
    for parcel in &sent {
        send::verify(parcel).await?;
        landed.push(parcel.landed(began.elapsed()));
    }
    write_down(project, &mut ledger, target, &landed)?;
    memory.tidy(project)?;
    squeezer.clear();
    for one in &landed {
        project.report.tell(News::Pushed(Box::new(one.clone())));
    }
    Ok(landed)
}

/// Sees that no file stays that was never made whole, however a push ends.
struct Tidied<'s>(&'s Squeezer);

impl Drop for Tidied<'_> {
    fn drop(&mut self) {
        self.0.break_off();
    }
}

impl Parcel {
    fn landed(&self, took: Duration) -> Landed {
        Landed {
            process_type: self.chosen.process_type.clone(),
            repository: self.client.repository.to_string(),
            tags: self.tags.clone(),
            unchanged: self.set.clone(),
            config: self.manifest.config.digest.clone(),
            manifest: self.manifest.digest(),
            sent: self.sent,
            took,
        }
    }
}

fn open_ledger(project: &Project) -> Result<Ledger, PlatformError> {
    Ledger::open(&project.state).map_err(PlatformError::io("read the ledger of tested images"))
}

/// The ledger learns what the registry confirmed: pushes, and the manifests of versions.
fn write_down(project: &Project, ledger: &mut Ledger, target: &Target, landed: &[Landed]) -> Result<(), PlatformError> {
    let time = crate::clock::stamp(project.clock.now());
    for one in landed {
        let repository = target.repository(&one.process_type)?;
        for tag in one.tags.iter().filter(|tag| !one.unchanged.contains(tag)) {
            let line = Pushed {
                registry: target.host.to_string(),
                repository: repository.path().to_owned(),
                tag: tag.to_string(),
                manifest: one.manifest.to_string(),
                config: choose::image_id(&one.config),
                time: time.clone(),
            };
            ledger.pushed(line).map_err(PushError::from)?;
        }
        for tag in one.tags.iter().filter(|tag| **tag != Tag::latest()) {
            let image = TaggedImage { config: choose::image_id(&one.config), manifest: Some(one.manifest.to_string()) };
            let known = ledger.by_version(tag.as_str()).and_then(|known| known.images.get(&one.process_type).cloned());
            // A version that was moved by force stays what it was in the ledger; the push is there all the same.
            let agrees = known.is_none_or(|known| {
                known.config == image.config && known.manifest.is_none_or(|had| Some(had) == image.manifest)
            });
            if agrees {
                let images = BTreeMap::from([(one.process_type.clone(), image)]);
                let line = Tagged { version: tag.to_string(), images, time: time.clone() };
                ledger.tag(line).map_err(PushError::from)?;
            }
        }
    }
    Ok(())
}
