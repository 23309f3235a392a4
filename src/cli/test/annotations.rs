//! Failures and findings as GitHub Actions reads them out of a log: `::error title=…::text`.

use super::results::sentence;
use crate::cli::printer::Printer;
use crate::platform::PlatformError;
use crate::platform::trial::{JobReport, Outcome, Trial, TrialOptions};

/// Prints them on stdout.
pub(super) fn print(printer: Printer, options: &TrialOptions, trial: &Trial) {
    for job in &trial.jobs {
        for line in of_job(options, job) {
            printer.out(&line);
        }
    }
}

fn of_job(options: &TrialOptions, job: &JobReport) -> Vec<String> {
    let mut lines: Vec<String> = failure(options, &job.outcome).into_iter().collect();
    for finding in &job.parity.findings {
        let gated = matches!(&job.outcome, Outcome::Gates(gates) if gates.contains(&finding.check));
        lines.push(line(if gated { "error" } else { "warning" }, "", "dynosim parity", &sentence(finding)));
    }
    lines
}

fn failure(options: &TrialOptions, outcome: &Outcome) -> Option<String> {
    let error = |text: &str| line("error", "", "dynosim test", text);
    Some(match outcome {
        Outcome::Passed | Outcome::Gates(_) => return None,
        Outcome::Failed { step, status } => error(&format!("`{step}` failed with status {status}")),
        Outcome::NotUp(why) => error(&why.to_string()),
        Outcome::Late(limit) => error(&format!("{} was not done in {} s", options.command(), limit.as_secs_f64())),
        Outcome::Stopped(PlatformError::Build { label, dockerfile, failure }) => {
            let place = match failure.line {
                Some(number) => format!("file={},line={number}", property(&dockerfile.to_string_lossy())),
                None => format!("file={}", property(&dockerfile.to_string_lossy())),
            };
            line("error", &place, &format!("dynosim build {label}"), &failure.message)
        }
        Outcome::Stopped(other) => error(&other.to_string()),
    })
}

pub(in crate::cli) fn line(level: &str, place: &str, title: &str, text: &str) -> String {
    let comma = if place.is_empty() { "" } else { "," };
    format!("::{level} {place}{comma}title={}::{}", property(title), data(text))
}

/// A text as the runner reads it back.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

pub(in crate::cli) fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn nothing_in_a_text_ends_an_annotation_or_begins_another() {
        assert_eq!(
            line("error", "file=a%2Cb,line=3", "build: web", "50%\n::error::no"),
            "::error file=a%2Cb,line=3,title=build%3A web::50%25%0A::error::no"
        );
        assert_eq!(line("warning", "", "t", "x"), "::warning title=t::x");
    }
}
