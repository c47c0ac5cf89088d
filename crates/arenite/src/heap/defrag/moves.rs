//! The same for memory that somebody else copies: of a GPU, by DMA, on another machine.

use core::fmt;

use super::budget::MoveReport;
use super::movable::{Core, Ended};
use super::policy::{Look, Plan};
use super::{DefragPolicy, MapPiece, SpaceHandle};
use crate::heap::fit::{Fit, FitError, FitStats, OffsetOptions, SegmentError, SegmentId, StaleBlock, Tlsf};
use crate::ledger::Tag;
use crate::region::AllocError;

/// Blocks looked at in one call of [`DefragSpace::begin_moves`].
const LOOKS: u32 = 1024;

/// Hands out parts of a range that it never touches, under handles that survive moves, and says what should be copied where so that
/// what is free comes together.
///
/// Who copies is told by [`begin_moves`](Self::begin_moves) and answers each move with [`done`](Self::done) or
/// [`cancel`](Self::cancel), frames later if need be. Meanwhile the block lies where it was, and may be freed, resized or pinned at
/// any time: source and target stay occupied until the answer, and do not overlap. A block must not be written while it is
/// copied; pin it first, and the move comes to nothing. `Send` and `Sync`; changing it takes `&mut self`.
///
/// Sizes and offsets are bytes, or whatever the range is counted in, in multiples of the
/// [granularity](OffsetOptions::granularity). Book-keeping: about 80 bytes a block, and 32 a hole.
///
/// ```
/// use arenite::{DefragSpace, MoveEnd, OffsetOptions, Tag};
///
/// let tag = Tag::register("gpu/buffers")?;
/// let mut memory: DefragSpace = DefragSpace::try_new(OffsetOptions::new(tag).granularity(256).capacity(1 << 20))?;
/// let buffers: Vec<_> = (0..16).map(|_| memory.try_allocate(60_000, 256)).collect::<Result<_, _>>()?;
/// for buffer in buffers.iter().step_by(2) {
///     memory.free(*buffer)?;
/// }
/// while memory.stats().free_blocks > 1 {
///     // At most 1 MiB a frame; here "the GPU" is a list.
///     let mut copies = Vec::new();
///     memory.begin_moves(1 << 20, |copy| copies.push(copy));
///     for copy in copies {
///         assert!(copy.to + copy.size <= copy.from);
///         assert_eq!(memory.done(copy.id)?, MoveEnd::Moved);
///         assert_eq!(memory.locate(copy.handle).unwrap().offset, copy.to);
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DefragSpace<F: Fit = Tlsf> {
    core: Core<F, ()>,
}

/// Where a block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpacePlace {
    /// Where it begins.
    pub offset: u64,
    /// What was asked for.
    pub size: u64,
}

/// Names a move that has begun until it is answered, and never again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MoveId {
    slot: u32,
    serial: u64,
}

impl MoveId {
    /// As numbers, for C, or to be sent to where copies are made.
    #[must_use]
    pub const fn to_bits(self) -> [u64; 2] {
        [self.slot as u64, self.serial]
    }

    /// From numbers that [`to_bits`](Self::to_bits) gave. Any other ones name no move, or whatever happens to be named by them.
    #[must_use]
    pub const fn from_bits(bits: [u64; 2]) -> Option<Self> {
        let [slot, serial] = bits;
        if slot > u32::MAX as u64 { None } else { Some(Self { slot: slot as u32, serial }) }
    }
}

/// Something to be copied. Source and target do not overlap, and are nobody else's until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SpaceMove {
    /// To be answered.
    pub id: MoveId,
    /// Whose block it is.
    pub handle: SpaceHandle,
    /// Where it lies.
    pub from: u64,
    /// Where it shall lie.
    pub to: u64,
    /// How much is to be copied.
    pub size: u64,
}

/// What came of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MoveEnd {
    /// The block lies at its target from now on.
    Moved,
    /// It lies where it was: it was pinned or resized on its way, or the move was cancelled.
    Cancelled,
    /// It was freed on its way.
    Freed,
}

