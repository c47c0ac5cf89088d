//! How full a range is, and how torn.

use core::fmt;

use crate::base::Bytes;

/// How full a range is, and how torn. Sizes are bytes, or whatever the range is counted in, rounded to granules.
///
/// Printed, it is a line for a log, with sizes as bytes:
///
/// ```
/// use arenite::{OffsetAllocator, Tag};
///
/// let mut memory: OffsetAllocator = OffsetAllocator::try_new(Tag::register("gpu/buffers")?, 1 << 20)?;
/// let blocks = [memory.try_allocate(64 << 10, 16)?, memory.try_allocate(64 << 10, 16)?];
/// memory.free(blocks[0].id)?;
/// assert_eq!(
///     memory.stats().to_string(),
///     "64.0 KiB of 1.0 MiB used in 1 block; 960.0 KiB free in 2 pieces, the largest of 896.0 KiB (7 % torn)"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FitStats {
    /// What all segments have.
    pub capacity: u64,
    /// What is handed out.
    pub used: u64,
    /// What can be handed out. Together with `used` and `aside` it is `capacity`.
    pub free: u64,
    /// What is free in segments that are being drained.
    pub aside: u64,
    /// The largest free piece.
    pub largest_free: u64,
    /// Blocks that are handed out.
    pub used_blocks: u64,
    /// Free pieces.
    pub free_blocks: u64,
    /// Segments.
    pub segments: u64,
    /// Bytes of memory that the book-keeping has committed.
    pub bookkeeping: u64,
}

impl FitStats {
    /// How torn the free space is, from 0 (one piece, or nothing) to nearly 1 (crumbs): the share of it that is not in the largest
    /// piece.
    #[must_use]
    pub fn fragmentation(&self) -> f64 {
        if self.free == 0 { 0.0 } else { 1.0 - self.largest_free as f64 / self.free as f64 }
    }
}

impl fmt::Display for FitStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |size: u64| Bytes(usize::try_from(size).unwrap_or(usize::MAX));
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        write!(
            f,
            "{} of {} used in {} block{}; {} free in {} piece{}, the largest of {} ({:.0} % torn)",
            bytes(self.used),
            bytes(self.capacity),
            self.used_blocks,
            plural(self.used_blocks),
            bytes(self.free),
            self.free_blocks,
            plural(self.free_blocks),
            bytes(self.largest_free),
            self.fragmentation() * 100.0
        )?;
        if self.aside != 0 {
            write!(f, "; {} set aside in segments that are drained", bytes(self.aside))?;
        }
        Ok(())
    }
}
