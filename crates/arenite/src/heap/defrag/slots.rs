//! What each handle names: a table of slots, and beside it, in a column that nobody ever borrows mutably, how often each is pinned.
#![expect(unsafe_code, reason = "reads and writes rows of a table, found by number")]

use core::fmt;
use core::ptr::NonNull;

use super::SpaceHandle;
use crate::base::sync::{AtomicArray, AtomicU32, Ordering};
use crate::heap::fit::StaleBlock;
use crate::heap::fit::nodes::{Id, NONE};
use crate::ledger::Tag;
use crate::region::{AllocError, ColumnLayout, RegionOptions, Table};

/// What becomes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// No block has this slot.
    Vacant,
    /// It lies where it is.
    Resting,
    /// Somebody copies it to its target.
    Moving,
    /// Somebody copies it, and it stays all the same.
    Cancelled,
    /// Somebody copies it, and it has been freed.
    Freed,
}

/// A row. `X` is what the owner keeps with a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot<X> {
    /// Where it lies.
    pub(super) block: Id,
    /// Where it is being copied to; [`NONE`] if it is not. Vacant: the next vacant slot.
    pub(super) target: Id,
    /// What was asked for.
    pub(super) size: u64,
    /// Which move of all moves its last one was.
    pub(super) serial: u64,
    /// The frame it was made in, modulo 2³².
    pub(super) born: u32,
    /// How many blocks have had the slot, this one included. At the last number nobody has it.
    generation: u32,
    /// Its alignment is two to the power of this.
    pub(super) align: u8,
    pub(super) phase: Phase,
    pub(super) extra: X,
}

impl<X> Slot<X> {
    /// Its alignment, in bytes or whatever the range is counted in.
    pub(super) fn align(&self) -> u64 {
        1 << self.align
    }
}

/// No slot: the end of the list of vacant ones.
const END: u32 = u32::MAX;

/// A table of slots, charged to a tag, that grows.
pub(super) struct Slots<X> {
    rows: NonNull<Slot<X>>,
    pins: AtomicArray<AtomicU32>,
    /// Rows that have memory behind them.
    ready: u32,
    /// Rows from this one on have never been written.
    fresh: u32,
    vacant: u32,
    /// Slots that are not vacant.
    pub(super) live: u32,
    table: Table<2>,
}

// SAFETY: owns its table; rows are `X`, which are sent with it.
unsafe impl<X: Send> Send for Slots<X> {}
// SAFETY: `&Slots` gives shared references to rows and to atomics.
unsafe impl<X: Sync> Sync for Slots<X> {}

impl<X> fmt::Debug for Slots<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("live", &self.live).finish_non_exhaustive()
    }
}

impl<X: Copy> Slots<X> {
    /// Address space for so many slots.
    pub(super) fn try_new(tag: Tag, slots: usize) -> Result<Self, AllocError> {
        let slots = slots.clamp(1, END as usize - 1);
        let options = RegionOptions::new(tag, 0).commit_steps(4 << 10, 1 << 20);
        let layouts = [ColumnLayout::of::<Slot<X>>(), ColumnLayout::of::<u32>()];
        let table = Table::try_reserve(&options, layouts, slots, slots.min(256))?;
        // SAFETY: a column of the table for as many as it has rows, aligned for 32 bits; its pages are zero when they are new, and
        // nothing is ever given back or otherwise used.
        let pins = unsafe { AtomicArray::new(table.column(1), table.capacity()) };
        Ok(Self { rows: table.column(0).cast(), pins, ready: 0, fresh: 0, vacant: END, live: 0, table })
    }

    /// Makes sure that one slot more can be had.
    #[inline]
    pub(super) fn try_ready(&mut self) -> Result<(), AllocError> {
        if self.vacant != END || self.fresh < self.ready {
            return Ok(());
        }
        let answer = self.table.try_grow(self.fresh as usize + 1);
        self.ready = self.table.rows() as u32;
        self.table.publish_live(self.live as usize * (size_of::<Slot<X>>() + size_of::<u32>()));
        answer
    }

