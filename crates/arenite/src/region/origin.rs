//! Where structures were made: a list of what has regions and tables, kept while [somebody wants it](track_origins).
//!
//! ```text
//!   constructor (#[track_caller]) ─► Made::here       off: one load, nothing else. On: an entry, with one reference
//!   RegionOptions::of(&made)      ─► each region and table of the structure has a reference, and adds what it commits
//!   the last reference is dropped ─► the entry is free
//! ```
//!
//! The list has a fixed number of places and no lock: an entry belongs to who made it, is added to by its regions, and is
//! read by anybody; who reads sees by its stamp whether it was another one's meanwhile. Its memory is the program's own zeroed
//! pages, of which those are real that were used: it stands below whatever it tells of.
#![expect(unsafe_code, reason = "keeps references as addresses, so that entries can be atomics")]

use core::panic::Location;

use crate::base::sync::plain::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use crate::base::{frames, next_stamp};
use crate::ledger::{Ledger, Tag};
use crate::os;

static TRACKED: AtomicBool = AtomicBool::new(false);

/// Structures that can be known at the same time.
#[cfg(target_pointer_width = "64")]
const ROOM: usize = 8192;
#[cfg(not(target_pointer_width = "64"))]
const ROOM: usize = 1024;

static LIST: List<ROOM> = List::new();

/// From now on each arena, pool, heap, table and region that is made is remembered with the place where that was, until it is
/// gone; or no longer. For the whole process and in every build. What is remembered already stays so.
///
/// The place is the caller of the structure's constructor (`try_new`, `try_with`): a function of yours that makes one for others
/// should be `#[track_caller]`, too. Costs nothing while it is off but a load for each structure that is made; on, a search for a
/// free place in a list of 8192 (1024 on 32 bits), and an addition whenever memory is committed or given back. No allocation's
/// path is longer. Thread-safe. Whether it is on, [`origins_tracked`] says.
///
/// `watch::LeakReport` names structures that were made since its mark and still live; [`each_origin`] all of them.
pub fn track_origins(on: bool) {
    TRACKED.store(on, Ordering::Relaxed);
}

/// Whether [`track_origins`] is on.
#[must_use]
pub fn origins_tracked() -> bool {
    TRACKED.load(Ordering::Relaxed)
}

/// What a structure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[cfg_attr(
    any(not(feature = "std"), loom, not(target_pointer_width = "64")),
    expect(dead_code, reason = "there are no heaps")
)]
pub(crate) enum Kind {
    Region,
    Table,
    FrameArena,
    ScratchStack,
    ResourceArena,
    JobArenas,
    HeapArena,
    BlockPool,
    Pool,
    SharedBlockPool,
    SharedPool,
    HandlePool,
    Secondary,
    Columns,
    BucketHeap,
    Heap,
}

/// By number.
const NAMES: [&str; 16] = [
    "region",
    "table",
    "frame arena",
    "scratch stack",
    "resource arena",
    "job arenas",
    "heap arena",
    "block pool",
    "pool",
    "shared block pool",
    "shared pool",
    "handle pool",
    "secondary",
    "columns",
    "bucket heap",
    "heap",
];

/// References of an entry that nobody has.
const FREE: u32 = 0;
/// References of an entry that is being filled or emptied: one below the first reference.
const TAKEN: u32 = 1;

/// One structure. All zero while it is free.
struct Entry {
    /// [`FREE`], or [`TAKEN`] and the references there are.
    references: AtomicU32,
    kind: AtomicU32,
    /// Never given twice, and later ones are greater; 0 while the other fields are not to be read.
    stamp: AtomicU64,
    frame: AtomicU64,
    time_ns: AtomicU64,
    /// Always a static place, or null.
    place: AtomicPtr<Location<'static>>,
    /// The tag's, to be compared only.
    ledger: AtomicPtr<Ledger>,
    tag: AtomicUsize,
    committed: AtomicUsize,
    /// Of a heap: figures of its own that come to what it has committed, in place of `committed`. Null, or there as long as
    /// [`LENT`] is held.
    #[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
    lent: [AtomicPtr<AtomicUsize>; 2],
}

/// Held to read, or to take back, what entries were lent.
#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
static LENT: crate::base::sync::Lock<()> = crate::base::sync::Lock::new(());

impl Entry {
    const fn new() -> Self {
        Self {
            references: AtomicU32::new(FREE),
            kind: AtomicU32::new(0),
            stamp: AtomicU64::new(0),
            frame: AtomicU64::new(0),
            time_ns: AtomicU64::new(0),
            place: AtomicPtr::new(core::ptr::null_mut()),
            ledger: AtomicPtr::new(core::ptr::null_mut()),
            tag: AtomicUsize::new(0),
            committed: AtomicUsize::new(0),
            #[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
            lent: [const { AtomicPtr::new(core::ptr::null_mut()) }; 2],
        }
    }

