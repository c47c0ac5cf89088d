//! Values of one type, each in a slot of its own, for one thread: bullets, events, tree nodes. Choose
//! [`HandlePool`](super::HandlePool) for what others refer to, [`SharedPool`](super::SharedPool) where several threads make
//! values, an arena where all of them go at once.
//!
//! ```text
//! insert      ─► Slots::take ─► write                      PoolBox dropped ─► drop the value ─► Slots::give
//! insert_with ─► Slots::take ─► init() writes in place ─► (panics: Slots::give)
//! ```
#![expect(unsafe_code, reason = "writes values into slots and drops them there")]

use core::alloc::Layout;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::ptr::NonNull;

use super::boxed::box_face;
use super::slots::Slots;
use super::{InsertError, PoolOptions, PoolStats};
use crate::base::{HARDENED, POISON};
use crate::ledger::Tag;
use crate::region::{AllocError, Kind};

/// Boxes for values of one type. Takes about half the time of `Box`, keeps the values together, and charges them to a
/// tag. `Send` (its boxes are not, for they borrow it), not `Sync`.
///
/// The boxes borrow the pool, so that it can not be dropped before them. A box that is forgotten keeps its slot until the
/// pool goes; its destructor does not run. In debug and hardened builds a slot whose value is gone is filled with `0xDF`.
///
/// ```
/// use arenite::{Pool, Tag};
/// struct Bullet { at: [f32; 2], damage: u32 }
///
/// let bullets = Pool::try_new(Tag::register("example/shots")?, 10_000)?;
/// let mut bullet = bullets.insert(Bullet { at: [0.0, 0.0], damage: 7 });
/// bullet.at[0] += 1.5;
/// assert_eq!((bullet.damage, bullets.live()), (7, 1));
/// drop(bullet);
/// assert_eq!(bullets.live(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pool<T> {
    slots: Slots<2>,
    /// The pool owns no value: what is in a slot belongs to its box. So it may be sent whatever `T` is.
    of: PhantomData<fn() -> T>,
}

/// A slot that no value is in yet; goes back if there never is one.
struct Vacant<'p, T> {
    pool: &'p Pool<T>,
    slot: u32,
}

impl<'p, T> Vacant<'p, T> {
    #[inline(always)]
    fn start(&self) -> NonNull<T> {
        self.pool.address(self.slot)
    }

    /// There is a value in it now.
    #[inline(always)]
    fn filled(self) -> PoolBox<'p, T> {
        let this = ManuallyDrop::new(self);
        PoolBox { value: this.start(), pool: this.pool, owns: PhantomData }
    }
}

impl<T> Drop for Vacant<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: taken from these slots, and in nobody's use.
        unsafe { self.pool.slots.give(self.slot) };
    }
}

impl<T> Pool<T> {
    /// A pool of at most `capacity` values, charged to `tag`. Address space is reserved for all of them, memory is
    /// committed as they are used.
    ///
    /// # Errors
    /// The address space can not be had, or there can be no values that large or so many (2³² - 2 at the most).
    #[track_caller]
    pub fn try_new(tag: Tag, capacity: usize) -> Result<Self, AllocError> {
        Self::try_with(PoolOptions::new(tag, capacity))
    }

    /// A pool made as the options say.
    ///
    /// # Errors
    /// As [`try_new`](Self::try_new); of a bounded pool, also: a budget would be broken, or the system refused.
    #[track_caller]
    pub fn try_with(options: PoolOptions) -> Result<Self, AllocError> {
        let made = options.made(Kind::Pool);
        let slots = Slots::try_new(options.of(&made), Layout::new::<T>(), |slots, free| [slots, free])?;
        Ok(Self { slots, of: PhantomData })
    }

