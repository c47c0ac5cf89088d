//! The allocator face: containers that live in a heap behind a lock (feature `allocator-api2`).
#![expect(unsafe_code, reason = "answers an unsafe trait about raw blocks of a heap")]

use core::alloc::Layout;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator};

use super::{Locked, ReadableHeap};
use crate::base::FreeError;
use crate::base::align::nowhere;

fn sized(block: NonNull<u8>, layout: Layout) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(block, layout.size())
}

impl<H: ReadableHeap> Locked<H> {
    /// Gives a block another layout.
    ///
    /// # Safety
    /// As [`Allocator::grow`] or [`Allocator::shrink`].
    unsafe fn give_layout(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if old.size() == 0 {
            return self.allocate(new);
        }
        if new.size() == 0 {
            // SAFETY: the caller's promise.
            unsafe { self.deallocate(block, old) };
            return Ok(sized(nowhere(new), new));
        }
        // SAFETY: the caller's promise: it is his block.
        match unsafe { self.try_realloc(block, new) } {
            Ok(block) => Ok(sized(block, new)),
            // No room for what a smaller one leaves over: the larger one serves.
            Err(_) if new.size() <= old.size() && block.addr().get().is_multiple_of(new.align()) => {
                Ok(sized(block, new))
            }
            Err(_) => Err(AllocError),
        }
    }
}

impl<H: ReadableHeap> Locked<H> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            return Ok(sized(nowhere(layout), layout));
        }
        self.try_alloc(layout).map(|block| sized(block, layout)).map_err(|_| AllocError)
    }

    /// # Safety
    /// As [`Allocator::deallocate`].
    #[inline]
    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        if layout.size() == 0 {
            return;
        }
        // SAFETY: the caller's promise: it is his block, and he has done with it.
        unsafe {
            match self.free(block) {
                Err(FreeError::Busy) => self.free_later(block),
                freed => debug_assert!(freed.is_ok(), "a container frees its block once"),
            }
        }
    }
}

// SAFETY: a block stays valid until it is freed or the heap is changed through `&mut` or goes, neither of which can happen while it is
// borrowed; what can free it through `&` is `unsafe`, and its caller vouches. All borrows are one allocator.
unsafe impl<H: ReadableHeap> Allocator for &Locked<H> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        Locked::allocate(self, layout)
    }

    #[inline]
    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { Locked::deallocate(self, block, layout) };
    }

    unsafe fn grow(&self, block: NonNull<u8>, old: Layout, new: Layout) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise.
        unsafe { self.give_layout(block, old, new) }
    }

    unsafe fn grow_zeroed(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise; what is behind the old size is his, and holds nothing.
        unsafe {
            let grown = self.give_layout(block, old, new)?;
            grown.cast::<u8>().add(old.size()).write_bytes(0, new.size() - old.size());
            Ok(grown)
        }
    }

    unsafe fn shrink(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise.
        unsafe { self.give_layout(block, old, new) }
    }
}
