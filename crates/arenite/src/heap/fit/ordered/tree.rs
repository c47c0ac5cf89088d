//! A B-tree of free blocks: a key of two numbers, and the block that it stands for.
//!
//! ```text
//!   root         | 90,8 ● | 300,5 ● |            a node above the leaves has for each node below the greatest key of it
//!                     |          |
//!   leaves   | 10,8 ● | 50,40 ● | 90,8 ● |  | 120,70 ● | … | 300,5 ● |
//! ```
//!
//! A tree that [`KEEPS_MOST`](Tree) has there instead the greatest first number and, apart from that, the greatest second one:
//! 90,40 and 300,70. By address, where keys are (offset, size), that is the size of the largest block below: so the first block that
//! is large enough is found on one way down. First numbers are all different there, so the order is the same.
//!
//! After R. Bayer and E. McCreight, "Organization and maintenance of large ordered indices" (1972), with all entries in the leaves.

use super::node::{CAPACITY, LEAST, TreeNode};
use super::store::Store;
use crate::ledger::Tag;
use crate::region::AllocError;

/// Levels of a tree of 2³² entries: 21⁸ is more.
const LEVELS: usize = 8;

/// The way from the leaf (first) to the root: nodes, and the place in each.
type Path = [(u32, u32); LEVELS];

/// Where an entry is, until the tree is changed.
pub(super) struct Spot(Path);

/// A key: the first number decides.
#[inline(always)]
pub(super) const fn key(first: u32, second: u32) -> u64 {
    (first as u64) << 32 | second as u64
}

/// The first number of a key.
#[inline(always)]
pub(super) const fn first(key: u64) -> u32 {
    (key >> 32) as u32
}

/// See the [module](self). O(log n) whatever it does, with a base of 21 at the least; and nothing but
/// [`try_ready`](Self::try_ready) asks for memory.
#[derive(Debug)]
pub(super) struct Tree<const KEEPS_MOST: bool> {
    store: Store,
    /// Where `levels` is not zero.
    root: u32,
    levels: u32,
}

impl<const KEEPS_MOST: bool> Tree<KEEPS_MOST> {
    /// Address space for so many entries.
    pub(super) fn try_new(tag: Tag, entries: usize) -> Result<Self, AllocError> {
        Ok(Self { store: Store::try_new(tag, entries)?, root: 0, levels: 0 })
    }

    /// Makes sure that there is room for so many entries, however they come and go.
    #[inline(always)]
    pub(super) fn try_ready(&mut self, entries: u32) -> Result<(), AllocError> {
        self.store.try_ready(entries)
    }

    pub(super) fn committed(&self) -> usize {
        self.store.committed()
    }

    pub(super) fn publish(&mut self) {
        self.store.publish();
    }

    pub(super) fn clear(&mut self) {
        self.store.clear();
        (self.root, self.levels) = (0, 0);
    }

    /// The way to where a key is or would be.
    #[inline]
    fn way_to(&self, key: u64) -> Path {
        let mut path = [(0, 0); LEVELS];
        let mut at = self.root;
        for step in path[..self.levels as usize].iter_mut().rev() {
            let node = self.store.at(at);
            let place = node.rank(key);
            *step = (at, place as u32);
            // What is greater than everything belongs to the last one. (Of a leaf it means nothing.)
            at = node.link(place.min(node.len() - 1));
        }
        path
    }

    /// What a node above says of one of its nodes.
    #[inline]
    fn summary(&self, node: u32) -> u64 {
        let node = self.store.at(node);
        let last = node.last_key();
        if KEEPS_MOST { key(first(last), node.most()) } else { last }
    }

    /// What a node above says when a key has come.
    #[inline(always)]
    fn with(summary: u64, new: u64) -> u64 {
        if KEEPS_MOST {
            key(first(summary).max(first(new)), (summary as u32).max(new as u32))
        } else {
            summary.max(new)
        }
    }

    /// Whether what a node above says may be otherwise when a key has gone.
    #[inline(always)]
    fn rests_on(summary: u64, gone: u64) -> bool {
        if KEEPS_MOST {
            first(summary) == first(gone) || summary as u32 == gone as u32
        } else {
            summary == gone
        }
    }

