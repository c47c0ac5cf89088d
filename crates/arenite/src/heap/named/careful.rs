//! The careful face of a named heap: for programs that no compiler has checked.
#![expect(unsafe_code, reason = "asks headers of blocks that were found")]

use core::alloc::Layout;
use core::ptr::NonNull;

use super::Heap;
use super::track::{HEAD, Header};
use crate::base::recording;
use crate::heap::bucket::{BlockFault, BucketHeap};
use crate::ledger::telling;
use crate::region::AllocError;

impl Heap {
    /// As [`try_alloc`](Self::try_alloc), for blocks that come back by [`try_free`](Self::try_free).
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn try_alloc_noted(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let shared = self.shared();
        match &shared.tracker {
            None if recording::is_on() => {
                self.told(layout.size(), |shared| shared.heap.try_alloc_noted(layout))
            }
            None => shared.heap.try_alloc_noted(layout),
            Some(_) => self.try_alloc(layout),
        }
    }

    /// The fast half of [`try_alloc_noted`](Self::try_alloc_noted), at a multiple of 16, for those who write the slow one elsewhere:
    /// `None` if this thread has no such block at hand, the heap tracks its blocks, or they are recorded.
    #[inline(always)]
    pub fn alloc_fast(&self, size: usize) -> Option<NonNull<u8>> {
        let shared = self.shared();
        if shared.tracker.is_some() || recording::is_on() { None } else { shared.heap.alloc_fast(size) }
    }

    /// The fast half of [`try_free`](Self::try_free): frees what is a block of this thread's. `false`: nothing has happened.
    ///
    /// # Safety
    /// As [`try_free`](Self::try_free).
    #[inline(always)]
    pub unsafe fn free_fast(&self, block: *mut u8) -> bool {
        let shared = self.shared();
        // SAFETY: the caller's promise.
        shared.tracker.is_none() && !recording::is_on() && unsafe { shared.heap.free_fast(block) }
    }

    /// As [`try_alloc_zeroed`](Self::try_alloc_zeroed), for blocks that come back by [`try_free`](Self::try_free).
    ///
    /// # Errors
    /// As there.
    pub fn try_alloc_zeroed_noted(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let shared = self.shared();
        match &shared.tracker {
            None if recording::is_on() => {
                self.told(layout.size(), |shared| shared.heap.try_alloc_zeroed_noted(layout))
            }
            None => shared.heap.try_alloc_zeroed_noted(layout),
            Some(_) => self.try_alloc_zeroed(layout),
        }
    }

    /// Takes back what should be a block of this heap that was taken by [`try_alloc_noted`](Self::try_alloc_noted) or the like, on
    /// any thread. Null is no block, and no mistake. O(1); for what is no block O(segments).
    ///
    /// # Errors
    /// It is no block that lives, and nothing has happened. (A hardened heap ends the process instead, with a message.)
    ///
    /// # Safety
    /// If it is a block that lives, it is the caller's, and nobody uses it any more.
    #[inline]
    pub unsafe fn try_free(&self, block: *mut u8) -> Result<(), BlockFault> {
        // SAFETY: the caller's promise.
        if unsafe { self.free_fast(block) } {
            return Ok(());
        }
        if block.is_null() {
            return Ok(());
        }
        let shared = self.shared();
        if recording::is_on() && self.try_usable_size(block).is_ok() {
            // Before it is back, when another thread may have it and tell so.
            telling::freed(block.addr());
        }
        match &shared.tracker {
            // SAFETY: the caller's promise.
            None => unsafe { shared.heap.try_free(block) },
            Some(tracker) => {
                let header = find(&shared.heap, block)?;
                // SAFETY: found: a live block of this heap, as far as its header says.
                unsafe { tracker.free(&shared.heap, header.add(1).cast()) };
                Ok(())
            }
        }
    }

