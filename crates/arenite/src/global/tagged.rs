//! Which tag has what of a foreign allocator, and the charging of it.
//!
//! ```text
//!   admit: the thread has charged enough ahead for the tag           ◄── nearly always
//!     charge (cold): the ledger is charged for what is missing, and a step ahead
//!   count_free: the thread has now more charged than it needs
//!     settle (cold): the ledger is credited, down to one step
//! ```
//!
//! At every moment the ledger has, for each tag, what blocks were admitted and did not come back, and what threads have
//! charged ahead. Charging runs program code (callbacks), which may come back here: nothing is half-done then, and
//! afterwards only additions are made.

use super::stats::TagStats;
use crate::base::sync::{AtomicU32, AtomicU64, Ordering};
use crate::base::thread::THREADS;
use crate::ledger::{BudgetExceeded, Ledger, Tag, here};

/// Bytes that a thread charges ahead for a tag, at the most. It gives back when it has twice as much.
const STEP: u64 = 64 << 10;

/// One tag's figures of one thread.
#[derive(Debug)]
#[repr(C, align(64))]
struct Cell {
    allocs: AtomicU64,
    allocated: AtomicU64,
    /// Stored with release, after what was handed out, so that whoever reads it first never sees more of them.
    frees: AtomicU64,
    freed: AtomicU64,
    /// Bytes that are charged and that no block has. Only its thread uses it; nobody, where threads share.
    ahead: AtomicU64,
}

/// A [`TrackingAllocator`](super::TrackingAllocator) that knows of each block which tag it belongs to. Its table takes 4 MiB of
/// addresses, of which each thread touches 64 bytes for each tag it uses.
#[derive(Debug)]
pub struct Tagged {
    threads: [[Cell; Ledger::CAPACITY]; THREADS],
    /// Of all threads that have no number.
    shared: [Cell; Ledger::CAPACITY],
}

/// Where `untagged` stands in the process's ledger, once somebody has asked.
static UNTAGGED: AtomicU32 = AtomicU32::new(u32::MAX);

std::thread_local! {
    static REFUSED: core::cell::Cell<Option<BudgetExceeded>> = const { core::cell::Cell::new(None) };
}

/// Which budget refused the calling thread's last block that a [tagged](Tagged) allocator did not hand out, and by how much;
/// `None` if none ever did. Its text says what a person can do. For `try_reserve` and its like, whose own errors do not know:
///
/// ```
/// # use std::alloc::System;
/// # use arenite::{Budget, Tagged, TrackingAllocator};
/// # #[global_allocator]
/// # static GLOBAL: TrackingAllocator<System, Tagged> = TrackingAllocator::tagged(System);
/// arenite::tags! { AI = "game/ai"; }
/// AI.set_budget(Budget::hard(8 << 20));
/// let _scope = AI.scope();
/// let mut plans: Vec<u8> = Vec::new();
/// plans.try_reserve_exact(4 << 20)?;
/// assert!(plans.try_reserve_exact(9 << 20).is_err());
/// println!("{}", arenite::last_refusal().unwrap());
/// # Ok::<(), std::collections::TryReserveError>(())
/// ```
#[must_use]
pub fn last_refusal() -> Option<BudgetExceeded> {
    REFUSED.get()
}

/// Remembers why, if somebody refused.
fn told(answer: Result<(), BudgetExceeded>) -> bool {
    if let Err(error) = answer {
        REFUSED.set(Some(error));
    }
    answer.is_ok()
}

#[cold]
#[inline(never)]
fn find_untagged() -> usize {
    let place = Tag::untagged().place();
    UNTAGGED.store(place as u32, Ordering::Relaxed);
    place
}

/// Adds to a figure that only this thread writes.
#[inline(always)]
fn add(figure: &AtomicU64, by: u64, order: Ordering) {
    figure.store(figure.load(Ordering::Relaxed).wrapping_add(by), order);
}

impl Tagged {
    pub(super) const fn new() -> Self {
        #[expect(clippy::declare_interior_mutable_const, reason = "each use is a cell of its own")]
        const ROW: [Cell; Ledger::CAPACITY] = [const {
            Cell {
                allocs: AtomicU64::new(0),
                allocated: AtomicU64::new(0),
                frees: AtomicU64::new(0),
                freed: AtomicU64::new(0),
                ahead: AtomicU64::new(0),
            }
        }; Ledger::CAPACITY];
        Self { threads: [ROW; THREADS], shared: ROW }
    }

    /// Which tag of the process's ledger the calling thread is under.
    #[inline(always)]
    pub(super) fn place_here() -> usize {
        match here().tag {
            Some(tag) => tag.place(),
            None => match UNTAGGED.load(Ordering::Relaxed) {
                u32::MAX => find_untagged(),
                place => place as usize,
            },
        }
    }

    #[inline(always)]
    fn cell(&self, seat: Option<usize>, place: usize) -> &Cell {
        let row = match seat {
            Some(seat) => &self.threads[seat],
            None => &self.shared,
        };
        // There are no more tags than that; masked, so that no check is left.
        &row[place % Ledger::CAPACITY]
    }

