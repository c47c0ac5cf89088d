//! Our own heap as the global allocator.
#![expect(unsafe_code, reason = "a global allocator is raw by contract")]

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};

use crate::heap::bucket::{self, HeapStats, LiveBlock, StdThreads, TagUse};
use crate::ledger::{Here, Tag, set_aside, set_here};
use crate::region::AllocError;
#[cfg(feature = "record")]
use crate::{base::recording, record};

/// The heap of the process, for `#[global_allocator]`: `Box`, `Vec`, `String` and the rest then live in it, each under the
/// tag that its thread was in. Thread-safe; each thread has its own free blocks, and any thread may free.
///
/// A refusal (a hard budget, the system) is a null pointer, of which `try_reserve` makes an error and `Vec::push` the end of
/// the process. Nothing unwinds out of it, and the ledger's callbacks may allocate.
///
/// With the feature `hardened`, or with `ARENITE_HARDENED=1` in the environment when the heap is first used, it looks for
/// mistakes and ends the process with a message when it finds one. With the variable alone nothing is known of layouts, and
/// freeing memory that is not the heap's may fault before it can be named.
#[derive(Clone, Copy, Debug, Default)]
pub struct GlobalHeap;

impl GlobalHeap {
    /// From now on the calling thread allocates under `tag` of the process's ledger. Answers the tag until now, at first
    /// `untagged`. [`Tag::scope`] does the same for a while, and cannot be forgotten to be undone.
    ///
    /// # Errors
    /// The tag's place can not be made: a budget would be broken, or the system refused.
    ///
    /// # Panics
    /// The tag is of another ledger than the process's.
    pub fn enter(tag: Tag) -> Result<Tag, AllocError> {
        set_aside(super::scope::aside);
        let before = bucket::enter::<StdThreads>(tag)?;
        set_here(Here { tag: Some(tag), site: None });
        Ok(before)
    }

    /// The tags under which blocks were ever handed out, in the order in which they were registered, each with what it has.
    /// One walk over the heap, O(pages), when it is called; allocates nothing.
    ///
    /// ```
    /// use arenite::GlobalHeap;
    ///
    /// for (tag, figures) in GlobalHeap::by_tag() {
    ///     println!("{tag}: {} blocks, {} bytes", figures.live, figures.live_bytes);
    /// }
    /// ```
    pub fn by_tag() -> impl Iterator<Item = (Tag, TagUse)> {
        bucket::by_tag()
    }

    /// Writes down which blocks live, of one tag or of all, as many as there is room for; answers how many there are. Exact
    /// while nobody is at it, and otherwise off by what others do meanwhile. Allocates nothing. O(pages + blocks).
    ///
    /// ```
    /// use arenite::{GlobalHeap, LiveBlock, Tag};
    ///
    /// #[global_allocator]
    /// static HEAP: GlobalHeap = GlobalHeap;
    ///
    /// let music = Tag::register("game/music")?;
    /// let song = music.in_scope(|| vec![0u8; 5000]);
    /// let mut list = [LiveBlock::NONE; 8];
    /// assert_eq!(GlobalHeap::live_blocks(Some(music), &mut list), 1);
    /// assert_eq!(list[0].address, song.as_ptr());
    /// assert_eq!(GlobalHeap::tag_of(&raw const song[4999]), Some(music));
    /// # Ok::<(), arenite::TagError>(())
    /// ```
    pub fn live_blocks(tag: Option<Tag>, into: &mut [LiveBlock]) -> usize {
        bucket::live_blocks(tag, into)
    }

    /// The tag of the block that an address lies in; `None` if it is not in the heap's memory. Of what is free there it is the
    /// tag that had it last. O(segments).
    #[must_use]
    pub fn tag_of(address: *const u8) -> Option<Tag> {
        bucket::tag_of(address)
    }

    /// Figures of one tag, or of all. O(pages of the heap).
    #[must_use]
    pub fn stats(tag: Option<Tag>) -> HeapStats {
        bucket::process_stats(tag)
    }

    /// Whether an address lies in the heap's memory. O(segments).
    #[must_use]
    pub fn owns(address: *const u8) -> bool {
        bucket::owns(address)
    }

    /// Gives what no block needs back to the system, as far as this thread and those that have ended have it. Answers how
    /// many bytes.
    pub fn trim() -> usize {
        bucket::trim::<StdThreads>()
    }
}

#[inline(always)]
fn raw(block: Option<NonNull<u8>>) -> *mut u8 {
    block.map_or(null_mut(), NonNull::as_ptr)
}

