//! What has grown since a moment and was not given back: by tag, for named heaps block by block, and for what has memory of its
//! own structure by structure.
//!
//! Figures are read without allocating, into room that is made when the mark is: so what looks at the general heap is not
//! in its figures.

use core::ops::Range;
use std::boxed::Box;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{fmt, io::Write as _};

use crate::base::{Bytes, frames, next_stamp};
use crate::ledger::{Ledger, Tag};
use crate::os;
use crate::region::{each_origin, origins_left_out};

/// What a tag has, without those below it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Row {
    blocks: u64,
    bytes: u64,
    /// Committed by others than the process's heap.
    committed: u64,
}

/// What there is at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    rows: Rows,
    /// The process's heap by size class, if there is one and it is looked at.
    sizes: Sizes,
    /// Of structures that are remembered: those made before have smaller stamps.
    stamp: u64,
    /// Structures that found no room to be remembered.
    left_out: u64,
}

#[derive(Clone, Copy, Debug)]
struct Rows([Row; Ledger::CAPACITY]);

impl Default for Rows {
    fn default() -> Self {
        Self([Row::default(); Ledger::CAPACITY])
    }
}

#[cfg(all(not(loom), target_pointer_width = "64"))]
type Sizes = Option<crate::heap::bucket::HeapStats>;
/// Where there is no such heap.
#[cfg(any(loom, not(target_pointer_width = "64")))]
type Sizes = ();

/// A moment to which a later one is compared. Some 8 KiB in a box.
#[derive(Debug)]
pub struct LeakMark {
    ledger: &'static Ledger,
    time_ns: u64,
    frame: u64,
    look: Box<Look>,
}

impl LeakMark {
    /// Remembers what every tag of a ledger has: committed memory, and of the process's ledger the blocks of the
    /// [general heap](crate::GlobalHeap), too. O(tags + pages of the heap).
    ///
    /// ```
    /// use arenite::{GlobalHeap, Ledger, Tag, watch::LeakMark};
    ///
    /// #[global_allocator]
    /// static HEAP: GlobalHeap = GlobalHeap;
    ///
    /// let rooms = Tag::register("level/rooms")?;
    /// let mark = LeakMark::new(Ledger::process());
    /// let mut list = rooms.in_scope(|| vec![vec![0u8; 5000], vec![0u8; 5000]]);
    /// std::mem::forget(list.pop());
    /// drop(list);
    ///
    /// let report = mark.report();
    /// assert_eq!((report.tags[0].tag.as_str(), report.tags[0].blocks), ("level/rooms", 1));
    /// assert!(report.tags[0].bytes >= 5000);
    /// println!("{report}"); // grown in 0 frames: level/rooms: 1 block of 5.0 KiB
    /// # Ok::<(), arenite::TagError>(())
    /// ```
    #[must_use]
    pub fn new(ledger: &'static Ledger) -> Self {
        let mut mark = Self { ledger, time_ns: 0, frame: 0, look: Box::default() };
        mark.set();
        mark
    }

    /// Remembers what there is now, in place of what it remembered. Allocates nothing.
    pub fn set(&mut self) {
        (self.time_ns, self.frame) = (os::monotonic_ns(), frames());
        read(self.ledger, &mut self.look);
    }

    /// What has grown since. Exact while no other thread allocates.
    #[must_use]
    pub fn report(&self) -> LeakReport {
        self.report_at(&self.look(), |_| false)
    }

    /// What there is now. Allocates nothing.
    pub(crate) fn look(&self) -> Look {
        let mut now = Look::default();
        read(self.ledger, &mut now);
        now
    }

    /// As [`report`](Self::report), of a look that was made before, and without committed memory of tags that somebody else
    /// answers for.
    pub(crate) fn report_at(&self, now: &Look, others: impl Fn(Tag) -> bool) -> LeakReport {
        let made = self.look.stamp..now.stamp;
        let rows = self.ledger.tags().zip(now.rows.0.iter().zip(&self.look.rows.0));
        let tags = rows.filter_map(|(tag, (now, then))| {
            let committed = if others(tag) { 0 } else { now.committed.saturating_sub(then.committed) };
            let (blocks, bytes) =
                (now.blocks.saturating_sub(then.blocks), now.bytes.saturating_sub(then.bytes));
            (blocks > 0 || bytes > 0 || committed > 0).then(|| Leak {
                tag: tag.name().to_string(),
                blocks,
                bytes,
                committed,
                survivors: Vec::new(),
                structures: if committed > 0 { structures(tag, &made) } else { Vec::new() },
            })
        });
        let tags: Vec<Leak> = tags.collect();
        // Of tags that have no more than they had, classes that grew while others shrank say nothing.
        let in_heap = tags.iter().any(|leak| leak.blocks > 0 || leak.bytes > 0);
        let sizes = if in_heap { grown_sizes(&now.sizes, &self.look.sizes) } else { Vec::new() };
        let frames = frames().saturating_sub(self.frame);
        LeakReport {
            frames,
            tags,
            sizes,
            left_out: now.left_out - self.look.left_out,
            ledger: Some(ById(self.ledger)),
            since_ns: self.time_ns,
        }
    }

