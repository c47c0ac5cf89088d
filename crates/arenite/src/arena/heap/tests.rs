//! The heap arena: where its blocks lie, what comes back and when, and figures that stay right.

use std::boxed::Box;
use std::cell::Cell;
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;

use super::*;
use crate::heap::named::HeapOptions;
use crate::ledger::{Budget, Ledger};

fn fresh_heap() -> Heap {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    let options = HeapOptions::new(ledger.register("arena").unwrap()).purge_delay(0);
    Heap::try_with(options).unwrap()
}

fn charged(heap: &Heap) -> usize {
    heap.trim();
    heap.tag().account().own.committed
}

#[test]
fn blocks_of_any_size_and_alignment_stay_apart() {
    #[derive(Clone, Copy)]
    #[repr(align(256))]
    struct Wide([u8; 256]);
    #[derive(Clone, Copy)]
    #[repr(align(0x2_0000))]
    struct Far([u8; 3]);

    let heap = fresh_heap();
    let mut arena = HeapArena::try_new(&heap).unwrap();
    for _ in 0..3 {
        let mut small = Vec::new();
        let mut wide = Vec::new();
        let mut long = Vec::new();
        for round in 0..300u32 {
            small.push((&*arena.alloc(round), round));
            wide.push(&*arena.alloc(Wide([round as u8; 256])));
            long.push(&*arena.alloc_slice_fill_with(round as usize * 97, |at| at as u32 ^ round));
            let far = arena.alloc(Far([1; 3]));
            assert!(core::ptr::from_ref(far).is_aligned() && far.0 == [1; 3]);
        }
        assert!(small.iter().all(|(at, value)| **at == *value));
        assert!(wide.iter().enumerate().all(|(round, one)| one.0 == [round as u8; 256]));
        for (round, slice) in long.iter().enumerate() {
            assert!(slice.iter().enumerate().all(|(at, value)| *value == at as u32 ^ round as u32));
        }
        assert!(arena.used() >= 300 * (8 + 256) + 300 * 299 / 2 * 97 * 4);
        assert!(arena.stats().committed >= arena.used());
        arena.reset();
        assert_eq!(arena.used(), 0);
    }
    drop(arena);
    heap.try_discard().unwrap();
}

#[test]
fn use_is_exact_across_chunks_and_own_ones() {
    let heap = fresh_heap();
    let arena = HeapArena::try_new(&heap).unwrap();
    let mut used = 0;
    for round in 0..5000usize {
        let len = if round % 100 == 99 { round * 40 } else { round % 61 };
        arena.alloc_slice_fill_with(len, |_| 1u8);
        used += len.next_multiple_of(8);
        assert_eq!(arena.used(), used, "round {round}");
    }
    assert_eq!(arena.stats().high_water, used);
}

#[test]
fn a_reset_keeps_pages_and_a_clear_gives_them_back() {
    let heap = fresh_heap();
    let empty = charged(&heap);
    let mut arena = HeapArena::try_new(&heap).unwrap();
    let fill = |arena: &HeapArena| {
        for _ in 0..1000 {
            arena.alloc_slice_fill_with(500, |at| at as u64);
        }
        arena.alloc_slice_fill_with(1 << 20, |_| 0u64);
    };
    fill(&arena);
    let (full, held) = (charged(&heap), arena.stats());
    assert!(full >= empty + 12_000_000 && held.committed >= held.used);
    arena.reset();
    assert_eq!((charged(&heap), arena.stats().committed), (full, held.committed));
    for _ in 0..5 {
        fill(&arena);
        arena.reset();
    }
    // What is spare is found again: at most the places of chunks differ.
    assert!(arena.stats().committed <= held.committed * 5 / 4, "{:?} after {held:?}", arena.stats());
    fill(&arena);
    let before = arena.stats();
    let trimmed = arena.trim();
    assert_eq!((arena.stats().committed, arena.used()), (before.committed - trimmed, before.used));
    let committed = arena.stats().committed;
    assert_eq!(arena.clear(), committed);
    assert_eq!((arena.used(), arena.stats().committed, arena.stats().chunks), (0, 0, 0));
    assert!(charged(&heap) <= empty + (64 << 10), "{} after {empty}", charged(&heap));
    fill(&arena);
    drop(arena);
    heap.try_discard().unwrap();
}

#[test]
fn scopes_free_what_is_theirs_and_nothing_else() {
    let heap = fresh_heap();
    let mut arena = HeapArena::try_new(&heap).unwrap();
    let mut guard = arena.guard();
    let mut scope = guard.scope();
    let kept = scope.alloc([1u64; 10]);
    let before = scope.used();
    for depth in 1..50usize {
        let sum = scope.scoped(|inner| {
            let block = inner.alloc_slice_fill_with(depth * 3000, |_| 2u8);
            inner.scoped(|inner| _ = inner.alloc([3u64; 500]));
            block.iter().map(|byte| usize::from(*byte)).sum::<usize>()
        });
        assert_eq!((sum, scope.used()), (depth * 6000, before));
    }
    let after = scope.alloc(4u32);
    assert_eq!((*kept, *after), ([1; 10], 4));
    drop(guard);
    assert_eq!(arena.used(), 0);
}

