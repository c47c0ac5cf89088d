//! What a program can do to heaps whose blocks move without `unsafe`: clocks that lie, moves answered in any order, destructors that panic
//! or pin, memory that is refused at any point.

use std::alloc::Layout;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arenite::heap::defrag::{MapPiece, PieceState};
use arenite::os::{Call, fake};
use arenite::{Budget, DefragBudget, DefragHandle, DefragHeap, DefragHeapOptions, DefragPin, DefragPolicy};
use arenite::{DefragSpace, Ledger, MoveId, OffsetOptions, SpaceHandle, Tag};

const POLICIES: [DefragPolicy; 3] =
    [DefragPolicy::Slide, DefragPolicy::FillHoles, DefragPolicy::EvacuateLast];

fn tag(name: &str) -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register(name).unwrap()
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A slice that says where it came from.
fn signed(seed: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|at| (seed.wrapping_mul(31) ^ at.wrapping_mul(7)) as u8).collect()
}

/// Makes holes, of all sizes.
fn torn(heap: &mut DefragHeap) -> BTreeMap<u64, (DefragHandle<[u8]>, usize)> {
    let mut random = Random(7);
    let mut live = BTreeMap::new();
    for seed in 0..300u64 {
        let len = random.below(6000) as usize;
        live.insert(seed, (heap.insert_slice_copy(&signed(seed, len)), len));
    }
    for seed in (0..300).filter(|seed| seed % 3 != 0) {
        heap.free(live.remove(&seed).unwrap().0).unwrap();
    }
    live
}

fn intact(heap: &DefragHeap, live: &BTreeMap<u64, (DefragHandle<[u8]>, usize)>) {
    for (&seed, &(handle, len)) in live {
        assert_eq!(heap.get(handle).unwrap(), signed(seed, len));
    }
}

#[test]
fn clocks_may_jump_stand_still_go_back_or_panic() {
    let jumps: [fn(u64) -> u64; 6] = [
        |_| 0,
        |_| u64::MAX,
        |call| if call % 2 == 0 { 0 } else { u64::MAX },
        |call| u64::MAX - call,
        |call| call.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        |call| if call % 7 == 6 { panic!("clock") } else { call << 40 },
    ];
    for policy in POLICIES {
        let options = DefragHeapOptions::new(tag("clocks")).policy(policy).segment(200_000).keep(0);
        let mut heap: DefragHeap = DefragHeap::try_with(options).unwrap();
        let live = torn(&mut heap);
        let calls = Cell::new(0u64);
        for round in 0..400u64 {
            let clock = || {
                calls.set(calls.get() + 1);
                jumps[round as usize % jumps.len()](calls.get())
            };
            let budget = match round % 5 {
                0 => DefragBudget::micros(0),
                1 => DefragBudget::micros(1 << 40),
                2 => DefragBudget::bytes(3000).and_micros(u64::MAX / 1001),
                3 => DefragBudget::UNLIMITED.and_micros(u64::MAX / 1001).and_looks(3),
                _ => DefragBudget::bytes(0),
            };
            if let Ok(report) = catch_unwind(AssertUnwindSafe(|| heap.defragment_by(&clock, budget))) {
                let mut sum = report;
                sum.add(&report);
                sum.add(&report);
                assert!(round % 5 != 4 || report.moved_bytes == 0);
                assert!(round % 5 != 2 || report.moved_bytes <= 3000);
            }
            intact(&heap, &live);
        }
        heap.defragment_fully();
        intact(&heap, &live);
    }
}

