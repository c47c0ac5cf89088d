//! What safe code can do to a handle pool, and what it must not achieve.

use std::boxed::Box;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec::Vec;

use super::marks::Mark;
use super::*;
use crate::ledger::{Budget, Ledger};
use crate::os::{Call, fake};

mod borrows;
mod reserving;
mod secondaries;
#[cfg(feature = "serde")]
mod states;

fn fresh_tag() -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register("test/handles").expect("a fresh ledger has room")
}

fn pool<T>(capacity: usize) -> HandlePool<T> {
    HandlePool::try_new(fresh_tag(), capacity).expect("address space")
}

/// Everything that the columns say about each slot agrees.
fn check<T>(pool: &HandlePool<T>) {
    let mut seen = std::collections::HashMap::new();
    for place in 0..pool.free_len {
        // SAFETY: below `free_len`.
        let index = unsafe { pool.free.add(place as usize).read() };
        assert!(seen.insert(index, "free").is_none(), "slot {index} is free twice");
    }
    for (handle, _) in pool {
        assert!(seen.insert(handle.index(), "live").is_none(), "slot {} is free and live", handle.index());
        assert!(pool.contains(handle));
    }
    let mut retired = 0;
    for index in 0..pool.opened {
        // SAFETY: open.
        unsafe {
            let (live, generation) = (pool.slots.is_live(index), pool.slots.generation(index));
            assert_eq!(live, generation % 2 == 1, "slot {index} has generation {generation}");
            let marked = [Mark::Detached, Mark::Reserved].map(|mark| pool.marks.has(index, mark));
            let states = usize::from(generation == RETIRED)
                + usize::from(seen.contains_key(&index))
                + marked.iter().filter(|mark| **mark).count();
            assert_eq!(states, 1, "slot {index} is {:?}, {marked:?}, {generation}", seen.get(&index));
            retired += usize::from(generation == RETIRED);
        }
    }
    assert_eq!((pool.retired(), pool.iter().count()), (retired, pool.len()));
    for word in 0..pool.opened.div_ceil(WORD) {
        // SAFETY: a slot of the word is open.
        let bits = unsafe { pool.slots.word(word) };
        let (start, end) = (word * WORD, pool.opened.min((word + 1) * WORD));
        assert_eq!(bits.checked_shr(end - start).unwrap_or(0), 0, "a bit behind the last slot");
    }
}

/// Writes its number down when it is dropped; one number panics.
#[derive(Clone)]
struct Tracked {
    number: u32,
    log: Rc<RefCell<Vec<u32>>>,
    bomb: bool,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.log.borrow_mut().push(self.number);
        if self.bomb {
            std::panic::resume_unwind(Box::new(self.number));
        }
    }
}

fn tracked(log: &Rc<RefCell<Vec<u32>>>, number: u32, bomb: bool) -> Tracked {
    Tracked { number, log: Rc::clone(log), bomb }
}

#[test]
fn values_are_found_until_they_are_removed_and_never_again() {
    let mut pool = pool::<String>(1000);
    let handles: Vec<_> = (0..1000).map(|n| pool.insert(n.to_string())).collect();
    assert_eq!(pool.len(), 1000);
    let full = pool.try_insert("one more".into()).unwrap_err();
    assert_eq!((full.value.as_str(), full.error), ("one more", pool.full()));
    for (n, handle) in handles.iter().enumerate() {
        assert_eq!(handle.index() as usize, n, "slots are given out in order");
        assert_eq!(pool.get(*handle).unwrap(), &n.to_string());
    }
    for handle in handles.iter().step_by(3) {
        assert!(pool.remove(*handle).is_some());
        assert!(pool.remove(*handle).is_none() && !pool.contains(*handle));
    }
    check(&pool);
    let again: Vec<_> = (0..334).map(|n| pool.insert(std::format!("again {n}"))).collect();
    assert!(handles.iter().step_by(3).all(|stale| pool.get(*stale).is_none()));
    assert!(again.iter().enumerate().all(|(n, handle)| pool[*handle] == std::format!("again {n}")));
    assert_eq!(again[0].index(), 999, "the last one that was vacated comes first");
    check(&pool);
}

