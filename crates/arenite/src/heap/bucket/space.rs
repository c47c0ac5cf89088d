//! Who has which slots: the spans of a heap, and the memory that nobody has at the moment.
//!
//! ```text
//!   take ──► the first run of free slots, used ones first; else a fresh segment from the system
//!   give ──► free, and dirty: charged to the space's own tag, stamped
//!   purge (purge.rs) ──► what has been dirty for a while, or is too much, goes back to the system
//! ```
//!
//! One short lock. It is never held while anything is charged (a charge runs program code) or the system is asked for
//! memory; slots that are on their way are taken meanwhile.
#![expect(unsafe_code, reason = "walks segments by pointer and gives memory to the system")]

use core::ptr::{NonNull, null_mut};

use super::ours;
use super::segment::{HEADER, HUGE, LARGE, NOBODY, Page, SEGMENT, SLOT, SLOTS, Segment};
use crate::base::align::align_down;
use crate::base::sync::{AtomicPtr, AtomicUsize, Lock, Ordering};
use crate::ledger::Tag;
use crate::os;
use crate::region::AllocError;

/// Segments with room that are compared before one is taken.
const LOOK_AT: usize = 8;

/// Freed blocks of their own segments that wait for another use, and what they may be in all.
const SPARES: usize = 32;
pub(super) const SPARE_MOST: usize = 64 << 20;

/// How a heap is laid out. Sizes are bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) tag: Tag,
    /// Address space at the most.
    pub(super) limit: usize,
    /// Milliseconds that free memory waits for its next use.
    pub(super) delay: u32,
    pub(super) huge_pages: bool,
    /// Everything is looked at; see `hardened`.
    pub(super) hardened: bool,
}

/// The segments of a heap. Lies in the first of them.
pub(super) struct Space {
    pub(super) inner: Lock<Inner>,
    pub(super) plan: Plan,
    /// All locals of this space, for figures.
    pub(super) locals: AtomicPtr<super::local::Local>,
    /// Never given twice: tells a heap from one that was at the same address.
    #[cfg_attr(
        not(feature = "std"),
        expect(dead_code, reason = "heaps of their own need threads that are known")
    )]
    pub(super) serial: usize,
    /// Bytes that nobody has and that may hold something, of segments and of spares.
    pub(super) dirty: AtomicUsize,
    /// Bytes of spans and huge blocks that somebody has and that may hold something.
    pub(super) in_use: AtomicUsize,
    /// The most that `in_use` was of late.
    pub(super) most: AtomicUsize,
    /// Bytes that were ever given back to the system.
    pub(super) given: AtomicUsize,
}

pub(super) struct Inner {
    /// Segments with a free slot, and those without.
    pub(super) open: *mut Segment,
    pub(super) full: *mut Segment,
    /// Segments of one block.
    pub(super) huge: *mut Segment,
    pub(super) spares: [*mut Segment; SPARES],
    /// Segments of one block that nobody has and that the system refused to take: it is asked again.
    pub(super) stuck: *mut Segment,
    /// Address space of all.
    pub(super) reserved: usize,
    /// The rest of a slot that small structures are cut from, and how much of it is charged.
    pub(super) meta: *mut u8,
    pub(super) meta_left: usize,
    pub(super) meta_charged: usize,
    /// What is charged for such slots in all.
    pub(super) meta_bytes: usize,
}

// SAFETY: pointers to segments that the space owns, touched under its lock.
unsafe impl Send for Inner {}
// SAFETY: the lock guards what changes; the rest is atomics and plain values.
unsafe impl Sync for Space {}

/// Whether a span of one slot may be the first of a segment, which is smaller and lies elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    Welcome,
    IfNeedBe,
    Never,
}

/// A span that was taken: nobody else has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) segment: NonNull<Segment>,
    pub(super) slot: usize,
    pub(super) slots: usize,
    /// Bytes from its start that may hold something.
    pub(super) touched: usize,
    /// How many of them are charged to the space's tag.
    pub(super) held: usize,
}

impl Span {
    pub(super) fn page(&self) -> NonNull<Page> {
        Segment::page(self.segment, self.slot)
    }

    /// Room in bytes.
    pub(super) fn room(&self) -> usize {
        self.slots * SLOT - if self.slot == 0 { HEADER } else { 0 }
    }

    fn mask(&self) -> u64 {
        mask(self.slot, self.slots)
    }