impl<F: Fit> DefragSpace<F> {
    /// A space as the options say; blocks slide to the front.
    ///
    /// # Errors
    /// As [`OffsetOptions::try_build`].
    pub fn try_new(options: OffsetOptions) -> Result<Self, AllocError> {
        Ok(Self { core: Core::try_new(options, options.most_blocks())? })
    }

    /// A part of `size`, at a multiple of `align` wherever it moves.
    ///
    /// # Errors
    /// There is no such part ([`OutOfMemory`](FitError::OutOfMemory), or [`OutOfContiguous`](FitError::OutOfContiguous): moves would
    /// make room), the size is too large for any range, or the book-keeping can not grow.
    ///
    /// # Panics
    /// `align` is not a power of two.
    pub fn try_allocate(&mut self, size: u64, align: u64) -> Result<SpaceHandle, FitError> {
        assert!(align.is_power_of_two(), "an alignment is a power of two");
        let slot = self.core.try_allocate(size, align, ())?;
        Ok(self.core.slots.handle(slot))
    }

    /// Takes a part back, also while it is being copied: what that occupies is free once the move is answered.
    ///
    /// # Errors
    /// It was freed before. (A pinned part may be freed: its pins go with it.)
    pub fn free(&mut self, handle: SpaceHandle) -> Result<(), StaleBlock> {
        let slot = self.core.find(handle)?;
        self.core.unpin_all(slot);
        self.core.free(slot);
        Ok(())
    }

    /// Where a part lies, if it was not freed. While it is being copied, that is where it comes from.
    #[must_use]
    pub fn locate(&self, handle: SpaceHandle) -> Option<SpacePlace> {
        let slot = self.core.find(handle).ok()?;
        Some(SpacePlace { offset: self.core.offset(slot), size: self.core.slots.at(slot).size })
    }

    /// Makes a part larger or smaller where it lies. If it is being copied, that comes to nothing.
    ///
    /// # Errors
    /// It was freed; or what is behind it is not free or not large enough. Nothing has changed.
    pub fn try_resize(&mut self, handle: SpaceHandle, size: u64) -> Result<(), FitError> {
        let slot = self.core.find(handle)?;
        self.core.try_resize(slot, size)
    }

    /// Keeps a part where it is until it is unpinned as often. If it is being copied, that comes to nothing. `false`: it is pinned
    /// 2³² - 1 times, and no more.
    ///
    /// # Errors
    /// It was freed.
    pub fn pin(&mut self, handle: SpaceHandle) -> Result<bool, StaleBlock> {
        let slot = self.core.find(handle)?;
        Ok(self.core.pin(slot).is_ok())
    }

    /// Takes one pin away; `false`: there was none.
    ///
    /// # Errors
    /// It was freed.
    pub fn unpin(&mut self, handle: SpaceHandle) -> Result<bool, StaleBlock> {
        let slot = self.core.find(handle)?;
        Ok(self.core.unpin(slot))
    }

    /// Tells what should be copied, up to `bytes` in all: a hard bound. Goes on where the last call ended. What is told has begun
    /// and waits for an answer. O(what the bound allows), and O(1) when there is nothing to do.
    pub fn begin_moves(&mut self, bytes: u64, mut begin: impl FnMut(SpaceMove)) -> MoveReport {
        let core = &mut self.core;
        let mut report = MoveReport::default();
        if core.pass.left().is_some_and(|size| size <= bytes) {
            core.pass.restart();
        }
        for _ in 0..LOOKS {
            let (slot, hole, skip) = match core.look(false) {
                Look::End => break,
                Look::Found(Plan::Fill { slot, hole, skip }) => (slot, hole, skip),
                Look::Pinned => {
                    report.skipped_pinned += 1;
                    continue;
                }
                // Nothing slides where nothing may overlap.
                Look::Passed | Look::Found(Plan::Slide { .. }) => continue,
            };
            let size = core.slots.at(slot).size;
            if size > bytes {
                report.too_large += 1;
                core.pass.leave(size);
                core.pass_by();
                continue;
            }
            if size > bytes - report.moved_bytes || core.try_ready().is_err() {
                break;
            }
            let from = core.offset(slot);
            let (to, serial) = core.begin(slot, hole, skip);
            core.pass_by();
            report.moved_blocks += 1;
            report.moved_bytes += size;
            let handle = core.slots.handle(slot);
            begin(SpaceMove { id: MoveId { slot, serial }, handle, from, to, size });
        }
        report.done = core.pass.is_over() && core.moving == 0;
        report
    }

