//! Error codes, their messages, and what a thread was refused last. Nothing unwinds past here.
#![expect(unsafe_code, reason = "exports functions under C's names")]

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char};
use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arenite::region::AllocError;

/// What came of a call. Codes keep their numbers in later versions, and new ones may come.
#[expect(non_camel_case_types, reason = "C's names")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum arenite_error {
    /// It was done.
    ARENITE_OK = 0,
    /// A pointer is null that must not be.
    ARENITE_NULL_ARGUMENT = 1,
    /// An argument is not allowed: an alignment that is no power of two, a size of 0 where there must be one, a text that
    /// is not UTF-8.
    ARENITE_INVALID_ARGUMENT = 2,
    /// Not an object of this kind, or one that was destroyed.
    ARENITE_INVALID_OBJECT = 3,
    /// The object belongs to another thread.
    ARENITE_WRONG_THREAD = 4,
    /// It can not be done at this time: a scope or a frame is open, somebody holds it, a destructor runs.
    ARENITE_BUSY = 5,
    /// A hard budget would be broken.
    ARENITE_OVER_BUDGET = 6,
    /// The reserved address space is used up.
    ARENITE_EXHAUSTED = 7,
    /// The operating system refused.
    ARENITE_SYSTEM = 8,
    /// Every slot is taken.
    ARENITE_FULL = 9,
    /// The frame was frozen.
    ARENITE_SEALED = 10,
    /// The size does not fit the address space.
    ARENITE_TOO_LARGE = 11,
    /// The address is not from here.
    ARENITE_FOREIGN = 12,
    /// The address is from here, and not the start of a block.
    ARENITE_MISALIGNED = 13,
    /// No block was ever handed out at this address.
    ARENITE_NOT_ALLOCATED = 14,
    /// The block is free already.
    ARENITE_DOUBLE_FREE = 15,
    /// The handle's value is gone.
    ARENITE_STALE = 16,
    /// Something still lives in it.
    ARENITE_STILL_LIVE = 17,
    /// Not a tag's name, or no room for another tag.
    ARENITE_BAD_TAG = 18,
    /// A function of the program said that it failed.
    ARENITE_CALLBACK = 19,
    /// What was to be freed has been written beyond its end.
    ARENITE_OVERRUN = 20,
    /// Something failed inside the library that should not: please report it. What the call was about may be lost.
    ARENITE_INTERNAL = 21,
    /// Less is free than was asked for.
    ARENITE_OUT_OF_ROOM = 22,
    /// Enough is free, but not in one piece: defragmenting would help.
    ARENITE_FRAGMENTED = 23,
}

use arenite_error::*;

impl arenite_error {
    const fn text(self) -> &'static CStr {
        match self {
            ARENITE_OK => c"done",
            ARENITE_NULL_ARGUMENT => c"a pointer is null that must not be",
            ARENITE_INVALID_ARGUMENT => c"an argument is not allowed",
            ARENITE_INVALID_OBJECT => c"not an object of this kind, or one that was destroyed",
            ARENITE_WRONG_THREAD => c"the object belongs to another thread",
            ARENITE_BUSY => c"it can not be done at this time: something is open, or holds it",
            ARENITE_OVER_BUDGET => c"a hard budget would be broken",
            ARENITE_EXHAUSTED => c"the reserved address space is used up",
            ARENITE_SYSTEM => c"the operating system refused",
            ARENITE_FULL => c"every slot is taken",
            ARENITE_SEALED => c"the frame was frozen",
            ARENITE_TOO_LARGE => c"the size does not fit the address space",
            ARENITE_FOREIGN => c"the address is not from here",
            ARENITE_MISALIGNED => c"the address is not the start of a block",
            ARENITE_NOT_ALLOCATED => c"no block was ever handed out at this address",
            ARENITE_DOUBLE_FREE => c"the block is free already",
            ARENITE_STALE => c"the handle's value is gone",
            ARENITE_STILL_LIVE => c"something still lives in it",
            ARENITE_BAD_TAG => c"not a tag's name, or no room for another tag",
            ARENITE_CALLBACK => c"a function of the program said that it failed",
            ARENITE_OVERRUN => c"the block has been written beyond its end",
            ARENITE_INTERNAL => c"something failed inside the library",
            ARENITE_OUT_OF_ROOM => c"less is free than was asked for",
            ARENITE_FRAGMENTED => c"enough is free, but not in one piece",
        }
    }
}

