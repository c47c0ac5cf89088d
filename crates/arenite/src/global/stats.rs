//! What a counting allocator tells.

use core::fmt;

use super::book::{CLASSES, Sums};
use crate::base::Bytes;

/// What a [`TrackingAllocator`](super::TrackingAllocator) has handed out, as sizes that were asked for.
///
/// Consistent: nothing in it was freed that was not allocated, so no difference of its figures underflows, whatever other
/// threads do meanwhile. Exact while no other thread is inside the allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AllocationStats {
    /// Bytes of the blocks that are with the program.
    pub bytes: u64,
    /// Blocks that are with the program.
    pub blocks: u64,
    /// The most that `bytes` ever was. Exact as long as one thread allocates and frees; otherwise off by at most 64 KiB for
    /// each thread that lives or ever lived at the same time as others, and 64 KiB.
    pub peak_bytes: u64,
    /// Blocks that were ever handed out.
    pub allocations: u64,
    /// Blocks that came back.
    pub deallocations: u64,
    /// Blocks that were made longer or shorter, in place or not. They are in neither of the two figures above.
    pub reallocations: u64,
    /// Bytes that were ever handed out, the new size of each reallocation included.
    pub bytes_allocated: u64,
    /// Bytes that came back, the old size of each reallocation included.
    pub bytes_deallocated: u64,
    /// Requests that the allocator below, or a budget, refused.
    pub failures: u64,
    classes: [SizeClass; CLASSES],
}

/// Blocks of similar sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SizeClass {
    /// The smallest size, in bytes; a power of two. The next class begins at its double.
    pub from: u64,
    /// Blocks of such sizes that were ever handed out; a reallocation is one of its new size.
    pub allocations: u64,
    /// Blocks of such sizes that are with the program.
    pub blocks: u64,
}

impl AllocationStats {
    pub(super) fn new(sums: &Sums) -> Self {
        let mut classes = [SizeClass::default(); CLASSES];
        for (class, entry) in classes.iter_mut().enumerate() {
            let (allocs, frees) = (sums.allocs[class], sums.frees[class]);
            *entry =
                SizeClass { from: 1 << class, allocations: allocs, blocks: allocs.saturating_sub(frees) };
        }
        let (allocs, frees) = (sums.allocs.iter().sum::<u64>(), sums.frees.iter().sum::<u64>());
        Self {
            bytes: sums.allocated.saturating_sub(sums.freed),
            blocks: allocs.saturating_sub(frees),
            peak_bytes: sums.peak,
            allocations: allocs.saturating_sub(sums.reallocs),
            deallocations: frees.saturating_sub(sums.reallocs),
            reallocations: sums.reallocs,
            bytes_allocated: sums.allocated,
            bytes_deallocated: sums.freed,
            failures: sums.failures,
            classes,
        }
    }

    /// Figures by size, for the sizes that were ever asked for, the smallest first.
    pub fn size_classes(&self) -> impl Iterator<Item = &SizeClass> {
        self.classes.iter().filter(|class| class.allocations != 0)
    }

    /// What has happened since an earlier look at the same allocator.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> AllocationDelta {
        AllocationDelta {
            bytes: self.bytes as i64 - earlier.bytes as i64,
            blocks: self.blocks as i64 - earlier.blocks as i64,
            allocations: self.allocations.saturating_sub(earlier.allocations),
            deallocations: self.deallocations.saturating_sub(earlier.deallocations),
            reallocations: self.reallocations.saturating_sub(earlier.reallocations),
            bytes_allocated: self.bytes_allocated.saturating_sub(earlier.bytes_allocated),
            bytes_deallocated: self.bytes_deallocated.saturating_sub(earlier.bytes_deallocated),
        }
    }
}

impl fmt::Display for AllocationStats {
    /// One line. Does not allocate.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |bytes: u64| Bytes(usize::try_from(bytes).unwrap_or(usize::MAX));
        write!(
            f,
            "{} in {} blocks, peak {}; {} allocations, {} deallocations, {} reallocations",
            bytes(self.bytes),
            self.blocks,
            bytes(self.peak_bytes),
            self.allocations,
            self.deallocations,
            self.reallocations
        )
    }
}

/// The difference of two looks; made by [`AllocationStats::since`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AllocationDelta {
    /// Bytes that are with the program and were not, or the other way round if negative.
    pub bytes: i64,
    /// Blocks that are with the program and were not.
    pub blocks: i64,
    /// See [`AllocationStats::allocations`].
    pub allocations: u64,
    /// See [`AllocationStats::deallocations`].
    pub deallocations: u64,
    /// See [`AllocationStats::reallocations`].
    pub reallocations: u64,
    /// See [`AllocationStats::bytes_allocated`].
    pub bytes_allocated: u64,
    /// See [`AllocationStats::bytes_deallocated`].
    pub bytes_deallocated: u64,
}

/// What one tag has of a [tagged](super::Tagged) allocator, as sizes that were asked for. Consistent as
/// [`AllocationStats`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TagStats {
    /// Bytes of the tag's blocks that are with the program.
    pub bytes: u64,
    /// Blocks of the tag that are with the program.
    pub blocks: u64,
    /// Blocks that were ever handed out under the tag.
    pub allocations: u64,
    /// Blocks of the tag that came back, whoever freed them.
    pub deallocations: u64,
}
