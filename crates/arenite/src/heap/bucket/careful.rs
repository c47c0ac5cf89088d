//! The heap's face for those who may be wrong: blocks of programs that no compiler has checked.
//!
//! ```text
//!   alloc_noted: alloc, and the block's second word is cleared
//!   try_free (inline): a segment's header there? of the process's heap? a page of this thread?     ◄── nearly always
//!            the start of a block? its second word does not say `freed`? say so, and free
//!     find (cold): whatever else it may be: another thread's, large, huge, inside a block, freed, foreign
//! ```
//!
//! Nothing is read at an address before [`ours`](super::ours) has shown that it lies in a segment, all of which can be read. What is
//! found is wrong for certain; blocks that nobody ever had say that they are free, too. What is not found: a block that was freed and
//! handed out again since (its owner is another one now), also by another face, which leaves no word when it frees it; or whose first
//! sixteen bytes were written after it was freed; and mistakes that two threads make at once.
#![expect(unsafe_code, reason = "asks about addresses, and reads headers of segments")]

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::class::{CLASSES, size_of_class};
use super::segment::{HARD, HEADER, HUGE, LARGE, NOBODY, Page, SLOT, Segment};
use super::space::Space;
use super::{
    PROCESS, Threads, UNCHECKED_ABOVE, alloc_aligned, alloc_for, alloc_zeroed, free, large, moves, ours,
    stays,
};
use crate::base::sync::Ordering;

/// Why an address is no block that lives. Found without touching what is not the heap's; the heap is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlockFault {
    /// The address lies in none of the heap's blocks.
    Foreign,
    /// The address lies inside the heap but is not where a block begins.
    Misaligned,
    /// No block was ever handed out at this address.
    NotAllocated,
    /// The block was given back already, or its whole page was.
    DoubleFree,
}

impl fmt::Display for BlockFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "the pointer belongs to another allocator: give it back where it came from",
            Self::Misaligned => {
                "the pointer is inside a block, not at its start: give back exactly what was handed out"
            }
            Self::NotAllocated => "no block was ever handed out at this address",
            Self::DoubleFree => "the block was given back already: look for a second owner of the pointer",
        })
    }
}

impl core::error::Error for BlockFault {}

/// What a freed block's second word says, mixed with its address: no two blocks say the same, and what was copied from a freed
/// block says nothing elsewhere.
const FREED: usize = 0xF4EE_D0B1_0C5E_A7E5_u64 as usize;

/// 2^32 divided by each class's size, rounded up: for a multiple of the size that is below 2^32 the upper half of the product is
/// exact, as in `pool/block.rs`; for anything else the product with the size does not come out.
static RECIPROCALS: [u32; CLASSES] = {
    let mut table = [0; CLASSES];
    let mut class = 1;
    while class < CLASSES {
        table[class] = (1u64 << 32).div_ceil(size_of_class(class) as u64) as u32;
        class += 1;
    }
    table
};

/// The second word of a block.
///
/// # Safety
/// An address inside a segment, at a multiple of 16.
#[inline(always)]
unsafe fn second_word<'b>(block: NonNull<u8>) -> &'b AtomicUsize {
    // SAFETY: by the caller's promise it can be read and written: a segment is committed as a whole as long as it is there.
    // An atomic, because a program that is wrong may have the block twice.
    unsafe { AtomicUsize::from_ptr(block.cast::<usize>().add(1).as_ptr()) }
}

#[inline(always)]
fn freed_word(block: NonNull<u8>) -> usize {
    block.addr().get() ^ FREED
}

/// A block that is the caller's does not say that it is free.
#[inline(always)]
pub(in crate::heap) fn note_lent(block: NonNull<u8>) -> NonNull<u8> {
    // SAFETY: a block of a heap: of 16 bytes at the least.
    unsafe { second_word(block) }.store(0, Relaxed);
    block
}

/// A block that nobody ever had is not the program's, either: an address from the time before its page was this one is told by that.
///
/// # Safety
/// The start of a block that is nobody's, of 16 bytes at the least.
#[inline(always)]
pub(super) unsafe fn note_carved(block: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe {
        let block = NonNull::new_unchecked(block);
        second_word(block).store(freed_word(block), Relaxed);
    }
}

