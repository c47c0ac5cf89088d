//! Several values of a pool borrowed mutably at the same time, each at most once.
//!
//! What is lent is a mark on its slot and, so that it can be taken back at a cost that follows what was lent, a note
//! behind the free stack: that has room for every slot, and a slot that is lent is not free. A borrow that is forgotten
//! leaves its marks; the next one sees that and wipes them all. Nothing else looks at them.
#![expect(unsafe_code, reason = "gives several mutable references into one pool")]

use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;

use super::marks::Mark;
use super::slots::{Slots, WORD};
use super::{BorrowError, DisjointError, HandlePool};
use crate::pool::Handle;

impl<T> HandlePool<T> {
    /// The values of several handles. Compares each with each, so it is for a few; see
    /// [`get_disjoint_slice_mut`](Self::get_disjoint_slice_mut) and [`borrow_many`](Self::borrow_many) for many.
    ///
    /// # Errors
    /// A handle is stale, or two name the same slot.
    ///
    /// ```
    /// use arenite::{HandlePool, Tag};
    /// let mut pool = HandlePool::try_new(Tag::register("example/disjoint")?, 100)?;
    /// let (one, other) = (pool.insert(1), pool.insert(2));
    /// let [a, b] = pool.get_disjoint_mut([one, other])?;
    /// std::mem::swap(a, b);
    /// assert!(pool.get_disjoint_mut([one, one]).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_disjoint_mut<const N: usize>(
        &mut self,
        handles: [Handle<T>; N],
    ) -> Result<[&mut T; N], DisjointError> {
        let mut values = [const { MaybeUninit::uninit() }; N];
        for (position, handle) in handles.iter().enumerate() {
            let index = self.find(*handle).ok_or(DisjointError::Stale { position })?;
            // By slot: two handles that differ may name the same one.
            if handles[..position].iter().any(|before| before.index() == index) {
                return Err(DisjointError::Repeated { position });
            }
            // SAFETY: live, and no other reference of the array is to this slot; `self` is borrowed as long as they
            // are.
            values[position] = MaybeUninit::new(unsafe { self.slots.value(index).as_mut() });
        }
        // SAFETY: all of them are written.
        Ok(values.map(|value| unsafe { value.assume_init() }))
    }

    /// The values of as many handles as there are, in their order. O(handles).
    ///
    /// # Errors
    /// A handle is stale, or two name the same slot.
    pub fn get_disjoint_slice_mut<'p, 'h>(
        &'p mut self,
        handles: &'h [Handle<T>],
    ) -> Result<DisjointMut<'p, 'h, T>, DisjointError> {
        let mut borrow = self.borrow_many();
        for (position, handle) in handles.iter().enumerate() {
            match borrow.get_mut(*handle) {
                Ok(_) => {}
                Err(BorrowError::Stale) => return Err(DisjointError::Stale { position }),
                Err(BorrowError::Borrowed) => return Err(DisjointError::Repeated { position }),
            }
        }
        drop(borrow);
        Ok(DisjointMut { slots: self.slots, handles: handles.iter(), lends: PhantomData })
    }

    /// Lends values one after the other, each at most once, for as long as the pool is borrowed: for walks through a
    /// graph, say, where it turns out on the way what is needed. O(1) each.
    ///
    /// Forgetting the guard does no harm: the next one starts afresh.
    ///
    /// ```
    /// use arenite::{BorrowError, HandlePool, Tag};
    /// let mut pool = HandlePool::try_new(Tag::register("example/borrow")?, 100)?;
    /// let (one, other) = (pool.insert(1), pool.insert(2));
    /// let mut borrow = pool.borrow_many();
    /// let a = borrow.get_mut(one)?;
    /// let b = borrow.get_mut(other)?;
    /// assert_eq!(borrow.get_mut(one), Err(BorrowError::Borrowed));
    /// std::mem::swap(a, b);
    /// drop(borrow);
    /// assert_eq!(pool[one], 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn borrow_many(&mut self) -> BorrowMany<'_, T> {
        if self.lent != 0 {
            self.wipe_lent();
        }
        BorrowMany { pool: self }
    }

    /// Takes back what a forgotten borrow lent. Its notes may have been overwritten since, so all marks go.
    #[cold]
    #[inline(never)]
    fn wipe_lent(&mut self) {
        for word in 0..self.opened.div_ceil(WORD) {
            // SAFETY: a slot of the word is open.
            unsafe { self.marks.clear_word(word, Mark::Lent) };
        }
        self.lent = 0;
    }
}

