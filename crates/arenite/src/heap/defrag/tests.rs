use core::alloc::Layout;
use core::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::vec::Vec;

use super::*;
use crate::heap::fit::{FitError, OffsetOptions, StaleBlock};
use crate::ledger::{Budget, Tag};
use crate::region::AllocError;
use crate::{Ledger, os};

fn tag(name: &'static str) -> Tag {
    let ledger: &'static Ledger = std::boxed::Box::leak(std::boxed::Box::new(Ledger::new()));
    ledger.register(name).unwrap()
}

fn heap() -> DefragHeap {
    DefragHeap::try_with(DefragHeapOptions::new(tag("defrag")).keep(0)).unwrap()
}

/// A small generator, the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Bytes that say whose they are.
fn sign(bytes: &mut [u8], of: u64) {
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = (of.wrapping_mul(31).wrapping_add(at as u64 * 7) >> 1) as u8;
    }
}

#[track_caller]
fn check_signed(bytes: &[u8], of: u64) {
    for (at, byte) in bytes.iter().enumerate() {
        assert_eq!(*byte, (of.wrapping_mul(31).wrapping_add(at as u64 * 7) >> 1) as u8, "byte {at} of {of}");
    }
}

fn bytes(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn signed(heap: &mut DefragHeap, layout: Layout, of: u64) -> DefragHandle {
    let handle = heap.try_alloc(layout).unwrap();
    assert!(heap.get(handle).unwrap().iter().all(|byte| *byte == 0));
    sign(heap.get_mut(handle).unwrap(), of);
    handle
}

#[test]
fn one_call_of_all_of_it_gives_back_what_its_own_moves_made_free() {
    let mut heap = heap();
    let all: Vec<DefragHandle> = (0..64).map(|_| heap.alloc(bytes(64 << 10, 16))).collect();
    // The last one lives, so that nothing can go before it has moved.
    all[..63].iter().for_each(|handle| heap.free(*handle).unwrap());
    let before = heap.committed();
    let report = heap.defragment_fully();
    assert_eq!((report.moved_blocks, report.done), (1, true));
    assert!(report.returned_bytes >= 62 << 16, "{report:?}");
    assert_eq!(before - heap.committed(), report.returned_bytes as usize);
}

#[test]
fn blocks_slide_together_and_the_end_goes_back() {
    let mut heap = heap();
    let layouts = [(100, 1), (5000, 64), (70_000, 4096), (3, 2), (40_000, 1 << 16), (0, 8), (900, 32)];
    let all: Vec<_> = (0..70u64)
        .map(|of| {
            let (size, align) = layouts[of as usize % layouts.len()];
            (of, align, signed(&mut heap, bytes(size, align), of))
        })
        .collect();
    let committed = heap.committed();
    let (gone, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(|(of, ..)| of % 3 != 1);
    for (.., handle) in &gone {
        heap.free(*handle).unwrap();
        assert_eq!(heap.free(*handle), Err(DefragError::Stale));
    }
    let torn = heap.stats();
    let mut calls = 0;
    loop {
        let report = heap.defragment(DefragBudget::bytes(100_000));
        assert!(report.moved_bytes <= 100_000);
        for (of, align, handle) in &kept {
            let bytes = heap.get(*handle).unwrap();
            check_signed(bytes, *of);
            assert_eq!(bytes.as_ptr().addr() % align, 0);
        }
        calls += 1;
        if report.done {
            break;
        }
    }
    assert!(calls > 3);
    // Again there is nothing to do.
    let report = heap.defragment(DefragBudget::bytes(100_000));
    assert_eq!((report.moved_blocks, report.done), (0, true));
    let stats = heap.stats();
    assert!(stats.free < torn.free / 2 && stats.free_blocks < torn.free_blocks, "{stats:?} of {torn:?}");
    heap.defragment_fully();
    assert!(heap.committed() < committed / 2);
    for (.., handle) in kept {
        heap.free(handle).unwrap();
    }
    heap.defragment_fully();
    assert!(heap.stats().capacity <= os::page_size() as u64);
}

#[test]
fn a_block_that_is_pinned_stays_and_can_be_read_when_the_heap_is_gone() {
    let tag = tag("defrag");
    let mut heap: DefragHeap = DefragHeap::try_new(tag).unwrap();
    let first = signed(&mut heap, bytes(1000, 1), 1);
    let second = signed(&mut heap, bytes(2000, 1), 2);
    let pin = heap.pin(second).unwrap();
    let address = pin.as_ptr();
    heap.free(first).unwrap();
    assert_eq!(heap.free(second), Err(DefragError::Pinned));
    assert_eq!(heap.get_mut(second).err(), Some(DefragError::Pinned));
    assert_eq!(heap.try_resize(second, 10, 0), Err(DefragError::Pinned));
    assert_eq!(heap.defragment(DefragBudget::UNLIMITED).skipped_pinned, 1);
    check_signed(&pin, 2);
    assert_eq!(heap.get(second).unwrap().as_ptr(), address.cast());
    let other = pin.clone();
    drop(pin);
    assert!(heap.is_pinned(second));
    assert_eq!(heap.defragment(DefragBudget::UNLIMITED).moved_blocks, 0);
    drop(other);
    // Nothing was freed or changed, and yet there is something to do.
    assert_eq!(heap.defragment(DefragBudget::UNLIMITED).moved_blocks, 1);
    check_signed(heap.get(second).unwrap(), 2);

    let pin = heap.pin(second).unwrap();
    drop(heap);
    assert!(tag.account().own.committed > 0);
    let read = std::thread::spawn(move || check_signed(&pin, 2));
    read.join().unwrap();
    assert_eq!((tag.account().own.committed, tag.account().own.reserved), (0, 0));
}

/// Counts what is dropped.
struct Counted(Arc<AtomicUsize>, u64);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
        assert!(self.1 != 13, "thirteen");
    }
}

