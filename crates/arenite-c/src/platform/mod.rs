//! The platform layer of an engine: one heap for everything that C takes and gives back, which knows what it has.
//!
//! ```text
//!   this file: Platform_…                           (include/platform.h says what each does)
//!     block    taking, giving back, telling what is wrong with a pointer
//!       shadow   which addresses are blocks: asked before anything is read there
//!       head     what is in front of a block
//!       book     blocks, bytes, peak: a seat for each thread
//!       thread   what a thread has;  site  files and lines
//!     dump     the leak report;  ram  the machine's memory
//! ```
//!
//! Under it is the process's heap, with a tag of this layer's own, `platform`.
#![expect(unsafe_code, reason = "exports functions under C's names, which are given raw pointers")]

mod block;
mod book;
mod dump;
mod head;
mod ram;
mod shadow;
mod site;
mod thread;

use core::ffi::{c_char, c_int, c_long, c_void};
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::Ordering;

use arenite::os;

use self::block::{COUNTS, Left, Rest, Wish};
use self::book::{BOOK, Seat};
use crate::error::arenite_error::*;
use crate::error::{Refusal, answer, arenite_clear_error, arenite_error_message, arenite_last_error, refuse};

/// The block's pages are kept in RAM, as far as the system allows it.
pub(crate) const PLATFORM_MEM_LOCK: u32 = 2;
/// All bytes are zero.
pub(crate) const PLATFORM_MEM_CLEAR: u32 = 4;

fn raw(block: Option<NonNull<u8>>) -> *mut c_void {
    block.map_or(null_mut(), |block| block.as_ptr().cast())
}

/// Takes `size` bytes, at a multiple of 16. See `platform.h`.
#[unsafe(no_mangle)]
pub extern "C" fn Platform_Alloc(size: usize, flags: u32) -> *mut c_void {
    // Each way ends in one call, so that the usual one saves no registers.
    if flags & (PLATFORM_MEM_LOCK | PLATFORM_MEM_CLEAR) != 0 {
        return alloc_wish(size, flags, 0);
    }
    match block::alloc_fast(size, 0) {
        Ok(block) => block.as_ptr().cast(),
        Err(Rest::All) => alloc_all(size, 0, None),
        Err(Rest::Start(start)) => alloc_all(size, 0, Some(start)),
        Err(Rest::Seat(seat, block)) => alloc_count(seat, block, size),
    }
}

#[cold]
#[inline(never)]
extern "C" fn alloc_all(size: usize, place: u16, ready: Option<NonNull<u8>>) -> *mut c_void {
    raw(answer(|| block::alloc(Wish { size, place, ..Wish::default() }, ready)))
}

#[cold]
#[inline(never)]
extern "C" fn alloc_count(seat: &'static Seat, block: NonNull<u8>, size: usize) -> *mut c_void {
    block::took(seat, size);
    block.as_ptr().cast()
}

#[cold]
#[inline(never)]
extern "C" fn alloc_wish(size: usize, flags: u32, place: u16) -> *mut c_void {
    let (clear, lock) = (flags & PLATFORM_MEM_CLEAR != 0, flags & PLATFORM_MEM_LOCK != 0);
    raw(answer(|| block::alloc(Wish { size, clear, lock, place, align: 0 }, None)))
}

/// As `Platform_Alloc`, and the leak dump names the place. See `platform.h`.
///
/// # Safety
/// `file` is null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Platform_Alloc_Debug(
    size: usize,
    flags: u32,
    file: *const c_char,
    line: c_int,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    let place = answer(|| Ok(unsafe { site::number_of(file, line.unsigned_abs()) })).unwrap_or(0);
    if flags & (PLATFORM_MEM_LOCK | PLATFORM_MEM_CLEAR) != 0 {
        return alloc_wish(size, flags, place);
    }
    match block::alloc_fast(size, place) {
        Ok(block) => block.as_ptr().cast(),
        Err(Rest::All) => alloc_all(size, place, None),
        Err(Rest::Start(start)) => alloc_all(size, place, Some(start)),
        Err(Rest::Seat(seat, block)) => alloc_count(seat, block, size),
    }
}

/// As `Platform_Alloc`, at a multiple of `align`. See `platform.h`.
#[unsafe(no_mangle)]
pub extern "C" fn Platform_Alloc_Aligned(size: usize, align: usize, flags: u32) -> *mut c_void {
    let clear = flags & PLATFORM_MEM_CLEAR != 0;
    raw(answer(|| match align {
        0 => Err(Refusal::new(ARENITE_INVALID_ARGUMENT, "an alignment of 0")),
        _ => block::alloc(Wish { size, clear, align, ..Wish::default() }, None),
    }))
}

