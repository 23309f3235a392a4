//! How a dyno actually runs. Knows nothing of Heroku's rules: it is told *what* (a [`DynoSpec`]) and reports what
//! happens through two channels, one for events and one for output bytes.
//!
//! What every engine guarantees:
//! - [`InstanceEvent::Exited`] is the last event, sent after all output was handed over.
//! - A signal reaches every process of the dyno, not only the first (R5.3).
//! - [`InstanceEvent::Listening`] lists the sockets that really listen inside the dyno; a port that some forwarder
//!   outside opened does not count.
//! - A dropped [`Instance`] is killed.

use crate::model::dyno::{DynoKind, DynoName, DynoSize, Exit};
use crate::model::endpoint::Endpoint;
use crate::model::image::{ImageFacts, ImageId};
use crate::registry::Login;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use std::net::IpAddr;
use std::pin::Pin;
use tokio::sync::mpsc;

pub mod build;
pub mod context;
pub mod docker;
pub mod fake;
mod files;
pub mod inside;
pub mod native;
mod patch;
mod reports;

pub use build::{BuildEvent, BuildFailure, BuildPlan, BuildStep};
pub use inside::{Guest, Inside};
pub use patch::{Patch, Piece};

/// Where an engine reports what becomes of one instance.
pub type EventSink = mpsc::Sender<InstanceEvent>;
/// Where an engine hands over what an instance prints. Bounded: a full channel slows the reader, never loses bytes.
pub type OutputSink = mpsc::Sender<Output>;
/// An image as one archive, in pieces.
pub type Archive = Pin<Box<dyn Stream<Item = Result<Bytes, EngineError>> + Send>>;
/// Where an engine reports a build's progress.
pub type BuildSink = mpsc::UnboundedSender<BuildEvent>;

/// A container engine, or something that behaves like one.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// What it is, for `doctor`.
    fn facts(&self) -> &EngineFacts;
    /// Builds one image. The id is the image's config digest.
    async fn build(&self, plan: &BuildPlan, progress: &BuildSink) -> Result<ImageId, EngineError>;
    /// Puts files on top of an image, as a build with `COPY` would, but in a blink. What that cannot do exactly is an
    /// error: a parent that is a symbolic link in the image, a new folder that the image already has.
    async fn patch(&self, patch: &Patch) -> Result<ImageFacts, EngineError>;
    /// Such a patch may come, into these folders of the image: finds out now what would take time then.
    async fn expect_patch(&self, base: &ImageFacts, folders: &[String]);
    /// What an image says about itself; `None` when the engine does not have it.
    async fn inspect(&self, image: &ImageId) -> Result<Option<ImageFacts>, EngineError>;
    /// Whether the engine has the image; cheaper than [`Engine::inspect`].
    async fn exists(&self, image: &ImageId) -> Result<bool, EngineError> {
        Ok(self.inspect(image).await?.is_some())
    }
    /// The image as an archive, as `docker save` writes it: in Docker's layout or OCI's, layers compressed or not.
    async fn export(&self, image: &ImageId) -> Result<Archive, EngineError>;
    /// Gives an image a name of its own: `registry.heroku.com/shop/web` and `v1.0.0`.
    async fn tag(&self, image: &ImageId, repository: &str, tag: &str) -> Result<(), EngineError>;
    /// Fetches an image from a registry, with a login there if one is needed.
    async fn pull(&self, repository: &str, tag: &str, login: Option<&Login>) -> Result<ImageId, EngineError>;
    /// The `$PORT` of a dyno: `proposed`, unless the engine knows that it cannot be bound.
    fn port(&self, proposed: u16) -> u16 {
        proposed
    }
    /// Makes ready what all dynos of a run share (a network). May be called again; does nothing then.
    async fn open_run(&self, run: &RunIdentity) -> Result<(), EngineError>;
    /// Starts one dyno. Returns once it was started or could not be; everything later comes through `events`.
    async fn launch(
        &self,
        spec: DynoSpec,
        events: EventSink,
        output: OutputSink,
    ) -> Result<Box<dyn Instance>, EngineError>;
    /// The names of the app's dynos that run now, whoever started them.
    async fn dynos(&self, identity: &str) -> Result<Vec<String>, EngineError>;
    /// A way into one of them; `None` when it does not run. Of two with one name, the newer.
    async fn enter(&self, identity: &str, dyno: &str) -> Result<Option<Box<dyn Inside>>, EngineError>;
    /// Removes every container, volume and network of the app's runs but those of `live` runs.
    async fn sweep(&self, identity: &str, live: &[String]) -> Result<Swept, EngineError>;
    /// Removes the app's images (those named under `repository`) but for the ids in `keep`; one in use is left.
    async fn prune_images(&self, repository: &str, keep: &[ImageId]) -> Result<usize, EngineError>;
}

