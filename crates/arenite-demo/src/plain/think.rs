//! Paths in memory of the general heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::rules::grid::{Cell, Grid};
use crate::rules::path::{self, Node, OpenList};
use crate::rules::think::PathMemory;

/// The open list of one search.
#[derive(Debug, Default)]
pub(super) struct Heap(BinaryHeap<Reverse<u64>>);

impl OpenList for Heap {
    fn push(&mut self, key: u64) {
        self.0.push(Reverse(key));
    }

    fn pop(&mut self) -> Option<u64> {
        self.0.pop().map(|Reverse(key)| key)
    }
}

/// Allocates each search's nodes, its open list, and its path.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allocate;

impl PathMemory for Allocate {
    type Path = Vec<Cell>;

    fn find_path(&mut self, grid: &Grid<'_>, from: Cell, to: Cell) -> Option<Vec<Cell>> {
        let mut nodes = vec![Node::default(); path::NODES];
        let found = path::search(grid, from, to, &mut nodes, &mut Heap::default())?;
        let mut way = vec![0; found.steps];
        found.write(grid, &nodes, &mut way);
        Some(way)
    }
}
