//! One tokio task for each dyno: it feeds the machine and does what the machine says.

use super::environment::{self, Metadata};
use super::explain;
use super::hints::WriteHints;
use super::machine::{DynoStatus, Effect, Epoch, Event, Explanation, Machine, StopKind};
use super::metrics::{self, LoadAverage};
use crate::clock::Clock;
use crate::engine::{
    Console, DynoSpec, Engine, EngineError, Filesystem, Instance, InstanceEvent, Output, RunIdentity, Signal, Usage,
};
use crate::logs::Logs;
use crate::model::config_vars::{ConfigVars, Origin};
use crate::model::dyno::{DynoKind, DynoName, DynoSize};
use crate::model::image::ImageFacts;
use crate::model::launch::Launch;
use crate::model::limits;
use crate::model::log::Message;
use crate::model::timeouts::Timeouts;
use bytes::Bytes;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// Pieces of output that may wait between engine and log.
const OUTPUT_QUEUE: usize = 64;
/// Events that may wait between engine and task.
const EVENT_QUEUE: usize = 64;
/// Pieces of input that may wait for a dyno to read them.
const INPUT_QUEUE: usize = 16;
/// How long the engine may take to set a terminal's size; a wrong one is not worth a late signal.
const RESIZE_PATIENCE: Duration = Duration::from_secs(1);
/// How long a list of processes is waited for before an explanation goes without it.
const PROCESS_LIST_PATIENCE: Duration = Duration::from_secs(1);

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
}

/// What a handle may ask of a task.
enum Command {
    Tell(Event),
    Signal(Signal),
    Resize(u16, u16),
}

/// A handle on a dyno. Dropping the last one does not stop it; [`Dyno::stop`] does.
pub struct Dyno {
    /// Its name.
    pub name: DynoName,
    commands: mpsc::UnboundedSender<Command>,
    stdin: mpsc::Sender<Bytes>,
    status: watch::Receiver<DynoStatus>,
    task: JoinHandle<()>,
}

impl Dyno {
    /// Starts one.
    pub fn start(plan: DynoPlan) -> Self {
        let name = plan.name.clone();
        let (commands, received) = mpsc::unbounded_channel();
        let (stdin, typed) = mpsc::channel(INPUT_QUEUE);
        let machine = Machine::new(plan.kind, plan.size, plan.timeouts.clone(), Instant::now());
        let (publish, status) = watch::channel(machine.status());
        let task = tokio::spawn(Task::new(plan, machine, publish, received, typed).run());
        Self { name, commands, stdin, status, task }
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

    /// Waits until it has ended for good.
    pub async fn ended(self) {
        let _ = self.task.await;
    }
}

type Launching = JoinHandle<Result<Box<dyn Instance>, EngineError>>;

struct Running {
    instance: Arc<dyn Instance>,
    forward: JoinHandle<()>,
    /// Carries standard input; apart from the task, which a dyno that does not read must not hold up.
    feed: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(feed) = self.feed.take() {
            feed.abort();
        }
    }
}

struct Started {
    spec_command: String,
    port: Option<u16>,
    uid: u32,
    output: mpsc::Receiver<Output>,
    launching: Launching,
}

struct Task {
    plan: DynoPlan,
    machine: Machine,
    publish: watch::Sender<DynoStatus>,
    commands: mpsc::UnboundedReceiver<Command>,
    deadlines: BinaryHeap<Reverse<(Instant, Epoch)>>,
    events: Option<mpsc::Receiver<InstanceEvent>>,
    started: Option<Started>,
    /// Standard input, until a client's dyno takes it.
    typed: Option<mpsc::Receiver<Bytes>>,
    /// Signals and sizes that came while the dyno was being started.
    waiting: Vec<Command>,
    running: Option<Running>,
    samples: (mpsc::UnboundedSender<Usage>, mpsc::UnboundedReceiver<Usage>),
    load: LoadAverage,
    sampled: Instant,
    metrics_id: String,
}

enum Wake {
    Instance(InstanceEvent),
    Launched(Result<Box<dyn Instance>, EngineError>),
    Command(Command),
    Sample(Usage),
    Deadline(Epoch),
}

impl Task {
    fn new(
        plan: DynoPlan,
        machine: Machine,
        publish: watch::Sender<DynoStatus>,
        commands: mpsc::UnboundedReceiver<Command>,
        typed: mpsc::Receiver<Bytes>,
    ) -> Self {
        let metrics_id = format!("heroku.{}.{}", plan.clock.random(1_000_000..=99_999_999), uuid(&plan.clock));
        Self {
            plan,
            machine,
            publish,
            commands,
            deadlines: BinaryHeap::new(),
            events: None,
            started: None,
            typed: Some(typed),
            waiting: Vec::new(),
            running: None,
            samples: mpsc::unbounded_channel(),
            load: LoadAverage::default(),
            sampled: Instant::now(),
            metrics_id,
        }
    }

