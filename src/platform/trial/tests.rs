//! The flow of a test on a scripted engine, in paused time. Commands run in one-off dynos here: a process of this machine
//! does not know of paused time.

use super::{Gate, Outcome, Step, Trial, TrialOptions, TrialSession, trial};
use crate::clock::Clock;
use crate::engine::fake::{FakeEngine, Script};
use crate::engine::{BuildFailure, EngineError, Filesystem, Usage};
use crate::manifest::LoadOptions;
use crate::model::app::App;
use crate::model::config_vars::ConfigVars;
use crate::model::exit_code::ExitCode;
use crate::model::launch::LaunchOptions;
use crate::model::process_type::ProcessType;
use crate::model::timeouts::Timeouts;
use crate::platform::PlatformError;
use crate::platform::builds::BuildOptions;
use crate::platform::control::Control;
use crate::platform::deploy::DynoRules;
use crate::platform::front::FrontOptions;
use crate::platform::interrupt::{self, Interrupter};
use crate::platform::port::PortChoice;
use crate::platform::project::{Place, Project, Sources};
use crate::platform::report::{NotUp, Reporter};
use crate::platform::tested::{Ledger, Verdict};
use crate::platform::up::UpOptions;
use crate::router::RouterConfig;
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

const YML: &str = "build:\n  docker:\n    web: Dockerfile\n    worker: Dockerfile.worker\n";
const RELEASE: &str = "build:\n  docker:\n    web: Dockerfile\nrelease:\n  image: web\n  command:\n    - ./migrate\n";

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An app on a scripted engine, and its tests.
struct Stage {
    engine: FakeEngine,
    project: Arc<Project>,
    place: Place,
    folder: tempfile::TempDir,
    press: Interrupter,
    interrupt: interrupt::Interrupt,
}

fn clock() -> Clock {
    Clock::anchored(datetime!(2026-11-21 03:08:15 UTC), 7)
}

impl Stage {
    fn new(engine: FakeEngine, yml: &str, app_json: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("shop");
        fs::create_dir(&root).unwrap();
        for (name, text) in [
            ("Dockerfile", "FROM scratch\nCMD [\"serve\"]\n"),
            ("Dockerfile.worker", "FROM scratch\nCMD [\"work\"]\n"),
            ("heroku.yml", yml),
            ("app.json", app_json),
            (".env", "MODE=development\n"),
        ] {
            fs::write(root.join(name), text).unwrap();
        }
        let place = Place { folder: root, instance: String::new(), state_base: folder.path().join("state") };
        let sources = Sources::read(&place, LoadOptions::default(), &clock()).unwrap_or_else(|error| panic!("{error}"));
        let project = Project {
            app: sources.loaded.app.under_test(),
            identity: sources.identity,
            state: sources.state,
            engine: Arc::new(engine.clone()),
            clock: clock(),
            report: Reporter::new().0,
            user: "user@example.com".into(),
        };
        let (press, interrupt) = interrupt::channel();
        Self { engine, project: Arc::new(project), place, folder, press, interrupt }
    }

    fn session(&self) -> TrialSession {
        let app = self.project.app.clone();
        TrialSession {
            project: Arc::clone(&self.project),
            place: self.place.clone(),
            reload: Arc::new(move || Ok::<App, PlatformError>(app.clone())),
            interrupt: self.interrupt.clone(),
            output: mpsc::channel(64).0,
            report_of: Arc::new(|_| Reporter::new().0),
            serve: Arc::new(|_, _| Ok((Box::new(|_: &Control| ()) as _, Box::pin(async {}) as _))),
        }
    }

    async fn run(&self, options: TrialOptions) -> Trial {
        let done = timeout(s(3600), trial(self.session(), options)).await.expect("it ends");
        self.nothing_is_left();
        done
    }

    /// No dyno runs, and no job's state is there any more.
    fn nothing_is_left(&self) {
        let running = self.engine.record(|record| record.running.len());
        assert_eq!(running, 0);
        let apps = fs::read_dir(self.folder.path().join("state/apps")).unwrap().count();
        assert_eq!(apps, 1, "only the app's own state stays");
        let tests = self.project.state.tests().unwrap();
        assert!(tests.live.is_empty() && tests.dead.is_empty(), "{tests:?}");
    }

