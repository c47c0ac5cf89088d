//! What a run leaves behind: the figures behind `--json`, the tables and the HTML report.

use serde::{Deserialize, Serialize};

/// The figures of one run, as `--json` writes them. Sizes are bytes, times milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// `"arenite"` or `"plain"`: which memory the game ran on.
    pub memory: String,
    /// The seed that was used.
    pub seed: u64,
    /// Frames run, all scenes together.
    pub frames: u64,
    /// Threads that thought for the agents.
    pub threads: usize,
    /// Checksum of the whole run as 16 hexadecimal digits; independent of `threads` and of `memory`.
    pub checksum: String,
    /// One entry per scene, in the order they were played.
    pub scenes: Vec<SceneOutcome>,
    /// General-heap calls inside frames after warm-up, all threads; `None` when nothing counted them.
    pub frame_heap_calls: Option<u64>,
    /// Memory system calls that the memory system made inside frames after warm-up, all threads.
    pub frame_memory_syscalls: u64,
    /// Minor page faults inside frames after warm-up, all threads.
    pub frame_minor_faults: u64,
    /// Frames at the start of each scene that the three counters above leave out.
    pub warmup_frames: u32,
    /// One entry per tag, parents before children. Empty for the plain game.
    pub tags: Vec<TagOutcome>,
    /// The general heap at the end, one entry per tag that ever had a block of it. Empty for the plain game, and when the
    /// program runs on another heap.
    pub general_heap: Vec<HeapOutcome>,
    /// The caches that resources stream through. Empty unless the run streams.
    #[serde(default)]
    pub caches: Vec<CacheOutcome>,
    /// The moments in which they did; `None` unless the run streams.
    #[serde(default)]
    pub streaming: Option<StreamingOutcome>,
    /// The heap that streamed resources share and that moves them together; `None` unless the run asked for it.
    #[serde(default)]
    pub defrag: Option<DefragOutcome>,
    /// Where the memory is going, by a sample each frame: first all of it (the caches left out, which fill up to their budgets
    /// and stay there), named `all`, then tag by tag. Empty for the plain game.
    #[serde(default)]
    pub trends: Vec<TrendOutcome>,
    /// What still lived when its part of the game had ended. Empty unless something leaks.
    #[serde(default)]
    pub leaks: Vec<LeakOutcome>,
    /// Frame times in milliseconds, after warm-up.
    pub frame_ms: FrameMs,
    /// The most bytes any frame used of the frame arena. 0 for the plain game.
    pub frame_arena_high_water: u64,
    /// Resident memory of the process when the run ended and at its peak.
    pub resident_end: u64,
    /// The most resident memory the process ever had.
    pub resident_peak: u64,
}

/// What one scene came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SceneOutcome {
    /// Name of the map.
    pub map: String,
    /// Checksum of this scene's world, 16 hexadecimal digits.
    pub checksum: String,
    /// Agents in the scene.
    pub agents: u32,
    /// Agents that died.
    pub deaths: u64,
    /// How often a handle resolved to nothing because its agent had died: as a target, or as who had shot.
    pub stale_handles: u64,
    /// Textures, flats, sounds and other resources that were loaded.
    pub resources_loaded: u64,
    /// Destructors that ran when the scene was left.
    pub resources_dropped: u64,
    /// Bytes of decoded resources while the scene ran.
    pub resource_bytes: u64,
    /// Live bytes on the scene's account after it was left; 0 unless something is broken.
    pub live_bytes_after: u64,
    /// Resident memory of the process before the scene was loaded.
    pub resident_before_load: u64,
    /// Resident memory while the scene ran, after its last frame.
    pub resident_loaded: u64,
    /// Resident memory after the scene was left.
    pub resident_after_unload: u64,
    /// Milliseconds that loading took.
    pub load_ms: f64,
    /// Milliseconds that leaving took.
    pub unload_ms: f64,
}

