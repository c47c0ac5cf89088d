//! What a slot is besides live or free: three bits of each slot, used rarely, so they share a column.
#![expect(unsafe_code, reason = "computes addresses in a column")]

use core::ptr::NonNull;

use super::slots::WORD;
use crate::region::ColumnLayout;

/// One of the bits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    /// Lent by the borrow that is open; of live slots. A forgotten borrow leaves some.
    Lent = 0,
    /// Its value was taken out and may come back.
    Detached = 1,
    /// Given out by `reserve`, and no longer counted among what is taken from the free stack.
    Reserved = 2,
}

/// Address of the column.
#[derive(Clone, Copy)]
pub(super) struct Marks(NonNull<[u64; 3]>);

// As for `Slots`: a slot's index lies below the number of opened slots, and nobody else uses its marks.
impl Marks {
    pub(super) const LAYOUT: ColumnLayout = ColumnLayout::words(3, WORD as usize);

    pub(super) fn at(column: NonNull<u8>) -> Self {
        Self(column.cast())
    }

    /// # Safety
    /// A slot of the word is open; for writing, the caller has the table alone.
    #[inline]
    unsafe fn place(self, word: u32, mark: Mark) -> NonNull<u64> {
        // SAFETY: inside the column by the caller's promise, and one of its three words.
        unsafe { self.0.add(word as usize).cast::<u64>().add(mark as usize) }
    }

    /// # Safety
    /// A slot of the word is open.
    pub(super) unsafe fn word(self, word: u32, mark: Mark) -> u64 {
        // SAFETY: the caller's promise; written when the word's first slot was opened.
        unsafe { self.place(word, mark).read() }
    }

    /// # Safety
    /// The slot is open.
    #[inline]
    pub(super) unsafe fn has(self, index: u32, mark: Mark) -> bool {
        // SAFETY: the caller's promise; written when the word's first slot was opened.
        unsafe { self.place(index / WORD, mark).read() >> (index % WORD) & 1 != 0 }
    }

    /// # Safety
    /// The slot is open, and the caller has the table alone.
    #[inline]
    pub(super) unsafe fn set(self, index: u32, mark: Mark) {
        // SAFETY: the caller's promise; written when the word's first slot was opened.
        unsafe { *self.place(index / WORD, mark).as_mut() |= 1 << (index % WORD) };
    }

    /// # Safety
    /// The slot is open, and the caller has the table alone.
    #[inline]
    pub(super) unsafe fn clear(self, index: u32, mark: Mark) {
        // SAFETY: the caller's promise; written when the word's first slot was opened.
        unsafe { *self.place(index / WORD, mark).as_mut() &= !(1 << (index % WORD)) };
    }

    /// Takes this mark from all slots of a word.
    ///
    /// # Safety
    /// A slot of the word is open, and the caller has the table alone.
    pub(super) unsafe fn clear_word(self, word: u32, mark: Mark) {
        // SAFETY: inside the column by the caller's promise.
        unsafe { self.place(word, mark).write(0) };
    }

    /// # Safety
    /// The slot is the first that is not open, its row has memory, and the caller has the table alone.
    pub(super) unsafe fn open(self, index: u32) {
        if index.is_multiple_of(WORD) {
            // SAFETY: a word is there with its first row.
            unsafe { self.0.add((index / WORD) as usize).write([0; 3]) };
        }
    }
}
