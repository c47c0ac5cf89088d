//! What a row is made of: a list of fields, known to the compiler, and everything that touches the columns' memory.
//!
//! The derive writes safe code only: it takes a struct apart into such a list and puts it together again. Which columns
//! there are, where they lie and what is in them is decided here, from the list's type. So an implementation of
//! [`Soa`](super::Soa) by hand can be wrong, but not unsound.
#![expect(unsafe_code, reason = "the only place that reads and writes the values in columns")]

use core::ops::Range;
use core::ptr::NonNull;

use super::panics::{FirstPanic, OnDrop};
use crate::region::{Column, ColumnLayout, ColumnStore, Contiguous, Pair};

/// Bytes that every column is aligned to at the least: a line of the cache, and the widest vector registers.
pub const COLUMN_ALIGN: usize = 64;

/// One field: a column of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leaf<T>(pub T);

mod sealed {
    pub trait Sealed {}
    impl Sealed for () {}
    impl<T> Sealed for super::Leaf<T> {}
    impl<A: Sealed, B: Sealed> Sealed for (A, B) {}
}

/// A list of fields: `()` is the empty one, [`Leaf<T>`] one field, `(A, B)` the fields of `A` and then those of `B`. Sealed.
///
/// ```text
/// struct Particle { pos: [f32; 3], vel: [f32; 3], life: f32 }    ((Leaf<[f32; 3]>, Leaf<[f32; 3]>), Leaf<f32>)
/// ```
///
/// # Safety
/// For this crate only: what the hidden functions do is what [`Columns`](super::Columns) relies on.
pub unsafe trait Fields: Sized + 'static + sealed::Sealed {
    /// How many columns.
    const COUNT: usize;
    /// Bytes of one row in all columns.
    const BYTES: usize;

    /// A reference to each field of one row.
    type Refs<'a>: Copy;
    /// A mutable reference to each field of one row.
    type Muts<'a>;
    /// A slice of each column.
    type Slices<'a>: Copy;
    /// A mutable slice of each column.
    type SlicesMut<'a>;

    /// Where each column begins.
    #[doc(hidden)]
    type At: Copy + core::fmt::Debug;
    #[doc(hidden)]
    type Store: ColumnStore + Contiguous;

    #[doc(hidden)]
    fn store() -> Self::Store;

    /// Takes the columns' first rows in order.
    #[doc(hidden)]
    fn at(next: &mut dyn FnMut() -> NonNull<u8>) -> Self::At;

    /// Moves the values into a row, without a look at what was there.
    ///
    /// # Safety
    /// The row has memory, and nobody borrows from it.
    #[doc(hidden)]
    unsafe fn write(self, at: Self::At, row: usize);

    /// Moves the values out of a row.
    ///
    /// # Safety
    /// The row holds values that the caller owns, and does not any more afterwards.
    #[doc(hidden)]
    unsafe fn read(at: Self::At, row: usize) -> Self;

    /// Moves the values of one row into another.
    ///
    /// # Safety
    /// As of `read` for `from` and of `write` for `to`, which is another row.
    #[doc(hidden)]
    unsafe fn shift(at: Self::At, from: usize, to: usize);

    /// The same columns from a later row on.
    ///
    /// # Safety
    /// There are so many rows in them.
    #[doc(hidden)]
    unsafe fn skip(at: Self::At, rows: usize) -> Self::At;

    /// # Safety
    /// The row holds values, and may be borrowed for `'a`.
    #[doc(hidden)]
    unsafe fn refs<'a>(at: Self::At, row: usize) -> Self::Refs<'a>;

    /// # Safety
    /// The row holds values, and may be borrowed mutably for `'a`.
    #[doc(hidden)]
    unsafe fn muts<'a>(at: Self::At, row: usize) -> Self::Muts<'a>;

    /// # Safety
    /// The first `len` rows hold values, and may be borrowed for `'a`.
    #[doc(hidden)]
    unsafe fn slices<'a>(at: Self::At, len: usize) -> Self::Slices<'a>;

    /// # Safety
    /// The first `len` rows hold values, and may be borrowed mutably for `'a`.
    #[doc(hidden)]
    unsafe fn slices_mut<'a>(at: Self::At, len: usize) -> Self::SlicesMut<'a>;

    /// Drops the values in the rows, column by column, all of them, whatever panics.
    ///
    /// # Safety
    /// The rows hold values that the caller owns, and does not any more afterwards.
    #[doc(hidden)]
    unsafe fn drop_rows(at: Self::At, rows: Range<usize>, first: &FirstPanic);
}

