//! Which addresses are in segments of hardened heaps, so that a pointer can be asked about before anything is read there.
//!
//! ```text
//!   two bits for each 4 MiB of address space:  | a segment's header is here | inside a segment |
//! ```
//!
//! One table of 16 MiB of address space for the process, made with the first hardened heap. Only the pages of it that are
//! written to take memory: 4 KiB for each 64 GiB of neighbourhood. It is in no account.
#![expect(unsafe_code, reason = "a table in memory that is reserved once")]

use core::ptr::{NonNull, null_mut};

use super::super::segment::{SEGMENT, Segment};
use crate::base::sync::{AtomicPtr, AtomicU64, Ordering};
use crate::os::{self, OsError};

/// Bits of an address that a program can have.
const ADDRESS_BITS: u32 = 48;
const PLACES: usize = 1 << (ADDRESS_BITS - SEGMENT.ilog2());
/// Places in a word.
const IN_WORD: usize = 32;
const BYTES: usize = PLACES / IN_WORD * 8;

const INSIDE: u64 = 1;
const HEADER: u64 = 2;

static TABLE: AtomicPtr<AtomicU64> = AtomicPtr::new(null_mut());

/// Makes the table, if there is none yet.
pub(super) fn ready() -> Result<(), OsError> {
    if !TABLE.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    let base = os::reserve(BYTES, os::granularity())?;
    // SAFETY: the whole of a fresh reservation. Refused, it is address space lost, nothing more.
    unsafe {
        os::commit(base, BYTES).inspect_err(|_| {
            let _ = os::release(base, BYTES);
        })?;
        let table = base.cast().as_ptr();
        if TABLE.compare_exchange(null_mut(), table, Ordering::AcqRel, Ordering::Acquire).is_err() {
            let _ = os::release(base, BYTES);
        }
    }
    Ok(())
}

/// The word of a place, and how far its bits are from the right.
fn word(place: usize) -> Option<(&'static AtomicU64, u32)> {
    let table = NonNull::new(TABLE.load(Ordering::Acquire)).filter(|_| place < PLACES)?;
    // SAFETY: inside the table, which is zero where nobody wrote and is never given back.
    Some((unsafe { table.add(place / IN_WORD).as_ref() }, (place % IN_WORD) as u32 * 2))
}

/// A segment of so many bytes from its header on is there from now on.
pub(super) fn enter(segment: NonNull<Segment>, size: usize) {
    let first = segment.addr().get() / SEGMENT;
    for place in first..first + size.div_ceil(SEGMENT) {
        let bits = if place == first { HEADER | INSIDE } else { INSIDE };
        if let Some((word, shift)) = word(place)
            && word.load(Ordering::Relaxed) >> shift & bits != bits
        {
            // Release: the header, for who finds it.
            word.fetch_or(bits << shift, Ordering::Release);
        }
    }
}

/// It goes.
pub(super) fn leave(segment: NonNull<Segment>, size: usize) {
    let first = segment.addr().get() / SEGMENT;
    for place in first..first + size.div_ceil(SEGMENT) {
        if let Some((word, shift)) = word(place) {
            word.fetch_and(!((HEADER | INSIDE) << shift), Ordering::Relaxed);
        }
    }
}

/// The segment that an address lies in. Reads nothing there.
pub(super) fn find(address: NonNull<u8>) -> Option<NonNull<Segment>> {
    let mut place = address.addr().get() / SEGMENT;
    loop {
        let (word, shift) = word(place)?;
        match word.load(Ordering::Acquire) >> shift & (HEADER | INSIDE) {
            0 => return None,
            INSIDE => place = place.checked_sub(1)?,
            _ => return NonNull::new(address.as_ptr().with_addr(place * SEGMENT).cast()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: usize) -> NonNull<u8> {
        NonNull::new(core::ptr::without_provenance_mut(address)).unwrap()
    }

    #[test]
    fn addresses_are_found_by_their_segments() {
        ready().unwrap();
        // Where no system puts anything: the end of the address space.
        let end = 1 << ADDRESS_BITS;
        let (small, large) = (end - SEGMENT, end - 8 * SEGMENT);
        enter(at(small).cast(), SEGMENT);
        enter(at(large).cast(), 3 * SEGMENT - 5000);
        let found = |address| find(at(address)).map(|segment| segment.addr().get());
        assert_eq!((found(small), found(end - 1)), (Some(small), Some(small)));
        assert_eq!((found(large + 1), found(large + 3 * SEGMENT - 1)), (Some(large), Some(large)));
        assert_eq!((found(large - 1), found(large + 3 * SEGMENT), found(small - 1)), (None, None, None));
        for far in [end, end + SEGMENT, usize::MAX, 1, SEGMENT] {
            assert_eq!(found(far), None, "{far:#x}");
        }
        leave(at(small).cast(), SEGMENT);
        leave(at(large).cast(), 3 * SEGMENT - 5000);
        assert_eq!((found(small), found(large), found(large + SEGMENT)), (None, None, None));
    }
}
