//! Fits that look at all free blocks, in logarithmic time: first, next, best and worst fit over one kind of B-tree.
//!
//! | file | what lives there |
//! |---|---|
//! | `tree` | the tree: free blocks by address, with the largest one of each part kept up, or by size |
//! | `node` | a node of it, 512 bytes |
//! | `store` | where nodes lie, and how many there can be at most (raw) |
//!
//! Nodes are reserved for as many free blocks as there could be, which is one more than there are used ones and segments: a
//! twentieth as many nodes, 26 bytes a block. So freeing asks for nothing.

mod node;
mod store;
mod tree;

use super::Fit;
use super::nodes::{Id, Nodes};
use super::sealed::Choose;
use crate::ledger::Tag;
use crate::region::AllocError;
use tree::{Tree, first, key};

/// First fit: of the free blocks that are large enough the one with the lowest offset. O(log n) in the number of free blocks.
///
/// What is in use gathers at the front, so the end of the range stays free: good where the end can be given back, or where
/// lifetimes are mixed.
///
/// ```
/// use arenite::{FirstFit, OffsetAllocator, OffsetOptions, Tag};
/// let tag = Tag::register("example/first")?;
/// let mut range = OffsetOptions::new(tag).granularity(1).capacity(1000).try_build::<FirstFit>()?;
/// let front = range.try_allocate(100, 1)?;
/// range.try_allocate(100, 1)?;
/// range.free(front.id)?;
/// assert_eq!(range.try_allocate(10, 1)?.offset, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FirstFit {
    tree: Tree<true>,
}

/// Next fit: as [`FirstFit`], but each search begins where the last one found something, and begins again at the front when there is
/// nothing up to the end. O(log n) in the number of free blocks.
///
/// Goes round through the whole range like a ring, so what is short-lived is freed before it is met again.
///
/// ```
/// use arenite::{NextFit, OffsetAllocator, OffsetOptions, Tag};
/// let tag = Tag::register("example/next")?;
/// let mut range = OffsetOptions::new(tag).granularity(1).capacity(1000).try_build::<NextFit>()?;
/// let front = range.try_allocate(100, 1)?;
/// range.try_allocate(100, 1)?;
/// range.free(front.id)?;
/// assert_eq!(range.try_allocate(10, 1)?.offset, 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NextFit {
    tree: Tree<true>,
    /// Where the block began that was found last.
    rover: u32,
}

/// Best fit: the smallest free block that is large enough, of those the one with the lowest offset. O(log n) in the number of
/// free blocks.
///
/// Leaves the least behind in what it takes; the crumbs are small then. The tightest where sizes repeat.
///
/// ```
/// use arenite::{BestFit, OffsetAllocator, OffsetOptions, Tag};
/// let tag = Tag::register("example/best")?;
/// let mut range = OffsetOptions::new(tag).granularity(1).capacity(1000).try_build::<BestFit>()?;
/// let (large, _, small, _) = (
///     range.try_allocate(100, 1)?,
///     range.try_allocate(1, 1)?,
///     range.try_allocate(20, 1)?,
///     range.try_allocate(1, 1)?,
/// );
/// range.free(large.id)?;
/// range.free(small.id)?;
/// assert_eq!(range.try_allocate(10, 1)?.offset, small.offset);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BestFit {
    tree: Tree<false>,
}

/// Worst fit: the largest free block, of those the one with the highest offset. O(log n) in the number of free blocks.
///
/// What is left over is as large as can be, and so is useful still; but no large piece lives long.
///
/// ```
/// use arenite::{OffsetAllocator, OffsetOptions, Tag, WorstFit};
/// let tag = Tag::register("example/worst")?;
/// let mut range = OffsetOptions::new(tag).granularity(1).capacity(1000).try_build::<WorstFit>()?;
/// let front = range.try_allocate(100, 1)?;
/// range.try_allocate(100, 1)?;
/// range.free(front.id)?;
/// assert_eq!(range.try_allocate(10, 1)?.offset, 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct WorstFit {
    tree: Tree<false>,
}

/// Free blocks by offset; the tree keeps up the largest size.
#[inline(always)]
fn by_offset<N: Nodes>(nodes: &N, block: Id) -> u64 {
    key(nodes.offset(block), nodes.size(block))
}

/// Free blocks by size, equal ones by offset.
#[inline(always)]
fn by_size<N: Nodes>(nodes: &N, block: Id) -> u64 {
    key(nodes.size(block), nodes.offset(block))
}

/// What all four have in common: the blocks are in a tree, by a key. They differ in the key and in how they find one.
macro_rules! over_a_tree {
    ($fit:ident { $($field:ident: $start:expr),* }, $name:literal, $key:ident, |$this:ident, $size:ident| $find:expr) => {
        impl Fit for $fit {
            const NAME: &'static str = $name;
        }

        impl Choose for $fit {
            fn try_new(tag: Tag, blocks: usize) -> Result<Self, AllocError> {
                Ok(Self { tree: Tree::try_new(tag, blocks)?, $($field: $start),* })
            }

            #[inline(always)]
            fn try_ready(&mut self, free_blocks: u32) -> Result<(), AllocError> {
                self.tree.try_ready(free_blocks)
            }

            fn insert<N: Nodes>(&mut self, nodes: &mut N, block: Id) {
                self.tree.insert($key(nodes, block), block);
            }

            fn remove<N: Nodes>(&mut self, nodes: &mut N, block: Id) {
                self.tree.remove($key(nodes, block));
            }

            #[inline]
            fn find<N: Nodes>(&mut self, _: &N, $size: u32) -> Option<Id> {
                let $this = self;
                let spot = $find?;
                Some($this.tree.entry(&spot).1)
            }

            /// One way down instead of two.
            #[inline]
            fn pop<N: Nodes>(&mut self, _: &mut N, $size: u32) -> Option<Id> {
                let $this = self;
                let spot = $find?;
                Some($this.tree.take(&spot))
            }

            /// O(1): the root tells.
            fn largest<N: Nodes>(&self, _: &N) -> u32 {
                self.tree.greatest()
            }

            fn clear(&mut self) {
                self.tree.clear();
                $(self.$field = $start;)*
            }

            fn committed(&self) -> usize {
                self.tree.committed()
            }

            fn publish(&mut self) {
                self.tree.publish();
            }
        }
    };
}

over_a_tree!(FirstFit {}, "first fit", by_offset, |this, size| this.tree.first_of(size));

over_a_tree!(NextFit { rover: 0 }, "next fit", by_offset, |this, size| {
    let found = this.tree.first_of_from(this.rover, size).or_else(|| this.tree.first_of(size));
    found.inspect(|spot| this.rover = first(this.tree.entry(spot).0))
});

over_a_tree!(BestFit {}, "best fit", by_size, |this, size| this.tree.at_least(key(size, 0)));

// No block is larger, so if it is too small, all are.
over_a_tree!(WorstFit {}, "worst fit", by_size, |this, size| {
    this.tree.last().filter(|spot| first(this.tree.entry(spot).0) >= size)
});

#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
