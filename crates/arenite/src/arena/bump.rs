//! The raw core of every arena: a pointer that goes up through a region.
//!
//! ```text
//! alloc (inline: load, align, compare, store)
//!   └─ miss: Store::place, and what it misses is committed (cold; store.rs)
//! free: only of the last block (rewind), or of everything (reset)
//! ```
//!
//! It goes upward, so that a growing vector at the top stays in place, and it keeps its pointer at a multiple of
//! [`MIN_ALIGN`], so that small types need no alignment step: `alloc::<u64>` is six instructions.
//!
//! A [`Store`] is what a pointer goes through, a [`Cursor`] the two of them together, which is all that allocating
//! needs. An arena that is one pointer over one store is a [`Bump`]. A scratch scope has a pointer of its own over the
//! store of its stack, and its cursor never shows that pointer to a function that is not inlined: even the slow path
//! takes it by value and answers with the next one. So the compiler may keep it in a register from the scope's first
//! allocation to its last, and there is nothing to store.
#![expect(unsafe_code, reason = "hands out memory of a region by raw pointer")]

use core::alloc::Layout;
use core::cell::{Cell, UnsafeCell};
use core::mem::ManuallyDrop;
use core::ptr::{self, NonNull};

use super::store::Refill;
pub(crate) use super::store::{MIN_ALIGN, Mark, Place, Store};
use crate::base::align::align_up_wrapping;
use crate::base::{HARDENED, POISON};
use crate::ledger::Tag;
use crate::os::Access;
use crate::region::{AllocError, Region, Step};

/// Alignments above this go the slow way; every sum of the fast way then fits the address space.
pub(super) const MAX_FAST_ALIGN: usize = 1 << 16;

/// A bump pointer over a region of its own. One thread at a time: `Send`, not `Sync`. In this order, so that the
/// pointer pair is found without an offset.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Bump {
    /// The next free byte: a multiple of `MIN_ALIGN`, `floor <= ptr <= end`.
    ptr: Cell<*mut u8>,
    store: Store,
}

// SAFETY: a bump owns its region; nothing about it belongs to a thread. What was allocated from it is borrowed from
// its face, which takes care of `Send` by its signatures.
unsafe impl Send for Bump {}

/// A pointer and the store that it goes through, borrowed: allocates. With `LOCAL` the pointer is a scope's, which is
/// not to be handed to a function that is not inlined (see above); that costs more code at each call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'b, const LOCAL: bool = false> {
    ptr: &'b Cell<*mut u8>,
    store: &'b Store,
}

impl<'b, const LOCAL: bool> Cursor<'b, LOCAL> {
    /// # Safety
    /// The pointer is of this store, and as long as the cursor is used nothing above it is, nor does another pointer of
    /// the store hand anything out there.
    #[inline(always)]
    pub(super) const unsafe fn new(ptr: &'b Cell<*mut u8>, store: &'b Store) -> Self {
        Self { ptr, store }
    }

