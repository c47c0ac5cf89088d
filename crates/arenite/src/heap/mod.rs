//! Heaps: blocks of any size, freed one by one in any order.
//!
//! Choose another room when you can: what goes together belongs in an [arena](crate::arena), what is of one size in a
//! [pool](crate::pool). A heap is for the rest.

#[cfg(all(not(loom), target_pointer_width = "64"))]
pub mod bucket;
