//! Heaps of their own: for a level, a plug-in, a script engine.
#![expect(unsafe_code, reason = "exports functions under C's names, which follow C's pointers")]

use std::ffi::{c_char, c_void};
use std::mem::ManuallyDrop;
use std::ptr::null_mut;

use arenite::{Heap, HeapOptions};

use super::general::arenite_heap_stats;
use super::object::{self, Object, kind};
use super::tags::{arenite_tag, tag_of};
use super::texts::{put, put_text};
use super::{ALIGN, layout};
use crate::error::arenite_error::{self, *};
use crate::error::{Refusal, answer, guard};

/// A general heap for one part of a program, which ends whole. Any thread may use it; it is destroyed when no other one does.
pub struct arenite_heap {
    _object: Object<Owned>,
}

kind!(arenite_heap, Owned, 0x4845_4150u32, shared: true);

/// The heap, which ends with all that lives in it: dropped by itself it would stay rather than free that.
pub(crate) struct Owned(ManuallyDrop<Heap>);

impl Owned {
    fn into_heap(self) -> Heap {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: taken once, and not dropped.
        unsafe { ManuallyDrop::take(&mut this.0) }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: taken once. Who drops it has not told anybody of it, or nobody uses it or its blocks any more.
        unsafe { ManuallyDrop::take(&mut self.0).force_discard() };
    }
}

const fn any_thread<T: Send + Sync>() {}
const _: () = any_thread::<Owned>();

/// How a heap is made. Zero is each member's default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_heap_options {
    /// Whom it is charged to.
    pub tag: arenite_tag,
    /// 1: keeps of each block its size and when it was made, so that survivors can be named. 64 bytes more for each block, and one lock
    /// for all threads.
    pub track_blocks: i32,
    /// 1: asks the system for huge pages.
    pub huge_pages: i32,
    /// How many milliseconds free memory waits for its next use before it goes back to the system; 0 is 200, -1 goes at once.
    pub purge_delay: i32,
    /// Address space at the most, in steps of 4 MiB, tables included; 0: as much as there is.
    pub limit: usize,
}

/// A block that lives in a heap that was to go; good until the function that is told of it returns.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_survivor {
    /// Where it is.
    pub address: *const c_void,
    /// Bytes that were asked for.
    pub size: usize,
    /// How long ago it was made, in nanoseconds.
    pub age_ns: u64,
    /// How many frames of managers began since.
    pub frames: u32,
}

/// A function that is told of a block that lives. It must return, not jump out or throw.
pub type arenite_survivor_callback =
    Option<unsafe extern "C-unwind" fn(user: *mut c_void, survivor: *const arenite_survivor)>;

/// Makes a heap and writes it to `heap`: 4 MiB of address space, of which a few pages are used at once. `options` may be null: all defaults.
/// The caller owns it, until `arenite_heap_discard` or `arenite_heap_destroy`. Thread-safe.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_BAD_TAG`, `ARENITE_OVER_BUDGET`, `ARENITE_EXHAUSTED` (a limit below 4 MiB), `ARENITE_SYSTEM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_heap_create(
    options: *const arenite_heap_options,
    heap: *mut *mut arenite_heap,
) -> arenite_error {
    // SAFETY: the caller's pointers.
    guard(|| unsafe {
        let asked = options.as_ref().copied();
        let mut made = HeapOptions::new(tag_of(asked.map_or(0, |options| options.tag))?);
        if let Some(asked) = asked {
            if asked.limit != 0 {
                made = made.fixed(asked.limit);
            }
            if asked.purge_delay != 0 {
                made = made.purge_delay(u32::try_from(asked.purge_delay).unwrap_or(0));
            }
            if asked.track_blocks != 0 {
                made = made.track_blocks();
            }
            made = made.huge_pages(asked.huge_pages != 0);
        }
        object::make(Owned(ManuallyDrop::new(Heap::try_with(made)?)), heap)
    })
}

