//! What is known of each block of a range, used or free: where it begins, how long it is, who its neighbours are.
//!
//! [`Nodes`] is what splitting, joining and the fits need; [`NodeTable`] keeps it apart from the range, 32 bytes a block, found
//! by a number that stays the same as long as the block lives.
#![expect(unsafe_code, reason = "reads and writes rows of a table, found by number")]

#[cfg(feature = "serde")]
pub(crate) mod state;

use core::mem::offset_of;
use core::ptr::NonNull;

use crate::ledger::Tag;
use crate::region::{AllocError, ColumnLayout, RegionOptions, Table};

/// A block's number.
pub(crate) type Id = u32;

/// No block. Its state may be asked and is [`State::Border`].
pub(crate) const NONE: Id = 0;

/// Numbers of blocks are below this: the highest bit is the fit's.
const NUMBERS: usize = 1 << 31;

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// No block: where a segment begins, or [`NONE`]. (Zero, as fresh memory is.)
    Border = 0,
    /// Handed out.
    Used = 1,
    /// Free, and known to the fit.
    Free = 2,
    /// Free, but not to be handed out: its segment is being drained.
    Aside = 3,
}

/// Book-keeping of the blocks of a range. Numbers that are passed in are blocks of this range, and what the methods say of states
/// is kept up by [`Blocks`](super::blocks::Blocks), which is the only one to call those that change something.
pub trait Nodes: core::fmt::Debug {
    /// Makes sure that so many blocks can be split off without asking for memory.
    fn try_ready(&mut self, blocks: u32) -> Result<(), AllocError>;

    /// Where a block begins, in granules.
    fn offset(&self, block: Id) -> u32;

    /// Granules of a block.
    fn size(&self, block: Id) -> u32;

    fn state(&self, block: Id) -> State;

    fn set_state(&mut self, block: Id, state: State);

    /// The neighbour in front, which ends where this block begins; a border if there is none.
    fn before(&self, block: Id) -> Id;

    /// The neighbour in front, if it is free and known to the fit.
    #[inline(always)]
    fn free_before(&self, block: Id) -> Option<Id> {
        let before = self.before(block);
        (self.state(before) == State::Free).then_some(before)
    }

    /// The neighbour behind, which begins where this block ends; a border, or [`NONE`], if there is none in this segment.
    fn after(&self, block: Id) -> Id;

    /// Cuts a block in two; it keeps the first `size` granules, and the answer is the rest, in the same state.
    fn split(&mut self, block: Id, size: u32) -> Id;

    /// Makes the block behind a part of this one.
    fn join(&mut self, block: Id);

    /// Granules of a block of which it is known that it is used.
    #[inline(always)]
    fn used_size(&self, block: Id) -> u32 {
        self.size(block)
    }

    /// Granules of a block of which it is known that it is free.
    #[inline(always)]
    fn free_size(&self, block: Id) -> u32 {
        self.size(block)
    }

    /// As [`after`](Self::after), of a block of so many granules.
    #[inline(always)]
    fn behind(&self, block: Id, _size: u32) -> Id {
        self.after(block)
    }

    /// A free block of so many granules is used from now on, all of it.
    #[inline(always)]
    fn take_whole(&mut self, block: Id, _size: u32) {
        self.set_state(block, State::Used);
    }

    /// Cuts a free block in two: the first `size` granules are used from now on, and the answer is the rest, `_rest` granules that
    /// are free.
    #[inline(always)]
    fn carve(&mut self, block: Id, size: u32, _rest: u32) -> Id {
        let rest = self.split(block, size);
        self.set_state(block, State::Used);
        rest
    }

    /// Makes a used block free, together with the one before it, if that is where it is to `start`, and the one behind. `_whole` is
    /// the granules of all of these.
    #[inline(always)]
    fn merge(&mut self, block: Id, start: Id, behind: bool, _whole: u32) {
        if behind {
            self.join(block);
        }
        if start != block {
            self.join(start);
        }
        self.set_state(start, State::Free);
    }

