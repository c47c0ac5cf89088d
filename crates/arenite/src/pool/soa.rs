//! Columns: rows of a struct, each field in an array of its own. Choose them for what is updated by the thousand, a few
//! fields at a time: particles, bullets, transforms. Choose a pool that keeps values whole for what is looked at one by
//! one, or whose address must not change: a row moves when another one goes.
//!
//! ```text
//!   pos    | [f32; 3] | [f32; 3] | [f32; 3] | …      one slice, aligned to 64 bytes
//!   life   | f32 | f32 | f32 | …                     one slice, aligned to 64 bytes
//!   slots, names                                     which handle names which row: rows.rs
//! ```
//!
//! ```text
//!   Columns::push ─► T::into_fields ─► Fields::write      rows.rs: the length, and nothing else
//!     full ─► Columns::grow (cold) ─► TableOf::try_grow
//!   Columns::get ─► Rows::find ─► Fields::refs ─► T::view
//!   Columns::remove ─► Fields::read, Fields::shift (the last row moves here), Rows::swap_remove ─► T::from_fields
//! ```
//!
//! Where the line runs between safe and unsafe: [`fields`](Fields) are lists whose types say all there is to know about
//! the columns; what the derive writes takes a struct apart into such a list, and puts it together, in safe code.
#![expect(unsafe_code, reason = "says which rows hold values")]

mod bulk;
mod fields;
mod iter;
mod panics;
mod rows;

pub use fields::{COLUMN_ALIGN, CloneFields, Fields, Leaf};
pub use iter::{Drain, Iter, IterMut};

use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU32;

use self::panics::FirstPanic;
use self::rows::{Rows, Slot};
use super::{Handle, InsertError, PoolOptions};
use crate::ledger::Tag;
use crate::region::{AllocError, Column, ColumnLayout, Kind, Pair, TableOf};

/// A struct that can live in [`Columns`]: derive it.
///
/// `#[derive(Soa)]` on `Particle` makes `ParticleRef` and `ParticleMut` (a reference to each field of one row),
/// `ParticleSlices` and `ParticleSlicesMut` (a slice of each column), as visible as the struct, with fields as visible as
/// its fields. It writes no `unsafe`.
///
/// - The struct has named fields or is a tuple struct; it owns what it holds (no lifetimes); it has no destructor of its
///   own (its fields may). Generics and where clauses are kept, with `'static` for the parameters.
/// - The type of each field is at least as visible as the struct.
/// - `#[soa(nested)]` on a field whose type derives `Soa` too: its fields become columns, and views have its view there.
/// - `#[soa(derive(Debug, PartialEq))]` on the struct derives these for all four; the shared ones are `Copy` in any case.
/// - `#[soa(crate = "engine::arenite")]` on the struct says where this crate is to be found, for re-exports.
///
/// ```
/// use arenite::{Columns, Soa, Tag};
///
/// #[derive(Soa)]
/// struct Body {
///     #[soa(nested)]
///     at: Place,
///     mass: f32,
/// }
///
/// #[derive(Soa)]
/// struct Place {
///     x: f32,
///     y: f32,
/// }
///
/// let mut bodies = Columns::try_new(Tag::register("example/bodies")?, 1000)?;
/// let moon = bodies.push(Body { at: Place { x: 1.0, y: 2.0 }, mass: 0.07 });
/// let columns = bodies.columns_mut();
/// for (x, y) in columns.at.x.iter_mut().zip(&*columns.at.y) {
///     *x += y;
/// }
/// assert_eq!((*bodies.get(moon).unwrap().at.x, bodies.columns().mass), (3.0, &[0.07][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// An implementation by hand is safe code; one that mixes things up gives wrong rows, and nothing worse.
#[diagnostic::on_unimplemented(
    message = "the fields of `{Self}` are no columns",
    note = "write `#[derive(Soa)]` on it (`use arenite::Soa`)"
)]
pub trait Soa: Sized + 'static {
    /// The struct's fields as a list.
    type Fields: Fields;
    /// A reference to each field of one row.
    type Ref<'a>: Copy;
    /// A mutable reference to each field of one row.
    type Mut<'a>;
    /// A slice of each column.
    type Slices<'a>: Copy;
    /// A mutable slice of each column.
    type SlicesMut<'a>;

    /// Takes the struct apart.
    fn into_fields(self) -> Self::Fields;

    /// Puts the struct together.
    fn from_fields(fields: Self::Fields) -> Self;

    /// Gives references their names.
    fn view<'a>(fields: <Self::Fields as Fields>::Refs<'a>) -> Self::Ref<'a>;

    /// Gives mutable references their names.
    fn view_mut<'a>(fields: <Self::Fields as Fields>::Muts<'a>) -> Self::Mut<'a>;

    /// Gives slices their names.
    fn slices<'a>(fields: <Self::Fields as Fields>::Slices<'a>) -> Self::Slices<'a>;

    /// Gives mutable slices their names.
    fn slices_mut<'a>(fields: <Self::Fields as Fields>::SlicesMut<'a>) -> Self::SlicesMut<'a>;
}

