//! The API on a running app with a scripted engine: what a client sees of each path, right and wrong.

use super::request::Call;
use super::server::{Server, Shared};
use super::{APP, Client, ClientError, Subject, routes, shapes};
use crate::engine::fake::{FakeEngine, Script, usual_image};
use crate::engine::{BuildFailure, EngineError, Usage};
use crate::platform::control::scene::{Scene, binds, s};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

/// A scene and the API on it.
struct Stage {
    scene: Scene,
    shared: Arc<Shared>,
}

/// Status, headers that matter, body.
struct Told {
    status: u16,
    next: Option<String>,
    release: Option<String>,
    body: Value,
}

impl Stage {
    async fn up() -> Self {
        Self::of(Scene::up(binds()).await)
    }

    fn of(scene: Scene) -> Self {
        let shared = Arc::new(Shared::new(subject(&scene)));
        Self { scene, shared }
    }

    async fn ask_range(&self, method: &str, path: &str, range: &str, body: &str) -> Told {
        let answer = routes::answer(&self.shared, Call::of(method, path, range, body)).await;
        let fault = |fault: super::fault::Fault| super::request::json(fault.status, &fault.error);
        let Ok(response) = answer.or_else(fault) else { panic!("no answer") };
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (status, next, release) = (response.status().as_u16(), header("next-range"), header("dynosim-release"));
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8(bytes.to_vec()).unwrap()));
        Told { status, next, release, body }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Told {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.ask_range(method, path, "", &body).await
    }

    async fn get(&self, path: &str) -> Value {
        let told = self.ask("GET", path, Value::Null).await;
        assert_eq!(told.status, 200, "{path}: {}", told.body);
        told.body
    }

    /// What a refusal says: status, id, message.
    async fn refusal(&self, method: &str, path: &str, body: Value) -> String {
        let told = self.ask(method, path, body).await;
        format!("{} {} {}", told.status, told.body["id"].as_str().unwrap(), told.body["message"].as_str().unwrap())
    }
}

fn subject(scene: &Scene) -> Subject {
    let project = &scene.ground.project;
    Subject {
        app: project.app.name.clone(),
        identity: project.identity.clone(),
        state: project.state.clone(),
        user: project.user.clone(),
        clock: project.clock.clone(),
        logs: scene.logs.clone(),
        control: scene.control.clone(),
    }
}

