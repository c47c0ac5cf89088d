//! A*: the cheapest way from one cell to another, inside a window around where it starts.
//!
//! The window bounds time and memory of one search: at most [`NODES`] cells are looked at, whatever the size of the map. The
//! memory is the caller's: a slice of [`Node`]s and an [`OpenList`], both for one search only.

use super::grid::{Cell, Grid};

/// Side of the window in cells.
pub const WINDOW: u32 = 64;
/// How many nodes a search needs.
pub const NODES: usize = (WINDOW * WINDOW) as usize;
/// A goal at most this many columns and rows away lies in the window, wherever the start is.
pub const RANGE: i32 = WINDOW as i32 / 2 - 1;

/// What a step to a side costs; steps across a corner cost [`DIAGONAL`].
pub const STRAIGHT: u32 = 5;
/// What a step across a corner costs. 7/5 is just below the square root of 2.
pub const DIAGONAL: u32 = 7;

/// The eight directions: the four sides first.
const STEPS: [(i32, i32); 8] = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1)];

/// What a search knows about one cell of its window.
#[derive(Clone, Copy, Debug, Default)]
pub struct Node {
    /// Cost from the start plus one; 0 when the cell has not been met. 16 bits do: 4096 cells × 7 are less.
    cost: u16,
    /// The direction in which it was entered.
    entered: u8,
    /// Its cheapest way is known.
    closed: bool,
}

/// The cells that a search has yet to look at, cheapest first.
///
/// A search pushes a cell whenever it finds a cheaper way to it: at most eight times, so never more than 8 × [`NODES`] keys in
/// all. Equal keys stand for the same thing, so that any order among them gives the same path.
pub trait OpenList {
    /// Takes in a key.
    fn push(&mut self, key: u64);
    /// Gives back the smallest key.
    fn pop(&mut self) -> Option<u64>;
}

/// A way that was found. The steps are read out of the nodes by [`Found::write`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Cells to enter, the goal included and the start not.
    pub steps: usize,
    /// What the way costs.
    pub cost: u32,
    window: Window,
    goal: usize,
}

/// The part of the grid in which a search looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    column: i32,
    row: i32,
}

impl Window {
    fn around(column: i32, row: i32) -> Self {
        let half = WINDOW as i32 / 2;
        Self { column: column - half, row: row - half }
    }

    #[inline]
    fn node(self, column: i32, row: i32) -> Option<usize> {
        let (column, row) = ((column - self.column).cast_unsigned(), (row - self.row).cast_unsigned());
        (column < WINDOW && row < WINDOW).then(|| (row * WINDOW + column) as usize)
    }

    #[inline]
    fn place(self, node: usize) -> (i32, i32) {
        (self.column + (node as u32 % WINDOW) as i32, self.row + (node as u32 / WINDOW) as i32)
    }
}

/// What the way between two places costs at least.
fn least(from: (i32, i32), to: (i32, i32)) -> u32 {
    let (dx, dy) = (from.0.abs_diff(to.0), from.1.abs_diff(to.1));
    STRAIGHT * (dx.max(dy) - dx.min(dy)) + DIAGONAL * dx.min(dy)
}

/// Smaller keys are looked at first: lower estimate, then the one nearer to the goal, then the lower node, so that the order
/// is total and the same everywhere.
fn key(cost: u32, ahead: u32, node: usize) -> u64 {
    u64::from(cost + ahead) << 48 | u64::from(ahead) << 32 | node as u64
}

/// Looks for the cheapest way from `from` to `to` over cells without walls. Steps across a corner need both cells beside it
/// to be free. `None` when there is no way inside the window, or `to` lies outside it.
///
/// `nodes` are overwritten; `open` should be empty. At most [`NODES`] × 8 steps of work and as many keys.
///
/// # Panics
/// When there are fewer than [`NODES`] nodes.
pub fn search(
    grid: &Grid<'_>,
    from: Cell,
    to: Cell,
    nodes: &mut [Node],
    open: &mut impl OpenList,
) -> Option<Found> {
    let (start, goal_place) = (grid.shape.column_row(from), grid.shape.column_row(to));
    let window = Window::around(start.0, start.1);
    let goal = window.node(goal_place.0, goal_place.1)?;
    if !grid.is_open(start.0, start.1) || !grid.is_open(goal_place.0, goal_place.1) {
        return None;
    }
    let nodes = &mut nodes[..NODES];
    nodes.fill(Node::default());
    let first = window.node(start.0, start.1)?;
    nodes[first].cost = 1;
    let ahead = least(start, goal_place);
    open.push(key(0, ahead, first));
    while let Some(key_now) = open.pop() {
        let now = (key_now & 0xFFFF_FFFF) as usize;
        if nodes[now].closed {
            continue;
        }
        nodes[now].closed = true;
        let cost = u32::from(nodes[now].cost) - 1;
        if now == goal {
            let mut found = Found { steps: 0, cost, window, goal };
            found.walk(nodes, |_, _| found.steps += 1);
            return Some(found);
        }
        let (column, row) = window.place(now);
        for (direction, &(dx, dy)) in STEPS.iter().enumerate() {
            let place = (column + dx, row + dy);
            let Some(next) = window.node(place.0, place.1) else { continue };
            if nodes[next].closed || !grid.is_open(place.0, place.1) {
                continue;
            }
            let across = dx != 0 && dy != 0;
            if across && !(grid.is_open(column + dx, row) && grid.is_open(column, row + dy)) {
                continue;
            }
            let cost = cost + if across { DIAGONAL } else { STRAIGHT };
            let known = u32::from(nodes[next].cost);
            if known == 0 || cost + 1 < known {
                nodes[next] = Node { cost: (cost + 1) as u16, entered: direction as u8, closed: false };
                open.push(key(cost, least(place, goal_place), next));
            }
        }
    }
    None
}

impl Found {
    /// Visits the cells of the way from the goal back to the start, which is left out.
    fn walk(self, nodes: &[Node], mut visit: impl FnMut(i32, i32)) {
        let mut at = self.goal;
        while nodes[at].cost > 1 {
            let (column, row) = self.window.place(at);
            visit(column, row);
            let (dx, dy) = STEPS[usize::from(nodes[at].entered)];
            match self.window.node(column - dx, row - dy) {
                Some(before) => at = before,
                None => return,
            }
        }
    }

    /// Writes the cells to enter, first to last, to `out`, which has room for [`steps`](Self::steps) of them; a
    /// shorter one gets the beginning of the way. `nodes` are those of the search, untouched since.
    pub fn write(self, grid: &Grid<'_>, nodes: &[Node], out: &mut [Cell]) {
        let mut left = self.steps.min(out.len());
        let mut skip = self.steps - left;
        self.walk(nodes, |column, row| {
            if skip > 0 {
                skip -= 1;
            } else if let (Some(slot), Some(cell)) = (left.checked_sub(1), grid.shape.cell(column, row)) {
                left = slot;
                out[slot] = cell;
            }
        });
    }
}