    /// The same cursor for a function that is not inlined.
    #[inline(always)]
    pub(super) const fn shared(self) -> Cursor<'b> {
        Cursor { ptr: self.ptr, store: self.store }
    }

    #[inline(always)]
    pub(super) const fn ptr(self) -> &'b Cell<*mut u8> {
        self.ptr
    }

    #[inline(always)]
    pub(super) const fn store(self) -> &'b Store {
        self.store
    }

    /// Room for `layout`: uninitialised, aligned, and nobody else's until it is rewound or reset.
    #[inline(always)]
    pub(crate) fn try_alloc(self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        match self.fast(layout) {
            Some(block) => Ok(block),
            None => self.try_grow(layout),
        }
    }

    /// As [`try_alloc`](Self::try_alloc), but a refusal panics with its reason. A pointer that can not be null comes
    /// back in a register, which the error could not.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn alloc(self, layout: Layout) -> NonNull<u8> {
        match self.fast(layout) {
            Some(block) => block,
            None => self.grow(layout),
        }
    }

    #[inline(always)]
    pub(super) fn fast(self, layout: Layout) -> Option<NonNull<u8>> {
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
            if layout.size().is_multiple_of(layout.align()) {
                next = next.map_addr(|address| align_up_wrapping(address, layout.align()));
                start = next.wrapping_sub(size);
            } else {
                start = start.map_addr(|address| align_up_wrapping(address, layout.align()));
                next = start.wrapping_add(size);
            }
        }
        let wraps = cfg!(not(target_pointer_width = "64")) && next < self.ptr.get();
        if wraps || next > self.store.end.get() {
            return None;
        }
        self.advance(next);
        // SAFETY: `floor <= start`, and the floor is not null.
        Some(unsafe { NonNull::new_unchecked(start) })
    }

    #[inline(always)]
    fn advance(self, next: *mut u8) {
        self.ptr.set(next);
        if HARDENED && next > self.store.top.get() {
            self.store.top.set(next);
        }
    }

    /// As [`try_alloc`](Self::try_alloc), and tells a moment before the block from which at most padding separates it:
    /// whatever a pressure callback allocated here meanwhile lies below.
    #[inline(always)]
    pub(crate) fn try_alloc_marked(self, layout: Layout) -> Result<(Mark, NonNull<u8>), AllocError> {
        let before = self.mark();
        match self.fast(layout) {
            Some(block) => Ok((before, block)),
            None => self.try_grow(layout).map(|block| (Mark(block.as_ptr()), block)),
        }
    }

    /// As [`try_alloc_marked`](Self::try_alloc_marked), but a refusal panics with its reason.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn alloc_marked(self, layout: Layout) -> (Mark, NonNull<u8>) {
        let before = self.mark();
        match self.fast(layout) {
            Some(block) => (before, block),
            None => {
                let block = self.grow(layout);
                (Mark(block.as_ptr()), block)
            }
        }
    }

    #[inline(always)]
    fn try_grow(self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        if LOCAL { self.try_look(layout) } else { self.shared().try_grow_there(layout) }
    }

    #[inline(always)]
    #[track_caller]
    pub(super) fn grow(self, layout: Layout) -> NonNull<u8> {
        if LOCAL { self.look(layout) } else { self.shared().grow_there(layout) }
    }

    /// The slow way to room. Without a loop, which would keep the compiler from unrolling one around it.
    #[inline(always)]
    fn try_look(self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let placed = self.store.try_room(self.ptr.get(), layout)?;
        self.advance(placed.next);
        Ok(placed.start)
    }

    /// As [`try_look`](Self::try_look), but a refusal panics with its reason.
    #[inline(always)]
    #[track_caller]
    fn look(self, layout: Layout) -> NonNull<u8> {
        let placed = self.store.room(self.ptr.get(), layout);
        self.advance(placed.next);
        placed.start
    }

    /// Makes the block `[start, start + old)` larger where it stands, if it is the last one and there is room.
    /// Afterwards it is `[start, start + new)`.
    #[inline]
    pub(crate) fn grow_in_place(self, start: NonNull<u8>, old: usize, new: usize) -> bool {
        let old = align_up_wrapping(old, MIN_ALIGN);
        let top = start.as_ptr().wrapping_add(old);
        if top != self.ptr.get() || old == 0 {
            return false;
        }
        let Ok(more) = Layout::from_size_align(align_up_wrapping(new, MIN_ALIGN) - old, 1) else {
            return false;
        };
        let block = match self.fast(more) {
            Some(block) => block,
            // Another chunk is not behind this one.
            None if self.store.chunked => return false,
            None => match self.try_grow(more) {
                Ok(block) => block,
                Err(_) => return false,
            },
        };
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
    pub(crate) unsafe fn shrink_in_place(self, start: NonNull<u8>, old: usize, new: usize) -> bool {
        let top = start.as_ptr().wrapping_add(align_up_wrapping(old, MIN_ALIGN));
        if top != self.ptr.get() {
            return false;
        }
        // The cursor keeps its own pointer: the one that came in may reach no further than its block.
        let keep = start.addr().get() + align_up_wrapping(new, MIN_ALIGN);
        // SAFETY: the block is the last one, so everything above its first `new` bytes is its own.
        unsafe { self.rewind(Mark(self.ptr.get().with_addr(keep))) };
        true
    }

    /// The present moment, to come back to.
    #[inline(always)]
    pub(crate) fn mark(self) -> Mark {
        Mark(self.ptr.get())
    }

    /// Goes back: everything allocated since `mark` is free again. In debug and hardened builds it is poisoned.
    ///
    /// # Safety
    /// The mark is this cursor's, not above its pointer, and nothing allocated since is used any more.
    #[inline]
    pub(crate) unsafe fn rewind(self, mark: Mark) {
        debug_assert!(self.store.chunked || self.store.floor.as_ptr() <= mark.0);
        debug_assert!(mark.0 <= self.ptr.get());
        if HARDENED {
            let size = self.ptr.get().addr() - mark.0.addr();
            // SAFETY: between floor and pointer lies committed memory that nobody uses, by the caller's promise.
            unsafe { mark.0.write_bytes(POISON, size) };
        }
        self.ptr.set(mark.0);
    }

    /// Bytes handed out below the pointer, padding included.
    #[inline]
    pub(crate) fn used(self) -> usize {
        self.store.used_below(self.ptr.get())
    }

    pub(crate) fn tag(self) -> Tag {
        self.store.tag()
    }
}

