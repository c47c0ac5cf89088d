//! The heap whose blocks move: its memory, how that grows and shrinks, and what a call of the defragmenter does.
#![expect(unsafe_code, reason = "copies blocks within memory of its own, and frees it when nobody holds it")]

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::budget::Meter;
use super::hold::Header;
use super::movable::Core;
use super::slots::{Phase, Slot};
use super::{DefragBudget, DefragError, DefragHandle, DefragHeapOptions, DefragPolicy};
use super::{MapPiece, MoveClock, MoveReport, SystemClock};
use crate::base::next_stamp;
use crate::heap::fit::nodes::Nodes;
use crate::heap::fit::{Fit, FitError, FitStats, OffsetOptions, Tlsf};
use crate::ledger::Tag;
use crate::os;
use crate::region::{AllocError, Region, RegionOptions};

/// A granule is two to the power of this.
pub(super) const SHIFT: u32 = 4;

/// What is known of a value besides its block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    /// Elements of a slice; 0 for others.
    pub(super) len: usize,
    /// Runs the destructor; `None` for types without drop glue.
    pub(super) drop: Option<unsafe fn(NonNull<u8>, usize)>,
}

/// What a heap owns. Stays in one place while somebody holds it.
#[repr(C)]
pub(super) struct Shared<F: Fit> {
    header: Header,
    body: Body<F>,
}

pub(super) struct Body<F: Fit> {
    pub(super) core: Core<F, Value>,
    pub(super) memory: Region,
    /// Where all of this lies.
    page: Region,
    pub(super) meter: Meter,
    pub(super) stamp: u64,
    /// Granules that a segment may have, if no block needs more.
    segment: u64,
    /// Free bytes at the end that stay.
    pub(super) keep: u64,
    /// There is committed memory behind the end that is to go back.
    pub(super) returning: bool,
    /// Bytes of the pages in which memory is committed and goes back.
    pub(super) page_size: u64,
}

/// A heap that moves its blocks to where there is room: handles survive that, and what is free stays in one piece.
///
/// For blocks of very different sizes that come and go as a game streams, in a budget that must hold: sounds, textures, meshes on
/// their way. A value is found by a [`DefragHandle`], which is good until the value is freed and never again. While a reference to
/// one lives nothing moves, because [`defragment`](Self::defragment) takes `&mut self`; a [pin](Self::pin) keeps one block where it
/// is for longer, on any thread. Values are `Send + Sync + 'static`, and moving them is copying their bytes.
///
/// Memory is a range that never moves, committed as it is needed and charged to a tag, as is the book-keeping (about 96 bytes a block,
/// and 32 a hole). `F` picks the hole: see [`Fit`]. `Send` and `Sync`.
///
/// While a recording is made (feature `record`) each block is told, under the heap's tag, and where it is moved to: it stays whose it was.
///
/// See `examples/defragment.rs` for a game loop with a budget, and [`MapPiece`](super::MapPiece) for a picture of what lies where.
///
/// ```
/// use arenite::{DefragBudget, DefragHandle, DefragHeap, Tag};
///
/// let mut sounds: DefragHeap = DefragHeap::try_new(Tag::register("audio/clips")?)?;
/// let clips: Vec<DefragHandle<[i16]>> = (1..100).map(|n| sounds.insert_slice_copy(&vec![n; n as usize * 100])).collect();
///
/// // The sound card reads this one until it is dropped.
/// let playing = sounds.pin(clips[40])?;
/// let address = playing.as_ptr();
///
/// // Every other clip goes, and holes stay.
/// for clip in clips.iter().step_by(2).filter(|clip| **clip != clips[40]) {
///     sounds.free(*clip)?;
/// }
/// assert!(sounds.free(clips[0]).is_err() && sounds.get(clips[0]).is_none());
///
/// // A little of it in each frame.
/// let before = sounds.stats().free_blocks;
/// while !sounds.defragment(DefragBudget::bytes(64 << 10)).done {}
/// assert!(sounds.stats().free_blocks < before);
/// assert_eq!(sounds.get(clips[51]).unwrap()[0], 52);
/// assert_eq!((playing.as_ptr(), playing[0]), (address, 41));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DefragHeap<F: Fit = Tlsf> {
    shared: NonNull<Shared<F>>,
    of: PhantomData<F>,
}

