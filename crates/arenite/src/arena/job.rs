//! Job arenas: memory for parallel jobs without a shared lock.
//!
//! ```text
//!   checkout: this thread's last arena, else the first idle one   (one compare-and-swap)
//!   alloc: the arena's own bump                                    (no atomic at all)
//!   check-in: mark idle                                            (one store)
//!   reset(&mut self): all of them at once, when no job can be running
//! ```
//!
//! A job that is stolen while another one is suspended on the same thread checks out a second arena; nothing is tied
//! to the thread but a hint where to look first.
#![expect(unsafe_code, reason = "gives each arena to one job at a time")]

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::bump::Bump;
use super::scratch::{ScratchBusy, ScratchGuard, ScratchSlot, ScratchStack};
use super::typed::arena_methods;
use crate::base::sync::{AtomicU32, Ordering};
use crate::ledger::Tag;
use crate::region::{AllocError, Region, RegionOptions};

/// How [`JobArenas`] are made. Sizes are bytes.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct JobArenasOptions {
    tag: Tag,
    arenas: usize,
    reserve: usize,
    scratch: usize,
    prefault: bool,
}

impl JobArenasOptions {
    /// Charged to `tag`. By default 64 arenas, each with 64 MiB for results and 32 MiB for scratch (a sixteenth of
    /// that on 32-bit machines); address space only, until they are used.
    pub const fn new(tag: Tag) -> Self {
        let unit = if usize::BITS >= 64 { 32 << 20 } else { 2 << 20 };
        Self { tag, arenas: 64, reserve: 2 * unit, scratch: unit, prefault: false }
    }

    /// How many jobs can hold an arena at the same time: threads times the depth to which their jobs nest.
    ///
    /// # Panics
    /// 0, or more than 4096.
    pub const fn arenas(mut self, arenas: usize) -> Self {
        assert!(arenas > 0 && arenas <= 4096, "job arenas: 1 to 4096");
        self.arenas = arenas;
        self
    }

    /// The most that one arena can hold between two resets.
    pub const fn reserve(mut self, bytes: usize) -> Self {
        self.reserve = bytes;
        self
    }

    /// The most scratch that one job can have at a time.
    pub const fn scratch(mut self, bytes: usize) -> Self {
        self.scratch = bytes;
        self
    }

    /// See [`RegionOptions::prefault`].
    pub const fn prefault(mut self, prefault: bool) -> Self {
        self.prefault = prefault;
        self
    }
}

/// Arenas for jobs on any number of threads; checked out per job, so that work stealing and re-entry are safe. `Send`
/// and `Sync`. Choose it for what a job produces for the rest of the frame; [`JobArena::scratch`] is for the rest.
///
/// ```
/// use arenite::{JobArenas, Tag};
/// let mut jobs = JobArenas::try_new(Tag::register("jobs")?)?;
/// let squares = std::thread::scope(|scope| {
///     let jobs = &jobs;
///     let worker = scope.spawn(move || jobs.checkout().alloc_slice_fill_with(4, |i| i * i));
///     worker.join().unwrap()
/// });
/// assert_eq!(squares, [0, 1, 4, 9]); // lives until `reset`
/// jobs.reset();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct JobArenas {
    /// `count` slots at the start of `table`, then nothing.
    slots: NonNull<Slot>,
    count: usize,
    table: Region,
}

// SAFETY: the slots are reached by `&self` only through their atomic flag, and whoever sets the flag has the slot's
// arena alone until it clears it.
unsafe impl Send for JobArenas {}
// SAFETY: as above.
unsafe impl Sync for JobArenas {}

/// A slot's state counts how often it changed hands: even while it is idle, odd while a job has it.
const IDLE: u32 = 0;

const fn is_idle(state: u32) -> bool {
    state % 2 == IDLE
}

/// One arena. 128 bytes apart at the least, so that two jobs never write the same pair of cache lines.
#[derive(Debug)]
#[repr(align(128))]
struct Slot {
    /// Counts up at each checkout and check-in; who makes it odd owns `bump` and `scratch`.
    state: AtomicU32,
    bump: Bump,
    scratch: ScratchSlot,
    /// The most that was used at any reset.
    high_water: usize,
}

/// All arenas are checked out: more jobs hold one at the same time than [`JobArenasOptions::arenas`] allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobError {
    /// How many there are.
    pub arenas: usize,
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all {} job arenas are checked out: make more, or nest jobs less deeply", self.arenas)
    }
}

