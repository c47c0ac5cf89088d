//! A report for machines. Times are seconds since the first event, sizes bytes.
//!
//! Of a sample figures are estimates of the whole (`estimated`), and beside them is a `within`: the true figure is no further away, 95
//! times in 100. What has none there is estimated as well.

use arenite_inspect::{
    BudgetFigures, Figures, FileState, Frame, FrameRow, ModuleFile, ProcessFigures, Spread, Summary,
};
use serde_json::{Value, json};

use super::Opened;
use super::interval::whole;
use super::report::{TagRow, most, tags};
use super::sites::Sites;
use crate::fault::Fault;

/// The whole text, ending in a line break.
pub(super) fn report(opened: &mut Opened, top: usize) -> Result<String, Fault> {
    let warnings = opened.warnings();
    let Opened { path, process, summary, sites } = opened;
    let (before, sampled) = (summary.before(), summary.sample_bytes > 0);
    let frames = &summary.frames;
    let rows = |rows: &[FrameRow]| -> Vec<Value> { rows.iter().map(|row| frame(summary, row)).collect() };
    let tags: Vec<Value> = tags(summary)
        .into_iter()
        .map(|row| {
            let within = sampled.then(|| within_of_tag(&row));
            json!({
                "name": row.name, "live_bytes": row.live_bytes, "live_blocks": row.live_blocks, "peak_bytes": row.peak_bytes,
                "bytes": row.bytes, "calls": row.calls, "temporaries": row.temporaries, "before_bytes": row.before_bytes,
                "committed": row.committed, "peak_committed": row.peak_committed, "budget": row.budget.map(budget),
                "most_used": row.most_used, "peak_used": row.peak_used, "within": within,
            })
        })
        .collect();
    let marks = summary.marks.iter().map(|mark| {
        json!({
            "text": mark.text, "seconds": summary.seconds(mark.time), "frame": mark.frame, "live_bytes": mark.live_bytes,
            "live_blocks": mark.live_blocks, "peak_bytes": mark.peak_bytes, "calls": mark.calls,
            "within": sampled.then(|| json!({
                "live_bytes": mark.live_spread.bytes_within(mark.live_bytes),
                "live_blocks": mark.live_spread.blocks_within(mark.live_blocks),
                "peak_bytes": mark.peak_spread.bytes_within(mark.peak_bytes),
                "calls": mark.calls_spread.blocks_within(mark.calls),
            })),
        })
    });
    let threads = summary.threads.iter().map(|(number, thread)| {
        json!({
            "number": number, "name": thread.name, "allocs": thread.allocs, "reallocs": thread.reallocs,
            "frees": thread.frees, "frees_of_others": thread.frees_of_others, "bytes": thread.bytes,
            "within": sampled.then(|| {
                let mut within = asked_within(&thread.spread, thread.allocs + thread.reallocs, thread.bytes);
                within["frees"] = thread.frees_within().into();
                within
            }),
        })
    });
    // At place `n` blocks of less than 2ⁿ bytes or nanoseconds, and not of less than half.
    let sizes = summary.sizes.iter().enumerate().filter(|(_, class)| class.blocks > 0).map(|(place, class)| {
        json!({ "log2": place, "blocks": class.blocks, "bytes": class.bytes, "live_blocks": class.live_blocks })
    });
    let lifetimes = summary.lifetimes.iter().enumerate().filter(|(_, blocks)| **blocks > 0);
    let lifetimes = lifetimes.map(|(place, blocks)| json!({ "log2_ns": place, "blocks": blocks }));
    let modules: Vec<Value> = sites.files().map(module).collect();
    let value = json!({
        "file": path.display().to_string(),
        "process": process,
        "seconds": summary.seconds(summary.end),
        "complete": summary.complete,
        "whole": summary.is_whole(),
        "lost_events": summary.lost,
        "damaged_chunks": summary.read.damaged,
        "skipped_bytes": summary.skipped,
        "events": summary.read.events,
        "sample_bytes": summary.sample_bytes,
        "estimated": sampled,
        "recorded": { "blocks": summary.recorded.blocks, "bytes": summary.recorded.bytes },
        "pauses": summary.pauses,
        "warnings": warnings,
        "total": figures(&summary.total, sampled),
        "peak": { "seconds": summary.seconds(summary.peak_time), "frame": summary.peak_frame },
        "before": { "blocks": before.blocks, "bytes": before.bytes, "unknown_frees": summary.unknown_frees, "missed_frees": summary.missed_frees },
        "memory": memory(&summary.process),
        "tags": tags,
        "sites": {
            "count": summary.sites.len(),
            "live": site_list(summary, sites, top, |site| site.live_bytes),
            "peak": site_list(summary, sites, top, |site| site.bytes_at_peak),
            "churn": site_list(summary, sites, top, |site| site.bytes),
            "temporary": site_list(summary, sites, top, |site| site.temporary_bytes),
        },
        "frames": {
            "count": frames.count,
            "per_row": frames.per_row,
            "before": frame(summary, &frames.before),
            "rows": rows(&frames.rows),
            "last": frames.last.as_ref().map(|row| frame(summary, row)),
            "most_calls": rows(&frames.most_calls),
            "most_bytes": rows(&frames.most_bytes),
        },
        "marks": marks.collect::<Vec<_>>(),
        "marks_left_out": summary.marks_left_out,
        "sizes": sizes.collect::<Vec<_>>(),
        "lifetimes": lifetimes.collect::<Vec<_>>(),
        "threads": threads.collect::<Vec<_>>(),
        "modules": modules,
    });
    serde_json::to_string_pretty(&value).map(|text| plain(&text) + "\n").map_err(Fault::new)
}

