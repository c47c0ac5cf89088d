//! Programs for pools of blocks and of values, for one thread and shared: blocks, raw and taken, values that panic, capacity,
//! budgets, and a second thread that takes and gives, and ends with something in its magazine.

use std::alloc::Layout;
use std::ops::DerefMut;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::slice::Iter;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use arenite::{
    AllocError, Block, BlockPool, FreeError, InsertError, OwnedBox, Pool, PoolBox, PoolOptions, SharedBlock,
    SharedBlockPool, SharedPool, SharedPoolOwner,
};

use super::world::{Weather, World};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Take(u8),
    Alloc,
    /// Drops a block here.
    Drop(u8),
    /// Gives a raw block back, twice.
    Free(u8),
    /// Gives something back that is no live raw block.
    Misuse(u8, u8),
    /// Another thread takes some, drops some of ours, and ends.
    Visit(u8, u8),
    /// Leaks a block until all are freed.
    Leak(u8),
    Insert {
        bomb: bool,
    },
    /// A constructor that uses the pool and may panic.
    Nested {
        panics: bool,
    },
    Remove(u8, bool),
    Check,
    FreeAll,
    Weather(Weather),
}

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, _]: [u8; 4]) -> Self {
        match kind % 24 {
            0..=3 => Self::Take(a),
            4..=6 => Self::Alloc,
            7..=9 => Self::Drop(a),
            10 | 11 => Self::Free(a),
            12 | 13 => Self::Misuse(a, b),
            14 => Self::Visit(a, b),
            15 => Self::Leak(a),
            16 | 17 => Self::Insert { bomb: a < 32 },
            18 => Self::Nested { panics: a < 128 },
            19 => Self::Remove(a, b < 128),
            20 | 21 => Self::Check,
            22 if a < 64 => Self::FreeAll,
            _ => Self::Weather(Weather::of(a, b)),
        }
    }
}

/// Values: how many there are, in all.
#[derive(Default)]
struct Counts {
    made: AtomicU32,
    dropped: AtomicU32,
}

struct Value<'c> {
    counts: &'c Counts,
    seed: [u64; 3],
    bomb: bool,
}

impl<'c> Value<'c> {
    fn new(counts: &'c Counts, bomb: bool) -> Self {
        let number = counts.made.fetch_add(1, Ordering::Relaxed);
        Self { counts, seed: [u64::from(number); 3], bomb }
    }
}

impl Drop for Value<'_> {
    fn drop(&mut self) {
        self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        if self.bomb {
            resume_unwind(Box::new(()));
        }
    }
}

const SHAPES: [(usize, usize, usize); 6] =
    [(64, 8, 300), (3, 1, 20), (0, 1, 70), (48, 64, 128), (5000, 4096, 100), (1, 1, 1)];

/// What all pools of blocks can do.
trait Blocks: Sized {
    type Block<'p>: DerefMut<Target = [u8]> + Send
    where
        Self: 'p;

    const NAME: &'static str;

    fn make(options: PoolOptions, layout: Layout) -> Result<Self, AllocError>;
    fn take(&self) -> Result<Self::Block<'_>, AllocError>;
    fn alloc(&self) -> Result<NonNull<u8>, AllocError>;
    fn free(&self, block: NonNull<u8>) -> Result<(), FreeError>;
    fn free_all(&mut self);
    fn leak<'p>(block: Self::Block<'p>) -> &'p mut [u8]
    where
        Self: 'p;
    fn contains(&self, address: *const u8) -> bool;
    fn layout(&self) -> Layout;
    fn live(&self) -> usize;
    fn publish(&self);
    fn stats(&self) -> Stats;
    /// What another thread does that was given some blocks: it drops them, and may take so many of its own, filled with
    /// `seed`; `live` are live beside those.
    fn visit<'p>(
        &'p self,
        theirs: Vec<(Self::Block<'p>, u8)>,
        take: u8,
        seed: u8,
        live: usize,
    ) -> Vec<(Self::Block<'p>, u8)>;
}

struct Stats {
    live: usize,
    /// Idle with threads.
    cached: usize,
    capacity: usize,
    /// Beyond the capacity.
    reserve: usize,
    committed: usize,
    reserved: usize,
}

