//! `dynosim up`

use super::args::{Limit, Up};
use super::console::{Console, Guard, Hand};
use super::hand::Steer;
use super::printer::Printer;
use super::session::{Session, config_base, environment};
use super::view::View;
use super::wait::{Verdict, Wait};
use super::{footprint, signals, stream};
use crate::api::{Server, Serving, Subject};
use crate::diagnostic::{Diagnostic, Severity};
use crate::logs::{Logs, LogsOptions};
use crate::model::app::App;
use crate::model::exit_code::ExitCode as Code;
use crate::model::process_type::ProcessType;
use crate::platform::PlatformError;
use crate::platform::control::Control;
use crate::platform::down::{forget_request, was_asked};
use crate::platform::interrupt::{self, Interrupter};
use crate::platform::native;
use crate::platform::project::Project;
use crate::platform::report::Reporter;
use crate::platform::state::{self, Held, Holder, LockError, StateDir};
use crate::platform::up::{UpOptions, UpSession, formation_of, up};
use crate::platform::wait::released;
use crate::platform::watch::{self, WatchOptions};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::sleep;

/// A command that only looks at the lock has it for a moment; an `up` has it for longer than this.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: usize = 5;

pub(super) async fn run(session: &Session, args: Up) -> Result<ExitCode, PlatformError> {
    let sources = session.sources(&args.build, Severity::Note)?;
    sources.loaded.require_config().map_err(PlatformError::Project)?;
    let mut options = UpOptions {
        quantities: quantities(&args, &sources.loaded.app),
        size: args.rules.size,
        front: args.router.options(&args.rules.timeouts, || config_base(&environment)).map_err(wrong)?,
        build: args.build.options(),
        built: None,
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
    forget_unfinished(&state, &sources.identity.root);
    let server = Server::bind(&state).map_err(PlatformError::io("make the socket of the app"))?;
    let (interrupter, interrupt) = interrupt::channel();
    let for_down = state.clone();
    let wait = args.wait.map(|Limit(limit)| Wait {
        limit,
        // Who went on in the background keeps the app, to be looked into.
        interrupter: session.background.is_none().then(|| interrupter.clone()),
        interrupt: interrupt.clone(),
        report: session.report.clone(),
        verdict: Verdict::default(),
    });
    let verdict = wait.as_ref().map(|wait| Arc::clone(&wait.verdict));
    if let Some(background) = &session.background {
        background.watch_caller(interrupter.clone());
    }
    let for_keys = interrupter.clone();
    signals::listen(interrupter, session.report.clone(), move || was_asked(&for_down))
        .map_err(PlatformError::io("listen for signals"))?;

    let project = tokio::select! {
        project = session.project(sources) => project?,
        _ = interrupt.wanted() => return Err(PlatformError::Interrupted),
    };
    options.rules = args.rules.dynos_on(&project)?;
    let logs = Logs::open(&state.file("journal"), session.clock.clone(), LogsOptions::default())
        .map_err(PlatformError::io("open the log"))?;
    stream::watch_journal(&logs, session.report.clone());
    // The background has no one to show the log to: it is there for `attach` and `logs`.
    let shown = session.background.is_none();
    let keys = shown && Console::possible(session.printer);
    let view = keys.then(View::default);
    let printed = shown.then(|| stream::print_from_now(&logs, session.printer, session.report.clone(), view.clone()));
    let seat = view.map(|view| Keyboard {
        printer: session.printer,
        report: session.report.clone(),
        view,
        state,
        interrupter: for_keys,
        guard: Arc::default(),
    });
    let guard = seat.as_ref().map(|seat| Arc::clone(&seat.guard));
    let watching = (!args.no_watch).then(|| {
        let watched = WatchOptions {
            build: options.build.clone(),
            launch: options.launch,
            files: session.common.env.iter().filter_map(|file| std::path::absolute(file).ok()).collect(),
            dynos_write: native::dynos_write(&project, &options.rules.filesystem),
            reload: Arc::clone(&reload),
            interrupt: interrupt.clone(),
        };
        (Arc::clone(&project), watched)
    });
    let (serve, serving) = attended(server, &project, &logs);
    let attend = move |control: &Control| {
        serve(control);
        footprint::shrink(control.clone());
        if let Some((project, options)) = watching {
            watch::begin(control, project, options);
        }
        if let Some(wait) = wait {
            wait.begin(control.clone());
        }
        if let Some(seat) = seat {
            seat.begin(control.clone());
        }
    };
    let attend = Box::new(attend);
    let result = up(UpSession { project, logs: logs.clone(), held, interrupt, reload, attend }, &options).await;
    if let Some(guard) = guard {
        guard.close();
    }
    if let Ok(serving) = serving.await {
        serving.shutdown().await;
    }
    if let Err(error) = logs.close().await {
        session.report.note(error.to_string());
    }
    if let Some(printed) = printed {
        printed.finish().await;
    }
    result.map(|why| super::code(ending(&why, verdict)))
}

/// What the command line says of the formation.
fn quantities(args: &Up, app: &App) -> BTreeMap<ProcessType, u32> {
    let mut quantities: BTreeMap<ProcessType, u32> = args.quantities.iter().cloned().collect();
    if args.only_named {
        for process_type in app.processes.keys() {
            quantities.entry(process_type.clone()).or_insert(0);
        }
    }
    quantities
}

/// The code of an `up` that was stopped.
fn ending(why: &str, verdict: Option<Verdict>) -> Code {
    let verdict = verdict.and_then(|verdict| verdict.lock().unwrap_or_else(PoisonError::into_inner).clone());
    match verdict {
        Some(not_up) if why == not_up.to_string() => not_up.exit_code(),
        _ if [signals::DOWN, signals::QUIT].contains(&why) => Code::Ok,
        _ => Code::Interrupted,
    }
}

/// What the keys of this `up` need; they mean something from the first release on, when builds draw no more.
struct Keyboard {
    printer: Printer,
    report: Reporter,
    view: View,
    state: StateDir,
    interrupter: Interrupter,
    guard: Arc<Place>,
}

/// Where the running console is kept, until it is closed for good.
#[derive(Default)]
struct Place(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    guard: Option<Guard>,
    closed: bool,
}

impl Place {
    fn keep(&self, guard: Guard) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.closed {
            kept.guard = Some(guard);
        }
    }

    fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Kept { guard: None, closed: true };
    }
}

