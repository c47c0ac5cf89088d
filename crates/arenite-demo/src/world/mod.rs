//! The game's memory on Arenite.
//!
//! | what | where it lives | tag |
//! |---|---|---|
//! | the WAD file | a resource arena | `wad` |
//! | decoded textures, flats, sprites, sounds | sections of the scene | `scene/…` |
//! | textures and sounds that stream | an arena each, held by a cache | `textures`, `sounds` |
//! | the same under `--defrag-budget` | one heap that moves them together | `textures`, `sounds`; what is free in it `streamed` |
//! | grid, walls, agents | a scratch stack whose scope is the scene | `game` |
//! | projectiles, particles | another one, whose scope is the run | `game` |
//! | buckets, intents, draw list, labels | the frame arena; the draw list is kept for the next frame | `frame` |
//! | search nodes and open lists | each job's scratch | `jobs` |
//! | paths that were found | each job's arena, until the frame ends | `jobs` |
//! | what `--leak` leaks | a named heap that tracks its blocks | `marks` |
//!
//! | file | what lives there |
//! |---|---|
//! | `heap` | the heap that textures and sounds share under `--defrag-budget` |
//! | `leak` | what is leaked on purpose |
//! | `memory` | start-up: tags, budgets, the manager, the file |
//! | `resources` | decoded resources by handle |
//! | `scene` | a scene and its frame |
//! | `streaming` | textures and sounds that come through a cache |
//! | `think` | paths in job arenas |
//! | `trends` | where the memory is going |
//!
//! The general heap has the rest, by part: `heap/threads`, `heap/game`, `heap/scenes`,
//! `heap/streaming` and `heap/record`. Frames leave it alone.
//!
//! The rules are those of [`rules`](crate::rules); `plain`, the same game on the standard library, is not known here.

mod agents;
mod flying;
mod heap;
mod leak;
mod memory;
mod resources;
mod scene;
mod streaming;
mod think;
mod trends;

use arenite::{HeapTagSnapshot, MemoryManager, ScratchStack, TagSnapshot};

use crate::config::{Config, Observer};
use crate::error::DemoError;
use crate::host::{self, Clock, Left, Resident, Run};
use crate::outcome::{HeapOutcome, Record, Streamed, TagOutcome};
use crate::rules::crew::Crew;
use crate::rules::flight::Crowd;
use crate::wad::{LumpName, Wad};
use agents::Agents;
use flying::Flying;
use leak::Marks;
use resources::Source;
use scene::Level;
use streaming::Streams;
use trends::Trends;

impl From<arenite::AllocError> for DemoError {
    fn from(error: arenite::AllocError) -> Self {
        Self::Memory(error.to_string())
    }
}

/// Tags whose budgets make resources stream through a cache instead of being loaded with their scene.
pub const STREAMED: [&str; 2] = [streaming::TEXTURES, streaming::SOUNDS];

/// Plays the whole run.
///
/// # Errors
/// Whatever is wrong with the configuration, the file or the budgets; see [`DemoError`].
pub fn run(config: &Config, observer: &mut dyn Observer) -> Result<Record, DemoError> {
    host::check(config)?;
    memory::set_budgets(&config.budgets)?;
    let _threads = memory::part(memory::THREADS)?;
    host::on_pool(config, memory::begin_thread, || play(config, observer))
}

/// How many maps the run's file has. The file is read as the run reads it: on the account and within the budget of `wad`.
///
/// # Errors
/// Whatever is wrong with the file or the budgets; see [`DemoError`].
pub fn count_maps(config: &Config) -> Result<usize, DemoError> {
    memory::set_budgets(&config.budgets)?;
    let file = memory::File::open(config)?;
    Ok(Wad::parse(file.bytes())?.maps().count())
}

