//! `arenite diff`: what two moments differ in, by tag and call site.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io;

use arenite_demo::report::units::{bytes, count};
use arenite_inspect::{Held, Snapshot, Spread, Summary, SummaryOptions, Window};

use super::args::DiffArgs;
use super::interval::{Told, whole};
use super::sites::Sites;
use super::{Opened, seconds, shown};
use crate::fault::Fault;
use crate::output::print;
use crate::table::Table;

/// Tags that are shown at the most.
const MOST_TAGS: usize = 60;

/// How blocks and bytes changed.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    before: Held,
    after: Held,
    /// What is in both: in a sample, too, so that it does not put off the difference.
    kept: Spread,
}

impl Change {
    fn bytes(&self) -> i128 {
        i128::from(self.after.bytes) - i128::from(self.before.bytes)
    }

    fn blocks(&self) -> i128 {
        i128::from(self.after.blocks) - i128::from(self.before.blocks)
    }

    fn is_some(&self) -> bool {
        (self.before.blocks, self.before.bytes) != (self.after.blocks, self.after.bytes)
    }

    /// By how much bytes changed, with the sign; of a sample with how far that may be from the truth.
    fn shown_bytes(&self) -> String {
        signed(self.bytes(), bytes) + &self.within(|spread| bytes(spread.difference_bytes_within()))
    }

    /// The same of blocks.
    fn shown_blocks(&self) -> String {
        signed(self.blocks(), count) + &self.within(|spread| count(spread.difference_blocks_within()))
    }

    fn within(&self, shown: impl Fn(Spread) -> String) -> String {
        let spread = self.before.spread.without(&self.kept).and(&self.after.spread.without(&self.kept));
        if spread == Spread::default() { String::new() } else { format!(" ± {}", shown(spread)) }
    }
}

/// A call site that changed, and where a stack of it is: of the capture before, or of that after.
struct SiteChange {
    change: Change,
    stack: u32,
    of_after: bool,
}

/// Compares two recordings, or two moments of one, and prints it.
///
/// # Errors
/// What is no capture, or has no such mark.
pub(crate) fn diff(args: &DiffArgs) -> Result<(), Fault> {
    let mut options = SummaryOptions::new();
    if let Some(mark) = &args.from {
        options = options.from(mark);
    }
    if let Some(mark) = &args.to {
        options = options.to(mark);
    }
    let mut a = Opened::read(&args.a, &options)?;
    let mut b = args.b.as_deref().map(|path| Opened::read(path, &options)).transpose()?;
    let mut text = String::new();
    for opened in [Some(&a), b.as_ref()].into_iter().flatten() {
        for warning in opened.warnings() {
            let _ = writeln!(text, "note: {}: {warning}", shown(&opened.path));
        }
    }
    let summaries = (&a.summary, b.as_ref().map_or(&a.summary, |b| &b.summary));
    let before = if b.is_some() { &summaries.0.window.to } else { &summaries.0.window.from };
    let after = &summaries.1.window.to;
    let _ = writeln!(
        text,
        "\nbefore  {}",
        described(summaries.0, before, &args.a, args.from.as_deref().or(b.as_ref().map(|_| "its end")))
    );
    let path = args.b.as_deref().unwrap_or(&args.a);
    let _ = writeln!(
        text,
        "after   {}\n",
        described(summaries.1, after, path, Some(args.to.as_deref().unwrap_or("its end")))
    );
    // Of two recordings nothing is in both.
    let kept = if b.is_some() { BTreeMap::new() } else { kept(&a.summary.window, |(tag, _)| *tag) };
    text.push_str(&tags(summaries, before, after, &kept));
    let changes = match &mut b {
        Some(b) => between_captures(&mut a, b),
        None => within_capture(&a.summary, &mut a.sites),
    };
    let of_after = b.as_mut().map(|b| (&b.summary, &mut b.sites));
    text.push_str(&sites(changes, args.top as usize, (&a.summary, &mut a.sites), of_after));
    print(&mut io::stdout().lock(), text.as_bytes())
}

/// What lived at both moments, by tag or call stack.
fn kept(window: &Window, owner: impl Fn(&(u32, u32)) -> u32) -> BTreeMap<u32, Spread> {
    let mut sums: BTreeMap<u32, Spread> = BTreeMap::new();
    for (owners, held) in &window.kept {
        let sum = sums.entry(owner(owners)).or_default();
        *sum = sum.and(&held.spread);
    }
    sums
}

fn described(summary: &Summary, snapshot: &Snapshot, path: &std::path::Path, moment: Option<&str>) -> String {
    format!(
        "{}: {}, {} (after {})",
        Told::of(summary).held(snapshot.total.bytes, snapshot.total.blocks, &snapshot.total.estimate()),
        shown(path),
        moment.unwrap_or("its beginning"),
        seconds(summary.seconds(snapshot.moment.time))
    )
}

/// A change with its sign.
fn signed(change: i128, shown: impl Fn(u64) -> String) -> String {
    let sign = match change {
        0 => return "0".to_owned(),
        1.. => "+",
        _ => "−",
    };
    format!("{sign}{}", shown(u64::try_from(change.unsigned_abs()).unwrap_or(u64::MAX)))
}

