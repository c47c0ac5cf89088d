//! The fit heap: blocks by address in a buffer, or in memory that grows.
#![expect(unsafe_code, reason = "exports functions under C's names, which follow C's pointers")]

mod home;

use std::ffi::{c_char, c_void};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::Ordering;

use arenite::FreeError;

use super::fits::arenite_fit_stats;
use super::object::{self, Object, kind};
use super::offsets::arenite_fit;
use super::tags::arenite_tag;
use super::texts::{put, put_text, wanted};
use super::{ALIGN, layout};
use crate::error::arenite_error::{self, *};
use crate::error::{Refusal, answer, guard};
use home::{ENDED, Home, Quick, Whole, carefully, inside, only_apart, quick};

/// A heap for one part of a program, whose memory, limit and policy are its own: in a buffer of the program's, or in address space of its own
/// that is committed as it is needed. Of one thread, the one that made it; with `locked`, of any, and then it is destroyed when no other one
/// uses it. Unlike `arenite_heap`, it tells why there is no block, where its blocks lie, and how torn it is.
pub struct arenite_fit_heap {
    _object: Object<Home>,
}

kind!(arenite_fit_heap, Home, 0x4649_5448u32, shared: true);

/// How a fit heap is made. Zero is each member's default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_fit_heap_options {
    /// Whom its memory is charged to. (With a buffer: what is beside it.)
    pub tag: arenite_tag,
    /// How a free block is chosen.
    pub fit: arenite_fit,
    /// 0: eight bytes in front of each block say what it is, and a bit for every 16 bytes. 1: the books are apart from the memory, in tables that are
    /// charged to the tag, about 50 bytes a block: what is written beyond a block breaks no book, and blocks of a power of two waste nothing.
    pub apart: i32,
    /// 1: any thread may use it, one after the other.
    pub locked: i32,
    /// 1: counts what is asked of it, for `arenite_fit_heap_calls`.
    pub count_calls: i32,
    /// Bytes of address space without a buffer: the most that the heap can have, at most 16 GiB. Default: 1 GiB. Pages are committed as they are
    /// needed, and `arenite_fit_heap_trim` gives those at the end back.
    pub reserve: usize,
    /// Memory of the program's to hand out, at any address; null: the heap has its own. It must be good, and nobody else's, until the heap is
    /// destroyed; that does not free it. With `apart` the library neither reads nor writes it, but for `arenite_fit_heap_alloc_zeroed` and
    /// `arenite_fit_heap_realloc`.
    pub buffer: *mut c_void,
    /// How large the buffer is.
    pub buffer_size: usize,
    /// What `arenite_fit_heap_save` wrote of a heap: this one has the same blocks at the same offsets; null: it has none. Only with `apart`.
    /// What was in the blocks is the program's to load: see `arenite_fit_heap_memory`. A buffer must have as much memory as there was, from a
    /// multiple of 16 on.
    pub state: *const c_char,
}

/// A piece of a fit heap, used or free.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_fit_block {
    /// Where what its owner has begins.
    pub address: *mut c_void,
    /// Bytes that its owner has, or would have.
    pub size: usize,
    /// 1: it is handed out.
    pub used: i32,
}

/// A function that is called for each piece of a fit heap, by address. The heap is refused to it (`ARENITE_BUSY`). It must return, not jump out or
/// throw.
pub type arenite_fit_block_callback =
    Option<unsafe extern "C-unwind" fn(user: *mut c_void, block: *const arenite_fit_block)>;

/// What was asked of a fit heap that counts calls. Bytes are usable ones.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_fit_calls {
    /// Blocks that were handed out.
    pub allocs: u64,
    /// Blocks that came back.
    pub frees: u64,
    /// Blocks that got another size where they lie.
    pub resizes: u64,
    /// Requests for a block, or for more of one, that were refused.
    pub failures: u64,
    /// Pointers that were no used block.
    pub mistakes: u64,
    /// Blocks that are out.
    pub live_blocks: u64,
    /// Their bytes.
    pub live_bytes: u64,
    /// The most bytes that were out at once.
    pub peak_bytes: u64,
    /// How many requests for a block there were of each size, refused ones included: place n counts those of at least 2^n bytes and less than
    /// 2^(n+1); of no byte, in place 0.
    pub sizes: [u64; 64],
}

