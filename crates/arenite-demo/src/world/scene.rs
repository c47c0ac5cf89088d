//! A scene and its frame.

use arenite::{AllocError, ArenaVec, Frame, FrameRef, Scene, Scope};
use rayon::prelude::*;

use super::resources::{Drops, Resources};
use super::think::Search;
use crate::config::Config;
use crate::error::DemoError;
use crate::host;
use crate::outcome::Picture;
use crate::rules::agent::{self, Agent};
use crate::rules::assets::Look;
use crate::rules::buckets::Buckets;
use crate::rules::checksum::Checksum;
use crate::rules::draw::{self, Camera, DrawItem, Drawn, Scenery};
use crate::rules::flight::{Crowd, Particle, Projectile};
use crate::rules::grid::{Cell, Grid, Shape};
use crate::rules::level::{self, Wall};
use crate::rules::think::{Intent, think};
use crate::rules::tick::{Label, MIXED, Tick};
use crate::rules::{PARTICLES, PROJECTILES};
use crate::wad::{Map, Wad};

/// A vector in a stack that does not grow beyond what it was made for.
#[derive(Debug)]
struct Limited<'g, T> {
    /// With room for as many as there may ever be, so that it never moves or asks for memory.
    items: ArenaVec<'g, T>,
    most: usize,
    /// Places that were written at some time, so that using them does not fault.
    touched: usize,
}

impl<'g, T: Copy + Default> Limited<'g, T> {
    /// Room for `most`, which costs nothing until it is used.
    fn try_new(stack: &'g Scope<'_>, most: usize) -> Result<Self, AllocError> {
        let mut items = stack.vec();
        items.try_reserve(most)?;
        Ok(Self { items, most, touched: 0 })
    }

    /// Empties it, and sees to it that the first `usual` places do not fault in a frame.
    fn start(&mut self, usual: usize) -> Result<(), AllocError> {
        self.items.clear();
        let usual = usual.min(self.most);
        if self.touched < usual {
            self.items.try_extend(std::iter::repeat_n(T::default(), usual))?;
            self.items.clear();
            self.touched = usual;
        }
        Ok(())
    }
}

impl<T: Copy + Default> Crowd<T> for Limited<'_, T> {
    fn add(&mut self, item: T) -> bool {
        self.items.len() < self.most && self.items.try_push(item).is_ok()
    }

    fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        let items = &mut self.items[..];
        let mut kept = 0;
        for at in 0..items.len() {
            if keep(&mut items[at]) {
                items[kept] = items[at];
                kept += 1;
            }
        }
        self.items.truncate(kept);
    }

    fn iter<'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        T: 'a,
    {
        self.items.iter()
    }

    fn len(&self) -> usize {
        self.items.len()
    }
}

/// Projectiles and particles. There can be as many of them in every map, so their room is the game's and not the
/// scene's.
#[derive(Debug)]
pub(super) struct Flying<'g> {
    projectiles: Limited<'g, Projectile>,
    particles: Limited<'g, Particle>,
}

impl<'g> Flying<'g> {
    pub(super) fn try_new(stack: &'g Scope<'_>) -> Result<Self, AllocError> {
        Ok(Self {
            projectiles: Limited::try_new(stack, PROJECTILES)?,
            particles: Limited::try_new(stack, PARTICLES)?,
        })
    }

    /// Nothing flies any more. Of each there are at once, for each agent of a busy scene, a little less than what is
    /// made ready here.
    pub(super) fn start(&mut self, agents: usize) -> Result<(), AllocError> {
        self.projectiles.start(agents * 2)?;
        self.particles.start(agents * 16)
    }
}

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
    agents: &'g mut [Agent],
    /// The draw list of the frame before.
    last: Option<FrameRef<[DrawItem]>>,
    tick: Tick,
}

/// Agents that one job thinks for.
const BATCH: usize = 16;

impl<'g> Level<'g> {
    /// Decodes what the map uses into `scene` and fills the map with agents.
    pub(super) fn load(
        wad: &Wad<'_>,
        map: &Map<'_>,
        number: u32,
        config: &Config,
        stack: &Scope<'g>,
        scene: &Scene,
    ) -> Result<Self, DemoError> {
        let resources = Resources::load(wad, map, stack, scene)?;
        let terrain = Terrain::load(map, &resources, stack)?;
        let mut tick = Tick::start(config.seed, number, map.name().as_bytes());
        let count = agent::count(map, config.agents);
        let agents = stack.try_alloc_slice_fill_with(count, |_| Agent::default())?;
        agent::populate(map, &terrain.level(), resources.sprite_names, tick.rng(), agents);
        Ok(Self { terrain, resources, agents, last: None, tick })
    }

