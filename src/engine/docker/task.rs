//! The task that follows one container from its start to its end.
//!
//! ```text
//!            frames, reports, orders
//!              ┌───────┐
//! attached ──> following ──stream ends──> asking ──not running──> Exited
//!              ^                           │  │
//!              └──────────── running ──────┘  └──no answer──> Lost, asked each second ──> asking
//! ```
//! The owner's handle is dropped: the task ends at once, and what it leaves behind is killed and removed.

use super::launch::Leftovers;
use super::streams::{Input, attach, ended, pass_input};
use super::{Shared, error, probe, usage};
use crate::engine::reports::{Report, Reports, reachable};
use crate::engine::{
    Console, DynoSpec, Ended, EventSink, Filesystem, Finding, InstanceEvent, Listener, Output, OutputSink,
    ProcessFacts, Signal,
};
use crate::model::dyno::Exit;
use crate::model::endpoint::Endpoint;
use bollard::container::{AttachContainerResults, LogOutput};
use bollard::query_parameters::KillContainerOptionsBuilder;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// A container that ended has handed over its output when none came for this long; normally its stream just ends.
const DRAINED: Duration = Duration::from_secs(5);
/// From the end of the stream until the engine knows that the container ended.
const EXIT_NOTICE: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_secs(1);
/// The init reads its orders at once, or not at all.
const ORDER_TIMEOUT: Duration = Duration::from_secs(1);

type Listed = (Vec<ProcessFacts>, u64);

/// What the owner asks for.
pub(super) enum Order {
    Signal(Signal),
    Processes(oneshot::Sender<Listed>),
}

/// One dyno's life.
pub(super) struct Life {
    shared: Arc<Shared>,
    spec: DynoSpec,
    leftovers: Leftovers,
    /// Process 1 is our init.
    has_init: bool,
    events: EventSink,
    output: OutputSink,
    reports: Reports,
    /// The way to our init, where it takes orders.
    init: Option<Input>,
    /// Who waits for a list of processes.
    asking: Vec<oneshot::Sender<Listed>>,
    listeners: Vec<Listener>,
    endpoint: Option<Endpoint>,
    bound: bool,
    out_of_memory: bool,
    /// A signal that could not be sent while the engine was away.
    owed: Option<Signal>,
}

/// Why the task stopped following.
enum Stop {
    StreamEnded,
    Dropped,
}

/// What the engine says of a container.
enum Fate {
    Running,
    Ended(Exit),
    NoAnswer(String),
}

