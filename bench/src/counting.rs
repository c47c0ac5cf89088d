//! What counting costs: the system's allocator bare, counted by us, and counted by others. Blocks of 16 to 511 bytes; 64 are live,
//! and each step frees one and allocates another.
#![expect(unsafe_code, reason = "calls allocators that are not the global one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use arenite::{Tagged, TrackingAllocator};
use stats_alloc::INSTRUMENTED_SYSTEM as STATS;
use tracking_allocator::{AllocationGroupId, AllocationRegistry, AllocationTracker};

use crate::harness::Contest;
use crate::opaque::used;
use crate::stats::Random;

/// Pairs in a round.
const PAIRS: usize = 100_000;
const LIVE: usize = 64;

static OURS: TrackingAllocator<System> = TrackingAllocator::new(System);
static OURS_TAGGED: TrackingAllocator<System, Tagged> = TrackingAllocator::tagged(System);
static BARE: System = System;
static CAP: cap::Cap<System> = cap::Cap::new(System, usize::MAX);
static TRACKING: tracking_allocator::Allocator<System> = tracking_allocator::Allocator::system();
static NAIVE: Naive =
    Naive { bytes: AtomicU64::new(0), peak: AtomicU64::new(0), calls: [const { AtomicU64::new(0) }; 2] };

/// What everybody writes first: shared atomics.
struct Naive {
    bytes: AtomicU64,
    peak: AtomicU64,
    calls: [AtomicU64; 2],
}

// SAFETY: the system's blocks.
unsafe impl GlobalAlloc for Naive {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let size = layout.size() as u64;
        let bytes = self.bytes.fetch_add(size, Ordering::Relaxed) + size;
        self.peak.fetch_max(bytes, Ordering::Relaxed);
        self.calls[0].fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.bytes.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        self.calls[1].fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

/// What a user of the crate `tracking-allocator` writes: counters of a group.
struct Counters;
static GROUP: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

impl AllocationTracker for Counters {
    fn allocated(&self, _: usize, size: usize, _: usize, _: AllocationGroupId) {
        GROUP[0].fetch_add(size as u64, Ordering::Relaxed);
    }

    fn deallocated(&self, _: usize, size: usize, _: usize, _: AllocationGroupId, _: AllocationGroupId) {
        GROUP[1].fetch_add(size as u64, Ordering::Relaxed);
    }
}

/// The sizes, and what is freed when: the same for everybody.
struct Plan(Vec<(u16, u16)>);

impl Plan {
    fn new() -> Self {
        let mut random = Random(0xC0_FFEE);
        Self((0..4096).map(|_| (random.below(LIVE) as u16, 16 + random.below(496) as u16)).collect())
    }

    fn run<A: GlobalAlloc>(&self, allocator: &A, pairs: usize) -> u64 {
        let layout = |size: u16| Layout::from_size_align(size.into(), 8).expect("a small layout");
        let take = |size: u16| {
            // SAFETY: not empty; the first byte is the block's.
            unsafe {
                let block = allocator.alloc(layout(size));
                block.write(size as u8);
                (block, size)
            }
        };
        let mut live: [(*mut u8, u16); LIVE] = std::array::from_fn(|_| take(16));
        let mut sum = 0u64;
        for &(place, size) in self.0.iter().cycle().take(pairs) {
            let (block, had) = live[usize::from(place)];
            // SAFETY: a live block of this allocator, with its layout.
            unsafe {
                sum = sum.wrapping_mul(31).wrapping_add(block.read().into());
                allocator.dealloc(block, layout(had));
            }
            live[usize::from(place)] = take(size);
        }
        for (block, had) in live {
            // SAFETY: as above.
            unsafe { allocator.dealloc(block, layout(had)) };
        }
        sum
    }

    /// The same on two threads at once.
    fn run_two<A: GlobalAlloc + Sync>(&self, allocator: &A) -> u64 {
        std::thread::scope(|threads| {
            let other = threads.spawn(|| self.run(allocator, PAIRS));
            let mine = self.run(allocator, PAIRS);
            mine.wrapping_add(other.join().expect("it does not panic"))
        })
    }
}

fn enable_tracking_allocator() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        AllocationRegistry::set_global_tracker(Counters).expect("the only tracker");
        AllocationRegistry::enable_tracking();
    });
}

/// Runs the workloads whose name contains `filter`.
pub(crate) fn run(filter: &str) {
    crate::harness::run(&[("counting", one_thread), ("counting-two", two_threads)], filter);
}

fn one_thread() {
    enable_tracking_allocator();
    let plan = Plan::new();
    Contest::new("counting", "pair", PAIRS)
        .ours("TrackingAllocator", plan.run(&OURS, PAIRS), || used(&plan.run(&OURS, PAIRS)))
        .ours("TrackingAllocator, tagged", plan.run(&OURS_TAGGED, PAIRS), || {
            used(&plan.run(&OURS_TAGGED, PAIRS));
        })
        .peer("system, not counted", plan.run(&BARE, PAIRS), || used(&plan.run(&BARE, PAIRS)))
        .peer("stats_alloc", plan.run(&STATS, PAIRS), || used(&plan.run(&STATS, PAIRS)))
        .peer("cap", plan.run(&CAP, PAIRS), || used(&plan.run(&CAP, PAIRS)))
        .peer("tracking-allocator", plan.run(&TRACKING, PAIRS), || used(&plan.run(&TRACKING, PAIRS)))
        .peer("shared atomics", plan.run(&NAIVE, PAIRS), || used(&plan.run(&NAIVE, PAIRS)))
        .bar("TrackingAllocator", "stats_alloc", 1.0)
        .run();
}

fn two_threads() {
    enable_tracking_allocator();
    let plan = Plan::new();
    Contest::new("counting-two", "pair of each thread", PAIRS)
        .ours("TrackingAllocator", plan.run_two(&OURS), || used(&plan.run_two(&OURS)))
        .ours("TrackingAllocator, tagged", plan.run_two(&OURS_TAGGED), || used(&plan.run_two(&OURS_TAGGED)))
        .peer("system, not counted", plan.run_two(&BARE), || used(&plan.run_two(&BARE)))
        .peer("stats_alloc", plan.run_two(&STATS), || used(&plan.run_two(&STATS)))
        .peer("cap", plan.run_two(&CAP), || used(&plan.run_two(&CAP)))
        .peer("tracking-allocator", plan.run_two(&TRACKING), || used(&plan.run_two(&TRACKING)))
        .peer("shared atomics", plan.run_two(&NAIVE), || used(&plan.run_two(&NAIVE)))
        .bar("TrackingAllocator", "stats_alloc", 1.0)
        .run();
}
