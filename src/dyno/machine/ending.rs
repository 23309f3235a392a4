//! How a dyno ends: by itself, at its memory limit, or because it is told to.

use super::memory::{quota_use, running};
use super::{Effect, Explanation, FORCE_PATIENCE, Machine, State, StopKind};
use crate::engine::{Ended, Signal, Usage};
use crate::model::codes::R;
use crate::model::dyno::{DynoKind, DynoState};
use std::time::Duration;
use tokio::time::Instant;

impl Machine {
    pub(super) fn exited(&mut self, ended: Ended, now: Instant) -> Vec<Effect> {
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
        let stopping = matches!(self.state, State::Stopping { .. } | State::Launching { stop: Some(_), .. });
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
                129.. if !exit.out_of_memory && self.state != State::Killing => {
                    effects.push(Effect::Explain(Explanation::Signalled(exit.status)));
                }
                _ => {}
            }
            self.settle(now, &mut effects);
        }
        effects
    }

    /// After a crash: count it, and wait as R5.5 says.
    pub(super) fn settle(&mut self, now: Instant, effects: &mut Vec<Effect>) {
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

    pub(super) fn sampled(&mut self, usage: Usage) -> Vec<Effect> {
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
                State::Stopping { exit, given_up, .. } => State::Stopping { exit, killed: true, given_up },
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

    pub(super) fn stop(&mut self, kind: StopKind, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        match self.state {
            State::Idle => self.end(DynoState::Down),
            State::Crashed { .. } => {
                effects.push(self.change(DynoState::Down));
                self.end(DynoState::Down);
            }
            State::Launching { given_up, .. } => {
                self.state = State::Launching { stop: Some(kind), given_up };
                self.stopping = true;
            }
            State::Starting { .. } | State::Up { .. } | State::Killing => {
                let killed = matches!(self.state, State::Killing);
                self.stopping = true;
                match kind {
                    StopKind::Down if self.kind != DynoKind::Formation => {}
                    StopKind::Down => effects.push(self.change(DynoState::Down)),
                    StopKind::Replaced | StopKind::Cycled => {
                        let word = if kind == StopKind::Cycled { "Cycling" } else { "Restarting" };
                        effects.push(Effect::Say(word.into()));
                        if self.shown != DynoState::Starting {
                            effects.push(self.change(DynoState::Starting));
                        }
                    }
                }
                effects.push(Effect::Say("Stopping all processes with SIGTERM".into()));
                effects.push(Effect::Signal(Signal::Term));
                let exit = self.arm(&mut effects, now + self.timeouts.exit);
                self.state = State::Stopping { exit, killed, given_up: None };
            }
            State::Stopping { .. } | State::Ended => {}
        }
        effects
    }

    pub(super) fn kill(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        match self.state {
            State::Launching { stop: Some(kind), given_up: None } => {
                let given_up = self.arm(&mut effects, now + FORCE_PATIENCE);
                self.state = State::Launching { stop: Some(kind), given_up: Some(given_up) };
            }
            State::Stopping { exit, killed, given_up: None } => {
                if !killed {
                    effects.push(Effect::Say("Stopping remaining processes with SIGKILL".into()));
                    effects.push(Effect::Signal(Signal::Kill));
                }
                let given_up = self.arm(&mut effects, now + FORCE_PATIENCE);
                self.state = State::Stopping { exit, killed: true, given_up: Some(given_up) };
            }
            State::Idle
            | State::Launching { .. }
            | State::Starting { .. }
            | State::Killing
            | State::Up { .. }
            | State::Stopping { .. }
            | State::Crashed { .. }
            | State::Ended => {}
        }
        effects
    }

    pub(super) fn end(&mut self, shown: DynoState) {
        self.state = State::Ended;
        self.shown = shown;
        self.stopping = true;
    }
}

/// Whether a path is where files are meant to vanish.
fn is_scratch(path: &str) -> bool {
    ["/tmp", "/var/tmp", "/dev/shm"]
        .iter()
        .any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}
