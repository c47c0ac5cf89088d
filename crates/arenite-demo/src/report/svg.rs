//! The parts that every chart is drawn from: escaped text, axes, scene marks, and columns that answer the pointer.
//!
//! Everything is written straight into the page. Charts are 1000 units wide, whatever the width on the screen.

use std::fmt::{self, Display, Write};

use super::Escaped;
use super::scale::Axis;
use super::thin::runs;
use crate::outcome::Record;

/// Width of every chart.
pub(super) const WIDTH: f64 = 1000.0;
/// Left end of the plot: room for the labels of the vertical axis.
pub(super) const LEFT: f64 = 78.0;
/// Right end of the plot: the last label stands half beyond it.
pub(super) const RIGHT: f64 = WIDTH - 30.0;
/// Runs of frames a timeline is thinned to: about one for every two units of its width.
pub(super) const BUCKETS: usize = 450;
/// Columns that show their figures under the pointer.
const COLUMNS: usize = 150;

/// A coordinate with one digit after the point, and none where it would be 0: pages are mostly coordinates.
pub(super) struct At(pub(super) f64);

impl Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round();
        if tenths % 10.0 == 0.0 {
            write!(f, "{:.0}", tenths / 10.0)
        } else {
            write!(f, "{:.1}", tenths / 10.0)
        }
    }
}

/// Writes `points` as path data, the first with `M` and the rest with `L`.
pub(super) fn polyline(out: &mut dyn Write, points: impl Iterator<Item = (f64, f64)>) -> fmt::Result {
    for (index, (x, y)) in points.enumerate() {
        write!(out, "{}{} {}", if index == 0 { 'M' } else { 'L' }, At(x), At(y))?;
    }
    Ok(())
}

/// The rectangle that a chart's values are drawn in, with its two axes.
pub(super) struct Plot {
    /// Height of the whole drawing.
    pub(super) height: f64,
    /// Upper end of the plot.
    pub(super) top: f64,
    /// Lower end of the plot.
    pub(super) bottom: f64,
}

impl Plot {
    /// A drawing of `height` with `top` units above the plot.
    pub(super) fn new(height: f64, top: f64) -> Self {
        Self { height, top, bottom: height - 46.0 }
    }

    /// Opens the drawing. `name` is what the checks find it by, `what` is read out to those who do not see it.
    pub(super) fn open(&self, out: &mut dyn Write, name: &str, what: &str) -> fmt::Result {
        write!(
            out,
            "<svg class=\"chart\" data-chart=\"{name}\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
            At(WIDTH),
            At(self.height),
            Escaped(what)
        )
    }

    /// Draws the vertical axis: a grid line and a label per tick, and what is measured above it.
    pub(super) fn vertical(
        &self,
        out: &mut dyn Write,
        axis: &Axis,
        title: &str,
        label: impl Fn(f64) -> String,
    ) -> fmt::Result {
        write!(out, "<g class=\"axis\">")?;
        for &tick in &axis.ticks {
            let y = axis.at(tick);
            write!(
                out,
                "<path class=\"grid\" d=\"M{} {}H{}\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                At(LEFT),
                At(y),
                At(RIGHT),
                At(LEFT - 8.0),
                At(y + 4.0),
                Escaped(&label(tick))
            )?;
        }
        write!(out, "<text class=\"unit\" x=\"4\" y=\"14\">{}</text></g>", Escaped(title))
    }

    /// Draws the horizontal axis: a short line and a label per tick, and what is measured below it.
    pub(super) fn horizontal(
        &self,
        out: &mut dyn Write,
        axis: &Axis,
        title: &str,
        label: impl Fn(f64) -> String,
    ) -> fmt::Result {
        write!(out, "<g class=\"axis\"><path d=\"M{} {}H{}\"/>", At(LEFT), At(self.bottom), At(RIGHT))?;
        for &tick in &axis.ticks {
            let x = axis.at(tick);
            write!(
                out,
                "<path d=\"M{x} {}v5\"/><text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                At(self.bottom),
                At(self.bottom + 19.0),
                Escaped(&label(tick)),
                x = At(x)
            )?;
        }
        write!(
            out,
            "<text class=\"unit\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text></g>",
            At(f64::midpoint(LEFT, RIGHT)),
            At(self.height - 6.0),
            Escaped(title)
        )
    }
}

/// The frames of a run along the horizontal axis.
pub(super) struct Frames {
    /// From 0 to the number of frames.
    pub(super) axis: Axis,
    /// Per scene that was played: index into the outcome's scenes, first frame, one past its last frame.
    scenes: Vec<(usize, usize, usize)>,
    count: usize,
}

impl Frames {
    pub(super) fn new(record: &Record) -> Self {
        let mut scenes: Vec<(usize, usize, usize)> = Vec::new();
        for (frame, sample) in record.timeline.iter().enumerate() {
            match scenes.last_mut() {
                Some((scene, _, end)) if *scene == sample.scene as usize => *end = frame + 1,
                _ => scenes.push((sample.scene as usize, frame, frame + 1)),
            }
        }
        let count = record.timeline.len();
        Self { axis: Axis::exact(to_f64(count), LEFT, RIGHT), scenes, count }
    }