#[test]
fn numbers_that_are_no_handles_find_nothing_that_is_not_there() {
    let mut pool = pool::<Box<u32>>(100);
    let gone = pool.insert(Box::new(1));
    let kept = pool.insert(Box::new(2));
    pool.remove(gone);
    let detached = pool.insert(Box::new(3));
    let value = pool.detach(detached).unwrap();
    let reserved = pool.reserve();
    for index in (0..200).chain([u32::MAX, u32::MAX - 1, 1 << 31]) {
        for generation in (1..20).chain([RETIRED, LAST, u32::MAX, u32::MAX - 4]) {
            let bits = u64::from(generation) << 32 | u64::from(index);
            let forged = Handle::from_bits(bits);
            assert_eq!(forged.is_some(), generation & 1 == 1, "{bits:x}");
            let Some(forged) = forged else { continue };
            let hit = index == kept.index() && generation == kept.generation();
            assert_eq!(pool.get(forged).is_some(), hit, "{forged:?}");
            assert_eq!(pool.get_mut(forged).is_some(), hit);
            assert_eq!(pool.borrow_many().get_mut(forged).is_ok(), hit);
            if !hit {
                assert!(pool.remove(forged).is_none() && pool.detach(forged).is_none());
                if index != detached.index() || generation != detached.generation() {
                    assert!(pool.reattach(forged, Box::new(0)).is_err() && !pool.abandon(forged));
                }
            }
        }
    }
    pool.reattach(detached, value).unwrap();
    pool.flush(|handle| Box::new(if handle == reserved { 4 } else { 0 }));
    assert_eq!([kept, detached, reserved].map(|handle| *pool[handle]), [2, 3, 4]);
    check(&pool);
}

#[test]
fn a_slot_is_driven_through_its_whole_range_and_retires() {
    let mut pool = pool::<u32>(1).retire_after(1000);
    let mut handles = Vec::new();
    for n in 0..1000 {
        let handle = pool.insert(n);
        assert!(handles.iter().all(|stale| pool.get(*stale).is_none()), "use {n}");
        handles.push(handle);
        assert_eq!(pool.remove(handle), Some(n));
    }
    assert_eq!((pool.retired(), pool.len()), (1, 0));
    assert!(matches!(pool.try_insert(0).unwrap_err().error, AllocError::Full { capacity: 1, .. }));
    assert!(pool.try_reserve().is_err());
    pool.clear();
    pool.try_trim().unwrap();
    assert!(pool.try_insert(0).is_err(), "neither forgets");
    assert!(handles.iter().all(|stale| pool.get(*stale).is_none()));
    assert_eq!(pool.recycle(), 1);
    assert_eq!(pool.recycle(), 0);
    let back = pool.insert(7);
    assert_eq!(back, handles[0], "from here on old handles may resolve, as documented");
    check(&pool);
}

#[test]
fn the_true_last_generation_retires_too() {
    let mut pool = pool::<u32>(1);
    let first = pool.insert(1);
    pool.remove(first);
    // As after 2^31 - 2 further uses.
    // SAFETY: open and free; an even generation below the last.
    unsafe { pool.slots.set_generation(0, LAST - 1) };
    let last = pool.insert(2);
    assert_eq!(last.generation(), LAST);
    let value = pool.detach(last).unwrap();
    assert!(pool.get(last).is_none());
    pool.reattach(last, value).unwrap();
    assert_eq!(pool.remove(last), Some(2));
    assert_eq!(pool.retired(), 1);
    for generation in [1, u32::MAX, LAST] {
        let handle = Handle::from_bits(u64::from(generation) << 32).unwrap();
        assert!(!pool.contains(handle) && !pool.abandon(handle) && pool.reattach(handle, 3).is_err());
    }
    check(&pool);
}

#[test]
fn trimming_and_clearing_forget_no_generation() {
    let mut pool = pool::<[u64; 8]>(100_000);
    let mut stale = Vec::new();
    for round in 0..20 {
        let handles: Vec<_> = (0..5000 + round).map(|n| pool.insert([n; 8])).collect();
        assert!(stale.iter().all(|stale| !pool.contains(*stale)), "round {round}");
        let committed = pool.committed();
        match round % 4 {
            0 => pool.clear(),
            1 => drop(pool.drain()),
            2 => pool.retain(|_, _| false),
            _ => handles.iter().for_each(|handle| assert!(pool.remove(*handle).is_some())),
        }
        assert!(pool.is_empty());
        check(&pool);
        if round % 3 != 0 {
            pool.try_trim().unwrap();
            assert_eq!(pool.slots(), 0);
            assert!(pool.committed() < committed / 4, "{} of {committed}", pool.committed());
        }
        stale.extend(handles);
    }
    // One that stays keeps what is before it.
    let handles: Vec<_> = (0..5000).map(|n| pool.insert([n; 8])).collect();
    pool.retain(|handle, _| handle == handles[2500]);
    pool.try_trim().unwrap();
    assert_eq!((pool.slots(), pool.len()), (2501, 1));
    check(&pool);
    for n in 0..5000 {
        let handle = pool.insert([n; 8]);
        assert!(!stale.contains(&handle) && !handles.contains(&handle));
    }
    assert_eq!(pool[handles[2500]], [2500; 8]);
    check(&pool);
}