    /// Moves a value in. O(1), amortised over the commits.
    ///
    /// # Panics
    /// All places are taken, or the memory can not be had.
    #[inline]
    #[track_caller]
    pub fn insert(&self, value: T) -> PoolBox<'_, T> {
        let vacant = Vacant { pool: self, slot: self.slots.take() };
        // SAFETY: a slot of the layout of `T` that is ours alone.
        unsafe { vacant.start().write(value) };
        vacant.filled()
    }

    /// Moves a value in. O(1), amortised over the commits.
    ///
    /// # Errors
    /// All places are taken, a budget would be broken, or the system refused. The value comes back in the error, and the
    /// pool is as it was.
    #[inline]
    pub fn try_insert(&self, value: T) -> Result<PoolBox<'_, T>, InsertError<T>> {
        let slot = match self.slots.try_take() {
            Ok(slot) => slot,
            Err(error) => return Err(InsertError { value, error }),
        };
        let vacant = Vacant { pool: self, slot };
        // SAFETY: as in `insert`.
        unsafe { vacant.start().write(value) };
        Ok(vacant.filled())
    }

    /// Makes a value in place. `init` may itself use the pool.
    ///
    /// # Panics
    /// As [`insert`](Self::insert), and whatever `init` panics with; its place is free again then.
    #[inline]
    #[track_caller]
    pub fn insert_with(&self, init: impl FnOnce() -> T) -> PoolBox<'_, T> {
        let vacant = Vacant { pool: self, slot: self.slots.take() };
        // SAFETY: as in `insert`; if `init` panics, the slot goes back with nothing in it.
        unsafe { vacant.start().write(init()) };
        vacant.filled()
    }

    /// Makes a value in place. `init` may itself use the pool.
    ///
    /// # Errors
    /// As [`try_insert`](Self::try_insert); `init` has not been called.
    ///
    /// # Panics
    /// Whatever `init` panics with; its place is free again then.
    #[inline]
    pub fn try_insert_with(&self, init: impl FnOnce() -> T) -> Result<PoolBox<'_, T>, AllocError> {
        let vacant = Vacant { pool: self, slot: self.slots.try_take()? };
        // SAFETY: as in `insert_with`.
        unsafe { vacant.start().write(init()) };
        Ok(vacant.filled())
    }

    /// Where a slot's value is. (The stride is a constant here, where that of the slots is a variable.)
    #[inline(always)]
    fn address(&self, slot: u32) -> NonNull<T> {
        // SAFETY: a slot that was handed out lies inside the column.
        unsafe { self.slots.base().byte_add(slot as usize * Self::STRIDE) }.cast()
    }

    const STRIDE: usize = if size_of::<T>() == 0 { align_of::<T>() } else { size_of::<T>() };

    /// # Safety
    /// A value's place, whose value is gone.
    #[inline(always)]
    unsafe fn give(&self, value: NonNull<T>) {
        if HARDENED {
            // SAFETY: a slot of that size, in nobody's use by the caller's promise.
            unsafe { value.cast::<u8>().write_bytes(POISON, size_of::<T>()) };
        }
        let offset = value.addr().get() - self.slots.base().addr().get();
        // SAFETY: the caller's promise.
        unsafe { self.slots.give((offset / Self::STRIDE) as u32) };
    }

    /// Frees all places at once, also those of values that were leaked or forgotten, whose destructors do not run, and
    /// gives their memory back to the system, except what it will not take, which stays charged and waits for values to
    /// come. No box is left, which `&mut self` proves. O(1).
    pub fn free_all(&mut self) {
        // SAFETY: boxes borrow the pool, and so do references to what was leaked.
        unsafe { self.slots.reset(0) };
    }

    /// Whether an address lies in the pool's places, taken or not. O(1), never reads through it.
    #[inline]
    #[must_use]
    pub fn contains(&self, address: *const T) -> bool {
        let offset = address.addr().wrapping_sub(self.slots.base().addr().get());
        offset < self.capacity() * Self::STRIDE
    }

    /// How many values there can be.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    /// Values there are, those that were forgotten included.
    #[inline]
    #[must_use]
    pub fn live(&self) -> usize {
        self.slots.live()
    }

    /// Figures of this moment.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        PoolStats::of(&self.slots)
    }

    /// Bytes committed, book-keeping included.
    #[must_use]
    pub fn committed(&self) -> usize {
        self.slots.committed()
    }

    /// Whom the pool is charged to.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.slots.tag()
    }

    /// Commits memory for `values` values in all, at most for its capacity, ahead of time.
    ///
    /// # Errors
    /// A budget would be broken, or the system refused.
    pub fn try_presize(&mut self, values: usize) -> Result<(), AllocError> {
        self.slots.try_presize(values)
    }

    /// Gives memory behind the first `keep` places, and behind every place that was ever taken, back to the system.
    ///
    /// # Errors
    /// The system refused; the memory stays committed.
    pub fn try_trim(&mut self, keep: usize) -> Result<(), AllocError> {
        self.slots.try_trim(keep)
    }

    /// Tells the ledger how much is in use now. Growing does so by itself.
    pub fn publish(&self) {
        self.slots.publish();
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Owns a value in a [`Pool`]; drops it and gives its place back.
///
#[must_use = "dropping the box drops its value"]
pub struct PoolBox<'p, T> {
    value: NonNull<T>,
    pool: &'p Pool<T>,
    owns: PhantomData<T>,
}

