//! Files on top of an image, without a build: the new image is handed to the engine as a description of its layers, of
//! which it gets only the one that it does not have. No container is made, nothing is run, and all but that layer is
//! shared with the image below.
//!
//! A layer also says what its folders are like, and what it says of a folder hides what was below. So each folder on
//! the way to a file is described as the image below has it, which is found out once for each image.

use super::Shared;
use super::error::{failed, told};
use super::images::{GO_FOLDER, Probe};
use crate::engine::hex;
use crate::engine::{EngineError, Patch, Piece};
use crate::model::image::ImageFacts;
use bollard::body_full;
use bollard::models::ImageInspect;
use bollard::query_parameters::ImportImageOptionsBuilder;
use futures_util::TryStreamExt;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::sync::PoisonError;

/// A folder of an image, as its layer has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Folder {
    mode: u32,
    owner: (u64, u64),
    time: u64,
}

/// Makes the image.
pub(super) async fn patch(shared: &Shared, patch: &Patch) -> Result<ImageFacts, EngineError> {
    let doing = format!("putting files on the image of {}", patch.label);
    let found = shared.docker.inspect_image(&patch.base.id).await.map_err(|error| told(&doing, &error))?;
    let folders = folders_above(&patch.pieces);
    learn(shared, &patch.base, &folders, &doing).await?;
    vacant(shared, patch, &doing).await?;
    let known = known(shared, &patch.base, &folders);
    let pieces = patch.pieces.clone();
    let layer = tokio::task::spawn_blocking(move || layer(&known, &pieces)).await;
    let layer = layer.map_err(io::Error::other).and_then(|layer| layer).map_err(|error| failed(&doing, &error))?;
    let (archive, id) = image(patch, found, &layer).map_err(|error| failed(&doing, &error))?;
    let options = ImportImageOptionsBuilder::new().quiet(true).build();
    let mut answer = shared.docker.import_image(options, body_full(archive.into()), None);
    while answer.try_next().await.map_err(|error| told(&doing, &error))?.is_some() {}
    let id = format!("sha256:{id}");
    // What an engine made of the description counts.
    shared.docker.inspect_image(&id).await.map_err(|error| told(&doing, &error))?;
    let facts = ImageFacts { id: id.clone(), layers: patch.base.layers + 1, ..patch.base.clone() };
    shared.images.lock().unwrap_or_else(PoisonError::into_inner).insert(id, facts.clone());
    Ok(facts)
}

/// Looks at folders before they are needed. What cannot be found out now is an error then.
pub(super) async fn expect(shared: &Shared, base: &ImageFacts, folders: &[String]) {
    let mut all: BTreeSet<String> = folders.iter().cloned().collect();
    all.extend(folders.iter().flat_map(|folder| ancestors(folder)));
    all.retain(|folder| folder != "/");
    let _ = learn(shared, base, &all, "looking into an image").await;
}

fn ancestors(path: &str) -> impl Iterator<Item = String> + '_ {
    path.match_indices('/').map(|(at, _)| path[..at].to_owned()).filter(|folder| !folder.is_empty())
}

/// The folders that the image below must have.
fn folders_above(pieces: &[Piece]) -> BTreeSet<String> {
    let ours: BTreeSet<&str> = pieces.iter().map(|piece| piece.target.as_str()).collect();
    let above = pieces.iter().flat_map(|piece| ancestors(&piece.target));
    above.filter(|folder| !ours.contains(folder.as_str())).collect()
}

fn known(shared: &Shared, base: &ImageFacts, folders: &BTreeSet<String>) -> Vec<(String, Folder)> {
    let known = shared.folders.lock().unwrap_or_else(PoisonError::into_inner);
    let of = |folder: &String| known.get(&(base.id.clone(), folder.clone())).map(|facts| (folder.clone(), *facts));
    folders.iter().filter_map(of).collect()
}