#[test]
fn options_and_layouts_at_their_ends_are_served_or_refused() {
    let base = || DefragHeapOptions::new(tag("options")).reserve(64 << 20);
    let all = [
        base().blocks(0),
        base().blocks(usize::MAX),
        base().reserve(0),
        base().reserve(usize::MAX),
        base().reserve(100 << 30),
        base().segment(0),
        base().segment(1),
        base().keep(usize::MAX),
        base().keep(0).segment(4096).policy(DefragPolicy::EvacuateLast),
    ];
    for (which, options) in all.into_iter().enumerate() {
        let Ok(mut heap) = DefragHeap::<arenite::Tlsf>::try_with(options) else { continue };
        let mut handles = Vec::new();
        for size in [0, 1, 16, 5000, 1 << 20, 1 << 34, 1 << 37, isize::MAX as usize / 2] {
            for align in [1, 16, 4096, 1 << 21, 1 << 30, 1 << 35, 1 << 36, 1 << 61] {
                let Ok(wanted) = Layout::from_size_align(size, align) else { continue };
                // (All of it would be written.)
                if size > 1 << 20 && which == 4 {
                    continue;
                }
                if let Ok(handle) = heap.try_alloc(wanted) {
                    assert!(
                        heap.try_address(handle).unwrap().cast::<u8>().addr().get().is_multiple_of(align)
                    );
                    handles.push(handle);
                }
                heap.defragment(DefragBudget::bytes(10_000));
            }
        }
        for handle in handles.iter().step_by(2) {
            heap.free(*handle).unwrap();
            assert!(heap.free(*handle).is_err() && heap.get(*handle).is_none());
        }
        heap.defragment_fully();
        for handle in handles.iter().skip(1).step_by(2) {
            assert!(heap.try_resize(*handle, usize::MAX, 0).is_err());
            assert!(heap.try_resize(*handle, isize::MAX as usize, 0).is_err());
            assert!(heap.try_resize(*handle, 0, 0).is_ok());
            heap.free(*handle).unwrap();
        }
        assert_eq!((heap.len(), heap.stats().used), (0, 0));
        heap.defragment_fully();
    }
}

#[test]
fn memory_that_is_refused_at_any_point_loses_no_value() {
    for policy in POLICIES {
        for allowed in (0..16).chain((16..50).step_by(5)) {
            for refused in [Some(Call::Commit), Some(Call::Decommit), None] {
                let tag = tag("refused");
                let faults = match refused {
                    Some(call) => fake::fail_after(call, allowed),
                    None => fake::fail_once_after(allowed),
                };
                // What the system would not take back stays charged.
                let settled =
                    || refused.is_none() || (tag.account().own.committed, tag.account().own.live) == (0, 0);
                let options =
                    DefragHeapOptions::new(tag).reserve(8 << 20).segment(100_000).keep(0).policy(policy);
                let Ok(mut heap) = DefragHeap::<arenite::BestFit>::try_with(options) else {
                    drop(faults);
                    assert!(settled());
                    continue;
                };
                let mut random = Random(allowed);
                let mut live: Vec<(DefragHandle<[u8]>, u64, usize)> = Vec::new();
                let mut faults = Some(faults);
                for step in 0..1500u64 {
                    if step == 1000 {
                        faults = None;
                    }
                    let place = (!live.is_empty()).then(|| random.below(live.len() as u64) as usize);
                    let len = random.below(4000) as usize;
                    match (random.below(6), place) {
                        (0..3, _) => {
                            if let Ok(handle) = heap.try_insert_slice_copy(&signed(step, len)) {
                                live.push((handle, step, len));
                            }
                        }
                        (3, Some(place)) => {
                            let (handle, seed, was) = live[place];
                            if was > 0 && heap.try_resize(handle, was / 2, 0).is_ok() {
                                live[place] = (handle, seed, was / 2);
                            } else {
                                assert_eq!(heap.get(handle).unwrap().len(), was);
                            }
                        }
                        (4, Some(place)) => {
                            let (handle, ..) = live.swap_remove(place);
                            heap.free(handle).expect("freeing never fails");
                        }
                        _ => drop(heap.defragment(DefragBudget::bytes(20_000))),
                    }
                }
                drop(faults);
                for &(handle, seed, len) in &live {
                    assert_eq!(heap.get(handle).unwrap(), &signed(seed, 4000)[..len]);
                }
                assert!(refused.is_none() || tag.account().own.committed == heap.committed());
                for (handle, ..) in live {
                    heap.free(handle).unwrap();
                }
                heap.defragment_fully();
                assert_eq!((heap.len(), heap.stats().used), (0, 0));
                drop(heap);
                assert!(settled());
            }
        }
    }
}

