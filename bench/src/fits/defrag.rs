//! Blocks behind handles that may move, against handles over blocks of the C library's allocator, which do not.

use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::Hash;
use std::time::Instant;

use arenite::{DefragBudget, DefragHandle, DefragHeap, DefragHeapOptions, Tag};
use slotmap::{DefaultKey, SlotMap};
use thunderdome::Arena;

use crate::harness::Contest;
use crate::opaque::used;
use crate::stats::Random;

/// Blocks that are live in churn and look-ups.
const LIVE: usize = 1000;
/// Pairs, or look-ups, in a round.
const PAIRS: usize = 5000;
const LOOKS: usize = 50_000;
/// Steps of a plan, which is gone through again and again.
const STEPS: usize = 1 << 14;
/// No block is larger.
const LARGEST: usize = 64 << 10;

/// Keeps bytes under a name.
trait Keeper {
    type Name: Copy + Eq + Hash;

    fn put(&mut self, bytes: &[u8]) -> Self::Name;

    fn get(&self, name: Self::Name) -> Option<&[u8]>;

    fn free(&mut self, name: Self::Name);

    /// A moment of the program in which there is time for something else.
    fn tick(&mut self) {}
}

/// Ours; `TICK` bytes are moved at most in a tick.
struct Heap<const TICK: u64>(DefragHeap);

impl<const TICK: u64> Heap<TICK> {
    fn new() -> Self {
        // A gigabyte that is free stays, so that what the system takes for giving memory back and forth is in no figure.
        let options = DefragHeapOptions::new(Tag::untagged()).keep(1 << 30);
        Self(DefragHeap::try_with(options).expect("a heap"))
    }
}

impl<const TICK: u64> Keeper for Heap<TICK> {
    type Name = DefragHandle<[u8]>;

    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) -> Self::Name {
        self.0.insert_slice_copy(bytes)
    }

    #[inline(always)]
    fn get(&self, name: Self::Name) -> Option<&[u8]> {
        self.0.get(name)
    }

    #[inline(always)]
    fn free(&mut self, name: Self::Name) {
        self.0.free(name).expect("a block that lives");
    }

    #[inline(always)]
    fn tick(&mut self) {
        if TICK != 0 {
            self.0.defragment(DefragBudget::bytes(TICK));
        }
    }
}

impl Keeper for SlotMap<DefaultKey, Box<[u8]>> {
    type Name = DefaultKey;

    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) -> DefaultKey {
        self.insert(bytes.into())
    }

    #[inline(always)]
    fn get(&self, name: DefaultKey) -> Option<&[u8]> {
        Self::get(self, name).map(|bytes| &**bytes)
    }

    #[inline(always)]
    fn free(&mut self, name: DefaultKey) {
        self.remove(name).expect("a block that lives");
    }
}

impl Keeper for Arena<Box<[u8]>> {
    type Name = thunderdome::Index;

    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) -> Self::Name {
        self.insert(bytes.into())
    }

    #[inline(always)]
    fn get(&self, name: Self::Name) -> Option<&[u8]> {
        Self::get(self, name).map(|bytes| &**bytes)
    }

    #[inline(always)]
    fn free(&mut self, name: Self::Name) {
        self.remove(name).expect("a block that lives");
    }
}

/// From 16 bytes to 64 KiB, all magnitudes alike.
fn size(random: &mut Random) -> usize {
    let power = 16 << random.below(12);
    power + random.below(power)
}

/// Which block goes, and the size of the one that comes instead: the same for everybody.
struct Plan {
    first: Vec<usize>,
    steps: Vec<(usize, usize)>,
    /// What blocks are copied from: byte `n` of a block of so many bytes is that of `size + n`.
    source: Vec<u8>,
}

