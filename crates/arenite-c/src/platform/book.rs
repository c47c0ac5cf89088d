//! How many blocks and bytes the program has, and the most it ever had: exact, and nearly free.
//!
//! ```text
//!   told  = what all threads together may have: what they have, and the room they were given beyond that
//!   taking a block (inline):  room -= bytes; below what the seat knows of?  ─► settle
//!   giving one (inline):      room += bytes; more than it may keep?         ─► settle
//! ```
//!
//! Every thread has a *seat*, whose figures it alone writes, by plain loads and stores. As long as all that threads have been told
//! they may have is no more than the peak, nothing they do can raise the peak, and nobody needs to know of it. When that is not so
//! any more, threads are *asked*: each next call of theirs comes to [`Book::settle`], one after the other, until what they have
//! is below the peak again.
//!
//! A thread that is the only one *leads*: it has room beyond the peak, and keeps the least that it ever had left, which says how
//! high it came. When another thread comes, its room is taken back (`owed`) while it may be asleep; it learns of that by its next
//! call. That is why room is written first and read for being asked second, and why the other thread waits for all processors in
//! between ([`meet`]).
//!
//! Blocks that change hands are taken on one seat and given back on another; sums are right.

use core::sync::atomic::{AtomicI64, Ordering, compiler_fence};

use arenite::base::sync::{Guard, Lock};

/// Threads that have a seat at the same time; further ones settle each call.
const SEATS: usize = 256;
/// Bytes that a thread may keep that were given back, before it tells.
const KEEP: i64 = 128 << 10;
/// Room that is given at once: not less than the first, nor more than the second.
const ROOM_LEAST: i64 = 4 << 10;
const ROOM_MOST: i64 = 256 << 10;
/// Room of a thread that leads.
const LEAD: i64 = 1 << 30;
/// In a seat's `keep`: it leads; it is asked to settle.
const LEADS: i64 = i64::MAX;
const ASKED: i64 = i64::MIN;
const NO_SEAT: usize = usize::MAX;

/// A thread's figures. All but `keep` are written by its thread alone, or by nobody.
#[repr(align(64))]
pub(super) struct Seat {
    /// Bytes that the thread may still take before anybody must know.
    room: AtomicI64,
    /// The least that `room` has been since the thread began to lead; otherwise 0.
    least: AtomicI64,
    /// The most that `room` may be; [`LEADS`] or [`ASKED`]. Written under the book's lock.
    keep: AtomicI64,
    /// Blocks taken less blocks given back.
    count: AtomicI64,
    index: usize,
}

impl Seat {
    const fn nobodys() -> Self {
        Self {
            room: AtomicI64::new(0),
            least: AtomicI64::new(0),
            keep: AtomicI64::new(ASKED),
            count: AtomicI64::new(0),
            index: NO_SEAT,
        }
    }

    const fn new(index: usize) -> Self {
        let (room, least, keep, count) =
            (AtomicI64::new(0), AtomicI64::new(0), AtomicI64::new(0), AtomicI64::new(0));
        Self { room, least, keep, count, index }
    }

    /// Whether it is somebody's.
    pub(super) fn is_real(&self) -> bool {
        self.index != NO_SEAT
    }

    #[inline(always)]
    fn change(&self, bytes: i64, blocks: i64) -> (i64, i64) {
        let room = self.room.load(Ordering::Relaxed).wrapping_sub(bytes);
        self.room.store(room, Ordering::Relaxed);
        self.count.store(self.count.load(Ordering::Relaxed).wrapping_add(blocks), Ordering::Relaxed);
        // Written before it is asked whether somebody wants to know; see `meet`.
        compiler_fence(Ordering::SeqCst);
        (room, self.keep.load(Ordering::Relaxed))
    }

    /// Counts a block. `false`: it is counted, and [`Book::took`] is to be called.
    #[inline(always)]
    #[must_use]
    pub(super) fn take(&self, bytes: i64) -> bool {
        let (room, keep) = self.change(bytes, 1);
        // One branch for both: less than the least, or asked.
        (room.wrapping_sub(self.least.load(Ordering::Relaxed)) | keep) >= 0
    }

    /// Counts that a block became so much larger. `false`: it is counted, and [`Book::settle`] is to be called.
    pub(super) fn resize(&self, bytes: i64) -> bool {
        let (room, keep) = self.change(bytes, 0);
        room >= self.least.load(Ordering::Relaxed) && (0..=keep).contains(&room)
    }

    /// Counts a block that came back. `false`: it is counted, and [`Book::settle`] is to be called.
    #[inline(always)]
    #[must_use]
    pub(super) fn give(&self, bytes: i64) -> bool {
        let (room, keep) = self.change(-bytes, -1);
        room <= keep
    }
}

