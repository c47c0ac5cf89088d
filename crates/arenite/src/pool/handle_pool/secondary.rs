//! Further data by the handles of a pool.
#![expect(unsafe_code, reason = "owns values in raw memory")]

use core::fmt;
use core::marker::PhantomData;

use super::slots::{Slots, Walk};
use super::{HandlePool, live_handle};
use crate::ledger::Tag;
use crate::pool::{Handle, PoolOptions};
use crate::region::{AllocError, Kind, Table};

/// Data for some of the values of a [`HandlePool<T>`], found by their handles: what only one system of a game knows of
/// an object. A slot as wide as `U` for every slot of the pool up to the highest that was used here; choose a hash map
/// if only few of very many have an entry.
///
/// It does not see its pool. An entry whose handle was removed there stays until a later handle of the same slot
/// overwrites it, or until [`retain_in`](Self::retain_in), once a frame or a level, removes those that are gone; a
/// handle that is older than the entry of its slot is refused.
///
/// ```
/// use arenite::{HandlePool, Secondary, Tag};
/// let tag = Tag::register("example/secondary")?;
/// let mut agents = HandlePool::try_new(tag, 1000)?;
/// let mut names = Secondary::try_new(tag, 1000)?;
/// let orc = agents.insert(30);
/// names.insert(orc, "Grishnak")?;
/// assert_eq!(names.get(orc), Some(&"Grishnak"));
/// agents.remove(orc);
/// names.retain_in(&agents);
/// assert!(names.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Secondary<T, U> {
    slots: Slots<U>,
    /// Slots, from the first, that have been given a generation: 0 where there is no entry.
    opened: u32,
    live: u32,
    table: Table<4>,
    owns: PhantomData<(U, Handle<T>)>,
}

// SAFETY: owns its values like a `Vec`, and its memory wholly. Of `T` it has but the name.
unsafe impl<T, U: Send> Send for Secondary<T, U> {}
// SAFETY: `&self` gives `&U` only.
unsafe impl<T, U: Sync> Sync for Secondary<T, U> {}

/// An entry was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecondaryError {
    /// The slot has an entry of a later handle: this one is stale.
    Stale,
    /// The slot lies behind the capacity, a budget would be broken, or the system refused.
    Alloc(AllocError),
}

