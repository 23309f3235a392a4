//! What a dyno may write to (the read-only root, R1.5's ephemeral one), as mounts.
//!
//! - Read-only root: `/tmp`, `/var/tmp` and each `--writable` path are fresh disk-backed volumes that start with the
//!   image's content; each `VOLUME` of the image, which Docker would make writable, is a read-only one.
//! - Ephemeral: the container's own layer; `VOLUME`s are Docker's, and vanish with the container.

use super::error::told;
use super::{Shared, archive, labels};
use crate::engine::{DynoSpec, EngineError, Filesystem};
use crate::model::limits::DYNO_GID;
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, MountVolumeOptions, VolumeCreateRequest};
use bollard::query_parameters::{CreateContainerOptionsBuilder, UploadToContainerOptionsBuilder};

const STICKY: u32 = 0o1777;

/// A place of the dyno's file system that is a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: String,
    pub(super) content: Content,
}

/// What a volume starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// What the image has there, with its owner and mode.
    Image,
    /// The same, and nobody may write.
    ReadOnlyImage,
    /// Nothing: the image has no such folder, or not with the mode that is needed.
    Empty { mode: u32, uid: u32 },
}

/// The volumes a dyno needs. `missing`: the writable paths that the image does not have.
pub(super) fn places(spec: &DynoSpec, missing: &[String]) -> Vec<Place> {
    let Filesystem::ReadOnly { writable } = &spec.filesystem else { return Vec::new() };
    let files = &spec.image.files;
    let mut places: Vec<Place> = [("/tmp", files.tmp_mode), ("/var/tmp", files.var_tmp_mode)]
        .into_iter()
        .map(|(path, mode)| {
            let content = if mode == Some(STICKY) { Content::Image } else { Content::Empty { mode: STICKY, uid: 0 } };
            Place { path: path.to_owned(), content }
        })
        .collect();
    let mut add = |path: &str, content| {
        let path = trimmed(path);
        if path != "/" && places.iter().all(|place| place.path != path) {
            places.push(Place { path: path.to_owned(), content });
        }
    };
    for path in writable {
        let new = Content::Empty { mode: 0o755, uid: spec.uid };
        add(path, if missing.contains(path) { new } else { Content::Image });
    }
    for path in &spec.image.volumes {
        add(path, Content::ReadOnlyImage);
    }
    places
}

/// The folders that an ephemeral dyno's own layer must get before it starts: (path, mode).
pub(super) fn folders_to_mend(spec: &DynoSpec) -> Vec<(String, u32)> {
    let files = &spec.image.files;
    let both = [("/tmp", files.tmp_mode), ("/var/tmp", files.var_tmp_mode)];
    let bad = both.into_iter().filter(|(_, mode)| *mode != Some(STICKY));
    bad.map(|(path, _)| (path.to_owned(), STICKY)).collect()
}

fn trimmed(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    if path.is_empty() { "/" } else { path }
}

