//! What each tag has of the process's heap: all tags in one walk.
#![expect(unsafe_code, reason = "reads descriptors and places of other threads")]

use core::ptr::{NonNull, null_mut};

use super::cache;
use super::class::{CLASSES, size_of_class};
use super::hardened;
use super::large;
use super::local::Local;
use super::segment::{HARD, HEADER, HUGE, LARGE, Page};
use super::space::Space;
use super::{PROCESS, is_process};
use crate::base::sync::{Lock, Ordering};
use crate::ledger::{Ledger, Tag};

/// What one tag has of the process's heap. Exact while nobody is at it; otherwise off by what others did meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TagUse {
    /// Blocks that were ever handed out.
    pub allocs: u64,
    /// Blocks that are with the program.
    pub live: u64,
    /// Bytes of those, rounding included.
    pub live_bytes: u64,
    /// Bytes of memory that stand behind the tag's pages and large blocks, and so are charged to it.
    pub committed: u64,
}

/// As it is summed: signed, because parts are read one after the other.
#[derive(Clone, Copy)]
struct Sum {
    tag: Option<Tag>,
    allocs: u64,
    live: i64,
    bytes: i64,
    committed: u64,
}

/// By the tag's place in the ledger.
type Sums = [Sum; Ledger::CAPACITY];

/// The tags under which the process's heap ever handed out a block, in the order in which they were registered. Allocates
/// nothing. O(pages + places), a few nanoseconds each; needs about 12 KiB of stack.
pub fn by_tag() -> impl Iterator<Item = (Tag, TagUse)> {
    // SAFETY: it is never given back. Acquire: what was written before it was shown.
    let sums = match unsafe { PROCESS.load(Ordering::Acquire).as_ref() } {
        Some(space) => sum(space),
        None => [Sum::NOTHING; Ledger::CAPACITY],
    };
    sums.into_iter()
        .filter_map(|sum| Some((sum.tag?, sum.figures())))
        .filter(|(_, figures)| figures.allocs > 0)
}

/// Has the ledger know how many bytes of the process's heap are live under each tag. If another thread is at it just now, that
/// one does it.
pub fn publish_live() {
    /// What the ledger was told last.
    static PUBLISHED: Lock<[usize; Ledger::CAPACITY]> = Lock::new([0; Ledger::CAPACITY]);
    let Some(mut published) = PUBLISHED.try_lock() else { return };
    for (tag, figures) in by_tag() {
        let (old, new) = (&mut published[tag.place()], figures.live_bytes as usize);
        tag.move_live(core::mem::replace(old, new), new);
    }
}

fn sum(space: &Space) -> Sums {
    debug_assert!(is_process(space), "other heaps have one tag");
    let mut sums = [Sum::NOTHING; Ledger::CAPACITY];
    // Places know what was handed out, and first which tags there are.
    let mut next = space.locals.load(Ordering::Acquire);
    while let Some(local) = NonNull::new(next) {
        // SAFETY: locals last as long as their space.
        let this = unsafe { local.as_ref() };
        next = this.next.get();
        sums[this.tag().place()].add_place(this, !space.plan.hardened);
    }
    // Neighbours are mostly of one place.
    let mut last = (null_mut(), 0);
    let mut place = |local: *mut Local| {
        if local != last.0 {
            // SAFETY: as above; a page that is in use has a place.
            last = (local, unsafe { &*local }.tag().place());
        }
        last.1
    };
    space.each_page(|page| {
        // SAFETY: a descriptor of this space, which is there as long as the lock is held.
        let this = unsafe { page.as_ref() };
        let sum = &mut sums[place(this.local.load(Ordering::Relaxed))];
        let owner = this.owner.load(Ordering::Acquire);
        if owner == HARD {
            sum.committed += hardened::committed(page);
            if !hardened::has_one(page) {
                sum.add(this.used.load(Ordering::Relaxed).into(), this.block.get() as usize);
            }
        } else if owner == HUGE {
            // Its bytes are counted by its place.
            sum.committed += HEADER as u64;
        } else if owner != LARGE {
            let used = i64::from(this.used.load(Ordering::Relaxed)) - i64::from(this.remote.count());
            sum.add(used, this.block.get() as usize);
            let (segment, slot) = Page::place(page);
            // SAFETY: its segment.
            sum.committed += u64::from(unsafe { segment.as_ref() }.charged[slot].get());
        }
    });
    for cache in cache::all() {
        cache.each_open(|local, class, count| {
            // How many may be seen before whose.
            if !local.is_null() {
                sums[place(local)].add(-i64::from(count), size_of_class(class));
            }
        });
    }
    sums
}

impl Sum {
    const NOTHING: Self = Self { tag: None, allocs: 0, live: 0, bytes: 0, committed: 0 };

    fn add(&mut self, blocks: i64, size: usize) {
        self.live += blocks;
        self.bytes += blocks * size as i64;
    }

    /// `whole`: what is charged for a large block is what it counts for.
    fn add_place(&mut self, local: &Local, whole: bool) {
        self.tag = Some(local.tag());
        for class in 1..CLASSES {
            let (allocs, idle) = local.counts(class);
            self.allocs += allocs;
            self.add(-(idle as i64), size_of_class(class));
        }
        let (allocs, blocks, bytes) = large::counts(local);
        self.allocs += allocs;
        self.live = self.live.wrapping_add(blocks as i64);
        self.bytes = self.bytes.wrapping_add(bytes as i64);
        // Sums over places are right; a single place may have freed what another one has handed out.
        if whole {
            self.committed = self.committed.wrapping_add(bytes);
        }
    }

    fn figures(&self) -> TagUse {
        TagUse {
            allocs: self.allocs,
            live: self.live.max(0) as u64,
            live_bytes: self.bytes.max(0) as u64,
            committed: self.committed,
        }
    }
}
