//! Blocks with a segment of their own, and those that wait for their next use.
//!
//! ```text
//!   | header | block …                      | address space up to a whole number of segments |
//!             huge bytes, charged
//! ```
//!
//! What a block leaves serves the next one of about its size: it grows into its address space, or gives its end back.
#![expect(unsafe_code, reason = "reserves segments and walks lists of them by pointer")]

use core::ptr::{NonNull, null_mut};

use super::local::Local;
use super::segment::{HEADER, HUGE, NOBODY, SEGMENT, Segment};
use super::space::{SPARE_MOST, Space, link, now, release_segment, unlink};
use crate::base::align::checked_align_up;
use crate::base::sync::Ordering;
use crate::ledger::Tag;
use crate::os;
use crate::region::AllocError;

/// A spare that is so many times as large as the block that it is to be gives its end back.
const SHRINK: usize = 4;

/// A segment of one block.
#[derive(Clone, Copy)]
struct Shape {
    /// Bytes of address space.
    size: usize,
    /// How far behind its start the header is.
    front: usize,
    /// How far behind the header the block is.
    ahead: usize,
    /// Bytes of the block, in whole pages.
    bytes: usize,
    align: usize,
}

impl Space {
    /// A block with a segment of its own: `size` bytes at a multiple of `align`. Charged to `tag`. Answers it, and how many
    /// bytes from its start may hold something.
    pub(super) fn try_huge(
        &self,
        tag: Tag,
        size: usize,
        align: usize,
        local: *mut Local,
    ) -> Result<(NonNull<u8>, usize), AllocError> {
        let too_large = AllocError::TooLarge { tag };
        let page = os::page_size();
        let bytes =
            checked_align_up(size, page).filter(|bytes| *bytes <= isize::MAX as usize).ok_or(too_large)?;
        if let Some(segment) = self.take_spare(bytes, align) {
            let touched = self.reuse(segment, tag, bytes)?;
            return Ok((self.finish_huge(segment, local), touched));
        }
        // The block lies `ahead` bytes behind the header.
        let ahead = align.clamp(HEADER, SEGMENT);
        let front = align.max(SEGMENT) - SEGMENT;
        let size = bytes.checked_add(ahead).and_then(|sum| sum.checked_add(front)).ok_or(too_large)?;
        // Whole segments, so that what one block leaves serves many others, and a block can grow.
        let size = checked_align_up(size, SEGMENT.max(os::granularity()))
            .filter(|size| *size <= isize::MAX as usize)
            .ok_or(too_large)?;
        tag.try_charge_committed(HEADER + bytes)?;
        let made = self.make_huge(tag, Shape { size, front, ahead, bytes, align });
        let segment = made.inspect_err(|_| tag.credit_committed(HEADER + bytes))?;
        Ok((self.finish_huge(segment, local), 0))
    }

    /// Reserves and commits a segment for one block. Charges nothing but its address space.
    fn make_huge(&self, tag: Tag, shape: Shape) -> Result<NonNull<Segment>, AllocError> {
        let Shape { size, front, ahead, bytes, align } = shape;
        {
            let mut inner = self.inner.lock();
            if self.plan.limit.saturating_sub(inner.reserved) < size {
                return Err(AllocError::Exhausted {
                    tag,
                    reserved: self.plan.limit,
                    needed: self.plan.limit.saturating_add(size),
                });
            }
            inner.reserved += size;
        }
        let made = os::reserve(size, align.max(SEGMENT)).and_then(|base| {
            // SAFETY: all inside the fresh reservation; whole pages.
            let answer = unsafe {
                let header = base.add(front);
                os::commit(header, HEADER)
                    .and_then(|()| os::commit(header.add(ahead), bytes))
                    .map(|()| (base, header))
            };
            answer.inspect_err(|_| {
                // SAFETY: nobody knows of it. Refused, it is address space lost, nothing more.
                let _ = unsafe { os::release(base, size) };
            })
        });
        match made {
            Ok((base, header)) => {
                self.tag().charge_reserved(size);
                if self.plan.huge_pages {
                    // A hint.
                    // SAFETY: committed.
                    let _ = unsafe { os::prefer_huge(header.add(ahead), bytes) };
                }
                // SAFETY: fresh and zero. `base + front` is a multiple of a segment's size: `align - SEGMENT` behind a
                // multiple of `align`, or the start.
                let segment = unsafe { Segment::begin(header, base, size, self) };
                // SAFETY: ours.
                let this = unsafe { segment.as_ref() };
                this.huge.set(bytes);
                this.open.set(bytes);
                this.ahead.set(ahead);
                this.is_one();
                Ok(segment)
            }
            Err(error) => {
                self.inner.lock().reserved -= size;
                Err(AllocError::Os { tag, error })
            }
        }
    }

