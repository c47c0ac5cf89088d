//! Starting, pausing and ending recordings, and what allocators and programs tell.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::clock::{self, Moment};
use super::desk::{self, DEPTH, MEAN, ROOM_OF_ALL, SEED, SESSION, TABLES, UNWINDS};
use super::fork;
use super::format::DEEPEST_STACK;
use super::format::events::What;
use super::room::Room;
use super::sample;
use super::sinks;
use super::stack::{Caller, Tables, frame_pointers_do};
use super::writer::{Capture, Written};
use crate::base::recording::{Listener, Resizing};
use crate::base::sync::Lock;
use crate::base::{Bytes, recording};
use crate::heap::bucket;
use crate::ledger::{Ledger, Tag, TagError};
use crate::os;
use crate::region::AllocError;

/// A recording is there, whether it goes on or is paused.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// For pausing and resuming.
pub(super) static CHANGES: Lock<()> = Lock::new(());
/// How long a recording waits for its writer before it begins without.
const PATIENCE: Duration = Duration::from_millis(100);
/// Bytes of the writer's stack, whatever threads have by default.
const STACK: usize = 512 << 10;

/// How to record. Sizes are bytes.
#[derive(Clone, Debug)]
#[must_use]
pub struct RecordOptions {
    path: PathBuf,
    buffer: usize,
    depth: u32,
    stacks: Stacks,
    sample: u64,
}

/// How call stacks are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stacks {
    /// By frame pointers if whoever starts the recording was built with them, else as [`Unwind`](Self::Unwind).
    #[default]
    Automatic,
    /// By frame pointers: two nanoseconds a frame. What was built without them has short stacks, or strange ones. Rust has them with
    /// `-C force-frame-pointers=yes`, C with `-fno-omit-frame-pointer`.
    FramePointers,
    /// From the tables that exceptions need: on Linux (x86-64 and 64-bit Arm) some nanoseconds a frame, and some microseconds for each
    /// call that was not met before; elsewhere, and in code whose tables were made while the program runs, by the unwinding library,
    /// some hundred nanoseconds a frame. Unix, and Windows on x86-64.
    Unwind,
}

impl RecordOptions {
    /// Records into a file at this path, which is replaced. Events wait in at most 32 MiB for being written; stacks are followed
    /// through 64 frames.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), buffer: 32 << 20, depth: 64, stacks: Stacks::Automatic, sample: 0 }
    }

    /// So much memory for events that wait for being written, in steps of 64 KiB; what finds no room is dropped, and counted. Each
    /// thread takes 64 KiB at a time. The first recording of a process decides.
    pub const fn buffer(mut self, bytes: usize) -> Self {
        self.buffer = bytes;
        self
    }

    /// Follows call stacks through at most so many frames, 128 at the most; 0 to record none.
    pub const fn stack_depth(mut self, frames: u32) -> Self {
        self.depth = if frames > DEEPEST_STACK as u32 { DEEPEST_STACK as u32 } else { frames };
        self
    }

    /// Records one block for so many bytes that are asked for, on average: for games that are shipped, 512 KiB. Which ones is left to
    /// chance, so that sums of them tell of all, as far as chance allows; a reader says how far. 0 records every block, as without this.
    ///
    /// At most 65,536 recorded blocks live at a time; further ones are lost, and counted as such.
    pub const fn sample(mut self, bytes: u64) -> Self {
        self.sample = bytes;
        self
    }

    /// How call stacks are found.
    pub const fn stacks(mut self, how: Stacks) -> Self {
        self.stacks = how;
        self
    }
}

/// Why nothing is recorded, or not all of it was written.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecordError {
    /// A recording is made already: there is one at a time.
    Busy,
    /// No memory for events.
    Memory(AllocError),
    /// The tag `recorder`, to which that is charged, can not be registered.
    Tag(TagError),
    /// The file could not be made or written to. What was written before can be read.
    File {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The thread that writes could not be started, or did not come to its end.
    Thread(Option<io::Error>),
    /// The process is a fork of the one that began the recording, which goes on there.
    Forked,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => {
                f.write_str("a recording is being made already, and there is one at a time: stop it first")
            }
            Self::Memory(error) => write!(f, "no memory for a recording: {error}"),
            Self::Tag(error) => write!(f, "the tag `recorder` can not be registered: {error}"),
            Self::File { path, error } => {
                write!(f, "the recording can not be written to {}: {error}", path.display())
            }
            Self::Thread(Some(error)) => {
                write!(f, "the thread that writes recordings can not be started: {error}")
            }
            Self::Thread(None) => f.write_str("the thread that writes recordings has panicked"),
            Self::Forked => {
                f.write_str("the recording is that of the process which this one was forked from")
            }
        }
    }
}

