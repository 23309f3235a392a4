//! Which request is what: method and path to one call of the [`Control`](crate::platform::control::Control).

use super::fault::Fault;
use super::request::{Answer, Call, Range, json, list, ok, with};
use super::server::Shared;
use super::shapes::{Cycled, Exited, FormationUpdate, FormationUpdates, GuestState, NewDyno, NewGuest, Rebuilt};
use super::views::PREBOOT;
use super::{Subject, log_sessions, streams};
use crate::model::dyno::{DynoSize, DynoState, SIZES};
use crate::model::process_type::ProcessType;
use crate::platform::control::{Arrived, ControlError, OneOffRequest, Quantity, ScaleUpdate, Selector};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json as object};
use std::collections::BTreeMap;

/// Answers one request.
pub(super) async fn answer(shared: &Shared, call: Call) -> Answer {
    let subject = &shared.subject;
    let parts = call.parts();
    match (&call.method, parts.as_slice()) {
        (&Method::GET, ["account"] | ["users", "~"]) => ok(&subject.account()),
        (&Method::GET, ["apps"] | ["users", "~", "apps"]) => ok(&[subject.view()]),
        (_, ["apps", name, rest @ ..]) => {
            let ours = [subject.app.as_str(), "~", &subject.identity.app_id()].contains(name);
            if ours { app(shared, &call, rest).await } else { Err(Fault::not_found("Couldn't find that app.")) }
        }
        (_, ["dynosim", rest @ ..]) => own(shared, &call, rest).await,
        (&Method::GET, ["streams", "releases", number]) => streams::release_output(subject, number).await,
        (&Method::GET, ["streams", "logs", id]) => log_sessions::follow(shared, id, call.last_event()).await,
        (_, ["account" | "apps"] | ["users", "~", ..] | ["streams", ..]) => Err(Fault::method()),
        _ => Err(Fault::not_found("The requested API endpoint was not found.")),
    }
}

/// Paths of Heroku's, below the app.
async fn app(shared: &Shared, call: &Call, path: &[&str]) -> Answer {
    let subject = &shared.subject;
    let control = &subject.control;
    match (call.method.as_str(), path) {
        ("GET", []) => ok(&subject.view()),
        ("PATCH", []) => patch_app(subject, call),
        ("GET", ["dynos"]) => ok(&subject.dynos()),
        ("POST", ["dynos"]) => run_detached(subject, call),
        ("GET", ["dynos", name]) => {
            let found = subject.dynos().into_iter().find(|dyno| dyno.name == *name || dyno.id == *name);
            found.map_or_else(|| Err(Fault::not_found("Couldn't find that dyno.")), |dyno| ok(&dyno))
        }
        ("DELETE", ["dynos"]) => done(control.restart(&Selector::All)),
        ("DELETE", ["dynos", name]) => done(control.restart(&Selector::parse(name))),
        ("POST", ["dynos", name, "actions", "stop"]) => done(control.stop_dynos(&Selector::parse(name))),
        ("DELETE", ["formations", name]) => done(control.restart(&of_type(subject, name)?)),
        ("POST", ["formations", name, "actions", "stop"]) => done(control.stop_dynos(&of_type(subject, name)?)),
        ("GET", ["formation"]) => ok(&subject.formation()),
        ("GET", ["formation", name]) => formation_of(subject, name),
        ("PATCH", ["formation"]) => {
            scale(subject, &call.json::<FormationUpdates>()?.updates)?;
            ok(&subject.formation())
        }
        ("PATCH", ["formation", name]) => {
            scale(subject, &[FormationUpdate { process_type: (*name).to_owned(), ..call.json()? }])?;
            formation_of(subject, name)
        }
        ("GET", ["config-vars"]) => ok(&control.config()),
        ("PATCH", ["config-vars"]) => set_config(subject, call).await,
        (_, ["releases", rest @ ..]) => releases(subject, call, rest).await,
        (_, ["features", rest @ ..]) => features(subject, call, rest),
        ("POST", ["log-sessions"]) => log_sessions::open(shared, call),
        (_, [] | ["formation" | "config-vars" | "log-sessions"] | ["formation" | "dynos" | "formations", ..]) => {
            Err(Fault::method())
        }
        _ => Err(Fault::not_found("The requested API endpoint was not found.")),
    }
}

