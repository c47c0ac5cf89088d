//! Numbers and sizes that are the same in every program.

/// SplitMix64: one addition and three multiplications or shifts a number, so that it hardly shows beside an allocation.
pub(crate) struct Random(u64);

impl Random {
    /// The generator of one thread of a workload.
    pub(crate) fn new(workload: &str, thread: usize) -> Self {
        Self(digest(workload.as_bytes()) ^ (thread as u64 + 1).wrapping_mul(0xD1B5_4A32_D192_ED03))
    }

    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    #[inline]
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// A number from `low` to `high`, both included, where each octave is as likely as any other: what sizes of
    /// programs look like, many small ones and a few large ones.
    #[inline]
    pub(crate) fn size(&mut self, low: usize, high: usize) -> usize {
        debug_assert!(0 < low && low <= high);
        let octaves = (high / low).ilog2() + 1;
        let start = low << self.below(octaves as usize);
        (start + self.below(start)).min(high)
    }
}

/// Puts `value` into a checksum that depends on the order.
#[inline]
pub(crate) fn mix(sum: u64, value: u64) -> u64 {
    (sum ^ value).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(23)
}

/// FNV-1a of some bytes.
#[inline]
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_stay_in_their_range_and_use_all_of_it() {
        let mut random = Random::new("test", 0);
        let sizes: Vec<usize> = (0..20_000).map(|_| random.size(16, 1000)).collect();
        assert!(sizes.iter().all(|size| (16..=1000).contains(size)));
        assert!(sizes.iter().any(|size| *size < 20) && sizes.iter().any(|size| *size > 900));
        let small = sizes.iter().filter(|size| **size < 128).count();
        assert!((9_000..11_000).contains(&small), "three octaves of six: {small}");
        assert_eq!(random.size(64, 64), 64);
    }

    #[test]
    fn threads_differ_and_repeat() {
        assert_eq!(Random::new("a", 3).next(), Random::new("a", 3).next());
        assert_ne!(Random::new("a", 0).next(), Random::new("a", 1).next());
        assert_ne!(Random::new("a", 0).next(), Random::new("b", 0).next());
    }
}
