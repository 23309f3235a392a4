//! Why nothing was pushed, or not all.

use crate::model::exit_code::ExitCode;
use crate::model::image::ImageId;
use crate::model::process_type::ProcessType;
use crate::platform::tested::LedgerError;
use crate::registry::{BadName, Digest, RegistryError, SavedError};

/// Why an image was not pushed, tagged or pulled.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// No passed test vouches for it.
    #[error("the newest build of {process_type} is untested: {}", .image.0)]
    Untested {
        /// Whose image.
        process_type: ProcessType,
        /// Its config digest.
        image: ImageId,
        /// Whether an older build of the type was tested.
        before: bool,
    },
    /// There is no build of it.
    #[error("{process_type} was never built here")]
    NotBuilt {
        /// Which type.
        process_type: ProcessType,
    },
    /// It has no image of its own to push.
    #[error("{process_type} has no image of its own: it runs the image of {of} with another command")]
    NoImage {
        /// Which type.
        process_type: ProcessType,
        /// Whose image it runs.
        of: ProcessType,
    },
    /// No version of that name, or none of that type.
    #[error("there is no version {version} of {what}")]
    NoVersion {
        /// Its name.
        version: String,
        /// The type, or the app.
        what: String,
    },
    /// The registry has no such image.
    #[error("the registry has no {repository}:{tag}")]
    NotThere {
        /// Where.
        repository: String,
        /// The tag.
        tag: String,
    },
    /// The engine has it no more.
    #[error("the engine has no image {} any more (the {process_type} image)", .image.0)]
    Gone {
        /// Whose image.
        process_type: ProcessType,
        /// Its config digest.
        image: ImageId,
    },
    /// Heroku would not release it (R1.3).
    #[error(
        "No command specified for process type {process_type}: its image has no CMD, and a pushed image runs nothing else"
    )]
    NoCommand {
        /// Whose image.
        process_type: ProcessType,
    },
    /// It cannot run at Heroku (R1.2).
    #[error("the {process_type} image is for {platform}, and Heroku's dynos are linux/amd64")]
    Platform {
        /// Whose image.
        process_type: ProcessType,
        /// What it is for.
        platform: String,
    },
    /// What the engine gave is not the image that was tested.
    #[error("the engine gave {found} for the {process_type} image {}", .image.0)]
    NotTheImage {
        /// Whose image.
        process_type: ProcessType,
        /// What was asked for.
        image: ImageId,
        /// The config digest of what came.
        found: Digest,
    },
    /// The version names another image there.
    #[error("{repository}:{tag} is there already, and is another image: {found}, not {wanted}")]
    Taken {
        /// Where.
        repository: String,
        /// The tag.
        tag: String,
        /// The config digest it names.
        found: String,
        /// The one it was to name.
        wanted: Digest,
    },
    /// The registry's own answer is not what it should be.
    #[error("the registry answers {found} for {repository}:{tag}, not {wanted}")]
    Differs {
        /// Where.
        repository: String,
        /// The tag.
        tag: String,
        /// The config digest it answers with.
        found: String,
        /// What it should be.
        wanted: Digest,
    },
    /// What is there is no image that Heroku takes (R1.2).
    #[error("{repository}:latest is {kind}, which Heroku does not take")]
    NotSchema2 {
        /// Where.
        repository: String,
        /// Its media type.
        kind: String,
    },
    /// The registry, or the way there.
    #[error("{error}{}", .done.as_ref().map(|done| format!("; {done}")).unwrap_or_default())]
    Registry {
        /// What happened.
        error: Box<RegistryError>,
        /// What had been done until then.
        done: Option<String>,
    },
    /// The engine's export.
    #[error(transparent)]
    Saved(#[from] SavedError),
    /// A name that no registry takes.
    #[error(transparent)]
    Name(#[from] BadName),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A sign-in could not be kept or forgotten.
    #[error("the sign-in could not be kept: {0}")]
    SignIn(String),
    /// There is nothing to sign in with.
    #[error("there is no {} to sign in to {host} with", if *.heroku { "key" } else { "password" })]
    NoKey {
        /// The registry.
        host: String,
        /// Whether it is Heroku's, which takes Heroku's key.
        heroku: bool,
    },
}

impl From<RegistryError> for PushError {
    fn from(error: RegistryError) -> Self {
        Self::Registry { error: Box::new(error), done: None }
    }
}

impl PushError {
    /// The exit code of the command that ends with this.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Name(_) | Self::NoKey { .. } | Self::NoImage { .. } => ExitCode::Usage,
            Self::SignIn(_) => ExitCode::Failed,
            _ => ExitCode::Push,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Untested { process_type, before, .. } => {
                let since = if *before { "an earlier build of it was tested, this one was not; " } else { "" };
                format!("{since}test it with `dynosim test -- COMMAND`, or push {process_type} with --allow-untested")
            }
            Self::NotBuilt { process_type } => {
                format!("build and test it: `dynosim test`, or `dynosim build {process_type}`")
            }
            Self::NoImage { of, .. } => {
                format!(
                    "a registry deploy starts an image's own CMD: give it a Dockerfile with its CMD, or deploy heroku.yml with `git push heroku main`; push {of} meanwhile"
                )
            }
            Self::NoVersion { .. } => {
                "`dynosim tested` lists what was tested and tagged; `dynosim tag VERSION` gives a version".into()
            }
            Self::Gone { .. } => "build and test it again: the same sources may give another digest".into(),
            Self::NoCommand { .. } => {
                "end its Dockerfile with a CMD; `run` of heroku.yml and a Procfile do not go with an image".into()
            }
            Self::Platform { .. } | Self::Saved(SavedError::Platform(_)) => {
                "build it with `dynosim build --platform linux/amd64`, and test that".into()
            }
            Self::Saved(SavedError::Zstd) => "build it with gzip layers: without `compression=zstd`".into(),
            Self::Taken { tag, .. } => {
                format!("versions are not moved: choose another than {tag}, or say --force if nothing relies on it")
            }
            Self::Differs { .. } => {
                "nothing was released; somebody else pushed at the same time, or the registry is at fault: push again"
                    .into()
            }
            Self::NotSchema2 { .. } => "push it with `dynosim container:push`, which sends what Heroku takes".into(),
            Self::Registry { error, .. } => return error.help(),
            Self::Ledger(error) => error.help(),
            Self::NoKey { heroku: true, .. } => {
                "set HEROKU_API_KEY, run `heroku login`, or pipe a key: --password-stdin < FILE".into()
            }
            Self::NoKey { heroku: false, host } => {
                format!("pipe one: `dynosim container:login --registry {host} --username NAME --password-stdin < FILE`")
            }
            Self::NotThere { .. } => {
                "look at the spelling of -a and of the process type; --tag fetches another tag than latest".into()
            }
            Self::SignIn(_) => "see docs/pushing.md for where sign-ins are kept".into(),
            Self::NotTheImage { .. } => {
                "is another program changing the engine's images? build and test it again".into()
            }
            Self::Saved(SavedError::Io { .. }) => {
                "layers are kept in the state folder until they are sent: make room there, or see that it can be written \
                 to; XDG_STATE_HOME names another place"
                    .into()
            }
            Self::Saved(_) | Self::Name(_) => return None,
        })
    }
}