    /// The row of a slot that has been written.
    #[inline]
    pub(super) fn at(&self, slot: u32) -> &Slot<X> {
        assert!(slot < self.fresh, "a slot's number");
        // SAFETY: rows below `fresh` have memory and were written; whoever changes one borrows the table mutably.
        unsafe { self.rows.add(slot as usize).as_ref() }
    }

    /// The row of a slot that has been written.
    #[inline]
    pub(super) fn at_mut(&mut self, slot: u32) -> &mut Slot<X> {
        assert!(slot < self.fresh, "a slot's number");
        // SAFETY: as above.
        unsafe { self.rows.add(slot as usize).as_mut() }
    }

    /// A slot for a block; [`try_ready`](Self::try_ready) has been asked.
    pub(super) fn take(&mut self, block: Id, size: u64, align: u64, born: u32, extra: X) -> u32 {
        self.live += 1;
        let align = align.trailing_zeros() as u8;
        let new = |generation| Slot {
            block,
            target: NONE,
            size,
            serial: 0,
            born,
            generation,
            align,
            phase: Phase::Resting,
            extra,
        };
        let slot = self.vacant;
        if slot != END {
            let row = self.at_mut(slot);
            let (next, generation) = (row.target, row.generation);
            *row = new(generation);
            self.vacant = next;
            return slot;
        }
        assert!(self.fresh < self.ready, "`try_ready` was not asked");
        // SAFETY: a row that has memory, and that nobody knows of yet.
        unsafe { self.rows.add(self.fresh as usize).write(new(1)) };
        self.fresh += 1;
        self.fresh - 1
    }

    /// From now on the handle of this slot's block names nothing.
    pub(super) fn retire(&mut self, slot: u32) {
        self.at_mut(slot).generation += 1;
    }

    /// Nobody has the slot any more; it was [retired](Self::retire).
    pub(super) fn give(&mut self, slot: u32) {
        let next = self.vacant;
        self.live -= 1;
        let row = self.at_mut(slot);
        row.phase = Phase::Vacant;
        (row.block, row.target) = (NONE, NONE);
        // With its last generation it is given to nobody: no handle ever comes back to life.
        if row.generation != u32::MAX {
            row.target = next;
            self.vacant = slot;
        }
    }

    /// The handle of a slot's block.
    #[inline]
    pub(super) fn handle(&self, slot: u32) -> SpaceHandle {
        SpaceHandle::new(slot, self.at(slot).generation)
    }

    /// The slot that a handle names.
    #[inline]
    pub(super) fn find(&self, handle: SpaceHandle) -> Result<u32, StaleBlock> {
        let (slot, generation) = handle.parts();
        if slot >= self.fresh {
            return Err(StaleBlock);
        }
        let row = self.at(slot);
        let lives = !matches!(row.phase, Phase::Vacant | Phase::Freed);
        if lives && row.generation == generation { Ok(slot) } else { Err(StaleBlock) }
    }

    /// How often a slot's block is pinned: whoever finds 0 here has everything behind him that those did who had it pinned.
    #[inline]
    pub(super) fn pins(&self, slot: u32) -> u32 {
        self.counter(slot).load(Ordering::Acquire)
    }

    /// The count of pins, at an address that stays as long as the table.
    #[inline]
    pub(super) fn counter(&self, slot: u32) -> &AtomicU32 {
        assert!(slot < self.fresh, "a slot's number");
        // SAFETY: rows below `fresh` have memory in both columns.
        unsafe { self.pins.at(slot as usize) }
    }

    /// All slots that were ever used.
    pub(super) fn numbers(&self) -> core::ops::Range<u32> {
        0..self.fresh
    }

    pub(super) fn committed(&self) -> usize {
        self.table.committed()
    }

    pub(super) fn reserved(&self) -> usize {
        self.table.reserved()
    }

    #[cfg(all(test, feature = "std", not(loom)))]
    pub(super) fn wear_out(&mut self, slot: u32) {
        self.at_mut(slot).generation = u32::MAX - 1;
    }
}
