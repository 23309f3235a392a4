//! The command line, as clap reads it. Names and habits are the Heroku CLI's where it has them.

mod check;
pub(super) mod heroku;
mod init;
mod local;
pub(super) mod push;
mod running;
pub(super) mod steer;
mod test;

pub(super) use check::{Check, FailOn, Format};
pub(super) use init::Init;
pub(super) use local::{Local, LocalRun, Wanted};
pub(super) use running::{Attach, Limit, PsExec, RunDetached};
pub(super) use test::{Guard, Test, Tested};

use super::router_args::RouterArgs;
use crate::model::domain::Domain;
use crate::model::dyno::{DynoSize, SIZES};
use crate::model::log::Source;
use crate::model::process_type::ProcessType;
use crate::model::timeouts::{BadTimeouts, Timeouts};
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use heroku::Container;
use push::Ship;
use running::seconds;
use std::path::PathBuf;
use steer::Steer;

/// Headings and names stand out a little; nothing else.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Run a Heroku container app on your machine, under Heroku's own rules.
#[derive(Debug, Parser)]
#[command(
    name = "dynosim",
    version,
    styles = STYLES,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 ok, 1 the command failed, 2 usage or unreadable project, 3 build, 4 release phase,\n\
                  5 a dyno did not boot, 6 no engine for it, 7 check or --fail-on, 8 a push was refused or failed,\n\
                  124 a time limit ran out, 130 interrupted after a clean stop.\n\n\
                  Start with `dynosim up` in a folder with a Dockerfile, a heroku.yml or a Procfile."
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) common: Common,
    /// Be the background of an `up -d`, which is started with this
    #[arg(long, hide = true)]
    pub(super) background: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options that every command takes.
#[derive(Args, Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct Common {
    /// Act on the project in DIR instead of the current folder
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true, help_heading = "Project")]
    pub(super) directory: Option<PathBuf>,
    /// An instance of its own: several of one project can run side by side
    #[arg(long = "name", value_name = "NAME", global = true, help_heading = "Project")]
    pub(super) name: Option<String>,
    /// Also find `Dockerfile.<type>` in subfolders, as `container:push -R` does
    #[arg(short = 'R', long = "recursive", global = true, help_heading = "Project")]
    pub(super) recursive: bool,
    /// Read config vars from FILE after .env; may be given again, later files win
    #[arg(short = 'e', long = "env", value_name = "FILE", global = true, help_heading = "Project")]
    pub(super) env: Vec<PathBuf>,
    /// Replace $NAME in .env values, which Heroku's tools do not
    #[arg(long, global = true, help_heading = "Project")]
    pub(super) env_interpolate: bool,
    /// Engine: docker, podman, a context's name, a URL such as unix:///run/docker.sock; or native, without images
    #[arg(long, value_name = "ENGINE", env = "DYNOSIM_ENGINE", global = true, help_heading = "Engine")]
    pub(super) engine: Option<String>,
    /// JSON on stdout: one object per line, lists and objects as Heroku's API has them
    #[arg(long, global = true, help_heading = "Output")]
    pub(super) json: bool,
    /// No colour
    #[arg(long, global = true, help_heading = "Output")]
    pub(super) no_color: bool,
    /// What `local` asks for besides.
    #[arg(skip)]
    pub(super) local: Option<Wanted>,
}

