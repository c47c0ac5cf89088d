//! Binary trees of boxed nodes: one size (24 bytes), built and dropped depth first.

use super::{Load, Outcome};
use crate::random::{Random, mix};

/// The deepest tree that is built and dropped again, and the one that stays is one deeper.
const DEPTH: usize = 16;

/// Nodes that are built of each depth.
const NODES: usize = 6_000_000;

struct Node {
    left: Option<Box<Node>>,
    right: Option<Box<Node>>,
    value: u64,
}

/// A full tree of `depth` levels, or nothing.
fn build(depth: usize, random: &mut Random) -> Option<Box<Node>> {
    (depth > 0).then(|| {
        Box::new(Node {
            left: build(depth - 1, random),
            right: build(depth - 1, random),
            value: random.next(),
        })
    })
}

fn sum(tree: Option<&Node>) -> u64 {
    tree.map_or(1, |node| mix(sum(node.left.as_deref()), node.value).wrapping_add(sum(node.right.as_deref())))
}

pub(super) fn run(load: Load) -> Outcome {
    let nodes = load.times(NODES);
    load.in_threads(|thread| {
        let mut random = Random::new("tree", thread);
        let stays = build(DEPTH + 1, &mut random);
        let mut total = 0;
        for depth in (4..=DEPTH).step_by(2) {
            for _ in 0..(nodes >> depth).max(1) {
                let tree = build(depth, &mut random);
                total = mix(total, sum(tree.as_deref()));
            }
        }
        mix(total, sum(stays.as_deref()))
    })
}
