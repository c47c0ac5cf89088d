//! A heap of one's own: for a level, a plug-in, a script engine.
#![expect(unsafe_code, reason = "a heap's blocks are raw")]

use core::alloc::Layout;
use core::fmt;
use core::mem::{ManuallyDrop, replace};
use core::ptr::NonNull;

use super::class::{LARGEST, QUANTUM, class_of};
use super::hardened::{self, Given};
use super::space::{Plan, Space};
use super::{HeapStats, Local, SERIALS, StdThreads, Threads as _, alloc_layout, free, stats, with_cache};
use crate::base::sync::Ordering;
use crate::ledger::Tag;
use crate::region::{AllocError, Kind, Made};

/// How a [`BucketHeap`] is made. Sizes are bytes.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct BucketHeapOptions {
    plan: Plan,
}

impl BucketHeapOptions {
    /// Charged to `tag`; expands as long as there is address space. Free memory waits 200 ms for its next use.
    pub const fn new(tag: Tag) -> Self {
        let hardened = cfg!(feature = "hardened");
        Self { plan: Plan { tag, limit: usize::MAX, delay: 200, huge_pages: false, hardened } }
    }

    /// A fixed range: no more than so much address space, in steps of 4 MiB, of which the heap's own tables are a part.
    pub const fn fixed(mut self, bytes: usize) -> Self {
        self.plan.limit = bytes;
        self
    }

    /// How many milliseconds free memory waits for its next use before it goes back to the system; 0: it goes at once.
    pub const fn purge_delay(mut self, milliseconds: u32) -> Self {
        self.plan.delay = milliseconds;
        self
    }

    /// Whether mistakes are looked for: what is written behind or before a block, freed twice, by another heap or with another
    /// layout, or used after it was freed. The process ends with one line that says what, where, and which tag's. Slower, and
    /// larger. By default only with the feature `hardened`.
    pub const fn hardened(mut self, hardened: bool) -> Self {
        self.plan.hardened = hardened;
        self
    }

    /// Asks the system to back the heap with huge pages.
    pub const fn huge_pages(mut self, huge: bool) -> Self {
        self.plan.huge_pages = huge;
        self
    }

    /// Whom the heap is to be charged to.
    pub(in crate::heap) const fn tag(&self) -> Tag {
        self.plan.tag
    }
}

/// A general heap with a tag of its own. Thread-safe through `&self`, each thread with its own free blocks; a block may be
/// freed on any thread. Dropping the heap needs all of its blocks to be freed, or leaks it whole.
pub struct BucketHeap {
    space: NonNull<Space>,
    /// That of the space's plan, where it is at hand.
    hardened: bool,
    /// The heap, if it is remembered; has the space's figures.
    made: Made,
}

// SAFETY: an owner of memory that many threads can use.
unsafe impl Send for BucketHeap {}
// SAFETY: as above.
unsafe impl Sync for BucketHeap {}

impl BucketHeap {
    /// As [`try_with`](Self::try_with), expanding.
    ///
    /// # Errors
    /// The system has no 4 MiB of address space, or a budget would be broken.
    #[track_caller]
    pub fn try_new(tag: Tag) -> Result<Self, AllocError> {
        Self::try_with(BucketHeapOptions::new(tag))
    }

    /// Makes a heap: a segment of 4 MiB of address space, of which two pages are used at once.
    ///
    /// # Errors
    /// The system has no such address space, a budget would be broken, or the range is too small.
    #[track_caller]
    pub fn try_with(options: BucketHeapOptions) -> Result<Self, AllocError> {
        Self::try_made(options, Made::here(Kind::BucketHeap, options.tag()))
    }

