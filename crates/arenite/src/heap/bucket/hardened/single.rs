//! Blocks with a span or a segment of their own, in hardened mode.
//!
//! ```text
//!   | … canary | block, at its end as far as its alignment allows | canary | no access … |
//! ```
//!
//! A block that was freed waits without memory: whoever touches it faults. Its descriptor says what it is: `class` 0, `free`
//! the block's start, `previous` its end, `next` where the guard begins, `carved` its state, `slots` 0 if it has a segment.
#![expect(unsafe_code, reason = "hands out spans by raw pointer")]

use core::ptr::{NonNull, null_mut};

use super::super::large::{ALLOCS, FREES, count};
use super::super::living::LiveBlock;
use super::super::local::Local;
use super::super::segment::{HEADER, Page, SLOT};
use super::super::space::{Space, pages, unlink};
use super::place;
use super::report::{Misuse, Subject, report};
use super::{CANARY, Given, nowhere, pattern, show, take_span};
use crate::base::align::align_down;
use crate::base::sync::Ordering;
use crate::os::{self, Access};
use crate::region::AllocError;

/// Spans of more slots than these are no span.
const MOST_SLOTS: usize = 16;
/// What is larger does not wait: its address space is given back at once.
const WAIT_MOST: usize = 64 << 20;

/// In `Page::carved`.
const LIVE: u16 = 1;
const WAITING: u16 = 2;

/// Where a block lies in the memory that it has for itself.
#[derive(Clone, Copy)]
struct Spot {
    start: NonNull<u8>,
    block: NonNull<u8>,
    size: usize,
    /// Bytes from the start to the guard.
    end: usize,
}

impl Spot {
    /// `size` bytes at the end of `end`, at a multiple of `align`.
    fn at_end(start: NonNull<u8>, end: usize, size: usize, align: usize) -> Self {
        let address = align_down(start.addr().get() + end - size.max(1), align);
        // SAFETY: not before the start: `end` was chosen so.
        let block = unsafe { start.add(address - start.addr().get()) };
        Self { start, block, size, end }
    }

    fn behind(&self) -> (NonNull<u8>, usize) {
        // SAFETY: inside, or at the guard.
        let at = unsafe { self.block.add(self.size) };
        (at, self.start.addr().get() + self.end - at.addr().get())
    }

    fn before(&self) -> (NonNull<u8>, usize) {
        let room = self.block.addr().get() - self.start.addr().get();
        // SAFETY: inside.
        (unsafe { self.block.sub(room.min(CANARY)) }, room.min(CANARY))
    }

    fn protect(&self) {
        for (start, len) in [self.behind(), self.before()] {
            // SAFETY: around the block, in memory of its own.
            unsafe { pattern::protect(start, len) };
        }
    }

    /// What a page says of its block. Under the lock of its place, or before others know of it.
    fn of(page: NonNull<Page>) -> Option<Self> {
        // SAFETY: a descriptor.
        let this = unsafe { page.as_ref() };
        let block = NonNull::new(this.free.get().cast::<u8>())?;
        let start = start_of(page);
        let (end, size) = (this.next.get().addr(), this.previous.get().addr());
        Some(Self { start, block, size: size - block.addr().get(), end: end - start.addr().get() })
    }

    /// Makes it what the page says.
    fn note(&self, page: NonNull<Page>, local: &Local, slots: usize) {
        // SAFETY: a descriptor of ours.
        let this = unsafe { page.as_ref() };
        this.free.set(self.block.as_ptr().cast());
        this.previous.set(self.behind().0.as_ptr().cast());
        this.next.set(self.start.as_ptr().wrapping_add(self.end).cast());
        this.slots.set(slots as u8);
        this.class.set(0);
        this.block.set(0);
        this.carved.set(LIVE);
        this.capacity.set(1);
        this.listed.set(false);
        this.remote.reset();
        this.local.store(core::ptr::from_ref(local).cast_mut(), Ordering::Relaxed);
        this.used.store(1, Ordering::Relaxed);
    }
}

/// Where what a page has for its block begins.
fn start_of(page: NonNull<Page>) -> NonNull<u8> {
    let (segment, _) = Page::place(page);
    // SAFETY: a descriptor; a segment's block lies behind its header.
    unsafe {
        match page.as_ref().slots.get() {
            0 => segment.cast::<u8>().add(segment.as_ref().ahead.get()),
            _ => Page::start(page),
        }
    }
}

