//! The offset allocator: parts of a range that it never touches.
#![expect(unsafe_code, reason = "exports functions under C's names, which follow C's pointers")]

use std::ffi::c_void;

use arenite::{BestFit, BlockId, BlockState, FirstFit, NextFit, OffsetAllocator, OffsetBlock};
use arenite::{OffsetOptions, SegmentId, Tlsf, WorstFit};

use super::fits::{
    ARENITE_PIECE_ASIDE, ARENITE_PIECE_FREE, ARENITE_PIECE_USED, Key, arenite_fit_stats, arenite_piece,
    arenite_piece_callback, blocks, granularity, stale, step,
};
use super::object::{self, Object, kind};
use super::tags::{arenite_tag, tag_of};
use super::texts::{put, wanted};
use crate::error::arenite_error::{self, *};
use crate::error::{Refusal, guard};

/// Hands out parts of a range that it never reads or writes: memory of a GPU, a file, numbers. Of one thread: the one that made it.
pub struct arenite_offsets {
    _object: Object<Offsets>,
}

kind!(arenite_offsets, Offsets, 0x4F46_4654u32, shared: false);

/// How a free block is chosen: one of `ARENITE_FIT_…`.
pub type arenite_fit = u32;

/// A block of the smallest class in which every block suffices. O(1). The default.
pub const ARENITE_FIT_TLSF: arenite_fit = 0;
/// The block with the lowest offset that suffices. O(log n), as all that follow.
pub const ARENITE_FIT_FIRST: arenite_fit = 1;
/// The next one that suffices, from where the last search ended.
pub const ARENITE_FIT_NEXT: arenite_fit = 2;
/// The smallest block that suffices.
pub const ARENITE_FIT_BEST: arenite_fit = 3;
/// The largest block.
pub const ARENITE_FIT_WORST: arenite_fit = 4;

/// How an offset allocator is made. Zero is each member's default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_offsets_options {
    /// Whom the book-keeping is charged to. What is managed is not charged.
    pub tag: arenite_tag,
    /// How a free block is chosen.
    pub fit: arenite_fit,
    /// What sizes and offsets are rounded up to, a power of two, at most 2^32. Default: 16.
    pub granularity: u64,
    /// How much the first segment has, rounded down to granules; less than 2^32 of them. 0: there is no segment yet.
    pub capacity: u64,
    /// For how many blocks, used and free, address space is reserved; at most 2^30. Default: 2^24. 32 bytes each are committed as
    /// they are needed.
    pub blocks: usize,
}

/// A block of an offset allocator.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_offset_block {
    /// Where it begins.
    pub offset: u64,
    /// How large it is: what was asked for, rounded up to granules.
    pub size: u64,
    /// Its name, good until it is freed and never again. 0 is none, ever.
    pub id: u64,
}

/// The name of a segment, good until it is removed. 0 is none, ever.
pub type arenite_segment = u64;

#[expect(clippy::large_enum_variant, reason = "one in each object, which is a block of its own")]
pub(crate) enum Range {
    Tlsf(OffsetAllocator<Tlsf>),
    First(OffsetAllocator<FirstFit>),
    Next(OffsetAllocator<NextFit>),
    Best(OffsetAllocator<BestFit>),
    Worst(OffsetAllocator<WorstFit>),
}

pub(crate) struct Offsets {
    range: Range,
    key: Key,
}

/// Whatever its fit.
macro_rules! each {
    ($offsets:expr, $range:ident => $work:expr) => {
        match $offsets.range {
            Range::Tlsf(ref $range) => $work,
            Range::First(ref $range) => $work,
            Range::Next(ref $range) => $work,
            Range::Best(ref $range) => $work,
            Range::Worst(ref $range) => $work,
        }
    };
    (mut $offsets:expr, $range:ident => $work:expr) => {
        match $offsets.range {
            Range::Tlsf(ref mut $range) => $work,
            Range::First(ref mut $range) => $work,
            Range::Next(ref mut $range) => $work,
            Range::Best(ref mut $range) => $work,
            Range::Worst(ref mut $range) => $work,
        }
    };
}

impl Offsets {
    fn id(&self, id: u64) -> Result<BlockId, Refusal> {
        BlockId::from_bits(self.key.turn(id)).ok_or_else(|| stale("block"))
    }

    fn segment(&self, segment: arenite_segment) -> Result<SegmentId, Refusal> {
        SegmentId::from_bits(self.key.turn(segment)).ok_or_else(|| stale("segment"))
    }

    fn told(&self, block: OffsetBlock) -> arenite_offset_block {
        let OffsetBlock { offset, size, id } = block;
        arenite_offset_block { offset, size, id: self.key.turn(id.to_bits()) }
    }
}

