//! Values of 64 bytes by handle: insert, get, remove, and walk over what is live.
#![expect(deprecated, reason = "HopSlotMap is no longer maintained and still competes")]

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

use arenite::{Handle, HandlePool, PoolOptions, Tag};
use slotmap::HopSlotMap;
use slotmap::{DefaultKey, DenseSlotMap, SlotMap};

use super::shuffled;
use crate::harness::Contest;
use crate::opaque::used;
use crate::stats::Random;

/// A payload of a cache line, aligned to 8 as most structs are.
type Value = [u64; 8];

fn value(number: usize) -> Value {
    [number as u64; 8]
}

/// Reads both ends of a value: who looks at one field of 64 bytes looks at others. They are combined by something else
/// than the addition that sums values up: of one long sum LLVM makes two dependent additions a value, 2 cycles, in every
/// loop but that of the dense `Vec`, which it regroups; then that is what a walk measures, whoever walks.
#[inline(always)]
fn ends(value: &Value) -> u64 {
    value[0] | value[7]
}

/// Values of the workloads on few of them: about as much as a second-level cache holds.
const FEW: usize = 10_000;

/// Values of the workload on many.
const MANY: usize = 100_000;

/// What all of them can do.
trait Store {
    type Key: Copy;

    fn with_capacity(capacity: usize) -> Self;
    fn insert(&mut self, value: Value) -> Self::Key;
    /// A word from both ends of a value.
    fn get(&self, key: Self::Key) -> Option<u64>;
    fn remove(&mut self, key: Self::Key) -> Option<Value>;
    /// The sum of what `get` gives of all.
    fn sum(&self) -> u64;
}

impl Store for HandlePool<Value> {
    type Key = Handle<Value>;

    fn with_capacity(capacity: usize) -> Self {
        Self::try_new(Tag::untagged(), capacity).expect("a handle pool")
    }

    #[inline(always)]
    fn insert(&mut self, value: Value) -> Self::Key {
        Self::insert(self, value)
    }

    #[inline(always)]
    fn get(&self, key: Self::Key) -> Option<u64> {
        Self::get(self, key).map(ends)
    }

    #[inline(always)]
    fn remove(&mut self, key: Self::Key) -> Option<Value> {
        Self::remove(self, key)
    }

    #[inline(always)]
    fn sum(&self) -> u64 {
        self.iter().map(|(_, value)| ends(value)).sum()
    }
}

/// The same in huge pages.
struct Huge(HandlePool<Value>);

impl Store for Huge {
    type Key = Handle<Value>;

    fn with_capacity(capacity: usize) -> Self {
        let options = PoolOptions::new(Tag::untagged(), capacity).huge_pages(true);
        Self(HandlePool::try_with(options).expect("a handle pool"))
    }

    #[inline(always)]
    fn insert(&mut self, value: Value) -> Self::Key {
        self.0.insert(value)
    }

    #[inline(always)]
    fn get(&self, key: Self::Key) -> Option<u64> {
        self.0.get(key).map(ends)
    }

    #[inline(always)]
    fn remove(&mut self, key: Self::Key) -> Option<Value> {
        self.0.remove(key)
    }

    #[inline(always)]
    fn sum(&self) -> u64 {
        self.0.values().map(ends).sum()
    }
}

/// The same, walked by a `for` loop.
struct ForLoop(HandlePool<Value>);

impl Store for ForLoop {
    type Key = Handle<Value>;

    fn with_capacity(capacity: usize) -> Self {
        Self(Store::with_capacity(capacity))
    }

    #[inline(always)]
    fn insert(&mut self, value: Value) -> Self::Key {
        self.0.insert(value)
    }

    #[inline(always)]
    fn get(&self, key: Self::Key) -> Option<u64> {
        self.0.get(key).map(ends)
    }

    #[inline(always)]
    fn remove(&mut self, key: Self::Key) -> Option<Value> {
        self.0.remove(key)
    }

    #[inline(always)]
    fn sum(&self) -> u64 {
        let mut sum = 0u64;
        for (_, value) in &self.0 {
            sum = sum.wrapping_add(ends(value));
        }
        sum
    }
}

