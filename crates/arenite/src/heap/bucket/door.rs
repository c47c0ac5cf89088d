//! For heaps that are built on the process's one and keep books of their own: the fast halves of taking and giving back alone, so
//! that theirs end in one slow path, and a walk over the blocks of a tag.
#![expect(unsafe_code, reason = "looks at the calling thread's place")]

use core::ptr::NonNull;

use super::class::FINE;
use super::large;
use super::living::{self, LiveBlock};
use super::segment::{Block, HARD, HUGE, LARGE, Page};
use super::{Threads, process};
use crate::base::sync::Ordering;
use crate::ledger::Tag;

/// The largest size that [`pop`] takes.
pub const POP_MOST: usize = FINE;

/// A block of `size` bytes, if that is at most [`POP_MOST`] and the calling thread has a free one at hand; never a slow path. What
/// it hands out goes to [`free`](super::free).
#[inline(always)]
pub fn pop<T: Threads>(size: usize) -> Option<NonNull<u8>> {
    if size > POP_MOST {
        return None;
    }
    // SAFETY: a place of this thread, or an empty one.
    unsafe { &*T::current() }.pop_fine(size)
}

/// Takes a block back if that is simple: its page is the calling thread's and has other blocks out. `false`: nothing has happened,
/// and [`free`](super::free) does it.
///
/// # Safety
/// As [`free`](super::free).
#[inline(always)]
pub unsafe fn push<T: Threads>(block: NonNull<u8>) -> bool {
    // SAFETY: a place of this thread, or an empty one, whose owner no page has; the caller's promise.
    unsafe {
        let this = Page::of(block);
        let page = this.as_ref();
        let used = page.used.load(Ordering::Relaxed);
        if page.owner.load(Ordering::Relaxed) != (*T::current()).owner() || used == 1 {
            return false;
        }
        block.cast::<Block>().write(Block { next: page.free.get() });
        page.free.set(block.as_ptr().cast());
        page.used.store(used - 1, Ordering::Relaxed);
    }
    true
}

/// Calls `see` with each block of the process's heap that the program has under a tag. Other threads may go on meanwhile: a block
/// that they take or free now may be seen or not, but the memory of every block that is seen can be read until `see` returns,
/// unless the block is being moved by [`realloc`](super::realloc). It is called under the heap's lock: it must neither allocate nor
/// free, nor call anything that does. O(pages + blocks).
pub fn each_live(tag: Tag, see: impl FnMut(LiveBlock)) {
    if let Ok(space) = process() {
        living::each(space, Some(tag), see);
    }
}

/// The place of a block that an address lies in, whether the program has that block or not: where the block begins or would begin,
/// its size and its tag. `None` if no page of the process's heap is there that somebody has, or if that heap is hardened. Reads
/// nothing at the address. O(segments).
pub fn block_around(address: *const u8) -> Option<LiveBlock> {
    let around = |page: NonNull<Page>| {
        // SAFETY: a page that somebody has, as long as the lock is held, and so has its place.
        unsafe {
            let this = page.as_ref();
            let tag = this.local.load(Ordering::Relaxed).as_ref()?.tag();
            let (start, size) = match this.owner.load(Ordering::Acquire) {
                HARD => return None,
                LARGE | HUGE => (large::start_of(page).as_ptr().cast_const(), large::usable_of(page)),
                _ => {
                    let (first, size) = (Page::start(page).as_ptr().cast_const(), this.block.get() as usize);
                    let index = address.addr().checked_sub(first.addr())? / size;
                    if index >= usize::from(this.carved.get()) {
                        return None;
                    }
                    (first.wrapping_add(index * size), size)
                }
            };
            let inside = address.addr().checked_sub(start.addr())? < size;
            inside.then_some(LiveBlock { address: start, size, tag: Some(tag) })
        }
    };
    process().ok()?.page_at(address, around)?
}
