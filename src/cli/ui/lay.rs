//! How a text lies in a given number of columns, and where on the screen what is. Pure.

use super::log::Window;
use super::state::{Pane, State};
use ratatui::layout::{Constraint, Layout, Rect};
use std::ops::Range;
use unicode_width::UnicodeWidthChar as _;

/// From this height on all three parts are on the screen at once; below, the chosen one.
const TALL: u16 = 16;
/// From this width on the releases stand beside the dynos.
const WIDE: u16 = 116;

/// Where the parts of the screen are; an empty one is not there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Places {
    pub(super) title: Rect,
    pub(super) dynos: Rect,
    pub(super) releases: Rect,
    pub(super) log: Rect,
    pub(super) bottom: Rect,
}

impl Places {
    pub(super) fn of(state: &State) -> Self {
        let whole = Rect::new(0, 0, state.size.0, state.size.1);
        let [title, middle, bottom] =
            Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(whole);
        let mut places = Self { title, bottom, ..Self::default() };
        if state.zoomed || whole.height < TALL {
            *places.part(if state.zoomed { Pane::Log } else { state.pane }) = middle;
            return places;
        }
        // A heading, the names of the columns and a row for each dyno, up to a third of the screen.
        let rows = u16::try_from(state.dynos.len()).unwrap_or(u16::MAX).saturating_add(2).clamp(4, middle.height / 3);
        let [top, log] = Layout::vertical([Constraint::Length(rows), Constraint::Min(0)]).areas(middle);
        places.log = log;
        if whole.width >= WIDE {
            let beside = Layout::horizontal([Constraint::Min(0), Constraint::Length(whole.width * 3 / 8)]);
            [places.dynos, places.releases] = beside.spacing(2).areas(top);
        } else if state.pane == Pane::Releases {
            places.releases = top;
        } else {
            places.dynos = top;
        }
        places
    }

    fn part(&mut self, pane: Pane) -> &mut Rect {
        match pane {
            Pane::Dynos => &mut self.dynos,
            Pane::Releases => &mut self.releases,
            Pane::Log => &mut self.log,
        }
    }

    /// The lines of the log, below their heading.
    pub(super) fn window(&self) -> Window {
        Window {
            rows: usize::from(self.log.height.saturating_sub(1)).max(1),
            columns: usize::from(self.log.width).max(1),
        }
    }
}

/// The pieces of a text that fit in rows of so many columns: byte ranges, at least one.
pub(super) fn pieces(text: &str, columns: usize) -> Vec<Range<usize>> {
    let (mut pieces, mut start, mut used) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        let width = c.width().unwrap_or(0);
        if used + width > columns.max(1) && at > start {
            pieces.push(start..at);
            (start, used) = (at, 0);
        }
        used += width;
    }
    pieces.push(start..text.len());
    pieces
}

/// How many rows a text takes.
pub(super) fn rows(text: &str, columns: usize) -> usize {
    pieces(text, columns).len()
}

/// The part of a text from a column on; a wide character that is cut in half becomes a space.
pub(super) fn from_column(text: &str, column: usize) -> (usize, bool) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        if used >= column {
            return (at, used > column);
        }
        used += c.width().unwrap_or(0);
    }
    (text.len(), false)
}

#[cfg(test)]
mod tests {
    use super::{from_column, pieces};

    #[test]
    fn wide_characters_are_never_cut() {
        let cut =
            |text: &str, columns| pieces(text, columns).into_iter().map(|r| text[r].to_owned()).collect::<Vec<_>>();
        assert_eq!(cut("abcdef", 4), ["abcd", "ef"]);
        assert_eq!(cut("a日本語", 4), ["a日", "本語"]);
        assert_eq!(cut("", 4), [""]);
        assert_eq!(cut("日本", 1), ["日", "本"], "a row that is too narrow has one all the same");
        assert_eq!(
            cut("e\u{301}e\u{301}e\u{301}", 2),
            ["e\u{301}e\u{301}", "e\u{301}"],
            "accents stay with their letter"
        );
        assert_eq!((from_column("日本語", 2), from_column("日本語", 1)), ((3, false), (3, true)));
        assert_eq!(from_column("ab", 9), (2, false));
    }
}
