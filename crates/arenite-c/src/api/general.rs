//! The general heap of the process.
#![expect(unsafe_code, reason = "exports functions under C's names, which take C's pointers")]

use std::ffi::c_void;
use std::ptr::{NonNull, null_mut};

use arenite::heap::bucket::{
    self, StdThreads, alloc_noted, alloc_zeroed_noted, free_fast, try_free, try_usable_size,
};
use arenite::{GlobalHeap, HeapStats};

use super::tags::{arenite_tag, tag_of};
use super::texts::put;
use super::{ALIGN, layout};
use crate::error::arenite_error::{self, *};
use crate::error::{Refusal, answer, guard, refuse};

/// Figures of a heap: exact while no thread is at it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_heap_stats {
    /// Blocks ever handed out.
    pub allocs: u64,
    /// Blocks that came back.
    pub frees: u64,
    /// Blocks that are with the program.
    pub live_blocks: u64,
    /// Bytes of those, rounding included.
    pub live_bytes: u64,
}

impl arenite_heap_stats {
    pub(crate) fn of(stats: &HeapStats) -> Self {
        Self {
            allocs: stats.allocs(),
            frees: stats.frees(),
            live_blocks: stats.live(),
            live_bytes: stats.live_bytes(),
        }
    }
}

#[cold]
#[inline(never)]
extern "C" fn no_memory(size: usize) -> *mut c_void {
    refuse(why(size, ALIGN));
    null_mut()
}

#[inline(always)]
fn bucket_block(block: Option<NonNull<u8>>, size: usize) -> *mut c_void {
    match block {
        Some(block) => block.as_ptr().cast(),
        None => no_memory(size),
    }
}

/// A block of `size` bytes at a multiple of 16, with arbitrary content, of the process's heap, charged to the calling thread's tag
/// (`arenite_tag_enter`). The caller owns it, until it is given to `arenite_free`, on whatever thread. A size of 0 gives a block, too. Null if it
/// can not be had: `arenite_last_error` says why. This is not the program's `malloc`, which is left alone. Thread-safe. O(1).
///
/// Errors: `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_alloc(size: usize) -> *mut c_void {
    bucket_block(alloc_noted::<StdThreads>(size, ALIGN), size)
}

/// As `arenite_alloc`, at a multiple of `align`: a power of two, at most 1 MiB; 0 is 16.
///
/// Errors: as `arenite_alloc`; `ARENITE_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_alloc_aligned(size: usize, align: usize) -> *mut c_void {
    answer(|| {
        let layout = layout(size, align)?;
        let block = alloc_noted::<StdThreads>(layout.size(), layout.align());
        match block {
            Some(block) => Ok(block.as_ptr().cast()),
            None => Err(why(layout.size(), layout.align())),
        }
    })
    .unwrap_or(null_mut())
}

/// Why there was no memory for a block, just now.
#[cold]
fn why(size: usize, align: usize) -> Refusal {
    match bucket::try_alloc::<StdThreads>(size, align) {
        Err(error) => error.into(),
        Ok((block, _)) => {
            // SAFETY: taken a moment ago, and nobody has seen it.
            unsafe { bucket::free::<StdThreads>(block) };
            Refusal::new(ARENITE_SYSTEM, "there was no memory a moment ago; now there is: try again")
        }
    }
}

/// As `arenite_alloc`, for `count` values of `size` bytes, all bytes zero.
///
/// Errors: as `arenite_alloc`; `ARENITE_TOO_LARGE` also if the product does not fit.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_alloc_zeroed(count: usize, size: usize) -> *mut c_void {
    answer(|| {
        let size = count.checked_mul(size).ok_or(ARENITE_TOO_LARGE)?;
        let block = alloc_zeroed_noted::<StdThreads>(size, ALIGN);
        block.map(|block| block.as_ptr().cast()).ok_or_else(|| why(size, ALIGN))
    })
    .unwrap_or(null_mut())
}

