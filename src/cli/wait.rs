//! `up --wait`: until every dyno is up, one crashed, or the time is over.

use crate::model::dyno::DynoState;
use crate::platform::control::Control;
use crate::platform::interrupt::{Interrupt, Interrupter};
use crate::platform::report::{News, NotUp, Reporter};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// What came of the wait, for who has to end with it.
pub(super) type Verdict = Arc<Mutex<Option<NotUp>>>;

/// A wait for the app of one `up`.
pub(super) struct Wait {
    /// From the release on; `None` waits as long as it takes.
    pub(super) limit: Option<Duration>,
    /// Ends the app that did not come up; `None` leaves it running.
    pub(super) interrupter: Option<Interrupter>,
    pub(super) interrupt: Interrupt,
    pub(super) report: Reporter,
    pub(super) verdict: Verdict,
}

impl Wait {
    /// Waits, beside whatever else goes on.
    pub(super) fn begin(self, control: Control) {
        tokio::spawn(async move {
            let why = tokio::select! {
                biased;
                // It ends without having come up, and says itself why.
                _ = self.interrupt.wanted() => return,
                why = self.not_up(&control) => why,
            };
            let Some(why) = why else { return };
            self.report.tell(News::NotUp(why.clone()));
            if let Some(interrupter) = &self.interrupter {
                let text = why.to_string();
                *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
                interrupter.press(&text);
            }
        });
    }

    async fn not_up(&self, control: &Control) -> Option<NotUp> {
        released(control).await;
        let up = match self.limit {
            Some(limit) => match timeout(limit, control.all_up()).await {
                Ok(up) => up,
                Err(_) => return Some(NotUp::Late(limit)),
            },
            None => control.all_up().await,
        };
        let crashed = |place: &crate::platform::control::Place| place.status.state == DynoState::Crashed;
        let names = || control.places().into_iter().filter(crashed).map(|place| place.name).collect();
        (!up).then(|| NotUp::Crashed(names()))
    }
}

/// Waits for the first release of this run.
pub(super) async fn released(control: &Control) {
    let mut changes = control.changes();
    loop {
        changes.borrow_and_update();
        if control.deployed().is_some() || changes.changed().await.is_err() {
            return;
        }
    }
}
