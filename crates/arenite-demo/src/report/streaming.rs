//! The chart of a run that streams: when its caches loaded, and when they unloaded what others needed the room of.

use std::fmt::{self, Write};

use super::memory::to_bytes;
use super::scale::Axis;
use super::svg::{At, Frames, LEFT, Plot, RIGHT, legend, to_f64};
use super::thin::runs;
use super::units::{count, counted};
use crate::outcome::{FrameSample, Record, Streamed};

/// Runs of frames that share a bar: wide enough to be seen.
const BARS: usize = 300;

/// What some frames streamed, all together.
fn sum(samples: &[FrameSample]) -> [u64; 3] {
    samples.iter().fold([0; 3], |[loads, evictions, cuts], FrameSample { streamed, .. }| {
        let Streamed { loads: more, evictions: fewer, cuts: jumps } = *streamed;
        [loads + u64::from(more), evictions + u64::from(fewer), cuts + u64::from(jumps)]
    })
}

/// Draws the chart; nothing for a run that does not stream.
pub(super) fn draw(out: &mut dyn Write, record: &Record) -> fmt::Result {
    if record.outcome.caches.is_empty() {
        return Ok(());
    }
    write!(out, "<section class=\"card\"><h2>Streaming</h2>")?;
    let bars: Vec<(usize, usize, [u64; 3])> = runs(record.timeline.len(), BARS)
        .map(|(first, end)| (first, end, sum(&record.timeline[first..end])))
        .collect();
    let [loads, evictions, cuts] = sum(&record.timeline);
    if loads == 0 && evictions == 0 {
        return write!(out, "<p class=\"none\">Nothing was loaded or unloaded in this run.</p></section>");
    }
    let most = |of: usize| bars.iter().map(|(_, _, counts)| counts[of]).max().unwrap_or(0);
    let plot = Plot::new(260.0, 44.0);
    let frames = Frames::new(record);
    // Two axes of one scale from one zero: loads upwards, evictions downwards.
    let (up, down) = (to_f64(most(0) as usize), to_f64(most(1) as usize));
    let zero = plot.top + (plot.bottom - plot.top) * (up / (up + down)).clamp(0.2, 0.8);
    let reach = (up / (zero - plot.top)).max(down / (plot.bottom - zero));
    let above = Axis::exact(reach * (zero - plot.top), zero, plot.top);
    let below = Axis::exact(reach * (plot.bottom - zero), zero, plot.bottom);
    plot.open(
        out,
        "streaming",
        "Bars: resources loaded, upwards, and unloaded to make room, downwards, frame by frame",
    )?;
    let whole = |tick: f64| count(to_bytes(tick));
    // A number of ten digits is wider than the axis.
    let short = |tick: f64| if tick < 1e7 { whole(tick) } else { format!("{} M", whole(tick / 1e6)) };
    plot.vertical(out, &above, "loaded ↑ · evicted ↓", short)?;
    let mut lower = below.clone();
    // The zero has its line already, and what is too close to it would be written over its label.
    lower.ticks.retain(|&tick| evictions > 0 && below.at(tick) > zero + 14.0);
    plot.vertical(out, &lower, "", short)?;
    plot.horizontal(out, &frames.axis, "frame", whole)?;

    for &(first, end, [loads, evictions, cuts]) in &bars {
        let (left, right) = (frames.axis.at(to_f64(first)), frames.axis.at(to_f64(end)));
        let width = (right - left - 0.5).max(1.0);
        let mut bar = |class: &str, top: f64, bottom: f64| {
            write!(
                out,
                "<rect class=\"bar mark {class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                At(left),
                At(top),
                At(width),
                At((bottom - top).max(0.6))
            )
        };
        if loads > 0 {
            bar("s2", above.at(to_f64(loads as usize)), zero)?;
        }
        if evictions > 0 {
            bar("s1", zero, below.at(to_f64(evictions as usize)))?;
        }
        if cuts > 0 {
            let x = At(f64::midpoint(left, right));
            write!(out, "<path class=\"cut mark\" d=\"M{x} {}v12\"/>", At(zero - 6.0))?;
        }
    }
    write!(out, "<g class=\"axis\"><path d=\"M{} {}H{}\"/></g>", At(LEFT), At(zero), At(RIGHT))?;
    frames.mark_scenes(out, record, &plot)?;
    frames.columns(out, &plot, |first, end| {
        let [loads, evictions, cuts] = sum(&record.timeline[first..end]);
        let mut text = format!("loaded: {}\nevicted: {}", count(loads), count(evictions));
        if cuts > 0 {
            text.push_str(&format!("\n{} in a frame", counted(cuts, "cut", "cuts")));
        }
        text
    })?;
    write!(out, "</svg>")?;
    let entries = [
        ("s2", format!("loaded · {} in all", count(loads))),
        ("s1", format!("evicted to make room · {} in all", count(evictions))),
        ("cut", format!("a cut: streamed in the frame · {} in all", count(cuts))),
    ];
    legend(out, &entries.map(|(class, name)| (class.to_owned(), name)))?;
    write!(out, "</section>")
}
