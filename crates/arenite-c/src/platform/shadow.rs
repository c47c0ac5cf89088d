//! Which addresses are blocks of this layer: a byte for each 16 bytes of address space where one ever was.
//!
//! ```text
//!   address ─► granule (4 MiB) ─► table: granule | bytes ─► byte of the address: never, live, freed
//! ```
//!
//! A pointer that a program gives us is looked up here before anything is read where it points to, so that a foreign one, or one
//! into memory that went back to the system, is refused without being touched. These bytes are never given back, and never move;
//! an entry of the table is written once. Only pages of them that are used take memory: a byte for 16, where blocks begin.
#![expect(unsafe_code, reason = "bytes in memory that is reserved by hand, found by address")]

use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicUsize, Ordering};

use arenite::base::sync::Lock;
use arenite::os;

/// No block ever began there.
pub(super) const NEVER: u8 = 0;
/// A block that the program has.
pub(super) const LIVE: u8 = 1;
/// A block that the program gave back.
pub(super) const FREED: u8 = 2;

/// Blocks begin at multiples of this.
pub(super) const STEP: usize = 16;
const GRANULE_BITS: u32 = 22;
/// Bytes of a granule's map.
const MAP: usize = (1 << GRANULE_BITS) / STEP;
/// Maps that are reserved at once.
const MAPS: usize = 64;
/// Granules that there can be: 128 GiB of small blocks. A large block has one of its own, which the next one at its address uses.
const ENTRIES: usize = 1 << 15;

/// A granule's map. Written once: first `bytes`, then `granule`.
struct Entry {
    /// The granule's number; 0 if the entry is free. (No block is in the first granule.)
    granule: AtomicUsize,
    /// Where the byte of address 0 would be, if this map went that far.
    bytes: AtomicPtr<AtomicU8>,
}

static TABLE: [Entry; ENTRIES] =
    [const { Entry { granule: AtomicUsize::new(0), bytes: AtomicPtr::new(null_mut()) } }; ENTRIES];

/// Maps that were reserved and that nobody has: the first one, and how many. And how many entries are free. Of
/// both, `booked` are promised.
struct Stock {
    next: *mut u8,
    count: usize,
    entries: usize,
    booked: usize,
}

// SAFETY: memory that nobody has yet.
unsafe impl Send for Stock {}

static STOCK: Lock<Stock> = Lock::new(Stock { next: null_mut(), count: 0, entries: ENTRIES, booked: 0 });

/// No block is below this address: it is where the first granule ends.
pub(super) const LOWEST: usize = 1 << GRANULE_BITS;

/// The byte of an address, if a block ever began in its granule and its entry is where it should be. The address is a multiple of
/// [`STEP`], or the byte is that of the multiple before.
///
/// # Safety
/// `address` is not below [`LOWEST`].
#[inline(always)]
pub(super) unsafe fn quick(address: usize) -> Option<&'static AtomicU8> {
    let granule = address >> GRANULE_BITS;
    let entry = &TABLE[granule % ENTRIES];
    // Acquire: the bytes. An entry that is free has no granule's number but that of the first one.
    (entry.granule.load(Ordering::Acquire) == granule).then(|| byte(entry, address))
}

#[inline(always)]
fn byte(entry: &'static Entry, address: usize) -> &'static AtomicU8 {
    let byte = entry.bytes.load(Ordering::Relaxed).wrapping_byte_add(address / STEP);
    // SAFETY: the entry is of the address's granule, whose map has a byte for it and is never given back.
    unsafe {
        core::hint::assert_unchecked(!byte.is_null());
        &*byte
    }
}

/// As [`quick`], wherever the entry is.
#[cold]
pub(super) fn find(address: usize) -> Option<&'static AtomicU8> {
    let granule = address >> GRANULE_BITS;
    if granule == 0 {
        return None;
    }
    // Entries are never freed, so whatever is behind a free one is not there.
    for entry in places(granule) {
        match entry.granule.load(Ordering::Acquire) {
            0 => return None,
            found if found == granule => return Some(byte(entry, address)),
            _ => {}
        }
    }
    None
}

fn places(granule: usize) -> impl Iterator<Item = &'static Entry> {
    (0..ENTRIES).map(move |step| &TABLE[(granule + step) % ENTRIES])
}

/// As [`find`]; makes the map if there is none. `None`: no memory, or no entry is left.
#[cold]
pub(super) fn make(address: NonNull<u8>) -> Option<&'static AtomicU8> {
    find(address.addr().get()).or_else(|| Sure::try_new().map(|sure| sure.make(address)))
}

/// That one more map can be made, wherever. The lock is not held meanwhile: program code may run.
pub(super) struct Sure(());

