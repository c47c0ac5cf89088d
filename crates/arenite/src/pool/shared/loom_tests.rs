//! Every interleaving of two or three threads at one shared pool. A model's pool has two magazines, of four blocks, and
//! batches of two; see `Plan` and `magazine.rs`. Threads have no numbers under loom: models say who uses which magazine.
#![expect(clippy::undocumented_unsafe_blocks, reason = "loom's cell checks what each block asserts")]

use std::boxed::Box;
use std::vec::Vec;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::magazine::Magazine;
use super::*;
use crate::base::sync::{AtomicArray, AtomicU32, AtomicUsize, Ordering};
use crate::ledger::Ledger;
use crate::pool::shared::depot::Depot;

fn fresh_tag() -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register("loom").expect("a fresh ledger has room")
}

/// A pool that need not grow, and a cell for each block, of which loom knows who uses it.
struct Watched {
    core: Core,
    cells: Vec<UnsafeCell<u32>>,
}

impl Watched {
    fn new(capacity: usize) -> Self {
        let options = PoolOptions::new(fresh_tag(), capacity).bounded().guard(false);
        let core = Core::try_new(options, Layout::new::<u64>(), Marks::Kept).unwrap();
        let cells = (0..core.capacity() + core.reserve()).map(|_| UnsafeCell::new(0)).collect();
        Self { core, cells }
    }

    fn magazine(&self, place: usize) -> &Magazine {
        self.core.magazines().nth(place).unwrap()
    }

    /// Uses a block: nobody else does, and all who did before are known to have.
    fn touch(&self, block: u32) {
        touch(&self.cells[block as usize]);
    }

    /// Where others may have all of them.
    fn try_acquire(&self, magazine: Option<&Magazine>) -> Option<u32> {
        let block = self.core.acquire_with(magazine, |_| false).ok()?;
        self.touch(block);
        Some(block)
    }

    fn acquire(&self, magazine: Option<&Magazine>) -> u32 {
        self.try_acquire(magazine).expect("fewer than the capacity are live")
    }

    fn release(&self, magazine: Option<&Magazine>, block: u32) {
        self.touch(block);
        self.core.release_with(magazine, block);
    }
}

fn cells_of(blocks: [u32; 2]) -> [AtomicU32; 2] {
    blocks.map(AtomicU32::new)
}

/// Six rows, buffers of two blocks, four blocks handed out.
fn depot_of_six() -> Depot {
    // SAFETY: under loom an array is a vector of its own, for as many rows as it is told, whatever its address.
    let array = || unsafe { AtomicArray::new(NonNull::dangling(), 6) };
    // SAFETY: both have room for six rows, and no more are carved.
    let depot = unsafe { Depot::new(array(), array(), 3) };
    // SAFETY: as above.
    let blocks = unsafe { depot.carve(4, 6) };
    assert_eq!(blocks, 0..4);
    depot
}

fn put_batch(depot: &Depot, stripe: usize, blocks: [u32; 2], limit: u32) -> bool {
    assert!(limit <= 6);
    // SAFETY: six rows have memory, and a buffer has room for two blocks.
    unsafe { depot.put_batch(stripe, &cells_of(blocks), limit) }
}

/// Writes to what only one thread may have: loom finds out if another one has it too.
fn touch(cell: &UnsafeCell<u32>) {
    // SAFETY: loom fails the model before two threads are here at once.
    cell.with_mut(|cell| unsafe { *cell += 1 });
}

fn take_batch(depot: &Depot, stripe: usize, blocks: &mut Vec<u32>) -> u32 {
    let room = cells_of([0, 0]);
    let size = depot.take_batch(stripe, &room);
    blocks.extend(room[..size as usize].iter().map(|block| block.load(Ordering::Relaxed)));
    size
}

/// The two stacks with batches: a name that comes back while another thread holds the old head is noticed (ABA), and
/// what was written to a buffer comes with it.
#[test]
fn loom_batches_change_hands_whole() {
    loom::model(|| {
        let depot = depot_of_six();
        assert!(put_batch(&depot, 0, [0, 1], 6));
        assert!(put_batch(&depot, 0, [2, 3], 6));
        let cells: Vec<_> = (0..4).map(|_| UnsafeCell::new(0u32)).collect();
        let shared = Arc::new((depot, cells));
        let work = |(depot, cells): &(Depot, Vec<UnsafeCell<u32>>), stripe: usize| {
            let rounds = 1 + stripe;
            for _ in 0..rounds {
                let mut held = Vec::new();
                take_batch(depot, stripe, &mut held);
                let &[a, b] = &held[..] else {
                    assert!(held.is_empty());
                    continue;
                };
                for block in &held {
                    touch(&cells[*block as usize]);
                }
                assert!(put_batch(depot, stripe, [a, b], 6));
            }
        };
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || work(&shared, 1))
        };
        work(&shared, 0);
        other.join().unwrap();
        let mut all = Vec::new();
        while take_batch(&shared.0, 0, &mut all) > 0 {}
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3]);
    });
}

