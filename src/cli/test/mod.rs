//! `dynosim test`: what it is asked for, and what it prints while it runs. How it went is told in `results`.

pub(super) mod annotations;
mod json;
mod junit;
mod output;
mod results;

use super::args::{Limit, Test};
use super::check::brief;
use super::session::Session;
use super::up::{attended, wrong};
use crate::api::Server;
use crate::diagnostic::{Diagnostic, Severity};
use crate::logs::Logs;
use crate::model::app::App;
use crate::model::exit_code::ExitCode as Code;
use crate::model::process_type::ProcessType;
use crate::platform::PlatformError;
use crate::platform::control::Reload;
use crate::platform::front::FrontOptions;
use crate::platform::port::PortChoice;
use crate::platform::project::Project;
use crate::platform::report::{News, Reporter};
use crate::platform::trial::{Serve, Step, TrialOptions, TrialSession, is_over, trial};
use crate::platform::up::{UpOptions, formation_of};
use crate::router::RouterConfig;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long the last news of a job may take.
const LAST_NEWS: Duration = Duration::from_secs(2);

pub(super) async fn run(session: &Session, args: Test) -> Result<ExitCode, PlatformError> {
    let sources = session.sources(&args.build, Severity::Note)?;
    sources.loaded.require_test_config().map_err(PlatformError::Project)?;
    let app = sources.loaded.app.clone().under_test();
    let mut options = options(&args, &app, session.common.json)?;
    options.lint = lint(&sources.loaded);
    // What is wrong with the command line is said before an engine is looked for.
    let formation = formation_of(&app, &BTreeMap::new(), &options.up)?;
    let web = formation.get(&ProcessType::web()).is_some_and(|scale| scale.quantity > 0);
    if options.under_load.is_some() && !web {
        return Err(usage("--under-load sends requests, and no web dyno runs", "give it one: dynosim test web=1 …"));
    }
    if let Some(file) = &args.junit {
        writable(file)?;
    }
    let interrupt = session.interrupt()?;
    let project = tokio::select! {
        project = session.project(sources) => project?,
        _ = interrupt.wanted() => return Err(PlatformError::Interrupted),
    };
    options.up.rules = args.rules.dynos_on(&project)?;
    let project = Arc::new(Project { app: project.app.clone().under_test(), ..(*project).clone() });
    let reload = session.reload_lenient(&args.build)?;
    let under_test: Reload = Arc::new(move || reload().map(App::under_test));
    let (output, printed) = mpsc::channel(64);
    let printing = tokio::spawn(output::print(session.printer, options.jobs, printed));
    let (report_of, forwards) = reports(&session.report, options.jobs);
    let held = TrialSession {
        project: Arc::clone(&project),
        place: session.place()?,
        reload: under_test,
        interrupt,
        output,
        report_of,
        serve: serve(),
    };
    let done = trial(held, options.clone()).await;
    let _ = timeout(LAST_NEWS, printing).await;
    forwards.finish().await;
    // What the platform still has to say stands before how it went.
    session.settle_news().await;
    results::print(session.printer, &project, &options, &done);
    if args.annotations.is_some() {
        annotations::print(session.printer, &options, &done);
    }
    let mut code = done.exit_code();
    if let Some(file) = &args.junit
        && let Err(error) = junit::write(file, &project.app.name, &options, &done)
    {
        session.printer.error(&format!("the results could not be written to {}: {error}", file.display()), None);
        // Why the test failed, if it did, says more.
        code = if code == Code::Ok { Code::Failed } else { code };
    }
    Ok(super::code(code))
}

fn options(args: &Test, app: &App, json: bool) -> Result<TrialOptions, PlatformError> {
    let up = UpOptions {
        quantities: args.quantities.iter().cloned().collect(),
        size: args.rules.size,
        front: FrontOptions {
            port: PortChoice::Exactly(0),
            https: None,
            router: RouterConfig::new(args.rules.timeouts.clone()),
            domains: Vec::new(),
            maintenance: false,
        },
        build: args.build.options(),
        built: None,
        rules: args.rules.dynos(),
        launch: args.rules.launch(),
    };
    Ok(TrialOptions {
        up,
        steps: steps(args, app)?,
        jobs: args.jobs,
        gates: args.fail_on.clone(),
        lint: Vec::new(),
        under_load: args.under_load.clone(),
        limit: args.timeout.and_then(|Limit(limit)| limit),
        keep_on_fail: args.keep_on_fail,
        guard: std::env::current_exe().map_err(PlatformError::io("find dynosim itself"))?,
        inherit: args.jobs == 1 && !json && args.junit.is_none(),
    })
}

