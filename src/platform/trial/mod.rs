//! `test`: builds the app, runs it as an instance of its own, runs a command against it, and takes everything down again;
//! once, or several times side by side.
//!
//! ```text
//! build ─┬─ job 1: home ─ up (release phase, dynos, router) ─ steps ─ traffic ─ down ─ parity ─┐
//!        └─ job 2: …                                                                           ├─ ledger
//!                                                                                              ┘
//! ```
//!
//! The steps of `up` are [`crate::platform::up`]'s; what is here begins when the app is up.

mod command;
mod gate;
mod guard;
mod home;
mod job;
mod load;
mod parity;
#[cfg(test)]
mod tests;

pub use gate::Gate;
pub use guard::{NAME as GUARD, guard};
pub use home::sweep_dead;
pub use load::Traffic;
pub use parity::{Measured, Parity, Tail, percent_of};

use super::builds::{self, BuiltSlug};
use super::commit::checkout;
use super::control::{Control, Reload};
use super::error::PlatformError;
use super::interrupt::Interrupt;
use super::project::{Place, Project};
use super::report::{NotUp, Reporter};
use super::tested::{Finding, Ledger, LedgerError, Tested, TestedImage, Verdict};
use super::up::UpOptions;
use crate::clock::stamp;
use crate::diagnostic::Severity;
use crate::engine::Output;
use crate::logs::Logs;
use crate::model::exit_code::ExitCode;
use crate::model::process_type::ProcessType;
use futures_util::future::{BoxFuture, join_all};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What `test` was asked for.
#[derive(Clone, Debug)]
pub struct TrialOptions {
    /// How each app is run.
    pub up: UpOptions,
    /// What is run against it, one after another.
    pub steps: Vec<Step>,
    /// How many times, side by side.
    pub jobs: u32,
    /// What fails it besides a command that fails.
    pub gates: Vec<Gate>,
    /// What `check` found in the files, for the gate of that name.
    pub lint: Vec<(Severity, String)>,
    /// Traffic on this path while dynos are restarted, cycled and scaled.
    pub under_load: Option<String>,
    /// For all of it.
    pub limit: Option<Duration>,
    /// An app whose test failed is left up until somebody interrupts.
    pub keep_on_fail: bool,
    /// The program that guards commands on this machine: this one.
    pub guard: PathBuf,
    /// Commands write where this process does, instead of handing their output over.
    pub inherit: bool,
}

/// One command of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// As it is shown: the command, or `test-setup`.
    pub name: String,
    /// Its words; one that is alone is a command line for the shell.
    pub words: Vec<String>,
    /// In a one-off dyno of this process type's image; else on this machine.
    pub inside: Option<ProcessType>,
}

/// Called with a hand on an app, and what is awaited when it has ended.
pub type Attended = (Box<dyn FnOnce(&Control) + Send>, BoxFuture<'static, ()>);

/// Makes an app reachable for other commands.
pub type Serve = Arc<dyn Fn(&Project, &Logs) -> std::io::Result<Attended> + Send + Sync>;

/// What a test holds while it runs.
pub struct TrialSession {
    /// The project, as tests see it ([`crate::model::app::App::under_test`]), in the app's own state.
    pub project: Arc<Project>,
    /// Where it is.
    pub place: Place,
    /// Reads the project's files again.
    pub reload: Reload,
    /// Ends it.
    pub interrupt: Interrupt,
    /// Takes what the commands print, with the job's number.
    pub output: mpsc::Sender<(u32, Output)>,
    /// Gives each job its own news.
    pub report_of: Arc<dyn Fn(u32) -> Reporter + Send + Sync>,
    /// Makes each job's app reachable.
    pub serve: Serve,
}

/// Whether an app is stopped because its tests are over, and not for anybody's wish.
pub fn is_over(why: &str) -> bool {
    why == job::OVER
}

/// How a test went.
pub struct Trial {
    /// Each job.
    pub jobs: Vec<JobReport>,
    /// How long all of it took.
    pub took: Duration,
    /// What the ledger now says of it; none when no command was run to its end.
    pub tested: Option<Tested>,
    /// Why the ledger does not say it.
    pub unrecorded: Option<LedgerError>,
}

/// How one job went.
pub struct JobReport {
    /// From 1.
    pub number: u32,
    /// The name of its instance; empty when it got none.
    pub instance: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What was done, in order, and how long each took.
    pub stages: Vec<Stage>,
    /// What the platform saw.
    pub parity: Parity,
    /// Of the traffic under load.
    pub traffic: Option<Traffic>,
    /// The last lines of what failed; none of a job that passed.
    pub tails: Vec<Tail>,
    /// The end of what the commands printed, where it was handed over.
    pub output: Vec<u8>,
}

/// One thing a job did to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// `up`, the command, `under load`.
    pub name: String,
    /// How long it took.
    pub took: Duration,
}

