//! Hides values from the compiler, and looks at them.
#![expect(unsafe_code, reason = "hides references from the compiler without storing them")]

use std::arch::asm;

/// Tells the compiler that what a reference points to is read. Unlike `black_box` it does not store the reference,
/// which in loops of a few instructions would be a good part of what is measured.
#[inline(always)]
pub(crate) fn used<T: ?Sized>(value: &T) {
    let address = std::ptr::from_ref(value).cast::<u8>();
    // SAFETY: no instructions at all; the compiler has to assume that they read and write memory.
    unsafe { asm!("/* {} */", in(reg) address, options(nostack, preserves_flags)) };
}

/// The same reference, of which the compiler knows nothing any more.
#[inline(always)]
pub(crate) fn hidden<T>(value: &mut T) -> &mut T {
    let mut address = std::ptr::from_mut(value);
    // SAFETY: no instructions at all, so the address stays what it was.
    unsafe {
        asm!("/* {} */", inout(reg) address, options(nostack, preserves_flags));
        &mut *address
    }
}

/// What a set of allocations holds, after a look at whether they are allocations at all: aligned, and nobody's twice.
pub(crate) fn digest<'a, T: 'a>(blocks: impl IntoIterator<Item = &'a T>, word: impl Fn(&T) -> u64) -> u64 {
    let mut starts = Vec::new();
    let mut sum = 0u64;
    for block in blocks {
        let start = std::ptr::from_ref(block).addr();
        assert_eq!(start % align_of::<T>(), 0, "a block is not aligned");
        starts.push(start);
        sum = sum.wrapping_mul(31).wrapping_add(word(block));
    }
    starts.sort_unstable();
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= size_of::<T>()), "two blocks overlap");
    sum
}
