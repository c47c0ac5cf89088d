//! The heap of the process and heaps of their own.
#![expect(unsafe_code, reason = "a heap's blocks are raw")]

use std::collections::VecDeque;
use std::sync::mpsc;
use std::vec::Vec;

use super::*;
use crate::ledger::{Budget, Ledger};

type T = StdThreads;

/// Whether heaps are hardened unless they are told otherwise.
const HARDENED: bool = cfg!(feature = "hardened");

fn fresh_tag() -> Tag {
    let ledger: &'static Ledger = std::boxed::Box::leak(std::boxed::Box::new(Ledger::new()));
    ledger.register("heap").unwrap()
}

fn nothing_is_charged(tag: Tag) -> bool {
    let account = tag.account().own;
    (account.reserved, account.committed) == (0, 0)
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    /// Mostly small, sometimes large.
    fn size(&mut self) -> usize {
        match self.below(100) {
            0 => self.below(3 << 20),
            1..5 => self.below(200 << 10),
            5..20 => self.below(16 << 10),
            _ => self.below(600),
        }
    }
}

/// Writes a block's own pattern, or asks whether it is still there.
/// # Safety
/// The block has so many bytes.
unsafe fn mark(block: NonNull<u8>, size: usize, seed: u8) {
    // SAFETY: the block has so many bytes, by the caller's word.
    unsafe {
        block.write_bytes(seed, size.min(64));
        if size > 64 {
            block.add(size - 1).write(seed);
        }
    }
}

/// # Safety
/// The block has so many bytes.
unsafe fn is_marked(block: NonNull<u8>, size: usize, seed: u8) -> bool {
    // SAFETY: the block has so many bytes, by the caller's word.
    unsafe {
        (0..size.min(64)).all(|at| block.add(at).read() == seed)
            && (size <= 64 || block.add(size - 1).read() == seed)
    }
}

