//! What a sample tells of all: the one place that knows for how much a recorded block stands, and how far sums of them may be off.
//!
//! A block of `s` bytes is in a sample of one for `mean` bytes with a chance of p = 1 − e^(−s/mean), whatever happened to others
//! (`arenite::record`'s `sample`). So it stands for 1/p blocks and s/p bytes, which makes sums right on average (Horvitz and
//! Thompson), and the variance of such a sum is estimated by the sum of (1 − p)/p² and s²(1 − p)/p². Both depend on the size alone:
//! they are added when a block is told and taken off when it goes.

use crate::Block;

/// So many standard deviations have 95 of 100.
const TWO: f64 = 1.96;

/// Sums over all blocks, from those that were recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Blocks.
    pub blocks: f64,
    /// Bytes.
    pub bytes: f64,
    /// The true number of bytes is no further from [`bytes`](Self::bytes) than this, nineteen times in twenty. 0 if every block was
    /// recorded, and if none was: what is not in the sample may be three times the sampling interval all the same.
    pub within: f64,
    /// The same for blocks.
    pub blocks_within: f64,
}

impl Estimate {
    /// Of blocks of these sizes, one of which was recorded for `mean` bytes, on average; 0: every one.
    #[must_use]
    pub fn of(sizes: impl IntoIterator<Item = u64>, mean: u64) -> Self {
        let sampling = Sampling::new(mean);
        let (mut blocks, mut bytes, mut spread) = (0.0, 0.0, Spread::default());
        // A block of no bytes is never in a sample.
        for size in sizes.into_iter().filter(|size| mean == 0 || *size > 0) {
            let weight = sampling.weight(size);
            blocks += weight;
            bytes += weight * size as f64;
            spread.add(&sampling.spread(size));
        }
        spread.estimate(blocks, bytes)
    }
}

/// How far sums of a sample may be from the truth: their variances, which add up as the sums do. Nothing if every block was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    blocks: f64,
    bytes: f64,
}

impl Spread {
    /// The sums that this belongs to, with their intervals.
    #[must_use]
    pub fn estimate(self, blocks: f64, bytes: f64) -> Estimate {
        let (within, blocks_within) = (interval(bytes, self.bytes), interval(blocks, self.blocks));
        Estimate { blocks, bytes, within, blocks_within }
    }

    /// As [`Estimate::within`], in whole bytes, of a sum of so many.
    #[must_use]
    pub fn bytes_within(self, bytes: u64) -> u64 {
        interval(bytes as f64, self.bytes).ceil() as u64
    }

    /// As [`Estimate::blocks_within`], in whole blocks, of a sum of so many.
    #[must_use]
    pub fn blocks_within(self, blocks: u64) -> u64 {
        interval(blocks as f64, self.blocks).ceil() as u64
    }

    /// How far the bytes of a difference may be from the truth, whatever it is. See [`without`](Self::without).
    #[must_use]
    pub fn difference_bytes_within(self) -> u64 {
        (TWO * self.bytes.sqrt()).ceil() as u64
    }

    /// The same of blocks.
    #[must_use]
    pub fn difference_blocks_within(self) -> u64 {
        (TWO * self.blocks.sqrt()).ceil() as u64
    }

    /// Both together, if no block is in both.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.add(other);
        self
    }

    /// Of what is left without some of the blocks. So the difference of two sums, `a.without(&both).and(&b.without(&both))`, is not put off
    /// by blocks that are in both.
    #[must_use]
    pub fn without(mut self, some: &Self) -> Self {
        self.remove(some);
        self
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.blocks += other.blocks;
        self.bytes += other.bytes;
    }

    pub(crate) fn remove(&mut self, other: &Self) {
        // What is added and taken off may leave a rounding error behind.
        self.blocks = (self.blocks - other.blocks).max(0.0);
        self.bytes = (self.bytes - other.bytes).max(0.0);
    }
}

/// Half of an interval that has the truth 95 times in 100. Of few blocks the usual one (1.96 deviations) is too narrow, because the variance
/// is estimated from the same few: this is the upper half of the one that takes the variance to grow with the truth (Wilson's), on both sides.
fn interval(sum: f64, variance: f64) -> f64 {
    if sum <= 0.0 || variance <= 0.0 {
        return 0.0;
    }
    let each = TWO * variance / sum / 2.0;
    TWO * (each + f64::sqrt(variance + each * each))
}

/// For what a recorded block stands, in whole numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Share {
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
    pub(crate) spread: Spread,
}

/// How blocks were chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sampling {
    mean: u64,
}

impl Sampling {
    /// One block for so many bytes, on average; 0: every one.
    pub(crate) const fn new(mean: u64) -> Self {
        Self { mean }
    }

