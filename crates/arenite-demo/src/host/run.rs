//! A run as it is gathered: the same for both worlds.

use std::sync::LazyLock;

use rayon::prelude::*;

use super::Resident;
use crate::config::{Config, Observer};
use crate::error::DemoError;
use crate::outcome::{FrameSample, Outcome, Picture, Record, SceneOutcome};
use crate::rules::checksum::Checksum;
use crate::rules::totals::Totals;
use crate::wad::LumpName;

/// Runs `game` on a pool of as many threads as the configuration says, on one of those threads: handing each frame's
/// jobs in from outside would cost every frame a wake-up, and make the pool's queue allocate. Each thread calls `begin` first.
///
/// # Errors
/// The threads can not be started, or what `game` answers.
pub fn on_pool<R: Send>(
    config: &Config,
    begin: fn(),
    game: impl FnOnce() -> Result<R, DemoError> + Send,
) -> Result<R, DemoError> {
    let pool =
        rayon::ThreadPoolBuilder::new().num_threads(config.threads).start_handler(move |_| begin()).build();
    pool.map_err(|error| DemoError::Threads(error.to_string()))?.install(|| {
        // A thread that steals a job for the first time sets up its book-keeping: let each do that now.
        let everybody = std::sync::Barrier::new(config.threads);
        (0..config.threads).into_par_iter().with_max_len(1).for_each(|_| {
            everybody.wait();
        });
        game()
    })
}

/// Says where something begins or ends, for who watches from outside, if that was asked for (`ARENITE_FRAME_MARKS`). Allocates
/// nothing otherwise.
pub fn mark(what: &str) {
    static MARKS: LazyLock<bool> = LazyLock::new(|| std::env::var_os("ARENITE_FRAME_MARKS").is_some());
    if *MARKS {
        use std::io::Write as _;
        // One write, so that it stands between system calls as one line. Nobody listens: nothing is lost.
        let _ = std::io::stderr().write_all(format!("arenite-mark: {what}\n").as_bytes());
    }
}

/// Calls that were counted inside one frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Of the general heap.
    pub heap: u64,
    /// Of the memory system to the operating system.
    pub memory: u64,
    /// Minor page faults.
    pub faults: u64,
}

/// What a run has gathered so far.
#[derive(Debug)]
pub struct Run<'a> {
    config: &'a Config,
    record: Record,
    checksums: Vec<Checksum>,
}

impl<'a> Run<'a> {
    /// Starts a run on this memory (`"arenite"` or `"plain"`).
    pub fn new(config: &'a Config, memory: &str) -> Self {
        let frames = u64::from(config.frames) * u64::from(config.scenes);
        let outcome = Outcome {
            memory: memory.into(),
            seed: config.seed,
            frames,
            threads: config.threads,
            scenes: Vec::with_capacity(config.scenes as usize),
            frame_heap_calls: config.heap_calls.map(|_| 0),
            warmup_frames: super::warmup(config),
            ..Outcome::default()
        };
        // Room for everything at once: no sample makes the heap move the others between two frames.
        let timeline = Vec::with_capacity(usize::try_from(frames).unwrap_or(0));
        let record = Record {
            outcome,
            timeline,
            sampled_tags: Vec::new(),
            pictures: Vec::new(),
            heap_maps: Vec::new(),
        };
        Self { config, record, checksums: Vec::new() }
    }

    /// What was gathered, to be filled in.
    pub fn record(&mut self) -> &mut Record {
        &mut self.record
    }

    /// Runs all frames of a scene: `frame` plays one and answers with what it was and what it called.
    ///
    /// # Errors
    /// The first error of a frame.
    pub fn play(
        &mut self,
        observer: &mut dyn Observer,
        mut frame: impl FnMut() -> Result<(FrameSample, Counts), DemoError>,
    ) -> Result<(), DemoError> {
        let scene = self.record.outcome.scenes.len() as u32;
        let warmup = self.record.outcome.warmup_frames;
        for number in 0..self.config.frames {
            if number == warmup {
                mark("frames begin");
            }
            let (sample, counts) = frame()?;
            if number >= warmup {
                let outcome = &mut self.record.outcome;
                outcome.frame_heap_calls = outcome.frame_heap_calls.map(|calls| calls + counts.heap);
                outcome.frame_memory_syscalls += counts.memory;
                outcome.frame_minor_faults += counts.faults;
            }
            self.record.timeline.push(FrameSample { scene, ..sample });
            observer.frame_done(number + 1);
        }
        mark("frames end");
        Ok(())
    }

    /// Notes a scene that has been left.
    pub fn scene(&mut self, left: Left, picture: Picture, checksum: Checksum) {
        self.checksums.push(checksum);
        self.record.pictures.push(picture);
        self.record.outcome.scenes.push(SceneOutcome {
            map: left.map.to_string(),
            checksum: super::hex(checksum),
            agents: left.agents as u32,
            deaths: left.totals.deaths,
            stale_handles: left.totals.stale,
            resources_loaded: left.loaded,
            resources_dropped: left.dropped,
            resource_bytes: left.bytes,
            live_bytes_after: left.live_after,
            resident_before_load: left.resident[0],
            resident_loaded: left.resident[1],
            resident_after_unload: left.resident[2],
            load_ms: left.load_ms,
            unload_ms: left.unload_ms,
        });
    }

    /// Ends the run.
    pub fn finish(mut self) -> Record {
        let resident = Resident::read();
        let outcome = &mut self.record.outcome;
        outcome.checksum = super::hex(super::run_checksum(self.checksums));
        outcome.frame_ms = super::frame_ms(&self.record.timeline, outcome.warmup_frames);
        outcome.resident_end = resident.now;
        outcome.resident_peak = resident.peak;
        self.record
    }
}

/// A scene that has been left, in figures. Sizes are bytes.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    /// Name of the map.
    pub map: LumpName,
    /// Agents there were.
    pub agents: usize,
    /// What happened.
    pub totals: Totals,
    /// Resources that were loaded.
    pub loaded: u64,
    /// Destructors of resources that ran.
    pub dropped: u64,
    /// Decoded resources.
    pub bytes: u64,
    /// Still live on the scene's account.
    pub live_after: u64,
    /// Resident memory before loading, after the last frame, and after leaving.
    pub resident: [u64; 3],
    /// How long loading took.
    pub load_ms: f64,
    /// How long leaving took.
    pub unload_ms: f64,
}
