//! The offset allocator: numbers in, numbers out.

use core::fmt;
use core::num::NonZeroU64;

use super::blocks::{Blocks, Refused};
use super::nodes::{Id, NONE, NodeTable, Nodes, State};
use super::{Fit, FitError, FitStats, OffsetOptions, SegmentError, StaleBlock, Tlsf};
use crate::ledger::Tag;
use crate::region::AllocError;

/// Hands out parts of a range that it never touches: memory of a GPU, a file, an address range, a range of numbers.
///
/// `F` picks the free block: see [`Fit`]. Freeing joins with free neighbours at once, so no two free blocks touch. A block's
/// [id](BlockId) is good until the block is freed, and never again. `Send` and `Sync`; changing it takes `&mut self`.
///
/// Sizes and offsets are bytes, or whatever the range is counted in, in multiples of the
/// [granularity](OffsetOptions::granularity). The book-keeping is 32 bytes a block, used or free, and nothing for what is managed.
/// See `examples/offsets.rs` for a range that grows, is drained, saved and loaded.
///
/// ```
/// use arenite::{FitError, OffsetAllocator, OffsetOptions, Tag};
///
/// let tag = Tag::register("gpu/buffers")?;
/// let mut memory: OffsetAllocator = OffsetOptions::new(tag).granularity(256).capacity(1 << 20).try_build()?;
/// let vertices = memory.try_allocate(100_000, 256)?;
/// let indices = memory.try_allocate(30_000, 4096)?;
/// assert_eq!(indices.offset % 4096, 0);
///
/// memory.free(vertices.id)?;
/// assert!(memory.free(vertices.id).is_err()); // freed twice
///
/// // Enough is free, but not in one piece.
/// let refused = memory.try_allocate(1_000_000, 1).unwrap_err();
/// assert!(matches!(refused, FitError::OutOfContiguous { .. }));
/// memory.free(indices.id)?;
/// assert_eq!(memory.stats().largest_free, 1 << 20);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct OffsetAllocator<F: Fit = Tlsf> {
    pub(in crate::heap) blocks: Blocks<NodeTable, F>,
    /// A granule is two to the power of this.
    pub(in crate::heap) shift: u32,
    pub(in crate::heap) segments: u32,
    /// Granules of all segments.
    pub(in crate::heap) capacity: u64,
}

/// Names a block for as long as it is in use, among those of its allocator: another allocator may have one of the same name. 8 bytes, and
/// so is an `Option` of it. With the feature `serde` it is saved as its [bits](Self::to_bits).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct BlockId(NonZeroU64);

/// Names a segment until it is removed, among those of its allocator. With the feature `serde` it is saved as its
/// [bits](Self::to_bits).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct SegmentId(NonZeroU64);

/// A block that was handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OffsetBlock {
    /// Where it begins.
    pub offset: u64,
    /// How large it is: what was asked for, rounded up to granules.
    pub size: u64,
    /// Its name.
    pub id: BlockId,
}

/// What a piece of a range is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockState {
    /// Handed out, under this name.
    Used(BlockId),
    /// Free.
    Free,
    /// Free, but in a segment that is being drained.
    Aside,
}

/// A piece of a range, used or free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockInfo {
    /// Where it begins.
    pub offset: u64,
    /// How large it is.
    pub size: u64,
    /// What it is.
    pub state: BlockState,
}

impl OffsetOptions {
    /// An allocator of this kind.
    ///
    /// # Errors
    /// The capacity is 2³² granules or more, address space can not be had, a budget would be broken, or the system refused.
    pub fn try_build<F: Fit>(self) -> Result<OffsetAllocator<F>, AllocError> {
        let mut new = OffsetAllocator {
            blocks: Blocks::new(
                NodeTable::try_new(self.tag, self.blocks)?,
                F::try_new(self.tag, self.blocks)?,
                0,
            ),
            shift: self.granularity.trailing_zeros(),
            segments: 0,
            capacity: 0,
        };
        if self.capacity >> new.shift != 0 {
            new.try_append(self.capacity)?;
        }
        Ok(new)
    }
}

impl<F: Fit> OffsetAllocator<F> {
    /// Granules of 16 bytes, one segment of so many bytes; see [`OffsetOptions`] for more.
    ///
    /// # Errors
    /// As of [`OffsetOptions::try_build`].
    pub fn try_new(tag: Tag, capacity: u64) -> Result<Self, AllocError> {
        OffsetOptions::new(tag).capacity(capacity).try_build()
    }