/// Fields that can be cloned from a row. Sealed, as [`Fields`] is; holds when every field is `Clone`.
pub trait CloneFields: Fields {
    /// Clones each field. If one panics, those before it are dropped.
    #[doc(hidden)]
    fn clone_row(row: Self::Refs<'_>) -> Self;
}

// SAFETY: no columns.
unsafe impl Fields for () {
    const COUNT: usize = 0;
    const BYTES: usize = 0;

    type Refs<'a> = ();
    type Muts<'a> = ();
    type Slices<'a> = ();
    type SlicesMut<'a> = ();
    type At = ();
    type Store = [Column; 0];

    fn store() -> Self::Store {
        []
    }

    fn at(_: &mut dyn FnMut() -> NonNull<u8>) {}

    #[inline]
    unsafe fn write(self, (): (), _: usize) {}

    #[inline]
    unsafe fn read((): (), _: usize) {}

    #[inline]
    unsafe fn shift((): (), _: usize, _: usize) {}

    #[inline]
    unsafe fn skip((): (), _: usize) {}

    #[inline]
    unsafe fn refs<'a>((): (), _: usize) -> Self::Refs<'a> {}

    #[inline]
    unsafe fn muts<'a>((): (), _: usize) -> Self::Muts<'a> {}

    #[inline]
    unsafe fn slices<'a>((): (), _: usize) -> Self::Slices<'a> {}

    #[inline]
    unsafe fn slices_mut<'a>((): (), _: usize) -> Self::SlicesMut<'a> {}

    #[inline]
    unsafe fn drop_rows((): (), _: Range<usize>, _: &FirstPanic) {}
}

impl CloneFields for () {
    fn clone_row((): ()) {}
}

// SAFETY: one column of `T`s, one a row.
unsafe impl<T: 'static> Fields for Leaf<T> {
    const COUNT: usize = 1;
    const BYTES: usize = size_of::<T>();

    type Refs<'a> = &'a T;
    type Muts<'a> = &'a mut T;
    type Slices<'a> = &'a [T];
    type SlicesMut<'a> = &'a mut [T];
    type At = NonNull<T>;
    type Store = [Column; 1];

    fn store() -> Self::Store {
        const { [Column::new(ColumnLayout::bytes(size_of::<T>(), max(align_of::<T>(), COLUMN_ALIGN)))] }
    }

    fn at(next: &mut dyn FnMut() -> NonNull<u8>) -> NonNull<T> {
        next().cast()
    }

    #[inline]
    unsafe fn write(self, at: NonNull<T>, row: usize) {
        // SAFETY: the column is aligned for `T`, and the row has memory, by the caller.
        unsafe { at.add(row).write(self.0) };
    }

    #[inline]
    unsafe fn read(at: NonNull<T>, row: usize) -> Self {
        // SAFETY: the row holds a `T` that the caller gives away.
        Self(unsafe { at.add(row).read() })
    }

    #[inline]
    unsafe fn shift(at: NonNull<T>, from: usize, to: usize) {
        // SAFETY: two rows with memory; what is in `from` belongs to `to` now.
        unsafe { at.add(from).copy_to_nonoverlapping(at.add(to), 1) };
    }

    #[inline]
    unsafe fn skip(at: NonNull<T>, rows: usize) -> NonNull<T> {
        // SAFETY: inside the column, or at its end.
        unsafe { at.add(rows) }
    }

    #[inline]
    unsafe fn refs<'a>(at: NonNull<T>, row: usize) -> &'a T {
        // SAFETY: the row holds a `T` that may be borrowed, by the caller.
        unsafe { at.add(row).as_ref() }
    }

    #[inline]
    unsafe fn muts<'a>(at: NonNull<T>, row: usize) -> &'a mut T {
        // SAFETY: the row holds a `T` that may be borrowed mutably, by the caller.
        unsafe { at.add(row).as_mut() }
    }

    #[inline]
    unsafe fn slices<'a>(at: NonNull<T>, len: usize) -> &'a [T] {
        // SAFETY: so many rows hold a `T`, one after the other, and may be borrowed, by the caller.
        unsafe { core::slice::from_raw_parts(at.as_ptr(), len) }
    }

    #[inline]
    unsafe fn slices_mut<'a>(at: NonNull<T>, len: usize) -> &'a mut [T] {
        // SAFETY: so many rows hold a `T`, one after the other, and may be borrowed mutably, by the caller.
        unsafe { core::slice::from_raw_parts_mut(at.as_ptr(), len) }
    }

