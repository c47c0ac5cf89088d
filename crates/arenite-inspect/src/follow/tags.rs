//! Tags while events pass: each with its own figures, and paths with those of all tags below them.

use hashbrown::HashMap;

use super::board::{Activity, Gone, Made, Tally};
use crate::BudgetFigures;
use crate::estimate::{Share, Spread};

/// The most tags that figures are kept of; what others do is told of number 0.
const MOST_TAGS: usize = 1 << 16;
/// The most paths: tags, and what is above them.
const MOST_PATHS: usize = 1 << 17;
/// The ledger's name for what is under no tag.
const UNTAGGED: &str = "untagged";

/// A tag, or a path above tags.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TagRow {
    /// Its path, `scene/textures`; `(tag 7)` if its name is not told, `(no tag)` for what is under none.
    pub name: String,
    /// What was done under it, tags below it not included.
    pub own: Activity,
    /// Bytes that live, those of tags below it included.
    pub live_bytes: u64,
    /// How far that may be from the truth, if it is estimated from a sample.
    pub live_spread: Spread,
    /// The most bytes that lived, those of tags below it included; of one whose name came late, since then.
    pub peak_bytes: u64,
    /// Bytes of memory that its arenas, pools and heaps have, those of tags below it included, as far as that is recorded.
    pub committed: i64,
    /// The most that they had.
    pub peak_committed: i64,
    /// Blocks it had before the recording, of which nothing else is known.
    pub before_blocks: u64,
    /// Bytes of those.
    pub before_bytes: u64,
    /// What it, with all below it, may have of memory now, as the program says; `None` without a limit.
    pub budget: Option<BudgetFigures>,
}

#[derive(Debug, Default)]
struct Tag {
    own: Tally,
    committed: i64,
    peak_committed: i64,
    before: (u64, u64),
    budget: Option<BudgetFigures>,
    /// Its path, and those above it; none if its name is not known.
    paths: Vec<usize>,
}

/// A tag's name, or the beginning of one, with all that is below it.
#[derive(Debug, Default)]
struct Path {
    name: String,
    live: u64,
    live_spread: Spread,
    peak: u64,
    committed: i64,
    peak_committed: i64,
}

impl Path {
    fn commits(&mut self, bytes: i64) {
        self.committed = self.committed.saturating_add(bytes);
        self.peak_committed = self.peak_committed.max(self.committed);
    }
}

#[derive(Debug, Default)]
pub(super) struct Tags {
    tags: HashMap<u32, Tag>,
    paths: Vec<Path>,
    places: HashMap<String, usize>,
    /// The tag of what is under none, if the program has one for that; or else 0.
    untagged: u32,
}

impl Tags {
    /// The tag under whose number figures are kept, and all paths.
    fn tag(&mut self, number: u32) -> (&mut Tag, &mut [Path]) {
        let number = if number == 0 { self.untagged } else { number };
        let known = self.tags.contains_key(&number) || self.tags.len() < MOST_TAGS;
        (self.tags.entry(if known { number } else { 0 }).or_default(), &mut self.paths)
    }