#[test]
fn destructors_run_once_wherever_the_value_went() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut heap = heap();
    let handles: Vec<_> = (0..10).map(|of| heap.insert(Counted(Arc::clone(&dropped), of))).collect();
    heap.free(handles[0]).unwrap();
    assert_eq!(dropped.load(Relaxed), 1);
    let value = heap.remove(handles[1]).unwrap();
    assert_eq!((dropped.load(Relaxed), value.1), (1, 1));
    drop(value);
    heap.defragment_fully();
    assert_eq!(heap.get(handles[9]).unwrap().1, 9);
    heap.get_mut(handles[9]).unwrap().1 = 90;
    let pin = heap.pin(handles[9]).unwrap();
    assert_eq!(heap.remove(handles[9]).err(), Some(DefragError::Pinned));
    drop(heap);
    assert_eq!((dropped.load(Relaxed), pin.1), (9, 90));
    drop(pin);
    assert_eq!(dropped.load(Relaxed), 10);
}

#[test]
fn a_destructor_that_panics_keeps_nothing_from_going() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let tag = tag("defrag");
    let mut heap: DefragHeap = DefragHeap::try_new(tag).unwrap();
    let first = heap.insert(Counted(Arc::clone(&dropped), 13));
    let used = heap.stats().used;
    assert!(catch_unwind(AssertUnwindSafe(|| heap.free(first))).is_err());
    assert_eq!((dropped.load(Relaxed), heap.stats().used < used), (1, true));
    assert_eq!(heap.free(first), Err(DefragError::Stale));
    for of in [1, 13, 13, 2] {
        heap.insert(Counted(Arc::clone(&dropped), of));
    }
    let panic = catch_unwind(AssertUnwindSafe(|| drop(heap))).unwrap_err();
    assert!(panic.downcast_ref::<&str>().is_some_and(|text| text.contains("thirteen")));
    assert_eq!((dropped.load(Relaxed), tag.account().own.reserved), (5, 0));
    // The last pin is in the same place.
    let mut heap: DefragHeap = DefragHeap::try_new(tag).unwrap();
    let first = heap.insert(Counted(Arc::clone(&dropped), 13));
    let pin = heap.pin(first).unwrap();
    drop(heap);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(pin))).is_err());
    assert_eq!((dropped.load(Relaxed), tag.account().own.reserved), (6, 0));
}