/// Trims until fewer than `most` bytes are committed. A thread of another test may have taken over what a thread of this one
/// has left, and keeps it until it ends, too.
pub(super) fn trim_to(heap: &BucketHeap, most: usize) {
    let start = std::time::Instant::now();
    loop {
        heap.trim();
        let own = heap.tag().account().own;
        if own.committed < most {
            return;
        }
        assert!(start.elapsed().as_secs() < 60, "{own:?}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn blocks_of_all_sizes_come_and_go() {
    let tag = fresh_tag();
    let heap = BucketHeap::try_new(tag).unwrap();
    let mut random = Random(42);
    let mut held: Vec<(NonNull<u8>, Layout, u8)> = Vec::new();
    for round in 0..60_000 {
        let full = held.len() > 1500 || (round > 40_000 && random.below(3) != 0);
        if !held.is_empty() && (full || random.below(3) == 0) {
            let (block, layout, seed) = held.swap_remove(random.below(held.len()));
            // SAFETY: a block of this test's, of so many bytes, freed once.
            unsafe {
                assert!(is_marked(block, layout.size(), seed));
                heap.free(block);
            }
            continue;
        }
        let layout = Layout::from_size_align(random.size(), 1 << random.below(14)).unwrap();
        let seed = round as u8;
        let zeroed = random.below(4) == 0;
        let block = if zeroed { heap.try_alloc_zeroed(layout) } else { heap.try_alloc(layout) }.unwrap();
        assert!(block.addr().get().is_multiple_of(layout.align()), "{layout:?}");
        // SAFETY: a block of this test's, of so many bytes, freed once.
        unsafe {
            assert!(heap.usable_size(block) >= layout.size());
            if zeroed {
                assert!((0..layout.size()).all(|at| block.add(at).read() == 0), "{layout:?}");
            }
            mark(block, layout.size(), seed);
        }
        held.push((block, layout, seed));
        if round % 5000 == 0 {
            assert_eq!(heap.stats().live(), held.len() as u64);
        }
    }
    assert_eq!(heap.stats().live(), held.len() as u64);
    assert_eq!(heap.stats().allocs() - heap.stats().frees(), held.len() as u64);
    let mut ranges: Vec<(usize, usize)> =
        held.iter().map(|(block, layout, _)| (block.addr().get(), layout.size())).collect();
    ranges.sort_unstable();
    assert!(ranges.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0), "blocks overlap");
    for (block, layout, seed) in held {
        // SAFETY: a block of this test's, of so many bytes, freed once.
        unsafe {
            assert!(is_marked(block, layout.size(), seed));
            heap.free(block);
        }
    }
    assert_eq!((heap.stats().live(), heap.stats().live_bytes()), (0, 0));
    heap.trim();
    assert!(tag.account().own.committed < 100 << 10, "{:?}", tag.account().own);
    drop(heap);
    assert!(nothing_is_charged(tag), "{:?}", tag.account().own);
}

#[test]
fn blocks_grow_and_shrink_with_their_content() {
    let heap = BucketHeap::try_new(fresh_tag()).unwrap();
    let mut random = Random(7);
    let mut size = 1;
    let mut block = heap.try_alloc(Layout::from_size_align(size, 16).unwrap()).unwrap();
    // SAFETY: a block of this test's, of so many bytes, freed once.
    unsafe { block.write(1) };
    for round in 0..3000 {
        let next = random.size().max(1);
        // SAFETY: a block of this test's, of so many bytes, freed once.
        unsafe {
            let before: Vec<u8> = (0..size.min(next)).step_by(97).map(|at| block.add(at).read()).collect();
            block = heap.try_realloc(block, Layout::from_size_align(size, 16).unwrap(), next).unwrap();
            let after: Vec<u8> = (0..size.min(next)).step_by(97).map(|at| block.add(at).read()).collect();
            assert_eq!(before, after);
            block.write_bytes(round as u8, next);
        }
        size = next;
    }
    assert_eq!(heap.stats().live(), 1);
    // SAFETY: a block of this test's, of so many bytes, freed once.
    unsafe { heap.free(block) };
}

#[test]
fn a_fixed_range_is_used_to_its_last_slot() {
    let heap =
        BucketHeap::try_with(BucketHeapOptions::new(fresh_tag()).fixed(4 << 20).hardened(false)).unwrap();
    let layout = |size| Layout::from_size_align(size, 16).unwrap();
    // The heap's own structures and a thread's place take the first slot; the others are one block each.
    let mut blocks: Vec<_> = core::iter::from_fn(|| heap.try_alloc(layout(60 << 10)).ok()).collect();
    assert_eq!(blocks.len(), 63);
    // SAFETY: blocks of this test's, freed once.
    unsafe {
        for index in [62, 30, 0] {
            heap.free(blocks.swap_remove(index));
            blocks.push(heap.try_alloc(layout(64 << 10)).unwrap());
        }
        heap.force_discard();
    }
}

#[test]
fn large_blocks_grow_into_the_free_slots_behind_them() {
    let tag = fresh_tag();
    let heap = ordinary(tag);
    let layout = |size| Layout::from_size_align(size, 16).unwrap();
    let slot = 64 << 10;
    // SAFETY: blocks of this test's, of so many bytes, freed once.
    unsafe {
        let [one, two, three] = [(); 3].map(|()| heap.try_alloc(layout(2 * slot)).unwrap());
        assert_eq!(
            three.offset_from(one),
            4 * slot as isize,
            "what follows counts on their lying side by side"
        );
        for (block, seed) in [(one, 1), (two, 2), (three, 3)] {
            mark(block, 2 * slot, seed);
        }
        // Dirty memory in the middle becomes a part of the first one, whose budget pays for it.
        heap.free(two);
        let held = tag.account().own.committed;
        assert_eq!(heap.try_realloc(one, layout(2 * slot), 3 * slot + 5), Ok(one));
        assert_eq!((heap.usable_size(one), tag.account().own.committed), (4 * slot, held));
        // Somebody is in the way now.
        let moved = heap.try_realloc(one, layout(3 * slot + 5), 4 * slot + 1).unwrap();
        assert!(moved != one && is_marked(moved, 2 * slot, 1) && is_marked(three, 2 * slot, 3));
        assert_eq!(heap.stats().live(), 2);
        heap.free(moved);
        // Sixteen slots are the end of growing in place.
        let mut size = 2 * slot;
        let last = loop {
            let grown = heap.try_realloc(three, layout(size), size + slot).unwrap();
            size += slot;
            if grown != three {
                break grown;
            }
        };
        assert!(size == 17 * slot && is_marked(last, 2 * slot, 3), "{size}");
    }
    // SAFETY: nobody uses its blocks any more.
    unsafe { heap.force_discard() };
    assert!(nothing_is_charged(tag), "{:?}", tag.account().own);
}

/// A heap that is not hardened, whatever the features say: what is tested is where blocks lie.
fn ordinary(tag: Tag) -> BucketHeap {
    BucketHeap::try_with(BucketHeapOptions::new(tag).hardened(false)).unwrap()
}

/// Linux since 5.7, unless a sanitizer stands between us and it.
fn pages_can_move() -> bool {
    let size = crate::os::granularity();
    let [from, to] = [(); 2].map(|()| crate::os::reserve(size, size).unwrap());
    // SAFETY: two reservations of this function's.
    unsafe {
        for base in [from, to] {
            crate::os::commit(base, size).unwrap();
        }
        let moved = crate::os::move_pages(from, to, size).is_ok();
        for base in [from, to] {
            crate::os::release(base, size).unwrap();
        }
        moved
    }
}

#[test]
fn huge_blocks_grow_by_moving_their_pages_or_by_copying() {
    let tag = fresh_tag();
    let heap = ordinary(tag);
    let empty = tag.account().own.committed;
    let layout = |size| Layout::from_size_align(size, 16).unwrap();
    let can_move = pages_can_move();
    // SAFETY: blocks of this test's, of so many bytes, freed once.
    unsafe {
        for refused in [false, true] {
            let mut size = 3 << 20;
            let mut block = heap.try_alloc(layout(size)).unwrap();
            mark(block, size, 7);
            let plan = crate::os::fake::fail_after(crate::os::Call::Move, if refused { 0 } else { u64::MAX });
            for _ in 0..4 {
                let grown = heap.try_realloc(block, layout(size), size * 2).unwrap();
                assert_ne!(grown, block);
                assert!(is_marked(grown, size, 7));
                (block, size) = (grown, size * 2);
                grown.add(size - 1).write(1);
                mark(block, size, 7);
                assert_eq!((heap.stats().live(), heap.stats().live_bytes()), (1, size as u64));
                if !refused && can_move {
                    let held = tag.account().own.committed - empty;
                    assert!(held <= size + (64 << 10), "{held} for {size}: the old pages are still charged");
                }
            }
            assert_eq!(plan.seen() >= 4, cfg!(target_os = "linux"), "{}", plan.seen());
            drop(plan);
            heap.free(block);
            heap.trim();
        }
    }
    assert!(tag.account().own.committed < 100 << 10, "{:?}", tag.account().own);
    drop(heap);
    assert!(nothing_is_charged(tag), "{:?}", tag.account().own);
}

#[test]
fn alignments_above_everything_are_kept() {
    let tag = fresh_tag();
    let heap = BucketHeap::try_new(tag).unwrap();
    let mut held = Vec::new();
    for bit in 0..27 {
        for size in [0, 1, 100, 5000, 70_000, 5 << 20] {
            let layout = Layout::from_size_align(size, 1 << bit).unwrap();
            let block = heap.try_alloc(layout).unwrap();
            assert!(block.addr().get().is_multiple_of(layout.align()), "{layout:?}");
            // SAFETY: a block of this test's, of so many bytes, freed once.
            unsafe { mark(block, size, bit as u8) };
            held.push((block, size, bit as u8));
        }
    }
    for (block, size, seed) in held {
        // SAFETY: a block of this test's, of so many bytes, freed once.
        unsafe {
            assert!(is_marked(block, size, seed) && heap.owns(block.as_ptr()));
            heap.free(block);
        }
    }
    assert_eq!(heap.stats().live(), 0);
    drop(heap);
    assert!(nothing_is_charged(tag));
}

#[test]
fn other_threads_free_what_one_allocates() {
    let tag = fresh_tag();
    let heap = BucketHeap::try_new(tag).unwrap();
    for _ in 0..3 {
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::sync_channel::<(usize, usize, u8)>(500);
            let heap = &heap;
            scope.spawn(move || {
                let mut random = Random(99);
                for round in 0..20_000 {
                    let size = random.below(3000);
                    let block = heap.try_alloc(Layout::from_size_align(size, 8).unwrap()).unwrap();
                    // SAFETY: a block of this test's, of so many bytes, freed once.
                    unsafe { mark(block, size, round as u8) };
                    sender.send((block.expose_provenance().get(), size, round as u8)).unwrap();
                }
            });
            scope.spawn(move || {
                for (block, size, seed) in receiver {
                    let block = NonNull::new(core::ptr::with_exposed_provenance_mut(block)).unwrap();
                    // SAFETY: a block of this test's, of so many bytes, freed once.
                    unsafe {
                        assert!(is_marked(block, size, seed));
                        heap.free(block);
                    }
                }
            });
        });
        assert_eq!(heap.stats().live(), 0);
    }
    trim_to(&heap, 200 << 10);
    drop(heap);
    assert!(nothing_is_charged(tag));
}

