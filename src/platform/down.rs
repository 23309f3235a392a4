//! `down`: ends the app's `up`, wherever it runs, and removes what killed runs left behind.

use super::builds::used;
use super::error::PlatformError;
use super::project::sweep;
use super::report::Reporter;
use super::state::{Holder, Identity, StateDir};
use super::store::Builds;
use crate::engine::Engine;
use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The file that tells a stopping `up` that `down` asked for it.
const REQUEST: &str = "down.request";
/// Longer than an app may take to stop by Heroku's rules (R5.3).
const LONG: Duration = Duration::from_secs(35);
/// How often the lock is looked at.
const PACE: Duration = Duration::from_millis(50);

/// Stops the `up` that holds the app, if one does, and waits until it is gone. Says whom it stopped.
pub async fn stop_holder(state: &StateDir, report: &Reporter) -> Result<Option<Holder>, PlatformError> {
    let look = || state.holder().map_err(PlatformError::io("look for a running up"));
    let Some(mut holder) = look()? else { return Ok(None) };
    // An `up` that just took the lock has not written its name yet, and a stale pid must never get a signal.
    loop {
        sleep(PACE).await;
        match look()? {
            None => return Ok(None),
            Some(now) if now.run == holder.run => break,
            Some(now) => holder = now,
        }
    }
    let pid = i32::try_from(holder.pid).ok().and_then(Pid::from_raw);
    let Some(pid) = pid.filter(|_| holder.pid > 1) else {
        return Err(PlatformError::io("stop the running up")(io::Error::other("its lock file does not name a pid")));
    };
    std::fs::write(state.file(REQUEST), b"").map_err(PlatformError::io("ask the running up to stop"))?;
    report.note(format!("stopping pid {} ({})", holder.pid, holder.folder.display()));
    kill_process(pid, Signal::TERM)
        .map_err(|error| PlatformError::io(format!("signal pid {}", holder.pid))(error.into()))?;
    // The lock goes with the process, however it ends; its dynos have their own time limit.
    let (began, mut told) = (Instant::now(), false);
    while look()?.is_some_and(|now| now.run == holder.run) {
        sleep(PACE).await;
        if !told && began.elapsed() > LONG {
            told = true;
            report.note(format!(
                "pid {0} is still stopping, which takes as long as its dynos do; `kill -9 {0}` ends it, and `dynosim \
                 down` then cleans up",
                holder.pid
            ));
        }
    }
    Ok(Some(holder))
}

/// Forgets the request of a `down` whose `up` was killed before it could read it.
pub fn forget_request(state: &StateDir) {
    was_asked(state);
}

/// Removes what killed runs left behind: containers, volumes, networks, and images that no finished build is known of.
/// Whether there was anything but images.
pub async fn clean_up(
    engines: &[&dyn Engine],
    state: &StateDir,
    identity: &Identity,
    report: &Reporter,
) -> Result<bool, PlatformError> {
    let runs = state.runs().map_err(PlatformError::io("look for living runs"))?;
    let swept = sweep(engines, state, identity, report).await?;
    if runs.live.is_empty() && !runs.dead.is_empty() {
        let known = Builds::open(state.file("builds.json"));
        let keep = used(state, &known)?;
        for engine in engines {
            engine.prune_images(&state.repository(), &keep).await?;
        }
    }
    Ok(swept)
}

/// Whether the SIGTERM that `up` just got is `down`'s; asked once.
pub fn was_asked(state: &StateDir) -> bool {
    std::fs::remove_file(state.file(REQUEST)).is_ok()
}
