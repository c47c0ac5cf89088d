//! The space whose blocks the program moves.
#![expect(unsafe_code, reason = "exports functions under C's names, which follow C's pointers")]

use std::ffi::c_void;

use arenite::{DefragSpace, MoveEnd, MoveId, OffsetOptions, SegmentId, SpaceHandle};

use super::fits::{
    Key, arenite_fit_stats, arenite_move_policy, arenite_move_report, arenite_piece, arenite_piece_callback,
    blocks, granularity, policy_of, stale, step,
};
use super::object::{self, Object, kind};
use super::offsets::arenite_segment;
use super::tags::{arenite_tag, tag_of};
use super::texts::{put, wanted};
use crate::error::arenite_error::{self, *};
use crate::error::{Refusal, answer, guard};

/// Hands out parts of a range that it never touches, under handles that survive moves, and says what should be copied where, so that what is
/// free comes together: memory of a GPU, say. Of one thread: the one that made it.
pub struct arenite_space {
    _object: Object<Space>,
}

kind!(arenite_space, Space, 0x5350_4144u32, shared: false);

/// How a space is made. Zero is each member's default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_space_options {
    /// Whom the book-keeping is charged to. What is managed is not charged.
    pub tag: arenite_tag,
    /// How blocks are moved.
    pub policy: arenite_move_policy,
    /// What sizes and offsets are rounded up to, a power of two, at most 2^32. Default: 16.
    pub granularity: u64,
    /// How much the first segment has, rounded down to granules; less than 2^32 of them. 0: there is no segment yet.
    pub capacity: u64,
    /// For how many blocks address space is reserved; at most 2^30. Default: 2^24. About 80 bytes each are committed as they are
    /// needed.
    pub blocks: usize,
}

/// The name of a block of a space, wherever it lies: good until it is freed, and never again. 0 is none, ever.
pub type arenite_space_handle = u64;

/// Where a block of a space lies.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_space_place {
    /// Where it begins.
    pub offset: u64,
    /// What was asked for.
    pub size: u64,
}

/// The name of a move, until it is answered and never again.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_move_id {
    /// Which block.
    pub slot: u64,
    /// Which of all moves.
    pub serial: u64,
}

/// Something to be copied. Source and target do not overlap, and are nobody else's until it is answered.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_space_move {
    /// To be answered: `arenite_space_done` or `arenite_space_cancel`.
    pub id: arenite_move_id,
    /// Whose block it is.
    pub handle: arenite_space_handle,
    /// Where it lies.
    pub from: u64,
    /// Where it shall lie.
    pub to: u64,
    /// How much is to be copied.
    pub size: u64,
}

/// A function that is told what should be copied. The space is refused to it (`ARENITE_BUSY`): note the move, and copy later. It must
/// return, not jump out or throw.
pub type arenite_move_callback =
    Option<unsafe extern "C-unwind" fn(user: *mut c_void, step: *const arenite_space_move)>;

/// What came of a move: one of `ARENITE_MOVE_…`.
pub type arenite_move_end = u32;

/// The block lies at its target from now on.
pub const ARENITE_MOVE_MOVED: arenite_move_end = 0;
/// It lies where it was: it was pinned or resized meanwhile, or the move was cancelled.
pub const ARENITE_MOVE_CANCELLED: arenite_move_end = 1;
/// It was freed meanwhile.
pub const ARENITE_MOVE_FREED: arenite_move_end = 2;

pub(crate) struct Space {
    space: DefragSpace,
    key: Key,
}

impl Space {
    fn handle(&self, handle: arenite_space_handle) -> Result<SpaceHandle, Refusal> {
        SpaceHandle::from_bits(self.key.turn(handle)).ok_or_else(|| stale("block"))
    }

    fn segment(&self, segment: arenite_segment) -> Result<SegmentId, Refusal> {
        SegmentId::from_bits(self.key.turn(segment)).ok_or_else(|| stale("segment"))
    }
}

/// Makes a space and writes it to `space`. `options` may be null: all defaults. The caller owns it, until `arenite_space_destroy`.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (the granularity, the policy, the blocks), `ARENITE_BAD_TAG`,
/// `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE` (2^32 granules or more).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_space_create(
    options: *const arenite_space_options,
    space: *mut *mut arenite_space,
) -> arenite_error {
    // SAFETY: the caller's pointers.
    guard(|| unsafe {
        wanted(space)?;
        let asked = options.as_ref().copied();
        let mut made = OffsetOptions::new(tag_of(asked.map_or(0, |options| options.tag))?);
        let mut policy = policy_of(0)?;
        if let Some(asked) = asked {
            policy = policy_of(asked.policy)?;
            made = made.granularity(granularity(asked.granularity)?).capacity(asked.capacity);
            made = made.blocks(blocks(asked.blocks, 1 << 24)?);
        }
        let mut made = DefragSpace::try_new(made)?;
        made.set_policy(policy);
        object::make(Space { space: made, key: Key::new() }, space)
    })
}