impl core::error::Error for JobError {}

/// Figures of all job arenas. Sizes are bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct JobStats {
    /// Arenas there are.
    pub arenas: usize,
    /// Arenas that were ever checked out.
    pub touched: usize,
    /// Allocated since the last reset.
    pub used: usize,
    /// The sum over arenas of the most each one held at a reset.
    pub high_water: usize,
    /// Committed, scratch included.
    pub committed: usize,
}

/// Finds an idle slot, `hint` first, and takes it. `None` only when all were taken at one moment.
#[inline]
fn acquire<'a>(count: usize, hint: usize, state: impl Fn(usize) -> &'a AtomicU32) -> Option<usize> {
    let hint = if hint < count { hint } else { 0 };
    // The load keeps this from writing to a line that another job owns.
    let seen = state(hint).load(Ordering::Relaxed);
    if is_idle(seen) && take(state(hint), seen).is_ok() {
        return Some(hint);
    }
    scan(count, state)
}

/// Takes a slot that was seen idle, or answers what it is now.
#[inline]
fn take(state: &AtomicU32, seen: u32) -> Result<u32, u32> {
    // Acquire: what the last job and the last reset did to the arena happened before. Release: see `scan`.
    state.compare_exchange(seen, seen.wrapping_add(1), Ordering::AcqRel, Ordering::Acquire)
}

/// One look at each slot is not enough to say that all are taken: a job may give back a slot that was seen, and take one
/// that is yet to be seen. So this looks until nothing has changed between two rounds. Whoever sees that a job took its
/// second slot (acquire) also sees that it had given back its first one (release), in the next round at the latest.
#[cold]
#[inline(never)]
fn scan<'a>(count: usize, state: impl Fn(usize) -> &'a AtomicU32) -> Option<usize> {
    let mut last = None;
    loop {
        // States only count up, so that equal sums mean equal states.
        let mut sum = 0u64;
        for index in 0..count {
            let mut seen = state(index).load(Ordering::Acquire);
            if is_idle(seen) {
                match take(state(index), seen) {
                    Ok(_) => return Some(index),
                    Err(now) => seen = now,
                }
            }
            sum += u64::from(seen);
        }
        if last == Some(sum) {
            return None;
        }
        last = Some(sum);
    }
}

/// Gives a slot back. Only the job that has it calls this, or whoever has all of them.
#[inline]
fn release(state: &AtomicU32) {
    let held = state.load(Ordering::Relaxed);
    if !is_idle(held) {
        // Release: what this job did to the arena happens before the next one takes it.
        state.store(held.wrapping_add(1), Ordering::Release);
    }
}

#[cfg(all(feature = "std", not(loom)))]
std::thread_local! {
    /// Where this thread's last arena was: a hint, for whichever [`JobArenas`].
    static HINT: core::cell::Cell<usize> = const { core::cell::Cell::new(usize::MAX) };
}

#[cfg(all(feature = "std", not(loom)))]
fn hint() -> usize {
    HINT.try_with(core::cell::Cell::get).unwrap_or(0)
}

#[cfg(all(feature = "std", not(loom)))]
fn remember(index: usize) {
    let _ = HINT.try_with(|hint| hint.set(index));
}

/// Without `std` there is no thread to remember anything for.
#[cfg(any(not(feature = "std"), loom))]
fn hint() -> usize {
    0
}

#[cfg(any(not(feature = "std"), loom))]
fn remember(_index: usize) {}

impl JobArenas {
    /// Arenas with the default [`JobArenasOptions`].
    ///
    /// # Errors
    /// Address space or the first pages can not be had.
    pub fn try_new(tag: Tag) -> Result<Self, AllocError> {
        Self::try_with(JobArenasOptions::new(tag))
    }

