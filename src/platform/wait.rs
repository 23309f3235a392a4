//! Until every dyno is up, one crashed, or the time is over: what `up --wait` and `test` wait for.

use super::control::{Control, Place};
use super::report::NotUp;
use crate::model::dyno::DynoState;
use std::time::Duration;
use tokio::time::timeout;

/// Waits for the first release of this run, then for its dynos. `limit` counts from the release; `None` waits as long as it
/// takes.
pub async fn all_up(control: &Control, limit: Option<Duration>) -> Result<(), NotUp> {
    released(control).await;
    let up = match limit {
        Some(limit) => timeout(limit, control.all_up()).await.map_err(|_| NotUp::Late(limit))?,
        None => control.all_up().await,
    };
    let crashed = |place: &Place| place.status.state == DynoState::Crashed;
    let names = || control.places().into_iter().filter(crashed).map(|place| place.name).collect();
    if up { Ok(()) } else { Err(NotUp::Crashed(names())) }
}

/// Waits for the first release of this run.
pub async fn released(control: &Control) {
    let mut changes = control.changes();
    loop {
        changes.borrow_and_update();
        if control.deployed().is_some() || changes.changed().await.is_err() {
            return;
        }
    }
}
