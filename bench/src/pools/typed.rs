//! Values of 64 bytes in boxes, on one thread: many made and then dropped in random order, and one at a time.
#![expect(
    unsafe_code,
    reason = "boxes of an allocator that is not the global one, held in an array without flags"
)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::rc::Rc;

use arenite::{Pool, PoolBox, Tag};
use mimalloc::MiMalloc;
use object_pool::Reusable;
use opool::{LocalPool, PoolAllocator, RefLocalGuard};

use super::shuffled;
use crate::harness::Contest;
use crate::opaque::{digest, used};

pub(super) type Value = [u64; 8];

/// Values that are held at once, or pairs in a round. A power of two, so that an index into them needs no check.
pub(super) const COUNT: usize = 4096;

/// Where values live, each until it is given back.
pub(super) trait Store {
    type Held;
    fn insert(&mut self, value: Value) -> Self::Held;
    fn look<'h>(&'h self, held: &'h Self::Held) -> &'h Value;

    #[inline(always)]
    fn give(&mut self, held: Self::Held) {
        drop(held);
    }
}

/// Guards borrow their pools; here for ever.
fn leaked<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

struct Ours(&'static Pool<Value>);

impl Store for Ours {
    type Held = PoolBox<'static, Value>;

    #[inline(always)]
    fn insert(&mut self, value: Value) -> Self::Held {
        self.0.insert(value)
    }

    #[inline(always)]
    fn look<'h>(&'h self, held: &'h Self::Held) -> &'h Value {
        held
    }
}

/// `Box` of the system's allocator.
struct System;

impl Store for System {
    type Held = Box<Value>;

    #[inline(always)]
    fn insert(&mut self, value: Value) -> Self::Held {
        Box::new(value)
    }

    #[inline(always)]
    fn look<'h>(&'h self, held: &'h Self::Held) -> &'h Value {
        held
    }
}

/// `Box` as it is when mimalloc is the global allocator.
pub(super) struct Mi;

impl Store for Mi {
    type Held = NonNull<Value>;

    #[inline(always)]
    fn insert(&mut self, value: Value) -> Self::Held {
        // SAFETY: the layout is not of size zero; the block, ours alone, is written.
        unsafe {
            let block = NonNull::new(MiMalloc.alloc(Layout::new::<Value>())).expect("memory").cast();
            block.write(value);
            block
        }
    }

    #[inline(always)]
    fn look<'h>(&'h self, held: &'h Self::Held) -> &'h Value {
        // SAFETY: written when it was inserted, and not given back yet.
        unsafe { held.as_ref() }
    }

    #[inline(always)]
    fn give(&mut self, held: Self::Held) {
        // SAFETY: allocated with this layout, and given back once.
        unsafe { MiMalloc.dealloc(held.as_ptr().cast(), Layout::new::<Value>()) };
    }
}

struct Zeroes;

impl PoolAllocator<Value> for Zeroes {
    #[inline(always)]
    fn allocate(&self) -> Value {
        [0; 8]
    }
}

impl PoolAllocator<Box<Value>> for Zeroes {
    #[inline(always)]
    fn allocate(&self) -> Box<Value> {
        Box::new([0; 8])
    }
}

/// Its guards contain the values, which move when they do.
struct Opool(&'static LocalPool<Zeroes, Value>);

impl Store for Opool {
    type Held = RefLocalGuard<'static, Zeroes, Value>;

    #[inline(always)]
    fn insert(&mut self, value: Value) -> Self::Held {
        let mut held = self.0.get();
        *held = value;
        held
    }

    #[inline(always)]
    fn look<'h>(&'h self, held: &'h Self::Held) -> &'h Value {
        held
    }
}

/// The same with values that stay where they are.
struct OpoolOfBoxes(&'static LocalPool<Zeroes, Box<Value>>);

impl Store for OpoolOfBoxes {
    type Held = RefLocalGuard<'static, Zeroes, Box<Value>>;

    #[inline(always)]
    fn insert(&mut self, value: Value) -> Self::Held {
        let mut held = self.0.get();
        **held = value;
        held
    }

    #[inline(always)]
    fn look<'h>(&'h self, held: &'h Self::Held) -> &'h Value {
        held
    }
}

/// Its guards contain the values, too.
struct ObjectPool(&'static object_pool::Pool<Value>);

impl Store for ObjectPool {
    type Held = Reusable<'static, Value>;

    #[inline(always)]
    fn insert(&mut self, value: Value) -> Self::Held {
        let mut held = self.0.pull(|| [0; 8]);
        *held = value;
        held
    }

    #[inline(always)]
    fn look<'h>(&'h self, held: &'h Self::Held) -> &'h Value {
        held
    }
}

impl Store for slab::Slab<Value> {
    type Held = usize;

    #[inline(always)]
    fn insert(&mut self, value: Value) -> usize {
        Self::insert(self, value)
    }

    #[inline(always)]
    fn look<'h>(&'h self, held: &'h usize) -> &'h Value {
        &self[*held]
    }

    #[inline(always)]
    fn give(&mut self, held: usize) {
        self.remove(held);
    }
}

/// A store, and what it holds: nothing says which places are filled, because such a flag makes what is held larger for
/// some and not for others.
struct Shelf<S: Store> {
    store: S,
    held: Box<[MaybeUninit<S::Held>; COUNT]>,
    order: Vec<u32>,
}

impl<S: Store> Shelf<S> {
    fn new(store: S) -> Self {
        let order = shuffled(COUNT).into_iter().map(|place| place as u32).collect();
        Self { store, held: Box::new([const { MaybeUninit::uninit() }; COUNT]), order }
    }

    #[inline(always)]
    fn fill(&mut self) {
        for (number, place) in self.held.iter_mut().enumerate() {
            place.write(self.store.insert([number as u64; 8]));
        }
        used(&*self.held);
    }

    /// # Safety
    /// It was filled, and not emptied since.
    #[inline(always)]
    unsafe fn empty(&mut self) {
        for place in &self.order {
            // SAFETY: there by the caller's promise; the order names each place once.
            self.store.give(unsafe { self.held[*place as usize % COUNT].assume_init_read() });
        }
    }

    #[inline(always)]
    fn round(&mut self) {
        self.fill();
        // SAFETY: just filled.
        unsafe { self.empty() };
    }

    /// What it holds once its places were vacated in random order.
    fn answer(&mut self) -> u64 {
        self.round();
        self.fill();
        // SAFETY: all of them were just filled.
        let values = self.held.iter().map(|held| self.store.look(unsafe { held.assume_init_ref() }));
        let answer = digest(values, |value| value.iter().sum());
        // SAFETY: filled, and what was looked at is not used any more.
        unsafe { self.empty() };
        answer
    }
}

/// Adds a store that is filled and emptied in random order.
pub(super) fn random_of<'w, S: Store + 'w>(
    contest: Contest<'w>,
    name: &'static str,
    ours: bool,
    store: S,
) -> Contest<'w> {
    let mut shelf = Shelf::new(store);
    let answer = shelf.answer();
    let shelf = Rc::new(RefCell::new(shelf));
    let again = Rc::clone(&shelf);
    let round = move || shelf.borrow_mut().round();
    let contest = if ours { contest.ours(name, answer, round) } else { contest.peer(name, answer, round) };
    // Once before the clock runs, so that everybody finds what is his in the cache.
    contest.prepare(move || again.borrow_mut().round())
}

/// Adds a store that holds one value at a time.
pub(super) fn pair_of<'w, S: Store + 'w>(
    contest: Contest<'w>,
    name: &'static str,
    ours: bool,
    mut store: S,
) -> Contest<'w> {
    let mut answer = 0u64;
    for number in 0..COUNT {
        let held = store.insert([number as u64; 8]);
        answer = answer.wrapping_mul(31).wrapping_add(store.look(&held).iter().sum());
        store.give(held);
    }
    let round = move || {
        for number in 0..COUNT {
            let held = store.insert([number as u64; 8]);
            used(store.look(&held));
            store.give(held);
        }
    };
    if ours { contest.ours(name, answer, round) } else { contest.peer(name, answer, round) }
}

/// All of them, in one workload or the other.
macro_rules! all {
    ($add:ident, $contest:expr) => {{
        let pool = Pool::try_new(Tag::untagged(), COUNT).expect("a pool");
        let contest = $add($contest, "Pool", true, Ours(leaked(pool)));
        let contest = $add(contest, "Box, the system's", false, System);
        let contest = $add(contest, "Box, mimalloc", false, Mi);
        let opool = LocalPool::new_prefilled(COUNT, Zeroes);
        let contest = $add(contest, "opool, values", false, Opool(leaked(opool)));
        let opool = LocalPool::new_prefilled(COUNT, Zeroes);
        let contest = $add(contest, "opool, boxes", false, OpoolOfBoxes(leaked(opool)));
        let objects = object_pool::Pool::new(COUNT, || [0; 8]);
        let contest = $add(contest, "object-pool", false, ObjectPool(leaked(objects)));
        $add(contest, "slab", false, slab::Slab::with_capacity(COUNT))
    }};
}

/// Peers that a pool is never slower than.
const PEERS: [&str; 5] = ["Box, mimalloc", "opool, values", "opool, boxes", "object-pool", "slab"];

pub(super) fn random() {
    let contest = Contest::new("typed: 4096 values of 64 B, dropped in random order", "value", COUNT);
    let contest = all!(random_of, contest).bar("Pool", "Box, the system's", 0.45);
    PEERS.iter().fold(contest, |contest, peer| contest.bar("Pool", peer, 1.0)).run();
}

pub(super) fn pair() {
    let contest = Contest::new("typed: insert and drop one value of 64 B", "pair", COUNT);
    let contest = all!(pair_of, contest).bar("Pool", "Box, the system's", 1.0);
    PEERS.iter().fold(contest, |contest, peer| contest.bar("Pool", peer, 1.0)).run();
}
