//! A report for a terminal of 100 columns.

use std::fmt::Write as _;

use arenite_demo::report::units::{bytes, count, counted, millis};
use arenite_inspect::{Estimate, Figures, FrameRow, Summary};

use super::interval::{Told, whole};
use super::report::{TagRow, most, tags};
use super::sites::Sites;
use super::{Opened, seconds, shown};
use crate::table::Table;

/// Tags, marks and threads that are shown at the most.
const MOST_ROWS: usize = 40;
/// Of the worst frames.
const WORST: usize = 5;
/// The longest bar.
const BAR: u64 = 40;

/// Bytes of a call site, and the same with their interval.
type Figure = fn(&Figures) -> u64;
type Interval = fn(&Figures) -> Estimate;

/// The whole text, ending in a line break.
pub(super) fn report(opened: &mut Opened, top: usize) -> String {
    let mut text = head(opened);
    let Opened { summary, sites, .. } = opened;
    tag_table(&mut text, summary);
    let lists: [(&str, Figure, Interval); 4] = [
        ("live at the end", |site| site.live_bytes, Figures::live),
        ("live at the peak", |site| site.bytes_at_peak, Figures::at_peak),
        ("asked for", |site| site.bytes, Figures::asked),
        ("asked for and given back in the same frame", |site| site.temporary_bytes, Figures::temporary),
    ];
    for (what, figure, interval) in lists {
        site_list(&mut text, summary, sites, top, what, (figure, interval));
    }
    frames(&mut text, summary);
    marks(&mut text, summary);
    let sizes: Vec<(String, u64)> =
        summary.sizes.iter().enumerate().map(|(place, class)| (size_name(place), class.blocks)).collect();
    let estimated = if summary.sample_bytes > 0 { ", estimated" } else { "" };
    histogram(&mut text, &format!("Blocks by size{estimated}"), &sizes);
    let lives: Vec<(String, u64)> =
        summary.lifetimes.iter().enumerate().map(|(place, blocks)| (time_name(place), *blocks)).collect();
    histogram(&mut text, &format!("Blocks given back, by how long they lived{estimated}"), &lives);
    threads(&mut text, summary);
    text
}

fn head(opened: &Opened) -> String {
    let summary = &opened.summary;
    let (total, told) = (&summary.total, Told::of(summary));
    let mut text = format!(
        "\n{}: process {}, {}, {}, {}\n\n",
        shown(&opened.path),
        opened.process,
        seconds(summary.seconds(summary.end)),
        counted(summary.frames.count, "frame", "frames"),
        counted(
            summary.threads.values().filter(|thread| thread.allocs + thread.frees > 0).count() as u64,
            "thread",
            "threads"
        )
    );
    for warning in opened.warnings() {
        let _ = writeln!(text, "note: {warning}");
    }
    let mut line = |name: &str, figure: String| {
        let _ = writeln!(text, "{name:<26}{figure}");
    };
    line("live at the end", told.held(total.live_bytes, total.live_blocks, &total.live()));
    let frame = summary.peak_frame.map_or(String::new(), |frame| format!(", in frame {}", count(frame)));
    line(
        "at the peak",
        format!(
            "{}, after {}{frame}",
            told.held(total.peak_bytes, total.blocks_at_peak, &total.at_peak()),
            seconds(summary.seconds(summary.peak_time))
        ),
    );
    let [asked_within, calls_within] = whole(&total.asked());
    let asked = told.bytes(total.bytes, asked_within);
    let frees = told.counted(total.frees, total.frees_within(), "free", "frees");
    line(
        "asked for",
        if told.is_sampled() {
            // What is resized is given back and made anew, as far as a sample knows.
            format!("{asked} by {}; {frees}", told.counted(total.calls(), calls_within, "call", "calls"))
        } else {
            format!(
                "{asked} by {} and {}; {frees}",
                counted(total.allocs, "allocation", "allocations"),
                counted(total.reallocs, "reallocation", "reallocations"),
            )
        },
    );
    if told.is_sampled() {
        let recorded = &summary.recorded;
        let blocks = counted(recorded.blocks, "block", "blocks");
        line("in the sample", format!("{blocks} of {}", bytes(recorded.bytes)));
    }
    if summary.frames.count > 0 {
        let share = 100.0 * total.temporaries as f64 / total.allocs.max(1) as f64;
        let [within, blocks_within] = whole(&total.temporary());
        let blocks = told.counted(total.temporaries, blocks_within, "block", "blocks");
        let size = told.bytes(total.temporary_bytes, within);
        line("freed in the same frame", format!("{blocks} of {size}, {share:.0} % of all"));
    }
    if total.moves > 0 {
        let [within, moves_within] = whole(&total.moved());
        let moves = told.counted(total.moves, moves_within, "move", "moves");
        line("moved by their heaps", format!("{moves} of {}", told.bytes(total.moved_bytes, within)));
    }
    let memory = &summary.process;
    if memory.resident > 0 {
        line(
            "of the machine's memory",
            format!(
                "{}, at most {}; tags have {}, so {} is no tag's",
                bytes(memory.resident),
                bytes(memory.peak_resident),
                bytes(memory.committed),
                bytes(memory.untracked())
            ),
        );
    }
    let before = summary.before();
    if before.blocks > 0 || summary.unknown_frees > 0 {
        line(
            "before the recording",
            format!(
                "{} in {}, of which nothing else is known; {} of such blocks",
                bytes(before.bytes),
                counted(before.blocks, "block", "blocks"),
                counted(summary.unknown_frees, "free", "frees")
            ),
        );
    }
    text.push('\n');
    text
}