    /// How many bytes of what should be a block of this heap may be used.
    ///
    /// # Errors
    /// As [`try_free`](Self::try_free); null is [`Foreign`](BlockFault::Foreign).
    pub fn try_usable_size(&self, block: *const u8) -> Result<usize, BlockFault> {
        let shared = self.shared();
        match &shared.tracker {
            None => shared.heap.try_usable_size(block),
            // SAFETY: found, and there as long as its block lives.
            Some(_) => find(&shared.heap, block).map(|header| unsafe { header.as_ref() }.size.get()),
        }
    }

    /// Makes what should be a block of this heap `layout` large; moves it if it must, with what both sizes have in common.
    /// The inner error: no memory, and the block is as it was.
    ///
    /// # Errors
    /// As [`try_free`](Self::try_free); null is [`Foreign`](BlockFault::Foreign). Also if what runs while there is no memory (a pressure
    /// callback) gives the very block back.
    ///
    /// # Safety
    /// If it is a block that lives, it is the caller's, and nobody uses it any more.
    pub unsafe fn try_resize(
        &self,
        block: *mut u8,
        layout: Layout,
    ) -> Result<Result<NonNull<u8>, AllocError>, BlockFault> {
        // SAFETY: the caller's promise.
        let resize = || unsafe { self.resize_untold(block, layout) };
        if !recording::is_on() {
            return resize();
        }
        let told = self.told_resized(block, layout.size(), || match resize() {
            Ok(Ok(moved)) => Ok(moved),
            refused => Err(refused),
        });
        told.map_or_else(|refused| refused, |moved| Ok(Ok(moved)))
    }

    /// # Safety
    /// As [`try_resize`](Self::try_resize).
    unsafe fn resize_untold(
        &self,
        block: *mut u8,
        layout: Layout,
    ) -> Result<Result<NonNull<u8>, AllocError>, BlockFault> {
        let shared = self.shared();
        match &shared.tracker {
            // SAFETY: the caller's promise.
            None => unsafe { shared.heap.try_resize(block, layout) },
            Some(tracker) => {
                let header = find(&shared.heap, block)?;
                // SAFETY: found: a live block of this heap, as far as its header says.
                unsafe {
                    let this = header.as_ref();
                    if layout.align() <= this.align() {
                        return Ok(tracker.try_realloc(&shared.heap, header.add(1).cast(), layout.size()));
                    }
                    // Its header knows one alignment: where it can not stay it is another block.
                    let size = this.size.get().min(layout.size());
                    let new = match shared.try_alloc(layout, self.place()) {
                        Ok(new) => new,
                        Err(error) => return Ok(Err(error)),
                    };
                    // Asking for memory may have run program code, which may even have given the old block back.
                    let old = match find(&shared.heap, block) {
                        Ok(old) => old.add(1).cast(),
                        Err(fault) => {
                            tracker.free(&shared.heap, new);
                            return Err(fault);
                        }
                    };
                    new.copy_from_nonoverlapping(old, size);
                    tracker.free(&shared.heap, old);
                    Ok(Ok(new))
                }
            }
        }
    }
}

const _: () = assert!(size_of::<Header>() == HEAD);

/// The header of what should be a live block of a tracked heap.
fn find(heap: &BucketHeap, block: *const u8) -> Result<NonNull<Header>, BlockFault> {
    // No block is there, whatever lies around it: a block of no bytes ends where its neighbour begins.
    if !block.addr().is_multiple_of(align_of::<Header>()) && heap.owns(block) {
        return Err(BlockFault::Misaligned);
    }
    if heap.is_hardened() {
        return find_hardened(heap, block);
    }
    // Its header stands in front, in the same block of the heap's. (And in the first 4 MiB of it, but for alignments that are
    // larger.)
    let found = match heap.find_around(block.wrapping_sub(1)) {
        Err(BlockFault::Misaligned) if heap.owns(block) => return Err(BlockFault::Misaligned),
        found => found?,
    };
    let behind = block.addr().wrapping_sub(found.block.addr().get());
    if behind < HEAD || !behind.is_multiple_of(HEAD) {
        return Err(BlockFault::Misaligned);
    }
    // SAFETY: inside the block, at a multiple of 16; numbers and pointers that are not followed.
    let header = unsafe { Header::of(found.block.add(behind)) };
    // SAFETY: as above.
    let this = unsafe { header.as_ref() };
    if this.is_of(behind) {
        Ok(header)
    } else if this.was_of(behind) {
        Err(BlockFault::DoubleFree)
    } else {
        Err(BlockFault::Misaligned)
    }
}

