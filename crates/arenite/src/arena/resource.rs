//! The resource arena: values with destructors that live until the scene changes.
//!
//! ```text
//!   slots  | stamp  type  drop  address | …           grows by committing, never moves: read without a lock
//!   values | texture | pixels … | mesh | sound …      a bump
//! ```
//!
//! Inserting takes a short lock; looking up takes none. Clearing drops in reverse order of insertion, goes on when a
//! destructor panics, and gives the pages back.
#![expect(
    unsafe_code,
    reason = "stores values of many types by raw pointer and drops them by stored function"
)]

use core::alloc::Layout;
use core::any::TypeId;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::bump::{Bump, Mark, Place};
use super::typed::or_raise;
use crate::base::align::align_down;
use crate::base::next_stamp;
use crate::base::sync::{AtomicU32, Lock, Ordering};
use crate::ledger::Tag;
use crate::os::page_size;
use crate::region::{AllocError, Kind, Made, Region, RegionOptions};

/// How a [`ResourceArena`] is made. Sizes are bytes.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct ResourceArenaOptions {
    tag: Tag,
    reserve: usize,
    capacity: usize,
    huge: bool,
    prefault: bool,
}

impl ResourceArenaOptions {
    /// Charged to `tag`. By default 8 GiB of address space (256 MiB on 32-bit machines) for at most a million
    /// resources.
    pub const fn new(tag: Tag) -> Self {
        let reserve = if usize::BITS >= 64 { 8 << 30 } else { 256 << 20 };
        Self { tag, reserve, capacity: 1 << 20, huge: false, prefault: false }
    }

    /// The most that all resources together can take.
    pub const fn reserve(mut self, bytes: usize) -> Self {
        self.reserve = bytes;
        self
    }

    /// The most resources there can be.
    ///
    /// # Panics
    /// More than `u32::MAX`.
    pub const fn capacity(mut self, resources: usize) -> Self {
        assert!(resources as u64 <= u32::MAX as u64, "at most 2^32 - 1 resources");
        self.capacity = resources;
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

/// An arena for textures, meshes, sounds: any value that is `Send + Sync + 'static`, found by a [`Resource`] handle,
/// all dropped and freed at once. `Send` and `Sync`.
///
/// ```
/// use arenite::{ResourceArena, Tag};
/// struct Texture { width: u32, pixels: arenite::Resource<[u8]> }
///
/// let mut resources = ResourceArena::try_new(Tag::register("scene")?)?;
/// let pixels = resources.insert_slice_with(16, |pixels: &mut [u8]| pixels.fill(7));
/// let wall = resources.insert(Texture { width: 4, pixels });
/// let texture = resources.get(wall).unwrap();
/// assert_eq!(resources.get(texture.pixels).unwrap()[texture.width as usize], 7);
/// resources.clear();
/// assert!(resources.get(wall).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ResourceArena {
    /// Drawn afresh at creation and at each clear from one counter for the whole process: what a readable handle
    /// carries. Changed by `&mut self` only.
    stamp: u64,
    /// The first `len` slots are written and do not change.
    slots: NonNull<Slot>,
    /// Slots that can be read. Released after the slot is written.
    len: AtomicU32,
    inner: Lock<Inner>,
}

#[derive(Debug)]
struct Inner {
    values: Bump,
    table: Region,
    capacity: usize,
}

// SAFETY: every value is `Send`; handles carry no reference.
unsafe impl Send for ResourceArena {}
// SAFETY: `&self` gives `&T` of values that are `Sync`, from slots that are never written again once `len` counts them
// (released and acquired), and changes `inner` under its lock only.
unsafe impl Sync for ResourceArena {}

#[derive(Debug)]
struct Slot {
    type_id: TypeId,
    value: NonNull<u8>,
    /// Elements of a slice or bytes of a string; 0 for others.
    metadata: usize,
    /// Runs the destructor; `None` for types without drop glue.
    drop: Option<unsafe fn(NonNull<u8>, usize)>,
}

/// A handle to a value in a [`ResourceArena`]. `Copy`, 16 bytes. After the arena was cleared, in another arena and for
/// another type it resolves to `None`, always: stamps are never used again.
pub struct Resource<T: ?Sized> {
    stamp: u64,
    index: u32,
    /// Only a name: the handle neither owns nor borrows the value.
    of: PhantomData<fn() -> *const T>,
}

impl<T: ?Sized> Resource<T> {
    /// Which of its arena's values it is, counted from the last clear: a number for where no handle can go, which tells neither
    /// arenas nor times apart. See [`ResourceArena::at`].
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }
}

