//! Counts how often the general heap is called: the proof, or the disproof, that a frame leaves it alone.
#![expect(unsafe_code, reason = "a global allocator is an unsafe trait; every call is passed on unchanged")]

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicU64, Ordering};

/// A heap with every call counted: `alloc`, `alloc_zeroed`, `realloc` and `dealloc` of all threads.
///
/// A program installs it with `#[global_allocator]` and gives [`calls`] to
/// [`Config::heap_calls`](crate::config::Config::heap_calls). A call costs one uncontended atomic addition more than without.
/// Which heap is counted is the program's choice: the game on Arenite runs on Arenite's, the plain one on the system's.
///
/// ```
/// use std::alloc::System;
///
/// use arenite_demo::heap_count::{CountingAllocator, calls};
///
/// #[global_allocator]
/// static HEAP: CountingAllocator<System> = CountingAllocator::new(System);
///
/// let before = calls();
/// drop(Box::new(1));
/// assert_eq!(calls() - before, 2);
/// ```
#[derive(Debug, Default)]
pub struct CountingAllocator<A>(A);

/// A counter in cache lines of its own (two: processors fetch them in pairs).
#[repr(align(128))]
struct Counter(AtomicU64);

const COUNTERS: usize = 64;

static CALLS: [Counter; COUNTERS] = [const { Counter(AtomicU64::new(0)) }; COUNTERS];

impl<A> CountingAllocator<A> {
    /// `heap`, counted. All of them share their counters.
    pub const fn new(heap: A) -> Self {
        Self(heap)
    }
}

/// How many calls there were since the program started, all threads together.
///
/// Exact once the threads whose calls are to be counted have been joined or otherwise synchronised with.
pub fn calls() -> u64 {
    CALLS.iter().map(|counter| counter.0.load(Ordering::Relaxed)).sum()
}

/// Counts one call.
#[inline]
fn count() {
    // Which counter does not matter, as long as threads seldom share one. The stack tells threads apart: their stacks
    // are apart by more than this many bytes. A thread-local index would do as well where it needs no allocation, which
    // is not so on every platform.
    const STACK_BITS: u32 = 20;
    let marker = 0_u8;
    let stack = (&raw const marker).addr() >> STACK_BITS;
    let spread = (stack as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58;
    CALLS[spread as usize].0.fetch_add(1, Ordering::Relaxed);
}

// SAFETY: every method passes its arguments to the inner heap unchanged and returns what it returns; that heap keeps the contract.
// Counting neither allocates nor unwinds: the index is below 64, because it is the six highest bits of a number.
unsafe impl<A: GlobalAlloc> GlobalAlloc for CountingAllocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller says that the size of `layout` is not zero.
        unsafe { self.0.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller says that the size of `layout` is not zero.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller says that `ptr` came from this allocator, hence from the inner heap, with this `layout`, and that
        // `new_size` is not zero and does not overflow when rounded up to the alignment.
        unsafe { self.0.realloc(ptr, layout, new_size) }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller says that `ptr` came from this allocator, hence from the inner heap, with this `layout`.
        unsafe { self.0.dealloc(ptr, layout) }
    }
}
