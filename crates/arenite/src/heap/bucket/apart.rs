//! Blocks that somebody is told of when they come back: those that a sampled recording has written down. They lie in pages of their own,
//! which to every fast path look like another thread's. So giving back any other block costs nothing for it.
//!
//! ```text
//!   a thread's place ── apart ──► a further one with the same tag, whose owner has the bit APART, and so have its pages
//!     alloc:  that one's bins                free: Local::free ─ not this thread's? ─ free_slow ─ APART? ─ told ─ the usual way
//! ```
#![expect(unsafe_code, reason = "takes blocks of pages by raw pointer")]

use core::ptr::NonNull;

use super::cache::send;
use super::local::Local;
use super::segment::{FULL, Page};
use crate::base::sync::Ordering;

/// Such a block comes back. Before it is, when another thread may have it.
pub(super) fn told(block: NonNull<u8>) {
    #[cfg(all(feature = "record", not(loom), target_pointer_width = "64"))]
    crate::ledger::telling::apart_freed(block.addr().get());
    #[cfg(not(all(feature = "record", not(loom), target_pointer_width = "64")))]
    let _ = block;
}

/// Takes such a block back, which is no large one.
///
/// # Safety
/// As [`super::free`]; `page` is its page, and `local` the calling thread's place or an empty one.
pub(super) unsafe fn free(block: NonNull<u8>, page: NonNull<Page>, local: &Local) {
    told(block);
    // SAFETY: the caller's promise; a page's place is there as long as the page.
    unsafe {
        let home = &*page.as_ref().local.load(Ordering::Relaxed);
        if local.owner() != 0 && local.cache_id() == home.cache_id() {
            if page.as_ref().owner.load(Ordering::Relaxed) & FULL != 0 {
                home.free_of_full(block, page);
            } else {
                home.free_mine(block, page);
            }
            return;
        }
        match local.cache.get().as_ref() {
            Some(cache) => cache.send(page, block),
            None => send(page, block, block, 1),
        }
    }
}

#[cfg(all(feature = "record", not(loom), target_pointer_width = "64"))]
mod taking {
    use super::super::cache::Cache;
    use super::super::segment::{APART, HUGE, LARGE};
    use super::super::space::Space;
    use super::super::{Threads, alloc_in, or_refused, with_local};
    use super::*;
    use crate::ledger::Tag;
    use crate::region::AllocError;

    /// The place with this one's tag whose blocks are apart.
    fn place(home: &Local) -> Result<NonNull<Local>, AllocError> {
        let made = || NonNull::new(home.apart.get());
        if let Some(local) = made().or_else(|| home.is_apart().then(|| NonNull::from(home))) {
            return Ok(local);
        }
        // SAFETY: a cache and a space outlive their places.
        let (cache, space): (&Cache, &Space) = unsafe { (&*home.cache.get(), &*home.space.get()) };
        let at = space.try_meta(size_of::<Local>())?;
        // A callback of the charge may have made one meanwhile. Then this one's memory stays empty.
        if let Some(local) = made() {
            return Ok(local);
        }
        // SAFETY: zeroed memory of the space's, ours alone.
        let local = unsafe { Local::begin(at, cache.id() | APART, home.tag(), space, cache) };
        home.apart.set(local.as_ptr());
        cache.link(local);
        Ok(local)
    }

    /// A block of the process's heap, apart unless that is hardened or there is no memory for it. `tag`: whose it is, if not the thread's.
    /// Answers as [`alloc_in`].
    fn take<T: Threads>(
        size: usize,
        align: usize,
        tag: Option<Tag>,
    ) -> Result<(NonNull<u8>, usize), AllocError> {
        with_local::<T, _>(|local| {
            // SAFETY: the calling thread's; a cache and a space outlive their places.
            let (this, cache) = unsafe { (local.as_ref(), &*local.as_ref().cache.get()) };
            let home = tag.map_or(Ok(local), |tag| cache.of_tag(tag, this.space()))?;
            if this.space().plan.hardened {
                return alloc_in(home, size, align);
            }
            // SAFETY: as above.
            let apart = place(unsafe { home.as_ref() }).and_then(|place| alloc_in(place, size, align));
            // The pages that there are may have room when there is none for another one.
            apart.or_else(|_| alloc_in(home, size, align))
        })
    }

    /// As [`alloc_aligned`](super::super::alloc_aligned) or, if it is to be zeroed, [`alloc_zeroed`](super::super::alloc_zeroed), of the
    /// process's heap; apart, unless that is hardened or there is no memory for it: ask [`is_apart`].
    pub fn alloc_apart<T: Threads>(size: usize, align: usize, zeroed: bool) -> Option<NonNull<u8>> {
        let taken = take::<T>(size, align, None);
        let touched = taken.map_or(0, |(_, touched)| touched);
        let block = or_refused::<T>(taken)?;
        if zeroed {
            // SAFETY: so many bytes, at the least, that nobody else has.
            unsafe { block.write_bytes(0, touched.min(size)) };
        }
        Some(block)
    }

