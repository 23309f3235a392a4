//! What an image says about itself, what is in its file system, and which images go.

use super::error::{self, told};
use super::kin::Looked;
use super::{Shared, archive, labels, volumes};
use crate::engine::EngineError;
use crate::model::image::{ImageFacts, ImageFiles, ImageId};
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, ImageInspect};
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder,
    ListImagesOptionsBuilder, RemoveImageOptions,
};
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Go's bits in a file mode.
pub(super) const GO_FOLDER: u32 = 1 << 31;
const GO_LINK: u32 = 1 << 27;
const GO_STICKY: u32 = 1 << 20;
/// A header with its extensions is not longer.
const MOST_HEAD: usize = 4096;
/// Files larger than this are no passwd files.
const MOST_TEXT: usize = 1 << 20;

/// Whether the engine has the image: one request, where its facts take a look into its files.
pub(super) async fn exists(shared: &Shared, image: &ImageId) -> Result<bool, EngineError> {
    match shared.docker.inspect_image(&image.0).await {
        Ok(_) => Ok(true),
        Err(error) if error::is_missing(&error) => Ok(false),
        Err(error) => Err(told(&format!("looking for image {}", image.short()), &error)),
    }
}

/// The facts of an image; `None` when the engine does not have it.
pub(super) async fn inspect(shared: &Shared, image: &ImageId) -> Result<Option<ImageFacts>, EngineError> {
    let doing = format!("inspecting image {}", image.short());
    let found = match shared.docker.inspect_image(&image.0).await {
        Ok(found) => found,
        Err(error) if error::is_missing(&error) => return Ok(None),
        Err(error) => return Err(told(&doing, &error)),
    };
    let id = found.id.clone().unwrap_or_else(|| image.0.clone());
    let known = shared.images.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
    if let Some(known) = known {
        return Ok(Some(known));
    }
    let layers = found.root_fs.as_ref().and_then(|root| root.layers.clone()).unwrap_or_default();
    let mut facts = facts(&id, found);
    let looked = looked(shared, &id, layers).await;
    let kin = looked.as_ref().and_then(|looked| lock(&shared.kinship).files_of(looked));
    facts.files = match kin {
        Some(files) => files,
        None => files(shared, &facts).await.map_err(|error| told(&doing, &error))?,
    };
    if let Some(looked) = looked {
        lock(&shared.kinship).add(looked, facts.files.clone());
    }
    shared.images.lock().unwrap_or_else(PoisonError::into_inner).insert(id, facts.clone());
    Ok(Some(facts))
}

/// What decides whose kin an image is, if the engine tells its history.
async fn looked(shared: &Shared, id: &str, layers: Vec<String>) -> Option<Looked> {
    let history = shared.docker.image_history(id).await.ok()?;
    Some(Looked::new(layers, history.iter().map(|entry| entry.created_by.as_str())))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn facts(id: &str, found: ImageInspect) -> ImageFacts {
    let config = found.config.unwrap_or_default();
    let variable = |text: String| match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (text, String::new()),
    };
    let healthcheck = config.healthcheck.and_then(|check| check.test).unwrap_or_default();
    ImageFacts {
        id: id.to_owned(),
        entrypoint: config.entrypoint.unwrap_or_default(),
        cmd: config.cmd.unwrap_or_default(),
        env: config.env.unwrap_or_default().into_iter().map(variable).collect(),
        workdir: config.working_dir.filter(|folder| !folder.is_empty()).unwrap_or_else(|| "/".to_owned()),
        user: config.user.unwrap_or_default(),
        volumes: sorted(config.volumes),
        exposed: sorted(config.exposed_ports),
        healthcheck: healthcheck.first().is_some_and(|word| word != "NONE"),
        stop_signal: config.stop_signal.filter(|signal| !signal.is_empty()),
        architecture: found.architecture.unwrap_or_default(),
        os: found.os.unwrap_or_default(),
        layers: found.root_fs.and_then(|root| root.layers).unwrap_or_default().len(),
        size: found.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
        files: ImageFiles::default(),
    }
}

fn sorted(list: Option<Vec<String>>) -> Vec<String> {
    let mut list = list.unwrap_or_default();
    list.sort();
    list
}

/// Looks into the image through a container that is never started.
async fn files(shared: &Shared, facts: &ImageFacts) -> Result<ImageFiles, Error> {
    let probe = Probe::open(shared, facts).await?;
    let (app, shell, tmp, var_tmp, passwd, group) = tokio::join!(
        probe.mode("/app"),
        probe.mode("/bin/sh"),
        probe.mode("/tmp"),
        probe.mode("/var/tmp"),
        probe.text("/etc/passwd"),
        probe.text("/etc/group"),
    );
    let folder = |mode: Option<u32>| mode.filter(|mode| mode & GO_FOLDER != 0);
    Ok(ImageFiles {
        has_app_dir: folder(app?).is_some(),
        has_shell: shell?.is_some(),
        tmp_mode: folder(tmp?).map(unix_mode),
        var_tmp_mode: folder(var_tmp?).map(unix_mode),
        passwd: passwd?,
        group: group?,
    })
}

