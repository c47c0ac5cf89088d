//! What one thread keeps for itself of a shared pool: block numbers, taken and given with loads and stores.
//!
//! ```text
//!   0 ── claim ──► thread ──(the thread ends)──► claim ──► the next thread with the same index
//!                                           └──► seize ──► RAIDED ── release ──► 0
//! ```
//!
//! A magazine is a plain value: who uses it is its caller's affair. The pool binds one to a thread's index ([`claim`],
//! [`is_of`]), tests and loom drive them directly.
//!
//! [`claim`]: Magazine::claim
//! [`is_of`]: Magazine::is_of

use super::depot::LARGEST_BATCH;
use crate::base::sync::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::base::thread::index;

/// Room for two batches of the largest size, rounded to a power of two.
const CELLS: usize = if cfg!(loom) { 4 } else { 2 * (LARGEST_BATCH as usize + 1) };

/// Who has a magazine of which nobody makes use.
const NOBODY: usize = 0;

/// Who has a magazine that is being emptied because its thread has ended.
const RAIDED: usize = 2;

/// In `word`: its user moves blocks between it and the depot.
const OPEN: u64 = 1 << 31;

/// In `word`: one change.
const CHANGE: u64 = 1 << 32;

/// Only its user writes to it; others read `owner` and `word`, for figures.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Magazine {
    /// The thread's number with the lowest bit set (so that no thread without a number owns what nobody owns), or
    /// [`NOBODY`], or [`RAIDED`].
    owner: AtomicUsize,
    /// How many blocks are in it (lower half), whether it is open, and how often that changed (upper half).
    word: AtomicU64,
    /// Blocks it ever got from the depot, less those it gave there: what its users have out, and what is in it. Wraps.
    net: AtomicUsize,
    /// Which of the depot's stacks its user puts batches on and looks at first.
    stripe: AtomicUsize,
    cells: [AtomicU32; CELLS],
}

impl Default for Magazine {
    fn default() -> Self {
        Self {
            owner: AtomicUsize::new(NOBODY),
            word: AtomicU64::new(0),
            net: AtomicUsize::new(0),
            stripe: AtomicUsize::new(0),
            cells: [(); CELLS].map(|()| AtomicU32::new(0)),
        }
    }
}

/// What others can know of a magazine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glance {
    /// Blocks in it.
    pub(super) idle: u32,
    /// Its user is moving blocks: there may be fewer or more, up to what a magazine holds.
    pub(super) open: bool,
    /// Grows with each change (and wraps).
    pub(super) changes: u32,
}

impl Magazine {
    /// Whether it belongs to the thread with this number, which is the calling one, or 0.
    #[inline(always)]
    pub(super) fn is_of(&self, me: usize) -> bool {
        // Relaxed: if it is so, this thread has stored it.
        self.owner.load(Ordering::Relaxed) == me | 1
    }

    /// Makes it the calling thread's, whose number is `me`. `false` while it is being raided.
    ///
    /// The caller's index leads here, so that whoever had it before has ended, and all that they did happened before.
    pub(super) fn claim(&self, me: usize) -> bool {
        let was = self.owner.load(Ordering::Relaxed);
        if was == me | 1 {
            return true;
        }
        // Acquire: what a raid did to it. Release: whoever sees the number knows that its thread lives; see `seize`.
        let claimed = was != RAIDED
            && self.owner.compare_exchange(was, me | 1, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if claimed {
            self.stripe.store(index(me), Ordering::Relaxed);
        }
        claimed
    }

    /// The depot's stripe for its user; any number.
    pub(super) fn stripe(&self) -> usize {
        self.stripe.load(Ordering::Relaxed)
    }

    /// Makes it the caller's if its thread has ended and left something in it; until [`release`](Self::release).
    pub(super) fn seize(&self, ended: impl Fn(usize) -> bool) -> bool {
        // Acquire: that this thread lives was known before its number came here, so `ended` sees that or something later.
        let was = self.owner.load(Ordering::Acquire);
        // `ended` acquires: if its thread has ended, all that it did to the magazine happened before.
        was & 1 == 1
            && ended(was & !1)
            && self.glance().idle > 0
            && self.owner.compare_exchange(was, RAIDED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Ends a raid.
    pub(super) fn release(&self) {
        self.owner.store(NOBODY, Ordering::Release);
    }

    /// Takes the last block that was put in. For its user.
    #[inline(always)]
    pub(super) fn pop(&self) -> Option<u32> {
        let word = self.word.load(Ordering::Relaxed);
        // The user is not in the middle of a move, so the magazine is not open.
        let top = word as u32;
        if top == 0 {
            return None;
        }
        let block = self.cell(top - 1).load(Ordering::Relaxed);
        // Release: whoever sees this sees all that this thread did before; see `Core::verdict`.
        self.word.store(word.wrapping_add(CHANGE - 1), Ordering::Release);
        Some(block)
    }

    /// Puts a block in, unless there are `limit` already. For its user.
    #[inline(always)]
    pub(super) fn push(&self, block: u32, limit: u32) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        let top = word as u32;
        if top >= limit {
            return false;
        }
        self.cell(top).store(block, Ordering::Relaxed);
        self.word.store(word.wrapping_add(CHANGE + 1), Ordering::Release);
        true
    }

    /// Begins to move blocks between it and the depot. Answers how many there are. For its user, as all that follows.
    pub(super) fn open(&self) -> u32 {
        let word = self.word.load(Ordering::Relaxed);
        // What follows is a read-modify-write of a head of the depot that releases this.
        self.word.store(word.wrapping_add(CHANGE) | OPEN, Ordering::Relaxed);
        word as u32
    }

    /// The blocks have been moved: there are `now` in it, `was` before.
    pub(super) fn close(&self, was: u32, now: u32) {
        let net = self.net.load(Ordering::Relaxed);
        self.net.store(net.wrapping_add(now as usize).wrapping_sub(was as usize), Ordering::Relaxed);
        let word = self.word.load(Ordering::Relaxed);
        let changes = word.wrapping_add(CHANGE) & !(CHANGE - 1);
        self.word.store(changes | u64::from(now), Ordering::Release);
    }

    /// A block goes from the depot to the program without having been in here.
    pub(super) fn passed(&self) {
        self.net.store(self.net.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// While it is open: places for `len` blocks from the place `start`, or up to the end.
    pub(super) fn cells(&self, start: u32, len: u32) -> &[AtomicU32] {
        let rest = self.cells.get(start as usize..).unwrap_or_default();
        rest.get(..len as usize).unwrap_or(rest)
    }

    #[inline(always)]
    fn cell(&self, place: u32) -> &AtomicU32 {
        &self.cells[place as usize % CELLS]
    }

    pub(super) fn glance(&self) -> Glance {
        let word = self.word.load(Ordering::Acquire);
        Glance { idle: word as u32 & !(OPEN as u32), open: word & OPEN != 0, changes: (word >> 32) as u32 }
    }

    /// Blocks that its users have out, less those of others that they gave back here. Wraps; only sums mean something.
    pub(super) fn out(&self) -> usize {
        self.net.load(Ordering::Relaxed).wrapping_sub(self.glance().idle as usize)
    }

    /// Forgets all blocks. Nobody uses it meanwhile.
    pub(super) fn reset(&self) {
        self.word.store(0, Ordering::Relaxed);
        self.net.store(0, Ordering::Relaxed);
    }
}