impl<T: ?Sized> Clone for Resource<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Resource<T> {}

impl<T: ?Sized> PartialEq for Resource<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.stamp, self.index) == (other.stamp, other.index)
    }
}

impl<T: ?Sized> Eq for Resource<T> {}

impl<T: ?Sized> Hash for Resource<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.stamp, self.index).hash(state);
    }
}

impl<T: ?Sized> fmt::Debug for Resource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resource({}@{})", self.index, self.stamp)
    }
}

/// What a resource arena can hold: every sized type, slices and strings. Sealed.
pub trait Stored: 'static + Send + Sync + sealed::Raw {}

impl<T: 'static + Send + Sync> Stored for T {}
impl<T: 'static + Send + Sync> Stored for [T] {}
impl Stored for str {}

mod sealed {
    use core::ptr::NonNull;

    /// How a value is found again from an address and one number.
    pub trait Raw {
        fn raw(start: NonNull<u8>, metadata: usize) -> *mut Self;
    }

    impl<T> Raw for T {
        #[inline]
        fn raw(start: NonNull<u8>, _metadata: usize) -> *mut Self {
            start.as_ptr().cast()
        }
    }

    impl<T> Raw for [T] {
        #[inline]
        fn raw(start: NonNull<u8>, metadata: usize) -> *mut Self {
            core::ptr::slice_from_raw_parts_mut(start.as_ptr().cast(), metadata)
        }
    }

    impl Raw for str {
        #[inline]
        fn raw(start: NonNull<u8>, metadata: usize) -> *mut Self {
            core::ptr::slice_from_raw_parts_mut(start.as_ptr(), metadata) as *mut str
        }
    }
}

/// Figures of a resource arena. Sizes are bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ResourceStats {
    /// Values there are.
    pub count: usize,
    /// Taken by values, padding included.
    pub used: usize,
    /// Committed, the table of slots included.
    pub committed: usize,
    /// Reserved, the table of slots included.
    pub reserved: usize,
}

/// A block that was taken for values which are not inserted yet; freed on panic or refusal if it is still the last
/// one, lost until the arena is cleared if it is not.
struct Pending<'a> {
    arena: &'a ResourceArena,
    before: Mark,
    start: NonNull<u8>,
    size: usize,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let inner = self.arena.inner.lock();
        // SAFETY: the block is ours and nobody has seen it; if it is the last one, the padding before it goes too.
        unsafe {
            let values = inner.values.cursor();
            if values.shrink_in_place(self.start, self.size, 0) {
                values.rewind(self.before);
            }
        }
    }
}

impl ResourceArena {
    /// An arena with the default [`ResourceArenaOptions`].
    ///
    /// # Errors
    /// The address space can not be had.
    #[track_caller]
    pub fn try_new(tag: Tag) -> Result<Self, AllocError> {
        Self::try_with(ResourceArenaOptions::new(tag))
    }

    /// An arena made as the options say.
    ///
    /// # Errors
    /// The address space can not be had.
    #[track_caller]
    pub fn try_with(options: ResourceArenaOptions) -> Result<Self, AllocError> {
        let tag = options.tag;
        let made = Made::here(Kind::ResourceArena, tag);
        let slots = options.capacity.checked_mul(size_of::<Slot>()).ok_or(AllocError::TooLarge { tag })?;
        let table = RegionOptions::new(tag, slots).at_least(slots).commit_steps(1, 1 << 20);
        let table = Region::try_reserve(table.of(&made))?;
        let values = RegionOptions::new(tag, options.reserve)
            .huge_pages(options.huge)
            .prefault(options.prefault)
            .at_least(options.reserve.min(1 << 20))
            .of(&made);
        let values = Bump::try_new(Region::try_reserve(values)?, 0)?;
        Ok(Self {
            stamp: next_stamp(),
            slots: table.base().cast(),
            len: AtomicU32::new(0),
            inner: Lock::new(Inner { values, table, capacity: options.capacity }),
        })
    }

