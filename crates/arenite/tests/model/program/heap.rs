//! Programs for the general heap: a heap of its own and the heap of the process side by side, sizes around every border,
//! alignments, growth, other threads that free and take and end, trims, budgets, a range that is used up, and a system that
//! refuses.
#![allow(unsafe_code, reason = "a heap's blocks are raw")]

use std::alloc::Layout;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};
use std::thread;

use arenite::heap::bucket::{self, BucketHeap, BucketHeapOptions, HeapStats, StdThreads, TagUse};
use arenite::{AllocError, Tag};

use super::world::{Weather, World};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Alloc(Home, Size, u8),
    Zeroed(Home, Size, u8),
    Free(u8),
    Realloc(u8, Size),
    /// More than any address space has.
    TooLarge(Home, u8),
    /// Frees every block whose number is odd, or all.
    FreeMany(bool),
    /// Another thread frees some, takes some, and ends.
    Visit(u8, u8),
    /// Four threads at once take blocks of the process's heap under several tags, free each other's, and end.
    Crowd(u8, Size),
    Trim(Home),
    Check,
    Weather(Weather),
}

/// Which heap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Home {
    Own,
    Process,
}

/// A size around a border: what the class, slot or octave is, and how far from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size(u8, u8);

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, c]: [u8; 4]) -> Self {
        let home = if c & 128 == 0 { Home::Own } else { Home::Process };
        match kind % 32 {
            0..=7 => Self::Alloc(home, Size(a, b), c),
            8..=10 => Self::Zeroed(home, Size(a, b), c),
            11..=15 => Self::Free(a),
            16..=19 => Self::Realloc(c, Size(a, b)),
            20 => Self::TooLarge(home, a),
            21 => Self::FreeMany(a < 128),
            22 if c < 128 => Self::Visit(a, b),
            22 => Self::Crowd(c, Size(a, b)),
            23 | 24 => Self::Trim(home),
            25 | 26 => Self::Check,
            _ => Self::Weather(match Weather::of(a, b) {
                // The whole heap is larger than what other programs use.
                Weather::Budget(limit) => Weather::Budget(limit << (c % 6)),
                other => other,
            }),
        }
    }
}

impl Size {
    /// In bytes. `classes` are the heap's own words for its classes.
    fn bytes(self, classes: &HeapStats) -> usize {
        let Self(which, by) = self;
        let slot = 64 << 10;
        let near = |border: usize| (border + usize::from(by % 5)).saturating_sub(2);
        match which {
            0..160 => near(classes.classes[usize::from(which) % classes.classes.len()].size),
            160..200 => usize::from(by) * (usize::from(which) - 159),
            // Spans: whole slots, and what the first slot of a segment has.
            200..225 => near(slot * (1 + usize::from(which - 200) % 8)),
            225..230 => near(slot - (8 << 10)),
            230..236 => near(slot * 32),
            236..240 => near(slot * (30 + usize::from(by / 5 % 4))),
            240..246 => near((3 << 20) + (usize::from(by) << 12)),
            246..250 => near(4 << 20),
            _ => near(8 << usize::from(which - 250)),
        }
    }
}

fn layout(size: usize, align: u8) -> Layout {
    // Mostly what everybody asks for.
    let bits = match align & 31 {
        bits @ 0..=24 => u32::from(bits),
        _ => 3,
    };
    let bits = if align & 64 == 0 { bits % 6 } else { bits };
    Layout::from_size_align(size, 1 << bits).expect("far below the limit")
}

/// A live block.
#[derive(Debug)]
struct Held {
    home: Home,
    /// Under which of the model's tags, of the process's heap.
    under: usize,
    block: NonNull<u8>,
    layout: Layout,
    usable: usize,
    seed: u8,
}

// SAFETY: a block is nobody's but whose handle this is; both heaps serve all threads.
unsafe impl Send for Held {}

