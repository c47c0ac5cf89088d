//! How an offset allocator is to be made.

use crate::ledger::Tag;

/// How an [`OffsetAllocator`](super::OffsetAllocator) counts and whom its book-keeping is charged to.
///
/// ```
/// use arenite::{OffsetAllocator, OffsetOptions, Tag};
/// let tag = Tag::register("gpu/buffers")?;
/// // 8 GiB of video memory in steps of 256 bytes.
/// let memory: OffsetAllocator = OffsetOptions::new(tag).granularity(256).capacity(8 << 30).try_build()?;
/// assert_eq!(memory.stats().largest_free, 8 << 30);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct OffsetOptions {
    pub(super) tag: Tag,
    pub(super) granularity: u64,
    pub(super) capacity: u64,
    pub(super) blocks: usize,
}

impl OffsetOptions {
    /// Granules of 16 bytes, no capacity, address space for the book-keeping of 2²⁴ blocks (512 MiB; less if the system has not so
    /// much). The book-keeping is charged to `tag`, what is managed is nobody's business here.
    pub const fn new(tag: Tag) -> Self {
        Self { tag, granularity: 16, capacity: 0, blocks: 1 << 24 }
    }

    /// What sizes and offsets are rounded up to, a power of two: 1 for numbers. There are 2³² - 1 granules at the most, so 16 bytes
    /// are enough for 64 GiB.
    ///
    /// # Panics
    /// `bytes` is not a power of two.
    pub const fn granularity(mut self, bytes: u64) -> Self {
        assert!(bytes.is_power_of_two(), "a granularity is a power of two");
        self.granularity = bytes;
        self
    }

    /// How much the first segment has, rounded down to granules. Zero: there is none before the first
    /// [`append`](super::OffsetAllocator::try_append).
    pub const fn capacity(mut self, bytes: u64) -> Self {
        self.capacity = bytes;
        self
    }

    pub(in crate::heap) const fn most_blocks(&self) -> usize {
        self.blocks
    }

    /// For how many blocks, used and free, address space is reserved; 32 bytes each are committed as they are needed. (Each segment counts as
    /// one more, and three are kept ready for what a call may cut.)
    pub const fn blocks(mut self, blocks: usize) -> Self {
        self.blocks = blocks;
        self
    }
}
