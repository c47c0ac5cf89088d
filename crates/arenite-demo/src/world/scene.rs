//! A scene and its frame.

use arenite::{AllocError, ArenaVec, Frame, FrameRef, Scene, Scope};
use rayon::prelude::*;

use super::agents::Agents;
use super::flying::Flying;
use super::resources::{Drops, Resources, Source};
use super::streaming::Pins;
use super::think::Search;
use crate::config::Config;
use crate::error::DemoError;
use crate::host::{self, Counts};
use crate::outcome::{HeapSample, Picture};
use crate::rules::agent;
use crate::rules::assets::{Assets, Look};
use crate::rules::buckets::Buckets;
use crate::rules::checksum::Checksum;
use crate::rules::crew::Crew;
use crate::rules::draw::{self, Camera, DrawItem, Drawn, Scenery};
use crate::rules::flight::{Crowd, Projectile, Sparks};
use crate::rules::grid::{Cell, Grid, Shape};
use crate::rules::level::{self, Wall};
use crate::rules::think::{Intent, think};
use crate::rules::tick::{Label, MIXED, Tick};
use crate::rules::totals::Totals;
use crate::wad::Map;

/// The map as the game sees it, in the scene's stack.
#[derive(Debug)]
struct Terrain<'g> {
    shape: Shape,
    cells: &'g [u8],
    open: &'g [Cell],
    walls: &'g [Wall],
    floors: &'g [Look],
}

impl<'g> Terrain<'g> {
    fn load(map: &Map<'_>, resources: &Resources<'_>, stack: &Scope<'g>) -> Result<Self, DemoError> {
        let shape = Shape::over(map.bounds());
        let cells = stack.try_alloc_slice_fill_with(shape.cells(), |_| 0)?;
        let open = stack.try_alloc_slice_fill_with(shape.cells(), |_| 0)?;
        let count = level::carve(map, shape, cells, open).map_err(|_| host::no_start(map.name()))?;
        let (cells, open) = (&*cells, &open[..count]);
        let walls = stack.try_alloc_slice_from_iter(level::walls(map, resources.wall_names))?;
        let floors = stack.try_alloc_slice_fill_with(shape.cells(), |_| Look::NONE)?;
        let queue = stack.try_alloc_slice_fill_with(shape.cells(), |_| 0)?;
        level::paint_floors(map, &Grid { shape, cells }, resources.flat_names, floors, queue);
        Ok(Self { shape, cells, open, walls, floors })
    }

    fn level(&self) -> level::Level<'g> {
        let grid = Grid { shape: self.shape, cells: self.cells };
        level::Level { grid, open: self.open, walls: self.walls, floors: self.floors }
    }
}

/// A map that is being played. Its memory is a scope of the game's stack (`'g`); its resources are the present scene's.
#[derive(Debug)]
pub(super) struct Level<'g> {
    terrain: Terrain<'g>,
    resources: Resources<'g>,
    /// The draw list of the frame before.
    last: Option<FrameRef<[DrawItem]>>,
    tick: Tick,
}

/// Agents that one job thinks for.
const BATCH: usize = 16;

impl<'g> Level<'g> {
    /// Decodes what the map uses into `scene` and fills the map with agents.
    pub(super) fn load(
        source: &'g Source<'g>,
        map: &Map<'_>,
        number: u32,
        config: &Config,
        stack: &Scope<'g>,
        scene: &Scene,
        crew: &mut Agents,
    ) -> Result<Self, DemoError> {
        let resources = Resources::load(source, map, stack, scene)?;
        let terrain = Terrain::load(map, &resources, stack)?;
        let mut tick = Tick::start(config.seed, number, map.name().as_bytes());
        let count = agent::count(map, config.agents);
        crew.start(count)?;
        tick.populate(map, &terrain.level(), resources.sprite_names, count, crew)?;
        let mut level = Self { terrain, resources, last: None, tick };
        level.stream_ahead(crew)?;
        Ok(level)
    }

    /// Between two frames: loads the textures that the next one can show, if they stream and are not there.
    pub(super) fn stream_ahead(&mut self, crew: &Agents) -> Result<(), DemoError> {
        let Some(pins) = &mut self.resources.pins else { return Ok(()) };
        pins.ahead(&self.terrain.level(), &Camera::over(self.tick.eye(crew)))
    }