    /// The block before in a list of free ones; or what else the fit has written.
    fn previous_free(&self, block: Id) -> Id;

    /// The block behind in a list of free ones.
    fn next_free(&self, block: Id) -> Id;

    fn set_previous_free(&mut self, block: Id, other: Id);

    fn set_next_free(&mut self, block: Id, other: Id);

    /// Where [`next_free`](Self::next_free) is read. Of any number an address comes; it may be written to if that is a free block.
    fn next_free_at(&mut self, block: Id) -> *mut Id;

    /// Whether a block that becomes free now is to be put aside.
    fn is_drained(&self, block: Id) -> bool;
}

/// A row of a [`NodeTable`].
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Node {
    offset: u32,
    /// Granules; of a border, what its segment has in all.
    size: u32,
    /// Of the first block: the border. Of a border: the last block.
    before: Id,
    /// Of the last block: the border. Of a border: the first block. Of a row that is no block any more: the next such row.
    after: Id,
    /// Free: the list of the fit. Border: the borders before and behind. Used: the owner's word.
    links: [u32; 2],
    /// How many times the row was a used block that has been freed.
    generation: u32,
    state: State,
    /// Border: it takes no new blocks. Used: the owner's flag.
    flag: bool,
    spare: u16,
}

const _: () = assert!(size_of::<Node>() == 32);

/// Book-keeping apart from the range: a table of 32-byte rows, charged to a tag, that grows as there are more blocks.
#[derive(Debug)]
pub(crate) struct NodeTable {
    /// The first row. Row 0 is [`NONE`]: it may be read and written by who follows a neighbour that is not there, and what is
    /// written to it is never used.
    base: NonNull<Node>,
    /// Rows that have memory behind them.
    ready: u32,
    /// Rows from this one on have never been a block.
    fresh: u32,
    /// Rows that were a block once, by `after`.
    vacant: Id,
    vacant_count: u32,
    /// Segments that are being drained.
    drained: u32,
    first_border: Id,
    last_border: Id,
    table: Table<1>,
}

// SAFETY: owns its table, and neither belongs to a thread.
unsafe impl Send for NodeTable {}
// SAFETY: `&NodeTable` only reads.
unsafe impl Sync for NodeTable {}

impl NodeTable {
    /// Address space for so many blocks; memory for the first few.
    pub(crate) fn try_new(tag: Tag, blocks: usize) -> Result<Self, AllocError> {
        // One more for row 0.
        let rows = blocks.saturating_add(1).min(NUMBERS);
        let options = RegionOptions::new(tag, 0).commit_steps(4 << 10, 64 << 10);
        let mut table = Table::try_reserve(&options, [ColumnLayout::of::<Node>()], rows, rows.min(1024))?;
        table.try_grow(1)?;
        let (base, ready) = (table.column(0).cast(), table.rows().min(NUMBERS) as u32);
        Ok(Self {
            base,
            ready,
            fresh: 1,
            vacant: NONE,
            vacant_count: 0,
            drained: 0,
            first_border: NONE,
            last_border: NONE,
            table,
        })
    }

    #[inline(always)]
    fn at(&self, block: Id) -> &Node {
        debug_assert!(block < self.fresh, "a block's number");
        // SAFETY: numbers are made by `row` only, so that they are below `fresh`, which is at most `ready`; these rows have
        // memory behind them, zeroed by the system, which is a node. Whoever changes one borrows the table mutably.
        unsafe { self.base.add(block as usize).as_ref() }
    }

    #[inline(always)]
    fn at_mut(&mut self, block: Id) -> &mut Node {
        debug_assert!(block < self.fresh, "a block's number");
        // SAFETY: as above.
        unsafe { self.base.add(block as usize).as_mut() }
    }

    /// A row for a block. [`try_ready`](Nodes::try_ready) has been asked.
    #[inline(always)]
    fn row(&mut self) -> Id {
        let vacant = self.vacant;
        if vacant != NONE {
            self.vacant = self.at(vacant).after;
            self.vacant_count -= 1;
            return vacant;
        }
        assert!(self.fresh < self.ready, "`try_ready` was asked for fewer blocks");
        self.fresh += 1;
        self.fresh - 1
    }