/// Makes a fit heap and writes it to `heap`. `options` may be null: all defaults. The caller owns it, until `arenite_fit_heap_destroy`.
/// Thread-safe.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (the fit; a state without `apart`, or one that makes no sense),
/// `ARENITE_BAD_TAG`, `ARENITE_EXHAUSTED` (the buffer is too small for a block: about 80 bytes; or for the state), `ARENITE_OVER_BUDGET`,
/// `ARENITE_SYSTEM`, `ARENITE_FULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_fit_heap_create(
    options: *const arenite_fit_heap_options,
    heap: *mut *mut arenite_fit_heap,
) -> arenite_error {
    // SAFETY: the caller's pointers, and what is said of the buffer.
    guard(|| unsafe {
        wanted(heap)?;
        let asked = options.as_ref().copied().unwrap_or(arenite_fit_heap_options::DEFAULT);
        object::make(asked.open()?, heap)
    })
}

/// Ends a fit heap with all blocks that are out, and gives its memory back; a buffer is the program's alone again. On its thread; with `locked`, on
/// any, when no other one uses it. Null is allowed.
///
/// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY` (called by a callback of this heap, or by a pressure callback).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_fit_heap_destroy(heap: *mut arenite_fit_heap) -> arenite_error {
    if heap.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object. Nobody is inside: then it would have been refused.
    guard(|| unsafe {
        carefully(heap, |_| Ok(()))?;
        // Hot functions look at nothing else.
        let word = &(*heap.cast::<Home>()).state;
        let state = word.swap(ENDED, Ordering::Relaxed);
        object::end(heap, drop).inspect_err(|_| word.store(state, Ordering::Relaxed))
    })
}

/// A block, by the long way.
///
/// # Safety
/// As of [`inside`].
unsafe fn block_of(
    heap: *mut arenite_fit_heap,
    work: impl FnOnce(&mut dyn Whole) -> Result<NonNull<u8>, Refusal>,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    answer(|| unsafe { inside(heap, work) }).map_or(null_mut(), |block| block.as_ptr().cast())
}

#[cold]
#[inline(never)]
unsafe extern "C" fn alloc_slow(heap: *mut arenite_fit_heap, size: usize) -> *mut c_void {
    // SAFETY: the caller's object.
    unsafe { block_of(heap, |this| Ok(this.try_alloc(layout(size, ALIGN)?)?)) }
}

#[cold]
#[inline(never)]
unsafe extern "C" fn free_slow(heap: *mut arenite_fit_heap, block: *mut c_void) -> arenite_error {
    // SAFETY: the caller's object and block; what is none is found.
    guard(|| unsafe {
        inside(heap, |this| match NonNull::new(block) {
            None => Ok(()),
            Some(block) => Ok(this.free(block.cast())?),
        })
    })
}

/// A block of `size` bytes at a multiple of 16, with arbitrary content, until it is given to `arenite_fit_heap_free` or the heap ends. A size of 0 gives a
/// block, too. Null if it can not be had: `arenite_last_error` says why. For the heap's own thread, which is not always checked here;
/// thread-safe with `locked`. O(1) with `ARENITE_FIT_TLSF`, else O(log n) in the number of free blocks, but for memory that is committed.
///
/// Errors: `ARENITE_OUT_OF_ROOM` (less is free, in all that it can have), `ARENITE_FRAGMENTED` (enough is free, but not in one piece),
/// `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`,
/// `ARENITE_BUSY` (by a pressure callback of this heap's own growing, or its own callback); and `ARENITE_EXHAUSTED`, `ARENITE_FULL` if
/// books that are apart can not grow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_fit_heap_alloc(heap: *mut arenite_fit_heap, size: usize) -> *mut c_void {
    // SAFETY: the caller's object, on its thread.
    unsafe {
        if let Some(this) = quick(heap)
            && let Some(block) = this.alloc_fast(size)
        {
            return block.as_ptr().cast();
        }
        alloc_slow(heap, size)
    }
}