#[test]
fn threads_come_and_go_and_leave_nothing() {
    let tag = Tag::register("bucket/threads").unwrap();
    let mut passed: VecDeque<usize> = VecDeque::new();
    for round in 0..200 {
        let given = std::mem::take(&mut passed);
        let back = std::thread::spawn(move || {
            enter::<T>(tag).unwrap();
            for block in given {
                // SAFETY: a block of this test's, of so many bytes, freed once.
                unsafe { free::<T>(NonNull::new(core::ptr::with_exposed_provenance_mut(block)).unwrap()) };
            }
            (0..100)
                .map(|index| alloc::<T>(index * 7 + round).unwrap().expose_provenance().get())
                .collect::<VecDeque<_>>()
        });
        passed = back.join().unwrap();
    }
    for block in passed {
        // SAFETY: a block of this test's, of so many bytes, freed once.
        unsafe { free::<T>(NonNull::new(core::ptr::with_exposed_provenance_mut(block)).unwrap()) };
    }
    with_cache::<T, ()>(|cache| {
        cache.send_all();
        Ok(())
    })
    .unwrap();
    assert_eq!((process_stats(Some(tag)).allocs(), process_stats(Some(tag)).live()), (20_000, 0));
    assert!(cache::all().count() < 100);
}

#[test]
fn a_budget_refuses_and_nothing_is_lost() {
    let tag = fresh_tag();
    let heap = BucketHeap::try_new(tag).unwrap();
    let mut held = Vec::new();
    for size in [64, 5000, 100_000, 8 << 20] {
        tag.set_budget(Budget::hard(tag.account().own.committed + (4 << 20)));
        let layout = Layout::from_size_align(size, 16).unwrap();
        let refused = loop {
            match heap.try_alloc(layout) {
                Ok(block) => held.push(block),
                Err(error) => break error,
            }
            assert!(held.len() < 1 << 20);
        };
        assert!(matches!(refused, AllocError::Budget(_)), "{refused}");
        assert_eq!(heap.stats().live(), held.len() as u64);
        tag.set_budget(Budget::NONE);
    }
    // SAFETY: a block of this test's, of so many bytes, freed once.
    held.into_iter().for_each(|block| unsafe { heap.free(block) });
    assert!(matches!(
        heap.try_alloc(Layout::from_size_align(isize::MAX as usize - 64, 16).unwrap()),
        Err(AllocError::TooLarge { .. } | AllocError::Os { .. } | AllocError::Exhausted { .. })
    ));
    drop(heap);
    assert!(nothing_is_charged(tag));
}

