//! The books of a counting allocator: a slot of figures for each thread, added up when they are read.
//!
//! ```text
//!   count_alloc, count_free (inline): the thread's own slot, plain loads and stores      ◄── nearly always
//!     rise: the thread has more than it had since it last told;  sink: it has freed `STEP` bytes more
//!       tell: its bytes go to the total that all threads share, every `BATCH` bytes up or down
//!   of a thread without a number: one slot for all of them, by atomic additions
//! ```
//!
//! Nothing here allocates, takes a lock or can fail, so it may run inside any allocator, before `main` and after a thread's
//! destructors. A slot that a thread leaves behind goes on under the next thread with the same index; `base::thread` sees to
//! it that all the first one wrote happened before.

use crate::base::sync::{AtomicU64, Ordering, Padded};

/// Size classes: class `c` has the sizes from 2ᶜ on, below 2ᶜ⁺¹. One for each bit of a size, so that none needs to be compared
/// with anything; few under loom, where each atomic costs.
pub(super) const CLASSES: usize = if cfg!(loom) { 2 } else { usize::BITS as usize };

/// A thread has always told the others of all that it has gained or lost but this.
pub(super) const BATCH: i64 = if cfg!(loom) { 4 } else { 64 << 10 };
/// A thread looks whether it has lost a batch when it has freed so many bytes.
const STEP: i64 = BATCH / 4;

#[derive(Debug)]
struct Class {
    allocs: AtomicU64,
    /// Stored with release, after the block's `allocs`, so that whoever reads frees first never sees more of them.
    frees: AtomicU64,
}

/// What one thread at a time counts, or, of [`Book::shared`], all that have no slot of their own. All zero at the start, so
/// that a static book takes no room in the program's file; a size that is a power of two, so that finding one is a shift.
#[derive(Debug)]
#[cfg_attr(not(loom), repr(C, align(2048)))]
struct Slot {
    /// Bytes ever handed out, and taken back. Their difference may be negative: others' blocks are freed here, too.
    allocated: AtomicU64,
    freed: AtomicU64,
    /// The most that `allocated - freed` was since the thread last told. Signed.
    top: AtomicU64,
    /// `allocated - freed` as the thread told it last. Signed.
    told: AtomicU64,
    /// When `freed` is that, it is time to look whether there is something to tell. Never more than [`STEP`] ahead.
    look: AtomicU64,
    reallocs: AtomicU64,
    failures: AtomicU64,
    classes: [Class; CLASSES],
}

/// What threads have told each other.
#[derive(Debug)]
struct Totals {
    /// The sum of all that slots told. Signed.
    live: AtomicU64,
    peak: AtomicU64,
}

/// The figures of one allocator. `N` threads have a slot of their own.
#[derive(Debug)]
pub(super) struct Book<const N: usize> {
    slots: [Slot; N],
    shared: Slot,
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
    ((size | 1).ilog2() as usize).min(CLASSES - 1)
}

/// Adds to a figure that only this thread writes.
#[inline(always)]
fn add(figure: &AtomicU64, by: u64, order: Ordering) -> u64 {
    let sum = figure.load(Ordering::Relaxed).wrapping_add(by);
    figure.store(sum, order);
    sum
}

impl Slot {
    #[cfg(not(loom))]
    const fn new() -> Self {
        Self {
            allocated: AtomicU64::new(0),
            freed: AtomicU64::new(0),
            top: AtomicU64::new(0),
            told: AtomicU64::new(0),
            look: AtomicU64::new(0),
            reallocs: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            classes: [const { Class { allocs: AtomicU64::new(0), frees: AtomicU64::new(0) } }; CLASSES],
        }
    }

