//! Where blocks are: cells of equal size, of which only those are told that hold something.

use std::collections::BTreeMap;

use hashbrown::HashMap;

/// The most tags that are told apart: a byte of a key has them.
pub(super) const MOST_TAGS: usize = 250;

/// Cells are pages at first.
const PAGE: u32 = 12;
/// Pages of a group, which is a word of bits, as a power of two.
const GROUP: u32 = 6;
/// Pages of a range of 64 KiB, as a power of two.
const RANGE: u32 = 4;
/// Pairs of cell and tag that are kept for each cell of the finished map.
const PAIRS: usize = 4;
/// The largest cells: of these the address space has sixteen.
const LARGEST: u32 = 60;

/// A piece of the address space in which blocks lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapCell {
    /// Where it begins.
    pub address: u64,
    /// Bytes of blocks in it.
    pub bytes: u64,
    /// The tag that has most of them, by its place.
    pub tag: u32,
    /// How many of them that tag has.
    pub tag_bytes: u64,
}

/// Where live blocks are. Sizes are those that were asked for: what an allocator adds to them counts as free.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeapMap {
    /// Bytes of a cell: a power of two, 4096 at the least.
    pub cell_bytes: u64,
    /// Cells with something in them, in order.
    pub cells: Vec<MapCell>,
    /// Blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Pages of 4 KiB that blocks touch.
    pub pages: u64,
    /// Aligned ranges of 64 KiB that blocks touch.
    pub ranges: u64,
}

impl HeapMap {
    /// Of blocks with their tags: addresses, sizes, places of tags. O(blocks + cells), in memory for the cells and for a word of each
    /// 256 KiB that are touched.
    pub(super) fn of(blocks: impl Iterator<Item = (u64, u64, u32)>, most: usize) -> Self {
        let mut map = Self::default();
        let mut touched = Touched::default();
        let mut cells = Cells { shift: PAGE, bytes: HashMap::new(), most };
        for (address, size, tag) in blocks {
            map.blocks += 1;
            map.bytes = map.bytes.saturating_add(size);
            // A block of no bytes has an address all the same.
            let last = address.saturating_add(size.max(1) - 1);
            touched.add(address >> PAGE, last >> PAGE);
            cells.add(address, last, size, tag);
        }
        (map.pages, map.ranges) = touched.count();
        (map.cell_bytes, map.cells) = cells.end();
        map
    }
}

/// Pages that are touched. Whole groups in the inside of a block are counted and not kept: no other block is in them.
#[derive(Debug, Default)]
struct Touched {
    groups: HashMap<u64, u64>,
    inside: u64,
}

impl Touched {
    /// From one page to another one, both included.
    fn add(&mut self, first: u64, last: u64) {
        let (from, to) = (first >> GROUP, last >> GROUP);
        let bits = |from: u64, to: u64| (u64::MAX >> (63 - (to - from))) << from;
        let within = |page: u64| page & ((1 << GROUP) - 1);
        if from == to {
            *self.groups.entry(from).or_default() |= bits(within(first), within(last));
            return;
        }
        *self.groups.entry(from).or_default() |= bits(within(first), 63);
        *self.groups.entry(to).or_default() |= bits(0, within(last));
        self.inside = self.inside.saturating_add(to - from - 1);
    }

    /// Pages, and ranges of 64 KiB.
    fn count(&self) -> (u64, u64) {
        // Blocks of a file that was made up may lie in each other.
        let mut pages = self.inside.saturating_mul(1 << GROUP);
        let mut ranges = self.inside.saturating_mul(1 << (GROUP - RANGE));
        for word in self.groups.values() {
            pages = pages.saturating_add(word.count_ones().into());
            let parts = (0..64).step_by(1 << RANGE).filter(|at| (word >> at) & 0xffff != 0);
            ranges = ranges.saturating_add(parts.count() as u64);
        }
        (pages, ranges)
    }
}

/// Bytes of each tag in each cell, while blocks come.
#[derive(Debug)]
struct Cells {
    /// Bytes of a cell are two to this power.
    shift: u32,
    /// By cell, with the place of the tag in the low byte.
    bytes: HashMap<u64, u64>,
    most: usize,
}

impl Cells {
    fn add(&mut self, address: u64, last: u64, size: u64, tag: u32) {
        // Of the largest cells there are few, but a file that was made up may have many tags in each.
        while self.shift < LARGEST
            && ((last >> self.shift) - (address >> self.shift) >= self.most as u64
                || self.bytes.len() > self.most * PAIRS)
        {
            self.coarsen();
        }
        let mut left = size;
        for cell in address >> self.shift..=last >> self.shift {
            let end = ((cell + 1) << self.shift).wrapping_sub(1);
            let from = address.max(cell << self.shift);
            let part = left.min((end.min(last) - from).saturating_add(1));
            left -= part;
            let sum = self.bytes.entry(cell << 8 | u64::from(tag)).or_default();
            *sum = sum.saturating_add(part);
        }
    }

