//! Walks over a handle pool, in the order of slots. Each costs what lives, and a bit for 4096 slots that do not.
#![expect(unsafe_code, reason = "gives references to values in raw memory, one by one")]

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;

use super::slots::{Slots, Walk};
use super::{HandlePool, live_handle};
use crate::pool::Handle;

/// A walk that shares (or does not share) the values for `'a`, and what it gives of each slot: of slot `first + bit`, where
/// `first` is a multiple of 64 and `bit` below 64.
macro_rules! walk {
    ($(#[$doc:meta])* $name:ident, $borrow:ty, $item:ty, |$slots:ident, $first:ident, $bit:ident| $give:expr) => {
        $(#[$doc])*
        #[must_use = "iterators do nothing unless they are asked"]
        pub struct $name<'a, T> {
            walk: Walk,
            slots: Slots<T>,
            lends: PhantomData<$borrow>,
        }

        impl<'a, T> Iterator for $name<'a, T> {
            type Item = $item;

            #[inline]
            fn next(&mut self) -> Option<Self::Item> {
                let ($slots, ($first, $bit)) = (self.slots, self.walk.next_in()?);
                Some($give)
            }

            #[inline]
            fn size_hint(&self) -> (usize, Option<usize>) {
                (self.walk.left(), Some(self.walk.left()))
            }

            #[inline]
            fn fold<A, F: FnMut(A, Self::Item) -> A>(self, init: A, mut f: F) -> A {
                let $slots = self.slots;
                self.walk.fold(init, |sum, $first, $bit| f(sum, $give))
            }
        }

        impl<T> ExactSizeIterator for $name<'_, T> {}
        impl<T> FusedIterator for $name<'_, T> {}

        impl<T> fmt::Debug for $name<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("left", &self.walk.left()).finish()
            }
        }
    };
}

walk!(
    /// Handles and values: [`HandlePool::iter`].
    Iter, &'a T, (Handle<T>, &'a T),
    // SAFETY: the walk gives live slots; the pool is shared for `'a`.
    |slots, first, bit| unsafe { (live_handle(slots, first as u32 | bit), slots.value_in(first, bit).as_ref()) }
);
walk!(
    /// Handles and values to change: [`HandlePool::iter_mut`].
    IterMut, &'a mut T, (Handle<T>, &'a mut T),
    // SAFETY: the walk gives live slots, each once; the pool is borrowed mutably for `'a`.
    |slots, first, bit| unsafe { (live_handle(slots, first as u32 | bit), slots.value_in(first, bit).as_mut()) }
);
walk!(
    /// Values: [`HandlePool::values`].
    Values, &'a T, &'a T,
    // SAFETY: the walk gives live slots; the pool is shared for `'a`.
    |slots, first, bit| unsafe { slots.value_in(first, bit).as_ref() }
);
walk!(
    /// Values to change: [`HandlePool::values_mut`].
    ValuesMut, &'a mut T, &'a mut T,
    // SAFETY: the walk gives live slots, each once; the pool is borrowed mutably for `'a`.
    |slots, first, bit| unsafe { slots.value_in(first, bit).as_mut() }
);
walk!(
    /// Handles: [`HandlePool::handles`].
    Handles, &'a T, Handle<T>,
    // SAFETY: the walk gives live slots.
    |slots, first, bit| unsafe { live_handle(slots, first as u32 | bit) }
);

macro_rules! shared {
    ($($name:ident)*) => { $(
        // SAFETY: as `&[T]`: it gives `&T` only.
        unsafe impl<T: Sync> Send for $name<'_, T> {}
        // SAFETY: shared, it gives nothing.
        unsafe impl<T: Sync> Sync for $name<'_, T> {}

        impl<T> Clone for $name<'_, T> {
            fn clone(&self) -> Self {
                Self { walk: self.walk.clone(), slots: self.slots, lends: PhantomData }
            }
        }
    )* };
}
shared!(Iter Values Handles);

macro_rules! exclusive {
    ($($name:ident)*) => { $(
        // SAFETY: as `&mut [T]`: it gives each `&mut T` once.
        unsafe impl<T: Send> Send for $name<'_, T> {}
        // SAFETY: shared, it gives nothing.
        unsafe impl<T: Sync> Sync for $name<'_, T> {}
    )* };
}
exclusive!(IterMut ValuesMut);

