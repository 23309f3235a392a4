//! An engine that follows a script of timed acts instead of running anything: for tests of everything above it.
//!
//! The same code drives it as drives Docker; only what is at the process boundary is made up.

mod inside;
mod script;

pub use script::Script;

use super::{
    Archive, BuildPlan, BuildSink, DynoSpec, Ended, Engine, EngineError, EngineFacts, EventSink, Inside, Instance,
    InstanceEvent, Listener, Output, OutputSink, Patch, ProcessFacts, RunIdentity, Signal, Swept, Usage,
};
use crate::model::dyno::{DynoName, Exit};
use crate::model::endpoint::Endpoint;
use crate::model::image::{ImageFacts, ImageId};
use crate::model::process_type::ProcessType;
use crate::registry::Login;
use async_trait::async_trait;
use bytes::Bytes;
use script::{Act, Term};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

/// What a test may ask about afterwards.
#[derive(Debug, Default)]
pub struct Record {
    /// Every launch, in order.
    pub launches: Vec<DynoSpec>,
    /// Every signal, in order.
    pub signals: Vec<(DynoName, Signal)>,
    /// Every build, in order.
    pub builds: Vec<BuildPlan>,
    /// Every command inside a running dyno, in order: the dyno and the words.
    pub execs: Vec<(String, Vec<String>)>,
    /// Every patch, in order.
    pub patches: Vec<Patch>,
    /// Every export, in order.
    pub exports: Vec<ImageId>,
    /// Names that were given: `repository:tag`.
    pub tags: BTreeMap<String, ImageId>,
    /// Sweeps.
    pub sweeps: usize,
    /// Dynos running now.
    pub running: Vec<DynoName>,
}

#[derive(Default)]
struct State {
    record: Record,
    scripts: BTreeMap<ProcessType, VecDeque<Script>>,
    images: BTreeMap<String, ImageFacts>,
    /// Images that a test gave: their builds always make those.
    given: BTreeSet<String>,
    /// What exports are made of, by image.
    archives: BTreeMap<String, Bytes>,
    build_errors: VecDeque<EngineError>,
    patch_errors: VecDeque<EngineError>,
    build_time: Duration,
}

/// The scripted engine; clone it to keep a hand on it.
#[derive(Clone, Default)]
pub struct FakeEngine {
    facts: EngineFacts,
    state: Arc<Mutex<State>>,
}

impl FakeEngine {
    /// An engine whose dynos do nothing, with images that have a shell and the command `serve`.
    pub fn new() -> Self {
        let facts = EngineFacts {
            product: "Fake".into(),
            version: "1".into(),
            local: true,
            platform: "linux/amd64".into(),
            ..EngineFacts::default()
        };
        Self { facts, state: Arc::default() }
    }

    /// The next launch of the type follows this script; the last script given repeats for all launches after it.
    #[must_use]
    pub fn script(self, process_type: &str, script: Script) -> Self {
        if let Ok(name) = ProcessType::new(process_type) {
            self.lock().scripts.entry(name).or_default().push_back(script);
        }
        self
    }

    /// The image that the build of this repository's last part (`web`) makes.
    #[must_use]
    pub fn image(self, process_type: &str, facts: ImageFacts) -> Self {
        let mut state = self.lock();
        state.given.insert(process_type.to_owned());
        state.images.insert(process_type.to_owned(), facts);
        drop(state);
        self
    }

    /// What the export of an image is.
    #[must_use]
    pub fn archive(self, image: &str, archive: impl Into<Bytes>) -> Self {
        self.lock().archives.insert(image.to_owned(), archive.into());
        self
    }

    /// The next build fails.
    #[must_use]
    pub fn build_fails(self, error: EngineError) -> Self {
        self.lock().build_errors.push_back(error);
        self
    }

    /// Builds take this long from now on.
    pub fn builds_take(&self, time: Duration) {
        self.lock().build_time = time;
    }

    /// The next build fails, also when the engine is at work already.
    pub fn next_build_fails(&self, error: EngineError) {
        self.lock().build_errors.push_back(error);
    }

    /// The next patch cannot be made.
    pub fn next_patch_fails(&self, error: EngineError) {
        self.lock().patch_errors.push_back(error);
    }

    /// Reads the record.
    pub fn record<T>(&self, read: impl FnOnce(&Record) -> T) -> T {
        read(&self.lock().record)
    }

    /// A way into a dyno, whether it runs or not.
    pub fn inside(&self, dyno: &str) -> Box<dyn Inside> {
        Box::new(inside::FakeInside::new(self, dyno))
    }