    /// A tag's name. The first one counts.
    pub(super) fn name(&mut self, number: u32, name: &str) {
        if number == 0 || (!self.tags.contains_key(&number) && self.tags.len() >= MOST_TAGS) {
            return;
        }
        if !self.tags.entry(number).or_default().paths.is_empty() {
            return;
        }
        let ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]);
        // Its own one first.
        let paths: Vec<usize> = ends.rev().filter_map(|end| self.path(&name[..end])).collect();
        let Some(tag) = self.tags.get_mut(&number) else { return };
        for (place, path) in paths.iter().enumerate() {
            let (path, own) = (&mut self.paths[*path], tag.own.now());
            path.live = path.live.saturating_add(own.live_bytes);
            path.live_spread.add(&own.live_spread);
            path.commits(tag.committed);
            path.peak = path.peak.max(path.live);
            if place == 0 {
                path.peak = path.peak.max(own.peak_bytes);
                path.peak_committed = path.peak_committed.max(tag.peak_committed);
            }
        }
        tag.paths = paths;
        if name == UNTAGGED && self.untagged == 0 {
            self.untagged = number;
            if let Some(none) = self.tags.remove(&0) {
                self.join(number, &none);
            }
        }
    }

    /// What was done under no tag was done under this one.
    fn join(&mut self, number: u32, none: &Tag) {
        let Some(tag) = self.tags.get_mut(&number) else { return };
        tag.own.add(&none.own);
        tag.before.0 = tag.before.0.saturating_add(none.before.0);
        tag.before.1 = tag.before.1.saturating_add(none.before.1);
        tag.committed = tag.committed.saturating_add(none.committed);
        let Activity { live_bytes: live, live_spread, .. } = *none.own.now();
        for path in &tag.paths {
            let path = &mut self.paths[*path];
            path.live = path.live.saturating_add(live);
            path.live_spread.add(&live_spread);
            path.peak = path.peak.max(path.live).max(none.own.now().peak_bytes);
            path.commits(none.committed);
        }
    }

    fn path(&mut self, name: &str) -> Option<usize> {
        if let Some(place) = self.places.get(name) {
            return Some(*place);
        }
        if self.paths.len() >= MOST_PATHS {
            return None;
        }
        self.paths.push(Path { name: name.to_owned(), ..Path::default() });
        self.places.insert(name.to_owned(), self.paths.len() - 1);
        Some(self.paths.len() - 1)
    }

    pub(super) fn made(&mut self, number: u32, share: &Share, how: Made, second: u64) {
        let (tag, paths) = self.tag(number);
        tag.own.made(share, how, second);
        for place in &tag.paths {
            let path = &mut paths[*place];
            path.live = path.live.saturating_add(share.bytes);
            path.live_spread.add(&share.spread);
            path.peak = path.peak.max(path.live);
        }
    }

    pub(super) fn gone(&mut self, number: u32, share: &Share, how: Gone, second: u64) {
        let (tag, paths) = self.tag(number);
        tag.own.gone(share, how, second);
        for place in &tag.paths {
            let path = &mut paths[*place];
            path.live = path.live.saturating_sub(share.bytes);
            path.live_spread.remove(&share.spread);
        }
    }

    pub(super) fn committed(&mut self, number: u32, bytes: i64) {
        let (tag, paths) = self.tag(number);
        tag.committed = tag.committed.saturating_add(bytes);
        tag.peak_committed = tag.peak_committed.max(tag.committed);
        for place in &tag.paths {
            paths[*place].commits(bytes);
        }
    }

    pub(super) fn before(&mut self, number: u32, blocks: u64, bytes: u64) {
        let before = &mut self.tag(number).0.before;
        *before = (before.0.saturating_add(blocks), before.1.saturating_add(bytes));
    }

    pub(super) fn budget(&mut self, number: u32, budget: Option<BudgetFigures>) {
        self.tag(number).0.budget = budget;
    }

    /// All, by name. O(tags · log tags).
    pub(super) fn rows(&self, second: u64) -> Vec<TagRow> {
        let mut rows: Vec<TagRow> = self
            .paths
            .iter()
            .map(|path| TagRow {
                name: path.name.clone(),
                live_bytes: path.live,
                live_spread: path.live_spread,
                peak_bytes: path.peak,
                committed: path.committed,
                peak_committed: path.peak_committed,
                ..TagRow::default()
            })
            .collect();
        for (number, tag) in &self.tags {
            let place = tag.paths.first().copied().unwrap_or_else(|| {
                let name = if *number == 0 { "(no tag)".to_owned() } else { format!("(tag {number})") };
                let own = tag.own.now();
                rows.push(TagRow {
                    name,
                    live_bytes: own.live_bytes,
                    live_spread: own.live_spread,
                    peak_bytes: own.peak_bytes,
                    committed: tag.committed,
                    peak_committed: tag.peak_committed,
                    ..TagRow::default()
                });
                rows.len() - 1
            });
            let row = &mut rows[place];
            row.budget = row.budget.or(tag.budget);
            row.own = row.own.and(&tag.own.at(second));
            row.before_blocks = row.before_blocks.saturating_add(tag.before.0);
            row.before_bytes = row.before_bytes.saturating_add(tag.before.1);
        }
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(bytes: u64) -> Share {
        Share { blocks: 1, bytes, spread: Spread::default() }
    }

    fn row<'a>(rows: &'a [TagRow], name: &str) -> &'a TagRow {
        rows.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no {name} in {rows:?}"))
    }

    #[test]
    fn a_name_that_comes_late_takes_its_figures_along() {
        let mut tags = Tags::default();
        tags.name(1, "scene");
        tags.made(1, &one(100), Made::New, 0);
        tags.made(7, &one(30), Made::New, 0);
        tags.committed(7, 4096);
        assert_eq!(row(&tags.rows(0), "(tag 7)").live_bytes, 30);
        assert_eq!(row(&tags.rows(0), "scene").live_bytes, 100);
        tags.name(7, "scene/props/trees");
        let rows = tags.rows(0);
        assert!(rows.iter().all(|row| row.name != "(tag 7)"));
        assert_eq!((row(&rows, "scene").live_bytes, row(&rows, "scene").own.live_bytes), (130, 100));
        assert_eq!((row(&rows, "scene/props").live_bytes, row(&rows, "scene/props").committed), (30, 4096));
        tags.gone(7, &one(30), Gone::Freed { temporary: false }, 0);
        let rows = tags.rows(0);
        assert_eq!((row(&rows, "scene").live_bytes, row(&rows, "scene").peak_bytes), (100, 130));
        assert_eq!(row(&rows, "scene/props/trees").own.frees, 1);
    }

    #[test]
    fn what_is_under_no_tag_is_of_the_tag_for_that() {
        let mut tags = Tags::default();
        tags.made(0, &one(10), Made::New, 0);
        tags.before(0, 2, 20);
        assert_eq!(row(&tags.rows(0), "(no tag)").own.allocs, 1);
        tags.name(3, "untagged");
        tags.made(0, &one(5), Made::New, 0);
        let rows = tags.rows(0);
        assert_eq!(rows.len(), 1);
        let untagged = row(&rows, "untagged");
        assert_eq!((untagged.live_bytes, untagged.own.allocs, untagged.before_bytes), (15, 2, 20));
        tags.name(3, "other");
        assert_eq!(tags.rows(0)[0].name, "untagged", "the first name counts");
    }
}
