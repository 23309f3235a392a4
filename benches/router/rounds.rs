//! Measurements that are taken several times, while nothing else works.

use crate::Result;
use crate::proxy::{Proxy, cpu_with_children, ticks};
use std::cell::Cell;
use std::thread::sleep;
use std::time::Duration;
use tokio::time::Instant;

/// How much of one core other work may take during a measurement that counts.
const OTHERS: f64 = 0.1;
/// How often a measurement that was disturbed is tried. The last one counts, the report says how disturbed it was, and
/// nothing is repeated from then on: this machine is a busy one.
const TRIES: usize = 3;

/// The same measurement, several times.
#[derive(Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    pub(crate) fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    /// Median, lowest and highest.
    pub(crate) fn show(&self, decimals: usize) -> String {
        let (lowest, highest) = (self.0[0], self.0[self.0.len() - 1]);
        format!("{:.decimals$} ({lowest:.decimals$} to {highest:.decimals$})", self.median())
    }
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Repeats what other work on the machine disturbed, by the kernel's account of whose the processors were.
pub(crate) struct Quiet {
    upstream: u32,
    repeated: Cell<usize>,
    busy: Cell<bool>,
    worst: Cell<f64>,
}

impl Quiet {
    pub(crate) fn new(upstream: u32) -> Self {
        Self { upstream, repeated: Cell::new(0), busy: Cell::new(false), worst: Cell::new(0.0) }
    }

    /// Measures; also says how much processor time the proxy took for it.
    pub(crate) fn measure<T>(&self, proxy: &Proxy, mut measure: impl FnMut() -> Result<T>) -> Result<(T, Duration)> {
        let ours = || cpu_with_children(std::process::id()) + cpu_with_children(self.upstream);
        for attempt in 1.. {
            let (began, all, own, cost) = (Instant::now(), busy()?, ours(), proxy.cpu());
            let measured = measure()?;
            let cost = proxy.cpu().saturating_sub(cost);
            let own = ours().saturating_sub(own) + cost;
            let others =
                (busy()?.saturating_sub(all)).saturating_sub(own).as_secs_f64() / began.elapsed().as_secs_f64();
            let undisturbed = others < OTHERS;
            if undisturbed || attempt == TRIES || self.busy.get() {
                self.busy.set(self.busy.get() || !undisturbed);
                self.worst.set(self.worst.get().max(others));
                return Ok((measured, cost));
            }
            self.repeated.set(self.repeated.get() + 1);
            sleep(Duration::from_secs(2));
        }
        unreachable!("the loop ends only by returning")
    }

    /// How quiet it was since this was said last.
    pub(crate) fn say(&self) {
        println!(
            "  other work took at most {:.0} % of a core in a round that counts; {} rounds repeated",
            self.worst.take() * 100.0,
            self.repeated.take()
        );
    }
}

/// Time that all processors spent working so far.
fn busy() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    // cpu user nice system idle iowait irq softirq steal …
    let fields: Vec<&str> = stat.lines().next().unwrap_or_default().split_whitespace().collect();
    Ok(ticks([1, 2, 3, 6, 7].into_iter().filter_map(|index| fields.get(index).copied())))
}