#[test]
fn walks_are_in_slot_order_and_know_their_length() {
    let mut pool = pool::<u32>(200_000);
    assert_eq!(pool.iter().next(), None);
    let handles: Vec<_> = (0..200_000).map(|n| pool.insert(n)).collect();
    let mut random = 1_u32;
    let mut model: Vec<Option<u32>> = (0..200_000).map(Some).collect();
    for keep in [2, 5, 100, 5000] {
        for (n, handle) in handles.iter().enumerate() {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if !(random >> 8).is_multiple_of(keep) && model[n].take().is_some() {
                pool.remove(*handle).unwrap();
            }
        }
        let live: Vec<u32> = model.iter().flatten().copied().collect();
        assert!(pool.values().copied().eq(live.iter().copied()));
        assert!(
            pool.iter()
                .map(|(handle, value)| (handle, *value))
                .eq(live.iter().map(|n| (handles[*n as usize], *n)))
        );
        assert!(pool.handles().eq(live.iter().map(|n| handles[*n as usize])));
        let mut walk = pool.iter();
        for left in (0..live.len()).rev() {
            walk.next().unwrap();
            assert_eq!(walk.len(), left);
        }
        assert!(walk.next().is_none() && walk.next().is_none());
        check(&pool);
    }
    pool.iter_mut().for_each(|(handle, value)| assert_eq!(handle.index(), *value));
    let all: Vec<&mut u32> = pool.values_mut().collect();
    all.into_iter().for_each(|value| *value += 1);
    assert!(pool.iter().all(|(handle, value)| handle.index() + 1 == *value));
}

#[test]
fn what_is_drained_or_extracted_is_gone_and_the_rest_is_not() {
    let log = Rc::default();
    let mut pool = pool::<Tracked>(100);
    let handles: Vec<_> = (0..10).map(|n| pool.insert(tracked(&log, n, false))).collect();
    let odd: Vec<u32> =
        pool.extract_if(|_, value| value.number % 2 == 1).map(|(_, value)| value.number).collect();
    assert_eq!(odd, [1, 3, 5, 7, 9]);
    assert_eq!(pool.extract_if(|_, _| true).next().unwrap().0, handles[0]);
    assert_eq!(pool.len(), 4);
    log.borrow_mut().clear();
    {
        let mut drain = pool.drain();
        assert_eq!(drain.len(), 4);
        assert_eq!(drain.next().unwrap().1.number, 2);
        std::mem::forget(drain);
    }
    assert_eq!((pool.len(), log.borrow().clone()), (3, std::vec![2]));
    check(&pool);
    pool.drain().next();
    assert_eq!((pool.len(), log.borrow().clone()), (0, std::vec![2, 4, 6, 8]));
    check(&pool);
}

#[test]
fn a_panicking_destructor_stops_no_other_and_none_runs_twice() {
    type Way = fn(HandlePool<Tracked>) -> Option<HandlePool<Tracked>>;
    let ways: [Way; 4] = [
        |mut pool| {
            let caught = catch_unwind(AssertUnwindSafe(|| pool.clear()));
            assert_eq!(caught.unwrap_err().downcast_ref(), Some(&3_u32), "the first one goes on");
            Some(pool)
        },
        |mut pool| {
            let caught = catch_unwind(AssertUnwindSafe(|| drop(pool.drain())));
            assert_eq!(caught.unwrap_err().downcast_ref(), Some(&3_u32));
            Some(pool)
        },
        |pool| {
            let caught = catch_unwind(AssertUnwindSafe(|| drop(pool)));
            assert_eq!(caught.unwrap_err().downcast_ref(), Some(&3_u32));
            None
        },
        |pool| {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                let _dropped_while_unwinding = pool;
                panic!("on purpose");
            }));
            assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"on purpose"));
            None
        },
    ];
    for way in ways {
        let log = Rc::default();
        let mut pool = pool::<Tracked>(100);
        let tag = pool.tag();
        for n in 0..9 {
            pool.insert(tracked(&log, n, n == 3 || n == 6));
        }
        if let Some(mut pool) = way(pool) {
            assert!(pool.is_empty());
            check(&pool);
            assert_eq!(pool.insert(tracked(&Rc::default(), 0, false)).generation(), 3);
        }
        assert_eq!(log.borrow().clone(), (0..9).collect::<Vec<u32>>());
        let account = tag.account().subtree;
        assert_eq!((account.reserved, account.committed, account.live), (0, 0, 0));
    }
}