    /// Whose tags it looks at.
    pub(crate) fn ledger(&self) -> &'static Ledger {
        self.ledger
    }
}

/// Allocates nothing.
fn read(ledger: &'static Ledger, into: &mut Look) {
    let Look { rows: Rows(rows), sizes, stamp, left_out } = into;
    *sizes = Sizes::default();
    (*stamp, *left_out) = (next_stamp(), origins_left_out());
    for (row, tag) in rows.iter_mut().zip(ledger.tags()) {
        *row = Row { committed: tag.account().own.committed as u64, ..Row::default() };
    }
    #[cfg(all(not(loom), target_pointer_width = "64"))]
    if core::ptr::eq(ledger, Ledger::process()) {
        use crate::heap::bucket;
        let mut used = false;
        for (tag, figures) in bucket::by_tag() {
            used = true;
            let row = &mut rows[tag.place()];
            (row.blocks, row.bytes) = (figures.live, figures.live_bytes);
            row.committed = row.committed.saturating_sub(figures.committed);
        }
        if used {
            // Memory of the heap that nobody has: it goes up and down as the heap likes, and nobody has forgotten it.
            rows[bucket::process_tag().place()].committed = 0;
            *sizes = Some(bucket::process_stats(None));
        }
    }
}

/// What lives of the structures of a tag that were made between two moments: those of one place together, the largest first.
fn structures(tag: Tag, made: &Range<u64>) -> Vec<LeakedStructure> {
    let (frame, time_ns) = (frames(), os::monotonic_ns());
    let mut all: Vec<LeakedStructure> = Vec::new();
    each_origin(tag.ledger(), |origin| {
        if origin.tag != tag || !made.contains(&origin.stamp) {
            return;
        }
        let (file, line) = (origin.place.file(), origin.place.line());
        let committed = origin.committed as u64;
        let frames = frame.saturating_sub(origin.frame);
        let milliseconds = time_ns.saturating_sub(origin.time_ns) / 1_000_000;
        let place = std::format!("{file}:{line}");
        let same = all.iter_mut().find(|other| other.place == place && other.kind == origin.kind);
        if let Some(other) = same {
            other.count += 1;
            other.committed += committed;
            (other.frames, other.milliseconds) =
                (other.frames.max(frames), other.milliseconds.max(milliseconds));
        } else {
            let kind = origin.kind.to_string();
            all.push(LeakedStructure { kind, count: 1, committed, frames, milliseconds, place });
        }
    });
    all.sort_by_key(|structure| core::cmp::Reverse(structure.committed));
    all
}

/// Size classes of the process's heap of which there are more blocks than there were.
#[cfg(all(not(loom), target_pointer_width = "64"))]
fn grown_sizes(now: &Sizes, then: &Sizes) -> Vec<LeakedSize> {
    let Some(now) = now else { return Vec::new() };
    let had = |place: usize| then.as_ref().map_or(0, |then| then.classes[place].live);
    let classes = now.classes.iter().enumerate().filter_map(|(place, class)| {
        let blocks = class.live.saturating_sub(had(place));
        (blocks > 0).then_some(LeakedSize { size: class.size as u64, blocks })
    });
    classes.collect()
}

#[cfg(any(loom, not(target_pointer_width = "64")))]
fn grown_sizes((): &Sizes, (): &Sizes) -> Vec<LeakedSize> {
    Vec::new()
}

/// A tag that has more than it had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Leak {
    /// The tag; figures are without those below it.
    pub tag: String,
    /// How many blocks it has that it had not: of the general heap, or of a named one that was
    /// [looked into](LeakReport::look_into).
    pub blocks: u64,
    /// Their bytes: of the general heap with what rounding adds, of a named heap with tracking as they were asked for.
    pub bytes: u64,
    /// Bytes that it has more of committed memory outside the general heap: regions, arenas, pools, named heaps. They keep
    /// memory for later, so more of it need not be lost.
    pub committed: u64,
    /// The largest of the blocks, if a named heap with tracking was looked into.
    pub survivors: Vec<LeakedBlock>,
    /// Of a tag that has more committed: the structures of it that were made since the mark, while their
    /// [origins were tracked](crate::watch::track_origins), and still live. Those that were made at one place are one entry; the one
    /// that has most committed is first.
    #[cfg_attr(feature = "serde", serde(default))]
    pub structures: Vec<LeakedStructure>,
}