    /// From now on `bytes` of it are charged to whoever has it, and counted at its first slot.
    pub(super) fn settle(&self, bytes: usize) {
        // SAFETY: the span is the caller's.
        let header = unsafe { self.segment.as_ref() };
        for slot in self.slot..self.slot + self.slots {
            header.charged[slot].set(0);
        }
        header.charged[self.slot].set(bytes as u32);
    }
}

pub(super) fn mask(slot: usize, slots: usize) -> u64 {
    (u64::MAX >> (SLOTS - slots)) << slot
}

/// The numbers of the bits that are set.
pub(super) fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let bit = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        (bit < SLOTS).then_some(bit)
    })
}

/// Milliseconds of the process, wrapping.
pub(super) fn now() -> u32 {
    (os::monotonic_ns() / 1_000_000) as u32
}

pub(super) unsafe fn unlink(list: &mut *mut Segment, segment: NonNull<Segment>) {
    // SAFETY: neighbours in a list of this space, whose lock is held.
    unsafe {
        let (next, previous) = (segment.as_ref().next.get(), segment.as_ref().previous.get());
        match NonNull::new(previous) {
            Some(previous) => previous.as_ref().next.set(next),
            None => *list = next,
        }
        if let Some(next) = NonNull::new(next) {
            next.as_ref().previous.set(previous);
        }
    }
}

pub(super) unsafe fn link(list: &mut *mut Segment, segment: NonNull<Segment>) {
    // SAFETY: as above.
    unsafe {
        segment.as_ref().next.set(*list);
        segment.as_ref().previous.set(null_mut());
        if let Some(next) = NonNull::new(*list) {
            next.as_ref().previous.set(segment.as_ptr());
        }
    }
    *list = segment.as_ptr();
}

/// The segments of a list.
pub(super) fn each(list: *mut Segment) -> impl Iterator<Item = NonNull<Segment>> {
    // SAFETY: the space's lock is held as long as the list is walked.
    core::iter::successors(NonNull::new(list), |segment| NonNull::new(unsafe { segment.as_ref() }.next.get()))
}

/// A free slot: the first dirty one of the first segments with a free one, else the first of all.
fn single(open: *mut Segment) -> Option<(NonNull<Segment>, usize)> {
    let mut clean = None;
    let mut looked = 0;
    for segment in each(open) {
        // SAFETY: a segment of a space, whose lock is held.
        let header = unsafe { segment.as_ref() };
        let free = !header.taken.get();
        let dirty = free & header.dirty.get();
        if dirty != 0 {
            return Some((segment, dirty.trailing_zeros() as usize));
        }
        if free != 0 {
            clean.get_or_insert((segment, free.trailing_zeros() as usize));
            looked += 1;
        }
        if looked == LOOK_AT {
            break;
        }
    }
    clean
}

/// A run of free slots, of those in the first segments that have one the run with the most memory in it already: what is
/// dirty and not used again is memory that is paid for twice.
fn run_of(open: *mut Segment, slots: usize) -> Option<(NonNull<Segment>, usize)> {
    let mut best = None;
    let mut most = 0;
    for segment in each(open).filter_map(|segment| runs(segment, slots)).take(LOOK_AT) {
        let (segment, starts) = segment;
        // SAFETY: as above.
        let dirty = unsafe { segment.as_ref() }.dirty.get();
        for slot in bits(starts) {
            let has = (dirty & mask(slot, slots)).count_ones() as usize;
            if best.is_none() || has > most {
                (best, most) = (Some((segment, slot)), has);
            }
            if most == slots {
                return best;
            }
        }
    }
    best
}

/// Where so many free slots in a row begin, a bit each, if there are any.
fn runs(segment: NonNull<Segment>, slots: usize) -> Option<(NonNull<Segment>, u64)> {
    // SAFETY: as above. Slot 0 is smaller, and of no use here.
    let mut runs = !unsafe { segment.as_ref() }.taken.get() & !1;
    let mut have = 1;
    while have < slots {
        let step = have.min(slots - have);
        runs &= runs >> step;
        have += step;
    }
    (runs != 0).then_some((segment, runs))
}

