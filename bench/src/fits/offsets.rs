//! Parts of a range that nobody touches: GPU memory, a file.

use std::collections::BTreeMap;
use std::hint::black_box;

use arenite::{BestFit, FirstFit, NextFit, Tlsf, WorstFit};

use super::{Parts, Ranges, Theirs, ours};
use crate::harness::Contest;
use crate::opaque::used;
use crate::stats::Random;

/// What is churned, and where.
#[derive(Clone, Copy)]
struct Load {
    capacity: u64,
    granularity: u64,
    /// Sizes are from two to the power of the first up to the second, all magnitudes alike.
    sizes: (u32, u32),
    live: usize,
}

/// Textures and buffers.
const LARGE: Load = Load { capacity: (4 << 30) - 256, granularity: 256, sizes: (16, 24), live: 500 };

/// Many small ones, so that the book-keeping does not fit the nearest cache.
const MANY: Load = Load { capacity: 1 << 30, granularity: 16, sizes: (6, 14), live: 100_000 };

/// Steps of a plan, which is gone through again and again.
const STEPS: usize = 1 << 16;

/// Pairs in a round.
const PAIRS: usize = 10_000;

/// Which block goes, and the size of the one that comes instead: the same for everybody.
struct Plan {
    load: Load,
    first: Vec<u64>,
    steps: Vec<(u32, u64)>,
}

impl Plan {
    fn new(load: Load) -> Self {
        let mut random = Random(0x0FF5_E75E);
        let (low, high) = load.sizes;
        let mut size = || {
            let power = 1 << (low as usize + random.below((high - low) as usize));
            (power + random.below(power)) as u64
        };
        let first = (0..load.live).map(|_| size()).collect();
        let sizes: Vec<u64> = (0..STEPS).map(|_| size()).collect();
        let steps = sizes.into_iter().map(|size| (random.below(load.live) as u32, size)).collect();
        Self { load, first, steps }
    }

    /// Goes through the whole plan, looking at each part: none overlaps another one. Answers how many were handed out, and
    /// their sizes.
    fn check<P: Parts>(&self, mut parts: P) -> u64 {
        let mut taken = BTreeMap::new();
        let mut sum = 0;
        let mut take = |parts: &mut P, taken: &mut BTreeMap<u64, u64>, size: u64| {
            let (offset, held) = parts.take(size).expect("less than half is in use");
            let end = offset + size;
            assert!(end <= self.load.capacity && offset.is_multiple_of(self.load.granularity));
            let before = taken.range(..end).next_back();
            assert!(before.is_none_or(|(_, before)| *before <= offset), "two parts overlap");
            taken.insert(offset, end);
            sum += size + 1;
            (offset, held)
        };
        let mut live: Vec<_> = self.first.iter().map(|size| take(&mut parts, &mut taken, *size)).collect();
        for &(place, size) in &self.steps {
            let (offset, held) = live[place as usize];
            parts.give(held);
            taken.remove(&offset);
            live[place as usize] = take(&mut parts, &mut taken, size);
        }
        for (_, held) in live {
            parts.give(held);
        }
        let (offset, _) = parts.take(self.load.capacity / 2).expect("all of it is free again");
        assert!(offset <= self.load.capacity / 2);
        sum
    }
}

/// A competitor in the middle of the plan.
struct Churn<'p, P: Parts> {
    plan: &'p Plan,
    parts: P,
    live: Vec<P::Held>,
    at: usize,
}

impl<'p, P: Parts> Churn<'p, P> {
    fn new(plan: &'p Plan, mut parts: P) -> Self {
        let live = plan.first.iter().map(|size| parts.take(*size).expect("a part").1).collect();
        Self { plan, parts, live, at: 0 }
    }

    #[inline(never)]
    fn round(&mut self, pairs: usize) -> u64 {
        let mut sum = 0u64;
        for _ in 0..pairs {
            let (place, size) = self.plan.steps[self.at % STEPS];
            self.at += 1;
            let held = &mut self.live[place as usize];
            self.parts.give(*held);
            let (offset, new) = self.parts.take(size).expect("less than half is in use");
            *held = new;
            sum ^= offset;
        }
        sum
    }
}

/// Adds a competitor to a contest, checked.
macro_rules! with {
    ($contest:ident, $face:ident, $name:literal, $plan:ident, $parts:expr) => {{
        let answer = $plan.check($parts);
        let mut churn = Churn::new(&$plan, $parts);
        $contest.$face($name, answer, move || used(&churn.round(PAIRS)))
    }};
}

