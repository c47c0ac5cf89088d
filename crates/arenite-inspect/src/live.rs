//! What lives, while events pass.

use std::collections::VecDeque;

use arenite::record::format::events::{Event, What};
use hashbrown::HashMap;

/// How long a free may be told before the allocation by another thread that it belongs to, in units of time of one to some forty
/// nanoseconds: two threads' clocks are read early by some hundred nanoseconds at the most. Not longer by far: it may also be the
/// free of an older block that nobody knows, whose place the other thread got right after it.
const EARLY: u64 = 1 << 10;
/// How long a free may be told after its place is another's, in the same units. Longer by far, since nothing is wrong with waiting.
const LATE: u64 = 1 << 14;
/// Frees that wait at the most.
const WAITING: usize = 1 << 12;
/// Blocks at places that others have, of which it is awaited that they go, at the most: some moments' work of many threads.
const DISPLACED: usize = 1 << 8;

/// The most blocks that are kept in mind, a gibibyte of them. A game has fewer; a file that has more was made to exhaust its reader.
const MOST_BLOCKS: u64 = 1 << 24;
/// The most threads whose tag is kept in mind.
const MOST_THREADS: usize = 1 << 20;

/// A block that lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Bytes that were asked for.
    pub size: u64,
    /// When it was made.
    pub time: u64,
    /// By which call stack; 0 if it is not known.
    pub stack: u32,
    /// Under which tag; 0 if under none.
    pub tag: u32,
    /// On which thread.
    pub thread: u32,
}

/// What an event did to the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// None was made, and none went.
    None,
    /// One was made. It lives, unless another thread's free of it was told first, or there is no room for it.
    Made {
        /// It.
        block: Block,
        /// Whether it lives.
        lives: bool,
    },
    /// One went; `None` if it is not known.
    Gone(Option<Block>),
    /// One is at another place, where its heap put it: the same block.
    Moved(Block),
    /// One has another size, and perhaps another place: the end of one block and the beginning of another.
    Resized {
        /// As it was; `None` if it is not known.
        before: Option<Block>,
        /// As it is.
        block: Block,
        /// Whether it lives, as of [`Made`](Self::Made).
        lives: bool,
    },
}

/// What lives, as far as the recording knows: what was made before it is not among it.
#[derive(Debug, Default)]
pub struct Live {
    blocks: HashMap<u64, Block>,
    /// Blocks at places that others have now, whose free was not told yet, each with its place and when that happened; those that came
    /// first at the front.
    displaced: VecDeque<(u64, u64, Block)>,
    /// Blocks that a thread is moving, and their places, which others may have.
    moving: HashMap<u32, (u64, Option<Block>)>,
    /// Frees of blocks that are not known, of late: where, by which thread, and when.
    early: VecDeque<(u64, u32, u64)>,
    /// The tag that each thread is under.
    tags: HashMap<u32, u32>,
    /// Bytes of memory under each tag.
    committed: HashMap<u32, i64>,
    bytes: u64,
    count: u64,
    peak: u64,
    unknown_frees: u64,
    missed_frees: u64,
    left_out: u64,
}

