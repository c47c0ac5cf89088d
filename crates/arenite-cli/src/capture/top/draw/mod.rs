//! A picture as cells. Everything here is a pure function of a picture, a state and a size, and holds for any size.
//!
//! ```text
//!   title     how the recording goes on, its file
//!   tabs      the views (from 4 rows on)
//!   body      overview, or the list of a view (lists), by helpers for text, tables and bars (cells)
//!   help      keys, or the filter that is being typed (from 3 rows on)
//! ```

mod cells;
mod lists;
mod overview;
#[cfg(test)]
mod tests;

use arenite_demo::report::units::millis;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::picture::{Picture, Status};
use super::state::{Extent, State, View};
pub(super) use lists::site_figure;

use cells::{clean, keep_end, put, width_of};

/// Draws a whole screen.
pub(super) fn draw(picture: &Picture, state: &State, area: Rect, buffer: &mut Buffer) {
    let area = area.intersection(*buffer.area());
    if area.is_empty() {
        return;
    }
    title(picture, state, row(area, 0), buffer);
    if area.height >= 4 {
        tabs(state, row(area, 1), buffer);
    }
    body(picture, state, body_of(area), buffer);
    if area.height >= 3 {
        help(state, row(area, area.height - 1), buffer);
    }
}

/// Draws a view without what is around it.
pub(super) fn body(picture: &Picture, state: &State, area: Rect, buffer: &mut Buffer) {
    match state.view {
        View::Overview => overview::draw(picture, area, buffer),
        View::Tags => lists::tags(picture, state, area, buffer),
        View::Sites => lists::sites(picture, state, area, buffer),
        View::Frames => lists::frames(picture, state, area, buffer),
        View::Threads => lists::threads(picture, state, area, buffer),
    }
}

/// How many rows the list of a view has, and how many of them are seen on a screen of this size.
pub(super) fn extent(picture: &Picture, state: &State, area: Rect) -> Extent {
    let page = usize::from(lists::page(state.view, body_of(area)));
    Extent { rows: lists::rows(picture, state), page }
}

/// A line of an area.
fn row(area: Rect, row: u16) -> Rect {
    Rect { y: area.y + row, height: 1, ..area }
}

fn body_of(area: Rect) -> Rect {
    let (above, below) = match area.height {
        0..=2 => (1, 0),
        3 => (1, 1),
        _ => (2, 1),
    };
    let height = area.height.saturating_sub(above + below);
    Rect { y: area.y.saturating_add(above), height, ..area }
}

fn title(picture: &Picture, state: &State, area: Rect, buffer: &mut Buffer) {
    let (word, colour) = match picture.status {
        Status::Live => ("live", Color::Green),
        Status::Reading => ("reading", Color::Green),
        Status::Paused => ("recording paused", Color::Yellow),
        Status::Ended => ("ended", Color::Blue),
        Status::Left => ("abandoned", Color::Yellow),
        Status::Failed(_) => ("lost", Color::Red),
    };
    buffer.set_style(area, Style::new().add_modifier(Modifier::REVERSED));
    let mut x = put(buffer, area, 0, &format!(" {word} "), Style::new().fg(colour));
    if state.paused {
        x = put(buffer, area, x, " display paused ", Style::new().fg(Color::Yellow));
    }
    x = put(buffer, area, x, &format!(" {} ", millis(picture.seconds * 1e3)), Style::new());
    let process = format!(" process {} ", picture.process);
    let room = area.width.saturating_sub(x).saturating_sub(width_of(&process));
    x = put(buffer, area, x, &keep_end(&clean(&picture.file), room), Style::new());
    put(buffer, area, x, &process, Style::new());
}

fn tabs(state: &State, area: Rect, buffer: &mut Buffer) {
    let all: u16 = View::ALL.iter().map(|view| width_of(view.name()) + 4).sum();
    let mut x = 0;
    for (number, view) in (1..).zip(View::ALL) {
        let chosen = view == state.view;
        let style = if chosen { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        let name = if chosen || all <= area.width { view.name() } else { "" };
        let text = if name.is_empty() { format!(" {number} ") } else { format!(" {number} {name} ") };
        x = put(buffer, area, x, &text, style);
    }
}

fn help(state: &State, area: Rect, buffer: &mut Buffer) {
    if state.typing {
        let x = put(buffer, area, 0, " filter: ", Style::new().add_modifier(Modifier::BOLD));
        let room = area.width.saturating_sub(x).saturating_sub(1);
        let x = put(buffer, area, x, &keep_end(&clean(&state.filter), room), Style::new());
        let x = put(buffer, area, x, "▏", Style::new());
        put(buffer, area, x, "  enter keeps it, escape shows all", Style::new().add_modifier(Modifier::DIM));
        return;
    }
    let mut text = " q quit  1-5 tab view".to_owned();
    if let Some(order) = state.order() {
        text.push_str(&format!("  s order: {}", order.name()));
    }
    text.push_str(if state.paused { "  p go on" } else { "  p pause" });
    if state.view != View::Overview {
        text.push_str("  ↑↓ page scroll  / filter");
        if !state.filter.is_empty() {
            text.push_str(&format!(": {}", clean(&state.filter)));
        }
    }
    put(buffer, area, 0, &text, Style::new().add_modifier(Modifier::DIM));
}