    /// Whether the tag may have so many bytes more. They are charged then.
    #[inline(always)]
    pub(super) fn admit(&self, seat: Option<usize>, place: usize, size: usize) -> bool {
        let cell = self.cell(seat, place);
        let ahead = cell.ahead.load(Ordering::Relaxed);
        // The shared row never has anything ahead.
        if ahead >= size as u64 {
            cell.ahead.store(ahead - size as u64, Ordering::Relaxed);
            return true;
        }
        self.charge(seat, place, size)
    }

    #[cold]
    #[inline(never)]
    fn charge(&self, seat: Option<usize>, place: usize, size: usize) -> bool {
        let Some(tag) = Ledger::process().at(place) else { return false };
        if seat.is_none() {
            return told(tag.try_charge_committed(size));
        }
        let ahead = &self.cell(seat, place).ahead;
        loop {
            let has = ahead.load(Ordering::Relaxed) as usize;
            if has >= size {
                break;
            }
            let missing = size - has;
            // A warning comes when its mark is reached, not a step before.
            let generous = missing.saturating_add(STEP as usize).min(tag.calm_room()).max(missing);
            let charged = match tag.try_charge_committed(generous) {
                Ok(()) => generous,
                Err(_) if generous > missing && told(tag.try_charge_committed(missing)) => missing,
                Err(error) if generous == missing => return told(Err(error)),
                Err(_) => return false,
            };
            // Callbacks may have allocated and freed here meanwhile: look again.
            add(ahead, charged as u64, Ordering::Relaxed);
        }
        let has = ahead.load(Ordering::Relaxed);
        ahead.store(has - size as u64, Ordering::Relaxed);
        true
    }

    /// What was [admitted](Self::admit) is not needed after all.
    #[cold]
    pub(super) fn take_back(&self, seat: Option<usize>, place: usize, size: usize) {
        self.settle(seat, place, size);
    }

    /// So many bytes of the tag are in no block any more.
    #[inline]
    fn release(&self, seat: Option<usize>, place: usize, size: usize) {
        let ahead = self.cell(seat, place).ahead.load(Ordering::Relaxed).wrapping_add(size as u64);
        if seat.is_some() && ahead < 2 * STEP {
            self.cell(seat, place).ahead.store(ahead, Ordering::Relaxed);
        } else {
            self.settle(seat, place, size);
        }
    }

    #[cold]
    #[inline(never)]
    fn settle(&self, seat: Option<usize>, place: usize, size: usize) {
        let Some(tag) = Ledger::process().at(place) else { return };
        if seat.is_none() {
            return tag.credit_committed(size);
        }
        let ahead = &self.cell(seat, place).ahead;
        let has = ahead.load(Ordering::Relaxed).wrapping_add(size as u64);
        let kept = has.min(STEP);
        ahead.store(kept, Ordering::Relaxed);
        tag.credit_committed((has - kept) as usize);
    }

    /// A block of the tag was handed out, by the thread with this seat.
    #[inline(always)]
    pub(super) fn count_alloc(&self, seat: Option<usize>, place: usize, size: usize) {
        let cell = self.cell(seat, place);
        if seat.is_some() {
            add(&cell.allocs, 1, Ordering::Relaxed);
            add(&cell.allocated, size as u64, Ordering::Relaxed);
        } else {
            cell.allocs.fetch_add(1, Ordering::Relaxed);
            cell.allocated.fetch_add(size as u64, Ordering::Relaxed);
        }
    }

    /// A block of the tag comes back.
    #[inline(always)]
    pub(super) fn count_free(&self, seat: Option<usize>, place: usize, size: usize) {
        let cell = self.cell(seat, place);
        if seat.is_some() {
            add(&cell.frees, 1, Ordering::Release);
            add(&cell.freed, size as u64, Ordering::Release);
        } else {
            cell.frees.fetch_add(1, Ordering::Release);
            cell.freed.fetch_add(size as u64, Ordering::Release);
        }
        self.release(seat, place, size);
    }

    /// A block of the tag has changed its size; what it has grown by was admitted.
    pub(super) fn count_realloc(&self, seat: Option<usize>, place: usize, old: usize, new: usize) {
        let cell = self.cell(seat, place);
        if seat.is_some() {
            add(&cell.allocated, new as u64, Ordering::Relaxed);
            add(&cell.freed, old as u64, Ordering::Release);
        } else {
            cell.allocated.fetch_add(new as u64, Ordering::Relaxed);
            cell.freed.fetch_add(old as u64, Ordering::Release);
        }
        if old > new {
            self.release(seat, place, old - new);
        }
    }

    /// The figures of the tag at this place, added up.
    pub(super) fn stats(&self, place: usize) -> TagStats {
        let cells = || self.threads.iter().chain([&self.shared]).map(|row| &row[place % Ledger::CAPACITY]);
        let sum = |figure: fn(&Cell) -> &AtomicU64, order| {
            cells().map(|cell| figure(cell).load(order)).fold(0, u64::wrapping_add)
        };
        // What came back first, and acquired: see `Cell`.
        let freed = sum(|cell| &cell.freed, Ordering::Acquire);
        let frees = sum(|cell| &cell.frees, Ordering::Acquire);
        let allocs = sum(|cell| &cell.allocs, Ordering::Relaxed);
        let allocated = sum(|cell| &cell.allocated, Ordering::Relaxed);
        TagStats {
            bytes: allocated.saturating_sub(freed),
            blocks: allocs.saturating_sub(frees),
            allocations: allocs,
            deallocations: frees,
        }
    }
}