static DROPS: AtomicUsize = AtomicUsize::new(0);

/// A value that may hold others, and panics when it goes, if it is told to.
struct Nasty {
    pins: Mutex<Vec<DefragPin<Nasty>>>,
    out: Option<Arc<Mutex<Vec<DefragPin<Nasty>>>>>,
    panics: bool,
}

impl Drop for Nasty {
    fn drop(&mut self) {
        DROPS.fetch_add(1, Ordering::Relaxed);
        let pins = std::mem::take(&mut *self.pins.lock().unwrap());
        if let Some(out) = &self.out {
            out.lock().unwrap().extend(pins);
        }
        if self.panics && !std::thread::panicking() {
            panic!("destructor");
        }
    }
}

#[test]
fn destructors_may_panic_and_hand_pins_on_and_each_runs_once() {
    let plain = |panics| Nasty { pins: Mutex::default(), out: None, panics };
    for round in 0..4 {
        DROPS.store(0, Ordering::Relaxed);
        let tag = tag("nasty");
        let kept = Arc::new(Mutex::new(Vec::new()));
        let mut heap: DefragHeap = DefragHeap::try_new(tag).unwrap();
        let values: Vec<_> = (0..10).map(|n| heap.insert(plain(n % 4 == 2))).collect();
        // The last one holds pins of all others, and hands them to the world when it goes.
        for other in &values[..9] {
            heap.get(values[9]).unwrap().pins.lock().unwrap().push(heap.pin(*other).unwrap());
        }
        heap.get_mut(values[9]).unwrap().out = Some(Arc::clone(&kept));
        assert!(heap.free(values[0]).is_err() && heap.get_mut(values[3]).is_err());
        let mut made = 10;
        if round % 2 == 1 {
            // One more that panics by itself, freed and removed.
            let (one, other) = (heap.insert(plain(true)), heap.insert(plain(true)));
            assert!(catch_unwind(AssertUnwindSafe(|| heap.free(one))).is_err());
            assert!(heap.free(one).is_err() && heap.get(one).is_none());
            let taken = heap.remove(other).unwrap();
            assert!(catch_unwind(AssertUnwindSafe(|| drop(taken))).is_err());
            assert!(
                catch_unwind(AssertUnwindSafe(|| heap.insert_slice_with(9, |_: &mut [u8]| panic!("fill"))))
                    .is_err()
            );
            made += 2;
            assert_eq!(heap.len(), 10);
        }
        heap.defragment_fully();
        let first = catch_unwind(AssertUnwindSafe(|| drop(heap)));
        // What the last one pinned lives.
        let alive = kept.lock().unwrap().len();
        assert_eq!((alive, DROPS.load(Ordering::Relaxed)), (9, made - 9));
        assert!(first.is_ok());
        assert!(tag.account().own.committed > 0);
        // The last pin may go on another thread.
        let rest = std::mem::take(&mut *kept.lock().unwrap());
        assert!(rest.iter().all(|pin| pin.as_ptr().is_aligned()));
        let answer = if round < 2 {
            std::thread::spawn(move || drop(rest)).join()
        } else {
            catch_unwind(AssertUnwindSafe(|| drop(rest)))
        };
        assert!(answer.is_err(), "the panic of a destructor goes on");
        assert_eq!(DROPS.load(Ordering::Relaxed), made);
        assert_eq!((tag.account().own.committed, tag.account().own.live), (0, 0));
    }
}

#[test]
fn pins_that_are_forgotten_pin_for_ever() {
    let tag = tag("forgotten");
    let mut heap: DefragHeap = DefragHeap::try_new(tag).unwrap();
    let hole = heap.insert_slice_copy(&[1u8; 5000]);
    let fixed = heap.insert_slice_copy(&[2u8; 5000]);
    let address = heap.try_address(fixed).unwrap();
    std::mem::forget(heap.pin(fixed).unwrap());
    heap.free(hole).unwrap();
    heap.defragment_fully();
    assert_eq!(heap.try_address(fixed).unwrap(), address);
    assert!(
        heap.free(fixed).is_err() && heap.get_mut(fixed).is_err() && heap.try_resize(fixed, 1, 0).is_err()
    );
    drop(heap);
    // Nobody can tell that nobody reads it any more.
    assert!(tag.account().own.committed > 0);
}