/// A running dyno, as its owner steers it. Dropping it kills what is left of the dyno.
#[async_trait]
pub trait Instance: Send + Sync {
    /// Sends a signal to every process of the dyno.
    fn signal(&self, signal: Signal);
    /// Memory use now; `None` when it cannot be had (the dyno has ended).
    async fn usage(&self) -> Option<Usage>;
    /// The processes of the dyno now, without the init.
    async fn processes(&self) -> Vec<ProcessFacts>;
    /// Writes to the dyno's standard input (one-off dynos with `stdin`); an empty `Bytes` closes it.
    async fn input(&self, bytes: Bytes);
    /// Tells a terminal's size to the dyno (one-off dynos with a terminal).
    async fn resize(&self, columns: u16, rows: u16);
}

/// The signals the platform sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM
    Term,
    /// SIGKILL
    Kill,
    /// SIGHUP, to a one-off dyno whose client went away
    Hup,
    /// SIGINT, Ctrl-C passed on to a one-off dyno without a terminal
    Int,
}

/// What becomes of an instance.
#[derive(Clone, Debug, PartialEq)]
pub enum InstanceEvent {
    /// The sockets that listen inside the dyno, whenever the list changes (dynos with a `port` only).
    Listening(Vec<Listener>),
    /// `$PORT` is bound on a non-loopback address and can be dialled here.
    Bound(Endpoint),
    /// Something worth explaining that the engine alone could see.
    Finding(Finding),
    /// The engine does not answer; it is being retried. Followed by `Found` or `Exited`.
    Lost(String),
    /// The engine answers again and the dyno still runs.
    Found,
    /// It has ended. Always last.
    Exited(Ended),
}

/// How an instance ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ended {
    /// Status and whether memory ran out.
    pub exit: Exit,
    /// Files the dyno wrote that vanish with it (ephemeral file system only).
    pub lost_writes: Vec<LostWrite>,
}

/// A file that was created or changed in a dyno and is gone with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostWrite {
    /// Path inside the dyno.
    pub path: String,
    /// Bytes; `None` when it could not be read.
    pub size: Option<u64>,
}

/// What an engine saw of a start that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The program could not be executed: path and the system's words ("No such file or directory").
    ExecFailed {
        /// The program as the command names it.
        program: String,
        /// The system's reason.
        reason: String,
    },
    /// A script's first line ends in CR, so its interpreter is not found.
    CrlfScript {
        /// The script's path in the image.
        path: String,
        /// Its first line, without the line end.
        shebang: String,
    },
    /// A script has no exec bit for the dyno's user.
    NotExecutable {
        /// The script's path in the image.
        path: String,
    },
    /// The image has no shell but the command needs one.
    NoShell,
    /// A path the dyno's user may not write to, from the output of the app (see [`Listener`] for sockets).
    Other(String),
}

/// A listening TCP socket inside a dyno.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listener {
    /// The address it is bound to; `0.0.0.0` and `::` mean any.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The process that holds it, when it could be told.
    pub process: Option<(u32, String)>,
}

/// One process of a dyno.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Pid inside the dyno.
    pub pid: u32,
    /// Short name (`node`).
    pub name: String,
    /// Whole command line, words joined by spaces.
    pub command: String,
    /// Resident bytes.
    pub rss: u64,
}

/// Memory of a dyno, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Resident.
    pub rss: u64,
    /// Page cache.
    pub cache: u64,
    /// Swap.
    pub swap: u64,
    /// Pages read in, since the start.
    pub pages_in: u64,
    /// Pages written out, since the start.
    pub pages_out: u64,
    /// Runnable tasks now, for the load average.
    pub runnable: u64,
}

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Whether it came from stderr. Formation dynos have both merged in order and say `false`.
    pub stderr: bool,
    /// The bytes as written.
    pub bytes: Bytes,
}

/// Which app and which run an engine's objects belong to; becomes labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunIdentity {
    /// The app's name.
    pub app: String,
    /// Identity of the app on this machine: twelve hex digits of folder and instance name.
    pub identity: String,
    /// This run alone.
    pub run: String,
}