#[test]
fn handles_of_another_heap_and_of_another_time_name_nothing() {
    let (mut one, mut two) = (heap(), heap());
    let (a, b) = (one.insert(1u64), two.insert(2u64));
    assert_eq!((one.get(b), two.get(a)), (None, None));
    assert_eq!(one.free(b), Err(DefragError::Foreign));
    assert_eq!(one.remove(a), Ok(1));
    let c = one.insert(3u64);
    assert_ne!(a, c);
    assert_eq!((one.get(a), one.get(c)), (None, Some(&3)));
    assert_eq!((size_of::<DefragHandle<u64>>(), size_of::<Option<SpaceHandle>>()), (16, 8));
    // A slot whose generations are used up is given to nobody.
    one.body_mut().core.slots.wear_out(0);
    let worn = DefragHandle::<u64>::new(c.stamp(), one.body().core.slots.handle(0));
    assert_eq!(one.remove(worn), Ok(3));
    let d = one.insert(4u64);
    assert_eq!((d.name().parts().0, one.get(worn)), (1, None));
}

#[test]
fn typed_values_keep_their_alignment_and_size() {
    #[derive(Clone, Copy, Debug, PartialEq, Default)]
    #[repr(align(256))]
    struct Wide(u8);
    let mut heap = heap();
    let hole = heap.insert([1u8; 777]);
    let wide = heap.insert(Wide(7));
    let nothing = heap.insert(());
    let slice = heap.insert_slice_copy(&[Wide(1), Wide(2)]);
    let text = heap.insert_slice_with(5, |text: &mut [u16]| text.copy_from_slice(&[1, 2, 3, 4, 5]));
    let empty = heap.insert_slice_copy::<u64>(&[]);
    let aligned = heap.alloc(bytes(10, 1 << 20));
    heap.free(hole).unwrap();
    heap.defragment_fully();
    assert_eq!(heap.get(wide), Some(&Wide(7)));
    assert_eq!(heap.get(wide).unwrap() as *const Wide as usize % 256, 0);
    assert_eq!(heap.get(slice), Some(&[Wide(1), Wide(2)][..]));
    assert_eq!(heap.get(text), Some(&[1, 2, 3, 4, 5][..]));
    assert_eq!((heap.get(empty), heap.get(nothing)), (Some(&[][..]), Some(&())));
    assert_eq!(heap.get(aligned).unwrap().as_ptr().addr() % (1 << 20), 0);
    heap.remove(nothing).unwrap();
    // What panics leaves no block behind.
    let used = heap.stats().used_blocks;
    let fill = |_: &mut [u8]| panic!("on purpose");
    assert!(catch_unwind(AssertUnwindSafe(|| heap.insert_slice_with(10_000, fill))).is_err());
    assert_eq!(heap.stats().used_blocks, used);
    assert_eq!(heap.try_alloc(bytes(isize::MAX as usize / 2, 1)).unwrap_err(), FitError::TooLarge);
}

#[test]
fn slices_grow_and_shrink_under_their_handle() {
    let mut heap = heap();
    let one = heap.insert_slice_copy(&[1u32, 2, 3]);
    let wall = heap.insert(5u64);
    heap.try_resize(one, 1000, 9).unwrap();
    let values = heap.get(one).unwrap();
    assert_eq!((&values[..4], values[999], values.len()), (&[1, 2, 3, 9][..], 9, 1000));
    heap.try_resize(one, 2, 0).unwrap();
    assert_eq!(heap.get(one), Some(&[1, 2][..]));
    heap.try_resize(one, 0, 0).unwrap();
    heap.try_resize(one, 1, 8).unwrap();
    assert_eq!((heap.get(one), heap.get(wall)), (Some(&[8][..]), Some(&5)));
    assert_eq!(heap.len(), 2);
}

/// A clock that goes forward as bytes are copied, and only then.
struct Simulated {
    now: Cell<u64>,
    /// In 1024ths of a nanosecond a byte.
    rate: u64,
}

impl MoveClock for Simulated {
    fn now_ns(&self) -> u64 {
        self.now.get()
    }

    fn copied(&self, bytes: u64) {
        self.now.set(self.now.get() + (bytes * self.rate).div_ceil(1024));
    }
}

