//! Floor 0: arithmetic on sizes and alignments, the wording of sizes, and the only door to atomics and locks.
//!
//! May import nothing of this crate. Allocates nothing.

pub mod align;
mod bytes;
pub mod sync;
pub(crate) mod unwind;

pub use bytes::Bytes;