impl fmt::Display for SecondaryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale => f.write_str("the handle is stale: its slot has an entry of a later one"),
            Self::Alloc(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SecondaryError {}

impl From<AllocError> for SecondaryError {
    fn from(error: AllocError) -> Self {
        Self::Alloc(error)
    }
}

impl<T, U> Secondary<T, U> {
    /// Room for the entries of slots below `capacity`, best that of the pool, charged to `tag`.
    ///
    /// # Errors
    /// The address space can not be had, or `capacity` is above `u32::MAX`.
    #[track_caller]
    pub fn try_new(tag: Tag, capacity: usize) -> Result<Self, AllocError> {
        Self::try_with(PoolOptions::new(tag, capacity))
    }

    /// As the options say.
    ///
    /// # Errors
    /// The address space can not be had, or the capacity is above `u32::MAX`; bounded, also: a budget would be broken,
    /// or the system refused.
    #[track_caller]
    pub fn try_with(options: PoolOptions) -> Result<Self, AllocError> {
        let made = options.made(Kind::Secondary);
        if options.slots() > u32::MAX as usize {
            return Err(AllocError::TooLarge { tag: options.tag() });
        }
        let table = options.of(&made).try_table(Slots::<U>::LAYOUTS)?;
        Ok(Self {
            slots: Slots::at(|index| table.column(index)),
            opened: 0,
            live: 0,
            table,
            owns: PhantomData,
        })
    }

    /// Makes or replaces the entry of a handle; answers the one that the slot had, of this handle or an earlier one.
    /// O(1), and O(slots) once when the pool has grown.
    ///
    /// # Errors
    /// The handle is older than the slot's entry, or there is no memory; `value` is dropped then.
    pub fn insert(&mut self, handle: Handle<T>, value: U) -> Result<Option<U>, SecondaryError> {
        let (index, generation) = (handle.index(), handle.generation() | 1);
        if index >= self.opened {
            self.open_to(index)?;
        }
        // SAFETY: open.
        unsafe {
            let place = self.slots.value(index);
            if !self.slots.is_live(index) {
                place.write(value);
                self.slots.set_live(index);
                self.slots.set_generation(index, generation);
                self.live += 1;
                return Ok(None);
            }
            if self.slots.generation(index) > generation {
                return Err(SecondaryError::Stale);
            }
            self.slots.set_generation(index, generation);
            Ok(Some(place.replace(value)))
        }
    }

    #[cold]
    #[inline(never)]
    fn open_to(&mut self, index: u32) -> Result<(), AllocError> {
        if index as usize >= self.table.rows() {
            self.table.try_grow(index as usize + 1)?;
            self.publish();
        }
        while self.opened <= index {
            // SAFETY: its row has memory; the next one to be opened.
            unsafe { self.slots.open(self.opened, 0) };
            self.opened += 1;
        }
        Ok(())
    }

    #[inline]
    fn find(&self, handle: Handle<T>) -> Option<u32> {
        let index = handle.index();
        // Generations of entries and of handles are odd, 0 where there is no entry.
        // SAFETY: open; the second operand runs only if the first is true.
        (index < self.opened && unsafe { self.slots.generation(index) } == handle.generation())
            .then_some(index)
    }

    /// Whether the handle has an entry. O(1).
    #[inline]
    #[must_use]
    pub fn contains(&self, handle: Handle<T>) -> bool {
        self.find(handle).is_some()
    }

    /// The handle's entry. O(1).
    #[inline]
    #[must_use]
    pub fn get(&self, handle: Handle<T>) -> Option<&U> {
        let index = self.find(handle)?;
        // SAFETY: live, so it holds a value; nobody changes it while `self` is shared.
        Some(unsafe { self.slots.value(index).as_ref() })
    }

    /// The handle's entry, to change. O(1).
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, handle: Handle<T>) -> Option<&mut U> {
        let index = self.find(handle)?;
        // SAFETY: live, so it holds a value; `self` is borrowed mutably as long as it is.
        Some(unsafe { self.slots.value(index).as_mut() })
    }

    /// Moves the handle's entry out. O(1).
    pub fn remove(&mut self, handle: Handle<T>) -> Option<U> {
        let index = self.find(handle)?;
        // SAFETY: live, and read once, because it does not live afterwards.
        unsafe {
            let value = self.slots.value(index).read();
            self.unlink(index);
            Some(value)
        }
    }

    /// # Safety
    /// The slot is live.
    unsafe fn unlink(&mut self, index: u32) {
        // SAFETY: live, so open.
        unsafe {
            self.slots.clear_live(index);
            self.slots.set_generation(index, 0);
        }
        self.live -= 1;
    }

    /// Removes and drops every entry whose handle is gone from the pool. O(slots / 4096 + entries).
    pub fn retain_in(&mut self, pool: &HandlePool<T>) {
        self.retain(|handle, _| pool.contains(handle));
    }

    /// Removes and drops every entry for which `keep` says no. If `keep` or a destructor panics, the entries behind that
    /// one stay.
    pub fn retain(&mut self, mut keep: impl FnMut(Handle<T>, &mut U) -> bool) {
        let mut walk = self.walk();
        while let Some(index) = walk.next() {
            // SAFETY: live, and nobody else has it; unlinked before its destructor runs, so that it runs once.
            unsafe {
                let mut value = self.slots.value(index);
                if !keep(live_handle(self.slots, index), value.as_mut()) {
                    self.unlink(index);
                    value.drop_in_place();
                }
            }
        }
    }

    /// Removes and drops every entry.
    ///
    /// # Panics
    /// A destructor panics; the entries behind that one are dropped all the same (without `std` a second panicking
    /// destructor aborts).
    pub fn clear(&mut self) {
        /// Goes on where a destructor has panicked. A second panic while it does would end the process, so with `std`
        /// it is swallowed.
        struct Rest<'a, T, U>(&'a mut Secondary<T, U>);
        impl<T, U> Drop for Rest<'_, T, U> {
            fn drop(&mut self) {
                while self.0.live > 0 {
                    #[cfg(feature = "std")]
                    if let Err(second) =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.0.drop_entries()))
                    {
                        // Dropping it could panic again.
                        core::mem::forget(second);
                    }
                    #[cfg(not(feature = "std"))]
                    self.0.drop_entries();
                }
                self.0.publish();
            }
        }
        Rest(self).0.drop_entries();
    }

    fn drop_entries(&mut self) {
        self.retain(|_, _| false);
    }

    fn walk(&self) -> Walk {
        // SAFETY: `live` slots live; while it lasts only slots that it has passed are unlinked.
        unsafe { self.slots.walk(self.live, self.opened) }
    }

    /// Handles and entries, in the order of slots; those whose handle is gone from the pool, too.
    pub fn iter(&self) -> SecondaryIter<'_, T, U> {
        SecondaryIter { walk: self.walk(), slots: self.slots, lends: PhantomData }
    }

    /// Handles and entries to change, in the order of slots; those whose handle is gone from the pool, too.
    pub fn iter_mut(&mut self) -> SecondaryIterMut<'_, T, U> {
        SecondaryIterMut { walk: self.walk(), slots: self.slots, lends: PhantomData }
    }

    /// Entries there are, those whose handle is gone from the pool, too. O(1).
    #[must_use]
    pub const fn len(&self) -> usize {
        self.live as usize
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Slots that there can be entries for.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.table.capacity()
    }

    /// Bytes of memory behind the entries, book-keeping included.
    #[must_use]
    pub fn committed(&self) -> usize {
        self.table.committed()
    }

    /// Whom the entries are charged to.
    #[must_use]
    pub const fn tag(&self) -> Tag {
        self.table.tag()
    }

    /// Tells the ledger how many bytes entries take now.
    pub fn publish(&mut self) {
        let live = self.len() * size_of::<U>();
        self.table.publish_live(live);
    }
}

