//! The malloc family of C, as C11, C23, POSIX and glibc have it.
//!
//! No function here calls another one of them: a compiler that sees `malloc` followed by zeroing makes `calloc` of it, and
//! would turn one of them into a call of itself. All go to [`heap`](crate::heap) instead.

use core::ffi::{c_int, c_void};
use core::ptr::{NonNull, null_mut};

use crate::gate::plain;
use crate::heap;
use crate::system::{EINVAL, ENOMEM, page_size, set_errno};

type Block = *mut c_void;

/// A null pointer for a refusal, of which the heap has told `errno`: so what is answered is what the heap answers.
#[inline(always)]
fn answer(block: Option<NonNull<u8>>) -> Block {
    block.map_or(null_mut(), |block| block.as_ptr().cast())
}

#[cold]
fn out_of_memory() -> Block {
    set_errno(ENOMEM);
    null_mut()
}

#[cold]
fn invalid() -> Block {
    set_errno(EINVAL);
    null_mut()
}

/// `malloc(3)`. A size of 0 is served with a block of its own.
#[unsafe(no_mangle)]
pub extern "C" fn malloc(size: usize) -> Block {
    answer(heap::allocate(size))
}

/// `calloc(3)`.
#[unsafe(no_mangle)]
pub extern "C" fn calloc(count: usize, size: usize) -> Block {
    match count.checked_mul(size) {
        Some(bytes) => answer(heap::allocate_zeroed(bytes)),
        None => out_of_memory(),
    }
}

/// # Safety
/// As [`free`]; of this size and alignment, if they are said.
#[inline(always)]
pub(crate) unsafe fn release(block: Block, size: Option<usize>, align: usize) {
    match plain(block) {
        // SAFETY: the caller's promise.
        Some(block) => unsafe { heap::free(block) },
        // SAFETY: as above.
        None => unsafe { release_slow(block, size, align) },
    }
}

/// # Safety
/// As [`release`].
#[cold]
#[inline(never)]
unsafe fn release_slow(block: Block, size: Option<usize>, align: usize) {
    if let Some(block) = NonNull::new(block.cast()) {
        // SAFETY: the caller's promise.
        unsafe { heap::free_checked(block, size, align) };
    }
}

/// `free(3)`: leaves `errno` as it is.
///
/// # Safety
/// Null, or a block of this family that was not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(block: Block) {
    // SAFETY: the caller's promise.
    unsafe { release(block, None, 1) };
}

/// What glibc once had.
///
/// # Safety
/// As [`free`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cfree(block: Block) {
    // SAFETY: the caller's promise.
    unsafe { release(block, None, 1) };
}

/// `free_sized` of C23.
///
/// # Safety
/// As [`free`]; it was asked for with this size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free_sized(block: Block, size: usize) {
    // SAFETY: the caller's promise.
    unsafe { release(block, Some(size), 1) };
}

/// `free_aligned_sized` of C23.
///
/// # Safety
/// As [`free`]; it was asked for with this alignment and size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free_aligned_sized(block: Block, align: usize, size: usize) {
    // SAFETY: the caller's promise.
    unsafe { release(block, Some(size), align) };
}

/// `realloc(3)`. A size of 0 frees and answers null, as glibc does.
///
/// # Safety
/// As [`free`]; when another address is answered the block was freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realloc(block: Block, size: usize) -> Block {
    // SAFETY: the caller's promise.
    unsafe { resize(block, size) }
}

/// `reallocarray(3)`.
///
/// # Safety
/// As [`realloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn reallocarray(block: Block, count: usize, size: usize) -> Block {
    match count.checked_mul(size) {
        // SAFETY: the caller's promise.
        Some(bytes) => unsafe { resize(block, bytes) },
        None => out_of_memory(),
    }
}

/// # Safety
/// As [`realloc`].
#[inline(always)]
pub(crate) unsafe fn resize(block: Block, size: usize) -> Block {
    match plain(block) {
        // SAFETY: the caller's promise. A refusal leaves the block as it is.
        Some(block) if size > 0 => answer(unsafe { heap::resize(block, size) }),
        // SAFETY: as above.
        _ => unsafe { resize_slow(block, size) },
    }
}

/// # Safety
/// As [`realloc`].
#[cold]
#[inline(never)]
unsafe fn resize_slow(block: Block, size: usize) -> Block {
    match NonNull::new(block.cast()) {
        None => answer(heap::allocate(size)),
        Some(_) if size == 0 => {
            // SAFETY: the caller's promise.
            unsafe { release(block, None, 1) };
            null_mut()
        }
        Some(block) => {
            heap::check(block);
            // SAFETY: the caller's promise. A refusal leaves the block as it is.
            answer(unsafe { heap::resize(block, size) })
        }
    }
}

/// `aligned_alloc` of C11: any power of two, and any size.
#[unsafe(no_mangle)]
pub extern "C" fn aligned_alloc(align: usize, size: usize) -> Block {
    if !align.is_power_of_two() {
        return invalid();
    }
    answer(heap::allocate_aligned(size, align))
}

/// `memalign(3)`. glibc takes the next power of two of an alignment that is none, and so do we.
#[unsafe(no_mangle)]
pub extern "C" fn memalign(align: usize, size: usize) -> Block {
    match align.checked_next_power_of_two() {
        Some(align) => answer(heap::allocate_aligned(size, align)),
        None => invalid(),
    }
}

/// `posix_memalign(3)`: answers an error number instead of setting `errno`, and then writes nothing.
///
/// # Safety
/// `place` may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_memalign(place: *mut Block, align: usize, size: usize) -> c_int {
    if !align.is_power_of_two() || !align.is_multiple_of(size_of::<*mut c_void>()) {
        return EINVAL;
    }
    match heap::allocate_aligned(size, align) {
        Some(block) => {
            // SAFETY: the caller's promise.
            unsafe { place.write(block.as_ptr().cast()) };
            0
        }
        None => ENOMEM,
    }
}

/// `valloc(3)`: at the start of a page.
#[unsafe(no_mangle)]
pub extern "C" fn valloc(size: usize) -> Block {
    answer(heap::allocate_aligned(size, page_size()))
}

/// `pvalloc(3)`: whole pages.
#[unsafe(no_mangle)]
pub extern "C" fn pvalloc(size: usize) -> Block {
    match size.max(1).checked_next_multiple_of(page_size()) {
        Some(bytes) => answer(heap::allocate_aligned(bytes, page_size())),
        None => out_of_memory(),
    }
}

/// `malloc_usable_size(3)`: all of these bytes may be used.
///
/// # Safety
/// As [`free`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc_usable_size(block: *const c_void) -> usize {
    match plain(block) {
        // SAFETY: the caller's promise.
        Some(block) => unsafe { heap::usable_size(block) },
        None => NonNull::new(block.cast_mut().cast()).map_or(0, |block| {
            heap::check(block);
            // SAFETY: the caller's promise.
            unsafe { heap::usable_size(block) }
        }),
    }
}

/// `malloc_trim(3)`: gives back what is free. The pad is not ours to keep.
#[unsafe(no_mangle)]
pub extern "C" fn malloc_trim(_pad: usize) -> c_int {
    c_int::from(heap::trim() > 0)
}
