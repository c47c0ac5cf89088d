//! What a defragmenter needs besides: blocks that slide into the hole in front of them, free blocks put aside one by one, and a
//! last segment that grows and shrinks at its end.

use super::blocks::Blocks;
use super::nodes::{Id, NodeTable, Nodes, State};
use super::sealed::Choose;
use super::{Fit, OffsetAllocator};
use crate::region::AllocError;

impl<F: Choose> Blocks<NodeTable, F> {
    /// A free block into which such a block fits, and how far behind its beginning that would begin.
    pub(crate) fn find_hole(&mut self, size: u32, align: u32) -> Option<(Id, u32)> {
        let found = self.fit.find(&self.nodes, size)?;
        self.aligned(found, size, align).ok()
    }

    /// How far behind the beginning of the hole in front of it a used block could begin; `None` if it can not come nearer to the
    /// front.
    pub(crate) fn slide_skip(&self, block: Id, align: u32) -> Option<u32> {
        let hole = self.nodes.before(block);
        if self.nodes.state(hole) != State::Free {
            return None;
        }
        let skip = self.skipped(self.nodes.offset(hole), align);
        (skip < self.nodes.size(hole)).then_some(skip)
    }

    /// Moves a used block into the hole in front of it, as [`slide_skip`](Self::slide_skip) says; what was its end is free.
    /// [`try_ready`](Self::try_ready) has been asked.
    pub(crate) fn slide_down(&mut self, block: Id, skip: u32) {
        let hole = self.nodes.before(block);
        self.withdraw(hole);
        let mut gap = hole;
        if skip != 0 {
            gap = self.nodes.split(hole, skip);
            self.offer(hole);
        }
        self.nodes.swap_with_before(block);
        let size = self.nodes.size(gap);
        self.put(gap, size);
    }

    /// Puts one free block of a segment aside that is being drained.
    pub(crate) fn set_aside(&mut self, block: Id) {
        self.withdraw(block);
        self.put_aside(block);
    }
}

impl<F: Fit> OffsetAllocator<F> {
    /// The end of the last segment, in granules.
    pub(in crate::heap) fn end(&self) -> u32 {
        let nodes = &self.blocks.nodes;
        let border = nodes.last_border();
        nodes.offset(border) + nodes.size(border)
    }

    /// The last block of the last segment.
    pub(in crate::heap) fn last(&self) -> Id {
        let nodes = &self.blocks.nodes;
        nodes.before(nodes.last_border())
    }

    /// Granules at the end of the last segment that can be handed out.
    pub(in crate::heap) fn tail(&self) -> u32 {
        let (nodes, last) = (&self.blocks.nodes, self.last());
        if nodes.state(last) == State::Free { nodes.size(last) } else { 0 }
    }

    /// Makes the last segment longer; there is one.
    pub(in crate::heap) fn try_lengthen(&mut self, more: u32) -> Result<(), AllocError> {
        let blocks = &mut self.blocks;
        blocks.try_ready(self.segments)?;
        let (border, last) = (blocks.nodes.last_border(), blocks.nodes.before(blocks.nodes.last_border()));
        match blocks.nodes.state(last) {
            State::Free => {
                blocks.withdraw(last);
                blocks.nodes.lengthen(border, more);
                blocks.size += u64::from(more);
                blocks.offer(last);
            }
            State::Aside => blocks.nodes.lengthen(border, more),
            State::Used | State::Border => {
                let new = blocks.nodes.add_last(border, more);
                blocks.size += u64::from(more);
                blocks.put(new, more);
            }
        }
        self.capacity += u64::from(more);
        Ok(())
    }

    /// Takes granules from the end of the last segment: fewer than [`tail`](Self::tail).
    pub(in crate::heap) fn shorten(&mut self, less: u32) {
        debug_assert!(less < self.tail());
        let (border, last) = (self.blocks.nodes.last_border(), self.last());
        self.blocks.withdraw(last);
        self.blocks.nodes.shorten(border, less);
        self.blocks.size -= u64::from(less);
        self.blocks.offer(last);
        self.capacity -= u64::from(less);
    }
}