#[test]
fn a_fixed_range_is_used_up_and_can_be_discarded() {
    let tag = fresh_tag();
    let heap = BucketHeap::try_with(BucketHeapOptions::new(tag).fixed(8 << 20)).unwrap();
    let layout = Layout::from_size_align(1000, 8).unwrap();
    let refused = loop {
        if let Err(error) = heap.try_alloc(layout) {
            break error;
        }
    };
    assert!(matches!(refused, AllocError::Exhausted { reserved: 0x80_0000, .. }), "{refused}");
    // Guards take address space, too.
    assert!(heap.stats().live_bytes() > if HARDENED { 5 << 20 } else { 7 << 20 });
    // SAFETY: nobody uses a block of it.
    unsafe { heap.force_discard() };
    assert!(nothing_is_charged(tag), "{:?}", tag.account().own);
    assert!(BucketHeap::try_with(BucketHeapOptions::new(tag).fixed(1 << 20)).is_err());
}

#[test]
fn what_waits_for_its_next_use_makes_room_before_anything_is_refused() {
    let tag = fresh_tag();
    let heap = BucketHeap::try_with(BucketHeapOptions::new(tag).fixed(12 << 20)).unwrap();
    let alloc = |size| heap.try_alloc(Layout::from_size_align(size, 16).unwrap());
    // SAFETY: a live block, here and below.
    unsafe { heap.free(alloc(6 << 20).unwrap()) };
    assert!(HARDENED || tag.account().own.committed > 6 << 20, "it waits");
    let large = alloc(7 << 20).expect("the range has room for one of them");
    // SAFETY: as above.
    unsafe { heap.free(large) };
    // A hardened heap keeps nothing of a large block that could make room.
    let room = if HARDENED { 64 << 10 } else { 0 };
    tag.set_budget(Budget::hard(tag.account().own.committed + room));
    let small = alloc(5000).expect("the budget has room without what waits");
    // SAFETY: as above.
    unsafe { heap.free(small) };
    drop(heap);
    assert!(nothing_is_charged(tag), "{:?}", tag.account().own);
}

