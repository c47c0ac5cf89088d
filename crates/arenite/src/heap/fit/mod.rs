//! Fit heaps: blocks of any size in a range, found by a policy that the user picks.
//!
//! [`OffsetAllocator`] keeps its books *outside* the range and never reads or writes it, so that it may be RAM, a mapped file, memory of a
//! GPU or just numbers. [`FitHeap`] hands out memory by address, with its books in place or apart: see [`Storage`].
//!
//! ```text
//!   segment 0                                    segment 1
//!    | used | free      | used | used | free |    | free                |     offsets, in granules
//!    +------+-----------+------+------+------+    +---------------------+
//!     node   node        node   node   node   node                            32 bytes each, in a table of their own
//! ```
//!
//! | file | what lives there |
//! |---|---|
//! | `offset` | [`OffsetAllocator`]: what users hold |
//! | `heap`, `storage`, `either` | [`FitHeap`]: the same for memory, by address; where that memory comes from |
//! | `wrap` | what can be put around a heap: [`Locked`], [`Inspected`], [`WithFallback`], containers |
//! | `moving` | what a defragmenter needs besides: blocks that slide, segments that grow and shrink |
//! | `blocks` | splitting and joining, written once for all fits and all kinds of book-keeping |
//! | `nodes` | what is known of a block, and the table it stands in |
//! | `state`, `heap/state` | saving and loading the book-keeping (feature `serde`) |
//! | `ordered` | [`FirstFit`], [`NextFit`], [`BestFit`] and [`WorstFit`], over one kind of B-tree |
//! | `place`, `apart` | the books of a `FitHeap`: in front of each block, or in tables |
//! | `tlsf` | [`Tlsf`]: two-level segregated fit, O(1), the default |
//!
//! Which fit? See [`Fit`]: [`Tlsf`], unless memory is so scarce that [`BestFit`] is worth its time. Which storage? See [`Storage`].
//! A free block never has a free neighbour: freeing joins at once. Floor 4: may import floors 0 to 3.

mod apart;
pub(super) mod blocks;
mod either;
mod error;
mod heap;
mod moving;
pub(super) mod nodes;
mod offset;
mod options;
mod ordered;
mod place;
#[cfg(feature = "serde")]
mod state;
mod stats;
mod storage;
mod tlsf;
mod wrap;

pub use either::Either;
pub use error::{FitError, SegmentError, StaleBlock};
pub use heap::{FitHeap, HeapBlock};
#[cfg(feature = "serde")]
pub use heap::{FitHeapSeed, FitHeapState};
pub use offset::{BlockId, BlockInfo, BlockState, OffsetAllocator, OffsetBlock, SegmentId};
pub use options::OffsetOptions;
pub use ordered::{BestFit, FirstFit, NextFit, WorstFit};
#[cfg(feature = "serde")]
pub use state::{FitStateError, OffsetAllocatorSeed, OffsetAllocatorState};
pub use stats::FitStats;
pub use storage::{Apart, BooksApart, External, Fixed, Growing, Lend, Readable, Storage, Untouched};
pub use tlsf::Tlsf;
pub use wrap::{HeapCalls, Inspected, Locked, RawHeap, ReadableHeap, WithFallback};

use crate::ledger::Tag;
use crate::region::AllocError;
use nodes::{Id, Nodes};

/// Bytes of a granule of real memory: what any address of it is a multiple of.
pub(crate) const GRANULE: usize = 16;

/// How a free block is chosen. Sealed: a fit sees the innards of the book-keeping.
///
/// | fit | takes | of several | an operation takes | book-keeping, beside 32 bytes a block |
/// |---|---|---|---|---|
/// | [`Tlsf`] | a block of the smallest class in which every block suffices | the one freed last | O(1) | none |
/// | [`BestFit`] | the smallest block that suffices | the lowest offset | O(log n) | 26 bytes for each used block |
/// | [`FirstFit`] | the block with the lowest offset that suffices | | O(log n) | the same |
/// | [`NextFit`] | the next one that suffices, from where the last search ended | | O(log n) | the same |
/// | [`WorstFit`] | the largest block | the highest offset | O(log n) | the same |
///
/// n is the number of free blocks. Those in O(log n) never refuse what would fit; [`Tlsf`] may, by a thirty-second. When an alignment
/// does not suit the block that is taken, a block is looked for in which it would suit anywhere.
pub trait Fit: sealed::Choose {
    /// What the field calls it.
    const NAME: &'static str;
}

pub(crate) mod sealed {
    use super::{AllocError, Id, Nodes, Tag};

    /// The free blocks of a range, and which of them to take.
    ///
    /// Whoever calls keeps this up: a block is inserted once, and removed before its size, offset or state changes.
    pub trait Choose: Sized + core::fmt::Debug {
        /// No free block yet. What it needs for itself is charged to `tag`; there is to be address space for so many blocks.
        fn try_new(tag: Tag, blocks: usize) -> Result<Self, AllocError>;

        /// Makes sure that `free_blocks` blocks can be in it at the same time without asking for memory: freeing never fails.
        fn try_ready(&mut self, free_blocks: u32) -> Result<(), AllocError>;

        /// A block is free now.
        fn insert<N: Nodes>(&mut self, nodes: &mut N, block: Id);

        /// A block of `_size` granules is free now.
        #[inline(always)]
        fn insert_sized<N: Nodes>(&mut self, nodes: &mut N, block: Id, _size: u32) {
            self.insert(nodes, block);
        }

        /// A block is about to be used, joined or cut.
        fn remove<N: Nodes>(&mut self, nodes: &mut N, block: Id);

        /// A free block of at least `size` granules; it stays in. `size` is not zero.
        fn find<N: Nodes>(&mut self, nodes: &N, size: u32) -> Option<Id>;

        /// The same, and it is removed; or none, because `find` would have to look for long.
        #[inline(always)]
        fn pop<N: Nodes>(&mut self, nodes: &mut N, size: u32) -> Option<Id> {
            let found = self.find(nodes, size)?;
            self.remove(nodes, found);
            Some(found)
        }

        /// Granules of the largest free block, zero if there is none.
        fn largest<N: Nodes>(&self, nodes: &N) -> u32;

        /// As [`largest`](Self::largest), or less by a thirty-second: whatever is free, it is not looked for long.
        fn nearly_largest<N: Nodes>(&self, nodes: &N) -> u32 {
            self.largest(nodes)
        }

        /// Forgets all blocks.
        fn clear(&mut self);

        /// Committed bytes of its own.
        fn committed(&self) -> usize;

        /// Tells the ledger how much of its own is in use.
        fn publish(&mut self) {}
    }
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
