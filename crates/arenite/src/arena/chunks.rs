//! Where an arena finds memory that has no range of its own: chunks of a heap.
//!
//! ```text
//!   top ──► own ──► chunk ──► chunk      blocks in them, the last one taken first; the pointer is in the last `chunk`
//!   spare ─► chunk ─► chunk              nothing in them: reset and release put them here, and the next one is found here
//!
//!   try_refill (cold): is it large? an own chunk beside the others: the pointer stays where it is
//!                      otherwise: a spare chunk, or one from the heap, and the pointer goes on there
//! ```
//!
//! Asking the heap may charge, which runs program code, which may allocate in this very arena: nothing is half-done then, and
//! everything is looked at again.
#![expect(unsafe_code, reason = "keeps lists of chunks inside of them, and hands their memory out")]

use core::alloc::Layout;
use core::cell::{Cell, UnsafeCell};
use core::ptr::{NonNull, null_mut, without_provenance_mut};

use super::bump::{Cursor, MAX_FAST_ALIGN, MIN_ALIGN, Store};
use super::store::Refill;
use crate::base::align::nowhere;
use crate::base::{HARDENED, POISON, next_stamp};
use crate::heap::named::Heap;
use crate::region::{AllocError, Made, Region};

/// The first chunk, header included. Each further one is as large as all so far, up to `LARGEST`.
const FIRST: usize = 16 << 10;
const LARGEST: usize = 1 << 20;

/// What needs more than this part of the next chunk gets one of its own: no more than so much is left unused at the end of
/// the chunk before.
const OWN: usize = 4;

/// What alignment a chunk starts with; more costs padding.
const ALIGN: usize = 16;

/// The start of a chunk.
#[derive(Debug)]
#[repr(C, align(16))]
struct Chunk {
    /// The next one of its list.
    next: Cell<*mut Chunk>,
    /// Bytes, this header included.
    size: usize,
    /// Drawn anew each time that the chunk is taken into use: tells whether a mark is of this time.
    stamp: Cell<u64>,
    /// Where the arena's pointer was bound to before this one was taken.
    before: Cell<Bounds>,
}

/// Of the chunk that the pointer is in, and what is in use elsewhere.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Where the chunk has its first block, and where it ends.
    start: *mut u8,
    end: *mut u8,
    /// Where the pointer was when another chunk was taken.
    ptr: *mut u8,
    /// Bytes handed out in all other chunks.
    below: usize,
}

const HEAD: usize = size_of::<Chunk>();

impl Chunk {
    /// Where its blocks begin.
    fn start(this: NonNull<Self>) -> *mut u8 {
        this.as_ptr().cast::<u8>().wrapping_add(HEAD)
    }

    fn end(this: NonNull<Self>) -> *mut u8 {
        // SAFETY: a chunk.
        this.as_ptr().cast::<u8>().wrapping_add(unsafe { this.as_ref() }.size)
    }
}

/// Where an arena stood.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    top: *mut Chunk,
    ptr: *mut u8,
}

/// The chunks of an arena. Lies in a block of the heap's.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Chunks {
    /// First, where a store looks for it.
    refill: Refill,
    top: Cell<*mut Chunk>,
    spare: Cell<*mut Chunk>,
    /// Where the pointer's chunk has its first block.
    start: Cell<*mut u8>,
    /// Bytes handed out in all chunks but the pointer's.
    below: Cell<usize>,
    high_water: Cell<usize>,
    /// Bytes of all chunks, and how many there are.
    held: Cell<usize>,
    count: Cell<usize>,
    pub(super) heap: Heap,
    /// The arena, if it is remembered; told of the chunks.
    made: Made,
    /// The arena's, for marks.
    pub(super) stamp: u64,
}

/// Where the pointer stands while there is no chunk: no block fits behind it.
const fn nothing() -> *mut u8 {
    without_provenance_mut(MIN_ALIGN)
}

impl Bounds {
    const NONE: Self = Self { start: nothing(), end: nothing(), ptr: nothing(), below: 0 };
}

/// Makes stale pointers visible, in debug and hardened builds.
///
/// # Safety
/// Between the two is memory of one chunk that nobody uses.
#[inline(always)]
unsafe fn poison(from: *mut u8, to: *mut u8) {
    if HARDENED {
        // SAFETY: the caller's promise.
        unsafe { from.write_bytes(POISON, to.addr() - from.addr()) };
    }
}

impl Store {
    /// A store whose memory comes from `chunks`.
    ///
    /// # Safety
    /// They last as long as the store.
    pub(super) unsafe fn of_chunks(chunks: NonNull<Chunks>) -> Self {
        // SAFETY: the caller's promise.
        let tag = unsafe { chunks.as_ref() }.heap.tag();
        Self {
            end: Cell::new(nothing()),
            floor: chunks.cast(),
            reached: Cell::new(null_mut()),
            top: Cell::new(null_mut()),
            region: UnsafeCell::new(Region::nowhere(tag)),
            grown: Cell::new(false),
            sealed: false,
            owned: false,
            chunked: true,
        }
    }
}

