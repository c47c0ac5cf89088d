//! Fit heaps over every storage and in every wrapper, against a list of what is handed out.
#![expect(unsafe_code, reason = "writes to the blocks that it was handed, and reads them back")]

use std::alloc::Layout;
use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use arenite::heap::fit::Storage;
use arenite::{
    AllocError, Apart, BestFit, External, FirstFit, Fit, FitError, FitHeap, FitStats, Fixed, FreeError,
    Growing, Inspected, Locked, NextFit, RawHeap, ReadableHeap, Region, RegionOptions, Tlsf, WithFallback,
    WorstFit,
};

use super::world::{Weather, World};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Alloc {
        size: u8,
        align: u8,
        zeroed: bool,
    },
    Free {
        which: u8,
    },
    /// Gives a pointer that is no used block.
    Misuse {
        which: u8,
        kind: u8,
    },
    Resize {
        which: u8,
        size: u8,
        align: u8,
    },
    Realloc {
        which: u8,
        size: u8,
        align: u8,
    },
    Trim {
        keep: u8,
    },
    Weather(Weather),
}

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, c]: [u8; 4]) -> Self {
        match kind % 16 {
            0..=4 => Self::Alloc { size: a, align: b, zeroed: c % 8 == 0 },
            5..=8 => Self::Free { which: a },
            9 => Self::Misuse { which: a, kind: b },
            10 | 11 => Self::Resize { which: a, size: b, align: c },
            12 | 13 => Self::Realloc { which: a, size: b, align: c },
            14 => Self::Trim { keep: a },
            _ => Self::Weather(Weather::of(a, b)),
        }
    }
}

/// What a program needs to see of a heap.
trait Subject: ReadableHeap {
    /// Address, size, and whether it is used, of all pieces, heap by heap.
    fn pieces(&self) -> Vec<Vec<(usize, usize, bool)>>;
    fn figures(&self) -> Vec<FitStats>;
    fn trim(&mut self, keep: usize) -> Result<(), AllocError>;
    fn publish(&mut self);
    /// So many blocks and bytes are out.
    fn check_calls(&self, _blocks: u64, _bytes: u64) {}
}

impl<S: arenite::heap::fit::Readable, F: Fit> Subject for FitHeap<S, F> {
    fn pieces(&self) -> Vec<Vec<(usize, usize, bool)>> {
        vec![self.walk().map(|piece| (piece.start.addr().get(), piece.size, piece.used)).collect()]
    }
    fn figures(&self) -> Vec<FitStats> {
        assert_eq!(self.histogram().iter().sum::<u64>(), self.stats().free_blocks);
        vec![self.stats()]
    }
    fn trim(&mut self, keep: usize) -> Result<(), AllocError> {
        let before = self.stats();
        let gone = self.try_trim(keep)? as u64;
        assert_eq!(self.stats().capacity, before.capacity - gone);
        assert_eq!(self.stats().used, before.used);
        Ok(())
    }
    fn publish(&mut self) {
        Self::publish(self);
    }
}

impl<H: Subject> Subject for Inspected<H> {
    fn pieces(&self) -> Vec<Vec<(usize, usize, bool)>> {
        self.inner().pieces()
    }
    fn figures(&self) -> Vec<FitStats> {
        self.inner().figures()
    }
    fn trim(&mut self, keep: usize) -> Result<(), AllocError> {
        self.inner_mut().trim(keep)
    }
    fn publish(&mut self) {
        self.inner_mut().publish();
    }
    fn check_calls(&self, blocks: u64, bytes: u64) {
        let calls = self.calls();
        assert_eq!((calls.live_blocks, calls.live_bytes), (blocks, bytes));
        assert_eq!(calls.allocs - calls.frees, blocks);
        assert!(calls.peak_bytes >= bytes);
        assert!(calls.sizes.iter().sum::<u64>() <= calls.allocs + calls.failures);
    }
}

impl<A: Subject, B: Subject> Subject for WithFallback<A, B> {
    fn pieces(&self) -> Vec<Vec<(usize, usize, bool)>> {
        let mut pieces = self.first().pieces();
        pieces.extend(self.second().pieces());
        pieces
    }
    fn figures(&self) -> Vec<FitStats> {
        let mut figures = self.first().figures();
        figures.extend(self.second().figures());
        figures
    }
    fn trim(&mut self, keep: usize) -> Result<(), AllocError> {
        self.first_mut().trim(keep)?;
        self.second_mut().trim(keep)
    }
    fn publish(&mut self) {
        self.first_mut().publish();
        self.second_mut().publish();
    }
}

