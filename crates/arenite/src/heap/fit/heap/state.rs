//! Saving and loading the books of a heap, so that what lies in its memory can be saved beside them, and be in use again where it is
//! loaded.

use core::marker::PhantomData;
use std::vec::Vec;

use serde::de::DeserializeSeed;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{FitHeap, GRANULE, SEGMENTS};
use crate::base::recording;
use crate::heap::fit::nodes::{Nodes, State};
use crate::heap::fit::place::Book;
use crate::heap::fit::state::List;
use crate::heap::fit::storage::BooksApart;
use crate::heap::fit::storage::sealed::Memory;
use crate::heap::fit::{Fit, FitStateError, Tlsf};

/// The books of a [`FitHeap`] when they are saved, as a plain value: make a heap of it with [`try_into_heap`](Self::try_into_heap), which is
/// where the memory and the fit come in. [`FitHeap::seed`] does both at once.
///
/// A heap itself is `Serialize`, in the same form, if its books are [`Apart`](crate::heap::fit::Apart) from its memory. (Heads in place are
/// a part of that memory: a program that has written beyond a block, or a file that somebody changed, would be believed when it is loaded.
/// So such a heap has no state.)
///
/// | field | what |
/// |---|---|
/// | `granule` | 16: what sizes and offsets are multiples of; the others are in this unit |
/// | `end` | how far the memory goes |
/// | `used` | where each used block begins, and how large it is, by offset; what is between them is free |
///
/// What is in the blocks is not saved with it: that is [`capacity`](Self::capacity) bytes from [`FitHeap::base`] on. Blocks are at the same
/// [offsets](FitHeap::offset_of) again, of another base perhaps. So what is saved of a block is its offset, not its address; and an
/// alignment above 16 holds only if the new base lies as the old one did, as far as that alignment tells. Habits of the fit are not saved: of free pieces in the same class [`Tlsf`] may take another one, and
/// [`NextFit`](crate::NextFit) begins at the front. A heap may be loaded with another fit, and into more memory, than it was saved with.
///
/// ```
/// use std::alloc::Layout;
/// use arenite::heap::fit::{Apart, FitHeap, FitHeapState, Growing};
/// use arenite::Tag;
///
/// let tag = Tag::register("example/level")?;
/// let mut level: FitHeap<Apart<Growing>> = FitHeap::try_new(Apart::new(Growing::new(tag, 1 << 30)))?;
/// let wall = level.try_alloc(Layout::new::<[u64; 100]>())?.cast::<[u64; 100]>();
/// // SAFETY: a block for that, which nobody else has.
/// unsafe { wall.write([7; 100]) };
///
/// // Saved: the books, where the wall is, and the memory.
/// let books = serde_json::to_string(&(&level, level.offset_of(wall.cast())?))?;
/// let mut image = vec![0_u8; level.stats().capacity as usize];
/// // SAFETY: so many bytes there are, of which those of the wall have been written and the others are as the system gave them.
/// unsafe { level.base().copy_to_nonoverlapping(std::ptr::NonNull::from(&mut image[..]).cast(), image.len()) };
/// drop(level);
///
/// // Loaded: at the same place in other memory.
/// let (state, wall): (FitHeapState, usize) = serde_json::from_str(&books)?;
/// let mut level: FitHeap<Apart<Growing>> = state.try_into_heap(Apart::new(Growing::new(tag, 1 << 30)))?;
/// // SAFETY: the heap has at least as much memory as the one that was saved, and nobody uses it yet.
/// unsafe { level.base().copy_from_nonoverlapping(std::ptr::NonNull::from(&image[..]).cast(), image.len()) };
/// let wall = level.block_at(wall)?;
/// // SAFETY: what was written above.
/// assert_eq!(unsafe { wall.cast::<[u64; 100]>().read() }, [7; 100]);
/// level.free(wall)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FitHeapState {
    granule: u64,
    end: u32,
    used: Vec<(u32, u32)>,
}

