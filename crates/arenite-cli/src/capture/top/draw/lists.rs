//! The lists: tags, call sites, frames and threads.

use std::cmp::Reverse;

use arenite_demo::report::units::{bytes, counted, millis};
use arenite_inspect::{Activity, FrameRow, TagRow, ThreadRow};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::super::picture::{MOST_ROWS, Picture, SiteRow};
use super::super::state::{Order, State, View};
use super::cells::{Names, Row, clean, put, short, table};
use super::overview::curve;

/// Rows of the curve above the list of frames, with a line of text; only where the list keeps more than that.
const CURVE: u16 = 5;

/// How many rows a view's list has.
pub(super) fn rows(picture: &Picture, state: &State) -> usize {
    match state.view {
        View::Overview => 0,
        View::Tags => chosen_tags(picture, state).len(),
        View::Sites => chosen_sites(picture, state).len(),
        View::Frames => chosen_frames(picture, state).len(),
        View::Threads => chosen_threads(picture, state).len(),
    }
}

/// How many rows of it are seen in an area.
pub(super) fn page(view: View, area: Rect) -> u16 {
    let above = if view == View::Frames { frames_above(area) } else { 0 };
    area.height.saturating_sub(above + 1)
}

/// The rows that are seen, of all.
fn seen<T>(rows: Vec<T>, state: &State, view: View, area: Rect) -> impl Iterator<Item = T> {
    let page = usize::from(page(view, area));
    let first = state.first.min(rows.len().saturating_sub(page));
    rows.into_iter().skip(first).take(page)
}

fn chosen_tags<'a>(picture: &'a Picture, state: &State) -> Vec<&'a TagRow> {
    let mut tags: Vec<&TagRow> = picture
        .tags
        .iter()
        .filter(|tag| {
            let used = tag.peak_bytes > 0 || tag.peak_committed > 0 || tag.before_blocks > 0;
            (used || picture.budget(tag).is_some()) && state.shows(&tag.name)
        })
        .collect();
    match state.order() {
        Some(Order::Live) => tags.sort_by_key(|tag| Reverse((tag.live_bytes, tag.committed))),
        Some(Order::Rate) => tags.sort_by_key(|tag| Reverse(tag.own.rate.bytes)),
        _ => {}
    }
    tags.truncate(MOST_ROWS);
    tags
}

pub(super) fn tags(picture: &Picture, state: &State, area: Rect, buffer: &mut Buffer) {
    let all = picture.total.live_bytes.max(1);
    let rows = seen(chosen_tags(picture, state), state, View::Tags, area).map(|tag| {
        let budget = picture.budget(tag);
        let (has, of) = budget.unwrap_or((tag.live_bytes, all));
        let share = has as f64 / of.max(1) as f64;
        let colour = match budget {
            Some(_) if share > 1.0 => Color::Red,
            Some(_) if share > 0.8 => Color::Yellow,
            _ => Color::Green,
        };
        let of = if budget.is_some() { "bud." } else { "all" };
        Row {
            name: clean(&tag.name),
            cells: vec![
                bytes(tag.live_bytes),
                format!("{:.0} % {of}", share.min(9.99) * 100.0),
                bytes(tag.own.rate.bytes),
                bytes(tag.peak_bytes),
                short(tag.own.live_blocks),
                bytes(u64::try_from(tag.committed).unwrap_or(0)),
                short(tag.own.rate.calls),
            ],
            bar: Some((share, colour)),
            style: if colour == Color::Red { Style::new().fg(colour) } else { Style::new() },
        }
    });
    let head = ["tag, with those below", "live", "share", "own/s", "peak", "own blocks", "memory", "calls/s"];
    table(buffer, area, Names::Left, &head, rows);
}

fn chosen_sites<'a>(picture: &'a Picture, state: &State) -> Vec<&'a SiteRow> {
    let mut sites: Vec<&SiteRow> =
        picture.sites.iter().filter(|site| state.shows(&site_name(site))).collect();
    // A picture that stays has them in the order in which it was taken.
    sites.sort_by_key(|site| Reverse(site_figure(state.order_of(View::Sites))(&site.activity)));
    sites
}

/// By what call sites are ordered.
pub(in super::super) fn site_figure(order: Option<Order>) -> fn(&Activity) -> u64 {
    match order {
        Some(Order::Rate) => |site| site.rate.bytes,
        Some(Order::AskedFor) => |site| site.bytes,
        Some(Order::Calls) => Activity::calls,
        _ => |site| site.live_bytes,
    }
}

fn site_name(site: &SiteRow) -> String {
    match &site.name {
        Some(name) => clean(name),
        None => format!("(stack {} is being looked up)", site.stack),
    }
}

