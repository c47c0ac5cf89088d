//! A memory system for game engines: reserve address space once, commit pages as needed, charge every page to a tag.
//!
//! A reserved range never moves, so arenas grow in place; a budget is checked only when a watermark moves, never on the
//! fast path; and since every page belongs to a [`Tag`], a running game can say where each byte went.
//!
//! | floor | room | what lives there |
//! |---|---|---|
//! | 0 | [`base`] | rounding, the wording of sizes, the only door to atomics and locks |
//! | 1 | [`os`] | what an operating system must offer |
//! | 2 | [`ledger`] | [`Tag`]s, accounts, [`Budget`]s, pressure callbacks |
//! | 3 | [`region`] | [`Region`]: the only way memory enters the system |
//! | 4 | [`arena`] | [`FrameArena`], [`ScratchStack`], [`ResourceArena`], [`JobArenas`], `HeapArena`, [`ArenaVec`], [`ArenaString`] |
//! | 4 | [`pool`] | [`BlockPool`], [`Pool`], [`HandlePool`], [`Secondary`], [`Columns`], [`SharedBlockPool`], [`SharedPool`] |
//! | 4 | [`heap`] | `GlobalHeap`, `Heap` (named), `BucketHeap`, [`OffsetAllocator`], [`FitHeap`], [`DefragHeap`], `ExternalHeap`, [`UploadRing`] |
//! | 5 | [`watch`] | [`Snapshot`]s, [`Trend`]s, monitors |
//! | 5 | `record` | the recorder: every allocation, in a file (feature `record`) |
//! | 5 | `tracy` | the same, live in Tracy's profiler (feature `tracy`) |
//! | 5 | [`cache`] | [`ResourceCache`]: resources on demand, least recently used unloaded |
//! | 6 | [`manager`] | [`MemoryManager`]: what an engine holds |
//! | 6 | [`global`] | [`GlobalHeap`], [`TrackingAllocator`]; [`Tag::scope`] |
//!
//! ```
//! use arenite::{Budget, MemoryManager, Resource};
//!
//! struct Texture {
//!     width: usize,
//!     pixels: Resource<[u8]>,
//! }
//!
//! let mut memory = MemoryManager::builder().budget("frame", Budget::hard(64 << 20).warn_at(0.8)).build()?;
//!
//! // A scene owns its resources; it may be filled on another thread.
//! let scene = memory.load_scene();
//! let pixels = scene.insert_slice_with(64 * 64, |pixels: &mut [u8]| pixels.fill(7));
//! let wall = scene.insert(Texture { width: 64, pixels });
//! memory.change_scene(scene);
//!
//! let mut last = None;
//! for number in 0..10u32 {
//!     let frame = memory.begin_frame();
//!     let texture = frame.resources().get(wall).expect("a texture of this scene");
//!     let pixels = frame.resources().get(texture.pixels).expect("its pixels");
//!     assert_eq!(pixels[texture.width], 7);
//!
//!     // Kept for the next frame, and gone after that.
//!     let (draws, kept) = frame.keep_slice_from_iter((0..100u32).filter(|id| id % 3 == number % 3));
//!     let before = last.and_then(|ticket| frame.get(ticket)).map_or(0, <[u32]>::len);
//!     let label = frame.alloc_fmt(format_args!("{} draws, {before} before", draws.len()));
//!     assert!(label.contains("draws"));
//!     last = Some(kept);
//!     frame.end();
//! }
//! println!("{}", memory.shutdown());
//! # Ok::<(), arenite::BuildError>(())
//! ```
//!
//! # Features
//!
//! - `std` (default): the manager, snapshots, panic-proof clearing. Floors 0 to 4 need neither it nor `alloc`.
//! - `derive` (default): `#[derive(Soa)]` for [`Columns`].
//! - `serde`: `Serialize` and `Deserialize` for snapshots and statistics; saving and loading of handle pools and offset allocators.
//! - `rayon`: parallel iteration over handle pools.
//! - `allocator-api2`: `&FrameArena` (of a manager's frame: `&*frame`), `&Scope`, `&JobArena`, `&HeapArena`, `Heap`,
//!   `GlobalHeap` and `&Locked<FitHeap>` are allocators, for `hashbrown` maps with its feature of the same name and for `allocator_api2`'s own containers.
//! - `log`, `tracing`, `metrics`: where a [`watch::Reporter`] tells what monitors see.
//! - `record`: the recorder of allocations, and `Recorded`, which shows it any allocator.
//! - `tracy`: what the recorder sees, live in Tracy's profiler. Builds Tracy's client, which takes a C++ compiler.
//! - `hardened`: what debug builds do, in release builds: more frame buffers, poisoned memory, closed stale buffers.
//! - `fault-injection`: makes calls to the operating system fail, for tests.
#![no_std]
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod arena;
pub mod base;
#[cfg(all(feature = "std", not(loom)))]
pub mod cache;
#[cfg(all(feature = "std", target_pointer_width = "64"))]
pub mod global;
pub mod heap;
pub mod ledger;
#[cfg(feature = "std")]
pub mod manager;
pub mod os;
pub mod pool;
#[cfg(all(feature = "record", not(loom), target_pointer_width = "64"))]
pub mod record;
/// Its models: what else there is of it has no place under loom.
#[cfg(all(feature = "record", loom, test))]
#[path = "record/chain.rs"]
mod record_chain;
pub mod region;
#[cfg(all(feature = "tracy", not(loom), target_pointer_width = "64"))]
pub mod tracy;
#[cfg(feature = "std")]
pub mod watch;