/// Gives a block back. See `platform.h`.
///
/// # Safety
/// If it is a block, nobody uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Platform_Free(ptr: *mut c_void, size: usize) {
    // SAFETY: the caller's promise.
    match unsafe { block::free_fast(ptr.cast(), size) } {
        Left::Nothing => {}
        Left::All => free_all(ptr, size),
        Left::Memory(start) => free_memory(start),
        Left::Seat(seat, start, size) => free_count(start, seat, size),
    }
}

#[cold]
#[inline(never)]
extern "C" fn free_all(ptr: *mut c_void, size: usize) {
    if let Some(block) = NonNull::new(ptr.cast::<u8>()) {
        answer(|| block::free(block, size));
    }
}

#[cold]
#[inline(never)]
extern "C" fn free_memory(start: NonNull<u8>) {
    // SAFETY: by `free_fast`.
    unsafe { block::give_memory(start) };
}

#[cold]
#[inline(never)]
extern "C" fn free_count(start: NonNull<u8>, seat: &'static Seat, size: usize) {
    block::gave(seat, size);
    // SAFETY: as above.
    unsafe { block::give_memory(start) };
}

/// Makes a block longer or shorter. See `platform.h`.
///
/// # Safety
/// If it is a block, nobody uses it any more where it was, unless the answer is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Platform_Realloc(ptr: *mut c_void, old_size: usize, new_size: usize) -> *mut c_void {
    match NonNull::new(ptr.cast::<u8>()) {
        None => Platform_Alloc(new_size, 0),
        Some(block) => raw(answer(|| block::realloc(block, old_size, new_size))),
    }
}

/// Whether a pointer is a block that the program has. See `platform.h`.
#[unsafe(no_mangle)]
pub extern "C" fn Platform_Mem_Owns(ptr: *const c_void) -> c_int {
    block::lives(ptr.addr()).into()
}

/// How many bytes a block was asked for with. See `platform.h`.
#[unsafe(no_mangle)]
pub extern "C" fn Platform_Mem_GetSize(ptr: *const c_void) -> usize {
    match NonNull::new(ptr.cast_mut().cast::<u8>()) {
        None => 0,
        Some(block) => answer(|| block::check(block)).map_or(0, |known| known.size),
    }
}

/// Bytes of RAM that could be used now. See `platform.h`.
#[unsafe(no_mangle)]
pub extern "C" fn Platform_Ram_Free() -> c_long {
    answer(|| Ok(ram::free())).unwrap_or(0)
}

/// As `Platform_Ram_Free`, in all. See `platform.h`.
#[unsafe(no_mangle)]
pub extern "C" fn Platform_Total_Ram_Free() -> c_long {
    answer(|| Ok(ram::free())).unwrap_or(0)
}

/// Bytes that the program has. See `platform.h`.
#[unsafe(no_mangle)]
pub extern "C" fn Platform_Mem_GetAllocated() -> usize {
    BOOK.figures().bytes
}

/// The most bytes that the program ever had. See `platform.h`.
#[unsafe(no_mangle)]
pub extern "C" fn Platform_Mem_GetPeak() -> usize {
    BOOK.figures().peak
}

/// Blocks that the program has. See `platform.h`.
#[unsafe(no_mangle)]
pub extern "C" fn Platform_Mem_GetCount() -> usize {
    BOOK.figures().blocks
}

/// All figures at once. See `platform.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Platform_Mem_Stats {
    /// Bytes that the program has, as it asked for them.
    pub allocated: usize,
    /// The most bytes that it ever had.
    pub peak: usize,
    /// Blocks that it has.
    pub count: usize,
    /// Calls whose `size` or `old_size` was neither 0 nor right.
    pub wrong_sizes: u64,
    /// Blocks that were freed when they were free.
    pub double_frees: u64,
    /// Pointers that were no block.
    pub foreign_pointers: u64,
    /// Blocks that were written in front of.
    pub damaged_blocks: u64,
    /// Requests that were refused.
    pub failures: u64,
}

