//! `attach`, `ps:exec`, `run:detached`, and how long `up --wait` waits.

use super::{Instance, Run, assignment, size};
use crate::model::dyno::DynoSize;
use crate::model::process_type::ProcessType;
use clap::Args;
use std::time::Duration;

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Attach {
    #[command(flatten)]
    pub(in crate::cli) instance: Instance,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct PsExec {
    #[command(flatten)]
    pub(in crate::cli) instance: Instance,
    /// Which dyno
    #[arg(value_name = "DYNO", default_value = "web.1", conflicts_with = "dyno")]
    pub(in crate::cli) which: String,
    /// The same, as the Heroku CLI has it
    #[arg(short = 'd', long = "dyno", value_name = "DYNO", hide = true)]
    pub(in crate::cli) dyno: Option<String>,
    /// The command; one word that holds a space is a command line for the shell: -- 'ls | wc -l'
    #[arg(value_name = "COMMAND", last = true)]
    pub(in crate::cli) words: Vec<String>,
    /// Pipes instead of a terminal, even when there is one
    #[arg(long)]
    pub(in crate::cli) no_tty: bool,
}

/// The part of `run` that a dyno of the running app can have.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct RunDetached {
    #[command(flatten)]
    pub(in crate::cli) instance: Instance,
    /// The command; several words are quoted as needed, one word is a command line: 'a && b'
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub(in crate::cli) words: Vec<String>,
    /// Use the image of this process type
    #[arg(long = "type", value_name = "TYPE", default_value = "web")]
    pub(in crate::cli) process_type: ProcessType,
    /// A config var for this dyno alone; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    pub(in crate::cli) set: Vec<(String, String)>,
    /// Dyno size: basic, standard-1x, standard-2x, performance-m, …
    #[arg(short = 's', long, value_name = "SIZE", value_parser = size)]
    pub(in crate::cli) size: Option<DynoSize>,
    /// Print its log until it ends, and exit with its status
    #[arg(short = 't', long)]
    pub(in crate::cli) tail: bool,
}

impl Run {
    /// The same as `run:detached`.
    pub(in crate::cli) fn detached(self) -> RunDetached {
        let Self { instance, words, process_type, set, rules, .. } = self;
        RunDetached { instance, words, process_type, set, size: rules.size, tail: false }
    }
}

/// How long to wait; `None` for as long as it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Limit(pub(in crate::cli) Option<Duration>);

/// Seconds, with a part of one where it is wanted; nothing for as long as it takes.
pub(super) fn seconds(text: &str) -> Result<Limit, String> {
    if text.is_empty() {
        return Ok(Limit(None));
    }
    let number = text.strip_suffix('s').unwrap_or(text).parse::<f64>().ok();
    let time = number.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.map(|time| Limit(Some(time))).ok_or_else(|| format!("`{text}` is not a number of seconds"))
}

#[cfg(test)]
mod tests {
    use super::Limit;
    use crate::cli::args::{Cli, Command};
    use clap::Parser;
    use std::time::Duration;

    #[test]
    fn how_long_up_waits_is_in_seconds_and_may_be_left_out() {
        let wait = |words: &[&str]| {
            let cli = Cli::try_parse_from(["dynosim", "up"].iter().chain(words)).unwrap();
            let Command::Up(up) = cli.command else { panic!() };
            (up.wait, up.quantities.len())
        };
        assert_eq!(wait(&["-d"]), (None, 0));
        assert_eq!(wait(&["--wait", "web=2"]), (Some(Limit(None)), 1));
        assert_eq!(wait(&["--wait=1.5"]), (Some(Limit(Some(Duration::from_millis(1500)))), 0));
        assert!(Cli::try_parse_from(["dynosim", "up", "--wait=soon"]).is_err());
        assert!(Cli::try_parse_from(["dynosim", "up", "--wait=-1"]).is_err());
    }

    #[test]
    fn a_command_inside_a_dyno_stands_behind_the_dashes() {
        for (words, dyno) in [
            (&["ps:exec", "worker.1", "--", "ls", "-la"][..], "worker.1"),
            (&["ps:exec", "--", "ls", "-la"], "web.1"),
            (&["ps:exec", "-d", "clock.1", "--", "ls", "-la"], "clock.1"),
        ] {
            let cli = Cli::try_parse_from([&["dynosim"], words].concat()).unwrap();
            let Command::PsExec(exec) = cli.command else { panic!() };
            assert_eq!(exec.dyno.as_ref().unwrap_or(&exec.which), dyno);
            assert_eq!(cli.common.name, None);
            assert_eq!(exec.words, ["ls", "-la"]);
        }
    }
}
