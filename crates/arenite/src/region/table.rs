//! Several arrays that grow together in one reservation: the memory of a pool.
//!
//! ```text
//!   column 0                       guard   column 1           guard
//!    | rows in use | address space | page | rows | address sp. | page | …
//!    +-------------+---------------+------+------+-------------+------+
//! ```
//!
//! All columns hold the same number of rows. One watermark, in rows, says how many of them have memory behind them; a
//! step charges the pages of all columns at once, or nothing. A column never moves, so that its owner computes addresses
//! and keeps no list of chunks.
#![expect(unsafe_code, reason = "owns raw address space and decides when its pages are accessible")]

use core::ptr::NonNull;

use super::{AllocError, Kind, Made, RegionOptions, Step, commit_unit};
use crate::base::align::{align_down, checked_align_up};
use crate::ledger::Tag;
use crate::os;

/// What a row takes in one column of a [`Table`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnLayout {
    /// Bytes of one group of rows.
    bytes: usize,
    /// Rows that share a group; the last group of a column is whole.
    rows: usize,
    align: usize,
}

impl ColumnLayout {
    /// One `T` a row.
    #[must_use]
    pub const fn of<T>() -> Self {
        Self::bytes(size_of::<T>(), align_of::<T>())
    }

    /// `size` bytes a row, the first one at a multiple of `align`. (`size` is the stride, so it should be a multiple of
    /// `align` as well.)
    ///
    /// # Panics
    /// `align` is not a power of two, or a row is an eighth of the address space or more.
    #[must_use]
    pub const fn bytes(size: usize, align: usize) -> Self {
        assert!(align.is_power_of_two(), "an alignment is a power of two");
        assert!(size <= usize::MAX >> 4, "a row of such a size fits no address space");
        Self { bytes: size, rows: 1, align }
    }

    /// One bit a row, kept in words of 64: the column starts at a multiple of 8 bytes, and the last word is whole.
    #[must_use]
    pub const fn bit() -> Self {
        Self::words(1, 64)
    }

    /// `words` words of 64 bits for every `rows` rows: several bits a row that are used together, or a summary of many
    /// rows. The column starts at a multiple of 8 bytes, and the last group is whole.
    ///
    /// # Panics
    /// `rows` is zero, or the words are an eighth of the address space or more.
    #[must_use]
    pub const fn words(words: usize, rows: usize) -> Self {
        assert!(rows > 0, "words for no row");
        assert!(words <= usize::MAX >> 7, "a group of such a size fits no address space");
        Self { bytes: words * 8, rows, align: 8 }
    }

    /// Bytes of `rows` rows, whole groups. `None` when they do not fit the address space.
    fn bytes_of(self, rows: usize) -> Option<usize> {
        let bytes = rows.div_ceil(self.rows).checked_mul(self.bytes)?;
        (bytes <= isize::MAX as usize).then_some(bytes)
    }

    /// How many rows `bytes` have room for.
    fn rows_of(self, bytes: usize) -> usize {
        match self.bytes {
            0 => usize::MAX,
            group => (bytes / group).saturating_mul(self.rows),
        }
    }

    /// Bits of one row, rounded up.
    fn bits(self) -> usize {
        (self.bytes * 8).div_ceil(self.rows)
    }
}

/// Where a column lies and how much of it has memory behind it.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    layout: ColumnLayout,
    /// First row, in bytes from the start of the reservation.
    offset: usize,
    /// First page. Columns begin at different places within their pages, so that the same row of many columns does not
    /// compete for the same few lines of the cache.
    first_page: usize,
    /// Accessible bytes from `first_page`, a multiple of `unit`, charged.
    committed: usize,
    /// How large a piece is committed at the least.
    unit: usize,
    huge: bool,
}

impl Column {
    /// A column that has no place yet.
    pub(crate) const fn new(layout: ColumnLayout) -> Self {
        Self { layout, offset: 0, first_page: 0, committed: 0, unit: 1, huge: false }
    }

