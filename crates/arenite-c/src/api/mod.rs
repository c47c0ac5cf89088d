//! `arenite.h`: every allocator, tags, budgets and snapshots for C. The header is made from the comments in here
//! (`tests/header.rs`), so they speak to C programmers.
//!
//! ```text
//!   object     what an opaque pointer leads to: looked at before it is believed
//!   texts      strings in and out
//!     tags  budgets  frame  scratch  resources  pool  handles  general  heap  cache  manager  snapshot
//!     fits       what these have in common:  offsets  defrag  space  ring  fit_heap  external
//! ```
//!
//! A function that can be hot looks at null and at the object's magic word, does its work, and leaves everything else to a cold
//! sibling. All others look at the whole object (`object::shared`), and run inside [`guard`](crate::error::guard) or
//! [`answer`](crate::error::answer). While an object is changed as a whole its magic word says so, so that what is called meanwhile
//! (a pressure callback, a destructor) is refused rather than let in.
#![allow(non_camel_case_types, reason = "C's names")]
#![expect(
    clippy::missing_safety_doc,
    reason = "what pointers must be is said once for all functions, at the start of the header"
)]

pub mod budgets;
pub mod cache;
pub mod defrag;
pub mod external;
pub mod fit_heap;
pub mod fits;
pub mod frame;
pub mod general;
pub mod handles;
pub mod heap;
pub mod manager;
mod object;
pub mod offsets;
pub mod pool;
pub mod resources;
pub mod ring;
pub mod scratch;
pub mod snapshot;
pub mod space;
pub mod tags;
mod texts;

use std::alloc::Layout;

use arenite::heap::bucket::BlockFault;
use arenite::{BuildError, FrameError, FreeError, HeapError, TagError};

use crate::error::Refusal;
use crate::error::arenite_error::*;

/// What a block is aligned to unless it is said otherwise: enough for every type of C.
pub(crate) const ALIGN: usize = 16;

/// The most that a block can be aligned to.
const ALIGN_MOST: usize = 1 << 20;

/// A layout that C asked for.
fn layout(size: usize, align: usize) -> Result<Layout, Refusal> {
    let align = if align == 0 { ALIGN } else { align };
    if !align.is_power_of_two() || align > ALIGN_MOST {
        return Err(Refusal::new(
            ARENITE_INVALID_ARGUMENT,
            format_args!("an alignment of {align}: it must be a power of two, at most {ALIGN_MOST}"),
        ));
    }
    Layout::from_size_align(size, align).map_err(|_| ARENITE_TOO_LARGE.into())
}

impl From<TagError> for Refusal {
    #[cold]
    fn from(error: TagError) -> Self {
        Self::new(ARENITE_BAD_TAG, error)
    }
}

impl From<FreeError> for Refusal {
    #[cold]
    fn from(error: FreeError) -> Self {
        let code = match error {
            FreeError::Foreign => ARENITE_FOREIGN,
            FreeError::Misaligned => ARENITE_MISALIGNED,
            FreeError::NotAllocated => ARENITE_NOT_ALLOCATED,
            FreeError::DoubleFree => ARENITE_DOUBLE_FREE,
            _ => ARENITE_INTERNAL,
        };
        Self::new(code, error)
    }
}

impl From<BlockFault> for Refusal {
    #[cold]
    fn from(fault: BlockFault) -> Self {
        let code = match fault {
            BlockFault::Foreign => ARENITE_FOREIGN,
            BlockFault::Misaligned => ARENITE_MISALIGNED,
            BlockFault::NotAllocated => ARENITE_NOT_ALLOCATED,
            BlockFault::DoubleFree => ARENITE_DOUBLE_FREE,
            _ => ARENITE_INTERNAL,
        };
        Self::new(code, fault)
    }
}

impl From<FrameError> for Refusal {
    #[cold]
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Memory(error) => error.into(),
            FrameError::AllInFlight => Self::new(ARENITE_BUSY, error),
            _ => Self::new(ARENITE_INTERNAL, error),
        }
    }
}

impl From<HeapError> for Refusal {
    #[cold]
    fn from(error: HeapError) -> Self {
        match error {
            HeapError::Tag(error) => error.into(),
            HeapError::Memory(error) => error.into(),
            _ => Self::new(ARENITE_INTERNAL, error),
        }
    }
}

impl From<BuildError> for Refusal {
    #[cold]
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Tag(error) => error.into(),
            BuildError::Memory(error) => error.into(),
            _ => Self::new(ARENITE_INVALID_ARGUMENT, error),
        }
    }
}
