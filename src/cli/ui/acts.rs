//! What keys and commands do to the state, and what they ask of the app. Pure.

use super::keymap::Doing;
use super::state::{Ask, Command, Link, Mode, Order, Pane, State};
use super::words;
use crate::cli::line_editor::LineEditor;

impl State {
    /// Does what a key means.
    pub(super) fn act(&mut self, doing: Doing) -> Option<Order> {
        let window = self.window();
        let page = isize::try_from(window.rows).unwrap_or(isize::MAX);
        match doing {
            Doing::Quit => return Some(Order { command: Command::Quit, undo: None }),
            Doing::Help => self.mode = Mode::Help(0),
            Doing::Pane(pane) => (self.pane, self.zoomed) = (pane, false),
            Doing::NextPane(forward) => self.next_pane(forward),
            Doing::Move(by) => self.step(by),
            Doing::Ends(last) => self.ends(last),
            Doing::Half(down) => self.log.scroll(if down { page / 2 } else { -page / 2 }, window),
            Doing::Page(down) => self.log.scroll(if down { page - 1 } else { 1 - page }, window),
            Doing::Side(right) => self.log.sideways(right),
            Doing::Follow => {
                let follow = !self.log.follows();
                self.log.set_follow(follow);
            }
            Doing::Wrap => self.log.wrap = !self.log.wrap,
            Doing::Ask(ask) => self.ask(ask),
            Doing::Again(down) => self.again(down),
            Doing::Escape => self.escape(),
            Doing::Enter => self.enter(),
            Doing::Restart => {
                let name = self.with_dyno()?;
                self.confirm(format!("restart {name}?"), Command::Restart(name));
            }
            Doing::RestartAll => self.confirm("restart all dynos?".into(), Command::Restart(String::new())),
            Doing::Stop => {
                let name = self.with_dyno()?;
                self.confirm(format!("stop {name}?"), Command::Stop(name));
            }
            Doing::Scale(by) => {
                let process_type = self.with_type()?;
                return self.order(Command::Scale(format!("{process_type}{by:+}")));
            }
            Doing::Maintenance => {
                let on = !self.app.as_ref().is_some_and(|app| app.maintenance);
                if !on {
                    return self.order(Command::Maintenance(false));
                }
                self.confirm("answer every request with 503?".into(), Command::Maintenance(true));
            }
            Doing::Rollback => {
                let version = self.chosen_release()?.version;
                self.confirm(format!("roll back to v{version}, .env too?"), Command::Rollback(version));
            }
            Doing::Rebuild => return self.order(Command::Rebuild),
            Doing::Undo => match self.undo.take() {
                Some(command) => return self.order(command),
                None => self.say("there is nothing to undo"),
            },
        }
        None
    }

    /// The chosen dyno's name, or a word that there is none.
    fn with_dyno(&mut self) -> Option<String> {
        let name = self.chosen_dyno().map(|dyno| dyno.name.clone());
        if name.is_none() {
            self.say("there is no dyno to choose");
        }
        name
    }

    /// The chosen dyno's process type, or that of the only one there is.
    fn with_type(&mut self) -> Option<String> {
        let chosen = self.chosen_dyno().map(|dyno| dyno.process_type.clone());
        let only = || match self.formation.as_slice() {
            [one] => Some(one.process_type.clone()),
            _ => None,
        };
        let found = chosen.or_else(only);
        if found.is_none() {
            self.say("there is no dyno to choose: s takes a process type by name");
        }
        found
    }

    fn confirm(&mut self, question: String, command: Command) {
        if self.link == Link::Running {
            self.mode = Mode::Confirm(question, command);
        } else {
            self.say("the app does not run");
        }
    }

    /// Sends a command, with what would undo it as things are now.
    pub(super) fn order(&mut self, command: Command) -> Option<Order> {
        if self.link != Link::Running {
            self.say("the app does not run");
            return None;
        }
        let undo = match &command {
            Command::Scale(_) => {
                let words =
                    self.formation.iter().map(|one| format!("{}={}:{}", one.process_type, one.quantity, one.size));
                Some(Command::Scale(words.collect::<Vec<_>>().join(" ")))
            }
            Command::Maintenance(on) => Some(Command::Maintenance(!on)),
            Command::Rollback(_) => {
                self.releases.iter().find(|one| one.current).map(|one| Command::Rollback(one.version))
            }
            Command::Rebuild => {
                self.say("building");
                None
            }
            Command::Restart(_) | Command::Stop(_) | Command::Quit => None,
        };
        Some(Order { command, undo })
    }

