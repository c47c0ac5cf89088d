//! Attacks on shared pools from safe code, their figures, and what the system refuses. Other programs: `tests/model`.

use std::boxed::Box;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::String;
use std::sync::{Barrier, mpsc};
use std::thread;
use std::vec::Vec;

use super::*;
use crate::ledger::{Budget, Ledger};
use crate::os::fake;

fn fresh_tag() -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register("test/shared").expect("a fresh ledger has room")
}

fn pool_of(size: usize, align: usize, capacity: usize) -> SharedBlockPool {
    let layout = Layout::from_size_align(size, align).unwrap();
    SharedBlockPool::try_new(fresh_tag(), layout, capacity).unwrap()
}

fn nothing_is_charged(tag: Tag) -> bool {
    let account = tag.account().subtree;
    (account.reserved, account.committed, account.live) == (0, 0, 0)
}

#[test]
fn blocks_are_apart_aligned_and_keep_what_is_in_them() {
    for (size, align) in
        [(64, 8), (1, 1), (3, 1), (0, 1), (0, 64), (24, 8), (5, 4), (100, 64), (40, 4096), (1, 16384)]
    {
        let pool = pool_of(size, align, 300);
        let mut blocks: Vec<_> = (0..300).map(|_| pool.take().unwrap()).collect();
        assert!(
            matches!(pool.take(), Err(AllocError::Full { capacity: 300, .. })),
            "one thread gets exactly those"
        );
        for (number, block) in blocks.iter_mut().enumerate() {
            assert_eq!((block.len(), block.as_ptr().addr() % align), (size, 0));
            assert!(pool.contains(block.as_ptr()));
            block.fill(number as u8);
        }
        let starts: BTreeSet<_> = blocks.iter().map(|block| block.as_ptr().addr()).collect();
        assert_eq!(starts.len(), 300);
        let starts: Vec<_> = starts.into_iter().collect();
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= size.max(align)));
        for (number, block) in blocks.iter().enumerate() {
            assert!(block.iter().all(|byte| *byte == number as u8));
        }
        assert_eq!((pool.live(), pool.capacity(), pool.block_size()), (300, 300, size));
        drop(blocks);
        assert_eq!(pool.live(), 0);
    }
}

#[test]
fn every_misuse_has_its_own_answer_and_does_no_harm() {
    let pool = pool_of(24, 8, 1000);
    let block = pool.alloc().unwrap();
    let at = |offset: usize| NonNull::new(block.as_ptr().wrapping_add(offset)).unwrap();
    let mut local = 0u64;
    assert_eq!(pool.free(NonNull::from(&mut local).cast()), Err(FreeError::Foreign));
    assert_eq!(pool.free(at(usize::MAX - 23)), Err(FreeError::Foreign));
    for offset in 1..24 {
        assert_eq!(pool.free(at(offset)), Err(FreeError::Misaligned));
    }
    assert_eq!(pool.free(at(24)), Err(FreeError::NotAllocated), "has memory");
    assert_eq!(pool.free(at(24 * 999)), Err(FreeError::NotAllocated), "has memory");
    assert_eq!(pool.live(), 1);
    pool.free(block).unwrap();
    assert_eq!(pool.free(block), Err(FreeError::DoubleFree));
    assert_eq!(pool.live(), 0);
    // What was taken is the box's: nobody gives it back under its feet, not even at an address that `alloc` once gave.
    let mut taken = pool.take().unwrap();
    assert_eq!(NonNull::from(&mut taken[0]), block, "the last one given back");
    assert_eq!(pool.free(block), Err(FreeError::DoubleFree));
    let mut other = pool.take().unwrap();
    assert_eq!(pool.free(NonNull::from(&mut other[0])), Err(FreeError::NotAllocated));
    drop((taken, other));
    // The last block of all, far beyond what has memory.
    let many = pool_of(24, 8, 1 << 20);
    let first = many.alloc().unwrap();
    let last = first.as_ptr().wrapping_add(24 * ((1 << 20) - 1));
    assert!(many.contains(last));
    assert_eq!(many.free(NonNull::new(last).unwrap()), Err(FreeError::NotAllocated));
}