/// As [`note_lent`], of the process's heap. Hardened ones have canaries where that would be written, and know by themselves.
#[inline(always)]
fn note_lent_here(block: NonNull<u8>) -> NonNull<u8> {
    if block.addr().get() > UNCHECKED_ABOVE.load(Ordering::Relaxed) { note_lent(block) } else { block }
}

/// As [`alloc_aligned`], for blocks that come back by [`try_free`].
#[inline(always)]
pub fn alloc_noted<T: Threads>(size: usize, align: usize) -> Option<NonNull<u8>> {
    alloc_aligned::<T>(size, align).map(note_lent_here)
}

/// As [`alloc_zeroed`], for blocks that come back by [`try_free`].
#[inline]
pub fn alloc_zeroed_noted<T: Threads>(size: usize, align: usize) -> Option<NonNull<u8>> {
    alloc_zeroed::<T>(size, align).map(note_lent_here)
}

/// What a live block is.
#[derive(Clone, Copy)]
pub(in crate::heap) struct Found {
    pub(in crate::heap) block: NonNull<u8>,
    /// One of many of its page's.
    small: bool,
}

/// Finds the live block of a space that begins at an address.
///
/// Blocks of hardened spaces are found, too, as far as their page says; the rest is for the hardened heap to say.
pub(super) fn find(space: &Space, address: *const u8) -> Result<Found, BlockFault> {
    let found = find_around(space, address)?;
    if found.block.as_ptr().cast_const() == address { Ok(found) } else { Err(BlockFault::Misaligned) }
}

/// As [`find`], of the block that an address lies in. (Of those that are larger than a segment it must be the first 4 MiB.)
pub(super) fn find_around(space: &Space, address: *const u8) -> Result<Found, BlockFault> {
    let outside = || if space.contains(address) { BlockFault::Misaligned } else { BlockFault::Foreign };
    if !ours::has_header(address) {
        return Err(outside());
    }
    let Some(block) = NonNull::new(address.cast_mut()) else { return Err(BlockFault::Foreign) };
    let Some(segment) = NonNull::new(Segment::of(block)) else { return Err(BlockFault::Foreign) };
    // SAFETY: there is a header.
    let header = unsafe { segment.as_ref() };
    if !core::ptr::eq(header.space.get(), space) {
        return Err(BlockFault::Foreign);
    }
    let offset = address.addr() - segment.addr().get();
    if offset < HEADER {
        return Err(BlockFault::Misaligned);
    }
    // SAFETY: as above; `map` leads to a descriptor from every slot.
    let (page, this) = unsafe {
        let page = Page::of(block);
        (page, page.as_ref())
    };
    match this.owner.load(Ordering::Acquire) {
        NOBODY => Err(BlockFault::DoubleFree),
        HARD => Ok(Found { block, small: false }),
        LARGE | HUGE => {
            // SAFETY: such a page.
            let start = unsafe { large::start_of(page) };
            if this.listed.get() {
                // It is being resized, further up on this thread.
                Err(BlockFault::DoubleFree)
            } else if start <= block {
                Ok(Found { block: start, small: false })
            } else {
                Err(BlockFault::Misaligned)
            }
        }
        _ => {
            let size = this.block.get() as usize;
            let start = Page::start(page);
            let offset = address.addr().wrapping_sub(start.addr().get());
            if size == 0 || offset >= usize::from(this.capacity.get()) * size {
                return Err(BlockFault::Misaligned);
            }
            if offset >= usize::from(this.carved.get()) * size {
                return Err(BlockFault::NotAllocated);
            }
            // SAFETY: inside the page's blocks.
            let block = unsafe { start.add(offset - offset % size) };
            // SAFETY: inside the segment, and a multiple of 16.
            if unsafe { second_word(block) }.load(Relaxed) == freed_word(block) {
                return Err(BlockFault::DoubleFree);
            }
            Ok(Found { block, small: true })
        }
    }
}