    /// A part of `size`, rounded up to granules and to one at least, at a multiple of `align`.
    ///
    /// # Errors
    /// There is no such part ([`OutOfMemory`](FitError::OutOfMemory) or [`OutOfContiguous`](FitError::OutOfContiguous)), no range has
    /// such an alignment ([`TooLarge`](FitError::TooLarge)), or the book-keeping can not grow.
    ///
    /// # Panics
    /// `align` is not a power of two.
    #[inline]
    pub fn try_allocate(&mut self, size: u64, align: u64) -> Result<OffsetBlock, FitError> {
        assert!(align.is_power_of_two(), "an alignment is a power of two");
        let (Some(granules), Some(steps)) =
            (self.granules(size), u32::try_from((align >> self.shift).max(1)).ok())
        else {
            return Err(self.too_large(size));
        };
        match self.blocks.allocate(granules, steps, self.segments) {
            Ok(block) => Ok(self.hand_out(block)),
            Err(refused) => Err(self.explain(refused, granules, align)),
        }
    }

    /// Takes a part back and joins it with free neighbours.
    ///
    /// # Errors
    /// It is not in use under this name; nothing has changed.
    #[inline]
    pub fn free(&mut self, id: BlockId) -> Result<(), StaleBlock> {
        let block = self.find(id)?;
        self.blocks.nodes.retire(block);
        self.blocks.free(block);
        Ok(())
    }

    /// Makes a block larger where it lies; `size` is what it is to have in all. Of a smaller `size` nothing comes.
    ///
    /// # Errors
    /// It is not in use; or what is behind it is not free or not large enough. Nothing has changed.
    pub fn try_grow(&mut self, id: BlockId, size: u64) -> Result<OffsetBlock, FitError> {
        let block = self.find(id)?;
        let Some(granules) = self.granules(size) else { return Err(self.too_large(size)) };
        let granules = granules.max(self.blocks.nodes.size(block));
        match self.blocks.try_grow(block, granules, self.segments) {
            Ok(()) => Ok(self.describe(block)),
            Err(refused) => Err(self.explain(refused, granules, 1)),
        }
    }

    /// Makes a block smaller; what is left over at its end is free. Of a larger `size` nothing comes.
    ///
    /// # Errors
    /// It is not in use, or the book-keeping can not grow. Nothing has changed.
    pub fn try_shrink(&mut self, id: BlockId, size: u64) -> Result<OffsetBlock, FitError> {
        let block = self.find(id)?;
        let now = self.blocks.nodes.size(block);
        let granules = self.granules(size).map_or(now, |granules| granules.min(now));
        self.blocks.try_shrink(block, granules, self.segments)?;
        Ok(self.describe(block))
    }

    /// Where a block lies, if it is in use.
    #[inline]
    #[must_use]
    pub fn get(&self, id: BlockId) -> Option<OffsetBlock> {
        self.find(id).ok().map(|block| self.describe(block))
    }

    /// The owner's word of a block; zero until it is [set](Self::set_word).
    #[inline]
    #[must_use]
    pub fn word(&self, id: BlockId) -> Option<u64> {
        self.find(id).ok().map(|block| self.blocks.nodes.word(block))
    }

    /// Keeps a word with a block: whose it is, say.
    ///
    /// # Errors
    /// It is not in use.
    pub fn set_word(&mut self, id: BlockId, word: u64) -> Result<(), StaleBlock> {
        let block = self.find(id)?;
        self.blocks.nodes.set_word(block, word);
        Ok(())
    }

    /// Adds a segment behind all others. Blocks do not span segments. O(segments).
    ///
    /// # Errors
    /// It is less than a granule, the range would have more than 2³² - 1 granules or end beyond 2⁶⁴ - 1, or the book-keeping can not
    /// grow.
    pub fn try_append(&mut self, size: u64) -> Result<SegmentId, AllocError> {
        let too_large = AllocError::TooLarge { tag: self.tag() };
        let last = self.blocks.nodes.last_border();
        let offset = match last {
            NONE => 0,
            last => self.blocks.nodes.offset(last) + self.blocks.nodes.size(last),
        };
        let granules =
            u32::try_from(size >> self.shift).ok().filter(|granules| *granules != 0).ok_or(too_large)?;
        offset.checked_add(granules).filter(|end| *end <= self.most()).ok_or(too_large)?;
        let border = self.blocks.append(offset, granules, self.segments)?;
        self.segments += 1;
        self.capacity += u64::from(granules);
        Ok(SegmentId::new(border, self.blocks.nodes.border_generation(border)))
    }

    /// The segments, by offset.
    pub fn segments(&self) -> impl Iterator<Item = SegmentId> {
        self.borders().map(|border| SegmentId::new(border, self.blocks.nodes.border_generation(border)))
    }

