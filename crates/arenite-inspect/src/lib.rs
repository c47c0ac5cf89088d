//! Reads what [`arenite::record`] wrote.
//!
//! [`Capture`] opens a file, whole, cut off or damaged, and shows its events in the order of time. [`Live`] keeps what lives while
//! they pass. Neither needs memory for events: a capture of any length is read in the memory of what lived at its peak, and of the
//! list of its chunks (40 bytes for up to 64 KiB of events).
//!
//! [`Summary`] is what a whole recording comes to, by tag, call stack, thread and frame; [`Detail`] is what a second pass adds for a
//! page: which call stacks did most of each frame, what they had at many moments, where blocks lie. `Symbols` (the feature
//! `symbols`, which is on by default) turns return addresses into functions and lines.
//!
//! Of a recording that is a sample, all of them tell estimates of the whole, with how far those may be off ([`Spread`], [`Estimate`]).
//! [`Live`] knows the recorded blocks only.
//!
//! With the feature `export`, `export` writes a recording as other tools read them.
//!
//! [`Follow`] reads a capture while it is being written, for a display.
//!
//! ```no_run
//! use arenite_inspect::{Capture, Live};
//!
//! let mut capture = Capture::open("game.arec")?;
//! let mut live = Live::new();
//! let read = capture.events(|thread, event| {
//!     live.take(thread, &event);
//! })?;
//! println!("{} blocks of {} bytes live; at most {}", live.blocks(), live.bytes(), live.peak());
//! println!("{} chunks were damaged", read.damaged);
//! # Ok::<(), arenite_inspect::ReadError>(())
//! ```

mod chunks;
mod detail;
mod estimate;
#[cfg(feature = "export")]
pub mod export;
mod follow;
mod live;
mod maps;
mod reader;
mod stacks;
mod summary;
#[cfg(feature = "symbols")]
mod symbols;

pub use detail::{
    Detail, DetailMoment, DetailOptions, DetailRow, DetailSite, HeapMap, MapCell, MomentKind, RowKind,
    SiteUse,
};
pub use estimate::{Estimate, Spread};
pub use follow::{Activity, Board, Follow, FollowError, FollowState, Rate, TagRow, ThreadRow, Tick};
pub use live::{Block, Change, Live};
pub use maps::ModuleMap;
pub use reader::{Capture, ReadError, ReadSummary};
pub use stacks::CallStack;
pub use summary::{
    BudgetFigures, Figures, FrameRow, Frames, Held, MarkFigures, Moment, ProcessFigures, SizeClass, Snapshot,
    Summary, SummaryError, SummaryOptions, TagFigures, ThreadFigures, Window,
};
#[cfg(feature = "symbols")]
pub use symbols::{FileState, Frame, Mapped, ModuleFile, Symbols};
