//! Programs for named heaps, with and without tracking: blocks of all sizes and alignments that come, grow and go, handles
//! that are cloned and dropped, other threads, reports, and discards, which are refused exactly while something lives.
#![allow(unsafe_code, reason = "a heap's blocks are raw")]

use std::alloc::Layout;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::thread;

use arenite::{AllocError, Heap, HeapOptions};

use super::world::{Weather, World};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Alloc(Size, u8),
    Zeroed(Size, u8),
    Free(u8),
    Realloc(u8, Size),
    /// Frees every block whose number is odd, or all.
    FreeMany(bool),
    Clone,
    Unclone(u8),
    /// Another thread with a handle of its own frees some, takes some, and ends.
    Visit(u8, u8),
    Report,
    /// Tries to; if it succeeds, the next heap begins.
    Discard,
    Trim,
    Weather(Weather),
}

/// A size: what it is near to, and how far from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size(u8, u8);

impl Size {
    fn bytes(self) -> usize {
        let Self(which, by) = self;
        let by = usize::from(by);
        match which {
            0..150 => by,
            150..200 => by * 41,
            200..230 => by * 600,
            230..245 => (64 << 10) * (by % 9) + by,
            245..252 => (1 << 20) + by * 4099,
            _ => (4 << 20) - 300 + by,
        }
    }
}

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, c]: [u8; 4]) -> Self {
        match kind % 32 {
            0..=8 => Self::Alloc(Size(a, b), c),
            9 | 10 => Self::Zeroed(Size(a, b), c),
            11..=14 => Self::Free(a),
            15..=18 => Self::Realloc(c, Size(a, b)),
            19 => Self::FreeMany(a < 128),
            20 | 21 => Self::Clone,
            22 | 23 => Self::Unclone(a),
            24 => Self::Visit(a, b),
            25 => Self::Report,
            26 | 27 => Self::Discard,
            28 => Self::Trim,
            _ => Self::Weather(match Weather::of(a, b) {
                Weather::Budget(limit) => Weather::Budget(limit << (c % 5)),
                other => other,
            }),
        }
    }
}

fn layout(size: usize, align: u8) -> Layout {
    let bits = if align & 64 == 0 { align % 6 } else { align % 20 };
    Layout::from_size_align(size, 1 << bits).expect("far below the limit")
}

#[derive(Debug)]
struct Held {
    block: NonNull<u8>,
    layout: Layout,
    seed: u8,
    /// When it was made, in order.
    number: usize,
}

// SAFETY: a block is nobody's but whose handle this is; the heap serves all threads.
unsafe impl Send for Held {}

/// Where a block is looked at.
fn places(len: usize) -> impl Iterator<Item = usize> {
    let step = if len <= 4096 { 1 } else { 509 };
    (0..len).step_by(step).chain(len.saturating_sub(40)..len)
}

impl Held {
    fn new(block: NonNull<u8>, layout: Layout, seed: u8, number: usize) -> Self {
        assert!(block.addr().get().is_multiple_of(layout.align()), "{block:p} for {layout:?}");
        let held = Self { block, layout, seed, number };
        for at in places(layout.size()) {
            // SAFETY: inside the block, which is ours.
            unsafe { block.add(at).write(held.mark(at)) };
        }
        held
    }

    fn mark(&self, at: usize) -> u8 {
        (at as u8).wrapping_mul(29) ^ self.seed
    }

    fn check(&self, len: usize) {
        for at in places(self.layout.size()).filter(|at| *at < len) {
            // SAFETY: inside the block, written when it was made.
            assert_eq!(unsafe { self.block.add(at).read() }, self.mark(at), "byte {at} of {self:?}");
        }
    }

    fn free(self, heap: &Heap) {
        self.check(self.layout.size());
        // SAFETY: a live block of this heap; its handle is gone.
        unsafe { heap.free(self.block) };
    }
}

/// The heap, and what the program knows of it.
struct Program {
    heap: Option<Heap>,
    model: Model,
}

struct Model {
    tracked: bool,
    fixed: bool,
    clones: Vec<Heap>,
    held: Vec<Held>,
    made: usize,
}

/// A heap goes with everything in it when a program fails, so that the next one, which is smaller, begins with nothing.
impl Drop for Program {
    fn drop(&mut self) {
        if let Some(heap) = self.heap.take() {
            self.model.clones.clear();
            // SAFETY: the program that used its blocks has failed, and there is no other handle.
            unsafe { heap.force_discard() };
        }
    }
}

