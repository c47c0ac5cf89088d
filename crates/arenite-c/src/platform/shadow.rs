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

/// Where a block would begin if it were not further on, at a multiple of something large.
pub(super) const PADDED: u8 = 3;

/// Blocks begin at multiples of this.
pub(super) const STEP: usize = 16;
const GRANULE_BITS: u32 = 22;
/// Bytes of a granule's map.
const MAP: usize = (1 << GRANULE_BITS) / STEP;
/// Maps that are reserved at once.
const MAPS: usize = 64;
/// Granules that there can be: 128 GiB of small blocks. A large block has one of its own, which the next one at its address uses.
const ENTRIES: usize = 1 << 15;

/// Maps by granule, as two columns. Each entry is written once: first `bytes`, then `keys`.
struct Table {
    /// Which granule an entry is of, by [`key`]; 0 if it is free.
    keys: [AtomicUsize; ENTRIES],
    /// Where the byte of address 0 would be, if the granule's map went that far.
    bytes: [AtomicPtr<AtomicU8>; ENTRIES],
}

static TABLE: Table = Table {
    keys: [const { AtomicUsize::new(0) }; ENTRIES],
    bytes: [const { AtomicPtr::new(null_mut()) }; ENTRIES],
};

/// What says which granule an address is in: never 0. Neighbours have neighbouring keys.
#[inline(always)]
fn key(address: usize) -> usize {
    !(address >> GRANULE_BITS)
}

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

/// The byte of an address, if a block ever began in its granule and its entry is where it should be. The address is a multiple of
/// [`STEP`], or the byte is that of the multiple before.
#[inline(always)]
pub(super) fn quick(address: usize) -> Option<&'static AtomicU8> {
    let (key, place) = (key(address), key(address) % ENTRIES);
    // Acquire: the bytes.
    (TABLE.keys[place].load(Ordering::Acquire) == key).then(|| byte(place, address))
}

/// `place` is that of the address's granule.
#[inline(always)]
fn byte(place: usize, address: usize) -> &'static AtomicU8 {
    let byte = TABLE.bytes[place].load(Ordering::Relaxed).wrapping_byte_add(address / STEP);
    // SAFETY: the entry is of the address's granule, whose map has a byte for it and is never given back.
    unsafe {
        core::hint::assert_unchecked(!byte.is_null());
        &*byte
    }
}

/// As [`quick`], wherever the entry is.
#[cold]
pub(super) fn find(address: usize) -> Option<&'static AtomicU8> {
    Some(byte(place(address)?, address))
}

/// Where the entry of an address's granule is.
fn place(address: usize) -> Option<usize> {
    let key = key(address);
    // Entries are never freed, so whatever is behind a free one is not there.
    places(key)
        .map(|place| (place, TABLE.keys[place].load(Ordering::Acquire)))
        .take_while(|(_, found)| *found != 0)
        .find(|(_, found)| *found == key)
        .map(|(place, _)| place)
}

fn places(key: usize) -> impl Iterator<Item = usize> {
    (0..ENTRIES).map(move |step| key.wrapping_add(step) % ENTRIES)
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
            // Where address space is scarce one will do. Whoever booked before is served from these: what was left is lost.
            let sizes = [MAPS, stock.booked + 1].into_iter().filter(|maps| *maps > stock.booked);
            let (base, maps) = sizes.into_iter().find_map(|maps| Some((room(maps)?, maps)))?;
            (stock.next, stock.count) = (base.as_ptr(), maps);
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
        let (key, map) = (key(address), stock.next);
        let mut place = key % ENTRIES;
        // One is free: it was booked.
        while TABLE.keys[place].load(Ordering::Relaxed) != 0 {
            place = (place + 1) % ENTRIES;
        }
        stock.next = map.wrapping_add(MAP);
        stock.count -= 1;
        stock.entries -= 1;
        let first = (address >> GRANULE_BITS) * MAP;
        TABLE.bytes[place].store(map.wrapping_sub(first).cast(), Ordering::Relaxed);
        // Release: the bytes, which are zero.
        TABLE.keys[place].store(key, Ordering::Release);
        drop(stock);
        byte(place, address)
    }
}

/// Zeroed memory for so many maps.
fn room(maps: usize) -> Option<NonNull<u8>> {
    let base = os::reserve(MAP * maps, os::granularity()).ok()?;
    // SAFETY: the whole of a fresh reservation. Refused, it is address space lost, nothing more.
    unsafe {
        if os::commit(base, MAP * maps).is_err() {
            let _ = os::release(base, MAP * maps);
            return None;
        }
    }
    Some(base)
}

/// Whether it is entries that are missing, and not memory.
pub(super) fn is_full() -> bool {
    let stock = STOCK.lock();
    stock.entries == stock.booked
}

impl Drop for Sure {
    fn drop(&mut self) {
        STOCK.lock().booked -= 1;
    }
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
        assert!(quick(FAR).is_none() && find(FAR).is_none() && quick(0).is_none() && find(16).is_none());
        assert!(quick(usize::MAX).is_none() && find(usize::MAX - 15).is_none());
        make(at(FAR + 32)).unwrap().store(LIVE, Ordering::Relaxed);
        let state = |address| find(address).unwrap().load(Ordering::Relaxed);
        assert_eq!((state(FAR), state(FAR + 32), state(FAR + 48)), (NEVER, LIVE, NEVER));
        assert!(core::ptr::eq(make(at(FAR + 32)).unwrap(), quick(FAR + 32).unwrap()));
        assert!(find(FAR - 16).is_none() && find(FAR + (1 << GRANULE_BITS)).is_none());
    }

    #[test]
    fn granules_that_meet_at_one_entry_are_kept_apart() {
        let meets = FAR + (1 << 40) + (ENTRIES << GRANULE_BITS);
        make(at(FAR + (1 << 40))).unwrap().store(LIVE, Ordering::Relaxed);
        let other = make(at(meets)).unwrap();
        assert_eq!(other.load(Ordering::Relaxed), NEVER);
        other.store(FREED, Ordering::Relaxed);
        assert!(quick(meets).is_none());
        let state = |address| find(address).unwrap().load(Ordering::Relaxed);
        assert_eq!((state(FAR + (1 << 40)), state(meets)), (LIVE, FREED));
    }
}
