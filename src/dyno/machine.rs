//! The life of one dyno, as a pure function of events. Nothing here waits, prints or runs anything.
//!
//! ```text
//!            Start                Launched                 Bound (web) / at once (others)
//!   Idle ───────────► Launching ───────────► Starting ───────────────────────────► Up
//!                        │  ▲                  │   │ boot deadline: R10, SIGKILL     │
//!            LaunchFailed│  │ restart due      │   ▼                                 │ Exited
//!                        ▼  │                  │ Killing ──Exited──┐                 │ (whatever the status)
//!                      Crashed ◄───────────────┴───────────────────┴─────────────────┘
//!
//!   Stop, in any state with a process:  Stopping ── exit deadline: R12, SIGKILL ──► Exited ──► Ended (down)
//!   Stop, in any other state:           Ended (down)
//!   one-off and release dynos:          Exited ──► Ended (complete)
//! ```
//!
//! Rules: R5.2 (start), R5.3 (stop), R5.4 and R5.5 (crash and back-off), R5.7 (memory), R6.2 (lines and their order).
//! Deadlines carry an epoch; one of an earlier state is ignored. There is no catch-all arm in [`Machine::on`].

use crate::engine::{Ended, Finding, Listener, Signal, Usage};
use crate::model::codes::R;
use crate::model::dyno::{DynoKind, DynoSize, DynoState, Exit};
use crate::model::endpoint::Endpoint;
use crate::model::timeouts::Timeouts;
use std::time::Duration;
use tokio::time::Instant;

/// How long a wrong listener is given to be followed by the right one before it is explained. With the engine's own
/// delay the line is out within about two seconds of the wrong bind.
pub const WRONG_LISTENER_PATIENCE: Duration = Duration::from_millis(1500);

/// What a machine is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Start the dyno.
    Start,
    /// Its process runs; the text is the command as the log shows it (R1.4), the port is `$PORT`.
    Launched(String, Option<u16>),
    /// It could not be started: the engine's words.
    LaunchFailed(String),
    /// Sockets listen inside the dyno.
    Listening(Vec<Listener>),
    /// `$PORT` is bound and can be dialled.
    Bound(Endpoint),
    /// The engine saw something worth explaining.
    Finding(Finding),
    /// The engine does not answer.
    EngineLost(String),
    /// It answers again.
    EngineFound,
    /// The dyno ended.
    Exited(Ended),
    /// A deadline that was armed has come.
    Deadline(Epoch),
    /// A memory sample.
    Sample(Usage),
    /// Stop the dyno.
    Stop(StopKind),
    /// Do not wait for a graceful stop any longer.
    Kill,
}

/// Why a dyno is stopped; decides its log lines (R6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopKind {
    /// Scaled away, or the app is stopped: `State changed from up to down`.
    Down,
    /// A replacement takes its place: `Restarting`, `State changed from up to starting`.
    Replaced,
}

/// Identifies one armed deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u64);

impl Epoch {
    /// Was never armed.
    pub const NONE: Epoch = Epoch(0);
}

/// What the task shall do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Start a process.
    Launch,
    /// Signal every process.
    Signal(Signal),
    /// Send `Deadline` back at that time.
    Arm(Epoch, Instant),
    /// Write a line as the dyno manager: `heroku[web.1]: …`.
    Say(String),
    /// Write a line of dynosim's own.
    Explain(Explanation),
    /// Take a memory sample and send it back.
    Sample,
    /// Show this to whoever watches.
    Publish(DynoStatus),
}