/// The paths that an image does not have; asked once for each.
pub(super) async fn missing_paths(
    shared: &Shared,
    facts: &ImageFacts,
    paths: &[String],
) -> Result<Vec<String>, EngineError> {
    let known = |path: &String| {
        let paths = shared.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.get(&(facts.id.clone(), path.clone())).copied()
    };
    let unknown: Vec<&String> = paths.iter().filter(|path| known(path).is_none()).collect();
    if !unknown.is_empty() {
        let doing = "looking for the writable paths in the image";
        let probe = Probe::open(shared, facts).await.map_err(|error| told(doing, &error))?;
        let modes = join_all(unknown.iter().map(|path| probe.mode(path))).await;
        for (path, mode) in unknown.into_iter().zip(modes) {
            let found = mode.map_err(|error| told(doing, &error))?.is_some();
            let mut paths = shared.paths.lock().unwrap_or_else(PoisonError::into_inner);
            paths.insert((facts.id.clone(), path.clone()), found);
        }
    }
    Ok(paths.iter().filter(|path| known(path) == Some(false)).cloned().collect())
}

fn unix_mode(go: u32) -> u32 {
    (go & 0o777) | if go & GO_STICKY != 0 { 0o1000 } else { 0 }
}

/// A container of the image that is never started, removed when dropped.
pub(super) struct Probe<'a> {
    shared: &'a Shared,
    id: String,
}

impl<'a> Probe<'a> {
    pub(super) async fn open(shared: &'a Shared, facts: &ImageFacts) -> Result<Self, Error> {
        let body = ContainerCreateBody {
            image: Some(facts.id.clone()),
            entrypoint: Some(vec!["/".to_owned()]),
            labels: Some(HashMap::from([(labels::PROBE.to_owned(), String::new())])),
            host_config: Some(HostConfig { network_mode: Some("none".to_owned()), ..HostConfig::default() }),
            ..ContainerCreateBody::default()
        };
        let platform = volumes::platform_of(&facts.os, &facts.architecture);
        let options = CreateContainerOptionsBuilder::new().platform(&platform).build();
        let made = shared.docker.create_container(Some(options), body).await?;
        Ok(Self { shared, id: made.id })
    }

    /// Go's mode of a path; `None` when it is not there.
    async fn mode(&self, path: &str) -> Result<Option<u32>, Error> {
        Ok(self.resolve(path).await?.map(|(_, mode)| mode))
    }

    /// Where a path leads through one symbolic link, and Go's mode of that; `None` when it is not there.
    async fn resolve(&self, path: &str) -> Result<Option<(String, u32)>, Error> {
        let mut path = path.to_owned();
        for _ in 0..2 {
            let options = ContainerArchiveInfoOptionsBuilder::new().path(&path).build();
            match self.shared.docker.get_container_archive_info(&self.id, Some(options)).await {
                Ok(found) if found.file_mode & GO_LINK != 0 && !found.link_target.is_empty() => {
                    path = found.link_target;
                }
                Ok(found) => return Ok(Some((path, found.file_mode))),
                Err(error) if error::is_missing(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Go's mode of a path itself, be it a symbolic link; `None` when it is not there.
    pub(super) async fn own_mode(&self, path: &str) -> Result<Option<u32>, Error> {
        let options = ContainerArchiveInfoOptionsBuilder::new().path(path).build();
        match self.shared.docker.get_container_archive_info(&self.id, Some(options)).await {
            Ok(found) => Ok(Some(found.file_mode)),
            Err(error) if error::is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The beginning of a path's archive: its own header is in it.
    pub(super) async fn head(&self, path: &str) -> Result<Vec<u8>, Error> {
        let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
        let mut stream = self.shared.docker.download_from_container(&self.id, Some(options));
        let mut head = Vec::new();
        while head.len() < MOST_HEAD
            && let Some(bytes) = stream.try_next().await?
        {
            head.extend_from_slice(&bytes);
        }
        Ok(head)
    }

    /// The text of a small file; empty when it is not there.
    async fn text(&self, path: &str) -> Result<String, Error> {
        let Some((path, _)) = self.resolve(path).await? else { return Ok(String::new()) };
        let options = DownloadFromContainerOptionsBuilder::new().path(&path).build();
        let mut stream = self.shared.docker.download_from_container(&self.id, Some(options));
        let mut tar = Vec::new();
        loop {
            match stream.try_next().await {
                Ok(Some(bytes)) if tar.len() < MOST_TEXT => tar.extend_from_slice(&bytes),
                Ok(_) => return Ok(archive::first_file(&tar).unwrap_or_default()),
                Err(error) if error::is_missing(&error) => return Ok(String::new()),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        if tokio::runtime::Handle::try_current().is_ok() {
            self.shared.remove_in_background(std::mem::take(&mut self.id));
        }
    }
}

/// Removes the images named under `repository` but for those to keep and those in use.
pub(super) async fn prune(shared: &Shared, repository: &str, keep: &[ImageId]) -> Result<usize, EngineError> {
    let doing = "listing the app's images";
    let options = ListImagesOptionsBuilder::new().build();
    let list = shared.docker.list_images(Some(options)).await.map_err(|error| told(doing, &error))?;
    let repository = repository.trim_end_matches('/');
    let below = |tag: &&String| tag.strip_prefix(repository).is_some_and(|rest| rest.starts_with(['/', ':']));
    let mut removed = 0;
    for image in list.iter().filter(|image| keep.iter().all(|kept| kept.0 != image.id)) {
        let mut gone = false;
        for tag in image.repo_tags.iter().filter(below) {
            match shared.docker.remove_image(tag, None::<RemoveImageOptions>, None).await {
                Ok(_) => gone = true,
                // In use, or already gone.
                Err(error) if matches!(error::status(&error), Some(404 | 409)) => {}
                Err(error) => return Err(told(&format!("removing image {tag}"), &error)),
            }
        }
        removed += usize::from(gone);
    }
    Ok(removed)
}
