use std::collections::BTreeMap;
use std::vec::Vec;

use proptest::prelude::*;

use super::node::{CAPACITY, LEAST};
use super::store::nodes_for;
use super::tree::{Spot, Tree, first, key};
use crate::{Ledger, Tag};

fn tag() -> Tag {
    let ledger: &'static Ledger = std::boxed::Box::leak(std::boxed::Box::new(Ledger::new()));
    ledger.register("tree").unwrap()
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(end)) as u32
    }
}

/// The tree and what it should be.
struct Pair<const KEEPS_MOST: bool> {
    tree: Tree<KEEPS_MOST>,
    model: BTreeMap<u64, u32>,
    numbers: Numbers,
}

impl<const KEEPS_MOST: bool> Pair<KEEPS_MOST> {
    fn new(seed: u64) -> Self {
        Self { tree: Tree::try_new(tag(), 1 << 20).unwrap(), model: BTreeMap::new(), numbers: Numbers(seed) }
    }

    /// First numbers differ in a tree that keeps the most of the second ones; in the other one they often do not.
    fn insert(&mut self) {
        let (one, other) = (self.numbers.below(1 << 20), self.numbers.below(1 << 10));
        let new = if KEEPS_MOST { key(one, other + 1) } else { key(other, one) };
        let taken = if KEEPS_MOST {
            self.model.range(key(one, 0)..=key(one, u32::MAX)).next().is_some()
        } else {
            self.model.contains_key(&new)
        };
        if taken {
            return;
        }
        let link = self.numbers.below(u32::MAX);
        self.tree.try_ready(self.model.len() as u32 + 1).unwrap();
        self.tree.insert(new, link);
        self.model.insert(new, link);
    }

    fn remove(&mut self) {
        // What is next to a random place, or now and then an end.
        let place = match self.numbers.below(8) {
            0 => 0,
            1 => u64::MAX,
            _ => key(self.numbers.below(1 << 20), 0) >> (if KEEPS_MOST { 0 } else { 10 }),
        };
        let next = self.model.range(place..).next().or_else(|| self.model.iter().next_back());
        let Some(gone) = next.map(|(gone, _)| *gone) else { return };
        self.tree.remove(gone);
        self.model.remove(&gone);
    }

    fn entry(&self, spot: Option<Spot>) -> Option<(u64, u32)> {
        spot.map(|spot| self.tree.entry(&spot))
    }

    fn check(&self) -> u32 {
        let (levels, entries) = self.tree.checked();
        assert!(entries.into_iter().eq(self.model.iter().map(|(key, link)| (*key, *link))));
        levels
    }
}

fn copied(entry: Option<(&u64, &u32)>) -> Option<(u64, u32)> {
    entry.map(|(key, link)| (*key, *link))
}

/// Now and then takes an entry out by where it was found.
fn take<const KEEPS_MOST: bool>(
    pair: &mut Pair<KEEPS_MOST>,
    find: impl Fn(&Tree<KEEPS_MOST>) -> Option<Spot>,
) {
    let Some(spot) = find(&pair.tree).filter(|_| pair.numbers.below(16) == 0) else { return };
    let (key, link) = pair.tree.entry(&spot);
    assert_eq!((pair.tree.take(&spot), pair.model.remove(&key)), (link, Some(link)));
}

/// Asks the tree by size what there is to be asked.
fn ask_by_size(pair: &mut Pair<false>) {
    let least = key(pair.numbers.below(1 << 10), pair.numbers.below(1 << 20));
    assert_eq!(pair.entry(pair.tree.at_least(least)), copied(pair.model.range(least..).next()));
    assert_eq!(pair.entry(pair.tree.last()), copied(pair.model.iter().next_back()));
    assert_eq!(pair.tree.greatest(), pair.model.keys().next_back().map_or(0, |key| first(*key)));
    take(pair, |tree| tree.at_least(least));
    take(pair, |tree| tree.last());
}

