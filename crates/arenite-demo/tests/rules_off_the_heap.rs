//! The rules call no allocator, and come to the same checksum in whatever memory they are given.
//!
//! A third world beside the two of the crate: everything has its room before the first frame, threads have none.

use std::alloc::System;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use arenite_demo::config::{Config, Silent};
use arenite_demo::heap_count::{self, CountingAllocator};
use arenite_demo::plain::{self, Limited, Slots};
use arenite_demo::rules::agent::{self, REMEMBERED};
use arenite_demo::rules::assets::{self, Assets, Look, Sheet};
use arenite_demo::rules::buckets::Buckets;
use arenite_demo::rules::crew::Crew;
use arenite_demo::rules::draw::{self, Camera, DrawItem, Scenery};
use arenite_demo::rules::grid::{Cell, Grid, Shape};
use arenite_demo::rules::level::{self, Level};
use arenite_demo::rules::path::{self, Node, OpenList};
use arenite_demo::rules::think::{Intent, PathMemory, think};
use arenite_demo::rules::tick::{Label, MIXED, Tick};
use arenite_demo::rules::{PARTICLES, PROJECTILES};
use arenite_demo::wad::{EMBEDDED, Flat, LumpName, Map, Picture, Sound, Wad};

#[global_allocator]
static HEAP: CountingAllocator<System> = CountingAllocator::new(System);

/// Memory for one search after the other.
struct Searches {
    nodes: Vec<Node>,
    open: BinaryHeap<Reverse<u64>>,
}

struct Open<'a>(&'a mut BinaryHeap<Reverse<u64>>);

impl OpenList for Open<'_> {
    fn push(&mut self, key: u64) {
        self.0.push(Reverse(key));
    }

    fn pop(&mut self) -> Option<u64> {
        self.0.pop().map(|Reverse(key)| key)
    }
}

/// The beginning of a path, which is all that an agent remembers.
struct Beginning {
    cells: [Cell; REMEMBERED],
    length: usize,
}

impl AsRef<[Cell]> for Beginning {
    fn as_ref(&self) -> &[Cell] {
        &self.cells[..self.length]
    }
}

impl PathMemory for Searches {
    type Path = Beginning;

    fn find_path(&mut self, grid: &Grid<'_>, from: Cell, to: Cell) -> Option<Beginning> {
        self.open.clear();
        let found = path::search(grid, from, to, &mut self.nodes, &mut Open(&mut self.open))?;
        let mut beginning = Beginning { cells: [0; REMEMBERED], length: found.steps.min(REMEMBERED) };
        found.write(grid, &self.nodes, &mut beginning.cells[..beginning.length]);
        Some(beginning)
    }
}

#[derive(Default)]
struct Decoded {
    /// Width, height and pixels: walls, flats, sprites.
    images: [Vec<(usize, usize, Vec<u8>)>; 3],
    names: [Vec<LumpName>; 3],
    sounds: Vec<Vec<i16>>,
}

fn place(sheet: Sheet) -> usize {
    match sheet {
        Sheet::Wall => 0,
        Sheet::Flat => 1,
        Sheet::Sprite => 2,
    }
}

impl Decoded {
    fn load(wad: &Wad<'_>, map: &Map<'_>) -> Self {
        let mut decoded = Self::default();
        let gather = |names: &mut dyn Iterator<Item = LumpName>| {
            let mut list = vec![LumpName::default(); assets::most_names(map)];
            let count = assets::gather(names, &mut list);
            list.truncate(count);
            list
        };
        let textures = wad.textures().expect("sound");
        for name in gather(&mut map.texture_names()) {
            let Some(texture) = textures.find(name) else { continue };
            let mut pixels = vec![0; texture.decoded_len()];
            texture.decode_into(wad, &mut pixels).expect("sound");
            decoded.add(Sheet::Wall, name, (texture.width, texture.height), pixels);
        }
        for name in gather(&mut map.flat_names()) {
            let Some(flat) = wad.flat(name) else { continue };
            decoded.add(Sheet::Flat, name, (64, 64), flat.pixels().expect("sound")[..Flat::LEN].to_vec());
        }
        for name in gather(&mut assets::sprite_names(map)) {
            let Some(lump) = assets::sprite_lump(wad, name) else { continue };
            let picture = Picture::parse(lump).expect("sound");
            let mut pixels = vec![0; picture.decoded_len()];
            picture.decode_into(&mut pixels).expect("sound");
            decoded.add(Sheet::Sprite, name, (picture.width(), picture.height()), pixels);
        }
        let mut names = [LumpName::default(); assets::SOUNDS];
        let count = assets::sound_names(wad, &mut names);
        for name in &names[..count] {
            let sound = Sound::parse(wad.find(name).expect("it is listed")).expect("sound");
            let mut samples = vec![0; sound.decoded_len()];
            sound.decode_into(&mut samples).expect("sound");
            decoded.sounds.push(samples);
        }
        decoded
    }

    fn add(&mut self, sheet: Sheet, name: LumpName, size: (u16, u16), pixels: Vec<u8>) {
        self.images[place(sheet)].push((usize::from(size.0), usize::from(size.1), pixels));
        self.names[place(sheet)].push(name);
    }
}

