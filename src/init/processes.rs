//! The processes of the dyno, and whether the kernel killed one for its memory.

use std::fs;

/// One process.
pub struct Process {
    pub pid: u32,
    /// `R`, `S`, `Z`, …
    pub state: char,
    /// Resident bytes.
    pub resident: u64,
    pub name: String,
    pub command: String,
}

/// Which processes are the dyno's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All that we can see: the process space is the dyno's.
    Space,
    /// Those below us; orphans among them become our children.
    Tree,
}

/// Every process but ourselves, by pid.
pub fn pids(reach: Reach) -> Vec<u32> {
    let mut pids = match reach {
        Reach::Space => seen(),
        Reach::Tree => tree(std::process::id()),
    };
    pids.sort_unstable();
    pids
}

/// A tree that never stands still is taken as it was seen last.
const LOOKS: usize = 50;

/// Every process below this one, until two looks in turn see the same. What was the child of a process that ended while the
/// first one went down the tree is ours by now, and was passed over there.
fn tree(root: u32) -> Vec<u32> {
    let mut last = below(root);
    for _ in 0..LOOKS {
        let now = below(root);
        if now == last {
            break;
        }
        last = now;
    }
    last
}

/// One look. A process that forks meanwhile is found by the next.
fn below(root: u32) -> Vec<u32> {
    let mut found = children(root);
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        found.extend(children(pid));
        next += 1;
    }
    found
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_ascii_whitespace().filter_map(|one| one.parse().ok()).collect::<Vec<_>>()).collect()
}

/// Whether a process has ended and only waits to be reaped.
pub fn is_over(pid: u32) -> bool {
    let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.iter().rposition(|byte| *byte == b')').map_or(0, |at| at + 2);
    matches!(stat.get(after_name), None | Some(b'Z' | b'X'))
}

fn seen() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    entries.flatten().filter_map(number).filter(|pid| *pid != 1).collect()
}

/// The short name of a process.
pub fn name(pid: u32) -> String {
    fs::read(format!("/proc/{pid}/comm"))
        .map(|bytes| String::from_utf8_lossy(&bytes).trim_end().to_owned())
        .unwrap_or_default()
}

/// Every process but ourselves.
pub fn list(reach: Reach) -> Vec<Process> {
    pids(reach).into_iter().filter_map(process).collect()
}

fn process(pid: u32) -> Option<Process> {
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status).into_owned();
    let field = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    let kilobytes: u64 = field("VmRSS:").and_then(|v| v.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = command.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    Some(Process {
        pid,
        state: field("State:").and_then(|v| v.chars().next()).unwrap_or('?'),
        resident: kilobytes * 1024,
        name: name(pid),
        command: words.map(String::from_utf8_lossy).collect::<Vec<_>>().join(" "),
    })
}

/// The kernel's count of processes it killed at our memory limit.
pub struct OomCounter {
    file: Option<&'static str>,
    last: u64,
}

impl OomCounter {
    /// cgroup 1 and 2 keep the count in different files.
    const FILES: [&'static str; 2] = ["/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memory.events"];

    pub fn new() -> Self {
        let file = Self::FILES.into_iter().find(|file| read(file).is_some());
        Self { file, last: file.and_then(read).unwrap_or(0) }
    }

    /// For a dyno that has no counter of its own.
    pub fn none() -> Self {
        Self { file: None, last: 0 }
    }

    /// Whether it grew since it was asked last.
    pub fn grew(&mut self) -> bool {
        let now = self.file.and_then(read).unwrap_or(self.last);
        now > std::mem::replace(&mut self.last, now)
    }
}

fn read(file: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}