/// All of ours and `offset-allocator`.
macro_rules! contest {
    ($name:literal, $plan:ident) => {{
        let Load { capacity, granularity, live, .. } = $plan.load;
        let contest = Contest::new($name, "pair", PAIRS);
        let contest = with!(contest, ours, "Tlsf", $plan, ours::<Tlsf>(capacity, granularity));
        let contest = with!(contest, ours, "BestFit", $plan, ours::<BestFit>(capacity, granularity));
        let contest = with!(contest, ours, "FirstFit", $plan, ours::<FirstFit>(capacity, granularity));
        let contest = with!(contest, ours, "NextFit", $plan, ours::<NextFit>(capacity, granularity));
        let contest = with!(contest, ours, "WorstFit", $plan, ours::<WorstFit>(capacity, granularity));
        let blocks = 3 * live as u32;
        with!(contest, peer, "offset-allocator", $plan, Theirs::new(capacity, granularity, blocks))
    }};
}

/// 64 KiB to 16 MiB in 4 GiB.
pub(super) fn churn() {
    let plan = Plan::new(LARGE);
    let contest = contest!("offsets: one of 500 goes, another one comes, 64 KiB to 16 MiB in 4 GiB", plan);
    with!(contest, peer, "range-alloc", plan, Ranges::new(LARGE.capacity, LARGE.granularity))
        .bar("Tlsf", "offset-allocator", 1.0)
        .bar("BestFit", "range-alloc", 1.0)
        .run();
}

/// 64 B to 16 KiB in 1 GiB, without the competitor that looks at every free range.
pub(super) fn many() {
    let plan = Plan::new(MANY);
    contest!("offsets: one of 100 000 goes, another one comes, 64 B to 16 KiB in 1 GiB", plan)
        .bar("Tlsf", "offset-allocator", 1.0)
        .run();
}

/// Goes through so many pairs of the churn, `round` being what is to be counted.
pub(super) fn count(who: &str, pairs: usize) -> bool {
    fn go<P: Parts>(plan: &Plan, parts: P, pairs: usize) {
        let mut churn = Churn::new(plan, parts);
        black_box(churn.round(pairs));
    }
    let plan = Plan::new(LARGE);
    let Load { capacity, granularity, live, .. } = LARGE;
    match who {
        "tlsf" => go(&plan, ours::<Tlsf>(capacity, granularity), pairs),
        "best" => go(&plan, ours::<BestFit>(capacity, granularity), pairs),
        "first" => go(&plan, ours::<FirstFit>(capacity, granularity), pairs),
        "next" => go(&plan, ours::<NextFit>(capacity, granularity), pairs),
        "worst" => go(&plan, ours::<WorstFit>(capacity, granularity), pairs),
        "offset-allocator" => go(&plan, Theirs::new(capacity, granularity, 3 * live as u32), pairs),
        "range-alloc" => go(&plan, Ranges::new(capacity, granularity), pairs),
        _ => return false,
    }
    true
}

/// Bytes that the system's allocator has handed out.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "asks the C library")]
fn allocated() -> usize {
    // SAFETY: has no requirements.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

/// What the book-keeping of so many blocks takes, with every second one free.
pub(super) fn bookkeeping() {
    println!("## book-keeping, every second block free (bytes a block)");
    for blocks in [1_000u32, 30_000, 1_000_000] {
        fn filled<P: Parts>(parts: &mut P, blocks: u32) {
            let live: Vec<_> = (0..blocks).map(|_| parts.take(1).expect("a block").1).collect();
            live.into_iter().step_by(2).for_each(|held| parts.give(held));
        }
        fn mine<F: arenite::Fit>(blocks: u32) {
            let mut parts = ours::<F>(u64::from(blocks), 1);
            filled(&mut parts, blocks);
            let bytes = parts.stats().bookkeeping + size_of_val(&parts) as u64;
            line(F::NAME, blocks, bytes);
        }
        fn line(name: &str, blocks: u32, bytes: u64) {
            println!("  {blocks:>9} {name:<34} {:>8.1}", bytes as f64 / f64::from(blocks));
        }
        mine::<Tlsf>(blocks);
        mine::<BestFit>(blocks);
        mine::<FirstFit>(blocks);
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        {
            let before = allocated();
            let mut parts = Theirs::new(u64::from(blocks), 1, blocks + 2);
            let bytes = allocated() - before + size_of_val(&parts);
            filled(&mut parts, blocks);
            line("offset-allocator, as many as asked for", blocks, bytes as u64);
            drop(parts);
            let before = allocated();
            let mut parts = Ranges::new(u64::from(blocks), 1);
            filled(&mut parts, blocks.min(30_000));
            let bytes = allocated() - before + size_of_val(&parts);
            if blocks <= 30_000 {
                line("range-alloc", blocks, bytes as u64);
            }
        }
    }
    println!();
}
