//! Rounding of sizes and addresses. Every function is O(1) and branch-free unless it says otherwise.

use core::alloc::Layout;
use core::ptr::{NonNull, without_provenance_mut};

/// Where a block without bytes can lie: nowhere, but aligned.
#[cfg_attr(
    not(any(feature = "allocator-api2", all(feature = "std", not(loom), target_pointer_width = "64"))),
    expect(dead_code, reason = "for the heaps' faces and what stands on them")
)]
#[inline]
pub(crate) const fn nowhere(layout: Layout) -> NonNull<u8> {
    // An alignment is not zero.
    match NonNull::new(without_provenance_mut(layout.align())) {
        Some(place) => place,
        None => NonNull::dangling(),
    }
}

/// Whether `value` is a multiple of `align`, a power of two.
#[inline]
#[must_use]
pub const fn is_aligned(value: usize, align: usize) -> bool {
    debug_assert!(align.is_power_of_two());
    value & (align - 1) == 0
}

/// Rounds down to a multiple of `align`, a power of two.
#[inline]
#[must_use]
pub const fn align_down(value: usize, align: usize) -> usize {
    debug_assert!(align.is_power_of_two());
    value & !(align - 1)
}

/// Rounds up to a multiple of `align`, a power of two; `None` when the result does not fit a `usize`.
#[inline]
#[must_use]
pub const fn checked_align_up(value: usize, align: usize) -> Option<usize> {
    debug_assert!(align.is_power_of_two());
    match value.checked_add(align - 1) {
        Some(sum) => Some(align_down(sum, align)),
        None => None,
    }
}

/// Rounds up to a multiple of `align`, a power of two. The caller knows that the result fits: a wrapped result is
/// below `value`.
#[inline]
#[must_use]
pub const fn align_up_wrapping(value: usize, align: usize) -> usize {
    debug_assert!(align.is_power_of_two());
    align_down(value.wrapping_add(align - 1), align)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_agrees_with_division() {
        for shift in 0..13 {
            let align = 1usize << shift;
            for value in (0..3000).chain([usize::MAX / 2, usize::MAX - 1, usize::MAX]) {
                assert_eq!(align_down(value, align), value / align * align);
                assert_eq!(is_aligned(value, align), value % align == 0);
                let up = value.div_ceil(align).checked_mul(align);
                assert_eq!(checked_align_up(value, align), up);
                if let Some(up) = up {
                    assert_eq!(align_up_wrapping(value, align), up);
                } else {
                    assert!(align_up_wrapping(value, align) < value);
                }
            }
        }
    }
}
