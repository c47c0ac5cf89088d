//! Any allocator, counted.
//!
//! ```text
//!   alloc:   the allocator below ─ the thread's slot of the book       ◄── nearly always
//!   dealloc: the thread's slot of the book ─ the allocator below
//!     slowly (cold): somebody watches the thread (calls::note); or it is its first call, which draws its number; or it has
//!     none, or has ended, and shares a slot; or the slot has something to tell
//! ```
//!
//! A block is counted after it was handed out, and before it is given back: nobody else can have its memory then.
#![expect(unsafe_code, reason = "a global allocator is raw by contract")]

use core::alloc::{GlobalAlloc, Layout};
use core::fmt;
use core::hint::assert_unchecked;

use super::book::Book;
use super::calls;
use super::stats::{AllocationStats, TagStats};
use super::tagged::Tagged;
use crate::base::thread::{self, ROWS, row_of};
use crate::ledger::{Ledger, Tag};

/// Counts what any allocator does: wrap the one you have ([`System`](std::alloc::System), another crate's, or
/// [`GlobalHeap`](super::GlobalHeap)) and ask it what is in use, what was at most, how often and in which sizes.
///
/// `alloc`, `dealloc`, `realloc` and `alloc_zeroed` are each passed on as what they are. Each thread counts for itself, with
/// plain loads and stores that are added up when somebody asks; threads beyond the first 256 that live at once share atomic
/// counters. It works before `main`, while a thread starts, and after its thread-local destructors; it never allocates
/// and never panics. Each allocator has figures of its own.
///
/// ```
/// use std::alloc::System;
///
/// use arenite::TrackingAllocator;
///
/// #[global_allocator]
/// static GLOBAL: TrackingAllocator<System> = TrackingAllocator::new(System);
///
/// let before = GLOBAL.allocation_stats();
/// let level = vec![0u8; 1 << 20];
/// let now = GLOBAL.allocation_stats();
/// assert_eq!(now.since(&before).bytes, 1 << 20);
/// drop(level);
/// assert!(GLOBAL.allocation_stats().peak_bytes >= now.bytes);
/// println!("{}", GLOBAL.allocation_stats());
/// ```
///
/// To know which [`Tag`] has what, use [`tagged`](TrackingAllocator::tagged), or [`GlobalHeap`](super::GlobalHeap), whose
/// pages belong to tags. The static takes 514 KiB of addresses, of which each thread touches two.
pub struct TrackingAllocator<A, M = Untagged> {
    inner: A,
    pub(super) book: Book<ROWS>,
    pub(super) mode: M,
}

/// A [`TrackingAllocator`] that does not know tags, and stores nothing beside blocks.
#[derive(Clone, Copy, Debug)]
pub struct Untagged;

impl<A> TrackingAllocator<A> {
    /// Counts what `inner` does.
    #[must_use]
    pub const fn new(inner: A) -> Self {
        Self { inner, book: Book::new(), mode: Untagged }
    }
}

impl<A> TrackingAllocator<A, Tagged> {
    /// As [`new`](TrackingAllocator::new), by tag, too: each block remembers which tag its thread was under (see
    /// [`Tag::scope`]), and whoever frees it credits that one. It costs 16 bytes for each block (its alignment, if that
    /// is more).
    ///
    /// Tags' bytes are charged to the process's ledger as committed memory, so that budgets warn and refuse: what would
    /// break a hard budget is a null pointer, of which `try_reserve` makes an error and `Vec::push` the end of the
    /// process. A thread charges up to 64 KiB ahead, less where a mark is near, and keeps up to 128 KiB for each tag: by so
    /// much the ledger may be above [`tag_stats`](Self::tag_stats), which is exact.
    ///
    /// Not over [`GlobalHeap`](super::GlobalHeap), which charges its pages itself: the same memory would be charged twice.
    ///
    /// ```
    /// use std::alloc::System;
    ///
    /// use arenite::{Tagged, TrackingAllocator};
    ///
    /// #[global_allocator]
    /// static GLOBAL: TrackingAllocator<System, Tagged> = TrackingAllocator::tagged(System);
    ///
    /// arenite::tags! { AI = "game/ai"; }
    ///
    /// let scope = AI.scope();
    /// let plans = vec![0u8; 1 << 20];
    /// drop(scope);
    /// assert_eq!(GLOBAL.tag_stats(*AI).bytes, 1 << 20);
    /// std::thread::spawn(move || drop(plans)).join().unwrap();
    /// assert_eq!(GLOBAL.tag_stats(*AI).bytes, 0);
    /// ```
    #[must_use]
    pub const fn tagged(inner: A) -> Self {
        Self { inner, book: Book::new(), mode: Tagged::new() }
    }

