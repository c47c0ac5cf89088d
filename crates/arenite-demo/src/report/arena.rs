//! The second chart: what each frame used of the frame arena and of the job arenas, and the high water.

use std::fmt::{self, Write};

use super::memory::to_bytes;
use super::scale::Axis;
use super::svg::{At, BUCKETS, Frames, LEFT, Plot, RIGHT, legend, polyline, size};
use super::thin::{Bucket, summarise};
use super::units::{bytes, count};
use crate::outcome::{FrameSample, Record};

/// Draws the chart.
pub(super) fn draw(out: &mut dyn Write, record: &Record) -> fmt::Result {
    write!(out, "<section class=\"card\"><h2>Frame arena</h2>")?;
    let high_water = record.outcome.frame_arena_high_water;
    let most = |of: fn(&FrameSample) -> u64| record.timeline.iter().map(of).max().unwrap_or(0);
    let (arena, jobs) = (most(|sample| sample.arena_used), most(|sample| sample.jobs_used));
    if arena == 0 && jobs == 0 {
        return write!(out, "<p class=\"none\">No frame of this run used a frame arena.</p></section>");
    }
    let plot = Plot::new(280.0, 44.0);
    let frames = Frames::new(record);
    let y = Axis::bytes(size(arena.max(jobs).max(high_water)), plot.bottom, plot.top);
    plot.open(out, "arena", "Lines: bytes of the frame arena and of the job arenas that each frame used")?;
    plot.vertical(out, &y, "used in the frame", |tick| bytes(to_bytes(tick)))?;
    plot.horizontal(out, &frames.axis, "frame", |tick| count(to_bytes(tick)))?;

    let mut entries = Vec::new();
    if arena > 0 {
        let used = values(record, |sample| sample.arena_used);
        series(out, &frames, &y, &summarise(&used, BUCKETS), "s0", true)?;
        entries.push(("s0".to_owned(), format!("frame arena · most {}", bytes(arena))));
    }
    if jobs > 0 {
        let used = values(record, |sample| sample.jobs_used);
        series(out, &frames, &y, &summarise(&used, BUCKETS), "s7", false)?;
        entries.push(("s7".to_owned(), format!("job arenas · most {}", bytes(jobs))));
    }
    if high_water > 0 {
        let at = At(y.at(size(high_water)));
        write!(
            out,
            "<path class=\"limit mark\" d=\"M{} {at}H{}\"><title>High water: {} ({} bytes)</title></path>",
            At(LEFT),
            At(RIGHT),
            bytes(high_water),
            count(high_water)
        )?;
        entries.push(("limit".to_owned(), format!("high water · {}", bytes(high_water))));
    }
    frames.mark_scenes(out, record, &plot)?;
    frames.columns(out, &plot, |first, end| {
        let most =
            |of: fn(&FrameSample) -> u64| record.timeline[first..end].iter().map(of).max().unwrap_or(0);
        format!(
            "frame arena: {}\njob arenas: {}\ndraw list: {} items, {} of them new",
            bytes(most(|sample| sample.arena_used)),
            bytes(most(|sample| sample.jobs_used)),
            count(most(|sample| u64::from(sample.drawn))),
            count(most(|sample| u64::from(sample.fresh)))
        )
    })?;
    write!(out, "</svg>")?;
    legend(out, &entries)?;
    write!(out, "</section>")
}

fn values(record: &Record, of: fn(&FrameSample) -> u64) -> Vec<f64> {
    record.timeline.iter().map(|sample| size(of(sample))).collect()
}

/// Draws a line through the medians. Where a bucket has more than one frame, a pale band shows its least and greatest
/// value; `filled` paints the area below the line.
pub(super) fn series(
    out: &mut dyn Write,
    frames: &Frames,
    y: &Axis,
    buckets: &[Bucket],
    colour: &str,
    filled: bool,
) -> fmt::Result {
    let edge = |of: fn(&Bucket) -> f64| -> Vec<(f64, f64)> {
        let mut points = Vec::with_capacity(buckets.len() + 2);
        for bucket in buckets {
            let level = y.at(of(bucket));
            // A bucket is drawn at its middle frame, but the first and the last reach to the ends.
            if bucket.first == 0 {
                points.push((LEFT, level));
            }
            points.push((frames.x(bucket.first.midpoint(bucket.end - 1)), level));
            if bucket.end == frames.count() {
                points.push((RIGHT, level));
            }
        }
        points
    };
    if buckets.iter().any(|bucket| bucket.end - bucket.first > 1) {
        write!(out, "<path class=\"spread mark {colour}\" d=\"")?;
        polyline(out, edge(|bucket| bucket.max).into_iter())?;
        let mut lower = String::new();
        polyline(&mut lower, edge(|bucket| bucket.min).into_iter().rev())?;
        write!(out, "{}Z\"/>", lower.replacen('M', "L", 1))?;
    }
    if filled {
        write!(out, "<path class=\"wash mark {colour}\" d=\"")?;
        polyline(out, edge(|bucket| bucket.median).into_iter())?;
        write!(out, "V{base}H{}Z\"/>", At(LEFT), base = At(y.at(0.0)))?;
    }
    write!(out, "<path class=\"line mark {colour}\" d=\"")?;
    polyline(out, edge(|bucket| bucket.median).into_iter())?;
    write!(out, "\"/>")
}
