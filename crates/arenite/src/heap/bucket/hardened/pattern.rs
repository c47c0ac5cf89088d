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

/// What lies between the words of neighbours, before the secret is mixed in.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The eight bytes at a multiple of 8. A sum and two bit operations, so that a compiler can write several at a time.
fn word(secret: u64, address: usize) -> u64 {
    ((address as u64 / 8).wrapping_mul(STEP) ^ secret) | 0x8080_8080_8080_8080
}

/// A range in three parts: bytes before the first whole word, how many words, bytes behind the last one.
fn parts(start: usize, len: usize) -> (usize, usize, usize) {
    let before = (start.wrapping_neg() % 8).min(len);
    (before, (len - before) / 8, (len - before) % 8)
}

/// The canary byte of an address.
fn byte(secret: u64, address: usize) -> u8 {
    word(secret, address & !7).to_ne_bytes()[address % 8]
}

/// Writes canary bytes.
///
/// # Safety
/// So many bytes that are the caller's.
pub(super) unsafe fn protect(start: NonNull<u8>, len: usize) {
    let secret = secret();
    let address = start.addr().get();
    let (before, words, behind) = parts(address, len);
    // SAFETY: inside the range, all of it.
    unsafe {
        for at in (0..before).chain(len - behind..len) {
            start.add(at).write(byte(secret, address + at));
        }
        let middle = start.add(before).cast::<u64>();
        for at in 0..words {
            middle.add(at).write(word(secret, address + before + at * 8));
        }
    }
}

/// The first and the last canary byte that is not what it was.
///
/// # Safety
/// So many bytes that can be read, on which [`protect`] was called.
pub(super) unsafe fn damage(start: NonNull<u8>, len: usize) -> Option<(usize, usize)> {
    let secret = secret();
    let address = start.addr().get();
    let (before, words, behind) = parts(address, len);
    // SAFETY: inside the range, all of it.
    unsafe {
        let middle = start.add(before).cast::<u64>();
        let calm = (0..words).fold(0, |changes, at| {
            changes | (middle.add(at).read() ^ word(secret, address + before + at * 8))
        }) == 0;
        let wrong = |at: &usize| start.add(*at).read() != byte(secret, address + at);
        if calm && !(0..before).chain(len - behind..len).any(|at| wrong(&at)) {
            return None;
        }
        Some(((0..len).find(wrong)?, (0..len).rfind(wrong)?))
    }
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