    /// Bytes that must be accessible from `first_page` for `rows` rows. `rows` is at most the capacity, for which the
    /// whole table was laid out, so nothing wraps.
    fn target(&self, rows: usize) -> usize {
        match self.layout.bytes_of(rows) {
            None | Some(0) => 0,
            Some(bytes) => align_down(self.offset - self.first_page + bytes + self.unit - 1, self.unit),
        }
    }
}

/// Keeps the columns of a table: an array of them, or arrays one after the other ([`Pair`]), for a table whose number
/// of columns is a sum that only the compiler of its user knows.
///
/// # Safety
/// Both methods give the same columns at any time, and nothing else changes their number.
pub unsafe trait ColumnStore: Copy + core::fmt::Debug {
    /// The columns, in order.
    fn as_slice(&self) -> &[Column];

    /// The columns, in order.
    fn as_mut_slice(&mut self) -> &mut [Column];
}

// SAFETY: an array is its own slice.
unsafe impl<const N: usize> ColumnStore for [Column; N] {
    #[inline]
    fn as_slice(&self) -> &[Column] {
        self
    }

    #[inline]
    fn as_mut_slice(&mut self) -> &mut [Column] {
        self
    }
}

/// The columns of `A`, and behind them those of `B`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Pair<A, B>(A, B);

mod contiguous {
    use super::{Column, Pair};

    /// What is nothing but columns without a gap.
    ///
    /// # Safety
    /// As it says: size and alignment are those of an array of [`Column`], and so is each byte.
    pub unsafe trait Contiguous: Copy + core::fmt::Debug {}

    // SAFETY: an array.
    unsafe impl<const N: usize> Contiguous for [Column; N] {}
    // SAFETY: `repr(C)`: `B` follows `A` at the next multiple of its alignment, which is that of a column, and the size
    // of `A` is a multiple of that.
    unsafe impl<A: Contiguous, B: Contiguous> Contiguous for Pair<A, B> {}
}
pub(crate) use contiguous::Contiguous;

impl<A: Contiguous, B: Contiguous> Pair<A, B> {
    const COUNT: usize = size_of::<Self>() / size_of::<Column>();

    pub(crate) const fn new(first: A, second: B) -> Self {
        Self(first, second)
    }
}

// SAFETY: the same memory in both; `Contiguous` is sealed.
unsafe impl<A: Contiguous, B: Contiguous> ColumnStore for Pair<A, B> {
    #[inline]
    fn as_slice(&self) -> &[Column] {
        // SAFETY: `Contiguous`: this is an array of so many columns.
        unsafe { core::slice::from_raw_parts(core::ptr::from_ref(self).cast(), Self::COUNT) }
    }

    #[inline]
    fn as_mut_slice(&mut self) -> &mut [Column] {
        // SAFETY: as above, borrowed mutably; any column is as good as another to `Pair`.
        unsafe { core::slice::from_raw_parts_mut(core::ptr::from_mut(self).cast(), Self::COUNT) }
    }
}

/// `N` arrays that grow together in one reservation, charged to a tag: see [`TableOf`].
pub type Table<const N: usize> = TableOf<[Column; N]>;

/// Arrays that grow together in one reservation, charged to a tag. The owner says what a row is; the table hands out
/// addresses, never references. Dropping it gives everything back, without a look at what is in the rows.
///
/// `Send` and `Sync`: what is done with the addresses is the owner's `unsafe` code.
#[derive(Debug)]
pub struct TableOf<S: ColumnStore> {
    base: NonNull<u8>,
    /// The whole reservation in bytes, charged as reserved.
    size: usize,
    columns: S,
    /// Rows that fit.
    capacity: usize,
    /// Rows that have memory behind them in every column.
    rows: usize,
    /// What the owner last said is in use, in bytes; charged to `tag`.
    live: usize,
    step_min: usize,
    step_max: usize,
    prefault: bool,
    /// Nothing is given back before the end.
    held: bool,
    /// The structure it is a part of, if that is remembered.
    made: Made,
    tag: Tag,
}

