//! `log-runtime-metrics`: the sample lines of R7.

use crate::engine::Usage;
use crate::model::dyno::DynoName;
use std::time::Duration;

/// Load averages over 1, 5 and 15 minutes: `new = (1-e)*count + e*old`, `e = exp(-dt/period)` (R7).
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadAverage([f64; 3]);

impl LoadAverage {
    const PERIODS: [f64; 3] = [60.0, 300.0, 900.0];

    /// Takes the number of runnable tasks in, `passed` after the sample before.
    #[allow(clippy::cast_precision_loss, reason = "a count of tasks")]
    pub fn sample(&mut self, runnable: u64, passed: Duration) {
        for (value, period) in self.0.iter_mut().zip(Self::PERIODS) {
            let e = (-passed.as_secs_f64() / period).exp();
            *value = (1.0 - e) * runnable as f64 + e * *value;
        }
    }
}

/// The two lines of a sample. `id` stands for the dyno in `dyno=heroku.<n>.<uuid>`.
pub fn lines(dyno: &DynoName, id: &str, load: LoadAverage, usage: Usage, quota: u64) -> [String; 2] {
    let head = format!("source={dyno} dyno={id}");
    let [one, five, fifteen] = load.0;
    let total = usage.rss + usage.cache + usage.swap;
    [
        format!("{head} sample#load_avg_1m={one:.2} sample#load_avg_5m={five:.2} sample#load_avg_15m={fifteen:.2}"),
        format!(
            "{head} sample#memory_total={} sample#memory_rss={} sample#memory_cache={} sample#memory_swap={} \
             sample#memory_pgpgin={}pages sample#memory_pgpgout={}pages sample#memory_quota={}",
            mb(total),
            mb(usage.rss),
            mb(usage.cache),
            mb(usage.swap),
            usage.pages_in,
            usage.pages_out,
            mb(quota)
        ),
    ]
}

#[allow(clippy::cast_precision_loss, reason = "megabytes with two decimals")]
fn mb(bytes: u64) -> String {
    format!("{:.2}MB", bytes as f64 / (1024.0 * 1024.0))
}

#[cfg(test)]
mod tests {
    use super::{LoadAverage, lines};
    use crate::engine::Usage;
    use crate::model::dyno::DynoName;
    use crate::model::process_type::ProcessType;
    use std::time::Duration;

    #[test]
    fn r7_log_runtime_metrics_lines() {
        let mut load = LoadAverage::default();
        load.sample(3, Duration::from_secs(20));
        let usage = Usage { rss: 22_250_783, cache: 0, swap: 0, pages_in: 348_836, pages_out: 343_403, runnable: 3 };
        let web = DynoName::new(ProcessType::web(), 1);
        let [first, second] = lines(&web, "heroku.2808254.d97d0ea7", load, usage, 512 << 20);
        assert_eq!(
            first,
            "source=web.1 dyno=heroku.2808254.d97d0ea7 sample#load_avg_1m=0.85 sample#load_avg_5m=0.19 \
             sample#load_avg_15m=0.07"
        );
        assert_eq!(
            second,
            "source=web.1 dyno=heroku.2808254.d97d0ea7 sample#memory_total=21.22MB sample#memory_rss=21.22MB \
             sample#memory_cache=0.00MB sample#memory_swap=0.00MB sample#memory_pgpgin=348836pages \
             sample#memory_pgpgout=343403pages sample#memory_quota=512.00MB"
        );
    }
}
