//! How a test went, as JUnit writes it: a suite for each job, a case for each thing that was to be done.

use super::results::sentence;
use crate::platform::PlatformError;
use crate::platform::state::write_atomically;
use crate::platform::trial::{Gate, JobReport, Outcome, Stage, Trial, TrialOptions};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::io;
use std::path::Path;

/// Writes the file whole, or not at all.
pub(super) fn write(file: &Path, app: &str, options: &TrialOptions, trial: &Trial) -> io::Result<()> {
    write_atomically(file, text(app, options, trial)?.as_bytes())
}

fn text(app: &str, options: &TrialOptions, trial: &Trial) -> io::Result<String> {
    let mut report = Report::new("dynosim test");
    report.set_time(trial.took);
    for job in &trial.jobs {
        let name = if options.jobs > 1 { format!("{app} job {}", job.number) } else { app.to_owned() };
        report.add_test_suite(suite(&name, options, job));
    }
    report.to_string().map_err(io::Error::other)
}

fn suite(name: &str, options: &TrialOptions, job: &JobReport) -> TestSuite {
    let mut suite = TestSuite::new(name);
    suite.set_time(job.stages.iter().map(|stage| stage.took).sum());
    for stage in &job.stages {
        suite.add_test_case(of_stage(name, stage, job));
    }
    if let Some((title, message)) = never_reached(job) {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(message).set_description(said(job));
        suite.add_test_case(case(name, title, status));
    }
    for gate in &options.gates {
        suite.add_test_case(of_gate(name, gate, job));
    }
    // The gate that `--under-load` brings.
    if let Outcome::Gates(failed) = &job.outcome
        && failed.iter().any(|gate| !options.gates.iter().any(|known| known.name == *gate))
    {
        suite.add_test_case(of_gate(name, &Gate::named("dropped"), job));
    }
    let findings: Vec<String> = job.parity.findings.iter().map(sentence).collect();
    if !findings.is_empty() {
        suite.set_system_err(findings.join("\n"));
    }
    if !job.output.is_empty() {
        suite.set_system_out_lossy(&job.output);
    }
    suite
}

fn case(suite: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(suite);
    case
}

fn of_stage(suite: &str, stage: &Stage, job: &JobReport) -> TestCase {
    let mut status = TestCaseStatus::success();
    match &job.outcome {
        Outcome::Failed { step, status: code } if *step == stage.name => {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type("exit status").set_message(format!("`{step}` failed with status {code}"));
            status.set_description(said(job));
        }
        Outcome::NotUp(why) if job.stages.last() == Some(stage) => {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type("not up").set_message(why.to_string()).set_description(said(job));
        }
        _ => {}
    }
    let mut case = case(suite, &stage.name, status);
    case.set_time(stage.took);
    case
}

/// What kept a job from being done.
fn never_reached(job: &JobReport) -> Option<(&'static str, String)> {
    match &job.outcome {
        Outcome::Passed | Outcome::Failed { .. } | Outcome::Gates(_) | Outcome::NotUp(_) => None,
        Outcome::Late(limit) => Some(("time limit", format!("not done in {} s", limit.as_secs_f64()))),
        Outcome::Stopped(error) => {
            let title = match error {
                PlatformError::Build { .. } => "build",
                PlatformError::ReleaseFailed { .. } | PlatformError::Refused { .. } => "release",
                PlatformError::Interrupted => "interrupted",
                _ => "dynosim",
            };
            let message = match error {
                PlatformError::Build { failure, .. } => format!("{error}: {}", failure.message),
                _ => error.to_string(),
            };
            Some((title, message))
        }
    }
}

/// The last lines of what failed; of a build its own.
fn said(job: &JobReport) -> String {
    if let Outcome::Stopped(PlatformError::Build { failure, .. }) = &job.outcome {
        return failure.output.join("\n");
    }
    job.tails.iter().flat_map(|tail| tail.lines.iter().cloned()).collect::<Vec<_>>().join("\n")
}

fn of_gate(suite: &str, gate: &Gate, job: &JobReport) -> TestCase {
    let found: Vec<String> =
        job.parity.findings.iter().filter(|finding| finding.check == gate.name).map(sentence).collect();
    let status = match found.first() {
        None => TestCaseStatus::success(),
        Some(first) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type("parity").set_message(first.clone()).set_description(found.join("\n"));
            status
        }
    };
    case(suite, &format!("fail-on {}", gate.name), status)
}