/// Where a large block is looked at.
fn places(len: usize) -> impl Iterator<Item = usize> {
    let step = if len <= 64 << 10 { 1 } else { 1021 };
    (0..len).step_by(step).chain(len.saturating_sub(70)..len)
}

fn mark(seed: u8, at: usize) -> u8 {
    (at as u8).wrapping_mul(31) ^ seed ^ (at >> 8) as u8
}

impl Held {
    fn new(home: Home, under: usize, block: NonNull<u8>, layout: Layout, seed: u8) -> Self {
        assert!(block.addr().get().is_multiple_of(layout.align()), "{block:p} for {layout:?}");
        // SAFETY: a live block of ours.
        let usable = unsafe { bucket::usable_size(block) };
        assert!(usable >= layout.size(), "{usable} for {layout:?}");
        let held = Self { home, under, block, layout, usable, seed };
        held.fill();
        held
    }

    /// All that may be used is used.
    fn fill(&self) {
        for at in places(self.usable) {
            // SAFETY: inside the block, which is ours.
            unsafe { self.block.add(at).write(mark(self.seed, at)) };
        }
    }

    fn check(&self, len: usize) {
        for at in places(self.usable).filter(|at| *at < len) {
            // SAFETY: inside the block, written by `fill`.
            let value = unsafe { self.block.add(at).read() };
            assert_eq!(value, mark(self.seed, at), "byte {at} of {self:?}");
        }
    }

    fn free(self, heap: &BucketHeap) {
        self.check(self.usable);
        // SAFETY: a live block of this heap; its handle is gone.
        unsafe {
            assert_eq!(bucket::usable_size(self.block), self.usable);
            match self.home {
                Home::Own => heap.free(self.block),
                Home::Process => bucket::free::<StdThreads>(self.block),
            }
        }
    }
}

fn take(
    heap: &BucketHeap,
    home: Home,
    layout: Layout,
    zeroed: bool,
) -> Result<NonNull<u8>, Option<AllocError>> {
    let (size, align) = (layout.size(), layout.align());
    match (home, zeroed) {
        (Home::Own, false) => heap.try_alloc(layout).map_err(Some),
        (Home::Own, true) => heap.try_alloc_zeroed(layout).map_err(Some),
        (Home::Process, false) => bucket::alloc_aligned::<StdThreads>(size, align).ok_or(None),
        (Home::Process, true) => bucket::alloc_zeroed::<StdThreads>(size, align).ok_or(None),
    }
}

/// What was taken is zero, whatever lay there before.
fn assert_zero(block: NonNull<u8>, len: usize) {
    let step = if len <= 256 << 10 { 1 } else { 61 };
    for at in (0..len).step_by(step).chain(len.saturating_sub(70)..len) {
        // SAFETY: inside a block of ours, all of which was written.
        assert_eq!(unsafe { block.add(at).read() }, 0, "byte {at} of {len}");
    }
}

/// Tags of the process's heap.
const TAGS: usize = 3;
/// Threads of a crowd.
const CROWD: usize = 4;

struct Model<'h> {
    heap: &'h BucketHeap,
    classes: HeapStats,
    /// What threads have in the process's heap is charged here: this one's to the first of them.
    tags: [Tag; TAGS],
    fixed: bool,
    /// By home.
    hardened: [bool; 2],
    held: Vec<Held>,
    seed: u8,
    /// Blocks that the own heap has handed out.
    allocs: u64,
    /// Blocks that the process's heap has handed out, by tag.
    under: [u64; TAGS],
    visits: u32,
}

/// A heap that goes with everything in it when a program fails, so that the next one, which is smaller, begins with nothing.
struct Whole(Option<BucketHeap>);

impl Drop for Whole {
    fn drop(&mut self) {
        if let Some(heap) = self.0.take() {
            // SAFETY: the program that used its blocks has failed, and its model is gone.
            unsafe { heap.force_discard() };
        }
    }
}

