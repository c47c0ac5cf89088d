//! The frame arena: what one frame needs and the next one does not.
//!
//! ```text
//!   begin_frame           frame N                    begin_frame          frame N+1
//!   ──────────► buffer A: allocate, keep ──────────► ──────────► buffer B: allocate; A: read what was kept
//! ```
//!
//! Release builds rotate two buffers; debug and hardened builds one more, which is poisoned and inaccessible, so that
//! a pointer that survived its time faults at once. Each further frame in flight adds a buffer.
#![expect(
    unsafe_code,
    reason = "lends the memory of a buffer out as references, across one flip and across threads"
)]

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use super::bump::Bump;
#[cfg(feature = "allocator-api2")]
use super::bump::Cursor;
use super::lease::{Lease, Owner};
use super::typed::{arena_methods, or_raise};
use super::vec::ArenaVec;
use crate::base::{HARDENED, next_stamp};
use crate::ledger::Tag;
use crate::os::Access;
use crate::region::{AllocError, IDLE_SLACK, IdleTrim, Kind, Made, Region, RegionOptions};

/// The most buffers an arena can have: four frames in flight and the protected one.
const MAX_BUFFERS: usize = 5;

/// Bytes at the start of a buffer that hold its [`Lease`]; a cache line, because another thread writes it.
const HEAD: usize = 64;

/// How a [`FrameArena`] is made.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct FrameArenaOptions {
    tag: Tag,
    reserve: usize,
    presize: usize,
    frames_in_flight: usize,
    huge: bool,
    prefault: bool,
}

impl FrameArenaOptions {
    /// Charged to `tag`. By default each buffer reserves 1 GiB (64 MiB on 32-bit machines) and commits nothing ahead.
    pub const fn new(tag: Tag) -> Self {
        let reserve = if usize::BITS >= 64 { 1 << 30 } else { 64 << 20 };
        Self { tag, reserve, presize: 0, frames_in_flight: 2, huge: false, prefault: false }
    }

    /// Bytes of address space for each buffer: no frame can use more.
    pub const fn reserve(mut self, bytes: usize) -> Self {
        self.reserve = bytes;
        self
    }

    /// Bytes to commit for each buffer from the start; at most what is reserved for it.
    pub const fn presize(mut self, bytes: usize) -> Self {
        self.presize = bytes;
        self
    }

    /// How many frames are under way at once, the one being built included: 2 to 4. With a render thread that may
    /// lag one frame behind, 2; each further frame of lag adds one.
    ///
    /// # Panics
    /// Not 2, 3 or 4.
    pub const fn frames_in_flight(mut self, frames: usize) -> Self {
        assert!(frames >= 2 && frames <= 4, "frames in flight: 2 to 4");
        self.frames_in_flight = frames;
        self
    }

    /// See [`RegionOptions::huge_pages`].
    pub const fn huge_pages(mut self, huge: bool) -> Self {
        self.huge = huge;
        self
    }

    /// See [`RegionOptions::prefault`].
    pub const fn prefault(mut self, prefault: bool) -> Self {
        self.prefault = prefault;
        self
    }
}

/// A bump arena for data that lives one frame. Choose the [`ScratchStack`](crate::ScratchStack) for what lives
/// shorter, the [`ResourceArena`](crate::ResourceArena) for what lives longer or has a destructor.
///
/// Allocating borrows the arena, so nothing can outlive [`begin_frame`](Self::begin_frame); what the next frame is to
/// read is [kept](Self::keep). `Send`, not `Sync`.
///
/// ```
/// use arenite::{FrameArena, Tag};
/// let mut arena = FrameArena::try_new(Tag::register("frame")?)?;
/// let mut last = None;
/// for frame in 0..3u32 {
///     arena.begin_frame();
///     let ids = arena.alloc_slice_from_iter((0..10).filter(|id| id % 2 == 0));
///     assert_eq!(ids, [0, 2, 4, 6, 8]);
///     if let Some(last) = last {
///         assert_eq!(arena.get(last), Some(&(frame - 1)));
///     }
///     let (_value, kept) = arena.keep(frame);
///     last = Some(kept);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct FrameArena {
    /// Where this frame allocates. First, so that its pointer pair is found without an offset.
    current: Bump,
    /// Of this frame; drawn afresh at each flip from one counter for the whole process.
    stamp: u64,
    /// Of the frame before it: what a readable [`FrameRef`] carries. 0 before the second frame.
    previous_stamp: u64,
    /// The other buffers, the last frame's first, the oldest last. `None` only above `others_len`.
    others: [Option<Buffer>; MAX_BUFFERS - 1],
    others_len: usize,
    frame: u64,
    high_water: usize,
    idle: IdleTrim,
    /// How many buffers are still to be trimmed, and to what.
    trim: (usize, usize),
    /// What was asked for at the start is never trimmed away.
    presize: usize,
}