// SAFETY: owns what it points to, together with pins that only read what is `Sync` and count by atomics; values are `Send`.
unsafe impl<F: Fit + Send> Send for DefragHeap<F> {}
// SAFETY: `&DefragHeap` gives `&T` of values that are `Sync`, figures, and pins, which are counted by atomics.
unsafe impl<F: Fit + Sync> Sync for DefragHeap<F> {}

impl<F: Fit> fmt::Debug for DefragHeap<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        f.debug_struct("DefragHeap")
            .field("tag", &self.tag())
            .field("used", &stats.used)
            .field("capacity", &stats.capacity)
            .finish_non_exhaustive()
    }
}

impl<F: Fit> DefragHeap<F> {
    /// A heap with the default [`DefragHeapOptions`].
    ///
    /// # Errors
    /// Address space can not be had, a budget would be broken, or the system refused.
    pub fn try_new(tag: Tag) -> Result<Self, AllocError>
    where
        F: Send + Sync + 'static,
    {
        Self::try_with(DefragHeapOptions::new(tag))
    }

    /// A heap made as the options say.
    ///
    /// # Errors
    /// As [`try_new`](Self::try_new).
    pub fn try_with(options: DefragHeapOptions) -> Result<Self, AllocError>
    where
        F: Send + Sync + 'static,
    {
        let tag = options.tag;
        let offsets = OffsetOptions::new(tag).granularity(1 << SHIFT).blocks(options.pieces());
        let mut core = Core::<F, Value>::try_new(offsets, options.blocks)?;
        core.set_policy(options.policy);
        let region = RegionOptions::new(tag, options.reserve).at_least(options.reserve.min(1 << 20));
        let memory = Region::try_reserve(region.huge_pages(options.huge))?;
        // So that alignments above a page are those of addresses.
        core.range.blocks.phase = (memory.base().as_ptr().addr() >> SHIFT) as u32;
        let page_size = options.huge.then(os::huge_page_size).flatten().unwrap_or_else(os::page_size) as u64;
        let size = size_of::<Shared<F>>();
        let mut page = Region::try_reserve(RegionOptions::new(tag, size).at_least(size).commit_steps(1, 1))?;
        page.try_grow(size)?;
        let shared = page.base().cast::<Shared<F>>();
        let body = Body {
            core,
            memory,
            page,
            meter: Meter::new(),
            stamp: next_stamp(),
            segment: (options.segment as u64 >> SHIFT).max(1),
            keep: options.keep as u64,
            returning: false,
            page_size,
        };
        // SAFETY: committed, aligned to a page, large enough, and nobody else's.
        unsafe { shared.write(Shared { header: Header::new(release::<F>), body }) };
        Ok(Self { shared, of: PhantomData })
    }

    pub(super) fn header(&self) -> NonNull<Header> {
        self.shared.cast()
    }

    #[inline]
    pub(super) fn body(&self) -> &Body<F> {
        // SAFETY: there as long as this heap holds it; others who hold it touch the header only.
        unsafe { &(*self.shared.as_ptr()).body }
    }

    #[inline]
    pub(super) fn body_mut(&mut self) -> &mut Body<F> {
        // SAFETY: as above, and `&mut self` is the only way to it.
        unsafe { &mut (*self.shared.as_ptr()).body }
    }

    /// The slot that a handle names.
    #[inline]
    pub(super) fn find<T: ?Sized>(&self, handle: DefragHandle<T>) -> Result<u32, DefragError> {
        let body = self.body();
        if handle.stamp() != body.stamp {
            return Err(DefragError::Foreign);
        }
        body.core.find(handle.name()).map_err(|_| DefragError::Stale)
    }

    /// As [`find`](Self::find), if it is not pinned. Whoever has `&mut self` then has it to himself.
    #[inline]
    pub(super) fn find_unpinned<T: ?Sized>(&mut self, handle: DefragHandle<T>) -> Result<u32, DefragError> {
        let slot = self.find(handle)?;
        if self.body().core.slots.pins(slot) == 0 { Ok(slot) } else { Err(DefragError::Pinned) }
    }

    /// Moves blocks so that what is free comes together, within a budget that is a hard bound; goes on where the last call ended.
    /// Call it once a frame. O(what the budget allows), and O(1) when there is nothing to do.
    ///
    /// A block that does not fit what is left of the budget is not begun; one that never could is passed over and counted in
    /// [`too_large`](MoveReport::too_large). How long a copy takes is foreseen from the slowest of the last hundred or so, and
    /// before there are any from 4 nanoseconds a byte and a microsecond each: as long as no copy takes longer than those, no call
    /// takes longer than its budget. Memory that is free at the end goes back to the system, beyond what the options
    /// [keep](DefragHeapOptions::keep), 256 KiB, or one huge page, a call when its time is bounded.
    pub fn defragment(&mut self, budget: DefragBudget) -> MoveReport {
        self.defragment_by(&SystemClock, budget)
    }

