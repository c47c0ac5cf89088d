//! Textures and sounds that come when they are needed: under `--budget textures=…` or `sounds=…` they are not part of a scene but
//! of a cache, which is the game's and goes from scene to scene.
//!
//! A scene pins the textures of the walls that its camera could show soon, and all of its sounds. That is looked after in
//! *streaming moments*: when a scene is loaded, and between two frames when the camera has come near the edge of what is pinned.
//! Only when the camera jumps (its hero is born again elsewhere) the moment lies in a frame: a cut. What moments call is counted
//! by itself and is no frame's.
//!
//! Each resource is an arena of its own, so that unloading it gives its pages back, and the ledger knows them to the page. Or, with
//! `--defrag-budget`, all of them are blocks of one [heap](super::heap) that moves them together.

use std::cell::{Cell, RefCell};

use arenite::cache::{LoadError, Room};
use arenite::{
    Pinned, Resource, ResourceArena, ResourceArenaOptions, ResourceCache, ResourceCacheOptions, Tag, os,
};

use super::heap::{Contents, Mover, Reading, STREAMED, SharedBlock, SharedHeap};
use super::memory;
use crate::config::Config;
use crate::error::DemoError;
use crate::host::{self, Counts};
use crate::outcome::{
    CacheOutcome, DefragOutcome, HeapMap, HeapSample, PieceKind, Streamed, StreamingOutcome,
};
use crate::rules::assets::Sheet;
use crate::rules::draw::Camera;
use crate::rules::level::Level;
use crate::rules::math::UNIT;
use crate::wad::{LumpName, Sound, Textures, Wad, WadError};

/// The tags of the caches.
pub(super) const TEXTURES: &str = "textures";
/// See [`TEXTURES`].
pub(super) const SOUNDS: &str = "sounds";

/// How far beyond what the camera shows textures are pinned. Nobody walks further than a tenth of this in a frame.
const AHEAD: i32 = 384 * UNIT;
/// How far they are pinned at the least before a frame begins.
const LEAST: i32 = 96 * UNIT;

/// The elements of a resource.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "all resources of a run are of one variant")]
pub(super) enum Block<T: Copy + Send + Sync + 'static> {
    /// In memory of their own.
    Own(OwnBlock<T>),
    /// In the heap of all.
    Shared(SharedBlock<T>),
}

/// Elements in memory of their own.
#[derive(Debug)]
pub(super) struct OwnBlock<T: Copy + Send + Sync + 'static> {
    arena: ResourceArena,
    elements: Resource<[T]>,
    /// Declared last: the memory is gone when this is.
    #[cfg(test)]
    _seen: super::resident::Seen,
}

impl<T: Copy + Default + Send + Sync + 'static> Block<T> {
    /// Makes room in the cache first, then takes the memory and fills it.
    fn load(
        tag: Tag,
        heap: Option<&SharedHeap>,
        kind: PieceKind,
        room: &mut Room<'_>,
        len: usize,
        fill: impl FnOnce(&mut [T]) -> Result<(), WadError>,
    ) -> Result<Self, DemoError> {
        let bytes = len * size_of::<T>();
        if let Some(heap) = heap {
            room.claim(bytes).map_err(|no_room| DemoError::Memory(no_room.to_string()))?;
            return heap.insert(len, kind, fill).map(Self::Shared);
        }
        let page = os::page_size();
        let bytes = bytes.max(1).next_multiple_of(page);
        // Besides the elements a page for the arena's table.
        let claim = room.claim(bytes + page);
        claim.map_err(|no_room| DemoError::Memory(no_room.to_string()))?;
        let arena = ResourceArena::try_with(ResourceArenaOptions::new(tag).reserve(bytes).capacity(1))?;
        let elements =
            arena.try_insert_slice_with(len, |elements| fill(elements).map_err(DemoError::from))?;
        room.give_back((bytes + page).saturating_sub(arena.stats().committed));
        Ok(Self::Own(OwnBlock {
            #[cfg(test)]
            _seen: super::resident::Seen::new(tag, arena.get(elements).unwrap_or_default()),
            arena,
            elements,
        }))
    }

    /// The elements; those in the heap as long as nobody changes it.
    pub(super) fn elements<'h>(&'h self, heap: Option<&'h Contents>) -> &'h [T] {
        match (self, heap) {
            // The arena is never cleared.
            (Self::Own(block), _) => block.arena.get(block.elements).unwrap_or_default(),
            (Self::Shared(block), Some(heap)) => block.elements(heap),
            (Self::Shared(_), None) => &[],
        }
    }

    fn shared(&self) -> Option<&SharedBlock<T>> {
        match self {
            Self::Own(_) => None,
            Self::Shared(block) => Some(block),
        }
    }
}

