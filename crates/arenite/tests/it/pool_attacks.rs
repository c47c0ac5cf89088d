//! What a program can do to the pools without `unsafe`: memory that comes back, callbacks, stale handles, panics.

use std::alloc::Layout;
use std::cell::RefCell;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arenite::ledger::Pressure;
use arenite::os::{Call, fake};
use arenite::{Block, BlockPool, Budget, HandlePool, Ledger, Pool, PoolBox, PoolOptions, Tag};

fn tag(name: &str) -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register(name).unwrap()
}

fn dirtied(size: usize, blocks: usize) -> BlockPool {
    let layout = Layout::from_size_align(size, 1).unwrap();
    let pool = BlockPool::try_new(tag("blocks"), layout, 100_000).unwrap();
    for _ in 0..blocks {
        pool.take().unwrap().leak().fill(0xAA);
    }
    pool
}

fn all_zero(pool: &BlockPool, blocks: usize) -> bool {
    (0..blocks).all(|_| pool.take_zeroed().unwrap().leak().iter().all(|byte| *byte == 0))
}

#[test]
fn zeroed_blocks_are_zero_whatever_the_system_took_back() {
    // Blocks that share the last page that stays, and blocks that lie across its end.
    for (size, keep) in [(1, 1), (4, 1), (8, 600), (64, 784), (96, 1), (100, 40), (3000, 1), (5000, 3)] {
        for trimmed in [false, true] {
            let mut pool = dirtied(size, 5000);
            if trimmed {
                // The system refuses, and is asked again.
                let refusing = fake::fail_after(Call::Decommit, 0);
                pool.free_all();
                drop(refusing);
                pool.try_trim(keep).unwrap();
            } else {
                pool.free_all_and_keep(keep);
            }
            assert!(all_zero(&pool, 5000), "blocks of {size} bytes, {keep} kept, trimmed: {trimmed}");
        }
    }
    let mut pool = dirtied(96, 300);
    pool.free_all_and_keep(1);
    pool.try_presize(300).unwrap();
    assert!(all_zero(&pool, 300));
}

#[test]
fn memory_that_the_system_would_not_take_can_be_given_back_later() {
    let mut blocks = dirtied(512, 1000);
    let mut handles = HandlePool::<[u64; 64]>::try_new(tag("handles"), 1000).unwrap();
    for _ in 0..1000 {
        handles.insert([1; 64]);
    }
    handles.clear();
    let refusing = fake::fail_after(Call::Decommit, 0);
    blocks.free_all();
    assert!(handles.try_trim().is_err() && blocks.try_trim(0).is_err());
    assert!(handles.committed() > 0 && blocks.committed() > 0);
    drop(refusing);
    handles.try_trim().unwrap();
    blocks.try_trim(0).unwrap();
    assert_eq!((handles.committed(), blocks.committed()), (0, 0));
}

#[test]
fn a_bounded_pool_keeps_what_it_has() {
    let tag = tag("bounded");
    let options = PoolOptions::new(tag, 1000).bounded();
    let mut blocks = BlockPool::try_with(options, Layout::new::<[u64; 64]>()).unwrap();
    let mut handles = HandlePool::<u64>::try_with(options).unwrap();
    handles.insert(1);
    tag.set_budget(Budget::hard(tag.account().subtree.committed));
    let before = (blocks.committed(), handles.committed());
    blocks.free_all();
    blocks.try_trim(0).unwrap();
    handles.clear();
    handles.try_trim().unwrap();
    assert_eq!((blocks.committed(), handles.committed()), before);
    assert!((0..1000).all(|_| blocks.take().map(Block::leak).is_ok()));
    assert!((0..1000).all(|value| handles.try_insert(value).is_ok()));
}

thread_local! {
    static VALUES: &'static Pool<[u64; 512]> = {
        let options = PoolOptions::new(tag("values"), 1000).commit_steps(4096, 4096);
        Box::leak(Box::new(Pool::try_with(options).unwrap()))
    };
    static BOXES: RefCell<Vec<PoolBox<'static, [u64; 512]>>> = const { RefCell::new(Vec::new()) };
    static BYTES: &'static BlockPool = {
        let options = PoolOptions::new(tag("bytes"), 1000).commit_steps(4096, 4096);
        Box::leak(Box::new(BlockPool::try_with(options, Layout::new::<[u8; 4096]>()).unwrap()))
    };
    static BLOCKS: RefCell<Vec<Block<'static>>> = const { RefCell::new(Vec::new()) };
}

fn drop_two_boxes(_: &Pressure) {
    BOXES.with_borrow_mut(|boxes| boxes.truncate(boxes.len().saturating_sub(2)));
}

fn drop_blocks_elsewhere(_: &Pressure) {
    let blocks = BLOCKS.take();
    std::thread::spawn(move || drop(blocks)).join().unwrap();
}

#[test]
fn what_a_pressure_callback_frees_serves_the_request_that_was_refused() {
    let values = VALUES.with(|values| *values);
    BOXES.set((0..40).map(|number| values.insert([number; 512])).collect());
    values.tag().set_budget(Budget::hard(values.tag().account().subtree.committed));
    values.tag().on_pressure(&drop_two_boxes).unwrap();
    while BOXES.with_borrow(Vec::len) == 40 {
        std::mem::forget(values.try_insert([7; 512]).expect("the callback gave two back"));
    }

    let bytes = BYTES.with(|bytes| *bytes);
    BLOCKS.set((0..40).map(|_| bytes.take().unwrap()).collect());
    bytes.tag().set_budget(Budget::hard(bytes.tag().account().subtree.committed));
    bytes.tag().on_pressure(&drop_blocks_elsewhere).unwrap();
    while BLOCKS.with_borrow(Vec::len) == 40 {
        std::mem::forget(bytes.take().expect("another thread gave forty back"));
    }
}

#[test]
fn a_pool_that_has_given_handles_is_not_stamped_again() {
    let pool = HandlePool::<u32>::try_new(tag("reserved"), 100).unwrap();
    pool.reserve();
    assert!(catch_unwind(AssertUnwindSafe(|| pool.stamped())).is_err(), "the reserved handle would be lost");

    let mut pool = HandlePool::<u32>::try_new(tag("trimmed"), 64).unwrap();
    let mut stale = HashSet::new();
    for _ in 0..100 {
        stale.insert(pool.insert(1));
        pool.clear();
        pool.try_trim().unwrap();
    }
    for _ in 0..10_000 {
        let handle = pool.insert(2);
        assert!(!stale.contains(&handle));
        pool.remove(handle);
    }
    pool.try_trim().unwrap();
    assert!(
        catch_unwind(AssertUnwindSafe(|| pool.retire_after(7))).is_err(),
        "handles would name slots again"
    );
}

#[test]
fn a_drain_that_is_dropped_by_a_panic_swallows_the_panics_of_destructors() {
    struct Bang(bool);
    impl Drop for Bang {
        fn drop(&mut self) {
            assert!(!self.0, "bang");
        }
    }
    let mut pool = HandlePool::<Bang>::try_new(tag("drain"), 10).unwrap();
    for bang in [false, true, false] {
        pool.insert(Bang(bang));
    }
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let mut drain = pool.drain();
        drop(drain.next());
        std::panic::panic_any(7);
    }));
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&7));
    assert!(pool.is_empty());
}
