//! Blocks that move, over offsets: who they are, and what may be done to them while they are on their way.
//!
//! ```text
//!            begin                  done
//!  Resting ────────► Moving ───────────────────► Resting, at the target
//!     ▲                │ pin, resize   │ free
//!     │                ▼               ▼
//!     └── done ── Cancelled ── free ► Freed ── done, cancel ► gone
//!         cancel
//! ```
//!
//! From `begin` to `done` or `cancel` nobody else gets the source or the target, whatever happens to the block meanwhile: who
//! copies may be at it still.

use super::map::{MapPiece, PieceState};
use super::policy::{DefragPolicy, Pass};
use super::slots::{Phase, Slot, Slots};
use crate::base::frames;
use crate::base::sync::Ordering;
use crate::heap::fit::blocks::Refused;
use crate::heap::fit::nodes::{Id, NONE, Nodes, State};
use crate::heap::fit::{Fit, FitError, OffsetAllocator, OffsetOptions, SegmentError, SegmentId, StaleBlock};
use crate::region::AllocError;

/// A block's word: its slot, and whether it is the target of a move.
const TARGET: u64 = 1 << 32;

/// Blocks that move. `X` is what the owner keeps with each.
#[derive(Debug)]
pub(super) struct Core<F: Fit, X> {
    pub(super) range: OffsetAllocator<F>,
    pub(super) slots: Slots<X>,
    pub(super) pass: Pass,
    /// The segment that is being evacuated, or [`NONE`].
    pub(super) draining: Id,
    /// Used granules when it was needed after all: until much less is used none is evacuated.
    pub(super) needed: u64,
    /// Moves that have begun and are not over.
    pub(super) moving: u32,
    serial: u64,
}

/// How a move ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The block is at its target.
    Moved,
    /// The block stays.
    Stayed,
    /// The block had been freed.
    Gone,
}

impl<F: Fit, X: Copy> Core<F, X> {
    pub(super) fn try_new(options: OffsetOptions, slots: usize) -> Result<Self, AllocError> {
        let range: OffsetAllocator<F> = options.try_build()?;
        let slots = Slots::try_new(range.tag(), slots)?;
        let pass = Pass::new(DefragPolicy::Slide);
        Ok(Self { range, slots, pass, draining: NONE, needed: u64::MAX, moving: 0, serial: 0 })
    }

    /// A size and an alignment in granules.
    pub(super) fn measure(&self, size: u64, align: u64) -> Result<(u32, u32), FitError> {
        let steps = u32::try_from((align >> self.range.shift).max(1)).ok();
        match (self.range.granules(size), steps) {
            (Some(granules), Some(steps)) => Ok((granules, steps)),
            _ => Err(self.range.too_large(size)),
        }
    }

    /// A block; `align` is a power of two. If a segment that is being evacuated is all that is left, that is over. O(1) then but
    /// for the blocks of that segment.
    pub(super) fn try_allocate(&mut self, size: u64, align: u64, extra: X) -> Result<u32, FitError> {
        let (granules, steps) = self.measure(size, align)?;
        self.slots.try_ready()?;
        let mut block = self.range.blocks.allocate(granules, steps, self.range.segments);
        if block == Err(Refused::NoBlock) && self.stop_draining() {
            block = self.range.blocks.allocate(granules, steps, self.range.segments);
        }
        match block {
            Ok(block) => Ok(self.adopt(block, size, align, extra)),
            Err(refused) => Err(self.range.explain(refused, granules, align)),
        }
    }

    /// A block at the beginning of the free end of the last segment, which is large enough. [`Slots::try_ready`] and
    /// `Blocks::try_ready` have been asked.
    pub(super) fn allocate_last(&mut self, granules: u32, size: u64, align: u64, extra: X) -> u32 {
        let tail = self.range.last();
        let skip = self.skip(self.range.blocks.nodes.offset(tail), align);
        let block = self.range.blocks.take(tail, skip, granules);
        self.adopt(block, size, align, extra)
    }

