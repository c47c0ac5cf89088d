//! The recorder's memory, of its own: nothing here is allocated from what is watched.
//!
//! ```text
//!   segments │ heads of segments │ numbers of stacks │ logs │ what the writer compresses into │ modules │ blocks of samples
//! ```
#![expect(unsafe_code, reason = "lays out a region of its own")]

use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use super::chain::{Chains, Head, Reading};
use super::format::events::Memory;
use super::format::{CHUNK_HEADER, SEGMENT};
use super::intern::Numbers;
use super::modules::Book;
use super::sample::{self, Chosen};
use crate::base::sync::UnsafeCell;
use crate::base::thread::ROWS;
use crate::ledger::Tag;
use crate::region::{AllocError, Region, RegionOptions};

/// Places for numbers of stacks.
const STACKS: usize = 1 << 20;
/// What the writer compresses into: a chunk of a whole segment that compression made larger, and its header.
pub(super) const SCRATCH: usize = CHUNK_HEADER + SEGMENT + SEGMENT / 64 + 1024;

/// Where one thread writes its events. All zeros: nothing yet.
#[derive(Debug)]
pub(super) struct Log {
    /// For the writer.
    pub(super) reading: Reading,
    /// Events that found no room, all in all.
    pub(super) lost: AtomicU64,
    own: UnsafeCell<Own>,
}

/// What only the thread that writes to a log knows.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) memory: Memory,
    /// The thread whose log it is now (see `base::thread`); another one may have had it before.
    pub(super) owner: usize,
    /// Its number in the file.
    pub(super) thread: u32,
    /// Which recording it last wrote to.
    pub(super) session: u32,
    /// The segment it writes to, and how far; 0 if it has none.
    pub(super) segment: u32,
    pub(super) len: u32,
    /// Segments that it had.
    pub(super) segments: u64,
    /// The tag that was told last, as its place and one; `u32::MAX` if none was.
    pub(super) tag: u32,
    /// What hashes of stacks begin with in this recording, beside what they begin with while no module is at another's addresses.
    pub(super) mix: u64,
    /// The stack it was last seen on.
    pub(super) low: usize,
    pub(super) high: usize,
    /// How often the system was asked for it.
    pub(super) asked: u32,
}

/// Everything that recordings need. Made once; it stays, because threads may still be writing when a recording ends.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) chains: Chains,
    pub(super) numbers: Numbers,
    pub(super) chosen: Chosen,
    segments: NonNull<u8>,
    logs: NonNull<Log>,
    scratch: NonNull<[u8; SCRATCH]>,
    modules: NonNull<Book>,
    _region: ManuallyDrop<Region>,
}

// SAFETY: atomics, and memory each part of which has one writer: a log its thread, a segment the thread whose log it is in, the
// scratch and the modules the writer.
unsafe impl Send for Room {}
// SAFETY: as above.
unsafe impl Sync for Room {}

impl Room {
    /// Room for events of so many bytes, at least two segments, charged to the tag.
    pub(super) fn try_new(tag: Tag, bytes: usize) -> Result<Self, AllocError> {
        let count = (bytes / SEGMENT).clamp(2, 1 << 16);
        let mut end = 0;
        let mut part = |bytes: usize| {
            let start = end;
            end = (start + bytes).next_multiple_of(4096);
            start
        };
        let segments = part(count * SEGMENT);
        let heads = part(count * size_of::<Head>());
        let numbers = part(Numbers::bytes(STACKS));
        let logs = part(ROWS * size_of::<Log>());
        let scratch = part(SCRATCH);
        let modules = part(size_of::<Book>());
        let chosen = part(Chosen::BYTES);
        let mut region = Region::try_reserve(RegionOptions::new(tag, end).at_least(end))?;
        region.try_grow(end)?;
        let base = region.base();
        // SAFETY: all within the region, which has memory up to `end`, zero at first and never given back; parts begin at pages,
        // and do not overlap. Zeros are default values of atomics.
        unsafe {
            Ok(Self {
                chains: Chains::new(base.add(heads), count as u32),
                numbers: Numbers::new(base.add(numbers), STACKS),
                chosen: Chosen::new(base.add(chosen), &sample::KINDS_OF_ALL),
                segments: base.add(segments),
                logs: base.add(logs).cast(),
                scratch: base.add(scratch).cast(),
                modules: base.add(modules).cast(),
                _region: ManuallyDrop::new(region),
            })
        }
    }

    /// The first byte of a segment.
    #[inline(always)]
    pub(super) fn segment(&self, name: u32) -> NonNull<u8> {
        // SAFETY: names are 1 to the number of segments.
        unsafe { self.segments.add((name as usize - 1) * SEGMENT) }
    }

    /// What was written to a segment.
    ///
    /// # Safety
    /// These bytes were published, and the segment is not given back while they are in use.
    pub(super) unsafe fn written(&self, name: u32, from: u32, to: u32) -> &[u8] {
        // SAFETY: within the segment; nobody writes to what was published.
        unsafe {
            let start = self.segment(name).add(from as usize);
            core::slice::from_raw_parts(start.as_ptr(), (to - from) as usize)
        }
    }

    /// The log in this row of [`ROWS`].
    #[inline(always)]
    pub(super) fn log(&self, row: usize) -> &Log {
        assert!(row < ROWS, "no such row");
        // SAFETY: within the logs, which are zero at first: numbers and atomics.
        unsafe { self.logs.add(row).as_ref() }
    }

    pub(super) fn logs(&self) -> impl Iterator<Item = &Log> {
        (0..ROWS).map(|row| self.log(row))
    }

    /// Events that found no room since the first recording.
    pub(super) fn lost(&self) -> u64 {
        self.logs().map(|log| log.lost.load(Ordering::Relaxed)).sum()
    }

    /// What the writer compresses into.
    ///
    /// # Safety
    /// Nobody else uses it while the reference lives.
    #[expect(clippy::mut_from_ref, reason = "the caller's promise")]
    pub(super) unsafe fn scratch(&self) -> &mut [u8; SCRATCH] {
        // SAFETY: within the region; the caller's promise.
        unsafe { &mut *self.scratch.as_ptr() }
    }

    /// What the writer knows of modules.
    ///
    /// # Safety
    /// Nobody else uses it while the reference lives.
    #[expect(clippy::mut_from_ref, reason = "the caller's promise")]
    pub(super) unsafe fn modules(&self) -> &mut Book {
        // SAFETY: within the region, which is zero at first: numbers; the caller's promise.
        unsafe { &mut *self.modules.as_ptr() }
    }
}

impl Log {
    /// # Safety
    /// Nobody else uses it while the reference lives: the calling thread is the one whose log it is, or holds the lock of those that
    /// have none, and has no other such reference.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the caller's promise")]
    pub(super) unsafe fn own(&self) -> &mut Own {
        // SAFETY: the caller's promise.
        self.own.with_mut(|own| unsafe { &mut *own })
    }
}
