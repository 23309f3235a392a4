//! Requests that are at a dyno now: the router counts them, and whoever stops the dyno can wait for their end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// The requests of one life of a dyno; clones count the same ones.
#[derive(Clone, Debug, Default)]
pub struct Traffic(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    requests: AtomicUsize,
    none_left: Notify,
}

/// A request that is at the dyno until this is dropped.
#[derive(Debug)]
pub(super) struct Passage(Traffic);

impl Traffic {
    /// Counts a request, from before its connection is dialled.
    pub(super) fn enter(&self) -> Passage {
        self.0.requests.fetch_add(1, Ordering::AcqRel);
        Passage(self.clone())
    }

    /// Requests at the dyno now.
    pub fn requests(&self) -> usize {
        self.0.requests.load(Ordering::Acquire)
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

impl Drop for Passage {
    fn drop(&mut self) {
        if self.0.0.requests.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.0.none_left.notify_waiters();
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
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        waiting.await.unwrap();
    }
}
