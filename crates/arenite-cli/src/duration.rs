//! Times as they are typed: `50us`, `2ms`, `0`.

/// Reads a time of at most a second, in nanoseconds.
///
/// # Errors
/// One line that says which forms are understood.
pub(crate) fn parse_duration(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 5] =
        [("ns", 1), ("us", 1_000), ("µs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];
    let wrong =
        || format!("'{text}' is no time up to a second; write a whole number of ns, us or ms (50us), or 0");
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = text[digits..].trim_start();
    if unit.is_empty() && number == 0 {
        return Ok(0);
    }
    let (_, factor) = *UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    number.checked_mul(factor).filter(|time| *time <= 1_000_000_000).ok_or_else(wrong)
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
}
