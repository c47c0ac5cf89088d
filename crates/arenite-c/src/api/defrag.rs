//! The heap whose blocks move, so that what is free stays in one piece.
#![expect(unsafe_code, reason = "exports functions under C's names, which follow C's pointers")]

use std::ffi::c_void;
use std::ptr::null_mut;

use arenite::{DefragBudget, DefragHandle, DefragHeap, DefragHeapOptions, DefragPin};

use super::fits::{
    Key, arenite_fit_stats, arenite_move_policy, arenite_move_report, arenite_piece, arenite_piece_callback,
    blocks, policy_of, stale,
};
use super::layout;
use super::object::{self, Object, kind};
use super::tags::{arenite_tag, tag_of};
use super::texts::{put, wanted};
use crate::error::arenite_error::{self, *};
use crate::error::{Refusal, answer, guard};

/// A heap that moves its blocks to where there is room: handles survive that, and what is free stays in one piece. For blocks of very
/// different sizes that come and go as a game streams. Of one thread: the one that made it.
pub struct arenite_defrag {
    _object: Object<DefragHeap>,
}

kind!(arenite_defrag, DefragHeap, 0x4445_4652u32, shared: false);

/// Keeps a block of an `arenite_defrag` where it is, as long as it is not let go. Any thread may let go of it; it may outlive the heap.
pub struct arenite_block_pin {
    _object: Object<Pin>,
}

kind!(arenite_block_pin, Pin, 0x424C_504Eu32, shared: true);

pub(crate) struct Pin(#[expect(dead_code, reason = "held, not looked at")] DefragPin<[u8]>);

const fn any_thread<T: Send + Sync>() {}
const _: () = any_thread::<Pin>();

/// How a heap that defragments itself is made. Zero is each member's default. Sizes are bytes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_defrag_options {
    /// Whom blocks and book-keeping are charged to.
    pub tag: arenite_tag,
    /// How blocks are moved.
    pub policy: arenite_move_policy,
    /// 1: asks the system for huge pages.
    pub huge_pages: i32,
    /// The most that all blocks together can take. Default: 8 GiB of address space (256 MiB on 32-bit machines).
    pub reserve: usize,
    /// How large a segment grows before the next one is begun; for `ARENITE_MOVES_EVACUATE_LAST`. Default: there is one segment.
    pub segment: usize,
    /// How much that is free at the end stays committed for what is allocated next. Default: 1 MiB.
    pub keep: usize,
    /// For how many blocks there is address space; at most 2^30. Default: 2^20.
    pub blocks: usize,
}

/// The name of a block, wherever it lies: good until it is freed, and never again. A value to copy; all zero is none, ever.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_defrag_handle {
    /// Which heap of all that the process ever had.
    pub heap: u64,
    /// Its name there.
    pub name: u64,
}

fn named(handle: arenite_defrag_handle) -> Result<DefragHandle, Refusal> {
    // SAFETY: in the heaps of this file there are blocks of bytes only, and it is used with no other.
    unsafe { DefragHandle::from_bits([handle.heap, handle.name]) }.ok_or_else(|| stale("block"))
}

/// Where a block lies and how large it is.
fn found(heap: &DefragHeap, handle: arenite_defrag_handle) -> Result<(*mut c_void, usize), Refusal> {
    let bytes = heap.try_address(named(handle)?)?;
    Ok((bytes.as_ptr().cast(), bytes.len()))
}

fn budget(bytes: u64, microseconds: u64) -> DefragBudget {
    DefragBudget::bytes(bytes).and_micros(microseconds)
}

/// Makes a heap that defragments itself and writes it to `heap`. `options` may be null: all defaults. Only address space is taken; memory
/// comes as blocks do. The caller owns it, until `arenite_defrag_destroy`.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (the policy, the blocks), `ARENITE_BAD_TAG`, `ARENITE_OVER_BUDGET`,
/// `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_defrag_create(
    options: *const arenite_defrag_options,
    heap: *mut *mut arenite_defrag,
) -> arenite_error {
    // SAFETY: the caller's pointers.
    guard(|| unsafe {
        wanted(heap)?;
        let asked = options.as_ref().copied();
        let mut made = DefragHeapOptions::new(tag_of(asked.map_or(0, |options| options.tag))?);
        if let Some(asked) = asked {
            made = made.policy(policy_of(asked.policy)?).blocks(blocks(asked.blocks, 1 << 20)?);
            made = made.huge_pages(asked.huge_pages != 0);
            if asked.reserve != 0 {
                made = made.reserve(asked.reserve);
            }
            if asked.segment != 0 {
                made = made.segment(asked.segment);
            }
            if asked.keep != 0 {
                made = made.keep(asked.keep);
            }
        }
        object::make(DefragHeap::try_with(made)?, heap)
    })
}

