//! Programs for the careful face of the general heap, as a program has it that no compiler has checked: what it takes, resizes and gives
//! back, and what it gets wrong. Blocks of the process's heap, of a heap of its own, of a named one and of one that tracks its
//! blocks lie side by side; each mistake must be told, and change nothing.
#![allow(unsafe_code, reason = "a heap's blocks are raw")]

use std::alloc::Layout;
use std::ptr::{NonNull, null, null_mut, with_exposed_provenance_mut};
use std::sync::PoisonError;
use std::thread;

use arenite::heap::bucket::{self, BlockFault, BucketHeap, BucketHeapOptions, StdThreads};
use arenite::{AllocError, Heap, HeapOptions, Tag};

use super::heap::TURN;
use super::world::{Weather, World};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Alloc(Face, Size, u8),
    Zeroed(Face, Size, u8),
    /// Given back: by this thread, or by another one.
    Free(u8, bool),
    /// With another alignment, perhaps.
    Realloc(u8, Size, u8),
    /// A block that is no more: given back, resized, asked about.
    Gone(u8),
    /// An address inside a block.
    Inside(u8, u8),
    /// A block through another face.
    Through(u8, Face),
    /// No address of any heap.
    Foreign(u8),
    Trim,
    Weather(Weather),
}

/// Whose block it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Face {
    Process,
    Own,
    Named,
    Tracked,
}

const FACES: [Face; 4] = [Face::Process, Face::Own, Face::Named, Face::Tracked];

/// A size from two bytes: small as a rule, and now and then one of a span, or of a segment of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size(u8, u8);

impl Size {
    fn bytes(self) -> usize {
        let Self(which, by) = self;
        match which {
            0..100 => by.into(),
            100..200 => usize::from(by) << (which % 8),
            200..240 => usize::from(by) * 4099,
            _ => (3 << 20) + usize::from(by) * 30_011,
        }
    }
}

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, c]: [u8; 4]) -> Self {
        let face = FACES[usize::from(c) % 4];
        match kind % 32 {
            0..=8 => Self::Alloc(face, Size(a, b), c / 4),
            9 | 10 => Self::Zeroed(face, Size(a, b), c / 4),
            11..=14 => Self::Free(a, false),
            15 => Self::Free(a, true),
            16..=19 => Self::Realloc(c, Size(a, b), b),
            20..=22 => Self::Gone(a),
            23 | 24 => Self::Inside(a, b),
            25 | 26 => Self::Through(a, face),
            27 => Self::Foreign(a),
            28 => Self::Trim,
            _ => Self::Weather(match Weather::of(a, b) {
                // Three heaps are larger than what other programs use.
                Weather::Budget(limit) => Weather::Budget(limit << (c % 7)),
                other => other,
            }),
        }
    }
}

fn layout(size: usize, align: u8) -> Layout {
    // Mostly what everybody asks for.
    let bits = if align & 3 == 0 { align / 4 % 15 } else { 4 };
    Layout::from_size_align(size, 1 << bits).expect("far below the limit")
}

/// A live block.
#[derive(Debug)]
struct Held {
    face: Face,
    block: NonNull<u8>,
    size: usize,
    seed: u8,
}

/// Where a block is looked at.
fn places(len: usize) -> impl Iterator<Item = usize> {
    let step = if len <= 64 << 10 { 1 } else { 1021 };
    (0..len).step_by(step).chain(len.saturating_sub(70)..len)
}

fn mark(seed: u8, at: usize) -> u8 {
    (at as u8).wrapping_mul(29) ^ seed ^ (at >> 8) as u8
}

impl Held {
    fn fill(&self) {
        for at in places(self.size) {
            // SAFETY: inside the block, which is ours.
            unsafe { self.block.add(at).write(mark(self.seed, at)) };
        }
    }

    fn check(&self, len: usize) {
        for at in places(self.size).filter(|at| *at < len) {
            // SAFETY: inside the block, written by `fill`.
            assert_eq!(unsafe { self.block.add(at).read() }, mark(self.seed, at), "byte {at} of {self:?}");
        }
    }
}

struct Heaps {
    own: BucketHeap,
    named: Heap,
    tracked: Heap,
}

