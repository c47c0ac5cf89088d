//! Book-keeping apart from memory that nobody here may write to: a table of blocks, and another one to find them by address.
#![expect(unsafe_code, reason = "reads and writes rows of a table")]

use core::ptr::NonNull;

use super::nodes::{Id, NONE, NodeTable, Nodes, State};
use super::place::Book;
use crate::ledger::Tag;
use crate::region::{AllocError, ColumnLayout, RegionOptions, Table};

/// A [`NodeTable`] of one segment, and where its used blocks begin.
#[derive(Debug)]
pub struct Beside {
    nodes: NodeTable,
    used: Places,
    border: Id,
    end: u32,
}

impl Beside {
    /// No block yet; room for as many as a range of so many granules can have.
    pub(super) fn try_new(tag: Tag, granules: usize) -> Result<Self, AllocError> {
        // A border, and what is asked to be ready.
        let mut nodes = NodeTable::try_new(tag, granules.saturating_add(8).min(1 << 24))?;
        nodes.try_ready(2)?;
        let border = nodes.append_empty();
        Ok(Self { nodes, used: Places::try_new(tag)?, border, end: 0 })
    }
}

impl Nodes for Beside {
    #[inline]
    fn try_ready(&mut self, blocks: u32) -> Result<(), AllocError> {
        self.nodes.try_ready(blocks)?;
        self.used.try_ready()
    }

    #[inline(always)]
    fn offset(&self, block: Id) -> u32 {
        self.nodes.offset(block)
    }

    #[inline(always)]
    fn size(&self, block: Id) -> u32 {
        self.nodes.size(block)
    }

    #[inline(always)]
    fn state(&self, block: Id) -> State {
        self.nodes.state(block)
    }

    #[inline(always)]
    fn set_state(&mut self, block: Id, state: State) {
        self.nodes.set_state(block, state);
    }

    #[inline(always)]
    fn before(&self, block: Id) -> Id {
        self.nodes.before(block)
    }

    #[inline(always)]
    fn after(&self, block: Id) -> Id {
        self.nodes.after(block)
    }

    #[inline]
    fn split(&mut self, block: Id, size: u32) -> Id {
        self.nodes.split(block, size)
    }

    #[inline]
    fn join(&mut self, block: Id) {
        self.nodes.join(block);
    }

    #[inline(always)]
    fn previous_free(&self, block: Id) -> Id {
        self.nodes.previous_free(block)
    }

    #[inline(always)]
    fn next_free(&self, block: Id) -> Id {
        self.nodes.next_free(block)
    }

    #[inline(always)]
    fn set_previous_free(&mut self, block: Id, other: Id) {
        self.nodes.set_previous_free(block, other);
    }

    #[inline(always)]
    fn set_next_free(&mut self, block: Id, other: Id) {
        self.nodes.set_next_free(block, other);
    }

    #[inline(always)]
    fn next_free_at(&mut self, block: Id) -> *mut Id {
        self.nodes.next_free_at(block)
    }

    #[inline(always)]
    fn is_drained(&self, _: Id) -> bool {
        false
    }
}

impl Book for Beside {
    const HEADER: usize = 0;

    #[inline]
    fn begin(&mut self, block: Id) {
        self.used.insert(self.nodes.offset(block), block);
    }

    #[inline]
    fn used_at(&self, granule: usize) -> Option<Id> {
        let granule = u32::try_from(granule).ok()?;
        self.used.find(granule).map(|place| self.used.get(place).1)
    }

    #[inline]
    fn take(&mut self, granule: usize) -> Option<Id> {
        let granule = u32::try_from(granule).ok()?;
        let place = self.used.find(granule)?;
        let (_, block) = self.used.get(place);
        self.used.remove(place);
        Some(block)
    }

    #[inline(always)]
    fn end(&self) -> u32 {
        self.end
    }

    fn start(&self) -> u32 {
        0
    }

    fn last(&self) -> Id {
        self.nodes.before(self.border)
    }

    fn next(&self, block: Option<Id>) -> Option<Id> {
        let next = self.nodes.after(block.unwrap_or(self.border));
        (next != self.border).then_some(next)
    }

    fn extend(&mut self, end: u32) -> Id {
        let last = self.nodes.add_last(self.border, end - self.end);
        self.nodes.set_state(last, State::Used);
        self.end = end;
        last
    }

    fn cut(&mut self, last: Id, keep: u32) {
        self.end -= self.nodes.size(last) - keep;
        self.nodes.cut(self.border, keep);
    }

    fn committed(&self) -> usize {
        self.nodes.committed() + self.used.table.committed()
    }

    fn publish(&mut self) {
        self.nodes.publish();
        self.used.table.publish_live(self.used.len * size_of::<u64>());
    }
}