    /// Moves a value in. O(1), a short lock.
    ///
    /// # Panics
    /// The memory can not be had, or the arena is full.
    #[track_caller]
    pub fn insert<T: Send + Sync + 'static>(&self, value: T) -> Resource<T> {
        or_raise(self.try_insert(value))
    }

    /// Moves a value in. O(1), a short lock.
    ///
    /// # Errors
    /// A budget would be broken, the arena is full, or the system refused; `value` is dropped, the rest is as it was.
    pub fn try_insert<T: Send + Sync + 'static>(&self, value: T) -> Result<Resource<T>, AllocError> {
        self.try_insert_with(|| value)
    }

    /// Constructs a value in place. `init` may itself insert here; what it inserts is dropped after this value.
    ///
    /// # Panics
    /// As [`insert`](Self::insert), and whatever `init` panics with.
    #[track_caller]
    pub fn insert_with<T: Send + Sync + 'static>(&self, init: impl FnOnce() -> T) -> Resource<T> {
        or_raise(self.try_insert_with(init))
    }

    /// Constructs a value in place.
    ///
    /// # Errors
    /// As [`try_insert`](Self::try_insert); `init` has not been called then, or its value is dropped.
    pub fn try_insert_with<T: Send + Sync + 'static>(
        &self,
        init: impl FnOnce() -> T,
    ) -> Result<Resource<T>, AllocError> {
        let pending = self.take(Layout::new::<T>())?;
        let value = init();
        let start = pending.start;
        // SAFETY: the block has the layout of `T` and is ours alone.
        unsafe { start.cast::<T>().write(value) };
        // SAFETY: the block now holds a `T`.
        unsafe { self.commit::<T>(pending, 0) }
    }

    /// A slice of `len` default values that `fill` then changes: decoders write straight into it.
    ///
    /// # Panics
    /// As [`insert`](Self::insert), and whatever `fill` panics with.
    #[track_caller]
    pub fn insert_slice_with<T>(&self, len: usize, fill: impl FnOnce(&mut [T])) -> Resource<[T]>
    where
        T: Copy + Default + Send + Sync + 'static,
    {
        or_raise(self.try_insert_slice_with(len, |slice| {
            fill(slice);
            Ok::<(), AllocError>(())
        }))
    }

    /// As [`insert_slice_with`](Self::insert_slice_with), for a `fill` that can fail; its room is given back then.
    ///
    /// # Errors
    /// What `fill` answers, or as [`try_insert`](Self::try_insert).
    pub fn try_insert_slice_with<T, E>(
        &self,
        len: usize,
        fill: impl FnOnce(&mut [T]) -> Result<(), E>,
    ) -> Result<Resource<[T]>, E>
    where
        T: Copy + Default + Send + Sync + 'static,
        E: From<AllocError>,
    {
        let layout = Layout::array::<T>(len).map_err(|_| AllocError::TooLarge { tag: self.tag() })?;
        let pending = self.take(layout)?;
        let start = pending.start.cast::<T>();
        for index in 0..len {
            let value = T::default();
            // SAFETY: the block has room for `len` of them and is ours alone.
            unsafe { start.add(index).write(value) };
        }
        // SAFETY: all of them are written above; nobody else knows of the block.
        fill(unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), len) })?;
        // SAFETY: the block holds `len` values.
        Ok(unsafe { self.commit::<[T]>(pending, len) }?)
    }

    /// Copies a slice in. O(n).
    ///
    /// # Panics
    /// As [`insert`](Self::insert).
    #[track_caller]
    pub fn insert_slice_copy<T: Copy + Send + Sync + 'static>(&self, values: &[T]) -> Resource<[T]> {
        or_raise(self.try_insert_slice_copy(values))
    }

    /// Copies a slice in. O(n).
    ///
    /// # Errors
    /// As [`try_insert`](Self::try_insert).
    pub fn try_insert_slice_copy<T: Copy + Send + Sync + 'static>(
        &self,
        values: &[T],
    ) -> Result<Resource<[T]>, AllocError> {
        let pending = self.take(Layout::for_value(values))?;
        // SAFETY: the block has the layout of the slice and is ours alone; `T` is `Copy`.
        unsafe {
            core::ptr::copy_nonoverlapping(values.as_ptr(), pending.start.cast().as_ptr(), values.len());
            self.commit::<[T]>(pending, values.len())
        }
    }

    /// Copies a string in. O(n).
    ///
    /// # Panics
    /// As [`insert`](Self::insert).
    #[track_caller]
    pub fn insert_str(&self, text: &str) -> Resource<str> {
        or_raise(self.try_insert_str(text))
    }

    /// Copies a string in. O(n).
    ///
    /// # Errors
    /// As [`try_insert`](Self::try_insert).
    pub fn try_insert_str(&self, text: &str) -> Result<Resource<str>, AllocError> {
        let pending = self.take(Layout::for_value(text))?;
        // SAFETY: the block has room for the bytes and is ours alone; they are UTF-8.
        unsafe {
            core::ptr::copy_nonoverlapping(text.as_ptr(), pending.start.as_ptr(), text.len());
            self.commit::<str>(pending, text.len())
        }
    }

    /// Takes a block, so that a constructor can run without the lock. Charging runs without it too: a pressure
    /// callback may look into this very arena.
    fn take(&self, layout: Layout) -> Result<Pending<'_>, AllocError> {
        loop {
            let inner = self.inner.lock();
            match inner.values.place(layout)? {
                Place::At((before, start)) => {
                    return Ok(Pending { arena: self, before, start, size: layout.size() });
                }
                Place::Missing(step) => {
                    drop(inner);
                    step.make(|step| self.inner.lock().values.commit_step(step))?;
                }
            }
        }
    }

    /// Makes the value findable and droppable.
    ///
    /// # Safety
    /// The pending block holds a valid `T` with this metadata, to be dropped by the arena or, on refusal, here.
    unsafe fn commit<T: ?Sized + Stored>(
        &self,
        pending: Pending<'_>,
        metadata: usize,
    ) -> Result<Resource<T>, AllocError> {
        unsafe fn drop_value<T: ?Sized + sealed::Raw>(start: NonNull<u8>, metadata: usize) {
            // SAFETY: the caller hands over a value that was stored as this `T`, once.
            unsafe { T::raw(start, metadata).drop_in_place() };
        }
        let drop = core::mem::needs_drop::<T>().then_some(drop_value::<T> as unsafe fn(NonNull<u8>, usize));
        let slot = Slot { type_id: TypeId::of::<T>(), value: pending.start, metadata, drop };
        let pushed = self.push(slot);
        match pushed {
            Ok(index) => {
                core::mem::forget(pending);
                Ok(Resource { stamp: self.stamp, index, of: PhantomData })
            }
            Err(error) => {
                // SAFETY: a valid value that nobody has seen; dropped once. The block goes with `pending`.
                unsafe { drop_value::<T>(pending.start, metadata) };
                Err(error)
            }
        }
    }

    fn push(&self, slot: Slot) -> Result<u32, AllocError> {
        loop {
            let inner = self.inner.lock();
            let index = self.len.load(Ordering::Relaxed);
            let count = index as usize + 1;
            let tag = inner.table.tag();
            if count > inner.capacity {
                return Err(AllocError::Full { tag, capacity: inner.capacity });
            }
            if let Some(step) = inner.table.next_step(count * size_of::<Slot>())? {
                drop(inner);
                step.make(|step| self.inner.lock().table.commit_step(step))?;
                continue;
            }
            // SAFETY: committed, inside the table, not yet counted by `len`, and written under the lock only.
            unsafe { self.slots.add(index as usize).write(slot) };
            self.len.store(index + 1, Ordering::Release);
            return Ok(index);
        }
    }

    /// The value under this handle; `None` if it is of another arena, of a time before a clear, or of another type.
    /// O(1), no lock.
    #[inline]
    #[must_use]
    pub fn get<T: ?Sized + Stored>(&self, resource: Resource<T>) -> Option<&T> {
        if resource.stamp != self.stamp || resource.index >= self.len.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: `index < len`: written before `len` counted it, and never again until `clear(&mut self)`.
        let slot = unsafe { self.slots.add(resource.index as usize).as_ref() };
        // SAFETY: the slot was made from a valid `T` with this metadata; it lives until `clear(&mut self)`, and only
        // shared references to it are ever given.
        (slot.type_id == TypeId::of::<T>()).then(|| unsafe { &*T::raw(slot.value, slot.metadata) })
    }

    /// The handle of a value that is there now, by its [index](Resource::index); `None` if there is none, or of another type.
    /// O(1), no lock.
    #[inline]
    #[must_use]
    pub fn at<T: ?Sized + Stored>(&self, index: u32) -> Option<Resource<T>> {
        let resource = Resource { stamp: self.stamp, index, of: PhantomData };
        self.get(resource).map(|_| resource)
    }

    /// Values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Acquire) as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whom the arena is charged to.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.inner.lock().table.tag()
    }

    /// Figures of this moment. O(1).
    #[must_use]
    pub fn stats(&self) -> ResourceStats {
        let inner = self.inner.lock();
        ResourceStats {
            count: self.len(),
            used: inner.values.used(),
            committed: inner.values.committed() + inner.table.committed(),
            reserved: inner.values.reserved() + inner.table.reserved(),
        }
    }

    /// Tells the ledger how much is in use now.
    pub fn publish(&self) {
        self.inner.lock().values.publish();
    }

    /// Drops every value, the last one first, and gives the pages back. All handles are stale afterwards.
    ///
    /// # Panics
    /// A destructor panics: the others still run, the memory is freed, and then the first panic goes on. (Without
    /// `std` a second panicking destructor aborts.)
    pub fn clear(&mut self) {
        self.clear_keeping(0);
    }

    /// As [`clear`](Self::clear), but up to `keep` bytes stay committed for what is inserted next.
    pub(crate) fn clear_keeping(&mut self, keep: usize) {
        // Handles are stale from here on, whatever happens.
        self.stamp = next_stamp();
        let clear = Clear { arena: self, keep };
        clear.arena.drop_all();
    }

    /// Gives the pages that no value and no slot uses back to the system.
    ///
    /// # Errors
    /// The system refused; some of the memory stays committed.
    #[cfg(feature = "std")]
    pub(crate) fn try_trim(&mut self) -> Result<(), AllocError> {
        let slots = self.len() * size_of::<Slot>();
        let inner = &mut *self.inner.lock();
        inner.values.try_trim(0)?;
        // SAFETY: only the first `len` slots are in use, and nobody inserts meanwhile (`&mut self`).
        unsafe { inner.table.try_shrink(slots) }
    }

    fn drop_all(&mut self) {
        #[cfg(feature = "std")]
        let mut first: Option<std::boxed::Box<dyn std::any::Any + Send>> = None;
        loop {
            let len = self.len.load(Ordering::Relaxed);
            let Some(index) = len.checked_sub(1) else { break };
            // Before the destructor runs: one that panics must not run again.
            self.len.store(index, Ordering::Relaxed);
            // SAFETY: it was written, and is read out here once.
            let slot = unsafe { self.slots.add(index as usize).read() };
            let Some(drop_value) = slot.drop else { continue };
            // SAFETY: the slot's own value, which no reference names any more (`&mut self`), dropped once.
            let run = || unsafe { drop_value(slot.value, slot.metadata) };
            #[cfg(feature = "std")]
            if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
                // The first one goes on in the end. The payload of another one is forgotten: dropping it could panic.
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
            std::panic::resume_unwind(panic);
        }
    }
}

