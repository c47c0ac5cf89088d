//! Values of one type in a shared pool.
#![expect(unsafe_code, reason = "writes values into blocks and drops them there")]

use core::alloc::Layout;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::ptr::NonNull;

use super::SharedBlockStats;
use super::raw::{Core, Marks};
use crate::ledger::Tag;
use crate::pool::boxed::box_face;
use crate::pool::{InsertError, PoolOptions};
use crate::region::{AllocError, Kind};

/// Boxes for values of one type, made and dropped by many threads. Choose it over [`Box`](https://doc.rust-lang.org/std/boxed/struct.Box.html)
/// where a value is made on one thread and dropped on another; `Send` and `Sync`. Costs and capacity are those of
/// [`SharedBlockPool`](super::SharedBlockPool). The boxes borrow the pool; [`into_owner`](Self::into_owner) makes one whose
/// boxes do not.
///
/// ```
/// use arenite::{SharedPool, Tag};
/// let pool = SharedPool::<String>::try_new(Tag::register("names")?, 1000)?;
/// let name = pool.insert("ada".to_owned());
/// std::thread::scope(|threads| {
///     threads.spawn(|| assert_eq!(name.len(), 3));
/// });
/// assert_eq!(pool.live(), 1);
/// assert_eq!(name.into_inner(), "ada");
/// assert_eq!(pool.live(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SharedPool<T> {
    core: Core,
    /// The pool owns no value: what is in a block belongs to its box. So it may be shared whatever `T` is.
    of: PhantomData<fn() -> T>,
}

/// A block that no value is in yet; goes back if there never is one.
pub(super) struct Vacant<'p> {
    core: &'p Core,
    pub(super) start: NonNull<u8>,
}

impl Vacant<'_> {
    /// There is a value in it now.
    #[inline(always)]
    pub(super) fn filled(self) -> NonNull<u8> {
        ManuallyDrop::new(self).start
    }
}

impl Drop for Vacant<'_> {
    #[inline]
    fn drop(&mut self) {
        self.core.release(self.core.block_of(self.start));
    }
}

impl<T> SharedPool<T> {
    /// A pool of `capacity` values, charged to `tag`.
    ///
    /// # Errors
    /// As [`try_with`](Self::try_with).
    #[track_caller]
    pub fn try_new(tag: Tag, capacity: usize) -> Result<Self, AllocError> {
        Self::try_with(PoolOptions::new(tag, capacity))
    }

    /// A pool made as the options say.
    ///
    /// # Errors
    /// As [`SharedBlockPool::try_with`](super::SharedBlockPool::try_with).
    #[track_caller]
    pub fn try_with(options: PoolOptions) -> Result<Self, AllocError> {
        let made = options.made(Kind::SharedPool);
        let core = Core::try_new(options.of(&made), Layout::new::<T>(), Marks::None)?;
        Ok(Self { core, of: PhantomData })
    }

