//! Values with generations and live bits: the columns that a [`HandlePool`](super::HandlePool) and a
//! [`Secondary`](super::Secondary) share, and the walk over what is live.
//!
//! ```text
//!   summary  …0000101                        a bit per word of 64 slots: does anything live there?
//!   live     …0010 | 0000 | 1001             a bit per slot
//! ```
//!
//! A walk goes from set bit to set bit of the summary and then of its words, so that what does not live costs one bit of
//! 4096 slots. Generations stand apart from values: those keep their stride, and a stale handle does not touch them.
#![expect(unsafe_code, reason = "computes addresses in columns")]

use core::num::NonZeroU64;
use core::ptr::NonNull;

use crate::region::ColumnLayout;

/// Slots whose live bits share a word.
pub(super) const WORD: u32 = 64;

/// Slots whose words share a word of the summary.
pub(super) const BLOCK: u32 = WORD * 64;

/// Addresses of the columns. They never move, and whoever owns the table owns what is in them.
pub(super) struct Slots<T> {
    values: NonNull<T>,
    generations: NonNull<u32>,
    live: NonNull<u64>,
    /// Bit `b` of word `w` is set exactly when `live[64 * w + b]` is not zero.
    summary: NonNull<u64>,
}

impl<T> Clone for Slots<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Slots<T> {}

// Every method that takes an index asks the same of its caller: the index lies below the number of opened slots of the
// table whose columns these are, and nobody else uses that slot in a way that conflicts.
impl<T> Slots<T> {
    /// What a table must have as its first columns.
    pub(super) const LAYOUTS: [ColumnLayout; 4] = [
        ColumnLayout::of::<T>(),
        ColumnLayout::of::<u32>(),
        ColumnLayout::bit(),
        ColumnLayout::words(1, BLOCK as usize),
    ];

    /// Of a table whose first columns are [`LAYOUTS`](Self::LAYOUTS).
    pub(super) fn at(column: impl Fn(usize) -> NonNull<u8>) -> Self {
        let slots = Self {
            values: column(0).cast(),
            generations: column(1).cast(),
            live: column(2).cast(),
            summary: column(3).cast(),
        };
        // A table's columns lie one behind the other; `read_ahead` relies on it.
        assert!(slots.values.addr() <= slots.generations.addr(), "columns lie in order");
        slots
    }

    /// Says something true of the two addresses that a look-up needs. The compiler must have read them for that, and it
    /// does so here, before any branch, from where it can move the reads out of a loop.
    #[inline(always)]
    pub(super) fn read_ahead(self) {
        // SAFETY: `at` has asserted it, and nobody changes addresses.
        unsafe { core::hint::assert_unchecked(self.values.addr() <= self.generations.addr()) };
    }

    /// Where a slot's value is or would be.
    ///
    /// # Safety
    /// The slot is open.
    #[inline]
    pub(super) unsafe fn value(self, index: u32) -> NonNull<T> {
        // SAFETY: inside the column by the caller's promise.
        unsafe { self.values.add(index as usize) }
    }

    /// As [`value`](Self::value) of slot `first + bit`; what is computed of `first` can be kept.
    ///
    /// # Safety
    /// The slot is open.
    #[inline]
    pub(super) unsafe fn value_in(self, first: usize, bit: u32) -> NonNull<T> {
        // SAFETY: inside the column by the caller's promise.
        unsafe { self.values.add(first).add(bit as usize) }
    }

    /// # Safety
    /// The slot is open.
    #[inline]
    pub(super) unsafe fn generation(self, index: u32) -> u32 {
        // SAFETY: inside the column by the caller's promise, and written when the slot was opened.
        unsafe { self.generations.add(index as usize).read() }
    }

    /// # Safety
    /// The slot is open and the caller has it alone.
    #[inline]
    pub(super) unsafe fn set_generation(self, index: u32, generation: u32) {
        // SAFETY: inside the column by the caller's promise.
        unsafe { self.generations.add(index as usize).write(generation) };
    }

    /// # Safety
    /// The slot is open.
    #[inline]
    pub(super) unsafe fn is_live(self, index: u32) -> bool {
        // SAFETY: the word of an open slot.
        unsafe { self.word(index / WORD) >> (index % WORD) & 1 != 0 }
    }

    /// 64 live bits.
    ///
    /// # Safety
    /// A slot of the word is open.
    #[inline]
    pub(super) unsafe fn word(self, word: u32) -> u64 {
        // SAFETY: inside the column by the caller's promise, and written when its first slot was opened.
        unsafe { self.live.add(word as usize).read() }
    }

    /// 64 bits of the summary.
    ///
    /// # Safety
    /// A slot of the block is open.
    #[cfg(feature = "rayon")]
    #[inline]
    pub(super) unsafe fn summary(self, block: u32) -> u64 {
        // SAFETY: inside the column by the caller's promise, and written when its first slot was opened.
        unsafe { self.summary.add(block as usize).read() }
    }

    /// # Safety
    /// The slot is open, and the caller has the table alone.
    #[inline]
    pub(super) unsafe fn set_live(self, index: u32) {
        let word = index / WORD;
        // SAFETY: the word of an open slot.
        let place = unsafe { self.live.add(word as usize).as_mut() };
        let before = *place;
        *place = before | 1 << (index % WORD);
        if before == 0 {
            // SAFETY: the summary of an open slot.
            unsafe { *self.summary.add((word / 64) as usize).as_mut() |= 1 << (word % 64) };
        }
    }

