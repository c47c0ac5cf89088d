//! Job arenas: memory for parallel jobs without a shared lock.
//!
//! ```text
//!   checkout: the arena parked for this thread                     (one load and one store)
//!             else the first idle one                              (one compare-and-swap)
//!   alloc: the arena's own bump                                    (no atomic at all)
//!   check-in: mark idle, or parked                                 (one store)
//!   reset(&mut self): all of them at once, when no job can be running
//! ```
//!
//! A job that is stolen while another one is suspended on the same thread checks out a second arena. Between its jobs
//! a thread keeps the arenas it used, until the next reset or its own end; `seat.rs` has the protocol.
#![expect(unsafe_code, reason = "gives each arena to one job at a time")]

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

mod seat;

use self::seat::{IDLE, claim, enrolled, has_ended, here, leave, remember, take};
use super::bump::Bump;
#[cfg(feature = "allocator-api2")]
use super::bump::Cursor;
use super::scratch::{ScratchBusy, ScratchGuard, ScratchSlot, ScratchStack};
use super::typed::arena_methods;
use crate::base::sync::{AtomicUsize, Ordering};
use crate::ledger::Tag;
use crate::region::{AllocError, IDLE_SLACK, IdleTrim, Kind, Made, Region, RegionOptions};

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

    /// How many jobs can hold an arena at the same time: threads times the depth to which their jobs nest. When there
    /// are 8 or more, up to half of them stay with the threads that used them until the next reset (or the thread's
    /// end): with more threads than arenas, only the other half is for everybody.
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
/// Under rayon, a loop that is to make no general-heap call runs on a worker itself (`ThreadPool::install`): jobs that
/// come in from another thread go through a queue of rayon's that allocates now and then. The example `frame` shows it.
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
    /// How many are parked: roughly, because it only keeps enough of them shared.
    parked: AtomicUsize,
    table: Region,
}

// SAFETY: the slots are reached by `&self` only through their atomic flag, and whoever sets the flag has the slot's
// arena alone until it clears it.
unsafe impl Send for JobArenas {}
// SAFETY: as above.
unsafe impl Sync for JobArenas {}

/// One arena. 128 bytes apart at the least, so that two jobs never write the same pair of cache lines.
#[derive(Debug)]
#[repr(align(128))]
struct Slot {
    /// Whose the arena is; who makes it busy owns `bump` and `scratch`.
    seat: AtomicUsize,
    bump: Bump,
    scratch: ScratchSlot,
    /// The most that was used at any reset.
    high_water: usize,
    /// Watched at each reset, so that a burst is given back after a while.
    idle: IdleTrim,
    /// What was asked for ahead is never given back by that.
    presize: usize,
}

/// No arena is free for this job: all are checked out, or stay with other threads until the next reset (see
/// [`JobArenasOptions::arenas`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobError {
    /// How many there are.
    pub arenas: usize,
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "none of the {} job arenas is free: make more of them (threads times the depth of nested jobs), or reset more \
             often",
            self.arenas
        )
    }
}

impl core::error::Error for JobError {}

/// Figures of all job arenas. Sizes are bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct JobStats {
    /// Arenas there are.
    pub arenas: usize,
    /// Arenas that have memory committed.
    pub touched: usize,
    /// Allocated since the last reset.
    pub used: usize,
    /// The sum over arenas of the most each one held at a reset.
    pub high_water: usize,
    /// Committed, scratch included.
    pub committed: usize,
}

impl JobArenas {
    /// Arenas with the default [`JobArenasOptions`].
    ///
    /// # Errors
    /// Address space or the first pages can not be had.
    #[track_caller]
    pub fn try_new(tag: Tag) -> Result<Self, AllocError> {
        Self::try_with(JobArenasOptions::new(tag))
    }

