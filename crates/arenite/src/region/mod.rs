//! Floor 3: a range of address space charged to a tag. **The only way memory enters the system.**
//!
//! A region reserves once and commits pages from its start up to a watermark. It never moves. Reserving, committing
//! and giving back are charged and credited here and nowhere else, so that the ledger is exact by construction. May
//! import floors 0 to 2.
//!
//! ```text
//!   base            committed                       reserved
//!    |  pages in use   |   address space, no memory    | guard
//!    +-----------------+-------------------------------+------+
//! ```
#![expect(unsafe_code, reason = "owns raw address space and decides when its pages are accessible")]

mod error;
mod options;
mod origin;
mod table;
mod trim;

pub use error::AllocError;
pub use options::RegionOptions;
pub(crate) use origin::{Kind, Made};
pub use origin::{Origin, each_origin, origins_left_out, origins_tracked, track_origins};
pub(crate) use table::{Column, ColumnStore, Contiguous, Pair};
pub use table::{ColumnLayout, Table, TableOf};
pub(crate) use trim::IDLE_SLACK;
pub use trim::IdleTrim;

use core::ptr::NonNull;

use crate::base::align::{align_down, checked_align_up, is_aligned};
use crate::base::sync::{AtomicUsize, Ordering};
use crate::ledger::Tag;
use crate::os::{self, Access};

/// A reserved range of address space with committed pages at its start, charged to a tag. Dropping it gives all of it
/// back. For those who build a structure of their own; arenas, pools and heaps own theirs.
///
/// `Send` and `Sync`: it hands out addresses, never references; what is done with them is its owner's `unsafe` code.
///
/// ```
/// use arenite::{Region, RegionOptions, Tag};
/// let tag = Tag::register("example/region")?;
/// let mut region = Region::try_reserve(RegionOptions::new(tag, 64 << 20))?;
/// assert_eq!(region.committed(), 0);
/// region.try_grow(100_000)?;
/// assert!(region.committed() >= 100_000);
/// assert_eq!(tag.account().subtree.committed, region.committed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Region {
    /// First byte; aligned to a page and to what the options asked.
    base: NonNull<u8>,
    /// Usable bytes from `base`, a multiple of the commit unit.
    reserved: usize,
    /// Accessible bytes from `base`, a multiple of the commit unit, charged to `tag`. At most `reserved`.
    committed: usize,
    /// What the owner last said is in use; charged to `tag`.
    live: usize,
    step_min: usize,
    step_max: usize,
    tag: Tag,
    huge: bool,
    prefault: bool,
    /// The structure it is a part of, if that is remembered.
    made: Made,
    owner: Owner,
}

/// Who gives the address space back.
#[derive(Clone, Copy, Debug)]
enum Owner {
    /// This region, which is the whole reservation from here on.
    Alone { base: NonNull<u8>, size: usize },
    /// The last of several regions that share one reservation.
    Shared { header: NonNull<Shared> },
}

/// Stands in the first page of a reservation that several regions share.
#[derive(Debug)]
struct Shared {
    /// Regions that still use the reservation. Whoever brings it to zero releases it.
    parts: AtomicUsize,
    /// Bytes of dropped parts that the system refused to take back: still charged, until all of it is released.
    stuck: AtomicUsize,
    /// The whole reservation, charged as reserved until it is released.
    size: usize,
}

// SAFETY: a region is an owner of address space, addressed by plain numbers; the shared header is only touched through
// its atomic counter, and by the last owner.
unsafe impl Send for Region {}
// SAFETY: as above; `&Region` gives figures and an address only.
unsafe impl Sync for Region {}

impl Region {
    /// Reserves a region. O(1), one system call (more when the size has to be halved).
    ///
    /// # Errors
    /// The system has not even [`RegionOptions::at_least`] bytes of address space to give.
    #[track_caller]
    pub fn try_reserve(options: RegionOptions) -> Result<Self, AllocError> {
        let made = options.made(Kind::Region);
        let plan = Plan::new(&options, None)?;
        let (base, reserved, size) = plan.reserve(&options, 0)?;
        options.tag.charge_reserved(size);
        Ok(Self::with(&options, base, reserved, Owner::Alone { base, size }, made))
    }

