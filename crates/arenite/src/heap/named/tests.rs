//! Named heaps: who holds one, what its reports say, and what tracking must not disturb.
#![expect(unsafe_code, reason = "a heap's blocks are raw")]

use core::alloc::Layout;
use std::boxed::Box as StdBox;
use std::string::ToString;
use std::thread;
use std::vec::Vec as StdVec;

use super::*;
use crate::ledger::{Budget, Ledger};

fn fresh_tag() -> Tag {
    let ledger: &'static Ledger = StdBox::leak(StdBox::new(Ledger::new()));
    ledger.register("level").unwrap()
}

fn charged(tag: Tag) -> (usize, usize) {
    let own = tag.account().own;
    (own.reserved, own.committed)
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// Each kind of heap, made anew.
fn kinds() -> [Heap; 2] {
    let plain = HeapOptions::new(fresh_tag());
    [plain, HeapOptions::new(fresh_tag()).track_blocks()].map(|options| Heap::try_with(options).unwrap())
}

/// Blocks on their way to another thread.
struct Sent(StdVec<(NonNull<u8>, Layout, u8)>);

// SAFETY: raw blocks of a heap that serves all threads; who has this is the only one who has them.
unsafe impl Send for Sent {}

impl Sent {
    fn all(self) -> StdVec<(NonNull<u8>, Layout, u8)> {
        self.0
    }
}

#[test]
fn a_heap_is_named_in_the_process_s_ledger() {
    let heap = Heap::named("named-tests/level");
    assert_eq!(heap.tag(), Tag::register("named-tests/level").unwrap());
    assert_eq!(heap.tag().parent().unwrap().name(), "named-tests");
    let again = Heap::try_named("named-tests/level").unwrap();
    assert!(again.tag() == heap.tag() && again != heap && heap == heap.clone());
    assert!(matches!(Heap::try_named("a//b"), Err(HeapError::Tag(_))));
    let small = HeapOptions::new(heap.tag()).fixed(1 << 20);
    assert!(matches!(Heap::try_with(small), Err(AllocError::Exhausted { .. })));
}

#[test]
fn what_lives_refuses_and_then_everything_goes() {
    for heap in kinds() {
        let tag = heap.tag();
        let block = heap.try_alloc(layout(100, 8)).unwrap();
        let refused = heap.try_discard().unwrap_err();
        assert_eq!((refused.blocks(), refused.handles(), refused.tag()), (1, 0, tag));
        let heap = refused.into_heap();
        let handle = heap.clone();
        // SAFETY: taken above.
        unsafe { heap.free(block) };
        let refused = heap.try_discard().unwrap_err();
        assert_eq!((refused.blocks(), refused.bytes(), refused.handles()), (0, 0, 1));
        drop(handle);
        refused.into_heap().try_discard().unwrap();
        assert_eq!(charged(tag), (0, 0));
    }
}

#[test]
fn the_last_handle_takes_an_empty_heap_with_it_and_leaks_another_one() {
    for heap in kinds() {
        let tag = heap.tag();
        let other = heap.clone();
        drop(heap);
        assert_ne!(charged(tag), (0, 0));
        drop(other);
        assert_eq!(charged(tag), (0, 0));
    }
    for heap in kinds() {
        let tag = heap.tag();
        let block = heap.try_alloc(layout(1000, 16)).unwrap();
        // SAFETY: ours, and it stays where it is.
        unsafe { block.write_bytes(7, 1000) };
        drop(heap);
        assert_ne!(charged(tag), (0, 0), "the ledger tells of what was leaked");
        // SAFETY: as above.
        unsafe { assert_eq!(block.add(999).read(), 7) };
    }
}

#[test]
fn a_forced_discard_takes_what_lives() {
    for heap in kinds() {
        let tag = heap.tag();
        for size in [1, 1000, 40_000, 3 << 20] {
            heap.try_alloc(layout(size, 16)).unwrap();
        }
        // SAFETY: nobody uses these blocks.
        unsafe { heap.force_discard() };
        assert_eq!(charged(tag), (0, 0));
    }
}

#[test]
fn blocks_keep_what_they_hold_at_every_alignment() {
    for heap in kinds() {
        let tracked = heap.shared().tracker.is_some();
        let mut held = StdVec::new();
        for (round, align) in (0..24).map(|bit| 1usize << bit).enumerate() {
            for size in [0, 1, 63, 64, 700, 5000, 70_000] {
                let seed = (round * 7 + size) as u8;
                let (zeroed, layout) = (seed.is_multiple_of(2), layout(size, align));
                let block =
                    if zeroed { heap.try_alloc_zeroed(layout) } else { heap.try_alloc(layout) }.unwrap();
                assert!(block.addr().get().is_multiple_of(align), "{layout:?}");
                // SAFETY: so many bytes that are ours.
                unsafe {
                    assert!(!zeroed || (0..size).all(|at| block.add(at).read() == 0));
                    block.write_bytes(seed, size);
                }
                held.push((block, layout, seed));
            }
        }
        for (index, (block, old, seed)) in held.iter_mut().enumerate() {
            let size = old.size() * [3, 1, 40][index % 3] / 2;
            // SAFETY: a block of this layout.
            let moved = unsafe { heap.try_realloc(*block, *old, size) }.unwrap();
            assert!(moved.addr().get().is_multiple_of(old.align()));
            // SAFETY: so many bytes that are ours.
            unsafe {
                assert!((0..size.min(old.size())).all(|at| moved.add(at).read() == *seed));
                moved.write_bytes(*seed, size);
            }
            (*block, *old) = (moved, layout(size, old.align()));
        }
        let report = heap.report();
        assert_eq!(report.blocks(), held.len() as u64);
        let bytes: usize = held.iter().map(|(_, layout, _)| layout.size()).sum();
        assert!(report.bytes() == bytes as u64 || (!tracked && report.bytes() > bytes as u64));
        let counted: u64 = report.classes().map(|(_, live)| live).sum::<u64>() + report.large().0;
        assert_eq!(counted, report.blocks());
        // On another thread.
        let ours = heap.clone();
        let held = Sent(held);
        thread::spawn(move || {
            for (block, layout, seed) in held.all() {
                // SAFETY: a block of this heap, freed once.
                unsafe {
                    assert!((0..layout.size()).all(|at| block.add(at).read() == seed), "{layout:?}");
                    ours.free(block);
                }
            }
        })
        .join()
        .unwrap();
        heap.try_discard().unwrap();
    }
}

#[test]
fn too_large_is_an_error() {
    for heap in kinds() {
        for size in [isize::MAX as usize - 15, isize::MAX as usize - 100] {
            let refused = heap.try_alloc(layout(size, 16)).unwrap_err();
            assert!(matches!(refused, AllocError::TooLarge { .. } | AllocError::Os { .. }), "{refused}");
        }
        let block = heap.try_alloc(layout(8, 8)).unwrap();
        // SAFETY: ours.
        unsafe {
            assert!(heap.try_realloc(block, layout(8, 8), usize::MAX - 3).is_err());
            heap.free(block);
        }
        heap.try_discard().unwrap();
    }
}

#[test]
fn a_report_names_the_largest_and_counts_all() {
    let heap = Heap::try_with(HeapOptions::new(fresh_tag()).track_blocks()).unwrap();
    crate::base::frame_begins();
    for size in 1..=100 {
        heap.try_alloc(layout(size * 8, 8)).unwrap();
    }
    let _other = heap.try_alloc(layout(800, 8)).unwrap();
    crate::base::frame_begins();
    let report = heap.report();
    assert_eq!((report.blocks(), report.bytes()), (101, (1..=100).map(|size| size * 8).sum::<u64>() + 800));
    let sizes: StdVec<_> = report.survivors().map(|survivor| survivor.size).collect();
    assert_eq!(sizes[..3], [800, 800, 792]);
    assert_eq!(sizes.len(), 16);
    let survivors: StdVec<_> = report.survivors().collect();
    assert!(survivors[0].age >= survivors[1].age, "the older one first");
    assert!(
        survivors
            .iter()
            .all(|one| one.frames >= 1 && one.place.file() == file!() && heap.owns(one.address as *const u8))
    );
    assert!(report.to_string().contains("and 85 smaller ones"), "{report}");
    // SAFETY: nobody uses these blocks.
    unsafe { heap.force_discard() };
}

#[test]
fn places_are_those_of_handles_and_of_sites() {
    let heap = Heap::try_with(HeapOptions::new(fresh_tag()).track_blocks()).unwrap();
    let mine = line!() + 1;
    let handle = heap.clone();
    handle.try_alloc(layout(1, 1)).unwrap();
    let said = line!() + 1;
    let outer = heap.site("loading");
    {
        let _inner = heap.site("textures");
        heap.try_alloc(layout(2, 1)).unwrap();
    }
    heap.try_alloc(layout(3, 1)).unwrap();
    drop(outer);
    let told: StdVec<_> =
        heap.report().survivors().map(|one| (one.size, one.label, one.place.line())).collect();
    assert_eq!(told[0], (3, Some("loading"), said));
    assert_eq!((told[1].0, told[1].1), (2, Some("textures")));
    assert_eq!(told[2], (1, None, mine));
    let places: StdVec<_> = heap.report().handle_places().map(Location::line).collect();
    assert_eq!(places, [mine]);
    let text = heap.report().to_string();
    assert!(
        text.contains("textures (") && text.contains(&std::format!("handle made at {}:{mine}", file!())),
        "{text}"
    );
    drop(handle);
    // SAFETY: nobody uses these blocks.
    unsafe { heap.force_discard() };
}

#[test]
fn sites_that_end_out_of_order_leave_no_name_behind() {
    let heap = Heap::try_with(HeapOptions::new(fresh_tag()).track_blocks()).unwrap();
    let label = || {
        let block = heap.try_alloc(layout(10, 1)).unwrap();
        let label = heap.report().survivors().next().unwrap().label;
        // SAFETY: taken above.
        unsafe { heap.free(block) };
        label
    };
    let (outer, inner) = (heap.site("outer"), heap.site("inner"));
    assert_eq!(label(), Some("inner"));
    drop(outer);
    assert_eq!(label(), None, "it ends what was named inside of it");
    let (other, innermost) = (heap.site("other"), heap.site("innermost"));
    drop(inner);
    assert_eq!(label(), Some("innermost"), "as deep as one that is open, and yet another one");
    drop(innermost);
    assert_eq!(label(), Some("other"));
    drop(other);
    assert_eq!(label(), None);
    let outer = heap.site("outer");
    core::mem::forget(heap.site("forgotten"));
    drop(outer);
    assert_eq!(label(), None);
}

#[test]
fn records_of_tracked_handles_change_hands() {
    let heap = Heap::try_with(HeapOptions::new(fresh_tag()).track_blocks()).unwrap();
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| (0..1000).for_each(|_| drop(heap.clone())));
        }
    });
    assert_eq!((heap.handles(), heap.report().handle_places().count()), (1, 0));
    heap.try_discard().unwrap();
}

