//! Memory of someone else, in pieces: of a GPU, a mapped file, a special pool of a console.
//!
//! | file | what lives there |
//! |---|---|
//! | `heap` | `ExternalHeap`: shared blocks of large chunks that a `Provider` hands out (feature `std`) |
//! | `ring` | [`UploadRing`]: pieces that go in the order they came, when a fence has been passed |
//!
//! Nothing here reads or writes the memory. Floor 4: may import floors 0 to 3, and [`fit`](super::fit), its neighbour in this room.

#[cfg(all(feature = "std", not(loom)))]
mod heap;
mod ring;

#[cfg(all(feature = "std", not(loom)))]
pub use heap::{ExternalBlock, ExternalError, ExternalHeap, ExternalOptions, ExternalStats, Provider};
pub use ring::{RingBlock, RingError, UploadRing};

#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
