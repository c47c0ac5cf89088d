//! Sizes, times and counts as people read them; shared by the page and the program's tables.

/// Bytes in the largest binary unit that leaves at least 1 before the point: `512 B`, `3.25 MiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut unit = 0;
    // Exact for every unit: a power of two is divided out, and only the last step rounds.
    while unit + 1 < UNITS.len() && bytes >> (10 * (unit + 1)) != 0 {
        unit += 1;
    }
    if unit == 0 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = bytes as f64 / (1_u64 << (10 * unit)) as f64;
    format!("{} {}", significant(value), UNITS[unit])
}

/// A time in milliseconds with three digits, in the unit that suits it: `840 ns`, `42.1 µs`, `16.7 ms`, `1.20 s`.
/// A time that is no number is shown as `–`.
#[must_use]
pub fn millis(ms: f64) -> String {
    if !ms.is_finite() {
        return "–".to_owned();
    }
    let (value, unit) = match ms.abs() {
        0.0 => return "0 ms".to_owned(),
        size if size < 0.000_999_5 => (ms * 1e6, "ns"),
        size if size < 0.999_5 => (ms * 1e3, "µs"),
        size if size < 999.5 => (ms, "ms"),
        _ => (ms / 1e3, "s"),
    };
    format!("{} {unit}", significant(value))
}

/// A count with a comma after every third digit: `1,234,567`.
#[must_use]
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with what is counted, as one or as many: `1 frame`, `1,800 frames`.
#[must_use]
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Three digits, without zeros that say nothing after the point.
fn significant(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        _ if size < 9.995 => format!("{value:.2}"),
        _ if size < 99.95 => format!("{value:.1}"),
        _ if size < 1e6 => return format!("{value:.0}"),
        _ => return format!("{value:.1e}"),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_the_largest_unit_that_fits() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (8 << 20, "8 MiB"),
            ((3 << 20) + (1 << 18), "3.25 MiB"),
            (1 << 40, "1 TiB"),
            (u64::MAX, "16 EiB"),
        ];
        for (size, text) in cases {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn times_take_the_unit_that_suits_them() {
        let cases = [
            (0.0, "0 ms"),
            (0.000_5, "500 ns"),
            (0.042_13, "42.1 µs"),
            (0.999_7, "1 ms"),
            (16.666_7, "16.7 ms"),
            (1200.0, "1.2 s"),
            (1e30, "1.0e27 s"),
            (f64::NAN, "–"),
            (f64::INFINITY, "–"),
        ];
        for (ms, text) in cases {
            assert_eq!(millis(ms), text);
        }
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1000), "1,000");
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    }
}