/// The short form of `--name`, where `-n` is free: `logs -n` is a number of lines, as in the Heroku CLI.
#[derive(Args, Clone, Debug)]
pub(super) struct Instance {
    /// Short for --name
    #[arg(short = 'n', value_name = "NAME", id = "instance", conflicts_with = "name", help_heading = "Project")]
    pub(super) name: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build, release and run the app; Ctrl-C stops it
    ///
    /// Builds the image of each process type, runs the release phase, starts the dynos and puts the router in front.
    /// Every line of the app and the platform is printed as `heroku logs` prints it.
    Up(Up),
    /// Run a Procfile's processes without images, with the options of `heroku local`
    ///
    /// The same as `up --engine native` with the Procfile alone. -e is read instead of .env.
    #[command(
        alias = "local:start",
        after_help = "Examples: dynosim local\n          dynosim local web\n          dynosim local web=1,worker=2 -p 7000"
    )]
    Local(Box<Local>),
    /// Run a command with the app's config vars, without an image, with the options of `heroku local:run`
    #[command(name = "local:run", after_help = "Example: dynosim local:run bin/migrate")]
    LocalRun(Box<LocalRun>),
    /// Show the log of a running `up`; Ctrl-C leaves, and the app goes on
    Attach(Attach),
    /// Show the running app on the whole screen: dynos, releases, log, and keys that steer it
    ///
    /// The keys are those of less, htop and k9s: j k or arrows, Tab, / n N, f follow, g G, Enter, : commands, ? help, q quit.
    Ui(Attach),
    /// Stop the app's `up`, wherever it runs, and clean up after killed ones
    Down(Down),
    /// Write what a folder lacks to run on Heroku: Dockerfile, heroku.yml, CI workflow and more
    ///
    /// Finds out what the app is written in and how it starts, says which file told so, shows every file it would write,
    /// and asks. A file that is there is never touched.
    #[command(after_help = "Examples: dynosim init\n          dynosim init --dry-run --ci gitlab")]
    Init(Init),
    /// Build the images, as `up` would
    Build(Build),
    /// Find what will fail on Heroku and can be seen in the files: ports, commands, root, secrets and more
    ///
    /// Looks at what the app deploys (its Dockerfiles, heroku.yml, Procfile, app.json, .env, .dockerignore, entrypoint scripts)
    /// and at images that are built. Runs nothing and needs no engine. Each finding has a number: `dynosim explain D014`.
    #[command(
        visible_alias = "lint",
        after_help = "Let a finding pass with its reason, in the line above it: # dynosim-ignore D014: <reason>\n\n\
                      Examples: dynosim check\n          \
                      dynosim check --fix\n          \
                      dynosim check --format sarif --fail-on warning > check.sarif"
    )]
    Check(Check),
    /// Run a command in a one-off dyno: the app's image, config and limits
    Run(Run),
    /// Open a shell in a running dyno, or run a command there
    ///
    /// As the dyno's own user, with its environment, in its folder and under its limits. Needs nothing of the image but
    /// the command; without a shell in the image, name a program after `--`.
    #[command(
        name = "ps:exec",
        after_help = "Examples: dynosim ps:exec web.1\n          dynosim ps:exec worker.1 -- ls -la tmp"
    )]
    PsExec(PsExec),
    /// Build the app, run it for itself, run a command against it, and take it down: 0 when the command passes
    ///
    /// On ports and under a name of its own, so that it disturbs nothing and several can run at once. Without a command,
    /// the scripts of app.json's environments.test run in a one-off dyno. What passes stands in `dynosim tested`.
    #[command(
        after_help = "The command gets the app's config vars and DYNOSIM_URL, DYNOSIM_PORT, DYNOSIM_NAME, DYNOSIM_JOB, DYNOSIM_JOBS.\n\n\
                      Examples: dynosim test -- npm test\n          \
                      dynosim test --in web -- python -m unittest tests\n          \
                      dynosim test --jobs 4 --junit results.xml --fail-on dropped,r14 -- make e2e"
    )]
    Test(Box<Test>),
    /// Show which images were tested, tagged and pushed
    Tested(Tested),
    /// Run a command for `test`, and end it when `test` is gone
    #[command(name = crate::platform::trial::GUARD, hide = true)]
    Guard(Guard),
    /// Show the app's log, now or from its last run
    Logs(Logs),
    /// Explain a code such as H12 or R10; or show what a process type will run, as whom, with which limits and variables
    ///
    /// Of a code: what it means, what usually causes it, how to see it here, and where it is documented. Of a process type:
    /// its image, its command line and where each word came from, its user, limits and variables.
    #[command(
        after_help = "Examples: dynosim explain H12 R10\n          dynosim explain web\n          dynosim explain"
    )]
    Explain(Explain),
    /// Show which rules of Heroku's this version keeps: exactly, nearly, or not, on which engine, and the proof
    #[command(
        after_help = "Examples: dynosim parity\n          dynosim parity R5.2\n          dynosim parity H12 --json"
    )]
    Parity(Parity),
    /// Show the local certificate authority of `up --https`, install it, or take it away
    ///
    /// Made on first use, for localhost, *.test, *.example and the domains given; its key never leaves this machine.
    Trust(Trust),
    #[command(flatten)]
    Steer(Steer),
    #[command(flatten)]
    Container(Container),
    #[command(flatten)]
    Ship(Ship),
    /// Check the engine and this machine
    Doctor,
    /// Print a completion script for a shell
    #[command(after_help = "Example: dynosim completion bash > ~/.local/share/bash-completion/completions/dynosim")]
    Completion {
        /// bash, zsh, fish, elvish or powershell
        shell: Shell,
    },
}