async fn learn(shared: &Shared, base: &ImageFacts, folders: &BTreeSet<String>, doing: &str) -> Result<(), EngineError> {
    let have = known(shared, base, folders);
    let missing: Vec<&String> = folders.iter().filter(|folder| have.iter().all(|(name, _)| name != *folder)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let probe = Probe::open(shared, base).await.map_err(|error| told(doing, &error))?;
    for folder in missing {
        let mode = probe.own_mode(folder).await.map_err(|error| told(doing, &error))?;
        if mode.is_none_or(|mode| mode & GO_FOLDER == 0) {
            return Err(failed(doing, &format!("{folder} is no folder in the image")));
        }
        let head = probe.head(folder).await.map_err(|error| told(doing, &error))?;
        let facts = folder_of(&head).map_err(|error| failed(doing, &error))?;
        let mut known = shared.folders.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert((base.id.clone(), folder.clone()), facts);
    }
    Ok(())
}

fn folder_of(head: &[u8]) -> io::Result<Folder> {
    let mut archive = tar::Archive::new(head);
    let entry = archive.entries()?.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    let header = entry.header();
    let owner = (header.uid()?, header.gid()?);
    Ok(Folder { mode: header.mode()? & 0o7777, owner, time: header.mtime()? })
}

/// A new folder must be new in the image too: what it would be like otherwise, only a build knows.
async fn vacant(shared: &Shared, patch: &Patch, doing: &str) -> Result<(), EngineError> {
    let is_folder = |piece: &&Piece| fs::symlink_metadata(&piece.source).is_ok_and(|facts| facts.is_dir());
    let new: Vec<&Piece> = patch.pieces.iter().filter(is_folder).collect();
    if new.is_empty() {
        return Ok(());
    }
    let probe = Probe::open(shared, &patch.base).await.map_err(|error| told(doing, &error))?;
    for piece in new {
        if probe.own_mode(&piece.target).await.map_err(|error| told(doing, &error))?.is_some() {
            return Err(failed(doing, &format!("the image has {} already", piece.target)));
        }
    }
    Ok(())
}

/// The layer's archive.
fn layer(folders: &[(String, Folder)], pieces: &[Piece]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, folder) in folders {
        let mut header = header(tar::EntryType::Directory, folder.mode, folder.owner, folder.time);
        archive.append_data(&mut header, format!("{}/", path.trim_start_matches('/')), io::empty())?;
    }
    for piece in pieces {
        let facts = fs::symlink_metadata(&piece.source)?;
        let owner = (u64::from(piece.owner.0), u64::from(piece.owner.1));
        let time = facts.mtime().max(0).cast_unsigned();
        let mode = facts.mode() & 0o7777;
        let name = piece.target.trim_start_matches('/');
        if facts.is_dir() {
            let mut header = header(tar::EntryType::Directory, mode, owner, time);
            archive.append_data(&mut header, format!("{name}/"), io::empty())?;
        } else if facts.is_symlink() {
            let mut header = header(tar::EntryType::Symlink, 0o777, owner, time);
            archive.append_link(&mut header, name, fs::read_link(&piece.source)?)?;
        } else {
            let mut bytes = Vec::new();
            fs::File::open(&piece.source)?.read_to_end(&mut bytes)?;
            let mut header = header(tar::EntryType::Regular, mode, owner, time);
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, name, &bytes[..])?;
        }
    }
    archive.into_inner()
}

fn header(kind: tar::EntryType, mode: u32, owner: (u64, u64), time: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner.0);
    header.set_gid(owner.1);
    header.set_mtime(time);
    header.set_size(0);
    header
}

/// The image's description with its new layer, and its id.
fn image(patch: &Patch, found: ImageInspect, layer: &[u8]) -> io::Result<(Vec<u8>, String)> {
    let mut layers = found.root_fs.and_then(|root| root.layers).unwrap_or_default();
    let below = layers.len();
    layers.push(format!("sha256:{}", hex(&Sha256::digest(layer))));
    let config = json!({
        "architecture": found.architecture,
        "os": found.os,
        "config": found.config,
        "created": "1970-01-01T00:00:00Z",
        "rootfs": { "type": "layers", "diff_ids": layers },
    });
    let config = serde_json::to_vec(&config)?;
    let id = hex(&Sha256::digest(&config));
    // Layers that the engine has are named, and not sent.
    let mut names: Vec<String> = (0..below).map(|number| format!("below-{number}.tar")).collect();
    names.push("layer.tar".to_owned());
    let tag = format!("{}:{}", patch.repository, &id[..12]);
    let manifest = json!([{ "Config": "config.json", "RepoTags": [tag], "Layers": names }]);
    let mut archive = tar::Builder::new(Vec::with_capacity(layer.len() + 8192));
    let manifest = serde_json::to_vec(&manifest)?;
    for (name, bytes) in [("manifest.json", &manifest[..]), ("config.json", &config), ("layer.tar", layer)] {
        let mut header = header(tar::EntryType::Regular, 0o644, (0, 0), 0);
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, bytes)?;
    }
    Ok((archive.into_inner()?, id))
}

#[cfg(test)]
mod tests {
    use super::{Folder, folders_above, layer};
    use crate::engine::Piece;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    fn piece(target: &str, source: &Path) -> Piece {
        Piece { target: target.into(), source: source.to_owned(), owner: (7, 8) }
    }

    #[test]
    fn a_layer_keeps_modes_links_owners_and_what_the_folders_above_are_like() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("run.sh"), "#!/bin/sh").unwrap();
        fs::set_permissions(path("run.sh"), Permissions::from_mode(0o750)).unwrap();
        fs::create_dir(path("new")).unwrap();
        fs::set_permissions(path("new"), Permissions::from_mode(0o711)).unwrap();
        symlink("run.sh", path("link")).unwrap();
        let pieces = [
            piece("/app/new", &path("new")),
            piece("/app/new/run.sh", &path("run.sh")),
            piece("/app/l", &path("link")),
        ];
        assert_eq!(folders_above(&pieces).into_iter().collect::<Vec<_>>(), ["/app"]);
        let above = [("/app".to_owned(), Folder { mode: 0o2775, owner: (1000, 1000), time: 9 })];
        let bytes = layer(&above, &pieces).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let found: Vec<(String, u32, u64)> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|e| (e.path().unwrap().display().to_string(), e.header().mode().unwrap(), e.header().uid().unwrap()))
            .collect();
        let wanted =
            [("app/", 0o2775, 1000), ("app/new/", 0o711, 7), ("app/new/run.sh", 0o750, 7), ("app/l", 0o777, 7)];
        assert_eq!(found, wanted.map(|(name, mode, uid)| (name.to_owned(), mode, uid)));
    }

    #[test]
    fn a_file_that_went_meanwhile_is_an_error_and_not_half_a_layer() {
        assert!(layer(&[], &[piece("/app/x", Path::new("/there/is/no/such"))]).is_err());
    }
}
