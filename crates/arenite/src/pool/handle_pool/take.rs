//! All ways in which a value leaves its slot: removed, detached, retained not, cleared, dropped with the pool.
#![expect(unsafe_code, reason = "moves values out of raw memory and drops them there")]

use super::marks::Mark;
use super::slots::WORD;
use super::{Drain, ExtractIf, HandlePool, RETIRED};
use crate::pool::Handle;
use crate::region::AllocError;

impl<T> HandlePool<T> {
    /// Moves the handle's value out; from then on the handle is stale. `None` when it is already, or is reserved.
    /// O(1).
    #[inline]
    pub fn remove(&mut self, handle: Handle<T>) -> Option<T> {
        let index = self.find(handle)?;
        // SAFETY: live, and read once, because it does not live any more. Nothing that `unlink` does touches the value;
        // read last, it goes straight to where the caller wants it.
        unsafe {
            self.unlink(index);
            Some(self.slots.value(index).read())
        }
    }

    /// Makes a live slot free, or retires it. What is in it is not dropped.
    ///
    /// # Safety
    /// The slot is live.
    #[inline]
    pub(super) unsafe fn unlink(&mut self, index: u32) {
        // SAFETY: live, so open; a generation below the last one leaves room for two more.
        unsafe {
            let generation = self.slots.generation(index);
            self.slots.clear_live(index);
            if generation < self.last {
                self.slots.set_generation(index, generation + 1);
                self.push_free(index);
            } else {
                self.retire(index);
            }
        }
    }

    /// Makes stale the handle that a reserved or detached slot would have given next, and the slot free.
    ///
    /// # Safety
    /// The slot is open, does not live, is not retired, and is in no list.
    unsafe fn void(&mut self, index: u32) {
        // SAFETY: the caller's promise.
        unsafe {
            if self.skip_generation(index) {
                self.push_free(index);
            }
        }
    }

    /// Passes over the generation that a slot would have given next; `false` when it was the last one, and the slot has
    /// retired.
    ///
    /// # Safety
    /// The slot is open, does not live and is not retired.
    pub(super) unsafe fn skip_generation(&mut self, index: u32) -> bool {
        // SAFETY: open by the caller's promise; of a slot that is not retired the generation is below the last one.
        unsafe {
            let next = self.slots.generation(index) + 2;
            if next < self.last {
                self.slots.set_generation(index, next);
                return true;
            }
            self.retire(index);
        }
        false
    }

    /// # Safety
    /// The slot is open, does not live, and is in no list, or is taken from it at once.
    #[cold]
    #[inline(never)]
    unsafe fn retire(&mut self, index: u32) {
        // SAFETY: the caller's promise.
        unsafe { self.slots.set_generation(index, RETIRED) };
        self.retired += 1;
    }

    /// Brings slots whose generations are used up back into use. **Their handles start over, so one that was kept all
    /// the while can resolve to a new value:** call it when no old handle is left anywhere, when a level is loaded, say,
    /// and clear the pool's [`Secondary`](super::Secondary)s. Answers how many came back. O(slots).
    ///
    /// It is the only way in which a stale handle can ever resolve.
    pub fn recycle(&mut self) -> usize {
        let before = self.free_len;
        let mut unopened = 0;
        if self.fresh >= self.last {
            // Slots that were closed, or never opened, had no generation left either.
            self.fresh = self.first;
            unopened = self.capacity() - self.slots();
        }
        if self.retired > 0 {
            for index in 0..self.opened {
                // SAFETY: open; a retired slot is in no list.
                unsafe {
                    if self.slots.generation(index) == RETIRED {
                        self.slots.set_generation(index, self.first);
                        self.push_free(index);
                    }
                }
            }
            self.retired = 0;
        }
        (self.free_len - before) as usize + unopened
    }

    /// Moves the handle's value out and keeps its slot: until [`reattach`](Self::reattach) the handle resolves to
    /// nothing, and after it to the value again. For work on a value and on its pool at the same time. `None` when the
    /// handle is stale. O(1).
    pub fn detach(&mut self, handle: Handle<T>) -> Option<T> {
        let index = self.find(handle)?;
        // SAFETY: live, and read once, because it does not live afterwards. A live generation is odd, so at least 1.
        let value = unsafe {
            let value = self.slots.value(index).read();
            self.slots.set_generation(index, self.slots.generation(index) - 1);
            self.slots.clear_live(index);
            self.marks.set(index, Mark::Detached);
            value
        };
        self.detached += 1;
        Some(value)
    }

