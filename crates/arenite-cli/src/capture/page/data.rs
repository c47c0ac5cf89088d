//! The figures of a page as JSON: lists of numbers, one for each column, so that a long recording stays a small page.
//!
//! Of a sample there are lists of how far figures may be from the truth beside those of the figures: their names end in `_within`.
//!
//! Times are seconds since the first event, sizes bytes. Numbers beyond 2⁵³, which only a file that was made up can have, are
//! rounded by the browser.

use std::collections::HashMap;

use arenite_inspect::{
    Detail, DetailMoment, DetailRow, Figures, FrameRow, HeapMap, Held, MomentKind, RowKind, Summary,
};
use serde_json::{Value, json};

use super::super::Opened;
use super::super::interval::whole;
use super::super::json::{budget, memory};
use super::super::report::{TagRow, tags};
use super::stacks::Tree;

/// Tags, threads and marks that are shown at the most.
const MOST_TAGS: usize = 400;
const MOST_THREADS: usize = 400;
const MOST_MARKS: usize = 400;

/// All that the page's script knows.
pub(super) fn data(opened: &mut Opened, detail: &Detail) -> Value {
    let warnings = opened.warnings();
    let Opened { path, process, summary, sites: symbols } = opened;
    let summary = &*summary;
    let tree = Tree::new(summary, detail, symbols);
    let before = summary.before();
    let frames = &summary.frames;
    let within = |bytes: u64| (summary.sample_bytes > 0).then_some(bytes);
    let threads_shown = summary.threads.iter().take(MOST_THREADS);
    let threads: Vec<Value> = threads_shown
        .map(|(number, thread)| {
            json!({
                "number": number, "name": thread.name, "allocs": thread.allocs, "reallocs": thread.reallocs,
                "frees": thread.frees, "others": thread.frees_of_others, "bytes": thread.bytes,
                "bytes_within": within(whole(&thread.asked())[0]),
            })
        })
        .collect();
    let marks: Vec<Value> = summary
        .marks
        .iter()
        .take(MOST_MARKS)
        .map(|mark| {
            json!({
                "text": mark.text, "seconds": summary.seconds(mark.time), "frame": mark.frame, "live": mark.live_bytes,
                "blocks": mark.live_blocks, "peak": mark.peak_bytes, "calls": mark.calls,
                "live_within": within(mark.live_spread.bytes_within(mark.live_bytes)),
                "peak_within": within(mark.peak_spread.bytes_within(mark.peak_bytes)),
            })
        })
        .collect();
    // At place `n` blocks of less than 2ⁿ bytes or nanoseconds, and not of less than half.
    let sizes: Vec<[u64; 4]> = (0..)
        .zip(&summary.sizes)
        .filter(|(_, class)| class.blocks > 0)
        .map(|(place, class)| [place, class.blocks, class.bytes, class.live_blocks])
        .collect();
    let lifetimes: Vec<[u64; 2]> = (0..)
        .zip(summary.lifetimes)
        .filter(|(_, blocks)| *blocks > 0)
        .map(|(place, blocks)| [place, blocks])
        .collect();
    json!({
        "file": path.file_name().map(|name| name.to_string_lossy()),
        "process": process,
        "seconds": summary.seconds(summary.end),
        "events": summary.read.events,
        "warnings": warnings,
        "sample_bytes": summary.sample_bytes,
        "passed_by": summary.passed_by,
        "total": figures(&summary.total),
        "peak": { "seconds": summary.seconds(summary.peak_time), "frame": summary.peak_frame },
        "before": { "blocks": before.blocks, "bytes": before.bytes, "unknown_frees": summary.unknown_frees, "missed_frees": summary.missed_frees },
        "memory": memory(&summary.process),
        "frames": { "count": frames.count, "per_row": frames.per_row, "slices": frames.last.is_none() },
        "tags": tag_rows(summary),
        "tags_left_out": tags(summary).len().saturating_sub(MOST_TAGS),
        "tag_names": tag_names(summary, detail),
        "tree": tree.to_json(),
        "sites": sites(&tree, summary.sample_bytes > 0),
        "sites_merged": tree.others,
        "stacks": summary.sites.len(),
        "rows": rows(summary, &tree, &detail.rows),
        "worst": rows(summary, &tree, &detail.worst),
        "moments": moments(summary, &tree, &detail.moments),
        "map": { "peak": detail.peak.as_ref().map(map), "end": map(&detail.end) },
        "marks": marks,
        "marks_left_out": summary.marks_left_out + summary.marks.len().saturating_sub(MOST_MARKS) as u64,
        "sizes": sizes,
        "lifetimes": lifetimes,
        "threads": threads,
        "threads_left_out": summary.threads.len().saturating_sub(MOST_THREADS),
    })
}