    /// A key that is not in it. There is room, because [`try_ready`](Self::try_ready) was asked.
    pub(super) fn insert(&mut self, new: u64, link: u32) {
        let levels = self.levels as usize;
        if levels == 0 {
            (self.root, self.levels) = (self.store.take(), 1);
            self.store.at_mut(self.root).insert(0, new, link);
            return;
        }
        let path = self.way_to(new);
        let (mut below, place) = path[0];
        let mut split = self.put(below, place as usize, new, link);
        for &(node, place) in &path[1..levels] {
            // What was greater than everything went to the last one.
            let place = (place as usize).min(self.store.at(node).len() - 1);
            match split {
                None => {
                    let node = self.store.at_mut(node);
                    let (old, now) = (node.key(place), Self::with(node.key(place), new));
                    if old == now {
                        return;
                    }
                    node.set_key(place, now);
                }
                Some(behind) => {
                    let (left, right) = (self.summary(below), self.summary(behind));
                    self.store.at_mut(node).set_key(place, left);
                    split = self.put(node, place + 1, right, behind);
                }
            }
            below = node;
        }
        if let Some(behind) = split {
            let (left, right) = (self.summary(below), self.summary(behind));
            self.root = self.store.take();
            self.levels += 1;
            let root = self.store.at_mut(self.root);
            root.insert(0, left, below);
            root.insert(1, right, behind);
        }
    }

    /// Puts an entry into a node. If there is no room the node is cut in two halves; the answer is the second one.
    #[inline]
    fn put(&mut self, node: u32, place: usize, key: u64, link: u32) -> Option<u32> {
        let full = self.store.at_mut(node);
        if full.len() < CAPACITY {
            full.insert(place, key, link);
            return None;
        }
        let behind = self.store.take();
        let (full, empty) = self.store.two(node, behind);
        full.move_back(LEAST, empty);
        match place.checked_sub(LEAST) {
            Some(place) if place > 0 => empty.insert(place, key, link),
            _ => full.insert(place, key, link),
        }
        Some(behind)
    }

    /// A key that is in it.
    #[inline]
    pub(super) fn remove(&mut self, gone: u64) {
        let spot = Spot(self.way_to(gone));
        assert!(self.entry(&spot).0 == gone, "a block that the fit knows");
        self.take(&spot);
    }

    /// The key of an entry, and what it stands for.
    #[inline(always)]
    pub(super) fn entry(&self, Spot(path): &Spot) -> (u64, u32) {
        let (leaf, place) = path[0];
        let leaf = self.store.at(leaf);
        (leaf.key(place as usize), leaf.link(place as usize))
    }

    /// Removes an entry, and answers what it stood for.
    pub(super) fn take(&mut self, Spot(path): &Spot) -> u32 {
        let levels = self.levels as usize;
        let (mut below, place) = path[0];
        let leaf = self.store.at_mut(below);
        let (gone, link) = (leaf.key(place as usize), leaf.link(place as usize));
        leaf.remove(place as usize);
        for &(node, place) in &path[1..levels] {
            let place = place as usize;
            if self.store.at(below).len() < LEAST {
                self.refill(node, place);
            } else if !Self::rests_on(self.store.at(node).key(place), gone) {
                return link;
            } else {
                let now = self.summary(below);
                self.store.at_mut(node).set_key(place, now);
            }
            below = node;
        }
        let root = self.store.at(self.root);
        let (len, only) = (root.len(), (self.levels > 1).then(|| root.link(0)));
        match (len, only) {
            (0, _) => {
                self.store.give(self.root);
                self.levels = 0;
            }
            (1, Some(only)) => {
                self.store.give(self.root);
                self.root = only;
                self.levels -= 1;
            }
            _ => {}
        }
        link
    }

    /// A node below has one entry less than it should: it gets some of its neighbour's, or both become one.
    #[cold]
    fn refill(&mut self, node: u32, place: usize) {
        // Every node above the leaves has two below it at least.
        let left_place = place.saturating_sub(1);
        let above = self.store.at(node);
        let (left, right) = (above.link(left_place), above.link(left_place + 1));
        let (one, other) = self.store.two(left, right);
        let all = one.len() + other.len();
        if all < CAPACITY {
            one.move_front(other, other.len());
            self.store.give(right);
            self.store.at_mut(node).remove(left_place + 1);
        } else {
            // Both get half, so that the next ones that go find enough.
            let half = all / 2;
            if one.len() < half {
                one.move_front(other, half - one.len());
            } else {
                one.move_back(half, other);
            }
            let now = self.summary(right);
            self.store.at_mut(node).set_key(left_place + 1, now);
        }
        let now = self.summary(left);
        self.store.at_mut(node).set_key(left_place, now);
    }

