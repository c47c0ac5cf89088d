//! A memory system for game engines: reserve address space once, commit pages as needed, charge every page to a tag.
#![no_std]
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod arena;
pub mod base;
pub mod ledger;
#[cfg(feature = "std")]
pub mod manager;
pub mod os;
pub mod region;
#[cfg(feature = "std")]
pub mod watch;

pub use arena::{
    ArenaString, ArenaVec, FrameArena, FrameArenaOptions, FrameArenaStats, FrameError, FramePacket, FrameRef,
    JobArena, JobArenas, JobArenasOptions, JobError, JobStats, Resource, ResourceArena, ResourceArenaOptions,
    ResourceStats, Scope, ScopeBox, ScratchBusy, ScratchGuard, ScratchSlot, ScratchStack,
};
pub use base::Bytes;
pub use ledger::{AccountSnapshot, Budget, BudgetExceeded, BudgetStatus, Ledger, Tag, TagError};
#[cfg(feature = "std")]
pub use manager::{
    BuildError, Frame, FrameStats, MemoryManager, MemoryManagerBuilder, Scene, SceneReport, ShutdownReport,
};
pub use region::{AllocError, Region, RegionOptions};
#[cfg(feature = "std")]
pub use watch::{Snapshot, TagSnapshot};
