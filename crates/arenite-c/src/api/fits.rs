//! What heaps that fit blocks into ranges have in common: figures, maps, reports, and what they refuse.

use std::sync::atomic::{AtomicU64, Ordering};

use arenite::{DefragError, DefragPolicy, FitError, FitStats, MapPiece, MoveReport, PieceState};
use arenite::{RingError, SegmentError, StaleBlock};

use crate::error::Refusal;
use crate::error::arenite_error::*;

/// Figures of a range, or of a heap that defragments itself. Sizes are bytes, or whatever the range is counted in, rounded to granules.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_fit_stats {
    /// What all segments have.
    pub capacity: u64,
    /// What is handed out.
    pub used: u64,
    /// What can be handed out.
    pub free: u64,
    /// What is free in segments that are being drained. Together with `used` and `free` it is `capacity`.
    pub aside: u64,
    /// The largest free piece.
    pub largest_free: u64,
    /// Blocks that are handed out.
    pub used_blocks: u64,
    /// Free pieces.
    pub free_blocks: u64,
    /// Segments.
    pub segments: u64,
    /// Bytes of memory that the book-keeping has committed.
    pub bookkeeping: u64,
    /// How torn the free space is, from 0 (one piece, or nothing) to nearly 1: the share of it that is not in the largest piece.
    pub fragmentation: f64,
}

impl arenite_fit_stats {
    pub(crate) fn of(stats: &FitStats) -> Self {
        Self {
            capacity: stats.capacity,
            used: stats.used,
            free: stats.free,
            aside: stats.aside,
            largest_free: stats.largest_free,
            used_blocks: stats.used_blocks,
            free_blocks: stats.free_blocks,
            segments: stats.segments,
            bookkeeping: stats.bookkeeping,
            fragmentation: stats.fragmentation(),
        }
    }
}

/// How blocks are moved: one of `ARENITE_MOVES_…`.
pub type arenite_move_policy = u32;

/// Each block into the hole in front of it, in order: what is free of a segment ends up in one piece at its end.
pub const ARENITE_MOVES_SLIDE: arenite_move_policy = 0;
/// Blocks from the end into holes that fit well: few bytes are moved, and small holes stay.
pub const ARENITE_MOVES_FILL_HOLES: arenite_move_policy = 1;
/// The last of several segments is emptied into holes of the others, so that it can be given back.
pub const ARENITE_MOVES_EVACUATE_LAST: arenite_move_policy = 2;

pub(crate) fn policy_of(policy: arenite_move_policy) -> Result<DefragPolicy, Refusal> {
    match policy {
        ARENITE_MOVES_SLIDE => Ok(DefragPolicy::Slide),
        ARENITE_MOVES_FILL_HOLES => Ok(DefragPolicy::FillHoles),
        ARENITE_MOVES_EVACUATE_LAST => Ok(DefragPolicy::EvacuateLast),
        _ => {
            Err(Refusal::new(ARENITE_INVALID_ARGUMENT, format_args!("{policy} is no `arenite_move_policy`")))
        }
    }
}

/// What one call of a defragmenter did.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_move_report {
    /// Blocks that were moved, or whose move has begun if the program copies.
    pub moved_blocks: u64,
    /// Their bytes.
    pub moved_bytes: u64,
    /// Blocks that could have been moved but are pinned.
    pub skipped_pinned: u64,
    /// Blocks that could have been moved but are larger than the whole budget.
    pub too_large: u64,
    /// Bytes that went back to the operating system.
    pub returned_bytes: u64,
    /// How long it took; 0 where no clock was asked.
    pub nanoseconds: u64,
    /// 1: nothing is left to be moved, but for what was passed over, as long as nothing is freed, resized or unpinned.
    pub done: i32,
}

impl arenite_move_report {
    pub(crate) fn of(report: &MoveReport) -> Self {
        Self {
            moved_blocks: report.moved_blocks,
            moved_bytes: report.moved_bytes,
            skipped_pinned: report.skipped_pinned,
            too_large: report.too_large,
            returned_bytes: report.returned_bytes,
            nanoseconds: report.nanoseconds,
            done: report.done.into(),
        }
    }
}

/// What a piece of a range is: one of `ARENITE_PIECE_…`.
pub type arenite_piece_state = u32;

/// It can be handed out.
pub const ARENITE_PIECE_FREE: arenite_piece_state = 0;
/// Free, in a segment that is being drained.
pub const ARENITE_PIECE_ASIDE: arenite_piece_state = 1;
/// A block.
pub const ARENITE_PIECE_USED: arenite_piece_state = 2;
/// A block that must stay where it is.
pub const ARENITE_PIECE_PINNED: arenite_piece_state = 3;
/// A block that the program copies from here.
pub const ARENITE_PIECE_MOVING: arenite_piece_state = 4;
/// Where the program copies a block to.
pub const ARENITE_PIECE_TARGET: arenite_piece_state = 5;

/// A piece of a range. All pieces together are the range, without gaps within a segment.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_piece {
    /// Where it begins.
    pub offset: u64,
    /// How large it is, rounded up to granules.
    pub size: u64,
    /// What was asked for; 0 if it is free. (Of `arenite_offsets`, its size.)
    pub asked: u64,
    /// Whose it is: an id of `arenite_offsets`, an `arenite_space_handle`, or the `name` of an `arenite_defrag_handle`. 0 if it is free, or was
    /// freed while it was copied.
    pub name: u64,
    /// What it is.
    pub state: arenite_piece_state,
    /// How many frames began since it was made, modulo 2^32; 0 if it is free. (Of `arenite_offsets`, always 0.)
    pub age: u32,
}