/// The same for both, where they are named alike.
macro_rules! blocks_alike {
    ($pool:ty, $block:ident, $name:literal) => {
        type Block<'p> = $block<'p>;

        const NAME: &'static str = $name;

        fn make(options: PoolOptions, layout: Layout) -> Result<Self, AllocError> {
            <$pool>::try_with(options, layout)
        }

        fn take(&self) -> Result<$block<'_>, AllocError> {
            <$pool>::take(self)
        }

        fn alloc(&self) -> Result<NonNull<u8>, AllocError> {
            <$pool>::alloc(self)
        }

        fn free(&self, block: NonNull<u8>) -> Result<(), FreeError> {
            <$pool>::free(self, block)
        }

        fn free_all(&mut self) {
            <$pool>::free_all(self);
        }

        fn leak<'p>(block: $block<'p>) -> &'p mut [u8]
        where
            Self: 'p,
        {
            block.leak()
        }

        fn contains(&self, address: *const u8) -> bool {
            <$pool>::contains(self, address)
        }

        fn layout(&self) -> Layout {
            self.block_layout()
        }

        fn live(&self) -> usize {
            <$pool>::live(self)
        }

        fn publish(&self) {
            <$pool>::publish(self);
        }
    };
}

impl Blocks for BlockPool {
    blocks_alike!(BlockPool, Block, "block_pool");

    fn stats(&self) -> Stats {
        let stats = BlockPool::stats(self);
        assert!(
            stats.live <= stats.high_water && stats.live <= stats.ready && stats.high_water <= stats.capacity
        );
        let (live, capacity) = (stats.live, stats.capacity);
        Stats { live, cached: 0, capacity, reserve: 0, committed: stats.committed, reserved: stats.reserved }
    }

    fn visit<'p>(&'p self, theirs: Vec<(Block<'p>, u8)>, take: u8, _: u8, _: usize) -> Vec<(Block<'p>, u8)> {
        thread::scope(|threads| {
            // Some on that thread, the rest on this one, at the same time.
            let mut ours = theirs;
            let theirs = ours.split_off(ours.len().min(usize::from(take)));
            let visitor = threads.spawn(move || drop(theirs));
            drop(ours);
            visitor.join().expect("it does not panic");
        });
        Vec::new()
    }
}

impl Blocks for SharedBlockPool {
    blocks_alike!(SharedBlockPool, SharedBlock, "shared_block_pool");

    fn stats(&self) -> Stats {
        let stats = SharedBlockPool::stats(self);
        assert!(stats.reserve <= stats.capacity / 4);
        Stats {
            live: stats.live,
            cached: stats.cached,
            capacity: stats.capacity,
            reserve: stats.reserve,
            committed: stats.committed,
            reserved: stats.reserved,
        }
    }

    fn visit<'p>(
        &'p self,
        theirs: Vec<(SharedBlock<'p>, u8)>,
        take: u8,
        seed: u8,
        live: usize,
    ) -> Vec<(SharedBlock<'p>, u8)> {
        thread::scope(|threads| {
            let visitor = threads.spawn(move || {
                drop(theirs);
                let mut taken = Vec::new();
                for _ in 0..take % 64 {
                    // No plan of failures runs on this thread, but budgets hold.
                    match self.take() {
                        Ok(mut block) => {
                            block.fill(seed);
                            taken.push((block, seed));
                        }
                        Err(AllocError::Full { capacity, .. }) => {
                            assert!(live + taken.len() >= capacity);
                            break;
                        }
                        Err(AllocError::Budget(_)) => break,
                        Err(error) => panic!("nothing did that: {error}"),
                    }
                }
                // Some stay idle with a thread that has ended.
                taken.truncate(usize::from(take % 64 / 2));
                taken
            });
            visitor.join().expect("it does not panic")
        })
    }
}

struct Model<'p, P: Blocks> {
    pool: &'p P,
    taken: Vec<(P::Block<'p>, u8)>,
    raw: Vec<NonNull<u8>>,
    leaked: usize,
    /// Blocks that were raw once, and so may be told of a double free.
    freed: Vec<NonNull<u8>>,
    next: u8,
}

