//! The scratch stack: memory for the length of a scope.
//!
//! ```text
//!   guard ── scope: alloc, alloc ──────── its pointer stays here ────────► alloc: over what the inner one had
//!                           └─ guard ── scope: alloc, alloc ── inner guard drops: nothing to do
//! ```
//!
//! An inner guard borrows the outer scope mutably: while anything that the inner scope allocated can be used the outer
//! one can not allocate, and when it can, nothing above its pointer is used any more. It is the borrow that proves this,
//! so a guard that is forgotten or leaked leaves nothing behind either. ARCHITECTURE.md has the whole argument, pressure
//! callbacks included.
#![expect(unsafe_code, reason = "hands memory out again when the borrow that protects it has ended")]

use core::alloc::Layout;
use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use super::bump::{Bump, Cursor, Mark, Store};
use super::typed::arena_methods;
use crate::ledger::Tag;
use crate::region::{AllocError, Kind, Region, RegionOptions};

/// A stack of short-lived memory. Choose it for what a function needs while it runs: search queues, sorted copies,
/// paths. One per thread; `Send`, not `Sync`.
///
/// ```
/// use arenite::{ScratchStack, Tag};
/// let mut scratch = ScratchStack::try_new(Tag::register("scratch")?, 16 << 20)?;
/// let longest = scratch.scoped(|scope| {
///     let lengths = scope.alloc_slice_fill_with(100, |i| (i * 37) % 101);
///     lengths.sort_unstable();
///     lengths[99]
/// });
/// assert_eq!(longest, 100);
/// assert_eq!(scratch.used(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ScratchStack {
    /// Scopes have pointers of their own; this one stays at the floor.
    bump: Bump,
}

impl ScratchStack {
    /// A stack of at most `reserve` bytes, charged to `tag`.
    ///
    /// # Errors
    /// The address space can not be had.
    #[track_caller]
    pub fn try_new(tag: Tag, reserve: usize) -> Result<Self, AllocError> {
        Self::try_with(RegionOptions::new(tag, reserve))
    }

    /// A stack in a region made as the options say.
    ///
    /// # Errors
    /// The address space can not be had.
    #[track_caller]
    pub fn try_with(options: RegionOptions) -> Result<Self, AllocError> {
        let made = options.made(Kind::ScratchStack);
        Self::try_in(Region::try_reserve(options.of(&made))?)
    }

    pub(crate) fn try_in(region: Region) -> Result<Self, AllocError> {
        Ok(Self { bump: Bump::try_new(region, 0)? })
    }

    /// Opens the stack. What a forgotten guard allocated is free: `&mut self` proves that nobody uses it.
    #[inline]
    pub fn guard(&mut self) -> ScratchGuard<'_> {
        // Growing told the ledger what was in use then; nothing is now.
        self.bump.publish();
        ScratchGuard { store: self.bump.store(), start: self.bump.cursor().mark(), open: None }
    }

    /// Runs `work` with a scope that is freed when it returns or panics.
    #[inline]
    pub fn scoped<R>(&mut self, work: impl FnOnce(&mut Scope<'_>) -> R) -> R {
        work(&mut self.guard().scope())
    }

    /// Bytes in use outside of any guard: none, also after a guard was forgotten. While a guard is open the stack is
    /// borrowed; then [`Scope::used`] tells.
    #[must_use]
    pub fn used(&self) -> usize {
        self.bump.used()
    }

    /// Bytes committed.
    #[must_use]
    pub fn committed(&self) -> usize {
        self.bump.committed()
    }

    /// Bytes reserved.
    #[must_use]
    pub fn reserved(&self) -> usize {
        self.bump.reserved()
    }

    /// Whom the stack is charged to.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.bump.tag()
    }

    /// Commits room for `bytes`, at most for what is reserved, ahead of time.
    ///
    /// # Errors
    /// A budget would be broken, or the system refused.
    pub fn try_presize(&mut self, bytes: usize) -> Result<(), AllocError> {
        self.bump.try_presize(bytes)
    }

    /// Gives committed memory beyond the first `keep` bytes back to the system.
    ///
    /// # Errors
    /// The system refused; the memory stays committed.
    pub fn try_trim(&mut self, keep: usize) -> Result<(), AllocError> {
        drop(self.guard());
        self.bump.try_trim(keep)
    }

    /// Tells the ledger how much is in use now.
    pub fn publish(&mut self) {
        self.bump.publish();
    }
}

