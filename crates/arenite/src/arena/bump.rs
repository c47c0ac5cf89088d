//! The raw core of every arena: a pointer that goes up through a region.
//!
//! ```text
//! alloc (inline: load, align, compare, store)
//!   └─ miss: grow (cold) → Region::next_step → ledger (callbacks!) → Region::commit_step → os
//! free: only of the last block (rewind), or of everything (reset)
//! ```
//!
//! It goes upward, so that a growing vector at the top stays in place, and it keeps its pointer at a multiple of
//! [`MIN_ALIGN`], so that small types need no alignment step: `alloc::<u64>` is six instructions.
#![expect(unsafe_code, reason = "hands out memory of a region by raw pointer")]

use core::alloc::Layout;
use core::cell::{Cell, UnsafeCell};
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use crate::base::align::align_up_wrapping;
use crate::base::{HARDENED, POISON};
use crate::os::Access;
use crate::region::{AllocError, Region, Step};

/// Every block starts at a multiple of this many bytes, and every size is rounded up to one.
pub(crate) const MIN_ALIGN: usize = 8;

/// Alignments above this go the slow way; every sum of the fast way then fits the address space.
const MAX_FAST_ALIGN: usize = 1 << 16;

/// A bump pointer over a region of its own. One thread at a time: `Send`, not `Sync`. In this order, so that the
/// pointer pair is found without an offset.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Bump {
    /// The next free byte: a multiple of `MIN_ALIGN`, `floor <= ptr <= end`.
    ptr: Cell<*mut u8>,
    /// The end of what may be handed out without asking the region: its committed watermark.
    end: Cell<*mut u8>,
    /// Where the first block starts; below it lies what the owner keeps at the start of the region.
    floor: NonNull<u8>,
    /// Touched by the slow path and by `&mut self` only, never by the fast path. Dropped with the bump unless
    /// `disown` was called.
    region: UnsafeCell<ManuallyDrop<Region>>,
    /// Another owner may read what was allocated: nothing is handed out, committed or given back any more. Then
    /// `end == ptr`, so that the fast path need not ask.
    sealed: bool,
    /// Whether `region` is still this bump's to drop.
    owned: bool,
}

// SAFETY: a bump owns its region; nothing about it belongs to a thread. What was allocated from it is borrowed from
// its face, which takes care of `Send` by its signatures.
unsafe impl Send for Bump {}

/// A moment to rewind to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(*mut u8);

/// Where a block came to lie.
pub(crate) enum Place {
    /// There, with nothing but padding since the mark.
    At(Mark, NonNull<u8>),
    /// Nowhere yet: this must be committed first.
    Missing(Step),
}

impl Bump {
    /// Starts handing out at `floor` bytes into the region, which are committed for the owner's own use.
    pub(crate) fn try_new(mut region: Region, floor: usize) -> Result<Self, AllocError> {
        let floor = floor.next_multiple_of(MIN_ALIGN);
        region.try_grow(floor)?;
        // SAFETY: the region has just committed `floor` bytes, so this is inside or one past its end.
        let start = unsafe { region.base().add(floor) };
        let end = region.base().as_ptr().wrapping_add(region.committed());
        Ok(Self {
            ptr: Cell::new(start.as_ptr()),
            end: Cell::new(end),
            floor: start,
            region: UnsafeCell::new(ManuallyDrop::new(region)),
            sealed: false,
            owned: true,
        })
    }

    /// Room for `layout`: uninitialised, aligned, and nobody else's until it is rewound or reset.
    #[inline(always)]
    pub(crate) fn try_alloc(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        match self.fast(layout) {
            Some(block) => Ok(block),
            None => self.grow(layout),
        }
    }

