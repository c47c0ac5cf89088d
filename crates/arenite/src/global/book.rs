//! The books of a counting allocator: a slot of figures for each thread, added up when they are read.
//!
//! ```text
//!   try_alloc, try_free, try_realloc (inline): the thread's own slot, plain loads and stores      ◄── nearly always
//!   alloc, free, realloc: the same and what they refuse. The thread has more than it ever noted, or less by `FALL`:
//!     look: notes how much it had
//!       tell: its bytes go to the total that all threads share, every `BATCH` bytes up or down
//!   of a thread without a number: the first slot, for all of them, by atomic additions
//! ```
//!
//! Nothing here allocates, takes a lock or can fail, so it may run inside any allocator, before `main` and after a thread's
//! destructors. A slot that a thread leaves behind goes on under the next thread with the same index; `base::thread` sees to
//! it that all the first one wrote happened before.
#![cfg_attr(
    not(loom),
    expect(unsafe_code, reason = "a thread's slot is found by the offset that the thread knows")
)]

use crate::base::sync::{AtomicU64, Ordering, Padded};
#[cfg(not(loom))]
use crate::base::thread::{ROW, ROWS, Row};

/// Size classes: class `c` has the sizes from 2ᶜ on, below 2ᶜ⁺¹. One for each bit of a size, so that none needs to be compared
/// with anything; few under loom, where each atomic costs.
pub(super) const CLASSES: usize = if cfg!(loom) { 2 } else { usize::BITS as usize };

/// A thread has always told the others of all that it has gained or lost but this.
pub(super) const BATCH: i64 = if cfg!(loom) { 4 } else { 64 << 10 };
/// So much may a thread have above the most that it noted; and so much may it note without telling.
const RISE: i64 = BATCH / 2;
/// So much may a thread have below the most that it noted, which is not below what it told.
const FALL: i64 = BATCH;

/// What one thread at a time counts, or, of the first slot, all that have none of their own. All zero at the start, so that a
/// static book takes no room in the program's file.
#[derive(Debug)]
#[cfg_attr(not(loom), repr(C, align(2048)))]
pub(super) struct Slot {
    /// `allocated - freed - top - RISE`, signed, while it is between `-RISE - FALL` and 0, which is nearly always. Only its
    /// thread uses it, and only to see at one glance that there is nothing to note or to tell. Zero at the start, and for ever
    /// in the first slot: whoever finds that looks closer.
    gap: AtomicU64,
    /// Bytes ever handed out, and taken back. Their difference may be negative: others' blocks are freed here, too.
    allocated: AtomicU64,
    freed: AtomicU64,
    /// The most that `allocated - freed` was since the thread last told, as far as it noted that: the next block that comes back
    /// makes it note. Signed; never below `told`, and less than `RISE` above it.
    top: AtomicU64,
    /// `allocated - freed` as the thread told it last. Signed.
    told: AtomicU64,
    reallocs: AtomicU64,
    failures: AtomicU64,
    allocs: [AtomicU64; CLASSES],
    /// Stored with release, after the block's `allocs`, so that whoever reads frees first never sees more of them.
    frees: [AtomicU64; CLASSES],
}

/// What threads have told each other.
#[derive(Debug)]
struct Totals {
    /// The sum of all that slots told. Signed.
    live: AtomicU64,
    peak: AtomicU64,
}

/// The figures of one allocator: a slot for each thread that can have one, behind that of all others.
#[derive(Debug)]
pub(super) struct Book<const N: usize> {
    slots: [Slot; N],
    totals: Padded<Totals>,
}

/// What a book says, added up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    pub(super) allocated: u64,
    pub(super) freed: u64,
    pub(super) peak: u64,
    pub(super) reallocs: u64,
    pub(super) failures: u64,
    pub(super) allocs: [u64; CLASSES],
    pub(super) frees: [u64; CLASSES],
}

/// The class of a size; of 0, which no allocator is asked for, that of 1.
#[inline(always)]
pub(super) fn class_of(size: usize) -> usize {
    // Without loom there is a class for each, which the compiler knows.
    (size.checked_ilog2().unwrap_or(0) as usize).min(CLASSES - 1)
}

/// Adds to a figure that only this thread writes.
#[inline(always)]
fn add(figure: &AtomicU64, by: u64, order: Ordering) {
    figure.store(figure.load(Ordering::Relaxed).wrapping_add(by), order);
}