/// What is to be explained; the words are made in `dyno::explain`.
#[derive(Clone, Debug, PartialEq)]
pub enum Explanation {
    /// Sockets listen, but not where `$PORT` is.
    WrongListener {
        /// The sockets.
        listeners: Vec<Listener>,
        /// `$PORT`.
        port: u16,
    },
    /// Nothing listens at all.
    NoListener {
        /// `$PORT`.
        port: u16,
    },
    /// A formation dyno ended with status 0.
    ExitedZero,
    /// Processes that still ran when the exit time was over.
    Survivors(Duration),
    /// Which process takes the memory.
    Memory {
        /// Quota in bytes.
        quota: u64,
    },
    /// It was killed at the hard limit.
    OutOfMemory {
        /// The limit in bytes.
        limit: u64,
    },
    /// Found by the engine.
    Finding(Finding),
    /// Files that vanish with the dyno.
    LostWrites(Vec<crate::engine::LostWrite>),
    /// It could not be started.
    LaunchFailed(String),
    /// It waits this long before the next start.
    Backoff {
        /// Crashes in a row.
        crashes: usize,
        /// The wait.
        wait: Duration,
    },
    /// The engine does not answer.
    EngineLost(String),
    /// The engine answers again.
    EngineFound,
    /// The status was that of a missing or unusable command (126, 127).
    CommandStatus(i32),
}

/// What others may know of a dyno.
#[derive(Clone, Debug, PartialEq)]
pub struct DynoStatus {
    /// As `heroku ps` prints it.
    pub state: DynoState,
    /// Where it can be dialled; only while it is up.
    pub endpoint: Option<Endpoint>,
    /// New at each start.
    pub generation: u64,
    /// Crashes in a row.
    pub crashes: usize,
    /// How it last ended.
    pub exit: Option<Exit>,
    /// It was told to stop and gets no new requests.
    pub stopping: bool,
    /// It will not do anything any more.
    pub ended: bool,
    /// When it was last started or changed state.
    pub since: Instant,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Idle,
    Launching { stop: Option<StopKind> },
    Starting { boot: Option<Epoch>, wrong: Option<Epoch>, listeners: Vec<Listener>, port: Option<u16>, explained: bool },
    Killing,
    Up { endpoint: Option<Endpoint>, steady: Epoch },
    Stopping { exit: Epoch, killed: bool },
    Crashed { restart: Epoch },
    Ended,
}

/// The machine. Feed it events; do what it returns.
#[derive(Clone, Debug)]
pub struct Machine {
    kind: DynoKind,
    size: DynoSize,
    timeouts: Timeouts,
    state: State,
    shown: DynoState,
    epochs: u64,
    sample: Option<Epoch>,
    crashes: usize,
    generation: u64,
    exit: Option<Exit>,
    since: Instant,
    stopping: bool,
    memory_explained: bool,
}

impl Machine {
    /// A dyno that has not started.
    pub fn new(kind: DynoKind, size: DynoSize, timeouts: Timeouts, now: Instant) -> Self {
        Self {
            kind,
            size,
            timeouts,
            state: State::Idle,
            shown: DynoState::Starting,
            epochs: 0,
            sample: None,
            crashes: 0,
            generation: 0,
            exit: None,
            since: now,
            stopping: false,
            memory_explained: false,
        }
    }

    /// What others may know now.
    pub fn status(&self) -> DynoStatus {
        let endpoint = match &self.state {
            State::Up { endpoint, .. } => endpoint.clone(),
            State::Idle
            | State::Launching { .. }
            | State::Starting { .. }
            | State::Killing
            | State::Stopping { .. }
            | State::Crashed { .. }
            | State::Ended => None,
        };
        DynoStatus {
            state: self.shown,
            endpoint,
            generation: self.generation,
            crashes: self.crashes,
            exit: self.exit,
            stopping: self.stopping,
            ended: self.state == State::Ended,
            since: self.since,
        }
    }