/// Frees everything that was allocated through it when it is dropped. Forgetting it frees as much, without running
/// destructors of boxes.
#[derive(Debug)]
#[must_use = "dropping the guard frees its scope"]
pub struct ScratchGuard<'s> {
    store: &'s Store,
    /// Where its scope starts: where the pointer of the scope around it stands for as long as this guard is borrowed
    /// from it.
    start: Mark,
    /// For a stack that is opened through a shared reference: says that it is open.
    open: Option<&'s Cell<bool>>,
}

impl ScratchGuard<'_> {
    /// The scope to allocate in. Called again, it starts over: what an earlier scope of this guard allocated is freed.
    #[inline]
    pub fn scope(&mut self) -> Scope<'_> {
        self.free();
        Scope { ptr: Cell::new(self.start.address()), store: self.store, guard: PhantomData }
    }

    /// There is nothing to do but to make stale pointers visible: the next scope starts below all of it anyway.
    #[inline]
    fn free(&mut self) {
        // SAFETY: the mark is of this store. Everything allocated above it borrows from `scope(&mut self)`, and
        // `&mut self` here proves that those borrows are over.
        unsafe { self.store.poison(self.start) };
    }
}

impl Drop for ScratchGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.free();
        if let Some(open) = self.open {
            open.set(false);
        }
    }
}

/// Where to allocate until its guard is dropped. What is allocated lives as long as the guard is borrowed (`'g`); a
/// nested [`guard`](Self::guard) locks this scope until it is dropped.
///
/// `vec()`, `string()` and the allocator face borrow the scope itself, so that none of them can grow while a nested
/// scope is open. A scope is fastest in the function that opens it: there its pointer stays in a register, as long as
/// no reference to the scope goes to a function that is not inlined.
#[derive(Debug)]
pub struct Scope<'g> {
    /// The next free byte. The scope's own: nobody else allocates above it while the scope can be used.
    ptr: Cell<*mut u8>,
    store: &'g Store,
    /// As if it were the guard's own mutable borrow.
    guard: PhantomData<&'g mut ()>,
}

impl<'g> Scope<'g> {
    arena_methods!('s, 'g, |this| this.local());

    /// For functions that are inlined, down to the last one; see `bump.rs`.
    #[inline(always)]
    fn local(&self) -> Cursor<'_, true> {
        // SAFETY: the pointer started at its guard's mark in this store, when nothing above that was used. Since then only
        // this scope handed anything out: the scope around it is borrowed mutably for as long as the guard is, and a
        // nested guard borrows this one mutably.
        unsafe { Cursor::new(&self.ptr, self.store) }
    }

    #[cfg(feature = "allocator-api2")]
    pub(crate) fn cursor(&self) -> Cursor<'_> {
        self.local().shared()
    }

    /// A nested guard; this scope is locked while it lives.
    #[inline]
    pub fn guard(&mut self) -> ScratchGuard<'_> {
        ScratchGuard { store: self.store, start: self.local().mark(), open: None }
    }

    /// Runs `work` with a nested scope that is freed when it returns or panics.
    #[inline]
    pub fn scoped<R>(&mut self, work: impl FnOnce(&mut Scope<'_>) -> R) -> R {
        work(&mut self.guard().scope())
    }

    /// Moves `value` in and gives it a box that runs its destructor.
    ///
    /// # Panics
    /// The memory can not be had.
    #[inline]
    #[track_caller]
    pub fn alloc_box<T>(&self, value: T) -> ScopeBox<'g, T> {
        let block = self.local().alloc(Layout::new::<T>()).cast::<T>();
        // SAFETY: the block has the layout of `T` and is ours alone.
        unsafe { block.write(value) };
        ScopeBox { value: block, owns: PhantomData }
    }

    /// As [`alloc_box`](Self::alloc_box), with the refusal as a value; `value` is dropped then.
    ///
    /// # Errors
    /// A budget would be broken, the range is used up, or the system refused.
    #[inline]
    pub fn try_alloc_box<T>(&self, value: T) -> Result<ScopeBox<'g, T>, AllocError> {
        let block = self.local().try_alloc(Layout::new::<T>())?.cast::<T>();
        // SAFETY: the block has the layout of `T` and is ours alone.
        unsafe { block.write(value) };
        Ok(ScopeBox { value: block, owns: PhantomData })
    }

    /// Bytes in use on the whole stack.
    #[inline]
    #[must_use]
    pub fn used(&self) -> usize {
        self.local().used()
    }
}