/// What came of a job.
#[derive(Debug)]
pub enum Outcome {
    /// Every command ended with 0 and no gate was failed.
    Passed,
    /// A command ended with something else.
    Failed {
        /// Which.
        step: String,
        /// Its status.
        status: i32,
    },
    /// What the platform saw failed these gates.
    Gates(Vec<String>),
    /// The dynos did not come up, or not come up again.
    NotUp(NotUp),
    /// The time for all of it ran out.
    Late(Duration),
    /// It never got that far, or was interrupted.
    Stopped(PlatformError),
}

impl Outcome {
    /// The exit code that stands for it.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Passed => ExitCode::Ok,
            Self::Failed { .. } => ExitCode::Failed,
            Self::Gates(_) => ExitCode::Check,
            Self::NotUp(why) => why.exit_code(),
            Self::Late(_) => ExitCode::TimeLimit,
            Self::Stopped(error) => error.exit_code(),
        }
    }

    fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Passed => Some(Verdict::Passed),
            Self::Failed { status, .. } => Some(Verdict::Failed { status: *status }),
            Self::Gates(gates) => Some(Verdict::Gates { gates: gates.clone() }),
            Self::NotUp(_) | Self::Late(_) | Self::Stopped(_) => None,
        }
    }
}

impl Trial {
    /// Of several outcomes the one that says most: what kept the test from being run goes before what it found.
    pub fn exit_code(&self) -> ExitCode {
        const ORDER: [ExitCode; 8] = [
            ExitCode::Interrupted,
            ExitCode::Engine,
            ExitCode::Build,
            ExitCode::Release,
            ExitCode::Boot,
            ExitCode::TimeLimit,
            ExitCode::Failed,
            ExitCode::Check,
        ];
        let codes: Vec<ExitCode> = self.jobs.iter().map(|job| job.outcome.exit_code()).collect();
        let worst = ORDER.into_iter().find(|code| codes.contains(code));
        // A test that nobody can rely on later has not done its job.
        let unrecorded = self.unrecorded.is_some().then_some(ExitCode::Failed);
        let other = codes.iter().find(|code| **code != ExitCode::Ok).copied();
        worst.or(other).or(unrecorded).unwrap_or(ExitCode::Ok)
    }
}

