//! The fifth chart: per tag a bar of what it committed against its peak and its budget.

use std::fmt::{self, Write};

use super::Escaped;
use super::memory::to_bytes;
use super::scale::Axis;
use super::svg::{At, Plot, RIGHT, legend, size, to_f64};
use super::units::bytes;
use crate::outcome::{Record, TagOutcome};

const ROW: f64 = 34.0;
/// Room for names.
const NAMES: f64 = 230.0;
/// Room for the figures at the right.
const FIGURES: f64 = 230.0;
/// The longest name that fits, in characters.
const NAME_LENGTH: usize = 25;
/// A budget this many times above every peak is shown as an arrow: at scale it would leave no bar to see.
const FAR: f64 = 6.0;

/// Draws the chart.
pub(super) fn draw(out: &mut dyn Write, record: &Record) -> fmt::Result {
    write!(out, "<section class=\"card\"><h2>Budgets</h2>")?;
    let tags = &record.outcome.tags;
    if tags.is_empty() {
        return write!(
            out,
            "<p class=\"none\">This run charged no tags, so there are no budgets.</p></section>"
        );
    }
    let used = tags.iter().map(|tag| tag.peak.max(tag.committed)).max().unwrap_or(0);
    let near = size(used).max(1.0) * FAR;
    let most = tags.iter().filter_map(|tag| tag.budget).map(size).filter(|&budget| budget <= near);
    let most = most.fold(size(used), f64::max);

    let top = 14.0;
    let plot = Plot::new(top + ROW * to_f64(tags.len()) + 46.0, top);
    let mut x = Axis::bytes(most, NAMES, RIGHT - FIGURES);
    plot.open(out, "budgets", "Bars: committed bytes of each tag with its peak and its budget")?;
    write!(out, "<g class=\"axis\">")?;
    // The bars have half the width of other charts; every other label is enough.
    let every = if x.ticks.len() > 5 { 2 } else { 1 };
    x.ticks = x.ticks.iter().copied().step_by(every).collect();
    for &tick in &x.ticks {
        write!(
            out,
            "<path class=\"grid\" d=\"M{at} {}V{}\"/><text x=\"{at}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            At(plot.top),
            At(plot.bottom),
            At(plot.bottom + 18.0),
            bytes(to_bytes(tick)),
            at = At(x.at(tick))
        )?;
    }
    write!(out, "</g>")?;
    for (row, tag) in tags.iter().enumerate() {
        draw_tag(out, tag, &x, plot.top + ROW * to_f64(row))?;
    }
    write!(out, "</svg>")?;
    let entries = [("live", "live"), ("kept", "committed"), ("peak", "peak"), ("limit", "budget")];
    legend(out, &entries.map(|(class, name)| (class.to_owned(), name.to_owned())))?;
    write!(out, "</section>")
}

fn draw_tag(out: &mut dyn Write, tag: &TagOutcome, x: &Axis, top: f64) -> fmt::Result {
    let middle = top + ROW / 2.0;
    let over = tag.budget.is_some_and(|budget| tag.peak > budget);
    write!(
        out,
        "<g class=\"budget{}\"><title>{}: {} live, {} committed, {} at the peak, {}</title>",
        if over { " over" } else { "" },
        Escaped(&tag.name),
        bytes(tag.live),
        bytes(tag.committed),
        bytes(tag.peak),
        tag.budget.map_or("no budget".to_owned(), |budget| format!("budget {}", bytes(budget)))
    )?;
    write!(
        out,
        "<text class=\"name\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        At(NAMES - 12.0),
        At(middle + 4.5),
        Escaped(&shortened(&tag.name))
    )?;
    // A track, so that a tag without a byte still has a row to look at.
    let (start, end) = (x.at(0.0), RIGHT - FIGURES);
    rect(out, "track", start, end, middle, 18.0)?;
    if tag.committed > 0 {
        rect(out, "kept mark", start, x.at(size(tag.committed)).max(start + 1.5), middle, 18.0)?;
    }
    if tag.live > 0 {
        rect(out, "live mark", start, x.at(size(tag.live)).max(start + 1.5), middle, 8.0)?;
    }
    if tag.peak > 0 {
        let at = At(x.at(size(tag.peak)));
        write!(out, "<path class=\"peak mark\" d=\"M{at} {}v22\"/>", At(middle - 11.0))?;
    }
    let figures = match tag.budget {
        None => {
            format!("{} · no budget", bytes(tag.peak))
        }
        Some(budget) => {
            if x.holds(size(budget)) {
                let at = At(x.at(size(budget)));
                write!(out, "<path class=\"limit mark\" d=\"M{at} {}v28\"/>", At(middle - 14.0))?;
            } else {
                // Off the scale: an arrow at the end of the track.
                write!(
                    out,
                    "<path class=\"far mark\" d=\"M{} {}l8 6l-8 6z\"/>",
                    At(end - 10.0),
                    At(middle - 6.0)
                )?;
            }
            match (size(tag.peak) / size(budget) * 100.0, budget) {
                (_, 0) => format!("{} of 0 B", bytes(tag.peak)),
                (share, _) if share > 0.0 && share < 1.0 => {
                    format!("{} of {} · <1 %", bytes(tag.peak), bytes(budget))
                }
                (share, _) => format!("{} of {} · {share:.0} %", bytes(tag.peak), bytes(budget)),
            }
        }
    };
    write!(
        out,
        "<text class=\"figure\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text></g>",
        At(RIGHT),
        At(middle + 4.5),
        Escaped(&figures)
    )
}

fn rect(out: &mut dyn Write, class: &str, from: f64, to: f64, middle: f64, thickness: f64) -> fmt::Result {
    write!(
        out,
        "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"2\"/>",
        At(from),
        At(middle - thickness / 2.0),
        At(to - from),
        At(thickness)
    )
}

/// A name that fits: its end says more than its beginning, which is the parent's row.
fn shortened(name: &str) -> String {
    let length = name.chars().count();
    if length <= NAME_LENGTH {
        return name.to_owned();
    }
    let end: String = name.chars().skip(length - (NAME_LENGTH - 1)).collect();
    format!("…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_their_end() {
        assert_eq!(shortened("scene/textures"), "scene/textures");
        let name = format!("{}/ümlaut", "a".repeat(60));
        let short = shortened(&name);
        assert_eq!(short.chars().count(), NAME_LENGTH);
        assert!(short.starts_with('…') && short.ends_with("/ümlaut"));
    }
}
