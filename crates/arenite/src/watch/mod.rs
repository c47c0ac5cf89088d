//! Floor 5: looking at memory: snapshots of every account, what has changed since, where it is going, and monitors that
//! tell. May import floors 0 to 4; needs `std`.

mod control_group;
mod coverage;
mod leak;
mod mark;
mod monitor;
mod reporter;
mod snapshot;
mod system;
mod trend;

/// As [`region::track_origins`](crate::region::track_origins): leak reports then say where arenas, pools, heaps and regions were
/// made that still live.
pub use crate::region::{origins_tracked, track_origins};
pub use coverage::Coverage;
pub use leak::{Leak, LeakGuard, LeakMark, LeakReport, LeakedBlock, LeakedSize, LeakedStructure};
pub use mark::{AccountDelta, Mark, MarkDiff};
pub use monitor::{Figure, Kind, MemoryMonitor, ResourceMonitor, Unit};
pub use reporter::Reporter;
pub(crate) use snapshot::write_table;
pub use snapshot::{HeapTagSnapshot, Snapshot, TagSnapshot};
pub use system::{Stall, SystemPressure, SystemPressureLevel, SystemPressureReading, SystemPressureSource};
pub use trend::{Direction, Trend, TrendReading};
