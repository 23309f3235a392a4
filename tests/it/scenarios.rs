//! Lifecycles on the scripted engine, in paused time: the lines that a user reads, in their order.
//!
//! `wrong_apps.rs` and `up.rs` have the same scenarios on a real engine.

use bytes::Bytes;
use dynosim::clock::Clock;
use dynosim::dyno::{Attachment, Dyno, DynoPlan, StopKind};
use dynosim::engine::fake::{FakeEngine, Script, usual_image};
use dynosim::engine::{Console, Filesystem, Finding, RunIdentity, Usage};
use dynosim::logs::{Logs, LogsOptions};
use dynosim::model::config_vars::{ConfigVars, Origin};
use dynosim::model::dyno::{DynoKind, DynoName, DynoSize, DynoState};
use dynosim::model::launch::{Launch, LaunchOptions};
use dynosim::model::process_type::ProcessType;
use dynosim::model::timeouts::Timeouts;
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;

/// One dyno on a scripted engine, with its log in a folder of its own.
struct Scene {
    engine: FakeEngine,
    logs: Logs,
    folder: tempfile::TempDir,
    dyno: Option<Dyno>,
    plan: DynoPlan,
}

impl Scene {
    fn new(engine: FakeEngine, process_type: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::anchored(datetime!(2026-11-21 03:08:15 UTC), 7);
        let logs = Logs::open(folder.path(), clock.clone(), LogsOptions::default()).unwrap();
        let process_type = ProcessType::new(process_type).unwrap();
        let image = Arc::new(usual_image("a"));
        let launch = Launch::of(&process_type, &image, None, &LaunchOptions::default()).unwrap();
        let mut config = ConfigVars::new();
        config.set("MODE", "test", Origin::EnvFile(".env".into(), 1));
        let plan = DynoPlan {
            engine: Arc::new(engine.clone()),
            logs: logs.clone(),
            clock,
            run: RunIdentity { app: "shop".into(), identity: "0".repeat(12), run: "r".into() },
            name: DynoName::new(process_type, 1),
            kind: DynoKind::Formation,
            size: DynoSize::BASIC,
            timeouts: Timeouts::heroku(),
            image,
            launch: Arc::new(launch),
            config: Arc::new(config),
            metadata: None,
            filesystem: Filesystem::ReadOnly { writable: vec![] },
            runtime_metrics: false,
            strict_ports: false,
            attachment: Attachment::Log,
        };
        Self { engine, logs, folder, dyno: None, plan }
    }

    fn start(mut self) -> Self {
        self.dyno = Some(Dyno::start(self.plan.clone()));
        self
    }

    fn dyno(&self) -> &Dyno {
        self.dyno.as_ref().unwrap()
    }

    async fn until(&self, state: DynoState) {
        self.dyno().status().wait_for(|status| status.state == state).await.unwrap();
    }

    async fn stop(&mut self) {
        let dyno = self.dyno.take().unwrap();
        dyno.stop(StopKind::Down);
        dyno.ended().await;
    }

