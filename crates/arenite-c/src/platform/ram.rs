//! The machine's memory, as far as a signed number of 32 bits can say it.

use core::ffi::c_long;

use arenite::os;

/// A `long` had 32 bits, and programs compare, subtract and print it as if it still had.
const MOST: u64 = i32::MAX as u64;

fn clamp(bytes: u64) -> c_long {
    bytes.min(MOST) as c_long
}

/// Bytes of RAM that could be used now without swapping.
pub(super) fn free() -> c_long {
    clamp(os::machine_memory().available)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stay_positive_as_32_bits() {
        assert_eq!(
            [0, 5, MOST, MOST + 1, 1 << 40, u64::MAX].map(clamp),
            [0, 5, 0x7FFF_FFFF, 0x7FFF_FFFF, 0x7FFF_FFFF, 0x7FFF_FFFF]
        );
        assert!(free() > 0);
    }
}
