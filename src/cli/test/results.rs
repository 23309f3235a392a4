//! How a test went, on the terminal.

use super::json;
use crate::cli::fail;
use crate::cli::news::seconds;
use crate::cli::printer::Printer;
use crate::dyno::explain::bytes;
use crate::platform::PlatformError;
use crate::platform::project::Project;
use crate::platform::tested::Finding;
use crate::platform::trial::{JobReport, Measured, Outcome, Traffic, Trial, TrialOptions, percent_of};

/// Prints it: what passed and failed, what the platform saw, what the ledger says now.
pub(super) fn print(printer: Printer, project: &Project, options: &TrialOptions, trial: &Trial) {
    if printer.json {
        for value in json::of(options, trial) {
            printer.out(&value.to_string());
        }
    }
    for job in &trial.jobs {
        Page { printer, options, job, jobs: trial.jobs.len() }.print();
    }
    if let Some(error) = &trial.unrecorded {
        printer.error(&error.to_string(), Some(&error.help()));
    } else if !printer.json
        && let Some(tested) = trial.tested.as_ref().filter(|tested| tested.verdict.passed())
    {
        let images = project.app.builds.keys().filter_map(|name| Some((name, tested.images.get(name)?)));
        let images: Vec<String> = images.map(|(name, image)| format!("{name} {}", image.config.short())).collect();
        let may = if project.engine.facts().native {
            "passed, without an image that could be pushed"
        } else {
            "passed and may be pushed"
        };
        printer.err(&format!("{} {:<8} {} {may}", printer.paint(2, "✔"), "tested", images.join(", ")));
    }
}

struct Page<'a> {
    printer: Printer,
    options: &'a TrialOptions,
    job: &'a JobReport,
    jobs: usize,
}

impl Page<'_> {
    fn print(&self) {
        let Self { printer, job, .. } = self;
        if !printer.json {
            self.stages();
            self.parity();
        }
        for tail in &job.tails {
            let whose = if tail.dyno.is_empty() { "the app" } else { &tail.dyno };
            self.line(&format!("last lines of {whose}:"));
            for line in &tail.lines {
                self.line(&format!("  {} {line}", printer.paint(6, "|")));
            }
        }
        match &job.outcome {
            Outcome::Passed => {}
            Outcome::Failed { step, status } => self.error(&format!("`{step}` failed with status {status}")),
            Outcome::Gates(gates) => {
                self.error(&format!("the test passed and --fail-on did not: {}", gates.join(", ")));
            }
            Outcome::NotUp(why) => self.error(&why.to_string()),
            Outcome::Late(limit) => self.error(&format!("not done in {} s", limit.as_secs_f64())),
            // Its log, which the usual help names, was shown above and is gone with the app.
            Outcome::Stopped(error @ PlatformError::ReleaseFailed { .. }) => self.error(&error.to_string()),
            Outcome::Stopped(error) => {
                fail::report(Printer { json: false, ..*printer }, error);
            }
        }
    }

    fn stages(&self) {
        let failed = match &self.job.outcome {
            Outcome::Failed { step, .. } => Some(step.as_str()),
            Outcome::NotUp(_) | Outcome::Late(_) | Outcome::Stopped(_) => {
                self.job.stages.last().map(|s| s.name.as_str())
            }
            Outcome::Passed | Outcome::Gates(_) => None,
        };
        for stage in self.job.stages.iter().filter(|stage| stage.name != "up") {
            let (colour, sign) = if failed == Some(&stage.name) { (1, "✘") } else { (2, "✔") };
            let sign = self.printer.paint(colour, sign);
            self.line(&format!("{sign} {:<8} {}  in {}", "test", stage.name, seconds(stage.took)));
        }
    }

    fn parity(&self) {
        let parity = &self.job.parity;
        let limits = &self.options.up.rules.timeouts;
        for (dyno, measured) in parity.dynos.iter().filter(|(dyno, _)| !dyno.starts_with("release.")) {
            let text = measures(measured, limits.boot.as_secs_f64(), limits.exit.as_secs_f64());
            if !text.is_empty() {
                self.line(&self.printer.dim(&format!("  {:<8} {dyno}: {text}", "parity")));
            }
        }
        if let Some(traffic) = &self.job.traffic {
            self.line(&self.printer.dim(&format!("  {:<8} {}", "load", describe(traffic))));
        }
        for finding in &parity.findings {
            let gated = matches!(&self.job.outcome, Outcome::Gates(gates) if gates.contains(&finding.check));
            let head = if gated { self.printer.paint(1, "failed:") } else { self.printer.paint(3, "warning:") };
            self.line(&format!("{head} {}", sentence(finding)));
        }
    }

    fn error(&self, text: &str) {
        let number = self.number();
        self.printer.error(&format!("{number}{text}"), None);
    }

    fn line(&self, text: &str) {
        self.printer.err(&format!("{}{text}", self.number()));
    }

    fn number(&self) -> String {
        if self.jobs > 1 { format!("[{}] ", self.job.number) } else { String::new() }
    }
}

/// `$PORT bound after 0.6 s of 60 s, peak memory 23.1 MB of 512 MB, ended 0.1 s of 30 s after SIGTERM`.
fn measures(measured: &Measured, boot: f64, exit: f64) -> String {
    let mut parts = Vec::new();
    if let Some(took) = measured.boot {
        parts.push(format!("$PORT bound after {:.1} s of {boot} s", took.as_secs_f64()));
    }
    if let Some((used, quota)) = measured.memory {
        parts.push(format!("peak memory {} of {} MB ({:.0}%)", bytes(used), quota >> 20, percent_of(used, quota)));
    }
    if let Some(took) = measured.shutdown {
        parts.push(format!("ended {:.1} s of {exit} s after SIGTERM", took.as_secs_f64()));
    }
    parts.join(", ")
}

fn describe(traffic: &Traffic) -> String {
    format!(
        "{} requests answered, {} answered with an error, {} not answered",
        traffic.answered, traffic.errors, traffic.unanswered
    )
}

/// A finding with its check and its dyno.
pub(super) fn sentence(finding: &Finding) -> String {
    match &finding.dyno {
        Some(dyno) if !finding.text.starts_with(dyno.as_str()) => format!("{}: {dyno} {}", finding.check, finding.text),
        _ => format!("{}: {}", finding.check, finding.text),
    }
}