/// Which block begins at which granule: a hash table with open addressing, in a table of its own. No row is ever marked as
/// deleted: what was pushed aside moves back.
#[derive(Debug)]
struct Places {
    /// Granule and number of a block; zero: nothing.
    rows: NonNull<u64>,
    /// Two to the power of `bits` rows.
    bits: u32,
    len: usize,
    table: Table<1>,
}

// SAFETY: owns its table, and neither belongs to a thread.
unsafe impl Send for Places {}
// SAFETY: `&Places` only reads.
unsafe impl Sync for Places {}

impl Places {
    fn try_new(tag: Tag) -> Result<Self, AllocError> {
        Self::with(tag, 9)
    }

    /// Two to the power of `bits` rows, all of them empty.
    fn with(tag: Tag, bits: u32) -> Result<Self, AllocError> {
        let rows = 1_usize << bits;
        let options = RegionOptions::new(tag, 0);
        let mut table = Table::try_reserve(&options, [ColumnLayout::of::<u64>()], rows, rows)?;
        table.try_grow(rows)?;
        Ok(Self { rows: table.column(0).cast(), bits, len: 0, table })
    }

    /// Makes sure that there is room for one more.
    #[inline(always)]
    fn try_ready(&mut self) -> Result<(), AllocError> {
        // Three quarters: on average less than three looks.
        if self.len + 1 > 3 << (self.bits - 2) { self.grow() } else { Ok(()) }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) -> Result<(), AllocError> {
        let mut larger = Self::with(self.table.tag(), self.bits + 1)?;
        for place in 0..1 << self.bits {
            let (granule, block) = self.get(place);
            if block != NONE {
                larger.insert(granule, block);
            }
        }
        *self = larger;
        Ok(())
    }

    #[inline(always)]
    fn row(&self, place: usize) -> NonNull<u64> {
        // SAFETY: so many rows there are.
        unsafe { self.rows.add(place & ((1 << self.bits) - 1)) }
    }

    #[inline(always)]
    fn get(&self, place: usize) -> (u32, Id) {
        // SAFETY: a row of ours, zeroed by the system or written since.
        let row = unsafe { self.row(place).read() };
        (row as u32, (row >> 32) as u32)
    }

    #[inline(always)]
    fn set(&mut self, place: usize, granule: u32, block: Id) {
        // SAFETY: a row of ours.
        unsafe { self.row(place).write(u64::from(block) << 32 | u64::from(granule)) };
    }

    /// Where it should stand.
    #[inline(always)]
    fn home(&self, granule: u32) -> usize {
        // The golden ratio spreads what is evenly spaced.
        (granule.wrapping_mul(0x9E37_79B9) >> (32 - self.bits)) as usize
    }

    /// There is room, and it is not there yet.
    #[inline]
    fn insert(&mut self, granule: u32, block: Id) {
        let mut place = self.home(granule);
        while self.get(place).1 != NONE {
            place += 1;
        }
        self.set(place, granule, block);
        self.len += 1;
    }

    #[inline]
    fn find(&self, granule: u32) -> Option<usize> {
        let mut place = self.home(granule);
        loop {
            match self.get(place) {
                (_, NONE) => return None,
                (found, _) if found == granule => return Some(place),
                _ => place += 1,
            }
        }
    }

    #[inline]
    fn remove(&mut self, place: usize) {
        let mask = (1 << self.bits) - 1;
        let (mut hole, mut next) = (place, place + 1);
        loop {
            let (granule, block) = self.get(next);
            if block == NONE {
                break;
            }
            // It may move into the hole if it stands at least as far from its home.
            let wandered = next.wrapping_sub(self.home(granule)) & mask;
            if wandered >= (next.wrapping_sub(hole) & mask) {
                self.set(hole, granule, block);
                hole = next;
            }
            next += 1;
        }
        self.set(hole, 0, NONE);
        self.len -= 1;
    }
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn places_are_found_until_they_are_taken() {
        let tag = Tag::register("fit/places").unwrap();
        let mut places = Places::try_new(tag).unwrap();
        let mut model = BTreeMap::new();
        let mut random = 1_u32;
        for step in 1..40_000_u32 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let granule = random >> 20;
            match places.find(granule) {
                Some(place) => {
                    assert_eq!(model.remove(&granule), Some(places.get(place).1));
                    places.remove(place);
                }
                None => {
                    assert!(!model.contains_key(&granule));
                    places.try_ready().unwrap();
                    places.insert(granule, step);
                    model.insert(granule, step);
                }
            }
            assert_eq!(places.len, model.len());
        }
        for (granule, block) in model {
            let place = places.find(granule).unwrap();
            assert_eq!(places.get(place), (granule, block));
        }
    }
}