impl FitHeapState {
    /// How many bytes of memory belong to it: what a buffer has to have at least, from a multiple of 16 on.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        u64::from(self.end) * GRANULE as u64
    }

    /// A heap with these books in that storage. What is in the memory is neither read nor written. Everything is checked: a state that was
    /// tampered with can give other blocks, but none that overlap or are not in the memory. A storage that grows is committed as far as the
    /// state says, within what it reserves and the budgets of its tag; what the storage has beyond that is free. O(blocks), or
    /// O(blocks · log blocks), as the fit has it.
    ///
    /// # Errors
    /// The state makes no sense, the storage is smaller than it says, or there is no room for the books.
    pub fn try_into_heap<S: BooksApart, F: Fit>(self, storage: S) -> Result<FitHeap<S, F>, FitStateError> {
        if self.granule != GRANULE as u64 {
            return Err(FitStateError::Granule { granule: self.granule });
        }
        let mut behind = 0;
        for (place, &(offset, size)) in self.used.iter().enumerate() {
            let end = offset.checked_add(size).filter(|end| size != 0 && *end <= self.end);
            behind = end.filter(|_| offset >= behind).ok_or(FitStateError::Block { place })?;
        }
        let mut heap = FitHeap::try_new(storage)?;
        let limit = heap.memory.limit();
        if self.end > limit {
            return Err(FitStateError::TooLong { end: self.end, limit });
        }
        heap.blocks.try_ready(SEGMENTS)?;
        heap.memory.try_grow(self.end)?;
        heap.take_in();
        // All of it is one free block, of which used ones are cut off.
        let (mut rest, mut behind) = (heap.blocks.nodes.last(), 0);
        for (offset, size) in self.used {
            heap.blocks.try_ready(SEGMENTS)?;
            let block = heap.blocks.take(rest, offset - behind, size);
            heap.blocks.nodes.begin(block);
            if recording::is_on() {
                heap.tell_of(heap.address(block), heap.size_of(block));
            }
            (rest, behind) = (heap.blocks.nodes.after(block), offset + size);
        }
        heap.publish();
        Ok(heap)
    }
}

impl<S: BooksApart, F: Fit> FitHeap<S, F> {
    /// The books of this heap, to be saved. O(pieces). (The heap itself is `Serialize` in the same form, without a copy.)
    #[must_use]
    pub fn state(&self) -> FitHeapState {
        FitHeapState { granule: GRANULE as u64, end: self.blocks.nodes.end(), used: self.used().collect() }
    }

    /// Loads a heap that was saved, into this storage: for `DeserializeSeed`.
    ///
    /// ```
    /// use std::alloc::Layout;
    /// use std::mem::MaybeUninit;
    /// use arenite::heap::fit::{Apart, FitHeap, Fixed};
    /// use arenite::Tag;
    /// use serde::de::DeserializeSeed;
    ///
    /// let tag = Tag::register("example/buffers")?;
    /// let (mut here, mut there) = ([MaybeUninit::uninit(); 4096], [MaybeUninit::uninit(); 8192]);
    /// let mut heap: FitHeap<Apart<Fixed>> = FitHeap::try_new(Apart::new(Fixed::new(tag, &mut here)))?;
    /// let block = heap.try_alloc(Layout::new::<[u8; 100]>())?;
    /// let saved = serde_json::to_vec(&heap)?;
    /// let seed = FitHeap::<Apart<Fixed>>::seed(Apart::new(Fixed::new(tag, &mut there)));
    /// let loaded = seed.deserialize(&mut serde_json::Deserializer::from_slice(&saved))?;
    /// assert_eq!(loaded.offset_of(loaded.block_at(heap.offset_of(block)?)?), heap.offset_of(block));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn seed(storage: S) -> FitHeapSeed<S, F> {
        FitHeapSeed { storage, makes: PhantomData }
    }

    /// Used blocks by offset: where they begin and how large they are.
    fn used(&self) -> impl Iterator<Item = (u32, u32)> {
        let nodes = &self.blocks.nodes;
        core::iter::successors(nodes.next(None), |block| nodes.next(Some(*block)))
            .filter(|block| nodes.state(*block) == State::Used)
            .map(|block| (nodes.offset(block), nodes.size(block)))
    }
}

/// Loads a heap: [`FitHeap::seed`].
#[derive(Debug)]
pub struct FitHeapSeed<S, F: Fit = Tlsf> {
    storage: S,
    makes: PhantomData<fn() -> F>,
}

impl<'de, S: BooksApart, F: Fit> DeserializeSeed<'de> for FitHeapSeed<S, F> {
    type Value = FitHeap<S, F>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<FitHeap<S, F>, D::Error> {
        let state = FitHeapState::deserialize(deserializer)?;
        state.try_into_heap(self.storage).map_err(serde::de::Error::custom)
    }
}

impl<S: BooksApart, F: Fit> Serialize for FitHeap<S, F> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let mut heap = serializer.serialize_struct("FitHeapState", 3)?;
        heap.serialize_field("granule", &(GRANULE as u64))?;
        heap.serialize_field("end", &self.blocks.nodes.end())?;
        heap.serialize_field("used", &List(self.blocks.used as usize, || self.used()))?;
        heap.end()
    }
}
