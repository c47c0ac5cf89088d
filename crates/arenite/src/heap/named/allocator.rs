//! The allocator face: containers that live in a named heap (feature `allocator-api2`).
//!
//! A container has the heap by value, and so keeps it alive, or borrows it (`&Heap`, for which `allocator_api2` has the
//! implementation), and so can not outlive it. Blocks grow and shrink in place where they can.
#![expect(unsafe_code, reason = "answers an unsafe trait about raw blocks of a heap")]

use core::alloc::Layout;
use core::panic::Location;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError as Refused, Allocator};
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;

use super::{Heap, HeapString};
use crate::base::align::nowhere;
use crate::base::recording;
use crate::region::AllocError;

fn sized(block: Result<NonNull<u8>, AllocError>, layout: Layout) -> Result<NonNull<[u8]>, Refused> {
    block.map(|block| NonNull::slice_from_raw_parts(block, layout.size())).map_err(|_| Refused)
}

impl Heap {
    /// Gives a block another layout.
    ///
    /// # Safety
    /// As [`Allocator::grow`] or [`Allocator::shrink`].
    unsafe fn resize(&self, block: NonNull<u8>, old: Layout, new: Layout) -> Result<NonNull<[u8]>, Refused> {
        if new.size() == 0 {
            // SAFETY: the caller's promise.
            unsafe { self.deallocate(block, old) };
            return Ok(NonNull::slice_from_raw_parts(nowhere(new), 0));
        }
        if old.size() != 0 && new.align() <= old.align() {
            // SAFETY: the caller's promise; it was asked for with this alignment at the least.
            return sized(unsafe { self.try_realloc(block, old, new.size()) }, new);
        }
        let moved = self.allocate(new)?;
        // SAFETY: both have so many bytes, and the old one is still the caller's.
        unsafe {
            moved.cast::<u8>().copy_from_nonoverlapping(block, old.size().min(new.size()));
            self.deallocate(block, old);
        }
        Ok(moved)
    }

    /// An empty vector in this heap, of which it has a handle. `allocator_api2`'s `Vec`, with all that one can do.
    #[must_use]
    #[track_caller]
    pub fn vec<T>(&self) -> Vec<T, Self> {
        Vec::new_in(self.clone_at(Location::caller()))
    }

    /// An empty string in this heap, of which it has a handle.
    #[must_use]
    #[track_caller]
    pub fn string(&self) -> HeapString {
        HeapString::new_in(self.clone_at(Location::caller()))
    }

    /// Moves `value` into a box in this heap, of which it has a handle.
    ///
    /// # Panics
    /// The memory can not be had.
    #[must_use]
    #[track_caller]
    pub fn alloc_box<T>(&self, value: T) -> Box<T, Self> {
        match self.clone_at(Location::caller()).boxed(value) {
            Ok(value) => value,
            Err(error) => error.raise(),
        }
    }

    /// As [`alloc_box`](Self::alloc_box), with the refusal as a value; `value` is dropped then.
    ///
    /// # Errors
    /// As [`try_alloc`](Self::try_alloc).
    #[track_caller]
    pub fn try_alloc_box<T>(&self, value: T) -> Result<Box<T, Self>, AllocError> {
        self.clone_at(Location::caller()).boxed(value)
    }

    fn boxed<T>(self, value: T) -> Result<Box<T, Self>, AllocError> {
        let layout = Layout::new::<T>();
        let block = if layout.size() == 0 { nowhere(layout) } else { self.try_alloc(layout)? }.cast::<T>();
        // SAFETY: a block of this heap with the layout of `T`, as the box will give it back.
        unsafe {
            block.write(value);
            Ok(Box::from_raw_in(block.as_ptr(), self))
        }
    }
}

// SAFETY: a block stays valid until it is freed or the heap goes, which it does not while there is a handle; a borrowed heap
// is a handle, too. All handles of a heap are one allocator. Only `force_discard` can end it earlier, and its caller vouches.
unsafe impl Allocator for Heap {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, Refused> {
        if layout.size() == 0 {
            return Ok(NonNull::slice_from_raw_parts(nowhere(layout), 0));
        }
        sized(self.try_alloc(layout), layout)
    }

    #[inline]
    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, Refused> {
        if layout.size() == 0 {
            return Ok(NonNull::slice_from_raw_parts(nowhere(layout), 0));
        }
        sized(self.try_alloc_zeroed(layout), layout)
    }

    #[inline]
    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        if layout.size() != 0 {
            // SAFETY: the caller's promise.
            unsafe { self.free(block) };
        }
    }

    unsafe fn grow(&self, block: NonNull<u8>, old: Layout, new: Layout) -> Result<NonNull<[u8]>, Refused> {
        // SAFETY: the caller's promise.
        unsafe { self.resize(block, old, new) }
    }

    unsafe fn grow_zeroed(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, Refused> {
        if old.size() == 0 {
            return self.allocate_zeroed(new);
        }
        // SAFETY: the caller's promise; what is behind the old size is the caller's, and holds nothing.
        unsafe {
            let grown = self.resize(block, old, new)?;
            grown.cast::<u8>().add(old.size()).write_bytes(0, new.size() - old.size());
            Ok(grown)
        }
    }

    unsafe fn shrink(&self, block: NonNull<u8>, old: Layout, new: Layout) -> Result<NonNull<[u8]>, Refused> {
        // SAFETY: the caller's promise.
        let answer = unsafe { self.resize(block, old, new) };
        if answer.is_err() && new.align() <= old.align() {
            // No room for a smaller one: the larger one serves.
            let shared = self.shared();
            if recording::is_on() {
                let _ = self.told_resized(block.as_ptr(), new.size(), || Ok::<_, Refused>(block));
            }
            // SAFETY: the caller's block, as it was.
            unsafe {
                match &shared.tracker {
                    None => shared.heap.shorten(block, new.size()),
                    Some(tracker) => tracker.note_size(&shared.heap, block, new.size()),
                }
            }
            return Ok(NonNull::slice_from_raw_parts(block, new.size()));
        }
        answer
    }
}
