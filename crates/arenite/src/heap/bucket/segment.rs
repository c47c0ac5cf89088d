//! Where pages lie: segments of 4 MiB, cut into slots of 64 KiB, with their descriptions at the start.
//!
//! ```text
//!   4 MiB, aligned:  | header: map, pages (descriptors) | rest of slot 0 | slot 1 | slot 2 … slot 63 |
//!   from a block:    segment = (block - 1) & -4 MiB;  page = segment + map[block >> 16 & 63]
//! ```
//!
//! A span is one slot or several in a row with one descriptor, that of its first slot; `map` leads there from each. A block
//! that is larger than a segment's span has a segment of its own, as large as need be, and all of `map` leads to its one
//! descriptor: it starts at most 4 MiB behind the header, and exactly there if it is aligned to 4 MiB or more, which is why
//! one is taken from its address.
#![expect(unsafe_code, reason = "finds descriptors by address")]

use core::cell::Cell;
use core::mem::offset_of;
use core::ptr::{NonNull, null_mut};

use super::class::QUANTUM;
use super::local::Local;
use super::remote::Remote;
use crate::base::sync::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

/// Bytes of a segment, and its alignment.
pub(super) const SEGMENT: usize = 4 << 20;
/// Bytes of a slot.
pub(super) const SLOT: usize = 64 << 10;
/// Slots of a segment.
pub(super) const SLOTS: usize = SEGMENT / SLOT;
/// What the header takes of slot 0, in whole pages; the first block there lies at a multiple of it. (Systems with pages of
/// 16 KiB run on 64-bit Arm.)
pub(super) const HEADER: usize = if cfg!(target_arch = "aarch64") { 16 << 10 } else { 8 << 10 };

/// In a page's `owner`: it has no free block and is in no list.
pub(super) const FULL: u32 = 1 << 31;
/// In a page's `owner`: nobody's; no span begins here.
pub(super) const NOBODY: u32 = FULL - 1;
/// In a page's `owner`: one large block, which any thread gives straight back to the space.
pub(super) const LARGE: u32 = FULL - 2;
/// In a page's `owner`: one block with a segment of its own.
pub(super) const HUGE: u32 = FULL - 3;
/// In a page's `owner`: of a hardened space.
pub(super) const HARD: u32 = FULL - 4;

/// In the owner of a page of blocks, and of a place: blocks that somebody is told of when they come back. To all fast paths such a page is
/// another thread's. (The values above have this bit as well, and are looked for first.)
pub(super) const APART: u32 = 1 << 30;

/// A free block.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Block {
    pub(super) next: *mut Block,
}

/// A figure that whoever has the span writes, and that others may read.
macro_rules! figure {
    ($name:ident, $atomic:ty, $number:ty) => {
        #[derive(Debug)]
        #[repr(transparent)]
        pub(super) struct $name($atomic);

        impl $name {
            pub(super) fn get(&self) -> $number {
                self.0.load(Ordering::Relaxed)
            }

            pub(super) fn set(&self, bytes: $number) {
                self.0.store(bytes, Ordering::Relaxed);
            }
        }
    };
}

/// As [`figure`], and it can be taken and set at once by its owner.
macro_rules! replaced_figure {
    ($name:ident, $atomic:ty, $number:ty) => {
        figure!($name, $atomic, $number);

        impl $name {
            pub(super) fn replace(&self, bytes: $number) -> $number {
                let before = self.get();
                self.set(bytes);
                before
            }
        }
    };
}

replaced_figure!(Charged, AtomicU32, u32);
replaced_figure!(HugeBytes, AtomicUsize, usize);
// Plain atomics, also for loom: nothing is ordered by them.
figure!(BlockBytes, core::sync::atomic::AtomicU32, u32);
figure!(BlockCount, core::sync::atomic::AtomicU16, u16);

