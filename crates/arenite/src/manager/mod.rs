//! Floor 6: the façade that an engine holds: start-up, frame, scene, shutdown. May import every floor below; needs
//! `std`.
//!
//! ```text
//!   build ─► load_scene ─► change_scene ─► begin_frame ─► … ─► end ─┐
//!               │ (other thread)  ▲            ▲                     │
//!               └─────────────────┘            └─────────────────────┘ ─► shutdown
//! ```

mod builder;
mod frame;
mod leaks;
mod policy;
mod scene;

pub use builder::{BuildError, MemoryManagerBuilder};
pub use frame::{Frame, FrameStats};
pub use policy::FramePolicy;
pub use scene::{Scene, SceneReport};

use std::vec::Vec;
use std::{fmt, panic::Location, thread, time::Duration};

use crate::arena::{FrameArena, FrameError, JobArenas, JobStats, ScratchSlot};
use crate::ledger::Tag;
use crate::os;
use crate::region::AllocError;
use crate::watch::{HeapTagSnapshot, LeakMark, LeakReport, Snapshot, TagSnapshot};

/// The memory of an engine: a frame arena, job arenas, a scratch stack and the resources of a scene, each charged to a
/// tag of its own. Pools and heaps live outside it and are charged to tags, too. `Send`.
///
/// The type system keeps the order: a [`Frame`] borrows the manager, so nothing of one frame can be named in the next
/// and no scene can change while a frame is open.
///
/// ```
/// use arenite::MemoryManager;
///
/// let mut memory = MemoryManager::builder().build()?;
/// let next = memory.load_scene();
/// let wall = next.insert_slice_copy(&[1u8; 64]);
/// memory.change_scene(next);
/// for _ in 0..3 {
///     let frame = memory.begin_frame();
///     let visible = frame.alloc_slice_from_iter((0..100u32).filter(|id| id % 7 == 0));
///     let pixels = frame.resources().get(wall).unwrap();
///     assert_eq!((visible.len(), pixels.len()), (15, 64));
///     let stats = frame.end();
///     assert!(stats.used >= 15 * 4);
/// }
/// println!("{}", memory.shutdown());
/// # Ok::<(), arenite::BuildError>(())
/// ```
#[derive(Debug)]
pub struct MemoryManager {
    arena: FrameArena,
    scratch: ScratchSlot,
    jobs: JobArenas,
    scene: Scene,
    plan: scene::Plan,
    root: Option<Tag>,
    /// When the last frame ended.
    jobs_last: JobStats,
    heap_calls: Option<fn() -> u64>,
    count_faults: bool,
    discipline: policy::Discipline,
    leaks: Option<leaks::Leaks>,
}

impl MemoryManager {
    /// Starts to describe a manager.
    pub fn builder() -> MemoryManagerBuilder {
        MemoryManagerBuilder::new()
    }

