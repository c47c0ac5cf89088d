//! Which row has which name: the book-keeping of [`Columns`](super::Columns), without a look at what is in the rows.
//!
//! ```text
//!   slots    | row, spent | row, spent | …      by the index of a handle
//!   names    | slot | slot | …                  by row: live rows, free ones, retired ones
//!               0 ..... len .... ready ... ready + retired
//! ```
//!
//! The two columns are each other's inverse *for all rows with memory*, not only for live ones: a row behind the last
//! live one keeps the name that the next value there will get. So there is no list of free slots, a push writes nothing
//! here but the length, and whether a name is live is one compare (`row < len`).
//!
//! Both store a difference (row minus slot, slot minus row), which is zero as long as nothing was removed. Memory that
//! was never used reads as zero: growing writes nothing either.
#![expect(unsafe_code, reason = "reads and writes two columns of a table by index")]

use core::num::NonZeroU32;
use core::ptr::NonNull;

/// What a handle's index leads to: in the lower half the row of this slot, minus its index; in the upper half how many
/// generations are over. A handle's generation is twice that of its row and one more, for it is odd; when none is left
/// ([`RETIRED`]) no handle fits. One number, because it is read and written as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Slot(u64);

impl Slot {
    /// Where the upper half begins.
    const SPENT: u32 = 32;
    /// Which half in memory is the lower one.
    const ROW_HALF: usize = if cfg!(target_endian = "little") { 0 } else { 1 };

    #[inline]
    fn new(row: u32, index: u32, spent: u32) -> Self {
        Self(u64::from(spent) << Self::SPENT | u64::from(row.wrapping_sub(index)))
    }

    #[inline]
    fn row(self, index: u32) -> u32 {
        (self.0 as u32).wrapping_add(index)
    }

    #[inline]
    fn spent(self) -> u32 {
        (self.0 >> Self::SPENT) as u32
    }
}

/// Of a slot that has used up its generations.
const RETIRED: u32 = u32::MAX;

/// How many generations a slot has: as many as there are odd numbers that fit a `u32`, but one.
const GENERATIONS: u32 = (1 << 31) - 1;

/// Rows and their names.
#[derive(Debug)]
pub(super) struct Rows {
    /// Live rows. At most `ready`.
    len: usize,
    /// How many rows can be live before [`Rows::make_ready`] has to be asked. At most `known - retired`.
    ready: usize,
    /// Slots that are retired: the names of the rows from `ready` on.
    retired: usize,
    /// Rows with memory in both columns; both are permutations of `0..known`, and each other's inverse. Fits a `u32`.
    known: usize,
    /// Rows below may hold something although they were given back: see [`Rows::forget`].
    dirty: usize,
    /// No slot that is not retired has spent more; less than the generations that a slot has. Not exact: it is doubled when
    /// it is reached, so that it is seldom looked at.
    most_spent: u32,
    /// What slots below `dirty` have to begin with when they come back, so that no old handle fits.
    reborn: u32,
    slots: NonNull<Slot>,
    names: NonNull<u32>,
    /// Generations that a slot has.
    #[cfg(any(test, feature = "fault-injection"))]
    generations: u32,
}

impl Rows {
    /// No rows.
    ///
    /// # Safety
    /// The columns belong to these rows alone, never move, and read as zero where they were never used.
    pub(super) unsafe fn new(slots: NonNull<Slot>, names: NonNull<u32>) -> Self {
        Self {
            len: 0,
            ready: 0,
            retired: 0,
            known: 0,
            dirty: 0,
            most_spent: 0,
            reborn: 0,
            slots,
            names,
            #[cfg(any(test, feature = "fault-injection"))]
            generations: GENERATIONS,
        }
    }

