//! The commands that steer a running app, as the Heroku CLI spells them.

use super::heroku::OrAtHeroku;
use super::{Instance, RunDetached, assignment};
use clap::{Args, Subcommand};

/// A command that is a client of the running app.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Steer {
    /// List the app's dynos
    #[command(name = "ps")]
    Ps(Ps),
    /// Show or change how many dynos run, and of what size: web=2 worker+1 web=2:Standard-1X
    #[command(name = "ps:scale", alias = "scale")]
    Scale(Scale),
    /// Restart dynos: all, or those named
    #[command(name = "ps:restart", alias = "restart")]
    Restart(Which),
    /// Stop dynos; those of the formation start again, as on Heroku
    #[command(name = "ps:stop", visible_alias = "ps:kill", aliases = ["stop", "kill"])]
    Stop(Which),
    /// Run a command in a one-off dyno of the running app, without a terminal; its output is in the log
    #[command(name = "run:detached")]
    RunDetached(RunDetached),
    /// Show or change the size of dynos: standard-2x, or web=standard-2x
    #[command(name = "ps:type", visible_alias = "ps:size", alias = "ps:resize")]
    Type(Type),
    /// The daily restart, now
    #[command(name = "ps:cycle")]
    Cycle(Which),
    /// Wait until every dyno is up on the newest release; 5 when one crashes, 124 when the time is over
    #[command(name = "ps:wait")]
    Wait(Wait),
    /// Show the config vars
    #[command(name = "config")]
    Config(Config),
    /// Print config vars
    #[command(name = "config:get")]
    Get(Get),
    /// Set config vars, in .env and as a new release
    #[command(name = "config:set", alias = "config:add")]
    Set(Set),
    /// Unset config vars, in .env and as a new release
    #[command(name = "config:unset", alias = "config:remove")]
    Unset(Unset),
    /// Edit the config vars in $VISUAL or $EDITOR
    #[command(name = "config:edit")]
    Edit(Edit),
    /// List the releases
    #[command(name = "releases")]
    Releases(Releases),
    /// Show a release and its config vars
    #[command(name = "releases:info")]
    Info(Info),
    /// Show what a release command printed
    #[command(name = "releases:output")]
    Output(OneRelease),
    /// Go back to an earlier release: image, commands and config vars, .env too
    #[command(name = "rollback", visible_alias = "releases:rollback")]
    Rollback(OneRelease),
    /// Show whether maintenance mode is on
    #[command(name = "maintenance")]
    Maintenance(Bare),
    /// Answer every request with the maintenance page
    #[command(name = "maintenance:on")]
    MaintenanceOn(Bare),
    /// Serve again
    #[command(name = "maintenance:off")]
    MaintenanceOff(Bare),
    /// List the features that can be switched while the app runs: preboot
    #[command(name = "features")]
    Features(Bare),
    /// Switch a feature on: preboot
    #[command(name = "features:enable")]
    Enable(Feature),
    /// Switch a feature off
    #[command(name = "features:disable")]
    Disable(Feature),
    /// Open the app in a browser, or print its URL where there is none
    #[command(name = "open")]
    Open(Open),
    /// Follow what happens to the app: dynos, releases, formation
    #[command(name = "events")]
    Events(Bare),
}

impl Steer {
    /// The instance that `-n` names.
    pub(super) fn instance(&self) -> Option<&Instance> {
        Some(match self {
            Self::Ps(args) => &args.instance,
            Self::Scale(args) => &args.instance,
            Self::Restart(args) | Self::Stop(args) | Self::Cycle(args) => &args.instance,
            Self::Type(args) => &args.instance,
            Self::RunDetached(args) => &args.instance,
            Self::Wait(args) => &args.instance,
            Self::Config(args) => &args.instance,
            Self::Get(args) => &args.instance,
            Self::Set(args) => &args.instance,
            Self::Unset(args) => &args.instance,
            Self::Edit(args) => &args.instance,
            Self::Info(args) => &args.instance,
            Self::Output(args) | Self::Rollback(args) => &args.instance,
            Self::Maintenance(args)
            | Self::MaintenanceOn(args)
            | Self::MaintenanceOff(args)
            | Self::Features(args)
            | Self::Events(args) => &args.instance,
            Self::Enable(args) | Self::Disable(args) => &args.instance,
            Self::Open(args) => &args.instance,
            // Its `-n` is a number, as in the Heroku CLI.
            Self::Releases(_) => return None,
        })
    }

