//! The watcher on a scripted engine, in paused time: what each edit of a small Node app leads to.

use super::eyes::Eyes;
use super::{WatchOptions, start};
use crate::clock::Clock;
use crate::diagnostic::Diagnostic;
use crate::engine::fake::{FakeEngine, Script, usual_image};
use crate::engine::{BuildFailure, EngineError, Filesystem, RunIdentity};
use crate::logs::{Logs, LogsOptions};
use crate::manifest::LoadOptions;
use crate::model::config_vars::ConfigVars;
use crate::model::dyno::DynoSize;
use crate::model::formation::Scale;
use crate::model::launch::LaunchOptions;
use crate::model::process_type::ProcessType;
use crate::model::timeouts::Timeouts;
use crate::platform::builds::{self, BuildOptions};
use crate::platform::control::{Beginning, Control, Reload, Selector};
use crate::platform::deploy::{DynoRules, Ground};
use crate::platform::interrupt::{self, Interrupter};
use crate::platform::project::{Place, Project, Sources};
use crate::platform::report::{News, Reporter};
use crate::platform::slate::Slate;
use crate::platform::store::Releases;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

const DOCKERFILE: &str =
    "FROM node\nWORKDIR /app\nCOPY package.json ./\nRUN npm ci\nCOPY . .\nCMD [\"node\", \"web.js\"]\n";
const YML: &str = "build:\n  docker:\n    web: Dockerfile\nrun:\n  web: node web.js\n";

struct NoEyes;

impl Eyes for NoEyes {
    fn cover(&mut self, _folders: &BTreeSet<PathBuf>) -> bool {
        false
    }

    fn blindness(&mut self) -> Option<Diagnostic> {
        None
    }

    fn is_blind(&self) -> bool {
        false
    }
}

/// A released, watched app.
struct Scene {
    control: Control,
    engine: FakeEngine,
    logs: Logs,
    news: mpsc::UnboundedReceiver<News>,
    events: mpsc::Sender<PathBuf>,
    folder: tempfile::TempDir,
    _interrupter: Interrupter,
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn place(folder: &tempfile::TempDir) -> Place {
    Place { folder: folder.path().join("shop"), instance: String::new(), state_base: folder.path().join("state") }
}

fn clock() -> Clock {
    Clock::anchored(datetime!(2026-11-21 03:08:15 UTC), 7)
}

impl Scene {
    async fn of(files: &[(&str, &str)]) -> Self {
        Self::on(FakeEngine::new(), files).await
    }

    async fn on(engine: FakeEngine, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join("shop").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let engine = engine.script("web", Script::new().after(s(1)).bind());
        let sources = Sources::read(&place(&folder), LoadOptions::default(), &clock()).unwrap_or_else(|_| panic!());
        let logs = Logs::open(&folder.path().join("journal"), clock(), LogsOptions::default()).unwrap();
        let (report, news) = Reporter::new();
        let project = Arc::new(Project {
            app: sources.loaded.app,
            identity: sources.identity,
            state: sources.state,
            engine: Arc::new(engine.clone()),
            clock: clock(),
            report,
            user: "user@example.com".into(),
        });
        let rules = DynoRules {
            timeouts: Timeouts::development(),
            filesystem: Filesystem::ReadOnly { writable: vec![] },
            metadata: false,
            runtime_metrics: false,
            strict_ports: false,
            passed: ConfigVars::new(),
        };
        let run = RunIdentity { app: "shop".into(), identity: "0".repeat(12), run: "r".into() };
        let ground = Ground { project: Arc::clone(&project), logs: logs.clone(), run, rules };
        let (interrupter, interrupt) = interrupt::channel();
        let again = place(&folder);
        let reload: Reload =
            Arc::new(move || Sources::read(&again, LoadOptions::default(), &clock()).map(|read| read.loaded.app));
        let one = Scale { quantity: 1, size: DynoSize::BASIC };
        let build = BuildOptions { platform: "linux/amd64".into(), no_cache: false };
        let control = Control::begin(Beginning {
            releases: Releases::open(&ground.project.state).unwrap(),
            ground: ground.clone(),
            formation: project.app.processes.keys().map(|name| (name.clone(), one)).collect(),
            hosts: Vec::new(),
            maintenance: false,
            reload: Arc::clone(&reload),
            build: build.clone(),
            interrupt: interrupt.clone(),
        });
        let launch = LaunchOptions::default();
        let options =
            WatchOptions { build: build.clone(), launch, files: vec![], dynos_write: vec![], reload, interrupt };
        let (events, seen) = mpsc::channel(64);
        start(&control, Arc::clone(&project), options, Box::new(NoEyes), seen);
        let wanted: BTreeSet<ProcessType> = project.app.builds.keys().cloned().collect();
        let built = builds::build(&project, &wanted, &build).await.unwrap();
        let slate = Slate::of(&project.app, &built, &[], launch).unwrap();
        let (_, outcome) = control.deploy(ground, built.slug, slate).unwrap();
        outcome.await.unwrap().unwrap();
        let mut scene = Self { control, engine, logs, news, events, folder, _interrupter: interrupter };
        scene.up().await;
        sleep(s(5)).await;
        scene.news();
        scene
    }