impl Slot {
    #[cfg(not(loom))]
    const fn new() -> Self {
        Self {
            gap: AtomicU64::new(0),
            allocated: AtomicU64::new(0),
            freed: AtomicU64::new(0),
            top: AtomicU64::new(0),
            told: AtomicU64::new(0),
            reallocs: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            allocs: [const { AtomicU64::new(0) }; CLASSES],
            frees: [const { AtomicU64::new(0) }; CLASSES],
        }
    }

    #[cfg(loom)]
    fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            gap: zero(),
            allocated: zero(),
            freed: zero(),
            top: zero(),
            told: zero(),
            reallocs: zero(),
            failures: zero(),
            allocs: core::array::from_fn(|_| zero()),
            frees: core::array::from_fn(|_| zero()),
        }
    }

    fn gap(&self) -> i64 {
        self.gap.load(Ordering::Relaxed) as i64
    }

    #[inline(always)]
    fn count_alloc(&self, size: usize) {
        add(&self.allocs[class_of(size)], 1, Ordering::Relaxed);
        add(&self.allocated, size as u64, Ordering::Relaxed);
    }

    #[inline(always)]
    fn count_free(&self, size: usize) {
        add(&self.frees[class_of(size)], 1, Ordering::Release);
        add(&self.freed, size as u64, Ordering::Release);
    }

    #[inline(always)]
    fn count_realloc(&self, old: usize, new: usize) {
        self.count_alloc(new);
        self.count_free(old);
        add(&self.reallocs, 1, Ordering::Release);
    }

    /// A block of `size` bytes was handed out to the thread whose slot this is. False, and nothing has happened, if that is not
    /// all there is to do. Here and below: only one thread at a time may have a slot, but for the first, which always refuses.
    #[inline(always)]
    #[must_use]
    pub(super) fn try_alloc(&self, size: usize) -> bool {
        let gap = self.gap().wrapping_add(size as i64);
        if gap >= 0 {
            return false;
        }
        self.gap.store(gap as u64, Ordering::Relaxed);
        self.count_alloc(size);
        true
    }

    /// A block of `size` bytes comes back, on the thread whose slot this is. As [`try_alloc`](Self::try_alloc).
    #[inline(always)]
    #[must_use]
    pub(super) fn try_free(&self, size: usize) -> bool {
        let before = self.gap();
        let gap = before.wrapping_sub(size as i64);
        // What it has now may be the most it ever had.
        if before > -RISE || gap < -RISE - FALL {
            return false;
        }
        self.gap.store(gap as u64, Ordering::Relaxed);
        self.count_free(size);
        true
    }

    /// A block of `old` bytes has become `new` bytes long: one comes and one goes, but they never count as both at once. As
    /// [`try_alloc`](Self::try_alloc).
    #[inline(always)]
    #[must_use]
    pub(super) fn try_realloc(&self, old: usize, new: usize) -> bool {
        let before = self.gap();
        let gap = before.wrapping_add(new as i64).wrapping_sub(old as i64);
        let calm = if new >= old { gap < 0 } else { before <= -RISE && gap >= -RISE - FALL };
        if !calm {
            return false;
        }
        self.gap.store(gap as u64, Ordering::Relaxed);
        self.count_realloc(old, new);
        true
    }

    /// What the thread has: what others freed of its blocks is not subtracted, what it freed of theirs is.
    fn net(&self) -> i64 {
        self.allocated.load(Ordering::Relaxed).wrapping_sub(self.freed.load(Ordering::Relaxed)) as i64
    }

    /// Notes what the thread has, if it is the most.
    fn note(&self) {
        let (net, top) = (self.net(), self.top.load(Ordering::Relaxed) as i64);
        self.top.store(net.max(top) as u64, Ordering::Relaxed);
    }

    /// Notes and tells what there is, after something was counted that may be the most, or after [`note`](Self::note).
    fn look(&self, totals: &Totals) {
        self.note();
        let (net, top) = (self.net(), self.top.load(Ordering::Relaxed) as i64);
        let told = self.told.load(Ordering::Relaxed) as i64;
        if top.wrapping_sub(told) >= RISE || top.wrapping_sub(net) > FALL {
            self.tell(totals, net);
        }
        let top = self.top.load(Ordering::Relaxed) as i64;
        self.gap.store(net.wrapping_sub(top).wrapping_sub(RISE) as u64, Ordering::Relaxed);
    }

    /// Adds what the thread has gained to the total of all. What was the most since the last time counts for the peak as if
    /// the others had stood then as they stand now.
    fn tell(&self, totals: &Totals, net: i64) {
        let told = self.told.load(Ordering::Relaxed) as i64;
        let top = self.top.load(Ordering::Relaxed) as i64;
        let before = totals.live.fetch_add(net.wrapping_sub(told) as u64, Ordering::Relaxed) as i64;
        let most = before.wrapping_add(top.wrapping_sub(told)).max(0);
        totals.peak.fetch_max(most as u64, Ordering::Relaxed);
        self.told.store(net as u64, Ordering::Relaxed);
        self.top.store(net as u64, Ordering::Relaxed);
    }

    /// What the thread has gained at most since it last told, as far as it noted. Clamped, because whoever reads may see only half
    /// of a tell.
    fn untold(&self) -> i64 {
        let top = self.top.load(Ordering::Relaxed) as i64;
        top.wrapping_sub(self.told.load(Ordering::Relaxed) as i64).clamp(0, BATCH)
    }
}

