//! Why a command did not change the running app.

use crate::model::dyno::DynoName;
use crate::model::process_type::ProcessType;
use crate::model::release::Version;
use std::io;

/// A command that changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no release yet.
    #[error("the app has no release yet; wait until its images are built")]
    NotReleased,
    /// The app is being stopped.
    #[error("the app is being stopped")]
    Closing,
    /// A process type that the app does not have.
    #[error("Couldn't find that process type: {asked}. The app has {}", .known.join(", "))]
    NoSuchType {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No dyno is meant.
    #[error("Couldn't find that dyno: {asked}. There {}", there(.running))]
    NoSuchDyno {
        /// What was asked for.
        asked: String,
        /// What there is.
        running: Vec<String>,
    },
    /// Another one-off dyno has that name.
    #[error("there is another {0}")]
    NameTaken(DynoName),
    /// Not a number of dynos.
    #[error("{0} can have 0 to 100 dynos")]
    BadQuantity(ProcessType),
    /// More than an app may have (R11).
    #[error("an app can have 100 dynos at most; this would be {0}")]
    TooManyDynos(u32),
    /// No such release.
    #[error("Couldn't find that release: {0}")]
    NoSuchRelease(Version),
    /// There is nothing to go back to (R9).
    #[error("No eligible release found for {0} to roll back to.")]
    NothingToRollBackTo(String),
    /// A release whose release phase did not succeed (R9).
    #[error("{0} is not eligible for a rollback: its release phase did not succeed")]
    NotEligible(Version),
    /// The images of a release are gone from the engine.
    #[error("the image of {process_type} in {version} is gone from the engine: build it again from its sources")]
    ImageGone {
        /// The release.
        version: Version,
        /// Whose image.
        process_type: ProcessType,
    },
    /// Names or values that no config var can have.
    #[error("{0}")]
    BadConfig(String),
    /// It could not be written down, so it was not done.
    #[error("it could not be written down: {0}")]
    NotKept(io::Error),
    /// Anything the platform says.
    #[error(transparent)]
    Platform(#[from] crate::platform::PlatformError),
}

fn there(running: &[String]) -> String {
    if running.is_empty() { "are no dynos".into() } else { format!("are {}", running.join(", ")) }
}
