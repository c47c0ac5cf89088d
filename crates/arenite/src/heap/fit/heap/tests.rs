#![allow(unsafe_code, reason = "blocks of a heap are raw")]

#[cfg(feature = "serde")]
mod states;

use core::mem::MaybeUninit;
use std::boxed::Box;
use std::sync::Mutex;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::heap::fit::{Apart, Fixed, Growing, Inspected, Locked, RawHeap, Untouched, WithFallback};
use crate::ledger::Pressure;
use crate::{Budget, Ledger, Region, RegionOptions};

fn tag(name: &'static str) -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register(name).unwrap()
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

#[test]
fn memory_that_can_not_be_read_is_divided_all_the_same() {
    let tag = tag("untouched");
    // Reserved and not committed: whoever touches it ends the process.
    let region = Region::try_reserve(RegionOptions::new(tag, 1 << 30)).unwrap();
    let range = NonNull::slice_from_raw_parts(region.base(), region.reserved());
    let mut heap: FitHeap<Apart<Untouched>> =
        FitHeap::try_new(Apart::new(Untouched::new(tag, range))).unwrap();
    let mut blocks = Vec::new();
    for number in 1..2000 {
        blocks.push(heap.try_alloc(layout(number * 37, 1 << (number % 14))).unwrap());
        if number % 3 == 0 {
            let block = blocks.swap_remove(number * 7 % blocks.len());
            heap.free(block).unwrap();
            assert!(heap.free(block).is_err());
        }
    }
    for block in &blocks {
        let size = heap.usable_size(*block).unwrap();
        heap.try_resize(*block, layout(size / 2, 1)).unwrap();
    }
    for block in blocks {
        heap.free(block).unwrap();
    }
    assert_eq!((heap.stats().free_blocks, heap.largest_free()), (1, region.reserved()));
}

#[test]
fn buffers_of_any_size_at_any_place_are_used_as_far_as_they_go() {
    let tag = tag("small");
    for len in 0..300 {
        let mut buffer = vec![MaybeUninit::<u8>::uninit(); len + 16];
        for start in 0..16 {
            let place = &mut buffer[start..start + len];
            let range = place.as_ptr_range();
            match FitHeap::<Fixed>::try_new(Fixed::new(tag, place)) {
                Err(error) => assert!(len < 72, "{len}: {error}"),
                Ok(mut heap) => {
                    let largest = heap.largest_free();
                    let block = heap.try_alloc(layout(largest, 16)).unwrap();
                    assert!(range.start.cast::<u8>() <= block.as_ptr());
                    assert!(block.as_ptr().addr() + largest <= range.end.addr());
                    // SAFETY: so many bytes of ours.
                    unsafe { block.write_bytes(0xAB, largest) };
                    assert!(matches!(heap.try_alloc(layout(1, 1)), Err(FitError::OutOfMemory { .. })));
                    heap.free(block).unwrap();
                    assert_eq!(heap.largest_free(), largest);
                }
            }
            let mut apart = match FitHeap::<Apart<Fixed>>::try_new(Apart::new(Fixed::new(tag, place))) {
                Ok(heap) => heap,
                Err(_) if len < 32 => continue,
                Err(error) => panic!("{len}: {error}"),
            };
            assert!(apart.largest_free() + 31 > len);
            assert!(apart.try_alloc(layout(apart.largest_free(), 1)).is_ok());
        }
    }
}

#[test]
fn any_alignment_is_served_and_sizes_beyond_all_memory_are_refused() {
    let tag = tag("strict");
    let mut heap: FitHeap<Growing> = FitHeap::try_new(Growing::new(tag, 1 << 28)).unwrap();
    for shift in 0..26 {
        let block = heap.try_alloc(layout(10, 1 << shift)).unwrap();
        assert_eq!(block.addr().get() % (1 << shift), 0);
    }
    let before = heap.stats();
    assert!(matches!(heap.try_alloc(layout(1 << 29, 1)), Err(FitError::OutOfMemory { .. })));
    assert_eq!(heap.try_alloc(layout(isize::MAX as usize, 1)), Err(FitError::TooLarge));
    assert!(matches!(
        heap.try_alloc(layout(1 << 20, 1 << 30)),
        Err(FitError::OutOfContiguous { .. } | FitError::OutOfMemory { .. })
    ));
    assert_eq!(heap.stats().used, before.used);
}

#[test]
fn out_of_memory_and_out_of_contiguous_memory_are_told_apart() {
    let mut buffer = vec![MaybeUninit::uninit(); 1 << 16];
    let mut heap: FitHeap<Fixed> = FitHeap::try_new(Fixed::new(tag("torn"), &mut buffer)).unwrap();
    let mut blocks = Vec::new();
    while let Ok(block) = heap.try_alloc(layout(1000, 16)) {
        blocks.push(block);
    }
    for block in blocks.iter().step_by(2) {
        heap.free(*block).unwrap();
    }
    assert!(heap.stats().fragmentation() > 0.9);
    let refused = heap.try_alloc(layout(4000, 16)).unwrap_err();
    assert!(matches!(refused, FitError::OutOfContiguous { wanted: 4016, largest: 1008, .. }), "{refused}");
    assert!(matches!(heap.try_alloc(layout(60_000, 16)), Err(FitError::OutOfMemory { .. })));
}

#[test]
fn the_free_end_goes_back_and_comes_again() {
    let tag = tag("end");
    let mut heap: FitHeap<Growing> = FitHeap::try_new(Growing::new(tag, 1 << 26)).unwrap();
    let small = heap.try_alloc(layout(1000, 16)).unwrap();
    let large = heap.try_alloc(layout(10 << 20, 16)).unwrap();
    let high = tag.account().own.committed;
    assert_eq!(heap.try_trim(0).unwrap() / (1 << 20), high / (1 << 20) - 10);
    heap.free(large).unwrap();
    let gone = heap.try_trim(100_000).unwrap();
    assert!(gone > 9 << 20 && tag.account().own.committed < 1 << 20);
    // It grows again, and the block in front of the end grows with it.
    let grown = heap.try_resize(small, layout(5 << 20, 16)).unwrap();
    assert_eq!((grown, heap.stats().used_blocks), (small, 1));
    heap.publish();
    assert_eq!(tag.account().own.live as u64, heap.stats().used);
    heap.free(grown).unwrap();
    heap.try_trim(0).unwrap();
    drop(heap);
    assert_eq!((tag.account().own.committed, tag.account().own.live), (0, 0));
}

#[test]
fn wrappers_nest_and_moves_go_both_ways() {
    let tag = tag("nested");
    let mut buffer = vec![MaybeUninit::uninit(); 10_000];
    let first: FitHeap<Fixed> = FitHeap::try_new(Fixed::new(tag, &mut buffer)).unwrap();
    let second: FitHeap<Growing> = FitHeap::try_new(Growing::new(tag, 1 << 24)).unwrap();
    let both = WithFallback::new(Inspected::new(first), Locked::new(second));
    let mut heap = Inspected::new(both);
    let block = heap.try_alloc(layout(100, 16)).unwrap();
    // SAFETY: a block of so many bytes.
    unsafe { block.write_bytes(7, 100) };
    let away = heap.try_realloc(block, layout(100_000, 16)).unwrap();
    assert!(heap.inner().second().owns(away.as_ptr()) && !heap.inner().first().owns(away.as_ptr()));
    // Something behind it, so that it can not grow there.
    let wall = heap.try_alloc(layout(50_000, 16)).unwrap();
    let back = heap.try_realloc(away, layout(50, 4096)).unwrap();
    // SAFETY: as above.
    assert!(unsafe { core::slice::from_raw_parts(back.as_ptr(), 50) }.iter().all(|byte| *byte == 7));
    heap.free(wall).unwrap();
    heap.free(back).unwrap();
    assert_eq!(heap.free(back), Err(FreeError::DoubleFree));
    let calls = heap.calls();
    assert_eq!((calls.live_blocks, calls.live_bytes, calls.mistakes), (0, 0, 1));
    heap.inner_mut().second_mut().with_mut(|heap| assert_eq!(heap.stats().used, 0));
    assert_eq!(heap.inner().first().calls().live_blocks, 0);
}

#[test]
fn many_threads_use_a_heap_behind_a_lock() {
    let heap: FitHeap<Growing> = FitHeap::try_new(Growing::new(tag("locked"), 1 << 26)).unwrap();
    let heap = Locked::new(heap);
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let heap = &heap;
            scope.spawn(move || {
                let mut blocks = Vec::new();
                for number in 0..2000_usize {
                    let size = number * 31 % 900 + 1;
                    let block = heap.try_alloc(layout(size, 16)).unwrap();
                    // SAFETY: a block of so many bytes.
                    unsafe { block.write_bytes(thread, size) };
                    blocks.push((block, size));
                    if number % 2 == 1 {
                        let (block, size) = blocks.swap_remove(number * 13 % blocks.len());
                        // SAFETY: written above; nobody else has it.
                        unsafe {
                            let bytes = core::slice::from_raw_parts(block.as_ptr(), size);
                            assert!(bytes.iter().all(|byte| *byte == thread));
                            heap.free(block).unwrap();
                        }
                    }
                }
                for (block, _) in blocks {
                    // SAFETY: nobody else has it.
                    unsafe { heap.free(block).unwrap() };
                }
            });
        }
    });
    heap.with(|heap| assert_eq!((heap.stats().used_blocks, heap.stats().free_blocks), (0, 1)));
}

