//! One job of a test: its own app, and the commands against it.

use super::command::{OnHost, in_dyno};
use super::gate::{Allowed, Gate};
use super::home::Home;
use super::load::{self, Stopped};
use super::parity;
use super::{JobReport, Outcome, Stage, Step, TrialOptions, TrialSession};
use crate::clock::stamp;
use crate::diagnostic::Severity;
use crate::engine::Output;
use crate::logs::{Filter, Follower, Logs, LogsOptions, Start};
use crate::model::limits;
use crate::model::process_type::ProcessType;
use crate::platform::PlatformError;
use crate::platform::builds::BuiltSlug;
use crate::platform::control::{Control, Deployed};
use crate::platform::interrupt::{self, Interrupt, Interrupter};
use crate::platform::project::Project;
use crate::platform::tested::Finding;
use crate::platform::up::{UpOptions, UpSession, up};
use crate::platform::wait::all_up;
use futures_util::future::FutureExt as _;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// Why an app is stopped when its tests are over.
pub(super) const OVER: &str = "the tests are over";
/// Why it is stopped when the time is.
const LATE: &str = "the time is over";
/// How much of what commands print is kept.
const KEPT_OUTPUT: usize = 64 * 1024;
/// How often memory is looked at: tests are short, and Heroku's 20 s would see nothing.
const SAMPLES: Duration = Duration::from_secs(1);

pub(super) struct Job {
    pub(super) number: u32,
    pub(super) session: Arc<TrialSession>,
    pub(super) options: Arc<TrialOptions>,
    pub(super) built: BuiltSlug,
    pub(super) deadline: Option<(Instant, Duration)>,
}

impl Job {
    /// Runs it; nothing of it is left when this returns.
    pub(super) async fn run(self) -> JobReport {
        let report = (self.session.report_of)(self.number);
        let mut job = JobReport::new(self.number, Outcome::Stopped(PlatformError::Interrupted));
        let mut home = match Home::open(&self.session.project, &self.session.place, report).await {
            Ok(home) => home,
            Err(error) => {
                job.outcome = Outcome::Stopped(error);
                return job;
            }
        };
        home.name().clone_into(&mut job.instance);
        let project = Arc::new(home.project.clone());
        if let Err(error) = self.in_home(&mut home, &project, &mut job).await {
            job.outcome = Outcome::Stopped(error);
        }
        if let Err(error) = home.close() {
            project.report.note(format!("the state of {} was not removed: {error}", job.instance));
        }
        job
    }

    async fn in_home(&self, home: &mut Home, project: &Arc<Project>, job: &mut JobReport) -> Result<(), PlatformError> {
        let logs = Logs::open(&project.state.file("journal"), project.clock.clone(), LogsOptions::default())
            .map_err(PlatformError::io("open the log"))?;
        let Some(held) = home.held.take() else { return Err(PlatformError::Interrupted) };
        let (attend, served) =
            (self.session.serve)(project, &logs).map_err(PlatformError::io("make the socket of the app"))?;
        let (interrupter, interrupt) = interrupt::channel();
        let passed_on = tokio::spawn(pass_on(self.session.interrupt.clone(), self.deadline, interrupter.clone()));
        let (sender, control) = oneshot::channel();
        let session = UpSession {
            project: Arc::clone(project),
            logs: logs.clone(),
            held,
            interrupt: interrupt.clone(),
            reload: Arc::clone(&self.session.reload),
            attend: Box::new(move |control: &Control| {
                attend(control);
                let _ = sender.send(control.clone());
            }),
        };
        let options = self.up_options();
        let mut app = tokio::spawn(async move { up(session, &options).await });
        let mut until = None;
        let outcome = {
            // A fault of dynosim's own must not leave the app behind.
            let tests = AssertUnwindSafe(self.tests(project, control, &interrupt, job)).catch_unwind();
            let fault =
                |_| Outcome::Stopped(PlatformError::io("run the tests")(std::io::Error::other("a task panicked")));
            let tests = tests.map(|outcome| outcome.unwrap_or_else(fault));
            tokio::pin!(tests);
            let (outcome, app) = tokio::select! {
                biased;
                outcome = &mut tests => {
                    until = Some(stamp(project.clock.now()));
                    interrupter.ask(OVER);
                    (Some(outcome), (&mut app).await)
                }
                ended = &mut app => (None, ended),
            };
            let app = app.unwrap_or_else(|error| Err(PlatformError::io("run the app")(std::io::Error::other(error))));
            match (outcome, app) {
                // Why it was interrupted, the tests know.
                (Some(outcome), Ok(_) | Err(PlatformError::Interrupted)) => outcome,
                (None, Err(PlatformError::Interrupted)) => tests.await,
                (Some(Outcome::Passed), Err(error)) => Outcome::Stopped(error),
                (Some(outcome), Err(error)) => {
                    project.report.note(format!("the app was not taken down as it should be: {error}"));
                    outcome
                }
                (None, app) => {
                    // Commands that still run are ended too.
                    interrupter.ask(OVER);
                    let outcome = tests.await;
                    app.map_or_else(Outcome::Stopped, |_| outcome)
                }
            }
        };
        job.outcome = outcome;
        passed_on.abort();
        served.await;
        let closed = logs.close().await;
        self.judge(watched(project, until).await.map_err(PlatformError::io("read the log"))?, job);
        closed.map_err(PlatformError::io("write the log"))
    }