// SAFETY: an owner of address space, addressed by plain numbers.
unsafe impl<S: ColumnStore> Send for TableOf<S> {}
// SAFETY: as above; `&Table` gives figures and addresses only.
unsafe impl<S: ColumnStore> Sync for TableOf<S> {}

impl<const N: usize> Table<N> {
    /// Reserves room for `capacity` rows. When the system refuses that much address space the capacity is halved until
    /// it agrees, down to `at_least` rows. Of the options the tag, the steps, the guard, huge pages and prefaulting
    /// count; the size follows from the rows. One system call (more when halved); nothing is committed.
    ///
    /// # Errors
    /// The system has not even room for `at_least` rows, or they do not fit the address space.
    #[track_caller]
    pub fn try_reserve(
        options: &RegionOptions,
        layouts: [ColumnLayout; N],
        capacity: usize,
        at_least: usize,
    ) -> Result<Self, AllocError> {
        Self::try_reserve_columns(options, layouts.map(Column::new), capacity, at_least)
    }
}

impl<S: ColumnStore> TableOf<S> {
    /// As [`try_reserve`](Table::try_reserve), with columns that have a layout and nothing else yet.
    #[track_caller]
    pub(crate) fn try_reserve_columns(
        options: &RegionOptions,
        plan: S,
        capacity: usize,
        at_least: usize,
    ) -> Result<Self, AllocError> {
        let tag = options.tag;
        let made = options.made(Kind::Table);
        let mut capacity = capacity;
        loop {
            let answer = match lay_out(options, plan, capacity) {
                None => Err(AllocError::TooLarge { tag }),
                Some((columns, size, align)) => match os::reserve(size, align) {
                    Err(error) => Err(AllocError::Os { tag, error }),
                    Ok(base) => {
                        tag.charge_reserved(size);
                        return Ok(Self {
                            base,
                            size,
                            columns,
                            capacity,
                            rows: 0,
                            live: 0,
                            step_min: options.step_min,
                            step_max: options.step_max,
                            prefault: options.prefault,
                            held: false,
                            made,
                            tag,
                        });
                    }
                },
            };
            if capacity <= at_least {
                return answer;
            }
            capacity = (capacity / 2).max(at_least);
        }
    }

    /// Rows that fit.
    #[inline]
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Rows, from the first, that have memory behind them in every column.
    #[inline]
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// The first row of a column; it never moves. Row `i` lies `i` strides further, for `i` below
    /// [`rows`](Self::rows). A page that was never used reads as zero.
    ///
    /// # Panics
    /// There is no such column.
    #[inline]
    #[must_use]
    pub fn column(&self, index: usize) -> NonNull<u8> {
        // SAFETY: every column lies inside the reservation.
        unsafe { self.base.add(self.columns.as_slice()[index].offset) }
    }

    /// Whom the table is charged to.
    #[inline]
    #[must_use]
    pub const fn tag(&self) -> Tag {
        self.tag
    }

    /// Address space in bytes, guards and rounding included.
    #[must_use]
    pub const fn reserved(&self) -> usize {
        self.size
    }

    /// Rows of a column that have memory behind them, in whole or in part: more than [`rows`](Self::rows) when the column
    /// has a page of its own left over, or when the system refused to take pages back.
    ///
    /// # Panics
    /// There is no such column.
    #[must_use]
    pub fn touched(&self, index: usize) -> usize {
        let column = &self.columns.as_slice()[index];
        let bytes = column.committed.saturating_sub(column.offset - column.first_page);
        match column.layout.bytes {
            0 => self.capacity,
            group => bytes.div_ceil(group).saturating_mul(column.layout.rows).min(self.capacity),
        }
    }

    /// Committed bytes of all columns.
    #[must_use]
    pub fn committed(&self) -> usize {
        self.columns.as_slice().iter().map(|column| column.committed).sum()
    }