impl arenite_piece {
    pub(crate) fn of(piece: &MapPiece, names: Key) -> Self {
        let state = match piece.state {
            PieceState::Free => ARENITE_PIECE_FREE,
            PieceState::Aside => ARENITE_PIECE_ASIDE,
            PieceState::Used => ARENITE_PIECE_USED,
            PieceState::Pinned => ARENITE_PIECE_PINNED,
            PieceState::Moving => ARENITE_PIECE_MOVING,
            PieceState::Target => ARENITE_PIECE_TARGET,
        };
        Self {
            offset: piece.offset,
            size: piece.size,
            asked: piece.asked,
            name: piece.name.map_or(0, |name| names.turn(name.to_bits())),
            state,
            age: piece.age,
        }
    }
}

/// A function that is called for each piece of a range, by offset. It may look at what it is called for, and not change it
/// (`ARENITE_BUSY`). It must return, not jump out or throw.
pub type arenite_piece_callback =
    Option<unsafe extern "C-unwind" fn(user: *mut std::ffi::c_void, piece: *const arenite_piece)>;

/// Turns the names of one object into numbers for C and back, so that those of another one name nothing here: a slot and a
/// generation would, as likely as not.
#[derive(Clone, Copy)]
pub(crate) struct Key(u64);

impl Key {
    /// For names that tell by themselves whose they are.
    pub(crate) const NONE: Self = Self(0);

    /// Another one for each object of the process.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mixed = count.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        // Generations begin at 1: no name is turned to 0 before a slot was used 2^31 times.
        Self((mixed ^ mixed >> 31) | 1 << 63)
    }

    /// Back and forth.
    pub(crate) const fn turn(self, bits: u64) -> u64 {
        bits ^ self.0
    }
}

/// An alignment within a range: 0 is 1.
pub(crate) fn step(align: u64) -> Result<u64, Refusal> {
    match align {
        0 => Ok(1),
        align if align.is_power_of_two() => Ok(align),
        _ => Err(Refusal::new(
            ARENITE_INVALID_ARGUMENT,
            format_args!("an alignment of {align}: it must be a power of two"),
        )),
    }
}

/// The granularity of a range: 0 is 16. Not so large that offsets would not fit 64 bits.
pub(crate) fn granularity(asked: u64) -> Result<u64, Refusal> {
    match asked {
        0 => Ok(16),
        asked if asked.is_power_of_two() && asked <= 1 << 32 => Ok(asked),
        _ => Err(Refusal::new(
            ARENITE_INVALID_ARGUMENT,
            format_args!("a granularity of {asked}: it must be a power of two, at most 2^32"),
        )),
    }
}

/// For how many blocks there is to be address space.
pub(crate) fn blocks(asked: usize, default: usize) -> Result<usize, Refusal> {
    match asked {
        0 => Ok(default),
        asked if asked <= 1 << 30 => Ok(asked),
        _ => Err(Refusal::new(ARENITE_INVALID_ARGUMENT, format_args!("{asked} blocks: at most 2^30"))),
    }
}

pub(crate) fn stale(what: &str) -> Refusal {
    Refusal::new(ARENITE_STALE, format_args!("no such {what}: it is gone, or it is of another object"))
}

impl From<StaleBlock> for Refusal {
    #[cold]
    fn from(error: StaleBlock) -> Self {
        Self::new(ARENITE_STALE, error)
    }
}

impl From<FitError> for Refusal {
    #[cold]
    fn from(error: FitError) -> Self {
        let code = match error {
            FitError::OutOfMemory { .. } => ARENITE_OUT_OF_ROOM,
            FitError::OutOfContiguous { .. } => ARENITE_FRAGMENTED,
            FitError::TooLarge => ARENITE_TOO_LARGE,
            FitError::Stale(error) => return error.into(),
            FitError::Misused(error) => return error.into(),
            FitError::Busy => ARENITE_BUSY,
            FitError::Refused(error) => return error.into(),
            _ => ARENITE_INTERNAL,
        };
        Self::new(code, error)
    }
}

impl From<SegmentError> for Refusal {
    #[cold]
    fn from(error: SegmentError) -> Self {
        let code = match error {
            SegmentError::InUse => ARENITE_STILL_LIVE,
            SegmentError::Stale => ARENITE_STALE,
            _ => ARENITE_INTERNAL,
        };
        Self::new(code, error)
    }
}

impl From<DefragError> for Refusal {
    #[cold]
    fn from(error: DefragError) -> Self {
        let code = match error {
            DefragError::Stale => ARENITE_STALE,
            DefragError::Foreign => ARENITE_FOREIGN,
            DefragError::Pinned => ARENITE_BUSY,
            DefragError::Fit(error) => return error.into(),
            _ => ARENITE_INTERNAL,
        };
        Self::new(code, error)
    }
}

impl From<RingError> for Refusal {
    #[cold]
    fn from(error: RingError) -> Self {
        let code = match error {
            RingError::FullUntil { .. } => ARENITE_OUT_OF_ROOM,
            RingError::NotSubmitted => ARENITE_BUSY,
            RingError::TooLarge { .. } => ARENITE_TOO_LARGE,
            _ => ARENITE_INTERNAL,
        };
        Self::new(code, error)
    }
}