/// As `arenite_fit_heap_alloc`, at a multiple of `align`: a power of two, at most 1 MiB; 0 is 16.
///
/// Errors: as `arenite_fit_heap_alloc`; `ARENITE_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_fit_heap_alloc_aligned(
    heap: *mut arenite_fit_heap,
    size: usize,
    align: usize,
) -> *mut c_void {
    // SAFETY: the caller's object.
    unsafe { block_of(heap, |this| Ok(this.try_alloc(layout(size, align)?)?)) }
}

/// As `arenite_fit_heap_alloc`, for `count` values of `size` bytes, all bytes zero.
///
/// Errors: as `arenite_fit_heap_alloc`; `ARENITE_TOO_LARGE` also if the product does not fit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_fit_heap_alloc_zeroed(
    heap: *mut arenite_fit_heap,
    count: usize,
    size: usize,
) -> *mut c_void {
    // SAFETY: the caller's object.
    unsafe {
        block_of(heap, |this| {
            let size = count.checked_mul(size).ok_or(ARENITE_TOO_LARGE)?;
            Ok(this.try_alloc_zeroed(layout(size, ALIGN)?)?)
        })
    }
}

/// Makes a block `size` bytes long at a multiple of `align` (0 is 16), where it lies if there is room, or else somewhere else with what both sizes
/// have in common. Null for `block`: as `arenite_fit_heap_alloc_aligned`. The block until now is gone, unless the answer is null: then it is
/// as it was. Threads as of `arenite_fit_heap_alloc`.
///
/// Errors: as `arenite_fit_heap_alloc_aligned`, and as `arenite_fit_heap_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_fit_heap_realloc(
    heap: *mut arenite_fit_heap,
    block: *mut c_void,
    size: usize,
    align: usize,
) -> *mut c_void {
    // SAFETY: the caller's object and block; what is none is found.
    unsafe {
        block_of(heap, |this| {
            let layout = layout(size, align)?;
            Ok(match NonNull::new(block) {
                None => this.try_alloc(layout)?,
                Some(block) => this.try_realloc(block.cast(), layout)?,
            })
        })
    }
}

/// Makes a block `size` bytes long where it lies, larger or smaller. Refused, it is as it was. Threads as of `arenite_fit_heap_alloc`.
///
/// Errors: `ARENITE_FRAGMENTED` (what is behind it is neither free nor the end of memory that can grow), `ARENITE_OUT_OF_ROOM`, and as
/// `arenite_fit_heap_alloc` and `arenite_fit_heap_free`; a null block is `ARENITE_FOREIGN`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_fit_heap_resize(
    heap: *mut arenite_fit_heap,
    block: *mut c_void,
    size: usize,
) -> arenite_error {
    // SAFETY: the caller's object and block; what is none is found.
    guard(|| unsafe {
        inside(heap, |this| {
            this.try_resize(some(block)?, layout(size, 1)?)?;
            Ok(())
        })
    })
}

/// By itself, so that the compiler knows by the reference that nothing else leads to the books: two instructions less.
fn give(heap: &mut Quick, block: *mut c_void) -> bool {
    heap.free_fast(block.cast())
}