    /// Begins a frame: frees what the frame before the last one and all jobs allocated. When every buffer is in flight
    /// it waits for a packet to be dropped, so the thread that calls it must not hold one of them itself.
    ///
    /// # Panics
    /// The system refuses to make memory accessible (debug and hardened builds only).
    #[track_caller]
    pub fn begin_frame(&mut self) -> Frame<'_> {
        let start = frame::Counters::read(self);
        let mut tries = 0u32;
        loop {
            match self.flip() {
                Ok(()) => {
                    return self.frame_begins(Location::caller(), start);
                }
                Err(FrameError::Memory(error)) => error.raise(),
                // A render thread is usually done in a moment; when it is not, do not burn its processor.
                Err(FrameError::AllInFlight) if tries < 100 => thread::yield_now(),
                Err(FrameError::AllInFlight) => thread::sleep(Duration::from_micros(100)),
            }
            tries += 1;
        }
    }

    /// As [`begin_frame`](Self::begin_frame), without waiting.
    ///
    /// # Errors
    /// Every buffer is in flight, or the system refuses to make memory accessible.
    #[track_caller]
    pub fn try_begin_frame(&mut self) -> Result<Frame<'_>, FrameError> {
        let start = frame::Counters::read(self);
        self.flip()?;
        Ok(self.frame_begins(Location::caller(), start))
    }

    fn frame_begins(&mut self, caller: &'static Location<'static>, start: frame::Counters) -> Frame<'_> {
        self.discipline.begin(caller);
        #[cfg(all(feature = "record", not(loom), target_pointer_width = "64"))]
        crate::record::frame(self.arena.frame());
        Frame::new(self, start)
    }

    /// What is done from the next frame on about calls for memory to the general heap inside a frame. They are those of
    /// the thread that began the frame, to the program's allocator, which must be one that counts:
    /// [`GlobalHeap`](crate::GlobalHeap) or a [`TrackingAllocator`](crate::TrackingAllocator). Freeing is allowed.
    ///
    /// A `TrackingAllocator` remembers the first call of the frame: its size, its tag, and where the tag's scope was
    /// opened. `GlobalHeap` by itself has no time for that; it tells how many there were, of how many bytes, and the
    /// tag of most of them. To judge jobs, too, compare
    /// [`heap_calls`](MemoryManagerBuilder::heap_calls), which count all threads.
    ///
    /// ```
    /// use std::alloc::System;
    ///
    /// use arenite::{FramePolicy, MemoryManager, TrackingAllocator};
    ///
    /// #[global_allocator]
    /// static GLOBAL: TrackingAllocator<System> = TrackingAllocator::new(System);
    ///
    /// let mut memory = MemoryManager::builder().build()?;
    /// memory.frame_policy(FramePolicy::Panic);
    /// let frame = memory.begin_frame();
    /// frame.alloc_slice_fill_with(100, |i| i);
    /// frame.end();
    ///
    /// let told = std::thread::spawn(move || {
    ///     let frame = memory.begin_frame();
    ///     let on_the_heap = std::hint::black_box(vec![0u8; 48]);
    ///     frame.end(); // panics here, not in the allocator
    ///     drop(on_the_heap);
    /// });
    /// let told = told.join().unwrap_err();
    /// let told = told.downcast_ref::<String>().unwrap();
    /// assert!(told.contains("frame 2") && told.contains("48 bytes"), "{told}");
    /// # Ok::<(), arenite::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// No counting allocator is installed.
    #[track_caller]
    pub fn frame_policy(&mut self, policy: FramePolicy) {
        assert!(self.discipline.set(Some(policy)), "{}", BuildError::NoCountingAllocator);
    }

    fn flip(&mut self) -> Result<(), FrameError> {
        self.arena.try_begin_frame()?;
        crate::base::frame_begins();
        self.jobs.reset();
        // A scratch guard that was forgotten in the last frame is closed here.
        self.scratch.get_mut();
        Ok(())
    }

    /// An empty scene with an account of its own, to be filled here or on another thread while frames run.
    ///
    /// # Panics
    /// The address space can not be had.
    #[must_use]
    #[track_caller]
    pub fn load_scene(&self) -> Scene {
        match self.try_load_scene() {
            Ok(scene) => scene,
            Err(error) => error.raise(),
        }
    }

    /// As [`load_scene`](Self::load_scene), with the refusal as a value.
    ///
    /// # Errors
    /// The address space can not be had.
    pub fn try_load_scene(&self) -> Result<Scene, AllocError> {
        let mut scene = self.plan.scene()?;
        scene.mark = self.leaks.as_ref().map(leaks::Leaks::mark);
        Ok(scene)
    }

    /// Makes `next` the scene and ends the old one: its destructors run, the last resource's first, and its memory
    /// goes back to the system, but for what [`scene_keep`](MemoryManagerBuilder::scene_keep) allows. Its address space
    /// is for the next scene to be loaded. Handles of the old scene resolve to nothing from here on. What jobs allocated
    /// is freed, too.
    ///
    /// # Panics
    /// A destructor panics: the change is complete and every other destructor has run before the panic goes on.
    pub fn change_scene(&mut self, next: Scene) -> SceneReport {
        let mut old = core::mem::replace(&mut self.scene, next);
        self.jobs.reset();
        let mark = old.mark.take();
        let report = self.plan.retire(old);
        self.with_leaks(mark, report)
    }

    /// Ends the present scene and leaves an empty one. Its memory goes back to the system, but for what
    /// [`scene_keep`](MemoryManagerBuilder::scene_keep) allows; its address space stays set aside.
    ///
    /// # Panics
    /// As [`change_scene`](Self::change_scene).
    pub fn clear_scene(&mut self) -> SceneReport {
        self.jobs.reset();
        let mark = self.scene.mark.take();
        let report = self.plan.clear(&mut self.scene);
        self.with_leaks(mark, report)
    }

    fn with_leaks(&self, mark: Option<LeakMark>, report: SceneReport) -> SceneReport {
        match &self.leaks {
            Some(leaks) => leaks.scene(mark, report),
            None => report,
        }
    }

    /// The present scene.
    #[must_use]
    pub const fn resources(&self) -> &Scene {
        &self.scene
    }

    /// The job arenas, between frames.
    #[must_use]
    pub const fn jobs(&self) -> &JobArenas {
        &self.jobs
    }

    /// Gives all memory of the job arenas and of the scratch stack back to the system, also what was committed for them
    /// at the start, and frees what jobs allocated; of scenes, what the present one does not use and all that was kept
    /// for the next one. The frame arena gives back by itself what it did not use lately.
    /// Between frames, when there is time: the next frames commit again what they need.
    ///
    /// # Errors
    /// The system refused; some of the memory stays committed.
    pub fn try_trim(&mut self) -> Result<(), AllocError> {
        self.jobs.try_trim(0)?;
        self.scratch.get_mut().try_trim(0)?;
        self.plan.forget_spare();
        self.scene.try_trim()
    }

    /// Every account, arena and figure in one value. Allocates, reads the system's figures, and walks the general heap if there
    /// is one, whose live bytes it publishes: not for every frame.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.scene.publish();
        #[cfg(all(not(loom), target_pointer_width = "64"))]
        crate::heap::bucket::publish_live();
        Snapshot {
            time_ns: os::monotonic_ns(),
            frame: self.arena.stats(),
            jobs: self.jobs_last,
            scene: self.scene.stats(),
            tags: TagSnapshot::all(self.arena.tag().ledger()),
            heap: HeapTagSnapshot::all(),
            process: os::process_memory(),
            machine: os::machine_memory(),
        }
    }

    /// Ends the scene, gives everything back, and tells what is still charged to the manager's tags.
    ///
    /// # Panics
    /// A destructor of the scene panics; everything else is given back first.
    #[must_use]
    pub fn shutdown(self) -> ShutdownReport {
        let (ledger, root) = (self.arena.tag().ledger(), self.root);
        let Self { arena, scratch, jobs, mut scene, plan, leaks, .. } = self;
        let (frames, high_water) = (arena.frame(), arena.stats().high_water);
        drop((arena, scratch, jobs));
        plan.forget_spare();
        let mark = scene.mark.take();
        let last_scene = scene.close();
        // What the manager has on the heap by itself was there when it was built, and is still.
        let (last_scene, leaks) = match &leaks {
            None => (last_scene, None),
            Some(leaks) => {
                let (scene, all) = leaks.shutdown(mark, last_scene);
                (scene, Some(all))
            }
        };
        drop(plan);
        let tags = TagSnapshot::all(ledger);
        let tags = match root {
            None => tags,
            Some(root) => {
                let inside = |name: &str| {
                    name.strip_prefix(root.name())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                };
                tags.into_iter().filter(|tag| inside(&tag.name)).collect()
            }
        };
        ShutdownReport { frames, frame_high_water: high_water, last_scene, tags, leaks }
    }
}

