//! What several integration tests need: a reachable engine, small images, a dyno on it.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a helper that fails fails its test")]

use bytes::Bytes;
use dynosim::engine::docker::{DockerEngine, find};
use dynosim::engine::{
    BuildEvent, BuildPlan, Console, DynoSpec, Ended, Engine, EngineError, Filesystem, Instance, InstanceEvent, Output,
    ProcessFacts, RunIdentity,
};
use dynosim::model::dyno::{DynoKind, DynoName, DynoSize};
use dynosim::model::image::{ImageFacts, ImageId};
use dynosim::model::process_type::ProcessType;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::time::{Instant, sleep, timeout};

/// Nothing in these tests takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Tests that use the engine at the same time: more would measure only one another.
static TURNS: Semaphore = Semaphore::const_new(4);

/// The engine of this machine, with a private folder that lives as long.
pub(crate) struct Bench {
    pub(crate) engine: DockerEngine,
    pub(crate) run: RunIdentity,
    closed: bool,
    _files: TempDir,
    _turn: SemaphorePermit<'static>,
}

/// The engine, or `None` with a word on why the test proves nothing here.
pub(crate) async fn engine() -> Option<Bench> {
    engine_with(&[]).await
}

/// The same with more variables in the environment.
pub(crate) async fn engine_with(more: &[(&str, &str)]) -> Option<Bench> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let turn = TURNS.acquire().await.unwrap();
    let files = tempfile::tempdir().unwrap();
    let name = std::thread::current().name().unwrap_or("test").to_owned();
    let env = |wanted: &str| {
        let given = more.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned());
        given.or_else(|| std::env::var(wanted).ok())
    };
    match find(None, &env, files.path()).await {
        Ok(engine) => {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let identity = format!("{:06x}{count:06x}", std::process::id() & 0x00ff_ffff);
            let run = RunIdentity { app: "it".into(), identity, run: "r1".into() };
            Some(Bench { engine, run, closed: false, _files: files, _turn: turn })
        }
        Err(EngineError::Unreachable { tried }) => {
            skip(&name, &tried);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Says that a test proves nothing here, past the harness that swallows what passing tests print. Where an engine is
/// required, as in CI, a skipped test is a failed one.
fn skip(name: &str, tried: &[String]) {
    static SKIPPED: AtomicU64 = AtomicU64::new(0);
    assert!(
        std::env::var_os("DYNOSIM_REQUIRE_ENGINE").is_none(),
        "{name}: an engine is required: {}",
        tried.join("; ")
    );
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    let _ = writeln!(std::io::stderr(), "skipped, no engine answers: {name} ({count} skipped so far)");
}

/// Says that a test proves nothing here, for the lack of a program.
pub(crate) fn not_installed(test: &str, program: &str) {
    let _ = writeln!(std::io::stderr(), "skipped, {program} is not installed: {test}");
}

/// Whether an engine answers, for tests that drive the command itself.
pub(crate) fn engine_answers() -> bool {
    static TRIED: OnceLock<Option<Vec<String>>> = OnceLock::new();
    let tried = TRIED.get_or_init(|| {
        let asked = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let files = tempfile::tempdir().unwrap();
            let env = |name: &str| std::env::var(name).ok();
            match runtime.block_on(find(None, &env, files.path())) {
                Ok(_) => None,
                Err(EngineError::Unreachable { tried }) => Some(tried),
                Err(error) => panic!("{error}"),
            }
        });
        asked.join().unwrap()
    });
    if let Some(tried) = tried {
        skip(std::thread::current().name().unwrap_or("test"), tried);
    }
    tried.is_none()
}

/// Leaves the test when no engine answers; for tests that drive the command itself.
macro_rules! engine_or_skip {
    () => {
        if !$crate::support::engine_answers() {
            return;
        }
    };
}
pub(crate) use engine_or_skip;

/// Leaves the test when no engine answers.
#[macro_export]
macro_rules! engine {
    () => {
        match $crate::support::engine().await {
            Some(bench) => bench,
            None => return,
        }
    };
}

impl Bench {
    /// A plan for a context of these files; the first is the Dockerfile.
    pub(crate) fn plan(&self, folder: &Path, files: &[(&str, &str)]) -> BuildPlan {
        for (name, text) in files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        BuildPlan {
            label: "web".into(),
            repository: format!("dynosim/it-{}/web", self.run.identity),
            dockerfile: folder.join(files[0].0),
            context: folder.to_owned(),
            target: None,
            args: BTreeMap::new(),
            platform: self.engine.facts().platform.clone(),
            no_cache: false,
            native: None,
        }
    }

    pub(crate) async fn try_build(&self, plan: &BuildPlan) -> (Result<ImageId, EngineError>, Vec<BuildEvent>) {
        let (sink, mut events) = mpsc::unbounded_channel();
        let built = timeout(PATIENCE, self.engine.build(plan, &sink)).await.unwrap();
        drop(sink);
        let mut all = Vec::new();
        while let Some(event) = events.recv().await {
            all.push(event);
        }
        (built, all)
    }

    /// Builds an image and asks what it is.
    pub(crate) async fn image(&self, files: &[(&str, &str)]) -> ImageFacts {
        let folder = tempfile::tempdir().unwrap();
        let built = self.try_build(&self.plan(folder.path(), files)).await.0;
        let id = built.unwrap_or_else(|error| panic!("{error:?}"));
        self.engine.inspect(&id).await.unwrap().unwrap()
    }