    /// What the tag has, without the tags below it. Zero for a tag of another ledger than the process's. O(threads).
    #[must_use]
    pub fn tag_stats(&self, tag: Tag) -> TagStats {
        if core::ptr::eq(tag.ledger(), Ledger::process()) {
            self.mode.stats(tag.place())
        } else {
            TagStats::default()
        }
    }

    /// Figures of each tag that ever had a block, in the order in which tags were registered. O(tags × threads).
    pub fn tags(&self) -> impl Iterator<Item = (Tag, TagStats)> {
        let all = Ledger::process().tags().map(|tag| (tag, self.tag_stats(tag)));
        all.filter(|(_, stats)| stats.allocations != 0)
    }
}

impl<A, M> TrackingAllocator<A, M> {
    /// The figures as they are now. Takes no lock and does not allocate; O(threads × size classes), some microseconds.
    #[must_use]
    pub fn allocation_stats(&self) -> AllocationStats {
        AllocationStats::new(&self.book.sums())
    }

    /// The allocator that is counted.
    pub const fn inner(&self) -> &A {
        &self.inner
    }

    /// A block of so many bytes was handed out, to a thread that is not watched. Gives it on.
    #[inline(always)]
    fn came(&self, block: *mut u8, size: usize) -> *mut u8 {
        if block.is_null() {
            self.book.fail();
            return block;
        }
        // SAFETY: whoever calls an allocator has promised so.
        unsafe { assert_unchecked(size != 0) };
        if self.book.at(thread::row()).try_alloc(size) { block } else { self.came_slowly(block, size) }
    }

    #[cold]
    #[inline(never)]
    fn came_slowly(&self, block: *mut u8, size: usize) -> *mut u8 {
        self.book.alloc(row_of(thread::enrolled()), size);
        block
    }

    /// A block of this layout is about to be given back. False, and nothing has happened, if that takes
    /// [longer](Self::goes_slowly).
    #[inline(always)]
    #[must_use]
    fn goes(&self, layout: Layout) -> bool {
        // SAFETY: as in `came`: nobody has a block of no bytes.
        unsafe { assert_unchecked(layout.size() != 0) };
        self.book.at(thread::row()).try_free(layout.size())
    }

    fn goes_slowly(&self, size: usize) {
        self.book.free(row_of(thread::enrolled()), size);
    }

    /// A block of this layout has become `size` bytes long.
    #[inline(always)]
    fn changed(&self, block: *mut u8, layout: Layout, size: usize) {
        if block.is_null() {
            return self.book.fail();
        }
        // SAFETY: as in `came`; the caller of `realloc` has promised so for the new size, too.
        unsafe { assert_unchecked(layout.size() != 0 && size != 0) };
        if !self.book.at(thread::row()).try_realloc(layout.size(), size) {
            self.changed_slowly(layout, size);
        }
    }

    #[cold]
    #[inline(never)]
    fn changed_slowly(&self, layout: Layout, size: usize) {
        // SAFETY: the caller of `realloc` has promised that the new size fits the alignment.
        calls::note_resize(unsafe { Layout::from_size_align_unchecked(size, layout.align()) });
        self.book.realloc(row_of(thread::enrolled()), layout.size(), size);
    }
}

