//! The figures as cards and tables: what a chart cannot be read from to the byte.

use std::fmt::{self, Write};

use super::Escaped;
use super::units::{bytes, count, millis};
use crate::outcome::{Outcome, Record};

/// One large figure with what it is and a remark.
struct Card {
    title: &'static str,
    figure: String,
    remark: String,
    /// `Some(true)` is a promise kept, `Some(false)` one that is broken.
    kept: Option<bool>,
}

/// The figures at the top of the page.
pub(super) fn cards(out: &mut dyn Write, record: &Record) -> fmt::Result {
    let outcome = &record.outcome;
    let inside = format!("inside frames, after {} warm-up frames per scene", outcome.warmup_frames);
    // The plain game is there to be compared with: it makes no promise.
    let promise = |kept: bool| (outcome.memory != "plain").then_some(kept);
    let peak = |name: &str, value: u64| format!("{name} {}", bytes(value));
    let leaked: u64 = outcome.scenes.iter().map(|scene| scene.live_bytes_after).fold(0, u64::saturating_add);
    let loaded: u64 = outcome.scenes.iter().map(|scene| scene.resources_loaded).fold(0, u64::saturating_add);
    let dropped: u64 =
        outcome.scenes.iter().map(|scene| scene.resources_dropped).fold(0, u64::saturating_add);
    let cards = [
        Card {
            title: "General-heap calls",
            figure: outcome.frame_heap_calls.map_or("not counted".to_owned(), count),
            remark: inside.clone(),
            kept: outcome.frame_heap_calls.and_then(|calls| promise(calls == 0)),
        },
        Card {
            title: "Memory system calls",
            figure: count(outcome.frame_memory_syscalls),
            remark: inside.clone(),
            kept: promise(outcome.frame_memory_syscalls == 0),
        },
        Card {
            title: "Minor page faults",
            figure: count(outcome.frame_minor_faults),
            remark: inside,
            kept: None,
        },
        Card {
            title: "Left behind by scenes",
            figure: bytes(leaked),
            remark: format!("{} resources loaded, {} dropped", count(loaded), count(dropped)),
            kept: promise(leaked == 0),
        },
        Card {
            title: "Median frame",
            figure: millis(outcome.frame_ms.p50),
            remark: format!("p99 {} · p99.9 {}", millis(outcome.frame_ms.p99), millis(outcome.frame_ms.p999)),
            kept: None,
        },
        Card {
            title: "Longest frame",
            figure: millis(outcome.frame_ms.max),
            remark: "after warm-up".to_owned(),
            kept: None,
        },
        Card {
            title: "Frame arena high water",
            figure: bytes(outcome.frame_arena_high_water),
            remark: "the most any frame used".to_owned(),
            kept: None,
        },
        Card {
            title: "Resident memory",
            figure: bytes(outcome.resident_end),
            remark: peak("at the end; peak", outcome.resident_peak),
            kept: None,
        },
    ];
    write!(out, "<section class=\"cards\">")?;
    for Card { title, figure, remark, kept } in cards {
        let (class, sign) = match kept {
            Some(true) => (" kept", " <i class=\"sign\" role=\"img\" aria-label=\"as promised\">✓</i>"),
            Some(false) => {
                (" broken", " <i class=\"sign\" role=\"img\" aria-label=\"not as promised\">✗</i>")
            }
            None => ("", ""),
        };
        write!(
            out,
            "<div class=\"figure{class}\"><h3>{title}</h3><p class=\"value\">{}{sign}</p><p>{}</p></div>",
            Escaped(&figure),
            Escaped(&remark)
        )?;
    }
    write!(out, "</section>")
}