impl Command {
    /// The instance that `-n` names.
    pub(super) fn instance(&self) -> Option<&str> {
        let instance = match self {
            Self::Up(args) => &args.instance,
            Self::Local(args) => &args.instance,
            Self::LocalRun(args) => &args.instance,
            Self::Down(args) => &args.instance,
            Self::Build(args) => &args.instance,
            Self::Check(args) => &args.instance,
            Self::Run(args) => &args.instance,
            Self::Explain(args) => &args.instance,
            Self::Attach(args) | Self::Ui(args) => &args.instance,
            Self::PsExec(args) => &args.instance,
            Self::Test(args) => &args.instance,
            Self::Tested(args) => &args.instance,
            Self::Steer(args) => args.instance()?,
            Self::Ship(args) => args.instance()?,
            Self::Logs(_)
            | Self::Trust(_)
            | Self::Init(_)
            | Self::Container(_)
            | Self::Guard(_)
            | Self::Doctor
            | Self::Parity(_)
            | Self::Completion { .. } => return None,
        };
        instance.name.as_deref()
    }
}

#[derive(Args, Clone, Debug)]
pub(super) struct Up {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// Leave the running app as it is when the project's files change
    #[arg(long)]
    pub(super) no_watch: bool,
    /// How many dynos of which type: web=2,worker=1
    #[arg(value_name = "TYPE=N", value_delimiter = ',', value_parser = quantity)]
    pub(super) quantities: Vec<(ProcessType, u32)>,
    /// Only the named types run.
    #[arg(skip)]
    pub(super) only_named: bool,
    /// Run in the background: return once the app is released and its router listens
    #[arg(short = 'd', long)]
    pub(super) detach: bool,
    /// Return (with -d) only when every dyno is up; a crash ends with code 5, the time being over with 124
    ///
    /// The seconds count from the release. Without -d the app keeps running once it is up, and is stopped otherwise.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "", require_equals = true, value_parser = seconds)]
    pub(super) wait: Option<Limit>,
    #[command(flatten)]
    pub(super) router: RouterArgs,
    #[command(flatten)]
    pub(super) build: BuildArgs,
    #[command(flatten)]
    pub(super) rules: Rules,
}

#[derive(Args, Clone, Debug)]
pub(super) struct Down {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// Remove the app's images too
    #[arg(long)]
    pub(super) images: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct Build {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// Only these process types
    #[arg(value_name = "TYPE")]
    pub(super) types: Vec<ProcessType>,
    #[command(flatten)]
    pub(super) how: BuildArgs,
}

#[derive(Args, Clone, Debug)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// The command; several words are quoted as needed, one word is a command line: run 'a && b'
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub(super) words: Vec<String>,
    /// Use the image of this process type
    #[arg(long = "type", value_name = "TYPE", default_value = "web")]
    pub(super) process_type: ProcessType,
    /// A config var for this dyno alone; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    pub(super) set: Vec<(String, String)>,
    /// Pipes instead of a terminal, even when there is one
    #[arg(long)]
    pub(super) no_tty: bool,
    /// Do not wait for it: run:detached, in the running app
    #[arg(short = 'd', long)]
    pub(super) detach: bool,
    #[command(flatten)]
    pub(super) build: BuildArgs,
    #[command(flatten)]
    pub(super) rules: Rules,
}

#[derive(Args, Clone, Debug)]
pub(super) struct Logs {
    /// Go on until interrupted
    #[arg(short = 't', long)]
    pub(super) tail: bool,
    /// How many lines, at most 1500
    #[arg(short = 'n', long = "num", value_name = "LINES", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1500))]
    pub(super) number: u16,
    /// Only this dyno (web.1) or process type (web)
    #[arg(short = 'd', long = "dyno-name", value_name = "DYNO")]
    pub(super) dyno: Option<String>,
    /// Only this process type
    #[arg(short = 'p', long = "process-type", value_name = "TYPE")]
    pub(super) process_type: Option<String>,
    /// Only this source: app, heroku or dynosim
    #[arg(short = 's', long, value_parser = source)]
    pub(super) source: Option<Source>,
}

