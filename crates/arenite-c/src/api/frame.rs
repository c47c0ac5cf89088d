//! The frame arena.
#![expect(unsafe_code, reason = "exports functions under C's names, which follow C's pointers")]

use std::alloc::Layout;
use std::ffi::{c_char, c_void};
use std::ptr::{null, null_mut};

use arenite::{FrameArena, FrameArenaOptions};

use super::object::{self, Object, kind};
use super::tags::{arenite_tag, tag_of};
use super::texts::{get, put, text, wanted};
use super::{ALIGN, layout};
use crate::error::arenite_error::{self, *};
use crate::error::{Refusal, answer, guard};

/// A frame arena: what one frame allocates is gone after the next one. Of one thread: the one that made it.
pub struct arenite_frame {
    _object: Object<FrameArena>,
}

kind!(arenite_frame, FrameArena, 0x4652_414Au32, shared: false);

/// Bytes of address space for each buffer, unless it is said otherwise.
pub(crate) const RESERVE: usize = 1 << 30;

/// How a frame arena is made. Zero is each member's default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_frame_options {
    /// Whom it is charged to.
    pub tag: arenite_tag,
    /// 1: asks the system for huge pages.
    pub huge_pages: i32,
    /// Bytes of address space for each of its two buffers: no frame can use more. Default: 1 GiB.
    pub reserve: usize,
    /// Bytes to commit for each buffer from the start. Default: none.
    pub presize: usize,
}

/// A ticket for what the next frame may read; see `arenite_frame_keep`. A value to copy.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_kept {
    /// Which frame of which arena it is of: never the same number again.
    pub stamp: u64,
    /// Where it is.
    pub data: *mut c_void,
    /// Bytes that were asked for.
    pub size: usize,
}

/// Figures of a frame arena. Sizes are bytes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_frame_stats {
    /// Frames begun.
    pub frame: u64,
    /// Allocated in this frame so far, padding included.
    pub used: usize,
    /// The most that any finished frame, or this one, allocated.
    pub high_water: usize,
    /// Committed, all buffers together.
    pub committed: usize,
    /// Reserved, all buffers together.
    pub reserved: usize,
}

impl arenite_frame_stats {
    pub(crate) fn of(arena: &FrameArena) -> Self {
        let stats = arena.stats();
        Self {
            frame: stats.frame,
            used: stats.used,
            high_water: stats.high_water,
            committed: stats.committed,
            reserved: stats.reserved,
        }
    }
}

/// Makes a frame arena and writes it to `frame`. `options` may be null: all defaults. The caller owns it, until
/// `arenite_frame_destroy`.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (`presize` is larger than `reserve`), `ARENITE_BAD_TAG`,
/// `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_frame_create(
    options: *const arenite_frame_options,
    frame: *mut *mut arenite_frame,
) -> arenite_error {
    // SAFETY: the caller's pointers.
    guard(|| unsafe {
        let asked = options.as_ref().copied();
        let mut made = FrameArenaOptions::new(tag_of(asked.map_or(0, |options| options.tag))?);
        if let Some(asked) = asked {
            let reserve = if asked.reserve == 0 { RESERVE } else { asked.reserve };
            if asked.presize > reserve {
                return Err(Refusal::new(ARENITE_INVALID_ARGUMENT, "`presize` is larger than `reserve`"));
            }
            made = made.reserve(reserve).presize(asked.presize).huge_pages(asked.huge_pages != 0);
        }
        object::make(FrameArena::try_with(made)?, frame)
    })
}

/// Gives a frame arena and all of its memory back: nothing that it handed out may be used any more. Null is allowed.
///
/// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY` (called from a callback of its own `arenite_frame_begin`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_frame_destroy(frame: *mut arenite_frame) -> arenite_error {
    if frame.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object.
    guard(|| unsafe { object::end(frame, drop) })
}

/// Begins a frame. What the last frame allocated stays readable until the next call; what the one before it did is gone. What was
/// allocated before the first call counts as a frame, too. O(1).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`, `ARENITE_SYSTEM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_frame_begin(frame: *mut arenite_frame) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe { object::exclusive(frame, |arena| Ok(arena.try_begin_frame()?)) })
}

/// Tells the tag's account what this frame has in use by now: for reports, at the end of a frame. The memory stays until the frame after
/// the next begins.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_frame_end(frame: *mut arenite_frame) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe {
        object::exclusive(frame, |arena| {
            arena.publish();
            Ok(())
        })
    })
}

/// What the fast path has not: more memory, or an object. Everything that is rare, behind one jump. (`extern "C"`: it is known not to
/// unwind, and so it is a jump.)
#[cold]
#[inline(never)]
unsafe extern "C" fn alloc_slow(frame: *mut arenite_frame, size: usize) -> *mut c_void {
    // SAFETY: the caller's object.
    answer(|| unsafe {
        let arena = object::hot(frame).ok_or_else(|| object::refuse_object(frame))?;
        from_arena(arena, size)
    })
    .unwrap_or(null_mut())
}

/// `size` bytes of an arena at a multiple of 16, or why not.
pub(crate) fn from_arena(arena: &FrameArena, size: usize) -> Result<*mut c_void, Refusal> {
    Ok(arena.try_alloc_layout(layout(size, ALIGN)?)?.as_mut_ptr().cast())
}

