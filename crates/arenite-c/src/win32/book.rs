//! The book of regions: which addresses are reserved, what each page of them is, and to which reservation it belongs.
//!
//! One sorted list of runs of equal pages. A reservation is the runs with its base, which touch each other without a gap; of two
//! neighbours in one reservation something differs. So a reservation of a terabyte is one entry until a page of it is
//! committed, and every question is one binary search. Answers are about whole pages; addresses are plain numbers here.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::{Code, NOT_ENOUGH_MEMORY};

/// What a page of a reservation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Address space only.
    Reserved,
    /// It has memory.
    Committed {
        /// `PAGE_…`.
        protect: u32,
        /// Whether it stays in RAM.
        locked: bool,
    },
}

/// Neighbouring pages of one reservation that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Where the reservation begins.
    pub(super) base: usize,
    /// What `VirtualAlloc` was told when it was made.
    pub(super) base_protect: u32,
    pub(super) state: State,
}

impl Run {
    pub(super) const fn is_committed(&self) -> bool {
        matches!(self.state, State::Committed { .. })
    }

    const fn len(&self) -> usize {
        self.end - self.start
    }
}

/// The runs, sorted by address.
#[derive(Debug, Default)]
pub(super) struct Runs(Vec<Run>);

impl Runs {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many places a change may need: a range is cut off at both of its ends.
    pub(super) const CUTS: usize = 2;

    /// The place of the first run that ends above the address.
    fn place(&self, address: usize) -> usize {
        self.0.partition_point(|run| run.end <= address)
    }

    /// The run an address lies in.
    pub(super) fn at(&self, address: usize) -> Option<Run> {
        self.0.get(self.place(address)).copied().filter(|run| run.start <= address)
    }

    /// The addresses around one that is in no run, up to the runs on both sides.
    pub(super) fn gap(&self, address: usize) -> Range<usize> {
        let place = self.place(address);
        let start = place.checked_sub(1).map_or(0, |before| self.0[before].end);
        start..self.0.get(place).map_or(usize::MAX, |run| run.start)
    }

    /// The runs that have a page in a range, cut to it.
    pub(super) fn within(&self, range: &Range<usize>) -> impl Iterator<Item = Run> + use<'_> {
        let Range { start, end } = range.clone();
        self.0[self.place(start)..].iter().take_while(move |run| run.start < end).map(move |run| Run {
            start: run.start.max(start),
            end: run.end.min(end),
            ..*run
        })
    }

    /// The addresses of the reservation that begins there, if there is one.
    pub(super) fn reservation(&self, base: usize) -> Option<Range<usize>> {
        let first = self.0.get(self.place(base)).filter(|run| run.start == base && run.base == base)?;
        let runs = self.0[self.place(base)..].iter().take_while(|run| run.base == first.base);
        Some(base..runs.last().map_or(first.end, |last| last.end))
    }

    /// Whether a range lies in one reservation.
    pub(super) fn is_one(&self, range: &Range<usize>) -> bool {
        self.at(range.start)
            .and_then(|run| self.reservation(run.base))
            .is_some_and(|whole| range.end <= whole.end)
    }

    /// How many bytes of a range have memory.
    pub(super) fn committed(&self, range: &Range<usize>) -> usize {
        self.within(range).filter(Run::is_committed).map(|run| run.len()).sum()
    }

    /// Notes a new reservation, where nothing is. There is room for a run.
    pub(super) fn add(&mut self, run: Run) {
        let place = self.place(run.start);
        debug_assert!(self.0.get(place).is_none_or(|next| run.end <= next.start));
        debug_assert!(self.0.len() < self.0.capacity());
        self.0.insert(place, run);
    }

    /// Forgets a whole reservation.
    pub(super) fn remove(&mut self, whole: &Range<usize>) {
        let places = self.place(whole.start)..self.0.partition_point(|run| run.start < whole.end);
        self.0.drain(places);
    }

    /// Changes what the pages of a range are, which lies in one reservation. There is room for [`CUTS`](Self::CUTS) runs.
    pub(super) fn set(&mut self, range: &Range<usize>, change: impl Fn(State) -> State) {
        if range.is_empty() {
            return;
        }
        self.cut(range.start);
        self.cut(range.end);
        let first = self.place(range.start);
        let last = self.0.partition_point(|run| run.start < range.end);
        for run in &mut self.0[first..last] {
            run.state = change(run.state);
        }
        // Neighbours that are alike now become one.
        let (first, last) = (first.saturating_sub(1), (last + 1).min(self.0.len()));
        let mut kept = first;
        for next in first + 1..last {
            let (run, other) = (self.0[kept], self.0[next]);
            if run.end == other.start && run.base == other.base && run.state == other.state {
                self.0[kept].end = other.end;
            } else {
                kept += 1;
                self.0[kept] = other;
            }
        }
        if first < last {
            self.0.drain(kept + 1..last);
        }
    }

    fn has_room(&self, runs: usize) -> bool {
        self.0.capacity() - self.0.len() >= runs
    }

    /// Makes an address within a run the border of two.
    fn cut(&mut self, address: usize) {
        let place = self.place(address);
        if let Some(run) = self.0.get_mut(place).filter(|run| run.start < address) {
            let tail = Run { start: address, ..*run };
            run.end = address;
            self.0.insert(place + 1, tail);
        }
    }
}

/// Locks the book when it has room for so many runs more.
pub(super) fn lock_with_room(
    book: &'static Mutex<Runs>,
    runs: usize,
) -> Result<MutexGuard<'static, Runs>, Code> {
    loop {
        let held = lock(book);
        if held.has_room(runs) {
            return Ok(held);
        }
        let wish = (held.0.len() * 2).max(64) + runs;
        drop(held);
        let mut larger = Vec::new();
        larger.try_reserve_exact(wish).map_err(|_| NOT_ENOUGH_MEMORY)?;
        let mut held = lock(book);
        // Another thread may have been faster.
        if !held.has_room(runs) && larger.capacity() - held.0.len() >= runs {
            larger.append(&mut held.0);
            std::mem::swap(&mut held.0, &mut larger);
        }
        drop(held);
        drop(larger);
    }
}

/// Locks something of ours. A panic left it as it was before or after a change.
pub(super) fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
