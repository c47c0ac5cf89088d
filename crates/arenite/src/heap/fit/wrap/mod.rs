//! What can be put around a heap, in any order.
//!
//! | wrapper | adds |
//! |---|---|
//! | [`Locked`] | many threads, and containers: with the feature `allocator-api2`, `&Locked<H>` is an allocator |
//! | [`Inspected`] | counts of calls, failures and mistakes, bytes in use, and how large requests are |
//! | [`WithFallback`] | a second heap for what the first one has no room for |
#![expect(unsafe_code, reason = "the contracts of heaps, and moving what is in their blocks")]

#[cfg(feature = "allocator-api2")]
mod allocator;
mod fallback;
mod inspected;
mod locked;

pub use fallback::WithFallback;
pub use inspected::{HeapCalls, Inspected};
pub use locked::Locked;

use core::alloc::Layout;
use core::ptr::NonNull;

use super::storage::{Readable, Storage};
use super::{Fit, FitError, FitHeap};
use crate::base::{FreeError, recording};

/// What every heap of blocks by address can do, so that wrappers nest. What each function means is said at [`FitHeap`].
///
/// # Safety
/// A block that was handed out is of its layout and overlaps no other one, wherever the heap is moved, until it is freed or the heap
/// is gone. [`find`](Self::find), [`free`](Self::free) and [`try_resize`](Self::try_resize) know used blocks from any other pointer. If `free` or
/// `try_resize` fails the block is as it was.
pub unsafe trait RawHeap {
    /// A block.
    ///
    /// # Errors
    /// There is none; nothing has changed.
    fn try_alloc(&mut self, layout: Layout) -> Result<NonNull<u8>, FitError>;

    /// Takes a block back.
    ///
    /// # Errors
    /// It is no used block of this heap; nothing has changed.
    fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError>;

    /// All bytes of a block, by the heap's own pointer.
    ///
    /// # Errors
    /// It is no used block of this heap.
    fn find(&self, block: NonNull<u8>) -> Result<NonNull<[u8]>, FreeError>;

    /// Gives a block another size where it lies. Answers the same address, by a pointer that may be used for all of it.
    ///
    /// # Errors
    /// It is no used block, or it can not be done there; nothing has changed.
    fn try_resize(&mut self, block: NonNull<u8>, layout: Layout) -> Result<NonNull<u8>, FitError>;

    /// Whether an address lies in the memory of this heap.
    fn owns(&self, address: *const u8) -> bool;

    /// How many bytes a block has.
    ///
    /// # Errors
    /// It is no used block of this heap.
    #[inline]
    fn usable_size(&self, block: NonNull<u8>) -> Result<usize, FreeError> {
        self.find(block).map(|block| block.len())
    }
}

/// A heap whose blocks the processor can read and write.
///
/// # Safety
/// So it is. Every block has room for a pointer, however little was asked for.
pub unsafe trait ReadableHeap: RawHeap {
    /// A block filled with zeros.
    ///
    /// # Errors
    /// As of [`try_alloc`](RawHeap::try_alloc).
    fn try_alloc_zeroed(&mut self, layout: Layout) -> Result<NonNull<u8>, FitError> {
        let block = self.try_alloc(layout)?;
        // SAFETY: so many bytes that nobody else has yet.
        unsafe { block.write_bytes(0, layout.size()) };
        Ok(block)
    }

    /// Gives a block another layout, where it lies or somewhere else with what was in it. This ends the old block, as [`free`](RawHeap::free)
    /// does.
    ///
    /// # Errors
    /// It is no used block, or there is no block of such a layout; it is as it was.
    fn try_realloc(&mut self, block: NonNull<u8>, layout: Layout) -> Result<NonNull<u8>, FitError> {
        realloc(self, block, layout)
    }
}

/// Gives a block another layout by the other functions of its heap.
pub(super) fn realloc<H: ReadableHeap + ?Sized>(
    heap: &mut H,
    block: NonNull<u8>,
    layout: Layout,
) -> Result<NonNull<u8>, FitError> {
    match heap.try_resize(block, layout) {
        Ok(block) => return Ok(block),
        Err(error @ (FitError::Misused(_) | FitError::Busy)) => return Err(error),
        Err(_) => {}
    }
    let old = heap.find(block)?;
    let new = heap.try_alloc(layout)?;
    // SAFETY: two used blocks of at least so many bytes, so that they do not overlap. The old one is reached by its heap's own
    // pointer, and nobody uses it any more.
    unsafe { new.copy_from_nonoverlapping(old.cast(), old.len().min(layout.size())) };
    heap.free(block)?;
    Ok(new)
}

// SAFETY: `Blocks` hands out what is free, at its place in memory that stays there. The book-keeping tells where used blocks begin.
unsafe impl<S: Storage, F: Fit> RawHeap for FitHeap<S, F> {
    #[inline]
    fn try_alloc(&mut self, layout: Layout) -> Result<NonNull<u8>, FitError> {
        Self::try_alloc(self, layout)
    }

    #[inline]
    fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        Self::free(self, block)
    }

    #[inline]
    fn find(&self, block: NonNull<u8>) -> Result<NonNull<[u8]>, FreeError> {
        self.whole(block)
    }

    #[inline]
    fn try_resize(&mut self, block: NonNull<u8>, layout: Layout) -> Result<NonNull<u8>, FitError> {
        Self::try_resize(self, block, layout)
    }

    #[inline]
    fn owns(&self, address: *const u8) -> bool {
        Self::owns(self, address)
    }
}

// SAFETY: what `Readable` says; the least block is of 16 bytes, of which its owner has eight.
unsafe impl<S: Readable, F: Fit> ReadableHeap for FitHeap<S, F> {
    fn try_realloc(&mut self, block: NonNull<u8>, layout: Layout) -> Result<NonNull<u8>, FitError> {
        if recording::is_on() {
            return self.told_realloc(block, layout);
        }
        realloc(self, block, layout)
    }
}

// SAFETY: the same heap.
unsafe impl<H: RawHeap> RawHeap for &mut H {
    #[inline]
    fn try_alloc(&mut self, layout: Layout) -> Result<NonNull<u8>, FitError> {
        (**self).try_alloc(layout)
    }

    #[inline]
    fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        (**self).free(block)
    }

    #[inline]
    fn find(&self, block: NonNull<u8>) -> Result<NonNull<[u8]>, FreeError> {
        (**self).find(block)
    }

    #[inline]
    fn try_resize(&mut self, block: NonNull<u8>, layout: Layout) -> Result<NonNull<u8>, FitError> {
        (**self).try_resize(block, layout)
    }

    #[inline]
    fn owns(&self, address: *const u8) -> bool {
        (**self).owns(address)
    }
}

// SAFETY: the same heap.
unsafe impl<H: ReadableHeap> ReadableHeap for &mut H {
    fn try_alloc_zeroed(&mut self, layout: Layout) -> Result<NonNull<u8>, FitError> {
        (**self).try_alloc_zeroed(layout)
    }

    fn try_realloc(&mut self, block: NonNull<u8>, layout: Layout) -> Result<NonNull<u8>, FitError> {
        (**self).try_realloc(block, layout)
    }
}
