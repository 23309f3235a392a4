//! Dynos as containers of any engine that speaks Docker's API. The only place that knows bollard.
//!
//! | file | is |
//! |---|---|
//! | `find`, `config`, `facts` | which engine, what it is, what it can |
//! | `builder`, `progress`, `dockerfile` | images from contexts |
//! | `images` | what an image says about itself; which go |
//! | `patch` | files on top of an image, without a build |
//! | `transfer` | images out of the engine, under names, and from registries |
//! | `create`, `volumes`, `labels` | a dyno in Docker's words |
//! | `launch`, `launches`, `task`, `probe` | its life, as events and output |
//! | `inside` | commands in a dyno that runs |
//! | `sweep` | what is left of earlier runs |

mod archive;
mod builder;
mod config;
mod create;
mod dockerfile;
mod error;
mod facts;
mod find;
mod images;
mod inside;
mod kin;
mod labels;
mod launch;
mod launches;
mod patch;
mod probe;
mod progress;
mod streams;
mod sweep;
mod task;
#[cfg(test)]
mod testing;
mod transfer;
mod usage;
mod volumes;

use super::{
    Archive, BuildPlan, BuildSink, DynoSpec, Engine, EngineError, EngineFacts, EventSink, Inside, Instance, OutputSink,
    Patch, RunIdentity, Swept,
};
use crate::engine::files::PrivateFiles;
use crate::model::image::{ImageFacts, ImageId};
use crate::registry::Login;
use async_trait::async_trait;
use bollard::Docker;
use bollard::query_parameters::RemoveContainerOptionsBuilder;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// Builds and waits may take any time; bollard wants a number.
const NO_TIMEOUT: Duration = Duration::from_hours(7 * 24);

/// A container engine that answered. Clones share everything.
#[derive(Clone)]
pub struct DockerEngine {
    shared: Arc<Shared>,
}

/// What all of an engine's dynos use.
struct Shared {
    docker: Docker,
    /// The same client for requests that are answered when something ends.
    patient: Docker,
    facts: EngineFacts,
    abilities: facts::Abilities,
    files: PrivateFiles,
    config: config::DockerConfig,
    host: String,
    /// Facts of images, by id: an id's image never changes.
    images: Mutex<HashMap<String, ImageFacts>>,
    /// What was found in images that others are like.
    kinship: Mutex<kin::Kinship>,
    /// Which paths images have, by (id, path).
    paths: Mutex<HashMap<(String, String), bool>>,
    /// Folders of images as a patch found them, by (id, path).
    folders: Mutex<HashMap<(String, String), patch::Folder>>,
    /// Which of our files go into dynos; the engine may refuse some once, and is not asked again.
    terms: Mutex<create::Terms>,
    /// Removals under way; a sweep waits for them.
    cleanups: TaskTracker,
    /// Starts under way; removals wait for them.
    launches: launches::Launches,
}

/// Finds the engine that `requested` (`--engine`: a URL, `docker`, `podman`, a context's name) or the environment
/// names, else the first of the usual sockets that answers. `files` is a private folder for what is put into dynos.
///
/// # Errors
/// [`EngineError::Unreachable`] says for each place what came of it.
pub async fn find(
    requested: Option<&str>,
    env: &(dyn Fn(&str) -> Option<String> + Sync),
    files: &Path,
) -> Result<DockerEngine, EngineError> {
    let config = config::DockerConfig::load(&|name| env(name));
    let found = find::find(requested, env, &config).await?;
    let files = PrivateFiles::new(files);
    let is = |name: &str, wanted: &str| env(name).is_some_and(|value| value == wanted);
    let wishes = facts::Wishes { classic: is("DOCKER_BUILDKIT", "0"), elsewhere: is("DYNOSIM_ENGINE_ELSEWHERE", "1") };
    let (facts, abilities) = facts::ask(&found, &files, wishes).await?;
    let terms =
        create::Terms { files: abilities.shares_files, quota: abilities.shares_files, init: abilities.init.clone() };
    let shared = Shared {
        patient: found.docker.clone().with_timeout(NO_TIMEOUT),
        docker: found.docker,
        facts,
        abilities,
        files,
        config,
        host: found.host,
        images: Mutex::default(),
        kinship: Mutex::default(),
        paths: Mutex::default(),
        folders: Mutex::default(),
        terms: Mutex::new(terms),
        cleanups: TaskTracker::new(),
        launches: launches::Launches::new(),
    };
    Ok(DockerEngine { shared: Arc::new(shared) })
}