/// Churn, a call of the defragmenter each round; answers how many blocks were moved, and how many of them in the second half.
fn churn(
    rounds: u64,
    budget: impl Fn(&mut Random) -> DefragBudget,
    rate: u64,
    policy: DefragPolicy,
) -> (u64, u64) {
    let mut heap = heap();
    heap.set_policy(policy);
    let clock = Simulated { now: Cell::new(0), rate };
    let mut random = Random(rounds ^ rate);
    let mut live: Vec<(u64, DefragHandle)> = Vec::new();
    let (mut moved, mut late) = (0, 0);
    for round in 0..rounds {
        if live.len() < 60 || random.below(2) == 0 {
            let size = 16 << random.below(12);
            let size = size + random.below(size);
            live.push((round, signed(&mut heap, bytes(size as usize, 1 << random.below(8)), round)));
        }
        if live.len() > 40 {
            let (of, handle) = live.swap_remove(random.below(live.len() as u64) as usize);
            check_signed(heap.get(handle).unwrap(), of);
            heap.free(handle).unwrap();
        }
        let budget = budget(&mut random);
        let before = clock.now.get();
        let report = heap.defragment_by(&clock, budget);
        assert!(report.moved_bytes <= budget.bytes, "{report:?} within {budget:?}");
        assert!(
            clock.now.get() - before <= budget.nanoseconds,
            "{report:?} within {budget:?} at rate {rate}"
        );
        assert_eq!(report.nanoseconds, clock.now.get() - before);
        moved += report.moved_blocks;
        late += if round > rounds / 2 { report.moved_blocks } else { 0 };
    }
    for (of, handle) in live {
        check_signed(heap.get(handle).unwrap(), of);
    }
    (moved, late)
}

#[test]
fn no_call_of_a_hundred_thousand_breaks_its_budget() {
    // Nine times: 108,000 calls, and a sixth of that where each is looked at by assertions and sanitizers besides.
    let rounds = if cfg!(debug_assertions) { 2_000 } else { 12_000 };
    for policy in [DefragPolicy::Slide, DefragPolicy::FillHoles] {
        for rate in [40, 1024, 4096] {
            let micros = |random: &mut Random| DefragBudget::micros(random.below(60));
            let (moved, late) = churn(rounds, micros, rate, policy);
            assert!(late > rounds / 50, "{moved} moved, {late} late, {policy:?} at {rate}");
        }
        let both = |random: &mut Random| DefragBudget::bytes(random.below(40_000)).and_micros(50);
        let (_, late) = churn(rounds, both, 512, policy);
        assert!(late > rounds / 50);
    }
    let (moved, _) = churn(rounds, |_| DefragBudget::bytes(0), 1, DefragPolicy::Slide);
    assert_eq!(moved, 0);
}

#[test]
fn a_block_that_is_too_large_for_any_call_is_never_begun() {
    let mut heap = heap();
    let hole = heap.alloc(bytes(1000, 1));
    let large = signed(&mut heap, bytes(1 << 20, 1), 5);
    let small = signed(&mut heap, bytes(100, 1), 6);
    heap.free(hole).unwrap();
    let report = heap.defragment(DefragBudget::bytes(1000));
    assert_eq!((report.moved_blocks, report.too_large, report.done), (0, 1, true));
    // With more it is.
    let report = heap.defragment(DefragBudget::bytes(1 << 20));
    assert_eq!((report.moved_blocks, report.done), (1, false));
    assert!(heap.defragment(DefragBudget::bytes(1 << 20)).done);
    check_signed(heap.get(large).unwrap(), 5);
    check_signed(heap.get(small).unwrap(), 6);
    assert_eq!(heap.stats().free_blocks, 1);
}

