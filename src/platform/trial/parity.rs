//! What the platform saw of an app during a test, out of its log: the codes, and how near it came to Heroku's limits.

use super::gate::{Allowed, Gate};
use crate::dyno::{explain, hints, machine::quota_use};
use crate::engine::Usage;
use crate::logs::ParsedLine;
use crate::model::codes::H;
use crate::model::log::Source;
use crate::model::timeouts::Timeouts;
use crate::platform::tested::Finding;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Errors of the router that are the client's doing or wish, and no dropped request.
const NOT_DROPPED: [H; 6] = [H::H25, H::H26, H::H27, H::H28, H::H80, H::H81];
/// How many lines of a dyno that failed are shown.
const TAIL: usize = 20;
const MEGABYTE: f64 = 1024.0 * 1024.0;

/// How an app did under Heroku's rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parity {
    /// Each dyno of the formation, and release and one-off dynos that said something of themselves.
    pub dynos: BTreeMap<String, Measured>,
    /// Requests that the router took.
    pub requests: u64,
    /// Requests that it did not get answered.
    pub dropped: u64,
    /// What would be worse on Heroku than it was here, or just as bad.
    pub findings: Vec<Finding>,
}

/// The worst that one dyno did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// From the start to the bound port (R5.2): web only.
    pub boot: Option<Duration>,
    /// Most bytes that counted against the quota (R5.7), and the quota.
    pub memory: Option<(u64, u64)>,
    /// From SIGTERM to the end (R5.3).
    pub shutdown: Option<Duration>,
}

/// The last words of a dyno that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// `web.1`
    pub dyno: String,
    /// Its last lines, as the log has them.
    pub lines: Vec<String>,
}

/// Reads the log of a run along, and knows at its end how the app did and what was said last.
pub(super) struct Watch {
    reading: Reading,
    tails: Tails,
}

impl Watch {
    /// A watch whose last lines are those up to this stamp: what an app says as it is stopped hides what it said before.
    pub(super) fn until(stamp: Option<String>) -> Self {
        Self { reading: Reading::default(), tails: Tails { until: stamp, ..Tails::default() } }
    }

    /// Takes whole lines.
    pub(super) fn lines(&mut self, lines: &[u8]) {
        for line in lines.split(|byte| *byte == b'\n').filter_map(ParsedLine::parse) {
            self.reading.line(&line);
            self.tails.line(&line);
        }
    }

    /// How the app did, held against the limits that were in force, and the last lines of every dyno that crashed or of a
    /// release that failed; of the whole app when none did.
    pub(super) fn end(mut self, timeouts: &Timeouts, gates: &[Gate]) -> (Parity, Vec<Tail>) {
        self.reading.against(timeouts, gates);
        (self.reading.parity, self.tails.end())
    }
}

/// The last lines of each process.
#[derive(Default)]
struct Tails {
    of: BTreeMap<String, VecDeque<String>>,
    all: VecDeque<String>,
    failed: Vec<String>,
    until: Option<String>,
}

impl Tails {
    fn line(&mut self, line: &ParsedLine<'_>) {
        let after = self.until.as_ref().is_some_and(|until| line.time > until.as_str());
        if after || (line.text.starts_with(b"source=") && line.source == Source::Heroku) {
            return;
        }
        let release = line.process.starts_with("release.") && exit_status(line).is_some_and(|status| status != 0);
        if (crashed(line) || release) && !self.failed.iter().any(|dyno| dyno == line.process) {
            self.failed.push(line.process.to_owned());
        }
        let text = String::from_utf8_lossy(line.text);
        let shown = format!("{} {}[{}]: {text}", line.time, line.source.as_str(), line.process);
        keep(self.of.entry(line.process.to_owned()).or_default(), shown.clone());
        keep(&mut self.all, shown);
    }

    fn end(mut self) -> Vec<Tail> {
        if self.failed.is_empty() {
            let whole = Tail { dyno: String::new(), lines: self.all.into() };
            return if whole.lines.is_empty() { Vec::new() } else { vec![whole] };
        }
        let of = |dyno: String| Tail { lines: self.of.remove(&dyno).unwrap_or_default().into(), dyno };
        self.failed.into_iter().map(of).collect()
    }
}