    /// Whether the heap tells when this block comes back.
    ///
    /// # Safety
    /// A live block of a heap of ours.
    pub unsafe fn is_apart(block: NonNull<u8>) -> bool {
        // SAFETY: the caller's promise; a page's place is there as long as the page.
        unsafe { Page::of(block).as_ref().local.load(Ordering::Relaxed).as_ref() }
            .is_some_and(Local::is_apart)
    }

    /// As [`realloc`](super::super::realloc), and afterwards it is apart, as by [`alloc_apart`].
    ///
    /// # Safety
    /// As there.
    pub unsafe fn realloc_apart<T: Threads>(
        block: NonNull<u8>,
        size: usize,
        align: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promise.
        unsafe {
            if is_apart(block) && super::super::stays(block, size) {
                return Some(block);
            }
            let tag = (*Page::of(block).as_ref().local.load(Ordering::Relaxed)).tag();
            if let Some(grown) = grow_and_take::<T>(block, size, align) {
                return Some(grown);
            }
            let new = or_refused::<T>(take::<T>(size, align, Some(tag)))?;
            new.copy_from_nonoverlapping(block, super::super::usable_size(block).min(size));
            super::super::free::<T>(block);
            Some(new)
        }
    }

    /// A block that is alone in its page, of this thread, needs no other page to be apart: resized as any other, it goes with it.
    ///
    /// # Safety
    /// As [`realloc_apart`].
    unsafe fn grow_and_take<T: Threads>(
        block: NonNull<u8>,
        size: usize,
        align: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promise; places of the process's heap stay.
        unsafe {
            let page = Page::of(block).as_ref();
            let home = &*page.local.load(Ordering::Relaxed);
            let alone = matches!(page.owner.load(Ordering::Relaxed), LARGE | HUGE);
            if !alone || (*T::current()).cache_id() != home.cache_id() {
                return None;
            }
            let apart = place(home).ok()?;
            let stays = super::super::stays(block, size).then_some(block);
            let grown = stays.or_else(|| super::super::moves(block, size, align))?;
            // Figures of the two places are summed wherever they are told.
            Page::of(grown).as_ref().local.store(apart.as_ptr(), Ordering::Relaxed);
            Some(grown)
        }
    }
}

#[cfg(all(feature = "record", not(loom), target_pointer_width = "64"))]
pub use taking::{alloc_apart, is_apart, realloc_apart};

#[cfg(all(
    test,
    feature = "record",
    feature = "std",
    not(loom),
    target_pointer_width = "64",
    not(feature = "hardened")
))]
mod tests {
    use std::thread;
    use std::vec::Vec;

    use super::super::{
        StdThreads, alloc, each_taken, each_thread, enter, free, process_stats, realloc, usable_size,
    };
    use super::*;
    use crate::ledger::Tag;

    type T = StdThreads;

    fn apart(size: usize) -> NonNull<u8> {
        let block = alloc_apart::<T>(size, 16, false).unwrap();
        // SAFETY: just handed out, with so many bytes.
        unsafe {
            assert!(is_apart(block));
            block.write_bytes(0xA5, size);
        }
        block
    }

    fn counts(tag: Tag) -> (u64, u64) {
        let stats = process_stats(Some(tag));
        (stats.live(), stats.live_bytes())
    }

    /// What the calling thread took under a tag, by its own book.
    fn taken(tag: Tag) -> u64 {
        let (mut found, mut tags) = (0, 0);
        each_taken::<T>(|of, calls, _| {
            if of == tag {
                (found, tags) = (calls, tags + 1);
            }
        });
        assert_eq!(tags, 1, "a tag is seen once");
        found
    }

    #[test]
    fn blocks_of_all_sizes_are_counted_as_others_are_and_lie_elsewhere() {
        let tag = Tag::register("bucket/apart/sizes").unwrap();
        let before = enter::<T>(tag).unwrap();
        let usual = alloc::<T>(64).unwrap();
        // SAFETY: live.
        assert!(!unsafe { is_apart(usual) });
        let (mut live, mut bytes) = counts(tag);
        let mut blocks = Vec::new();
        // Every class, several pages of small ones, a span, several slots, a segment.
        for size in (0..3000).map(|index| index * 13).chain([0, 1, 33 << 10, 64 << 10, 500 << 10, 3 << 20]) {
            let block = apart(size);
            blocks.push((block, size));
            // SAFETY: live.
            (live, bytes) = (live + 1, bytes + unsafe { usable_size(block) } as u64);
        }
        assert_eq!(counts(tag), (live, bytes));
        assert_eq!(taken(tag), live);
        // SAFETY: live.
        let page = |block| unsafe { Page::of(block) };
        assert!(blocks.iter().all(|(block, _)| page(*block) != page(usual)));
        for (block, size) in blocks {
            // SAFETY: live, and so many bytes; freed once.
            unsafe {
                assert!((0..size).all(|at| block.add(at).read() == 0xA5));
                free::<T>(block);
            }
        }
        assert_eq!(counts(tag).0, 1);
        // SAFETY: live.
        unsafe { free::<T>(usual) };
        assert_eq!(counts(tag), (0, 0));
        enter::<T>(before).unwrap();
    }