/// One takes single blocks out of a batch that the other takes whole.
#[test]
fn loom_a_batch_is_taken_whole_or_by_the_block() {
    loom::model(|| {
        let depot = depot_of_six();
        assert!(put_batch(&depot, 0, [0, 1], 3));
        let depot = Arc::new(depot);
        let other = {
            let depot = Arc::clone(&depot);
            thread::spawn(move || {
                let mut got: Vec<u32> = depot.take_from_batch().into_iter().collect();
                // The only buffer is free again if the batch is used up.
                if put_batch(&depot, 0, [2, 3], 3) {
                    got.extend([2, 3].map(|_| u32::MAX));
                }
                got.extend(depot.take_from_batch());
                got
            })
        };
        let mut got = Vec::new();
        take_batch(&depot, 0, &mut got);
        let theirs = other.join().unwrap();
        let put = theirs.contains(&u32::MAX);
        got.extend(theirs.into_iter().filter(|block| *block != u32::MAX));
        while take_batch(&depot, 0, &mut got) > 0 {}
        got.sort_unstable();
        assert_eq!(got, if put { &[0, 1, 2, 3][..] } else { &[0, 1] });
    });
}

/// Single blocks: the classic ABA, with the block that comes back.
#[test]
fn loom_single_blocks_come_and_go() {
    loom::model(|| {
        let pool = Arc::new(Watched::new(2));
        let (a, b) = (pool.acquire(None), pool.acquire(None));
        pool.release(None, a);
        pool.release(None, b);
        let other = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                let (a, b) = (pool.acquire(None), pool.try_acquire(None));
                pool.release(None, a);
                b.into_iter().for_each(|b| pool.release(None, b));
            })
        };
        let c = pool.try_acquire(None);
        c.into_iter().for_each(|c| pool.release(None, c));
        other.join().unwrap();
        assert_eq!(pool.core.live(), 0);
    });
}

/// Two threads with a magazine each, capacity for what both hold at most: neither is ever refused.
#[test]
fn loom_a_capacity_is_never_refused() {
    loom::model(|| {
        let pool = Arc::new(Watched::new(2));
        let work = |pool: &Watched, place: usize| {
            let magazine = pool.magazine(place);
            for _ in 0..2 {
                let block = pool.acquire(Some(magazine));
                pool.release(Some(magazine), block);
            }
        };
        let other = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || work(&pool, 1))
        };
        work(&pool, 0);
        other.join().unwrap();
        assert_eq!(pool.core.live(), 0);
    });
}

/// A block is taken on one thread and given back on another, into a magazine that overflows into the depot.
#[test]
fn loom_blocks_given_back_elsewhere() {
    loom::model(|| {
        let pool = Arc::new(Watched::new(6));
        let taken: Vec<u32> = (0..5).map(|_| pool.acquire(Some(pool.magazine(0)))).collect();
        let other = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                for block in taken {
                    pool.release(Some(pool.magazine(1)), block);
                }
            })
        };
        // The sixth, then one of those that come back, if they are there yet.
        let one = pool.acquire(Some(pool.magazine(0)));
        let two = pool.try_acquire(Some(pool.magazine(0)));
        assert_ne!(Some(one), two);
        other.join().unwrap();
        assert_eq!(pool.core.live(), 1 + usize::from(two.is_some()));
        pool.release(Some(pool.magazine(1)), one);
        two.into_iter().for_each(|two| pool.release(None, two));
        assert_eq!(pool.core.live(), 0);
    });
}

/// The same raw block is given back twice at once.
#[test]
fn loom_a_racing_double_free_is_told() {
    loom::model(|| {
        let options = PoolOptions::new(fresh_tag(), 3).bounded().guard(false);
        let pool = Arc::new(SharedBlockPool::try_with(options, Layout::new::<u64>()).unwrap());
        let address = pool.alloc().unwrap().as_ptr().expose_provenance();
        let pointer = move || NonNull::new(core::ptr::with_exposed_provenance_mut(address)).unwrap();
        let other = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.free(pointer()))
        };
        let mine = pool.free(pointer());
        let again = pool.take().unwrap();
        let theirs = other.join().unwrap();
        assert!(mine.is_ok() != theirs.is_ok());
        assert_eq!(mine.and(theirs), Err(FreeError::DoubleFree));
        assert_eq!(pool.live(), 1);
        drop(again);
        assert_eq!(pool.live(), 0);
    });
}