/// From now on a block is known to be free: just before it is.
pub(in crate::heap) fn note_freed(found: Found) {
    if found.small {
        // SAFETY: found.
        unsafe { second_word(found.block) }.store(freed_word(found.block), Relaxed);
    }
}

/// The process's heap, if there is one, and the block in it.
fn find_here(address: *const u8) -> Result<Found, BlockFault> {
    // SAFETY: never given back.
    let space = unsafe { PROCESS.load(Ordering::Acquire).as_ref() };
    find(space.ok_or(BlockFault::Foreign)?, address)
}

/// Takes back what should be a block of the process's heap that was taken by [`alloc_noted`] or the like, on any thread. Null is no
/// block, and no mistake. O(1); for what is no block O(segments).
///
/// # Errors
/// It is no block that lives, and nothing has happened. If the heap is a hardened one the process ends instead, with a message.
///
/// # Safety
/// If it is a block that lives, it is the caller's, and nobody uses it any more.
#[inline(always)]
pub unsafe fn try_free<T: Threads>(block: *mut u8) -> Result<(), BlockFault> {
    // SAFETY: the caller's promise.
    if unsafe { free_fast::<T>(block) } { Ok(()) } else { try_free_slow::<T>(block) }
}

/// The fast half of [`try_free`], for those who write the slow one elsewhere: frees what is a block of this thread's, as most are. `false`:
/// nothing has happened, and [`try_free`] knows more.
///
/// # Safety
/// As [`try_free`].
#[inline(always)]
pub unsafe fn free_fast<T: Threads>(block: *mut u8) -> bool {
    // SAFETY: the caller's promise.
    unsafe { free_fast_in::<T>(PROCESS.load(Ordering::Relaxed), block) }
}

/// # Safety
/// As [`try_free`]; the space is there.
#[inline(always)]
pub(super) unsafe fn free_fast_in<T: Threads>(space: *const Space, block: *mut u8) -> bool {
    if !ours::has_header(block) {
        return false;
    }
    // SAFETY: the address before it lies in a segment, so that it is not null; `map` leads to a descriptor from every slot. A
    // place of this thread, or an empty one, which no page belongs to.
    let (block, segment, this, here) = unsafe {
        let block = NonNull::new_unchecked(block);
        (block, &*Segment::of(block), Page::of(block).as_ref(), &*T::current())
    };
    let mine = this.owner.load(Ordering::Relaxed) == here.owner();
    if !mine || !core::ptr::eq(segment.space.get(), space) {
        return false;
    }
    let offset = block.addr().get().wrapping_sub(start_of(this));
    let reciprocal = RECIPROCALS.get(usize::from(this.class.get())).copied().unwrap_or(0);
    let index = ((offset as u64).wrapping_mul(reciprocal.into()) >> 32) as usize;
    let exact = index.wrapping_mul(this.block.get() as usize) == offset;
    if !exact || index >= usize::from(this.carved.get()) {
        return false;
    }
    let freed = freed_word(block);
    // SAFETY: a block's start in this segment.
    let word = unsafe { second_word(block) };
    if word.load(Relaxed) == freed {
        return false;
    }
    word.store(freed, Relaxed);
    // SAFETY: a block that was handed out and not freed since, as far as it says; the caller's, by promise. Its page is this
    // thread's.
    unsafe { here.free_mine(block, NonNull::from(this)) };
    true
}

/// Where a page's blocks begin.
#[inline(always)]
fn start_of(page: &Page) -> usize {
    let (segment, slot) = Page::place(NonNull::from(page));
    segment.addr().get() + if slot == 0 { HEADER } else { slot * SLOT }
}

#[cold]
#[inline(never)]
fn try_free_slow<T: Threads>(block: *mut u8) -> Result<(), BlockFault> {
    if block.is_null() {
        return Ok(());
    }
    let found = find_here(block)?;
    note_freed(found);
    // SAFETY: found, as above. Of a hardened page this ends the process if it is no block.
    unsafe { free::<T>(found.block) };
    Ok(())
}