    /// Puts a value, the same or another, back into the slot of a detached handle, which is valid again. O(1).
    ///
    /// # Errors
    /// The handle is not detached; the value comes back.
    pub fn reattach(&mut self, handle: Handle<T>, value: T) -> Result<(), T> {
        let Some(index) = self.find_detached(handle) else { return Err(value) };
        // SAFETY: a detached slot is open, holds no value, and is in no list.
        unsafe {
            self.slots.value(index).write(value);
            self.marks.clear(index, Mark::Detached);
            self.enliven(index);
        }
        self.detached -= 1;
        Ok(())
    }

    /// Gives up the slot of a detached handle, which is stale from then on. `false` when it is not detached. O(1).
    pub fn abandon(&mut self, handle: Handle<T>) -> bool {
        let Some(index) = self.find_detached(handle) else { return false };
        self.detached -= 1;
        // SAFETY: a detached slot is open, does not live and is in no list.
        unsafe {
            self.marks.clear(index, Mark::Detached);
            self.void(index);
        }
        true
    }

    fn find_detached(&self, handle: Handle<T>) -> Option<u32> {
        let index = handle.index();
        // SAFETY: open, as the first operand says. A detached slot's generation is even.
        let found = index < self.opened
            && unsafe {
                self.marks.has(index, Mark::Detached)
                    && self.slots.generation(index) + 1 == handle.generation()
            };
        found.then_some(index)
    }

    /// Removes and drops every value for which `keep` says no, in slot order. If `keep` or a destructor panics, the
    /// values behind that one stay. O(slots / 4096 + values).
    pub fn retain(&mut self, mut keep: impl FnMut(Handle<T>, &mut T) -> bool) {
        // SAFETY: the pool says how many are open and live; only slots that the walk has passed are unlinked.
        let mut walk = unsafe { self.slots.walk(self.len() as u32, self.opened) };
        while let Some(index) = walk.next() {
            // SAFETY: live, and nobody else has it; unlinked before its destructor runs, so that it runs once.
            unsafe {
                let mut value = self.slots.value(index);
                if !keep(self.live_handle(index), value.as_mut()) {
                    self.unlink(index);
                    value.drop_in_place();
                }
            }
        }
    }

