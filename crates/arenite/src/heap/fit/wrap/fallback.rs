//! Two heaps, one after the other.
#![expect(unsafe_code, reason = "is a heap made of two")]

use core::alloc::Layout;
use core::ptr::NonNull;

use super::{RawHeap, ReadableHeap};
use crate::base::FreeError;
use crate::heap::fit::FitError;

/// A heap, and another one for what it has no room for: a small and fast buffer before a large region, say. What is freed or resized
/// goes to the one that owns it; a block that can not grow where it lies moves to whichever has room, in either direction.
///
/// ```
/// use std::alloc::Layout;
/// use arenite::heap::fit::{FitHeap, Fixed, Growing, ReadableHeap, WithFallback};
/// use arenite::Tag;
///
/// let tag = Tag::register("ai/paths")?;
/// let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
/// let small: FitHeap<Fixed> = FitHeap::try_new(Fixed::new(tag, &mut buffer))?;
/// let large: FitHeap<Growing> = FitHeap::try_new(Growing::new(tag, 1 << 30))?;
/// let mut heap = WithFallback::new(small, large);
///
/// let path = heap.try_alloc(Layout::from_size_align(1000, 16)?)?;
/// assert!(heap.first().owns(path.as_ptr()));
/// let path = heap.try_realloc(path, Layout::from_size_align(100_000, 16)?)?;
/// assert!(heap.second().owns(path.as_ptr()));
/// # use arenite::heap::fit::RawHeap;
/// heap.free(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct WithFallback<A, B> {
    first: A,
    second: B,
}

impl<A: RawHeap, B: RawHeap> WithFallback<A, B> {
    /// `second` serves what `first` refuses.
    pub const fn new(first: A, second: B) -> Self {
        Self { first, second }
    }

    /// The heap that is asked first.
    pub const fn first(&self) -> &A {
        &self.first
    }

    /// The heap for the rest.
    pub const fn second(&self) -> &B {
        &self.second
    }

    /// The heap that is asked first.
    pub const fn first_mut(&mut self) -> &mut A {
        &mut self.first
    }

    /// The heap for the rest.
    pub const fn second_mut(&mut self) -> &mut B {
        &mut self.second
    }

    /// Both heaps, with what is in them.
    pub fn into_inner(self) -> (A, B) {
        (self.first, self.second)
    }
}

// SAFETY: what either hands out overlaps nothing that the other one does, as both are alive; each knows its own.
unsafe impl<A: RawHeap, B: RawHeap> RawHeap for WithFallback<A, B> {
    /// # Errors
    /// Both refuse: that of the second.
    #[inline]
    fn try_alloc(&mut self, layout: Layout) -> Result<NonNull<u8>, FitError> {
        match self.first.try_alloc(layout) {
            Ok(block) => Ok(block),
            Err(_) => self.second.try_alloc(layout),
        }
    }

    #[inline]
    fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        if self.first.owns(block.as_ptr()) { self.first.free(block) } else { self.second.free(block) }
    }

    #[inline]
    fn find(&self, block: NonNull<u8>) -> Result<NonNull<[u8]>, FreeError> {
        if self.first.owns(block.as_ptr()) { self.first.find(block) } else { self.second.find(block) }
    }

    fn try_resize(&mut self, block: NonNull<u8>, layout: Layout) -> Result<NonNull<u8>, FitError> {
        if self.first.owns(block.as_ptr()) {
            self.first.try_resize(block, layout)
        } else {
            self.second.try_resize(block, layout)
        }
    }

    #[inline]
    fn owns(&self, address: *const u8) -> bool {
        self.first.owns(address) || self.second.owns(address)
    }
}

// SAFETY: both are.
unsafe impl<A: ReadableHeap, B: ReadableHeap> ReadableHeap for WithFallback<A, B> {}
