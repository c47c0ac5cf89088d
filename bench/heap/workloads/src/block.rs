//! Raw blocks of any size that notice when they are damaged.
#![expect(unsafe_code, reason = "asks the global allocator for bytes that no value has to fill")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// The system's page, near enough: what a block touches so that all of it is resident.
const PAGE: usize = 4096;

/// Aligned like nearly everything that programs allocate.
const ALIGN: usize = 8;

/// A block of the global allocator, of which one word of each page is written and the rest is left alone: filling it
/// would measure `memset`.
pub(crate) struct Block {
    /// From the global allocator, for the layout of `size`; holds the stamp in its first word and the stamp's lowest
    /// byte in its last byte.
    start: NonNull<u8>,
    /// At least 16.
    size: usize,
}

// SAFETY: the block belongs to this value alone, and the global allocator may be called from any thread.
unsafe impl Send for Block {}

impl Block {
    /// A block of `size` bytes (16 or more) that remembers `stamp`.
    #[inline]
    pub(crate) fn new(size: usize, stamp: u64) -> Self {
        assert!(size >= 16, "a block holds its stamp twice");
        let layout = layout(size);
        // SAFETY: the size is not zero.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        // SAFETY: `start` has `size` bytes, of which these are the first eight and the last one; it is aligned for a
        // word.
        unsafe {
            start.cast::<u64>().write(stamp);
            start.add(size - 1).write(stamp as u8);
        }
        for offset in (PAGE..size - 1).step_by(PAGE) {
            // SAFETY: below `size - 1`.
            unsafe { start.add(offset).write(stamp as u8) };
        }
        Self { start, size }
    }

    /// Writes all of the block, as a program does that loads something into it.
    pub(crate) fn fill(&mut self) {
        let stamp = self.stamp();
        // SAFETY: these are the bytes after the first word, to the end; the last one stays the stamp's.
        unsafe { self.start.add(8).write_bytes(stamp as u8, self.size - 8) };
    }

    /// The stamp, found to be whole at both ends.
    #[inline]
    pub(crate) fn stamp(&self) -> u64 {
        // SAFETY: both were written by `new`, and nobody else has the block.
        let (stamp, last) =
            unsafe { (self.start.cast::<u64>().read(), self.start.add(self.size - 1).read()) };
        assert!(last == stamp as u8, "a block of {} bytes was overwritten", self.size);
        stamp
    }
}

impl Drop for Block {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `start` is from the same allocator, with the same layout, and is not used again.
        unsafe { dealloc(self.start.as_ptr(), layout(self.size)) };
    }
}

#[inline]
fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, ALIGN).expect("a block is smaller than the address space")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_remembers_its_stamp_at_every_size() {
        for size in [16, 17, 4095, 4096, 4097, 8192, 8193, 1 << 20] {
            let mut block = Block::new(size, 0xABCD_0000 + size as u64);
            assert_eq!(block.stamp(), 0xABCD_0000 + size as u64);
            block.fill();
            assert_eq!(block.stamp(), 0xABCD_0000 + size as u64);
        }
    }

    #[test]
    #[should_panic(expected = "overwritten")]
    fn damage_is_noticed() {
        let block = Block::new(64, 7);
        // SAFETY: the last byte of the block.
        unsafe { block.start.add(63).write(8) };
        block.stamp();
    }
}