/// Blocks of one size class of the [general heap](crate::GlobalHeap).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LeakedSize {
    /// Bytes of such a block, with what rounding adds.
    pub size: u64,
    /// How many more there are than there were.
    pub blocks: u64,
}

/// A block of a named heap with [`track_blocks`](crate::HeapOptions::track_blocks).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LeakedBlock {
    /// Bytes that were asked for.
    pub size: u64,
    /// How many frames ago.
    pub frames: u32,
    /// Where: file and line, and what the thread was doing if it [said so](crate::Heap::site).
    pub place: String,
}

/// Structures that were made at one place: arenas, pools, heaps, tables or regions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LeakedStructure {
    /// What they are: `frame arena`, `pool`, `heap`, `region` and so on.
    pub kind: String,
    /// How many of them live.
    pub count: u64,
    /// Bytes that they have committed at this moment; see [`Origin::committed`](crate::region::Origin::committed).
    pub committed: u64,
    /// How many frames ago the oldest of them was made.
    pub frames: u64,
    /// The same in time.
    pub milliseconds: u64,
    /// Where their constructor was called: file and line.
    pub place: String,
}

/// What has grown since a [mark](LeakMark). `Display` writes a line for each tag and block.
///
/// How much can be told depends on who gave the memory:
///
/// | memory of | tag | count, bytes | size of each | age | place |
/// |---|---|---|---|---|---|
/// | a named heap with [`track_blocks`](crate::HeapOptions::track_blocks), [looked into](Self::look_into) | yes | as asked for | yes | in frames | file, line, and [what was being done](crate::Heap::site) |
/// | a named heap without it | yes | rounded | by class: `heap.stats()` | – | – |
/// | [`GlobalHeap`](crate::GlobalHeap) | yes | rounded | by class, all tags together: [`sizes`](Self::sizes) | at most [`frames`](Self::frames) | – |
/// | a tagged [`TrackingAllocator`](crate::TrackingAllocator): not in this report, see its [`mark`](crate::TrackingAllocator::mark) | yes | as asked for | by power of two, all tags together | – | – |
/// | regions, arenas, pools, columns, named heaps with [`track_origins`](crate::watch::track_origins) | yes | structures and their committed bytes; how many blocks or values live, the structure itself knows (`stats`, `len`) | – | of the structure, in frames and time | file and line of its constructor's call |
/// | the same without it | yes | committed bytes of the tag | – | – | – |
///
/// `GlobalHeap` keeps nothing for a block by itself, so it has neither its age nor where it was made. To find that out, give
/// the part of the program that leaks a tag of its own, then a named heap that tracks its blocks. What a scene's own arenas
/// hold is dropped with it, and counted in its [`SceneReport`](crate::SceneReport).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LeakReport {
    /// Frames that began since the mark.
    pub frames: u64,
    /// Tags that have more than they had, in the order in which they were registered.
    pub tags: Vec<Leak>,
    /// Size classes of the general heap of which there are more blocks, the smallest first; all tags together, without large
    /// blocks. Empty if no tag has more of that heap.
    #[cfg_attr(feature = "serde", serde(default))]
    pub sizes: Vec<LeakedSize>,
    /// Structures that were made since the mark and whose [origin](crate::watch::track_origins) found no room in the list of them,
    /// on whatever ledger and whether they live or not: so many may be missing from [`Leak::structures`].
    #[cfg_attr(feature = "serde", serde(default))]
    pub left_out: u64,
    /// Whose tags these are; unknown if the report was read from somewhere.
    #[cfg_attr(feature = "serde", serde(skip))]
    ledger: Option<ById>,
    /// When the mark was made.
    #[cfg_attr(feature = "serde", serde(skip))]
    since_ns: u64,
}

/// A ledger, equal to itself only.
#[derive(Clone, Copy, Debug)]
struct ById(&'static Ledger);

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self.0, other.0)
    }
}

impl Eq for ById {}

