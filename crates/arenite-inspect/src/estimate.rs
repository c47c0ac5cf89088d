//! What a sample tells of all.

/// Sums over all blocks, from those that were recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Blocks.
    pub blocks: f64,
    /// Bytes.
    pub bytes: f64,
    /// The true number of bytes is no further from [`bytes`](Self::bytes) than this, nineteen times in twenty. 0 if every block was
    /// recorded. Of a few blocks only, or of blocks much smaller than the sampling interval, it is itself a guess.
    pub within: f64,
    /// The same for blocks.
    pub blocks_within: f64,
}

/// So many standard deviations have 95 of 100.
const TWO: f64 = 1.96;

impl Estimate {
    /// Of blocks of these sizes, one of which was recorded for `mean` bytes, on average; 0: every one.
    #[must_use]
    pub fn of(sizes: impl IntoIterator<Item = u64>, mean: u64) -> Self {
        let (mut all, mut variance, mut blocks_variance) = (Self::default(), 0.0, 0.0);
        for size in sizes {
            let bytes = size as f64;
            // A block of no bytes is never recorded.
            let chance = if mean == 0 { 1.0 } else { -(-bytes / mean as f64).exp_m1() };
            if chance <= 0.0 {
                continue;
            }
            all.blocks += 1.0 / chance;
            all.bytes += bytes / chance;
            let spread = (1.0 - chance) / (chance * chance);
            variance += bytes * bytes * spread;
            blocks_variance += spread;
        }
        Self { within: TWO * f64::sqrt(variance), blocks_within: TWO * f64::sqrt(blocks_variance), ..all }
    }
}