    /// A move has been made: all of it has been copied.
    ///
    /// # Errors
    /// There is no such move: it was answered before.
    pub fn done(&mut self, id: MoveId) -> Result<MoveEnd, StaleBlock> {
        self.end(id, true)
    }

    /// A move is not made, and nobody copies any more.
    ///
    /// # Errors
    /// There is no such move: it was answered before.
    pub fn cancel(&mut self, id: MoveId) -> Result<MoveEnd, StaleBlock> {
        self.end(id, false)
    }

    fn end(&mut self, id: MoveId, copied: bool) -> Result<MoveEnd, StaleBlock> {
        let slot = self.core.find_move(id.slot, id.serial).ok_or(StaleBlock)?;
        Ok(match self.core.end(slot, copied) {
            Ended::Moved => MoveEnd::Moved,
            Ended::Stayed => MoveEnd::Cancelled,
            Ended::Gone => MoveEnd::Freed,
        })
    }

    /// No move that has begun is made, and nobody copies any more: what is left to do when the copier was lost. Answers how many
    /// there were. O(blocks).
    pub fn cancel_all(&mut self) -> usize {
        let before = self.core.moving;
        for slot in self.core.slots.numbers() {
            if self.core.moving == 0 {
                break;
            }
            if self.core.is_moving(slot) {
                self.core.end(slot, false);
            }
        }
        before as usize
    }

    /// Moves that have begun and are not answered.
    #[must_use]
    pub fn moving(&self) -> usize {
        self.core.moving as usize
    }

    /// How blocks are to be moved from now on. Moves that have begun go on.
    pub fn set_policy(&mut self, policy: DefragPolicy) {
        self.core.set_policy(policy);
    }

    /// Adds a segment behind all others. Blocks do not span segments. O(segments).
    ///
    /// # Errors
    /// As [`OffsetAllocator::try_append`](crate::OffsetAllocator::try_append).
    pub fn try_append(&mut self, size: u64) -> Result<SegmentId, AllocError> {
        self.core.try_append(size)
    }

    /// The segments, by offset.
    pub fn segments(&self) -> impl Iterator<Item = SegmentId> {
        self.core.range.segments()
    }

    /// Where a segment begins and how large it is. O(segments).
    #[must_use]
    pub fn segment(&self, id: SegmentId) -> Option<(u64, u64)> {
        self.core.range.segment(id)
    }

    /// The last segment, if [`DefragPolicy::EvacuateLast`] has emptied it: remove it, and give its memory back.
    #[must_use]
    pub fn evacuated(&self) -> Option<SegmentId> {
        self.core.evacuated()
    }

    /// Removes a segment in which nothing is used; answers its size.
    ///
    /// # Errors
    /// Something in it is used, or there is no such segment.
    pub fn try_remove(&mut self, id: SegmentId) -> Result<u64, SegmentError> {
        self.core.try_remove(id)
    }

    /// How full and how torn it is: take one before and one after. Targets of moves count as used.
    #[must_use]
    pub fn stats(&self) -> FitStats {
        let mut stats = self.core.range.stats();
        stats.bookkeeping += self.core.slots.committed() as u64;
        stats
    }

    /// All pieces, used and free, by offset. O(pieces).
    pub fn map(&self) -> impl Iterator<Item = MapPiece> {
        self.core.map()
    }

    /// Whom the book-keeping is charged to.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.core.range.tag()
    }
}

impl<F: Fit> fmt::Debug for DefragSpace<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefragSpace")
            .field("tag", &self.tag())
            .field("moving", &self.moving())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
