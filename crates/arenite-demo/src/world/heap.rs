//! The heap that textures and sounds share when they stream under `--defrag-budget`: blocks of very different sizes that come and go,
//! moved together after each frame.
//!
//! The heap's memory is on the account of `streamed`. What a block takes of it is handed on to the account of what it is for,
//! where the cache charges it: so `streamed` has what is free between blocks, and the sum is what is committed. (What is in use, the
//! heap itself tells for all of its blocks: so that figure of `streamed` is above what it has committed.)

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arenite::{
    DefragBudget, DefragHandle, DefragHeap, DefragHeapOptions, DefragPin, MoveReport, PieceState,
    SpaceHandle, Tag,
};

use crate::config::Config;
use crate::error::DemoError;
use crate::host::Clock;
use crate::outcome::{DefragOutcome, HeapMap, HeapPiece, HeapSample, PieceKind};
use crate::wad::WadError;

/// The tag of the heap.
pub(super) const STREAMED: &str = "streamed";

/// Free bytes at the end that stay.
const KEEP: usize = 64 << 10;

/// The heap, shared by those who have blocks in it.
#[derive(Clone, Debug)]
pub(super) struct SharedHeap(Arc<RwLock<Contents>>);

/// What may be read while it is not changed.
pub(super) type Reading<'h> = RwLockReadGuard<'h, Contents>;

/// The heap and what is known of its blocks.
#[derive(Debug)]
pub(super) struct Contents {
    heap: DefragHeap,
    kinds: BTreeMap<SpaceHandle, PieceKind>,
}

/// A block of the heap; freed when it is dropped.
#[derive(Debug)]
pub(super) struct SharedBlock<T: Copy + Send + Sync + 'static> {
    heap: SharedHeap,
    handle: DefragHandle<[T]>,
    bytes: usize,
}

impl SharedHeap {
    pub(super) fn start(tag: Tag) -> Result<Self, DemoError> {
        let heap = DefragHeap::try_with(DefragHeapOptions::new(tag).keep(KEEP).blocks(1 << 16))?;
        Ok(Self(Arc::new(RwLock::new(Contents { heap, kinds: BTreeMap::new() }))))
    }

    pub(super) fn read(&self) -> Reading<'_> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Contents> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block for `len` elements, which the caller has charged.
    pub(super) fn insert<T: Copy + Default + Send + Sync + 'static>(
        &self,
        len: usize,
        kind: PieceKind,
        fill: impl FnOnce(&mut [T]) -> Result<(), WadError>,
    ) -> Result<SharedBlock<T>, DemoError> {
        let mut contents = self.write();
        let mut filled = Ok(());
        let handle = contents
            .heap
            .try_insert_slice_with(len, |elements: &mut [T]| filled = fill(elements))
            .map_err(|refused| DemoError::Memory(refused.to_string()))?;
        contents.kinds.insert(handle.name(), kind);
        let bytes = len * size_of::<T>();
        contents.heap.tag().credit_committed(bytes);
        drop(contents);
        // Dropped if its content is none.
        let block = SharedBlock { heap: self.clone(), handle, bytes };
        filled.map(|()| block).map_err(DemoError::from)
    }
}

impl<T: Copy + Send + Sync + 'static> SharedBlock<T> {
    /// The elements, where they are now.
    pub(super) fn elements<'h>(&self, contents: &'h Contents) -> &'h [T] {
        contents.heap.get(self.handle).unwrap_or_default()
    }

    /// Keeps the block where it is.
    fn pin(&self) -> Option<DefragPin<[T]>> {
        self.heap.read().heap.pin(self.handle).ok()
    }
}

impl<T: Copy + Send + Sync + 'static> Drop for SharedBlock<T> {
    fn drop(&mut self) {
        let mut contents = self.heap.write();
        contents.kinds.remove(&self.handle.name());
        // What is pinned is not unloaded: a sound is let go of before it is unpinned in its cache.
        if contents.heap.free(self.handle).is_ok() {
            // This tag has no budget, so nobody refuses what it had before.
            let _ = contents.heap.tag().try_charge_committed(self.bytes);
        }
    }
}

