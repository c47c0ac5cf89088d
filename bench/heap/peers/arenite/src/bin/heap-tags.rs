//! What tags cost in memory: the same blocks under one tag and under many.
//!
//! ```text
//! cargo run --release --manifest-path bench/heap/peers/arenite/Cargo.toml --bin heap-tags -- TAGS [PLACES]
//! ```
//!
//! A table of 20,000 blocks (or `PLACES`), of which each has one of as many owners as there are tags; owners have neighbouring places, as
//! parts of a program have data of their own. Blocks are replaced at random, twelve million times. Prints the time, resident memory
//! (with the program's own 2 MiB), and what the heap knows of it.

use std::hint::black_box;
use std::time::Instant;

use arenite::{Bytes, GlobalHeap, Tag};
use heap_workloads::memory::Memory;

#[global_allocator]
static HEAP: GlobalHeap = GlobalHeap;

const ROUNDS: usize = 12_000_000;

/// Numbers that look random (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((u128::from(self.0) * end as u128) >> 64) as usize
    }

    /// As in the bench's `churn`: mostly below 1 KiB, one in 64 up to 32 KiB.
    fn size(&mut self) -> usize {
        match self.below(64) {
            0 => 8192 + self.below(24 << 10),
            1..6 => 1024 + self.below(7 << 10),
            _ => 16 << self.below(6) | self.below(16),
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse::<usize>().expect("a number"));
    let tags = arguments.next().unwrap_or(1).clamp(1, 200);
    let places = arguments.next().unwrap_or(20_000).max(tags);
    let tags: Vec<Tag> = (0..tags).map(|n| Tag::register(&format!("part{n}")).expect("a tag")).collect();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut table: Vec<Vec<u8>> = (0..places).map(|_| Vec::new()).collect();
    let start = Instant::now();
    for _ in 0..ROUNDS {
        let place = random.below(places);
        let size = random.size();
        let _under = tags[place * tags.len() / places].try_scope().expect("a place for the tag");
        let mut block = Vec::with_capacity(size);
        // A byte at each end, and one a page: what is asked for is resident.
        block.resize(1, 1u8);
        for offset in (0..size).step_by(4096).chain([size - 1]) {
            block.spare_capacity_mut()[offset.min(size - 2)].write(1);
        }
        table[place] = block;
    }
    let time = start.elapsed();
    let memory = Memory::now();
    let (mut live, mut committed) = (0, 0);
    for (_, figures) in GlobalHeap::by_tag() {
        live += figures.live_bytes;
        committed += figures.committed;
    }
    black_box(&table);
    let show = |bytes: Option<u64>| Bytes(bytes.unwrap_or(0) as usize);
    println!(
        "{} tags: {:.2} s, peak {}, resident {}; live {}, committed under tags {}",
        tags.len(),
        time.as_secs_f64(),
        show(memory.peak),
        show(memory.resident),
        Bytes(live as usize),
        Bytes(committed as usize),
    );
}
