//! Scripts: timed acts that a scripted dyno performs.

use crate::engine::{Ended, Finding, LostWrite, Usage};
use crate::model::dyno::Exit;
use bytes::Bytes;
use std::time::Duration;

/// What a scripted dyno does, in order of time since its start.
#[derive(Clone, Debug)]
pub struct Script {
    pub(super) acts: Vec<(Duration, Act)>,
    at: Duration,
    pub(super) term: Term,
    pub(super) usage: Usage,
    pub(super) refuse: Option<String>,
}

/// One act.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Print(Bytes),
    Listen(String, u16, &'static str),
    Bind,
    Exit(Ended),
    Use(Usage),
    Find(Finding),
    Lost,
    Found,
}

/// What SIGTERM does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Term {
    Exit(i32, Duration),
    Ignore,
}

impl Default for Script {
    fn default() -> Self {
        Self::new()
    }
}

impl Script {
    /// A dyno that starts, does nothing, and ends with 143 as soon as it gets SIGTERM.
    pub fn new() -> Self {
        Self {
            acts: Vec::new(),
            at: Duration::ZERO,
            term: Term::Exit(143, Duration::ZERO),
            usage: Usage::default(),
            refuse: None,
        }
    }

    /// A start that fails with these words of the engine.
    pub fn refused(reason: &str) -> Self {
        Self { refuse: Some(reason.to_owned()), ..Self::new() }
    }

    /// Time passes before the next act.
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        self.at += time;
        self
    }

    /// Prints these bytes.
    #[must_use]
    pub fn print(self, text: &str) -> Self {
        self.act(Act::Print(Bytes::copy_from_slice(text.as_bytes())))
    }

    /// Listens on an address that is not what the platform waits for; port 0 means `$PORT`.
    #[must_use]
    pub fn listen(self, address: &str, port: u16, process: &'static str) -> Self {
        self.act(Act::Listen(address.to_owned(), port, process))
    }

    /// Binds `$PORT` on `0.0.0.0`.
    #[must_use]
    pub fn bind(self) -> Self {
        self.act(Act::Bind)
    }

    /// Ends with this status.
    #[must_use]
    pub fn exit(self, status: i32) -> Self {
        self.ended(Ended { exit: Exit { status, out_of_memory: false }, lost_writes: Vec::new() })
    }

    /// Is killed by the kernel at the hard memory limit.
    #[must_use]
    pub fn out_of_memory(self) -> Self {
        self.ended(Ended { exit: Exit { status: 137, out_of_memory: true }, lost_writes: Vec::new() })
    }

    /// Ends with status 1 after having written files that vanish.
    #[must_use]
    pub fn exit_losing(self, writes: &[(&str, u64)]) -> Self {
        let lost_writes =
            writes.iter().map(|(path, size)| LostWrite { path: (*path).to_owned(), size: Some(*size) }).collect();
        self.ended(Ended { exit: Exit { status: 1, out_of_memory: false }, lost_writes })
    }

    fn ended(self, ended: Ended) -> Self {
        self.act(Act::Exit(ended))
    }

    /// Uses this much memory from now on.
    #[must_use]
    pub fn memory(self, usage: Usage) -> Self {
        self.act(Act::Use(usage))
    }

    /// The engine sees something worth explaining.
    #[must_use]
    pub fn finding(self, finding: Finding) -> Self {
        self.act(Act::Find(finding))
    }

    /// The engine goes away.
    #[must_use]
    pub fn engine_lost(self) -> Self {
        self.act(Act::Lost)
    }

    /// The engine is back, the dyno still there.
    #[must_use]
    pub fn engine_found(self) -> Self {
        self.act(Act::Found)
    }

    /// On SIGTERM, ends with `status` this much later.
    #[must_use]
    pub fn on_term(mut self, status: i32, after: Duration) -> Self {
        self.term = Term::Exit(status, after);
        self
    }

    /// Does not react to SIGTERM.
    #[must_use]
    pub fn ignore_term(mut self) -> Self {
        self.term = Term::Ignore;
        self
    }

    fn act(mut self, act: Act) -> Self {
        self.acts.push((self.at, act));
        self
    }
}
