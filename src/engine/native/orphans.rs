//! Processes of a dyno whose init and keeper were killed at once, by somebody else: they hold the dyno's streams.

use super::record::Process;
use rustix::fs::fstat;
use std::fs;
use std::os::fd::AsFd;

/// What a dyno's stream is called among the open files of a process that holds it.
pub(super) fn name_of(stream: impl AsFd) -> Option<String> {
    fstat(stream).ok().map(|facts| format!("pipe:[{}]", facts.st_ino))
}

/// Kills every process but ours that holds one of these.
pub(super) fn end(streams: &[String]) {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).filter(|pid| *pid != own);
    for pid in pids.filter(|pid| holds(*pid, streams)) {
        if let Some(process) = Process::of(pid) {
            process.kill();
        }
    }
}

fn holds(pid: u32, streams: &[String]) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| target.to_str().is_some_and(|target| streams.iter().any(|stream| stream == target)))
}
