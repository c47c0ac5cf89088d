//! The fit heap: blocks by address.
//!
//! ```text
//! try_alloc: Blocks::allocate ─► note where it begins                    ◄── nearly always
//!   miss (cold): Memory::try_grow ─► Book::extend ─► Blocks::put, which joins with a free end; then again
//! free:      address ─► granule ─► is it noted? ─► Blocks::free
//! ```
#![expect(unsafe_code, reason = "makes addresses of memory that it manages")]

mod places;
#[cfg(feature = "serde")]
mod state;
mod told;

use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;

use super::blocks::{Blocks, Refused};
use super::nodes::{Id, Nodes, State};
use super::place::Book;
use super::storage::sealed::Memory;
use super::storage::{Readable, Storage};
use super::wrap::ReadableHeap;
use super::{Fit, FitError, FitStats, GRANULE, Tlsf};
use crate::base::{FreeError, HARDENED, POISON, recording};
use crate::ledger::Tag;
use crate::region::AllocError;

/// Blocks of any size in memory of a [`Storage`], the free ones picked by a [`Fit`]: a heap for one part of a program, whose memory, limits
/// and policy are its own.
///
/// Sizes are rounded up to 16 bytes, with eight of them for the block's head unless the book-keeping is [`Apart`](super::Apart).
/// Any alignment is served. With [`Tlsf`] allocating and freeing take O(1), but for memory that has to be committed.
///
/// Freeing is safe: a pointer that is no used block of this heap is refused, and nothing is read at it. What is done with a block
/// is the business of `unsafe` code, which answers for nobody freeing it meanwhile: so keep the heap where only that code has it.
/// `Send`, and `Sync` without being of use shared: see [`Locked`](super::Locked) for threads.
///
/// While a recording is made (feature `record`) each block is told, under the heap's tag, if the memory is the heap's own ([`Growing`](super::Growing)):
/// a buffer may be a block that is recorded itself.
///
/// See `examples/fit_heaps.rs` for a buffer with a region behind it, behind a lock, with vectors and maps in it.
///
/// ```
/// use std::alloc::Layout;
/// use arenite::{FitHeap, FreeError, Growing, Tag};
///
/// let mut heap: FitHeap<Growing> = FitHeap::try_new(Growing::new(Tag::register("audio/streams")?, 1 << 30))?;
/// let sound = heap.try_alloc(Layout::from_size_align(100_000, 64)?)?;
/// assert!(heap.usable_size(sound)? >= 100_000);
///
/// // Larger where it lies, if there is room, or else somewhere else with what was in it.
/// let sound = heap.try_realloc(sound, Layout::from_size_align(200_000, 64)?)?;
/// heap.free(sound)?;
/// assert_eq!(heap.free(sound), Err(FreeError::DoubleFree));
/// assert_eq!(heap.free(std::ptr::NonNull::from(&0u8)), Err(FreeError::Foreign));
/// assert_eq!((heap.stats().used_blocks, heap.stats().free_blocks), (0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FitHeap<S: Storage, F: Fit = Tlsf> {
    blocks: Blocks<S::Book, F>,
    /// Granule 0.
    origin: NonNull<u8>,
    memory: S::Memory,
}

// SAFETY: an owner of memory, reached by plain numbers.
unsafe impl<S: Storage, F: Fit + Send> Send for FitHeap<S, F> where S::Memory: Send {}
// SAFETY: `&FitHeap` only reads its book-keeping.
unsafe impl<S: Storage, F: Fit + Sync> Sync for FitHeap<S, F> where S::Memory: Sync {}

#[cfg(feature = "serde")]
pub use state::{FitHeapSeed, FitHeapState};

/// A piece of a heap, used or free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapBlock {
    /// Where what its owner has begins.
    pub start: NonNull<u8>,
    /// Bytes that its owner has, or would have.
    pub size: usize,
    /// Whether it is handed out.
    pub used: bool,
}

/// Segments, as [`Blocks`] counts them.
const SEGMENTS: u32 = 1;

