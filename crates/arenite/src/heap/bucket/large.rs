//! Blocks above the largest class: a span of slots each, or a segment of its own.
#![expect(unsafe_code, reason = "hands out spans by raw pointer")]

use core::ptr::{NonNull, null_mut};

use super::local::Local;
use super::segment::{HUGE, LARGE, Page, SLOT, Segment};
use super::space::{Space, pages};
use crate::base::sync::Ordering;
use crate::region::AllocError;

/// Spans of more slots than these are no span.
const MOST_SLOTS: usize = 16;

/// In `Local::large`: blocks and bytes handed out, blocks and bytes that came back.
const ALLOCS: usize = 0;
const BYTES: usize = 1;
const FREES: usize = 2;
const FREED_BYTES: usize = 3;

/// A block of `size` bytes at a multiple of `align`, and how many bytes from its start may hold something.
pub(super) fn alloc(
    local: NonNull<Local>,
    size: usize,
    align: usize,
) -> Result<(NonNull<u8>, usize), AllocError> {
    // SAFETY: the calling thread's.
    let this = unsafe { local.as_ref() };
    // SAFETY: outlives its locals.
    let space = unsafe { &*this.space.get() };
    let tag = this.tag();
    this.pause();
    // What has no size has an address of its own.
    let size = size.max(1);
    let slots = size.div_ceil(SLOT);
    if slots > MOST_SLOTS || align > SLOT {
        let (block, touched) = space.try_huge(tag, size, align, local.as_ptr())?;
        count(this, ALLOCS, usable(block));
        return Ok((block, touched));
    }
    // Slot 0 of a segment is smaller and lies elsewhere, so more than one slot is asked for where one would do.
    let span = this.take_span(slots)?;
    let (room, bytes) = (span.room(), pages(size));
    if bytes > room || !Segment::start_of(span.segment, span.slot).addr().get().is_multiple_of(align) {
        // The first slot of a segment: a run of two is never there.
        tag.transfer_committed(space.tag(), span.held);
        tag.credit_committed(span.touched - span.held);
        // SAFETY: not settled, and nobody has seen it.
        unsafe { space.give_untouched(span) };
        let span = this.take_span(2)?;
        return finish(local, span, bytes);
    }
    finish(local, span, bytes)
}

fn finish(
    local: NonNull<Local>,
    span: super::space::Span,
    bytes: usize,
) -> Result<(NonNull<u8>, usize), AllocError> {
    // SAFETY: the calling thread's.
    let this = unsafe { local.as_ref() };
    let (tag, touched) = (this.tag(), span.touched);
    if bytes > touched
        && let Err(error) = tag.try_charge_committed(bytes - touched)
    {
        // SAFETY: outlives its locals.
        let space = unsafe { &*this.space.get() };
        tag.transfer_committed(space.tag(), span.held);
        tag.credit_committed(touched - span.held);
        // SAFETY: not settled, and nobody has seen it.
        unsafe { space.give_untouched(span) };
        return Err(error.into());
    }
    span.settle(bytes.max(touched));
    let page = span.page();
    // SAFETY: ours.
    let header = unsafe { page.as_ref() };
    header.free.set(null_mut());
    header.remote.reset();
    header.slots.set(span.slots as u8);
    header.local.store(local.as_ptr(), Ordering::Relaxed);
    header.used.store(1, Ordering::Relaxed);
    header.owner.store(LARGE, Ordering::Release);
    let block = Page::start(page);
    count(this, ALLOCS, usable(block));
    Ok((block, touched.min(bytes)))
}

fn count(local: &Local, what: usize, bytes: usize) {
    local.large[what].fetch_add(1, Ordering::Relaxed);
    local.large[what + 1].fetch_add(bytes as u64, Ordering::Relaxed);
}

/// Bytes that a large or huge block has.
fn usable(block: NonNull<u8>) -> usize {
    // SAFETY: a block of ours.
    unsafe { usable_of(Page::of(block)) }
}