fn tag_table(text: &mut String, summary: &Summary) {
    let rows = tags(summary);
    if rows.is_empty() {
        return;
    }
    // Memory is told of arenas and pools, which are not recorded block by block.
    let memory = rows.iter().any(|row| row.peak_committed > 0);
    let told = Told::of(summary);
    let mut head = vec!["tag, with those below it", "live", "peak", "blocks", "asked for", "calls"];
    if told.is_sampled() {
        // Intervals need the room.
        head.retain(|name| *name != "blocks");
    }
    if memory {
        head.extend(["memory", "peak", "in use"]);
    } else if !told.is_sampled() {
        head.extend(["same frame", "before"]);
    }
    let mut table = Table::new(&head);
    for row in rows.iter().take(MOST_ROWS) {
        let mut cells = vec![
            row.name.clone(),
            told.spread_cell(row.live_bytes, &row.live_spread),
            told.spread_cell(row.peak_bytes, &row.peak_spread),
        ];
        if !told.is_sampled() {
            cells.push(count(row.live_blocks));
        }
        cells.push(told.spread_cell(row.bytes, &row.asked_spread));
        cells.push(told.count_cell(row.calls, row.asked_spread.blocks_within(row.calls)));
        if memory {
            cells.extend(
                [row.committed, row.peak_committed].map(|size| bytes(u64::try_from(size).unwrap_or(0))),
            );
            cells.push(bytes(row.peak_used));
        } else if !told.is_sampled() {
            cells.extend([count(row.temporaries), bytes(row.before_bytes)]);
        }
        table.row(cells);
    }
    let _ = writeln!(text, "{table}{}", more(rows.len(), "tags"));
    budgets(text, &rows);
}

/// What tags were allowed, and how near they came.
fn budgets(text: &mut String, rows: &[TagRow]) {
    let mut table =
        Table::new(&["budget of", "may have", "beyond it", "warns from", "has", "at most", "of it"]);
    let limited: Vec<_> = rows.iter().filter_map(|row| Some((row, row.budget?))).collect();
    if limited.is_empty() {
        return;
    }
    for (row, budget) in limited.iter().take(MOST_ROWS) {
        let [now, most] = [row.committed, row.peak_committed].map(|size| u64::try_from(size).unwrap_or(0));
        table.row(vec![
            row.name.clone(),
            bytes(budget.limit),
            if budget.hard { "refused" } else { "told" }.to_owned(),
            budget.warning.map_or("–".to_owned(), bytes),
            bytes(now),
            bytes(most),
            format!("{:.0} %", 100.0 * most as f64 / budget.limit.max(1) as f64),
        ]);
    }
    let _ = writeln!(text, "{table}{}", more(limited.len(), "budgets"));
}

/// A line for rows that are not shown.
fn more(rows: usize, what: &str) -> String {
    if rows > MOST_ROWS { format!("… {} more {what}\n", rows - MOST_ROWS) } else { String::new() }
}

fn site_list(
    text: &mut String,
    summary: &Summary,
    sites: &mut Sites,
    top: usize,
    what: &str,
    (figure, interval): (Figure, Interval),
) {
    let worst = most(summary, top, figure);
    if worst.is_empty() {
        return;
    }
    let all = figure(&summary.total).max(1) as f64;
    let _ = writeln!(text, "Call sites with most bytes {what}");
    let told = Told::of(summary);
    for (stack, site) in worst {
        if told.is_sampled() {
            // The other figures have lists of their own.
            let _ = writeln!(
                text,
                "  {} ({:.1} %)",
                told.bytes(figure(&site), whole(&interval(&site))[0]),
                100.0 * figure(&site) as f64 / all
            );
            text.push_str(&sites.text(summary.stack(stack)));
            continue;
        }
        let _ = writeln!(
            text,
            "  {} ({:.1} %) · {} live in {} · {} at the peak · {} by {}",
            bytes(figure(&site)),
            100.0 * figure(&site) as f64 / all,
            bytes(site.live_bytes),
            counted(site.live_blocks, "block", "blocks"),
            bytes(site.bytes_at_peak),
            bytes(site.bytes),
            counted(site.calls(), "call", "calls")
        );
        text.push_str(&sites.text(summary.stack(stack)));
    }
    text.push('\n');
}

