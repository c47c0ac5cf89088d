//! What a run came to, as text for a terminal of 100 columns.

use std::fmt::Write as _;

use arenite_demo::outcome::{CacheOutcome, HeapOutcome, LeakOutcome, Outcome, SceneOutcome};
use arenite_demo::report::units::{bytes, count, counted, millis};

use crate::table::Table;

/// The whole text, ending in a line break.
pub(crate) fn summary(outcome: &Outcome) -> String {
    let mut text = format!(
        "\n{} in {}, {}, seed {}\n\n",
        counted(outcome.frames, "frame", "frames"),
        counted(outcome.scenes.len() as u64, "scene", "scenes"),
        counted(outcome.threads as u64, "thread", "threads"),
        outcome.seed
    );
    if !outcome.tags.is_empty() {
        let mut table = Table::new(&["tag", "reserved", "committed", "live", "peak", "budget"]);
        for tag in &outcome.tags {
            let budget = tag.budget.map_or("–".to_owned(), bytes);
            table.row(vec![
                tag.name.clone(),
                bytes(tag.reserved),
                bytes(tag.committed),
                bytes(tag.live),
                bytes(tag.peak),
                budget,
            ]);
        }
        let _ = writeln!(text, "{table}");
    }
    if !outcome.general_heap.is_empty() {
        let _ = writeln!(text, "{}", general_heap(&outcome.general_heap));
    }
    if !outcome.caches.is_empty() {
        let _ = writeln!(text, "{}", caches(&outcome.caches));
    }
    let _ = writeln!(text, "{}", scenes(&outcome.scenes));
    let _ = writeln!(
        text,
        "Inside frames, after the first {} of each scene",
        counted(u64::from(outcome.warmup_frames), "frame", "frames")
    );
    let mut line = |name: &str, figure: String| {
        let _ = writeln!(text, "  {name:<24}{figure}");
    };
    line("general-heap calls", outcome.frame_heap_calls.map_or("not counted".to_owned(), count));
    line("memory system calls", count(outcome.frame_memory_syscalls));
    line("minor page faults", count(outcome.frame_minor_faults));
    line("frame arena high water", bytes(outcome.frame_arena_high_water));
    if let Some(streaming) = outcome.streaming {
        line(
            "streaming, apart",
            format!(
                "{} ({} in a frame): {}, {}",
                counted(streaming.moments, "moment", "moments"),
                count(streaming.cuts),
                counted(streaming.heap_calls, "heap call", "heap calls"),
                counted(streaming.memory_syscalls, "memory system call", "memory system calls")
            ),
        );
    }
    if let Some(defrag) = outcome.defrag {
        line(
            "moved after frames",
            format!(
                "{} of {} in {} at the most (p99.9 {})",
                counted(defrag.moved_blocks, "block", "blocks"),
                bytes(defrag.moved_bytes),
                millis(defrag.round_ms_max),
                millis(defrag.round_ms_p999)
            ),
        );
        line(
            "streamed heap",
            format!(
                "{} in use, {} held (peak {}), fragmentation {:.0} % (p99 {:.0} %)",
                bytes(defrag.live),
                bytes(defrag.extent),
                bytes(defrag.peak_extent),
                defrag.fragmentation_p50 * 100.0,
                defrag.fragmentation_p99 * 100.0
            ),
        );
    }
    let times = outcome.frame_ms;
    line(
        "frame times",
        format!(
            "p50 {}   p99 {}   p99.9 {}   max {}",
            millis(times.p50),
            millis(times.p99),
            millis(times.p999),
            millis(times.max)
        ),
    );
    let _ = writeln!(
        text,
        "Resident memory           {} at the end, {} at the peak",
        bytes(outcome.resident_end),
        bytes(outcome.resident_peak)
    );
    trends(&mut text, outcome);
    leaks(&mut text, &outcome.leaks);
    let _ = writeln!(text, "Checksum                  {}", outcome.checksum);
    text
}

