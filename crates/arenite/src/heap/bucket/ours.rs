//! Which addresses are in segments of heaps, so that any address can be asked about before anything is read there.
//!
//! ```text
//!   a bit for each 4 MiB of address space: a segment's header is here
//! ```
//!
//! One table for the process, zero where nobody wrote: of its 4 MiB of addresses (8 MiB on 64-bit Arm) a page is touched for
//! each 128 GiB of neighbourhood. It is in no account.
#![expect(unsafe_code, reason = "gives reservations back")]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use super::segment::{SEGMENT, Segment};
use crate::os::{self, OsError};

/// Bits of an address that a program can have.
const ADDRESS_BITS: u32 = if cfg!(not(target_pointer_width = "64")) {
    32
} else if cfg!(target_arch = "x86_64") {
    47
} else {
    48
};
const PLACES: usize = 1 << (ADDRESS_BITS - SEGMENT.ilog2());
/// Places in a word.
const IN_WORD: usize = 64;

/// Plain atomics, also for loom: nothing else is ordered by it. What a segment's header says is read by whoever was given a
/// block of it, which is what makes it visible; a bit that comes late is one for a block that nobody can have.
static TABLE: [AtomicU64; PLACES / IN_WORD] = [const { AtomicU64::new(0) }; PLACES / IN_WORD];

fn place(segment: NonNull<Segment>) -> Option<(&'static AtomicU64, u64)> {
    let place = segment.addr().get() / SEGMENT;
    TABLE.get(place / IN_WORD).map(|word| (word, 1 << (place % IN_WORD)))
}

/// A segment's header is there from now on.
pub(super) fn enter(segment: NonNull<Segment>) {
    // What lies where no program's addresses are, on this kind of machine, is taken for somebody else's.
    if let Some((word, bit)) = place(segment) {
        word.fetch_or(bit, Ordering::Release);
    }
}

/// Gives the reservation with a segment's header back to the system; that is told first, or a thread that asks could find what
/// is no more. Refused, the header is there as before.
///
/// # Safety
/// As [`os::release`].
pub(super) unsafe fn release(
    segment: NonNull<Segment>,
    base: NonNull<u8>,
    size: usize,
) -> Result<(), OsError> {
    if let Some((word, bit)) = place(segment) {
        word.fetch_and(!bit, Ordering::Release);
    }
    // SAFETY: the caller's promise.
    unsafe { os::release(base, size) }.inspect_err(|_| enter(segment))
}

/// Whether there is a segment's header where that of a block at this address would be.
#[inline(always)]
pub(super) fn has_header(block: *const u8) -> bool {
    let place = block.addr().wrapping_sub(1) / SEGMENT;
    place < PLACES && TABLE[place / IN_WORD].load(Ordering::Acquire) >> (place % IN_WORD) & 1 != 0
}
