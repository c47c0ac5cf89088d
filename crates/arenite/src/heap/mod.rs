//! Heaps: blocks of any size, freed one by one in any order.
//!
//! Choose another room when you can: what goes together belongs in an [arena](crate::arena), what is of one size in a
//! [pool](crate::pool). A heap is for the rest.
//!
//! | heap | for | gone |
//! |---|---|---|
//! | the process's, `GlobalHeap` | whatever nobody has a better place for | never |
//! | `named`: `Heap` | one part of a program, with a tag of its own | whole, when that part ends and nothing lives in it |
//! | `bucket`: `BucketHeap` | the raw core of both | when its owner drops it |
//! | [`fit`]: [`OffsetAllocator`](fit::OffsetAllocator) | what is not memory, or not ours: GPU memory, files, numbers | when its owner drops it |
//! | [`fit`]: [`FitHeap`](fit::FitHeap) | memory with a policy of its own: a fixed buffer, a region, what someone lends | when its owner drops it |
//! | [`external`]: `ExternalHeap`, [`UploadRing`](external::UploadRing) | shared blocks and rings in memory of a device or a file | with the last handle |
//! | [`defrag`]: [`DefragHeap`](defrag::DefragHeap), [`DefragSpace`](defrag::DefragSpace) | blocks that may move, so that free memory stays in one piece | when its owner, and the last pin, drops it |

#[cfg(all(not(loom), target_pointer_width = "64"))]
pub mod bucket;

pub mod defrag;
pub mod external;
pub mod fit;

#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
pub mod named;

#[cfg(all(test, loom))]
#[path = "bucket/loom_tests.rs"]
mod bucket_loom_tests;

/// The heap itself is not built under loom, which has no atomics in zeroed memory. What it alone calls is named here, so that
/// nobody takes it for dead.
#[cfg(loom)]
const _: () = {
    use crate::ledger::{Ledger, Tag};
    let _ = (Ledger::hold, Ledger::let_go, Tag::place);
};
