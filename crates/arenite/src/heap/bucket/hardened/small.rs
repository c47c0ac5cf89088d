//! Pages of equal blocks, in hardened mode.
//!
//! ```text
//!   span:  | what is known of each block | no access | canary | block | block | … | no access |
//!   block: | bytes that were asked for | canary to its end, 8 bytes or more |
//! ```
//!
//! Nothing is kept in a block that is free: it is filled, and the fill is looked at when the block leaves the quarantine and
//! again when it is handed out. Of every block that was ever opened the last bytes are known: canary, or fill. So whoever
//! frees the block behind it finds what was written before that one's start.
#![expect(unsafe_code, reason = "hands out memory of pages by raw pointer")]

use core::cell::Cell;
use core::ptr::{NonNull, null_mut};

use super::super::class::{size_of_class, slots_of_class};
use super::super::living::LiveBlock;
use super::super::local::Local;
use super::super::segment::{HEADER, NOBODY, Page, SLOT};
use super::super::space::pages;
use super::place::{self, Inner};
use super::report::{Misuse, Subject, report};
use super::{CANARY, Given, nowhere, pattern, show, take_span};
use crate::base::sync::Ordering;
use crate::os::{self, Access};
use crate::region::AllocError;

/// Blocks that are opened at once, in bytes; two blocks at the least.
const OPEN_BYTES: usize = 16 << 10;

/// Every so many blocks of a class somebody looks whether memory has waited long enough.
const PAUSE: u64 = 64;

/// States of a block, above what was asked for.
const STATE: u32 = 30;
const NEVER: u32 = 0;
const LIVE: u32 = 1;
const WAITING: u32 = 2;
const FREE: u32 = 3;

/// The start of a span.
#[repr(C)]
struct Header {
    /// How far behind the span's start the first block is.
    first: Cell<u32>,
    /// Words of the bits behind this, one for each block that can be handed out.
    words: Cell<u32>,
    /// Blocks that can be handed out, and that wait.
    free: Cell<u32>,
    waiting: Cell<u32>,
}

/// A page, by the place of its parts. Used under the lock of its local's place.
#[derive(Clone, Copy)]
struct Span {
    page: NonNull<Page>,
    start: NonNull<u8>,
}

/// How a span of the class is laid out.
struct Shape {
    slots: usize,
    /// Bytes of what is known of the blocks.
    known: usize,
    first: usize,
    capacity: usize,
}

/// What of a span holds the states of `capacity` blocks.
fn known(capacity: usize) -> usize {
    pages(size_of::<Header>() + capacity.div_ceil(64) * 8 + capacity * 4)
}

fn shape(class: usize) -> Shape {
    let (block, page) = (size_of_class(class), os::page_size());
    // Runs of two and more are never in a segment's first slot.
    let slots = slots_of_class(class).max(2);
    let room = slots * SLOT - page;
    let natural = (1 << block.trailing_zeros()).min(HEADER);
    let known = known(room / block);
    let first = (known + page + CANARY).next_multiple_of(natural);
    Shape { slots, known, first, capacity: (room - first) / block }
}

impl Span {
    fn of(page: NonNull<Page>) -> Self {
        Self { page, start: Page::start(page) }
    }

    fn page(&self) -> &Page {
        // SAFETY: a descriptor of the segment's.
        unsafe { self.page.as_ref() }
    }

    fn header(&self) -> &Header {
        // SAFETY: every span of a hardened page begins with it.
        unsafe { self.start.cast().as_ref() }
    }

    fn word(&self, at: usize) -> &Cell<u64> {
        debug_assert!(at < self.header().words.get() as usize);
        // SAFETY: so many words lie behind the header.
        unsafe { self.start.add(size_of::<Header>()).cast::<Cell<u64>>().add(at).as_ref() }
    }

    fn state(&self, index: usize) -> &Cell<u32> {
        debug_assert!(index < usize::from(self.page().capacity.get()));
        let words = self.header().words.get() as usize;
        // SAFETY: as many states as there are blocks lie behind the words.
        unsafe { self.start.add(size_of::<Header>() + words * 8).cast::<Cell<u32>>().add(index).as_ref() }
    }

    fn size(&self) -> usize {
        self.page().block.get() as usize
    }

    fn block(&self, index: usize) -> NonNull<u8> {
        // SAFETY: inside the span.
        unsafe { self.start.add(self.header().first.get() as usize + index * self.size()) }
    }

    /// Which block an address lies in, and how far from its start.
    fn index(&self, address: NonNull<u8>) -> Option<(usize, usize)> {
        let first = self.start.addr().get() + self.header().first.get() as usize;
        let offset = address.addr().get().checked_sub(first)?;
        let index = offset / self.size();
        (index < usize::from(self.page().carved.get())).then_some((index, offset % self.size()))
    }

    /// What is, or was, asked for a block.
    fn asked(&self, index: usize) -> usize {
        (self.state(index).get() & !(u32::MAX << STATE)) as usize
    }

    fn subject(&self, index: usize) -> Subject {
        let block = (self.asked(index), super::tag_of(self.page()));
        Subject { address: self.block(index).addr().get(), block: Some(block) }
    }

