//! Text that grows inside an arena.
#![expect(unsafe_code, reason = "knows that its bytes are UTF-8 because only strings go in")]

use core::fmt;
use core::ops::Deref;

use super::bump::Cursor;
use super::typed::or_raise;
use super::vec::ArenaVec;
use crate::region::AllocError;

/// A string that lives in an arena: made by the `string()` of any arena. Implements [`fmt::Write`], so `write!` builds
/// text in it. Choose `alloc_fmt` when one format makes all of it.
///
/// ```
/// use std::fmt::Write;
/// # let mut arena = arenite::FrameArena::try_new(arenite::Tag::untagged())?;
/// let mut line = arena.string();
/// for hp in [100, 83, 7] {
///     write!(line, "{hp} ").expect("memory for a line");
/// }
/// assert_eq!(line.into_str(), "100 83 7 ");
/// # Ok::<(), arenite::AllocError>(())
/// ```
pub struct ArenaString<'b> {
    /// Always UTF-8.
    bytes: ArenaVec<'b, u8>,
}

impl<'b> ArenaString<'b> {
    pub(crate) const fn new_in(cursor: Cursor<'b>) -> Self {
        Self { bytes: ArenaVec::new_in(cursor) }
    }

    /// Empty, with room for a short text if that is at hand.
    #[inline]
    pub(crate) fn for_short_in(cursor: Cursor<'b>) -> Self {
        Self { bytes: ArenaVec::with_room_in(cursor, 64) }
    }

    /// Appends text. O(n).
    ///
    /// # Errors
    /// As `try_alloc` of the arena; the string is as it was.
    pub fn try_push_str(&mut self, text: &str) -> Result<(), AllocError> {
        self.bytes.try_extend_from_slice(text.as_bytes())
    }

    /// Appends text. O(n).
    ///
    /// # Panics
    /// The memory can not be had.
    #[track_caller]
    pub fn push_str(&mut self, text: &str) {
        or_raise(self.try_push_str(text));
    }

    /// Appends one character.
    ///
    /// # Panics
    /// The memory can not be had.
    #[track_caller]
    pub fn push(&mut self, character: char) {
        self.push_str(character.encode_utf8(&mut [0; 4]));
    }

    /// Appends formatted text.
    ///
    /// # Errors
    /// As `try_alloc` of the arena; what was formatted so far stays.
    ///
    /// # Panics
    /// A `Display` reports an error of its own.
    #[track_caller]
    pub fn try_push_fmt(&mut self, text: fmt::Arguments<'_>) -> Result<(), AllocError> {
        let mut sink = Sink { string: self, refused: None };
        match (fmt::write(&mut sink, text), sink.refused) {
            (_, Some(error)) => Err(error),
            (Ok(()), None) => Ok(()),
            (Err(_), None) => panic!("a formatting trait implementation returned an error"),
        }
    }

    /// The text so far.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &str {
        // SAFETY: only whole strings were appended, and `clear` and `truncate` keep whole characters.
        unsafe { core::str::from_utf8_unchecked(&self.bytes) }
    }

    /// Takes everything out; the room stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Keeps the first `len` bytes.
    ///
    /// # Panics
    /// `len` lies inside a character.
    #[track_caller]
    pub fn truncate(&mut self, len: usize) {
        assert!(
            len >= self.bytes.len() || self.as_str().is_char_boundary(len),
            "{len} lies inside a character"
        );
        self.bytes.truncate(len);
    }

    /// Ends the string and leaves its text in the arena.
    #[must_use]
    pub fn into_str(self) -> &'b mut str {
        // SAFETY: as in `as_str`.
        unsafe { core::str::from_utf8_unchecked_mut(self.bytes.into_slice()) }
    }
}

/// Remembers why memory was refused: `fmt::Error` can not carry it.
struct Sink<'s, 'b> {
    string: &'s mut ArenaString<'b>,
    refused: Option<AllocError>,
}

impl fmt::Write for Sink<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.string.bytes.push_within_capacity(text.as_bytes()) {
            Ok(())
        } else {
            self.grow_and_write(text)
        }
    }
}

impl Sink<'_, '_> {
    #[cold]
    #[inline(never)]
    fn grow_and_write(&mut self, text: &str) -> fmt::Result {
        self.string.try_push_str(text).map_err(|error| {
            self.refused = Some(error);
            fmt::Error
        })
    }
}

impl fmt::Write for ArenaString<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.try_push_str(text).map_err(|_| fmt::Error)
    }
}

impl Deref for ArenaString<'_> {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for ArenaString<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for ArenaString<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}
