//! What is said of failed requests, on a scripted engine in paused time.

use super::{explanation, message, place_of};
use crate::engine::fake::{FakeEngine, Script};
use crate::model::codes::H;
use crate::model::formation;
use crate::platform::control::scene::{Scene, s};
use crate::router::Failed;
use std::time::Duration;
use tokio::time::sleep;

fn failed(code: H, dyno: Option<&str>, service: u64, others: usize) -> Failed {
    Failed {
        code,
        dyno: dyno.map(str::to_owned),
        method: "POST".into(),
        path: "/report".into(),
        service: (service > 0).then(|| s(service)),
        others,
    }
}

fn told(scene: &Scene, failed: &Failed) -> Option<String> {
    let formation = formation::describe(&scene.control.formation());
    let places = scene.control.last_words();
    let message = message(place_of(failed, &places), explanation(failed, &places, &formation)?);
    Some(format!("{}: {}", message.process, message.text))
}

async fn up(script: Script) -> Scene {
    Scene::up(FakeEngine::new().script("web", script)).await
}

#[tokio::test(start_paused = true)]
async fn h12_says_which_request_goes_on_and_what_the_dyno_printed_last() {
    let scene = up(Script::new().after(s(2)).bind().print("listening\nreport: page 7 of 900\n")).await;
    sleep(s(30)).await;
    assert_eq!(
        told(&scene, &failed(H::H12, Some("web.1"), 30, 3)).unwrap(),
        "web.1: POST /report had no answer from web.1 within 30 s; web.1 is not told and goes on with it; 3 other \
         requests are there; it last printed, 30 s ago: \"report: page 7 of 900\""
    );
    assert!(told(&scene, &failed(H::H12, Some("web.1"), 30, 0)).unwrap().contains("no other request is there"));
}

#[tokio::test(start_paused = true)]
async fn h13_says_whether_the_dyno_still_runs() {
    let scene = up(Script::new().bind().print("up\n")).await;
    sleep(s(30)).await;
    let text = told(&scene, &failed(H::H13, Some("web.1"), 1, 0)).unwrap();
    assert_eq!(
        text,
        "web.1: web.1 closed the connection of POST /report after 1.0 s without an answer; web.1 still runs; it last \
         printed, 30 s ago: \"up\""
    );
    let dies = Script::new().bind().after(s(20)).print("Traceback: KeyError\n").exit(1);
    let scene = up(dies).await;
    sleep(s(20) + Duration::from_millis(500)).await;
    let text = told(&scene, &failed(H::H13, Some("web.1"), 1, 0)).unwrap();
    assert!(text.contains("web.1 has crashed with status 1"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn h10_says_how_each_web_dyno_ended_and_its_last_words() {
    let scene = up(Script::new().bind().after(s(5)).print("SyntaxError: app.js:3\n").exit(1)).await;
    sleep(s(11)).await;
    let text = told(&scene, &failed(H::H10, None, 0, 0)).unwrap();
    assert!(
        text.starts_with(
            "router: every web dyno has crashed: web.1 crashed 2 times in a row, the last time with status 1"
        ),
        "{text}"
    );
    assert!(text.ends_with("s ago: \"SyntaxError: app.js:3\""), "{text}");
}

#[tokio::test(start_paused = true)]
async fn h14_says_whether_web_is_scaled_to_0_or_not_there() {
    let scene = up(Script::new().bind()).await;
    scene.scale("web=0").unwrap();
    sleep(s(5)).await;
    assert_eq!(
        told(&scene, &failed(H::H14, None, 0, 0)).unwrap(),
        "router: no web dyno is wanted: the formation is clock@0:Basic web@0:Basic worker@0:Basic; `dynosim ps:scale \
         web=1` starts one"
    );
}

#[tokio::test(start_paused = true)]
async fn h20_says_how_long_web_has_been_starting() {
    let slow = Script::new().print("waiting for the database\n");
    let scene = Scene::with(
        FakeEngine::new().script("web", slow),
        "build:\n  docker:\n    web: Dockerfile\n    worker: Dockerfile\n    clock: Dockerfile\n",
    );
    scene.deploy("a").await;
    sleep(s(40)).await;
    assert_eq!(
        told(&scene, &failed(H::H20, None, 0, 0)).unwrap(),
        "router: no web dyno came up while POST /report waited: web.1 has been starting for 40 s; it last printed, 40 s \
         ago: \"waiting for the database\""
    );
}

#[tokio::test(start_paused = true)]
async fn codes_whose_line_says_it_all_are_left_alone() {
    let scene = up(Script::new().bind()).await;
    for code in [H::H27, H::H28, H::H80, H::H81] {
        assert_eq!(told(&scene, &failed(code, Some("web.1"), 1, 0)), None);
    }
    for code in [H::H15, H::H17, H::H18, H::H19, H::H21] {
        assert!(told(&scene, &failed(code, Some("web.1"), 1, 0)).unwrap().starts_with("web.1: "), "{code:?}");
    }
}