impl<H: Subject> Subject for Locked<H> {
    fn pieces(&self) -> Vec<Vec<(usize, usize, bool)>> {
        self.with(Subject::pieces)
    }
    fn figures(&self) -> Vec<FitStats> {
        self.with(Subject::figures)
    }
    fn trim(&mut self, keep: usize) -> Result<(), AllocError> {
        self.with_mut(|heap| heap.trim(keep))
    }
    fn publish(&mut self) {
        self.with_mut(Subject::publish);
    }
    fn check_calls(&self, blocks: u64, bytes: u64) {
        self.with(|heap| heap.check_calls(blocks, bytes));
    }
}

/// A block that is out.
#[derive(Clone, Copy)]
struct Block {
    start: NonNull<u8>,
    size: usize,
    usable: usize,
    align: usize,
    seed: u8,
}

impl Block {
    fn byte(&self, at: usize) -> u8 {
        (at.wrapping_mul(0x9E37_79B9) >> 13) as u8 ^ self.seed
    }

    fn sign(&self) {
        for at in 0..self.usable {
            // SAFETY: a block of the program's, of so many bytes.
            unsafe { self.start.add(at).write(self.byte(at)) };
        }
    }

    fn check(&self, len: usize) {
        for at in 0..len {
            // SAFETY: as above; they were written by `sign`.
            assert_eq!(unsafe { self.start.add(at).read() }, self.byte(at), "byte {at} of {len}");
        }
    }
}

#[derive(Default)]
struct Model {
    over: u64,
    live: BTreeMap<usize, Block>,
    dead: Vec<NonNull<u8>>,
    seed: u8,
}

impl Model {
    fn nth(&self, which: u8) -> Option<Block> {
        let place = usize::from(which) % self.live.len().max(1);
        self.live.values().nth(place).copied()
    }

    /// A block that has just been handed out.
    fn enter<H: RawHeap>(&mut self, heap: &H, start: NonNull<u8>, layout: Layout) {
        let usable = heap.usable_size(start).expect("a used block");
        let at = start.addr().get();
        assert!(usable >= layout.size() && at.is_multiple_of(layout.align()), "{layout:?}");
        assert!(heap.owns(start.as_ptr()));
        let before = self.live.range(..=at).next_back();
        assert!(before.is_none_or(|(start, block)| start + block.usable <= at), "it overlaps what is before");
        let after = self.live.range(at..).next();
        assert!(after.is_none_or(|(start, _)| at + usable <= *start), "it overlaps what is behind");
        self.seed = self.seed.wrapping_add(1);
        let block = Block { start, size: layout.size(), usable, align: layout.align(), seed: self.seed };
        block.sign();
        self.live.insert(at, block);
    }

    /// What is to be said of a pointer.
    fn verdict<H: RawHeap>(&self, heap: &H, pointer: NonNull<u8>) -> Option<FreeError> {
        let at = pointer.addr().get();
        if !heap.owns(pointer.as_ptr()) {
            return Some(FreeError::Foreign);
        }
        let before = self.live.range(..=at).next_back();
        match before {
            Some((start, _)) if *start == at => None,
            _ if !at.is_multiple_of(16) => Some(FreeError::Misaligned),
            Some((start, block)) if start + block.usable > at => Some(FreeError::Misaligned),
            _ => Some(FreeError::DoubleFree),
        }
    }
}

/// Runs a program on each heap, all of them with one fit: which one is told by the length.
pub(crate) fn run(ops: &[Op]) {
    match ops.len() % 5 {
        0 => with_fit::<Tlsf>(ops, 33),
        1 => with_fit::<FirstFit>(ops, 32),
        2 => with_fit::<NextFit>(ops, 32),
        3 => with_fit::<BestFit>(ops, 32),
        _ => with_fit::<WorstFit>(ops, 32),
    }
}

fn buffer(len: usize) -> Vec<MaybeUninit<u8>> {
    vec![MaybeUninit::uninit(); len]
}

