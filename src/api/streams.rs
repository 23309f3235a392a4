//! Answers that go on: events as the app changes, guests, the output of release commands.

use super::Subject;
use super::fault::Fault;
use super::request::{Answer, Body};
use super::server::Shared;
use super::views::rfc3339;
use crate::logs::{Filter, Follower, ParsedLine, Start};
use crate::model::log::Source;
use crate::model::release::ReleaseStatus;
use crate::platform::control::Guest;
use bytes::Bytes;
use futures_util::stream::unfold;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use serde_json::{Value, json as object};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Pieces that may wait for a client that reads slowly.
const QUEUE: usize = 16;
/// A quiet log session says that it lives this often.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// A body whose pieces come through a channel.
pub(super) fn streaming(content_type: &'static str) -> (Response<Body>, mpsc::Sender<Bytes>) {
    let (sender, receiver) = mpsc::channel::<Bytes>(QUEUE);
    let pieces = unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece| (Ok(Frame::data(piece)), receiver))
    });
    let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (response, sender)
}

/// Lists a dyno of the client's for as long as it listens; the line `stop` tells it to stop that dyno.
pub(super) fn guest(shared: &Shared, guest: Guest) -> Response<Body> {
    let (response, sender) = streaming("text/plain; charset=utf-8");
    let stopping = shared.stopping.clone();
    tokio::spawn(async move {
        let gone = async {
            tokio::select! {
                () = stopping.cancelled() => {}
                () = sender.closed() => {}
            }
        };
        tokio::pin!(gone);
        tokio::select! {
            () = guest.told_to_stop() => {
                if sender.send(Bytes::from_static(b"stop\n")).await.is_ok() {
                    gone.await;
                }
            }
            () = &mut gone => {}
        }
    });
    response
}