#[test]
fn without_tracking_a_report_has_totals_and_says_how_to_learn_more() {
    let heap = Heap::try_new(fresh_tag()).unwrap();
    for size in [10, 20, 60_000] {
        heap.try_alloc(layout(size, 1)).unwrap();
    }
    let report = heap.report();
    assert_eq!((report.blocks(), report.survivors().count(), report.handle_places().count()), (3, 0, 0));
    let (classes, large) = (report.classes().collect::<StdVec<_>>(), report.large());
    if cfg!(feature = "hardened") {
        // A canary behind each, and of a large block just what was asked for.
        assert_eq!((classes, large), (std::vec![(32, 2)], (1, 60_000)));
    } else {
        assert_eq!((classes, large), (std::vec![(16, 1), (32, 1)], (1, 61_440)));
    }
    assert!(report.to_string().contains("track_blocks"), "{report}");
    // SAFETY: nobody uses these blocks.
    unsafe { heap.force_discard() };
}

#[test]
fn a_discard_that_races_with_other_handles_is_refused_until_they_are_gone() {
    for mut heap in kinds() {
        let tag = heap.tag();
        let threads: StdVec<_> = (0..4usize)
            .map(|number| {
                let heap = heap.clone();
                thread::spawn(move || {
                    let mut held = StdVec::new();
                    for round in 0..3000usize {
                        let layout = layout((round * 37 + number) % 3000 + 1, 8);
                        let block = heap.clone().try_alloc(layout).unwrap();
                        // SAFETY: so many bytes that are ours.
                        unsafe { block.write_bytes(number as u8, layout.size()) };
                        held.push((block, layout));
                        if round % 2 == 0 {
                            let (block, layout) = held.swap_remove(round * 13 % held.len());
                            // SAFETY: a block of this heap, freed once.
                            unsafe {
                                assert_eq!(block.add(layout.size() - 1).read(), number as u8);
                                heap.free(block);
                            }
                        }
                    }
                    for (block, _) in held {
                        // SAFETY: as above.
                        unsafe { heap.free(block) };
                    }
                })
            })
            .collect();
        loop {
            match heap.try_discard() {
                Ok(()) => break,
                Err(refused) => {
                    assert!(refused.handles() > 0 || refused.blocks() > 0);
                    drop(refused.to_string());
                    heap = refused.into_heap();
                }
            }
        }
        assert_eq!(charged(tag), (0, 0), "all at once, whatever threads are still about to end");
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(charged(tag), (0, 0));
    }
}