/// All figures at once. See `platform.h`.
///
/// # Safety
/// `stats` is null or points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Platform_Mem_GetStats(stats: *mut Platform_Mem_Stats) {
    if stats.is_null() {
        refuse(ARENITE_NULL_ARGUMENT.into());
        return;
    }
    let figures = BOOK.figures();
    let now = Platform_Mem_Stats {
        allocated: figures.bytes,
        peak: figures.peak,
        count: figures.blocks,
        wrong_sizes: COUNTS.hints.load(Ordering::Relaxed),
        double_frees: COUNTS.double_frees.load(Ordering::Relaxed),
        foreign_pointers: COUNTS.foreign.load(Ordering::Relaxed),
        damaged_blocks: COUNTS.damaged.load(Ordering::Relaxed),
        failures: COUNTS.failures.load(Ordering::Relaxed),
    };
    // SAFETY: the caller's promise.
    unsafe { stats.write(now) };
}

/// Writes the leak report to standard error. See `platform.h`.
#[unsafe(no_mangle)]
pub extern "C" fn Platform_Mem_DumpLeaks() -> usize {
    answer(|| Ok(dump::dump(|line| os::write_error(&line[..line.len() - 1])))).unwrap_or(0)
}

/// Hands the leak report to a function. See `platform.h`.
///
/// # Safety
/// `write` can be called with `context` and a text of `length` bytes, which ends with a zero; it does not unwind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Platform_Mem_DumpLeaks_To(
    write: Option<unsafe extern "C-unwind" fn(context: *mut c_void, text: *const c_char, length: usize)>,
    context: *mut c_void,
) -> usize {
    answer(|| {
        let write = write.ok_or(ARENITE_NULL_ARGUMENT)?;
        // SAFETY: the caller's promise.
        Ok(dump::dump(|line| unsafe { write(context, line.as_ptr().cast(), line.len() - 1) }))
    })
    .unwrap_or(0)
}

/// The calling thread's last error. See `platform.h`.
#[unsafe(no_mangle)]
pub extern "C" fn Platform_Last_Error() -> c_int {
    arenite_last_error() as c_int
}

/// What a code means. See `platform.h`.
#[unsafe(no_mangle)]
pub extern "C" fn Platform_Error_Message(code: c_int) -> *const c_char {
    arenite_error_message(code)
}

/// Forgets the calling thread's last error. See `platform.h`.
#[unsafe(no_mangle)]
pub extern "C" fn Platform_Clear_Error() {
    arenite_clear_error();
}

/// Whether a range may be touched: not if it is null and has bytes.
fn there(range: *const c_void, bytes: usize) -> bool {
    let there = bytes == 0 || !range.is_null();
    if !there {
        refuse(Refusal::from(ARENITE_NULL_ARGUMENT));
    }
    there && bytes > 0
}

/// Copies; the ranges may overlap. See `platform.h`.
///
/// # Safety
/// `bytes` can be read at `source` and written at `dest`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Platform_MemCopy(dest: *mut c_void, source: *const c_void, bytes: usize) {
    // Programs of old that get it wrong are served, too: there is one function for both, and it costs nothing more.
    // SAFETY: the caller's promise.
    unsafe { Platform_MemMove(dest, source, bytes) };
}

/// Copies; the ranges may overlap. See `platform.h`.
///
/// # Safety
/// As `Platform_MemCopy`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Platform_MemMove(dest: *mut c_void, source: *const c_void, bytes: usize) {
    if there(dest, bytes) && there(source, bytes) {
        // SAFETY: the caller's promise.
        unsafe { dest.cast::<u8>().copy_from(source.cast(), bytes) };
    }
}

/// Fills with a byte. See `platform.h`.
///
/// # Safety
/// `bytes` can be written at `dest`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Platform_MemSet(dest: *mut c_void, value: c_int, bytes: usize) {
    if there(dest, bytes) {
        // SAFETY: the caller's promise.
        unsafe { dest.cast::<u8>().write_bytes(value as u8, bytes) };
    }
}

/// Compares. See `platform.h`.
///
/// # Safety
/// `bytes` can be read at both.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Platform_MemCmp(a: *const c_void, b: *const c_void, bytes: usize) -> c_int {
    if !there(a, bytes) || !there(b, bytes) {
        return 0;
    }
    // SAFETY: the caller's promise.
    let (a, b) = unsafe {
        (
            core::slice::from_raw_parts(a.cast::<u8>(), bytes),
            core::slice::from_raw_parts(b.cast::<u8>(), bytes),
        )
    };
    a.cmp(b) as c_int
}

/// Fills with zeros. See `platform.h`.
///
/// # Safety
/// `bytes` can be written at `dest`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Platform_ZeroMemory(dest: *mut c_void, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe { Platform_MemSet(dest, 0, bytes) };
}
