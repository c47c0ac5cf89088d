//! Two threads: each takes blocks of 64 bytes, writes them, and hands them to the other one, which reads them and gives
//! them back. The way from thread to thread is the same for everybody: a vector of blocks behind a mutex.
#![expect(unsafe_code, reason = "raw blocks, and boxes of an allocator that is not the global one")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use arenite::{
    OwnedBox, PoolOptions, SharedBlock, SharedBlockPool, SharedBox, SharedPool, SharedPoolOwner, Tag,
};
use crossbeam_queue::ArrayQueue;
use lockfree_object_pool::{LinearObjectPool, LinearReusable, SpinLockObjectPool, SpinLockReusable};
use mimalloc::MiMalloc;
use sharded_slab::Slab;

use crate::harness::Contest;

type Words = [u64; 8];

/// Blocks that change hands at once, and how often they do in a round. So many that waiting for each other counts little,
/// also where one of the two processors is busy with something else.
const BATCH: usize = 4096;
const EXCHANGES: usize = 8;

/// What all blocks that are out at the same time fit in.
const CAPACITY: usize = 32768;

/// Where blocks come from.
trait Source: Sync + 'static {
    type Block: Send + 'static;
    fn take(&'static self, words: Words) -> Self::Block;
    /// Reads a block and gives it back.
    fn give(&'static self, block: Self::Block) -> u64;
}

/// Where a vector of blocks lies until the other side fetches it.
struct Lane<Block> {
    full: AtomicBool,
    blocks: Mutex<Vec<Block>>,
}

impl<Block> Lane<Block> {
    fn new() -> Self {
        Self { full: AtomicBool::new(false), blocks: Mutex::new(Vec::with_capacity(BATCH)) }
    }

    /// Waits until the lane is full, or is not, and exchanges vectors.
    fn exchange(&self, full: bool, blocks: &mut Vec<Block>) {
        let mut looks = 0u32;
        while self.full.load(Ordering::Acquire) != full {
            looks += 1;
            if looks.is_multiple_of(64) { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
        std::mem::swap(&mut *self.blocks.lock().expect("nobody panics with it"), blocks);
        self.full.store(!full, Ordering::Release);
    }
}

type Lanes<Block> = Arc<[Lane<Block>; 2]>;

/// One side's share of a round.
fn side<S: Source>(source: &'static S, lanes: &Lanes<S::Block>, side: usize) -> u64 {
    let mut blocks = Vec::with_capacity(BATCH);
    let mut sum = 0u64;
    for exchange in 0..EXCHANGES {
        for number in 0..BATCH {
            blocks.push(source.take([(side + exchange * number) as u64; 8]));
        }
        lanes[side].exchange(false, &mut blocks);
        lanes[1 - side].exchange(true, &mut blocks);
        for block in blocks.drain(..) {
            sum = sum.wrapping_add(source.give(block));
        }
    }
    sum
}

/// The other thread, which waits for rounds.
struct Pair<S: Source> {
    source: &'static S,
    lanes: Lanes<S::Block>,
    start: Sender<()>,
    done: Receiver<u64>,
}

/// Keeps the calling thread on one processor, so that two threads are never on the same.
#[cfg(target_os = "linux")]
fn run_on(processor: usize) {
    // SAFETY: a set of processors is plain bits, zero is the empty one; the call reads it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processor, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
    }
}

#[cfg(not(target_os = "linux"))]
fn run_on(_processor: usize) {}

impl<S: Source> Pair<S> {
    fn new(source: S) -> Self {
        let source: &'static S = Box::leak(Box::new(source));
        let lanes: Lanes<S::Block> = Arc::new([Lane::new(), Lane::new()]);
        let (start, started) = channel();
        let (finished, done) = channel();
        let theirs = Arc::clone(&lanes);
        std::thread::spawn(move || {
            run_on(1);
            while started.recv().is_ok() {
                if finished.send(side(source, &theirs, 1)).is_err() {
                    return;
                }
            }
        });
        Self { source, lanes, start, done }
    }

    fn round(&self) -> u64 {
        run_on(0);
        self.start.send(()).expect("the other thread waits");
        let mine = side(self.source, &self.lanes, 0);
        mine.wrapping_mul(3).wrapping_add(self.done.recv().expect("the other thread answers"))
    }
}

fn tag() -> Tag {
    Tag::register("bench/shared").expect("a tag")
}

fn blocks() -> SharedBlockPool {
    SharedBlockPool::try_with(PoolOptions::new(tag(), CAPACITY), Layout::new::<Words>())
        .expect("address space")
}

struct Taken(SharedBlockPool);

impl Source for Taken {
    type Block = SharedBlock<'static>;

    #[inline]
    fn take(&'static self, words: Words) -> Self::Block {
        let mut block = self.0.take().expect("a block");
        // SAFETY: a block of this layout, ours alone.
        unsafe { block.as_mut_ptr().cast::<Words>().write(words) };
        block
    }

    #[inline]
    fn give(&'static self, block: Self::Block) -> u64 {
        // SAFETY: the words were written by whoever took it.
        unsafe { block.as_ptr().cast::<u64>().read() }
    }
}

/// A pointer that may go to another thread.
struct Raw(NonNull<Words>);

// SAFETY: a block is one thread's at a time.
unsafe impl Send for Raw {}

struct Allocated(SharedBlockPool);

impl Source for Allocated {
    type Block = Raw;

    #[inline]
    fn take(&'static self, words: Words) -> Raw {
        let block = self.0.alloc().expect("a block").cast();
        // SAFETY: a block of this layout, ours alone.
        unsafe { block.write(words) };
        Raw(block)
    }

    #[inline]
    fn give(&'static self, block: Raw) -> u64 {
        // SAFETY: the words were written by whoever took it.
        let word = unsafe { block.0.as_ref()[0] };
        self.0.free(block.0.cast()).expect("a live block");
        word
    }
}

struct Boxed(SharedPool<Words>);

impl Source for Boxed {
    type Block = SharedBox<'static, Words>;

    #[inline]
    fn take(&'static self, words: Words) -> Self::Block {
        self.0.insert(words)
    }

    #[inline]
    fn give(&'static self, block: Self::Block) -> u64 {
        block[0]
    }
}

struct Owned(SharedPoolOwner<Words>);

impl Source for Owned {
    type Block = OwnedBox<Words>;

    #[inline]
    fn take(&'static self, words: Words) -> Self::Block {
        self.0.insert_owned(words)
    }

    #[inline]
    fn give(&'static self, block: Self::Block) -> u64 {
        block[0]
    }
}

struct Linear(LinearObjectPool<Words>);

impl Source for Linear {
    type Block = LinearReusable<'static, Words>;

    #[inline]
    fn take(&'static self, words: Words) -> Self::Block {
        let mut block = self.0.pull();
        *block = words;
        block
    }

    #[inline]
    fn give(&'static self, block: Self::Block) -> u64 {
        block[0]
    }
}

struct Spin(SpinLockObjectPool<Words>);

impl Source for Spin {
    type Block = SpinLockReusable<'static, Words>;

    #[inline]
    fn take(&'static self, words: Words) -> Self::Block {
        let mut block = self.0.pull();
        *block = words;
        block
    }

    #[inline]
    fn give(&'static self, block: Self::Block) -> u64 {
        block[0]
    }
}

struct Sharded(Slab<Words>);

impl Source for Sharded {
    type Block = usize;

    #[inline]
    fn take(&'static self, words: Words) -> usize {
        self.0.insert(words).expect("room")
    }

    #[inline]
    fn give(&'static self, block: usize) -> u64 {
        self.0.take(block).expect("a live key")[0]
    }
}

struct Queue(ArrayQueue<Box<Words>>);

impl Source for Queue {
    type Block = Box<Words>;

    #[inline]
    fn take(&'static self, words: Words) -> Self::Block {
        let mut block = self.0.pop().expect("a block");
        *block = words;
        block
    }

    #[inline]
    fn give(&'static self, block: Self::Block) -> u64 {
        let word = block[0];
        self.0.push(block).expect("its place");
        word
    }
}

/// `Box` as it is when mimalloc is the global allocator.
struct Mi(MiMalloc);

impl Source for Mi {
    type Block = Raw;

    #[inline]
    fn take(&'static self, words: Words) -> Raw {
        // SAFETY: the layout is not of size zero; a block of it, ours alone, is written.
        unsafe {
            let block = NonNull::new(self.0.alloc(Layout::new::<Words>())).expect("memory").cast();
            block.write(words);
            Raw(block)
        }
    }

    #[inline]
    fn give(&'static self, block: Raw) -> u64 {
        // SAFETY: written by whoever allocated it, with this layout, and freed once.
        unsafe {
            let word = block.0.as_ref()[0];
            self.0.dealloc(block.0.as_ptr().cast(), Layout::new::<Words>());
            word
        }
    }
}

struct Heap;

impl Source for Heap {
    type Block = Box<Words>;

    #[inline]
    fn take(&'static self, words: Words) -> Self::Block {
        Box::new(words)
    }

    #[inline]
    fn give(&'static self, block: Self::Block) -> u64 {
        block[0]
    }
}

/// The simplest pool of one thread, a stack of free numbers, behind a mutex.
struct Locked {
    free: Mutex<Vec<u32>>,
    slots: Vec<UnsafeCell<Words>>,
}

// SAFETY: a slot is used only by whoever took its number off the stack.
unsafe impl Sync for Locked {}

impl Source for Locked {
    type Block = u32;

    #[inline]
    fn take(&'static self, words: Words) -> u32 {
        let number = self.free.lock().expect("nobody panics with it").pop().expect("a block");
        // SAFETY: the slot is ours alone.
        unsafe { self.slots[number as usize].get().write(words) };
        number
    }

    #[inline]
    fn give(&'static self, block: u32) -> u64 {
        // SAFETY: the slot is still ours, from whoever took it.
        let word = unsafe { (*self.slots[block as usize].get())[0] };
        self.free.lock().expect("nobody panics with it").push(block);
        word
    }
}

pub(super) fn two_threads() {
    fn contender<S: Source>(source: S) -> (u64, impl FnMut()) {
        let pair = Pair::new(source);
        // Twice: the second round takes what the first one gave back.
        let answer = pair.round();
        assert_eq!(answer, pair.round());
        (answer, move || _ = std::hint::black_box(pair.round()))
    }
    let typed = || SharedPool::try_new(tag(), CAPACITY).expect("address space");
    let (take, taken) = contender(Taken(blocks()));
    let (raw, allocated) = contender(Allocated(blocks()));
    let (insert, boxed) = contender(Boxed(typed()));
    let (insert_owned, owned) = contender(Owned(typed().into_owner().expect("a page")));
    let (linear, linear_round) = contender(Linear(LinearObjectPool::new(|| [0; 8], |_| ())));
    let (spin, spin_round) = contender(Spin(SpinLockObjectPool::new(|| [0; 8], |_| ())));
    let (sharded, sharded_round) = contender(Sharded(Slab::new()));
    let queue = ArrayQueue::new(CAPACITY);
    (0..CAPACITY).for_each(|_| queue.push(Box::new([0; 8])).expect("room"));
    let (queue, queue_round) = contender(Queue(queue));
    let (mi, mi_round) = contender(Mi(MiMalloc));
    let (heap, heap_round) = contender(Heap);
    let slots = (0..CAPACITY).map(|_| UnsafeCell::new([0; 8])).collect();
    let free = Mutex::new((0..CAPACITY as u32).rev().collect());
    let (locked, locked_round) = contender(Locked { free, slots });
    let mut contest =
        Contest::new("shared pool: take here, give there, 2 threads", "block", 2 * BATCH * EXCHANGES)
            .ours("SharedBlockPool::take", take, taken)
            .ours("SharedBlockPool::alloc and free", raw, allocated)
            .ours("SharedPool::insert", insert, boxed)
            .ours("SharedPoolOwner::insert_owned", insert_owned, owned)
            .peer("lockfree-object-pool, linear", linear, linear_round)
            .peer("lockfree-object-pool, spin lock", spin, spin_round)
            .peer("sharded-slab", sharded, sharded_round)
            .peer("crossbeam ArrayQueue of boxes", queue, queue_round)
            .peer("Box, mimalloc", mi, mi_round)
            .peer("Box, the system's", heap, heap_round)
            .peer("Mutex around a stack of blocks", locked, locked_round);
    // Raw blocks cost an atomic exchange each, so that of two threads that free one block one is told.
    for (ours, times) in [
        ("SharedBlockPool::take", 0.5),
        ("SharedPool::insert", 0.5),
        ("SharedBlockPool::alloc and free", 1.0),
    ] {
        for peer in [
            "lockfree-object-pool, linear",
            "lockfree-object-pool, spin lock",
            "sharded-slab",
            "crossbeam ArrayQueue of boxes",
            "Box, mimalloc",
            "Mutex around a stack of blocks",
        ] {
            contest = contest.bar(ours, peer, times);
        }
    }
    contest.run();
}
