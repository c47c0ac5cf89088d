//! The heap of streamed resources: how much it held frame by frame, and what lay where, before and after moving.

use std::fmt::{self, Write};

use super::arena::series;
use super::memory::to_bytes;
use super::scale::Axis;
use super::svg::{At, BUCKETS, EscapedLines, Frames, LEFT, Plot, RIGHT, legend, size};
use super::thin::summarise;
use super::units::{bytes, count, counted, millis};
use crate::outcome::{FrameSample, HeapMap, HeapPiece, PieceKind, Record};

/// Rows that a map is cut into, and what one of them is high.
const ROWS: u64 = 12;
const ROW: f64 = 18.0;
/// The most pieces that are drawn; more would be a blot, and a page of megabytes. The caption says so.
const MOST: usize = 5000;
/// Space between two rows.
const GAP: f64 = 4.0;

/// Draws the chart and the maps; nothing for a run without such a heap.
pub(super) fn draw(out: &mut dyn Write, record: &Record) -> fmt::Result {
    let Some(defrag) = &record.outcome.defrag else { return Ok(()) };
    write!(out, "<section class=\"card\"><h2>The heap that moves its blocks together</h2>")?;
    write!(
        out,
        "<p class=\"hint\">{}: {} of {} moved; a round took {} at the most, {} in 999 of 1000. Of what was free, {:.0} % lay outside the \
         largest piece in the middle of all frames.</p>",
        match defrag.budget_ns {
            0 => "Never moved".to_owned(),
            budget => format!("{} after each frame", millis(size(budget) / 1e6)),
        },
        counted(defrag.moved_blocks, "block", "blocks"),
        bytes(defrag.moved_bytes),
        millis(defrag.round_ms_max),
        millis(defrag.round_ms_p999),
        defrag.fragmentation_p50 * 100.0
    )?;
    chart(out, record)?;
    if !record.heap_maps.is_empty() {
        let entries = [("s0", "texture"), ("s3", "sound"), ("s5", "must not move now"), ("track", "free")];
        legend(out, &entries.map(|(class, name)| (class.to_owned(), name.to_owned())))?;
        for map in &record.heap_maps {
            strip(out, map)?;
        }
    }
    write!(out, "</section>")
}

/// What the heap held, and what of that was in use, frame by frame.
fn chart(out: &mut dyn Write, record: &Record) -> fmt::Result {
    let most = record.timeline.iter().map(|sample| sample.heap.extent).max().unwrap_or(0);
    if most == 0 {
        return write!(out, "<p class=\"none\">Nothing was in it.</p>");
    }
    let plot = Plot::new(240.0, 44.0);
    let frames = Frames::new(record);
    let budget = record.outcome.defrag.and_then(|defrag| defrag.budget);
    let y = Axis::bytes(size(most.max(budget.unwrap_or(0))), plot.bottom, plot.top);
    plot.open(out, "heap", "Lines: bytes that the heap held and bytes of its blocks, frame by frame")?;
    plot.vertical(out, &y, "held", |tick| bytes(to_bytes(tick)))?;
    plot.horizontal(out, &frames.axis, "frame", |tick| count(to_bytes(tick)))?;
    let values = |of: fn(&FrameSample) -> u64| -> Vec<f64> {
        record.timeline.iter().map(|sample| size(of(sample))).collect()
    };
    let (held, live) = (values(|sample| sample.heap.extent), values(|sample| sample.heap.live));
    series(out, &frames, &y, &summarise(&held, BUCKETS), "s1", false)?;
    series(out, &frames, &y, &summarise(&live, BUCKETS), "s0", true)?;
    let mut entries = vec![
        ("s1".to_owned(), format!("held · most {}", bytes(most))),
        ("s0".to_owned(), "in use".to_owned()),
    ];
    if let Some(budget) = budget {
        let at = At(y.at(size(budget)));
        write!(out, "<path class=\"limit mark\" d=\"M{} {at}H{}\"/>", At(LEFT), At(RIGHT))?;
        entries.push(("limit".to_owned(), format!("what may be loaded · {}", bytes(budget))));
    }
    frames.mark_scenes(out, record, &plot)?;
    frames.columns(out, &plot, |first, end| {
        let samples = &record.timeline[first..end];
        let most = |of: fn(&FrameSample) -> u64| samples.iter().map(of).max().unwrap_or(0);
        let torn = samples.iter().map(|sample| sample.heap.fragmentation).fold(0.0, f32::max);
        let moved: u64 = samples.iter().map(|sample| sample.heap.moved).sum();
        format!(
            "held: {}\nin use: {}\nfree, but not in the largest piece: {:.0} %\nmoved: {}",
            bytes(most(|sample| sample.heap.extent)),
            bytes(most(|sample| sample.heap.live)),
            torn * 100.0,
            bytes(moved)
        )
    })?;
    write!(out, "</svg>")?;
    legend(out, &entries)
}

