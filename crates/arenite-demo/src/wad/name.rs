//! Names of lumps, textures and flats: at most eight bytes, upper and lower case the same.

use std::fmt::{self, Write};

/// The name of a lump, texture or flat: at most eight bytes, compared without regard to ASCII case.
///
/// What follows the first NUL is not part of the name; some old tools leave rubbish there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LumpName([u8; 8]);

impl LumpName {
    /// The name in an eight-byte field of a file.
    pub const fn from_field(field: [u8; 8]) -> Self {
        let mut name = [0; 8];
        let mut i = 0;
        while i < 8 && field[i] != 0 {
            name[i] = field[i].to_ascii_uppercase();
            i += 1;
        }
        Self(name)
    }

    /// The name that these bytes spell; `None` for more than eight bytes, which no name has.
    pub const fn new(text: &[u8]) -> Option<Self> {
        if text.len() > 8 {
            return None;
        }
        let mut field = [0; 8];
        let mut i = 0;
        while i < text.len() {
            field[i] = text[i];
            i += 1;
        }
        Some(Self::from_field(field))
    }

    /// A name known when this is compiled. Panics when it is too long.
    pub(super) const fn literal(text: &str) -> Self {
        match Self::new(text.as_bytes()) {
            Some(name) => name,
            None => panic!("a lump name has at most eight bytes"),
        }
    }

    /// The bytes of the name, without padding.
    pub fn as_bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|&b| b == 0).unwrap_or(8);
        &self.0[..end]
    }

    /// The eight bytes as they stand in a file, padded with NUL.
    pub const fn field(self) -> [u8; 8] {
        self.0
    }

    /// Whether the name stands for "nothing here": empty, or `-` as side textures say it.
    pub fn is_blank(self) -> bool {
        matches!(self.as_bytes(), b"" | b"-")
    }

    /// Whether the name starts with `prefix` (in upper case).
    pub fn starts_with(self, prefix: &[u8]) -> bool {
        self.as_bytes().starts_with(prefix)
    }
}

impl AsRef<[u8]> for LumpName {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// Bytes that are no printable ASCII are shown as `\xNN`, so that a name never breaks a line or a terminal.
impl fmt::Display for LumpName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.as_bytes() {
            match byte {
                b' '..=b'~' => f.write_char(char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for LumpName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::LumpName;

    #[test]
    fn names_ignore_case_and_what_follows_the_nul() {
        assert_eq!(LumpName::new(b"map01"), LumpName::new(b"MAP01"));
        assert_eq!(LumpName::from_field(*b"map01\0xy"), LumpName::literal("MAP01"));
        assert_eq!(LumpName::new(b"NINECHARS"), None);
        assert_eq!(LumpName::literal("EIGHTCHR").as_bytes(), b"EIGHTCHR");
    }

    #[test]
    fn display_stays_on_one_line() {
        assert_eq!(LumpName::from_field(*b"A\nB\xff\0\0\0\0").to_string(), "A\\x0aB\\xff");
        assert_eq!(format!("{:?}", LumpName::literal("wall")), "\"WALL\"");
    }

    #[test]
    fn blank_names() {
        assert!(LumpName::literal("-").is_blank());
        assert!(LumpName::default().is_blank());
        assert!(!LumpName::literal("-A").is_blank());
    }
}
