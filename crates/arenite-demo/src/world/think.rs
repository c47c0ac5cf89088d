//! Paths in job arenas: the search in scratch, the way in the arena.

use arenite::{AllocError, ArenaVec, JobArena};

use crate::rules::grid::{Cell, Grid};
use crate::rules::path::{self, Node, OpenList};
use crate::rules::think::PathMemory;

/// A binary heap of keys, smallest first, in a vector of any arena. It goes the ways of the standard library's, which
/// the plain game has: the busiest frames pop tens of thousands of keys.
struct Heap<'s> {
    keys: ArenaVec<'s, u64>,
    refused: Option<AllocError>,
}

/// Puts `key` at `at`, or above it where it belongs; what stands at `at` is not used any more.
fn rise(keys: &mut [u64], mut at: usize, key: u64) {
    while at > 0 {
        let parent = (at - 1) / 2;
        if keys[parent] <= key {
            break;
        }
        keys[at] = keys[parent];
        at = parent;
    }
    keys[at] = key;
}

impl OpenList for Heap<'_> {
    fn push(&mut self, key: u64) {
        let last = self.keys.len();
        match self.keys.try_push(key) {
            Ok(()) => rise(&mut self.keys, last, key),
            Err(error) => self.refused = Some(error),
        }
    }

    fn pop(&mut self) -> Option<u64> {
        if self.refused.is_some() {
            return None;
        }
        let last = self.keys.pop()?;
        let keys = &mut self.keys[..];
        let Some(&smallest) = keys.first() else { return Some(last) };
        // The last key nearly always belongs to the bottom again: the gap goes down there without asking, and the key
        // rises from it. One comparison less a level.
        let (mut gap, mut child) = (0, 1);
        while let Some(&[left, right]) = keys.get(child..child + 2) {
            let smaller = usize::from(right < left);
            keys[gap] = if right < left { right } else { left };
            gap = child + smaller;
            child = 2 * gap + 1;
        }
        if let Some(&only) = keys.get(child) {
            keys[gap] = only;
            gap = child;
        }
        rise(keys, gap, last);
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
        let keys: Vec<u64> = (0..500u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 55).collect();
        // Of every size, so that the last parent has one child and two; and taken out while more come in.
        for size in 0..keys.len() {
            keys[..size].iter().for_each(|&key| heap.push(key));
            let mut sorted = keys[..size].to_vec();
            sorted.sort_unstable();
            assert_eq!(std::iter::from_fn(|| heap.pop()).collect::<Vec<_>>(), sorted);
        }
        let mut model = std::collections::BinaryHeap::new();
        for pair in keys.chunks_exact(2) {
            for &key in pair {
                heap.push(key);
                model.push(std::cmp::Reverse(key));
            }
            assert_eq!(heap.pop(), model.pop().map(|std::cmp::Reverse(key)| key));
        }
    }
}
