//! `arenite report`: what a recording came to.

use std::collections::{BTreeMap, HashMap};
use std::io;

use arenite_inspect::{BudgetFigures, Figures, Spread, Summary, SummaryOptions};

use super::args::ReportArgs;
use super::{Opened, json, page, text};
use crate::fault::Fault;
use crate::output::print;

/// Reads a recording and prints its figures, or makes a page of them.
///
/// # Errors
/// What is no capture, or a page that can not be written.
pub(crate) fn report(args: &ReportArgs) -> Result<(), Fault> {
    if let Some(out) = &args.html {
        let line = page::page(&args.file, out)?;
        return print(&mut io::stdout().lock(), line.as_bytes());
    }
    let mut opened = Opened::read(&args.file, &SummaryOptions::new())?;
    let top = args.top as usize;
    let text = if args.json { json::report(&mut opened, top)? } else { text::report(&mut opened, top) };
    print(&mut io::stdout().lock(), text.as_bytes())
}

/// The call sites that have most of something, the first ones first; none that has nothing of it.
pub(super) fn most(summary: &Summary, top: usize, figure: impl Fn(&Figures) -> u64) -> Vec<(u32, Figures)> {
    let mut sites: Vec<(u32, Figures)> = summary
        .sites
        .iter()
        .filter(|(_, site)| figure(site) > 0)
        .map(|(stack, site)| (*stack, *site))
        .collect();
    let order = |(stack, site): &(u32, Figures)| (std::cmp::Reverse(figure(site)), *stack);
    if sites.len() > top {
        sites.select_nth_unstable_by_key(top, order);
        sites.truncate(top);
    }
    sites.sort_by_key(order);
    sites
}

/// A tag with all that is below it.
#[derive(Clone, Debug, Default)]
pub(super) struct TagRow {
    pub(super) name: String,
    pub(super) live_bytes: u64,
    pub(super) peak_bytes: u64,
    pub(super) live_blocks: u64,
    pub(super) bytes: u64,
    pub(super) calls: u64,
    pub(super) temporaries: u64,
    pub(super) before_bytes: u64,
    pub(super) committed: i64,
    pub(super) peak_committed: i64,
    pub(super) budget: Option<BudgetFigures>,
    pub(super) most_used: u64,
    pub(super) peak_used: u64,
    /// Of a sample: how far the figures may be from the truth.
    pub(super) live_spread: Spread,
    pub(super) peak_spread: Spread,
    pub(super) asked_spread: Spread,
}

impl TagRow {
    fn is_some(&self) -> bool {
        self.calls > 0 || self.before_bytes > 0 || self.peak_committed > 0 || self.budget.is_some()
    }
}

/// Tags of which something is known, tags below them included; those with the highest peak first.
pub(super) fn tags(summary: &Summary) -> Vec<TagRow> {
    let places: HashMap<&str, u32> =
        summary.tags.iter().map(|(number, tag)| (tag.name.as_str(), *number)).collect();
    let mut rows: BTreeMap<u32, TagRow> = BTreeMap::new();
    for (number, tag) in &summary.tags {
        let above = tag.name.match_indices('/').filter_map(|(at, _)| places.get(&tag.name[..at]));
        for to in above.chain([number]) {
            let row = rows.entry(*to).or_default();
            row.live_blocks = row.live_blocks.saturating_add(tag.own.live_blocks);
            row.bytes = row.bytes.saturating_add(tag.own.bytes);
            row.calls = row.calls.saturating_add(tag.own.calls());
            row.temporaries = row.temporaries.saturating_add(tag.own.temporaries);
            row.before_bytes = row.before_bytes.saturating_add(tag.before_bytes);
            row.asked_spread = row.asked_spread.and(&tag.own.asked_spread());
        }
        let row = rows.entry(*number).or_default();
        row.name.clone_from(&tag.name);
        (row.live_bytes, row.peak_bytes) = (tag.live_bytes, tag.peak_bytes);
        (row.live_spread, row.peak_spread) = (tag.live_spread, tag.peak_spread);
        (row.committed, row.peak_committed) = (tag.committed, tag.peak_committed);
        (row.budget, row.most_used, row.peak_used) = (tag.budget, tag.most_used, tag.peak_used);
    }
    let mut rows: Vec<TagRow> = rows.into_values().filter(TagRow::is_some).collect();
    rows.sort_by(|a, b| {
        let order = (b.peak_bytes, b.peak_committed).cmp(&(a.peak_bytes, a.peak_committed));
        order.then_with(|| a.name.cmp(&b.name))
    });
    rows
}