    /// Makes sure that at least `needed` rows have memory behind them; commits a whole step when it can, less when a
    /// budget does not allow it, and just what is needed when the system refuses. Amortised O(1) system calls.
    ///
    /// # Errors
    /// There are not that many rows, a budget would be broken, or the system refused; nothing has changed then.
    pub fn try_grow(&mut self, needed: usize) -> Result<(), AllocError> {
        match self.next_step(needed)? {
            Some(step) => step.make(|step| self.commit_step(step)),
            None => Ok(()),
        }
    }

    /// What would have to be committed for `needed` rows; `None` when they are.
    pub(crate) fn next_step(&self, needed: usize) -> Result<Option<Step>, AllocError> {
        let (tag, from) = (self.tag, self.rows);
        if needed <= from {
            return Ok(None);
        }
        if needed > self.capacity {
            return Err(AllocError::Full { tag, capacity: self.capacity });
        }
        let exact = self.filled(needed);
        let exact_bytes = self.cost(exact);
        let committed = self.committed();
        // A step that only generosity makes too large is worth neither a refusal nor a warning before its time.
        let allowed = committed.clamp(self.step_min, self.step_max).min(tag.calm_room());
        let row_bits: usize = self.columns.as_slice().iter().map(|column| column.layout.bits()).sum();
        let rows_in = |bytes: usize| (bytes / row_bits.max(1)).saturating_mul(8);
        let mut goal = exact.max(from.saturating_add(rows_in(allowed)).min(self.capacity));
        let (to, bytes) = loop {
            let to = self.filled(goal);
            let bytes = self.cost(to);
            if goal == exact || bytes <= allowed {
                break (to, bytes);
            }
            // Rounding to pages made it too much, by whole pages.
            goal = exact.max(goal.saturating_sub(rows_in(bytes - allowed).max(1)));
        };
        Ok(Some(Step { tag, from, exact, exact_bytes, to, bytes }))
    }

    /// As many rows as fit the pages that `rows` rows need anyway.
    fn filled(&self, rows: usize) -> usize {
        let fit = self.columns.as_slice().iter().map(|column| {
            let room = column.target(rows).saturating_sub(column.offset - column.first_page);
            column.layout.rows_of(room)
        });
        fit.min().unwrap_or(rows).clamp(rows, self.capacity)
    }

    /// Bytes to commit for `rows` rows beyond what is committed now.
    fn cost(&self, rows: usize) -> usize {
        self.columns
            .as_slice()
            .iter()
            .map(|column| column.target(rows).saturating_sub(column.committed))
            .sum()
    }

    /// Commits a step that has been charged. If the table has grown or shrunk since the step was planned, the charge is
    /// given back and nothing else happens: plan again.
    pub(crate) fn commit_step(&mut self, step: Step) -> Result<(), AllocError> {
        let Step { tag, from, to, bytes, .. } = step;
        if from != self.rows || self.cost(to) != bytes {
            tag.credit_committed(bytes);
            return Ok(());
        }
        for index in 0..self.columns.as_slice().len() {
            if let Err(error) = self.make_real(index, to) {
                // What became real is uncharged, so take it back. A refusal of that too leaves empty accessible pages,
                // which the next growth charges.
                for column in &self.columns.as_slice()[..=index] {
                    let more = column.target(to).saturating_sub(column.committed);
                    if more > 0 {
                        // SAFETY: whole pages of this table above what is committed: nobody uses them.
                        let _ = unsafe {
                            os::decommit(self.base.add(column.first_page + column.committed), more)
                        };
                    }
                }
                tag.credit_committed(bytes);
                return Err(AllocError::Os { tag, error });
            }
        }
        for column in self.columns.as_mut_slice() {
            column.committed = column.committed.max(column.target(to));
        }
        self.made.grew(bytes);
        self.rows = to;
        Ok(())
    }

    fn make_real(&self, index: usize, rows: usize) -> Result<(), os::OsError> {
        let column = &self.columns.as_slice()[index];
        let more = column.target(rows).saturating_sub(column.committed);
        if more == 0 {
            return Ok(());
        }
        // SAFETY: the column's pages were laid out inside the reservation for all of its capacity; these lie above
        // what is committed, so nobody uses them.
        unsafe {
            let start = self.base.add(column.first_page + column.committed);
            os::commit(start, more)?;
            if column.huge {
                // A hint. A system without huge pages serves ordinary ones.
                let _ = os::prefer_huge(start, more);
            }
            if self.prefault {
                os::prefault(start, more)?;
            }
        }
        Ok(())
    }

