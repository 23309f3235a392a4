//! What `test --fail-on` can be told not to let pass.

use crate::diagnostic::Severity;
use crate::model::codes::{H, R};
use std::str::FromStr;
use std::time::Duration;

/// One thing that fails a test although its command passed.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// `r14`, `h12`, `dropped`, `writes`, `crashed`, `boot`, `memory`, `shutdown`, `lint`.
    pub name: String,
    /// What is still allowed, where that is not Heroku's own limit.
    pub allowed: Option<Allowed>,
}

/// A limit of one's own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Allowed {
    /// From the start to the bound port, or from SIGTERM to the end.
    Time(Duration),
    /// Of the dyno's memory quota.
    Percent(f64),
    /// From which severity of `check` on.
    Severity(Severity),
}

/// What takes no value, besides the codes.
const PLAIN: [&str; 3] = ["dropped", "writes", "crashed"];

impl Gate {
    /// The gate of that name, with Heroku's own limit.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), allowed: None }
    }
}

impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let name = name.to_ascii_lowercase();
        let allowed = match (name.as_str(), value) {
            ("boot" | "shutdown", Some(value)) => Some(Allowed::Time(time(value)?)),
            ("memory", Some(value)) => Some(Allowed::Percent(percent(value)?)),
            ("boot" | "shutdown" | "memory", None) => None,
            ("lint", None | Some("error" | "warning")) => {
                (value == Some("warning")).then_some(Allowed::Severity(Severity::Warning))
            }
            ("lint", Some(other)) => {
                return Err(format!("`{other}` is not a severity of lint: write lint=error or lint=warning"));
            }
            (plain, None) if PLAIN.contains(&plain) || is_code(plain) => None,
            (plain, Some(_)) if PLAIN.contains(&plain) || is_code(plain) => {
                return Err(format!("`{plain}` takes no value: write it alone"));
            }
            _ => return Err(format!("`{text}` is not a check: checks are {}", known())),
        };
        Ok(Self { name, allowed })
    }
}

fn known() -> String {
    format!(
        "{}, lint[=warning], boot[=10s], shutdown[=5s], memory[=80%], r10, r12, r14, r15, and the H codes as h12",
        PLAIN.join(", ")
    )
}

fn is_code(name: &str) -> bool {
    let codes = R::ALL.iter().map(|r| r.code()).chain(H::ALL.iter().map(|h| h.code()));
    codes.into_iter().any(|code| code.eq_ignore_ascii_case(name))
}

fn time(text: &str) -> Result<Duration, String> {
    let (number, scale) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let seconds = number.parse::<f64>().ok().map(|number| number * scale);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("`{text}` is not a time: write 500ms or 10s"))
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>().ok();
    number
        .filter(|number| *number > 0.0 && number.is_finite())
        .ok_or_else(|| format!("`{text}` is not a part of the quota: write 80%"))
}

#[cfg(test)]
mod tests {
    use super::{Allowed, Gate};
    use std::time::Duration;

    #[test]
    fn gates_are_codes_words_and_limits() {
        for name in ["lint", "r14", "h12", "h99", "dropped", "writes", "crashed", "boot", "shutdown", "memory"] {
            assert_eq!(name.parse(), Ok(Gate::named(name)));
        }
        assert_eq!("R14".parse(), Ok(Gate::named("r14")));
        let allowed = |text: &str| text.parse::<Gate>().unwrap().allowed;
        assert_eq!(allowed("boot=10s"), Some(Allowed::Time(Duration::from_secs(10))));
        assert_eq!(allowed("shutdown=500ms"), Some(Allowed::Time(Duration::from_millis(500))));
        assert_eq!(allowed("memory=80%"), Some(Allowed::Percent(80.0)));
    }

    #[test]
    fn what_is_no_gate_is_told_what_is() {
        for (text, part) in [
            ("lint=note", "lint=error or lint=warning"),
            ("r99", "checks are dropped, writes"),
            ("h12=3", "takes no value"),
            ("boot=soon", "500ms or 10s"),
            ("memory=-1", "80%"),
            ("", "is not a check"),
        ] {
            let error = text.parse::<Gate>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