impl<T, U> Drop for Secondary<T, U> {
    fn drop(&mut self) {
        if !core::mem::needs_drop::<U>() || self.live == 0 {
            return;
        }
        // A panic is under way already: a second one that left this drop would end the process, so it is swallowed.
        #[cfg(feature = "std")]
        if std::thread::panicking() {
            if let Err(second) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.clear())) {
                // Dropping it could panic again.
                core::mem::forget(second);
            }
            return;
        }
        self.clear();
    }
}

impl<T, U> fmt::Debug for Secondary<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secondary").field("tag", &self.tag()).field("len", &self.len()).finish()
    }
}

/// Handles and entries: [`Secondary::iter`].
#[must_use = "iterators do nothing unless they are asked"]
pub struct SecondaryIter<'a, T, U> {
    walk: Walk,
    slots: Slots<U>,
    lends: PhantomData<(&'a U, Handle<T>)>,
}

/// Handles and entries to change: [`Secondary::iter_mut`].
#[must_use = "iterators do nothing unless they are asked"]
pub struct SecondaryIterMut<'a, T, U> {
    walk: Walk,
    slots: Slots<U>,
    lends: PhantomData<(&'a mut U, Handle<T>)>,
}

// SAFETY: as `&[U]`: it gives `&U` only.
unsafe impl<T, U: Sync> Send for SecondaryIter<'_, T, U> {}
// SAFETY: shared, it gives nothing.
unsafe impl<T, U: Sync> Sync for SecondaryIter<'_, T, U> {}
// SAFETY: as `&mut [U]`: it gives each `&mut U` once.
unsafe impl<T, U: Send> Send for SecondaryIterMut<'_, T, U> {}
// SAFETY: shared, it gives nothing.
unsafe impl<T, U: Sync> Sync for SecondaryIterMut<'_, T, U> {}

impl<'a, T, U> Iterator for SecondaryIter<'a, T, U> {
    type Item = (Handle<T>, &'a U);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let index = self.walk.next()?;
        // SAFETY: the walk gives live slots; the entries are shared for `'a`.
        Some(unsafe { (live_handle(self.slots, index), self.slots.value(index).as_ref()) })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.walk.left(), Some(self.walk.left()))
    }
}

impl<'a, T, U> Iterator for SecondaryIterMut<'a, T, U> {
    type Item = (Handle<T>, &'a mut U);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let index = self.walk.next()?;
        // SAFETY: the walk gives live slots, each once; the entries are borrowed mutably for `'a`.
        Some(unsafe { (live_handle(self.slots, index), self.slots.value(index).as_mut()) })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.walk.left(), Some(self.walk.left()))
    }
}

impl<T, U> ExactSizeIterator for SecondaryIter<'_, T, U> {}
impl<T, U> ExactSizeIterator for SecondaryIterMut<'_, T, U> {}

impl<T, U> fmt::Debug for SecondaryIter<'_, T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecondaryIter").field("left", &self.walk.left()).finish()
    }
}

impl<T, U> fmt::Debug for SecondaryIterMut<'_, T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecondaryIterMut").field("left", &self.walk.left()).finish()
    }
}

impl<'a, T, U> IntoIterator for &'a Secondary<T, U> {
    type Item = (Handle<T>, &'a U);
    type IntoIter = SecondaryIter<'a, T, U>;

    fn into_iter(self) -> SecondaryIter<'a, T, U> {
        self.iter()
    }
}

impl<'a, T, U> IntoIterator for &'a mut Secondary<T, U> {
    type Item = (Handle<T>, &'a mut U);
    type IntoIter = SecondaryIterMut<'a, T, U>;

    fn into_iter(self) -> SecondaryIterMut<'a, T, U> {
        self.iter_mut()
    }
}

/// As a list of handles and entries. Load it as a `Vec<(Handle<T>, U)>` and insert each.
#[cfg(feature = "serde")]
impl<T, U: serde::Serialize> serde::Serialize for Secondary<T, U> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}
