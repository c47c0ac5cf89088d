//! What the functions do while a recording is made. All take the same: three arguments, of which some look at fewer, and the frame that
//! they were called in ([`entry`](crate::entry)).
//!
//! An allocation is told after the next definition has handed the block out, a free before it has the block back: so nobody is seen with a block
//! that another one has.

use arenite::record::interposer::Caller;

use crate::guard::Inside;
use crate::next::Function;

/// Calls a function that hands out a block of so many bytes, and tells of it.
///
/// # Safety
/// As [`Function::call`]; `frame` is that of a function which has not returned yet, on this thread.
#[inline(always)]
unsafe fn take(function: Function, one: usize, two: usize, size: usize, frame: usize) -> usize {
    // SAFETY: the caller's promise.
    let call = || unsafe { function.call(one, two, 0) };
    let Some(inside) = Inside::enter() else { return call() };
    let block = call();
    // SAFETY: the caller's promise.
    inside.came(block, size, unsafe { Caller::at(frame) });
    block
}

/// Tells that a block goes, and calls a function that takes it back.
///
/// # Safety
/// As [`Function::call`].
#[inline(always)]
unsafe fn give(function: Function, block: usize, two: usize, three: usize) -> usize {
    // SAFETY: the caller's promise.
    let call = || unsafe { function.call(block, two, three) };
    let Some(inside) = Inside::enter() else { return call() };
    inside.goes(block);
    call()
}

/// Calls a function that resizes a block, and tells of it.
///
/// # Safety
/// As [`take`].
#[inline(always)]
unsafe fn resize(
    function: Function,
    block: usize,
    two: usize,
    three: usize,
    size: usize,
    frame: usize,
) -> usize {
    // SAFETY: the caller's promise.
    let call = || unsafe { function.call(block, two, three) };
    let Some(inside) = Inside::enter() else { return call() };
    // SAFETY: the caller's promise.
    let caller = unsafe { Caller::at(frame) };
    if block == 0 || size == 0 {
        // Some take a block back that shall have no bytes, some make it small.
        inside.goes(block);
        let made = call();
        inside.came(made, size, caller);
        return made;
    }
    let resizing = inside.changes(block);
    let moved = call();
    inside.changed(resizing, block, moved, size, caller);
    moved
}

pub(crate) unsafe extern "C" fn malloc(size: usize, _: usize, _: usize, frame: usize) -> usize {
    // SAFETY: who called `malloc` has promised nothing, and nothing is asked; the frame that this was called in.
    unsafe { take(Function::Malloc, size, 0, size, frame) }
}

pub(crate) unsafe extern "C" fn calloc(count: usize, size: usize, _: usize, frame: usize) -> usize {
    // SAFETY: as above. If the product were too large there would be no block.
    unsafe { take(Function::Calloc, count, size, count.wrapping_mul(size), frame) }
}

pub(crate) unsafe extern "C" fn aligned_alloc(align: usize, size: usize, _: usize, frame: usize) -> usize {
    // SAFETY: as above.
    unsafe { take(Function::AlignedAlloc, align, size, size, frame) }
}

pub(crate) unsafe extern "C" fn memalign(align: usize, size: usize, _: usize, frame: usize) -> usize {
    // SAFETY: as above.
    unsafe { take(Function::Memalign, align, size, size, frame) }
}

pub(crate) unsafe extern "C" fn valloc(size: usize, _: usize, _: usize, frame: usize) -> usize {
    // SAFETY: as above.
    unsafe { take(Function::Valloc, size, 0, size, frame) }
}

pub(crate) unsafe extern "C" fn pvalloc(size: usize, _: usize, _: usize, frame: usize) -> usize {
    // SAFETY: as above.
    unsafe { take(Function::Pvalloc, size, 0, size, frame) }
}

/// # Safety
/// `place` may be written to.
pub(crate) unsafe extern "C" fn posix_memalign(
    place: usize,
    align: usize,
    size: usize,
    frame: usize,
) -> usize {
    // SAFETY: the caller's promise.
    let call = || unsafe { Function::PosixMemalign.call(place, align, size) };
    let Some(inside) = Inside::enter() else { return call() };
    let error = call();
    // The answer is an `int`: the upper half is anything.
    if error as i32 == 0 {
        // SAFETY: the function has just written there.
        let block = unsafe { core::ptr::with_exposed_provenance::<usize>(place).read() };
        // SAFETY: the frame that it was called in.
        inside.came(block, size, unsafe { Caller::at(frame) });
    }
    error
}

/// # Safety
/// As `realloc`.
pub(crate) unsafe extern "C" fn realloc(block: usize, size: usize, _: usize, frame: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { resize(Function::Realloc, block, size, 0, size, frame) }
}

/// # Safety
/// As `reallocarray`.
pub(crate) unsafe extern "C" fn reallocarray(block: usize, count: usize, size: usize, frame: usize) -> usize {
    // What is too large is refused, and changes nothing; a product of 0 is none that was too large.
    let bytes = count.saturating_mul(size);
    // SAFETY: the caller's promise.
    unsafe { resize(Function::Reallocarray, block, count, size, bytes, frame) }
}

/// # Safety
/// As `free`.
pub(crate) unsafe extern "C" fn free(block: usize, _: usize, _: usize, _frame: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { give(Function::Free, block, 0, 0) }
}

/// # Safety
/// As `cfree`.
pub(crate) unsafe extern "C" fn cfree(block: usize, _: usize, _: usize, _frame: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { give(Function::Cfree, block, 0, 0) }
}

/// # Safety
/// As `free_sized`.
pub(crate) unsafe extern "C" fn free_sized(block: usize, size: usize, _: usize, _frame: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { give(Function::FreeSized, block, size, 0) }
}

/// # Safety
/// As `free_aligned_sized`.
pub(crate) unsafe extern "C" fn free_aligned_sized(
    block: usize,
    align: usize,
    size: usize,
    _frame: usize,
) -> usize {
    // SAFETY: the caller's promise.
    unsafe { give(Function::FreeAlignedSized, block, align, size) }
}