#[derive(Debug)]
struct Buffer {
    bump: Bump,
    /// No access at all: debug and hardened builds only. Such a buffer is at home.
    protected: bool,
}

impl Buffer {
    fn is_free(&self) -> bool {
        (HARDENED && self.protected) || lease(&self.bump).is_home()
    }
}

fn lease(bump: &Bump) -> &Lease {
    // SAFETY: each buffer starts with a lease, written before the bump was made and never moved; the memory lives as
    // long as the bump, and its pages are accessible whenever this is called (see `Buffer::protected`).
    unsafe { bump.base().cast::<Lease>().as_ref() }
}

/// Figures of a frame arena. Sizes are bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FrameArenaStats {
    /// Frames begun.
    pub frame: u64,
    /// Allocated in this frame so far, padding included.
    pub used: usize,
    /// The most that any finished frame, or this one, allocated.
    pub high_water: usize,
    /// Committed, all buffers together.
    pub committed: usize,
    /// Reserved, all buffers together.
    pub reserved: usize,
    /// Buffers that packets still hold.
    pub lent: usize,
}

/// No frame can begin: every buffer is still held by a [`FramePacket`], or the system refused to make one accessible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// All buffers are in flight: wait for a packet to be dropped, or allow more frames in flight.
    AllInFlight,
    /// Memory could not be made accessible.
    Memory(AllocError),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllInFlight => f.write_str(
                "every frame buffer is still in flight: drop a frame packet, or allow more frames in flight",
            ),
            Self::Memory(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for FrameError {}

/// A ticket for a value that the next frame may read; see [`FrameArena::keep`]. Any other frame, and any other arena,
/// answers `None`. Copyable; as thread-safe as the value.
pub struct FrameRef<T: ?Sized> {
    stamp: u64,
    value: NonNull<T>,
    owns: PhantomData<T>,
}

// SAFETY: the ticket itself can not be read. Whoever reads through it, here or there, sees a `T` that was sent along
// with its arena (`T: Send`) or is shared through a packet (`T: Sync`).
unsafe impl<T: ?Sized + Send + Sync> Send for FrameRef<T> {}
// SAFETY: as above; copying a ticket from several threads is copying three words.
unsafe impl<T: ?Sized + Send + Sync> Sync for FrameRef<T> {}

impl<T: ?Sized> Clone for FrameRef<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for FrameRef<T> {}

impl<T: ?Sized> fmt::Debug for FrameRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameRef").field("stamp", &self.stamp).finish_non_exhaustive()
    }
}

impl FrameArena {
    /// An arena with the default [`FrameArenaOptions`].
    ///
    /// # Errors
    /// Address space or the first pages can not be had.
    #[track_caller]
    pub fn try_new(tag: Tag) -> Result<Self, AllocError> {
        Self::try_with(FrameArenaOptions::new(tag))
    }

    /// An arena made as the options say. All buffers share one reservation.
    ///
    /// # Errors
    /// Address space, the first pages, or what is to be committed ahead can not be had.
    #[track_caller]
    pub fn try_with(options: FrameArenaOptions) -> Result<Self, AllocError> {
        let count = options.frames_in_flight + usize::from(HARDENED);
        let made = Made::here(Kind::FrameArena, options.tag);
        let region = RegionOptions::new(options.tag, options.reserve)
            .of(&made)
            .at_least(options.presize.saturating_add(HEAD).max(1 << 20).min(options.reserve))
            .huge_pages(options.huge)
            .prefault(options.prefault);
        let mut regions: [Option<Region>; MAX_BUFFERS] = [const { None }; MAX_BUFFERS];
        let mut filled = 0;
        Region::try_reserve_array(region, count, |part| {
            regions[filled] = Some(part);
            filled += 1;
        })?;
        let mut buffers = regions.into_iter().flatten().map(|region| Self::buffer(region, options.presize));
        let first = buffers.next().ok_or(AllocError::TooLarge { tag: options.tag })??;
        let mut others: [Option<Buffer>; MAX_BUFFERS - 1] = [const { None }; MAX_BUFFERS - 1];
        for (place, bump) in others.iter_mut().zip(buffers) {
            *place = Some(Buffer { bump: bump?, protected: false });
        }
        Ok(Self {
            current: first,
            stamp: next_stamp(),
            previous_stamp: 0,
            others,
            others_len: count - 1,
            frame: 0,
            high_water: 0,
            idle: IdleTrim::new(),
            trim: (0, 0),
            presize: options.presize,
        })
    }