/// Of threads that have none yet, and of those that have ended: every call settles. What is written there nobody reads.
pub(super) static NOBODYS: Seat = Seat::nobodys();
pub(super) static ENDED: Seat = Seat::nobodys();

/// The figures of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) bytes: usize,
    pub(super) peak: usize,
    pub(super) blocks: usize,
}

pub(super) struct Book {
    seats: [Seat; SEATS],
    inner: Lock<Inner>,
}

struct Inner {
    /// What threads have, and the room they have beyond that, but for `owed`.
    told: i64,
    peak: i64,
    /// Blocks of threads without a seat.
    blocks: i64,
    /// Of each seat: room that was taken back without its thread's knowledge.
    owed: [i64; SEATS],
    taken: [bool; SEATS],
    /// Seats that were ever taken are below this one.
    used: usize,
    /// Seats that are taken.
    threads: usize,
    leader: Option<usize>,
    /// Everybody is asked.
    asking: bool,
}

pub(super) static BOOK: Book = Book::new();

impl Book {
    const fn new() -> Self {
        let mut seats = [const { Seat::new(0) }; SEATS];
        let mut index = 0;
        while index < SEATS {
            seats[index].index = index;
            index += 1;
        }
        let inner = Inner {
            told: 0,
            peak: 0,
            blocks: 0,
            owed: [0; SEATS],
            taken: [false; SEATS],
            used: 0,
            threads: 0,
            leader: None,
            asking: false,
        };
        Self { seats, inner: Lock::new(inner) }
    }

    /// A seat for the calling thread, if there is one.
    pub(super) fn claim(&self) -> Option<&Seat> {
        let mut inner = self.inner.lock();
        let index = inner.taken.iter().position(|taken| !taken)?;
        self.end_lead(&mut inner);
        inner.taken[index] = true;
        inner.used = inner.used.max(index + 1);
        inner.threads += 1;
        let seat = &self.seats[index];
        seat.least.store(0, Ordering::Relaxed);
        seat.keep.store(if inner.asking { ASKED } else { KEEP }, Ordering::Relaxed);
        Some(seat)
    }

    /// The seat's thread ends. Its count stays.
    pub(super) fn leave(&self, seat: &Seat) {
        if !seat.is_real() {
            return;
        }
        let mut inner = self.inner.lock();
        if inner.leader == Some(seat.index) {
            self.see_lead(&mut inner, seat);
            inner.leader = None;
        }
        self.take_room(&mut inner, seat);
        inner.taken[seat.index] = false;
        inner.threads -= 1;
    }

    /// A thread's seat answered that it must be looked at after it took a block. `bytes` is what it took.
    #[inline(never)]
    pub(super) fn took(&self, seat: &Seat, bytes: i64) {
        let room = seat.room.load(Ordering::Relaxed);
        // The usual case while a program grows: it leads, and was never so high.
        if seat.keep.load(Ordering::Relaxed) == LEADS && room >= 0 {
            seat.least.store(room, Ordering::Relaxed);
            // It may have been asked meanwhile: then its next call sees that, and its room was what counted.
            return;
        }
        self.settle(seat, bytes);
    }

    /// Brings a seat's figures to everybody's, after it took `bytes`, or gave back so many if that is negative.
    #[cold]
    pub(super) fn settle(&self, seat: &Seat, bytes: i64) {
        let mut inner = self.inner.lock();
        if inner.leader == Some(seat.index) {
            self.see_lead(&mut inner, seat);
            inner.leader = None;
        }
        self.take_room(&mut inner, seat);
        if inner.threads == 1 {
            // Nobody else has a seat: all that there is to know is known.
            inner.peak = inner.peak.max(inner.told).max(inner.told - bytes);
            inner.asking = false;
            inner.leader = Some(seat.index);
            self.grant(&mut inner, seat, LEAD, LEADS);
            seat.least.store(LEAD, Ordering::Relaxed);
            return;
        }
        let keep = self.weigh(&mut inner, Some(seat.index), bytes);
        let room = (inner.peak - inner.told) / (4 * inner.threads as i64);
        let room = if keep == KEEP && room >= ROOM_LEAST { room.min(ROOM_MOST) } else { 0 };
        self.grant(&mut inner, seat, room, keep);
    }

    /// Counts for a thread without a seat: bytes and blocks taken, or given back if negative.
    #[cold]
    pub(super) fn shared(&self, bytes: i64, blocks: i64) {
        let mut inner = self.inner.lock();
        self.end_lead(&mut inner);
        inner.told += bytes;
        inner.blocks += blocks;
        self.weigh(&mut inner, None, bytes);
    }