/// What streamed through the caches.
fn caches(caches: &[CacheOutcome]) -> Table {
    let mut table = Table::new(&[
        "cache",
        "hits",
        "misses",
        "loads",
        "evictions",
        "resources",
        "loaded",
        "peak",
        "budget",
    ]);
    for cache in caches {
        table.row(vec![
            cache.name.clone(),
            count(cache.hits),
            count(cache.misses),
            count(cache.loads),
            count(cache.evictions),
            count(cache.resources),
            bytes(cache.bytes),
            bytes(cache.peak_bytes),
            cache.budget.map_or("–".to_owned(), bytes),
        ]);
    }
    table
}

/// Where the memory is going, and which tags make it grow.
fn trends(text: &mut String, outcome: &Outcome) {
    let Some((all, tags)) = outcome.trends.split_first() else { return };
    let _ = writeln!(text, "Trend                     {}", all.line);
    for tag in tags.iter().filter(|tag| tag.is_increasing()) {
        let _ = writeln!(text, "  {:<24}{}", tag.name, tag.line);
    }
}

/// What still lived when its part of the game had ended.
fn leaks(text: &mut String, leaks: &[LeakOutcome]) {
    for leak in leaks {
        let _ = writeln!(
            text,
            "Leak under tag {}: {} of {} in all live, the oldest since {}\n  made at {}{}",
            leak.tag,
            counted(leak.blocks, "block", "blocks"),
            bytes(leak.bytes),
            counted(u64::from(leak.age_frames), "frame", "frames"),
            leak.place,
            if leak.what.is_empty() { String::new() } else { format!(" ({})", leak.what) }
        );
    }
}

/// What each tag has of the general heap, those below it not included.
fn general_heap(tags: &[HeapOutcome]) -> Table {
    let mut table = Table::new(&["general heap", "handed out", "live blocks", "live", "committed"]);
    for tag in tags {
        table.row(vec![
            tag.name.clone(),
            count(tag.allocs),
            count(tag.live_blocks),
            bytes(tag.live_bytes),
            bytes(tag.committed),
        ]);
    }
    table
}

