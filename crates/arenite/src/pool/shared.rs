//! Shared pools: blocks of one size for many threads through `&self`, without a lock. For what one thread makes and
//! another one throws away: messages, job records, streamed tiles. Where one thread does both, the pools that take `&mut`
//! or are not `Sync` cost less; where all of it goes at once, an arena does.
//!
//! ```text
//!   SharedPool<T> ─► SharedBox<'_, T>     typed.rs    values, dropped where they are
//!   SharedPoolOwner<T> ─► OwnedBox<T>     owned.rs    the same without a lifetime
//!   SharedBlockPool ─► SharedBlock<'_>    this file   bytes
//!        └──────────► NonNull<u8>                     raw, given back by address, checked
//!   raw.rs       which block is whose: growth, the reserve, the way from an address to a number
//!   magazine.rs  what a thread keeps for itself: loads and stores
//!   depot.rs     what nobody keeps: three stacks that many threads change by compare-and-swap, batch by batch
//! ```
#![expect(unsafe_code, reason = "makes slices of blocks that were handed out")]

mod depot;
mod magazine;
mod owned;
mod raw;
mod typed;

pub use owned::{OwnedBox, SharedPoolOwner};
pub use typed::{SharedBox, SharedPool};

use core::alloc::Layout;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use self::raw::{Core, Marks};
use super::{FreeError, PoolOptions};
use crate::ledger::Tag;
use crate::region::{AllocError, Kind};

/// Raw blocks of one layout for many threads. Choose it where one thread takes and another one gives back; `Send` and
/// `Sync`.
///
/// Each thread keeps some idle blocks for itself, so that taking and giving are a few loads and stores; whole batches go
/// from thread to thread by compare-and-swap (lock-free; indices with a counter, so that a block that comes back to the
/// same place is noticed). Only growing takes a lock, beside the system call, and never while a pressure callback runs.
/// [`free`](Self::free) costs one compare-and-swap on the block's own mark more than dropping a [`SharedBlock`].
///
/// **Capacity.** As long as fewer than [`capacity`](Self::capacity) blocks are live, no allocation is refused for want of
/// blocks, wherever idle ones are kept. One thread alone gets exactly that many. When threads hold idle blocks while
/// others take the last ones, a few more can be live: at most [`SharedBlockStats::reserve`] more, which is at most a
/// quarter of the capacity; address space is reserved for them, and memory committed when they are needed (by a bounded
/// pool: from the start). A pool of fewer than 64 blocks keeps none for threads, and has none more.
///
/// Threads are known by number, the first 256 that live at the same time (fewer for small pools), with `std`, on 64 bits.
/// Others take and give single blocks by compare-and-swap. What a thread kept is found when it has ended.
///
/// ```
/// use std::alloc::Layout;
/// use arenite::{FreeError, SharedBlockPool, Tag};
/// let pool = SharedBlockPool::try_new(Tag::register("messages")?, Layout::new::<[u64; 8]>(), 1000)?;
///
/// let mut block = pool.take()?;
/// block[0] = 7;
/// std::thread::scope(|threads| {
///     // Taken here, given back there.
///     threads.spawn(move || assert_eq!(block[0], 7));
/// });
///
/// let raw = pool.alloc()?;
/// assert_eq!(pool.live(), 1);
/// pool.free(raw)?;
/// assert_eq!(pool.free(raw), Err(FreeError::DoubleFree));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SharedBlockPool {
    core: Core,
}

/// Figures of a shared pool. Sizes are bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SharedBlockStats {
    /// Blocks that can always be live at the same time.
    pub capacity: usize,
    /// Blocks there are beyond that, for what idles in the magazines of threads.
    pub reserve: usize,
    /// Blocks that are out, **approximately**: exact while nobody takes or gives, otherwise off by at most what others
    /// took or gave while it was counted.
    pub live: usize,
    /// Blocks that idle in magazines of threads, approximately in the same sense.
    pub cached: usize,
    /// Blocks that have memory, the reserve included.
    pub ready: usize,
    /// Size of a block as asked for.
    pub block_size: usize,
    /// Committed, book-keeping included.
    pub committed: usize,
    /// Reserved, book-keeping included.
    pub reserved: usize,
}

impl SharedBlockStats {
    fn of(core: &Core) -> Self {
        let (committed, reserved, ready) = core.memory();
        Self {
            capacity: core.capacity(),
            reserve: core.reserve(),
            live: core.live(),
            cached: core.cached(),
            ready,
            block_size: core.layout().size(),
            committed,
            reserved,
        }
    }
}

impl SharedBlockPool {
    /// A pool of `capacity` blocks of this layout, charged to `tag`. Of any size, also 0, and any alignment.
    ///
    /// # Errors
    /// As [`try_with`](Self::try_with).
    #[track_caller]
    pub fn try_new(tag: Tag, layout: Layout, capacity: usize) -> Result<Self, AllocError> {
        Self::try_with(PoolOptions::new(tag, capacity), layout)
    }

    /// A pool of blocks of this layout, made as the options say.
    ///
    /// # Errors
    /// The address space or the pages of the magazines (about a KiB for each of up to 256 threads) can not be had; of a bounded
    /// pool, also: the memory can not. More than 2^32 - 2 blocks do not fit.
    #[track_caller]
    pub fn try_with(options: PoolOptions, layout: Layout) -> Result<Self, AllocError> {
        let made = options.made(Kind::SharedBlockPool);
        Core::try_new(options.of(&made), layout, Marks::Kept).map(|core| Self { core })
    }

