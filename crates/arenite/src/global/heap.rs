//! Our own heap as the global allocator.
#![expect(unsafe_code, reason = "a global allocator is raw by contract")]

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};

use crate::heap::bucket::{self, HeapStats, StdThreads};
use crate::ledger::{Here, Tag, set_here};
use crate::region::AllocError;

/// The heap of the process, for `#[global_allocator]`: `Box`, `Vec`, `String` and the rest then live in it, each under the
/// tag that its thread was in. Thread-safe; each thread has its own free blocks, and any thread may free.
///
/// A refusal (a hard budget, the system) is a null pointer, of which `try_reserve` makes an error and `Vec::push` the end of
/// the process. Nothing unwinds out of it, and the ledger's callbacks may allocate.
#[derive(Clone, Copy, Debug, Default)]
pub struct GlobalHeap;

impl GlobalHeap {
    /// From now on the calling thread allocates under `tag` of the process's ledger. Answers the tag until now, at first
    /// `untagged`. [`Tag::scope`] does the same for a while, and cannot be forgotten to be undone.
    ///
    /// # Errors
    /// The tag's place can not be made: a budget would be broken, or the system refused.
    ///
    /// # Panics
    /// The tag is of another ledger than the process's.
    pub fn enter(tag: Tag) -> Result<Tag, AllocError> {
        let before = bucket::enter::<StdThreads>(tag)?;
        set_here(Here { tag: Some(tag), site: None });
        Ok(before)
    }

    /// Figures of one tag, or of all. O(pages of the heap).
    #[must_use]
    pub fn stats(tag: Option<Tag>) -> HeapStats {
        bucket::process_stats(tag)
    }

    /// Whether an address lies in the heap's memory. O(segments).
    #[must_use]
    pub fn owns(address: *const u8) -> bool {
        bucket::owns(address)
    }

    /// Gives what no block needs back to the system, as far as this thread and those that have ended have it. Answers how
    /// many bytes.
    pub fn trim() -> usize {
        bucket::trim::<StdThreads>()
    }
}

#[inline(always)]
fn raw(block: Option<NonNull<u8>>) -> *mut u8 {
    block.map_or(null_mut(), NonNull::as_ptr)
}

// SAFETY: blocks are of the layout, nobody else's, and stay until they are freed; nothing unwinds: the heap's own code does
// not, and what callbacks of the ledger panic with is caught there.
unsafe impl GlobalAlloc for GlobalHeap {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        raw(bucket::alloc_aligned::<StdThreads>(layout.size(), layout.align()))
    }

    #[inline(always)]
    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: by the contract it came from `alloc`, so it is not null, and is freed once.
        unsafe { bucket::free::<StdThreads>(NonNull::new_unchecked(block)) };
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        raw(bucket::alloc_zeroed::<StdThreads>(layout.size(), layout.align()))
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as in `dealloc`; it was asked for with this alignment.
        unsafe { raw(bucket::realloc::<StdThreads>(NonNull::new_unchecked(block), size, layout.align())) }
    }
}