impl<T> HandlePool<T> {
    #[inline]
    fn walk(&self) -> Walk {
        // SAFETY: the pool says how many are open and live. Each walk borrows the pool for as long as it lasts.
        unsafe { self.slots.walk(self.len() as u32, self.opened) }
    }

    /// Handles and values, in the order of slots.
    #[inline]
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { walk: self.walk(), slots: self.slots, lends: PhantomData }
    }

    /// Handles and values to change, in the order of slots.
    #[inline]
    pub fn iter_mut(&mut self) -> IterMut<'_, T> {
        IterMut { walk: self.walk(), slots: self.slots, lends: PhantomData }
    }

    /// Values, in the order of slots.
    #[inline]
    pub fn values(&self) -> Values<'_, T> {
        Values { walk: self.walk(), slots: self.slots, lends: PhantomData }
    }

    /// Values to change, in the order of slots.
    #[inline]
    pub fn values_mut(&mut self) -> ValuesMut<'_, T> {
        ValuesMut { walk: self.walk(), slots: self.slots, lends: PhantomData }
    }

    /// Handles, in the order of slots.
    #[inline]
    pub fn handles(&self) -> Handles<'_, T> {
        Handles { walk: self.walk(), slots: self.slots, lends: PhantomData }
    }
}

impl<'a, T> IntoIterator for &'a HandlePool<T> {
    type Item = (Handle<T>, &'a T);
    type IntoIter = Iter<'a, T>;

    #[inline]
    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut HandlePool<T> {
    type Item = (Handle<T>, &'a mut T);
    type IntoIter = IterMut<'a, T>;

    #[inline]
    fn into_iter(self) -> IterMut<'a, T> {
        self.iter_mut()
    }
}

/// Removes all values: [`HandlePool::drain`].
pub struct Drain<'a, T> {
    pool: &'a mut HandlePool<T>,
    walk: Walk,
}

impl<'a, T> Drain<'a, T> {
    pub(super) fn new(pool: &'a mut HandlePool<T>) -> Self {
        let walk = pool.walk();
        Self { pool, walk }
    }
}

impl<T> Iterator for Drain<'_, T> {
    type Item = (Handle<T>, T);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let index = self.walk.next()?;
        // SAFETY: live, and read once, because it does not live afterwards.
        unsafe {
            let handle = live_handle(self.pool.slots, index);
            let value = self.pool.slots.value(index).read();
            self.pool.unlink(index);
            Some((handle, value))
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.walk.left(), Some(self.walk.left()))
    }
}

impl<T> ExactSizeIterator for Drain<'_, T> {}
impl<T> FusedIterator for Drain<'_, T> {}

impl<T> Drop for Drain<'_, T> {
    /// # Panics
    /// A destructor panics: the others still run, and then the first panic goes on.
    fn drop(&mut self) {
        if !self.pool.is_empty() {
            self.pool.drop_values();
        }
    }
}

impl<T> fmt::Debug for Drain<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain").field("left", &self.walk.left()).finish()
    }
}

/// Removes the values that a closure picks: [`HandlePool::extract_if`].
#[must_use = "nothing is removed unless it is asked"]
pub struct ExtractIf<'a, T, F> {
    pool: &'a mut HandlePool<T>,
    walk: Walk,
    pick: F,
}

impl<'a, T, F> ExtractIf<'a, T, F> {
    pub(super) fn new(pool: &'a mut HandlePool<T>, pick: F) -> Self {
        let walk = pool.walk();
        Self { pool, walk, pick }
    }
}

impl<T, F: FnMut(Handle<T>, &mut T) -> bool> Iterator for ExtractIf<'_, T, F> {
    type Item = (Handle<T>, T);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let index = self.walk.next()?;
            // SAFETY: live, nobody else has it, and if it is read it is read once, because it does not live
            // afterwards.
            unsafe {
                let handle = live_handle(self.pool.slots, index);
                let mut value = self.pool.slots.value(index);
                if (self.pick)(handle, value.as_mut()) {
                    let value = value.read();
                    self.pool.unlink(index);
                    return Some((handle, value));
                }
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.walk.left()))
    }
}

impl<T, F: FnMut(Handle<T>, &mut T) -> bool> FusedIterator for ExtractIf<'_, T, F> {}

impl<T, F> fmt::Debug for ExtractIf<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtractIf").field("left", &self.walk.left()).finish_non_exhaustive()
    }
}