/// The command line's command; else the scripts of app.json.
fn steps(args: &Test, app: &App) -> Result<Vec<Step>, PlatformError> {
    let inside = match &args.inside {
        Some(name) if !app.processes.contains_key(name) => return Err(PlatformError::no_such_type(app, name)),
        inside => inside.clone(),
    };
    if !args.words.is_empty() {
        return Ok(vec![Step { name: args.words.join(" "), words: args.words.clone(), inside }]);
    }
    let scripts = app.test_environment.iter().flat_map(|test| {
        [("test-setup", test.test_setup.clone()), ("test", test.test.clone())]
            .into_iter()
            .filter_map(|(name, script)| Some((name, script?)))
    });
    let of_web = || app.processes.keys().find(|name| name.is_web()).or_else(|| app.processes.keys().next()).cloned();
    let steps: Vec<Step> = scripts
        .map(|(name, script)| Step { name: name.into(), words: vec![script], inside: inside.clone().or_else(of_web) })
        .collect();
    if steps.is_empty() && args.under_load.is_none() {
        let help = "give a command after `--`, as in `dynosim test -- npm test`, or scripts to app.json: \
                    \"environments\": {\"test\": {\"scripts\": {\"test\": \"npm test\"}}}";
        return Err(usage("there is nothing to run as a test", help));
    }
    Ok(steps)
}

/// What `check` finds, for the gate of `--fail-on lint`.
fn lint(loaded: &crate::manifest::Loaded) -> Vec<(Severity, String)> {
    let found = crate::platform::check::quick(loaded).findings;
    found.iter().map(|one| (one.diagnostic.severity, format!("{}: {}", brief(one), one.diagnostic.title))).collect()
}

fn usage(title: &str, help: &str) -> PlatformError {
    PlatformError::Project(vec![Diagnostic::error(title).help(help)])
}

/// Whether the file can be made, before minutes are spent on what is to stand in it.
fn writable(file: &Path) -> Result<(), PlatformError> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if file.is_dir() || !folder.is_dir() {
        return Err(wrong(format!(
            "--junit {}: there is no folder {} to write a file to",
            file.display(),
            folder.display()
        )));
    }
    Ok(())
}

/// Serves each job's app as `up` serves its own, so that a test can steer it: `dynosim ps --name $DYNOSIM_NAME`.
fn serve() -> Serve {
    Arc::new(|project: &Project, logs: &Logs| {
        let server = Server::bind(&project.state)?;
        let (attend, serving) = attended(server, project, logs);
        let ended = Box::pin(async move {
            if let Ok(serving) = serving.await {
                serving.shutdown().await;
            }
        });
        Ok((attend, ended as _))
    })
}

/// The news of jobs on their way to the terminal.
#[derive(Clone, Default)]
struct Forwards(Arc<Mutex<Vec<JoinHandle<()>>>>);

impl Forwards {
    /// Waits for the last piece.
    async fn finish(&self) {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for one in all {
            let _ = timeout(LAST_NEWS, one).await;
        }
    }
}

type ReportOf = Arc<dyn Fn(u32) -> Reporter + Send + Sync>;

/// Gives each job a reporter; where there are several, their news carries the job's number.
fn reports(to: &Reporter, jobs: u32) -> (ReportOf, Forwards) {
    let (forwards, to) = (Forwards::default(), to.clone());
    let kept = forwards.clone();
    let report_of = move |number| {
        let (report, mut news) = Reporter::new();
        let to = to.clone();
        let forward = tokio::spawn(async move {
            while let Some(one) = news.recv().await {
                match one {
                    News::Stopping(why) if is_over(&why) => {}
                    News::Stopped | News::End => {}
                    one if jobs == 1 => to.tell(one),
                    one => to.tell(News::OfJob(number, Box::new(one))),
                }
            }
        });
        kept.0.lock().unwrap_or_else(PoisonError::into_inner).push(forward);
        report
    };
    (Arc::new(report_of), forwards)
}
