//! Times as they are typed: `50us`, `2ms`, `0`.

const SECOND: u64 = 1_000_000_000;

/// Reads a time of at most a second, in nanoseconds.
///
/// # Errors
/// One line that says which forms are understood.
pub(crate) fn parse_duration(text: &str) -> Result<u64, String> {
    parse(text, 0..=SECOND).ok_or_else(|| {
        format!("'{text}' is no time up to a second; write a whole number of ns, us or ms (50us), or 0")
    })
}

/// Reads how much time is between two pictures, in nanoseconds.
///
/// # Errors
/// As [`parse_duration`].
pub(crate) fn parse_interval(text: &str) -> Result<u64, String> {
    parse(text, SECOND / 10..=3600 * SECOND).ok_or_else(|| {
        format!("'{text}' is no time from 100ms to an hour; write a whole number of ms, s or min (500ms)")
    })
}

/// Reads a time of at most a year, in nanoseconds.
///
/// # Errors
/// As [`parse_duration`].
pub(crate) fn parse_long(text: &str) -> Result<u64, String> {
    parse(text, 0..=366 * 86_400 * SECOND)
        .ok_or_else(|| format!("'{text}' is no time; write a whole number of ms, s, min or h (30s)"))
}

/// A whole number of some unit, if it is within these nanoseconds.
fn parse(text: &str, within: std::ops::RangeInclusive<u64>) -> Option<u64> {
    const UNITS: [(&str, u64); 7] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("ms", 1_000_000),
        ("s", SECOND),
        ("min", 60 * SECOND),
        ("h", 3600 * SECOND),
    ];
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim_start();
    let time = if unit.is_empty() && number == 0 {
        0
    } else {
        let (_, factor) = *UNITS.iter().find(|(name, _)| *name == unit)?;
        number.checked_mul(factor)?
    };
    within.contains(&time).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_every_unit() {
        let cases = [
            ("0", 0),
            ("0us", 0),
            ("50us", 50_000),
            (" 50 µs", 50_000),
            ("2ms", 2_000_000),
            ("999ns", 999),
            ("1s", 1_000_000_000),
        ];
        for (text, time) in cases {
            assert_eq!(parse_duration(text), Ok(time), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "50",
            "us",
            "-1us",
            "1.5ms",
            "2s",
            "1001ms",
            "1min",
            "99999999999999999999ms",
            "18446744073709551615s",
        ] {
            let why = parse_duration(text).expect_err(text);
            assert!(!why.contains('\n'), "{why}");
        }
    }

    #[test]
    fn intervals_and_long_times_have_bounds() {
        assert_eq!((parse_interval("100ms"), parse_interval("1h")), (Ok(SECOND / 10), Ok(3600 * SECOND)));
        assert_eq!((parse_long("0"), parse_long("5min")), (Ok(0), Ok(300 * SECOND)));
        for text in ["0", "99ms", "2h", "", "1d", "fast"] {
            let why = parse_interval(text).expect_err(text);
            assert!(!why.contains('\n'), "{why}");
        }
        for text in ["9000h", "30", "-1s", "99999999999999999999s"] {
            assert!(parse_long(text).is_err(), "{text}");
        }
    }
}