/// Room for a message: a C string that is cut where it does not fit.
#[derive(Clone, Copy)]
struct Text {
    bytes: [u8; Self::ROOM],
    len: usize,
}

impl Text {
    const ROOM: usize = 256;
    const EMPTY: Self = Self { bytes: [0; Self::ROOM], len: 0 };
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The last byte stays 0. Cut between characters.
        let mut fits = text.len().min(Self::ROOM - 1 - self.len);
        while !text.is_char_boundary(fits) {
            fits -= 1;
        }
        self.bytes[self.len..self.len + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.len += fits;
        if fits < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// A refusal on its way to C. What there is to say about it waits with the thread.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    code: arenite_error,
    has_details: bool,
}

impl Refusal {
    /// With details: what the library's own error says.
    #[cold]
    pub fn new(code: arenite_error, details: impl fmt::Display) -> Self {
        let mut text = Text::EMPTY;
        // What does not fit is cut.
        let _ = write!(text, "{details}");
        DETAILS.set(text);
        Self { code, has_details: true }
    }

    /// Its code.
    #[must_use]
    pub const fn code(&self) -> arenite_error {
        self.code
    }
}

impl From<arenite_error> for Refusal {
    #[cold]
    fn from(code: arenite_error) -> Self {
        Self { code, has_details: false }
    }
}

impl From<AllocError> for Refusal {
    #[cold]
    fn from(error: AllocError) -> Self {
        let code = match error {
            AllocError::Budget(_) => ARENITE_OVER_BUDGET,
            AllocError::Exhausted { .. } => ARENITE_EXHAUSTED,
            AllocError::Os { .. } => ARENITE_SYSTEM,
            AllocError::Full { .. } => ARENITE_FULL,
            AllocError::Sealed { .. } => ARENITE_SEALED,
            AllocError::TooLarge { .. } => ARENITE_TOO_LARGE,
            _ => ARENITE_INTERNAL,
        };
        Self::new(code, error)
    }
}

std::thread_local! {
    static LAST: Cell<arenite_error> = const { Cell::new(ARENITE_OK) };
    static DETAILS: RefCell<Text> = const { RefCell::new(Text::EMPTY) };
}

/// Remembers a refusal as the calling thread's last one, and answers its code.
#[cold]
pub fn refuse(refusal: Refusal) -> arenite_error {
    LAST.set(refusal.code);
    if !refusal.has_details {
        DETAILS.set(Text::EMPTY);
    }
    refusal.code
}

/// Runs what a function does for C. A refusal is remembered; a panic is one, too.
pub fn guard(run: impl FnOnce() -> Result<(), Refusal>) -> arenite_error {
    match answer(run) {
        Some(()) => ARENITE_OK,
        None => LAST.get(),
    }
}

/// As [`guard`], for a function that answers with a value, or with null or the like if it is refused.
pub fn answer<T>(run: impl FnOnce() -> Result<T, Refusal>) -> Option<T> {
    // What a panic leaves behind is an object of ours, each of which is right at every moment program code runs.
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Some(value),
        Ok(Err(refusal)) => {
            refuse(refusal);
            None
        }
        Err(payload) => {
            let text = payload
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("a panic");
            refuse(Refusal::new(ARENITE_INTERNAL, text));
            None
        }
    }
}

