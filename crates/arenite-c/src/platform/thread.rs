//! What a thread has of this layer: a place in the heap, and a seat in the book.
#![expect(unsafe_code, reason = "promises that each thread is told its own place")]

use core::cell::Cell;

use arenite::Tag;
use arenite::heap::bucket::{self, Local, Threads};

use super::book::{BOOK, ENDED, NOBODYS, Seat};

/// One for both, so that a fast path looks up one thing only.
pub(super) struct Mine {
    local: Cell<*const Local>,
    seat: Cell<&'static Seat>,
}

std::thread_local! {
    // Without a destructor, so that it is read without a check, and can be until the thread is gone.
    static MINE: Mine = const { Mine { local: Cell::new(bucket::nothing()), seat: Cell::new(&NOBODYS) } };
    static EXIT: Exit = const { Exit };
}

struct Exit;

impl Drop for Exit {
    fn drop(&mut self) {
        let seat = MINE.with(|mine| mine.seat.replace(&ENDED));
        BOOK.leave(seat);
        bucket::thread_ends::<PlatformThreads>();
    }
}

/// The threads of this layer: what they have is theirs beside what they have of the process's heap for Rust, and under a tag of its
/// own, so that a tag's pages hold this layer's blocks and no others.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlatformThreads;

/// The tag that this layer's memory is charged to.
pub(super) fn tag() -> Tag {
    Tag::register("platform").unwrap_or_else(|_| Tag::untagged())
}

// SAFETY: a thread-local of its own, which begins as asked; `EXIT` is dropped when the thread ends.
unsafe impl Threads for PlatformThreads {
    #[inline(always)]
    fn current() -> *const Local {
        MINE.with(|mine| mine.local.get())
    }

    #[inline]
    fn set_current(local: *const Local) {
        MINE.with(|mine| mine.local.set(local));
    }

    fn enroll() -> bool {
        EXIT.try_with(|_| ()).is_ok()
    }

    fn tag() -> Tag {
        tag()
    }
}

/// The calling thread's seat.
#[inline(always)]
pub(super) fn seat() -> &'static Seat {
    MINE.with(|mine| mine.seat.get())
}

/// As [`seat`]; gives the thread one if it has none and can have one.
#[cold]
pub(super) fn claim_seat() -> &'static Seat {
    let seat = seat();
    if !core::ptr::eq(seat, &NOBODYS) || !PlatformThreads::enroll() {
        return seat;
    }
    if let Some(seat) = BOOK.claim() {
        MINE.with(|mine| mine.seat.set(seat));
    }
    self::seat()
}
