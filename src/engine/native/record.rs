//! Which dynos run: a file beside each one's own, for other commands (`ps:exec`, `down`) and for what a killed dynosim left.
//! It holds nothing of the app's config.

use super::cgroup::Group;
use super::plan::Level;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const NAME: &str = "dyno.json";
/// Commands in a dyno have one each, where the kernel does not end them with it.
const GUEST: &str = "guest-";
/// What was killed ends at once.
const PATIENCE: Duration = Duration::from_secs(2);
const PACE: Duration = Duration::from_millis(5);

/// A dyno, as another process finds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// `web.1`.
    pub(super) dyno: String,
    /// The folder of this file.
    pub(super) home: PathBuf,
    /// Process 1 of the dyno, or the root of its tree, and the process that waits for it, each with the time of its start.
    pub(super) init: Process,
    pub(super) keeper: Process,
    pub(super) level: Level,
    pub(super) folder: PathBuf,
    pub(super) uid: u32,
    pub(super) processes: Option<u32>,
    pub(super) group: Option<Group>,
    pub(super) open_files: u32,
    /// The words that give the command its places and ports, as the launcher had them.
    pub(super) layered: Vec<PathBuf>,
    pub(super) port: Option<u16>,
    pub(super) strict_ports: bool,
}

/// A process that is not mistaken for a later one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pub(super) pid: u32,
    started: u64,
}

impl Process {
    /// The process of that number now.
    pub(super) fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, started: started(pid)? })
    }

    pub(super) fn runs(self) -> bool {
        started(self.pid) == Some(self.started)
    }

    /// Kills it, if it is still the same.
    pub(super) fn kill(self) {
        if self.runs()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw)
        {
            // It may have ended just now.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Ticks from the machine's start to the process's; `None` when it has ended.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

impl Record {
    /// Written whole or not at all.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut file, self)?;
        file.persist(folder.join(NAME))?;
        Ok(())
    }
}

/// A command in a dyno that the kernel does not end with it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct GuestRecord {
    /// The root of its tree, and the process that ends once nothing of that tree is left.
    pub(super) init: Process,
    pub(super) keeper: Process,
}

impl GuestRecord {
    /// Writes it down in the dyno's folder.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        fs::write(folder.join(format!("{GUEST}{}", self.init.pid)), serde_json::to_vec(self)?)
    }
}

/// Ends the commands in a dyno that has ended.
pub(super) async fn end_guests(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let guests: Vec<GuestRecord> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(GUEST))
        .filter_map(|entry| serde_json::from_slice(&fs::read(entry.path()).ok()?).ok())
        .collect();
    for guest in &guests {
        guest.init.kill();
    }
    let until = Instant::now() + PATIENCE;
    while guests.iter().any(|guest| guest.keeper.runs()) && Instant::now() < until {
        sleep(PACE).await;
    }
}

/// What a dyno's init calls itself.
pub(super) const INIT: &str = "dyno-init";
/// Trees of processes are not deeper.
const DEEPEST: usize = 1000;

/// Whether a process of this machine runs in a native dyno of anybody's: one of those that it descends from is a dyno's init.
pub(super) fn in_dyno(pid: u32) -> bool {
    let parent = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok().filter(|parent| *parent != 0)
    };
    std::iter::successors(Some(pid), parent).take(DEEPEST).any(|one| {
        let words = fs::read(format!("/proc/{one}/cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).next() == Some(INIT.as_bytes())
    })
}

/// The dynos of an app with their runs, newest last; those that have ended among them.
pub(super) fn all(files: &Path, identity: &str) -> Vec<(String, Record)> {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found = Vec::new();
    for run in entries(&files.join("dynos").join(identity)) {
        let name = run.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        for dyno in entries(&run) {
            let record = fs::read(dyno.join(NAME)).ok().and_then(|text| serde_json::from_slice::<Record>(&text).ok());
            found.extend(record.map(|record| (name.clone(), record)));
        }
    }
    found.sort_by_key(|(_, record)| record.init.started);
    found
}