    /// The app at Heroku that `-a` names.
    pub(in crate::cli) fn at_heroku(&self) -> Option<&str> {
        let at = match self {
            Self::Releases(args) => &args.at,
            Self::Info(args) => &args.at,
            Self::Output(args) | Self::Rollback(args) => &args.at,
            _ => return None,
        };
        at.app.as_deref()
    }
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Bare {
    #[command(flatten)]
    pub(super) instance: Instance,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Ps {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// Only these process types
    #[arg(value_name = "TYPE")]
    pub(in crate::cli) types: Vec<String>,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Scale {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// web=2, worker+1, clock-1, web=2:Standard-1X; without any, the formation is shown
    #[arg(value_name = "TYPE=N", value_parser = change)]
    pub(in crate::cli) changes: Vec<Change>,
}

/// `web=2:Standard-1X`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Change {
    pub(in crate::cli) process_type: String,
    /// `2`, `+1`, `-1`
    pub(in crate::cli) quantity: String,
    pub(in crate::cli) size: Option<String>,
}

fn change(text: &str) -> Result<Change, String> {
    const HOW: &str = "write TYPE=N, TYPE+N or TYPE-N, as web=2, with a size as web=2:Standard-1X";
    let (words, size) = match text.split_once(':') {
        Some((words, size)) => (words, Some(size.to_owned())),
        None => (text, None),
    };
    // A type may hold a dash: the last sign counts.
    let at = words.rfind(['=', '+', '-']).filter(|at| *at > 0).ok_or(HOW)?;
    let (process_type, quantity) = words.split_at(at);
    let number = &quantity[1..];
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) || size.as_deref() == Some("") {
        return Err(HOW.into());
    }
    let quantity = quantity.strip_prefix('=').unwrap_or(quantity).to_owned();
    Ok(Change { process_type: process_type.to_owned(), quantity, size })
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Which {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// A dyno (web.1), a process type (web) or a pattern ('w*')
    #[arg(value_name = "DYNO")]
    pub(in crate::cli) what: Option<String>,
    /// This dyno
    #[arg(short = 'd', long = "dyno-name", value_name = "DYNO", conflicts_with = "what")]
    pub(in crate::cli) dyno: Option<String>,
    /// The dynos of this process type
    #[arg(short = 'p', long = "process-type", value_name = "TYPE", conflicts_with_all = ["what", "dyno"])]
    pub(in crate::cli) process_type: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Type {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// standard-2x for all process types, or web=standard-2x worker=basic; without any, sizes are shown
    #[arg(value_name = "SIZE")]
    pub(in crate::cli) sizes: Vec<String>,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Wait {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// Give up after so many seconds
    #[arg(short = 't', long = "timeout", value_name = "SECONDS", value_parser = seconds)]
    pub(in crate::cli) timeout: Option<std::time::Duration>,
}

fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text).parse::<f64>().ok().filter(|number| *number >= 0.0);
    let time = number.and_then(|number| std::time::Duration::try_from_secs_f64(number).ok());
    time.filter(|time| time.as_secs() < 1_000_000).ok_or_else(|| "write a number of seconds, as 60".into())
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Config {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// In shell format: KEY='the value'
    #[arg(short = 's', long)]
    pub(in crate::cli) shell: bool,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Get {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// Which
    #[arg(value_name = "KEY", required = true)]
    pub(in crate::cli) keys: Vec<String>,
    /// In shell format: KEY='the value'
    #[arg(short = 's', long)]
    pub(in crate::cli) shell: bool,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Set {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// One or more
    #[arg(value_name = "KEY=VALUE", required = true, value_parser = assignment)]
    pub(in crate::cli) vars: Vec<(String, String)>,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Unset {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// One or more
    #[arg(value_name = "KEY", required = true)]
    pub(in crate::cli) keys: Vec<String>,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Edit {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// Only this one; the file is its value
    #[arg(value_name = "KEY")]
    pub(in crate::cli) key: Option<String>,
    /// Do not ask
    #[arg(short = 'y', long)]
    pub(in crate::cli) yes: bool,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Releases {
    #[command(flatten)]
    pub(in crate::cli) at: OrAtHeroku,
    /// How many
    #[arg(short = 'n', long = "num", value_name = "NUMBER", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(in crate::cli) number: u16,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Info {
    #[command(flatten)]
    pub(super) instance: Instance,
    #[command(flatten)]
    pub(in crate::cli) at: OrAtHeroku,
    /// v12, or 12; the newest when left out
    #[arg(value_name = "RELEASE", value_parser = version)]
    pub(in crate::cli) release: Option<u64>,
    /// Config vars in shell format
    #[arg(short = 's', long)]
    pub(in crate::cli) shell: bool,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct OneRelease {
    #[command(flatten)]
    pub(super) instance: Instance,
    #[command(flatten)]
    pub(in crate::cli) at: OrAtHeroku,
    /// v12, or 12
    #[arg(value_name = "RELEASE", value_parser = version)]
    pub(in crate::cli) release: Option<u64>,
}

fn version(text: &str) -> Result<u64, String> {
    let number = text.strip_prefix(['v', 'V']).unwrap_or(text);
    number.parse().map_err(|_| "write the release's number, as v12".into())
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Feature {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// preboot
    #[arg(value_name = "FEATURE")]
    pub(in crate::cli) feature: String,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Open {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// A path of the app
    #[arg(value_name = "PATH")]
    pub(in crate::cli) path: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::{Change, change, seconds, version};

    #[test]
    fn scale_words_are_heroku_s() {
        let made = |name: &str, quantity: &str, size: Option<&str>| Change {
            process_type: name.into(),
            quantity: quantity.into(),
            size: size.map(str::to_owned),
        };
        assert_eq!(change("web=2").unwrap(), made("web", "2", None));
        assert_eq!(change("worker+1").unwrap(), made("worker", "+1", None));
        assert_eq!(change("web-api-1:standard-2x").unwrap(), made("web-api", "-1", Some("standard-2x")));
        for wrong in ["web", "web=", "=2", "web=x", "web=2:", "web2", ""] {
            assert!(change(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn releases_and_times_are_read_with_and_without_their_letter() {
        assert_eq!((version("v12").unwrap(), version("12").unwrap()), (12, 12));
        assert!(version("latest").is_err());
        assert_eq!(seconds("1.5s").unwrap(), seconds("1.5").unwrap());
        for wrong in ["-1", "x", "1m", "NaN", "1e300"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