/// What a code means, in English: a text that stays for ever, never null. Any number is allowed. Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_error_message(code: i32) -> *const c_char {
    const ALL: [arenite_error; 24] = [
        ARENITE_OK,
        ARENITE_NULL_ARGUMENT,
        ARENITE_INVALID_ARGUMENT,
        ARENITE_INVALID_OBJECT,
        ARENITE_WRONG_THREAD,
        ARENITE_BUSY,
        ARENITE_OVER_BUDGET,
        ARENITE_EXHAUSTED,
        ARENITE_SYSTEM,
        ARENITE_FULL,
        ARENITE_SEALED,
        ARENITE_TOO_LARGE,
        ARENITE_FOREIGN,
        ARENITE_MISALIGNED,
        ARENITE_NOT_ALLOCATED,
        ARENITE_DOUBLE_FREE,
        ARENITE_STALE,
        ARENITE_STILL_LIVE,
        ARENITE_BAD_TAG,
        ARENITE_CALLBACK,
        ARENITE_OVERRUN,
        ARENITE_INTERNAL,
        ARENITE_OUT_OF_ROOM,
        ARENITE_FRAGMENTED,
    ];
    ALL.iter()
        .find(|known| **known as i32 == code)
        .map_or(c"not an error of Arenite", |known| known.text())
        .as_ptr()
}

/// The code of the calling thread's last refusal; `ARENITE_OK` if there was none. A call that succeeds leaves it as it is.
/// Functions that answer with a pointer say by null that they were refused, and here why.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_last_error() -> arenite_error {
    LAST.get()
}

/// What there is to say about the calling thread's last refusal: which tag, how much was wanted, what to do. Never null; it is
/// the code's own text where nothing more is known. Good until the thread's next refusal; of the calling thread only.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_last_message() -> *const c_char {
    DETAILS.with_borrow(|details| {
        if details.len == 0 { LAST.get().text().as_ptr() } else { details.bytes.as_ptr().cast() }
    })
}

/// Forgets the calling thread's last refusal.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_clear_error() {
    LAST.set(ARENITE_OK);
    DETAILS.set(Text::EMPTY);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_message() -> String {
        // SAFETY: a C string that stays until this thread's next refusal.
        unsafe { CStr::from_ptr(arenite_last_message()) }.to_string_lossy().into_owned()
    }

    #[test]
    fn each_code_has_a_message_of_its_own() {
        let mut seen = Vec::new();
        for code in 0..=ARENITE_FRAGMENTED as i32 {
            // SAFETY: a constant text.
            let text = unsafe { CStr::from_ptr(arenite_error_message(code)) };
            assert!(!seen.contains(&text), "{code}");
            seen.push(text);
        }
        // SAFETY: as above.
        let unknown = unsafe { CStr::from_ptr(arenite_error_message(ARENITE_FRAGMENTED as i32 + 1)) };
        assert!(!seen.contains(&unknown));
    }

    #[test]
    fn a_refusal_is_remembered_and_a_panic_is_one() {
        arenite_clear_error();
        assert_eq!(guard(|| Ok(())), ARENITE_OK);
        assert_eq!(arenite_last_error(), ARENITE_OK);
        assert_eq!(guard(|| Err(ARENITE_STALE.into())), ARENITE_STALE);
        assert_eq!(last_message(), ARENITE_STALE.text().to_str().unwrap());
        assert_eq!(guard(|| panic!("as {} as that", 1)), ARENITE_INTERNAL);
        assert_eq!(last_message(), "as 1 as that");
        assert_eq!(guard(|| Ok(())), ARENITE_OK);
        assert_eq!(arenite_last_error(), ARENITE_INTERNAL, "a success leaves it as it is");
        arenite_clear_error();
        assert_eq!((arenite_last_error(), last_message().as_str()), (ARENITE_OK, "done"));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(guard(|| Err(Refusal::new(ARENITE_BUSY, "é".repeat(300)))), ARENITE_BUSY);
        assert_eq!(last_message(), "é".repeat(127));
    }
}
