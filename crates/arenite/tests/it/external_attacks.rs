//! What a program can do to heaps over somebody else's memory without `unsafe`: providers that panic or reach back, and rings in every order.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use arenite::{Budget, ExternalBlock, ExternalHeap, ExternalOptions, Ledger, Provider};
use arenite::{RingError, Tag, UploadRing};

fn tag(name: &str) -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register(name).unwrap()
}

#[derive(Default)]
struct World {
    out: BTreeSet<u64>,
    next: u64,
    /// So many releases from now one panics, and each further one.
    panics: Option<u32>,
    refuses: bool,
}

struct Device(Arc<Mutex<World>>);

impl Provider for Device {
    type Memory = u64;
    type Error = ();

    fn allocate(&mut self, _: u64, _: u64) -> Result<u64, ()> {
        let mut world = self.0.lock().unwrap();
        let refuses = world.refuses;
        if refuses {
            drop(world);
            panic!("allocate");
        }
        world.next += 1;
        let new = world.next;
        world.out.insert(new);
        Ok(new)
    }

    fn release(&mut self, memory: u64, _: u64) {
        let mut world = self.0.lock().unwrap();
        assert!(world.out.remove(&memory));
        if let Some(left) = world.panics {
            world.panics = Some(left.saturating_sub(1));
            drop(world);
            assert!(left > 0, "release");
        }
    }
}

fn heap(tag: Tag) -> (ExternalHeap<Device>, Arc<Mutex<World>>) {
    let world = Arc::new(Mutex::new(World::default()));
    (ExternalOptions::new(tag).chunk(1 << 16).spare(100).build(Device(Arc::clone(&world))), world)
}

#[test]
fn a_provider_that_panics_gets_every_chunk_back_and_every_charge_is_given_back() {
    for (panics, trim) in [(0, false), (1, false), (3, false), (0, true), (2, true)] {
        let tag = tag("panics");
        let (heap, world) = heap(tag);
        let blocks: Vec<_> = (0..12).map(|_| heap.try_allocate(30_000, 1).unwrap()).collect();
        let large = heap.try_allocate(1 << 20, 1).unwrap();
        world.lock().unwrap().refuses = true;
        assert!(catch_unwind(AssertUnwindSafe(|| heap.try_allocate(1 << 20, 1).is_ok())).is_err());
        world.lock().unwrap().refuses = false;
        assert_eq!(tag.account().own.committed, (heap.stats().capacity + heap.stats().bookkeeping) as usize);
        drop(blocks);
        world.lock().unwrap().panics = Some(panics);
        if trim {
            assert!(catch_unwind(AssertUnwindSafe(|| heap.trim())).is_err());
        }
        // The last handle ends the heap: all chunks go.
        drop(heap);
        assert!(catch_unwind(AssertUnwindSafe(|| drop(large))).is_err());
        assert_eq!(world.lock().unwrap().out, BTreeSet::new());
        assert_eq!((tag.account().own.committed, tag.account().own.live), (0, 0));
    }
}

#[test]
fn sizes_at_their_ends_are_served_or_refused() {
    let tag = tag("sizes");
    for chunk in [0, 1, 300, 1 << 16, 1 << 40, u64::MAX] {
        for granularity in [1, 256, 1 << 20, 1 << 63] {
            for chunk_align in [1, 1 << 16, 1 << 63] {
                let world = Arc::new(Mutex::new(World::default()));
                let options = ExternalOptions::new(tag)
                    .chunk(chunk)
                    .granularity(granularity)
                    .align(chunk_align)
                    .spare(0);
                let heap: ExternalHeap<Device> = options.build(Device(Arc::clone(&world)));
                let mut blocks: Vec<ExternalBlock<Device>> = Vec::new();
                for size in [0, 1, 255, 1 << 15, 1 << 33, 1 << 62, u64::MAX - 5, u64::MAX] {
                    for align in [1, 1 << 20, 1 << 63] {
                        if let Ok(block) = heap.try_allocate(size, align) {
                            assert!(block.size() >= size && block.offset().is_multiple_of(align));
                            assert!(block.offset().checked_add(block.size()).is_some());
                            blocks.push(block);
                        }
                        let stats = heap.stats();
                        assert!(stats.used <= stats.capacity && stats.blocks == blocks.len() as u64);
                    }
                }
                heap.publish();
                drop(blocks);
                assert_eq!(heap.stats().blocks, 0);
                drop(heap);
                assert!(world.lock().unwrap().out.is_empty());
                assert_eq!((tag.account().own.committed, tag.account().own.live), (0, 0));
            }
        }
    }
}

