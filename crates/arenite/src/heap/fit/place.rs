//! Book-keeping in the memory that it is about: eight bytes in front of each block.
//!
//! ```text
//!    origin + 8·n - 8      origin + 8·n                      origin + 8·n + 16·size - 8
//!     | size, before        | what the owner has … or          | header of the next one
//!     |  4      4 bytes      | links of a free block, 4 + 4      |
//! ```
//!
//! A block's number is twice the granule that it begins at: in units of eight bytes, which processors add to an address by themselves.
//! At both ends stands a header of no block that is never free, so that
//! nothing is joined across: at granule 0, which is [`NONE`](super::nodes::NONE), and behind the last block.
//!
//! Which granules used blocks begin at is kept apart, a bit each: so a wrong pointer is known before anything is read there.
#![expect(unsafe_code, reason = "reads and writes headers in the memory that it manages")]

use core::ptr::NonNull;

use super::GRANULE;
use super::nodes::{Id, Nodes, State};
use crate::region::AllocError;

/// Book-keeping of one stretch of memory, whose blocks are found by address.
pub trait Book: Nodes {
    /// Bytes of a block that its owner does not get.
    const HEADER: usize;

    /// A block is handed out. Its beginning is found from now on.
    fn begin(&mut self, block: Id);

    /// The used block that begins at this granule, which may be any number.
    fn used_at(&self, granule: usize) -> Option<Id>;

    /// The same, and it is used no more.
    fn take(&mut self, granule: usize) -> Option<Id>;

    /// Where a block begins, granule 0 being at `origin`.
    #[inline(always)]
    fn start_of(&self, block: Id, origin: NonNull<u8>) -> NonNull<u8> {
        let offset = self.offset(block) as usize * GRANULE;
        // What nobody may touch may be no object at all, so no more is claimed than that it does not wrap.
        // SAFETY: a block lies in the memory, which does not end at address zero.
        unsafe { NonNull::new_unchecked(origin.as_ptr().wrapping_add(offset)) }
    }

    /// The granule behind the last block.
    fn end(&self) -> u32;

    /// The granule of the first block.
    fn start(&self) -> u32;

    /// The last block; a border if there is none.
    fn last(&self) -> Id;

    /// The first block, or the one behind; `None` at the end.
    fn next(&self, block: Option<Id>) -> Option<Id>;

    /// Makes a used block of what is between the end and a new one. [`try_ready`](Nodes::try_ready) has been asked.
    fn extend(&mut self, end: u32) -> Id;

    /// Keeps so many granules of the last block, which is free and unknown to the fit; none at all: it is gone.
    fn cut(&mut self, last: Id, keep: u32);

    /// Committed bytes apart from the memory that is managed.
    fn committed(&self) -> usize;

    /// Tells the ledger how much of them is in use.
    fn publish(&mut self);
}

/// What stands in front of a block.
#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    /// Granules, and [`FREE`] if the block is.
    size: u32,
    /// The block in front, and [`FREE`] if that one is: so that one in use, whose header lies somewhere else, is not looked at.
    before: Id,
}

/// In both words of a header.
const FREE: u32 = 1 << 31;

/// With [`FREE`], which is not in it yet: a sum, because that is one instruction into another register.
#[inline(always)]
const fn free(word: u32) -> u32 {
    debug_assert!(word & FREE == 0);
    word.wrapping_add(FREE)
}

/// Headers in place.
#[derive(Debug)]
pub struct InPlace {
    /// Granule 0. Its header, eight bytes before it, is the border in front, and its eight bytes are written, but never used, by
    /// who follows links that are not there.
    origin: NonNull<u8>,
    /// A bit for each granule up to `end`: a used block begins here.
    begins: NonNull<u64>,
    /// The border behind, in granules.
    end: u32,
}

// SAFETY: reached by plain numbers; the memory belongs to the heap that it is a part of.
unsafe impl Send for InPlace {}
// SAFETY: `&InPlace` only reads.
unsafe impl Sync for InPlace {}

impl InPlace {
    /// The least number of granules with which it can begin: the border behind is at granule 1.
    pub(super) const LEAST: u32 = 1;

