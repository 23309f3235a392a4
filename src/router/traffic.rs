//! Requests that are at a dyno now: the router counts them, and whoever stops the dyno can wait for their end.

use super::lanes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use tokio::sync::Notify;

/// The requests of one life of a dyno; clones count the same ones.
#[derive(Clone, Debug, Default)]
pub struct Traffic(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// One count for each lane, so that lanes do not wait for one another's.
    requests: [Count; lanes::MOST],
    none_left: Notify,
}

/// Alone in what processors exchange at a time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Count(AtomicUsize);

/// The lane that counted a request.
#[derive(Debug)]
pub(crate) struct Counted(usize);

impl Traffic {
    /// Counts a request, from before its connection is dialled. Who enters and then sees a table that has the dyno is seen
    /// here by whoever takes the dyno out of the table and then looks.
    pub(crate) fn enter(&self) -> Counted {
        let lane = lanes::here();
        self.0.requests[lane].0.fetch_add(1, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        Counted(lane)
    }

    /// The request is there no more.
    pub(crate) fn leave(&self, counted: &Counted) {
        if self.0.requests[counted.0].0.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none_left.notify_waiters();
        }
    }

    /// Requests at the dyno now.
    pub fn requests(&self) -> usize {
        fence(Ordering::SeqCst);
        self.0.requests.iter().map(|count| count.0.load(Ordering::Acquire)).sum()
    }

    /// Whether no request is at the dyno.
    pub fn is_over(&self) -> bool {
        self.requests() == 0
    }

    /// Waits until no request is at the dyno. It is of use once the router's table has the dyno no more, since then
    /// there are no new ones.
    pub async fn over(&self) {
        loop {
            // Listens before it looks: an end between the two is not missed.
            let none_left = self.0.none_left.notified();
            if self.is_over() {
                return;
            }
            none_left.await;
        }
    }
}

/// A count makes no difference between two tables.
impl PartialEq for Traffic {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Traffic {}

#[cfg(test)]
mod tests {
    use super::Traffic;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn it_is_over_when_the_last_request_has_ended() {
        let traffic = Traffic::default();
        assert!(traffic.over().now_or_never().is_some(), "there was none");
        let (first, second) = (traffic.enter(), traffic.clone().enter());
        let waiting = tokio::spawn({
            let traffic = traffic.clone();
            async move { traffic.over().await }
        });
        tokio::task::yield_now().await;
        traffic.leave(&first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        traffic.leave(&second);
        waiting.await.unwrap();
    }
}