/// A wall's texture.
#[derive(Debug)]
pub(super) struct Texture {
    pub(super) width: usize,
    pub(super) height: usize,
    /// As those of a scene: palette indices row by row, and as many bytes of mask.
    pub(super) pixels: Block<u8>,
}

/// Both caches, and what they load from.
#[derive(Debug)]
pub(super) struct Streams<'w> {
    wad: Wad<'w>,
    list: Textures<'w>,
    textures: ResourceCache<LumpName, Texture>,
    sounds: ResourceCache<LumpName, Block<i16>>,
    /// The heap that both load into, of a run that has one.
    heap: Option<SharedHeap>,
    mover: RefCell<Option<Mover>>,
    heap_calls: Option<fn() -> u64>,
    figures: Cell<StreamingOutcome>,
    /// What was done since somebody last asked.
    news: Cell<Streamed>,
}

impl<'w> Streams<'w> {
    /// The caches of a run that has a budget for one of them; `None` for a run that has not.
    pub(super) fn start(config: &Config, wad: &Wad<'w>) -> Result<Option<Self>, DemoError> {
        if !config.budgets.iter().any(|(name, _)| name == TEXTURES || name == SOUNDS) {
            return Ok(None);
        }
        let heap = match config.defrag_ns {
            Some(_) => Some(SharedHeap::start(memory::tag(STREAMED)?)?),
            None => None,
        };
        // In the heap, what a resource claims is handed on by the heap; an arena is charged by itself.
        let of = |name| -> Result<_, DemoError> {
            let options = ResourceCacheOptions::new(memory::tag(name)?);
            Ok(if heap.is_some() { options } else { options.charged_elsewhere() })
        };
        let (textures, sounds) = (of(TEXTURES)?, of(SOUNDS)?);
        let mover = match &heap {
            Some(heap) => {
                let limit = |name| Ok::<_, DemoError>(memory::tag(name)?.account().budget.limit());
                let both =
                    limit(TEXTURES)?.zip(limit(SOUNDS)?).map(|(textures, sounds)| (textures + sounds) as u64);
                Some(Mover::start(config, heap.clone(), both))
            }
            None => None,
        };
        Ok(Some(Self {
            wad: *wad,
            list: wad.textures()?,
            textures: ResourceCache::with(textures),
            sounds: ResourceCache::with(sounds),
            heap,
            mover: RefCell::new(mover),
            heap_calls: config.heap_calls,
            figures: Cell::default(),
            news: Cell::default(),
        }))
    }

    /// Whether the file has this texture.
    pub(super) fn has(&self, name: LumpName) -> bool {
        self.list.find(name).is_some()
    }

    fn texture(&self, name: LumpName) -> Result<Option<Pinned<LumpName, Texture>>, DemoError> {
        let Some(texture) = self.list.find(name) else { return Ok(None) };
        let loaded = self.textures.get_or_load(&name, |room| {
            let (tag, heap, len) = (self.textures.tag(), self.heap.as_ref(), texture.decoded_len());
            let pixels = Block::load(tag, heap, PieceKind::Texture, room, len, |pixels| {
                texture.decode_into(&self.wad, pixels).map(drop)
            })?;
            Ok(Texture { width: texture.width.into(), height: texture.height.into(), pixels })
        });
        loaded.map(Some).map_err(why)
    }