#[test]
fn a_panic_in_a_closure_leaves_the_pool_as_it_was() {
    let log = Rc::default();
    let mut pool = pool::<Tracked>(100);
    let handles: Vec<_> = (0..10).map(|n| pool.insert(tracked(&log, n, false))).collect();
    let panics = |run: &mut dyn FnMut(&mut HandlePool<Tracked>), pool: &mut HandlePool<Tracked>| {
        assert!(catch_unwind(AssertUnwindSafe(|| run(pool))).is_err());
        check(pool);
    };
    fn quiet<R>() -> R {
        std::panic::resume_unwind(Box::new(()))
    }
    panics(&mut |pool| _ = pool.insert_with(quiet), &mut pool);
    panics(&mut |pool| _ = pool.insert_with_handle(|_| quiet()), &mut pool);
    assert_eq!(pool.len(), 10);
    panics(
        &mut |pool| pool.retain(|handle, _| if handle == handles[4] { quiet() } else { false }),
        &mut pool,
    );
    assert_eq!((pool.len(), log.borrow().clone()), (6, std::vec![0, 1, 2, 3]));
    panics(
        &mut |pool| drop(pool.extract_if(|handle, _| handle != handles[6] || quiet()).collect::<Vec<_>>()),
        &mut pool,
    );
    assert_eq!(pool.len(), 4);
    let made = pool.insert_with_handle(|handle| tracked(&log, handle.index(), false));
    assert_eq!(pool[made].number, made.index());
}

#[test]
fn sizes_and_alignments_of_all_kinds_are_served() {
    #[repr(align(64))]
    struct Line(u8);
    #[repr(align(4096))]
    struct Page(u8);
    #[repr(align(16384))]
    struct Pages(u8);
    #[repr(align(16384))]
    struct Nothing;
    fn run<T>(make: fn(u8) -> T, is: fn(&T, u8) -> bool) {
        let mut pool = pool::<T>(300);
        let handles: Vec<_> = (0..200).map(|n| pool.insert(make(n))).collect();
        for (n, handle) in (0..).zip(&handles) {
            let value = pool.get(*handle).unwrap();
            assert!(std::ptr::from_ref(value).addr().is_multiple_of(align_of::<T>()) && is(value, n));
        }
        let starts: Vec<_> = pool.values().map(|value| std::ptr::from_ref(value).addr()).collect();
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] == size_of::<T>()), "with gaps");
        assert!(handles.iter().all(|handle| pool.remove(*handle).is_some()));
        check(&pool);
    }
    run(|n| n, |value, n| *value == n);
    run(Line, |value, n| value.0 == n);
    run(Page, |value, n| value.0 == n);
    run(Pages, |value, n| value.0 == n);
    run(|_| (), |(), _| true);
    run(|_| Nothing, |_, _| true);
    run(|n| [n; 3], |value, n| *value == [n; 3]);
    assert!(matches!(HandlePool::<u8>::try_new(fresh_tag(), 1 << 32), Err(AllocError::TooLarge { .. })));
    let most = HandlePool::<()>::try_new(fresh_tag(), u32::MAX as usize).unwrap();
    assert!(most.capacity() > 1 << 20);
    let mut none = pool::<u8>(0);
    assert!(none.try_insert(1).is_err() && none.try_reserve().is_err());
}