    fn chance(self, size: u64) -> f64 {
        let chance = -(-(size as f64) / self.mean as f64).exp_m1();
        if self.mean == 0 || size == 0 { 1.0 } else { chance.max(f64::MIN_POSITIVE) }
    }

    /// For how many blocks one of this size stands.
    fn weight(self, size: u64) -> f64 {
        1.0 / self.chance(size)
    }

    fn spread(self, size: u64) -> Spread {
        let chance = self.chance(size);
        let blocks = (1.0 - chance) / (chance * chance);
        Spread { blocks, bytes: blocks * size as f64 * size as f64 }
    }

    /// What a block stands for, the same whenever it is asked: so what goes takes off what it brought.
    ///
    /// Sums are of whole numbers, and a block of three times the interval stands for 1.05. It is counted as one nineteen times in
    /// twenty and else as two, which is as good as drawn (from the block's time and stack, which the sampler does not look at), so that sums
    /// stay right on average. How far that may put them off is in the spread.
    pub(crate) fn share(self, block: &Block) -> Share {
        let size = block.size;
        if self.mean == 0 || size == 0 {
            return Share { blocks: 1, bytes: size, spread: Spread::default() };
        }
        let (weight, mut spread) = (self.weight(size), self.spread(size));
        let rest = weight.fract();
        spread.blocks += rest * (1.0 - rest);
        Share {
            blocks: (weight as u64).saturating_add(u64::from(drawn(block) < rest)),
            bytes: (weight * size as f64).round() as u64,
            spread,
        }
    }
}

/// A number from 0 up to 1 that is as good as random, and always the same one for a block.
fn drawn(block: &Block) -> f64 {
    let owner = u64::from(block.stack) << 32 | u64::from(block.thread);
    let mut mixed = block.time ^ block.size.rotate_left(24) ^ owner.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for _ in 0..2 {
        mixed = (mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    }
    ((mixed ^ mixed >> 32) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(size: u64, time: u64) -> Block {
        Block { size, time, stack: (time % 7) as u32, tag: 0, thread: 1 }
    }

    #[test]
    fn every_block_stands_for_itself_if_all_were_recorded() {
        let share = Sampling::new(0).share(&block(u64::MAX, 5));
        assert_eq!((share.blocks, share.bytes, share.spread), (1, u64::MAX, Spread::default()));
        let estimate = Estimate::of([100, 0, 23], 0);
        assert_eq!((estimate.blocks, estimate.bytes, estimate.within), (3.0, 123.0, 0.0));
    }

    #[test]
    fn whole_numbers_are_right_on_average() {
        let sampling = Sampling::new(4096);
        for size in [1, 64, 1000, 4096, 5000, 20_000, 100_000] {
            let shares: Vec<Share> =
                (0..20_000).map(|time| sampling.share(&block(size, time * 37))).collect();
            let blocks = shares.iter().map(|share| share.blocks as f64).sum::<f64>() / 20_000.0;
            let weight = sampling.weight(size);
            // Four deviations of a number that is one of two neighbours, at the most.
            assert!(
                (blocks - weight).abs() < 4.0 * 0.5 / f64::sqrt(20_000.0),
                "{size}: {blocks} of {weight}"
            );
            assert!((shares[0].bytes as f64 - weight * size as f64).abs() <= 0.5);
            assert_eq!(shares[7], sampling.share(&block(size, 7 * 37)), "it is the same each time");
        }
    }

    #[test]
    fn what_goes_takes_its_spread_along() {
        let sampling = Sampling::new(512 << 10);
        let mut spread = Spread::default();
        let shares: Vec<Share> = (1..500).map(|step| sampling.share(&block(step * step, step))).collect();
        shares.iter().for_each(|share| spread.add(&share.spread));
        let [blocks, bytes] = [|share: &Share| share.blocks, |share: &Share| share.bytes]
            .map(|figure| shares.iter().map(figure).sum::<u64>());
        assert!(spread.bytes_within(bytes) > 512 << 10 && spread.blocks_within(blocks) > 0);
        shares.iter().for_each(|share| spread.remove(&share.spread));
        assert_eq!((spread.bytes_within(0), spread.blocks_within(0)), (0, 0));
        assert!(spread.bytes_within(1 << 20) < 64 << 10, "a rounding error at the most: {spread:?}");
    }

    #[test]
    fn absurd_sizes_have_a_share() {
        for (size, mean) in [(1, u64::MAX), (u64::MAX, 1), (u64::MAX, u64::MAX), (0, 1), (1, 1)] {
            let share = Sampling::new(mean).share(&block(size, 1));
            let estimate = share.spread.estimate(share.blocks as f64, share.bytes as f64);
            assert!(share.blocks > 0 && estimate.within.is_finite() && estimate.blocks_within.is_finite());
        }
    }
}