#[test]
fn division_by_multiplication_is_exact_for_every_stride() {
    for size in (1..200).chain([4095, 4096, 4097, 65535, 99_991, 1 << 20, (1 << 20) + 1]) {
        let pool = pool_of(size, 1, 70);
        let base = pool.core.address(0).as_ptr();
        for block in 0..70 {
            let start = base.wrapping_add(block * size);
            assert_eq!(pool.core.block_at(start), Ok(block as u32));
            assert_eq!(pool.core.block_at(start.wrapping_add(size - 1)).is_ok(), size == 1);
            assert_eq!(pool.core.block_at(start.wrapping_add(size / 2)).is_ok(), size / 2 == 0);
        }
    }
    // Large numbers and odd sizes.
    for size in [3, 7, 24, 641] {
        let pool = pool_of(size, 1, u32::MAX as usize / 2);
        let base = pool.core.address(0).as_ptr();
        // Fewer than were asked for where address space is short.
        let last = pool.capacity() as u32 - 1;
        for block in (0..last).step_by(9_999_991).chain([last]) {
            let start = base.wrapping_add(block as usize * size);
            assert_eq!(pool.core.block_at(start), Ok(block));
            assert_eq!(pool.core.block_at(start.wrapping_add(1)), Err(FreeError::Misaligned));
            assert_eq!(pool.core.block_at(start.wrapping_add(size - 1)), Err(FreeError::Misaligned));
        }
    }
}

#[test]
fn numbers_of_blocks_have_a_limit() {
    let make = |capacity| SharedBlockPool::try_new(fresh_tag(), Layout::new::<u8>(), capacity);
    assert!(make(u32::MAX as usize).is_err());
    assert!(matches!(make(usize::MAX), Err(AllocError::TooLarge { .. })), "halved, still too many");
    let none = make(0).unwrap();
    assert!(matches!(none.take(), Err(AllocError::Full { capacity: 0, .. })));
    assert!(none.alloc().is_err());
    let one = make(1).unwrap();
    let block = one.take().unwrap();
    assert!(one.take().is_err());
    drop(block);
    one.take().unwrap();
}

/// Programs, 2: four threads take and give 100,000 blocks each, half of them freed by a neighbour.
#[test]
fn four_threads_and_their_neighbours() {
    const BLOCKS: usize = if cfg!(debug_assertions) { 20_000 } else { 100_000 };
    let pool = &pool_of(64, 8, 4096);
    let (mut senders, receivers): (Vec<_>, Vec<_>) = (0..4).map(|_| mpsc::sync_channel(64)).unzip();
    senders.rotate_left(1);
    thread::scope(|threads| {
        for (number, (sender, receiver)) in senders.into_iter().zip(receivers).enumerate() {
            threads.spawn(move || {
                let mark = number as u8 + 1;
                for count in 0..BLOCKS {
                    let mut block = pool.take().expect("fewer than 4096 are out");
                    block.fill(mark);
                    if count % 2 == 0 {
                        let block = match sender.try_send(block) {
                            Ok(()) => continue,
                            Err(
                                mpsc::TrySendError::Full(block) | mpsc::TrySendError::Disconnected(block),
                            ) => block,
                        };
                        // Take one of our own neighbour's first: nobody waits for anybody.
                        if let Ok(theirs) = receiver.try_recv() {
                            let theirs: SharedBlock<'_> = theirs;
                            assert!(theirs.windows(2).all(|pair| pair[0] == pair[1]) && theirs[0] != mark);
                        }
                        assert!(block.iter().all(|byte| *byte == mark));
                    } else {
                        assert!(block.iter().all(|byte| *byte == mark));
                    }
                }
                drop(sender);
                for theirs in receiver {
                    assert!(theirs.iter().all(|byte| *byte == theirs[0]));
                }
            });
        }
    });
    assert_eq!(pool.live(), 0);
    // Everything can be had by one thread now, also what the others kept.
    let all: Vec<_> = (0..4096).map(|_| pool.take().unwrap()).collect();
    assert!(pool.take().is_err());
    assert_eq!(pool.live(), 4096);
    drop(all);
}

