//! Named heaps: a general heap for one part of a program, which is given back whole when that part ends.
//!
//! ```text
//!   Heap (handle) ─► record: where the handle was made ─► Shared: how many handles, the BucketHeap, the tracker
//!   Heap (handle) ─┘ (without tracking one record for all)   lies in the heap's own first page
//!
//!   try_discard: the last handle, and no block? the segments go, O(segments). Otherwise: StillLive, which says what lives
//! ```
//!
//! **What holds a heap is its handles.** A container that allocates in a heap by value has a handle of its own, so whoever
//! has the last one knows that no other container, no other thread and no borrow is left that could use a block. That is all
//! that discarding has to ask: allocating and freeing need no check, no lock and no counter for it.
#![expect(
    unsafe_code,
    reason = "a heap's blocks are raw, and its handles lead to memory that goes with the last of them"
)]

#[cfg(feature = "allocator-api2")]
mod allocator;
mod careful;
mod report;
#[cfg(feature = "allocator-api2")]
mod string;
mod told;
mod track;

use core::alloc::Layout;
use core::fmt;
use core::mem::ManuallyDrop;
use core::panic::Location;
use core::ptr::NonNull;

pub use self::report::{HeapReport, StillLive, Survivor};
#[cfg(feature = "allocator-api2")]
pub use self::string::HeapString;
pub use self::track::Site;

use self::track::Tracker;
use super::bucket::{BucketHeap, BucketHeapOptions, HeapStats};
use crate::base::recording;
use crate::base::sync::{AtomicUsize, Ordering, fence};
use crate::ledger::{Tag, TagError};
use crate::region::{AllocError, Kind, Made};

/// How a [`Heap`] is made. Sizes are bytes.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct HeapOptions {
    bucket: BucketHeapOptions,
    track: bool,
}

impl HeapOptions {
    /// Charged to `tag`, of whatever ledger; expands as long as there is address space. Free memory waits 200 ms for its
    /// next use. Limit it with [`Tag::set_budget`].
    pub const fn new(tag: Tag) -> Self {
        Self { bucket: BucketHeapOptions::new(tag), track: false }
    }

    /// Charged to the tag at this path of the process's ledger, which is registered if it is missing: `level`, or
    /// `game/level` for one inside of `game`.
    ///
    /// # Errors
    /// As [`Tag::register`].
    pub fn try_named(name: &str) -> Result<Self, TagError> {
        Ok(Self::new(Tag::register(name)?))
    }

    /// A fixed range: no more than so much address space, in steps of 4 MiB (which is the least), of which the heap's own
    /// tables are a part.
    pub const fn fixed(mut self, bytes: usize) -> Self {
        self.bucket = self.bucket.fixed(bytes);
        self
    }

    /// How many milliseconds free memory waits for its next use before it goes back to the system; 0: it goes at once.
    pub const fn purge_delay(mut self, milliseconds: u32) -> Self {
        self.bucket = self.bucket.purge_delay(milliseconds);
        self
    }

    /// Asks the system to back the heap with huge pages.
    pub const fn huge_pages(mut self, huge: bool) -> Self {
        self.bucket = self.bucket.huge_pages(huge);
        self
    }

    /// Keeps of each block its size, when it was made and where, so that [`HeapReport`] can name what still lives. For
    /// debugging: 64 bytes more for each block and each handle, charged to the heap's tag, and one lock for all threads.
    pub const fn track_blocks(mut self) -> Self {
        self.track = true;
        self
    }
}

/// Why a named heap could not be made. Nothing is left behind but a tag that was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeapError {
    /// The name can not be a tag.
    Tag(TagError),
    /// Memory or address space could not be had.
    Memory(AllocError),
}