    /// Where a segment begins and how large it is. O(segments).
    #[must_use]
    pub fn segment(&self, id: SegmentId) -> Option<(u64, u64)> {
        let border = self.find_segment(id)?;
        let nodes = &self.blocks.nodes;
        Some((u64::from(nodes.offset(border)) << self.shift, u64::from(nodes.size(border)) << self.shift))
    }

    /// Whether a segment is to become empty: nothing is handed out of it then, and what is freed in it stays apart. O(its blocks).
    /// While one is drained, freeing takes O(segments).
    ///
    /// # Errors
    /// [`SegmentError::Stale`].
    pub fn try_drain(&mut self, id: SegmentId, drain: bool) -> Result<(), SegmentError> {
        let border = self.find_segment(id).ok_or(SegmentError::Stale)?;
        self.blocks.set_draining(border, drain);
        Ok(())
    }

    /// Removes a segment in which nothing is used; answers its size. If it was not the last one, its offsets are not used again.
    ///
    /// # Errors
    /// Something in it is used, or there is no such segment.
    pub fn try_remove(&mut self, id: SegmentId) -> Result<u64, SegmentError> {
        let border = self.find_segment(id).ok_or(SegmentError::Stale)?;
        let size = self.blocks.nodes.size(border);
        if !self.blocks.remove_segment(border) {
            return Err(SegmentError::InUse);
        }
        self.segments -= 1;
        self.capacity -= u64::from(size);
        Ok(u64::from(size) << self.shift)
    }

    /// All pieces, used and free, by offset. O(pieces).
    pub fn walk(&self) -> impl Iterator<Item = BlockInfo> {
        self.borders().flat_map(|border| self.blocks.of_segment(border)).map(|block| self.info(block))
    }

    /// How many free pieces there are of each size: place `n` counts those of at least 2ⁿ bytes and less than 2ⁿ⁺¹. O(pieces).
    #[must_use]
    pub fn histogram(&self) -> [u64; 64] {
        let mut counts = [0; 64];
        for piece in self.walk().filter(|piece| piece.state == BlockState::Free) {
            counts[piece.size.ilog2() as usize] += 1;
        }
        counts
    }

    /// How full and how torn it is. O(1) but for [`largest_free`](FitStats::largest_free), which [`Tlsf`] finds among the blocks of
    /// one class.
    #[must_use]
    pub fn stats(&self) -> FitStats {
        let blocks = &self.blocks;
        FitStats {
            capacity: self.capacity << self.shift,
            used: blocks.used_size << self.shift,
            free: blocks.free_size() << self.shift,
            aside: (self.capacity - blocks.size) << self.shift,
            largest_free: u64::from(blocks.largest()) << self.shift,
            used_blocks: u64::from(blocks.used),
            free_blocks: u64::from(blocks.free),
            segments: u64::from(self.segments),
            bookkeeping: self.bookkeeping(),
        }
    }

    /// Bytes of memory that the book-keeping has committed.
    pub(in crate::heap) fn bookkeeping(&self) -> u64 {
        (self.blocks.nodes.committed() + self.blocks.fit.committed()) as u64
    }

    /// What is handed out. O(1), whatever the fit.
    pub(in crate::heap) fn used(&self) -> u64 {
        self.blocks.used_size << self.shift
    }

    /// What sizes and offsets are multiples of.
    #[must_use]
    pub fn granularity(&self) -> u64 {
        1 << self.shift
    }

