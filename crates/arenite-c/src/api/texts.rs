//! Strings from C, and to it.
#![expect(unsafe_code, reason = "reads strings and writes buffers of C's")]

use std::ffi::{CStr, c_char};

use crate::error::Refusal;
use crate::error::arenite_error::*;

/// A text of C's.
///
/// # Safety
/// Null, or a C string that stays until the function returns.
pub(crate) unsafe fn text<'t>(text: *const c_char) -> Result<&'t str, Refusal> {
    if text.is_null() {
        return Err(ARENITE_NULL_ARGUMENT.into());
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }
        .to_str()
        .map_err(|error| Refusal::new(ARENITE_INVALID_ARGUMENT, format_args!("a text is not UTF-8: {error}")))
}

/// Writes a text where C wants it, cut between characters if it does not fit, with a 0 behind it; answers its whole length, as
/// `snprintf` does.
///
/// # Safety
/// `buffer` is null, or `room` bytes of it can be written.
pub(crate) unsafe fn put_text(text: &str, buffer: *mut c_char, room: usize) -> usize {
    if !buffer.is_null() && room > 0 {
        let mut fits = text.len().min(room - 1);
        while !text.is_char_boundary(fits) {
            fits -= 1;
        }
        // SAFETY: the caller's promise.
        unsafe {
            buffer.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), fits);
            buffer.add(fits).write(0);
        }
    }
    text.len()
}

/// Makes sure that there is somewhere to write an answer, before anything is changed.
pub(crate) fn wanted<T>(out: *mut T) -> Result<(), Refusal> {
    if out.is_null() { Err(ARENITE_NULL_ARGUMENT.into()) } else { Ok(()) }
}

/// Writes an answer where C wants it.
///
/// # Safety
/// Null, or it can be written.
pub(crate) unsafe fn put<T>(out: *mut T, value: T) -> Result<(), Refusal> {
    wanted(out)?;
    // SAFETY: the caller's promise.
    unsafe { out.write(value) };
    Ok(())
}

/// An argument of C's by address.
///
/// # Safety
/// Null, or it can be read.
pub(crate) unsafe fn get<T: Copy>(from: *const T) -> Result<T, Refusal> {
    if from.is_null() {
        return Err(ARENITE_NULL_ARGUMENT.into());
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { from.read() })
}
