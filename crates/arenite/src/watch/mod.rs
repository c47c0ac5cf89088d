//! Floor 5: looking at memory: snapshots of every account. May import floors 0 to 4; needs `std`.

mod coverage;
mod mark;
mod snapshot;

pub use coverage::Coverage;
pub use mark::{AccountDelta, Mark, MarkDiff};
pub(crate) use snapshot::write_table;
pub use snapshot::{HeapTagSnapshot, Snapshot, TagSnapshot};