/// The block where it is large enough, if it can stay there, or move there without a copy.
///
/// # Safety
/// A live block of the caller's, not of a hardened heap.
pub(super) unsafe fn resize(block: NonNull<u8>, size: usize, align: usize) -> Option<NonNull<u8>> {
    if !block.addr().get().is_multiple_of(align) {
        return None;
    }
    // SAFETY: the caller's promise; where it went its page is, too.
    unsafe {
        let page = Page::of(block).as_ref();
        let alone = matches!(page.owner.load(Ordering::Relaxed), LARGE | HUGE);
        // Growing is paid for, which may run program code: meanwhile the block is nobody's.
        if alone {
            page.listed.set(true);
        }
        let resized = if stays(block, size) { Some(block) } else { moves(block, size, align) };
        if alone {
            Page::of(resized.unwrap_or(block)).as_ref().listed.set(false);
        }
        resized
    }
}

/// How many bytes of what should be a block of the process's heap may be used.
///
/// # Errors
/// As [`try_free`]; null is [`Foreign`](BlockFault::Foreign).
pub fn try_usable_size(block: *const u8) -> Result<usize, BlockFault> {
    let found = find_here(block)?;
    // SAFETY: found.
    Ok(unsafe { super::usable_size(found.block) })
}

/// Makes what should be a block of the process's heap `size` bytes long; moves it if it must, with what both sizes have in
/// common, and under its own tag. `None`: no memory, and the block is as it was. `align` is what it was asked for with.
///
/// # Errors
/// As [`try_free`]; null is [`Foreign`](BlockFault::Foreign). Also if what runs while there is no memory (a pressure callback) gives the
/// very block back.
///
/// # Safety
/// As [`try_free`].
pub unsafe fn try_realloc<T: Threads>(
    block: *mut u8,
    size: usize,
    align: usize,
) -> Result<Option<NonNull<u8>>, BlockFault> {
    let found = find_here(block)?;
    let block = found.block;
    // SAFETY: found; the caller's, so that nobody else frees it meanwhile. The new one has room for what is copied.
    unsafe {
        if let Some(resized) = resize(block, size, align) {
            return Ok(Some(resized));
        }
        let Some(new) = alloc_for::<T>(block, size, align) else { return Ok(None) };
        // Asking for memory may have run program code, which may even have given the old block back.
        if let Err(fault) = find_here(block.as_ptr()) {
            free::<T>(new);
            return Err(fault);
        }
        note_lent_here(new);
        new.copy_from_nonoverlapping(block, super::usable_size(block).min(size));
        note_freed(found);
        free::<T>(block);
        Ok(Some(new))
    }
}

/// A hardened heap ends the process at each of these mistakes.
#[cfg(all(test, feature = "std", not(feature = "hardened")))]
mod tests {
    use std::vec::Vec;

    use super::super::{StdThreads, enter};
    use super::*;
    use crate::ledger::Tag;

    fn take(size: usize) -> *mut u8 {
        alloc_noted::<StdThreads>(size, 16).expect("memory").as_ptr()
    }

    fn give(block: *mut u8) -> Result<(), BlockFault> {
        // SAFETY: what lives is the test's.
        unsafe { try_free::<StdThreads>(block) }
    }

    fn grow(block: *mut u8, size: usize) -> Result<Option<NonNull<u8>>, BlockFault> {
        // SAFETY: as above.
        unsafe { try_realloc::<StdThreads>(block, size, 16) }
    }

    #[test]
    fn blocks_of_every_size_go_back_once() {
        for size in
            [0, 1, 8, 16, 17, 100, 1000, 1024, 1025, 5000, 32 << 10, 70_000, 900_000, 3 << 20, 20 << 20]
        {
            let blocks: Vec<_> = (0..5).map(|_| take(size)).collect();
            for block in &blocks {
                assert!(try_usable_size(*block).unwrap() >= size);
                assert_eq!(give(block.wrapping_add(1)), Err(BlockFault::Misaligned), "{size}");
                if size > 32 {
                    assert_eq!(give(block.wrapping_add(16)), Err(BlockFault::Misaligned), "{size}");
                }
            }
            for block in blocks.iter().rev() {
                assert_eq!(give(*block), Ok(()), "{size}");
                // A huge block's range may be the system's again.
                let again = give(*block);
                assert!(
                    again == Err(BlockFault::DoubleFree)
                        || (size > 1 << 20 && again == Err(BlockFault::Foreign)),
                    "{size}: {again:?}"
                );
                assert!(try_usable_size(*block).is_err());
            }
        }
    }

