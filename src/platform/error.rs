//! What can stop a command of the platform, and the exit code each has.

use super::authority::AuthorityError;
use super::state::Holder;
use crate::diagnostic::Diagnostic;
use crate::engine::{BuildFailure, EngineError};
use crate::model::app::App;
use crate::model::exit_code::ExitCode;
use crate::model::process_type::ProcessType;
use crate::model::release::Version;
use std::io;
use std::path::PathBuf;

/// Why a command did not do its job.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// The project's files are wrong.
    #[error("the project cannot be read")]
    Project(Vec<Diagnostic>),
    /// Another `up` of the same app runs.
    #[error("{app} is already running: pid {pid} in {folder}", pid = .holder.pid, folder = .holder.folder.display())]
    AlreadyRunning {
        /// The app.
        app: String,
        /// Who has it.
        holder: Holder,
    },
    /// The engine.
    #[error(transparent)]
    Engine(EngineError),
    /// The project needs images, and the engine has none.
    #[error("the project cannot run without a container engine")]
    NotNative(Vec<Diagnostic>),
    /// An image could not be built.
    #[error("the image for {label} could not be built")]
    Build {
        /// Its process types.
        label: String,
        /// Its Dockerfile, relative to the project where it can be.
        dockerfile: PathBuf,
        /// How.
        failure: Box<BuildFailure>,
    },
    /// A release cannot be made of this image (R1.3: missing CMD, among others).
    #[error("{reason}")]
    Refused {
        /// For which type.
        process_type: ProcessType,
        /// Heroku's words.
        reason: String,
        /// The cure.
        help: String,
    },
    /// The release phase failed; nothing of the release runs.
    #[error("the release command of {version} failed with status {status}")]
    ReleaseFailed {
        /// The release.
        version: Version,
        /// What the command ended with.
        status: i32,
    },
    /// The router's port is taken.
    #[error("port {port} is taken{}", .by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default())]
    PortTaken {
        /// Which.
        port: u16,
        /// By whom, where it can be told.
        by: Option<String>,
    },
    /// The local certificate authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// An app at Heroku.
    #[error(transparent)]
    Heroku(Box<super::heroku::Fault>),
    /// An image on its way to or from a registry.
    #[error(transparent)]
    Push(#[from] super::push::PushError),
    /// A process type that the app does not have.
    #[error("{app} has no process type `{name}`; it has {known}")]
    NoSuchType {
        /// The app.
        app: String,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// What was asked for cannot be done as things are.
    #[error("{reason}")]
    Unable {
        /// Why.
        reason: String,
        /// What can be done instead.
        help: String,
    },
    /// A file of the state folder, or the terminal.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, as "write the release".
        doing: String,
        /// The system's error.
        source: io::Error,
    },
    /// Interrupted by the user, everything stopped.
    #[error("interrupted")]
    Interrupted,
}

impl PlatformError {
    /// A process type that `app` does not have, with those it has.
    pub fn no_such_type(app: &App, name: &ProcessType) -> Self {
        let known: Vec<&str> = app.processes.keys().map(ProcessType::as_str).collect();
        Self::NoSuchType { app: app.name.clone(), name: name.to_string(), known: known.join(", ") }
    }

    /// Wraps a system error with what was being done.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// The exit code of the command that ends with this.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Project(_) | Self::NoSuchType { .. } => ExitCode::Usage,
            Self::NotNative(_) | Self::Engine(EngineError::Unreachable { .. } | EngineError::Gone { .. }) => {
                ExitCode::Engine
            }
            Self::Build { .. } | Self::Engine(EngineError::Build(_)) => ExitCode::Build,
            Self::Refused { .. } | Self::ReleaseFailed { .. } => ExitCode::Release,
            Self::Heroku(fault) => fault.exit_code(),
            Self::Push(error) => error.exit_code(),
            Self::Interrupted => ExitCode::Interrupted,
            Self::AlreadyRunning { .. }
            | Self::Engine(EngineError::DiskFull(_) | EngineError::Operation { .. })
            | Self::PortTaken { .. }
            | Self::Authority(_)
            | Self::Unable { .. }
            | Self::Io { .. } => ExitCode::Failed,
        }
    }
}

impl From<super::heroku::Fault> for PlatformError {
    fn from(fault: super::heroku::Fault) -> Self {
        Self::Heroku(Box::new(fault))
    }
}

impl From<crate::heroku::HerokuError> for PlatformError {
    fn from(error: crate::heroku::HerokuError) -> Self {
        Self::Heroku(Box::new(error.into()))
    }
}

impl From<EngineError> for PlatformError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}