/// Refuses by panics now and then, and drops blocks of its own heap while it is called.
struct Moody {
    world: Arc<Mutex<World>>,
    calls: u64,
    kept: Arc<Mutex<Vec<ExternalBlock<Moody>>>>,
}

impl Provider for Moody {
    type Memory = u64;
    type Error = ();

    fn allocate(&mut self, _: u64, _: u64) -> Result<u64, ()> {
        self.calls += 1;
        let kept = self.kept.lock().unwrap().pop();
        drop(kept);
        match self.calls % 5 {
            1 => panic!("allocate"),
            2 => Err(()),
            _ => {
                let mut world = self.world.lock().unwrap();
                world.next += 1;
                let new = world.next;
                world.out.insert(new);
                Ok(new)
            }
        }
    }

    fn release(&mut self, memory: u64, _: u64) {
        self.calls += 1;
        assert!(self.world.lock().unwrap().out.remove(&memory));
        assert!(!self.calls.is_multiple_of(3), "release");
    }
}

#[test]
fn threads_and_panics_together_lose_no_chunk() {
    let tag = tag("moody");
    let (world, kept) = (Arc::new(Mutex::new(World::default())), Arc::default());
    let moody = Moody { world: Arc::clone(&world), calls: 0, kept: Arc::clone(&kept) };
    let heap: ExternalHeap<Moody> = ExternalOptions::new(tag).chunk(1 << 12).spare(1).build(moody);
    std::thread::scope(|scope| {
        for seed in 0..4u64 {
            let (heap, kept) = (heap.clone(), &kept);
            scope.spawn(move || {
                let mut mine = Vec::new();
                for step in 0..2000 {
                    let size = (seed * 977 + step * 31) % 5000;
                    let answer = catch_unwind(AssertUnwindSafe(|| heap.try_allocate(size, 1).ok()));
                    mine.extend(answer.ok().flatten());
                    if step % 3 == 0
                        && let Some(block) = mine.pop()
                    {
                        let _ = catch_unwind(AssertUnwindSafe(|| drop(block)));
                    }
                    if step % 7 == 0 {
                        kept.lock().unwrap().extend(mine.pop());
                    }
                    if step % 50 == 0 {
                        let _ = catch_unwind(AssertUnwindSafe(|| heap.trim()));
                    }
                }
                for block in mine {
                    let _ = catch_unwind(AssertUnwindSafe(|| drop(block)));
                }
                let _ = catch_unwind(AssertUnwindSafe(|| drop(heap)));
            });
        }
    });
    let kept = std::mem::take(&mut *kept.lock().unwrap());
    for block in kept {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(block)));
    }
    let stats = catch_unwind(AssertUnwindSafe(|| heap.stats().blocks));
    assert!(stats.is_err() || stats.is_ok_and(|blocks| blocks == 0));
    let _ = catch_unwind(AssertUnwindSafe(|| drop(heap)));
    assert_eq!(world.lock().unwrap().out, BTreeSet::new());
    assert_eq!((tag.account().own.committed, tag.account().own.live), (0, 0));
}

/// Does what the ring should do, slowly.
#[derive(Default)]
struct Model {
    pieces: Vec<(u64, u64, Option<u64>)>,
}