    /// From an offset to the next multiple of `align`, in granules.
    pub(super) fn skip(&self, offset: u32, align: u64) -> u32 {
        let steps = u32::try_from((align >> self.range.shift).max(1)).unwrap_or(1);
        self.range.blocks.skipped(offset, steps)
    }

    fn adopt(&mut self, block: Id, size: u64, align: u64, extra: X) -> u32 {
        let slot = self.slots.take(block, size, align, frames() as u32, extra);
        self.range.blocks.nodes.set_word(block, u64::from(slot));
        self.pass.block_came();
        slot
    }

    /// The block of a slot is freed, on its way or not; its handle names nothing any more.
    pub(super) fn free(&mut self, slot: u32) {
        self.slots.retire(slot);
        let row = self.slots.at_mut(slot);
        if row.phase == Phase::Resting {
            let block = row.block;
            self.slots.give(slot);
            self.release(block);
        } else {
            row.phase = Phase::Freed;
        }
    }

    /// The block of a slot that rests is unlinked: its handle names nothing any more, and its memory is the caller's until
    /// [`release`](Self::release).
    pub(super) fn unlink(&mut self, slot: u32) -> (Id, Slot<X>) {
        let row = *self.slots.at(slot);
        debug_assert!(row.phase == Phase::Resting);
        self.slots.retire(slot);
        self.slots.give(slot);
        (row.block, row)
    }

    /// A used block is free from now on.
    pub(super) fn release(&mut self, block: Id) {
        let before = self.range.blocks.nodes.before(block);
        let offset = self.range.blocks.nodes.offset(block);
        self.range.blocks.free(block);
        let hole = self.survivor(before, block, offset);
        let nodes = &self.range.blocks.nodes;
        self.pass.hole_came(hole, nodes.offset(hole), nodes.size(hole));
    }

    /// Which block it is that begins at or before an offset where `block` was: itself, or the one in front that it was joined to.
    pub(super) fn survivor(&self, before: Id, block: Id, offset: u32) -> Id {
        let nodes = &self.range.blocks.nodes;
        match nodes.state(before) {
            State::Free | State::Aside if nodes.offset(before) + nodes.size(before) > offset => before,
            _ => block,
        }
    }

    /// Makes a block larger or smaller where it lies. If it is on its way, it stays, and what it no longer needs is kept until
    /// the move is over.
    pub(super) fn try_resize(&mut self, slot: u32, size: u64) -> Result<(), FitError> {
        let Some(granules) = self.range.granules(size) else { return Err(self.range.too_large(size)) };
        let row = self.slots.at(slot);
        let (block, rests) = (row.block, row.phase == Phase::Resting);
        let now = self.range.blocks.nodes.size(block);
        if granules > now {
            let grown = self.range.blocks.try_grow(block, granules, self.range.segments);
            grown.map_err(|refused| self.range.explain(refused, granules, 1))?;
            let nodes = &self.range.blocks.nodes;
            self.pass.joined(block, nodes.offset(block), nodes.size(block));
        } else if rests {
            self.try_cut(block, granules)?;
        }
        let row = self.slots.at_mut(slot);
        row.size = size;
        if row.phase == Phase::Moving {
            row.phase = Phase::Cancelled;
        }
        Ok(())
    }

    /// Frees what a block has beyond so many granules.
    fn try_cut(&mut self, block: Id, granules: u32) -> Result<(), AllocError> {
        if granules == self.range.blocks.nodes.size(block) {
            return Ok(());
        }
        self.range.blocks.try_shrink(block, granules, self.range.segments)?;
        let nodes = &self.range.blocks.nodes;
        let hole = nodes.after(block);
        self.pass.hole_came(hole, nodes.offset(hole), nodes.size(hole));
        Ok(())
    }

    /// Two slots whose blocks rest change blocks, and what was asked for.
    pub(super) fn change_places(&mut self, one: u32, other: u32) {
        let (first, second) = (*self.slots.at(one), *self.slots.at(other));
        debug_assert!(first.phase == Phase::Resting && second.phase == Phase::Resting);
        for (slot, from) in [(one, second), (other, first)] {
            let row = self.slots.at_mut(slot);
            (row.block, row.size) = (from.block, from.size);
            self.range.blocks.nodes.set_word(from.block, u64::from(slot));
        }
    }

