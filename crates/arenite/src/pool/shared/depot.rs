//! Where idle blocks of a shared pool are that no thread keeps for itself, as numbers. Lock-free.
//!
//! ```text
//!   fresh ──► blocks never handed out: a counter
//!   full  ──► batch ──► batch ──► …            a batch is a buffer of up to `stride - 1` block numbers
//!   empty ──► buffer ──► buffer ──► …          buffers that hold nothing
//!   loose ──► block ──► block ──► …            single blocks: of threads without a magazine, and leftovers
//! ```
//!
//! There are several stacks of batches and of buffers. A thread puts what it has too much on its own ones and looks there
//! first, so that threads which do the same at the same time do not wait for each other, and a block goes to the thread in
//! whose cache it is. (With one stack for all, blocks between processors that are far apart took 1.4 to 2 times as long.)
//!
//! A head is one word: a name in the lower half, in the upper one a count of all changes. So an exchange fails when the
//! head changed in between, also when it changed back (ABA), unless the same thread slept through exactly 2^32 changes
//! between two instructions. Links are indices in columns beside the blocks; a block's own memory is never touched, so
//! what a thread reads too late are stale numbers, which the exchange then refuses.
//!
//! Every change of a head is a read-modify-write, so all of them are one release sequence: whoever takes a name acquires
//! what was written before it was put there, whatever came on top of it in between.
#![expect(unsafe_code, reason = "reaches links and buffers by index, without a bounds check")]

use core::ops::Range;

use crate::base::sync::{AtomicArray, AtomicU32, AtomicU64, Ordering, Padded};

/// Bits of a batch's size in the name of a batch; the buffer's number has the rest.
const SIZE_BITS: u32 = 7;

/// Stacks of batches.
const STRIPES: usize = if cfg!(loom) { 2 } else { 8 };

/// The most blocks a batch can have.
pub(super) const LARGEST_BATCH: u32 = (1 << SIZE_BITS) - 1;

/// Every block number that is put in here was handed out by it ([`carve`](Self::carve), `take_…`), once, and so lies
/// below `fresh`; so do those in buffers and links. Rows below `fresh` have memory in both columns.
#[derive(Debug)]
pub(super) struct Depot {
    stripes: [Padded<Stripe>; STRIPES],
    /// Blocks: number + 1.
    loose: Padded<AtomicU64>,
    /// Blocks that were ever handed out: those below this number.
    fresh: Padded<AtomicU32>,
    /// Buffers that were ever used: those below this number. Beside nothing that is changed often.
    buffers: AtomicU32,
    /// One cell a block: what comes after it on `loose`.
    links: AtomicArray<AtomicU32>,
    /// One cell a block, which makes a buffer of each `stride` of them.
    cells: AtomicArray<AtomicU32>,
    /// Cells of a buffer.
    stride: u32,
}

/// Batches and buffers of some threads, beside each other: whoever changes one changes the other.
#[derive(Debug, Default)]
struct Stripe {
    /// Batches: buffer and size, 0 for none. The first cell of a buffer is the link, the next ones are blocks.
    full: AtomicU64,
    /// Buffers without blocks: number + 1.
    empty: AtomicU64,
}

/// The stacks that blocks are on, at one moment each. Two equal ones were the same all the time in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heads {
    full: [u64; STRIPES],
    loose: u64,
}

impl Heads {
    /// Whether there is no block on any.
    pub(super) fn are_empty(&self) -> bool {
        self.full.iter().chain([&self.loose]).all(|head| *head as u32 == 0)
    }
}

/// The head after a change of `was` to `name`.
fn next(was: u64, name: u32) -> u64 {
    ((was >> 32).wrapping_add(1) << 32) | u64::from(name)
}

fn push(head: &AtomicU64, name: u32, link: &AtomicU32) {
    let mut was = head.load(Ordering::Relaxed);
    loop {
        link.store(was as u32, Ordering::Relaxed);
        // Release: what was written to the buffer, the links and the blocks comes with it.
        match head.compare_exchange_weak(was, next(was, name), Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => was = now,
        }
    }
}