/// What a manager leaves behind. `Display` prints the table of tags and names what is still held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ShutdownReport {
    /// Frames begun.
    pub frames: u64,
    /// The most bytes that one frame allocated.
    pub frame_high_water: usize,
    /// What the last scene came to.
    pub last_scene: SceneReport,
    /// All accounts after everything of the manager was given back.
    pub tags: Vec<TagSnapshot>,
    /// What has grown outside the manager's own tags since it was built, if
    /// [`report_leaks`](MemoryManagerBuilder::report_leaks) is on.
    pub leaks: Option<LeakReport>,
}

impl ShutdownReport {
    /// Accounts that still hold committed memory: leaks, or structures that outlive the manager.
    pub fn held(&self) -> impl Iterator<Item = &TagSnapshot> {
        self.tags.iter().filter(|tag| tag.committed != 0)
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::base::Bytes;
        writeln!(f, "{} frames, at most {} of frame memory", self.frames, Bytes(self.frame_high_water))?;
        crate::watch::write_table(f, &self.tags)?;
        match self.held().map(|tag| tag.committed).max() {
            None => write!(f, "nothing is held any more"),
            Some(bytes) => write!(f, "still held: up to {} under one tag", Bytes(bytes)),
        }?;
        match self.leaks.as_ref().filter(|leaks| !leaks.is_empty()) {
            None => Ok(()),
            Some(leaks) => write!(f, "\n{leaks}"),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod hostile_tests;
#[cfg(all(test, not(loom)))]
mod tests;