impl Chunks {
    /// In a block of the heap's, of which it has a handle; and where the pointer starts.
    pub(super) fn try_new(heap: Heap, made: Made) -> Result<(NonNull<Self>, *mut u8), AllocError> {
        let at = heap.try_alloc(Layout::new::<Self>())?.cast::<Self>();
        let this = Self {
            refill: Refill { find: Self::find },
            heap,
            made,
            top: Cell::new(null_mut()),
            spare: Cell::new(null_mut()),
            start: Cell::new(nothing()),
            below: Cell::new(0),
            held: Cell::new(0),
            count: Cell::new(0),
            high_water: Cell::new(0),
            stamp: next_stamp(),
        };
        // SAFETY: a block of this layout, ours.
        unsafe { at.write(this) };
        Ok((at, nothing()))
    }

    /// Gives the block back that it lies in. Its chunks are given back already.
    ///
    /// # Safety
    /// Nobody uses it any more.
    pub(super) unsafe fn release(this: NonNull<Self>) {
        // SAFETY: read out once, and freed as it was taken.
        unsafe {
            let Self { heap, made, .. } = this.read();
            heap.free(this.cast());
            drop(made);
        }
    }

    /// Bytes handed out, padding included, when the pointer is here.
    #[inline(always)]
    pub(super) fn used(&self, ptr: *mut u8) -> usize {
        self.below.get() + (ptr.addr() - self.start.get().addr())
    }

    /// Bytes of all chunks, and how many there are.
    pub(super) fn held(&self) -> (usize, usize) {
        (self.held.get(), self.count.get())
    }

    pub(super) fn high_water(&self, ptr: *mut u8) -> usize {
        self.high_water.get().max(self.used(ptr))
    }

    /// Where the arena stands, when the pointer is here.
    #[inline(always)]
    pub(super) fn spot(&self, ptr: *mut u8) -> Spot {
        Spot { top: self.top.get(), ptr }
    }

    /// Where an arena stands in which nothing is allocated.
    pub(super) fn bottom() -> Spot {
        Spot { top: null_mut(), ptr: nothing() }
    }

    /// Of the chunk that was taken last, if there is one: tells this time of it from others.
    pub(super) fn stamp_of_top(&self) -> u64 {
        // SAFETY: a chunk of ours, if there is one.
        unsafe { self.top.get().as_ref() }.map_or(0, |top| top.stamp.get())
    }

    /// Whether the arena can go back to this spot, of which the stamp was noted: it is of this arena, and nothing below it
    /// was released since. O(chunks).
    pub(super) fn is_below(&self, spot: &Spot, stamp: u64, ptr: *mut u8) -> bool {
        let (mut next, mut reached) = (self.top.get(), ptr);
        while next != spot.top {
            // SAFETY: chunks of ours.
            match unsafe { next.as_ref() } {
                Some(chunk) => (next, reached) = (chunk.next.get(), chunk.before.get().ptr),
                None => return false,
            }
        }
        // SAFETY: as above; in the list, so it is there.
        let same = unsafe { next.as_ref() }.is_none_or(|chunk| chunk.stamp.get() == stamp);
        same && spot.ptr <= reached
    }

    /// Goes back: what was allocated since is free again, and poisoned in debug and hardened builds. Chunks that were taken
    /// since are spare.
    ///
    /// # Safety
    /// A spot of this arena that [`is_below`](Self::is_below); nothing that was allocated since is used any more.
    #[inline(always)]
    pub(super) unsafe fn release_to(&self, cursor: Cursor<'_>, spot: Spot) {
        let used = self.used(cursor.ptr().get());
        if used > self.high_water.get() {
            self.high_water.set(used);
        }
        if self.top.get() != spot.top {
            // SAFETY: the caller's promise.
            unsafe { self.pop_to(cursor, spot) };
        }
        // SAFETY: a moment of this chunk; nothing behind it is used.
        unsafe { poison(spot.ptr, cursor.ptr().get()) };
        cursor.ptr().set(spot.ptr);
    }

    /// Makes the chunks spare that were taken since, the one that was taken last first: as a rule the largest. The pointer
    /// is at the end of the spot's chunk then.
    ///
    /// # Safety
    /// As [`release_to`](Self::release_to); there are such chunks.
    #[cold]
    #[inline(never)]
    unsafe fn pop_to(&self, cursor: Cursor<'_>, spot: Spot) {
        let first = self.top.get();
        let mut next = first;
        while let Some(chunk) = NonNull::new(next) {
            // SAFETY: a chunk of ours in which nothing is used any more.
            let this = unsafe { chunk.as_ref() };
            // SAFETY: as above.
            unsafe { poison(Chunk::start(chunk), Chunk::end(chunk)) };
            next = this.next.get();
            if next == spot.top {
                let Bounds { start, end, below, .. } = this.before.get();
                this.next.set(self.spare.replace(first));
                self.top.set(spot.top);
                self.start.set(start);
                self.below.set(below);
                cursor.store().end.set(end);
                cursor.ptr().set(end);
                return;
            }
        }
    }

