//! The upload ring.
#![expect(unsafe_code, reason = "exports functions under C's names, which follow C's pointers")]

use arenite::{RingError, UploadRing};

use super::fits::step;
use super::object::{self, Object, kind};
use super::texts::{put, wanted};
use crate::error::arenite_error::{self, *};
use crate::error::{Refusal, guard};

/// A ring over a range of the program's: pieces are handed out one behind the other, and come back all together when the device has passed
/// the fence of their submission. Nothing of the range is read or written. Of one thread: the one that made it.
pub struct arenite_ring {
    _object: Object<Ring>,
}

kind!(arenite_ring, Ring, 0x5249_4E46u32, shared: false);

/// Figures of a ring.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_ring_stats {
    /// How large it is.
    pub capacity: u64,
    /// How much is in use, submitted or not, gaps included.
    pub used: u64,
    /// 1: something is submitted and not retired.
    pub waits: i32,
    /// The fence that the oldest piece waits for, if something is submitted.
    pub oldest_fence: u64,
}

pub(crate) struct Ring {
    ring: UploadRing,
    /// The largest fence that was submitted.
    fence: u64,
}

/// Makes a ring over a range of `capacity` bytes, or of whatever it is counted in (at most 2^62), and writes it to `ring`. The caller owns it,
/// until `arenite_ring_destroy`.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_TOO_LARGE`, `ARENITE_SYSTEM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_ring_create(capacity: u64, ring: *mut *mut arenite_ring) -> arenite_error {
    guard(|| {
        if capacity > 1 << 62 {
            return Err(Refusal::new(ARENITE_TOO_LARGE, format_args!("a ring of {capacity}: at most 2^62")));
        }
        // SAFETY: the caller's pointer.
        unsafe { object::make(Ring { ring: UploadRing::new(capacity), fence: 0 }, ring) }
    })
}

/// Ends a ring. Null is allowed.
///
/// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_ring_destroy(ring: *mut arenite_ring) -> arenite_error {
    if ring.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object.
    guard(|| unsafe { object::end(ring, drop) })
}

/// Writes the offset of a piece of `size`, a multiple of `align` (a power of two; 0 is 1), to `offset`. It is in use until its submission is
/// retired. If there is none now, the fence to wait for, to retire, and to ask again after, is written to `fence`, unless that is null. O(1).
///
/// Errors: `ARENITE_OUT_OF_ROOM` (wait for `*fence`), `ARENITE_BUSY` (what has not been submitted is in the way: submit it; or
/// called in a pressure callback), `ARENITE_TOO_LARGE` (the whole ring is smaller), `ARENITE_INVALID_ARGUMENT` (the alignment),
/// `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_ring_allocate(
    ring: *mut arenite_ring,
    size: u64,
    align: u64,
    offset: *mut u64,
    fence: *mut u64,
) -> arenite_error {
    // SAFETY: the caller's object and pointers.
    guard(|| unsafe {
        wanted(offset)?;
        let align = step(align)?;
        object::exclusive(ring, |this| match this.ring.try_allocate(size, align) {
            Ok(piece) => put(offset, piece.offset),
            Err(refused) => {
                if let (RingError::FullUntil { fence: until }, false) = (refused, fence.is_null()) {
                    fence.write(until);
                }
                Err(refused.into())
            }
        })
    })
}

/// All pieces since the last submission are in use until the device has passed `fence`. Fences must not go down. At most 32 submissions
/// are told apart; of more, the last ones are retired together. O(1).
///
/// Errors: `ARENITE_INVALID_ARGUMENT` (a larger fence was submitted before), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
/// `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_ring_submit(ring: *mut arenite_ring, fence: u64) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe {
        object::exclusive(ring, |this| {
            if fence < this.fence {
                let wrong = format_args!("fence {fence} after fence {}", this.fence);
                return Err(Refusal::new(ARENITE_INVALID_ARGUMENT, wrong));
            }
            this.fence = fence;
            this.ring.submit(fence);
            Ok(())
        })
    })
}

/// The device has passed all fences up to `completed`: what was submitted with them is free again. How much that is, gaps included, is
/// written to `freed`, unless that is null. O(submissions).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_ring_retire(
    ring: *mut arenite_ring,
    completed: u64,
    freed: *mut u64,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        object::exclusive(ring, |this| {
            let size = this.ring.retire(completed);
            if freed.is_null() { Ok(()) } else { put(freed, size) }
        })
    })
}

/// Writes the figures of a ring to `stats`. O(1).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_ring_figures(
    ring: *const arenite_ring,
    stats: *mut arenite_ring_stats,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        let ring = &object::shared(ring)?.ring;
        let oldest = ring.oldest_fence();
        put(
            stats,
            arenite_ring_stats {
                capacity: ring.capacity(),
                used: ring.used(),
                waits: oldest.is_some().into(),
                oldest_fence: oldest.unwrap_or(0),
            },
        )
    })
}
