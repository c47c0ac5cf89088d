//! Raw blocks of one size, for one thread: records that a program lays out itself, buffers of one length, what C code
//! allocates by the thousand. Choose [`Pool`](super::Pool) for values of a type, [`SharedBlockPool`](super::SharedBlockPool)
//! where several threads take blocks, an arena where all of it goes at once.
//!
//! ```text
//! take  ─► Slots::try_take                        Block dropped ─► Slots::give (another thread: Away::give)
//! alloc ─► Slots::try_take ─► set the live bit    free(p) ─► which block? ─► live? ─► clear the bit ─► Slots::give
//! ```
//!
//! Nothing is kept inside the blocks, so that whatever is done to their memory, the pool is as it was: `free` is safe, and
//! exact. The live bit says that a *raw* block is out. A [`Block`] has none: no safe call can give it back from under its
//! owner.
#![expect(unsafe_code, reason = "makes slices of blocks that were handed out, and keeps a bit for each")]

use core::alloc::Layout;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use super::away::Away;
use super::slots::Slots;
use super::{FreeError, PoolOptions, PoolStats};
use crate::base::sync::AtomicArray;
use crate::base::{HARDENED, POISON};
use crate::ledger::Tag;
use crate::region::{AllocError, ColumnLayout, Kind};

/// Raw blocks of one layout. Addresses never move; growing commits memory and copies nothing. `Send`, not `Sync`.
///
/// In debug and hardened builds a block that comes back is filled with `0xDF`.
///
/// ```
/// use std::alloc::Layout;
/// use arenite::{BlockPool, FreeError, Tag};
/// let pool = BlockPool::try_new(Tag::register("example/records")?, Layout::new::<[u64; 8]>(), 1 << 20)?;
///
/// // A block that gives itself back.
/// let mut block = pool.take()?;
/// block.fill(7);
/// drop(block);
///
/// // A raw one. Nothing that can be given to `free` harms the pool.
/// let raw = pool.alloc()?;
/// assert_eq!(pool.free(raw), Ok(()));
/// assert_eq!(pool.free(raw), Err(FreeError::DoubleFree));
/// assert_eq!(pool.live(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BlockPool {
    slots: Slots<4>,
    /// A bit for each slot, in words of 64: a raw block is out. Clear for fresh ones.
    live: NonNull<u64>,
    /// 2^64 divided by the stride, rounded up; 0 for a stride of one byte.
    reciprocal: u64,
    away: Away,
}

// SAFETY: the bits lie in its own table, and nothing about it belongs to a thread: while it can be moved no block is out, so
// that the thread that takes the next one may be another.
unsafe impl Send for BlockPool {}

/// The column of live bits.
const LIVE: usize = 2;
/// The column of links between slots that come back from other threads.
const NEXT: usize = 3;

impl BlockPool {
    /// A pool of at most `capacity` blocks of this layout, charged to `tag`. Of any size, also 0, and any alignment.
    ///
    /// # Errors
    /// The address space can not be had, or there can be no blocks that large or so many (2³² - 2 at the most).
    #[track_caller]
    pub fn try_new(tag: Tag, layout: Layout, capacity: usize) -> Result<Self, AllocError> {
        Self::try_with(PoolOptions::new(tag, capacity), layout)
    }

    /// A pool of blocks of this layout, made as the options say.
    ///
    /// # Errors
    /// As [`try_new`](Self::try_new); of a bounded pool, also: a budget would be broken, or the system refused.
    #[track_caller]
    pub fn try_with(options: PoolOptions, layout: Layout) -> Result<Self, AllocError> {
        let made = options.made(Kind::BlockPool);
        let slots = Slots::try_new(options.of(&made), layout, |slots, free| {
            [slots, free, ColumnLayout::bit(), ColumnLayout::of::<u32>()]
        })?;
        let stride = slots.stride() as u64;
        // SAFETY: a column of `u32`s for every slot, this pool's alone, and zero where it was never used.
        let next = unsafe { AtomicArray::new(slots.column(NEXT), slots.capacity()) };
        Ok(Self {
            live: slots.column(LIVE).cast(),
            reciprocal: (u64::MAX / stride).wrapping_add(1),
            away: Away::new(next),
            slots,
        })
    }