/// A block of `size` bytes at a multiple of `align`, and how many bytes from its start may hold something.
pub(super) fn alloc(local: &Local, size: usize, align: usize) -> Result<(NonNull<u8>, usize), AllocError> {
    let (tag, guard) = (local.tag(), os::page_size());
    let align = align.max(CANARY);
    if size > isize::MAX as usize / 2 || align > isize::MAX as usize / 4 {
        return Err(AllocError::TooLarge { tag });
    }
    place::of(local)?;
    local.pause();
    // Room for the canary before it, wherever its alignment puts it.
    let end = pages(size.max(1) + CANARY + align - 1);
    let slots = (end + guard).div_ceil(SLOT).max(2);
    if align > SLOT || slots > MOST_SLOTS {
        return alloc_huge(local, size, align);
    }
    let span = take_span(local, slots, end)?;
    let page = span.page();
    let spot = Spot::at_end(Page::start(page), end, size, align);
    spot.note(page, local, slots);
    // SAFETY: whole pages behind the block. Refused, the block has no guard.
    let _ = unsafe { os::protect(spot.start.add(end), slots * SLOT - end, Access::None) };
    spot.protect();
    show(page);
    count(local, ALLOCS, size);
    let before = spot.block.addr().get() - spot.start.addr().get();
    Ok((spot.block, span.touched.saturating_sub(before).min(size)))
}

fn alloc_huge(local: &Local, size: usize, align: usize) -> Result<(NonNull<u8>, usize), AllocError> {
    let guard = os::page_size();
    // SAFETY: outlives its locals.
    let space = unsafe { &*local.space.get() };
    // What is aligned to more than a header begins where the memory does; before it there is none.
    let end = if align > HEADER { pages(size.max(1)) } else { pages(size.max(1) + CANARY + align - 1) };
    let (start, touched) =
        space.try_huge(local.tag(), end + guard, align, core::ptr::from_ref(local).cast_mut())?;
    let spot = if align > HEADER {
        Spot { start, block: start, size, end }
    } else {
        Spot::at_end(start, end, size, align)
    };
    // SAFETY: a block of ours.
    let page = unsafe { Page::of(start) };
    spot.note(page, local, 0);
    // SAFETY: the last page. Refused, the block has no guard but what lies behind the segment.
    let _ = unsafe { os::protect(start.add(end), guard, Access::None) };
    spot.protect();
    show(page);
    count(local, ALLOCS, size);
    Ok((spot.block, touched.min(size)))
}

fn fail(page: NonNull<Page>, spot: Spot, misuse: Misuse) -> ! {
    // SAFETY: a descriptor.
    let tag = super::tag_of(unsafe { page.as_ref() });
    report(misuse, Subject { address: spot.block.addr().get(), block: Some((spot.size, tag)) })
}

/// The block of a page, if it is live and this is its start; ends the process if not. Under the lock.
fn live(local: &Local, page: NonNull<Page>, block: NonNull<u8>, stale: bool) -> Spot {
    // SAFETY: a descriptor.
    let this = unsafe { page.as_ref() };
    let ours = core::ptr::eq(this.local.load(Ordering::Relaxed), local);
    let Some(spot) = Some(page).filter(|_| ours).and_then(Spot::of) else {
        report(Misuse::NoBlock, nowhere(block))
    };
    let by = block.addr().get().wrapping_sub(spot.block.addr().get());
    if by > spot.size {
        report(Misuse::NoBlock, nowhere(block));
    }
    match this.carved.get() {
        LIVE if by == 0 => spot,
        WAITING if by == 0 => fail(page, spot, if stale { Misuse::Stale } else { Misuse::DoubleFree }),
        _ => fail(page, spot, Misuse::Inside { by }),
    }
}

/// Whether what surrounds a live block is what it was.
fn check_around(page: NonNull<Page>, spot: Spot) {
    let ((behind, rest), (before, canary)) = (spot.behind(), spot.before());
    // SAFETY: around the block, as it was protected.
    unsafe {
        if let Some((_, last)) = pattern::damage(behind, rest) {
            fail(page, spot, Misuse::Overflow { bytes: last + 1 });
        }
        if pattern::damage(before, canary).is_some() {
            fail(page, spot, Misuse::Underflow);
        }
    }
}

/// Looks at the block of a page, if it is live.
pub(super) fn audit(local: &Local, page: NonNull<Page>) {
    let Some(place) = place::existing(local) else { return };
    let _inner = place.inner.lock();
    // SAFETY: a descriptor.
    let this = unsafe { page.as_ref() };
    let ours = core::ptr::eq(this.local.load(Ordering::Relaxed), local);
    if ours
        && this.carved.get() == LIVE
        && let Some(spot) = Spot::of(page)
    {
        check_around(page, spot);
    }
}

/// Calls `see` with the block of a page, if it is live.
pub(super) fn living(local: &Local, page: NonNull<Page>, see: &mut dyn FnMut(LiveBlock)) {
    let Some(place) = place::existing(local) else { return };
    let _inner = place.inner.lock();
    // SAFETY: a descriptor.
    if unsafe { page.as_ref() }.carved.get() == LIVE
        && let Some(spot) = Spot::of(page)
    {
        see(LiveBlock { address: spot.block.as_ptr(), size: spot.size, tag: Some(local.tag()) });
    }
}

/// What was asked for a live block.
///
/// # Safety
/// A page of one block, of this local. The address may be any one in it.
pub(super) unsafe fn asked(local: &Local, page: NonNull<Page>, block: NonNull<u8>, given: Given) -> usize {
    let Some(place) = place::existing(local) else { return 0 };
    let _inner = place.inner.lock();
    let spot = live(local, page, block, true);
    if let Some(misuse) = given.wrong(spot.size, block) {
        fail(page, spot, misuse);
    }
    spot.size
}