impl Assets for Decoded {
    fn picture(&self, sheet: Sheet, index: usize) -> Option<(usize, usize, &[u8])> {
        let image = self.images[place(sheet)].get(index);
        image.map(|(width, height, pixels)| (*width, *height, &pixels[..]))
    }

    fn sounds(&self) -> usize {
        self.sounds.len()
    }

    fn sound(&self, index: usize) -> &[i16] {
        &self.sounds[index]
    }
}

/// Plays the first map; returns its checksum and how often its frames called the heap.
fn play(config: &Config) -> (String, u64) {
    let wad = Wad::parse(EMBEDDED).expect("sound");
    let name = wad.maps().next().expect("there are maps");
    let map = wad.map(name).expect("sound");
    let decoded = Decoded::load(&wad, &map);
    let shape = Shape::over(map.bounds());
    let (mut cells, mut open) = (vec![0; shape.cells()], vec![0; shape.cells()]);
    let mut queue = open.clone();
    let mut floors = vec![Look::NONE; shape.cells()];
    let mut walls = Vec::with_capacity(map.lines().len());

    let before = heap_count::calls();
    let count = level::carve(&map, shape, &mut cells, &mut open).expect("playable");
    let grid = Grid { shape, cells: &cells };
    walls.extend(level::walls(&map, &decoded.names[0]));
    level::paint_floors(&map, &grid, &decoded.names[1], &mut floors, &mut queue);
    assert_eq!(heap_count::calls(), before, "making the level");

    let level = Level { grid, open: &open[..count], walls: &walls, floors: &floors };
    let mut tick = Tick::start(config.seed, 0, name.as_bytes());
    let count = agent::count(&map, config.agents);
    let mut crew = Slots::with_capacity(count);
    let Ok(()) = tick.populate(&map, &level, &decoded.names[2], count, &mut crew);
    let mut fallen = Limited::with_capacity(count);

    let (mut projectiles, mut particles) =
        (Limited::with_capacity(PROJECTILES), Limited::with_capacity(PARTICLES));
    let mut searches = Searches {
        nodes: vec![Node::default(); path::NODES],
        open: BinaryHeap::with_capacity(path::NODES * 8),
    };
    let (mut starts, mut slots) = (vec![0; Buckets::starts_len(shape)], vec![0; count]);
    let mut intents: Vec<Intent<Beginning>> = Vec::with_capacity(count);
    let (mut last, mut items) = (Vec::<DrawItem>::with_capacity(1 << 16), Vec::with_capacity(1 << 16));
    let mut text = String::with_capacity(1 << 8);
    let mut mixed = [0; MIXED];

    let before = heap_count::calls();
    for _ in 0..config.frames {
        let buckets = Buckets::build(shape, &crew, &mut starts, &mut slots);
        let frozen = tick.freeze(level, &crew, buckets);
        // Backwards: the order in which agents think is of no account.
        intents.extend((0..crew.slots() as u32).rev().map(|slot| think(&frozen, slot, &mut searches)));
        tick.apply(&level, &mut crew, intents.drain(..).rev(), &mut projectiles);
        tick.fly(&level, &mut crew, &buckets, &mut projectiles, &mut particles, &mut fallen);
        tick.drift(&level, &mut particles);
        tick.respawn(&level, &mut crew, &mut fallen);
        let camera = Camera::over(tick.eye(&crew));
        let scenery = Scenery {
            level,
            crew: &crew,
            projectiles: &projectiles,
            particles: &particles,
            assets: &decoded,
            frame: tick.frame(),
        };
        items.clear();
        draw::collect(&scenery, &camera, |item| items.push(item));
        draw::sort(&mut items);
        tick.submit(&items, draw::compare(&last, &items));
        for slot in draw::labelled(&items) {
            text.clear();
            let agent = crew.at(slot).expect("it was drawn");
            let label = Label { slot, agent };
            std::fmt::Write::write_fmt(&mut text, format_args!("{label}")).expect("a string takes all");
            tick.label(&text);
        }
        tick.mix(&decoded, &mut mixed);
        tick.finish(&crew, &projectiles, &particles);
        std::mem::swap(&mut last, &mut items);
    }
    let calls = heap_count::calls() - before;
    assert!(tick.totals().shots > 0 && tick.totals().paths > 0, "a game without shots or paths shows little");
    (tick.checksum().to_string(), calls)
}

// Not a test of the usual harness: its main thread calls the heap while the test runs, and would be counted.
fn main() {
    let config = Config {
        scenes: 1,
        frames: 200,
        agents: 128,
        seed: 5,
        threads: 2,
        heap_calls: Some(heap_count::calls),
        ..Config::default()
    };
    // First, because the threads of a pool call the heap while they end, which is after the pool has been dropped.
    let (checksum, calls) = play(&config);
    let record = plain::run(&config, &mut Silent).expect("the embedded WAD is sound");
    assert_eq!(checksum, record.outcome.scenes[0].checksum);
    assert_eq!(calls, 0);
    // The counter does count: the plain game calls the heap in every frame.
    let frames = u64::from(config.frames - config.warmup);
    assert!(record.outcome.frame_heap_calls.is_some_and(|calls| calls > 20 * frames));
    println!("{} frames: the same checksum, no call of the heap", config.frames);
}
