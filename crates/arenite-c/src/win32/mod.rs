//! The memory half of Win32, for programs of the 1990s on systems that are none: `include/compat/win32_memory.h`.
//!
//! ```text
//!   handles       GlobalAlloc, LocalAlloc …: moveable blocks of the process's heap
//!     heap        HeapAlloc …: a bucket heap and a table of its blocks each
//!       table     addresses of blocks, hashed
//!   probe         IsBadReadPtr …
//!   virt          VirtualAlloc …
//!     book        what is reserved and committed, as runs of equal pages
//!   system        GlobalMemoryStatus, GetSystemInfo
//!     error       the thread's last error
//! ```
//!
//! What a call may do is decided by what our own books say, never by what stands at the address it was given. Two rules hold
//! everywhere:
//!
//! - *No lock is held while memory is asked for*, the library's own included: asking charges a budget, which runs program code,
//!   and that may call any function here. So room in a book is made while nobody has it locked, and a block of a heap is out of
//!   the table while it is moved.
//! - *Codes are those that Wine gives*, unless Microsoft's documentation says otherwise; `ci/win32` compares them. The header
//!   tells what differs, function by function.

pub mod error;
pub mod handles;
pub mod heap;
pub mod probe;
pub mod system;
pub mod virt;

mod book;
mod table;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};

use arenite::Tag;

use error::{Code, INTERNAL_ERROR};

// Handles have more bits than an address of 32.
const _: () = assert!(usize::BITS == 64, "the Win32 face needs addresses of 64 bits");

/// Runs what a function does. When it is refused, the thread's last error is set and `refused` is the answer; a panic is a
/// refusal, too, and goes no further.
fn answer<T>(refused: T, run: impl FnOnce() -> Result<T, Code>) -> T {
    // What a panic leaves behind are books that are right at every moment other code runs.
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => value,
        Ok(Err(code)) => {
            error::set(code);
            refused
        }
        Err(_) => {
            error::set(INTERNAL_ERROR);
            refused
        }
    }
}

/// Whom memory is charged to: the tag of this name, or nobody's when there is no room for another tag.
fn tag(path: &str) -> Tag {
    Tag::register(path).unwrap_or_else(|_| Tag::untagged())
}

/// The thread's number, which no other thread of the process ever has.
fn thread_number() -> u64 {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU64, Ordering};

    static NEXT: AtomicU64 = AtomicU64::new(1);
    std::thread_local! {
        static NUMBER: Cell<u64> = const { Cell::new(0) };
    }
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        number.get()
    })
}