impl<P: Blocks> Model<'_, P> {
    fn live(&self) -> usize {
        self.taken.len() + self.raw.len() + self.leaked
    }

    fn starts(&self) -> impl Iterator<Item = usize> + '_ {
        let taken = self.taken.iter().map(|(block, _)| block.as_ptr().addr());
        taken.chain(self.raw.iter().map(|block| block.addr().get()))
    }

    fn check(&self, world: &World) {
        let (size, align) = (self.pool.layout().size(), self.pool.layout().align());
        for (block, seed) in &self.taken {
            assert_eq!(block.len(), size);
            assert!(block.iter().all(|byte| byte == seed));
        }
        let mut starts: Vec<usize> = self.starts().collect();
        starts.sort_unstable();
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= size.max(align)), "blocks overlap");
        assert!(starts.iter().all(|start| start.is_multiple_of(align)));
        let stats = self.pool.stats();
        assert_eq!((stats.live, self.pool.live()), (self.live(), self.live()));
        assert!(stats.live + stats.cached <= stats.capacity + stats.reserve);
        assert_eq!(world.own().committed, stats.committed);
        assert_eq!(world.own().reserved, stats.reserved);
        self.pool.publish();
        assert!(world.own().live >= self.live() * size);
    }

    /// An answer to a wish for one more.
    fn answer<T>(&self, answer: Result<T, AllocError>, world: &World) -> Option<T> {
        match answer {
            Ok(block) => Some(block),
            Err(AllocError::Full { tag, capacity }) => {
                assert_eq!((tag, capacity), (world.tag, self.pool.stats().capacity));
                assert!(self.live() >= capacity, "{} of {capacity} are live", self.live());
                None
            }
            Err(error) => {
                world.believe(error, false);
                None
            }
        }
    }
}

/// The ops on pools for one thread.
pub(crate) fn run(ops: &[Op]) {
    blocks::<BlockPool>(ops);
    let (mut world, counts) = (World::new("pool"), Counts::default());
    let pool = Pool::try_new(world.tag, 1 + ops.len() % 6).expect("it is calm");
    let boxes = values(&pool, ops, &counts, &mut world);
    world.wind_down();
    end(boxes, &counts);
    assert_eq!(pool.live(), 0);
    world.end(pool);
}

/// The ops on shared pools.
pub(crate) fn run_shared(ops: &[Op]) {
    blocks::<SharedBlockPool>(ops);
    let (mut world, counts) = (World::new("shared_pool"), Counts::default());
    let pool = SharedPool::try_new(world.tag, 1 + ops.len() % 6)
        .and_then(SharedPool::into_owner)
        .expect("it is calm");
    let boxes = values(&pool, ops, &counts, &mut world);
    // Boxes keep the pool; the last of them takes it along.
    world.wind_down();
    let kept = (!boxes.is_empty()).then(|| world.own().reserved);
    drop(pool);
    assert_eq!(kept.unwrap_or(0), world.own().reserved);
    end(boxes, &counts);
    world.end(());
}

/// The ops on bytes.
fn blocks<P: Blocks>(ops: &[Op]) {
    let mut world = World::new(P::NAME);
    let first = ops.iter().position(|op| matches!(op, Op::Take(_))).unwrap_or(ops.len());
    let (size, align, capacity) = SHAPES[first % SHAPES.len()];
    let mut options = PoolOptions::new(world.tag, capacity).commit_steps(1, 1 << 14);
    if ops.len().is_multiple_of(5) {
        options = options.bounded();
    }
    let layout = Layout::from_size_align(size, align).expect("a layout");
    let mut pool = P::make(options, layout).expect("the system is calm");
    let mut ops = ops.iter();
    while until_all_are_freed(&pool, &mut ops, &mut world) {
        pool.free_all();
        assert_eq!((pool.live(), world.own().live), (0, 0));
    }
    world.end(pool);
}