macro_rules! slotmap {
    ($($map:ident)*) => { $(
        impl Store for $map<DefaultKey, Value> {
            type Key = DefaultKey;

            fn with_capacity(capacity: usize) -> Self {
                $map::with_capacity(capacity)
            }

            #[inline(always)]
            fn insert(&mut self, value: Value) -> Self::Key {
                $map::insert(self, value)
            }

            #[inline(always)]
            fn get(&self, key: Self::Key) -> Option<u64> {
                $map::get(self, key).map(ends)
            }

            #[inline(always)]
            fn remove(&mut self, key: Self::Key) -> Option<Value> {
                $map::remove(self, key)
            }

            #[inline(always)]
            fn sum(&self) -> u64 {
                self.values().map(ends).sum()
            }
        }
    )* };
}
slotmap!(SlotMap HopSlotMap DenseSlotMap);

impl Store for thunderdome::Arena<Value> {
    type Key = thunderdome::Index;

    fn with_capacity(capacity: usize) -> Self {
        Self::with_capacity(capacity)
    }

    #[inline(always)]
    fn insert(&mut self, value: Value) -> Self::Key {
        Self::insert(self, value)
    }

    #[inline(always)]
    fn get(&self, key: Self::Key) -> Option<u64> {
        Self::get(self, key).map(ends)
    }

    #[inline(always)]
    fn remove(&mut self, key: Self::Key) -> Option<Value> {
        Self::remove(self, key)
    }

    #[inline(always)]
    fn sum(&self) -> u64 {
        self.iter().map(|(_, value)| ends(value)).sum()
    }
}

/// No generations: a key that is stale finds the next value.
impl Store for slab::Slab<Value> {
    type Key = usize;

    fn with_capacity(capacity: usize) -> Self {
        Self::with_capacity(capacity)
    }

    #[inline(always)]
    fn insert(&mut self, value: Value) -> usize {
        Self::insert(self, value)
    }

    #[inline(always)]
    fn get(&self, key: usize) -> Option<u64> {
        Self::get(self, key).map(ends)
    }

    #[inline(always)]
    fn remove(&mut self, key: usize) -> Option<Value> {
        self.try_remove(key)
    }

    #[inline(always)]
    fn sum(&self) -> u64 {
        self.iter().map(|(_, value)| ends(value)).sum()
    }
}

/// For many threads, so it pays for what the others do not give. It does not walk.
struct Sharded(sharded_slab::Slab<Value>);

impl Store for Sharded {
    type Key = usize;

    fn with_capacity(_: usize) -> Self {
        Self(sharded_slab::Slab::new())
    }

    #[inline(always)]
    fn insert(&mut self, value: Value) -> usize {
        self.0.insert(value).expect("room")
    }

    #[inline(always)]
    fn get(&self, key: usize) -> Option<u64> {
        self.0.get(key).map(|value| ends(&value))
    }

    #[inline(always)]
    fn remove(&mut self, key: usize) -> Option<Value> {
        self.0.take(key)
    }

    fn sum(&self) -> u64 {
        unreachable!("it does not walk")
    }
}

/// What one writes by hand: no generations, and a list of free places.
struct Options {
    values: Vec<Option<Value>>,
    free: Vec<usize>,
}

impl Store for Options {
    type Key = usize;

    fn with_capacity(capacity: usize) -> Self {
        Self { values: Vec::with_capacity(capacity), free: Vec::with_capacity(capacity) }
    }

    #[inline(always)]
    fn insert(&mut self, value: Value) -> usize {
        match self.free.pop() {
            Some(key) => {
                self.values[key] = Some(value);
                key
            }
            None => {
                self.values.push(Some(value));
                self.values.len() - 1
            }
        }
    }

    #[inline(always)]
    fn get(&self, key: usize) -> Option<u64> {
        self.values.get(key)?.as_ref().map(ends)
    }

    #[inline(always)]
    fn remove(&mut self, key: usize) -> Option<Value> {
        let value = self.values.get_mut(key)?.take()?;
        self.free.push(key);
        Some(value)
    }