fn keep(lines: &mut VecDeque<String>, line: String) {
    if lines.len() == TAIL {
        lines.pop_front();
    }
    lines.push_back(line);
}

fn crashed(line: &ParsedLine<'_>) -> bool {
    line.source == Source::Heroku && line.text.starts_with(b"State changed from") && line.text.ends_with(b" to crashed")
}

fn exit_status(line: &ParsedLine<'_>) -> Option<i32> {
    let text = std::str::from_utf8(line.text).ok().filter(|_| line.source == Source::Heroku)?;
    text.strip_prefix("Process exited with status ")?.parse().ok()
}

#[derive(Default)]
struct Reading {
    parity: Parity,
    started: BTreeMap<String, OffsetDateTime>,
    told: BTreeMap<String, OffsetDateTime>,
    /// How often each finding was seen.
    seen: Vec<(Finding, u64)>,
}

impl Reading {
    fn line(&mut self, line: &ParsedLine<'_>) {
        let text = String::from_utf8_lossy(line.text);
        match line.source {
            Source::Heroku if line.process == "router" => self.request(&text),
            Source::Heroku => self.dyno(line, &text),
            Source::Dynosim if explain::is_of_lost_writes(&text) || hints::is_of_refused_write(&text) => {
                self.find("writes", Some(line.process), &text);
            }
            Source::Dynosim | Source::App => {}
        }
    }

    fn request(&mut self, text: &str) {
        self.parity.requests += 1;
        // The path, which a client chooses, stands behind the code in this line.
        let Some(rest) = text.strip_prefix("at=error code=") else { return };
        let code = rest.split(' ').next().unwrap_or_default();
        let title = H::ALL.iter().find(|h| h.code() == code).map_or("", |h| h.title());
        self.find(&code.to_ascii_lowercase(), None, &format!("{code} ({title})"));
        if !NOT_DROPPED.iter().any(|h| h.code() == code) {
            self.parity.dropped += 1;
        }
    }

    fn dyno(&mut self, line: &ParsedLine<'_>, text: &str) {
        let dyno = line.process;
        let Ok(now) = OffsetDateTime::parse(line.time, &Rfc3339) else { return };
        let since = |then: Option<OffsetDateTime>| then.and_then(|then| Duration::try_from(now - then).ok());
        if text.starts_with("Starting process with command") {
            self.started.insert(dyno.to_owned(), now);
        } else if text == "State changed from starting to up" {
            let took = since(self.started.remove(dyno)).filter(|_| dyno.starts_with("web."));
            let measured = self.measured(dyno);
            measured.boot = measured.boot.max(took);
        } else if text == "Stopping all processes with SIGTERM" {
            self.told.insert(dyno.to_owned(), now);
        } else if text.starts_with("Process exited with status") {
            let took = since(self.told.remove(dyno));
            let measured = self.measured(dyno);
            measured.shutdown = measured.shutdown.max(took);
        } else if let Some(rest) = text.strip_prefix("Error R") {
            let code = format!("r{}", rest.split(' ').next().unwrap_or_default());
            self.find(&code, Some(dyno), text.strip_prefix("Error ").unwrap_or(text));
        } else if crashed(line) {
            self.find("crashed", Some(dyno), "crashed");
        } else if let Some((used, quota)) = memory(text) {
            let measured = self.measured(dyno);
            measured.memory = Some((measured.memory.map_or(used, |(most, _)| most.max(used)), quota));
        }
    }

    fn measured(&mut self, dyno: &str) -> &mut Measured {
        self.parity.dynos.entry(dyno.to_owned()).or_default()
    }

    fn find(&mut self, check: &str, dyno: Option<&str>, text: &str) {
        let finding = Finding { check: check.to_owned(), dyno: dyno.map(str::to_owned), text: text.to_owned() };
        match self.seen.iter_mut().find(|(seen, _)| *seen == finding) {
            Some((_, times)) => *times += 1,
            None => self.seen.push((finding, 1)),
        }
    }

