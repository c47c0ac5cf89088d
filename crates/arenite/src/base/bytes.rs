//! Byte counts as people read them.

use core::fmt::{self, Write};

/// A number of bytes that prints in the largest binary unit it fills: `512 B`, `64.0 KiB`, `8.0 MiB`.
///
/// Rounded to the nearest tenth of the unit. Width and alignment of the format string apply to the whole text
/// (`{:>10}`), so that columns line up. Never allocates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub usize);

const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];

/// Room for the longest text, `16777216.0 TiB`.
struct Text {
    bytes: [u8; 24],
    len: usize,
}

impl Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let end = self.len + s.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(s.as_bytes());
        self.len = end;
        Ok(())
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Text { bytes: [0; 24], len: 0 };
        let bytes = self.0 as u64;
        if bytes < 1024 {
            write!(text, "{bytes} B")?;
        } else {
            let mut unit: u64 = 1024;
            let mut name = 0;
            // Compared in tenths after rounding: 1023.96 KiB is written as 1.0 MiB, never as 1024.0 KiB.
            while name + 1 < UNITS.len() && tenths(bytes, unit) >= 10 * 1024 {
                unit *= 1024;
                name += 1;
            }
            let tenths = tenths(bytes, unit);
            write!(text, "{}.{} {}", tenths / 10, tenths % 10, UNITS[name])?;
        }
        f.pad(core::str::from_utf8(&text.bytes[..text.len]).map_err(|_| fmt::Error)?)
    }
}

/// `bytes` in tenths of `unit`, rounded half up. The remainder is below 2^40, so nothing overflows.
fn tenths(bytes: u64, unit: u64) -> u64 {
    bytes / unit * 10 + (bytes % unit * 10 + unit / 2) / unit
}

#[cfg(test)]
mod tests {
    use super::Bytes;
    use std::format;

    #[test]
    fn texts() {
        for (bytes, text) in [
            (0, "0 B"),
            (512, "512 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (64 << 10, "64.0 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (8 << 20, "8.0 MiB"),
            ((8 << 20) + (1 << 19), "8.5 MiB"),
            (3 << 30, "3.0 GiB"),
        ] {
            assert_eq!(format!("{}", Bytes(bytes)), text);
        }
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn large_texts() {
        assert_eq!(format!("{}", Bytes(2 << 40)), "2.0 TiB");
        assert_eq!(format!("{}", Bytes(usize::MAX)), "16777216.0 TiB");
    }

    #[test]
    fn columns() {
        assert_eq!(format!("[{:>10}]", Bytes(1024)), "[   1.0 KiB]");
        assert_eq!(format!("[{:<10}]", Bytes(7)), "[7 B       ]");
    }
}
