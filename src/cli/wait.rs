//! `up --wait`: until every dyno is up, one crashed, or the time is over.

use crate::platform::control::Control;
use crate::platform::interrupt::{Interrupt, Interrupter};
use crate::platform::report::{News, NotUp, Reporter};
use crate::platform::wait::all_up;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
            let waited = tokio::select! {
                biased;
                // It ends without having come up, and says itself why.
                _ = self.interrupt.wanted() => return,
                waited = all_up(&control, self.limit) => waited,
            };
            let Err(why) = waited else { return };
            self.report.tell(News::NotUp(why.clone()));
            if let Some(interrupter) = &self.interrupter {
                let text = why.to_string();
                *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
                interrupter.press(&text);
            }
        });
    }
}
