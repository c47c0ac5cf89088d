//! Taking, freeing and resizing blocks of a range: written once, for every fit and every kind of book-keeping.
//!
//! ```text
//! allocate: Fit::find ─► Fit::remove ─► cut off what alignment skips, and the rest behind ─► both back to the fit
//! free:     join with a free neighbour in front, with one behind ─► Fit::insert
//! ```
//!
//! Everything that may ask for memory is asked before anything changes: book-keeping of what a cut makes, and room in the fit
//! for one free block more than there can be. So freeing asks for nothing and never fails.

use super::nodes::{Id, NodeTable, Nodes, State};
use super::sealed::Choose;
use crate::region::AllocError;

/// The blocks of a range, whose book-keeping is `N`, and of which `F` picks the free ones.
///
/// In this order, so that no two numbers that are counted together lie side by side: both would be read at once, and that waits for
/// what was written just before to each of them.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Blocks<N, F> {
    pub(crate) nodes: N,
    pub(crate) fit: F,
    /// Added to an offset before it is aligned: where the range begins, in granules, as far as alignments can tell.
    pub(crate) phase: u32,
    /// Used blocks.
    pub(crate) used: u32,
    /// Granules of used blocks.
    pub(crate) used_size: u64,
    /// Free blocks that the fit knows.
    pub(crate) free: u32,
    /// Granules of used blocks and of those that the fit knows: taking and freeing leave it alone.
    pub(crate) size: u64,
}

/// Why there is no such block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No free block is large enough.
    NoBlock,
    /// The book-keeping can not grow.
    Nodes(AllocError),
}

impl From<AllocError> for Refused {
    fn from(error: AllocError) -> Self {
        Self::Nodes(error)
    }
}

impl<N: Nodes, F: Choose> Blocks<N, F> {
    /// No block yet.
    pub(crate) fn new(nodes: N, fit: F, phase: u32) -> Self {
        Self { nodes, fit, phase, used: 0, used_size: 0, free: 0, size: 0 }
    }

    /// Granules of free blocks that the fit knows.
    #[inline(always)]
    pub(crate) fn free_size(&self) -> u64 {
        self.size - self.used_size
    }

    /// Makes sure that a block can be taken, or cut in up to three, and everything be freed, without asking for memory.
    #[inline(always)]
    pub(crate) fn try_ready(&mut self, segments: u32) -> Result<(), AllocError> {
        // One number more for one that is worn out.
        self.nodes.try_ready(3)?;
        // Between two free blocks is a used one or a border; and this one will be used, too.
        self.fit.try_ready(self.used.saturating_add(segments).saturating_add(2))
    }

    /// How far a block at this offset is from the next multiple of `align`.
    #[inline(always)]
    pub(crate) fn skipped(&self, offset: u32, align: u32) -> u32 {
        self.phase.wrapping_add(offset).wrapping_neg() & (align - 1)
    }

    /// A block of `size` granules at a multiple of `align`, a power of two, in a range of so many segments.
    #[inline(always)]
    pub(crate) fn allocate(&mut self, size: u32, align: u32, segments: u32) -> Result<Id, Refused> {
        debug_assert!(size > 0 && align.is_power_of_two());
        self.try_ready(segments)?;
        if align == 1
            && let Some(block) = self.allocate_ready(size)
        {
            return Ok(block);
        }
        self.allocate_aligned(size, align)
    }

    /// The same, if that is not easy. [`try_ready`](Self::try_ready) has been asked.
    #[inline(never)]
    fn allocate_aligned(&mut self, size: u32, align: u32) -> Result<Id, Refused> {
        let found = self.fit.find(&self.nodes, size).ok_or(Refused::NoBlock)?;
        let (found, skip) = self.aligned(found, size, align)?;
        Ok(self.take(found, skip, size))
    }

