//! What bump pointers go up through: a region, how far it is committed, and the slow path that commits more.
//!
//! ```text
//! Store::try_room (by value: the pointer of a scope is not to be shown; see `bump.rs`)
//!   └─ loop: place → Region::next_step → ledger (callbacks!) → Region::commit_step → os
//! ```
#![expect(unsafe_code, reason = "changes a region that it shares with its cursors")]

use core::alloc::Layout;
use core::cell::{Cell, UnsafeCell};
use core::mem::ManuallyDrop;
use core::ptr::{self, NonNull};

use super::bump::Cursor;
use crate::base::{HARDENED, POISON};
use crate::ledger::Tag;
use crate::region::{AllocError, Region, Step};

/// Every block starts at a multiple of this many bytes, and every size is rounded up to one.
pub(crate) const MIN_ALIGN: usize = 8;

/// The memory that pointers go up through: a region, and how far it may be used.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Store {
    /// The end of what may be handed out without asking the region: its committed watermark.
    pub(super) end: Cell<*mut u8>,
    /// Where the first block starts; below it lies what the owner keeps at the start of the region. (But see `chunked`.)
    pub(super) floor: NonNull<u8>,
    /// While a step is charged: how far the blocks reach that pressure callbacks allocated meanwhile. Null otherwise.
    /// A scope that charges has given its pointer by value and does not see it move; so `end` is null for that time, and
    /// every allocation comes by [`place`](Self::place), which notes it here.
    pub(super) reached: Cell<*mut u8>,
    /// In debug and hardened builds: nothing above this was handed out since it was last poisoned. A scope's pointer
    /// goes away with the scope, and its guard has to know how far it came.
    pub(super) top: Cell<*mut u8>,
    /// Touched by the slow path and by `&mut self` only, never by the fast path. Dropped with the store unless
    /// `disown` was called.
    pub(super) region: UnsafeCell<ManuallyDrop<Region>>,
    /// Pages were committed for a block that is not placed yet: then the ledger learns how much is in use.
    pub(super) grown: Cell<bool>,
    /// Another owner may read what was allocated: nothing is handed out, committed or given back any more. Then
    /// `end` is where the pointer is, so that the fast path need not ask.
    pub(super) sealed: bool,
    /// Whether `region` is still this store's to drop.
    pub(super) owned: bool,
    /// Of an arena of chunks: `floor` is a [`Refill`], which lasts as long as the store, the region has no bytes, `end` is
    /// where the present chunk ends, and the pointer moves from chunk to chunk.
    pub(super) chunked: bool,
}

/// Finds room that a pointer does not have where it is: what an arena of chunks begins with.
#[derive(Debug)]
pub(super) struct Refill {
    /// Room for the layout; the pointer may lie elsewhere afterwards. To be called with the place that this was read from.
    pub(super) find: Find,
}

type Find = unsafe fn(NonNull<Refill>, Cursor<'_>, Layout) -> Result<NonNull<u8>, AllocError>;

/// A moment to rewind to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(pub(super) *mut u8);

impl Mark {
    /// Where the next block would have been placed.
    #[inline(always)]
    pub(super) const fn address(self) -> *mut u8 {
        self.0
    }
}

/// Where a block is to lie: it is not taken before the pointer is moved to `next`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) start: NonNull<u8>,
    pub(super) next: *mut u8,
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
    pub(super) fn place(&self, ptr: *mut u8, layout: Layout) -> Result<Place<Placed>, AllocError> {
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
    pub(super) fn try_room(&self, ptr: *mut u8, layout: Layout) -> Result<Placed, AllocError> {
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
    pub(super) fn room(&self, ptr: *mut u8, layout: Layout) -> Placed {
        match self.try_room(ptr, layout) {
            Ok(placed) => placed,
            Err(error) => error.raise(),
        }
    }

    /// Commits a step that [`place`](Self::place) asked for and that has been charged.
    pub(super) fn commit_step(&self, step: Step) -> Result<(), AllocError> {
        // SAFETY: one thread at a time (not `Sync`), and while this reference lives nothing is called that could come
        // back here: the pressure callbacks are over.
        let region = unsafe { &mut *self.region.get() };
        let answer = region.commit_step(step);
        self.grown.set(true);
        self.follow_region();
        answer
    }

    /// The region has committed or given back pages.
    pub(super) fn follow_region(&self) {
        if !self.reached.get().is_null() {
            return;
        }
        let region = self.region();
        self.end.set(region.base().as_ptr().wrapping_add(region.committed()));
    }

    /// Bytes of the region below the first block.
    pub(super) fn floor_offset(&self) -> usize {
        self.floor.as_ptr().addr() - self.base().as_ptr().addr()
    }

    /// Tells the ledger that what lies below `ptr` is in use now.
    pub(super) fn publish(&self, ptr: *mut u8) {
        // SAFETY: as in `commit_step`; publishing runs no callback.
        unsafe { &mut *self.region.get() }.publish_live(self.used_below(ptr));
    }

    #[inline]
    pub(super) fn used_below(&self, ptr: *mut u8) -> usize {
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
    pub(super) fn region(&self) -> &Region {
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
