//! Sizes and budgets as they are typed: `8MiB`, `512 KiB`, `4096`, `scene=8MiB`.

/// Reads a size in bytes.
///
/// # Errors
/// One line that says which forms are understood.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u32); 6] = [("", 0), ("b", 0), ("kib", 10), ("mib", 20), ("gib", 30), ("tib", 40)];
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = text[digits..].trim_start().to_ascii_lowercase();
    let unknown =
        || format!("'{text}' is no size; write bytes, or a whole number of KiB, MiB, GiB or TiB (8MiB)");
    let (_, shift) = *UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(unknown)?;
    if digits == 0 {
        return Err(unknown());
    }
    let number: u64 = text[..digits].parse().map_err(|_| format!("'{text}' is more than 2^64 bytes"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("'{text}' is more than 2^64 bytes"))
}

/// Reads `TAG=SIZE`.
///
/// # Errors
/// One line that says what is wrong with it.
pub(crate) fn parse_budget(text: &str) -> Result<(String, u64), String> {
    let (tag, size) =
        text.split_once('=').ok_or_else(|| format!("'{text}' is no budget; write TAG=SIZE (scene=8MiB)"))?;
    let tag = tag.trim();
    if tag.is_empty() {
        return Err(format!("'{text}' names no tag; write TAG=SIZE (scene=8MiB)"));
    }
    Ok((tag.to_owned(), parse_size(size)?))
}

/// Reads how much a frame is to leak.
///
/// # Errors
/// One line that says what is wrong with it.
pub(crate) fn parse_leak(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        size @ 1..=0x10_0000 => Ok(size),
        _ => Err(format!("'{text}' is no leak to look at; write a size from 1 byte to 1MiB")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_every_unit() {
        let cases = [
            ("0", 0),
            ("4096", 4096),
            ("4096B", 4096),
            ("512KiB", 512 << 10),
            ("8MiB", 8 << 20),
            (" 8 mib ", 8 << 20),
            ("3GiB", 3 << 30),
            ("16777215TiB", 16_777_215 << 40),
        ];
        for (text, size) in cases {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        let wrong =
            ["", "MiB", "8MB", "-8", "1.5MiB", "8MiBs", "0x10", "99999999999999999999", "16777216TiB", "8é"];
        for text in wrong {
            let why = parse_size(text).expect_err(text);
            assert!(!why.contains('\n'), "{why}");
        }
    }

    #[test]
    fn budgets_have_a_tag_and_a_size() {
        assert_eq!(parse_budget("scene/textures=1MiB"), Ok(("scene/textures".to_owned(), 1 << 20)));
        for text in ["scene", "=8MiB", "scene=", "scene=lots", "scene=1MiB=2"] {
            parse_budget(text).expect_err(text);
        }
    }
}
