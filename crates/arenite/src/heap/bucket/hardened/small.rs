//! Small blocks in hardened mode: handed out at random from [pages](super::page), taken back with a look around, and kept
//! waiting before anybody gets them again.
//!
//! ```text
//!   alloc:  the first listed page with a free block ── open: charge memory for more of its blocks ── fresh: a page
//!   free:   is it a live block? what surrounds it? ── fill ── wait ── settle: the oldest can be had again
//! ```
#![expect(unsafe_code, reason = "hands out memory of pages by raw pointer")]

use core::ptr::{NonNull, null_mut};

use super::super::living::LiveBlock;
use super::super::local::{Local, calmly};
use super::super::segment::{NOBODY, Page, SLOT};
use super::super::space::pages;
use super::page::{FREE, LIVE, NEVER, STATE, Span, WAITING, shape};
use super::place::{self, Inner};
use super::report::{Misuse, report};
use super::{CANARY, Given, nowhere, pattern, show, take_span};
use crate::base::sync::Ordering;
use crate::os::{self, Access};
use crate::region::AllocError;

/// Blocks that are opened at once, in bytes; two blocks at the least.
const OPEN_BYTES: usize = 16 << 10;

/// Every so many blocks of a class somebody looks whether memory has waited long enough.
const PAUSE: u64 = 64;

/// A block for `size` bytes. Of the calling thread's local.
pub(super) fn alloc(local: &Local, class: usize, size: usize) -> Result<NonNull<u8>, AllocError> {
    let place = place::of(local)?;
    if local.counts(class).0.is_multiple_of(PAUSE) {
        local.pause();
    }
    loop {
        let page = {
            let mut inner = place.inner.lock();
            if let Some(block) = take(&mut inner, class, size) {
                drop(inner);
                local.count_checked(class);
                return Ok(block);
            }
            inner.first(class)
        };
        let more = match page {
            Some(page) => open(local, page),
            None => fresh(local, class),
        };
        if let Err(error) = more {
            // Callbacks may have freed some.
            let block = take(&mut place.inner.lock(), class, size).ok_or(error)?;
            local.count_checked(class);
            return Ok(block);
        }
    }
}

fn take(inner: &mut Inner, class: usize, size: usize) -> Option<NonNull<u8>> {
    let span = Span::of(inner.first(class)?);
    if span.header().free.get() == 0 {
        return None;
    }
    let index = span.pick(inner.random());
    let block = span.hand_out(index, size);
    if span.header().free.get() == 0 && span.page().carved.get() == span.page().capacity.get() {
        inner.unlist(span.page);
    }
    Some(block)
}

/// Gets memory for more blocks of a listed page, which has room for them.
fn open(local: &Local, page: NonNull<Page>) -> Result<(), AllocError> {
    let place = place::of(local)?;
    let span = Span::of(page);
    let (segment, slot) = Page::place(page);
    // SAFETY: its segment.
    let charged = &unsafe { segment.as_ref() }.charged[slot];
    // What the page is, if it still is what it was.
    let look = || {
        let this = span.page();
        // Nobody's, or another place's: the rest is not ours to read.
        let ours = core::ptr::eq(this.local.load(Ordering::Relaxed), local);
        (ours && this.listed.get()).then(|| {
            (charged.get() as usize, span.header().first.get() as usize, this.carved.get(), span.size())
        })
    };
    let there_are = |to: usize, first: usize, block: usize| {
        (to.saturating_sub(first) / block).min(usize::from(span.page().capacity.get()))
    };
    let (had, first, carved, block) = {
        let _inner = place.inner.lock();
        let Some(seen) = look() else { return Ok(()) };
        let (had, first, carved, block) = seen;
        if span.header().free.get() > 0 || carved == span.page().capacity.get() {
            return Ok(());
        }
        if there_are(had, first, block) > usize::from(carved) {
            // What the span held before is charged.
            let step = usize::from(carved) + (OPEN_BYTES / block).max(2);
            span.open(there_are(had, first, block).min(step));
            return Ok(());
        }
        seen
    };
    let room = usize::from(span.page().capacity.get());
    let reach = |blocks: usize| pages(first + (usize::from(carved) + blocks).min(room) * block);
    let tag = local.tag();
    let mut to = reach(1).max(calmly(tag, had, reach((OPEN_BYTES / block).max(2))));
    let mut answer = tag.try_charge_committed(to - had);
    if answer.is_err() && reach(1) < to {
        to = reach(1);
        answer = tag.try_charge_committed(to - had);
    }
    answer?;
    let inner = place.inner.lock();
    // The charge has run program code, which may have freed and taken anything here.
    if look().is_some_and(|seen| seen == (had, first, carved, block)) {
        charged.set(to as u32);
        drop(inner);
        local.space().uses(to - had);
        return Ok(());
    }
    drop(inner);
    tag.credit_committed(to - had);
    Ok(())
}