#[test]
fn a_ring_in_any_order_hands_out_nothing_twice() {
    for capacity in [0, 1, 2, 7, 1000, 1 << 20, (1 << 62) - 3, 1 << 62] {
        let mut ring = UploadRing::new(capacity);
        let mut model = Model::default();
        let (mut seed, mut fence) = (capacity, 0);
        let mut random = |bound: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 11) % bound.max(1)
        };
        for step in 0..20_000 {
            match random(6) {
                0..3 => {
                    let parts = 1 + random(6);
                    let size = random(capacity / parts + 2);
                    let align = 1 << random(if step % 50 == 0 { 64 } else { 5 });
                    match ring.try_allocate(size, align) {
                        Ok(piece) => {
                            assert!(piece.offset.is_multiple_of(align) && piece.size == size);
                            assert!(piece.offset + size <= capacity);
                            for &(offset, other, _) in &model.pieces {
                                let apart = piece.offset + size <= offset || offset + other <= piece.offset;
                                assert!(apart || size == 0 || other == 0, "at {step} of {capacity}");
                            }
                            model.pieces.push((piece.offset, size, None));
                        }
                        Err(RingError::FullUntil { fence: until }) => {
                            assert!(
                                until <= fence && ring.oldest_fence().is_some_and(|oldest| oldest <= until)
                            );
                            // What it says is true.
                            let mut later = ring.clone();
                            later.retire(until);
                            assert!(later.try_allocate(size, align).is_ok(), "at {step} of {capacity}");
                        }
                        Err(RingError::NotSubmitted) => {
                            assert!(model.pieces.iter().any(|piece| piece.2.is_none()));
                        }
                        Err(_) => assert!(size > capacity, "{size} of {capacity} at {step}"),
                    }
                }
                3 | 4 => {
                    fence += random(2);
                    ring.submit(fence);
                    for piece in model.pieces.iter_mut().filter(|piece| piece.2.is_none()) {
                        piece.2 = Some(fence);
                    }
                }
                _ => {
                    let passed = fence.saturating_sub(random(40));
                    let before = ring.used();
                    let freed = ring.retire(passed);
                    assert_eq!(ring.used(), before - freed);
                    // (Of too many submissions the last ones go together: later, never sooner.)
                    model.pieces.retain(|piece| piece.2.is_none_or(|fence| fence > passed));
                }
            }
            assert!(ring.used() <= capacity);
        }
        assert!(catch_unwind(AssertUnwindSafe(|| ring.submit(fence.wrapping_sub(1)))).is_err() || fence == 0);
        ring.submit(u64::MAX);
        ring.retire(u64::MAX);
        assert_eq!((ring.used(), ring.oldest_fence()), (0, None));
        ring.submit(u64::MAX);
        if capacity > 0 {
            ring.try_allocate(capacity, 1).unwrap();
            ring.submit(u64::MAX);
            assert_eq!(ring.try_allocate(1, 1), Err(RingError::FullUntil { fence: u64::MAX }));
            assert_eq!((ring.retire(u64::MAX - 1), ring.retire(u64::MAX)), (0, capacity));
        }
    }
}

#[test]
fn a_ring_that_is_never_empty_goes_round_for_ever() {
    let quarter = 1u64 << 60;
    let mut ring = UploadRing::new(4 * quarter);
    for step in 0..100 {
        let piece = ring.try_allocate(quarter, 1).unwrap();
        assert_eq!(piece.offset, step % 4 * quarter);
        ring.submit(step + 1);
        if step > 1 {
            assert_eq!(ring.retire(step - 1), quarter);
        }
    }
}

#[test]
fn giving_back_takes_no_walk_over_what_is_free() {
    let world = Arc::new(Mutex::new(World::default()));
    let options = ExternalOptions::new(tag("walks")).chunk(1 << 24).granularity(16);
    let heap: ExternalHeap<Device> = options.build(Device(Arc::clone(&world)));
    let started = std::time::Instant::now();
    let blocks: Vec<_> = (0..1 << 19).map(|_| heap.try_allocate(32, 1).unwrap()).collect();
    let made = started.elapsed();
    // Every other one: holes of one size.
    let started = std::time::Instant::now();
    let (rest, holes): (Vec<_>, Vec<_>) = blocks.into_iter().enumerate().partition(|(at, _)| at % 2 == 0);
    drop(holes);
    drop(rest);
    // A walk each would take many minutes.
    assert!(started.elapsed() < made * 50 + std::time::Duration::from_secs(10));
    assert_eq!(heap.stats().blocks, 0);
}

#[test]
fn a_chunk_whose_books_can_not_grow_hides_no_other_one() {
    let tag = tag("books");
    let options = ExternalOptions::new(tag).chunk(1 << 20).granularity(16);
    let heap: ExternalHeap<Device> = options.build(Device(Arc::default()));
    let large = [(); 2].map(|()| heap.try_allocate(500_000, 1).unwrap());
    // The first chunk has room for this, and the books of its blocks are one page; the second one has few blocks.
    let other = heap.try_allocate(500_000, 1).unwrap();
    assert_ne!(other.memory(), large[0].memory());
    let mut small: Vec<_> = (0..100).map(|_| heap.try_allocate(16, 1).unwrap()).collect();
    tag.set_budget(Budget::hard(tag.account().own.committed));
    while let Ok(block) = heap.try_allocate(16, 1) {
        small.push(block);
    }
    assert!(small.iter().any(|block| block.memory() == large[0].memory()));
    assert!(small.iter().any(|block| block.memory() == other.memory()));
    drop((small, large, other));
    assert_eq!(heap.stats().blocks, 0);
}