    /// Two cells become one.
    fn coarsen(&mut self) {
        self.shift += 1;
        let mut halved = HashMap::with_capacity(self.bytes.len());
        for (key, bytes) in &self.bytes {
            let sum: &mut u64 = halved.entry((key >> 9) << 8 | key & 0xff).or_default();
            *sum = sum.saturating_add(*bytes);
        }
        self.bytes = halved;
    }

    fn end(mut self) -> (u64, Vec<MapCell>) {
        loop {
            let mut cells: BTreeMap<u64, MapCell> = BTreeMap::new();
            for (key, bytes) in &self.bytes {
                let (address, tag) = ((key >> 8) << self.shift, (key & 0xff) as u32);
                let cell = cells.entry(address).or_insert(MapCell { address, ..MapCell::default() });
                cell.bytes = cell.bytes.saturating_add(*bytes);
                // Of equal ones the first.
                if (*bytes, u32::MAX - tag) > (cell.tag_bytes, u32::MAX - cell.tag) || cell.bytes == 0 {
                    (cell.tag, cell.tag_bytes) = (tag, *bytes);
                }
            }
            if cells.len() <= self.most {
                return (1 << self.shift, cells.into_values().collect());
            }
            self.coarsen();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// Blocks that do not overlap: gaps and sizes.
    fn blocks() -> impl Strategy<Value = Vec<(u64, u64, u32)>> {
        let gap = prop_oneof![4 => 0u64..64, 2 => 0u64..9000, 1 => 0u64..10_000_000];
        let size = prop_oneof![6 => 0u64..300, 2 => 0u64..20_000, 1 => 0u64..3_000_000];
        proptest::collection::vec((gap, size, 0u32..5), 0..60).prop_map(|parts| {
            let mut at = 0x7f00_0000_0000;
            let place = |(gap, size, tag): (u64, u64, u32)| {
                let address = at + gap;
                at = address + size.max(1);
                (address, size, tag)
            };
            parts.into_iter().map(place).collect()
        })
    }

    #[test]
    fn many_tags_all_over_the_address_space_come_to_an_end() {
        let blocks = (0..16 * 200).map(|block| (block << 60 | block << 20, 1, (block >> 4) as u32));
        let map = HeapMap::of(blocks, 16);
        assert_eq!((map.blocks, map.cell_bytes, map.cells.len()), (16 * 200, 1 << 60, 16));
        assert_eq!(map.cells.iter().map(|cell| cell.bytes).sum::<u64>(), 16 * 200);
    }

    proptest! {
        #[test]
        fn a_map_is_what_a_byte_by_byte_one_says(blocks in blocks(), most in 16usize..200) {
            let map = HeapMap::of(blocks.iter().copied(), most);
            let (mut pages, mut ranges) = (BTreeSet::new(), BTreeSet::new());
            let mut cells: BTreeMap<u64, BTreeMap<u32, u64>> = BTreeMap::new();
            for (address, size, tag) in &blocks {
                let last = address + size.max(&1) - 1;
                pages.extend(address >> 12..=last >> 12);
                ranges.extend(address >> 16..=last >> 16);
                let mut at = *address;
                loop {
                    let end = (at / map.cell_bytes + 1) * map.cell_bytes;
                    let part = end.min(address + size).saturating_sub(at);
                    *cells.entry(at - at % map.cell_bytes).or_default().entry(*tag).or_default() += part;
                    if end > last {
                        break;
                    }
                    at = end;
                }
            }
            prop_assert_eq!((map.pages, map.ranges), (pages.len() as u64, ranges.len() as u64));
            prop_assert_eq!(map.bytes, blocks.iter().map(|block| block.1).sum::<u64>());
            prop_assert!(map.cells.len() <= most && map.cell_bytes >= 4096);
            let expected: Vec<MapCell> = cells.iter().map(|(address, tags)| {
                let (tag, tag_bytes) = tags.iter().max_by_key(|(tag, bytes)| (**bytes, u32::MAX - **tag)).expect("one");
                MapCell { address: *address, bytes: tags.values().sum(), tag: *tag, tag_bytes: *tag_bytes }
            }).collect();
            prop_assert_eq!(map.cells, expected);
        }
    }

    #[test]
    fn absurd_blocks_have_a_place() {
        let blocks = [(0, u64::MAX, 1), (u64::MAX, u64::MAX, 2), (u64::MAX - 4, 0, 3), (5 << 20, 1 << 40, 4)];
        let map = HeapMap::of(blocks.into_iter(), 16);
        assert_eq!((map.cell_bytes, map.blocks, map.bytes), (1 << 60, 4, u64::MAX));
        assert_eq!(map.cells.len(), 16);
        assert_eq!(HeapMap::of(std::iter::empty(), 16).cells, []);
    }

    #[test]
    fn small_cells_stay_while_they_are_few() {
        let map = HeapMap::of((0..100).map(|at| (at * 4096, 16, 0)), 100);
        assert_eq!((map.cell_bytes, map.cells.len(), map.pages, map.ranges), (4096, 100, 100, 7));
        let map = HeapMap::of((0..101).map(|at| (at * 4096, 16, 0)), 100);
        assert_eq!((map.cell_bytes, map.cells.len()), (8192, 51));
    }
}
