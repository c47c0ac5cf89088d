//! The raw core of every arena: a pointer that goes up through a region.
//!
//! ```text
//! alloc (inline: load, align, compare, store)
//!   └─ miss: Store::try_room (cold), loop: place → Region::next_step → ledger (callbacks!) → Region::commit_step → os
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

use crate::base::align::align_up_wrapping;
use crate::base::{HARDENED, POISON};
use crate::ledger::Tag;
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
    store: Store,
}

/// The memory that pointers go up through: a region, and how far it may be used.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Store {
    /// The end of what may be handed out without asking the region: its committed watermark.
    end: Cell<*mut u8>,
    /// Where the first block starts; below it lies what the owner keeps at the start of the region.
    floor: NonNull<u8>,
    /// While a step is charged: how far the blocks reach that pressure callbacks allocated meanwhile. Null otherwise.
    /// A scope that charges has given its pointer by value and does not see it move; so `end` is null for that time, and
    /// every allocation comes by [`place`](Self::place), which notes it here.
    reached: Cell<*mut u8>,
    /// In debug and hardened builds: nothing above this was handed out since it was last poisoned. A scope's pointer
    /// goes away with the scope, and its guard has to know how far it came.
    top: Cell<*mut u8>,
    /// Touched by the slow path and by `&mut self` only, never by the fast path. Dropped with the store unless
    /// `disown` was called.
    region: UnsafeCell<ManuallyDrop<Region>>,
    /// Pages were committed for a block that is not placed yet: then the ledger learns how much is in use.
    grown: Cell<bool>,
    /// Another owner may read what was allocated: nothing is handed out, committed or given back any more. Then
    /// `end` is where the pointer is, so that the fast path need not ask.
    sealed: bool,
    /// Whether `region` is still this store's to drop.
    owned: bool,
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

/// A moment to rewind to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(*mut u8);

impl Mark {
    /// Where the next block would have been placed.
    #[inline(always)]
    pub(super) const fn address(self) -> *mut u8 {
        self.0
    }
}

/// Where a block is to lie: it is not taken before the pointer is moved to `next`.
#[derive(Clone, Copy, Debug)]
struct Placed {
    start: NonNull<u8>,
    next: *mut u8,
}

/// What there is for a block.
pub(crate) enum Place<B> {
    /// This.
    At(B),
    /// Nothing yet: this must be committed first.
    Missing(Step),
}

impl Store {
    /// Looks for room above `ptr`, for every layout; tells what would have to be committed first. Calls no code of the
    /// program, so that the pointer is still where it was when this answers.
    fn place(&self, ptr: *mut u8, layout: Layout) -> Result<Place<Placed>, AllocError> {
        let region = self.region();
        let base = region.base().as_ptr();
        let tag = region.tag();
        if self.sealed {
            return Err(AllocError::Sealed { tag });
        }
        let too_large = AllocError::TooLarge { tag };
        let start = ptr.addr().checked_next_multiple_of(layout.align()).ok_or(too_large)?;
        let size = layout.size().checked_next_multiple_of(MIN_ALIGN).ok_or(too_large)?;
        let next = start.checked_add(size).ok_or(too_large)?;
        if let Some(step) = region.next_step(next - base.addr())? {
            return Ok(Place::Missing(step));
        }
        if self.grown.replace(false) {
            self.publish(base.with_addr(next));
        }
        let next = base.with_addr(next);
        if !self.reached.get().is_null() {
            self.reached.set(self.reached.get().max(next));
        }
        // SAFETY: at or above the pointer, which is never null.
        let start = unsafe { NonNull::new_unchecked(base.with_addr(start)) };
        Ok(Place::At(Placed { start, next }))
    }

    /// Room above `ptr`, which is not moved yet; commits what is missing. By value, see the top of this file.
    #[cold]
    #[inline(never)]
    fn try_room(&self, ptr: *mut u8, layout: Layout) -> Result<Placed, AllocError> {
        let mut from = ptr;
        loop {
            match self.place(from, layout)? {
                Place::At(placed) => return Ok(placed),
                // Again after each step: the pressure callbacks of its charge may have allocated here.
                Place::Missing(step) => {
                    let watch = Watch::new(self, from);
                    step.make(|step| self.commit_step(step))?;
                    from = watch.reached();
                }
            }
        }
    }