    /// Arenas made as the options say. All results share one reservation, all scratch stacks another.
    ///
    /// # Errors
    /// Address space or the pages of the table can not be had.
    pub fn try_with(options: JobArenasOptions) -> Result<Self, AllocError> {
        let tag = options.tag;
        let size = options.arenas.checked_mul(size_of::<Slot>()).ok_or(AllocError::TooLarge { tag })?;
        let mut table = Region::try_reserve(RegionOptions::new(tag, size).at_least(size))?;
        table.try_grow(size)?;
        let mut arenas = Self { slots: table.base().cast(), count: 0, table };

        let of = |reserve| {
            RegionOptions::new(tag, reserve).at_least(reserve.min(1 << 16)).prefault(options.prefault)
        };
        // Two passes over the table, because the regions come in two reservations: the bumps, then the rest.
        let slots = arenas.slots.as_ptr();
        let mut results = 0;
        let mut failed = None;
        Region::try_reserve_array(of(options.reserve), options.arenas, |region| {
            match Bump::try_new(region, 0) {
                // SAFETY: the table has room for `options.arenas` slots, and this one is not initialised yet.
                Ok(bump) => unsafe { (&raw mut (*slots.add(results)).bump).write(bump) },
                Err(error) => {
                    failed.get_or_insert(error);
                    return;
                }
            }
            results += 1;
        })?;
        let mut stacks = 0;
        let scratch = match failed {
            Some(error) => Err(error),
            None => Region::try_reserve_array(of(options.scratch), options.arenas, |region| {
                match ScratchStack::try_in(region) {
                    // SAFETY: as above; the rest of the slot is written here, so that it is complete.
                    Ok(stack) => unsafe {
                        let slot = slots.add(stacks);
                        (&raw mut (*slot).scratch).write(ScratchSlot::new(stack));
                        (&raw mut (*slot).state).write(AtomicU32::new(IDLE));
                        (&raw mut (*slot).high_water).write(0);
                    },
                    Err(error) => {
                        failed.get_or_insert(error);
                        return;
                    }
                }
                stacks += 1;
            }),
        };
        if let Some(error) = scratch.err().or(failed) {
            for index in 0..results {
                // SAFETY: exactly the first `results` bumps were written above; `count` is still 0, so this is the
                // only drop.
                unsafe { (&raw mut (*slots.add(index)).bump).drop_in_place() };
            }
            for index in 0..stacks {
                // SAFETY: exactly the first `stacks` scratch slots were written above, and each is dropped once.
                unsafe { (&raw mut (*slots.add(index)).scratch).drop_in_place() };
            }
            return Err(error);
        }
        arenas.count = options.arenas;
        Ok(arenas)
    }

    fn slots(&self) -> &[Slot] {
        // SAFETY: `count` initialised slots stand at the start of the table for as long as `self` lives. Their
        // insides are only changed by whoever took their flag; `Slot` hides them in cells or behind `&mut self`.
        unsafe { core::slice::from_raw_parts(self.slots.as_ptr(), self.count) }
    }

    fn slots_mut(&mut self) -> &mut [Slot] {
        // SAFETY: as above, and `&mut self` proves that no job has one.
        unsafe { core::slice::from_raw_parts_mut(self.slots.as_ptr(), self.count) }
    }

    /// An arena for this job alone, until it is dropped: this thread's last one if it is idle. Without a lock; one
    /// compare-and-swap as a rule.
    ///
    /// # Panics
    /// All arenas are checked out.
    #[inline]
    #[track_caller]
    pub fn checkout(&self) -> JobArena<'_> {
        match self.try_checkout() {
            Ok(arena) => arena,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`checkout`](Self::checkout), with the refusal as a value.
    ///
    /// # Errors
    /// All arenas are checked out.
    #[inline]
    pub fn try_checkout(&self) -> Result<JobArena<'_>, JobError> {
        let slots = self.slots();
        let hint = hint();
        let index =
            acquire(slots.len(), hint, |index| &slots[index].state).ok_or(JobError { arenas: self.count })?;
        if index != hint {
            remember(index);
        }
        Ok(JobArena { slot: &slots[index], not_send: PhantomData })
    }

    /// Frees what all jobs allocated, at once. No job can be running: `&mut self` proves it, also for those whose
    /// arena was forgotten. O(arenas that were used).
    pub fn reset(&mut self) {
        for slot in self.slots_mut() {
            slot.high_water = slot.high_water.max(slot.bump.used());
            if slot.bump.used() != 0 {
                slot.bump.reset();
            }
            slot.scratch.get_mut();
            release(&slot.state);
        }
    }

    /// Commits what the options ask for in the first `arenas` of them, so that the first frames need not.
    ///
    /// # Errors
    /// A budget would be broken, or the system refused.
    pub fn try_presize(&mut self, arenas: usize, bytes: usize) -> Result<(), AllocError> {
        for slot in self.slots_mut().iter_mut().take(arenas) {
            slot.bump.try_presize(bytes)?;
            slot.scratch.get_mut().try_presize(bytes)?;
        }
        Ok(())
    }

    /// Gives memory beyond `keep` bytes per arena and scratch stack back to the system. Frees what jobs allocated.
    ///
    /// # Errors
    /// The system refused; the memory stays committed.
    pub fn try_trim(&mut self, keep: usize) -> Result<(), AllocError> {
        self.reset();
        for slot in self.slots_mut() {
            slot.bump.try_trim(keep)?;
            slot.scratch.get_mut().try_trim(keep)?;
        }
        Ok(())
    }

    /// Tells the ledger how much is in use now.
    pub fn publish(&mut self) {
        for slot in self.slots_mut() {
            slot.bump.publish();
            slot.scratch.get_mut().publish();
        }
    }

    /// Figures of this moment. Needs `&mut self`, so that no job is running while they are read. O(arenas).
    pub fn stats(&mut self) -> JobStats {
        let count = self.count;
        let mut stats = JobStats { arenas: count, ..JobStats::default() };
        for slot in self.slots_mut() {
            let committed = slot.bump.committed() + slot.scratch.figures().0;
            stats.touched += usize::from(committed != 0);
            stats.used += slot.bump.used();
            stats.high_water += slot.high_water.max(slot.bump.used());
            stats.committed += committed;
        }
        stats
    }

    /// Whom the arenas are charged to.
    #[must_use]
    pub const fn tag(&self) -> Tag {
        self.table.tag()
    }
}