/// What a dyno is to be.
#[derive(Clone, Debug)]
pub struct DynoSpec {
    /// Whose it is.
    pub run: RunIdentity,
    /// Its name.
    pub name: DynoName,
    /// Formation, one-off or release.
    pub kind: DynoKind,
    /// The image.
    pub image: ImageFacts,
    /// Program and arguments, final (R1.4).
    pub argv: Vec<String>,
    /// The whole environment but what the image sets; names are unique.
    pub env: Vec<(String, String)>,
    /// The user id; the group is `dyno` (R1.5).
    pub uid: u32,
    /// Limits.
    pub size: DynoSize,
    /// What it may write to.
    pub filesystem: Filesystem,
    /// `$PORT`, for dynos that are watched for binding.
    pub port: Option<u16>,
    /// Every bind but that of `$PORT` is denied (`--strict-ports`); only where the engine can
    /// ([`EngineFacts::strict_ports`]).
    pub strict_ports: bool,
    /// How it is connected to a terminal or pipe.
    pub console: Console,
}

impl DynoSpec {
    /// Where `HOME` leads: the last value of the platform's and the config's, else the image's.
    pub(in crate::engine) fn home(&self) -> String {
        let given = self.env.iter().rev().find(|(name, _)| name == "HOME").map(|(_, home)| home.as_str());
        given.or_else(|| self.image.env("HOME")).unwrap_or("/").to_owned()
    }

    /// The paths that `--writable` names.
    ///
    /// # Errors
    /// One of them is not absolute.
    pub(in crate::engine) fn writable(&self) -> Result<&[String], EngineError> {
        let Filesystem::ReadOnly { writable } = &self.filesystem else { return Ok(&[]) };
        match writable.iter().find(|path| !path.starts_with('/')) {
            Some(odd) => Err(EngineError::Operation {
                doing: "reading --writable".into(),
                reason: format!("`{odd}` is not an absolute path of the dyno"),
            }),
            None => Ok(writable),
        }
    }
}

/// What a dyno may write to, besides what Unix permissions say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filesystem {
    /// Everything is read-only but `/tmp`, `/var/tmp`, `/dev/shm` and these paths: stricter than Heroku.
    ReadOnly {
        /// From `--writable`.
        writable: Vec<String>,
    },
    /// As on Heroku: a writable layer, gone with the dyno.
    Ephemeral,
}

/// How a dyno's standard streams are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// Output to the log, no input.
    Log,
    /// Standard input piped, stdout and stderr apart.
    Pipe,
    /// A terminal of this size: columns, rows.
    Terminal(u16, u16),
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Dynos without a container, by their processes.
    pub dynos: usize,
    /// Containers, running or not.
    pub containers: usize,
    /// Volumes.
    pub volumes: usize,
    /// Networks.
    pub networks: usize,
}

impl Swept {
    /// Counts more in.
    pub fn add(&mut self, more: Self) {
        self.dynos += more.dynos;
        self.containers += more.containers;
        self.volumes += more.volumes;
        self.networks += more.networks;
    }

    /// Whether there was nothing.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// What an engine is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct EngineFacts {
    /// `Docker`, `Podman`, …
    pub product: String,
    /// Its version.
    pub version: String,
    /// Its API version.
    pub api: String,
    /// Where it was reached, and why there: `unix:///var/run/docker.sock (usual socket)`.
    pub address: String,
    /// Operating system and architecture of the engine: `linux/amd64`.
    pub platform: String,
    /// `BuildKit` or `classic`.
    pub builder: String,
    /// Containers can be dialled at their own address.
    pub local: bool,
    /// Why dynosim's own init does not run in the dynos; `None` when it does.
    pub init_missing: Option<String>,
    /// cgroup version.
    pub cgroup: String,
    /// Whether the engine can swap.
    pub swap: bool,
    /// Free and total bytes where the engine keeps its data, when that can be told.
    pub disk: Option<(u64, u64)>,
    /// It runs this machine's own programs in the project's own folder: it has no images, and builds, exports and pulls
    /// none.
    pub native: bool,
    /// Dynos write to the project's own files, where they may write at all.
    pub writes_through: bool,
    /// It can deny every bind but that of `$PORT`.
    pub strict_ports: bool,
    /// What is only approximate with this engine, each a sentence.
    pub approximations: Vec<String>,
}

/// What can go wrong with an engine. Failing apps are not among it.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// None answers.
    #[error("no container engine answers")]
    Unreachable {
        /// What was looked for, one line each: address, why there, what came of it.
        tried: Vec<String>,
    },
    /// It stopped answering during an operation.
    #[error("the container engine went away while {doing}: {reason}")]
    Gone {
        /// The operation, as "starting web.1".
        doing: String,
        /// The system's words.
        reason: String,
    },
    /// A build failed.
    #[error("{}", .0.message)]
    Build(Box<BuildFailure>),
    /// The engine's disk is full.
    #[error("the disk is full: {0}")]
    DiskFull(String),
    /// Anything else an operation ran into.
    #[error("{doing} failed: {reason}")]
    Operation {
        /// The operation, as "create container for web.1".
        doing: String,
        /// The engine's words.
        reason: String,
    },
}

/// Lower-case hex digits.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