#[test]
fn without_a_delay_memory_goes_at_once() {
    let tag = fresh_tag();
    let heap = BucketHeap::try_with(BucketHeapOptions::new(tag).purge_delay(0)).unwrap();
    let before = tag.account().own.committed;
    for size in [100_000, 1 << 20, 3 << 20] {
        let block = heap.try_alloc(Layout::from_size_align(size, 16).unwrap()).unwrap();
        assert!(tag.account().own.committed >= before + size);
        // SAFETY: a live block.
        unsafe { heap.free(block) };
        assert!(tag.account().own.committed < before + 50_000, "{size}: {:?}", tag.account().own);
    }
}

#[test]
fn freed_memory_goes_back_to_the_system_by_itself() {
    let tag = fresh_tag();
    let heap = BucketHeap::try_new(tag).unwrap();
    let layout = Layout::from_size_align(100, 8).unwrap();
    let held: Vec<_> = (0..(64 << 20) / 112).map(|_| heap.try_alloc(layout).unwrap()).collect();
    assert!(tag.account().own.committed > 64 << 20);
    // SAFETY: a block of this test's, of so many bytes, freed once.
    held.into_iter().for_each(|block| unsafe { heap.free(block) });
    let start = std::time::Instant::now();
    let mut held = VecDeque::new();
    while tag.account().own.committed > 6 << 20 {
        assert!(start.elapsed().as_secs() < 20, "{:?}", tag.account().own);
        for _ in 0..1000 {
            held.push_back(heap.try_alloc(layout).unwrap());
        }
        // SAFETY: a block of this test's, of so many bytes, freed once.
        held.drain(..).for_each(|block| unsafe { heap.free(block) });
    }
}

#[test]
fn a_tag_of_another_ledger_is_not_entered() {
    let stranger = fresh_tag();
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| enter::<T>(stranger))).is_err());
    assert_eq!(enter::<T>(Tag::untagged()).unwrap(), Tag::untagged());
}

#[test]
fn tags_have_places_of_their_own() {
    std::thread::spawn(|| {
        let (first, second) =
            (Tag::register("bucket/first").unwrap(), Tag::register("bucket/second").unwrap());
        let before = enter::<T>(first).unwrap();
        let one = alloc::<T>(100).unwrap();
        assert_eq!(enter::<T>(second).unwrap(), first);
        let two = alloc::<T>(200).unwrap();
        let three = alloc::<T>(300_000).unwrap();
        enter::<T>(before).unwrap();
        let live = |tag| (process_stats(Some(tag)).live(), process_stats(Some(tag)).live_bytes());
        assert_eq!(live(first), (1, 112));
        // The large one has what its span held before, if it held more.
        let (blocks, bytes) = live(second);
        assert_eq!(blocks, 2);
        let least = if HARDENED { 300_000 } else { 303_104 };
        assert!((208 + least..=208 + (5 << 16)).contains(&bytes), "{bytes}");
        assert!(first.account().own.committed >= 4096 && second.account().own.committed >= 300_000);
        // SAFETY: a block of this test's, of so many bytes, freed once.
        unsafe {
            free::<T>(one);
            free::<T>(two);
            free::<T>(three);
        }
        assert_eq!((live(first), live(second)), ((0, 0), (0, 0)));
    })
    .join()
    .unwrap();
}

#[test]
fn living_blocks_are_found_wherever_the_free_ones_are() {
    let heap = BucketHeap::try_new(fresh_tag()).unwrap();
    let mut random = Random(11);
    let mut held: Vec<(NonNull<u8>, usize)> = Vec::new();
    for round in 0..6 {
        for _ in 0..3000 {
            if held.len() > 1000 && random.below(2) == 0 {
                let (block, _) = held.swap_remove(random.below(held.len()));
                // SAFETY: a block of this test's, freed once.
                unsafe { heap.free(block) };
            } else {
                let size = if round == 3 { random.below(9 << 20) } else { random.size() };
                held.push((heap.try_alloc(Layout::from_size_align(size, 16).unwrap()).unwrap(), size));
                if round == 3 && !held.len().is_multiple_of(3) {
                    break;
                }
            }
        }
        // Some go by way of another thread, and lie in lists that this one has not looked at.
        let going: Vec<usize> =
            held.drain(..held.len() / 3).map(|(block, _)| block.as_ptr().expose_provenance()).collect();
        let heap = &heap;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for address in going {
                    let block = NonNull::new(core::ptr::with_exposed_provenance_mut(address)).unwrap();
                    // SAFETY: blocks of this test's, freed once.
                    unsafe { heap.free(block) };
                }
            });
        });
        let mut list = std::vec![LiveBlock::NONE; held.len() + 10];
        assert_eq!(heap.live_blocks(&mut list), held.len());
        list.truncate(held.len());
        list.sort_by_key(|block| block.address);
        held.sort_by_key(|(block, _)| *block);
        for (found, (block, size)) in list.iter().zip(&held) {
            assert_eq!((found.address, found.tag), (block.as_ptr().cast_const(), Some(heap.tag())));
            assert!(found.size >= *size);
        }
        assert_eq!(heap.live_blocks(&mut []), held.len());
        assert_eq!(heap.stats().live(), held.len() as u64);
    }
    // SAFETY: nobody uses its blocks any more.
    unsafe { heap.force_discard() };
}