    #[inline]
    pub(super) fn vacant(&self) -> Result<Vacant<'_>, AllocError> {
        let block = self.core.acquire()?;
        Ok(Vacant { core: &self.core, start: self.core.address(block) })
    }

    /// Takes the block of a value back that is gone.
    #[inline]
    pub(super) fn release(&self, value: NonNull<T>) {
        self.core.release(self.core.block_of(value.cast()));
    }

    /// Moves a value in. O(1).
    ///
    /// # Panics
    /// All places are taken, or the memory can not be had.
    #[inline]
    #[track_caller]
    pub fn insert(&self, value: T) -> SharedBox<'_, T> {
        match self.try_insert(value) {
            Ok(value) => value,
            Err(refused) => refused.error.raise(),
        }
    }

    /// Moves a value in. O(1).
    ///
    /// # Errors
    /// All places are taken, a budget would be broken, or the system refused. The value comes back in the error, and the
    /// pool is as it was.
    #[inline]
    pub fn try_insert(&self, value: T) -> Result<SharedBox<'_, T>, InsertError<T>> {
        let vacant = match self.vacant() {
            Ok(vacant) => vacant,
            Err(error) => return Err(InsertError { value, error }),
        };
        // SAFETY: a block of the layout of `T` that is ours alone.
        unsafe { vacant.start.cast::<T>().write(value) };
        Ok(SharedBox { pool: self, value: vacant.filled().cast() })
    }

    /// Makes a value in place. `init` may itself use the pool.
    ///
    /// # Panics
    /// As [`insert`](Self::insert), and whatever `init` panics with; its place is free again then.
    #[inline]
    #[track_caller]
    pub fn insert_with(&self, init: impl FnOnce() -> T) -> SharedBox<'_, T> {
        match self.try_insert_with(init) {
            Ok(value) => value,
            Err(error) => error.raise(),
        }
    }

    /// Makes a value in place.
    ///
    /// # Errors
    /// As [`try_insert`](Self::try_insert); `init` has not been called.
    #[inline]
    pub fn try_insert_with(&self, init: impl FnOnce() -> T) -> Result<SharedBox<'_, T>, AllocError> {
        let vacant = self.vacant()?;
        // SAFETY: a block of the layout of `T` that is ours alone; if `init` panics, it goes back with nothing in it.
        unsafe { vacant.start.cast::<T>().write(init()) };
        Ok(SharedBox { pool: self, value: vacant.filled().cast() })
    }

    /// How many values there can always be at the same time.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.core.capacity()
    }

    /// Values there are, approximately; see [`SharedBlockStats::live`]. O(threads).
    #[must_use]
    pub fn live(&self) -> usize {
        self.core.live()
    }

    /// Figures of this moment. O(threads), a short lock.
    #[must_use]
    pub fn stats(&self) -> SharedBlockStats {
        SharedBlockStats::of(&self.core)
    }

    /// Tells the ledger how much is in use now. O(threads), a short lock.
    pub fn publish(&self) {
        self.core.publish();
    }

    /// Whom the pool is charged to.
    #[inline]
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.core.tag()
    }

    /// Frees the places of values that were leaked or forgotten, without dropping them, and gives the memory back. As
    /// [`SharedBlockPool::free_all`](super::SharedBlockPool::free_all).
    pub fn free_all(&mut self) {
        // SAFETY: boxes and what leaked out of them borrow the pool.
        unsafe { self.core.free_all() };
    }
}

impl<T> fmt::Debug for SharedPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedPool").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// A value in a [`SharedPool`]; dropped, and its place free, when this is. `Send` and `Sync` if `T` is.
pub struct SharedBox<'p, T> {
    pool: &'p SharedPool<T>,
    /// A value that is this box's alone.
    value: NonNull<T>,
}

// SAFETY: it owns a `T`; the pool is `Sync`.
unsafe impl<T: Send> Send for SharedBox<'_, T> {}
// SAFETY: `&self` gives `&T` only.
unsafe impl<T: Sync> Sync for SharedBox<'_, T> {}

impl<'p, T> SharedBox<'p, T> {
    /// Moves the value out; its place is free.
    #[inline]
    #[must_use]
    pub fn into_inner(self) -> T {
        let this = ManuallyDrop::new(self);
        // SAFETY: the value is ours, and after this nobody looks at it again.
        let value = unsafe { this.value.read() };
        this.pool.release(this.value);
        value
    }

    /// Keeps the value as long as the pool; it is never dropped.
    #[inline]
    #[must_use]
    pub fn leak(self) -> &'p mut T {
        let this = ManuallyDrop::new(self);
        // SAFETY: the value is ours, its place is not given back any more, and the pool is borrowed for as long.
        unsafe { &mut *this.value.as_ptr() }
    }
}

impl<T> SharedBox<'static, T> {
    /// Pins the value. Only of a pool that is never dropped, because forgetting a box of another one would let the pool
    /// take the memory away without dropping the value.
    #[inline]
    #[must_use]
    pub fn into_pin(self) -> Pin<Self> {
        // SAFETY: the value stays where it is until this box drops it; if the box is forgotten the place is never used
        // again, as the pool is borrowed for ever.
        unsafe { Pin::new_unchecked(self) }
    }
}

impl<T> Drop for SharedBox<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Gives the place back after the value is dropped, also when that panics.
        let _vacant = Vacant { core: &self.pool.core, start: self.value.cast() };
        // SAFETY: the value is ours, and this is the only drop.
        unsafe { self.value.drop_in_place() };
    }
}

box_face!(SharedBox<'_, T>, |this| this.value);