    fn fail(&self, index: usize, misuse: Misuse) -> ! {
        report(misuse, self.subject(index))
    }

    /// The last bytes of a block, which are known if it was ever opened; of what lies before the first one, too.
    fn tail(&self, index: usize) -> NonNull<u8> {
        // SAFETY: the first block lies behind a canary of its own.
        unsafe { self.block(index).sub(CANARY) }
    }

    fn set_free(&self, index: usize) {
        let word = self.word(index / 64);
        word.set(word.get() | 1 << (index % 64));
        self.header().free.set(self.header().free.get() + 1);
    }

    fn is_empty(&self) -> bool {
        self.page().used.load(Ordering::Relaxed) == 0 && self.header().waiting.get() == 0
    }

    /// Opens blocks for which there is memory now.
    fn open(&self, to: usize) {
        let from = usize::from(self.page().carved.get());
        for index in from..to {
            // SAFETY: the end of a block that nobody has.
            unsafe { pattern::protect(self.tail(index + 1), CANARY) };
            self.page().carved.set(index as u16 + 1);
            self.set_free(index);
        }
    }

    /// Takes a random free block, of which there is one.
    fn pick(&self, random: u64) -> usize {
        let words = self.header().words.get() as usize;
        let start = (random >> 32) as usize % words;
        let at = (0..words).map(|step| (start + step) % words).find(|at| self.word(*at).get() != 0);
        debug_assert!(at.is_some(), "one is free");
        let word = self.word(at.unwrap_or(0));
        let turn = (random % 64) as u32;
        let bit = (word.get().rotate_right(turn).trailing_zeros() + turn) % 64;
        word.set(word.get() & !(1 << bit));
        self.header().free.set(self.header().free.get() - 1);
        at.unwrap_or(0) * 64 + bit as usize
    }

    /// Whether a freed block was written to.
    fn check_fill(&self, index: usize) {
        // SAFETY: a block of this page that nobody has, filled when it was freed.
        if let Some(at) = unsafe { pattern::first_change(self.block(index), self.size()) } {
            self.fail(index, Misuse::AfterFree { at });
        }
    }

    /// Hands a block out.
    fn hand_out(&self, index: usize, size: usize) -> NonNull<u8> {
        let (block, room) = (self.block(index), self.size());
        match self.state(index).get() >> STATE {
            FREE => self.check_fill(index),
            _ => {
                // SAFETY: the end of a block that was opened.
                if let Some((at, _)) = unsafe { pattern::damage(self.tail(index + 1), CANARY) } {
                    self.fail(index, Misuse::Stray { at: room - CANARY + at });
                }
            }
        }
        self.state(index).set(LIVE << STATE | size as u32);
        // SAFETY: the block is nobody's; it has that much more than was asked for.
        unsafe { pattern::protect(block.add(size), room - size) };
        self.page().used.store(self.page().used.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        block
    }

    /// Whether what surrounds a live block is what it was.
    fn check_around(&self, index: usize) {
        let asked = self.asked(index);
        // SAFETY: the rest of the block.
        if let Some((_, last)) = unsafe { pattern::damage(self.block(index).add(asked), self.size() - asked) }
        {
            self.fail(index, Misuse::Overflow { bytes: last + 1 });
        }
        let before = index.checked_sub(1).map_or(NEVER, |before| self.state(before).get() >> STATE);
        // SAFETY: what lies before the block, and was written when that was opened or freed.
        let changed = unsafe {
            match before {
                NEVER | LIVE => pattern::damage(self.tail(index), CANARY).is_some(),
                _ => pattern::first_change(self.tail(index), CANARY).is_some(),
            }
        };
        if changed {
            self.fail(index, Misuse::Underflow);
        }
    }
}

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
    if span.header().free.get() == 0 && span.page().carved == span.page().capacity {
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
    let mut to = reach((OPEN_BYTES / block).max(2));
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
    let empty = {
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
        if inner.wait(block, span.size()) { None } else { release(&mut inner, span, index) }
    };
    if let Some(page) = empty {
        give_back(local, page);
    }
    settle(local, false);
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
        see(LiveBlock { address, size: span.asked(index), tag: local.tag() });
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

/// A block that was freed can be handed out again. Answers its page if that is empty now, and not the only one of its class:
/// out of the list, to be given back.
fn release(inner: &mut Inner, span: Span, index: usize) -> Option<NonNull<Page>> {
    span.check_fill(index);
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

/// An empty page is nobody's from now on.
fn part(inner: &mut Inner, span: Span) {
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

/// Lets blocks go that have waited long enough, or all of them, after a last look at each. Answers whether any went.
pub(super) fn settle(local: &Local, all: bool) -> bool {
    let Some(place) = place::existing(local) else { return false };
    let mut any = false;
    loop {
        let empty = {
            let mut inner = place.inner.lock();
            let Some(block) = inner.oldest(all) else { return any };
            // SAFETY: a block that waits; its page stays meanwhile.
            let span = Span::of(unsafe { Page::of(block) });
            inner.went(span.size());
            span.index(block).and_then(|(index, _)| release(&mut inner, span, index))
        };
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

const _: () = assert!(size_of::<Header>() == 16);
