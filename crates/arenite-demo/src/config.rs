//! What a run is asked to do, and how it tells the program that it advances.

use std::path::PathBuf;

/// One run of the game. The same configuration gives the same checksum on every machine and with any number of threads.
#[derive(Clone, Debug)]
pub struct Config {
    /// The WAD file to play; `None` plays the embedded one.
    pub wad: Option<PathBuf>,
    /// Names of the maps to play, in order (`E1M1`, `MAP01`); empty means the file's own order.
    pub maps: Vec<String>,
    /// How many scenes to play; more scenes than maps start over from the first map. At least 1.
    pub scenes: u32,
    /// Frames to run in each scene. At least 1.
    pub frames: u32,
    /// Agents in each scene, at the least; a map's own monsters count towards it.
    pub agents: u32,
    /// Seed of everything random.
    pub seed: u64,
    /// Threads that think for the agents. At least 1.
    pub threads: usize,
    /// Frames at the start of each scene that the "inside the frame" counters leave out.
    pub warmup: u32,
    /// Hard budgets in bytes by tag name, for example `("scene", 8 << 20)`.
    pub budgets: Vec<(String, u64)>,
    /// For how many nanoseconds after each frame streamed resources may be moved together in a heap that they share; 0 never
    /// moves them. `None` gives each an arena of its own. Means nothing unless textures or sounds have a budget. The plain game
    /// does not.
    pub defrag_ns: Option<u64>,
    /// Bytes that each frame leaks on purpose, to see them found; 0 for none. The plain game does not.
    pub leak: usize,
    /// Reads the process's count of general-heap calls, all threads together; the program that installs the
    /// counting allocator supplies it. `None` reports zero calls as "not counted".
    pub heap_calls: Option<fn() -> u64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            wad: None,
            maps: Vec::new(),
            scenes: 3,
            frames: 600,
            agents: 256,
            seed: 1,
            threads: std::thread::available_parallelism().map_or(1, usize::from).min(4),
            warmup: 30,
            budgets: Vec::new(),
            defrag_ns: None,
            leak: 0,
            heap_calls: None,
        }
    }
}

/// Told of progress between frames, never inside one, so that a progress bar does not disturb what is measured. `Send`,
/// because the game runs on a thread of its pool.
pub trait Observer: Send {
    /// A scene has been loaded and its first frame is about to start.
    fn scene_started(&mut self, map: &str, scene: u32, scenes: u32);
    /// `frames` frames of the running scene are done.
    fn frame_done(&mut self, frames: u32);
}

/// Watches nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn scene_started(&mut self, _map: &str, _scene: u32, _scenes: u32) {}
    fn frame_done(&mut self, _frames: u32) {}
}