    pub(super) fn figures(&self) -> Figures {
        let mut inner = self.inner.lock();
        if let Some(index) = inner.leader {
            self.see_lead(&mut inner, &self.seats[index]);
        }
        let bytes = inner.told - self.rooms(&inner, None);
        inner.peak = inner.peak.max(bytes);
        let seats = self.seats[..inner.used].iter();
        let blocks = inner.blocks + seats.map(|seat| seat.count.load(Ordering::Relaxed)).sum::<i64>();
        // What other threads do while this adds up may be seen in part: never less than nothing.
        let [bytes, peak, blocks] = [bytes, inner.peak, blocks].map(|figure| figure.max(0) as usize);
        Figures { bytes, peak, blocks }
    }

    /// After a change of `bytes` that is told: sees to the peak, and whether everybody is asked. What the seat may keep.
    fn weigh(&self, inner: &mut Guard<'_, Inner>, seat: Option<usize>, bytes: i64) -> i64 {
        if inner.told.max(inner.told - bytes) > inner.peak {
            if !inner.asking {
                inner.asking = true;
                for other in &self.seats[..inner.used] {
                    other.keep.store(ASKED, Ordering::SeqCst);
                }
            }
            let has = inner.told - self.rooms(inner, seat);
            inner.peak = inner.peak.max(has).max(has - bytes);
        }
        if inner.told > inner.peak {
            return ASKED;
        }
        if inner.asking {
            inner.asking = false;
            for (index, other) in self.seats[..inner.used].iter().enumerate() {
                // Whoever owes has less room than it believes.
                if inner.owed[index] == 0 {
                    other.keep.store(KEEP, Ordering::Relaxed);
                }
            }
        }
        KEEP
    }

    /// The room of a seat is nobody's: what is told of its thread is what that has.
    fn take_room(&self, inner: &mut Inner, seat: &Seat) {
        if seat.is_real() {
            inner.told -= seat.room.load(Ordering::Relaxed) - core::mem::take(&mut inner.owed[seat.index]);
            seat.room.store(0, Ordering::Relaxed);
        }
    }

    fn grant(&self, inner: &mut Inner, seat: &Seat, room: i64, keep: i64) {
        inner.told += room;
        seat.room.store(room, Ordering::Relaxed);
        seat.least.store(0, Ordering::Relaxed);
        seat.keep.store(keep.saturating_add(if keep == KEEP { room } else { 0 }), Ordering::Relaxed);
    }

    /// How high the thread came that leads.
    fn see_lead(&self, inner: &mut Inner, seat: &Seat) {
        let least = seat.least.load(Ordering::Relaxed).min(seat.room.load(Ordering::Relaxed));
        inner.peak = inner.peak.max(inner.told - least);
    }

    /// Takes the leader's room back, whatever it does meanwhile: its next call will know.
    fn end_lead(&self, inner: &mut Inner) {
        let Some(index) = inner.leader.take() else { return };
        let seat = &self.seats[index];
        seat.keep.store(ASKED, Ordering::SeqCst);
        meet();
        self.see_lead(inner, seat);
        let room = seat.room.load(Ordering::Relaxed) - inner.owed[index];
        inner.owed[index] += room;
        inner.told -= room;
    }

    /// The room that all seats have, but for one. Threads that were asked do not change theirs; of those that are just now in the
    /// middle of a call it is looked at again, so that all of it is of one moment.
    fn rooms(&self, inner: &Inner, but: Option<usize>) -> i64 {
        let sum = || {
            let seats = self.seats[..inner.used].iter().enumerate();
            seats
                .filter(|(index, _)| Some(*index) != but)
                .map(|(index, seat)| seat.room.load(Ordering::Acquire) - inner.owed[index])
                .sum::<i64>()
        };
        let mut last = sum();
        for _ in 0..64 {
            let again = sum();
            if again == last {
                break;
            }
            last = again;
        }
        last
    }
}

