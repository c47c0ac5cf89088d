//! Arenite for C and C++. What is exported is documented in `include/`, for those who call it.
//!
//! ```text
//!   api/        arenite.h: every allocator, tags, budgets, snapshots
//!   platform/   platform.h: an engine's platform layer over one heap that tracks
//!   wrapper/    compat/memory_wrapper.h: Alloc, Free and flags; the compacting pool in a given buffer
//!   win32/      compat/win32_memory.h: the memory half of Win32
//!     error     codes, messages, what the thread's last refusal was; nothing unwinds past it
//! ```
//!
//! Each room's exported functions are thin: they look at what C gave them, call the library, and turn its answer into a code.
//! Names in the symbol table begin with `arenite_` or `Platform_`; the names of old interfaces (`Alloc`, `VirtualAlloc`)
//! are given by their headers, so that a program that has its own is left alone.

pub mod api;
pub mod error;
pub mod platform;
pub mod win32;
pub mod wrapper;

/// What this library itself needs comes from Arenite's heap, too, and is seen in its reports.
#[global_allocator]
static HEAP: arenite::GlobalHeap = arenite::GlobalHeap;
