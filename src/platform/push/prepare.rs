//! The manifest of an image, and the bytes that the registry lacks. Nothing is sent from here.

use super::choose::Chosen;
use super::fault::PushError;
use super::memory::Memory;
use crate::platform::PlatformError;
use crate::platform::project::Project;
use crate::platform::report::{News, PushStep};
use crate::registry::{
    Blob, Client, Digest, Found, Manifest, Prepared, RegistryError, Saved, Source, Squeezer, Tag, open,
};
use futures_util::TryStreamExt;
use futures_util::future::{try_join, try_join_all};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use tokio_util::io::{StreamReader, SyncIoBridge};

/// Progress of an export is told in steps of so many bytes.
const STEP: u64 = 1 << 20;

/// An image that can be sent.
pub(super) struct Ready {
    pub(super) manifest: Manifest,
    /// The blobs that the registry lacks.
    pub(super) missing: Vec<(Blob, Source)>,
    /// What the registry has under the tags that are to be set: `None`, nothing.
    pub(super) before: Vec<(Tag, Option<Found>)>,
}

/// Looks at what the registry has, and makes the rest. An image that is there is neither exported nor compressed.
pub(super) async fn prepare(
    project: &Project,
    client: &Client,
    one: &Chosen,
    memory: &Memory,
    squeezer: &Squeezer,
) -> Result<Ready, PlatformError> {
    let tags: Vec<Tag> = one.version.clone().into_iter().chain([Tag::latest()]).collect();
    let look = |tag: Tag| async move { client.manifest(tag.as_str()).await.map(|found| (tag, found)) };
    let before = match <[Tag; 2]>::try_from(tags) {
        Ok([version, latest]) => try_join(look(version), look(latest)).await.map(|(one, two)| vec![one, two]),
        Err(tags) => try_join_all(tags.into_iter().map(look)).await,
    };
    let before = before.map_err(PushError::from)?;
    // A tag that names this very image, in a form that Heroku takes: all of its blobs are there.
    let same = |found: &Found| found.manifest().filter(|manifest| manifest.config.digest.as_str() == one.image.0);
    let known = memory.manifest(&one.image);
    let there = before.iter().filter_map(|(_, found)| found.as_ref());
    if let Some(manifest) = there.clone().find_map(same) {
        return Ok(Ready { manifest, missing: Vec::new(), before });
    }
    if let Some(manifest) = known {
        if there.clone().any(|found| found.manifest().as_ref() == Some(&manifest)) {
            return Ok(Ready { manifest, missing: Vec::new(), before });
        }
        // Made by an earlier push, which may have been cut off: what it had not sent is still here.
        if let Some(missing) = kept(client, &manifest, squeezer).await? {
            return Ok(Ready { manifest, missing, before });
        }
    }
    let saved = export(project, one, squeezer).await?;
    let config = saved.digest();
    if !saved.names.iter().any(|name| name.as_str() == one.image.0) {
        let (process_type, image) = (one.process_type.clone(), one.image.clone());
        return Err(PushError::NotTheImage { process_type, image, found: config }.into());
    }
    let layers = known_layers(client, &saved, memory).await?;
    project.report.tell(News::Pushing { label: one.process_type.to_string(), step: PushStep::Compressing });
    let worker = squeezer.clone();
    let prepared = tokio::task::spawn_blocking(move || worker.prepare(&saved, &layers)).await;
    let Prepared { manifest, mut sources, layers } = prepared
        .map_err(|error| PlatformError::io("compress the layers")(io::Error::other(error)))?
        .map_err(PushError::from)?;
    memory.learn(&one.image, &manifest, &layers);
    let missing = manifest.blobs().filter_map(|blob| Some((blob.clone(), sources.remove(&blob.digest)?))).collect();
    Ok(Ready { manifest, missing, before })
}

/// What the registry lacks of a manifest, if all of it is in the folder of an earlier push.
async fn kept(
    client: &Client,
    manifest: &Manifest,
    squeezer: &Squeezer,
) -> Result<Option<Vec<(Blob, Source)>>, PushError> {
    let look = |blob: Blob| async move {
        let there = client.has(&blob.digest, blob.size).await?;
        Ok::<_, RegistryError>((!there).then_some(blob))
    };
    let mut blobs: Vec<Blob> = manifest.blobs().cloned().collect();
    blobs.sort_by(|one, other| one.digest.cmp(&other.digest));
    blobs.dedup();
    let missing: Vec<Blob> = try_join_all(blobs.into_iter().map(look)).await?.into_iter().flatten().collect();
    let source = |blob: Blob| {
        let path = squeezer.path(&blob.digest);
        let whole = std::fs::metadata(&path).is_ok_and(|facts| facts.len() == blob.size);
        whole.then_some((blob, Source::File(path)))
    };
    Ok(missing.into_iter().map(source).collect())
}

/// The image as the engine gives it.
async fn export(project: &Project, one: &Chosen, squeezer: &Squeezer) -> Result<Saved, PlatformError> {
    let archive = project.engine.export(&one.image).await?;
    let (failure, failed) = std::sync::mpsc::channel();
    let pieces = archive.map_err(move |error| {
        let told = io::Error::other(error.to_string());
        let _ = failure.send(error);
        told
    });
    let mut reader = SyncIoBridge::new(StreamReader::new(pieces));
    let (worker, report) = (squeezer.clone(), project.report.clone());
    let (label, size) = (one.process_type.to_string(), one.facts.size);
    let read = move || {
        let (mut bytes, mut told) = (0, 0);
        open(&mut reader, &worker, |more| {
            bytes += more;
            if bytes >= told + STEP {
                told = bytes;
                report.tell(News::Pushing { label: label.clone(), step: PushStep::Exporting { bytes, size } });
            }
        })
    };
    let saved = tokio::task::spawn_blocking(read).await;
    let saved = saved.map_err(|error| PlatformError::io("read the engine's export")(io::Error::other(error)))?;
    // What the engine said is the reason for what the reader found.
    if saved.is_err()
        && let Ok(error) = failed.try_recv()
    {
        return Err(error.into());
    }
    Ok(saved.map_err(PushError::from)?)
}

/// The layers that this repository has, or takes over from another of the registry's.
async fn known_layers(client: &Client, saved: &Saved, memory: &Memory) -> Result<BTreeMap<Digest, Blob>, PushError> {
    let look = |diff: &Digest| {
        let (diff, known) = (diff.clone(), memory.layer(diff));
        async move {
            let Some(blob) = known else { return Ok(None) };
            let there = client.has(&blob.digest, blob.size).await? || taken_over(client, &blob, memory).await?;
            Ok::<_, RegistryError>(there.then_some((diff, blob)))
        }
    };
    let diffs: BTreeSet<&Digest> = saved.diffs().collect();
    let found = try_join_all(diffs.into_iter().map(look)).await?;
    Ok(found.into_iter().flatten().collect())
}

/// Has the registry take a layer over from another of its repositories, where an earlier push put it. A registry that
/// refuses gets it sent.
pub(super) async fn taken_over(client: &Client, blob: &Blob, memory: &Memory) -> Result<bool, RegistryError> {
    for from in memory.elsewhere(blob, &client.repository) {
        match client.mount(blob, &from).await {
            Ok(true) => return Ok(true),
            Ok(false) | Err(RegistryError::Denied { .. } | RegistryError::Unsupported { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}
