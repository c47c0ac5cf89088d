//! Tracy (feature `tracy`, 64-bit systems): what the [recorder](crate::record) sees, live in [Tracy's](https://github.com/wolfpld/tracy)
//! profiler.
//!
//! ```no_run
//! use arenite::tracy::{self, TracyOptions};
//!
//! #[global_allocator]
//! static HEAP: arenite::GlobalHeap = arenite::GlobalHeap;
//!
//! let profiling = tracy::start(TracyOptions::new().stack_depth(16))?;
//! // … the game; connect with the profiler, now or later …
//! profiling.stop();
//! # Ok::<(), arenite::tracy::TracyError>(())
//! ```
//!
//! | Tracy shows | which is |
//! |---|---|
//! | a memory pool for each [`Tag`], named as it is | each block of [`GlobalHeap`](crate::GlobalHeap), [`Heap`](crate::Heap) and what [`Recorded`](crate::Recorded) wraps: handed out, given back, with its call stack if [asked for](TracyOptions::stack_depth) |
//! | frames | each frame of a [`MemoryManager`](crate::MemoryManager), or each [`record::frame`] |
//! | plots `<tag>: committed` and `resident memory` | what tags have committed and the process has in memory, every 80 ms if it changed |
//! | messages | [`record::mark`], in orange, and [`record::note`] |
//!
//! A recording into a file can be made at the same time; neither knows of the other.
//!
//! # Building
//!
//! The feature builds Tracy's client, so it takes a C++ compiler. It is the crate `tracy-client` 0.19, which speaks the protocol of
//! **Tracy 0.14.1**: other versions of the profiler refuse to connect. Its own default features are off (sampling, context switches,
//! broadcasts on the network, the crash handler…). A program that wants one names the crate itself, and cargo builds the client once, with
//! what either wants:
//!
//! ```toml
//! arenite = { version = "0.1", features = ["tracy"] }
//! tracy-client = { version = "0.19", default-features = false, features = ["ondemand", "only-localhost"] }
//! ```
//!
//! - Without `only-localhost` (or `TRACY_ONLY_LOCALHOST=1` in the environment) Tracy listens on all interfaces, port 8086.
//! - Without `ondemand` Tracy keeps everything in memory until a profiler connects: 128 bytes for an allocation and its free.
//! - Without `manual-lifetime` Tracy's client starts before `main`, whether [`start`] is called or not: that takes 0.3 seconds
//!   and some threads. With it, it starts here, and does not end by itself: what the profiler has not got when the process ends is lost.
//! - `TRACY_NO_EXIT=1` in the environment (or `flush-on-exit`): the process waits at its end until a profiler has got everything. Not with
//!   `manual-lifetime`.
//! - On Linux Tracy's client has a `dlclose` of its own, which unloads nothing, so that names of functions stay known.
//!
//! On Windows with the GNU tools the feature builds no client, and [`start`] says so.
//!
//! # What it costs
//!
//! While it is off, what the recorder costs while that is off: two instructions a call. While it is on, some 0.2 to 0.3 microseconds for an
//! allocation and its free, half of it Tracy's; with call stacks some microseconds, by Tracy's own unwinding (`bench/README.md` has figures). All threads meet
//! in Tracy's one lock for events of memory. 32 bytes for each of [`blocks`](TracyOptions::blocks) are reserved under the tag `tracy`, and come
//! into memory as blocks do.
//!
//! # What Tracy can not show
//!
//! - What began before [`start`], or before the profiler connected with `ondemand`. Tracy ends the connection when a block goes that it was not
//!   told of, so such frees are left out.
//! - That a block was resized: it goes and comes, and has another call stack.
//! - More than [`blocks`](TracyOptions::blocks) at a time; further ones are left out, and [counted](Profiling::left_out).
//! - Which frames are the library's: call stacks begin with some functions of this module, and count them.
//! - Frames of arenas, which hand out no blocks: their tags' committed bytes are plotted.
//! - A child of a fork: nothing is told there. (Without `manual-lifetime` Tracy's client waits for its threads when a process exits, and a
//!   child has none: it must replace its program or end by `_exit`.)
//!
//! ```text
//!   mod          start, stop; what `record::sinks` tells
//!     ├─ plots   a thread that looks at what nobody tells
//!     └─ sink    what is told, in which order ─► shown   the blocks that Tracy knows
//!          └─ wire   Tracy's client               names   its texts
//! ```
#![expect(unsafe_code, reason = "makes a table of a region's memory")]

mod names;
mod plots;
mod shown;
mod sink;
#[cfg(test)]
mod tests;
#[cfg(not(all(windows, target_env = "gnu")))]
mod wire;
#[cfg(all(windows, target_env = "gnu"))]
#[path = "no_wire.rs"]
mod wire;

