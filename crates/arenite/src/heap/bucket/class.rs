//! Size classes: which sizes share a page.
//!
//! Steps of 16 bytes up to 1 KiB, then 8 classes an octave up to 32 KiB, so that at most an eighth of a block (or 15 bytes)
//! is rounding. Class 0 has no blocks: whoever asks for nothing takes the slow path, which gives the smallest block.

/// Classes there are, class 0 included.
pub(super) const CLASSES: usize = 1 + 64 + 8 * 5;

/// The largest block of a class; what is larger has a span of its own.
pub(super) const LARGEST: usize = 32 << 10;

/// Sizes up to this one are 16 bytes apart.
pub(super) const FINE: usize = 1 << 10;

/// Every block starts at a multiple of this, and every class is one.
pub(super) const QUANTUM: usize = 16;

/// The class of blocks of `size` bytes. `size` is at most [`LARGEST`].
#[inline(always)]
pub(super) const fn class_of(size: usize) -> usize {
    if size <= FINE { size.div_ceil(QUANTUM) } else { coarse(size) }
}

#[inline(always)]
const fn coarse(size: usize) -> usize {
    let last = size - 1;
    // 0 for 1 KiB to 2 KiB. The three bits behind the leading one say which eighth of the octave.
    let octave = last.ilog2() as usize - 10;
    65 + octave * 8 + ((last >> (octave + 7)) & 7)
}

/// Bytes of a block of this class.
pub(super) const fn size_of_class(class: usize) -> usize {
    if class <= 64 {
        class * QUANTUM
    } else {
        let (octave, eighth) = ((class - 65) / 8, (class - 65) % 8);
        (9 + eighth) << (octave + 7)
    }
}

/// The smallest class whose blocks hold `size` bytes and lie at multiples of `align`, which is a power of two. `None` if
/// there is none: then it is a matter of spans.
pub(super) fn aligned_class(size: usize, align: usize) -> Option<usize> {
    if size > LARGEST || align > super::segment::HEADER {
        return None;
    }
    let least = if size == 0 { 1 } else { size };
    (class_of(least)..CLASSES).find(|class| size_of_class(*class).is_multiple_of(align))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_in_order_and_hold_what_they_should() {
        assert_eq!((size_of_class(CLASSES - 1), class_of(LARGEST)), (LARGEST, CLASSES - 1));
        for size in 1..=LARGEST {
            let class = class_of(size);
            let (block, smaller) = (size_of_class(class), size_of_class(class - 1));
            assert!(block >= size && smaller < size, "{size}: {smaller} {block}");
            assert!(block - size < QUANTUM || (block - size) * 8 <= size, "{size}: {block}");
            assert!(block.is_multiple_of(QUANTUM));
        }
        assert_eq!(class_of(0), 0);
    }

    #[test]
    fn an_aligned_class_is_aligned_and_not_larger_than_it_must_be() {
        for align in (0..14).map(|bit| 1usize << bit) {
            for size in [0, 1, 15, 16, 17, 100, 1000, 1024, 1025, 4096, 5000, 8192, 20_000, LARGEST] {
                let class = aligned_class(size, align).unwrap();
                assert!(size_of_class(class) >= size.max(1) && size_of_class(class).is_multiple_of(align));
                let next = size.max(1).next_multiple_of(align).next_power_of_two();
                assert!(size_of_class(class) <= next.max(16), "{size} at {align}");
            }
        }
        assert_eq!((aligned_class(LARGEST + 1, 16), aligned_class(16, 16384)), (None, None));
    }
}