impl fmt::Display for HeapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(error) => error.fmt(f),
            Self::Memory(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for HeapError {}

impl From<TagError> for HeapError {
    fn from(error: TagError) -> Self {
        Self::Tag(error)
    }
}

impl From<AllocError> for HeapError {
    fn from(error: AllocError) -> Self {
        Self::Memory(error)
    }
}

/// A general heap for one part of a program: a level, a plug-in, a script engine. Blocks of any size come and go one by one
/// on any thread, all charged to one tag; when the part ends the heap is [discarded](Self::try_discard), which gives all of
/// its memory back at once and refuses, with a report, while anything still lives in it.
///
/// It is a handle: cloning it makes another one of the same heap, O(1), and all of them are equal and interchangeable. With
/// the feature `allocator-api2` it is an allocator, and so is `&Heap`; each container that has it by value holds a handle,
/// so that the heap lasts as long as the container.
///
/// When the last handle is dropped the heap goes, unless blocks live that nobody can free any more (of a container that
/// borrowed the heap and was forgotten, or raw ones). Then it is leaked whole rather than taken from under a user: its
/// memory stays `committed` and `reserved` under its tag, where snapshots and the manager's shutdown report show it.
///
/// ```
/// # #[cfg(feature = "allocator-api2")] {
/// use arenite::{Heap, HeapOptions};
///
/// let level = Heap::try_with(HeapOptions::try_named("example/level")?.track_blocks())?;
/// let mut spawns = level.vec();
/// spawns.extend([3u32, 1, 4]);
///
/// let refused = level.try_discard().unwrap_err();
/// assert_eq!((refused.blocks(), refused.handles()), (1, 1));
/// assert!(refused.to_string().contains(file!()), "where the vector was made");
///
/// drop(spawns);
/// let level = refused.into_heap();
/// let tag = level.tag();
/// level.try_discard()?;
/// assert_eq!(tag.account().own.committed, 0);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Heap {
    handle: NonNull<Handle>,
}

/// What a handle leads to. Without tracking all lead to the one in `Shared`; with it each has its own, in memory of the heap.
#[derive(Debug)]
struct Handle {
    shared: NonNull<Shared>,
    /// Where the handle was made.
    place: &'static Location<'static>,
    /// Neighbours among the tracker's handles, under its lock.
    links: track::Links<Self>,
}

/// The heap itself. Lies in its own memory, as long as there are handles.
#[derive(Debug)]
struct Shared {
    /// Without tracking, of all handles; with it, of those for which no memory could be had.
    root: Handle,
    /// Handles there are. Whoever brings it to zero gives the heap back.
    handles: AtomicUsize,
    heap: BucketHeap,
    tracker: Option<Tracker>,
}

// SAFETY: a counted reference to a heap that serves all threads. What handles share is atomic, locked, or never changes.
unsafe impl Send for Heap {}
// SAFETY: as above.
unsafe impl Sync for Heap {}

impl Heap {
    /// As [`try_named`](Self::try_named).
    ///
    /// # Panics
    /// The name can not be a tag, or the memory can not be had.
    #[must_use]
    #[track_caller]
    pub fn named(name: &str) -> Self {
        match Self::try_named(name) {
            Ok(heap) => heap,
            Err(error) => panic!("{error}"),
        }
    }

    /// An expanding heap, charged to the tag of this name in the process's ledger, which is registered if it is missing.
    /// Two heaps of one name are two heaps with one account.
    ///
    /// # Errors
    /// As [`Tag::register`] and [`try_with`](Self::try_with).
    #[track_caller]
    pub fn try_named(name: &str) -> Result<Self, HeapError> {
        Ok(Self::try_with(HeapOptions::try_named(name)?)?)
    }

    /// An expanding heap, charged to `tag`.
    ///
    /// # Errors
    /// As [`try_with`](Self::try_with).
    #[track_caller]
    pub fn try_new(tag: Tag) -> Result<Self, AllocError> {
        Self::try_with(HeapOptions::new(tag))
    }

    /// A heap made as the options say: a segment of 4 MiB of address space, of which two or three pages are used at once.
    ///
    /// # Errors
    /// The system has no such address space, a budget would be broken, or the range is too small.
    #[track_caller]
    pub fn try_with(options: HeapOptions) -> Result<Self, AllocError> {
        let place = Location::caller();
        let made = Made::here(Kind::Heap, options.bucket.tag());
        let heap = BucketHeap::try_made(options.bucket, made)?;
        let at = heap.try_meta(size_of::<Shared>())?.cast::<Shared>();
        let tracker = options.track.then(Tracker::new);
        let root = Handle { shared: at, place, links: track::Links::NONE };
        // SAFETY: memory of the heap's own, large and aligned enough, that nobody else has.
        unsafe { at.write(Shared { root, handles: AtomicUsize::new(1), heap, tracker }) };
        // SAFETY: written above.
        let shared = unsafe { at.as_ref() };
        // From here on dropping it gives everything back.
        let mut this = Self { handle: NonNull::from(&shared.root) };
        if let Some(tracker) = &shared.tracker {
            this.handle = tracker.try_enroll(shared, place)?;
        }
        Ok(this)
    }

    fn shared(&self) -> &Shared {
        // SAFETY: both last as long as there is a handle.
        unsafe { self.handle.as_ref().shared.as_ref() }
    }