/// Owns a value in a scratch scope, or in a heap arena, and drops it; the memory goes with the scope or the arena.
pub struct ScopeBox<'g, T: ?Sized> {
    value: NonNull<T>,
    owns: PhantomData<(&'g mut (), T)>,
}

// SAFETY: owns its value like a `Box` and knows nothing of the stack it lives in.
unsafe impl<T: ?Sized + Send> Send for ScopeBox<'_, T> {}
// SAFETY: shared, it gives `&T` only.
unsafe impl<T: ?Sized + Sync> Sync for ScopeBox<'_, T> {}

impl<'g, T> ScopeBox<'g, T> {
    /// Owns what was written to `value`.
    ///
    /// # Safety
    /// It is initialised, nobody else's, and its memory lives for `'g`.
    #[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
    pub(super) const unsafe fn of(value: NonNull<T>) -> Self {
        Self { value, owns: PhantomData }
    }

    /// Moves the value out.
    #[must_use]
    pub fn into_inner(this: Self) -> T {
        let this = ManuallyDrop::new(this);
        // SAFETY: initialised, and read once because the box is not dropped.
        unsafe { this.value.read() }
    }

    /// Gives up the destructor and keeps the value for as long as the scope lasts.
    #[must_use]
    pub fn leak(this: Self) -> &'g mut T {
        let this = ManuallyDrop::new(this);
        // SAFETY: initialised, exclusively owned, and its memory lives for `'g`.
        unsafe { &mut *this.value.as_ptr() }
    }
}

impl<T: ?Sized> Drop for ScopeBox<'_, T> {
    fn drop(&mut self) {
        // SAFETY: initialised, owned, dropped once.
        unsafe { self.value.drop_in_place() };
    }
}

impl<T: ?Sized> Deref for ScopeBox<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: initialised, and its memory lives as long as the box.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for ScopeBox<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, borrowed mutably.
        unsafe { self.value.as_mut() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ScopeBox<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for ScopeBox<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

/// A scratch stack that is opened through a shared reference, one guard at a time: how frames and jobs carry theirs.
#[derive(Debug)]
pub struct ScratchSlot {
    stack: UnsafeCell<ScratchStack>,
    open: Cell<bool>,
}

/// The scratch stack is open already: nest a guard in the scope that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScratchBusy;

impl fmt::Display for ScratchBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the scratch stack is open already: nest with `scope.guard()` or drop the open guard first",
        )
    }
}

impl core::error::Error for ScratchBusy {}

impl ScratchSlot {
    /// Wraps a stack.
    #[must_use]
    pub const fn new(stack: ScratchStack) -> Self {
        Self { stack: UnsafeCell::new(stack), open: Cell::new(false) }
    }

    /// Opens the stack.
    ///
    /// # Panics
    /// It is open already.
    #[inline]
    #[track_caller]
    pub fn guard(&self) -> ScratchGuard<'_> {
        match self.try_guard() {
            Ok(guard) => guard,
            Err(busy) => panic!("{busy}"),
        }
    }

    /// Opens the stack.
    ///
    /// # Errors
    /// It is open already.
    #[inline]
    pub fn try_guard(&self) -> Result<ScratchGuard<'_>, ScratchBusy> {
        if self.open.replace(true) {
            return Err(ScratchBusy);
        }
        // SAFETY: `open` was false, so no guard borrows from the stack, and no other method hands out a reference.
        let bump = unsafe { &(*self.stack.get()).bump };
        Ok(ScratchGuard { store: bump.store(), start: bump.cursor().mark(), open: Some(&self.open) })
    }

    /// The stack itself. Frees whatever a forgotten guard left on it: `&mut self` proves that nobody uses it.
    pub fn get_mut(&mut self) -> &mut ScratchStack {
        self.open.set(false);
        let stack = self.stack.get_mut();
        drop(stack.guard());
        stack
    }

    /// Closes what a forgotten guard left open.
    ///
    /// # Safety
    /// No guard of this slot is in use.
    #[inline]
    pub(crate) unsafe fn close_forgotten(&self) {
        if self.open.get() {
            // SAFETY: no guard is in use by the caller's promise, so this is the only reference.
            drop(unsafe { &mut *self.stack.get() }.guard());
            self.open.set(false);
        }
    }

    /// Bytes committed and reserved.
    pub(crate) fn figures(&self) -> (usize, usize) {
        // SAFETY: guards hold shared references to the bump only, and this is one more.
        let bump = unsafe { &(*self.stack.get()).bump };
        (bump.committed(), bump.reserved())
    }
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
