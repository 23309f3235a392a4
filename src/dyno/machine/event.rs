//! What goes into a dyno's machine and what comes out.

use crate::engine::{Ended, Finding, Listener, LostWrite, Signal, Usage};
use crate::model::dyno::{DynoState, Exit};
use crate::model::endpoint::Endpoint;
use std::time::Duration;
use tokio::time::Instant;

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
    /// The daily restart: `Cycling`, then as `Replaced` (R5.4).
    Cycled,
}

/// Identifies one armed deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub(super) u64);

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
    LostWrites(Vec<LostWrite>),
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
    /// It was killed by force and the engine did not confirm its end.
    Unconfirmed(Duration),
    /// The status was that of a signal which the platform did not send (above 128).
    Signalled(i32),
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
