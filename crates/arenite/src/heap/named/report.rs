//! What lives in a heap that was to go.

use core::fmt;
use core::panic::Location;
use core::time::Duration;

use super::Heap;
use super::track::Header;
use crate::base::{Bytes, frames};
use crate::heap::bucket::{ClassStats, HeapStats};
use crate::ledger::Tag;
use crate::os;

/// Survivors, and places of handles, that a report names one by one.
const SURVIVORS: usize = 16;
const PLACES: usize = 8;

/// A block that lives, of a heap with [`track_blocks`](super::HeapOptions::track_blocks).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survivor {
    /// Where the block is: for a debugger, or to be found among the program's own pointers.
    pub address: usize,
    /// Bytes that were asked for.
    pub size: usize,
    /// The alignment that was asked for.
    pub align: usize,
    /// How long ago it was made.
    pub age: Duration,
    /// How many frames began since: those of managers, and what [`frame_begins`](crate::base::frame_begins) counted.
    pub frames: u32,
    /// What the thread was doing that made it, if it said so by [`Heap::site`].
    pub label: Option<&'static str>,
    /// Where it said so, or else where the handle was made that the block was made by.
    pub place: &'static Location<'static>,
}

/// What lives in a [`Heap`] at one moment: totals, which are exact while nobody is at it, by size, and with tracking the
/// largest blocks one by one. A value of a few KiB that allocates nothing. `Display` is a table.
#[derive(Clone)]
pub struct HeapReport {
    tag: Tag,
    blocks: u64,
    bytes: u64,
    others: usize,
    tracked: bool,
    /// Sizes, how many blocks of each and how many bytes. The last one is for all that are larger.
    classes: HeapStats,
    /// The largest first, and of one size the oldest.
    survivors: [Option<Survivor>; SURVIVORS],
    places: [Option<&'static Location<'static>>; PLACES],
}

impl HeapReport {
    /// Looks at a heap: with tracking at the blocks that were made from `since_ns` on, else at all.
    pub(super) fn of(heap: &Heap, since_ns: u64) -> Self {
        let shared = heap.shared();
        let stats = shared.heap.stats();
        let mut report = Self {
            tag: shared.heap.tag(),
            blocks: stats.live(),
            bytes: stats.live_bytes(),
            others: heap.handles() - 1,
            tracked: false,
            classes: stats,
            survivors: [None; SURVIVORS],
            places: [None; PLACES],
        };
        if let Some(tracker) = &shared.tracker {
            report.tracked = true;
            // What the program asked for, without what tracking adds.
            (report.blocks, report.bytes) = (0, 0);
            (report.classes.large_live, report.classes.large_bytes) = (0, 0);
            report.classes.classes.iter_mut().for_each(|class| class.live = 0);
            let now = (os::monotonic_ns(), frames() as u32);
            tracker.each_block(|header| {
                if header.made_ns >= since_ns {
                    report.see(header, now);
                }
            });
            let mut places = report.places.iter_mut();
            tracker.each_handle(heap.handle, |place| {
                if let Some(free) = places.next() {
                    *free = Some(place);
                }
            });
        }
        report
    }

    fn see(&mut self, header: &Header, (now_ns, frame): (u64, u32)) {
        let size = header.size.get();
        self.blocks += 1;
        self.bytes += size as u64;
        let least = size.next_multiple_of(header.align()).max(1);
        match self.classes.classes.iter_mut().find(|class| class.size >= least) {
            Some(class) => class.live += 1,
            None => {
                self.classes.large_live += 1;
                self.classes.large_bytes += size as u64;
            }
        }
        let mut survivor = Survivor {
            address: header.block().addr(),
            size,
            align: header.align(),
            age: Duration::from_nanos(now_ns.saturating_sub(header.made_ns)),
            frames: frame.wrapping_sub(header.frame),
            label: header.label,
            place: header.place,
        };
        for slot in &mut self.survivors {
            match slot {
                Some(other) if (other.size, other.age) >= (survivor.size, survivor.age) => {}
                Some(other) => core::mem::swap(other, &mut survivor),
                None => {
                    *slot = Some(survivor);
                    return;
                }
            }
        }
    }

    /// Whom the heap is charged to.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// Blocks that live.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Their bytes: with tracking those that were asked for, without it what rounding adds, too.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Handles beside the one that asked.
    #[must_use]
    pub fn handles(&self) -> usize {
        self.others
    }

    /// Blocks by size: of each size class that has some, its size and how many. Larger ones are in
    /// [`large`](Self::large).
    pub fn classes(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let live = |class: &&ClassStats| class.live > 0;
        self.classes.classes.iter().filter(live).map(|class| (class.size, class.live))
    }

    /// Blocks above the largest size class, and their bytes.
    #[must_use]
    pub fn large(&self) -> (u64, u64) {
        (self.classes.large_live, self.classes.large_bytes)
    }