    /// A row that is no block any more.
    #[inline(always)]
    fn give_row(&mut self, row: Id) {
        let vacant = self.vacant;
        let node = self.at_mut(row);
        node.state = State::Border;
        if node.generation == u32::MAX {
            // Its generations are used up: from now on nobody is to have this number.
            return;
        }
        node.after = vacant;
        self.vacant = row;
        self.vacant_count += 1;
    }

    /// A generation tells whether a number still means the same block. `None`: no used block has this number.
    #[inline(always)]
    pub(crate) fn generation(&self, block: Id) -> Option<u32> {
        if block >= self.fresh {
            return None;
        }
        let node = self.at(block);
        (node.state == State::Used).then_some(node.generation)
    }

    /// A used block is about to be freed: its number means another block from now on.
    #[inline(always)]
    pub(crate) fn retire(&mut self, block: Id) {
        // At the last generation `renew` gives the next owner another number.
        let node = self.at_mut(block);
        node.generation = node.generation.saturating_add(1);
    }

    /// Whether the block must not be handed out under its number, because that has used up its generations.
    #[inline(always)]
    pub(crate) fn is_worn_out(&self, block: Id) -> bool {
        self.at(block).generation == u32::MAX
    }

    /// The same block under another number. [`try_ready`](Nodes::try_ready) has been asked for one more.
    #[cold]
    pub(crate) fn renew(&mut self, block: Id) -> Id {
        let new = self.row();
        let Node { offset, size, before, after, links, state, flag, .. } = *self.at(block);
        let generation = self.at(new).generation;
        *self.at_mut(new) = Node { offset, size, before, after, links, generation, state, flag, spare: 0 };
        self.at_mut(before).after = new;
        self.at_mut(after).before = new;
        self.give_row(block);
        new
    }

    /// The owner's word of a used block.
    #[inline]
    pub(crate) fn word(&self, block: Id) -> u64 {
        let [low, high] = self.at(block).links;
        u64::from(low) | u64::from(high) << 32
    }

    /// Keeps a word for the owner of a used block.
    #[inline]
    pub(crate) fn set_word(&mut self, block: Id, word: u64) {
        debug_assert!(self.state(block) == State::Used);
        self.at_mut(block).links = [word as u32, (word >> 32) as u32];
    }

    /// A segment behind all others, and its one block, which is free but not known to the fit yet.
    /// [`try_ready`](Nodes::try_ready) has been asked for two.
    pub(crate) fn append(&mut self, offset: u32, size: u32) -> (Id, Id) {
        let (border, block, last) = (self.row(), self.row(), self.last_border);
        let node = self.at_mut(border);
        (node.offset, node.size, node.before, node.after) = (offset, size, block, block);
        (node.links, node.state, node.flag) = ([last, NONE], State::Border, false);
        let node = self.at_mut(block);
        (node.offset, node.size, node.before, node.after) = (offset, size, border, border);
        (node.links, node.state) = ([NONE, NONE], State::Free);
        if last == NONE {
            self.first_border = border;
        } else {
            self.at_mut(last).links[1] = border;
        }
        self.last_border = border;
        (border, block)
    }

    /// A segment of no block yet, behind no other. [`try_ready`](Nodes::try_ready) has been asked for one.
    pub(crate) fn append_empty(&mut self) -> Id {
        debug_assert!(self.last_border == NONE);
        let border = self.row();
        let node = self.at_mut(border);
        (node.offset, node.size, node.before, node.after) = (0, 0, border, border);
        (node.links, node.state, node.flag) = ([NONE, NONE], State::Border, false);
        (self.first_border, self.last_border) = (border, border);
        border
    }