#[test]
fn a_pressure_callback_that_panics_or_unpins_leaves_the_heap_in_order() {
    static HELD: Mutex<Vec<DefragPin<[u8]>>> = Mutex::new(Vec::new());
    let tag = tag("pressure");
    tag.on_pressure(&|_| {
        HELD.lock().unwrap().pop();
        panic!("no");
    })
    .unwrap();
    let mut heap: DefragHeap = DefragHeap::try_with(DefragHeapOptions::new(tag).keep(0)).unwrap();
    let mut live = torn(&mut heap);
    for &(handle, _) in live.values().take(50) {
        HELD.lock().unwrap().push(heap.pin(handle).unwrap());
    }
    tag.set_budget(Budget::hard(tag.account().own.committed + 20_000));
    for seed in 1000..1200 {
        let bytes = signed(seed, 3000);
        let answer = catch_unwind(AssertUnwindSafe(|| heap.try_insert_slice_copy(&bytes)));
        if let Ok(Ok(handle)) = answer {
            live.insert(seed, (handle, 3000));
        }
        let some = live.values().next().unwrap().0;
        let answer = catch_unwind(AssertUnwindSafe(|| heap.try_resize(some, 100_000, 0)));
        assert!(!matches!(answer, Ok(Ok(()))));
        if seed % 10 == 0 {
            heap.defragment(DefragBudget::bytes(10_000));
        }
        intact(&heap, &live);
    }
    HELD.lock().unwrap().clear();
    assert_eq!(heap.len(), live.len());
    heap.defragment_fully();
    intact(&heap, &live);
}

/// What is being copied: from where, to where, how much.
type Moves = BTreeMap<[u64; 2], (u64, u64, u64)>;

fn id(bits: [u64; 2]) -> MoveId {
    MoveId::from_bits(bits).unwrap()
}

/// All that a space says of itself, looked at.
fn check(space: &DefragSpace, out: &Moves) {
    let pieces: Vec<MapPiece> = space.map().collect();
    let mut end = 0;
    let (mut used, mut free, mut aside) = (0, 0, 0);
    for piece in &pieces {
        assert!(piece.offset >= end && piece.size > 0);
        end = piece.offset + piece.size;
        match piece.state {
            PieceState::Free => free += piece.size,
            PieceState::Aside => aside += piece.size,
            _ => used += piece.size,
        }
    }
    let stats = space.stats();
    assert_eq!((used, free, aside), (stats.used, stats.free, stats.aside));
    assert_eq!(used + free + aside, stats.capacity);
    assert_eq!(space.moving(), out.len());
    // Both ends of what is being copied are somebody's, and of nobody else.
    for &(from, to, size) in out.values() {
        for at in [from, to] {
            let piece = pieces.iter().find(|piece| piece.offset == at).expect("a piece of its own");
            assert!(
                piece.size >= size || piece.state == PieceState::Pinned || size == 0,
                "{piece:?} for {size}"
            );
            assert!(!matches!(piece.state, PieceState::Free | PieceState::Aside), "{piece:?}");
        }
    }
}