fn pop<'a>(head: &AtomicU64, link: impl Fn(u32) -> &'a AtomicU32) -> Option<u32> {
    // Acquire: the link of what is seen here.
    let mut was = head.load(Ordering::Acquire);
    loop {
        let name = was as u32;
        if name == 0 {
            return None;
        }
        // May be stale when another thread has taken the name already; the exchange fails then.
        let below = link(name).load(Ordering::Relaxed);
        // Release: that this thread's magazine is open is known before the stack is seen without the name.
        match head.compare_exchange_weak(was, next(was, below), Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Some(name),
            Err(now) => was = now,
        }
    }
}

/// Copies as many as both have room for.
fn copy(from: &[AtomicU32], to: &[AtomicU32]) {
    for (from, to) in from.iter().zip(to) {
        to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Depot {
    /// All blocks are fresh. A buffer has `stride` cells, one of them for its link.
    ///
    /// # Safety
    /// Both columns are as [`AtomicArray::new`] wants them, for at least as many rows as will be [carved](Self::carve).
    pub(super) unsafe fn new(
        links: AtomicArray<AtomicU32>,
        cells: AtomicArray<AtomicU32>,
        stride: u32,
    ) -> Self {
        debug_assert!(stride == 0 || (2..=LARGEST_BATCH + 1).contains(&stride));
        Self {
            stripes: [(); STRIPES].map(|()| Padded::default()),
            loose: Padded::default(),
            fresh: Padded::default(),
            buffers: AtomicU32::new(0),
            links,
            cells,
            stride,
        }
    }

    fn link(&self, block: u32) -> &AtomicU32 {
        // SAFETY: see `Depot`: the number lies below `fresh`.
        unsafe { self.links.at(block as usize) }
    }

    fn cell(&self, buffer: u32, place: u32) -> &AtomicU32 {
        debug_assert!(place < self.stride);
        // SAFETY: a buffer is used only if all of its cells have memory (`buffer`), and it has `stride` of them.
        unsafe { self.cells.at((buffer * self.stride + place) as usize) }
    }

    /// The cells of a buffer behind its link.
    fn blocks(&self, buffer: u32) -> &[AtomicU32] {
        // SAFETY: as in `cell`.
        unsafe { self.cells.slice((buffer * self.stride) as usize + 1, self.stride as usize - 1) }
    }

    /// How many blocks were ever handed out.
    pub(super) fn drawn(&self) -> u32 {
        self.fresh.load(Ordering::Acquire)
    }

    pub(super) fn heads(&self) -> Heads {
        let mut full = [0; STRIPES];
        for (head, stripe) in full.iter_mut().zip(&self.stripes) {
            *head = stripe.full.load(Ordering::Acquire);
        }
        Heads { full, loose: self.loose.load(Ordering::Acquire) }
    }

    /// Hands out up to `most` blocks that never were, of those below `limit`.
    ///
    /// # Safety
    /// Rows below `limit` have memory.
    pub(super) unsafe fn carve(&self, most: u32, limit: u32) -> Range<u32> {
        let mut was = self.fresh.load(Ordering::Relaxed);
        loop {
            let end = was.saturating_add(most).min(limit);
            if end <= was {
                return was..was;
            }
            // Release: as in `pop`. Acquire: whoever changes it next knows what was known to the last.
            match self.fresh.compare_exchange_weak(was, end, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return was..end,
                Err(now) => was = now,
            }
        }
    }

    /// Hands out the block `drawn` if [`drawn`](Self::drawn) is still what it was.
    ///
    /// # Safety
    /// This row has memory.
    pub(super) unsafe fn carve_next(&self, drawn: u32) -> bool {
        self.fresh.compare_exchange(drawn, drawn + 1, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Takes one of the single blocks.
    pub(super) fn take_loose(&self) -> Option<u32> {
        pop(&self.loose, |name| self.link(name - 1)).map(|name| name - 1)
    }

    /// Puts a single block back.
    pub(super) fn put_loose(&self, block: u32) {
        push(&self.loose, block + 1, self.link(block));
    }

    /// Puts blocks back as single ones, in one exchange.
    pub(super) fn put_chain(&self, blocks: &[AtomicU32]) {
        let mut blocks = blocks.iter().map(|block| block.load(Ordering::Relaxed));
        let Some(last) = blocks.next() else { return };
        let mut first = last;
        for block in blocks {
            self.link(block).store(first + 1, Ordering::Relaxed);
            first = block;
        }
        push(&self.loose, first + 1, self.link(last));
    }

    /// The stripes, this one first.
    fn stripes_from(&self, stripe: usize) -> impl Iterator<Item = &Stripe> {
        (stripe..stripe + STRIPES).map(|index| &*self.stripes[index % STRIPES])
    }

    /// Takes the uppermost batch of this stripe, or of another one, and copies it to `room`, which is large enough for any.
    /// Answers how many blocks there were, 0 when there is no batch.
    pub(super) fn take_batch(&self, stripe: usize, room: &[AtomicU32]) -> u32 {
        let below = |name| self.cell(name >> SIZE_BITS, 0);
        let Some(name) = self.stripes_from(stripe).find_map(|stripe| pop(&stripe.full, below)) else {
            return 0;
        };
        let (buffer, size) = (name >> SIZE_BITS, name & LARGEST_BATCH);
        copy(&self.blocks(buffer)[..size as usize], room);
        self.put_buffer(stripe, buffer);
        size
    }

    /// Takes one block out of an uppermost batch, which stays where it is: so no block is ever on its way in the hands of a
    /// thread without a magazine.
    pub(super) fn take_from_batch(&self) -> Option<u32> {
        self.stripes_from(0).find_map(|stripe| {
            let mut was = stripe.full.load(Ordering::Acquire);
            loop {
                let (buffer, size) = (was as u32 >> SIZE_BITS, was as u32 & LARGEST_BATCH);
                if size == 0 {
                    return None;
                }
                // Both may be stale, as in `pop`.
                let block = self.cell(buffer, size).load(Ordering::Relaxed);
                let name = match size {
                    1 => self.cell(buffer, 0).load(Ordering::Relaxed),
                    _ => was as u32 - 1,
                };
                let head = &stripe.full;
                match head.compare_exchange_weak(was, next(was, name), Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) if size == 1 => {
                        self.put_buffer(0, buffer);
                        return Some(block);
                    }
                    Ok(_) => return Some(block),
                    Err(now) => was = now,
                }
            }
        })
    }

    /// Puts blocks back as one batch of this stripe. `false` when no buffer can be had; nothing was put back then.
    ///
    /// # Safety
    /// Rows below `limit` have memory; there are 1 to `stride - 1` blocks.
    pub(super) unsafe fn put_batch(&self, stripe: usize, blocks: &[AtomicU32], limit: u32) -> bool {
        // SAFETY: the caller's promise.
        let Some(buffer) = (unsafe { self.buffer(stripe, limit) }) else { return false };
        copy(blocks, self.blocks(buffer));
        let name = buffer << SIZE_BITS | blocks.len() as u32;
        push(&self.stripes[stripe % STRIPES].full, name, self.cell(buffer, 0));
        true
    }

    fn put_buffer(&self, stripe: usize, buffer: u32) {
        // Release: the buffer was read before the next one writes to it.
        push(&self.stripes[stripe % STRIPES].empty, buffer + 1, self.cell(buffer, 0));
    }

    /// A buffer that holds nothing: a used one of this stripe, a new one whose cells all lie below `limit`, or one of
    /// another stripe.
    ///
    /// # Safety
    /// Rows below `limit` have memory.
    unsafe fn buffer(&self, stripe: usize, limit: u32) -> Option<u32> {
        let used = |stripe: &Stripe| pop(&stripe.empty, |name| self.cell(name - 1, 0)).map(|name| name - 1);
        let new = || {
            let there_are = limit / self.stride;
            let mut was = self.buffers.load(Ordering::Relaxed);
            while was < there_are {
                match self.buffers.compare_exchange_weak(was, was + 1, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => return Some(was),
                    Err(now) => was = now,
                }
            }
            None
        };
        let mut stripes = self.stripes_from(stripe);
        stripes.next().and_then(used).or_else(new).or_else(|| stripes.find_map(used))
    }

    /// All blocks are fresh again.
    pub(super) fn reset(&mut self) {
        let of_stripes = self.stripes.iter().flat_map(|stripe| [&stripe.full, &stripe.empty]);
        for head in of_stripes.chain([&*self.loose]) {
            head.store(next(head.load(Ordering::Relaxed), 0), Ordering::Relaxed);
        }
        self.fresh.store(0, Ordering::Relaxed);
        self.buffers.store(0, Ordering::Relaxed);
    }
}