impl std::error::Error for RecordError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Memory(error) => Some(error),
            Self::Tag(error) => Some(error),
            Self::File { error, .. } | Self::Thread(Some(error)) => Some(error),
            Self::Busy | Self::Thread(None) | Self::Forked => None,
        }
    }
}

/// What a recording came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordSummary {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of its events before they were compressed.
    pub event_bytes: u64,
    /// Different call stacks.
    pub stacks: u32,
    /// Events that were dropped, because they were not written to the file in time.
    pub lost: u64,
}

impl fmt::Display for RecordSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file_bytes, stacks, lost, .. } = *self;
        write!(f, "{} recorded, {stacks} call stacks", Bytes(file_bytes as usize))?;
        if lost > 0 {
            write!(f, "; {lost} events were dropped")?;
        }
        Ok(())
    }
}

/// A recording that is being made. Dropping it ends it, too, and says nothing of errors.
///
/// When the process forks, it goes on in the parent. The child records nothing, and has a `Recording` that does nothing; it may
/// [start](start) one of its own.
#[derive(Debug)]
#[must_use = "dropping it ends the recording"]
pub struct Recording {
    path: PathBuf,
    /// The process that it is of.
    process: u32,
    shared: Arc<Shared>,
    writer: Option<JoinHandle<io::Result<Written>>>,
    lost_before: u64,
}

/// What a recording and its writer tell each other.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The writer is there, and what it does is left out.
    there: AtomicBool,
    /// No more events are coming.
    pub(super) ends: AtomicBool,
    /// The writer is there no longer: it could not write. Changed under the lock of [`CHANGES`].
    gone: AtomicBool,
}

impl Shared {
    /// Nothing more is recorded: nobody writes it down.
    pub(super) fn give_up(&self) {
        let _changes = CHANGES.lock();
        self.gone.store(true, Ordering::Relaxed);
        recording::switch(Listener::Recorder, false);
    }
}

/// Begins to record: every allocation, reallocation and free that the program makes through [`GlobalHeap`](crate::GlobalHeap) and [`Heap`](crate::Heap)
/// from now on, on every thread, with its size, its tag and its call stack. A thread of its own writes the file.
///
/// Memory for the recorder is charged to the tag `recorder`, and stays when a recording ends, for the next one. What lived before is
/// told of in sums only.
///
/// # Errors
/// [`RecordError`]; nothing is recorded then.
pub fn start(options: RecordOptions) -> Result<Recording, RecordError> {
    if TAKEN.swap(true, Ordering::Acquire) {
        return Err(RecordError::Busy);
    }
    let started = try_start(options);
    if started.is_err() {
        TAKEN.store(false, Ordering::Release);
    }
    started
}

