//! A growing vector inside an arena, without any feature or outside crate.
#![expect(unsafe_code, reason = "manages initialised and uninitialised elements in one raw block")]

use core::alloc::Layout;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::{fmt, slice};

use super::bump::{Cursor, Store};
use super::typed::or_raise;
use crate::region::AllocError;

/// A vector that lives in an arena: made by the `vec()` of any arena. It grows in place while it is the last thing
/// that was allocated there, and moves otherwise; its room goes back to the arena when it is dropped while still last.
/// Elements are dropped with it. `Vec`'s names mean what they mean there.
///
/// Choose [`alloc_slice_from_iter`](crate::FrameArena::alloc_slice_from_iter) when one iterator makes all of it.
///
/// ```
/// # let mut arena = arenite::FrameArena::try_new(arenite::Tag::untagged())?;
/// let mut hits = arena.vec();
/// for (id, health) in [(1, 0), (2, 50), (3, 0)] {
///     if health == 0 {
///         hits.push(id);
///     }
/// }
/// assert_eq!(hits.into_slice(), &mut [1, 3]);
/// # Ok::<(), arenite::AllocError>(())
/// ```
pub struct ArenaVec<'b, T> {
    /// First element; dangling but aligned while nothing is allocated.
    start: NonNull<T>,
    /// Initialised elements.
    len: usize,
    /// Elements there is room for; `usize::MAX` for zero-sized ones.
    capacity: usize,
    cursor: Cursor<'b>,
    owns: PhantomData<T>,
}

/// What growing has to know. By value: a slow path that took the vector itself would force its length into memory,
/// and each push would wait for the store of the last one.
struct Room<'b, T> {
    start: NonNull<T>,
    capacity: usize,
    cursor: Cursor<'b>,
}

impl<T> Room<'_, T> {
    /// Start and capacity with room for `additional` more than `len` elements, which have moved along.
    #[cold]
    #[inline(never)]
    fn grown(self, len: usize, additional: usize) -> Result<(NonNull<T>, usize), AllocError> {
        let too_large = AllocError::TooLarge { tag: self.cursor.tag() };
        let needed = len.checked_add(additional).ok_or(too_large)?;
        let smallest = (64 / size_of::<T>().max(1)).max(4);
        let generous = needed.max(self.capacity.saturating_mul(2)).max(smallest);
        match self.grown_to(len, generous) {
            Err(_) if generous > needed => self.grown_to(len, needed),
            answer => answer,
        }
    }

    fn grown_to(&self, len: usize, capacity: usize) -> Result<(NonNull<T>, usize), AllocError> {
        let layout =
            Layout::array::<T>(capacity).map_err(|_| AllocError::TooLarge { tag: self.cursor.tag() })?;
        let old = self.capacity * size_of::<T>();
        if self.cursor.grow_in_place(self.start.cast(), old, layout.size()) {
            return Ok((self.start, capacity));
        }
        let block = self.cursor.try_alloc(layout)?.cast::<T>();
        // SAFETY: the new block has room for more than `len`, and is not the old one.
        unsafe { core::ptr::copy_nonoverlapping(self.start.as_ptr(), block.as_ptr(), len) };
        Ok((block, capacity))
    }
}

impl<'b, T> ArenaVec<'b, T> {
    pub(crate) const fn new_in(cursor: Cursor<'b>) -> Self {
        let capacity = if size_of::<T>() == 0 { usize::MAX } else { 0 };
        Self { start: NonNull::dangling(), len: 0, capacity, cursor, owns: PhantomData }
    }

    /// Empty, with room for so many elements if that is at hand.
    #[inline]
    pub(super) fn with_room_in(cursor: Cursor<'b>, capacity: usize) -> Self {
        let mut this = Self::new_in(cursor);
        if let Ok(layout) = Layout::array::<T>(capacity)
            && layout.size() != 0
            && let Some(block) = cursor.fast(layout)
        {
            (this.start, this.capacity) = (block.cast(), capacity);
        }
        this
    }

    /// Whether the elements lie in this memory.
    pub(super) fn lives_in(&self, store: &Store) -> bool {
        core::ptr::eq(self.cursor.store(), store)
    }