    fn sound(&self, name: LumpName) -> Result<Option<Pinned<LumpName, Block<i16>>>, DemoError> {
        let Some(lump) = self.wad.find(name) else { return Ok(None) };
        let loaded = self.sounds.get_or_load(&name, |room| {
            let sound = Sound::parse(lump)?;
            let (tag, heap, len) = (self.sounds.tag(), self.heap.as_ref(), sound.decoded_len());
            Block::load(tag, heap, PieceKind::Sound, room, len, |samples| sound.decode_into(samples))
        });
        loaded.map(Some).map_err(why)
    }

    /// Runs a streaming moment, and answers what it called.
    fn moment<R>(
        &self,
        in_frame: bool,
        stream: impl FnOnce() -> Result<R, DemoError>,
    ) -> Result<(R, Counts), DemoError> {
        let read = || Counts {
            heap: self.heap_calls.map_or(0, |count| count()),
            memory: os::memory_calls(),
            faults: host::minor_faults(),
        };
        let (had, before) = (self.done(), read());
        host::mark("streaming begin");
        let part = memory::part(memory::STREAMING)?;
        let done = stream()?;
        drop(part);
        host::mark("streaming end");
        let after = read();
        let counts = Counts {
            heap: after.heap - before.heap,
            memory: after.memory - before.memory,
            faults: after.faults - before.faults,
        };
        let mut figures = self.figures.get();
        figures.moments += 1;
        figures.cuts += u64::from(in_frame);
        figures.heap_calls += counts.heap;
        figures.memory_syscalls += counts.memory;
        self.figures.set(figures);
        let (has, mut news) = (self.done(), self.news.get());
        news.loads += (has.0 - had.0) as u32;
        news.evictions += (has.1 - had.1) as u32;
        news.cuts += u32::from(in_frame);
        self.news.set(news);
        Ok((done, counts))
    }

    /// Loads and evictions of both caches so far.
    fn done(&self) -> (u64, u64) {
        let (textures, sounds) = (self.textures.stats(), self.sounds.stats());
        (textures.loads + sounds.loads, textures.evictions + sounds.evictions)
    }

    /// What was done since this was last asked.
    pub(super) fn take_news(&self) -> Streamed {
        self.news.take()
    }

    /// What is to be read of the heap that a frame's resources are in, if they are in one; nothing streams meanwhile.
    fn reading(&self) -> Option<Reading<'_>> {
        self.heap.as_ref().map(SharedHeap::read)
    }

    /// After a frame: moves blocks together.
    fn after_frame(&self, pins: &Pins<'_>) -> HeapSample {
        let sound = |number: u64| {
            let sounds = &pins.sounds;
            let at = usize::try_from(number).unwrap_or(0).checked_rem(sounds.len())?;
            sounds[at].shared()
        };
        self.mover.borrow_mut().as_mut().map_or(HeapSample::default(), |mover| mover.frame(sound))
    }

    /// Before a scene lets go of what it has pinned.
    fn silence(&self) {
        if let Some(mover) = self.mover.borrow_mut().as_mut() {
            mover.silence();
        }
    }

    /// The figures of the heap and its maps.
    pub(super) fn moved(&self) -> Option<(DefragOutcome, Vec<HeapMap>)> {
        self.mover.borrow_mut().as_mut().map(Mover::outcome)
    }

    /// The figures of both caches, and of the moments.
    pub(super) fn outcome(&self) -> (Vec<CacheOutcome>, StreamingOutcome) {
        let caches = [
            (TEXTURES, self.textures.tag(), self.textures.stats()),
            (SOUNDS, self.sounds.tag(), self.sounds.stats()),
        ];
        let caches = caches.map(|(name, tag, stats)| CacheOutcome {
            name: name.to_owned(),
            hits: stats.hits,
            misses: stats.misses,
            loads: stats.loads,
            evictions: stats.evictions,
            resources: stats.count as u64,
            bytes: stats.bytes as u64,
            peak_bytes: stats.peak_bytes as u64,
            budget: tag.account().budget.limit().map(|limit| limit as u64),
        });
        (caches.to_vec(), self.figures.get())
    }
}

