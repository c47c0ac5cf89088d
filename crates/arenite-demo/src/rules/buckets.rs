//! Who is near whom: agents' slots sorted into squares of a few cells.

use super::agent::Agent;
use super::crew::Crew;
use super::grid::Shape;
use super::math::{Point, UNIT};

/// Side of a bucket in cells.
pub const CELLS: u32 = 4;

/// Agents sorted into squares of [`CELLS`] × [`CELLS`] cells. Two slices; copying it is cheap.
#[derive(Clone, Copy, Debug)]
pub struct Buckets<'a> {
    shape: Shape,
    columns: u32,
    rows: u32,
    /// Where each bucket begins in `slots`; each ends where the next begins.
    starts: &'a [u32],
    slots: &'a [u32],
}

impl<'a> Buckets<'a> {
    /// How many numbers [`build`](Self::build) needs for `starts`.
    pub fn starts_len(shape: Shape) -> usize {
        shape.width.div_ceil(CELLS) as usize * shape.height.div_ceil(CELLS) as usize + 2
    }

    /// Sorts the agents by where they stand. `starts` has [`starts_len`](Self::starts_len) numbers, `slots` as many as
    /// there are agents; both are overwritten. Within a bucket agents are in the order of their slots. Linear.
    ///
    /// # Panics
    /// When one of the slices is too short.
    pub fn build(shape: Shape, crew: &impl Crew, starts: &'a mut [u32], slots: &'a mut [u32]) -> Self {
        let (columns, rows) = (shape.width.div_ceil(CELLS), shape.height.div_ceil(CELLS));
        let starts = &mut starts[..Self::starts_len(shape)];
        let bucket = |agent: &Agent| {
            let (column, row) = shape.place(agent.at);
            let column = (column.max(0) as u32 / CELLS).min(columns - 1);
            let row = (row.max(0) as u32 / CELLS).min(rows - 1);
            (row * columns + column) as usize
        };
        // Counting sort. Counts are two places further than their bucket, so that after adding up, the place in between
        // is the bucket's cursor, and after filling, its end.
        starts.fill(0);
        for (_, agent) in crew.each() {
            starts[bucket(agent) + 2] += 1;
        }
        for at in 2..starts.len() {
            starts[at] += starts[at - 1];
        }
        for (slot, agent) in crew.each() {
            let cursor = &mut starts[bucket(agent) + 1];
            slots[*cursor as usize] = slot;
            *cursor += 1;
        }
        Self { shape, columns, rows, starts, slots }
    }

    /// Side of a bucket, in units of [`Point`].
    pub fn side(&self) -> i32 {
        CELLS as i32 * self.shape.side * UNIT
    }

    /// Column and row of the bucket at a position, which may lie outside the grid.
    pub fn place(&self, at: Point) -> (i32, i32) {
        let (column, row) = self.shape.place(at);
        (column.div_euclid(CELLS as i32), row.div_euclid(CELLS as i32))
    }

    /// The slots of the agents in the bucket in this column and row; none outside the grid.
    #[inline]
    pub fn at(&self, column: i32, row: i32) -> &'a [u32] {
        let (column, row) = (column.cast_unsigned(), row.cast_unsigned());
        if column >= self.columns || row >= self.rows {
            return &[];
        }
        let bucket = (row * self.columns + column) as usize;
        &self.slots[self.starts[bucket] as usize..self.starts[bucket + 1] as usize]
    }

    /// Visits the slots of the agents in all buckets that lie in a square around a position, or are cut by it.
    pub fn around(&self, at: Point, reach: i32, mut visit: impl FnMut(u32)) {
        let reach = Point { x: reach, y: reach };
        let (low, high) = (self.place(at - reach), self.place(at + reach));
        for row in low.1..=high.1 {
            for column in low.0..=high.0 {
                self.at(column, row).iter().for_each(|&slot| visit(slot));
            }
        }
    }

    /// Visits the slots of the agents in the buckets that are `ring` buckets away from the one at a position.
    pub fn ring(&self, at: Point, ring: i32, mut visit: impl FnMut(u32)) {
        let (column, row) = self.place(at);
        for y in row - ring..=row + ring {
            // Whole rows at the ring's lower and upper side, their two ends in between.
            let step = if (y - row).abs() == ring { 1 } else { (2 * ring).max(1) };
            for x in (column - ring..=column + ring).step_by(step as usize) {
                self.at(x, y).iter().for_each(|&slot| visit(slot));
            }
        }
    }
}