#[test]
fn a_forgotten_guard_frees_later() {
    let heap = fresh_heap();
    let mut arena = HeapArena::try_new(&heap).unwrap();
    {
        let mut guard = arena.guard();
        let mut scope = guard.scope();
        let mut inner = scope.guard();
        inner.scope().alloc([1u8; 100_000]);
        core::mem::forget(inner);
        assert_eq!(scope.used(), 100_000);
        scope.alloc(1u64);
    }
    assert_eq!(arena.used(), 0);
    core::mem::forget(arena.guard());
    arena.alloc(1u8);
    arena.reset();
    assert_eq!(arena.used(), 0);
}

#[test]
fn a_mark_above_where_the_arena_went_back_to_stays_stale_when_another_chunk_is_taken() {
    let mut arena = HeapArena::try_new(&fresh_heap()).unwrap();
    arena.alloc(1u64);
    let low = arena.mark();
    arena.alloc_slice_fill_with(100, |_| 2u64);
    let high = arena.mark();
    arena.release(low);
    // A chunk of its own, over the one that both marks are in.
    arena.alloc_slice_fill_with(1 << 20, |_| 0u8);
    assert_eq!(arena.try_release(high), Err(StaleMark));
    assert_eq!((arena.try_release(low), arena.used()), (Ok(()), 8));
}

#[test]
fn marks_are_gone_back_to_and_stale_ones_refused() {
    let heap = fresh_heap();
    let (mut arena, mut other) = (HeapArena::try_new(&heap).unwrap(), HeapArena::try_new(&heap).unwrap());
    let bottom = arena.mark();
    arena.alloc([1u8; 100]);
    let first = arena.mark();
    arena.alloc_slice_fill_with(200_000, |_| 1u8);
    let second = arena.mark();
    arena.alloc_slice_fill_with(9000, |_| 1u8);
    assert_eq!(other.try_release(first), Err(StaleMark));
    arena.release(second);
    assert_eq!(arena.used(), 104 + 200_000);
    arena.release(first);
    assert_eq!(arena.used(), 104);
    assert_eq!(arena.try_release(second), Err(StaleMark));
    // The same chunk again, but another time.
    arena.alloc_slice_fill_with(200_000, |_| 1u8);
    assert_eq!((arena.try_release(second), arena.used()), (Err(StaleMark), 104 + 200_000));
    arena.clear();
    assert_eq!(arena.try_release(first), Err(StaleMark));
    arena.alloc(1u8);
    arena.release(bottom);
    assert_eq!((arena.used(), arena.stats().high_water), (0, 104 + 200_000 + 9000));
}

#[test]
fn boxes_run_their_destructors_once() {
    let heap = fresh_heap();
    let mut arena = HeapArena::try_new(&heap).unwrap();
    let witness = Rc::new(());
    let one = arena.alloc_box(Rc::clone(&witness));
    let two = arena.try_alloc_box(Rc::clone(&witness)).unwrap();
    assert_eq!(Rc::strong_count(&one), 3);
    drop(ScopeBox::into_inner(two));
    drop(one);
    arena.scoped(|scope| {
        let _boxes: Vec<_> = (0..1000).map(|_| scope.alloc_box((Rc::clone(&witness), [0u64; 50]))).collect();
        assert_eq!(Rc::strong_count(&witness), 1001);
    });
    assert_eq!(Rc::strong_count(&witness), 1);
}

#[test]
fn vectors_and_strings_grow_in_it() {
    let heap = fresh_heap();
    let arena = HeapArena::try_new(&heap).unwrap();
    let mut numbers = arena.vec();
    (0..200_000u32).for_each(|number| numbers.push(number));
    assert!(numbers.iter().enumerate().all(|(at, number)| at as u32 == *number));
    let mut names = arena.vec();
    for number in 0..100 {
        let mut name = arena.string();
        name.try_push_fmt(format_args!("name {number}")).unwrap();
        names.push(name.into_str());
    }
    assert_eq!((&*names[0], &*names[99]), ("name 0", "name 99"));
    assert_eq!(arena.alloc_fmt(format_args!("{:>5000}|", 1)).len(), 5001);
    // Made in steps, each a chunk further: no more than twice as much is held as is needed.
    assert!(arena.stats().committed < 4 * 800_000 + (2 << 20), "{:?}", arena.stats());
}