#[cfg(feature = "allocator-api2")]
#[test]
fn containers_live_in_a_heap_and_grow_where_they_lie() {
    use allocator_api2::vec::Vec as VecIn;

    let heap: FitHeap<Growing> = FitHeap::try_new(Growing::new(tag("containers"), 1 << 26)).unwrap();
    let heap = Locked::new(Inspected::new(heap));
    let mut numbers = VecIn::with_capacity_in(10, &heap);
    let start = numbers.as_ptr();
    numbers.extend(0..100_000_u64);
    assert_eq!(numbers.as_ptr(), start, "nothing was in the way");
    assert!(numbers.iter().copied().eq(0..100_000));
    let mut names = hashbrown::HashMap::with_hasher_in(std::hash::RandomState::new(), &heap);
    for number in 0..1000 {
        names.insert(number, number * 2);
    }
    numbers.truncate(10);
    numbers.shrink_to_fit();
    assert_eq!((numbers.as_ptr(), names[&500]), (start, 1000));
    let mut none: VecIn<(), _> = VecIn::new_in(&heap);
    none.extend([(); 10]);
    drop((numbers, names, none));
    heap.with(|heap| {
        assert_eq!((heap.calls().live_blocks, heap.calls().mistakes), (0, 0));
        assert_eq!(heap.inner().stats().free_blocks, 1);
    });
}

