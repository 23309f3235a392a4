//! `dynosim attach`: the log of a running `up`, from another terminal or after `up -d`.

use super::console::{Console, Hand};
use super::remote::Remote;
use super::session::Session;
use super::stream::{print_to_stdout, style};
use super::up::url_of;
use super::view::View;
use crate::logs::{Filter, Follower, Renderer, Start, TAIL_LINES};
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use crate::platform::state::StateDir;
use std::process::ExitCode;
use tokio::sync::mpsc;

pub(super) async fn run(session: &Session) -> Result<ExitCode, PlatformError> {
    let place = session.place()?;
    let state = place.state(&place.identity()?)?;
    let holder =
        state.holder().map_err(PlatformError::io("look for a running up"))?.ok_or_else(|| none_runs(session))?;
    let watched = state.clone();
    let mine = holder.run.clone();
    let lives = move || watched.holder().is_ok_and(|now| now.is_some_and(|now| now.run == mine));
    let follower =
        Follower::outside(&state.file("journal"), Start::Last(TAIL_LINES), Filter::default(), Box::new(lives));
    let mut follower = follower.map_err(PlatformError::io("read the log"))?;
    let url = holder.port.map(|port| format!("  http://localhost:{port}")).unwrap_or_default();
    session.report.note(format!("attached to pid {}{url}; Ctrl-C detaches, `dynosim down` stops the app", holder.pid));
    let mut renderer = Renderer::new(style(session.printer));
    let view = Console::possible(session.printer).then(View::default);
    let (leave, mut left) = mpsc::channel(1);
    let watched = state.clone();
    let console = view.clone().map(|view| Console {
        printer: session.printer,
        report: session.report.clone(),
        view,
        url: Box::new(move || url_of(&watched)),
        hand: Hand::Attached(Remote { state: state.clone() }, leave.clone()),
    });
    let _keys = console.map(Console::begin).transpose().map_err(PlatformError::io("use the terminal"))?;
    tokio::select! {
        printed = print_to_stdout(&mut follower, &mut renderer, view.as_ref()) => {
            printed.map_err(PlatformError::io("print the log"))?;
            if !runs(&state, &holder.run) {
                session.report.note("the app has stopped");
            }
        }
        () = async { tokio::select! { _ = tokio::signal::ctrl_c() => {}, _ = left.recv() => {} } } => {
            session.report.note("detached; the app goes on: `dynosim attach` comes back, `dynosim down` stops it");
        }
    }
    Ok(super::code(Code::Ok))
}

fn runs(state: &StateDir, run: &str) -> bool {
    state.holder().is_ok_and(|now| now.is_some_and(|now| now.run == run))
}

/// No `up` of this app runs.
pub(super) fn none_runs(session: &Session) -> PlatformError {
    PlatformError::Unable { reason: "this app does not run".into(), help: how_to_start(session) }
}

/// How an app that does not run is started.
pub(super) fn how_to_start(session: &Session) -> String {
    let name = session.common.name.as_ref().map(|name| format!(" -n {name}")).unwrap_or_default();
    format!("start it with `dynosim up{name}`, or with `dynosim up -d{name}` in the background")
}
