//! The rules against naive models, on levels drawn as text.

mod drawing;
mod levels;
mod near;
mod paths;
mod sight;

use super::agent::Agent;
use super::assets::{Assets, Look, Sheet};
use super::crew::Crew;
use super::flight::Crowd;
use super::grid::{self, Cell, Grid, SOLID, Shape};
use super::level::Level;
use super::path::OpenList;
use crate::plain::{Limited, Slots};

/// A level in vectors.
pub(super) struct Plan {
    pub(super) shape: Shape,
    pub(super) cells: Vec<u8>,
    pub(super) open: Vec<Cell>,
    pub(super) floors: Vec<Look>,
}

impl Plan {
    /// A level of this size; `solid` says where walls are. Everything that is connected to the first free cell is reached.
    pub(super) fn new(width: u32, height: u32, mut solid: impl FnMut(u32, u32) -> bool) -> Self {
        let shape = Shape { left: -64, bottom: 32, side: 32, width, height };
        let mut cells: Vec<u8> = (0..width * height)
            .map(|cell| if solid(cell % width, cell / width) { SOLID } else { 0 })
            .collect();
        let mut open = vec![0; cells.len()];
        let start = cells.iter().position(|&flags| flags == 0).unwrap_or(0);
        let reach = grid::flood(shape, &mut cells, start as Cell, &mut open);
        open.truncate(reach.count);
        let floors = vec![Look::NONE; cells.len()];
        Self { shape, cells, open, floors }
    }

    /// `#` is a wall, everything else is free; the first line is the northernmost.
    pub(super) fn draw(text: &str) -> Self {
        let rows: Vec<&[u8]> = text.split_whitespace().rev().map(str::as_bytes).collect();
        Self::new(rows[0].len() as u32, rows.len() as u32, |x, y| rows[y as usize][x as usize] == b'#')
    }

    pub(super) fn grid(&self) -> Grid<'_> {
        Grid { shape: self.shape, cells: &self.cells }
    }

    pub(super) fn level(&self) -> Level<'_> {
        Level { grid: self.grid(), open: &self.open, walls: &[], floors: &self.floors }
    }

    pub(super) fn cell(&self, column: i32, row: i32) -> Cell {
        self.shape.cell(column, row).expect("inside")
    }

    /// Somebody who stands in the middle of a cell.
    pub(super) fn agent(&self, column: i32, row: i32, team: u8) -> Agent {
        let at = self.shape.center(self.cell(column, row));
        Agent { at, team, health: 50, full_health: 50, speed: 1000, radius: 20 * 256, ..Agent::default() }
    }
}

/// Holds these and `more`.
pub(super) fn few<T>(items: impl IntoIterator<Item = T>, more: usize) -> Limited<T> {
    let items = Vec::from_iter(items);
    let mut all = Limited::new(items.len() + more);
    items.into_iter().for_each(|item| assert!(Crowd::add(&mut all, item)));
    all
}

/// Everybody, in slots from 0.
pub(super) fn crew(agents: &[Agent]) -> Slots {
    let mut all = Slots::default();
    for agent in agents {
        let Ok(_) = all.join(*agent);
    }
    all
}

/// The simplest open list there is: unsorted.
#[derive(Default)]
pub(super) struct Unsorted(pub(super) Vec<u64>);

impl OpenList for Unsorted {
    fn push(&mut self, key: u64) {
        self.0.push(key);
    }

    fn pop(&mut self) -> Option<u64> {
        let at = (0..self.0.len()).min_by_key(|&at| self.0[at])?;
        Some(self.0.swap_remove(at))
    }
}

/// One small picture and one short sound.
pub(super) struct Sample;

impl Assets for Sample {
    fn picture(&self, sheet: Sheet, index: usize) -> Option<(usize, usize, &[u8])> {
        (sheet == Sheet::Sprite && index == 0).then_some((2, 2, &[1, 2, 3, 4]))
    }

    fn sounds(&self) -> usize {
        1
    }

    fn sound(&self, _: usize) -> &[i16] {
        &[1000, -1000, 500]
    }
}
