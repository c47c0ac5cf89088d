//! What a tracked heap keeps of its blocks and handles.
//!
//! ```text
//!   the heap's block:  | padding, if the alignment is large | header, 64 bytes | the program's block …
//!                                                            linked with the others of the heap
//! ```
//!
//! In front, so that it is found without a search and comes and goes with its block: nothing else has to be had, and
//! nothing can be refused half-way. One lock guards the links and is never held while the heap is asked for anything.
#![expect(unsafe_code, reason = "keeps headers in front of blocks and links them by pointer")]

use core::alloc::Layout;
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::panic::Location;
use core::ptr::{NonNull, null_mut};

use super::{Handle, Shared};
use crate::base::frames;
use crate::base::sync::Lock;
use crate::heap::bucket::BucketHeap;
use crate::os;
use crate::region::AllocError;

/// Neighbours in a list of the tracker's; touched under its lock.
pub(super) struct Links<T> {
    next: Cell<*mut T>,
    previous: Cell<*mut T>,
}

impl<T> Links<T> {
    #[expect(clippy::declare_interior_mutable_const, reason = "each use is a place of its own")]
    pub(super) const NONE: Self = Self { next: Cell::new(null_mut()), previous: Cell::new(null_mut()) };
}

impl<T> fmt::Debug for Links<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Links")
    }
}

/// What has links.
trait Linked: Sized {
    fn links(&self) -> &Links<Self>;
}

/// The first of those that are linked.
struct List<T>(*mut T);

impl<T: Linked> List<T> {
    /// # Safety
    /// It is in no list, stays until it is taken out, and the lock is held.
    unsafe fn push(&mut self, at: NonNull<T>) {
        // SAFETY: the caller's promise, and of what is in the list already.
        unsafe {
            at.as_ref().links().next.set(self.0);
            at.as_ref().links().previous.set(null_mut());
            if let Some(first) = self.0.as_ref() {
                first.links().previous.set(at.as_ptr());
            }
        }
        self.0 = at.as_ptr();
    }

    /// # Safety
    /// It is in this list, and the lock is held.
    unsafe fn remove(&mut self, at: NonNull<T>) {
        // SAFETY: the caller's promise; neighbours are there as long as they are linked.
        unsafe {
            let (next, previous) = (at.as_ref().links().next.get(), at.as_ref().links().previous.get());
            match previous.as_ref() {
                Some(previous) => previous.links().next.set(next),
                None => self.0 = next,
            }
            if let Some(next) = next.as_ref() {
                next.links().previous.set(previous);
            }
        }
    }

    /// # Safety
    /// The lock is held as long as the answer is used.
    unsafe fn each<'l>(&self) -> impl Iterator<Item = &'l T>
    where
        T: 'l,
    {
        // SAFETY: what is linked is there, and the lock keeps it so.
        core::iter::successors(unsafe { self.0.as_ref() }, |at| unsafe { at.links().next.get().as_ref() })
    }
}

impl Linked for Handle {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

/// What stands in front of a block.
#[derive(Debug)]
#[repr(C, align(16))]
pub(super) struct Header {
    /// When, by [`os::monotonic_ns`].
    pub(super) made_ns: u64,
    /// What the program asked for. The second word of a block: whoever asks about an address reads it without a lock, so it must be
    /// nothing that another thread writes, as links are.
    pub(super) size: Cell<usize>,
    links: Links<Self>,
    /// In which frame of the process, cut to 32 bits.
    pub(super) frame: u32,
    /// The alignment asked for, as a power of two, under a seal: what is no header of a live block hardly says the right one.
    align: Cell<u32>,
    pub(super) place: &'static Location<'static>,
    pub(super) label: Option<&'static str>,
}

/// Bits of `Header::align` that are not the seal.
const EXPONENT: u32 = 63;

pub(super) const HEAD: usize = 64;
const _: () = assert!(size_of::<Header>() == HEAD || usize::BITS != 64);

impl Linked for Header {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

impl Header {
    pub(super) fn align(&self) -> usize {
        1 << (self.align.get() & EXPONENT)
    }

    /// What a header that lies here says of this alignment.
    fn seal(&self, align: usize) -> u32 {
        let mixed = (core::ptr::from_ref(self).addr() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) as u32 & !EXPONENT | align.trailing_zeros()
    }

    pub(super) fn set_align(&self, align: usize) {
        self.align.set(self.seal(align));
    }

    /// No header of a live block from now on.
    pub(super) fn unseal(&self) {
        self.align.set(!self.align.get());
    }

    /// Whether this is the header of a live block that is so many bytes behind the start of what the heap handed out.
    pub(super) fn is_of(&self, behind: usize) -> bool {
        self.says(self.align.get(), behind)
    }

