//! What the screen is made from, and how it changes: each event leads from one state to the next. Pure.

use super::keymap;
use super::lay::Places;
use super::log::{Log, Window};
use super::traffic::Traffic;
use crate::api::shapes::{App, Dyno, DynoUsage, Formation, Release};
use crate::cli::keys::Key;
use crate::cli::line_editor::{LineEditor, Typed};
use crate::logs::ParsedLine;
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// How long a note stays.
const NOTE: time::Duration = time::Duration::seconds(10);

/// What happens.
#[derive(Debug)]
pub(super) enum Event {
    Key(Key),
    /// The terminal has so many columns and rows now.
    Size(u16, u16),
    /// It is so late.
    Time(OffsetDateTime),
    /// The app answers; what was known of it is of another run.
    Connected,
    /// The app as it is now.
    Picture(Box<Picture>),
    /// Memory, measured.
    Usage(Vec<DynoUsage>),
    /// Lines of its log.
    Lines(Vec<String>),
    /// It does not answer: why, where it is not simply that it does not run.
    Gone(Option<String>),
    /// What came of a command; what undoes it.
    Done(Result<String, String>, Option<Command>),
}

/// Everything that is shown of an app.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) app: App,
    pub(super) dynos: Vec<Dyno>,
    pub(super) formation: Vec<Formation>,
    /// The newest first.
    pub(super) releases: Vec<Release>,
}

/// What is asked of the app, or of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// An empty name is all dynos.
    Restart(String),
    Stop(String),
    /// `web=2 worker+1`
    Scale(String),
    Maintenance(bool),
    Rollback(u64),
    Rebuild,
    Quit,
}

/// A command and what undoes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) command: Command,
    pub(super) undo: Option<Command>,
}

/// The parts of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pane {
    #[default]
    Dynos,
    Releases,
    Log,
}

/// Whether there is an app to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Asking,
    Running,
    /// Why, where it is not simply that it does not run.
    Gone(Option<String>),
}

/// What a prompt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Search,
    Filter,
    Scale,
    Command,
}

/// What keys go to.
#[derive(Clone, Debug, Default)]
pub(super) enum Mode {
    #[default]
    Normal,
    Prompt(Ask, LineEditor),
    /// A question that `y` answers with yes and every other key with no.
    Confirm(String, Command),
    /// The keys, from this line on.
    Help(usize),
    /// All of a release.
    Details,
}

/// See the module.
pub(super) struct State {
    /// The app's name, or that of its folder until it answers.
    pub(super) name: String,
    /// How it is started when it does not run.
    pub(super) how_to_start: String,
    pub(super) link: Link,
    pub(super) app: Option<App>,
    pub(super) dynos: Vec<Dyno>,
    pub(super) formation: Vec<Formation>,
    pub(super) releases: Vec<Release>,
    pub(super) usage: BTreeMap<String, DynoUsage>,
    pub(super) traffic: Traffic,
    pub(super) log: Log,
    pub(super) pane: Pane,
    pub(super) zoomed: bool,
    /// The chosen dyno.
    pub(super) dyno: Option<String>,
    /// The chosen release.
    pub(super) release: Option<u64>,
    pub(super) mode: Mode,
    /// What is said at the bottom, and until when.
    pub(super) note: Option<(String, OffsetDateTime)>,
    pub(super) undo: Option<Command>,
    /// Columns and rows.
    pub(super) size: (u16, u16),
    pub(super) now: OffsetDateTime,
}

impl State {
    pub(super) fn new(name: String, how_to_start: String, size: (u16, u16), now: OffsetDateTime) -> Self {
        Self {
            name,
            how_to_start,
            link: Link::Asking,
            app: None,
            dynos: Vec::new(),
            formation: Vec::new(),
            releases: Vec::new(),
            usage: BTreeMap::new(),
            traffic: Traffic::default(),
            log: Log::default(),
            pane: Pane::Dynos,
            zoomed: false,
            dyno: None,
            release: None,
            mode: Mode::Normal,
            note: None,
            undo: None,
            size,
            now,
        }
    }

