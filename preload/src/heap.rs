//! The library's heap, for the calling thread.

use core::ptr::NonNull;

use arenite::heap::bucket::{self, Local, Threads};

use crate::system::{ENOMEM, set_errno};
use crate::{hooks, slot};

/// Threads of a process that this library was loaded into.
pub(crate) struct Here;

// SAFETY: a word of thread-local storage of its own, which begins as asked; `hooks` calls `thread_ends`.
unsafe impl Threads for Here {
    #[inline(always)]
    fn current() -> *const Local {
        slot::get()
    }

    #[inline(always)]
    fn set_current(local: *const Local) {
        slot::set(local);
    }

    fn enroll() -> bool {
        hooks::enroll()
    }

    fn refused() {
        set_errno(ENOMEM);
    }
}

/// The alignment of every block.
const ALIGN: usize = 16;

#[inline(always)]
pub(crate) fn allocate(size: usize) -> Option<NonNull<u8>> {
    bucket::alloc::<Here>(size)
}

#[inline(always)]
pub(crate) fn allocate_zeroed(size: usize) -> Option<NonNull<u8>> {
    bucket::alloc_zeroed::<Here>(size, ALIGN)
}

#[inline(always)]
pub(crate) fn allocate_aligned(size: usize, align: usize) -> Option<NonNull<u8>> {
    bucket::alloc_aligned::<Here>(size, align)
}

/// # Safety
/// A block of this heap that was not freed, and that nobody uses any more.
#[inline(always)]
pub(crate) unsafe fn free(block: NonNull<u8>) {
    // SAFETY: the caller's promise.
    unsafe { bucket::free::<Here>(block) };
}

/// # Safety
/// As [`free`], unless the heap is hardened: then what is no block of this size and alignment ends the process with a message.
pub(crate) unsafe fn free_checked(block: NonNull<u8>, size: Option<usize>, align: usize) {
    // SAFETY: the caller's promise.
    unsafe { bucket::free_checked::<Here>(block, size, align) };
}

/// If the heap is hardened: ends the process with a message unless this is a live block.
pub(crate) fn check(block: NonNull<u8>) {
    bucket::check(block, None, 1);
}

/// # Safety
/// As [`free`]; if another block is answered, it was freed.
#[inline(always)]
pub(crate) unsafe fn resize(block: NonNull<u8>, size: usize) -> Option<NonNull<u8>> {
    // SAFETY: the caller's promise.
    unsafe { bucket::realloc::<Here>(block, size, ALIGN) }
}

/// # Safety
/// A block of this heap that was not freed.
pub(crate) unsafe fn usable_size(block: NonNull<u8>) -> usize {
    // SAFETY: the caller's promise.
    unsafe { bucket::usable_size(block) }
}

/// Gives back what no block needs. Answers how many bytes.
pub(crate) fn trim() -> usize {
    bucket::trim::<Here>()
}