/// `over`: how much larger than a request, in 32nds, the largest piece may be when it is refused.
fn with_fit<F: Fit>(ops: &[Op], over: u64) {
    let world = || World::new("fit_heap");
    let calm = "the system is calm";
    fn heap<S: Storage, F: Fit>(storage: S) -> FitHeap<S, F> {
        FitHeap::try_new(storage).expect("the system is calm")
    }

    let it = world();
    run_on(ops, heap::<_, F>(Growing::new(it.tag, 1 << 20)), it, over);
    let it = world();
    run_on(ops, heap::<_, F>(Apart::new(Growing::new(it.tag, 1 << 20))), it, over);
    // At an odd place, of an odd size.
    let (it, mut room) = (world(), buffer(300_001));
    run_on(ops, heap::<_, F>(Fixed::new(it.tag, &mut room[1 + ops.len() % 16..])), it, over);
    let (it, mut room) = (world(), buffer(100_003));
    run_on(ops, heap::<_, F>(Apart::new(Fixed::new(it.tag, &mut room[ops.len() % 16..]))), it, over);
    let it = world();
    let mut region = Region::try_reserve(RegionOptions::new(it.tag, 1 << 20)).expect(calm);
    region.try_grow(200_000).expect(calm);
    run_on(ops, heap::<_, F>(External::new(it.tag, region)), it, over);
    let (it, mut room) = (world(), buffer(20_000));
    let first = Inspected::new(heap::<_, F>(Fixed::new(it.tag, &mut room)));
    let second = heap::<_, F>(Apart::new(Growing::new(it.tag, 1 << 20)));
    run_on(ops, WithFallback::new(first, second), it, over);
    let it = world();
    run_on(ops, Locked::new(Inspected::new(heap::<_, F>(Growing::new(it.tag, 1 << 20)))), it, over);
}

fn run_on<H: Subject>(ops: &[Op], mut heap: H, mut world: World, over: u64) {
    let mut model = Model { over, ..Model::default() };
    for op in ops {
        step(*op, &mut heap, &mut model, &mut world);
        check(&heap, &model);
    }
    for block in model.live.values() {
        block.check(block.usable);
        heap.free(block.start).expect("a used block");
    }
    heap.publish();
    for stats in heap.figures() {
        assert_eq!((stats.used, stats.used_blocks), (0, 0));
        assert!(stats.free_blocks <= 1, "everything is one piece again");
        assert_eq!((stats.free, stats.largest_free), (stats.capacity, stats.capacity));
    }
    heap.check_calls(0, 0);
    world.end(heap);
}

fn layout(size: u8, align: u8) -> Layout {
    // Now and then more than a page.
    let align = 1 << if align >= 240 { 12 + align % 3 } else { align % 8 };
    Layout::from_size_align(super::size(size), align).expect("small")
}