    fn committed(&self) -> usize {
        #[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
        {
            let _held = LENT.lock();
            // SAFETY: null, or figures that are there as long as the lock is held.
            let lent = self.lent.each_ref().map(|figure| unsafe { figure.load(Ordering::Relaxed).as_ref() });
            if let [Some(one), Some(other)] = lent {
                return one.load(Ordering::Relaxed).wrapping_add(other.load(Ordering::Relaxed));
            }
        }
        self.committed.load(Ordering::Relaxed)
    }

    /// What it says of a structure of this ledger; `None` if it is none's, or became another's meanwhile.
    fn read(&self, ledger: &'static Ledger) -> Option<Origin> {
        // Acquire: what was written before it.
        let stamp = self.stamp.load(Ordering::Acquire);
        if stamp == 0 || !core::ptr::eq(self.ledger.load(Ordering::Relaxed), ledger) {
            return None;
        }
        let kind = NAMES[self.kind.load(Ordering::Relaxed) as usize % NAMES.len()];
        let (frame, time_ns) = (self.frame.load(Ordering::Relaxed), self.time_ns.load(Ordering::Relaxed));
        let (tag, committed) = (ledger.at(self.tag.load(Ordering::Relaxed))?, self.committed());
        // SAFETY: null or a static place, whoever's the entry is.
        let place = unsafe { self.place.load(Ordering::Relaxed).as_ref() }?;
        // Whoever wrote any of that after another structure had gone has made the stamp another one before: see `take`.
        fence(Ordering::Acquire);
        (self.stamp.load(Ordering::Relaxed) == stamp).then_some(Origin {
            stamp,
            kind,
            place,
            tag,
            frame,
            time_ns,
            committed,
        })
    }
}

/// What is known of a structure that lives: see [`each_origin`]. Sizes are bytes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Origin {
    /// No other structure has it; greater than those of structures that were made before.
    pub stamp: u64,
    /// What it is: `frame arena`, `pool`, `heap`, `region` and so on.
    pub kind: &'static str,
    /// Where its constructor was called.
    pub place: &'static Location<'static>,
    /// Whom it is charged to.
    pub tag: Tag,
    /// How many frames had [begun](crate::base::frames) when it was made.
    pub frame: u64,
    /// When it was made, by [`os::monotonic_ns`](crate::os::monotonic_ns).
    pub time_ns: u64,
    /// What it has committed, all of its regions together; of a heap without its own tables. Those of a heap arena are a part of
    /// its heap's.
    pub committed: usize,
}

/// All structures that are known, of up to `N`.
struct List<const N: usize> {
    entries: [Entry; N],
    /// Where to look for a free place first.
    next: AtomicUsize,
    /// Places from here on were never used.
    used: AtomicUsize,
    /// Structures that found no place, since the program began.
    left_out: AtomicU64,
}

impl<const N: usize> List<N> {
    const fn new() -> Self {
        Self {
            entries: [const { Entry::new() }; N],
            next: AtomicUsize::new(0),
            used: AtomicUsize::new(0),
            left_out: AtomicU64::new(0),
        }
    }

    /// An entry with one reference; its place. `None`: all are taken. O(1) while there is room.
    fn take(&self, kind: Kind, tag: Tag, place: &'static Location<'static>) -> Option<usize> {
        let start = self.next.load(Ordering::Relaxed);
        let found = (start..N).chain(0..start.min(N)).find(|place| {
            let references = &self.entries[*place].references;
            references.load(Ordering::Relaxed) == FREE
                // Acquire: whoever had it before has emptied it.
                && references.compare_exchange(FREE, TAKEN + 1, Ordering::Acquire, Ordering::Relaxed).is_ok()
        });
        let Some(at) = found else {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        self.next.store((at + 1) % N, Ordering::Relaxed);
        self.used.fetch_max(at + 1, Ordering::Relaxed);
        let entry = &self.entries[at];
        // Release: who sees one of these sees that the stamp of before is gone.
        fence(Ordering::Release);
        entry.kind.store(kind as u32, Ordering::Relaxed);
        entry.frame.store(frames(), Ordering::Relaxed);
        entry.time_ns.store(os::monotonic_ns(), Ordering::Relaxed);
        entry.place.store(core::ptr::from_ref(place).cast_mut(), Ordering::Relaxed);
        entry.ledger.store(core::ptr::from_ref(tag.ledger()).cast_mut(), Ordering::Relaxed);
        entry.tag.store(tag.place(), Ordering::Relaxed);
        entry.committed.store(0, Ordering::Relaxed);
        entry.stamp.store(next_stamp(), Ordering::Release);
        Some(at)
    }

    /// One reference less.
    fn leave(&self, at: usize) {
        let entry = &self.entries[at];
        // Acquire and release: what others did to it comes before it is emptied.
        if entry.references.fetch_sub(1, Ordering::AcqRel) == TAKEN + 1 {
            entry.stamp.store(0, Ordering::Relaxed);
            entry.references.store(FREE, Ordering::Release);
        }
    }

    fn each(&self, ledger: &'static Ledger, see: impl FnMut(Origin)) {
        let used = self.used.load(Ordering::Relaxed).min(N);
        self.entries[..used].iter().filter_map(|entry| entry.read(ledger)).for_each(see);
    }
}

/// Calls `see` with each structure of a ledger that was made while [`track_origins`] was on and lives; in no order. Allocates
/// nothing, and `see` runs without a lock. Exact while no other thread makes or drops one. O(the most that ever lived at once).
///
/// ```
/// use arenite::region::{each_origin, track_origins};
/// use arenite::{Ledger, Pool, Tag};
///
/// track_origins(true);
/// let bullets: Pool<[f32; 8]> = Pool::try_new(Tag::register("example/bullets")?, 1000)?;
/// each_origin(Ledger::process(), |it| println!("{}: a {} of {} bytes, {}", it.tag, it.kind, it.committed, it.place));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn each_origin(ledger: &'static Ledger, see: impl FnMut(Origin)) {
    LIST.each(ledger, see);
}