    /// A block that gives itself back when it is dropped, on whatever thread. O(1), amortised over the commits. Its bytes
    /// are zero, or as they were left.
    ///
    /// # Errors
    /// All blocks are taken, a budget would be broken, or the system refused; the pool is as it was.
    #[inline]
    pub fn take(&self) -> Result<Block<'_>, AllocError> {
        self.away.leave_from_here();
        let slot = self.take_slot()?;
        Ok(Block { pool: self, start: self.slots.address(slot) })
    }

    /// As [`take`](Self::take), and every byte is zero.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    #[inline]
    pub fn take_zeroed(&self) -> Result<Block<'_>, AllocError> {
        // Looked at before, because pressure callbacks of a growth may take and give blocks.
        let clean = self.slots.next_is_clean();
        let mut block = self.take()?;
        if !clean {
            block.fill(0);
        }
        Ok(block)
    }

    /// A raw block, until it is given to [`free`](Self::free), or all of them are freed. O(1), amortised over the commits.
    /// Its bytes are zero, or as they were left.
    ///
    /// The pointer is valid for [`block_size`](Self::block_size) bytes as long as the block is out and the pool lives. A
    /// later [`take`](Self::take) may read what is left in it, so whoever writes uninitialised bytes to it (padding, say)
    /// gives it back with all of its bytes initialised, or takes no [`Block`]s from this pool.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    #[inline]
    pub fn alloc(&self) -> Result<NonNull<u8>, AllocError> {
        let slot = self.take_slot()?;
        let (word, mask) = self.live_bit(slot);
        // SAFETY: a taken slot has memory in every column; the pool's own thread is the only one that reads or writes it.
        unsafe { word.write(word.read() | mask) };
        Ok(self.slots.address(slot))
    }

    /// Gives a block back that [`alloc`](Self::alloc) handed out. O(1), without a look at the block.
    ///
    /// # Errors
    /// The pointer is no raw block that is out. The pool is as it was.
    #[inline]
    pub fn free(&self, block: NonNull<u8>) -> Result<(), FreeError> {
        let slot = self.find(block.addr().get())?;
        let (word, mask) = self.live_bit(slot);
        // SAFETY: found below the fresh ones, so that it was taken once and has memory.
        let live = unsafe { word.read() };
        if live & mask == 0 {
            return Err(FreeError::DoubleFree);
        }
        // SAFETY: as above, and the bit says that the slot is out, as a raw block: it is given back by this call.
        unsafe {
            word.write(live & !mask);
            self.give(slot, block);
        }
        Ok(())
    }

    /// As [`free`](Self::free), for any address, null included; whether it was such a block.
    #[inline(always)]
    pub fn free_address(&self, address: *mut u8) -> bool {
        let Some(block) = NonNull::new(address) else { return false };
        let Ok(slot) = self.find(block.addr().get()) else { return false };
        let (word, mask) = self.live_bit(slot);
        // SAFETY: found below the fresh ones, so that it was taken once and has memory. If the bit says that the slot is out as a
        // raw block, it is given back by this call.
        unsafe {
            let live = word.read();
            if live & mask == 0 {
                return false;
            }
            word.write(live & !mask);
            self.give(slot, block);
        }
        true
    }

    /// Frees all blocks at once, also those that were leaked, and gives their memory back to the system, except what it
    /// will not take, which stays charged and waits for blocks to come. No [`Block`] is left, which `&mut self` proves; a
    /// raw pointer is no longer valid, and giving it back is an error until its block is handed out again. O(blocks ever
    /// used / 64).
    pub fn free_all(&mut self) {
        self.free_all_and_keep(0);
    }

    /// As [`free_all`](Self::free_all), but memory for the first `keep` blocks stays.
    pub fn free_all_and_keep(&mut self, keep: usize) {
        self.away.collect(|_| ());
        let words = (self.slots.used() as usize).div_ceil(64);
        // SAFETY: whole words with memory, for so many slots were taken. No block is in use: those that were taken borrow
        // the pool, and of raw ones the caller promises it by calling this, for their validity ends here.
        unsafe {
            self.live.write_bytes(0, words);
            self.slots.reset(keep);
        }
    }

    #[inline(always)]
    fn take_slot(&self) -> Result<u32, AllocError> {
        match self.slots.fast() {
            Some(slot) => Ok(slot),
            None => self.take_slow(),
        }
    }

    #[cold]
    #[inline(never)]
    fn take_slow(&self) -> Result<u32, AllocError> {
        self.collect();
        self.slots.try_take().or_else(|error| {
            // Other threads may have given blocks back meanwhile, because a callback asked them to.
            self.collect();
            self.slots.fast().ok_or(error)
        })
    }

    /// Takes in what other threads gave back.
    fn collect(&self) {
        // SAFETY: each was taken here, and given by the one who had it.
        self.away.collect(|slot| unsafe { self.slots.give(slot) });
    }

    /// # Safety
    /// The slot is out, begins at `block`, and nobody uses it any more. On the pool's own thread.
    #[inline(always)]
    unsafe fn give(&self, slot: u32, block: NonNull<u8>) {
        // SAFETY: the caller's promise.
        unsafe {
            self.poison(block);
            self.slots.give(slot);
        }
    }

    /// # Safety
    /// A block that nobody uses any more.
    #[inline(always)]
    unsafe fn poison(&self, block: NonNull<u8>) {
        if HARDENED {
            // SAFETY: `block_size` bytes, by the caller's promise.
            unsafe { block.write_bytes(POISON, self.block_size()) };
        }
    }

    /// Which block begins here: at or below the address, and exact if one does.
    #[inline(always)]
    fn slot_of(&self, block: NonNull<u8>) -> u32 {
        self.divide(block.addr().get() - self.slots.base().addr().get())
    }

    /// `offset` divided by the stride, if that leaves no remainder; one of the two neighbours otherwise.
    ///
    /// With d the stride and m = 2^64 / d rounded up, m = (2^64 + e) / d with e < d. For an offset k·d the product k·d·m is
    /// k·2^64 + k·e, and k·e < k·d is less than 2^64, so that its upper half is k.
    #[inline(always)]
    fn divide(&self, offset: usize) -> u32 {
        if self.reciprocal == 0 {
            return offset as u32;
        }
        ((offset as u128 * u128::from(self.reciprocal)) >> 64) as u32
    }

    /// Which block a pointer names.
    #[inline(always)]
    fn find(&self, address: usize) -> Result<u32, FreeError> {
        let offset = address.wrapping_sub(self.slots.base().addr().get());
        if offset >= self.slots.capacity() * self.slots.stride() {
            return Err(FreeError::Foreign);
        }
        let slot = self.divide(offset);
        if slot as usize * self.slots.stride() != offset {
            return Err(FreeError::Misaligned);
        }
        if self.slots.is_fresh(slot) {
            return Err(FreeError::NotAllocated);
        }
        Ok(slot)
    }

    /// The word and the bit of a slot.
    #[inline(always)]
    fn live_bit(&self, slot: u32) -> (NonNull<u64>, u64) {
        // SAFETY: inside the column.
        (unsafe { self.live.add(slot as usize / 64) }, 1 << (slot % 64))
    }

    /// Whether an address lies in the pool's blocks, handed out or not. O(1), never reads through it.
    #[inline]
    #[must_use]
    pub fn contains(&self, address: *const u8) -> bool {
        let offset = address.addr().wrapping_sub(self.slots.base().addr().get());
        offset < self.slots.capacity() * self.slots.stride()
    }

    /// Size of a block in bytes, as asked for.
    #[inline]
    #[must_use]
    pub fn block_size(&self) -> usize {
        self.slots.layout().size()
    }

    /// Layout of a block, as asked for.
    #[inline]
    #[must_use]
    pub fn block_layout(&self) -> Layout {
        self.slots.layout()
    }

    /// How many blocks there can be.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    /// Blocks that are out, leaked ones included. O(1), and O(n) for n blocks that other threads gave back meanwhile.
    #[must_use]
    pub fn live(&self) -> usize {
        self.collect();
        self.slots.live()
    }

    /// Figures of this moment.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.collect();
        PoolStats::of(&self.slots)
    }

    /// Bytes committed, book-keeping included.
    #[must_use]
    pub fn committed(&self) -> usize {
        self.slots.committed()
    }

    /// Whom the pool is charged to.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.slots.tag()
    }

    /// Commits memory for `blocks` blocks in all, at most for its capacity, ahead of time.
    ///
    /// # Errors
    /// A budget would be broken, or the system refused.
    pub fn try_presize(&mut self, blocks: usize) -> Result<(), AllocError> {
        self.slots.try_presize(blocks)
    }

    /// Gives memory behind the first `keep` blocks, and behind every block that was ever handed out, back to the system.
    ///
    /// # Errors
    /// The system refused; the memory stays committed.
    pub fn try_trim(&mut self, keep: usize) -> Result<(), AllocError> {
        self.slots.try_trim(keep)
    }

    /// Tells the ledger how much is in use now. Growing does so by itself.
    pub fn publish(&self) {
        self.collect();
        self.slots.publish();
    }
}

