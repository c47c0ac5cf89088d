//! The game's memory on the standard library: `Vec`, `BinaryHeap`, `Rc` and `String`, on whatever the process's
//! general heap is. What a competent programmer writes who does not think about allocators.
//!
//! | file | what lives there |
//! |---|---|
//! | `scene` | a scene and its frame |
//! | `resources` | decoded textures, flats, sprites and sounds |
//! | `think` | paths in `Vec`s |
//!
//! The rules are those of [`rules`](crate::rules); `world`, the same game on Arenite, is not known here.

mod resources;
mod scene;
mod think;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::config::{Config, Observer};
use crate::error::DemoError;
use crate::host::{self, Clock, Resident};
use crate::outcome::{FrameSample, Outcome, Record, SceneOutcome};
use crate::rules::checksum::Checksum;
use crate::wad::Wad;
use scene::Scene;

/// Plays the whole run.
///
/// # Errors
/// Whatever is wrong with the configuration or the file; see [`DemoError`].
pub fn run(config: &Config, observer: &mut dyn Observer) -> Result<Record, DemoError> {
    host::check(config)?;
    let bytes = host::read(config)?;
    let wad = Wad::parse(&bytes)?;
    let maps = host::maps(&wad, config)?;
    let pool = ThreadPoolBuilder::new()
        .num_threads(config.threads)
        .build()
        .map_err(|error| DemoError::Threads(error.to_string()))?;

    let mut run = Run::new(config);
    for (number, &name) in (0..config.scenes).zip(maps.iter().cycle()) {
        let map = wad.map(name)?;
        let before = Resident::read();
        let loading = Clock::start();
        let mut scene = Scene::load(&wad, &map, number, config)?;
        let load_ms = loading.ms();
        observer.scene_started(&map.name().to_string(), number, config.scenes);
        run.play(&mut scene, number, &pool, observer);
        let loaded = Resident::read();

        run.record.pictures.push(scene.picture(&map));
        run.checksums.push(scene.checksum());
        let drops = scene.drops();
        let mut outcome = SceneOutcome {
            map: map.name().to_string(),
            checksum: host::hex(scene.checksum()),
            agents: scene.agents() as u32,
            resources_loaded: scene.resources_loaded(),
            resources_dropped: 0,
            resource_bytes: scene.resource_bytes(),
            live_bytes_after: 0,
            resident_before_load: before.now,
            resident_loaded: loaded.now,
            resident_after_unload: 0,
            load_ms,
            unload_ms: 0.0,
        };
        let leaving = Clock::start();
        drop(scene);
        outcome.unload_ms = leaving.ms();
        outcome.resources_dropped = drops.get();
        outcome.resident_after_unload = Resident::read().now;
        run.record.outcome.scenes.push(outcome);
    }
    Ok(run.finish())
}

/// What a run has gathered so far.
struct Run<'a> {
    config: &'a Config,
    warmup: u32,
    record: Record,
    checksums: Vec<Checksum>,
    heap_calls: u64,
}

impl<'a> Run<'a> {
    fn new(config: &'a Config) -> Self {
        let warmup = host::warmup(config);
        let outcome = Outcome {
            memory: "plain".into(),
            seed: config.seed,
            frames: u64::from(config.frames) * u64::from(config.scenes),
            threads: config.threads,
            checksum: String::new(),
            scenes: Vec::new(),
            frame_heap_calls: None,
            frame_memory_syscalls: 0,
            frame_minor_faults: 0,
            warmup_frames: warmup,
            tags: Vec::new(),
            frame_ms: Default::default(),
            frame_arena_high_water: 0,
            resident_end: 0,
            resident_peak: 0,
        };
        let record = Record { outcome, timeline: Vec::new(), sampled_tags: Vec::new(), pictures: Vec::new() };
        Self { config, warmup, record, checksums: Vec::new(), heap_calls: 0 }
    }

    /// Runs the frames of a scene. Only the frame itself lies between the readings of clock and counter.
    fn play(&mut self, scene: &mut Scene, number: u32, pool: &ThreadPool, observer: &mut dyn Observer) {
        let heap_calls = || self.config.heap_calls.map_or(0, |count| count());
        for frame in 0..self.config.frames {
            let calls_before = heap_calls();
            let clock = Clock::start();
            let drawn = scene.frame(pool);
            let ms = clock.ms();
            let calls = heap_calls() - calls_before;
            if frame >= self.warmup {
                self.heap_calls += calls;
            }
            self.record.timeline.push(FrameSample {
                scene: number,
                ms: ms as f32,
                drawn: drawn.items,
                fresh: drawn.fresh,
                ..FrameSample::default()
            });
            observer.frame_done(frame + 1);
        }
    }

    fn finish(mut self) -> Record {
        let resident = Resident::read();
        let outcome = &mut self.record.outcome;
        outcome.checksum = host::hex(host::run_checksum(self.checksums));
        outcome.frame_heap_calls = self.config.heap_calls.map(|_| self.heap_calls);
        outcome.frame_ms = host::frame_ms(&self.record.timeline, self.warmup);
        outcome.resident_end = resident.now;
        outcome.resident_peak = resident.peak;
        self.record
    }
}

#[cfg(test)]
mod tests;