/// Ends a space; what it handed out names nothing any more, and nobody waits for moves. Null is allowed.
///
/// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_space_destroy(space: *mut arenite_space) -> arenite_error {
    if space.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object.
    guard(|| unsafe { object::end(space, drop) })
}

/// Writes the name of a part of `size` to `handle`; it begins at a multiple of `align` (a power of two; 0 is 1), wherever it moves. It is
/// the caller's, until `arenite_space_free`. O(1).
///
/// Errors: `ARENITE_OUT_OF_ROOM`, `ARENITE_FRAGMENTED` (moves would make room), `ARENITE_TOO_LARGE`, `ARENITE_INVALID_ARGUMENT` (the
/// alignment), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`; and `ARENITE_OVER_BUDGET`,
/// `ARENITE_SYSTEM`, `ARENITE_EXHAUSTED`, `ARENITE_FULL` if the book-keeping can not grow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_space_allocate(
    space: *mut arenite_space,
    size: u64,
    align: u64,
    handle: *mut arenite_space_handle,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        wanted(handle)?;
        let align = step(align)?;
        object::exclusive(space, |this| {
            let made = this.space.try_allocate(size, align)?;
            put(handle, this.key.turn(made.to_bits()))
        })
    })
}

/// Takes a part back, pinned or not, also while it is being copied: what that occupies is free once the move is answered. O(1).
///
/// Errors: `ARENITE_STALE` (free already, or never a block of this space), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
/// `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_space_free(
    space: *mut arenite_space,
    handle: arenite_space_handle,
) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe { object::exclusive(space, |this| Ok(this.space.free(this.handle(handle)?)?)) })
}

/// Writes where a part lies to `place`. While it is being copied, that is where it comes from. O(1).
///
/// Errors: `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_space_locate(
    space: *const arenite_space,
    handle: arenite_space_handle,
    place: *mut arenite_space_place,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        let this = object::shared(space)?;
        let found = this.space.locate(this.handle(handle)?).ok_or_else(|| stale("block"))?;
        put(place, arenite_space_place { offset: found.offset, size: found.size })
    })
}

/// Makes a part larger or smaller where it lies. If it is being copied, that comes to nothing. Refused, nothing has changed.
///
/// Errors: as `arenite_space_allocate`, and `ARENITE_STALE`. (`ARENITE_FRAGMENTED`: what is behind it is not free, or not large enough.)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_space_resize(
    space: *mut arenite_space,
    handle: arenite_space_handle,
    size: u64,
) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe {
        object::exclusive(space, |this| Ok(this.space.try_resize(this.handle(handle)?, size)?))
    })
}

/// Keeps a part where it is, until it is unpinned as often. If it is being copied, that comes to nothing. O(1).
///
/// Errors: `ARENITE_STALE`, `ARENITE_FULL` (pinned 2^32 - 1 times), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
/// `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_space_pin(
    space: *mut arenite_space,
    handle: arenite_space_handle,
) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe {
        object::exclusive(space, |this| {
            if this.space.pin(this.handle(handle)?)? { Ok(()) } else { Err(ARENITE_FULL.into()) }
        })
    })
}

/// Takes one pin away. O(1).
///
/// Errors: `ARENITE_STALE` (the part is gone), `ARENITE_INVALID_ARGUMENT` (it is not pinned), `ARENITE_NULL_ARGUMENT`,
/// `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_space_unpin(
    space: *mut arenite_space,
    handle: arenite_space_handle,
) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe {
        object::exclusive(space, |this| {
            let was = this.space.unpin(this.handle(handle)?)?;
            if was { Ok(()) } else { Err(Refusal::new(ARENITE_INVALID_ARGUMENT, "it is not pinned")) }
        })
    })
}

/// Calls `callback` with `user` for what should be copied, up to `bytes` in all: a hard bound. Goes on where the last call ended. What is told
/// has begun, and waits for an answer, frames later if need be; meanwhile the block lies where it was, and may be freed, resized or pinned. It
/// must not be written while it is copied: pin it first, and the move comes to nothing. What was done is written to `report`, unless that is null.
/// O(what the bound allows), and O(1) when there is nothing to do.
///
/// Errors: `ARENITE_NULL_ARGUMENT` (also: no callback), `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_space_begin_moves(
    space: *mut arenite_space,
    bytes: u64,
    callback: arenite_move_callback,
    user: *mut c_void,
    report: *mut arenite_move_report,
) -> arenite_error {
    // SAFETY: the caller's object, function and pointer.
    guard(|| unsafe {
        let callback = callback.ok_or(ARENITE_NULL_ARGUMENT)?;
        object::exclusive(space, |this| {
            let key = this.key;
            let seen = this.space.begin_moves(bytes, |step| {
                let [slot, serial] = step.id.to_bits();
                let told = arenite_space_move {
                    id: arenite_move_id { slot, serial: key.turn(serial) },
                    handle: key.turn(step.handle.to_bits()),
                    from: step.from,
                    to: step.to,
                    size: step.size,
                };
                callback(user, &raw const told);
            });
            if report.is_null() { Ok(()) } else { put(report, arenite_move_report::of(&seen)) }
        })
    })
}

