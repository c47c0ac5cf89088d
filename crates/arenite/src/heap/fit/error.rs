//! What a fit heap refuses, and why.

use core::fmt;

use crate::base::{Bytes, FreeError};
use crate::region::AllocError;

/// There is no block of that kind. Nothing has changed. Sizes are bytes, or whatever the range is counted in. Allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FitError {
    /// Less is free than was asked for.
    OutOfMemory {
        /// What was asked for, rounded up to granules.
        wanted: u64,
        /// What is free, all together. (Of a `DefragHeap`, what is free of the memory that is committed.)
        free: u64,
    },
    /// Enough is free, but not in one piece, or not at such an alignment: defragmenting would help.
    OutOfContiguous {
        /// What was asked for, rounded up to granules.
        wanted: u64,
        /// Its alignment.
        align: u64,
        /// What is free, all together.
        free: u64,
        /// The largest free piece. (With [`Tlsf`](super::Tlsf) one that is perhaps a thirty-second smaller: being refused takes O(1), too.)
        largest: u64,
    },
    /// Nothing of the kind could have room for such an alignment, or, where memory is handed out by address, for such a size.
    /// (Of a range, a size is compared with what is free: [`OutOfMemory`](Self::OutOfMemory).)
    TooLarge,
    /// The block that was named is not in use.
    Stale(StaleBlock),
    /// The pointer is no used block of the heap.
    Misused(FreeError),
    /// A pressure callback reached into the heap that was just growing on the same thread: do it later.
    Busy,
    /// The book-keeping, or the memory itself, could not grow.
    Refused(AllocError),
}

impl fmt::Display for FitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |size: &u64| Bytes(usize::try_from(*size).unwrap_or(usize::MAX));
        match self {
            Self::OutOfMemory { wanted, free } => {
                write!(
                    f,
                    "{} were asked for and {} are free: give back something, or make it larger",
                    bytes(wanted),
                    bytes(free)
                )
            }
            Self::OutOfContiguous { wanted, align, free, largest } => write!(
                f,
                "{} aligned to {align} were asked for; {} are free, the largest piece of which is {}: defragment, or make it larger",
                bytes(wanted),
                bytes(free),
                bytes(largest)
            ),
            Self::TooLarge => f.write_str(
                "the size or the alignment asked for is more than there can be, whatever is given back",
            ),
            Self::Stale(error) => error.fmt(f),
            Self::Misused(error) => error.fmt(f),
            Self::Busy => f.write_str(
                "the heap is in the middle of growing, and this is its pressure callback: do it later",
            ),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for FitError {}

impl From<StaleBlock> for FitError {
    fn from(error: StaleBlock) -> Self {
        Self::Stale(error)
    }
}

impl From<FreeError> for FitError {
    fn from(error: FreeError) -> Self {
        Self::Misused(error)
    }
}

impl From<AllocError> for FitError {
    fn from(error: AllocError) -> Self {
        Self::Refused(error)
    }
}

/// A block was named that is not there: it was freed, or it belongs to another allocator (one that has a block of the same name itself can not tell). Nothing has
/// changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaleBlock;

impl fmt::Display for StaleBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such block: it was freed, or it is of another allocator")
    }
}

impl core::error::Error for StaleBlock {}

/// A segment was not removed. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentError {
    /// Blocks of it are in use.
    InUse,
    /// There is no such segment: it was removed, or it belongs to another allocator.
    Stale,
}

impl fmt::Display for SegmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InUse => "blocks of the segment are in use: drain it, and free or move them",
            Self::Stale => "no such segment: it was removed, or it is of another allocator",
        })
    }
}

impl core::error::Error for SegmentError {}
