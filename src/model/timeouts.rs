//! Every timer by name, so that `--timeouts boot=5s,exit=2s` can set it.

use super::limits;
use std::time::Duration;

/// The timers of the platform and the router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Web must bind `$PORT` (R10).
    pub boot: Duration,
    /// SIGTERM to SIGKILL (R12).
    pub exit: Duration,
    /// Wait before the restart after the n-th crash in a row; the last entry repeats.
    pub backoff: Vec<Duration>,
    /// Up this long resets the crash count.
    pub started: Duration,
    /// Pace of memory samples, R14 and metrics lines.
    pub metrics: Duration,
    /// A dyno is restarted after this, and up to 216 minutes more.
    pub cycle: Duration,
    /// A release command is ended after this.
    pub release: Duration,
    /// Router: connect to a dyno (H19).
    pub connect: Duration,
    /// Router: wait for a dyno to be up (H20, H99).
    pub queue: Duration,
    /// Router: first response byte (H12).
    pub first_byte: Duration,
    /// Router: rolling idle window (H15, H28).
    pub idle: Duration,
    /// Router: request head.
    pub head: Duration,
    /// Router: idle client connection.
    pub keep_alive: Duration,
    /// Router: idle pooled dyno connection.
    pub pool_idle: Duration,
    /// Router: a failing dyno is left alone.
    pub quarantine: Duration,
}

/// A word of `--timeouts` that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTimeouts {
    /// No timer has that name.
    #[error("no timer is named `{0}`; the names are {names}", names = Timeouts::NAMES.join(", "))]
    Name(String),
    /// The value is not a duration.
    #[error("`{0}` is not a duration: write 500ms, 5s, 2m or 1h")]
    Duration(String),
    /// Neither a preset nor `name=value`.
    #[error("`{0}` is neither `real`, `fast` nor `name=duration`")]
    Word(String),
}

impl Timeouts {
    /// The names that `--timeouts` knows, in the order of the help text.
    pub const NAMES: [&'static str; 15] = [
        "boot",
        "exit",
        "backoff",
        "started",
        "metrics",
        "cycle",
        "release",
        "connect",
        "queue",
        "first-byte",
        "idle",
        "head",
        "keep-alive",
        "pool-idle",
        "quarantine",
    ];

    /// Heroku's own numbers, all of them.
    pub fn heroku() -> Self {
        Self {
            boot: limits::BOOT_TIMEOUT,
            exit: limits::EXIT_TIMEOUT,
            backoff: limits::CRASH_BACKOFF.to_vec(),
            started: limits::STARTED_CORRECTLY,
            metrics: limits::METRICS_INTERVAL,
            cycle: limits::CYCLE,
            release: limits::RELEASE_TIMEOUT,
            connect: limits::CONNECT_TIMEOUT,
            queue: limits::QUEUE_TIMEOUT,
            first_byte: limits::FIRST_BYTE_TIMEOUT,
            idle: limits::IDLE_TIMEOUT,
            head: limits::HEAD_TIMEOUT,
            keep_alive: limits::KEEP_ALIVE_TIMEOUT,
            pool_idle: limits::POOL_IDLE_TIMEOUT,
            quarantine: limits::QUARANTINE,
        }
    }

    /// The default of `up`: Heroku's numbers, but for the crash back-off, which is short in development.
    pub fn development() -> Self {
        Self { backoff: limits::DEV_CRASH_BACKOFF.to_vec(), ..Self::heroku() }
    }

    /// A tenth of Heroku's waits and less, for tests: the same order of events in seconds.
    pub fn fast() -> Self {
        let s = Duration::from_secs;
        Self {
            boot: s(6),
            exit: s(3),
            backoff: vec![Duration::ZERO, Duration::from_millis(500), s(1)],
            started: s(60),
            metrics: s(2),
            cycle: limits::CYCLE,
            release: s(60),
            connect: Duration::from_millis(500),
            queue: s(8),
            first_byte: s(3),
            idle: s(5),
            head: s(6),
            keep_alive: s(6),
            pool_idle: s(9),
            quarantine: Duration::from_millis(500),
        }
    }

