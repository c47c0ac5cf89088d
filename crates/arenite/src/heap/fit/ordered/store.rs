//! Where the nodes of a tree lie: in a table of their own, charged to a tag, found by number.
#![expect(unsafe_code, reason = "reads and writes rows of a table, found by number")]

use core::ptr::NonNull;

use super::node::{LEAST, TreeNode};
use crate::ledger::Tag;
use crate::region::{AllocError, ColumnLayout, RegionOptions, Table};

/// No node.
const NONE: u32 = u32::MAX;

/// The nodes that a tree of so many entries has at most, whatever was inserted and removed in whatever order.
///
/// Each node but the root has at least [`LEAST`] entries. So the leaves are at most `entries / LEAST`, or one; and each of them
/// is an entry of the level above, of which the same is true. That is a twentieth of `entries`, and one for each level.
pub(super) fn nodes_for(entries: u32) -> u32 {
    let mut level = (entries / LEAST as u32).max(1);
    let mut all = level;
    while level > 1 {
        level = (level / LEAST as u32).max(1);
        all += level;
    }
    all
}

/// The nodes of a tree.
#[derive(Debug)]
pub(super) struct Store {
    /// The first node.
    base: NonNull<TreeNode>,
    /// Nodes that have memory behind them.
    ready: u32,
    /// Nodes from this one on have never been used.
    fresh: u32,
    /// Nodes that are not used any more, by the link of their one entry.
    vacant: u32,
    vacant_count: u32,
    /// With so many entries there are nodes enough.
    entries: u32,
    table: Table<1>,
}

// SAFETY: owns its table, and neither belongs to a thread.
unsafe impl Send for Store {}
// SAFETY: `&Store` only reads.
unsafe impl Sync for Store {}

impl Store {
    /// Address space for so many entries; no memory yet.
    pub(super) fn try_new(tag: Tag, entries: usize) -> Result<Self, AllocError> {
        // `Blocks` asks for two more than there can be.
        let rows = nodes_for(u32::try_from(entries.saturating_add(2)).unwrap_or(u32::MAX)) as usize;
        let options = RegionOptions::new(tag, 0).commit_steps(4 << 10, 1 << 20);
        let table = Table::try_reserve(&options, [ColumnLayout::of::<TreeNode>()], rows, rows.min(64))?;
        let base = table.column(0).cast();
        Ok(Self { base, ready: 0, fresh: 0, vacant: NONE, vacant_count: 0, entries: 0, table })
    }

    /// Makes sure that there are nodes for so many entries.
    #[inline(always)]
    pub(super) fn try_ready(&mut self, entries: u32) -> Result<(), AllocError> {
        if entries <= self.entries { Ok(()) } else { self.grow(entries) }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, entries: u32) -> Result<(), AllocError> {
        self.table.try_grow(nodes_for(entries) as usize)?;
        self.ready = u32::try_from(self.table.rows()).unwrap_or(u32::MAX);
        // The most entries for which what has memory now suffices.
        let (mut enough, mut too_many) = (entries, u32::MAX);
        while too_many - enough > 1 {
            let middle = enough + (too_many - enough) / 2;
            if nodes_for(middle) <= self.ready {
                enough = middle;
            } else {
                too_many = middle;
            }
        }
        self.entries = enough;
        self.publish();
        Ok(())
    }

    /// An empty node. [`try_ready`](Self::try_ready) was asked.
    pub(super) fn take(&mut self) -> u32 {
        let taken = self.vacant;
        if taken == NONE {
            assert!(self.fresh < self.ready, "`try_ready` was asked for fewer blocks");
            let new = self.fresh;
            self.fresh += 1;
            self.at_mut(new).clear();
            return new;
        }
        let node = self.at_mut(taken);
        let next = node.link(0);
        node.clear();
        (self.vacant, self.vacant_count) = (next, self.vacant_count - 1);
        taken
    }

    /// A node that is not used any more.
    pub(super) fn give(&mut self, node: u32) {
        let next = self.vacant;
        let gone = self.at_mut(node);
        gone.clear();
        gone.insert(0, 0, next);
        (self.vacant, self.vacant_count) = (node, self.vacant_count + 1);
    }

    /// Forgets all nodes; what is in them is forgotten when they are taken again.
    pub(super) fn clear(&mut self) {
        (self.fresh, self.vacant, self.vacant_count) = (0, NONE, 0);
    }

    /// Nodes that are used.
    pub(super) fn used(&self) -> u32 {
        self.fresh - self.vacant_count
    }

    #[inline(always)]
    pub(super) fn at(&self, node: u32) -> &TreeNode {
        assert!(node < self.ready, "a node's number");
        // SAFETY: rows below `ready` have memory behind them, zeroed by the system, which is a node without entries. Whoever
        // changes one borrows the store mutably.
        unsafe { self.base.add(node as usize).as_ref() }
    }

    #[inline(always)]
    pub(super) fn at_mut(&mut self, node: u32) -> &mut TreeNode {
        assert!(node < self.ready, "a node's number");
        // SAFETY: as above.
        unsafe { self.base.add(node as usize).as_mut() }
    }

    /// Two different nodes.
    #[inline]
    pub(super) fn two(&mut self, one: u32, other: u32) -> (&mut TreeNode, &mut TreeNode) {
        assert!(one < self.ready && other < self.ready && one != other, "two nodes' numbers");
        // SAFETY: as above; they do not overlap, because their numbers differ.
        unsafe { (self.base.add(one as usize).as_mut(), self.base.add(other as usize).as_mut()) }
    }

    pub(super) fn committed(&self) -> usize {
        self.table.committed()
    }

    /// Tells the ledger how much is in use.
    pub(super) fn publish(&mut self) {
        let used = self.used() as usize;
        self.table.publish_live(used * size_of::<TreeNode>());
    }
}