    /// The Node app, released and up.
    async fn node() -> Self {
        Self::of(&[
            ("Dockerfile", DOCKERFILE),
            (".dockerignore", ".env\nheroku.yml\napp.json\nDockerfile\nlog\n"),
            ("heroku.yml", YML),
            ("app.json", "{\"name\": \"shop\"}"),
            (".env", "MODE=test\n"),
            ("package.json", "{}"),
            ("web.js", "1"),
            ("src/a.js", "1"),
        ])
        .await
    }

    async fn up(&mut self) {
        timeout(s(1000), self.control.until_up()).await.expect("up in time");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("shop").join(name)
    }

    /// Writes a file, as the system tells of it.
    async fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
        self.events.send(self.path(name)).await.unwrap();
    }

    async fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
        self.events.send(self.path(name)).await.unwrap();
    }

    /// Builds, patches, launches and releases so far.
    fn counts(&self) -> (usize, usize, usize, usize) {
        let (builds, patches, launches) = self.engine.record(|r| (r.builds.len(), r.patches.len(), r.launches.len()));
        (builds, patches, launches, self.control.releases().0.len())
    }

    fn news(&mut self) -> Vec<News> {
        std::iter::from_fn(|| self.news.try_recv().ok()).collect()
    }

    fn failures(&mut self) -> Vec<String> {
        let news = self.news();
        news.iter().filter_map(|n| if let News::Failed(error) = n { Some(error.to_string()) } else { None }).collect()
    }

    /// What the watcher said, oldest first.
    async fn said(&self) -> Vec<String> {
        self.logs.flush().await.unwrap();
        let mut text = String::new();
        let mut folders = vec![self.folder.path().join("journal")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                match entry.path() {
                    path if path.is_dir() => folders.push(path),
                    path => text.push_str(&String::from_utf8_lossy(&fs::read(path).unwrap())),
                }
            }
        }
        let lines = text.lines().filter_map(|line| Some(line.split_once("dynosim[watch]: ")?.1.to_owned()));
        lines.collect()
    }
}