/// Moves blocks after each frame, within what the run allows, and keeps the figures.
#[derive(Debug)]
pub(super) struct Mover {
    heap: SharedHeap,
    budget_ns: u64,
    budget_bytes: Option<u64>,
    /// What is heard now: it must not move while it is mixed.
    playing: Option<DefragPin<[i16]>>,
    frames: u64,
    all: MoveReport,
    peak_extent: u64,
    /// How long each round took, in milliseconds, and the fragmentation after it.
    rounds: Vec<f32>,
    torn: Vec<f32>,
}

/// For how many frames a sound is heard.
const HEARD: u64 = 64;

impl Mover {
    pub(super) fn start(config: &Config, heap: SharedHeap, budget_bytes: Option<u64>) -> Self {
        let frames = config.scenes as usize * config.frames as usize;
        Self {
            heap,
            budget_ns: config.defrag_ns.unwrap_or(0),
            budget_bytes,
            playing: None,
            frames: 0,
            all: MoveReport::default(),
            peak_extent: 0,
            rounds: Vec::with_capacity(frames),
            torn: Vec::with_capacity(frames),
        }
    }

    /// After a frame: another sound is heard now and then, and blocks are moved.
    pub(super) fn frame<'b>(
        &mut self,
        sound: impl FnOnce(u64) -> Option<&'b SharedBlock<i16>>,
    ) -> HeapSample {
        if self.frames.is_multiple_of(HEARD) {
            self.playing = sound(self.frames / HEARD).and_then(SharedBlock::pin);
        }
        self.frames += 1;
        let clock = Clock::start();
        let mut contents = self.heap.write();
        let report = match self.budget_ns {
            0 => MoveReport::default(),
            budget => contents.heap.defragment(DefragBudget::micros(budget.div_ceil(1000))),
        };
        self.rounds.push(if self.budget_ns == 0 { 0.0 } else { clock.ms() as f32 });
        self.all.add(&report);
        let stats = contents.heap.stats();
        self.peak_extent = self.peak_extent.max(stats.capacity);
        let fragmentation = stats.fragmentation() as f32;
        self.torn.push(fragmentation);
        HeapSample { live: stats.used, extent: stats.capacity, moved: report.moved_bytes, fragmentation }
    }

    /// Nothing is heard any more: before the sounds of a scene are let go of.
    pub(super) fn silence(&mut self) {
        self.playing = None;
    }

    /// The figures, and the heap as it is, and when all was moved that can be.
    pub(super) fn outcome(&mut self) -> (DefragOutcome, Vec<HeapMap>) {
        self.silence();
        let mut contents = self.heap.write();
        let stats = contents.heap.stats();
        self.rounds.sort_unstable_by(f32::total_cmp);
        self.torn.sort_unstable_by(f32::total_cmp);
        let at = |values: &[f32], per_mille: usize| {
            let rank = (values.len() * per_mille).div_ceil(1000).max(1);
            f64::from(values.get(rank - 1).copied().unwrap_or(0.0))
        };
        let outcome = DefragOutcome {
            budget_ns: self.budget_ns,
            moved_blocks: self.all.moved_blocks,
            moved_bytes: self.all.moved_bytes,
            round_ms_p999: at(&self.rounds, 999),
            round_ms_max: at(&self.rounds, 1000),
            live: stats.used,
            extent: stats.capacity,
            peak_extent: self.peak_extent,
            budget: self.budget_bytes,
            fragmentation_p50: at(&self.torn, 500),
            fragmentation_p99: at(&self.torn, 990),
        };
        let before = contents.map("After the last frame");
        contents.heap.defragment_fully();
        (outcome, vec![before, contents.map("When all was moved that can be")])
    }
}

impl Contents {
    fn map(&self, when: &str) -> HeapMap {
        let mut map = HeapMap { when: when.to_owned(), ..HeapMap::default() };
        for piece in self.heap.map() {
            let what = match (piece.state, piece.name) {
                (PieceState::Pinned, _) => PieceKind::Pinned,
                (PieceState::Free | PieceState::Aside, _) | (_, None) => PieceKind::Free,
                (_, Some(name)) => self.kinds.get(&name).copied().unwrap_or(PieceKind::Texture),
            };
            map.pieces.push(HeapPiece { offset: piece.offset, size: piece.size, what, age: piece.age });
            map.extent = map.extent.max(piece.offset + piece.size);
        }
        map
    }
}
