//! Axes: where a value lies on the page, and which round values get a tick.

/// Maps values to a coordinate of the drawing and knows its ticks.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    log: bool,
    /// Round values between the ends, rising.
    pub(super) ticks: Vec<f64>,
}

impl Axis {
    /// From 0 to a round size in bytes that is at least `max`; every tick is a multiple of a power of two.
    pub(super) fn bytes(max: f64, from: f64, to: f64) -> Self {
        let max = max.max(1.0);
        let step = 2_f64.powi(ceil_to_i32((max / 5.0).log2())).max(1.0);
        Self::stepped(step, (max / step).ceil() * step, from, to)
    }

    /// From 0 to exactly `max`, with ticks at 1, 2 or 5 times a power of ten. For a count that ends where it ends.
    pub(super) fn exact(max: f64, from: f64, to: f64) -> Self {
        let max = max.max(1.0);
        Self::stepped(decimal_step(max / 8.0).max(1.0), max, from, to)
    }

    /// From 0 to a round value that is at least `max`, with decimal ticks.
    pub(super) fn decimal(max: f64, from: f64, to: f64) -> Self {
        let max = if max > 0.0 { max } else { 1.0 };
        let step = decimal_step(max / 5.0);
        Self::stepped(step, (max / step).ceil() * step, from, to)
    }

    /// Logarithmic between two positive values, with ticks at powers of ten and, the shorter the range, at more of their
    /// round multiples.
    pub(super) fn log(low: f64, high: f64, from: f64, to: f64) -> Self {
        debug_assert!(low > 0.0 && high > low, "a logarithmic axis needs 0 < low < high");
        let decades = (high / low).log10();
        let within: &[f64] = match decades {
            _ if decades <= 0.8 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
            _ if decades <= 3.0 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let mut ticks = Vec::new();
        for power in ceil_to_i32(low.log10()) - 1..=ceil_to_i32(high.log10()) {
            for factor in within {
                let tick = factor * 10_f64.powi(power);
                // A hair of room, so that an end that is a power of ten keeps its tick in spite of rounding.
                if tick >= low * 0.999_999 && tick <= high * 1.000_001 {
                    ticks.push(tick);
                }
            }
        }
        Self { low, high, from, to, log: true, ticks }
    }

    fn stepped(step: f64, high: f64, from: f64, to: f64) -> Self {
        let mut ticks = Vec::new();
        let mut index = 0.0;
        // Never more than a few: the step is a fifth or an eighth of the range, rounded up.
        while index * step <= high * 1.000_001 && ticks.len() < 32 {
            ticks.push(index * step);
            index += 1.0;
        }
        Self { low: 0.0, high, from, to, log: false, ticks }
    }

    /// Where `value` lies; values outside the axis lie on its nearer end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        self.from + share * (self.to - self.from)
    }

    /// Whether `value` lies between the ends.
    pub(super) fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least `value`.
fn decimal_step(value: f64) -> f64 {
    let power = 10_f64.powi(ceil_to_i32(value.log10()) - 1);
    [1.0, 2.0, 5.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|&step| step >= value)
        .unwrap_or(10.0 * power)
}

/// Rounds up; only exponents of `f64` come here, so that the cast cannot cut.
#[expect(clippy::cast_possible_truncation, reason = "the exponent of an f64 is below 2000")]
fn ceil_to_i32(value: f64) -> i32 {
    value.ceil().clamp(-2000.0, 2000.0) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_ticks_are_multiples_of_a_power_of_two_and_cover_the_value() {
        for max in [0.0, 1.0, 5000.0, 3.3 * 1024.0 * 1024.0, 18_446_744_073_709_551_615.0] {
            let axis = Axis::bytes(max, 0.0, 100.0);
            let step = axis.ticks[1];
            assert!((step.log2() - step.log2().round()).abs() < 1e-9, "{max}: {step}");
            assert!(axis.holds(max) && (2..=7).contains(&axis.ticks.len()), "{max}: {:?}", axis.ticks);
        }
    }

    #[test]
    fn an_exact_axis_ends_where_the_count_ends() {
        let axis = Axis::exact(1800.0, 10.0, 110.0);
        assert!((axis.at(1800.0) - 110.0).abs() < 1e-9);
        assert_eq!(axis.ticks, [0.0, 500.0, 1000.0, 1500.0]);
        assert_eq!(Axis::exact(1.0, 0.0, 1.0).ticks, [0.0, 1.0]);
    }

    #[test]
    fn a_log_axis_has_round_ticks_and_clamps() {
        let axis = Axis::log(0.01, 1.0, 0.0, 200.0);
        assert!((axis.at(0.1) - 100.0).abs() < 1e-9);
        assert!(axis.at(0.0).abs() < 1e-9 && (axis.at(50.0) - 200.0).abs() < 1e-9);
        assert_eq!(axis.ticks.len(), 7, "{:?}", axis.ticks);
        assert_eq!(Axis::log(0.001, 100.0, 0.0, 1.0).ticks.len(), 6);
    }

    #[test]
    fn decimal_steps_are_one_two_or_five() {
        for (value, step) in [(0.011, 0.02), (0.3, 0.5), (1.0, 1.0), (3.0, 5.0), (7.0, 10.0)] {
            assert!((decimal_step(value) - step).abs() < 1e-12, "{value}");
        }
    }

    #[test]
    fn what_is_no_number_lies_on_the_axis() {
        assert!(Axis::decimal(f64::INFINITY, 0.0, 1.0).at(f64::NAN).is_finite());
    }
}