fn play(config: &Config, observer: &mut dyn Observer) -> Result<Record, DemoError> {
    let _game = memory::part(memory::GAME)?;
    let file = memory::File::open(config)?;
    let wad = Wad::parse(file.bytes())?;
    let maps = host::maps(&wad, config)?;
    let source = Source::start(config, wad)?;
    let mut memory = memory::start(config)?;
    let mut game = memory::game_stack()?;
    let [mut boxes, mut fallen] = memory::flying_stacks()?;
    let (mut boxes, mut fallen) = (boxes.guard(), fallen.guard());
    let (boxes, fallen) = (boxes.scope(), fallen.scope());
    let mut crew = Agents::try_new(memory::tag("game/agents")?)?;
    crew.start(config.agents as usize)?;
    let projectiles = flying::projectile_pool(memory::tag("game/projectiles")?)?;
    let mut flying = Flying::try_new(&boxes, &fallen, &projectiles, memory::tag("game/particles")?)?;
    flying.start(config.agents as usize)?;
    let marks = Marks::start(config.leak)?;
    let recording = memory::part(memory::RECORD)?;
    let mut run = Run::new(config, "arenite");
    let mut trends = Trends::start(config)?;
    drop(recording);
    let sampled = memory::SAMPLED.len() - if source.streams.is_some() { 0 } else { STREAMED.len() };
    run.record().sampled_tags = memory::SAMPLED[..sampled].iter().map(|&name| name.to_owned()).collect();

    for (number, &name) in (0..config.scenes).zip(maps.iter().cycle()) {
        scene(
            &source,
            name,
            number,
            config,
            &mut memory,
            &mut game,
            &mut crew,
            &mut flying,
            marks.as_ref(),
            &mut trends,
            &mut run,
            observer,
        )?;
    }

    let _recording = memory::part(memory::RECORD)?;
    let snapshot = memory.snapshot();
    let outcome = &mut run.record().outcome;
    outcome.frame_arena_high_water = snapshot.frame.high_water as u64;
    outcome.tags = snapshot.tags.iter().filter(|tag| tag.peak_committed > 0).map(tag_outcome).collect();
    outcome.general_heap = snapshot.heap.iter().map(heap_outcome).collect();
    if let Some(streams) = &source.streams {
        let (caches, moments) = streams.outcome();
        outcome.caches = caches;
        outcome.streaming = Some(moments);
        if let Some((moved, maps)) = streams.moved() {
            outcome.defrag = Some(moved);
            run.record().heap_maps = maps;
        }
    }
    let outcome = &mut run.record().outcome;
    outcome.trends = trends.outcome();
    outcome.leaks = marks.map_or_else(Vec::new, Marks::end);
    Ok(run.finish())
}

/// Loads a scene, plays its frames, and leaves it.
#[expect(clippy::too_many_arguments, reason = "all that a run has; it is called once")]
fn scene(
    source: &Source<'_>,
    name: LumpName,
    number: u32,
    config: &Config,
    memory: &mut MemoryManager,
    game: &mut ScratchStack,
    crew: &mut Agents,
    flying: &mut Flying<'_>,
    marks: Option<&Marks>,
    trends: &mut Trends,
    run: &mut Run<'_>,
    observer: &mut dyn Observer,
) -> Result<(), DemoError> {
    let map = source.wad.map(name)?;
    let before = Resident::read().now;
    let loading = Clock::start();
    let own = memory::part(memory::SCENES)?;
    let mut guard = game.guard();
    let stack = guard.scope();
    let next = memory.try_load_scene()?;
    let tag = next.tag();
    let mut level = Level::load(source, &map, number, config, &stack, &next, crew)?;
    memory.change_scene(next);
    flying.start(crew.len())?;
    drop(own);
    let load_ms = loading.ms();
    observer.scene_started(&map.name().to_string(), number, config.scenes);

    run.play(observer, || {
        level.stream_ahead(crew)?;
        let clock = Clock::start();
        let frame = memory.begin_frame();
        let (drawn, cut) = level.frame(&frame, crew, flying)?;
        marks.map_or(Ok(()), Marks::frame)?;
        let (stats, ms) = (frame.end(), clock.ms());
        let heap = level.after_frame();
        trends.frame(marks);
        let (mut sample, counts) = memory::sample(&drawn, &stats, cut, ms);
        sample.heap = heap;
        sample.streamed = source.streams.as_ref().map_or(Streamed::default(), Streams::take_news);
        Ok((sample, counts))
    })?;

    let loaded = Resident::read().now;
    crew.publish();
    flying.publish();
    let _recording = memory::part(memory::RECORD)?;
    let (picture, checksum) = (level.picture(&map, crew, flying), level.checksum());
    let (agents, resources) = (crew.len() + flying.fallen.len(), level.resources_loaded());
    let totals = level.totals();
    let (drops, bytes) = (level.drops(), level.resource_bytes());
    let leaving = Clock::start();
    drop(level);
    drop(guard);
    let report = memory.clear_scene();
    game.try_trim(memory::GAME_KEEP)?;
    // Read before the figures below, which ask the system for ours.
    let unload_ms = leaving.ms();
    let left = Left {
        map: map.name(),
        agents,
        totals,
        loaded: resources,
        dropped: drops.count(),
        bytes,
        live_after: (report.live_after + game.used()) as u64,
        resident: [before, loaded, Resident::read().now],
        load_ms,
        unload_ms,
    };
    debug_assert_eq!(tag.account().subtree.live, 0);
    run.scene(left, picture, checksum);
    Ok(())
}

fn tag_outcome(tag: &TagSnapshot) -> TagOutcome {
    TagOutcome {
        name: tag.name.clone(),
        reserved: tag.reserved as u64,
        committed: tag.committed as u64,
        live: tag.live as u64,
        peak: tag.peak_committed as u64,
        budget: tag.budget.map(|budget| budget as u64),
    }
}

fn heap_outcome(tag: &HeapTagSnapshot) -> HeapOutcome {
    HeapOutcome {
        name: tag.name.clone(),
        allocs: tag.allocs,
        live_blocks: tag.live_blocks,
        live_bytes: tag.live_bytes,
        committed: tag.committed,
    }
}

#[cfg(test)]
mod resident;
#[cfg(test)]
mod shared_heap;
#[cfg(all(test, target_os = "linux"))]
mod streamed_game;
#[cfg(test)]
mod tests;