/// Makes an offset allocator and writes it to `offsets`. `options` may be null: all defaults. The caller owns it, until
/// `arenite_offsets_destroy`.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (the granularity, the fit, the blocks), `ARENITE_BAD_TAG`,
/// `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE` (2^32 granules or more).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_offsets_create(
    options: *const arenite_offsets_options,
    offsets: *mut *mut arenite_offsets,
) -> arenite_error {
    // SAFETY: the caller's pointers.
    guard(|| unsafe {
        wanted(offsets)?;
        let asked = options.as_ref().copied();
        let mut made = OffsetOptions::new(tag_of(asked.map_or(0, |options| options.tag))?);
        let mut fit = ARENITE_FIT_TLSF;
        if let Some(asked) = asked {
            fit = asked.fit;
            made = made.granularity(granularity(asked.granularity)?).capacity(asked.capacity);
            made = made.blocks(blocks(asked.blocks, 1 << 24)?);
        }
        let range = match fit {
            ARENITE_FIT_TLSF => Range::Tlsf(made.try_build()?),
            ARENITE_FIT_FIRST => Range::First(made.try_build()?),
            ARENITE_FIT_NEXT => Range::Next(made.try_build()?),
            ARENITE_FIT_BEST => Range::Best(made.try_build()?),
            ARENITE_FIT_WORST => Range::Worst(made.try_build()?),
            _ => {
                let wrong = format_args!("{fit} is no `arenite_fit`");
                return Err(Refusal::new(ARENITE_INVALID_ARGUMENT, wrong));
            }
        };
        object::make(Offsets { range, key: Key::new() }, offsets)
    })
}

/// Ends an offset allocator; what it handed out names nothing any more. Null is allowed.
///
/// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_offsets_destroy(offsets: *mut arenite_offsets) -> arenite_error {
    if offsets.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object.
    guard(|| unsafe { object::end(offsets, drop) })
}

/// Writes a part of `size`, at a multiple of `align` (a power of two; 0 is 1), to `block`. It is the caller's, until
/// `arenite_offsets_free`. O(1), or O(log n) in the number of free blocks, as the fit has it.
///
/// Errors: `ARENITE_OUT_OF_ROOM`, `ARENITE_FRAGMENTED` (enough is free, but not in one piece), `ARENITE_TOO_LARGE`,
/// `ARENITE_INVALID_ARGUMENT` (the alignment), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`; and
/// `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`, `ARENITE_EXHAUSTED`, `ARENITE_FULL` if the book-keeping can not grow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_offsets_allocate(
    offsets: *mut arenite_offsets,
    size: u64,
    align: u64,
    block: *mut arenite_offset_block,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        wanted(block)?;
        let align = step(align)?;
        object::exclusive(offsets, |this| {
            let made = each!(mut this, range => range.try_allocate(size, align))?;
            put(block, this.told(made))
        })
    })
}

/// Takes a part back and joins it with free neighbours. O(1), or O(log n), as the fit has it.
///
/// Errors: `ARENITE_STALE` (free already, or never a block of this allocator), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
/// `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_offsets_free(offsets: *mut arenite_offsets, id: u64) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe {
        object::exclusive(offsets, |this| {
            let id = this.id(id)?;
            Ok(each!(mut this, range => range.free(id))?)
        })
    })
}

/// Makes a block larger where it lies, to `size` in all; of a smaller `size` nothing comes. What it is then is written to `block`, unless
/// that is null. Refused, nothing has changed.
///
/// Errors: as `arenite_offsets_allocate`, and `ARENITE_STALE`. (`ARENITE_FRAGMENTED`: what is behind it is not free, or not large enough.)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_offsets_grow(
    offsets: *mut arenite_offsets,
    id: u64,
    size: u64,
    block: *mut arenite_offset_block,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        object::exclusive(offsets, |this| {
            let id = this.id(id)?;
            let grown = each!(mut this, range => range.try_grow(id, size))?;
            if block.is_null() { Ok(()) } else { put(block, this.told(grown)) }
        })
    })
}

/// Makes a block smaller; what is left over at its end is free. Of a larger `size` nothing comes. What it is then is written to `block`,
/// unless that is null.
///
/// Errors: `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`; and
/// `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`, `ARENITE_EXHAUSTED`, `ARENITE_FULL` if the book-keeping can not grow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_offsets_shrink(
    offsets: *mut arenite_offsets,
    id: u64,
    size: u64,
    block: *mut arenite_offset_block,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        object::exclusive(offsets, |this| {
            let id = this.id(id)?;
            let shrunk = each!(mut this, range => range.try_shrink(id, size))?;
            if block.is_null() { Ok(()) } else { put(block, this.told(shrunk)) }
        })
    })
}

