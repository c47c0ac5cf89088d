//! Blocks above the largest class: a span of slots each, or a segment of its own.
#![expect(unsafe_code, reason = "hands out spans by raw pointer")]

use core::ptr::{NonNull, null_mut};

use super::local::Local;
use super::segment::{HEADER, HUGE, LARGE, Page, SLOT, Segment};
use super::space::{First, Space, pages};
use crate::base::sync::Ordering;
use crate::region::AllocError;

/// Spans of more slots than these are no span.
const MOST_SLOTS: usize = 16;

/// In `Local::large`: blocks and bytes handed out, blocks and bytes that came back.
pub(super) const ALLOCS: usize = 0;
const BYTES: usize = 1;
pub(super) const FREES: usize = 2;
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
    let bytes = pages(size);
    let first =
        if slots == 1 && bytes <= SLOT - HEADER && align <= HEADER { First::IfNeedBe } else { First::Never };
    let span = this.take_span(slots, first)?;
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
        let space = this.space();
        tag.transfer_committed(space.tag(), span.held);
        tag.credit_committed(touched - span.held);
        space.lets_go(touched - span.held);
        // SAFETY: not settled, and nobody has seen it.
        unsafe { space.give_untouched(span) };
        return Err(error.into());
    }
    span.settle(bytes.max(touched));
    this.space().uses(bytes.saturating_sub(touched));
    let page = span.page();
    // SAFETY: ours.
    let header = unsafe { page.as_ref() };
    header.free.set(null_mut());
    header.listed.set(false);
    header.remote.reset();
    header.slots.set(span.slots as u8);
    header.local.store(local.as_ptr(), Ordering::Relaxed);
    header.used.store(1, Ordering::Relaxed);
    header.owner.store(LARGE, Ordering::Release);
    let block = Page::start(page);
    count(this, ALLOCS, usable(block));
    Ok((block, touched.min(bytes)))
}

pub(super) fn count(local: &Local, what: usize, bytes: usize) {
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

/// Where the block of this page begins.
///
/// # Safety
/// As [`usable_of`].
pub(super) unsafe fn start_of(page: NonNull<Page>) -> NonNull<u8> {
    let (segment, _) = Page::place(page);
    // SAFETY: the caller's promise.
    unsafe {
        if page.as_ref().owner.load(Ordering::Relaxed) == HUGE {
            segment.cast::<u8>().add(segment.as_ref().ahead.get())
        } else {
            Page::start(page)
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
        if local.is_apart() {
            super::apart::told(start_of(page));
        }
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

/// Makes a large block larger where it is, if its span, or what is behind it, has the room. Answers whether it now has `size` bytes.
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
        let slots = usize::from(this.slots.get());
        let room = slots * SLOT - if slot == 0 { HEADER } else { 0 };
        // First of all: the size may be any number.
        if size > MOST_SLOTS * SLOT {
            return false;
        }
        let (had, mut bytes) = (charged.get() as usize, pages(size));
        if bytes < had {
            return false;
        }
        let local = &*this.local.load(Ordering::Relaxed);
        let (space, tag) = (&*local.space.get(), local.tag());
        let mut behind = None;
        if bytes > room {
            let more = (bytes - room).div_ceil(SLOT);
            let Some(span) = space.take_behind(segment, slot + slots, more) else { return false };
            // What was in use there is charged, as far as it goes.
            bytes = bytes.max(if span.touched > 0 { room + span.touched } else { 0 });
            behind = Some(span);
        }
        let held = behind.map_or(0, |span| span.held);
        let paid = space.tag().try_transfer_committed(tag, held).and_then(|()| {
            let more = bytes - had - held;
            tag.try_charge_committed(more).inspect_err(|_| tag.transfer_committed(space.tag(), held))
        });
        if paid.is_err() {
            if let Some(span) = behind {
                space.give_untouched(span);
            }
            return false;
        }
        if let Some(span) = behind {
            span.settle(0);
            space.join(segment, slot, slots + span.slots);
            this.slots.set((slots + span.slots) as u8);
        }
        charged.set(bytes as u32);
        space.uses(bytes - had - held);
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

/// Makes a huge block larger somewhere else, without copying it, if the system can do that. It keeps its tag. `None`: it is
/// as it was.
///
/// # Safety
/// The page of a block of the caller's that [`grow`] has left as it was. Its address is no more if this succeeds.
pub(super) unsafe fn move_huge(page: NonNull<Page>, size: usize, align: usize) -> Option<NonNull<u8>> {
    // SAFETY: the caller's promise; a local and its space outlive its blocks.
    unsafe {
        let this = page.as_ref();
        if this.owner.load(Ordering::Relaxed) != HUGE || align > HEADER || size > isize::MAX as usize {
            return None;
        }
        let local = &*this.local.load(Ordering::Relaxed);
        let (segment, _) = Page::place(page);
        let (had, bytes) = (segment.as_ref().huge.get(), pages(size));
        if bytes <= had {
            return None;
        }
        let moved = (*local.space.get()).try_move_huge(segment, local.tag(), bytes)?;
        local.large[BYTES].fetch_add((bytes - had) as u64, Ordering::Relaxed);
        Some(moved)
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