impl<S: Storage, F: Fit> FitHeap<S, F> {
    /// A heap in this storage; all of it is free.
    ///
    /// # Errors
    /// The storage is too small for a block ([`Exhausted`](AllocError::Exhausted): a larger buffer is needed); or address space can
    /// not be had, a budget would be broken, or the system refused.
    pub fn try_new(storage: S) -> Result<Self, AllocError> {
        let (memory, book) = storage.open()?;
        let blocks = (memory.limit() as usize).min(1 << 24);
        let (fit, origin) = (F::try_new(memory.tag(), blocks)?, memory.origin());
        // As far as 32 bits tell: alignments above 64 GiB are refused.
        let phase = (origin.addr().get() / GRANULE) as u32;
        let mut new = Self { blocks: Blocks::new(book, fit, phase), origin, memory };
        new.blocks.try_ready(SEGMENTS)?;
        new.take_in();
        Ok(new)
    }

    /// A block of at least the layout's size, at a multiple of its alignment. What is in it is not defined. (Of size zero: a block
    /// of its own, which is freed like any other.)
    ///
    /// # Errors
    /// There is no such block: [`OutOfMemory`](FitError::OutOfMemory) or [`OutOfContiguous`](FitError::OutOfContiguous) if the storage is
    /// as large as it can be, [`Refused`](FitError::Refused) if a budget or the system refused more. Nothing has changed.
    #[inline]
    pub fn try_alloc(&mut self, layout: Layout) -> Result<NonNull<u8>, FitError> {
        if recording::is_on() {
            return self.told(layout);
        }
        self.alloc_untold(layout)
    }

    #[inline(always)]
    fn alloc_untold(&mut self, layout: Layout) -> Result<NonNull<u8>, FitError> {
        match self.alloc_quick(layout.size(), layout.align()) {
            Some(block) => Ok(block),
            None => self.try_alloc_slow(layout),
        }
    }

    /// A block, if that is easy. (By itself, so that what it answers fits a register. It and `free` are inlined wherever they are called:
    /// by themselves they save and restore as many registers as a tenth of their work.)
    #[inline(always)]
    fn alloc_quick(&mut self, size: usize, align: usize) -> Option<NonNull<u8>> {
        let granules = Self::granules(size);
        if granules > LARGEST || align > GRANULE || self.blocks.try_ready(SEGMENTS).is_err() {
            return None;
        }
        let block = self.blocks.allocate_ready(granules as u32)?;
        Some(self.hand_out(block))
    }

    #[cold]
    #[inline(never)]
    fn try_alloc_slow(&mut self, layout: Layout) -> Result<NonNull<u8>, FitError> {
        let (granules, steps) = (Self::granules(layout.size()), layout.align().div_ceil(GRANULE));
        if granules > LARGEST || steps > LARGEST {
            return Err(FitError::TooLarge);
        }
        let (granules, steps) = (granules as u32, steps as u32);
        loop {
            match self.blocks.allocate(granules, steps, SEGMENTS) {
                Ok(block) => return Ok(self.hand_out(block)),
                Err(Refused::Nodes(error)) => return Err(FitError::Refused(error)),
                Err(Refused::NoBlock) => {}
            }
            // Wherever a block may begin.
            self.grow(granules.saturating_add(steps - 1)).map_err(|error| self.explain(error, layout))?;
        }
    }

    #[inline(always)]
    fn hand_out(&mut self, block: Id) -> NonNull<u8> {
        self.blocks.nodes.begin(block);
        self.address(block)
    }