/// Reserves and commits a segment and fills in its header; charges address space and header to `tag`.
fn make_segment(plan: &Plan, space: *const Space) -> Result<NonNull<Segment>, AllocError> {
    let tag = plan.tag;
    let os_error = |error| AllocError::Os { tag, error };
    tag.try_charge_committed(HEADER)?;
    let begun = os::reserve(SEGMENT, SEGMENT).and_then(|base| {
        // SAFETY: the whole of a fresh reservation.
        match unsafe { os::commit(base, SEGMENT) } {
            Ok(()) => Ok(base),
            Err(error) => {
                // SAFETY: nobody knows of it. Refused, it is address space lost, nothing more.
                let _ = unsafe { os::release(base, SEGMENT) };
                Err(error)
            }
        }
    });
    let base = begun.map_err(|error| {
        tag.credit_committed(HEADER);
        os_error(error)
    })?;
    if plan.huge_pages {
        // A hint. A system without huge pages serves ordinary ones.
        // SAFETY: committed.
        let _ = unsafe { os::prefer_huge(base, SEGMENT) };
    }
    tag.charge_reserved(SEGMENT);
    // SAFETY: fresh memory, zero, aligned, ours.
    Ok(unsafe { Segment::begin(base, base, SEGMENT, space) })
}

impl Space {
    /// A space with one segment, in whose first slot it lies.
    pub(super) fn try_new(plan: Plan, serial: usize) -> Result<NonNull<Self>, AllocError> {
        if plan.hardened {
            super::hardened::ready().map_err(|error| AllocError::Os { tag: plan.tag, error })?;
        }
        let own = size_of::<Self>().next_multiple_of(64);
        let page = os::page_size();
        let first = own.next_multiple_of(page);
        plan.tag.try_charge_committed(first)?;
        let segment =
            make_segment(&plan, core::ptr::null()).inspect_err(|_| plan.tag.credit_committed(first))?;
        let start = Segment::start_of(segment, 0);
        let space = start.cast::<Self>();
        let meta_left = SLOT - HEADER - own;
        // SAFETY: the first slot is nobody's; it is taken before anybody knows of the space.
        unsafe {
            let header = segment.as_ref();
            header.taken.set(1);
            header.space.set(space.as_ptr());
            space.write(Self {
                inner: Lock::new(Inner {
                    open: segment.as_ptr(),
                    full: null_mut(),
                    huge: null_mut(),
                    spares: [null_mut(); SPARES],
                    stuck: null_mut(),
                    reserved: SEGMENT,
                    meta: start.as_ptr().add(own),
                    meta_left,
                    meta_charged: first - own,
                    meta_bytes: first,
                }),
                plan,
                locals: AtomicPtr::new(null_mut()),
                serial,
                dirty: AtomicUsize::new(0),
                in_use: AtomicUsize::new(0),
                most: AtomicUsize::new(0),
                given: AtomicUsize::new(0),
            });
        }
        Ok(space)
    }

    pub(super) fn tag(&self) -> Tag {
        self.plan.tag
    }

    /// Zeroed memory for a small structure, at a multiple of 64, for as long as the space lasts.
    pub(super) fn try_meta(&self, size: usize) -> Result<NonNull<u8>, AllocError> {
        let size = size.next_multiple_of(64);
        debug_assert!(size <= SLOT - HEADER);
        loop {
            let (missing, seen) = {
                let mut inner = self.inner.lock();
                if size <= inner.meta_left && size <= inner.meta_charged {
                    let at = inner.meta;
                    // SAFETY: inside the slot.
                    inner.meta = unsafe { at.add(size) };
                    inner.meta_left -= size;
                    inner.meta_charged -= size;
                    // SAFETY: not null, for it lies in a slot.
                    return Ok(unsafe { NonNull::new_unchecked(at) });
                }
                if size <= inner.meta_left {
                    ((size - inner.meta_charged).next_multiple_of(os::page_size()), inner.meta)
                } else {
                    (0, null_mut())
                }
            };
            let tag = self.tag();
            if missing > 0 {
                tag.try_charge_committed(missing)?;
                let mut inner = self.inner.lock();
                if inner.meta == seen {
                    inner.meta_charged += missing;
                    inner.meta_bytes += missing;
                    continue;
                }
                drop(inner);
                tag.credit_committed(missing);
                continue;
            }
            let span = self.try_take(1, First::Welcome)?;
            // What it held is charged to the same tag already; what it holds must be zero.
            let start = Segment::start_of(span.segment, span.slot);
            // SAFETY: nobody else has the span.
            unsafe { start.write_bytes(0, span.touched) };
            span.settle(0);
            let mut inner = self.inner.lock();
            inner.meta = start.as_ptr();
            inner.meta_left = span.room();
            // A single slot holds what it holds from its start.
            inner.meta_charged = span.held;
            inner.meta_bytes += span.held;
        }
    }

