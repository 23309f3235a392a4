//! Blobs, then tags, then the registry's own answer.

use super::Parcel;
use super::choose::Chosen;
use super::fault::PushError;
use super::memory::Memory;
use super::prepare::{Ready, taken_over};
use crate::dyno::explain::{bytes, count};
use crate::platform::PlatformError;
use crate::platform::project::Project;
use crate::platform::report::{News, PushStep};
use crate::registry::{Blob, Client, Found, Outcome, RegistryError, Source, Tag};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Blobs that are sent at the same time.
const AT_ONCE: usize = 3;

/// Refuses when a version's tag names another image there.
pub(super) fn check_tags(client: &Client, one: &Chosen, ready: &Ready, force: bool) -> Result<(), PushError> {
    let wanted = &ready.manifest.config.digest;
    for (tag, found) in &ready.before {
        let Some(found) = found.as_ref().filter(|_| Some(tag) == one.version.as_ref() && !force) else { continue };
        if found.config().as_ref() != Some(wanted) {
            return Err(PushError::Taken {
                repository: client.repository.to_string(),
                tag: tag.to_string(),
                found: told(found),
                wanted: wanted.clone(),
            });
        }
    }
    Ok(())
}

/// What a manifest names, as far as that can be said.
fn told(found: &Found) -> String {
    found.config().map_or_else(|| format!("a {} of no single image", found.media_type), |config| config.to_string())
}

/// Sends what the registry lacks.
pub(super) async fn blobs(
    project: &Project,
    chosen: Chosen,
    client: Client,
    ready: Ready,
    memory: &Memory,
) -> Result<Parcel, PlatformError> {
    let Ready { manifest, missing, before } = ready;
    let size: u64 = missing.iter().map(|(blob, _)| blob.size).sum();
    let progress = Progress::new(project, &chosen, size);
    let uploads = memory.uploads(&client.repository);
    let arrived: Arc<Mutex<Vec<(Blob, Outcome)>>> = Arc::default();
    let send = |(blob, source): (Blob, Source)| {
        let (client, uploads, arrived, sent) = (&client, &uploads, arrived.clone(), progress.of(&blob));
        async move {
            let outcome = if taken_over(client, &blob, memory).await? {
                Outcome::Present
            } else {
                client.upload(&blob, &source, uploads, sent).await?
            };
            arrived.lock().unwrap_or_else(PoisonError::into_inner).push((blob, outcome));
            Ok::<_, RegistryError>(())
        }
    };
    let all = missing.len();
    let result = stream::iter(missing).map(send).buffer_unordered(AT_ONCE).try_collect::<()>().await;
    let arrived = std::mem::take(&mut *arrived.lock().unwrap_or_else(PoisonError::into_inner));
    let there: Vec<Blob> = arrived.iter().map(|(blob, _)| blob.clone()).chain(manifest.layers.clone()).collect();
    if let Err(error) = result {
        let sent: u64 = arrived.iter().map(|(blob, _)| blob.size).sum();
        let only: Vec<Blob> = arrived.iter().map(|(blob, _)| blob.clone()).collect();
        memory.arrived(&client.repository, &only);
        let done = format!(
            "{} of {} ({}) of {} sent; no tag was set, nothing was released",
            arrived.len(),
            count(all, "blob"),
            bytes(sent),
            chosen.process_type
        );
        return Err(failed(error, done).into());
    }
    memory.arrived(&client.repository, &there);
    let sent = arrived.iter().map(|(blob, outcome)| match outcome {
        Outcome::Sent { before } => blob.size - before,
        Outcome::Present => 0,
    });
    let digest = manifest.digest();
    let set = before.iter().filter(|(_, found)| found.as_ref().is_some_and(|found| found.digest == digest));
    let set = set.map(|(tag, _)| tag.clone()).collect();
    let tags = before.iter().map(|(tag, _)| tag.clone()).collect();
    Ok(Parcel { sent: sent.sum(), chosen, client, tags, manifest, set })
}

/// Sets every tag: versions first, for all images; `latest`, which is what gets released, last.
pub(super) async fn tags(parcels: &[Parcel]) -> Result<(), PushError> {
    let mut done: Vec<String> = Vec::new();
    for last in [false, true] {
        for parcel in parcels {
            for tag in parcel.tags.iter().filter(|tag| (**tag == Tag::latest()) == last && !parcel.set.contains(tag)) {
                let name = format!("{}:{tag}", parcel.client.repository);
                let set = parcel.client.tag(tag, &parcel.manifest.bytes()).await;
                set.map_err(|error| failed(error, so_far(&done)))?;
                done.push(name);
            }
        }
    }
    Ok(())
}

pub(super) fn failed(error: RegistryError, done: String) -> PushError {
    PushError::Registry { error: Box::new(error), done: Some(done) }
}

/// How far the tags are, all blobs being there.
pub(super) fn so_far(done: &[String]) -> String {
    if done.is_empty() {
        return "all blobs were sent; no tag was set, nothing was released".into();
    }
    format!("all blobs were sent and these tags set: {}; nothing was released", done.join(", "))
}

/// Reads every tag back and compares what the registry answers with what was pushed.
pub(super) async fn verify(parcel: &Parcel) -> Result<(), PushError> {
    let wanted = &parcel.manifest.config.digest;
    for tag in parcel.tags.iter().filter(|tag| !parcel.set.contains(tag)) {
        let found = parcel.client.manifest(tag.as_str()).await.map_err(|error| {
            failed(error, "all was sent and tagged, and could not be read back; nothing was released".into())
        })?;
        let same = found.as_ref().is_some_and(|found| found.digest == parcel.manifest.digest());
        if !same {
            return Err(PushError::Differs {
                repository: parcel.client.repository.to_string(),
                tag: tag.to_string(),
                found: found.as_ref().map_or_else(|| "nothing".into(), told),
                wanted: wanted.clone(),
            });
        }
    }
    Ok(())
}

/// How much of an image is there.
struct Progress {
    project: Project,
    label: String,
    size: u64,
    sent: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Progress {
    fn new(project: &Project, chosen: &Chosen, size: u64) -> Self {
        Self { project: project.clone(), label: chosen.process_type.to_string(), size, sent: Arc::default() }
    }

    fn of(&self, blob: &Blob) -> Arc<dyn Fn(u64) + Send + Sync> {
        let (report, label, size) = (self.project.report.clone(), self.label.clone(), self.size);
        let (sent, digest) = (self.sent.clone(), blob.digest.to_string());
        Arc::new(move |bytes| {
            let mut all = sent.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(digest.clone(), bytes);
            let step = PushStep::Sending { sent: all.values().sum(), size };
            report.tell(News::Pushing { label: label.clone(), step });
        })
    }
}