    /// Holds what was measured against the limits, and gathers the findings.
    fn against(&mut self, timeouts: &Timeouts, gates: &[Gate]) {
        let gate = |name: &str| gates.iter().find(|gate| gate.name == name);
        for (dyno, measured) in self.parity.dynos.clone() {
            for (check, took, limit, what) in
                [("boot", measured.boot, timeouts.boot, "took"), ("shutdown", measured.shutdown, timeouts.exit, "took")]
            {
                let Some(gate) = gate(check) else { continue };
                let allowed = match gate.allowed {
                    Some(Allowed::Time(time)) => time,
                    _ => limit,
                };
                if let Some(took) = took.filter(|took| *took > allowed) {
                    let act = if check == "boot" { "to bind $PORT" } else { "to end after SIGTERM" };
                    let (took, allowed) = (took.as_secs_f64(), allowed.as_secs_f64());
                    self.find(check, Some(&dyno), &format!("{what} {took:.1} s {act}, {allowed} s are allowed"));
                }
            }
            if let (Some(gate), Some((used, quota))) = (gate("memory"), measured.memory) {
                let allowed = if let Some(Allowed::Percent(percent)) = gate.allowed { percent } else { 100.0 };
                let percent = percent_of(used, quota);
                if percent > allowed {
                    let text = format!("used {percent:.0}% of its memory quota, {allowed}% are allowed");
                    self.find("memory", Some(&dyno), &text);
                }
            }
        }
        if self.parity.dropped > 0 {
            let text = format!("{} of {} requests were not answered", self.parity.dropped, self.parity.requests);
            self.find("dropped", None, &text);
        }
        let times = |(finding, times): (Finding, u64)| match times {
            1 => finding,
            _ => Finding { text: format!("{}, {times} times", finding.text), ..finding },
        };
        self.parity.findings = std::mem::take(&mut self.seen).into_iter().map(times).collect();
    }
}

/// How much of a quota that is.
#[allow(clippy::cast_precision_loss, reason = "a percentage")]
pub fn percent_of(bytes: u64, quota: u64) -> f64 {
    if quota == 0 { 0.0 } else { bytes as f64 * 100.0 / quota as f64 }
}

/// What a `log-runtime-metrics` line (R7) says of the memory: what counts against the quota, and the quota.
fn memory(text: &str) -> Option<(u64, u64)> {
    let sample = |name: &str| {
        let rest = text.split_once(&format!(" sample#memory_{name}="))?.1;
        let number: f64 = rest.split("MB").next()?.parse().ok()?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "megabytes with two decimals")]
        Some((number * MEGABYTE).max(0.0) as u64)
    };
    let quota = sample("quota")?;
    let usage = Usage { rss: sample("rss")?, cache: sample("cache")?, swap: sample("swap")?, ..Usage::default() };
    Some((quota_use(usage, quota), quota))
}

#[cfg(test)]
mod tests {
    use super::{Parity, Tail, Watch};
    use crate::model::timeouts::Timeouts;
    use crate::platform::trial::gate::Gate;
    use std::time::Duration;

    const LOG: &str = "\
2026-11-21T03:08:15.000000+00:00 heroku[web.1]: Starting process with command `serve`
2026-11-21T03:08:16.500000+00:00 heroku[web.1]: State changed from starting to up
2026-11-21T03:08:16.600000+00:00 heroku[worker.1]: Starting process with command `work`
2026-11-21T03:08:16.700000+00:00 heroku[worker.1]: State changed from starting to up
2026-11-21T03:08:17.000000+00:00 heroku[web.1]: source=web.1 dyno=heroku.1.a sample#memory_total=620.00MB sample#memory_rss=500.00MB sample#memory_cache=100.00MB sample#memory_swap=20.00MB sample#memory_pgpgin=1pages sample#memory_pgpgout=1pages sample#memory_quota=512.00MB
2026-11-21T03:08:17.000000+00:00 heroku[web.1]: Process running mem=520M(101.6%)
2026-11-21T03:08:17.000000+00:00 heroku[web.1]: Error R14 (Memory quota exceeded)
2026-11-21T03:08:18.000000+00:00 heroku[web.1]: Error R14 (Memory quota exceeded)
2026-11-21T03:08:18.000000+00:00 heroku[router]: at=info method=GET path=\"/at=error code=H12\" status=200
2026-11-21T03:08:18.100000+00:00 heroku[router]: at=error code=H12 desc=\"Request timeout\" method=GET path=\"/\" status=503
2026-11-21T03:08:18.200000+00:00 heroku[router]: at=error code=H27 desc=\"Client Request Interrupted\" method=GET path=\"/\" status=499
2026-11-21T03:08:18.300000+00:00 app[web.1]: heroku[web.1]: State changed from up to crashed
2026-11-21T03:08:18.400000+00:00 dynosim[web.1]: web.1 may not write /app/log: its file system is read-only but for /tmp
2026-11-21T03:08:19.000000+00:00 heroku[web.1]: Stopping all processes with SIGTERM
2026-11-21T03:08:19.100000+00:00 heroku[worker.1]: Process exited with status 3
2026-11-21T03:08:19.100000+00:00 heroku[worker.1]: State changed from up to crashed
2026-11-21T03:08:23.000000+00:00 heroku[web.1]: Process exited with status 143
";