/// Runs it. Whatever happens, nothing of it runs when this returns.
pub async fn trial(session: TrialSession, options: TrialOptions) -> Trial {
    let began = Instant::now();
    let deadline = options.limit.map(|limit| (began + limit, limit));
    let (session, options) = (Arc::new(session), Arc::new(options));
    let late = async {
        match deadline {
            Some((at, limit)) => {
                tokio::time::sleep_until(at).await;
                limit
            }
            None => std::future::pending().await,
        }
    };
    let built = tokio::select! {
        built = build(&session, &options) => built.map_err(Outcome::Stopped),
        _ = session.interrupt.wanted() => Err(Outcome::Stopped(PlatformError::Interrupted)),
        limit = late => Err(Outcome::Late(limit)),
    };
    let built = match built {
        Ok(built) => built,
        Err(outcome) => {
            let job = JobReport::new(1, outcome);
            return Trial { jobs: vec![job], took: began.elapsed(), tested: None, unrecorded: None };
        }
    };
    // What was built is what is on disk now; what is checked out when the tests have ended may be something else.
    let commit = checkout(&session.project.app.root).await;
    let running = (1..=options.jobs).map(|number| {
        let job = job::Job {
            number,
            session: Arc::clone(&session),
            options: Arc::clone(&options),
            built: built.clone(),
            deadline,
        };
        let running = tokio::spawn(job.run());
        async move {
            running.await.unwrap_or_else(|error| {
                let error = PlatformError::io("run the tests")(std::io::Error::other(error));
                JobReport::new(number, Outcome::Stopped(error))
            })
        }
    });
    let jobs = join_all(running).await;
    let took = began.elapsed();
    let tested = verdict(&jobs).map(|verdict| Tested {
        images: images(&session.project, &built),
        commit,
        command: options.command(),
        verdict,
        findings: findings(&jobs),
        time: stamp(session.project.clock.now()),
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        dynosim: env!("CARGO_PKG_VERSION").to_owned(),
    });
    let recorded = tested.clone().map_or(Ok(()), |tested| record(&session.project, tested));
    Trial { jobs, took, tested, unrecorded: recorded.err() }
}

/// Removes what killed tests left, and builds every image of the app: all of them are what a version will be.
async fn build(session: &TrialSession, options: &TrialOptions) -> Result<BuiltSlug, PlatformError> {
    let project = &session.project;
    sweep_dead(&[project.engine.as_ref()], &project.state, &session.place, &project.report).await?;
    let wanted: BTreeSet<ProcessType> = project.app.builds.keys().cloned().collect();
    builds::build(project, &wanted, &options.up.build).await
}

/// Every process type and what it runs on; the release phase among them.
fn images(project: &Project, built: &BuiltSlug) -> BTreeMap<ProcessType, TestedImage> {
    let of = |key: &ProcessType| {
        let config = built.slug.get(key)?.clone();
        Some(TestedImage { config, manifest: None, inputs: built.inputs.get(key).cloned().unwrap_or_default() })
    };
    let builds = built.slug.keys().map(|key| (key, key));
    let types = project.app.processes.iter().map(|(name, spec)| (name, &spec.image));
    builds.chain(types).filter_map(|(name, key)| Some((name.clone(), of(key)?))).collect()
}

/// What came of all jobs together; none when one of them never got to an answer.
fn verdict(jobs: &[JobReport]) -> Option<Verdict> {
    let verdicts: Vec<Verdict> = jobs.iter().map(|job| job.outcome.verdict()).collect::<Option<_>>()?;
    let failed = verdicts.iter().find(|one| matches!(one, Verdict::Failed { .. }));
    failed.or_else(|| verdicts.iter().find(|one| !one.passed())).or(verdicts.first()).cloned()
}

fn findings(jobs: &[JobReport]) -> Vec<Finding> {
    let mut all: Vec<Finding> = Vec::new();
    for finding in jobs.iter().flat_map(|job| &job.parity.findings) {
        if !all.contains(finding) {
            all.push(finding.clone());
        }
    }
    all
}

fn record(project: &Project, tested: Tested) -> Result<(), LedgerError> {
    Ledger::open(&project.state)?.record(tested)
}

impl TrialOptions {
    /// The test as one line.
    pub fn command(&self) -> String {
        let mut parts: Vec<String> = self
            .steps
            .iter()
            .map(|step| match &step.inside {
                Some(process_type) => format!("{} (in {process_type})", step.words.join(" ")),
                None => step.words.join(" "),
            })
            .collect();
        if let Some(path) = &self.under_load {
            parts.push(format!("under load on {path}"));
        }
        if self.jobs > 1 {
            parts.push(format!("{} jobs", self.jobs));
        }
        parts.join("; ")
    }
}

impl JobReport {
    fn new(number: u32, outcome: Outcome) -> Self {
        Self {
            number,
            instance: String::new(),
            outcome,
            stages: Vec::new(),
            parity: Parity::default(),
            traffic: None,
            tails: Vec::new(),
            output: Vec::new(),
        }
    }
}
