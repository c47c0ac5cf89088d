//! The first chart: committed memory per tag over the frames, stacked.

use std::fmt::{self, Write};

use super::scale::Axis;
use super::svg::{BUCKETS, Frames, Plot, legend, polyline, size};
use super::thin::telling_frames;
use super::units::{bytes, count};
use crate::outcome::{Record, SAMPLED_TAGS};

/// One band of the stack.
struct Band {
    /// What the legend calls it.
    name: String,
    /// Its place in a sample.
    index: usize,
    /// Places of the sampled tags right inside it; their bytes are bands of their own and are taken off this one.
    inside: Vec<usize>,
}

/// The sampled tags as bands that do not overlap. A tag's bytes include its children's, so where both are sampled the
/// parent's band is what the children leave of it.
fn bands(names: &[String]) -> Vec<Band> {
    let names = &names[..names.len().min(SAMPLED_TAGS)];
    let is_inside = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/') && rest.len() > 1)
    };
    names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            // Right inside: no third sampled tag lies between the two.
            let inside: Vec<usize> = (0..names.len())
                .filter(|&other| is_inside(&names[other], name))
                .filter(|&other| {
                    !names.iter().any(|between| is_inside(&names[other], between) && is_inside(between, name))
                })
                .collect();
            let name = if inside.is_empty() { name.clone() } else { format!("{name} (rest)") };
            Band { name, index, inside }
        })
        .collect()
}

impl Band {
    fn bytes(&self, committed: &[u64; SAMPLED_TAGS]) -> u64 {
        let inside = self.inside.iter().fold(0_u64, |sum, &index| sum.saturating_add(committed[index]));
        committed[self.index].saturating_sub(inside)
    }
}

/// Draws the chart.
pub(super) fn draw(out: &mut dyn Write, record: &Record) -> fmt::Result {
    write!(out, "<section class=\"card\"><h2>Committed memory per tag</h2>")?;
    let bands = bands(&record.sampled_tags);
    if bands.is_empty() || record.timeline.is_empty() {
        return write!(out, "<p class=\"none\">No tag was sampled in this run.</p></section>");
    }
    let sum =
        |committed: &[u64; SAMPLED_TAGS]| bands.iter().map(|band| size(band.bytes(committed))).sum::<f64>();
    let top = record.timeline.iter().map(|sample| sum(&sample.committed)).fold(0.0, f64::max);
    let plot = Plot::new(340.0, 44.0);
    let frames = Frames::new(record);
    let y = Axis::bytes(top, plot.bottom, plot.top);
    plot.open(out, "memory", "Stacked areas: bytes committed under each tag, frame by frame")?;
    plot.vertical(out, &y, "committed", tick_label)?;
    plot.horizontal(out, &frames.axis, "frame", |tick| count(to_bytes(tick)))?;

    let shown = telling_frames(&record.timeline, record.sampled_tags.len(), BUCKETS);
    let mut below = vec![0.0; shown.len()];
    let mut entries = Vec::new();
    for band in &bands {
        let peak = record.timeline.iter().map(|sample| band.bytes(&sample.committed)).max().unwrap_or(0);
        entries.push((format!("s{}", band.index), format!("{} · peak {}", band.name, bytes(peak))));
        if peak == 0 {
            continue;
        }
        let above: Vec<f64> = shown
            .iter()
            .zip(&below)
            .map(|(&frame, &below)| below + size(band.bytes(&record.timeline[frame].committed)))
            .collect();
        write!(out, "<path class=\"area mark s{}\" d=\"", band.index)?;
        let edge = |heights: &[f64]| -> Vec<(f64, f64)> {
            shown.iter().zip(heights).flat_map(|(&frame, &bytes)| frames.points(frame, y.at(bytes))).collect()
        };
        polyline(out, edge(&above).into_iter())?;
        // Back along the lower edge; the path goes on where the upper edge ended.
        let mut lower = String::new();
        polyline(&mut lower, edge(&below).into_iter().rev())?;
        write!(out, "{}Z\"/>", lower.replacen('M', "L", 1))?;
        below = above;
    }
    frames.mark_scenes(out, record, &plot)?;
    frames.columns(out, &plot, |first, end| {
        let fullest = (first..end)
            .max_by(|&a, &b| {
                sum(&record.timeline[a].committed).total_cmp(&sum(&record.timeline[b].committed))
            })
            .unwrap_or(first);
        let committed = &record.timeline[fullest].committed;
        let mut text = format!("{} in all", tick_label(sum(committed)));
        for band in bands.iter().rev() {
            text.push_str(&format!("\n{}: {}", band.name, bytes(band.bytes(committed))));
        }
        text
    })?;
    write!(out, "</svg>")?;
    legend(out, &entries)?;
    write!(out, "</section>")
}

/// The label of a size on an axis. A stack of sizes can be more than a `u64` holds.
fn tick_label(tick: f64) -> String {
    const EXBI: f64 = (1_u64 << 60) as f64;
    if tick < 16.0 * EXBI { bytes(to_bytes(tick)) } else { format!("{:.0} EiB", tick / EXBI) }
}

/// A tick as whole bytes or frames.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ticks are not negative; `as` saturates"
)]
pub(super) fn to_bytes(tick: f64) -> u64 {
    tick.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parents_band_is_what_its_sampled_children_leave() {
        let names = ["scene", "scene/textures", "scene/textures/sky", "scenery"].map(String::from);
        let bands = bands(&names);
        assert_eq!(bands[0].inside, [1]);
        assert_eq!(bands[1].inside, [2]);
        assert_eq!(bands[0].name, "scene (rest)");
        assert_eq!(bands[3].name, "scenery");
        let committed = [100, 60, 10, 7, 0, 0, 0, 0];
        let parts: Vec<u64> = bands.iter().map(|band| band.bytes(&committed)).collect();
        assert_eq!(parts, [40, 50, 10, 7]);
    }

    #[test]
    fn more_names_than_a_sample_holds_are_no_panic() {
        let names: Vec<String> = (0..20).map(|index| format!("t{index}")).collect();
        assert_eq!(bands(&names).len(), SAMPLED_TAGS);
    }
}