/// One account of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagOutcome {
    /// Full name, for example `scene/textures`.
    pub name: String,
    /// Bytes of address space reserved under this tag, children included.
    pub reserved: u64,
    /// Bytes committed at the end, children included.
    pub committed: u64,
    /// Bytes in use at the end, children included.
    pub live: u64,
    /// The most bytes that were ever committed at once, children included.
    pub peak: u64,
    /// The hard budget, if there is one.
    pub budget: Option<u64>,
}

/// What one tag has of the general heap; tags below it not included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeapOutcome {
    /// Full name, for example `heap/scenes`.
    pub name: String,
    /// Blocks that were ever handed out.
    pub allocs: u64,
    /// Blocks that were not freed at the end.
    pub live_blocks: u64,
    /// Bytes of those, rounding included.
    pub live_bytes: u64,
    /// Bytes committed for them at the end, free blocks of the same pages included.
    pub committed: u64,
}

/// A cache of resources at the end of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheOutcome {
    /// What is in it, and the name of its tag.
    pub name: String,
    /// Asked for and there.
    pub hits: u64,
    /// Asked for and not there.
    pub misses: u64,
    /// Loaded.
    pub loads: u64,
    /// Unloaded because another one needed the room.
    pub evictions: u64,
    /// Resources that are loaded.
    pub resources: u64,
    /// Bytes of those, in whole pages.
    pub bytes: u64,
    /// The most bytes at once.
    pub peak_bytes: u64,
    /// The hard budget of its tag.
    pub budget: Option<u64>,
}

/// Streaming moments: between two frames, or, when the camera jumped, as a cut in one. What they call is counted here only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamingOutcome {
    /// Moments, cuts included.
    pub moments: u64,
    /// Those in a frame.
    pub cuts: u64,
    /// General-heap calls in all of them; 0 when nobody counts.
    pub heap_calls: u64,
    /// Memory system calls in all of them.
    pub memory_syscalls: u64,
}

/// A heap whose blocks are moved together between frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DefragOutcome {
    /// How long it may take to move blocks after each frame, in nanoseconds; 0: nothing is ever moved.
    pub budget_ns: u64,
    /// Blocks that were moved, and their bytes.
    pub moved_blocks: u64,
    /// See `moved_blocks`.
    pub moved_bytes: u64,
    /// Milliseconds of one round of moving: 999 of 1000 took at most this long.
    pub round_ms_p999: f64,
    /// The longest round in milliseconds.
    pub round_ms_max: f64,
    /// Bytes of the blocks at the end.
    pub live: u64,
    /// Bytes that the heap holds for them at the end.
    pub extent: u64,
    /// The most bytes that it ever held.
    pub peak_extent: u64,
    /// Its budget: what the streamed resources may take together.
    pub budget: Option<u64>,
    /// The share of what is free that is not in the largest free piece: in the middle of all frames, and in the worst of
    /// 100.
    pub fragmentation_p50: f64,
    /// See `fragmentation_p50`.
    pub fragmentation_p99: f64,
}

/// Where the memory of a tag is going.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrendOutcome {
    /// Full name of the tag; tags below it are included. `all` for all that are looked at.
    pub name: String,
    /// `unknown` (too few frames), `increasing`, `stable` or `decreasing`.
    pub direction: String,
    /// From 0 to 1.
    pub confidence: f64,
    /// Growth in bytes per second; negative when it falls.
    pub bytes_per_second: f64,
    /// Growth in bytes per frame; negative when it falls.
    pub bytes_per_frame: f64,
    /// All of it as one line.
    pub line: String,
}

impl TrendOutcome {
    /// Whether the memory grows.
    pub fn is_increasing(&self) -> bool {
        self.direction == "increasing"
    }
}

/// Blocks that lived longer than what they belong to, by the place where they were made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeakOutcome {
    /// Full name of the tag that they are charged to.
    pub tag: String,
    /// Blocks of this tag that lived.
    pub blocks: u64,
    /// Their bytes, as they were asked for.
    pub bytes: u64,
    /// What the thread was doing that made the largest of them, in its own words; empty if it did not say.
    pub what: String,
    /// Source file and line where these were made.
    pub place: String,
    /// How many frames ago the oldest of the largest was made.
    pub age_frames: u32,
}