    fn forget(&self, name: &DynoName) {
        let running = &mut self.lock().record.running;
        if let Some(place) = running.iter().position(|n| n == name) {
            running.remove(place);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An image as most are: a shell, `/app`, exec-form `CMD ["serve"]`.
pub fn usual_image(id: &str) -> ImageFacts {
    ImageFacts {
        id: format!("sha256:{id:0<64}"),
        cmd: vec!["serve".into()],
        workdir: "/app".into(),
        architecture: "amd64".into(),
        os: "linux".into(),
        layers: 3,
        files: crate::model::image::ImageFiles {
            has_app_dir: true,
            has_shell: true,
            tmp_mode: Some(0o1777),
            ..Default::default()
        },
        ..ImageFacts::default()
    }
}

fn absent(doing: &str, image: &ImageId) -> EngineError {
    EngineError::Operation { doing: format!("{doing} {}", image.0), reason: "there is no such image".into() }
}

#[async_trait]
impl Engine for FakeEngine {
    fn facts(&self) -> &EngineFacts {
        &self.facts
    }

    async fn build(&self, plan: &BuildPlan, _progress: &BuildSink) -> Result<ImageId, EngineError> {
        let time = {
            let mut state = self.lock();
            state.record.builds.push(plan.clone());
            state.build_time
        };
        if !time.is_zero() {
            sleep(time).await;
        }
        let mut state = self.lock();
        if let Some(error) = state.build_errors.pop_front() {
            return Err(error);
        }
        let key = plan.repository.rsplit('/').next().unwrap_or_default().to_owned();
        let hex: String = key.bytes().map(|b| char::from(b'a' + b % 6)).collect();
        if state.given.contains(&key) {
            return Ok(ImageId(state.images[&key].id.clone()));
        }
        // What is built again is another image.
        let again = state.record.builds.iter().filter(|before| before.repository == plan.repository).count();
        let facts = usual_image(&if again > 1 { format!("{hex}{again:x}") } else { hex });
        let id = ImageId(facts.id.clone());
        state.images.insert(if again > 1 { format!("{key} {again}") } else { key }, facts);
        Ok(id)
    }

    async fn patch(&self, patch: &Patch) -> Result<ImageFacts, EngineError> {
        let mut state = self.lock();
        if let Some(error) = state.patch_errors.pop_front() {
            return Err(error);
        }
        state.record.patches.push(patch.clone());
        let number = state.record.patches.len();
        let facts = ImageFacts { id: format!("sha256:{number:0>64}"), ..patch.base.clone() };
        state.images.insert(format!("patch {number}"), facts.clone());
        Ok(facts)
    }

    async fn expect_patch(&self, _base: &ImageFacts, _folders: &[String]) {}

    async fn inspect(&self, image: &ImageId) -> Result<Option<ImageFacts>, EngineError> {
        Ok(self.lock().images.values().find(|facts| facts.id == image.0).cloned())
    }

    async fn export(&self, image: &ImageId) -> Result<Archive, EngineError> {
        let archive = self.lock().archives.get(&image.0).cloned();
        let archive = archive.ok_or_else(|| absent("exporting", image))?;
        self.lock().record.exports.push(image.clone());
        Ok(Box::pin(futures_util::stream::iter([Ok(archive)])))
    }

    async fn tag(&self, image: &ImageId, repository: &str, tag: &str) -> Result<(), EngineError> {
        if self.inspect(image).await?.is_none() {
            return Err(absent("tagging", image));
        }
        self.lock().record.tags.insert(format!("{repository}:{tag}"), image.clone());
        Ok(())
    }

    async fn pull(&self, repository: &str, tag: &str, _login: Option<&Login>) -> Result<ImageId, EngineError> {
        let found = self.lock().record.tags.get(&format!("{repository}:{tag}")).cloned();
        found.ok_or_else(|| absent("pulling", &ImageId(format!("{repository}:{tag}"))))
    }

    async fn open_run(&self, _run: &RunIdentity) -> Result<(), EngineError> {
        Ok(())
    }

    async fn launch(
        &self,
        spec: DynoSpec,
        events: EventSink,
        output: OutputSink,
    ) -> Result<Box<dyn Instance>, EngineError> {
        let script = {
            let mut state = self.lock();
            let scripts = state.scripts.entry(spec.name.process_type.clone()).or_default();
            let script = if scripts.len() > 1 { scripts.pop_front() } else { scripts.front().cloned() };
            state.record.launches.push(spec.clone());
            let script = script.unwrap_or_default();
            if script.refuse.is_none() {
                state.record.running.push(spec.name.clone());
            }
            script
        };
        if let Some(reason) = script.refuse {
            return Err(EngineError::Operation { doing: format!("start {}", spec.name), reason });
        }
        let (signals, received) = mpsc::unbounded_channel();
        let usage = Arc::new(Mutex::new(script.usage));
        let player = Player {
            engine: self.clone(),
            spec: spec.clone(),
            events,
            output,
            listeners: Vec::new(),
            usage: Arc::clone(&usage),
        };
        tokio::spawn(player.play(script, received));
        Ok(Box::new(FakeInstance { engine: self.clone(), name: spec.name, signals, usage }))
    }

    async fn dynos(&self, _identity: &str) -> Result<Vec<String>, EngineError> {
        Ok(self.record(|record| record.running.iter().map(DynoName::to_string).collect()))
    }

    async fn enter(&self, identity: &str, dyno: &str) -> Result<Option<Box<dyn Inside>>, EngineError> {
        let runs = self.dynos(identity).await?.iter().any(|name| name == dyno);
        Ok(runs.then(|| self.inside(dyno)))
    }

    async fn sweep(&self, _identity: &str, _live: &[String]) -> Result<Swept, EngineError> {
        self.lock().record.sweeps += 1;
        Ok(Swept::default())
    }

    async fn prune_images(&self, _repository: &str, _keep: &[ImageId]) -> Result<usize, EngineError> {
        Ok(0)
    }
}

struct Player {
    engine: FakeEngine,
    spec: DynoSpec,
    events: EventSink,
    output: OutputSink,
    listeners: Vec<Listener>,
    usage: Arc<Mutex<Usage>>,
}

impl Player {
    async fn play(mut self, script: Script, mut signals: mpsc::UnboundedReceiver<Signal>) {
        let start = Instant::now();
        let mut acts: VecDeque<(Instant, Act)> =
            script.acts.into_iter().map(|(after, act)| (start + after, act)).collect();
        let ended = loop {
            let next = acts.front().map(|(at, _)| *at);
            let due = async move {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                signal = signals.recv() => match (signal, script.term) {
                    (Some(Signal::Kill) | None, _) => break status(137),
                    (Some(_), Term::Exit(code, after)) => {
                        acts.retain(|(_, act)| !matches!(act, Act::Exit(_)));
                        let at = Instant::now() + after;
                        let place = acts.iter().position(|(when, _)| *when > at).unwrap_or(acts.len());
                        acts.insert(place, (at, Act::Exit(status(code))));
                    }
                    (Some(_), Term::Ignore) => {}
                },
                () = due => {
                    if let Some((_, act)) = acts.pop_front()
                        && let Some(ended) = self.perform(act).await
                    {
                        break ended;
                    }
                }
            }
        };
        drop(self.output);
        self.engine.forget(&self.spec.name);
        let _ = self.events.send(InstanceEvent::Exited(ended)).await;
    }

    async fn perform(&mut self, act: Act) -> Option<Ended> {
        let port = self.spec.port.unwrap_or(0);
        let event = match act {
            Act::Exit(ended) => return Some(ended),
            Act::Print(bytes) => {
                let _ = self.output.send(Output { stderr: false, bytes }).await;
                return None;
            }
            Act::Use(usage) => {
                *self.usage.lock().unwrap_or_else(PoisonError::into_inner) = usage;
                return None;
            }
            Act::Listen(address, wanted, process) => {
                let port = if wanted == 0 { port } else { wanted };
                let address = address.parse().unwrap_or(IpAddr::from([0, 0, 0, 0]));
                self.listeners.push(Listener { address, port, process: Some((7, process.to_owned())) });
                InstanceEvent::Listening(self.listeners.clone())
            }
            Act::Bind => InstanceEvent::Bound(Endpoint(SocketAddr::from(([127, 0, 0, 1], port)))),
            Act::Find(finding) => InstanceEvent::Finding(finding),
            Act::Lost => InstanceEvent::Lost("connection refused".into()),
            Act::Found => InstanceEvent::Found,
        };
        let _ = self.events.send(event).await;
        None
    }
}

fn status(status: i32) -> Ended {
    Ended { exit: Exit { status, out_of_memory: false }, lost_writes: Vec::new() }
}

struct FakeInstance {
    engine: FakeEngine,
    name: DynoName,
    signals: mpsc::UnboundedSender<Signal>,
    usage: Arc<Mutex<Usage>>,
}

#[async_trait]
impl Instance for FakeInstance {
    fn signal(&self, signal: Signal) {
        self.engine.lock().record.signals.push((self.name.clone(), signal));
        let _ = self.signals.send(signal);
    }

    async fn usage(&self) -> Option<Usage> {
        Some(*self.usage.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn processes(&self) -> Vec<ProcessFacts> {
        vec![ProcessFacts { pid: 7, name: "serve".into(), command: "serve --now".into(), rss: 1 << 20 }]
    }

    /// A scripted dyno reads nothing: whoever writes to it waits.
    async fn input(&self, _bytes: Bytes) {
        std::future::pending::<()>().await;
    }

    async fn resize(&self, _columns: u16, _rows: u16) {}
}
