//! A scene and its frame.

use rayon::prelude::*;

use super::resources::{Drops, Resources};
use super::think::Allocate;
use super::{Limited, Slots};
use crate::config::Config;
use crate::error::DemoError;
use crate::host;
use crate::outcome::Picture;
use crate::rules::agent;
use crate::rules::assets::Look;
use crate::rules::buckets::Buckets;
use crate::rules::checksum::Checksum;
use crate::rules::crew::Crew;
use crate::rules::draw::{self, Camera, DrawItem, Drawn, Scenery};
use crate::rules::flight::{Crowd, Fallen, Particle, Projectile};
use crate::rules::grid::{Cell, Grid, Shape};
use crate::rules::level::{self, Level, Wall};
use crate::rules::think::{Intent, think};
use crate::rules::tick::{Label, MIXED, Tick};
use crate::rules::totals::Totals;
use crate::rules::{PARTICLES, PROJECTILES};
use crate::wad::{Map, Wad};

/// The map as the game sees it, in vectors.
#[derive(Debug)]
struct Terrain {
    shape: Shape,
    cells: Vec<u8>,
    open: Vec<Cell>,
    walls: Vec<Wall>,
    floors: Vec<Look>,
}

impl Terrain {
    fn load(map: &Map<'_>, resources: &Resources) -> Result<Self, DemoError> {
        let shape = Shape::over(map.bounds());
        let mut cells = vec![0; shape.cells()];
        let mut open = vec![0; shape.cells()];
        let count =
            level::carve(map, shape, &mut cells, &mut open).map_err(|_| host::no_start(map.name()))?;
        open.truncate(count);
        open.shrink_to_fit();
        let walls = level::walls(map, &resources.wall_names).collect();
        let mut floors = vec![Look::NONE; shape.cells()];
        let mut queue = vec![0; shape.cells()];
        let grid = Grid { shape, cells: &cells };
        level::paint_floors(map, &grid, &resources.flat_names, &mut floors, &mut queue);
        Ok(Self { shape, cells, open, walls, floors })
    }

    fn level(&self) -> Level<'_> {
        let grid = Grid { shape: self.shape, cells: &self.cells };
        Level { grid, open: &self.open, walls: &self.walls, floors: &self.floors }
    }
}

/// A map that is being played.
#[derive(Debug)]
pub(super) struct Scene {
    terrain: Terrain,
    resources: Resources,
    crew: Slots,
    fallen: Limited<Fallen>,
    projectiles: Limited<Projectile>,
    particles: Limited<Particle>,
    /// The draw list of the frame before.
    last: Vec<DrawItem>,
    tick: Tick,
}

impl Scene {
    /// Decodes what the map uses and fills it with agents.
    pub(super) fn load(
        wad: &Wad<'_>,
        map: &Map<'_>,
        number: u32,
        config: &Config,
    ) -> Result<Self, DemoError> {
        let resources = Resources::load(wad, map)?;
        let terrain = Terrain::load(map, &resources)?;
        let mut tick = Tick::start(config.seed, number, map.name().as_bytes());
        let (mut crew, count) = (Slots::default(), agent::count(map, config.agents));
        let Ok(()) = tick.populate(map, &terrain.level(), &resources.sprite_names, count, &mut crew);
        Ok(Self {
            terrain,
            resources,
            crew,
            fallen: Limited::new(count),
            projectiles: Limited::new(PROJECTILES),
            particles: Limited::new(PARTICLES),
            last: Vec::new(),
            tick,
        })
    }

    /// Plays one frame. Thinks on the pool of the thread that calls.
    pub(super) fn frame(&mut self) -> Drawn {
        let Self { terrain, resources, crew, fallen, projectiles, particles, last, tick } = self;
        let level = terrain.level();

        let mut starts = vec![0; Buckets::starts_len(terrain.shape)];
        let mut slots = vec![0; crew.len()];
        let buckets = Buckets::build(terrain.shape, crew, &mut starts, &mut slots);

        let frozen = tick.freeze(level, crew, buckets);
        let everybody = (0..crew.slots() as u32).into_par_iter().with_min_len(16);
        let intents: Vec<Intent<Vec<Cell>>> =
            everybody.map(|slot| think(&frozen, slot, &mut Allocate)).collect();

        tick.apply(&level, crew, intents.into_iter(), projectiles);
        tick.fly(&level, crew, &buckets, projectiles, particles, fallen);
        tick.drift(&level, particles);
        tick.respawn(&level, crew, fallen);

        let camera = Camera::over(tick.eye(crew));
        let frame = tick.frame();
        let scenery = Scenery { level, crew, projectiles, particles, assets: resources, frame };
        let mut items = Vec::new();
        draw::collect(&scenery, &camera, |item| items.push(item));
        draw::sort(&mut items);
        let delta = draw::compare(last, &items);
        tick.submit(&items, delta);
        for slot in draw::labelled(&items) {
            let Some(agent) = crew.at(slot) else { continue };
            tick.label(&Label { slot, agent }.to_string());
        }
        let mut mixed = vec![0; MIXED];
        tick.mix(resources, &mut mixed);
        tick.finish(crew, projectiles, particles);

        let drawn = Drawn { items: items.len() as u32, fresh: delta.fresh };
        *last = items;
        drawn
    }

    /// The scene seen from above.
    pub(super) fn picture(&self, map: &Map<'_>) -> Picture {
        let eye = self.tick.eye(&self.crew);
        host::picture(map, &self.crew, &self.fallen, &self.projectiles, &self.particles, eye)
    }

    /// The checksum so far.
    pub(super) fn checksum(&self) -> Checksum {
        self.tick.checksum()
    }

    /// How many agents there are, the fallen included.
    pub(super) fn agents(&self) -> usize {
        self.crew.len() + self.fallen.len()
    }

    /// How many resources were loaded.
    pub(super) fn resources_loaded(&self) -> u64 {
        self.resources.count()
    }

    /// Bytes of decoded resources.
    pub(super) fn resource_bytes(&self) -> u64 {
        self.resources.bytes()
    }

    /// The counter of dropped resources; it outlives the scene.
    pub(super) fn drops(&self) -> Drops {
        self.resources.drops()
    }

    /// How many projectiles and particles there are.
    #[cfg(test)]
    pub(super) fn flying(&self) -> (usize, usize) {
        (self.projectiles.len(), self.particles.len())
    }

    /// What happened so far.
    pub(super) fn totals(&self) -> Totals {
        self.tick.totals()
    }
}
