//! Floor 0: what every other floor stands on: rounding, the wording of sizes, the only door to atomics and locks, numbers
//! for threads, what may be wrong with a pointer, whether somebody records.
//!
//! Imports nothing from this crate. Allocates nothing.

pub mod align;
pub mod bytes;
mod free_error;
mod prefetch;
#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
pub(crate) mod recording;
#[cfg(not(all(feature = "std", not(loom), target_pointer_width = "64")))]
#[path = "no_recording.rs"]
pub(crate) mod recording;
pub mod sync;
pub(crate) mod thread;

pub use bytes::Bytes;
pub use free_error::FreeError;
pub(crate) use prefetch::prefetch_for_writing;

use sync::plain::{AtomicU64, Ordering};

/// Debug and hardened builds: stale memory is poisoned and, where whole pages can be closed, inaccessible.
pub(crate) const HARDENED: bool = cfg!(any(debug_assertions, feature = "hardened"));

/// What freed memory is filled with in hardened builds.
pub(crate) const POISON: u8 = 0xDF;

/// Frames that began in this process.
static FRAMES: AtomicU64 = AtomicU64::new(0);

/// How many frames began in this process, of all managers: what the age of blocks in reports is counted in.
#[must_use]
pub fn frames() -> u64 {
    FRAMES.load(Ordering::Relaxed)
}

/// Counts a frame. A manager does so; call it once a frame if there is none and reports should tell ages in frames.
pub fn frame_begins() {
    FRAMES.fetch_add(1, Ordering::Relaxed);
}

/// A number that no other call in this process gets, never 0: names one time of one structure, so that one compare
/// refuses another structure and another time.
pub(crate) fn next_stamp() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
