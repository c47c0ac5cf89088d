//! A heap that counts.
#![expect(unsafe_code, reason = "is a heap that stands for another")]

use core::alloc::Layout;
use core::ptr::NonNull;

use super::{RawHeap, ReadableHeap};
use crate::base::FreeError;
use crate::heap::fit::FitError;

/// A heap that counts what is asked of it.
///
/// ```
/// use std::alloc::Layout;
/// use arenite::heap::fit::{FitHeap, Growing, Inspected, RawHeap};
/// use arenite::Tag;
///
/// let heap: FitHeap<Growing> = FitHeap::try_new(Growing::new(Tag::register("scripts")?, 1 << 30))?;
/// let mut heap = Inspected::new(heap);
/// let block = heap.try_alloc(Layout::new::<[u8; 100]>())?;
/// assert_eq!((heap.calls().live_blocks, heap.calls().sizes[6]), (1, 1));
/// heap.free(block)?;
/// assert!(heap.free(block).is_err());
/// assert_eq!((heap.calls().frees, heap.calls().mistakes, heap.calls().live_bytes), (1, 1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Inspected<H> {
    heap: H,
    calls: HeapCalls,
}

/// What was asked of a heap, since it was made or since it was [reset](Inspected::reset). Bytes are usable ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeapCalls {
    /// Blocks that were handed out.
    pub allocs: u64,
    /// Blocks that came back.
    pub frees: u64,
    /// Blocks that got another size where they lie.
    pub resizes: u64,
    /// Requests for a block, or for more of one, that were refused.
    pub failures: u64,
    /// Pointers that were no used block.
    pub mistakes: u64,
    /// Blocks that are out.
    pub live_blocks: u64,
    /// Their bytes.
    pub live_bytes: u64,
    /// The most bytes that were out at once.
    pub peak_bytes: u64,
    /// How many requests for a block there were of each size, refused ones included: place `n` counts those of at least 2ⁿ bytes and less
    /// than 2ⁿ⁺¹; of no byte, in place 0.
    pub sizes: [u64; 64],
}

impl HeapCalls {
    const NONE: Self = Self {
        allocs: 0,
        frees: 0,
        resizes: 0,
        failures: 0,
        mistakes: 0,
        live_blocks: 0,
        live_bytes: 0,
        peak_bytes: 0,
        sizes: [0; 64],
    };

    fn move_bytes(&mut self, before: usize, after: usize) {
        self.live_bytes = self.live_bytes - before as u64 + after as u64;
        self.peak_bytes = self.peak_bytes.max(self.live_bytes);
    }
}

impl Default for HeapCalls {
    fn default() -> Self {
        Self::NONE
    }
}

impl<H: RawHeap> Inspected<H> {
    /// Counts from here on: what is in the heap already must not be freed through this.
    pub const fn new(heap: H) -> Self {
        Self { heap, calls: HeapCalls::NONE }
    }

    /// What was asked for.
    pub const fn calls(&self) -> &HeapCalls {
        &self.calls
    }

    /// Begins to count anew; what is out stays counted.
    pub const fn reset(&mut self) {
        let HeapCalls { live_blocks, live_bytes, .. } = self.calls;
        self.calls = HeapCalls { live_blocks, live_bytes, peak_bytes: live_bytes, ..HeapCalls::NONE };
    }

    /// The heap.
    pub const fn inner(&self) -> &H {
        &self.heap
    }

    /// The heap; what is done to it directly is not counted, so blocks that are counted must not be freed or resized there.
    pub const fn inner_mut(&mut self) -> &mut H {
        &mut self.heap
    }

    /// The heap, with what is in it.
    pub fn into_inner(self) -> H {
        self.heap
    }
}

// SAFETY: that of the heap.
unsafe impl<H: RawHeap> RawHeap for Inspected<H> {
    fn try_alloc(&mut self, layout: Layout) -> Result<NonNull<u8>, FitError> {
        self.calls.sizes[layout.size().max(1).ilog2() as usize] += 1;
        let answer = self.heap.try_alloc(layout);
        match answer {
            Ok(block) => {
                let size = self.heap.usable_size(block).unwrap_or(0);
                self.calls.allocs += 1;
                self.calls.live_blocks += 1;
                self.calls.move_bytes(0, size);
            }
            Err(_) => self.calls.failures += 1,
        }
        answer
    }

    fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        let size = self.heap.usable_size(block);
        let answer = self.heap.free(block);
        match (answer, size) {
            (Ok(()), Ok(size)) => {
                self.calls.frees += 1;
                // Of a block that was there before only this much is known.
                self.calls.live_blocks = self.calls.live_blocks.saturating_sub(1);
                self.calls.live_bytes = self.calls.live_bytes.saturating_sub(size as u64);
            }
            _ => self.calls.mistakes += 1,
        }
        answer
    }

    #[inline]
    fn find(&self, block: NonNull<u8>) -> Result<NonNull<[u8]>, FreeError> {
        self.heap.find(block)
    }

    fn try_resize(&mut self, block: NonNull<u8>, layout: Layout) -> Result<NonNull<u8>, FitError> {
        let before = self.heap.usable_size(block);
        let answer = self.heap.try_resize(block, layout);
        match (answer, before) {
            (Ok(block), Ok(before)) => {
                self.calls.resizes += 1;
                let after = self.heap.usable_size(block).unwrap_or(before);
                self.calls.live_bytes = self.calls.live_bytes.max(before as u64);
                self.calls.move_bytes(before, after);
            }
            (Err(FitError::Misused(_)), _) => self.calls.mistakes += 1,
            _ => self.calls.failures += 1,
        }
        answer
    }

    #[inline]
    fn owns(&self, address: *const u8) -> bool {
        self.heap.owns(address)
    }
}

// SAFETY: that of the heap.
unsafe impl<H: ReadableHeap> ReadableHeap for Inspected<H> {}