    /// As [`defragment`](Self::defragment), by another clock: of a console, or one of a test that goes forward as bytes are copied.
    pub fn defragment_by(&mut self, clock: &impl MoveClock, budget: DefragBudget) -> MoveReport {
        // SAFETY: the header is there as long as this heap.
        let unpinned = unsafe { self.header().as_ref() }.was_unpinned();
        let body = self.body_mut();
        if unpinned {
            body.core.pass.restart();
        }
        body.defragment(clock, budget)
    }

    /// Moves all there is to move, whatever that takes, and gives back what can go: for loading screens and tests.
    pub fn defragment_fully(&mut self) -> MoveReport {
        let mut all = MoveReport::default();
        loop {
            let segments = self.body().core.range.segments;
            let report = self.defragment(DefragBudget::UNLIMITED);
            // A segment that was less than a page has gone without giving anything back.
            let goes_on = report.moved_blocks != 0
                || report.returned_bytes != 0
                || self.body().core.range.segments != segments;
            // What was passed over in the first call is passed over in the last.
            (all.skipped_pinned, all.too_large) = (0, 0);
            all.add(&report);
            if report.done || !goes_on {
                // A call gives back what was free when it began, and this one may have been the first.
                all.returned_bytes += self.body_mut().give_back(false);
                return all;
            }
        }
    }

    /// How blocks are to be moved from now on. O(1), and O(blocks of the last segment) if that was being evacuated.
    pub fn set_policy(&mut self, policy: DefragPolicy) {
        self.body_mut().core.set_policy(policy);
    }

    /// How blocks are moved.
    #[must_use]
    pub fn policy(&self) -> DefragPolicy {
        self.body().core.pass.policy()
    }

    /// How full and how torn it is: take one before and one after. Its capacity is what is committed for blocks; its book-keeping
    /// all that is committed besides. O(1) but for the largest free piece (see [`OffsetAllocator::stats`](crate::OffsetAllocator::stats)).
    #[must_use]
    pub fn stats(&self) -> FitStats {
        let body = self.body();
        let mut stats = body.core.range.stats();
        stats.bookkeeping += (body.core.slots.committed() + body.page.committed()) as u64;
        stats
    }

    /// All pieces, used and free, by offset. O(pieces).
    pub fn map(&self) -> impl Iterator<Item = MapPiece> {
        self.body().core.map()
    }

    /// Blocks that live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.body().core.slots.live as usize
    }

    /// Whether none lives.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Committed bytes, the book-keeping included.
    #[must_use]
    pub fn committed(&self) -> usize {
        let body = self.body();
        let nodes = &body.core.range.blocks.nodes;
        let fit = crate::heap::fit::sealed::Choose::committed(&body.core.range.blocks.fit);
        body.memory.committed()
            + body.core.slots.committed()
            + body.page.committed()
            + nodes.committed()
            + fit
    }

    /// Bytes of address space for blocks and for their slots.
    #[must_use]
    pub fn reserved(&self) -> usize {
        self.body().memory.reserved() + self.body().core.slots.reserved()
    }

    /// Whom it is charged to.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.body().memory.tag()
    }

    /// Tells the ledger how much is in use now.
    pub fn publish(&mut self) {
        let body = self.body_mut();
        let used = body.core.range.used() as usize;
        body.memory.publish_live(used);
        body.core.range.publish();
    }
}

impl<F: Fit> Body<F> {
    /// A block; the memory grows if it must.
    pub(super) fn try_allocate(&mut self, size: u64, align: u64, value: Value) -> Result<u32, FitError> {
        match self.core.try_allocate(size, align, value) {
            Err(error @ (FitError::OutOfMemory { .. } | FitError::OutOfContiguous { .. })) => {
                self.grow_for(size, align, value, error)
            }
            answer => answer,
        }
    }