    /// Live rows.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether a row must be [made ready](Self::make_ready) before one is added.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.len == self.ready
    }

    pub(super) fn retired(&self) -> usize {
        self.retired
    }

    #[inline]
    fn slot(&self, index: u32) -> Slot {
        debug_assert!((index as usize) < self.known, "a slot without memory");
        // SAFETY: below `known`, as both columns hold nothing else and handles are compared before.
        unsafe { self.slots.add(index as usize).read() }
    }

    #[inline]
    fn set_slot(&mut self, index: u32, slot: Slot) {
        debug_assert!((index as usize) < self.known, "a slot without memory");
        // SAFETY: as in `slot`.
        unsafe { self.slots.add(index as usize).write(slot) };
    }

    /// Says where a slot's row is, and leaves its generations. Writes without reading, so that
    /// a removal waits for no line of the cache here.
    #[inline]
    fn set_row(&mut self, index: u32, row: u32) {
        debug_assert!((index as usize) < self.known, "a slot without memory");
        // SAFETY: one half of a slot, as in `slot`.
        unsafe {
            let half = self.slots.add(index as usize).cast::<u32>().add(Slot::ROW_HALF);
            half.write(row.wrapping_sub(index));
        }
    }

    #[inline]
    fn set_spent(&mut self, index: u32, spent: u32) {
        self.set_slot(index, Slot::new(self.row_of(index), index, spent));
    }

    #[inline]
    fn row_of(&self, index: u32) -> u32 {
        self.slot(index).row(index)
    }

    /// The slot of a row below `known`.
    #[inline]
    fn name_of(&self, row: usize) -> u32 {
        debug_assert!(row < self.known, "a row without memory");
        // SAFETY: below `known`, by the callers, which are all in this file.
        unsafe { self.names.add(row).read() }.wrapping_add(row as u32)
    }

    #[inline]
    fn set_name(&mut self, row: usize, index: u32) {
        debug_assert!(row < self.known, "a row without memory");
        // SAFETY: below `known`, as above.
        unsafe { self.names.add(row).write(index.wrapping_sub(row as u32)) };
    }

    /// Makes `row` and `index` each other's. The caller does the same for those they leave.
    fn join(&mut self, row: usize, index: u32) {
        self.set_name(row, index);
        self.set_row(index, row as u32);
    }

    /// The live row of this name.
    #[inline]
    pub(super) fn find(&self, index: u32, generation: NonZeroU32) -> Option<usize> {
        if index as usize >= self.known {
            return None;
        }
        let slot = self.slot(index);
        let row = slot.row(index) as usize;
        (slot.spent() == generation.get() >> 1 && row < self.len).then_some(row)
    }

    /// Index and generation of a live row.
    #[inline]
    pub(super) fn name(&self, row: usize) -> Option<(u32, NonZeroU32)> {
        if row >= self.len {
            return None;
        }
        let index = self.name_of(row);
        // A live slot is not retired, so twice as many and one more do not wrap, and are odd.
        Some((index, NonZeroU32::MIN | self.slot(index).spent() << 1))
    }

    /// The row behind the last live one is live from now on: `row`, which the caller knows, so that
    /// the length is not read again behind the stores of the values.
    ///
    /// # Safety
    /// It is that row, the rows are not full, and the values are in their places.
    #[inline]
    pub(super) unsafe fn add(&mut self, row: usize) {
        debug_assert!(row == self.len && row < self.ready, "a row that is not ready");
        self.len = row + 1;
    }

    /// Takes the name from a row. The caller has moved the last row's value there, and forgets the last row.
    ///
    /// # Safety
    /// The row is live.
    #[inline]
    pub(super) unsafe fn swap_remove(&mut self, row: usize) {
        let last = self.len - 1;
        self.len = last;
        let gone = self.name_of(row);
        let spent = self.slot(gone).spent() + 1;
        // The last row goes often enough (what came last goes first) to be worth the question.
        if row != last {
            let moved = self.name_of(last);
            self.set_name(row, moved);
            self.set_name(last, gone);
            self.set_row(moved, row as u32);
        }
        self.set_slot(gone, Slot::new(last as u32, gone, spent));
        if spent > self.most_spent {
            self.spend(last, gone, spent);
        }
    }

    /// Takes the names from all rows from `len` on.
    pub(super) fn truncate(&mut self, len: usize) {
        // Not where some may have to retire.
        if self.len.saturating_sub(len) > self.known / 8 && self.most_spent + 1 < self.last_generation() {
            self.truncate_many(len);
        }
        while self.len > len {
            self.len -= 1;
            let index = self.name_of(self.len);
            let spent = self.slot(index).spent() + 1;
            self.set_spent(index, spent);
            if spent > self.most_spent {
                self.spend(self.len, index, spent);
            }
        }
    }

    /// The same for a good part of all rows: slot by slot, which the compiler turns into vector instructions, in place
    /// of row by row.
    fn truncate_many(&mut self, len: usize) {
        /// A page of them: where none is live, none is written, for it may never have been used.
        const SLOTS: usize = 512;
        let (from, count) = (len as u32, (self.len - len) as u32);
        // SAFETY: the slots have memory, and these rows are borrowed mutably.
        let slots = unsafe { core::slice::from_raw_parts_mut(self.slots.as_ptr(), self.known) };
        for (page, slots) in slots.chunks_mut(SLOTS).enumerate() {
            let first = (page * SLOTS) as u32;
            let goes = |slot: Slot, place: usize| slot.row(first + place as u32).wrapping_sub(from) < count;
            if !slots.iter().enumerate().any(|(place, slot)| goes(*slot, place)) {
                continue;
            }
            if len == 0 && self.retired == 0 {
                // Nothing stays: free slots may as well spend a generation, and nothing has to be compared.
                slots.iter_mut().for_each(|slot| slot.0 += 1 << Slot::SPENT);
            } else {
                for (place, slot) in slots.iter_mut().enumerate() {
                    slot.0 += u64::from(goes(*slot, place)) << Slot::SPENT;
                }
            }
        }
        self.len = len;
        self.most_spent += 1;
    }

    /// A slot has spent more than any other: notes that, or retires it if that was its last generation.
    #[cold]
    #[inline(never)]
    fn spend(&mut self, row: usize, index: u32, spent: u32) {
        let last = self.last_generation();
        if spent >= last {
            self.retire(row, index);
        } else {
            self.most_spent = spent.saturating_mul(2).min(last - 1);
        }
    }

    #[inline]
    fn last_generation(&self) -> u32 {
        #[cfg(any(test, feature = "fault-injection"))]
        return self.generations;
        #[cfg(not(any(test, feature = "fault-injection")))]
        return GENERATIONS;
    }

    #[cfg(any(test, feature = "fault-injection"))]
    pub(super) fn set_generations(&mut self, generations: u32) {
        assert!(generations > 0, "a slot has one generation at the least");
        self.generations = generations;
        self.most_spent = self.most_spent.min(generations - 1);
    }

    /// Puts the slot of a row behind the live ones among the retired ones.
    fn retire(&mut self, row: usize, index: u32) {
        self.set_spent(index, RETIRED);
        self.ready -= 1;
        self.retired += 1;
        let other = self.name_of(self.ready);
        self.join(row, other);
        self.join(self.ready, index);
    }

    /// Gives retired slots their generations back.
    pub(super) fn recycle(&mut self) -> usize {
        for row in self.ready..self.ready + self.retired {
            let index = self.name_of(row);
            self.set_spent(index, 0);
        }
        self.ready = self.known;
        core::mem::take(&mut self.retired)
    }

    /// How many rows need memory so that one more than now can be live.
    pub(super) fn needed(&self) -> usize {
        self.len + self.retired + 1
    }

    /// Rows below `rows` have memory now. As many of them become ready as can.
    ///
    /// # Safety
    /// They have.
    pub(super) unsafe fn make_ready(&mut self, rows: usize) {
        let (from, until) = (self.known, rows.min(self.dirty));
        self.known = self.known.max(rows);
        for row in from..until {
            self.join(row, row as u32);
            self.set_spent(row as u32, self.reborn);
        }
        if self.retired == 0 {
            self.ready = self.known;
        }
        // The first retired one changes places with the one behind the last of them, one at a time: this is reached
        // after billions of removals only.
        while self.is_full() && self.ready + self.retired < self.known {
            let (first, behind) = (self.ready, self.ready + self.retired);
            let (gone, fresh) = (self.name_of(first), self.name_of(behind));
            self.join(first, fresh);
            self.join(behind, gone);
            self.ready += 1;
        }
    }

    /// Sorts what is free so that nothing behind the first `keep` rows and slots is in use, and answers how many have to
    /// stay: at least as many. O(rows with memory).
    pub(super) fn gather(&mut self, keep: usize) -> usize {
        if self.retired > 0 {
            // They are known by their slots only.
            return self.known;
        }
        let mut row = self.len;
        let mut keep = keep.max(self.len);
        for index in 0..self.known as u32 {
            if (self.row_of(index) as usize) < self.len {
                keep = keep.max(index as usize + 1);
                continue;
            }
            // Not written where nothing changes: it may be memory that was never used.
            if self.name_of(row) != index || self.row_of(index) as usize != row {
                self.join(row, index);
            }
            row += 1;
        }
        for index in keep..self.known {
            self.reborn = self.reborn.max(self.slot(index as u32).spent());
        }
        keep
    }

    /// Only the first `rows` rows have memory from now on.
    ///
    /// # Safety
    /// `rows` is at least what [`gather`](Self::gather) answered just now.
    pub(super) unsafe fn forget(&mut self, rows: usize) {
        if rows < self.known {
            self.dirty = self.dirty.max(self.known);
            self.known = rows;
            self.ready = rows;
        }
    }

    /// The live rows in a new order: see [`Order`].
    pub(super) fn order(&mut self) -> Order<'_> {
        for row in 0..self.len {
            let name = self.name_of(row);
            // SAFETY: below `known`.
            unsafe { self.names.add(row).write(name) };
        }
        Order { rows: self }
    }

    /// As if a slot had been given out so often.
    #[cfg(all(test, feature = "std", feature = "derive", not(loom)))]
    pub(super) fn pretend(&mut self, index: u32, spent: u32) {
        self.set_spent(index, spent);
        self.most_spent = self.most_spent.max(spent);
    }

    /// Whether both columns are permutations and each other's inverse, and the rest of what this file promises.
    #[cfg(any(test, feature = "fault-injection"))]
    pub(super) fn check(&self) {
        assert!(self.len <= self.ready && self.ready + self.retired <= self.known);
        assert!(self.retired > 0 || self.ready == self.known);
        for row in 0..self.known {
            let index = self.name_of(row);
            assert!((index as usize) < self.known);
            assert_eq!(self.row_of(index) as usize, row);
            let retired = (self.ready..self.ready + self.retired).contains(&row);
            assert_eq!(self.slot(index).spent() == RETIRED, retired, "row {row}");
            assert!(retired || self.slot(index).spent() <= self.most_spent);
        }
    }
}

