//! Text, tables and bars in cells. What comes out of a capture may be anything: all of it goes through [`clean`].

use arenite_demo::report::units::count;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;

/// The longest name that is looked at, in characters.
const LONGEST: usize = 600;
/// Cells of a column of figures.
pub(super) const COLUMN: u16 = 11;
/// Cells of a bar, if a name has that and more beside it.
const BAR: u16 = 14;

/// Without characters that do something to a terminal, or that can not be seen.
pub(super) fn clean(text: &str) -> String {
    let hidden = |symbol: char| {
        symbol.is_control()
            || matches!(symbol, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().take(LONGEST).map(|symbol| if hidden(symbol) { '\u{fffd}' } else { symbol }).collect()
}

/// Cells that a text takes.
pub(super) fn width_of(text: &str) -> u16 {
    u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX)
}

/// So much of the beginning of a text as fits.
pub(super) fn keep_start(text: &str, width: u16) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for symbol in text.chars() {
        kept.push(symbol);
        if width_of(&kept) >= width {
            kept.pop();
            break;
        }
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// So much of the end of a text as fits: of a tag's name or a path it says most.
pub(super) fn keep_end(text: &str, width: u16) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let rest = text.char_indices().map(|(at, _)| &text[at..]);
    let kept = rest.skip(1).find(|rest| width_of(rest) < width).unwrap_or_default();
    if width > 0 { format!("…{kept}") } else { String::new() }
}

/// Puts a text on a line, from this cell of it on; answers where it ends. What does not fit is left out.
pub(super) fn put(buffer: &mut Buffer, line: Rect, x: u16, text: &str, style: Style) -> u16 {
    let line = line.intersection(*buffer.area());
    if line.is_empty() || x >= line.width {
        return x;
    }
    let (end, _) = buffer.set_stringn(line.x + x, line.y, text, usize::from(line.width - x), style);
    end - line.x
}

/// Puts a text so that it ends before this cell of a line, which has so many cells for it.
fn put_right(buffer: &mut Buffer, line: Rect, end: u16, room: u16, text: &str, style: Style) {
    let text = keep_start(text, room);
    put(buffer, line, end.saturating_sub(width_of(&text)), &text, style);
}

/// A count in at most nine cells: `9,999,999`, `12.3 M`.
pub(super) fn short(number: u64) -> String {
    if number < 10_000_000 {
        return count(number);
    }
    let units = [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")];
    let number = number as f64;
    let (unit, name) = units.into_iter().find(|(unit, _)| number >= *unit).unwrap_or((1e6, "M"));
    format!("{:.1} {name}", number / unit)
}

/// A row of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) cells: Vec<String>,
    /// How much of the bar is filled, from 0 to 1, and its colour.
    pub(super) bar: Option<(f64, Color)>,
    pub(super) style: Style,
}

/// Where the names of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// On the left. Long ones keep their end.
    Left,
    /// Behind the figures. Long ones keep their beginning.
    Right,
}

impl Names {
    /// So many columns of figures have room beside a name of sensible length; one has in any case if there is room for some of a name.
    fn columns(self, width: u16) -> u16 {
        let name = if self == Self::Left { 9 } else { 40 };
        (width.saturating_sub(name) / COLUMN).max(u16::from(width >= COLUMN + 9))
    }
}

/// A table: its head, and of the rows what has room.
pub(super) fn table(
    buffer: &mut Buffer,
    area: Rect,
    names: Names,
    head: &[&str],
    rows: impl IntoIterator<Item = Row>,
) {
    let Some((name, figures)) = head.split_first() else { return };
    let columns = usize::from(names.columns(area.width)).min(figures.len());
    let left = area.width.saturating_sub(columns as u16 * COLUMN);
    let dim = Style::new().add_modifier(Modifier::UNDERLINED);
    let line = |row: u16| Rect { y: area.y + row, height: 1, ..area };
    let mut show = |place: u16, row: Row| {
        let line = line(place);
        let start = if names == Names::Left { left } else { 0 };
        for (column, cell) in row.cells.iter().take(columns).enumerate() {
            let end = start + (column as u16 + 1) * COLUMN;
            put_right(buffer, line, end, COLUMN - 1, cell, row.style);
        }
        match names {
            Names::Left => {
                let bar =
                    row.bar.filter(|_| left >= 3 * BAR).map(|(share, colour)| (bar(share, BAR), colour));
                let room = if bar.is_some() { left - BAR - 2 } else { left };
                let name = if place == 0 { keep_start(&row.name, room) } else { keep_end(&row.name, room) };
                put(buffer, line, 0, &name, row.style);
                if let Some((bar, colour)) = bar {
                    put(buffer, line, left - BAR, &bar, Style::new().fg(colour));
                }
            }
            Names::Right => {
                let start = columns as u16 * COLUMN + u16::from(columns > 0) * 2;
                let room = area.width.saturating_sub(start);
                put(buffer, line, start, &keep_start(&row.name, room), row.style);
            }
        }
    };
    if area.height == 0 {
        return;
    }
    let cells = figures.iter().map(|&name| name.to_owned()).collect();
    show(0, Row { name: (*name).to_owned(), cells, bar: None, style: dim });
    for (place, row) in (1..area.height).zip(rows) {
        show(place, row);
    }
}

/// A bar of so many cells at the most.
pub(super) fn bar(share: f64, width: u16) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let eighths = (share * f64::from(width) * 8.0).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    bar.push_str(PARTS[eighths % 8]);
    // Something is there.
    if bar.is_empty() && share > 0.0 {
        bar.push('▏');
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_cells_and_not_by_characters() {
        assert_eq!(keep_start("abcdef", 6), "abcdef");
        assert_eq!(keep_start("abcdef", 4), "abc…");
        assert_eq!((keep_start("abc", 1), keep_start("abc", 0)), ("…".to_owned(), String::new()));
        assert_eq!(keep_end("abcdef", 4), "…def");
        assert_eq!((keep_end("abc", 1), keep_end("abc", 0)), ("…".to_owned(), String::new()));
        // Each of them takes two cells.
        assert_eq!(keep_start("日本語", 5), "日本…");
        assert_eq!(keep_start("日本語", 4), "日…");
        assert_eq!(keep_end("日本語", 4), "…語");
        assert_eq!(keep_end("日本語", 5), "…本語");
    }

    #[test]
    fn nothing_reaches_the_terminal_but_what_is_seen() {
        assert_eq!(clean("a\u{1b}[31m\r\n\u{9b}\u{202e}b\u{200b}"), "a�[31m����b�");
        assert_eq!(clean(&"x".repeat(5000)).len(), LONGEST);
    }

    #[test]
    fn bars_and_counts_fit() {
        assert_eq!((bar(0.0, 4), bar(1e-9, 4), bar(0.5, 4)), (String::new(), "▏".into(), "██".into()));
        assert_eq!(
            (bar(7.0, 3), bar(f64::NAN, 3), bar(0.51, 10)),
            ("███".into(), String::new(), "█████▏".into())
        );
        for number in [0, 999, 9_999_999, 10_000_000, 123_456_789, u64::MAX] {
            assert!(short(number).chars().count() <= 9, "{number}");
        }
        assert_eq!((short(9_999_999), short(12_345_678)), ("9,999,999".into(), "12.3 M".into()));
    }
}
