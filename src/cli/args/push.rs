//! The commands that bring tested images into a registry and back, as the Heroku CLI spells them.

use super::Instance;
use super::heroku::{AllowUntested, AtHeroku};
use crate::model::process_type::ProcessType;
use crate::registry::{BadName, Host, Tag};
use clap::{Args, Subcommand};

/// A command about images in a registry.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Ship {
    /// Give the images that were tested a version
    ///
    /// In the ledger, so that `container:push --version` finds them again, and as names in the engine. Nothing is built and
    /// nothing is sent. A version never comes to name another image.
    #[command(after_help = "Example: dynosim tag v1.0.0 -a shop")]
    Tag(TagImages),
    /// Push images that were tested to Heroku's registry, as they were tested; nothing is built
    ///
    /// The newest build of each process type, or the images of a version, go to APP/TYPE as `latest` and as their version.
    /// Afterwards the registry's own answer is compared with the digest that was tested. 8 when an image is untested, or the
    /// push was refused or failed. A push that is cut off goes on where it stopped.
    #[command(
        name = "container:push",
        after_help = "Examples: dynosim container:push -a shop\n          \
                      dynosim container:push web worker -a shop --tag v1.0.1\n          \
                      dynosim container:push -a shop --version v1.0.0    (roll back: push it again, then release it)"
    )]
    Push(Push),
    /// Fetch images of an app from Heroku's registry into the engine
    #[command(name = "container:pull")]
    Pull(Pull),
    /// Sign in to Heroku's registry, or another; kept where Docker keeps its sign-ins
    #[command(
        name = "container:login",
        after_help = "Heroku's key comes from HEROKU_API_KEY or ~/.netrc (`heroku login`). Elsewhere:\n  \
                      dynosim container:login --registry ghcr.io --username ann --password-stdin < token"
    )]
    Login(Login),
    /// Forget the sign-in to Heroku's registry, or another
    #[command(name = "container:logout")]
    Logout(Logout),
}

impl Ship {
    /// The instance that `-n` names.
    pub(in crate::cli) fn instance(&self) -> Option<&Instance> {
        match self {
            Self::Tag(args) => Some(&args.instance),
            Self::Push(args) => Some(&args.instance),
            Self::Pull(_) | Self::Login(_) | Self::Logout(_) => None,
        }
    }
}

/// A tag that stays where it is, unlike the one that every push moves.
fn version(text: &str) -> Result<Tag, BadName> {
    let tag: Tag = text.parse()?;
    if tag == Tag::latest() {
        return Err(BadName("every push sets latest; a version is a name of its own, as v1.0.0".into()));
    }
    Ok(tag)
}

/// Which registry.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Heroku")]
pub(in crate::cli) struct At {
    /// Another registry than Heroku's; on this machine plain HTTP is spoken, as Docker does
    #[arg(long, value_name = "HOST[:PORT]", value_parser = Host::parse)]
    pub(in crate::cli) registry: Option<Host>,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct TagImages {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// The version, as v1.0.0
    #[arg(value_name = "VERSION", value_parser = version)]
    pub(in crate::cli) version: Tag,
    /// Only these process types
    #[arg(value_name = "TYPE")]
    pub(in crate::cli) types: Vec<ProcessType>,
    #[command(flatten)]
    pub(in crate::cli) at: AtHeroku,
    #[command(flatten)]
    pub(in crate::cli) registry: At,
    #[command(flatten)]
    pub(in crate::cli) untested: AllowUntested,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Push {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// Only these process types; all that the project builds when left out
    #[arg(value_name = "TYPE")]
    pub(in crate::cli) types: Vec<ProcessType>,
    /// The images that were given this version, in place of the newest builds
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub(in crate::cli) version: Option<Tag>,
    /// Set this tag, beside latest; without it, the version that `dynosim tag` gave the image last
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub(in crate::cli) tag: Option<Tag>,
    /// Set the version's tag although it names another image there
    #[arg(long)]
    pub(in crate::cli) force: bool,
    #[command(flatten)]
    pub(in crate::cli) at: AtHeroku,
    #[command(flatten)]
    pub(in crate::cli) registry: At,
    #[command(flatten)]
    pub(in crate::cli) untested: AllowUntested,
    /// Not here: a push builds nothing
    #[arg(long = "arg", value_name = "KEY=VALUE", hide = true)]
    pub(in crate::cli) build_args: Vec<String>,
    /// Not here: a push builds nothing
    #[arg(long, value_name = "DIR", hide = true)]
    pub(in crate::cli) context_path: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Pull {
    /// Process types
    #[arg(value_name = "TYPE", required = true)]
    pub(in crate::cli) types: Vec<ProcessType>,
    /// This tag, in place of latest
    #[arg(long, value_name = "VERSION")]
    pub(in crate::cli) tag: Option<Tag>,
    #[command(flatten)]
    pub(in crate::cli) at: AtHeroku,
    #[command(flatten)]
    pub(in crate::cli) registry: At,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Login {
    #[command(flatten)]
    pub(in crate::cli) registry: At,
    /// The user name; `_` at Heroku's registry, which takes a key
    #[arg(short = 'u', long, value_name = "NAME")]
    pub(in crate::cli) username: Option<String>,
    /// Read the password or key from standard input
    #[arg(long)]
    pub(in crate::cli) password_stdin: bool,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Logout {
    #[command(flatten)]
    pub(in crate::cli) registry: At,
}