    /// Gives spare chunks back to the heap. Answers how many bytes.
    pub(super) fn give_spares(&self) -> usize {
        let before = self.held.get();
        while let Some(chunk) = NonNull::new(self.spare.get()) {
            // SAFETY: a chunk that nobody uses; out of the list before the heap, which may run program code, has it.
            unsafe {
                self.spare.set(chunk.as_ref().next.get());
                self.held.set(self.held.get() - chunk.as_ref().size);
                self.made.shrank(chunk.as_ref().size);
                self.count.set(self.count.get() - 1);
                self.heap.free(chunk.cast());
            }
        }
        before - self.held.get()
    }

    /// A spare chunk of at least `least` and at most `most` bytes, out of the list.
    fn take_spare(&self, least: usize, most: usize) -> Option<NonNull<Chunk>> {
        let mut link = &self.spare;
        loop {
            // SAFETY: chunks of ours, which stay while this looks.
            let chunk = unsafe { link.get().as_ref() }?;
            if (least..=most).contains(&chunk.size) {
                let at = NonNull::new(link.get());
                link.set(chunk.next.get());
                return at;
            }
            link = &chunk.next;
        }
    }

    /// A chunk from the heap.
    fn try_take(&self, size: usize) -> Result<NonNull<Chunk>, AllocError> {
        let too_large = AllocError::TooLarge { tag: self.heap.tag() };
        let layout = Layout::from_size_align(size, ALIGN).map_err(|_| too_large)?;
        let at = self.heap.try_alloc(layout)?.cast::<Chunk>();
        // SAFETY: a block of that size, ours alone.
        unsafe {
            at.write(Chunk {
                next: Cell::new(null_mut()),
                size,
                stamp: Cell::new(0),
                before: Cell::new(Bounds::NONE),
            });
        };
        self.held.set(self.held.get() + size);
        self.made.grew(size);
        self.count.set(self.count.get() + 1);
        Ok(at)
    }

    /// Puts a chunk on top.
    fn push(&self, chunk: NonNull<Chunk>, cursor: Cursor<'_>) {
        // SAFETY: a chunk of ours, in no list.
        let this = unsafe { chunk.as_ref() };
        let (start, end, below) = (self.start.get(), cursor.store().end.get(), self.below.get());
        this.before.set(Bounds { start, end, ptr: cursor.ptr().get(), below });
        this.stamp.set(next_stamp());
        this.next.set(self.top.replace(chunk.as_ptr()));
    }

    /// A block with a chunk of its own.
    fn try_own(
        &self,
        cursor: Cursor<'_>,
        need: usize,
        size: usize,
        align: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        let chunk = match self.take_spare(need, need.saturating_mul(2)) {
            Some(chunk) => chunk,
            None => self.try_take(need)?,
        };
        self.push(chunk, cursor);
        self.below.set(self.below.get() + size);
        let start = Chunk::start(chunk);
        let block = start.map_addr(|start| start.next_multiple_of(align));
        // SAFETY: inside the chunk.
        Ok(unsafe { NonNull::new_unchecked(block) })
    }

    /// # Safety
    /// The refill of an arena's chunks.
    unsafe fn find(
        refill: NonNull<Refill>,
        cursor: Cursor<'_>,
        layout: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: the caller's promise; it stands at their start.
        unsafe { refill.cast::<Self>().as_ref() }.try_refill(cursor, layout)
    }

    fn try_refill(&self, cursor: Cursor<'_>, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let (size, align) = (layout.size(), layout.align());
        if size == 0 {
            return Ok(nowhere(layout));
        }
        let too_large = AllocError::TooLarge { tag: self.heap.tag() };
        let size = size.checked_next_multiple_of(MIN_ALIGN).ok_or(too_large)?;
        // What is aligned to more than a chunk may lie that far behind its start.
        let need = size.checked_add(HEAD + align.saturating_sub(ALIGN)).ok_or(too_large)?;
        let usual = self.held.get().next_multiple_of(FIRST).clamp(FIRST, LARGEST);
        if need > usual / OWN || align > MAX_FAST_ALIGN {
            return self.try_own(cursor, need, size, align);
        }
        // What was a large block's own is for the next one of those, unless nothing else can be had.
        let chunk =
            self.take_spare(need, LARGEST).map_or_else(|| self.try_take(usual), Ok).or_else(|_| {
                let large = self.take_spare(need, usize::MAX);
                large.map_or_else(|| self.try_take(need.next_multiple_of(1 << 10)), Ok)
            })?;
        // Charging has run program code: this may have found room since, or have come by another chunk itself.
        if let Some(block) = cursor.fast(layout) {
            // SAFETY: in no list, and nobody's.
            unsafe { chunk.as_ref() }.next.set(self.spare.replace(chunk.as_ptr()));
            return Ok(block);
        }
        let used = self.used(cursor.ptr().get());
        self.push(chunk, cursor);
        self.below.set(used);
        self.start.set(Chunk::start(chunk));
        cursor.ptr().set(Chunk::start(chunk));
        cursor.store().end.set(Chunk::end(chunk));
        // It has the room.
        cursor.fast(layout).ok_or(too_large)
    }
}