fn try_start(options: RecordOptions) -> Result<Recording, RecordError> {
    let room = match ROOM_OF_ALL.get() {
        Some(room) => room,
        None => {
            let room = Room::try_new(own_tag()?, options.buffer).map_err(RecordError::Memory)?;
            // Nobody else is here: one recording at a time.
            ROOM_OF_ALL.set(room).unwrap_or_else(|_| unreachable!("one recording at a time"))
        }
    };
    clock::choose();
    let began = Moment::now();
    let session = SESSION.load(Ordering::Relaxed).wrapping_add(1);
    let path = options.path;
    let capture = Capture::create(&path, room, session, began, options.sample)
        .map_err(|error| RecordError::File { path: path.clone(), error })?;
    room.numbers.clear();
    room.chosen.begin(options.sample == 0);
    sample::begin(if options.sample == 0 { None } else { Some(session) });
    // A hardened heap does not tell of blocks by itself.
    recording::ask_for_frees(options.sample == 0 || bucket::is_hardened());
    // What tags had in use before is not of this recording.
    Ledger::process().take_recent_live();
    MEAN.store(options.sample, Ordering::Relaxed);
    if SEED.load(Ordering::Relaxed) == 0 {
        SEED.store(os::entropy(), Ordering::Relaxed);
    }
    DEPTH.store(options.depth, Ordering::Relaxed);
    let unwinds = match options.stacks {
        Stacks::Automatic => !frame_pointers_do(|place| desk::stack_around(place).1),
        Stacks::FramePointers => false,
        Stacks::Unwind => true,
    };
    if unwinds {
        know_tables()?;
    }
    UNWINDS.store(unwinds, Ordering::Relaxed);
    SESSION.store(session, Ordering::Relaxed);
    let shared = Arc::new(Shared::default());
    let writer = {
        let shared = shared.clone();
        let thread = Builder::new().name("arenite recorder".into()).stack_size(STACK);
        // Signals are the program's, which may wait for them on a thread of its own, and block them on all others that it knows of. And a
        // file that would become too large is told by an error then, and by no signal.
        os::without_signals(|| {
            thread.spawn(move || {
                desk::leave_out_this_thread();
                shared.there.store(true, Ordering::Release);
                capture.write(&shared)
            })
        })
    };
    let writer = writer.map_err(|error| RecordError::Thread(Some(error)))?;
    // What a thread needs to begin is none of the program's. But who starts a recording while the dynamic linker loads a library has a
    // lock that a new thread may want: it is not waited for without end.
    let since = Instant::now();
    while !shared.there.load(Ordering::Acquire) && since.elapsed() < PATIENCE {
        thread::sleep(Duration::from_micros(20));
    }
    sinks::listen();
    fork::look_out();
    let lost_before = room.lost();
    {
        let _changes = CHANGES.lock();
        // The writer may have found out already that it can not write, as `stop` will say.
        if !shared.gone.load(Ordering::Relaxed) {
            recording::switch(Listener::Recorder, true);
        }
    }
    tell_what_lives();
    Ok(Recording { path, process: std::process::id(), shared, writer: Some(writer), lost_before })
}

/// What the recorder's memory is charged to.
fn own_tag() -> Result<Tag, RecordError> {
    Tag::register("recorder").map_err(RecordError::Tag)
}

/// Stacks can be told by tables from here on, of the modules that are loaded now.
fn know_tables() -> Result<(), RecordError> {
    let tables = match TABLES.get() {
        Some(tables) => tables,
        None => {
            let tables = Tables::try_new(own_tag()?).map_err(RecordError::Memory)?;
            // Nobody else is here: one recording at a time.
            TABLES.set(tables).unwrap_or_else(|_| unreachable!("one recording at a time"))
        }
    };
    // What was remembered is of an earlier recording, since when modules may have come and gone.
    tables.forget();
    Ok(())
}

/// What the general heap has before anything is recorded.
fn tell_what_lives() {
    desk::with(|desk| {
        for (tag, figures) in bucket::by_tag() {
            if figures.live > 0 {
                let tag = tag.place() as u32 + 1;
                desk.tell(&What::Before { tag, blocks: figures.live, bytes: figures.live_bytes });
            }
        }
        for tag in Ledger::process().tags() {
            let bytes = tag.account().own.committed as i64;
            if bytes > 0 {
                desk.tell(&What::Committed { tag: tag.place() as u32 + 1, bytes });
            }
        }
    });
}

/// Memory was committed under a tag, or given back. Allocators call this from their inside: nothing is asked of them.
pub(super) fn committed(tag: Tag, bytes: i64) {
    if is_on() && core::ptr::eq(tag.ledger(), Ledger::process()) {
        desk::with_as_it_is(|desk| {
            desk.tell(&What::Committed { tag: tag.place() as u32 + 1, bytes });
        });
    }
}

/// The number of a tag, for which blocks of heaps are recorded; none, if it is of another ledger than the process's.
fn number_of(tag: Tag) -> u32 {
    if core::ptr::eq(tag.ledger(), Ledger::process()) { tag.place() as u32 + 1 } else { 0 }
}

/// The process is a fork's child: nobody here writes down what is told. Another recording may begin.
pub(super) fn forget() {
    recording::switch(Listener::Recorder, false);
    TAKEN.store(false, Ordering::Release);
}

impl Recording {
    /// Where it is written to.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records nothing until [`resume`](Self::resume). Blocks that are freed meanwhile, or moved by their heap, look as if they lived on
    /// where they were, until another block has their place.
    pub fn pause(&self) {
        let _changes = CHANGES.lock();
        if self.is_of_this_process() && recording::switch(Listener::Recorder, false) {
            tell(&What::Paused);
        }
    }