    /// Takes a block back and joins it with free neighbours. O(1) with [`Tlsf`].
    ///
    /// # Errors
    /// It is not the beginning of a used block of this heap; nothing has changed, and nothing was read there. That this is so is
    /// found in O(1). To tell the middle of a used block from what is free may take a walk over the bits of what is in front.
    #[inline(always)]
    pub fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        if recording::is_on() {
            return self.told_free(block);
        }
        self.free_untold(block)
    }

    #[inline(always)]
    fn free_untold(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        match self.blocks.nodes.take(self.granule(block.as_ptr())) {
            Some(found) => {
                self.poison(found);
                self.blocks.free(found);
                Ok(())
            }
            None => Err(self.misused(block.as_ptr())),
        }
    }

    /// In debug and hardened builds what is freed is overwritten, where there are heads in place anyway.
    #[inline(always)]
    fn poison(&mut self, block: Id) {
        if HARDENED && S::Book::HEADER != 0 {
            let size = self.size_of(block);
            // SAFETY: a block that was used until now, without its head, in memory that the heap may write to.
            unsafe { self.address(block).write_bytes(POISON, size) };
        }
    }

    /// How many bytes a block has: at least what was asked for.
    ///
    /// # Errors
    /// As of [`free`](Self::free).
    #[inline]
    pub fn usable_size(&self, block: NonNull<u8>) -> Result<usize, FreeError> {
        self.find(block).map(|found| self.size_of(found))
    }

    /// All bytes of a block.
    pub(super) fn whole(&self, block: NonNull<u8>) -> Result<NonNull<[u8]>, FreeError> {
        let found = self.find(block)?;
        Ok(NonNull::slice_from_raw_parts(self.address(found), self.size_of(found)))
    }

    /// Whether an address lies in the memory of this heap. O(1).
    #[inline]
    #[must_use]
    pub fn owns(&self, address: *const u8) -> bool {
        let end = self.blocks.nodes.end() as usize * GRANULE;
        address.addr().wrapping_sub(self.origin.addr().get()) < end
    }

    /// Gives a block another size where it lies, larger or smaller. Answers the same address.
    ///
    /// # Errors
    /// It is no used block ([`Misused`](FitError::Misused)); it does not lie at such an alignment; or what is behind it is neither free nor the
    /// end of memory that can grow. Nothing has changed.
    pub fn try_resize(&mut self, block: NonNull<u8>, layout: Layout) -> Result<NonNull<u8>, FitError> {
        if recording::is_on() {
            return self.told_resized(block, layout, Self::resize_untold);
        }
        self.resize_untold(block, layout)
    }

    fn resize_untold(&mut self, block: NonNull<u8>, layout: Layout) -> Result<NonNull<u8>, FitError> {
        let found = self.find(block)?;
        let granules = Self::granules(layout.size());
        if granules > LARGEST {
            return Err(FitError::TooLarge);
        }
        if block.addr().get() & (layout.align() - 1) != 0 {
            return Err(self.nothing_such(layout));
        }
        let (size, now) = (granules as u32, self.blocks.nodes.size(found));
        if size <= now {
            self.blocks.try_shrink(found, size, SEGMENTS)?;
        } else {
            match self.blocks.try_grow(found, size, SEGMENTS) {
                Ok(()) => {}
                Err(Refused::Nodes(error)) => return Err(FitError::Refused(error)),
                Err(Refused::NoBlock) => self.grow_at_the_end(found, size, layout)?,
            }
        }
        Ok(self.address(found))
    }

    #[cold]
    fn grow_at_the_end(&mut self, block: Id, size: u32, layout: Layout) -> Result<(), FitError> {
        let (nodes, more) = (&self.blocks.nodes, size - self.blocks.nodes.size(block));
        let last = nodes.last();
        if last != block && (nodes.state(last) != State::Free || nodes.before(last) != block) {
            return Err(self.nothing_such(layout));
        }
        // What is free behind it is counted.
        self.grow(more).map_err(|error| self.explain(error, layout))?;
        match self.blocks.try_grow(block, size, SEGMENTS) {
            Ok(()) => Ok(()),
            Err(Refused::Nodes(error)) => Err(FitError::Refused(error)),
            Err(Refused::NoBlock) => Err(self.nothing_such(layout)),
        }
    }

    /// Gives the free end of the memory back to the system, but for `keep` bytes of it; answers how many bytes went. Only [`Growing`](super::Growing)
    /// has something to give.
    ///
    /// # Errors
    /// The system refused; the heap is as it was.
    pub fn try_trim(&mut self, keep: usize) -> Result<usize, AllocError> {
        let last = self.blocks.nodes.last();
        if last == super::nodes::NONE || self.blocks.nodes.state(last) != State::Free {
            return Ok(0);
        }
        self.blocks.try_ready(SEGMENTS)?;
        let (size, before) = (self.blocks.nodes.size(last), self.memory.granules());
        let keep = u32::try_from(keep.div_ceil(GRANULE)).map_or(size, |keep| keep.min(size));
        self.blocks.withdraw(last);
        self.blocks.nodes.cut(last, keep);
        self.blocks.size -= u64::from(size - keep);
        if keep != 0 {
            self.blocks.offer(last);
        }
        // SAFETY: the book-keeping ends there.
        let answer = unsafe { self.memory.try_shrink(self.blocks.nodes.end()) };
        // What it kept, because it was less than a page, or could not give.
        self.take_in();
        answer.map(|()| (before - self.memory.granules()) as usize * GRANULE)
    }

    /// All pieces, used and free, by address. O(pieces).
    pub fn walk(&self) -> impl Iterator<Item = HeapBlock> {
        let nodes = &self.blocks.nodes;
        core::iter::successors(nodes.next(None), |block| nodes.next(Some(*block))).map(|block| HeapBlock {
            start: self.address(block),
            size: self.size_of(block),
            used: nodes.state(block) == State::Used,
        })
    }

    /// How many free pieces there are of each size: place `n` counts those of at least 2ⁿ bytes and less than 2ⁿ⁺¹, heads included.
    /// O(pieces).
    #[must_use]
    pub fn histogram(&self) -> [u64; 64] {
        let mut counts = [0; 64];
        for piece in self.walk().filter(|piece| !piece.used) {
            counts[(piece.size + S::Book::HEADER).ilog2() as usize] += 1;
        }
        counts
    }

    /// How full and how torn it is. Sizes count what blocks take, heads included, so that used and free together are all that there
    /// is. O(1) but for [`largest_free`](FitStats::largest_free), which [`Tlsf`] finds among the blocks of one class.
    #[must_use]
    pub fn stats(&self) -> FitStats {
        let blocks = &self.blocks;
        let bytes = |granules: u64| granules * GRANULE as u64;
        FitStats {
            capacity: bytes(u64::from(blocks.nodes.end() - blocks.nodes.start())),
            used: bytes(blocks.used_size),
            free: bytes(blocks.free_size()),
            aside: 0,
            largest_free: bytes(u64::from(blocks.largest())),
            used_blocks: u64::from(blocks.used),
            free_blocks: u64::from(blocks.free),
            segments: 1,
            bookkeeping: (blocks.nodes.committed() + blocks.fit.committed() + self.memory.beside()) as u64,
        }
    }

    /// The most bytes that one block could have without more memory, at an alignment of 16 at the most. ([`Tlsf`] may refuse a
    /// thirty-second less.)
    #[must_use]
    pub fn largest_free(&self) -> usize {
        (self.blocks.largest() as usize * GRANULE).saturating_sub(S::Book::HEADER)
    }

    /// Whom memory, or what is beside it, is charged to.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.memory.tag()
    }

    /// Tells the ledger how much is in use.
    pub fn publish(&mut self) {
        self.memory.publish(self.blocks.used_size as usize * GRANULE);
        self.blocks.nodes.publish();
        self.blocks.fit.publish();
    }

    /// Granules of a block of so many bytes.
    #[inline(always)]
    fn granules(size: usize) -> usize {
        // A layout's size is below `isize::MAX`.
        let least = if S::Book::HEADER == 0 { size.max(1) } else { size };
        (least + S::Book::HEADER).div_ceil(GRANULE)
    }

    #[inline(always)]
    fn address(&self, block: Id) -> NonNull<u8> {
        self.blocks.nodes.start_of(block, self.origin)
    }

    #[inline(always)]
    fn size_of(&self, block: Id) -> usize {
        self.blocks.nodes.size(block) as usize * GRANULE - S::Book::HEADER
    }

    /// The granule that begins at an address; more than there can be if none does.
    #[inline(always)]
    fn granule(&self, address: *const u8) -> usize {
        let offset = address.addr().wrapping_sub(self.origin.addr().get());
        offset.rotate_right(GRANULE.trailing_zeros())
    }

    #[inline(always)]
    fn find(&self, block: NonNull<u8>) -> Result<Id, FreeError> {
        let found = self.blocks.nodes.used_at(self.granule(block.as_ptr()));
        found.ok_or_else(|| self.misused(block.as_ptr()))
    }

    /// Why an address is no used block.
    #[cold]
    #[inline(never)]
    fn misused(&self, address: *const u8) -> FreeError {
        if !self.owns(address) {
            return FreeError::Foreign;
        }
        if !address.addr().is_multiple_of(GRANULE) {
            return FreeError::Misaligned;
        }
        let nodes = &self.blocks.nodes;
        let granule = (address.addr() - self.origin.addr().get()) / GRANULE;
        let in_front = (0..granule).rev().find_map(|granule| nodes.used_at(granule));
        match in_front {
            Some(block) if nodes.offset(block) as usize + nodes.size(block) as usize > granule => {
                FreeError::Misaligned
            }
            _ => FreeError::DoubleFree,
        }
    }

    /// Makes sure that there is a free end of so many granules.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, needed: u32) -> Result<(), AllocError> {
        self.blocks.try_ready(SEGMENTS)?;
        let nodes = &self.blocks.nodes;
        let last = nodes.last();
        let there = if nodes.state(last) == State::Free { nodes.size(last) } else { 0 };
        // If that is enough already, a fit or an alignment asks for more than seemed necessary.
        let missing = needed.checked_sub(there).filter(|missing| *missing != 0).unwrap_or(needed);
        self.memory.try_grow(nodes.end().saturating_add(missing))?;
        self.take_in();
        Ok(())
    }

    /// What the memory has more than the book-keeping knows is free. Ready has been asked.
    fn take_in(&mut self) {
        let end = self.memory.granules();
        if end > self.blocks.nodes.end() {
            let block = self.blocks.nodes.extend(end);
            let size = self.blocks.nodes.used_size(block);
            self.blocks.size += u64::from(size);
            self.blocks.put(block, size);
        }
    }

    /// Growing was refused.
    #[cold]
    fn explain(&self, error: AllocError, layout: Layout) -> FitError {
        match error {
            AllocError::Exhausted { .. } | AllocError::Full { .. } => self.nothing_such(layout),
            error => FitError::Refused(error),
        }
    }

    #[cold]
    fn nothing_such(&self, layout: Layout) -> FitError {
        let bytes = |granules: u64| granules * GRANULE as u64;
        let wanted = bytes(Self::granules(layout.size()) as u64);
        // What could still be committed is free as well.
        let more = u64::from(self.memory.limit() - self.memory.granules());
        let free = bytes(self.blocks.free_size() + more);
        if wanted > free {
            return FitError::OutOfMemory { wanted, free };
        }
        let largest = bytes(self.blocks.nearly_largest().into());
        FitError::OutOfContiguous { wanted, align: layout.align() as u64, free, largest }
    }
}

