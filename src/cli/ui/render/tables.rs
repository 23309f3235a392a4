//! The dynos and the releases.

use super::{Paint, heading, line, row};
use crate::api::shapes::{Dyno, Release};
use crate::cli::ui::plain::plain;
use crate::cli::ui::state::{Pane, State};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A column of the dynos.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Dyno,
    State,
    Age,
    Restarts,
    Memory,
    Rate,
    Code,
    Size,
    Release,
}

/// Columns as they stand, each with its name, its width, and its rank: where there is no room, the highest rank goes
/// first.
const COLUMNS: [(Column, &str, usize, u8); 9] = [
    (Column::Dyno, "DYNO", 10, 0),
    (Column::State, "STATE", 8, 0),
    (Column::Age, "AGE", 4, 3),
    (Column::Restarts, "RESTARTS", 8, 4),
    (Column::Memory, "MEMORY", 11, 1),
    (Column::Rate, "REQ/S", 6, 2),
    (Column::Code, "LAST", 8, 5),
    (Column::Release, "RELEASE", 7, 6),
    (Column::Size, "SIZE", 13, 7),
];
const GAP: usize = 2;
/// Of a name of a dyno, this much is shown.
const LONGEST: usize = 24;

/// Those that fit beside the mark, when the longest name is so long.
fn columns(width: u16, name: usize) -> Vec<(Column, &'static str, usize)> {
    let mut columns = COLUMNS.to_vec();
    columns[0].2 = name.clamp(columns[0].2, LONGEST);
    let wide =
        |columns: &[(Column, &str, usize, u8)]| columns.iter().map(|(_, _, width, _)| width + GAP).sum::<usize>();
    while columns.len() > 1 && wide(&columns) > usize::from(width) {
        let highest = columns.iter().map(|(.., rank)| *rank).max();
        columns.retain(|(.., rank)| Some(*rank) != highest);
    }
    columns.into_iter().map(|(column, name, width, _)| (column, name, width)).collect()
}

pub(super) fn dynos(state: &State, paint: Paint, frame: &mut Frame<'_>, at: Rect) {
    if at.is_empty() {
        return;
    }
    heading(state, frame, at, Pane::Dynos, &format!("Dynos {}", state.dynos.len()));
    let longest = state.dynos.iter().map(|dyno| dyno.name.chars().count()).max().unwrap_or(0);
    let columns = columns(at.width, longest);
    let names = columns.iter().map(|(column, name, width)| Span::raw(cell(name, *column, *width)));
    line(frame, row(at, 1), Line::from_iter(std::iter::once(Span::raw("  ")).chain(names)).style(paint.dim()));
    if state.dynos.is_empty() {
        line(frame, row(at, 2), Line::raw("  no dynos: s scales, as web=1"));
    }
    let (chosen, rows) = (state.dyno_at(), usize::from(at.height.saturating_sub(2)));
    for (number, dyno) in state.dynos.iter().enumerate().skip(first(chosen, rows)).take(rows) {
        let mut spans = vec![Span::raw(if number == chosen { "▸ " } else { "  " })];
        for (column, _, width) in &columns {
            let (text, style) = value(state, paint, dyno, *column);
            spans.push(Span::styled(cell(&text, *column, *width), style));
        }
        let style = mark(state.pane == Pane::Dynos && number == chosen);
        line(frame, row(at, 2 + number - first(chosen, rows)), Line::from(spans).style(style));
    }
}

/// The first row that is seen, when so many are and one is chosen.
fn first(chosen: usize, rows: usize) -> usize {
    (chosen + 1).saturating_sub(rows.max(1))
}

fn mark(chosen: bool) -> Style {
    if chosen { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() }
}

/// Figures stand on the right, words on the left.
fn cell(text: &str, column: Column, width: usize) -> String {
    let text: String = text.chars().take(width).collect();
    let right = matches!(column, Column::Age | Column::Restarts | Column::Memory | Column::Rate);
    if right { format!("{text:>width$}{:GAP$}", "") } else { format!("{text:<width$}{:GAP$}", "") }
}

