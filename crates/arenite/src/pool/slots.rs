//! The raw core of the pools for one thread: which slots are free.
//!
//! ```text
//! take (inline): pop the free stack, or else the next fresh slot
//!   └─ miss: grow (cold), loop: Table::next_step → ledger (callbacks!) → Table::commit_step
//! give (inline): push the free stack
//! ```
//!
//! The free stack holds 32-bit numbers, one after the other, and never touches the slots: popping one is a load from
//! a line that the last push or pop has brought in, where a list through the slots would wait for each of them.
#![expect(unsafe_code, reason = "hands out memory of a table by raw pointer")]

use core::alloc::Layout;
use core::cell::{Cell, UnsafeCell};
use core::ptr::NonNull;

use super::PoolOptions;
use crate::base::align::checked_align_up;
use crate::ledger::Tag;
use crate::region::{AllocError, ColumnLayout, Step, Table};

/// Free slots, by number, over a table whose first column they are, the second the free stack; the others are the
/// owner's. One thread at a time: not `Sync`.
#[derive(Debug)]
pub(super) struct Slots<const N: usize> {
    /// The first slot.
    base: NonNull<u8>,
    /// Free slots that have been used, `free_len` of them; the last one is taken next. Has room for `ready`.
    free: NonNull<u32>,
    free_len: Cell<u32>,
    /// Slots from this one on have never been taken. At most `ready`.
    fresh: Cell<u32>,
    /// Slots with memory in all columns.
    ready: Cell<u32>,
    /// The most slots that were taken at the same time when last looked at; see [`note_high_water`](Self::note_high_water).
    high_water: Cell<u32>,
    /// Slots below may hold something although they are fresh: memory that the system would not take back.
    dirty: Cell<u32>,
    /// From one slot to the next, in bytes.
    stride: usize,
    layout: Layout,
    /// Touched by the slow path and by `&mut self` only.
    table: UnsafeCell<Table<N>>,
}

// SAFETY: owns its table, and neither belongs to a thread. What is in the slots is up to the owner.
unsafe impl<const N: usize> Send for Slots<N> {}

impl<const N: usize> Slots<N> {
    /// Slots of this layout, with the owner's `further` columns.
    pub(super) fn try_new(
        options: PoolOptions,
        layout: Layout,
        further: impl FnOnce(ColumnLayout, ColumnLayout) -> [ColumnLayout; N],
    ) -> Result<Self, AllocError> {
        let too_large = AllocError::TooLarge { tag: options.tag() };
        // The stack's length has to fit its numbers.
        if options.slots() >= u32::MAX as usize {
            return Err(too_large);
        }
        // A slot of nothing still has a place of its own, so that it can be told from the others. The column's layout
        // takes a sixteenth of the address space at the most.
        let stride = checked_align_up(layout.size().max(1), layout.align()).ok_or(too_large)?;
        if stride > usize::MAX >> 4 {
            return Err(too_large);
        }
        let slots = ColumnLayout::bytes(stride, layout.align());
        let table = options.try_table(further(slots, ColumnLayout::of::<u32>()))?;
        Ok(Self {
            base: table.column(0),
            free: table.column(1).cast(),
            free_len: Cell::new(0),
            fresh: Cell::new(0),
            ready: Cell::new(table.rows() as u32),
            high_water: Cell::new(0),
            dirty: Cell::new(0),
            stride,
            layout,
            table: UnsafeCell::new(table),
        })
    }

    /// A slot that nobody else has until it is given back.
    #[inline(always)]
    pub(super) fn try_take(&self) -> Result<u32, AllocError> {
        match self.fast() {
            Some(slot) => Ok(slot),
            None => self.grow(),
        }
    }

    /// As [`try_take`](Self::try_take), but a refusal panics with its reason. A number comes back in a register, which
    /// the error could not.
    #[inline(always)]
    #[track_caller]
    pub(super) fn take(&self) -> u32 {
        match self.fast() {
            Some(slot) => slot,
            None => self.grow_or_panic(),
        }
    }