    /// Keeps so many granules of the last block of a segment; none at all: it is gone.
    pub(crate) fn cut(&mut self, border: Id, keep: u32) {
        let last = self.at(border).before;
        let (size, before) = (self.at(last).size, self.at(last).before);
        self.at_mut(border).size -= size - keep;
        self.at_mut(last).size = keep;
        if keep == 0 {
            self.at_mut(before).after = border;
            self.at_mut(border).before = before;
            self.give_row(last);
        }
    }

    /// Makes a segment longer, and its last block, which is not used.
    pub(crate) fn lengthen(&mut self, border: Id, more: u32) {
        let last = self.at(border).before;
        self.at_mut(border).size += more;
        self.at_mut(last).size += more;
    }

    /// Makes a segment shorter, and its last block, which is not used and keeps something.
    pub(crate) fn shorten(&mut self, border: Id, less: u32) {
        let last = self.at(border).before;
        debug_assert!(self.at(last).size > less);
        self.at_mut(border).size -= less;
        self.at_mut(last).size -= less;
    }

    /// Makes a segment longer by a free block, which the fit does not know yet. [`try_ready`](Nodes::try_ready) has been asked.
    pub(crate) fn add_last(&mut self, border: Id, size: u32) -> Id {
        let new = self.row();
        let segment = self.at_mut(border);
        let (last, offset) = (segment.before, segment.offset + segment.size);
        segment.size += size;
        segment.before = new;
        self.at_mut(last).after = new;
        let node = self.at_mut(new);
        (node.offset, node.size, node.before, node.after) = (offset, size, last, border);
        (node.links, node.state) = ([NONE, NONE], State::Free);
        new
    }

    /// A block and the one in front of it change places. What is in front is not known to the fit.
    pub(crate) fn swap_with_before(&mut self, block: Id) {
        let Node { before: gap, after, size, .. } = *self.at(block);
        let Node { before, offset, .. } = *self.at(gap);
        let node = self.at_mut(block);
        (node.offset, node.before, node.after) = (offset, before, gap);
        let node = self.at_mut(gap);
        (node.offset, node.before, node.after) = (offset + size, block, after);
        self.at_mut(before).after = block;
        self.at_mut(after).before = gap;
    }

    /// Forgets a segment of one block.
    pub(crate) fn remove_segment(&mut self, border: Id) {
        let Node { after: block, links: [previous, next], flag, .. } = *self.at(border);
        if previous == NONE {
            self.first_border = next;
        } else {
            self.at_mut(previous).links[1] = next;
        }
        if next == NONE {
            self.last_border = previous;
        } else {
            self.at_mut(next).links[0] = previous;
        }
        self.drained -= u32::from(flag);
        // A number of a segment is not to mean another one.
        self.retire(border);
        self.give_row(block);
        self.give_row(border);
    }

    /// The first segment.
    pub(crate) fn first_border(&self) -> Id {
        self.first_border
    }

    /// The last segment.
    pub(crate) fn last_border(&self) -> Id {
        self.last_border
    }

    /// The segment behind.
    pub(crate) fn next_border(&self, border: Id) -> Id {
        self.at(border).links[1]
    }

    /// The segment in front.
    pub(crate) fn previous_border(&self, border: Id) -> Id {
        self.at(border).links[0]
    }

    /// The number and generation of a segment that there is.
    pub(crate) fn border_generation(&self, border: Id) -> u32 {
        self.at(border).generation
    }

    /// The segment that has this number. O(segments).
    pub(crate) fn find_border(&self, border: Id, generation: u32) -> Option<Id> {
        let mut segments = core::iter::successors(Some(self.first_border), |at| Some(self.next_border(*at)));
        segments
            .find(|at| *at == NONE || *at == border)
            .filter(|at| *at != NONE && self.at(*at).generation == generation)
    }

    /// The segment that a block is in. O(segments).
    pub(crate) fn border_of(&self, block: Id) -> Id {
        let offset = self.at(block).offset;
        let mut border = self.first_border;
        while border != NONE && offset.wrapping_sub(self.at(border).offset) >= self.at(border).size {
            border = self.next_border(border);
        }
        border
    }

