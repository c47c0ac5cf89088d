//! Blocks of 16 to 4096 bytes in a buffer of RAM: time, and how small the buffer may be.
#![expect(unsafe_code, reason = "writes raw blocks, and calls allocators that are unsafe")]

use std::alloc::{Layout, alloc, dealloc};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use arenite::{Apart, BestFit, Fit, FitHeap, Fixed, Tag, Tlsf};

use crate::harness::Contest;
use crate::opaque::used;
use crate::stats::Random;

/// Blocks that are live.
const LIVE: usize = 1000;
/// Steps of a plan, which is gone through again and again.
const STEPS: usize = 1 << 16;
/// Pairs in a round.
const PAIRS: usize = 20_000;
/// Room for all that is live, three times and more.
const BUFFER: usize = 4 << 20;

/// Hands out memory.
trait Memory {
    /// A block of so many bytes, aligned to 8.
    fn take(&mut self, size: usize) -> Option<NonNull<u8>>;

    /// A block back, which nobody uses any more, with the size that was asked for.
    fn give(&mut self, block: NonNull<u8>, size: usize);

    /// Bytes outside of the buffer.
    fn beside(&self) -> usize {
        0
    }
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).expect("a small layout")
}

/// A buffer from the system's allocator.
struct Buffer(NonNull<u8>, Layout);

impl Buffer {
    fn new(size: usize) -> Self {
        let layout = Layout::from_size_align(size, 4096).expect("a layout");
        // SAFETY: not of size zero.
        let start = unsafe { alloc(layout) };
        Self(NonNull::new(start).expect("memory"), layout)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: from `alloc` with this layout; `In` drops who uses it first.
        unsafe { dealloc(self.0.as_ptr(), self.1) };
    }
}

/// An allocator and the buffer it has its memory from. (It is dropped before its buffer.)
struct In<M> {
    memory: M,
    _buffer: Buffer,
}

impl<M: Memory> In<M> {
    fn new(size: usize, make: impl FnOnce(&'static mut [MaybeUninit<u8>]) -> Option<M>) -> Option<Self> {
        let buffer = Buffer::new(size);
        // SAFETY: the buffer's memory, nobody else's; who gets it lives beside the buffer and is dropped before it.
        let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.0.as_ptr().cast(), size) };
        Some(Self { memory: make(bytes)?, _buffer: buffer })
    }
}

/// Ours, with the book-keeping in the blocks' heads or apart from them.
impl<F: Fit> Memory for FitHeap<Fixed<'static>, F> {
    #[inline(always)]
    fn take(&mut self, size: usize) -> Option<NonNull<u8>> {
        self.try_alloc(layout(size)).ok()
    }

    #[inline(always)]
    fn give(&mut self, block: NonNull<u8>, _: usize) {
        self.free(block).expect("a block in use");
    }

    fn beside(&self) -> usize {
        size_of_val(self) + self.stats().bookkeeping as usize
    }
}

impl<F: Fit> Memory for FitHeap<Apart<Fixed<'static>>, F> {
    #[inline(always)]
    fn take(&mut self, size: usize) -> Option<NonNull<u8>> {
        self.try_alloc(layout(size)).ok()
    }

    #[inline(always)]
    fn give(&mut self, block: NonNull<u8>, _: usize) {
        self.free(block).expect("a block in use");
    }

    fn beside(&self) -> usize {
        size_of_val(self) + self.stats().bookkeeping as usize
    }
}