    fn buffer(mut region: Region, presize: usize) -> Result<Bump, AllocError> {
        region.try_grow(HEAD)?;
        // SAFETY: the first bytes of the region are committed, aligned to a page, and nobody else's.
        unsafe { region.base().cast::<Lease>().write(Lease::new()) };
        let mut bump = Bump::try_new(region, HEAD)?;
        bump.try_presize(presize)?;
        Ok(bump)
    }

    arena_methods!('s, 's, |this| this.current.cursor());

    /// Starts the next frame: what the frame before the last one allocated is gone, what the last one kept can be
    /// read. Pages for as much as recent frames used are committed. O(1); in debug and hardened builds O(bytes used).
    ///
    /// # Panics
    /// All buffers are in flight, or memory can not be made accessible; [`try_begin_frame`](Self::try_begin_frame)
    /// answers with an error instead.
    #[track_caller]
    pub fn begin_frame(&mut self) {
        if let Err(error) = self.try_begin_frame() {
            panic!("no frame can begin: {error}");
        }
    }

    /// As [`begin_frame`](Self::begin_frame), with the refusal as a value.
    ///
    /// # Errors
    /// All buffers are in flight, or memory can not be made accessible. The arena is as it was: the last frame goes
    /// on.
    pub fn try_begin_frame(&mut self) -> Result<(), FrameError> {
        // With one other buffer there is nothing to choose.
        let chosen = self.others_len == 1 && self.others[0].as_ref().is_some_and(Buffer::is_free);
        if !chosen && !self.bring_free_first() {
            return Err(FrameError::AllInFlight);
        }
        let Some(next) = &mut self.others[0] else { return Err(FrameError::AllInFlight) };
        if HARDENED && next.protected {
            // SAFETY: allowing more than before harms nobody.
            unsafe { next.bump.try_protect(Access::ReadWrite) }.map_err(FrameError::Memory)?;
            next.protected = false;
        }
        next.bump.clear();

        let used = self.current.used();
        self.high_water = self.high_water.max(used);
        if let Some(keep) = self.idle.observe(used, self.current.committed(), IDLE_SLACK) {
            self.trim = (self.others_len + 1, keep.max(self.presize));
        }
        // Both are only kindness to the system and to the frame: what fails here is reported where it is needed.
        if self.trim.0 > 0 {
            self.trim.0 -= 1;
            let _ = next.bump.try_trim(self.trim.1);
        }
        let _ = next.bump.try_presize(self.idle.recent_high());

        // In a steady game the one lets go of what the other takes, and the ledger need not be locked.
        self.current.publish_instead(used, &mut next.bump);
        core::mem::swap(&mut self.current, &mut next.bump);
        if HARDENED {
            Self::protect_stale(&mut self.others[..self.others_len]);
        }
        self.previous_stamp = self.stamp;
        self.stamp = next_stamp();
        self.frame += 1;
        Ok(())
    }

    /// Moves the oldest buffer that nobody holds to the front of the others, if there is one. The last frame's own
    /// neighbour may be reused too: its time is over.
    #[inline(never)]
    fn bring_free_first(&mut self) -> bool {
        let others = &mut self.others[..self.others_len];
        let found = others.iter().rposition(|buffer| buffer.as_ref().is_some_and(Buffer::is_free));
        found.is_some_and(|index| {
            others[..=index].rotate_right(1);
            true
        })
    }

