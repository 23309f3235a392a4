//! What was seen when a request ended in a code: one line of dynosim's own after the router's, with the state of the dynos
//! and what they printed last. The router knows requests and the control knows dynos; this is where the two meet.

use super::control::{Control, Place};
use crate::dyno::LastWords;
use crate::logs::Logs;
use crate::model::codes::H;
use crate::model::dyno::DynoState;
use crate::model::formation;
use crate::model::log::{Message, Process, Source};
use crate::router::{Failed, Router};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The same code of the same dyno is explained again after this.
const AGAIN: Duration = Duration::from_secs(60);
/// A dyno that has just died is given this long to be known as dead.
const PATIENCE: Duration = Duration::from_millis(500);
/// Crashed dynos that one line names.
const NAMED: usize = 3;

/// Explains what fails at the router from now on.
pub(super) fn watch(router: &Router, control: &Control, logs: Logs) {
    let control = control.clone();
    let told: Mutex<HashMap<(H, Option<String>), Instant>> = Mutex::default();
    router.watch_failures(move |failed| {
        let key = (failed.code, failed.dyno.clone());
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.get(&key).is_some_and(|at| at.elapsed() < AGAIN) {
            return;
        }
        told.insert(key, Instant::now());
        drop(told);
        let (control, logs) = (control.clone(), logs.clone());
        tokio::spawn(async move {
            if has_to_settle(failed.code) {
                sleep(PATIENCE).await;
            }
            let formation = formation::describe(&control.formation());
            let places = control.last_words();
            if let Some(text) = explanation(&failed, &places, &formation) {
                logs.publish(&message(place_of(&failed, &places), text));
            }
        });
    });
}

/// Whether the dyno may just have died.
fn has_to_settle(code: H) -> bool {
    matches!(code, H::H13 | H::H18 | H::H21)
}

fn place_of<'a>(failed: &Failed, places: &'a [(Place, LastWords)]) -> Option<&'a (Place, LastWords)> {
    let name = failed.dyno.as_deref()?;
    places.iter().find(|(place, _)| place.name.to_string() == name)
}

fn message(place: Option<&(Place, LastWords)>, text: String) -> Message {
    match place {
        Some((place, _)) => Message::explain(&place.name, text),
        None => Message { source: Source::Dynosim, process: Process::Router, text },
    }
}

/// The line; none for codes whose own line says all there is to know.
fn explanation(failed: &Failed, places: &[(Place, LastWords)], formation: &str) -> Option<String> {
    let web = || places.iter().filter(|(place, _)| place.name.process_type.is_web());
    let place = place_of(failed, places);
    let Failed { code, method, path, .. } = failed;
    let dyno = failed.dyno.as_deref().unwrap_or_default();
    let after = failed.service.unwrap_or_default().as_secs_f64();
    let words = place.map(|(_, words)| words.told()).unwrap_or_default();
    let state = place.map(|(place, _)| state(place)).unwrap_or_default();
    let request = format!("{method} {path}");
    Some(match code {
        H::H10 => format!("every web dyno has crashed: {}", ends(web())),
        H::H12 => format!(
            "{request} had no answer from {dyno} within {after:.0} s; {dyno} is not told and goes on with it; {} there{words}",
            others(failed.others)
        ),
        H::H13 => {
            format!("{dyno} closed the connection of {request} after {after:.1} s without an answer; {state}{words}")
        }
        H::H14 if formation.contains("web@") => {
            format!("no web dyno is wanted: the formation is {formation}; `dynosim ps:scale web=1` starts one")
        }
        H::H14 => format!("the app has no process type web; it runs {formation}"),
        H::H15 => format!(
            "{dyno} sent nothing for {request} for as long as an answer may be silent; a stream or WebSocket has to \
             send something before that{words}"
        ),
        H::H17 => {
            format!("what {dyno} answered to {request} is not HTTP/1: does an HTTP server listen on $PORT?{words}")
        }
        H::H18 => format!("{dyno} broke off its answer to {request} after {after:.1} s; {state}{words}"),
        H::H19 => format!("{dyno} did not accept a connection: its server is busy or stands still; {state}{words}"),
        H::H20 => format!("no web dyno came up while {request} waited: {}", ends(web())),
        H::H21 => format!("nothing accepts connections on $PORT in {dyno} any more; {state}{words}"),
        H::H11 | H::H22 | H::H24 | H::H25 | H::H26 | H::H27 | H::H28 | H::H34 | H::H80 | H::H81 | H::H99 => {
            return None;
        }
    })
}

/// `3 other requests are`
fn others(count: usize) -> String {
    match count {
        0 => "no other request is".into(),
        1 => "1 other request is".into(),
        count => format!("{count} other requests are"),
    }
}

/// What a dyno is at, in words.
fn state(place: &Place) -> String {
    let (status, name) = (&place.status, &place.name);
    let exit = status.exit.map(|exit| exit.status);
    match (status.state, exit) {
        _ if status.stopping => format!("{name} is being stopped"),
        (DynoState::Up, _) if status.since.elapsed() > PATIENCE * 2 => format!("{name} still runs"),
        (DynoState::Starting | DynoState::Crashed | DynoState::Up, Some(exit)) if status.crashes > 0 => {
            format!("{name} has crashed with status {exit}")
        }
        (state, _) => format!("{name} is {state}"),
    }
}

/// How each of these dynos ended, or how long it has been starting.
fn ends<'a>(places: impl Iterator<Item = &'a (Place, LastWords)>) -> String {
    let told: Vec<String> = places
        .take(NAMED)
        .map(|(place, words)| {
            let status = &place.status;
            let since = status.since.elapsed().as_secs();
            let exit = match status.exit {
                Some(exit) if status.crashes > 0 => {
                    let times = if status.crashes == 1 { "once".into() } else { format!("{} times", status.crashes) };
                    format!(" crashed {times} in a row, the last time with status {}", exit.status)
                }
                _ => String::new(),
            };
            let now = match (status.state, exit.is_empty()) {
                (DynoState::Starting, true) => format!(" has been starting for {since} s"),
                (DynoState::Starting, false) => format!(", and has been starting again for {since} s"),
                _ if exit.is_empty() => format!(" is {}", status.state),
                _ => String::new(),
            };
            format!("{}{exit}{now}{}", place.name, words.told())
        })
        .collect();
    if told.is_empty() { "there is none".into() } else { told.join("; ") }
}

#[cfg(test)]
mod tests;
