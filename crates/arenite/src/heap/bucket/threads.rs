//! Threads of a program with `std`.
#![expect(unsafe_code, reason = "promises that each thread is told its own place")]

use core::cell::Cell;

use super::{Local, Threads, nothing, thread_ends};
use crate::ledger::{self, Tag};

/// Finds a thread's place by `std`'s thread-local storage: a load in an executable, a call in a shared library.
#[derive(Clone, Copy, Debug)]
pub struct StdThreads;

std::thread_local! {
    // Without a destructor, so that it is read without a check, and can be until the thread is gone.
    static CURRENT: Cell<*const Local> = const { Cell::new(nothing()) };
    static EXIT: Exit = const { Exit };
}

struct Exit;

impl Drop for Exit {
    fn drop(&mut self) {
        thread_ends::<StdThreads>();
    }
}

// SAFETY: a thread-local of its own, which begins as asked; `EXIT` is dropped when the thread ends.
unsafe impl Threads for StdThreads {
    #[inline(always)]
    fn current() -> *const Local {
        CURRENT.get()
    }

    #[inline]
    fn set_current(local: *const Local) {
        CURRENT.set(local);
    }

    fn enroll() -> bool {
        EXIT.try_with(|_| ()).is_ok()
    }

    fn tag() -> Tag {
        ledger::here().tag.unwrap_or_else(Tag::untagged)
    }
}