    /// Poisons and closes every buffer whose time is over: all but the last frame's and those in flight.
    fn protect_stale(others: &mut [Option<Buffer>]) {
        for buffer in others.iter_mut().skip(1).flatten() {
            if !buffer.protected && buffer.is_free() {
                buffer.bump.reset();
                // SAFETY: nobody borrows from the buffer: its frames are over and no packet holds it. Its own lease
                // is not read while `protected` says so. A refusal only means that a stale access is not caught.
                buffer.protected = unsafe { buffer.bump.try_protect(Access::None) }.is_ok();
            }
        }
    }

    /// Moves `value` in for this frame and the next: [`get`](Self::get) reads it there, and never again after that.
    ///
    /// # Panics
    /// As [`alloc`](Self::alloc).
    #[inline]
    #[track_caller]
    pub fn keep<T>(&self, value: T) -> (&mut T, FrameRef<T>) {
        self.ticket(self.alloc(value))
    }

    /// As [`keep`](Self::keep), with the refusal as a value.
    ///
    /// # Errors
    /// As [`try_alloc`](Self::try_alloc).
    #[inline]
    pub fn try_keep<T>(&self, value: T) -> Result<(&mut T, FrameRef<T>), AllocError> {
        Ok(self.ticket(self.try_alloc(value)?))
    }

    /// Copies a slice in for this frame and the next.
    ///
    /// # Panics
    /// As [`alloc`](Self::alloc).
    #[inline]
    #[track_caller]
    pub fn keep_slice_copy<T: Copy>(&self, values: &[T]) -> (&mut [T], FrameRef<[T]>) {
        self.ticket(self.alloc_slice_copy(values))
    }

    /// Makes a slice for this frame and the next; see [`alloc_slice_fill_with`](Self::alloc_slice_fill_with).
    ///
    /// # Panics
    /// As [`alloc`](Self::alloc), and whatever `init` panics with.
    #[inline]
    #[track_caller]
    pub fn keep_slice_fill_with<T>(
        &self,
        len: usize,
        init: impl FnMut(usize) -> T,
    ) -> (&mut [T], FrameRef<[T]>) {
        self.ticket(self.alloc_slice_fill_with(len, init))
    }

    /// Collects a slice for this frame and the next; see [`alloc_slice_from_iter`](Self::alloc_slice_from_iter).
    ///
    /// # Panics
    /// As [`alloc`](Self::alloc), and whatever the iterator panics with.
    #[inline]
    #[track_caller]
    pub fn keep_slice_from_iter<T>(&self, values: impl IntoIterator<Item = T>) -> (&mut [T], FrameRef<[T]>) {
        self.ticket(self.alloc_slice_from_iter(values))
    }

    /// As [`keep_slice_from_iter`](Self::keep_slice_from_iter), with the refusal as a value.
    ///
    /// # Errors
    /// As [`try_alloc`](Self::try_alloc).
    #[inline]
    pub fn try_keep_slice_from_iter<T>(
        &self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<(&mut [T], FrameRef<[T]>), AllocError> {
        Ok(self.ticket(self.try_alloc_slice_from_iter(values)?))
    }

    /// Ends a vector and keeps its elements for this frame and the next: in place when it was made by this arena's
    /// [`vec`](Self::vec), copied when it lives in another.
    ///
    /// # Panics
    /// As [`alloc`](Self::alloc), for a vector of another arena.
    #[inline]
    #[track_caller]
    pub fn keep_vec<'s, T>(&'s self, values: ArenaVec<'s, T>) -> (&'s mut [T], FrameRef<[T]>) {
        or_raise(self.try_keep_vec(values))
    }

