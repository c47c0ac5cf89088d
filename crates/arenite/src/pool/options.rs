//! How a pool is to be made: the same for all of them.

use crate::ledger::Tag;
use crate::region::{
    AllocError, Column, ColumnLayout, ColumnStore, Kind, Made, RegionOptions, Table, TableOf,
};

/// How many slots a pool has, whom it is charged to, and how it commits them.
///
/// ```
/// use arenite::{PoolOptions, Tag};
/// let tag = Tag::register("example/bullets")?;
/// // Address space for a million, of which none is committed.
/// let many = PoolOptions::new(tag, 1 << 20);
/// // Exactly 256, all of them committed and in RAM from the start.
/// let few = PoolOptions::new(tag, 256).bounded().prefault(true);
/// # let _ = (many, few);
/// # Ok::<(), arenite::TagError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct PoolOptions {
    capacity: usize,
    at_least: usize,
    bounded: bool,
    region: RegionOptions,
}

impl PoolOptions {
    /// Room for `capacity` slots, charged to `tag`. Address space is reserved for all of them, memory is committed as
    /// they are used. When the system refuses that much address space the capacity is halved until it agrees.
    ///
    /// Guard pages stand between the columns, steps grow from 64 KiB to 4 MiB, huge pages and prefaulting are off.
    pub const fn new(tag: Tag, capacity: usize) -> Self {
        Self { capacity, at_least: 1, bounded: false, region: RegionOptions::new(tag, 0) }
    }

    /// The smallest capacity that is still useful. Default: one slot.
    pub const fn at_least(mut self, slots: usize) -> Self {
        self.at_least = slots;
        self
    }

    /// A bounded pool: exactly this capacity or an error, and all of it committed when the pool is made. From then on it
    /// makes no system call and nothing but the last slot being taken can refuse an allocation: no trim and no clear gives
    /// its memory back.
    pub const fn bounded(mut self) -> Self {
        self.bounded = true;
        self
    }

    /// Bounds of a commit step in bytes. A step is as large as what is committed already, within these bounds.
    pub const fn commit_steps(mut self, min: usize, max: usize) -> Self {
        self.region = self.region.commit_steps(min, max);
        self
    }

    /// Whether an inaccessible page follows each column, so that running over its end faults.
    pub const fn guard(mut self, guard: bool) -> Self {
        self.region = self.region.guard(guard);
        self
    }

    /// Asks the system to back large columns with huge pages.
    pub const fn huge_pages(mut self, huge: bool) -> Self {
        self.region = self.region.huge_pages(huge);
        self
    }

    /// Brings each committed step into RAM at once, so that the first use of a slot does not fault.
    pub const fn prefault(mut self, prefault: bool) -> Self {
        self.region = self.region.prefault(prefault);
        self
    }

    /// The caller makes a pool of this kind.
    #[inline]
    #[track_caller]
    pub(crate) fn made(&self, kind: Kind) -> Made {
        Made::here(kind, self.tag())
    }

    /// For the structure that is being made.
    pub(crate) fn of(mut self, made: &Made) -> Self {
        self.region = self.region.of(made);
        self
    }

    /// For a further region of the same structure.
    pub(crate) const fn beside(&self, other: RegionOptions) -> RegionOptions {
        other.beside(&self.region)
    }

    /// How many slots were asked for.
    pub(crate) const fn slots(&self) -> usize {
        self.capacity
    }

    /// Whom the pool is to be charged to.
    pub(crate) const fn tag(&self) -> Tag {
        self.region.tag()
    }

    /// The table of a pool with these columns.
    ///
    /// # Errors
    /// The address space can not be had; of a bounded pool, also: a budget would be broken, or the system refused.
    pub(crate) fn try_table<const N: usize>(
        &self,
        layouts: [ColumnLayout; N],
    ) -> Result<Table<N>, AllocError> {
        self.try_table_of(layouts.map(Column::new))
    }

    /// The same for columns whose number is not known here.
    pub(crate) fn try_table_of<S: ColumnStore>(&self, columns: S) -> Result<TableOf<S>, AllocError> {
        let at_least = if self.bounded { self.capacity } else { self.at_least };
        let mut table = TableOf::try_reserve_columns(&self.region, columns, self.capacity, at_least)?;
        if self.bounded {
            table.try_grow(self.capacity)?;
            table.hold();
        }
        Ok(table)
    }

    /// The table of a pool that needs `rows(capacity)` rows to have a capacity, and the capacity that it came to.
    ///
    /// # Errors
    /// As [`try_table`](Self::try_table).
    pub(crate) fn try_table_for<const N: usize>(
        &self,
        layouts: [ColumnLayout; N],
        rows: impl Fn(usize) -> usize,
    ) -> Result<(Table<N>, usize), AllocError> {
        let at_least = if self.bounded { self.capacity } else { self.at_least };
        let mut capacity = self.capacity;
        loop {
            let wanted = rows(capacity);
            match Table::try_reserve(&self.region, layouts, wanted, wanted) {
                Ok(mut table) => {
                    if self.bounded {
                        table.try_grow(wanted)?;
                        table.hold();
                    }
                    return Ok((table, capacity));
                }
                Err(error) if capacity <= at_least => return Err(error),
                Err(_) => capacity = (capacity / 2).max(at_least),
            }
        }
    }
}
