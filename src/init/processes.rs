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

/// Every process but ourselves, by pid.
pub fn pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    let mut pids: Vec<u32> = entries.flatten().filter_map(number).filter(|pid| *pid != 1).collect();
    pids.sort_unstable();
    pids
}

/// The short name of a process.
pub fn name(pid: u32) -> String {
    fs::read(format!("/proc/{pid}/comm"))
        .map(|bytes| String::from_utf8_lossy(&bytes).trim_end().to_owned())
        .unwrap_or_default()
}

/// Every process but ourselves.
pub fn list() -> Vec<Process> {
    pids().into_iter().filter_map(process).collect()
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
