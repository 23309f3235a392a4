//! The commands about an app at Heroku, as the Heroku CLI spells them.

use super::push::At;
use crate::model::process_type::ProcessType;
use clap::{Args, Subcommand};

/// A command that asks Heroku.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Container {
    /// Release images that were pushed to Heroku: the digests that were tested, or none
    ///
    /// One release is made of all process types named; the others keep their images. The release phase is watched to its
    /// end: 4 when it fails, 8 when an image is untested.
    #[command(name = "container:release", after_help = "Example: dynosim container:release web worker -a shop")]
    Release(Release),
    /// Take the images of process types from an app at Heroku
    #[command(name = "container:rm")]
    Remove(Remove),
    /// Release the images that one app at Heroku runs on another, digest for digest
    #[command(
        name = "container:promote",
        after_help = "Example: dynosim container:promote --from shop-staging --to shop"
    )]
    Promote(Promote),
}

/// Which app, for a command that is about none but Heroku's.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Heroku")]
pub(in crate::cli) struct AtHeroku {
    /// The app at Heroku
    #[arg(short = 'a', long = "app", value_name = "APP", env = "HEROKU_APP")]
    pub(in crate::cli) app: String,
}

/// The same for a command that otherwise is about the app that runs here.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Heroku")]
pub(in crate::cli) struct OrAtHeroku {
    /// Of this app at Heroku, instead of the one here
    #[arg(short = 'a', long = "app", value_name = "APP")]
    pub(in crate::cli) app: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Release {
    /// Process types: web worker release
    #[arg(value_name = "TYPE", required = true)]
    pub(in crate::cli) types: Vec<ProcessType>,
    #[command(flatten)]
    pub(in crate::cli) at: AtHeroku,
    #[command(flatten)]
    pub(in crate::cli) untested: AllowUntested,
    #[command(flatten)]
    pub(in crate::cli) registry: At,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct AllowUntested {
    /// Take images that no test here vouches for, and say so
    #[arg(long)]
    pub(in crate::cli) allow_untested: bool,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Remove {
    /// Process types
    #[arg(value_name = "TYPE", required = true)]
    pub(in crate::cli) types: Vec<ProcessType>,
    #[command(flatten)]
    pub(in crate::cli) at: AtHeroku,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Promote {
    /// Only these process types; all that the app runs, and its release phase, when left out
    #[arg(value_name = "TYPE")]
    pub(in crate::cli) types: Vec<ProcessType>,
    /// The app whose images are taken
    #[arg(long, value_name = "APP")]
    pub(in crate::cli) from: String,
    /// The app that gets them
    #[arg(long, value_name = "APP")]
    pub(in crate::cli) to: String,
    #[command(flatten)]
    pub(in crate::cli) untested: AllowUntested,
    #[command(flatten)]
    pub(in crate::cli) registry: At,
}
