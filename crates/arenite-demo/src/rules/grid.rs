//! The grid of cells that stands for a map's walls: collision, what can be reached, lines of sight.

use super::math::{Point, UNIT};
use crate::wad::Bounds;

/// Number of a cell: row × width + column, rows from south to north.
pub type Cell = u32;

/// A wall runs through the cell: nobody stands in it, walks or looks through it.
pub const SOLID: u8 = 1;
/// The cell can be walked to from where the player starts.
pub const REACHED: u8 = 2;

/// A grid is never wider or higher than this.
pub const LONGEST: u32 = 512;

/// The finest cells, in map units: a corridor of 64 units, the narrowest that the original's larger figures pass, always
/// keeps a free cell in its middle.
const FINEST: i32 = 32;

/// How a grid lies over a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// West border in map units.
    pub left: i32,
    /// South border in map units.
    pub bottom: i32,
    /// Side of a cell in map units.
    pub side: i32,
    /// Cells from west to east.
    pub width: u32,
    /// Cells from south to north.
    pub height: u32,
}

impl Shape {
    /// The grid over a map: cells of 32 map units, coarser where that would make more than [`LONGEST`] in a row, and one row
    /// of cells around it that lies outside the map.
    pub fn over(bounds: Bounds) -> Self {
        let longest = bounds.width().max(bounds.height());
        let side = FINEST.max((longest + LONGEST as i32 - 5) / (LONGEST as i32 - 4));
        Self {
            left: i32::from(bounds.left) - side,
            bottom: i32::from(bounds.bottom) - side,
            side,
            width: (bounds.width() / side) as u32 + 3,
            height: (bounds.height() / side) as u32 + 3,
        }
    }

    /// How many cells there are.
    pub fn cells(&self) -> usize {
        self.width as usize * self.height as usize
    }

    /// Column and row of a position, which may lie outside the grid.
    #[inline]
    pub fn place(&self, at: Point) -> (i32, i32) {
        let side = self.side * UNIT;
        ((at.x - self.left * UNIT).div_euclid(side), (at.y - self.bottom * UNIT).div_euclid(side))
    }

    /// The cell in this column and row; `None` outside the grid.
    #[inline]
    pub fn cell(&self, column: i32, row: i32) -> Option<Cell> {
        // A negative number becomes one that is larger than any width.
        let (column, row) = (column.cast_unsigned(), row.cast_unsigned());
        (column < self.width && row < self.height).then(|| row * self.width + column)
    }

    /// The cell at a position; `None` outside the grid.
    #[inline]
    pub fn cell_at(&self, at: Point) -> Option<Cell> {
        let (column, row) = self.place(at);
        self.cell(column, row)
    }

    /// Column and row of a cell.
    #[inline]
    pub fn column_row(&self, cell: Cell) -> (i32, i32) {
        ((cell % self.width) as i32, (cell / self.width) as i32)
    }

    /// The middle of a cell.
    pub fn center(&self, cell: Cell) -> Point {
        let (column, row) = self.column_row(cell);
        let half = self.side * UNIT / 2;
        Point {
            x: (self.left + column * self.side) * UNIT + half,
            y: (self.bottom + row * self.side) * UNIT + half,
        }
    }
}

/// A grid and what is in its cells.
#[derive(Clone, Copy, Debug)]
pub struct Grid<'a> {
    /// How it lies over the map.
    pub shape: Shape,
    /// [`SOLID`] and [`REACHED`] of every cell; as many as `shape.cells()`.
    pub cells: &'a [u8],
}

impl Grid<'_> {
    /// Whether there is no wall in this column and row. Outside the grid everything is wall.
    #[inline]
    pub fn is_open(&self, column: i32, row: i32) -> bool {
        self.shape.cell(column, row).is_some_and(|cell| self.cells[cell as usize] & SOLID == 0)
    }

    /// Whether somebody who came from the start can stand at a position.
    #[inline]
    pub fn stands(&self, at: Point) -> bool {
        self.shape.cell_at(at).is_some_and(|cell| self.cells[cell as usize] & (SOLID | REACHED) == REACHED)
    }

    /// Whether somebody who came from the start can stand in a cell.
    #[inline]
    pub fn is_reached(&self, cell: Cell) -> bool {
        self.cells.get(cell as usize).is_some_and(|flags| flags & (SOLID | REACHED) == REACHED)
    }

    /// Whether the line between the middles of two cells crosses no wall. A line through a corner needs both cells beside
    /// the corner to be free. Symmetric; a cell with a wall in it is not seen and sees nothing. Linear in the distance.
    pub fn sees(&self, from: Cell, to: Cell) -> bool {
        let (a, b) = (self.shape.column_row(from), self.shape.column_row(to));
        // In half cells the middles are whole numbers.
        let half = |(column, row): (i32, i32)| [2 * i64::from(column) + 1, 2 * i64::from(row) + 1];
        walk(half(a), half(b), 2, true, |column, row| self.is_open(column as i32, row as i32))
    }
}

