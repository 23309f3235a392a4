//! `dynosim doctor`: is everything there that dynosim needs?

use super::printer::Printer;
use super::session::{Session, config_base, environment};
use crate::clock::Clock;
use crate::dyno::explain::bytes;
use crate::engine::{EngineError, EngineFacts};
use crate::model::exit_code::ExitCode as Code;
use crate::platform::authority::Authority;
use crate::platform::engines::Why;
use crate::platform::{port, trust};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

pub(super) async fn run(session: &Session) -> ExitCode {
    let printer = session.printer;
    let state = session.place().map(|place| place.state_base);
    let folder = match &state {
        Ok(base) => base.join("engine"),
        Err(_) => std::env::temp_dir(),
    };
    let mut good = true;
    let mut say = |ok: bool, name: &str, text: &str| {
        good &= ok;
        if printer.json {
            printer.out(&json!({"check": name, "ok": ok, "text": text}).to_string());
        } else {
            let mark = if ok { "✔" } else { "✘" };
            printer.out(&format!("{mark} {name:<9} {text}"));
        }
    };
    say(true, "dynosim", env!("CARGO_PKG_VERSION"));
    match &state {
        Ok(base) => say(true, "state", &base.display().to_string()),
        Err(error) => say(false, "state", &error.to_string()),
    }
    match port::holder(5006) {
        None => say(true, "port", "5006 is free"),
        Some(by) => say(true, "port", &format!("5006 is taken by {by}; `up` takes the next free one")),
    }
    if let Some((ok, text)) = authority(&session.clock) {
        say(ok, "https", &text);
    }
    let code = engines(session, &folder, &mut say).await;
    let code = if code == Code::Ok && !good { Code::Failed } else { code };
    hint(printer, code);
    super::code(code)
}

/// The container engine, and the native one; which of them an app with images would be on.
async fn engines(session: &Session, folder: &Path, say: &mut impl FnMut(bool, &str, &str)) -> Code {
    let chosen = match session.any_engine(folder).await {
        Ok(chosen) => chosen,
        Err(error) => {
            unreachable(&error, false, say);
            return Code::Engine;
        }
    };
    if let Some(Why::NoneAnswers(tried)) = &chosen.native {
        unreachable(&EngineError::Unreachable { tried: tried.clone() }, true, say);
    }
    engine_lines(chosen.engine.facts(), say);
    if chosen.native.is_some() {
        say(true, "images", "none: `up` runs Procfiles, heroku.yml's `run` and CMDs with this machine's own programs");
    } else {
        say(true, "native", "runs an app of a Procfile alone, and any with --engine native");
    }
    Code::Ok
}

/// What was looked for; an error unless something else takes its place.
fn unreachable(error: &EngineError, replaced: bool, say: &mut impl FnMut(bool, &str, &str)) {
    say(replaced, "docker", &error.to_string());
    if let EngineError::Unreachable { tried } = error {
        for line in tried {
            say(replaced, "tried", line);
        }
    }
}

/// The local certificate authority, if `up --https` has made one.
fn authority(clock: &Clock) -> Option<(bool, String)> {
    let config = config_base(&environment).ok().filter(|config| Authority::is_there(config))?;
    Some(match Authority::open(&config, &[], clock) {
        Ok(authority) if trust::is_trusted(authority.pem(), cfg!(target_os = "macos")) => {
            (true, format!("{} is trusted by this machine's own store", authority.name()))
        }
        Ok(authority) => (true, format!("{} is not installed: see `dynosim trust`", authority.name())),
        Err(error) => (false, format!("{error}: {}", error.help())),
    })
}

fn engine_lines(facts: &EngineFacts, say: &mut impl FnMut(bool, &str, &str)) {
    if facts.native {
        say(true, "engine", &format!("{} {}, {}", facts.product, facts.version, facts.platform));
    } else {
        say(true, "engine", &format!("{} {} (API {}), {}", facts.product, facts.version, facts.api, facts.platform));
        say(true, "socket", &facts.address);
        say(true, "builder", &facts.builder);
    }
    match &facts.init_missing {
        None => say(true, "init", "dynosim's own"),
        Some(why) => say(true, "init", &format!("the engine's own, approximate: {why}")),
    }
    let swap = if facts.swap { "swap" } else { "no swap" };
    if !facts.cgroup.is_empty() {
        say(true, "cgroup", &format!("{}, {swap}", facts.cgroup));
    }
    if let Some((free, all)) = facts.disk {
        // Below this, builds begin to fail in ways that do not say so.
        let enough = free > 1_000_000_000;
        say(enough, "disk", &format!("{} of {} free where the engine keeps its data", bytes(free), bytes(all)));
    }
    for approximation in &facts.approximations {
        say(true, "approx.", approximation);
    }
}

fn hint(printer: Printer, code: Code) {
    if code == Code::Engine && !printer.json {
        printer
            .err("help: start it, name another with --engine or DOCKER_HOST, or run without images: --engine native");
    }
}