#[test]
fn alternating_blocks_are_brought_together_whole() {
    let mut heap: DefragHeap =
        DefragHeap::try_with(DefragHeapOptions::new(tag("defrag")).reserve(16 << 20)).unwrap();
    let (mut short, mut kept) = (Vec::new(), Vec::new());
    while let Ok(first) = heap.try_alloc(bytes(1024, 1)) {
        short.push(first);
        let Ok(second) = heap.try_alloc(bytes(4096, 1)) else { break };
        kept.push(second);
    }
    for handle in short {
        heap.free(handle).unwrap();
    }
    let stats = heap.stats();
    let wanted = bytes(stats.free as usize * 995 / 1000, 1);
    assert!(matches!(heap.try_alloc(wanted), Err(FitError::OutOfContiguous { .. })));
    assert!(stats.fragmentation() > 0.99);
    assert!(matches!(
        heap.try_alloc(bytes(stats.free as usize + 4096, 1)),
        Err(FitError::OutOfMemory { .. })
    ));
    // A little is not enough, all is.
    assert!(heap.try_alloc_or_defragment(wanted, DefragBudget::bytes(100_000)).is_err());
    let got = heap.try_alloc_or_defragment(wanted, DefragBudget::UNLIMITED).unwrap();
    assert_eq!(heap.get(got).unwrap().len(), wanted.size());
    assert!(
        kept.iter().all(|handle| heap.get(*handle).is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0)))
    );
}

#[test]
fn holes_and_what_is_not_committed_yet_make_one_piece_together() {
    let mut heap: DefragHeap =
        DefragHeap::try_with(DefragHeapOptions::new(tag("defrag")).reserve(4 << 20)).unwrap();
    let blocks: Vec<_> = (0..32).map(|_| heap.alloc(bytes(96 << 10, 1))).collect();
    for block in blocks.iter().skip(20).step_by(2) {
        heap.free(*block).unwrap();
    }
    // More than the holes have, more than there is behind them, and less than both.
    let wanted = bytes(1400 << 10, 1);
    assert!(heap.stats().free < wanted.size() as u64);
    assert!(heap.try_alloc(wanted).is_err());
    let got = heap.try_alloc_or_defragment(wanted, DefragBudget::UNLIMITED).unwrap();
    assert_eq!(heap.get(got).unwrap().len(), wanted.size());
    // What is too much is not worth moving anything.
    heap.free(blocks[1]).unwrap();
    let before = heap.stats();
    assert!(heap.try_alloc_or_defragment(bytes(4 << 20, 1), DefragBudget::UNLIMITED).is_err());
    assert_eq!(heap.stats().free_blocks, before.free_blocks);
}

#[test]
fn a_budget_that_refuses_tells_torn_from_full() {
    let tag = tag("defrag");
    let mut heap: DefragHeap = DefragHeap::try_new(tag).unwrap();
    let blocks: Vec<_> = (0..64).map(|_| heap.alloc(bytes(16 << 10, 1))).collect();
    tag.set_budget(Budget::hard(tag.account().own.committed));
    assert!(matches!(heap.try_alloc(bytes(8 << 20, 1)), Err(FitError::Refused(_))));
    for block in blocks.iter().step_by(2) {
        heap.free(*block).unwrap();
    }
    assert!(matches!(heap.try_alloc(bytes(256 << 10, 1)), Err(FitError::OutOfContiguous { .. })));
    assert!(heap.try_alloc_or_defragment(bytes(256 << 10, 1), DefragBudget::UNLIMITED).is_ok());
}

#[test]
fn holes_and_what_the_budget_still_allows_make_one_piece_together() {
    let tag = tag("defrag");
    let mut heap: DefragHeap = DefragHeap::try_new(tag).unwrap();
    let blocks: Vec<_> = (0..64).map(|_| heap.alloc(bytes(16 << 10, 1))).collect();
    tag.set_budget(Budget::hard(tag.account().own.committed + (512 << 10)));
    for block in blocks.iter().step_by(2) {
        heap.free(*block).unwrap();
    }
    let wanted = bytes(heap.stats().free as usize + (256 << 10), 1);
    assert!(matches!(heap.try_alloc(wanted), Err(FitError::Refused(AllocError::Budget(_)))));
    let got = heap.try_alloc_or_defragment(wanted, DefragBudget::UNLIMITED).unwrap();
    assert_eq!(heap.get(got).unwrap().len(), wanted.size());
    // More than both is not worth moving anything.
    heap.free(blocks[1]).unwrap();
    let before = heap.stats();
    assert!(heap.try_alloc_or_defragment(bytes(8 << 20, 1), DefragBudget::UNLIMITED).is_err());
    assert_eq!(heap.stats().free_blocks, before.free_blocks);
}