/// Ends a heap and gives all of its memory back, if none of its blocks lives; then nothing of it may be used any more, by any thread. Otherwise
/// it stays as it was, and `callback` is called for the sixteen largest survivors (of heaps with `track_blocks`), unless it is null; it may
/// use the heap, but not end it. Null is allowed for `heap`.
///
/// Errors: `ARENITE_STILL_LIVE`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_heap_discard(
    heap: *mut arenite_heap,
    callback: arenite_survivor_callback,
    user: *mut c_void,
) -> arenite_error {
    if heap.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object and function. While that runs the heap is held, and can not be ended.
    guard(|| unsafe {
        let lives = object::held(heap, |this| {
            if this.0.stats().live() == 0 {
                return Ok(None);
            }
            let report = this.0.report();
            if let Some(callback) = callback {
                for block in report.survivors() {
                    let survivor = arenite_survivor {
                        address: std::ptr::with_exposed_provenance(block.address),
                        size: block.size,
                        age_ns: u64::try_from(block.age.as_nanos()).unwrap_or(u64::MAX),
                        frames: block.frames,
                    };
                    callback(user, &raw const survivor);
                }
            }
            let (blocks, bytes) = (report.blocks(), report.bytes());
            let still = format_args!("{blocks} blocks of {bytes} bytes live under tag `{}`", report.tag());
            Ok(Some(Refusal::new(ARENITE_STILL_LIVE, still)))
        })?;
        match lives {
            Some(refusal) => Err(refusal),
            None => object::end(heap, |ended| {
                let discarded = ended.into_heap().try_discard();
                discarded.map_err(|refused| Refusal::new(ARENITE_STILL_LIVE, refused))
            })?,
        }
    })
}

/// Ends a heap and gives all of its memory back, with all blocks that live in it: nothing of it may be used any more. Null is allowed.
///
/// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_heap_destroy(heap: *mut arenite_heap) -> arenite_error {
    if heap.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object, of which, and of whose blocks, nobody uses anything any more.
    guard(|| unsafe { object::end(heap, drop) })
}

#[cold]
#[inline(never)]
unsafe extern "C" fn alloc_slow(heap: *mut arenite_heap, size: usize) -> *mut c_void {
    // SAFETY: the caller's object.
    answer(|| unsafe {
        let heap = object::hot(heap).ok_or_else(|| object::refuse_object(heap))?;
        Ok(heap.0.try_alloc_noted(layout(size, ALIGN)?)?.as_ptr().cast())
    })
    .unwrap_or(null_mut())
}

#[cold]
#[inline(never)]
unsafe extern "C" fn free_slow(heap: *mut arenite_heap, block: *mut c_void) -> arenite_error {
    // SAFETY: the caller's object and block; what is none is found.
    guard(|| unsafe {
        let heap = object::hot(heap).ok_or_else(|| object::refuse_object(heap))?;
        Ok(heap.0.try_free(block.cast())?)
    })
}

/// A block of `size` bytes at a multiple of 16, with arbitrary content, until it is given to `arenite_heap_free` or the heap ends. A size of 0 gives
/// a block, too. Null if it can not be had: `arenite_last_error` says why. Thread-safe. O(1).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_OVER_BUDGET`, `ARENITE_EXHAUSTED`, `ARENITE_SYSTEM`,
/// `ARENITE_TOO_LARGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_heap_alloc(heap: *mut arenite_heap, size: usize) -> *mut c_void {
    // SAFETY: the caller's object.
    unsafe {
        if let Some(this) = object::hot(heap)
            && let Some(block) = this.0.alloc_fast(size)
        {
            return block.as_ptr().cast();
        }
        alloc_slow(heap, size)
    }
}

/// As `arenite_heap_alloc`, at a multiple of `align`: a power of two, at most 1 MiB; 0 is 16.
///
/// Errors: as `arenite_heap_alloc`; `ARENITE_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_heap_alloc_aligned(
    heap: *mut arenite_heap,
    size: usize,
    align: usize,
) -> *mut c_void {
    // SAFETY: the caller's object.
    answer(|| unsafe { Ok(object::shared(heap)?.0.try_alloc_noted(layout(size, align)?)?.as_ptr().cast()) })
        .unwrap_or(null_mut())
}

/// As `arenite_heap_alloc`, for `count` values of `size` bytes, all bytes zero.
///
/// Errors: as `arenite_heap_alloc`; `ARENITE_TOO_LARGE` also if the product does not fit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_heap_alloc_zeroed(
    heap: *mut arenite_heap,
    count: usize,
    size: usize,
) -> *mut c_void {
    // SAFETY: the caller's object.
    answer(|| unsafe {
        let size = count.checked_mul(size).ok_or(ARENITE_TOO_LARGE)?;
        Ok(object::shared(heap)?.0.try_alloc_zeroed_noted(layout(size, ALIGN)?)?.as_ptr().cast())
    })
    .unwrap_or(null_mut())
}