#[test]
fn each_cache_has_its_figures() {
    std::thread::spawn(|| {
        let mine = || {
            let id = with_cache::<T, u32>(|cache| Ok(cache.id())).unwrap();
            let mut found = None;
            let mut numbers = Vec::new();
            each_thread(|thread| {
                numbers.push(thread.number);
                if thread.number == id {
                    found = Some(*thread);
                }
            });
            // The younger first, but for those that began at the same time.
            numbers.sort_unstable();
            assert!(numbers.is_sorted_by(|one, next| one < next), "each once: {numbers:?}");
            found.unwrap()
        };
        let before = mine();
        assert!(before.threads >= 1);
        let blocks: Vec<_> = (0..300).map(|index| alloc::<T>(index * 30).unwrap()).collect();
        let after = mine();
        assert_eq!((after.threads, after.heap.allocs()), (before.threads, before.heap.allocs() + 300));
        // Others may give back meanwhile what earlier threads of this cache left: not more than there was.
        assert!(after.heap.live() >= 300);
        for block in blocks {
            // SAFETY: taken above, freed once.
            unsafe { free::<T>(block) };
        }
        assert!(mine().heap.live() <= before.heap.live());
    })
    .join()
    .unwrap();
}

#[test]
fn what_waits_gives_way_to_what_is_needed() {
    const MIB: usize = 1 << 20;
    let tag = fresh_tag();
    let heap = BucketHeap::try_new(tag).unwrap();
    let take = |size| heap.try_alloc(Layout::from_size_align(size, 16).unwrap()).unwrap();
    let blocks: Vec<_> = (0..16).map(|_| take(MIB)).collect();
    // SAFETY: blocks of this test's, freed once.
    blocks.into_iter().for_each(|block| unsafe { heap.free(block) });
    let waiting = tag.account().own.committed;
    // Of no span: none of what waits can serve.
    let large = take(12 * MIB);
    let committed = tag.account().own.committed;
    // Hardened, nothing waits.
    assert!(!(MIB..16 * MIB).contains(&waiting), "{waiting}");
    assert!(
        (12 * MIB..25 * MIB).contains(&committed),
        "{committed}: half as much again as there was at most"
    );
    // SAFETY: as above.
    unsafe { heap.free(large) };
    drop(heap);
    assert!(nothing_is_charged(tag));
}

#[test]
fn many_tags_keep_little_for_the_next_time() {
    std::thread::spawn(|| {
        let tags: Vec<_> = (0..24).map(|n| Tag::register(&std::format!("sparse{n}")).unwrap()).collect();
        // The cache may be one that had fewer tags until now.
        for tag in &tags {
            enter::<T>(*tag).unwrap();
        }
        for tag in &tags {
            enter::<T>(*tag).unwrap();
            for size in (8 << 10..=32 << 10).step_by(1 << 10) {
                let blocks = [alloc::<T>(size).unwrap(), alloc::<T>(size).unwrap()];
                // SAFETY: taken above, freed once.
                blocks.into_iter().for_each(|block| unsafe { free::<T>(block) });
            }
        }
        let kept: u64 =
            by_tag().filter(|(tag, _)| tags.contains(tag)).map(|(_, figures)| figures.committed).sum();
        // Hardened, freed blocks wait where they are.
        if cfg!(not(feature = "hardened")) {
            assert!(kept <= 1 << 20, "{kept}: an empty page of each size and tag would be ten times as much");
        }
        enter::<T>(Tag::untagged()).unwrap();
    })
    .join()
    .unwrap();
}
