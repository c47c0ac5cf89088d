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
use crate::region::{AllocError, Region};

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
    /// Of `top`.
    stamp: u64,
    ptr: *mut u8,
    end: *mut u8,
    start: *mut u8,
    below: usize,
}

/// The chunks of an arena. Lies in a block of the heap's.
#[derive(Debug)]
pub(super) struct Chunks {
    pub(super) heap: Heap,
    top: Cell<*mut Chunk>,
    spare: Cell<*mut Chunk>,
    /// Where the pointer's chunk has its first block.
    start: Cell<*mut u8>,
    /// Bytes handed out in all chunks but the pointer's.
    below: Cell<usize>,
    /// Bytes of all chunks, and how many there are.
    held: Cell<usize>,
    count: Cell<usize>,
    high_water: Cell<usize>,
    /// The arena's, for marks.
    pub(super) stamp: u64,
}

/// Where the pointer stands while there is no chunk: no block fits behind it.
fn nothing() -> *mut u8 {
    without_provenance_mut(MIN_ALIGN)
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
            // Below every chunk.
            floor: NonNull::<u64>::dangling().cast(),
            reached: Cell::new(null_mut()),
            top: Cell::new(null_mut()),
            region: UnsafeCell::new(Region::nowhere(tag)),
            grown: Cell::new(false),
            sealed: false,
            owned: false,
            refill: Some(chunks),
        }
    }
}

impl Chunks {
    /// In a block of the heap's, of which it has a handle; and where the pointer starts.
    pub(super) fn try_new(heap: Heap) -> Result<(NonNull<Self>, *mut u8), AllocError> {
        let at = heap.try_alloc(Layout::new::<Self>())?.cast::<Self>();
        let this = Self {
            heap,
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
            let Self { heap, .. } = this.read();
            heap.free(this.cast());
        }
    }

    /// Bytes handed out, padding included, when the pointer is here.
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

    /// Where the arena stands.
    pub(super) fn spot(&self, cursor: Cursor<'_>) -> Spot {
        let top = self.top.get();
        // SAFETY: a chunk of ours, if there is one.
        let stamp = unsafe { top.as_ref() }.map_or(0, |top| top.stamp.get());
        Spot {
            top,
            stamp,
            ptr: cursor.ptr().get(),
            end: cursor.store().end.get(),
            start: self.start.get(),
            below: self.below.get(),
        }
    }

    /// Where an arena stands in which nothing is allocated.
    pub(super) fn bottom() -> Spot {
        Spot { top: null_mut(), stamp: 0, ptr: nothing(), end: nothing(), start: nothing(), below: 0 }
    }

    /// Whether the arena can go back to this spot: it is of this arena, and nothing below it was released since. O(chunks).
    pub(super) fn is_below(&self, spot: &Spot, ptr: *mut u8) -> bool {
        let mut next = self.top.get();
        while next != spot.top {
            // SAFETY: chunks of ours.
            match unsafe { next.as_ref() } {
                Some(chunk) => next = chunk.next.get(),
                None => return false,
            }
        }
        // SAFETY: as above; in the list, so it is there.
        let same = unsafe { next.as_ref() }.is_none_or(|chunk| chunk.stamp.get() == spot.stamp);
        same && (spot.start != self.start.get() || spot.ptr <= ptr)
    }

    /// Goes back: what was allocated since is free again, and poisoned in debug and hardened builds. Chunks that were taken
    /// since are spare. O(those chunks).
    ///
    /// # Safety
    /// A spot of this arena that [`is_below`](Self::is_below); nothing that was allocated since is used any more.
    pub(super) unsafe fn release_to(&self, cursor: Cursor<'_>, spot: Spot) {
        let ptr = cursor.ptr().get();
        self.high_water.set(self.high_water(ptr));
        if HARDENED {
            let to = if self.start.get() == spot.start { ptr } else { spot.end };
            // SAFETY: from a moment of this chunk to what was handed out of it, or to its end.
            unsafe { spot.ptr.write_bytes(POISON, to.addr() - spot.ptr.addr()) };
        }
        while self.top.get() != spot.top
            && let Some(chunk) = NonNull::new(self.top.get())
        {
            // SAFETY: a chunk of ours in which nothing is used any more.
            unsafe {
                self.top.set(chunk.as_ref().next.get());
                if HARDENED {
                    Chunk::start(chunk).write_bytes(POISON, chunk.as_ref().size - HEAD);
                }
                chunk.as_ref().next.set(self.spare.replace(chunk.as_ptr()));
            }
        }
        cursor.ptr().set(spot.ptr);
        cursor.store().end.set(spot.end);
        self.start.set(spot.start);
        self.below.set(spot.below);
    }

    /// Gives spare chunks back to the heap. Answers how many bytes.
    pub(super) fn give_spares(&self) -> usize {
        let before = self.held.get();
        while let Some(chunk) = NonNull::new(self.spare.get()) {
            // SAFETY: a chunk that nobody uses; out of the list before the heap, which may run program code, has it.
            unsafe {
                self.spare.set(chunk.as_ref().next.get());
                self.held.set(self.held.get() - chunk.as_ref().size);
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
        unsafe { at.write(Chunk { next: Cell::new(null_mut()), size, stamp: Cell::new(0) }) };
        self.held.set(self.held.get() + size);
        self.count.set(self.count.get() + 1);
        Ok(at)
    }

    /// Puts a chunk on top.
    fn push(&self, chunk: NonNull<Chunk>) {
        // SAFETY: a chunk of ours, in no list.
        let this = unsafe { chunk.as_ref() };
        this.stamp.set(next_stamp());
        this.next.set(self.top.replace(chunk.as_ptr()));
    }

    /// A block with a chunk of its own.
    fn try_own(&self, need: usize, size: usize, align: usize) -> Result<NonNull<u8>, AllocError> {
        let chunk = match self.take_spare(need, need.saturating_mul(2)) {
            Some(chunk) => chunk,
            None => self.try_take(need)?,
        };
        self.push(chunk);
        self.below.set(self.below.get() + size);
        let start = Chunk::start(chunk);
        let block = start.map_addr(|start| start.next_multiple_of(align));
        // SAFETY: inside the chunk.
        Ok(unsafe { NonNull::new_unchecked(block) })
    }
}

impl Refill for Chunks {
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
            return self.try_own(need, size, align);
        }
        let chunk = match self.take_spare(need, usize::MAX) {
            Some(chunk) => chunk,
            None => self.try_take(usual).or_else(|_| self.try_take(need.next_multiple_of(1 << 10)))?,
        };
        // Charging has run program code: this may have found room since, or have come by another chunk itself.
        if let Some(block) = cursor.fast(layout) {
            // SAFETY: in no list, and nobody's.
            unsafe { chunk.as_ref() }.next.set(self.spare.replace(chunk.as_ptr()));
            return Ok(block);
        }
        self.below.set(self.used(cursor.ptr().get()));
        self.push(chunk);
        self.start.set(Chunk::start(chunk));
        cursor.ptr().set(Chunk::start(chunk));
        cursor.store().end.set(Chunk::end(chunk));
        // It has the room.
        cursor.fast(layout).ok_or(too_large)
    }
}