    #[test]
    fn they_come_back_from_other_threads_and_after_their_own_has_ended() {
        struct Block(NonNull<u8>);
        // SAFETY: nobody's but whose value this is.
        unsafe impl Send for Block {}
        let tag = Tag::register("bucket/apart/threads").unwrap();
        // Fuller than a page, so that one goes by mail.
        let made = thread::spawn(move || {
            enter::<T>(tag).unwrap();
            let blocks: Vec<Block> = (0..3000).map(|_| Block(apart(64))).collect();
            let mut figures = 0;
            each_thread(|thread| figures = figures.max(thread.heap.live()));
            assert!(figures >= 3000, "a thread's figures have them");
            blocks
        });
        let mut blocks = made.join().unwrap();
        assert_eq!(counts(tag), (3000, 3000 * 64));
        let rest = blocks.split_off(1500);
        // SAFETY: live; freed once.
        blocks.into_iter().for_each(|block| unsafe { free::<T>(block.0) });
        assert_eq!(counts(tag).0, 1500);
        thread::spawn(move || {
            enter::<T>(tag).unwrap();
            // SAFETY: as above.
            rest.into_iter().for_each(|block| unsafe { free::<T>(block.0) });
            // Who comes later has these pages, and takes from them.
            let again: Vec<Block> = (0..3000).map(|_| Block(apart(64))).collect();
            // SAFETY: as above.
            again.into_iter().for_each(|block| unsafe { free::<T>(block.0) });
        })
        .join()
        .unwrap();
        assert_eq!(counts(tag), (0, 0));
    }

    #[test]
    fn a_resized_block_goes_apart_and_keeps_its_tag_and_content() {
        let tag = Tag::register("bucket/apart/resized").unwrap();
        let before = enter::<T>(tag).unwrap();
        let block = alloc::<T>(100).unwrap();
        let other = Tag::register("bucket/apart/resizing").unwrap();
        // SAFETY: so many bytes; live, and what it became is.
        unsafe {
            block.write_bytes(7, 100);
            enter::<T>(other).unwrap();
            let moved = realloc_apart::<T>(block, 110, 16).unwrap();
            assert!(is_apart(moved) && moved != block, "it has the room, but is not apart");
            assert_eq!(realloc_apart::<T>(moved, 112, 16), Some(moved), "it is");
            // Alone in its page, it takes that along; its bytes are counted where it came from, and where it goes.
            let alone = alloc::<T>(50_000).unwrap();
            let (_, bytes) = counts(other);
            assert_eq!(realloc_apart::<T>(alone, 60_000, 16), Some(alone));
            assert!(is_apart(alone) && counts(other).1 == bytes - 53_248 + 61_440);
            free::<T>(alone);
            let large = realloc_apart::<T>(moved, 100_000, 16).unwrap();
            assert!(is_apart(large) && (0..100).all(|at| large.add(at).read() == 7));
            assert_eq!(counts(tag).0, 1);
            // Without being told it may stay, or not be apart any more.
            let back = realloc::<T>(large, 40, 16).unwrap();
            assert!(!is_apart(back) && (0..40).all(|at| back.add(at).read() == 7));
            free::<T>(back);
        }
        enter::<T>(before).unwrap();
        enter::<T>(tag).unwrap();
        let zeroed = alloc_apart::<T>(5000, 4096, true).unwrap();
        // SAFETY: so many bytes.
        unsafe {
            assert!(
                zeroed.addr().get().is_multiple_of(4096) && (0..5000).all(|at| zeroed.add(at).read() == 0)
            );
            free::<T>(zeroed);
        }
        assert_eq!(counts(tag), (0, 0));
    }

    #[test]
    fn without_memory_for_a_page_of_their_own_they_lie_with_the_others() {
        let tag = Tag::register("bucket/apart/budget").unwrap();
        let before = enter::<T>(tag).unwrap();
        let usual = alloc::<T>(64).unwrap();
        tag.set_budget(crate::ledger::Budget::hard(tag.account().own.committed));
        let block = alloc_apart::<T>(64, 16, false).unwrap();
        // SAFETY: live.
        unsafe {
            assert!(!is_apart(block));
            free::<T>(block);
            free::<T>(usual);
        }
        assert_eq!(alloc_apart::<T>(1 << 20, 16, false), None);
        tag.set_budget(crate::ledger::Budget::NONE);
        enter::<T>(before).unwrap();
    }
}
