//! The command line: arguments in, exit code out. One file for each subcommand; only `printer` writes.

mod args;
mod attach;
mod background;
mod bottom;
mod browser;
mod build;
mod check;
mod completion;
mod confirm;
mod console;
mod detach;
mod doctor;
mod down;
mod explain;
mod fail;
mod footprint;
mod hand;
mod heroku;
mod init;
mod keys;
mod line_editor;
mod listed;
mod logs;
mod news;
mod one_off;
mod parity;
mod printer;
mod ps_exec;
mod push;
mod pushing;
mod remote;
mod router_args;
mod session;
mod signals;
mod spelling;
mod steer;
mod stream;
mod terminal;
mod test;
mod tested;
mod topics;
mod trust;
mod tty;
mod typing;
mod ui;
mod up;
mod view;
mod wait;

use crate::engine::native;
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use crate::platform::trial::guard;
use args::{Cli, Command};
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use printer::Printer;
use session::Session;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command that `args` name (the program's own name first) and returns its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    // Before any thread is started, which is what it takes to enter another user space.
    if args.get(1).is_some_and(|word| word == native::LAUNCHER) {
        return ExitCode::from(u8::try_from(native::launcher()).unwrap_or(1));
    }
    let mut command = spelling::grouped(Cli::command());
    let args = spelling::joined(args, &command);
    let read = command.try_get_matches_from_mut(args).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match read.map_err(|error| error.format(&mut command)) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return code(if asked { Code::Ok } else { Code::Usage });
        }
    };
    let no_colour = cli.common.no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let printer = Printer::new(cli.common.json, no_colour);
    if let Command::Completion { shell } = cli.command {
        completion::write(shell, &mut Cli::command(), &mut std::io::stdout());
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            printer.error(&format!("the system gives no threads: {error}"), None);
            return code(Code::Failed);
        }
    };
    let result = runtime.block_on(dispatch(cli, printer));
    // A read of the terminal may still be blocked in a thread of its own; it must not hold the exit back.
    runtime.shutdown_background();
    match result {
        Ok(exit) => exit,
        Err(error) => code(fail::report(printer, &error)),
    }
}

async fn dispatch(cli: Cli, printer: Printer) -> Result<ExitCode, PlatformError> {
    let Cli { mut common, background, command } = cli;
    let command = match command {
        Command::Local(args) => Command::Up(args.into_up(&mut common)),
        Command::LocalRun(args) => Command::Run(args.into_run(&mut common)),
        command => command,
    };
    common.name = common.name.or_else(|| command.instance().map(str::to_owned));
    let mut session = Session::new(common, printer);
    if let Command::Up(args) = &command
        && background
    {
        session.enter_background(args.wait.is_some())?;
    }
    session.show_news();
    let result = match command {
        Command::Up(args) if args.detach && !background => detach::run(&session).await,
        Command::Up(args) => up::run(&session, args).await,
        Command::Attach(_) => attach::run(&session).await,
        Command::Ui(_) => ui::run(&session).await,
        Command::PsExec(args) => ps_exec::run(&session, args).await,
        Command::Down(args) => down::run(&session, args).await,
        Command::Init(args) => init::run(&session, args).await,
        Command::Build(args) => build::run(&session, args).await,
        Command::Check(args) => check::run(&session, &args),
        Command::Run(args) if args.detach => {
            steer::run(&session, args::steer::Steer::RunDetached(args.detached())).await
        }
        Command::Run(args) => one_off::run(&session, args).await,
        Command::Test(args) => test::run(&session, *args).await,
        Command::Tested(args) => tested::run(&session, &args),
        Command::Guard(args) => Ok(guarded(printer, &args.words).await),
        Command::Logs(args) => logs::run(&session, args).await,
        Command::Explain(args) => explain::run(&session, &args).await,
        Command::Parity(args) => Ok(parity::run(printer, &args, session.common.engine.as_deref())),
        Command::Steer(args) if args.at_heroku().is_some() => heroku::releases::run(&session, args).await,
        Command::Steer(args) => steer::run(&session, args).await,
        Command::Container(args) => heroku::run(&session, args).await,
        Command::Ship(args) => push::run(&session, args).await,
        Command::Trust(args) => trust::run(&session, args).await,
        Command::Doctor => Ok(doctor::run(&session).await),
        Command::Local(_) | Command::LocalRun(_) | Command::Completion { .. } => Ok(ExitCode::SUCCESS),
    };
    // What was found out on the way is said before the error that ended it.
    session.finish_news().await;
    result
}

/// The status of a command that is guarded; as a shell has it where it cannot be run.
async fn guarded(printer: Printer, words: &[OsString]) -> ExitCode {
    match guard(words).await {
        Ok(status) => ExitCode::from(u8::try_from(status & 0xff).unwrap_or(1)),
        Err(error) => {
            let name = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
            printer.error(&format!("the test command `{name}` cannot be run: {error}"), None);
            ExitCode::from(if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 })
        }
    }
}

fn code(code: Code) -> ExitCode {
    ExitCode::from(code as u8)
}
