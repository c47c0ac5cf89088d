//! Who has a cache: one thread at a time, or nobody.
//!
//! ```text
//!   0 ── begin ──► HELD by a thread ── park ──► PARKED ── try_hold ──► HELD by another one …
//! ```

use crate::base::sync::{AtomicU32, Ordering};

const PARKED: u32 = 1;
const HELD: u32 = 2;

/// All zero: it has not begun.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(super) struct State(AtomicU32);

impl State {
    /// It is the calling thread's from the start. Before anybody else knows of it.
    pub(super) fn begin(&self) {
        self.0.store(HELD, Ordering::Relaxed);
    }

    /// Makes it the calling thread's, if its own has ended.
    pub(super) fn try_hold(&self) -> bool {
        // Look before writing: whoever looks for one asks them all.
        self.0.load(Ordering::Relaxed) == PARKED
            // Acquire: what the last thread did to it.
            && self.0.compare_exchange(PARKED, HELD, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// The calling thread has it no more.
    pub(super) fn park(&self) {
        // Release: all that the thread did.
        self.0.store(PARKED, Ordering::Release);
    }
}