#[test]
fn moves_may_be_answered_in_any_order_twice_late_or_never() {
    for policy in POLICIES {
        for seed in 0..12 {
            let options = OffsetOptions::new(tag("space")).granularity(16).capacity(60_000).blocks(4000);
            let mut space: DefragSpace = DefragSpace::try_new(options).unwrap();
            space.set_policy(policy);
            let mut other: DefragSpace = DefragSpace::try_new(options).unwrap();
            let mut random = Random(seed);
            let mut live: Vec<SpaceHandle> = Vec::new();
            let mut gone: Vec<SpaceHandle> = Vec::new();
            let mut out: Moves = BTreeMap::new();
            let mut answered: Vec<[u64; 2]> = Vec::new();
            for step in 0..3000 {
                let place = (!live.is_empty()).then(|| random.below(live.len() as u64) as usize);
                let size = random.below(900);
                match (random.below(14), place) {
                    (0..4, _) => {
                        if let Ok(handle) = space.try_allocate(size, 1 << random.below(8)) {
                            assert!(!live.contains(&handle) && !gone.contains(&handle), "a name twice");
                            live.push(handle);
                        }
                    }
                    (4 | 5, Some(place)) => {
                        let handle = live.swap_remove(place);
                        space.free(handle).unwrap();
                        assert!(space.free(handle).is_err() && space.locate(handle).is_none());
                        gone.push(handle);
                    }
                    (6, Some(place)) => drop(space.try_resize(live[place], size)),
                    (7, Some(place)) => {
                        assert!(space.pin(live[place]).unwrap());
                        if random.below(3) > 0 {
                            assert!(space.unpin(live[place]).unwrap());
                        }
                    }
                    (8, _) => {
                        let budget = [0, 1, 700, 5000, u64::MAX][random.below(5) as usize];
                        let fails = random.below(9) == 0;
                        let mut told = 0;
                        let _ = catch_unwind(AssertUnwindSafe(|| {
                            space.begin_moves(budget, |copy| {
                                assert!(copy.from + copy.size <= copy.to || copy.to + copy.size <= copy.from);
                                assert!(
                                    out.insert(copy.id.to_bits(), (copy.from, copy.to, copy.size)).is_none()
                                );
                                told += copy.size;
                                assert!(!fails, "a callback that panics");
                            })
                        }));
                        assert!(told <= budget);
                    }
                    (9 | 10, _) => {
                        if let Some(&bits) = out.keys().nth(random.below(out.len().max(1) as u64) as usize) {
                            let id = id(bits);
                            let answer = if random.below(2) == 0 { space.done(id) } else { space.cancel(id) };
                            answer.unwrap();
                            assert!(space.done(id).is_err() && space.cancel(id).is_err());
                            out.remove(&bits);
                            answered.push(bits);
                        }
                    }
                    (11, _) => {
                        if let Some(&bits) = answered.get(random.below(answered.len().max(1) as u64) as usize)
                        {
                            assert!(space.done(id(bits)).is_err() && space.cancel(id(bits)).is_err());
                        }
                        for handle in gone.iter().rev().take(5) {
                            assert!(space.pin(*handle).is_err() && space.unpin(*handle).is_err());
                            assert!(space.try_resize(*handle, 1).is_err() && space.free(*handle).is_err());
                        }
                        // Those of another one at least do no harm.
                        for bits in out.keys() {
                            let _ = other.done(id(*bits));
                        }
                        for handle in &live {
                            let _ = (other.free(*handle), other.locate(*handle));
                        }
                        check(&other, &BTreeMap::new());
                    }
                    (12, _) if step % 7 == 0 => {
                        let _ = space.try_append(20_000);
                        for segment in space.segments().collect::<Vec<_>>() {
                            let _ = space.try_remove(segment);
                        }
                        if let Some(segment) = space.evacuated() {
                            assert!(space.try_remove(segment).is_ok() && space.try_remove(segment).is_err());
                        }
                    }
                    (13, _) if step % 50 == 0 => {
                        assert_eq!(space.cancel_all(), out.len());
                        answered.extend(out.keys());
                        out.clear();
                        if random.below(4) == 0 {
                            space.set_policy(POLICIES[random.below(3) as usize]);
                        }
                    }
                    _ => {}
                }
                if step % 20 == 0 {
                    check(&space, &out);
                }
            }
            for handle in live {
                space.free(handle).unwrap();
            }
            for bits in out.keys() {
                space.done(id(*bits)).unwrap();
            }
            check(&space, &BTreeMap::new());
            assert_eq!(space.stats().used, 0);
            assert_eq!(
                space
                    .map()
                    .filter(|piece| piece.state == PieceState::Free || piece.state == PieceState::Aside)
                    .count() as u64,
                space.stats().segments
            );
        }
    }
}