    /// Takes a run of slots. What it may hold stays charged to the space's tag; the caller transfers it, and says of what
    /// is charged beyond that that it is [in use](Self::uses).
    pub(super) fn try_take(&self, slots: usize, first: First) -> Result<Span, AllocError> {
        debug_assert!((1..SLOTS).contains(&slots));
        loop {
            let mut inner = self.inner.lock();
            if let Some(span) = self.take_from(&mut inner, slots, first) {
                return Ok(span);
            }
            let tag = self.tag();
            if self.plan.limit.saturating_sub(inner.reserved) < SEGMENT {
                let (reserved, needed) = (self.plan.limit, inner.reserved + slots * SLOT);
                return Err(AllocError::Exhausted { tag, reserved, needed: needed.max(reserved + 1) });
            }
            inner.reserved += SEGMENT;
            drop(inner);
            let made = make_segment(&self.plan, self);
            let mut inner = self.inner.lock();
            match made {
                // SAFETY: in no list yet.
                Ok(segment) => unsafe { link(&mut inner.open, segment) },
                Err(error) => {
                    inner.reserved -= SEGMENT;
                    // Callbacks may have given some back.
                    return self.take_from(&mut inner, slots, first).ok_or(error);
                }
            }
        }
    }

    fn take_from(&self, inner: &mut Inner, slots: usize, first: First) -> Option<Span> {
        let (segment, slot) = match first {
            First::Welcome if slots == 1 => single(inner.open),
            First::Welcome | First::Never => run_of(inner.open, slots),
            First::IfNeedBe => run_of(inner.open, slots).or_else(|| single(inner.open)),
        }?;
        Some(self.take_run(inner, segment, slot, slots))
    }

    /// The `more` slots behind a span, if nobody has them: a span of their own, until they are [joined](Segment::join) to it.
    ///
    /// # Safety
    /// The span is the caller's.
    pub(super) unsafe fn take_behind(
        &self,
        segment: NonNull<Segment>,
        slot: usize,
        more: usize,
    ) -> Option<Span> {
        let mut inner = self.inner.lock();
        // SAFETY: a segment of this space, whose lock is held.
        let taken = unsafe { segment.as_ref() }.taken.get();
        let free = slot + more <= SLOTS && taken & mask(slot, more) == 0;
        free.then(|| self.take_run(&mut inner, segment, slot, more))
    }

    /// All these slots are one span from now on, the first one's.
    ///
    /// # Safety
    /// They are the caller's.
    pub(super) unsafe fn join(&self, segment: NonNull<Segment>, slot: usize, slots: usize) {
        let _inner = self.inner.lock();
        // SAFETY: a segment of this space, whose lock is held.
        unsafe { segment.as_ref() }.join(slot, slots, true);
    }

    /// Takes free slots.
    fn take_run(&self, inner: &mut Inner, segment: NonNull<Segment>, slot: usize, slots: usize) -> Span {
        // SAFETY: a segment of this space, whose lock is held.
        let header = unsafe { segment.as_ref() };
        let mut span = Span { segment, slot, slots, touched: 0, held: 0 };
        for place in 0..slots {
            let holds = header.charged[slot + place].get() as usize;
            if holds > 0 {
                span.touched = place * SLOT + holds;
                span.held += holds;
            }
        }
        self.dirty.fetch_sub(span.held, Ordering::Relaxed);
        self.in_use.fetch_add(span.held, Ordering::Relaxed);
        header.taken.set(header.taken.get() | span.mask());
        header.dirty.set(header.dirty.get() & !span.mask());
        header.join(slot, slots, true);
        if header.taken.get() == u64::MAX {
            // SAFETY: it is in `open`, by whom it was found.
            unsafe {
                unlink(&mut inner.open, segment);
                link(&mut inner.full, segment);
            }
        }
        span
    }