/// Gives a block back; null is allowed. Anything but a block of this heap that is out is told, and nothing happens; nothing is read there. For the
/// heap's own thread, which is not always checked here; thread-safe with `locked`. O(1) with `ARENITE_FIT_TLSF`, else O(log n).
///
/// Errors: `ARENITE_FOREIGN` (not of this heap), `ARENITE_MISALIGNED` (inside a block), `ARENITE_DOUBLE_FREE` (free already, or never handed
/// out), `ARENITE_NULL_ARGUMENT` (no heap), `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY` (as of
/// `arenite_fit_heap_alloc`: the block is still out).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_fit_heap_free(
    heap: *mut arenite_fit_heap,
    block: *mut c_void,
) -> arenite_error {
    // SAFETY: the caller's object, on its thread, and his block; what is none is found.
    unsafe {
        if let Some(this) = quick(heap)
            && give(this, block)
        {
            return ARENITE_OK;
        }
        free_slow(heap, block)
    }
}

fn some(block: *const c_void) -> Result<NonNull<u8>, Refusal> {
    NonNull::new(block.cast_mut().cast()).ok_or_else(|| FreeError::Foreign.into())
}

/// How many bytes of a block may be used: at least what was asked for. 0 if it is no block of this heap that is out. Threads as of
/// `arenite_fit_heap_alloc`. O(1).
///
/// Errors: as `arenite_fit_heap_free`; a null block is `ARENITE_FOREIGN`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_fit_heap_usable_size(
    heap: *const arenite_fit_heap,
    block: *const c_void,
) -> usize {
    // SAFETY: the caller's object.
    answer(|| unsafe { carefully(heap, |this| Ok(this.usable_size(some(block)?)?)) }).unwrap_or(0)
}

/// 1 if an address lies in the heap's memory, in a block or not; else, and if this is no heap, 0. Any address is allowed: nothing is read there.
/// Threads as of `arenite_fit_heap_alloc`. O(1).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_fit_heap_owns(heap: *const arenite_fit_heap, address: *const c_void) -> i32 {
    // SAFETY: the caller's object.
    answer(|| unsafe { carefully(heap, |this| Ok(this.owns(address.cast()))) })
        .is_some_and(|owns| owns)
        .into()
}

/// Writes how far a block is from the start of the heap's memory to `offset`: what can be kept where an address can not. Threads as of
/// `arenite_fit_heap_alloc`. O(1).
///
/// Errors: as `arenite_fit_heap_free`; a null block is `ARENITE_FOREIGN`, a null `offset` is `ARENITE_NULL_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_fit_heap_offset_of(
    heap: *const arenite_fit_heap,
    block: *const c_void,
    offset: *mut usize,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe { put(offset, carefully(heap, |this| Ok(this.offset_of(some(block)?)?))?) })
}

/// The block that is so far from the start of the heap's memory; null if none that is out begins there. Threads as of `arenite_fit_heap_alloc`. O(1).
///
/// Errors: as `arenite_fit_heap_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_fit_heap_block_at(
    heap: *mut arenite_fit_heap,
    offset: usize,
) -> *mut c_void {
    // SAFETY: the caller's object.
    unsafe { block_of(heap, |this| Ok(this.block_at(offset)?)) }
}

/// Writes where the heap's memory starts (offset 0, at a multiple of 16) to `start` and how much there is to `size`; each may be null. That is what to
/// save beside `arenite_fit_heap_save`, and where to load it: a heap that was made with a `state` has at least as much as the saved one. If
/// blocks are aligned to more than 16, the start must lie as it did, as far as that alignment tells. Threads as of `arenite_fit_heap_alloc`.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_fit_heap_memory(
    heap: *const arenite_fit_heap,
    start: *mut *mut c_void,
    size: *mut usize,
) -> arenite_error {
    // SAFETY: the caller's object and pointers.
    guard(|| unsafe {
        let (base, bytes) = carefully(heap, |this| Ok(this.memory()))?;
        if !start.is_null() {
            start.write(base.as_ptr().cast());
        }
        if !size.is_null() {
            // It is there, so an address space has room for it.
            size.write(bytes as usize);
        }
        Ok(())
    })
}

