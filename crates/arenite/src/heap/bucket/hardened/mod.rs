//! The heap for finding mistakes: slower, larger, and it says what went wrong, where, and whose block it was.
//!
//! ```text
//!   alloc:  bins of a hardened space are never filled, so every request comes here by the slow path
//!     small, page:  equal blocks, picked at random; what is known of them lies apart from them
//!     single:       blocks with a span or a segment of their own, against a page without access
//!   free:   the owner of a hardened page is never a thread, so every block comes here by the slow path
//!     registry:  is that address ours at all? asked before anything is read there
//!     place:     the quarantine: who was freed waits
//!   pattern: what is written where nobody may write;  report: one line to standard error, then the end
//! ```
//!
//! | mistake | found |
//! |---|---|
//! | writing behind or before a block | when it is freed; at once where a page without access is hit |
//! | freeing twice, the middle of a block, another heap's, somebody else's memory | at once |
//! | writing to a freed block | when its memory is handed out or given back, or the program ends; at once if it was large |
//! | reading a freed block | at once if it was large; a small one reads `0xDF` |
//! | freeing with another size or alignment | at once, where the caller says them |
//!
//! Ordinary heaps pay nothing for it: they branch where they are slow anyway.
#![expect(unsafe_code, reason = "the heap's own face is raw")]

mod page;
mod pattern;
mod place;
mod registry;
mod report;
mod single;
mod small;

use core::ptr::NonNull;

pub(super) use self::place::Place;
use self::report::{Misuse, Subject, report};
use super::class::{CLASSES, aligned_class, size_of_class};
use super::living::LiveBlock;
use super::local::Local;
use super::segment::{HARD, HEADER, Page, SEGMENT, SLOT, SLOTS, Segment};
use super::space::{First, Space, Span};
use crate::base::sync::Ordering;
use crate::ledger::Tag;
use crate::os::OsError;
use crate::region::AllocError;

/// Canary behind each small block at the least, and before each block.
const CANARY: usize = 8;

/// What the caller says of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub(super) size: Option<usize>,
    pub(super) align: usize,
}

impl Given {
    /// Says nothing.
    pub(super) const NOTHING: Self = Self { size: None, align: 1 };

    /// What is wrong about it, for a block of which `asked` bytes were asked for.
    fn wrong(self, asked: usize, block: NonNull<u8>) -> Option<Misuse> {
        match self.size {
            Some(given) if given != asked => Some(Misuse::Size { given }),
            _ if !block.addr().get().is_multiple_of(self.align.max(1)) => {
                Some(Misuse::Align { given: self.align })
            }
            _ => None,
        }
    }
}

/// Makes what hardened heaps share.
pub(super) fn ready() -> Result<(), OsError> {
    registry::ready()
}

fn nowhere(block: NonNull<u8>) -> Subject {
    Subject { address: block.addr().get(), block: None }
}

/// Under which tag a page's blocks are.
fn tag_of(page: &Page) -> Tag {
    // SAFETY: a local lasts as long as its space.
    unsafe { page.local.load(Ordering::Relaxed).as_ref() }.map_or_else(Tag::untagged, Local::tag)
}

/// A span of the local's that is charged up to `want` bytes from its start, or more.
fn take_span(local: &Local, slots: usize, want: usize) -> Result<Span, AllocError> {
    let span = local.take_span(slots, First::Never)?;
    let tag = local.tag();
    if let Err(error) = tag.try_charge_committed(want.saturating_sub(span.touched)) {
        let space = local.space();
        tag.transfer_committed(space.tag(), span.held);
        tag.credit_committed(span.touched - span.held);
        space.lets_go(span.touched - span.held);
        // SAFETY: not settled, and nobody has seen it.
        unsafe { space.give_untouched(span) };
        return Err(error.into());
    }
    span.settle(want.max(span.touched));
    local.space().uses(want.saturating_sub(span.touched));
    Ok(span)
}