#[cfg(feature = "allocator-api2")]
#[test]
fn a_pressure_callback_may_drop_containers_of_the_heap_that_grows() {
    type Shared = Locked<FitHeap<Growing>>;
    type Kept = allocator_api2::vec::Vec<u8, &'static Shared>;
    static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());
    static BUSY: Mutex<Option<FitError>> = Mutex::new(None);
    static HEAP: Mutex<Option<&'static Shared>> = Mutex::new(None);
    fn make_room(_: &Pressure) {
        KEPT.lock().unwrap().clear();
        let heap = HEAP.lock().unwrap().unwrap();
        *BUSY.lock().unwrap() = heap.try_alloc(layout(1, 1)).err();
    }
    let tag = tag("callback");
    tag.on_pressure(&make_room).unwrap();
    let heap: FitHeap<Growing> = FitHeap::try_new(Growing::new(tag, 1 << 26)).unwrap();
    let heap: &'static Shared = Box::leak(Box::new(Locked::new(heap)));
    *HEAP.lock().unwrap() = Some(heap);
    for _ in 0..10 {
        KEPT.lock().unwrap().push(Kept::with_capacity_in(100_000, heap));
    }
    tag.set_budget(Budget::hard(tag.account().own.committed));
    assert!(matches!(heap.try_alloc(layout(4 << 20, 16)), Err(FitError::Refused(_))));
    assert_eq!(*BUSY.lock().unwrap(), Some(FitError::Busy));
    // What was dropped meanwhile is free.
    assert_eq!(heap.with(|heap| heap.stats().used_blocks), 0);
    tag.set_budget(Budget::NONE);
    assert!(heap.try_alloc(layout(4 << 20, 16)).is_ok());
}

