//! Any allocator, recorded.
#![expect(unsafe_code, reason = "a global allocator is raw by contract")]

use core::alloc::{GlobalAlloc, Layout};

use crate::base::recording;
use crate::record::{self, Caller};

/// Lets the [recorder](crate::record) see what any allocator does. [`GlobalHeap`](super::GlobalHeap) needs no wrapping: it tells the
/// recorder itself.
///
/// While no recording is made, it is two instructions for each call. What the allocator below asks of
/// other allocators is not recorded.
///
/// ```
/// use std::alloc::System;
///
/// use arenite::{Recorded, TrackingAllocator};
///
/// #[global_allocator]
/// static GLOBAL: Recorded<TrackingAllocator<System>> = Recorded::new(TrackingAllocator::new(System));
///
/// println!("{}", GLOBAL.inner().allocation_stats());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Recorded<A>(A);

impl<A> Recorded<A> {
    /// Records what `inner` does.
    #[must_use]
    pub const fn new(inner: A) -> Self {
        Self(inner)
    }

    /// The allocator below.
    #[must_use]
    pub const fn inner(&self) -> &A {
        &self.0
    }
}

/// Makes a block, and tells of it.
#[cold]
#[inline(never)]
fn told(size: usize, make: impl FnOnce() -> *mut u8) -> *mut u8 {
    let caller = Caller::here();
    let (block, inside) = record::quietly(make);
    if !block.is_null() && !inside {
        record::allocated(block.addr(), size, caller);
    }
    block
}

/// Tells that a block goes.
#[cold]
#[inline(never)]
fn told_free(block: *mut u8, free: impl FnOnce()) {
    record::freed(block.addr());
    record::quietly(free);
}

/// Resizes a block, and tells of it.
#[cold]
#[inline(never)]
fn told_realloc(block: *mut u8, size: usize, resize: impl FnOnce() -> *mut u8) -> *mut u8 {
    let (caller, before) = (Caller::here(), block.addr());
    let resizing = record::resizing(before);
    let (moved, inside) = record::quietly(resize);
    if moved.is_null() || inside {
        record::stays(resizing, before);
    } else {
        record::resized(resizing, before, moved.addr(), size, caller);
    }
    moved
}

// SAFETY: all that is asked is passed on as it is; recording neither unwinds nor allocates.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Recorded<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if recording::is_on() {
            // SAFETY: the caller's promise.
            return told(layout.size(), || unsafe { self.0.alloc(layout) });
        }
        // SAFETY: the caller's promise.
        unsafe { self.0.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if recording::is_on() {
            // SAFETY: the caller's promise.
            return told_free(block, || unsafe { self.0.dealloc(block, layout) });
        }
        // SAFETY: the caller's promise.
        unsafe { self.0.dealloc(block, layout) };
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if recording::is_on() {
            // SAFETY: the caller's promise.
            return told(layout.size(), || unsafe { self.0.alloc_zeroed(layout) });
        }
        // SAFETY: the caller's promise.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if recording::is_on() {
            // SAFETY: the caller's promise.
            return told_realloc(block, size, || unsafe { self.0.realloc(block, layout, size) });
        }
        // SAFETY: the caller's promise.
        unsafe { self.0.realloc(block, layout, size) }
    }
}