#[test]
fn raw_blocks_freed_by_several_threads_at_once_are_freed_once() {
    let pool = &pool_of(16, 16, 256);
    let barrier = &Barrier::new(3);
    for _ in 0..200 {
        let blocks: Vec<usize> =
            (0..100).map(|_| pool.alloc().unwrap().as_ptr().expose_provenance()).collect();
        let freed: usize = thread::scope(|threads| {
            let all = [(); 3].map(|()| {
                let blocks = &blocks;
                threads.spawn(move || {
                    barrier.wait();
                    let free = |address: &&usize| {
                        let pointer = core_ptr(**address);
                        match pool.free(pointer) {
                            Ok(()) => true,
                            Err(error) => {
                                assert_eq!(error, FreeError::DoubleFree);
                                false
                            }
                        }
                    };
                    blocks.iter().filter(free).count()
                })
            });
            all.map(|one| one.join().unwrap()).iter().sum()
        });
        assert_eq!((freed, pool.live()), (100, 0));
    }
}

fn core_ptr(address: usize) -> NonNull<u8> {
    NonNull::new(core::ptr::with_exposed_provenance_mut(address)).unwrap()
}

#[test]
fn a_capacity_is_never_refused_wherever_others_keep_idle_blocks() {
    for capacity in [1, 40, 64, 100, 256, 1000, 5000] {
        let pool = &pool_of(8, 8, capacity);
        let (ready, done) = (&Barrier::new(4), &Barrier::new(4));
        thread::scope(|threads| {
            for _ in 0..3 {
                threads.spawn(move || {
                    // Each fills its magazine and sleeps on it.
                    drop((0..capacity / 4).map(|_| pool.take().unwrap()).collect::<Vec<_>>());
                    ready.wait();
                    done.wait();
                });
            }
            ready.wait();
            let cached = pool.stats().cached;
            let mut all = Vec::new();
            while let Ok(block) = pool.take() {
                all.push(block);
            }
            assert_eq!(all.len(), capacity, "{cached} idle with living threads");
            assert_eq!(pool.live(), capacity);
            assert!(pool.stats().reserve <= capacity / 4);
            done.wait();
        });
    }
}

#[test]
fn what_ended_threads_kept_is_found() {
    let pool = &pool_of(8, 8, 1000);
    for _ in 0..10 {
        // Each of them ends with blocks in its magazine.
        thread::scope(|threads| {
            let all = [(); 3]
                .map(|()| threads.spawn(|| drop((0..300).map(|_| pool.take().unwrap()).collect::<Vec<_>>())));
            // A scope ends with the closures; a thread has ended when it was joined.
            all.into_iter().for_each(|thread| thread.join().unwrap());
        });
        assert_eq!(pool.live(), 0);
        let all: Vec<_> = (0..1000).map(|_| pool.take().unwrap()).collect();
        let last = pool.core.block_of(NonNull::from(&all[999][0]));
        assert!(pool.take().is_err());
        assert!(last < 1000, "none of the reserve is used while idle ones can be had");
    }
}

#[test]
fn threads_beyond_the_numbered_ones_are_served() {
    // No magazine at all, one, and four.
    for capacity in [32, 64, 256] {
        let pool = &pool_of(8, 8, capacity);
        let barrier = &Barrier::new(8);
        thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(move || {
                    barrier.wait();
                    for round in 0..2000 {
                        let mine: Vec<_> =
                            (0..1 + round % (capacity / 8)).map(|_| pool.take().unwrap()).collect();
                        drop(mine);
                    }
                });
            }
        });
        assert_eq!(pool.live(), 0);
    }
}