/// Which slot is the calling thread's, if it has drawn one.
#[inline(always)]
pub(super) fn seat() -> Option<usize> {
    let me = thread::here().me;
    (me != 0).then(|| thread::index(me))
}

/// Draws a slot for the calling thread, if it has not asked yet.
#[cold]
#[inline(never)]
pub(super) fn take_seat() -> Option<usize> {
    let me = thread::enrolled();
    (me != 0).then(|| thread::index(me))
}

/// Whether every allocator has such blocks without further ado. The system's has another way for the rest, which is kept out of
/// line: it needs a larger stack frame, for which the usual way would pay. (In two steps, or the compiler computes both before
/// it looks at either.)
#[inline(always)]
fn is_usual(align: usize, size: usize) -> bool {
    if align > 2 * size_of::<usize>() {
        return false;
    }
    align <= size
}

impl<A: GlobalAlloc> TrackingAllocator<A> {
    /// Hands a block out as `ask` does. Whether the thread is watched is asked before, as afterwards nobody knows the alignment any
    /// more: what lives on during the call costs the register it lies in.
    #[inline(always)]
    fn give(&self, layout: Layout, ask: impl FnOnce(&A, Layout) -> *mut u8) -> *mut u8 {
        if thread::looks_closer() || !is_usual(layout.align(), layout.size()) {
            return self.give_unusual(layout, ask);
        }
        self.came(ask(&self.inner, layout), layout.size())
    }

    #[cold]
    #[inline(never)]
    fn give_unusual(&self, layout: Layout, ask: impl FnOnce(&A, Layout) -> *mut u8) -> *mut u8 {
        let block = ask(&self.inner, layout);
        if !block.is_null() {
            calls::note(layout);
        }
        self.came(block, layout.size())
    }

    /// # Safety
    /// As [`GlobalAlloc::dealloc`].
    #[cold]
    #[inline(never)]
    unsafe fn dealloc_slowly(&self, block: *mut u8, layout: Layout) {
        self.goes_slowly(layout.size());
        // SAFETY: the block came from the inner allocator, with this layout.
        unsafe { self.inner.dealloc(block, layout) };
    }

    /// # Safety
    /// As [`GlobalAlloc::realloc`].
    #[cold]
    #[inline(never)]
    unsafe fn realloc_unusual(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise is the one that the inner allocator asks for.
        let new = unsafe { self.inner.realloc(block, layout, size) };
        self.changed(new, layout, size);
        new
    }
}

// SAFETY: blocks are the inner allocator's, for the layouts that were asked for; counting neither unwinds nor allocates.
unsafe impl<A: GlobalAlloc> GlobalAlloc for TrackingAllocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the one that the inner allocator asks for.
        self.give(layout, |inner, layout| unsafe { inner.alloc(layout) })
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if !self.goes(layout) {
            // SAFETY: the caller's promise.
            return unsafe { self.dealloc_slowly(block, layout) };
        }
        // SAFETY: the block came from the inner allocator, with this layout.
        unsafe { self.inner.dealloc(block, layout) };
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        self.give(layout, |inner, layout| unsafe { inner.alloc_zeroed(layout) })
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !is_usual(layout.align(), size) {
            // SAFETY: the caller's promise.
            return unsafe { self.realloc_unusual(block, layout, size) };
        }
        // SAFETY: as in `dealloc`.
        let new = unsafe { self.inner.realloc(block, layout, size) };
        self.changed(new, layout, size);
        new
    }
}

/// Bytes in front of a tagged block: room for its tag, and as much as keeps the block aligned.
#[inline(always)]
fn header(layout: Layout) -> usize {
    layout.align().max(16)
}

