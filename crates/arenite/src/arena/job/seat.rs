//! Who has a job arena: one word for each.
//!
//! ```text
//!   IDLE ── claim (compare-and-swap) ──► BUSY ── leave ──► IDLE                  shared
//!   IDLE ── claim (compare-and-swap) ──► me + BUSY ── leave ──► me ── take ──► me + BUSY …   parked
//!   me, whose thread has ended ── claim (compare-and-swap) ──► BUSY or other + BUSY
//! ```
//!
//! A parked seat belongs to a thread between its jobs, so that the thread's next job takes it with a load and a store:
//! an atomic read-modify-write would cost half of what a small job costs in all. Nobody else touches a parked seat
//! while its thread lives; afterwards the seat is as good as idle.

use crate::base::sync::{AtomicUsize, Ordering};

pub(super) use crate::base::thread::{enrolled, has_ended, here, remember};

/// Nobody has the arena.
pub(super) const IDLE: usize = 0;

/// A job has the arena. The other bits are the number of the thread that it is parked for, or 0.
const BUSY: usize = 1;

/// Takes a seat that is parked for the thread `me`, which is the calling one.
#[inline(always)]
pub(super) fn take(seat: &AtomicUsize, me: usize) -> bool {
    // Relaxed: only this thread leaves `me` there and only this thread changes it, so the last use of the arena was
    // this thread's own. (A reset changes it too, by `&mut`.)
    let mine = me != IDLE && seat.load(Ordering::Relaxed) == me;
    if mine {
        seat.store(me | BUSY, Ordering::Relaxed);
    }
    mine
}

/// Tries to get a seat that is idle, or parked for a thread of which `ended` knows that it will never take it again.
/// It becomes parked for the thread `park`, or shared if that is 0. Answers what it was.
pub(super) fn claim(seat: &AtomicUsize, park: usize, ended: impl Fn(usize) -> bool) -> Option<usize> {
    // The load keeps a scan from writing to lines that others own. Acquire: that a thread lives was known before it left its
    // number here, so `ended` sees that or something later, not what was before.
    let was = seat.load(Ordering::Acquire);
    if was & BUSY != 0 || (was != IDLE && !ended(was)) {
        return None;
    }
    // Acquire: what the last job and the last reset did to the arena happened before. If it was parked, then all that
    // its thread did to the word happened before `ended` was true: it is still `was`, or the exchange fails.
    seat.compare_exchange(was, park | BUSY, Ordering::Acquire, Ordering::Relaxed).ok()
}

/// The job is done.
#[inline(always)]
pub(super) fn leave(seat: &AtomicUsize) {
    // Nobody else changes a busy seat, so this need not be one atomic step. Release: what this job did to the arena
    // happens before the next one gets it.
    seat.store(seat.load(Ordering::Relaxed) & !BUSY, Ordering::Release);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_parked_seat_is_its_threads_until_the_thread_has_ended() {
        let seat = AtomicUsize::new(IDLE);
        assert_eq!(claim(&seat, 6, |_| false), Some(IDLE));
        assert!(!take(&seat, 6), "busy");
        leave(&seat);
        assert!(!take(&seat, 8), "another thread's");
        assert_eq!(claim(&seat, 8, |_| false), None, "its thread lives");
        assert!(take(&seat, 6));
        assert_eq!(claim(&seat, 8, |_| true), None, "its thread has ended, but the job never left");
        leave(&seat);
        assert_eq!(claim(&seat, 0, |number| number == 6), Some(6));
        leave(&seat);
        assert!(!take(&seat, 0), "a shared seat is claimed, not taken");
        assert_eq!(claim(&seat, 0, |_| false), Some(IDLE));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;

    #[test]
    #[expect(unsafe_code, reason = "loom's cell stands for the arena")]
    fn loom_two_jobs_never_hold_one_arena() {
        loom::model(|| {
            let slots = Arc::new([(); 2].map(|()| (AtomicUsize::new(IDLE), UnsafeCell::new(0u32))));
            let job = |slots: Arc<[(AtomicUsize, UnsafeCell<u32>); 2]>| {
                let mut held = 0;
                for _ in 0..2 {
                    // None when one scan just missed the other job's change of place; `JobArenas` scans again then.
                    if let Some(slot) = slots.iter().find(|slot| claim(&slot.0, 0, |_| false).is_some()) {
                        // SAFETY: loom checks that nobody else has the cell.
                        slot.1.with_mut(|value| unsafe { *value += 1 });
                        leave(&slot.0);
                        held += 1;
                    }
                }
                held
            };
            let other = {
                let slots = Arc::clone(&slots);
                loom::thread::spawn(move || job(slots))
            };
            let held = job(Arc::clone(&slots)) + other.join().unwrap();
            // SAFETY: both jobs are done.
            let total: u32 = slots.iter().map(|slot| slot.1.with(|value| unsafe { *value })).sum();
            assert_eq!(total, held);
            assert!(held > 0);
        });
    }

    #[test]
    #[expect(unsafe_code, reason = "loom's cell stands for the arena")]
    fn loom_a_parked_arena_changes_hands_only_after_its_thread() {
        const OWNER: usize = 2;
        loom::model(|| {
            let shared = Arc::new((AtomicUsize::new(IDLE), UnsafeCell::new(0u32), AtomicUsize::new(OWNER)));
            let work = |cell: &UnsafeCell<u32>| {
                // SAFETY: loom checks that nobody else has the cell.
                cell.with_mut(|value| unsafe { *value += 1 });
            };
            let owner = {
                let shared = Arc::clone(&shared);
                loom::thread::spawn(move || {
                    let (seat, cell, living) = &*shared;
                    if claim(seat, OWNER, |_| false).is_some() {
                        work(cell);
                        leave(seat);
                    }
                    if take(seat, OWNER) {
                        work(cell);
                        leave(seat);
                    }
                    living.store(0, Ordering::Release);
                })
            };
            let (seat, cell, living) = &*shared;
            if claim(seat, 0, |number| living.load(Ordering::Acquire) != number).is_some() {
                work(cell);
                leave(seat);
            }
            owner.join().unwrap();
        });
    }
}
