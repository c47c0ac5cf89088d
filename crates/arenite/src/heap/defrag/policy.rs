//! Which block moves next, and where to. Where a pass stands is kept from call to call, so that each looks at few blocks.
//!
//! ```text
//! Slide         |■■■■■■■■|..|▶■■■|....|■■|...     to the front: what is before the cursor is settled, and frees set it back
//! FillHoles     |■■|..◄────────┐|■■|.....|■■◀|    from the end: each block into a hole in front of it that fits well
//! EvacuateLast  |■■|..◄──┐|■■|  ┆ |..|■■◀|        the same for the last segment, which gets nothing new meanwhile
//! ```

use super::movable::Core;
use crate::heap::fit::Fit;
use crate::heap::fit::nodes::{Id, NONE, Nodes, State};

/// How a defragmenter goes about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum DefragPolicy {
    /// Each block moves into the hole in front of it, in order of their offsets, within its segment: afterwards what is free of a
    /// segment is one piece at its end, but for what lies in front of pinned blocks. If somebody else copies, who may not be asked
    /// to copy within overlapping ranges, each block moves into a hole in front of it, wherever, in which it fits whole.
    #[default]
    Slide,
    /// Blocks from the end are put into holes in front of them that fit well: few bytes are moved, and small holes stay.
    FillHoles,
    /// The last of several segments is emptied into holes of the others, so that it can be given back. While that lasts nothing is
    /// allocated in it, unless there is no other room.
    EvacuateLast,
}

/// Where a pass stands.
#[derive(Clone, Copy, Debug)]
enum At {
    Start,
    /// Slide: blocks before this one are settled. Otherwise: those behind have been looked at.
    Block(Id),
    End,
}

/// A pass over the blocks, under way between calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    policy: DefragPolicy,
    at: At,
    /// Where the block of `at` begins.
    offset: u32,
    /// Backwards: something has changed, so that a further pass may find something.
    dirty: bool,
    /// The smallest block that was passed over because it was larger than the budget.
    left: u64,
}

impl Pass {
    pub(super) const fn new(policy: DefragPolicy) -> Self {
        Self { policy, at: At::Start, offset: 0, dirty: false, left: u64::MAX }
    }

    pub(super) fn policy(&self) -> DefragPolicy {
        self.policy
    }

    /// From the beginning again.
    pub(super) fn restart(&mut self) {
        *self = Self::new(self.policy);
    }

    /// Whether there is nothing left to look at.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.at, At::End)
    }

    /// A block is passed over because it is too large.
    pub(super) fn leave(&mut self, size: u64) {
        self.left = self.left.min(size);
    }

    /// The smallest block that was passed over because it was too large.
    pub(super) fn left(&self) -> Option<u64> {
        (self.left != u64::MAX).then_some(self.left)
    }

    fn stand_at(&mut self, block: Id, offset: u32) {
        (self.at, self.offset) = (At::Block(block), offset);
    }

    /// There is a hole now, perhaps made of several blocks of which one was looked at.
    pub(super) fn hole_came(&mut self, hole: Id, offset: u32, size: u32) {
        match (self.policy, self.at) {
            (_, At::Start) => {}
            (DefragPolicy::Slide, At::End) => self.stand_at(hole, offset),
            (DefragPolicy::Slide, At::Block(_)) if offset <= self.offset => self.stand_at(hole, offset),
            (DefragPolicy::Slide, At::Block(_)) => {}
            (_, At::End) => self.at = At::Start,
            (_, At::Block(_)) => self.joined(hole, offset, size),
        }
        self.dirty = true;
    }

    /// A block may have swallowed the one that was looked at.
    pub(super) fn joined(&mut self, block: Id, offset: u32, size: u32) {
        if matches!(self.at, At::Block(_)) && self.offset.wrapping_sub(offset) < size {
            self.stand_at(block, offset);
        }
    }

    /// A block was allocated: behind the others, perhaps, while there are holes.
    pub(super) fn block_came(&mut self) {
        if self.policy != DefragPolicy::Slide {
            self.dirty = true;
            if self.is_over() {
                self.at = At::Start;
            }
        }
    }
}

/// What was found at the place where the pass stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look {
    /// Nothing; the next call looks at another block.
    Passed,
    /// A block that could move but is pinned; the next call looks at another one.
    Pinned,
    /// A block that can move. The pass stands there until it has been moved or [passed by](Core::pass_by).
    Found(Plan),
    /// The pass is over.
    End,
}

/// A move that can be made at this moment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Plan {
    /// Into the hole in front, of which so many granules stay.
    Slide { slot: u32, skip: u32 },
    /// Into a hole, so many granules behind its beginning.
    Fill { slot: u32, hole: Id, skip: u32 },
}

impl Plan {
    pub(super) fn slot(self) -> u32 {
        match self {
            Self::Slide { slot, .. } | Self::Fill { slot, .. } => slot,
        }
    }
}

impl<F: Fit, X: Copy> Core<F, X> {
    pub(super) fn set_policy(&mut self, policy: DefragPolicy) {
        if policy != self.pass.policy {
            self.stop_draining();
            self.needed = u64::MAX;
            self.pass = Pass::new(policy);
        }
    }