fn broken() -> EngineError {
    let failure = BuildFailure { message: "building web failed: no such package".into(), ..BuildFailure::default() };
    EngineError::Build(Box::new(failure))
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_a_source_is_synced_without_a_release_and_built_in_the_background() {
    let mut scene = Scene::node().await;
    assert_eq!(scene.counts(), (1, 0, 1, 1));
    scene.write("web.js", "22").await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(scene.counts(), (1, 1, 2, 1));
    scene.up().await;
    let (target, image) = scene.engine.record(|r| (r.patches[0].pieces[0].target.clone(), r.launches[1].image.clone()));
    assert_eq!((target.as_str(), image.id), ("/app/web.js", format!("sha256:{:0>64}", 1)));
    sleep(s(10)).await;
    assert_eq!(scene.counts(), (2, 1, 2, 1), "a build, and no restart");
    assert_eq!(scene.failures(), [""; 0]);
    scene.control.restart(&Selector::All).unwrap();
    sleep(s(10)).await;
    let images = scene.engine.record(|r| r.launches.iter().map(|launch| launch.image.id.clone()).collect::<Vec<_>>());
    assert_eq!(images[2], usual_image("ffc2").id, "the next restart runs what was built last: {images:?}");
    sleep(s(100)).await;
    assert_eq!(scene.counts(), (2, 1, 3, 1), "and then there is peace");
    let said = scene.said().await;
    assert_eq!(said[0], "synced 1 file into web: web.js");
    assert!(said[1].starts_with("built web in the background: "), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sync_after_a_sync_is_of_everything_since_the_build() {
    let scene = Scene::node().await;
    scene.write("web.js", "22").await;
    sleep(s(1)).await;
    scene.write("src/a.js", "22").await;
    sleep(s(1)).await;
    let targets: Vec<Vec<String>> = scene
        .engine
        .record(|r| r.patches.iter().map(|p| p.pieces.iter().map(|piece| piece.target.clone()).collect()).collect());
    assert_eq!(targets, [vec!["/app/web.js".to_owned()], vec!["/app/src/a.js".to_owned(), "/app/web.js".to_owned()]]);
}

#[tokio::test(start_paused = true)]
async fn a_sync_is_made_ready_while_a_save_may_go_on_and_restarts_nothing_before_it_is_over() {
    let scene = Scene::node().await;
    scene.write("web.js", "22").await;
    sleep(Duration::from_millis(25)).await;
    assert_eq!(scene.counts(), (1, 1, 1, 1), "ready, and not used yet");
    scene.write("src/a.js", "22").await;
    sleep(Duration::from_millis(30)).await;
    assert_eq!(scene.counts().2, 1, "the save goes on");
    sleep(Duration::from_millis(500)).await;
    assert_eq!(scene.counts(), (1, 2, 2, 1), "one restart, with both files");
}

#[tokio::test(start_paused = true)]
async fn a_manifest_is_built_and_released_and_the_reason_is_said() {
    let mut scene = Scene::node().await;
    scene.write("package.json", "{ }").await;
    sleep(s(1)).await;
    scene.up().await;
    assert_eq!(scene.counts(), (2, 0, 2, 2));
    assert_eq!(scene.said().await, ["rebuilding web: package.json is used by `RUN npm ci`"]);
    sleep(s(100)).await;
    assert_eq!(scene.counts(), (2, 0, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_files_at_once_are_one_restart() {
    for name in ["src/f", "package.json"] {
        let mut scene = Scene::node().await;
        if name == "package.json" {
            scene.write(name, "{ }").await;
        }
        for number in 0..1000 {
            scene.write(&format!("src/f{number}.js"), "1").await;
            if number % 100 == 0 {
                sleep(Duration::from_millis(20)).await;
            }
        }
        sleep(s(1)).await;
        scene.up().await;
        sleep(s(100)).await;
        assert_eq!(scene.counts().2, 2, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_build_that_fails_leaves_the_old_release_and_says_why_and_the_next_edit_is_tried() {
    let mut scene = Scene::node().await;
    scene.engine.next_build_fails(broken());
    scene.write("package.json", "{ \"x\": 1 }").await;
    sleep(s(10)).await;
    assert_eq!(scene.counts(), (2, 0, 1, 1));
    assert_eq!(scene.failures(), ["the image for web could not be built"]);
    scene.write("log/x", "").await;
    scene.write(".web.js.swp", "").await;
    sleep(s(10)).await;
    assert_eq!(scene.counts().0, 2, "nothing changed that could mend it");
    scene.write("package.json", "{  }").await;
    sleep(s(10)).await;
    scene.up().await;
    assert_eq!(scene.counts().3, 2);
    assert_eq!(scene.failures(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_change_during_a_build_is_one_more_build_and_never_lost() {
    let mut scene = Scene::node().await;
    scene.engine.builds_take(s(10));
    scene.write("package.json", "{ }").await;
    sleep(s(5)).await;
    for text in ["{  }", "{   }", "{    }"] {
        scene.write("package.json", text).await;
        sleep(Duration::from_millis(500)).await;
    }
    sleep(s(100)).await;
    scene.up().await;
    assert_eq!(scene.counts(), (3, 0, 3, 3));
}

#[tokio::test(start_paused = true)]
async fn an_edit_during_the_build_in_the_background_is_synced_at_once() {
    let mut scene = Scene::node().await;
    scene.engine.builds_take(s(20));
    scene.write("web.js", "22").await;
    sleep(s(8)).await;
    assert_eq!(scene.counts(), (2, 1, 2, 1), "the build goes on");
    scene.write("web.js", "333").await;
    sleep(s(1)).await;
    assert_eq!(scene.counts(), (2, 2, 3, 1));
    sleep(s(100)).await;
    scene.up().await;
    assert_eq!(scene.counts(), (3, 2, 3, 1), "built again, as the first did not have it for certain");
    assert_eq!(scene.failures(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_env_is_one_release_without_a_build_and_config_set_makes_no_second() {
    let mut scene = Scene::node().await;
    scene.write(".env", "MODE=live\nNEW=1\n").await;
    sleep(s(10)).await;
    scene.up().await;
    assert_eq!(scene.counts(), (1, 0, 2, 2));
    assert_eq!(scene.control.releases().0[1].description, "Set MODE, NEW config vars");
    let changes = BTreeMap::from([("NEW".to_owned(), Some("2".to_owned()))]);
    scene.control.set_config(changes).await.unwrap().unwrap();
    scene.events.send(scene.path(".env")).await.unwrap();
    sleep(s(10)).await;
    assert_eq!(scene.counts(), (1, 0, 3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_build_that_comes_to_the_image_that_runs_is_no_release() {
    let engine = FakeEngine::new().image("web", usual_image("a"));
    let files = [("Dockerfile", "FROM busybox\nCMD serve\n"), (".env", "MODE=test\n")];
    let mut scene = Scene::on(engine, &files).await;
    scene.write("notes.txt", "may be used by the base image, for all that is known").await;
    sleep(s(10)).await;
    assert_eq!(scene.counts(), (2, 0, 1, 1), "built, and neither released nor restarted");
    scene.write(".env", "MODE=live\n").await;
    sleep(s(10)).await;
    scene.up().await;
    assert_eq!(scene.counts(), (3, 0, 2, 2));
    assert_eq!(scene.control.releases().0[1].description, "Set MODE config vars");
    assert_eq!(scene.failures(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn another_command_is_a_release_without_a_build_and_a_comment_is_nothing() {
    let mut scene = Scene::node().await;
    scene.write("heroku.yml", &format!("# ours\n{YML}")).await;
    sleep(s(10)).await;
    assert_eq!(scene.counts(), (1, 0, 1, 1));
    scene.write("heroku.yml", &YML.replace("node web.js", "node web.js --slow")).await;
    sleep(s(10)).await;
    scene.up().await;
    assert_eq!(scene.counts(), (1, 0, 2, 2));
    assert!(scene.control.places()[0].command.contains("--slow"));
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_is_said_once_and_changes_nothing_until_it_is_mended() {
    let mut scene = Scene::node().await;
    for _ in 0..2 {
        scene.write("heroku.yml", "build: [").await;
        sleep(s(10)).await;
    }
    assert_eq!(scene.counts(), (1, 0, 1, 1));
    assert_eq!(scene.failures(), ["the project cannot be read"]);
    scene.write("heroku.yml", YML).await;
    sleep(s(10)).await;
    scene.write("web.js", "22").await;
    sleep(s(1)).await;
    assert_eq!(scene.counts(), (1, 1, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn r4_another_formation_in_app_json_is_not_applied() {
    let mut scene = Scene::node().await;
    scene.write("app.json", "{\"name\": \"shop\", \"formation\": {\"web\": {\"quantity\": 3}}}").await;
    sleep(s(10)).await;
    assert_eq!(scene.counts(), (1, 0, 1, 1));
    let notes = scene.news().iter().filter(|n| matches!(n, News::Note(text) if text.contains("formation"))).count();
    assert_eq!(notes, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_ignored_or_an_editor_s_own_is_nothing() {
    let scene = Scene::node().await;
    for name in ["log/x", ".web.js.swp", "web.js~", ".git/index", "4913"] {
        scene.write(name, "1").await;
        sleep(s(10)).await;
    }
    assert_eq!(scene.counts(), (1, 0, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_save_by_rename_is_one_restart() {
    let mut scene = Scene::node().await;
    scene.write(".web.js.tmp1", "22").await;
    fs::rename(scene.path(".web.js.tmp1"), scene.path("web.js")).unwrap();
    scene.events.send(scene.path("web.js")).await.unwrap();
    sleep(s(1)).await;
    scene.up().await;
    sleep(s(100)).await;
    assert_eq!((scene.counts().1, scene.counts().2), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_goes_is_built() {
    let mut scene = Scene::node().await;
    scene.remove("src/a.js").await;
    sleep(s(10)).await;
    scene.up().await;
    assert_eq!(scene.counts(), (2, 0, 2, 2));
    assert_eq!(scene.said().await, ["rebuilding web: src/a.js was removed"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_cannot_put_there_exactly_is_built() {
    let mut scene = Scene::node().await;
    let reason = "/app/src is no folder in the image".to_owned();
    scene.engine.next_patch_fails(EngineError::Operation { doing: "putting".into(), reason });
    scene.write("src/a.js", "22").await;
    sleep(s(10)).await;
    scene.up().await;
    assert_eq!(scene.counts(), (2, 0, 2, 2));
    assert!(scene.said().await[0].contains("/app/src is no folder"));
}

#[tokio::test(start_paused = true)]
async fn after_a_rollback_the_next_edit_is_a_release_again() {
    let mut scene = Scene::node().await;
    let old = scene.engine.record(|r| r.launches[0].image.clone());
    let _ = scene.engine.clone().image("old", old).image("web", crate::engine::fake::usual_image("b"));
    scene.write("package.json", "{ }").await;
    sleep(s(10)).await;
    let (_, _, outcome) = scene.control.rollback(None).await.unwrap();
    outcome.await.unwrap().unwrap();
    sleep(s(10)).await;
    let before = scene.counts();
    assert_eq!((before.1, before.3), (0, 3), "the rollback itself is left alone");
    scene.write("web.js", "22").await;
    sleep(s(10)).await;
    scene.up().await;
    assert_eq!(scene.counts(), (before.0 + 1, 0, before.2 + 1, 4));
}

#[tokio::test(start_paused = true)]
async fn only_the_image_that_a_change_reaches_is_built() {
    let mut scene = Scene::of(&[
        ("heroku.yml", "build:\n  docker:\n    web: web/Dockerfile\n    worker: worker/Dockerfile\n"),
        ("web/Dockerfile", DOCKERFILE),
        ("web/package.json", "{}"),
        ("worker/Dockerfile", DOCKERFILE),
        ("worker/package.json", "{}"),
        ("worker/worker.js", "1"),
    ])
    .await;
    assert_eq!(scene.counts().0, 2);
    scene.write("worker/package.json", "{ }").await;
    sleep(s(10)).await;
    scene.up().await;
    let labels: Vec<String> = scene.engine.record(|r| r.builds.iter().skip(2).map(|b| b.label.clone()).collect());
    assert_eq!(labels, ["worker"]);
    let launches = scene.counts().2;
    scene.write("worker/worker.js", "22").await;
    sleep(s(1)).await;
    let renewed: Vec<String> =
        scene.engine.record(|r| r.launches[launches..].iter().map(|l| l.name.to_string()).collect());
    assert_eq!(renewed, ["worker.1"], "a sync restarts only the dynos of its image");
}