    /// Elements there is room for before it has to grow.
    #[inline]
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Makes room for at least `additional` more elements.
    ///
    /// # Errors
    /// As `try_alloc` of the arena; the vector is as it was.
    pub fn try_reserve(&mut self, additional: usize) -> Result<(), AllocError> {
        if self.capacity - self.len < additional {
            (self.start, self.capacity) = self.room().grown(self.len, additional)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn room(&self) -> Room<'b, T> {
        Room { start: self.start, capacity: self.capacity, cursor: self.cursor }
    }

    /// As [`try_reserve`](Self::try_reserve).
    ///
    /// # Panics
    /// The memory can not be had.
    #[track_caller]
    pub fn reserve(&mut self, additional: usize) {
        or_raise(self.try_reserve(additional));
    }

    /// Appends a value. Amortised O(1).
    ///
    /// # Panics
    /// The memory can not be had.
    #[inline]
    #[track_caller]
    pub fn push(&mut self, value: T) {
        if self.len == self.capacity {
            // The value stays where it is: handing it to the slow path would copy it on the fast one.
            (self.start, self.capacity) = or_raise(self.room().grown(self.len, 1));
        }
        // SAFETY: there is room for one more.
        unsafe { self.start.add(self.len).write(value) };
        self.len += 1;
    }

    /// Appends a value.
    ///
    /// # Errors
    /// As `try_alloc` of the arena; the value is dropped, the vector is as it was.
    #[inline]
    pub fn try_push(&mut self, value: T) -> Result<(), AllocError> {
        self.try_reserve(1)?;
        // SAFETY: there is room for one more.
        unsafe { self.start.add(self.len).write(value) };
        self.len += 1;
        Ok(())
    }

    /// Takes the last element off.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: it was initialised, and the length no longer counts it.
        Some(unsafe { self.start.add(self.len).read() })
    }

    /// Appends everything an iterator gives.
    ///
    /// # Errors
    /// As `try_alloc` of the arena; what was appended so far stays.
    pub fn try_extend(&mut self, values: impl IntoIterator<Item = T>) -> Result<(), AllocError> {
        let mut values = values.into_iter();
        // A claim, not a promise: believed for at most 64 KiB, so that a wrong one commits little, and never an error.
        let _ = self.try_reserve(values.size_hint().0.min((64 << 10) / size_of::<T>().max(1)));
        values.try_for_each(|value| self.try_push(value))
    }

    /// Inserts at `index`, moving what follows. O(n).
    ///
    /// # Panics
    /// `index` is beyond the length, or the memory can not be had.
    #[track_caller]
    pub fn insert(&mut self, index: usize, value: T) {
        assert!(index <= self.len, "index {index} is beyond the length {}", self.len);
        self.reserve(1);
        // SAFETY: `index <= len < capacity`; the elements behind it move up by one within the block.
        unsafe {
            let at = self.start.add(index);
            core::ptr::copy(at.as_ptr(), at.add(1).as_ptr(), self.len - index);
            at.write(value);
        }
        self.len += 1;
    }

    /// Takes the element at `index` out, moving what follows. O(n).
    ///
    /// # Panics
    /// `index` is not below the length.
    #[track_caller]
    pub fn remove(&mut self, index: usize) -> T {
        assert!(index < self.len, "index {index} is not below the length {}", self.len);
        self.len -= 1;
        // SAFETY: the element is initialised and read once; those behind it move down by one within the block.
        unsafe {
            let at = self.start.add(index);
            let value = at.read();
            core::ptr::copy(at.add(1).as_ptr(), at.as_ptr(), self.len - index);
            value
        }
    }

    /// Takes the element at `index` out and puts the last one in its place. O(1).
    ///
    /// # Panics
    /// `index` is not below the length.
    #[track_caller]
    pub fn swap_remove(&mut self, index: usize) -> T {
        assert!(index < self.len, "index {index} is not below the length {}", self.len);
        self.len -= 1;
        // SAFETY: both are initialised elements; the last one is no longer counted and is moved, not duplicated.
        unsafe {
            let value = self.start.add(index).read();
            core::ptr::copy(self.start.add(self.len).as_ptr(), self.start.add(index).as_ptr(), 1);
            value
        }
    }

