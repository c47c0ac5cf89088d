//! Writing events, on the thread whose they are.
//!
//! ```text
//!   desk::with ─ busy already? leave ─ the thread's log (of those without a number: one log and a lock)
//!     Desk::event ─ room in the segment? ─ the codec writes into it ─ publish its length          ◄── nearly always
//!       begin (cold): another thread had the log; another recording; the segment is full ─► Chains::append
//! ```
#![expect(unsafe_code, reason = "writes to segments, which the writer reads below their published length")]

use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use super::chain::Purpose;
use super::clock;
use super::format::SEGMENT;
use super::format::events::{Memory, ROOM, ROOM_FOR_STACK, ROOM_FOR_TEXT, What};
use super::intern::Found;
use super::room::{Log, Own, Room};
use super::stack::{Caller, Stack, Tables, own_data};
use crate::base::sync::{Lock, Once};
use crate::base::thread::{self, enrolled, row_of};
use crate::ledger::here;
use crate::os::{self, Extent, PageState};

/// The recorder's memory, once a recording was started.
pub(super) static ROOM_OF_ALL: Once<Room> = Once::new();
/// What is remembered of the tables by which stacks are told, once a recording needed it.
pub(super) static TABLES: Once<Tables> = Once::new();
/// The recording that is made now, or was last.
pub(super) static SESSION: AtomicU32 = AtomicU32::new(0);
/// Frames of a stack that are followed.
pub(super) static DEPTH: AtomicU32 = AtomicU32::new(0);
/// Stacks are told by tables of exceptions.
pub(super) static UNWINDS: AtomicBool = AtomicBool::new(false);
/// One block is recorded for so many bytes, on average; 0: every one.
pub(super) static MEAN: AtomicU64 = AtomicU64::new(0);
/// What random numbers are made of: drawn once.
pub(super) static SEED: AtomicU64 = AtomicU64::new(0);
/// Numbers of threads in files; 0 is that of those that can not be told apart.
static THREADS: AtomicU32 = AtomicU32::new(1);
/// Whoever has it writes to the log of those threads.
pub(super) static NAMELESS: Lock<()> = Lock::new(());
/// The most that one thread asks where its stack is. It is asked again as the stack grows, and on another one.
const ASKS: u32 = 1000;
/// No tag was told.
const NONE_TOLD: u32 = u32::MAX;

std::thread_local! {
    /// The recorder's own code runs on this thread.
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// Nothing that this thread does from here on is recorded: it is the recorder's own.
pub(crate) fn leave_out_this_thread() {
    BUSY.set(true);
}

/// The calling thread has this name from now on.
pub(super) fn tell_name() {
    with(|desk| {
        let mut name = [0; 64];
        if let Some(name) = os::thread_name(&mut name) {
            desk.tell(&What::ThreadNamed { name });
        }
    });
}

/// Runs something of which nothing is recorded. Whether this thread was already at such a thing is told, too.
#[inline(always)]
pub(crate) fn quietly<R>(run: impl FnOnce() -> R) -> (R, bool) {
    let was = BUSY.replace(true);
    let answer = run();
    BUSY.set(was);
    (answer, was)
}

/// As [`quietly`], but nothing is run if this thread is already at such a thing.
#[cfg(feature = "tracy")]
#[inline(always)]
pub(crate) fn alone<R>(run: impl FnOnce() -> R) -> Option<R> {
    if BUSY.replace(true) {
        return None;
    }
    let answer = run();
    BUSY.set(false);
    Some(answer)
}

/// Where a thread writes.
pub(super) struct Desk<'a> {
    room: &'a Room,
    row: usize,
    log: &'a Log,
    own: &'a mut Own,
    now: u64,
}