fn value(state: &State, paint: Paint, dyno: &Dyno, column: Column) -> (String, Style) {
    let usual = Style::new();
    match column {
        Column::Dyno => (plain(&dyno.name), usual),
        Column::State => (plain(&dyno.state), of_state(paint, &dyno.state)),
        Column::Age => (age(&dyno.updated_at, state.now), usual),
        Column::Restarts => {
            let restarts = dyno.starts.saturating_sub(1);
            (restarts.to_string(), if restarts > 0 { paint.fg(Color::Yellow) } else { usual })
        }
        Column::Memory => memory(state, paint, dyno),
        Column::Rate if dyno.process_type != "web" => ("–".into(), usual),
        Column::Rate => (format!("{:.1}", state.traffic.rate(&dyno.name, state.now)), usual),
        Column::Code => {
            let code = state.traffic.code(&dyno.name);
            (code.to_owned(), if code.starts_with('5') { paint.bad() } else { usual })
        }
        Column::Size => (plain(&dyno.size), usual),
        Column::Release => (format!("v{}", dyno.release.version), usual),
    }
}

fn of_state(paint: Paint, state: &str) -> Style {
    match state {
        "up" => paint.fg(Color::Green),
        "crashed" => paint.bad(),
        "starting" => paint.fg(Color::Yellow),
        _ => Style::new(),
    }
}

/// Megabytes as R14 counts them, and the quota's; nothing is known of a dyno that does not run.
fn memory(state: &State, paint: Paint, dyno: &Dyno) -> (String, Style) {
    const MIB: u64 = 1024 * 1024;
    let Some(usage) = state.usage.get(&dyno.name) else { return ("–".into(), Style::new()) };
    let Some(memory) = usage.memory.filter(|_| dyno.state != "crashed") else { return ("–".into(), Style::new()) };
    let style = match memory.saturating_mul(100) / usage.memory_quota.max(1) {
        100.. => paint.bad(),
        80..100 => paint.fg(Color::Yellow),
        _ => Style::new(),
    };
    let used = if memory < 10 * MIB {
        format!("{}.{}M", memory / MIB, memory % MIB * 10 / MIB)
    } else {
        format!("{}M", memory / MIB)
    };
    (format!("{used}/{}M", usage.memory_quota / MIB), style)
}

/// `5s`, `3m`, `2h`, `4d`
pub(super) fn age(stamp: &str, now: OffsetDateTime) -> String {
    let Ok(at) = OffsetDateTime::parse(stamp, &Rfc3339) else { return String::new() };
    match (now - at).whole_seconds().max(0) {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

pub(super) fn releases(state: &State, paint: Paint, frame: &mut Frame<'_>, at: Rect) {
    if at.is_empty() {
        return;
    }
    heading(state, frame, at, Pane::Releases, "Releases");
    let (chosen, rows) = (state.release_at(), usize::from(at.height.saturating_sub(1)));
    for (number, release) in state.releases.iter().enumerate().skip(first(chosen, rows)).take(rows) {
        let spans = [
            Span::raw(if number == chosen { "▸ " } else { "  " }),
            Span::raw(format!("{:<5} {:>4}  ", format!("v{}", release.version), age(&release.created_at, state.now))),
            standing(paint, release),
            Span::raw(plain(&release.description)),
        ];
        let style = mark(state.pane == Pane::Releases && number == chosen);
        line(frame, row(at, 1 + number - first(chosen, rows)), Line::from_iter(spans).style(style));
    }
}

/// Whether it runs, or what went wrong; nothing of one that ran well once.
fn standing(paint: Paint, release: &Release) -> Span<'static> {
    if release.current {
        return Span::styled("current  ", paint.fg(Color::Green));
    }
    match release.status.as_str() {
        "succeeded" => Span::raw(""),
        "pending" => Span::styled("pending  ", paint.fg(Color::Yellow)),
        status => Span::styled(format!("{}  ", plain(status)), paint.bad()),
    }
}
