//! Two-level segregated fit: every operation in constant time.
//!
//! After M. Masmano, I. Ripoll, A. Crespo and J. Real, "TLSF: a new dynamic memory allocator for real-time systems" (2004).
//! Free blocks are kept in lists by size class: powers of two, each cut into 32 equal parts. Two levels of bitmaps tell the
//! first class that has a block, by two bit scans.

#![expect(unsafe_code, reason = "indexes by class without looking whether there is such a class")]

use core::hint::select_unpredictable;
use core::num::NonZero;

use super::Fit;
use super::nodes::{Id, NONE, Nodes};
use super::sealed::Choose;
use crate::ledger::Tag;
use crate::region::AllocError;

/// Classes of a power of two, as a shift.
const SECOND: u32 = 5;
const PARTS: u32 = 1 << SECOND;
/// 64 for sizes below that, 32 for each of the further 26 shifts that leave a size of 32 bits with six bits.
const CLASSES: usize = 64 + 26 * PARTS as usize;
/// Words with a bit for each class.
const WORDS: usize = CLASSES / 64;
/// How many blocks of the request's own class are looked at when no larger class has one.
const LOOKED_AT: usize = 16;

/// In place of the block before in a list: it is the first one of the class that the other bits tell.
const FIRST: Id = 1 << 31;

/// Two-level segregated fit, the default: a block of the smallest class in which *every* block is large enough. O(1), whatever
/// is free. Classes are a thirty-second of a power of two apart, and exact below 64 granules.
///
/// Only when all larger classes are empty does it look at a few blocks of the request's own class; so it may refuse although a
/// block exists that is larger than the request by less than a thirty-second.
#[derive(Debug)]
pub struct Tlsf {
    /// A bit for each word that has one.
    words: u32,
    /// A bit for each class that has a block.
    bits: [u64; WORDS],
    /// The first block of each class; [`NONE`] where the bit is clear.
    heads: [Id; CLASSES],
}

impl Fit for Tlsf {
    const NAME: &'static str = "two-level segregated fit";
}

/// A class of sizes: below [`CLASSES`]. Only [`of`](Self::of), [`at`](Self::at) and [`told`](Self::told) make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Class(u32);

impl Class {
    /// The class that a block of so many granules is in.
    #[inline(always)]
    fn of(size: u32) -> Self {
        // What is below 64 is its own class, by being shifted by nothing. Else what is left is 32 to 63.
        let shift = (size | PARTS).ilog2() - SECOND;
        Self(shift * PARTS + (size >> shift))
    }

    /// What the lowest bit of a word is for.
    #[inline(always)]
    fn at(word: usize, bits: NonZero<u64>) -> Self {
        Self(word as u32 * 64 + bits.trailing_zeros())
    }

    /// What a first block says of its class.
    #[inline(always)]
    fn told(first: Id) -> Self {
        Self(first & !FIRST)
    }

    #[inline(always)]
    fn word(self) -> usize {
        self.0 as usize / 64
    }

    #[inline(always)]
    fn first(self) -> Id {
        self.0.wrapping_add(FIRST)
    }
}

impl Tlsf {
    const EMPTY: Self = Self { words: 0, bits: [0; WORDS], heads: [NONE; CLASSES] };

    /// The first class in which every block has at least so many granules, and that has a block; none for no granules.
    #[inline(always)]
    fn first_above(&self, size: u32) -> Option<Class> {
        // Behind the class of what is one less: so nothing has to be rounded up.
        let class = Class::of(size.wrapping_sub(1));
        match NonZero::new(self.word(class.word()) & (u64::MAX << 1).wrapping_shl(class.0)) {
            Some(bits) => Some(Class::at(class.word(), bits)),
            None => {
                let words = NonZero::new(self.words & (u32::MAX << 1 << class.word()))?;
                let word = words.trailing_zeros() as usize;
                Some(Class::at(word, NonZero::new(self.word(word))?))
            }
        }
    }

