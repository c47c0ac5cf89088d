//! A shared pool that its boxes keep alive.
#![expect(unsafe_code, reason = "counts who uses a pool that lives in memory of its own")]

use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::pin::Pin;
use core::ptr::NonNull;

use super::SharedPool;
use super::typed::Vacant;
use crate::base::sync::{AtomicUsize, Ordering, Padded, fence};
use crate::pool::InsertError;
use crate::pool::boxed::box_face;
use crate::region::{AllocError, Kind, Made, Region, RegionOptions};

/// The pool, who keeps it alive, and the memory that all of this lies in.
struct Kept<T> {
    /// Owners and boxes. Apart from the pool, which others read.
    users: Padded<AtomicUsize>,
    pool: SharedPool<T>,
    region: Region,
}

/// One of the owners of a [`SharedPool`]; clone it for each thread. Its boxes borrow nothing: they keep the pool alive
/// themselves. Choose it where a lifetime can not be named: tasks, channels, threads that are not scoped.
///
/// Making or dropping a box costs an atomic counter more than in a pool that is borrowed, and threads share that counter.
/// Dereferences to the pool, so that boxes with a lifetime can be had as well. The pool's memory goes back when the last
/// owner and the last box are gone.
///
/// ```
/// use arenite::{SharedPool, Tag};
/// let pool = SharedPool::<[u32; 4]>::try_new(Tag::register("tiles")?, 100)?.into_owner()?;
/// let tile = pool.insert_owned([1, 2, 3, 4]);
/// drop(pool);
/// let sum = std::thread::spawn(move || tile.iter().sum::<u32>()).join().unwrap();
/// assert_eq!(sum, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SharedPoolOwner<T> {
    kept: NonNull<Kept<T>>,
}

// SAFETY: a counted reference to what is `Sync` whatever `T` is: the pool owns no value.
unsafe impl<T> Send for SharedPoolOwner<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for SharedPoolOwner<T> {}

impl<T> SharedPool<T> {
    /// Makes the pool one that its boxes keep alive. It moves into a page or two of their own, charged to its tag.
    ///
    /// # Errors
    /// Those can not be had; the pool is gone then, it was empty.
    #[track_caller]
    pub fn into_owner(mut self) -> Result<SharedPoolOwner<T>, AllocError> {
        // What was forgotten is not in anybody's hands any more.
        self.free_all();
        let size = size_of::<Kept<T>>();
        let options = RegionOptions::new(self.tag(), size).at_least(size).commit_steps(1, 1).guard(false);
        let made = Made::here(Kind::SharedPool, self.tag());
        let mut region = Region::try_reserve(options.of(&made))?;
        region.try_grow(size)?;
        let kept = region.base().cast::<Kept<T>>();
        // SAFETY: committed, as large as that, aligned to a page, and nobody else's.
        unsafe { kept.write(Kept { users: Padded(AtomicUsize::new(1)), pool: self, region }) };
        Ok(SharedPoolOwner { kept })
    }
}

impl<T> SharedPoolOwner<T> {
    /// Moves a value in. O(1).
    ///
    /// # Panics
    /// All places are taken, or the memory can not be had.
    #[inline]
    #[track_caller]
    pub fn insert_owned(&self, value: T) -> OwnedBox<T> {
        match self.try_insert_owned(value) {
            Ok(value) => value,
            Err(refused) => refused.error.raise(),
        }
    }

    /// Moves a value in. O(1).
    ///
    /// # Errors
    /// As [`SharedPool::try_insert`].
    #[inline]
    pub fn try_insert_owned(&self, value: T) -> Result<OwnedBox<T>, InsertError<T>> {
        let vacant = match self.vacant() {
            Ok(vacant) => vacant,
            Err(error) => return Err(InsertError { value, error }),
        };
        // SAFETY: a block of the layout of `T` that is ours alone.
        unsafe { vacant.start.cast::<T>().write(value) };
        Ok(self.own(vacant))
    }

    /// Makes a value in place. `init` may itself use the pool.
    ///
    /// # Panics
    /// As [`insert_owned`](Self::insert_owned), and whatever `init` panics with; its place is free again then.
    #[inline]
    #[track_caller]
    pub fn insert_owned_with(&self, init: impl FnOnce() -> T) -> OwnedBox<T> {
        match self.try_insert_owned_with(init) {
            Ok(value) => value,
            Err(error) => error.raise(),
        }
    }