/// Whatever it is, nothing of this program's depends on it any more; what is live is the caller's.
impl Heaps {
    fn take(&self, face: Face, layout: Layout, zeroed: bool) -> Result<NonNull<u8>, Option<AllocError>> {
        let (size, align) = (layout.size(), layout.align());
        match (face, zeroed) {
            (Face::Process, false) => bucket::alloc_noted::<StdThreads>(size, align).ok_or(None),
            (Face::Process, true) => bucket::alloc_zeroed_noted::<StdThreads>(size, align).ok_or(None),
            (Face::Own, false) => self.own.try_alloc_noted(layout).map_err(Some),
            (Face::Own, true) => self.own.try_alloc_zeroed_noted(layout).map_err(Some),
            (Face::Named, false) => self.named.try_alloc_noted(layout).map_err(Some),
            (Face::Named, true) => self.named.try_alloc_zeroed_noted(layout).map_err(Some),
            (Face::Tracked, false) => self.tracked.try_alloc_noted(layout).map_err(Some),
            (Face::Tracked, true) => self.tracked.try_alloc_zeroed_noted(layout).map_err(Some),
        }
    }

    fn give(&self, face: Face, block: *mut u8) -> Result<(), BlockFault> {
        // SAFETY: if it lives, it is the caller's.
        unsafe {
            match face {
                Face::Process => bucket::try_free::<StdThreads>(block),
                Face::Own => self.own.try_free(block),
                Face::Named => self.named.try_free(block),
                Face::Tracked => self.tracked.try_free(block),
            }
        }
    }

    fn resize(
        &self,
        face: Face,
        block: *mut u8,
        layout: Layout,
    ) -> Result<Result<NonNull<u8>, Option<AllocError>>, BlockFault> {
        // SAFETY: if it lives, it is the caller's.
        unsafe {
            Ok(match face {
                Face::Process => {
                    bucket::try_realloc::<StdThreads>(block, layout.size(), layout.align())?.ok_or(None)
                }
                Face::Own => self.own.try_resize(block, layout)?.map_err(Some),
                Face::Named => self.named.try_resize(block, layout)?.map_err(Some),
                Face::Tracked => self.tracked.try_resize(block, layout)?.map_err(Some),
            })
        }
    }

    fn usable(&self, face: Face, block: *const u8) -> Result<usize, BlockFault> {
        match face {
            Face::Process => bucket::try_usable_size(block),
            Face::Own => self.own.try_usable_size(block),
            Face::Named => self.named.try_usable_size(block),
            Face::Tracked => self.tracked.try_usable_size(block),
        }
    }

    /// Everything that can be done with an address is refused; why.
    fn refuse(&self, face: Face, address: *mut u8) -> BlockFault {
        let fault = self.usable(face, address).expect_err("an address that is no block");
        assert_eq!(self.give(face, address), Err(fault));
        for size in [0, 40, 5000, 100_000] {
            assert_eq!(self.resize(face, address, layout(size, 1)), Err(fault), "{size}");
        }
        fault
    }
}

struct Model {
    heaps: Option<Heaps>,
    held: Vec<Held>,
    /// Blocks that were given back, whose addresses are in no live block.
    gone: Vec<(Face, usize)>,
    seed: u8,
    /// What the process's heap had handed out under this program's tag, and not got back, before it began.
    tag: Tag,
    before: u64,
}

impl Drop for Model {
    /// Heaps go with everything in them when a program fails.
    fn drop(&mut self) {
        if let Some(Heaps { own, named, tracked }) = self.heaps.take() {
            // SAFETY: the program that used their blocks has failed, and its model is gone.
            unsafe {
                own.force_discard();
                named.force_discard();
                tracked.force_discard();
            }
        }
    }
}

/// With the feature `hardened`, where each mistake ends the process, it makes none.
const MAY_ERR: bool = !cfg!(feature = "hardened");

