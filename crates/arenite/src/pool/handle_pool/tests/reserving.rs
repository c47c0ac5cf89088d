//! Handles before and without their values.

use super::*;

#[test]
fn reserved_handles_wait_for_their_value() {
    let mut pool = pool::<u32>(200);
    let old: Vec<_> = (0..70).map(|n| pool.insert(n)).collect();
    for handle in &old[..10] {
        pool.remove(*handle);
    }
    // From the free stack, from the 58 that stand ready, and from behind them.
    let reserved: Vec<_> = (0..100).map(|_| pool.reserve()).collect();
    assert_eq!((pool.reserved(), pool.len()), (100, 60));
    assert!(
        reserved.iter().all(|handle| !pool.contains(*handle) && pool.handle_at(handle.index()).is_none())
    );
    assert!(reserved.iter().all(|handle| pool.remove(*handle).is_none()));
    assert_eq!(pool.flush(|handle| handle.index() + 1000), 100);
    assert!(reserved.iter().all(|handle| pool[*handle] == handle.index() + 1000));
    assert_eq!((pool.reserved(), pool.len()), (0, 160));
    check(&pool);
    let last: Vec<_> = (0..40).map(|_| pool.reserve()).collect();
    assert!(pool.try_reserve().is_err() && pool.try_insert(1).is_err());
    // Half of them are not wanted.
    assert_eq!(pool.flush_with(|handle| (handle.index() % 2 == 0).then_some(7)), 20);
    for handle in &last {
        assert_eq!(pool.get(*handle).copied(), (handle.index() % 2 == 0).then_some(7));
    }
    check(&pool);
    for _ in 0..20 {
        let handle = pool.insert(8);
        assert!(!last.contains(&handle));
    }
    assert!(pool.try_insert(1).is_err());
    check(&pool);
}

#[test]
fn everything_else_may_happen_between_reserving_and_flushing() {
    type Action = fn(&mut HandlePool<u32>, &[Handle<u32>]);
    let actions: [Action; 10] = [
        |pool, _| _ = pool.insert(1),
        |pool, live| _ = pool.remove(live[1]),
        |pool, live| pool.retain(|handle, _| handle != live[2]),
        |pool, _| _ = pool.drain(),
        |pool, live| _ = pool.extract_if(|handle, _| handle == live[3]).count(),
        |pool, live| {
            pool.detach(live[4]);
            pool.abandon(live[4]);
        },
        |pool, _| pool.try_trim().unwrap(),
        |pool, _| _ = pool.recycle(),
        |pool, live| _ = pool.borrow_many().get_mut(live[5]),
        |pool, _| _ = (0..40).map(|_| pool.insert(2)).count(),
    ];
    for (number, first) in actions.iter().enumerate() {
        for second in actions {
            for count in [1, 30, 60, 100] {
                let mut pool = pool::<u32>(500);
                let live: Vec<_> = (0..50).map(|n| pool.insert(n)).collect();
                (0..20).for_each(|n| _ = pool.remove(live[n + 10]));
                let mut reserved: Vec<_> = (0..count).map(|_| pool.reserve()).collect();
                first(&mut pool, &live);
                check(&pool);
                reserved.extend((0..count).map(|_| pool.reserve()));
                second(&mut pool, &live);
                check(&pool);
                let mut unique: Vec<_> = reserved.iter().map(|handle| handle.index()).collect();
                unique.sort_unstable();
                unique.dedup();
                assert_eq!(unique.len(), reserved.len(), "action {number}, {count}");
                assert_eq!(pool.reserved(), reserved.len());
                assert!(reserved.iter().all(|handle| !pool.contains(*handle)));
                assert_eq!(pool.flush(|handle| handle.index()), reserved.len());
                assert!(reserved.iter().all(|handle| pool[*handle] == handle.index()));
                check(&pool);
            }
        }
    }
}

#[test]
fn clearing_voids_reserved_and_detached_handles() {
    let mut pool = pool::<u32>(1000);
    let live: Vec<_> = (0..50).map(|n| pool.insert(n)).collect();
    pool.remove(live[3]);
    let detached = live[4];
    pool.detach(detached);
    let reserved: Vec<_> = (0..200).map(|_| pool.reserve()).collect();
    pool.clear();
    assert_eq!((pool.len(), pool.reserved(), pool.stats().detached), (0, 0, 0));
    check(&pool);
    assert!(pool.reattach(detached, 1).is_err());
    let again: Vec<_> = (0..1000).map(|n| pool.insert(n)).collect();
    assert!(again.iter().enumerate().all(|(n, handle)| handle.index() as usize == n));
    for stale in live.iter().chain(&reserved) {
        assert!(!pool.contains(*stale), "{stale:?}");
    }
    check(&pool);
}

