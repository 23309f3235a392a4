//! The screen of a state. Pure: what is drawn is told by the state alone.

mod log;
mod overlay;
mod tables;

use super::keymap;
use super::lay::Places;
use super::state::{Link, Mode, Pane, State};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    pub(super) colour: bool,
}

impl Paint {
    fn fg(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    fn bad(self) -> Style {
        self.fg(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }
}

/// Draws it.
pub(super) fn draw(state: &State, paint: Paint, frame: &mut Frame<'_>) {
    // The terminal may be of another size by now; the next picture is.
    if (frame.area().width, frame.area().height) != state.size {
        return;
    }
    let places = Places::of(state);
    line(frame, places.title, title(state, paint));
    if state.link == Link::Running {
        tables::dynos(state, paint, frame, places.dynos);
        tables::releases(state, paint, frame, places.releases);
        log::draw(state, paint, frame, places.log);
    } else {
        nothing_runs(state, paint, frame, &places);
    }
    match &state.mode {
        Mode::Help(from) => overlay::help(*from, frame, middle(&places)),
        Mode::Details => overlay::release(state, frame, middle(&places)),
        Mode::Normal | Mode::Prompt(..) | Mode::Confirm(..) => {}
    }
    bottom(state, paint, frame, places.bottom);
}

/// All between the first line and the last.
fn middle(places: &Places) -> Rect {
    let height = places.bottom.y.saturating_sub(places.title.bottom());
    Rect::new(0, places.title.bottom(), places.title.width, height)
}

/// One line, cut where it does not fit.
fn line(frame: &mut Frame<'_>, at: Rect, text: Line<'_>) {
    if !at.is_empty() {
        frame.render_widget(text, Rect { height: 1, ..at });
    }
}

/// The n-th line of a part; nothing where the part is not so high.
fn row(at: Rect, number: usize) -> Rect {
    let y = u16::try_from(number).map_or(u16::MAX, |number| at.y.saturating_add(number));
    if y < at.bottom() { Rect { y, height: 1, ..at } } else { Rect::default() }
}

/// A part's heading: a heavy line for the one that has the keys.
fn heading(state: &State, frame: &mut Frame<'_>, at: Rect, pane: Pane, text: &str) {
    let chosen = state.pane == pane;
    let rule = if chosen { "━" } else { "─" };
    let style =
        if chosen { Style::new().add_modifier(Modifier::BOLD) } else { Style::new().add_modifier(Modifier::DIM) };
    let words = format!("{rule}{rule} {text} ");
    let rest = usize::from(at.width).saturating_sub(Line::raw(words.as_str()).width());
    line(frame, row(at, 0), Line::styled(format!("{words}{}", rule.repeat(rest)), style));
}

/// The app in one line.
fn title(state: &State, paint: Paint) -> Line<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut spans = vec![Span::styled(state.name.clone(), bold)];
    let mut add = |text: String, style: Style| {
        spans.push(Span::raw("  "));
        spans.push(Span::styled(text, style));
    };
    match (&state.link, &state.app) {
        (Link::Running, Some(app)) => {
            if app.maintenance {
                add("MAINTENANCE".into(), paint.fg(Color::Yellow).add_modifier(Modifier::REVERSED));
            }
            if let Some(release) = state.releases.iter().find(|release| release.current) {
                add(format!("v{}", release.version), Style::new());
            }
            let formation = state.formation.iter().filter(|one| one.quantity > 0);
            let words: Vec<String> = formation.map(|one| format!("{}={}", one.process_type, one.quantity)).collect();
            add(words.join(" "), Style::new());
            add(format!("{:.1} req/s", state.traffic.total(state.now)), Style::new());
            if let Some(url) = &app.web_url {
                add(url.trim_end_matches('/').to_owned(), paint.fg(Color::Cyan));
            }
        }
        (Link::Running | Link::Asking, _) => add("…".into(), Style::new()),
        (Link::Gone(_), _) => add("not running".into(), paint.bad()),
    }
    Line::from(spans)
}

/// No app: why, and what brings one. The log that was read stays.
fn nothing_runs(state: &State, paint: Paint, frame: &mut Frame<'_>, places: &Places) {
    let mut at = middle(places);
    if state.link == Link::Asking {
        return;
    }
    if !state.log.is_empty() {
        if state.pane == Pane::Log && places.dynos.is_empty() {
            return log::draw(state, paint, frame, places.log);
        }
        if !places.log.is_empty() {
            log::draw(state, paint, frame, places.log);
            at.height = places.log.y.saturating_sub(at.y);
        }
    }
    let mut text = vec![Line::styled(format!("{} is not running", state.name), paint.bad())];
    if let Link::Gone(Some(why)) = &state.link {
        text.push(Line::raw(why.clone()));
    }
    text.push(Line::raw(state.how_to_start.clone()));
    text.push(Line::styled("it is shown here as soon as it runs", paint.dim()));
    overlay::wrapped(text, frame, at);
}

/// The last line: a prompt, a question, what was said, or keys.
fn bottom(state: &State, paint: Paint, frame: &mut Frame<'_>, at: Rect) {
    match (&state.mode, &state.note) {
        (Mode::Prompt(_, editor), _) => {
            let text = editor.shown(at.width);
            let text = Line::raw(text);
            let end = u16::try_from(text.width()).unwrap_or(u16::MAX).min(at.width.saturating_sub(1));
            line(frame, at, text);
            frame.set_cursor_position(Position::new(at.x + end, at.y));
        }
        (Mode::Confirm(question, _), _) => {
            // The answer is asked for even where the question does not fit.
            let room = usize::from(at.width).saturating_sub(6);
            let question: String = question.chars().take(room).collect();
            line(
                frame,
                at,
                Line::styled(format!("{question} (y/N)"), paint.fg(Color::Yellow).add_modifier(Modifier::BOLD)),
            );
        }
        (Mode::Help(_), _) => line(frame, at, Line::styled("j k scroll, any other key closes", paint.dim())),
        (Mode::Details, _) => line(frame, at, Line::styled("any key closes", paint.dim())),
        (Mode::Normal, Some((note, _))) => line(frame, at, Line::raw(super::plain::plain(note))),
        (Mode::Normal, None) => line(frame, at, Line::styled(hints(state, at.width), paint.dim())),
    }
}

/// As many keys as fit.
fn hints(state: &State, width: u16) -> String {
    let mut text = String::new();
    // Without an app there is nobody to ask for anything.
    let most = if state.link == Link::Running { usize::MAX } else { 2 };
    for hint in keymap::hint(state.pane).iter().take(most) {
        let gap = if text.is_empty() { "" } else { " · " };
        if text.chars().count() + gap.chars().count() + hint.chars().count() > usize::from(width) {
            break;
        }
        text.push_str(gap);
        text.push_str(hint);
    }
    text
}