/// Bytes that the block of this page has.
///
/// # Safety
/// The page of a large or huge block.
pub(super) unsafe fn usable_of(page: NonNull<Page>) -> usize {
    let (segment, slot) = Page::place(page);
    // SAFETY: the caller's promise.
    unsafe {
        if page.as_ref().owner.load(Ordering::Relaxed) == HUGE {
            segment.as_ref().huge.get()
        } else {
            segment.as_ref().charged[slot].get() as usize
        }
    }
}

/// Takes the block of this page back, on any thread.
///
/// # Safety
/// The page of a large or huge block that nobody uses any more.
pub(super) unsafe fn free(page: NonNull<Page>) {
    // SAFETY: the caller's promise; a local and its space outlive its blocks.
    unsafe {
        let bytes = usable_of(page);
        let this = page.as_ref();
        let local = &*this.local.load(Ordering::Relaxed);
        let space: &Space = &*local.space.get();
        count(local, FREES, bytes);
        let (segment, slot) = Page::place(page);
        if this.owner.load(Ordering::Relaxed) == HUGE {
            return space.give_huge(segment, local.tag());
        }
        local.tag().transfer_committed(space.tag(), bytes);
        segment.as_ref().charged[slot].set(0);
        if space.give(segment, slot, this.slots.get().into(), bytes) {
            space.relieve();
        }
    }
}

/// Makes a large block larger where it is, if its span has the room. Answers whether it now has `size` bytes.
///
/// # Safety
/// The page of a large block of the caller's.
pub(super) unsafe fn grow(page: NonNull<Page>, size: usize) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        let this = page.as_ref();
        if this.owner.load(Ordering::Relaxed) == HUGE {
            return grow_huge(page, size);
        }
        let (segment, slot) = Page::place(page);
        let charged = &segment.as_ref().charged[slot];
        let room = usize::from(this.slots.get()) * SLOT - if slot == 0 { super::segment::HEADER } else { 0 };
        // First of all: the size may be any number.
        if size > room {
            return false;
        }
        let (had, bytes) = (charged.get() as usize, pages(size));
        if bytes < had {
            return false;
        }
        let local = &*this.local.load(Ordering::Relaxed);
        if local.tag().try_charge_committed(bytes - had).is_err() {
            return false;
        }
        charged.set(bytes as u32);
        local.large[BYTES].fetch_add((bytes - had) as u64, Ordering::Relaxed);
        true
    }
}

/// # Safety
/// As [`grow`], of a huge block.
unsafe fn grow_huge(page: NonNull<Page>, size: usize) -> bool {
    // SAFETY: the caller's promise; a local and its space outlive its blocks.
    unsafe {
        let local = &*page.as_ref().local.load(Ordering::Relaxed);
        let (segment, _) = Page::place(page);
        let had = segment.as_ref().huge.get();
        if size > Segment::room(segment) || size <= had {
            return false;
        }
        let bytes = pages(size);
        let grown = (*local.space.get()).try_grow_huge(segment, local.tag(), bytes).is_ok();
        if grown {
            local.large[BYTES].fetch_add((bytes - had) as u64, Ordering::Relaxed);
        }
        grown
    }
}

/// Blocks handed out, live ones, and live bytes.
pub(super) fn counts(local: &Local) -> (u64, u64, u64) {
    let [allocs, bytes, frees, freed] =
        [ALLOCS, BYTES, FREES, FREED_BYTES].map(|what| local.large[what].load(Ordering::Relaxed));
    (allocs, allocs.wrapping_sub(frees), bytes.wrapping_sub(freed))
}

/// Large and huge blocks that a local ever handed out, and their bytes.
#[cfg(feature = "std")]
pub(super) fn handed_out(local: &Local) -> (u64, u64) {
    (local.large[ALLOCS].load(Ordering::Relaxed), local.large[BYTES].load(Ordering::Relaxed))
}