    /// Reserves as many regions as `sink` has room for, all in one reservation with a guard page between them, and
    /// gives each to `sink` in order. For arrays of one structure: a mapping each would use up the system's
    /// mappings. One page is committed for the shared book-keeping. O(`count`).
    ///
    /// # Errors
    /// The system has not even [`RegionOptions::at_least`] bytes for each of them, or can not commit one page.
    #[track_caller]
    pub fn try_reserve_array(
        options: RegionOptions,
        count: usize,
        mut sink: impl FnMut(Self),
    ) -> Result<(), AllocError> {
        if count == 0 {
            return Ok(());
        }
        let tag = options.tag;
        let made = options.made(Kind::Region);
        let options = options.of(&made);
        let plan = Plan::new(&options, Some(count))?;
        let page = os::page_size();
        let (start, reserved, size) = plan.reserve(&options, plan.unit)?;
        let committed = tag.try_charge_committed(page).map_err(AllocError::Budget).and_then(|()| {
            // SAFETY: the first page of the reservation that was just made and that nobody else knows of.
            unsafe { os::commit(start, page) }.map_err(|error| {
                tag.credit_committed(page);
                AllocError::Os { tag, error }
            })
        });
        if let Err(error) = committed {
            // SAFETY: exactly the reservation from above; a refusal leaks address space, which the ledger then shows.
            if unsafe { os::release(start, size) }.is_err() {
                tag.charge_reserved(size);
            }
            return Err(error);
        }
        tag.charge_reserved(size);
        made.grew(page);
        let header = start.cast::<Shared>();
        // SAFETY: the page was committed above, is aligned for anything, and belongs to nobody else.
        unsafe { header.write(Shared { parts: AtomicUsize::new(count), stuck: AtomicUsize::new(0), size }) };
        let stride = plan.stride(reserved);
        for index in 0..count {
            // SAFETY: the plan reserved `unit + count * stride` bytes.
            let base = unsafe { start.add(plan.unit + index * stride) };
            sink(Self::with(&options, base, reserved, Owner::Shared { header }, options.made(Kind::Region)));
        }
        Ok(())
    }

    /// A region of no bytes, for a store whose memory comes from elsewhere. Not to be dropped: it owns nothing.
    #[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
    pub(crate) fn nowhere(tag: Tag) -> core::mem::ManuallyDrop<Self> {
        let base = NonNull::<u64>::dangling().cast();
        let owner = Owner::Alone { base, size: 0 };
        core::mem::ManuallyDrop::new(Self::with(&RegionOptions::new(tag, 0), base, 0, owner, Made::NONE))
    }

    fn with(options: &RegionOptions, base: NonNull<u8>, reserved: usize, owner: Owner, made: Made) -> Self {
        let unit = commit_unit(options.huge);
        let largest = align_down(usize::MAX, unit);
        Self {
            base,
            reserved,
            committed: 0,
            live: 0,
            step_min: checked_align_up(options.step_min.max(1), unit).unwrap_or(largest),
            step_max: checked_align_up(options.step_max.max(1), unit).unwrap_or(largest),
            tag: options.tag,
            huge: options.huge,
            prefault: options.prefault,
            made,
            owner,
        }
    }

    /// The first byte of the range. Bytes below [`committed`](Self::committed) are readable and writable unless
    /// [`protect`](Self::try_protect) said otherwise.
    #[inline]
    #[must_use]
    pub const fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Size of the range in bytes.
    #[inline]
    #[must_use]
    pub const fn reserved(&self) -> usize {
        self.reserved
    }

    /// Bytes from the start that have memory behind them.
    #[inline]
    #[must_use]
    pub const fn committed(&self) -> usize {
        self.committed
    }