#[test]
fn whatever_the_system_refuses_the_pool_stays_as_it_was() {
    for at in 0..12 {
        let mut pool = pool::<[u8; 1000]>(1 << 16);
        let tag = pool.tag();
        let mut handles: Vec<_> = (0..10_u8).map(|n| pool.insert([n; 1000])).collect();
        let full = {
            let _plan = fake::fail_after(Call::Commit, at);
            loop {
                match pool.try_insert([handles.len() as u8; 1000]) {
                    Ok(handle) => handles.push(handle),
                    Err(refused) => break refused,
                }
            }
        };
        assert!(matches!(full.error, AllocError::Os { .. }), "{full}");
        assert_eq!((full.value[999], pool.len()), (handles.len() as u8, handles.len()));
        check(&pool);
        assert_eq!(tag.account().subtree.committed, pool.committed());
        handles.push(pool.insert(full.value));
        assert!(handles.iter().enumerate().all(|(n, handle)| pool[*handle] == [n as u8; 1000]));
        // What can not be given back stays charged, and nothing else changes.
        let kept = handles[5];
        pool.retain(|handle, _| handle == kept);
        {
            let _plan = fake::fail_after(Call::Decommit, at % 3);
            assert!(pool.try_trim().is_err() || at % 3 > 0);
        }
        check(&pool);
        assert_eq!(tag.account().subtree.committed, pool.committed());
        for _ in 0..500 {
            let new = pool.insert([7; 1000]);
            assert!(!handles.contains(&new));
        }
        assert_eq!(pool[kept], [5; 1000]);
        check(&pool);
    }
}

#[test]
fn a_budget_refuses_and_the_ledger_knows_what_lives() {
    let tag = fresh_tag();
    tag.set_budget(Budget::hard(1 << 20));
    let mut pool = HandlePool::try_new(tag, 1 << 20).unwrap();
    let mut count = 0;
    let refused = loop {
        match pool.try_insert_with(|| [0_u64; 8]) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AllocError::Budget(_)), "{refused}");
    assert!(count > 13_000, "{count} values of 64 bytes in 1 MiB");
    pool.publish();
    assert_eq!(tag.account().subtree.live, count * 64);
    pool.clear();
    assert_eq!(tag.account().subtree.live, 0);
}

#[test]
fn a_bounded_pool_makes_no_system_call() {
    let mut pool = HandlePool::try_with(PoolOptions::new(fresh_tag(), 500).bounded()).unwrap();
    let plan = fake::fail_all_after(0);
    for n in 0..500 {
        pool.insert(n);
    }
    assert!(matches!(pool.try_insert(0).unwrap_err().error, AllocError::Full { capacity: 500, .. }));
    pool.clear();
    assert_eq!(plan.seen(), 0);
}

#[test]
fn stamped_pools_refuse_the_handles_of_others_as_a_rule() {
    let mut pools: Vec<_> = (0..100).map(|_| pool::<usize>(10).stamped()).collect();
    let handles: Vec<_> = pools.iter_mut().enumerate().map(|(n, pool)| pool.insert(n)).collect();
    for (n, pool) in pools.iter().enumerate() {
        for (m, handle) in handles.iter().enumerate() {
            assert_eq!(pool.get(*handle).is_some(), n == m);
        }
    }
    let mut few = pool::<u8>(1).stamped().retire_after(2);
    for _ in 0..2 {
        let handle = few.insert(1);
        few.remove(handle);
    }
    assert_eq!(few.retired(), 1);
    let mut few = pool::<u8>(1).retire_after(2).stamped();
    for _ in 0..2 {
        let handle = few.insert(1);
        few.remove(handle);
    }
    assert_eq!((few.retired(), few.recycle()), (1, 1));
    check(&few);
}

#[test]
#[should_panic(expected = "is gone")]
fn indexing_with_a_stale_handle_says_so() {
    let mut pool = pool::<u8>(1);
    let handle = pool.insert(1);
    pool.remove(handle);
    let _ = pool[handle];
}

#[cfg(feature = "rayon")]
#[test]
fn rayon_sees_each_value_once() {
    use rayon::iter::ParallelIterator;
    for (count, keep) in [(0_u32, 1), (1, 1), (63, 1), (64, 2), (10_000, 1), (100_000, 3), (100_000, 9000)] {
        let mut pool = pool::<(u32, u32)>(100_000);
        for n in 0..count {
            pool.insert((n, 0));
        }
        pool.retain(|_, value| value.0 % keep == 0);
        pool.par_iter_mut().for_each(|(handle, value)| {
            assert_eq!(handle.index(), value.0);
            value.1 += 1;
        });
        assert!(pool.values().all(|value| value.1 == 1));
        assert_eq!(pool.par_iter().count(), pool.len());
        let found = pool.par_iter().find_any(|(_, value)| value.0 == 9000 || count < 9001);
        assert_eq!(found.is_some(), count > 0);
    }
}
