//! For a library that stands before another heap's `malloc`, and tells the recorder what it sees: `preload/record`. No part of the
//! library's promise to programs.
//!
//! Such a library is called from everywhere, also from within what it calls itself. It sees to it that nothing here is called while
//! something here is running on the same thread: thread-locals of Rust may allocate when they are first touched.

use super::desk;
use super::sinks;
pub use super::stack::Caller;
pub use crate::base::recording::{Resizing, STATE};
use crate::base::thread;

/// Whether a block of so many bytes, which was handed out, is none of the sample, as is seen at a glance. If so, that is all; if not,
/// [`allocated`] finds out.
#[inline(always)]
#[must_use]
pub fn passes(size: usize) -> bool {
    sinks::passes(size)
}

/// A block was handed out, to whoever called there.
#[inline]
pub fn allocated(address: usize, size: usize, caller: Caller) {
    sinks::allocated(address, size, caller);
}

/// Whether a block that is given back is certainly none of the sample. If so, that is all; if not, [`freed`] finds out.
#[inline(always)]
#[must_use]
pub fn passes_free(address: usize) -> bool {
    sinks::passes_free(address)
}

/// A block is about to be given back.
#[inline]
pub fn freed(address: usize) {
    sinks::freed(address);
}

/// A block is about to get another size, and perhaps another place.
#[inline]
#[must_use]
pub fn resizing(address: usize) -> Resizing {
    sinks::resizing(address)
}

/// It got it.
#[inline]
pub fn resized(resizing: Resizing, before: usize, address: usize, size: usize, caller: Caller) {
    sinks::resized(resizing, before, address, size, caller);
}

/// It did not get it: it is as it was.
#[inline]
pub fn stays(resizing: Resizing, address: usize) {
    sinks::stays(resizing, address);
}

/// The calling thread is a new one. If it is to be told from others, [`thread_ends`] is called on it when it ends.
pub fn thread_begins() {
    thread::enroll_untold();
}

/// The calling thread ends. What it does from here on is told under a number for all those that can not be told apart.
pub fn thread_ends() {
    thread::leave();
}

/// The calling thread has got another name.
pub fn thread_named() {
    if super::is_on() {
        desk::tell_name();
    }
}
