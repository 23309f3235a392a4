//! How memory counts against a dyno's quota, and how it is printed.

use crate::engine::Usage;

/// Bytes that count against the quota: resident and swapped, and page cache only as far as the quota leaves room for
/// it. Heroku's limit sits at the quota, so the kernel gives cache back before it swaps; here the kernel's limit sits
/// at the R15 mark, and cache that nobody needs would else be reported as R14.
pub fn quota_use(usage: Usage, quota: u64) -> u64 {
    let held = usage.rss + usage.swap;
    held + usage.cache.min(quota.saturating_sub(held))
}

/// `Process running mem=526M(102.9%)`: megabytes truncated, percentage of the untruncated value (R6.1).
#[allow(clippy::cast_precision_loss, reason = "a percentage with one decimal")]
pub fn running(bytes: u64, quota: u64) -> String {
    let percent = bytes as f64 * 100.0 / quota as f64;
    format!("Process running mem={}M({percent:.1}%)", bytes / (1024 * 1024))
}
