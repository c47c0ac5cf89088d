//! Memory that nobody has: how much of it waits for its next use, for how long, and how it goes back to the system.
#![expect(unsafe_code, reason = "gives memory of segments to the system")]

use core::ptr::NonNull;

use super::ours;
use super::segment::{HEADER, SEGMENT, SLOT, Segment};
use super::space::{Space, bits, each, link, mask, now, unlink};
use crate::base::sync::Ordering;
use crate::os;

/// Dirty memory beyond this, and beyond a quarter of what is in use, goes back at once. Half as much was too little for a
/// program that replaces a dozen blocks of some MiB each: it got the same pages again and again.
const DIRTY_MOST: usize = 64 << 20;

/// What is in use and what waits are together no more than what was in use of late at most, and this part of it (a half), or so
/// many bytes if that is more. With a quarter, vectors that grow side by side needed a fifth less memory and half as much
/// again of time: what waits is rarely of the size that is asked for.
const ROOM: usize = 2;
const ROOM_LEAST: usize = 1 << 20;
/// When something must go back, so much more goes at once.
const PURGE_LEAST: usize = 256 << 10;

impl Space {
    /// How much may wait for its next use.
    pub(super) fn dirty_most(&self, in_use: usize) -> usize {
        if self.plan.delay == 0 { 0 } else { DIRTY_MOST.max(in_use / 4) }
    }

    /// There is too much dirty memory: a quarter of it goes back, what has waited for a while first.
    pub(super) fn relieve(&self) {
        let limit = self.dirty_most(self.in_use.load(Ordering::Relaxed));
        for delay in [self.plan.delay / 4, 0] {
            if self.dirty() > limit {
                self.purge_to(delay, limit / 4 * 3);
            }
        }
    }

    /// `more` bytes that were charged just now are in use. If that makes more of what is in use and what waits than was ever in
    /// use of late, what waits goes back first: it was there to save the system's work, not to stand beside what is used.
    pub(super) fn uses(&self, more: usize) {
        if more == 0 {
            return;
        }
        let in_use = self.in_use.fetch_add(more, Ordering::Relaxed) + more;
        let most = self.most.fetch_max(in_use, Ordering::Relaxed).max(in_use);
        let room = most + (most / ROOM).max(ROOM_LEAST) - in_use;
        if self.dirty() > room {
            for delay in [self.plan.delay / 4, 0] {
                if self.dirty() > room {
                    self.purge_to(delay, room.saturating_sub(PURGE_LEAST));
                }
            }
        }
    }

    /// So many bytes are not in use any more.
    pub(super) fn lets_go(&self, less: usize) {
        self.in_use.fetch_sub(less, Ordering::Relaxed);
    }

    /// What was needed at most is forgotten little by little, an eighth of the way at a time.
    fn forget_most(&self, all: bool) {
        let in_use = self.in_use.load(Ordering::Relaxed);
        let most = self.most.load(Ordering::Relaxed);
        let above = most.saturating_sub(in_use);
        // Others may set it meanwhile: a hint.
        self.most.store(most - if all { above } else { above / 8 }, Ordering::Relaxed);
    }

    /// Bytes that nobody has and that were not given back to the system yet.
    pub(super) fn dirty(&self) -> usize {
        self.dirty.load(Ordering::Relaxed)
    }

    /// Gives free memory back to the system that has waited for `delay` milliseconds, and empty segments but one. Answers
    /// how many bytes. What the system refuses to take stays as it is.
    pub(super) fn purge(&self, delay: u32) -> usize {
        self.forget_most(delay == 0);
        self.purge_to(delay, 0)
    }

    /// Bytes that were ever given back to the system; wraps.
    pub(super) fn given(&self) -> usize {
        self.given.load(Ordering::Relaxed)
    }

    fn purge_to(&self, delay: u32, goal: usize) -> usize {
        let given = self.purge_now(delay, goal);
        self.given.fetch_add(given, Ordering::Relaxed);
        given
    }