/// A page is what it is from now on, for all who find it by an address.
fn show(page: NonNull<Page>) {
    let (segment, _) = Page::place(page);
    // SAFETY: a segment of ours.
    let header = unsafe { segment.as_ref() };
    registry::enter(segment, header.base.get().addr() + header.size.get() - segment.addr().get());
    // SAFETY: a descriptor of ours. Release: the rest of it.
    unsafe { page.as_ref() }.owner.store(HARD, Ordering::Release);
}

/// A segment of a hardened space is about to go.
pub(super) fn forget(segment: NonNull<Segment>) {
    // SAFETY: a segment that is still there.
    let header = unsafe { segment.as_ref() };
    registry::leave(segment, header.base.get().addr() + header.size.get() - segment.addr().get());
}

/// A block of `size` bytes at a multiple of `align`, and how many bytes from its start may hold something. Of the calling
/// thread's local.
pub(super) fn alloc(local: &Local, size: usize, align: usize) -> Result<(NonNull<u8>, usize), AllocError> {
    match size.checked_add(CANARY).and_then(|needed| aligned_class(needed, align)) {
        Some(class) => small::alloc(local, class, size).map(|block| (block, size_of_class(class))),
        None => single::alloc(local, size, align),
    }
}

/// Takes a block of a hardened page back.
///
/// # Safety
/// The page has been a hardened one; the address is in it.
pub(super) unsafe fn free(page: NonNull<Page>, block: NonNull<u8>, given: Given) {
    // SAFETY: a descriptor; a local lasts as long as its space.
    unsafe {
        match page.as_ref().local.load(Ordering::Relaxed).as_ref() {
            Some(local) if is_single(page) => single::free(local, page, block, given),
            Some(local) => small::free(local, page, block, given),
            None => report(Misuse::NoBlock, nowhere(block)),
        }
    }
}

/// What was asked for a live block of a hardened page; ends the process if it is none.
///
/// # Safety
/// As [`free`].
pub(super) unsafe fn asked(page: NonNull<Page>, block: NonNull<u8>, given: Given) -> usize {
    // SAFETY: as in `free`.
    unsafe {
        match page.as_ref().local.load(Ordering::Relaxed).as_ref() {
            Some(local) if is_single(page) => single::asked(local, page, block, given),
            Some(local) => small::asked(local, page, block, given),
            None => report(Misuse::NoBlock, nowhere(block)),
        }
    }
}

fn is_single(page: NonNull<Page>) -> bool {
    // SAFETY: a descriptor.
    unsafe { page.as_ref() }.class.get() == 0
}

/// The page of an address that should be a block of this space; ends the process if it is none. Nothing is read at the address.
fn find(space: &Space, address: NonNull<u8>) -> NonNull<Page> {
    let Some(segment) = registry::find(address) else { report(Misuse::Foreign, nowhere(address)) };
    // SAFETY: a segment of a hardened space.
    let header = unsafe { segment.as_ref() };
    if address.addr().get() < segment.addr().get() + size_of::<Segment>() {
        report(Misuse::NoBlock, nowhere(address));
    }
    // Far inside a block with a segment of its own, any slot leads to the one page.
    let slot = address.addr().get() % SEGMENT / SLOT % SLOTS;
    let page = Segment::page(segment, slot);
    // SAFETY: a descriptor.
    let this = unsafe { page.as_ref() };
    if this.owner.load(Ordering::Acquire) != HARD {
        report(Misuse::NoBlock, nowhere(address));
    }
    if !core::ptr::eq(header.space.get(), space) {
        // SAFETY: a hardened page.
        let size = unsafe { asked(page, address, Given::NOTHING) };
        report(
            Misuse::Elsewhere,
            Subject { address: address.addr().get(), block: Some((size, tag_of(this))) },
        );
    }
    page
}

/// Takes back what should be a block of this space, whatever it is.
pub(super) fn free_in(space: &Space, address: NonNull<u8>, given: Given) {
    // SAFETY: a hardened page, by `find`.
    unsafe { free(find(space, address), address, given) };
}

/// What was asked for what should be a live block of this space; ends the process if it is none.
pub(super) fn asked_in(space: &Space, address: NonNull<u8>, given: Given) -> usize {
    // SAFETY: a hardened page, by `find`.
    unsafe { asked(find(space, address), address, given) }
}