/// Paths of dynosim's own.
async fn own(shared: &Shared, call: &Call, path: &[&str]) -> Answer {
    let subject = &shared.subject;
    match (call.method.as_str(), path) {
        ("GET", ["events"]) => Ok(streams::events(shared)),
        ("GET", ["wait"]) => ok(&subject.waited(subject.control.all_up().await)),
        ("POST", ["cycle"]) => {
            let which: Which = call.json()?;
            let dynos = subject.control.cycle(&Selector::parse(&which.dynos))?;
            json(StatusCode::ACCEPTED, &Cycled { dynos: dynos.iter().map(ToString::to_string).collect() })
        }
        ("POST", ["rebuild"]) => {
            let control = subject.control.clone();
            // It goes on although the client may have gone.
            let built = tokio::spawn(async move { control.rebuild().await }).await;
            let version = built.map_err(|_| Fault::from(ControlError::Closing))??;
            ok(&Rebuilt { version: version.map(|version| version.0) })
        }
        ("GET", ["usage"]) => ok(&subject.usage().await),
        ("POST", ["one-offs"]) => {
            let NewGuest { number, command, size, state } = call.json()?;
            let size = DynoSize::named(&size).ok_or_else(|| no_such_size(&size))?;
            let arrived = Arrived { number, command, size, state: guest_state(&state)? };
            Ok(streams::guest(shared, subject.control.welcome(arrived)?))
        }
        ("GET", ["one-offs", name]) => {
            let exit = subject.control.exit_of(name).await;
            let exit = exit.ok_or_else(|| Fault::not_found("Couldn't find that dyno."))?;
            // Who has the answer finds all that the dyno has printed in the log.
            let _ = subject.logs.flush().await;
            ok(&Exited { exit })
        }
        ("PATCH", ["one-offs", name]) => {
            subject.control.guest_is(name, guest_state(&call.json::<GuestState>()?.state)?)?;
            ok(&object!({}))
        }
        (_, ["events" | "wait" | "cycle" | "rebuild" | "usage" | "one-offs"] | ["one-offs", _]) => Err(Fault::method()),
        _ => Err(Fault::not_found("The requested API endpoint was not found.")),
    }
}

fn guest_state(state: &str) -> Result<DynoState, Fault> {
    match state {
        "starting" => Ok(DynoState::Starting),
        "up" => Ok(DynoState::Up),
        _ => Err(Fault::invalid("state must be starting or up; a dyno that has ended is let go")),
    }
}

#[derive(Deserialize)]
struct Which {
    #[serde(default)]
    dynos: String,
}

/// What Heroku says to a restart or a stop: nothing, and that it is under way.
fn done<T>(result: Result<T, ControlError>) -> Answer {
    result?;
    json(StatusCode::ACCEPTED, &object!({}))
}

/// A one-off dyno without a client; one with a client is started by the client itself.
fn run_detached(subject: &Subject, call: &Call) -> Answer {
    let NewDyno { command, attach, process_type, size, env } = call.json()?;
    if attach {
        return Err(Fault::invalid("attach must be false: `dynosim run` attaches to a dyno of its own"));
    }
    // `run` is what such a dyno is, and no image.
    let process_type = process_type.filter(|name| name != ProcessType::run().as_str());
    let process_type = match process_type {
        None => ProcessType::web(),
        Some(name) => ProcessType::new(&name).map_err(|error| Fault::invalid(error.to_string()))?,
    };
    let size = match size {
        None => DynoSize::BASIC,
        Some(size) => DynoSize::named(&size).ok_or_else(|| no_such_size(&size))?,
    };
    let words = if command.is_empty() { Vec::new() } else { vec![command] };
    let place = subject.control.run_detached(&OneOffRequest { words, process_type, size, env })?;
    json(StatusCode::CREATED, &subject.dyno(&place))
}

fn of_type(subject: &Subject, name: &str) -> Result<Selector, Fault> {
    let known = subject.control.process_types();
    let beside = [ProcessType::run(), ProcessType::release()];
    if known.iter().chain(&beside).any(|known| known.as_str() == name) {
        return Ok(Selector::Named(name.to_owned()));
    }
    let known = known.iter().map(ToString::to_string).collect();
    Err(ControlError::NoSuchType { asked: name.to_owned(), known }.into())
}

fn formation_of(subject: &Subject, name: &str) -> Answer {
    let found = subject.formation().into_iter().find(|one| one.process_type == name || one.id == name);
    found.map_or_else(|| Err(Fault::not_found("Couldn't find that process type.")), |one| ok(&one))
}

fn patch_app(subject: &Subject, call: &Call) -> Answer {
    let wishes: BTreeMap<String, Value> = call.json()?;
    let mut maintenance = None;
    for (name, value) in &wishes {
        match (name.as_str(), value) {
            ("maintenance", Value::Bool(on)) => maintenance = Some(*on),
            ("maintenance", _) => return Err(Fault::invalid("maintenance must be true or false")),
            _ => return Err(Fault::invalid(format!("{name} is what the project's files say; edit them"))),
        }
    }
    if let Some(on) = maintenance {
        subject.control.set_maintenance(on);
    }
    ok(&subject.view())
}