#[cfg(not(loom))]
impl Book<ROWS> {
    /// The slot at a thread's row. For `try_…` only: a thread without a number, or one that is hidden, is at the first one.
    #[inline(always)]
    pub(super) fn at(&self, row: Row) -> &Slot {
        const { assert!(size_of::<Slot>() == ROW) };
        // SAFETY: a row is so many bytes, as a slot is, and there is a slot for each; the slots' place is that of the first one.
        unsafe { &*self.slots.as_ptr().byte_add(row.bytes()) }
    }
}

impl<const N: usize> Book<N> {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self {
            slots: [const { Slot::new() }; N],
            totals: Padded(Totals { live: AtomicU64::new(0), peak: AtomicU64::new(0) }),
        }
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self {
            slots: core::array::from_fn(|_| Slot::new()),
            totals: Padded(Totals { live: AtomicU64::new(0), peak: AtomicU64::new(0) }),
        }
    }

    /// A block of `size` bytes was handed out to the thread that has this slot; to one that has none, if it is the first.
    pub(super) fn alloc(&self, slot: usize, size: usize) {
        if slot == 0 {
            return self.alloc_shared(size);
        }
        let slot = &self.slots[slot];
        if !slot.try_alloc(size) {
            slot.count_alloc(size);
            slot.look(&self.totals);
        }
    }

    /// A block of `size` bytes comes back, on the thread that has this slot.
    pub(super) fn free(&self, slot: usize, size: usize) {
        if slot == 0 {
            return self.free_shared(size);
        }
        let slot = &self.slots[slot];
        if !slot.try_free(size) {
            slot.note();
            slot.count_free(size);
            slot.look(&self.totals);
        }
    }

    /// A block of `old` bytes has become `new` bytes long.
    pub(super) fn realloc(&self, slot: usize, old: usize, new: usize) {
        if slot == 0 {
            return self.realloc_shared(old, new);
        }
        let slot = &self.slots[slot];
        if !slot.try_realloc(old, new) {
            slot.note();
            slot.count_realloc(old, new);
            slot.look(&self.totals);
        }
    }

    fn shared(&self) -> &Slot {
        &self.slots[0]
    }

    #[cold]
    fn alloc_shared(&self, size: usize) {
        self.shared().allocs[class_of(size)].fetch_add(1, Ordering::Relaxed);
        self.shared().allocated.fetch_add(size as u64, Ordering::Relaxed);
        let before = self.totals.live.fetch_add(size as u64, Ordering::Relaxed) as i64;
        self.totals.peak.fetch_max(before.wrapping_add(size as i64).max(0) as u64, Ordering::Relaxed);
    }

    #[cold]
    fn free_shared(&self, size: usize) {
        self.shared().frees[class_of(size)].fetch_add(1, Ordering::Release);
        self.shared().freed.fetch_add(size as u64, Ordering::Release);
        self.totals.live.fetch_sub(size as u64, Ordering::Relaxed);
    }

    #[cold]
    fn realloc_shared(&self, old: usize, new: usize) {
        self.shared().allocs[class_of(new)].fetch_add(1, Ordering::Relaxed);
        self.shared().frees[class_of(old)].fetch_add(1, Ordering::Release);
        self.shared().allocated.fetch_add(new as u64, Ordering::Relaxed);
        self.shared().freed.fetch_add(old as u64, Ordering::Release);
        self.shared().reallocs.fetch_add(1, Ordering::Release);
        let more = (new as i64).wrapping_sub(old as i64);
        let before = self.totals.live.fetch_add(more as u64, Ordering::Relaxed) as i64;
        self.totals.peak.fetch_max(before.wrapping_add(more).max(0) as u64, Ordering::Relaxed);
    }

    /// The allocator below refused. Rare, so one figure for all threads will do.
    #[cold]
    pub(super) fn fail(&self) {
        self.shared().failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds everything up: no lock, whatever other threads do meanwhile. What came back is read before what was handed out,
    /// and acquired, so that no block is ever seen to come back that was not handed out. O(slots in use × classes).
    pub(super) fn sums(&self) -> Sums {
        let mut sums = Sums {
            allocated: 0,
            freed: 0,
            peak: 0,
            reallocs: 0,
            failures: self.shared().failures.load(Ordering::Relaxed),
            allocs: [0; CLASSES],
            frees: [0; CLASSES],
        };
        sums.reallocs = self.slots.iter().map(|slot| slot.reallocs.load(Ordering::Acquire)).sum();
        for slot in &self.slots {
            let freed = slot.freed.load(Ordering::Acquire);
            // The classes come first where they are written: without bytes there may be one block, which is not counted yet.
            if freed != 0 {
                sums.freed = sums.freed.wrapping_add(freed);
                for (sum, frees) in sums.frees.iter_mut().zip(&slot.frees) {
                    *sum += frees.load(Ordering::Acquire);
                }
            }
        }
        let mut untold = 0;
        for slot in &self.slots {
            let allocated = slot.allocated.load(Ordering::Relaxed);
            if allocated != 0 {
                sums.allocated = sums.allocated.wrapping_add(allocated);
                for (sum, allocs) in sums.allocs.iter_mut().zip(&slot.allocs) {
                    *sum += allocs.load(Ordering::Relaxed);
                }
                untold = untold.max(slot.untold());
            }
        }
        let live = self.totals.live.load(Ordering::Relaxed) as i64;
        let most = live.wrapping_add(untold).max(0) as u64;
        let now = sums.allocated.wrapping_sub(sums.freed);
        // Written down, so that a later look never says less.
        let seen = most.max(now);
        sums.peak = self.totals.peak.fetch_max(seen, Ordering::Relaxed).max(seen);
        sums
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A book of two threads' slots, as `static` as those of allocators are.
    fn book() -> std::boxed::Box<Book<3>> {
        std::boxed::Box::new(Book::new())
    }

    #[test]
    fn classes_are_powers_of_two() {
        let classes = [1, 2, 3, 4, 7, 8, 1023, 1024, isize::MAX as usize].map(class_of);
        assert_eq!(classes, [0, 1, 1, 2, 2, 3, 9, 10, 62]);
    }

    #[test]
    fn the_peak_of_one_thread_is_exact() {
        let book = book();
        let mut random = 12_345u64;
        let (mut live, mut peak, mut blocks) = (0u64, 0u64, std::vec::Vec::new());
        for round in 0..20_000u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let size = (random >> 33) % if round % 1000 == 0 { 1 << 20 } else { 3000 } + 1;
            match (random >> 20) % 5 {
                0 | 1 => {
                    book.alloc(1, size as usize);
                    live += size;
                    blocks.push(size);
                }
                2 if !blocks.is_empty() => {
                    let block = blocks.swap_remove((random >> 40) as usize % blocks.len());
                    book.realloc(1, block as usize, size as usize);
                    live = live - block + size;
                    blocks.push(size);
                }
                _ if !blocks.is_empty() => {
                    let block = blocks.swap_remove((random >> 40) as usize % blocks.len());
                    book.free(1, block as usize);
                    live -= block;
                }
                _ => {}
            }
            peak = peak.max(live);
            if round % 97 == 0 {
                let sums = book.sums();
                assert_eq!((sums.allocated - sums.freed, sums.peak), (live, peak));
            }
        }
        let sums = book.sums();
        assert_eq!((sums.allocated - sums.freed, sums.peak), (live, peak));
        let (allocs, frees) = (sums.allocs.iter().sum::<u64>(), sums.frees.iter().sum::<u64>());
        assert_eq!(allocs - frees, blocks.len() as u64);
    }

    /// What one thread holds while another one comes and goes, and blocks that change hands.
    #[test]
    fn the_peak_of_two_is_within_its_bound() {
        let book = book();
        let (mut live, mut peak) = (0i64, 0i64);
        let mut step = |slot: usize, bytes: i64| {
            if bytes > 0 {
                book.alloc(slot, bytes as usize);
            } else {
                book.free(slot, -bytes as usize);
            }
            live += bytes;
            peak = peak.max(live);
            let told = book.sums().peak as i64;
            assert!((told - peak).abs() <= 3 * BATCH, "{told} for {peak}");
        };
        for round in 1..200i64 {
            for _ in 0..round {
                step(1, 1000);
            }
            step(2, 5_000_000);
            step(2, -5_000_000);
            for _ in 0..round {
                step(2, -1000);
            }
        }
    }

    #[test]
    fn threads_without_a_slot_are_counted_with_the_rest() {
        let book = book();
        book.alloc(1, 100);
        book.alloc(0, 1000);
        book.realloc(0, 1000, 3000);
        book.free(0, 100);
        book.fail();
        let sums = book.sums();
        assert_eq!((sums.allocated, sums.freed, sums.reallocs, sums.failures), (4100, 1100, 1, 1));
        assert!((3000..=3100).contains(&sums.peak), "{}", sums.peak);
    }

    /// The short way and the long one count the same, and the first slot knows only the long one.
    #[test]
    fn the_short_way_refuses_what_it_can_not_do() {
        let book = book();
        let (slot, shared) = (&book.slots[1], &book.slots[0]);
        assert!(!slot.try_alloc(8) && !slot.try_free(8) && !slot.try_realloc(8, 9), "untouched");
        book.alloc(1, 1000);
        assert!(slot.try_alloc(8) && slot.try_alloc(8), "below the next batch");
        assert!(!slot.try_free(8), "there are more than ever before, which is to be noted");
        book.free(1, 8);
        assert_eq!(book.sums().peak, 1016);
        assert!(slot.try_free(8) && slot.try_alloc(8) && slot.try_realloc(8, 4) && slot.try_realloc(4, 16));
        assert!(!slot.try_alloc(BATCH as usize), "others want to know of so much");
        book.alloc(1, BATCH as usize);
        assert_eq!(book.totals.live.load(Ordering::Relaxed), book.sums().allocated - book.sums().freed);
        assert!(!slot.try_free(BATCH as usize + 1), "and when it is gone");
        for _ in 0..2 {
            assert!(!shared.try_alloc(8) && !shared.try_free(8) && !shared.try_realloc(8, 9));
            book.alloc(0, 8);
        }
        let sums = book.sums();
        assert_eq!(
            (sums.allocs.iter().sum::<u64>(), sums.frees.iter().sum::<u64>(), sums.reallocs),
            (9, 4, 2)
        );
    }

    /// Why two threads are not slower than one: after the first blocks, what threads share is neither read nor written.
    #[test]
    fn a_steady_thread_touches_nothing_that_is_shared() {
        let book = book();
        let (slot, mut random, mut live, mut slow) = (&book.slots[1], 12_345u64, [16usize; 64], 0);
        live.iter().for_each(|&size| book.alloc(1, size));
        let mut told = None;
        for round in 0..100_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (place, size) = ((random >> 40) as usize % 64, 16 + (random >> 50) as usize % 496);
            let old = core::mem::replace(&mut live[place], size);
            if !slot.try_free(old) {
                book.free(1, old);
                slow += u32::from(round > 1000);
            }
            if !slot.try_alloc(size) {
                book.alloc(1, size);
                slow += u32::from(round > 1000);
            }
            if round == 1000 {
                told = Some(book.totals.live.load(Ordering::Relaxed));
            }
        }
        assert!(slow < 50, "{slow} of 200 000 calls took the long way");
        assert_eq!(told, Some(book.totals.live.load(Ordering::Relaxed)), "and told nobody");
        // Slots are whole lines, and so are the totals.
        assert!(align_of::<Slot>() >= 128 && size_of::<Slot>().is_multiple_of(128));
        assert!((&raw const book.totals).addr().is_multiple_of(64));
    }
}