/// Gets a page for the class.
fn fresh(local: &Local, class: usize) -> Result<(), AllocError> {
    let place = place::of(local)?;
    local.pause();
    let shape = shape(class);
    let taken = take_span(local, shape.slots, pages(shape.first))?;
    let page = taken.page();
    let span = Span::of(page);
    Page::begin(page, NOBODY, class, shape.slots, core::ptr::from_ref(local).cast_mut());
    // SAFETY: a span of ours, charged so far; guards are whole pages of it in which nothing is.
    unsafe {
        span.start.write_bytes(0, shape.known);
        let guard = os::page_size();
        let end = shape.slots * SLOT - guard;
        // Refused, the span has one guard less.
        let _ = os::protect(span.start.add(shape.known), guard, Access::None);
        let _ = os::protect(span.start.add(end), guard, Access::None);
        pattern::protect(span.start.add(shape.first - CANARY), CANARY);
    }
    span.header().first.set(shape.first as u32);
    span.header().words.set(shape.capacity.div_ceil(64) as u32);
    span.page().capacity.set(shape.capacity as u16);
    show(page);
    place.inner.lock().list(page);
    Ok(())
}

/// Takes a small block back, which then waits.
///
/// # Safety
/// A page of small blocks of this local. The address may be any one in it.
pub(super) unsafe fn free(local: &Local, page: NonNull<Page>, block: NonNull<u8>, given: Given) {
    let Some(place) = place::existing(local) else { return };
    let span = Span::of(page);
    let (empty, more) = {
        let mut inner = place.inner.lock();
        let index = live(local, span, block, false);
        let asked = span.asked(index);
        if let Some(misuse) = given.wrong(asked, block) {
            span.fail(index, misuse);
        }
        span.check_around(index);
        // SAFETY: the whole block, which is nobody's any more.
        unsafe { pattern::fill(block, span.size()) };
        span.state(index).set(WAITING << STATE | asked as u32);
        span.page().used.store(span.page().used.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        span.header().waiting.set(span.header().waiting.get() + 1);
        // With more threads at it than there is room for, one does not wait.
        let empty = if inner.wait(block, span.size()) {
            next(&mut inner, false).flatten()
        } else {
            release(&mut inner, span, index, false)
        };
        (empty, inner.oldest(false).is_some())
    };
    if let Some(page) = empty {
        give_back(local, page);
    }
    if more {
        settle(local, false);
    }
}

/// Lets the block go that has waited longest, if that was long enough, or `all` are to go. Answers its page, as
/// [`release`] does.
fn next(inner: &mut Inner, all: bool) -> Option<Option<NonNull<Page>>> {
    let block = inner.oldest(all)?;
    // SAFETY: a block that waits; its page stays meanwhile.
    let span = Span::of(unsafe { Page::of(block) });
    inner.went(span.size());
    Some(span.index(block).and_then(|(index, _)| release(inner, span, index, all)))
}

/// The number of a live block of the page; ends the process if it is none. Under the lock.
fn live(local: &Local, span: Span, block: NonNull<u8>, stale: bool) -> usize {
    if !core::ptr::eq(span.page().local.load(Ordering::Relaxed), local) {
        report(Misuse::NoBlock, nowhere(block));
    }
    let Some((index, by)) = span.index(block) else { report(Misuse::NoBlock, nowhere(block)) };
    match span.state(index).get() >> STATE {
        NEVER => report(Misuse::NoBlock, nowhere(block)),
        LIVE if by == 0 => index,
        WAITING | FREE if by == 0 => span.fail(index, if stale { Misuse::Stale } else { Misuse::DoubleFree }),
        _ => span.fail(index, Misuse::Inside { by }),
    }
}

/// What was asked for a live block.
///
/// # Safety
/// A page of small blocks of this local. The address may be any one in it.
pub(super) unsafe fn asked(local: &Local, page: NonNull<Page>, block: NonNull<u8>, given: Given) -> usize {
    let Some(place) = place::existing(local) else { return 0 };
    let _inner = place.inner.lock();
    let span = Span::of(page);
    let index = live(local, span, block, true);
    let asked = span.asked(index);
    if let Some(misuse) = given.wrong(asked, block) {
        span.fail(index, misuse);
    }
    asked
}

/// A live block has become `size` bytes long, which is no more than it had.
///
/// # Safety
/// As [`asked`]; nobody uses what is behind them.
#[cfg(all(feature = "std", feature = "allocator-api2"))]
pub(super) unsafe fn shorten(local: &Local, page: NonNull<Page>, block: NonNull<u8>, size: usize) {
    let Some(place) = place::existing(local) else { return };
    let _inner = place.inner.lock();
    let span = Span::of(page);
    let index = live(local, span, block, true);
    span.check_around(index);
    span.state(index).set(LIVE << STATE | size as u32);
    // SAFETY: the rest of the block.
    unsafe { pattern::protect(block.add(size), span.size() - size) };
}

/// Calls `see` with each block of a page that is live.
pub(super) fn living(local: &Local, page: NonNull<Page>, see: &mut dyn FnMut(LiveBlock)) {
    let Some(place) = place::existing(local) else { return };
    let _inner = place.inner.lock();
    let span = Span::of(page);
    if !core::ptr::eq(span.page().local.load(Ordering::Relaxed), local) {
        return;
    }
    let live = |index: &usize| span.state(*index).get() >> STATE == LIVE;
    for index in (0..usize::from(span.page().carved.get())).filter(live) {
        let address = span.block(index).as_ptr().cast_const();
        see(LiveBlock { address, size: span.asked(index), tag: Some(local.tag()) });
    }
}

/// Looks at all blocks of a page.
pub(super) fn audit(local: &Local, page: NonNull<Page>) {
    let Some(place) = place::existing(local) else { return };
    let _inner = place.inner.lock();
    let span = Span::of(page);
    if !core::ptr::eq(span.page().local.load(Ordering::Relaxed), local) {
        return;
    }
    for index in 0..usize::from(span.page().carved.get()) {
        match span.state(index).get() >> STATE {
            LIVE => span.check_around(index),
            WAITING | FREE => span.check_fill(index),
            _ => {}
        }
    }
}

/// A block that was freed can be handed out again, and is looked at then, or now. Answers its page if that is empty now, and not
/// the only one of its class: out of the list, to be given back.
fn release(inner: &mut Inner, span: Span, index: usize, look: bool) -> Option<NonNull<Page>> {
    if look {
        span.check_fill(index);
    }
    span.state(index).set(FREE << STATE | span.asked(index) as u32);
    span.header().waiting.set(span.header().waiting.get() - 1);
    span.set_free(index);
    if !span.page().listed.get() {
        inner.list(span.page);
    }
    let others = !span.page().next.get().is_null() || !span.page().previous.get().is_null();
    if !span.is_empty() || !others {
        return None;
    }
    part(inner, span);
    Some(span.page)
}

/// An empty page is nobody's from now on, and nobody will look at its blocks again.
fn part(inner: &mut Inner, span: Span) {
    let freed = |index: &usize| span.state(*index).get() >> STATE == FREE;
    (0..usize::from(span.page().carved.get())).filter(freed).for_each(|index| span.check_fill(index));
    inner.unlist(span.page);
    span.page().local.store(null_mut(), Ordering::Relaxed);
}

/// An empty page that can not be given back is a page without a block, as before.
fn keep(local: &Local, page: NonNull<Page>) {
    if let Some(place) = place::existing(local) {
        let mut inner = place.inner.lock();
        Span::of(page).page().local.store(core::ptr::from_ref(local).cast_mut(), Ordering::Relaxed);
        inner.list(page);
    }
}

/// Lets blocks go that have waited long enough, or all of them after a look at each. Answers whether any went.
pub(super) fn settle(local: &Local, all: bool) -> bool {
    let Some(place) = place::existing(local) else { return false };
    let mut any = false;
    loop {
        let Some(empty) = next(&mut place.inner.lock(), all) else { return any };
        any = true;
        if let Some(page) = empty {
            give_back(local, page);
        }
    }
}

/// Gives pages back of which nobody has a block and none waits.
pub(super) fn trim(local: &Local, class: usize) {
    let Some(place) = place::existing(local) else { return };
    // Each is looked at once: what can not be given back is listed again.
    let mut going = null_mut::<Page>();
    {
        let mut inner = place.inner.lock();
        let mut next = inner.first(class);
        while let Some(page) = next {
            let span = Span::of(page);
            next = NonNull::new(span.page().next.get());
            if span.is_empty() {
                part(&mut inner, span);
                span.page().next.set(going);
                going = page.as_ptr();
            }
        }
    }
    while let Some(page) = NonNull::new(going) {
        going = Span::of(page).page().next.get();
        give_back(local, page);
    }
}

/// Gives a page back to the space that is in no list and of which nobody has a block.
fn give_back(local: &Local, page: NonNull<Page>) {
    let span = Span::of(page);
    // SAFETY: outlives its locals.
    let space = unsafe { &*local.space.get() };
    let (segment, slot) = Page::place(page);
    let slots = usize::from(span.page().slots.get());
    let guard = os::page_size();
    let known = shape(usize::from(span.page().class.get())).known;
    // SAFETY: its guards, whole pages.
    let opened = unsafe {
        os::commit(span.start.add(known), guard)
            .and_then(|()| os::commit(span.start.add(slots * SLOT - guard), guard))
    };
    if opened.is_err() {
        keep(local, page);
        return;
    }
    // SAFETY: its segment.
    let charged = unsafe { segment.as_ref() }.charged[slot].replace(0) as usize;
    local.tag().transfer_committed(space.tag(), charged);
    // SAFETY: nobody has it any more.
    if unsafe { space.give(segment, slot, slots, charged) } {
        space.relieve();
    }
}