    /// A pin more. A block on its way stays.
    pub(super) fn pin(&mut self, slot: u32) -> Result<(), TooManyPins> {
        let counter = self.slots.counter(slot);
        let pins = counter.load(Ordering::Relaxed).checked_add(1).ok_or(TooManyPins)?;
        counter.store(pins, Ordering::Relaxed);
        let row = self.slots.at_mut(slot);
        if row.phase == Phase::Moving {
            row.phase = Phase::Cancelled;
        }
        Ok(())
    }

    /// A pin less; `false`: there was none.
    pub(super) fn unpin(&mut self, slot: u32) -> bool {
        let counter = self.slots.counter(slot);
        let Some(pins) = counter.load(Ordering::Relaxed).checked_sub(1) else { return false };
        counter.store(pins, Ordering::Relaxed);
        if pins == 0 {
            self.pass.restart();
        }
        true
    }

    /// No pin any more.
    pub(super) fn unpin_all(&mut self, slot: u32) {
        self.slots.counter(slot).store(0, Ordering::Relaxed);
    }

    /// Makes sure that a move can be made without asking for memory.
    pub(super) fn try_ready(&mut self) -> Result<(), AllocError> {
        self.range.blocks.try_ready(self.range.segments)
    }

    /// The block of a slot slides into the hole in front of it; the bytes are the caller's business. Answers from where.
    pub(super) fn slide(&mut self, slot: u32, skip: u32) -> u64 {
        let block = self.slots.at(slot).block;
        let from = self.offset(slot);
        self.range.blocks.slide_down(block, skip);
        self.pass_by();
        from
    }

    /// The block of a slot is going to be copied into a hole. Answers where to, and the number of the move.
    pub(super) fn begin(&mut self, slot: u32, hole: Id, skip: u32) -> (u64, u64) {
        // Of what the block has beyond what was asked for nothing is copied.
        let row = self.slots.at(slot);
        let granules =
            self.range.granules(row.size).unwrap_or(1).min(self.range.blocks.nodes.size(row.block));
        let target = self.range.blocks.take(hole, skip, granules);
        let nodes = &mut self.range.blocks.nodes;
        nodes.set_word(target, u64::from(slot) | TARGET);
        let to = u64::from(nodes.offset(target)) << self.range.shift;
        self.serial += 1;
        self.moving += 1;
        let row = self.slots.at_mut(slot);
        (row.target, row.phase, row.serial) = (target, Phase::Moving, self.serial);
        (to, self.serial)
    }

    /// Nobody copies any more; `copied`: all of it has been copied.
    pub(super) fn end(&mut self, slot: u32, copied: bool) -> Ended {
        let row = self.slots.at_mut(slot);
        let (block, target, phase) = (row.block, row.target, row.phase);
        (row.target, row.phase) = (NONE, Phase::Resting);
        self.moving -= 1;
        match phase {
            Phase::Moving if copied => {
                row.block = target;
                self.range.blocks.nodes.set_word(target, u64::from(slot));
                self.release(block);
                Ended::Moved
            }
            Phase::Freed => {
                self.slots.give(slot);
                self.release(target);
                self.release(block);
                Ended::Gone
            }
            _ => {
                let size = row.size;
                self.release(target);
                let granules = self.range.granules(size).unwrap_or(u32::MAX);
                let granules = granules.min(self.range.blocks.nodes.size(block));
                // It was made smaller meanwhile. If the book-keeping can not grow, it keeps what it has.
                let _ = self.try_cut(block, granules);
                Ended::Stayed
            }
        }
    }

    /// The slot whose block is on its way by this move.
    pub(super) fn find_move(&self, slot: u32, serial: u64) -> Option<u32> {
        let known = self.slots.numbers().contains(&slot);
        (known
            && self.slots.at(slot).target != NONE
            && self.is_moving(slot)
            && self.slots.at(slot).serial == serial)
            .then_some(slot)
    }

