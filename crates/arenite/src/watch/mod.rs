//! Floor 5: looking at memory: snapshots of every account, where it is going, and
//! monitors that tell. May import floors 0 to 4; needs `std`.

mod monitor;
mod reporter;
mod snapshot;
mod trend;

pub use monitor::{Figure, Kind, MemoryMonitor, ResourceMonitor, Unit};
pub use reporter::Reporter;
pub(crate) use snapshot::write_table;
pub use snapshot::{Snapshot, TagSnapshot};
pub use trend::{Direction, Trend, TrendReading};
