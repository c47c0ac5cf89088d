//! Floor 4: arenas. Each allocates by moving a pointer and frees by moving it back; they differ in *when*.
//!
//! | arena | everything is freed | destructors | threads |
//! |---|---|---|---|
//! | [`FrameArena`] | when the frame after next begins | none (refused at compile time) | one; a frozen frame goes to others |
//! | [`ScratchStack`] | when its scope ends | with [`Scope::alloc_box`] | one |
//! | [`ResourceArena`] | when the scene changes | yes, in reverse order | many |
//! | [`JobArenas`] | at `reset`, usually once a frame | none (refused at compile time) | one arena per job |
//! | `HeapArena` | at `reset`, at `clear`, or when its scope ends | with `alloc_box` | one |
//!
//! `bump.rs` with `store.rs` is the one raw core, `typed.rs` the typed half of every face; `chunks.rs` is where the core of
//! a `HeapArena`, which has no range of its own, finds more. [`ArenaVec`] and [`ArenaString`] grow in any of them. May import
//! floors 0 to 3; `chunks.rs` and `heap.rs` stand on [`heap`](crate::heap), too.
#![allow(clippy::mut_from_ref, reason = "what an arena is: each call hands out other memory")]

#[cfg(feature = "allocator-api2")]
mod allocator;
mod bump;
#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
mod chunks;
mod frame;
#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
mod heap;
mod job;
mod lease;
mod resource;
mod scratch;
mod store;
mod string;
pub(crate) mod typed;
mod vec;

pub use frame::{FrameArena, FrameArenaOptions, FrameArenaStats, FrameError, FramePacket, FrameRef};
#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
pub use heap::{HeapArena, HeapArenaStats, HeapGuard, HeapMark, HeapScope, StaleMark};
pub use job::{JobArena, JobArenas, JobArenasOptions, JobError, JobStats};
pub use resource::{Resource, ResourceArena, ResourceArenaOptions, ResourceStats, Stored};
pub use scratch::{Scope, ScopeBox, ScratchBusy, ScratchGuard, ScratchSlot, ScratchStack};
pub use string::ArenaString;
pub use vec::ArenaVec;