impl Drop for JobArenas {
    fn drop(&mut self) {
        // SAFETY: initialised, not used afterwards, dropped once; the table goes after this.
        unsafe { core::ptr::from_mut(self.slots_mut()).drop_in_place() };
    }
}

/// One job's arena. What is allocated lives until [`JobArenas::reset`], longer than this; so a job can hand its results
/// on. Neither `Send` nor `Sync`: a job stays where it checked out.
#[derive(Debug)]
pub struct JobArena<'a> {
    slot: &'a Slot,
    not_send: PhantomData<*mut ()>,
}

impl<'a> JobArena<'a> {
    arena_methods!('s, 'a, |this| &this.slot.bump);

    /// Opens this job's scratch stack; see [`ScratchStack`].
    ///
    /// # Panics
    /// It is open already; nest with [`Scope::guard`](crate::Scope::guard).
    #[inline]
    #[track_caller]
    pub fn scratch(&self) -> ScratchGuard<'_> {
        self.slot.scratch.guard()
    }

    /// Opens this job's scratch stack.
    ///
    /// # Errors
    /// It is open already.
    #[inline]
    pub fn try_scratch(&self) -> Result<ScratchGuard<'_>, ScratchBusy> {
        self.slot.scratch.try_guard()
    }

    /// Bytes allocated in this arena since the last reset, by this and earlier jobs.
    #[must_use]
    pub fn used(&self) -> usize {
        self.slot.bump.used()
    }

    #[cfg(feature = "allocator-api2")]
    pub(crate) fn bump(&self) -> &Bump {
        &self.slot.bump
    }
}

impl Drop for JobArena<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: guards borrow from this job arena, and `&mut self` proves that no such borrow is left.
        unsafe { self.slot.scratch.close_forgotten() };
        release(&self.slot.state);
    }
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;

    #[test]
    #[expect(unsafe_code, reason = "loom's cell stands for the arena")]
    fn loom_two_jobs_never_hold_one_arena() {
        loom::model(|| {
            let slots = Arc::new([(); 2].map(|()| (AtomicU32::new(IDLE), UnsafeCell::new(0u32))));
            let job = |slots: Arc<[(AtomicU32, UnsafeCell<u32>); 2]>, hint: usize| {
                for _ in 0..2 {
                    let taken = acquire(2, hint, |index| &slots[index].0);
                    let index = taken.expect("two arenas for two jobs");
                    // SAFETY: loom checks that nobody else has the cell.
                    slots[index].1.with_mut(|value| unsafe { *value += 1 });
                    release(&slots[index].0);
                }
            };
            let other = {
                let slots = Arc::clone(&slots);
                loom::thread::spawn(move || job(slots, 0))
            };
            job(Arc::clone(&slots), 0);
            other.join().unwrap();
            // SAFETY: both jobs are done.
            let total: u32 = slots.iter().map(|slot| slot.1.with(|value| unsafe { *value })).sum();
            assert_eq!(total, 4);
        });
    }
}
