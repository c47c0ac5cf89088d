//! The raw core of a shared pool: which block, not what is in it.
//!
//! ```text
//!   acquire: the magazine of this thread                          a few loads and one store    ◄── nearly always
//!     acquire_slow ─ loop:
//!       fetch: a batch of the depot, its single blocks, fresh ones         one exchange for many blocks
//!       grow: plan, charge, commit the next step; nothing is held while pressure callbacks run
//!       raid: what ended threads left in their magazines
//!       verdict: all blocks are live, or some idle in magazines of others and one of the reserve may be used
//!   release: the magazine of this thread                          a few loads and two stores   ◄── nearly always
//!     release_slow: half of the magazine goes to the depot         one exchange for many blocks
//! ```
//!
//! **The reserve.** What idles in another thread's magazine can not be had: that thread may use it at any moment, without
//! an atomic read-modify-write. So that `capacity` blocks can be live wherever others idle, there are as many rows more
//! as all magazines together can hold, and a row of that reserve is handed out only while fewer than `capacity` blocks
//! are live. Magazines are so few and so small that the reserve is at most a quarter of the capacity.
#![expect(unsafe_code, reason = "computes addresses of blocks and reaches rows by index")]

use core::alloc::Layout;
use core::ptr::NonNull;

use super::depot::{Depot, LARGEST_BATCH};
use super::magazine::Magazine;
use crate::base::sync::{AtomicArray, AtomicU8, AtomicU32, AtomicUsize, Lock, Ordering, Padded};
use crate::base::thread::{THREADS, enrolled, has_ended, here, index};
use crate::base::{HARDENED, POISON, prefetch_for_writing};
use crate::ledger::Tag;
use crate::pool::{FreeError, PoolOptions};
use crate::region::{AllocError, ColumnLayout, RegionOptions, Table};

/// Whether `alloc` and `free` watch over the blocks of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marks {
    Kept,
    None,
}

/// In `marks`: never handed out by `alloc` (also the content of fresh memory).
const NEVER: u8 = 0;
/// In `marks`: handed out by `alloc`.
const LIVE: u8 = 1;
/// In `marks`: came back by `free`.
const FREED: u8 = 2;

/// Blocks of one layout for many threads, by number and by address.
#[derive(Debug)]
pub(super) struct Core {
    /// The first block; the others follow, `stride` bytes apart.
    base: NonNull<u8>,
    stride: usize,
    /// 2^64 / `stride`, rounded up; 0 stands for 2^64.
    reciprocal: u64,
    /// `rows * stride`.
    extent: usize,
    /// One for each thread index below `count`; all of them are committed.
    magazines: AtomicArray<Magazine>,
    count: usize,
    /// What a magazine holds at most: two batches.
    limit: u32,
    /// Blocks of a batch.
    batch: u32,
    /// Blocks that can always be live at the same time.
    capacity: u32,
    /// Blocks there are, the reserve included.
    rows: u32,
    /// Whether there is a column of marks.
    marked: bool,
    layout: Layout,
    tag: Tag,
    marks: AtomicArray<AtomicU8>,
    depot: Depot,
    /// Rows that have memory; stored by whoever has the table, only ever grows (but for `&mut`).
    ready: Padded<AtomicU32>,
    /// Blocks that threads without a magazine have out; wraps, as in [`Magazine::out`].
    out: Padded<AtomicUsize>,
    /// Locked to plan and to commit a step, never while a step is charged.
    table: Lock<Table<4>>,
    /// The memory of `magazines`.
    room: Option<Table<1>>,
}

// SAFETY: an owner of memory, reached by plain numbers; the rest is atomics and a lock.
unsafe impl Send for Core {}
// SAFETY: as above; a block is handed to one caller at a time, and its content is that caller's affair.
unsafe impl Sync for Core {}

/// How many blocks a batch has and how many magazines there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    batch: u32,
    magazines: usize,
}

impl Plan {
    /// Larger batches mean fewer exchanges, more magazines serve more threads, and both make the reserve larger.
    fn of(capacity: usize) -> Self {
        if cfg!(loom) {
            return Self { batch: 2, magazines: 2 };
        }
        // A buffer also has a link, so that it is a power of two where it is large.
        let batch = (capacity / 256).clamp(8, LARGEST_BATCH as usize + 1) & !7;
        let magazines = (capacity / (8 * batch)).min(THREADS);
        Self { batch: batch as u32 - 1, magazines }
    }