    /// No block yet; granules up to `end` can be used.
    ///
    /// # Safety
    /// As long as this lives nobody else uses the memory from 8 bytes before `origin`, which is a multiple of 16, to where the owner
    /// [extends](Book::extend) it to at most, and at `begins` there is a bit for each granule of that, all of them zero.
    pub(super) unsafe fn new(origin: NonNull<u8>, begins: NonNull<u64>) -> Self {
        let mut new = Self { origin, begins, end: Self::LEAST };
        *new.at_mut(0) = Header { size: 0, before: 0 };
        *new.at_mut(Self::LEAST * 2) = Header { size: 0, before: 0 };
        new
    }

    #[inline(always)]
    fn address(&self, block: Id) -> NonNull<u8> {
        // SAFETY: numbers of blocks are twice their granules, which are `end` at most.
        unsafe { self.origin.add(block as usize * (GRANULE / 2)) }
    }

    #[inline(always)]
    fn at(&self, block: Id) -> &Header {
        // SAFETY: up to `end` there is a header in front of each granule that is passed in, made by `new`, `split` or `extend`, and
        // nobody else writes there. (A program that writes beyond its blocks does; it has broken its word.)
        unsafe { self.address(block).cast::<Header>().sub(1).as_ref() }
    }

    #[inline(always)]
    fn at_mut(&mut self, block: Id) -> &mut Header {
        // SAFETY: as above.
        unsafe { self.address(block).cast::<Header>().sub(1).as_mut() }
    }

    #[inline(always)]
    fn link(&self, block: Id, which: usize) -> NonNull<Id> {
        // SAFETY: the first eight bytes of a free block, or of granule 0.
        unsafe { self.address(block).cast::<Id>().add(which) }
    }

    #[inline(always)]
    fn word(&self, granule: u32) -> NonNull<u64> {
        // SAFETY: there is a bit for each granule, and so a word.
        unsafe { self.begins.add((granule >> 6) as usize) }
    }
}

impl Nodes for InPlace {
    #[inline(always)]
    fn try_ready(&mut self, _: u32) -> Result<(), AllocError> {
        Ok(())
    }

    #[inline(always)]
    fn offset(&self, block: Id) -> u32 {
        block / 2
    }

    #[inline(always)]
    fn size(&self, block: Id) -> u32 {
        self.at(block).size & !FREE
    }

    #[inline(always)]
    fn state(&self, block: Id) -> State {
        if self.at(block).size & FREE == 0 { State::Used } else { State::Free }
    }

    #[inline(always)]
    fn set_state(&mut self, block: Id, state: State) {
        let after = self.after(block);
        match state {
            State::Free => {
                self.at_mut(block).size |= FREE;
                self.at_mut(after).before |= FREE;
            }
            _ => {
                self.at_mut(block).size &= !FREE;
                self.at_mut(after).before &= !FREE;
            }
        }
    }

    #[inline(always)]
    fn before(&self, block: Id) -> Id {
        self.at(block).before & !FREE
    }

    #[inline(always)]
    fn free_before(&self, block: Id) -> Option<Id> {
        let before = self.at(block).before;
        (before & FREE != 0).then_some(before & !FREE)
    }

    #[inline(always)]
    fn after(&self, block: Id) -> Id {
        block + 2 * self.size(block)
    }

    #[inline(always)]
    fn used_size(&self, block: Id) -> u32 {
        self.at(block).size
    }

    #[inline(always)]
    fn free_size(&self, block: Id) -> u32 {
        self.at(block).size.wrapping_sub(FREE)
    }

    #[inline(always)]
    fn behind(&self, block: Id, size: u32) -> Id {
        block + 2 * size
    }

    #[inline(always)]
    fn split(&mut self, block: Id, size: u32) -> Id {
        let whole = self.at(block).size;
        debug_assert!(0 < size && size < whole & !FREE);
        let (rest, after, free) = (block + 2 * size, block + 2 * (whole & !FREE), whole & FREE);
        self.at_mut(block).size = size | free;
        *self.at_mut(rest) = Header { size: whole - size, before: block | free };
        self.at_mut(after).before = rest | free;
        rest
    }

    #[inline(always)]
    fn join(&mut self, block: Id) {
        let after = self.after(self.after(block));
        let free = self.at(block).size & FREE;
        self.at_mut(block).size = ((after - block) / 2) | free;
        self.at_mut(after).before = block | free;
    }