    fn ask(&mut self, ask: Ask) {
        let prompt = match ask {
            Ask::Search => "/".into(),
            Ask::Filter => "only lines with (empty: all): ".into(),
            Ask::Scale => {
                let now = self.formation.iter().map(|one| format!("{}={}", one.process_type, one.quantity));
                format!("scale ({}): ", now.collect::<Vec<_>>().join(" "))
            }
            Ask::Command => ":".into(),
        };
        self.mode = Mode::Prompt(ask, LineEditor::new(prompt));
    }

    pub(super) fn answer(&mut self, ask: Ask, text: &str) -> Option<Order> {
        match ask {
            Ask::Search if text.is_empty() => self.again(true),
            Ask::Search => {
                let window = self.window();
                if !self.log.search(text, window) {
                    self.say(format!("no line with {text}"));
                }
            }
            Ask::Filter => self.filter(text),
            Ask::Scale if text.is_empty() => {}
            Ask::Scale => return self.order(Command::Scale(text.to_owned())),
            Ask::Command => match words::read(text) {
                Ok(words::Word::Nothing) => {}
                Ok(words::Word::Order(Command::Quit)) => return Some(Order { command: Command::Quit, undo: None }),
                Ok(words::Word::Order(command)) => return self.order(command),
                Ok(words::Word::Filter(text)) => self.filter(&text),
                Ok(words::Word::Focus(name)) => self.log.set_focus(name),
                Ok(words::Word::Help) => self.mode = Mode::Help(0),
                Err(reason) => self.say(reason),
            },
        }
        None
    }

    fn filter(&mut self, text: &str) {
        self.log.set_filter(text);
    }

    fn again(&mut self, down: bool) {
        let window = self.window();
        if self.log.searched.is_empty() {
            self.say("nothing was searched for yet: / asks");
        } else if !self.log.again(down, window) {
            self.say(format!("no line with {}", self.log.searched));
        }
    }

    fn next_pane(&mut self, forward: bool) {
        const ORDER: [Pane; 3] = [Pane::Dynos, Pane::Releases, Pane::Log];
        let at = ORDER.iter().position(|pane| *pane == self.pane).unwrap_or(0);
        self.pane = ORDER[(at + if forward { 1 } else { 2 }) % 3];
        self.zoomed = false;
    }

    fn step(&mut self, by: isize) {
        match self.pane {
            Pane::Log => {
                let window = self.window();
                self.log.scroll(by, window);
            }
            Pane::Dynos => {
                let at = self.dyno_at().saturating_add_signed(by);
                self.choose_dyno(at);
            }
            Pane::Releases => {
                let at = self.release_at().saturating_add_signed(by);
                self.choose_release(at);
            }
        }
    }

    fn ends(&mut self, last: bool) {
        let window = self.window();
        match (self.pane, last) {
            (Pane::Log, true) => self.log.end(),
            (Pane::Log, false) => self.log.top(window),
            (Pane::Dynos, last) => self.choose_dyno(if last { usize::MAX } else { 0 }),
            (Pane::Releases, last) => self.choose_release(if last { usize::MAX } else { 0 }),
        }
    }

    fn choose_dyno(&mut self, at: usize) {
        let at = at.min(self.dynos.len().saturating_sub(1));
        self.dyno = self.dynos.get(at).map(|dyno| dyno.name.clone());
    }

    fn choose_release(&mut self, at: usize) {
        let at = at.min(self.releases.len().saturating_sub(1));
        self.release = self.releases.get(at).map(|release| release.version);
    }

    /// Takes back what was put on the log last: zoom, focus, filter, search.
    fn escape(&mut self) {
        let window = self.window();
        if self.zoomed {
            self.zoomed = false;
        } else if !self.log.searched.is_empty() {
            self.log.search("", window);
        } else if self.log.focus().is_some() {
            self.log.set_focus(None);
        } else if !self.log.filter.is_empty() {
            self.log.set_filter("");
        }
    }

    fn enter(&mut self) {
        match self.pane {
            Pane::Log => self.zoomed = !self.zoomed,
            Pane::Releases if self.chosen_release().is_some() => self.mode = Mode::Details,
            Pane::Releases => {}
            Pane::Dynos => {
                let same = self.log.focus() == self.dyno.as_deref();
                let focus = self.dyno.clone().filter(|_| !same);
                self.log.set_focus(focus);
            }
        }
    }
}