/// Makes a block `size` bytes long; moves it if it must, with what both sizes have in common, and under its own tag. Null for `block`:
/// as `arenite_alloc`. The block until now is gone, unless the answer is null: then it is as it was, and `arenite_last_error` says
/// why. A size of 0 gives a block, too. Thread-safe.
///
/// Errors: as `arenite_alloc`, and as `arenite_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_realloc(block: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the caller's block.
    unsafe { arenite_realloc_aligned(block, size, ALIGN) }
}

/// As `arenite_realloc`, at a multiple of `align`: a power of two, at most 1 MiB; 0 is 16. It may be another one than the block
/// has.
///
/// Errors: as `arenite_realloc`; `ARENITE_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_realloc_aligned(
    block: *mut c_void,
    size: usize,
    align: usize,
) -> *mut c_void {
    if block.is_null() {
        return arenite_alloc_aligned(size, align);
    }
    answer(|| {
        let layout = layout(size, align)?;
        // SAFETY: the caller's block; what is none is found.
        let resized =
            unsafe { bucket::try_realloc::<StdThreads>(block.cast(), layout.size(), layout.align()) }?;
        resized.map(|block| block.as_ptr().cast()).ok_or_else(|| why(layout.size(), layout.align()))
    })
    .unwrap_or(null_mut())
}

/// What is not this thread's, or no block: told why.
#[cold]
#[inline(never)]
unsafe extern "C" fn free_slow(block: *mut c_void) -> arenite_error {
    // SAFETY: the caller's block; what is none is found.
    guard(|| unsafe { Ok(try_free::<StdThreads>(block.cast())?) })
}

/// Gives a block of `arenite_alloc` and its like back, on whatever thread; null is allowed. Anything but such a block that is with the program
/// is told, and nothing happens: nothing is read at an address that is not this heap's. O(1). Thread-safe.
///
/// A block that was freed and has been handed out again since is somebody else's: freeing it a second time is not found. (With
/// `ARENITE_HARDENED=1` in the environment the heap quarantines what is freed, and ends the process when it finds a mistake.)
///
/// Errors: `ARENITE_FOREIGN` (of another allocator), `ARENITE_MISALIGNED` (inside a block), `ARENITE_NOT_ALLOCATED`,
/// `ARENITE_DOUBLE_FREE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_free(block: *mut c_void) -> arenite_error {
    // SAFETY: the caller's block; what is none is found.
    unsafe { if free_fast::<StdThreads>(block.cast()) { ARENITE_OK } else { free_slow(block) } }
}

/// How many bytes of a block may be used: what was asked for, and what rounding has added. 0 if it is no block that lives.
/// Thread-safe. O(1).
///
/// Errors: as `arenite_free`; null is `ARENITE_FOREIGN`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_usable_size(block: *const c_void) -> usize {
    answer(|| Ok(try_usable_size(block.cast())?)).unwrap_or(0)
}

/// 1 if an address lies in the memory of the process's heap, in a block or not; else 0. Any address is allowed: nothing is read there.
/// Thread-safe. O(segments of 4 MiB).
#[unsafe(no_mangle)]
pub extern "C" fn arenite_owns(address: *const c_void) -> i32 {
    answer(|| Ok(GlobalHeap::owns(address.cast()))).is_some_and(|owns| owns).into()
}

/// Gives what no block needs back to the system, as far as the calling thread and those that have ended have it; answers how many bytes.
/// Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_trim() -> usize {
    answer(|| Ok(GlobalHeap::trim())).unwrap_or(0)
}

/// Writes what a tag has of the process's heap to `stats`, without tags below it. What this library has for itself is charged to the tag
/// that the thread was in, too: objects, a few hundred bytes each. Thread-safe. O(pages of the heap).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_BAD_TAG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_alloc_figures(
    tag: arenite_tag,
    stats: *mut arenite_heap_stats,
) -> arenite_error {
    // SAFETY: the caller's pointer.
    guard(|| unsafe { put(stats, arenite_heap_stats::of(&GlobalHeap::stats(Some(tag_of(tag)?)))) })
}