    #[inline(always)]
    fn take_whole(&mut self, block: Id, size: u32) {
        self.at_mut(block).size = size;
        self.at_mut(block + 2 * size).before = block;
    }

    #[inline(always)]
    fn carve(&mut self, block: Id, size: u32, rest: u32) -> Id {
        let behind = block + 2 * size;
        self.at_mut(block).size = size;
        *self.at_mut(behind) = Header { size: free(rest), before: block };
        self.at_mut(behind + 2 * rest).before = free(behind);
        behind
    }

    #[inline(always)]
    fn merge(&mut self, _: Id, start: Id, _: bool, whole: u32) {
        self.at_mut(start).size = free(whole);
        self.at_mut(start + 2 * whole).before = free(start);
    }

    #[inline(always)]
    fn previous_free(&self, block: Id) -> Id {
        // SAFETY: a free block's links, written when it became one.
        unsafe { self.link(block, 0).read() }
    }

    #[inline(always)]
    fn next_free(&self, block: Id) -> Id {
        // SAFETY: as above.
        unsafe { self.link(block, 1).read() }
    }

    #[inline(always)]
    fn set_previous_free(&mut self, block: Id, other: Id) {
        // SAFETY: nobody else uses a free block.
        unsafe { self.link(block, 0).write(other) }
    }

    #[inline(always)]
    fn set_next_free(&mut self, block: Id, other: Id) {
        // SAFETY: as above.
        unsafe { self.link(block, 1).write(other) }
    }

    #[inline(always)]
    fn next_free_at(&mut self, block: Id) -> *mut Id {
        let offset = (block as usize).wrapping_mul(GRANULE / 2).wrapping_add(size_of::<Id>());
        self.origin.as_ptr().wrapping_add(offset).cast()
    }

    #[inline(always)]
    fn is_drained(&self, _: Id) -> bool {
        false
    }
}

impl Book for InPlace {
    const HEADER: usize = 8;

    #[inline(always)]
    fn begin(&mut self, block: Id) {
        let granule = block / 2;
        // SAFETY: a word of ours.
        unsafe { *self.word(granule).as_ptr() |= 1 << (granule & 63) };
    }

    #[inline(always)]
    fn used_at(&self, granule: usize) -> Option<Id> {
        // SAFETY: a word of ours.
        (granule < self.end as usize
            && unsafe { self.word(granule as u32).read() } >> (granule & 63) & 1 != 0)
            .then(|| granule as u32 * 2)
    }

    #[inline(always)]
    fn take(&mut self, granule: usize) -> Option<Id> {
        if granule >= self.end as usize {
            return None;
        }
        let word = self.word(granule as u32);
        // SAFETY: a word of ours.
        let before = unsafe { word.read() };
        // A bit that was set makes it less by being turned, one that was not makes it more: one look instead of a mask to look
        // with and another one to clear with.
        let turned = before ^ 1 << (granule & 63);
        if turned > before {
            return None;
        }
        // SAFETY: as above.
        unsafe { word.write(turned) };
        Some(granule as u32 * 2)
    }

    #[inline(always)]
    fn start_of(&self, block: Id, _: NonNull<u8>) -> NonNull<u8> {
        // The same origin.
        self.address(block)
    }

    #[inline(always)]
    fn end(&self) -> u32 {
        self.end
    }

    fn start(&self) -> u32 {
        Self::LEAST
    }

    fn last(&self) -> Id {
        self.before(self.end * 2)
    }

    fn next(&self, block: Option<Id>) -> Option<Id> {
        let next = block.map_or(Self::LEAST * 2, |block| self.after(block));
        (next < self.end * 2).then_some(next)
    }

    fn extend(&mut self, end: u32) -> Id {
        let size = end - core::mem::replace(&mut self.end, end);
        let block = (end - size) * 2;
        self.at_mut(block).size = size;
        *self.at_mut(end * 2) = Header { size: 0, before: block };
        block
    }

    fn cut(&mut self, last: Id, keep: u32) {
        // Free blocks do not touch, so what is in front of it is used.
        let before = if keep == 0 { self.before(last) } else { last | FREE };
        self.at_mut(last).size = keep | FREE;
        self.end = last / 2 + keep;
        *self.at_mut(self.end * 2) = Header { size: 0, before };
    }

    fn committed(&self) -> usize {
        0
    }

    fn publish(&mut self) {}
}
