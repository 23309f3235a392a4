//! Paths of the API, and the one path of the registry that the Heroku CLI itself reads.
#![allow(clippy::result_large_err, reason = "a refusal is an answer, and a test has time to move one")]

use super::answer::{Answer, json, missing, refuse, whole};
use super::state::{App, Asked, Stream};
use super::{Fault, KEY, Shared, Trouble, stream};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;

pub(super) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Answer> {
    let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let mut asked = Asked {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        authorization: text("authorization"),
        accept: text("accept").unwrap_or_default(),
        range: text("range"),
        body: Value::Null,
    };
    if let Some(id) = asked.path.strip_prefix("/streams/") {
        let id = id.to_owned();
        shared.world().streamed.push(asked.clone());
        return Ok(stream::read(shared, &id, asked.range.as_deref()));
    }
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    asked.body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap_or(Value::Null) };
    shared.world().asked.push(asked.clone());
    match trouble(&shared, &asked) {
        Some(Trouble::Refuse(status, id, message, headers)) => {
            let mut answer = refuse(status, id, message);
            for (name, value) in headers {
                answer.headers_mut().insert(*name, value.parse().unwrap());
            }
            Ok(answer)
        }
        Some(Trouble::Html(status)) => Ok(Response::builder()
            .status(status)
            .header("content-type", "text/html")
            .body(whole("<h1>oh</h1>"))
            .unwrap()),
        Some(Trouble::HangUp) => {
            let _ = route(&shared, &asked);
            Err(io::Error::other("hung up"))
        }
        None => Ok(route(&shared, &asked)),
    }
}

/// A fault that is due now.
fn trouble(shared: &Shared, asked: &Asked) -> Option<Trouble> {
    let mut faults = shared.faults.lock().unwrap();
    let whole = format!("{} {}", asked.method, asked.path);
    let due = faults.front().is_some_and(|fault: &Fault| whole.starts_with(fault.at));
    if due { faults.pop_front().map(|fault| fault.kind) } else { None }
}

fn route(shared: &Arc<Shared>, asked: &Asked) -> Answer {
    let parts: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
    if let ["v2", app, process_type, "manifests", "latest"] = parts[..] {
        let mut world = shared.world();
        let digest =
            world.apps.iter_mut().find(|one| one.name == app).and_then(|one| one.pushed.get(process_type).cloned());
        return digest.map_or_else(
            || json(404, &json!({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]})),
            |digest| json(200, &json!({"schemaVersion": 2, "config": {"digest": digest}})),
        );
    }
    if asked.authorization.as_deref() != Some(&format!("Bearer {KEY}")) {
        return refuse(401, "unauthorized", "Invalid credentials provided.");
    }
    if !asked.accept.starts_with("application/vnd.heroku+json; version=3") {
        return refuse(406, "not_acceptable", "Accept must be application/vnd.heroku+json; version=3.");
    }
    let ["apps", name, rest @ ..] = &parts[..] else { return missing("path") };
    let mut world = shared.world();
    let page = world.page;
    let Some(app) = world.apps.iter_mut().find(|app| app.name == *name || app.id() == *name) else {
        return missing("app");
    };
    if !app.open {
        return refuse(403, "forbidden", &format!("You do not have access to the app {name}."));
    }
    let made = match (asked.method.as_str(), rest) {
        ("GET", []) => return json(200, &app.view()),
        ("GET", ["formation"]) => return json(200, &app.formation()),
        ("GET", ["releases"]) => return releases(app, asked.range.as_deref().unwrap_or(""), page),
        ("GET", ["releases", which]) => {
            return found(app, which).map_or_else(|| missing("release"), |release| json(200, &public(&release)));
        }
        ("GET", ["releases", which, "config-vars"]) => {
            return found(app, which).map_or_else(|| missing("release"), |_| json(200, &json!({"MODE": "production"})));
        }
        ("PATCH", ["formation"]) => release_images(app, asked),
        ("PATCH", ["formation", process_type]) => remove_image(app, process_type, asked),
        ("POST", ["releases"]) => roll_back(app, asked),
        _ => return missing("path"),
    };
    let (status, description) = match made {
        Ok(Some(made)) => made,
        Ok(None) => return json(200, &app.formation()),
        Err(answer) => return answer,
    };
    let release = start(shared, app, &description);
    let (app, id) = (app.clone(), release["id"].as_str().unwrap().to_owned());
    if let (Some(phase), Some(_)) = (&app.phase, release["output_stream_url"].as_str()) {
        let stream = Stream { too_early: phase.too_early, breaks_after: phase.breaks_after, ..Stream::default() };
        world.streams.insert(id.clone(), stream);
        let version = release["version"].as_u64().unwrap();
        tokio::spawn(stream::run(shared.clone(), app.name.to_owned(), version, id, phase.clone()));
    }
    if status == 201 { json(201, &public(&release)) } else { json(200, &app.formation()) }
}

