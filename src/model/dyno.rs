//! Dynos: names, states as `heroku ps` prints them, sizes, exits.

use super::process_type::ProcessType;
use std::fmt;

/// `web.1`, `run.9157`, `release.3212` (R5.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DynoName {
    /// The process type before the dot.
    pub process_type: ProcessType,
    /// From 1 for formation dynos; four digits for one-off and release dynos.
    pub number: u32,
}

impl DynoName {
    /// Joins the two parts.
    pub fn new(process_type: ProcessType, number: u32) -> Self {
        Self { process_type, number }
    }
}

impl fmt::Display for DynoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.process_type, self.number)
    }
}

/// What kind of dyno it is; decides supervision (R5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DynoKind {
    /// Part of the formation: restarted when it exits, for whatever reason.
    Formation,
    /// `run.NNNN`: never restarted, ends in `complete`.
    OneOff,
    /// `release.NNNN`: never restarted, ends in `complete`.
    Release,
}

/// The states that log lines and `heroku ps` name (R5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DynoState {
    /// Launched, not yet up.
    Starting,
    /// Running; for web, bound to `$PORT`.
    Up,
    /// Ended by itself or by the platform's limit; waits for a restart.
    Crashed,
    /// Not running and not wanted.
    Down,
    /// A one-off or release dyno that has ended.
    Complete,
}

impl fmt::Display for DynoState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Crashed => "crashed",
            Self::Down => "down",
            Self::Complete => "complete",
        })
    }
}

/// How a dyno's main process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Exit {
    /// The status Heroku would show: the process's own code, or 128 + signal (143 for SIGTERM, 137 for SIGKILL; R5.3).
    pub status: i32,
    /// The kernel killed something in the dyno at the hard memory limit (that is R15; R5.7).
    pub out_of_memory: bool,
}

const MIB: u64 = 1024 * 1024;

/// A dyno size (R5.7): quotas are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DynoSize {
    /// As Heroku's API prints it: `Basic`, `Standard-1X`.
    pub name: &'static str,
    /// Memory quota in bytes: R14 above it.
    pub quota: u64,
    /// Bytes of rss and swap at which the dyno is killed with R15.
    pub kill_at: u64,
    /// Processes and threads together.
    pub processes: u32,
    /// Open files per process.
    pub open_files: u32,
}

/// Every size of R5.7 that a container app can have on Cedar.
pub const SIZES: &[DynoSize] = &[
    size("Eco", 512, 1024, 256, 10_000),
    size("Basic", 512, 1024, 256, 10_000),
    size("Standard-1X", 512, 1024, 256, 10_000),
    size("Standard-2X", 1024, 2048, 512, 10_000),
    size("Performance-M", 2560, 5120, 16_384, 1_048_576),
    size("Performance-L", 14 * 1024, 28 * 1024, 32_768, 1_048_576),
    size("Performance-L-RAM", 30 * 1024, 36 * 1024, 24_576, 1_048_576),
    size("Performance-XL", 62 * 1024, 74 * 1024, 32_768, 1_048_576),
    size("Performance-2XL", 126 * 1024, 151 * 1024, 65_536, 1_048_576),
    size("Private-S", 1024, 1024, 512, 10_000),
    size("Private-M", 2560, 2560, 16_384, 1_048_576),
    size("Private-L", 14 * 1024, 14 * 1024, 32_768, 1_048_576),
    size("Shield-S", 1024, 1024, 512, 10_000),
    size("Shield-M", 2560, 2560, 16_384, 1_048_576),
    size("Shield-L", 14 * 1024, 14 * 1024, 32_768, 1_048_576),
];

const fn size(name: &'static str, quota: u64, kill_at: u64, processes: u32, open_files: u32) -> DynoSize {
    DynoSize { name, quota: quota * MIB, kill_at: kill_at * MIB, processes, open_files }
}

impl DynoSize {
    /// The default: Basic (512 MB, 256 processes and threads).
    pub const BASIC: DynoSize = SIZES[1];

    /// Finds a size by name, in any case: `basic`, `standard-2x`, `1X`, `2X`, `PM`.
    pub fn named(name: &str) -> Option<DynoSize> {
        let wanted = match name.to_ascii_lowercase().as_str() {
            "1x" | "standard1x" => "standard-1x".to_owned(),
            "2x" | "standard2x" => "standard-2x".to_owned(),
            "free" | "hobby" => "basic".to_owned(),
            "pm" => "performance-m".to_owned(),
            "pl" | "p" | "performance" => "performance-l".to_owned(),
            other => other.to_owned(),
        };
        SIZES.iter().copied().find(|s| s.name.eq_ignore_ascii_case(&wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::{DynoSize, SIZES};

    #[test]
    fn r5_7_sizes_have_heroku_s_quotas_and_kill_limits() {
        assert_eq!(DynoSize::BASIC.name, "Basic");
        assert_eq!((DynoSize::BASIC.quota, DynoSize::BASIC.kill_at), (536_870_912, 1_073_741_824));
        assert_eq!((DynoSize::BASIC.processes, DynoSize::BASIC.open_files), (256, 10_000));
        assert_eq!(DynoSize::named("standard-2x").unwrap().processes, 512);
        assert_eq!(DynoSize::named("1X").unwrap().name, "Standard-1X");
        assert!(DynoSize::named("huge").is_none());
        assert!(SIZES.iter().all(|s| s.kill_at >= s.quota));
    }
}