#[derive(Args, Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct Trust {
    /// Install it for this machine and its browsers, after showing the commands
    #[arg(long, conflicts_with_all = ["uninstall", "print"])]
    pub(super) install: bool,
    /// Take it away again, after showing the commands
    #[arg(long, conflicts_with_all = ["print", "renew"])]
    pub(super) uninstall: bool,
    /// Print the certificate alone: curl --cacert <(dynosim trust --print) …
    #[arg(long, conflicts_with = "json")]
    pub(super) print: bool,
    /// Make a new authority in place of the one that is there
    #[arg(long)]
    pub(super) renew: bool,
    /// With --renew: a domain that it may sign for; may be given again
    #[arg(long = "domain", value_name = "NAME", requires = "renew")]
    pub(super) domains: Vec<Domain>,
    /// Do not ask
    #[arg(short = 'y', long)]
    pub(super) yes: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct Explain {
    #[command(flatten)]
    pub(super) instance: Instance,
    /// Codes of log lines (H12, R10, L11), rules of `check` (D014) or process types (web, worker, release); none lists all codes
    #[arg(value_name = "CODE|TYPE")]
    pub(super) words: Vec<String>,
    /// Show secret values in full
    #[arg(long)]
    pub(super) show_values: bool,
    #[command(flatten)]
    pub(super) build: BuildArgs,
    #[command(flatten)]
    pub(super) rules: Rules,
}

#[derive(Args, Clone, Debug)]
pub(super) struct Parity {
    /// A rule or the beginning of one (R5, R5.2, H12, L, A, F12); none shows all
    #[arg(value_name = "RULE")]
    pub(super) rules: Vec<String>,
}

/// How images are built.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Build")]
pub(super) struct BuildArgs {
    /// A build argument; may be given again
    #[arg(long = "arg", value_name = "KEY=VALUE", value_parser = assignment)]
    pub(super) args: Vec<(String, String)>,
    /// Build with this folder as the context
    #[arg(long, value_name = "DIR")]
    pub(super) context_path: Option<PathBuf>,
    /// Platform of the images
    #[arg(long, value_name = "OS/ARCH", default_value = "linux/amd64")]
    pub(super) platform: String,
    /// Build every step anew
    #[arg(long)]
    pub(super) no_cache: bool,
}

/// What dynos run under.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Rules")]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct Rules {
    /// File system: read-only (stricter than Heroku) or ephemeral (Heroku's own: writable, gone with the dyno)
    #[arg(long, value_enum, default_value_t = Fs::ReadOnly)]
    pub(super) fs: Fs,
    /// With a read-only file system: this path is writable, its contents gone with the dyno; may be given again
    #[arg(long, value_name = "PATH", value_parser = absolute)]
    pub(super) writable: Vec<String>,
    /// Give dynos this variable of the environment here, below the app's own config vars; may be given again
    #[arg(long, value_name = "NAME", value_parser = passed)]
    pub(super) pass: Vec<String>,
    /// Deny dynos every port but $PORT (native engine, Linux with Landlock)
    #[arg(long)]
    pub(super) strict_ports: bool,
    /// Dyno size of all types: basic, standard-1x, standard-2x, performance-m, …
    #[arg(short = 's', long, value_name = "SIZE", value_parser = size)]
    pub(super) size: Option<DynoSize>,
    /// real, heroku (with its long crash back-off), fast, or NAME=TIME,…
    ///
    /// Names: boot, exit, backoff, started, metrics, cycle, release, connect, queue, first-byte, idle, head, keep-alive,
    /// pool-idle, quarantine. Times: 500ms, 5s, 2m, 1h. Example: --timeouts fast,boot=10s
    #[arg(long, value_name = "TIMES", default_value = "real", value_parser = timeouts)]
    pub(super) timeouts: Timeouts,
    /// Give dynos the variables of Heroku's dyno metadata (HEROKU_APP_NAME, …)
    #[arg(long)]
    pub(super) metadata: bool,
    /// Log load and memory of each dyno every 20 s, as labs log-runtime-metrics does
    #[arg(long)]
    pub(super) log_runtime_metrics: bool,
    /// Run commands with `/bin/sh -l -c`
    #[arg(short = 'l', long)]
    pub(super) login_shell: bool,
    /// Hand an ENTRYPOINT the whole command as one word, as Heroku did until 2020
    #[arg(long, hide = true)]
    pub(super) one_word_entrypoint: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Fs {
    ReadOnly,
    Ephemeral,
}