    /// The entry with the least key that is not less than this one. Not of a tree that keeps the most.
    #[inline]
    pub(super) fn at_least(&self, least: u64) -> Option<Spot> {
        const { assert!(!KEEPS_MOST) };
        self.down(|node| {
            let place = node.rank(least);
            (place < node.len()).then_some(place)
        })
    }

    /// The entry with the greatest key. Not of a tree that keeps the most.
    #[inline]
    pub(super) fn last(&self) -> Option<Spot> {
        const { assert!(!KEEPS_MOST) };
        self.down(|node| node.len().checked_sub(1))
    }

    /// The greatest first number, or the greatest second one of a tree that keeps it; 0 if there is no entry.
    #[inline]
    pub(super) fn greatest(&self) -> u32 {
        match self.levels {
            0 => 0,
            _ if KEEPS_MOST => self.store.at(self.root).most(),
            _ => first(self.store.at(self.root).last_key()),
        }
    }

    /// Down to an entry, by the same question to every node; only the root may say that there is none.
    #[inline(always)]
    fn down(&self, place: impl Fn(&TreeNode) -> Option<usize>) -> Option<Spot> {
        let mut path = [(0, 0); LEVELS];
        if self.levels == 0 {
            return None;
        }
        let mut at = self.root;
        for step in path[..self.levels as usize].iter_mut().rev() {
            let node = self.store.at(at);
            let place = place(node)?;
            *step = (at, place as u32);
            at = node.link(place);
        }
        Some(Spot(path))
    }
}

impl Tree<true> {
    /// The first entry whose second number is at least `most`.
    #[inline]
    pub(super) fn first_of(&self, most: u32) -> Option<Spot> {
        self.down(|node| node.first_of(0, most))
    }

    /// The same among those whose first number is at least `from`.
    pub(super) fn first_of_from(&self, from: u32, most: u32) -> Option<Spot> {
        let from = key(from, 0);
        let mut path = [(0, 0); LEVELS];
        // On the way to where `from` is or would be: where there is something behind the way, the deeper the nearer.
        let mut behind = None;
        let mut at = self.root;
        for level in (0..self.levels as usize).rev() {
            let node = self.store.at(at);
            let place = node.rank(from);
            // In a leaf the entry at this place is behind `from` itself; above, what is there only may be.
            if let Some(found) = node.first_of(place + usize::from(level > 0), most) {
                behind = Some((level, found as u32));
            }
            path[level] = (at, place as u32);
            if level == 0 || place == node.len() || (node.key(place) as u32) < most {
                break;
            }
            at = node.link(place);
        }
        let (level, found) = behind?;
        path[level].1 = found;
        let (node, place) = path[level];
        let mut at = self.store.at(node).link(place as usize);
        for step in path[..level].iter_mut().rev() {
            let node = self.store.at(at);
            let place = node.first_of(0, most)?;
            *step = (at, place as u32);
            at = node.link(place);
        }
        Some(Spot(path))
    }
}

#[cfg(all(test, feature = "std", not(loom)))]
impl<const KEEPS_MOST: bool> Tree<KEEPS_MOST> {
    /// Levels, entries in order; after a look at all that must be true of the tree.
    pub(super) fn checked(&self) -> (u32, std::vec::Vec<(u64, u32)>) {
        let mut entries = std::vec::Vec::new();
        let mut nodes = 0;
        if self.levels > 0 {
            self.check(self.root, self.levels, &mut nodes, &mut entries);
            assert!(self.levels == 1 || self.store.at(self.root).len() > 1);
        }
        assert_eq!(nodes, self.store.used());
        assert!(nodes <= super::store::nodes_for(entries.len() as u32), "{nodes} for {}", entries.len());
        assert!(entries.windows(2).all(|pair| pair[0].0 < pair[1].0));
        (self.levels, entries)
    }

    fn check(&self, at: u32, level: u32, nodes: &mut u32, entries: &mut std::vec::Vec<(u64, u32)>) {
        let node = self.store.at(at);
        *nodes += 1;
        assert!(node.len() >= if at == self.root { 1 } else { LEAST });
        for place in 0..node.len() {
            if level == 1 {
                entries.push((node.key(place), node.link(place)));
            } else {
                assert_eq!(node.key(place), self.summary(node.link(place)));
                self.check(node.link(place), level - 1, nodes, entries);
            }
        }
    }
}
