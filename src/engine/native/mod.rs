//! Dynos as native processes of this machine: no container engine, no root.
//!
//! | file | is |
//! |---|---|
//! | `facts` | which sandbox the kernel allows, and what is only approximate in it |
//! | `image` | what stands for an image: the app's folder as it is |
//! | `cgroup` | the kernel's own count of processes and memory, where we may have it |
//! | `plan`, `start` | a dyno in the launcher's words, and the launcher started with them |
//! | `launcher` | the other side: the sandbox, and the init in it |
//! | `launch`, `life`, `stream` | a dyno's life, as events and output |
//! | `orphans` | what is left where init and keeper were killed at once |
//! | `record` | which dynos run, for other commands and for what is left of earlier runs |
//! | `inside` | commands in a dyno that runs |
//!
//! The init is the same as in containers (`src/init`). Other systems than Linux have neither init nor sandbox; there
//! `elsewhere` starts dynos as process groups.

#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod facts;
mod image;
#[cfg(target_os = "linux")]
mod inside;
#[cfg(target_os = "linux")]
mod launch;
#[cfg(target_os = "linux")]
mod launcher;
#[cfg(target_os = "linux")]
mod life;
#[cfg(target_os = "linux")]
mod orphans;
#[cfg(target_os = "linux")]
mod plan;
mod port;
#[cfg(target_os = "linux")]
mod record;
#[cfg(target_os = "linux")]
mod start;
#[cfg(target_os = "linux")]
mod stream;

#[cfg(not(target_os = "linux"))]
use elsewhere as launch;

use super::{
    Archive, BuildPlan, BuildSink, DynoSpec, Engine, EngineError, EngineFacts, EventSink, Inside, Instance, OutputSink,
    Patch, RunIdentity, Swept,
};
use crate::engine::files::PrivateFiles;
use crate::model::image::{ImageFacts, ImageId};
use crate::registry::Login;
use async_trait::async_trait;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;

/// The name of the hidden command that makes a dyno's sandbox. `cli` must hand over to [`launcher()`] when it is the first
/// word, before it starts any thread.
pub const LAUNCHER: &str = "native:launch";

/// Whether a process of this machine runs in a native dyno, of this run or of another. On systems other than Linux that is
/// not known, and false.
pub fn runs_in_dyno(pid: u32) -> bool {
    #[cfg(target_os = "linux")]
    return record::in_dyno(pid);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = pid;
        false
    }
}

/// A status as a shell has it: the program's own, or 128 and the signal that ended it.
fn code_of(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(137)
}

/// How dynos are kept apart from the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sandbox {
    /// The best that the kernel allows: namespaces, else Landlock, else process groups.
    #[default]
    Best,
    /// Landlock and a watchdog, as where unprivileged user namespaces are not allowed.
    Landlock,
}

/// What the native engine is told.
#[derive(Clone, Debug, Default)]
pub struct NativeOptions {
    /// A private folder: the init, the dynos' files, what is known of images.
    pub files: PathBuf,
    /// How dynos are kept apart from the machine.
    pub sandbox: Sandbox,
    /// The dynosim program, which is started again as launcher; `None`: this very program.
    pub program: Option<PathBuf>,
}

/// Runs dynos as native processes. Clones share everything.
#[derive(Clone)]
pub struct NativeEngine {
    shared: Arc<Shared>,
}

/// What all dynos use.
struct Shared {
    options: NativeOptions,
    files: PrivateFiles,
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "there is no launcher"))]
    program: PathBuf,
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "there is no sandbox"))]
    abilities: facts::Abilities,
    facts: EngineFacts,
    ports: port::Ports,
}

impl NativeEngine {
    /// Finds out what this machine allows.
    ///
    /// # Errors
    /// The private folder cannot be written.
    pub async fn open(options: NativeOptions) -> Result<Self, EngineError> {
        let doing = "opening the native engine";
        let program = options.program.clone().map_or_else(std::env::current_exe, Ok);
        let program = program.map_err(|error| image::failed(doing, &error))?;
        std::fs::create_dir_all(&options.files)
            .map_err(|error| image::failed(doing, &format!("{}: {error}", options.files.display())))?;
        let files = PrivateFiles::new(&options.files);
        let (facts, abilities) = facts::ask(&options, &files, &program).await;
        let ports = port::Ports::default();
        Ok(Self { shared: Arc::new(Shared { options, files, program, abilities, facts, ports }) })
    }
}

/// The hidden command [`LAUNCHER`]: carries out the plan that it gets through its standard input. Returns an exit code when
/// that failed, and not at all otherwise.
pub fn launcher() -> i32 {
    #[cfg(target_os = "linux")]
    return launcher::run();
    #[cfg(not(target_os = "linux"))]
    125
}

#[async_trait]
impl Engine for NativeEngine {
    fn facts(&self) -> &EngineFacts {
        &self.shared.facts
    }

    async fn build(&self, plan: &BuildPlan, _: &BuildSink) -> Result<ImageId, EngineError> {
        image::build(&self.shared, plan).await
    }

    async fn patch(&self, patch: &Patch) -> Result<ImageFacts, EngineError> {
        image::patch(&self.shared, patch)
    }

    async fn expect_patch(&self, _: &ImageFacts, _: &[String]) {}

    async fn inspect(&self, image: &ImageId) -> Result<Option<ImageFacts>, EngineError> {
        Ok(image::inspect(&self.shared, image))
    }

    async fn export(&self, _: &ImageId) -> Result<Archive, EngineError> {
        Err(image::none("exporting the image"))
    }

    async fn tag(&self, _: &ImageId, repository: &str, tag: &str) -> Result<(), EngineError> {
        Err(image::none(&format!("naming the image {repository}:{tag}")))
    }

    async fn pull(&self, repository: &str, tag: &str, _: Option<&Login>) -> Result<ImageId, EngineError> {
        Err(image::none(&format!("fetching {repository}:{tag}")))
    }

    fn port(&self, proposed: u16) -> u16 {
        self.shared.ports.free(proposed)
    }

    async fn open_run(&self, _: &RunIdentity) -> Result<(), EngineError> {
        Ok(())
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
        Ok(launch::dynos(&self.shared, identity))
    }

    async fn enter(&self, identity: &str, dyno: &str) -> Result<Option<Box<dyn Inside>>, EngineError> {
        Ok(launch::enter(&self.shared, identity, dyno))
    }

    async fn sweep(&self, identity: &str, live: &[String]) -> Result<Swept, EngineError> {
        Ok(launch::sweep(&self.shared, identity, live).await)
    }

    async fn prune_images(&self, _: &str, keep: &[ImageId]) -> Result<usize, EngineError> {
        Ok(image::prune(&self.shared, keep))
    }
}
