//! A signal that is raised once, and that any number of tasks wait for while they do other work: looking whether it
//! was raised costs a task that waits already no more than reading a flag.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Not raised at first, and never taken back.
#[derive(Debug, Default)]
pub(super) struct Signal {
    is_raised: AtomicBool,
    token: CancellationToken,
}

/// Ready once the signal is raised.
pub(super) struct Raised<'a> {
    signal: &'a Signal,
    wait: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Who is woken by the signal.
    woken: Option<Waker>,
}

impl Signal {
    pub(super) fn raise(&self) {
        self.is_raised.store(true, Ordering::Release);
        self.token.cancel();
    }

    pub(super) fn is_raised(&self) -> bool {
        self.is_raised.load(Ordering::Acquire)
    }

    pub(super) fn raised(&self) -> Raised<'_> {
        Raised { signal: self, wait: Box::pin(self.token.clone().cancelled_owned()), woken: None }
    }
}

impl Future for Raised<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.woken.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) && !self.signal.is_raised() {
            return Poll::Pending;
        }
        self.woken = Some(cx.waker().clone());
        self.wait.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::Signal;
    use std::pin::pin;
    use std::task::{Context, Waker};
    use tokio::time::{Duration, timeout};

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_woken_and_who_comes_later_does_not_wait() {
        let signal = Signal::default();
        let mut raised = pin!(signal.raised());
        assert!(timeout(Duration::from_secs(1), raised.as_mut()).await.is_err());
        // Another task's waker must not be forgotten for the first.
        let mut other = Context::from_waker(Waker::noop());
        assert!(raised.as_mut().poll(&mut other).is_pending());
        let raise = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            signal.raise();
        };
        timeout(Duration::from_secs(2), async { tokio::join!(raised, raise) }).await.unwrap();
        assert!(signal.is_raised());
        timeout(Duration::from_secs(1), signal.raised()).await.unwrap();
    }
}
