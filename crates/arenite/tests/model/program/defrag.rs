//! Heaps and spaces whose blocks move, against lists of what lives in them. Each byte of a block says whose it is.

use std::alloc::Layout;
use std::cell::Cell;
use std::collections::BTreeMap;

use arenite::{
    AllocError, BestFit, DefragBudget, DefragError, DefragHandle, DefragHeap, DefragHeapOptions, DefragPin,
    DefragPolicy, DefragSpace, FirstFit, Fit, FitError, MoveClock, MoveEnd, NextFit, OffsetOptions,
    PieceState, SpaceHandle, SpaceMove, Tlsf, WorstFit,
};

use super::world::{Weather, World};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Allocate {
        size: u8,
        align: u8,
    },
    Free {
        which: u8,
    },
    Stale {
        which: u8,
    },
    Resize {
        which: u8,
        size: u8,
    },
    Pin {
        which: u8,
    },
    Unpin {
        which: u8,
    },
    Rewrite {
        which: u8,
    },
    Defragment {
        bytes: u8,
        micros: u8,
        looks: u8,
    },
    Fully,
    Policy {
        which: u8,
    },
    /// Of spaces: begins moves, and answers one of those that have begun.
    Begin {
        bytes: u8,
    },
    Answer {
        which: u8,
        how: u8,
    },
    CancelAll,
    /// Of spaces: a segment more, or the evacuated one less.
    Append {
        size: u8,
    },
    Weather(Weather),
}

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, c]: [u8; 4]) -> Self {
        match kind % 24 {
            0..=4 => Self::Allocate { size: a, align: b },
            5..=7 => Self::Free { which: a },
            8 => Self::Stale { which: a },
            9 | 10 => Self::Resize { which: a, size: b },
            11 => Self::Pin { which: a },
            12 => Self::Unpin { which: a },
            13 => Self::Rewrite { which: a },
            14..=16 => Self::Defragment { bytes: a, micros: b, looks: c },
            17 if a % 4 == 0 => Self::Fully,
            17 => Self::Policy { which: b },
            18 | 19 => Self::Begin { bytes: a },
            20 if a % 16 == 0 => Self::CancelAll,
            20 | 21 => Self::Answer { which: a, how: b },
            22 => Self::Append { size: a },
            _ => Self::Weather(Weather::of(a, b)),
        }
    }
}

/// The same program on both, with one fit: what one has not is left out.
pub(crate) fn run(ops: &[Op]) {
    // Apart from what the length tells besides.
    match ops.len() / 6 % 5 {
        0 => run_both::<Tlsf>(ops),
        1 => run_both::<FirstFit>(ops),
        2 => run_both::<NextFit>(ops),
        3 => run_both::<BestFit>(ops),
        _ => run_both::<WorstFit>(ops),
    }
}

fn run_both<F: Fit + Send + Sync + 'static>(ops: &[Op]) {
    run_heap::<F>(ops);
    run_space::<F>(ops);
}

fn policy(which: u8) -> DefragPolicy {
    [DefragPolicy::Slide, DefragPolicy::FillHoles, DefragPolicy::EvacuateLast][usize::from(which % 3)]
}

fn byte(of: u64, at: usize) -> u8 {
    (of.wrapping_mul(37).wrapping_add(at as u64 * 11) >> 1) as u8
}

/// Copying takes as long as it is told, and nothing else takes any time.
struct Simulated {
    now: Cell<u64>,
    rate: u64,
}

impl MoveClock for Simulated {
    fn now_ns(&self) -> u64 {
        self.now.get()
    }

    fn copied(&self, bytes: u64) {
        self.now.set(self.now.get() + (bytes * self.rate).div_ceil(1024));
    }
}

#[derive(Debug)]
struct Block {
    handle: DefragHandle,
    /// What its bytes are made of.
    of: u64,
    size: usize,
    align: usize,
    /// Where it must be while it is pinned.
    pins: Vec<DefragPin<[u8]>>,
}

struct Heap<F: Fit> {
    heap: DefragHeap<F>,
    live: Vec<Block>,
    dead: Vec<DefragHandle>,
    made: u64,
    clock: Simulated,
}

