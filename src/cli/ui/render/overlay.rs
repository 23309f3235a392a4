//! What is shown over the screen, and texts that are broken into lines.

use super::tables::age;
use super::{line, row};
use crate::cli::ui::keymap;
use crate::cli::ui::plain::plain;
use crate::cli::ui::state::State;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

/// The keys, from this line on.
pub(super) fn help(from: usize, frame: &mut Frame<'_>, at: Rect) {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let lines: Vec<Line<'_>> = keymap::help()
        .iter()
        .map(|(keys, does)| match *keys {
            "" => Line::styled(*does, bold),
            keys => Line::from_iter([Span::raw(format!("  {keys:<13}")), Span::raw(*does)]),
        })
        .collect();
    let inner = framed(frame, at, "Keys", lines.len());
    // The last ones stay in sight.
    let from = from.min(lines.len().saturating_sub(usize::from(inner.height)));
    for (number, text) in lines.into_iter().skip(from).take(usize::from(inner.height)).enumerate() {
        line(frame, row(inner, number), text);
    }
}

/// All about the chosen release.
pub(super) fn release(state: &State, frame: &mut Frame<'_>, at: Rect) {
    let Some(release) = state.chosen_release() else { return };
    let current = if release.current { ", current" } else { "" };
    let mut lines = vec![
        plain(&release.description),
        format!("status   {}{current}", plain(&release.status)),
        format!("by       {}", plain(&release.user.email)),
        format!("made     {} ({} ago)", plain(&release.created_at), age(&release.created_at, state.now)),
    ];
    lines.extend(release.images.iter().map(|(name, image)| format!("image    {}  {}", plain(name), plain(image))));
    lines.push(if release.current {
        "this is what runs".into()
    } else if release.eligible_for_rollback {
        "b rolls back to it".into()
    } else {
        "one cannot roll back to it".into()
    });
    let inner = framed(frame, at, &format!("Release v{}", release.version), lines.len());
    wrapped(lines.into_iter().map(Line::raw).collect(), frame, inner);
}

/// A frame in the middle, nothing in it; gives what is inside.
fn framed(frame: &mut Frame<'_>, at: Rect, title: &str, lines: usize) -> Rect {
    let height = u16::try_from(lines + 2).unwrap_or(u16::MAX).min(at.height);
    let width = at.width.min(76);
    let place = Rect::new(at.x + (at.width - width) / 2, at.y + (at.height - height) / 2, width, height);
    let block = Block::bordered().title(format!(" {title} "));
    let inner = block.inner(place);
    frame.render_widget(Clear, place);
    frame.render_widget(block, place);
    inner
}

/// Lines, broken where they are too long.
pub(super) fn wrapped(lines: Vec<Line<'_>>, frame: &mut Frame<'_>, at: Rect) {
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), at);
}
