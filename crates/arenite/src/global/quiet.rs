//! What a piece of code asks the general heap for, on its own thread: for tests, CI gates and the frame policy.
//!
//! Two allocators count by thread: a [`TrackingAllocator`](super::TrackingAllocator) notes each call, and the first one while
//! somebody watches; [`GlobalHeap`](super::GlobalHeap) has the counters of its size classes, by tag. Which of them is the
//! program's allocator is found out by allocating once.

use core::fmt;
use core::hint::black_box;
use core::panic::Location;

use super::calls::{self, Asked, Offence};
use crate::base::Bytes;
use crate::base::sync::{AtomicU8, Ordering};
use crate::heap::bucket::{self, StdThreads};
use crate::ledger::{Ledger, Tag};

/// Who counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A `TrackingAllocator`, over whatever it is.
    Tracking,
    /// `GlobalHeap` by itself.
    Heap,
}

/// The program's allocator, if it counts. Allocates once; remembers a positive answer.
pub(crate) fn source() -> Option<Source> {
    const UNKNOWN: u8 = 0;
    const TRACKING: u8 = 1;
    static FOUND: AtomicU8 = AtomicU8::new(UNKNOWN);
    match FOUND.load(Ordering::Relaxed) {
        UNKNOWN => {}
        TRACKING => return Some(Source::Tracking),
        _ => return Some(Source::Heap),
    }
    let around = calls::watch();
    let before = (calls::asked(), taken());
    drop(black_box(std::boxed::Box::new(black_box(0u64))));
    calls::unwatch(around);
    let found = match (calls::asked() != before.0, taken() != before.1) {
        (true, _) => Source::Tracking,
        (false, true) => Source::Heap,
        (false, false) => return None,
    };
    FOUND.store(if found == Source::Tracking { TRACKING } else { TRACKING + 1 }, Ordering::Relaxed);
    Some(found)
}

/// Blocks that the calling thread has taken from our heap, all tags.
fn taken() -> Asked {
    let mut sum = Asked::default();
    bucket::each_taken::<StdThreads>(|_, calls, bytes| {
        sum.calls = sum.calls.wrapping_add(calls);
        sum.bytes = sum.bytes.wrapping_add(bytes);
    });
    sum
}

fn asked(source: Source) -> Asked {
    match source {
        Source::Tracking => calls::asked(),
        Source::Heap => taken(),
    }
}

/// What the calling thread asks for from its making to its end. Keep it on the thread that made it.
#[derive(Debug)]
pub(crate) struct Watch {
    source: Source,
    start: Asked,
    /// What a watch around this one had seen.
    before: Option<Offence>,
    /// Blocks taken from our heap, by the place of their tag.
    by_tag: [u64; Ledger::CAPACITY],
    thread: std::thread::ThreadId,
    ended: bool,
}

/// What a [`Watch`] has seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise {
    pub(crate) calls: u64,
    bytes: u64,
    source: Source,
    first: Option<Offence>,
    /// Of our heap: under which tag most of them were.
    loudest: Option<Tag>,
}

impl Watch {
    #[inline(never)]
    pub(crate) fn begin(source: Source) -> Self {
        let mut by_tag = [0; Ledger::CAPACITY];
        // Asking which thread this is may allocate, once a thread: before anything is counted.
        let thread = std::thread::current().id();
        if source == Source::Heap {
            // What a thread takes over with its first block has figures of those that ended.
            bucket::arrive::<StdThreads>();
            bucket::each_taken::<StdThreads>(|tag, calls, _| by_tag[tag.place()] = calls);
        }
        let before = calls::watch();
        Self { source, start: asked(source), before, by_tag, thread, ended: false }
    }

    /// What was asked for since it began. None: it is ended on another thread, of which it knows nothing.
    pub(crate) fn end(mut self) -> Option<Noise> {
        let end = asked(self.source);
        let first = self.close()?;
        let mut loudest: Option<(u64, Tag)> = None;
        if self.source == Source::Heap {
            bucket::each_taken::<StdThreads>(|tag, calls, _| {
                let more = calls.wrapping_sub(self.by_tag[tag.place()]);
                if more > loudest.map_or(0, |(most, _)| most) {
                    loudest = Some((more, tag));
                }
            });
        }
        Some(Noise {
            calls: end.calls.wrapping_sub(self.start.calls),
            bytes: end.bytes.wrapping_sub(self.start.bytes),
            source: self.source,
            first,
            loudest: loudest.map(|(_, tag)| tag),
        })
    }

    fn close(&mut self) -> Option<Option<Offence>> {
        self.ended = true;
        (std::thread::current().id() == self.thread).then(|| calls::unwatch(self.before))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended {
            self.close();
        }
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = Bytes(usize::try_from(self.bytes).unwrap_or(usize::MAX));
        write!(f, "{} allocation{} of {bytes}", self.calls, if self.calls == 1 { "" } else { "s" })?;
        match (self.source, &self.first) {
            (Source::Tracking, Some(first)) => {
                let (size, align) = (first.layout.size(), first.layout.align());
                let tag = first.tag.map_or("untagged", Tag::name);
                write!(f, ", the first {size} bytes aligned to {align} under tag `{tag}`")?;
                first.site.map_or(Ok(()), |site| write!(f, " (scope opened at {site})"))
            }
            _ => {
                let tag = self.loudest.map_or("untagged", Tag::name);
                write!(f, " as the heap rounds sizes, most of them under tag `{tag}`")
            }
        }
    }
}

