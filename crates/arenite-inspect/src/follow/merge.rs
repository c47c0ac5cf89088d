//! Events of all threads in the order of time, as far as nothing older can come.
//!
//! The order is that of [`Capture::events`](crate::Capture::events). A thread is in the queue while something of it waits; one of
//! which all is shown keeps what its segment needs to go on, four kilobytes, and nothing else.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{Read, Seek};

use hashbrown::HashMap;

use super::board::Board;
use crate::ReadError;
use crate::chunks::{Cursor, Place};
use crate::reader::{MOST_CHUNKS, MOST_OPEN};

#[derive(Debug, Default)]
struct Thread {
    cursor: Cursor,
    waiting: VecDeque<Place>,
    /// It is in the queue.
    queued: bool,
}

/// Threads, and what of them was not shown yet.
#[derive(Debug, Default)]
pub(super) struct Merge {
    threads: HashMap<u32, Thread>,
    /// When the next event of a thread is, or may be.
    next: BinaryHeap<Reverse<(u64, u32)>>,
    /// Chunks that wait.
    waiting: usize,
    /// Threads whose segment is open.
    open: usize,
    /// All up to here was shown.
    shown: u64,
    damaged: u64,
}

impl Merge {
    /// Chunks that could not be read, or whose beginning is missing.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// A chunk that was added to the file.
    pub(super) fn add(&mut self, number: u32, place: Place) -> Result<(), ReadError> {
        if self.waiting == MOST_CHUNKS {
            return Err(ReadError::TooManyChunks);
        }
        self.waiting += 1;
        let thread = self.threads.entry(number).or_default();
        if !thread.queued {
            thread.queued = true;
            self.next.push(Reverse((thread.cursor.starts(&place), number)));
        }
        thread.waiting.push_back(place);
        Ok(())
    }

    /// Shows what happened up to this time.
    pub(super) fn show<F: Read + Seek>(
        &mut self,
        file: &mut F,
        until: u64,
        board: &mut Board,
    ) -> Result<(), ReadError> {
        while let Some(Reverse((time, number))) = self.next.peek().copied() {
            if time > until {
                break;
            }
            self.next.pop();
            let turn = self.next.peek().map_or((u64::MAX, u32::MAX), |Reverse(turn)| *turn);
            if let Some(time) = self.show_thread(file, number, turn.min((until, u32::MAX)), board)? {
                self.next.push(Reverse((time, number)));
            }
        }
        self.shown = self.shown.max(until);
        Ok(())
    }

    /// Shows what a thread did until the turn of another one. When it goes on, if anything of it is left.
    fn show_thread<F: Read + Seek>(
        &mut self,
        file: &mut F,
        number: u32,
        turn: (u64, u32),
        board: &mut Board,
    ) -> Result<Option<u64>, ReadError> {
        loop {
            let Some(thread) = self.threads.get_mut(&number) else { return Ok(None) };
            let cursor = &mut thread.cursor;
            if cursor.left() == 0 {
                cursor.rest();
                let Some(place) = thread.waiting.front().copied() else {
                    thread.queued = false;
                    if !cursor.is_open() {
                        self.threads.remove(&number);
                    }
                    return Ok(None);
                };
                let starts = cursor.starts(&place);
                if (starts, number) > turn {
                    return Ok(Some(starts));
                }
                thread.waiting.pop_front();
                self.waiting -= 1;
                self.open_chunk(file, number, &place)?;
                continue;
            }
            match cursor.peek() {
                Some(time) if (time, number) > turn => return Ok(Some(time)),
                Some(time) => {
                    let late = time < self.shown;
                    if !cursor.show(|event| board.take(number, &event, late)) {
                        self.damaged += 1;
                        self.open -= 1;
                    }
                }
                None => {
                    self.damaged += 1;
                    self.open -= usize::from(cursor.is_open());
                    cursor.spoil();
                }
            }
        }
    }

    fn open_chunk<F: Read + Seek>(
        &mut self,
        file: &mut F,
        number: u32,
        place: &Place,
    ) -> Result<(), ReadError> {
        if self.open >= MOST_OPEN {
            self.forget_idle();
        }
        let Some(Thread { cursor, .. }) = self.threads.get_mut(&number) else { return Ok(()) };
        self.open -= usize::from(cursor.is_open());
        if self.open >= MOST_OPEN || !cursor.open(file, place)? {
            cursor.spoil();
            self.damaged += 1;
        }
        self.open += usize::from(cursor.is_open());
        Ok(())
    }

    /// Forgets half of the threads of which nothing waits: those that have done nothing for longest. Most of them have ended; of one
    /// that has not, the rest of its segment is lost, which is told as damage.
    fn forget_idle(&mut self) {
        let idle = self.threads.iter().filter(|(_, thread)| !thread.queued);
        let mut idle: Vec<(Option<u64>, u32)> =
            idle.map(|(number, thread)| (thread.cursor.time(), *number)).collect();
        idle.sort_unstable();
        for (_, number) in idle.iter().take(idle.len().div_ceil(2)) {
            self.threads.remove(number);
            self.open -= 1;
        }
    }
}
