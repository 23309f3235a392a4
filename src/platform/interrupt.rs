//! The wish to stop, from whoever has it: Ctrl-C, SIGTERM, `dynosim down`.

use tokio::sync::watch;

/// How much of a hurry there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Go on.
    Run,
    /// Stop gracefully; the text says why.
    Graceful(String),
    /// Kill what has not stopped.
    Force,
}

/// The listening end.
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Receiver<Stage>);

/// The speaking end.
#[derive(Clone, Debug)]
pub struct Interrupter(watch::Sender<Stage>);

/// A pair of ends.
pub fn channel() -> (Interrupter, Interrupt) {
    let (sender, receiver) = watch::channel(Stage::Run);
    (Interrupter(sender), Interrupt(receiver))
}

impl Interrupter {
    /// Asks for a stop: gracefully the first time, by force the second.
    pub fn press(&self, why: &str) -> Stage {
        self.0.send_modify(|stage| {
            *stage = match stage {
                Stage::Run => Stage::Graceful(why.to_owned()),
                Stage::Graceful(_) | Stage::Force => Stage::Force,
            };
        });
        self.0.borrow().clone()
    }

    /// Asks for a graceful stop, unless one is under way already.
    pub fn ask(&self, why: &str) {
        self.0.send_if_modified(|stage| {
            let first = *stage == Stage::Run;
            if first {
                *stage = Stage::Graceful(why.to_owned());
            }
            first
        });
    }
}

impl Interrupt {
    /// Waits until a stop is wanted; says why.
    pub async fn wanted(&self) -> String {
        let mut stage = self.0.clone();
        let wanted = stage.wait_for(|stage| *stage != Stage::Run).await.map(|stage| stage.clone());
        match wanted {
            Ok(Stage::Graceful(why)) => why,
            Ok(Stage::Force) => "interrupted".into(),
            // Nobody is left who could ask.
            Ok(Stage::Run) | Err(_) => std::future::pending().await,
        }
    }

    /// Why a stop is wanted now; none while none is.
    pub fn asked(&self) -> Option<String> {
        match &*self.0.borrow() {
            Stage::Run => None,
            Stage::Graceful(why) => Some(why.clone()),
            Stage::Force => Some("interrupted".into()),
        }
    }

    /// Waits until a stop by force is wanted.
    pub async fn forced(&self) {
        let mut stage = self.0.clone();
        if stage.wait_for(|stage| *stage == Stage::Force).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Stage, channel};

    #[tokio::test]
    async fn the_first_press_is_graceful_the_second_forces() {
        let (press, interrupt) = channel();
        assert_eq!(press.press("Ctrl-C"), Stage::Graceful("Ctrl-C".into()));
        assert_eq!(interrupt.wanted().await, "Ctrl-C");
        assert_eq!(press.press("Ctrl-C"), Stage::Force);
        interrupt.forced().await;
    }

    #[tokio::test]
    async fn to_ask_is_never_to_force_and_the_first_reason_stays() {
        let (press, interrupt) = channel();
        assert_eq!(interrupt.asked(), None);
        press.ask("done");
        press.ask("late");
        assert_eq!(interrupt.asked().as_deref(), Some("done"));
        assert_eq!(press.press("Ctrl-C"), Stage::Force);
    }
}