    /// Takes a span back whose first `touched` bytes may hold something and are charged to the space's tag. Answers whether
    /// there is more of that now than there should be.
    ///
    /// # Safety
    /// Nobody uses the span any more.
    pub(super) unsafe fn give(
        &self,
        segment: NonNull<Segment>,
        slot: usize,
        slots: usize,
        touched: usize,
    ) -> bool {
        let time = now();
        let mut inner = self.inner.lock();
        // SAFETY: a segment of this space, whose lock is held; the span is the caller's.
        let header = unsafe { segment.as_ref() };
        // SAFETY: as above.
        unsafe { Segment::page(segment, slot).as_ref() }.owner.store(NOBODY, Ordering::Relaxed);
        header.join(slot, slots, false);
        let mut left = touched;
        let first_room = SLOT - if slot == 0 { HEADER } else { 0 };
        for place in 0..slots {
            let holds = left.min(if place == 0 { first_room } else { SLOT });
            left -= holds;
            header.charged[slot + place].set(holds as u32);
            header.freed_at[slot + place].set(time);
            if holds > 0 {
                header.dirty.set(header.dirty.get() | 1 << (slot + place));
            }
        }
        self.free_slots(&mut inner, segment, mask(slot, slots));
        let in_use = self.in_use.fetch_sub(touched, Ordering::Relaxed) - touched;
        let dirty = self.dirty.fetch_add(touched, Ordering::Relaxed) + touched;
        dirty > self.dirty_most(in_use)
    }

    /// Takes a span back that nobody has settled: it is as it was.
    ///
    /// # Safety
    /// It was taken here, and nobody has it.
    pub(super) unsafe fn give_untouched(&self, span: Span) {
        let mut inner = self.inner.lock();
        // SAFETY: a segment of this space, whose lock is held; the span is the caller's.
        let header = unsafe { span.segment.as_ref() };
        header.join(span.slot, span.slots, false);
        let holding = bits(span.mask()).filter(|slot| header.charged[*slot].get() > 0);
        header.dirty.set(holding.fold(header.dirty.get(), |mask, slot| mask | 1 << slot));
        self.dirty.fetch_add(span.held, Ordering::Relaxed);
        self.in_use.fetch_sub(span.held, Ordering::Relaxed);
        self.free_slots(&mut inner, span.segment, span.mask());
    }

    pub(super) fn free_slots(&self, inner: &mut Inner, segment: NonNull<Segment>, going: u64) {
        // SAFETY: a segment of this space, whose lock is held, in the list where it belongs.
        unsafe {
            let taken = &segment.as_ref().taken;
            if taken.get() == u64::MAX {
                unlink(&mut inner.full, segment);
                link(&mut inner.open, segment);
            }
            taken.set(taken.get() & !going);
        }
    }

    /// Calls `see` with each page that somebody has, under the lock.
    pub(super) fn each_page(&self, mut see: impl FnMut(NonNull<Page>)) {
        self.each_page_and(|page, _| see(page));
    }

    /// As [`each_page`](Self::each_page), with what says whether an address lies in a slot: memory that can be read meanwhile.
    pub(super) fn each_page_and(&self, mut see: impl FnMut(NonNull<Page>, &dyn Fn(*const u8) -> bool)) {
        let inner = self.inner.lock();
        let in_slots = |address: *const u8| {
            let offset = address.addr() % SEGMENT;
            let ours = |segment: NonNull<Segment>| segment.addr().get() == address.addr() - offset;
            offset >= HEADER && each(inner.open).chain(each(inner.full)).any(ours)
        };
        for segment in each(inner.open).chain(each(inner.full)) {
            // SAFETY: a segment of this space, whose lock is held.
            let taken = unsafe { segment.as_ref() }.taken.get();
            for slot in (0..SLOTS).filter(|slot| taken >> slot & 1 != 0) {
                let page = Segment::page(segment, slot);
                // SAFETY: a descriptor.
                let owner = unsafe { page.as_ref() }.owner.load(Ordering::Acquire);
                if Page::place(page).1 == slot && owner != NOBODY {
                    see(page, &in_slots);
                }
            }
        }
        for segment in each(inner.huge) {
            see(Segment::page(segment, 0), &in_slots);
        }
    }