/// A raw `free` of a block that another thread holds in a box never succeeds, also at an address that `alloc` once gave.
#[test]
fn loom_a_taken_block_is_not_freed_by_address() {
    loom::model(|| {
        let options = PoolOptions::new(fresh_tag(), 1).bounded().guard(false);
        let pool = Arc::new(SharedBlockPool::try_with(options, Layout::new::<u64>()).unwrap());
        let address = pool.alloc().unwrap().as_ptr().expose_provenance();
        let pointer = move || NonNull::new(core::ptr::with_exposed_provenance_mut(address)).unwrap();
        let other = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.take().map(SharedBlock::leak).is_ok())
        };
        pool.free(pointer()).unwrap();
        assert_eq!(pool.free(pointer()), Err(FreeError::DoubleFree));
        other.join().unwrap();
        assert_eq!(pool.free(pointer()), Err(FreeError::DoubleFree));
    });
}

/// Both threads find that memory has to be committed.
#[test]
fn loom_two_threads_grow_one_pool() {
    loom::model(|| {
        let tag = fresh_tag();
        let options = PoolOptions::new(tag, 3).commit_steps(1, 1).guard(false);
        let core = Core::try_new(options, Layout::new::<[u8; 4096]>(), Marks::None).unwrap();
        let pool = Arc::new(Watched { core, cells: (0..11).map(|_| UnsafeCell::new(0)).collect() });
        let other = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.acquire(None))
        };
        let mine = pool.acquire(Some(pool.magazine(0)));
        assert_ne!(mine, other.join().unwrap());
        assert_eq!(tag.account().subtree.committed, pool.core.memory().0);
        assert!(pool.core.memory().2 >= 2);
    });
}

const OWNER: usize = 512;
const HEIR: usize = 1024;

/// A pool whose first magazine holds what the thread `OWNER` left in it, and that it has ended or soon will have.
fn left_behind(pool: &Watched, living: &AtomicUsize) {
    let magazine = pool.magazine(0);
    assert!(magazine.claim(OWNER));
    let all = [(); 2].map(|()| pool.try_acquire(Some(magazine)));
    all.into_iter().flatten().for_each(|block| pool.release(Some(magazine), block));
    living.store(0, Ordering::Release);
}

fn nothing_is_lost(pool: &Watched) {
    assert_eq!(pool.core.live(), 0);
    let all: Vec<u32> = core::iter::from_fn(|| pool.core.acquire_with(None, |_| true).ok()).collect();
    assert!(all.len() >= pool.core.capacity());
    all.iter().for_each(|block| pool.touch(*block));
}

/// Takes a block, which means to look for what ended threads left if there is no other.
fn raid(pool: &Watched, living: &AtomicUsize) {
    let ended = |number: usize| living.load(Ordering::Acquire) != number;
    // The others may have all of them, and then this is rightly refused.
    if let Ok(block) = pool.core.acquire_with(None, ended) {
        pool.touch(block);
        pool.release(None, block);
    }
}

/// A thread gives blocks back and ends; another one finds them then, and not before.
#[test]
fn loom_what_an_ended_thread_kept_is_found() {
    loom::model(|| {
        let shared = Arc::new((Watched::new(2), AtomicUsize::new(OWNER)));
        let owner = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || left_behind(&shared.0, &shared.1))
        };
        raid(&shared.0, &shared.1);
        owner.join().unwrap();
        nothing_is_lost(&shared.0);
    });
}

/// What a thread left is found by one of two: by whoever looks for it, or by the thread that has the index next. That
/// one is never taken for ended.
#[test]
fn loom_a_magazine_has_one_heir() {
    loom::model(|| {
        let shared = Arc::new((Watched::new(2), AtomicUsize::new(OWNER)));
        left_behind(&shared.0, &shared.1);
        let heir = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (pool, living) = &*shared;
                assert!(living.compare_exchange(0, HEIR, Ordering::Acquire, Ordering::Relaxed).is_ok());
                let magazine = Some(pool.magazine(0)).filter(|magazine| magazine.claim(HEIR));
                let block = pool.try_acquire(magazine);
                block.into_iter().for_each(|block| pool.release(magazine, block));
            })
        };
        raid(&shared.0, &shared.1);
        heir.join().unwrap();
        nothing_is_lost(&shared.0);
    });
}

/// The same while the first thread may still be there. Who looks in late may know the magazine's new owner and not yet that
/// this one lives: it must (found at two preemptions; a third takes minutes).
#[test]
fn loom_an_heir_is_not_taken_for_the_one_before() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let shared = Arc::new((Watched::new(2), AtomicUsize::new(OWNER)));
        let owner = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || left_behind(&shared.0, &shared.1))
        };
        let heir = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (pool, living) = &*shared;
                if living.compare_exchange(0, HEIR, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                    let magazine = Some(pool.magazine(0)).filter(|magazine| magazine.claim(HEIR));
                    let block = pool.try_acquire(magazine);
                    block.into_iter().for_each(|block| pool.release(magazine, block));
                }
            })
        };
        raid(&shared.0, &shared.1);
        owner.join().unwrap();
        heir.join().unwrap();
        nothing_is_lost(&shared.0);
    });
}
