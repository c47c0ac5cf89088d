//! Medians, and how sure a median is.

/// The middle value; the mean of the two middle ones of an even number.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { f64::midpoint(sorted[half - 1], sorted[half]) }
}

/// A median with the interval that holds it in 95 of 100 repetitions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

const RESAMPLES: usize = 4000;

impl Estimate {
    /// Percentile bootstrap of the median. The generator starts from the same seed each time, so that the same
    /// measurements give the same interval.
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        let mut sample = vec![0.0; values.len()];
        let mut medians: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                for place in &mut sample {
                    *place = values[random.below(values.len())];
                }
                median(&sample)
            })
            .collect();
        medians.sort_unstable_by(f64::total_cmp);
        Self {
            median: median(values),
            low: medians[RESAMPLES * 25 / 1000],
            high: medians[RESAMPLES * 975 / 1000 - 1],
        }
    }

    /// Whether the measurements can not tell the two apart.
    pub(crate) fn is_tie(self) -> bool {
        self.low <= 1.0 && 1.0 <= self.high
    }
}

/// A small generator of pseudo-random numbers (xorshift64*).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn an_interval_holds_its_median_and_narrows_with_agreement() {
        let wide: Vec<f64> = (0..41).map(|i| 0.5 + f64::from(i) / 40.0).collect();
        let narrow: Vec<f64> = (0..41).map(|i| 0.99 + f64::from(i) / 4000.0).collect();
        let (wide, narrow) = (Estimate::of(&wide), Estimate::of(&narrow));
        assert!(wide.low <= wide.median && wide.median <= wide.high);
        assert!(wide.high - wide.low > 10.0 * (narrow.high - narrow.low));
        assert!(wide.is_tie());
    }

    #[test]
    fn a_clear_difference_is_no_tie() {
        let values: Vec<f64> = (0..31).map(|i| 0.6 + f64::from(i % 5) / 100.0).collect();
        assert!(!Estimate::of(&values).is_tie());
    }
}