    #[inline(always)]
    fn word(&self, word: usize) -> u64 {
        debug_assert!(word < WORDS);
        // SAFETY: words are those of a class, or of a bit in `words`, which come from classes.
        unsafe { *self.bits.get_unchecked(word) }
    }

    #[inline(always)]
    fn word_mut(&mut self, word: usize) -> &mut u64 {
        debug_assert!(word < WORDS);
        // SAFETY: as above.
        unsafe { self.bits.get_unchecked_mut(word) }
    }

    #[inline(always)]
    fn head(&mut self, class: Class) -> &mut Id {
        debug_assert!((class.0 as usize) < CLASSES);
        // SAFETY: `of` shifts by 26 at most and leaves 63 at most; `at` has the number of a bit that was set for a class; what a
        // first block says was such a class.
        unsafe { self.heads.get_unchecked_mut(class.0 as usize) }
    }

    /// A class lost a block; `last`: it has no other one.
    #[inline(always)]
    fn lost(&mut self, class: Class, last: bool) {
        let word = self.word_mut(class.word());
        // Whether there is another one is as good as random: so it is no branch.
        *word ^= u64::from(last).wrapping_shl(class.0);
        if *word == 0 {
            self.words &= !(1 << class.word());
        }
    }

    /// Blocks of one class, first to last.
    fn list<'a, N: Nodes>(&self, nodes: &'a N, class: Class) -> impl Iterator<Item = Id> + use<'a, N> {
        let first = self.heads[class.0 as usize];
        core::iter::successors((first != NONE).then_some(first), |block| {
            let next = nodes.next_free(*block);
            (next != NONE).then_some(next)
        })
    }

    /// The largest of the first blocks of the highest class that has one.
    fn largest_of<N: Nodes>(&self, nodes: &N, looked_at: usize) -> u32 {
        if self.words == 0 {
            return 0;
        }
        let word = self.words.ilog2();
        let class = Class(word * 64 + self.word(word as usize).ilog2());
        self.list(nodes, class).take(looked_at).map(|block| nodes.size(block)).max().unwrap_or(0)
    }

    #[cold]
    #[inline(never)]
    fn find_in_own_class<N: Nodes>(&self, nodes: &N, size: u32) -> Option<Id> {
        self.list(nodes, Class::of(size)).take(LOOKED_AT).find(|block| nodes.size(*block) >= size)
    }
}

impl Choose for Tlsf {
    fn try_new(_: Tag, _: usize) -> Result<Self, AllocError> {
        Ok(Self::EMPTY)
    }

    #[inline(always)]
    fn try_ready(&mut self, _: u32) -> Result<(), AllocError> {
        Ok(())
    }

    #[inline(always)]
    fn insert<N: Nodes>(&mut self, nodes: &mut N, block: Id) {
        let size = nodes.size(block);
        self.insert_sized(nodes, block, size);
    }

    #[inline(always)]
    fn insert_sized<N: Nodes>(&mut self, nodes: &mut N, block: Id, size: u32) {
        let class = Class::of(size);
        let word = self.word_mut(class.word());
        let before = *word;
        *word = before | 1_u64.wrapping_shl(class.0);
        // Nearly always there is one already.
        if before == 0 {
            self.words |= 1 << class.word();
        }
        let head = core::mem::replace(self.head(class), block);
        nodes.set_next_free(block, head);
        nodes.set_previous_free(block, class.first());
        // Of no block, if there was none: that does no harm, and nothing has to be foreseen.
        nodes.set_previous_free(head, block);
    }