    /// Moves a block that is charged to `tag` to a segment with room for `bytes` of it, which is more than it has: its pages
    /// go there as they are, nothing is copied. `None`: it can not be had, and the block is as it was.
    ///
    /// # Safety
    /// The segment of a huge block of this space that is the caller's. From then on it is gone.
    pub(super) unsafe fn try_move_huge(
        &self,
        segment: NonNull<Segment>,
        tag: Tag,
        bytes: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: the caller's.
        let header = unsafe { segment.as_ref() };
        let had = header.huge.get();
        if !cfg!(target_os = "linux") || header.ahead.get() != HEADER {
            return None;
        }
        let size = checked_align_up(bytes.checked_add(HEADER)?, SEGMENT.max(os::granularity()))?;
        let more = HEADER + bytes - had;
        tag.try_charge_committed(more).ok()?;
        let shape = Shape { size, front: 0, ahead: HEADER, bytes, align: HEADER };
        let Ok(new) = self.make_huge(tag, shape) else {
            tag.credit_committed(more);
            return None;
        };
        // SAFETY: both behind the headers of segments of ours, whole committed pages; nobody knows of the new one.
        let moved = unsafe {
            let (from, to) = (segment.cast::<u8>().add(HEADER), new.cast::<u8>().add(HEADER));
            os::move_pages(from, to, had)
        };
        if moved.is_err() {
            // Charged to the space's tag, as if it had been a block: with its header alone.
            // SAFETY: nobody knows of it.
            unsafe { new.as_ref() }.huge.set(0);
            tag.credit_committed(more - HEADER);
            tag.transfer_committed(self.tag(), HEADER);
            self.release_huge(new);
            return None;
        }
        let local = Segment::page(segment, 0);
        // SAFETY: the caller's block.
        let local = unsafe { local.as_ref() }.local.load(Ordering::Relaxed);
        self.lets_go(had);
        // SAFETY: it is in this list since it was made.
        unsafe { unlink(&mut self.inner.lock().huge, segment) };
        header.huge.set(0);
        tag.transfer_committed(self.tag(), HEADER);
        self.release_huge(segment);
        Some(self.finish_huge(new, local))
    }

    fn finish_huge(&self, segment: NonNull<Segment>, local: *mut Local) -> NonNull<u8> {
        // SAFETY: a segment of one block that nobody else has.
        let header = unsafe { segment.as_ref() };
        let page = Segment::page(segment, 0);
        // SAFETY: as above.
        let this = unsafe { page.as_ref() };
        this.local.store(local, Ordering::Relaxed);
        this.used.store(1, Ordering::Relaxed);
        this.listed.set(false);
        this.owner.store(HUGE, Ordering::Release);
        self.uses(header.huge.get());
        // SAFETY: in no list.
        unsafe { link(&mut self.inner.lock().huge, segment) };
        // SAFETY: inside the reservation.
        unsafe { segment.cast::<u8>().add(header.ahead.get()) }
    }