fn why(error: LoadError<DemoError>) -> DemoError {
    match error {
        LoadError::Failed(error) => error,
        other => DemoError::Memory(other.to_string()),
    }
}

/// What a scene has pinned.
#[derive(Debug)]
pub(super) struct Pins<'s> {
    streams: &'s Streams<'s>,
    /// Names of all textures of the scene.
    names: &'s [LumpName],
    /// One for each name; `None` for those that are not needed now.
    pub(super) walls: Vec<Option<Pinned<LumpName, Texture>>>,
    pub(super) sounds: Vec<Pinned<LumpName, Block<i16>>>,
    /// Which are needed, while that is found out.
    needed: Vec<bool>,
    /// Every wall in here has its texture pinned.
    area: Option<Camera>,
}

impl<'s> Pins<'s> {
    /// Pins the sounds of a scene, and no textures yet.
    pub(super) fn start(
        streams: &'s Streams<'s>,
        names: &'s [LumpName],
        sounds: &[LumpName],
    ) -> Result<Self, DemoError> {
        let load = || {
            let mut pinned = Vec::with_capacity(sounds.len());
            for &name in sounds {
                pinned.extend(streams.sound(name)?);
            }
            Ok(Self {
                streams,
                names,
                walls: vec![None; names.len()],
                sounds: pinned,
                needed: vec![false; names.len()],
                area: None,
            })
        };
        Ok(streams.moment(false, load)?.0)
    }

    /// See [`Streams::reading`].
    pub(super) fn reading(&self) -> Option<Reading<'_>> {
        self.streams.reading()
    }

    /// See [`Streams::after_frame`].
    pub(super) fn after_frame(&self) -> HeapSample {
        self.streams.after_frame(self)
    }

    /// Sees to it that the textures are there that the camera can show in the next frame: between two frames.
    pub(super) fn ahead(&mut self, level: &Level<'_>, camera: &Camera) -> Result<(), DemoError> {
        self.see_to(level, camera, LEAST, false).map(drop)
    }

    /// Sees to it that the textures are there that the camera shows, in a frame. Answers what the cut called if there was one.
    pub(super) fn now(&mut self, level: &Level<'_>, camera: &Camera) -> Result<Counts, DemoError> {
        self.see_to(level, camera, 0, true)
    }

    fn see_to(
        &mut self,
        level: &Level<'_>,
        camera: &Camera,
        least: i32,
        in_frame: bool,
    ) -> Result<Counts, DemoError> {
        if self.area.is_some_and(|area| area.holds(&camera.widened(least))) {
            return Ok(Counts::default());
        }
        let streams = self.streams;
        let area = camera.widened(AHEAD);
        let ((), counts) = streams.moment(in_frame, || self.pin(level, area))?;
        Ok(counts)
    }

    /// Lets go of what is not in the area, so that it can be unloaded, and pins what is.
    fn pin(&mut self, level: &Level<'_>, area: Camera) -> Result<(), DemoError> {
        self.needed.fill(false);
        for wall in level.walls.iter().filter(|wall| area.shows_line(wall.from, wall.to)) {
            if let Some((Sheet::Wall, index)) = wall.look.resource()
                && let Some(needed) = self.needed.get_mut(index)
            {
                *needed = true;
            }
        }
        for (pin, _) in self.walls.iter_mut().zip(&self.needed).filter(|(_, needed)| !**needed) {
            *pin = None;
        }
        for ((pin, &name), _) in
            self.walls.iter_mut().zip(self.names).zip(&self.needed).filter(|(_, needed)| **needed)
        {
            if pin.is_none() {
                *pin = self.streams.texture(name)?;
            }
        }
        self.area = Some(area);
        Ok(())
    }
}

impl Drop for Pins<'_> {
    fn drop(&mut self) {
        self.streams.silence();
    }
}