    fn limit(self) -> u32 {
        2 * self.batch
    }

    fn reserve(self) -> usize {
        self.magazines * self.limit() as usize
    }
}

/// Whether one more block may be handed out although none is idle that this thread could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// No: `capacity` blocks are live.
    Full,
    /// Yes: the next one of the reserve, if as many are handed out as then.
    Room(u32),
    /// Others were at it in the meantime: look again.
    Changed,
}

impl Core {
    pub(super) fn try_new(options: PoolOptions, layout: Layout, marks: Marks) -> Result<Self, AllocError> {
        let tag = options.tag();
        let too_large = AllocError::TooLarge { tag };
        // Blocks of no size still have addresses of their own.
        let stride = layout.pad_to_align().size().max(layout.align());
        if stride > usize::MAX >> 4 {
            return Err(too_large);
        }
        let marked = marks == Marks::Kept;
        let columns = [
            ColumnLayout::bytes(stride, layout.align()),
            if marked { ColumnLayout::of::<u8>() } else { ColumnLayout::of::<()>() },
            ColumnLayout::of::<u32>(),
            ColumnLayout::of::<u32>(),
        ];
        let rows_for = |capacity: usize| capacity.saturating_add(Plan::of(capacity).reserve());
        let (table, capacity) = options.try_table_for(columns, rows_for)?;
        let rows = table.capacity();
        // The largest name is a number + 1.
        if rows >= u32::MAX as usize {
            return Err(too_large);
        }
        let plan = Plan::of(capacity);
        let size = plan.magazines * size_of::<Magazine>();
        let mut room = None;
        if size > 0 {
            let options = options.beside(RegionOptions::new(tag, size).commit_steps(1, 1).guard(false));
            let layout = ColumnLayout::of::<Magazine>();
            let table = room.insert(Table::try_reserve(&options, [layout], plan.magazines, plan.magazines)?);
            table.try_grow(plan.magazines)?;
        }
        // SAFETY: the columns of both tables are aligned for these types and lie apart; they are released when `self` is
        // gone. Fresh memory is zero, which is the default of them all; `free_all` writes zeros before it lets rows go.
        let (magazines, marks, depot) = unsafe {
            let column = |index| AtomicArray::new(table.column(index), rows);
            let depot = Depot::new(column(2), column(3), plan.batch + 1);
            let start = room.as_ref().map_or(NonNull::dangling(), |room| room.column(0));
            let magazines = AtomicArray::new(start, plan.magazines);
            (magazines, AtomicArray::new(table.column(1), rows), depot)
        };
        Ok(Self {
            base: table.column(0),
            stride,
            reciprocal: (u64::MAX / stride as u64).wrapping_add(1),
            extent: rows * stride,
            magazines,
            count: plan.magazines,
            limit: plan.limit(),
            batch: plan.batch,
            capacity: capacity as u32,
            rows: rows as u32,
            marked,
            layout,
            tag,
            marks,
            depot,
            ready: Padded(AtomicU32::new(table.rows() as u32)),
            out: Padded::default(),
            table: Lock::new(table),
            room,
        })
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    pub(super) fn tag(&self) -> Tag {
        self.tag
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// Blocks beyond the capacity.
    pub(super) fn reserve(&self) -> usize {
        (self.rows - self.capacity) as usize
    }

    /// Where a block is.
    #[inline(always)]
    pub(super) fn address(&self, block: u32) -> NonNull<u8> {
        debug_assert!(block < self.rows);
        // SAFETY: the column has `rows` rows of `stride` bytes.
        unsafe { self.base.add(block as usize * self.stride) }
    }

    #[inline]
    pub(super) fn contains(&self, address: *const u8) -> bool {
        address.addr().wrapping_sub(self.base.addr().get()) < self.extent
    }

    /// Which block begins at an address.
    #[inline]
    pub(super) fn block_at(&self, address: *const u8) -> Result<u32, FreeError> {
        let offset = address.addr().wrapping_sub(self.base.addr().get());
        if offset >= self.extent {
            return Err(FreeError::Foreign);
        }
        let block = self.divide(offset);
        if block.wrapping_mul(self.stride) != offset {
            return Err(FreeError::Misaligned);
        }
        Ok(block as u32)
    }

    /// The block that begins at an address, of which the caller knows that one does.
    #[inline(always)]
    pub(super) fn block_of(&self, address: NonNull<u8>) -> u32 {
        let block = self.divide(address.addr().get().wrapping_sub(self.base.addr().get()));
        debug_assert!(self.address(block as u32) == address);
        block as u32
    }

    /// `offset / stride` if that leaves no rest; some number if it does.
    ///
    /// The reciprocal is too large by less than `stride / 2^64`. For the offset `n * stride` that makes an error below
    /// `n * stride / 2^64`, which is below 1.
    #[inline(always)]
    fn divide(&self, offset: usize) -> usize {
        if self.reciprocal == 0 {
            return offset;
        }
        ((offset as u128 * u128::from(self.reciprocal)) >> 64) as usize
    }

    /// The magazine of the thread with this number, if it has one here.
    #[inline(always)]
    fn magazine_of(&self, me: usize) -> Option<&Magazine> {
        let place = index(me);
        if place >= self.count {
            return None;
        }
        // SAFETY: below the count, and all of them are committed.
        let magazine = unsafe { self.magazines.at(place) };
        magazine.is_of(me).then_some(magazine)
    }

    /// The magazine that the thread with this number can have here.
    fn magazine_for(&self, me: usize) -> Option<&Magazine> {
        let magazine = self.magazines().nth(index(me))?;
        (me != 0 && magazine.claim(me)).then_some(magazine)
    }

    pub(super) fn magazines(&self) -> impl Iterator<Item = &Magazine> {
        // SAFETY: below the count, and all of them are committed.
        (0..self.count).map(|place| unsafe { self.magazines.at(place) })
    }

    /// A block that nobody else has. What is in it is what was left there, or zeros.
    #[inline]
    pub(super) fn acquire(&self) -> Result<u32, AllocError> {
        match self.magazine_of(here().me).and_then(Magazine::pop) {
            Some(block) => Ok(block),
            None => self.acquire_slow(),
        }
    }

    #[cold]
    #[inline(never)]
    fn acquire_slow(&self) -> Result<u32, AllocError> {
        self.acquire_with(self.magazine_for(enrolled()), has_ended)
    }

    /// As [`acquire`](Self::acquire), for the user of this magazine; `ended` knows which threads have ended.
    pub(super) fn acquire_with(
        &self,
        magazine: Option<&Magazine>,
        ended: impl Fn(usize) -> bool + Copy,
    ) -> Result<u32, AllocError> {
        loop {
            if let Some(block) = self.fetch(magazine) {
                return Ok(block);
            }
            let mut wanted = self.depot.drawn();
            if wanted >= self.capacity {
                let verdict = self.verdict();
                if verdict == Verdict::Changed || self.raid(ended) {
                    continue;
                }
                match verdict {
                    Verdict::Room(drawn) => wanted = drawn,
                    _ => return Err(AllocError::Full { tag: self.tag, capacity: self.capacity() }),
                }
            }
            if wanted >= self.ready.load(Ordering::Acquire) {
                if let Err(error) = self.grow(wanted as usize + 1) {
                    // A pressure callback, or another thread, may have given some back.
                    self.raid(ended);
                    return self.fetch(magazine).ok_or(error);
                }
            } else if wanted >= self.capacity {
                // SAFETY: the row is ready.
                if unsafe { self.depot.carve_next(wanted) } {
                    match magazine {
                        Some(magazine) => magazine.passed(),
                        None => _ = self.out.fetch_add(1, Ordering::Relaxed),
                    }
                    return Ok(wanted);
                }
            }
        }
    }

    /// A block that is idle in this magazine or in the depot, or a fresh one that has memory.
    fn fetch(&self, magazine: Option<&Magazine>) -> Option<u32> {
        let limit = self.ready.load(Ordering::Acquire).min(self.capacity);
        let depot = &self.depot;
        let Some(magazine) = magazine else {
            // SAFETY: the rows are ready.
            let fresh = || unsafe { depot.carve(1, limit) }.next();
            let block = depot.take_loose().or_else(|| depot.take_from_batch()).or_else(fresh)?;
            self.out.fetch_add(1, Ordering::Relaxed);
            return Some(block);
        };
        if let Some(block) = magazine.pop() {
            return Some(block);
        }
        // A look that finds nothing changes nothing: so two threads that find nothing do not keep each other looking.
        if depot.heads().are_empty() && depot.drawn() >= limit {
            return None;
        }
        let was = magazine.open();
        let room = magazine.cells(was, self.batch);
        let fill = |blocks: &mut dyn Iterator<Item = u32>| {
            (0..).zip(room.iter().zip(blocks)).fold(0, |_, (place, (cell, block))| {
                cell.store(block, Ordering::Relaxed);
                place + 1
            })
        };
        let mut more = depot.take_batch(magazine.stripe(), room);
        // They were given back elsewhere, as a rule, and are taken to be written to. All at once, while this waits anyway: 10 to 15 %
        // of the whole way from thread to thread and back.
        for cell in &room[..more as usize] {
            prefetch_for_writing(self.address(cell.load(Ordering::Relaxed)));
        }
        if more == 0 {
            more = fill(&mut core::iter::from_fn(|| depot.take_loose()));
        }
        if more == 0 {
            // SAFETY: the rows are ready.
            let fresh = unsafe { depot.carve(self.batch, limit) };
            // The first one on top, so that a thread walks upwards through fresh memory.
            more = fill(&mut fresh.rev());
        }
        let now = was + more;
        magazine.close(was, now);
        magazine.pop()
    }

    /// Looks at everything twice. What is the same both times was so at one moment: each change counts, and releases
    /// what its thread did before, so that nothing can have gone from a place not yet looked at to one looked at before.
    fn verdict(&self) -> Verdict {
        let look = || {
            let (heads, drawn) = (self.depot.heads(), self.depot.drawn());
            let (mut idle, mut changes, mut open) = (0, 0u64, false);
            for glance in self.magazines().map(Magazine::glance) {
                idle += glance.idle;
                changes = changes.wrapping_add(u64::from(glance.changes));
                open |= glance.open;
            }
            (heads, drawn, changes, idle, open)
        };
        let seen = look();
        let (heads, drawn, _, idle, open) = seen;
        if !heads.are_empty() || look() != seen {
            return Verdict::Changed;
        }
        // What is on its way between the depot and an open magazine is counted neither here nor there. The reserve has
        // room for it; and when all of that is handed out, then as many blocks are live as can be asked for.
        if drawn < self.rows && (open || drawn.saturating_sub(idle) < self.capacity) {
            Verdict::Room(drawn)
        } else {
            Verdict::Full
        }
    }

    /// Puts what ended threads left into the depot. Answers whether there was anything.
    fn raid(&self, ended: impl Fn(usize) -> bool + Copy) -> bool {
        let mut found = false;
        for magazine in self.magazines().filter(|magazine| magazine.seize(ended)) {
            let was = magazine.open();
            self.depot.put_chain(magazine.cells(0, was));
            magazine.close(was, 0);
            magazine.release();
            found |= was > 0;
        }
        found
    }

    /// Gets memory for `needed` rows.
    #[cold]
    fn grow(&self, needed: usize) -> Result<(), AllocError> {
        // Nothing of the pool is held or half-changed while the step is charged: callbacks may use it.
        let planned = self.table.lock().next_step(needed)?;
        match planned {
            Some(step) => step.make(|step| {
                let mut table = self.table.lock();
                table.commit_step(step)?;
                table.publish_live(self.live() * self.stride);
                // Release: the memory is there. Under the lock, so that the last one to store knows of all rows.
                self.ready.store(table.rows() as u32, Ordering::Release);
                Ok(())
            }),
            None => Ok(()),
        }
    }

    /// Takes a block back, for any thread. Never panics.
    #[inline]
    pub(super) fn release(&self, block: u32) {
        self.poison(block);
        let kept = self.magazine_of(here().me).is_some_and(|magazine| magazine.push(block, self.limit));
        if !kept {
            self.release_slow(block);
        }
    }

    #[cold]
    #[inline(never)]
    fn release_slow(&self, block: u32) {
        self.release_with(self.magazine_for(enrolled()), block);
    }

    /// As [`release`](Self::release), for the user of this magazine.
    pub(super) fn release_with(&self, magazine: Option<&Magazine>, block: u32) {
        let Some(magazine) = magazine else {
            self.out.fetch_sub(1, Ordering::Relaxed);
            self.depot.put_loose(block);
            return;
        };
        if magazine.push(block, self.limit) {
            return;
        }
        let was = magazine.open();
        let now = was - self.batch;
        let blocks = magazine.cells(now, self.batch);
        let limit = self.ready.load(Ordering::Acquire);
        // SAFETY: rows below the limit are ready; a batch is as large as a batch can be.
        if !unsafe { self.depot.put_batch(magazine.stripe(), blocks, limit) } {
            self.depot.put_chain(blocks);
        }
        magazine.close(was, now);
        let kept = magazine.push(block, self.limit);
        debug_assert!(kept, "a batch has gone");
    }

    #[inline(always)]
    fn poison(&self, block: u32) {
        if HARDENED {
            // SAFETY: the block is nobody's any more and not yet idle: it is ours, and the row is ready.
            unsafe { self.address(block).write_bytes(POISON, self.layout.size()) };
        }
    }

    /// The block is out by `alloc`. Its taker says so, to whom it is exclusive.
    #[inline(always)]
    pub(super) fn mark(&self, block: u32) {
        // Relaxed: whoever sees it may give the block back, as anybody may who guesses its address.
        self.mark_of(block).store(LIVE, Ordering::Relaxed);
    }

    /// The block comes back by `free`. Of several who say so one succeeds.
    #[inline(always)]
    pub(super) fn unmark(&self, block: u32) -> Result<(), FreeError> {
        if block >= self.ready.load(Ordering::Acquire) {
            return Err(FreeError::NotAllocated);
        }
        match self.mark_of(block).compare_exchange(LIVE, FREED, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(NEVER) => Err(FreeError::NotAllocated),
            Err(_) => Err(FreeError::DoubleFree),
        }
    }

    #[inline(always)]
    fn mark_of(&self, block: u32) -> &AtomicU8 {
        // SAFETY: callers' blocks are ready, and only a pool with this column marks.
        unsafe { self.marks.at(block as usize) }
    }

    /// Blocks that are out. Exact while nobody takes or gives; otherwise off by no more than what others did meanwhile.
    pub(super) fn live(&self) -> usize {
        let sum = self
            .magazines()
            .fold(self.out.load(Ordering::Relaxed), |sum, magazine| sum.wrapping_add(magazine.out()));
        // Below zero when a block's return was seen and its departure was not.
        if sum > isize::MAX as usize { 0 } else { sum.min(self.rows as usize) }
    }

    /// Blocks that idle in magazines.
    pub(super) fn cached(&self) -> usize {
        self.magazines().map(|magazine| magazine.glance().idle as usize).sum()
    }

    /// Bytes that are committed, and those that are reserved; blocks that have memory.
    pub(super) fn memory(&self) -> (usize, usize, usize) {
        let table = self.table.lock();
        let (committed, reserved) =
            self.room.as_ref().map_or((0, 0), |room| (room.committed(), room.reserved()));
        (table.committed() + committed, table.reserved() + reserved, table.rows().min(self.rows as usize))
    }

    pub(super) fn publish(&self) {
        self.table.lock().publish_live(self.live() * self.stride);
    }

    /// All blocks are fresh again. Memory goes back, unless the pool is bounded or the system refuses.
    ///
    /// # Safety
    /// Nobody uses any block.
    pub(super) unsafe fn free_all(&mut self) {
        for block in 0..self.depot.drawn() {
            self.poison(block);
            if self.marked {
                self.mark_of(block).store(NEVER, Ordering::Relaxed);
            }
        }
        self.depot.reset();
        for place in 0..self.count {
            // SAFETY: below the count.
            unsafe { self.magazines.at(place) }.reset();
        }
        self.out.store(0, Ordering::Relaxed);
        let mut table = self.table.lock();
        table.publish_live(0);
        // A refusal leaves the pages committed and charged, for the blocks that come.
        // SAFETY: nobody uses any block, by the caller's promise, and no number of a row is kept anywhere.
        let _ = unsafe { table.try_shrink(0) };
        self.ready.store(table.rows() as u32, Ordering::Relaxed);
    }
}

/// What the sources of this folder have to agree on, checked when the pool is compiled.
const _: () = assert!(size_of::<Magazine>().is_multiple_of(128));