    /// Drops elements behind the first `len`.
    pub fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        let surplus = core::ptr::slice_from_raw_parts_mut(
            // SAFETY: `len` is below the length.
            unsafe { self.start.add(len) }.as_ptr(),
            self.len - len,
        );
        // Before anything is dropped: a panic in a destructor must not drop again.
        self.len = len;
        // SAFETY: initialised elements that the length no longer counts.
        unsafe { surplus.drop_in_place() };
    }

    /// Drops all elements; the room stays.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Keeps only elements that `keep` accepts, in order. O(n).
    pub fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        let mut kept = 0;
        for index in 0..self.len {
            if keep(&mut self[index]) {
                self.swap(kept, index);
                kept += 1;
            }
        }
        self.truncate(kept);
    }

    /// Ends the vector and leaves its elements in the arena. Room that was not used goes back if it can. The elements
    /// are never dropped; those with a destructor do not compile.
    #[must_use]
    pub fn into_slice(self) -> &'b mut [T] {
        const { super::typed::NoDrop::<T>::CHECK };
        let this = ManuallyDrop::new(self);
        if size_of::<T>() != 0 && this.capacity != 0 {
            let (size, used) = (this.capacity * size_of::<T>(), this.len * size_of::<T>());
            // SAFETY: the block is ours; nothing above the first `len` elements is used.
            unsafe { this.cursor.shrink_in_place(this.start.cast(), size, used) };
        }
        // SAFETY: `len` initialised elements in a block that is nobody else's as long as the bump is borrowed.
        unsafe { slice::from_raw_parts_mut(this.start.as_ptr(), this.len) }
    }
}

impl<T: Copy> ArenaVec<'_, T> {
    /// Appends copies of all `values` if there is room for them; says whether there was.
    #[inline]
    pub(super) fn push_within_capacity(&mut self, values: &[T]) -> bool {
        if self.capacity - self.len < values.len() {
            return false;
        }
        // SAFETY: there is room; `values` can not overlap what this vector owns mutably.
        unsafe {
            core::ptr::copy_nonoverlapping(values.as_ptr(), self.start.add(self.len).as_ptr(), values.len());
        }
        self.len += values.len();
        true
    }

    /// Appends copies of all `values`. O(n).
    ///
    /// # Errors
    /// As `try_alloc` of the arena; the vector is as it was.
    pub fn try_extend_from_slice(&mut self, values: &[T]) -> Result<(), AllocError> {
        self.try_reserve(values.len())?;
        let fits = self.push_within_capacity(values);
        debug_assert!(fits);
        Ok(())
    }

    /// Appends copies of all `values`. O(n).
    ///
    /// # Panics
    /// The memory can not be had.
    #[track_caller]
    pub fn extend_from_slice(&mut self, values: &[T]) {
        or_raise(self.try_extend_from_slice(values));
    }
}

impl<T> Drop for ArenaVec<'_, T> {
    fn drop(&mut self) {
        self.clear();
        if size_of::<T>() != 0 && self.capacity != 0 {
            // SAFETY: the block is ours and empty.
            unsafe { self.cursor.shrink_in_place(self.start.cast(), self.capacity * size_of::<T>(), 0) };
        }
    }
}

impl<T> Deref for ArenaVec<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `len` initialised elements.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for ArenaVec<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: `len` initialised elements, borrowed mutably.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T> Extend<T> for ArenaVec<'_, T> {
    #[track_caller]
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        or_raise(self.try_extend(values));
    }
}

impl<T: fmt::Debug> fmt::Debug for ArenaVec<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'v, T> IntoIterator for &'v ArenaVec<'_, T> {
    type Item = &'v T;
    type IntoIter = slice::Iter<'v, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'v, T> IntoIterator for &'v mut ArenaVec<'_, T> {
    type Item = &'v mut T;
    type IntoIter = slice::IterMut<'v, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}
