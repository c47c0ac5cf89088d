//! Numbers for call stacks, shared by all threads. Lock-free.
//!
//! A table of words, found by a stack's hash: 40 bits of it, and the number. A word is written once, so whoever finds it has the
//! number with one load. The first few thousand words lie next to each other, so that most programs' are in few pages and stay in the cache. The stack itself is not kept: whoever made its number writes it to the capture, first.
#![expect(unsafe_code, reason = "reaches the table by index, without a bounds check")]

use crate::base::sync::{AtomicArray, AtomicU32, AtomicU64, Ordering};

/// Bits of a number.
const NUMBER_BITS: u32 = 24;
/// The largest number.
const MOST: u32 = (1 << NUMBER_BITS) - 1;
/// Places that a stack may have, after all of the [near ones](NEAR) are other stacks'.
const PROBES: usize = 32;
/// Where a stack's word is looked for first: in one line of the cache among the first so many cells, then in one among so many behind
/// them. Powers of two. What is behind both is looked through last.
const NEAR: [usize; 2] = [1 << 12, 1 << 16];
/// Cells of such a line.
const LINE: usize = 8;

/// Numbers for stacks.
#[derive(Debug)]
pub(super) struct Numbers {
    /// A power of two of them.
    cells: AtomicArray<AtomicU64>,
    count: usize,
    /// [`NEAR`], or less in a small table.
    near: [usize; 2],
    /// The bits of a hash that choose a line among the first of them.
    nearest: usize,
    /// Numbers that were given.
    given: AtomicU32,
}

/// What is known of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Its number.
    Number(u32),
    /// It was not met before.
    New,
    /// There is no more room.
    Full,
}

impl Numbers {
    /// Cells that a table of these many has.
    pub(super) const fn bytes(cells: usize) -> usize {
        cells * size_of::<AtomicU64>()
    }

    /// # Safety
    /// As [`AtomicArray::new`], with all of the `cells` accessible, a power of two of them, at least 64.
    pub(super) unsafe fn new(start: core::ptr::NonNull<u8>, cells: usize) -> Self {
        debug_assert!(cells.is_power_of_two() && cells >= 8 * LINE, "{cells} cells");
        // SAFETY: the caller's promise.
        let array = unsafe { AtomicArray::new(start, cells) };
        let near = NEAR.map(|near| near.min(cells / 4));
        let nearest = (near[0] - 1) & !(LINE - 1);
        Self { cells: array, count: cells, near, nearest, given: AtomicU32::new(0) }
    }

    #[inline(always)]
    fn cell(&self, index: usize) -> &AtomicU64 {
        debug_assert!(index < self.count, "cell {index} of {}", self.count);
        // SAFETY: all who ask stay below the number of cells, which are accessible.
        unsafe { self.cells.at(index) }
    }

    /// The cells of the line that begins there.
    #[inline(always)]
    fn line(&self, first: usize) -> impl Iterator<Item = &AtomicU64> {
        (first..first + LINE).map(|index| self.cell(index))
    }

    /// Where a stack with this hash is looked for first.
    #[inline(always)]
    fn nearest(&self, hash: u64) -> impl Iterator<Item = &AtomicU64> {
        self.line(hash as usize & self.nearest)
    }

    /// Those after the nearest line. None of them is among the near cells of others: stacks whose lines are full would find no room there.
    fn further(&self, hash: u64) -> impl Iterator<Item = &AtomicU64> {
        let [first, second] = self.near;
        let line = first + (hash as usize & (second - 1) & !(LINE - 1));
        let (behind, far) = (first + second, self.count - first - second);
        // Other bits than those that choose a line: stacks of one line do not follow each other.
        let start = (hash >> 32) as usize & (self.count - 1);
        let far = (0..PROBES).map(move |probe| self.cell(behind + (start + probe) % far));
        self.line(line).chain(far)
    }

    /// The number of the stack with this hash.
    #[inline(always)]
    pub(super) fn find(&self, hash: u64) -> Found {
        self.find_in(hash, self.nearest(hash)).unwrap_or_else(|| self.find_further(hash))
    }

    #[cold]
    #[inline(never)]
    fn find_further(&self, hash: u64) -> Found {
        self.find_in(hash, self.further(hash)).unwrap_or(Found::Full)
    }

