//! Arenite's general heap as `malloc`, for programs that nobody recompiled:
//!
//! ```text
//! LD_PRELOAD=libarenite_preload.so program
//! ```
//!
//! | variable | |
//! |---|---|
//! | `ARENITE_STATS=1` | prints what the heap did to standard error when the process ends |
//! | `ARENITE_REPORT=FOLDER` | writes the same to a file there, named by the process's number: for `arenite run` |
//! | `ARENITE_PURGE_DELAY=MS` | how long free memory waits for its next use before it goes back; 200 |
//! | `ARENITE_HUGE_PAGES=1` | asks the system for huge pages |
//! | `ARENITE_HARDENED=1` | looks for misuse and ends the program with a message that names it; slower, and larger |
//!
//! ```text
//!   family, extras, operators          the exported functions: thin, none calls another one
//!     ├─ gate                          null, and everything in hardened mode, is looked at first: one compare
//!     └─ heap                          the library's heap, by this thread's place
//!          ├─ slot                     the thread-local word (word), initial-exec: two instructions
//!          └─ hooks                    thread end, fork, start and end of the process
//!               └─ system, text        what the C library is asked for; printing without allocating
//! ```
#![no_std]

mod extras;
mod family;
mod gate;
mod heap;
mod hooks;
mod operators;
mod slot;
mod system;
mod text;
mod word;

// What the precompiled `core` asks for by name, and never calls: nothing here unwinds. Hidden: programs that are written in
// Rust may share one of their own, which must be found instead.
core::arch::global_asm!(
    ".globl rust_eh_personality",
    ".hidden rust_eh_personality",
    ".type rust_eh_personality, @function",
    "rust_eh_personality:",
    #[cfg(target_arch = "x86_64")]
    "ud2",
    #[cfg(target_arch = "aarch64")]
    "brk #1",
    ".size rust_eh_personality, . - rust_eh_personality",
);

/// Nothing here panics on purpose. If something does, nothing can be saved.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    use core::fmt::Write as _;
    let mut line = text::Text::<512>::new();
    let _ = writeln!(line, "arenite: {info}");
    system::print_error(line.bytes());
    system::die()
}
