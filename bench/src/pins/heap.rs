//! The general heap's: what a program on `GlobalHeap` executes for `alloc::alloc` and `alloc::dealloc`, the heap's part and the
//! glue. (The bench's own heap is another one; these call ours by name, which comes to the same code.)
#![expect(unsafe_code, reason = "calls a global allocator as collections do, and writes raw blocks")]

use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;

use arenite::GlobalHeap;

/// Blocks that are live at the same time.
const BATCH: usize = 64;
/// Batches, each after the other. The slow paths (a page, a span, a look at the clock) are in the mean as often as they come,
/// the start hardly.
const BATCHES: usize = 1000;

type Alloc = fn(usize) -> *mut u8;
/// # Safety
/// A block of the function beside it in the table below, with the same size, that nobody uses any more.
type Free = unsafe fn(*mut u8, usize);

/// A size that is known at run time only, as a vector's.
macro_rules! hidden {
    ($alloc:ident, $free:ident) => {
        #[inline(never)]
        fn $alloc(size: usize) -> *mut u8 {
            distinct!($alloc);
            // SAFETY: the table's sizes are not zero and far from the largest there can be.
            unsafe { GlobalHeap.alloc(Layout::from_size_align_unchecked(size, 8)) }
        }

        /// # Safety
        /// See [`Free`].
        #[inline(never)]
        unsafe fn $free(block: *mut u8, size: usize) {
            distinct!($free);
            // SAFETY: the caller's; the layout is that of the allocation.
            unsafe { GlobalHeap.dealloc(block, Layout::from_size_align_unchecked(size, 8)) }
        }
    };
}

/// A size that the compiler knows, as a box's.
macro_rules! fixed {
    ($alloc:ident, $free:ident, $size:literal) => {
        #[inline(never)]
        fn $alloc(_: usize) -> *mut u8 {
            distinct!($alloc);
            // SAFETY: not zero.
            unsafe { GlobalHeap.alloc(Layout::from_size_align_unchecked($size, 8)) }
        }

        /// # Safety
        /// See [`Free`].
        #[inline(never)]
        unsafe fn $free(block: *mut u8, _: usize) {
            distinct!($free);
            // SAFETY: the caller's; the layout is that of the allocation.
            unsafe { GlobalHeap.dealloc(block, Layout::from_size_align_unchecked($size, 8)) }
        }
    };
}

/// No instruction at all, but another text for each function: those with the same text would be merged into one.
macro_rules! distinct {
    ($name:ident) => {
        // SAFETY: a comment.
        unsafe {
            std::arch::asm!(
                concat!("/* ", stringify!($name), " */"),
                options(nomem, nostack, preserves_flags)
            )
        }
    };
}

hidden!(malloc_64_batch, free_64_batch);
hidden!(malloc_64_pair, free_64_pair);
hidden!(malloc_1k_batch, free_1k_batch);
hidden!(malloc_8k_batch, free_8k_batch);
fixed!(malloc_fixed_64_batch, free_fixed_64_batch, 64);
fixed!(malloc_fixed_64_pair, free_fixed_64_pair, 64);
fixed!(malloc_fixed_1k_batch, free_fixed_1k_batch, 1024);
fixed!(malloc_fixed_8k_batch, free_fixed_8k_batch, 8192);

/// The functions, the size, and how many blocks are live at a time.
const CASES: [(Alloc, Free, usize, usize); 8] = [
    (malloc_64_batch, free_64_batch, 64, BATCH),
    (malloc_64_pair, free_64_pair, 64, 1),
    (malloc_1k_batch, free_1k_batch, 1024, BATCH),
    (malloc_8k_batch, free_8k_batch, 8192, BATCH),
    (malloc_fixed_64_batch, free_fixed_64_batch, 64, BATCH),
    (malloc_fixed_64_pair, free_fixed_64_pair, 64, 1),
    (malloc_fixed_1k_batch, free_fixed_1k_batch, 1024, BATCH),
    (malloc_fixed_8k_batch, free_fixed_8k_batch, 8192, BATCH),
];

/// Calls all of them.
///
/// # Panics
/// Two blocks overlap, or there is no memory.
pub(crate) fn run() {
    for (alloc, free, size, live) in black_box(CASES) {
        let mut blocks = Vec::with_capacity(live);
        for _ in 0..BATCHES * BATCH / live {
            for stamp in 0..live {
                let block = alloc(size);
                assert!(!block.is_null(), "no memory");
                // SAFETY: of that size, and aligned for a word.
                unsafe { block.cast::<u64>().write(stamp as u64) };
                blocks.push(block);
            }
            for (stamp, block) in blocks.drain(..).enumerate() {
                // SAFETY: written above.
                assert_eq!(unsafe { block.cast::<u64>().read() }, stamp as u64, "two blocks overlap");
                // SAFETY: taken above with this size, and out of the list.
                unsafe { free(block, size) };
            }
        }
    }
}
