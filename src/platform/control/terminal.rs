//! A dyno of the formation with a terminal of its own, so that a debugger's prompt in it can be answered. A process gets
//! its terminal when it starts and never later, so the dyno is restarted for it; its lines stay in the log.

use super::seat::{Manner, Wanted};
use super::{Control, ControlError};
use crate::dyno::Keyboard;
use crate::engine::{Console, Output};
use crate::model::dyno::DynoName;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Pieces of output that may wait for who types.
const QUEUE: usize = 64;

/// What a dyno is started with.
#[derive(Clone)]
pub(super) struct Terminal {
    pub(super) console: Console,
    pub(super) output: mpsc::Sender<Output>,
    /// The keyboard of the dyno that was started last.
    pub(super) keyboard: Arc<watch::Sender<Option<Keyboard>>>,
}

/// Somebody's end of a dyno's terminal. The dyno keeps its terminal until its next restart, used or not.
pub struct Typing {
    /// Which dyno.
    pub name: DynoName,
    /// What it prints, as it comes; ends with the dyno's restart by somebody else.
    pub output: mpsc::Receiver<Output>,
    /// Its keyboard, once it is being started.
    pub keyboard: watch::Receiver<Option<Keyboard>>,
}

impl Control {
    /// Restarts a dyno of the formation with a terminal of this size: columns, rows.
    pub fn type_into(&self, asked: &str, size: (u16, u16)) -> Result<Typing, ControlError> {
        let mut board = self.0.board();
        if board.closing {
            return Err(ControlError::Closing);
        }
        let deployed = board.deployed.clone().ok_or(ControlError::NotReleased)?;
        let name = board.names().find(|name| name.to_string() == asked).ok_or_else(|| ControlError::NoSuchDyno {
            asked: asked.to_owned(),
            running: board.names().map(|name| name.to_string()).collect(),
        })?;
        let Some(scale) = board.formation.get(&name.process_type).copied() else {
            return Err(ControlError::NotReleased);
        };
        let (output, printed) = mpsc::channel(QUEUE);
        let (keys, keyboard) = watch::channel(None);
        let terminal = Terminal { console: Console::Terminal(size.0, size.1), output, keyboard: Arc::new(keys) };
        board.turns += 1;
        let turn = board.turns;
        let wanted = Wanted { deployed, size: scale.size, turn, manner: Manner::Replace, terminal: Some(terminal) };
        self.0.seat(&mut board, name.clone(), wanted);
        self.0.publish(&board);
        Ok(Typing { name, output: printed, keyboard })
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::Console;
    use crate::engine::fake::{FakeEngine, Script};
    use crate::platform::control::scene::{Scene, s};
    use crate::platform::control::{ControlError, Selector};
    use tokio::time::sleep;

    fn last_console(scene: &Scene) -> Console {
        scene.engine.record(|record| record.launches.last().unwrap().console)
    }

    #[tokio::test(start_paused = true)]
    async fn a_dyno_is_restarted_for_its_terminal_and_its_output_goes_to_both() {
        let engine = FakeEngine::new().script("web", Script::new().after(s(2)).bind().print("(Pdb) \r\nnext\r\n"));
        let scene = Scene::up(engine).await;
        let mut typing = scene.control.type_into("web.1", (100, 40)).unwrap();
        let lines = scene.lines_of(async |scene| scene.up_again().await).await;
        assert_eq!(last_console(&scene), Console::Terminal(100, 40));
        assert!(lines.contains(&"heroku[web.1]: Restarting".to_owned()), "{lines:?}");
        assert!(lines.contains(&"app[web.1]: (Pdb) ".to_owned()), "the return is the terminal's: {lines:?}");
        let piece = typing.output.recv().await.unwrap();
        assert_eq!(piece.bytes, "(Pdb) \r\nnext\r\n");
        assert!(typing.keyboard.borrow().is_some());
        // The next restart is one like any other, and ends the session of who typed.
        scene.control.restart(&Selector::All).unwrap();
        sleep(s(60)).await;
        scene.up_again().await;
        assert_eq!(last_console(&scene), Console::Log);
        assert!(typing.output.recv().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_a_terminal_does_not_hold_the_dyno_up() {
        let engine = FakeEngine::new().script("web", Script::new().after(s(2)).bind().after(s(5)).print("on\n"));
        let scene = Scene::up(engine).await;
        drop(scene.control.type_into("web.1", (80, 24)).unwrap());
        let lines = scene.lines_of(async |scene| scene.up_again().await).await;
        assert!(lines.contains(&"app[web.1]: on".to_owned()), "{lines:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn only_dynos_of_the_formation_can_be_given_a_terminal() {
        let scene = Scene::up(FakeEngine::new().script("web", Script::new().bind())).await;
        for asked in ["web.2", "web", "", "worker.1"] {
            let refused = scene.control.type_into(asked, (80, 24));
            assert!(matches!(refused, Err(ControlError::NoSuchDyno { .. })), "{asked}");
        }
    }
}