/// Structures of all ledgers, since the program began, that were to be remembered and found no place in the list.
#[must_use]
pub fn origins_left_out() -> u64 {
    LIST.left_out.load(Ordering::Relaxed)
}

/// Which entry a structure has, for the options of its regions. Says nothing about whether it still has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id(
    /// The entry's place, or a number that no entry has.
    u32,
);

impl Id {
    /// Nobody has asked for an entry yet.
    pub(super) const UNASKED: Self = Self(u32::MAX);
    /// There is none: nobody wanted it to be remembered, or there was no room.
    pub(super) const NONE: Self = Self(u32::MAX - 1);
}

/// A reference to a structure's entry; to none, if it is not remembered.
#[derive(Debug)]
pub(crate) struct Made(Id);

impl Made {
    pub(crate) const NONE: Self = Self(Id::NONE);

    /// A structure is being made by the caller (of the callers that are `#[track_caller]`).
    #[inline]
    #[track_caller]
    pub(crate) fn here(kind: Kind, tag: Tag) -> Self {
        if TRACKED.load(Ordering::Relaxed) { Self::at(kind, tag, Location::caller()) } else { Self::NONE }
    }

    #[cold]
    #[inline(never)]
    fn at(kind: Kind, tag: Tag, place: &'static Location<'static>) -> Self {
        Self(LIST.take(kind, tag, place).map_or(Id::NONE, |at| Id(at as u32)))
    }

    /// What regions of the structure are told; while there is a reference.
    pub(crate) fn id(&self) -> Id {
        self.0
    }

    /// Another reference: of a structure whose constructor is at work, so that it has one.
    pub(super) fn part_of(id: Id) -> Self {
        if let Some(entry) = entry(id) {
            entry.references.fetch_add(1, Ordering::Relaxed);
        }
        Self(id)
    }

    /// So many bytes more are committed.
    pub(crate) fn grew(&self, bytes: usize) {
        if let Some(entry) = entry(self.0) {
            entry.committed.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// So many bytes less.
    pub(crate) fn shrank(&self, bytes: usize) {
        if let Some(entry) = entry(self.0) {
            entry.committed.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// What is committed, these figures say, which a heap has anyway.
    ///
    /// # Safety
    /// They are there until [`take_back`](Self::take_back) was called, or for ever.
    #[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
    pub(crate) unsafe fn lend(&self, figures: [&AtomicUsize; 2]) {
        if let Some(entry) = entry(self.0) {
            let _held = LENT.lock();
            for (place, figure) in entry.lent.iter().zip(figures) {
                place.store(core::ptr::from_ref(figure).cast_mut(), Ordering::Relaxed);
            }
        }
    }

    /// Nobody reads what was [lent](Self::lend) any more.
    #[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
    pub(crate) fn take_back(&self) {
        if let Some(entry) = entry(self.0) {
            let _held = LENT.lock();
            entry.lent.iter().for_each(|place| place.store(core::ptr::null_mut(), Ordering::Relaxed));
        }
    }

    /// Its memory stays, for nobody to give back: it is told of for ever.
    pub(crate) fn lost(&mut self) {
        self.0 = Id::NONE;
    }
}

/// The entry with this place, if it is one.
#[inline]
fn entry(id: Id) -> Option<&'static Entry> {
    LIST.entries.get(id.0 as usize)
}

impl Drop for Made {
    #[inline]
    fn drop(&mut self) {
        if entry(self.0).is_some() {
            LIST.leave(self.0.0 as usize);
        }
    }
}
