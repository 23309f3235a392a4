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

mod ending;
mod event;
mod memory;

pub use event::{DynoStatus, Effect, Epoch, Event, Explanation, StopKind};
pub use memory::{quota_use, running};

use crate::engine::{Listener, Signal};
use crate::model::codes::R;
use crate::model::dyno::{DynoKind, DynoSize, DynoState, Exit};
use crate::model::endpoint::Endpoint;
use crate::model::timeouts::Timeouts;
use std::time::Duration;
use tokio::time::Instant;

/// How long a wrong listener is given to be followed by the right one before it is explained. With the engine's own
/// delay the line is out within about two seconds of the wrong bind.
pub const WRONG_LISTENER_PATIENCE: Duration = Duration::from_millis(1500);

/// After a stop by force, the engine gets this long to confirm the end; then the dyno is left to the next sweep.
pub const FORCE_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, PartialEq)]
enum State {
    Idle,
    Launching { stop: Option<StopKind>, given_up: Option<Epoch> },
    Starting { boot: Option<Epoch>, wrong: Option<Epoch>, listeners: Vec<Listener>, port: Option<u16>, explained: bool },
    Killing,
    Up { endpoint: Option<Endpoint>, steady: Epoch },
    Stopping { exit: Epoch, killed: bool, given_up: Option<Epoch> },
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
            Event::Kill => self.kill(now),
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
        self.state = State::Launching { stop: None, given_up: None };
        self.shown = DynoState::Starting;
        self.generation += 1;
        self.memory_explained = false;
        vec![Effect::Launch]
    }

    fn launched(&mut self, command: &str, port: Option<u16>, now: Instant) -> Vec<Effect> {
        let State::Launching { stop, given_up } = self.state else { return vec![Effect::Signal(Signal::Kill)] };
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
        if given_up.is_some() {
            effects.extend(self.kill(now));
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
            State::Launching { stop, .. } => stop,
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
            State::Stopping { exit, killed: false, .. } if *exit == epoch => {
                let exit = *exit;
                self.state = State::Stopping { exit, killed: true, given_up: None };
                vec![
                    Effect::Say(R::R12.line(self.timeouts.exit)),
                    Effect::Explain(Explanation::Survivors(self.timeouts.exit)),
                    Effect::Say("Stopping remaining processes with SIGKILL".into()),
                    Effect::Signal(Signal::Kill),
                ]
            }
            State::Stopping { given_up: Some(given_up), .. } | State::Launching { given_up: Some(given_up), .. }
                if *given_up == epoch =>
            {
                self.end(DynoState::Down);
                vec![Effect::Explain(Explanation::Unconfirmed(FORCE_PATIENCE))]
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

#[cfg(test)]
mod tests;