    /// Arenas made as the options say. All results share one reservation, all scratch stacks another.
    ///
    /// # Errors
    /// Address space or the pages of the table can not be had.
    #[track_caller]
    pub fn try_with(options: JobArenasOptions) -> Result<Self, AllocError> {
        let tag = options.tag;
        let made = Made::here(Kind::JobArenas, tag);
        let size = options.arenas.checked_mul(size_of::<Slot>()).ok_or(AllocError::TooLarge { tag })?;
        let mut table = Region::try_reserve(RegionOptions::new(tag, size).at_least(size).of(&made))?;
        table.try_grow(size)?;
        let mut arenas = Self { slots: table.base().cast(), count: 0, parked: AtomicUsize::new(0), table };

        let of = |reserve| {
            let region = RegionOptions::new(tag, reserve).at_least(reserve.min(1 << 16));
            region.prefault(options.prefault).of(&made)
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
                        (&raw mut (*slot).seat).write(AtomicUsize::new(IDLE));
                        (&raw mut (*slot).high_water).write(0);
                        (&raw mut (*slot).idle).write(IdleTrim::new());
                        (&raw mut (*slot).presize).write(0);
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

    /// An arena for this job alone, until it is dropped: this thread's last one if it can be. Without a lock; a load
    /// and a store as a rule, one compare-and-swap for a thread's first job after a reset.
    ///
    /// # Panics
    /// No arena is free for this job.
    #[inline]
    #[track_caller]
    pub fn checkout(&self) -> JobArena<'_> {
        match self.parked_here().or_else(|| self.claimed()) {
            Some(slot) => JobArena { slot, not_send: PhantomData },
            None => self.refuse(),
        }
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn refuse(&self) -> ! {
        panic!("{}", JobError { arenas: self.count })
    }

    /// As [`checkout`](Self::checkout), with the refusal as a value.
    ///
    /// # Errors
    /// No arena is free for this job.
    #[inline]
    pub fn try_checkout(&self) -> Result<JobArena<'_>, JobError> {
        let slot = self.parked_here().or_else(|| self.claimed()).ok_or(JobError { arenas: self.count })?;
        Ok(JobArena { slot, not_send: PhantomData })
    }

    /// The arena of this thread's last job, if it is parked for this thread.
    #[inline(always)]
    fn parked_here(&self) -> Option<&Slot> {
        let here = here();
        if here.seat >= self.count {
            return None;
        }
        // SAFETY: as in `slots`, and the index is below `count`.
        let slot = unsafe { self.slots.add(here.seat).as_ref() };
        take(&slot.seat, here.me).then_some(slot)
    }

    /// Any other arena that this thread can have: another one that is parked for it, else one that is idle.
    #[inline(never)]
    fn claimed(&self) -> Option<&Slot> {
        // A scan is no snapshot: behind it a job may end and the next one begin before it. Refusing would be wrong
        // then, so nothing found is found out three times.
        let index = (0..3).find_map(|_| self.scan())?;
        if index != here().seat {
            remember(index);
        }
        // SAFETY: as in `slots`, and a scan answers with an index below `count`.
        Some(unsafe { self.slots.add(index).as_ref() })
    }

    fn scan(&self) -> Option<usize> {
        let slots = self.slots();
        let me = enrolled();
        if let Some(mine) = slots.iter().position(|slot| take(&slot.seat, me)) {
            return Some(mine);
        }
        // A small set is for everybody; of a larger one half is.
        let limit = if self.count < 8 { 0 } else { self.count / 2 };
        let park = if self.parked.load(Ordering::Relaxed) < limit { me } else { 0 };
        let hint = Some(here().seat).filter(|&hint| hint < self.count);
        hint.into_iter().chain(0..self.count).find(|&index| {
            let was = claim(&slots[index].seat, park, has_ended);
            match was {
                Some(IDLE) if park != 0 => _ = self.parked.fetch_add(1, Ordering::Relaxed),
                Some(was) if was != IDLE && park == 0 => _ = self.parked.fetch_sub(1, Ordering::Relaxed),
                _ => {}
            }
            was.is_some()
        })
    }

    /// Frees what all jobs allocated, at once. No job can be running: `&mut self` proves it, also for those whose
    /// arena was forgotten. What an arena used only in a burst goes back to the system after a few hundred resets; its
    /// scratch keeps what it has until [`try_trim`](Self::try_trim). O(arenas).
    pub fn reset(&mut self) {
        for slot in self.slots_mut() {
            let used = slot.bump.used();
            slot.high_water = slot.high_water.max(used);
            let idle = slot.idle.observe(used, slot.bump.committed(), IDLE_SLACK);
            if used != 0 {
                slot.bump.reset();
            } else {
                // Growing told the ledger of what was rewound since, by the last vector say.
                slot.bump.publish();
            }
            if let Some(keep) = idle {
                // A kindness to the system: what it does not take back stays committed and charged.
                let _ = slot.bump.try_trim(keep.max(slot.presize));
            }
            slot.scratch.get_mut();
            slot.seat = AtomicUsize::new(IDLE);
        }
        self.parked = AtomicUsize::new(0);
    }

    /// Commits `bytes` for results and as much for scratch (at most what is reserved for each) in the first `arenas` of
    /// them, so that the first frames need not.
    ///
    /// # Errors
    /// A budget would be broken, or the system refused; what was committed until then stays.
    pub fn try_presize(&mut self, arenas: usize, bytes: usize) -> Result<(), AllocError> {
        for slot in self.slots_mut().iter_mut().take(arenas) {
            slot.bump.try_presize(bytes)?;
            slot.presize = slot.presize.max(bytes);
            slot.scratch.get_mut().try_presize(bytes)?;
        }
        Ok(())
    }

    /// Gives memory beyond `keep` bytes per arena and scratch stack back to the system. Frees what jobs allocated.
    ///
    /// # Errors
    /// The system refused; that arena's memory and that of those behind it stays committed.
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
    arena_methods!('s, 'a, |this| this.slot.bump.cursor());

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
    pub(crate) fn cursor(&self) -> Cursor<'_> {
        self.slot.bump.cursor()
    }
}

impl Drop for JobArena<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: guards borrow from this job arena, and `&mut self` proves that no such borrow is left.
        unsafe { self.slot.scratch.close_forgotten() };
        leave(&self.slot.seat);
    }
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