    /// The largest blocks, 16 at the most, of one size the oldest first. None without
    /// [`track_blocks`](super::HeapOptions::track_blocks).
    pub fn survivors(&self) -> impl Iterator<Item = &Survivor> {
        self.survivors.iter().flatten()
    }

    /// Where other handles were made, 8 at the most. None without [`track_blocks`](super::HeapOptions::track_blocks).
    pub fn handle_places(&self) -> impl Iterator<Item = &'static Location<'static>> + '_ {
        self.places.iter().flatten().copied()
    }

    /// The line that says it in short.
    fn headline(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        let (blocks, others) = (self.blocks, self.others as u64);
        write!(f, "heap `{}`: {blocks} block{} of {} in all", self.tag, plural(blocks), bytes(self.bytes))?;
        write!(f, " and {others} other handle{} live", plural(others))
    }
}

fn bytes(bytes: u64) -> Bytes {
    Bytes(bytes as usize)
}

impl fmt::Display for HeapReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.headline(f)?;
        if self.blocks > 0 {
            write!(f, "\n  {:>12} {:>8} {:>12}", "blocks up to", "live", "bytes")?;
            for (size, live) in self.classes() {
                write!(f, "\n  {:>12} {live:>8} {:>12}", Bytes(size), bytes(size as u64 * live))?;
            }
            if let (live @ 1.., size) = self.large() {
                write!(f, "\n  {:>12} {live:>8} {:>12}", "larger", bytes(size))?;
            }
        }
        let named = self.survivors().count() as u64;
        if named > 0 {
            write!(f, "\n  {:>12} {:>8} {:>12}  made at", "size", "frames", "age")?;
        }
        for survivor in self.survivors() {
            let Survivor { size, frames, age, label, place, .. } = survivor;
            write!(f, "\n  {:>12} {frames:>8} {:>9} ms  ", Bytes(*size), age.as_millis())?;
            match label {
                Some(label) => write!(f, "{label} ({}:{})", place.file(), place.line())?,
                None => write!(f, "{}:{}", place.file(), place.line())?,
            }
        }
        if self.tracked && named < self.blocks {
            write!(f, "\n  and {} smaller ones", self.blocks - named)?;
        }
        let mut places = 0;
        for place in self.handle_places() {
            places += 1;
            write!(f, "\n  handle made at {}:{}", place.file(), place.line())?;
        }
        if self.tracked && places < self.others {
            write!(f, "\n  and {} handles more", self.others - places)?;
        }
        if !self.tracked {
            f.write_str("\n  make the heap with `track_blocks()` to see where they were made")?;
        }
        Ok(())
    }
}

impl fmt::Debug for HeapReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeapReport")
            .field("tag", &self.tag)
            .field("blocks", &self.blocks)
            .field("bytes", &self.bytes)
            .field("handles", &self.others)
            .finish_non_exhaustive()
    }
}

/// A heap can not be discarded, because something lives in it. Gives the heap back ([`into_heap`](Self::into_heap));
/// nothing has changed. The totals are those of the refusal; [`report`](Self::report) looks at the heap again.
///
/// It has the heap's handle: dropping it drops that.
pub struct StillLive {
    heap: Heap,
    blocks: u64,
    bytes: u64,
    others: usize,
}

impl StillLive {
    pub(super) fn new(heap: Heap, stats: HeapStats, others: usize) -> Self {
        let mut this = Self { heap, blocks: stats.live(), bytes: stats.live_bytes(), others };
        if let Some(tracker) = &this.heap.shared().tracker {
            this.bytes = 0;
            tracker.each_block(|header| this.bytes += header.size.get() as u64);
        }
        this
    }

    /// The heap, as it was.
    #[must_use]
    pub fn into_heap(self) -> Heap {
        self.heap
    }

    /// The heap.
    #[must_use]
    pub fn heap(&self) -> &Heap {
        &self.heap
    }

    /// Whom the heap is charged to.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.heap.tag()
    }

    /// Blocks that lived.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Their bytes, as in [`HeapReport::bytes`].
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Other handles that there were: clones, and containers that have the heap by value.
    #[must_use]
    pub fn handles(&self) -> usize {
        self.others
    }

    /// What lives by now, in detail.
    #[must_use]
    pub fn report(&self) -> HeapReport {
        self.heap.report()
    }
}

impl fmt::Display for StillLive {
    /// The refusal in a line, and below it what lives by now.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not discarded, for somebody may use it: {}", self.report())
    }
}

impl fmt::Debug for StillLive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StillLive")
            .field("tag", &self.tag())
            .field("blocks", &self.blocks)
            .field("bytes", &self.bytes)
            .field("handles", &self.others)
            .finish()
    }
}

impl core::error::Error for StillLive {}
