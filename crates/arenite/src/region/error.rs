//! Why memory could not be had.

use core::fmt;

use crate::base::Bytes;
use crate::ledger::{BudgetExceeded, Tag};
use crate::os::OsError;

/// An allocation or a reservation was refused. Nothing has changed: what was allocated before is untouched, and no
/// figure of the ledger has moved. `Display` says what to do. Allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllocError {
    /// A hard budget would be broken. Names the tag whose limit it is, the limit, what is in use and what was wanted.
    Budget(BudgetExceeded),
    /// The reserved range is used up.
    Exhausted {
        /// Whom the range is charged to.
        tag: Tag,
        /// Size of the range in bytes.
        reserved: usize,
        /// How many bytes of it the allocation would have needed in all.
        needed: usize,
    },
    /// The operating system refused.
    Os {
        /// Whom the range is, or would have been, charged to.
        tag: Tag,
        /// What the system said.
        error: OsError,
    },
    /// Every slot of the pool is taken, and it was made for no more.
    Full {
        /// Whom the pool is charged to.
        tag: Tag,
        /// How many slots it has.
        capacity: usize,
    },
    /// The frame was frozen: it allocates again after the next frame has begun.
    Sealed {
        /// Whom the arena is charged to.
        tag: Tag,
    },
    /// The size asked for does not fit the address space.
    TooLarge {
        /// Whom the allocation would have been charged to.
        tag: Tag,
    },
}

impl AllocError {
    /// The tag that the refused memory would have been charged to; for a budget, the tag whose limit it is.
    #[must_use]
    pub const fn tag(&self) -> Tag {
        match self {
            Self::Budget(exceeded) => exceeded.tag,
            Self::Exhausted { tag, .. }
            | Self::Full { tag, .. }
            | Self::Os { tag, .. }
            | Self::Sealed { tag }
            | Self::TooLarge { tag } => *tag,
        }
    }

    /// Panics with this error as the message: the short names of the allocating functions end here.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(crate) fn raise(self) -> ! {
        panic!("out of memory: {self}")
    }
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget(exceeded) => exceeded.fmt(f),
            Self::Exhausted { tag, reserved, needed } => write!(
                f,
                "tag `{tag}`: the reserved range of {} is used up, {} would be needed; reserve more for it",
                Bytes(*reserved),
                Bytes(*needed)
            ),
            Self::Full { tag, capacity } => {
                write!(f, "tag `{tag}`: all {capacity} slots are taken; make the pool with a larger capacity")
            }
            Self::Os { tag, error } => write!(f, "tag `{tag}`: {error}"),
            Self::Sealed { tag } => write!(f, "tag `{tag}`: this frame is frozen; begin the next one first"),
            Self::TooLarge { tag } => {
                write!(f, "tag `{tag}`: the size asked for does not fit the address space")
            }
        }
    }
}

impl core::error::Error for AllocError {}

impl From<BudgetExceeded> for AllocError {
    fn from(exceeded: BudgetExceeded) -> Self {
        Self::Budget(exceeded)
    }
}
