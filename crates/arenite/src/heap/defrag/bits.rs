//! What a face for another language needs: handles as numbers, and where a block lies, without a borrow.
#![expect(unsafe_code, reason = "what a handle is of is not in its numbers")]

use core::ptr::NonNull;

use super::{DefragError, DefragHandle, DefragHeap, DefragValue, SpaceHandle};
use crate::heap::fit::Fit;

impl DefragHandle {
    /// As numbers, for C: which heap it is of, and its [name](Self::name) there.
    #[must_use]
    pub fn to_bits(self) -> [u64; 2] {
        [self.stamp(), self.name().to_bits()]
    }

    /// From numbers that [`to_bits`](Self::to_bits) gave. Of others the heap says that they are foreign or stale, or they name whatever
    /// happens to be named by them.
    ///
    /// # Safety
    /// The block that they name, if they name one, is one of plain bytes or a slice of `u8`: they are those of such a handle, or
    /// nothing else lives in the heap that they will be used with.
    #[must_use]
    pub unsafe fn from_bits(bits: [u64; 2]) -> Option<Self> {
        let [stamp, name] = bits;
        SpaceHandle::from_bits(name).map(|name| Self::new(stamp, name))
    }
}

impl<F: Fit> DefragHeap<F> {
    /// Where a value lies: until the next call that moves blocks or resizes or frees this one, or, if it is pinned, until it no
    /// longer is. Reading and writing there is as of any raw pointer: not while a reference or a pin of somebody else's says otherwise. O(1).
    ///
    /// # Errors
    /// It was freed, or is in another heap.
    pub fn try_address<T: ?Sized + DefragValue>(
        &self,
        handle: DefragHandle<T>,
    ) -> Result<NonNull<T>, DefragError> {
        Ok(self.value(self.find(handle)?))
    }
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::heap::defrag::{DefragSpace, MoveId};
    use crate::heap::fit::{OffsetAllocator, OffsetOptions, SegmentId, Tlsf};
    use crate::ledger::Tag;

    #[test]
    fn numbers_name_what_they_named() {
        let tag = Tag::register("test/bits").unwrap();
        let mut heaps: [DefragHeap; 2] = [(); 2].map(|()| DefragHeap::try_new(tag).unwrap());
        let first = heaps[0].insert_slice_copy(b"first");
        let second = heaps[1].insert_slice_copy(b"second");
        // SAFETY: numbers of handles of bytes.
        let [one, two] =
            [first, second].map(|handle| unsafe { DefragHandle::from_bits(handle.to_bits()).unwrap() });
        assert_eq!((one, two), (first, second));
        assert_eq!(heaps[0].get(one).unwrap(), b"first");
        assert_eq!(heaps[0].try_address(two), Err(DefragError::Foreign));
        let address = heaps[1].try_address(two).unwrap();
        // SAFETY: the block lives, and nobody else uses it.
        unsafe { address.cast::<u8>().write(b'S') };
        assert_eq!(heaps[1].get(second).unwrap(), b"Second");
        heaps[1].free(two).unwrap();
        assert_eq!(heaps[1].try_address(second), Err(DefragError::Stale));
        // SAFETY: it names nothing.
        assert_eq!(unsafe { DefragHandle::from_bits([1, 0]) }, None);
    }

    #[test]
    fn moves_and_segments_have_numbers() {
        let options = OffsetOptions::new(Tag::register("test/bits").unwrap()).capacity(1 << 20);
        let mut space: DefragSpace = DefragSpace::try_new(options).unwrap();
        let front = space.try_allocate(4096, 16).unwrap();
        space.try_allocate(1024, 16).unwrap();
        space.free(front).unwrap();
        let mut begun = Vec::new();
        space.begin_moves(1 << 20, |step| begun.push(step.id));
        let bits = begun[0].to_bits();
        assert_eq!(MoveId::from_bits(bits), Some(begun[0]));
        assert_eq!(MoveId::from_bits([1 << 32, bits[1]]), None);
        assert!(space.done(MoveId::from_bits([bits[0], bits[1] + 1]).unwrap()).is_err());
        space.done(MoveId::from_bits(bits).unwrap()).unwrap();

        let mut range: OffsetAllocator<Tlsf> = options.try_build().unwrap();
        let second = range.try_append(4096).unwrap();
        assert_eq!(SegmentId::from_bits(second.to_bits()), Some(second));
        assert_eq!(SegmentId::from_bits(0), None);
        range.try_remove(second).unwrap();
        assert_eq!(range.segment(SegmentId::from_bits(second.to_bits()).unwrap()), None);
    }
}