    /// A block at the end, which is made longer. Nothing is being drained. `error` is why it is needed.
    #[cold]
    fn grow_for(&mut self, size: u64, align: u64, value: Value, error: FitError) -> Result<u32, FitError> {
        let Ok((granules, _)) = self.core.measure(size, align) else { return Err(FitError::TooLarge) };
        self.core.slots.try_ready()?;
        let there = self.core.range.segments != 0;
        let (end, tail) = if there { (self.core.range.end(), self.core.range.tail()) } else { (0, 0) };
        // Where a block at this place would end.
        let behind = |at: u32| u64::from(at) + u64::from(self.core.skip(at, align)) + u64::from(granules);
        let nodes = &self.core.range.blocks.nodes;
        let start = if there { nodes.offset(nodes.last_border()) } else { 0 };
        let (start, to) = match behind(end - tail) {
            to if there && to - u64::from(start) <= self.segment => (start, to),
            _ => (end, behind(end)),
        };
        let bytes = usize::try_from(to << SHIFT)
            .ok()
            .filter(|_| to < u64::from(u32::MAX))
            .ok_or(FitError::TooLarge)?;
        self.memory.try_grow(bytes).map_err(|refused| match (error, refused) {
            // Defragmenting would help, or nothing would.
            (FitError::OutOfContiguous { .. }, _) | (_, AllocError::Exhausted { .. }) => error,
            (_, refused) => FitError::Refused(refused),
        })?;
        self.returning = false;
        // All that was committed, as far as the segment goes.
        let most = (u64::from(start) + self.segment).min((self.memory.committed() as u64) >> SHIFT);
        // (The block may fit what is there, where the fit did not look; and the segment may be a larger block's own one.)
        let more = (most.max(to).min(u64::from(u32::MAX) - 1).max(u64::from(end)) - u64::from(end)) as u32;
        if start == end {
            self.core.try_append(u64::from(more) << SHIFT)?;
        } else if more != 0 {
            self.core.range.try_lengthen(more)?;
        }
        self.core.try_ready()?;
        let used = self.core.range.used() as usize;
        self.memory.publish_live(used);
        Ok(self.core.allocate_last(granules, size, align, value))
    }

    /// Where a slot's block lies.
    #[inline]
    pub(super) fn address(&self, slot: u32) -> NonNull<u8> {
        // SAFETY: blocks lie within segments, which lie within what is committed.
        unsafe { self.memory.base().add(self.core.offset(slot) as usize) }
    }

    /// Drops all values that are not pinned. A destructor that panics does not keep others from running; the first panic goes on
    /// in the end, unless one is under way already.
    fn drop_values(&mut self) {
        #[cfg(feature = "std")]
        let mut first: Option<std::boxed::Box<dyn std::any::Any + Send>> = None;
        for slot in self.core.slots.numbers() {
            let row: &Slot<Value> = self.core.slots.at(slot);
            if row.phase != Phase::Resting || self.core.slots.pins(slot) != 0 {
                continue;
            }
            let Value { len, drop } = row.extra;
            let address = self.address(slot);
            self.goes(slot);
            // First: one that panics must not run again.
            self.core.unlink(slot);
            let Some(drop) = drop else { continue };
            // SAFETY: the slot's own value, which is neither pinned nor borrowed (`&mut self`), dropped once.
            let run = || unsafe { drop(address, len) };
            #[cfg(feature = "std")]
            if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
                // The payload of another one is forgotten: dropping it could panic.
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
                core::mem::forget(panic);
            } else {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// Frees a heap that nobody holds any more, with the values that were pinned when its owner went.
///
/// # Safety
/// The header is that of a heap with this fit; nobody uses it from now on.
unsafe fn release<F: Fit>(header: NonNull<Header>) {
    struct Free<F: Fit>(NonNull<Shared<F>>);
    impl<F: Fit> Drop for Free<F> {
        fn drop(&mut self) {
            // SAFETY: written by `try_with`, read once, and not used any more where it was: it goes with one of its own parts.
            drop(unsafe { self.0.read() }.body);
        }
    }
    let all = Free::<F>(header.cast());
    // SAFETY: nobody else uses it.
    unsafe { &mut (*all.0.as_ptr()).body }.drop_values();
}

impl<F: Fit> Drop for DefragHeap<F> {
    fn drop(&mut self) {
        struct LetGo(NonNull<Header>);
        impl Drop for LetGo {
            fn drop(&mut self) {
                // SAFETY: the heap's own hold, given up once.
                unsafe { Header::let_go(self.0) };
            }
        }
        // Also when a destructor panics.
        let _last = LetGo(self.header());
        self.body_mut().drop_values();
    }
}