    /// A block of `size` granules wherever it is; or none, although there may be one that [`allocate`](Self::allocate) finds.
    /// [`try_ready`](Self::try_ready) has been asked.
    #[inline(always)]
    pub(crate) fn allocate_ready(&mut self, size: u32) -> Option<Id> {
        let found = self.fit.pop(&mut self.nodes, size)?;
        self.used += 1;
        self.used_size += u64::from(size);
        let rest = self.nodes.free_size(found) - size;
        if rest != 0 {
            // As many are free as before.
            let behind = self.nodes.carve(found, size, rest);
            self.fit.insert_sized(&mut self.nodes, behind, rest);
        } else {
            self.nodes.take_whole(found, size);
            self.free -= 1;
        }
        Some(found)
    }

    /// This block if what is asked for fits into it with its alignment, or else one in which it does.
    pub(crate) fn aligned(&mut self, found: Id, size: u32, align: u32) -> Result<(Id, u32), Refused> {
        let skip = self.skipped(self.nodes.offset(found), align);
        if u64::from(self.nodes.size(found)) >= u64::from(size) + u64::from(skip) {
            return Ok((found, skip));
        }
        // Enough wherever it begins.
        let enough = size.checked_add(align - 1).ok_or(Refused::NoBlock)?;
        let found = self.fit.find(&self.nodes, enough).ok_or(Refused::NoBlock)?;
        Ok((found, self.skipped(self.nodes.offset(found), align)))
    }

    /// Takes `size` granules out of a free block, `skip` granules behind its beginning.
    #[inline]
    pub(crate) fn take(&mut self, found: Id, skip: u32, size: u32) -> Id {
        self.withdraw(found);
        let mut block = found;
        if skip != 0 {
            block = self.nodes.split(found, skip);
            self.offer(found);
        }
        if self.nodes.size(block) > size {
            let rest = self.nodes.split(block, size);
            self.offer(rest);
        }
        self.nodes.set_state(block, State::Used);
        self.used += 1;
        self.used_size += u64::from(size);
        block
    }

    /// Takes a used block back.
    #[inline(always)]
    pub(crate) fn free(&mut self, block: Id) {
        debug_assert!(self.nodes.state(block) == State::Used);
        let size = self.nodes.used_size(block);
        self.used -= 1;
        self.used_size -= u64::from(size);
        self.put(block, size);
    }

    /// Makes a block of `size` granules free that nobody uses and the fit does not know, together with its free neighbours. It is
    /// a part of [`size`](Self::size) already.
    #[inline(always)]
    pub(crate) fn put(&mut self, block: Id, size: u32) {
        if self.nodes.is_drained(block) {
            self.put_aside(block);
            return;
        }
        let (before, after) = (self.nodes.free_before(block), self.nodes.behind(block, size));
        let (mut start, mut whole) = (block, size);
        self.free += 1;
        if let Some(before) = before {
            whole += self.nodes.free_size(before);
            self.fit.remove(&mut self.nodes, before);
            self.free -= 1;
            start = before;
        }
        let behind = self.nodes.state(after) == State::Free;
        if behind {
            whole += self.nodes.free_size(after);
            self.fit.remove(&mut self.nodes, after);
            self.free -= 1;
        }
        self.nodes.merge(block, start, behind, whole);
        self.fit.insert_sized(&mut self.nodes, start, whole);
    }

    /// Puts a block of a drained segment aside that the fit does not know, together with its neighbours that are not used.
    #[cold]
    pub(crate) fn put_aside(&mut self, block: Id) {
        self.size -= u64::from(self.nodes.size(block));
        let before = self.nodes.before(block);
        let mut block = block;
        if self.unused(before) {
            self.nodes.join(before);
            block = before;
        }
        if self.unused(self.nodes.after(block)) {
            self.nodes.join(block);
        }
        self.nodes.set_state(block, State::Aside);
    }

    /// Whether a block is free, aside or not. The fit does not know it then any more.
    fn unused(&mut self, block: Id) -> bool {
        match self.nodes.state(block) {
            State::Free => {
                self.withdraw(block);
                self.size -= u64::from(self.nodes.size(block));
                true
            }
            State::Aside => true,
            State::Used | State::Border => false,
        }
    }

