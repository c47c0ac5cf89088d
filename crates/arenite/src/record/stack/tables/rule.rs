//! How to get from a function to its caller, in one word, and what is remembered of that: one table for all threads. Lock-free.

use crate::base::sync::{AtomicArray, AtomicU32, AtomicU64, Ordering};

use super::super::SPREAD;

/// How the frame of a function at one address is left. Offsets are bytes, multiples of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Up {
    pub(super) base: Base,
    /// From there to the caller's stack pointer.
    pub(super) offset: isize,
    /// From the caller's stack pointer to its return address.
    pub(super) address: isize,
    /// From the caller's stack pointer ([`Base::AT_FRAME`]: from this frame pointer) to where its frame pointer is; it still has it
    /// if there is no such place.
    pub(super) frame: Option<isize>,
}

/// What the caller's stack pointer is told from. Two bits: that it is the frame pointer, and that it is read from where this points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Base(u32);

impl Base {
    /// The stack pointer.
    pub(super) const STACK: Self = Self(0);
    /// The frame pointer.
    pub(super) const FRAME: Self = Self(1);
    /// What the frame pointer points to, at the offset: functions that align their stack further.
    pub(super) const AT_FRAME: Self = Self(3);

    #[inline(always)]
    pub(super) fn is_frame(self) -> bool {
        self.0 & 1 != 0
    }

    #[inline(always)]
    pub(super) fn is_read(self) -> bool {
        self.0 & 2 != 0
    }

    #[inline(always)]
    pub(super) const fn bits(self) -> usize {
        self.0 as usize
    }
}

/// The frame pointer is not kept anywhere.
const STAYS: i16 = i16::MIN;
const WORD: i64 = size_of::<usize>() as i64;
/// Where all functions have their return address, from the caller's stack pointer; none: it is told.
const ADDRESS: Option<i64> = if cfg!(target_arch = "x86_64") { Some(-WORD) } else { None };
/// There is no way.
const NONE: u32 = 4;
const KIND: u32 = 7;

/// An [`Up`], or that there is none, in one word.
///
/// ```text
///   address / 8 │ frame / 8 │ offset, whose last three bits are the kind: the base's two, or none
///            16 │        16 │ 32
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule(u64);

impl Rule {
    /// There is no caller that the tables tell of.
    pub(super) const END: Self = Self(NONE as u64);
    /// It takes more than is kept here: somebody else has to do the whole stack.
    pub(super) const HARD: Self = Self(NONE as u64 | 1);

    /// [`HARD`](Self::HARD), if an offset is no multiple of a word, or too large.
    pub(super) fn new(base: Base, offset: i64, address: i64, frame: Option<i64>) -> Self {
        let words = |offset: i64| {
            (offset % WORD == 0).then(|| i16::try_from(offset / WORD).ok().filter(|words| *words != STAYS))?
        };
        let frame = match frame {
            None => Some(STAYS),
            Some(offset) => words(offset),
        };
        let usual = ADDRESS.is_none_or(|usual| usual == address);
        match (i32::try_from(offset), words(address), frame) {
            (Ok(low), Some(address), Some(frame)) if offset % WORD == 0 && usual => {
                let low = low as u32 | base.0;
                Self(u64::from(low) | u64::from(frame as u16) << 32 | u64::from(address as u16) << 48)
            }
            _ => Self::HARD,
        }
    }

    #[inline(always)]
    pub(super) fn up(self) -> Option<Up> {
        let low = self.0 as u32;
        let frame = (self.0 >> 32) as i16;
        (low & NONE == 0).then(|| Up {
            base: Base(low & KIND),
            offset: (low & !KIND) as i32 as isize,
            address: ADDRESS.unwrap_or_else(|| i64::from((self.0 >> 48) as i16) * WORD) as isize,
            frame: (frame != STAYS).then(|| (i64::from(frame) * WORD) as isize),
        })
    }
}

const BITS: u32 = 15;
/// Rules that are remembered at a time.
const RULES: usize = 1 << BITS;

/// A return address and its rule. Two words that are written one after the other, perhaps by two threads at once: so the first one is
/// mixed with the second, and halves of two pairs are the rule of no address.
#[derive(Debug, Default)]
struct Cell {
    mark: AtomicU64,
    rule: AtomicU64,
}

impl Cell {
    #[inline(always)]
    fn get(&self, key: u64) -> Option<Rule> {
        let rule = self.rule.load(Ordering::Relaxed);
        (self.mark.load(Ordering::Relaxed) ^ rule.wrapping_mul(SPREAD) == key).then_some(Rule(rule))
    }

