//! Preboot: the new dyno first, and what becomes of the old one.

use crate::engine::Signal;
use crate::engine::fake::{FakeEngine, Script};
use crate::model::dyno::DynoState;
use crate::platform::control::Selector;
use crate::platform::control::scene::{Scene, binds, s};
use crate::router::traffic::Traffic;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn r5_6_with_preboot_some_dyno_is_always_up() {
    let slow = Script::new().after(s(20)).bind();
    let scene = Scene::up(FakeEngine::new().script("web", slow)).await;
    scene.control.set_preboot(true);
    let mut table = scene.control.table();
    let watching = tokio::spawn(async move {
        while table.changed().await.is_ok() {
            let dynos = table.borrow_and_update().apps[0].dynos.clone();
            assert!(dynos.iter().any(|dyno| dyno.state == DynoState::Up), "{dynos:?}");
        }
    });
    let before = scene.backends();
    scene.deploy("b").await;
    sleep(s(10)).await;
    assert_eq!(scene.backends(), before, "the old one serves");
    assert_eq!(scene.running(), ["web.1", "web.1"]);
    sleep(s(30)).await;
    assert_ne!(scene.backends(), before);
    assert_eq!(scene.running(), ["web.1"]);
    assert!(!watching.is_finished());
}

#[tokio::test(start_paused = true)]
async fn r5_6_with_preboot_the_old_dynos_go_when_the_window_is_over() {
    let engine = FakeEngine::new().script("web", Script::new().bind()).script("web", Script::new());
    let scene = Scene::up(engine).await;
    scene.control.set_preboot(true);
    scene.deploy("b").await;
    sleep(s(179)).await;
    assert_eq!(scene.backends()[0].state, DynoState::Up);
    sleep(s(2)).await;
    assert_ne!(scene.backends()[0].state, DynoState::Up, "60 s of boot and 120 s more");
}

/// An app that is up with preboot, and the requests that its dyno has.
async fn up() -> (Scene, Traffic) {
    let scene = Scene::up(binds()).await;
    scene.control.set_preboot(true);
    let traffic = scene.backends().remove(0).traffic;
    (scene, traffic)
}

/// How many dynos were told to stop.
fn told(scene: &Scene) -> usize {
    scene.engine.record(|record| record.signals.iter().filter(|(_, signal)| *signal == Signal::Term).count())
}

#[tokio::test(start_paused = true)]
async fn r5_6_with_preboot_the_old_dyno_is_told_to_stop_when_its_last_request_has_ended() {
    let (scene, traffic) = up().await;
    let (first, last) = (traffic.enter(), traffic.enter());
    let before = scene.backends();
    scene.control.restart(&Selector::All).unwrap();
    sleep(s(10)).await;
    assert_ne!(scene.backends(), before, "new requests go to the new dyno");
    traffic.leave(&first);
    sleep(s(10)).await;
    assert_eq!((told(&scene), scene.running()), (0, vec!["web.1".into(), "web.1".into()]), "one request is there");
    traffic.leave(&last);
    sleep(s(1)).await;
    assert_eq!((told(&scene), scene.running()), (1, vec!["web.1".into()]));
}

#[tokio::test(start_paused = true)]
async fn r5_6_with_preboot_the_old_dyno_is_told_to_stop_after_30_s_whatever_is_still_there() {
    let (scene, traffic) = up().await;
    let _stuck = traffic.enter();
    scene.control.restart(&Selector::All).unwrap();
    sleep(s(29)).await;
    assert_eq!(told(&scene), 0);
    sleep(s(5)).await;
    assert_eq!((told(&scene), scene.running()), (1, vec!["web.1".into()]));
}
