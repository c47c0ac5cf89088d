//! The careful face of a heap of one's own; see [`careful`](super::careful).
#![expect(unsafe_code, reason = "hands blocks on that were found")]

use core::alloc::Layout;
use core::ptr::NonNull;

use super::StdThreads;
use super::careful::{self, BlockFault, Found, note_freed, note_lent};
use super::instance::BucketHeap;
use crate::region::AllocError;

impl BucketHeap {
    /// As [`try_alloc`](Self::try_alloc), for blocks that come back by [`try_free`](Self::try_free).
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn try_alloc_noted(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.try_alloc(layout).map(|block| self.note(block))
    }

    /// The fast half of [`try_alloc_noted`](Self::try_alloc_noted), at a multiple of 16: `None` if this thread has no such block at
    /// hand.
    #[inline(always)]
    pub fn alloc_fast(&self, size: usize) -> Option<NonNull<u8>> {
        self.pop(size).map(note_lent)
    }

    /// As [`try_alloc_zeroed`](Self::try_alloc_zeroed), for blocks that come back by [`try_free`](Self::try_free).
    ///
    /// # Errors
    /// As there.
    pub fn try_alloc_zeroed_noted(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.try_alloc_zeroed(layout).map(|block| self.note(block))
    }

    /// A block that is the caller's does not say that it is free. Hardened heaps have canaries where that would be written, and
    /// know by themselves.
    #[inline(always)]
    pub(in crate::heap) fn note(&self, block: NonNull<u8>) -> NonNull<u8> {
        if self.space().plan.hardened { block } else { note_lent(block) }
    }

    /// The live block that begins here.
    pub(in crate::heap) fn find(&self, address: *const u8) -> Result<Found, BlockFault> {
        careful::find(self.space(), address)
    }

    /// The live block that an address lies in, if that is in its first 4 MiB.
    pub(in crate::heap) fn find_around(&self, address: *const u8) -> Result<Found, BlockFault> {
        careful::find_around(self.space(), address)
    }

    /// Takes back what should be a block of this heap, on any thread.
    ///
    /// # Errors
    /// It is no block that lives, and nothing has happened. If the heap is a hardened one the process ends instead, with a
    /// message.
    ///
    /// # Safety
    /// If it is a block that lives, it is the caller's, and nobody uses it any more.
    #[inline(always)]
    pub unsafe fn try_free(&self, block: *mut u8) -> Result<(), BlockFault> {
        // SAFETY: the caller's promise.
        if unsafe { self.free_fast(block) } { Ok(()) } else { self.try_free_slow(block) }
    }

    /// The fast half of [`try_free`](Self::try_free); `false`: nothing has happened.
    ///
    /// # Safety
    /// As [`try_free`](Self::try_free).
    #[inline(always)]
    pub unsafe fn free_fast(&self, block: *mut u8) -> bool {
        // SAFETY: the caller's promise.
        unsafe { careful::free_fast_in::<StdThreads>(self.space(), block) }
    }

    #[cold]
    #[inline(never)]
    fn try_free_slow(&self, block: *mut u8) -> Result<(), BlockFault> {
        let found = self.find(block)?;
        note_freed(found);
        // SAFETY: found: a block that was handed out and not freed since, as far as it says; the caller's, by promise.
        unsafe { self.free(found.block) };
        Ok(())
    }

    /// How many bytes of what should be a block of this heap may be used.
    ///
    /// # Errors
    /// As [`try_free`](Self::try_free).
    pub fn try_usable_size(&self, block: *const u8) -> Result<usize, BlockFault> {
        let found = self.find(block)?;
        // SAFETY: found.
        Ok(unsafe { self.usable_size(found.block) })
    }

    /// Makes what should be a block of this heap `layout` large; moves it if it must, with what both sizes have in common.
    /// The alignment is the one that it was asked for with. The inner error: no memory, and the block is as it was.
    ///
    /// # Errors
    /// As [`try_free`](Self::try_free).
    ///
    /// # Safety
    /// If it is a block that lives, it is the caller's, and nobody uses it any more.
    pub unsafe fn try_resize(
        &self,
        block: *mut u8,
        layout: Layout,
    ) -> Result<Result<NonNull<u8>, AllocError>, BlockFault> {
        let found = self.find(block)?;
        let size = layout.size();
        // SAFETY: found; the caller's, so that nobody else frees it meanwhile. The new one has room for what is copied.
        unsafe {
            let had = self.usable_size(found.block);
            if let Some(resized) = careful::resize(found.block, size, layout.align()) {
                return Ok(Ok(resized));
            }
            let new = match self.try_alloc_noted(layout) {
                Ok(new) => new,
                Err(error) => return Ok(Err(error)),
            };
            // Asking for memory may have run program code, which may even have given the old block back.
            if let Err(fault) = self.find(block) {
                self.free(new);
                return Err(fault);
            }
            new.copy_from_nonoverlapping(found.block, had.min(size));
            note_freed(found);
            self.free(found.block);
            Ok(Ok(new))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::BucketHeapOptions;
    use super::*;
    use crate::ledger::Tag;

    #[test]
    fn blocks_of_a_hardened_heap_keep_their_canaries() {
        let tag = Tag::register("careful-hardened").unwrap();
        let heap = BucketHeap::try_with(BucketHeapOptions::new(tag).hardened(true)).unwrap();
        for size in (0..100).chain([1000, 5000, 40_000, 3 << 20]) {
            let layout = Layout::from_size_align(size, 16).unwrap();
            let block = heap.try_alloc_noted(layout).unwrap();
            assert!(heap.alloc_fast(size).is_none());
            // SAFETY: so many bytes.
            unsafe { block.write_bytes(7, size) };
            // SAFETY: ours, and used no more. Were a byte behind it changed, the process would end.
            assert_eq!(unsafe { heap.try_free(block.as_ptr()) }, Ok(()));
            let block = heap.try_alloc_zeroed_noted(layout).unwrap();
            // SAFETY: as above.
            assert_eq!(unsafe { heap.try_free(block.as_ptr()) }, Ok(()));
        }
        heap.trim();
    }
}