#[test]
fn a_refusal_at_any_moment_leaves_nothing_behind() {
    use crate::os::fake;
    for track in [false, true] {
        for allowed in 0.. {
            let tag = fresh_tag();
            let options = HeapOptions::new(tag);
            let faults = fake::fail_all_after(allowed);
            let made = Heap::try_with(if track { options.track_blocks() } else { options });
            let refused = faults.refused();
            drop(faults);
            match made {
                Ok(heap) => {
                    heap.try_discard().unwrap();
                    assert_eq!(charged(tag), (0, 0));
                    assert!(allowed > 0);
                    break;
                }
                Err(error) => assert!(refused > 0 && matches!(error, AllocError::Os { .. }), "{error}"),
            }
            assert_eq!(charged(tag), (0, 0), "after {allowed} calls");
        }
    }
    // Budgets, too: none of these sizes is enough for all of it.
    for track in [false, true] {
        for limit in (0..64 << 10).step_by(4096) {
            let tag = fresh_tag();
            tag.set_budget(Budget::hard(limit));
            let options = HeapOptions::new(tag);
            if let Ok(heap) = Heap::try_with(if track { options.track_blocks() } else { options }) {
                // Handles can be made without end; those without memory for a record have none.
                let handles: StdVec<_> = (0..2000).map(|_| heap.clone()).collect();
                assert_eq!(heap.report().handles(), 2000);
                let mut held = StdVec::new();
                while let Ok(block) = heap.try_alloc(layout(500, 8)) {
                    held.push(block);
                }
                assert_eq!(heap.report().blocks(), held.len() as u64);
                // SAFETY: blocks of this heap, freed once.
                held.into_iter().for_each(|block| unsafe { heap.free(block) });
                drop(handles);
                heap.try_discard().unwrap();
            }
            assert_eq!(charged(tag), (0, 0), "with {limit} bytes");
        }
    }
}