/// Whether the environment names an engine: `DOCKER_HOST`, `DOCKER_CONTEXT`, or a current context other than `default`.
pub fn is_named(env: &(dyn Fn(&str) -> Option<String> + Sync)) -> bool {
    let config = config::DockerConfig::load(&|name| env(name));
    find::is_named(env, &config)
}

#[async_trait]
impl Engine for DockerEngine {
    fn facts(&self) -> &EngineFacts {
        &self.shared.facts
    }

    async fn build(&self, plan: &BuildPlan, progress: &BuildSink) -> Result<ImageId, EngineError> {
        builder::build(&self.shared, plan, progress).await
    }

    async fn patch(&self, patch: &Patch) -> Result<ImageFacts, EngineError> {
        patch::patch(&self.shared, patch).await
    }

    async fn expect_patch(&self, base: &ImageFacts, folders: &[String]) {
        patch::expect(&self.shared, base, folders).await;
    }

    async fn inspect(&self, image: &ImageId) -> Result<Option<ImageFacts>, EngineError> {
        images::inspect(&self.shared, image).await
    }

    async fn exists(&self, image: &ImageId) -> Result<bool, EngineError> {
        images::exists(&self.shared, image).await
    }

    async fn export(&self, image: &ImageId) -> Result<Archive, EngineError> {
        Ok(transfer::export(&self.shared, image))
    }

    async fn tag(&self, image: &ImageId, repository: &str, tag: &str) -> Result<(), EngineError> {
        transfer::tag(&self.shared, image, repository, tag).await
    }

    async fn pull(&self, repository: &str, tag: &str, login: Option<&Login>) -> Result<ImageId, EngineError> {
        transfer::pull(&self.shared, repository, tag, login).await
    }

    async fn open_run(&self, run: &RunIdentity) -> Result<(), EngineError> {
        sweep::open_run(&self.shared, run).await
    }

    async fn launch(
        &self,
        spec: DynoSpec,
        events: EventSink,
        output: OutputSink,
    ) -> Result<Box<dyn Instance>, EngineError> {
        launch::launch(&self.shared, spec, events, output).await
    }

    async fn dynos(&self, identity: &str) -> Result<Vec<String>, EngineError> {
        inside::dynos(&self.shared, identity).await
    }

    async fn enter(&self, identity: &str, dyno: &str) -> Result<Option<Box<dyn Inside>>, EngineError> {
        inside::enter(&self.shared, identity, dyno).await
    }

    async fn sweep(&self, identity: &str, live: &[String]) -> Result<Swept, EngineError> {
        sweep::sweep(&self.shared, identity, live).await
    }

    async fn prune_images(&self, repository: &str, keep: &[ImageId]) -> Result<usize, EngineError> {
        images::prune(&self.shared, repository, keep).await
    }
}

impl Shared {
    /// Removes a container with its anonymous volumes, whatever state it is in.
    async fn remove(&self, container: &str) -> Result<(), bollard::errors::Error> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        self.docker.remove_container(container, Some(options)).await
    }

    fn remove_in_background(&self, container: String) {
        let docker = self.docker.clone();
        self.cleanups.spawn(async move {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            // What stays is labelled, and goes with the next sweep.
            let _ = docker.remove_container(&container, Some(options)).await;
        });
    }
}