/// One map: the heap's memory in rows, read like a text.
fn strip(out: &mut dyn Write, map: &HeapMap) -> fmt::Result {
    let free: u64 =
        map.pieces.iter().filter(|piece| piece.what == PieceKind::Free).map(|piece| piece.size).sum();
    let largest = map
        .pieces
        .iter()
        .filter(|piece| piece.what == PieceKind::Free)
        .map(|piece| piece.size)
        .max()
        .unwrap_or(0);
    write!(
        out,
        "<p class=\"hint\"><b>{}</b>: {} of {} free, the largest piece {}</p>",
        EscapedLines(&map.when),
        bytes(free),
        bytes(map.extent),
        bytes(largest)
    )?;
    let row = map.extent.div_ceil(ROWS).max(1);
    let height = size(ROWS) * (ROW + GAP);
    write!(
        out,
        "<svg class=\"chart\" data-chart=\"heap-map\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"Map of the heap {}\">",
        At(RIGHT + 30.0),
        At(height),
        EscapedLines(&map.when)
    )?;
    for number in 0..ROWS {
        let start = number * row;
        let bytes_here = map.extent.saturating_sub(start).min(row);
        if bytes_here == 0 {
            break;
        }
        let y = size(number) * (ROW + GAP);
        write!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><rect class=\"heap-free\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            At(LEFT - 8.0),
            At(y + ROW - 5.0),
            bytes(start),
            At(LEFT),
            At(y),
            At((RIGHT - LEFT) * size(bytes_here) / size(row)),
            At(ROW)
        )?;
    }
    // A piece that reaches over rows is drawn in each of them.
    let mut room = 2 * MOST;
    for piece in map.pieces.iter().take(MOST) {
        draw_piece(out, piece, row, &mut room)?;
    }
    write!(out, "</svg>")?;
    match map.pieces.len() {
        0..=MOST => Ok(()),
        all => write!(
            out,
            "<p class=\"hint\">The first {} of {} pieces.</p>",
            count(MOST as u64),
            count(all as u64)
        ),
    }
}

/// A piece, in as many rows as it lies in.
fn draw_piece(out: &mut dyn Write, piece: &HeapPiece, row: u64, room: &mut usize) -> fmt::Result {
    let (class, what) = match piece.what {
        PieceKind::Free => return Ok(()),
        PieceKind::Texture => ("s0", "texture"),
        PieceKind::Sound => ("s3", "sound"),
        PieceKind::Pinned => ("s5", "pinned"),
    };
    let (mut at, end) = (piece.offset, piece.offset.saturating_add(piece.size));
    while at < end {
        let number = at / row;
        if number >= ROWS || *room == 0 {
            break;
        }
        *room -= 1;
        let stop = end.min((number + 1).saturating_mul(row));
        let x = |offset: u64| LEFT + (RIGHT - LEFT) * size(offset - number * row) / size(row);
        write!(
            out,
            "<rect class=\"bar mark {class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{what} of {} at {}, {} old</title></rect>",
            At(x(at)),
            At(size(number) * (ROW + GAP)),
            At((x(stop) - x(at) - 0.4).max(0.4)),
            At(ROW),
            bytes(piece.size),
            bytes(piece.offset),
            counted(u64::from(piece.age), "frame", "frames")
        )?;
        at = stop;
    }
    Ok(())
}
