//! What lives in a heap that moves its blocks: values, slices and plain bytes, found by handle.
#![expect(
    unsafe_code,
    reason = "stores values of many types by raw pointer and drops them by stored function"
)]

use core::alloc::Layout;
use core::ptr::NonNull;

use super::heap::{Body, Value};
use super::{DefragBudget, DefragError, DefragHandle, DefragHeap, DefragPin};
use crate::base::recording;
use crate::heap::fit::nodes::Id;
use crate::heap::fit::{Fit, FitError};
use crate::region::AllocError;

/// What a [`DefragHeap`] can hold: every sized type, and slices. Moving one is copying its bytes. Sealed.
pub trait DefragValue: 'static + Send + Sync + sealed::Raw {}

impl<T: 'static + Send + Sync> DefragValue for T {}
impl<T: 'static + Send + Sync> DefragValue for [T] {}

mod sealed {
    use core::ptr::NonNull;

    /// How a value is found again from an address and one number.
    pub trait Raw {
        fn raw(start: NonNull<u8>, len: usize) -> NonNull<Self>;
    }

    impl<T> Raw for T {
        #[inline]
        fn raw(start: NonNull<u8>, _len: usize) -> NonNull<Self> {
            start.cast()
        }
    }

    impl<T> Raw for [T] {
        #[inline]
        fn raw(start: NonNull<u8>, len: usize) -> NonNull<Self> {
            NonNull::slice_from_raw_parts(start.cast(), len)
        }
    }
}

/// A block that is allocated and holds nothing yet; freed unless it is kept.
struct Pending<'a, F: Fit> {
    body: &'a mut Body<F>,
    slot: u32,
}

impl<F: Fit> Pending<'_, F> {
    fn keep<T: ?Sized>(self) -> DefragHandle<T> {
        let handle = DefragHandle::new(self.body.stamp, self.body.core.slots.handle(self.slot));
        core::mem::forget(self);
        handle
    }
}

impl<F: Fit> Drop for Pending<'_, F> {
    fn drop(&mut self) {
        self.body.goes(self.slot);
        self.body.core.free(self.slot);
    }
}

/// A block whose value is gone; free when this drops, also when the value's destructor panics.
struct Unlinked<'a, F: Fit> {
    body: &'a mut Body<F>,
    block: Id,
}

impl<F: Fit> Drop for Unlinked<'_, F> {
    fn drop(&mut self) {
        self.body.core.release(self.block);
    }
}

impl<F: Fit> Body<F> {
    /// Gives a block of plain values another size, and place if it must; how many values it has is not changed.
    fn resize(&mut self, slot: u32, size: u64) -> Result<(), FitError> {
        match self.core.try_resize(slot, size) {
            Err(FitError::OutOfMemory { .. } | FitError::OutOfContiguous { .. }) => {}
            answer => return answer,
        }
        let row = *self.core.slots.at(slot);
        let new = self.try_allocate(size, row.align(), row.extra)?;
        let bytes = row.size.min(size) as usize;
        // SAFETY: two blocks of this heap of at least so many bytes, the first of which nobody reads.
        unsafe { self.address(slot).copy_to_nonoverlapping(self.address(new), bytes) };
        self.core.change_places(slot, new);
        self.core.free(new);
        Ok(())
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn raise(error: FitError) -> ! {
    panic!("out of memory: {error}")
}

#[track_caller]
fn or_raise<T>(answer: Result<T, FitError>) -> T {
    match answer {
        Ok(value) => value,
        Err(error) => raise(error),
    }
}

impl<F: Fit> DefragHeap<F> {
    fn take(&mut self, layout: Layout, value: Value) -> Result<Pending<'_, F>, FitError> {
        let body = self.body_mut();
        let slot = body.try_allocate(layout.size() as u64, layout.align() as u64, value)?;
        body.came(slot);
        Ok(Pending { body, slot })
    }

    /// Moves a value in.
    ///
    /// # Panics
    /// The memory can not be had.
    #[track_caller]
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) -> DefragHandle<T> {
        or_raise(self.try_insert(value))
    }