#[test]
fn handles_of_other_heaps_and_stale_ones_are_refused_whatever_was_put_into_their_slot() {
    let mut heaps: [DefragHeap; 2] = [(); 2].map(|()| DefragHeap::try_new(tag("foreign")).unwrap());
    let text = heaps[0].insert(String::from("text"));
    let other = heaps[1].insert(String::from("other"));
    assert!(heaps[0].get(other).is_none() && heaps[1].remove(text).is_err() && heaps[1].pin(text).is_err());
    heaps[0].free(text).unwrap();
    for round in 0..5000u64 {
        let number = heaps[0].insert(round);
        assert!(heaps[0].get(text).is_none() && heaps[0].free(text).is_err());
        assert_eq!(heaps[0].remove(number), Ok(round));
        assert!(heaps[0].remove(number).is_err());
    }
}

#[test]
fn what_is_free_goes_back_little_by_little_in_pages_of_any_size() {
    for huge in [false, true] {
        let options = DefragHeapOptions::new(tag("returned")).reserve(64 << 20).keep(0).huge_pages(huge);
        let mut heap: DefragHeap = DefragHeap::try_with(options).unwrap();
        let first = heap.insert(1u64);
        let rest: Vec<_> = (0..40).map(|_| heap.try_alloc(Layout::new::<[u8; 1 << 20]>()).unwrap()).collect();
        for handle in rest {
            heap.free(handle).unwrap();
        }
        // (A clock that stands still: nothing is too slow.)
        let full = heap.committed();
        let calls =
            (0..400).take_while(|_| heap.defragment_by(&|| 0, DefragBudget::micros(50)).returned_bytes > 0);
        assert!(calls.count() > 10, "huge pages: {huge}");
        assert!(heap.committed() < full - (35 << 20), "huge pages: {huge}");
        assert_eq!(heap.get(first), Some(&1));
    }
}

#[test]
fn values_are_dropped_once_whoever_lets_go_last() {
    struct Counted(Arc<AtomicUsize>, [u64; 9]);
    impl Drop for Counted {
        fn drop(&mut self) {
            assert!(self.1.iter().all(|word| *word == 7));
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    for round in 0..150u64 {
        let (tag, dropped) = (tag("last"), Arc::new(AtomicUsize::new(0)));
        let mut heap: DefragHeap = DefragHeap::try_new(tag).unwrap();
        let values: Vec<_> = (0..40).map(|_| heap.insert(Counted(Arc::clone(&dropped), [7; 9]))).collect();
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let pins: Vec<_> = (0..40)
                    .filter(|n| n % 4 != 3)
                    .map(|n| heap.pin(values[(n * 7 + thread) % 40]).unwrap())
                    .collect();
                scope.spawn(move || {
                    for pin in pins {
                        let copy = pin.clone();
                        drop(pin);
                        assert!(copy.1[8] == 7);
                    }
                });
            }
            if round % 3 == 0 {
                for value in &values {
                    let _ = heap.free(*value);
                    heap.defragment(DefragBudget::bytes(1000));
                }
            }
            drop(heap);
        });
        assert_eq!(dropped.load(Ordering::Relaxed), 40);
        assert_eq!((tag.account().own.committed, tag.account().own.live), (0, 0));
    }
}

#[test]
fn a_heap_of_as_many_blocks_as_it_may_have_still_moves_them() {
    for policy in POLICIES {
        for blocks in [1, 2, 7, 100] {
            let options =
                DefragHeapOptions::new(tag("full")).blocks(blocks).policy(policy).keep(0).segment(3000);
            let mut heap: DefragHeap = DefragHeap::try_with(options).unwrap();
            let handles: Vec<_> =
                (0..blocks as u64).map(|n| heap.insert_slice_copy(&signed(n, 1000))).collect();
            // As many holes as there can be.
            for handle in &handles {
                heap.try_resize(*handle, 500, 0).unwrap();
            }
            assert_eq!(heap.len(), blocks);
            let report = heap.defragment_fully();
            assert!(report.done, "{blocks} blocks: {report:?}");
            for (n, handle) in handles.iter().enumerate() {
                assert_eq!(heap.get(*handle).unwrap(), &signed(n as u64, 1000)[..500]);
            }
            if policy == DefragPolicy::Slide {
                assert!(heap.stats().free_blocks <= heap.stats().segments);
            }
        }
    }
}