    #[cfg(loom)]
    fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            allocated: zero(),
            freed: zero(),
            top: zero(),
            told: zero(),
            look: zero(),
            reallocs: zero(),
            failures: zero(),
            classes: core::array::from_fn(|_| Class { allocs: zero(), frees: zero() }),
        }
    }

    #[inline(always)]
    fn count_alloc(&self, totals: &Totals, size: usize) {
        add(&self.classes[class_of(size)].allocs, 1, Ordering::Relaxed);
        let allocated = add(&self.allocated, size as u64, Ordering::Relaxed);
        let net = allocated.wrapping_sub(self.freed.load(Ordering::Relaxed)) as i64;
        if net > self.top.load(Ordering::Relaxed) as i64 {
            self.rise(totals, net);
        }
    }

    #[inline(always)]
    fn count_free(&self, totals: &Totals, size: usize) {
        add(&self.classes[class_of(size)].frees, 1, Ordering::Release);
        let freed = add(&self.freed, size as u64, Ordering::Release);
        if freed >= self.look.load(Ordering::Relaxed) {
            self.sink(totals, freed);
        }
    }

    /// As a block of `new` bytes and one of `old` bytes that goes, but never as both at once: the sum goes straight from one
    /// to the other.
    fn count_realloc(&self, totals: &Totals, old: usize, new: usize) {
        add(&self.classes[class_of(new)].allocs, 1, Ordering::Relaxed);
        add(&self.classes[class_of(old)].frees, 1, Ordering::Release);
        let allocated = add(&self.allocated, new as u64, Ordering::Relaxed);
        let freed = add(&self.freed, old as u64, Ordering::Release);
        add(&self.reallocs, 1, Ordering::Release);
        let net = allocated.wrapping_sub(freed) as i64;
        if net > self.top.load(Ordering::Relaxed) as i64 {
            self.rise(totals, net);
        }
        if freed >= self.look.load(Ordering::Relaxed) {
            self.sink(totals, freed);
        }
    }

    #[inline(never)]
    fn rise(&self, totals: &Totals, net: i64) {
        self.top.store(net as u64, Ordering::Relaxed);
        if net.wrapping_sub(self.told.load(Ordering::Relaxed) as i64) >= BATCH {
            self.tell(totals, net);
        }
    }

    #[cold]
    #[inline(never)]
    fn sink(&self, totals: &Totals, freed: u64) {
        let net = self.allocated.load(Ordering::Relaxed).wrapping_sub(freed) as i64;
        // Until it looks again it loses less than a step.
        if net.wrapping_sub(self.told.load(Ordering::Relaxed) as i64) <= STEP - BATCH {
            self.tell(totals, net);
        }
        self.look.store(freed.wrapping_add(STEP as u64), Ordering::Relaxed);
    }

    /// Adds what the thread has gained to the total of all. What was the most since the last time counts for the peak as if
    /// the others had stood then as they stand now.
    #[cold]
    #[inline(never)]
    fn tell(&self, totals: &Totals, net: i64) {
        let told = self.told.load(Ordering::Relaxed) as i64;
        let top = self.top.load(Ordering::Relaxed) as i64;
        let before = totals.live.fetch_add(net.wrapping_sub(told) as u64, Ordering::Relaxed) as i64;
        let most = before.wrapping_add(top.wrapping_sub(told)).max(0);
        totals.peak.fetch_max(most as u64, Ordering::Relaxed);
        self.told.store(net as u64, Ordering::Relaxed);
        self.top.store(net as u64, Ordering::Relaxed);
    }

    /// What the thread has gained at most since it last told. Clamped, because whoever reads may see only half of a tell.
    fn untold(&self) -> i64 {
        let top = self.top.load(Ordering::Relaxed) as i64;
        top.wrapping_sub(self.told.load(Ordering::Relaxed) as i64).clamp(0, BATCH)
    }
}