/// The most granules of a block.
const LARGEST: usize = (1 << 30) - 2;

impl<S: Readable, F: Fit> FitHeap<S, F> {
    /// As [`try_alloc`](Self::try_alloc), filled with zeros.
    ///
    /// # Errors
    /// As of [`try_alloc`](Self::try_alloc).
    pub fn try_alloc_zeroed(&mut self, layout: Layout) -> Result<NonNull<u8>, FitError> {
        ReadableHeap::try_alloc_zeroed(self, layout)
    }

    /// Gives a block another layout, where it lies if that is possible, or else somewhere else with what was in it. The old pointer is
    /// not to be used any more; like [`free`](Self::free) this ends the block, and whoever has references into it answers for that.
    ///
    /// # Errors
    /// It is no used block, or there is no block of such a layout; it is as it was.
    pub fn try_realloc(&mut self, block: NonNull<u8>, layout: Layout) -> Result<NonNull<u8>, FitError> {
        ReadableHeap::try_realloc(self, block, layout)
    }
}

impl<S: Storage, F: Fit> Drop for FitHeap<S, F> {
    fn drop(&mut self) {
        if recording::is_on() {
            self.tell_the_end();
        }
    }
}

impl<S: Storage, F: Fit> fmt::Debug for FitHeap<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FitHeap")
            .field("tag", &self.tag())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