    /// As [`keep_vec`](Self::keep_vec), with the refusal as a value.
    ///
    /// # Errors
    /// As [`try_alloc`](Self::try_alloc), for a vector of another arena.
    #[inline]
    pub fn try_keep_vec<'s, T>(
        &'s self,
        values: ArenaVec<'s, T>,
    ) -> Result<(&'s mut [T], FrameRef<[T]>), AllocError> {
        let here = values.lives_in(self.current.store());
        let values = values.into_slice();
        if here {
            // The block was the vector's alone until now, so it can not have been rewound.
            return Ok(self.ticket(values));
        }
        let room = self.try_alloc_slice_uninit::<T>(values.len())?;
        let start = room.as_mut_ptr().cast::<T>();
        // SAFETY: the room is as long as the slice, another block, and now initialised; the originals are never used
        // again, and `into_slice` has refused types with drop glue.
        let copy = unsafe {
            core::ptr::copy_nonoverlapping(values.as_ptr(), start, values.len());
            core::slice::from_raw_parts_mut(start, values.len())
        };
        Ok(self.ticket(copy))
    }

    /// Formats text in place for this frame and the next; see [`alloc_fmt`](Self::alloc_fmt).
    ///
    /// # Panics
    /// As [`alloc_fmt`](Self::alloc_fmt).
    #[inline]
    #[track_caller]
    pub fn keep_fmt(&self, text: fmt::Arguments<'_>) -> (&mut str, FrameRef<str>) {
        self.ticket(self.alloc_fmt(text))
    }

    /// As [`keep_fmt`](Self::keep_fmt), with the refusal as a value.
    ///
    /// # Errors
    /// As [`try_alloc`](Self::try_alloc).
    #[inline]
    pub fn try_keep_fmt(&self, text: fmt::Arguments<'_>) -> Result<(&mut str, FrameRef<str>), AllocError> {
        Ok(self.ticket(self.try_alloc_fmt(text)?))
    }

    /// As [`keep_slice_copy`](Self::keep_slice_copy), with the refusal as a value.
    ///
    /// # Errors
    /// As [`try_alloc`](Self::try_alloc).
    #[inline]
    pub fn try_keep_slice_copy<T: Copy>(
        &self,
        values: &[T],
    ) -> Result<(&mut [T], FrameRef<[T]>), AllocError> {
        Ok(self.ticket(self.try_alloc_slice_copy(values)?))
    }

    /// Copies a string in for this frame and the next.
    ///
    /// # Panics
    /// As [`alloc`](Self::alloc).
    #[inline]
    #[track_caller]
    pub fn keep_str(&self, text: &str) -> (&mut str, FrameRef<str>) {
        self.ticket(self.alloc_str(text))
    }

    /// What tickets of this frame carry: no other frame, of whatever arena, has the same. With [`readable_stamp`](Self::readable_stamp), for
    /// tickets of one's own making, where types and lifetimes do not reach: what was allocated in the frame of the readable stamp
    /// can be read until [`begin_frame`](Self::begin_frame).
    #[must_use]
    pub const fn stamp(&self) -> u64 {
        self.stamp
    }

    /// The [`stamp`](Self::stamp) of the frame before this one; 0 if there is none.
    #[must_use]
    pub const fn readable_stamp(&self) -> u64 {
        self.previous_stamp
    }

    /// Private, and only ever called on a block that was allocated for it a moment ago or that a vector still owned: a
    /// slice that the caller got earlier may lie in memory that was rewound since.
    #[inline]
    fn ticket<'s, T: ?Sized>(&'s self, value: &'s mut T) -> (&'s mut T, FrameRef<T>) {
        let value = NonNull::from(value);
        let ticket = FrameRef { stamp: self.stamp, value, owns: PhantomData };
        // SAFETY: the reference that came in, handed on. The ticket's pointer is its parent, so that the maker's
        // writes do not invalidate it, and is not read before they are over.
        (unsafe { &mut *value.as_ptr() }, ticket)
    }

    /// What the last frame kept under this ticket; `None` for a ticket of any other frame or arena. O(1): one compare.
    #[inline]
    #[must_use]
    pub fn get<T: ?Sized>(&self, kept: FrameRef<T>) -> Option<&T> {
        if kept.stamp != self.previous_stamp {
            return None;
        }
        // SAFETY: the stamp says that the value was allocated in this arena's last frame. Its buffer is neither reset
        // nor protected before the next flip, which needs `&mut self`; the `&mut` that its maker got borrowed the
        // arena and ended at the last flip; what else reads it (a packet) reads only, and only if `T: Sync`.
        Some(unsafe { kept.value.as_ref() })
    }

    /// Ends this frame's allocating and lends its buffer to a packet that another thread may read, for as long as it
    /// likes: until [`begin_frame`](Self::begin_frame) the arena refuses to allocate, then it uses another buffer.
    /// `None` when this frame was frozen already. O(1).
    pub fn freeze(&mut self) -> Option<FramePacket> {
        if self.current.is_sealed() {
            return None;
        }
        self.current.seal();
        self.current.publish();
        lease(&self.current).lend();
        // SAFETY: two owners of one region from here on. The lease decides which of them frees it (`Drop` of both
        // looks there first), and the arena does not touch a lent region: a sealed bump neither grows nor trims.
        let region = unsafe { self.current.region_twin() };
        Some(FramePacket {
            region: ManuallyDrop::new(region),
            stamp: self.stamp,
            used: self.current.used(),
            frame: self.frame,
        })
    }

    /// Frames begun so far.
    #[must_use]
    pub const fn frame(&self) -> u64 {
        self.frame
    }

    /// Figures of this moment. O(1).
    #[must_use]
    pub fn stats(&self) -> FrameArenaStats {
        let used = self.current.used();
        let others = self.others.iter().flatten();
        FrameArenaStats {
            frame: self.frame,
            used,
            high_water: self.high_water.max(used),
            committed: self.current.committed()
                + others.clone().map(|other| other.bump.committed()).sum::<usize>(),
            reserved: self.current.reserved()
                + others.clone().map(|other| other.bump.reserved()).sum::<usize>(),
            lent: others.filter(|other| !other.is_free()).count()
                + usize::from(!lease(&self.current).is_home()),
        }
    }

    /// Whom the arena is charged to.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.current.tag()
    }

    /// Tells the ledger how much is in use now; it also learns that at each flip and whenever pages are committed.
    pub fn publish(&mut self) {
        self.current.publish();
    }

    #[cfg(feature = "allocator-api2")]
    pub(crate) fn cursor(&self) -> Cursor<'_> {
        self.current.cursor()
    }
}

