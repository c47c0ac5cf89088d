//! What an operation costs among few and among many free blocks.

use std::hint::black_box;
use std::time::Instant;

use arenite::{
    BestFit, BlockId, FirstFit, Fit, NextFit, OffsetAllocator, OffsetOptions, Tag, Tlsf, WorstFit,
};

use crate::opaque::used;
use crate::stats::{Random, median};

/// Numbers of free blocks.
const FREE: [u32; 3] = [1_000, 30_000, 1_000_000];

/// Blocks that are out for a while: a pair is one more, and the one that has been out longest goes.
const OUT: usize = 256;

const PAIRS: u32 = 20_000;
const ROUNDS: usize = 15;

/// A range full of free pieces of 1 to 1024 granules, each between two that stay.
struct Sieve<F: Fit> {
    range: OffsetAllocator<F>,
    random: Random,
    out: [BlockId; OUT],
    at: usize,
}

impl<F: Fit> Sieve<F> {
    fn new(free: u32) -> Self {
        let mut random = Random(0x51E7E);
        let sizes: Vec<u64> = (0..free as usize).map(|_| 1 + random.below(1024) as u64).collect();
        let capacity = sizes.iter().map(|size| size + 1).sum();
        let options = OffsetOptions::new(Tag::untagged()).granularity(1).capacity(capacity);
        let mut range: OffsetAllocator<F> = options.blocks(1 << 22).try_build().expect("a range");
        let mut taken = Vec::new();
        for size in sizes {
            taken.push(range.try_allocate(size, 1).expect("it fits").id);
            range.try_allocate(1, 1).expect("it fits");
        }
        // In random order, as time goes by.
        for last in (1..taken.len()).rev() {
            taken.swap(last, random.below(last + 1));
        }
        for id in taken {
            range.free(id).expect("in use");
        }
        let stats = range.stats();
        assert_eq!((stats.free_blocks, stats.used_blocks), (free.into(), free.into()));
        let out =
            std::array::from_fn(|_| range.try_allocate(1 + random.below(512) as u64, 1).expect("one").id);
        Self { range, random, out, at: 0 }
    }

    #[inline(never)]
    fn pairs(&mut self, pairs: u32) -> u64 {
        let mut sum = 0;
        for _ in 0..pairs {
            let size = 1 + self.random.below(512) as u64;
            let block = self.range.try_allocate(size, 1).expect("half of them are larger");
            let place = self.at % OUT;
            self.range.free(std::mem::replace(&mut self.out[place], block.id)).expect("in use");
            self.at += 1;
            sum ^= block.offset;
        }
        sum
    }
}

/// Nanoseconds of a pair.
fn time<F: Fit>(free: u32) -> f64 {
    let mut sieve = Sieve::<F>::new(free);
    used(&sieve.pairs(PAIRS));
    let rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            used(&sieve.pairs(PAIRS));
            start.elapsed().as_nanos() as f64 / f64::from(PAIRS)
        })
        .collect();
    median(&rounds)
}

pub(super) fn grows() {
    println!("## ordered: one block comes, another goes, among so many free ones (ns per pair)");
    fn row<F: Fit>() {
        let times = FREE.map(time::<F>);
        println!(
            "  {:<26} {:>10.1} {:>10.1} {:>10.1}   x {:.2}",
            F::NAME,
            times[0],
            times[1],
            times[2],
            times[2] / times[0]
        );
    }
    println!("  {:<26} {:>10} {:>10} {:>10}", "", FREE[0], FREE[1], FREE[2]);
    row::<FirstFit>();
    row::<NextFit>();
    row::<BestFit>();
    row::<WorstFit>();
    row::<Tlsf>();
    println!("  (caches of this machine included; what the code itself does more is counted by callgrind)\n");
}

/// So many pairs among so many free blocks, `pairs` being what is to be counted.
pub(super) fn count(who: &str, free: u32, pairs: u32) -> bool {
    fn go<F: Fit>(free: u32, pairs: u32) {
        let mut sieve = Sieve::<F>::new(free);
        black_box(sieve.pairs(pairs));
    }
    match who {
        "first" => go::<FirstFit>(free, pairs),
        "next" => go::<NextFit>(free, pairs),
        "best" => go::<BestFit>(free, pairs),
        "worst" => go::<WorstFit>(free, pairs),
        "tlsf" => go::<Tlsf>(free, pairs),
        _ => return false,
    }
    true
}