/// Tags by name, what is below them not included; those that changed most first.
fn tags(
    summaries: (&Summary, &Summary),
    before: &Snapshot,
    after: &Snapshot,
    kept: &BTreeMap<u32, Spread>,
) -> String {
    let all = kept.values().fold(Spread::default(), |sum, spread| sum.and(spread));
    let total = Change { before: before.total, after: after.total, kept: all };
    let mut changes: BTreeMap<&str, Change> = BTreeMap::new();
    let name = |summary: &'_ Summary, tag: &u32| -> Option<String> {
        summary.tags.get(tag).map(|tag| tag.name.clone())
    };
    let named = |summary, held: &BTreeMap<u32, Held>| -> BTreeMap<String, Held> {
        held.iter()
            .map(|(tag, held)| (name(summary, tag).unwrap_or_else(|| "(no tag)".into()), *held))
            .collect()
    };
    let (before, after) = (named(summaries.0, &before.tags), named(summaries.1, &after.tags));
    for (name, held) in &before {
        changes.entry(name).or_default().before = *held;
    }
    for (name, held) in &after {
        changes.entry(name).or_default().after = *held;
    }
    for (tag, spread) in kept {
        let name = name(summaries.0, tag).unwrap_or_else(|| "(no tag)".into());
        if let Some(change) = changes.get_mut(name.as_str()) {
            change.kept = *spread;
        }
    }
    let mut changes: Vec<(&str, Change)> =
        changes.into_iter().filter(|(_, change)| change.is_some()).collect();
    changes.sort_by_key(|(_, change)| std::cmp::Reverse(change.bytes().unsigned_abs()));
    let mut table = Table::new(&["tag", "before", "after", "change", "blocks"]);
    let more = changes.len().saturating_sub(MOST_TAGS);
    changes.truncate(MOST_TAGS);
    changes.push(("(all)", total));
    for (name, change) in changes {
        table.row(vec![
            name.to_owned(),
            Told::of(summaries.0).cell(change.before.bytes, whole(&change.before.estimate())[0]),
            Told::of(summaries.1).cell(change.after.bytes, whole(&change.after.estimate())[0]),
            change.shown_bytes(),
            change.shown_blocks(),
        ]);
    }
    let more = if more > 0 { format!("… {more} more tags\n") } else { String::new() };
    format!("{table}{more}\n")
}

/// Stacks of one capture have numbers; those that a person would call the same are put together.
fn within_capture(summary: &Summary, names: &mut Sites) -> Vec<SiteChange> {
    let mut changes: BTreeMap<u32, Change> = BTreeMap::new();
    for (stack, held) in &summary.window.from.sites {
        changes.entry(*stack).or_default().before = *held;
    }
    for (stack, held) in &summary.window.to.sites {
        changes.entry(*stack).or_default().after = *held;
    }
    for (stack, spread) in kept(&summary.window, |(_, stack)| *stack) {
        changes.entry(stack).or_default().kept = spread;
    }
    let mut found = Merged::default();
    for (stack, change) in changes.into_iter().filter(|(_, change)| change.is_some()) {
        found.add(names.key(summary.stack(stack)), change, stack, false);
    }
    found.changes()
}

/// Stacks of two captures are the same if they read the same.
fn between_captures(a: &mut Opened, b: &mut Opened) -> Vec<SiteChange> {
    let mut found = Merged::default();
    for (opened, of_after) in [(a, false), (b, true)] {
        for (stack, held) in &opened.summary.window.to.sites {
            let change = match of_after {
                true => Change { after: *held, ..Change::default() },
                false => Change { before: *held, ..Change::default() },
            };
            found.add(opened.sites.key(opened.summary.stack(*stack)), change, *stack, of_after);
        }
    }
    found.changes()
}

/// Changes by what their stacks read.
#[derive(Default)]
struct Merged(HashMap<u64, SiteChange>);

impl Merged {
    fn add(&mut self, key: u64, change: Change, stack: u32, of_after: bool) {
        let sum = &mut self
            .0
            .entry(key)
            .or_insert(SiteChange { change: Change::default(), stack, of_after })
            .change;
        (sum.before, sum.after) = (sum.before.and(&change.before), sum.after.and(&change.after));
        sum.kept = sum.kept.and(&change.kept);
    }

    /// What changed most first.
    fn changes(self) -> Vec<SiteChange> {
        let mut changes: Vec<SiteChange> =
            self.0.into_values().filter(|site| site.change.is_some()).collect();
        changes.sort_by_key(|site| {
            let change = site.change;
            (
                std::cmp::Reverse((change.bytes().unsigned_abs(), change.blocks().unsigned_abs())),
                site.of_after,
                site.stack,
            )
        });
        changes
    }
}

fn sites(
    changes: Vec<SiteChange>,
    top: usize,
    before: (&Summary, &mut Sites),
    mut after: Option<(&Summary, &mut Sites)>,
) -> String {
    if changes.is_empty() {
        return "No call site differs.\n".to_owned();
    }
    let mut text = format!("Call sites that differ most, of {}\n", count(changes.len() as u64));
    for SiteChange { change, stack, of_after } in changes.into_iter().take(top) {
        let _ = writeln!(
            text,
            "  {} in {} blocks: {} → {}",
            change.shown_bytes(),
            change.shown_blocks(),
            bytes(change.before.bytes),
            bytes(change.after.bytes)
        );
        text.push_str(&match &mut after {
            Some((summary, sites)) if of_after => sites.text(summary.stack(stack)),
            _ => before.1.text(before.0.stack(stack)),
        });
    }
    text
}