    /// Takes a huge block back, which is charged to `tag`.
    ///
    /// # Safety
    /// Nobody uses it any more.
    pub(super) unsafe fn give_huge(&self, segment: NonNull<Segment>, tag: Tag) {
        // SAFETY: a segment of this space; its block is the caller's.
        let header = unsafe { segment.as_ref() };
        // SAFETY: as above.
        unsafe { Segment::page(segment, 0).as_ref() }.owner.store(NOBODY, Ordering::Relaxed);
        let bytes = header.huge.get();
        self.lets_go(bytes);
        // SAFETY: it is in this list since it was made.
        unsafe { unlink(&mut self.inner.lock().huge, segment) };
        tag.transfer_committed(self.tag(), HEADER + bytes);
        // One with a large alignment has its block elsewhere, and is rare.
        if header.ahead.get() == HEADER {
            header.freed_at[0].set(now());
            self.keep_spare(segment);
        } else {
            self.release_huge(segment);
        }
    }

    /// Sets a huge segment aside, charged to the space's tag; the oldest goes when there are too many.
    fn keep_spare(&self, segment: NonNull<Segment>) {
        // SAFETY: in no list: ours.
        let bytes = unsafe { segment.as_ref() }.huge.get();
        let mut going = Some(segment);
        if bytes <= SPARE_MOST && self.plan.delay > 0 {
            let mut inner = self.inner.lock();
            if let Some(place) = inner.spares.iter().position(|spare| spare.is_null()) {
                inner.spares[place] = segment.as_ptr();
                self.dirty.fetch_add(bytes, Ordering::Relaxed);
                going = None;
            }
        }
        if let Some(segment) = going {
            self.release_huge(segment);
        }
        while self.spare_bytes() > SPARE_MOST {
            let Some(oldest) = self.oldest_spare(now(), 0) else { return };
            self.release_huge(oldest);
        }
    }

    fn spare_bytes(&self) -> usize {
        let inner = self.inner.lock();
        // SAFETY: segments in no other list, under the lock.
        inner
            .spares
            .iter()
            .filter_map(|spare| NonNull::new(*spare))
            .map(|spare| unsafe { spare.as_ref() }.huge.get())
            .sum()
    }

    /// Takes out the oldest spare that has waited for so long.
    fn oldest_spare(&self, time: u32, delay: u32) -> Option<NonNull<Segment>> {
        let mut inner = self.inner.lock();
        // SAFETY: as above.
        let age = |spare: NonNull<Segment>| time.wrapping_sub(unsafe { spare.as_ref() }.freed_at[0].get());
        let (place, spare) = inner
            .spares
            .iter()
            .enumerate()
            .filter_map(|(place, spare)| Some((place, NonNull::new(*spare)?)))
            .filter(|(_, spare)| age(*spare) >= delay)
            .max_by_key(|(_, spare)| age(*spare))?;
        inner.spares[place] = null_mut();
        // SAFETY: as above.
        self.dirty.fetch_sub(unsafe { spare.as_ref() }.huge.get(), Ordering::Relaxed);
        Some(spare)
    }

    /// The spare that comes next to `bytes`, of those that have the address space.
    fn take_spare(&self, bytes: usize, align: usize) -> Option<NonNull<Segment>> {
        if align > HEADER {
            return None;
        }
        let mut inner = self.inner.lock();
        let (place, spare) = inner
            .spares
            .iter()
            .enumerate()
            .filter_map(|(place, spare)| Some((place, NonNull::new(*spare)?)))
            // SAFETY: as above.
            .filter(|(_, spare)| bytes <= unsafe { spare.as_ref() }.size.get() - HEADER)
            // SAFETY: as above.
            .min_by_key(|(_, spare)| unsafe { spare.as_ref() }.huge.get().abs_diff(bytes))?;
        inner.spares[place] = null_mut();
        // SAFETY: as above.
        self.dirty.fetch_sub(unsafe { spare.as_ref() }.huge.get(), Ordering::Relaxed);
        Some(spare)
    }

