//! Floor 6: global allocators. May import every floor below; needs `std` and 64-bit addresses.
//!
//! - [`GlobalHeap`]: our own heap, each block under the tag that its thread was in.
//! - [`TrackingAllocator`]: any allocator, counted; by tag, too, if it is [`Tagged`].
//! - `Recorded` (feature `record`): any allocator, shown to the recorder (`arenite::record`).
//! - [`no_alloc`], [`assert_no_alloc!`](crate::assert_no_alloc), [`assert_max_alloc!`](crate::assert_max_alloc): what a piece of
//!   code asks for, on its thread.
//! - [`Tag::scope`](crate::Tag::scope): which tag a thread is in.
//!
//! ```text
//!   tracking.rs (the face) ─► book.rs: a slot of figures for each thread ─ tagged.rs: a row of tags for each thread
//!                          └► calls.rs: what this thread asked for ─ sites.rs: under which scopes
//! ```
//!
//! ```
//! use arenite::GlobalHeap;
//!
//! #[global_allocator]
//! static HEAP: GlobalHeap = GlobalHeap;
//!
//! let text = String::from("from Arenite's heap");
//! assert!(GlobalHeap::owns(text.as_ptr()));
//! ```

#[cfg(any(not(loom), test))]
mod book;
#[cfg(not(loom))]
mod calls;
#[cfg(not(loom))]
mod heap;
#[cfg(not(loom))]
mod mark;
#[cfg(not(loom))]
mod quiet;
#[cfg(all(feature = "record", not(loom)))]
mod recorded;
#[cfg(not(loom))]
mod scope;
#[cfg(not(loom))]
mod sites;
#[cfg(not(loom))]
mod stats;
#[cfg(not(loom))]
mod tagged;
#[cfg(not(loom))]
mod tracking;

#[cfg(all(test, loom))]
mod loom_tests;

#[cfg(not(loom))]
pub use self::heap::GlobalHeap;
#[cfg(not(loom))]
pub use self::mark::{AllocationDiff, AllocationMark, TagDelta};
#[cfg(not(loom))]
pub(crate) use self::quiet::{Noise, Watch, source};
#[cfg(not(loom))]
pub use self::quiet::{ThreadAllocations, max_alloc, no_alloc, thread_allocations};
#[cfg(all(feature = "record", not(loom)))]
pub use self::recorded::Recorded;
#[cfg(not(loom))]
pub use self::scope::TagScope;
#[cfg(not(loom))]
pub use self::stats::{AllocationDelta, AllocationStats, SizeClass, TagStats};
#[cfg(not(loom))]
pub use self::tagged::{Tagged, last_refusal};
#[cfg(not(loom))]
pub use self::tracking::{TrackingAllocator, Untagged};