fn run_heap<F: Fit + Send + Sync + 'static>(ops: &[Op]) {
    let mut world = World::new("defrag");
    let segment = [usize::MAX, 1 << 16, 1 << 18][ops.len() % 3];
    let options = DefragHeapOptions::new(world.tag).reserve(4 << 20).blocks(1 << 10).segment(segment);
    let heap = DefragHeap::<F>::try_with(options.keep((ops.len() % 2) << 14).policy(policy(ops.len() as u8)))
        .expect("calm");
    let clock = Simulated { now: Cell::new(0), rate: [10, 700, 4096][ops.len() % 3] };
    let mut heap = Heap { heap, live: Vec::new(), dead: Vec::new(), made: 0, clock };
    for op in ops {
        heap.step(*op, &mut world);
        heap.check(&world);
    }
    let Heap { heap, live, .. } = heap;
    // Pins may outlive the heap.
    world.wind_down();
    drop(heap);
    for block in &live {
        for pin in &block.pins {
            assert!(pin.iter().enumerate().all(|(at, found)| *found == byte(block.of, at)));
        }
    }
    world.end(live);
}

impl<F: Fit> Heap<F> {
    fn nth(&mut self, which: u8) -> Option<(usize, &mut Block)> {
        let place = usize::from(which) % self.live.len().max(1);
        self.live.get_mut(place).map(|block| (place, block))
    }

    fn step(&mut self, op: Op, world: &mut World) {
        match op {
            Op::Allocate { size, align } => {
                let (size, align) = (super::size(size), 1 << (align % 17));
                let layout = Layout::from_size_align(size, align).expect("a layout");
                let answer = if size % 3 == 0 {
                    self.heap.try_alloc_or_defragment(layout, DefragBudget::bytes(10_000))
                } else {
                    self.heap.try_alloc(layout)
                };
                let handle = match answer {
                    Ok(handle) => handle,
                    Err(error) => return self.believe(error, world),
                };
                self.made += 1;
                let of = self.made;
                let bytes = self.heap.get_mut(handle).expect("new, and not pinned");
                assert!(bytes.iter().all(|byte| *byte == 0) && bytes.len() == size);
                bytes.iter_mut().enumerate().for_each(|(at, found)| *found = byte(of, at));
                self.live.push(Block { handle, of, size, align, pins: Vec::new() });
            }
            Op::Free { which } => {
                let Some((place, block)) = self.nth(which) else { return };
                let (handle, pinned) = (block.handle, !block.pins.is_empty());
                match self.heap.free(handle) {
                    Ok(()) => {
                        assert!(!pinned);
                        self.live.swap_remove(place);
                        self.dead.push(handle);
                    }
                    Err(error) => assert_eq!((error, pinned), (DefragError::Pinned, true)),
                }
            }
            Op::Stale { which } => {
                let place = usize::from(which) % self.dead.len().max(1);
                let Some(&handle) = self.dead.get(place) else { return };
                assert!(self.heap.get(handle).is_none() && !self.heap.is_pinned(handle));
                assert_eq!(self.heap.free(handle), Err(DefragError::Stale));
                assert_eq!(self.heap.pin(handle).err(), Some(DefragError::Stale));
                assert_eq!(self.heap.try_resize(handle, 1, 0), Err(DefragError::Stale));
            }
            Op::Resize { which, size } => {
                let size = super::size(size);
                let Some((_, block)) = self.nth(which) else { return };
                let (handle, of, old, pinned) = (block.handle, block.of, block.size, !block.pins.is_empty());
                match self.heap.try_resize(handle, size, 0) {
                    Ok(()) => {
                        assert!(!pinned);
                        let bytes = self.heap.get_mut(handle).expect("not pinned");
                        assert!(bytes[old.min(size)..].iter().all(|byte| *byte == 0));
                        for (at, found) in bytes.iter_mut().enumerate().skip(old) {
                            *found = byte(of, at);
                        }
                        self.nth(which).expect("it lives").1.size = size;
                    }
                    Err(DefragError::Fit(error)) => self.believe(error, world),
                    Err(error) => assert_eq!((error, pinned), (DefragError::Pinned, true)),
                }
            }
            Op::Pin { which } => {
                let Some((_, block)) = self.nth(which) else { return };
                let handle = block.handle;
                let pin = match block.pins.first() {
                    Some(pin) if which % 2 == 0 => pin.clone(),
                    _ => self.heap.pin(handle).expect("it lives"),
                };
                self.nth(which).expect("it lives").1.pins.push(pin);
            }
            Op::Unpin { which } => {
                let pinned =
                    self.live.iter_mut().filter(|block| !block.pins.is_empty()).nth(usize::from(which % 4));
                let Some(block) = pinned else { return };
                let pin = block.pins.pop();
                if which % 8 == 7 {
                    std::thread::spawn(move || drop(pin)).join().expect("it only drops");
                }
            }
            Op::Rewrite { which } => {
                self.made += 1;
                let made = self.made;
                let Some((_, block)) = self.nth(which) else { return };
                let (handle, pinned) = (block.handle, !block.pins.is_empty());
                match self.heap.get_mut(handle) {
                    Ok(bytes) => {
                        bytes.iter_mut().enumerate().for_each(|(at, found)| *found = byte(made, at));
                        self.nth(which).expect("it lives").1.of = made;
                    }
                    Err(error) => assert_eq!((error, pinned), (DefragError::Pinned, true)),
                }
            }
            Op::Defragment { bytes, micros, looks } => {
                let (most, time) = (super::size(bytes) as u64, u64::from(micros));
                let budget = match micros % 3 {
                    0 => DefragBudget::bytes(most),
                    1 => DefragBudget::micros(time),
                    _ => DefragBudget::bytes(most).and_micros(time),
                };
                let before = self.clock.now.get();
                let report = self.heap.defragment_by(&self.clock, budget.and_looks(u32::from(looks)));
                let took = self.clock.now.get() - before;
                assert!(micros % 3 == 1 || report.moved_bytes <= most);
                assert!(micros % 3 == 0 || took <= time * 1000, "{report:?} took {took}");
            }
            Op::Fully => {
                let report = self.heap.defragment_fully();
                assert!(report.done || !world.calm() || self.heap.stats().free_blocks == 0);
            }
            Op::Policy { which } => self.heap.set_policy(policy(which)),
            Op::Begin { .. } | Op::Answer { .. } | Op::CancelAll | Op::Append { .. } => {}
            Op::Weather(weather) => world.set(weather),
        }
    }