    /// An image on busybox with these lines after `FROM`.
    pub(crate) async fn busybox(&self, lines: &str) -> ImageFacts {
        self.image(&[("Dockerfile", &format!("FROM busybox\n{lines}\n"))]).await
    }

    pub(crate) fn spec(&self, image: &ImageFacts, argv: &[&str]) -> DynoSpec {
        DynoSpec {
            run: self.run.clone(),
            name: DynoName::new(ProcessType::web(), 1),
            kind: DynoKind::Formation,
            image: image.clone(),
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            env: vec![("DYNO".into(), "web.1".into())],
            uid: 23_456,
            size: DynoSize::BASIC,
            filesystem: Filesystem::ReadOnly { writable: Vec::new() },
            port: None,
            strict_ports: false,
            console: Console::Log,
        }
    }

    pub(crate) fn sh(&self, image: &ImageFacts, script: &str) -> DynoSpec {
        self.spec(image, &["/bin/sh", "-c", script])
    }

    pub(crate) async fn launch(&self, spec: DynoSpec) -> Dyno {
        self.engine.open_run(&self.run).await.unwrap();
        let (events_tx, events) = mpsc::channel(64);
        let (output_tx, output) = mpsc::channel(64);
        let instance = self.engine.launch(spec, events_tx, output_tx).await.unwrap_or_else(|e| panic!("{e:?}"));
        Dyno { instance, events, output, printed: Vec::new(), errors: Vec::new() }
    }

    /// Runs a dyno to its end: output and end.
    pub(crate) async fn run(&self, spec: DynoSpec) -> (String, Ended) {
        let mut dyno = self.launch(spec).await;
        let ended = dyno.ended().await;
        (dyno.text(), ended)
    }

    /// Removes whatever the test made.
    pub(crate) async fn close(mut self) {
        self.closed = true;
        clean(&self.engine, &self.run.identity).await;
    }
}

async fn clean(engine: &DockerEngine, identity: &str) {
    engine.sweep(identity, &[]).await.unwrap();
    engine.prune_images(&format!("dynosim/it-{identity}"), &[]).await.unwrap();
}

/// A test that failed leaves nothing behind either.
impl Drop for Bench {
    fn drop(&mut self) {
        if !self.closed {
            let (engine, identity) = (self.engine.clone(), self.run.identity.clone());
            let cleaned = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(clean(&engine, &identity));
            });
            let _ = cleaned.join();
        }
    }
}

/// A dyno and what it has said so far.
pub(crate) struct Dyno {
    pub(crate) instance: Box<dyn Instance>,
    pub(crate) events: mpsc::Receiver<InstanceEvent>,
    pub(crate) output: mpsc::Receiver<Output>,
    pub(crate) printed: Vec<u8>,
    pub(crate) errors: Vec<u8>,
}

impl Dyno {
    /// The next event that `pick` wants; the others are passed over.
    pub(crate) async fn event<T>(&mut self, what: &str, mut pick: impl FnMut(&InstanceEvent) -> Option<T>) -> T {
        let found = timeout(PATIENCE, async {
            loop {
                tokio::select! {
                    Some(piece) = self.output.recv() => keep(&mut self.printed, &mut self.errors, &piece),
                    event = self.events.recv() => {
                        let event = event.unwrap_or_else(|| panic!("no more events while waiting for {what}"));
                        if let Some(found) = pick(&event) {
                            return found;
                        }
                        assert!(!matches!(event, InstanceEvent::Exited(_)), "{event:?} while waiting for {what}");
                    }
                }
            }
        });
        let found = found.await;
        found.unwrap_or_else(|_| panic!("no {what} in time; printed: {}", self.text()))
    }

    pub(crate) async fn ended(&mut self) -> Ended {
        let pick = |event: &InstanceEvent| match event {
            InstanceEvent::Exited(ended) => Some(ended.clone()),
            _ => None,
        };
        let ended = self.event("exit", pick).await;
        while let Some(piece) = self.output.recv().await {
            keep(&mut self.printed, &mut self.errors, &piece);
        }
        ended
    }

    /// Waits until the dyno has printed this.
    pub(crate) async fn prints(&mut self, text: &str) {
        let seen = timeout(PATIENCE, async {
            while !self.text().contains(text) {
                match self.output.recv().await {
                    Some(piece) => keep(&mut self.printed, &mut self.errors, &piece),
                    None => break,
                }
            }
        });
        let _ = seen.await;
        assert!(self.text().contains(text), "expected {text:?} in {:?}", self.text());
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.printed).into_owned()
    }

    /// The dyno's processes, once they are as `wanted`; what is there when patience ends.
    pub(crate) async fn until_processes(&self, wanted: impl Fn(&[ProcessFacts]) -> bool) -> Vec<ProcessFacts> {
        let until = Instant::now() + PATIENCE;
        loop {
            let all = self.instance.processes().await;
            if wanted(&all) || Instant::now() > until {
                return all;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn types(&self, text: &str) {
        self.instance.input(Bytes::copy_from_slice(text.as_bytes())).await;
    }
}

fn keep(printed: &mut Vec<u8>, errors: &mut Vec<u8>, piece: &Output) {
    if piece.stderr { errors.extend_from_slice(&piece.bytes) } else { printed.extend_from_slice(&piece.bytes) }
}