#[test]
fn a_closure_that_panics_or_allocates_leaves_it_right() {
    let heap = fresh_heap();
    let arena = HeapArena::try_new(&heap).unwrap();
    let outer = arena.alloc_with(|| *arena.alloc_slice_fill_with(50_000, |_| 7u8).last().unwrap());
    assert_eq!(*outer, 7);
    let used = arena.used();
    let panics = std::panic::AssertUnwindSafe(|| {
        arena.alloc_with(|| -> [u64; 300] { std::panic::resume_unwind(Box::new(())) })
    });
    assert!(std::panic::catch_unwind(panics).is_err());
    assert_eq!(arena.used(), used);
}

#[test]
fn it_goes_to_another_thread() {
    let heap = fresh_heap();
    let mut arena = HeapArena::try_new(&heap).unwrap();
    arena.alloc_slice_fill_with(100_000, |_| 1u64);
    let arena = std::thread::spawn(move || {
        arena.reset();
        arena.alloc_slice_fill_with(50_000, |_| 2u64);
        arena
    })
    .join()
    .unwrap();
    assert_eq!(arena.used(), 400_000);
    drop(arena);
    heap.try_discard().unwrap();
}

#[test]
fn a_refusal_changes_nothing() {
    use crate::os::fake;
    let heap = fresh_heap();
    let mut arena = HeapArena::try_new(&heap).unwrap();
    let text = String::from("kept");
    let kept = arena.alloc_str(&text);
    heap.tag().set_budget(Budget::hard(heap.tag().account().own.committed));
    assert!(matches!(arena.try_alloc_slice_fill_with(1 << 20, |_| 0u8), Err(AllocError::Budget(_))));
    heap.tag().set_budget(Budget::NONE);
    assert_eq!(kept, "kept");
    assert!(matches!(arena.try_alloc_slice_uninit::<u64>(usize::MAX / 8), Err(AllocError::TooLarge { .. })));
    let used = arena.used();
    let faults = fake::fail_all_after(0);
    assert!(matches!(arena.try_alloc_slice_fill_with(5 << 20, |_| 0u8), Err(AllocError::Os { .. })));
    drop(faults);
    assert_eq!(arena.used(), used);
    // A little is left: smaller chunks than it would take serve.
    arena.clear();
    heap.trim();
    heap.tag().set_budget(Budget::hard(heap.tag().account().own.committed + (200 << 10)));
    let mut got = 0;
    while arena.try_alloc([0u64; 64]).is_ok() {
        got += 512;
    }
    assert!(got >= 100 << 10, "{got}");
    arena.reset();
    let again = core::iter::from_fn(|| arena.try_alloc([0u64; 64]).ok()).count() * 512;
    assert!(again >= got, "all that was had once is had again: {again} of {got}");
}

#[test]
fn program_code_that_runs_while_it_grows_may_use_it() {
    std::thread_local! {
        static ARENA: Cell<Option<&'static HeapArena>> = const { Cell::new(None) };
        static CALLS: Cell<usize> = const { Cell::new(0) };
    }
    fn react(_: &crate::ledger::Pressure) {
        if let Some(arena) = ARENA.get() {
            CALLS.set(CALLS.get() + 1);
            let block = arena.alloc_slice_fill_with(3000 * (CALLS.get() % 5 + 1), |_| 9u8);
            assert!(block.iter().all(|byte| *byte == 9));
        }
    }
    let heap = fresh_heap();
    heap.tag().on_pressure(&react).unwrap();
    let arena: &'static HeapArena = Box::leak(Box::new(HeapArena::try_new(&heap).unwrap()));
    ARENA.set(Some(arena));
    let mut blocks: Vec<&[u32]> = Vec::new();
    for round in 0..20_000u32 {
        // Its mark is somewhat above what is in use, again and again.
        heap.tag().set_budget(Budget::soft(heap.tag().account().own.committed / 8 * 9));
        blocks.push(arena.alloc_slice_fill_with(round as usize % 700, |at| at as u32 + round));
    }
    assert!(CALLS.get() > 5, "{}", CALLS.get());
    for (round, block) in blocks.iter().enumerate() {
        assert!(block.iter().enumerate().all(|(at, value)| *value == (at + round) as u32));
    }
    ARENA.set(None);
}

#[cfg(feature = "allocator-api2")]
#[test]
fn containers_live_in_it() {
    use allocator_api2::vec::Vec as AnyVec;
    use hashbrown::HashMap;

    let heap = fresh_heap();
    let mut arena = HeapArena::try_new(&heap).unwrap();
    let mut map = HashMap::with_hasher_in(std::hash::RandomState::new(), &arena);
    for number in 0..3000u32 {
        map.entry(number % 300).or_insert_with(|| AnyVec::new_in(&arena)).push(number);
    }
    assert!(map.iter().all(|(key, all)| all.len() == 10 && all.iter().all(|number| number % 300 == *key)));
    drop(map);
    arena.scoped(|scope| {
        let mut all = AnyVec::new_in(&*scope);
        all.extend(0..100_000u64);
        all.truncate(10);
        all.shrink_to_fit();
        assert_eq!(all.iter().sum::<u64>(), 45);
    });
    arena.clear();
}