pub(super) fn quantity(text: &str) -> Result<(ProcessType, u32), String> {
    let (name, number) = text.split_once(['=', '@']).ok_or_else(|| {
        let port = text.parse::<u16>().is_ok();
        if port {
            "write TYPE=N, as web=2; a port stands behind its option: --https=5443"
        } else {
            "write TYPE=N, as web=2"
        }
    })?;
    let name = ProcessType::new(name).map_err(|error| error.to_string())?;
    let number: u32 = number.parse().map_err(|_| format!("`{number}` is not a number of dynos"))?;
    if number > 100 {
        return Err("an app can have 100 dynos at most".into());
    }
    if name.is_release() {
        return Err("release is not part of the formation: it runs once for each release".into());
    }
    Ok((name, number))
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    if name.is_empty() { Err("the key is empty: write KEY=VALUE".into()) } else { Ok((name.into(), value.into())) }
}

fn absolute(text: &str) -> Result<String, String> {
    let clean = text.trim_end_matches('/');
    if text.starts_with('/') && !clean.is_empty() && !clean.split('/').any(|part| part == "..") {
        Ok(clean.to_owned())
    } else {
        Err("write an absolute path inside the dyno, below /, as /app/tmp".into())
    }
}

/// The name of a variable that is set here.
fn passed(name: &str) -> Result<String, String> {
    if ["PORT", "DYNO"].contains(&name) {
        return Err("the platform sets it for each dyno".into());
    }
    if name.is_empty() || name.contains('=') {
        return Err("write the name alone; its value is the one it has here".into());
    }
    match std::env::var(name) {
        Ok(_) => Ok(name.to_owned()),
        Err(std::env::VarError::NotPresent) => Err("it is not set here".into()),
        Err(std::env::VarError::NotUnicode(_)) => Err("its value is not UTF-8".into()),
    }
}

fn size(text: &str) -> Result<DynoSize, String> {
    DynoSize::named(text).ok_or_else(|| {
        let names: Vec<String> = SIZES.iter().map(|size| size.name.to_ascii_lowercase()).collect();
        format!("there is no such size; sizes are {}", names.join(", "))
    })
}

fn timeouts(text: &str) -> Result<Timeouts, BadTimeouts> {
    Timeouts::parse(text)
}

fn source(text: &str) -> Result<Source, String> {
    match text {
        "app" => Ok(Source::App),
        "heroku" => Ok(Source::Heroku),
        "dynosim" => Ok(Source::Dynosim),
        _ => Err("sources are app, heroku and dynosim".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Cli, Command};
    use crate::model::timeouts::Timeouts;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_sound() {
        let mut whole = Cli::command();
        whole.build();
        whole.debug_assert();
    }

    #[test]
    fn no_argument_of_a_command_is_taken_for_an_option_of_all() {
        let whole = Cli::command();
        let common: Vec<_> = whole.get_arguments().map(|arg| arg.get_id().clone()).collect();
        for sub in whole.get_subcommands() {
            let taken = sub.get_arguments().find(|arg| common.contains(arg.get_id()));
            assert!(taken.is_none(), "{}: {taken:?}", sub.get_name());
        }
    }

    #[test]
    fn the_help_names_every_timer() {
        let mut whole = Cli::command();
        whole.build();
        let help = whole.find_subcommand_mut("up").unwrap().render_long_help().to_string();
        for name in Timeouts::NAMES {
            assert!(help.contains(name), "{name}");
        }
    }

    #[test]
    fn quantities_are_written_as_heroku_s() {
        let cli = Cli::try_parse_from(["dynosim", "up", "web=2,worker=1", "clock=0"]).unwrap();
        let Command::Up(up) = cli.command else { panic!() };
        let words: Vec<String> = up.quantities.iter().map(|(name, n)| format!("{name}={n}")).collect();
        assert_eq!(words, ["web=2", "worker=1", "clock=0"]);
        for wrong in ["web", "web=x", "web=101", "release=1", "we b=1"] {
            assert!(Cli::try_parse_from(["dynosim", "up", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_follows_the_dashes_is_the_command_s() {
        let cli = Cli::try_parse_from(["dynosim", "run", "--type", "worker", "--", "ls", "-la"]).unwrap();
        let Command::Run(run) = cli.command else { panic!() };
        assert_eq!(run.words, ["ls", "-la"]);
    }
}
