//! A page of equal blocks, in hardened mode: how it is laid out, and what is known of each block.
//!
//! ```text
//!   span:  | what is known of each block | no access | canary | block | block | … | no access |
//!   block: | bytes that were asked for | canary to its end, 8 bytes or more |
//! ```
//!
//! Nothing is kept in a block that is free: it is filled, and the fill is looked at when the block is handed out again, or its
//! page is given back. Of every block that was ever opened the last bytes are known: canary, or fill. So whoever
//! frees the block behind it finds what was written before that one's start.
#![expect(unsafe_code, reason = "reaches the parts of a span by pointer")]

use core::cell::Cell;
use core::ptr::NonNull;

use super::super::class::{QUANTUM, size_of_class};
use super::super::segment::{HEADER, Page, SLOT};
use super::super::space::pages;
use super::report::{Misuse, Subject, report};
use super::{CANARY, pattern};
use crate::base::sync::Ordering;
use crate::os;

/// States of a block, above what was asked for.
pub(super) const STATE: u32 = 30;
pub(super) const NEVER: u32 = 0;
pub(super) const LIVE: u32 = 1;
pub(super) const WAITING: u32 = 2;
pub(super) const FREE: u32 = 3;

/// The start of a span.
#[repr(C)]
pub(super) struct Header {
    /// How far behind the span's start the first block is.
    pub(super) first: Cell<u32>,
    /// Words of the bits behind this, one for each block that can be handed out.
    pub(super) words: Cell<u32>,
    /// Blocks that can be handed out, and that wait.
    pub(super) free: Cell<u32>,
    pub(super) waiting: Cell<u32>,
    /// Which of the words are not zero, so that a block is found without a search.
    some: Cell<u128>,
}

/// A page, by the place of its parts. Used under the lock of its local's place.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) page: NonNull<Page>,
    pub(super) start: NonNull<u8>,
}

/// How a span of the class is laid out.
pub(super) struct Shape {
    pub(super) slots: usize,
    /// Bytes of what is known of the blocks.
    pub(super) known: usize,
    pub(super) first: usize,
    pub(super) capacity: usize,
}

/// What of a span holds the states of `capacity` blocks.
fn known(capacity: usize) -> usize {
    pages(size_of::<Header>() + capacity.div_ceil(64) * 8 + capacity * 4)
}

/// Slots of a span for this class: enough for 64 blocks, but no more than 8 slots. (Address space; memory comes as blocks
/// are handed out.)
fn slots_of_class(class: usize) -> usize {
    // Runs of two and more are never in a segment's first slot.
    (size_of_class(class) * 64).div_ceil(SLOT).clamp(2, 8)
}

pub(super) fn shape(class: usize) -> Shape {
    let (block, page) = (size_of_class(class), os::page_size());
    let slots = slots_of_class(class);
    let room = slots * SLOT - page;
    let natural = (1 << block.trailing_zeros()).min(HEADER);
    let known = known(room / block);
    let first = (known + page + CANARY).next_multiple_of(natural);
    Shape { slots, known, first, capacity: (room - first) / block }
}

impl Span {
    pub(super) fn of(page: NonNull<Page>) -> Self {
        Self { page, start: Page::start(page) }
    }

    pub(super) fn page(&self) -> &Page {
        // SAFETY: a descriptor of the segment's.
        unsafe { self.page.as_ref() }
    }

    pub(super) fn header(&self) -> &Header {
        // SAFETY: every span of a hardened page begins with it.
        unsafe { self.start.cast().as_ref() }
    }

    pub(super) fn word(&self, at: usize) -> &Cell<u64> {
        debug_assert!(at < self.header().words.get() as usize);
        // SAFETY: so many words lie behind the header.
        unsafe { self.start.add(size_of::<Header>()).cast::<Cell<u64>>().add(at).as_ref() }
    }

    pub(super) fn state(&self, index: usize) -> &Cell<u32> {
        debug_assert!(index < usize::from(self.page().capacity.get()));
        let words = self.header().words.get() as usize;
        // SAFETY: as many states as there are blocks lie behind the words.
        unsafe { self.start.add(size_of::<Header>() + words * 8).cast::<Cell<u32>>().add(index).as_ref() }
    }

    pub(super) fn size(&self) -> usize {
        self.page().block.get() as usize
    }

    pub(super) fn block(&self, index: usize) -> NonNull<u8> {
        // SAFETY: inside the span.
        unsafe { self.start.add(self.header().first.get() as usize + index * self.size()) }
    }

    /// Which block an address lies in, and how far from its start.
    pub(super) fn index(&self, address: NonNull<u8>) -> Option<(usize, usize)> {
        let first = self.start.addr().get() + self.header().first.get() as usize;
        let offset = address.addr().get().checked_sub(first)?;
        let index = offset / self.size();
        (index < usize::from(self.page().carved.get())).then_some((index, offset % self.size()))
    }