/// Slots, names, and behind them the fields.
type Store<F> = Pair<[Column; 2], <F as Fields>::Store>;

/// Bytes of book-keeping for each row.
const NAME_BYTES: usize = size_of::<Slot>() + size_of::<u32>();

/// Rows of `T`, one aligned column per field, each row named by a [`Handle`] that stays right when other rows go, or when
/// the rows are sorted. Rows lie without a gap in 0 to `len`; removing one moves the last row into its place.
///
/// Columns never move and never copy when they grow. Beside its fields a row takes 12 bytes of book-keeping. `Send` and
/// `Sync` if all fields are. Dropping it drops all rows.
///
/// ```
/// use arenite::{Columns, Soa, Tag};
///
/// #[derive(Soa)]
/// struct Particle {
///     pos: [f32; 3],
///     vel: [f32; 3],
///     life: f32,
/// }
///
/// let mut particles = Columns::try_new(Tag::register("example/particles")?, 1 << 20)?;
/// let spark = particles.push(Particle { pos: [0.0; 3], vel: [1.0; 3], life: 2.0 });
/// particles.push(Particle { pos: [9.0; 3], vel: [0.0; 3], life: 0.5 });
///
/// // A column is a slice.
/// for life in particles.columns_mut().life {
///     *life -= 1.0;
/// }
/// particles.retain(|particle| *particle.life > 0.0);
/// assert_eq!(particles.columns().life, [1.0]);
/// assert_eq!(particles.get(spark).unwrap().vel, &[1.0; 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Columns<T: Soa> {
    rows: Rows,
    /// Where the fields' columns begin.
    at: <T::Fields as Fields>::At,
    /// Has memory for `rows.known` rows at the least. Of each row below `rows.len()` every field holds a value that
    /// belongs to these columns.
    table: TableOf<Store<T::Fields>>,
    owns: PhantomData<T::Fields>,
}

// SAFETY: owns its fields' values, as a vector would; a `T` is only put together when one is moved out.
unsafe impl<T: Soa> Send for Columns<T> where T::Fields: Send {}
// SAFETY: shared, it gives references to fields only.
unsafe impl<T: Soa> Sync for Columns<T> where T::Fields: Sync {}

/// Figures of one moment. Sizes are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ColumnsStats {
    /// Rows there are.
    pub rows: usize,
    /// Rows there can be, less the retired ones.
    pub capacity: usize,
    /// Slots that have used up their generations: see [`Columns::recycle`].
    pub retired: usize,
    /// What the rows take, book-keeping included.
    pub used: usize,
    /// Bytes committed.
    pub committed: usize,
    /// Address space, guards and rounding included.
    pub reserved: usize,
}

impl<T: Soa> Columns<T> {
    /// Columns for at most `capacity` rows, charged to `tag`. Address space is reserved for all, memory committed as they
    /// come.
    ///
    /// # Errors
    /// The address space can not be had, or the capacity is above 2³² - 1.
    #[track_caller]
    pub fn try_new(tag: Tag, capacity: usize) -> Result<Self, AllocError> {
        Self::try_with(PoolOptions::new(tag, capacity))
    }

    /// Columns made as the options say.
    ///
    /// # Errors
    /// The address space can not be had, or the capacity is above 2³² - 1; of bounded ones, also: a budget would be
    /// broken, or the system refused.
    #[track_caller]
    pub fn try_with(options: PoolOptions) -> Result<Self, AllocError> {
        let made = options.made(Kind::Columns);
        if options.slots() > u32::MAX as usize {
            return Err(AllocError::TooLarge { tag: options.tag() });
        }
        let names = [Column::new(ColumnLayout::of::<Slot>()), Column::new(ColumnLayout::of::<u32>())];
        let table = options.of(&made).try_table_of(Pair::new(names, T::Fields::store()))?;
        let mut column = 2;
        let at = T::Fields::at(&mut || {
            column += 1;
            table.column(column - 1)
        });
        debug_assert_eq!(column, 2 + T::Fields::COUNT);
        // SAFETY: two columns of these layouts, which belong to this table, and the table to these columns.
        let rows = unsafe { Rows::new(table.column(0).cast(), table.column(1).cast()) };
        let mut columns = Self { rows, at, table, owns: PhantomData };
        if columns.table.rows() > 0 {
            columns.make_ready();
        }
        Ok(columns)
    }