pub(super) fn sites(picture: &Picture, state: &State, area: Rect, buffer: &mut Buffer) {
    let rows = seen(chosen_sites(picture, state), state, View::Sites, area).map(|site| {
        let activity = &site.activity;
        Row {
            name: site_name(site),
            cells: vec![
                bytes(activity.live_bytes),
                bytes(activity.rate.bytes),
                short(activity.live_blocks),
                short(activity.rate.calls),
                bytes(activity.bytes),
                short(activity.calls()),
            ],
            ..Row::default()
        }
    });
    let name = format!("{} (of {})", "call site", counted(picture.site_count as u64, "site", "sites"));
    let head = [name.as_str(), "live", "bytes/s", "blocks", "calls/s", "asked for", "calls"];
    table(buffer, area, Names::Right, &head, rows);
}

fn chosen_frames<'a>(picture: &'a Picture, state: &State) -> Vec<&'a FrameRow> {
    let shown = |frame: &&FrameRow| state.filter.is_empty() || state.shows(&frame.number.to_string());
    let mut frames: Vec<&FrameRow> = picture.frames.iter().rev().filter(shown).collect();
    match state.order() {
        Some(Order::Calls) => frames.sort_by_key(|frame| Reverse(frame.calls())),
        Some(Order::AskedFor) => frames.sort_by_key(|frame| Reverse(frame.bytes)),
        _ => {}
    }
    frames
}

fn frames_above(area: Rect) -> u16 {
    if area.height >= 2 * CURVE + 2 { CURVE + 1 } else { 0 }
}

pub(super) fn frames(picture: &Picture, state: &State, area: Rect, buffer: &mut Buffer) {
    let above = frames_above(area);
    if above > 0 {
        let line = Rect { height: 1, ..area };
        let mut text = counted(picture.frame_count, "frame", "frames");
        if let Some(worst) = &picture.worst_frame {
            let calls = counted(worst.calls(), "call", "calls");
            text.push_str(&format!(
                "; most calls: {calls} of {} in frame {}",
                bytes(worst.bytes),
                worst.number
            ));
        }
        let x = put(buffer, line, 0, "calls of each", Style::new().add_modifier(Modifier::BOLD));
        put(buffer, line, x + 2, &text, Style::new());
        let part = Rect { y: area.y + 1, height: above - 1, ..area };
        curve(buffer, part, picture.frames.iter().map(FrameRow::calls), Color::Green);
    }
    let list = Rect { y: area.y + above, height: area.height - above, ..area };
    let rows = seen(chosen_frames(picture, state), state, View::Frames, area).map(|frame| Row {
        name: format!("frame {}", frame.number),
        cells: vec![
            short(frame.calls()),
            bytes(frame.bytes),
            short(frame.frees),
            short(frame.temporaries),
            millis(picture.millis(frame.end.saturating_sub(frame.start))),
            bytes(frame.live_bytes),
            bytes(frame.peak_bytes),
        ],
        ..Row::default()
    });
    let head = ["frame", "calls", "asked for", "frees", "same frame", "time", "live", "peak"];
    table(buffer, list, Names::Left, &head, rows);
}

fn thread_name(thread: &ThreadRow) -> String {
    match &thread.name {
        Some(name) => format!("{} {}", thread.number, clean(name)),
        None => format!("{} (no name)", thread.number),
    }
}

fn chosen_threads<'a>(picture: &'a Picture, state: &State) -> Vec<&'a ThreadRow> {
    let mut threads: Vec<&ThreadRow> =
        picture.threads.iter().filter(|thread| state.shows(&thread_name(thread))).collect();
    match state.order() {
        Some(Order::Rate) => threads.sort_by_key(|thread| Reverse(thread.rate.bytes)),
        Some(Order::AskedFor) => threads.sort_by_key(|thread| Reverse(thread.bytes)),
        _ => {}
    }
    threads.truncate(MOST_ROWS);
    threads
}

pub(super) fn threads(picture: &Picture, state: &State, area: Rect, buffer: &mut Buffer) {
    let rows = seen(chosen_threads(picture, state), state, View::Threads, area).map(|thread| Row {
        name: thread_name(thread),
        cells: vec![
            bytes(thread.rate.bytes),
            short(thread.rate.calls),
            short(thread.rate.frees),
            bytes(thread.bytes),
            short(thread.allocs.saturating_add(thread.reallocs)),
            short(thread.frees),
        ],
        ..Row::default()
    });
    let head = ["thread", "bytes/s", "calls/s", "frees/s", "asked for", "calls", "frees"];
    table(buffer, area, Names::Left, &head, rows);
}