impl Plan {
    fn new() -> Self {
        let mut random = Random(0x00DE_F4A6);
        let first = (0..LIVE).map(|_| size(&mut random)).collect();
        let steps = (0..STEPS).map(|_| (random.below(LIVE), size(&mut random))).collect();
        let source = (0..2 * LARGEST).map(|_| random.next() as u8).collect();
        Self { first, steps, source }
    }

    fn bytes(&self, size: usize) -> &[u8] {
        &self.source[size..2 * size]
    }

    /// Goes through the whole plan and looks at each block before it goes; at the end all that lives is looked at. Names of what is
    /// gone must find nothing. The sum of sizes.
    fn check<K: Keeper>(&self, mut keeper: K) -> u64 {
        let mut sum = 0;
        let mut put = |keeper: &mut K, size| {
            sum += size as u64;
            (keeper.put(self.bytes(size)), size)
        };
        let mut live: Vec<_> = self.first.iter().map(|size| put(&mut keeper, *size)).collect();
        for &(place, size) in &self.steps {
            let (name, had) = live[place];
            assert_eq!(keeper.get(name), Some(self.bytes(had)), "a block has another content");
            keeper.free(name);
            assert!(keeper.get(name).is_none(), "a name of nothing found something");
            live[place] = put(&mut keeper, size);
            keeper.tick();
        }
        let names: HashSet<_> = live.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), LIVE);
        for (name, size) in live {
            assert_eq!(keeper.get(name), Some(self.bytes(size)), "a block has another content");
        }
        sum
    }
}

/// A competitor in the middle of the plan.
struct Churn<'p, K: Keeper> {
    plan: &'p Plan,
    keeper: K,
    live: Vec<K::Name>,
    at: usize,
}

impl<'p, K: Keeper> Churn<'p, K> {
    fn new(plan: &'p Plan, mut keeper: K) -> Self {
        let live = plan.first.iter().map(|size| keeper.put(plan.bytes(*size))).collect();
        Self { plan, keeper, live, at: 0 }
    }

    #[inline(never)]
    fn round(&mut self) -> u64 {
        let mut sum = 0;
        for _ in 0..PAIRS {
            let (place, size) = self.plan.steps[self.at % STEPS];
            self.at += 1;
            let name = &mut self.live[place];
            sum += u64::from(self.keeper.get(*name).expect("a block that lives")[0]);
            self.keeper.free(*name);
            *name = self.keeper.put(self.plan.bytes(size));
            if self.at.is_multiple_of(100) {
                self.keeper.tick();
            }
        }
        sum
    }

    #[inline(never)]
    fn look(&mut self) -> u64 {
        let mut sum = 0;
        for _ in 0..LOOKS {
            let (place, _) = self.plan.steps[self.at % STEPS];
            self.at += 1;
            sum += u64::from(self.keeper.get(self.live[place]).expect("a block that lives")[0]);
        }
        sum
    }
}

/// Adds a competitor to a contest, checked.
macro_rules! with {
    ($contest:ident, $face:ident, $name:literal, $plan:ident, $work:ident, $make:expr) => {{
        let answer = $plan.check($make);
        let mut churn = Churn::new(&$plan, $make);
        $contest.$face($name, answer, move || used(&churn.$work()))
    }};
}

/// One block goes and another one comes, with its content.
pub(super) fn churn() {
    let plan = Plan::new();
    let contest =
        Contest::new("defrag: one of 1000 goes, another one is copied in, 16 B to 64 KiB", "pair", PAIRS);
    let contest = with!(contest, ours, "DefragHeap", plan, round, Heap::<0>::new());
    let contest = with!(contest, ours, "DefragHeap, ticks", plan, round, Heap::<{ 256 << 10 }>::new());
    let contest = with!(contest, peer, "slotmap of boxes", plan, round, SlotMap::new());
    with!(contest, peer, "thunderdome of boxes", plan, round, Arena::new())
        .bar("DefragHeap", "slotmap of boxes", 1.0)
        .run();
}