    #[inline(always)]
    fn remove<N: Nodes>(&mut self, nodes: &mut N, block: Id) {
        let (before, after) = (nodes.previous_free(block), nodes.next_free(block));
        let first = before & FIRST != 0;
        // Whether it is the first one is as good as random: so that is no branch, but which word is written to.
        let head: *mut Id = self.heads.as_mut_ptr().wrapping_add((before & !FIRST) as usize);
        let link = nodes.next_free_at(before);
        // SAFETY: a first block says its class, and others the block before them, which is free: so what is chosen is a head of ours,
        // or that block's link. Of the other one there is no more than an address.
        unsafe { select_unpredictable(first, head, link).write(after) };
        nodes.set_previous_free(after, before);
        // First and last: one compare.
        if before >> 31 > after {
            self.lost(Class::told(before), true);
        }
    }

    #[inline]
    fn find<N: Nodes>(&mut self, nodes: &N, size: u32) -> Option<Id> {
        match self.first_above(size) {
            None => self.find_in_own_class(nodes, size),
            Some(class) => Some(*self.head(class)),
        }
    }

    #[inline(always)]
    fn pop<N: Nodes>(&mut self, nodes: &mut N, size: u32) -> Option<Id> {
        let class = self.first_above(size)?;
        let found = *self.head(class);
        let after = nodes.next_free(found);
        *self.head(class) = after;
        nodes.set_previous_free(after, class.first());
        self.lost(class, after == NONE);
        Some(found)
    }

    /// Looks at all blocks of the highest class that has one.
    fn largest<N: Nodes>(&self, nodes: &N) -> u32 {
        self.largest_of(nodes, usize::MAX)
    }

    /// Looks at a few of them.
    fn nearly_largest<N: Nodes>(&self, nodes: &N) -> u32 {
        self.largest_of(nodes, LOOKED_AT)
    }

    fn clear(&mut self) {
        *self = Self::EMPTY;
    }

    fn committed(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of a class: the least, and that of the class behind.
    fn bounds(class: Class) -> (u64, u64) {
        let shift = (class.0 >> SECOND).saturating_sub(1);
        let least = u64::from(class.0 - shift * PARTS) << shift;
        (least, least + (1 << shift))
    }

    #[test]
    fn classes_are_in_order_and_a_request_is_met_by_every_block_of_its_class() {
        let mut sizes: std::vec::Vec<u32> = (1..5000).collect();
        for shift in 5..32 {
            sizes.extend([
                (1 << shift) - 1,
                1 << shift,
                (1u32 << shift) + 1,
                (1u32 << shift) + (1 << shift >> 1),
            ]);
        }
        sizes.extend([u32::MAX - 1, u32::MAX]);
        sizes.sort_unstable();
        for pair in sizes.windows(2) {
            assert!(Class::of(pair[0]).0 <= Class::of(pair[1]).0, "{pair:?}");
        }
        // With one block of each class there is: the first one in which all suffice, and it alone is taken.
        let mut all = Tlsf { words: (1 << WORDS) - 1, bits: [u64::MAX; WORDS], ..Tlsf::EMPTY };
        all.bits[0] = u64::MAX << 1;
        for &size in &sizes {
            let class = Class::of(size);
            assert!((class.0 as usize) < CLASSES && Class::told(class.first()) == class);
            let (least, behind) = bounds(class);
            assert!((least..behind).contains(&size.into()), "{size}: {least} to {behind}");
            assert!(behind - least <= u64::from(size) / 32 + 1, "{size}: {least} to {behind}");
            match all.first_above(size) {
                Some(above) => {
                    let (least, _) = bounds(above);
                    assert!(least >= size.into(), "{size}: {above:?} begins at {least}");
                    assert!(
                        least <= u64::from(size) + u64::from(size) / 32 + 1,
                        "{size}: {above:?} begins at {least}"
                    );
                    let least = u32::try_from(least).expect("the least size of a class");
                    assert_eq!(Class::of(least), above);
                    assert!(least == 1 || Class::of(least - 1).0 + 1 == above.0);
                }
                None => assert!(bounds(Class(CLASSES as u32 - 1)).0 < size.into()),
            }
        }
    }
}
