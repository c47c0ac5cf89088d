//! Slots that come back from other threads to a pool that one thread uses.
//!
//! ```text
//! give (any thread):  the pool's own thread? ─► its free stack, by plain stores
//!                     else push, by compare-and-swap
//! collect (own):      swap the head for nothing, walk the chain
//! ```
//!
//! Only ever is all of it taken at once, so that a slot which comes back to the same place (ABA) does no harm.

use crate::base::sync::{AtomicArray, AtomicU32, AtomicUsize, Ordering};
use crate::base::thread;

/// Slots on their way home.
#[derive(Debug)]
pub(super) struct Away {
    /// The number of the thread that takes slots, or 0 when it has none. While a slot is out its pool is borrowed, and
    /// such a borrow is not for other threads: so this is one thread as long as it matters.
    home: AtomicUsize,
    /// The slot that came last, plus one; 0 when none is here.
    head: AtomicU32,
    /// By slot: the one that came before it, plus one.
    next: AtomicArray<AtomicU32>,
}

impl Away {
    /// Nothing. `next` has room for every slot that is ever taken.
    pub(super) fn new(next: AtomicArray<AtomicU32>) -> Self {
        Self { home: AtomicUsize::new(0), head: AtomicU32::new(0), next }
    }

    /// The calling thread takes a slot.
    #[inline(always)]
    pub(super) fn leave_from_here(&self) {
        if thread::here().me != self.home.load(Ordering::Relaxed) || thread::here().me == 0 {
            self.settle();
        }
    }

    #[cold]
    #[inline(never)]
    fn settle(&self) {
        self.home.store(thread::enrolled(), Ordering::Relaxed);
    }

    /// Whether the calling thread is the one that takes slots.
    #[inline(always)]
    pub(super) fn is_home(&self) -> bool {
        let me = thread::here().me;
        // Relaxed: it was stored before the slot was taken, and whoever has the slot got it after that.
        me != 0 && me == self.home.load(Ordering::Relaxed)
    }

    /// Gives a slot back, from any thread.
    ///
    /// A slot that is not out, or given twice, would make the chain endless: the caller owns it.
    #[cold]
    pub(super) fn give(&self, slot: u32) {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            self.set_next(slot, head);
            // Release: what this thread did to the slot, and the link, happen before it is collected.
            match self.head.compare_exchange_weak(head, slot + 1, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => head = other,
            }
        }
    }

    /// Everything that has come back so far.
    pub(super) fn collect(&self, mut slot: impl FnMut(u32)) {
        if self.head.load(Ordering::Relaxed) == 0 {
            return;
        }
        // Acquire: see `give`.
        let mut next = self.head.swap(0, Ordering::Acquire);
        while next != 0 {
            let index = next - 1;
            // Before the slot may be taken again, and its link written anew.
            next = self.next_of(index);
            slot(index);
        }
    }
}

mod links {
    #![expect(unsafe_code, reason = "reaches an array whose memory grows with the slots")]

    use super::{Away, Ordering};

    impl Away {
        pub(super) fn set_next(&self, slot: u32, next: u32) {
            // SAFETY: a slot that was taken has memory in every column of its table, as long as it is out.
            unsafe { self.next.at(slot as usize) }.store(next, Ordering::Relaxed);
        }

        pub(super) fn next_of(&self, slot: u32) -> u32 {
            // SAFETY: as above; the slot is on its way home.
            unsafe { self.next.at(slot as usize) }.load(Ordering::Relaxed)
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    #![expect(unsafe_code, reason = "makes an array that under loom has memory of its own")]

    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    fn away(slots: usize) -> Away {
        // SAFETY: under loom the address is not used.
        Away::new(unsafe { AtomicArray::new(core::ptr::NonNull::dangling(), slots) })
    }

    /// Two threads give, one of them gives what it was given again, and one collects meanwhile.
    #[test]
    fn loom_what_goes_away_comes_back_once() {
        loom::model(|| {
            let away = Arc::new(away(3));
            let others = [[0, 1], [2, 2]].map(|[first, second]| {
                let away = Arc::clone(&away);
                thread::spawn(move || {
                    away.give(first);
                    if second != first {
                        away.give(second);
                    }
                })
            });
            let mut back = [0; 3];
            away.collect(|slot| {
                back[slot as usize] += 1;
            });
            // The first to come back goes out and comes back again, on this thread.
            if back[0] == 1 {
                away.give(0);
                back[0] = 0;
            }
            for other in others {
                other.join().unwrap();
            }
            away.collect(|slot| back[slot as usize] += 1);
            assert_eq!(back, [1, 1, 1]);
        });
    }

    /// Plain writes of the thread that had a slot are seen by the one that collects it.
    #[test]
    fn loom_coming_back_publishes() {
        loom::model(|| {
            let away = Arc::new(away(1));
            let slot = Arc::new(loom::cell::UnsafeCell::new(0));
            let other = {
                let (away, slot) = (Arc::clone(&away), Arc::clone(&slot));
                thread::spawn(move || {
                    // SAFETY: loom finds out if it is not.
                    slot.with_mut(|value| unsafe { *value = 7 });
                    away.give(0);
                })
            };
            let mut home = false;
            away.collect(|_| home = true);
            if home {
                // SAFETY: as above.
                assert_eq!(slot.with(|value| unsafe { *value }), 7);
            }
            other.join().unwrap();
        });
    }
}