/// The same of the tree by address.
fn ask_by_address(pair: &mut Pair<true>) {
    // Seldom one that is large enough, so that the way leads over many nodes.
    let most = (1 << 10) - pair.numbers.below(1 << 10).isqrt().pow(2) / 4;
    let from = pair.numbers.below(1 << 20);
    let of = |entry: &(&u64, &u32)| *entry.0 as u32 >= most;
    assert_eq!(pair.entry(pair.tree.first_of(most)), copied(pair.model.iter().find(of)));
    assert_eq!(
        pair.entry(pair.tree.first_of_from(from, most)),
        copied(pair.model.range(key(from, 0)..).find(of))
    );
    assert_eq!(pair.tree.greatest(), pair.model.keys().map(|key| *key as u32).max().unwrap_or(0));
    take(pair, |tree| tree.first_of_from(from, most));
    take(pair, |tree| tree.first_of(most));
}

/// Up to `size` entries and down again, and up and down a little at each size on the way.
fn waves<const KEEPS_MOST: bool>(size: usize, each: usize, ask: fn(&mut Pair<KEEPS_MOST>)) {
    let mut pair = Pair::<KEEPS_MOST>::new(size as u64);
    let mut highest = 0;
    for rising in [true, false, true, false] {
        let mut steps = 0;
        while if rising { pair.model.len() < size } else { !pair.model.is_empty() } {
            if (pair.numbers.below(3) != 0) == rising {
                pair.insert();
            } else {
                pair.remove();
            }
            if steps % each == 0 {
                ask(&mut pair);
                highest = highest.max(pair.check());
            }
            steps += 1;
        }
    }
    assert_eq!(pair.check(), 0);
    let levels = [(20, 1), (300, 2), (4000, 3), (60_000, 4)];
    assert!(levels.contains(&(size, highest)), "{size} entries had {highest} levels");
}

#[test]
fn a_tree_by_size_is_an_ordered_map() {
    for (size, each) in [(20, 1), (300, 1), (4000, 101), (60_000, 9973)] {
        waves::<false>(size, each, ask_by_size);
    }
}

#[test]
fn a_tree_by_address_is_an_ordered_map_that_knows_the_largest() {
    for (size, each) in [(20, 1), (300, 1), (4000, 101), (60_000, 9973)] {
        waves::<true>(size, each, ask_by_address);
    }
}

#[test]
fn nodes_reserved_are_enough_in_the_worst_order() {
    // Ascending keys leave each node half full, and then every second entry of what is left goes.
    let mut tree = Tree::<false>::try_new(tag(), 1 << 16).unwrap();
    for count in 0..50_000 {
        tree.try_ready(count + 1).unwrap();
        tree.insert(key(count, 0), count);
    }
    tree.checked();
    for step in [2, 4, 8, 16] {
        for count in (step / 2..50_000).step_by(step as usize) {
            tree.remove(key(count, 0));
        }
        tree.checked();
    }
    assert_eq!(nodes_for(0), 1);
    assert_eq!(nodes_for(CAPACITY as u32), 3);
    assert!((2..31).all(|bits| nodes_for(1 << bits) <= (1 << bits) / (LEAST as u32 - 1) + 8));
}

#[test]
fn a_cleared_tree_begins_again() {
    let mut pair = Pair::<true>::new(1);
    for _ in 0..2000 {
        pair.insert();
    }
    pair.tree.clear();
    pair.model.clear();
    assert_eq!(
        (pair.tree.first_of(1).is_none(), pair.tree.first_of_from(0, 1).is_none(), pair.tree.greatest()),
        (true, true, 0)
    );
    for _ in 0..2000 {
        pair.insert();
    }
    pair.check();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn random_programs_agree(seed: u64, ops in proptest::collection::vec(any::<(bool, u8)>(), 1..200)) {
        let mut by_size = Pair::<false>::new(seed);
        let mut by_address = Pair::<true>::new(seed);
        for (insert, times) in ops {
            for _ in 0..times {
                if insert {
                    by_size.insert();
                    by_address.insert();
                } else {
                    by_size.remove();
                    by_address.remove();
                }
            }
            ask_by_size(&mut by_size);
            ask_by_address(&mut by_address);
            by_size.check();
            by_address.check();
        }
    }
}

#[test]
fn what_is_asked_is_as_large_as_needed() {
    let few: Vec<u32> = (0..4).map(|bits| nodes_for(21u32.pow(bits))).collect();
    assert_eq!(few, [1, 1, 22, 463]);
}
