//! Blocks that replace each other in a table.
//!
//! Of the table's places one in sixteen is used most of the time: its blocks are young and die soon. The others are
//! survivors. From phase to phase the small sizes change, so that survivors of one phase stand in pages that the next one
//! would rather have for itself: this is where memory is lost to fragmentation.

use super::{Load, Outcome};
use crate::block::Block;
use crate::random::{Random, mix};

/// Phases of a run; each has its own small sizes.
const PHASES: usize = 8;

/// What is churned.
struct Kind {
    name: &'static str,
    places: usize,
    /// Blocks of a thread's run, all phases together.
    blocks: usize,
    /// The size of the next block.
    size: fn(&mut Random, phase: usize) -> usize,
    /// Whether blocks are written from end to end.
    fill: bool,
}

/// Nine of ten are small, 16 B to 1 KiB; the others 1 to 8 KiB, and one in 64 is 8 to 32 KiB.
pub(super) fn mixed(load: Load) -> Outcome {
    run(
        load,
        &Kind {
            name: "churn",
            places: 20_000,
            blocks: 12_000_000,
            size: |random, phase| match random.below(64) {
                0 => random.size(8 << 10, 32 << 10),
                1..6 => random.size(1 << 10, 8 << 10),
                _ if phase % 2 == 0 => random.size(16, 256),
                _ => random.size(48, 1024),
            },
            fill: false,
        },
    )
}

/// 1 to 32 KiB.
pub(super) fn buffers(load: Load) -> Outcome {
    run(
        load,
        &Kind {
            name: "buffers",
            places: 2_000,
            blocks: 9_000_000,
            size: |random, phase| {
                if phase % 2 == 0 { random.size(1 << 10, 16 << 10) } else { random.size(2 << 10, 32 << 10) }
            },
            fill: false,
        },
    )
}

/// 64 KiB to 4 MiB. All of a block is written, as by a program that loads something into it: with one write a page
/// instead, an allocator that keeps such blocks was twenty times as fast as one that gives them back, and this workload
/// alone would have decided every mean.
pub(super) fn large(load: Load) -> Outcome {
    run(
        load,
        &Kind {
            name: "large",
            places: 12,
            blocks: 18_000,
            size: |random, _| random.size(64 << 10, 4 << 20),
            fill: true,
        },
    )
}

fn run(load: Load, kind: &Kind) -> Outcome {
    let blocks = load.times(kind.blocks / PHASES);
    load.in_threads(|thread| {
        let mut random = Random::new(kind.name, thread);
        let mut table: Vec<Option<Block>> = (0..kind.places).map(|_| None).collect();
        let young = (kind.places / 16).max(4);
        let mut sum = 0;
        for phase in 0..PHASES {
            for _ in 0..blocks {
                let place =
                    if random.below(8) == 0 { random.below(kind.places) } else { random.below(young) };
                let mut block = Block::new((kind.size)(&mut random, phase), random.next());
                if kind.fill {
                    block.fill();
                }
                if let Some(old) = table[place].replace(block) {
                    sum = mix(sum, old.stamp());
                }
            }
        }
        table.iter().flatten().fold(sum, |sum, block| mix(sum, block.stamp()))
    })
}