/// The description of a span. But for `owner` and `remote` it belongs to its owner; others read `used`, for figures.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Page {
    /// The id of the cache whose thread may use it, perhaps with [`FULL`]; or one of the values above.
    pub(super) owner: AtomicU32,
    /// Blocks that its owner's bin has or that are with the program.
    pub(super) used: AtomicU32,
    /// Blocks that came back and were not handed out again.
    pub(super) free: Cell<*mut Block>,
    /// Blocks that came back from other threads.
    pub(super) remote: Remote,
    /// Bytes of a block.
    pub(super) block: BlockBytes,
    /// Blocks that were ever carved from it, and how many it has room for. Others read them who ask about an address.
    pub(super) carved: BlockCount,
    pub(super) capacity: BlockCount,
    pub(super) class: Cell<u8>,
    /// Slots of the span.
    pub(super) slots: Cell<u8>,
    /// Whether it is in its owner's list of pages that have something left.
    pub(super) listed: Cell<bool>,
    /// Whether its owner keeps it, of which nobody has a block, beyond the one that its class may keep.
    pub(super) extra: Cell<bool>,
    /// Whose page it is: which thread's, and under which tag.
    pub(super) local: AtomicPtr<Local>,
    /// Neighbours in the list.
    pub(super) next: Cell<*mut Page>,
    pub(super) previous: Cell<*mut Page>,
}

const _: () = assert!(size_of::<Page>() == 64);

/// The start of a segment. What is not a page's is guarded by the space's lock.
#[repr(C)]
pub(super) struct Segment {
    /// Of each slot: how far behind the segment's start the descriptor of its span is.
    map: [Cell<u16>; SLOTS],
    /// Of the span that begins with a slot: bytes from its start that are charged to its tag, or, when nobody has it, bytes
    /// of this slot that may hold something.
    pub(super) charged: [Charged; SLOTS],
    /// When the slot became free, in milliseconds of the process.
    pub(super) freed_at: [Cell<u32>; SLOTS],
    /// Links of pages in their owners' mail.
    pub(super) mail: [AtomicPtr<Page>; SLOTS],
    /// Slots that are part of a span, a bit each.
    pub(super) taken: Cell<u64>,
    /// Slots that nobody has and that may hold something.
    pub(super) dirty: Cell<u64>,
    pub(super) next: Cell<*mut Segment>,
    pub(super) previous: Cell<*mut Segment>,
    pub(super) space: Cell<*const super::space::Space>,
    /// The reservation: where it begins and how large it is. Of an ordinary segment: itself.
    pub(super) base: Cell<*mut u8>,
    pub(super) size: Cell<usize>,
    /// Of a huge block: bytes that it may use, and bytes that are charged.
    pub(super) huge: HugeBytes,
    /// Of a huge block: bytes that can be accessed, charged or not.
    pub(super) open: Cell<usize>,
    /// Of a huge block: how far behind the header it is.
    pub(super) ahead: Cell<usize>,
    pages: [Page; SLOTS],
}

const _: () = assert!(size_of::<Segment>() <= HEADER);
const PAGES: usize = offset_of!(Segment, pages);

impl Segment {
    /// The segment of a block.
    #[inline(always)]
    pub(super) fn of(block: NonNull<u8>) -> *mut Self {
        block.as_ptr().map_addr(|address| address.wrapping_sub(1) & !(SEGMENT - 1)).cast()
    }

    /// Fills in a header at the start of zeroed memory.
    ///
    /// # Safety
    /// Nobody else has the memory, which lasts as long as the segment, begins at a multiple of [`SEGMENT`] and has room for it.
    pub(super) unsafe fn begin(
        start: NonNull<u8>,
        base: NonNull<u8>,
        size: usize,
        space: *const super::space::Space,
    ) -> NonNull<Self> {
        let segment = start.cast::<Self>();
        // SAFETY: zeros are valid for all of it: cells of numbers and of null pointers, atomics of the same.
        let this = unsafe { segment.as_ref() };
        for slot in 0..SLOTS {
            this.map[slot].set(Self::place_of(slot));
            this.pages[slot].owner.store(NOBODY, Ordering::Relaxed);
        }
        this.base.set(base.as_ptr());
        this.size.set(size);
        this.space.set(space);
        super::ours::enter(segment);
        segment
    }

    const fn place_of(slot: usize) -> u16 {
        (PAGES + slot * size_of::<Page>()) as u16
    }

