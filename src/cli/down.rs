//! `dynosim down`

use super::args::Down;
use super::session::Session;
use crate::engine::EngineError;
use crate::model::exit_code::ExitCode as Code;
use crate::platform::PlatformError;
use crate::platform::down::{clean_up, stop_holder};
use crate::platform::trial::sweep_dead;
use std::process::ExitCode;

pub(super) async fn run(session: &Session, args: Down) -> Result<ExitCode, PlatformError> {
    let place = session.place()?;
    let identity = place.identity()?;
    let state = place.state(&identity)?;
    let stopped = stop_holder(&state, &session.report).await?;
    let runs = state.runs().map_err(PlatformError::io("look for living runs"))?;
    // An earlier run may have been on another engine than this one would be.
    let native = session.native_engine(&state).await?;
    let mut engines = vec![native.as_ref()];
    let containers = match session.containers_of(&state).await {
        // Without an engine there is nothing to clean up, unless a killed run may have left something.
        Err(EngineError::Unreachable { .. }) if runs.dead.is_empty() && !args.images => None,
        found => found?,
    };
    engines.extend(containers.as_deref());
    let mut cleaned = clean_up(&engines, &state, &identity, &session.report).await?;
    cleaned |= sweep_dead(&engines, &state, &place, &session.report).await?;
    if args.images {
        let mut removed = 0;
        for engine in &engines {
            removed += engine.prune_images(&state.repository(), &[]).await?;
        }
        session.report.note(format!("removed {}", crate::dyno::explain::count(removed, "image")));
    }
    match stopped {
        Some(holder) => session.report.note(format!("stopped pid {}", holder.pid)),
        None if cleaned => {}
        None => session.report.note("nothing was running".to_owned()),
    }
    Ok(super::code(Code::Ok))
}
