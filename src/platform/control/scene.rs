//! A running app on a scripted engine, for tests: its files, its control, and what a user would see of it.

use super::{Beginning, Control, ControlError, Quantity, Reload, ScaleUpdate};
use crate::clock::Clock;
use crate::engine::fake::{FakeEngine, Script, usual_image};
use crate::engine::{Filesystem, RunIdentity};
use crate::logs::{Logs, LogsOptions};
use crate::manifest::LoadOptions;
use crate::model::config_vars::ConfigVars;
use crate::model::dyno::{DynoName, DynoSize};
use crate::model::formation::{Formation, Scale};
use crate::model::image::ImageId;
use crate::model::launch::LaunchOptions;
use crate::model::process_type::ProcessType;
use crate::model::release::Version;
use crate::model::timeouts::Timeouts;
use crate::platform::builds::BuildOptions;
use crate::platform::deploy::{DynoRules, Ground};
use crate::platform::interrupt::{self, Interrupter};
use crate::platform::project::{Place, Project, Sources};
use crate::platform::report::Reporter;
use crate::platform::slate::Slate;
use crate::platform::store::Releases;
use crate::router::table::Backend;
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use tokio::time::{sleep, timeout};

pub(crate) const ENV: &str = "# ours\nMODE='test' # as in CI\nKEEP=1\n";

/// An app with web, worker and clock, and its control.
pub(crate) struct Scene {
    pub(crate) control: Control,
    pub(crate) engine: FakeEngine,
    pub(crate) logs: Logs,
    pub(crate) ground: Ground,
    pub(crate) reload: Reload,
    pub(crate) folder: tempfile::TempDir,
    _interrupter: Interrupter,
}

pub(crate) fn binds() -> FakeEngine {
    FakeEngine::new().script("web", Script::new().after(s(2)).bind())
}

pub(crate) fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn types() -> [ProcessType; 3] {
    ["web", "worker", "clock"].map(|name| name.parse().unwrap())
}