    /// Takes an event; what is to be done then, if anything.
    pub(super) fn on(&mut self, event: Event) -> Option<Order> {
        match event {
            Event::Key(key) => return self.on_key(key),
            Event::Size(columns, rows) => self.size = (columns, rows),
            Event::Time(now) => {
                self.now = now;
                let _ = self.note.take_if(|(_, until)| *until <= now);
            }
            Event::Connected => {
                self.link = Link::Running;
                self.log.clear();
                self.traffic = Traffic::default();
                self.usage.clear();
                self.undo = None;
            }
            Event::Picture(picture) => self.picture(*picture),
            Event::Usage(all) => self.usage = all.into_iter().map(|one| (one.name.clone(), one)).collect(),
            Event::Lines(lines) => {
                for line in lines {
                    if let Some(parsed) = ParsedLine::parse(line.as_bytes()) {
                        self.traffic.take(&parsed);
                    }
                    self.log.push(&line);
                }
            }
            Event::Gone(why) => {
                self.link = Link::Gone(why);
                (self.dynos, self.formation, self.undo) = (Vec::new(), Vec::new(), None);
                if matches!(self.mode, Mode::Confirm(..) | Mode::Details) {
                    self.mode = Mode::Normal;
                }
            }
            Event::Done(Ok(text), undo) => {
                let hint = if undo.is_some() { " (u undoes it)" } else { "" };
                self.say(format!("{text}{hint}"));
                self.undo = undo;
            }
            Event::Done(Err(text), _) => self.say(text),
        }
        None
    }

    fn picture(&mut self, picture: Picture) {
        let Picture { app, dynos, formation, releases } = picture;
        self.name.clone_from(&app.name);
        // The same dyno stays chosen; where it is gone, the one in its place.
        let at = self.dyno_at();
        (self.app, self.dynos, self.formation, self.releases) = (Some(app), dynos, formation, releases);
        if !self.dynos.iter().any(|dyno| Some(&dyno.name) == self.dyno.as_ref()) {
            self.dyno = self.dynos.get(at.min(self.dynos.len().saturating_sub(1))).map(|dyno| dyno.name.clone());
        }
        if !self.releases.iter().any(|release| Some(release.version) == self.release) {
            let current = self.releases.iter().find(|release| release.current).or(self.releases.first());
            self.release = current.map(|release| release.version);
        }
    }

    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.note = Some((text.into(), self.now + NOTE));
    }

    /// The place of the chosen dyno in the list.
    pub(super) fn dyno_at(&self) -> usize {
        self.dynos.iter().position(|dyno| Some(&dyno.name) == self.dyno.as_ref()).unwrap_or(0)
    }

    /// The place of the chosen release in the list.
    pub(super) fn release_at(&self) -> usize {
        self.releases.iter().position(|release| Some(release.version) == self.release).unwrap_or(0)
    }

    /// The chosen release.
    pub(super) fn chosen_release(&self) -> Option<&Release> {
        self.releases.iter().find(|release| Some(release.version) == self.release)
    }

    /// The chosen dyno.
    pub(super) fn chosen_dyno(&self) -> Option<&Dyno> {
        self.dynos.iter().find(|dyno| Some(&dyno.name) == self.dyno.as_ref())
    }

    pub(super) fn window(&self) -> Window {
        Places::of(self).window()
    }

    fn on_key(&mut self, key: Key) -> Option<Order> {
        match std::mem::take(&mut self.mode) {
            Mode::Normal => {
                self.note = None;
                let doing = keymap::doing(self.pane, key)?;
                self.act(doing)
            }
            Mode::Prompt(ask, mut editor) => match editor.on(key) {
                Typed::More => {
                    self.mode = Mode::Prompt(ask, editor);
                    None
                }
                Typed::Cancelled => None,
                Typed::Done(text) => self.answer(ask, text.trim()),
            },
            Mode::Confirm(_, command) if matches!(key, Key::Char('y' | 'Y')) => self.order(command),
            Mode::Confirm(..) => {
                self.say("nothing was done");
                None
            }
            Mode::Help(line) => {
                let last = keymap::help().len().saturating_sub(1);
                match key {
                    Key::Down | Key::Char('j' | ' ') => self.mode = Mode::Help((line + 1).min(last)),
                    Key::Up | Key::Char('k') => self.mode = Mode::Help(line.saturating_sub(1)),
                    Key::PageDown => self.mode = Mode::Help((line + 10).min(last)),
                    Key::PageUp => self.mode = Mode::Help(line.saturating_sub(10)),
                    _ => {}
                }
                None
            }
            Mode::Details => None,
        }
    }
}