    /// Goes on after [`pause`](Self::pause). Not if the file can not be written any more, as [`stop`](Self::stop) will say.
    pub fn resume(&self) {
        let _changes = CHANGES.lock();
        if self.is_of_this_process() && !is_on() && !self.shared.gone.load(Ordering::Relaxed) {
            tell(&What::Resumed);
            recording::switch(Listener::Recorder, true);
        }
    }

    fn is_of_this_process(&self) -> bool {
        self.process == std::process::id()
    }

    /// Ends the recording and waits until all of it is written.
    ///
    /// # Errors
    /// [`RecordError::File`] if not all of it could be written; what was written can be read. [`RecordError::Forked`] in a child of the
    /// process that began it.
    pub fn stop(mut self) -> Result<RecordSummary, RecordError> {
        self.end()
    }

    fn end(&mut self) -> Result<RecordSummary, RecordError> {
        let Some(writer) = self.writer.take() else { return Ok(RecordSummary::default()) };
        if !self.is_of_this_process() {
            // There is no such thread here: it can be neither joined nor detached.
            core::mem::forget(writer);
            return Err(RecordError::Forked);
        }
        recording::switch(Listener::Recorder, false);
        self.shared.ends.store(true, Ordering::Release);
        writer.thread().unpark();
        let written = writer.join();
        let room = ROOM_OF_ALL.get();
        let stacks = room.map_or(0, |room| room.numbers.given());
        let lost = room.map_or(0, Room::lost);
        TAKEN.store(false, Ordering::Release);
        match written {
            Ok(Ok(Written { file_bytes, event_bytes })) => {
                Ok(RecordSummary { file_bytes, event_bytes, stacks, lost: lost - self.lost_before })
            }
            Ok(Err(error)) => Err(RecordError::File { path: self.path.clone(), error }),
            Err(_) => Err(RecordError::Thread(None)),
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Whether allocations are recorded at this moment.
#[inline(always)]
#[must_use]
pub fn is_on() -> bool {
    recording::listens(Listener::Recorder)
}

/// For events that are told in a pause, too.
fn tell(what: &What<'_>) {
    desk::with(|desk| {
        desk.tell(what);
    });
}

/// Tells something, if a recording is made at this moment.
pub(super) fn tell_if_on(what: &What<'_>) {
    if is_on() {
        tell(what);
    }
}

/// What arenas of a tag have handed out in the frame that ends.
pub(crate) fn used(tag: Tag, bytes: usize) {
    if is_on() && bytes > 0 && number_of(tag) != 0 {
        tell(&What::Used { tag: number_of(tag), bytes: bytes as u64 });
    }
}

/// What tags had in use in the frame that ends, as it was published; of those that had something else in the frame before.
pub(crate) fn high_waters() {
    static TOLD: Lock<(u32, [usize; Ledger::CAPACITY])> = Lock::new((0, [0; Ledger::CAPACITY]));
    if !is_on() {
        return;
    }
    // Another frame ends as well: what this one had is told with it, or in the next one.
    let Some(mut told) = TOLD.try_lock() else { return };
    let ledger = Ledger::process();
    let recent = ledger.take_recent_live();
    let session = SESSION.load(Ordering::Relaxed);
    if told.0 != session {
        *told = (session, [0; Ledger::CAPACITY]);
    }
    for (place, bytes) in recent.into_iter().enumerate().take(ledger.len()) {
        if core::mem::replace(&mut told.1[place], bytes) != bytes {
            tell(&What::HighWater { tag: place as u32 + 1, bytes: bytes as u64 });
        }
    }
}

/// A block was handed out, to those who called there, under the tag given or the thread's.
#[inline(always)]
pub(super) fn allocated(address: usize, size: usize, caller: Caller, tag: Option<Tag>) {
    if chooses(size) {
        tell_of_chosen(address, size, caller, tag);
    }
}

/// Whether a block of so many bytes, which is asked for now, is one of those that are recorded.
#[inline(always)]
pub(super) fn chooses(size: usize) -> bool {
    !passes(size) && !passes_now(size)
}

/// Whether a block of so many bytes, which is asked for now, is none of the sample, as is seen at a glance: all that a sample costs most
/// blocks. If so it is not asked about again. If not, nothing is decided.
#[inline(always)]
pub(super) fn passes(size: usize) -> bool {
    sample::passes(size as u64)
}

/// Whether it is none of the sample, if one is recorded, as [`passes`] could not tell.
#[cold]
#[inline(never)]
fn passes_now(size: usize) -> bool {
    let mean = MEAN.load(Ordering::Relaxed);
    mean != 0 && !sample::rings_now(size as u64, mean, SESSION.load(Ordering::Relaxed))
}

/// A block is one of those that are recorded. Out of line: what a sample leaves out shall not save registers for it.
#[inline(never)]
pub(super) fn tell_of_chosen(address: usize, size: usize, caller: Caller, tag: Option<Tag>) {
    let tag = tag.map(number_of);
    let (address, size) = (address as u64, size as u64);
    let listed = MEAN.load(Ordering::Relaxed) == 0
        || ROOM_OF_ALL.get().is_some_and(|room| room.chosen.insert(address));
    desk::with(|desk| if listed { desk.alloc(address, size, caller, tag) } else { desk.lose() });
}

/// A block is about to be given back.
#[inline(always)]
pub(super) fn freed(address: usize) {
    if !passes_free(address) {
        freed_chosen(address);
    }
}

/// Whether a block that is given back is certainly none of the sample, if one is recorded, as is seen at a glance.
#[inline(always)]
pub(super) fn passes_free(address: usize) -> bool {
    sample::passes_free(address as u64)
}

#[inline(never)]
fn freed_chosen(address: usize) {
    if MEAN.load(Ordering::Relaxed) != 0 && !no_longer_sampled(address as u64) {
        return;
    }
    desk::with(|desk| desk.free(address as u64));
}

/// The general heap is about to take a block back that was recorded in this sample, or an earlier one.
pub(super) fn apart_freed(address: usize) {
    // If whoever gives it back has told, it is not listed any more. In a pause it is taken off the list, and not told.
    if no_longer_sampled(address as u64) && is_on() {
        desk::with(|desk| desk.free(address as u64));
    }
}

/// Takes a block off the list of the sample; whether it was there.
#[inline(always)]
fn no_longer_sampled(address: u64) -> bool {
    !sample::passes_free(address) && ROOM_OF_ALL.get().is_some_and(|room| room.chosen.remove(address))
}

/// A block is about to get another size. Where it is now another thread's may be before it is told how this one ends.
#[inline(always)]
pub(super) fn resizing(resizing: &mut Resizing, address: usize) {
    // Otherwise nobody will ask when.
    if !passes_free(address) {
        resizing_chosen(resizing, address);
    }
}

#[inline(never)]
fn resizing_chosen(resizing: &mut Resizing, address: usize) {
    resizing.chosen = MEAN.load(Ordering::Relaxed) != 0 && no_longer_sampled(address as u64);
    resizing.time = clock::now();
}

/// A block has not got another size: it is as it was.
pub(super) fn stays(resizing: Resizing, address: usize) {
    if resizing.chosen && !ROOM_OF_ALL.get().is_some_and(|room| room.chosen.insert(address as u64)) {
        // No room in the list any more: for the recording it goes.
        desk::with(|desk| desk.free(address as u64));
    }
}

/// A heap put a block elsewhere.
pub(super) fn moved(before: usize, address: usize) {
    let (before, address) = (before as u64, address as u64);
    if MEAN.load(Ordering::Relaxed) != 0 {
        if !no_longer_sampled(before) {
            return;
        }
        if !ROOM_OF_ALL.get().is_some_and(|room| room.chosen.insert(address)) {
            // No room in the list any more: for the recording it goes.
            desk::with(|desk| desk.free(before));
            return;
        }
    }
    desk::with(|desk| desk.moved(before, address));
}

/// A block has got another size.
#[inline(always)]
pub(super) fn resized(
    resizing: Resizing,
    before: usize,
    address: usize,
    size: usize,
    caller: Caller,
    tag: Option<Tag>,
) {
    if MEAN.load(Ordering::Relaxed) != 0 {
        // Each of both is in the sample, or not.
        left(resizing, before);
        return allocated(address, size, caller, tag);
    }
    tell_of_resized(resizing.time, before, address, size, caller);
}

/// A block is not what it was any more: if it was in the sample, it is told to have gone.
#[inline(always)]
pub(super) fn left(resizing: Resizing, before: usize) {
    if resizing.chosen {
        tell_of_leaving(resizing.time, before);
    }
}

#[inline(never)]
fn tell_of_leaving(time: u64, before: usize) {
    desk::with(|desk| desk.free_at(time, before as u64));
}

#[inline(never)]
fn tell_of_resized(time: u64, before: usize, address: usize, size: usize, caller: Caller) {
    desk::with(|desk| desk.realloc(time, before as u64, address as u64, size as u64, caller));
}
