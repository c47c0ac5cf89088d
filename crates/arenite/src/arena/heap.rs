//! The heap arena: grows by pages of a named heap, and goes back to where it was.
//!
//! ```text
//!   HeapArena: alloc, alloc ─ guard ── scope: alloc ─ guard ── scope: alloc … (chunks.rs finds more)
//!                                        ◄── inner guard drops: back to here, the chunks taken since are spare
//!   reset: all blocks gone, chunks kept       clear: the chunks go back to the heap, spare ones too
//! ```
//!
//! One pointer for all scopes, in the arena. That a scope's blocks are gone when its guard is, and no earlier, is proved by
//! borrows, as for the scratch stack: an inner guard borrows the scope around it mutably.
#![expect(unsafe_code, reason = "hands memory out again when the borrow that protects it has ended")]

use core::alloc::Layout;
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::bump::{Cursor, Store};
use super::chunks::{Chunks, Spot};
use super::scratch::ScopeBox;
use super::typed::arena_methods;
use crate::heap::named::Heap;
use crate::ledger::Tag;
use crate::region::{AllocError, Kind, Made};

/// A growing arena over the pages of a [`Heap`]: blocks of any size and alignment, a few instructions each, freed together.
/// Choose it where the amount is not known and no address space is to be set aside for it, and for what has the life of a
/// part of a level. It takes chunks of 16 KiB to 1 MiB as it grows; a large block gets one of its own. `Send`, not `Sync`.
///
/// | | blocks | pages |
/// |---|---|---|
/// | [`reset`](Self::reset) | all gone | kept for the next ones |
/// | [`clear`](Self::clear) | all gone | back to the heap |
/// | [`guard`](Self::guard), [`scoped`](Self::scoped), [`release`](Self::release) | those since then gone | kept |
/// | [`trim`](Self::trim) | stay | those that no block needs go back |
///
/// Types with a destructor do not compile in `alloc`; [`alloc_box`](Self::alloc_box) is for them. It has a handle of its
/// heap, which can not be discarded before the arena is gone.
///
/// ```
/// use arenite::{Heap, HeapArena};
///
/// let level = Heap::try_named("example/quests")?;
/// let mut arena = HeapArena::try_new(&level)?;
/// let names = arena.alloc_slice_copy(&["key", "door"]);
/// assert_eq!(names.len(), 2);
///
/// arena.reset();
/// let total = arena.scoped(|scope| {
///     let costs = scope.alloc_slice_fill_with(100_000, |at| at as u64);
///     costs.iter().sum::<u64>()
/// });
/// assert_eq!((total, arena.used()), (4_999_950_000, 0));
/// arena.clear();
/// assert_eq!(arena.stats().committed, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct HeapArena {
    /// The next free byte.
    ptr: Cell<*mut u8>,
    store: Store,
    chunks: NonNull<Chunks>,
}

// SAFETY: it owns its chunks, and the heap serves all threads. What was allocated is borrowed from it, which takes care of
// `Send` by the methods' signatures.
unsafe impl Send for HeapArena {}

/// Figures of a [`HeapArena`]. Sizes are bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HeapArenaStats {
    /// Handed out, padding included.
    pub used: usize,
    /// The most that was in use at a release, a reset or now.
    pub high_water: usize,
    /// Taken from the heap, spare chunks included.
    pub committed: usize,
    /// In how many chunks.
    pub chunks: usize,
}

/// A moment of a [`HeapArena`] to go back to; made by [`HeapArena::mark`].
#[derive(Clone, Copy, Debug)]
pub struct HeapMark {
    spot: Spot,
    /// Of the chunk that was taken last then, and of the arena.
    stamp: u64,
    arena: u64,
}

/// The mark is of another arena, or of a moment that the arena went back behind since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaleMark;

impl fmt::Display for StaleMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the mark is of another arena, or the arena went back behind it since: take a new one")
    }
}

impl core::error::Error for StaleMark {}

impl HeapArena {
    arena_methods!('s, 's, |this| this.cursor());

    /// An empty arena, which takes its memory from this heap: at once only a small block for itself.
    ///
    /// # Errors
    /// A budget would be broken, the heap's range is used up, or the system refused.
    #[track_caller]
    pub fn try_new(heap: &Heap) -> Result<Self, AllocError> {
        let (chunks, start) = Chunks::try_new(heap.clone(), Made::here(Kind::HeapArena, heap.tag()))?;
        // SAFETY: they go when the arena is dropped.
        let store = unsafe { Store::of_chunks(chunks) };
        Ok(Self { ptr: Cell::new(start), store, chunks })
    }