    /// A block that gives itself back when it is dropped, on any thread. O(1). Its bytes are zero, or as they were left.
    ///
    /// # Errors
    /// All blocks are taken, a budget would be broken, or the system refused; the pool is as it was.
    #[inline]
    pub fn take(&self) -> Result<SharedBlock<'_>, AllocError> {
        let block = self.core.acquire()?;
        Ok(SharedBlock { core: &self.core, start: self.core.address(block) })
    }

    /// A raw block, until it is given to [`free`](Self::free), or all of them are freed. O(1). Its bytes are zero, or as
    /// they were left.
    ///
    /// The pointer is valid for [`block_size`](Self::block_size) bytes as long as the block is out. A later
    /// [`take`](Self::take) may read what is left in it, so whoever writes uninitialised bytes to it (padding, say) gives
    /// it back with all of its bytes initialised, or takes no blocks from this pool.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    #[inline]
    pub fn alloc(&self) -> Result<NonNull<u8>, AllocError> {
        let block = self.core.acquire()?;
        self.core.mark(block);
        Ok(self.core.address(block))
    }

    /// Gives a block back that [`alloc`](Self::alloc) handed out, on any thread. O(1). Of several threads that give the
    /// same block back one succeeds.
    ///
    /// # Errors
    /// The pointer is no live block from `alloc`. The pool is as it was.
    #[inline]
    pub fn free(&self, block: NonNull<u8>) -> Result<(), FreeError> {
        let block = self.core.block_at(block.as_ptr())?;
        self.core.unmark(block)?;
        self.core.release(block);
        Ok(())
    }

    /// Frees all blocks at once, also those that were leaked, and gives the memory back (a bounded pool keeps it; so does
    /// a pool whose system refuses, charged, for blocks to come). No [`SharedBlock`] is left, which `&mut self` proves; a
    /// raw pointer is no longer valid, and giving it back is an error until its block is handed out again. O(blocks ever
    /// used).
    pub fn free_all(&mut self) {
        // SAFETY: blocks that were taken borrow the pool, and of raw ones this is what the caller promises by calling it:
        // their validity ends here.
        unsafe { self.core.free_all() };
    }

    /// Whether an address lies in the pool's blocks, handed out or not. O(1), never reads through it.
    #[inline]
    #[must_use]
    pub fn contains(&self, address: *const u8) -> bool {
        self.core.contains(address)
    }

    /// Size of a block in bytes, as asked for.
    #[inline]
    #[must_use]
    pub fn block_size(&self) -> usize {
        self.core.layout().size()
    }

    /// Layout of a block, as asked for.
    #[inline]
    #[must_use]
    pub fn block_layout(&self) -> Layout {
        self.core.layout()
    }

    /// How many blocks can always be live at the same time.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.core.capacity()
    }

    /// Blocks that are out, approximately; see [`SharedBlockStats::live`]. O(threads).
    #[must_use]
    pub fn live(&self) -> usize {
        self.core.live()
    }

    /// Figures of this moment. O(threads), a short lock.
    #[must_use]
    pub fn stats(&self) -> SharedBlockStats {
        SharedBlockStats::of(&self.core)
    }

    /// Tells the ledger how much is in use now. O(threads), a short lock.
    pub fn publish(&self) {
        self.core.publish();
    }

    /// Whom the pool is charged to.
    #[inline]
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.core.tag()
    }
}

impl fmt::Debug for SharedBlockPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBlockPool").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// A block of a [`SharedBlockPool`]: bytes, given back when it is dropped. `Send` and `Sync`.
pub struct SharedBlock<'p> {
    core: &'p Core,
    /// This block, taken and never marked: nobody else can give it back.
    start: NonNull<u8>,
}

// SAFETY: the block is this value's alone and holds bytes; the pool is `Sync`.
unsafe impl Send for SharedBlock<'_> {}
// SAFETY: as above; `&self` reads only.
unsafe impl Sync for SharedBlock<'_> {}

impl<'p> SharedBlock<'p> {
    /// Keeps the block as long as the pool: it is never given back.
    #[inline]
    #[must_use]
    pub fn leak(self) -> &'p mut [u8] {
        let this = ManuallyDrop::new(self);
        // SAFETY: as in `deref_mut`, for as long as the pool is borrowed; nobody gives the block back any more.
        unsafe { core::slice::from_raw_parts_mut(this.start.as_ptr(), this.core.layout().size()) }
    }
}

impl Deref for SharedBlock<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: a block of this size, committed and initialised (fresh memory is zero, and whoever had it before left
        // bytes), ours alone, and borrowed as `self` is.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.core.layout().size()) }
    }
}

impl DerefMut for SharedBlock<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `self` is borrowed exclusively.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.core.layout().size()) }
    }
}

impl fmt::Debug for SharedBlock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBlock").field("start", &self.start).field("size", &self.len()).finish()
    }
}

impl Drop for SharedBlock<'_> {
    #[inline]
    fn drop(&mut self) {
        self.core.release(self.core.block_of(self.start));
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