    #[inline(always)]
    fn sum(&self) -> u64 {
        self.values.iter().flatten().map(ends).sum()
    }
}

/// The same with generations, which is what a handle is asked for: a key that is stale finds nothing (until its generation
/// comes round). Only its look-ups are timed.
struct Generations {
    values: Vec<(u32, Option<Value>)>,
    free: Vec<u32>,
}

impl Store for Generations {
    type Key = (u32, u32);

    fn with_capacity(capacity: usize) -> Self {
        Self { values: Vec::with_capacity(capacity), free: Vec::with_capacity(capacity) }
    }

    fn insert(&mut self, value: Value) -> Self::Key {
        let index = self.free.pop().unwrap_or_else(|| {
            self.values.push((0, None));
            self.values.len() as u32 - 1
        });
        let place = &mut self.values[index as usize];
        place.1 = Some(value);
        (index, place.0)
    }

    #[inline(always)]
    fn get(&self, (index, generation): Self::Key) -> Option<u64> {
        let (now, value) = self.values.get(index as usize)?;
        value.as_ref().filter(|_| *now == generation).map(ends)
    }

    fn remove(&mut self, (index, generation): Self::Key) -> Option<Value> {
        let place = self.values.get_mut(index as usize).filter(|place| place.0 == generation)?;
        let value = place.1.take()?;
        place.0 = place.0.wrapping_add(1);
        self.free.push(index);
        Some(value)
    }

    fn sum(&self) -> u64 {
        self.values.iter().filter_map(|(_, value)| value.as_ref()).map(ends).sum()
    }
}

/// Keys in random order; the store holds a value for each, and its slots were vacated in random order once.
fn filled<S: Store>(count: usize) -> (S, Vec<S::Key>) {
    let mut store = S::with_capacity(count);
    let keys: Vec<_> = (0..count).map(|number| store.insert(value(number))).collect();
    let order = shuffled(count);
    for number in &order {
        assert!(store.remove(keys[*number]).is_some());
    }
    let keys: Vec<_> = (0..count).map(|number| store.insert(value(number))).collect();
    let keys: Vec<_> = order.into_iter().map(|number| keys[number]).collect();
    (store, keys)
}

fn digest<S: Store>(store: &S, keys: &[S::Key]) -> u64 {
    keys.iter().fold(0, |sum: u64, key| sum.wrapping_mul(31).wrapping_add(store.get(*key).expect("there")))
}

fn insert_into<'w, S: Store + 'w>(contest: Contest<'w>, name: &'static str, ours: bool) -> Contest<'w> {
    let (store, keys) = filled::<S>(FEW);
    let answer = digest(&store, &keys);
    let shared = Rc::new(RefCell::new((store, keys)));
    let emptied = Rc::clone(&shared);
    let round = move || {
        let (store, keys) = &mut *shared.borrow_mut();
        for (number, key) in keys.iter_mut().enumerate() {
            *key = store.insert(value(black_box(number)));
        }
        used(keys.as_slice());
    };
    let contest = if ours { contest.ours(name, answer, round) } else { contest.peer(name, answer, round) };
    contest.prepare(move || {
        let (store, keys) = &mut *emptied.borrow_mut();
        for key in keys.iter() {
            store.remove(*key).expect("there");
        }
    })
}

pub(super) fn insert() {
    let contest = Contest::new("handles: insert 64 B into vacated slots, 10 000", "insertion", FEW);
    let contest = insert_into::<HandlePool<Value>>(contest, "HandlePool", true);
    let contest = insert_into::<SlotMap<DefaultKey, Value>>(contest, "SlotMap", false);
    let contest = insert_into::<HopSlotMap<DefaultKey, Value>>(contest, "HopSlotMap", false);
    let contest = insert_into::<DenseSlotMap<DefaultKey, Value>>(contest, "DenseSlotMap", false);
    let contest = insert_into::<thunderdome::Arena<Value>>(contest, "thunderdome", false);
    let contest = insert_into::<slab::Slab<Value>>(contest, "slab", false);
    let contest = insert_into::<Sharded>(contest, "sharded-slab", false);
    let contest = insert_into::<Options>(contest, "Vec<Option<T>>", false);
    contest.bar("HandlePool", "SlotMap", 1.0).run();
}