pub use arena::{
    ArenaString, ArenaVec, FrameArena, FrameArenaOptions, FrameArenaStats, FrameError, FramePacket, FrameRef,
    JobArena, JobArenas, JobArenasOptions, JobError, JobStats, Resource, ResourceArena, ResourceArenaOptions,
    ResourceStats, Scope, ScopeBox, ScratchBusy, ScratchGuard, ScratchSlot, ScratchStack,
};
#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
pub use arena::{HeapArena, HeapArenaStats, HeapGuard, HeapMark, HeapScope, StaleMark};
#[cfg(feature = "derive")]
pub use arenite_derive::Soa;
pub use base::Bytes;
#[cfg(all(feature = "std", not(loom)))]
pub use cache::{Pinned, ResourceCache, ResourceCacheOptions, ResourceCacheStats};
#[cfg(all(feature = "record", not(loom), target_pointer_width = "64"))]
pub use global::Recorded;
#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
pub use global::{
    AllocationDelta, AllocationDiff, AllocationMark, AllocationStats, GlobalHeap, SizeClass, TagDelta,
    TagScope, TagStats, Tagged, ThreadAllocations, TrackingAllocator, Untagged, last_refusal, max_alloc,
    no_alloc, thread_allocations,
};
#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
pub use heap::bucket::{BucketHeap, BucketHeapOptions, HeapStats, LiveBlock, TagUse};
pub use heap::defrag::{
    DefragBudget, DefragError, DefragHandle, DefragHeap, DefragHeapOptions, DefragPin, DefragPolicy,
    DefragSpace, DefragValue, MapPiece, MoveClock, MoveEnd, MoveId, MoveReport, PieceState, SpaceHandle,
    SpaceMove, SpacePlace, SystemClock,
};
#[cfg(all(feature = "std", not(loom)))]
pub use heap::external::{
    ExternalBlock, ExternalError, ExternalHeap, ExternalOptions, ExternalStats, Provider,
};
pub use heap::external::{RingBlock, RingError, UploadRing};
pub use heap::fit::{
    Apart, BestFit, BlockId, BlockInfo, BlockState, External, FirstFit, Fit, FitError, FitHeap, FitStats,
    Fixed, Growing, HeapBlock, HeapCalls, Inspected, Lend, Locked, NextFit, OffsetAllocator, OffsetBlock,
    OffsetOptions, RawHeap, ReadableHeap, SegmentError, SegmentId, StaleBlock, Tlsf, Untouched, WithFallback,
    WorstFit,
};
#[cfg(feature = "serde")]
pub use heap::fit::{FitHeapState, FitStateError, OffsetAllocatorState};
#[cfg(all(feature = "std", not(loom), target_pointer_width = "64", feature = "allocator-api2"))]
pub use heap::named::HeapString;
#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
pub use heap::named::{Heap, HeapError, HeapOptions, HeapReport, StillLive, Survivor};
#[cfg(not(loom))]
pub use ledger::StaticTag;
pub use ledger::{AccountSnapshot, Budget, BudgetExceeded, BudgetStatus, Ledger, Tag, TagError};
#[cfg(feature = "std")]
pub use manager::{
    BuildError, Frame, FramePolicy, FrameStats, MemoryManager, MemoryManagerBuilder, Scene, SceneReport,
    ShutdownReport,
};
pub use pool::{
    Block, BlockPool, BorrowError, Columns, ColumnsStats, DisjointError, FreeError, Handle, HandlePool,
    HandlePoolStats, InsertError, OwnedBox, Pool, PoolBox, PoolOptions, PoolStats, Secondary, SecondaryError,
    SharedBlock, SharedBlockPool, SharedBlockStats, SharedBox, SharedPool, SharedPoolOwner, Soa,
};
#[cfg(feature = "serde")]
pub use pool::{HandlePoolState, StateError};
pub use region::{AllocError, Region, RegionOptions};
#[cfg(feature = "std")]
pub use watch::{
    AccountDelta, Coverage, HeapTagSnapshot, Mark, MarkDiff, Snapshot, TagSnapshot, Trend, TrendReading,
};

/// The programs of the README are tests, too.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