    pub(crate) fn is_draining(&self, border: Id) -> bool {
        self.at(border).flag
    }

    pub(crate) fn set_draining(&mut self, border: Id, draining: bool) {
        let before = core::mem::replace(&mut self.at_mut(border).flag, draining);
        self.drained = self.drained + u32::from(draining) - u32::from(before);
    }

    pub(crate) fn tag(&self) -> Tag {
        self.table.tag()
    }

    pub(crate) fn committed(&self) -> usize {
        self.table.committed()
    }

    /// Tells the ledger how much is in use.
    pub(crate) fn publish(&mut self) {
        let rows = (self.fresh - self.vacant_count) as usize;
        self.table.publish_live(rows * size_of::<Node>());
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, blocks: u32) -> Result<(), AllocError> {
        let missing = (blocks - self.vacant_count) as usize;
        let answer = self.table.try_grow(self.fresh as usize + missing);
        self.ready = self.table.rows().min(NUMBERS) as u32;
        self.publish();
        answer
    }

    #[cfg(all(test, feature = "std", not(loom)))]
    pub(crate) fn wear_out(&mut self, block: Id) {
        self.at_mut(block).generation = u32::MAX - 1;
    }
}

impl Nodes for NodeTable {
    #[inline(always)]
    fn try_ready(&mut self, blocks: u32) -> Result<(), AllocError> {
        if self.vacant_count >= blocks || self.ready - self.fresh >= blocks {
            return Ok(());
        }
        self.grow(blocks)
    }

    #[inline(always)]
    fn offset(&self, block: Id) -> u32 {
        self.at(block).offset
    }

    #[inline(always)]
    fn size(&self, block: Id) -> u32 {
        self.at(block).size
    }

    #[inline(always)]
    fn state(&self, block: Id) -> State {
        self.at(block).state
    }

    #[inline(always)]
    fn set_state(&mut self, block: Id, state: State) {
        self.at_mut(block).state = state;
    }

    #[inline(always)]
    fn before(&self, block: Id) -> Id {
        self.at(block).before
    }

    #[inline(always)]
    fn after(&self, block: Id) -> Id {
        self.at(block).after
    }

    #[inline(always)]
    fn split(&mut self, block: Id, size: u32) -> Id {
        let rest = self.row();
        let node = self.at_mut(block);
        debug_assert!(0 < size && size < node.size);
        let (offset, left, after, state) = (node.offset + size, node.size - size, node.after, node.state);
        (node.size, node.after) = (size, rest);
        let node = self.at_mut(rest);
        (node.offset, node.size, node.before, node.after, node.state) = (offset, left, block, after, state);
        self.at_mut(after).before = rest;
        rest
    }

    #[inline(always)]
    fn join(&mut self, block: Id) {
        let gone = self.at(block).after;
        let (more, after) = (self.at(gone).size, self.at(gone).after);
        let node = self.at_mut(block);
        (node.size, node.after) = (node.size + more, after);
        self.at_mut(after).before = block;
        self.give_row(gone);
    }

    #[inline(always)]
    fn previous_free(&self, block: Id) -> Id {
        self.at(block).links[0]
    }

    #[inline(always)]
    fn next_free(&self, block: Id) -> Id {
        self.at(block).links[1]
    }

    #[inline(always)]
    fn set_previous_free(&mut self, block: Id, other: Id) {
        self.at_mut(block).links[0] = other;
    }

    #[inline(always)]
    fn set_next_free(&mut self, block: Id, other: Id) {
        self.at_mut(block).links[1] = other;
    }

    #[inline(always)]
    fn next_free_at(&mut self, block: Id) -> *mut Id {
        let row = self.base.as_ptr().wrapping_add(block as usize);
        row.wrapping_byte_add(offset_of!(Node, links) + size_of::<Id>()).cast()
    }

    #[inline(always)]
    fn is_drained(&self, block: Id) -> bool {
        self.drained != 0 && self.is_draining(self.border_of(block))
    }
}