    fn ledger(&self) -> Ledger {
        Ledger::open(&self.project.state).unwrap()
    }
}

fn options() -> TrialOptions {
    let timeouts = Timeouts::development();
    let up = UpOptions {
        quantities: BTreeMap::new(),
        size: None,
        front: FrontOptions {
            port: PortChoice::Exactly(0),
            https: None,
            // In paused time nothing may go on elsewhere.
            router: RouterConfig { threads: 0, ..RouterConfig::new(timeouts.clone()) },
            domains: Vec::new(),
            maintenance: false,
        },
        build: BuildOptions { platform: "linux/amd64".into(), no_cache: false },
        built: None,
        rules: DynoRules {
            timeouts,
            filesystem: Filesystem::ReadOnly { writable: vec![] },
            metadata: false,
            runtime_metrics: false,
            strict_ports: false,
            passed: ConfigVars::new(),
        },
        launch: LaunchOptions::default(),
    };
    TrialOptions {
        up,
        steps: vec![step("make test")],
        jobs: 1,
        gates: Vec::new(),
        lint: Vec::new(),
        under_load: None,
        limit: None,
        keep_on_fail: false,
        guard: "/bin/false".into(),
        inherit: false,
    }
}

fn step(line: &str) -> Step {
    Step { name: line.into(), words: vec![line.into()], inside: Some(ProcessType::web()) }
}

fn binds() -> FakeEngine {
    FakeEngine::new().script("web", Script::new().after(s(2)).bind())
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_recorded_with_every_image_of_the_build() {
    let stage = Stage::new(binds().script("run", Script::new().after(s(3)).print("ok\n").exit(0)), YML, "{}");
    let done = stage.run(options()).await;
    assert!(matches!(done.jobs[0].outcome, Outcome::Passed), "{:?}", done.jobs[0].outcome);
    assert_eq!(done.exit_code(), ExitCode::Ok);
    assert_eq!(done.jobs[0].output, b"ok\n");
    let names: Vec<&str> = done.jobs[0].stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, ["up", "make test"]);
    assert_eq!(done.jobs[0].parity.dynos["web.1"].boot, Some(s(2)));
    let ledger = stage.ledger();
    let tested = ledger.tests().next().unwrap();
    assert_eq!(tested.command, "make test (in web)");
    assert_eq!(tested.images.len(), 2);
    for image in tested.images.values() {
        assert!(!image.inputs.is_empty());
        assert_eq!(ledger.vouches_for(&image.config), Some(tested));
    }
    let names =
        stage.engine.record(|record| record.launches.iter().map(|one| one.run.identity.clone()).collect::<Vec<_>>());
    assert!(names.iter().all(|identity| *identity != stage.project.identity.id), "an instance of its own");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_fails_is_told_with_its_status_and_vouches_for_nothing() {
    let stage = Stage::new(binds().script("run", Script::new().exit(3)), YML, "{}");
    let done = stage.run(options()).await;
    assert!(matches!(&done.jobs[0].outcome, Outcome::Failed { status: 3, step } if step == "make test"));
    assert_eq!(done.exit_code(), ExitCode::Failed);
    assert!(!done.jobs[0].tails.is_empty());
    let ledger = stage.ledger();
    let tested = ledger.tests().next().unwrap();
    assert_eq!(tested.verdict, Verdict::Failed { status: 3 });
    assert_eq!(ledger.vouches_for(&tested.images[&ProcessType::web()].config), None);
}

#[tokio::test(start_paused = true)]
async fn r4_scripts_run_in_order_under_the_test_environment_and_the_first_failure_ends_it() {
    let json = r#"{"env": {"MODE": "base"}, "environments": {"test": {
        "env": {"MODE": "test"}, "formation": {"web": {"quantity": 2}, "worker": {"quantity": 0}}}}}"#;
    let engine = binds()
        .script("run", Script::new().exit(0))
        .script("run", Script::new().exit(4))
        .script("run", Script::new().exit(0));
    let stage = Stage::new(engine, YML, json);
    let steps = vec![step("setup"), step("first"), step("never")];
    let done = stage.run(TrialOptions { steps, ..options() }).await;
    assert!(matches!(&done.jobs[0].outcome, Outcome::Failed { status: 4, step } if step == "first"));
    let launches = stage.engine.record(|record| record.launches.clone());
    let names: Vec<String> = launches.iter().map(|one| one.name.process_type.to_string()).collect();
    assert_eq!(names, ["web", "web", "run", "run"], "two web dynos, no worker, two of three scripts");
    for one in &launches {
        assert!(one.env.contains(&("MODE".into(), "test".into())), "{}: {:?}", one.name, one.env);
    }
    assert!(launches[2].env.contains(&("CI".into(), "true".into())));
}