fn frames(text: &mut String, summary: &Summary) {
    let frames = &summary.frames;
    if frames.count == 0 {
        return;
    }
    let sum = |figure: fn(&FrameRow) -> u64| frames.rows.iter().map(figure).fold(0, u64::saturating_add);
    let told = Told::of(summary);
    let _ = writeln!(
        text,
        "Frames: {}, of {}{:.1} calls and {} each on average",
        count(frames.count),
        if told.is_sampled() { "about " } else { "" },
        sum(FrameRow::calls) as f64 / frames.count as f64,
        bytes(sum(|row| row.bytes) / frames.count)
    );
    if !frames.most_calls.is_empty() {
        let mut table = Table::new(&[
            "worst frame",
            "after",
            "time",
            "calls",
            "asked for",
            "frees",
            "same frame",
            "peak",
        ]);
        let mut rows: Vec<&FrameRow> = frames.most_calls.iter().take(WORST).collect();
        for row in frames.most_bytes.iter().take(WORST) {
            if rows.iter().all(|other| other.start != row.start) {
                rows.push(row);
            }
        }
        for row in rows {
            table.row(vec![
                row.number.to_string(),
                seconds(summary.seconds(row.start)),
                seconds(summary.seconds(row.end) - summary.seconds(row.start)),
                told.count_cell(row.calls(), row.spread.blocks_within(row.calls())),
                told.spread_cell(row.bytes, &row.spread),
                count(row.frees),
                count(row.temporaries),
                bytes(row.peak_bytes),
            ]);
        }
        let _ = write!(text, "{table}");
        if told.is_sampled() {
            text.push_str("A frame has few blocks of the sample: which frames were the worst is a guess.\n");
        }
    }
    text.push('\n');
}

fn marks(text: &mut String, summary: &Summary) {
    if summary.marks.is_empty() {
        return;
    }
    let told = Told::of(summary);
    let mut table = Table::new(&["mark", "frame", "after", "live", "blocks", "peak before", "calls before"]);
    for mark in summary.marks.iter().take(MOST_ROWS) {
        table.row(vec![
            mark.text.clone(),
            mark.frame.map_or("–".to_owned(), count),
            seconds(summary.seconds(mark.time)),
            told.spread_cell(mark.live_bytes, &mark.live_spread),
            told.count_cell(mark.live_blocks, mark.live_spread.blocks_within(mark.live_blocks)),
            told.spread_cell(mark.peak_bytes, &mark.peak_spread),
            told.count_cell(mark.calls, mark.calls_spread.blocks_within(mark.calls)),
        ]);
    }
    let all = summary.marks.len() + usize::try_from(summary.marks_left_out).unwrap_or(usize::MAX / 2);
    let _ = writeln!(text, "{table}{}", more(all, "marks"));
}

/// Bars, from the first to the last that is not empty.
fn histogram(text: &mut String, name: &str, classes: &[(String, u64)]) {
    let most = classes.iter().map(|(_, blocks)| *blocks).max().unwrap_or(0);
    let first = classes.iter().position(|(_, blocks)| *blocks > 0);
    let last = classes.iter().rposition(|(_, blocks)| *blocks > 0);
    let (Some(first), Some(last)) = (first, last) else { return };
    let _ = writeln!(text, "{name}");
    for (class, blocks) in &classes[first..=last] {
        let bar = (u128::from(*blocks) * u128::from(BAR)).div_ceil(u128::from(most)) as usize;
        let line = format!("  {class:>10}  {:>15}  {}", count(*blocks), "█".repeat(bar));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
}

/// The largest size of a class.
fn size_name(place: usize) -> String {
    let largest = if place >= 64 { u64::MAX } else { 1 << place };
    if place == 0 { "0 B".to_owned() } else { format!("< {}", bytes(largest)) }
}

fn time_name(place: usize) -> String {
    let longest = if place >= 64 { u64::MAX } else { 1 << place };
    format!("< {}", millis(longest as f64 / 1e6))
}

fn threads(text: &mut String, summary: &Summary) {
    let mut rows: Vec<_> = summary
        .threads
        .iter()
        .filter(|(_, thread)| thread.allocs + thread.reallocs + thread.frees > 0)
        .collect();
    rows.sort_by_key(|(number, thread)| (std::cmp::Reverse(thread.bytes), **number));
    if rows.is_empty() {
        return;
    }
    let told = Told::of(summary);
    let mut table =
        Table::new(&["thread", "asked for", "allocations", "reallocations", "frees", "of others' blocks"]);
    for (number, thread) in rows.iter().take(MOST_ROWS) {
        table.row(vec![
            thread.name.clone().unwrap_or_else(|| format!("thread {number}")),
            told.spread_cell(thread.bytes, &thread.spread),
            told.count_cell(thread.allocs, thread.spread.blocks_within(thread.allocs)),
            count(thread.reallocs),
            told.count_cell(thread.frees, thread.frees_within()),
            count(thread.frees_of_others),
        ]);
    }
    let _ = write!(text, "{table}{}", more(rows.len(), "threads"));
}