/// The first byte of a block by its name, in random order.
pub(super) fn get() {
    let plan = Plan::new();
    let contest = Contest::new("defrag: look up one of 1000, random order", "look", LOOKS);
    let contest = with!(contest, ours, "DefragHeap", plan, look, Heap::<0>::new());
    let contest = with!(contest, peer, "slotmap of boxes", plan, look, SlotMap::new());
    with!(contest, peer, "thunderdome of boxes", plan, look, Arena::new())
        .bar("DefragHeap", "slotmap of boxes", 1.0)
        .run();
}

/// Bytes of memory that the process has.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("the process's own figures");
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("a number of pages") * 4096
}

/// What the process has more than at the beginning: with everything, after nine in ten blocks are gone, and after `tidy`. All that is
/// left must have its content.
#[cfg(target_os = "linux")]
fn storm<K: Keeper>(name: &str, mut keeper: K, tidy: impl FnOnce(&mut K)) {
    const BLOCKS: usize = 10_000;
    let plan = Plan::new();
    let mut random = Random(0x0005_7042);
    let mut all: Vec<(Option<K::Name>, usize)> = (0..BLOCKS).map(|_| (None, size(&mut random))).collect();
    // What earlier work has left is no part of it.
    trim(&mut keeper);
    let start = resident();
    for (name, size) in &mut all {
        *name = Some(keeper.put(plan.bytes(*size)));
    }
    let full = resident() - start;
    let mut live = 0;
    for (name, size) in &mut all {
        if random.below(10) == 0 {
            live += *size;
        } else {
            keeper.free(name.take().expect("a block that lives"));
        }
    }
    let torn = resident().saturating_sub(start);
    tidy(&mut keeper);
    let tidied = resident().saturating_sub(start);
    for (name, size) in &all {
        if let Some(name) = name {
            assert_eq!(keeper.get(*name), Some(plan.bytes(*size)), "a block has another content");
        }
    }
    let times = |bytes: usize| bytes as f64 / live as f64;
    println!(
        "  {name:<34} {:>8.2} {:>8.2} {:>8.2}   of {:.1} MiB that live",
        times(full),
        times(torn),
        times(tidied),
        live as f64 / f64::from(1 << 20)
    );
}

/// 10 000 blocks, of which nine in ten go.
#[cfg(target_os = "linux")]
pub(super) fn memory() {
    println!(
        "## defrag: resident memory over what lives at the end: with all blocks, with one in ten, and tidied up"
    );
    let heap = || DefragHeap::try_new(Tag::untagged()).expect("a heap");
    storm("DefragHeap, defragmented", Heap::<0>(heap()), |heap| {
        heap.0.defragment_fully();
    });
    storm("slotmap of boxes, trimmed", SlotMap::new(), trim);
    storm("thunderdome of boxes, trimmed", Arena::new(), trim);
    println!();
}

