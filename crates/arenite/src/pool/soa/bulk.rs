//! Many rows at once: sorted, sifted, copied, dropped.
#![expect(unsafe_code, reason = "moves and drops rows")]

use core::cmp::Ordering;

use super::panics::FirstPanic;
use super::{AllocError, CloneFields, Columns, Fields, InsertError, Soa};

impl<T: Soa> Columns<T> {
    /// Drops the rows for which `keep` says `false`. It sees each row once, the last one first; the last row moves into
    /// the place of one that goes, so the order of the rows changes, and the cost beside `keep` is that of the rows that
    /// go. Handles to the others stay right.
    ///
    /// # Panics
    /// `keep` panics: rows that it has not seen stay. A destructor panics: the rest is done, and then the first panic goes
    /// on. (Without `std` the first one ends it.)
    pub fn retain(&mut self, mut keep: impl FnMut(T::Mut<'_>) -> bool) {
        let (first, at) = (FirstPanic::default(), self.at);
        for row in (0..self.len()).rev() {
            // SAFETY: a live row: only rows behind it have gone. It is borrowed for the call.
            if !keep(T::view_mut(unsafe { T::Fields::muts(at, row) })) {
                // SAFETY: the same row, not borrowed any more.
                let fields = unsafe { self.take(row) };
                if core::mem::needs_drop::<T::Fields>() {
                    first.once(|| drop(fields));
                }
            }
        }
        first.go_on();
    }

    /// Drops all rows from the first `len` on. Their handles are stale. O(rows that go).
    ///
    /// # Panics
    /// A destructor panics: the others still run, and then the first panic goes on. (Without `std` a second one aborts.)
    pub fn truncate(&mut self, len: usize) {
        let end = self.len();
        if len >= end {
            return;
        }
        // First, so that a row that is dropped is not found any more.
        self.rows.truncate(len);
        let first = FirstPanic::default();
        // SAFETY: rows that held values and are not live any more.
        unsafe { T::Fields::drop_rows(self.at, len..end, &first) };
        first.go_on();
    }

    /// Drops all rows; the memory stays committed ([`try_trim`](Self::try_trim) gives it back). All handles are stale.
    /// O(rows).
    ///
    /// # Panics
    /// As [`truncate`](Self::truncate).
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Sorts the rows by a key, which is asked for about `2 n log n` times. Stable; handles stay right. Uses no further
    /// memory: names are sorted, and then each row moves once.
    ///
    /// # Panics
    /// `key` or a comparison panics, or keys have no total order and that is noticed: the rows are then where they were.
    pub fn sort_by_key<K: Ord>(&mut self, mut key: impl FnMut(T::Ref<'_>) -> K) {
        self.sort_by(|one, other| key(one).cmp(&key(other)));
    }

    /// Sorts the rows by a comparison. Stable; handles stay right. See [`sort_by_key`](Self::sort_by_key).
    ///
    /// # Panics
    /// As [`sort_by_key`](Self::sort_by_key).
    pub fn sort_by(&mut self, mut compare: impl FnMut(T::Ref<'_>, T::Ref<'_>) -> Ordering) {
        let (at, len) = (self.at, self.len());
        let mut order = self.rows.order();
        order.sort(|one, other| {
            // SAFETY: live rows, which nobody changes while their names are sorted; borrowed for the call.
            unsafe { compare(T::view(T::Fields::refs(at, one)), T::view(T::Fields::refs(at, other))) }
        });
        // Nothing from here on can panic.
        for start in 0..len {
            if order.is_home(start) {
                continue;
            }
            // SAFETY: rows change places in circles: the first one's values are kept aside, each row takes those of the
            // next, and the last one takes what was kept.
            unsafe {
                let aside = T::Fields::read(at, start);
                let mut row = start;
                loop {
                    let from = order.bring(row);
                    if from == start {
                        break;
                    }
                    T::Fields::shift(at, from, row);
                    row = from;
                }
                aside.write(at, row);
            }
        }
    }

    /// Adds rows until there are no more, or one is refused. Answers how many there were.
    ///
    /// # Errors
    /// The first refusal, with its row; those before it stay, those behind it are left in the iterator.
    pub fn try_extend(&mut self, rows: impl IntoIterator<Item = T>) -> Result<usize, InsertError<T>> {
        let before = self.len();
        for row in rows {
            self.try_push(row)?;
        }
        Ok(self.len() - before)
    }

    /// Adds a copy of each row of `other`, in order. The copies have handles of their own.
    ///
    /// # Errors
    /// A row was refused; those before it stay.
    ///
    /// # Panics
    /// A `clone` panics; what it has cloned of the row is dropped, and the rows before it stay.
    pub fn try_extend_from(&mut self, other: &Self) -> Result<(), AllocError>
    where
        T::Fields: CloneFields,
    {
        for row in 0..other.len() {
            if self.rows.is_full() {
                self.grow()?;
            }
            // SAFETY: a live row, borrowed for the call.
            let fields = T::Fields::clone_row(unsafe { T::Fields::refs(other.at, row) });
            // SAFETY: the rows are not full, so there is memory behind the last one, which then holds all of its values.
            unsafe {
                let row = self.len();
                fields.write(self.at, row);
                self.rows.add(row);
            }
        }
        Ok(())
    }

    /// As [`try_extend_from`](Self::try_extend_from).
    ///
    /// # Panics
    /// A row was refused, or a `clone` panics; the rows before it stay.
    #[track_caller]
    pub fn extend_from(&mut self, other: &Self)
    where
        T::Fields: CloneFields,
    {
        if let Err(error) = self.try_extend_from(other) {
            error.raise();
        }
    }
}

/// Panics when a row is refused, as [`Columns::push`] does.
impl<T: Soa> Extend<T> for Columns<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, rows: I) {
        for row in rows {
            self.push(row);
        }
    }
}