    #[inline(always)]
    pub(crate) const fn cursor(&self) -> Cursor<'_> {
        // SAFETY: the store's one pointer. Nothing above it in its chunk is in use.
        unsafe { Cursor::new(&self.ptr, &self.store) }
    }

    #[inline(always)]
    fn chunks(&self) -> &Chunks {
        // SAFETY: they last as long as the arena.
        unsafe { self.chunks.as_ref() }
    }

    /// Opens a scope that ends when the guard is dropped: what was allocated in it is freed then, and nothing else.
    ///
    /// Forgetting the guard does no harm, but frees nothing before a guard around it, or a reset, does.
    #[inline]
    pub fn guard(&mut self) -> HeapGuard<'_> {
        HeapGuard::new(self)
    }

    /// Runs `work` with a scope that is freed when it returns or panics.
    #[inline]
    pub fn scoped<R>(&mut self, work: impl FnOnce(&mut HeapScope<'_>) -> R) -> R {
        work(&mut self.guard().fresh())
    }

    /// The present moment, for [`release`](Self::release).
    #[must_use]
    pub fn mark(&self) -> HeapMark {
        let chunks = self.chunks();
        HeapMark { spot: chunks.spot(self.ptr.get()), stamp: chunks.stamp_of_top(), arena: chunks.stamp }
    }

    /// Goes back to a moment: what was allocated since is gone, and what was allocated before lies where it did. For what is
    /// not bound to a scope of the program; nothing that was allocated can be borrowed meanwhile. O(chunks).
    ///
    /// # Panics
    /// The mark is stale; see [`StaleMark`].
    #[track_caller]
    pub fn release(&mut self, mark: HeapMark) {
        if let Err(stale) = self.try_release(mark) {
            panic!("{stale}");
        }
    }

    /// As [`release`](Self::release), with the refusal as a value.
    ///
    /// # Errors
    /// [`StaleMark`]. Nothing has changed then.
    pub fn try_release(&mut self, mark: HeapMark) -> Result<(), StaleMark> {
        if mark.arena != self.chunks().stamp
            || !self.chunks().is_below(&mark.spot, mark.stamp, self.ptr.get())
        {
            return Err(StaleMark);
        }
        // SAFETY: asked a line ago; `&mut self` proves that nothing of this arena is used.
        unsafe { self.chunks().release_to(self.cursor(), mark.spot) };
        Ok(())
    }

    /// Frees everything at once. The pages stay for what comes next. O(chunks). In debug and hardened builds they are
    /// poisoned.
    pub fn reset(&mut self) {
        // SAFETY: nothing is below the bottom, and `&mut self` proves that nothing of this arena is used.
        unsafe { self.chunks().release_to(self.cursor(), Chunks::bottom()) };
    }

    /// As [`reset`](Self::reset), and gives all pages back to the heap, spare ones too. Answers how many bytes.
    pub fn clear(&mut self) -> usize {
        self.reset();
        self.trim()
    }

    /// Gives pages back to the heap that no block needs at the moment. Answers how many bytes.
    pub fn trim(&mut self) -> usize {
        self.chunks().give_spares()
    }

    /// Bytes handed out, padding included.
    #[must_use]
    pub fn used(&self) -> usize {
        self.chunks().used(self.ptr.get())
    }

    /// Figures of this moment. O(1).
    #[must_use]
    pub fn stats(&self) -> HeapArenaStats {
        let (committed, chunks) = self.chunks().held();
        HeapArenaStats {
            used: self.used(),
            high_water: self.chunks().high_water(self.ptr.get()),
            committed,
            chunks,
        }
    }

    /// The heap that it takes its memory from.
    #[must_use]
    pub fn heap(&self) -> &Heap {
        &self.chunks().heap
    }

    /// Whom the arena is charged to: its heap's tag.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.store.tag()
    }

    /// Moves `value` in and gives it a box that runs its destructor. The memory goes with the arena's.
    ///
    /// # Panics
    /// The memory can not be had.
    #[inline]
    #[track_caller]
    pub fn alloc_box<T>(&self, value: T) -> ScopeBox<'_, T> {
        // SAFETY: the box borrows the arena, which is not reset meanwhile.
        unsafe { boxed(self.cursor().alloc(Layout::new::<T>()), value) }
    }

    /// As [`alloc_box`](Self::alloc_box), with the refusal as a value; `value` is dropped then.
    ///
    /// # Errors
    /// A budget would be broken, the heap's range is used up, or the system refused.
    #[inline]
    pub fn try_alloc_box<T>(&self, value: T) -> Result<ScopeBox<'_, T>, AllocError> {
        // SAFETY: as above.
        Ok(unsafe { boxed(self.cursor().try_alloc(Layout::new::<T>())?, value) })
    }
}

