//! How a manager is described and started.

use core::fmt;
use std::vec::Vec;

use super::leaks::Leaks;
use super::policy::Discipline;
use super::scene::{MAX_SECTIONS, Plan};
use super::{FramePolicy, MemoryManager};
use crate::arena::{
    FrameArena, FrameArenaOptions, JobArenas, JobArenasOptions, JobStats, ScratchSlot, ScratchStack,
};
use crate::ledger::{Budget, Ledger, Tag, TagError};
use crate::region::{AllocError, RegionOptions, track_origins};

/// Describes a [`MemoryManager`]. Sizes are bytes; what is reserved is address space, not memory.
///
/// Its tags are `frame`, `scratch`, `jobs` and `scene`, on the process's ledger or under [`root`](Self::root).
/// Scenes take turns at the accounts `scene/0` to `scene/3`. Managers with the same root share their accounts and
/// budgets.
#[derive(Debug, Clone)]
#[must_use]
pub struct MemoryManagerBuilder {
    root: Option<Tag>,
    frame_reserve: Option<usize>,
    frame_presize: usize,
    frames_in_flight: usize,
    scratch_reserve: usize,
    scratch_presize: usize,
    job_arenas: usize,
    job_presize: (usize, usize),
    scene_reserve: usize,
    scene_keep: usize,
    sections: Vec<&'static str>,
    budgets: Vec<(&'static str, Budget)>,
    huge: bool,
    prefault: bool,
    heap_calls: Option<fn() -> u64>,
    count_faults: bool,
    policy: Option<FramePolicy>,
    report_leaks: bool,
    track_origins: bool,
}

impl MemoryManagerBuilder {
    pub(super) const fn new() -> Self {
        let large = usize::BITS >= 64;
        Self {
            root: None,
            frame_reserve: None,
            frame_presize: 0,
            frames_in_flight: 2,
            scratch_reserve: if large { 256 << 20 } else { 16 << 20 },
            scratch_presize: 0,
            job_arenas: 64,
            job_presize: (0, 0),
            scene_reserve: if large { 8 << 30 } else { 256 << 20 },
            scene_keep: 0,
            sections: Vec::new(),
            budgets: Vec::new(),
            huge: false,
            prefault: false,
            heap_calls: None,
            count_faults: false,
            policy: None,
            report_leaks: false,
            track_origins: false,
        }
    }

    /// Puts the manager's tags below this one, on its ledger: for tests, and for several managers in one process.
    pub const fn root(mut self, tag: Tag) -> Self {
        self.root = Some(tag);
        self
    }

    /// The most that one frame can allocate. Default: 1 GiB.
    pub const fn frame_reserve(mut self, bytes: usize) -> Self {
        self.frame_reserve = Some(bytes);
        self
    }

    /// What each frame buffer commits at the start, so that the first frames need not. Default: nothing.
    pub const fn frame_presize(mut self, bytes: usize) -> Self {
        self.frame_presize = bytes;
        self
    }

    /// See [`FrameArenaOptions::frames_in_flight`]. Default: 2.
    ///
    /// # Panics
    /// Not 2, 3 or 4.
    pub const fn frames_in_flight(mut self, frames: usize) -> Self {
        assert!(frames >= 2 && frames <= 4, "frames in flight: 2 to 4");
        self.frames_in_flight = frames;
        self
    }

    /// The most that the frame's scratch stack can hold, and what it commits at the start. Default: 256 MiB, nothing.
    pub const fn scratch(mut self, reserve: usize, presize: usize) -> Self {
        self.scratch_reserve = reserve;
        self.scratch_presize = presize;
        self
    }

    /// See [`JobArenasOptions::arenas`]. Default: 64.
    ///
    /// # Panics
    /// 0, or more than 4096.
    pub const fn job_arenas(mut self, arenas: usize) -> Self {
        assert!(arenas > 0 && arenas <= 4096, "job arenas: 1 to 4096");
        self.job_arenas = arenas;
        self
    }

    /// Commits `bytes` for results and as much for scratch in the first `arenas` job arenas (as many as there are
    /// threads, say), so that the first frames need not. Default: nothing.
    pub const fn job_presize(mut self, arenas: usize, bytes: usize) -> Self {
        self.job_presize = (arenas, bytes);
        self
    }

    /// The most that one scene can hold. Default: 8 GiB. Its own arena and its sections get equal parts: with two
    /// sections none of the three can hold more than a third.
    pub const fn scene_reserve(mut self, bytes: usize) -> Self {
        self.scene_reserve = bytes;
        self
    }