impl Scene {
    pub(crate) fn with(engine: FakeEngine, yml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("shop");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("Dockerfile"), "FROM scratch\nCMD [\"serve\"]\n").unwrap();
        fs::write(root.join("heroku.yml"), yml).unwrap();
        fs::write(root.join(".env"), ENV).unwrap();
        let clock = Clock::anchored(datetime!(2026-11-21 03:08:15 UTC), 7);
        let place = Place { folder: root, instance: String::new(), state_base: folder.path().join("state") };
        let read = move || {
            Sources::read(&place, LoadOptions::default(), &Clock::anchored(datetime!(2026-11-21 03:08:15 UTC), 7))
        };
        let sources = read().unwrap_or_else(|_| panic!("the project can be read"));
        let logs = Logs::open(&sources.state.file("journal"), clock.clone(), LogsOptions::default()).unwrap();
        let project = Project {
            app: sources.loaded.app,
            identity: sources.identity,
            state: sources.state,
            engine: Arc::new(engine.clone()),
            clock,
            report: Reporter::new().0,
            user: "user@example.com".into(),
        };
        let rules = DynoRules {
            timeouts: Timeouts::development(),
            filesystem: Filesystem::ReadOnly { writable: vec![] },
            metadata: false,
            runtime_metrics: false,
            strict_ports: false,
            passed: ConfigVars::new(),
        };
        let run = RunIdentity { app: "shop".into(), identity: "0".repeat(12), run: "r".into() };
        let ground = Ground { project: Arc::new(project), logs: logs.clone(), run, rules };
        let (interrupter, interrupt) = interrupt::channel();
        let scale = |quantity| Scale { quantity, size: DynoSize::BASIC };
        let [web, worker, _] = types();
        let reload: Reload = Arc::new(move || read().map(|sources| sources.loaded.app));
        let control = Control::begin(Beginning {
            releases: Releases::open(&ground.project.state).unwrap(),
            ground: ground.clone(),
            formation: BTreeMap::from([(web, scale(1)), (worker, scale(0))]),
            hosts: Vec::new(),
            maintenance: false,
            reload: Arc::clone(&reload),
            build: BuildOptions { platform: "linux/amd64".into(), no_cache: false },
            interrupt,
        });
        Self { control, engine, logs, ground, reload, folder, _interrupter: interrupter }
    }

    /// Released once, and up.
    pub(crate) async fn up(engine: FakeEngine) -> Self {
        let scene = Self::with(
            engine,
            "build:\n  docker:\n    web: Dockerfile\n    worker: Dockerfile\n    clock: Dockerfile\n",
        );
        scene.deploy("a").await;
        scene.up_again().await;
        scene
    }

    /// Deploys an image; waits until its release phase is over.
    pub(crate) async fn deploy(&self, image: &str) {
        let facts = Arc::new(usual_image(image));
        let app = (self.reload)().unwrap();
        let project = Project { app: app.clone(), ..(*self.ground.project).clone() };
        let ground = Ground { project: Arc::new(project), ..self.ground.clone() };
        let facts: BTreeMap<ProcessType, _> =
            app.builds.keys().map(|name| (name.clone(), Arc::clone(&facts))).collect();
        let slug = facts.iter().map(|(name, facts)| (name.clone(), ImageId(facts.id.clone()))).collect();
        let slate = Slate::of_facts(&app, &facts, &[], LaunchOptions::default()).unwrap();
        let (_, outcome) = self.control.deploy(ground, slug, slate).unwrap();
        let _ = outcome.await.unwrap();
    }

    pub(crate) async fn up_again(&self) {
        timeout(s(1000), self.control.until_up()).await.expect("up in time");
    }

    pub(crate) fn scale(&self, words: &str) -> Result<Formation, ControlError> {
        let updates: Vec<ScaleUpdate> = words
            .split(' ')
            .map(|word| {
                let (name, quantity) = word.split_at(word.find(['=', '+', '-']).unwrap());
                let quantity = Quantity::parse(quantity.trim_start_matches('='));
                ScaleUpdate { process_type: name.parse().unwrap(), quantity, size: None }
            })
            .collect();
        self.control.scale(&updates)
    }

    pub(crate) async fn set(&self, changes: &[(&str, Option<&str>)]) -> Result<Option<Version>, ControlError> {
        let changes = changes.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect();
        let Some((release, outcome)) = self.control.set_config(changes).await? else { return Ok(None) };
        let _ = outcome.await.unwrap();
        Ok(Some(release.version))
    }

    pub(crate) fn states(&self) -> Vec<String> {
        self.control.places().iter().map(|place| format!("{} {}", place.name, place.status.state)).collect()
    }

    pub(crate) fn backends(&self) -> Vec<Backend> {
        self.control.table().borrow().apps[0].dynos.clone()
    }

    pub(crate) fn env(&self) -> String {
        fs::read_to_string(self.folder.path().join("shop/.env")).unwrap()
    }

    pub(crate) fn running(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.engine.record(|record| record.running.iter().map(DynoName::to_string).collect());
        names.sort();
        names
    }

    /// All lines so far, without their times; and forgets them.
    pub(crate) async fn lines(&self) -> Vec<String> {
        self.logs.flush().await.unwrap();
        let mut files: Vec<_> = fs::read_dir(self.ground.project.state.file("journal"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let mut text = String::new();
        for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "log")) {
            text.push_str(&String::from_utf8_lossy(&fs::read(file).unwrap()));
        }
        text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }

    /// The lines that `act` brings until everything is up again.
    pub(crate) async fn lines_of(&self, act: impl AsyncFnOnce(&Self)) -> Vec<String> {
        let before = self.lines().await.len();
        act(self).await;
        sleep(s(60)).await;
        self.lines().await.split_off(before)
    }
}
