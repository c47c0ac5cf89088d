//! What is in front of a block: its size, where it was taken, and a check, so that it is not believed when it was overwritten.
//!
//! ```text
//!   | size (8) | address ^ size ^ place twice (8) | the program's bytes …
//!   | alignment (8) | … | start (8) | size (8) | check (8) | the program's bytes …         of one at a multiple of more than 16
//! ```
#![expect(unsafe_code, reason = "reads and writes in front of blocks")]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use super::shadow::{self, LIVE, STEP};

/// What is in front of a block.
#[repr(C, align(16))]
pub(super) struct Head {
    pub(super) size: usize,
    /// The block's address, its size and its place, so that what was overwritten is known before it is believed.
    pub(super) check: usize,
}

/// Bytes in front of a block.
pub(super) const HEAD: usize = size_of::<Head>();
/// Where the place is in `check`, a second time: so that a change of any one bit shows.
const PLACE_BIT: u32 = 48;
/// In `check` of a block whose pages are locked, and of one that is not at its start: bits that no size has. So fast paths leave
/// these alone.
const LOCKED: usize = 1 << 47;
const PADDED: usize = 1 << 46;
/// Bytes in front of a block that is not at its start, at the least.
pub(super) const PAD: usize = 2 * HEAD;
/// No block is at a multiple of more.
pub(super) const ALIGN_MOST: usize = 1 << 30;
/// What is larger than this is never tried.
pub(super) const MOST: usize = (1 << 45) - 1;
const _: () = assert!(HEAD == STEP);

/// What a block's head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) size: usize,
    pub(super) place: u16,
    pub(super) locked: bool,
    pub(super) padded: bool,
}

pub(super) fn head(block: NonNull<u8>) -> NonNull<Head> {
    block.cast::<Head>()
}

/// # Safety
/// There are [`HEAD`] bytes in front of `block` that are the caller's to write.
#[inline(always)]
pub(super) unsafe fn write_head(block: NonNull<u8>, known: Known) {
    let place = usize::from(known.place);
    let check = block.addr().get() ^ known.size ^ place ^ (place << PLACE_BIT);
    let check = if known.locked { check ^ LOCKED } else { check };
    let check = if known.padded { check ^ PADDED } else { check };
    // SAFETY: the caller's promise; 16-byte aligned, as every block.
    unsafe { head(block).sub(1).write(Head { size: known.size, check }) };
}

/// What the head says, if it was not damaged.
///
/// # Safety
/// There are [`HEAD`] bytes in front of `block` that can be read.
pub(super) unsafe fn read_head(block: NonNull<u8>) -> Option<Known> {
    // SAFETY: the caller's promise; others may write there at the same time if they take or free it, whole words.
    let (size, check) = unsafe {
        let words = head(block).sub(1).cast::<AtomicU64>();
        (
            words.as_ref().load(Ordering::Relaxed) as usize,
            words.add(1).as_ref().load(Ordering::Relaxed) as usize,
        )
    };
    let rest = check ^ size ^ block.addr().get();
    let known = Known {
        size,
        place: (rest >> PLACE_BIT) as u16,
        locked: rest & LOCKED != 0,
        padded: rest & PADDED != 0,
    };
    (is_place(rest & !(LOCKED | PADDED)) && size <= MOST).then_some(known)
}

/// Whether what is left of `check` without size and address is a place and nothing else.
#[inline(always)]
pub(super) fn is_place(rest: usize) -> bool {
    (rest ^ (rest >> PLACE_BIT)) << (64 - PLACE_BIT) == 0
}

/// Where a block's memory begins.
///
/// # Safety
/// A block that lives, of which this is known.
pub(super) unsafe fn start_of(block: NonNull<u8>, known: Known) -> Option<NonNull<u8>> {
    // SAFETY: so much is in front of it.
    unsafe {
        if !known.padded {
            return Some(block.sub(HEAD));
        }
        let start = block.sub(HEAD + 8).cast::<usize>().read();
        let ahead = block.addr().get().checked_sub(start).filter(|ahead| *ahead >= PAD)?;
        let first = shadow::find(start.checked_add(HEAD)?).filter(|_| start.is_multiple_of(STEP))?;
        // What was overwritten leads nowhere where such memory begins, or where another block's does.
        if first.load(Ordering::Relaxed) != shadow::PADDED {
            return None;
        }
        let start = block.sub(ahead);
        (align_of(start).is_some_and(|align| ahead_of(start, align) == ahead)).then_some(start)
    }
}

/// The block that lives in memory that begins there, and what is known of it: for whoever walks over memory. `None`: none lives
/// there. What is known may be missing, because it was damaged.
///
/// # Safety
/// Memory that was handed out for a block, and that can be read.
pub(super) unsafe fn block_in(start: NonNull<u8>) -> Option<Option<Known>> {
    // SAFETY: so many bytes, at the least.
    let block = unsafe { start.add(HEAD) };
    match shadow::find(block.addr().get())?.load(Ordering::Relaxed) {
        // SAFETY: its head is there.
        LIVE => Some(unsafe { read_head(block) }),
        shadow::PADDED => {
            // SAFETY: such memory.
            let Some(align) = (unsafe { align_of(start) }) else { return Some(None) };
            let ahead = ahead_of(start, align);
            let address = start.addr().get() + ahead;
            let lives = shadow::find(address).is_some_and(|state| state.load(Ordering::Relaxed) == LIVE);
            // SAFETY: a block that lives there has its head there.
            lives.then(|| unsafe { read_head(start.add(ahead)) })
        }
        _ => None,
    }
}

/// How far from its memory's start a block is that is at a multiple of `align`.
pub(super) fn ahead_of(start: NonNull<u8>, align: usize) -> usize {
    (start.addr().get() + PAD).next_multiple_of(align) - start.addr().get()
}

/// The alignment that memory was taken for whose block is not at its start, if it was not overwritten.
///
/// # Safety
/// Such memory, which can be read.
pub(super) unsafe fn align_of(start: NonNull<u8>) -> Option<usize> {
    // SAFETY: the caller's promise; whoever writes there writes whole words.
    let align = unsafe { start.cast::<AtomicU64>().as_ref() }.load(Ordering::Relaxed) as usize;
    (align.is_power_of_two() && align <= ALIGN_MOST).then_some(align)
}