    /// Whom the range is charged to.
    #[inline]
    #[must_use]
    pub const fn tag(&self) -> Tag {
        self.tag
    }

    /// Whether an address lies in the range. O(1), never reads through it.
    #[inline]
    #[must_use]
    pub fn contains(&self, address: *const u8) -> bool {
        address.addr().wrapping_sub(self.base.as_ptr().addr()) < self.reserved
    }

    /// Makes sure that at least `needed` bytes from the start are committed. Commits a whole step when it can, less
    /// when a budget does not allow the step, and just what is needed when the system refuses it. Amortised O(1) system calls.
    ///
    /// # Errors
    /// The range is too small, a budget would be broken, or the system refused; nothing has changed then.
    pub fn try_grow(&mut self, needed: usize) -> Result<(), AllocError> {
        match self.next_step(needed)? {
            Some(step) => step.make(|step| self.commit_step(step)),
            None => Ok(()),
        }
    }

    /// What would have to be committed for `needed` bytes; `None` when they are.
    pub(crate) fn next_step(&self, needed: usize) -> Result<Option<Step>, AllocError> {
        if needed <= self.committed {
            return Ok(None);
        }
        let tag = self.tag;
        if needed > self.reserved {
            return Err(AllocError::Exhausted { tag, reserved: self.reserved, needed });
        }
        let unit = commit_unit(self.huge);
        // `reserved` is a multiple of the unit, so neither sum can pass it after rounding.
        let exact = checked_align_up(needed, unit).unwrap_or(self.reserved).min(self.reserved);
        let step = self.committed.clamp(self.step_min, self.step_max);
        let generous = exact.max(self.committed.saturating_add(step)).min(self.reserved);
        // A step that only generosity makes too large is worth neither a refusal, which would call for memory to be
        // freed, nor a warning before its time.
        let generous = generous.min(self.committed.saturating_add(tag.calm_room()));
        let to = align_down(generous, unit).max(exact);
        let from = self.committed;
        Ok(Some(Step { tag, from, exact, exact_bytes: exact - from, to, bytes: to - from }))
    }

    /// Commits a step that has been charged. If the region has grown or shrunk since the step was planned, the charge
    /// is given back and nothing else happens: plan again.
    pub(crate) fn commit_step(&mut self, step: Step) -> Result<(), AllocError> {
        let Step { tag, from, to, bytes: size, .. } = step;
        if from != self.committed {
            tag.credit_committed(size);
            return Ok(());
        }
        // SAFETY: `committed < to <= reserved`, so the range is inside the reservation.
        let start = unsafe { self.base.add(from) };
        // SAFETY: both bounds are multiples of the commit unit, so these are whole pages that this region owns.
        if let Err(error) = unsafe { self.make_real(start, size) } {
            // Some of the pages may have become real; they are uncharged, so take them back. A refusal of that too
            // leaves empty accessible pages, which the next growth charges.
            // SAFETY: as above, and nothing in them is in use: they are above the watermark.
            let _ = unsafe { os::decommit(start, size) };
            tag.credit_committed(size);
            return Err(AllocError::Os { tag, error });
        }
        self.made.grew(size);
        self.committed = to;
        Ok(())
    }

    /// # Safety
    /// Whole pages of this region above the watermark.
    unsafe fn make_real(&self, start: NonNull<u8>, size: usize) -> Result<(), os::OsError> {
        // SAFETY: the caller's promise.
        unsafe { os::commit(start, size)? };
        if self.huge {
            // A hint. A system without huge pages serves ordinary ones.
            // SAFETY: the caller's promise.
            let _ = unsafe { os::prefer_huge(start, size) };
        }
        if self.prefault {
            // SAFETY: committed and writable since the first call; nobody uses pages above the watermark.
            unsafe { os::prefault(start, size)? };
        }
        Ok(())
    }

