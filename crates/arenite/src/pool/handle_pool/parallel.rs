//! A handle pool under rayon: the walk is split between words of the live bits.
#![expect(unsafe_code, reason = "gives references to values in raw memory to several threads")]

use core::fmt;
use core::marker::PhantomData;
use core::ops::Range;

use rayon::iter::plumbing::{Folder, UnindexedConsumer, UnindexedProducer, bridge_unindexed};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::slots::{Slots, WORD};
use super::{HandlePool, live_handle};
use crate::pool::Handle;

/// Words that are not split further: 256 slots.
const GRAIN: u32 = 4;

/// Live slots of a range of words.
struct Words<T> {
    slots: Slots<T>,
    words: Range<u32>,
}

impl<T> Words<T> {
    fn split(self) -> (Self, Option<Self>) {
        let Range { start, end } = self.words;
        if end - start <= GRAIN {
            return (Self { slots: self.slots, words: start..end }, None);
        }
        let middle = start + (end - start) / 2;
        let part = |words| Self { slots: self.slots, words };
        (part(start..middle), Some(part(middle..end)))
    }

    /// Feeds what `give` makes of each live slot to a folder until that is full.
    ///
    /// # Safety
    /// The words are of open slots, and live bits do not change.
    unsafe fn feed<I, F: Folder<I>>(self, mut folder: F, give: impl Fn(Slots<T>, u32) -> I) -> F {
        let mut word = self.words.start;
        while word < self.words.end {
            // SAFETY: the summary of an open slot.
            let ahead = unsafe { self.slots.summary(word / 64) } >> (word % 64);
            if ahead == 0 {
                // Nothing lives in the rest of the block.
                word = (word / 64 + 1) * 64;
                continue;
            }
            word += ahead.trailing_zeros();
            if word >= self.words.end {
                break;
            }
            // SAFETY: the word of an open slot.
            let mut bits = unsafe { self.slots.word(word) };
            while bits != 0 {
                folder = folder.consume(give(self.slots, word * WORD + bits.trailing_zeros()));
                if folder.full() {
                    return folder;
                }
                bits &= bits - 1;
            }
            word += 1;
        }
        folder
    }
}

macro_rules! parallel {
    ($(#[$doc:meta])* $name:ident, $producer:ident, $bound:ident, $borrow:ty, $item:ty, |$slots:ident, $index:ident| $give:expr) => {
        $(#[$doc])*
        #[must_use = "iterators do nothing unless they are asked"]
        pub struct $name<'a, T> {
            slots: Slots<T>,
            words: u32,
            lends: PhantomData<$borrow>,
        }

        // SAFETY: as the borrow that it stands for.
        unsafe impl<T: $bound> Send for $name<'_, T> {}

        impl<T> fmt::Debug for $name<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }

        struct $producer<'a, T> {
            words: Words<T>,
            lends: PhantomData<$borrow>,
        }

        // SAFETY: no two producers have the same word, and what one has is as the borrow that it stands for.
        unsafe impl<T: $bound> Send for $producer<'_, T> {}

        impl<'a, T: $bound> UnindexedProducer for $producer<'a, T> {
            type Item = $item;

            fn split(self) -> (Self, Option<Self>) {
                let (low, high) = self.words.split();
                let part = |words| Self { words, lends: PhantomData };
                (part(low), high.map(part))
            }

            fn fold_with<F: Folder<Self::Item>>(self, folder: F) -> F {
                let give = |$slots: Slots<T>, $index| $give;
                // SAFETY: words of open slots. The pool is borrowed for `'a`, so nothing begins or ceases to live.
                unsafe { self.words.feed(folder, give) }
            }
        }

        impl<'a, T: $bound> ParallelIterator for $name<'a, T> {
            type Item = $item;

            fn drive_unindexed<C: UnindexedConsumer<Self::Item>>(self, consumer: C) -> C::Result {
                let words = Words { slots: self.slots, words: 0..self.words };
                bridge_unindexed($producer { words, lends: PhantomData::<$borrow> }, consumer)
            }
        }
    };
}

parallel!(
    /// Handles and values, on all threads: [`HandlePool::par_iter`].
    ParIter, Shared, Sync, &'a T, (Handle<T>, &'a T),
    // SAFETY: a live slot; the pool is shared for `'a`.
    |slots, index| unsafe { (live_handle(slots, index), slots.value(index).as_ref()) }
);
parallel!(
    /// Handles and values to change, on all threads: [`HandlePool::par_iter_mut`].
    ParIterMut, Exclusive, Send, &'a mut T, (Handle<T>, &'a mut T),
    // SAFETY: a live slot, given once; the pool is borrowed mutably for `'a`.
    |slots, index| unsafe { (live_handle(slots, index), slots.value(index).as_mut()) }
);

impl<T> HandlePool<T> {
    /// Handles and values, on all threads of rayon's pool, in no order. Allocates nothing itself.
    ///
    /// ```
    /// use arenite::{HandlePool, Tag};
    /// use rayon::iter::ParallelIterator;
    /// let mut pool = HandlePool::try_new(Tag::register("example/par")?, 1000)?;
    /// for number in 0..1000_u32 {
    ///     pool.insert(number);
    /// }
    /// pool.par_iter_mut().for_each(|(_, number)| *number *= 2);
    /// assert_eq!(pool.par_iter().map(|(_, number)| *number).sum::<u32>(), 999_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn par_iter(&self) -> ParIter<'_, T>
    where
        T: Sync,
    {
        ParIter { slots: self.slots, words: self.opened.div_ceil(WORD), lends: PhantomData }
    }

    /// Handles and values to change, on all threads of rayon's pool, in no order. Allocates nothing itself.
    pub fn par_iter_mut(&mut self) -> ParIterMut<'_, T>
    where
        T: Send,
    {
        ParIterMut { slots: self.slots, words: self.opened.div_ceil(WORD), lends: PhantomData }
    }
}

impl<'a, T: Sync> IntoParallelIterator for &'a HandlePool<T> {
    type Item = (Handle<T>, &'a T);
    type Iter = ParIter<'a, T>;

    fn into_par_iter(self) -> ParIter<'a, T> {
        self.par_iter()
    }
}

impl<'a, T: Send> IntoParallelIterator for &'a mut HandlePool<T> {
    type Item = (Handle<T>, &'a mut T);
    type Iter = ParIterMut<'a, T>;

    fn into_par_iter(self) -> ParIterMut<'a, T> {
        self.par_iter_mut()
    }
}
