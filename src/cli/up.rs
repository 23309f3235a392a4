//! `dynosim up`

use super::args::Up;
use super::session::{Session, config_base, environment};
use super::{signals, stream};
use crate::diagnostic::{Diagnostic, Severity};
use crate::logs::{Logs, LogsOptions};
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use crate::platform::control::Control;
use crate::platform::down::{forget_request, was_asked};
use crate::platform::interrupt;
use crate::platform::state::{Held, Holder, LockError, StateDir};
use crate::platform::up::{UpOptions, UpSession, formation_of, up};
use crate::platform::watch::{self, WatchOptions};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// A command that only looks at the lock has it for a moment; an `up` has it for longer than this.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: usize = 5;

pub(super) async fn run(session: &Session, args: Up) -> Result<ExitCode, PlatformError> {
    let sources = session.sources(&args.build, Severity::Note)?;
    sources.loaded.require_config().map_err(PlatformError::Project)?;
    let options = UpOptions {
        quantities: args.quantities.iter().cloned().collect(),
        size: args.rules.size,
        front: args.router.options(&args.rules.timeouts, || config_base(&environment)).map_err(wrong)?,
        build: args.build.options(),
        rules: args.rules.dynos(),
        launch: args.rules.launch(),
    };
    // What is wrong with the command line is said before an engine is looked for.
    formation_of(&sources.loaded.app, &BTreeMap::new(), &options)?;
    let reload = session.reload(&args.build)?;
    let state = sources.state.clone();
    let app = sources.loaded.app.name.clone();
    let (run, _alive) = state.open_run(&session.clock).await.map_err(PlatformError::io("register the run"))?;
    let held = hold(&state, &app, &sources.identity.root, &run).await?;
    forget_request(&state);
    let (interrupter, interrupt) = interrupt::channel();
    let for_down = state.clone();
    signals::listen(interrupter, session.report.clone(), move || was_asked(&for_down))
        .map_err(PlatformError::io("listen for signals"))?;

    let project = tokio::select! {
        project = session.project(sources) => project?,
        _ = interrupt.wanted() => return Err(PlatformError::Interrupted),
    };
    let logs = Logs::open(&state.file("journal"), session.clock.clone(), LogsOptions::default())
        .map_err(PlatformError::io("open the log"))?;
    stream::watch_journal(&logs, session.report.clone());
    let printed = stream::print_from_now(&logs, session.printer, session.report.clone());
    let watching = (!args.no_watch).then(|| {
        let watched = WatchOptions {
            build: options.build.clone(),
            launch: options.launch,
            files: session.common.env.iter().filter_map(|file| std::path::absolute(file).ok()).collect(),
            reload: Arc::clone(&reload),
            interrupt: interrupt.clone(),
        };
        (Arc::clone(&project), watched)
    });
    let attend: Box<dyn FnOnce(&Control) + Send> = Box::new(move |control| {
        if let Some((project, options)) = watching {
            watch::begin(control, project, options);
        }
    });
    let result = up(UpSession { project, logs: logs.clone(), held, interrupt, reload, attend }, &options).await;
    if let Err(error) = logs.close().await {
        session.report.note(error.to_string());
    }
    printed.finish().await;
    result.map(|why| super::code(if why == signals::DOWN { Code::Ok } else { Code::Interrupted }))
}

fn wrong(reason: String) -> PlatformError {
    PlatformError::Project(vec![Diagnostic::error(reason)])
}

/// Takes the app, or says who has it.
async fn hold(state: &StateDir, app: &str, root: &Path, run: &str) -> Result<(Held, Holder), PlatformError> {
    let holder = Holder { pid: std::process::id(), folder: root.to_owned(), port: None, run: run.to_owned() };
    let mut held = state.hold(&holder);
    for _ in 0..LOOKS {
        if !matches!(held, Err(LockError::Held(_))) {
            break;
        }
        sleep(LOOK).await;
        held = state.hold(&holder);
    }
    match held {
        Ok(held) => Ok((held, holder)),
        Err(LockError::Held(other)) => {
            let unknown = Holder { pid: 0, ..holder };
            Err(PlatformError::AlreadyRunning { app: app.to_owned(), holder: other.unwrap_or(unknown) })
        }
        Err(LockError::Io(error)) => Err(PlatformError::io("lock the app")(error)),
    }
}