impl fmt::Debug for BlockPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockPool")
            .field("layout", &self.block_layout())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// A block of a [`BlockPool`]: bytes, given back when it is dropped. `Send` and `Sync`: a block that is dropped on another
/// thread than the pool's waits, without a lock, until the pool wants one.
pub struct Block<'p> {
    pool: &'p BlockPool,
    /// This block, taken and never marked as a raw one: nobody else can give it back.
    start: NonNull<u8>,
}

// SAFETY: the block is this value's alone and holds bytes. Of the pool it uses, on whatever thread: the layout and the
// base, which never change; and to give itself back, atomics only, unless the thread is the pool's own.
unsafe impl Send for Block<'_> {}
// SAFETY: as above; `&self` reads the block and the layout only.
unsafe impl Sync for Block<'_> {}

impl<'p> Block<'p> {
    /// Keeps the block as long as the pool is borrowed: it is only given back by
    /// [`free_all`](BlockPool::free_all).
    #[inline]
    #[must_use]
    pub fn leak(self) -> &'p mut [u8] {
        let mut this = ManuallyDrop::new(self);
        let bytes: *mut [u8] = &raw mut **this;
        // SAFETY: ours alone, for as long as the pool is borrowed: nobody gives the block back while it is.
        unsafe { &mut *bytes }
    }
}

impl Deref for Block<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: a block of this size, committed and initialised (fresh memory is zero, and whoever had it before left
        // bytes), ours alone, and borrowed as `self` is.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.pool.block_size()) }
    }
}

impl DerefMut for Block<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `self` is borrowed exclusively.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.pool.block_size()) }
    }
}

impl fmt::Debug for Block<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("start", &self.start).field("size", &self.len()).finish()
    }
}

impl Drop for Block<'_> {
    #[inline]
    fn drop(&mut self) {
        let slot = self.pool.slot_of(self.start);
        if self.pool.away.is_home() {
            // SAFETY: ours, and not any more; this is the thread that takes slots, so that nobody else uses the stack.
            unsafe { self.pool.give(slot, self.start) };
        } else {
            // SAFETY: ours, and not any more.
            unsafe { self.pool.poison(self.start) };
            self.pool.away.give(slot);
        }
    }
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
