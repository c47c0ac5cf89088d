//! Why a block was not taken back.

use core::fmt;

/// A pointer was not given back to a pool or a heap, because it is none of its live blocks. Found in O(1); the pool is as it
/// was. Allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FreeError {
    /// The address lies in none of the blocks.
    Foreign,
    /// The address lies inside of the pool or heap but is not where a block begins.
    Misaligned,
    /// The block was never handed out by `alloc`.
    NotAllocated,
    /// The block is not out any more: it was given back since `alloc` handed it out.
    DoubleFree,
    /// The heap is in the middle of growing, and a pressure callback on the same thread reached into it: give it back later.
    Busy,
}

impl fmt::Display for FreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "the pointer belongs to another allocator: give it back where it came from",
            Self::Misaligned => {
                "the pointer is inside a block, not at its start: give back exactly what `alloc` returned"
            }
            Self::NotAllocated => {
                "the block was never handed out by `alloc`: a block from `take` goes back when it is dropped"
            }
            Self::Busy => {
                "the heap is in the middle of growing, and this is its pressure callback: do it later"
            }
            Self::DoubleFree => "the block was given back already: look for a second owner of the pointer",
        })
    }
}

impl core::error::Error for FreeError {}
