//! What the heap whose blocks move does while a recording is made: it tells of each block, under its tag, and where it moves to.
//!
//! Out of line, so that a heap that nobody records has two instructions more in each call, and none without the feature `record`.

use super::heap::Body;
use crate::base::recording;
use crate::heap::fit::{Fit, FitError};
use crate::ledger::telling;

impl<F: Fit> Body<F> {
    /// A block was made.
    #[inline(always)]
    pub(super) fn came(&self, slot: u32) {
        if recording::is_on() {
            self.tell_of(slot);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_of(&self, slot: u32) {
        let size = self.core.slots.at(slot).size as usize;
        telling::allocated(self.memory.tag(), self.address(slot).addr().get(), size);
    }

    /// A block is about to go.
    #[inline(always)]
    pub(super) fn goes(&self, slot: u32) {
        if recording::is_on() {
            self.tell_end(slot);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_end(&self, slot: u32) {
        telling::freed(self.address(slot).addr().get());
    }

    /// A block was moved. It was so many bytes behind the beginning.
    #[inline(always)]
    pub(super) fn moved(&self, from: usize, slot: u32) {
        if recording::is_on() {
            self.tell_move(from, slot);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_move(&self, from: usize, slot: u32) {
        let before = self.memory.base().addr().get() + from;
        telling::moved(before, self.address(slot).addr().get());
    }

    /// Resizes a block, and tells of it.
    #[cold]
    #[inline(never)]
    pub(super) fn told_resized(
        &mut self,
        slot: u32,
        size: u64,
        resize: impl FnOnce(&mut Self) -> Result<(), FitError>,
    ) -> Result<(), FitError> {
        let before = self.address(slot).addr().get();
        let resizing = telling::resizing(before);
        let answer = resize(self);
        match &answer {
            Ok(()) => {
                let address = self.address(slot).addr().get();
                telling::resized(resizing, self.memory.tag(), before, address, size as usize);
            }
            Err(_) => telling::stays(resizing, before),
        }
        answer
    }
}