/// Returns when every thread of this process has passed a point where all it wrote before can be seen, and where it sees all that was
/// written before this call.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[expect(unsafe_code, reason = "a system call")]
fn meet() {
    const REGISTER: libc::c_int = 1 << 4;
    const MEET: libc::c_int = 1 << 3;
    // SAFETY: takes numbers only, and changes nothing of ours.
    let met = unsafe {
        libc::syscall(libc::SYS_membarrier, MEET, 0, 0) == 0
            || (libc::syscall(libc::SYS_membarrier, REGISTER, 0, 0) == 0
                && libc::syscall(libc::SYS_membarrier, MEET, 0, 0) == 0)
    };
    if !met {
        wait();
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn meet() {
    wait();
}

/// No processor keeps what it wrote to itself for so long.
#[cold]
fn wait() {
    std::thread::sleep(core::time::Duration::from_micros(100));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::thread;

    fn take(book: &Book, seat: &Seat, bytes: i64) {
        if !seat.take(bytes) {
            book.took(seat, bytes);
        }
    }

    fn give(book: &Book, seat: &Seat, bytes: i64) {
        if !seat.give(bytes) {
            book.settle(seat, -bytes);
        }
    }

    /// As `std` makes it: not on the stack.
    fn book() -> Box<Book> {
        Box::new(Book::new())
    }

    /// One thread plays several: every figure is exact after every step, whatever is led, asked or owed.
    #[test]
    fn every_figure_is_exact_after_every_step() {
        for seed in 1..40u64 {
            let book = book();
            let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mut next = |below: u64| {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 33) % below
            };
            let (mut seats, mut blocks) = (Vec::new(), Vec::new());
            let mut want = Figures::default();
            let scale = [100, 5000, 1 << 20][(seed % 3) as usize];
            for step in 0..4000 {
                match next(40) {
                    0 if seats.len() < 6 => seats.push(book.claim().unwrap()),
                    1 if !seats.is_empty() => {
                        let seat = seats.swap_remove(next(seats.len() as u64) as usize);
                        book.leave(seat);
                    }
                    kind if kind < 22 => {
                        let bytes = next(scale) as i64;
                        match seats.len() as u64 {
                            0 => book.shared(bytes, 1),
                            some => take(&book, seats[next(some) as usize], bytes),
                        }
                        blocks.push(bytes);
                        want.bytes += bytes as usize;
                    }
                    _ if !blocks.is_empty() => {
                        let bytes = blocks.swap_remove(next(blocks.len() as u64) as usize);
                        match seats.len() as u64 {
                            0 => book.shared(-bytes, -1),
                            some => give(&book, seats[next(some) as usize], bytes),
                        }
                        want.bytes -= bytes as usize;
                    }
                    _ => {}
                }
                want.blocks = blocks.len();
                want.peak = want.peak.max(want.bytes);
                // Not each time: looking must not be what keeps it right.
                if next(50) == 0 || step == 3999 {
                    assert_eq!(book.figures(), want, "seed {seed}, step {step}");
                }
            }
        }
    }

    #[test]
    fn a_thread_that_sleeps_after_leading_keeps_nobody_from_room() {
        let book = book();
        let first = book.claim().unwrap();
        take(&book, first, 50 << 20);
        give(&book, first, 50 << 20);
        let second = book.claim().unwrap();
        take(&book, second, 1000);
        assert!(second.take(1000) && second.give(1000), "room was given though the first one sleeps");
        assert!(!first.take(1 << 20));
        book.took(first, 1 << 20);
        assert_eq!(book.figures(), Figures { bytes: (1 << 20) + 1000, peak: 50 << 20, blocks: 2 });
    }

    /// What several threads have at the same time, none of it alone as much as the peak.
    #[test]
    fn the_peak_of_threads_that_wait_for_each_other_is_exact() {
        for round in 1..30i64 {
            let book = book();
            let meet = Barrier::new(4);
            thread::scope(|scope| {
                for index in 0..4 {
                    let (book, meet) = (&*book, &meet);
                    scope.spawn(move || {
                        let seat = book.claim().unwrap();
                        for block in 0..100 * round {
                            take(book, seat, 10 + block % 7 + index);
                        }
                        meet.wait();
                        for block in 0..100 * round {
                            give(book, seat, 10 + block % 7 + index);
                        }
                        meet.wait();
                        for _ in 0..1000 {
                            take(book, seat, 3);
                            give(book, seat, 3);
                        }
                        book.leave(seat);
                    });
                }
            });
            let bytes = (0..4i64).flat_map(|index| (0..100 * round).map(move |block| 10 + block % 7 + index));
            assert_eq!(book.figures(), Figures { bytes: 0, peak: bytes.sum::<i64>() as usize, blocks: 0 });
        }
    }

    #[test]
    fn more_threads_than_seats_are_counted_as_well() {
        let book = book();
        let seats = (0..SEATS).map(|_| book.claim().unwrap()).collect::<Vec<_>>();
        assert!(book.claim().is_none());
        book.shared(100, 1);
        take(&book, seats[7], 50);
        book.shared(-100, -1);
        assert_eq!(book.figures(), Figures { bytes: 50, peak: 150, blocks: 1 });
    }
}