    /// What these cells, in the order in which they are taken, tell of the stack with this hash. None: all are other stacks'.
    #[inline(always)]
    fn find_in<'a>(&self, hash: u64, cells: impl Iterator<Item = &'a AtomicU64>) -> Option<Found> {
        let mark = hash >> NUMBER_BITS;
        for cell in cells {
            let word = cell.load(Ordering::Relaxed);
            if word == 0 {
                return Some(Found::New);
            }
            if word >> NUMBER_BITS == mark {
                return Some(Found::Number(word as u32 & MOST));
            }
        }
        None
    }

    /// A number that no stack has.
    pub(super) fn draw(&self) -> Option<u32> {
        let given = self.given.fetch_add(1, Ordering::Relaxed);
        if given < MOST {
            Some(given + 1)
        } else {
            self.given.store(MOST, Ordering::Relaxed);
            None
        }
    }

    /// From now on the stack with this hash has this number; or the one that another thread just gave it, which is answered. None:
    /// there is no room.
    pub(super) fn keep(&self, hash: u64, number: u32) -> Option<u32> {
        let mark = hash >> NUMBER_BITS;
        for cell in self.nearest(hash).chain(self.further(hash)) {
            let word = match cell.compare_exchange(
                0,
                mark << NUMBER_BITS | u64::from(number),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(number),
                Err(word) => word,
            };
            if word >> NUMBER_BITS == mark {
                return Some(word as u32 & MOST);
            }
        }
        None
    }

    /// Numbers that were given.
    pub(super) fn given(&self) -> u32 {
        self.given.load(Ordering::Relaxed).min(MOST)
    }

    /// Forgets all. Threads that are at it may keep some meanwhile; they do no harm if hashes are other ones from now on.
    pub(super) fn clear(&self) {
        // Whoever keeps one has drawn it before.
        if self.given() == 0 {
            return;
        }
        for index in 0..self.count {
            // Untouched pages stay so.
            if self.cell(index).load(Ordering::Relaxed) != 0 {
                self.cell(index).store(0, Ordering::Relaxed);
            }
        }
        self.given.store(0, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::boxed::Box;
    use std::thread;
    use std::vec::Vec;

    use super::*;

    fn numbers(cells: usize) -> Numbers {
        let memory = Box::leak(Vec::from_iter((0..cells).map(|_| 0u64)).into_boxed_slice());
        // SAFETY: leaked zeros, of which nobody else knows.
        unsafe { Numbers::new(core::ptr::NonNull::from(&mut memory[0]).cast(), cells) }
    }

    #[test]
    fn a_stack_keeps_its_number_and_a_full_table_says_so() {
        let numbers = numbers(64);
        let hash = |stack: u64| (stack + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut kept = Vec::new();
        for stack in 0..200 {
            assert!(matches!(numbers.find(hash(stack)), Found::New | Found::Full));
            let number = numbers.draw().expect("many are left");
            match numbers.keep(hash(stack), number) {
                Some(same) => {
                    assert_eq!(same, number);
                    kept.push((stack, number));
                }
                None => assert_eq!(numbers.find(hash(stack)), Found::Full),
            }
        }
        assert_eq!(kept.len(), 64, "every cell is used");
        for (stack, number) in kept {
            assert_eq!(numbers.find(hash(stack)), Found::Number(number));
            assert_eq!(numbers.keep(hash(stack), 99), Some(number), "the first one stays");
        }
        assert_eq!(numbers.given(), 200);
        numbers.clear();
        assert_eq!((numbers.find(hash(3)), numbers.given()), (Found::New, 0));
    }

    #[test]
    fn a_table_that_is_not_full_has_room_for_every_stack() {
        // As many as a large program has, in a table as a recording has it: more than the near cells have room for.
        let numbers = numbers(1 << 20);
        let hash = |stack: u64| {
            (stack + 1)
                .wrapping_mul(0xD6E8_FEB8_6659_FD93)
                .rotate_left(23)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        };
        for stack in 0..200_000 {
            let number = numbers.draw().expect("many are left");
            assert_eq!(numbers.find(hash(stack)), Found::New, "stack {stack}");
            assert_eq!(numbers.keep(hash(stack), number), Some(number), "stack {stack}");
            assert_eq!(numbers.find(hash(stack)), Found::Number(number), "stack {stack}");
        }
    }

    #[test]
    fn threads_agree() {
        let numbers = numbers(1 << 12);
        let found: Vec<Vec<u32>> = thread::scope(|threads| {
            let all: Vec<_> = (0..4)
                .map(|_| {
                    threads.spawn(|| {
                        let number = |stack: u64| {
                            let hash = (stack + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93);
                            match numbers.find(hash) {
                                Found::Number(number) => number,
                                _ => numbers.keep(hash, numbers.draw().expect("many")).expect("room"),
                            }
                        };
                        (0..1000).map(number).collect()
                    })
                })
                .collect();
            all.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(found.iter().all(|other| *other == found[0]));
        let mut different = found[0].clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), 1000);
    }
}