/// Makes a release, pending when there is a release command.
fn start(shared: &Shared, app: &mut App, description: &str) -> Value {
    let version = app.add(description, if app.phase.is_some() { "pending" } else { "succeeded" });
    let at = usize::try_from(version).unwrap() - 1;
    if app.phase.is_some() {
        let id = app.releases[at]["id"].as_str().unwrap().to_owned();
        app.releases[at]["output_stream_url"] = json!(format!("http://127.0.0.1:{}/streams/{id}", shared.port));
    }
    app.releases[at].clone()
}

/// A status and a description of what is made, nothing when nothing is new, or a refusal.
type Made = Result<Option<(u16, String)>, Answer>;

fn docker_releases(asked: &Asked) -> Result<(), Answer> {
    let named = asked.accept.contains("docker-releases");
    if named { Ok(()) } else { Err(refuse(422, "invalid_params", "docker_image is not a parameter of this version.")) }
}

fn release_images(app: &mut App, asked: &Asked) -> Made {
    docker_releases(asked)?;
    let mut images = app.images.clone();
    let mut words = Vec::new();
    for update in asked.body["updates"].as_array().cloned().unwrap_or_default() {
        let (name, image) = (update["type"].as_str().unwrap(), update["docker_image"].as_str().unwrap_or(""));
        if app.pushed.get(name).map(String::as_str) != Some(image) {
            return Err(refuse(
                422,
                "invalid_params",
                &format!("No image {image} was pushed for process type {name}."),
            ));
        }
        if image.ends_with("00c0") {
            return Err(refuse(422, "invalid_params", &format!("No command specified for process type {name}")));
        }
        words.push(format!("{name} ({})", &image["sha256:".len()..][..12]));
        images.insert(name.to_owned(), image.to_owned());
    }
    if images == app.images {
        return Ok(None);
    }
    app.images = images;
    Ok(Some((200, format!("Deployed {}", words.join(", ")))))
}

fn remove_image(app: &mut App, process_type: &str, asked: &Asked) -> Made {
    docker_releases(asked)?;
    if asked.body != json!({"docker_image": null}) {
        return Err(refuse(422, "invalid_params", "docker_image must be null."));
    }
    match app.images.remove(process_type) {
        Some(_) => Ok(Some((200, format!("Remove {process_type}")))),
        None => Err(missing("process type")),
    }
}

fn roll_back(app: &mut App, asked: &Asked) -> Made {
    let target = found(app, asked.body["release"].as_str().unwrap_or("")).ok_or_else(|| missing("release"))?;
    if target["eligible_for_rollback"] != true {
        return Err(refuse(422, "invalid_params", "Cannot roll back to a release that failed."));
    }
    app.images = serde_json::from_value(target["images"].clone()).unwrap();
    Ok(Some((201, format!("Rollback to v{}", target["version"]))))
}

fn found(app: &App, which: &str) -> Option<Value> {
    let number = which.trim_start_matches('v').parse::<u64>().ok();
    app.releases.iter().find(|one| one["id"] == which || one["version"].as_u64() == number && number.is_some()).cloned()
}

/// A release as Heroku has it: it tells no images.
fn public(release: &Value) -> Value {
    let mut release = release.clone();
    release.as_object_mut().unwrap().remove("images");
    release
}

/// A page of the list: 206 and `Next-Range` when there is more (cli-api §3).
fn releases(app: &App, range: &str, page: usize) -> Answer {
    let part = |name: &str| range.split([';', ',']).find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    let wanted = part("max").and_then(|max| max.parse().ok()).unwrap_or(200_usize);
    let most = wanted.min(page);
    let below = range.split("..").next().and_then(|from| from.trim_start_matches("version").trim().strip_prefix(']'));
    let below: u64 = below.and_then(|number| number.trim().parse().ok()).unwrap_or(u64::MAX);
    let mut all: Vec<Value> = app.releases.iter().map(public).collect();
    if part("order") == Some("desc") {
        all.reverse();
        all.retain(|release| release["version"].as_u64() < Some(below));
    }
    let more = all.len() > most && wanted > most;
    all.truncate(most);
    let mut answer = json(if more { 206 } else { 200 }, &Value::from(all.clone()));
    if more {
        let next = format!("version ]{}..; max={}, order=desc", all.last().unwrap()["version"], wanted - most);
        answer.headers_mut().insert("next-range", next.parse().unwrap());
    }
    answer
}