/// Frame times in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FrameMs {
    /// Median.
    pub p50: f64,
    /// 99 of 100 frames are at most this long.
    pub p99: f64,
    /// 999 of 1000 frames are at most this long.
    pub p999: f64,
    /// The longest frame.
    pub max: f64,
}

/// A run with what the HTML page needs besides the figures.
#[derive(Clone, Debug)]
pub struct Record {
    /// The figures.
    pub outcome: Outcome,
    /// One sample per frame, in order.
    pub timeline: Vec<FrameSample>,
    /// Names of the tags that `FrameSample::committed` is about, in its order. At most [`SAMPLED_TAGS`].
    pub sampled_tags: Vec<String>,
    /// The last frame of each scene, seen from above.
    pub pictures: Vec<Picture>,
    /// The heap of streamed resources after the last frame, and when all that can be moved was. Empty unless there is one.
    pub heap_maps: Vec<HeapMap>,
}

/// How many tags a [`FrameSample`] has room for.
pub const SAMPLED_TAGS: usize = 8;

/// What was measured of one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FrameSample {
    /// Index into [`Outcome::scenes`].
    pub scene: u32,
    /// Length of the frame in milliseconds.
    pub ms: f32,
    /// Bytes of the frame arena that the frame used.
    pub arena_used: u64,
    /// Bytes that the frame's jobs used of their job arenas.
    pub jobs_used: u64,
    /// Committed bytes by tag, in the order of [`Record::sampled_tags`].
    pub committed: [u64; SAMPLED_TAGS],
    /// Items in the draw list.
    pub drawn: u32,
    /// Of those, how many were not in the last frame's list.
    pub fresh: u32,
    /// What streamed since the frame before.
    pub streamed: Streamed,
    /// The heap of streamed resources after the frame.
    pub heap: HeapSample,
}

/// A heap of streamed resources at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HeapSample {
    /// Bytes of its blocks.
    pub live: u64,
    /// Bytes that it holds for them.
    pub extent: u64,
    /// Bytes that were moved since the frame before.
    pub moved: u64,
    /// The share of what is free that is not in the largest free piece.
    pub fragmentation: f32,
}

/// A heap seen as a strip of memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeapMap {
    /// When: `after the last frame`.
    pub when: String,
    /// Bytes from the first to the last that the heap holds.
    pub extent: u64,
    /// Its pieces by offset, without gaps.
    pub pieces: Vec<HeapPiece>,
}

/// A piece of a heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapPiece {
    /// Where it begins.
    pub offset: u64,
    /// How large it is.
    pub size: u64,
    /// What is in it.
    pub what: PieceKind,
    /// How many frames ago it was made; of a free piece 0.
    pub age: u32,
}

/// What is in a piece of a heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// Nothing.
    Free,
    /// A texture.
    Texture,
    /// A sound.
    Sound,
    /// A resource that must not be moved now.
    Pinned,
}

/// What the caches did in the streaming moments between two samples: those of the scene's loading, those before the frame, and
/// a cut in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streamed {
    /// Resources that were loaded.
    pub loads: u32,
    /// Resources that were unloaded because others needed the room.
    pub evictions: u32,
    /// Cuts: moments in the frame.
    pub cuts: u32,
}

/// A scene seen from above, in map units, y upwards.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// Name of the map.
    pub map: String,
    /// The map's lines: from, to, and whether one can not walk through.
    pub lines: Vec<Line>,
    /// Where the agents stand.
    pub agents: Vec<Dot>,
    /// Projectiles in flight.
    pub projectiles: Vec<[i32; 2]>,
    /// Particles.
    pub particles: Vec<[i32; 2]>,
    /// The rectangle that the camera saw: left, bottom, right, top.
    pub camera: [i32; 4],
}

/// A line of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// One end.
    pub from: [i32; 2],
    /// The other end.
    pub to: [i32; 2],
    /// Nobody walks through it.
    pub solid: bool,
}

/// An agent in a [`Picture`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dot {
    /// Where it stands.
    pub at: [i32; 2],
    /// Its team, 0 or 1.
    pub team: u8,
    /// Whether it lives.
    pub alive: bool,
}