#[test]
fn a_reserved_slot_at_its_last_generation_retires_when_it_is_refused() {
    let mut pool = pool::<u32>(3).retire_after(1);
    let handles = [pool.reserve(), pool.reserve(), pool.reserve()];
    assert_eq!(pool.flush_with(|handle| (handle == handles[1]).then_some(1)), 1);
    assert_eq!((pool.len(), pool.retired()), (1, 2));
    check(&pool);
    pool.remove(handles[1]);
    assert_eq!(pool.retired(), 3);
    assert!(pool.try_reserve().is_err());
    assert_eq!(pool.recycle(), 3);
    // All three come from the free stack now.
    let handles = [pool.reserve(), pool.reserve(), pool.reserve()];
    assert_eq!(pool.flush_with(|handle| (handle == handles[2]).then_some(1)), 1);
    assert_eq!((pool.len(), pool.retired()), (1, 2));
    check(&pool);
}

#[test]
fn a_flush_that_panics_or_is_refused_can_be_done_again() {
    let mut pool = pool::<[u8; 3000]>(1000);
    let reserved: Vec<_> = (0..100).map(|_| pool.reserve()).collect();
    {
        let _plan = fake::fail_after(Call::Commit, 0);
        assert!(matches!(pool.try_flush(|_| unreachable!()), Err(AllocError::Os { .. })));
        assert!(pool.try_insert([0; 3000]).is_err());
    }
    assert_eq!(pool.reserved(), 100);
    check(&pool);
    for stop in [0, 10, 63, 64] {
        let mut count = 0;
        let caught = catch_unwind(AssertUnwindSafe(|| {
            pool.flush(|_| {
                count += 1;
                if count > stop {
                    std::panic::resume_unwind(Box::new(()));
                }
                [1; 3000]
            })
        }));
        assert_eq!(caught.is_err(), pool.reserved() > 0);
        check(&pool);
    }
    pool.flush(|_| [2; 3000]);
    assert!(reserved.iter().all(|handle| pool.contains(*handle)));
    check(&pool);
}

#[test]
fn many_threads_reserve_different_handles() {
    for round in 0..20 {
        let mut pool = pool::<u64>(2000);
        let live: Vec<_> = (0..700).map(|n| pool.insert(n)).collect();
        live.iter().step_by(2).for_each(|handle| _ = pool.remove(*handle));
        let shared = &pool;
        let mut all: Vec<Handle<u64>> = std::thread::scope(|scope| {
            let reserve = move || (0..1000).map_while(|_| shared.try_reserve().ok()).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(reserve)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!((all.len(), pool.reserved()), (1650, 1650), "round {round}");
        all.sort_unstable();
        all.dedup_by_key(|handle| handle.index());
        assert_eq!(all.len(), 1650);
        if round % 2 == 0 {
            pool.remove(live[1]);
        }
        pool.flush(|handle| handle.to_bits());
        assert!(all.iter().all(|handle| pool[*handle] == handle.to_bits()));
        check(&pool);
    }
}

#[test]
fn a_detached_value_comes_back_under_its_handle() {
    let mut pool = pool::<String>(10);
    let handle = pool.insert("one".into());
    let mut value = pool.detach(handle).unwrap();
    assert!(pool.get(handle).is_none() && pool.remove(handle).is_none() && pool.detach(handle).is_none());
    for n in 0..9 {
        assert_ne!(pool.insert(n.to_string()).index(), handle.index());
    }
    assert!(pool.try_insert(String::new()).is_err(), "its slot is kept");
    value.push_str(" more");
    pool.reattach(handle, value).unwrap();
    assert_eq!(pool[handle], "one more");
    assert_eq!(pool.reattach(handle, "again".into()).unwrap_err(), "again");
    pool.detach(handle).unwrap();
    assert!(pool.abandon(handle) && !pool.abandon(handle));
    let next = pool.insert("other".into());
    assert_eq!((next.index(), next.generation()), (handle.index(), handle.generation() + 2));
    check(&pool);
}
