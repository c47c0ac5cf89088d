//! The names of tags: what is allowed in a path, and where it is kept without allocating.

use core::error::Error;
use core::fmt;

use super::Ledger;

/// The longest full path of a tag, in bytes.
pub const NAME_MAX: usize = 63;

/// A checked path, stored in place.
#[derive(Clone, Copy)]
pub(super) struct Name {
    bytes: [u8; NAME_MAX],
    len: u8,
}

impl Name {
    /// Checks `path`, optionally below a `parent` path that has been checked before.
    pub(super) fn new(parent: Option<&str>, path: &str) -> Result<Self, TagError> {
        let offset = parent.map_or(0, |parent| parent.len() + 1);
        let len = offset.saturating_add(path.len());
        // Length first: a megabyte of text is refused without being read.
        if len > NAME_MAX {
            return Err(TagError::NameTooLong { len });
        }
        check(path).map_err(|(at, fault)| TagError::BadName { at: offset + at, fault })?;
        let mut bytes = [0; NAME_MAX];
        if let Some(parent) = parent {
            bytes[..parent.len()].copy_from_slice(parent.as_bytes());
            bytes[parent.len()] = b'/';
        }
        bytes[offset..len].copy_from_slice(path.as_bytes());
        // `len` is at most `NAME_MAX`, which fits a byte.
        Ok(Self { bytes, len: len as u8 })
    }

    /// The full path.
    pub(super) fn as_str(&self) -> &str {
        // The bytes come whole out of `str`s and are joined by an ASCII slash, so this cannot fail.
        core::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or("")
    }

    /// The paths from the outermost parent to the full one: `a`, `a/b`, `a/b/c`.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = &str> + Clone {
        let path = self.as_str();
        path.match_indices('/').map(|(at, _)| &path[..at]).chain(core::iter::once(path))
    }
}

/// Where and why a path is not allowed.
fn check(path: &str) -> Result<(), (usize, NameFault)> {
    let mut at = 0;
    for segment in path.split('/') {
        // A segment of spaces would print as nothing.
        if segment.trim_matches(' ').is_empty() {
            return Err((at, NameFault::EmptySegment));
        }
        if let Some((offset, _)) = segment.char_indices().find(|&(_, c)| !is_printable(c)) {
            return Err((at + offset, NameFault::NotPrintable));
        }
        at += segment.len() + 1;
    }
    Ok(())
}

/// Whether a character can be seen in a report. Refused are control characters, white space other than the plain
/// space, and the invisible characters that would make two different tags look the same.
fn is_printable(c: char) -> bool {
    let invisible = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !(c.is_control() || (c.is_whitespace() && c != ' ') || invisible)
}

/// What is wrong with a tag's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameFault {
    /// Nothing (or nothing but spaces) before, between or after slashes.
    EmptySegment,
    /// A control character, a line break, a tab or a character that cannot be seen.
    NotPrintable,
}

/// Why a tag could not be registered. Nothing has been registered then, no parent either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TagError {
    /// The ledger has no room for this tag and those of its parents that are still missing.
    TagsFull,
    /// The path holds something that is not allowed.
    BadName {
        /// The byte of the full path where the fault is.
        at: usize,
        /// What is wrong there.
        fault: NameFault,
    },
    /// The full path is longer than [`NAME_MAX`] bytes.
    NameTooLong {
        /// The length of the full path in bytes.
        len: usize,
    },
}

impl fmt::Display for TagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TagsFull => write!(
                f,
                "no room for another tag: a ledger holds {}, one of them kept for `untagged`; register fewer tags, for \
                 example one per subsystem instead of one per object",
                Ledger::CAPACITY
            ),
            Self::BadName { at, fault: NameFault::EmptySegment } => write!(
                f,
                "tag name has an empty part at byte {at}; write parts joined by single slashes, like `render/textures`"
            ),
            Self::BadName { at, fault: NameFault::NotPrintable } => write!(
                f,
                "tag name has a character at byte {at} that cannot be printed; use letters, digits, `_`, `.`, `-`, space"
            ),
            Self::NameTooLong { len } => {
                write!(
                    f,
                    "tag name is {len} bytes long, at most {NAME_MAX} are kept; shorten it or nest less deeply"
                )
            }
        }
    }
}

impl Error for TagError {}