/// Writes where a block lies to `block`. O(1).
///
/// Errors: `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_offsets_get(
    offsets: *const arenite_offsets,
    id: u64,
    block: *mut arenite_offset_block,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        let this = object::shared(offsets)?;
        let id = this.id(id)?;
        let found = each!(this, range => range.get(id)).ok_or_else(|| stale("block"))?;
        put(block, this.told(found))
    })
}

/// Adds a segment of `size` behind all others, and writes its name to `segment`. Blocks do not span segments. O(segments).
///
/// Errors: `ARENITE_TOO_LARGE` (2^32 granules or more in all, or less than one), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
/// `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`; and `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`, `ARENITE_EXHAUSTED`, `ARENITE_FULL` if the
/// book-keeping can not grow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_offsets_append(
    offsets: *mut arenite_offsets,
    size: u64,
    segment: *mut arenite_segment,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        wanted(segment)?;
        object::exclusive(offsets, |this| {
            let made = each!(mut this, range => range.try_append(size))?;
            put(segment, this.key.turn(made.to_bits()))
        })
    })
}

/// Writes the name of the segment that comes `place`-th by offset (0 is the first), where it begins and how large it is; each pointer may
/// be null. O(segments).
///
/// Errors: `ARENITE_STALE` (there are not so many), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`,
/// `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_offsets_segment(
    offsets: *const arenite_offsets,
    place: usize,
    segment: *mut arenite_segment,
    offset: *mut u64,
    size: *mut u64,
) -> arenite_error {
    // SAFETY: the caller's object and pointers.
    guard(|| unsafe {
        let this = object::shared(offsets)?;
        let found = each!(this, range => {
            let id = range.segments().nth(place);
            id.and_then(|id| Some((id, range.segment(id)?)))
        });
        let (id, (begin, length)) = found.ok_or_else(|| stale("segment"))?;
        for (out, value) in [(segment, this.key.turn(id.to_bits())), (offset, begin), (size, length)] {
            if !out.is_null() {
                out.write(value);
            }
        }
        Ok(())
    })
}

/// Whether a segment is to become empty (`drain` is not 0): then nothing is handed out of it, and what is freed in it stays apart. O(its
/// blocks). While one is drained, freeing takes O(segments).
///
/// Errors: `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_offsets_drain(
    offsets: *mut arenite_offsets,
    segment: arenite_segment,
    drain: i32,
) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe {
        object::exclusive(offsets, |this| {
            let segment = this.segment(segment)?;
            Ok(each!(mut this, range => range.try_drain(segment, drain != 0))?)
        })
    })
}

/// Removes a segment in which nothing is used. If it was not the last one, its offsets are not used again. O(segments).
///
/// Errors: `ARENITE_STILL_LIVE` (something in it is used), `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
/// `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_offsets_remove(
    offsets: *mut arenite_offsets,
    segment: arenite_segment,
) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe {
        object::exclusive(offsets, |this| {
            let segment = this.segment(segment)?;
            each!(mut this, range => range.try_remove(segment))?;
            Ok(())
        })
    })
}

/// Writes the figures of a range to `stats`. O(1) but for the largest free piece, which `ARENITE_FIT_TLSF` finds among the blocks of one
/// class.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_offsets_figures(
    offsets: *const arenite_offsets,
    stats: *mut arenite_fit_stats,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        let this = object::shared(offsets)?;
        put(stats, arenite_fit_stats::of(&each!(this, range => range.stats())))
    })
}

/// Calls `callback` with `user` for all pieces, used and free, by offset. O(pieces).
///
/// Errors: `ARENITE_NULL_ARGUMENT` (also: no callback), `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_offsets_walk(
    offsets: *const arenite_offsets,
    callback: arenite_piece_callback,
    user: *mut c_void,
) -> arenite_error {
    // SAFETY: the caller's object and function.
    guard(|| unsafe {
        let callback = callback.ok_or(ARENITE_NULL_ARGUMENT)?;
        object::held(offsets, |this| {
            each!(this, range => for piece in range.walk() {
                let (state, name) = match piece.state {
                    BlockState::Used(id) => (ARENITE_PIECE_USED, this.key.turn(id.to_bits())),
                    BlockState::Free => (ARENITE_PIECE_FREE, 0),
                    BlockState::Aside => (ARENITE_PIECE_ASIDE, 0),
                };
                let asked = if name == 0 { 0 } else { piece.size };
                let told =
                    arenite_piece { offset: piece.offset, size: piece.size, asked, name, state, age: 0 };
                callback(user, &raw const told);
            });
            Ok(())
        })
    })
}