    #[inline(always)]
    pub(super) fn fast(&self) -> Option<u32> {
        let free = self.free_len.get();
        if free != 0 {
            self.free_len.set(free - 1);
            // SAFETY: below the length, so that it was pushed; the column is this pool's alone.
            return Some(unsafe { self.free.add(free as usize - 1).read() });
        }
        let fresh = self.fresh.get();
        if fresh < self.ready.get() {
            self.fresh.set(fresh + 1);
            return Some(fresh);
        }
        None
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn grow_or_panic(&self) -> u32 {
        match self.grow() {
            Ok(slot) => slot,
            Err(error) => error.raise(),
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&self) -> Result<u32, AllocError> {
        // Again after each step: the pressure callbacks of its charge may have taken or given slots here.
        loop {
            if let Some(slot) = self.fast() {
                self.publish();
                return Ok(slot);
            }
            if let Err(error) = self.step() {
                // The callbacks of a refused charge may have given slots back here: what they were asked for.
                return self.fast().ok_or(error);
            }
        }
    }

    fn step(&self) -> Result<(), AllocError> {
        let table = self.table();
        match table.next_step(self.ready.get() as usize + 1)? {
            Some(step) => step.make(|step| self.commit_step(step)),
            // A step that was taken back half has left more rows than were known here.
            None => {
                self.ready.set(table.rows() as u32);
                Ok(())
            }
        }
    }

    fn commit_step(&self, step: Step) -> Result<(), AllocError> {
        // SAFETY: one thread at a time (not `Sync`), and while this reference lives nothing is called that could come
        // back here: the pressure callbacks are over.
        let table = unsafe { &mut *self.table.get() };
        let answer = table.commit_step(step);
        self.ready.set(table.rows() as u32);
        answer
    }

    /// Takes a slot back.
    ///
    /// # Safety
    /// It was taken from these slots, is given back once, and nobody uses it any more.
    #[inline(always)]
    pub(super) unsafe fn give(&self, slot: u32) {
        let free = self.free_len.get();
        // SAFETY: fewer slots are free than are ready, because this one is not; the stack has room for all that are.
        unsafe { self.free.add(free as usize).write(slot) };
        self.free_len.set(free + 1);
    }

    /// Where a slot begins.
    #[inline(always)]
    pub(super) fn address(&self, slot: u32) -> NonNull<u8> {
        // SAFETY: a slot that was handed out lies inside the column.
        unsafe { self.base.add(slot as usize * self.stride) }
    }

    /// The first slot.
    #[inline(always)]
    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Whether a slot was never taken since all were free.
    #[inline(always)]
    pub(super) fn is_fresh(&self, slot: u32) -> bool {
        slot >= self.fresh.get()
    }

    /// Whether the next slot is there without growing and comes from the system for the first time, so that it is zero.
    #[inline(always)]
    pub(super) fn next_is_clean(&self) -> bool {
        let fresh = self.fresh.get();
        self.free_len.get() == 0 && fresh < self.ready.get() && fresh >= self.dirty.get()
    }

    /// Slots that were ever taken since all were free.
    pub(super) fn used(&self) -> u32 {
        self.fresh.get()
    }

    /// Makes all slots free and fresh, whoever had them. Their pages go back to the system, except those of the first
    /// `keep` slots and those that it will not take.
    ///
    /// # Safety
    /// Nobody uses any of them any more.
    pub(super) unsafe fn reset(&mut self, keep: usize) {
        self.note_high_water();
        let used = self.fresh.replace(0);
        self.free_len.set(0);
        self.dirty.set(self.dirty.get().max(used));
        // A refusal leaves the pages here, charged, for slots to come.
        // SAFETY: no slot is in use.
        let _ = unsafe { self.try_shrink(keep) };
        self.publish();
    }

    /// Gives the pages behind the first `keep` slots and behind all that were ever taken back to the system.
    pub(super) fn try_trim(&mut self, keep: usize) -> Result<(), AllocError> {
        // SAFETY: fresh slots are in nobody's use.
        unsafe { self.try_shrink(keep.max(self.fresh.get() as usize)) }
    }

    /// # Safety
    /// No slot behind `keep` is in use.
    unsafe fn try_shrink(&mut self, keep: usize) -> Result<(), AllocError> {
        let table = self.table.get_mut();
        // SAFETY: the caller's promise.
        let answer = unsafe { table.try_shrink(keep) };
        self.ready.set(table.rows() as u32);
        // What comes back has been with the system, and is zero; what is still here, in part of a slot even, is not.
        self.dirty.set(self.dirty.get().min(table.touched(0) as u32));
        answer
    }

    /// Commits memory for so many slots in all.
    pub(super) fn try_presize(&mut self, slots: usize) -> Result<(), AllocError> {
        let table = self.table.get_mut();
        let answer = table.try_grow(slots.min(table.capacity()));
        self.ready.set(table.rows() as u32);
        answer
    }

    /// Slots that are taken.
    #[inline]
    pub(super) fn live(&self) -> usize {
        (self.fresh.get() - self.free_len.get()) as usize
    }

    /// Slots are taken one by one, so that their number is highest when the stack is empty or when somebody looks: not
    /// exact, and at least what was live at any growth, reset or look.
    fn note_high_water(&self) {
        self.high_water.set(self.high_water.get().max(self.live() as u32));
    }

    /// The most that were live at any growth, reset or look.
    pub(super) fn high_water(&self) -> usize {
        self.note_high_water();
        self.high_water.get() as usize
    }

    /// Tells the ledger how much is in use now.
    pub(super) fn publish(&self) {
        self.note_high_water();
        // SAFETY: as in `commit_step`; publishing runs no callback.
        unsafe { &mut *self.table.get() }.publish_live(self.live() * self.stride);
    }

    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    pub(super) fn capacity(&self) -> usize {
        self.table().capacity()
    }

    pub(super) fn ready(&self) -> usize {
        self.ready.get() as usize
    }

    pub(super) fn committed(&self) -> usize {
        self.table().committed()
    }

    pub(super) fn reserved(&self) -> usize {
        self.table().reserved()
    }

    pub(super) fn tag(&self) -> Tag {
        self.table().tag()
    }

    /// The first row of one of the owner's columns.
    pub(super) fn column(&self, index: usize) -> NonNull<u8> {
        self.table().column(index)
    }

    #[inline]
    fn table(&self) -> &Table<N> {
        // SAFETY: the only `&mut Table` are made by functions that call nothing that could come back here, and by
        // `&mut self` methods.
        unsafe { &*self.table.get() }
    }
}