// SAFETY: blocks are of the layout, nobody else's, and stay until they are freed; nothing unwinds: the heap's own code does
// not, and what callbacks of the ledger panic with is caught there.
unsafe impl GlobalAlloc for GlobalHeap {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        #[cfg(feature = "record")]
        if recording::is_on() && !record::passes(layout.size()) {
            return recorded::alloc::<false>(layout);
        }
        raw(bucket::alloc_aligned::<StdThreads>(layout.size(), layout.align()))
    }

    #[inline(always)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        #[cfg(feature = "record")]
        if recording::frees_are_told() && !record::passes_free(block.addr()) {
            // SAFETY: the caller's promise.
            return unsafe { recorded::free(block, Some(layout)) };
        }
        // SAFETY: by the contract it came from `alloc`, so it is not null, and is freed once.
        unsafe {
            let block = NonNull::new_unchecked(block);
            #[cfg(feature = "hardened")]
            bucket::free_checked::<StdThreads>(block, Some(layout.size()), layout.align());
            #[cfg(not(feature = "hardened"))]
            {
                let _ = layout;
                bucket::free::<StdThreads>(block);
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        #[cfg(feature = "record")]
        if recording::is_on() && !record::passes(layout.size()) {
            return recorded::alloc::<true>(layout);
        }
        raw(bucket::alloc_zeroed::<StdThreads>(layout.size(), layout.align()))
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        #[cfg(feature = "record")]
        if recording::is_on() && !recorded::passes(block, size) {
            // SAFETY: the caller's promise.
            return unsafe { recorded::realloc(block, layout, size) };
        }
        // SAFETY: as in `dealloc`; it was asked for with this alignment.
        unsafe {
            let block = NonNull::new_unchecked(block);
            #[cfg(feature = "hardened")]
            bucket::check(block, Some(layout.size()), layout.align());
            raw(bucket::realloc::<StdThreads>(block, size, layout.align()))
        }
    }
}

/// What the global allocator does while a recording is made. Out of line, so that it costs two instructions when none is; what a sample
/// leaves out, as is seen at a glance, does not come here.
#[cfg(feature = "record")]
mod recorded {
    use core::alloc::Layout;
    use core::ptr::NonNull;

    use super::{StdThreads, bucket, raw};
    use crate::base::recording;
    use crate::record::{self, Caller};

    /// A block that somebody is told of, unless the sample leaves it out after all.
    #[cold]
    #[inline(never)]
    pub(super) fn alloc<const ZEROED: bool>(layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        let caller = Caller::here();
        let chosen = record::chooses(size);
        let block = if chosen && !recording::asks_for_frees() {
            known_to_be_apart(bucket::alloc_apart::<StdThreads>(size, align, ZEROED))
        } else if ZEROED {
            bucket::alloc_zeroed::<StdThreads>(size, align)
        } else {
            bucket::alloc_aligned::<StdThreads>(size, align)
        };
        let block = raw(block);
        if !block.is_null() {
            record::allocated_as(chosen, block.addr(), size, caller);
        }
        block
    }

    /// A recorded block that should be apart. If it could not be, whoever gives blocks back tells from now on.
    fn known_to_be_apart(block: Option<NonNull<u8>>) -> Option<NonNull<u8>> {
        // SAFETY: just handed out.
        if block.is_some_and(|block| !unsafe { bucket::is_apart(block) }) {
            recording::tell_frees();
        }
        block
    }

    /// # Safety
    /// As `GlobalAlloc::dealloc`; without a layout, as [`bucket::free`].
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn free(block: *mut u8, layout: Option<Layout>) {
        record::freed(block.addr());
        // SAFETY: the caller's promise.
        unsafe {
            let block = NonNull::new_unchecked(block);
            #[cfg(feature = "hardened")]
            if let Some(layout) = layout {
                return bucket::free_checked::<StdThreads>(block, Some(layout.size()), layout.align());
            }
            let _ = layout;
            bucket::free::<StdThreads>(block);
        }
    }

    /// Whether a block is none of the sample, and will be none when it has this size.
    #[inline(always)]
    pub(super) fn passes(block: *mut u8, size: usize) -> bool {
        record::passes_free(block.addr()) && record::passes(size)
    }

    /// # Safety
    /// As `GlobalAlloc::realloc`.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn realloc(block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (caller, before) = (Caller::here(), block.addr());
        let resizing = record::resizing(before);
        let apart = !recording::asks_for_frees();
        let chosen = apart && record::chooses(size);
        // SAFETY: by the contract a block of this heap, asked for with this layout.
        let moved = raw(unsafe {
            let block = NonNull::new_unchecked(block);
            #[cfg(feature = "hardened")]
            bucket::check(block, Some(layout.size()), layout.align());
            if chosen {
                known_to_be_apart(bucket::realloc_apart::<StdThreads>(block, size, layout.align()))
            } else {
                bucket::realloc::<StdThreads>(block, size, layout.align())
            }
        });
        if moved.is_null() {
            record::stays(resizing, before);
        } else if apart {
            record::resized_as(chosen, resizing, before, moved.addr(), size, caller);
        } else {
            record::resized(resizing, before, moved.addr(), size, caller);
        }
        moved
    }
}