/// A live block has become `size` bytes long, which is no more than it had.
///
/// # Safety
/// As [`asked`]; nobody uses what is behind them.
#[cfg(all(feature = "std", feature = "allocator-api2"))]
pub(super) unsafe fn shorten(local: &Local, page: NonNull<Page>, block: NonNull<u8>, size: usize) {
    let Some(place) = place::existing(local) else { return };
    let _inner = place.inner.lock();
    let spot = live(local, page, block, true);
    check_around(page, spot);
    local.large[FREES + 1].fetch_add((spot.size - size) as u64, Ordering::Relaxed);
    let spot = Spot { size, ..spot };
    // SAFETY: a descriptor of ours.
    unsafe { page.as_ref() }.previous.set(spot.behind().0.as_ptr().cast());
    spot.protect();
}

/// Takes a block back, which then waits without memory.
///
/// # Safety
/// As [`asked`].
pub(super) unsafe fn free(local: &Local, page: NonNull<Page>, block: NonNull<u8>, given: Given) {
    let Some(place) = place::existing(local) else { return };
    // SAFETY: outlives its locals.
    let space = unsafe { &*local.space.get() };
    let spot = {
        let _inner = place.inner.lock();
        let spot = live(local, page, block, false);
        if let Some(misuse) = given.wrong(spot.size, block) {
            fail(page, spot, misuse);
        }
        check_around(page, spot);
        // SAFETY: a descriptor of ours.
        unsafe {
            page.as_ref().carved.set(WAITING);
            page.as_ref().used.store(0, Ordering::Relaxed);
        }
        spot
    };
    count(local, FREES, spot.size);
    empty(local, space, page);
    let bytes = reach(page);
    let waits = bytes <= WAIT_MOST && place.inner.lock().wait_large(page, bytes);
    if !waits && !go(local, space, page) {
        // The system refuses. If nothing can wait any more, it is address space lost.
        let _ = place.inner.lock().wait_large(page, bytes);
    }
    settle(local, false);
}

/// Address space of a block.
fn reach(page: NonNull<Page>) -> usize {
    // SAFETY: a descriptor of one block, that waits; its segment.
    unsafe {
        match page.as_ref().slots.get() {
            0 => Page::place(page).0.as_ref().size.get(),
            slots => usize::from(slots) * SLOT,
        }
    }
}

/// Takes the memory from behind a block. Refused, it keeps it.
fn empty(local: &Local, space: &Space, page: NonNull<Page>) {
    let tag = local.tag();
    let (segment, slot) = Page::place(page);
    // SAFETY: a block that nobody has: whole pages, its segment's header.
    unsafe {
        let header = segment.as_ref();
        let slots = usize::from(page.as_ref().slots.get());
        if slots > 0 {
            if os::decommit(start_of(page), slots * SLOT).is_ok() {
                let bytes = header.charged[slot].replace(0) as usize;
                space.lets_go(bytes);
                tag.credit_committed(bytes);
            }
            return;
        }
        space.lets_go(header.huge.get());
        if os::decommit(start_of(page), header.open.get()).is_ok() {
            header.open.set(0);
            tag.credit_committed(header.huge.replace(0));
        }
        tag.transfer_committed(space.tag(), HEADER + header.huge.get());
    }
}

/// Lets blocks go that have waited long enough, or all of them. Answers whether any went.
pub(super) fn settle(local: &Local, all: bool) -> bool {
    let Some(place) = place::existing(local) else { return false };
    // SAFETY: outlives its locals.
    let space = unsafe { &*local.space.get() };
    let mut any = false;
    loop {
        let Some(page) = place.inner.lock().take_large(all, reach) else { return any };
        let bytes = reach(page);
        if !go(local, space, page) {
            // Later. There was room for it just now; if there is none any more, it is address space lost.
            let _ = place.inner.lock().wait_large(page, bytes);
            return any;
        }
        any = true;
    }
}

/// Gives what a block had back to the space, or to the system. `false`: the system refuses.
fn go(local: &Local, space: &Space, page: NonNull<Page>) -> bool {
    let (segment, slot) = Page::place(page);
    // SAFETY: a block that nobody has and that is in no list of its place: whole pages, its segment's header.
    unsafe {
        let this = page.as_ref();
        let slots = usize::from(this.slots.get());
        if slots > 0 {
            // The next one who has it expects to reach all of it.
            if os::commit(start_of(page), slots * SLOT).is_err() {
                return false;
            }
            this.local.store(null_mut(), Ordering::Relaxed);
            let charged = segment.as_ref().charged[slot].replace(0) as usize;
            local.tag().transfer_committed(space.tag(), charged);
            if space.give(segment, slot, slots, charged) {
                space.relieve();
            }
            return true;
        }
        this.local.store(null_mut(), Ordering::Relaxed);
        super::forget(segment);
        unlink(&mut space.inner.lock().huge, segment);
        space.given.fetch_add(space.release_huge(segment), Ordering::Relaxed);
    }
    true
}
