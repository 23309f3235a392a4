//! What the keys do, and the lines that say so. Pure.

use super::state::{Ask, Pane};
use crate::cli::keys::Key;

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Quit,
    Help,
    Pane(Pane),
    /// Forward, or back.
    NextPane(bool),
    /// In the chosen part, by so many rows.
    Move(isize),
    /// To the last, or the first.
    Ends(bool),
    /// The log, down or up.
    Half(bool),
    Page(bool),
    /// The log, right or left.
    Side(bool),
    Follow,
    Wrap,
    Ask(Ask),
    /// The search again, down or up.
    Again(bool),
    Escape,
    Enter,
    Restart,
    RestartAll,
    Stop,
    Scale(i64),
    Maintenance,
    Rollback,
    Rebuild,
    Undo,
}

/// What a key does while a part is chosen.
pub(super) fn doing(pane: Pane, key: Key) -> Option<Doing> {
    Some(match key {
        Key::Char('q') => Doing::Quit,
        Key::Char('?' | 'h') => Doing::Help,
        Key::Char('1') => Doing::Pane(Pane::Dynos),
        Key::Char('2') => Doing::Pane(Pane::Releases),
        Key::Char('3') => Doing::Pane(Pane::Log),
        Key::Tab => Doing::NextPane(true),
        Key::BackTab => Doing::NextPane(false),
        Key::Char('j') | Key::Down | Key::Ctrl('n') => Doing::Move(1),
        Key::Char('k') | Key::Up | Key::Ctrl('p') => Doing::Move(-1),
        Key::Char('g') | Key::Home => Doing::Ends(false),
        Key::Char('G') | Key::End => Doing::Ends(true),
        Key::Ctrl('d') => Doing::Half(true),
        // Ctrl-U, under the name that it has at a prompt.
        Key::EraseLine => Doing::Half(false),
        Key::PageDown | Key::Char(' ') | Key::Ctrl('f') => Doing::Page(true),
        Key::PageUp | Key::Ctrl('b') => Doing::Page(false),
        Key::Right => Doing::Side(true),
        Key::Left => Doing::Side(false),
        Key::Char('f' | 'F') => Doing::Follow,
        Key::Char('w') => Doing::Wrap,
        Key::Char('/') => Doing::Ask(Ask::Search),
        Key::Char('&') => Doing::Ask(Ask::Filter),
        Key::Char(':') => Doing::Ask(Ask::Command),
        Key::Char('s') => Doing::Ask(Ask::Scale),
        Key::Char('n') => Doing::Again(true),
        Key::Char('N') => Doing::Again(false),
        Key::Escape => Doing::Escape,
        Key::Enter => Doing::Enter,
        Key::Char('r') => Doing::Restart,
        Key::Char('R') => Doing::RestartAll,
        Key::Char('x') => Doing::Stop,
        Key::Char('+') => Doing::Scale(1),
        Key::Char('-') => Doing::Scale(-1),
        Key::Char('m') => Doing::Maintenance,
        Key::Char('b') if pane == Pane::Releases => Doing::Rollback,
        Key::Char('B') => Doing::Rebuild,
        Key::Char('u') => Doing::Undo,
        _ => return None,
    })
}

/// The keys of a part as the bottom line has them, the most useful first: what does not fit is left out.
pub(super) fn hint(pane: Pane) -> &'static [&'static str] {
    match pane {
        Pane::Dynos => &[
            "? help",
            "q quit",
            "r restart",
            "x stop",
            "+/- scale",
            "Enter its log",
            "/ search",
            "m maintenance",
            "Tab next",
            ": command",
        ],
        Pane::Releases => &["? help", "q quit", "Enter details", "b roll back", "Tab next", ": command"],
        Pane::Log => {
            &["? help", "q quit", "f follow", "/ search", "n/N next", "& filter", "Enter zoom", "w wrap", "Tab next"]
        }
    }
}

/// Keys and what they do; a line without keys is a heading.
pub(super) fn help() -> &'static [(&'static str, &'static str)] {
    &[
        ("", "Anywhere"),
        ("Tab, 1 2 3", "dynos, releases, log"),
        ("j k, arrows", "down and up"),
        ("g G", "first and last; in the log, G follows"),
        (":", "a command: restart, stop, scale, …"),
        ("?", "these keys"),
        ("B", "build what has changed, release it"),
        ("q, Ctrl-C", "leave; the app goes on"),
        ("", "Dynos"),
        ("Enter", "the log of this dyno only, or all"),
        ("r R", "restart this dyno, or all"),
        ("x", "stop this dyno"),
        ("+ -", "one dyno of its type more or less"),
        ("s", "scale: web=2 worker+1"),
        ("m", "maintenance mode on or off"),
        ("u", "undo: scale, maintenance, rollback"),
        ("", "Releases"),
        ("Enter", "all about this release"),
        ("b", "roll back to this release"),
        ("", "Log, from every part"),
        ("f", "follow the end, or stay"),
        ("/", "search; small letters match both"),
        ("n N", "the next match down, up"),
        ("&", "show only lines that match"),
        ("Space, PgDn", "a page down; PgUp, Ctrl-B up"),
        ("Ctrl-D, -U", "half a page down, up"),
        ("left, right", "sideways"),
        ("w", "wrap long lines, or cut them"),
        ("Enter", "in the log: all of the screen for it"),
        ("Esc", "take back zoom, search, focus, filter"),
    ]
}