    /// Plays one frame. Thinks on the pool of the thread that calls. Answers besides what a cut in it called, if there was one.
    pub(super) fn frame(
        &mut self,
        frame: &Frame<'_>,
        crew: &mut Agents,
        flying: &mut Flying<'_>,
    ) -> Result<(Drawn, Counts), DemoError> {
        let Self { terrain, resources, last, tick } = self;
        let Flying { projectiles, particles, fallen, .. } = flying;
        let level = terrain.level();

        let starts = frame.try_alloc_slice_fill_with(Buckets::starts_len(terrain.shape), |_| 0)?;
        let slots = frame.try_alloc_slice_fill_with(crew.len(), |_| 0)?;
        let buckets = Buckets::build(terrain.shape, &*crew, starts, slots);

        let frozen = tick.freeze(level, &*crew, buckets);
        let intents = frame.try_alloc_slice_fill_with(crew.slots(), |_| Intent::<&[Cell]>::default())?;
        let jobs = frame.jobs();
        intents.par_chunks_mut(BATCH).enumerate().try_for_each(|(batch, intents)| {
            let arena = jobs.checkout();
            let mut search = Search::new(&arena);
            for (slot, intent) in (batch * BATCH..).zip(intents) {
                *intent = think(&frozen, slot as u32, &mut search);
            }
            search.refused.map_or(Ok(()), Err)
        })?;

        tick.apply(&level, crew, intents.iter().copied(), projectiles);
        tick.fly(&level, crew, &buckets, projectiles, particles, fallen);
        tick.drift(&level, particles);
        tick.respawn(&level, crew, fallen);

        let camera = Camera::over(tick.eye(crew));
        let cut = resources.pins.as_mut().map_or(Ok(Counts::default()), |pins| pins.now(&level, &camera))?;
        let resources = &*resources;
        let heap = resources.pins.as_ref().and_then(Pins::reading);
        let assets = resources.of(frame, heap.as_deref())?;
        let number = tick.frame();
        let scenery = Scenery {
            level,
            crew: &*crew,
            projectiles: &*projectiles,
            particles: &*particles,
            assets: &assets,
            frame: number,
        };
        let items = collect(frame, &scenery, &camera)?;
        let (items, kept) = frame.try_keep_vec(items)?;
        draw::sort(items);
        let before = last.and_then(|kept| frame.get(kept)).unwrap_or_default();
        let delta = draw::compare(before, items);
        *last = Some(kept);
        tick.submit(items, delta);
        for slot in draw::labelled(items) {
            let Some(agent) = crew.at(slot) else { continue };
            let label = Label { slot, agent };
            tick.label(frame.try_alloc_fmt(format_args!("{label}"))?);
        }
        let mixed = frame.try_alloc_slice_fill_with(MIXED, |_| 0)?;
        tick.mix(&assets, mixed);
        tick.finish(crew, projectiles, particles);
        Ok((Drawn { items: items.len() as u32, fresh: delta.fresh }, cut))
    }

    /// After a frame: moves what streams together, if it shares a heap.
    pub(super) fn after_frame(&self) -> HeapSample {
        self.resources.pins.as_ref().map_or(HeapSample::default(), Pins::after_frame)
    }

    /// The scene seen from above.
    pub(super) fn picture(&self, map: &Map<'_>, crew: &Agents, flying: &Flying<'_>) -> Picture {
        let Flying { projectiles, particles, fallen, .. } = flying;
        host::picture(map, crew, fallen, projectiles, particles, self.tick.eye(crew))
    }

    /// The checksum so far.
    pub(super) fn checksum(&self) -> Checksum {
        self.tick.checksum()
    }

    /// What happened so far.
    pub(super) fn totals(&self) -> Totals {
        self.tick.totals()
    }

    /// How many resources were loaded.
    pub(super) fn resources_loaded(&self) -> u64 {
        self.resources.count()
    }

    /// Bytes of decoded resources.
    pub(super) fn resource_bytes(&self) -> u64 {
        self.resources.bytes
    }

    /// The counter of dropped resources; it outlives the scene.
    pub(super) fn drops(&self) -> Drops {
        self.resources.drops()
    }
}

/// The draw list, unsorted, in the frame arena.
fn collect<'f>(
    frame: &'f Frame<'_>,
    scenery: &Scenery<'_, impl Crew, impl Crowd<Projectile>, impl Sparks, impl Assets>,
    camera: &Camera,
) -> Result<ArenaVec<'f, DrawItem>, AllocError> {
    let mut items = frame.vec();
    let mut refused = None;
    draw::collect(scenery, camera, |item| {
        if refused.is_none() {
            refused = items.try_push(item).err();
        }
    });
    refused.map_or(Ok(items), Err)
}
