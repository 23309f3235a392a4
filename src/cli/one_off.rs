//! `dynosim run`

use super::args::Run;
use super::listed;
use super::session::Session;
use super::terminal::{self, Raw};
use crate::diagnostic::Severity;
use crate::engine::{Console, Output, Signal};
use crate::logs::{Logs, LogsOptions};
use crate::model::dyno::DynoSize;
use crate::platform::PlatformError;
use crate::platform::deploy::Ground;
use crate::platform::interrupt::{self, Interrupt, Interrupter};
use crate::platform::one_off::{self, ClientInput, RunOptions};
use std::io::{self, Write};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

pub(super) async fn run(session: &Session, args: Run) -> Result<ExitCode, PlatformError> {
    let sources = session.sources(&args.build, Severity::Warning)?;
    sources.loaded.require_config().map_err(PlatformError::Project)?;
    let state = sources.state.clone();
    let app_runs = state.holder().map_err(PlatformError::io("look for a running up"))?.is_some();
    let (run, _alive) = state.open_run(&session.clock).await.map_err(PlatformError::io("register the run"))?;
    let project = session.project(sources).await?;
    let rules = args.rules.dynos_on(&project)?;
    if !app_runs {
        project.sweep().await?;
    }
    let (folder, clock) = (state.file("journal"), session.clock.clone());
    let logs = if app_runs {
        Logs::open_beside(&folder, clock)
    } else {
        Logs::open(&folder, clock, LogsOptions::default()).map_err(PlatformError::io("open the log"))?
    };
    let ground = Ground { run: project.run_identity(&run), project: project.clone(), logs: logs.clone(), rules };
    let tty = !args.no_tty && terminal::is_interactive();
    let (columns, rows) = terminal::size();
    let options = RunOptions {
        words: args.words.clone(),
        process_type: args.process_type.clone(),
        size: args.rules.size.unwrap_or(DynoSize::BASIC),
        env: args.set.iter().cloned().collect(),
        console: if tty { Console::Terminal(columns, rows) } else { Console::Pipe },
        build: args.build.options(),
        launch: args.rules.launch(),
        app_runs,
    };
    let status = attached(&ground, &options, tty, app_runs).await;
    if let Err(error) = logs.close().await {
        session.report.note(error.to_string());
    }
    let swept = project.sweep_own(&run).await;
    let status = status?;
    swept?;
    Ok(ExitCode::from(u8::try_from(status & 0xff).unwrap_or(1)))
}

/// Runs the dyno with this process's streams as its own.
async fn attached(ground: &Ground, options: &RunOptions, tty: bool, app_runs: bool) -> Result<i32, PlatformError> {
    let (output, printed) = mpsc::channel(64);
    let (input, mut given) = mpsc::channel(64);
    let (interrupter, interrupt) = interrupt::channel();
    watch_signals(input, interrupter.clone(), tty).map_err(PlatformError::io("listen for signals"))?;
    let dyno = tokio::select! {
        dyno = one_off::start(ground, options, output) => dyno?,
        () = unwanted(&mut given, &interrupt) => return Err(PlatformError::Interrupted),
    };
    let listed = app_runs.then(|| {
        let list = listed::list(ground.project.state.clone(), dyno.place.clone(), dyno.status(), interrupter);
        tokio::spawn(list)
    });
    let raw = if tty { Some(Raw::new().map_err(PlatformError::io("use the terminal"))?) } else { None };
    let writer = tokio::spawn(write_output(printed));
    terminal::read_stdin(dyno.stdin());
    let status = dyno.attend(given, &interrupt).await;
    if let Some(listed) = listed {
        listed.abort();
    }
    let _ = writer.await;
    drop(raw);
    Ok(status)
}

/// Waits until the user gives up a dyno that was not started yet, by any signal.
async fn unwanted(given: &mut mpsc::Receiver<ClientInput>, interrupt: &Interrupt) {
    loop {
        tokio::select! {
            Some(given) = given.recv() => {
                if matches!(given, ClientInput::Signal(_)) {
                    return;
                }
            }
            _ = interrupt.wanted() => return,
        }
    }
}

/// Ctrl-C is the dyno's own affair; SIGTERM and SIGHUP end it; a new window size is passed on.
fn watch_signals(input: mpsc::Sender<ClientInput>, interrupter: Interrupter, tty: bool) -> io::Result<()> {
    let mut int = signal(SignalKind::interrupt())?;
    let mut term = signal(SignalKind::terminate())?;
    let mut hup = signal(SignalKind::hangup())?;
    let mut size = signal(SignalKind::window_change())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(()) = int.recv() => {
                    let _ = input.send(ClientInput::Signal(Signal::Int)).await;
                }
                Some(()) = term.recv() => {
                    interrupter.press("SIGTERM");
                }
                Some(()) = hup.recv() => {
                    let _ = input.send(ClientInput::Signal(Signal::Hup)).await;
                    interrupter.press("SIGHUP");
                }
                Some(()) = size.recv(), if tty => {
                    let (columns, rows) = terminal::size();
                    let _ = input.send(ClientInput::Size(columns, rows)).await;
                }
                else => return,
            }
        }
    });
    Ok(())
}

pub(super) async fn write_output(mut printed: mpsc::Receiver<Output>) {
    while let Some(piece) = printed.recv().await {
        let written = tokio::task::spawn_blocking(move || {
            if piece.stderr {
                io::stderr().lock().write_all(&piece.bytes)
            } else {
                let mut out = io::stdout().lock();
                out.write_all(&piece.bytes).and_then(|()| out.flush())
            }
        });
        // Nobody reads any more: the dyno may go on printing into nothing.
        let _ = written.await;
    }
}
