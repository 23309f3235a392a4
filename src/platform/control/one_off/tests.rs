//! Detached one-off dynos on a scripted engine, in paused time.

use super::OneOffRequest;
use crate::engine::fake::{FakeEngine, Script};
use crate::model::dyno::DynoSize;
use crate::model::process_type::ProcessType;
use crate::platform::control::scene::{Scene, binds, s};
use crate::platform::control::{ControlError, Selector};
use std::collections::BTreeMap;
use tokio::time::{sleep, timeout};

fn one_off(words: &[&str]) -> OneOffRequest {
    OneOffRequest {
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        process_type: ProcessType::web(),
        size: DynoSize::BASIC,
        env: BTreeMap::from([("ONLY_HERE".to_owned(), "1".to_owned())]),
    }
}

/// Runs until it is told to stop.
fn with_one_offs() -> FakeEngine {
    binds().script("run", Script::new().after(s(1)).print("at work\n"))
}

#[tokio::test(start_paused = true)]
async fn r1_6_a_detached_one_off_is_listed_while_it_runs_and_its_output_is_in_the_log() {
    let ends = binds().script("run", Script::new().after(s(5)).print("done\n").after(s(1)).exit(3));
    let scene = Scene::up(ends).await;
    let mut name = String::new();
    let lines = scene
        .lines_of(async |scene| {
            let place = scene.control.run_detached(&one_off(&["rake", "db:migrate"])).unwrap();
            name = place.name.to_string();
            assert!(place.command.contains("rake"), "{}", place.command);
            sleep(s(2)).await;
            assert!(scene.states().contains(&format!("{name} up")), "{:?}", scene.states());
        })
        .await;
    assert!(!scene.states().iter().any(|state| state.starts_with("run.")), "{:?}", scene.states());
    let expected = [
        "app[api]: Starting process with command `rake db:migrate` by user user@example.com".to_owned(),
        format!("heroku[{name}]: Starting process with command `rake db:migrate`"),
        format!("heroku[{name}]: State changed from starting to up"),
        format!("app[{name}]: done"),
        format!("heroku[{name}]: Process exited with status 3"),
        format!("heroku[{name}]: State changed from up to complete"),
    ];
    assert_eq!(lines, expected);
    let env = scene.engine.record(|record| record.launches.last().unwrap().env.clone());
    assert!(env.iter().any(|(name, value)| name == "ONLY_HERE" && value == "1"), "{env:?}");
    assert_eq!(scene.control.config().get("ONLY_HERE"), None, "it is this dyno's alone");
}

#[tokio::test(start_paused = true)]
async fn a_detached_one_off_ends_by_ps_stop_and_restarts_of_the_app_leave_it_alone() {
    let scene = Scene::up(with_one_offs()).await;
    let name = scene.control.run_detached(&one_off(&["work"])).unwrap().name;
    sleep(s(2)).await;
    scene.control.restart(&Selector::All).unwrap();
    scene.scale("web=2").unwrap();
    scene.up_again().await;
    assert!(scene.running().contains(&name.to_string()), "{:?}", scene.running());
    let stopped = scene.control.stop_dynos(&Selector::parse(&name.to_string())).unwrap();
    assert_eq!(stopped, std::slice::from_ref(&name));
    sleep(s(60)).await;
    assert!(!scene.running().contains(&name.to_string()), "{:?}", scene.running());
    assert!(matches!(
        scene.control.stop_dynos(&Selector::parse(&name.to_string())),
        Err(ControlError::NoSuchDyno { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn detached_one_offs_end_with_the_app_and_none_is_started_after() {
    let scene = Scene::up(with_one_offs()).await;
    scene.control.run_detached(&one_off(&["work"])).unwrap();
    sleep(s(2)).await;
    timeout(s(100), scene.control.stop(std::future::pending())).await.expect("stops in time");
    assert_eq!(scene.running(), Vec::<String>::new());
    assert!(matches!(scene.control.run_detached(&one_off(&["work"])), Err(ControlError::Closing)));
}

#[tokio::test(start_paused = true)]
async fn a_one_off_of_a_type_that_is_not_there_starts_nothing() {
    let scene = Scene::up(with_one_offs()).await;
    let request = OneOffRequest { process_type: "nope".parse().unwrap(), ..one_off(&["work"]) };
    let refused = scene.control.run_detached(&request).unwrap_err().to_string();
    assert!(refused.contains("nope") && refused.contains("web"), "{refused}");
    assert_eq!(scene.running(), ["web.1"]);
}
