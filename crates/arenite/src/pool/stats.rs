//! The figures of a pool.

use super::slots::Slots;

/// Figures of a pool at one moment. Sizes are bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PoolStats {
    /// Slots there can be.
    pub capacity: usize,
    /// Slots that have memory: what can be taken without a system call.
    pub ready: usize,
    /// Slots that are taken.
    pub live: usize,
    /// The most that were taken when the pool grew, was reset, published, or asked for its figures.
    pub high_water: usize,
    /// From one slot to the next.
    pub stride: usize,
    /// Committed, book-keeping included.
    pub committed: usize,
    /// Reserved, book-keeping included.
    pub reserved: usize,
}

impl PoolStats {
    pub(super) fn of<const N: usize>(slots: &Slots<N>) -> Self {
        Self {
            capacity: slots.capacity(),
            ready: slots.ready(),
            live: slots.live(),
            high_water: slots.high_water(),
            stride: slots.stride(),
            committed: slots.committed(),
            reserved: slots.reserved(),
        }
    }
}
