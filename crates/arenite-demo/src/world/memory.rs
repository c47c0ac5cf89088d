//! Start-up: which tags there are, what each may use, the manager, and the file.

use std::io::Read;

use arenite::{
    Budget, BuildError, FrameStats, GlobalHeap, MemoryManager, Resource, ResourceArena, ResourceArenaOptions,
    ScratchStack, Tag, TagError, TagScope,
};

use super::streaming;
use crate::config::Config;
use crate::error::DemoError;
use crate::host::Counts;
use crate::outcome::{FrameSample, SAMPLED_TAGS};
use crate::rules::draw::Drawn;
use crate::wad::EMBEDDED;

/// Names of the scene's sections; their tags are below the scene's.
pub(super) const SECTIONS: [&str; 4] = ["textures", "flats", "sprites", "sounds"];

/// The game's tags and their usual hard budgets in MiB.
const TAGS: [(&str, usize); 8] = [
    ("frame", 64),
    ("game", 64),
    ("jobs", 64),
    ("scene", 512),
    ("scratch", 16),
    (streaming::SOUNDS, 64),
    (streaming::TEXTURES, 256),
    ("wad", 512),
];

/// The tags that each frame's sample tells of; the last two of a run that streams.
pub(super) const SAMPLED: [&str; 8] =
    ["wad", "scene", "game", "frame", "jobs", "scratch", streaming::TEXTURES, streaming::SOUNDS];
const _: () = assert!(SAMPLED.len() <= SAMPLED_TAGS);

/// At what part of its budget a tag is said to be near it.
const WARN_AT: f64 = 0.8;

/// Sets the usual budgets, then those of the run.
pub(super) fn set_budgets(budgets: &[(String, u64)]) -> Result<(), DemoError> {
    for (name, mebibytes) in TAGS {
        tag(name)?.set_budget(Budget::hard(mebibytes << 20).warn_at(WARN_AT));
    }
    for (name, bytes) in budgets {
        if !TAGS.iter().any(|(known, _)| known == name) {
            let known = TAGS.map(|(name, _)| name).join(", ");
            return Err(DemoError::Config(format!(
                "there is no tag `{name}` to give a budget to; there are {known}"
            )));
        }
        let bytes = usize::try_from(*bytes).unwrap_or(usize::MAX);
        tag(name)?.set_budget(Budget::hard(bytes).warn_at(WARN_AT));
    }
    Ok(())
}

pub(super) fn tag(name: &str) -> Result<Tag, DemoError> {
    Tag::register(name).map_err(|error: TagError| DemoError::Memory(error.to_string()))
}

/// What this thread asks the general heap for is on the account of a part of the game, until the guard is dropped. (Nothing
/// comes of it in a program that has another heap than Arenite's.)
pub(super) fn part(name: &str) -> Result<TagScope, DemoError> {
    Ok(tag(name)?.try_scope()?)
}

/// As [`part`], for the threads of the pool and as long as they live.
pub(super) fn begin_thread() {
    // A thread that can not say whose its blocks are has them untagged.
    if let Ok(tag) = tag(THREADS) {
        let _ = GlobalHeap::enter(tag);
    }
}

/// The threads' own: queues, names, book-keeping of who steals from whom.
pub(super) const THREADS: &str = "heap/threads";
/// What is decoded and built when a scene is loaded and has no place in an arena.
pub(super) const SCENES: &str = "heap/scenes";
/// The tables of the caches, and which resources a scene has pinned.
pub(super) const STREAMING: &str = "heap/streaming";
/// What is kept for the report: a sample of each frame, pictures, figures.
pub(super) const RECORD: &str = "heap/record";
/// The rest of the game.
pub(super) const GAME: &str = "heap/game";

