//! Where blocks lie in their heap; and the fast half of allocating, for faces that have a slow one of their own.

use core::ptr::NonNull;

use super::{FitHeap, GRANULE, LARGEST};
use crate::base::{FreeError, recording};
use crate::heap::fit::nodes::Nodes;
use crate::heap::fit::place::Book;
use crate::heap::fit::{Fit, Storage};

impl<S: Storage, F: Fit> FitHeap<S, F> {
    /// Where offset 0 is, at a multiple of 16. It stays as long as the heap lives.
    #[must_use]
    pub fn base(&self) -> NonNull<u8> {
        self.origin
    }

    /// How many bytes behind [`base`](Self::base) a block begins: what can be kept where an address can not, in a file say.
    ///
    /// # Errors
    /// It is no used block of this heap. Found in O(1), as by [`free`](Self::free).
    pub fn offset_of(&self, block: NonNull<u8>) -> Result<usize, FreeError> {
        self.find(block).map(|found| self.blocks.nodes.offset(found) as usize * GRANULE)
    }

    /// The block that begins so many bytes behind [`base`](Self::base), by a pointer that may be used for all of it.
    ///
    /// # Errors
    /// None that is in use does. Found in O(1), as by [`free`](Self::free).
    pub fn block_at(&self, offset: usize) -> Result<NonNull<u8>, FreeError> {
        // An offset that wraps is one in front, which no block has.
        let address = self.origin.as_ptr().wrapping_add(offset);
        NonNull::new(address).ok_or(FreeError::Foreign).and_then(|block| self.whole(block)).map(NonNull::cast)
    }

    /// The fast half of [`try_alloc`](Self::try_alloc), at a multiple of 16, for those who write the slow one elsewhere: `None` if there
    /// may be such a block, but not at once. With [`Tlsf`](crate::Tlsf), and heads in place, nothing that it does runs a pressure callback.
    #[inline(always)]
    pub fn alloc_fast(&mut self, size: usize) -> Option<NonNull<u8>> {
        if size > LARGEST || recording::is_on() { None } else { self.alloc_quick(size, GRANULE) }
    }

    /// As [`free`](Self::free), of any address; `false`: it is no used block of this heap, and nothing has changed. Why, `free` says.
    #[inline(always)]
    pub fn free_fast(&mut self, address: *mut u8) -> bool {
        if recording::is_on() {
            return NonNull::new(address).is_some_and(|block| self.told_free(block).is_ok());
        }
        let found = self.blocks.nodes.take(self.granule(address));
        if let Some(block) = found {
            self.poison(block);
            self.blocks.free(block);
        }
        found.is_some()
    }
}