    /// Steps.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        let before = self.status();
        let mut effects = match event {
            Event::Start => self.start(),
            Event::Launched(command, port) => self.launched(&command, port, now),
            Event::LaunchFailed(reason) => self.launch_failed(reason, now),
            Event::Listening(listeners) => self.listening(listeners, now),
            Event::Bound(endpoint) => self.bound(endpoint, now),
            Event::Finding(finding) => vec![Effect::Explain(Explanation::Finding(finding))],
            Event::EngineLost(reason) => vec![Effect::Explain(Explanation::EngineLost(reason))],
            Event::EngineFound => vec![Effect::Explain(Explanation::EngineFound)],
            Event::Exited(ended) => self.exited(ended, now),
            Event::Deadline(epoch) => self.deadline(epoch, now),
            Event::Sample(usage) => self.sampled(usage),
            Event::Stop(kind) => self.stop(kind, now),
            Event::Kill => self.kill(),
        };
        if self.shown != before.state {
            self.since = now;
        }
        let after = self.status();
        if after != before {
            effects.push(Effect::Publish(after));
        }
        effects
    }

    fn start(&mut self) -> Vec<Effect> {
        match self.state {
            State::Idle => self.launch(),
            State::Launching { .. }
            | State::Starting { .. }
            | State::Killing
            | State::Up { .. }
            | State::Stopping { .. }
            | State::Crashed { .. }
            | State::Ended => Vec::new(),
        }
    }

    fn launch(&mut self) -> Vec<Effect> {
        self.state = State::Launching { stop: None };
        self.shown = DynoState::Starting;
        self.generation += 1;
        self.memory_explained = false;
        vec![Effect::Launch]
    }

    fn launched(&mut self, command: &str, port: Option<u16>, now: Instant) -> Vec<Effect> {
        let State::Launching { stop } = self.state else { return vec![Effect::Signal(Signal::Kill)] };
        let mut effects = vec![Effect::Say(format!("Starting process with command `{command}`"))];
        self.since = now;
        if port.is_some() {
            let boot = self.arm(&mut effects, now + self.timeouts.boot);
            self.state =
                State::Starting { boot: Some(boot), wrong: None, listeners: Vec::new(), port, explained: false };
        } else {
            self.go_up(None, now, &mut effects);
        }
        let sample = self.arm(&mut effects, now + self.timeouts.metrics);
        self.sample = Some(sample);
        if let Some(kind) = stop {
            effects.extend(self.stop(kind, now));
        }
        effects
    }

    fn go_up(&mut self, endpoint: Option<Endpoint>, now: Instant, effects: &mut Vec<Effect>) {
        effects.push(self.change(DynoState::Up));
        let steady = self.arm(effects, now + self.timeouts.started);
        self.state = State::Up { endpoint, steady };
    }

    fn launch_failed(&mut self, reason: String, now: Instant) -> Vec<Effect> {
        let stop = match self.state {
            State::Launching { stop } => stop,
            State::Idle
            | State::Starting { .. }
            | State::Killing
            | State::Up { .. }
            | State::Stopping { .. }
            | State::Crashed { .. }
            | State::Ended => return Vec::new(),
        };
        let mut effects = vec![Effect::Explain(Explanation::LaunchFailed(reason))];
        self.exit = Some(Exit { status: 1, out_of_memory: false });
        if stop.is_some() {
            self.end(DynoState::Down);
        } else {
            self.settle(now, &mut effects);
        }
        effects
    }

    fn listening(&mut self, found: Vec<Listener>, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        let State::Starting { boot, wrong, listeners, port, explained } = &mut self.state else { return effects };
        *listeners = found;
        if !listeners.is_empty() && wrong.is_none() && !*explained {
            let kept = (*boot, listeners.clone(), *port);
            let epoch = self.arm(&mut effects, now + WRONG_LISTENER_PATIENCE);
            let (boot, listeners, port) = kept;
            self.state = State::Starting { boot, wrong: Some(epoch), listeners, port, explained: false };
        }
        effects
    }

    fn bound(&mut self, endpoint: Endpoint, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        if matches!(self.state, State::Starting { .. }) {
            self.go_up(Some(endpoint), now, &mut effects);
        }
        effects
    }

    fn exited(&mut self, ended: Ended, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut exit = ended.exit;
        match &self.state {
            State::Idle | State::Ended | State::Crashed { .. } => return effects,
            State::Killing | State::Stopping { killed: true, .. } => exit.status = 137,
            State::Launching { .. }
            | State::Starting { .. }
            | State::Up { .. }
            | State::Stopping { killed: false, .. } => {
                if exit.out_of_memory {
                    effects.push(Effect::Say(running(self.size.kill_at, self.size.quota)));
                    effects.push(Effect::Say(R::R15.line(Duration::ZERO)));
                    effects.push(Effect::Say("Stopping process with SIGKILL".into()));
                    effects.push(Effect::Explain(Explanation::OutOfMemory { limit: self.size.kill_at }));
                    exit.status = 137;
                }
            }
        }
        self.sample = None;
        self.exit = Some(exit);
        effects.push(Effect::Say(format!("Process exited with status {}", exit.status)));
        let mut lost = ended.lost_writes;
        lost.retain(|write| !is_scratch(&write.path));
        if !lost.is_empty() {
            effects.push(Effect::Explain(Explanation::LostWrites(lost)));
        }
        let stopping = matches!(self.state, State::Stopping { .. } | State::Launching { stop: Some(_) });
        if self.kind != DynoKind::Formation {
            effects.push(self.change(DynoState::Complete));
            if exit.status == 126 || exit.status == 127 {
                effects.push(Effect::Explain(Explanation::CommandStatus(exit.status)));
            }
            self.end(DynoState::Complete);
        } else if stopping {
            self.end(DynoState::Down);
        } else {
            match exit.status {
                0 => effects.push(Effect::Explain(Explanation::ExitedZero)),
                126 | 127 => effects.push(Effect::Explain(Explanation::CommandStatus(exit.status))),
                _ => {}
            }
            self.settle(now, &mut effects);
        }
        effects
    }

    /// After a crash: count it, and wait as R5.5 says.
    fn settle(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.kind != DynoKind::Formation {
            effects.push(self.change(DynoState::Complete));
            self.end(DynoState::Complete);
            return;
        }
        self.crashes += 1;
        effects.push(self.change(DynoState::Crashed));
        let wait = self.timeouts.backoff_after(self.crashes);
        if wait.is_zero() {
            effects.push(self.change(DynoState::Starting));
            effects.extend(self.launch());
        } else {
            effects.push(Effect::Explain(Explanation::Backoff { crashes: self.crashes, wait }));
            let restart = self.arm(effects, now + wait);
            self.state = State::Crashed { restart };
        }
    }

    fn deadline(&mut self, epoch: Epoch, now: Instant) -> Vec<Effect> {
        if self.sample == Some(epoch) {
            let mut effects = vec![Effect::Sample];
            let next = self.arm(&mut effects, now + self.timeouts.metrics);
            self.sample = Some(next);
            return effects;
        }
        match &self.state {
            State::Starting { boot: Some(boot), listeners, port, explained, .. } if *boot == epoch => {
                let mut effects = vec![Effect::Say(R::R10.line(self.timeouts.boot))];
                if let (Some(port), false) = (*port, *explained) {
                    let listeners = listeners.clone();
                    effects.push(Effect::Explain(if listeners.is_empty() {
                        Explanation::NoListener { port }
                    } else {
                        Explanation::WrongListener { listeners, port }
                    }));
                }
                effects.push(Effect::Say("Stopping process with SIGKILL".into()));
                effects.push(Effect::Signal(Signal::Kill));
                self.state = State::Killing;
                effects
            }
            State::Starting { boot, wrong: Some(wrong), listeners, port, explained: false } if *wrong == epoch => {
                let (boot, listeners, port) = (*boot, listeners.clone(), *port);
                let mut effects = Vec::new();
                let explained = !listeners.is_empty();
                if let (Some(port), true) = (port, explained) {
                    let listeners = listeners.clone();
                    effects.push(Effect::Explain(Explanation::WrongListener { listeners, port }));
                }
                self.state = State::Starting { boot, wrong: None, listeners, port, explained };
                effects
            }
            State::Up { steady, .. } if *steady == epoch => {
                self.crashes = 0;
                Vec::new()
            }
            State::Stopping { exit, killed: false } if *exit == epoch => {
                let exit = *exit;
                self.state = State::Stopping { exit, killed: true };
                vec![
                    Effect::Say(R::R12.line(self.timeouts.exit)),
                    Effect::Explain(Explanation::Survivors(self.timeouts.exit)),
                    Effect::Say("Stopping remaining processes with SIGKILL".into()),
                    Effect::Signal(Signal::Kill),
                ]
            }
            State::Crashed { restart } if *restart == epoch => {
                let mut effects = vec![self.change(DynoState::Starting)];
                effects.extend(self.launch());
                effects
            }
            State::Idle
            | State::Launching { .. }
            | State::Starting { .. }
            | State::Killing
            | State::Up { .. }
            | State::Stopping { .. }
            | State::Crashed { .. }
            | State::Ended => Vec::new(),
        }
    }

    fn sampled(&mut self, usage: Usage) -> Vec<Effect> {
        match self.state {
            State::Starting { .. } | State::Up { .. } | State::Stopping { killed: false, .. } => {}
            State::Idle
            | State::Launching { .. }
            | State::Killing
            | State::Stopping { .. }
            | State::Crashed { .. }
            | State::Ended => return Vec::new(),
        }
        let held = usage.rss + usage.swap;
        if held > self.size.kill_at {
            let effects = vec![
                Effect::Say(running(held, self.size.quota)),
                Effect::Say(R::R15.line(Duration::ZERO)),
                Effect::Explain(Explanation::Memory { quota: self.size.quota }),
                Effect::Say("Stopping process with SIGKILL".into()),
                Effect::Signal(Signal::Kill),
            ];
            self.state = match self.state {
                State::Stopping { exit, .. } => State::Stopping { exit, killed: true },
                _ => State::Killing,
            };
            return effects;
        }
        if quota_use(usage, self.size.quota) <= self.size.quota {
            return Vec::new();
        }
        let mut effects = vec![
            Effect::Say(running(quota_use(usage, self.size.quota), self.size.quota)),
            Effect::Say(R::R14.line(Duration::ZERO)),
        ];
        if !self.memory_explained {
            self.memory_explained = true;
            effects.push(Effect::Explain(Explanation::Memory { quota: self.size.quota }));
        }
        effects
    }

    fn stop(&mut self, kind: StopKind, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        match self.state {
            State::Idle => self.end(DynoState::Down),
            State::Crashed { .. } => {
                effects.push(self.change(DynoState::Down));
                self.end(DynoState::Down);
            }
            State::Launching { .. } => {
                self.state = State::Launching { stop: Some(kind) };
                self.stopping = true;
            }
            State::Starting { .. } | State::Up { .. } | State::Killing => {
                let killed = matches!(self.state, State::Killing);
                self.stopping = true;
                match kind {
                    StopKind::Down if self.kind != DynoKind::Formation => {}
                    StopKind::Down => effects.push(self.change(DynoState::Down)),
                    StopKind::Replaced => {
                        effects.push(Effect::Say("Restarting".into()));
                        if self.shown != DynoState::Starting {
                            effects.push(self.change(DynoState::Starting));
                        }
                    }
                }
                effects.push(Effect::Say("Stopping all processes with SIGTERM".into()));
                effects.push(Effect::Signal(Signal::Term));
                let exit = self.arm(&mut effects, now + self.timeouts.exit);
                self.state = State::Stopping { exit, killed };
            }
            State::Stopping { .. } | State::Ended => {}
        }
        effects
    }

    fn kill(&mut self) -> Vec<Effect> {
        match self.state {
            State::Stopping { exit, killed: false } => {
                self.state = State::Stopping { exit, killed: true };
                vec![Effect::Say("Stopping remaining processes with SIGKILL".into()), Effect::Signal(Signal::Kill)]
            }
            State::Idle
            | State::Launching { .. }
            | State::Starting { .. }
            | State::Killing
            | State::Up { .. }
            | State::Stopping { .. }
            | State::Crashed { .. }
            | State::Ended => Vec::new(),
        }
    }

    fn end(&mut self, shown: DynoState) {
        self.state = State::Ended;
        self.shown = shown;
        self.stopping = true;
    }

    fn change(&mut self, to: DynoState) -> Effect {
        let from = std::mem::replace(&mut self.shown, to);
        Effect::Say(format!("State changed from {from} to {to}"))
    }

    fn arm(&mut self, effects: &mut Vec<Effect>, at: Instant) -> Epoch {
        self.epochs += 1;
        let epoch = Epoch(self.epochs);
        effects.push(Effect::Arm(epoch, at));
        epoch
    }
}

/// Whether a path is where files are meant to vanish.
fn is_scratch(path: &str) -> bool {
    ["/tmp", "/var/tmp", "/dev/shm"]
        .iter()
        .any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

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

#[cfg(test)]
mod tests;
