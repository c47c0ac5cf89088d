//! Floor 0: what every other floor stands on: rounding, the wording of sizes, the only door to atomics and locks, numbers
//! for threads.
//!
//! Imports nothing from this crate. Allocates nothing.

pub mod align;
pub mod bytes;
mod prefetch;
pub mod sync;
pub(crate) mod thread;

pub use bytes::Bytes;
pub(crate) use prefetch::prefetch_for_writing;

use sync::plain::{AtomicU64, Ordering};

/// Debug and hardened builds: stale memory is poisoned and, where whole pages can be closed, inaccessible.
pub(crate) const HARDENED: bool = cfg!(any(debug_assertions, feature = "hardened"));

/// What freed memory is filled with in hardened builds.
pub(crate) const POISON: u8 = 0xDF;

/// A number that no other call in this process gets, never 0: names one time of one structure, so that one compare
/// refuses another structure and another time.
pub(crate) fn next_stamp() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