pub(crate) fn run(ops: &[Op]) {
    let mut world = World::new("named");
    world.begins = true;
    let (tracked, fixed) = (ops.len() % 2 == 1, ops.len() % 3 == 1);
    let options = HeapOptions::new(world.tag).purge_delay([200, 0, 1][ops.len() % 7 % 3]);
    let options = if fixed { options.fixed(12 << 20) } else { options };
    let options = if tracked { options.track_blocks() } else { options };
    let model = Model { tracked, fixed, clones: Vec::new(), held: Vec::new(), made: 0 };
    let mut program = Program { heap: None, model };
    for op in ops {
        if program.heap.is_none() {
            match Heap::try_with(options) {
                Ok(heap) => program.heap = Some(heap),
                Err(error) => {
                    world.believe(error, false);
                    let own = world.own();
                    assert_eq!((own.reserved, own.committed), (0, 0), "nothing is left of it");
                }
            }
        }
        match (op, &program.heap) {
            (Op::Weather(weather), _) => world.set(*weather),
            (Op::Discard, _) => program.discard(&mut world),
            (_, Some(heap)) => {
                program.model.step(*op, heap, &world);
                program.model.agree(heap, &world);
            }
            (_, None) => {}
        }
    }
    world.wind_down();
    if let Some(heap) = &program.heap {
        program.model.step(Op::FreeMany(false), heap, &world);
    }
    if let Some(heap) = program.heap.take() {
        // The last of the handles takes the heap along.
        if ops.len().is_multiple_of(5) {
            program.model.clones.push(heap);
            program.model.clones.clear();
        } else {
            program.model.clones.clear();
            heap.try_discard().expect("nothing lives");
        }
    }
    world.end(());
}

impl Program {
    fn discard(&mut self, world: &mut World) {
        let Some(heap) = self.heap.take() else { return };
        // Address space that the system does not take back is lost, and stays charged.
        world.set(Weather::Calm);
        let Model { held, clones, .. } = &self.model;
        match heap.try_discard() {
            Ok(()) => {
                assert!(held.is_empty() && clones.is_empty(), "somebody could use it");
                let own = world.own();
                assert_eq!((own.reserved, own.committed), (0, 0), "its pages are gone");
            }
            Err(refused) => {
                let told = (refused.blocks(), refused.handles());
                self.heap = Some(refused.into_heap());
                assert_eq!(told, (held.len() as u64, clones.len()));
                assert!(told != (0, 0), "nothing lives");
            }
        }
    }
}

impl Model {
    fn step(&mut self, op: Op, heap: &Heap, world: &World) {
        match op {
            Op::Alloc(size, align) => self.alloc(heap, layout(size.bytes(), align), false, world),
            Op::Zeroed(size, align) => self.alloc(heap, layout(size.bytes(), align), true, world),
            Op::Free(index) if !self.held.is_empty() => {
                let index = usize::from(index) % self.held.len();
                self.held.swap_remove(index).free(heap);
            }
            Op::Realloc(index, size) if !self.held.is_empty() => {
                let index = usize::from(index) % self.held.len();
                self.realloc(heap, index, size.bytes(), world);
            }
            Op::FreeMany(odd) => {
                for (number, held) in std::mem::take(&mut self.held).into_iter().enumerate() {
                    if odd && number % 2 == 0 { self.held.push(held) } else { held.free(heap) }
                }
            }
            Op::Clone => self.clones.push(heap.clone()),
            Op::Unclone(index) if !self.clones.is_empty() => {
                let index = usize::from(index) % self.clones.len();
                self.clones.swap_remove(index);
            }
            Op::Visit(theirs, take) => self.visit(heap, theirs, take, world),
            Op::Report => self.report(heap),
            Op::Trim => {
                heap.trim();
            }
            Op::Free(_) | Op::Realloc(..) | Op::Unclone(_) | Op::Discard | Op::Weather(_) => {}
        }
    }

    fn hold(&mut self, block: NonNull<u8>, layout: Layout) -> &Held {
        self.made += 1;
        self.held.push(Held::new(block, layout, self.made as u8, self.made));
        &self.held[self.held.len() - 1]
    }

    fn alloc(&mut self, heap: &Heap, layout: Layout, zeroed: bool, world: &World) {
        if self.held.iter().map(|held| held.layout.size()).sum::<usize>() > 48 << 20 {
            return;
        }
        let answer = if zeroed { heap.try_alloc_zeroed(layout) } else { heap.try_alloc(layout) };
        match answer {
            Ok(block) => {
                for at in places(layout.size()).filter(|_| zeroed) {
                    // SAFETY: inside the block, which is ours.
                    assert_eq!(unsafe { block.add(at).read() }, 0, "byte {at} of {layout:?}");
                }
                self.hold(block, layout);
            }
            Err(error) => world.believe(error, self.fixed),
        }
    }