    #[test]
    fn what_was_not_written_since_it_was_freed_is_still_a_block() {
        let first = take(64);
        give(first).unwrap();
        // The same block, most likely: its words are as they were left.
        let second = take(64);
        assert_eq!(give(second), Ok(()));
        assert_eq!(give(second), Err(BlockFault::DoubleFree));
    }

    #[test]
    fn what_is_not_the_heaps_is_foreign() {
        let here = 7u64;
        let system = std::alloc::System;
        // SAFETY: a layout with a size; given back below.
        let other = unsafe {
            std::alloc::GlobalAlloc::alloc(&system, core::alloc::Layout::from_size_align_unchecked(100, 16))
        };
        let high = core::ptr::without_provenance_mut(usize::MAX - 15);
        let low = core::ptr::without_provenance_mut(16);
        for address in [(&raw const here).cast_mut().cast::<u8>(), other, high, low] {
            assert_eq!(give(address), Err(BlockFault::Foreign));
            assert_eq!(try_usable_size(address), Err(BlockFault::Foreign));
            assert_eq!(grow(address, 10), Err(BlockFault::Foreign));
        }
        // SAFETY: as above.
        unsafe {
            std::alloc::GlobalAlloc::dealloc(
                &system,
                other,
                core::alloc::Layout::from_size_align_unchecked(100, 16),
            );
        }
        assert_eq!(give(core::ptr::null_mut()), Ok(()));
        assert_eq!(try_usable_size(core::ptr::null()), Err(BlockFault::Foreign));
    }

    #[test]
    fn a_heaps_own_header_is_no_block() {
        let block = take(64);
        let segment = Segment::of(NonNull::new(block).unwrap()).cast::<u8>();
        for offset in [16, 1024, HEADER - 16] {
            assert_eq!(give(segment.wrapping_add(offset)), Err(BlockFault::Misaligned));
        }
        give(block).unwrap();
    }

    #[test]
    fn growing_keeps_content_and_the_old_place_is_free() {
        let block = take(40);
        // SAFETY: 40 bytes that are ours.
        unsafe { block.write_bytes(9, 40) };
        let moved = grow(block, 4000).unwrap().unwrap().as_ptr();
        assert_ne!(moved, block);
        // SAFETY: 4000 bytes that are ours, the first 40 written.
        assert!((0..40).all(|at| unsafe { moved.add(at).read() } == 9));
        assert_eq!(give(block), Err(BlockFault::DoubleFree));
        assert_eq!(grow(block, 10), Err(BlockFault::DoubleFree));
        assert_eq!(give(moved), Ok(()));
    }

    #[test]
    fn other_threads_find_the_same() {
        let block = take(48) as usize;
        let told = std::thread::spawn(move || {
            let block = core::ptr::with_exposed_provenance_mut(block);
            (give(block), give(block))
        });
        assert_eq!(told.join().unwrap(), (Ok(()), Err(BlockFault::DoubleFree)));
    }

    #[test]
    fn what_nobody_was_handed_is_no_block() {
        let tag = Tag::register("careful-carved").unwrap();
        let before = enter::<StdThreads>(tag).unwrap();
        // Of a page of its own: its neighbours are carved with it, and nobody has them.
        let block = take(208);
        let faults: Vec<_> =
            (1..200).map(|index| give(block.wrapping_add(index * 208)).unwrap_err()).collect();
        assert!(faults.contains(&BlockFault::DoubleFree) && faults.contains(&BlockFault::NotAllocated));
        assert_eq!(give(block), Ok(()));
        enter::<StdThreads>(before).unwrap();
    }
}