    /// Gives committed pages above the first `keep` bytes back to the system. The caller no longer uses them.
    /// One system call, or none when there is nothing to give.
    ///
    /// # Errors
    /// The system refused; the pages stay committed and charged, their content may be gone.
    ///
    /// # Safety
    /// Nothing above the first `keep` bytes is in use.
    pub unsafe fn try_shrink(&mut self, keep: usize) -> Result<(), AllocError> {
        let unit = commit_unit(self.huge);
        let target = checked_align_up(keep, unit).unwrap_or(self.committed);
        if target >= self.committed {
            return Ok(());
        }
        let tag = self.tag;
        let size = self.committed - target;
        // SAFETY: `target < committed`: inside the range, on a page boundary, and unused by the caller's promise.
        unsafe { os::decommit(self.base.add(target), size) }
            .map_err(|error| AllocError::Os { tag, error })?;
        tag.credit_committed(size);
        self.made.shrank(size);
        self.committed = target;
        Ok(())
    }

    /// Changes what the committed pages may be used for. They stay committed, charged, and keep their content.
    ///
    /// # Errors
    /// The system refused; the access is as it was.
    ///
    /// # Safety
    /// While access is restricted, nobody accesses the pages in a way that is forbidden.
    pub unsafe fn try_protect(&mut self, access: Access) -> Result<(), AllocError> {
        if self.committed == 0 {
            return Ok(());
        }
        let tag = self.tag;
        // SAFETY: exactly the committed pages; the caller promises the rest.
        unsafe { os::protect(self.base, self.committed, access) }
            .map_err(|error| AllocError::Os { tag, error })
    }

    /// Publishes how many bytes of the region its owner has in use now. The ledger's live figure is as fresh as the
    /// last such call.
    #[inline]
    pub fn publish_live(&mut self, live: usize) {
        if live != self.live {
            self.tag.move_live(self.live, live);
            self.live = live;
        }
    }

    /// Publishes for two regions of one tag at once: what one of them lost and the other one took in its place is no
    /// news to the ledger, and needs no lock.
    #[inline]
    pub(crate) fn publish_live_of_two(&mut self, live: usize, other: &mut Self, other_live: usize) {
        debug_assert!(self.tag == other.tag);
        let (old, new) = (self.live + other.live, live + other_live);
        if new != old {
            self.tag.move_live(old, new);
        }
        (self.live, other.live) = (live, other_live);
    }
}

/// One growth of a region that is planned but not made.
///
/// Charging runs pressure callbacks: code of the program, which may reach the very structure that grows (a thread-local
/// arena, a shared one). So the structure plans the step, lets go of the region and of its lock, makes the step, which
/// lends the region again only after the charge, and then looks at its own state anew.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(crate) struct Step {
    tag: Tag,
    /// The watermark when the step was planned: bytes of a region, rows of a table.
    from: usize,
    /// The watermark that is needed, and what it costs.
    exact: usize,
    exact_bytes: usize,
    /// The watermark that would save later calls, and what it costs.
    to: usize,
    bytes: usize,
}