    /// How many frames there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Where the middle of a frame lies.
    pub(super) fn x(&self, frame: usize) -> f64 {
        self.axis.at(to_f64(frame) + 0.5)
    }

    /// A frame's point; the first and the last one reach to the ends, so that even a single frame is a line.
    pub(super) fn points(&self, frame: usize, y: f64) -> impl Iterator<Item = (f64, f64)> + use<> {
        let first = (frame == 0).then_some((LEFT, y));
        let last = (frame + 1 == self.count).then_some((RIGHT, y));
        first.into_iter().chain([(self.x(frame), y)]).chain(last)
    }

    /// Marks where scenes change, with the map's name where there is room for it.
    pub(super) fn mark_scenes(&self, out: &mut dyn Write, record: &Record, plot: &Plot) -> fmt::Result {
        write!(out, "<g class=\"scenes\">")?;
        for (index, &(scene, first, end)) in self.scenes.iter().enumerate() {
            let name = record.outcome.scenes.get(scene).map_or("?", |scene| scene.map.as_str());
            let (left, right) = (self.axis.at(to_f64(first)), self.axis.at(to_f64(end)));
            if index > 0 {
                write!(
                    out,
                    "<path class=\"change\" d=\"M{x} {}V{}\"><title>Scene {}: {}, from frame {}</title></path>",
                    At(plot.top - 14.0),
                    At(plot.bottom),
                    scene + 1,
                    Escaped(name),
                    first,
                    x = At(left),
                )?;
            }
            if right - left > 14.0 + 7.5 * to_f64(name.chars().count()) {
                write!(
                    out,
                    "<text x=\"{}\" y=\"{}\">{}</text>",
                    At(left + 5.0),
                    At(plot.top - 5.0),
                    Escaped(name)
                )?;
            }
        }
        write!(out, "</g>")
    }

    /// Lays columns over the plot that light up under the pointer and say what `describe` makes of their frames.
    pub(super) fn columns(
        &self,
        out: &mut dyn Write,
        plot: &Plot,
        describe: impl Fn(usize, usize) -> String,
    ) -> fmt::Result {
        write!(out, "<g class=\"columns\">")?;
        for (first, end) in runs(self.count, COLUMNS) {
            let (left, right) = (self.axis.at(to_f64(first)), self.axis.at(to_f64(end)));
            let frames = if end - first == 1 {
                format!("Frame {first}")
            } else {
                format!("Frames {first}–{}", end - 1)
            };
            write!(
                out,
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{frames}\n{}</title></rect>",
                At(left),
                At(plot.top),
                At(right - left),
                At(plot.bottom - plot.top),
                EscapedLines(&describe(first, end))
            )?;
        }
        write!(out, "</g>")
    }
}

/// Like [`Escaped`], but keeps line breaks: tooltips show them.
pub(super) struct EscapedLines<'a>(pub(super) &'a str);

impl Display for EscapedLines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, line) in self.0.split('\n').enumerate() {
            if index > 0 {
                f.write_char('\n')?;
            }
            Escaped(line).fmt(f)?;
        }
        Ok(())
    }
}

/// Shows a legend: a swatch and a name each, in the order given. The class of the swatch carries its colour.
pub(super) fn legend(out: &mut dyn Write, entries: &[(String, String)]) -> fmt::Result {
    write!(out, "<ul class=\"legend\">")?;
    for (class, name) in entries {
        write!(out, "<li><i class=\"swatch {class}\"></i>{}</li>", Escaped(name))?;
    }
    write!(out, "</ul>")
}

/// An index or count as a coordinate.
#[expect(clippy::cast_precision_loss, reason = "no drawing has 2^53 frames")]
pub(super) fn to_f64(count: usize) -> f64 {
    count as f64
}

/// A size as a coordinate.
#[expect(clippy::cast_precision_loss, reason = "a drawing shows three digits")]
pub(super) fn size(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_text_or_attributes() {
        let text = Escaped("a<b>&\"c'\u{7}").to_string();
        assert_eq!(text, "a&lt;b&gt;&amp;&quot;c&#39;\u{fffd}");
        assert_eq!(EscapedLines("a\n<").to_string(), "a\n&lt;");
    }

    #[test]
    fn coordinates_are_short() {
        assert_eq!(At(12.0).to_string(), "12");
        assert_eq!(At(12.04).to_string(), "12");
        assert_eq!(At(-0.01).to_string().trim_start_matches('-'), "0");
        assert_eq!(At(12.36).to_string(), "12.4");
    }

    #[test]
    fn lines_start_with_a_move() {
        let mut out = String::new();
        polyline(&mut out, [(0.0, 1.0), (2.5, 3.0)].into_iter()).expect("a string takes everything");
        assert_eq!(out, "M0 1L2.5 3");
    }
}
