//! For heaps that are built on the process's one and keep books of their own: the fast halves of taking and giving back alone, so
//! that theirs end in one slow path, and a walk over the blocks of a tag.
#![expect(unsafe_code, reason = "looks at the calling thread's place")]

use core::ptr::NonNull;

use super::class::FINE;
use super::hardened;
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
/// its size and its tag. `None` if no page of the process's heap is there that somebody has; in a hardened heap, if the program does not
/// have the block. Reads nothing at the address. O(segments), in a hardened heap and the blocks of a page.
pub fn block_around(address: *const u8) -> Option<LiveBlock> {
    let around = |page: NonNull<Page>| {
        // SAFETY: a page that somebody has, as long as the lock is held, and so has its place.
        unsafe {
            let this = page.as_ref();
            let tag = this.local.load(Ordering::Relaxed).as_ref()?.tag();
            let (start, size) = match this.owner.load(Ordering::Acquire) {
                HARD => {
                    let mut found = None;
                    hardened::living(page, &mut |block| {
                        if address.addr().wrapping_sub(block.address.addr()) < block.size {
                            found = Some(block);
                        }
                    });
                    return found;
                }
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

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::super::{StdThreads, alloc, enter, free};
    use super::*;

    fn live(tag: Tag) -> std::vec::Vec<(usize, usize)> {
        let mut seen = std::vec::Vec::with_capacity(16);
        each_live(tag, |block| seen.push((block.address.addr(), block.size)));
        seen
    }

    #[test]
    fn the_halves_hand_out_what_the_whole_would() {
        let tag = Tag::register("door").unwrap();
        let before = enter::<StdThreads>(tag).unwrap();
        let (first, second) = (alloc::<StdThreads>(100).unwrap(), alloc::<StdThreads>(2 << 20).unwrap());
        assert!(pop::<StdThreads>(POP_MOST + 1).is_none());
        let hardened = cfg!(feature = "hardened");
        let popped = pop::<StdThreads>(100);
        assert_eq!(popped.is_some(), !hardened);
        assert_eq!(live(tag).len(), if hardened { 2 } else { 3 });
        if let Some(popped) = popped {
            let class = 112;
            assert!(live(tag).contains(&(popped.addr().get(), class)));
            for inside in [0, 1, 99, class - 1] {
                let block = LiveBlock { address: popped.as_ptr(), size: class, tag: Some(tag) };
                assert_eq!(block_around(popped.as_ptr().wrapping_add(inside)), Some(block));
            }
            let huge = block_around(second.as_ptr().wrapping_add(1 << 20)).unwrap();
            assert_eq!((huge.address, huge.tag), (second.as_ptr().cast_const(), Some(tag)));
            assert_eq!(block_around(second.as_ptr().wrapping_add(huge.size)), None);
            // SAFETY: taken above.
            assert!(unsafe { push::<StdThreads>(popped) });
            // SAFETY: taken above, and of no page of this thread's: refused.
            assert!(!unsafe { push::<StdThreads>(second) });
            assert_eq!(live(tag).len(), 2);
        }
        let here = 0u8;
        assert_eq!(block_around(&raw const here), None);
        // SAFETY: taken above.
        unsafe {
            free::<StdThreads>(first);
            free::<StdThreads>(second);
        }
        assert!(live(tag).is_empty());
        enter::<StdThreads>(before).unwrap();
    }
}