// SAFETY: shared, it gives `&T` only; the pool is not reached through `&self`.
unsafe impl<T: Sync> Sync for PoolBox<'_, T> {}

impl<'p, T> PoolBox<'p, T> {
    /// Moves the value out.
    #[inline]
    #[must_use]
    pub fn into_inner(self) -> T {
        let this = ManuallyDrop::new(self);
        // SAFETY: initialised, and read once because the box is not dropped; then the place is nobody's.
        unsafe {
            let value = this.value.read();
            this.pool.give(this.value);
            value
        }
    }

    /// Gives up the destructor and keeps the value for as long as the pool is borrowed.
    #[inline]
    #[must_use]
    pub fn leak(self) -> &'p mut T {
        let this = ManuallyDrop::new(self);
        // SAFETY: initialised, exclusively owned, and its place is not given back while the pool is borrowed.
        unsafe { &mut *this.value.as_ptr() }
    }

    /// Gives the value up as a pointer, to come back by [`from_raw`](Self::from_raw).
    #[inline]
    #[must_use]
    pub fn into_raw(self) -> NonNull<T> {
        ManuallyDrop::new(self).value
    }

    /// The box that [`into_raw`](Self::into_raw) gave up.
    ///
    /// # Safety
    /// The pointer came from a box of this pool by `into_raw`, none was made of it since, and the pool's places have not
    /// been freed.
    #[inline]
    pub unsafe fn from_raw(pool: &'p Pool<T>, value: NonNull<T>) -> Self {
        Self { value, pool, owns: PhantomData }
    }
}

impl<T> PoolBox<'static, T> {
    /// Pins the value. Only of a pool that is never dropped: any other one could give the place of a box that was forgotten
    /// to another value, or back to the system, although the destructor never ran, which pinning promises not to happen.
    #[inline]
    #[must_use]
    pub fn into_pin(self) -> Pin<Self> {
        // SAFETY: the value stays where it is until this box drops it; if the box is forgotten the place is never used
        // again, as the pool is borrowed for ever.
        unsafe { Pin::new_unchecked(self) }
    }
}

impl<T> Drop for PoolBox<'_, T> {
    #[inline]
    fn drop(&mut self) {
        /// Gives the place back also when the destructor panics.
        struct Give<'a, 'p, T>(&'a PoolBox<'p, T>);

        impl<T> Drop for Give<'_, '_, T> {
            #[inline]
            fn drop(&mut self) {
                // SAFETY: its value has been dropped, as far as it could be.
                unsafe { self.0.pool.give(self.0.value) };
            }
        }

        let this = Give(self);
        // SAFETY: initialised, owned, dropped once.
        unsafe { this.0.value.drop_in_place() };
    }
}

box_face!(PoolBox<'_, T>, |this| this.value);

#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