    /// Makes a spare a block of `bytes` that is charged to `tag`: gets memory for what it lacks, and gives back what would be
    /// too much. Answers how much may hold something.
    fn reuse(&self, segment: NonNull<Segment>, tag: Tag, bytes: usize) -> Result<usize, AllocError> {
        // SAFETY: out of the list, so it is ours.
        let header = unsafe { segment.as_ref() };
        let had = header.huge.get();
        if had > SHRINK * bytes {
            // SAFETY: whole committed pages of a block that nobody has.
            let less = unsafe { os::discard(segment.cast::<u8>().add(HEADER + bytes), had - bytes) };
            // Refused, they stay with the block.
            if less.is_ok() {
                header.huge.set(bytes);
                self.tag().credit_committed(had - bytes);
            }
        }
        let has = header.huge.get();
        let answer =
            self.tag().try_transfer_committed(tag, has + HEADER).map_err(AllocError::from).and_then(|()| {
                let grown = self.grow_huge(segment, tag, bytes);
                grown.inspect_err(|_| tag.transfer_committed(self.tag(), has + HEADER))
            });
        match answer {
            Ok(()) => Ok(has.min(bytes)),
            Err(error) => {
                header.freed_at[0].set(now());
                self.keep_spare(segment);
                Err(error)
            }
        }
    }

    /// Makes a block larger where it is: `bytes`, for which it has the room.
    pub(super) fn try_grow_huge(
        &self,
        segment: NonNull<Segment>,
        tag: Tag,
        bytes: usize,
    ) -> Result<(), AllocError> {
        // SAFETY: the caller's.
        let had = unsafe { segment.as_ref() }.huge.get();
        self.grow_huge(segment, tag, bytes)?;
        self.uses(bytes - had);
        Ok(())
    }

    /// Gets memory for what a segment's block, charged to `tag`, lacks to be of `bytes`.
    fn grow_huge(&self, segment: NonNull<Segment>, tag: Tag, bytes: usize) -> Result<(), AllocError> {
        // SAFETY: the caller's.
        let header = unsafe { segment.as_ref() };
        let had = header.huge.get();
        let Some(more) = bytes.checked_sub(had).filter(|more| *more > 0) else { return Ok(()) };
        tag.try_charge_committed(more)?;
        let open = header.open.get();
        if bytes > open {
            // SAFETY: inside the reservation, as the caller has asked, behind what the block has.
            let start = unsafe { segment.cast::<u8>().add(header.ahead.get() + open) };
            // SAFETY: as above.
            if let Err(error) = unsafe { os::commit(start, bytes - open) } {
                tag.credit_committed(more);
                return Err(AllocError::Os { tag, error });
            }
            header.open.set(bytes);
        }
        header.huge.set(bytes);
        Ok(())
    }

    pub(super) fn purge_spares(&self, time: u32, delay: u32, goal: usize) -> usize {
        let mut given = 0;
        while self.dirty() > goal
            && let Some(spare) = self.oldest_spare(time, delay)
        {
            given += self.release_huge(spare);
        }
        given
    }

    /// Asks the system again to take what it refused, until it refuses again.
    pub(super) fn purge_stuck(&self) -> usize {
        let mut given = 0;
        loop {
            let mut inner = self.inner.lock();
            let Some(segment) = NonNull::new(inner.stuck) else { return given };
            // SAFETY: in this list, under the lock.
            unsafe { unlink(&mut inner.stuck, segment) };
            drop(inner);
            match self.release_huge(segment) {
                0 => return given,
                bytes => given += bytes,
            }
        }
    }

    /// Gives a segment of one block back to the system. Answers how many bytes were credited: none if the system refuses,
    /// which will be asked again.
    pub(super) fn release_huge(&self, segment: NonNull<Segment>) -> usize {
        // SAFETY: in no list, and its block is nobody's.
        let size = unsafe { segment.as_ref() }.size.get();
        let credited = release_segment(segment, self.tag(), 0);
        let mut inner = self.inner.lock();
        if credited > 0 {
            inner.reserved -= size;
        } else {
            // SAFETY: in no list.
            unsafe { link(&mut inner.stuck, segment) };
        }
        credited
    }
}