impl Life {
    pub(super) fn new(
        shared: &Arc<Shared>,
        spec: DynoSpec,
        leftovers: Leftovers,
        has_init: bool,
        events: EventSink,
        output: OutputSink,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            spec,
            leftovers,
            has_init,
            events,
            output,
            reports: Reports::default(),
            init: None,
            asking: Vec::new(),
            listeners: Vec::new(),
            endpoint: None,
            bound: false,
            out_of_memory: false,
            owed: None,
        }
    }

    /// A dyno whose program or folder the engine could not use.
    pub(super) async fn never_started(mut self, status: i32, finding: Finding) {
        self.tell(InstanceEvent::Finding(finding)).await;
        let exit = Exit { status, out_of_memory: false };
        self.tell(InstanceEvent::Exited(Ended { exit, lost_writes: Vec::new() })).await;
    }

    pub(super) async fn run(
        mut self,
        attached: AttachContainerResults,
        mut orders: mpsc::UnboundedReceiver<Order>,
        typed: mpsc::Receiver<Bytes>,
    ) {
        let mut attached = Some(attached);
        let mut typed = Some(typed);
        let exit = loop {
            if let Some(AttachContainerResults { output, input }) = attached.take() {
                match typed.take().filter(|_| self.spec.console != Console::Log) {
                    Some(typed) => drop(tokio::spawn(pass_input(input, typed))),
                    None => self.init = self.has_init.then_some(input),
                }
                if let Some(owed) = self.owed.take() {
                    self.signal(owed).await;
                }
                if let Stop::Dropped = self.follow(output, &mut orders).await {
                    return;
                }
                self.init = None;
            }
            match self.fate().await {
                Fate::Ended(exit) => break exit,
                Fate::Running => attached = attach(&self.shared, &self.leftovers.container).await.ok(),
                Fate::NoAnswer(reason) => {
                    self.tell(InstanceEvent::Lost(reason)).await;
                    match self.await_engine(&mut orders).await {
                        Some(Fate::Ended(exit)) => break exit,
                        Some(_) => {
                            self.tell(InstanceEvent::Found).await;
                            attached = attach(&self.shared, &self.leftovers.container).await.ok();
                        }
                        None => return,
                    }
                }
            }
            if attached.is_none() {
                sleep(RETRY).await;
            }
        };
        let lost_writes = match self.spec.filesystem {
            Filesystem::Ephemeral => usage::lost_writes(&self.shared, &self.leftovers.container).await,
            Filesystem::ReadOnly { .. } => Vec::new(),
        };
        self.tell(InstanceEvent::Exited(Ended { exit, lost_writes })).await;
    }

    /// Hands over output and events, and carries out orders, until the container's stream ends.
    async fn follow(
        &mut self,
        mut frames: impl futures_util::Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
        orders: &mut mpsc::UnboundedReceiver<Order>,
    ) -> Stop {
        let (shared, container, output) =
            (Arc::clone(&self.shared), self.leftovers.container.clone(), self.output.clone());
        let mut ended = pin!(ended(&shared, &container).fuse());
        let mut located = pin!(locate(&shared, &container, self.spec.port.filter(|_| self.endpoint.is_none())).fuse());
        let mut probed = self.probe();
        let mut waiting: Option<Output> = None;
        let mut drained: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(order) => self.carry_out(order).await,
                    None => return Stop::Dropped,
                },
                permit = output.reserve(), if waiting.is_some() => {
                    // Without a reader the rest is of no use to anybody.
                    if let (Ok(permit), Some(piece)) = (permit, waiting.take()) {
                        permit.send(piece);
                    }
                }
                frame = frames.next(), if waiting.is_none() => {
                    let Some(Ok(frame)) = frame else { return Stop::StreamEnded };
                    waiting = self.take_frame(frame).await;
                    drained = drained.map(|_| Instant::now() + DRAINED);
                }
                endpoint = &mut located => {
                    self.endpoint = endpoint;
                    self.announce().await;
                }
                Some(report) = probed.recv() => self.take_report(report).await,
                () = &mut ended => drained = Some(Instant::now() + DRAINED),
                () = sleep_until(drained.unwrap_or_else(Instant::now)), if drained.is_some() && waiting.is_none() => {
                    return Stop::StreamEnded;
                }
            }
        }
    }

    /// A piece of output, or a report.
    async fn take_frame(&mut self, frame: LogOutput) -> Option<Output> {
        let log = self.spec.console == Console::Log;
        let (stderr, bytes) = match frame {
            LogOutput::StdErr { message } if log && self.has_init => {
                for report in self.reports.take(&message) {
                    self.take_report(report).await;
                }
                return None;
            }
            LogOutput::StdErr { message } => {
                if !self.has_init
                    && let Some(finding) = self.reports.take_of_docker_init(&message)
                {
                    self.tell(InstanceEvent::Finding(finding)).await;
                }
                (!log, message)
            }
            LogOutput::StdOut { message } | LogOutput::Console { message } => (false, message),
            LogOutput::StdIn { .. } => return None,
        };
        Some(Output { stderr, bytes }).filter(|piece| !piece.bytes.is_empty())
    }

    async fn take_report(&mut self, report: Report) {
        match report {
            Report::Listening(listeners) => {
                self.listeners.clone_from(&listeners);
                self.tell(InstanceEvent::Listening(listeners)).await;
                self.announce().await;
            }
            Report::Finding(finding) => self.tell(InstanceEvent::Finding(finding)).await,
            Report::OutOfMemory => self.out_of_memory = true,
            // The engine's own count is asked for.
            Report::Memory(_) => {}
            Report::Processes(list, runnable) => {
                for answer in self.asking.drain(..) {
                    // Whoever asked may have given up.
                    let _ = answer.send((list.clone(), runnable));
                }
            }
        }
    }

    /// Says once that `$PORT` is bound, when it is and we know where to dial.
    async fn announce(&mut self) {
        let bound = reachable(&self.listeners, self.spec.port).is_some();
        let Some(endpoint) = self.endpoint.clone().filter(|_| !self.bound && bound) else {
            return;
        };
        self.bound = true;
        self.tell(InstanceEvent::Bound(endpoint)).await;
    }

    async fn carry_out(&mut self, order: Order) {
        match order {
            Order::Signal(signal) => self.signal(signal).await,
            Order::Processes(answer) => {
                if self.order_init("ps").await {
                    self.asking.push(answer);
                } else {
                    let (shared, container) = (Arc::clone(&self.shared), self.leftovers.container.clone());
                    tokio::spawn(async move { answer.send(usage::top(&shared, &container).await) });
                }
            }
        }
    }

    /// To every process (R5.3): our init does it; SIGKILL to process 1 takes all others along.
    async fn signal(&mut self, signal: Signal) {
        let (word, name) = match signal {
            Signal::Term => ("term", "SIGTERM"),
            Signal::Hup => ("hup", "SIGHUP"),
            Signal::Int => ("int", "SIGINT"),
            Signal::Kill => ("", "SIGKILL"),
        };
        if !word.is_empty() && self.order_init(word).await {
            return;
        }
        let (shared, container, init) = (Arc::clone(&self.shared), self.leftovers.container.clone(), self.has_init);
        tokio::spawn(async move {
            if word.is_empty() || init || !probe::signal_all(&shared, &container, name).await {
                let options = KillContainerOptionsBuilder::new().signal(name).build();
                // Refused when it has ended, which is what was wanted.
                let _ = shared.docker.kill_container(&container, Some(options)).await;
            }
        });
    }

    /// Whether our init was told.
    async fn order_init(&mut self, word: &str) -> bool {
        let Some(init) = &mut self.init else { return false };
        let line = format!("{word}\n");
        let written = async {
            init.write_all(line.as_bytes()).await?;
            init.flush().await
        };
        matches!(timeout(ORDER_TIMEOUT, written).await, Ok(Ok(())))
    }

    /// Reports from outside, for dynos without our init.
    fn probe(&self) -> mpsc::Receiver<Report> {
        let (sink, reports) = mpsc::channel(4);
        // With a terminal our init has no way to report.
        let silent = !self.has_init || self.spec.console != Console::Log;
        if let Some(port) = self.spec.port.filter(|_| silent) {
            let (shared, container) = (Arc::clone(&self.shared), self.leftovers.container.clone());
            tokio::spawn(async move { probe::watch(&shared, &container, port, &sink).await });
        }
        reports
    }

    /// What became of the container whose stream ended. The stream ends a little before the engine has noted the exit.
    async fn fate(&mut self) -> Fate {
        let _ = timeout(EXIT_NOTICE, ended(&self.shared, &self.leftovers.container)).await;
        self.state().await
    }

    /// What the engine says of the container now.
    async fn state(&mut self) -> Fate {
        let container = &self.leftovers.container;
        match self.shared.docker.inspect_container(container, None).await {
            Ok(facts) => {
                let state = facts.state.unwrap_or_default();
                if state.running == Some(true) {
                    return Fate::Running;
                }
                let out_of_memory = self.out_of_memory || state.oom_killed == Some(true);
                let status = if out_of_memory { 137 } else { status(state.exit_code) };
                Fate::Ended(Exit { status, out_of_memory })
            }
            Err(error) if error::is_missing(&error) => {
                Fate::Ended(Exit { status: 137, out_of_memory: self.out_of_memory })
            }
            Err(error) => Fate::NoAnswer(error::words(&error)),
        }
    }

    /// Asks each second until the engine answers; `None` when the owner has given up.
    async fn await_engine(&mut self, orders: &mut mpsc::UnboundedReceiver<Order>) -> Option<Fate> {
        let mut retry = Box::pin(sleep(RETRY));
        loop {
            tokio::select! {
                order = orders.recv() => match order? {
                    Order::Signal(signal) => self.owed = Some(self.owed.filter(|owed| *owed == Signal::Kill).unwrap_or(signal)),
                    Order::Processes(_) => {} // The answer is dropped: there is none.
                },
                () = &mut retry => {
                    match self.state().await {
                        Fate::NoAnswer(_) => retry.as_mut().reset(Instant::now() + RETRY),
                        known => return Some(known),
                    }
                }
            }
        }
    }

    /// An owner that listens no more has no use for it.
    async fn tell(&mut self, event: InstanceEvent) {
        let _ = self.events.send(event).await;
    }
}

/// The status as Heroku shows it; an engine that knows none lost the container.
fn status(code: Option<i64>) -> i32 {
    code.and_then(|code| i32::try_from(code).ok()).unwrap_or(137)
}

/// Where the port can be dialled; never resolves when there is none to locate.
async fn locate(shared: &Shared, container: &str, port: Option<u16>) -> Option<Endpoint> {
    let Some(port) = port else { return std::future::pending().await };
    loop {
        match probe::endpoint(shared, container, port).await {
            Ok(endpoint) => return endpoint,
            Err(_) => sleep(RETRY).await,
        }
    }
}