    /// Looks at one block; `overlap`: it may move to where it lies in part. O(1), and O(segments) while one is evacuated.
    pub(super) fn look(&mut self, overlap: bool) -> Look {
        let block = match self.pass.at {
            At::End => return Look::End,
            At::Block(block) => block,
            At::Start => match self.first() {
                Some(block) => block,
                None => {
                    self.pass.at = At::End;
                    return Look::End;
                }
            },
        };
        let nodes = &self.range.blocks.nodes;
        let last = self.pass.policy == DefragPolicy::EvacuateLast;
        match nodes.state(block) {
            State::Used => {}
            State::Free if last => {
                self.set_aside(block);
                self.pass_by();
                return Look::Passed;
            }
            State::Free | State::Aside | State::Border => {
                self.pass_by();
                return Look::Passed;
            }
        }
        let Some(slot) = self.resting(block) else {
            self.pass_by();
            return Look::Passed;
        };
        let row = self.slots.at(slot);
        let (granules, steps) = self.measure(row.size, row.align()).unwrap_or((u32::MAX, 1));
        let plan = match self.pass.policy {
            DefragPolicy::Slide if overlap => {
                self.range.blocks.slide_skip(block, steps).map(|skip| Plan::Slide { slot, skip })
            }
            DefragPolicy::Slide => {
                let nodes = &self.range.blocks.nodes;
                let front = nodes.before(block);
                let skip = self.range.blocks.slide_skip(block, steps);
                match skip.filter(|skip| nodes.size(front) - skip >= granules) {
                    Some(skip) => Some(Plan::Fill { slot, hole: front, skip }),
                    None => self.lower_hole(slot, block, granules, steps),
                }
            }
            DefragPolicy::FillHoles => self.lower_hole(slot, block, granules, steps),
            DefragPolicy::EvacuateLast => match self.range.blocks.find_hole(granules, steps) {
                // What is still free in the segment that is to become empty is put aside when it comes in the way.
                Some((hole, _)) if self.is_in_last(hole) => {
                    self.set_aside(hole);
                    return Look::Passed;
                }
                found => found.map(|(hole, skip)| Plan::Fill { slot, hole, skip }),
            },
        };
        match plan {
            Some(plan) if self.slots.pins(slot) == 0 => Look::Found(plan),
            other => {
                self.pass_by();
                if other.is_some() { Look::Pinned } else { Look::Passed }
            }
        }
    }

    fn lower_hole(&mut self, slot: u32, block: Id, granules: u32, steps: u32) -> Option<Plan> {
        let (hole, skip) = self.range.blocks.find_hole(granules, steps)?;
        let nodes = &self.range.blocks.nodes;
        (nodes.offset(hole) < nodes.offset(block)).then_some(Plan::Fill { slot, hole, skip })
    }

    fn is_in_last(&self, block: Id) -> bool {
        let nodes = &self.range.blocks.nodes;
        nodes.offset(block) >= nodes.offset(self.draining)
    }

    fn set_aside(&mut self, block: Id) {
        let before = self.range.blocks.nodes.before(block);
        let offset = self.range.blocks.nodes.offset(block);
        self.range.blocks.set_aside(block);
        let left = self.survivor(before, block, offset);
        let nodes = &self.range.blocks.nodes;
        self.pass.joined(left, nodes.offset(left), nodes.size(left));
    }

    /// Where a pass begins, if there is anything to do.
    fn first(&mut self) -> Option<Id> {
        let nodes = &self.range.blocks.nodes;
        if self.range.segments == 0 {
            return None;
        }
        let last = nodes.last_border();
        let block = match self.pass.policy {
            DefragPolicy::Slide => nodes.after(nodes.first_border()),
            DefragPolicy::FillHoles => nodes.before(last),
            DefragPolicy::EvacuateLast => {
                if self.draining == NONE {
                    // It was needed after all not long ago, or there is no other one.
                    let used = self.range.blocks.used_size;
                    if self.range.segments < 2 || used > self.needed - self.needed / 8 {
                        return None;
                    }
                    self.range.blocks.nodes.set_draining(last, true);
                    self.draining = last;
                }
                self.range.blocks.nodes.before(last)
            }
        };
        self.pass.dirty = false;
        self.pass.stand_at(block, self.range.blocks.nodes.offset(block));
        Some(block)
    }

    /// The block that the pass stands at stays where it is; the next one.
    pub(super) fn pass_by(&mut self) {
        let At::Block(block) = self.pass.at else { return };
        let nodes = &self.range.blocks.nodes;
        let next = match self.pass.policy {
            DefragPolicy::Slide => {
                let next = nodes.after(block);
                if nodes.state(next) == State::Border {
                    let border = nodes.next_border(next);
                    (border != NONE).then(|| nodes.after(border))
                } else {
                    Some(next)
                }
            }
            DefragPolicy::FillHoles | DefragPolicy::EvacuateLast => {
                let next = nodes.before(block);
                if nodes.state(next) != State::Border {
                    Some(next)
                } else if self.pass.policy == DefragPolicy::EvacuateLast {
                    None
                } else {
                    let border = nodes.previous_border(next);
                    (border != NONE).then(|| nodes.before(border))
                }
            }
        };
        match next {
            Some(next) => {
                let offset = nodes.offset(next);
                self.pass.stand_at(next, offset);
            }
            None if self.pass.dirty && self.pass.policy != DefragPolicy::Slide => self.pass.at = At::Start,
            None => self.pass.at = At::End,
        }
    }
}