#[cfg(feature = "allocator-api2")]
mod face {
    use core::alloc::Layout;
    use core::ptr::NonNull;

    use allocator_api2::alloc::{AllocError, Allocator};

    use super::GlobalHeap;
    #[cfg(feature = "record")]
    use super::{record, recorded, recording};
    use crate::base::align::nowhere;
    use crate::heap::bucket::{self, StdThreads};

    #[inline(always)]
    fn sized(block: Option<NonNull<u8>>, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        block.map(|block| NonNull::slice_from_raw_parts(block, layout.size())).ok_or(AllocError)
    }

    impl GlobalHeap {
        /// # Safety
        /// As [`Allocator::grow`] or [`Allocator::shrink`].
        unsafe fn resize(
            self,
            block: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            if new.size() == 0 {
                // SAFETY: the caller's promise.
                unsafe { self.deallocate(block, old) };
                return Ok(NonNull::slice_from_raw_parts(nowhere(new), 0));
            }
            if old.size() != 0 && new.align() <= old.align() {
                #[cfg(feature = "record")]
                if recording::is_on() && !recorded::passes(block.as_ptr(), new.size()) {
                    // SAFETY: the caller's promise.
                    let moved = unsafe { recorded::realloc(block.as_ptr(), old, new.size()) };
                    return sized(NonNull::new(moved), new);
                }
                // SAFETY: the caller's promise; a block that moves keeps the larger alignment.
                return sized(unsafe { bucket::realloc::<StdThreads>(block, new.size(), old.align()) }, new);
            }
            let moved = self.allocate(new)?;
            // SAFETY: both have so many bytes, and the old one is still the caller's.
            unsafe {
                moved.cast::<u8>().copy_from_nonoverlapping(block, old.size().min(new.size()));
                self.deallocate(block, old);
            }
            Ok(moved)
        }
    }

    /// Feature `allocator-api2`: for containers that name the process's heap, whatever the program's global allocator is.
    // SAFETY: blocks are of the layout and stay until they are freed; the heap is never given back, and all values of this
    // type are one.
    unsafe impl Allocator for GlobalHeap {
        #[inline(always)]
        fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            if layout.size() == 0 {
                return Ok(NonNull::slice_from_raw_parts(nowhere(layout), 0));
            }
            #[cfg(feature = "record")]
            if recording::is_on() && !record::passes(layout.size()) {
                return sized(NonNull::new(recorded::alloc::<false>(layout)), layout);
            }
            sized(bucket::alloc_aligned::<StdThreads>(layout.size(), layout.align()), layout)
        }

        #[inline]
        fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            if layout.size() == 0 {
                return Ok(NonNull::slice_from_raw_parts(nowhere(layout), 0));
            }
            #[cfg(feature = "record")]
            if recording::is_on() && !record::passes(layout.size()) {
                return sized(NonNull::new(recorded::alloc::<true>(layout)), layout);
            }
            sized(bucket::alloc_zeroed::<StdThreads>(layout.size(), layout.align()), layout)
        }

        #[inline(always)]
        unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
            if layout.size() != 0 {
                #[cfg(feature = "record")]
                if recording::frees_are_told() && !record::passes_free(block.addr().get()) {
                    // SAFETY: the caller's promise.
                    return unsafe { recorded::free(block.as_ptr(), None) };
                }
                // SAFETY: the caller's promise.
                unsafe { bucket::free::<StdThreads>(block) };
            }
        }

        unsafe fn grow(
            &self,
            block: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            // SAFETY: the caller's promise.
            unsafe { self.resize(block, old, new) }
        }

        unsafe fn grow_zeroed(
            &self,
            block: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            if old.size() == 0 {
                return self.allocate_zeroed(new);
            }
            // SAFETY: the caller's promise; what is behind the old size is the caller's, and holds nothing.
            unsafe {
                let grown = self.resize(block, old, new)?;
                grown.cast::<u8>().add(old.size()).write_bytes(0, new.size() - old.size());
                Ok(grown)
            }
        }

        unsafe fn shrink(
            &self,
            block: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            // SAFETY: the caller's promise.
            let answer = unsafe { self.resize(block, old, new) };
            match answer {
                // No room for a smaller one: the larger one serves.
                Err(_) if new.align() <= old.align() => Ok(NonNull::slice_from_raw_parts(block, new.size())),
                answer => answer,
            }
        }
    }
}