    /// What is, or was, asked for a block.
    pub(super) fn asked(&self, index: usize) -> usize {
        (self.state(index).get() & !(u32::MAX << STATE)) as usize
    }

    pub(super) fn subject(&self, index: usize) -> Subject {
        let block = (self.asked(index), super::tag_of(self.page()));
        Subject { address: self.block(index).addr().get(), block: Some(block) }
    }

    pub(super) fn fail(&self, index: usize, misuse: Misuse) -> ! {
        report(misuse, self.subject(index))
    }

    /// The last bytes of a block, which are known if it was ever opened; of what lies before the first one, too.
    pub(super) fn tail(&self, index: usize) -> NonNull<u8> {
        // SAFETY: the first block lies behind a canary of its own.
        unsafe { self.block(index).sub(CANARY) }
    }

    pub(super) fn set_free(&self, index: usize) {
        let word = self.word(index / 64);
        word.set(word.get() | 1 << (index % 64));
        let some = &self.header().some;
        some.set(some.get() | 1 << (index / 64));
        self.header().free.set(self.header().free.get() + 1);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.page().used.load(Ordering::Relaxed) == 0 && self.header().waiting.get() == 0
    }

    /// Opens blocks for which there is memory now.
    pub(super) fn open(&self, to: usize) {
        let from = usize::from(self.page().carved.get());
        for index in from..to {
            // SAFETY: the end of a block that nobody has.
            unsafe { pattern::protect(self.tail(index + 1), CANARY) };
            self.page().carved.set(index as u16 + 1);
            self.set_free(index);
        }
    }

    /// Takes a random free block, of which there is one.
    pub(super) fn pick(&self, random: u64) -> usize {
        let some = &self.header().some;
        debug_assert!(some.get() != 0, "one is free");
        let first = (random >> 32) as u32 % u128::BITS;
        let at = (some.get().rotate_right(first).trailing_zeros() + first) % u128::BITS;
        let word = self.word(at as usize);
        let turn = random as u32 % 64;
        let bit = (word.get().rotate_right(turn).trailing_zeros() + turn) % 64;
        word.set(word.get() & !(1 << bit));
        if word.get() == 0 {
            some.set(some.get() & !(1 << at));
        }
        self.header().free.set(self.header().free.get() - 1);
        at as usize * 64 + bit as usize
    }

    /// Whether a freed block was written to.
    pub(super) fn check_fill(&self, index: usize) {
        // SAFETY: a block of this page that nobody has, filled when it was freed.
        if let Some(at) = unsafe { pattern::first_change(self.block(index), self.size()) } {
            self.fail(index, Misuse::AfterFree { at });
        }
    }

    /// Hands a block out.
    pub(super) fn hand_out(&self, index: usize, size: usize) -> NonNull<u8> {
        let (block, room) = (self.block(index), self.size());
        match self.state(index).get() >> STATE {
            FREE => self.check_fill(index),
            _ => {
                // SAFETY: the end of a block that was opened.
                if let Some((at, _)) = unsafe { pattern::damage(self.tail(index + 1), CANARY) } {
                    self.fail(index, Misuse::Stray { at: room - CANARY + at });
                }
            }
        }
        self.state(index).set(LIVE << STATE | size as u32);
        // SAFETY: the block is nobody's; it has that much more than was asked for.
        unsafe { pattern::protect(block.add(size), room - size) };
        self.page().used.store(self.page().used.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        block
    }

    /// Whether what surrounds a live block is what it was.
    pub(super) fn check_around(&self, index: usize) {
        let asked = self.asked(index);
        // SAFETY: the rest of the block.
        if let Some((_, last)) = unsafe { pattern::damage(self.block(index).add(asked), self.size() - asked) }
        {
            self.fail(index, Misuse::Overflow { bytes: last + 1 });
        }
        let before = index.checked_sub(1).map_or(NEVER, |before| self.state(before).get() >> STATE);
        // SAFETY: what lies before the block, and was written when that was opened or freed.
        let changed = unsafe {
            match before {
                NEVER | LIVE => pattern::damage(self.tail(index), CANARY).is_some(),
                _ => pattern::first_change(self.tail(index), CANARY).is_some(),
            }
        };
        if changed {
            self.fail(index, Misuse::Underflow);
        }
    }
}

const _: () = assert!(size_of::<Header>() == 32);
// Two slots of the smallest blocks; spans of more slots have larger ones.
const _: () = assert!(2 * SLOT / QUANTUM <= 64 * u128::BITS as usize);