    fn realloc(&mut self, heap: &Heap, index: usize, size: usize, world: &World) {
        let held = &self.held[index];
        // SAFETY: a live block with this layout.
        match unsafe { heap.try_realloc(held.block, held.layout, size) } {
            Ok(block) => {
                let mut held = self.held.swap_remove(index);
                held.block = block;
                held.check(size);
                let layout = Layout::from_size_align(size, held.layout.align()).expect("far below the limit");
                self.held.push(Held::new(block, layout, held.seed, held.number));
            }
            Err(error) => {
                held.check(held.layout.size());
                world.believe(error, self.fixed);
            }
        }
    }

    /// The system works on the other thread.
    fn visit(&mut self, heap: &Heap, theirs: u8, take: u8, world: &World) {
        let at = self.held.len().saturating_sub(usize::from(theirs % 32));
        let theirs = self.held.split_off(at);
        let (ours, mut number) = (heap.clone(), self.made);
        let (brought, refused, ours) = thread::spawn(move || {
            let other = ours.clone();
            for held in theirs {
                held.free(&other);
            }
            let (mut brought, mut refused) = (Vec::new(), None);
            for index in 0..take % 32 {
                let layout = layout(usize::from(index) * usize::from(take), 4);
                match other.try_alloc(layout) {
                    Ok(block) => {
                        number += 1;
                        brought.push(Held::new(block, layout, number as u8, number));
                        // A class that has a page needs less than one that was refused its first: what was in use when
                        // that was said is less than what is now.
                        refused = None;
                    }
                    Err(error) => refused = Some(error),
                }
            }
            (brought, refused, ours)
        })
        .join()
        .expect("no panic there");
        drop(ours);
        self.made += brought.len();
        self.held.extend(brought);
        match refused {
            None => {}
            Some(AllocError::Budget(refused)) => world.believe_budget(refused),
            Some(other) => assert!(matches!(other, AllocError::Exhausted { .. }) && self.fixed, "{other}"),
        }
    }

    fn report(&self, heap: &Heap) {
        let report = heap.report();
        assert_eq!(report.handles(), self.clones.len());
        assert_eq!(report.blocks(), self.held.len() as u64);
        let bytes: usize = self.held.iter().map(|held| held.layout.size()).sum();
        let by_class: u64 = report.classes().map(|(_, live)| live).sum();
        assert_eq!(by_class + report.large().0, report.blocks());
        let text = report.to_string();
        assert!(text.contains(&format!("heap `{}`: {}", heap.tag(), self.held.len())), "{text}");
        if !self.tracked {
            assert!(report.bytes() >= bytes as u64 && report.survivors().next().is_none());
            return;
        }
        assert_eq!(report.bytes(), bytes as u64);
        let mut largest: Vec<_> =
            self.held.iter().map(|held| (Reverse(held.layout.size()), held.number)).collect();
        largest.sort_unstable();
        let told: Vec<_> = report.survivors().map(|survivor| survivor.size).collect();
        let expected: Vec<_> = largest.iter().map(|(size, _)| size.0).take(16).collect();
        assert_eq!(told, expected);
        for survivor in report.survivors() {
            let held = self.held.iter().find(|held| held.block.addr().get() == survivor.address);
            let held = held.expect("a block that is held");
            assert_eq!((survivor.size, survivor.align), (held.layout.size(), held.layout.align()));
        }
        assert!(report.handle_places().count() <= self.clones.len().min(8));
    }

    fn agree(&self, heap: &Heap, world: &World) {
        assert_eq!((heap.stats().live(), heap.handles()), (self.held.len() as u64, self.clones.len() + 1));
        let own = world.own();
        assert_eq!(own.reserved, heap.reserved());
        let bytes: usize = self.held.iter().map(|held| held.layout.size()).sum();
        assert!(bytes <= own.committed && own.committed <= own.reserved, "{own:?} for {bytes}");
        let ranges: BTreeMap<usize, usize> = self
            .held
            .iter()
            .map(|held| (held.block.addr().get(), held.block.addr().get() + held.layout.size()))
            .collect();
        assert_eq!(ranges.len(), self.held.len(), "two blocks at one address");
        let apart = ranges.values().zip(ranges.keys().skip(1)).all(|(end, start)| end <= start);
        assert!(apart, "two blocks overlap");
    }
}