pub(crate) fn run(ops: &[Op]) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut world = World::new("careful");
    let delay = [200, 0, 1][ops.len() % 3];
    let options = HeapOptions::new(world.tag).purge_delay(delay);
    let heaps = Heaps {
        own: BucketHeap::try_with(BucketHeapOptions::new(world.tag).purge_delay(delay)).expect("room"),
        named: Heap::try_with(options).expect("room"),
        tracked: Heap::try_with(options.track_blocks()).expect("room"),
    };
    let tag = Tag::register(&format!("{}_process", world.tag.name().replace('/', "_"))).expect("a tag");
    let outside = bucket::enter::<StdThreads>(tag).expect("a place for a tag");
    let before = bucket::process_stats(Some(tag)).live();
    let mut model = Model { heaps: Some(heaps), held: Vec::new(), gone: Vec::new(), seed: 0, tag, before };
    for op in ops {
        model.step(*op, &mut world);
        model.agree();
    }
    world.wind_down();
    while let Some(held) = model.held.pop() {
        model.free(held, false);
    }
    model.agree();
    bucket::enter::<StdThreads>(outside).expect("it was there before");
    let Heaps { own, named, tracked } = model.heaps.take().expect("nobody took them");
    named.try_discard().expect("nothing lives");
    tracked.try_discard().expect("nothing lives");
    world.end(own);
}

impl Model {
    fn heaps(&self) -> &Heaps {
        self.heaps.as_ref().expect("nobody took them")
    }

    fn step(&mut self, op: Op, world: &mut World) {
        self.seed = self.seed.wrapping_add(1);
        let count = self.held.len();
        let pick = |index: u8| (count > 0).then(|| usize::from(index) % count.max(1));
        match op {
            Op::Alloc(face, size, align) => self.alloc(face, layout(size.bytes(), align), false, world),
            Op::Zeroed(face, size, align) => self.alloc(face, layout(size.bytes(), align), true, world),
            Op::Free(index, elsewhere) => {
                if let Some(index) = pick(index) {
                    let held = self.held.swap_remove(index);
                    self.free(held, elsewhere);
                }
            }
            Op::Realloc(index, size, align) => {
                if let Some(index) = pick(index) {
                    self.realloc(index, layout(size.bytes(), align), world);
                }
            }
            Op::Trim => {
                bucket::trim::<StdThreads>();
                let heaps = self.heaps();
                heaps.own.trim();
                heaps.named.trim();
                heaps.tracked.trim();
            }
            Op::Weather(weather) => world.set(weather),
            _ if !MAY_ERR => {}
            Op::Gone(index) => {
                if let Some((face, address)) = self.gone.get(usize::from(index) % self.gone.len().max(1)) {
                    self.heaps().refuse(*face, with_exposed_provenance_mut(*address));
                }
            }
            Op::Inside(index, by) => {
                if let Some(index) = pick(index) {
                    self.inside(&self.held[index], by);
                }
            }
            Op::Through(index, face) => {
                let held = pick(index).map(|index| &self.held[index]).filter(|held| held.face != face);
                if let Some(held) = held {
                    assert_eq!(self.heaps().refuse(face, held.block.as_ptr()), BlockFault::Foreign);
                }
            }
            Op::Foreign(which) => self.foreign(which),
        }
        // What was refused has changed nothing.
        self.held.iter().for_each(|held| held.check(held.size.min(200)));
    }

    /// Blocks that live, by the heaps' own books.
    fn agree(&self) {
        let heaps = self.heaps();
        let of = |face| self.held.iter().filter(|held| held.face == face).count() as u64;
        assert_eq!(bucket::process_stats(Some(self.tag)).live() - self.before, of(Face::Process));
        assert_eq!(heaps.own.stats().live(), of(Face::Own));
        assert_eq!(heaps.named.stats().live(), of(Face::Named));
        assert_eq!(heaps.tracked.stats().live(), of(Face::Tracked));
    }

    /// Believes a refusal.
    fn refused(face: Face, error: Option<AllocError>, world: &World) {
        match error {
            // What was begun is given back after the refusal.
            Some(AllocError::Budget(refused)) => world.believe_budget(refused),
            Some(error) => world.believe(error, false),
            None => assert!(face == Face::Process && !world.calm(), "nothing refuses"),
        }
    }