/// `size` bytes at a multiple of 16, with arbitrary content, until the frame after the next begins; nothing is to be freed. Null if it can
/// not be had: `arenite_last_error` says why. For the arena's own thread, which is not checked here. O(1): a few instructions.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_OVER_BUDGET`, `ARENITE_EXHAUSTED` (more than was reserved),
/// `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_frame_alloc(frame: *mut arenite_frame, size: usize) -> *mut c_void {
    // SAFETY: the caller's object.
    unsafe {
        if let Some(arena) = object::hot(frame)
            && let Ok(layout) = Layout::from_size_align(size, ALIGN)
            && let Some(room) = arena.alloc_committed(layout)
        {
            return room.as_mut_ptr().cast();
        }
        alloc_slow(frame, size)
    }
}

/// As `arenite_frame_alloc`, at a multiple of `align`: a power of two, at most 1 MiB; 0 is 16.
///
/// Errors: as `arenite_frame_alloc`; `ARENITE_INVALID_ARGUMENT`, `ARENITE_WRONG_THREAD`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_frame_alloc_aligned(
    frame: *mut arenite_frame,
    size: usize,
    align: usize,
) -> *mut c_void {
    // SAFETY: the caller's object.
    answer(|| unsafe {
        Ok(object::shared(frame)?.try_alloc_layout(layout(size, align)?)?.as_mut_ptr().cast())
    })
    .unwrap_or(null_mut())
}

/// As `arenite_frame_alloc`, all bytes zero.
///
/// Errors: as `arenite_frame_alloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_frame_alloc_zeroed(frame: *mut arenite_frame, size: usize) -> *mut c_void {
    // SAFETY: the caller's object; so many bytes that were just handed out.
    unsafe {
        let room = arenite_frame_alloc(frame, size);
        if !room.is_null() {
            room.cast::<u8>().write_bytes(0, size);
        }
        room
    }
}

/// Copies a C string (of UTF-8) into the frame, for as long as what `arenite_frame_alloc` gives. Null if it can not be had.
///
/// Errors: as `arenite_frame_alloc`; `ARENITE_INVALID_ARGUMENT` (not UTF-8), `ARENITE_WRONG_THREAD`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_frame_string(frame: *mut arenite_frame, text: *const c_char) -> *mut c_char {
    // SAFETY: the caller's object and text; the room is one byte longer than the text.
    answer(|| unsafe {
        let text = self::text(text)?;
        let room = object::shared(frame)?.try_alloc_slice_uninit::<u8>(text.len() + 1)?;
        let start = room.as_mut_ptr().cast::<u8>();
        start.copy_from_nonoverlapping(text.as_ptr(), text.len());
        start.add(text.len()).write(0);
        Ok(start.cast())
    })
    .unwrap_or(null_mut())
}

pub(crate) unsafe fn keep(
    arena: &FrameArena,
    size: usize,
    align: usize,
    ticket: *mut arenite_kept,
) -> Result<*mut c_void, Refusal> {
    wanted(ticket)?;
    let data = arena.try_alloc_layout(layout(size, align)?)?.as_mut_ptr().cast();
    // SAFETY: the caller's pointer.
    unsafe { put(ticket, arenite_kept { stamp: arena.stamp(), data, size })? };
    Ok(data)
}

pub(crate) unsafe fn kept(
    arena: &FrameArena,
    ticket: *const arenite_kept,
    size: *mut usize,
) -> Result<*const c_void, Refusal> {
    // SAFETY: the caller's pointer.
    let ticket = unsafe { get(ticket)? };
    if ticket.stamp != arena.readable_stamp() || ticket.stamp == 0 {
        return Err(Refusal::new(ARENITE_STALE, "not kept by the frame before this one, of this arena"));
    }
    if !size.is_null() {
        // SAFETY: the caller's pointer.
        unsafe { size.write(ticket.size) };
    }
    Ok(ticket.data)
}

/// As `arenite_frame_alloc_aligned`; and the next frame may read it: `ticket` is what it is found by then. Fill it in this frame.
///
/// Errors: as `arenite_frame_alloc_aligned`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_frame_keep(
    frame: *mut arenite_frame,
    size: usize,
    align: usize,
    ticket: *mut arenite_kept,
) -> *mut c_void {
    // SAFETY: the caller's object and pointer.
    answer(|| unsafe { keep(object::shared(frame)?, size, align, ticket) }).unwrap_or(null_mut())
}

/// What the last frame kept under this ticket, to be read until the next frame begins; its size is written to `size`, unless that is
/// null. Null for a ticket of any other frame or arena. O(1).
///
/// Errors: `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_frame_get(
    frame: *const arenite_frame,
    ticket: *const arenite_kept,
    size: *mut usize,
) -> *const c_void {
    // SAFETY: the caller's object and pointers.
    answer(|| unsafe { kept(object::shared(frame)?, ticket, size) }).unwrap_or(null())
}

/// Writes the figures of a frame arena to `stats`. O(1).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_frame_figures(
    frame: *const arenite_frame,
    stats: *mut arenite_frame_stats,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe { put(stats, arenite_frame_stats::of(object::shared(frame)?)) })
}