/// Gives a heap and all of its blocks back. While something of it is pinned, its memory stays, and what is pinned is good: it goes with the
/// last pin. Null is allowed.
///
/// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_defrag_destroy(heap: *mut arenite_defrag) -> arenite_error {
    if heap.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object.
    guard(|| unsafe { object::end(heap, drop) })
}

/// # Safety
/// The caller's object and pointer.
unsafe fn alloc(
    heap: *mut arenite_defrag,
    size: usize,
    align: usize,
    handle: *mut arenite_defrag_handle,
    or_move: Option<DefragBudget>,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    answer(|| unsafe {
        wanted(handle)?;
        let layout = layout(size, align)?;
        object::exclusive(heap, |this| {
            let made = match or_move {
                None => this.try_alloc(layout)?,
                Some(budget) => this.try_alloc_or_defragment(layout, budget)?,
            };
            let [heap, name] = made.to_bits();
            put(handle, arenite_defrag_handle { heap, name })?;
            Ok(this.try_address(made)?.as_ptr().cast())
        })
    })
    .unwrap_or(null_mut())
}

/// A block of `size` bytes (0 is allowed) at a multiple of `align`, all bytes zero, wherever it moves; its name is written to `handle`. It lives
/// until `arenite_defrag_free`. The answer is where it lies, as of `arenite_defrag_get`. Null if it can not be had: `arenite_last_error` says
/// why. Moves nothing. O(`size`).
///
/// Errors: `ARENITE_OUT_OF_ROOM`, `ARENITE_FRAGMENTED` (no more memory can be had, but moves would make room), `ARENITE_OVER_BUDGET`,
/// `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`, `ARENITE_EXHAUSTED`, `ARENITE_FULL` (the blocks of the options), `ARENITE_INVALID_ARGUMENT` (the
/// alignment), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_defrag_alloc(
    heap: *mut arenite_defrag,
    size: usize,
    align: usize,
    handle: *mut arenite_defrag_handle,
) -> *mut c_void {
    // SAFETY: the caller's object and pointer.
    unsafe { alloc(heap, size, align, handle, None) }
}

/// As `arenite_defrag_alloc`; if enough is free, but not in one piece, and no more memory can be had, moves blocks once within a budget,
/// as `arenite_defrag_run`, and tries again.
///
/// Errors: as `arenite_defrag_alloc`. (`ARENITE_FRAGMENTED`: a larger budget might have helped.)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_defrag_alloc_or_run(
    heap: *mut arenite_defrag,
    size: usize,
    align: usize,
    bytes: u64,
    microseconds: u64,
    handle: *mut arenite_defrag_handle,
) -> *mut c_void {
    // SAFETY: the caller's object and pointer.
    unsafe { alloc(heap, size, align, handle, Some(budget(bytes, microseconds))) }
}

/// Where a block lies: good until the next call that moves blocks (`arenite_defrag_run`, `arenite_defrag_run_fully`,
/// `arenite_defrag_alloc_or_run`), that resizes or frees this one, or that ends the heap; longer if it is pinned. Its size is written to
/// `size`, unless that is null. Null if there is none. O(1).
///
/// Errors: `ARENITE_STALE` (freed), `ARENITE_FOREIGN` (of another heap), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
/// `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_defrag_get(
    heap: *const arenite_defrag,
    handle: arenite_defrag_handle,
    size: *mut usize,
) -> *mut c_void {
    // SAFETY: the caller's object and pointer.
    answer(|| unsafe {
        let (address, length) = found(object::shared(heap)?, handle)?;
        if !size.is_null() {
            size.write(length);
        }
        Ok(address)
    })
    .unwrap_or(null_mut())
}