impl LeakReport {
    /// Whether nothing has grown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// Looks which blocks of a named heap are to blame for what its tag has more. With
    /// [`track_blocks`](crate::HeapOptions::track_blocks) these are the blocks that were made since the mark and live; without
    /// it, all that live. If there are none, the heap has just kept memory, and its tag is no leak.
    ///
    /// A heap of another ledger than the mark's has no part in this, and nothing changes.
    ///
    /// Several heaps under one tag are to be looked into by one call each; the last one must not be the only one that is
    /// empty, so give heaps tags of their own.
    #[cfg(all(not(loom), target_pointer_width = "64"))]
    pub fn look_into(&mut self, heap: &crate::Heap) {
        let own = heap.tag().ledger();
        if self.ledger.is_some_and(|ledger| !core::ptr::eq(ledger.0, own)) {
            return;
        }
        let report = heap.report_since(self.since_ns);
        let name = report.tag().name();
        let place = self.tags.iter().position(|leak| leak.tag == name);
        if report.blocks() == 0 {
            if let Some(place) = place.filter(|place| self.tags[*place].blocks == 0) {
                self.tags.remove(place);
            }
            return;
        }
        let place = place.unwrap_or_else(|| {
            self.tags.push(Leak { tag: name.to_string(), ..Leak::default() });
            self.tags.len() - 1
        });
        let leak = &mut self.tags[place];
        leak.blocks += report.blocks();
        leak.bytes += report.bytes();
        leak.survivors.extend(report.survivors().map(|block| {
            let (file, line) = (block.place.file(), block.place.line());
            let place = match block.label {
                Some(label) => std::format!("{label} ({file}:{line})"),
                None => std::format!("{file}:{line}"),
            };
            LeakedBlock { size: block.size as u64, frames: block.frames, place }
        }));
    }
}

impl fmt::Display for LeakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tags.is_empty() {
            return f.write_str("nothing has grown");
        }
        let bytes = |bytes: u64| Bytes(usize::try_from(bytes).unwrap_or(usize::MAX));
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        write!(f, "grown in {} frame{}:", self.frames, plural(self.frames))?;
        for Leak { tag, blocks, bytes: size, committed, survivors, structures } in &self.tags {
            write!(f, "\n  {tag}: ")?;
            if *blocks > 0 || *size > 0 {
                write!(f, "{blocks} block{} of {}", plural(*blocks), bytes(*size))?;
                f.write_str(if *committed > 0 { ", " } else { "" })?;
            }
            if *committed > 0 {
                write!(f, "{} more committed", bytes(*committed))?;
            }
            for LeakedBlock { size, frames, place } in survivors {
                let age = plural(u64::from(*frames));
                write!(f, "\n    {} made {frames} frame{age} ago at {place}", bytes(*size))?;
            }
            for LeakedStructure { kind, count, committed, frames, milliseconds, place } in structures {
                let (age, size) = (plural(*frames), bytes(*committed));
                match count {
                    1 => write!(f, "\n    {kind} of {size} made {frames} frame{age}")?,
                    _ => write!(
                        f,
                        "\n    {count} × {kind}, {size} in all, the oldest made {frames} frame{age}"
                    )?,
                }
                write!(f, " ({}.{:03} s) ago at {place}", milliseconds / 1000, milliseconds % 1000)?;
            }
        }
        for (place, LeakedSize { size, blocks }) in self.sizes.iter().enumerate() {
            f.write_str(if place == 0 { "\n  general heap, by size: " } else { ", " })?;
            write!(f, "{blocks} of {}", bytes(*size))?;
        }
        if self.left_out > 0 {
            let more = plural(self.left_out);
            write!(f, "\n  {} structure{more} more found no room in the list of origins", self.left_out)?;
        }
        Ok(())
    }
}

/// Tells when it is dropped what has grown since it was made: for programs without a manager, in the first line of `main`.
/// What was declared after it is dropped before it, and so is not told. Silent if nothing has grown.
///
/// What lives in statics, and what threads have that still run, is told, too.
///
/// ```
/// // In `main`; at its end the report goes to standard error.
/// let _leaks = arenite::watch::LeakGuard::new();
/// ```
#[derive(Debug)]
#[must_use = "it tells when it is dropped"]
pub struct LeakGuard {
    mark: LeakMark,
    tell: fn(&LeakReport),
}

impl LeakGuard {
    /// A guard that writes to standard error.
    pub fn new() -> Self {
        Self::telling(|report| {
            // Nobody can be told that there is no standard error.
            let _ = std::writeln!(std::io::stderr(), "{report}");
        })
    }

    /// A guard that tells somebody else. Not called if nothing has grown.
    pub fn telling(tell: fn(&LeakReport)) -> Self {
        // What the standard library makes once, when it is first used, and keeps.
        let _ = std::io::stdout().flush();
        let _ = std::thread::current().id();
        Self { mark: LeakMark::new(Ledger::process()), tell }
    }
}

impl Default for LeakGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for LeakGuard {
    fn drop(&mut self) {
        let report = self.mark.report();
        if !report.is_empty() {
            (self.tell)(&report);
        }
    }
}
