//! What safe code can do to a block pool.

use std::boxed::Box;
use std::sync::Mutex;
use std::thread;
use std::vec::Vec;

use super::*;
use crate::ledger::{Budget, Ledger};
use crate::os::{Call, fake};

fn fresh_tag() -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register("test/blocks").expect("a fresh ledger has room")
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a layout")
}

#[test]
fn blocks_of_any_shape_are_served_apart_and_whole() {
    for (size, align) in
        [(0, 1), (0, 4096), (1, 1), (3, 1), (4, 2), (24, 8), (40, 64), (100, 4096), (5, 16384)]
    {
        let mut pool = BlockPool::try_new(fresh_tag(), layout(size, align), 3000).unwrap();
        let mut blocks: Vec<_> = (0..200).map(|_| pool.take().unwrap()).collect();
        for (number, block) in blocks.iter_mut().enumerate() {
            assert_eq!(block.len(), size);
            assert!(block.as_ptr().addr().is_multiple_of(align));
            block.fill(number as u8);
        }
        for (number, block) in blocks.iter().enumerate() {
            assert!(block.iter().all(|&byte| byte == number as u8), "{size} {align}");
        }
        let raw: Vec<_> = (0..200).map(|_| pool.alloc().unwrap()).collect();
        let mut starts: Vec<_> = raw.iter().map(|block| block.addr().get()).collect();
        starts.extend(blocks.iter().map(|block| block.as_ptr().addr()));
        starts.sort_unstable();
        starts.dedup();
        assert_eq!((starts.len(), pool.live()), (400, 400), "two blocks are one");
        for &block in raw.iter().step_by(2).chain(raw.iter().skip(1).step_by(2)) {
            assert_eq!(pool.free(block), Ok(()));
            assert_eq!(pool.free(block), Err(FreeError::DoubleFree));
        }
        drop(blocks);
        assert_eq!(pool.live(), 0);
        pool.free_all();
        assert_eq!(pool.committed(), 0);
    }
}

#[test]
fn shapes_that_fit_nowhere_are_refused() {
    let tag = fresh_tag();
    let most = isize::MAX as usize;
    for (size, align, capacity) in
        [(most - 7, 8, 1), (64, 8, u32::MAX as usize), (64, 8, usize::MAX), (1 << 40, 8, 1 << 31)]
    {
        let answer =
            BlockPool::try_with(PoolOptions::new(tag, capacity).at_least(capacity), layout(size, align));
        assert!(answer.is_err(), "{size} {align} {capacity}");
    }
    assert_eq!(tag.account().subtree.reserved, 0);
}

#[test]
fn every_address_in_and_around_the_pool_is_told_exactly() {
    for size in [1, 2, 3, 7, 24, 48, 64, 100] {
        let pool = BlockPool::try_new(fresh_tag(), layout(size, 1), 200).unwrap();
        let raw: Vec<_> = (0..90).map(|_| pool.alloc().unwrap()).collect();
        let taken: Vec<_> = (0..10).map(|_| pool.take().unwrap()).collect();
        for &block in &raw[..30] {
            pool.free(block).unwrap();
        }
        let base = raw[0].as_ptr();
        for offset in 0..201 * size {
            let address = NonNull::new(base.wrapping_add(offset)).unwrap();
            let expected = match (offset / size, offset % size) {
                (200, _) => Err(FreeError::Foreign),
                (_, 1..) => Err(FreeError::Misaligned),
                (100.., _) => Err(FreeError::NotAllocated),
                (30..90, _) => Ok(()),
                _ => Err(FreeError::DoubleFree),
            };
            assert_eq!(pool.contains(address.as_ptr()), offset < 200 * size);
            assert_eq!(pool.free(address), expected, "{offset} in blocks of {size}");
            if expected.is_ok() {
                assert_eq!(pool.alloc().unwrap(), address, "the last one that came back");
            }
        }
        let before = NonNull::new(base.wrapping_sub(1)).unwrap();
        assert_eq!(pool.free(before), Err(FreeError::Foreign));
        let mut local = 0u8;
        assert_eq!(pool.free(NonNull::from(&mut local)), Err(FreeError::Foreign));
        assert_eq!(pool.live(), 70);
        drop(taken);
        assert_eq!(pool.live(), 60);
    }
}

#[test]
fn a_million_blocks_are_reserved_and_none_committed() {
    let tag = fresh_tag();
    let mut pool = BlockPool::try_new(tag, layout(64, 64), 1 << 20).unwrap();
    assert_eq!((pool.committed(), tag.account().subtree.committed), (0, 0));
    let blocks: Vec<_> = (0..40).map(|_| pool.alloc().unwrap()).collect();
    let committed = pool.committed();
    assert!(committed > 0 && committed <= 64 << 10, "{committed}");
    assert_eq!(tag.account().subtree.committed, committed);
    pool.free_all();
    assert_eq!((pool.live(), pool.committed(), tag.account().subtree.live), (0, 0, 0));
    assert_eq!(pool.free(blocks[3]), Err(FreeError::NotAllocated));
    let again: Vec<_> = (0..40).map(|_| pool.take().unwrap()).collect();
    assert!(again.iter().all(|block| block.iter().all(|&byte| byte == 0)), "fresh ones are zero");
}