    /// # Safety
    /// The slot is open, and the caller has the table alone.
    #[inline]
    pub(super) unsafe fn clear_live(self, index: u32) {
        let word = index / WORD;
        // SAFETY: the word of an open slot.
        let place = unsafe { self.live.add(word as usize).as_mut() };
        *place &= !(1 << (index % WORD));
        if *place == 0 {
            // SAFETY: the summary of an open slot.
            unsafe { *self.summary.add((word / 64) as usize).as_mut() &= !(1 << (word % 64)) };
        }
    }

    /// Opens a slot: it has this generation and does not live. Slots are opened in order.
    ///
    /// # Safety
    /// The slot is the first that is not open, its row has memory, and the caller has the table alone.
    pub(super) unsafe fn open(self, index: u32, generation: u32) {
        // SAFETY: the row has memory by the caller's promise; a word is there with its first row.
        unsafe {
            self.set_generation(index, generation);
            // The bits behind the last open slot of a word are zero since the word was opened, and are again after
            // each of its slots was vacated.
            if index.is_multiple_of(WORD) {
                self.live.add((index / WORD) as usize).write(0);
            }
            if index.is_multiple_of(BLOCK) {
                self.summary.add((index / BLOCK) as usize).write(0);
            }
        }
    }

    /// Walks over the live slots.
    ///
    /// # Safety
    /// `opened` slots are open, of which exactly `live` live. While the walk lasts the columns stay, and live bits change only of slots that it has
    /// passed.
    #[inline]
    pub(super) unsafe fn walk(self, live: u32, opened: u32) -> Walk {
        let (blocks, end) = if live == 0 {
            (0, 0)
        } else {
            // SAFETY: something lives, so the first slot is open.
            (unsafe { self.summary.read() }, opened.div_ceil(WORD) as usize)
        };
        Walk { words: self.live, summary: self.summary, left: live, bits: 0, first: 0, blocks, block: 0, end }
    }
}

/// Walks over live slots in ascending order.
#[derive(Clone)]
pub(super) struct Walk {
    words: NonNull<u64>,
    summary: NonNull<u64>,
    /// Live slots that are still to come.
    left: u32,
    /// Those of the word that begins with slot `first`.
    bits: u64,
    first: usize,
    /// Words still to come of the block that begins with word `block`.
    blocks: u64,
    block: usize,
    /// Words of open slots; not below `block`.
    end: usize,
}

// SAFETY: reads bits only; whoever lends the columns says for how long and to whom.
unsafe impl Send for Walk {}
// SAFETY: as above.
unsafe impl Sync for Walk {}

impl Walk {
    /// Live slots that are still to come.
    #[inline]
    pub(super) fn left(&self) -> usize {
        self.left as usize
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<u32> {
        self.next_in().map(|(first, bit)| first as u32 | bit)
    }

    /// The next slot, as the first one of its word and the distance from that.
    #[inline]
    pub(super) fn next_in(&mut self) -> Option<(usize, u32)> {
        while self.bits == 0 {
            while self.blocks == 0 {
                if self.end - self.block <= 64 {
                    return None;
                }
                self.block += 64;
                // SAFETY: a slot of the block is open.
                self.blocks = unsafe { self.summary.add(self.block / 64).read() };
            }
            let word = self.block + self.blocks.trailing_zeros() as usize;
            self.blocks &= self.blocks - 1;
            self.first = word * WORD as usize;
            // SAFETY: the summary names words of open slots only.
            self.bits = unsafe { self.words.add(word).read() };
        }
        self.left -= 1;
        let bit = self.bits.trailing_zeros();
        self.bits &= self.bits - 1;
        Some((self.first, bit))
    }

    /// As calling [`next_in`](Self::next_in) until there is nothing, with less to do for each: two in a turn, which
    /// halves what the loop itself costs, and a full word as the plain range that it is.
    #[inline]
    pub(super) fn fold<A>(self, mut sum: A, mut add: impl FnMut(A, usize, u32) -> A) -> A {
        let Self { words, summary, mut bits, first, mut blocks, mut block, end, .. } = self;
        while bits != 0 {
            sum = add(sum, first, bits.trailing_zeros());
            bits &= bits - 1;
        }
        loop {
            while blocks != 0 {
                let word = block + blocks.trailing_zeros() as usize;
                blocks &= blocks - 1;
                let first = word * WORD as usize;
                // SAFETY: the summary names words of open slots only.
                let mut bits = unsafe { words.add(word).read() };
                if bits == u64::MAX {
                    for bit in 0..WORD {
                        sum = add(sum, first, bit);
                    }
                    continue;
                }
                while let Some(one) = NonZeroU64::new(bits) {
                    let rest = bits & (bits - 1);
                    sum = add(sum, first, one.trailing_zeros());
                    let Some(other) = NonZeroU64::new(rest) else { break };
                    sum = add(sum, first, other.trailing_zeros());
                    bits = rest & (rest - 1);
                }
            }
            if end - block <= 64 {
                return sum;
            }
            block += 64;
            // SAFETY: a slot of the block is open.
            blocks = unsafe { summary.add(block / 64).read() };
        }
    }
}
