//! Numbers for threads: what a structure that many threads share needs to keep something for each of them.
//!
//! A number is this thread's alone while it lives and is never given again; its [`index`] is small and unique among the
//! living, so that it finds a thread's own place in an array. Nothing here takes a lock or allocates. What is kept for a
//! thread stays behind when the thread ends; [`has_ended`] tells whoever looks at it.
//!
//! Without `std`, under loom, and on 32 bits, where a serial number could come round, no thread has a number.

/// Threads that can have a number at the same time. Those that come later have none.
pub(crate) const THREADS: usize = 256;

/// What a thread knows of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here {
    /// Its number, or 0: nothing can be kept for it. An even number, so that whoever stores it has a bit for itself.
    pub(crate) me: usize,
    /// Which job arena its last job had: a hint, for whichever set of arenas. Here because a job reads both.
    pub(crate) seat: usize,
}

/// Where in an array of [`THREADS`] a thread with this number has its place. Of threads without a number: 0, which may
/// be another's.
#[inline(always)]
pub(crate) const fn index(number: usize) -> usize {
    number / 2 % THREADS
}

#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
pub(crate) use numbered::{Row, hide, is_hidden, look_closer, looks_closer, looks_now, row, show};
#[cfg(all(feature = "record", not(loom), target_pointer_width = "64"))]
pub(crate) use numbered::{enroll_untold, leave};
pub(crate) use numbered::{enrolled, has_ended, here, remember};

/// Bytes between the rows of a table that has one for each thread.
#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
pub(crate) const ROW: usize = 2048;
/// Rows of such a table: one for each thread that can have a number, behind one for all that have none.
#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
pub(crate) const ROWS: usize = THREADS + 1;

/// Which row is that of a thread with this number: 0 for those without one.
#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
pub(crate) const fn row_of(number: usize) -> usize {
    if number == 0 { 0 } else { index(number) + 1 }
}

#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
mod numbered {
    use core::cell::Cell;

    use super::{Here, ROW, THREADS, index, row_of};
    use crate::base::sync::{AtomicUsize, Ordering};

    /// The numbers of living threads. A number is a serial number, never given twice, then the index in here, then a
    /// zero bit.
    static LIVING: [AtomicUsize; THREADS] = [const { AtomicUsize::new(0) }; THREADS];

    std::thread_local! {
        // Without a destructor, so that it is read without a check, and can be until the thread is gone.
        static HERE: Cell<Here> = const { Cell::new(Here { me: 0, seat: 0 }) };
        static ASKED: Cell<bool> = const { Cell::new(false) };
        // `row_of` its number, in bytes; 0 while it is hidden. By itself, so that counting a call loads nothing else.
        static MINE: Cell<usize> = const { Cell::new(0) };
        // How often it is hidden, and `ONCE`.
        static HIDDEN: Cell<u32> = const { Cell::new(0) };
        static EXIT: Exit = const { Exit };
    }

    /// Whether the thread is to look closer at its next block only. In one word with the other reason to look closer, so that
    /// one compare asks for both.
    const ONCE: u32 = 1 << 31;

    /// Says when the thread ends that it has.
    struct Exit;

    impl Drop for Exit {
        fn drop(&mut self) {
            leave();
        }
    }

    /// This thread has ended, as far as its number is concerned: it has none from here on.
    #[cold]
    pub(crate) fn leave() {
        let Here { me, seat } = HERE.get();
        // First: nothing that another destructor does uses what is kept under the number any more.
        HERE.set(Here { me: 0, seat });
        MINE.set(0);
        if me != 0 {
            // Release: all that the thread did under its number happens before others know that it has ended.
            LIVING[index(me)].store(0, Ordering::Release);
        }
    }

    /// What this thread knows of itself; its number is 0 until it was [`enrolled`].
    #[inline(always)]
    pub(crate) fn here() -> Here {
        HERE.get()
    }

    pub(crate) fn remember(seat: usize) {
        HERE.set(Here { seat, ..HERE.get() });
    }

