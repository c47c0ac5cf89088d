//! A report for a terminal of 100 columns.

use std::fmt::Write as _;

use arenite_demo::report::units::{bytes, count, counted, millis};
use arenite_inspect::{Figures, FrameRow, Summary};

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

/// The whole text, ending in a line break.
pub(super) fn report(opened: &mut Opened, top: usize) -> String {
    let mut text = head(opened);
    let Opened { summary, sites, .. } = opened;
    tag_table(&mut text, summary);
    site_list(&mut text, summary, sites, top, "live at the end", |site| site.live_bytes);
    site_list(&mut text, summary, sites, top, "live at the peak", |site| site.bytes_at_peak);
    site_list(&mut text, summary, sites, top, "asked for", |site| site.bytes);
    site_list(&mut text, summary, sites, top, "asked for and given back in the same frame", |site| {
        site.temporary_bytes
    });
    frames(&mut text, summary);
    marks(&mut text, summary);
    let sizes: Vec<(String, u64)> =
        summary.sizes.iter().enumerate().map(|(place, class)| (size_name(place), class.blocks)).collect();
    histogram(&mut text, "Blocks by size", &sizes);
    let lives: Vec<(String, u64)> =
        summary.lifetimes.iter().enumerate().map(|(place, blocks)| (time_name(place), *blocks)).collect();
    histogram(&mut text, "Blocks given back, by how long they lived", &lives);
    threads(&mut text, summary);
    text
}

fn head(opened: &Opened) -> String {
    let summary = &opened.summary;
    let total = &summary.total;
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
    line(
        "live at the end",
        format!("{} in {}", bytes(total.live_bytes), counted(total.live_blocks, "block", "blocks")),
    );
    let frame = summary.peak_frame.map_or(String::new(), |frame| format!(", in frame {}", count(frame)));
    line(
        "at the peak",
        format!(
            "{} in {}, after {}{frame}",
            bytes(total.peak_bytes),
            counted(total.blocks_at_peak, "block", "blocks"),
            seconds(summary.seconds(summary.peak_time))
        ),
    );
    line(
        "asked for",
        format!(
            "{} by {} and {}; {}",
            bytes(total.bytes),
            counted(total.allocs, "allocation", "allocations"),
            counted(total.reallocs, "reallocation", "reallocations"),
            counted(total.frees, "free", "frees")
        ),
    );
    if summary.frames.count > 0 {
        let share = 100.0 * total.temporaries as f64 / total.allocs.max(1) as f64;
        let blocks = counted(total.temporaries, "block", "blocks");
        line(
            "freed in the same frame",
            format!("{blocks} of {}, {share:.0} % of all", bytes(total.temporary_bytes)),
        );
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
    // Memory is told of arenas, pools and heaps that are not recorded block by block.
    let memory = rows.iter().any(|row| row.peak_committed > 0);
    let mut head = vec!["tag, with those below it", "live", "peak", "blocks", "asked for", "calls"];
    head.extend(if memory { &["memory", "peak", "in use"][..] } else { &["same frame", "before"] });
    let mut table = Table::new(&head);
    for row in rows.iter().take(MOST_ROWS) {
        let mut cells = vec![
            row.name.clone(),
            bytes(row.live_bytes),
            bytes(row.peak_bytes),
            count(row.live_blocks),
            bytes(row.bytes),
            count(row.calls),
        ];
        if memory {
            cells.extend(
                [row.committed, row.peak_committed].map(|size| bytes(u64::try_from(size).unwrap_or(0))),
            );
            cells.push(bytes(row.peak_used));
        } else {
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
    figure: fn(&Figures) -> u64,
) {
    let worst = most(summary, top, figure);
    if worst.is_empty() {
        return;
    }
    let all = figure(&summary.total).max(1) as f64;
    let _ = writeln!(text, "Call sites with most bytes {what}");
    for (stack, site) in worst {
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
    let _ = writeln!(
        text,
        "Frames: {}, of {:.1} calls and {} each on average",
        count(frames.count),
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
                count(row.calls()),
                bytes(row.bytes),
                count(row.frees),
                count(row.temporaries),
                bytes(row.peak_bytes),
            ]);
        }
        let _ = write!(text, "{table}");
    }
    text.push('\n');
}

fn marks(text: &mut String, summary: &Summary) {
    if summary.marks.is_empty() {
        return;
    }
    let mut table = Table::new(&["mark", "frame", "after", "live", "blocks", "peak before", "calls before"]);
    for mark in summary.marks.iter().take(MOST_ROWS) {
        table.row(vec![
            mark.text.clone(),
            mark.frame.map_or("–".to_owned(), count),
            seconds(summary.seconds(mark.time)),
            bytes(mark.live_bytes),
            count(mark.live_blocks),
            bytes(mark.peak_bytes),
            count(mark.calls),
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
    let mut table =
        Table::new(&["thread", "asked for", "allocations", "reallocations", "frees", "of others' blocks"]);
    for (number, thread) in rows.iter().take(MOST_ROWS) {
        table.row(vec![
            thread.name.clone().unwrap_or_else(|| format!("thread {number}")),
            bytes(thread.bytes),
            count(thread.allocs),
            count(thread.reallocs),
            count(thread.frees),
            count(thread.frees_of_others),
        ]);
    }
    let _ = write!(text, "{table}{}", more(rows.len(), "threads"));
}