/// `false` at the end of the program.
fn until_all_are_freed<P: Blocks>(pool: &P, ops: &mut Iter<'_, Op>, world: &mut World) -> bool {
    let mut model = Model { pool, taken: Vec::new(), raw: Vec::new(), leaked: 0, freed: Vec::new(), next: 0 };
    for &op in ops {
        model.next = model.next.wrapping_add(1);
        let seed = model.next;
        match op {
            Op::Take(count) => {
                for _ in 0..=count % 32 {
                    let Some(mut block) = model.answer(pool.take(), world) else { break };
                    block.fill(seed);
                    model.taken.push((block, seed));
                }
            }
            Op::Alloc => {
                if let Some(block) = model.answer(pool.alloc(), world) {
                    assert!(pool.contains(block.as_ptr()));
                    model.freed.retain(|freed| *freed != block);
                    model.raw.push(block);
                }
            }
            Op::Drop(index) if !model.taken.is_empty() => {
                let (block, seed) = model.taken.swap_remove(pick(index, model.taken.len()));
                assert!(block.iter().all(|byte| *byte == seed));
            }
            Op::Free(index) if !model.raw.is_empty() => {
                let block = model.raw.swap_remove(pick(index, model.raw.len()));
                assert_eq!(pool.free(block), Ok(()));
                assert_eq!(pool.free(block), Err(FreeError::DoubleFree));
                model.freed.push(block);
            }
            Op::Misuse(kind, index) => misuse(&model, kind, index),
            Op::Visit(take, give) => visit(&mut model, take, give),
            Op::Leak(index) if !model.taken.is_empty() => {
                let (block, _) = model.taken.swap_remove(pick(index, model.taken.len()));
                let _kept: &mut [u8] = P::leak(block);
                model.leaked += 1;
            }
            Op::Check => model.check(world),
            Op::FreeAll => return true,
            Op::Weather(weather) => world.set(weather),
            _ => assert_eq!(pool.live(), model.live()),
        }
    }
    model.check(world);
    false
}

/// What all pools of values can do.
trait Values<'c> {
    type Boxed<'p>: DerefMut<Target = Value<'c>>
    where
        Self: 'p;

    fn try_insert(&self, value: Value<'c>) -> Result<Self::Boxed<'_>, InsertError<Value<'c>>>;
    fn try_insert_with(&self, init: impl FnOnce() -> Value<'c>) -> Result<Self::Boxed<'_>, AllocError>;
    fn into_inner<'p>(boxed: Self::Boxed<'p>) -> Value<'c>
    where
        Self: 'p;
    fn live(&self) -> usize;
}

impl<'c> Values<'c> for Pool<Value<'c>> {
    type Boxed<'p>
        = PoolBox<'p, Value<'c>>
    where
        Self: 'p;

    fn try_insert(&self, value: Value<'c>) -> Result<Self::Boxed<'_>, InsertError<Value<'c>>> {
        self.try_insert(value)
    }

    fn try_insert_with(&self, init: impl FnOnce() -> Value<'c>) -> Result<Self::Boxed<'_>, AllocError> {
        self.try_insert_with(init)
    }

    fn into_inner<'p>(boxed: Self::Boxed<'p>) -> Value<'c>
    where
        Self: 'p,
    {
        boxed.into_inner()
    }

    fn live(&self) -> usize {
        self.live()
    }
}

impl<'c> Values<'c> for SharedPoolOwner<Value<'c>> {
    type Boxed<'p>
        = OwnedBox<Value<'c>>
    where
        Self: 'p;

    fn try_insert(&self, value: Value<'c>) -> Result<Self::Boxed<'_>, InsertError<Value<'c>>> {
        self.try_insert_owned(value)
    }

    fn try_insert_with(&self, init: impl FnOnce() -> Value<'c>) -> Result<Self::Boxed<'_>, AllocError> {
        self.try_insert_owned_with(init)
    }

    fn into_inner<'p>(boxed: Self::Boxed<'p>) -> Value<'c>
    where
        Self: 'p,
    {
        boxed.into_inner()
    }

    fn live(&self) -> usize {
        SharedPool::live(self)
    }
}

/// The ops on values; answers those that are left.
fn values<'p, 'c, P: Values<'c>>(
    pool: &'p P,
    ops: &[Op],
    counts: &'c Counts,
    world: &mut World,
) -> Vec<P::Boxed<'p>> {
    let mut boxes: Vec<P::Boxed<'p>> = Vec::new();
    for &op in ops {
        match op {
            Op::Insert { bomb } => boxes.extend(insert(pool, counts, bomb, world)),
            Op::Nested { panics } => boxes.extend(nested(pool, counts, panics, world)),
            Op::Remove(index, into_inner) if !boxes.is_empty() => {
                let boxed = boxes.swap_remove(pick(index, boxes.len()));
                assert!(boxed.seed.iter().all(|word| *word == boxed.seed[0]));
                let before = counts.dropped.load(Ordering::Relaxed);
                let bomb = boxed.bomb;
                let dropped = catch_unwind(AssertUnwindSafe(|| {
                    if into_inner { drop(P::into_inner(boxed)) } else { drop(boxed) }
                }));
                assert_eq!(dropped.is_err(), bomb);
                assert_eq!(counts.dropped.load(Ordering::Relaxed), before + 1, "once");
            }
            Op::Weather(weather) => world.set(weather),
            _ => {}
        }
        assert_eq!(pool.live(), boxes.len());
    }
    boxes
}