    async fn run(mut self) {
        self.step(Event::Start).await;
        while !self.machine.status().ended {
            match self.wake().await {
                Wake::Instance(InstanceEvent::Exited(ended)) => {
                    // All output was handed over before this event; let it reach the log before the line that ends it.
                    if let Some(mut running) = self.running.take() {
                        let _ = (&mut running.forward).await;
                    }
                    self.events = None;
                    self.step(Event::Exited(ended)).await;
                }
                Wake::Instance(event) => self.step(of_instance(event)).await,
                Wake::Launched(result) => self.launched(result).await,
                Wake::Command(command) => self.obey(command).await,
                Wake::Sample(usage) => self.sampled(usage).await,
                Wake::Deadline(epoch) => self.step(Event::Deadline(epoch)).await,
            }
        }
        // Given up while it was being started: an engine that still gets to it shall not leave it running.
        if let Some(started) = self.started.take() {
            started.launching.abort();
        }
    }

    /// The next thing that happens. What the engine saw goes before what somebody asks for.
    async fn wake(&mut self) -> Wake {
        let next = self.deadlines.peek().map(|Reverse((at, _))| *at);
        let running = self.running.is_some();
        tokio::select! {
            biased;
            event = next_event(&mut self.events), if running => Wake::Instance(event),
            result = launch_result(&mut self.started), if self.started.is_some() => Wake::Launched(result),
            Some(command) = self.commands.recv() => Wake::Command(command),
            Some(usage) = self.samples.1.recv() => Wake::Sample(usage),
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                let epoch = self.deadlines.pop().map(|Reverse((_, epoch))| epoch);
                Wake::Deadline(epoch.unwrap_or(Epoch::NONE))
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        if let Command::Tell(event) = command {
            return self.step(event).await;
        }
        let Some(running) = &self.running else {
            // What a client sends before its dyno runs is not lost; after its end nobody could take it.
            if self.started.is_some() {
                self.waiting.push(command);
            }
            return;
        };
        match command {
            Command::Tell(_) => {}
            Command::Signal(signal) => running.instance.signal(signal),
            Command::Resize(columns, rows) => {
                let _ = timeout(RESIZE_PATIENCE, running.instance.resize(columns, rows)).await;
            }
        }
    }

    async fn step(&mut self, event: Event) {
        for effect in self.machine.on(event, Instant::now()) {
            self.perform(effect).await;
        }
    }

    async fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Launch => self.launch(),
            Effect::Signal(signal) => {
                if let Some(running) = &self.running {
                    running.instance.signal(signal);
                }
            }
            Effect::Arm(epoch, at) => self.deadlines.push(Reverse((at, epoch))),
            Effect::Say(text) => self.plan.logs.publish(&Message::heroku(&self.plan.name, text)),
            Effect::Explain(explanation) => self.explain(&explanation).await,
            Effect::Sample => self.sample(),
            Effect::Publish(status) => {
                self.publish.send_replace(status);
            }
        }
    }

    fn launch(&mut self) {
        let plan = &self.plan;
        let is_web = plan.kind == DynoKind::Formation && plan.name.process_type.is_web();
        let port = is_web.then(|| plan.clock.random(limits::PORTS));
        let uid = plan.clock.random(limits::UIDS);
        let env = environment::of(&plan.image, &plan.config, plan.metadata.as_ref(), &plan.name, port);
        let spec = DynoSpec {
            run: plan.run.clone(),
            name: plan.name.clone(),
            kind: plan.kind,
            image: (*plan.image).clone(),
            argv: plan.launch.argv.iter().map(|word| word.text.clone()).collect(),
            env: given(&env),
            uid,
            size: plan.size,
            filesystem: plan.filesystem.clone(),
            port,
            console: match &plan.attachment {
                Attachment::Log => Console::Log,
                Attachment::Client(console, _) => *console,
            },
        };
        let (events, received) = mpsc::channel(EVENT_QUEUE);
        let (output, printed) = mpsc::channel(OUTPUT_QUEUE);
        let engine = Arc::clone(&plan.engine);
        let launching = tokio::spawn(async move { engine.launch(spec, events, output).await });
        self.events = Some(received);
        let spec_command = plan.launch.log_command(|name| env.get(name).map(|var| var.value.as_str()));
        self.started = Some(Started { spec_command, port, uid, output: printed, launching });
    }

    async fn launched(&mut self, result: Result<Box<dyn Instance>, EngineError>) {
        let Some(started) = self.started.take() else { return };
        match result {
            Ok(instance) => {
                let forward = Forward {
                    logs: self.plan.logs.clone(),
                    name: self.plan.name.clone(),
                    hints: WriteHints::new(self.plan.name.clone(), started.uid, self.plan.filesystem.clone()),
                };
                // The line that says so goes before anything the process prints.
                let instance: Arc<dyn Instance> = Arc::from(instance);
                self.running = Some(Running { instance, forward: tokio::spawn(async {}), feed: None });
                self.step(Event::Launched(started.spec_command, started.port)).await;
                if let Some(running) = &mut self.running {
                    running.forward = match &self.plan.attachment {
                        Attachment::Log => tokio::spawn(forward.run(started.output)),
                        Attachment::Client(_, client) => {
                            let instance = Arc::clone(&running.instance);
                            running.feed = self.typed.take().map(|typed| tokio::spawn(feed(instance, typed)));
                            tokio::spawn(pass_on(started.output, client.clone()))
                        }
                    };
                }
                for command in std::mem::take(&mut self.waiting) {
                    self.obey(command).await;
                }
            }
            Err(error) => {
                self.events = None;
                self.step(Event::LaunchFailed(error.to_string())).await;
            }
        }
    }

    async fn explain(&mut self, explanation: &Explanation) {
        let wants_processes = matches!(
            explanation,
            Explanation::Survivors(_) | Explanation::Memory { .. } | Explanation::NoListener { .. }
        );
        let processes = match &self.running {
            Some(running) if wants_processes => {
                timeout(PROCESS_LIST_PATIENCE, running.instance.processes()).await.unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let text = explain::text(&self.plan.name, explanation, &processes);
        self.plan.logs.publish(&Message::explain(&self.plan.name, text));
    }

    fn sample(&self) {
        let Some(running) = &self.running else { return };
        let (instance, samples) = (Arc::clone(&running.instance), self.samples.0.clone());
        tokio::spawn(async move {
            if let Some(usage) = instance.usage().await {
                let _ = samples.send(usage);
            }
        });
    }

    async fn sampled(&mut self, usage: Usage) {
        if self.plan.runtime_metrics && self.running.is_some() {
            self.load.sample(usage.runnable, self.sampled.elapsed());
            self.sampled = Instant::now();
            for line in metrics::lines(&self.plan.name, &self.metrics_id, self.load, usage, self.plan.size.quota) {
                self.plan.logs.publish(&Message::heroku(&self.plan.name, line));
            }
        }
        self.step(Event::Sample(usage)).await;
    }
}

/// Carries output to the log, reading along for refused writes.
struct Forward {
    logs: Logs,
    name: DynoName,
    hints: WriteHints,
}

impl Forward {
    async fn run(mut self, mut output: mpsc::Receiver<Output>) {
        let mut lines = self.logs.lines_of(&self.name);
        while let Some(piece) = output.recv().await {
            lines.push(&piece.bytes).await;
            for hint in self.hints.read(&piece.bytes) {
                self.logs.publish(&Message::explain(&self.name, hint));
            }
        }
        lines.finish();
    }
}

async fn feed(instance: Arc<dyn Instance>, mut typed: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = typed.recv().await {
        instance.input(bytes).await;
    }
}

async fn pass_on(mut output: mpsc::Receiver<Output>, client: mpsc::Sender<Output>) {
    while let Some(piece) = output.recv().await {
        // A client that went away does not stop the dyno from printing.
        let _ = client.send(piece).await;
    }
}

/// What the engine must set: everything but what the image sets itself.
pub fn given(env: &ConfigVars) -> Vec<(String, String)> {
    env.iter().filter(|(_, var)| var.origin != Origin::Image).map(|(k, v)| (k.to_owned(), v.value.clone())).collect()
}

/// Sixteen random bytes in the shape of a UUID.
pub fn uuid(clock: &Clock) -> String {
    let hex = clock.random_hex(32);
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

async fn next_event(events: &mut Option<mpsc::Receiver<InstanceEvent>>) -> InstanceEvent {
    match events {
        // An engine that drops its end without a word has lost the dyno: treat it as killed.
        Some(events) => events.recv().await.unwrap_or_else(|| InstanceEvent::Exited(killed())),
        None => std::future::pending().await,
    }
}

fn killed() -> crate::engine::Ended {
    crate::engine::Ended {
        exit: crate::model::dyno::Exit { status: 137, out_of_memory: false },
        lost_writes: Vec::new(),
    }
}

async fn launch_result(started: &mut Option<Started>) -> Result<Box<dyn Instance>, EngineError> {
    match started {
        Some(started) => (&mut started.launching).await.unwrap_or_else(|error| {
            Err(EngineError::Operation { doing: "start the dyno".into(), reason: error.to_string() })
        }),
        None => std::future::pending().await,
    }
}

fn of_instance(event: InstanceEvent) -> Event {
    match event {
        InstanceEvent::Listening(listeners) => Event::Listening(listeners),
        InstanceEvent::Bound(endpoint) => Event::Bound(endpoint),
        InstanceEvent::Finding(finding) => Event::Finding(finding),
        InstanceEvent::Lost(reason) => Event::EngineLost(reason),
        InstanceEvent::Found => Event::EngineFound,
        InstanceEvent::Exited(ended) => Event::Exited(ended),
    }
}