    fn believe(&self, error: FitError, world: &World) {
        let stats = self.heap.stats();
        match error {
            FitError::OutOfMemory { wanted, free } => {
                assert!(wanted > free && free <= stats.free + stats.aside);
            }
            FitError::OutOfContiguous { wanted, free, .. } => assert!(wanted <= free && free <= stats.free),
            FitError::Refused(AllocError::Full { .. }) => panic!("there were not so many"),
            FitError::Refused(error) => world.believe(error, true),
            other => panic!("nothing did that: {other}"),
        }
    }

    fn check(&self, world: &World) {
        let heap = &self.heap;
        for block in &self.live {
            let bytes = heap.get(block.handle).expect("it lives");
            assert_eq!((bytes.len(), bytes.as_ptr().addr() % block.align), (block.size, 0));
            assert!(bytes.iter().enumerate().all(|(at, found)| *found == byte(block.of, at)), "{block:?}");
            assert_eq!(heap.is_pinned(block.handle), !block.pins.is_empty());
            assert!(block.pins.iter().all(|pin| pin.as_ptr().addr() == bytes.as_ptr().addr()));
        }
        let stats = heap.stats();
        assert_eq!((heap.len(), stats.used_blocks), (self.live.len(), self.live.len() as u64));
        assert_eq!(world.own().committed, heap.committed());
        let (mut end, mut used) = (0, BTreeMap::new());
        let mut free_before = false;
        for piece in heap.map() {
            assert_eq!(piece.offset, end, "without a gap");
            end += piece.size;
            let free = matches!(piece.state, PieceState::Free);
            // Free neighbours are joined; but segments are not.
            assert!(!(free && free_before) || stats.segments > 1);
            free_before = free;
            if let Some(name) = piece.name {
                used.insert(name, piece.asked);
            }
        }
        assert_eq!(end, stats.capacity);
        let model: BTreeMap<_, _> =
            self.live.iter().map(|block| (block.handle.name(), block.size as u64)).collect();
        assert_eq!(used, model);
    }
}

