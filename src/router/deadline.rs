//! A deadline that is cheap to move: moving it stores an instant, and the timer underneath is only touched when it
//! fires, or when the deadline comes nearer (§18 f).

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep_until};

/// A point in time to wait for, or none.
#[derive(Default)]
pub(super) struct Deadline {
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(super) fn set(&mut self, at: Instant) {
        self.at = Some(at);
    }

    /// Sets it unless it is set.
    pub(super) fn start(&mut self, at: impl FnOnce() -> Instant) {
        if self.at.is_none() {
            self.at = Some(at());
        }
    }

    pub(super) fn is_set(&self) -> bool {
        self.at.is_some()
    }

    pub(super) fn clear(&mut self) {
        self.at = None;
    }

    /// Ready once it has passed; pending while there is none.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        loop {
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= at {
                self.at = None;
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Deadline;
    use std::future::poll_fn;
    use tokio::time::{Duration, Instant, timeout};

    #[tokio::test(start_paused = true)]
    async fn it_passes_when_it_was_last_set_to_earlier_or_later() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let mut deadline = Deadline::default();
        deadline.set(after(10));
        assert!(timeout(Duration::from_secs(1), poll_fn(|cx| deadline.poll(cx))).await.is_err());
        deadline.set(after(20));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(begin.elapsed(), Duration::from_secs(20));
        deadline.set(after(60));
        assert!(timeout(Duration::from_secs(1), poll_fn(|cx| deadline.poll(cx))).await.is_err());
        deadline.set(after(30));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(begin.elapsed(), Duration::from_secs(30));
        assert!(timeout(Duration::from_secs(1), poll_fn(|cx| deadline.poll(cx))).await.is_err());
    }
}