#[cfg(feature = "allocator-api2")]
mod containers {
    use std::hash::RandomState;

    use allocator_api2::alloc::Allocator;
    use allocator_api2::boxed::Box;
    use allocator_api2::vec::Vec;
    use hashbrown::HashMap;

    use super::*;
    use crate::GlobalHeap;

    #[test]
    fn containers_live_in_a_heap_and_hold_it() {
        for heap in kinds() {
            let tag = heap.tag();
            let mut names: HashMap<HeapString, Vec<u32, Heap>, _, Heap> =
                HashMap::with_hasher_in(RandomState::new(), heap.clone());
            for number in 0..500u32 {
                let mut name = heap.string();
                name.try_push_fmt(format_args!("sprite {}", number % 50)).unwrap();
                names.entry(name).or_insert_with(|| heap.vec()).push(number);
            }
            assert_eq!((names.len(), names["sprite 7"].len(), names["sprite 7"][9]), (50, 10, 457));
            let refused = heap.try_discard().unwrap_err();
            assert!(refused.blocks() >= 101 && refused.handles() == 101, "{refused}");
            let heap = refused.into_heap();
            drop(names);
            heap.try_discard().unwrap();
            assert_eq!(charged(tag), (0, 0));
        }
    }

    #[test]
    fn a_container_outlives_the_handle_it_was_made_from() {
        let heap = Heap::try_new(fresh_tag()).unwrap();
        let tag = heap.tag();
        let mut numbers = heap.vec();
        drop(heap);
        numbers.extend(0..10_000u64);
        assert_eq!(numbers.iter().sum::<u64>(), 49_995_000);
        drop(numbers);
        assert_eq!(charged(tag), (0, 0));
    }

    #[test]
    fn a_vector_s_place_is_where_it_was_made_not_where_it_grew() {
        let heap = Heap::try_with(HeapOptions::new(fresh_tag()).track_blocks()).unwrap();
        let made = line!() + 1;
        let mut numbers = heap.vec();
        numbers.push(1u8);
        let first = *heap.report().survivors().next().unwrap();
        assert_eq!((first.place.file(), first.place.line()), (file!(), made));
        // Through the bare trait there is no better place than the handle's.
        let borrowed = Vec::<u8, &Heap>::with_capacity_in(100, &heap);
        let survivor = *heap.report().survivors().next().unwrap();
        assert_eq!((survivor.size, survivor.place), (100, heap.place()));
        drop(borrowed);
        // It grew: the place of a block stays, its size does not.
        numbers.extend(0..200);
        let grown = *heap.report().survivors().next().unwrap();
        assert!(grown.size >= 201 && grown.place.line() == made);
    }

