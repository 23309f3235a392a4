//! The memory of the dyno's processes together, where no container counts it.

use crate::processes::{Reach, pids};
use std::fs;

/// What the dyno uses, in bytes.
#[derive(Default)]
pub struct Used {
    pub resident: u64,
    pub cache: u64,
    pub swapped: u64,
    pub runnable: u64,
}

/// Whether resident and swapped bytes reach the limit. Pages that processes share after a fork count once; only a sum
/// that might be over is worth that look.
pub fn is_over(reach: Reach, limit: u64) -> bool {
    let quick: u64 = pids(reach).into_iter().filter_map(quick).map(|(own, _)| own).sum();
    if quick < limit {
        return false;
    }
    let used = used(reach);
    used.resident + used.swapped >= limit
}

/// All of it, shared pages divided among those who share them.
pub fn used(reach: Reach) -> Used {
    let mut all = Used::default();
    for pid in pids(reach) {
        let Some((own, runs)) = quick(pid) else { continue };
        all.runnable += u64::from(runs);
        match fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
            Ok(text) => {
                let field = |name: &str| kilobytes(&text, name).unwrap_or(0);
                let whole = field("Pss:");
                let anonymous = kilobytes(&text, "Pss_Anon:").unwrap_or(whole);
                all.resident += anonymous;
                all.cache += whole.saturating_sub(anonymous);
                all.swapped += field("SwapPss:");
            }
            // Not to be had from some kernels, nor of a process that is just ending.
            Err(_) => all.resident += own,
        }
    }
    all
}

/// Anonymous and swapped bytes of a process, shared or not, and whether it runs just now.
fn quick(pid: u32) -> Option<(u64, bool)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let runs = status.lines().any(|line| line.starts_with("State:\tR"));
    let own = kilobytes(&status, "RssAnon:").unwrap_or(0) + kilobytes(&status, "VmSwap:").unwrap_or(0);
    Some((own, runs))
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(rest.split_ascii_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