#[test]
fn growth_is_charged_and_budgets_are_kept() {
    let tag = fresh_tag();
    let layout = Layout::new::<[u8; 1024]>();
    let pool = SharedBlockPool::try_new(tag, layout, 1 << 16).unwrap();
    let start = tag.account().subtree.committed;
    assert_eq!(start, pool.stats().committed, "magazines only");
    assert!(start <= 256 * 1152);
    let mut blocks: Vec<_> = (0..3000).map(|_| pool.take().unwrap()).collect();
    assert_eq!(tag.account().subtree.committed, pool.stats().committed);
    pool.publish();
    assert_eq!(tag.account().subtree.live, 3000 * 1024);
    tag.set_budget(Budget::hard(tag.account().subtree.committed));
    let refused = loop {
        match pool.take() {
            Ok(block) => blocks.push(block),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AllocError::Budget(_)), "{refused}");
    assert_eq!(blocks.len(), pool.stats().ready);
    blocks.truncate(10);
    assert!((0..100).map(|_| pool.take()).all(|block| block.is_ok()), "what is there can be had");
    drop(blocks);
    drop(pool);
    assert!(nothing_is_charged(tag));
}

#[test]
fn bounded_pools_make_no_call_once_they_are_made() {
    let tag = fresh_tag();
    let pool =
        &SharedBlockPool::try_with(PoolOptions::new(tag, 500).bounded(), Layout::new::<[u64; 9]>()).unwrap();
    let committed = tag.account().subtree.committed;
    assert!(pool.stats().ready >= 500);
    tag.set_budget(Budget::hard(1));
    let plan = fake::fail_all_after(0);
    for _ in 0..3 {
        let all: Vec<_> = (0..500).map(|_| pool.take().unwrap()).collect();
        assert!(matches!(pool.take(), Err(AllocError::Full { .. })));
        drop(all);
    }
    assert_eq!(plan.seen(), 0);
    drop(plan);
    thread::scope(|threads| _ = threads.spawn(|| pool.take().is_ok()));
    assert_eq!(tag.account().subtree.committed, committed);
    let few = SharedBlockPool::try_with(PoolOptions::new(tag, 500).bounded(), Layout::new::<u64>());
    assert!(matches!(few, Err(AllocError::Budget(_))));
}

#[test]
fn every_refused_call_is_survived() {
    for allowed in 0.. {
        let tag = fresh_tag();
        let plan = fake::fail_once_after(allowed);
        let options = PoolOptions::new(tag, 2000).commit_steps(1, 1 << 12).prefault(allowed % 2 == 0);
        let options = if allowed % 3 == 0 { options.bounded() } else { options };
        let made = SharedPool::<[usize; 64]>::try_with(options);
        let mut owner = None;
        if let Ok(mut pool) = made {
            let mut boxes: Vec<_> = (0..300).filter_map(|i| pool.try_insert([i; 64]).ok()).collect();
            assert!(boxes.len() >= 299, "one call failed, the next one did not");
            assert!(boxes.iter().all(|one| one.iter().all(|word| *word == one[0])));
            boxes.truncate(7);
            assert_eq!(pool.live(), 7);
            drop(boxes);
            pool.free_all();
            owner = pool.into_owner().ok();
        }
        let refused = plan.refused();
        // A refused release would rightly stay charged, so the plan ends first.
        drop(plan);
        drop(owner);
        assert!(nothing_is_charged(tag), "after {allowed} calls");
        // A bounded pool makes fewer calls than the others.
        if refused == 0 && allowed % 3 != 0 {
            assert!(allowed > 10, "{allowed} calls");
            break;
        }
    }
}