/// Finishes a clear, also when it panics.
struct Clear<'a> {
    arena: &'a mut ResourceArena,
    /// Bytes that may stay committed.
    keep: usize,
}

impl Drop for Clear<'_> {
    fn drop(&mut self) {
        // Empty unless there is no `std` and a destructor panicked.
        self.arena.drop_all();
        let inner = &mut *self.arena.inner.lock();
        inner.values.reset();
        // Whole pages only, so that no more than `keep` stays. The table first: it is small, and used in any case.
        let table = align_down(self.keep, page_size()).min(inner.table.committed());
        // A refusal leaves the pages committed and charged; nothing is lost.
        // SAFETY: `len` is 0: no slot is in use.
        let _ = unsafe { inner.table.try_shrink(table) };
        let _ = inner.values.try_trim(align_down(self.keep - table, page_size()));
    }
}

impl Drop for ResourceArena {
    fn drop(&mut self) {
        if self.is_empty() {
            return;
        }
        // The regions go in a moment, with all their pages: giving those back first would be a second call for each.
        let mut clear = || self.clear_keeping(usize::MAX);
        // A panic is under way already (of another arena of the same scene, say): a second one that left this drop
        // would end the process, so it is swallowed. The first one goes on.
        #[cfg(feature = "std")]
        if std::thread::panicking() {
            if let Err(second) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(clear)) {
                // Dropping it could panic again.
                core::mem::forget(second);
            }
            return;
        }
        clear();
    }
}

#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