#[tokio::test(start_paused = true)]
async fn what_never_got_to_the_test_has_the_code_of_its_cause_and_is_not_recorded() {
    let failure = BuildFailure { message: "exit code: 7".into(), ..BuildFailure::default() };
    let build = FakeEngine::new().build_fails(EngineError::Build(Box::new(failure)));
    let release = binds().script("release", Script::new().exit(2));
    let boot = FakeEngine::new().script("web", Script::new().exit(1));
    for (engine, yml, code) in [
        (build, "build:\n  docker:\n    web: Dockerfile\n", ExitCode::Build),
        (release, RELEASE, ExitCode::Release),
        (boot, YML, ExitCode::Boot),
    ] {
        let stage = Stage::new(engine, yml, "{}");
        let done = stage.run(options()).await;
        assert_eq!(done.exit_code(), code, "{:?}", done.jobs[0].outcome);
        assert!(done.tested.is_none() && stage.ledger().iter().next().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn the_crashed_dyno_and_its_last_lines_are_named() {
    let engine = FakeEngine::new().script("web", Script::new().print("no database\n").exit(1));
    let stage = Stage::new(engine, YML, "{}");
    let done = stage.run(options()).await;
    let Outcome::NotUp(NotUp::Crashed(dynos)) = &done.jobs[0].outcome else { panic!() };
    assert_eq!(dynos[0].to_string(), "web.1");
    assert_eq!(done.jobs[0].tails[0].dyno, "web.1");
    assert!(done.jobs[0].tails[0].lines.iter().any(|line| line.ends_with("app[web.1]: no database")));
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_ends_a_test_that_hangs() {
    let stage = Stage::new(binds().script("run", Script::new()), YML, "{}");
    let done = stage.run(TrialOptions { limit: Some(s(30)), ..options() }).await;
    assert!(matches!(done.jobs[0].outcome, Outcome::Late(limit) if limit == s(30)), "{:?}", done.jobs[0].outcome);
    assert_eq!(done.exit_code(), ExitCode::TimeLimit);
    assert!(done.took < s(40), "{:?}", done.took);
    assert!(stage.ledger().iter().next().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_also_ends_a_release_phase_and_a_boot_that_hang() {
    let boot = FakeEngine::new().script("web", Script::new());
    for (engine, yml) in [(FakeEngine::new(), RELEASE), (boot, YML)] {
        let stage = Stage::new(engine, yml, "{}");
        let done = stage.run(TrialOptions { limit: Some(s(10)), ..options() }).await;
        assert_eq!(done.exit_code(), ExitCode::TimeLimit, "{:?}", done.jobs[0].outcome);
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_test_takes_everything_down() {
    let stage = Stage::new(binds().script("run", Script::new()), YML, "{}");
    let press = stage.press.clone();
    tokio::spawn(async move {
        sleep(s(20)).await;
        press.press("Ctrl-C");
    });
    let done = stage.run(options()).await;
    assert_eq!(done.exit_code(), ExitCode::Interrupted);
    assert!(stage.ledger().iter().next().is_none());
}

#[tokio::test(start_paused = true)]
async fn jobs_are_apps_of_their_own_and_one_failure_fails_all() {
    let engine = binds().script("run", Script::new().exit(0)).script("run", Script::new().exit(9));
    let stage = Stage::new(engine, YML, "{}");
    let done = stage.run(TrialOptions { jobs: 2, ..options() }).await;
    assert_eq!(done.jobs.len(), 2);
    assert_ne!(done.jobs[0].instance, done.jobs[1].instance);
    assert_eq!(done.exit_code(), ExitCode::Failed);
    assert_eq!(stage.engine.record(|record| record.builds.len()), 2, "one build of each image for both");
    let ledger = stage.ledger();
    assert_eq!(ledger.tests().count(), 1);
    assert_eq!(ledger.tests().next().unwrap().verdict, Verdict::Failed { status: 9 });
}

#[tokio::test(start_paused = true)]
async fn r6_1_a_code_that_was_seen_fails_the_test_when_it_is_asked_to() {
    let heavy = Usage { rss: 600 << 20, ..Usage::default() };
    let engine = || {
        let web = Script::new().after(s(1)).bind().memory(heavy);
        FakeEngine::new().script("web", web).script("run", Script::new().after(s(5)).exit(0))
    };
    let stage = Stage::new(engine(), YML, "{}");
    let done = stage.run(options()).await;
    assert_eq!(done.exit_code(), ExitCode::Ok, "seen and told, but nobody asked");
    let finding = done.jobs[0].parity.findings.iter().find(|finding| finding.check == "r14").unwrap();
    assert_eq!(finding.dyno.as_deref(), Some("web.1"));
    let stage = Stage::new(engine(), YML, "{}");
    let gates = ["r14", "h12", "memory=110%"].map(|gate| gate.parse::<Gate>().unwrap()).to_vec();
    let done = stage.run(TrialOptions { gates, ..options() }).await;
    assert!(matches!(&done.jobs[0].outcome, Outcome::Gates(failed) if *failed == ["r14", "memory"]));
    assert_eq!(done.exit_code(), ExitCode::Check);
    let ledger = stage.ledger();
    let tested = ledger.tests().next().unwrap();
    assert_eq!(tested.verdict, Verdict::Gates { gates: vec!["r14".into(), "memory".into()] });
    assert_eq!(ledger.vouches_for(&tested.images[&ProcessType::web()].config), None);
}

#[tokio::test(start_paused = true)]
async fn a_kept_app_is_up_until_somebody_interrupts() {
    let stage = Stage::new(binds().script("run", Script::new().exit(1)), YML, "{}");
    let (press, engine) = (stage.press.clone(), stage.engine.clone());
    let looked = tokio::spawn(async move {
        sleep(s(600)).await;
        let running = engine.record(|record| record.running.len());
        press.press("Ctrl-C");
        running
    });
    let done = stage.run(TrialOptions { keep_on_fail: true, ..options() }).await;
    assert_eq!(looked.await.unwrap(), 2, "web and worker");
    assert_eq!(done.exit_code(), ExitCode::Failed, "it failed before it was interrupted");
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_was_tampered_with_fails_a_test_that_passes() {
    let stage = Stage::new(binds().script("run", Script::new().exit(0)), YML, "{}");
    fs::write(stage.project.state.file("ledger.jsonl"), "{\"hash\":\"x\"}\n").unwrap();
    let done = stage.run(options()).await;
    assert!(matches!(done.jobs[0].outcome, Outcome::Passed));
    assert!(done.unrecorded.as_ref().unwrap().to_string().contains("line 1 was changed"));
    assert_eq!(done.exit_code(), ExitCode::Failed);
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_test_left_is_removed_by_the_next() {
    let stage = Stage::new(binds().script("run", Script::new().exit(0)), YML, "{}");
    let (number, held) = stage.project.state.open_test(&clock()).await.unwrap();
    let place = Place { instance: format!("test-{number}"), ..stage.place.clone() };
    let left = place.state(&place.identity().unwrap()).unwrap();
    // A process that was killed removes nothing, and its lock is free.
    let file = stage.project.state.file("tests").join(&number);
    drop(held);
    fs::write(file, "").unwrap();
    assert_eq!(stage.project.state.tests().unwrap().dead, [number]);
    stage.run(options()).await;
    assert!(!left.path().exists());
}
