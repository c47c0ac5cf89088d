//! Two moments of a tagged allocator, and what lies between them: what a level left behind.

use core::fmt;
use core::panic::Location;

use super::sites::{self, Places};
use super::stats::{AllocationDelta, AllocationStats, TagStats};
use super::{Tagged, TrackingAllocator};
use crate::base::thread::look_closer;
use crate::base::{Bytes, next_stamp};
use crate::ledger::{Ledger, Tag};

/// What each tag had at one moment; made by [`TrackingAllocator::mark`]. Some 10 KiB, by value: marking allocates nothing, and
/// so is in no figure.
#[derive(Debug)]
pub struct AllocationMark<'a, A> {
    allocator: &'a TrackingAllocator<A, Tagged>,
    stats: AllocationStats,
    tags: [TagStats; Ledger::CAPACITY],
    /// Drawn when it was made.
    stamp: u64,
}

impl<A> TrackingAllocator<A, Tagged> {
    /// Remembers what each tag has, to see later what has become of it. O(tags × threads).
    ///
    /// ```
    /// use std::alloc::System;
    ///
    /// use arenite::{Tagged, TrackingAllocator};
    ///
    /// #[global_allocator]
    /// static GLOBAL: TrackingAllocator<System, Tagged> = TrackingAllocator::tagged(System);
    ///
    /// arenite::tags! { ROOMS = "level/rooms"; }
    ///
    /// let mark = GLOBAL.mark();
    /// let mut rooms = ROOMS.in_scope(|| vec![vec![0u8; 5000], vec![0u8; 6000]]);
    /// let forgotten = rooms.pop();
    /// drop(rooms);
    ///
    /// let left = mark.diff();
    /// let rows: Vec<_> = left.grown().map(|row| (row.tag, row.blocks, row.bytes)).collect();
    /// assert_eq!(rows, [(*ROOMS, 1, 6000)]);
    /// println!("{left}"); // level/rooms: 1 block, 5.9 KiB, made under src/main.rs:11
    /// # assert!(left.to_string().starts_with("level/rooms: 1 block, 5.9 KiB, made under "), "{left}");
    /// # drop(forgotten);
    /// ```
    #[must_use]
    pub fn mark(&self) -> AllocationMark<'_, A> {
        // What this thread's scopes make from now on counts, also of those that are open.
        look_closer();
        AllocationMark {
            allocator: self,
            stats: self.allocation_stats(),
            tags: self.all_tags(),
            stamp: next_stamp(),
        }
    }

    fn all_tags(&self) -> [TagStats; Ledger::CAPACITY] {
        let mut all = [TagStats::default(); Ledger::CAPACITY];
        for (stats, tag) in all.iter_mut().zip(Ledger::process().tags()) {
            *stats = self.tag_stats(tag);
        }
        all
    }
}

impl<A> AllocationMark<'_, A> {
    /// What has changed since the mark was made. Allocates nothing; O(tags × threads).
    #[must_use]
    pub fn diff(&self) -> AllocationDiff {
        let (stats, now) = (self.allocator.allocation_stats(), self.allocator.all_tags());
        let mut tags = [None; Ledger::CAPACITY];
        for (((row, tag), now), then) in
            tags.iter_mut().zip(Ledger::process().tags()).zip(&now).zip(&self.tags)
        {
            *row = (now != then).then(|| TagDelta {
                tag,
                blocks: now.blocks as i64 - then.blocks as i64,
                bytes: now.bytes as i64 - then.bytes as i64,
                allocations: now.allocations.saturating_sub(then.allocations),
                deallocations: now.deallocations.saturating_sub(then.deallocations),
                places: sites::since(tag.place(), self.stamp),
            });
        }
        AllocationDiff { all: stats.since(&self.stats), then: self.stats, now: stats, tags }
    }
}

/// What has changed for one tag. Negative: it has less than it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TagDelta {
    /// The tag, without those below it.
    pub tag: Tag,
    /// Blocks that are with the program and were not.
    pub blocks: i64,
    /// Their bytes, as they were asked for; blocks that changed their size count, too.
    pub bytes: i64,
    /// Blocks that were handed out meanwhile.
    pub allocations: u64,
    /// Blocks that came back meanwhile.
    pub deallocations: u64,
    places: Places,
}

impl TagDelta {
    /// Where the scopes were opened ([`Tag::scope`], [`in_scope`](Tag::in_scope), [`carry`](Tag::carry)) under which blocks of the tag
    /// were made between the two moments: up to four places, that of the latest scope first. What has leaked was made under one of
    /// them.
    ///
    /// A place is noted with the first block that a thread makes in a scope, and after the end of one inside it; blocks that are
    /// resized do not count. So of a scope that another thread had open at the mark nothing is noted; if there is no other, the
    /// last one before the mark is given. Of more than four places the latest are kept. None for what was made outside of all
    /// scopes (`untagged`). With several tagged allocators in one program places are those of all of them.
    pub fn places(&self) -> impl Iterator<Item = &'static Location<'static>> {
        self.places.into_iter().flatten()
    }
}

/// What has changed between a [mark](AllocationMark) and a later moment. `Display` writes a line for each tag that has more than
/// it had, with the [places](TagDelta::places) of its scopes.
#[derive(Clone, Copy, Debug)]
pub struct AllocationDiff {
    all: AllocationDelta,
    then: AllocationStats,
    now: AllocationStats,
    tags: [Option<TagDelta>; Ledger::CAPACITY],
}

impl AllocationDiff {
    /// All tags together.
    #[must_use]
    pub const fn all(&self) -> AllocationDelta {
        self.all
    }

    /// Each tag for which anything was allocated, resized or freed, in the order in which they were registered.
    pub fn tags(&self) -> impl Iterator<Item = &TagDelta> {
        self.tags.iter().flatten()
    }

    /// Those that have more than they had.
    pub fn grown(&self) -> impl Iterator<Item = &TagDelta> {
        self.tags().filter(|row| row.blocks > 0 || row.bytes > 0)
    }

    /// Size classes (each from a power of two on, see [`SizeClass`](super::SizeClass)) of which there are more blocks than
    /// there were, and how many more.
    pub fn sizes(&self) -> impl Iterator<Item = (u64, u64)> {
        let had =
            |from| self.then.size_classes().find(|class| class.from == from).map_or(0, |class| class.blocks);
        self.now.size_classes().filter_map(move |class| {
            let more = class.blocks.saturating_sub(had(class.from));
            (more != 0).then_some((class.from, more))
        })
    }
}

impl fmt::Display for AllocationDiff {
    /// Does not allocate.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for row in self.grown() {
            if !first {
                writeln!(f)?;
            }
            first = false;
            let sign = if row.bytes < 0 { "-" } else { "" };
            let bytes = Bytes(usize::try_from(row.bytes.unsigned_abs()).unwrap_or(usize::MAX));
            let plural = if row.blocks == 1 { "" } else { "s" };
            write!(f, "{}: {} block{plural}, {sign}{bytes}", row.tag, row.blocks)?;
            for (number, place) in row.places().enumerate() {
                let before = if number == 0 { ", made under" } else { " or" };
                write!(f, "{before} {}:{}", place.file(), place.line())?;
            }
        }
        if first { f.write_str("nothing has grown") } else { Ok(()) }
    }
}
