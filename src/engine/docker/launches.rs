//! Which dynos are being started. What is left of another is removed after that: both at once take longer, and somebody
//! waits for the start alone.

use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// A removal waits no longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many dynos are being started.
#[derive(Debug)]
pub(super) struct Launches(watch::Sender<usize>);

/// A dyno is being started, until this is dropped.
#[derive(Debug)]
pub(super) struct Launching<'a>(&'a watch::Sender<usize>);

impl Launches {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    pub(super) fn begin(&self) -> Launching<'_> {
        self.0.send_modify(|count| *count += 1);
        Launching(&self.0)
    }

    /// Resolves when no dyno is being started, or when that has been waited for long enough.
    pub(super) async fn over(&self) {
        let mut count = self.0.subscribe();
        let _ = timeout(PATIENCE, count.wait_for(|count| *count == 0)).await;
    }
}

impl Drop for Launching<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::{Launches, PATIENCE};
    use std::time::Duration;
    use tokio::time::{Instant, sleep};

    const START: Duration = Duration::from_millis(300);

    #[tokio::test(start_paused = true)]
    async fn a_removal_waits_for_a_start_but_not_for_one_that_hangs() {
        let launches = Launches::new();
        let began = Instant::now();
        launches.over().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        let launching = launches.begin();
        let start = async {
            sleep(START).await;
            drop(launching);
        };
        tokio::join!(launches.over(), start);
        assert_eq!(began.elapsed(), START);
        let _hangs = launches.begin();
        launches.over().await;
        assert_eq!(began.elapsed(), START + PATIENCE);
    }
}