    fn up_options(&self) -> UpOptions {
        let mut options = UpOptions { built: Some(self.built.clone()), ..self.options.up.clone() };
        options.rules.runtime_metrics = true;
        if options.rules.timeouts.metrics == limits::METRICS_INTERVAL {
            options.rules.timeouts.metrics = SAMPLES;
        }
        options
    }

    /// Everything between an app that starts and one that may be stopped.
    async fn tests(
        &self,
        project: &Project,
        control: oneshot::Receiver<Control>,
        interrupt: &Interrupt,
        job: &mut JobReport,
    ) -> Outcome {
        let Ok(control) = control.await else { return self.stopped(interrupt) };
        let outcome = self.steps(project, &control, interrupt, job).await;
        let failed = matches!(outcome, Outcome::Failed { .. } | Outcome::NotUp(_));
        if failed && self.options.keep_on_fail {
            let name = &job.instance;
            project.report.note(format!(
                "the tests failed and the app is kept: look with `dynosim logs -t --name {name}`, `dynosim ps:exec \
                 --name {name}`; Ctrl-C ends it"
            ));
            interrupt.wanted().await;
        }
        outcome
    }

    async fn steps(&self, project: &Project, control: &Control, interrupt: &Interrupt, job: &mut JobReport) -> Outcome {
        let began = Instant::now();
        let up = tokio::select! {
            biased;
            _ = interrupt.wanted() => return self.stopped(interrupt),
            up = all_up(control, None) => up,
        };
        job.stages.push(Stage { name: "up".into(), took: began.elapsed() });
        if let Err(why) = up {
            return Outcome::NotUp(why);
        }
        let Some(deployed) = control.deployed() else { return self.stopped(interrupt) };
        for step in &self.options.steps {
            let began = Instant::now();
            let status = self.step(step, project, &deployed, interrupt, &mut job.output).await;
            job.stages.push(Stage { name: step.name.clone(), took: began.elapsed() });
            if interrupt.asked().is_some() {
                return self.stopped(interrupt);
            }
            match status {
                Ok(0) => {}
                Ok(status) => return Outcome::Failed { step: step.name.clone(), status },
                Err(error) => return Outcome::Stopped(error),
            }
        }
        match (&self.options.under_load, port_of(project)) {
            (Some(path), Some(port)) => self.under_load(control, port, path, interrupt, job).await,
            _ => Outcome::Passed,
        }
    }

    async fn under_load(
        &self,
        control: &Control,
        port: u16,
        path: &str,
        interrupt: &Interrupt,
        job: &mut JobReport,
    ) -> Outcome {
        let began = Instant::now();
        let traffic = tokio::select! {
            biased;
            _ = interrupt.wanted() => return self.stopped(interrupt),
            traffic = load::run(control, port, path) => traffic,
        };
        job.stages.push(Stage { name: "under load".into(), took: began.elapsed() });
        match traffic {
            Ok(traffic) => {
                job.traffic = Some(traffic);
                Outcome::Passed
            }
            Err(Stopped::NotUp(why)) => Outcome::NotUp(why),
            Err(Stopped::Refused(error)) => {
                Outcome::Stopped(PlatformError::io("change the app under load")(std::io::Error::other(error)))
            }
        }
    }

