//! What a named heap does while a recording is made: it tells of each block, under its tag, whatever tag the thread is under.
//!
//! Out of line, so that a heap that nobody records has two instructions more in each call, and none without the feature `record`.
#![expect(unsafe_code, reason = "passes raw blocks on")]

use core::ptr::NonNull;

use super::{Heap, Shared};
use crate::ledger::telling;
use crate::region::AllocError;

impl Heap {
    /// Makes a block, and tells of it.
    #[cold]
    #[inline(never)]
    pub(super) fn told(
        &self,
        size: usize,
        make: impl FnOnce(&Shared) -> Result<NonNull<u8>, AllocError>,
    ) -> Result<NonNull<u8>, AllocError> {
        let block = make(self.shared())?;
        telling::allocated(self.tag(), block.addr().get(), size);
        Ok(block)
    }

    /// Tells that a block goes.
    ///
    /// # Safety
    /// As [`Heap::free`].
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn told_free(&self, block: NonNull<u8>) {
        // First: when the block is back, another thread may have it, and tell so.
        telling::freed(block.addr().get());
        // SAFETY: the caller's promise.
        unsafe { self.shared().free(block) };
    }

    /// Resizes a block, and tells of it.
    #[cold]
    #[inline(never)]
    pub(super) fn told_resized<E>(
        &self,
        block: *mut u8,
        size: usize,
        resize: impl FnOnce() -> Result<NonNull<u8>, E>,
    ) -> Result<NonNull<u8>, E> {
        let resizing = telling::resizing(block.addr());
        let moved = resize();
        match &moved {
            Ok(moved) => telling::resized(resizing, self.tag(), block.addr(), moved.addr().get(), size),
            Err(_) => telling::stays(resizing, block.addr()),
        }
        moved
    }
}

impl Shared {
    /// Tells that all blocks go that live, because the heap does. O(pages + blocks).
    #[cold]
    #[inline(never)]
    pub(super) fn tell_the_end(&self) {
        match &self.tracker {
            Some(tracker) => tracker.each_block(|header| telling::freed(header.block().addr())),
            None => self.heap.each_live(|block| telling::freed(block.address.addr())),
        }
    }
}
