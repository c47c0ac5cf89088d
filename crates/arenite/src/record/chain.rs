//! Which memory events are written to, as numbers. Lock-free.
//!
//! ```text
//!   free  ──► segment ──► segment ──► …      any thread takes one, the writer gives them back
//!   a log ──► segment ──► segment            full ones, which the writer takes from; the last one its thread still writes to
//! ```
//!
//! A segment's length is stored with release after its bytes were written, its link to the next one after its last byte. So whoever
//! reads the link first and then the length has all of a segment that has a link, and nobody writes to that one any more.
#![expect(unsafe_code, reason = "reaches segments by index, without a bounds check")]

use core::ptr::NonNull;

use crate::base::sync::{AtomicArray, AtomicU32, AtomicU64, Ordering, Padded};

/// What is known of a segment beside its bytes.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Bytes that are written.
    len: AtomicU32,
    /// The one after it in its log, or among free ones; 0 if there is none.
    next: AtomicU32,
    /// Of which recording.
    session: AtomicU32,
    /// Of which thread.
    thread: AtomicU32,
    /// The how many-th of its thread.
    number: AtomicU64,
    /// When it began.
    start: AtomicU64,
}

/// What a segment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Purpose {
    pub(super) session: u32,
    pub(super) thread: u32,
    pub(super) number: u64,
    pub(super) start: u64,
}

/// All segments. Names are 1 and up.
#[derive(Debug)]
pub(super) struct Chains {
    heads: AtomicArray<Head>,
    count: u32,
    /// Name of the first free one, and in the upper half how often that changed.
    free: Padded<AtomicU64>,
    /// Segments that were ever taken: those up to this name.
    fresh: AtomicU32,
}

/// The segments of one thread, for the writer: which it reads, and how far it has.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The first one of the log; stored once, by whoever writes events.
    first: AtomicU32,
    /// The writer's own.
    at: AtomicU32,
    /// The writer's own.
    taken: AtomicU32,
}

impl Chains {
    /// # Safety
    /// As [`AtomicArray::new`], with all of the `count` heads accessible.
    pub(super) unsafe fn new(start: NonNull<u8>, count: u32) -> Self {
        // SAFETY: the caller's promise.
        let heads = unsafe { AtomicArray::new(start, count as usize) };
        Self { heads, count, free: Padded(AtomicU64::new(0)), fresh: AtomicU32::new(0) }
    }

    /// `name` is one that was taken.
    #[inline(always)]
    fn head(&self, name: u32) -> &Head {
        debug_assert!((1..=self.count).contains(&name), "no segment {name}");
        // SAFETY: names are given by `take` alone, from 1 to `count`.
        unsafe { self.heads.at(name as usize - 1) }
    }

    /// A segment that nobody has.
    fn take(&self) -> Option<u32> {
        // Acquire: what its last owner did to it.
        let mut was = self.free.load(Ordering::Acquire);
        while was as u32 != 0 {
            let name = was as u32;
            // May be stale when another thread has just taken it; the exchange fails then.
            let below = self.head(name).next.load(Ordering::Relaxed);
            let now = ((was >> 32).wrapping_add(1) << 32) | u64::from(below);
            match self.free.compare_exchange_weak(was, now, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return Some(name),
                Err(other) => was = other,
            }
        }
        let fresh = self.fresh.load(Ordering::Relaxed);
        if fresh >= self.count {
            return None;
        }
        let fresh = self.fresh.fetch_add(1, Ordering::Relaxed);
        if fresh < self.count {
            Some(fresh + 1)
        } else {
            self.fresh.store(self.count, Ordering::Relaxed);
            None
        }
    }

    fn give(&self, name: u32) {
        let mut was = self.free.load(Ordering::Relaxed);
        loop {
            self.head(name).next.store(was as u32, Ordering::Relaxed);
            let now = ((was >> 32).wrapping_add(1) << 32) | u64::from(name);
            // Release: that it was read.
            match self.free.compare_exchange_weak(was, now, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => was = other,
            }
        }
    }

    /// The next segment of a log whose last one is `last`, 0 if it has none yet. Called by whoever writes to that log.
    pub(super) fn append(&self, log: &Reading, last: u32, purpose: Purpose) -> Option<u32> {
        let name = self.take()?;
        let head = self.head(name);
        head.len.store(0, Ordering::Relaxed);
        head.next.store(0, Ordering::Relaxed);
        head.session.store(purpose.session, Ordering::Relaxed);
        head.thread.store(purpose.thread, Ordering::Relaxed);
        head.number.store(purpose.number, Ordering::Relaxed);
        head.start.store(purpose.start, Ordering::Relaxed);
        // Release: what it is, and all that was written to the last one.
        match last {
            0 => log.first.store(name, Ordering::Release),
            last => self.head(last).next.store(name, Ordering::Release),
        }
        Some(name)
    }

    /// So many bytes of a log's last segment are written.
    #[inline(always)]
    pub(super) fn publish(&self, name: u32, len: u32) {
        self.head(name).len.store(len, Ordering::Release);
    }

    /// Shows what was written to a log and was not shown before: a segment's name, what it is for, and from where to where. With
    /// `partly`, also what is in a segment that is still written to. Called by the one writer.
    pub(super) fn drain(&self, log: &Reading, partly: bool, mut show: impl FnMut(u32, Purpose, u32, u32)) {
        let mut at = log.at.load(Ordering::Relaxed);
        if at == 0 {
            at = log.first.load(Ordering::Acquire);
            if at == 0 {
                return;
            }
            log.at.store(at, Ordering::Relaxed);
        }
        loop {
            let head = self.head(at);
            // First: nothing is written to one that has a next one.
            let next = head.next.load(Ordering::Acquire);
            let (len, taken) = (head.len.load(Ordering::Acquire), log.taken.load(Ordering::Relaxed));
            if len > taken && (partly || next != 0) {
                let purpose = Purpose {
                    session: head.session.load(Ordering::Relaxed),
                    thread: head.thread.load(Ordering::Relaxed),
                    number: head.number.load(Ordering::Relaxed),
                    start: head.start.load(Ordering::Relaxed),
                };
                show(at, purpose, taken, len);
                log.taken.store(len, Ordering::Relaxed);
            }
            if next == 0 {
                return;
            }
            log.taken.store(0, Ordering::Relaxed);
            log.at.store(next, Ordering::Relaxed);
            self.give(at);
            at = next;
        }
    }
}

#[cfg(all(test, loom))]
#[path = "chain_tests.rs"]
mod loom_tests;
#[cfg(all(test, not(loom)))]
#[path = "chain_tests.rs"]
mod tests;
