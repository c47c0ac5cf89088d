//! What each frame, or slice of time, did, and which call stacks did most of it.

use crate::estimate::Share;
use crate::summary::FrameRow;

/// What a call stack did in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SiteUse {
    /// Its place.
    pub site: u32,
    /// Blocks that it was handed, or resized.
    pub calls: u64,
    /// Bytes that it asked for.
    pub bytes: u64,
    /// Blocks that it made, or last resized, and that were given back in the same frame; told in the frame where both was.
    pub temporaries: u64,
    /// Bytes of those.
    pub temporary_bytes: u64,
}

/// By what call stacks are ordered: a figure, and another one if those are equal.
type Measure = fn(&SiteUse) -> (u64, u64);

impl SiteUse {
    pub(super) fn made(&mut self, share: &Share) {
        self.calls = self.calls.saturating_add(share.blocks);
        self.bytes = self.bytes.saturating_add(share.bytes);
    }

    pub(super) fn temporary(&mut self, share: &Share) {
        self.temporaries = self.temporaries.saturating_add(share.blocks);
        self.temporary_bytes = self.temporary_bytes.saturating_add(share.bytes);
    }

    fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.temporaries = self.temporaries.saturating_add(other.temporaries);
        self.temporary_bytes = self.temporary_bytes.saturating_add(other.temporary_bytes);
    }
}

/// What a row is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowKind {
    /// Before the first frame.
    #[default]
    Before,
    /// One frame, or several that follow each other.
    Frames,
    /// The last frame, of which nothing says when it ended: up to the last event.
    Last,
    /// A slice of the time of a program that tells no frames.
    Slice,
}

/// What was done in a row.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DetailRow {
    /// What it is of.
    pub kind: RowKind,
    /// Its sums. The number of a slice is its place.
    pub figures: FrameRow,
    /// The call stacks that did most, in the order of their places.
    pub sites: Vec<SiteUse>,
    /// How many others there were.
    pub other_sites: u64,
    /// What those did.
    pub others: SiteUse,
}

impl DetailRow {
    /// What all call stacks did.
    #[must_use]
    pub fn all(&self) -> SiteUse {
        let mut all = SiteUse { site: 0, ..self.others };
        for site in &self.sites {
            all.add(site);
        }
        all
    }
}

/// What call stacks do now, by their places.
#[derive(Debug)]
pub(super) struct Uses {
    table: Vec<SiteUse>,
    /// Which of them have something.
    touched: Vec<u32>,
}

impl Uses {
    pub(super) fn new(sites: usize) -> Self {
        Self { table: vec![SiteUse::default(); sites], touched: Vec::new() }
    }

    /// What a call stack does now.
    pub(super) fn of(&mut self, site: u32) -> &mut SiteUse {
        let entry = &mut self.table[site as usize];
        if entry.calls == 0 && entry.temporaries == 0 {
            entry.site = site;
            self.touched.push(site);
        }
        entry
    }

    /// Adds it to another table, and begins anew.
    pub(super) fn pour(&mut self, into: &mut Self) {
        for site in self.touched.drain(..) {
            let entry = std::mem::take(&mut self.table[site as usize]);
            into.of(site).add(&entry);
        }
    }

    /// A row, with the first ones by each of the three measures.
    pub(super) fn row(&self, kind: RowKind, figures: FrameRow, most: usize) -> DetailRow {
        let mut places = self.touched.clone();
        let mut kept = Vec::with_capacity(3 * most.min(places.len()));
        let measures: [Measure; 3] = [
            |site| (site.bytes, site.calls),
            |site| (site.calls, site.bytes),
            |site| (site.temporary_bytes, site.temporaries),
        ];
        for measure in measures {
            let order = |place: &u32| {
                let (first, second) = measure(&self.table[*place as usize]);
                std::cmp::Reverse((first, second, u32::MAX - place))
            };
            if places.len() > most && most > 0 {
                places.select_nth_unstable_by_key(most, order);
            }
            let first = places.iter().take(most).copied();
            // Nobody asks for the first ones among those that have nothing of it.
            kept.extend(first.filter(|place| measure(&self.table[*place as usize]) != (0, 0)));
        }
        kept.sort_unstable();
        kept.dedup();
        let mut row = DetailRow { kind, figures, ..DetailRow::default() };
        for place in &self.touched {
            if kept.binary_search(place).is_err() {
                row.other_sites += 1;
                row.others.add(&self.table[*place as usize]);
            }
        }
        row.sites = kept.into_iter().map(|place| self.table[place as usize]).collect();
        row
    }

    /// Begins anew.
    pub(super) fn clear(&mut self) {
        for site in self.touched.drain(..) {
            self.table[site as usize] = SiteUse::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ones_of_each_measure_are_kept_and_nothing_is_lost() {
        let mut uses = Uses::new(100);
        for site in 0..100u32 {
            let entry = uses.of(site);
            entry.calls = u64::from(site) + 1;
            entry.bytes = 1000 - u64::from(site);
            if site == 50 {
                (entry.temporaries, entry.temporary_bytes) = (1, 10);
            }
        }
        let row = uses.row(RowKind::Slice, FrameRow::default(), 2);
        let kept: Vec<u32> = row.sites.iter().map(|site| site.site).collect();
        assert_eq!(kept, [0, 1, 50, 98, 99]);
        assert_eq!(row.other_sites, 95);
        let bytes = row.sites.iter().map(|site| site.bytes).sum::<u64>() + row.others.bytes;
        assert_eq!(bytes, (901..=1000).sum::<u64>());
        let all = uses.row(RowKind::Slice, FrameRow::default(), 200);
        assert_eq!((all.sites.len(), all.other_sites), (100, 0));
        assert_eq!(uses.row(RowKind::Slice, FrameRow::default(), 0).other_sites, 100);

        let mut sum = Uses::new(100);
        sum.of(7).calls = 3;
        uses.pour(&mut sum);
        assert_eq!((sum.of(7).calls, sum.of(99).calls), (11, 100));
        assert!(uses.row(RowKind::Slice, FrameRow::default(), 2).sites.is_empty());
        sum.clear();
        assert!(sum.row(RowKind::Slice, FrameRow::default(), 2).sites.is_empty());
    }
}