/// The scenes: what they loaded and dropped, and the process's resident memory around them.
fn scenes(scenes: &[SceneOutcome]) -> Table {
    let mut table = Table::new(&[
        "scene", "agents", "deaths", "stale", "loads", "drops", "left", "load", "unload", "RSS", "loaded",
        "after",
    ]);
    for scene in scenes {
        table.row(vec![
            scene.map.clone(),
            count(u64::from(scene.agents)),
            count(scene.deaths),
            count(scene.stale_handles),
            count(scene.resources_loaded),
            count(scene.resources_dropped),
            bytes(scene.live_bytes_after),
            millis(scene.load_ms),
            millis(scene.unload_ms),
            bytes(scene.resident_before_load),
            bytes(scene.resident_loaded),
            bytes(scene.resident_after_unload),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use arenite_demo::outcome::{DefragOutcome, FrameMs, StreamingOutcome, TagOutcome, TrendOutcome};

    fn outcome() -> Outcome {
        let scene = SceneOutcome {
            map: "MAP01".to_owned(),
            checksum: "1".repeat(16),
            agents: 20_000,
            deaths: 4321,
            stale_handles: 987,
            resources_loaded: 1234,
            resources_dropped: 1234,
            resource_bytes: 9 << 20,
            live_bytes_after: 0,
            resident_before_load: 111 << 20,
            resident_loaded: 222 << 20,
            resident_after_unload: 113 << 20,
            load_ms: 123.4,
            unload_ms: 0.123,
        };
        Outcome {
            memory: "arenite".to_owned(),
            seed: 7,
            frames: 600,
            threads: 1,
            checksum: "00ff".repeat(4),
            scenes: vec![scene],
            frame_heap_calls: Some(0),
            frame_memory_syscalls: 0,
            frame_minor_faults: 12,
            warmup_frames: 30,
            tags: vec![TagOutcome {
                name: "scene/textures".to_owned(),
                reserved: 16 << 30,
                committed: 8 << 20,
                live: 1234,
                peak: 9 << 20,
                budget: Some(64 << 20),
            }],
            general_heap: vec![HeapOutcome {
                name: "heap/scenes".to_owned(),
                allocs: 123_456,
                live_blocks: 789,
                live_bytes: 3 << 20,
                committed: 4 << 20,
            }],
            frame_ms: FrameMs { p50: 0.1, p99: 0.2, p999: 0.3, max: 0.4 },
            frame_arena_high_water: 65_536,
            resident_end: 1 << 20,
            resident_peak: 2 << 20,
            caches: vec![CacheOutcome {
                name: "textures".to_owned(),
                hits: 1234,
                misses: 567,
                loads: 566,
                evictions: 321,
                resources: 245,
                bytes: 7 << 20,
                peak_bytes: 15 << 19,
                budget: Some(8 << 20),
            }],
            defrag: Some(DefragOutcome {
                budget_ns: 50_000,
                moved_blocks: 77,
                moved_bytes: 3 << 20,
                round_ms_p999: 0.03,
                round_ms_max: 0.0495,
                live: 3 << 19,
                extent: 2 << 20,
                peak_extent: 5 << 19,
                budget: Some(5 << 19),
                fragmentation_p50: 0.12,
                fragmentation_p99: 0.4,
            }),
            streaming: Some(StreamingOutcome {
                moments: 40,
                cuts: 3,
                heap_calls: 999,
                memory_syscalls: 4321,
            }),
            trends: ["all", "frame", "marks"].map(trend).to_vec(),
            leaks: vec![LeakOutcome {
                tag: "marks".to_owned(),
                blocks: 600,
                bytes: 600 << 10,
                what: "a mark on a wall".to_owned(),
                place: "src/marks.rs:41".to_owned(),
                age_frames: 599,
            }],
        }
    }

    fn trend(name: &str) -> TrendOutcome {
        let grows = name != "frame";
        TrendOutcome {
            name: name.to_owned(),
            direction: if grows { "increasing" } else { "stable" }.to_owned(),
            confidence: 1.0,
            bytes_per_second: 61_440.0,
            bytes_per_frame: 1024.0,
            line: if grows { "increasing, 60.0 KiB per second, confident" } else { "stable" }.to_owned(),
        }
    }

    #[test]
    fn the_text_has_every_figure_and_fits_a_terminal() {
        let text = summary(&outcome());
        for part in [
            "600 frames in 1 scene, 1 thread, seed 7",
            "scene/textures    16 GiB      8 MiB  1.21 KiB  9 MiB  64 MiB",
            "heap/scenes      123,456          789  3 MiB      4 MiB",
            "general-heap calls      0",
            "minor page faults       12",
            "frame arena high water  64 KiB",
            "p50 100 µs   p99 200 µs   p99.9 300 µs   max 400 µs",
            "textures  1,234     567    566        321        245   7 MiB  7.5 MiB   8 MiB",
            "streaming, apart        40 moments (3 in a frame): 999 heap calls, 4,321 memory system calls",
            "moved after frames      77 blocks of 3 MiB in 49.5 µs at the most (p99.9 30 µs)",
            "streamed heap           1.5 MiB in use, 2 MiB held (peak 2.5 MiB), fragmentation 12 % (p99 40 %)",
            "Trend                     increasing, 60.0 KiB per second, confident\n  marks                   increasing, 60.0",
            "Leak under tag marks: 600 blocks of 600 KiB in all live, the oldest since 599 frames\n",
            "  made at src/marks.rs:41 (a mark on a wall)\n",
            "Checksum                  00ff00ff00ff00ff",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }

    #[test]
    fn what_was_not_counted_is_not_shown_as_zero() {
        let text = summary(&Outcome {
            frame_heap_calls: None,
            tags: Vec::new(),
            general_heap: Vec::new(),
            ..outcome()
        });
        assert!(text.contains("general-heap calls      not counted") && !text.contains("reserved"));
        assert!(!text.contains("handed out"));
        let text = summary(&Outcome {
            trends: Vec::new(),
            leaks: Vec::new(),
            caches: Vec::new(),
            streaming: None,
            ..outcome()
        });
        assert!(!text.contains("evictions") && !text.contains("streaming"));
        assert!(!text.contains("Trend") && !text.contains("Leak"), "the plain game looks at neither");
    }
}