/// What is asked of the allocator below for a tagged block of this layout. None: it does not fit the address space.
#[inline(always)]
fn with_header(layout: Layout) -> Option<Layout> {
    let size = layout.size().checked_add(header(layout))?;
    Layout::from_size_align(size, layout.align().max(align_of::<u64>())).ok()
}

/// Where a tagged block's tag stands.
///
/// # Safety
/// `block` was made by a tagged allocator.
#[inline(always)]
unsafe fn tag_of(block: *mut u8) -> *mut u64 {
    // SAFETY: there are 16 bytes in front of it, at the least, of the same allocation.
    unsafe { block.sub(8).cast() }
}

impl<A: GlobalAlloc> TrackingAllocator<A, Tagged> {
    #[inline]
    fn give(&self, layout: Layout, ask: impl FnOnce(&A, Layout) -> *mut u8) -> *mut u8 {
        let Some(whole) = with_header(layout) else {
            self.book.fail();
            return core::ptr::null_mut();
        };
        let (seat, place) = (seat().or_else(take_seat), Tagged::place_here());
        if !self.mode.admit(seat, place, layout.size()) {
            self.book.fail();
            return core::ptr::null_mut();
        }
        let start = ask(&self.inner, whole);
        if start.is_null() {
            self.mode.take_back(seat, place, layout.size());
            self.book.fail();
            return start;
        }
        // SAFETY: `whole` has so many bytes more than the block; the tag's place is at a multiple of 8 of the same
        // allocation, because `start` is, and so is the header.
        let block = unsafe {
            let block = start.add(header(layout));
            tag_of(block).write(place as u64);
            block
        };
        self.mode.count_alloc(seat, place, layout.size());
        calls::note(layout);
        self.came(block, layout.size())
    }
}

// SAFETY: blocks are parts of the inner allocator's blocks, behind a header of a multiple of their alignment; counting neither
// unwinds nor allocates, and what callbacks of the ledger panic with is caught there.
unsafe impl<A: GlobalAlloc> GlobalAlloc for TrackingAllocator<A, Tagged> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the size is not zero.
        self.give(layout, |inner, whole| unsafe { inner.alloc(whole) })
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: by the contract it came from here with this layout, so the header and its tag are there, and `whole` is
        // what was asked for then.
        unsafe {
            let place = tag_of(block).read() as usize;
            let size = layout.size() + header(layout);
            let whole = Layout::from_size_align_unchecked(size, layout.align().max(align_of::<u64>()));
            if !self.goes(layout) {
                self.goes_slowly(layout.size());
            }
            self.mode.count_free(seat(), place, layout.size());
            self.inner.dealloc(block.sub(header(layout)), whole);
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the size is not zero.
        self.give(layout, |inner, whole| unsafe { inner.alloc_zeroed(whole) })
    }

    /// The block keeps its tag, whatever the thread's is.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let refused = || {
            self.book.fail();
            core::ptr::null_mut()
        };
        // SAFETY: the caller has promised that the new size fits the alignment.
        let new_layout = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        let Some(new_whole) = with_header(new_layout) else { return refused() };
        let seat = seat().or_else(take_seat);
        // SAFETY: as in `dealloc`; the inner allocator keeps the header with the rest. Its alignment does not change.
        unsafe {
            let place = tag_of(block).read() as usize;
            let more = size.saturating_sub(layout.size());
            if !self.mode.admit(seat, place, more) {
                return refused();
            }
            let whole = Layout::from_size_align_unchecked(layout.size() + header(layout), new_whole.align());
            let start = self.inner.realloc(block.sub(header(layout)), whole, new_whole.size());
            if start.is_null() {
                self.mode.take_back(seat, place, more);
                return refused();
            }
            self.mode.count_realloc(seat, place, layout.size(), size);
            let new = start.add(header(layout));
            self.changed(new, layout, size);
            new
        }
    }
}

impl<A: fmt::Debug, M> fmt::Debug for TrackingAllocator<A, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackingAllocator").field("inner", &self.inner).finish_non_exhaustive()
    }
}