/// A block of a space. The "memory" is a map from handles to what was copied: a move is checked by offsets alone.
#[derive(Clone, Copy, Debug)]
struct Part {
    handle: SpaceHandle,
    size: u64,
    align: u64,
    pins: u32,
    offset: u64,
}

/// A move that was begun, and what must come of it when it is done.
#[derive(Clone, Copy, Debug)]
struct Under {
    told: SpaceMove,
    end: MoveEnd,
    /// What it holds of the source, which may have become longer.
    source: u64,
}

struct Space<F: Fit> {
    space: DefragSpace<F>,
    live: Vec<Part>,
    dead: Vec<SpaceHandle>,
    under: Vec<Under>,
}

fn run_space<F: Fit>(ops: &[Op]) {
    let mut world = World::new("space");
    let granule = 1 << (ops.len() % 5);
    let options = OffsetOptions::new(world.tag).granularity(granule).blocks(1 << 12).capacity(20_000);
    let space = DefragSpace::<F>::try_new(options).expect("the system is calm");
    let mut space = Space { space, live: Vec::new(), dead: Vec::new(), under: Vec::new() };
    for op in ops {
        space.step(*op, &mut world);
        space.check();
    }
    let Space { mut space, live, under, .. } = space;
    assert_eq!(space.cancel_all(), under.len());
    for part in live {
        space.free(part.handle).expect("it lives");
    }
    let stats = space.stats();
    assert_eq!((stats.used, stats.used_blocks), (0, 0));
    world.end(space);
}

impl<F: Fit> Space<F> {
    fn nth(&mut self, which: u8) -> Option<(usize, &mut Part)> {
        let place = usize::from(which) % self.live.len().max(1);
        self.live.get_mut(place).map(|part| (place, part))
    }

    /// A block that is on its way stays, or goes, whatever the answer.
    fn spoil(&mut self, handle: SpaceHandle, end: MoveEnd) {
        for under in self.under.iter_mut().filter(|under| under.told.handle == handle) {
            under.end = end;
        }
    }