/// Drops them, and sees to it that every value that was made is gone.
fn end<'c, B: DerefMut<Target = Value<'c>>>(boxes: Vec<B>, counts: &Counts) {
    for boxed in boxes {
        let bomb = boxed.bomb;
        assert_eq!(catch_unwind(AssertUnwindSafe(|| drop(boxed))).is_err(), bomb);
    }
    assert_eq!(counts.made.load(Ordering::Relaxed), counts.dropped.load(Ordering::Relaxed));
}

fn pick(index: u8, len: usize) -> usize {
    usize::from(index) % len
}

fn misuse<P: Blocks>(model: &Model<'_, P>, kind: u8, index: u8) {
    let pool = model.pool;
    let before = pool.live();
    let mut local = 0u8;
    match kind % 4 {
        0 => assert_eq!(pool.free(NonNull::from(&mut local)), Err(FreeError::Foreign)),
        1 if !model.taken.is_empty() => {
            // The address of a block that is in a box.
            let (block, _) = &model.taken[pick(index, model.taken.len())];
            let start = NonNull::new(block.as_ptr().cast_mut()).expect("an address");
            assert!(matches!(pool.free(start), Err(FreeError::NotAllocated | FreeError::DoubleFree)));
        }
        2 if !model.raw.is_empty() && pool.layout().size() > 1 => {
            let block = model.raw[pick(index, model.raw.len())];
            let inside = block.as_ptr().wrapping_add(1 + pick(index, pool.layout().size() - 1));
            assert_eq!(pool.free(NonNull::new(inside).expect("an address")), Err(FreeError::Misaligned));
        }
        3 if !model.freed.is_empty() => {
            let block = model.freed[pick(index, model.freed.len())];
            assert_eq!(pool.free(block), Err(FreeError::DoubleFree));
        }
        _ => {}
    }
    assert_eq!(pool.live(), before, "a refused pointer changes nothing");
}

/// Another thread drops some of our blocks and takes some of its own, which come back to us.
fn visit<P: Blocks>(model: &mut Model<'_, P>, take: u8, give: u8) {
    let theirs = model.taken.split_off(model.taken.len().saturating_sub(usize::from(give % 64)));
    let brought = model.pool.visit(theirs, take, model.next, model.live());
    model.taken.extend(brought);
}

fn believe_full(error: AllocError, live: usize, world: &World) {
    match error {
        AllocError::Full { capacity, .. } => assert!(live >= capacity),
        other => world.believe(other, false),
    }
}

fn insert<'p, 'c, P: Values<'c>>(
    pool: &'p P,
    counts: &'c Counts,
    bomb: bool,
    world: &World,
) -> Option<P::Boxed<'p>> {
    match pool.try_insert(Value::new(counts, bomb)) {
        Ok(boxed) => Some(boxed),
        Err(refused) => {
            believe_full(refused.error, pool.live(), world);
            let value = refused.into_value();
            assert_eq!(value.bomb, bomb);
            assert_eq!(catch_unwind(AssertUnwindSafe(|| drop(value))).is_err(), bomb);
            None
        }
    }
}

fn nested<'p, 'c, P: Values<'c>>(
    pool: &'p P,
    counts: &'c Counts,
    panics: bool,
    world: &World,
) -> Option<P::Boxed<'p>> {
    let before = pool.live();
    let made = catch_unwind(AssertUnwindSafe(|| {
        pool.try_insert_with(|| {
            let inner = pool.try_insert(Value::new(counts, false));
            if panics {
                resume_unwind(Box::new(()));
            }
            inner.map_or_else(InsertError::into_value, P::into_inner)
        })
    }));
    match made {
        Ok(Ok(boxed)) => {
            assert!(!panics);
            return Some(boxed);
        }
        Ok(Err(error)) => believe_full(error, before, world),
        Err(_) => assert!(panics),
    }
    assert_eq!(pool.live(), before, "its place is free again");
    None
}
