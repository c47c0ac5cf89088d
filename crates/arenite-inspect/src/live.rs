//! What lives, while events pass.

use std::collections::VecDeque;

use arenite::record::format::events::{Event, What};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

/// How long a free may be told before the allocation that it belongs to, in units of time: two threads' clocks are read early by
/// some hundred nanoseconds at the most. Longer by far, since nothing is wrong with waiting.
const EARLY: u64 = 1 << 14;
/// Frees that wait at the most.
const WAITING: usize = 1 << 12;

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

/// What lives, as far as the recording knows: what was made before it is not among it.
#[derive(Debug, Default)]
pub struct Live {
    blocks: HashMap<u64, Block>,
    /// Blocks at places that others have now, whose free was not told yet.
    displaced: HashMap<u64, VecDeque<Block>>,
    /// Frees of blocks that are not known, of late.
    early: VecDeque<(u64, u64)>,
    /// The tag that each thread is under.
    tags: HashMap<u32, u32>,
    /// Bytes of memory under each tag.
    committed: HashMap<u32, i64>,
    bytes: u64,
    count: u64,
    peak: u64,
    unknown_frees: u64,
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
        let displaced =
            self.displaced.iter().flat_map(|(address, blocks)| blocks.iter().map(|block| (*address, block)));
        self.blocks.iter().map(|(address, block)| (*address, block)).chain(displaced)
    }

    /// The block that a free of this address would end now.
    #[must_use]
    pub fn get(&self, address: u64) -> Option<&Block> {
        match self.displaced.get(&address) {
            Some(waiting) => waiting.front(),
            None => self.blocks.get(&address),
        }
    }

    /// The tag that a thread is under; 0 for none.
    #[must_use]
    pub fn tag(&self, thread: u32) -> u32 {
        self.tags.get(&thread).copied().unwrap_or(0)
    }

    /// Takes the next event.
    pub fn take(&mut self, thread: u32, event: &Event<'_>) {
        let time = event.time;
        match event.what {
            What::Tag { tag } if self.tags.len() < MOST_THREADS || self.tags.contains_key(&thread) => {
                self.tags.insert(thread, tag);
            }
            What::Alloc { address, size, stack } => {
                let tag = self.tags.get(&thread).copied().unwrap_or(0);
                self.made(address, Block { size, time, stack, tag, thread });
            }
            What::Committed { tag, bytes }
                if self.committed.len() < MOST_THREADS || self.committed.contains_key(&tag) =>
            {
                let sum = self.committed.entry(tag).or_default();
                *sum = sum.saturating_add(bytes);
            }
            What::Free { address } => {
                let _ = self.gone(address, time);
            }
            What::Realloc { before, address, size, stack } => {
                // It keeps its tag.
                let tag = self.gone(before, time).map(|block| block.tag);
                let tag = tag.or_else(|| self.tags.get(&thread).copied()).unwrap_or(0);
                self.made(address, Block { size, time, stack, tag, thread });
            }
            _ => {}
        }
    }

    fn made(&mut self, address: u64, block: Block) {
        while self.early.front().is_some_and(|(_, time)| time.saturating_add(EARLY) < block.time) {
            self.early.pop_front();
        }
        if let Some(place) = self.early.iter().position(|(early, _)| *early == address) {
            // Another thread has given it back already.
            self.early.remove(place);
            self.unknown_frees -= 1;
            self.peak = self.peak.max(self.bytes.saturating_add(block.size));
            return;
        }
        if self.count == MOST_BLOCKS {
            self.left_out += 1;
            return;
        }
        // Sizes of a file that was made up may be anything.
        self.bytes = self.bytes.saturating_add(block.size);
        self.count += 1;
        self.peak = self.peak.max(self.bytes);
        if let Some(older) = self.blocks.insert(address, block) {
            self.displaced.entry(address).or_default().push_back(older);
        }
    }

    fn gone(&mut self, address: u64, time: u64) -> Option<Block> {
        // The older one first: the newer one was told too early.
        let block = match self.displaced.entry(address) {
            Entry::Occupied(mut waiting) => {
                let block = waiting.get_mut().pop_front();
                if waiting.get().is_empty() {
                    waiting.remove();
                }
                block
            }
            Entry::Vacant(_) => self.blocks.remove(&address),
        };
        match block {
            Some(block) => {
                self.bytes = self.bytes.saturating_sub(block.size);
                self.count -= 1;
            }
            None => {
                self.unknown_frees += 1;
                if self.early.len() == WAITING {
                    self.early.pop_front();
                }
                self.early.push_back((address, time));
            }
        }
        block
    }
}