    /// How many bytes into a table of rows the calling thread's row begins.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Row(
        /// A multiple of [`ROW`], below [`ROWS`](super::ROWS) of them.
        usize,
    );

    impl Row {
        #[inline(always)]
        pub(crate) const fn bytes(self) -> usize {
            self.0
        }
    }

    /// The calling thread's row. The first one if it has no number (yet), or is hidden: whoever finds that looks closer.
    #[inline(always)]
    pub(crate) fn row() -> Row {
        Row(MINE.get())
    }

    fn find_row() {
        MINE.set(if is_hidden() { 0 } else { row_of(HERE.get().me) * ROW });
    }

    /// From now on [`row`] answers the first one on this thread, so that those who go the short way find out that somebody watches
    /// it, and ask nothing extra when nobody does. It goes on until [`show`] was called as often.
    pub(crate) fn hide() {
        HIDDEN.set(HIDDEN.get() + 1);
        find_row();
    }

    /// Ends what [`hide`] began.
    pub(crate) fn show() {
        if is_hidden() {
            HIDDEN.set(HIDDEN.get() - 1);
        }
        find_row();
    }

    #[inline(always)]
    pub(crate) fn is_hidden() -> bool {
        HIDDEN.get() & !ONCE != 0
    }

    /// The thread [`looks_closer`] once.
    #[inline]
    pub(crate) fn look_closer() {
        HIDDEN.set(HIDDEN.get() | ONCE);
    }

    /// Whether the thread is hidden, or is to look closer once.
    #[inline(always)]
    pub(crate) fn looks_closer() -> bool {
        HIDDEN.get() != 0
    }

    /// Ends what [`look_closer`] began. False if it did not.
    pub(crate) fn looks_now() -> bool {
        let hidden = HIDDEN.get();
        HIDDEN.set(hidden & !ONCE);
        hidden & ONCE != 0
    }

    /// Whether the thread of this number has ended. If so, all that it did happened before.
    pub(crate) fn has_ended(number: usize) -> bool {
        // Acquire: see `leave`.
        LIVING[index(number)].load(Ordering::Acquire) != number
    }

    /// This thread's number; draws one if it has not yet asked. All that an earlier thread with the same index did under
    /// its number happened before.
    pub(crate) fn enrolled() -> usize {
        if !ASKED.replace(true) && EXIT.try_with(|_| ()).is_ok() {
            draw();
        }
        HERE.get().me
    }

    /// As [`enrolled`], for a thread whose end is told by somebody else, who then calls [`leave`] on it: registering a destructor
    /// allocates, and takes a lock of the dynamic linker's.
    #[cfg(feature = "record")]
    pub(crate) fn enroll_untold() {
        if !ASKED.replace(true) {
            draw();
        }
    }

    fn draw() {
        static SERIAL: AtomicUsize = AtomicUsize::new(1);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let drawn = LIVING.iter().enumerate().find_map(|(index, place)| {
            let number = (serial * THREADS + index) * 2;
            let free = place.load(Ordering::Relaxed) == 0;
            // Acquire: see `leave`; what was kept for the thread before is this one's now.
            (free && place.compare_exchange(0, number, Ordering::Acquire, Ordering::Relaxed).is_ok())
                .then_some(number)
        });
        HERE.set(Here { me: drawn.unwrap_or(0), ..HERE.get() });
        find_row();
    }
}

#[cfg(any(not(feature = "std"), loom, not(target_pointer_width = "64")))]
mod numbered {
    use super::Here;

    #[inline(always)]
    pub(crate) fn here() -> Here {
        Here { me: 0, seat: 0 }
    }

    pub(crate) fn remember(_seat: usize) {}

    pub(crate) fn has_ended(_number: usize) -> bool {
        false
    }

    pub(crate) fn enrolled() -> usize {
        0
    }
}

#[cfg(all(test, feature = "std", not(loom), target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_ended_when_it_was_joined() {
        let mine = enrolled();
        let other = std::thread::spawn(enrolled).join().unwrap();
        assert!(mine != 0 && other != 0 && mine != other);
        assert!(!has_ended(mine));
        assert!(has_ended(other));
        assert_eq!((enrolled(), here().me), (mine, mine));
    }

    #[test]
    fn a_hidden_thread_has_the_row_of_those_without_a_number() {
        std::thread::spawn(|| {
            assert_eq!(row().bytes(), 0, "before it has a number");
            hide();
            let mine = row_of(enrolled()) * ROW;
            assert!(mine != 0 && is_hidden() && row().bytes() == 0);
            hide();
            show();
            assert_eq!(row().bytes(), 0);
            show();
            assert!(!is_hidden());
            assert_eq!(row().bytes(), mine);
            look_closer();
            assert!(looks_closer() && !is_hidden() && row().bytes() == mine);
            hide();
            look_closer();
            assert!(looks_now() && !looks_now() && looks_closer() && is_hidden());
            look_closer();
            show();
            show();
            assert!(looks_closer() && !is_hidden() && looks_now() && !looks_closer());
        })
        .join()
        .unwrap();
        assert_eq!((row_of(0), row_of(2 * THREADS * 7), row_of(2 * (THREADS * 8 - 1))), (0, 1, ROWS - 1));
    }

    #[test]
    fn the_living_have_different_places() {
        let mine = index(enrolled());
        let barrier = &std::sync::Barrier::new(5);
        let others = std::thread::scope(|threads| {
            let all = [(); 5].map(|()| {
                threads.spawn(move || {
                    let number = enrolled();
                    barrier.wait();
                    (number, index(number))
                })
            });
            all.map(|thread| thread.join().unwrap())
        });
        let mut places: std::vec::Vec<_> = others.iter().map(|(_, place)| *place).chain([mine]).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 6);
        assert!(others.iter().all(|(number, place)| number % 2 == 0 && *place < THREADS));
    }
}

/// What tells this thread from all others that live: 0 where they can not be told apart.
#[cfg(all(feature = "std", not(loom)))]
#[inline]
pub(crate) fn token() -> usize {
    std::thread_local! {
        static HERE: u8 = const { 0 };
    }
    HERE.with(|here| core::ptr::from_ref(here).addr())
}

/// What tells this thread from all others that live: 0 where they can not be told apart.
#[cfg(any(not(feature = "std"), loom))]
#[inline]
pub(crate) fn token() -> usize {
    0
}
