//! Handles before their values, from many threads.
//!
//! ```text
//!   free  | 9 | 4 | 7 | 2 |           opened ▏ beyond
//!   taken: 2 ─┘       └─ insert takes        └─► 2
//! ```
//!
//! `reserve` counts how many it has given from the bottom of the free stack and, when all of that is given out, from
//! behind the opened slots; it writes nothing else. `insert` and `remove` work at the top and need not look at what is
//! taken, except that the stack is empty where that begins. Whoever rebuilds the stack settles first: what was taken is
//! marked as reserved and leaves it.
#![expect(unsafe_code, reason = "reads the free stack and fills slots")]

use core::num::NonZeroU32;

use super::HandlePool;
use super::marks::Mark;
use super::slots::WORD;
use crate::base::sync::{AtomicU32, Ordering};
use crate::pool::Handle;
use crate::region::AllocError;

/// Counts one more, up to `limit`. Answers how many there were.
fn claim(counter: &AtomicU32, limit: u32) -> Option<u32> {
    // What the numbers stand for changes with `&mut self` only, so that nothing has to be ordered by them.
    counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < limit).then(|| count + 1))
        .ok()
}

impl<T> HandlePool<T> {
    /// A handle for a value that comes later: from any number of threads at once, without a lock and without a system
    /// call. Until a [`flush`](Self::flush) gives it its value it resolves to nothing and can not be removed. O(1).
    ///
    /// ```
    /// use arenite::{HandlePool, Tag};
    /// let mut pool = HandlePool::<u32>::try_new(Tag::register("example/reserve")?, 100)?;
    /// let handles: Vec<_> = std::thread::scope(|scope| {
    ///     let pool = &pool;
    ///     let threads: Vec<_> = (0..4).map(|_| scope.spawn(move || pool.reserve())).collect();
    ///     threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    /// });
    /// assert!(pool.get(handles[0]).is_none());
    /// pool.flush(|handle| handle.index() * 10);
    /// assert!(handles.iter().all(|handle| pool[*handle] == handle.index() * 10));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// The pool is full.
    #[track_caller]
    pub fn reserve(&self) -> Handle<T> {
        match self.try_reserve() {
            Ok(handle) => handle,
            Err(error) => error.raise(),
        }
    }

    /// A handle for a value that comes later.
    ///
    /// # Errors
    /// The pool is full.
    pub fn try_reserve(&self) -> Result<Handle<T>, AllocError> {
        if let Some(count) = claim(&self.taken, self.free_len) {
            // SAFETY: below `free_len`; a free slot is open and has a generation to give.
            return Ok(unsafe { self.next_handle(self.free.add(count as usize).read()) });
        }
        // A capacity fits a `u32`.
        let room = if self.fresh < self.last { self.capacity() as u32 - self.opened } else { 0 };
        match (claim(&self.beyond, room), NonZeroU32::new(self.fresh + 1)) {
            (Some(count), Some(generation)) => Ok(Handle::new(self.opened + count, generation)),
            _ => Err(self.full()),
        }
    }

    /// Handles that were reserved and wait for a flush.
    #[must_use]
    pub fn reserved(&self) -> usize {
        self.reserved as usize + self.taken.load(Ordering::Relaxed) as usize + self.reserved_beyond() as usize
    }

    pub(super) fn reserved_beyond(&self) -> u32 {
        self.beyond.load(Ordering::Relaxed)
    }

    /// Gives every reserved handle its value, in no particular order. Answers how many. If `make` panics, those that
    /// have none yet stay reserved.
    ///
    /// # Panics
    /// A budget would be broken, or the system refused; and whatever `make` panics with.
    #[track_caller]
    pub fn flush(&mut self, make: impl FnMut(Handle<T>) -> T) -> usize {
        match self.try_flush(make) {
            Ok(count) => count,
            Err(error) => error.raise(),
        }
    }

    /// Gives every reserved handle its value, in no particular order. Answers how many.
    ///
    /// # Errors
    /// A budget would be broken, or the system refused memory for all of them; none has a value then, and they stay
    /// reserved.
    pub fn try_flush(&mut self, mut make: impl FnMut(Handle<T>) -> T) -> Result<usize, AllocError> {
        self.try_flush_with(|handle| Some(make(handle)))
    }

    /// Gives each reserved handle its value or, where `make` says `None`, makes it stale: nobody will fill it. Answers how
    /// many have a value. To drop all reservations: `pool.flush_with(|_| None)`.
    ///
    /// # Panics
    /// As [`flush`](Self::flush).
    #[track_caller]
    pub fn flush_with(&mut self, make: impl FnMut(Handle<T>) -> Option<T>) -> usize {
        match self.try_flush_with(make) {
            Ok(count) => count,
            Err(error) => error.raise(),
        }
    }