    /// How far the block of the header that lies here is behind the start of what the heap handed out; `None`: it is no header of a
    /// live block.
    pub(super) fn behind(&self) -> Option<usize> {
        let (said, align) = (self.align.get(), self.align());
        (said == self.seal(align)).then(|| ahead(align))
    }

    /// Whether it was one, of a block that was freed.
    pub(super) fn was_of(&self, behind: usize) -> bool {
        self.says(!self.align.get(), behind)
    }

    fn says(&self, said: u32, behind: usize) -> bool {
        let align = 1 << (said & EXPONENT);
        said == self.seal(align) && ahead(align) == behind
    }

    pub(super) fn block(&self) -> *const u8 {
        core::ptr::from_ref(self).cast::<u8>().wrapping_add(HEAD)
    }

    /// The header of a block.
    ///
    /// # Safety
    /// A live block of a tracked heap.
    pub(super) unsafe fn of(block: NonNull<u8>) -> NonNull<Self> {
        // SAFETY: it stands in front, by the caller's promise.
        unsafe { block.sub(HEAD).cast() }
    }
}

/// How far a block is behind the start of what the heap was asked for.
fn ahead(align: usize) -> usize {
    align.max(HEAD)
}

/// What the heap is asked for, for a block of `size` bytes at a multiple of `align`.
fn whole(heap: &BucketHeap, size: usize, align: usize) -> Result<Layout, AllocError> {
    size.checked_add(ahead(align))
        .and_then(|whole| Layout::from_size_align(whole, align.max(align_of::<Header>())).ok())
        .ok_or(AllocError::TooLarge { tag: heap.tag() })
}

struct Lists {
    blocks: List<Header>,
    handles: List<Handle>,
    /// Records of handles that are no more.
    free: List<Handle>,
}

// SAFETY: pointers to what lies in the heap's memory, followed under the lock only.
unsafe impl Send for Lists {}

#[derive(Debug)]
pub(super) struct Tracker {
    lists: Lock<Lists>,
}

impl Tracker {
    pub(super) const fn new() -> Self {
        let lists = Lists { blocks: List(null_mut()), handles: List(null_mut()), free: List(null_mut()) };
        Self { lists: Lock::new(lists) }
    }

    /// A record for a handle.
    pub(super) fn try_enroll(
        &self,
        shared: &Shared,
        place: &'static Location<'static>,
    ) -> Result<NonNull<Handle>, AllocError> {
        let free = {
            let mut lists = self.lists.lock();
            let free = NonNull::new(lists.free.0);
            if let Some(record) = free {
                // SAFETY: it is there, under the lock.
                unsafe { lists.free.remove(record) };
            }
            free
        };
        let record = match free {
            Some(record) => record,
            None => shared.heap.try_meta(size_of::<Handle>())?.cast(),
        };
        // SAFETY: memory of the heap's that nobody else has, as long as the heap lasts.
        unsafe {
            record.write(Handle { shared: NonNull::from(shared), place, links: Links::NONE });
            self.lists.lock().handles.push(record);
        }
        Ok(record)
    }

    /// A handle is no more.
    pub(super) fn leave(&self, shared: &Shared, handle: NonNull<Handle>) {
        if handle == NonNull::from(&shared.root) {
            return;
        }
        let mut lists = self.lists.lock();
        // SAFETY: enrolled once, and its handle leaves once.
        unsafe {
            lists.handles.remove(handle);
            lists.free.push(handle);
        }
    }

    pub(super) fn try_alloc(
        &self,
        heap: &BucketHeap,
        layout: Layout,
        place: &'static Location<'static>,
        zeroed: bool,
    ) -> Result<NonNull<u8>, AllocError> {
        let whole = whole(heap, layout.size(), layout.align())?;
        let start = if zeroed { heap.try_alloc_zeroed_noted(whole)? } else { heap.try_alloc_noted(whole)? };
        let label = LABEL.get();
        // SAFETY: inside the block, whose start is aligned to what is asked for, and so is what lies `ahead` of it.
        let block = unsafe { start.add(ahead(layout.align())) };
        // SAFETY: `ahead` is at the least the header's size, and keeps its alignment.
        let header = unsafe { Header::of(block) };
        // SAFETY: ours alone until it is linked, and then there until the block is freed.
        unsafe {
            header.write(Header {
                links: Links::NONE,
                size: Cell::new(layout.size()),
                made_ns: os::monotonic_ns(),
                frame: frames() as u32,
                align: Cell::new(0),
                place: label.map_or(place, |label| label.place),
                label: label.map(|label| label.what),
            });
            header.as_ref().set_align(layout.align());
            self.lists.lock().blocks.push(header);
        }
        Ok(block)
    }