#[tokio::test(start_paused = true)]
async fn resources_have_the_fields_that_heroku_s_client_reads() {
    let stage = Stage::up().await;
    let fields = |value: &Value, names: &str| {
        for name in names.split(' ') {
            assert!(value.get(name).is_some(), "no {name} in {value}");
        }
    };
    fields(&stage.get("/account").await, "email id");
    let app = stage.get("/apps/shop").await;
    fields(
        &app,
        "id name owner region stack build_stack generation web_url git_url repo_size slug_size maintenance create_status space team",
    );
    assert_eq!(app["stack"]["name"], "container");
    assert_eq!(stage.get("/apps").await[0], app);
    let dynos = stage.get("/apps/shop/dynos").await;
    fields(&dynos[0], "id name type command state size updated_at release attach_url");
    assert_eq!(dynos[0]["name"], "web.1");
    assert_eq!((&dynos[0]["state"], &dynos[0]["size"]), (&json!("up"), &json!("Basic")));
    assert_eq!(dynos[0]["release"]["version"], 3);
    assert_eq!(stage.get("/apps/shop/dynos/web.1").await, dynos[0]);
    let formation = stage.get("/apps/shop/formation").await;
    let types: Vec<&str> = formation.as_array().unwrap().iter().map(|one| one["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["clock", "web", "worker"], "types that do not run are listed too");
    fields(&formation[1], "type quantity size command");
    let releases = stage.get("/apps/shop/releases").await;
    fields(
        &releases[0],
        "id version status description user created_at current eligible_for_rollback output_stream_url slug",
    );
    assert_eq!((&releases[0]["current"], &releases[0]["status"]), (&json!(true), &json!("succeeded")));
    assert_eq!(stage.get("/apps/shop/config-vars").await, json!({"KEEP": "1", "MODE": "test"}));
}

#[tokio::test(start_paused = true)]
async fn r5_7_usage_is_measured_when_asked_and_null_for_a_dyno_that_does_not_run() {
    let used = |rss: u64, cache: u64| Usage { rss: rss << 20, cache: cache << 20, ..Usage::default() };
    let web = Script::new().memory(used(41, 9)).bind().after(s(30)).memory(used(600, 9));
    let engine = FakeEngine::new().script("web", web).script("worker", Script::new().exit(1));
    let stage = Stage::of(Scene::up(engine).await);
    let quota = 512_u64 << 20;
    let one = |name: &str, memory: Value| json!({"name": name, "memory": memory, "memory_quota": quota});
    assert_eq!(stage.get("/dynosim/usage").await, json!([one("web.1", json!(50_u64 << 20))]));
    stage.scene.scale("worker=1").unwrap();
    sleep(s(31)).await;
    let crashed = stage.get("/dynosim/usage").await;
    // Cache that the quota has no room for does not count.
    assert_eq!(crashed, json!([one("web.1", json!(600_u64 << 20)), one("worker.1", Value::Null)]));
    assert!(stage.refusal("POST", "/dynosim/usage", json!({})).await.starts_with("405 "));
}

#[tokio::test(start_paused = true)]
async fn the_app_is_found_by_name_id_or_tilde_and_by_nothing_else() {
    let stage = Stage::up().await;
    let id = stage.get("/apps/shop").await["id"].as_str().unwrap().to_owned();
    for name in ["~", &id] {
        assert_eq!(stage.get(&format!("/apps/{name}")).await["name"], "shop");
    }
    for path in ["/apps/shoq", "/apps/shoq/dynos", "/apps/SHOP/formation"] {
        assert_eq!(stage.refusal("GET", path, Value::Null).await, "404 not_found Couldn't find that app.");
    }
    for path in ["/", "/addons", "/apps/shop/addons-attachments", "/dynosim/nothing"] {
        let refusal = stage.refusal("GET", path, Value::Null).await;
        assert_eq!(refusal, "404 not_found The requested API endpoint was not found.", "{path}");
    }
    for (method, path) in [("PUT", "/apps/shop"), ("POST", "/apps/shop/formation"), ("DELETE", "/account")] {
        assert!(stage.refusal(method, path, Value::Null).await.starts_with("405 method_not_allowed "), "{path}");
    }
    let told = stage.ask_range("PATCH", "/apps/shop", "", "{half").await;
    assert_eq!((told.status, &told.body["id"]), (400, &json!("bad_request")));
}

#[tokio::test(start_paused = true)]
async fn quantities_are_numbers_or_heroku_s_strings_and_sizes_come_back_as_heroku_writes_them() {
    let stage = Stage::up().await;
    let updates = json!({"updates": [
        {"type": "web", "quantity": "2", "size": "standard-1x"}, {"type": "worker", "quantity": "+1"},
        {"type": "clock", "quantity": 1},
    ]});
    let told = stage.ask("PATCH", "/apps/shop/formation", updates).await;
    let words: Vec<String> = told
        .body
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{}={}:{}", one["type"], one["quantity"], one["size"]).replace('"', ""))
        .collect();
    assert_eq!(words, ["clock=1:Basic", "web=2:Standard-1X", "worker=1:Basic"]);
    let told = stage.ask("PATCH", "/apps/shop/formation/web", json!({"quantity": "-1"})).await;
    assert_eq!((told.status, &told.body["quantity"], &told.body["size"]), (200, &json!(1), &json!("Standard-1X")));
    stage.scene.up_again().await;
    assert_eq!(stage.get("/apps/shop/dynos").await.as_array().unwrap().len(), 3, "a dyno that leaves is not listed");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_wish_changes_nothing() {
    let stage = Stage::up().await;
    let before = stage.get("/apps/shop/formation").await;
    let web = json!({"type": "web", "quantity": 2});
    for (wrong, says) in [
        (
            json!({"type": "wroker", "quantity": 1}),
            "404 not_found Couldn't find that process type: wroker. The app has clock, web, worker",
        ),
        (
            json!({"type": "no such", "quantity": 1}),
            "404 not_found Couldn't find that process type: no such. The app has clock, web, worker",
        ),
        (json!({"type": "worker", "quantity": 101}), "422 invalid_params worker can have 0 to 100 dynos"),
        (json!({"type": "worker", "quantity": -1}), "422 invalid_params worker can have 0 to 100 dynos"),
        (json!({"type": "worker", "quantity": "-1"}), "422 invalid_params worker can have 0 to 100 dynos"),
        (
            json!({"type": "worker", "quantity": "two"}),
            "422 invalid_params \"two\" is not a number of dynos: write 2, +1 or -1",
        ),
        (
            json!({"type": "worker", "quantity": 1.5}),
            "422 invalid_params 1.5 is not a number of dynos: write 2, +1 or -1",
        ),
    ] {
        let refusal = stage.refusal("PATCH", "/apps/shop/formation", json!({"updates": [web, wrong]})).await;
        assert_eq!(refusal, says);
    }
    let refusal = stage.refusal("PATCH", "/apps/shop/formation/web", json!({"size": "huge"})).await;
    assert!(refusal.starts_with("422 invalid_params No such size as huge. Sizes are Eco, Basic"), "{refusal}");
    let refusal = stage.refusal("PATCH", "/apps/shop/formation", json!({"updates": "web=2"})).await;
    assert!(refusal.starts_with("422 invalid_params Unable to use the request"), "{refusal}");
    assert_eq!(stage.get("/apps/shop/formation").await, before);
    let refusal = stage.refusal("PATCH", "/apps/shop", json!({"maintenance": "yes"})).await;
    assert_eq!(refusal, "422 invalid_params maintenance must be true or false");
    let refusal = stage.refusal("PATCH", "/apps/shop", json!({"maintenance": true, "name": "x"})).await;
    assert_eq!(refusal, "422 invalid_params name is what the project's files say; edit them");
    assert_eq!(stage.get("/apps/shop").await["maintenance"], false);
}

#[tokio::test(start_paused = true)]
async fn dynos_restart_stop_and_cycle_by_heroku_s_paths() {
    let stage = Stage::up().await;
    for (method, path, line) in [
        ("DELETE", "/apps/shop/dynos", "heroku[web.1]: Restarting"),
        ("DELETE", "/apps/shop/dynos/web.1", "heroku[web.1]: Restarting"),
        ("DELETE", "/apps/shop/dynos/w%2A", "heroku[web.1]: Restarting"),
        ("DELETE", "/apps/shop/formations/web", "heroku[web.1]: Restarting"),
        ("POST", "/apps/shop/dynos/web.1/actions/stop", "heroku[web.1]: State changed from up to down"),
        ("POST", "/apps/shop/formations/web/actions/stop", "heroku[web.1]: State changed from up to down"),
        ("POST", "/dynosim/cycle", "heroku[web.1]: Cycling"),
    ] {
        let lines = stage
            .scene
            .lines_of(async |_| assert_eq!(stage.ask(method, path, Value::Null).await.status, 202, "{path}"))
            .await;
        assert_eq!(lines[0], line, "{method} {path}");
        stage.scene.up_again().await;
    }
    let no_dyno = "404 not_found Couldn't find that dyno: web.7. There are web.1";
    assert_eq!(stage.refusal("DELETE", "/apps/shop/dynos/web.7", Value::Null).await, no_dyno);
    assert_eq!(stage.refusal("POST", "/apps/shop/dynos/web.7/actions/stop", Value::Null).await, no_dyno);
    assert_eq!(stage.refusal("POST", "/dynosim/cycle", json!({"dynos": "web.7"})).await, no_dyno);
    let no_type = "404 not_found Couldn't find that process type: web.1. The app has clock, web, worker";
    assert_eq!(stage.refusal("DELETE", "/apps/shop/formations/web.1", Value::Null).await, no_type);
}

#[tokio::test(start_paused = true)]
async fn r9_config_vars_are_patched_as_one_release_which_the_answer_names() {
    let stage = Stage::up().await;
    let path = "/apps/shop/config-vars";
    let told = stage.ask("PATCH", path, json!({"A": "1", "MODE": null})).await;
    assert_eq!((told.status, told.release.as_deref()), (200, Some("4")));
    assert_eq!(told.body, json!({"A": "1", "KEEP": "1"}));
    let told = stage.ask("PATCH", path, json!({"A": "1"})).await;
    assert_eq!((told.status, told.release), (200, None), "nothing changed, no release");
    for (body, says) in [
        (json!({"A": 1}), "422 invalid_params The value of A must be a string, or null to unset it"),
        (
            json!({"1A": "x"}),
            "422 invalid_params 1A is no name for a config var: letters, digits and _, not a digit first",
        ),
    ] {
        assert_eq!(stage.refusal("PATCH", path, body).await, says);
    }
    assert_eq!(stage.get("/apps/shop/releases/3/config-vars").await, json!({"KEEP": "1", "MODE": "test"}));
}

#[tokio::test(start_paused = true)]
async fn r9_releases_come_in_ranges_and_are_gone_back_to_by_id_or_number() {
    let engine = binds().image("web", usual_image("a"));
    let stage = Stage::of(Scene::up(engine).await);
    for value in ["1", "2", "3"] {
        stage.scene.set(&[("A", Some(value))]).await.unwrap();
    }
    let versions = |told: &Told| -> Vec<u64> {
        told.body.as_array().unwrap().iter().map(|release| release["version"].as_u64().unwrap()).collect()
    };
    let told = stage.ask_range("GET", "/apps/shop/releases", "version ..; max=2, order=desc", "").await;
    assert_eq!((told.status, versions(&told)), (206, vec![6, 5]));
    let told = stage.ask_range("GET", "/apps/shop/releases", &told.next.unwrap(), "").await;
    assert_eq!((told.status, versions(&told), told.next), (200, vec![4, 3], None));
    let fourth = stage.get("/apps/shop/releases/v4").await;
    assert_eq!(fourth["description"], "Set A config vars");
    let id = fourth["id"].as_str().unwrap();
    assert_eq!(stage.get(&format!("/apps/shop/releases/{id}")).await, fourth);
    assert_eq!(stage.get("/apps/shop/releases/current").await["version"], 6);
    let told = stage.ask("POST", "/apps/shop/releases", json!({"release": id})).await;
    assert_eq!((told.status, &told.body["version"]), (201, &json!(7)));
    assert_eq!(told.body["description"], "Rollback to v4");
    assert_eq!(stage.get("/apps/shop/config-vars").await["A"], "1");
    stage.scene.up_again().await;
    let told = stage.ask("POST", "/apps/shop/releases", json!({"release": 5})).await;
    assert_eq!(told.body["description"], "Rollback to v5");
    for wrong in [json!("v99"), json!(99), json!("nonsense")] {
        let refusal = stage.refusal("POST", "/apps/shop/releases", json!({"release": wrong})).await;
        assert_eq!(refusal, "404 not_found Couldn't find that release.");
    }
}

#[tokio::test(start_paused = true)]
async fn r9_a_rebuild_releases_what_has_changed_and_nothing_else() {
    let stage = Stage::up().await;
    let path = super::REBUILD;
    assert_eq!(stage.ask("POST", path, Value::Null).await.body, json!({"version": 4}), "there was no build of it");
    assert_eq!(stage.ask("POST", path, Value::Null).await.body, json!({"version": null}), "nothing has changed");
    let dockerfile = stage.scene.folder.path().join("shop/Dockerfile");
    std::fs::write(&dockerfile, "FROM scratch\nCMD [\"other\"]\n").unwrap();
    assert_eq!(stage.ask("POST", path, Value::Null).await.body, json!({"version": 5}));
    assert_eq!(stage.get("/apps/shop/releases/current").await["version"], 5);
    // A build that fails leaves the release that runs, and the answer says why.
    std::fs::write(&dockerfile, "FROM scratch\nCMD [\"broken\"]\n").unwrap();
    let failure = BuildFailure { message: "step 2 failed".into(), ..BuildFailure::default() };
    stage.scene.engine.next_build_fails(EngineError::Build(Box::new(failure)));
    let says = "422 invalid_params the image for clock, web, worker could not be built: step 2 failed";
    assert_eq!(stage.refusal("POST", path, Value::Null).await, says);
    assert_eq!(stage.get("/apps/shop/releases/current").await["version"], 5);
}

#[tokio::test(start_paused = true)]
async fn features_and_maintenance_are_switched() {
    let stage = Stage::up().await;
    assert_eq!(stage.get("/apps/shop/features/preboot").await["enabled"], false);
    let told = stage.ask("PATCH", "/apps/shop/features/preboot", json!({"enabled": true})).await;
    assert_eq!((told.status, &told.body["enabled"]), (200, &json!(true)));
    assert!(stage.scene.control.preboot());
    let refusal = stage.refusal("PATCH", "/apps/shop/features/http2", json!({"enabled": true})).await;
    assert_eq!(refusal, "404 not_found Couldn't find that app feature.");
    assert_eq!(stage.ask("PATCH", "/apps/shop", json!({"maintenance": true})).await.body["maintenance"], true);
    assert!(stage.scene.control.maintenance());
}

#[tokio::test(start_paused = true)]
async fn before_the_first_release_there_is_nothing_to_change_but_everything_can_be_asked() {
    let stage = Stage::of(Scene::with(binds(), "build:\n  docker:\n    web: Dockerfile\n"));
    assert_eq!(stage.get("/apps/shop/dynos").await, json!([]));
    assert_eq!(stage.get("/apps/shop/releases").await, json!([]));
    assert_eq!(stage.get("/apps/shop/config-vars").await["KEEP"], "1");
    let says = "409 conflict the app has no release yet; wait until its images are built";
    let web = json!({"updates": [{"type": "web", "quantity": 2}]});
    assert_eq!(stage.refusal("PATCH", "/apps/shop/formation", web).await, says);
    assert_eq!(stage.refusal("PATCH", "/apps/shop/config-vars", json!({"A": "1"})).await, says);
    assert_eq!(stage.refusal("POST", "/apps/shop/releases", json!({})).await, says);
    stage.scene.deploy("a").await;
    assert_eq!(stage.get("/dynosim/wait").await, json!({"up": true, "crashed": []}));
}

#[tokio::test(start_paused = true)]
async fn an_app_that_is_being_stopped_is_not_changed_any_more() {
    let stage = Stage::up().await;
    stage.scene.control.stop(std::future::pending()).await;
    let says = "409 conflict the app is being stopped";
    let web = json!({"updates": [{"type": "web", "quantity": 2}]});
    assert_eq!(stage.refusal("PATCH", "/apps/shop/formation", web).await, says);
    assert_eq!(stage.refusal("PATCH", "/apps/shop/config-vars", json!({"A": "1"})).await, says);
    assert_eq!(stage.refusal("DELETE", "/apps/shop/dynos", Value::Null).await, says);
    assert_eq!(stage.get("/dynosim/wait").await["up"], false);
}

#[tokio::test(start_paused = true)]
async fn waiting_names_the_dynos_that_crashed() {
    let stage = Stage::of(Scene::with(
        FakeEngine::new().script("web", Script::new().after(s(1)).exit(1)),
        "build:\n  docker:\n    web: Dockerfile\n",
    ));
    stage.scene.deploy("a").await;
    assert_eq!(stage.get("/dynosim/wait").await, json!({"up": false, "crashed": ["web.1"]}));
}

#[tokio::test(start_paused = true)]
async fn r9_waiting_waits_for_the_release_command_of_the_newest_release_too() {
    let engine = FakeEngine::new()
        .script("web", Script::new().after(s(2)).bind())
        .script("release", Script::new().after(s(5)).print("migrated\n").exit(0));
    let yml = "build:\n  docker:\n    web: Dockerfile\nrelease:\n  image: web\n  command:\n    - migrate\n";
    let stage = Stage::of(Scene::with(engine, yml));
    stage.scene.deploy("a").await;
    assert_eq!(stage.get("/dynosim/wait").await["up"], true);
    stage.ask("PATCH", "/apps/shop/config-vars", json!({"A": "1"})).await;
    assert_eq!(stage.get("/apps/shop/releases/4").await["status"], "pending");
    assert_eq!(stage.get("/dynosim/wait").await["up"], true);
    let dynos = stage.get("/apps/shop/dynos").await;
    assert_eq!((&dynos[0]["state"], &dynos[0]["release"]["version"]), (&json!("up"), &json!(4)));
    let url = stage.get("/apps/shop/releases/4").await["output_stream_url"].clone();
    assert_eq!(url, "http://localhost/streams/releases/4");
    assert_eq!(stage.get("/streams/releases/4").await, json!("migrated\n"));
}

#[tokio::test(start_paused = true)]
async fn a_log_session_gives_lines_as_events_that_the_client_can_resume() {
    let stage = Stage::up().await;
    let body = json!({"dyno": "web", "source": "heroku", "lines": 2, "tail": false});
    let told = stage.ask("POST", "/apps/shop/log-sessions", body).await;
    assert_eq!(told.status, 201);
    let url = told.body["logplex_url"].as_str().unwrap().to_owned();
    let path = url.strip_prefix("http://localhost").unwrap();
    let events = stage.ask("GET", path, Value::Null).await.body;
    let events = events.as_str().unwrap();
    assert!(events.starts_with("retry: 1\n\nid: "), "{events}");
    assert!(events.ends_with("heroku[web.1]: State changed from starting to up\n\n"), "{events}");
    assert_eq!(events.matches("data: ").count(), 2);
    let refusal = stage.refusal("POST", "/apps/shop/log-sessions", json!({"source": "nobody"})).await;
    assert_eq!(refusal, "422 invalid_params source must be app, heroku or dynosim");
    let refusal = stage.refusal("GET", "/streams/logs/none", Value::Null).await;
    assert_eq!(refusal, "404 not_found Couldn't find that log session.");
}

/// Ids and lines of some events.
fn events_of(text: &str) -> Vec<(String, String)> {
    let event = |event: &str| {
        let (id, data) = event.strip_prefix("id: ")?.split_once("\ndata: ")?;
        Some((id.to_owned(), data.to_owned()))
    };
    text.split("\n\n").filter_map(event).collect()
}

#[tokio::test(start_paused = true)]
async fn a_log_session_that_broke_off_at_any_event_goes_on_with_the_next_line() {
    let stage = Stage::up().await;
    for (filter, expected) in [(json!({"source": "heroku", "dyno": "web"}), 2), (json!({}), 12)] {
        let say = |text: &str| stage.scene.logs.publish(&crate::model::log::Message::api(text));
        let mut body = filter.clone();
        body["lines"] = json!(1500);
        let told = stage.ask("POST", "/apps/shop/log-sessions", body).await;
        let path = told.body["logplex_url"].as_str().unwrap().strip_prefix("http://localhost").unwrap().to_owned();
        let first = events_of(stage.get(&path).await.as_str().unwrap());
        assert!(first.len() >= expected, "{first:?}");
        // Of these the session shows some or none, and its places in the journal are not those of its lines.
        say("one more line");
        stage.scene.control.restart(&crate::platform::control::Selector::All).unwrap();
        sleep(s(5)).await;
        let all: Vec<String> = events_of(stage.get(&path).await.as_str().unwrap()).into_iter().map(|e| e.1).collect();
        assert!(all.len() > first.len());
        for (at, (id, line)) in first.iter().enumerate() {
            let call = Call::of("GET", &path, "", "").after_event(id);
            let Ok(answer) = routes::answer(&stage.shared, call).await else { panic!("no answer") };
            let bytes = answer.into_body().collect().await.unwrap().to_bytes();
            let rest = events_of(std::str::from_utf8(&bytes).unwrap());
            let lines: Vec<&String> = rest.iter().map(|(_, line)| line).collect();
            assert_eq!(lines, all[at + 1..].iter().collect::<Vec<_>>(), "after {id}, {line}");
            // And once more from the middle of what came then.
            let (id, _) = &rest[rest.len() / 2];
            let call = Call::of("GET", &path, "", "").after_event(id);
            let Ok(answer) = routes::answer(&stage.shared, call).await else { panic!("no answer") };
            let bytes = answer.into_body().collect().await.unwrap().to_bytes();
            let last = events_of(std::str::from_utf8(&bytes).unwrap());
            let lines: Vec<String> = last.into_iter().map(|(_, line)| line).collect();
            assert_eq!(lines, all[at + 2 + rest.len() / 2..], "after {id}");
        }
    }
    let body = json!({"lines": 1});
    let told = stage.ask("POST", "/apps/shop/log-sessions", body).await;
    let path = told.body["logplex_url"].as_str().unwrap().strip_prefix("http://localhost").unwrap().to_owned();
    let Ok(answer) = routes::answer(&stage.shared, Call::of("GET", &path, "", "").after_event("7")).await else {
        panic!("no answer")
    };
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(events_of(std::str::from_utf8(&bytes).unwrap()).len(), 1, "an id of nobody's begins anew");
}

/// The API on its socket, in real time.
async fn served() -> (Scene, super::Serving) {
    let engine = FakeEngine::new().script("web", Script::new().bind());
    let scene = Scene::up(engine).await;
    let serving = Server::bind(&scene.ground.project.state).unwrap().serve(subject(&scene));
    (scene, serving)
}

#[tokio::test]
async fn clients_steer_the_app_through_its_socket_until_it_stops() {
    let (scene, serving) = served().await;
    let state = scene.ground.project.state.clone();
    let mut client = Client::connect(&state).await.unwrap();
    let app: shapes::App = client.get(APP).await.unwrap();
    assert_eq!(app.name, "shop");
    let error = client.get::<Value>("/apps/other").await.unwrap_err();
    assert_eq!(error.to_string(), "Couldn't find that app.");
    let mut events = Client::connect(&state).await.unwrap().lines("/dynosim/events").await.unwrap();
    let first: Value = serde_json::from_slice(&events.next().await.unwrap()).unwrap();
    assert_eq!((&first["resource"], &first["action"]), (&json!("app"), &json!("snapshot")));
    let (config, made) =
        client.release_by_patch::<shapes::ConfigVars>(&format!("{APP}/config-vars"), &json!({"A": "1"})).await.unwrap();
    assert_eq!((config["A"].as_str(), made), ("1", Some(4)));
    let release = async {
        while let Some(line) = events.next().await {
            let event: Value = serde_json::from_slice(&line).unwrap();
            if event["resource"] == "release" && event["data"]["version"] == 4 {
                return event["action"].clone();
            }
        }
        Value::Null
    };
    assert_eq!(timeout(s(10), release).await.unwrap(), "create");
    serving.shutdown().await;
    let ended = async { while events.next().await.is_some() {} };
    timeout(s(10), ended).await.expect("the events end with the app");
    assert!(matches!(client.get::<Value>(APP).await, Err(ClientError::Gone)));
    assert!(matches!(Client::connect(&state).await, Err(ClientError::NotRunning)));
}

#[tokio::test]
async fn a_request_under_way_is_answered_although_the_app_stops() {
    let (scene, serving) = served().await;
    let mut client = Client::connect(&scene.ground.project.state).await.unwrap();
    scene.control.restart(&crate::platform::control::Selector::All).unwrap();
    let waiting = tokio::spawn(async move { client.get::<shapes::Waited>("/dynosim/wait").await });
    sleep(std::time::Duration::from_millis(5)).await;
    scene.control.stop(std::future::pending()).await;
    serving.shutdown().await;
    assert!(waiting.await.unwrap().is_ok());
}

#[tokio::test]
async fn what_is_no_http_or_too_long_harms_nobody() {
    let (scene, _serving) = served().await;
    let state = scene.ground.project.state.clone();
    let mut junk = UnixStream::connect(super::socket::find(&state)).await.unwrap();
    junk.write_all(b"\0\xff nonsense\r\n\r\n").await.unwrap();
    let mut said = String::new();
    let _ = junk.read_to_string(&mut said).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 400"), "{said}");
    let mut client = Client::connect(&state).await.unwrap();
    let long = json!({"A": "x".repeat(2 * 1024 * 1024)});
    let refused = client.patch::<Value>(&format!("{APP}/config-vars"), &long).await;
    assert!(matches!(refused, Err(ClientError::Refused { .. } | ClientError::Gone)), "{refused:?}");
    let mut client = Client::connect(&state).await.unwrap();
    client.get::<Value>(APP).await.unwrap();
}

#[tokio::test]
async fn commands_of_many_clients_leave_one_state() {
    let (scene, _serving) = served().await;
    let state = scene.ground.project.state.clone();
    let mut tasks = Vec::new();
    for number in 0..24_u32 {
        let state = state.clone();
        tasks.push(tokio::spawn(async move {
            let mut client = Client::connect(&state).await.unwrap();
            match number % 3 {
                0 => {
                    let name = format!("K{number}");
                    let path = format!("{APP}/config-vars");
                    client.patch::<Value>(&path, &json!({ name: number.to_string() })).await.map(|_| ())
                }
                1 => {
                    let updates = json!({"updates": [{"type": "worker", "quantity": "+1"}]});
                    client.patch::<Value>(&format!("{APP}/formation"), &updates).await.map(|_| ())
                }
                _ => client.delete(&format!("{APP}/dynos")).await.map(|_| ()),
            }
        }));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    timeout(s(60), scene.control.until_up()).await.unwrap();
    let mut client = Client::connect(&state).await.unwrap();
    let config: shapes::ConfigVars = client.get(&format!("{APP}/config-vars")).await.unwrap();
    assert_eq!(config.keys().filter(|name| name.starts_with('K') && *name != "KEEP").count(), 8);
    assert_eq!(scene.env().lines().filter(|line| line.starts_with('K') && !line.starts_with("KEEP")).count(), 8);
    let releases: Vec<shapes::Release> = client.range(&format!("{APP}/releases"), "").await.unwrap();
    let versions: Vec<u64> = releases.iter().map(|release| release.version).collect();
    assert_eq!(versions, (3..=11).collect::<Vec<u64>>(), "one release for each change of the config");
    assert_eq!(releases.iter().filter(|release| release.current).count(), 1);
    let dynos: Vec<shapes::Dyno> = client.get(&format!("{APP}/dynos")).await.unwrap();
    let names: Vec<&str> = dynos.iter().map(|dyno| dyno.name.as_str()).collect();
    assert_eq!(names.len(), 9, "{names:?}");
    assert!(dynos.iter().all(|dyno| dyno.state == "up" && dyno.release.version == 11), "{dynos:?}");
}
