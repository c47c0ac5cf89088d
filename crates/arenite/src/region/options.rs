//! How a region is to be reserved and committed.

use super::origin::{Id, Kind, Made};
use crate::ledger::Tag;

/// How a [`Region`](super::Region) is reserved and how it commits. Sizes are bytes.
///
/// ```
/// use arenite::{RegionOptions, Tag};
/// let tag = Tag::register("audio")?;
/// let options = RegionOptions::new(tag, 1 << 30).at_least(64 << 20).prefault(true);
/// # let _ = options;
/// # Ok::<(), arenite::TagError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct RegionOptions {
    pub(super) tag: Tag,
    pub(super) reserve: usize,
    pub(super) at_least: usize,
    pub(super) align: usize,
    pub(super) step_min: usize,
    pub(super) step_max: usize,
    pub(super) guard: bool,
    pub(super) huge: bool,
    pub(super) prefault: bool,
    /// Of the structure that the region is for.
    origin: Id,
}

impl RegionOptions {
    /// Reserves `reserve` bytes, charged to `tag`. When the system refuses that much address space the size is halved
    /// until it agrees, down to [`at_least`](Self::at_least).
    ///
    /// A guard page follows the range, steps grow from 64 KiB to 4 MiB, huge pages and prefaulting are off.
    pub const fn new(tag: Tag, reserve: usize) -> Self {
        Self {
            tag,
            reserve,
            at_least: if reserve < MIN_STEP { reserve } else { MIN_STEP },
            align: 1,
            step_min: MIN_STEP,
            step_max: MAX_STEP,
            guard: true,
            huge: false,
            prefault: false,
            origin: Id::UNASKED,
        }
    }

    /// The region is a part of the structure that is being made.
    pub(crate) fn of(mut self, made: &Made) -> Self {
        self.origin = made.id();
        self
    }

    /// The region is a part of the same structure as another one.
    pub(crate) const fn beside(mut self, other: &Self) -> Self {
        self.origin = other.origin;
        self
    }

    /// The structure it is a part of, or one that the caller makes.
    #[inline]
    #[track_caller]
    pub(crate) fn made(&self, kind: Kind) -> Made {
        if self.origin == Id::UNASKED { Made::here(kind, self.tag) } else { Made::part_of(self.origin) }
    }

    /// Whom the region is to be charged to.
    pub(crate) const fn tag(&self) -> Tag {
        self.tag
    }

    /// The smallest reservation that is still useful. Default: 64 KiB, or all of it if that is less.
    pub const fn at_least(mut self, bytes: usize) -> Self {
        self.at_least = bytes;
        self
    }

    /// Alignment of the first byte, a power of two; at least a page in any case.
    ///
    /// # Panics
    /// `align` is not a power of two.
    pub const fn align(mut self, align: usize) -> Self {
        assert!(align.is_power_of_two(), "an alignment is a power of two");
        self.align = align;
        self
    }

    /// Bounds of a commit step. A step is as large as what is committed already, within these bounds, so that a busy
    /// region makes few system calls and a small one wastes little.
    pub const fn commit_steps(mut self, min: usize, max: usize) -> Self {
        self.step_min = min;
        self.step_max = if max < min { min } else { max };
        self
    }

    /// Whether an inaccessible page follows the range, so that running over its end faults.
    pub const fn guard(mut self, guard: bool) -> Self {
        self.guard = guard;
        self
    }

    /// Aligns the range to huge pages, commits in huge steps and asks the system to back it with huge pages. Cold
    /// memory fills nearly twice as fast; resident memory is rounded up to huge pages.
    pub const fn huge_pages(mut self, huge: bool) -> Self {
        self.huge = huge;
        self
    }

    /// Brings each committed step into RAM at once, so that its first use does not fault.
    pub const fn prefault(mut self, prefault: bool) -> Self {
        self.prefault = prefault;
        self
    }
}

const MIN_STEP: usize = 64 << 10;
const MAX_STEP: usize = 4 << 20;