    /// # Safety
    /// A live block of this heap that nobody uses any more.
    pub(super) unsafe fn free(&self, heap: &BucketHeap, block: NonNull<u8>) {
        // SAFETY: the caller's promise.
        unsafe {
            let header = Header::of(block);
            self.lists.lock().blocks.remove(header);
            let start = block.sub(ahead(header.as_ref().align()));
            header.as_ref().unseal();
            heap.free(start);
        }
    }

    /// # Safety
    /// As [`free`](Self::free).
    pub(super) unsafe fn try_realloc(
        &self,
        heap: &BucketHeap,
        block: NonNull<u8>,
        size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: the caller's promise. The header moves with what is behind it, so it is out of the list meanwhile; the
        // start of the whole, its layout and how far the block is behind it are those that it was made with.
        unsafe {
            let header = Header::of(block);
            let (had, align) = (header.as_ref().size.get(), header.as_ref().align());
            let new = whole(heap, size, align)?;
            let old = whole(heap, had, align)?;
            self.lists.lock().blocks.remove(header);
            header.as_ref().unseal();
            let answer = heap.try_realloc(block.sub(ahead(align)), old, new.size());
            let moved = match answer {
                Ok(start) => heap.note(start).add(ahead(align)),
                Err(_) => block,
            };
            let header = Header::of(moved);
            header.as_ref().set_align(align);
            if answer.is_ok() {
                header.as_ref().size.set(size);
            }
            self.lists.lock().blocks.push(header);
            answer.map(|_| moved)
        }
    }

    /// Notes that a block is smaller than it was and stays where it is.
    ///
    /// # Safety
    /// A live block of this heap.
    #[cfg(feature = "allocator-api2")]
    pub(super) unsafe fn note_size(&self, heap: &BucketHeap, block: NonNull<u8>, size: usize) {
        // SAFETY: the caller's promise; others read the size under the lock.
        unsafe {
            let header = Header::of(block).as_ref();
            let ahead = ahead(header.align());
            heap.shorten(block.sub(ahead), ahead + size);
            let _lists = self.lists.lock();
            header.size.set(size);
        }
    }

    /// Calls `see` with each block that lives. Others wait meanwhile.
    pub(super) fn each_block(&self, see: impl FnMut(&Header)) {
        let lists = self.lists.lock();
        // SAFETY: the lock is held.
        unsafe { lists.blocks.each() }.for_each(see);
    }

    /// Calls `see` with the place where each handle but one was made.
    pub(super) fn each_handle(&self, but: NonNull<Handle>, mut see: impl FnMut(&'static Location<'static>)) {
        let lists = self.lists.lock();
        // SAFETY: the lock is held.
        for handle in unsafe { lists.handles.each() } {
            if NonNull::from(handle) != but {
                see(handle.place);
            }
        }
    }
}

impl fmt::Debug for Lists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lists")
    }
}

/// What the thread does, and where it said so.
#[derive(Clone, Copy, Debug)]
struct Label {
    what: &'static str,
    place: &'static Location<'static>,
}

/// Names that a thread knows by number. Deeper ones are known by depth only, which is the same unless they end out of order.
const KNOWN: usize = 16;

std::thread_local! {
    // Without destructors, so that they can be read until the thread is gone.
    static LABEL: Cell<Option<Label>> = const { Cell::new(None) };
    /// How many names are open, and the number of the last one that was opened.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static SERIAL: Cell<u64> = const { Cell::new(0) };
    /// The numbers of the open ones, by depth.
    static OPEN: [Cell<u64>; KNOWN] = const { [const { Cell::new(0) }; KNOWN] };
}

/// Names what the calling thread does; made by [`Heap::site`](super::Heap::site). Dropping it takes the name back, and those
/// that were given inside of it and are still there.
#[derive(Debug)]
#[must_use = "the name is taken back when this is dropped"]
pub struct Site {
    before: Option<Label>,
    depth: usize,
    serial: u64,
    /// The name is the thread's.
    not_send: PhantomData<*mut ()>,
}

impl Site {
    pub(super) fn new(what: &'static str, place: &'static Location<'static>) -> Self {
        let (depth, serial) = (DEPTH.get() + 1, SERIAL.get() + 1);
        DEPTH.set(depth);
        SERIAL.set(serial);
        OPEN.with(|open| open.get(depth).map_or((), |open| open.set(serial)));
        Self { before: LABEL.replace(Some(Label { what, place })), depth, serial, not_send: PhantomData }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let known = OPEN.with(|open| open.get(self.depth).map(Cell::get));
        // It may have ended already, with one around it.
        if self.depth <= DEPTH.get() && known.is_none_or(|serial| serial == self.serial) {
            DEPTH.set(self.depth - 1);
            LABEL.set(self.before);
        }
    }
}
