//! Blocks that are freed by another thread than the one that allocated them.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::{Load, Outcome};
use crate::block::Block;
use crate::random::{Random, mix};

/// Blocks that change hands at once: so many that the channel itself hardly shows.
const BATCH: usize = 256;

/// Batches that may be under way in a channel. Two or more, or a ring could come to a stop.
const UNDER_WAY: usize = 16;

/// Batches that each thread of a ring keeps.
const KEPT: usize = 64;

/// Seven of eight up to 512 B, the others up to 4 KiB.
fn batch(random: &mut Random) -> Vec<Block> {
    (0..BATCH)
        .map(|_| {
            let size = if random.below(8) == 0 { random.size(512, 4096) } else { random.size(16, 512) };
            Block::new(size, random.next())
        })
        .collect()
}

/// The batch's blocks are looked at and freed, and so is the batch.
fn consume(sum: u64, batch: Vec<Block>) -> u64 {
    batch.into_iter().fold(sum, |sum, block| mix(sum, block.stamp()))
}

/// Pairs of threads: one only allocates, the other only frees. An odd thread is left out.
pub(super) fn pipe(load: Load) -> Outcome {
    let batches = load.times(48_000);
    let checksum = std::thread::scope(|scope| {
        let consumers: Vec<_> = (0..load.threads / 2)
            .map(|pair| {
                let (to, from) = sync_channel::<Vec<Block>>(UNDER_WAY);
                scope.spawn(move || {
                    let mut random = Random::new("pipe", pair);
                    for _ in 0..batches {
                        to.send(batch(&mut random)).expect("the consumer takes every batch");
                    }
                });
                scope.spawn(move || from.into_iter().fold(0, consume))
            })
            .collect();
        consumers
            .into_iter()
            .fold(0, |sum: u64, thread| sum.wrapping_add(thread.join().expect("a consumer panicked")))
    });
    Outcome { checksum, memory: None }
}

/// Every thread allocates for its neighbour, keeps what it gets for a while in no order, and then frees it.
pub(super) fn ring(load: Load) -> Outcome {
    let batches = load.times(15_000);
    let (mut to, mut from): (Vec<_>, Vec<_>) = (0..load.threads).map(|_| sync_channel(UNDER_WAY)).unzip();
    from.rotate_right(1);
    let checksum = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..load.threads)
            .map(|thread| {
                let (to, from) = (to.remove(0), from.remove(0));
                scope.spawn(move || link(thread, batches, to, &from))
            })
            .collect();
        threads.into_iter().fold(0, |sum: u64, thread| {
            sum.wrapping_add(thread.join().expect("a thread of the ring panicked"))
        })
    });
    Outcome { checksum, memory: None }
}

/// One thread of the ring. It sends and receives by turns, so that nobody runs away from the others and the channels
/// can not all be full.
fn link(thread: usize, batches: usize, to: SyncSender<Vec<Block>>, from: &Receiver<Vec<Block>>) -> u64 {
    let mut random = Random::new("ring", thread);
    let mut kept: Vec<Vec<Block>> = (0..KEPT).map(|_| Vec::new()).collect();
    let mut sum = 0;
    for _ in 0..batches {
        to.send(batch(&mut random)).expect("the neighbour takes every batch");
        let received = from.recv().expect("the neighbour sends as many batches");
        let old = std::mem::replace(&mut kept[random.below(KEPT)], received);
        sum = consume(sum, old);
    }
    kept.into_iter().fold(sum, consume)
}