fn figures(figures: &Figures) -> Value {
    json!({
        "allocs": figures.allocs, "reallocs": figures.reallocs, "frees": figures.frees, "bytes": figures.bytes,
        "bytes_within": whole(&figures.asked())[0], "calls_within": whole(&figures.asked())[1],
        "live_within": whole(&figures.live())[0], "peak_within": figures.peak_within(),
        "temporary_within": whole(&figures.temporary())[0], "live_blocks": figures.live_blocks, "live_bytes": figures.live_bytes, "peak_bytes": figures.peak_bytes,
        "blocks_at_peak": figures.blocks_at_peak, "temporaries": figures.temporaries,
        "temporary_bytes": figures.temporary_bytes,
    })
}

fn tag_rows(summary: &Summary) -> Vec<Value> {
    let times: HashMap<&str, u64> =
        summary.tags.values().map(|tag| (tag.name.as_str(), tag.peak_time)).collect();
    let within = |bytes: u64| (summary.sample_bytes > 0).then_some(bytes);
    let row = |row: TagRow| {
        let peak_time = times.get(row.name.as_str()).copied().unwrap_or(0);
        json!({
            "name": row.name, "live": row.live_bytes, "peak": row.peak_bytes, "blocks": row.live_blocks,
            "bytes": row.bytes, "calls": row.calls, "temporaries": row.temporaries, "before": row.before_bytes,
            "committed": row.committed, "peak_committed": row.peak_committed, "budget": row.budget.map(budget),
            "live_within": within(row.live_spread.bytes_within(row.live_bytes)),
            "peak_within": within(row.peak_spread.bytes_within(row.peak_bytes)),
            "bytes_within": within(row.asked_spread.bytes_within(row.bytes)), "most_used": row.most_used, "peak_seconds": summary.seconds(peak_time),
        })
    };
    tags(summary).into_iter().take(MOST_TAGS).map(row).collect()
}

/// By the places of the detail.
fn tag_names(summary: &Summary, detail: &Detail) -> Vec<String> {
    let name = |number: &u32| summary.tags.get(number).map_or("(no tag)", |tag| tag.name.as_str());
    detail.tags.iter().map(|tag| tag.as_ref().map_or("other tags", name).to_owned()).collect()
}

/// A list for each figure.
fn sites(tree: &Tree, sampled: bool) -> Value {
    let column = |figure: fn(&Figures) -> u64| -> Vec<u64> {
        tree.sites.iter().map(|site| figure(&site.figures)).collect()
    };
    let within = |figure: fn(&Figures) -> u64| sampled.then(|| column(figure));
    json!({
        "live_within": within(|site| whole(&site.live())[0]),
        "peak_within": within(|site| whole(&site.at_peak())[0]),
        "bytes_within": within(|site| whole(&site.asked())[0]),
        "temporary_bytes_within": within(|site| whole(&site.temporary())[0]),
        "node": tree.sites.iter().map(|site| site.node).collect::<Vec<_>>(),
        // -1: it made nothing.
        "tag": tree.sites.iter().map(|site| site.tag().map_or(-1, i64::from)).collect::<Vec<_>>(),
        "mixed": tree.sites.iter().map(|site| u8::from(site.has_several_tags())).collect::<Vec<_>>(),
        "live": column(|site| site.live_bytes),
        "live_blocks": column(|site| site.live_blocks),
        "peak": column(|site| site.bytes_at_peak),
        "peak_blocks": column(|site| site.blocks_at_peak),
        "bytes": column(|site| site.bytes),
        "calls": column(Figures::calls),
        "temporaries": column(|site| site.temporaries),
        "temporary_bytes": column(|site| site.temporary_bytes),
    })
}