/// # Safety
/// A block for a `T` that is nobody else's, and stays for `'b`.
#[inline(always)]
unsafe fn boxed<'b, T>(block: NonNull<u8>, value: T) -> ScopeBox<'b, T> {
    // SAFETY: the caller's promise.
    unsafe {
        block.cast::<T>().write(value);
        ScopeBox::of(block.cast())
    }
}

impl Drop for HeapArena {
    fn drop(&mut self) {
        self.clear();
        // SAFETY: the arena's own, and not used any more.
        unsafe { Chunks::release(self.chunks) };
    }
}

/// Frees everything that was allocated through it when it is dropped; made by [`HeapArena::guard`] and
/// [`HeapScope::guard`].
#[derive(Debug)]
#[must_use = "dropping the guard frees its scope"]
pub struct HeapGuard<'a> {
    arena: &'a HeapArena,
    /// Where its scope starts.
    spot: Spot,
    /// As if it were the arena's own mutable borrow.
    exclusive: PhantomData<&'a mut HeapArena>,
}

impl<'a> HeapGuard<'a> {
    #[inline]
    fn new(arena: &'a HeapArena) -> Self {
        Self { arena, spot: arena.chunks().spot(arena.ptr.get()), exclusive: PhantomData }
    }

    /// The scope to allocate in. Called again, it starts over: what an earlier scope of this guard allocated is freed.
    #[inline]
    pub fn scope(&mut self) -> HeapScope<'_> {
        self.free();
        HeapScope { arena: self.arena, guard: PhantomData }
    }

    /// The first scope: nothing was allocated since the guard was made.
    #[inline]
    fn fresh(&mut self) -> HeapScope<'_> {
        HeapScope { arena: self.arena, guard: PhantomData }
    }

    #[inline]
    fn free(&mut self) {
        // SAFETY: what was allocated since the guard was made borrows from `scope(&mut self)`, and `&mut self` here proves
        // that those borrows are over. The guard has the arena's mutable borrow, or that of the scope around it, so nobody
        // went back behind its spot.
        unsafe { self.arena.chunks().release_to(self.arena.cursor(), self.spot) };
    }
}

impl Drop for HeapGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.free();
    }
}

/// Where to allocate until its guard is dropped. What is allocated lives as long as the guard is borrowed (`'g`); a nested
/// [`guard`](Self::guard) locks this scope until it is dropped. `vec()`, `string()` and the allocator face borrow the scope
/// itself, so that none of them can grow while a nested scope is open.
#[derive(Debug)]
pub struct HeapScope<'g> {
    arena: &'g HeapArena,
    /// As if it were the guard's own mutable borrow.
    guard: PhantomData<&'g mut ()>,
}

impl<'g> HeapScope<'g> {
    arena_methods!('s, 'g, |this| this.cursor());

    #[inline(always)]
    pub(crate) const fn cursor(&self) -> Cursor<'_> {
        self.arena.cursor()
    }

    /// A nested guard; this scope is locked while it lives.
    #[inline]
    pub fn guard(&mut self) -> HeapGuard<'_> {
        HeapGuard::new(self.arena)
    }

    /// Runs `work` with a nested scope that is freed when it returns or panics.
    #[inline]
    pub fn scoped<R>(&mut self, work: impl FnOnce(&mut HeapScope<'_>) -> R) -> R {
        work(&mut self.guard().fresh())
    }

    /// As [`HeapArena::alloc_box`].
    ///
    /// # Panics
    /// The memory can not be had.
    #[inline]
    #[track_caller]
    pub fn alloc_box<T>(&self, value: T) -> ScopeBox<'g, T> {
        // SAFETY: the guard, for which the box lives, frees nothing before.
        unsafe { boxed(self.cursor().alloc(Layout::new::<T>()), value) }
    }

    /// As [`HeapArena::try_alloc_box`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn try_alloc_box<T>(&self, value: T) -> Result<ScopeBox<'g, T>, AllocError> {
        // SAFETY: as above.
        Ok(unsafe { boxed(self.cursor().try_alloc(Layout::new::<T>())?, value) })
    }

    /// Bytes in use in the whole arena.
    #[inline]
    #[must_use]
    pub fn used(&self) -> usize {
        self.arena.used()
    }
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