/// Visits the cells of side `side` that a line touches, in its order from `from` to `to`, until `visit` says no; returns
/// whether it never did. Where the line runs exactly through a corner, `corners` says whether the two cells beside it are
/// visited as well.
///
/// A point on a border belongs to the cell to its north or east. Integer arithmetic throughout: no cell is left out or added
/// by rounding. Coordinates below 2²⁰.
pub fn walk(
    from: [i64; 2],
    to: [i64; 2],
    side: i64,
    corners: bool,
    mut visit: impl FnMut(i64, i64) -> bool,
) -> bool {
    let mut at = from.map(|v| v.div_euclid(side));
    let end = to.map(|v| v.div_euclid(side));
    let sign = [(to[0] - from[0]).signum(), (to[1] - from[1]).signum()];
    let length = [(to[0] - from[0]).abs(), (to[1] - from[1]).abs()];
    let mut left = [(end[0] - at[0]).abs(), (end[1] - at[1]).abs()];
    // How far away the next border is, along each axis.
    let mut next = [0, 1].map(|axis: usize| {
        if sign[axis] < 0 { from[axis] - at[axis] * side } else { (at[axis] + 1) * side - from[axis] }
    });
    if !visit(at[0], at[1]) {
        return false;
    }
    while left[0] + left[1] > 0 {
        // Which border comes first: next[0] / length[0] against next[1] / length[1].
        let order = match left {
            [0, _] => std::cmp::Ordering::Greater,
            [_, 0] => std::cmp::Ordering::Less,
            _ => (next[0] * length[1]).cmp(&(next[1] * length[0])),
        };
        if order.is_eq() && corners && !(visit(at[0] + sign[0], at[1]) && visit(at[0], at[1] + sign[1])) {
            return false;
        }
        if order.is_le() {
            at[0] += sign[0];
            left[0] -= 1;
            next[0] += side;
        }
        if order.is_ge() {
            at[1] += sign[1];
            left[1] -= 1;
            next[1] += side;
        }
        if !visit(at[0], at[1]) {
            return false;
        }
    }
    true
}

/// Marks the cells that a wall runs through. `from` and `to` are map coordinates inside the bounds that `shape` was made for.
pub fn add_wall(shape: Shape, cells: &mut [u8], from: [i16; 2], to: [i16; 2]) {
    let relative = |[x, y]: [i16; 2]| {
        [i64::from(x) - i64::from(shape.left), i64::from(y) - i64::from(shape.bottom)]
    };
    walk(relative(from), relative(to), i64::from(shape.side), false, |column, row| {
        if let Some(cell) = shape.cell(column as i32, row as i32) {
            cells[cell as usize] |= SOLID;
        }
        true
    });
}

/// What can be walked to from a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// How many cells.
    pub count: usize,
    /// Whether the rim of the grid is among them: the start lies outside the map's walls, or the walls have a gap.
    pub leaks: bool,
}

/// Marks every cell that can be walked to from `start`, and lists them in `queue[..count]`, nearest first.
///
/// Steps go to the four neighbours, so that whatever is reached can be reached without cutting a corner.
///
/// # Panics
/// When `queue` is shorter than `cells`.
pub fn flood(shape: Shape, cells: &mut [u8], start: Cell, queue: &mut [Cell]) -> Reach {
    let mut reach = Reach { count: 0, leaks: false };
    if cells[start as usize] & (SOLID | REACHED) == 0 {
        cells[start as usize] |= REACHED;
        queue[0] = start;
        reach.count = 1;
    }
    let mut done = 0;
    while done < reach.count {
        let (column, row) = shape.column_row(queue[done]);
        done += 1;
        let last = (shape.width as i32 - 1, shape.height as i32 - 1);
        reach.leaks |= column == 0 || row == 0 || column == last.0 || row == last.1;
        for (dx, dy) in [(1, 0), (-1, 0), (0, 1), (0, -1)] {
            let Some(near) = shape.cell(column + dx, row + dy) else { continue };
            if cells[near as usize] & (SOLID | REACHED) == 0 {
                cells[near as usize] |= REACHED;
                queue[reach.count] = near;
                reach.count += 1;
            }
        }
    }
    reach
}