impl Sure {
    /// `None`: no memory, or no entry is left.
    pub(super) fn try_new() -> Option<Self> {
        let mut stock = STOCK.lock();
        if stock.entries == stock.booked {
            return None;
        }
        if stock.count == stock.booked {
            if stock.booked >= MAPS {
                return None;
            }
            let base = os::reserve(MAP * MAPS, os::granularity()).ok()?;
            // SAFETY: the whole of a fresh reservation. Refused, it is address space lost, nothing more.
            unsafe {
                if os::commit(base, MAP * MAPS).is_err() {
                    let _ = os::release(base, MAP * MAPS);
                    return None;
                }
            }
            // Whoever booked one before is served from these: what was left is address space, lost.
            (stock.next, stock.count) = (base.as_ptr(), MAPS);
        }
        stock.booked += 1;
        Some(Self(()))
    }

    pub(super) fn make(self, address: NonNull<u8>) -> &'static AtomicU8 {
        let address = address.addr().get();
        let mut stock = STOCK.lock();
        // Whoever had the lock before may have made it. (What was booked is given back when `self` goes, after the lock.)
        if let Some(byte) = find(address) {
            drop(stock);
            return byte;
        }
        let granule = address >> GRANULE_BITS;
        let mut place = granule % ENTRIES;
        while TABLE[place].granule.load(Ordering::Relaxed) != 0 {
            place = (place + 1) % ENTRIES;
        }
        let (entry, map) = (&TABLE[place], stock.next);
        stock.next = map.wrapping_add(MAP);
        stock.count -= 1;
        stock.entries -= 1;
        entry.bytes.store(map.wrapping_sub(granule * MAP).cast(), Ordering::Relaxed);
        // Release: the bytes, which are zero.
        entry.granule.store(granule, Ordering::Release);
        drop(stock);
        byte(entry, address)
    }
}

impl Drop for Sure {
    fn drop(&mut self) {
        STOCK.lock().booked -= 1;
    }
}

/// What began last at or before an address, in its granule: [`NEVER`] if nothing did. O(bytes before it); reads nothing there.
#[cold]
pub(super) fn before(address: usize) -> u8 {
    let granule = address >> GRANULE_BITS;
    let Some(entry) = (granule != 0)
        .then(|| places(granule).take_while(|entry| entry.granule.load(Ordering::Acquire) != 0))
        .and_then(|mut all| all.find(|entry| entry.granule.load(Ordering::Relaxed) == granule))
    else {
        return NEVER;
    };
    let first = granule << GRANULE_BITS;
    (first / STEP..=address / STEP)
        .rev()
        .map(|step| byte(entry, step * STEP).load(Ordering::Relaxed))
        .find(|state| *state != NEVER)
        .unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: usize) -> NonNull<u8> {
        NonNull::new(core::ptr::without_provenance_mut(address)).unwrap()
    }

    /// Where no system puts anything.
    const FAR: usize = 1 << 50;

    #[test]
    fn a_byte_is_made_once_and_found_by_its_address() {
        let quick = |address| {
            // SAFETY: far above.
            unsafe { quick(address) }
        };
        assert!(quick(FAR).is_none() && find(FAR).is_none() && find(0).is_none() && find(16).is_none());
        make(at(FAR + 32)).unwrap().store(LIVE, Ordering::Relaxed);
        let state = |address| find(address).unwrap().load(Ordering::Relaxed);
        assert_eq!((state(FAR), state(FAR + 32), state(FAR + 48)), (NEVER, LIVE, NEVER));
        assert_eq!((before(FAR + 16), before(FAR + 32), before(FAR + 100_000)), (NEVER, LIVE, LIVE));
        assert!(core::ptr::eq(make(at(FAR + 32)).unwrap(), quick(FAR + 32).unwrap()));
        assert!(find(FAR - 16).is_none() && find(FAR + (1 << GRANULE_BITS)).is_none());
        assert_eq!(before(FAR - 16), NEVER);
    }

    #[test]
    fn granules_that_meet_at_one_entry_are_kept_apart() {
        let meets = FAR + (1 << 40) + (ENTRIES << GRANULE_BITS);
        make(at(FAR + (1 << 40))).unwrap().store(LIVE, Ordering::Relaxed);
        let other = make(at(meets)).unwrap();
        assert_eq!(other.load(Ordering::Relaxed), NEVER);
        other.store(FREED, Ordering::Relaxed);
        // SAFETY: far above.
        assert!(unsafe { quick(meets) }.is_none());
        let state = |address| find(address).unwrap().load(Ordering::Relaxed);
        assert_eq!((state(FAR + (1 << 40)), state(meets)), (LIVE, FREED));
        assert_eq!(before(meets + 64), FREED);
    }
}
