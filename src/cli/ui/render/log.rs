//! The log.

use super::{Paint, heading, line, row};
use crate::cli::ui::lay::{Places, from_column, pieces};
use crate::cli::ui::line::Line as Logged;
use crate::cli::ui::log::Log;
use crate::cli::ui::state::{Pane, State};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use std::ops::Range;

/// Red and yellow mean something of their own.
const COLOURS: [Color; 6] =
    [Color::Cyan, Color::Green, Color::Magenta, Color::Blue, Color::LightCyan, Color::LightMagenta];

pub(super) fn draw(state: &State, paint: Paint, frame: &mut Frame<'_>, at: Rect) {
    if at.is_empty() {
        return;
    }
    let log = &state.log;
    heading(state, frame, at, Pane::Log, &info(log));
    let window = Places::of(state).window();
    let lines = log.seen(window);
    if lines.is_empty() {
        let text =
            if log.is_empty() { "no lines yet" } else { "no line is chosen by focus and filter: Esc takes them back" };
        return line(frame, row(at, 1), Line::styled(text, paint.dim()));
    }
    let mut next = 1;
    for (number, logged) in lines {
        let text = logged.shown();
        let styles = styles(log, paint, logged, &text, log.found == Some(number));
        if log.wrap {
            for piece in pieces(&text, window.columns) {
                line(frame, row(at, next), cut(&text, &styles, piece, false));
                next += 1;
            }
        } else {
            let (start, half) = from_column(&text, log.left);
            line(frame, row(at, next), cut(&text, &styles, start..text.len(), half));
            next += 1;
        }
    }
}

/// What is shown of it, and where.
fn info(log: &Log) -> String {
    let mut words = vec!["Log".to_owned()];
    words.extend(log.focus().map(|focus| format!("of {focus}")));
    if !log.filter.is_empty() {
        words.push(format!("&{} ({})", log.filter, log.count()));
    }
    if !log.searched.is_empty() {
        words.push(format!("/{}", log.searched));
    }
    words.push(if log.follows() { "following".into() } else { format!("{} below, f follows", log.below()) });
    words.join(" · ")
}

/// Styles of parts of a text, later ones over earlier ones.
fn styles(log: &Log, paint: Paint, logged: &Logged, text: &str, found: bool) -> Vec<(Range<usize>, Style)> {
    let start = text.len() - logged.text.len();
    let mut styles =
        vec![(0..logged.time.len(), paint.dim()), (logged.time.len()..start, paint.fg(colour_of(&logged.process)))];
    if logged.head.starts_with("heroku[") && (logged.text.starts_with("Error ") || logged.text.starts_with("at=error"))
    {
        styles.push((start..text.len(), paint.bad()));
    }
    if found {
        styles.push((0..text.len(), Style::new().add_modifier(Modifier::BOLD)));
    }
    let marked = Style::new().add_modifier(Modifier::REVERSED);
    styles.extend(log.matches_in(text).into_iter().map(|(from, to)| (from..to, marked)));
    styles
}

/// Always the same for the same name; the dynos of one type are told apart.
fn colour_of(process: &str) -> Color {
    let sum = process.bytes().fold(0usize, |sum, b| sum.wrapping_mul(31).wrapping_add(usize::from(b)));
    COLOURS[sum % COLOURS.len()]
}

/// A part of a text with its styles.
fn cut<'a>(text: &'a str, styles: &[(Range<usize>, Style)], part: Range<usize>, half: bool) -> Line<'a> {
    let mut bounds: Vec<usize> = styles.iter().flat_map(|(range, _)| [range.start, range.end]).collect();
    bounds.extend([part.start, part.end]);
    bounds.retain(|bound| part.start <= *bound && *bound <= part.end);
    bounds.sort_unstable();
    bounds.dedup();
    let spans = bounds.windows(2).map(|pair| {
        let over = styles.iter().filter(|(range, _)| range.start <= pair[0] && pair[1] <= range.end);
        Span::styled(&text[pair[0]..pair[1]], over.fold(Style::new(), |style, (_, more)| style.patch(*more)))
    });
    Line::from_iter(half.then(|| Span::raw(" ")).into_iter().chain(spans))
}
