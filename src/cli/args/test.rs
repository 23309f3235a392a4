//! `test`, `tested`, and the hidden guard of test commands.

use super::{BuildArgs, Instance, Limit, Rules, quantity, running::seconds};
use crate::model::process_type::ProcessType;
use crate::platform::trial::Gate;
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Test {
    #[command(flatten)]
    pub(in crate::cli) instance: Instance,
    /// How many dynos of which type: web=2,worker=1
    #[arg(value_name = "TYPE=N", value_delimiter = ',', value_parser = quantity)]
    pub(in crate::cli) quantities: Vec<(ProcessType, u32)>,
    /// The command; one word that holds a space is a command line for the shell: -- 'make lint && make test'
    #[arg(value_name = "COMMAND", last = true)]
    pub(in crate::cli) words: Vec<String>,
    /// Run the command in a one-off dyno of this type's image, not on this machine
    #[arg(long = "in", value_name = "TYPE", help_heading = "Test")]
    pub(in crate::cli) inside: Option<ProcessType>,
    /// This many apps side by side, the command against each: DYNOSIM_JOB is its number, DYNOSIM_JOBS how many
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64), help_heading = "Test")]
    pub(in crate::cli) jobs: u32,
    /// Give up after so long, with code 124; the build counts
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Test")]
    pub(in crate::cli) timeout: Option<Limit>,
    /// What else fails the test, with code 7: dropped, writes, crashed, lint, boot=10s, memory=80%, r14, h12, …
    ///
    /// dropped: a request that the router did not get answered. writes: a file that would be gone on Heroku. crashed: a
    /// dyno that crashed. boot, shutdown, memory: over Heroku's limit, or over the one given. An R or H
    /// code: it was seen. lint: an error of `dynosim check`, or, as lint=warning, a warning.
    #[arg(long, value_name = "CHECK", value_delimiter = ',', help_heading = "Test")]
    pub(in crate::cli) fail_on: Vec<Gate>,
    /// After the command: requests to PATH, or /, while dynos are restarted, cycled and scaled; a dropped one fails the test
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = "/", require_equals = true, value_parser = path, help_heading = "Test")]
    pub(in crate::cli) under_load: Option<String>,
    /// Leave the app of a failed test up, until Ctrl-C
    #[arg(long, help_heading = "Test")]
    pub(in crate::cli) keep_on_fail: bool,
    /// Write the results to FILE, as JUnit does
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(in crate::cli) junit: Option<PathBuf>,
    /// Print failures and findings as a CI shows them beside the code
    #[arg(long, value_enum, value_name = "CI", conflicts_with = "json", help_heading = "Output")]
    pub(in crate::cli) annotations: Option<Annotations>,
    #[command(flatten)]
    pub(in crate::cli) build: BuildArgs,
    #[command(flatten)]
    pub(in crate::cli) rules: Rules,
}

/// Whose annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Annotations {
    /// GitHub Actions
    Github,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Tested {
    #[command(flatten)]
    pub(in crate::cli) instance: Instance,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Guard {
    #[arg(last = true, required = true)]
    pub(in crate::cli) words: Vec<OsString>,
}

fn path(text: &str) -> Result<String, String> {
    let good = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
    if good { Ok(text.to_owned()) } else { Err("write a path of the app, without spaces, as /health".into()) }
}

#[cfg(test)]
mod tests {
    use crate::cli::args::{Cli, Command};
    use clap::Parser;

    #[test]
    fn the_command_stands_behind_the_dashes_and_options_before() {
        let words =
            ["dynosim", "test", "web=2", "--jobs", "2", "--fail-on", "r14,boot=5s", "--", "npm", "test", "--jobs"];
        let Command::Test(test) = Cli::try_parse_from(words).unwrap().command else { panic!() };
        assert_eq!(test.words, ["npm", "test", "--jobs"]);
        assert_eq!((test.quantities.len(), test.jobs, test.fail_on.len()), (1, 2, 2));
        assert_eq!(test.under_load, None);
        let words = ["dynosim", "test", "--under-load", "--", "true"];
        let Command::Test(test) = Cli::try_parse_from(words).unwrap().command else { panic!() };
        assert_eq!(test.under_load.as_deref(), Some("/"));
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        for (words, part) in [
            (&["--fail-on", "lint=bad"][..], "lint=error or lint=warning"),
            (&["--jobs", "0"], "1..=64"),
            (&["--under-load=health"], "/health"),
            (&["--timeout", "soon"], "number of seconds"),
            (&["--annotations", "jenkins"], "github"),
            (&["--annotations", "github", "--json"], "--json"),
        ] {
            let error = Cli::try_parse_from([&["dynosim", "test"], words].concat()).unwrap_err().to_string();
            assert!(error.contains(part), "{words:?}: {error}");
        }
    }
}