    /// Whom the book-keeping is charged to.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.blocks.nodes.tag()
    }

    /// Tells the ledger how much of the book-keeping is in use.
    pub fn publish(&mut self) {
        self.blocks.nodes.publish();
        self.blocks.fit.publish();
    }

    /// Where a range may end, in granules: so that every offset, and their sum, is a number of 64 bits.
    pub(super) fn most(&self) -> u32 {
        u32::try_from(u64::MAX >> self.shift).unwrap_or(u32::MAX)
    }

    /// As the user says it, in granules; one at least.
    #[inline(always)]
    pub(in crate::heap) fn granules(&self, size: u64) -> Option<u32> {
        let mask = (1 << self.shift) - 1;
        u32::try_from(size.max(1).checked_add(mask)? >> self.shift).ok()
    }

    #[inline(always)]
    fn find(&self, id: BlockId) -> Result<Id, StaleBlock> {
        let (block, generation) = id.parts();
        if self.blocks.nodes.generation(block) == Some(generation) { Ok(block) } else { Err(StaleBlock) }
    }

    fn find_segment(&self, id: SegmentId) -> Option<Id> {
        let (border, generation) = BlockId(id.0).parts();
        self.blocks.nodes.find_border(border, generation)
    }

    pub(in crate::heap) fn borders(&self) -> impl Iterator<Item = Id> {
        let first = self.blocks.nodes.first_border();
        core::iter::successors(Some(first), |border| Some(self.blocks.nodes.next_border(*border)))
            .take_while(|border| *border != NONE)
    }

    #[inline(always)]
    fn hand_out(&mut self, block: Id) -> OffsetBlock {
        let mut block = block;
        if self.blocks.nodes.is_worn_out(block) {
            block = self.blocks.nodes.renew(block);
        }
        self.blocks.nodes.set_word(block, 0);
        self.describe(block)
    }

    /// Of a used block.
    #[inline(always)]
    fn describe(&self, block: Id) -> OffsetBlock {
        let nodes = &self.blocks.nodes;
        OffsetBlock {
            offset: u64::from(nodes.offset(block)) << self.shift,
            size: u64::from(nodes.size(block)) << self.shift,
            id: BlockId::new(block, nodes.generation(block).unwrap_or(0)),
        }
    }

    fn info(&self, block: Id) -> BlockInfo {
        let OffsetBlock { offset, size, id } = self.describe(block);
        let state = match self.blocks.nodes.state(block) {
            State::Used => BlockState::Used(id),
            State::Aside => BlockState::Aside,
            State::Free | State::Border => BlockState::Free,
        };
        BlockInfo { offset, size, state }
    }

    #[cold]
    #[inline(never)]
    pub(in crate::heap) fn too_large(&self, size: u64) -> FitError {
        // Of an alignment that no range has, the size may be small.
        let free = self.blocks.free_size() << self.shift;
        if size > free { FitError::OutOfMemory { wanted: size, free } } else { FitError::TooLarge }
    }

    #[cold]
    #[inline(never)]
    pub(in crate::heap) fn explain(&self, refused: Refused, granules: u32, align: u64) -> FitError {
        let (wanted, free) = (u64::from(granules) << self.shift, self.blocks.free_size() << self.shift);
        match refused {
            Refused::Nodes(error) => FitError::Refused(error),
            Refused::NoBlock if wanted > free => FitError::OutOfMemory { wanted, free },
            Refused::NoBlock => {
                let largest = u64::from(self.blocks.nearly_largest()) << self.shift;
                FitError::OutOfContiguous { wanted, align, free, largest }
            }
        }
    }
}

impl BlockId {
    #[inline(always)]
    fn new(block: Id, generation: u32) -> Self {
        let bits = u64::from(generation) << 32 | u64::from(block);
        // A block's number is not zero; if it were, the name would be that of no block either.
        Self(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MAX))
    }

    #[inline(always)]
    fn parts(self) -> (Id, u32) {
        (self.0.get() as u32, (self.0.get() >> 32) as u32)
    }

    /// As a number, for C or for a file.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// From a number that [`to_bits`](Self::to_bits) gave. Any other one is stale, or names whatever happens to be named by it.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match NonZeroU64::new(bits) {
            Some(bits) => Some(Self(bits)),
            None => None,
        }
    }
}

impl SegmentId {
    pub(in crate::heap) fn new(border: Id, generation: u32) -> Self {
        Self(BlockId::new(border, generation).0)
    }

    /// As a number, for C or for a file.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// From a number that [`to_bits`](Self::to_bits) gave. Any other one is stale, or names whatever happens to be named by it.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match NonZeroU64::new(bits) {
            Some(bits) => Some(Self(bits)),
            None => None,
        }
    }
}

impl fmt::Debug for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (block, generation) = self.parts();
        write!(f, "BlockId({block}v{generation})")
    }
}

impl fmt::Debug for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (border, generation) = BlockId(self.0).parts();
        write!(f, "SegmentId({border}v{generation})")
    }
}

impl<F: Fit> fmt::Debug for OffsetAllocator<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OffsetAllocator")
            .field("tag", &self.tag())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "serde")]
mod saved {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{BlockId, SegmentId};

    impl Serialize for BlockId {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_u64(self.to_bits())
        }
    }

    impl<'de> Deserialize<'de> for BlockId {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Self::from_bits(u64::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("no block is 0"))
        }
    }

    impl Serialize for SegmentId {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_u64(self.to_bits())
        }
    }

    impl<'de> Deserialize<'de> for SegmentId {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Self::from_bits(u64::deserialize(deserializer)?)
                .ok_or_else(|| D::Error::custom("no segment is 0"))
        }
    }
}