/// Makes a block `size` bytes long at a multiple of `align` (0 is 16), which may be another one than it has; moves it if it must, with what
/// both sizes have in common. Null for `block`: as `arenite_heap_alloc_aligned`. The block until now is gone, unless the answer is
/// null: then it is as it was. Thread-safe.
///
/// Errors: as `arenite_heap_alloc_aligned`, and as `arenite_heap_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_heap_realloc(
    heap: *mut arenite_heap,
    block: *mut c_void,
    size: usize,
    align: usize,
) -> *mut c_void {
    if block.is_null() {
        // SAFETY: the caller's object.
        return unsafe { arenite_heap_alloc_aligned(heap, size, align) };
    }
    // SAFETY: the caller's object and block; what is none is found.
    answer(|| unsafe {
        Ok(object::shared(heap)?.0.try_resize(block.cast(), layout(size, align)?)??.as_ptr().cast())
    })
    .unwrap_or(null_mut())
}

/// Gives a block back, on whatever thread; null is allowed. Anything but a block of this heap that is with the program is told, and nothing
/// happens, as of `arenite_free`. Thread-safe. O(1).
///
/// Errors: `ARENITE_FOREIGN` (of another allocator or another heap), `ARENITE_MISALIGNED` (inside a block), `ARENITE_NOT_ALLOCATED`,
/// `ARENITE_DOUBLE_FREE`, `ARENITE_NULL_ARGUMENT` (no heap), `ARENITE_INVALID_OBJECT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_heap_free(heap: *mut arenite_heap, block: *mut c_void) -> arenite_error {
    // SAFETY: the caller's object and block; what is none is found.
    unsafe {
        if let Some(this) = object::hot(heap)
            && this.0.free_fast(block.cast())
        {
            return ARENITE_OK;
        }
        free_slow(heap, block)
    }
}

/// How many bytes of a block of this heap may be used. 0 if it is none that lives. Thread-safe. O(1).
///
/// Errors: as `arenite_heap_free`; a null block is `ARENITE_FOREIGN`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_heap_usable_size(heap: *const arenite_heap, block: *const c_void) -> usize {
    // SAFETY: the caller's object.
    answer(|| unsafe { Ok(object::shared(heap)?.0.try_usable_size(block.cast())?) }).unwrap_or(0)
}

/// 1 if an address lies in the heap's memory, in a block or not; else, and if this is no heap, 0. Any address is allowed: nothing is read
/// there. Thread-safe. O(segments of 4 MiB).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_heap_owns(heap: *const arenite_heap, address: *const c_void) -> i32 {
    // SAFETY: the caller's object.
    answer(|| unsafe { Ok(object::shared(heap)?.0.owns(address.cast())) }).is_some_and(|owns| owns).into()
}

/// Writes the figures of a heap to `stats`. Thread-safe. O(pages of the heap).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_heap_figures(
    heap: *const arenite_heap,
    stats: *mut arenite_heap_stats,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe { put(stats, arenite_heap_stats::of(&object::shared(heap)?.0.stats())) })
}

/// Writes a table of what lives in a heap to `buffer`, with a 0 behind it, cut if it has no room; answers its whole length, without the 0,
/// as `snprintf` does. Its last line has no newline. A null `buffer` is allowed. 0 if this is no heap. What it calls the place where a block
/// was made is known of Rust code only: for blocks of these functions it is a line of this library. Thread-safe. O(pages; with
/// `track_blocks`, blocks).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_heap_report(
    heap: *const arenite_heap,
    buffer: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the caller's object and buffer.
    answer(|| unsafe { Ok(put_text(&object::shared(heap)?.0.report().to_string(), buffer, size)) })
        .unwrap_or(0)
}

/// Gives what no block of a heap needs back to the system; answers how many bytes. Thread-safe.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_heap_trim(heap: *mut arenite_heap) -> usize {
    // SAFETY: the caller's object.
    answer(|| unsafe { Ok(object::shared(heap)?.0.trim()) }).unwrap_or(0)
}