/// Keeps a block where it is, until the pin, and all others of it, are let go (`arenite_defrag_unpin`). Where that is is written to `address`,
/// unless that is null: it may be read and written on any thread, as the program sees to, also when the heap has ended. A pinned block is not
/// freed or resized. Null if it is refused: `arenite_last_error` says why. O(1).
///
/// Errors: as `arenite_defrag_get`, and `ARENITE_SYSTEM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_defrag_pin(
    heap: *const arenite_defrag,
    handle: arenite_defrag_handle,
    address: *mut *mut c_void,
) -> *mut arenite_block_pin {
    // SAFETY: the caller's object and pointer.
    answer(|| unsafe {
        let pin = object::shared(heap)?.pin(named(handle)?)?;
        let place = pin.as_ptr().cast::<c_void>().cast_mut();
        let mut made = null_mut();
        object::make(Pin(pin), &raw mut made)?;
        if !address.is_null() {
            address.write(place);
        }
        Ok(made)
    })
    .unwrap_or(null_mut())
}

/// Lets go of a pin. Null is allowed. Thread-safe. O(1), but for the last pin of a heap that has ended.
///
/// Errors: `ARENITE_INVALID_OBJECT`: no pin, or one that was let go.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_defrag_unpin(pin: *mut arenite_block_pin) -> arenite_error {
    if pin.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object.
    guard(|| unsafe { object::end_anytime(pin, drop) })
}

/// Gives a block back. O(1).
///
/// Errors: `ARENITE_STALE` (freed already), `ARENITE_FOREIGN` (of another heap), `ARENITE_BUSY` (it is pinned: let go of the pins first),
/// `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_defrag_free(
    heap: *mut arenite_defrag,
    handle: arenite_defrag_handle,
) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe { object::exclusive(heap, |this| Ok(this.free(named(handle)?)?)) })
}

/// Makes a block `size` bytes long, where it lies if it can be, or else at another place; its handle stays, and so does its alignment. New
/// bytes are zero. Refused, it is as it was. O(`size`).
///
/// Errors: as `arenite_defrag_alloc`, and as `arenite_defrag_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_defrag_resize(
    heap: *mut arenite_defrag,
    handle: arenite_defrag_handle,
    size: usize,
) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe { object::exclusive(heap, |this| Ok(this.try_resize(named(handle)?, size, 0u8)?)) })
}

/// Moves blocks so that what is free comes together, at most `bytes` bytes and for at most so many microseconds (`UINT64_MAX`: no such bound);
/// goes on where the last call ended. Once a frame, say. A block that does not fit what is left of the budget is not begun; how long a copy takes
/// is foreseen from the slowest of late. Memory that is free at the end goes back to the system. What was done is written to `report`, unless
/// that is null. O(what the budget allows), and O(1) when there is nothing to do.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY` (called in a pressure callback, or
/// by `arenite_defrag_map`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_defrag_run(
    heap: *mut arenite_defrag,
    bytes: u64,
    microseconds: u64,
    report: *mut arenite_move_report,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        object::exclusive(heap, |this| {
            let seen = this.defragment(budget(bytes, microseconds));
            this.publish();
            if report.is_null() { Ok(()) } else { put(report, arenite_move_report::of(&seen)) }
        })
    })
}

/// Moves all there is to move, whatever that takes, and gives back what can go: for loading screens and tests. What was done is written to
/// `report`, unless that is null.
///
/// Errors: as `arenite_defrag_run`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_defrag_run_fully(
    heap: *mut arenite_defrag,
    report: *mut arenite_move_report,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        object::exclusive(heap, |this| {
            let seen = this.defragment_fully();
            this.publish();
            if report.is_null() { Ok(()) } else { put(report, arenite_move_report::of(&seen)) }
        })
    })
}

/// Writes the figures of a heap to `stats`: one before and one after. Its capacity is what is committed for blocks, its book-keeping all
/// that is committed besides. O(1) but for the largest free piece.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_defrag_figures(
    heap: *const arenite_defrag,
    stats: *mut arenite_fit_stats,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe { put(stats, arenite_fit_stats::of(&object::shared(heap)?.stats())) })
}

/// Calls `callback` with `user` for all pieces, used and free, by offset; a `name` is that of a handle. O(pieces).
///
/// Errors: `ARENITE_NULL_ARGUMENT` (also: no callback), `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_defrag_map(
    heap: *const arenite_defrag,
    callback: arenite_piece_callback,
    user: *mut c_void,
) -> arenite_error {
    // SAFETY: the caller's object and function.
    guard(|| unsafe {
        let callback = callback.ok_or(ARENITE_NULL_ARGUMENT)?;
        object::held(heap, |this| {
            for piece in this.map() {
                let told = arenite_piece::of(&piece, Key::NONE);
                callback(user, &raw const told);
            }
            Ok(())
        })
    })
}