/// Without the control characters that JSON allows as they are, which some terminals obey: within strings, where alone they can be,
/// they are written as numbers.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for symbol in text.chars() {
        match symbol {
            '\u{7f}'..='\u{9f}' => plain.push_str(&format!("\\u{:04x}", u32::from(symbol))),
            _ => plain.push(symbol),
        }
    }
    plain
}

fn module(file: ModuleFile<'_>) -> Value {
    let state = match file.state {
        FileState::Read => "as it was",
        FileState::Changed => "changed",
        _ => "missing",
    };
    let id = (!file.build_id.is_empty()).then_some(file.build_id);
    json!({ "path": file.path, "build_id": id, "file": state })
}

fn figures(figures: &Figures, sampled: bool) -> Value {
    let within = sampled.then(|| {
        let [live, live_blocks] = whole(&figures.live());
        let [at_peak, blocks_at_peak] = whole(&figures.at_peak());
        let [asked, calls] = whole(&figures.asked());
        let [temporary, temporaries] = whole(&figures.temporary());
        let [moved, moves] = whole(&figures.moved());
        json!({
            "bytes": asked, "calls": calls, "frees": figures.frees_within(), "live_blocks": live_blocks,
            "live_bytes": live, "peak_bytes": figures.peak_within(), "blocks_at_peak": blocks_at_peak,
            "bytes_at_peak": at_peak, "temporaries": temporaries, "temporary_bytes": temporary,
            "moves": moves, "moved_bytes": moved,
        })
    });
    json!({
        "allocs": figures.allocs, "reallocs": figures.reallocs, "frees": figures.frees, "bytes": figures.bytes,
        "live_blocks": figures.live_blocks, "live_bytes": figures.live_bytes, "peak_bytes": figures.peak_bytes,
        "blocks_at_peak": figures.blocks_at_peak, "bytes_at_peak": figures.bytes_at_peak,
        "temporaries": figures.temporaries, "temporary_bytes": figures.temporary_bytes,
        "moves": figures.moves, "moved_bytes": figures.moved_bytes, "within": within,
    })
}

/// How far what was asked for may be from the truth.
fn asked_within(spread: &Spread, calls: u64, bytes: u64) -> Value {
    json!({ "calls": spread.blocks_within(calls), "bytes": spread.bytes_within(bytes) })
}

fn within_of_tag(row: &TagRow) -> Value {
    let mut within = asked_within(&row.asked_spread, row.calls, row.bytes);
    within["live_bytes"] = row.live_spread.bytes_within(row.live_bytes).into();
    within["live_blocks"] = row.live_spread.blocks_within(row.live_blocks).into();
    within["peak_bytes"] = row.peak_spread.bytes_within(row.peak_bytes).into();
    within
}

pub(super) fn budget(budget: BudgetFigures) -> Value {
    json!({ "limit": budget.limit, "hard": budget.hard, "warning": budget.warning })
}

/// `null` if the recording does not tell it.
pub(super) fn memory(process: &ProcessFigures) -> Option<Value> {
    (process.resident > 0).then(|| {
        json!({
            "resident": process.resident, "peak_resident": process.peak_resident, "committed": process.committed,
            "peak_committed": process.peak_committed, "untracked": process.untracked(),
        })
    })
}

fn frame(summary: &Summary, row: &FrameRow) -> Value {
    json!({
        "number": row.number, "frames": row.frames, "start": summary.seconds(row.start), "end": summary.seconds(row.end),
        "allocs": row.allocs, "reallocs": row.reallocs, "frees": row.frees, "bytes": row.bytes,
        "temporaries": row.temporaries, "live_bytes": row.live_bytes, "peak_bytes": row.peak_bytes,
        "used_bytes": row.used_bytes,
        "within": (summary.sample_bytes > 0).then(|| asked_within(&row.spread, row.calls(), row.bytes)),
    })
}

fn site_list(summary: &Summary, sites: &mut Sites, top: usize, figure: fn(&Figures) -> u64) -> Vec<Value> {
    let shown =
        |Frame { function, file, line }: Frame| json!({ "function": function, "file": file, "line": line });
    let most = most(summary, top, figure).into_iter();
    most.map(|(stack, site)| {
        let frames: Vec<Value> = sites.frames(summary.stack(stack)).into_iter().map(shown).collect();
        json!({ "stack": stack, "figures": figures(&site, summary.sample_bytes > 0), "frames": frames })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_send_no_codes_to_a_terminal() {
        let name = "a\u{1b}[2J \u{7f}\u{9b}2J\u{a0}ö\n";
        let text = plain(&json!({ "name": name }).to_string());
        assert!(!text.chars().any(char::is_control), "{text:?}");
        let read: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read["name"], name);
    }
}
