//! Threads that come and go.
//!
//! A generation is as many threads as asked for, which run side by side, end, and leave blocks behind. Those are freed
//! two generations later by the main thread, when the heap that they came from has had no thread for long. So this asks
//! what an allocator does with the memory of threads that are gone, and what a new thread costs it.

use std::collections::VecDeque;

use super::{Load, Outcome};
use crate::block::Block;
use crate::random::{Random, mix};

const GENERATIONS: usize = 6_000;

/// Allocations of a thread's life.
const ALLOCATIONS: usize = 3_000;

/// Blocks that it has at any time, if not fewer.
const PLACES: usize = 400;

pub(super) fn run(load: Load) -> Outcome {
    let mut left: VecDeque<Vec<Block>> = VecDeque::new();
    let mut sum = 0;
    for generation in 0..load.times(GENERATIONS) {
        let ends: Vec<(u64, Vec<Block>)> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..load.threads)
                .map(|thread| scope.spawn(move || life(generation * load.threads + thread)))
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("a short life ended badly")).collect()
        });
        for (part, blocks) in ends {
            sum = mix(sum, part);
            left.push_back(blocks);
        }
        while left.len() > 2 * load.threads {
            sum = left.pop_front().into_iter().flatten().fold(sum, |sum, block| mix(sum, block.stamp()));
        }
    }
    let checksum = left.into_iter().flatten().fold(sum, |sum, block| mix(sum, block.stamp()));
    Outcome { checksum, memory: None }
}

/// One thread's life; every eighth of its last blocks stays behind.
fn life(seed: usize) -> (u64, Vec<Block>) {
    let mut random = Random::new("threads", seed);
    let mut table: Vec<Option<Block>> = (0..PLACES).map(|_| None).collect();
    let mut sum = 0;
    for _ in 0..ALLOCATIONS {
        let size = if random.below(16) == 0 { random.size(512, 2048) } else { random.size(16, 512) };
        let block = Block::new(size, random.next());
        if let Some(old) = table[random.below(PLACES)].replace(block) {
            sum = mix(sum, old.stamp());
        }
    }
    let left = table.into_iter().flatten().step_by(8).collect();
    (sum, left)
}