    /// Removes all values, in slot order. What the iterator has not given when it is dropped is removed and dropped
    /// then; what it has not given when it is forgotten stays. Detached and reserved handles stay as they are.
    pub fn drain(&mut self) -> Drain<'_, T> {
        Drain::new(self)
    }

    /// Removes the values for which `pick` says yes, one each time the iterator is asked, in slot order. What it has not
    /// come to when it is dropped stays.
    pub fn extract_if<F: FnMut(Handle<T>, &mut T) -> bool>(&mut self, pick: F) -> ExtractIf<'_, T, F> {
        ExtractIf::new(self, pick)
    }

    /// Drops every value and voids every reserved and detached handle: all handles are stale afterwards. Memory stays;
    /// see [`try_trim`](Self::try_trim). Slots are given out from the first again. O(slots).
    ///
    /// # Panics
    /// A destructor panics: the others still run, and then the first panic goes on. (Without `std` a second panicking
    /// destructor aborts.)
    pub fn clear(&mut self) {
        self.void_beyond();
        self.settle();
        if core::mem::take(&mut self.reserved) > 0 {
            self.void_marked(Mark::Reserved);
        }
        if core::mem::take(&mut self.detached) > 0 {
            self.void_marked(Mark::Detached);
        }
        let clear = Clear { pool: self };
        clear.pool.drop_values();
    }

    /// Takes this mark, reserved or detached, from all slots that have it, and makes them free.
    fn void_marked(&mut self, mark: Mark) {
        for word in 0..self.opened.div_ceil(WORD) {
            // SAFETY: a slot of the word is open. Marked slots do not live and are in no list.
            unsafe {
                let mut bits = self.marks.word(word, mark);
                self.marks.clear_word(word, mark);
                while bits != 0 {
                    self.void(word * WORD + bits.trailing_zeros());
                    bits &= bits - 1;
                }
            }
        }
    }

    /// Removes and drops every value, whoever panics.
    pub(super) fn drop_values(&mut self) {
        #[cfg(feature = "std")]
        let mut first: Option<std::boxed::Box<dyn std::any::Any + Send>> = None;
        // SAFETY: the pool says how many are open and live; only slots that the walk has passed are unlinked.
        let mut walk = unsafe { self.slots.walk(self.len() as u32, self.opened) };
        while let Some(index) = walk.next() {
            // SAFETY: live. Before the destructor runs: one that panics must not run again.
            unsafe { self.unlink(index) };
            if !core::mem::needs_drop::<T>() {
                continue;
            }
            let value = self.slots;
            // SAFETY: a value that nobody names any more (`&mut self`), dropped once.
            let run = || unsafe { value.value(index).drop_in_place() };
            #[cfg(feature = "std")]
            if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
                // The first one goes on in the end. The payload of another one is forgotten: dropping it could panic.
                if first.is_none() {
                    first = Some(panic);
                } else {
                    core::mem::forget(panic);
                }
            }
            #[cfg(not(feature = "std"))]
            run();
        }
        #[cfg(feature = "std")]
        if let Some(panic) = first {
            if std::thread::panicking() {
                // A panic is under way, and this is called by a destructor: a second one that left it would end the
                // process. Its payload is forgotten too.
                core::mem::forget(panic);
            } else {
                std::panic::resume_unwind(panic);
            }
        }
    }

    /// Puts all free slots on the stack anew, so that they are taken from the first on.
    fn sort_free(&mut self) {
        self.free_len = 0;
        for index in (0..self.opened).rev() {
            // SAFETY: open; nothing lives, is detached or reserved, so what is not retired is free.
            unsafe {
                if self.slots.generation(index) != RETIRED {
                    self.push_free(index);
                }
            }
        }
    }

    /// Gives the memory behind the last slot that is in use back to the system. Slots that are opened there later
    /// start above every generation that was used there, so that stale handles stay stale. A slot that has retired
    /// counts as used. O(slots), a system call a column.
    ///
    /// # Errors
    /// The system refused; what it did not take stays charged.
    pub fn try_trim(&mut self) -> Result<(), AllocError> {
        self.settle();
        if self.reserved_beyond() > 0 {
            return Ok(());
        }
        let used = |index: u32| {
            // SAFETY: below `opened`.
            unsafe {
                self.slots.is_live(index)
                    || self.slots.generation(index) == RETIRED
                    || self.marks.has(index, Mark::Detached)
                    || self.marks.has(index, Mark::Reserved)
            }
        };
        let keep = (0..self.opened).rev().find(|index| used(*index)).map_or(0, |index| index + 1);
        for index in keep..self.opened {
            // SAFETY: below `opened`.
            self.fresh = self.fresh.max(unsafe { self.slots.generation(index) });
        }
        let mut kept = 0;
        for place in 0..self.free_len as usize {
            // SAFETY: both places are below `free_len`.
            unsafe {
                let index = self.free.add(place).read();
                if index < keep {
                    self.free.add(kept).write(index);
                    kept += 1;
                }
            }
        }
        // No more than there were.
        self.free_len = kept as u32;
        self.opened = keep;
        self.publish();
        // SAFETY: all slots behind `keep` were free, and are closed now.
        unsafe { self.table.try_shrink(keep as usize) }
    }
}

/// Finishes a clear, also when it panics.
struct Clear<'a, T> {
    pool: &'a mut HandlePool<T>,
}

impl<T> Drop for Clear<'_, T> {
    fn drop(&mut self) {
        // Empty unless there is no `std` and a destructor panicked.
        if !self.pool.is_empty() {
            self.pool.drop_values();
        }
        self.pool.sort_free();
        self.pool.publish();
    }
}

/// Goes on dropping when there is no `std` to catch a panic.
struct Rest<'a, T> {
    pool: &'a mut HandlePool<T>,
}

impl<T> Drop for Rest<'_, T> {
    fn drop(&mut self) {
        if !self.pool.is_empty() {
            self.pool.drop_values();
        }
    }
}

impl<T> Drop for HandlePool<T> {
    fn drop(&mut self) {
        if !core::mem::needs_drop::<T>() || self.is_empty() {
            return;
        }
        let rest = Rest { pool: self };
        rest.pool.drop_values();
    }
}