    /// Gives each reserved handle its value or, where `make` says `None`, makes it stale. Answers how many have a value.
    ///
    /// # Errors
    /// As [`try_flush`](Self::try_flush).
    pub fn try_flush_with(
        &mut self,
        mut make: impl FnMut(Handle<T>) -> Option<T>,
    ) -> Result<usize, AllocError> {
        let beyond = self.reserved_beyond();
        if beyond > 0 {
            // Whatever can be refused comes first.
            self.grow_to(self.opened as usize + beyond as usize)?;
        }
        let mut made = self.flush_taken(&mut make);
        for _ in 0..beyond {
            let index = self.opened;
            // SAFETY: its row has memory, see above; it is in no list.
            unsafe {
                self.open_slot();
                self.push_taken(index);
            }
            self.beyond.store(self.reserved_beyond() - 1, Ordering::Relaxed);
            made += self.flush_taken(&mut make);
        }
        let mut word = 0;
        while self.reserved > 0 && word < self.opened.div_ceil(WORD) {
            // SAFETY: a slot of the word is open.
            let bits = unsafe { self.marks.word(word, Mark::Reserved) };
            if bits == 0 {
                word += 1;
                continue;
            }
            let index = word * WORD + bits.trailing_zeros();
            // SAFETY: a marked slot does not live and is in no list.
            unsafe {
                self.marks.clear(index, Mark::Reserved);
                self.push_taken(index);
            }
            self.reserved -= 1;
            made += self.flush_taken(&mut make);
        }
        Ok(made)
    }

    /// Puts a slot among those that are taken from the free stack.
    ///
    /// # Safety
    /// As for [`push_free`](Self::push_free).
    unsafe fn push_taken(&mut self, index: u32) {
        let taken = self.taken.load(Ordering::Relaxed);
        // SAFETY: the caller's promise; the place is below `free_len` after the push.
        unsafe {
            self.push_free(index);
            let top = self.free.add(self.free_len as usize - 1);
            top.swap(self.free.add(taken as usize));
        }
        self.taken.store(taken + 1, Ordering::Relaxed);
    }

    /// Flushes what is taken from the free stack.
    fn flush_taken(&mut self, make: &mut impl FnMut(Handle<T>) -> Option<T>) -> usize {
        let mut made = 0;
        while let Some(place) = self.taken.load(Ordering::Relaxed).checked_sub(1) {
            // SAFETY: `taken` is at most `free_len`; a free slot is open. A slot is filled after it has left the stack.
            unsafe {
                let entry = self.free.add(place as usize);
                let index = entry.read();
                // While this runs, and if it panics, the slot is still one of those that are taken.
                let value = make(self.next_handle(index));
                self.taken.store(place, Ordering::Relaxed);
                if value.is_some() || !self.skip_generation(index) {
                    self.free_len -= 1;
                    entry.write(self.free.add(self.free_len as usize).read());
                }
                if let Some(value) = value {
                    self.slots.value(index).write(value);
                    self.enliven(index);
                    made += 1;
                }
            }
        }
        made
    }

    /// Marks what is taken from the free stack as reserved and removes it from there.
    pub(super) fn settle(&mut self) {
        let taken = self.taken.load(Ordering::Relaxed);
        self.taken.store(0, Ordering::Relaxed);
        for place in 0..taken as usize {
            // SAFETY: `taken` was at most `free_len`; a free slot is open.
            unsafe { self.marks.set(self.free.add(place).read(), Mark::Reserved) };
        }
        self.free_len -= taken;
        self.reserved += taken;
        // SAFETY: the stack without those that were taken, which moves to its start.
        unsafe { self.free.add(taken as usize).copy_to(self.free, self.free_len as usize) };
    }

    /// Opens the slots that were taken from behind the opened ones, as reserved.
    pub(super) fn absorb(&mut self) -> Result<(), AllocError> {
        let beyond = self.reserved_beyond();
        if beyond == 0 {
            return Ok(());
        }
        self.grow_to(self.opened as usize + beyond as usize)?;
        self.beyond.store(0, Ordering::Relaxed);
        for _ in 0..beyond {
            // SAFETY: its row has memory; it is open from then on.
            unsafe {
                self.open_slot();
                self.marks.set(self.opened - 1, Mark::Reserved);
            }
        }
        self.reserved += beyond;
        Ok(())
    }

    /// Makes the handles stale that were taken from behind the opened slots.
    pub(super) fn void_beyond(&mut self) {
        if self.reserved_beyond() > 0 {
            self.beyond.store(0, Ordering::Relaxed);
            // At most the last generation minus 1, as `reserve` saw to.
            self.fresh += 2;
        }
    }

    pub(super) fn grow_to(&mut self, slots: usize) -> Result<(), AllocError> {
        if slots > self.table.rows() {
            self.table.try_grow(slots)?;
            self.publish();
        }
        Ok(())
    }
}
