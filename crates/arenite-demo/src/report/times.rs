//! The third and fourth chart: how long each frame took, and how the times are spread.

use std::fmt::{self, Write};

use super::arena::series;
use super::memory::to_bytes;
use super::scale::Axis;
use super::svg::{At, BUCKETS, Frames, LEFT, Plot, RIGHT, to_f64};
use super::thin::summarise;
use super::units::{count, counted, millis};
use crate::outcome::Record;

/// A frame at 60 frames a second, in milliseconds.
const SIXTIETH: f64 = 1000.0 / 60.0;
/// Above this ratio of the longest frame to the median a linear axis would show a flat line and one needle.
const WIDE: f64 = 12.0;
/// Bars of the histogram for each power of ten.
const PER_DECADE: f64 = 36.0;

/// A frame's length, with what is no number taken as 0.
fn length(ms: f32) -> f64 {
    if ms.is_finite() { f64::from(ms.max(0.0)) } else { 0.0 }
}

/// Draws the time of each frame.
pub(super) fn draw_line(out: &mut dyn Write, record: &Record) -> fmt::Result {
    write!(out, "<section class=\"card\"><h2>Frame times</h2>")?;
    if record.timeline.is_empty() {
        return write!(out, "<p class=\"none\">No frame was run.</p></section>");
    }
    let times: Vec<f64> = record.timeline.iter().map(|sample| length(sample.ms)).collect();
    let mut sorted = times.clone();
    sorted.sort_by(f64::total_cmp);
    let (median, longest) = (sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
    let shortest = sorted.iter().copied().find(|&ms| ms > 0.0).unwrap_or(0.001);

    let plot = Plot::new(280.0, 44.0);
    let frames = Frames::new(record);
    let wide = longest > WIDE * median && longest > shortest;
    let y = if wide {
        Axis::log(shortest * 0.9, longest * 1.15, plot.bottom, plot.top)
    } else {
        Axis::decimal(longest, plot.bottom, plot.top)
    };
    plot.open(out, "times", "Line: how long each frame took")?;
    plot.vertical(out, &y, if wide { "time (log scale)" } else { "time" }, millis)?;
    plot.horizontal(out, &frames.axis, "frame", |tick| count(to_bytes(tick)))?;
    series(out, &frames, &y, &summarise(&times, BUCKETS), "s0", false)?;
    if y.holds(SIXTIETH) {
        let at = y.at(SIXTIETH);
        write!(
            out,
            "<path class=\"limit mark\" d=\"M{} {}H{}\"/><text class=\"note\" x=\"{}\" y=\"{}\" text-anchor=\"end\">60 Hz · 16.7 ms</text>",
            At(LEFT),
            At(at),
            At(RIGHT),
            At(RIGHT - 6.0),
            At(at - 6.0)
        )?;
    }
    frames.mark_scenes(out, record, &plot)?;
    frames.columns(out, &plot, |first, end| {
        let least = times[first..end].iter().copied().fold(f64::INFINITY, f64::min);
        let most = times[first..end].iter().copied().fold(0.0, f64::max);
        if end - first == 1 { millis(most) } else { format!("{} to {}", millis(least), millis(most)) }
    })?;
    write!(out, "</svg>")?;
    if times.len() > BUCKETS {
        write!(
            out,
            "<p class=\"hint\">Line: median of each run of neighbouring frames. Band: from the shortest to the longest frame of the run.</p>"
        )?;
    }
    write!(out, "</section>")
}

/// The times that the percentiles are about: those after each scene's warm-up, or all if none is left.
fn after_warm_up(record: &Record) -> Vec<f64> {
    let mut times = Vec::with_capacity(record.timeline.len());
    let mut scene = None;
    let mut into_scene = 0;
    for sample in &record.timeline {
        if scene != Some(sample.scene) {
            (scene, into_scene) = (Some(sample.scene), 0);
        }
        if into_scene >= record.outcome.warmup_frames {
            times.push(length(sample.ms));
        }
        into_scene += 1;
    }
    if times.is_empty() {
        times.extend(record.timeline.iter().map(|sample| length(sample.ms)));
    }
    times
}

/// A logarithmic histogram.
struct Histogram {
    /// Edges of the bars: one more than there are bars.
    edges: Vec<f64>,
    counts: Vec<u64>,
}

impl Histogram {
    fn new(times: &[f64]) -> Self {
        let positive = || times.iter().copied().filter(|&ms| ms > 0.0);
        let low = positive().fold(f64::INFINITY, f64::min);
        let (low, high) =
            if low.is_finite() { (low, positive().fold(0.0, f64::max)) } else { (0.001, 0.001) };
        // Whole steps, so that the edges do not depend on the shortest frame of the run; at least one bar at each side.
        let mut first = (low.log10() * PER_DECADE).floor() - 1.0;
        let mut last = (high.log10() * PER_DECADE).floor() + 2.0;
        // Half a decade at the least: it holds a round tick wherever it lies.
        let spare = ((PER_DECADE / 2.0 - (last - first)) / 2.0).ceil().max(0.0);
        (first, last) = (first - spare, last + spare);
        let bars = to_bytes(last - first) as usize;
        let edges: Vec<f64> = (0..=bars).map(|bar| 10_f64.powf((first + to_f64(bar)) / PER_DECADE)).collect();
        let mut counts = vec![0; bars];
        for &ms in times {
            // Times of 0 and times that rounding puts outside go into the outermost bars.
            let bar = edges.partition_point(|&edge| edge <= ms).saturating_sub(1).min(bars - 1);
            counts[bar] += 1;
        }
        Self { edges, counts }
    }
}

/// Draws how the times are spread.
pub(super) fn draw_histogram(out: &mut dyn Write, record: &Record) -> fmt::Result {
    write!(out, "<section class=\"card\"><h2>Spread of frame times</h2>")?;
    let times = after_warm_up(record);
    if times.is_empty() {
        return write!(out, "<p class=\"none\">No frame was run.</p></section>");
    }
    let Histogram { edges, counts } = Histogram::new(&times);
    let plot = Plot::new(320.0, 84.0);
    let x = Axis::log(edges[0], edges[edges.len() - 1], LEFT, RIGHT);
    let most = counts.iter().copied().max().unwrap_or(0);
    // From half a frame, so that a bar of a single frame can be seen.
    let y = Axis::log(0.5, to_f64(most as usize).max(2.0) * 1.3, plot.bottom, plot.top);
    plot.open(out, "histogram", "Bars: how many frames took how long, both on logarithmic scales")?;
    let mut whole = y.clone();
    whole.ticks.retain(|&tick| tick >= 1.0 && tick.fract() == 0.0);
    plot.vertical(out, &whole, "frames (log scale)", |tick| count(to_bytes(tick)))?;
    plot.horizontal(out, &x, "frame time (log scale)", millis)?;
    for (bar, &frames) in counts.iter().enumerate().filter(|&(_, &frames)| frames > 0) {
        let (left, right) = (x.at(edges[bar]), x.at(edges[bar + 1]));
        let top = y.at(to_f64(frames as usize));
        write!(
            out,
            "<rect class=\"bar mark s0\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{} to {}: {}</title></rect>",
            At(left + 0.5),
            At(top),
            At((right - left - 1.0).max(0.5)),
            At(plot.bottom - top),
            millis(edges[bar]),
            millis(edges[bar + 1]),
            counted(frames, "frame", "frames")
        )?;
    }
    let figures = record.outcome.frame_ms;
    let marks = [("p50", figures.p50), ("p99", figures.p99), ("p99.9", figures.p999)];
    for (row, (name, ms)) in marks.into_iter().enumerate().filter(|(_, (_, ms))| x.holds(*ms)) {
        mark(out, &plot, x.at(ms), row, &format!("{name} {}", millis(ms)), "quantile mark")?;
    }
    if x.holds(SIXTIETH) {
        mark(out, &plot, x.at(SIXTIETH), 3, "60 Hz · 16.7 ms", "limit mark")?;
    }
    write!(out, "</svg></section>")
}

/// Draws a vertical line with its label above the plot, in a row of its own so that close marks do not overlap.
fn mark(out: &mut dyn Write, plot: &Plot, x: f64, row: usize, label: &str, class: &str) -> fmt::Result {
    let y = plot.top - 52.0 + 16.0 * to_f64(row);
    let (anchor, gap) = if x > f64::midpoint(LEFT, RIGHT) { ("end", -6.0) } else { ("start", 6.0) };
    write!(
        out,
        "<path class=\"{class}\" d=\"M{} {}V{}\"/><text class=\"note\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{label}</text>",
        At(x),
        At(y - 10.0),
        At(plot.bottom),
        At(x + gap),
        At(y)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_exactly_one_bar() {
        let times = [0.0, 0.001, 0.4, 0.41, 2.0, 2.0, 900.0];
        let histogram = Histogram::new(&times);
        assert_eq!(histogram.counts.iter().sum::<u64>(), 7);
        assert_eq!(histogram.edges.len(), histogram.counts.len() + 1);
        let bar = histogram.edges.partition_point(|&edge| edge <= 2.0) - 1;
        assert_eq!(histogram.counts[bar], 2);
    }

    #[test]
    fn equal_times_and_no_positive_time_make_a_histogram() {
        assert_eq!(Histogram::new(&[5.0; 9]).counts.iter().sum::<u64>(), 9);
        assert_eq!(Histogram::new(&[0.0]).counts.iter().sum::<u64>(), 1);
    }
}
