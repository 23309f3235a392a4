//! Why an app at Heroku was not changed, or not as it was wished.

use crate::heroku::HerokuError;
use crate::model::exit_code::ExitCode;
use crate::model::image::ImageId;
use crate::model::process_type::ProcessType;
use crate::platform::push::PushError;

/// Why a command about an app at Heroku did not do its job.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Heroku, or the way there.
    #[error(transparent)]
    Heroku(#[from] HerokuError),
    /// The registry.
    #[error(transparent)]
    Registry(Box<PushError>),
    /// The app runs slugs, not images; in Heroku's words.
    #[error("This command is for Docker apps only; {app} is on the stack {stack}.")]
    NotContainer {
        /// The app.
        app: String,
        /// What it is on.
        stack: String,
    },
    /// There is nothing that could be released.
    #[error("nothing was pushed for {process_type} of {app}: the registry has no {app}/{process_type}:latest")]
    NothingPushed {
        /// The app.
        app: String,
        /// The process type.
        process_type: ProcessType,
    },
    /// No test vouches for an image.
    #[error("the {process_type} image that {app} would get is untested: {}", .image.0)]
    Untested {
        /// Whose registry it is in.
        app: String,
        /// The process type.
        process_type: ProcessType,
        /// Its config digest.
        image: ImageId,
        /// Why the ledger is not believed, when it is not.
        broken: Option<String>,
    },
    /// What runs is not what the registry has.
    #[error(
        "{app} runs {process_type} {running}, and its registry's latest is {}: it was pushed and never released",
        .latest.short()
    )]
    NotWhatRuns {
        /// The app.
        app: String,
        /// The process type.
        process_type: ProcessType,
        /// The digest's first digits, as Heroku describes the release.
        running: String,
        /// What `latest` names.
        latest: ImageId,
    },
    /// The registry answers with another digest than was put there.
    #[error("{app}/{process_type}:latest is {got}, not {wanted}: somebody else pushed just now")]
    Differs {
        /// The app.
        app: String,
        /// The process type.
        process_type: ProcessType,
        /// What was put there.
        wanted: String,
        /// What is there.
        got: String,
    },
    /// There is nothing to promote.
    #[error("{app} has no process types that could be promoted")]
    NothingRuns {
        /// The app.
        app: String,
    },
    /// The app to promote to is the one to promote from.
    #[error("{0} cannot be promoted to itself")]
    Itself(String),
    /// Its release phase failed: nothing of the release runs (R9).
    #[error("the release command of v{version} {}; {app} goes on with what ran before", ended(.status))]
    ReleaseFailed {
        /// The app.
        app: String,
        /// The release.
        version: u64,
        /// `failed`, `expired`.
        status: String,
    },
    /// It takes longer than Heroku lets a release command run.
    #[error("v{version} of {app} is still pending, longer than a release command can run")]
    StillPending {
        /// The app.
        app: String,
        /// The release.
        version: u64,
    },
    /// The user broke it off before anything was released.
    #[error("interrupted; nothing was released")]
    Interrupted,
    /// The user broke it off while Heroku was asked.
    #[error("interrupted; whether {app} has a new release is not known")]
    Unknown {
        /// The app.
        app: String,
    },
    /// There is no such release, or none to go back to; in Heroku's words.
    #[error("{0}")]
    NoRelease(String),
}

impl Fault {
    /// The exit code of the command that ends with this.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::ReleaseFailed { .. } => ExitCode::Release,
            Self::Itself(_) | Self::Heroku(HerokuError::Endpoint(_)) => ExitCode::Usage,
            Self::Untested { .. } | Self::NotWhatRuns { .. } | Self::Differs { .. } => ExitCode::Push,
            Self::Registry(error) => error.exit_code(),
            Self::Interrupted | Self::Unknown { .. } => ExitCode::Interrupted,
            Self::Heroku(_)
            | Self::NotContainer { .. }
            | Self::NothingPushed { .. }
            | Self::NothingRuns { .. }
            | Self::StillPending { .. }
            | Self::NoRelease(_) => ExitCode::Failed,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Heroku(error) => return error.help(),
            Self::Registry(error) => return of_registry(error),
            Self::NotContainer { app, .. } => {
                format!("switch with `heroku stack:set container -a {app}`, or deploy with `git push heroku main`")
            }
            Self::NothingPushed { app, process_type } => {
                format!("push it first: `dynosim container:push {process_type} -a {app}`")
            }
            Self::Untested { broken: Some(broken), .. } => {
                format!("the ledger of tested images cannot be trusted: {broken}; test again, or say --allow-untested")
            }
            Self::Untested { .. } => {
                "test it with `dynosim test` in the project's folder and push that, or say --allow-untested".into()
            }
            Self::NotWhatRuns { app, process_type, .. } => {
                format!(
                    "release it there first, with `dynosim container:release {process_type} -a {app}`, and see that it works"
                )
            }
            Self::Differs { .. } => "nothing was released; look who else pushes, and do it again".into(),
            Self::ReleaseFailed { app, version, .. } => {
                format!("its output: `dynosim releases:output v{version} -a {app}`")
            }
            Self::StillPending { app, .. } | Self::Unknown { app } => format!("look with `dynosim releases -a {app}`"),
            Self::NothingRuns { .. } | Self::Itself(_) | Self::NoRelease(_) | Self::Interrupted => return None,
        })
    }
}

impl From<PushError> for Fault {
    fn from(error: PushError) -> Self {
        Self::Registry(Box::new(error))
    }
}

/// A release does not go on where it stopped, as a push does.
fn of_registry(error: &PushError) -> Option<String> {
    match error {
        PushError::Registry { error, .. } if error.goes_on() => {
            Some("nothing was released; do it again when the registry answers".into())
        }
        other => other.help(),
    }
}

fn ended(status: &str) -> &str {
    match status {
        "expired" => "was never brought to an end",
        _ => "failed",
    }
}