fn home_tags(name: &str) -> [Tag; TAGS] {
    let name = format!("{}_process", name.replace('/', "_"));
    // One below another: what is under a tag is its own, not its parent's.
    [name.clone(), format!("{name}/below"), format!("{name}_too")]
        .map(|name| Tag::register(&name).expect("a tag"))
}

/// Programs take turns: a trim reaches places of threads that have ended, also of another program's, whose figures are not
/// exact meanwhile.
pub(crate) static TURN: Mutex<()> = Mutex::new(());

pub(crate) fn run(ops: &[Op]) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut world = World::new("heap");
    let fixed = ops.len() % 3 == 1;
    let hardened = cfg!(feature = "hardened") || ops.len() % 5 < 2;
    let options =
        BucketHeapOptions::new(world.tag).purge_delay([200, 0, 1][ops.len() % 7 % 3]).hardened(hardened);
    let options = if fixed { options.fixed(12 << 20) } else { options };
    let mut whole = Whole(Some(BucketHeap::try_with(options).expect("address space")));
    let heap = whole.0.as_ref().expect("just made");
    let tags = home_tags(world.tag.name());
    // Also makes the heap of the process, while the system works.
    let before = bucket::enter::<StdThreads>(tags[0]).expect("a place for a tag");
    // Nothing, unless a program failed under this name.
    let others = tags.map(|tag| bucket::process_stats(Some(tag)));
    let mut model = Model {
        heap,
        classes: heap.stats(),
        tags,
        fixed,
        hardened: [hardened, cfg!(feature = "hardened")],
        held: Vec::new(),
        seed: 0,
        allocs: 0,
        under: others.map(|others| others.allocs()),
        visits: 0,
    };
    let stale = others.map(|others| others.live());
    for op in ops {
        model.step(*op, &mut world);
        model.agree(&world, stale);
    }
    model.check();
    world.wind_down();
    model.free_some(|_| true);
    model.agree(&world, stale);
    bucket::enter::<StdThreads>(before).expect("it was there before");
    world.end(whole.0.take());
}