    /// Moves a value in. O(1), as its fit is; committing memory now and then.
    ///
    /// # Errors
    /// There is no room and no memory for it ([`OutOfContiguous`](FitError::OutOfContiguous): defragmenting would make room);
    /// `value` is dropped, the rest is as it was.
    pub fn try_insert<T: Send + Sync + 'static>(&mut self, value: T) -> Result<DefragHandle<T>, FitError> {
        unsafe fn drop_value<T>(start: NonNull<u8>, _len: usize) {
            // SAFETY: the caller hands over a value that was stored as a `T`, once.
            unsafe { start.cast::<T>().drop_in_place() };
        }
        let drop = core::mem::needs_drop::<T>().then_some(drop_value::<T> as unsafe fn(NonNull<u8>, usize));
        let pending = self.take(Layout::new::<T>(), Value { len: 0, drop })?;
        // SAFETY: the block has the layout of `T` and is ours alone.
        unsafe { pending.body.address(pending.slot).cast::<T>().write(value) };
        Ok(pending.keep())
    }

    /// Copies a slice in. O(n).
    ///
    /// # Panics
    /// The memory can not be had.
    #[track_caller]
    pub fn insert_slice_copy<T: Copy + Send + Sync + 'static>(&mut self, values: &[T]) -> DefragHandle<[T]> {
        or_raise(self.try_insert_slice_copy(values))
    }

    /// Copies a slice in. O(n).
    ///
    /// # Errors
    /// As [`try_insert`](Self::try_insert).
    pub fn try_insert_slice_copy<T: Copy + Send + Sync + 'static>(
        &mut self,
        values: &[T],
    ) -> Result<DefragHandle<[T]>, FitError> {
        let pending = self.take(Layout::for_value(values), Value { len: values.len(), drop: None })?;
        let start = pending.body.address(pending.slot).cast::<T>();
        // SAFETY: the block has the layout of the slice and is ours alone; `T` is `Copy`.
        unsafe { core::ptr::copy_nonoverlapping(values.as_ptr(), start.as_ptr(), values.len()) };
        Ok(pending.keep())
    }

    /// A slice of `len` default values that `fill` then changes: decoders write straight into it.
    ///
    /// # Panics
    /// The memory can not be had, and whatever `fill` panics with.
    #[track_caller]
    pub fn insert_slice_with<T>(&mut self, len: usize, fill: impl FnOnce(&mut [T])) -> DefragHandle<[T]>
    where
        T: Copy + Default + Send + Sync + 'static,
    {
        or_raise(self.try_insert_slice_with(len, fill))
    }

    /// A slice of `len` default values that `fill` then changes. If `fill` panics its room is free again.
    ///
    /// # Errors
    /// As [`try_insert`](Self::try_insert); `fill` has not been called then.
    pub fn try_insert_slice_with<T>(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut [T]),
    ) -> Result<DefragHandle<[T]>, FitError>
    where
        T: Copy + Default + Send + Sync + 'static,
    {
        let layout = Layout::array::<T>(len).map_err(|_| FitError::TooLarge)?;
        let pending = self.take(layout, Value { len, drop: None })?;
        let start = pending.body.address(pending.slot).cast::<T>();
        for index in 0..len {
            let value = T::default();
            // SAFETY: the block has room for `len` of them and is ours alone.
            unsafe { start.add(index).write(value) };
        }
        // SAFETY: all of them are written above, and nobody else knows of the block.
        fill(unsafe { NonNull::slice_from_raw_parts(start, len).as_mut() });
        Ok(pending.keep())
    }

    /// Plain bytes of any size and alignment, all zero.
    ///
    /// # Panics
    /// The memory can not be had.
    #[track_caller]
    pub fn alloc(&mut self, layout: Layout) -> DefragHandle {
        or_raise(self.try_alloc(layout))
    }

    /// Plain bytes of any size and alignment, all zero. O(n).
    ///
    /// # Errors
    /// As [`try_insert`](Self::try_insert).
    pub fn try_alloc(&mut self, layout: Layout) -> Result<DefragHandle, FitError> {
        let pending = self.take(layout, Value { len: layout.size(), drop: None })?;
        // SAFETY: the block has room for it and is ours alone.
        unsafe { pending.body.address(pending.slot).write_bytes(0, layout.size()) };
        Ok(pending.keep())
    }

    /// As [`try_alloc`](Self::try_alloc); if enough is free, but torn, and no more memory can be had, defragments once within the
    /// budget and tries again. (What of the reserve is not committed yet counts as free: it lies behind the last block.)
    ///
    /// # Errors
    /// As [`try_alloc`](Self::try_alloc): [`OutOfContiguous`](FitError::OutOfContiguous) says that a larger budget might have helped.
    pub fn try_alloc_or_defragment(
        &mut self,
        layout: Layout,
        budget: DefragBudget,
    ) -> Result<DefragHandle, FitError> {
        match self.try_alloc(layout) {
            Err(error) if self.is_torn(error, layout.size() as u64) => {
                self.defragment(budget);
                self.try_alloc(layout)
            }
            answer => answer,
        }
    }

    /// Whether what is free, and what could still be committed, would do if it were in one piece.
    #[cold]
    fn is_torn(&self, error: FitError, size: u64) -> bool {
        let body = self.body();
        let stats = body.core.range.stats();
        let behind = (body.memory.reserved() as u64).saturating_sub(stats.capacity);
        match error {
            FitError::OutOfContiguous { .. } => true,
            FitError::OutOfMemory { wanted, free } => wanted <= free + behind,
            FitError::Refused(AllocError::Budget(_)) => {
                size <= stats.free.saturating_add(behind.min(self.tag().headroom() as u64))
            }
            _ => false,
        }
    }

    /// The value under this handle; `None` if it was freed, or is in another heap. O(1).
    #[inline]
    #[must_use]
    pub fn get<T: ?Sized + DefragValue>(&self, handle: DefragHandle<T>) -> Option<&T> {
        let value = self.value(self.find(handle).ok()?);
        // SAFETY: a valid value, because only a handle of this type was made for it; nothing moves or frees it while this heap is
        // borrowed, and nobody has a `&mut` to it.
        Some(unsafe { value.as_ref() })
    }

    /// The value under this handle, to be changed. O(1).
    ///
    /// # Errors
    /// It was freed, is in another heap, or is pinned: who has the pin may be reading it.
    #[inline]
    pub fn get_mut<T: ?Sized + DefragValue>(
        &mut self,
        handle: DefragHandle<T>,
    ) -> Result<&mut T, DefragError> {
        let slot = self.find_unpinned(handle)?;
        let mut value = self.value(slot);
        // SAFETY: as in `get`; the heap is borrowed mutably, and no pin reads the value.
        Ok(unsafe { value.as_mut() })
    }

    /// Keeps a block where it is until the pin, and all clones of it, are dropped. O(1).
    ///
    /// # Errors
    /// It was freed, or is in another heap.
    ///
    /// # Panics
    /// It is pinned a billion times.
    pub fn pin<T: ?Sized + DefragValue>(&self, handle: DefragHandle<T>) -> Result<DefragPin<T>, DefragError> {
        let slot = self.find(handle)?;
        let pins = self.body().core.slots.counter(slot);
        // SAFETY: a valid value of this heap, as in `get`, and its slot's pins; the heap is borrowed.
        Ok(unsafe { DefragPin::new(self.value(slot), pins, self.header()) })
    }

    /// Whether a block is pinned at this moment.
    #[must_use]
    pub fn is_pinned<T: ?Sized>(&self, handle: DefragHandle<T>) -> bool {
        self.find(handle).is_ok_and(|slot| self.body().core.slots.pins(slot) != 0)
    }

    /// Moves a value out; its room is free. O(1).
    ///
    /// # Errors
    /// It was freed, is in another heap, or is pinned.
    pub fn remove<T: Send + Sync + 'static>(&mut self, handle: DefragHandle<T>) -> Result<T, DefragError> {
        let slot = self.find_unpinned(handle)?;
        // SAFETY: a valid value that nobody reads (`&mut self`, no pin); its destructor does not run here.
        let value = unsafe { self.value::<T>(slot).read() };
        let body = self.body_mut();
        body.goes(slot);
        body.core.free(slot);
        Ok(value)
    }

    /// Drops a value; its room is free. O(1) besides the destructor.
    ///
    /// # Errors
    /// It was freed, is in another heap, or is pinned: it lives on then.
    ///
    /// # Panics
    /// The destructor panics: its room is free all the same.
    pub fn free<T: ?Sized + DefragValue>(&mut self, handle: DefragHandle<T>) -> Result<(), DefragError> {
        let slot = self.find_unpinned(handle)?;
        let body = self.body_mut();
        let address = body.address(slot);
        body.goes(slot);
        let (block, row) = body.core.unlink(slot);
        let Value { len, drop } = row.extra;
        let _room = Unlinked { body, block };
        if let Some(drop) = drop {
            // SAFETY: the slot's own value, which nobody reads (`&mut self`, no pin), dropped once: its name is gone.
            unsafe { drop(address, len) };
        }
        Ok(())
    }

    /// Makes a slice longer or shorter, where it lies if it can be, or else at another place; its handle stays. What is new is
    /// `fill`. O(n).
    ///
    /// # Errors
    /// It was freed, is in another heap or pinned; or there is no room and no memory for it, and it is as it was.
    pub fn try_resize<T: Copy + Send + Sync + 'static>(
        &mut self,
        handle: DefragHandle<[T]>,
        len: usize,
        fill: T,
    ) -> Result<(), DefragError> {
        let slot = self.find_unpinned(handle)?;
        let size = Layout::array::<T>(len).map_err(|_| FitError::TooLarge)?.size() as u64;
        let body = self.body_mut();
        let old = body.core.slots.at(slot).extra.len;
        if recording::is_on() {
            body.told_resized(slot, size, |body| body.resize(slot, size))?;
        } else {
            body.resize(slot, size)?;
        }
        body.core.slots.at_mut(slot).extra.len = len;
        let start = body.address(slot).cast::<T>();
        for index in old..len {
            // SAFETY: the block has room for `len` of them, and nobody reads it.
            unsafe { start.add(index).write(fill) };
        }
        Ok(())
    }

    /// Where the value of a slot lies, which is a `T`.
    #[inline]
    pub(super) fn value<T: ?Sized + DefragValue>(&self, slot: u32) -> NonNull<T> {
        let body = self.body();
        T::raw(body.address(slot), body.core.slots.at(slot).extra.len)
    }
}