    fn place(&self) -> &'static Location<'static> {
        // SAFETY: as above.
        unsafe { self.handle.as_ref() }.place
    }

    /// Whom the heap is charged to.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.shared().heap.tag()
    }

    /// A handle that says it was made at `place`.
    fn clone_at(&self, place: &'static Location<'static>) -> Self {
        let shared = self.shared();
        // Relaxed: whoever clones has one, so the heap is there. The handle comes to other threads by other means.
        if shared.handles.fetch_add(1, Ordering::Relaxed) > isize::MAX as usize {
            // So many were forgotten that the number could come round: go no further, as `Arc` does.
            std::process::abort();
        }
        let own = shared.tracker.as_ref().and_then(|tracker| tracker.try_enroll(shared, place).ok());
        Self { handle: own.unwrap_or(NonNull::from(&shared.root)) }
    }

    /// A block of this layout. Its content is arbitrary. A layout of no size is served too.
    ///
    /// # Errors
    /// A budget would be broken, the range is used up, the size does not fit the address space, or the system refused.
    #[inline]
    pub fn try_alloc(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        if recording::is_on() {
            return self.told(layout.size(), |shared| shared.try_alloc(layout, self.place()));
        }
        self.shared().try_alloc(layout, self.place())
    }

    /// As [`try_alloc`](Self::try_alloc), all bytes zero.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn try_alloc_zeroed(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        if recording::is_on() {
            return self.told(layout.size(), |shared| shared.try_alloc_zeroed(layout, self.place()));
        }
        self.shared().try_alloc_zeroed(layout, self.place())
    }

    /// Takes a block back, on any thread.
    ///
    /// # Safety
    /// It was handed out by this heap and not freed since, and nobody uses it any more.
    #[inline]
    pub unsafe fn free(&self, block: NonNull<u8>) {
        // SAFETY: the caller's promise.
        unsafe {
            if recording::is_on() {
                return self.told_free(block);
            }
            self.shared().free(block);
        }
    }

    /// Makes a block `size` bytes long, with its layout's alignment; moves it if it must, with what both sizes have in
    /// common.
    ///
    /// # Errors
    /// As [`try_alloc`](Self::try_alloc); the block is as it was then.
    ///
    /// # Safety
    /// As [`free`](Self::free); it was asked for with this layout, or grown to it.
    #[inline]
    pub unsafe fn try_realloc(
        &self,
        block: NonNull<u8>,
        layout: Layout,
        size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: the caller's promise.
        let resize = || unsafe { self.shared().try_realloc(block, layout, size) };
        if recording::is_on() {
            return self.told_resized(block.as_ptr(), size, resize);
        }
        resize()
    }

    /// Whether an address lies in this heap's memory. O(segments).
    #[must_use]
    pub fn owns(&self, address: *const u8) -> bool {
        self.shared().heap.owns(address)
    }

    /// Figures of this moment, as the heap itself counts: what tracking adds to each block is in them. O(pages).
    #[must_use]
    pub fn stats(&self) -> HeapStats {
        self.shared().heap.stats()
    }

    /// Bytes of address space.
    #[must_use]
    pub fn reserved(&self) -> usize {
        self.shared().heap.reserved()
    }

    /// Handles there are, this one included: clones, and containers that have the heap by value.
    #[must_use]
    pub fn handles(&self) -> usize {
        // Acquire: what those did who have dropped theirs.
        self.shared().handles.load(Ordering::Acquire)
    }

    /// Gives back what no block needs, as far as this thread and ended ones have it. Answers how many bytes.
    pub fn trim(&self) -> usize {
        self.shared().heap.trim()
    }

    /// Names what the calling thread does until the answer is dropped: blocks of tracked heaps (of all of them) that it
    /// makes meanwhile are reported with this text and the place of this call. The innermost name counts.
    ///
    /// Otherwise a block is reported with the place where its handle was made: of `heap.vec()` and `heap.clone()`, where that
    /// was called. The caller of the allocator itself would be of no use: it is a line of the container's source.
    #[must_use = "the name is taken back when this is dropped"]
    #[track_caller]
    pub fn site(&self, what: &'static str) -> Site {
        Site::new(what, Location::caller())
    }

    /// What lives in the heap at this moment. Exact while nobody is at it. O(pages), with tracking O(blocks), for which other
    /// threads wait.
    #[must_use]
    pub fn report(&self) -> HeapReport {
        HeapReport::of(self, 0)
    }

    /// As [`report`](Self::report); with tracking only of blocks that were made from `since_ns` on.
    pub(crate) fn report_since(&self, since_ns: u64) -> HeapReport {
        HeapReport::of(self, since_ns)
    }

    /// Ends the heap and gives all of its memory back, if this is its last handle and none of its blocks lives.
    ///
    /// A handle that others have is refused as well as a block: who has one may allocate at any moment, on any thread. An
    /// empty `Vec<T, Heap>` has one.
    ///
    /// # Errors
    /// [`StillLive`], which gives the heap back and says what lives in it.
    pub fn try_discard(self) -> Result<(), StillLive> {
        let others = self.handles() - 1;
        let stats = self.stats();
        if others > 0 || stats.live() > 0 {
            return Err(StillLive::new(self, stats, others));
        }
        // SAFETY: the last handle, which is not borrowed, and no block is with anybody.
        unsafe { self.force_discard() };
        Ok(())
    }

    /// Ends the heap, whatever lives in it. O(segments). No destructor runs.
    ///
    /// # Safety
    /// Nobody uses any block or any other handle of it any more, nor frees or drops one: containers in it that are not
    /// dropped by now must be forgotten.
    pub unsafe fn force_discard(self) {
        let this = ManuallyDrop::new(self);
        // SAFETY: what this leads to is there, and by the caller's promise nobody else's.
        unsafe {
            let shared = this.handle.as_ref().shared;
            if recording::is_on() {
                shared.as_ref().tell_the_end();
            }
            // Out of the memory that goes with it.
            (&raw const (*shared.as_ptr()).heap).read().force_discard();
        }
    }
}