    /// Runs one command; its status.
    async fn step(
        &self,
        step: &Step,
        project: &Project,
        deployed: &Deployed,
        interrupt: &Interrupt,
        kept: &mut Vec<u8>,
    ) -> Result<i32, PlatformError> {
        let (sender, mut printed) = mpsc::channel::<Output>(64);
        let passing_on = async {
            while let Some(output) = printed.recv().await {
                kept.extend_from_slice(&output.bytes);
                let excess = kept.len().saturating_sub(KEPT_OUTPUT);
                kept.drain(..excess);
                // Nobody looks any more: the command may go on printing into nothing.
                let _ = self.session.output.send((self.number, output)).await;
            }
        };
        let options = &self.options.up;
        let running = async {
            let status = if let Some(process_type) = &step.inside {
                let env = BTreeMap::from([("CI".to_owned(), "true".to_owned())]);
                let how = (&options.build, options.launch);
                in_dyno(deployed, process_type, &step.words, env, how, interrupt, &sender).await
            } else {
                let command = OnHost {
                    words: &step.words,
                    folder: &project.app.root,
                    env: self.environment(project, deployed),
                    guard: &self.options.guard,
                    inherit: self.options.inherit,
                };
                command.run(interrupt, &sender).await
            };
            drop(sender);
            status
        };
        tokio::join!(running, passing_on).0
    }

    /// What a command on this machine gets: the app's config, and where the app is.
    fn environment(&self, project: &Project, deployed: &Deployed) -> BTreeMap<String, String> {
        let mut env = deployed.release.config.clone();
        // Programs of this machine are not where those of the image are.
        env.remove("PATH");
        let mut set = |name: &str, value: String| drop(env.insert(name.to_owned(), value));
        set("DYNOSIM_NAME", project.identity.instance.clone());
        set("DYNOSIM_JOB", self.number.to_string());
        set("DYNOSIM_JOBS", self.options.jobs.to_string());
        if let Some(port) = port_of(project).filter(|_| project.app.processes.keys().any(ProcessType::is_web)) {
            set("DYNOSIM_PORT", port.to_string());
            set("DYNOSIM_URL", format!("http://localhost:{port}"));
        }
        env
    }

    /// Why it came to no end of its own.
    fn stopped(&self, interrupt: &Interrupt) -> Outcome {
        match (interrupt.asked(), self.deadline) {
            (Some(why), Some((_, limit))) if why == LATE => Outcome::Late(limit),
            _ => Outcome::Stopped(PlatformError::Interrupted),
        }
    }

    /// Holds what was seen against the gates.
    fn judge(&self, watch: parity::Watch, job: &mut JobReport) {
        let mut gates = self.options.gates.clone();
        if self.options.under_load.is_some() && !gates.iter().any(|gate| gate.name == "dropped") {
            gates.push(Gate::named("dropped"));
        }
        let (mut parity, tails) = watch.end(&self.options.up.rules.timeouts, &gates);
        if let Some(lost) = job.traffic.as_ref().map(|traffic| traffic.unanswered).filter(|lost| *lost > 0) {
            let text = format!("{lost} connections under load ended without an answer");
            parity.findings.push(Finding { check: "dropped".into(), dyno: None, text });
        }
        if let Some(gate) = gates.iter().find(|gate| gate.name == "lint") {
            let least = if let Some(Allowed::Severity(least)) = gate.allowed { least } else { Severity::Error };
            let bad = self.options.lint.iter().filter(|(severity, _)| *severity >= least);
            parity.findings.extend(bad.map(|(_, text)| Finding {
                check: "lint".into(),
                dyno: None,
                text: text.clone(),
            }));
        }
        let found = |gate: &&Gate| parity.findings.iter().any(|finding| finding.check == gate.name);
        let failed: Vec<String> = gates.iter().filter(found).map(|gate| gate.name.clone()).collect();
        let passed = matches!(job.outcome, Outcome::Passed);
        if passed && !failed.is_empty() {
            job.outcome = Outcome::Gates(failed);
        }
        if !passed {
            job.tails = tails;
        }
        job.parity = parity;
    }
}

/// Hands the user's wish to stop, and the end of the time, to one job's app.
async fn pass_on(user: Interrupt, deadline: Option<(Instant, Duration)>, to: Interrupter) {
    let at = deadline.map(|(at, _)| at);
    tokio::select! {
        why = user.wanted() => to.ask(&why),
        () = sleep_until(at.unwrap_or_else(Instant::now)), if at.is_some() => to.ask(LATE),
    }
    user.forced().await;
    to.press("forced");
}

/// The router's port, as the lock of the app says.
fn port_of(project: &Project) -> Option<u16> {
    project.state.holder().ok().flatten()?.port
}

/// Reads the whole log of a run that is over.
async fn watched(project: &Project, until: Option<String>) -> std::io::Result<parity::Watch> {
    let mut watch = parity::Watch::until(until);
    let folder = project.state.file("journal");
    let mut follower = Follower::outside(&folder, Start::Oldest, Filter::default(), Box::new(|| false))?;
    while let Some(lines) = follower.next_lines().await? {
        watch.lines(lines);
    }
    Ok(watch)
}