    /// As [`try_room`](Self::try_room), but a refusal panics with its reason. The answer fits two registers.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn room(&self, ptr: *mut u8, layout: Layout) -> Placed {
        match self.try_room(ptr, layout) {
            Ok(placed) => placed,
            Err(error) => error.raise(),
        }
    }

    /// Commits a step that [`place`](Self::place) asked for and that has been charged.
    fn commit_step(&self, step: Step) -> Result<(), AllocError> {
        // SAFETY: one thread at a time (not `Sync`), and while this reference lives nothing is called that could come
        // back here: the pressure callbacks are over.
        let region = unsafe { &mut *self.region.get() };
        let answer = region.commit_step(step);
        self.grown.set(true);
        self.follow_region();
        answer
    }

    /// The region has committed or given back pages.
    fn follow_region(&self) {
        if !self.reached.get().is_null() {
            return;
        }
        let region = self.region();
        self.end.set(region.base().as_ptr().wrapping_add(region.committed()));
    }

    /// Bytes of the region below the first block.
    fn floor_offset(&self) -> usize {
        self.floor.as_ptr().addr() - self.base().as_ptr().addr()
    }

    /// Tells the ledger that what lies below `ptr` is in use now.
    fn publish(&self, ptr: *mut u8) {
        // SAFETY: as in `commit_step`; publishing runs no callback.
        unsafe { &mut *self.region.get() }.publish_live(self.used_below(ptr));
    }

    #[inline]
    fn used_below(&self, ptr: *mut u8) -> usize {
        ptr.addr() - self.floor.as_ptr().addr()
    }

    /// Poisons everything from `mark` to the highest byte that was handed out, in debug and hardened builds.
    ///
    /// # Safety
    /// The mark is of this store, and nothing above it is used any more.
    #[inline(always)]
    pub(super) unsafe fn poison(&self, mark: Mark) {
        if HARDENED && mark.0 < self.top.get() {
            // SAFETY: from a moment of this store to what it has handed out lies committed memory that nobody uses, by
            // the caller's promise.
            unsafe { mark.0.write_bytes(POISON, self.top.get().addr() - mark.0.addr()) };
            self.top.set(mark.0);
        }
    }

    /// The region's figures, without touching what is allocated.
    #[inline]
    fn region(&self) -> &Region {
        // SAFETY: the only `&mut Region` are made by functions that call nothing that could come back here, and by
        // `&mut self` methods.
        unsafe { &*self.region.get() }
    }

    pub(crate) fn tag(&self) -> Tag {
        self.region().tag()
    }

    pub(super) fn base(&self) -> NonNull<u8> {
        self.region().base()
    }
}

/// Watches what pressure callbacks allocate in a store while a step of it is charged for a pointer that is not seen.
struct Watch<'s> {
    store: &'s Store,
    /// A callback's own step may be charged inside.
    outermost: bool,
}

impl<'s> Watch<'s> {
    fn new(store: &'s Store, from: *mut u8) -> Self {
        let outermost = store.reached.get().is_null();
        store.reached.set(store.reached.get().max(from));
        store.end.set(ptr::null_mut());
        Self { store, outermost }
    }

    /// Nothing at or above this has been handed out.
    fn reached(&self) -> *mut u8 {
        self.store.reached.get()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if self.outermost {
            self.store.reached.set(ptr::null_mut());
            self.store.follow_region();
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.owned {
            // SAFETY: dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(self.region.get_mut()) };
        }
    }
}

impl<'b, const LOCAL: bool> Cursor<'b, LOCAL> {
    /// The pointer lies in what `store` may hand out, and all that is used of it above the pointer may be overwritten:
    /// whoever makes a cursor vouches for that with its borrows.
    #[inline(always)]
    pub(super) const fn new(ptr: &'b Cell<*mut u8>, store: &'b Store) -> Self {
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
        debug_assert!(self.store.floor.as_ptr() <= mark.0 && mark.0 <= self.ptr.get());
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
            },
        })
    }

    /// Where to allocate.
    #[inline(always)]
    pub(crate) const fn cursor(&self) -> Cursor<'_> {
        Cursor::new(&self.ptr, &self.store)
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