    /// As [`try_with`](Self::try_with), remembered as something else.
    pub(in crate::heap) fn try_made(options: BucketHeapOptions, made: Made) -> Result<Self, AllocError> {
        let plan = options.plan;
        if plan.limit < super::segment::SEGMENT {
            let (reserved, needed) = (plan.limit, super::segment::SEGMENT);
            return Err(AllocError::Exhausted { tag: plan.tag, reserved, needed });
        }
        let space = Space::try_new(plan, SERIALS.fetch_add(1, Ordering::Relaxed))?;
        // SAFETY: the space is there until it is released, which is never without `unlist`, or leaked.
        unsafe { made.lend(space.as_ref().figures()) };
        Ok(Self { space, hardened: plan.hardened, made })
    }

    pub(super) fn space(&self) -> &Space {
        // SAFETY: it goes when this goes.
        unsafe { self.space.as_ref() }
    }

    fn with_local<R>(
        &self,
        work: impl FnOnce(NonNull<Local>) -> Result<R, AllocError>,
    ) -> Result<R, AllocError> {
        with_cache::<StdThreads, R>(|cache| work(cache.of_heap(self.space())?))
    }

    /// Whom the heap is charged to.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.space().tag()
    }

    /// A block of this layout. Its content is arbitrary. A layout of no size is served too.
    ///
    /// # Errors
    /// A budget would be broken, the range is used up, the size does not fit the address space, or the system refused.
    #[inline]
    pub fn try_alloc(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        if layout.align() <= QUANTUM
            && let Some(block) = self.pop(layout.size())
        {
            return Ok(block);
        }
        self.try_alloc_slow(layout)
    }

    /// A block of a class, if this thread has one at hand.
    #[inline(always)]
    pub(super) fn pop(&self, size: usize) -> Option<NonNull<u8>> {
        if size > LARGEST {
            return None;
        }
        // SAFETY: a place of this thread, or an empty one; it has a cache or none, which is never given back.
        let cache = unsafe { (*StdThreads::current()).cache.get().as_ref() };
        cache.and_then(|cache| cache.known(self.space()))?.pop(class_of(size))
    }

    #[cold]
    #[inline(never)]
    fn try_alloc_slow(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.with_local(|local| alloc_layout(local, layout).map(|(block, _)| block))
    }

    /// Zeroed memory for a small structure, for as long as the heap lasts: no block. Of a page or two at the most.
    pub(in crate::heap) fn try_meta(&self, size: usize) -> Result<NonNull<u8>, AllocError> {
        self.space().try_meta(size)
    }

    /// As [`try_alloc`](Self::try_alloc), all bytes zero.
    ///
    /// # Errors
    /// As there.
    pub fn try_alloc_zeroed(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let (block, touched) = self.with_local(|local| alloc_layout(local, layout))?;
        // SAFETY: so many bytes that nobody else has.
        unsafe { block.write_bytes(0, touched.min(layout.size())) };
        Ok(block)
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// It was handed out by this heap and not freed since, and nobody uses it any more.
    pub unsafe fn free(&self, block: NonNull<u8>) {
        if self.hardened {
            return hardened::free_in(self.space(), block, Given::NOTHING);
        }
        // SAFETY: the caller's promise.
        unsafe { free::<StdThreads>(block) };
    }

    /// Makes a block `size` bytes long, with its layout's alignment; moves it if it must, with what both sizes have in
    /// common.
    ///
    /// # Errors
    /// As [`try_alloc`](Self::try_alloc); the block is as it was then.
    ///
    /// # Safety
    /// As [`free`](Self::free); it was asked for with this layout, or grown to it.
    pub unsafe fn try_realloc(
        &self,
        block: NonNull<u8>,
        layout: Layout,
        size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        if self.hardened {
            let given = Given { size: Some(layout.size()), align: layout.align() };
            hardened::asked_in(self.space(), block, given);
        }
        // SAFETY: the caller's promise.
        unsafe {
            if super::stays(block, size) {
                return Ok(block);
            }
            let tag = self.tag();
            let grown =
                Layout::from_size_align(size, layout.align()).map_err(|_| AllocError::TooLarge { tag })?;
            if let Some(moved) = super::moves(block, size, layout.align()) {
                return Ok(moved);
            }
            let new = self.try_alloc(grown)?;
            new.copy_from_nonoverlapping(block, layout.size().min(size));
            self.free(block);
            Ok(new)
        }
    }

    /// From now on a block is one of `size` bytes, no more than it was asked for with, and stays where it is.
    ///
    /// # Safety
    /// A block of this heap that was not freed; nobody uses what is behind them.
    #[cfg(feature = "allocator-api2")]
    pub(in crate::heap) unsafe fn shorten(&self, block: NonNull<u8>, size: usize) {
        if self.hardened {
            // SAFETY: the caller's promise.
            unsafe { hardened::shorten_in(self.space(), block, size) };
        }
    }

    /// How many bytes of a block may be used.
    ///
    /// # Safety
    /// A block of this heap that was not freed.
    #[must_use]
    pub unsafe fn usable_size(&self, block: NonNull<u8>) -> usize {
        if self.hardened {
            return hardened::asked_in(self.space(), block, Given::NOTHING);
        }
        // SAFETY: the caller's promise.
        unsafe { super::usable_size(block) }
    }

    /// Whether it looks for mistakes.
    #[cfg(feature = "std")]
    pub(in crate::heap) fn is_hardened(&self) -> bool {
        self.hardened
    }

    /// Whether an address lies in this heap's memory. O(segments).
    #[must_use]
    pub fn owns(&self, address: *const u8) -> bool {
        self.space().contains(address)
    }

    /// Writes down blocks that the program has, as many as there is room for. Answers how many there are. Exact while nobody is
    /// at it; otherwise off by what others do meanwhile. O(pages + blocks).
    pub fn live_blocks(&self, into: &mut [super::LiveBlock]) -> usize {
        super::living::list(self.space(), None, into)
    }

    /// Calls `see` with each block that the program has, under the heap's lock: it must ask nothing of this heap.
    #[cfg(feature = "std")]
    pub(in crate::heap) fn each_live(&self, see: impl FnMut(super::LiveBlock)) {
        super::living::each(self.space(), None, see);
    }

    /// Figures of this moment. O(pages).
    #[must_use]
    pub fn stats(&self) -> HeapStats {
        stats::of(self.space(), None)
    }

    /// Bytes of address space.
    #[must_use]
    pub fn reserved(&self) -> usize {
        self.space().reserved()
    }

    /// Gives back what no block needs, as far as this thread and ended ones have it. Answers how many bytes.
    pub fn trim(&self) -> usize {
        let before = self.space().given();
        let _ = with_cache::<StdThreads, ()>(|cache| {
            cache.trim(self.space());
            Ok(())
        });
        for cache in super::cache::all().filter(|cache| cache.try_hold()) {
            cache.trim(self.space());
            cache.park();
        }
        self.space().purge(0);
        self.space().given().wrapping_sub(before)
    }

    /// Ends the heap, whatever lives in it. O(segments).
    ///
    /// # Safety
    /// Nobody uses any block of it any more, or frees one.
    pub unsafe fn force_discard(self) {
        let mut this = ManuallyDrop::new(self);
        this.unlist();
        let space = this.space;
        // SAFETY: the caller's promise.
        unsafe { Space::release(space) };
    }
}

impl BucketHeap {
    /// Nothing remembers the heap any more, nor reads its space's figures.
    fn unlist(&mut self) {
        let made = replace(&mut self.made, Made::NONE);
        made.take_back();
    }
}

impl Drop for BucketHeap {
    /// Leaks the heap if any of its blocks is not freed: somebody may use it.
    fn drop(&mut self) {
        if self.stats().live() == 0 {
            if self.hardened {
                hardened::end(self.space());
            }
            self.unlist();
            // SAFETY: no block is with anybody.
            unsafe { Space::release(self.space) };
        } else {
            self.made.lost();
        }
    }
}

impl fmt::Debug for BucketHeap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketHeap").field("tag", &self.tag()).finish_non_exhaustive()
    }
}