impl<const N: usize> Book<N> {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self {
            slots: [const { Slot::new() }; N],
            shared: Slot::new(),
            totals: Padded(Totals { live: AtomicU64::new(0), peak: AtomicU64::new(0) }),
        }
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self {
            slots: core::array::from_fn(|_| Slot::new()),
            shared: Slot::new(),
            totals: Padded(Totals { live: AtomicU64::new(0), peak: AtomicU64::new(0) }),
        }
    }

    /// A block of `size` bytes was handed out to the thread whose slot this is. Only one thread at a time may have a slot.
    #[inline(always)]
    pub(super) fn alloc(&self, slot: usize, size: usize) {
        self.slots[slot].count_alloc(&self.totals, size);
    }

    /// A block of `size` bytes comes back, on the thread whose slot this is.
    #[inline(always)]
    pub(super) fn free(&self, slot: usize, size: usize) {
        self.slots[slot].count_free(&self.totals, size);
    }

    /// A block of `old` bytes has become `new` bytes long.
    pub(super) fn realloc(&self, slot: usize, old: usize, new: usize) {
        self.slots[slot].count_realloc(&self.totals, old, new);
    }

    /// As [`alloc`](Self::alloc), by a thread without a slot.
    #[cold]
    pub(super) fn alloc_shared(&self, size: usize) {
        self.shared.classes[class_of(size)].allocs.fetch_add(1, Ordering::Relaxed);
        self.shared.allocated.fetch_add(size as u64, Ordering::Relaxed);
        let before = self.totals.live.fetch_add(size as u64, Ordering::Relaxed) as i64;
        self.totals.peak.fetch_max(before.wrapping_add(size as i64).max(0) as u64, Ordering::Relaxed);
    }

    /// As [`free`](Self::free), by a thread without a slot.
    #[cold]
    pub(super) fn free_shared(&self, size: usize) {
        self.shared.classes[class_of(size)].frees.fetch_add(1, Ordering::Release);
        self.shared.freed.fetch_add(size as u64, Ordering::Release);
        self.totals.live.fetch_sub(size as u64, Ordering::Relaxed);
    }

    /// As [`realloc`](Self::realloc), by a thread without a slot.
    #[cold]
    pub(super) fn realloc_shared(&self, old: usize, new: usize) {
        self.shared.classes[class_of(new)].allocs.fetch_add(1, Ordering::Relaxed);
        self.shared.classes[class_of(old)].frees.fetch_add(1, Ordering::Release);
        self.shared.allocated.fetch_add(new as u64, Ordering::Relaxed);
        self.shared.freed.fetch_add(old as u64, Ordering::Release);
        self.shared.reallocs.fetch_add(1, Ordering::Release);
        let more = (new as i64).wrapping_sub(old as i64);
        let before = self.totals.live.fetch_add(more as u64, Ordering::Relaxed) as i64;
        self.totals.peak.fetch_max(before.wrapping_add(more).max(0) as u64, Ordering::Relaxed);
    }

    /// The allocator below refused. Rare, so one figure for all threads will do.
    #[cold]
    pub(super) fn fail(&self) {
        self.shared.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn all(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().chain([&self.shared])
    }

    /// Adds everything up: no lock, whatever other threads do meanwhile. What came back is read before what was handed out,
    /// and acquired, so that no block is ever seen to come back that was not handed out. O(slots in use × classes).
    pub(super) fn sums(&self) -> Sums {
        let mut sums = Sums {
            allocated: 0,
            freed: 0,
            peak: 0,
            reallocs: 0,
            failures: self.shared.failures.load(Ordering::Relaxed),
            allocs: [0; CLASSES],
            frees: [0; CLASSES],
        };
        sums.reallocs = self.all().map(|slot| slot.reallocs.load(Ordering::Acquire)).sum();
        for slot in self.all() {
            let freed = slot.freed.load(Ordering::Acquire);
            // The classes come first where they are written: without bytes there may be one block, which is not counted yet.
            if freed != 0 {
                sums.freed = sums.freed.wrapping_add(freed);
                for (sum, class) in sums.frees.iter_mut().zip(&slot.classes) {
                    *sum += class.frees.load(Ordering::Acquire);
                }
            }
        }
        let mut untold = 0;
        for slot in self.all() {
            let allocated = slot.allocated.load(Ordering::Relaxed);
            if allocated != 0 {
                sums.allocated = sums.allocated.wrapping_add(allocated);
                for (sum, class) in sums.allocs.iter_mut().zip(&slot.classes) {
                    *sum += class.allocs.load(Ordering::Relaxed);
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

    /// A book of two slots, as `static` as those of allocators are.
    fn book() -> std::boxed::Box<Book<2>> {
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
                    book.alloc(0, size as usize);
                    live += size;
                    blocks.push(size);
                }
                2 if !blocks.is_empty() => {
                    let block = blocks.swap_remove((random >> 40) as usize % blocks.len());
                    book.realloc(0, block as usize, size as usize);
                    live = live - block + size;
                    blocks.push(size);
                }
                _ if !blocks.is_empty() => {
                    let block = blocks.swap_remove((random >> 40) as usize % blocks.len());
                    book.free(0, block as usize);
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
                step(0, 1000);
            }
            step(1, 5_000_000);
            step(1, -5_000_000);
            for _ in 0..round {
                step(1, -1000);
            }
        }
    }

    #[test]
    fn threads_without_a_slot_are_counted_with_the_rest() {
        let book = book();
        book.alloc(0, 100);
        book.alloc_shared(1000);
        book.realloc_shared(1000, 3000);
        book.free_shared(100);
        book.fail();
        let sums = book.sums();
        assert_eq!((sums.allocated, sums.freed, sums.reallocs, sums.failures), (4100, 1100, 1, 1));
        assert!((3000..=3100).contains(&sums.peak), "{}", sums.peak);
    }
}
