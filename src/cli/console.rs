//! The keys of an attached `up`, and of `attach`: reads them, asks for what they need on the bottom line, and does what
//! they mean. Only at a terminal: a pipe gets the plain log.

use super::bottom;
use super::browser;
use super::fail;
use super::hand::{NOTHING_NEW, Steer};
use super::keys::{self, Action, Key, Seat, decode};
use super::line_editor::{LineEditor, Typed};
use super::printer::Printer;
use super::remote::{Remote, Said};
use super::terminal;
use super::tty::{self, Mode, Terminal};
use super::typing;
use super::view::View;
use crate::platform::control::ControlError;
use crate::platform::report::{News, Reporter};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Ends the console when it is dropped; the terminal is then as it was.
pub(super) struct Guard(JoinHandle<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
        bottom::set("");
        tty::want(Mode::Before);
    }
}

/// A console.
pub(super) struct Console {
    pub(super) printer: Printer,
    pub(super) report: Reporter,
    pub(super) view: View,
    /// The router's address, for apps with web.
    pub(super) url: Box<dyn Fn() -> Option<String> + Send + Sync>,
    pub(super) hand: Hand,
}

/// What the keys can reach.
pub(super) enum Hand {
    /// The app itself.
    Up(Steer),
    /// Its API: another process has the app. The sender is told when the user leaves.
    Attached(Remote, mpsc::Sender<()>),
}

impl Hand {
    fn seat(&self) -> Seat {
        match self {
            Self::Up(_) => Seat::Up,
            Self::Attached(..) => Seat::Attached,
        }
    }
}

/// A question on the bottom line.
#[derive(Clone, Copy)]
enum Ask {
    Restart,
    Focus,
    Type,
    Filter,
    Scale,
}

impl Console {
    /// Whether keys can be had here at all.
    pub(super) fn possible(printer: Printer) -> bool {
        terminal::is_interactive() && !printer.json
    }

    /// Takes the terminal and begins.
    pub(super) fn begin(self) -> std::io::Result<Guard> {
        let (keys, pressed) = mpsc::channel(16);
        let terminal = Terminal::take(Mode::Keys, keys)?;
        self.report.tell(News::Hint(keys::hint(self.hand.seat())));
        Ok(Guard(tokio::spawn(async move {
            let _terminal = terminal;
            self.run(pressed).await;
        })))
    }

    async fn run(mut self, mut pressed: mpsc::Receiver<Bytes>) {
        let mut prompt: Option<(Ask, LineEditor)> = None;
        while let Some(bytes) = pressed.recv().await {
            for key in decode(&bytes) {
                prompt = match prompt.take() {
                    None => self.on_key(key).await,
                    Some((ask, mut editor)) => match editor.on(key) {
                        Typed::More => Some((ask, editor)),
                        Typed::Cancelled => None,
                        Typed::Done(text) => {
                            bottom::set("");
                            self.answer(ask, text.trim(), &mut pressed).await;
                            None
                        }
                    },
                };
            }
            let columns = terminal::size().0;
            bottom::set(&prompt.as_ref().map(|(_, editor)| editor.shown(columns)).unwrap_or_default());
        }
    }

    fn note(&self, text: impl Into<String>) {
        self.report.note(text);
    }

    fn note_said(&self, said: Said) {
        self.note(said.unwrap_or_else(|reason| reason));
    }

    /// Does what a key means at once, or asks for what it needs.
    async fn on_key(&mut self, key: Key) -> Option<(Ask, LineEditor)> {
        let ask = |ask, text: &str| Some((ask, LineEditor::new(text)));
        match (keys::action(self.hand.seat(), key)?, &self.hand) {
            (Action::Open, _) => self.open(),
            (Action::Help, hand) => {
                for line in keys::help(hand.seat()) {
                    self.report.tell(News::Hint(line));
                }
            }
            (Action::Filter, _) => return ask(Ask::Filter, "filter (empty: all lines): "),
            (Action::Focus, _) => return ask(Ask::Focus, "focus, as web.1 or worker (empty: all): "),
            (Action::Restart, _) => return ask(Ask::Restart, "restart (empty: all dynos): "),
            (Action::Type, _) => return ask(Ask::Type, "restart with a terminal and type into, as web.1: "),
            (Action::Scale, Hand::Up(steer)) => {
                return ask(Ask::Scale, &format!("scale ({}): ", steer.formation()));
            }
            (Action::Scale, Hand::Attached(remote, _)) => {
                return ask(Ask::Scale, &format!("scale ({}): ", remote.formation().await));
            }
            (Action::Maintenance, Hand::Up(steer)) => self.note(steer.toggle_maintenance()),
            (Action::Maintenance, Hand::Attached(remote, _)) => self.note_said(remote.toggle_maintenance().await),
            (Action::Rebuild, Hand::Up(steer)) => {
                let (control, printer, report) = (steer.control.clone(), self.printer, self.report.clone());
                tokio::spawn(async move {
                    match control.rebuild().await {
                        // The release says itself that it is there.
                        Ok(Some(_)) => {}
                        Ok(None) => report.note(NOTHING_NEW),
                        Err(ControlError::Platform(error)) => {
                            fail::report(printer, &error);
                        }
                        Err(error) => report.note(error.to_string()),
                    }
                });
            }
            (Action::Rebuild, Hand::Attached(remote, _)) => {
                self.note("building");
                let (remote, report) = (remote.clone(), self.report.clone());
                tokio::spawn(async move { report.note(remote.rebuild().await.unwrap_or_else(|reason| reason)) });
            }
            (Action::Quit, Hand::Up(steer)) => steer.quit(),
            (Action::Detach, Hand::Attached(_, leave)) => {
                // It is left once; a second key changes nothing.
                let _ = leave.try_send(());
            }
            (Action::Quit, Hand::Attached(..)) | (Action::Detach, Hand::Up(_)) => {}
        }
        None
    }

    fn open(&self) {
        match (self.url)() {
            None => self.note("there is nothing to open: no router of this app listens"),
            Some(url) => match browser::open(&url) {
                Ok(()) => self.note(format!("opening {url}")),
                Err(_) => self.note(format!("no browser was found here; the app is at {url}")),
            },
        }
    }

    async fn answer(&mut self, ask: Ask, text: &str, pressed: &mut mpsc::Receiver<Bytes>) {
        match (ask, &self.hand) {
            (Ask::Filter, _) => {
                self.view.filter(text);
                self.note(if text.is_empty() { "all lines".into() } else { format!("only lines with {text}") });
            }
            (Ask::Focus, _) => {
                self.view.focus(Some(text).filter(|text| !text.is_empty()));
                self.note(if text.is_empty() { "all dynos".into() } else { format!("only {text}") });
            }
            (Ask::Restart, Hand::Up(steer)) => self.note(steer.restart(text)),
            (Ask::Restart, Hand::Attached(remote, _)) => self.note_said(remote.restart(text).await),
            (Ask::Scale, Hand::Attached(remote, _)) if !text.is_empty() => self.note_said(remote.scale(text).await),
            (Ask::Scale, Hand::Up(steer)) if !text.is_empty() => self.note(steer.scale(text)),
            (Ask::Type, Hand::Up(steer)) => {
                let focused = self.view.focused();
                let name = if text.is_empty() { focused.unwrap_or_default() } else { text.to_owned() };
                match steer.type_into(&name) {
                    Ok(dyno) => typing::session(dyno, pressed, &self.view, &self.report).await,
                    Err(reason) => self.note(reason),
                }
            }
            (Ask::Scale, _) | (Ask::Type, Hand::Attached(..)) => {}
        }
    }
}