/// The mount of the n-th place.
pub(super) fn mount(place: &Place, spec: &DynoSpec, container: &str, index: usize) -> Mount {
    let named = !matches!(place.content, Content::Image);
    Mount {
        target: Some(place.path.clone()),
        source: named.then(|| volume_name(container, index)),
        typ: Some(MountType::VOLUME),
        read_only: Some(place.content == Content::ReadOnlyImage),
        volume_options: Some(MountVolumeOptions {
            no_copy: Some(matches!(place.content, Content::Empty { .. })),
            labels: Some(labels::of_run(&spec.run)),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    }
}

/// The volumes with a name, which Docker does not remove with their container.
pub(super) fn named(places: &[Place], container: &str) -> Vec<String> {
    let named = places.iter().enumerate().filter(|(_, place)| place.content != Content::Image);
    named.map(|(index, _)| volume_name(container, index)).collect()
}

fn volume_name(container: &str, index: usize) -> String {
    format!("{container}-{index}")
}

/// Makes the empty volumes and gives them their modes. A volume's root takes its mode from the image or from an
/// archive that is unpacked over its parent: so a helper container, never started, mounts them all.
pub(super) async fn fill(
    shared: &Shared,
    spec: &DynoSpec,
    container: &str,
    places: &[Place],
) -> Result<(), EngineError> {
    let empty: Vec<(usize, &Place, u32, u32)> = places
        .iter()
        .enumerate()
        .filter_map(|(index, place)| match place.content {
            Content::Empty { mode, uid } => Some((index, place, mode, uid)),
            _ => None,
        })
        .collect();
    if empty.is_empty() {
        return Ok(());
    }
    let doing = format!("preparing /tmp for {}", spec.name);
    let helper = format!("{container}-prepare");
    let body = ContainerCreateBody {
        image: Some(spec.image.id.clone()),
        entrypoint: Some(vec!["/".to_owned()]),
        labels: Some(labels::of_dyno(spec)),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            mounts: Some(empty.iter().map(|(index, place, ..)| mount(place, spec, container, *index)).collect()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(&helper).platform(&platform(spec)).build();
    shared.docker.create_container(Some(options), body).await.map_err(|error| told(&doing, &error))?;
    let folders = empty.iter().map(|(_, place, mode, uid)| (place.path.as_str(), *mode, *uid));
    let sent = upload(shared, &helper, &archive::of_folders(folders)).await;
    shared.remove_in_background(helper);
    sent.map_err(|error| told(&doing, &error))
}

/// Makes the named volumes, so that containers made at the same time find them.
pub(super) async fn create_named(shared: &Shared, spec: &DynoSpec, names: &[String]) -> Result<(), EngineError> {
    let doing = format!("making volumes for {}", spec.name);
    let create = names.iter().map(|name| {
        shared.docker.create_volume(VolumeCreateRequest {
            name: Some(name.clone()),
            labels: Some(labels::of_run(&spec.run)),
            ..VolumeCreateRequest::default()
        })
    });
    futures_util::future::try_join_all(create).await.map_err(|error| told(&doing, &error))?;
    Ok(())
}

/// Mends folders in the own layer of a container that was not started yet.
pub(super) async fn mend(shared: &Shared, spec: &DynoSpec, id: &str) -> Result<(), EngineError> {
    let folders = folders_to_mend(spec);
    if folders.is_empty() {
        return Ok(());
    }
    let tar = archive::of_folders(folders.iter().map(|(path, mode)| (path.as_str(), *mode, 0)));
    upload(shared, id, &tar).await.map_err(|error| told(&format!("preparing /tmp for {}", spec.name), &error))
}

async fn upload(shared: &Shared, container: &str, tar: &[u8]) -> Result<(), bollard::errors::Error> {
    let options = UploadToContainerOptionsBuilder::new().path("/").build();
    shared.docker.upload_to_container(container, Some(options), bollard::body_full(tar.to_vec().into())).await
}

/// The platform of an image, as the API wants it.
pub(super) fn platform(spec: &DynoSpec) -> String {
    platform_of(&spec.image.os, &spec.image.architecture)
}

pub(super) fn platform_of(os: &str, architecture: &str) -> String {
    if os.is_empty() || architecture.is_empty() { String::new() } else { format!("{os}/{architecture}") }
}

/// The group of what is made for the dyno.
pub(super) const GROUP: u32 = DYNO_GID;

#[cfg(test)]
mod tests {
    use super::{Content, folders_to_mend, named, places};
    use crate::engine::Filesystem;
    use crate::engine::docker::testing::spec;

    #[test]
    fn a_read_only_dyno_has_fresh_tmp_and_no_writable_volume_of_the_image() {
        let mut spec = spec();
        spec.image.files.tmp_mode = Some(0o1777);
        spec.image.volumes = vec!["/data/".into(), "/tmp".into()];
        spec.filesystem = Filesystem::ReadOnly { writable: vec!["/app/uploads".into(), "/new".into()] };
        let places = places(&spec, &["/new".to_owned()]);
        let found: Vec<_> = places.iter().map(|place| (place.path.as_str(), place.content)).collect();
        assert_eq!(
            found,
            [
                ("/tmp", Content::Image),
                ("/var/tmp", Content::Empty { mode: 0o1777, uid: 0 }),
                ("/app/uploads", Content::Image),
                ("/new", Content::Empty { mode: 0o755, uid: 12_345 }),
                ("/data", Content::ReadOnlyImage),
            ]
        );
        assert_eq!(named(&places, "c"), ["c-1", "c-3", "c-4"]);
    }

    #[test]
    fn an_ephemeral_dyno_has_no_volumes_but_a_usable_tmp() {
        let mut spec = spec();
        spec.filesystem = Filesystem::Ephemeral;
        spec.image.files.tmp_mode = Some(0o1777);
        assert!(places(&spec, &[]).is_empty());
        assert_eq!(folders_to_mend(&spec), [("/var/tmp".to_owned(), 0o1777)]);
    }
}
