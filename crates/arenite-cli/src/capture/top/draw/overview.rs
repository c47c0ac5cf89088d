//! The overview: what lives, what is asked for now, and how that went lately.

use arenite_demo::report::units::{bytes, count, counted, millis};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::{Sparkline, Widget as _};

use super::super::super::interval::{Told, whole};
use super::super::picture::Picture;
use super::cells::{bar, clean, keep_end, put, short};

/// Cells of a label.
const LABEL: u16 = 13;
/// Frames that an average is of.
const FRAMES: usize = 60;
/// Warnings, and marks, that are shown at the most.
const MOST: usize = 4;
/// Rows of a curve, where there is room.
const CURVE: u16 = 4;

/// Lines from the top, as long as there are some.
struct Lines<'a> {
    area: Rect,
    at: u16,
    buffer: &'a mut Buffer,
}

impl Lines<'_> {
    fn left(&self) -> u16 {
        self.area.height - self.at
    }

    fn next(&mut self, rows: u16) -> Rect {
        let height = rows.min(self.left());
        let part = Rect { y: self.area.y + self.at, height, ..self.area };
        self.at += height;
        part
    }

    fn line(&mut self, label: &str, text: &str, style: Style) {
        if self.left() > 0 {
            let line = self.next(1);
            let bold = Style::new().add_modifier(Modifier::BOLD);
            let end = put(self.buffer, line, 0, label, bold);
            put(self.buffer, line, end.max(LABEL), text, style);
        }
    }

    fn curve(&mut self, label: &str, text: &str, data: impl Iterator<Item = u64>, colour: Color) {
        // An empty line, one for the text, and some for the curve.
        if self.left() < 3 {
            return;
        }
        self.next(1);
        self.line(label, text, Style::new());
        let part = self.next(if self.left() >= 3 * CURVE { CURVE } else { 2 });
        curve(self.buffer, part, data, colour);
    }
}

/// The last figures, as many as have room, the latest one on the right.
pub(super) fn curve(buffer: &mut Buffer, area: Rect, data: impl Iterator<Item = u64>, colour: Color) {
    if area.is_empty() {
        return;
    }
    let data: Vec<u64> = data.collect();
    let shown = &data[data.len().saturating_sub(usize::from(area.width))..];
    let width = shown.len() as u16;
    let area = Rect { x: area.x + area.width - width, width, ..area };
    Sparkline::default().data(shown).style(Style::new().fg(colour)).render(area, buffer);
}

pub(super) fn draw(picture: &Picture, area: Rect, buffer: &mut Buffer) {
    let mut lines = Lines { area, at: 0, buffer };
    let (total, plain) = (&picture.total, Style::new());
    let told = Told::for_sample(picture.sample_bytes);
    let live = told.held(total.live_bytes, total.live_blocks, &total.live());
    lines.line("live", &format!("{live} · peak {}", bytes(total.peak_bytes)), plain);
    lines.line(
        "per second",
        &format!(
            "{} · {} · {}",
            counted(total.rate.calls, "call", "calls"),
            bytes(total.rate.bytes),
            counted(total.rate.frees, "free", "frees")
        ),
        plain,
    );
    frames(&mut lines, picture);
    let [within, calls_within] = whole(&total.asked());
    lines.line(
        "asked for",
        &format!(
            "{} by {} · {}",
            told.bytes(total.bytes, within),
            told.counted(total.calls(), calls_within, "call", "calls"),
            counted(total.frees, "free", "frees")
        ),
        plain,
    );
    let memory = &picture.memory;
    if memory.resident > 0 {
        lines.line(
            "memory",
            &format!(
                "{} in RAM · tags have {} · {} is no tag's",
                bytes(memory.resident),
                bytes(memory.committed),
                bytes(memory.untracked())
            ),
            plain,
        );
    }
    for warning in picture.warnings.iter().take(MOST) {
        lines.line("note", &clean(warning), Style::new().fg(Color::Yellow));
    }
    curves(&mut lines, picture);
    marks(&mut lines, picture);
    sizes(&mut lines, picture);
}

fn frames(lines: &mut Lines<'_>, picture: &Picture) {
    let Some(last) = picture.frames.last() else { return };
    let of_late = &picture.frames[picture.frames.len().saturating_sub(FRAMES)..];
    let calls: u64 = of_late.iter().map(|frame| frame.calls()).fold(0, u64::saturating_add);
    let asked: u64 = of_late.iter().map(|frame| frame.bytes).fold(0, u64::saturating_add);
    let frames = of_late.len() as u64;
    lines.line(
        "per frame",
        &format!(
            "{:.1} calls · {} · frame {} took {}",
            calls as f64 / frames as f64,
            bytes(asked / frames),
            count(last.number),
            millis(picture.millis(last.end.saturating_sub(last.start)))
        ),
        Style::new(),
    );
}

fn curves(lines: &mut Lines<'_>, picture: &Picture) {
    let history = &picture.history;
    let most = |figure: fn(&arenite_inspect::Tick) -> u64| history.iter().map(figure).max().unwrap_or(0);
    // A step is a quarter of a second.
    let calls = |tick: &arenite_inspect::Tick| tick.calls.saturating_mul(4);
    let asked = |tick: &arenite_inspect::Tick| tick.bytes.saturating_mul(4);
    if history.is_empty() {
        return;
    }
    let peak = bytes(most(|tick| tick.peak_bytes));
    lines.curve("live", &format!("up to {peak}"), history.iter().map(|tick| tick.peak_bytes), Color::Cyan);
    let peak = short(most(calls));
    lines.curve("calls", &format!("up to {peak} a second"), history.iter().map(calls), Color::Green);
    let peak = bytes(most(asked));
    lines.curve("asked for", &format!("up to {peak} a second"), history.iter().map(asked), Color::Magenta);
}

fn marks(lines: &mut Lines<'_>, picture: &Picture) {
    if picture.marks.is_empty() || lines.left() < 2 {
        return;
    }
    lines.next(1);
    for (seconds, mark) in picture.marks.iter().rev().take(MOST) {
        let text = format!(
            "{} · {} live · {}",
            millis(seconds * 1e3),
            bytes(mark.live_bytes),
            keep_end(&clean(&mark.text), 60)
        );
        lines.line("mark", &text, Style::new());
    }
}

fn sizes(lines: &mut Lines<'_>, picture: &Picture) {
    let most = picture.sizes.iter().map(|class| class.blocks).max().unwrap_or(0);
    if most == 0 || lines.left() < 3 {
        return;
    }
    lines.next(1);
    lines.line("blocks", "by size", Style::new());
    for (place, class) in picture.sizes.iter().enumerate().filter(|(_, class)| class.blocks > 0) {
        if lines.left() == 0 {
            return;
        }
        let name =
            if place < 64 { format!("< {}", bytes(1 << place)) } else { format!("≥ {}", bytes(1 << 63)) };
        let text = format!("{:>9}  {}", short(class.blocks), bar(class.blocks as f64 / most as f64, 40));
        lines.line(&name, &text, Style::new());
    }
}