impl Live {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that live.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Blocks that live.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.count
    }

    /// The most bytes that lived.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.peak
    }

    /// Frees of blocks that were made before the recording, or while it was paused, or whose making was lost.
    #[must_use]
    pub fn unknown_frees(&self) -> u64 {
        self.unknown_frees
    }

    /// Blocks that went without a word, in a pause or because events were dropped: others have their places.
    #[must_use]
    pub fn missed_frees(&self) -> u64 {
        self.missed_frees
    }

    /// Blocks that were left out, because more than sixteen million lived.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Bytes of memory that a tag has: pages of arenas, pools and heaps.
    #[must_use]
    pub fn committed(&self, tag: u32) -> i64 {
        self.committed.get(&tag).copied().unwrap_or(0)
    }

    /// All that live, with their addresses, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Block)> {
        let displaced = self.displaced.iter().map(|(address, _, block)| (*address, block));
        let moving = self.moving.values().filter_map(|(address, block)| Some((*address, block.as_ref()?)));
        self.blocks.iter().map(|(address, block)| (*address, block)).chain(displaced).chain(moving)
    }

    /// The tag that a thread is under; 0 for none.
    #[must_use]
    pub fn tag(&self, thread: u32) -> u32 {
        self.tags.get(&thread).copied().unwrap_or(0)
    }

    /// A block that lives no longer before an event of this time, though nothing tells of its end: another one has had its place for longer
    /// than any free is late. To be asked before each [`take`](Self::take), until there is none; those that nobody asks for are forgotten
    /// there. O(1).
    pub fn missed(&mut self, time: u64) -> Option<Block> {
        let (_, since, _) = self.displaced.front()?;
        if since.saturating_add(LATE) >= time && self.displaced.len() <= DISPLACED {
            return None;
        }
        let (_, _, block) = self.displaced.pop_front()?;
        self.missed_frees += 1;
        self.uncount(&block);
        Some(block)
    }

    /// Takes the next event. O(1), but for the few blocks whose end is awaited.
    pub fn take(&mut self, thread: u32, event: &Event<'_>) -> Change {
        let time = event.time;
        while self.missed(time).is_some() {}
        match event.what {
            What::Tag { tag } if self.tags.len() < MOST_THREADS || self.tags.contains_key(&thread) => {
                self.tags.insert(thread, tag);
            }
            What::Alloc { address, size, stack } => {
                let block = Block { size, time, stack, tag: self.tag(thread), thread };
                return Change::Made { block, lives: self.made(address, block) };
            }
            What::Committed { tag, bytes }
                if self.committed.len() < MOST_THREADS || self.committed.contains_key(&tag) =>
            {
                let sum = self.committed.entry(tag).or_default();
                *sum = sum.saturating_add(bytes);
            }
            What::Free { address } => return Change::Gone(self.gone(thread, address, time)),
            What::Moving { address } => self.moves(thread, address, time),
            What::Moved { before, address } => return self.moved(thread, before, address, time),
            What::Realloc { before, address, size, stack } => {
                let older = match self.moving.remove(&thread) {
                    Some((place, block)) if place == before => block.inspect(|block| self.uncount(block)),
                    lost => {
                        self.put_back(lost, time);
                        self.gone(thread, before, time)
                    }
                };
                // It keeps its tag.
                let tag = older.map_or_else(|| self.tag(thread), |block| block.tag);
                let block = Block { size, time, stack, tag, thread };
                return Change::Resized { before: older, block, lives: self.made(address, block) };
            }
            _ => {}
        }
        Change::None
    }

    /// A block is at another place. One that nobody knows was there before the recording.
    fn moved(&mut self, thread: u32, before: u64, address: u64, time: u64) -> Change {
        let Some(block) = self.taken(before) else { return Change::None };
        if self.is_freed_already(thread, address, time) {
            self.uncount(&block);
            return Change::Gone(Some(block));
        }
        self.place(address, block, time);
        Change::Moved(block)
    }

    /// A block leaves its place, and lives on.
    fn moves(&mut self, thread: u32, address: u64, time: u64) {
        let lost = self.moving.remove(&thread);
        self.put_back(lost, time);
        if self.moving.len() < MOST_THREADS {
            let block = self.gone(thread, address, time);
            if let Some(block) = block {
                (self.bytes, self.count) = (self.bytes.saturating_add(block.size), self.count + 1);
            }
            self.moving.insert(thread, (address, block));
        }
    }

    /// Where a block moved to was lost: as far as anybody knows it is where it was, even if another one is there.
    fn put_back(&mut self, moved: Option<(u64, Option<Block>)>, time: u64) {
        if let Some((address, Some(block))) = moved {
            self.place(address, block, time);
        }
    }

    fn place(&mut self, address: u64, block: Block, time: u64) {
        if let Some(older) = self.blocks.insert(address, block) {
            self.displaced.push_back((address, time, older));
        }
    }

    fn uncount(&mut self, block: &Block) {
        (self.bytes, self.count) = (self.bytes.saturating_sub(block.size), self.count - 1);
    }

    /// Whether it lives.
    fn made(&mut self, address: u64, block: Block) -> bool {
        if self.is_freed_already(block.thread, address, block.time) {
            self.peak = self.peak.max(self.bytes.saturating_add(block.size));
            return false;
        }
        if self.count == MOST_BLOCKS {
            self.left_out += 1;
            return false;
        }
        // Sizes of a file that was made up may be anything.
        self.bytes = self.bytes.saturating_add(block.size);
        self.count += 1;
        self.peak = self.peak.max(self.bytes);
        self.place(address, block, block.time);
        true
    }

    /// Whether another thread has given back what is told of that place only now.
    fn is_freed_already(&mut self, thread: u32, address: u64, now: u64) -> bool {
        while self.early.front().is_some_and(|(.., time)| time.saturating_add(EARLY) < now) {
            self.early.pop_front();
        }
        let early = self.early.iter().position(|(early, by, _)| *early == address && *by != thread);
        if let Some(place) = early {
            self.early.remove(place);
            self.unknown_frees -= 1;
        }
        early.is_some()
    }

    /// Takes the block at a place out; it is still counted.
    fn taken(&mut self, address: u64) -> Option<Block> {
        // The older one first: the newer one was told too early.
        let older = self.displaced.iter().position(|(place, ..)| *place == address);
        match older.and_then(|older| self.displaced.remove(older)) {
            Some((_, _, block)) => Some(block),
            None => self.blocks.remove(&address),
        }
    }

    fn gone(&mut self, thread: u32, address: u64, time: u64) -> Option<Block> {
        let block = self.taken(address);
        match block {
            Some(block) => self.uncount(&block),
            None => {
                self.unknown_frees += 1;
                if self.early.len() == WAITING {
                    self.early.pop_front();
                }
                self.early.push_back((address, thread, time));
            }
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(live: &mut Live, events: &[(u32, u64, What<'_>)]) {
        for (thread, time, what) in events {
            live.take(*thread, &Event { time: *time, what: *what });
        }
    }

    fn sorted(live: &Live) -> Vec<(u64, u64, u32)> {
        let mut blocks: Vec<_> =
            live.iter().map(|(address, block)| (address, block.size, block.tag)).collect();
        blocks.sort_unstable();
        blocks
    }

    fn alloc(address: u64, size: u64) -> What<'static> {
        What::Alloc { address, size, stack: 0 }
    }

    fn moved(before: u64, address: u64, size: u64) -> What<'static> {
        What::Realloc { before, address, size, stack: 0 }
    }

    #[test]
    fn the_place_of_a_block_that_moves_may_be_anothers_before_it_is_told_where_it_went() {
        let mut live = Live::new();
        told(
            &mut live,
            &[(1, 0, What::Tag { tag: 1 }), (2, 0, What::Tag { tag: 2 }), (1, 1, alloc(16, 100))],
        );
        told(&mut live, &[(1, 2, What::Moving { address: 16 })]);
        assert_eq!((sorted(&live), live.bytes(), live.blocks()), (vec![(16, 100, 1)], 100, 1));
        // The second thread gets the place, and moves on from there, before the first one tells.
        told(
            &mut live,
            &[(2, 3, alloc(16, 7)), (2, 4, What::Moving { address: 16 }), (2, 5, moved(16, 48, 8))],
        );
        assert_eq!((sorted(&live), live.bytes()), (vec![(16, 100, 1), (48, 8, 2)], 108));
        told(&mut live, &[(2, 6, alloc(16, 9)), (1, 7, moved(16, 32, 200))]);
        assert_eq!(sorted(&live), [(16, 9, 2), (32, 200, 1), (48, 8, 2)]);
        told(&mut live, &[(1, 8, What::Free { address: 16 }), (2, 9, What::Free { address: 32 })]);
        assert_eq!((sorted(&live), live.bytes(), live.unknown_frees()), (vec![(48, 8, 2)], 8, 0));
    }

    #[test]
    fn a_block_that_its_heap_moves_is_the_same_block() {
        let mut live = Live::new();
        told(&mut live, &[(1, 0, What::Tag { tag: 1 }), (1, 1, alloc(16, 100)), (1, 2, alloc(64, 7))]);
        // Nothing is known of the second one; the third goes where the first was.
        let carried = |before, address| What::Moved { before, address };
        told(&mut live, &[(2, 3, carried(16, 32)), (2, 4, carried(800, 16)), (2, 5, carried(64, 16))]);
        assert_eq!((sorted(&live), live.bytes(), live.blocks()), (vec![(16, 7, 1), (32, 100, 1)], 107, 2));
        let again = live.take(2, &Event { time: 5, what: carried(32, 48) });
        assert!(matches!(again, Change::Moved(Block { size: 100, time: 1, .. })), "{again:?}");
        assert_eq!(live.take(2, &Event { time: 5, what: carried(800, 32) }), Change::None, "nobody knows it");
        told(&mut live, &[(2, 5, carried(48, 32))]);
        let block = live.iter().find(|(address, _)| *address == 32).map(|(_, block)| *block);
        assert_eq!(block, Some(Block { size: 100, time: 1, stack: 0, tag: 1, thread: 1 }));
        told(&mut live, &[(1, 6, What::Free { address: 32 })]);
        // Told after another thread gave it back.
        told(&mut live, &[(1, 7, What::Free { address: 96 })]);
        assert_eq!((live.blocks(), live.unknown_frees()), (1, 1));
        let late = live.take(2, &Event { time: 8, what: carried(16, 96) });
        assert!(matches!(late, Change::Gone(Some(Block { size: 7, .. }))), "{late:?}");
        assert_eq!((live.blocks(), live.bytes(), live.unknown_frees()), (0, 0, 0));
    }

    #[test]
    fn the_free_of_an_older_block_is_not_that_of_the_next_one() {
        let mut live = Live::new();
        let free = |address| What::Free { address };
        // Made before the recording; its place is the same thread's next block's, or another thread's some time after it.
        told(&mut live, &[(1, 1, free(16)), (1, 2, alloc(16, 100)), (1, 2, free(32))]);
        told(&mut live, &[(2, 3 + EARLY, alloc(32, 7))]);
        assert_eq!((sorted(&live), live.unknown_frees()), (vec![(16, 100, 0), (32, 7, 0)], 2));
        // The same for one that is resized where it is, as nobody knows it.
        told(&mut live, &[(1, 4 + EARLY, moved(48, 48, 9))]);
        assert_eq!(sorted(&live), [(16, 100, 0), (32, 7, 0), (48, 9, 0)]);
        // Another thread's, told right before: its clock was read early.
        told(&mut live, &[(1, 5 + EARLY, free(64)), (2, 6 + EARLY, alloc(64, 5))]);
        assert_eq!((live.blocks(), live.bytes()), (3, 116));
    }

    #[test]
    fn a_block_whose_end_was_missed_goes_when_its_place_is_anothers() {
        let mut live = Live::new();
        told(&mut live, &[(1, 1, alloc(16, 100)), (1, 2, alloc(32, 7))]);
        // Given back in a pause; after it, another thread has the place. At first the free may be late.
        let again = 1000 + LATE;
        told(&mut live, &[(2, again, alloc(16, 5))]);
        assert_eq!((sorted(&live), live.missed_frees()), (vec![(16, 5, 0), (16, 100, 0), (32, 7, 0)], 0));
        assert_eq!(live.missed(again + LATE), None);
        let missed = live.missed(again + LATE + 1).map(|block| (block.size, block.thread));
        assert_eq!((missed, live.missed_frees(), live.bytes()), (Some((100, 1)), 1, 12));
        told(&mut live, &[(2, again + LATE + 2, What::Free { address: 16 })]);
        assert_eq!((sorted(&live), live.unknown_frees()), (vec![(32, 7, 0)], 0));
        // Whoever does not ask for them has the same figures.
        told(&mut live, &[(1, 3 * again, alloc(32, 8)), (1, 6 * again, What::Paused)]);
        assert_eq!((sorted(&live), live.missed_frees(), live.bytes()), (vec![(32, 8, 0)], 2, 8));
    }

    #[test]
    fn blocks_that_are_all_at_one_place_and_time_have_a_bound() {
        let mut live = Live::new();
        for _ in 0..10_000 {
            told(&mut live, &[(1, 1, alloc(16, 3))]);
            assert!(live.blocks() <= DISPLACED as u64 + 2);
        }
        assert_eq!(live.blocks() + live.missed_frees(), 10_000);
        assert_eq!(live.bytes(), 3 * live.blocks());
    }

    #[test]
    fn where_a_block_moved_to_may_be_lost() {
        let mut live = Live::new();
        told(
            &mut live,
            &[(1, 1, alloc(16, 100)), (1, 2, What::Moving { address: 16 }), (1, 3, alloc(32, 5))],
        );
        assert_eq!((live.bytes(), live.blocks()), (105, 2), "it lives on, as far as anybody knows");
        // It is another block whose end of the way is told. The first one is where it was.
        told(&mut live, &[(1, 4, moved(32, 64, 6))]);
        assert_eq!((sorted(&live), live.bytes()), (vec![(16, 100, 0), (64, 6, 0)], 106));
        told(&mut live, &[(1, 5, What::Moving { address: 64 }), (1, 6, What::Moving { address: 80 })]);
        assert_eq!((live.bytes(), live.blocks(), live.unknown_frees()), (106, 2, 1));
        told(&mut live, &[(1, 7, What::Free { address: 64 }), (1, 8, What::Free { address: 16 })]);
        assert_eq!((live.bytes(), live.blocks(), live.unknown_frees()), (0, 0, 1));
    }
}