/// As [`find`], in a heap that does not tell where the block around an address begins, but ends the process if there is none where
/// the header says.
fn find_hardened(heap: &BucketHeap, block: *const u8) -> Result<NonNull<Header>, BlockFault> {
    let in_front = heap.find(block.wrapping_sub(HEAD))?.block;
    // SAFETY: inside a page of the heap's, at a multiple of 16; numbers and pointers that are not followed. A page whose memory is
    // withdrawn is that of a block that was freed: the fault ends the process.
    let header = unsafe { Header::of(in_front.add(HEAD)) };
    // SAFETY: as above.
    let Some(behind) = unsafe { header.as_ref() }.behind() else { return Err(BlockFault::Misaligned) };
    // SAFETY: a live block, or this ends the process; that is all it is asked for.
    let _ = unsafe { heap.usable_size(in_front.add(HEAD).sub(behind)) };
    Ok(header)
}

/// A hardened heap ends the process at each of these mistakes.
#[cfg(all(test, not(feature = "hardened")))]
mod tests {
    use crate::heap::bucket::BlockFault;
    use crate::heap::named::{Heap, HeapOptions};
    use core::alloc::Layout;
    use std::vec::Vec;

    fn free(heap: &Heap, block: *mut u8) -> Result<(), BlockFault> {
        // SAFETY: what lives is the test's.
        unsafe { heap.try_free(block) }
    }

    fn attack(heap: &Heap) {
        let other = Heap::named("test/careful-other");
        for (size, align) in
            [(0, 1), (1, 1), (24, 8), (100, 16), (100, 64), (300, 128), (5000, 4096), (90_000, 16)]
        {
            let layout = Layout::from_size_align(size, align).unwrap();
            let blocks: Vec<_> = (0..6).map(|_| heap.try_alloc_noted(layout).unwrap().as_ptr()).collect();
            for block in &blocks {
                assert!(heap.try_usable_size(*block).unwrap() >= size);
                for inside in [1, 8, 16, 48, 64, 128, 256].into_iter().filter(|inside| *inside < size) {
                    let fault = free(heap, block.wrapping_add(inside)).unwrap_err();
                    assert_eq!(fault, BlockFault::Misaligned, "{size} {align} {inside}");
                }
                assert_eq!(free(&other, *block), Err(BlockFault::Foreign));
            }
            // SAFETY: what lives is the test's.
            let grown =
                unsafe { heap.try_resize(blocks[0], Layout::from_size_align(size + 9000, align).unwrap()) };
            let grown = grown.unwrap().unwrap().as_ptr();
            assert!(heap.try_usable_size(grown).unwrap() >= size + 9000);
            assert!(grown.addr().is_multiple_of(align));
            if grown != blocks[0] {
                assert_eq!(free(heap, blocks[0]), Err(BlockFault::DoubleFree), "{size} {align}");
            }
            assert_eq!(free(heap, grown), Ok(()));
            for block in &blocks[1..] {
                assert_eq!(free(heap, *block), Ok(()), "{size} {align}");
                assert_eq!(free(heap, *block), Err(BlockFault::DoubleFree), "{size} {align}");
                assert!(heap.try_usable_size(*block).is_err());
            }
        }
        let here = 3u128;
        assert_eq!(free(heap, (&raw const here).cast_mut().cast()), Err(BlockFault::Foreign));
        assert_eq!(free(heap, core::ptr::null_mut()), Ok(()));
        assert_eq!(heap.report().blocks(), 0);
    }

    #[test]
    fn what_is_no_block_is_said_and_left_alone() {
        let heap = Heap::named("test/careful");
        attack(&heap);
        heap.try_discard().unwrap();
        let heap =
            Heap::try_with(HeapOptions::try_named("test/careful-tracked").unwrap().track_blocks()).unwrap();
        attack(&heap);
        heap.try_discard().unwrap();
    }
}
