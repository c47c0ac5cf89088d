//! What is written where no program may write, and how it is looked at later.
//!
//! Canary bytes follow from the process's secret and their own address, so that neither a copy of other memory nor a known
//! value passes for them. All of them have the highest bit set: a zero or a letter too many is always seen.
#![expect(unsafe_code, reason = "writes and reads raw memory")]

use core::ptr::NonNull;

use crate::base::sync::{AtomicU64, Ordering};
use crate::os;

/// What a freed block is filled with; that of the arenas, too.
pub(super) const FREED: u8 = 0xDF;

/// 0: there is none yet.
static SECRET: AtomicU64 = AtomicU64::new(0);

fn secret() -> u64 {
    match SECRET.load(Ordering::Relaxed) {
        0 => {
            let fresh = os::entropy() | 1;
            // Whoever comes first is right: what was written must be found again.
            match SECRET.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => fresh,
                Err(other) => other,
            }
        }
        known => known,
    }
}

/// The eight bytes at a multiple of 8.
fn word(secret: u64, address: usize) -> [u8; 8] {
    let mixed = (address as u64 ^ secret).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ mixed >> 29) | 0x8080_8080_8080_8080).to_ne_bytes()
}

/// Calls `see` with pieces of a range and what they should be: eight bytes at a multiple of eight, or a part of them.
fn pieces(start: usize, len: usize, mut see: impl FnMut(usize, &[u8])) {
    let secret = secret();
    let mut done = 0;
    while done < len {
        let address = start + done;
        let from = address % 8;
        let count = (8 - from).min(len - done);
        see(done, &word(secret, address - from)[from..from + count]);
        done += count;
    }
}

/// Writes canary bytes.
///
/// # Safety
/// So many bytes that are the caller's.
pub(super) unsafe fn protect(start: NonNull<u8>, len: usize) {
    pieces(start.addr().get(), len, |at, bytes| {
        // SAFETY: inside the range.
        unsafe { start.add(at).copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
    });
}

/// The first and the last canary byte that is not what it was.
///
/// # Safety
/// So many bytes that can be read, on which [`protect`] was called.
pub(super) unsafe fn damage(start: NonNull<u8>, len: usize) -> Option<(usize, usize)> {
    let mut found = None;
    pieces(start.addr().get(), len, |at, bytes| {
        if let Ok(whole) = <[u8; 8]>::try_from(bytes)
            // SAFETY: inside the range.
            && unsafe { start.add(at).cast::<[u8; 8]>().read() } == whole
        {
            return;
        }
        for (offset, byte) in bytes.iter().enumerate() {
            // SAFETY: inside the range.
            if unsafe { start.add(at + offset).read() } != *byte {
                let (first, _) = found.unwrap_or((at + offset, 0));
                found = Some((first, at + offset));
            }
        }
    });
    found
}

/// Fills a block that was freed.
///
/// # Safety
/// So many bytes that are the caller's.
pub(super) unsafe fn fill(start: NonNull<u8>, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { start.write_bytes(FREED, len) };
}

/// The first byte that is not what [`fill`] wrote.
///
/// # Safety
/// So many bytes that nobody writes meanwhile. `start` and `len` are multiples of 8.
pub(super) unsafe fn first_change(start: NonNull<u8>, len: usize) -> Option<usize> {
    const WHOLE: u64 = u64::from_ne_bytes([FREED; 8]);
    // SAFETY: so many aligned words, by the caller's promise.
    let words = unsafe { core::slice::from_raw_parts(start.cast::<u64>().as_ptr(), len / 8) };
    // Eight at a time without a branch between, which is what a compiler makes wide loads of.
    let calm = |words: &&[u64]| words.iter().fold(0, |changes, word| changes | (word ^ WHOLE)) == 0;
    let before = words.chunks(8).take_while(calm).map(<[u64]>::len).sum::<usize>();
    let at = before + words[before..].iter().position(|word| *word != WHOLE)?;
    let byte = words[at].to_ne_bytes().iter().position(|byte| *byte != FREED)?;
    Some(at * 8 + byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_changes_is_seen() {
        let mut bytes = [0u64; 8];
        let start = NonNull::from(&mut bytes).cast::<u8>();
        // SAFETY: 64 bytes of our own.
        unsafe {
            for (from, len) in [(0, 64), (3, 61), (5, 1), (7, 2), (13, 0)] {
                let at = start.add(from);
                protect(at, len);
                assert_eq!(damage(at, len), None);
                for byte in 0..len {
                    let was = at.add(byte).read();
                    assert!(was >= 0x80, "a zero or a letter is never right");
                    at.add(byte).write(b'x');
                    assert_eq!(damage(at, len), Some((byte, byte)));
                    at.add(len - 1).write(0);
                    assert_eq!(damage(at, len), Some((byte, len - 1)));
                    protect(at, len);
                }
            }
            fill(start, 64);
            assert_eq!(first_change(start, 64), None);
            for byte in 0..64 {
                start.add(byte).write(1);
                assert_eq!(first_change(start, 64), Some(byte));
                start.add(byte).write(FREED);
            }
        }
    }

    #[test]
    fn a_canary_is_of_its_place() {
        let mut bytes = [[0u64; 4]; 2];
        let [one, two] = bytes.each_mut().map(|half| NonNull::from(half).cast::<u8>());
        // SAFETY: 32 bytes each, of our own.
        unsafe {
            protect(one, 32);
            two.copy_from_nonoverlapping(one, 32);
            assert!(damage(two, 32).is_some(), "those of another place are wrong here");
        }
    }
}
