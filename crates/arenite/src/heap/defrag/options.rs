//! How a heap that moves its blocks is to be made.

use super::DefragPolicy;
use crate::ledger::Tag;

/// How a [`DefragHeap`](super::DefragHeap) is made. Sizes are bytes.
///
/// ```
/// use arenite::{DefragHeap, DefragHeapOptions, DefragPolicy, Tag};
/// let options = DefragHeapOptions::new(Tag::register("stream")?).reserve(256 << 20).policy(DefragPolicy::FillHoles);
/// let heap: DefragHeap = DefragHeap::try_with(options)?;
/// assert_eq!(heap.stats().capacity, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct DefragHeapOptions {
    pub(super) tag: Tag,
    pub(super) reserve: usize,
    pub(super) segment: usize,
    pub(super) keep: usize,
    pub(super) blocks: usize,
    pub(super) policy: DefragPolicy,
    pub(super) huge: bool,
}

impl DefragHeapOptions {
    /// Charged to `tag`: 8 GiB of address space (256 MiB on 32-bit machines) for a million blocks, in one segment, which
    /// [slide](DefragPolicy::Slide) to the front; 1 MiB that is free at the end stays.
    pub const fn new(tag: Tag) -> Self {
        let reserve = if usize::BITS >= 64 { 8 << 30 } else { 256 << 20 };
        let blocks = if cfg!(loom) { 8 } else { 1 << 20 };
        Self {
            tag,
            reserve,
            segment: usize::MAX,
            keep: 1 << 20,
            blocks,
            policy: DefragPolicy::Slide,
            huge: false,
        }
    }

    /// The most that all blocks together can take: limit it with [`Tag::set_budget`] as well.
    pub const fn reserve(mut self, bytes: usize) -> Self {
        self.reserve = bytes;
        self
    }

    /// How large a segment grows before the next one is begun; a larger block has one to itself. Blocks do not span segments. For
    /// [`DefragPolicy::EvacuateLast`].
    pub const fn segment(mut self, bytes: usize) -> Self {
        self.segment = bytes;
        self
    }

    /// How much that is free at the end stays committed for what is allocated next, when more than twice as much is free there.
    pub const fn keep(mut self, bytes: usize) -> Self {
        self.keep = bytes;
        self
    }

    /// For how many blocks there is address space. (Freeing, moving and reading a block never need any.)
    pub const fn blocks(mut self, blocks: usize) -> Self {
        self.blocks = blocks;
        self
    }

    /// How many pieces, used and free, there can be with so many blocks, and what is asked to be ready for a move: so that a heap with as
    /// many blocks as it may have can still be defragmented.
    pub(super) const fn pieces(&self) -> usize {
        // Two segments that follow each other are together larger than one may be, or hold a block that is.
        let segment = if self.segment == 0 { 1 } else { self.segment };
        let segments = (self.reserve / segment).saturating_mul(2).saturating_add(2);
        let segments = if segments < self.blocks { segments } else { self.blocks.saturating_add(1) };
        // A hole behind each block, and at the end of each segment, which has a row of its own.
        self.blocks.saturating_add(segments).saturating_mul(2).saturating_add(8)
    }

    /// How blocks are moved.
    pub const fn policy(mut self, policy: DefragPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// See [`RegionOptions::huge_pages`](crate::RegionOptions::huge_pages).
    pub const fn huge_pages(mut self, huge: bool) -> Self {
        self.huge = huge;
        self
    }
}
