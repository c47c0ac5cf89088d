//! Heaps whose blocks move: handles instead of addresses, so that what is free can be brought together, a little in each frame.
//!
//! ```text
//!   handle ─► slot ─► block           before   |■■|....|■■■|..|■|......|■■■■|..|
//!    slot + generation  │                            └◄──┘  └◄─┘   └◄──────┘         a few of these each frame
//!                       ▼             after    |■■|■■■|■|■■■■|....................|
//!                    where it lies today
//! ```
//!
//! | file | what lives there |
//! |---|---|
//! | `heap` | [`DefragHeap`]: memory of its own, which it copies by itself |
//! | `tick` | what one call of its defragmenter does |
//! | `values` | its face: values, slices, bytes |
//! | `hold` | [`DefragPin`], and who frees the memory |
//! | `moves` | [`DefragSpace`]: offsets only; somebody else copies, and says when that is done |
//! | `movable` | both: slots and blocks, and what may happen to a block on its way |
//! | `policy` | which block moves next, and where to |
//! | `slots` | what a handle names |
//! | `budget` | how much a call may do, and how long a copy takes |
//! | `map` | what lies where |
//! | `told` | what it tells the recorder |
//! | `bits` | handles as numbers, and addresses, for C |
//!
//! Choose a [pool](crate::pool) for what is of one size, and an arena for what goes together: there nothing has to move.
//! Floor 4, in the room of heaps: may import floors 0 to 3, and [`fit`](super::fit).

mod bits;
mod budget;

mod handle;
mod heap;
mod hold;
mod map;
mod movable;
mod moves;
mod options;
mod policy;
mod slots;
mod tick;
mod told;
mod values;

pub use budget::{DefragBudget, MoveClock, MoveReport, SystemClock};
pub use handle::{DefragError, DefragHandle, SpaceHandle};
pub use heap::DefragHeap;
pub use hold::DefragPin;
pub use map::{MapPiece, PieceState};
pub use moves::{DefragSpace, MoveEnd, MoveId, SpaceMove, SpacePlace};
pub use options::DefragHeapOptions;
pub use policy::DefragPolicy;
pub use values::DefragValue;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
