//! Arenite's recorder for programs that nobody recompiled: stands before whatever `malloc` the program has, and tells the recorder.
//!
//! ```text
//! ARENITE_RECORD=game.arec LD_PRELOAD=libarenite_record.so game
//! ```
//!
//! | variable | |
//! |---|---|
//! | `ARENITE_RECORD=FILE` | where the recording goes; with `%p`, which is the process's number, of every process that is started |
//! | `ARENITE_RECORD_SAMPLE=SIZE` | records one block for so many bytes (512KiB); 0 is all of them |
//! | `ARENITE_RECORD_DEPTH=N` | frames of a call stack, at most 128; 64 |
//! | `ARENITE_RECORD_STACKS=HOW` | `unwind`, `fp` (frame pointers), or `auto`, which is `unwind` |
//! | `ARENITE_RECORD_BUFFER=SIZE` | memory for events that wait for being written; 32MiB |
//!
//! ```text
//!   entry          the exported functions: on? ─ no ──► the next definition: a compare and a jump
//!     │                                       └ yes ─► family
//!     │            called for the first time ─► start
//!   family         calls the next definition and tells the recorder
//!     ├─ next      the definitions that come after ours; a small arena while they are looked for
//!     └─ guard     this thread is inside already: a thread-local word (word), initial-exec; when threads end
//!   operators      C++: to those that reach `malloc`, if the next ones would go around it
//!   names          threads that get a name
//!   start          the beginning, forks, the end
//!     └─ settings  the variables
//! ```

#[cfg(not(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
compile_error!("this library is for Linux with glibc, on x86-64 and 64-bit Arm");

mod entry;
mod family;
mod guard;
mod names;
mod next;
mod operators;
mod settings;
mod start;
#[path = "../../src/word.rs"]
mod word;

use std::alloc::{GlobalAlloc, Layout};

use next::Function;

/// What the recorder itself needs, beside its own memory: from the next definitions, unseen.
struct Unseen;

#[global_allocator]
static UNSEEN: Unseen = Unseen;

/// What every `malloc` aligns to.
const ALIGN: usize = 16;

// SAFETY: blocks are those of a `malloc`, of the size and alignment asked for; it neither unwinds nor is it this library's.
unsafe impl GlobalAlloc for Unseen {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: any size and a power of two; the size is none that `memalign` would refuse to round.
        let block = unsafe {
            if layout.align() <= ALIGN {
                Function::Malloc.call(layout.size(), 0, 0)
            } else {
                Function::Memalign.call(layout.align(), layout.size(), 0)
            }
        };
        std::ptr::with_exposed_provenance_mut(block)
    }

    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: from the functions above.
        unsafe { Function::Free.call(block.expose_provenance(), 0, 0) };
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= ALIGN {
            // SAFETY: as in `alloc`.
            let block = unsafe { Function::Calloc.call(1, layout.size(), 0) };
            return std::ptr::with_exposed_provenance_mut(block);
        }
        // SAFETY: the caller's promise; so many bytes are there to be written.
        unsafe {
            let block = self.alloc(layout);
            if !block.is_null() {
                block.write_bytes(0, layout.size());
            }
            block
        }
    }
}