/// The slow way of pointers that lie in memory anyway.
impl Cursor<'_> {
    #[cold]
    #[inline(never)]
    fn try_grow_there(self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        if self.store.chunked {
            let refill = self.store.floor.cast::<Refill>();
            // SAFETY: it is one, and lasts as long as the store.
            return unsafe { (refill.as_ref().find)(refill, self, layout) };
        }
        // Again after each step, from where the pointer then is: the pressure callbacks of its charge may have
        // allocated here, or made room.
        loop {
            match self.store.place(self.ptr.get(), layout)? {
                Place::At(placed) => {
                    self.advance(placed.next);
                    return Ok(placed.start);
                }
                Place::Missing(step) => step.make(|step| self.store.commit_step(step))?,
            }
        }
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn grow_there(self, layout: Layout) -> NonNull<u8> {
        match self.try_grow_there(layout) {
            Ok(block) => block,
            Err(error) => error.raise(),
        }
    }
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
            store: Store {
                end: Cell::new(end),
                floor: start,
                reached: Cell::new(ptr::null_mut()),
                top: Cell::new(start.as_ptr()),
                region: UnsafeCell::new(ManuallyDrop::new(region)),
                grown: Cell::new(false),
                sealed: false,
                owned: true,
                chunked: false,
            },
        })
    }

    /// Where to allocate.
    #[inline(always)]
    pub(crate) const fn cursor(&self) -> Cursor<'_> {
        // SAFETY: the store's one pointer, which starts at its floor; or one that stays there, while scopes have theirs.
        unsafe { Cursor::new(&self.ptr, &self.store) }
    }

    #[inline(always)]
    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    /// As [`Cursor::try_alloc_marked`], but tells what would have to be committed first instead of doing it. Calls no
    /// code of the program: for an arena behind a lock, which can not be held while a step is charged.
    pub(crate) fn place(&self, layout: Layout) -> Result<Place<(Mark, NonNull<u8>)>, AllocError> {
        let cursor = self.cursor();
        let before = cursor.mark();
        Ok(match self.store.place(before.0, layout)? {
            Place::At(placed) => {
                cursor.advance(placed.next);
                Place::At((before, placed.start))
            }
            Place::Missing(step) => Place::Missing(step),
        })
    }

    /// Commits a step that [`place`](Self::place) asked for and that has been charged.
    pub(crate) fn commit_step(&self, step: Step) -> Result<(), AllocError> {
        self.store.commit_step(step)
    }

    /// Frees everything at once. The pages stay. In debug and hardened builds they are poisoned.
    pub(crate) fn reset(&mut self) {
        self.clear();
        self.publish();
    }

    /// As [`reset`](Self::reset), but the ledger is told later.
    #[inline]
    pub(crate) fn clear(&mut self) {
        let store = &mut self.store;
        store.sealed = false;
        // As `follow_region`, which would ask whether a step is being charged.
        let region = store.region.get_mut();
        store.end.set(region.base().as_ptr().wrapping_add(region.committed()));
        let floor = store.floor.as_ptr();
        // SAFETY: `&mut self` proves that no face that borrows from this bump is left.
        unsafe { self.cursor().rewind(Mark(floor)) };
        if HARDENED {
            self.store.top.set(floor);
        }
    }

    /// Bytes handed out, padding included.
    #[inline]
    pub(crate) fn used(&self) -> usize {
        self.cursor().used()
    }

    pub(crate) fn committed(&self) -> usize {
        self.store.region().committed()
    }

    pub(crate) fn reserved(&self) -> usize {
        self.store.region().reserved()
    }

    pub(crate) fn tag(&self) -> Tag {
        self.store.tag()
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.store.base()
    }

    /// Tells the ledger how much is in use now.
    #[inline]
    pub(crate) fn publish(&mut self) {
        let used = self.used();
        self.store.region.get_mut().publish_live(used);
    }

    /// Tells the ledger that `used` bytes are in use here, and none in another bump of the same tag, which was cleared.
    #[inline]
    pub(crate) fn publish_instead(&mut self, used: usize, cleared: &mut Self) {
        debug_assert!(used == self.used() && cleared.used() == 0);
        self.store.region.get_mut().publish_live_of_two(used, cleared.store.region.get_mut(), 0);
    }

    /// Commits room for `bytes` in all ahead of time.
    #[inline]
    pub(crate) fn try_presize(&mut self, bytes: usize) -> Result<(), AllocError> {
        // What lies below the floor was committed first.
        if bytes <= self.committed() - self.store.floor_offset() {
            return Ok(());
        }
        self.try_commit_ahead(bytes)
    }

    #[cold]
    #[inline(never)]
    fn try_commit_ahead(&mut self, bytes: usize) -> Result<(), AllocError> {
        let floor = self.store.floor_offset();
        let region = self.store.region.get_mut();
        let wanted = bytes.saturating_add(floor).min(region.reserved());
        region.try_grow(wanted)?;
        self.store.follow_region();
        Ok(())
    }

    /// Gives pages above `keep` bytes and above everything allocated back to the system.
    pub(crate) fn try_trim(&mut self, keep: usize) -> Result<(), AllocError> {
        let floor = self.store.floor_offset();
        let in_use = floor + self.used();
        // SAFETY: nothing above the pointer was handed out.
        let answer =
            unsafe { self.store.region.get_mut().try_shrink(in_use.max(keep.saturating_add(floor))) };
        self.store.top.set(self.ptr.get());
        self.store.follow_region();
        answer
    }

    /// Closes the bump until the next reset: every further allocation is refused, except of nothing.
    pub(crate) fn seal(&mut self) {
        self.store.sealed = true;
        self.store.end.set(self.ptr.get());
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.store.sealed
    }

    /// A second owner of the region.
    ///
    /// # Safety
    /// The bump is sealed, and the two owners agree on which of them drops the region.
    pub(crate) unsafe fn region_twin(&self) -> Region {
        debug_assert!(self.is_sealed());
        // SAFETY: reads a region that is not changed while the bump is sealed; the caller settles who drops it.
        unsafe { ptr::read(ptr::from_ref(self.store.region())) }
    }

    /// Leaves the region to its other owner.
    ///
    /// # Safety
    /// Another owner exists and drops it, and nothing of this bump is used any more.
    pub(crate) unsafe fn disown(&mut self) {
        self.store.owned = false;
    }

    /// Changes the access to all committed pages.
    ///
    /// # Safety
    /// As [`Region::try_protect`].
    pub(crate) unsafe fn try_protect(&mut self, access: Access) -> Result<(), AllocError> {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.store.region.get_mut().try_protect(access) }
    }
}