#[test]
fn zeroed_is_zero_whatever_was_there() {
    for keep in [0, 10, 1000] {
        let mut pool = BlockPool::try_new(fresh_tag(), layout(48, 16), 1000).unwrap();
        for _ in 0..3 {
            for mut block in (0..100).map(|_| pool.take().unwrap()).collect::<Vec<_>>() {
                block.fill(0xAA);
            }
            let zeroed: Vec<_> = (0..150).map(|_| pool.take_zeroed().unwrap()).collect();
            assert!(zeroed.iter().all(|block| block.iter().all(|&byte| byte == 0)));
            zeroed.into_iter().for_each(|mut block| block.fill(0xBB));
            {
                let _plan = fake::fail_after(Call::Decommit, 0);
                pool.free_all_and_keep(keep);
            }
            assert!(pool.take_zeroed().unwrap().iter().all(|&byte| byte == 0), "the system kept the pages");
            pool.free_all_and_keep(keep);
            assert!(pool.take_zeroed().unwrap().iter().all(|&byte| byte == 0));
        }
    }
}

#[test]
fn a_bounded_pool_asks_the_system_for_nothing_and_ends_by_name() {
    let tag = fresh_tag();
    let pool = BlockPool::try_with(PoolOptions::new(tag, 100).bounded(), layout(100, 4)).unwrap();
    let plan = fake::fail_after(Call::Commit, 0);
    let mut blocks: Vec<_> = (0..100).map(|_| pool.take().unwrap()).collect();
    assert_eq!(pool.take().err(), Some(AllocError::Full { tag, capacity: 100 }));
    assert_eq!(pool.alloc().err(), Some(AllocError::Full { tag, capacity: 100 }));
    blocks.pop();
    pool.take().unwrap();
    assert_eq!(plan.seen(), 0);
}

#[test]
fn a_refused_growth_leaves_the_pool_as_it_was() {
    let tag = fresh_tag();
    tag.set_budget(Budget::hard(256 << 10));
    let pool = BlockPool::try_new(tag, layout(1000, 8), 10_000).unwrap();
    let mut blocks = Vec::new();
    let refused = loop {
        match pool.take() {
            Ok(block) => blocks.push(block),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AllocError::Budget(_)), "{refused}");
    assert!(blocks.len() > 200 && pool.live() == blocks.len());
    blocks.pop();
    pool.take().expect("there is one");
    assert_eq!(tag.account().subtree.committed, pool.committed());
}

/// A callback that is told of pressure takes and gives blocks of the very pool that grows.
#[test]
fn a_pool_that_grows_serves_its_own_callback() {
    std::thread_local! {
        static POOL: &'static BlockPool = {
            let tag = fresh_tag();
            tag.set_budget(Budget::hard(1 << 20).warn_at(0.1));
            tag.on_pressure(&|_| POOL.with(|pool| {
                let kept = pool.take().unwrap();
                drop(pool.take().unwrap());
                KEPT.with(|all| all.lock().unwrap().push(kept));
            })).unwrap();
            Box::leak(Box::new(BlockPool::try_new(tag, layout(512, 8), 10_000).unwrap()))
        };
        static KEPT: Mutex<Vec<Block<'static>>> = const { Mutex::new(Vec::new()) };
    }
    POOL.with(|pool| {
        let mut blocks: Vec<_> = (0..1200).map(|_| pool.take().unwrap()).collect();
        KEPT.with(|kept| blocks.append(&mut kept.lock().unwrap()));
        assert!(blocks.len() > 1200, "the callback was called");
        assert_eq!(pool.live(), blocks.len());
        let mut starts: Vec<_> = blocks.iter().map(|block| block.as_ptr()).collect();
        starts.sort_unstable();
        starts.dedup();
        assert_eq!(starts.len(), blocks.len(), "two blocks are one");
    });
}

#[test]
fn blocks_come_back_from_other_threads() {
    let mut pool = BlockPool::try_with(PoolOptions::new(fresh_tag(), 64).bounded(), layout(64, 8)).unwrap();
    for round in 0..20u8 {
        let mut blocks: Vec<_> = (0..64).map(|_| pool.take().unwrap()).collect();
        assert!(pool.take().is_err());
        let stay = blocks.split_off(48);
        thread::scope(|threads| {
            for mut blocks in [blocks.split_off(24), blocks] {
                threads.spawn(move || blocks.iter_mut().for_each(|block| block.fill(round)));
            }
            // Meanwhile they are taken again here.
            let mut taken = 0;
            drop(stay);
            while taken < 16 + 48 {
                taken += usize::from(pool.take().map(core::mem::forget).is_ok());
            }
        });
        assert!(pool.take().is_err());
        assert_eq!(pool.live(), 64);
        pool.free_all_and_keep(64);
        assert_eq!(pool.live(), 0);
    }
}

/// The pool may be moved to another thread when no block is out; that thread's blocks come back by the short way.
#[test]
fn a_pool_that_moved_is_at_home_where_it_is() {
    let pool = BlockPool::try_new(fresh_tag(), layout(64, 8), 100).unwrap();
    drop(pool.take().unwrap());
    let pool = thread::spawn(move || {
        let block = pool.take().unwrap();
        assert!(pool.away.is_home());
        drop(block);
        assert_eq!(pool.live(), 0);
        pool
    });
    let pool = pool.join().unwrap();
    let block = pool.take().unwrap();
    thread::scope(|threads| threads.spawn(move || drop(block)).join().unwrap());
    assert_eq!((pool.live(), pool.slots.used()), (0, 1));
}

#[test]
#[cfg(any(debug_assertions, feature = "hardened"))]
fn what_comes_back_is_poisoned() {
    let pool = BlockPool::try_new(fresh_tag(), layout(64, 8), 100).unwrap();
    pool.take().unwrap().fill(1);
    assert!(pool.take().unwrap().iter().all(|&byte| byte == POISON));
}