    #[test]
    fn boxes_and_strings_are_what_they_hold() {
        for heap in kinds() {
            let value = heap.alloc_box([7u64; 4]);
            let nothing = heap.try_alloc_box(()).unwrap();
            let moved: Box<[u64; 4], Heap> = value.clone();
            assert_eq!((*value, *moved, *nothing), ([7; 4], [7; 4], ()));
            let mut text = heap.string();
            text.push_str("grün");
            text.push('!');
            assert_eq!((&*text, text.len(), text.clone() == "grün!"), ("grün!", 6, true));
            text.truncate(4);
            text.shrink_to_fit();
            assert_eq!(text.as_str(), "grü");
            assert_eq!(text.into_bytes().len(), 4);
            drop((value, moved, nothing));
            heap.try_discard().unwrap();
        }
    }

    #[test]
    fn a_string_tells_why_it_can_not_grow() {
        let heap = Heap::try_new(fresh_tag()).unwrap();
        let mut text = heap.string();
        text.push_str("before");
        heap.tag().set_budget(Budget::hard(1 << 20));
        let long = "x".repeat(2 << 20);
        assert!(matches!(text.try_push_str(&long), Err(AllocError::Budget(_))));
        assert!(matches!(text.try_push_fmt(format_args!("{long}")), Err(AllocError::Budget(_))));
        assert_eq!(text, "before");
    }

    /// Every way that a container can change a block, through the trait.
    fn resizes(heap: &impl Allocator) {
        for (old, new) in [
            (layout(100, 8), layout(300, 8)),
            (layout(100, 8), layout(100_000, 64)),
            (layout(16, 64), layout(5000, 4096)),
            (layout(3 << 20, 16), layout(5 << 20, 16)),
            (layout(0, 16), layout(50, 32)),
            (layout(0, 1), layout(0, 128)),
        ] {
            let block = heap.allocate_zeroed(old).unwrap().cast::<u8>();
            // SAFETY: blocks of these layouts, in turn.
            unsafe {
                block.write_bytes(5, old.size());
                let grown = heap.grow(block, old, new).unwrap();
                let start = grown.cast::<u8>();
                assert!(grown.len() >= new.size() && start.addr().get().is_multiple_of(new.align()));
                assert!((0..old.size()).all(|at| start.add(at).read() == 5));
                start.write_bytes(6, new.size());
                let back = heap.shrink(start, new, old).unwrap().cast::<u8>();
                assert!((0..old.size()).all(|at| back.add(at).read() == 6));
                let grown = heap.grow_zeroed(back, old, new).unwrap().cast::<u8>();
                assert!(grown.addr().get().is_multiple_of(new.align()));
                let zero = |at: &usize| grown.add(*at).read() == if *at < old.size() { 6 } else { 0 };
                assert!((0..new.size()).all(|at| zero(&at)));
                heap.deallocate(grown, new);
            }
        }
    }

    #[test]
    fn blocks_grow_and_shrink_through_the_trait() {
        for heap in kinds() {
            resizes(&heap);
            resizes(&&heap);
            assert_eq!(heap.report().blocks(), 0);
            heap.try_discard().unwrap();
        }
        resizes(&GlobalHeap);
    }

    #[test]
    fn shrinking_does_not_need_memory() {
        for heap in kinds() {
            let mut numbers = heap.vec::<u64>();
            numbers.extend(0..1000);
            // No class of smaller blocks has any, and none can be had.
            heap.tag().set_budget(Budget::hard(1));
            numbers.truncate(20);
            numbers.shrink_to_fit();
            assert_eq!((numbers.capacity(), numbers.iter().sum::<u64>()), (20, 190));
            if heap.shared().tracker.is_some() {
                assert_eq!(heap.report().bytes(), 160);
            }
            // It is one of the new size for whoever looks for mistakes, too.
            heap.tag().set_budget(Budget::NONE);
            numbers.extend(20..40);
            numbers.shrink_to_fit();
            assert_eq!((numbers.capacity(), numbers.iter().sum::<u64>()), (40, 780));
            drop(numbers);
            let mut bytes = heap.vec::<u8>();
            bytes.resize(900 << 10, 7);
            heap.tag().set_budget(Budget::hard(1));
            bytes.truncate(500 << 10);
            bytes.shrink_to_fit();
            heap.tag().set_budget(Budget::NONE);
            bytes.extend_from_slice(&[7; 10]);
            assert!(bytes.iter().all(|byte| *byte == 7));
            drop(bytes);
            heap.try_discard().unwrap();
        }
    }

    #[test]
    fn a_refusal_is_an_error_of_the_container() {
        for heap in kinds() {
            heap.tag().set_budget(Budget::hard(1 << 20));
            let mut numbers = heap.vec::<u64>();
            assert!(numbers.try_reserve(1 << 20).is_err());
            numbers.try_reserve(100).unwrap();
        }
    }
}