    fn put(&self, key: u64, rule: Rule) {
        self.rule.store(rule.0, Ordering::Relaxed);
        self.mark.store(key ^ rule.0.wrapping_mul(SPREAD), Ordering::Relaxed);
    }
}

/// Rules that were found in the tables, by return address. What is in it is right, or overwritten, or of an earlier generation.
#[derive(Debug)]
pub(super) struct Rules {
    cells: AtomicArray<Cell>,
    /// Another one whenever a module was loaded or unloaded.
    generation: AtomicU32,
}

impl Rules {
    pub(super) const BYTES: usize = RULES * size_of::<Cell>();

    /// # Safety
    /// As [`AtomicArray::new`], with all of [`BYTES`](Self::BYTES) accessible.
    pub(super) unsafe fn new(start: core::ptr::NonNull<u8>) -> Self {
        // SAFETY: the caller's promise; zeros are default values.
        let cells = unsafe { AtomicArray::new(start, RULES) };
        Self { cells, generation: AtomicU32::new(0) }
    }

    #[inline(always)]
    pub(super) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Relaxed)
    }

    /// What is remembered is of no use any more.
    pub(super) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// Addresses of programs have 48 bits: the generation is above them.
    #[inline(always)]
    fn key(address: usize, generation: u32) -> u64 {
        address as u64 ^ u64::from(generation) << 48
    }

    #[inline(always)]
    fn cell(&self, index: usize) -> &Cell {
        // SAFETY: masked, so below the number of cells, which are accessible.
        unsafe { self.cells.at(index & (RULES - 1)) }
    }

    #[inline(always)]
    fn index(address: usize) -> usize {
        ((address as u64).wrapping_mul(SPREAD) >> (u64::BITS - BITS)) as usize
    }

    /// The rule of the function that this address returns to.
    #[inline(always)]
    pub(super) fn find(&self, address: usize, generation: u32) -> Option<Rule> {
        let (index, key) = (Self::index(address), Self::key(address, generation));
        self.cell(index).get(key).or_else(|| self.cell(index ^ 1).get(key))
    }

    pub(super) fn keep(&self, address: usize, generation: u32, rule: Rule) {
        let index = Self::index(address);
        // The neighbour, if only that one is free.
        let full = |index: usize| self.cell(index).rule.load(Ordering::Relaxed) != 0;
        let index = if full(index) && !full(index ^ 1) { index ^ 1 } else { index };
        self.cell(index).put(Self::key(address, generation), rule);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_in_a_word_says_what_it_was_made_from() {
        let other = ADDRESS.unwrap_or(800);
        for base in [Base::STACK, Base::FRAME, Base::AT_FRAME] {
            for (offset, address, frame) in
                [(8, -8, None), (4096, -8, Some(-16)), (-24, other, Some(0)), (1 << 30, -8, Some(-80_000))]
            {
                let rule = Rule::new(base, offset as i64, address, frame.map(|frame| frame as i64));
                let address = address as isize;
                assert_eq!(rule.up(), Some(Up { base, offset, address, frame }));
            }
        }
        assert_eq!((Rule::END.up(), Rule::HARD.up()), (None, None));
        for (offset, address, frame) in
            [(4, -8, None), (1 << 40, -8, None), (8, -4, None), (8, -8, Some(3)), (8, -8, Some(-262_144))]
        {
            assert_eq!(Rule::new(Base::STACK, offset, address, frame), Rule::HARD);
        }
    }

    #[test]
    fn rules_are_found_until_the_next_generation() {
        let memory = std::vec![0_u128; Rules::BYTES / 16].leak();
        // SAFETY: zeros, aligned, that stay and that nobody else uses.
        let rules = unsafe { Rules::new(core::ptr::NonNull::from(memory).cast()) };
        let rule = |address: usize| Rule::new(Base::STACK, (address % 1000 * 8) as i64, -8, None);
        let addresses = || (0..1000).map(|number| 0x7f12_3456_0000 + number * 37);
        assert!(addresses().all(|address| rules.find(address, 0).is_none()));
        addresses().for_each(|address| rules.keep(address, 0, rule(address)));
        let found = addresses().filter_map(|address| Some((address, rules.find(address, 0)?)));
        assert!(found.clone().all(|(address, found)| found == rule(address)));
        assert!(found.count() > 950, "few are in the way of others");
        rules.forget();
        assert!(addresses().all(|address| rules.find(address, rules.generation()).is_none()));
    }
}