    fn step(&mut self, op: Op, world: &mut World) {
        match op {
            Op::Allocate { size, align } => {
                let (size, align) = (super::size(size) as u64 / 8, 1 << (align % 9));
                match self.space.try_allocate(size, align) {
                    Ok(handle) => {
                        let place = self.space.locate(handle).expect("it lives");
                        self.live.push(Part { handle, size, align, pins: 0, offset: place.offset });
                    }
                    Err(FitError::Refused(error)) => world.believe(error, false),
                    Err(error) => assert!(matches!(
                        error,
                        FitError::OutOfMemory { .. } | FitError::OutOfContiguous { .. }
                    )),
                }
            }
            Op::Free { which } => {
                let Some((place, part)) = self.nth(which) else { return };
                let handle = part.handle;
                self.space.free(handle).expect("it lives");
                self.live.swap_remove(place);
                self.dead.push(handle);
                self.spoil(handle, MoveEnd::Freed);
            }
            Op::Stale { which } => {
                let place = usize::from(which) % self.dead.len().max(1);
                let Some(&handle) = self.dead.get(place) else { return };
                assert!(self.space.free(handle).is_err() && self.space.locate(handle).is_none());
                assert!(self.space.pin(handle).is_err() && self.space.unpin(handle).is_err());
                assert!(self.space.try_resize(handle, 1).is_err());
            }
            Op::Resize { which, size } => {
                let size = super::size(size) as u64 / 8;
                let Some((_, part)) = self.nth(which) else { return };
                let (handle, old) = (part.handle, part.size);
                match self.space.try_resize(handle, size) {
                    Ok(()) => {
                        self.nth(which).expect("it lives").1.size = size;
                        self.spoil(handle, MoveEnd::Cancelled);
                        for under in self.under.iter_mut().filter(|under| under.told.handle == handle) {
                            under.source = under.source.max(size);
                        }
                    }
                    Err(FitError::Refused(error)) => world.believe(error, false),
                    Err(_) => assert!(size > old),
                }
            }
            Op::Pin { which } => {
                let Some((_, part)) = self.nth(which) else { return };
                part.pins += 1;
                let handle = part.handle;
                assert_eq!(self.space.pin(handle), Ok(true));
                self.spoil(handle, MoveEnd::Cancelled);
            }
            Op::Unpin { which } => {
                let Some((_, part)) = self.nth(which) else { return };
                let (handle, had) = (part.handle, part.pins != 0);
                part.pins = part.pins.saturating_sub(1);
                assert_eq!(self.space.unpin(handle), Ok(had));
            }
            Op::Begin { bytes } | Op::Defragment { bytes, .. } => {
                let most = super::size(bytes) as u64;
                let mut told = Vec::new();
                let report = self.space.begin_moves(most, |one| told.push(one));
                assert!(report.moved_bytes <= most);
                assert_eq!(report.moved_bytes, told.iter().map(|one| one.size).sum::<u64>());
                assert_eq!(report.moved_blocks, told.len() as u64);
                for told in told {
                    let part = self.live.iter().find(|part| part.handle == told.handle).expect("it lives");
                    assert_eq!((told.from, told.size, part.pins), (part.offset, part.size, 0));
                    assert_eq!(told.to % part.align, 0);
                    assert!(told.to + told.size <= told.from, "towards the front, and apart: {told:?}");
                    assert!(self.under.iter().all(|under| under.told.handle != told.handle));
                    self.under.push(Under { told, end: MoveEnd::Moved, source: part.size });
                }
            }
            Op::Answer { which, how } => {
                if self.under.is_empty() {
                    return;
                }
                let under = self.under.swap_remove(usize::from(which) % self.under.len());
                let done = how % 3 != 0;
                let answer =
                    if done { self.space.done(under.told.id) } else { self.space.cancel(under.told.id) };
                let end = if !done && under.end == MoveEnd::Moved { MoveEnd::Cancelled } else { under.end };
                assert_eq!(answer, Ok(end));
                assert!(self.space.done(under.told.id).is_err() && self.space.cancel(under.told.id).is_err());
                if end == MoveEnd::Moved {
                    let part = self.live.iter_mut().find(|part| part.handle == under.told.handle);
                    part.expect("it lives").offset = under.told.to;
                }
            }
            Op::CancelAll => {
                assert_eq!(self.space.cancel_all(), self.under.len());
                self.under.clear();
            }
            Op::Append { size } => {
                if let Some(segment) = self.space.evacuated() {
                    let (_, size) = self.space.segment(segment).expect("it is there");
                    assert_eq!(self.space.try_remove(segment), Ok(size));
                    assert!(self.space.evacuated().is_none());
                } else if self.space.segments().count() < 6 {
                    let size = 1000 + super::size(size) as u64 / 8;
                    if let Err(error) = self.space.try_append(size) {
                        world.believe(error, false);
                    }
                }
            }
            Op::Policy { which } => self.space.set_policy(policy(which)),
            Op::Rewrite { .. } | Op::Fully => {}
            Op::Weather(weather) => world.set(weather),
        }
    }

    fn check(&self) {
        assert_eq!(self.space.moving(), self.under.len());
        // What is occupied: blocks, targets, and sources of blocks that were freed. Nothing of it overlaps.
        let mut occupied = BTreeMap::new();
        let mut occupy = |offset: u64, size: u64| assert!(occupied.insert(offset, size.max(1)).is_none());
        for part in &self.live {
            let place = self.space.locate(part.handle).expect("it lives");
            assert_eq!((place.offset, place.size), (part.offset, part.size));
            assert_eq!(place.offset % part.align, 0);
            let held = self.under.iter().find(|under| under.told.handle == part.handle);
            occupy(part.offset, held.map_or(part.size, |under| under.source));
        }
        for under in &self.under {
            occupy(under.told.to, under.told.size);
            if under.end == MoveEnd::Freed {
                occupy(under.told.from, under.source);
            }
        }
        let mut end = 0;
        for (offset, size) in &occupied {
            assert!(*offset >= end, "two at {offset}");
            end = offset + size;
        }
        let used: Vec<_> = self
            .space
            .map()
            .filter(|piece| !matches!(piece.state, PieceState::Free | PieceState::Aside))
            .map(|piece| piece.offset)
            .collect();
        assert_eq!(used, occupied.keys().copied().collect::<Vec<_>>());
        let stats = self.space.stats();
        assert_eq!(stats.capacity, stats.used + stats.free + stats.aside);
        assert_eq!(self.space.map().map(|piece| piece.size).sum::<u64>(), stats.capacity);
    }
}