#[test]
fn the_last_segment_is_emptied_and_goes_back() {
    let options = DefragHeapOptions::new(tag("defrag")).segment(1 << 20).keep(0);
    let mut heap: DefragHeap = DefragHeap::try_with(options.policy(DefragPolicy::EvacuateLast)).unwrap();
    let all: Vec<_> = (0..400u64).map(|of| (of, signed(&mut heap, bytes(10_000, 16), of))).collect();
    let segments = heap.stats().segments;
    assert!(segments >= 4);
    let (gone, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(|(of, _)| of % 4 != 0);
    for (_, handle) in gone {
        heap.free(handle).unwrap();
    }
    let mut returned = 0;
    for _ in 0..1000 {
        let report = heap.defragment(DefragBudget::bytes(64 << 10));
        assert!(report.moved_bytes <= 64 << 10);
        returned += report.returned_bytes;
        // What is allocated meanwhile is not put where all goes.
        let extra = signed(&mut heap, bytes(500, 1), 77);
        check_signed(heap.get(extra).unwrap(), 77);
        heap.free(extra).unwrap();
        if report.done {
            break;
        }
    }
    assert_eq!(heap.stats().segments, 1, "of {segments}, {:?}", heap.stats());
    assert!(returned > 2 << 20);
    for (of, handle) in kept {
        check_signed(heap.get(handle).unwrap(), of);
    }
    // When all is needed, what was put aside is used.
    let more: Vec<_> = (0..300u64).map(|of| (of, signed(&mut heap, bytes(10_000, 16), of))).collect();
    heap.defragment(DefragBudget::bytes(100_000));
    for (of, handle) in more {
        check_signed(heap.get(handle).unwrap(), of);
    }
}

#[test]
fn segments_that_are_less_than_a_page_go_as_well() {
    let options = DefragHeapOptions::new(tag("defrag")).segment(256).keep(0);
    let mut heap: DefragHeap = DefragHeap::try_with(options.policy(DefragPolicy::EvacuateLast)).unwrap();
    let all: Vec<_> = (0..12u64).map(|of| (of, signed(&mut heap, bytes(200, 16), of))).collect();
    assert!(heap.stats().segments > 8, "{:?}", heap.stats());
    for (of, handle) in &all {
        if of % 6 != 0 {
            heap.free(*handle).unwrap();
        }
    }
    let report = heap.defragment_fully();
    assert!(report.done, "{report:?}, {:?}", heap.stats());
    assert!(heap.stats().segments <= 2, "{:?}", heap.stats());
    check_signed(heap.get(all[0].1).unwrap(), 0);
    check_signed(heap.get(all[6].1).unwrap(), 6);
}

#[test]
fn holes_are_filled_from_the_end() {
    let mut heap = heap();
    heap.set_policy(DefragPolicy::FillHoles);
    let all: Vec<_> = (0..300u64).map(|of| (of, signed(&mut heap, bytes(1000, 1), of))).collect();
    for (of, handle) in all.iter().filter(|(of, _)| of % 3 == 0) {
        assert!(heap.get(*handle).is_some(), "{of}");
        heap.free(*handle).unwrap();
    }
    let mut moved = 0;
    loop {
        let report = heap.defragment(DefragBudget::bytes(5000));
        moved += report.moved_blocks;
        if report.done {
            break;
        }
    }
    // A hole is filled once at most.
    assert!((60..=100).contains(&moved), "{moved}");
    assert_eq!(heap.stats().free_blocks, 1);
    for (of, handle) in all.iter().filter(|(of, _)| of % 3 != 0) {
        check_signed(heap.get(*handle).unwrap(), *of);
    }
}

#[test]
fn a_storm_of_sizes_leaves_nothing_behind() {
    let sizes = if cfg!(debug_assertions) { 30_000 } else { 1_000_000 };
    let tag = tag("defrag");
    tag.set_budget(Budget::hard(12 << 20));
    let mut heap: DefragHeap = DefragHeap::try_new(tag).unwrap();
    let mut random = Random(7);
    let mut handles: Vec<DefragHandle> = (0..1000).map(|_| heap.alloc(bytes(1, 1))).collect();
    let (mut refused, mut live) = (0u32, 0);
    for step in 0..sizes {
        let which = random.below(1000) as usize;
        let most = 16 << random.below(11);
        let size = random.below(most) as usize;
        let old = heap.get(handles[which]).unwrap().len();
        match heap.try_resize(handles[which], size, which as u8) {
            Ok(()) => {
                let bytes = heap.get(handles[which]).unwrap();
                assert_eq!(bytes.len(), size);
                assert!(bytes[old.min(size).min(1)..].iter().all(|byte| *byte == which as u8));
                live += size;
            }
            Err(DefragError::Fit(_)) => {
                assert_eq!(heap.get(handles[which]).unwrap().len(), old);
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
        if step % 64 == 0 {
            heap.defragment(DefragBudget::bytes(50_000));
        }
    }
    assert!(live > 0 && refused < sizes / 2);
    for handle in handles.drain(..) {
        heap.free(handle).unwrap();
    }
    heap.defragment_fully();
    let stats = heap.stats();
    assert_eq!((stats.used, stats.free_blocks, stats.fragmentation()), (0, 1, 0.0));
}

fn space(capacity: u64) -> DefragSpace {
    let options = OffsetOptions::new(tag("space")).granularity(1).blocks(1 << 12);
    DefragSpace::try_new(options.capacity(capacity)).unwrap()
}

#[test]
fn what_is_freed_pinned_or_resized_on_its_way_keeps_both_places_until_the_answer() {
    for what in 0..5 {
        let mut space = space(1000);
        let hole = space.try_allocate(300, 1).unwrap();
        let block = space.try_allocate(200, 1).unwrap();
        let rest = space.try_allocate(500, 1).unwrap();
        space.free(hole).unwrap();
        let mut moves = Vec::new();
        space.begin_moves(1000, |one| moves.push(one));
        let [one] = moves[..] else { panic!("{moves:?}") };
        assert_eq!((one.handle, one.from, one.to, one.size), (block, 300, 0, 200));
        assert_eq!(space.locate(block), Some(SpacePlace { offset: 300, size: 200 }));
        let free = |space: &DefragSpace| space.stats().free;
        assert_eq!((free(&space), space.moving()), (100, 1));
        let end = match what {
            0 => MoveEnd::Moved,
            1 => {
                space.free(block).unwrap();
                assert_eq!(space.free(block), Err(StaleBlock));
                assert_eq!(space.locate(block), None);
                MoveEnd::Freed
            }
            2 => {
                assert_eq!(space.pin(block), Ok(true));
                MoveEnd::Cancelled
            }
            3 => {
                space.try_resize(block, 50).unwrap();
                assert!(space.try_resize(block, 250).is_err());
                MoveEnd::Cancelled
            }
            _ => MoveEnd::Cancelled,
        };
        // Nobody gets either place meanwhile, and nothing else is begun with it.
        assert_eq!(free(&space), 100);
        assert!(space.try_allocate(101, 1).is_err());
        assert_eq!(space.begin_moves(1000, |one| panic!("{one:?}")).moved_blocks, 0);
        let answer = if what == 4 { space.cancel(one.id) } else { space.done(one.id) };
        assert_eq!((answer, space.moving()), (Ok(end), 0));
        assert_eq!((space.done(one.id), space.cancel(one.id)), (Err(StaleBlock), Err(StaleBlock)));
        let (place, left) = match what {
            0 => (Some((0, 200)), 300),
            1 => (None, 500),
            3 => (Some((300, 50)), 450),
            _ => (Some((300, 200)), 300),
        };
        assert_eq!(space.locate(block), place.map(|(offset, size)| SpacePlace { offset, size }));
        assert_eq!(free(&space), left, "{what}");
        // A pin that goes makes it movable again.
        if what == 2 {
            assert_eq!(space.begin_moves(1000, |_| ()).skipped_pinned, 1);
            assert_eq!((space.unpin(block), space.unpin(block)), (Ok(true), Ok(false)));
            assert_eq!(space.begin_moves(1000, |_| ()).moved_blocks, 1);
            assert_eq!((space.cancel_all(), space.moving()), (1, 0));
        }
        space.free(rest).unwrap();
        let _ = space.free(block);
        assert_eq!((space.stats().free, space.stats().free_blocks), (1000, 1));
    }
}

#[test]
fn maps_show_what_lies_where() {
    let mut space = space(1000);
    let hole = space.try_allocate(300, 1).unwrap();
    let block = space.try_allocate(200, 1).unwrap();
    let pinned = space.try_allocate(100, 1).unwrap();
    space.pin(pinned).unwrap();
    space.free(hole).unwrap();
    crate::base::frame_begins();
    space.begin_moves(1000, |_| ());
    let map: Vec<_> = space.map().map(|piece| (piece.offset, piece.size, piece.state, piece.name)).collect();
    let expected = [
        (0, 200, PieceState::Target, Some(block)),
        (200, 100, PieceState::Free, None),
        (300, 200, PieceState::Moving, Some(block)),
        (500, 100, PieceState::Pinned, Some(pinned)),
        (600, 400, PieceState::Free, None),
    ];
    assert_eq!(map, expected);
    assert!(space.map().any(|piece| piece.name == Some(pinned) && piece.age >= 1 && piece.asked == 100));
}

#[test]
fn a_space_gives_its_last_segment_up() {
    let mut space = space(1000);
    let second = space.try_append(1000).unwrap();
    let blocks: Vec<_> = (0..20).map(|_| space.try_allocate(100, 1).unwrap()).collect();
    for block in blocks
        .iter()
        .filter(|block| space.locate(**block).unwrap().offset < 1000)
        .copied()
        .collect::<Vec<_>>()
    {
        space.free(block).unwrap();
    }
    space.set_policy(DefragPolicy::EvacuateLast);
    let mut moved = 0;
    while space.evacuated().is_none() {
        let mut moves = Vec::new();
        let report = space.begin_moves(250, |one| moves.push(one));
        assert!(report.moved_bytes <= 250);
        for one in moves {
            assert!(one.from >= 1000 && one.to < 1000);
            space.done(one.id).unwrap();
            moved += 1;
        }
        assert!(moved <= 10);
    }
    assert_eq!((moved, space.evacuated()), (10, Some(second)));
    assert_eq!((space.try_remove(second), space.evacuated()), (Ok(1000), None));
    assert_eq!((space.stats().capacity, space.stats().free), (1000, 0));
}

#[test]
fn a_segment_of_one_large_block_is_used_again_for_small_ones() {
    let options = DefragHeapOptions::new(tag("defrag")).segment(1 << 16);
    let mut heap: DefragHeap = DefragHeap::try_with(options).unwrap();
    let large = heap.alloc(bytes(200_000, 1));
    let small = heap.alloc(bytes(100, 1));
    heap.free(large).unwrap();
    // The end of the large one's segment suffices, at this alignment only where it begins.
    let tail = heap.stats().largest_free;
    let again = heap.alloc(bytes(tail as usize - 64, 1 << 14));
    assert_eq!(heap.get(again).unwrap().as_ptr().addr() % (1 << 14), 0);
    heap.free(small).unwrap();
    for size in [1, 4096, 60_000] {
        let block = heap.alloc(bytes(size, 1 << 16));
        assert_eq!(heap.get(block).unwrap().as_ptr().addr() % (1 << 16), 0);
    }
}

#[test]
fn a_moment_without_the_processor_does_not_stop_all_moves() {
    /// Each copy takes a microsecond, but for one.
    struct Interrupted(Cell<u64>, Cell<u32>);
    impl MoveClock for Interrupted {
        fn now_ns(&self) -> u64 {
            self.0.get()
        }

        fn copied(&self, _: u64) {
            self.1.set(self.1.get() + 1);
            self.0.set(self.0.get() + if self.1.get() == 5 { 10_000_000 } else { 1000 });
        }
    }
    let clock = Interrupted(Cell::new(0), Cell::new(0));
    let mut heap = heap();
    let all: Vec<_> = (0..400).map(|of| signed(&mut heap, bytes(300, 1), of)).collect();
    for block in all.iter().step_by(2) {
        heap.free(*block).unwrap();
    }
    let calls = (0..500)
        .find(|_| heap.defragment_by(&clock, DefragBudget::micros(50)).done && heap.stats().free_blocks == 1);
    assert!(calls.is_some_and(|calls| calls > 10), "{calls:?}: {:?}", heap.stats());
}