    fn read(log: &[u8], timeouts: &Timeouts, gates: &[Gate]) -> Parity {
        watched(log, timeouts, gates).0
    }

    fn tails(log: &[u8]) -> Vec<Tail> {
        watched(log, &Timeouts::heroku(), &[]).1
    }

    fn watched(log: &[u8], timeouts: &Timeouts, gates: &[Gate]) -> (Parity, Vec<Tail>) {
        let mut watch = Watch::until(None);
        watch.lines(log);
        watch.end(timeouts, gates)
    }

    fn found(parity: &Parity) -> Vec<String> {
        let shown = |dyno: &Option<String>| dyno.as_deref().map(|dyno| format!(" {dyno}")).unwrap_or_default();
        parity.findings.iter().map(|one| format!("{}{}: {}", one.check, shown(&one.dyno), one.text)).collect()
    }

    #[test]
    fn the_log_tells_times_memory_codes_and_writes() {
        let parity = read(LOG.as_bytes(), &Timeouts::heroku(), &[]);
        let web = parity.dynos["web.1"];
        assert_eq!(web.boot, Some(Duration::from_millis(1500)));
        assert_eq!(web.shutdown, Some(Duration::from_secs(4)));
        assert_eq!(web.memory, Some((520 << 20, 512 << 20)));
        assert_eq!(parity.dynos["worker.1"].boot, None, "only web has a port to bind");
        assert_eq!((parity.requests, parity.dropped), (3, 1));
        assert_eq!(
            found(&parity),
            [
                "r14 web.1: R14 (Memory quota exceeded), 2 times",
                "h12: H12 (Request timeout)",
                "h27: H27 (Client Request Interrupted)",
                "writes web.1: web.1 may not write /app/log: its file system is read-only but for /tmp",
                "crashed worker.1: crashed",
                "dropped: 1 of 3 requests were not answered",
            ]
        );
    }

    #[test]
    fn limits_of_one_s_own_count_only_when_asked_for() {
        let gates = |text: &str| -> Vec<Gate> { text.split(',').map(|gate| gate.parse().unwrap()).collect() };
        let with = |text: &str| found(&read(LOG.as_bytes(), &Timeouts::heroku(), &gates(text))).join("\n");
        assert!(with("boot=1s").contains("boot web.1: took 1.5 s to bind $PORT, 1 s are allowed"));
        assert!(with("shutdown=2s").contains("shutdown web.1: took 4.0 s to end after SIGTERM, 2 s are allowed"));
        assert!(with("memory=80%").contains("memory web.1: used 102% of its memory quota, 80% are allowed"));
        for enough in ["boot=2s", "shutdown", "memory=110%"] {
            assert!(!with(enough).contains("allowed"), "{enough}");
        }
    }

    #[test]
    fn the_last_words_are_those_of_the_dyno_that_crashed() {
        let last = tails(LOG.as_bytes());
        assert_eq!(last.len(), 1);
        assert_eq!(last[0].dyno, "worker.1");
        assert_eq!(last[0].lines.len(), 4);
        let sound = LOG.replace("worker.1]: State changed from up to crashed", "worker.1]: fine");
        let whole = tails(sound.as_bytes());
        assert_eq!((whole[0].dyno.as_str(), whole[0].lines.len()), ("", 16));
        let mut early = Watch::until(Some("2026-11-21T03:08:18.400000+00:00".into()));
        early.lines(sound.as_bytes());
        assert_eq!(early.end(&Timeouts::heroku(), &[]).1[0].lines.len(), 12, "up to the stop");
    }
}