/// A live block of this space has become `size` bytes long where it is, which is no more than it had.
///
/// # Safety
/// Nobody uses what is behind them.
#[cfg(all(feature = "std", feature = "allocator-api2"))]
pub(super) unsafe fn shorten_in(space: &Space, block: NonNull<u8>, size: usize) {
    let page = find(space, block);
    // SAFETY: a hardened page, by `find`; a local lasts as long as its space; the caller's promise.
    unsafe {
        match page.as_ref().local.load(Ordering::Relaxed).as_ref() {
            Some(local) if is_single(page) => single::shorten(local, page, block, size),
            Some(local) => small::shorten(local, page, block, size),
            None => report(Misuse::NoBlock, nowhere(block)),
        }
    }
}

/// Ends the process: a block was freed in a page that nobody has.
#[cold]
pub(super) fn no_block(block: NonNull<u8>) -> ! {
    report(Misuse::NoBlock, nowhere(block))
}

/// Ends the quarantine of all that waits in a place, and looks at it. Answers whether there was anything.
pub(super) fn settle(local: &Local) -> bool {
    // Both, whatever the first one says.
    small::settle(local, true) | single::settle(local, true)
}

/// Gives back what no block of a place needs, and what waits.
pub(super) fn trim(local: &Local) {
    if place::existing(local).is_none() {
        return;
    }
    settle(local);
    for class in 1..CLASSES {
        small::trim(local, class);
    }
}

/// Looks at every block of a space that somebody has, or that waits, as if it were freed now.
pub(super) fn audit(space: &Space) {
    // No place's lock is held by anybody who waits for the space's.
    space.each_page(|page| {
        // SAFETY: a descriptor; a local lasts as long as its space.
        let (this, local) = unsafe { (page.as_ref(), page.as_ref().local.load(Ordering::Relaxed).as_ref()) };
        if let Some(local) = local.filter(|_| this.owner.load(Ordering::Acquire) == HARD) {
            if is_single(page) { single::audit(local, page) } else { small::audit(local, page) }
        }
    });
}

/// Calls `see` with each block of a page that the program has.
pub(super) fn living(page: NonNull<Page>, see: &mut dyn FnMut(LiveBlock)) {
    // SAFETY: a descriptor; a local lasts as long as its space.
    let Some(local) = (unsafe { page.as_ref().local.load(Ordering::Relaxed).as_ref() }) else { return };
    if is_single(page) { single::living(local, page, see) } else { small::living(local, page, see) }
}

/// Bytes of memory that stand behind a page, as far as they are charged to its tag. (A block with a segment of its own that
/// waits is the space's already.)
pub(super) fn committed(page: NonNull<Page>) -> u64 {
    let (segment, slot) = Page::place(page);
    // SAFETY: a descriptor, its segment's header.
    unsafe {
        let header = segment.as_ref();
        match page.as_ref().slots.get() {
            0 if page.as_ref().used.load(Ordering::Relaxed) == 0 => 0,
            0 => (HEADER + header.huge.get()) as u64,
            _ => u64::from(header.charged[slot].get()),
        }
    }
}

/// Whether a page has one block, which is counted by its place.
pub(super) fn has_one(page: NonNull<Page>) -> bool {
    is_single(page)
}

/// Ends the quarantine of all places of a space that is about to go.
#[cfg(feature = "std")]
pub(super) fn end(space: &Space) {
    let mut next = space.locals.load(Ordering::Acquire);
    while let Some(local) = NonNull::new(next) {
        // SAFETY: locals last as long as their space.
        let local = unsafe { local.as_ref() };
        next = local.next.get();
        settle(local);
    }
}

/// Before a fork: no place of the space changes until [`after_fork`].
pub(super) fn before_fork(space: &Space) {
    place::hold(space);
}

/// After it, in both processes.
pub(super) fn after_fork(space: &Space) {
    place::let_go(space);
}

#[cfg(all(test, feature = "std"))]
mod tests;
