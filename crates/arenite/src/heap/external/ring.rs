//! The upload ring: memory for what the processor hands to a device, frame after frame.

use core::fmt;

/// A ring over a range of someone else's memory: pieces are handed out one behind the other, and come back all together when the device has
/// passed the fence of their submission. Nothing is freed by itself, and nothing of the range is read or written here.
///
/// ```text
///     0                                                          capacity
///     |  free   | submitted, fence 7 | fence 8 | not submitted | free  |
///     +---------+--------------------+---------+---------------+-------+
///               ▲ retire moves this               try_allocate ▲ moves this
/// ```
///
/// A piece is never cut in two: one that does not fit before the end of the range begins at its start, and what is left over at
/// the end comes back with it. All functions take O(1), but for [`retire`](Self::retire), which takes O(what is retired). At most 32
/// submissions are told apart; of more, the last ones are retired together.
///
/// ```
/// use arenite::{RingError, UploadRing};
///
/// let mut ring = UploadRing::new(1 << 20);
/// let vertices = ring.try_allocate(600_000, 256)?;
/// ring.submit(1);
/// assert_eq!(ring.try_allocate(600_000, 256), Err(RingError::FullUntil { fence: 1 }));
/// ring.retire(1); // the device says so
/// let next = ring.try_allocate(600_000, 256)?;
/// assert_eq!((vertices.offset, next.offset), (0, 0));
/// # Ok::<(), RingError>(())
/// ```
#[derive(Clone)]
pub struct UploadRing {
    capacity: u64,
    /// Bytes that were ever passed, gaps included, but for whole laps that everything has left behind: what is in use is from `tail` to
    /// `head`. Offsets are these modulo the capacity.
    head: u64,
    tail: u64,
    /// Where what is not submitted begins.
    open: u64,
    /// Submissions that are not retired, in order: from `first`, `count` of them.
    batches: [Batch; BATCHES],
    first: usize,
    count: usize,
    /// The fence of the last submission.
    fence: u64,
}

const BATCHES: usize = 32;

/// What was submitted together.
#[derive(Clone, Copy)]
struct Batch {
    fence: u64,
    /// Where it ends.
    end: u64,
}

/// A piece of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingBlock {
    /// Where it begins.
    pub offset: u64,
    /// How large it is: what was asked for.
    pub size: u64,
}

/// There is no such piece now. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingError {
    /// There is when this fence has been passed, and no sooner.
    FullUntil {
        /// Wait for it, [`retire`](UploadRing::retire) it, and ask again.
        fence: u64,
    },
    /// What has not been submitted is in the way: submit it first.
    NotSubmitted,
    /// The ring is not that large.
    TooLarge {
        /// Its size.
        capacity: u64,
    },
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FullUntil { fence } => {
                write!(f, "the ring is full until fence {fence} has been passed: wait for it and retire it")
            }
            Self::NotSubmitted => f.write_str(
                "the ring is full of what has not been submitted: submit it, or make the ring larger",
            ),
            Self::TooLarge { capacity } => write!(f, "the whole ring has {capacity} bytes: make it larger"),
        }
    }
}

impl core::error::Error for RingError {}

impl UploadRing {
    /// A ring over a range of so many bytes, or of whatever it is counted in; 2⁶² at the most.
    ///
    /// # Panics
    /// There are more.
    #[must_use]
    pub const fn new(capacity: u64) -> Self {
        assert!(capacity <= 1 << 62, "a ring of more than 2^62");
        Self {
            capacity,
            head: 0,
            tail: 0,
            open: 0,
            batches: [Batch { fence: 0, end: 0 }; BATCHES],
            first: 0,
            count: 0,
            fence: 0,
        }
    }

    /// A piece of `size`, at an offset that is a multiple of `align`. (Of size zero: an offset that others may have, too.)
    ///
    /// # Errors
    /// It says what to wait for.
    ///
    /// # Panics
    /// `align` is not a power of two.
    pub fn try_allocate(&mut self, size: u64, align: u64) -> Result<RingBlock, RingError> {
        assert!(align.is_power_of_two(), "an alignment is a power of two");
        if size > self.capacity {
            return Err(RingError::TooLarge { capacity: self.capacity });
        }
        if self.head == self.tail {
            // Nothing is in use, so that no gap is needed.
            self.start_over();
        }
        let (start, end) = self.place(size, align).ok_or(RingError::TooLarge { capacity: self.capacity })?;
        if end - self.tail > self.capacity {
            return Err(self.explain(size, end));
        }
        self.head = end;
        Ok(RingBlock { offset: start % self.capacity.max(1), size })
    }