impl Step {
    /// Charges the step and hands it to `commit`, which passes it to [`Region::commit_step`]; when it is refused, once
    /// more for just what is needed. Nothing of the region may be borrowed by the caller.
    pub(crate) fn make(
        self,
        mut commit: impl FnMut(Self) -> Result<(), AllocError>,
    ) -> Result<(), AllocError> {
        let mut attempt = |step: Self| {
            step.tag.try_charge_committed(step.bytes)?;
            commit(step)
        };
        match attempt(self) {
            Err(_) if self.to > self.exact => {
                attempt(Self { to: self.exact, bytes: self.exact_bytes, ..self })
            }
            answer => answer,
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.publish_live(0);
        match self.owner {
            Owner::Alone { base, size } => {
                // SAFETY: exactly the reservation that `try_reserve` made; its owner is gone.
                if unsafe { os::release(base, size) }.is_ok() {
                    self.tag.credit_committed(self.committed);
                    self.tag.credit_reserved(size);
                    self.made.shrank(self.committed);
                } else {
                    // Refused: the memory is still there, so it stays charged.
                    self.made.lost();
                }
            }
            Owner::Shared { header } => {
                // SAFETY: nothing in the region is in use any more.
                let emptied = unsafe { self.try_shrink(0) };
                // SAFETY: the header lives until the last part is gone, and this one still counts.
                let shared = unsafe { header.as_ref() };
                if emptied.is_err() {
                    shared.stuck.fetch_add(self.committed, Ordering::Relaxed);
                }
                // Release: what this thread did to its part happens before the reservation goes. Acquire: what the
                // others did to theirs, too.
                if shared.parts.fetch_sub(1, Ordering::AcqRel) == 1 {
                    let (size, stuck) = (shared.size, shared.stuck.load(Ordering::Relaxed));
                    // SAFETY: exactly the reservation that `try_reserve_array` made; no part of it is left.
                    if unsafe { os::release(header.cast(), size) }.is_ok() {
                        let freed = stuck + os::page_size();
                        self.tag.credit_committed(freed);
                        self.tag.credit_reserved(size);
                        self.made.shrank(freed);
                    } else {
                        self.made.lost();
                    }
                }
            }
        }
    }
}

/// How large a piece is committed at the least.
fn commit_unit(huge: bool) -> usize {
    huge.then(os::huge_page_size).flatten().unwrap_or_else(os::page_size)
}

/// The arithmetic of a reservation of `count` ranges.
struct Plan {
    count: usize,
    /// Rounding of every range's size and start.
    unit: usize,
    /// Bytes between two ranges.
    guard: usize,
    align: usize,
    largest: usize,
    smallest: usize,
}

impl Plan {
    /// One range that starts where the reservation does, or an array of them behind a head.
    fn new(options: &RegionOptions, array: Option<usize>) -> Result<Self, AllocError> {
        let tag = options.tag;
        let align = options.align.max(commit_unit(options.huge));
        // A start at a multiple of the alignment, for each of them.
        let unit = if array.is_some() { align } else { commit_unit(options.huge) };
        let round = |size: usize| checked_align_up(size.max(1), unit).ok_or(AllocError::TooLarge { tag });
        Ok(Self {
            count: array.unwrap_or(1),
            unit,
            guard: if options.guard { os::page_size() } else { 0 },
            align,
            largest: round(options.reserve)?,
            smallest: round(options.at_least.min(options.reserve))?,
        })
    }

    /// From the start of one range to the start of the next.
    fn stride(&self, reserved: usize) -> usize {
        // The guard is part of a whole unit, so that the next range is aligned again.
        reserved
            + if self.count == 1 { self.guard } else { checked_align_up(self.guard, self.unit).unwrap_or(0) }
    }

    fn total(&self, reserved: usize, head: usize) -> Option<usize> {
        let ranges = reserved.checked_add(self.stride(0))?.checked_mul(self.count)?;
        checked_align_up(ranges.checked_add(head)?, os::granularity())
    }

    /// Reserves, halving on refusal. Answers start, usable bytes of each range, and the whole size.
    fn reserve(
        &self,
        options: &RegionOptions,
        head: usize,
    ) -> Result<(NonNull<u8>, usize, usize), AllocError> {
        let tag = options.tag;
        let mut reserved = self.largest;
        loop {
            let answer = match self.total(reserved, head) {
                None => Err(AllocError::TooLarge { tag }),
                Some(size) => os::reserve(size, self.align)
                    .map(|start| (start, reserved, size))
                    .map_err(|error| AllocError::Os { tag, error }),
            };
            match answer {
                Err(_) if reserved > self.smallest => {
                    let half = align_down(reserved / 2, self.unit);
                    reserved = half.max(self.smallest);
                }
                Ok((start, ..)) => {
                    debug_assert!(is_aligned(start.as_ptr().addr(), self.align));
                    return answer;
                }
                Err(_) => return answer,
            }
        }
    }
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
