//! Figures of a heap.
#![expect(unsafe_code, reason = "reads descriptors and places of other threads")]

use core::ptr::NonNull;

use super::cache;
use super::class::{CLASSES, size_of_class};
use super::large;
use super::local::Local;
use super::space::{Space, is_single};
use crate::base::sync::Ordering;
use crate::ledger::Tag;

/// Blocks of one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassStats {
    /// Bytes of a block.
    pub size: usize,
    /// Blocks that were ever handed out.
    pub allocs: u64,
    /// Blocks that are with the program.
    pub live: u64,
}

/// What a heap, or one tag of it, has handed out. Exact while nobody is at it; otherwise off by what others did meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapStats {
    /// By size class, the smallest first.
    pub classes: [ClassStats; CLASSES - 1],
    /// Blocks above the largest class: handed out, live, and live bytes.
    pub large_allocs: u64,
    /// See `large_allocs`.
    pub large_live: u64,
    /// See `large_allocs`.
    pub large_bytes: u64,
}

impl HeapStats {
    fn new() -> Self {
        let mut classes = [ClassStats::default(); CLASSES - 1];
        for (index, class) in classes.iter_mut().enumerate() {
            class.size = size_of_class(index + 1);
        }
        Self { classes, large_allocs: 0, large_live: 0, large_bytes: 0 }
    }

    /// Blocks that were ever handed out.
    #[must_use]
    pub fn allocs(&self) -> u64 {
        self.large_allocs + self.classes.iter().map(|class| class.allocs).sum::<u64>()
    }

    /// Blocks that are with the program.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.large_live + self.classes.iter().map(|class| class.live).sum::<u64>()
    }

    /// Blocks that came back.
    #[must_use]
    pub fn frees(&self) -> u64 {
        self.allocs().saturating_sub(self.live())
    }

    /// Bytes of the blocks that are with the program, rounding included.
    #[must_use]
    pub fn live_bytes(&self) -> u64 {
        self.large_bytes + self.classes.iter().map(|class| class.live * class.size as u64).sum::<u64>()
    }
}

/// Figures of the process's heap, of one tag or of all. O(pages).
#[must_use]
pub fn process_stats(tag: Option<Tag>) -> HeapStats {
    super::process().map_or_else(|_| HeapStats::new(), |space| of(space, tag))
}

/// What a thread's cache has handed out, of the process's heap. When a thread ends its cache goes to the next one that
/// begins, so these are the figures of all the threads that had it, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadStats {
    /// The cache's number, from 1.
    pub number: u32,
    /// How many threads have had it.
    pub threads: u32,
    /// Blocks that these threads took, and those of them that are with the program, whoever has them now. A block that came
    /// back counts here, whoever gave it back.
    pub heap: HeapStats,
}

/// Calls `see` with the figures of each cache there ever was, the youngest first. O(caches × pages), for reports.
pub fn each_thread(mut see: impl FnMut(&ThreadStats)) {
    let Ok(space) = super::process() else { return };
    for cache in cache::all() {
        let heap = sum(space, |local| local.cache_id() == cache.id());
        see(&ThreadStats { number: cache.id(), threads: cache.threads(), heap });
    }
}

/// Figures of a space.
pub(super) fn of(space: &Space, tag: Option<Tag>) -> HeapStats {
    sum(space, |local| tag.is_none_or(|tag| local.tag() == tag))
}

/// Figures of those places of a space that `counts` says.
fn sum(space: &Space, counts: impl Fn(&Local) -> bool) -> HeapStats {
    let mut stats = HeapStats::new();
    // Signed while it is summed: parts are read one after the other.
    let mut live = [0i64; CLASSES];
    let counts = |local: *mut Local| {
        // SAFETY: locals last as long as their space.
        NonNull::new(local).is_some_and(|local| counts(unsafe { local.as_ref() }))
    };
    space.each_page(|page| {
        // SAFETY: a descriptor of this space, which is there as long as the lock is held.
        let this = unsafe { page.as_ref() };
        // Acquire: what the page is, of a hardened one with a segment of its own, which is in the space's list before that is said.
        if !is_single(this.owner.load(Ordering::Acquire)) && counts(this.local.load(Ordering::Relaxed)) {
            let used = i64::from(this.used.load(Ordering::Relaxed)) - i64::from(this.remote.count());
            live[usize::from(this.class.get())] += used;
        }
    });
    if super::is_process(space) {
        for cache in cache::all() {
            cache.each_open(|local, class, count| {
                if counts(local) {
                    live[class] -= i64::from(count);
                }
            });
        }
    }
    let mut next = space.locals.load(Ordering::Acquire);
    while let Some(local) = NonNull::new(next) {
        // SAFETY: locals last as long as their space.
        let this = unsafe { local.as_ref() };
        next = this.next.get();
        if !counts(local.as_ptr()) {
            continue;
        }
        for (class, live) in live.iter_mut().enumerate().skip(1) {
            let (allocs, idle) = this.counts(class);
            stats.classes[class - 1].allocs += allocs;
            *live -= idle as i64;
        }
        let (allocs, blocks, bytes) = large::counts(this);
        stats.large_allocs += allocs;
        stats.large_live = stats.large_live.wrapping_add(blocks);
        stats.large_bytes = stats.large_bytes.wrapping_add(bytes);
    }
    for (class, live) in stats.classes.iter_mut().zip(&live[1..]) {
        class.live = (*live).max(0) as u64;
    }
    stats
}