    unsafe fn drop_rows(at: NonNull<T>, rows: Range<usize>, first: &FirstPanic) {
        if core::mem::needs_drop::<T>() {
            // SAFETY: each row holds a `T` that the caller gave away; `each` calls once for each.
            first.each(rows, |row| unsafe { at.add(row).drop_in_place() });
        }
    }
}

impl<T: Clone + 'static> CloneFields for Leaf<T> {
    #[inline]
    fn clone_row(row: &T) -> Self {
        Self(row.clone())
    }
}

// SAFETY: the columns of the one, then those of the other; each does what it promises.
unsafe impl<A: Fields, B: Fields> Fields for (A, B) {
    const COUNT: usize = A::COUNT + B::COUNT;
    const BYTES: usize = A::BYTES + B::BYTES;

    type Refs<'a> = (A::Refs<'a>, B::Refs<'a>);
    type Muts<'a> = (A::Muts<'a>, B::Muts<'a>);
    type Slices<'a> = (A::Slices<'a>, B::Slices<'a>);
    type SlicesMut<'a> = (A::SlicesMut<'a>, B::SlicesMut<'a>);
    type At = (A::At, B::At);
    type Store = Pair<A::Store, B::Store>;

    fn store() -> Self::Store {
        Pair::new(A::store(), B::store())
    }

    fn at(next: &mut dyn FnMut() -> NonNull<u8>) -> Self::At {
        let first = A::at(next);
        (first, B::at(next))
    }

    #[inline]
    unsafe fn write(self, at: Self::At, row: usize) {
        // SAFETY: the caller's promise is about all columns.
        unsafe {
            self.0.write(at.0, row);
            self.1.write(at.1, row);
        }
    }

    #[inline]
    unsafe fn read(at: Self::At, row: usize) -> Self {
        // SAFETY: the caller's promise is about all columns.
        unsafe { (A::read(at.0, row), B::read(at.1, row)) }
    }

    #[inline]
    unsafe fn shift(at: Self::At, from: usize, to: usize) {
        // SAFETY: the caller's promise is about all columns.
        unsafe {
            A::shift(at.0, from, to);
            B::shift(at.1, from, to);
        }
    }

    #[inline]
    unsafe fn skip(at: Self::At, rows: usize) -> Self::At {
        // SAFETY: the caller's promise is about all columns.
        unsafe { (A::skip(at.0, rows), B::skip(at.1, rows)) }
    }

    #[inline]
    unsafe fn refs<'a>(at: Self::At, row: usize) -> Self::Refs<'a> {
        // SAFETY: the caller's promise is about all columns.
        unsafe { (A::refs(at.0, row), B::refs(at.1, row)) }
    }

    #[inline]
    unsafe fn muts<'a>(at: Self::At, row: usize) -> Self::Muts<'a> {
        // SAFETY: the caller's promise is about all columns, and no two of them overlap.
        unsafe { (A::muts(at.0, row), B::muts(at.1, row)) }
    }

    #[inline]
    unsafe fn slices<'a>(at: Self::At, len: usize) -> Self::Slices<'a> {
        // SAFETY: the caller's promise is about all columns.
        unsafe { (A::slices(at.0, len), B::slices(at.1, len)) }
    }

    #[inline]
    unsafe fn slices_mut<'a>(at: Self::At, len: usize) -> Self::SlicesMut<'a> {
        // SAFETY: the caller's promise is about all columns, and no two of them overlap.
        unsafe { (A::slices_mut(at.0, len), B::slices_mut(at.1, len)) }
    }

    unsafe fn drop_rows(at: Self::At, rows: Range<usize>, first: &FirstPanic) {
        let others = rows.clone();
        // SAFETY: the caller's promise is about all columns; each is dropped once. (Without `std` the first may panic.)
        let rest = OnDrop(|| unsafe { B::drop_rows(at.1, others.clone(), first) });
        // SAFETY: as above.
        unsafe { A::drop_rows(at.0, rows, first) };
        drop(rest);
    }
}

impl<A: CloneFields, B: CloneFields> CloneFields for (A, B) {
    #[inline]
    fn clone_row(row: Self::Refs<'_>) -> Self {
        (A::clone_row(row.0), B::clone_row(row.1))
    }
}

const fn max(one: usize, other: usize) -> usize {
    if one > other { one } else { other }
}