#[test]
fn a_pressure_callback_may_use_the_pool_that_grows() {
    std::thread_local! {
        static POOL: core::cell::Cell<Option<&'static SharedBlockPool>> = const { core::cell::Cell::new(None) };
        static SERVED: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
    }
    let tag = fresh_tag();
    let pool = SharedBlockPool::try_new(tag, Layout::new::<[u8; 256]>(), 10_000).unwrap();
    let pool: &'static SharedBlockPool = Box::leak(Box::new(pool));
    POOL.set(Some(pool));
    tag.set_budget(Budget::soft(tag.account().subtree.committed + (200 << 10)));
    tag.on_pressure(&|_| {
        let Some(pool) = POOL.get() else { return };
        let blocks: Vec<_> = (0..5).filter_map(|_| pool.take().ok()).collect();
        let raw = pool.alloc();
        SERVED.set(SERVED.get() + blocks.len());
        drop(blocks);
        if let Ok(raw) = raw {
            pool.free(raw).unwrap();
        }
        assert!(pool.stats().live <= 2000);
    })
    .unwrap();
    let all: Vec<_> = (0..2000).map(|_| pool.take().unwrap()).collect();
    assert!(SERVED.get() >= 5, "the callback was served while the pool grew");
    let starts: BTreeSet<_> = all.iter().map(|block| block.as_ptr()).collect();
    assert_eq!((starts.len(), pool.live()), (2000, 2000));
}

#[test]
fn all_at_once() {
    let tag = fresh_tag();
    let mut pool = SharedBlockPool::try_new(tag, Layout::new::<[u8; 512]>(), 5000).unwrap();
    for _ in 0..3 {
        let raw: Vec<_> = (0..4000).map(|_| pool.alloc().unwrap()).collect();
        let taken = pool.take().unwrap().leak();
        taken.fill(1);
        let before = tag.account().subtree.committed;
        pool.free_all();
        assert_eq!((pool.live(), pool.stats().cached, tag.account().subtree.live), (0, 0, 0));
        assert!(tag.account().subtree.committed * 4 < before);
        assert!(raw.iter().all(|block| pool.free(*block) == Err(FreeError::NotAllocated)));
        let again: Vec<_> = (0..5000).map(|_| pool.take().unwrap()).collect();
        assert!(pool.take().is_err());
        assert!(again[..1000].iter().all(|block| block.iter().all(|byte| *byte == 0)), "fresh");
    }
}

struct Noisy<'a>(&'a core::cell::Cell<u32>, bool);

impl Drop for Noisy<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
        assert!(!self.1, "on purpose");
    }
}

#[test]
fn values_are_dropped_once_whoever_panics() {
    let pool = SharedPool::try_new(fresh_tag(), 3).unwrap();
    let drops = core::cell::Cell::new(0);
    for _ in 0..10 {
        drops.set(0);
        let boxed = pool.insert(Noisy(&drops, true));
        assert!(catch_unwind(AssertUnwindSafe(|| drop(boxed))).is_err());
        assert_eq!((drops.get(), pool.live()), (1, 0));
        let made = catch_unwind(AssertUnwindSafe(|| {
            drop(pool.insert_with(|| {
                let _other = pool.insert(Noisy(&drops, false));
                panic!("in a constructor")
            }));
        }));
        assert!(made.is_err());
        assert_eq!((drops.get(), pool.live()), (2, 0));
        let inner = pool.insert(Noisy(&drops, false)).into_inner();
        assert_eq!((drops.get(), pool.live()), (2, 0));
        drop(inner);
        let three: Vec<_> = (0..3).map(|_| pool.insert(Noisy(&drops, false))).collect();
        assert_eq!(drops.get(), 3);
        assert!(pool.try_insert(Noisy(&drops, false)).is_err());
        assert_eq!(drops.get(), 4, "a refused value is dropped");
        let full = catch_unwind(AssertUnwindSafe(|| drop(pool.insert(Noisy(&drops, false)))));
        assert!(full.unwrap_err().downcast_ref::<String>().unwrap().contains("all 3 slots"));
        drop(three);
        assert_eq!((drops.get(), pool.live()), (8, 0));
    }
}