/// Lends values of a pool one after the other: [`HandlePool::borrow_many`].
pub struct BorrowMany<'p, T> {
    pool: &'p mut HandlePool<T>,
}

impl<'p, T> BorrowMany<'p, T> {
    /// The handle's value, unless this guard has lent it before. It may outlive the guard. O(1).
    ///
    /// # Errors
    /// The handle is stale, or its value was lent.
    pub fn get_mut(&mut self, handle: Handle<T>) -> Result<&'p mut T, BorrowError> {
        let pool = &mut *self.pool;
        let index = pool.find(handle).ok_or(BorrowError::Stale)?;
        // SAFETY: live, so open. At most as many slots are lent as live, which is how many places there are behind the
        // free stack.
        unsafe {
            if pool.marks.has(index, Mark::Lent) {
                return Err(BorrowError::Borrowed);
            }
            pool.marks.set(index, Mark::Lent);
            pool.free.add((pool.free_len + pool.lent) as usize).write(index);
        }
        pool.lent += 1;
        // SAFETY: live, so it holds a value. It was not lent to anybody else: this guard is the only one, because it
        // borrows the pool mutably for `'p`, and it lends nothing twice.
        Ok(unsafe { pool.slots.value(index).as_mut() })
    }

    /// How many values were lent.
    #[must_use]
    pub fn lent(&self) -> usize {
        self.pool.lent as usize
    }
}

impl<T> Drop for BorrowMany<'_, T> {
    fn drop(&mut self) {
        let pool = &mut *self.pool;
        while pool.lent > 0 {
            pool.lent -= 1;
            // SAFETY: noted when it was lent; nothing was pushed since, because the pool is borrowed by this guard.
            unsafe {
                let index = pool.free.add((pool.free_len + pool.lent) as usize).read();
                pool.marks.clear(index, Mark::Lent);
            }
        }
    }
}

impl<T> fmt::Debug for BorrowMany<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BorrowMany").field("lent", &self.lent()).finish()
    }
}

/// The values of several handles, in their order: [`HandlePool::get_disjoint_slice_mut`].
#[must_use = "iterators do nothing unless they are asked"]
pub struct DisjointMut<'p, 'h, T> {
    slots: Slots<T>,
    /// Live, each of another slot.
    handles: core::slice::Iter<'h, Handle<T>>,
    lends: PhantomData<&'p mut T>,
}

// SAFETY: as `&mut [T]`: it gives each `&mut T` once.
unsafe impl<T: Send> Send for DisjointMut<'_, '_, T> {}
// SAFETY: shared, it gives nothing.
unsafe impl<T: Sync> Sync for DisjointMut<'_, '_, T> {}

impl<'p, T> Iterator for DisjointMut<'p, '_, T> {
    type Item = &'p mut T;

    #[inline]
    fn next(&mut self) -> Option<&'p mut T> {
        let handle = self.handles.next()?;
        // SAFETY: live, and no other handle of the slice names this slot; the pool is borrowed mutably for `'p`.
        Some(unsafe { self.slots.value(handle.index()).as_mut() })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.handles.size_hint()
    }
}

impl<T> ExactSizeIterator for DisjointMut<'_, '_, T> {}
impl<T> core::iter::FusedIterator for DisjointMut<'_, '_, T> {}

impl<T> fmt::Debug for DisjointMut<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DisjointMut").field("left", &self.handles.len()).finish()
    }
}