/// What a piece of code asked the general heap for; made by [`thread_allocations`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThreadAllocations {
    /// Blocks asked for. With a `TrackingAllocator` each resize is one, with `GlobalHeap` by itself only one that moves.
    pub calls: u64,
    /// Their bytes: as asked for with a `TrackingAllocator`, rounded to the heap's classes with `GlobalHeap` by itself.
    pub bytes: u64,
}

/// Calls `work` and tells what the calling thread asked the general heap for meanwhile; what other threads do does not
/// count. `None`: no counting allocator is installed.
pub fn thread_allocations<R>(work: impl FnOnce() -> R) -> (R, Option<ThreadAllocations>) {
    let watch = source().map(Watch::begin);
    let answer = work();
    let noise = watch.and_then(Watch::end);
    (answer, noise.map(|noise| ThreadAllocations { calls: noise.calls, bytes: noise.bytes }))
}

/// Calls `work`, which must not ask the general heap for memory on this thread: a test for hot paths. Freeing is allowed.
///
/// What other threads do does not count, so tests that use it may run in parallel. The program's allocator must be
/// [`GlobalHeap`](super::GlobalHeap) or a [`TrackingAllocator`](super::TrackingAllocator), in debug and in release builds
/// alike.
///
/// ```
/// use std::alloc::System;
///
/// use arenite::{TrackingAllocator, no_alloc};
///
/// #[global_allocator]
/// static GLOBAL: TrackingAllocator<System> = TrackingAllocator::new(System);
///
/// let mut list = Vec::with_capacity(100);
/// no_alloc(|| list.extend(0..100));
/// let told = std::panic::catch_unwind(move || no_alloc(|| list.push(100))).unwrap_err();
/// let told = told.downcast_ref::<String>().unwrap();
/// assert!(told.contains("1 allocation"), "{told}");
/// ```
///
/// # Panics
/// It did, and this says how often, how much, and under which tag; or no counting allocator is installed, so that nothing
/// could be found.
#[track_caller]
pub fn no_alloc<R>(work: impl FnOnce() -> R) -> R {
    let (answer, noise) = watched("no_alloc", work);
    if let Some(noise) = noise.filter(|noise| noise.calls != 0) {
        panic!("no_alloc: {noise}");
    }
    answer
}

/// Calls `work`, which may ask the general heap for at most `calls` blocks of together at most `bytes` bytes on this
/// thread; see [`no_alloc`] for what counts, and [`ThreadAllocations`] for how.
///
/// # Panics
/// It asked for more, and this says for how much; or no counting allocator is installed.
#[track_caller]
pub fn max_alloc<R>(bytes: u64, calls: u64, work: impl FnOnce() -> R) -> R {
    let (answer, noise) = watched("max_alloc", work);
    if let Some(noise) = noise.filter(|noise| noise.calls > calls || noise.bytes > bytes) {
        let most = Bytes(usize::try_from(bytes).unwrap_or(usize::MAX));
        panic!("max_alloc: {noise}; allowed are {calls} of {most}");
    }
    answer
}

#[track_caller]
fn watched<R>(who: &str, work: impl FnOnce() -> R) -> (R, Option<Noise>) {
    let Some(source) = source() else { not_installed(who, Location::caller()) };
    let watch = Watch::begin(source);
    let answer = work();
    (answer, watch.end())
}

#[cold]
pub(crate) fn not_installed(who: &str, asked_at: &Location<'_>) -> ! {
    panic!(
        "{who} at {asked_at}: no counting allocator is installed, so nothing can be found; make `GlobalHeap` or a \
         `TrackingAllocator` the program's `#[global_allocator]`"
    );
}

/// Asserts that code does not allocate on its thread, and gives its value: [`no_alloc`](crate::no_alloc) as a macro.
///
/// ```
/// # use std::alloc::System;
/// # #[global_allocator]
/// # static GLOBAL: arenite::TrackingAllocator<System> = arenite::TrackingAllocator::new(System);
/// let numbers = [3, 1, 2];
/// let most = arenite::assert_no_alloc!(numbers.iter().max());
/// assert_eq!(most, Some(&3));
/// ```
#[macro_export]
macro_rules! assert_no_alloc {
    ($($work:tt)*) => {
        $crate::no_alloc(|| { $($work)* })
    };
}

/// Asserts that code asks for at most so many bytes in so many blocks on its thread, and gives its value:
/// [`max_alloc`](crate::max_alloc) as a macro.
///
/// ```
/// # use std::alloc::System;
/// # #[global_allocator]
/// # static GLOBAL: arenite::TrackingAllocator<System> = arenite::TrackingAllocator::new(System);
/// let list = arenite::assert_max_alloc!(400, 1, {
///     let mut list = Vec::with_capacity(100);
///     list.extend(0..100u32);
///     list
/// });
/// assert_eq!(list.len(), 100);
/// ```
#[macro_export]
macro_rules! assert_max_alloc {
    ($bytes:expr, $calls:expr, $($work:tt)*) => {
        $crate::max_alloc($bytes, $calls, || { $($work)* })
    };
}