/// A list for each figure; of call sites five numbers each: site, calls, bytes, temporaries and their bytes.
fn rows(summary: &Summary, tree: &Tree, rows: &[DetailRow]) -> Value {
    let column =
        |figure: fn(&FrameRow) -> u64| -> Vec<u64> { rows.iter().map(|row| figure(&row.figures)).collect() };
    let seconds = |time: fn(&FrameRow) -> u64| -> Vec<f64> {
        rows.iter().map(|row| round(summary.seconds(time(&row.figures)))).collect()
    };
    let kind = |row: &DetailRow| match row.kind {
        RowKind::Before => 0,
        RowKind::Last => 2,
        RowKind::Slice => 3,
        _ => 1,
    };
    let sites = |row: &DetailRow| -> Vec<u64> {
        let mut sums: HashMap<u32, [u64; 4]> = HashMap::new();
        let mut order = Vec::new();
        for used in &row.sites {
            let site = tree.site_of[used.site as usize];
            let sum = sums.entry(site).or_insert_with(|| {
                order.push(site);
                [0; 4]
            });
            let figures = [used.calls, used.bytes, used.temporaries, used.temporary_bytes];
            for (sum, figure) in sum.iter_mut().zip(figures) {
                *sum = sum.saturating_add(figure);
            }
        }
        order.into_iter().flat_map(|site| std::iter::once(u64::from(site)).chain(sums[&site])).collect()
    };
    let others = |row: &DetailRow| {
        let others = &row.others;
        [row.other_sites, others.calls, others.bytes, others.temporaries, others.temporary_bytes]
    };
    json!({
        "kind": rows.iter().map(kind).collect::<Vec<_>>(),
        "number": column(|row| row.number),
        "frames": column(|row| row.frames),
        "start": seconds(|row| row.start),
        "end": seconds(|row| row.end),
        "calls": column(FrameRow::calls),
        "frees": column(|row| row.frees),
        "bytes": column(|row| row.bytes),
        "temporaries": column(|row| row.temporaries),
        "live": column(|row| row.live_bytes),
        "peak": column(|row| row.peak_bytes),
        "used": column(|row| row.used_bytes),
        "sites": rows.iter().map(sites).collect::<Vec<_>>(),
        "others": rows.iter().map(others).collect::<Vec<_>>(),
    })
}

/// To the nanosecond: more digits say nothing.
fn round(seconds: f64) -> f64 {
    (seconds * 1e9).round() / 1e9
}

/// Moments with the call sites that changed since the moment before: site, blocks, bytes.
fn moments(summary: &Summary, tree: &Tree, moments: &[DetailMoment]) -> Vec<Value> {
    let mut last = vec![Held::default(); tree.sites.len()];
    let moment = |moment: &DetailMoment| {
        let mut held = vec![Held::default(); tree.sites.len()];
        for (place, some) in &moment.sites {
            let sum = &mut held[tree.site_of[*place as usize] as usize];
            *sum = sum.and(some);
        }
        let changed = (0u64..)
            .zip(held.iter().zip(&last))
            .filter(|(_, (now, before))| (now.blocks, now.bytes) != (before.blocks, before.bytes));
        let changed: Vec<u64> = changed.flat_map(|(site, (now, _))| [site, now.blocks, now.bytes]).collect();
        last = held;
        let (kind, text) = match &moment.kind {
            MomentKind::Beginning => ("beginning", ""),
            MomentKind::Mark(text) => ("mark", text.as_str()),
            MomentKind::Frame => ("frame", ""),
            MomentKind::Time => ("time", ""),
            MomentKind::Peak => ("peak", ""),
            _ => ("end", ""),
        };
        let tags: Vec<[u64; 3]> =
            moment.tags.iter().map(|(tag, held)| [u64::from(*tag), held.blocks, held.bytes]).collect();
        json!({
            "kind": kind, "text": text, "seconds": round(summary.seconds(moment.moment.time)),
            "frame": moment.moment.frame, "blocks": moment.total.blocks, "bytes": moment.total.bytes,
            "sites": changed, "tags": tags,
        })
    };
    moments.iter().map(moment).collect()
}

/// Runs of cells that follow each other: where each begins (hexadecimal), and three numbers a cell: bytes, tag, bytes of that tag.
fn map(map: &HeapMap) -> Value {
    let mut runs: Vec<(u64, Vec<u64>)> = Vec::new();
    let mut next = None;
    for cell in &map.cells {
        if next != Some(cell.address) {
            runs.push((cell.address, Vec::new()));
        }
        if let Some((_, cells)) = runs.last_mut() {
            cells.extend([cell.bytes, cell.tag.into(), cell.tag_bytes]);
        }
        next = cell.address.checked_add(map.cell_bytes);
    }
    let runs: Vec<Value> = runs
        .into_iter()
        .map(|(start, cells)| json!({ "start": format!("{start:x}"), "cells": cells }))
        .collect();
    json!({
        "cell": map.cell_bytes, "runs": runs, "blocks": map.blocks, "bytes": map.bytes, "pages": map.pages,
        "ranges": map.ranges,
    })
}