    /// The page that a slot's span has.
    pub(super) fn page(this: NonNull<Self>, slot: usize) -> NonNull<Page> {
        // SAFETY: the header of a segment; the slot is checked.
        unsafe {
            let map: *const Cell<u16> = &raw const (*this.as_ptr()).map[slot];
            this.cast::<u8>().add((*map).get() as usize).cast()
        }
    }

    /// The slots from `first` on are one span: `count` of them, all of which lead to the first one's descriptor; or, if
    /// they are to be apart again, each to its own.
    pub(super) fn join(&self, first: usize, count: usize, together: bool) {
        for slot in first..first + count {
            self.map[slot].set(Self::place_of(if together { first } else { slot }));
        }
    }

    /// Of a segment of one block: how large that can become.
    pub(super) fn room(this: NonNull<Self>) -> usize {
        // SAFETY: the header of a segment.
        let header = unsafe { this.as_ref() };
        let end = header.base.get().addr() + header.size.get();
        end - (this.addr().get() + header.ahead.get())
    }

    /// All slots lead to the first descriptor.
    pub(super) fn is_one(&self) {
        for slot in &self.map {
            slot.set(Self::place_of(0));
        }
    }

    /// Where the span's memory begins that starts with this slot.
    pub(super) fn start_of(this: NonNull<Self>, slot: usize) -> NonNull<u8> {
        let offset = if slot == 0 { HEADER } else { slot * SLOT };
        // SAFETY: inside the segment.
        unsafe { this.cast::<u8>().add(offset) }
    }
}

impl Page {
    /// The page that a block lies in.
    ///
    /// # Safety
    /// A block of a heap of ours.
    #[inline(always)]
    pub(super) unsafe fn of(block: NonNull<u8>) -> NonNull<Self> {
        let segment = Segment::of(block).cast::<u8>();
        let slot = (block.addr().get() / SLOT) % SLOTS;
        // SAFETY: by the caller's promise there is a header, which begins with `map`.
        unsafe {
            let place = segment.cast::<u16>().add(slot).read();
            NonNull::new_unchecked(segment.add(place as usize)).cast()
        }
    }

    /// Its segment, and the slot that it begins with.
    pub(super) fn place(this: NonNull<Self>) -> (NonNull<Segment>, usize) {
        let offset = this.addr().get() & (SEGMENT - 1);
        // SAFETY: a descriptor lies inside a segment's header.
        let segment = unsafe { this.cast::<u8>().sub(offset) }.cast();
        (segment, (offset - PAGES) / size_of::<Self>())
    }

    /// Where its blocks begin.
    pub(super) fn start(this: NonNull<Self>) -> NonNull<u8> {
        let (segment, slot) = Self::place(this);
        Segment::start_of(segment, slot)
    }

    /// Makes it a page of blocks.
    pub(super) fn begin(this: NonNull<Self>, owner: u32, class: usize, slots: usize, local: *mut Local) {
        // SAFETY: a descriptor that nobody else has.
        let page = unsafe { this.as_ref() };
        let (_, slot) = Self::place(this);
        let block = super::class::size_of_class(class);
        let room = slots * SLOT - if slot == 0 { HEADER } else { 0 };
        page.used.store(0, Ordering::Relaxed);
        page.free.set(null_mut());
        page.remote.reset();
        page.block.set(block as u32);
        page.carved.set(0);
        page.capacity.set((room / block) as u16);
        page.class.set(class as u8);
        page.slots.set(slots as u8);
        page.listed.set(false);
        page.extra.set(false);
        page.next.set(null_mut());
        page.previous.set(null_mut());
        page.local.store(local, Ordering::Relaxed);
        // Release: whoever reads the owner of a block that was handed to it knows the rest as well, by whatever handed it.
        page.owner.store(owner, Ordering::Release);
    }

    /// Blocks that came back and were not handed out again.
    pub(super) fn idle(&self) -> u32 {
        u32::from(self.carved.get()) - self.used.load(Ordering::Relaxed)
    }
}

/// The block that lies so many units of 16 bytes behind where a page's blocks begin.
pub(super) fn block_at(page: NonNull<Page>, units: u32) -> *mut Block {
    Page::start(page).as_ptr().wrapping_add(units as usize * QUANTUM).cast()
}