fn remove_from<'w, S: Store + 'w>(contest: Contest<'w>, name: &'static str, ours: bool) -> Contest<'w> {
    let (store, keys) = filled::<S>(FEW);
    let order = shuffled(FEW);
    let answer = digest(&store, &keys);
    let shared = Rc::new(RefCell::new((store, keys)));
    let full = Rc::clone(&shared);
    let mut first = true;
    let round = move || {
        let (store, keys) = &mut *shared.borrow_mut();
        for key in keys.iter() {
            // Whole, as somebody gets it who puts it elsewhere.
            used(&store.remove(*key).expect("there"));
        }
    };
    let contest = if ours { contest.ours(name, answer, round) } else { contest.peer(name, answer, round) };
    contest.prepare(move || {
        let (store, keys) = &mut *full.borrow_mut();
        if !std::mem::take(&mut first) {
            for number in &order {
                keys[*number] = store.insert(value(*number));
            }
        }
    })
}

pub(super) fn remove() {
    let contest = Contest::new("handles: remove 64 B, random order, 10 000", "removal", FEW);
    let contest = remove_from::<HandlePool<Value>>(contest, "HandlePool", true);
    let contest = remove_from::<SlotMap<DefaultKey, Value>>(contest, "SlotMap", false);
    let contest = remove_from::<HopSlotMap<DefaultKey, Value>>(contest, "HopSlotMap", false);
    let contest = remove_from::<DenseSlotMap<DefaultKey, Value>>(contest, "DenseSlotMap", false);
    let contest = remove_from::<thunderdome::Arena<Value>>(contest, "thunderdome", false);
    let contest = remove_from::<slab::Slab<Value>>(contest, "slab", false);
    let contest = remove_from::<Sharded>(contest, "sharded-slab", false);
    let contest = remove_from::<Options>(contest, "Vec<Option<T>>", false);
    contest.bar("HandlePool", "SlotMap", 1.0).run();
}

fn get_from<'w, S: Store + 'w>(
    contest: Contest<'w>,
    name: &'static str,
    ours: bool,
    count: usize,
) -> Contest<'w> {
    let (store, keys) = filled::<S>(count);
    let answer = digest(&store, &keys);
    let shared = Rc::new((store, keys));
    let again = Rc::clone(&shared);
    let look_up = |(store, keys): &(S, Vec<S::Key>)| {
        let mut sum = 0;
        for key in keys {
            if let Some(word) = store.get(*key) {
                sum += word;
            }
        }
        black_box(sum);
    };
    let round = move || look_up(&shared);
    let contest = if ours { contest.ours(name, answer, round) } else { contest.peer(name, answer, round) };
    // Once before the clock runs: otherwise those find their values in the cache whose turn it is twice in a row.
    contest.prepare(move || look_up(&again))
}

pub(super) fn get() {
    get_of(Contest::new("handles: get 64 B, random order, 10 000", "look-up", FEW), FEW);
}

pub(super) fn get_many() {
    get_of(Contest::new("handles: get 64 B, random order, 100 000", "look-up", MANY), MANY);
}

fn get_of(contest: Contest<'_>, count: usize) {
    let contest = get_from::<HandlePool<Value>>(contest, "HandlePool", true, count);
    let contest = get_from::<Huge>(contest, "HandlePool, huge pages", true, count);
    let contest = get_from::<SlotMap<DefaultKey, Value>>(contest, "SlotMap", false, count);
    let contest = get_from::<HopSlotMap<DefaultKey, Value>>(contest, "HopSlotMap", false, count);
    let contest = get_from::<DenseSlotMap<DefaultKey, Value>>(contest, "DenseSlotMap", false, count);
    let contest = get_from::<thunderdome::Arena<Value>>(contest, "thunderdome", false, count);
    let contest = get_from::<slab::Slab<Value>>(contest, "slab", false, count);
    let contest = get_from::<Sharded>(contest, "sharded-slab", false, count);
    let contest = get_from::<Options>(contest, "Vec<Option<T>>", false, count);
    let contest = get_from::<Generations>(contest, "Vec<Option<T>>, generations", false, count);
    contest.bar("HandlePool", "Vec<Option<T>>", 1.0).run();
}

