//! The running app on a scripted engine, in paused time: what a user sees of each command, and that commands from many
//! terminals end in one state.

mod preboot;

use super::scene::{ENV, Scene, binds, s, types};
use super::{Beginning, Control, ControlError, Selector};
use crate::engine::fake::{FakeEngine, Script, usual_image};
use crate::model::dyno::{DynoSize, DynoState};
use crate::model::formation::Scale;
use crate::model::process_type::ProcessType;
use crate::model::release::{ReleaseStatus, Version};
use crate::platform::builds::BuildOptions;
use crate::platform::interrupt;
use crate::platform::store::Releases;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

#[tokio::test(start_paused = true)]
async fn r5_6_scaling_starts_and_stops_what_differs_and_says_so_in_one_line() {
    let scene = Scene::up(binds()).await;
    let lines = scene
        .lines_of(async |scene| {
            scene.scale("web=2 worker+1").unwrap();
        })
        .await;
    assert_eq!(lines[0], "app[api]: Scaled to web@2:Basic worker@1:Basic by user user@example.com");
    assert!(!lines.iter().any(|line| line.starts_with("heroku[web.1]")), "{lines:?}");
    assert_eq!(scene.states(), ["web.1 up", "web.2 up", "worker.1 up"]);
    let lines = scene
        .lines_of(async |scene| {
            scene.scale("web=1 worker=0").unwrap();
        })
        .await;
    assert!(lines.contains(&"heroku[web.2]: State changed from up to down".to_owned()), "{lines:?}");
    assert_eq!(scene.running(), ["web.1"]);
    assert_eq!(scene.states(), ["web.1 up"]);
    assert!(
        scene
            .lines_of(async |scene| {
                scene.scale("web=1").unwrap();
            })
            .await
            .is_empty(),
        "nothing changed"
    );
}

#[tokio::test(start_paused = true)]
async fn wrong_wishes_change_nothing_and_say_what_there_is() {
    let scene = Scene::up(binds()).await;
    let before = scene.control.formation();
    for (words, says) in [
        ("web=2 wroker=1", "Couldn't find that process type: wroker. The app has clock, web, worker"),
        ("web=2 worker=101", "worker can have 0 to 100 dynos"),
        ("web-2", "web can have 0 to 100 dynos"),
        ("web=60 worker=60", "an app can have 100 dynos at most; this would be 120"),
    ] {
        assert_eq!(scene.scale(words).unwrap_err().to_string(), says);
    }
    assert_eq!(scene.control.formation(), before);
    let error = scene.control.restart(&Selector::parse("worker")).unwrap_err();
    assert_eq!(error.to_string(), "Couldn't find that dyno: worker. There are web.1");
}

