//! The statistics of a comparison: medians, ratios of pairs, and an interval that a coin flip does not explain.

/// How many times the pairs are drawn again for an interval.
const DRAWS: usize = 10_000;
/// With fewer pairs than this even pairs that all agree are no proof at 95 % (five coins fall alike in 1 of 16 throws).
pub(crate) const FEWEST_PAIRS: usize = 6;

/// The middle value, or the mean of the two in the middle; `None` without values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = sorted[sorted.len() / 2 - 1];
    // Two infinite ratios have an infinite middle.
    Some(if lower == upper { lower } else { f64::midpoint(lower, upper) })
}

/// How the first of a pair compares with the second: 1 when both are 0, infinite when only the second is.
pub(crate) fn ratio(first: f64, second: f64) -> f64 {
    if first == second { 1.0 } else { first / second }
}

/// A value with the interval that holds it with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    /// The median of the sample.
    pub(crate) median: f64,
    /// Lower end of the interval.
    pub(crate) low: f64,
    /// Upper end of the interval.
    pub(crate) high: f64,
    /// How many values it rests on.
    pub(crate) pairs: usize,
}

/// What an estimate of a ratio allows one to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The interval lies below 1: the first is lower.
    Lower,
    /// The interval lies above 1: the first is higher.
    Higher,
    /// The interval contains 1.
    Tie,
    /// There are too few pairs for an interval that means something.
    TooFew,
}

impl Estimate {
    /// Estimates the median of `values` by the percentile bootstrap: the interval holds the middle 95 % of the medians
    /// of samples drawn from the values with replacement. The draws have a fixed seed, so that the same values always
    /// give the same interval. `None` without values.
    pub(crate) fn of_median(values: &[f64]) -> Option<Self> {
        let median_of_all = median(values)?;
        let mut draw = Draw(0x0a5e_917e);
        let mut medians = Vec::with_capacity(DRAWS);
        let mut sample = vec![0.0; values.len()];
        for _ in 0..DRAWS {
            sample.fill_with(|| values[draw.below(values.len())]);
            medians.extend(median(&sample));
        }
        medians.sort_by(f64::total_cmp);
        let cut = DRAWS / 40;
        Some(Self {
            median: median_of_all,
            low: medians[cut],
            high: medians[DRAWS - 1 - cut],
            pairs: values.len(),
        })
    }

    /// What the estimate, taken as one of a ratio, allows one to say.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            _ if self.pairs < FEWEST_PAIRS => Verdict::TooFew,
            _ if self.high < 1.0 => Verdict::Lower,
            _ if self.low > 1.0 => Verdict::Higher,
            _ => Verdict::Tie,
        }
    }
}

/// SplitMix64: small, repeatable, and good enough to draw samples with.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        // The high half of a product maps evenly enough: bounds are a few thousand at most.
        ((u128::from(bits) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_known_values() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[f64::INFINITY, f64::INFINITY]), Some(f64::INFINITY));
    }

    #[test]
    fn ratios_of_zeros_are_defined() {
        assert_eq!(ratio(0.0, 0.0), 1.0);
        assert_eq!(ratio(0.0, 5.0), 0.0);
        assert_eq!(ratio(5.0, 0.0), f64::INFINITY);
        assert_eq!(ratio(3.0, 2.0), 1.5);
    }

    #[test]
    fn an_interval_holds_its_median_and_does_not_change() {
        let values = [0.90, 0.95, 0.97, 1.00, 1.02, 1.05, 1.30];
        let estimate = Estimate::of_median(&values).expect("there are values");
        assert_eq!(estimate.median, 1.00);
        assert!((0.90..=0.97).contains(&estimate.low), "{estimate:?}");
        assert!((1.02..=1.30).contains(&estimate.high), "{estimate:?}");
        assert_eq!(Estimate::of_median(&values), Some(estimate));
        assert_eq!(estimate.verdict(), Verdict::Tie);
    }

    #[test]
    fn the_interval_of_seven_is_the_one_of_the_binomial_law() {
        // The bootstrap median of seven values is the k-th smallest with a known probability: at most the second smallest
        // with P(Binomial(7, 2/7) >= 4) = 9.2 %, the smallest with P(Binomial(7, 1/7) >= 4) = 0.98 %. So 2.5 % falls on the
        // second smallest, and by symmetry 97.5 % on the second largest.
        let estimate = Estimate::of_median(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]).expect("there are values");
        assert_eq!((estimate.low, estimate.median, estimate.high), (2.0, 4.0, 6.0));
    }

    #[test]
    fn verdicts_follow_the_interval() {
        let verdict = |values: &[f64]| Estimate::of_median(values).expect("there are values").verdict();
        assert_eq!(verdict(&[0.5, 0.6, 0.55, 0.52, 0.58, 0.57, 0.6]), Verdict::Lower);
        assert_eq!(verdict(&[1.5, 1.6, 1.55, 1.52, 1.58, 1.57, f64::INFINITY]), Verdict::Higher);
        assert_eq!(verdict(&[1.0; 7]), Verdict::Tie);
        assert_eq!(verdict(&[0.5; 5]), Verdict::TooFew);
    }

    #[test]
    fn draws_reach_every_value_about_equally() {
        let mut draw = Draw(1);
        let mut hits = [0_u32; 7];
        for _ in 0..70_000 {
            hits[draw.below(7)] += 1;
        }
        assert!(hits.iter().all(|&count| (9_500..10_500).contains(&count)), "{hits:?}");
    }
}