    /// As [`try_alloc`](Self::try_alloc), but a refusal panics with its reason. A pointer that can not be null comes
    /// back in a register, which the error could not.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn alloc(&self, layout: Layout) -> NonNull<u8> {
        match self.fast(layout) {
            Some(block) => block,
            None => self.grow_or_panic(layout),
        }
    }

    #[inline(always)]
    pub(super) fn fast(&self, layout: Layout) -> Option<NonNull<u8>> {
        let mut start = self.ptr.get();
        let size = align_up_wrapping(layout.size(), MIN_ALIGN);
        // On 64-bit machines an address below 2^57 plus a size below 2^63 can not wrap; on others it can.
        let mut next = start.wrapping_add(size);
        if layout.align() > MIN_ALIGN {
            if layout.align() > MAX_FAST_ALIGN {
                return None;
            }
            // Below the committed end plus 64 KiB, far from the end of the address space. The end of the block is
            // aligned rather than its start where that is the same: the next allocation waits for `next` only, one
            // step less (a quarter of the time of a `u128`).
            if layout.size() % layout.align() == 0 {
                next = next.map_addr(|address| align_up_wrapping(address, layout.align()));
                start = next.wrapping_sub(size);
            } else {
                start = start.map_addr(|address| align_up_wrapping(address, layout.align()));
                next = start.wrapping_add(size);
            }
        }
        let wraps = cfg!(not(target_pointer_width = "64")) && next < self.ptr.get();
        if wraps || next > self.end.get() {
            return None;
        }
        self.ptr.set(next);
        // SAFETY: `floor <= start`, and the floor is not null.
        Some(unsafe { NonNull::new_unchecked(start) })
    }

    /// As [`try_alloc`](Self::try_alloc), and tells the moment just before the block, from which only its padding
    /// separates it: whatever a pressure callback allocated here meanwhile lies below.
    #[inline(always)]
    pub(crate) fn try_alloc_marked(&self, layout: Layout) -> Result<(Mark, NonNull<u8>), AllocError> {
        let before = self.mark();
        match self.fast(layout) {
            Some(block) => Ok((before, block)),
            None => self.grow_marked(layout),
        }
    }

    /// As [`try_alloc_marked`](Self::try_alloc_marked), but a refusal panics with its reason.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn alloc_marked(&self, layout: Layout) -> (Mark, NonNull<u8>) {
        let before = self.mark();
        match self.fast(layout) {
            Some(block) => (before, block),
            None => self.grow_marked_or_panic(layout),
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.grow_marked(layout).map(|(_, block)| block)
    }

    #[cold]
    #[inline(never)]
    fn grow_marked(&self, layout: Layout) -> Result<(Mark, NonNull<u8>), AllocError> {
        // Again after each step: the pressure callbacks of its charge may have allocated here.
        loop {
            match self.place(layout)? {
                Place::At(before, block) => {
                    self.publish_grown();
                    return Ok((before, block));
                }
                Place::Missing(step) => step.make(|step| self.commit_step(step))?,
            }
        }
    }

    /// As the fast way, for every layout; tells what would have to be committed first. Calls no code of the program.
    pub(crate) fn place(&self, layout: Layout) -> Result<Place, AllocError> {
        let region = self.region();
        let base = region.base().as_ptr();
        let tag = region.tag();
        if self.sealed {
            return Err(AllocError::Sealed { tag });
        }
        let too_large = AllocError::TooLarge { tag };
        let before = self.mark();
        let start = before.0.addr().checked_next_multiple_of(layout.align()).ok_or(too_large)?;
        let size = layout.size().checked_next_multiple_of(MIN_ALIGN).ok_or(too_large)?;
        let next = start.checked_add(size).ok_or(too_large)?;
        if let Some(step) = region.next_step(next - base.addr())? {
            return Ok(Place::Missing(step));
        }
        self.ptr.set(base.with_addr(next));
        // SAFETY: at or above the pointer, which is never null.
        Ok(Place::At(before, unsafe { NonNull::new_unchecked(base.with_addr(start)) }))
    }

    /// Commits a step that [`place`](Self::place) asked for and that has been charged.
    pub(crate) fn commit_step(&self, step: Step) -> Result<(), AllocError> {
        // SAFETY: one thread at a time (not `Sync`), and while this reference lives nothing is called that could come
        // back here: the pressure callbacks are over.
        let region = unsafe { &mut *self.region.get() };
        let answer = region.commit_step(step);
        self.end.set(region.base().as_ptr().wrapping_add(region.committed()));
        answer
    }

    /// Tells the ledger how much is in use now: after a block that pages had to be committed for.
    pub(crate) fn publish_grown(&self) {
        // SAFETY: as in `commit_step`; publishing runs no callback.
        unsafe { &mut *self.region.get() }.publish_live(self.used());
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(super) fn grow_or_panic(&self, layout: Layout) -> NonNull<u8> {
        self.grow_marked_or_panic(layout).1
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn grow_marked_or_panic(&self, layout: Layout) -> (Mark, NonNull<u8>) {
        match self.grow_marked(layout) {
            Ok(block) => block,
            Err(error) => error.raise(),
        }
    }

    /// Makes the block `[start, start + old)` larger where it stands, if it is the last one and there is room.
    /// Afterwards it is `[start, start + new)`.
    #[inline]
    pub(crate) fn grow_in_place(&self, start: NonNull<u8>, old: usize, new: usize) -> bool {
        let old = align_up_wrapping(old, MIN_ALIGN);
        let top = start.as_ptr().wrapping_add(old);
        if top != self.ptr.get() || old == 0 {
            return false;
        }
        let Ok(more) = Layout::from_size_align(align_up_wrapping(new, MIN_ALIGN) - old, 1) else {
            return false;
        };
        let Ok(block) = self.try_alloc(more) else { return false };
        if block.as_ptr() == top {
            return true;
        }
        // A pressure callback has allocated here, so that the room lies elsewhere.
        // SAFETY: the room was allocated a moment ago and nobody uses it.
        unsafe { self.shrink_in_place(block, more.size(), 0) };
        false
    }

    /// Gives the end of the block `[start, start + old)` back, if it is the last one; the first `new` bytes stay.
    ///
    /// # Safety
    /// The block was allocated here, and nothing above its first `new` bytes is used any more.
    #[inline]
    pub(crate) unsafe fn shrink_in_place(&self, start: NonNull<u8>, old: usize, new: usize) -> bool {
        let top = start.as_ptr().wrapping_add(align_up_wrapping(old, MIN_ALIGN));
        if top != self.ptr.get() {
            return false;
        }
        // The bump keeps its own pointer: the one that came in may reach no further than its block.
        let keep = start.addr().get() + align_up_wrapping(new, MIN_ALIGN);
        // SAFETY: the block is the last one, so everything above its first `new` bytes is its own.
        unsafe { self.rewind(Mark(self.ptr.get().with_addr(keep))) };
        true
    }

    /// The present moment, to come back to.
    #[inline]
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.ptr.get())
    }

    /// Goes back: everything allocated since `mark` is free again. In debug and hardened builds it is poisoned.
    ///
    /// # Safety
    /// The mark is this bump's, not above its pointer, and nothing allocated since is used any more.
    #[inline]
    pub(crate) unsafe fn rewind(&self, mark: Mark) {
        debug_assert!(self.floor.as_ptr() <= mark.0 && mark.0 <= self.ptr.get());
        if HARDENED {
            let size = self.ptr.get().addr() - mark.0.addr();
            // SAFETY: between floor and pointer lies committed memory that nobody uses, by the caller's promise.
            unsafe { mark.0.write_bytes(POISON, size) };
        }
        self.ptr.set(mark.0);
    }

    /// Frees everything at once. The pages stay. In debug and hardened builds they are poisoned.
    pub(crate) fn reset(&mut self) {
        self.sealed = false;
        let region = self.region();
        self.end.set(region.base().as_ptr().wrapping_add(region.committed()));
        // SAFETY: `&mut self` proves that no face that borrows from this bump is left.
        unsafe { self.rewind(Mark(self.floor.as_ptr())) };
        self.publish();
    }

    /// Bytes handed out, padding included.
    #[inline]
    pub(crate) fn used(&self) -> usize {
        self.ptr.get().addr() - self.floor.as_ptr().addr()
    }

    /// The region's figures, without touching what is allocated.
    #[inline]
    fn region(&self) -> &Region {
        // SAFETY: the only `&mut Region` are made by functions that call nothing that could come back here, and by `&mut self` methods.
        unsafe { &*self.region.get() }
    }

    pub(crate) fn committed(&self) -> usize {
        self.region().committed()
    }

    pub(crate) fn reserved(&self) -> usize {
        self.region().reserved()
    }

    pub(crate) fn tag(&self) -> crate::ledger::Tag {
        self.region().tag()
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.region().base()
    }

    /// Tells the ledger how much is in use now.
    pub(crate) fn publish(&mut self) {
        let used = self.used();
        self.region.get_mut().publish_live(used);
    }

    /// Commits room for `bytes` in all ahead of time.
    pub(crate) fn try_presize(&mut self, bytes: usize) -> Result<(), AllocError> {
        let region = self.region.get_mut();
        let floor = self.floor.as_ptr().addr() - region.base().as_ptr().addr();
        let wanted = bytes.saturating_add(floor).min(region.reserved());
        region.try_grow(wanted)?;
        self.end.set(region.base().as_ptr().wrapping_add(region.committed()));
        Ok(())
    }

    /// Gives pages above `keep` bytes and above everything allocated back to the system.
    pub(crate) fn try_trim(&mut self, keep: usize) -> Result<(), AllocError> {
        let region = self.region.get_mut();
        let base = region.base().as_ptr();
        let in_use = self.ptr.get().addr() - base.addr();
        let floor = self.floor.as_ptr().addr() - base.addr();
        // SAFETY: nothing above the pointer was handed out.
        let answer = unsafe { region.try_shrink(in_use.max(keep.saturating_add(floor))) };
        self.end.set(base.wrapping_add(region.committed()));
        answer
    }

    /// Closes the bump until the next reset: every further allocation is refused, except of nothing.
    pub(crate) fn seal(&mut self) {
        self.sealed = true;
        self.end.set(self.ptr.get());
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// A second owner of the region.
    ///
    /// # Safety
    /// The bump is sealed, and the two owners agree on which of them drops the region.
    pub(crate) unsafe fn region_twin(&self) -> Region {
        debug_assert!(self.sealed);
        // SAFETY: reads a region that is not changed while the bump is sealed; the caller settles who drops it.
        unsafe { core::ptr::read(core::ptr::from_ref(self.region())) }
    }

    /// Leaves the region to its other owner.
    ///
    /// # Safety
    /// Another owner exists and drops it, and nothing of this bump is used any more.
    pub(crate) unsafe fn disown(&mut self) {
        self.owned = false;
    }

    /// Changes the access to all committed pages.
    ///
    /// # Safety
    /// As [`Region::try_protect`].
    pub(crate) unsafe fn try_protect(&mut self, access: Access) -> Result<(), AllocError> {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.region.get_mut().try_protect(access) }
    }
}

impl Drop for Bump {
    fn drop(&mut self) {
        if self.owned {
            // SAFETY: dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(self.region.get_mut()) };
        }
    }
}