#[tokio::test(start_paused = true)]
async fn r6_2_a_restart_has_heroku_s_lines() {
    let scene = Scene::up(binds()).await;
    let lines = scene
        .lines_of(async |scene| {
            scene.control.restart(&Selector::All).unwrap();
        })
        .await;
    assert_eq!(
        lines,
        [
            "heroku[web.1]: Restarting",
            "heroku[web.1]: State changed from up to starting",
            "heroku[web.1]: Stopping all processes with SIGTERM",
            "heroku[web.1]: Process exited with status 143",
            "heroku[web.1]: Starting process with command `serve`",
            "heroku[web.1]: State changed from starting to up",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn waiting_for_dynos_right_after_a_restart_means_the_new_ones() {
    let scene = Scene::up(binds()).await;
    let began = tokio::time::Instant::now();
    scene.control.restart(&Selector::All).unwrap();
    scene.up_again().await;
    assert_eq!(began.elapsed().as_secs(), 2, "as long as they take to bind");
}

#[tokio::test(start_paused = true)]
async fn r5_3_a_replacement_does_not_wait_for_a_dyno_that_takes_its_time() {
    let slow = Script::new().after(s(2)).bind().on_term(143, s(20));
    let scene = Scene::up(FakeEngine::new().script("web", slow)).await;
    scene.control.restart(&Selector::All).unwrap();
    sleep(s(1)).await;
    assert_eq!(scene.running(), ["web.1", "web.1"], "old and new overlap");
    scene.up_again().await;
    sleep(s(30)).await;
    assert_eq!(scene.running(), ["web.1"]);
}

#[tokio::test(start_paused = true)]
async fn r5_4_a_stopped_dyno_of_the_formation_is_started_again() {
    let scene = Scene::up(binds()).await;
    let lines = scene
        .lines_of(async |scene| {
            scene.control.stop_dynos(&Selector::parse("web.1")).unwrap();
        })
        .await;
    assert_eq!(lines[0], "heroku[web.1]: State changed from up to down");
    assert!(lines.contains(&"heroku[web.1]: State changed from down to starting".to_owned()), "{lines:?}");
    assert_eq!(scene.states(), ["web.1 up"]);
}

#[tokio::test(start_paused = true)]
async fn r5_4_dynos_are_cycled_after_a_day_and_at_most_216_minutes() {
    let scene = Scene::up(binds()).await;
    sleep(s(24 * 3600 - 60)).await;
    assert!(!scene.lines().await.iter().any(|line| line.ends_with(" Cycling")));
    sleep(s(217 * 60)).await;
    let lines = scene.lines().await;
    let at = lines.iter().position(|line| line == "heroku[web.1]: Cycling").expect("it is cycled");
    assert_eq!(lines[at + 1], "heroku[web.1]: State changed from up to starting");
    scene.up_again().await;
    assert_eq!(lines.iter().filter(|line| line.ends_with(" Cycling")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn g5_no_request_can_go_to_the_socket_of_a_dyno_before() {
    let scene = Scene::up(binds()).await;
    let mut table = scene.control.table();
    let mut seen = vec![scene.backends().remove(0).generation];
    for _ in 0..3 {
        scene.control.restart(&Selector::All).unwrap();
        loop {
            table.changed().await.unwrap();
            let backend = table.borrow_and_update().apps[0].dynos[0].clone();
            if backend.state == DynoState::Up && !seen.contains(&backend.generation) {
                seen.push(backend.generation);
                break;
            }
            assert!(backend.state == DynoState::Starting || seen.contains(&backend.generation));
        }
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_restarting_web_dyno_is_never_missing_from_the_table() {
    let scene = Scene::up(binds()).await;
    let mut table = scene.control.table();
    let watching = tokio::spawn(async move {
        while table.changed().await.is_ok() {
            let dynos = table.borrow_and_update().apps[0].dynos.clone();
            assert_eq!(dynos.len(), 1, "requests wait, and do not get H14");
        }
    });
    for _ in 0..5 {
        scene.control.restart(&Selector::All).unwrap();
        sleep(s(7)).await;
    }
    assert!(!watching.is_finished());
}

#[tokio::test(start_paused = true)]
async fn r9_a_config_change_is_one_release_and_leaves_the_rest_of_the_file_alone() {
    let scene = Scene::up(binds()).await;
    let lines = scene
        .lines_of(async |scene| {
            assert_eq!(scene.set(&[("MODE", Some("live")), ("NEW", Some("a b"))]).await.unwrap(), Some(Version(4)));
        })
        .await;
    assert_eq!(lines[0], "app[api]: Set MODE, NEW config vars by user user@example.com");
    assert_eq!(lines[1], "app[api]: Release v4 created by user user@example.com");
    assert_eq!(lines[2], "heroku[web.1]: Restarting");
    assert_eq!(scene.env(), "# ours\nMODE=live # as in CI\nKEEP=1\nNEW='a b'\n");
    assert_eq!(scene.set(&[("MODE", Some("live"))]).await.unwrap(), None, "nothing changed");
    assert_eq!(scene.set(&[("NEW", None), ("NEVER", None)]).await.unwrap(), Some(Version(5)));
    assert_eq!(scene.env(), "# ours\nMODE=live # as in CI\nKEEP=1\n");
    let env = scene.engine.record(|record| record.launches.last().unwrap().env.clone());
    assert!(env.contains(&("MODE".to_owned(), "live".to_owned())) || scene.states() != ["web.1 up"]);
    assert_eq!(scene.control.releases().0.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn r8_names_that_no_config_var_has_are_refused_and_the_file_stays() {
    let scene = Scene::up(binds()).await;
    for name in ["1A", "A-B", "", "A B"] {
        assert!(matches!(scene.set(&[(name, Some("x"))]).await, Err(ControlError::BadConfig(_))), "{name}");
    }
    assert_eq!(scene.env(), ENV);
    assert_eq!(scene.control.releases().0.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn r9_nothing_boots_on_a_release_whose_command_fails() {
    let engine = binds().script("release", Script::new().exit(0)).script("release", Script::new().exit(2));
    let yml = "build:\n  docker:\n    web: Dockerfile\nrelease:\n  image: web\n  command:\n    - migrate\n";
    let scene = Scene::with(engine, yml);
    scene.deploy("a").await;
    scene.up_again().await;
    let lines = scene
        .lines_of(async |scene| {
            scene.set(&[("MODE", Some("live"))]).await.unwrap();
        })
        .await;
    assert!(lines.contains(&"app[api]: Release v4 command failed by user user@example.com".to_owned()), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("heroku[web.1]")), "{lines:?}");
    let (releases, current) = scene.control.releases();
    assert_eq!(
        releases.iter().map(|release| release.status).collect::<Vec<_>>(),
        [ReleaseStatus::Succeeded, ReleaseStatus::Failed]
    );
    assert_eq!(current, Some(Version(3)));
    let error = scene.control.rollback(Some(Version(4))).await.err().unwrap();
    assert!(error.to_string().starts_with("v4 is not eligible"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn r9_a_rollback_brings_back_image_config_and_env_as_a_new_release() {
    let engine = binds().image("web", usual_image("a")).image("other", usual_image("b"));
    let scene = Scene::up(engine).await;
    scene.set(&[("MODE", Some("live")), ("NEW", Some("1"))]).await.unwrap();
    scene.deploy("b").await;
    scene.up_again().await;
    let (target, release, outcome) = scene.control.rollback(Some(Version(3))).await.unwrap();
    outcome.await.unwrap().unwrap();
    assert_eq!((target, release.version, release.description.as_str()), (Version(3), Version(6), "Rollback to v3"));
    assert_eq!(scene.env(), ENV.replace("'test'", "test"));
    scene.up_again().await;
    let last = scene.engine.record(|record| record.launches.last().unwrap().clone());
    assert_eq!(last.image.id, usual_image("a").id);
    assert!(last.env.contains(&("MODE".to_owned(), "test".to_owned())), "{:?}", last.env);
    assert!(!last.env.iter().any(|(name, _)| name == "NEW"));
    let (target, _, outcome) = scene.control.rollback(None).await.unwrap();
    outcome.await.unwrap().unwrap();
    assert_eq!(target, Version(5), "the one before the current");
    let error = scene.control.rollback(Some(Version(99))).await.err().unwrap();
    assert_eq!(error.to_string(), "Couldn't find that release: v99");
}

#[tokio::test(start_paused = true)]
async fn r9_a_rollback_whose_image_is_gone_changes_nothing() {
    let scene = Scene::up(binds().image("other", usual_image("b"))).await;
    scene.set(&[("MODE", Some("live"))]).await.unwrap();
    let before = scene.env();
    let error = scene.control.rollback(None).await.err().unwrap();
    assert!(error.to_string().contains("is gone from the engine"), "{error}");
    assert_eq!((scene.env(), scene.control.releases().0.len()), (before, 2));
}

#[tokio::test(start_paused = true)]
async fn changes_that_come_at_once_are_released_one_after_the_other() {
    let engine = binds().script("release", Script::new().after(s(10)).exit(0));
    let yml = "build:\n  docker:\n    web: Dockerfile\nrelease:\n  image: web\n  command:\n    - migrate\n";
    let scene = Scene::with(engine, yml);
    scene.deploy("a").await;
    let names: Vec<String> = (0..5).map(|n| format!("N{n}")).collect();
    let all = names.iter().map(async |name| scene.set(&[(name.as_str(), Some("1"))]).await);
    let versions: Vec<Version> =
        futures_util::future::join_all(all).await.into_iter().map(|done| done.unwrap().unwrap()).collect();
    assert_eq!(versions, [4, 5, 6, 7, 8].map(Version));
    let (releases, current) = scene.control.releases();
    assert_eq!(current, Some(Version(8)));
    assert!(releases.iter().all(|release| release.status == ReleaseStatus::Succeeded));
    for (count, release) in releases.iter().enumerate() {
        assert_eq!(release.config.len(), 2 + count, "each adds one");
    }
    let lines = scene.lines().await;
    let running = lines.iter().filter(|line| line.contains("Running release")).count();
    assert_eq!(running, 6);
}

#[tokio::test(start_paused = true)]
async fn r9_releases_that_a_killed_run_left_open_are_closed_as_expired() {
    let scene = Scene::up(binds()).await;
    let state = &scene.ground.project.state;
    let mut releases = Releases::open(state).unwrap();
    let mut open = releases.iter().next().unwrap().clone();
    (open.version, open.status) = (Version(4), ReleaseStatus::Pending);
    releases.put(open).unwrap();
    releases.expire().unwrap();
    let again = Releases::open(state).unwrap();
    assert_eq!(
        again.iter().map(|release| release.status).collect::<Vec<_>>(),
        [ReleaseStatus::Succeeded, ReleaseStatus::Expired]
    );
    assert_eq!(again.current().unwrap().version, Version(3));
}

#[tokio::test(start_paused = true)]
async fn h80_maintenance_is_a_switch_that_dynos_do_not_notice() {
    let scene = Scene::up(binds()).await;
    let lines = scene.lines_of(async |scene| scene.control.set_maintenance(true)).await;
    assert_eq!(lines, ["app[api]: Enabled maintenance mode by user user@example.com"]);
    assert!(scene.control.table().borrow().apps[0].maintenance);
    scene.control.set_maintenance(true);
    scene.control.set_maintenance(false);
    assert!(!scene.control.table().borrow().apps[0].maintenance);
    assert_eq!(scene.running(), ["web.1"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_every_dyno_and_nothing_is_started_after_it() {
    let scene = Scene::up(binds()).await;
    scene.scale("web=3 worker=2").unwrap();
    scene.control.restart(&Selector::All).unwrap();
    scene.control.stop(std::future::pending()).await;
    assert!(scene.running().is_empty());
    let _ = scene.scale("web=4");
    let _ = scene.control.restart(&Selector::All);
    sleep(s(10)).await;
    assert!(scene.running().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_whatever_the_dynos_are_just_at() {
    let scene = Scene::up(FakeEngine::new().script("web", Script::new().bind())).await;
    let deployed = scene.control.deployed().unwrap();
    for round in 0..300 {
        let (_interrupter, interrupt) = interrupt::channel();
        let scale = Scale { quantity: 4, size: DynoSize::BASIC };
        let control = Control::begin(Beginning {
            ground: scene.ground.clone(),
            releases: Releases::open(&scene.ground.project.state).unwrap(),
            formation: BTreeMap::from([("web".parse().unwrap(), scale)]),
            hosts: Vec::new(),
            maintenance: false,
            reload: Arc::clone(&scene.reload),
            build: BuildOptions { platform: "linux/amd64".into(), no_cache: false },
            interrupt,
        });
        let (slug, slate) = (deployed.release.slug.clone(), deployed.slate.clone());
        let (_, outcome) = control.deploy(scene.ground.clone(), slug, slate).unwrap();
        outcome.await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_micros(round * 10)).await;
        timeout(s(20), control.stop(std::future::pending())).await.expect("it ends");
    }
    assert_eq!(scene.running(), ["web.1"], "that of the first control");
}

#[tokio::test(start_paused = true)]
async fn a_stop_by_force_does_not_wait_for_dynos_that_ignore_sigterm() {
    let stubborn = Script::new().bind().ignore_term();
    let scene = Scene::up(FakeEngine::new().script("web", stubborn)).await;
    let began = tokio::time::Instant::now();
    scene.control.stop(sleep(s(1))).await;
    assert!(began.elapsed() < s(10), "{:?}", began.elapsed());
    assert!(scene.running().is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Scale(usize, u32),
    More(usize, i32),
    Restart(usize),
    Stop(usize),
    Set(usize, Option<u8>),
    Maintenance(bool),
    Preboot(bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3usize, 0..4u32).prop_map(|(kind, number)| Step::Scale(kind, number)),
        (0..3usize, -2..3i32).prop_map(|(kind, change)| Step::More(kind, change)),
        (0..3usize).prop_map(Step::Restart),
        (0..3usize).prop_map(Step::Stop),
        (0..3usize, prop::option::of(any::<u8>())).prop_map(|(name, value)| Step::Set(name, value)),
        any::<bool>().prop_map(Step::Maintenance),
        any::<bool>().prop_map(Step::Preboot),
        (0..40_000u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever is asked for, however fast, by however many: what runs in the end is what was asked for last.
    #[test]
    fn random_commands_from_many_terminals_end_in_the_state_that_a_model_has(
        terminals in prop::collection::vec(prop::collection::vec(step(), 0..12), 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let slow = Script::new().after(s(3)).bind().on_term(0, s(5));
            let scene = Arc::new(Scene::up(FakeEngine::new().script("web", slow)).await);
            // The model: what each command that was accepted says must be so, in the order in which they were.
            let model = Arc::new(std::sync::Mutex::new((
                BTreeMap::from([(0usize, 1u32), (1, 0), (2, 0)]),
                BTreeMap::from([("MODE".to_owned(), "test".to_owned()), ("KEEP".to_owned(), "1".to_owned())]),
                1usize,
            )));
            let runs = terminals.into_iter().map(|steps| terminal(Arc::clone(&scene), Arc::clone(&model), steps));
            futures_util::future::join_all(runs).await;
            scene.up_again().await;
            sleep(s(300)).await;
            let (formation, config, releases) = model.lock().unwrap().clone();
            let mut wanted: Vec<String> = formation
                .iter()
                .flat_map(|(kind, number)| (1..=*number).map(|n| format!("{}.{n}", types()[*kind])))
                .collect();
            wanted.sort();
            assert_eq!(scene.running(), wanted);
            let up: Vec<String> = wanted.iter().map(|name| format!("{name} up")).collect();
            let mut states = scene.states();
            states.sort();
            assert_eq!(states, up);
            assert_eq!(scene.control.config(), config);
            let web = usize::try_from(formation[&0]).unwrap();
            assert_eq!(scene.backends().iter().filter(|dyno| dyno.state == DynoState::Up).count(), web);
            let (all, current) = scene.control.releases();
            assert_eq!(all.len(), releases);
            assert_eq!(current, all.last().map(|release| release.version));
            let newest = current.unwrap();
            assert!(scene.control.places().iter().all(|place| place.version == newest));
            let again = Releases::open(&scene.ground.project.state).unwrap();
            assert_eq!(again.iter().cloned().collect::<Vec<_>>(), all, "on disk as in memory");
        });
    }
}

type Model = Arc<std::sync::Mutex<(BTreeMap<usize, u32>, BTreeMap<String, String>, usize)>>;

async fn terminal(scene: Arc<Scene>, model: Model, steps: Vec<Step>) {
    for step in steps {
        match step {
            Step::Scale(kind, number) => {
                scene.scale(&format!("{}={number}", types()[kind])).unwrap();
                model.lock().unwrap().0.insert(kind, number);
            }
            Step::More(kind, change) => {
                let done = scene.scale(&format!("{}{change:+}", types()[kind]));
                let formation = &mut model.lock().unwrap().0;
                match formation[&kind].checked_add_signed(change) {
                    Some(number) => {
                        assert!(done.is_ok());
                        formation.insert(kind, number);
                    }
                    None => assert!(done.is_err()),
                }
            }
            Step::Restart(kind) => drop(scene.control.restart(&Selector::parse(types()[kind].as_str()))),
            Step::Stop(kind) => drop(scene.control.stop_dynos(&Selector::parse(types()[kind].as_str()))),
            Step::Set(name, value) => {
                let (name, value) = (format!("N{name}"), value.map(|value| value.to_string()));
                let changes = BTreeMap::from([(name.clone(), value.clone())]);
                let done = scene.control.set_config(changes).await.unwrap();
                let mut model = model.lock().unwrap();
                let before = model.1.get(&name).cloned();
                match value.clone() {
                    Some(value) => model.1.insert(name, value),
                    None => model.1.remove(&name),
                };
                assert_eq!(done.is_some(), before != value);
                model.2 += usize::from(done.is_some());
            }
            Step::Maintenance(on) => scene.control.set_maintenance(on),
            Step::Preboot(on) => scene.control.set_preboot(on),
            Step::Wait(millis) => sleep(Duration::from_millis(millis)).await,
        }
    }
}

fn synced(image: &str) -> BTreeMap<ProcessType, Arc<crate::model::image::ImageFacts>> {
    types().into_iter().map(|name| (name, Arc::new(usual_image(image)))).collect()
}

#[tokio::test(start_paused = true)]
async fn other_images_for_the_release_that_runs_give_new_dynos_and_no_release() {
    let scene = Scene::up(binds()).await;
    let (before, current) = scene.control.releases();
    assert!(scene.control.refresh(current.unwrap(), &synced("b"), super::Renewal::Now));
    sleep(s(60)).await;
    let launched: Vec<String> = scene.engine.record(|r| r.launches.iter().map(|l| l.image.id.clone()).collect());
    assert_eq!(launched, [usual_image("a").id, usual_image("b").id]);
    assert_eq!(scene.control.releases().0.len(), before.len());
    assert_eq!(scene.control.places()[0].version, current.unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_image_that_holds_the_same_restarts_nothing_and_is_what_the_next_restart_uses() {
    let scene = Scene::up(binds()).await;
    let current = scene.control.releases().1.unwrap();
    assert!(scene.control.refresh(current, &synced("b"), super::Renewal::Later));
    sleep(s(60)).await;
    assert_eq!(scene.engine.record(|r| r.launches.len()), 1);
    scene.control.restart(&Selector::All).unwrap();
    sleep(s(60)).await;
    assert_eq!(scene.engine.record(|r| r.launches[1].image.id.clone()), usual_image("b").id);
    let changes = BTreeMap::from([("MODE".to_owned(), Some("live".to_owned()))]);
    let (release, outcome) = scene.control.set_config(changes).await.unwrap().unwrap();
    outcome.await.unwrap().unwrap();
    assert!(release.slug.values().all(|image| image.0 == usual_image("b").id), "it is released with what runs");
}

#[tokio::test(start_paused = true)]
async fn images_for_a_release_that_was_replaced_are_not_taken() {
    let scene = Scene::up(binds()).await;
    scene.deploy("b").await;
    assert!(!scene.control.refresh(Version(3), &synced("c"), super::Renewal::Now));
    scene.up_again().await;
    assert!(scene.engine.record(|r| r.launches.iter().all(|l| l.image.id != usual_image("c").id)));
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_env_is_one_release_and_what_config_set_wrote_is_none() {
    let scene = Scene::up(binds()).await;
    assert!(scene.control.take_config().await.unwrap().is_none());
    let env = scene.folder.path().join("shop/.env");
    fs::write(&env, "MODE=live\nNEW=1\n").unwrap();
    let (release, outcome) = scene.control.take_config().await.unwrap().unwrap();
    outcome.await.unwrap().unwrap();
    assert_eq!(release.description, "Set MODE, NEW config vars and Remove KEEP config vars");
    assert!(scene.control.take_config().await.unwrap().is_none());
    let changes = BTreeMap::from([("NEW".to_owned(), Some("2".to_owned()))]);
    scene.control.set_config(changes).await.unwrap().unwrap();
    assert!(scene.control.take_config().await.unwrap().is_none());
    assert!(scene.engine.record(|r| r.builds.is_empty()));
}