    /// As [`purge`](Self::purge), until no more than `goal` bytes are dirty.
    fn purge_now(&self, delay: u32, goal: usize) -> usize {
        let time = now();
        let mut given = self.purge_spares(time, delay, goal) + self.purge_stuck();
        while self.dirty() > goal {
            let Some((segment, going)) = self.take_ripe(time, delay, self.dirty() - goal) else { break };
            let (gone, credited) = self.discard(segment, going);
            self.tag().credit_committed(credited);
            given += credited;
            if gone != going {
                // The system refuses; it will be asked again later.
                return given;
            }
        }
        while let Some(segment) = self.take_empty() {
            if self.plan.hardened {
                super::hardened::forget(segment);
            }
            // SAFETY: nobody has a slot of it, and no list leads to it.
            if unsafe { ours::release(segment, segment.cast(), SEGMENT) }.is_err() {
                let mut inner = self.inner.lock();
                inner.reserved += SEGMENT;
                // SAFETY: in no list.
                unsafe { link(&mut inner.open, segment) };
                return given;
            }
            self.tag().credit_committed(HEADER);
            self.tag().credit_reserved(SEGMENT);
            given += HEADER;
        }
        given
    }

    /// Takes slots of one segment that are dirty and have waited long enough: all, or so many that they have `enough` bytes.
    fn take_ripe(&self, time: u32, delay: u32, enough: usize) -> Option<(NonNull<Segment>, u64)> {
        let mut inner = self.inner.lock();
        let ripe = |segment: NonNull<Segment>| {
            // SAFETY: a segment of this space, whose lock is held.
            let header = unsafe { segment.as_ref() };
            let mut missing = enough;
            let mut going = 0u64;
            for slot in bits(header.dirty.get()) {
                if missing > 0 && time.wrapping_sub(header.freed_at[slot].get()) >= delay {
                    missing = missing.saturating_sub(header.charged[slot].get() as usize);
                    going |= 1 << slot;
                }
            }
            going
        };
        let (segment, going) =
            each(inner.open).map(|segment| (segment, ripe(segment))).find(|(_, going)| *going != 0)?;
        // SAFETY: as above.
        let header = unsafe { segment.as_ref() };
        header.taken.set(header.taken.get() | going);
        header.dirty.set(header.dirty.get() & !going);
        let bytes: usize = bits(going).map(|slot| header.charged[slot].get() as usize).sum();
        self.dirty.fetch_sub(bytes, Ordering::Relaxed);
        if header.taken.get() == u64::MAX {
            // SAFETY: in `open`.
            unsafe {
                unlink(&mut inner.open, segment);
                link(&mut inner.full, segment);
            }
        }
        Some((segment, going))
    }

    /// Gives the memory of slots back that were taken for it, and frees them. Answers which, and how many bytes are to be
    /// credited; the others are dirty again.
    fn discard(&self, segment: NonNull<Segment>, going: u64) -> (u64, usize) {
        let mut gone = 0u64;
        let mut rest = going;
        while rest != 0 {
            let slot = rest.trailing_zeros() as usize;
            let slots = (rest >> slot).trailing_ones() as usize;
            rest &= !mask(slot, slots);
            let size = slots * SLOT - if slot == 0 { HEADER } else { 0 };
            // SAFETY: whole pages of slots that were taken for this: nobody uses them.
            if unsafe { os::discard(Segment::start_of(segment, slot), size) }.is_ok() {
                gone |= mask(slot, slots);
            }
        }
        let mut inner = self.inner.lock();
        // SAFETY: a segment of this space, whose lock is held.
        let header = unsafe { segment.as_ref() };
        let mut credited = 0;
        for slot in bits(going) {
            if gone >> slot & 1 != 0 {
                credited += header.charged[slot].replace(0) as usize;
            } else {
                header.dirty.set(header.dirty.get() | 1 << slot);
                self.dirty.fetch_add(header.charged[slot].get() as usize, Ordering::Relaxed);
            }
        }
        self.free_slots(&mut inner, segment, going);
        (gone, credited)
    }

    /// Takes an empty and clean segment out of the list, if it is not the only one with room.
    fn take_empty(&self) -> Option<NonNull<Segment>> {
        let mut inner = self.inner.lock();
        each(inner.open).nth(1)?;
        // SAFETY: segments of this space, whose lock is held.
        let empty = |segment: &NonNull<Segment>| unsafe {
            segment.as_ref().taken.get() == 0 && segment.as_ref().dirty.get() == 0
        };
        let segment = each(inner.open).find(empty)?;
        // SAFETY: as above.
        unsafe { unlink(&mut inner.open, segment) };
        inner.reserved -= SEGMENT;
        Some(segment)
    }
}