use core::fmt;
use core::mem::ManuallyDrop;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use shown::{Place, Table};
use sink::Sink;
use wire::Live;

use crate::base::recording::{self, Listener, Shown};
use crate::base::sync::Once;
use crate::ledger::{Tag, TagError};
use crate::os;
use crate::record;
use crate::region::{AllocError, Region, RegionOptions};

/// There is a [`Profiling`].
static TAKEN: AtomicBool = AtomicBool::new(false);
/// The process that Tracy's client runs in; 0 before it was started.
static PROCESS: AtomicU32 = AtomicU32::new(0);
/// What is told to Tracy, once that was started. It stays, because threads may be telling something when it is stopped.
static SINK: Once<Sink<Live>> = Once::new();
/// Frames of a call stack that Tracy takes.
const DEEPEST: u32 = 62;

/// What to show.
#[derive(Clone, Debug)]
#[must_use]
pub struct TracyOptions {
    depth: u32,
    blocks: usize,
}

impl TracyOptions {
    /// Blocks without call stacks, a million at a time.
    pub const fn new() -> Self {
        Self { depth: 0, blocks: 1 << 20 }
    }

    /// Each allocation has its call stack, of at most so many frames, 62 at the most. Tracy walks it itself, which takes most of the time.
    pub const fn stack_depth(mut self, frames: u32) -> Self {
        self.depth = if frames > DEEPEST { DEEPEST } else { frames };
        self
    }

    /// At least so many blocks can be known to Tracy at a time; 32 to 64 bytes of address space each. The first start of a process decides.
    pub const fn blocks(mut self, blocks: usize) -> Self {
        self.blocks = blocks;
        self
    }
}

impl Default for TracyOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Why nothing is shown.
#[derive(Debug)]
#[non_exhaustive]
pub enum TracyError {
    /// It is shown already: there is one [`Profiling`] at a time.
    Busy,
    /// No memory for the table of blocks.
    Memory(AllocError),
    /// The tag `tracy`, to which that is charged, can not be registered.
    Tag(TagError),
    /// The thread that shows plots could not be started.
    Thread(io::Error),
    /// Tracy's client runs in the process that this one was forked from.
    Forked,
    /// Tracy's client is not built for this system.
    Unsupported,
}

impl fmt::Display for TracyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("events are shown to Tracy already: stop that first"),
            Self::Memory(error) => write!(f, "no memory to remember blocks in: {error}"),
            Self::Tag(error) => write!(f, "the tag `tracy` can not be registered: {error}"),
            Self::Thread(error) => write!(f, "the thread that shows plots can not be started: {error}"),
            Self::Forked => f.write_str("Tracy's client runs in the process that this one was forked from"),
            Self::Unsupported => f.write_str("Tracy's client is not built for Windows with the GNU tools"),
        }
    }
}

impl std::error::Error for TracyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Memory(error) => Some(error),
            Self::Tag(error) => Some(error),
            Self::Thread(error) => Some(error),
            Self::Busy | Self::Forked | Self::Unsupported => None,
        }
    }
}

/// Events are shown to Tracy. Dropping it ends that, as [`stop`](Self::stop) does. Tracy's client goes on.
#[derive(Debug)]
#[must_use = "dropping it stops showing events"]
pub struct Profiling {
    /// The process that it is of.
    process: u32,
    ends: Arc<AtomicBool>,
    plots: Option<JoinHandle<()>>,
}

/// Begins to show Tracy what happens: see [the module](self). Starts Tracy's client, unless it runs.
///
/// It can be started again after it was stopped. What was freed meanwhile lives on in Tracy until another block has its place.
///
/// # Errors
/// [`TracyError`]; nothing is shown then.
pub fn start(options: TracyOptions) -> Result<Profiling, TracyError> {
    let process = std::process::id();
    if ![0, process].contains(&PROCESS.load(Ordering::Relaxed)) {
        return Err(TracyError::Forked);
    }
    if TAKEN.swap(true, Ordering::Acquire) {
        return Err(TracyError::Busy);
    }
    let started = try_start(options, process);
    if started.is_err() {
        TAKEN.store(false, Ordering::Release);
    }
    started
}