    pub(super) fn is_moving(&self, slot: u32) -> bool {
        matches!(self.slots.at(slot).phase, Phase::Moving | Phase::Cancelled | Phase::Freed)
    }

    /// Where a slot's block lies.
    pub(super) fn offset(&self, slot: u32) -> u64 {
        u64::from(self.range.blocks.nodes.offset(self.slots.at(slot).block)) << self.range.shift
    }

    /// The slot of a used block that is not on its way, nor the target of one that is.
    pub(super) fn resting(&self, block: Id) -> Option<u32> {
        let word = self.range.blocks.nodes.word(block);
        let slot = word as u32;
        (word & TARGET == 0 && self.slots.at(slot).phase == Phase::Resting).then_some(slot)
    }

    /// The segment that was being evacuated is like any other again; `false`: there is none. O(its blocks).
    pub(super) fn stop_draining(&mut self) -> bool {
        if self.draining == NONE {
            return false;
        }
        self.range.blocks.set_draining(self.draining, false);
        self.draining = NONE;
        self.needed = self.range.blocks.used_size;
        self.pass.restart();
        true
    }

    /// Adds a segment behind all others.
    pub(super) fn try_append(&mut self, size: u64) -> Result<SegmentId, AllocError> {
        self.stop_draining();
        let segment = self.range.try_append(size)?;
        self.needed = u64::MAX;
        self.pass.restart();
        Ok(segment)
    }

    /// Removes a segment in which nothing is used.
    pub(super) fn try_remove(&mut self, segment: SegmentId) -> Result<u64, SegmentError> {
        let evacuated = self.evacuated() == Some(segment);
        let size = self.range.try_remove(segment)?;
        if evacuated {
            self.draining = NONE;
        }
        self.pass.restart();
        Ok(size)
    }

    /// The segment that has been evacuated: nothing in it is used.
    pub(super) fn evacuated(&self) -> Option<SegmentId> {
        let (border, nodes) = (self.draining, &self.range.blocks.nodes);
        if border == NONE {
            return None;
        }
        let first = nodes.after(border);
        let empty = first == nodes.before(border) && nodes.state(first) != State::Used;
        empty.then(|| SegmentId::new(border, nodes.border_generation(border)))
    }

    /// All pieces of the range, by offset.
    pub(super) fn map(&self) -> impl Iterator<Item = MapPiece> {
        let now = frames() as u32;
        let (nodes, shift) = (&self.range.blocks.nodes, self.range.shift);
        self.range.borders().flat_map(|border| self.range.blocks.of_segment(border)).map(move |block| {
            let (offset, size) =
                (u64::from(nodes.offset(block)) << shift, u64::from(nodes.size(block)) << shift);
            let unused = |state| MapPiece { offset, size, asked: 0, state, name: None, age: 0 };
            match nodes.state(block) {
                State::Aside => unused(PieceState::Aside),
                State::Free | State::Border => unused(PieceState::Free),
                State::Used => {
                    let word = nodes.word(block);
                    let slot = word as u32;
                    let row = self.slots.at(slot);
                    let state = match row.phase {
                        _ if word & TARGET != 0 => PieceState::Target,
                        Phase::Resting | Phase::Cancelled if self.slots.pins(slot) != 0 => PieceState::Pinned,
                        Phase::Resting => PieceState::Used,
                        Phase::Vacant | Phase::Moving | Phase::Cancelled | Phase::Freed => PieceState::Moving,
                    };
                    let name = (row.phase != Phase::Freed).then(|| self.slots.handle(slot));
                    MapPiece { offset, size, asked: row.size, state, name, age: now.wrapping_sub(row.born) }
                }
            }
        })
    }

    /// The slot of a handle.
    pub(super) fn find(&self, handle: super::SpaceHandle) -> Result<u32, StaleBlock> {
        self.slots.find(handle)
    }
}

/// A block is pinned 2³² - 1 times.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooManyPins;