fn step<H: Subject>(op: Op, heap: &mut H, model: &mut Model, world: &mut World) {
    match op {
        Op::Alloc { size, align, zeroed } => {
            let layout = layout(size, align);
            let answer = if zeroed { heap.try_alloc_zeroed(layout) } else { heap.try_alloc(layout) };
            match answer {
                Ok(start) => {
                    if zeroed {
                        // SAFETY: it was filled with zeros.
                        let bytes = unsafe { std::slice::from_raw_parts(start.as_ptr(), layout.size()) };
                        assert!(bytes.iter().all(|byte| *byte == 0));
                    }
                    model.enter(heap, start, layout);
                }
                Err(error) => believe(error, heap, layout, world, model.over),
            }
        }
        Op::Free { which } => {
            let Some(block) = model.nth(which) else { return };
            block.check(block.usable);
            heap.free(block.start).expect("a used block");
            model.live.remove(&block.start.addr().get());
            model.dead.push(block.start);
        }
        Op::Misuse { which, kind } => {
            let dead = model.dead.get(usize::from(which) % model.dead.len().max(1)).copied();
            let inside = model.nth(which).map(|block| {
                let at = (usize::from(kind) * 8 + 1) % block.usable.max(2);
                // SAFETY: an address in a block, or the one behind its first byte.
                unsafe { block.start.add(at) }
            });
            let pointer = match kind % 4 {
                0 => Some(NonNull::from(&*model).cast()),
                1 | 2 => inside,
                _ => dead,
            };
            let Some(pointer) = pointer else { return };
            let Some(verdict) = model.verdict(heap, pointer) else { return };
            assert_eq!(heap.free(pointer), Err(verdict));
            assert_eq!(heap.usable_size(pointer), Err(verdict));
            let small = Layout::new::<u8>();
            assert_eq!(heap.try_resize(pointer, small), Err(FitError::Misused(verdict)));
            assert_eq!(heap.try_realloc(pointer, small), Err(FitError::Misused(verdict)));
        }
        Op::Resize { which, size, align } => {
            let Some(block) = model.nth(which) else { return };
            let layout = layout(size, align % 240);
            match heap.try_resize(block.start, layout) {
                Ok(start) => {
                    assert_eq!(start, block.start);
                    model.live.remove(&start.addr().get());
                    block.check(block.usable.min(layout.size()));
                    model.enter(heap, start, layout);
                }
                Err(error) => {
                    assert!(
                        matches!(error, FitError::Refused(_))
                            || layout.size() > block.usable
                            || !block.start.addr().get().is_multiple_of(layout.align()),
                        "it could have become smaller: {error}"
                    );
                    if let FitError::Refused(error) = error {
                        world.believe(error, false);
                    }
                    block.check(block.usable);
                }
            }
        }
        Op::Realloc { which, size, align } => {
            let Some(block) = model.nth(which) else { return };
            let layout = layout(size, align);
            match heap.try_realloc(block.start, layout) {
                Ok(start) => {
                    model.live.remove(&block.start.addr().get());
                    let kept = block.size.min(layout.size());
                    Block { start, ..block }.check(kept);
                    model.enter(heap, start, layout);
                    if start != block.start {
                        model.dead.push(block.start);
                    }
                }
                Err(error) => {
                    believe(error, heap, layout, world, model.over);
                    block.check(block.usable);
                    assert!(block.start.addr().get().is_multiple_of(block.align));
                }
            }
        }
        Op::Trim { keep } => {
            if let Err(error) = heap.trim(super::size(keep)) {
                world.believe(error, false);
            }
        }
        Op::Weather(weather) => world.set(weather),
    }
}

/// Whether there really is no such block.
fn believe<H: Subject>(error: FitError, heap: &H, layout: Layout, world: &World, over: u64) {
    let pieces = heap.pieces();
    // With a fallback the last heap answers.
    let last = pieces.last().expect("a heap");
    let free = || last.iter().filter(|piece| !piece.2).map(|piece| piece.1 as u64);
    match error {
        FitError::Refused(error) => world.believe(error, false),
        FitError::OutOfMemory { wanted, free: told } => {
            assert!(wanted > told && wanted >= layout.size() as u64);
            assert!(told >= free().sum());
        }
        FitError::OutOfContiguous { wanted, align, free: told, largest } => {
            assert!(wanted <= told && wanted >= layout.size() as u64);
            assert_eq!(align, layout.align() as u64);
            let most = free().max().unwrap_or(0);
            // What is told after a few looks.
            assert!(most <= largest + largest / 32 && largest <= most + 16, "{largest} of {most}");
            // A piece in which it fits wherever that begins is found.
            assert!(most <= (wanted + align) * over / 32 + 16, "{layout:?} fits into {most}");
        }
        other => panic!("nothing did that: {other}"),
    }
}

fn check<H: Subject>(heap: &H, model: &Model) {
    let (pieces, figures) = (heap.pieces(), heap.figures());
    let mut used = BTreeMap::new();
    for (pieces, stats) in pieces.iter().zip(&figures) {
        assert_eq!(stats.capacity, stats.used + stats.free);
        let mut last_free = false;
        let mut end = 0;
        for (start, size, is_used) in pieces {
            assert!(*start >= end, "pieces are in order");
            end = start + size;
            if *is_used {
                used.insert(*start, *size);
            }
            assert!(*is_used || !last_free, "two free pieces touch");
            last_free = !is_used;
        }
        let count = |used: bool| pieces.iter().filter(|piece| piece.2 == used).count() as u64;
        assert_eq!((stats.used_blocks, stats.free_blocks), (count(true), count(false)));
    }
    let known: BTreeMap<_, _> = model.live.iter().map(|(start, block)| (*start, block.usable)).collect();
    assert_eq!(used, known);
    heap.check_calls(known.len() as u64, known.values().map(|size| *size as u64).sum());
}