fn try_start(options: TracyOptions, process: u32) -> Result<Profiling, TracyError> {
    let sink = match SINK.get() {
        Some(sink) => sink,
        None => {
            let live = Live::start().ok_or(TracyError::Unsupported)?;
            PROCESS.store(process, Ordering::Relaxed);
            let tag = Tag::register("tracy").map_err(TracyError::Tag)?;
            let table = Table::new(room(tag, options.blocks).map_err(TracyError::Memory)?);
            // Nobody else is here: one start at a time.
            SINK.set(Sink::new(live, table)).unwrap_or_else(|_| unreachable!("one start at a time"))
        }
    };
    // Without memory for that, a child of a fork goes on telling its copy of the client, which nobody reads.
    static FORKS: std::sync::Once = std::sync::Once::new();
    FORKS.call_once(|| {
        let _ = os::around_fork(before_fork, in_parent, in_child);
    });
    sink.wire.set_depth(options.depth);
    let ends = Arc::new(AtomicBool::new(false));
    let plots = plots::show(&sink.wire, ends.clone()).map_err(TracyError::Thread)?;
    record::listen();
    recording::switch(Listener::Tracy, true);
    Ok(Profiling { process, ends, plots: Some(plots) })
}

/// Memory for a table, which stays.
fn room(tag: Tag, blocks: usize) -> Result<&'static mut [Place], AllocError> {
    let places = Table::places(blocks);
    let bytes = places.saturating_mul(size_of::<Place>());
    let mut region = ManuallyDrop::new(Region::try_reserve(RegionOptions::new(tag, bytes).at_least(bytes))?);
    region.try_grow(bytes)?;
    // SAFETY: so much memory begins there, at a page, all zeros, which are free places; it is nobody else's and never given back.
    Ok(unsafe { core::slice::from_raw_parts_mut(region.base().cast().as_ptr(), places) })
}

extern "C" fn before_fork() {
    if let Some(sink) = SINK.get() {
        sink.table.hold();
    }
}

extern "C" fn in_parent() {
    if let Some(sink) = SINK.get() {
        sink.table.let_go();
    }
}

/// It has none of Tracy's threads: nobody takes what it would be told.
extern "C" fn in_child() {
    recording::switch(Listener::Tracy, false);
    in_parent();
}

impl Profiling {
    /// A profiler is connected at this moment.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        SINK.get().is_some_and(|sink| sink.wire.is_connected())
    }

    /// Blocks that Tracy was not told of, because it knew as many as there is [room](TracyOptions::blocks) for; since the first start.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        SINK.get().map_or(0, |sink| sink.table.left_out())
    }

    /// Shows nothing more. Tracy's client goes on sending what it has.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(plots) = self.plots.take() else { return };
        if self.process != std::process::id() {
            // There is no such thread here: it can be neither joined nor detached.
            core::mem::forget(plots);
            return;
        }
        recording::switch(Listener::Tracy, false);
        self.ends.store(true, Ordering::Release);
        plots.thread().unpark();
        // It tells nobody when it panics, and has said so.
        let _ = plots.join();
        TAKEN.store(false, Ordering::Release);
    }
}

impl Drop for Profiling {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether events are shown at this moment.
#[inline(always)]
#[must_use]
pub fn is_on() -> bool {
    recording::listens(Listener::Tracy)
}

/// Runs something with who is told, unless this thread is at such a thing already: nothing is told of what Tracy's client asks for.
#[inline(always)]
fn with<R>(tell: impl FnOnce(&'static Sink<Live>) -> R) -> Option<R> {
    let sink = SINK.get()?;
    record::alone(|| tell(sink))
}

/// A block was handed out, under the tag given or the thread's.
#[inline(never)]
pub(crate) fn allocated(address: usize, size: usize, tag: Option<Tag>) {
    with(|sink| sink.allocated(address, size, tag));
}

/// A block is about to be given back.
#[inline(never)]
pub(crate) fn freed(address: usize) {
    with(|sink| sink.freed(address));
}

/// A block is about to get another size. Answers what Tracy knew of it.
pub(crate) fn resizing(address: usize) -> Option<Shown> {
    with(|sink| sink.resizing(address)).flatten()
}

/// It got it.
pub(crate) fn resized(before: Option<Shown>, address: usize, size: usize, tag: Option<Tag>) {
    with(|sink| sink.resized(before, address, size, tag));
}

/// A heap put a block elsewhere. Tracy knows no such thing: it goes and comes.
pub(crate) fn moved(before: usize, address: usize) {
    with(|sink| {
        let shown = sink.resizing(before);
        sink.stays(shown, address);
    });
}

/// It did not get it.
pub(crate) fn stays(before: Option<Shown>, address: usize) {
    with(|sink| sink.stays(before, address));
}

/// A frame begins.
pub(crate) fn frame() {
    with(|sink| sink.wire.frame());
}

/// See [`record::mark`].
pub(crate) fn mark(text: &str) {
    with(|sink| sink.wire.mark(text));
}

/// See [`record::note`].
pub(crate) fn note(text: &str) {
    with(|sink| sink.wire.note(text));
}
