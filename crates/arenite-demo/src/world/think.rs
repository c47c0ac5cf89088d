//! Paths in job arenas: the search in scratch, the way in the arena.

use arenite::{AllocError, ArenaVec, JobArena};

use crate::rules::grid::{Cell, Grid};
use crate::rules::path::{self, Node, OpenList};
use crate::rules::think::PathMemory;

/// A binary heap of keys, smallest first, in a vector of any arena.
struct Heap<'s> {
    keys: ArenaVec<'s, u64>,
    refused: Option<AllocError>,
}

impl OpenList for Heap<'_> {
    fn push(&mut self, key: u64) {
        if let Err(error) = self.keys.try_push(key) {
            self.refused = Some(error);
            return;
        }
        let mut at = self.keys.len() - 1;
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.keys[parent] <= key {
                break;
            }
            self.keys.swap(parent, at);
            at = parent;
        }
    }

    fn pop(&mut self) -> Option<u64> {
        if self.refused.is_some() || self.keys.is_empty() {
            return None;
        }
        let smallest = self.keys.swap_remove(0);
        let mut at = 0;
        loop {
            let children = 2 * at + 1..(2 * at + 3).min(self.keys.len());
            let Some(child) = children.min_by_key(|&child| self.keys[child]) else { break };
            if self.keys[at] <= self.keys[child] {
                break;
            }
            self.keys.swap(at, child);
            at = child;
        }
        Some(smallest)
    }
}

/// The memory of the searches of one job.
pub(super) struct Search<'j, 'a> {
    arena: &'j JobArena<'a>,
    /// Why memory was refused, if it was: then no path was found, and the frame ends with this.
    pub(super) refused: Option<AllocError>,
}

impl<'j, 'a> Search<'j, 'a> {
    pub(super) fn new(arena: &'j JobArena<'a>) -> Self {
        Self { arena, refused: None }
    }

    fn try_find(&self, grid: &Grid<'_>, from: Cell, to: Cell) -> Result<Option<&'a [Cell]>, AllocError> {
        let mut guard = self.arena.scratch();
        let scope = guard.scope();
        let nodes = scope.try_alloc_slice_fill_with(path::NODES, |_| Node::default())?;
        let mut open = Heap { keys: scope.vec(), refused: None };
        let found = path::search(grid, from, to, nodes, &mut open);
        if let Some(error) = open.refused {
            return Err(error);
        }
        let Some(found) = found else { return Ok(None) };
        let way = self.arena.try_alloc_slice_fill_with(found.steps, |_| 0)?;
        found.write(grid, nodes, way);
        Ok(Some(way))
    }
}

impl<'a> PathMemory for Search<'_, 'a> {
    type Path = &'a [Cell];

    fn find_path(&mut self, grid: &Grid<'_>, from: Cell, to: Cell) -> Option<&'a [Cell]> {
        self.try_find(grid, from, to).unwrap_or_else(|error| {
            self.refused = Some(error);
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arenite::{FrameArena, Tag};

    #[test]
    fn the_heap_pops_in_order() {
        let arena = FrameArena::try_new(Tag::untagged()).expect("memory for a test");
        let mut heap = Heap { keys: arena.vec(), refused: None };
        let mut keys: Vec<u64> = (0..500u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 55).collect();
        keys.iter().for_each(|&key| heap.push(key));
        keys.sort_unstable();
        assert_eq!(std::iter::from_fn(|| heap.pop()).collect::<Vec<_>>(), keys);
    }
}