    /// Where a piece would lie if all of the ring were free.
    fn place(&self, size: u64, align: u64) -> Option<(u64, u64)> {
        let lap = self.head - self.offset();
        let offset = self.offset().checked_next_multiple_of(align);
        let fits = offset.filter(|offset| offset.checked_add(size).is_some_and(|end| end <= self.capacity));
        // Otherwise it begins the next lap, at offset 0, which is a multiple of anything.
        let start = fits.map_or(lap + self.capacity, |offset| lap + offset);
        Some((start, start.checked_add(size)?))
    }

    /// Where the next piece would begin.
    fn offset(&self) -> u64 {
        self.head % self.capacity.max(1)
    }

    fn start_over(&mut self) {
        debug_assert!(self.count == 0, "every submission is of something");
        (self.head, self.tail, self.open) = (0, 0, 0);
    }

    fn batch_mut(&mut self, at: usize) -> &mut Batch {
        &mut self.batches[(self.first + at) % BATCHES]
    }

    fn batch(&self, at: usize) -> Batch {
        self.batches[(self.first + at) % BATCHES]
    }

    /// What has to be retired before a piece that ends at `end` fits; if all of it is, a piece of `size` begins at the start.
    #[cold]
    fn explain(&self, size: u64, end: u64) -> RingError {
        let enough = (0..self.count).map(|at| self.batch(at)).find(|batch| {
            let all = batch.end == self.head;
            end - batch.end <= self.capacity || all && size <= self.capacity
        });
        enough.map_or(RingError::NotSubmitted, |batch| RingError::FullUntil { fence: batch.fence })
    }

    /// All pieces since the last submission are in use until the device has passed `fence`.
    ///
    /// # Panics
    /// A larger fence was submitted before.
    pub fn submit(&mut self, fence: u64) {
        assert!(fence >= self.fence, "fence {fence} comes after {}", self.fence);
        self.fence = fence;
        if self.open == self.head {
            return;
        }
        self.open = self.head;
        let batch = Batch { fence, end: self.head };
        match self.count.checked_sub(1) {
            // Of the same fence, or of too many: the last ones go together, not before the later fence.
            Some(last) if self.batch(last).fence == fence || self.count == BATCHES => {
                *self.batch_mut(last) = batch;
            }
            _ => {
                *self.batch_mut(self.count) = batch;
                self.count += 1;
            }
        }
    }

    /// The device has passed all fences up to `completed`: what was submitted with them is free again. Answers how much that is, gaps
    /// included.
    pub fn retire(&mut self, completed: u64) -> u64 {
        let before = self.tail;
        while self.count > 0 && self.batch(0).fence <= completed {
            self.tail = self.batch(0).end;
            self.first = (self.first + 1) % BATCHES;
            self.count -= 1;
        }
        let retired = self.tail - before;
        if self.tail >= self.capacity && self.capacity != 0 {
            self.forget_laps();
        }
        retired
    }

    /// Takes whole laps away from all that is counted, so that no count ever comes near its end, however long the ring is in use.
    #[cold]
    fn forget_laps(&mut self) {
        let laps = self.tail - self.tail % self.capacity;
        for count in [&mut self.head, &mut self.tail, &mut self.open] {
            *count -= laps;
        }
        for at in 0..self.count {
            self.batch_mut(at).end -= laps;
        }
    }

    /// How much is in use, submitted or not, gaps included.
    #[must_use]
    pub const fn used(&self) -> u64 {
        self.head - self.tail
    }

    /// How large it is.
    #[must_use]
    pub const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The fence that the oldest piece waits for; `None`: nothing is submitted.
    #[must_use]
    pub fn oldest_fence(&self) -> Option<u64> {
        (self.count > 0).then(|| self.batch(0).fence)
    }
}

impl fmt::Debug for UploadRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadRing")
            .field("capacity", &self.capacity)
            .field("used", &self.used())
            .field("oldest_fence", &self.oldest_fence())
            .finish_non_exhaustive()
    }
}