    /// Makes a value in place.
    ///
    /// # Errors
    /// As [`SharedPool::try_insert_with`].
    #[inline]
    pub fn try_insert_owned_with(&self, init: impl FnOnce() -> T) -> Result<OwnedBox<T>, AllocError> {
        let vacant = self.vacant()?;
        // SAFETY: a block of the layout of `T` that is ours alone; if `init` panics, it goes back with nothing in it.
        unsafe { vacant.start.cast::<T>().write(init()) };
        Ok(self.own(vacant))
    }

    /// The box of a value that was just written.
    #[inline(always)]
    fn own(&self, vacant: Vacant<'_>) -> OwnedBox<T> {
        OwnedBox { value: vacant.filled().cast(), owner: self.clone() }
    }
}

impl<T> Deref for SharedPoolOwner<T> {
    type Target = SharedPool<T>;

    #[inline]
    fn deref(&self) -> &SharedPool<T> {
        // SAFETY: written when the first owner was made, and there as long as one is counted.
        unsafe { &(*self.kept.as_ptr()).pool }
    }
}

impl<T> Clone for SharedPoolOwner<T> {
    #[inline]
    fn clone(&self) -> Self {
        // SAFETY: as in `deref`.
        let users = unsafe { &(*self.kept.as_ptr()).users };
        // Relaxed: whoever got a counted reference knows of the pool already.
        let before = users.fetch_add(1, Ordering::Relaxed);
        if before > isize::MAX as usize {
            overflow();
        }
        Self { kept: self.kept }
    }
}

/// Owners were forgotten by the quintillion. Counting on would wrap.
#[cold]
#[inline(never)]
fn overflow() -> ! {
    struct Twice;
    impl Drop for Twice {
        fn drop(&mut self) {
            panic!("a panic while panicking aborts");
        }
    }
    let _twice = Twice;
    panic!("too many owners of one pool");
}

impl<T> Drop for SharedPoolOwner<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: as in `deref`.
        let users = unsafe { &(*self.kept.as_ptr()).users };
        // Release: what this thread did to the pool happens before it goes.
        if users.fetch_sub(1, Ordering::Release) == 1 {
            self.last();
        }
    }
}

impl<T> SharedPoolOwner<T> {
    #[cold]
    #[inline(never)]
    fn last(&self) {
        // Acquire: what the others did.
        fence(Ordering::Acquire);
        // SAFETY: nobody is counted any more, so this is the only access, and the last. The memory goes with `region`,
        // after the pool, when both have been moved out of it.
        let Kept { pool, region, .. } = unsafe { self.kept.read() };
        drop(pool);
        drop(region);
    }
}

impl<T> fmt::Debug for SharedPoolOwner<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A value in a pool that it keeps alive; see [`SharedPoolOwner`]. `'static` if `T` is, `Send` and `Sync` if `T` is.
pub struct OwnedBox<T> {
    /// A value that is this box's alone.
    value: NonNull<T>,
    owner: SharedPoolOwner<T>,
}

// SAFETY: it owns a `T`, and a counted reference that is `Send`.
unsafe impl<T: Send> Send for OwnedBox<T> {}
// SAFETY: `&self` gives `&T` and `&SharedPoolOwner` only.
unsafe impl<T: Sync> Sync for OwnedBox<T> {}

impl<T> OwnedBox<T> {
    /// Moves the value out; its place is free.
    #[inline]
    #[must_use]
    pub fn into_inner(self) -> T {
        let this = ManuallyDrop::new(self);
        // SAFETY: the value is ours, and after this nobody looks at it again.
        let value = unsafe { this.value.read() };
        this.owner.release(this.value);
        // SAFETY: `this` is never dropped, so this is the owner's only drop; it may be the last.
        drop(unsafe { core::ptr::read(&raw const this.owner) });
        value
    }

    /// Pins the value. (Of any pool that is owned: a box that is forgotten keeps the pool for ever.)
    #[inline]
    #[must_use]
    pub fn into_pin(self) -> Pin<Self> {
        // SAFETY: the value stays where it is until this box drops it; if the box is forgotten it is counted for ever, and
        // so the pool and the place stay.
        unsafe { Pin::new_unchecked(self) }
    }
}

impl<T> Drop for OwnedBox<T> {
    #[inline]
    fn drop(&mut self) {
        /// Gives the place back after the value is dropped, also when that panics; the field `owner` drops after this.
        struct GiveBack<'b, T>(&'b OwnedBox<T>);
        impl<T> Drop for GiveBack<'_, T> {
            #[inline]
            fn drop(&mut self) {
                self.0.owner.release(self.0.value);
            }
        }
        let value = self.value;
        let _back = GiveBack(self);
        // SAFETY: the value is ours, and this is the only drop.
        unsafe { value.drop_in_place() };
    }
}

box_face!(OwnedBox<T>, |this| this.value);