    /// Calls `see` with the page that an address lies in, if somebody has it, under the lock.
    pub(super) fn page_at<R>(&self, address: *const u8, see: impl FnOnce(NonNull<Page>) -> R) -> Option<R> {
        let inner = self.inner.lock();
        let offset = |segment: NonNull<Segment>| {
            // SAFETY: a segment of this space, whose lock is held.
            let header = unsafe { segment.as_ref() };
            let offset = address.addr().wrapping_sub(header.base.get().addr());
            (offset < header.size.get()).then_some((segment, offset))
        };
        let page = if let Some((segment, offset)) = each(inner.open).chain(each(inner.full)).find_map(offset)
        {
            // The header is nobody's.
            (offset >= HEADER).then(|| Segment::page(segment, offset / SLOT))?
        } else {
            let (segment, _) = each(inner.huge).find_map(offset)?;
            Segment::page(segment, 0)
        };
        // SAFETY: a descriptor, which stays as long as the lock is held.
        (unsafe { page.as_ref() }.owner.load(Ordering::Acquire) != NOBODY).then(|| see(page))
    }

    /// Whether an address lies in a block, or where one could be.
    pub(super) fn contains(&self, address: *const u8) -> bool {
        let inner = self.inner.lock();
        let inside = |segment: NonNull<Segment>| {
            // SAFETY: a segment of this space, whose lock is held.
            let header = unsafe { segment.as_ref() };
            address.addr().wrapping_sub(header.base.get().addr()) < header.size.get()
        };
        each(inner.open).chain(each(inner.full)).chain(each(inner.huge)).any(inside)
    }

    /// What comes to the bytes that are committed, but for headers and the space's own structures.
    #[cfg(feature = "std")]
    pub(super) const fn figures(&self) -> [&AtomicUsize; 2] {
        [&self.in_use, &self.dirty]
    }

    /// Bytes of address space.
    #[cfg(feature = "std")]
    pub(super) fn reserved(&self) -> usize {
        self.inner.lock().reserved
    }

    /// Waits for the lock and keeps it, across a fork.
    pub(super) fn hold(&self) {
        self.inner.hold();
    }

    /// Lets the lock go that [`hold`](Self::hold) took.
    pub(super) fn let_go(&self) {
        self.inner.let_go();
    }

    /// Gives everything back, whoever uses it. All of it is charged to the space's tag. What the system refuses to take
    /// stays charged, and is lost.
    ///
    /// # Safety
    /// Nobody uses the space or any block any more.
    pub(super) unsafe fn release(this: NonNull<Self>) {
        // SAFETY: the caller's promise.
        let space = unsafe { this.as_ref() };
        let tag = space.tag();
        let _ = space.purge_spares(now(), 0, 0);
        let (lists, meta) = {
            let mut inner = space.inner.lock();
            let lists = [inner.open, inner.full, inner.huge, inner.stuck];
            (inner.open, inner.full, inner.huge, inner.stuck) =
                (null_mut(), null_mut(), null_mut(), null_mut());
            (lists, inner.meta_bytes)
        };
        let home = Segment::of(this.cast());
        let hardened = space.plan.hardened;
        let mut last = None;
        for list in lists {
            let mut rest = list;
            while let Some(segment) = NonNull::new(rest) {
                // SAFETY: a segment that is still there.
                let header = unsafe { segment.as_ref() };
                rest = header.next.get();
                if hardened {
                    super::hardened::forget(segment);
                }
                if segment.as_ptr() == home {
                    last = Some(segment);
                } else {
                    release_segment(segment, tag, 0);
                }
            }
        }
        // The space itself goes with it, and is not looked at again.
        if let Some(segment) = last {
            release_segment(segment, tag, meta);
        }
    }
}

/// Gives a segment back that nobody uses, with `more` bytes that are charged for it beside what it says. Answers how many
/// bytes were credited: none if the system refuses, and then nothing has changed.
pub(super) fn release_segment(segment: NonNull<Segment>, tag: Tag, more: usize) -> usize {
    // SAFETY: by the caller's word.
    let header = unsafe { segment.as_ref() };
    let spans: usize = header.charged.iter().map(|bytes| bytes.get() as usize).sum();
    let committed = HEADER + header.huge.get() + spans + more;
    let size = header.size.get();
    let Some(base) = NonNull::new(header.base.get()) else { return 0 };
    // SAFETY: exactly a reservation of this space.
    if unsafe { ours::release(segment, base, size) }.is_err() {
        return 0;
    }
    tag.credit_committed(committed);
    tag.credit_reserved(size);
    committed
}

/// What a page's owner says it is, for figures.
pub(super) fn is_single(owner: u32) -> bool {
    owner == LARGE || owner == HUGE
}

/// Whole pages that `bytes` take.
pub(super) fn pages(bytes: usize) -> usize {
    let page = os::page_size();
    align_down(bytes + page - 1, page)
}
