//! How a test went, for programs.

use crate::platform::trial::{JobReport, Outcome, Trial, TrialOptions};
use serde_json::{Value, json};

/// One object for each job, and one for all of it.
pub(super) fn of(options: &TrialOptions, trial: &Trial) -> Vec<Value> {
    let mut all: Vec<Value> = trial.jobs.iter().map(|job| of_job(options, job)).collect();
    all.push(json!({
        "event": "tested",
        "command": options.command(),
        "seconds": trial.took.as_secs_f64(),
        "exit_code": trial.exit_code() as u8,
        "recorded": trial.tested.is_some() && trial.unrecorded.is_none(),
        "entry": trial.tested,
    }));
    all
}

/// The word for an outcome.
pub(super) fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed { .. } => "failed",
        Outcome::Gates(_) => "gates",
        Outcome::NotUp(_) => "not-up",
        Outcome::Late(_) => "time-limit",
        Outcome::Stopped(_) => "stopped",
    }
}

fn of_job(options: &TrialOptions, job: &JobReport) -> Value {
    let (mut step, mut status, mut gates, mut why) = (None, None, None, None);
    match &job.outcome {
        Outcome::Passed => {}
        Outcome::Failed { step: which, status: with } => (step, status) = (Some(which), Some(*with)),
        Outcome::Gates(failed) => gates = Some(failed),
        Outcome::NotUp(reason) => why = Some(reason.to_string()),
        Outcome::Late(limit) => why = Some(format!("not done in {} s", limit.as_secs_f64())),
        Outcome::Stopped(error) => why = Some(error.to_string()),
    }
    let limits = &options.up.rules.timeouts;
    let dynos = job.parity.dynos.iter().map(|(dyno, measured)| {
        let (peak, quota) = measured.memory.unzip();
        json!({
            "dyno": dyno,
            "boot_seconds": measured.boot.map(|took| took.as_secs_f64()),
            "boot_limit_seconds": limits.boot.as_secs_f64(),
            "memory_peak_bytes": peak,
            "memory_quota_bytes": quota,
            "shutdown_seconds": measured.shutdown.map(|took| took.as_secs_f64()),
            "shutdown_limit_seconds": limits.exit.as_secs_f64(),
        })
    });
    let stages = job.stages.iter().map(|stage| json!({"name": stage.name, "seconds": stage.took.as_secs_f64()}));
    json!({
        "event": "test",
        "job": job.number,
        "name": job.instance,
        "result": word(&job.outcome),
        "exit_code": job.outcome.exit_code() as u8,
        "step": step,
        "status": status,
        "gates": gates,
        "why": why,
        "stages": stages.collect::<Vec<_>>(),
        "parity": {
            "dynos": dynos.collect::<Vec<_>>(),
            "requests": job.parity.requests,
            "dropped": job.parity.dropped,
            "findings": job.parity.findings,
        },
        "under_load": job.traffic.as_ref().map(|traffic| json!({
            "answered": traffic.answered,
            "errors": traffic.errors,
            "unanswered": traffic.unanswered,
        })),
        "tails": job.tails.iter().map(|tail| json!({"dyno": tail.dyno, "lines": tail.lines})).collect::<Vec<_>>(),
    })
}