#[test]
fn addresses_however_far_away_are_refused() {
    fn ask<S: Storage>(mut heap: FitHeap<S>) {
        let block = heap.try_alloc(layout(40, 16)).unwrap();
        for shift in 0..usize::BITS {
            for far in [1_usize << shift, usize::MAX << shift, (1 << shift) + (1 << shift >> 1)] {
                let Some(address) = NonNull::new(block.as_ptr().wrapping_add(far)) else { continue };
                let foreign = !heap.owns(address.as_ptr());
                let answer = heap.usable_size(address).unwrap_err();
                assert_eq!(answer == FreeError::Foreign, foreign, "{far:x}");
                assert_eq!(heap.free(address), Err(answer));
            }
        }
        heap.free(block).unwrap();
    }
    let mut buffer = vec![MaybeUninit::<u8>::uninit(); 1000];
    ask(FitHeap::<Fixed>::try_new(Fixed::new(tag("far"), &mut buffer)).unwrap());
    ask(FitHeap::<Apart<Fixed>>::try_new(Apart::new(Fixed::new(tag("far"), &mut buffer))).unwrap());
}

#[test]
fn blocks_are_found_by_their_offsets_and_the_fast_halves_do_what_the_whole_ones_do() {
    fn ask<S: Storage>(mut heap: FitHeap<S>) {
        let base = heap.base().addr().get();
        let mut blocks = Vec::new();
        for size in 0..200 {
            let block = heap.alloc_fast(size).expect("a free block is there");
            assert!(heap.usable_size(block).unwrap() >= size && block.addr().get().is_multiple_of(16));
            let offset = heap.offset_of(block).unwrap();
            assert_eq!((heap.block_at(offset), base + offset), (Ok(block), block.addr().get()));
            blocks.push(block);
        }
        for size in [1 << 20, usize::MAX, isize::MAX as usize, LARGEST + 1] {
            assert_eq!(heap.alloc_fast(size), None);
        }
        let inside = NonNull::new(blocks[100].as_ptr().wrapping_add(16)).unwrap();
        assert_eq!(heap.offset_of(inside), Err(FreeError::Misaligned));
        let free = blocks.swap_remove(50);
        let offset = heap.offset_of(free).unwrap();
        assert!(heap.free_fast(free.as_ptr()));
        for wrong in [free.as_ptr(), inside.as_ptr(), core::ptr::null_mut(), usize::MAX as *mut u8] {
            let before = heap.stats();
            assert!(!heap.free_fast(wrong));
            assert_eq!(heap.stats(), before);
        }
        assert_eq!(heap.offset_of(free), Err(FreeError::DoubleFree));
        assert_eq!(heap.block_at(offset), Err(FreeError::DoubleFree));
        for foreign in [usize::MAX, usize::MAX - base + 1, 0_usize.wrapping_sub(16), 1 << 40] {
            assert_eq!(heap.block_at(foreign), Err(FreeError::Foreign));
        }
        assert!(blocks.iter().all(|block| heap.free_fast(block.as_ptr())));
        assert_eq!((heap.stats().used_blocks, heap.stats().free_blocks), (0, 1));
    }
    let tag = tag("offsets");
    let mut buffer = vec![MaybeUninit::<u8>::uninit(); 1 << 18];
    ask(FitHeap::<Fixed>::try_new(Fixed::new(tag, &mut buffer)).unwrap());
    ask(FitHeap::<Apart<Fixed>>::try_new(Apart::new(Fixed::new(tag, &mut buffer))).unwrap());
}

#[test]
fn a_heap_behind_a_lock_is_changed_by_who_vouches_for_its_blocks() {
    let heap: FitHeap<Growing> = FitHeap::try_new(Growing::new(tag("vouched"), 1 << 26)).unwrap();
    let heap = Locked::new(heap);
    let block = heap.try_alloc(layout(1 << 20, 16)).unwrap();
    // SAFETY: the block is the test's.
    let went = unsafe {
        heap.try_with_mut(|inner| {
            inner.free(block).unwrap();
            // This thread has the lock.
            assert_eq!(heap.try_with_mut(|_| ()), None);
            assert_eq!(heap.try_alloc(layout(1, 1)), Err(FitError::Busy));
            inner.try_trim(0).unwrap()
        })
    };
    assert!(went.unwrap() >= 1 << 20);
    assert_eq!(heap.with(|heap| heap.stats().used_blocks), 0);
}