/// A table whose first column is a name and whose others are figures.
fn table(
    out: &mut dyn Write,
    title: &str,
    head: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> fmt::Result {
    write!(out, "<section class=\"card\"><h2>{title}</h2><div class=\"wide\"><table><thead><tr>")?;
    for name in head {
        write!(out, "<th scope=\"col\">{name}</th>")?;
    }
    write!(out, "</tr></thead><tbody>")?;
    for row in rows {
        write!(out, "<tr>")?;
        for (index, cell) in row.iter().enumerate() {
            let (open, close) = if index == 0 { ("<th scope=\"row\">", "</th>") } else { ("<td>", "</td>") };
            write!(out, "{open}{}{close}", Escaped(cell))?;
        }
        write!(out, "</tr>")?;
    }
    write!(out, "</tbody></table></div></section>")
}

/// One row per scene.
pub(super) fn scenes(out: &mut dyn Write, outcome: &Outcome) -> fmt::Result {
    let head = [
        "Scene",
        "Agents",
        "Deaths",
        "Stale handles",
        "Loaded",
        "Dropped",
        "Resources",
        "Left behind",
        "Resident before",
        "while it ran",
        "after",
        "Load",
        "Unload",
        "Checksum",
    ];
    let rows = outcome.scenes.iter().enumerate().map(|(index, scene)| {
        vec![
            format!("{} {}", index + 1, scene.map),
            count(u64::from(scene.agents)),
            count(scene.deaths),
            count(scene.stale_handles),
            count(scene.resources_loaded),
            count(scene.resources_dropped),
            bytes(scene.resource_bytes),
            bytes(scene.live_bytes_after),
            bytes(scene.resident_before_load),
            bytes(scene.resident_loaded),
            bytes(scene.resident_after_unload),
            millis(scene.load_ms),
            millis(scene.unload_ms),
            scene.checksum.clone(),
        ]
    });
    table(out, "Scenes", &head, rows)
}

/// One row per tag.
pub(super) fn tags(out: &mut dyn Write, outcome: &Outcome) -> fmt::Result {
    if outcome.tags.is_empty() {
        return Ok(());
    }
    let head = ["Tag", "Reserved", "Committed", "Live", "Peak", "Budget"];
    let rows = outcome.tags.iter().map(|tag| {
        vec![
            tag.name.clone(),
            bytes(tag.reserved),
            bytes(tag.committed),
            bytes(tag.live),
            bytes(tag.peak),
            tag.budget.map_or("none".to_owned(), bytes),
        ]
    });
    table(out, "Tags", &head, rows)
}

/// What each tag has of the general heap.
pub(super) fn general_heap(out: &mut dyn Write, outcome: &Outcome) -> fmt::Result {
    if outcome.general_heap.is_empty() {
        return Ok(());
    }
    let head = ["Tag", "Blocks handed out", "Live blocks", "Live", "Committed"];
    let rows = outcome.general_heap.iter().map(|tag| {
        vec![
            tag.name.clone(),
            count(tag.allocs),
            count(tag.live_blocks),
            bytes(tag.live_bytes),
            bytes(tag.committed),
        ]
    });
    table(out, "The general heap, by tag", &head, rows)
}

/// What streamed through the caches.
pub(super) fn caches(out: &mut dyn Write, outcome: &Outcome) -> fmt::Result {
    if outcome.caches.is_empty() {
        return Ok(());
    }
    let head = ["Cache", "Hits", "Misses", "Loads", "Evictions", "Resources", "Loaded", "Peak", "Budget"];
    let rows = outcome.caches.iter().map(|cache| {
        vec![
            cache.name.clone(),
            count(cache.hits),
            count(cache.misses),
            count(cache.loads),
            count(cache.evictions),
            count(cache.resources),
            bytes(cache.bytes),
            bytes(cache.peak_bytes),
            cache.budget.map_or("none".to_owned(), bytes),
        ]
    });
    table(out, "Caches", &head, rows)
}

/// Where the memory is going, by tag.
pub(super) fn trends(out: &mut dyn Write, outcome: &Outcome) -> fmt::Result {
    if outcome.trends.is_empty() {
        return Ok(());
    }
    let head = ["Tag", "Trend", "Bytes a frame", "Confidence"];
    let rows = outcome.trends.iter().map(|trend| {
        vec![
            trend.name.clone(),
            trend.line.clone(),
            format!("{:+.0}", trend.bytes_per_frame),
            format!("{:.0} %", trend.confidence * 100.0),
        ]
    });
    table(out, "Trend", &head, rows)
}

/// What still lived when its part of the game had ended.
pub(super) fn leaks(out: &mut dyn Write, outcome: &Outcome) -> fmt::Result {
    if outcome.leaks.is_empty() {
        return Ok(());
    }
    let head = ["Tag", "Blocks", "Bytes", "Oldest, in frames", "Made at", "Doing what"];
    let rows = outcome.leaks.iter().map(|leak| {
        vec![
            leak.tag.clone(),
            count(leak.blocks),
            bytes(leak.bytes),
            count(u64::from(leak.age_frames)),
            leak.place.clone(),
            leak.what.clone(),
        ]
    });
    table(out, "Leaks", &head, rows)
}