#[test]
fn types_of_every_shape() {
    #[repr(align(64))]
    struct Line(u8);
    #[repr(align(4096))]
    struct Page(u8);
    #[repr(align(16384))]
    struct Huge;
    fn check<T>(make: impl Fn(u8) -> T, read: impl Fn(&T) -> u8) {
        let pool = SharedPool::<T>::try_new(fresh_tag(), 200).unwrap();
        let all: Vec<_> = (0..200).map(|i| pool.insert(make(i))).collect();
        assert!(pool.try_insert(make(0)).is_err());
        let starts: BTreeSet<_> = all.iter().map(|one| core::ptr::from_ref(&**one).addr()).collect();
        assert_eq!((starts.len(), pool.live()), (200, 200));
        assert!(starts.iter().all(|start| start % align_of::<T>() == 0));
        assert!(all.iter().enumerate().all(|(i, one)| read(one) == read(&make(i as u8))));
    }
    check(|i| i, |i| *i);
    check(Line, |line| line.0);
    check(Page, |page| page.0);
    check(|_| Huge, |_| 0);
    check(|_| (), |()| 0);
    check(|i| [u64::from(i); 9], |words| words[8] as u8);
    check(Box::new, |boxed| **boxed);
}

#[test]
fn owned_boxes_keep_their_pool() {
    let tag = fresh_tag();
    let pool = SharedPool::<Box<u32>>::try_new(tag, 1000).unwrap();
    // A forgotten box is not in the way.
    core::mem::forget(pool.insert(Box::new(0)));
    let owner = pool.into_owner().unwrap();
    assert_eq!(owner.live(), 0);
    let (sender, receiver) = mpsc::channel();
    let workers: Vec<_> = (0..3)
        .map(|number| {
            let (owner, sender) = (owner.clone(), sender.clone());
            thread::spawn(move || {
                for i in 0..1000 {
                    let boxed = owner.insert_owned_with(|| Box::new(number * 1000 + i));
                    if i % 10 == 0 { sender.send(boxed).unwrap() } else { drop(boxed) }
                }
            })
        })
        .collect();
    drop(sender);
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    drop(owner);
    let mut boxes: Vec<_> = receiver.into_iter().collect();
    assert!(!nothing_is_charged(tag));
    boxes.sort_unstable_by_key(|boxed| **boxed.deref());
    assert!(boxes.iter().map(|boxed| **boxed.deref()).eq((0..300).map(|i| i * 10)));
    let last = boxes.pop().unwrap();
    let pinned = boxes.pop().unwrap().into_pin();
    drop(boxes);
    assert_eq!((**pinned, *last.into_inner()), (2980, 2990));
    assert!(!nothing_is_charged(tag));
    thread::spawn(move || drop(pinned)).join().unwrap();
    assert!(nothing_is_charged(tag), "the last box took the pool with it");
    // A value whose destructor panics still counts its box out.
    let tag = fresh_tag();
    let drops = core::cell::Cell::new(0);
    let owner = SharedPool::try_new(tag, 10).unwrap().into_owner().unwrap();
    let boxed = owner.insert_owned(Noisy(&drops, true));
    drop(owner);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(boxed))).is_err());
    assert_eq!(drops.get(), 1);
    assert!(nothing_is_charged(tag));
}

#[test]
fn blocks_given_back_while_a_thread_is_torn_down() {
    std::thread_local! {
        static KEPT: core::cell::RefCell<Vec<OwnedBox<u64>>> = const { core::cell::RefCell::new(Vec::new()) };
    }
    let owner = SharedPool::<u64>::try_new(fresh_tag(), 1000).unwrap().into_owner().unwrap();
    for _ in 0..5 {
        let mine = owner.clone();
        let worker = thread::spawn(move || {
            // Registered before the pool knows of the thread, so dropped after it has forgotten it.
            KEPT.with_borrow_mut(|kept| kept.extend((0..500).map(|i| mine.insert_owned(i))));
        });
        worker.join().unwrap();
        assert_eq!(owner.live(), 0);
    }
    let all: Vec<_> = (0..1000).map(|i| owner.insert(i)).collect();
    assert!(owner.try_insert(0).is_err());
    drop(all);
}