    /// A block is the program's now.
    fn came(&mut self, held: Held, layout: Layout) {
        let usable = self.heaps().usable(held.face, held.block.as_ptr()).expect("a live block");
        assert!(
            usable >= layout.size() && held.block.addr().get().is_multiple_of(layout.align()),
            "{layout:?}"
        );
        let start = held.block.addr().get();
        let range = start..start + usable.max(1);
        for other in &self.held {
            let at = other.block.addr().get();
            assert!(at + other.size <= range.start || range.end <= at, "{held:?} in {other:?}");
        }
        self.gone.retain(|(_, address)| !range.contains(address));
        held.fill();
        self.held.push(held);
    }

    fn alloc(&mut self, face: Face, layout: Layout, zeroed: bool, world: &World) {
        if self.held.iter().map(|held| held.size).sum::<usize>() > 48 << 20 {
            return;
        }
        match self.heaps().take(face, layout, zeroed) {
            Ok(block) => {
                let held = Held { face, block, size: layout.size(), seed: self.seed };
                for at in places(if zeroed { layout.size() } else { 0 }) {
                    // SAFETY: inside of it.
                    assert_eq!(unsafe { block.add(at).read() }, 0, "byte {at}");
                }
                self.came(held, layout);
            }
            Err(error) => Self::refused(face, error, world),
        }
    }

    fn free(&mut self, held: Held, elsewhere: bool) {
        held.check(held.size);
        let (face, address) = (held.face, held.block.as_ptr().expose_provenance());
        let heaps = self.heaps();
        let give = || heaps.give(face, with_exposed_provenance_mut(address));
        if elsewhere {
            assert_eq!(thread::scope(|scope| scope.spawn(give).join().expect("no panic")), Ok(()));
        } else {
            assert_eq!(give(), Ok(()));
        }
        if !MAY_ERR {
            return;
        }
        let fault = give().expect_err("freed twice");
        // Where pages went back to the system nothing is known any more.
        assert!(fault == BlockFault::DoubleFree || held.size > 256 << 10, "{fault:?} of {held:?}");
        self.gone.push((face, address));
        if self.gone.len() > 100 {
            self.gone.remove(0);
        }
    }

    fn realloc(&mut self, index: usize, layout: Layout, world: &World) {
        let held = self.held.swap_remove(index);
        held.check(held.size);
        match self.heaps().resize(held.face, held.block.as_ptr(), layout).expect("a live block") {
            Ok(block) => {
                // As it was filled, wherever it is now.
                Held { block, ..held }.check(held.size.min(layout.size()));
                if block != held.block {
                    self.gone.push((held.face, held.block.as_ptr().expose_provenance()));
                }
                self.came(Held { block, size: layout.size(), seed: self.seed, ..held }, layout);
            }
            Err(error) => {
                Self::refused(held.face, error, world);
                held.check(held.size);
                self.held.push(held);
            }
        }
    }

    fn inside(&self, held: &Held, by: u8) {
        let inside = if held.size > 5000 { usize::from(by) * (held.size / 256) } else { by.into() };
        if (1..held.size).contains(&inside) {
            let fault = self.heaps().refuse(held.face, held.block.as_ptr().wrapping_add(inside));
            // What is left of an older header inside of a tracked block says that its block is no more.
            assert!(fault == BlockFault::Misaligned || held.face == Face::Tracked, "{fault:?}");
        }
    }

    fn foreign(&self, which: u8) {
        let here = u128::from(which);
        let near = self.held.first().map_or(null_mut(), |held| held.block.as_ptr());
        let address: *mut u8 = match which % 8 {
            0 => (&raw const here).cast_mut().cast(),
            1 => with_exposed_provenance_mut(16 * usize::from(which)),
            2 => with_exposed_provenance_mut(usize::MAX - usize::from(which)),
            3 => with_exposed_provenance_mut(1 << (which % 64)),
            // The first addresses of a segment: its header.
            _ => near.map_addr(|address| (address & !((4 << 20) - 1)) + 16 * usize::from(which)),
        };
        for face in FACES {
            if address.is_null() {
                assert_eq!(self.heaps().give(face, address), Ok(()));
                assert_eq!(self.heaps().usable(face, null()), Err(BlockFault::Foreign));
            } else if !self.held.iter().any(|held| held.block.as_ptr() == address) {
                self.heaps().refuse(face, address);
            }
        }
    }
}
