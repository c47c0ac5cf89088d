//! Text in a named heap.
#![expect(unsafe_code, reason = "promises that its bytes are UTF-8, which nothing else can change")]

use core::borrow::Borrow;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;

use allocator_api2::vec::Vec;

use super::Heap;
use crate::region::AllocError;

/// A growing string in a [`Heap`], of which it has a handle; made by [`Heap::string`]. Compares, hashes and is borrowed as
/// `str`, so that it can be the key of a map. `String`'s names mean what they mean there.
///
/// ```
/// use arenite::{Heap, HeapString};
/// use hashbrown::HashMap;
/// use std::hash::RandomState;
///
/// let level = Heap::try_named("example/names")?;
/// let mut doors: HashMap<HeapString, u32, _, Heap> = HashMap::with_hasher_in(RandomState::new(), level.clone());
/// for number in 1..4 {
///     let mut name = level.string();
///     name.try_push_fmt(format_args!("door {number}"))?;
///     doors.insert(name, number);
/// }
/// assert_eq!(doors["door 2"], 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct HeapString {
    /// UTF-8.
    bytes: Vec<u8, Heap>,
}

impl HeapString {
    pub(super) const fn new_in(heap: Heap) -> Self {
        Self { bytes: Vec::new_in(heap) }
    }

    /// The heap that it lives in.
    #[must_use]
    pub fn heap(&self) -> &Heap {
        self.bytes.allocator()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // SAFETY: whole `str`s were appended, and only cut where a character begins.
        unsafe { core::str::from_utf8_unchecked(&self.bytes) }
    }

    /// Bytes of text there is room for before it has to grow.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Makes room for at least `additional` more bytes.
    ///
    /// # Errors
    /// The heap refuses; the string is as it was.
    pub fn try_reserve(&mut self, additional: usize) -> Result<(), AllocError> {
        let Err(_) = self.bytes.try_reserve(additional) else { return Ok(()) };
        // The allocator's error has no reason: the heap is asked once more, by name.
        let tag = self.heap().tag();
        let needed = self.bytes.len().checked_add(additional).ok_or(AllocError::TooLarge { tag })?;
        self.bytes.try_reserve_exact(additional).or_else(|_| {
            let layout =
                core::alloc::Layout::array::<u8>(needed).map_err(|_| AllocError::TooLarge { tag })?;
            let block = self.heap().try_alloc(layout)?;
            // SAFETY: taken a line ago.
            unsafe { self.heap().free(block) };
            self.bytes.try_reserve_exact(additional).map_err(|_| AllocError::TooLarge { tag })
        })
    }

    /// Appends text.
    ///
    /// # Errors
    /// As [`try_reserve`](Self::try_reserve).
    pub fn try_push_str(&mut self, text: &str) -> Result<(), AllocError> {
        self.try_reserve(text.len())?;
        self.bytes.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Appends text.
    ///
    /// # Panics
    /// The memory can not be had.
    #[track_caller]
    pub fn push_str(&mut self, text: &str) {
        if let Err(error) = self.try_push_str(text) {
            error.raise();
        }
    }

    /// Appends a character.
    ///
    /// # Panics
    /// The memory can not be had.
    #[track_caller]
    pub fn push(&mut self, character: char) {
        self.push_str(character.encode_utf8(&mut [0; 4]));
    }

    /// Appends formatted text: `name.try_push_fmt(format_args!("{hp} hp"))`.
    ///
    /// # Errors
    /// As [`try_reserve`](Self::try_reserve); what was formatted so far stays.
    ///
    /// # Panics
    /// A `Display` reports an error of its own.
    pub fn try_push_fmt(&mut self, text: fmt::Arguments<'_>) -> Result<(), AllocError> {
        struct Sink<'s>(&'s mut HeapString, Option<AllocError>);
        impl fmt::Write for Sink<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.try_push_str(text).map_err(|error| {
                    self.1 = Some(error);
                    fmt::Error
                })
            }
        }
        let mut sink = Sink(self, None);
        match (fmt::write(&mut sink, text), sink.1) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(error)) => Err(error),
            (Err(_), None) => panic!("a `Display` implementation returned an error"),
        }
    }

    /// Cuts it to `len` bytes, if it is longer.
    ///
    /// # Panics
    /// No character begins there.
    pub fn truncate(&mut self, len: usize) {
        if len < self.bytes.len() {
            assert!(self.is_char_boundary(len), "no character begins at byte {len}");
            self.bytes.truncate(len);
        }
    }

    /// Empties it. Its room stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Gives room back that is not needed.
    pub fn shrink_to_fit(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// The bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8, Heap> {
        self.bytes
    }
}

impl Deref for HeapString {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Clone for HeapString {
    /// A copy in the same heap.
    #[track_caller]
    fn clone(&self) -> Self {
        let mut copy = self.heap().string();
        copy.push_str(self);
        copy
    }
}

impl fmt::Write for HeapString {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.try_push_str(text).map_err(|_| fmt::Error)
    }
}

impl fmt::Display for HeapString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for HeapString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for HeapString {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for HeapString {}

impl PartialEq<str> for HeapString {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for HeapString {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialOrd for HeapString {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for HeapString {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for HeapString {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for HeapString {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for HeapString {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}
