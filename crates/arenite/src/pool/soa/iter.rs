//! Row by row.
#![expect(unsafe_code, reason = "borrows or takes each row once")]

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;

use super::panics::FirstPanic;
use super::{Columns, Fields, Handle, Soa};

/// The rows of [`Columns`] in order, by [`Columns::iter`].
pub struct Iter<'c, T: Soa> {
    at: <T::Fields as Fields>::At,
    /// Rows that are still to come, all of them live: so many from `at` on.
    left: usize,
    columns: PhantomData<&'c T::Fields>,
}

/// The rows of [`Columns`] in order, to be changed, by [`Columns::iter_mut`].
pub struct IterMut<'c, T: Soa> {
    at: <T::Fields as Fields>::At,
    /// Rows that are still to come, all of them live: so many from `at` on.
    left: usize,
    columns: PhantomData<&'c mut T::Fields>,
}

/// Takes out the rows of [`Columns`] in order, by [`Columns::drain`]. Dropping it drops the rest.
pub struct Drain<'c, T: Soa> {
    at: <T::Fields as Fields>::At,
    /// Rows that are still to come, so many from `at` on: they hold values that belong to this iterator.
    left: usize,
    columns: PhantomData<&'c mut T::Fields>,
}

// SAFETY: gives shared references to the fields.
unsafe impl<T: Soa> Send for Iter<'_, T> where T::Fields: Sync {}
// SAFETY: as above.
unsafe impl<T: Soa> Sync for Iter<'_, T> where T::Fields: Sync {}
// SAFETY: gives mutable references to the fields.
unsafe impl<T: Soa> Send for IterMut<'_, T> where T::Fields: Send {}
// SAFETY: shared, it gives nothing but its length.
unsafe impl<T: Soa> Sync for IterMut<'_, T> where T::Fields: Sync {}
// SAFETY: owns the fields.
unsafe impl<T: Soa> Send for Drain<'_, T> where T::Fields: Send {}
// SAFETY: shared, it gives nothing but its length.
unsafe impl<T: Soa> Sync for Drain<'_, T> where T::Fields: Sync {}

impl<T: Soa> Clone for Iter<'_, T> {
    fn clone(&self) -> Self {
        Self { at: self.at, left: self.left, columns: PhantomData }
    }
}

/// What the three have in common.
macro_rules! rows {
    ($name:ident, $item:ty, |$at:ident, $row:ident| $get:expr) => {
        impl<'c, T: Soa> Iterator for $name<'c, T> {
            type Item = $item;

            #[inline]
            fn next(&mut self) -> Option<Self::Item> {
                self.left = self.left.checked_sub(1)?;
                let ($at, $row) = (self.at, 0);
                // SAFETY: there was one row more. (Stepping along is what the compiler makes vector instructions of;
                // counting up measured three times slower.)
                self.at = unsafe { T::Fields::skip(self.at, 1) };
                Some($get)
            }

            #[inline]
            fn size_hint(&self) -> (usize, Option<usize>) {
                (self.left, Some(self.left))
            }
        }

        impl<T: Soa> DoubleEndedIterator for $name<'_, T> {
            #[inline]
            fn next_back(&mut self) -> Option<Self::Item> {
                self.left = self.left.checked_sub(1)?;
                let ($at, $row) = (self.at, self.left);
                Some($get)
            }
        }

        impl<T: Soa> ExactSizeIterator for $name<'_, T> {}

        impl<T: Soa> FusedIterator for $name<'_, T> {}

        impl<T: Soa> fmt::Debug for $name<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("len", &self.len()).finish_non_exhaustive()
            }
        }
    };
}
rows!(Iter, T::Ref<'c>, |at, row| {
    // SAFETY: a live row, and the columns are borrowed for as long as the item is.
    T::view(unsafe { T::Fields::refs(at, row) })
});
rows!(IterMut, T::Mut<'c>, |at, row| {
    // SAFETY: a live row that comes once, and the columns are borrowed mutably for as long as the item is.
    T::view_mut(unsafe { T::Fields::muts(at, row) })
});
rows!(Drain, T, |at, row| {
    // SAFETY: the row's values belong to the iterator, and come once.
    T::from_fields(unsafe { T::Fields::read(at, row) })
});

impl<T: Soa> Drop for Drain<'_, T> {
    fn drop(&mut self) {
        let first = FirstPanic::default();
        // SAFETY: the rest belongs to this iterator, which ends here.
        unsafe { T::Fields::drop_rows(self.at, 0..self.left, &first) };
        first.go_on();
    }
}

impl<T: Soa> Columns<T> {
    /// The rows in order.
    #[inline]
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { at: self.at, left: self.len(), columns: PhantomData }
    }

    /// The rows in order, to be changed.
    #[inline]
    pub fn iter_mut(&mut self) -> IterMut<'_, T> {
        IterMut { at: self.at, left: self.len(), columns: PhantomData }
    }

    /// The handle of each row, in the order of the rows: zip it with a column, or with [`iter`](Self::iter).
    #[inline]
    pub fn handles(&self) -> impl ExactSizeIterator<Item = Handle<T>> + DoubleEndedIterator + '_ {
        (0..self.len()).map(|row| self.name(row))
    }

    /// Takes all rows out, in order. All handles are stale from here on, whether the rows are looked at or not; rows that
    /// are not are dropped with the iterator (and leak if that is forgotten). O(rows).
    pub fn drain(&mut self) -> Drain<'_, T> {
        let len = self.len();
        // First, so that nobody finds a row that was taken.
        self.rows.truncate(0);
        Drain { at: self.at, left: len, columns: PhantomData }
    }
}

impl<'c, T: Soa> IntoIterator for &'c Columns<T> {
    type Item = T::Ref<'c>;
    type IntoIter = Iter<'c, T>;

    #[inline]
    fn into_iter(self) -> Iter<'c, T> {
        self.iter()
    }
}

impl<'c, T: Soa> IntoIterator for &'c mut Columns<T> {
    type Item = T::Mut<'c>;
    type IntoIter = IterMut<'c, T>;

    #[inline]
    fn into_iter(self) -> IterMut<'c, T> {
        self.iter_mut()
    }
}