fn scale(subject: &Subject, updates: &[FormationUpdate]) -> Result<(), Fault> {
    let updates: Vec<ScaleUpdate> = updates.iter().map(|one| wish(subject, one)).collect::<Result<_, _>>()?;
    subject.control.scale(&updates)?;
    Ok(())
}

fn wish(subject: &Subject, update: &FormationUpdate) -> Result<ScaleUpdate, Fault> {
    let name = &update.process_type;
    let process_type = ProcessType::new(name).map_err(|_| {
        let known = subject.control.process_types().iter().map(ToString::to_string).collect();
        Fault::from(ControlError::NoSuchType { asked: name.clone(), known })
    })?;
    let number = |value: &Value| match value {
        Value::Number(number) => Quantity::parse(&number.to_string()),
        Value::String(text) => Quantity::parse(text.strip_prefix('=').unwrap_or(text)),
        _ => None,
    };
    let quantity = match update.quantity.as_ref().filter(|value| !value.is_null()) {
        None => None,
        Some(Value::Number(below)) if below.as_i64().is_some_and(|below| below < 0) => {
            return Err(ControlError::BadQuantity(process_type).into());
        }
        Some(value) => {
            let wrong = || Fault::invalid(format!("{value} is not a number of dynos: write 2, +1 or -1"));
            Some(number(value).ok_or_else(wrong)?)
        }
    };
    let size = match &update.size {
        None => None,
        Some(size) => Some(DynoSize::named(size).ok_or_else(|| no_such_size(size))?),
    };
    Ok(ScaleUpdate { process_type, quantity, size })
}

fn no_such_size(size: &str) -> Fault {
    let names: Vec<&str> = SIZES.iter().map(|size| size.name).collect();
    Fault::invalid(format!("No such size as {size}. Sizes are {}.", names.join(", ")))
}

async fn set_config(subject: &Subject, call: &Call) -> Answer {
    let wishes: BTreeMap<String, Value> = call.json()?;
    let mut changes = BTreeMap::new();
    for (name, value) in wishes {
        let value = match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            _ => return Err(Fault::invalid(format!("The value of {name} must be a string, or null to unset it"))),
        };
        changes.insert(name, value);
    }
    let made = subject.control.set_config(changes).await?;
    let mut response = ok(&subject.control.config())?;
    if let Some((release, _)) = made {
        with(&mut response, super::client::RELEASE, &release.version.0.to_string());
    }
    Ok(response)
}

async fn releases(subject: &Subject, call: &Call, path: &[&str]) -> Answer {
    let host = call.host();
    let find = |asked: &str| subject.find_release(asked).ok_or_else(|| Fault::not_found("Couldn't find that release."));
    match (call.method.as_str(), path) {
        ("GET", []) => {
            let range: Range = call.range();
            list(range, subject.releases(&host), |release| release.version)
        }
        ("GET", [asked]) => ok(&subject.release(&find(asked)?, subject.control.releases().1, &host)),
        ("GET", [asked, "config-vars"]) => ok(&find(asked)?.config),
        ("POST", []) => {
            let wish: Rollback = call.json()?;
            let to = match wish.release {
                None => None,
                Some(Value::Number(number)) => Some(find(&number.to_string())?.version),
                Some(Value::String(asked)) => Some(find(&asked)?.version),
                Some(_) => return Err(Fault::invalid("release must be the id or the number of a release")),
            };
            let (_, release, _) = subject.control.rollback(to).await?;
            json(StatusCode::CREATED, &subject.release(&release, subject.control.releases().1, &host))
        }
        (_, [] | [_] | [_, "config-vars"]) => Err(Fault::method()),
        _ => Err(Fault::not_found("The requested API endpoint was not found.")),
    }
}

#[derive(Deserialize)]
struct Rollback {
    #[serde(default)]
    release: Option<Value>,
}

fn features(subject: &Subject, call: &Call, path: &[&str]) -> Answer {
    let find = |name: &str| {
        let found = subject.features().into_iter().find(|feature| feature.name == name || feature.id == name);
        found.ok_or_else(|| Fault::not_found("Couldn't find that app feature."))
    };
    match (call.method.as_str(), path) {
        ("GET", []) => ok(&subject.features()),
        ("GET", [name]) => ok(&find(name)?),
        ("PATCH", [name]) => {
            let wish: Switch = call.json()?;
            if find(name)?.name == PREBOOT {
                subject.control.set_preboot(wish.enabled);
            }
            ok(&find(name)?)
        }
        _ => Err(Fault::method()),
    }
}

#[derive(Deserialize)]
struct Switch {
    enabled: bool,
}
