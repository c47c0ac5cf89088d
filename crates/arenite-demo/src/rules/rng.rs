//! Random numbers: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).

/// The odd constant nearest to 2⁶⁴ divided by the golden ratio.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Turns any 64 bits into 64 well-mixed ones; a bijection.
#[inline]
pub fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// A small generator with 64 bits of state. Good enough for a game; not for secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rng(u64);

impl Rng {
    /// The generator that starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator that depends on `seed` and two more numbers, for example a frame and an agent.
    ///
    /// Agents think on many threads; a generator of its own for each makes their order irrelevant.
    pub fn keyed(seed: u64, a: u64, b: u64) -> Self {
        Self(mix(mix(seed ^ mix(a.wrapping_add(STEP))) ^ b.wrapping_mul(STEP)))
    }

    /// The next 64 bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        // The high half of a product: not exactly uniform, off by less than bound / 2³².
        ((u64::from(bound) * (self.next_u64() >> 32)) >> 32) as u32
    }

    /// A number from `-range` to `range`. `range` is not negative.
    #[inline]
    pub fn around(&mut self, range: i32) -> i32 {
        self.below(2 * range.unsigned_abs() + 1) as i32 - range
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn reference_values() {
        // Published with the algorithm's reference implementation.
        let mut rng = Rng::new(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(expected.map(|_| rng.next_u64()), expected);
        assert_eq!(Rng::new(0).next_u64(), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn bounds_are_kept_and_reached() {
        let mut rng = Rng::new(7);
        let mut seen = [0u32; 10];
        for _ in 0..1000 {
            seen[rng.below(10) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| n > 50), "{seen:?}");
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.around(0), 0);
        let mut reached = [false; 7];
        for _ in 0..200 {
            reached[(rng.around(3) + 3) as usize] = true;
        }
        assert_eq!(reached, [true; 7]);
    }

    #[test]
    fn keys_matter() {
        let first = |a, b, c| Rng::keyed(a, b, c).next_u64();
        assert_ne!(first(1, 2, 3), first(2, 2, 3));
        assert_ne!(first(1, 2, 3), first(1, 3, 2));
        assert_ne!(first(1, 2, 3), first(1, 2, 4));
    }
}