    /// How much of a scene that ends may stay committed for the next one, on the account of the scene that ended.
    /// Default: nothing.
    ///
    /// Memory that is given back and asked for again costs the kernel about a microsecond for each page, most of it for
    /// its books: keep what every scene needs at the least. [`MemoryManager::try_trim`] gives it back, too.
    ///
    /// ```
    /// # use arenite::MemoryManager;
    /// let mut memory = MemoryManager::builder().scene_keep(1 << 20).build()?;
    /// let level = memory.load_scene();
    /// level.insert_slice_copy(&[1u8; 3 << 20]);
    /// memory.change_scene(level);
    /// let report = memory.clear_scene();
    /// assert!(report.live_after == 0 && report.committed_after <= 1 << 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn scene_keep(mut self, bytes: usize) -> Self {
        self.scene_keep = bytes;
        self
    }

    /// Names of further resource arenas that each scene has beside its own, each with a tag below the scene's:
    /// [`Scene::section`](super::Scene::section) finds them. At most 7.
    pub fn scene_sections(mut self, names: &[&'static str]) -> Self {
        self.sections = names.to_vec();
        self
    }

    /// A budget for one of the manager's tags: `frame`, `scratch`, `jobs` or `scene`. The one of `frame` is for all of
    /// its buffers together, the one of `scene` also for the scene that loads while another one runs.
    ///
    /// [`build`](Self::build) refuses any other name: a misspelt one would limit nothing. Tags of your own have
    /// [`Tag::set_budget`].
    ///
    /// ```
    /// use arenite::{Budget, MemoryManager};
    /// let memory = MemoryManager::builder()
    ///     .budget("frame", Budget::hard(64 << 20).warn_at(0.8))
    ///     .budget("scene", Budget::hard(2 << 30))
    ///     .build()?;
    /// # Ok::<(), arenite::BuildError>(())
    /// ```
    pub fn budget(mut self, tag: &'static str, budget: Budget) -> Self {
        self.budgets.push((tag, budget));
        self
    }

    /// See [`RegionOptions::huge_pages`]; for the frame arena and the scenes.
    pub const fn huge_pages(mut self, huge: bool) -> Self {
        self.huge = huge;
        self
    }

    /// See [`RegionOptions::prefault`]; for the frame arena, the scratch stack and the job arenas.
    pub const fn prefault(mut self, prefault: bool) -> Self {
        self.prefault = prefault;
        self
    }

    /// How to read the program's count of general-heap calls, so that [`FrameStats`](super::FrameStats) can tell how
    /// many a frame made. The program that installs a counting global allocator knows; the example `frame` has one.
    pub const fn heap_calls(mut self, count: fn() -> u64) -> Self {
        self.heap_calls = Some(count);
        self
    }

    /// See [`MemoryManager::frame_policy`]; [`build`](Self::build) fails if no counting allocator is installed. Default: frames are
    /// not judged.
    pub const fn frame_policy(mut self, policy: FramePolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Whether [`FrameStats`](super::FrameStats) counts page faults: two light system calls a frame. Default: no.
    pub const fn count_page_faults(mut self, count: bool) -> Self {
        self.count_faults = count;
        self
    }

    /// Whether a scene that ends, and the manager when it is shut down, tell what has grown meanwhile outside the manager's
    /// own tags and was not given back: [`SceneReport::leaks`](super::SceneReport::leaks),
    /// [`ShutdownReport::leaks`](super::ShutdownReport::leaks). In every build profile. Each scene then costs four walks over the
    /// pages of the general heap, below a millisecond for 1 GiB; frames cost nothing. Default: no, which costs nothing.
    ///
    /// A scene begins when it is loaded. What the next one has loaded into the general heap by the time that this one ends has
    /// grown, too: give each its own tags, or end this one by [`MemoryManager::clear_scene`] before the next is loaded.
    ///
    /// ```
    /// use arenite::{Heap, HeapOptions, MemoryManager, Tag};
    ///
    /// let names = Heap::try_with(HeapOptions::new(Tag::register("level/names")?).track_blocks())?;
    /// let mut memory = MemoryManager::builder().report_leaks(true).build()?;
    /// let level = memory.load_scene();
    /// memory.change_scene(level);
    /// let forgotten = names.alloc_box([7u8; 100]);
    /// for _ in 0..3 {
    ///     memory.begin_frame().end();
    /// }
    ///
    /// let mut leaks = memory.clear_scene().leaks.expect("they were looked for");
    /// leaks.look_into(&names);
    /// println!("{leaks}"); // level/names: 1 block of 100 B …, made 3 frames ago at …
    /// assert_eq!((leaks.tags[0].blocks, leaks.tags[0].bytes), (1, 100));
    /// # drop(forgotten);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn report_leaks(mut self, report: bool) -> Self {
        self.report_leaks = report;
        self
    }

    /// Whether the process begins to remember where arenas, pools, heaps and regions are made, so that
    /// [reports of leaks](Self::report_leaks) name the place: [`watch::track_origins`](crate::watch::track_origins), which is what
    /// ends it. Default: it stays as it is.
    ///
    /// ```
    /// use arenite::{MemoryManager, Pool, Tag};
    ///
    /// let mut memory = MemoryManager::builder().report_leaks(true).track_origins(true).build()?;
    /// let level = memory.load_scene();
    /// memory.change_scene(level);
    /// let monsters = Pool::try_new(Tag::register("level/monsters")?, 100)?;
    /// drop(monsters.insert([0u8; 64])); // its page stays
    /// std::mem::forget(monsters);
    ///
    /// let leaks = memory.clear_scene().leaks.expect("they were looked for");
    /// println!("{leaks}"); // level/monsters: 64.0 KiB more committed, pool of 64.0 KiB made 0 frames … at src/main.rs:6
    /// let pool = &leaks.tags[0].structures[0];
    /// assert_eq!((pool.kind.as_str(), pool.count), ("pool", 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn track_origins(mut self, track: bool) -> Self {
        self.track_origins = track;
        self
    }

