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
//!
//! ```text
//!   family, extras, operators          the exported functions: thin, none calls another one
//!     └─ heap                          the library's heap, by this thread's place
//!          ├─ slot                     the thread-local word, initial-exec: two instructions
//!          └─ hooks                    thread end, fork, start and end of the process
//!               └─ system, text        what the C library is asked for; printing without allocating
//! ```
#![no_std]

mod extras;
mod family;
mod heap;
mod hooks;
mod operators;
mod slot;
mod system;
mod text;

/// What the precompiled `core` asks for by name, and never calls: nothing here unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Nothing here panics on purpose. If something does, nothing can be saved.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    use core::fmt::Write as _;
    let mut line = text::Text::<512>::new();
    let _ = writeln!(line, "arenite: {info}");
    system::print_error(line.bytes());
    system::die()
}
