//! What a fit heap does while a recording is made: it tells of each block, under its tag, whatever tag the thread is under. Only if the
//! memory is its own: a buffer may be a block, or a part of one, that was told already.
//!
//! Out of line, so that a heap that nobody records has two instructions more in each call, and none without the feature `record`.
#![expect(unsafe_code, reason = "is the same heap")]

use core::alloc::Layout;
use core::ptr::NonNull;

use super::FitHeap;
use crate::base::FreeError;
use crate::heap::fit::storage::sealed::Memory;
use crate::heap::fit::wrap::{RawHeap, ReadableHeap, realloc};
use crate::heap::fit::{Fit, FitError, Readable, Storage};
use crate::ledger::telling;

impl<S: Storage, F: Fit> FitHeap<S, F> {
    /// Makes a block, and tells of it.
    #[cold]
    #[inline(never)]
    pub(super) fn told(&mut self, layout: Layout) -> Result<NonNull<u8>, FitError> {
        let block = self.alloc_untold(layout)?;
        self.tell_of(block, layout.size());
        Ok(block)
    }

    /// Tells of a block that was made.
    pub(super) fn tell_of(&self, block: NonNull<u8>, size: usize) {
        if self.memory.is_own() {
            telling::allocated(self.tag(), block.addr().get(), size);
        }
    }

    /// Tells that a block goes.
    #[cold]
    #[inline(never)]
    pub(super) fn told_free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        // Nothing else frees it meanwhile.
        if self.memory.is_own() && self.find(block).is_ok() {
            telling::freed(block.addr().get());
        }
        self.free_untold(block)
    }

    /// Resizes a block, and tells of it.
    #[cold]
    #[inline(never)]
    pub(super) fn told_resized(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        resize: impl FnOnce(&mut Self, NonNull<u8>, Layout) -> Result<NonNull<u8>, FitError>,
    ) -> Result<NonNull<u8>, FitError> {
        if !self.memory.is_own() || self.find(block).is_err() {
            return resize(self, block, layout);
        }
        let before = block.addr().get();
        let resizing = telling::resizing(before);
        let moved = resize(self, block, layout);
        match &moved {
            Ok(moved) => telling::resized(resizing, self.tag(), before, moved.addr().get(), layout.size()),
            Err(_) => telling::stays(resizing, before),
        }
        moved
    }

    /// Tells that all blocks go that live, because the heap does. O(blocks).
    #[cold]
    #[inline(never)]
    pub(super) fn tell_the_end(&self) {
        if self.memory.is_own() {
            for block in self.walk().filter(|block| block.used) {
                telling::freed(block.start.addr().get());
            }
        }
    }
}

impl<S: Readable, F: Fit> FitHeap<S, F> {
    /// Gives a block another layout, here or elsewhere, and tells of it once.
    #[cold]
    #[inline(never)]
    pub(in crate::heap::fit) fn told_realloc(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
    ) -> Result<NonNull<u8>, FitError> {
        self.told_resized(block, layout, |heap, block, layout| realloc(&mut Untold(heap), block, layout))
    }
}

/// A heap whose blocks are told by somebody else.
struct Untold<'a, S: Storage, F: Fit>(&'a mut FitHeap<S, F>);

// SAFETY: the same heap.
unsafe impl<S: Storage, F: Fit> RawHeap for Untold<'_, S, F> {
    fn try_alloc(&mut self, layout: Layout) -> Result<NonNull<u8>, FitError> {
        self.0.alloc_untold(layout)
    }

    fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        self.0.free_untold(block)
    }

    fn find(&self, block: NonNull<u8>) -> Result<NonNull<[u8]>, FreeError> {
        self.0.whole(block)
    }

    fn try_resize(&mut self, block: NonNull<u8>, layout: Layout) -> Result<NonNull<u8>, FitError> {
        self.0.resize_untold(block, layout)
    }

    fn owns(&self, address: *const u8) -> bool {
        self.0.owns(address)
    }
}

// SAFETY: the same heap.
unsafe impl<S: Readable, F: Fit> ReadableHeap for Untold<'_, S, F> {}