    /// Rows there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows there can be.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.table.capacity()
    }

    /// Bytes committed.
    #[must_use]
    pub fn committed(&self) -> usize {
        self.table.committed()
    }

    /// Whom the columns are charged to.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.table.tag()
    }

    /// Figures of this moment. O(columns).
    #[must_use]
    pub fn stats(&self) -> ColumnsStats {
        ColumnsStats {
            rows: self.len(),
            capacity: self.capacity() - self.rows.retired(),
            retired: self.rows.retired(),
            used: self.used(),
            committed: self.committed(),
            reserved: self.table.reserved(),
        }
    }

    fn used(&self) -> usize {
        self.len() * (NAME_BYTES + T::Fields::BYTES)
    }

    /// Tells the ledger how much is in use now.
    pub fn publish(&mut self) {
        self.table.publish_live(self.used());
    }

    /// Adds a row behind the last one. O(1), amortised over the commits.
    ///
    /// # Panics
    /// All rows are taken, or the memory can not be had.
    #[inline]
    #[track_caller]
    pub fn push(&mut self, row: T) -> Handle<T> {
        match self.try_push(row) {
            Ok(handle) => handle,
            Err(refused) => refused.error.raise(),
        }
    }

    /// Adds a row behind the last one. O(1), amortised over the commits.
    ///
    /// # Errors
    /// All rows are taken, a budget would be broken, or the system refused. The row comes back in the error.
    #[inline]
    pub fn try_push(&mut self, row: T) -> Result<Handle<T>, InsertError<T>> {
        if self.rows.is_full()
            && let Err(error) = self.grow()
        {
            return Err(InsertError { value: row, error });
        }
        let index = self.len();
        // SAFETY: the rows are not full, so that there is memory behind the last row, which nobody borrows; it holds the
        // values from then on. Taking the struct apart is done before.
        unsafe {
            row.into_fields().write(self.at, index);
            self.rows.add(index);
        }
        Ok(self.name(index))
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) -> Result<(), AllocError> {
        self.table.try_grow(self.rows.needed())?;
        self.make_ready();
        self.publish();
        Ok(())
    }

    fn make_ready(&mut self) {
        let rows = self.table.rows().min(u32::MAX as usize);
        // SAFETY: the table has memory for so many.
        unsafe { self.rows.make_ready(rows) };
    }

    /// Commits memory for `rows` rows in all ahead of time.
    ///
    /// # Errors
    /// There can not be so many, a budget would be broken, or the system refused.
    pub fn try_presize(&mut self, rows: usize) -> Result<(), AllocError> {
        self.table.try_grow(rows)?;
        self.make_ready();
        Ok(())
    }

    /// The name of a live row.
    #[inline]
    fn name(&self, row: usize) -> Handle<T> {
        let (index, generation) = self.rows.name(row).unwrap_or((0, NonZeroU32::MIN));
        Handle::new(index, generation)
    }

    /// Which row a handle names now; `None` if it is gone. Right until a row goes or the rows are sorted. O(1).
    #[inline]
    #[must_use]
    pub fn index_of(&self, handle: Handle<T>) -> Option<usize> {
        self.rows.find(handle.index(), handle.generation_nonzero())
    }

    /// The handle of a row; `None` if there are not so many. O(1).
    #[inline]
    #[must_use]
    pub fn handle_at(&self, index: usize) -> Option<Handle<T>> {
        let (slot, generation) = self.rows.name(index)?;
        Some(Handle::new(slot, generation))
    }

    /// Whether a handle still names a row. O(1).
    #[inline]
    #[must_use]
    pub fn contains(&self, handle: Handle<T>) -> bool {
        self.index_of(handle).is_some()
    }

    /// The row a handle names; `None` if it is gone. O(1).
    #[inline]
    #[must_use]
    pub fn get(&self, handle: Handle<T>) -> Option<T::Ref<'_>> {
        self.get_at(self.index_of(handle)?)
    }

    /// The row a handle names, to be changed; `None` if it is gone. O(1).
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, handle: Handle<T>) -> Option<T::Mut<'_>> {
        self.get_at_mut(self.index_of(handle)?)
    }

    /// A row by its place; `None` if there are not so many. O(1).
    #[inline]
    #[must_use]
    pub fn get_at(&self, index: usize) -> Option<T::Ref<'_>> {
        if index >= self.len() {
            return None;
        }
        // SAFETY: a live row, borrowed as these columns are.
        Some(T::view(unsafe { T::Fields::refs(self.at, index) }))
    }

    /// A row by its place, to be changed; `None` if there are not so many. O(1).
    #[inline]
    #[must_use]
    pub fn get_at_mut(&mut self, index: usize) -> Option<T::Mut<'_>> {
        if index >= self.len() {
            return None;
        }
        // SAFETY: a live row, borrowed mutably as these columns are.
        Some(T::view_mut(unsafe { T::Fields::muts(self.at, index) }))
    }

    /// A copy of the row a handle names; `None` if it is gone.
    #[must_use]
    pub fn cloned(&self, handle: Handle<T>) -> Option<T>
    where
        T::Fields: CloneFields,
    {
        let row = self.index_of(handle)?;
        // SAFETY: a live row, borrowed as these columns are.
        Some(T::from_fields(T::Fields::clone_row(unsafe { T::Fields::refs(self.at, row) })))
    }

    /// A slice of each column, in the order of the rows, each beginning at a multiple of 64 bytes.
    #[inline]
    #[must_use]
    pub fn columns(&self) -> T::Slices<'_> {
        // SAFETY: the live rows, borrowed as these columns are.
        T::slices(unsafe { T::Fields::slices(self.at, self.len()) })
    }

    /// A mutable slice of each column, in the order of the rows, each beginning at a multiple of 64 bytes. They can be
    /// used at the same time, also on several threads.
    #[inline]
    #[must_use]
    pub fn columns_mut(&mut self) -> T::SlicesMut<'_> {
        // SAFETY: the live rows, borrowed mutably as these columns are.
        T::slices_mut(unsafe { T::Fields::slices_mut(self.at, self.len()) })
    }

    /// Takes out the row a handle names; `None` if it is gone already. The last row moves into its place. O(1).
    #[inline]
    pub fn remove(&mut self, handle: Handle<T>) -> Option<T> {
        self.remove_at(self.index_of(handle)?)
    }

    /// Takes out a row by its place; `None` if there are not so many. The last row moves into its place. O(1).
    #[inline]
    pub fn remove_at(&mut self, index: usize) -> Option<T> {
        if index >= self.len() {
            return None;
        }
        // SAFETY: a live row.
        Some(T::from_fields(unsafe { self.take(index) }))
    }

    /// Takes out the last row.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        self.remove_at(self.len().checked_sub(1)?)
    }

    /// Moves the values out of a row, and the last row into it.
    ///
    /// # Safety
    /// The row is live.
    #[inline]
    unsafe fn take(&mut self, row: usize) -> T::Fields {
        let last = self.len() - 1;
        // SAFETY: both rows are live. What was in `row` is the caller's, what was in the last one lies in `row`, and the
        // last one holds nothing that counts any more. Nothing here can panic.
        unsafe {
            let fields = T::Fields::read(self.at, row);
            if row != last {
                T::Fields::shift(self.at, last, row);
            }
            self.rows.swap_remove(row);
            fields
        }
    }

    /// Gives slots that have used up their generations (2³¹ - 1 of them) new ones, and answers how many there were. Until
    /// then their rows are missing from the capacity. **From then on handles from long ago may name rows again**, so call
    /// it where none are kept: between levels.
    pub fn recycle(&mut self) -> usize {
        self.rows.recycle()
    }

    /// Gives memory behind the first `keep` rows back to the system, as far as neither rows nor handles need it: the
    /// handle with the largest index holds its own, and so do retired slots. Stale handles stay stale. O(rows with
    /// memory).
    ///
    /// # Errors
    /// The system refused; the memory stays committed.
    pub fn try_trim(&mut self, keep: usize) -> Result<(), AllocError> {
        let keep = self.rows.gather(keep);
        // SAFETY: no row and no slot behind `keep` is in use.
        let answer = unsafe { self.table.try_shrink(keep) };
        let rows = self.table.rows();
        // SAFETY: a table keeps at least what it is told to.
        unsafe { self.rows.forget(rows) };
        self.publish();
        answer
    }

    /// Lets each slot have so few generations, for tests of what happens when they are used up.
    #[cfg(any(test, feature = "fault-injection"))]
    #[doc(hidden)]
    pub fn set_generations(&mut self, generations: u32) {
        self.rows.set_generations(generations);
    }

    /// Looks at every row and name, for tests. O(rows with memory).
    #[cfg(any(test, feature = "fault-injection"))]
    #[doc(hidden)]
    pub fn check(&self) {
        self.rows.check();
    }
}

impl<T: Soa> Drop for Columns<T> {
    fn drop(&mut self) {
        let first = FirstPanic::default();
        // SAFETY: the live rows, which nobody looks at any more. (Without `std` a panic leaves this, and the table still
        // goes.)
        unsafe { T::Fields::drop_rows(self.at, 0..self.len(), &first) };
        first.go_on();
    }
}

impl<T: Soa> fmt::Debug for Columns<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Columns")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "std", feature = "derive", not(loom)))]
mod tests;
