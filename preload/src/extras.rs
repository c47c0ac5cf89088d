//! What glibc has beyond the family: figures, settings, and its own names for the family.
//!
//! A program that found some of these in glibc and the family here would mix two heaps. So all are answered for our heap, as
//! far as they mean anything to it.

use core::ffi::{c_int, c_void};
use core::fmt::Write as _;
use core::ptr::{NonNull, null_mut};

use arenite::Tag;
use arenite::heap::bucket::{process_stats, process_tag};

use crate::heap;
use crate::system::{EINVAL, ENOMEM, Stream, page_size, set_errno};
use crate::text::print_stats;

type Block = *mut c_void;

/// The figures of `mallinfo2(3)`. There are no bins and no `mmap`s of single blocks to tell of: those fields are 0.
#[repr(C)]
pub struct MallInfo2 {
    arena: usize,
    ordblks: usize,
    smblks: usize,
    hblks: usize,
    hblkhd: usize,
    usmblks: usize,
    fsmblks: usize,
    uordblks: usize,
    fordblks: usize,
    keepcost: usize,
}

/// The figures of `mallinfo(3)`, cut to what fits, as there is no room for more.
#[repr(C)]
pub struct MallInfo {
    fields: [c_int; 10],
}

/// Bytes that the heap has of the system, and bytes that are with the program.
fn figures() -> (usize, usize) {
    let committed = process_tag().account().own.committed + Tag::untagged().account().own.committed;
    (committed, process_stats(None).live_bytes() as usize)
}

/// `mallinfo2(3)`. O(pages).
#[unsafe(no_mangle)]
pub extern "C" fn mallinfo2() -> MallInfo2 {
    let (arena, uordblks) = figures();
    let fordblks = arena.saturating_sub(uordblks);
    MallInfo2 {
        arena,
        ordblks: 0,
        smblks: 0,
        hblks: 0,
        hblkhd: 0,
        usmblks: 0,
        fsmblks: 0,
        uordblks,
        fordblks,
        keepcost: 0,
    }
}

/// `mallinfo(3)`. O(pages).
#[unsafe(no_mangle)]
pub extern "C" fn mallinfo() -> MallInfo {
    let (arena, used) = figures();
    let cut = |bytes: usize| c_int::try_from(bytes).unwrap_or(c_int::MAX);
    MallInfo { fields: [cut(arena), 0, 0, 0, 0, 0, 0, cut(used), cut(arena.saturating_sub(used)), 0] }
}

/// `mallopt(3)`: says yes and changes nothing. What can be set there are parts that this heap does not have.
#[unsafe(no_mangle)]
pub extern "C" fn mallopt(_what: c_int, _value: c_int) -> c_int {
    1
}

/// `malloc_stats(3)`: to standard error.
#[unsafe(no_mangle)]
pub extern "C" fn malloc_stats() {
    print_stats();
}

/// `malloc_info(3)`: XML of the same form, with the totals alone.
///
/// # Safety
/// `stream` is an open file of the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc_info(options: c_int, stream: *mut c_void) -> c_int {
    let Some(stream) = NonNull::new(stream).filter(|_| options == 0) else {
        set_errno(EINVAL);
        return -1;
    };
    let (arena, used) = figures();
    let heap = process_stats(None);
    // SAFETY: the caller's promise.
    let mut stream = unsafe { Stream::new(stream) };
    let written = write!(
        stream,
        "<malloc version=\"1\">\n<total type=\"rest\" count=\"0\" size=\"{}\"/>\n<total type=\"inuse\" count=\"{}\" \
         size=\"{used}\"/>\n<system type=\"current\" size=\"{arena}\"/>\n</malloc>\n",
        arena.saturating_sub(used),
        heap.live(),
    );
    if written.is_ok() { 0 } else { -1 }
}

fn answer(block: Option<NonNull<u8>>) -> Block {
    block.map_or_else(null_mut, |block| block.as_ptr().cast())
}

/// glibc's own name of `malloc`.
#[unsafe(no_mangle)]
pub extern "C" fn __libc_malloc(size: usize) -> Block {
    answer(heap::allocate(size))
}

/// glibc's own name of `calloc`.
#[unsafe(no_mangle)]
pub extern "C" fn __libc_calloc(count: usize, size: usize) -> Block {
    match count.checked_mul(size) {
        Some(bytes) => answer(heap::allocate_zeroed(bytes)),
        None => out_of_memory(),
    }
}

/// glibc's own name of `realloc`.
///
/// # Safety
/// As [`realloc`](crate::family::realloc).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __libc_realloc(block: Block, size: usize) -> Block {
    // SAFETY: the caller's promise.
    unsafe { crate::family::resize(block, size) }
}

/// glibc's own name of `free`.
///
/// # Safety
/// As [`free`](crate::family::free).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __libc_free(block: Block) {
    if let Some(block) = NonNull::new(block.cast()) {
        // SAFETY: the caller's promise.
        unsafe { heap::free(block) };
    }
}

/// glibc's own name of `memalign`.
#[unsafe(no_mangle)]
pub extern "C" fn __libc_memalign(align: usize, size: usize) -> Block {
    match align.checked_next_power_of_two() {
        Some(align) => answer(heap::allocate_aligned(size, align)),
        None => out_of_memory(),
    }
}

/// glibc's own name of `valloc`.
#[unsafe(no_mangle)]
pub extern "C" fn __libc_valloc(size: usize) -> Block {
    answer(heap::allocate_aligned(size, page_size()))
}

/// glibc's own name of `pvalloc`.
#[unsafe(no_mangle)]
pub extern "C" fn __libc_pvalloc(size: usize) -> Block {
    match size.max(1).checked_next_multiple_of(page_size()) {
        Some(bytes) => answer(heap::allocate_aligned(bytes, page_size())),
        None => out_of_memory(),
    }
}

#[cold]
fn out_of_memory() -> Block {
    set_errno(ENOMEM);
    null_mut()
}