    /// Tells the fit of a free block, which is a part of [`size`](Self::size).
    #[inline]
    pub(crate) fn offer(&mut self, block: Id) {
        self.nodes.set_state(block, State::Free);
        self.free += 1;
        self.fit.insert(&mut self.nodes, block);
    }

    /// Makes the fit forget a free block.
    #[inline]
    pub(crate) fn withdraw(&mut self, block: Id) {
        debug_assert!(self.nodes.state(block) == State::Free);
        self.free -= 1;
        self.fit.remove(&mut self.nodes, block);
    }

    /// Makes a used block longer where it lies, if what is behind it is free and long enough.
    pub(crate) fn try_grow(&mut self, block: Id, size: u32, segments: u32) -> Result<(), Refused> {
        let more = size - self.nodes.size(block);
        if more == 0 {
            return Ok(());
        }
        let after = self.nodes.after(block);
        if self.nodes.state(after) != State::Free || self.nodes.size(after) < more {
            return Err(Refused::NoBlock);
        }
        self.try_ready(segments)?;
        self.withdraw(after);
        if self.nodes.size(after) > more {
            let rest = self.nodes.split(after, more);
            self.offer(rest);
        }
        self.nodes.join(block);
        self.used_size += u64::from(more);
        Ok(())
    }

    /// Makes a used block shorter; what is left over is free.
    pub(crate) fn try_shrink(&mut self, block: Id, size: u32, segments: u32) -> Result<(), AllocError> {
        debug_assert!(size > 0);
        let less = self.nodes.size(block) - size;
        if less == 0 {
            return Ok(());
        }
        self.try_ready(segments)?;
        let rest = self.nodes.split(block, size);
        self.used_size -= u64::from(less);
        self.put(rest, less);
        Ok(())
    }

    /// Granules of the largest free block.
    pub(crate) fn largest(&self) -> u32 {
        self.fit.largest(&self.nodes)
    }

    /// The same, or a thirty-second less, for those who may not look for long.
    pub(crate) fn nearly_largest(&self) -> u32 {
        self.fit.nearly_largest(&self.nodes)
    }
}

impl<F: Choose> Blocks<NodeTable, F> {
    /// A further segment, all of it free. Answers its border.
    pub(crate) fn append(&mut self, offset: u32, size: u32, segments: u32) -> Result<Id, AllocError> {
        self.try_ready(segments.saturating_add(1))?;
        let (border, block) = self.nodes.append(offset, size);
        self.size += u64::from(size);
        self.offer(block);
        Ok(border)
    }

    /// All blocks of a segment, by offset.
    pub(crate) fn of_segment(&self, border: Id) -> impl Iterator<Item = Id> {
        core::iter::successors(Some(self.nodes.after(border)), |block| Some(self.nodes.after(*block)))
            .take_while(|block| self.nodes.state(*block) != State::Border)
    }

    /// From now on nothing is taken from a segment, and what is freed in it stays apart; or that is over. O(blocks of the segment).
    pub(crate) fn set_draining(&mut self, border: Id, draining: bool) {
        if self.nodes.is_draining(border) == draining {
            return;
        }
        let mut block = self.nodes.after(border);
        loop {
            match self.nodes.state(block) {
                State::Border => break,
                State::Free if draining => {
                    self.withdraw(block);
                    self.size -= u64::from(self.nodes.size(block));
                    self.nodes.set_state(block, State::Aside);
                }
                State::Aside if !draining => {
                    self.size += u64::from(self.nodes.size(block));
                    self.offer(block);
                }
                _ => {}
            }
            block = self.nodes.after(block);
        }
        self.nodes.set_draining(border, draining);
    }

    /// Forgets a segment in which nothing is used; `false`: something is.
    pub(crate) fn remove_segment(&mut self, border: Id) -> bool {
        let block = self.nodes.after(border);
        // Free neighbours are joined, so what has another one behind it has a used one.
        let alone = self.nodes.after(block) == border;
        match self.nodes.state(block) {
            State::Free if alone => {
                self.withdraw(block);
                self.size -= u64::from(self.nodes.size(block));
            }
            State::Aside if alone => {}
            _ => return false,
        }
        self.nodes.remove_segment(border);
        true
    }
}
