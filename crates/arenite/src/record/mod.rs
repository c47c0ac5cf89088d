//! The recorder (64-bit systems): every allocation of a program with its size, tag, thread, time and call stack, in a file.
//!
//! ```no_run
//! use arenite::record::{self, RecordOptions};
//!
//! #[global_allocator]
//! static HEAP: arenite::GlobalHeap = arenite::GlobalHeap;
//!
//! let recording = record::start(RecordOptions::new("game.arec"))?;
//! record::mark("level loaded");
//! // … the game …
//! println!("{}", recording.stop()?);
//! # Ok::<(), record::RecordError>(())
//! ```
//!
//! ```text
//!   sinks          what allocators tell, and who is told: the recorder, Tracy (`arenite::tracy`), or both
//!   session        start, pause, stop; what becomes of what the recorder is told             std
//!     ├─ fork      the child of a fork records nothing
//!     ├─ sample    which blocks are recorded, when not all are
//!     ├─ desk      writing an event on the thread whose it is ─ stack, intern, clock
//!     └─ writer    the thread that takes events from all others and writes the file ─ output  std
//!          ├─ modules         what the process has loaded, and what it is known by
//!          └─ chain, room     segments of memory that events are written to; memory of the recorder's own
//!               └─ format     the file, for writer and reader
//! ```
//!
//! `interposer` is the door for a library that stands before another heap's `malloc` (`preload/record`).
//!
//! It rests on:
//!
//! - *Nothing is shared on the way.* A thread writes into a segment of its own and publishes the length. Threads meet when one
//!   needs another segment (once in 64 KiB), and in the table of stacks, which is only read once all stacks are known.
//! - *Nothing waits.* When no segment is free, events are dropped, and the writer tells how many.
//! - *Nothing is allocated from what is watched.* Memory is a region under the tag `recorder`; what the recorder's own thread does is
//!   left out, and what system calls or thread-locals ask for while an event is written, too.
//! - *A free is told before the block is given back*, an allocation after it was handed out; of a block that moves both: that it leaves
//!   its place, with the time before, and where it is, with the time after. So in the order of time nobody has a
//!   block that another one still has, but for the moment that a processor may read its clock early; a reader allows for that.
//! - *Heaps with a tag of their own tell of themselves* (`ledger::telling`): named heaps, fit heaps in memory of their own, the heap whose blocks
//!   move. A move is no allocation: the block keeps its call stack, size and age.

mod chain;
mod clock;
mod desk;
mod fork;
pub mod format;
mod intern;
#[doc(hidden)]
pub mod interposer;
mod modules;
mod output;
mod room;
mod sample;
mod session;
mod sinks;
mod stack;
mod writer;

pub(crate) use desk::quietly;
#[cfg(feature = "tracy")]
pub(crate) use desk::{alone, leave_out_this_thread};
pub use session::{RecordError, RecordOptions, RecordSummary, Recording, Stacks, is_on, start};
pub(crate) use session::{high_waters, used};
#[cfg(feature = "tracy")]
pub(crate) use sinks::listen;
pub(crate) use sinks::{
    allocated, allocated_as, chooses, freed, passes, passes_free, resized, resized_as, resizing, stays,
};
pub use sinks::{frame, mark, note};
pub(crate) use stack::Caller;