    /// From now on [`try_shrink`](Self::try_shrink) gives nothing back: for who must never be refused what it once had.
    pub const fn hold(&mut self) {
        self.held = true;
    }

    /// Gives the pages of all rows behind the first `keep` back to the system; what was in them is gone. One system call
    /// a column, or none when there is nothing to give or the table [holds](Self::hold) what it has.
    ///
    /// # Errors
    /// The system refused; the rows behind `keep` can be had again by growing, and what it did not take stays charged.
    ///
    /// # Safety
    /// Nothing behind the first `keep` rows is in use.
    pub unsafe fn try_shrink(&mut self, keep: usize) -> Result<(), AllocError> {
        if self.held {
            return Ok(());
        }
        let tag = self.tag;
        let mut answer = Ok(());
        for column in self.columns.as_mut_slice() {
            let target = column.target(keep);
            if target >= column.committed {
                continue;
            }
            let less = column.committed - target;
            // SAFETY: whole pages of this table that nobody uses, by the caller's promise.
            match unsafe { os::decommit(self.base.add(column.first_page + target), less) } {
                Ok(()) => {
                    column.committed = target;
                    tag.credit_committed(less);
                    self.made.shrank(less);
                }
                Err(error) => answer = Err(AllocError::Os { tag, error }),
            }
        }
        // As many as every column still has, which may be a few more than `keep`.
        self.rows = self.filled(keep).min(self.rows);
        answer
    }

    /// Publishes how many bytes its owner has in use now. The ledger's live figure is as fresh as the last such call.
    #[inline]
    pub fn publish_live(&mut self, live: usize) {
        if live != self.live {
            self.tag.move_live(self.live, live);
            self.live = live;
        }
    }
}

impl<S: ColumnStore> Drop for TableOf<S> {
    fn drop(&mut self) {
        self.publish_live(0);
        // SAFETY: exactly the reservation that `try_reserve` made; its owner is gone.
        if unsafe { os::release(self.base, self.size) }.is_ok() {
            let committed = self.committed();
            self.tag.credit_committed(committed);
            self.tag.credit_reserved(self.size);
            self.made.shrank(committed);
        } else {
            // Refused: the memory is still there, so it stays charged.
            self.made.lost();
        }
    }
}

/// Columns, size and alignment of a reservation for `capacity` rows; `None` when it does not fit the address space.
fn lay_out<S: ColumnStore>(options: &RegionOptions, plan: S, capacity: usize) -> Option<(S, usize, usize)> {
    let page = os::page_size();
    let guard = if options.guard { page } else { 0 };
    let (mut end, mut largest_align) = (0usize, page);
    let mut columns = plan;
    for (index, column) in columns.as_mut_slice().iter_mut().enumerate() {
        let layout = column.layout;
        let bytes = layout.bytes_of(capacity)?;
        let large = options.huge.then(os::huge_page_size).flatten().filter(|huge| bytes >= 2 * huge);
        let unit = if large.is_some() { commit_unit(true) } else { page };
        let align = layout.align.max(unit);
        // Five lines further for each column: 13 columns meet again only after a page.
        let skew = if layout.align <= 64 { index * 5 * 64 % page } else { 0 };
        let first_page = checked_align_up(end, align)?;
        let offset = first_page.checked_add(skew)?;
        end = checked_align_up(offset.checked_add(bytes)?, unit)?.checked_add(guard)?;
        largest_align = largest_align.max(align);
        *column = Column { layout, offset, first_page, committed: 0, unit, huge: large.is_some() };
    }
    let size = checked_align_up(end.max(1), os::granularity())?;
    (size <= isize::MAX as usize).then_some((columns, size, largest_align))
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
