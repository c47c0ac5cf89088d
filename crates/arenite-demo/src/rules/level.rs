//! A map as the game sees it, and how one is made of a map in a WAD.
//!
//! Making one takes two steps, so that the caller can provide memory of the right size in between: [`carve`] marks walls and
//! what can be reached; [`walls`] and [`paint_floors`] fill in what things look like.

use super::assets::{Look, Sheet};
use super::grid::{self, Cell, Grid, SOLID, Shape};
use super::math::Point;
use crate::wad::{LumpName, Map, Thing, ThingKind};

/// A map as the game sees it. A few slices; copying it is cheap.
#[derive(Clone, Copy, Debug)]
pub struct Level<'a> {
    /// Walls and what can be reached.
    pub grid: Grid<'a>,
    /// Every cell that can be reached, nearest to the start first. At least one.
    pub open: &'a [Cell],
    /// The map's lines, for the draw list.
    pub walls: &'a [Wall],
    /// What the floor of each cell looks like; as many as the grid has cells.
    pub floors: &'a [Look],
}

/// A line of the map that can be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wall {
    /// One end.
    pub from: Point,
    /// The other end.
    pub to: Point,
    /// What it looks like.
    pub look: Look,
}

/// Nobody could stand anywhere in the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoStart;

/// Enough room to play in: a start that reaches this many cells is taken without looking at further ones. Some maps start in
/// a small part that only a teleporter leads out of.
const ROOMY: usize = 1024;
/// The cell has been reached from a start that was tried.
const TRIED: u8 = 4;

/// Marks the map's walls and everything that can be walked to from its start in `cells`, which is zeroed first, and lists
/// what can be reached at the front of `open`; returns how many cells that is.
///
/// The start is where player 1 starts; where that is missing, outside the walls or in a part with less than 1024 cells, any
/// other start or any monster with more room. Linear in the number of cells, lines and things.
///
/// # Errors
/// [`NoStart`] when there is no such place.
///
/// # Panics
/// When `cells` or `open` has fewer elements than the grid.
pub fn carve(map: &Map<'_>, shape: Shape, cells: &mut [u8], open: &mut [Cell]) -> Result<usize, NoStart> {
    let cells = &mut cells[..shape.cells()];
    cells.fill(0);
    for line in map.lines().iter().filter(|line| line.is_solid()) {
        let [from, to] = map.ends(&line);
        grid::add_wall(shape, cells, [from.x, from.y], [to.x, to.y]);
    }
    // The best so far: inside the walls, then roomy.
    let mut best: Option<((bool, usize), Cell)> = None;
    'search: for rank in 0..4 {
        for thing in map.things().iter().filter(|thing| start_rank(thing) == Some(rank)) {
            let Some(cell) = stand(shape, cells, Point::of_map(thing.x, thing.y)) else { continue };
            if cells[cell as usize] & TRIED != 0 {
                continue;
            }
            let reach = grid::flood(shape, cells, cell, open);
            for &reached in &open[..reach.count] {
                cells[reached as usize] = TRIED;
            }
            let worth = (!reach.leaks, reach.count.min(ROOMY));
            if best.is_none_or(|(other, _)| worth > other) {
                best = Some((worth, cell));
            }
            if worth == (true, ROOMY) {
                break 'search;
            }
        }
    }
    let (_, cell) = best.ok_or(NoStart)?;
    cells.iter_mut().for_each(|flags| *flags &= SOLID);
    Ok(grid::flood(shape, cells, cell, open).count)
}

/// In which order things are tried as the place where the game starts; `None` for things that are no such place.
fn start_rank(thing: &Thing) -> Option<u8> {
    match thing.class() {
        ThingKind::PlayerStart(1) => Some(0),
        ThingKind::PlayerStart(_) => Some(1),
        ThingKind::DeathmatchStart => Some(2),
        ThingKind::Monster(_) => Some(3),
        _ => None,
    }
}

/// The cell at a position, or where a wall runs through it the first free one of its neighbours.
fn stand(shape: Shape, cells: &[u8], at: Point) -> Option<Cell> {
    let (column, row) = shape.place(at);
    let around = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)];
    let mut near = around.iter().filter_map(|&(dx, dy)| shape.cell(column + dx, row + dy));
    near.find(|&cell| cells[cell as usize] & SOLID == 0)
}

/// The lines of a map that look like something, with their looks. `textures` are the scene's textures, sorted.
///
/// The iterator yields at most as many as the map has lines.
pub fn walls<'a>(map: &Map<'a>, textures: &'a [LumpName]) -> impl Iterator<Item = Wall> + use<'a> {
    let map = *map;
    map.lines().iter().filter_map(move |line| {
        let sides = std::iter::once(line.front).chain(line.back).map(|side| map.sides().at(side));
        let mut names = sides.flat_map(|side| [side.middle, side.lower, side.upper]);
        let name = names.find(|name| !name.is_blank())?;
        let [from, to] = map.ends(&line).map(|vertex| Point::of_map(vertex.x, vertex.y));
        Some(Wall { from, to, look: Look::find(Sheet::Wall, textures, name) })
    })
}

/// Writes to `floors` what the floor of each cell looks like. `flats` are the scene's flats, sorted.
///
/// Each side of a line paints the cells next to it with the floor of the sector that it faces; from there the paint spreads
/// to cells that no line is near. An approximation, but one that needs no map nodes. Linear in cells and lines.
///
/// # Panics
/// When `floors` or `queue` has fewer elements than the grid.
pub fn paint_floors(
    map: &Map<'_>,
    grid: &Grid<'_>,
    flats: &[LumpName],
    floors: &mut [Look],
    queue: &mut [Cell],
) {
    let shape = grid.shape;
    floors[..shape.cells()].fill(Look::NONE);
    let mut waiting = 0;
    let mut paint = |cell: Cell, look: Look, floors: &mut [Look], queue: &mut [Cell]| {
        if look != Look::NONE && floors[cell as usize] == Look::NONE && grid.is_reached(cell) {
            floors[cell as usize] = look;
            queue[waiting] = cell;
            waiting += 1;
        }
        waiting
    };
    for line in map.lines() {
        let [from, to] = map.ends(&line).map(|vertex| Point::of_map(vertex.x, vertex.y));
        let step = shape.side * super::math::UNIT;
        let along = to - from;
        let steps = along.x.abs().max(along.y.abs()) / step + 1;
        for (side, turn) in [(Some(line.front), 1), (line.back, -1)] {
            let Some(side) = side else { continue };
            let floor = map.sectors().at(map.sides().at(side).sector).floor_flat;
            let look = Look::find(Sheet::Flat, flats, floor);
            // The front is on the right. A wall's own cell is solid, so look one cell further.
            let aside = along.left().with_length(-turn * step);
            for i in 0..steps {
                let part = |v: i32| (i64::from(v) * i64::from(2 * i + 1) / i64::from(2 * steps)) as i32;
                let at = from + Point { x: part(along.x), y: part(along.y) } + aside;
                if let Some(cell) = shape.cell_at(at) {
                    paint(cell, look, floors, queue);
                }
            }
        }
    }
    let mut done = 0;
    while done < paint(0, Look::NONE, floors, queue) {
        let (column, row) = shape.column_row(queue[done]);
        let look = floors[queue[done] as usize];
        done += 1;
        for (dx, dy) in [(1, 0), (-1, 0), (0, 1), (0, -1)] {
            if let Some(near) = shape.cell(column + dx, row + dy) {
                paint(near, look, floors, queue);
            }
        }
    }
}