/// # Safety
/// The caller's object and pointer.
unsafe fn end(
    space: *mut arenite_space,
    id: arenite_move_id,
    copied: bool,
    end: *mut arenite_move_end,
) -> arenite_error {
    // SAFETY: the caller's promise.
    guard(|| unsafe {
        object::exclusive(space, |this| {
            let known = MoveId::from_bits([id.slot, this.key.turn(id.serial)]);
            let id = known.ok_or_else(|| stale("move"))?;
            let ended = if copied { this.space.done(id) } else { this.space.cancel(id) };
            let told = match ended.map_err(|_| stale("move"))? {
                MoveEnd::Moved => ARENITE_MOVE_MOVED,
                MoveEnd::Cancelled => ARENITE_MOVE_CANCELLED,
                MoveEnd::Freed => ARENITE_MOVE_FREED,
            };
            if end.is_null() { Ok(()) } else { put(end, told) }
        })
    })
}

/// A move has been made: all of it has been copied. What came of it is written to `end`, unless that is null. O(1).
///
/// Errors: `ARENITE_STALE` (answered already, or no move of this space), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
/// `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_space_done(
    space: *mut arenite_space,
    id: arenite_move_id,
    end: *mut arenite_move_end,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    unsafe { self::end(space, id, true, end) }
}

/// A move is not made, and nobody copies any more. What came of it is written to `end`, unless that is null. O(1).
///
/// Errors: as `arenite_space_done`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_space_cancel(
    space: *mut arenite_space,
    id: arenite_move_id,
    end: *mut arenite_move_end,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    unsafe { self::end(space, id, false, end) }
}

/// No move that has begun is made, and nobody copies any more: for when the device was lost. Answers how many there were. O(blocks).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`, and the answer is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_space_cancel_all(space: *mut arenite_space) -> usize {
    // SAFETY: the caller's object.
    answer(|| unsafe { object::exclusive(space, |this| Ok(this.space.cancel_all())) }).unwrap_or(0)
}

/// How many moves have begun and are not answered. O(1).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`, and the answer is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_space_moving(space: *const arenite_space) -> usize {
    // SAFETY: the caller's object.
    answer(|| unsafe { Ok(object::shared(space)?.space.moving()) }).unwrap_or(0)
}

/// Adds a segment of `size` behind all others, and writes its name to `segment`. Blocks do not span segments. O(segments).
///
/// Errors: as `arenite_offsets_append`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_space_append(
    space: *mut arenite_space,
    size: u64,
    segment: *mut arenite_segment,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        wanted(segment)?;
        object::exclusive(space, |this| {
            let made = this.space.try_append(size)?;
            put(segment, this.key.turn(made.to_bits()))
        })
    })
}

/// Writes the name of the last segment to `segment`, if `ARENITE_MOVES_EVACUATE_LAST` has emptied it: remove it, and give its memory back. Else
/// that is 0. O(1).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_space_evacuated(
    space: *const arenite_space,
    segment: *mut arenite_segment,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        let this = object::shared(space)?;
        put(segment, this.space.evacuated().map_or(0, |found| this.key.turn(found.to_bits())))
    })
}

/// Removes a segment in which nothing is used. O(segments).
///
/// Errors: as `arenite_offsets_remove`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_space_remove(
    space: *mut arenite_space,
    segment: arenite_segment,
) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe {
        object::exclusive(space, |this| {
            this.space.try_remove(this.segment(segment)?)?;
            Ok(())
        })
    })
}

/// Writes the figures of a space to `stats`; targets of moves count as used. O(1) but for the largest free piece.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_space_figures(
    space: *const arenite_space,
    stats: *mut arenite_fit_stats,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe { put(stats, arenite_fit_stats::of(&object::shared(space)?.space.stats())) })
}

/// Calls `callback` with `user` for all pieces, used and free, by offset. O(pieces).
///
/// Errors: `ARENITE_NULL_ARGUMENT` (also: no callback), `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_space_map(
    space: *const arenite_space,
    callback: arenite_piece_callback,
    user: *mut c_void,
) -> arenite_error {
    // SAFETY: the caller's object and function.
    guard(|| unsafe {
        let callback = callback.ok_or(ARENITE_NULL_ARGUMENT)?;
        object::held(space, |this| {
            for piece in this.space.map() {
                let told = arenite_piece::of(&piece, this.key);
                callback(user, &raw const told);
            }
            Ok(())
        })
    })
}