/// Lets the calling thread write events, unless it is doing that already: what the recorder itself asks for is not recorded.
#[inline]
pub(super) fn with(write: impl FnOnce(&mut Desk<'_>)) {
    write_as(enrolled, write);
}

/// As [`with`], without drawing a number for the thread, for which memory may be asked.
pub(super) fn with_as_it_is(write: impl FnOnce(&mut Desk<'_>)) {
    write_as(|| thread::here().me, write);
}

#[inline(always)]
fn write_as(number: impl FnOnce() -> usize, write: impl FnOnce(&mut Desk<'_>)) {
    let Some(room) = ROOM_OF_ALL.get() else { return };
    if BUSY.replace(true) {
        return;
    }
    let number = number();
    let nameless = (number == 0).then(|| NAMELESS.lock());
    let row = row_of(number);
    let log = room.log(row);
    // SAFETY: a row is one thread's, which passes here once at a time, being busy; the first one is that of whoever has the lock.
    // A thread that had it before has ended, which happened before (`enrolled`).
    let own = unsafe { log.own() };
    let mut desk = Desk { room, row, log, own, now: clock::now() };
    if desk.own.session != SESSION.load(Ordering::Relaxed) || desk.own.owner != number {
        desk.arrive(number);
    }
    write(&mut desk);
    drop(nameless);
    BUSY.set(false);
}

/// Another number for each recording.
const fn mix(session: u32) -> u64 {
    (session as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// What random numbers of a recording are made of.
pub(super) fn seed(session: u32) -> u64 {
    SEED.load(Ordering::Relaxed) ^ mix(session)
}

/// The stack that a place is on, from where to where; zeros if the system does not tell.
pub(super) fn stack_around(place: usize) -> (usize, usize) {
    match os::extent(core::ptr::without_provenance(place)) {
        Ok(Extent { start, end, state: PageState::Committed { .. } }) if (start..end).contains(&place) => {
            // Pages of somebody else may follow without a gap, who may give them back.
            let own = own_data();
            (start, if (place..end).contains(&own) { own } else { end })
        }
        _ => (0, 0),
    }
}

impl Desk<'_> {
    /// In a recording, or on a log, that is new to this thread.
    #[cold]
    #[inline(never)]
    fn arrive(&mut self, number: usize) {
        let (own, session) = (&mut *self.own, SESSION.load(Ordering::Relaxed));
        if own.owner != number || own.thread == 0 {
            own.owner = number;
            own.thread = if number == 0 { 0 } else { THREADS.fetch_add(1, Ordering::Relaxed) };
            (own.low, own.high, own.asked) = (0, 0, 0);
        }
        own.session = session;
        own.segments = 0;
        // Hashes of another recording are those of no stack of this one, also if a thread comes late.
        own.mix = mix(session);
        // The last segment is full, whatever is in it.
        own.len = SEGMENT as u32;
        let mut name = [0; 64];
        if number != 0
            && let Some(name) = os::thread_name(&mut name)
        {
            self.tell(&What::ThreadNamed { name });
        }
    }

    /// A new segment. False if there is none.
    #[cold]
    #[inline(never)]
    fn begin(&mut self) -> bool {
        let own = &mut *self.own;
        let purpose =
            Purpose { session: own.session, thread: own.thread, number: own.segments, start: self.now };
        let Some(name) = self.room.chains.append(&self.log.reading, own.segment, purpose) else {
            return false;
        };
        own.memory.restart(self.now);
        (own.segment, own.len, own.tag) = (name, 0, NONE_TOLD);
        own.segments += 1;
        true
    }

    /// Writes an event, if there is room for `N` bytes.
    #[inline(always)]
    fn event<const N: usize>(&mut self, write: impl FnOnce(&mut Memory, &mut [u8; N], u64) -> usize) -> bool {
        if self.own.len as usize + N > SEGMENT && !self.begin() {
            self.lose();
            return false;
        }
        let (own, now) = (&mut *self.own, self.now);
        // SAFETY: `N` bytes within this thread's segment, from where nothing is published yet, so nobody reads them; they are zero,
        // or what an earlier owner wrote.
        let bytes =
            unsafe { self.room.segment(own.segment).add(own.len as usize).cast::<[u8; N]>().as_mut() };
        own.len += write(&mut own.memory, bytes, now) as u32;
        self.room.chains.publish(own.segment, own.len);
        true
    }

    /// There is no room for something that happened.
    #[cold]
    pub(super) fn lose(&mut self) {
        // One writer: its thread. The recorder tells of all of them.
        let lost = &self.log.lost;
        lost.store(lost.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Writes an event that is no stack.
    pub(super) fn tell(&mut self, what: &What<'_>) -> bool {
        self.event::<ROOM_FOR_TEXT>(|memory, bytes, now| memory.write(bytes, now, what))
    }

    /// The number of the stack of those who called there; 0 if it can not be told.
    #[inline(always)]
    fn stack(&mut self, caller: Caller) -> u32 {
        let (depth, seed) =
            (DEPTH.load(Ordering::Relaxed) as usize, SEED.load(Ordering::Relaxed) ^ self.own.mix);
        if depth == 0 {
            return 0;
        }
        let place = caller.place();
        let there = (self.own.low..self.own.high).contains(&place) || self.find_stack(place);
        if UNWINDS.load(Ordering::Relaxed) {
            return self.unwound(caller, there, depth, seed);
        }
        if !there {
            return 0;
        }
        let mut stack = Stack::new(seed);
        // SAFETY: from where this thread stands to the end of the pages that are its stack.
        unsafe { stack.walk(caller, self.own.high, depth) };
        self.number(stack.hash(), || stack.frames().iter().copied())
    }

    /// As [`stack`](Self::stack), without frame pointers. `there`: it is known where the stack is.
    #[inline(never)]
    fn unwound(&mut self, caller: Caller, there: bool, depth: usize, seed: u64) -> u32 {
        let tables = TABLES.get().filter(|_| there);
        // SAFETY: from where this thread stands to the end of the pages that are its stack; the row is this thread's, as its log is, and
        // what it walked before is not in use any more.
        let walked =
            tables.and_then(|tables| unsafe { tables.walk(self.row, caller, self.own.high, depth, seed) });
        match walked {
            Some(walked) => self.number(walked.hash(), || walked.frames()),
            None => self.unwound_by_library(caller, depth, seed),
        }
    }

    #[cold]
    #[inline(never)]
    fn unwound_by_library(&mut self, caller: Caller, depth: usize, seed: u64) -> u32 {
        let stack = Stack::unwind(caller, depth, seed);
        self.number(stack.hash(), || stack.frames().iter().copied())
    }

    /// The number of the stack with this hash.
    #[inline(always)]
    fn number<Frames: ExactSizeIterator<Item = u64>>(
        &mut self,
        hash: u64,
        frames: impl FnOnce() -> Frames,
    ) -> u32 {
        match self.room.numbers.find(hash) {
            Found::Number(number) => number,
            Found::New => self.new_stack(frames(), hash),
            Found::Full => 0,
        }
    }

    #[cold]
    #[inline(never)]
    fn new_stack(&mut self, frames: impl ExactSizeIterator<Item = u64>, hash: u64) -> u32 {
        let Some(number) = self.room.numbers.draw() else { return 0 };
        let told =
            self.event::<ROOM_FOR_STACK>(|memory, bytes, now| memory.write_stack(bytes, now, number, frames));
        if !told {
            return 0;
        }
        self.room.numbers.keep(hash, number).unwrap_or(0)
    }

    /// Asks the system for the stack that a place is on.
    #[cold]
    #[inline(never)]
    fn find_stack(&mut self, place: usize) -> bool {
        let own = &mut *self.own;
        if own.asked >= ASKS {
            return false;
        }
        own.asked += 1;
        (own.low, own.high) = stack_around(place);
        own.high != 0
    }

    /// What the thread asks for is of this tag; if none is given, of the one that it is under.
    #[inline(always)]
    fn tag(&mut self, given: Option<u32>) {
        let tag = given.unwrap_or_else(|| here().tag.map_or(0, |tag| tag.place() as u32 + 1));
        if tag != self.own.tag && self.tell(&What::Tag { tag }) {
            self.own.tag = tag;
        }
    }

    #[inline(always)]
    pub(super) fn alloc(&mut self, address: u64, size: u64, caller: Caller, tag: Option<u32>) {
        let stack = self.stack(caller);
        self.tag(tag);
        self.event::<ROOM>(|memory, bytes, now| memory.write_alloc(bytes, now, address, size, stack));
    }

    #[inline(always)]
    pub(super) fn free(&mut self, address: u64) {
        self.event::<ROOM>(|memory, bytes, now| memory.write_free(bytes, now, address));
    }

    /// As [`free`](Self::free), at a time that has passed.
    #[inline(always)]
    pub(super) fn free_at(&mut self, time: u64, address: u64) {
        let now = self.goes_back(time);
        self.free(address);
        self.now = now;
    }

    /// What is told next has happened at that time, but after what this thread told. Answers what time it is.
    #[inline(always)]
    fn goes_back(&mut self, time: u64) -> u64 {
        let time = time.max(self.own.memory.time());
        core::mem::replace(&mut self.now, time)
    }

    pub(super) fn moved(&mut self, before: u64, address: u64) {
        self.event::<ROOM>(|memory, bytes, now| memory.write_moved(bytes, now, before, address));
    }

    /// `start`: when it was not resized yet.
    #[inline(always)]
    pub(super) fn realloc(&mut self, start: u64, before: u64, address: u64, size: u64, caller: Caller) {
        if address != before {
            // Since then another thread may have got the place, and told so.
            let now = self.goes_back(start);
            self.event::<ROOM>(|memory, bytes, now| memory.write_moving(bytes, now, before));
            self.now = now;
        }
        let stack = self.stack(caller);
        self.event::<ROOM>(|memory, bytes, now| {
            memory.write_realloc(bytes, now, before, address, size, stack)
        });
    }
}
