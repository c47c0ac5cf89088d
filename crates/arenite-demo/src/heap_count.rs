//! Counts how often the general heap is called: the proof, or the disproof, that a frame leaves it alone.
#![expect(unsafe_code, reason = "a global allocator is an unsafe trait; every call is passed on unchanged")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

/// The system's heap, with every call counted: `alloc`, `alloc_zeroed`, `realloc` and `dealloc` of all threads.
///
/// A program installs it with `#[global_allocator]` and gives [`CountingAllocator::calls`] to
/// [`Config::heap_calls`](crate::config::Config::heap_calls). A call costs one uncontended atomic addition more than without.
///
/// ```
/// use arenite_demo::heap_count::CountingAllocator;
///
/// #[global_allocator]
/// static HEAP: CountingAllocator = CountingAllocator::new();
///
/// let before = CountingAllocator::calls();
/// drop(Box::new(1));
/// assert_eq!(CountingAllocator::calls() - before, 2);
/// ```
#[derive(Debug)]
pub struct CountingAllocator(());

/// A counter in cache lines of its own (two: processors fetch them in pairs).
#[repr(align(128))]
struct Counter(AtomicU64);

const COUNTERS: usize = 64;

static CALLS: [Counter; COUNTERS] = [const { Counter(AtomicU64::new(0)) }; COUNTERS];

impl CountingAllocator {
    /// The allocator. All of them share their counters.
    pub const fn new() -> Self {
        Self(())
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
}

impl Default for CountingAllocator {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: every method passes its arguments to `System` unchanged and returns what it returns; `System` keeps the contract.
// Counting neither allocates nor unwinds: the index is below 64, because it is the six highest bits of a number.
unsafe impl GlobalAlloc for CountingAllocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count();
        // SAFETY: the caller says that the size of `layout` is not zero.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::count();
        // SAFETY: the caller says that the size of `layout` is not zero.
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        Self::count();
        // SAFETY: the caller says that `ptr` came from this allocator, hence from `System`, with this `layout`, and that
        // `new_size` is not zero and does not overflow when rounded up to the alignment.
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        Self::count();
        // SAFETY: the caller says that `ptr` came from this allocator, hence from `System`, with this `layout`.
        unsafe { System.dealloc(ptr, layout) }
    }
}