impl Model<'_> {
    fn step(&mut self, op: Op, world: &mut World) {
        self.seed = self.seed.wrapping_add(1);
        match op {
            Op::Alloc(home, size, align) => self.alloc(home, size, align, false, world),
            Op::Zeroed(home, size, align) => self.alloc(home, size, align, true, world),
            Op::Free(index) if !self.held.is_empty() => {
                let index = usize::from(index) % self.held.len();
                self.held.swap_remove(index).free(self.heap);
            }
            Op::Realloc(index, size) if !self.held.is_empty() => {
                let index = usize::from(index) % self.held.len();
                self.realloc(index, size, world);
            }
            Op::TooLarge(home, value) => self.too_large(home, value, world),
            Op::FreeMany(odd) => {
                let mut number = 0;
                self.free_some(|_| {
                    number += 1;
                    !odd || number % 2 == 1
                });
            }
            Op::Visit(theirs, take) => self.visit(theirs, take, world),
            Op::Crowd(theirs, size) => self.crowd(theirs, size),
            Op::Trim(home) => self.trim(home, world),
            Op::Check => self.check(),
            Op::Weather(weather) => world.set(weather),
            Op::Free(_) | Op::Realloc(..) => {}
        }
    }

    /// Believes a refusal.
    fn refused(&self, home: Home, error: Option<AllocError>, world: &World) {
        match error {
            // What was begun is given back after the refusal.
            Some(AllocError::Budget(refused)) => world.believe_budget(refused),
            Some(error) => world.believe(error, self.fixed),
            None => assert!(home == Home::Process && !world.calm(), "nothing refuses"),
        }
    }

    fn alloc(&mut self, home: Home, size: Size, align: u8, zeroed: bool, world: &World) {
        if self.held.iter().map(|held| held.usable).sum::<usize>() > 64 << 20 {
            return;
        }
        let layout = layout(size.bytes(&self.classes), align);
        let before = self.heap.stats();
        match take(self.heap, home, layout, zeroed) {
            Ok(block) => {
                if zeroed {
                    assert_zero(block, layout.size());
                }
                self.count(home, 0);
                self.held.push(Held::new(home, 0, block, layout, self.seed));
                self.assert_apart();
            }
            Err(error) => {
                self.refused(home, error, world);
                assert!(self.heap.stats() == before, "a refusal changes nothing");
            }
        }
    }

    /// A block was handed out.
    fn count(&mut self, home: Home, under: usize) {
        match home {
            Home::Own => self.allocs += 1,
            Home::Process => self.under[under] += 1,
        }
    }

    fn realloc(&mut self, index: usize, size: Size, world: &World) {
        let size = size.bytes(&self.classes);
        let before = self.heap.stats();
        let held = &mut self.held[index];
        held.check(held.usable);
        let answer = match held.home {
            // SAFETY: a live block with this layout.
            Home::Own => unsafe { self.heap.try_realloc(held.block, held.layout, size) }.map_err(Some),
            // SAFETY: as above.
            Home::Process => {
                // SAFETY: as above.
                unsafe { bucket::realloc::<StdThreads>(held.block, size, held.layout.align()) }.ok_or(None)
            }
        };
        match answer {
            Ok(block) => {
                // It keeps its tag. What moved is another block; but pages of a huge block that grew may have moved with all
                // that is in them, and then it is the block that it was.
                let under = held.under;
                if block != held.block {
                    let (now, counted) = match held.home {
                        Home::Own => (self.heap.stats(), &mut self.allocs),
                        Home::Process => {
                            (bucket::process_stats(Some(self.tags[under])), &mut self.under[under])
                        }
                    };
                    let carried = held.usable > 64 << 10 && size > held.usable && now.allocs() == *counted;
                    if !carried {
                        *counted += 1;
                    }
                }
                let common = held.layout.size().min(size);
                held.block = block;
                held.check(common);
                let layout = Layout::from_size_align(size, held.layout.align()).expect("far below the limit");
                *held = Held::new(held.home, under, block, layout, self.seed);
                self.assert_apart();
            }
            Err(error) => {
                let home = held.home;
                held.check(held.usable);
                self.refused(home, error, world);
                assert!(self.heap.stats() == before, "a refusal changes nothing");
            }
        }
    }

    fn too_large(&mut self, home: Home, value: u8, world: &World) {
        let before = self.heap.stats();
        let size = (isize::MAX as usize >> (value % 3)) - 7 - (usize::from(value) << 4);
        let layout = Layout::from_size_align(size, 8).expect("it is a layout");
        match take(self.heap, home, layout, value & 64 != 0) {
            Ok(block) => panic!("{size} bytes at {block:p}"),
            Err(Some(AllocError::Os { .. } | AllocError::TooLarge { .. })) | Err(None) => {}
            Err(Some(AllocError::Budget(refused))) => world.believe_budget(refused),
            Err(Some(error)) => assert!(self.fixed, "{error}"),
        }
        // Nor can a block become so large, and stays what it is.
        if let Some(held) = self.held.iter().find(|held| held.home == home) {
            // SAFETY: a live block of ours.
            let grown = unsafe {
                match home {
                    Home::Own => {
                        self.heap.try_realloc(held.block, held.layout, usize::MAX - usize::from(value)).ok()
                    }
                    Home::Process => bucket::realloc::<StdThreads>(
                        held.block,
                        usize::MAX - usize::from(value),
                        held.layout.align(),
                    ),
                }
            };
            assert_eq!(grown, None);
            held.check(held.usable);
        }
        assert!(self.heap.stats() == before, "a refusal changes nothing");
    }

    fn free_some(&mut self, mut goes: impl FnMut(&Held) -> bool) {
        for held in std::mem::take(&mut self.held) {
            if goes(&held) { held.free(self.heap) } else { self.held.push(held) }
        }
    }

    /// Another thread, on which the system works, frees what it was given, takes as many small ones, and ends.
    fn visit(&mut self, theirs: u8, take_too: u8, world: &World) {
        self.visits += 1;
        let at = self.held.len().saturating_sub(usize::from(theirs % 64));
        let theirs = self.held.split_off(at);
        let (heap, tag, seed) = (self.heap, self.tags[0], self.seed);
        let (brought, refused) = thread::scope(|scope| {
            let visitor = scope.spawn(move || {
                for held in theirs {
                    held.free(heap);
                }
                bucket::enter::<StdThreads>(tag).expect("the system works here");
                let mut brought = Vec::new();
                let mut refused = None;
                for index in 0..take_too % 64 {
                    let home = if index % 3 == 0 { Home::Process } else { Home::Own };
                    let layout = layout(usize::from(index) * usize::from(take_too), 4);
                    match take(heap, home, layout, false) {
                        Ok(block) => {
                            brought.push(Held::new(home, 0, block, layout, seed.wrapping_add(index)));
                            // A class that has a page needs less than one that was refused its first: what was in use when
                            // that was said is less than what is now.
                            refused = None;
                        }
                        Err(error) => refused = Some(error),
                    }
                }
                (brought, refused)
            });
            visitor.join().expect("no panic there")
        });
        match refused {
            None => {}
            Some(Some(AllocError::Budget(refused))) => world.believe_budget(refused),
            Some(other) => {
                assert!(matches!(other, Some(AllocError::Exhausted { .. })) && self.fixed, "{other:?}");
            }
        }
        for held in brought {
            self.count(held.home, 0);
            self.held.push(held);
        }
        self.assert_apart();
    }

    /// Four threads, on which the system works, share out what is held of the process's heap, free it and take more under all
    /// tags, each also what the others have just taken. Some of it is brought back.
    fn crowd(&mut self, theirs: u8, size: Size) {
        self.visits += 1;
        let at = self.held.len().saturating_sub(usize::from(theirs % 64));
        let shared = Mutex::new(self.held.split_off(at));
        let (heap, tags, classes, seed) = (self.heap, self.tags, &self.classes, self.seed);
        let taken = thread::scope(|scope| {
            let work = |worker: usize| {
                let mut taken = [0u64; TAGS];
                for round in 0..24usize {
                    let under = (worker + round) % TAGS;
                    bucket::enter::<StdThreads>(tags[under]).expect("the system works here");
                    let which = size.0.wrapping_add((round * 7) as u8);
                    // Nothing that would make a thousand threads of four.
                    let bytes = Size(which % 200, size.1).bytes(classes);
                    let layout = layout(bytes, theirs);
                    let Ok(block) = take(heap, Home::Process, layout, round % 5 == 0) else { continue };
                    taken[under] += 1;
                    let held = Held::new(Home::Process, under, block, layout, seed.wrapping_add(round as u8));
                    let mut all = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    all.push(held);
                    // Mostly another one's, and sometimes two.
                    for _ in 0..1 + usize::from(round % 3 == 0) {
                        let index = (round * 5 + worker) % all.len();
                        let gone = all.swap_remove(index);
                        let keeps = round % 4 == worker && all.len() < 48;
                        if keeps {
                            all.push(gone);
                            break;
                        }
                        gone.free(heap);
                        if all.is_empty() {
                            break;
                        }
                    }
                }
                taken
            };
            let workers: [_; CROWD] = std::array::from_fn(|worker| scope.spawn(move || work(worker)));
            workers.map(|worker| worker.join().expect("no panic there"))
        });
        for taken in taken {
            for (sum, taken) in self.under.iter_mut().zip(taken) {
                *sum += taken;
            }
        }
        self.held.append(&mut shared.into_inner().unwrap_or_else(PoisonError::into_inner));
        self.assert_apart();
    }

    fn trim(&self, home: Home, world: &World) {
        let before = world.own();
        match home {
            Home::Process => {
                bucket::trim::<StdThreads>();
            }
            Home::Own => {
                let given = self.heap.trim();
                let after = world.own();
                assert_eq!(before.committed - after.committed, given, "what went is credited");
                let live = self.held.iter().any(|held| held.home == Home::Own);
                if world.calm() && !live && self.visits == 0 {
                    // Headers of two segments, and this thread's place.
                    assert!(after.committed <= 64 << 10, "{after:?}");
                    assert!(after.reserved <= 8 << 20, "{after:?}");
                }
            }
        }
    }

    fn check(&self) {
        for held in &self.held {
            held.check(held.usable);
            let inside = held.block.as_ptr().wrapping_add(held.usable.max(1) - 1);
            assert_eq!(self.heap.owns(inside), held.home == Home::Own);
            assert_eq!(bucket::owns(inside), held.home == Home::Process);
        }
    }

    /// No two blocks overlap.
    fn assert_apart(&self) {
        let ranges: BTreeMap<usize, usize> = self
            .held
            .iter()
            .map(|held| (held.block.addr().get(), held.block.addr().get() + held.usable))
            .collect();
        assert_eq!(ranges.len(), self.held.len(), "two blocks at one address");
        let mut last = 0;
        for (start, end) in ranges {
            assert!(last <= start, "a block ends at {last:#x}, the next begins at {start:#x}");
            last = end;
        }
    }

    /// The heap's figures and the ledger's are ours: blocks handed out less blocks that came back are those that live, by tag.
    fn agree(&self, world: &World, stale: [u64; TAGS]) {
        self.agree_on(Home::Own, None, self.heap.stats(), self.allocs, 0);
        let walked: Vec<(Tag, TagUse)> = bucket::by_tag().collect();
        for (under, tag) in self.tags.into_iter().enumerate() {
            let stats = bucket::process_stats(Some(tag));
            self.agree_on(Home::Process, Some(under), stats, self.under[under], stale[under]);
            // The one walk over all tags says the same.
            let one = walked
                .iter()
                .find(|(found, _)| *found == tag)
                .map_or(TagUse::default(), |(_, figures)| *figures);
            let same = (stats.allocs(), stats.live(), stats.live_bytes(), tag.account().own.committed as u64);
            assert_eq!((one.allocs, one.live, one.live_bytes, one.committed), same, "{tag}");
        }
        let own = world.own();
        assert_eq!(own.reserved, self.heap.reserved());
        let bytes: usize =
            self.held.iter().filter(|held| held.home == Home::Own).map(|held| held.usable).sum();
        assert!(bytes <= own.committed && own.committed <= own.reserved, "{own:?} for {bytes}");
    }

    fn agree_on(&self, home: Home, under: Option<usize>, stats: HeapStats, allocs: u64, stale: u64) {
        let mine = || {
            self.held.iter().filter(|held| held.home == home && under.is_none_or(|under| held.under == under))
        };
        let live = mine().count() as u64;
        assert_eq!(stats.live(), live + stale, "{home:?} {under:?}");
        assert_eq!(stats.allocs(), allocs, "{home:?} {under:?}");
        assert_eq!(stats.frees(), stats.allocs() - stats.live(), "{home:?} {under:?}");
        if stale == 0 {
            let bytes: usize = mine().map(|held| held.usable).sum();
            let bytes = bytes as u64;
            if self.hardened[home as usize] {
                // Just what was asked for may be used; what is counted is what it takes.
                let most = bytes + bytes / 8 + live * 16 * 1024;
                assert!((bytes..=most).contains(&stats.live_bytes()), "{home:?} {under:?}");
            } else {
                assert_eq!(stats.live_bytes(), bytes, "{home:?} {under:?}");
            }
        }
    }
}