/// What the C library can give back of what is free.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "calls the C library")]
fn trim<K>(_: &mut K) {
    // SAFETY: may be called at any time.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(all(target_os = "linux", not(target_env = "gnu")))]
fn trim<K>(_: &mut K) {}

#[cfg(not(target_os = "linux"))]
pub(super) fn memory() {}

/// Blocks in a row, every second of which goes.
struct Torn {
    sizes: Vec<usize>,
    source: Vec<u8>,
}

impl Torn {
    /// So many blocks of these sizes.
    fn new(blocks: usize, mut size: impl FnMut(&mut Random) -> usize) -> Self {
        let mut random = Random(0x7042);
        let sizes = (0..blocks).map(|_| size(&mut random)).collect();
        let source = (0..4 * LARGEST).map(|_| random.next() as u8).collect();
        Self { sizes, source }
    }

    /// What block `n` holds.
    fn bytes(&self, n: usize) -> &[u8] {
        &self.source[n % LARGEST..][..self.sizes[n]]
    }

    /// Those that stay.
    fn kept(&self) -> impl Iterator<Item = usize> {
        (1..self.sizes.len()).step_by(2)
    }

    fn ours(&self) -> (Heap<0>, Vec<DefragHandle<[u8]>>) {
        let mut heap = Heap::new();
        let names: Vec<_> = (0..self.sizes.len()).map(|n| heap.put(self.bytes(n))).collect();
        names.iter().step_by(2).for_each(|name| heap.free(*name));
        (heap, names)
    }

    /// The same as plain bytes; from where, to where and how many are to be moved.
    fn plain(&self) -> (Vec<u8>, Vec<(usize, usize, usize)>) {
        let mut bytes = Vec::new();
        let (mut moves, mut end) = (Vec::new(), 0);
        for n in 0..self.sizes.len() {
            let start = bytes.len();
            bytes.extend_from_slice(self.bytes(n));
            if n % 2 == 1 {
                moves.push((start, end, self.sizes[n]));
                end += self.sizes[n].next_multiple_of(16);
            }
            bytes.resize(bytes.len().next_multiple_of(16), 0);
        }
        (bytes, moves)
    }
}

/// Ticks of 256 KiB until nothing is left to be moved, against the same moves as plain `memmove`.
fn ticks(name: &'static str, torn: &Torn) {
    let budget = DefragBudget::bytes(256 << 10);
    let all = |heap: &mut DefragHeap| {
        let mut moved = 0;
        loop {
            let report = heap.defragment(budget);
            moved += report.moved_bytes;
            if report.done {
                return moved;
            }
        }
    };
    // The same bytes are moved, and are what they were.
    let (mut heap, names) = torn.ours();
    let moved = all(&mut heap.0);
    for n in torn.kept() {
        assert_eq!(heap.get(names[n]), Some(torn.bytes(n)), "a block has another content");
    }
    assert_eq!(heap.0.stats().largest_free, heap.0.stats().free, "something is still torn");
    let (mut bytes, moves) = torn.plain();
    for &(from, to, len) in &moves {
        bytes.copy_within(from..from + len, to);
    }
    for (n, (_, to, _)) in torn.kept().zip(&moves) {
        assert_eq!(&bytes[*to..][..torn.sizes[n]], torn.bytes(n), "plain bytes were moved wrongly");
    }
    let plain = moves.iter().map(|(_, _, len)| *len as u64).sum();
    let mebibytes = moved as usize >> 20;
    let ours = RefCell::new(torn.ours().0);
    let theirs = RefCell::new(torn.plain());
    Contest::new(name, "MiB moved", mebibytes)
        .ours("DefragHeap, ticks of 256 KiB", moved, || used(&all(&mut ours.borrow_mut().0)))
        .prepare(|| *ours.borrow_mut() = torn.ours().0)
        .peer("memmove", plain, || {
            let (bytes, moves) = &mut *theirs.borrow_mut();
            for &(from, to, len) in moves.iter() {
                bytes.copy_within(from..from + len, to);
            }
            used(&u64::from(bytes[bytes.len() / 2]));
        })
        .prepare(|| *theirs.borrow_mut() = torn.plain())
        .run();
}

/// What moving costs beside the copying, and what a tick costs when there is nothing to move.
pub(super) fn tick() {
    ticks("defrag: every second of 2,000 blocks of 16 B to 64 KiB goes", &Torn::new(2000, size));
    ticks("defrag: every second of 512 blocks of 64 KiB goes", &Torn::new(512, |_| LARGEST));
    ticks("defrag: every second of 60,000 blocks of 256 B goes", &Torn::new(60_000, |_| 256));
    let (mut heap, _) = Torn::new(2000, size).ours();
    heap.0.defragment_fully();
    let start = Instant::now();
    for _ in 0..100_000 {
        used(&heap.0.defragment(DefragBudget::bytes(256 << 10)).moved_bytes);
    }
    println!(
        "## defrag: a tick with nothing to move: {:.1} ns\n",
        start.elapsed().as_nanos() as f64 / 100_000.0
    );
}