/// Writes the books of a heap, a text of JSON, to `buffer`, with a 0 behind it, cut if it has no room; answers its whole length, without the 0,
/// as `snprintf` does: for `arenite_fit_heap_options::state`, here or in another process. A null `buffer` is allowed. 0 if this is refused.
/// Threads as of `arenite_fit_heap_alloc`. O(pieces).
///
/// Errors: `ARENITE_INVALID_ARGUMENT` (the heap was made without `apart`: heads in place are a part of the memory, and would have to be
/// believed), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_fit_heap_save(
    heap: *const arenite_fit_heap,
    buffer: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the caller's object and buffer.
    answer(|| unsafe {
        let state = carefully(heap, |this| this.state().ok_or_else(only_apart))?;
        let text = serde_json::to_string(&state).map_err(|error| Refusal::new(ARENITE_INTERNAL, error))?;
        Ok(put_text(&text, buffer, size))
    })
    .unwrap_or(0)
}

/// Gives the free end of the heap's memory back to the system, but for `keep` bytes of it; answers how many bytes went. With a buffer, 0.
/// Threads as of `arenite_fit_heap_alloc`.
///
/// Errors: `ARENITE_SYSTEM`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_fit_heap_trim(heap: *mut arenite_fit_heap, keep: usize) -> usize {
    // SAFETY: the caller's object.
    answer(|| unsafe { carefully(heap, |this| Ok(this.try_trim(keep)?)) }).unwrap_or(0)
}

/// Writes the figures of a heap to `stats`, and tells its tag's account how much is in use. Sizes are what blocks take, heads included; without a
/// buffer the heap may grow beyond `capacity`. `largest_free` is the largest block that there is without growing, its head included. Threads as of
/// `arenite_fit_heap_alloc`. O(1) but for the largest free piece, which `ARENITE_FIT_TLSF` finds among the blocks of one class.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_fit_heap_figures(
    heap: *mut arenite_fit_heap,
    stats: *mut arenite_fit_stats,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe { put(stats, carefully(heap, |this| Ok(arenite_fit_stats::of(&this.stats())))?) })
}

/// Writes what was asked of a heap to `calls`. Threads as of `arenite_fit_heap_alloc`. O(1).
///
/// Errors: `ARENITE_INVALID_ARGUMENT` (it was made without `count_calls`), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
/// `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_fit_heap_calls(
    heap: *const arenite_fit_heap,
    calls: *mut arenite_fit_calls,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        let seen = carefully(heap, |this| {
            this.calls().copied().ok_or_else(|| {
                Refusal::new(ARENITE_INVALID_ARGUMENT, "the heap does not count: make it with `count_calls`")
            })
        })?;
        put(
            calls,
            arenite_fit_calls {
                allocs: seen.allocs,
                frees: seen.frees,
                resizes: seen.resizes,
                failures: seen.failures,
                mistakes: seen.mistakes,
                live_blocks: seen.live_blocks,
                live_bytes: seen.live_bytes,
                peak_bytes: seen.peak_bytes,
                sizes: seen.sizes,
            },
        )
    })
}

/// Calls `callback` with `user` for all pieces, used and free, by address. With `locked`, other threads wait meanwhile. Threads as of
/// `arenite_fit_heap_alloc`. O(pieces).
///
/// Errors: `ARENITE_NULL_ARGUMENT` (also: no callback), `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_fit_heap_walk(
    heap: *const arenite_fit_heap,
    callback: arenite_fit_block_callback,
    user: *mut c_void,
) -> arenite_error {
    // SAFETY: the caller's object and function.
    guard(|| unsafe {
        let callback = callback.ok_or(ARENITE_NULL_ARGUMENT)?;
        carefully(heap, |this| {
            this.walk(&mut |piece| {
                let told = arenite_fit_block {
                    address: piece.start.as_ptr().cast(),
                    size: piece.size,
                    used: piece.used.into(),
                };
                callback(user, &raw const told);
            });
            Ok(())
        })
    })
}