/// The blocks themselves; nobody is told of them here.
impl Shared {
    #[inline(always)]
    fn try_alloc(
        &self,
        layout: Layout,
        place: &'static Location<'static>,
    ) -> Result<NonNull<u8>, AllocError> {
        match &self.tracker {
            None => self.heap.try_alloc(layout),
            Some(tracker) => tracker.try_alloc(&self.heap, layout, place, false),
        }
    }

    #[inline(always)]
    fn try_alloc_zeroed(
        &self,
        layout: Layout,
        place: &'static Location<'static>,
    ) -> Result<NonNull<u8>, AllocError> {
        match &self.tracker {
            None => self.heap.try_alloc_zeroed(layout),
            Some(tracker) => tracker.try_alloc(&self.heap, layout, place, true),
        }
    }

    /// # Safety
    /// As [`Heap::free`].
    #[inline(always)]
    unsafe fn free(&self, block: NonNull<u8>) {
        // SAFETY: the caller's promise.
        unsafe {
            match &self.tracker {
                None => self.heap.free(block),
                Some(tracker) => tracker.free(&self.heap, block),
            }
        }
    }

    /// # Safety
    /// As [`Heap::try_realloc`].
    #[inline(always)]
    unsafe fn try_realloc(
        &self,
        block: NonNull<u8>,
        layout: Layout,
        size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: the caller's promise.
        unsafe {
            match &self.tracker {
                None => self.heap.try_realloc(block, layout, size),
                Some(tracker) => tracker.try_realloc(&self.heap, block, size),
            }
        }
    }
}

impl Clone for Heap {
    /// Another handle of the same heap. O(1).
    #[track_caller]
    fn clone(&self) -> Self {
        self.clone_at(Location::caller())
    }
}

impl Drop for Heap {
    /// The last handle takes the heap with it, or leaks it whole if any of its blocks is not freed: somebody may use it.
    fn drop(&mut self) {
        let shared = self.shared();
        // Before the handle's record is another one's. SAFETY: as in `shared`.
        let at = unsafe { self.handle.as_ref() }.shared;
        if let Some(tracker) = &shared.tracker {
            tracker.leave(shared, self.handle);
        }
        // Release: all that was done by this handle happens before the heap goes.
        if shared.handles.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            // SAFETY: the last handle; what is read out is not used where it was any more. Dropping it looks after its blocks.
            drop(unsafe { (&raw const (*at.as_ptr()).heap).read() });
        }
    }
}

impl PartialEq for Heap {
    /// Whether both are handles of one heap.
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self.shared(), other.shared())
    }
}

impl Eq for Heap {}

impl fmt::Debug for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heap").field("tag", &self.tag()).finish_non_exhaustive()
    }
}

const _: () = assert!(size_of::<Heap>() == size_of::<usize>());
const _: () = assert!(size_of::<Option<Heap>>() == size_of::<usize>());

#[cfg(test)]
mod tests;