impl Drop for FrameArena {
    fn drop(&mut self) {
        let current = core::iter::once(&mut self.current);
        let others =
            self.others.iter_mut().flatten().filter(|other| !other.protected).map(|other| &mut other.bump);
        for bump in current.chain(others) {
            if lease(bump).abandon() == Owner::Borrower {
                // SAFETY: the packet that holds the twin frees it when it goes; this one is forgotten here, once.
                unsafe { bump.disown() };
            }
        }
    }
}

/// A finished frame that another thread may read: made by [`FrameArena::freeze`]. `Send` and `Sync`. Dropping it gives
/// the buffer back; it may outlive the arena.
///
/// ```
/// # use arenite::{FrameArena, Tag};
/// let mut arena = FrameArena::try_new(Tag::untagged())?;
/// arena.begin_frame();
/// let (_, draws) = arena.keep_slice_copy(&[1u32, 2, 3]);
/// let packet = arena.freeze().expect("frozen once");
/// let render = std::thread::spawn(move || packet.get(draws).unwrap().iter().sum::<u32>());
/// arena.begin_frame(); // goes on in another buffer
/// assert_eq!(render.join().unwrap(), 6);
/// # Ok::<(), arenite::AllocError>(())
/// ```
#[derive(Debug)]
pub struct FramePacket {
    /// The twin of the arena's region; freed here only if the lease says so.
    region: ManuallyDrop<Region>,
    stamp: u64,
    used: usize,
    frame: u64,
}

impl FramePacket {
    /// What the frozen frame kept under this ticket; `None` for a ticket of any other frame or arena. O(1).
    #[inline]
    #[must_use]
    pub fn get<T: ?Sized + Sync>(&self, kept: FrameRef<T>) -> Option<&T> {
        if kept.stamp != self.stamp {
            return None;
        }
        // SAFETY: the stamp says that the value was allocated in the frozen frame. Its buffer is neither reset nor
        // freed before this packet gives it back; everybody who reads it reads only, and `T: Sync` allows that.
        Some(unsafe { kept.value.as_ref() })
    }

    /// Bytes that the frame had allocated.
    #[must_use]
    pub const fn used(&self) -> usize {
        self.used
    }

    /// Number of the frozen frame.
    #[must_use]
    pub const fn frame(&self) -> u64 {
        self.frame
    }
}

impl Drop for FramePacket {
    fn drop(&mut self) {
        // SAFETY: the buffer starts with its lease, and lives until one of the two owners frees it below.
        let lease = unsafe { self.region.base().cast::<Lease>().as_ref() };
        if lease.give_back() == Owner::Borrower {
            // SAFETY: the arena has forgotten its twin, and this is dropped once.
            unsafe { ManuallyDrop::drop(&mut self.region) };
        }
    }
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