/// Live values that the walks of a round come by, about: enough that reading the clock does not count.
const WALKED: usize = 100_000;

/// Which of so many slots stay, one in `one_in`, at random.
fn stays(slots: usize, one_in: usize) -> Vec<bool> {
    let mut random = Random(0xD1CE);
    (0..slots).map(|_| random.below(one_in) == 0).collect()
}

fn iterate_over<'w, S: Store + 'w>(
    contest: Contest<'w>,
    name: &'static str,
    ours: bool,
    slots: usize,
    one_in: usize,
    walks: usize,
) -> Contest<'w> {
    let mut store = S::with_capacity(slots);
    let keys: Vec<_> = (0..slots).map(|number| store.insert(value(number))).collect();
    for (key, stays) in keys.iter().zip(stays(slots, one_in)) {
        if !stays {
            store.remove(*key).expect("there");
        }
    }
    let answer = store.sum();
    let shared = Rc::new(store);
    let again = Rc::clone(&shared);
    let walk = |store: &S| {
        used(store);
        black_box(store.sum());
    };
    let round = move || {
        for _ in 0..walks {
            walk(&shared);
        }
    };
    let contest = if ours { contest.ours(name, answer, round) } else { contest.peer(name, answer, round) };
    // Once before the clock runs, as for look-ups.
    contest.prepare(move || walk(&again))
}

fn iterate(name: &'static str, slots: usize, one_in: usize, times: f64) {
    let live: Vec<Value> = stays(slots, one_in)
        .into_iter()
        .enumerate()
        .filter(|(_, stays)| *stays)
        .map(|(number, _)| value(number))
        .collect();
    let dense_sum = |values: &Vec<Value>| values.iter().map(ends).sum::<u64>();
    let walks = WALKED / live.len();
    let contest = Contest::new(name, "live value", live.len() * walks);
    let contest = iterate_over::<HandlePool<Value>>(contest, "HandlePool", true, slots, one_in, walks);
    let contest = iterate_over::<ForLoop>(contest, "HandlePool, for loop", true, slots, one_in, walks);
    let contest = iterate_over::<SlotMap<DefaultKey, Value>>(contest, "SlotMap", false, slots, one_in, walks);
    let contest =
        iterate_over::<HopSlotMap<DefaultKey, Value>>(contest, "HopSlotMap", false, slots, one_in, walks);
    let contest =
        iterate_over::<DenseSlotMap<DefaultKey, Value>>(contest, "DenseSlotMap", false, slots, one_in, walks);
    let contest =
        iterate_over::<thunderdome::Arena<Value>>(contest, "thunderdome", false, slots, one_in, walks);
    let contest = iterate_over::<slab::Slab<Value>>(contest, "slab", false, slots, one_in, walks);
    let contest = iterate_over::<Options>(contest, "Vec<Option<T>>", false, slots, one_in, walks);
    let answer = dense_sum(&live);
    let walk = |live: &Vec<Value>| {
        used(live);
        black_box(dense_sum(live));
    };
    contest
        .peer("dense Vec", answer, || {
            for _ in 0..walks {
                walk(&live);
            }
        })
        .prepare(|| walk(&live))
        .bar("HandlePool", "dense Vec", times)
        .bar("HandlePool, for loop", "dense Vec", times)
        .run();
}

pub(super) fn iterate_50() {
    iterate("handles: walk over 10 000 slots, 50 % live", FEW, 2, 1.6);
}

pub(super) fn iterate_10() {
    iterate("handles: walk over 10 000 slots, 10 % live", FEW, 10, 2.0);
}

pub(super) fn iterate_1() {
    iterate("handles: walk over 10 000 slots, 1 % live", FEW, 100, 4.0);
}