    /// Starts the manager, with an empty scene.
    ///
    /// # Errors
    /// A tag can not be registered, or address space or the memory to be committed at the start can not be had.
    #[track_caller]
    pub fn build(self) -> Result<MemoryManager, BuildError> {
        if self.track_origins {
            track_origins(true);
        }
        let tag = |name: &str| match self.root {
            Some(root) => root.child(name),
            None => Ledger::process().register(name),
        };
        if self.sections.len() >= MAX_SECTIONS {
            return Err(BuildError::TooManySections { most: MAX_SECTIONS - 1 });
        }
        if let Some((name, _)) = self.budgets.iter().find(|(name, _)| !TAGS.contains(name)) {
            return Err(BuildError::UnknownTag { name });
        }
        let mut discipline = Discipline::default();
        if !discipline.set(self.policy) {
            return Err(BuildError::NoCountingAllocator);
        }
        for (name, budget) in &self.budgets {
            tag(name)?.set_budget(*budget);
        }
        let mut frame = FrameArenaOptions::new(tag("frame")?)
            .presize(self.frame_presize)
            .frames_in_flight(self.frames_in_flight)
            .huge_pages(self.huge)
            .prefault(self.prefault);
        if let Some(bytes) = self.frame_reserve {
            frame = frame.reserve(bytes);
        }
        let arena = FrameArena::try_with(frame)?;

        let scratch = RegionOptions::new(tag("scratch")?, self.scratch_reserve).prefault(self.prefault);
        let mut scratch = ScratchStack::try_with(scratch)?;
        scratch.try_presize(self.scratch_presize)?;

        let jobs = JobArenasOptions::new(tag("jobs")?).arenas(self.job_arenas).prefault(self.prefault);
        let mut jobs = JobArenas::try_with(jobs)?;
        jobs.try_presize(self.job_presize.0, self.job_presize.1)?;

        let plan = Plan::new(tag("scene")?, self.scene_reserve, &self.sections, self.huge, self.scene_keep)?;
        let scene = plan.scene()?;
        let own = [tag("frame")?, tag("scratch")?, tag("jobs")?, tag("scene")?];
        // What leaves the heap here must be gone when its blocks are counted.
        drop((self.sections, self.budgets));
        let leaks = self.report_leaks.then(|| Leaks::new(own));
        Ok(MemoryManager {
            arena,
            scratch: ScratchSlot::new(scratch),
            jobs,
            scene,
            plan,
            root: self.root,
            jobs_last: JobStats::default(),
            heap_calls: self.heap_calls,
            count_faults: self.count_faults,
            discipline,
            leaks,
        })
    }
}

/// The manager's own tags.
const TAGS: [&str; 4] = ["frame", "scratch", "jobs", "scene"];

/// Why a manager could not start. No memory is left behind; tags that were registered and budgets that were set stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// A tag could not be registered.
    Tag(TagError),
    /// Memory or address space could not be had.
    Memory(AllocError),
    /// A budget for a tag that the manager does not have.
    UnknownTag {
        /// The name that was given.
        name: &'static str,
    },
    /// More scene sections than there is room for.
    TooManySections {
        /// The most there can be.
        most: usize,
    },
    /// A [frame policy](MemoryManager::frame_policy) was asked for, and the program's allocator does not count.
    NoCountingAllocator,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(error) => error.fmt(f),
            Self::Memory(error) => error.fmt(f),
            Self::UnknownTag { name } => {
                write!(f, "the manager has no tag `{name}` to give a budget to; it has {}", TAGS.join(", "))
            }
            Self::NoCountingAllocator => f.write_str(
                "no counting allocator is installed, so no frame policy can be kept; make `GlobalHeap` or a \
                 `TrackingAllocator` the program's `#[global_allocator]`",
            ),
            Self::TooManySections { most } => write!(f, "a scene can have at most {most} further sections"),
        }
    }
}

impl core::error::Error for BuildError {}

impl From<TagError> for BuildError {
    fn from(error: TagError) -> Self {
        Self::Tag(error)
    }
}

impl From<AllocError> for BuildError {
    fn from(error: AllocError) -> Self {
        Self::Memory(error)
    }
}
