//! Malloc and free in functions of their own, whose instructions the driver counts.
//!
//! What is counted is what a Rust program executes for a call of the global allocator: all from the first instruction of
//! the function to its `ret`, both included, with what is inlined into it and whatever it calls. The caller's `call`, the
//! loop and the list of blocks are outside.
//!
//! Each case exists twice. The plain one gets the size as a number that the compiler does not know, as in a `Vec`; the
//! alignment is known. The `fixed` one knows the size as well, as in a `Box`. An allocator behind a C function sees no
//! difference.
#![expect(unsafe_code, reason = "calls the global allocator as collections do")]

use std::alloc::{Layout, alloc, dealloc};
use std::arch::asm;
use std::hint::black_box;

/// Blocks that are live at the same time in a batch.
pub const BATCH: usize = 64;

/// What can be counted: a name, the size of the block, and how many are live.
pub const CASES: &[Case] = &[
    Case { name: "64-batch", size: 64, live: BATCH, pins: Pins::HIDDEN },
    Case { name: "64-pair", size: 64, live: 1, pins: Pins::HIDDEN },
    Case { name: "1k-batch", size: 1024, live: BATCH, pins: Pins::HIDDEN },
    Case { name: "8k-batch", size: 8192, live: BATCH, pins: Pins::HIDDEN },
    Case { name: "64-batch-fixed", size: 64, live: BATCH, pins: Pins::fixed::<64>() },
    Case { name: "64-pair-fixed", size: 64, live: 1, pins: Pins::fixed::<64>() },
    Case { name: "1k-batch-fixed", size: 1024, live: BATCH, pins: Pins::fixed::<1024>() },
    Case { name: "8k-batch-fixed", size: 8192, live: BATCH, pins: Pins::fixed::<8192>() },
];

/// Something to count.
pub struct Case {
    /// By which it is asked for.
    pub name: &'static str,
    /// Bytes of each block.
    pub size: usize,
    /// Blocks that are allocated before the first is freed, which then are all freed, oldest first.
    pub live: usize,
    pins: Pins,
}

/// The two functions of a case.
#[derive(Clone, Copy)]
struct Pins {
    alloc: fn(usize) -> *mut u8,
    /// # Safety
    /// The block is from `alloc` with the same size, and nobody uses it any more.
    free: unsafe fn(*mut u8, usize),
}

impl Pins {
    const HIDDEN: Self = Self { alloc: pin_alloc, free: pin_free };

    const fn fixed<const SIZE: usize>() -> Self {
        Self { alloc: pin_alloc_fixed::<SIZE>, free: pin_free_fixed::<SIZE> }
    }
}

#[inline(never)]
fn pin_alloc(size: usize) -> *mut u8 {
    // SAFETY: the callers' sizes are the few of `CASES`: not zero, and far from the largest there can be.
    unsafe { alloc(Layout::from_size_align_unchecked(size, 8)) }
}

/// # Safety
/// See [`Pins::free`].
#[inline(never)]
unsafe fn pin_free(block: *mut u8, size: usize) {
    // SAFETY: the caller vouches for block and size; the layout is that of `pin_alloc`.
    unsafe { dealloc(block, Layout::from_size_align_unchecked(size, 8)) }
}

#[inline(never)]
fn pin_alloc_fixed<const SIZE: usize>(_: usize) -> *mut u8 {
    distinct::<SIZE>();
    // SAFETY: as in `pin_alloc`.
    unsafe { alloc(Layout::from_size_align_unchecked(SIZE, 8)) }
}

/// # Safety
/// See [`Pins::free`].
#[inline(never)]
unsafe fn pin_free_fixed<const SIZE: usize>(block: *mut u8, _: usize) {
    distinct::<SIZE>();
    // SAFETY: the caller vouches for the block; the layout is that of `pin_alloc_fixed`.
    unsafe { dealloc(block, Layout::from_size_align_unchecked(SIZE, 8)) }
}

/// No instruction at all, but another text for each size: functions with the same text would be merged into one that
/// jumps, which is an instruction more.
#[inline(always)]
fn distinct<const SIZE: usize>() {
    // SAFETY: a comment.
    unsafe { asm!("/* {} */", const SIZE, options(nomem, nostack, preserves_flags)) };
}

/// Where the two functions of a case begin, the one that allocates first; `None` if there is no such case.
pub fn addresses(case: &str) -> Option<(usize, usize)> {
    let Pins { alloc, free } = CASES.iter().find(|known| known.name == case)?.pins;
    Some((alloc as usize, free as usize))
}

/// Allocates and frees `rounds` times [`BATCH`] blocks; `None` if there is no such case.
pub fn run(case: &str, rounds: usize) -> Option<()> {
    let case = CASES.iter().find(|known| known.name == case)?;
    let Pins { alloc, free } = black_box(case.pins);
    let size = black_box(case.size);
    let mut blocks = Vec::with_capacity(case.live);
    for _ in 0..rounds * BATCH / case.live {
        for stamp in 0..case.live {
            let block = alloc(size);
            assert!(!block.is_null(), "no memory");
            // SAFETY: the block has `size` bytes and is aligned for a word.
            unsafe { block.cast::<u64>().write(stamp as u64) };
            blocks.push(block);
        }
        for (stamp, block) in blocks.drain(..).enumerate() {
            // SAFETY: written above.
            assert_eq!(unsafe { block.cast::<u64>().read() }, stamp as u64, "two blocks overlap");
            // SAFETY: from `alloc` of the same case, and taken out of the list.
            unsafe { free(block, size) };
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_runs_and_no_other() {
        assert!(CASES.iter().all(|case| run(case.name, 2).is_some()));
        assert!(run("no-such-case", 2).is_none());
    }
}