fn in_place<F: Fit>(buffer: &'static mut [MaybeUninit<u8>]) -> Option<FitHeap<Fixed<'static>, F>> {
    FitHeap::try_new(Fixed::new(Tag::untagged(), buffer)).ok()
}

fn apart(buffer: &'static mut [MaybeUninit<u8>]) -> Option<FitHeap<Apart<Fixed<'static>>>> {
    FitHeap::try_new(Apart::new(Fixed::new(Tag::untagged(), buffer))).ok()
}

/// The crate `rlsf`, with as many lists as `Tlsf` has.
struct Rlsf(rlsf::Tlsf<'static, u32, u32, 20, 32>);

impl Rlsf {
    fn new(buffer: &'static mut [MaybeUninit<u8>]) -> Option<Self> {
        let mut inner = rlsf::Tlsf::new();
        inner.insert_free_block(buffer);
        Some(Self(inner))
    }
}

impl Memory for Rlsf {
    #[inline(always)]
    fn take(&mut self, size: usize) -> Option<NonNull<u8>> {
        self.0.allocate(layout(size))
    }

    #[inline(always)]
    fn give(&mut self, block: NonNull<u8>, _: usize) {
        // SAFETY: from `allocate` with this alignment, given back once.
        unsafe { self.0.deallocate(block, 8) };
    }
}

/// The crate `talc`.
struct Talc(talc::base::Talc<talc::source::Manual, talc::DefaultBinning>);

impl Talc {
    fn new(buffer: &'static mut [MaybeUninit<u8>]) -> Option<Self> {
        let mut inner = talc::base::Talc::new(talc::source::Manual);
        // SAFETY: memory that nobody else uses.
        unsafe { inner.claim(buffer.as_mut_ptr().cast(), buffer.len()) }?;
        Some(Self(inner))
    }
}

impl Memory for Talc {
    #[inline(always)]
    fn take(&mut self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: not of size zero.
        unsafe { self.0.allocate(layout(size)) }
    }

    #[inline(always)]
    fn give(&mut self, block: NonNull<u8>, size: usize) {
        // SAFETY: from `allocate` with this layout, given back once.
        unsafe { self.0.deallocate(block.as_ptr(), layout(size)) };
    }
}

/// The C library's `malloc`, which has no buffer.
struct Malloc;

impl Malloc {
    fn new(_: &'static mut [MaybeUninit<u8>]) -> Option<Self> {
        Some(Self)
    }
}

impl Memory for Malloc {
    #[inline(always)]
    fn take(&mut self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: may be called with any size.
        NonNull::new(unsafe { libc::malloc(size) }).map(NonNull::cast)
    }

    #[inline(always)]
    fn give(&mut self, block: NonNull<u8>, _: usize) {
        // SAFETY: from `malloc`, given back once.
        unsafe { libc::free(block.as_ptr().cast()) };
    }
}

/// Which block goes, and the size of the one that comes instead: the same for everybody.
struct Plan {
    first: Vec<u16>,
    steps: Vec<(u16, u16)>,
}

impl Plan {
    fn new() -> Self {
        let mut random = Random(0x4A_B5EE);
        let mut size = || {
            let power = 16 << random.below(8);
            (power + random.below(power)) as u16
        };
        let first = (0..LIVE).map(|_| size()).collect();
        let sizes: Vec<u16> = (0..STEPS).map(|_| size()).collect();
        let steps = sizes.into_iter().map(|size| (random.below(LIVE) as u16, size)).collect();
        Self { first, steps }
    }

    /// Goes through the whole plan, looking at each block: none overlaps another one, each is aligned. The sum of sizes; `None` if
    /// the memory did not suffice.
    fn check<M: Memory>(&self, memory: &mut M) -> Option<u64> {
        let mut taken = BTreeMap::new();
        let mut sum = 0;
        let mut take = |memory: &mut M, taken: &mut BTreeMap<usize, usize>, size: u16| {
            let block = memory.take(size.into())?;
            let (start, end) = (block.addr().get(), block.addr().get() + usize::from(size));
            assert!(start.is_multiple_of(8));
            let before = taken.range(..end).next_back();
            assert!(before.is_none_or(|(_, before)| *before <= start), "two blocks overlap");
            taken.insert(start, end);
            sum += u64::from(size);
            // SAFETY: a new block of so many bytes.
            unsafe { block.write_bytes(size as u8, size.into()) };
            Some((block, size))
        };
        let mut live = Vec::new();
        for &size in &self.first {
            live.push(take(memory, &mut taken, size)?);
        }
        for &(place, size) in &self.steps {
            let (block, had) = live[usize::from(place)];
            // SAFETY: a live block, all of which was written.
            let content = unsafe { std::slice::from_raw_parts(block.as_ptr(), had.into()) };
            assert!(content.iter().all(|byte| *byte == had as u8), "somebody wrote into a block");
            memory.give(block, had.into());
            taken.remove(&block.addr().get());
            live[usize::from(place)] = take(memory, &mut taken, size)?;
        }
        for (block, size) in live {
            memory.give(block, size.into());
        }
        Some(sum)
    }

    /// The most bytes that are live at one time.
    fn peak(&self) -> usize {
        let mut live = self.first.clone();
        let mut now: usize = live.iter().map(|size| usize::from(*size)).sum();
        let mut most = now;
        for &(place, size) in &self.steps {
            let old = std::mem::replace(&mut live[usize::from(place)], size);
            now = now + usize::from(size) - usize::from(old);
            most = most.max(now);
        }
        most
    }
}

/// A competitor in the middle of the plan. Each block's first bytes are written, and read before it goes.
struct Churn<'p, M> {
    plan: &'p Plan,
    heap: In<M>,
    live: Vec<(NonNull<u8>, u16)>,
    at: usize,
}

impl<'p, M: Memory> Churn<'p, M> {
    fn new(plan: &'p Plan, mut heap: In<M>) -> Self {
        let live = plan.first.iter().map(|size| (take(&mut heap.memory, *size), *size)).collect();
        Self { plan, heap, live, at: 0 }
    }

    #[inline(never)]
    fn round(&mut self, pairs: usize) -> u64 {
        let mut sum = 0;
        for _ in 0..pairs {
            let (place, size) = self.plan.steps[self.at % STEPS];
            self.at += 1;
            let (block, had) = &mut self.live[usize::from(place)];
            // SAFETY: a live block of 16 bytes or more, aligned to 8, written when it was taken.
            sum += u64::from(unsafe { block.cast::<u16>().read() });
            self.heap.memory.give(*block, (*had).into());
            (*block, *had) = (take(&mut self.heap.memory, size), size);
        }
        sum
    }
}

#[inline(always)]
fn take<M: Memory>(memory: &mut M, size: u16) -> NonNull<u8> {
    let block = memory.take(size.into()).expect("room");
    // SAFETY: a new block of 16 bytes or more, aligned to 8.
    unsafe { block.cast::<u16>().write(size) };
    block
}

/// Adds a competitor to a contest, checked.
macro_rules! with {
    ($contest:ident, $face:ident, $name:literal, $plan:ident, $make:expr) => {{
        let mut checked = In::new(BUFFER, $make).expect("a heap");
        let answer = $plan.check(&mut checked.memory).expect("room enough");
        let mut churn = Churn::new(&$plan, In::new(BUFFER, $make).expect("a heap"));
        $contest.$face($name, answer, move || used(&churn.round(PAIRS)))
    }};
}

pub(super) fn churn() {
    let plan = Plan::new();
    let contest = Contest::new("RAM: one of 1000 goes, another one comes, 16 to 4096 B", "pair", PAIRS);
    let contest = with!(contest, ours, "FitHeap", plan, in_place::<Tlsf>);
    let contest = with!(contest, ours, "FitHeap, book-keeping apart", plan, apart);
    let contest = with!(contest, ours, "FitHeap, best fit", plan, in_place::<BestFit>);
    let contest = with!(contest, peer, "talc", plan, Talc::new);
    let contest = with!(contest, peer, "rlsf", plan, Rlsf::new);
    with!(contest, peer, "malloc", plan, Malloc::new)
        .bar("FitHeap", "talc", 1.0)
        .bar("FitHeap", "rlsf", 1.0)
        .run();
}

/// The smallest buffer in which the whole plan succeeds, in steps of a KiB, and what is beside it.
fn smallest<M: Memory>(plan: &Plan, make: impl Fn(&'static mut [MaybeUninit<u8>]) -> Option<M>) -> usize {
    let (mut too_small, mut enough) = (plan.peak() >> 10, BUFFER >> 10);
    let mut beside = 0;
    while enough - too_small > 1 {
        let middle = too_small.midpoint(enough);
        let heap = In::new(middle << 10, &make);
        let done = heap.and_then(|mut heap| plan.check(&mut heap.memory).map(|_| heap.memory.beside()));
        match done {
            Some(bytes) => (enough, beside) = (middle, bytes),
            None => too_small = middle,
        }
    }
    (enough << 10) + beside
}

pub(super) fn memory() {
    let plan = Plan::new();
    let peak = plan.peak();
    println!(
        "## RAM: the smallest memory in which the whole churn succeeds; {peak} bytes are live at the most"
    );
    let line = |name: &str, bytes: usize| {
        println!("  {name:<34} {bytes:>9} bytes   x {:.3}", bytes as f64 / peak as f64);
    };
    line("FitHeap", smallest(&plan, in_place::<Tlsf>));
    line("FitHeap, best fit", smallest(&plan, in_place::<BestFit>));
    line("FitHeap, book-keeping apart", smallest(&plan, apart));
    line("talc", smallest(&plan, Talc::new) + size_of::<Talc>());
    line("rlsf", smallest(&plan, Rlsf::new) + size_of::<Rlsf>());
    println!();
}

/// Goes through so many pairs, `round` being what is to be counted.
pub(super) fn count(who: &str, pairs: usize) -> bool {
    fn go<M: Memory>(make: impl Fn(&'static mut [MaybeUninit<u8>]) -> Option<M>, pairs: usize) {
        let plan = Plan::new();
        black_box(Churn::new(&plan, In::new(BUFFER, make).expect("a heap")).round(pairs));
    }
    match who {
        "fit-heap" => go(in_place::<Tlsf>, pairs),
        "fit-heap-best" => go(in_place::<BestFit>, pairs),
        "fit-heap-apart" => go(apart, pairs),
        "talc" => go(Talc::new, pairs),
        "rlsf" => go(Rlsf::new, pairs),
        "malloc" => go(Malloc::new, pairs),
        _ => return false,
    }
    true
}
