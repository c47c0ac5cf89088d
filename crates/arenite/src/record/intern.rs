//! Numbers for call stacks, shared by all threads. Lock-free.
//!
//! A table of words, found by a stack's hash: 40 bits of it, and the number. A word is written once, so whoever finds it has the
//! number with one load. The stack itself is not kept: whoever made its number writes it to the capture, first.
#![expect(unsafe_code, reason = "reaches the table by index, without a bounds check")]

use crate::base::sync::{AtomicArray, AtomicU32, AtomicU64, Ordering};

/// Bits of a number.
const NUMBER_BITS: u32 = 24;
/// The largest number.
const MOST: u32 = (1 << NUMBER_BITS) - 1;
/// Places that a stack may have.
const PROBES: usize = 32;

/// Numbers for stacks.
#[derive(Debug)]
pub(super) struct Numbers {
    cells: AtomicArray<AtomicU64>,
    /// Cells, less one; a power of two, less one.
    mask: usize,
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
    /// As [`AtomicArray::new`], with all of the `cells` accessible, a power of two of them.
    pub(super) unsafe fn new(start: core::ptr::NonNull<u8>, cells: usize) -> Self {
        // SAFETY: the caller's promise.
        let array = unsafe { AtomicArray::new(start, cells) };
        Self { cells: array, mask: cells - 1, given: AtomicU32::new(0) }
    }

    #[inline(always)]
    fn cell(&self, index: usize) -> &AtomicU64 {
        // SAFETY: masked, so below the number of cells, which are accessible.
        unsafe { self.cells.at(index & self.mask) }
    }

    /// The number of the stack with this hash.
    #[inline(always)]
    pub(super) fn find(&self, hash: u64) -> Found {
        let mark = hash >> NUMBER_BITS;
        for probe in 0..PROBES {
            let word = self.cell(hash as usize + probe).load(Ordering::Relaxed);
            if word == 0 {
                return Found::New;
            }
            if word >> NUMBER_BITS == mark {
                return Found::Number(word as u32 & MOST);
            }
        }
        Found::Full
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
        for probe in 0..PROBES {
            let cell = self.cell(hash as usize + probe);
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
        for index in 0..=self.mask {
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
