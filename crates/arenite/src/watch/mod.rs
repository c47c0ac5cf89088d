//! Floor 5: looking at memory: snapshots of every account. May import floors 0 to 4; needs `std`.

mod snapshot;

pub(crate) use snapshot::write_table;
pub use snapshot::{HeapTagSnapshot, Snapshot, TagSnapshot};