    /// All lines, without their times.
    async fn lines(&self) -> Vec<String> {
        self.logs.flush().await.unwrap();
        let mut text = String::new();
        let mut files: Vec<_> = std::fs::read_dir(self.folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "log")) {
            text.push_str(&String::from_utf8_lossy(&std::fs::read(file).unwrap()));
        }
        text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn r5_2_a_web_dyno_boots_serves_and_stops() {
    let engine = FakeEngine::new().script("web", Script::new().print("hello\n").after(s(3)).bind());
    let mut scene = Scene::new(engine, "web").start();
    scene.until(DynoState::Up).await;
    scene.stop().await;
    assert_eq!(
        scene.lines().await,
        [
            "heroku[web.1]: Starting process with command `serve`",
            "app[web.1]: hello",
            "heroku[web.1]: State changed from starting to up",
            "heroku[web.1]: State changed from up to down",
            "heroku[web.1]: Stopping all processes with SIGTERM",
            "heroku[web.1]: Process exited with status 143",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn r1_5_each_start_has_a_new_port_and_a_new_unprivileged_user() {
    let engine = FakeEngine::new().script("web", Script::new().exit(1)).script("web", Script::new().bind());
    let scene = Scene::new(engine.clone(), "web").start();
    scene.until(DynoState::Up).await;
    let (ports, uids): (Vec<u16>, Vec<u32>) =
        engine.record(|record| record.launches.iter().map(|spec| (spec.port.unwrap(), spec.uid)).unzip());
    assert_eq!(ports.len(), 2);
    assert_ne!(ports[0], ports[1]);
    assert_ne!(uids[0], uids[1]);
    assert!(uids.iter().all(|uid| *uid >= 10_000));
    let env = engine.record(|record| record.launches[1].env.clone());
    assert!(env.contains(&("PORT".into(), ports[1].to_string())));
    assert!(env.contains(&("DYNO".into(), "web.1".into())) && env.contains(&("MODE".into(), "test".into())));
}

#[tokio::test(start_paused = true)]
async fn r6_2_a_boot_timeout_names_the_wrong_port_early_and_restarts_at_once_the_first_time() {
    let engine = FakeEngine::new()
        .script("web", Script::new().after(s(1)).listen("127.0.0.1", 3000, "node"))
        .script("web", Script::new().bind());
    let mut scene = Scene::new(engine.clone(), "web").start();
    scene.until(DynoState::Up).await;
    let port = engine.record(|record| record.launches[0].port.unwrap());
    scene.stop().await;
    assert_eq!(
        scene.lines().await[..8],
        [
            "heroku[web.1]: Starting process with command `serve`".to_owned(),
            format!(
                "dynosim[web.1]: web.1 listens on 127.0.0.1:3000 (node, pid 7); $PORT is {port}: bind 0.0.0.0:{port}"
            ),
            "heroku[web.1]: Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 60 seconds of \
             launch"
                .to_owned(),
            "heroku[web.1]: Stopping process with SIGKILL".to_owned(),
            "heroku[web.1]: Process exited with status 137".to_owned(),
            "heroku[web.1]: State changed from starting to crashed".to_owned(),
            "heroku[web.1]: State changed from crashed to starting".to_owned(),
            "heroku[web.1]: Starting process with command `serve`".to_owned(),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn r5_3_a_process_that_ignores_sigterm_is_named_and_killed() {
    let mut scene = Scene::new(FakeEngine::new().script("worker", Script::new().ignore_term()), "worker").start();
    scene.until(DynoState::Up).await;
    scene.stop().await;
    let lines = scene.lines().await;
    assert_eq!(
        lines[lines.len() - 4..],
        [
            "heroku[worker.1]: Error R12 (Exit timeout) -> At least one process failed to exit within 30 seconds of \
             SIGTERM",
            "dynosim[worker.1]: worker.1 did not end within 30 s of SIGTERM: still running serve (pid 7); Heroku \
             signals every process, each must end by itself",
            "heroku[worker.1]: Stopping remaining processes with SIGKILL",
            "heroku[worker.1]: Process exited with status 137",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn r5_5_crashes_wait_longer_each_time_and_the_log_says_how_long() {
    let mut scene = Scene::new(FakeEngine::new().script("worker", Script::new().after(s(1)).exit(1)), "worker").start();
    tokio::time::sleep(s(3 + 20 * 60)).await;
    assert_eq!(scene.engine.record(|record| record.launches.len()), 3);
    scene.stop().await;
    let lines = scene.lines().await;
    assert!(lines.iter().any(|line| line.contains("the next start is in 1200 s")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("the next start is in 2400 s")), "{lines:#?}");
    assert_eq!(scene.engine.record(|record| record.running.len()), 0);
}

#[tokio::test(start_paused = true)]
async fn r5_7_memory_is_sampled_every_20_s_and_the_biggest_process_named() {
    let usage = Usage { rss: 600 << 20, ..Usage::default() };
    let mut scene = Scene::new(FakeEngine::new().script("worker", Script::new().memory(usage)), "worker").start();
    tokio::time::sleep(s(41)).await;
    scene.stop().await;
    let lines = scene.lines().await;
    let r14 = lines.iter().filter(|line| line.ends_with("Error R14 (Memory quota exceeded)")).count();
    assert_eq!(r14, 2, "{lines:#?}");
    assert!(lines.contains(&"heroku[worker.1]: Process running mem=600M(117.2%)".to_owned()));
    assert!(lines.contains(&"dynosim[worker.1]: worker.1 is over its quota of 512 MB: serve (pid 7) 1 MB".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn r5_7_a_kill_at_the_hard_limit_is_r15() {
    let scene = Scene::new(FakeEngine::new().script("worker", Script::new().after(s(5)).out_of_memory()), "worker");
    let mut scene = scene.start();
    tokio::time::sleep(s(6)).await;
    scene.stop().await;
    let lines = scene.lines().await;
    let at = lines.iter().position(|line| line.contains("Error R15 (Memory quota vastly exceeded)")).unwrap();
    assert_eq!(lines[at - 1], "heroku[worker.1]: Process running mem=1024M(200.0%)");
    assert_eq!(lines[at + 1], "heroku[worker.1]: Stopping process with SIGKILL");
}

#[tokio::test(start_paused = true)]
async fn r7_log_runtime_metrics_are_written_by_switch() {
    let mut scene = Scene::new(FakeEngine::new(), "worker");
    scene.plan.runtime_metrics = true;
    let mut scene = scene.start();
    tokio::time::sleep(s(21)).await;
    scene.stop().await;
    let lines = scene.lines().await;
    assert_eq!(lines.iter().filter(|line| line.contains("sample#memory_total=0.00MB")).count(), 1, "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_is_explained_with_its_path() {
    let script = Script::new().print("OSError: [Errno 30] Read-only file system: '/app/x.db'\n").after(s(1)).exit(1);
    let mut scene = Scene::new(FakeEngine::new().script("worker", script), "worker").start();
    tokio::time::sleep(s(2)).await;
    scene.stop().await;
    let lines = scene.lines().await;
    assert!(lines.iter().any(|line| line.contains("may not write /app/x.db")), "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_sees_of_a_failed_start_is_explained() {
    let finding = Finding::CrlfScript { path: "/app/start.sh".into(), shebang: "#!/bin/sh".into() };
    let script = Script::new().finding(finding).exit(127);
    let mut scene = Scene::new(FakeEngine::new().script("worker", script), "worker").start();
    tokio::time::sleep(s(1)).await;
    scene.stop().await;
    let lines = scene.lines().await;
    assert!(lines.iter().any(|line| line.contains("/app/start.sh has Windows line ends")), "{lines:#?}");
    assert!(lines.contains(&"heroku[worker.1]: Process exited with status 127".to_owned()), "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_goes_away_and_comes_back_is_said() {
    let script = Script::new().after(s(1)).engine_lost().after(s(5)).engine_found();
    let mut scene = Scene::new(FakeEngine::new().script("worker", script), "worker").start();
    tokio::time::sleep(s(7)).await;
    assert_eq!(scene.dyno().status().borrow().state, DynoState::Up);
    scene.stop().await;
    let lines = scene.lines().await;
    assert!(lines.iter().any(|line| line.contains("engine does not answer (connection refused)")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("answers again")), "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_dyno_that_cannot_be_started_is_tried_again() {
    let engine = FakeEngine::new().script("worker", Script::refused("no such image")).script("worker", Script::new());
    let mut scene = Scene::new(engine, "worker").start();
    scene.until(DynoState::Up).await;
    scene.stop().await;
    let lines = scene.lines().await;
    assert!(lines[0].contains("worker.1 could not be started") && lines[0].contains("no such image"), "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_one_off_dyno_that_never_reads_its_input_can_still_be_stopped() {
    let mut scene = Scene::new(FakeEngine::new(), "run");
    let (output, _printed) = tokio::sync::mpsc::channel(64);
    scene.plan.kind = DynoKind::OneOff;
    scene.plan.attachment = Attachment::Client(Console::Pipe, output);
    let dyno = Dyno::start(scene.plan.clone());
    let stdin = dyno.stdin();
    let typing = tokio::spawn(async move { while stdin.send(Bytes::from_static(b"y\n")).await.is_ok() {} });
    let mut status = dyno.status();
    status.wait_for(|status| status.state == DynoState::Up).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!typing.is_finished(), "input waits for the dyno to read it");
    dyno.stop(StopKind::Down);
    tokio::time::timeout(Duration::from_secs(60), dyno.ended()).await.unwrap();
    assert_eq!(status.borrow().exit.unwrap().status, 143);
}