impl Keyboard {
    fn begin(self, control: Control) {
        let Self { printer, report, view, state, interrupter, guard } = self;
        tokio::spawn(async move {
            released(&control).await;
            let console = Console {
                printer,
                report: report.clone(),
                view,
                url: Box::new(move || url_of(&state)),
                hand: Hand::Up(Steer { control, interrupter }),
            };
            match console.begin() {
                Ok(begun) => guard.keep(begun),
                Err(error) => report.note(format!("there are no keys here: {error}")),
            }
        });
    }
}

/// Where the app's router listens.
pub(super) fn url_of(state: &StateDir) -> Option<String> {
    let port = state.holder().ok().flatten()?.port?;
    Some(format!("http://localhost:{port}"))
}

/// What is called with a hand on the app.
pub(super) type Attend = Box<dyn FnOnce(&Control) + Send>;

/// Serves the API from the moment there is somebody who steers the app.
pub(super) fn attended(server: Server, project: &Project, logs: &Logs) -> (Attend, oneshot::Receiver<Serving>) {
    let (sender, serving) = oneshot::channel();
    let Project { app, identity, state, user, clock, .. } = project;
    let (app, identity, state) = (app.name.clone(), identity.clone(), state.clone());
    let (user, clock, logs) = (user.clone(), clock.clone(), logs.clone());
    let attend = Box::new(move |control: &Control| {
        let control = control.clone();
        let _ = sender.send(server.serve(Subject { app, identity, state, user, clock, logs, control }));
    });
    (attend, serving)
}

pub(super) fn wrong(reason: String) -> PlatformError {
    PlatformError::Project(vec![Diagnostic::error(reason)])
}

/// Forgets what a killed `up` was writing. `.env` may be a link to a file elsewhere.
fn forget_unfinished(state: &StateDir, root: &Path) {
    let env = std::fs::canonicalize(root.join(".env")).ok();
    for folder in [Some(state.path()), Some(root), env.as_deref().and_then(Path::parent)].into_iter().flatten() {
        state::forget_unfinished(folder);
    }
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