    /// Reads the option's text: presets and `name=duration` words, from left to right, over the development default.
    /// The preset `real` is that default; `heroku` has Heroku's crash back-off too.
    pub fn parse(text: &str) -> Result<Self, BadTimeouts> {
        let mut all = Self::development();
        for word in text.split(',').map(str::trim).filter(|w| !w.is_empty()) {
            match (word, word.split_once('=')) {
                ("real", _) => all = Self::development(),
                ("heroku", _) => all = Self::heroku(),
                ("fast", _) => all = Self::fast(),
                (_, Some((name, value))) => all.set(name.trim(), value.trim())?,
                (other, None) => return Err(BadTimeouts::Word(other.to_owned())),
            }
        }
        Ok(all)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), BadTimeouts> {
        if name == "backoff" {
            self.backoff = match value {
                "real" | "heroku" => limits::CRASH_BACKOFF.to_vec(),
                other => vec![Duration::ZERO, parse_duration(other)?],
            };
            return Ok(());
        }
        let slot = match name {
            "boot" => &mut self.boot,
            "exit" => &mut self.exit,
            "started" => &mut self.started,
            "metrics" => &mut self.metrics,
            "cycle" => &mut self.cycle,
            "release" => &mut self.release,
            "connect" => &mut self.connect,
            "queue" => &mut self.queue,
            "first-byte" => &mut self.first_byte,
            "idle" => &mut self.idle,
            "head" => &mut self.head,
            "keep-alive" => &mut self.keep_alive,
            "pool-idle" => &mut self.pool_idle,
            "quarantine" => &mut self.quarantine,
            other => return Err(BadTimeouts::Name(other.to_owned())),
        };
        *slot = parse_duration(value)?;
        Ok(())
    }

    /// Wait before the restart after the `crashes`-th crash in a row (from 1).
    pub fn backoff_after(&self, crashes: usize) -> Duration {
        let last = self.backoff.len().saturating_sub(1);
        self.backoff.get(crashes.saturating_sub(1).min(last)).copied().unwrap_or_default()
    }
}

/// Reads `500ms`, `5s`, `1.5s`, `2m`, `1h`; a bare number is seconds. At most ten years.
pub fn parse_duration(text: &str) -> Result<Duration, BadTimeouts> {
    let bad = || BadTimeouts::Duration(text.to_owned());
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| bad())?;
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(bad()),
    };
    let seconds = number * factor;
    if seconds.is_finite() && seconds <= 315_360_000.0 { Ok(Duration::from_secs_f64(seconds)) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::{BadTimeouts, Timeouts, parse_duration};
    use std::time::Duration;

    #[test]
    fn real_keeps_heroku_s_numbers_and_a_short_backoff() {
        let real = Timeouts::parse("real").unwrap();
        assert_eq!((real.boot, real.exit), (Duration::from_secs(60), Duration::from_secs(30)));
        assert_eq!(real.backoff_after(1), Duration::ZERO);
        assert_eq!(real.backoff_after(2), Duration::from_secs(1));
        assert_eq!(real.backoff_after(99), Duration::from_secs(15));
    }

    #[test]
    fn r5_5_backoff_ladder_of_the_common_runtime() {
        let minutes: Vec<u64> = (1..=8).map(|n| Timeouts::heroku().backoff_after(n).as_secs() / 60).collect();
        assert_eq!(minutes, [0, 20, 40, 60, 180, 320, 320, 320]);
    }

    #[test]
    fn words_override_presets_in_order() {
        let t = Timeouts::parse("fast, boot=5s,exit=2s,backoff=1s").unwrap();
        assert_eq!((t.boot, t.exit), (Duration::from_secs(5), Duration::from_secs(2)));
        assert_eq!(t.backoff_after(1), Duration::ZERO);
        assert_eq!(t.backoff_after(5), Duration::from_secs(1));
    }

    #[test]
    fn every_name_in_the_help_can_be_set() {
        for name in Timeouts::NAMES {
            assert!(Timeouts::parse(&format!("{name}=3s")).is_ok(), "{name}");
        }
    }

    #[test]
    fn wrong_words_say_what_was_expected() {
        assert_eq!(Timeouts::parse("boost=5s"), Err(BadTimeouts::Name("boost".into())));
        assert_eq!(Timeouts::parse("boot=soon"), Err(BadTimeouts::Duration("soon".into())));
        assert_eq!(Timeouts::parse("quick"), Err(BadTimeouts::Word("quick".into())));
        assert!(parse_duration("1e400").is_err());
        assert_eq!(parse_duration("1.5s").unwrap(), Duration::from_millis(1500));
    }
}