/// The live rows while they are sorted: their slots' plain numbers, in the order that they are to have. Slots still know
/// where their rows lie. When it is dropped the names follow the rows again: where they were, unless they were moved.
pub(super) struct Order<'r> {
    rows: &'r mut Rows,
}

impl Order<'_> {
    fn names(&mut self) -> &mut [u32] {
        // SAFETY: live rows have memory; the rows are borrowed mutably.
        unsafe { core::slice::from_raw_parts_mut(self.rows.names.as_ptr(), self.rows.len) }
    }

    /// Sorts, stably, by where the rows lie now.
    pub(super) fn sort(&mut self, mut compare: impl FnMut(usize, usize) -> core::cmp::Ordering) {
        let slots = self.rows.slots;
        let row_of = |index: u32| {
            // SAFETY: the name of a row is a slot with memory, which nobody writes while this runs.
            let slot = unsafe { slots.add(index as usize).read() };
            slot.row(index) as usize
        };
        self.names().sort_unstable_by(|one, other| {
            let (one, other) = (row_of(*one), row_of(*other));
            compare(one, other).then(one.cmp(&other))
        });
    }

    /// Whether the row lies where it is to be.
    pub(super) fn is_home(&mut self, row: usize) -> bool {
        let index = self.names()[row];
        self.rows.row_of(index) as usize == row
    }

    /// Which row's value goes into this row; from now on it counts as lying here.
    pub(super) fn bring(&mut self, row: usize) -> usize {
        let index = self.names()[row];
        let from = self.rows.row_of(index);
        self.rows.set_row(index, row as u32);
        from as usize
    }
}

impl Drop for Order<'_> {
    fn drop(&mut self) {
        for row in 0..self.rows.len {
            loop {
                let index = self.names()[row];
                let home = self.rows.row_of(index) as usize;
                if home == row {
                    break;
                }
                self.names().swap(row, home);
            }
        }
        for row in 0..self.rows.len {
            self.names()[row] = self.names()[row].wrapping_sub(row as u32);
        }
    }
}
