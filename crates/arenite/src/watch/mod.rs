//! Floor 5: looking at memory: snapshots of every account, and where it is going. May import floors 0 to 4; needs `std`.

mod snapshot;
mod trend;

pub(crate) use snapshot::write_table;
pub use snapshot::{Snapshot, TagSnapshot};
pub use trend::{Direction, Trend, TrendReading};