    /// Plays one frame. Thinks on the pool of the thread that calls.
    pub(super) fn frame(&mut self, frame: &Frame<'_>, flying: &mut Flying<'_>) -> Result<Drawn, AllocError> {
        let Self { terrain, resources, agents, last, tick } = self;
        let Flying { projectiles, particles } = flying;
        let level = terrain.level();
        let assets = resources.of(frame)?;

        let starts = frame.try_alloc_slice_fill_with(Buckets::starts_len(terrain.shape), |_| 0)?;
        let ids = frame.try_alloc_slice_fill_with(agents.len(), |_| 0)?;
        let buckets = Buckets::build(terrain.shape, agents, starts, ids);

        let frozen = tick.freeze(level, agents, buckets);
        let intents = frame.try_alloc_slice_fill_with(agents.len(), |_| Intent::<&[Cell]>::default())?;
        let jobs = frame.jobs();
        intents.par_chunks_mut(BATCH).enumerate().try_for_each(|(batch, intents)| {
            let arena = jobs.checkout();
            let mut search = Search::new(&arena);
            for (id, intent) in (batch * BATCH..).zip(intents) {
                *intent = think(&frozen, id as u32, &mut search);
            }
            search.refused.map_or(Ok(()), Err)
        })?;

        tick.apply(&level, agents, intents.iter().copied(), projectiles);
        tick.fly(&level, agents, &buckets, projectiles, particles);
        tick.drift(&level, particles);
        tick.respawn(&level, agents);

        let camera = Camera::follow(agents);
        let number = tick.frame();
        let scenery = Scenery { level, agents, projectiles, particles, assets: &assets, frame: number };
        let items = collect(frame, &scenery, &camera)?;
        let (items, kept) = frame.try_keep_vec(items)?;
        draw::sort(items);
        let before = last.and_then(|kept| frame.get(kept)).unwrap_or_default();
        let delta = draw::compare(before, items);
        *last = Some(kept);
        tick.submit(items, delta);
        for id in draw::labelled(items) {
            let label = Label { id, agent: &agents[id as usize] };
            tick.label(frame.try_alloc_fmt(format_args!("{label}"))?);
        }
        let mixed = frame.try_alloc_slice_fill_with(MIXED, |_| 0)?;
        tick.mix(&assets, mixed);
        tick.finish(agents, projectiles, particles);
        Ok(Drawn { items: items.len() as u32, fresh: delta.fresh })
    }

    /// The scene seen from above.
    pub(super) fn picture(&self, map: &Map<'_>, flying: &Flying<'_>) -> Picture {
        host::picture(map, self.agents, &flying.projectiles, &flying.particles)
    }

    /// The checksum so far.
    pub(super) fn checksum(&self) -> Checksum {
        self.tick.checksum()
    }

    /// How many agents there are.
    pub(super) fn agents(&self) -> usize {
        self.agents.len()
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
    scenery: &Scenery<'_, impl Crowd<Projectile>, impl Crowd<Particle>, impl crate::rules::assets::Assets>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use arenite::{ScratchStack, Tag};

    #[test]
    fn a_limited_vector_takes_as_many_as_it_was_made_for_and_keeps_their_order() {
        let mut stack = ScratchStack::try_new(Tag::untagged(), 1 << 20).expect("memory for a test");
        let mut guard = stack.guard();
        let scope = guard.scope();
        let mut limited = Limited::try_new(&scope, 100).expect("memory for a test");
        let used = scope.used();
        for usual in [0, 3, 100, 1000, 7] {
            limited.start(usual).expect("there is room");
            assert!(limited.is_empty());
            assert_eq!((0..150u32).filter(|&number| limited.add(number)).count(), 100);
            limited.retain(|number| {
                *number += 1;
                *number % 3 == 0
            });
            assert!(limited.iter().copied().eq((1..=100).filter(|number| number % 3 == 0)));
            assert_eq!((limited.len(), scope.used()), (33, used), "it never grows");
        }
    }
}
