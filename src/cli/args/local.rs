//! `local` and `local:run`: the options of the Heroku CLI's commands of these names, as it has them in version 11.

use super::{Common, Instance, Rules, Run, Up, quantity};
use crate::cli::args::BuildArgs;
use crate::cli::router_args::RouterArgs;
use crate::model::process_type::ProcessType;
use crate::platform::engines::NATIVE;
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Local {
    #[command(flatten)]
    pub(in crate::cli) instance: Instance,
    /// Only these types, or how many of each: web or web=1,worker=2
    #[arg(value_name = "TYPE[=N]", value_delimiter = ',', value_parser = named)]
    pub(in crate::cli) quantities: Vec<(ProcessType, u32)>,
    /// Read this Procfile
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(in crate::cli) procfile: Option<PathBuf>,
    /// What web runs where there is no Procfile
    #[arg(long, value_name = "COMMAND")]
    pub(in crate::cli) start_cmd: Option<String>,
    /// Gone from `heroku local`, too
    #[arg(short = 'r', long, hide = true, num_args = 0, default_missing_value = "", value_parser = no_restart)]
    _restart: Option<String>,
    /// Gone from `heroku local`, too
    #[arg(short = 'c', long, hide = true, value_name = "N", value_parser = no_concurrency)]
    _concurrency: Option<String>,
    /// Leave the running app as it is when the project's files change
    #[arg(long)]
    pub(in crate::cli) no_watch: bool,
    #[command(flatten)]
    pub(in crate::cli) router: RouterArgs,
    #[command(flatten)]
    pub(in crate::cli) rules: Rules,
}

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct LocalRun {
    #[command(flatten)]
    pub(in crate::cli) instance: Instance,
    /// The command; several words are quoted as needed, one word is a command line
    #[arg(value_name = "COMMAND", trailing_var_arg = true, required = true)]
    pub(in crate::cli) words: Vec<String>,
    /// The value of PORT
    #[arg(short = 'p', long, value_name = "PORT")]
    pub(in crate::cli) port: Option<u16>,
    #[command(flatten)]
    pub(in crate::cli) rules: Rules,
}

/// What the project is read with.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Wanted {
    pub(in crate::cli) procfile: Option<PathBuf>,
    pub(in crate::cli) start_command: Option<String>,
}

/// `web` is one of it.
fn named(text: &str) -> Result<(ProcessType, u32), String> {
    if text.contains(['=', '@']) { quantity(text) } else { quantity(&format!("{text}=1")) }
}

fn no_restart(_: &str) -> Result<String, String> {
    Err("dynos that end are started again by themselves (R5.5): leave it out".to_owned())
}

fn no_concurrency(_: &str) -> Result<String, String> {
    Err("say how many of each type, as in `dynosim local web=2,worker=1`".to_owned())
}

impl Local {
    /// The same as `up`.
    pub(in crate::cli) fn into_up(self, common: &mut Common) -> Up {
        let Self { instance, quantities, procfile, start_cmd, no_watch, router, rules, .. } = self;
        natively(common, Wanted { procfile, start_command: start_cmd });
        let only_named = !quantities.is_empty();
        let (build, detach, wait) = (BuildArgs::usual(), false, None);
        Up { instance, no_watch, quantities, only_named, detach, wait, router, build, rules }
    }
}

impl LocalRun {
    /// The same as `run`.
    pub(in crate::cli) fn into_run(self, common: &mut Common) -> Run {
        let Self { instance, words, port, rules } = self;
        natively(common, Wanted::default());
        let set = port.map(|port| ("PORT".to_owned(), port.to_string())).into_iter().collect();
        let (process_type, build) = (ProcessType::web(), BuildArgs::usual());
        Run { instance, words, process_type, set, no_tty: false, detach: false, build, rules }
    }
}

/// Without images, unless another engine is named; `-e a,b` is two files.
fn natively(common: &mut Common, wanted: Wanted) {
    common.engine.get_or_insert_with(|| NATIVE.to_owned());
    common.local = Some(wanted);
    let parts = |path: &PathBuf| match path.to_str() {
        Some(text) => text.split(',').map(PathBuf::from).collect(),
        None => vec![path.clone()],
    };
    let files: Vec<PathBuf> =
        common.env.iter().flat_map(parts).filter(|path| path.as_path() != Path::new("")).collect();
    common.env = files;
}

#[cfg(test)]
mod tests {
    use crate::cli::args::{Cli, Command};
    use clap::Parser;

    fn local(words: &[&str]) -> (crate::cli::args::Common, crate::cli::args::Up) {
        let cli =
            Cli::try_parse_from([&["dynosim", "local"], words].concat()).unwrap_or_else(|error| panic!("{error}"));
        let Command::Local(args) = cli.command else { panic!() };
        let mut common = cli.common;
        let up = args.into_up(&mut common);
        (common, up)
    }

    #[test]
    fn the_options_of_heroku_local_mean_the_same() {
        let (common, up) = local(&["web=2,worker", "-p", "7000", "-e", "a.env,b.env", "-f", "Procfile.dev"]);
        let words: Vec<String> = up.quantities.iter().map(|(name, n)| format!("{name}={n}")).collect();
        assert_eq!((words.join(" "), up.only_named, up.router.port), ("web=2 worker=1".into(), true, Some(7000)));
        assert_eq!(common.env, ["a.env", "b.env"].map(std::path::PathBuf::from));
        assert_eq!(common.local.unwrap().procfile.unwrap().to_str(), Some("Procfile.dev"));
        assert_eq!(common.engine.as_deref(), Some("native"));
    }

    #[test]
    fn all_types_run_unless_some_are_named_and_another_engine_may_be() {
        let (common, up) = local(&["--engine", "docker", "--start-cmd", "python3 web.py"]);
        assert!(!up.only_named && up.quantities.is_empty());
        assert_eq!(common.engine.as_deref(), Some("docker"));
        assert!(Cli::try_parse_from(["dynosim", "local", "release"]).is_err(), "it is no process type to scale");
        for (words, told) in [(&["-r"][..], "started again by themselves"), (&["-c", "web=2"], "web=2,worker=1")] {
            let refused = Cli::try_parse_from([&["dynosim", "local"], words].concat()).map(drop).unwrap_err();
            assert!(refused.to_string().contains(told), "{refused}");
        }
        assert!(Cli::try_parse_from(["dynosim", "local:run"]).is_err(), "a command is needed");
    }
}
