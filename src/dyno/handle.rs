//! What the rest of dynosim holds of a dyno: the plan it was started by, and a handle to steer and watch it.

use super::environment::Metadata;
use super::machine::{DynoStatus, Event, Machine, StopKind};
use super::task::Task;
use super::words::LastWords;
use crate::clock::Clock;
use crate::engine::{Console, Engine, Filesystem, Output, RunIdentity, Signal, Usage};
use crate::logs::Logs;
use crate::model::config_vars::ConfigVars;
use crate::model::dyno::{DynoKind, DynoName, DynoSize};
use crate::model::image::ImageFacts;
use crate::model::launch::Launch;
use crate::model::timeouts::Timeouts;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Pieces of input that may wait for a dyno to read them.
const INPUT_QUEUE: usize = 16;

/// Everything a dyno needs to be started, again and again.
#[derive(Clone)]
pub struct DynoPlan {
    /// Runs it.
    pub engine: Arc<dyn Engine>,
    /// Takes its lines.
    pub logs: Logs,
    /// Stamps and chance.
    pub clock: Clock,
    /// Whose it is.
    pub run: RunIdentity,
    /// Its name.
    pub name: DynoName,
    /// Formation, one-off or release.
    pub kind: DynoKind,
    /// Quotas.
    pub size: DynoSize,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// The image it runs on.
    pub image: Arc<ImageFacts>,
    /// Its command (R1.4).
    pub launch: Arc<Launch>,
    /// Config vars of its release.
    pub config: Arc<ConfigVars>,
    /// Metadata variables, by switch.
    pub metadata: Option<Metadata>,
    /// What it may write to.
    pub filesystem: Filesystem,
    /// Deny every bind but that of `$PORT`.
    pub strict_ports: bool,
    /// Write `log-runtime-metrics` lines.
    pub runtime_metrics: bool,
    /// Where output goes: to the log, or to whoever holds the other end.
    pub attachment: Attachment,
}

/// How a dyno's output leaves it.
#[derive(Clone)]
pub enum Attachment {
    /// Line by line into the log.
    Log,
    /// As it comes, to a client; only start and end are logged (R6.2, one-off dynos).
    Client(Console, mpsc::Sender<Output>),
    /// Both: into the log, and as it comes to a client that may go away.
    Both(Console, mpsc::Sender<Output>),
}

/// What a handle may ask of a task.
pub(super) enum Command {
    Tell(Event),
    Signal(Signal),
    Resize(u16, u16),
    Measure(oneshot::Sender<Usage>),
}

/// A way to type into a dyno; clones type into the same one.
#[derive(Clone)]
pub struct Keyboard {
    commands: mpsc::UnboundedSender<Command>,
    stdin: mpsc::Sender<Bytes>,
}

impl Keyboard {
    /// Types; waits while the dyno does not read. `false` when it has ended.
    pub async fn press(&self, keys: Bytes) -> bool {
        self.stdin.send(keys).await.is_ok()
    }

    /// Tells the terminal's size: columns, rows.
    pub fn resize(&self, columns: u16, rows: u16) {
        let _ = self.commands.send(Command::Resize(columns, rows));
    }
}

/// A way to measure a dyno; clones measure the same one.
#[derive(Clone, Debug)]
pub struct Gauge(mpsc::UnboundedSender<Command>);

impl Gauge {
    /// Its memory now; `None` while it does not run, and when the engine does not tell.
    pub async fn usage(&self) -> Option<Usage> {
        let (answer, measured) = oneshot::channel();
        self.0.send(Command::Measure(answer)).ok()?;
        measured.await.ok()
    }
}

/// A handle on a dyno. Dropping the last one does not stop it; [`Dyno::stop`] does.
pub struct Dyno {
    /// Its name.
    pub name: DynoName,
    commands: mpsc::UnboundedSender<Command>,
    stdin: mpsc::Sender<Bytes>,
    status: watch::Receiver<DynoStatus>,
    words: LastWords,
}

impl Dyno {
    /// Starts one.
    pub fn start(plan: DynoPlan) -> Self {
        let name = plan.name.clone();
        let (commands, received) = mpsc::unbounded_channel();
        let (stdin, typed) = mpsc::channel(INPUT_QUEUE);
        let machine = Machine::new(plan.kind, plan.size, plan.timeouts.clone(), Instant::now());
        let (publish, status) = watch::channel(machine.status());
        let words = LastWords::default();
        tokio::spawn(Task::new(plan, machine, publish, received, typed, words.clone()).run());
        Self { name, commands, stdin, status, words }
    }

    /// Its state, now and as it changes.
    pub fn status(&self) -> watch::Receiver<DynoStatus> {
        self.status.clone()
    }

    /// Asks it to stop: SIGTERM, the exit time, SIGKILL (R5.3).
    pub fn stop(&self, kind: StopKind) {
        let _ = self.commands.send(Command::Tell(Event::Stop(kind)));
    }

    /// Kills what a stop has not ended yet.
    pub fn kill(&self) {
        let _ = self.commands.send(Command::Tell(Event::Kill));
    }

    /// Signals every process without changing what is wanted of the dyno.
    pub fn signal(&self, signal: Signal) {
        let _ = self.commands.send(Command::Signal(signal));
    }

    /// Its standard input, as fast as it reads; an empty piece closes it. What comes before it runs waits for it.
    pub fn stdin(&self) -> mpsc::Sender<Bytes> {
        self.stdin.clone()
    }

    /// Tells it the size of the client's terminal.
    pub fn resize(&self, columns: u16, rows: u16) {
        let _ = self.commands.send(Command::Resize(columns, rows));
    }

    /// A way to type into it that may be passed on.
    pub fn keyboard(&self) -> Keyboard {
        Keyboard { commands: self.commands.clone(), stdin: self.stdin.clone() }
    }

    /// A way to measure it that may be passed on.
    pub fn gauge(&self) -> Gauge {
        Gauge(self.commands.clone())
    }

    /// What it printed last.
    pub fn words(&self) -> LastWords {
        self.words.clone()
    }

    /// Waits until it has ended for good.
    pub async fn ended(&self) {
        let mut status = self.status();
        // Its task tells nothing any more once it is over.
        while status.changed().await.is_ok() {}
    }
}