/// Everything that can be seen of an app, by resource and key.
type Picture = BTreeMap<(&'static str, String), Value>;

/// Each change of the app as a JSON line, named as Heroku's webhooks name them. What is there already comes first.
pub(super) fn events(shared: &Shared) -> Response<Body> {
    let (response, sender) = streaming("application/x-ndjson");
    let (subject, stopping) = (shared.subject.clone(), shared.stopping.clone());
    tokio::spawn(async move {
        let mut changes = subject.control.changes();
        let mut before = None;
        loop {
            changes.borrow_and_update();
            let now = picture(&subject);
            let lines = news(before.as_ref(), &now, &rfc3339(subject.clock.now()));
            before = Some(now);
            if !lines.is_empty() && sender.send(Bytes::from(lines)).await.is_err() {
                return;
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = stopping.cancelled() => return,
                () = sender.closed() => return,
            }
        }
    });
    response
}

fn picture(subject: &Subject) -> Picture {
    let mut picture = Picture::from([(("app", subject.app.clone()), value(&subject.view()))]);
    picture.extend(subject.formation().iter().map(|one| (("formation", one.process_type.clone()), value(one))));
    picture.extend(subject.dynos().iter().map(|dyno| (("dyno", dyno.name.clone()), value(dyno))));
    picture.extend(subject.features().iter().map(|one| (("app-feature", one.name.clone()), value(one))));
    let releases = subject.releases("localhost");
    picture.extend(releases.iter().map(|one| (("release", format!("{:08}", one.version)), value(one))));
    picture
}

/// Any resource as JSON.
fn value(resource: &impl Serialize) -> Value {
    serde_json::to_value(resource).unwrap_or_default()
}

/// The lines that lead from one picture to the next.
fn news(before: Option<&Picture>, now: &Picture, at: &str) -> String {
    let mut lines = String::new();
    let mut line = |resource: &str, action: &str, data: &Value, previous: Value| {
        let event = object!({
            "created_at": at, "resource": resource, "action": action, "data": data, "previous_data": previous,
        });
        lines.push_str(&event.to_string());
        lines.push('\n');
    };
    let Some(before) = before else {
        // Of the releases, the one that runs says enough.
        let told = |key: &&(&str, String), data: &Value| key.0 != "release" || data["current"] == true;
        now.iter().filter(|(key, data)| told(key, data)).for_each(|((resource, _), data)| {
            line(resource, "snapshot", data, object!({}));
        });
        return lines;
    };
    for (key, data) in now {
        match before.get(key) {
            None => line(key.0, "create", data, object!({})),
            Some(previous) => {
                let differs = difference(previous, data);
                if differs.as_object().is_some_and(|fields| !fields.is_empty()) {
                    line(key.0, "update", data, differs);
                }
            }
        }
    }
    for (key, data) in before.iter().filter(|(key, _)| !now.contains_key(*key)) {
        line(key.0, "destroy", data, object!({}));
    }
    lines
}

/// What fields that are not the same now were before. Times alone are no change.
fn difference(before: &Value, now: &Value) -> Value {
    let fields = before.as_object().into_iter().flatten();
    let changed = fields.filter(|(name, value)| !name.ends_with("_at") && now[name.as_str()] != **value);
    Value::Object(changed.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// What a release command has printed, and prints until it ends.
pub(super) async fn release_output(subject: &Subject, number: &str) -> Answer {
    let release = subject.find_release(number).ok_or_else(|| Fault::not_found("Couldn't find that release."))?;
    let dyno = release.release_dyno.ok_or_else(|| Fault::not_found("That release has no release command."))?;
    let filter = Filter { processes: vec![dyno], source: Some(Source::App), ..Filter::default() };
    let (control, version) = (subject.control.clone(), release.version);
    let pending = move || {
        let all = control.releases().0;
        all.iter().any(|release| release.version == version && release.status == ReleaseStatus::Pending)
    };
    // Its last lines may reach the disk a moment after its end: there is one more look then.
    let mut before = pending();
    let more = move || {
        let now = pending();
        std::mem::replace(&mut before, now) || now
    };
    let _ = subject.logs.flush().await;
    let mut follower = Follower::outside(&subject.state.file("journal"), Start::Oldest, filter, Box::new(more))
        .map_err(|error| Fault::internal(format!("the log cannot be read: {error}")))?;
    let (response, sender) = streaming("text/plain; charset=utf-8");
    tokio::spawn(async move {
        loop {
            let text = match timeout(HEARTBEAT, follower.next_lines()).await {
                // Heroku's client gives up after a minute without a byte, and passes over this one.
                Err(_) => Bytes::from_static(b"\0"),
                Ok(Ok(Some(lines))) => texts(lines),
                Ok(Ok(None) | Err(_)) => return,
            };
            if sender.send(text).await.is_err() {
                return;
            }
        }
    });
    Ok(response)
}

/// Lines without stamp and source.
fn texts(lines: &[u8]) -> Bytes {
    let mut text = Vec::with_capacity(lines.len());
    for line in lines.split(|byte| *byte == b'\n').filter_map(ParsedLine::parse) {
        text.extend_from_slice(line.text);
        text.push(b'\n');
    }
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use super::{Picture, news};
    use serde_json::{Value, json};

    fn picture(of: &[(&'static str, &str, Value)]) -> Picture {
        of.iter().map(|(resource, key, data)| ((*resource, (*key).to_owned()), data.clone())).collect()
    }

    fn told(before: Option<&Picture>, now: &Picture) -> Vec<String> {
        let lines = news(before, now, "2026-11-21T03:08:15Z");
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .map(|line| format!("{} {} {}", line["resource"], line["action"], line["previous_data"]).replace('"', ""))
            .collect()
    }

    #[test]
    fn events_lead_from_one_picture_to_the_next() {
        let first = picture(&[
            ("dyno", "web.1", json!({"state": "starting", "updated_at": "a"})),
            ("dyno", "web.2", json!({"state": "up", "updated_at": "a"})),
            ("release", "3", json!({"current": false})),
            ("release", "4", json!({"current": true})),
        ]);
        assert_eq!(told(None, &first), ["dyno snapshot {}", "dyno snapshot {}", "release snapshot {}"]);
        let second = picture(&[
            ("dyno", "web.1", json!({"state": "up", "updated_at": "b"})),
            ("release", "3", json!({"current": false})),
            ("release", "4", json!({"current": true})),
            ("release", "5", json!({"current": false})),
        ]);
        let lines = told(Some(&first), &second);
        assert_eq!(lines, ["dyno update {state:starting}", "release create {}", "dyno destroy {}"]);
        let later = picture(&[("dyno", "web.1", json!({"state": "up", "updated_at": "c"}))]);
        let before = picture(&[("dyno", "web.1", json!({"state": "up", "updated_at": "b"}))]);
        assert!(told(Some(&before), &later).is_empty(), "a time alone is no change");
    }
}
