//! The memory of running dynos, measured when somebody asks.

use super::Control;
use super::one_off::OneOff;
use super::seat::Place;
use crate::dyno::{Gauge, quota_use};
use futures_util::future::join_all;
use std::time::Duration;
use tokio::time::timeout;

/// How long the engine may take; a figure that comes later is of no use.
const PATIENCE: Duration = Duration::from_secs(2);

/// A place and what its dyno uses.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The place.
    pub place: Place,
    /// Bytes that count against the quota (R5.7); `None` when the dyno does not run, or the engine does not tell.
    pub memory: Option<u64>,
}

impl Control {
    /// Measures every dyno now, side by side, in the order of [`Control::places`].
    pub async fn measure(&self) -> Vec<Measured> {
        let gauges: Vec<(Place, Option<Gauge>)> = {
            let board = self.0.board();
            let seats = board.seats.values().filter_map(|seat| {
                let view = seat.view.borrow();
                Some((view.place.clone()?, view.gauge.clone()))
            });
            seats.chain(board.one_offs.values().map(|one: &OneOff| (one.place(), one.gauge()))).collect()
        };
        let one = |(place, gauge): (Place, Option<Gauge>)| async move {
            let usage = match gauge {
                Some(gauge) => timeout(PATIENCE, gauge.usage()).await.ok().flatten(),
                None => None,
            };
            Measured { memory: usage.map(|usage| quota_use(usage, place.size.quota)), place }
        };
        join_all(gauges.into_iter().map(one)).await
    }
}