/// Starts the manager with everything committed that steady frames need, so that none of them calls the system.
pub(super) fn start(config: &Config) -> Result<MemoryManager, DemoError> {
    // A frame's lists grow with the agents: buckets, an intent each, a few items to draw. 256 agents took 84 KB at most
    // in the maps we know, 4000 took 414 KB.
    let frame = (112 << 10) + 128 * config.agents as usize;
    // In a job's scratch a search has its nodes (16 KiB) and its open list; the paths found need less. Of many threads
    // each has a smaller share of the work, and all of them together half of the usual budget.
    let job = ((80 << 10) + 16 * config.agents as usize).min((16 << 20) / config.threads.max(64));
    // Under a tight budget what is kept in one section could be missing in another.
    let keep = if tag("scene")?.headroom() < 8 * SCENE_KEEP { 0 } else { SCENE_KEEP };
    let mut builder = MemoryManager::builder()
        .frame_presize(frame)
        .job_arenas(4 * config.threads.max(16))
        .job_presize(config.threads, job)
        .scratch(16 << 20, 64 << 10)
        .scene_sections(&SECTIONS)
        .scene_keep(keep)
        .prefault(true)
        .count_page_faults(true);
    if let Some(count) = config.heap_calls {
        builder = builder.heap_calls(count);
    }
    let mut memory = builder.build().map_err(|error: BuildError| DemoError::Memory(error.to_string()))?;
    // A scene that comes and goes leaves the next one its memory. Textures are most of any map's.
    let first = memory.try_load_scene()?;
    for (name, share) in SECTIONS.into_iter().zip([14, 3, 3, 3]) {
        let section = first.section(name).unwrap_or(&first);
        let len = keep / 32 * share;
        section.try_insert_slice_with(len, |_: &mut [u8]| Ok::<_, DemoError>(()))?;
    }
    memory.change_scene(first);
    memory.clear_scene();
    Ok(memory)
}

/// What a scene's resources leave committed for the next scene's, and what the game's stack keeps from scene to scene:
/// about what a small map needs. Memory that is given back and asked for again costs the kernel 1.4 microseconds for
/// each page, and each call after many frames 13 to 50.
const SCENE_KEEP: usize = 512 << 10;
/// See [`SCENE_KEEP`].
pub(super) const GAME_KEEP: usize = 256 << 10;

/// The stack on which a scene keeps its grid and its agents, with what it keeps brought in.
pub(super) fn game_stack() -> Result<ScratchStack, DemoError> {
    let mut game = ScratchStack::try_new(tag("game")?, 256 << 20)?;
    game.guard().scope().try_alloc_slice_fill_with(GAME_KEEP, |_| 0u8)?;
    Ok(game)
}

/// The stack of the projectiles' boxes, and that of the fallen.
pub(super) fn flying_stacks() -> Result<[ScratchStack; 2], DemoError> {
    Ok([
        ScratchStack::try_new(tag("game/projectiles")?, 1 << 20)?,
        ScratchStack::try_new(tag("game/fallen")?, 16 << 20)?,
    ])
}

/// What a frame was, and what it called.
///
/// What a streaming moment in the frame called (`cut`) is left out.
pub(super) fn sample(drawn: &Drawn, stats: &FrameStats, cut: Counts, ms: f64) -> (FrameSample, Counts) {
    let mut committed = [0; SAMPLED_TAGS];
    for (figure, name) in committed.iter_mut().zip(SAMPLED) {
        let tag = arenite::Ledger::process().find(name);
        *figure = tag.map_or(0, |tag| tag.account().subtree.committed as u64);
    }
    let sample = FrameSample {
        ms: ms as f32,
        arena_used: stats.used as u64,
        jobs_used: stats.jobs_used as u64,
        committed,
        drawn: drawn.items,
        fresh: drawn.fresh,
        ..FrameSample::default()
    };
    let counts = Counts {
        heap: stats.heap_calls.unwrap_or(0).saturating_sub(cut.heap),
        memory: stats.memory_calls.saturating_sub(cut.memory),
        faults: stats.page_faults.unwrap_or(0).saturating_sub(cut.faults),
    };
    (sample, counts)
}

/// The WAD file's bytes: those of the embedded one, or a file's in a resource arena.
#[derive(Debug)]
pub(super) struct File {
    read: Option<(ResourceArena, Resource<[u8]>)>,
}

impl File {
    pub(super) fn open(config: &Config) -> Result<Self, DemoError> {
        let Some(path) = &config.wad else { return Ok(Self { read: None }) };
        let refused = |source| DemoError::Read { path: path.clone(), source };
        let mut file = std::fs::File::open(path).map_err(refused)?;
        let len = file.metadata().map_err(refused)?.len();
        let too_large = |_| DemoError::Memory(format!("{} is too large", path.display()));
        let len = usize::try_from(len).map_err(too_large)?;
        let reserve = len.max(1).next_multiple_of(1 << 20);
        let options = ResourceArenaOptions::new(tag("wad")?).reserve(reserve).capacity(1);
        let arena = ResourceArena::try_with(options)?;
        let fill = |bytes: &mut [u8]| file.read_exact(bytes).map_err(refused);
        let bytes = arena.try_insert_slice_with(len, fill)?;
        Ok(Self { read: Some((arena, bytes)) })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match &self.read {
            None => EMBEDDED,
            // The arena is not cleared while it is borrowed.
            Some((arena, bytes)) => arena.get(*bytes).unwrap_or_default(),
        }
    }
}
