//! One frame: everything that can be asked inside it hangs on `&Frame`.

use core::ops::Deref;

use super::{MemoryManager, Scene};
use crate::arena::{FrameArena, FramePacket, JobArenas, ScratchBusy, ScratchGuard};
use crate::os;
use crate::watch::Snapshot;

/// An open frame: made by [`MemoryManager::begin_frame`]. Dereferences to its [`FrameArena`], so `frame.alloc(…)`,
/// `frame.keep(…)` and `frame.get(…)` work. Forgetting it is harmless: the next frame begins anew.
#[derive(Debug)]
#[must_use = "a frame that is not used ends at once"]
pub struct Frame<'m> {
    memory: &'m mut MemoryManager,
    start: Counters,
}

/// A frame that is dropped is judged as one that ends.
impl Drop for Frame<'_> {
    fn drop(&mut self) {
        let frame = self.memory.arena.frame();
        if let (_, Some(verdict)) = self.memory.discipline.end(frame) {
            verdict.carry_out();
        }
    }
}

/// What is counted across a frame, as it stood before the frame began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counters {
    memory_calls: u64,
    heap_calls: Option<u64>,
    faults: Option<u64>,
}

impl Counters {
    pub(super) fn read(memory: &MemoryManager) -> Self {
        Self {
            memory_calls: os::memory_calls(),
            heap_calls: memory.heap_calls.map(|count| count()),
            faults: memory.count_faults.then(|| os::page_faults().minor),
        }
    }
}

/// What one frame did. Sizes are bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FrameStats {
    /// Number of the frame; the first one is 1.
    pub frame: u64,
    /// Allocated in the frame arena.
    pub used: usize,
    /// The most that any frame so far allocated there.
    pub high_water: usize,
    /// Allocated in job arenas.
    pub jobs_used: usize,
    /// Calls about memory that the memory system made to the operating system during the frame, its beginning
    /// included, on all threads.
    pub memory_calls: u64,
    /// General-heap calls during the frame, on all threads; `None` when nobody counts them (see
    /// [`heap_calls`](super::MemoryManagerBuilder::heap_calls)).
    pub heap_calls: Option<u64>,
    /// Blocks that the frame's own thread asked of the general heap; `None` without a
    /// [policy](super::MemoryManager::frame_policy).
    pub thread_heap_calls: Option<u64>,
    /// Minor page faults of the process during the frame; `None` when not
    /// [counted](super::MemoryManagerBuilder::count_page_faults).
    pub page_faults: Option<u64>,
}

impl Deref for Frame<'_> {
    type Target = FrameArena;

    #[inline]
    fn deref(&self) -> &FrameArena {
        &self.memory.arena
    }
}

impl<'m> Frame<'m> {
    pub(super) fn new(memory: &'m mut MemoryManager, start: Counters) -> Self {
        Self { memory, start }
    }

    /// Arenas for this frame's jobs, from any thread: what they allocate lives until the frame ends.
    ///
    /// A frame stays on its thread; [`JobArenas`] do not. So take them before the closure that other threads run:
    ///
    /// ```
    /// use arenite::MemoryManager;
    /// use rayon::prelude::*;
    /// let mut memory = MemoryManager::builder().build()?;
    /// let frame = memory.begin_frame();
    /// let jobs = frame.jobs(); // `frame.jobs()` inside the closure would share the frame itself
    /// let found: &mut [&[usize]] = frame.alloc_slice_fill_with(4, |_| &[][..]);
    /// found.par_iter_mut().enumerate().for_each(|(job, list)| {
    ///     *list = jobs.checkout().alloc_slice_from_iter((0..100).filter(|i| i % 4 == job));
    /// });
    /// assert_eq!(found[3][..2], [3, 7]);
    /// frame.end();
    /// # Ok::<(), arenite::BuildError>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn jobs(&self) -> &JobArenas {
        &self.memory.jobs
    }

    /// Opens the frame's scratch stack. One guard at a time; nest with [`Scope::guard`](crate::Scope::guard). Jobs have
    /// scratch of [their own](crate::JobArena::scratch).
    ///
    /// # Panics
    /// A guard is open already.
    #[inline]
    #[track_caller]
    pub fn scratch(&self) -> ScratchGuard<'_> {
        self.memory.scratch.guard()
    }

    /// Opens the frame's scratch stack.
    ///
    /// # Errors
    /// A guard is open already.
    #[inline]
    pub fn try_scratch(&self) -> Result<ScratchGuard<'_>, ScratchBusy> {
        self.memory.scratch.try_guard()
    }

    /// The scene's resources, for any thread.
    #[inline]
    #[must_use]
    pub fn resources(&self) -> &Scene {
        &self.memory.scene
    }

    /// Every account, arena and figure in one value. Allocates from the general heap.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.memory.snapshot()
    }

    /// Ends the frame and tells what it did.
    ///
    /// # Panics
    /// The frame asked the general heap for memory and the [policy](super::MemoryManager::frame_policy) is
    /// [`Panic`](super::FramePolicy::Panic). The frame has ended then.
    #[track_caller]
    pub fn end(mut self) -> FrameStats {
        self.finish()
    }

    /// Ends the frame and lends what it kept to another thread; see [`FrameArena::freeze`].
    ///
    /// # Panics
    /// As [`end`](Self::end).
    #[must_use]
    #[track_caller]
    pub fn freeze(self) -> FramePacket {
        self.freeze_with_stats().0
    }

    /// As [`freeze`](Self::freeze), and tells what the frame did.
    ///
    /// # Panics
    /// As [`end`](Self::end).
    #[must_use]
    #[track_caller]
    pub fn freeze_with_stats(mut self) -> (FramePacket, FrameStats) {
        // A frame is consumed by this, so it can not have been frozen before; its arena is not to be had mutably.
        let Some(packet) = self.memory.arena.freeze() else { unreachable!("a frame is frozen once") };
        (packet, self.finish())
    }

    #[track_caller]
    fn finish(&mut self) -> FrameStats {
        let (memory, start) = (&mut *self.memory, self.start);
        let (thread_heap_calls, verdict) = memory.discipline.end(memory.arena.frame());
        let end = Counters::read(memory);
        memory.arena.publish();
        memory.jobs.publish();
        memory.jobs_last = memory.jobs.stats();
        let arena = memory.arena.stats();
        #[cfg(all(feature = "record", not(loom), target_pointer_width = "64"))]
        {
            crate::record::used(memory.arena.tag(), arena.used);
            crate::record::used(memory.jobs.tag(), memory.jobs_last.used);
            crate::record::high_waters();
        }
        if let Some(verdict) = verdict {
            verdict.carry_out();
        }
        FrameStats {
            thread_heap_calls,
            frame: arena.frame,
            used: arena.used,
            high_water: arena.high_water,
            jobs_used: memory.jobs_last.used,
            memory_calls: end.memory_calls - start.memory_calls,
            // The program counts, and may begin anew.
            heap_calls: end.heap_calls.zip(start.heap_calls).map(|(end, start)| end.saturating_sub(start)),
            page_faults: end.faults.zip(start.faults).map(|(end, start)| end.saturating_sub(start)),
        }
    }
}
