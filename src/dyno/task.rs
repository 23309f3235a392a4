//! One tokio task for each dyno: it feeds the machine and does what the machine says.

use super::environment;
use super::explain;
use super::handle::{Attachment, Command, DynoPlan};
use super::hints::WriteHints;
use super::machine::{DynoStatus, Effect, Epoch, Event, Explanation, Machine};
use super::metrics::{self, LoadAverage};
use super::streams::{Forward, Typed, feed, pass_on};
use super::words::LastWords;
use crate::clock::Clock;
use crate::engine::{Console, DynoSpec, EngineError, Instance, InstanceEvent, Output, Usage};
use crate::model::config_vars::{ConfigVars, Origin};
use crate::model::dyno::DynoKind;
use crate::model::limits;
use crate::model::log::Message;
use bytes::Bytes;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// Pieces of output that may wait between engine and log.
const OUTPUT_QUEUE: usize = 64;
/// Events that may wait between engine and task.
const EVENT_QUEUE: usize = 64;
/// How long the engine may take to set a terminal's size; a wrong one is not worth a late signal.
const RESIZE_PATIENCE: Duration = Duration::from_secs(1);
/// How long a list of processes is waited for before an explanation goes without it.
const PROCESS_LIST_PATIENCE: Duration = Duration::from_secs(1);

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

/// See the module.
pub(super) struct Task {
    plan: DynoPlan,
    machine: Machine,
    publish: watch::Sender<DynoStatus>,
    commands: mpsc::UnboundedReceiver<Command>,
    deadlines: BinaryHeap<Reverse<(Instant, Epoch)>>,
    events: Option<mpsc::Receiver<InstanceEvent>>,
    started: Option<Started>,
    /// Standard input, for dynos with a client.
    typed: Typed,
    /// Signals and sizes that came while the dyno was being started.
    waiting: Vec<Command>,
    running: Option<Running>,
    samples: (mpsc::UnboundedSender<Usage>, mpsc::UnboundedReceiver<Usage>),
    load: LoadAverage,
    sampled: Instant,
    metrics_id: String,
    words: LastWords,
}

enum Wake {
    Instance(InstanceEvent),
    Launched(Result<Box<dyn Instance>, EngineError>),
    Command(Command),
    Sample(Usage),
    Deadline(Epoch),
}

impl Task {
    pub(super) fn new(
        plan: DynoPlan,
        machine: Machine,
        publish: watch::Sender<DynoStatus>,
        commands: mpsc::UnboundedReceiver<Command>,
        typed: mpsc::Receiver<Bytes>,
        words: LastWords,
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
            typed: Arc::new(Mutex::new(typed)),
            waiting: Vec::new(),
            running: None,
            samples: mpsc::unbounded_channel(),
            load: LoadAverage::default(),
            sampled: Instant::now(),
            metrics_id,
            words,
        }
    }

    pub(super) async fn run(mut self) {
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
            // Nothing to measure: the one who asks is told by the end of the channel.
            if matches!(command, Command::Measure(_)) {
                return;
            }
            // What a client sends before its dyno runs is not lost; after its end nobody could take it.
            if self.started.is_some() {
                self.waiting.push(command);
            }
            return;
        };
        match command {
            Command::Tell(_) => {}
            Command::Measure(answer) => measure(running, move |usage| {
                // Who asked may have lost patience.
                let _ = answer.send(usage);
            }),
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
        self.words.clear();
        let plan = &self.plan;
        let is_web = plan.kind == DynoKind::Formation && plan.name.process_type.is_web();
        let port = is_web.then(|| plan.engine.port(plan.clock.random(limits::PORTS)));
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
            strict_ports: plan.strict_ports,
            console: match &plan.attachment {
                Attachment::Log => Console::Log,
                Attachment::Client(console, _) | Attachment::Both(console, _) => *console,
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
                let client = match &self.plan.attachment {
                    Attachment::Both(_, client) => Some(client.clone()),
                    Attachment::Log | Attachment::Client(..) => None,
                };
                let forward = Forward {
                    client,
                    logs: self.plan.logs.clone(),
                    name: self.plan.name.clone(),
                    hints: WriteHints::new(self.plan.name.clone(), started.uid, self.plan.filesystem.clone())
                        .with(self.plan.engine.facts().native, self.plan.strict_ports),
                    words: self.words.clone(),
                };
                // The line that says so goes before anything the process prints.
                let instance: Arc<dyn Instance> = Arc::from(instance);
                self.running = Some(Running { instance, forward: tokio::spawn(async {}), feed: None });
                self.step(Event::Launched(started.spec_command, started.port)).await;
                if let Some(running) = &mut self.running {
                    if !matches!(self.plan.attachment, Attachment::Log) {
                        let (instance, typed) = (Arc::clone(&running.instance), Arc::clone(&self.typed));
                        running.feed = Some(tokio::spawn(feed(instance, typed)));
                    }
                    running.forward = match &self.plan.attachment {
                        Attachment::Client(_, client) => tokio::spawn(pass_on(started.output, client.clone())),
                        Attachment::Log | Attachment::Both(..) => tokio::spawn(forward.run(started.output)),
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
        let text =
            explain::text(&self.plan.name, explanation, &processes, &self.words, self.plan.engine.facts().native);
        self.plan.logs.publish(&Message::explain(&self.plan.name, text));
    }

    fn sample(&self) {
        let Some(running) = &self.running else { return };
        let samples = self.samples.0.clone();
        measure(running, move |usage| {
            let _ = samples.send(usage);
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

/// Asks the engine, apart from the task: it may take its time.
fn measure(running: &Running, tell: impl FnOnce(Usage) + Send + 'static) {
    let instance = Arc::clone(&running.instance);
    tokio::spawn(async move {
        if let Some(usage) = instance.usage().await {
            tell(usage);
        }
    });
}

/// What the engine must set: everything but what the image sets itself.
fn given(env: &ConfigVars) -> Vec<(String, String)> {
    env.iter().filter(|(_, var)| var.origin != Origin::Image).map(|(k, v)| (k.to_owned(), v.value.clone())).collect()
}

/// Sixteen random bytes in the shape of a UUID.
pub(super) fn uuid(clock: &Clock) -> String {
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
