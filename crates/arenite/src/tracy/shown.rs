//! Which blocks Tracy was told of, and what: it ends the connection when a block goes that it does not know, or comes twice.
//!
//! A table of addresses, in parts with a lock each; within a part whoever finds its place taken stands in the next one, and when one
//! goes, those behind it move up, so that nothing is left of it. Memory is given at the beginning; a block that finds no room is left
//! out, and counted.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::base::recording::Shown;
use crate::base::sync::{Guard, Lock, Padded};

/// Parts, each with a lock of its own: a power of two.
const PARTS: usize = 64;
/// Bits of a size.
const SIZE_BITS: u32 = 48;

/// A place for a block. All zeros: there is none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    address: u64,
    /// The pool in the upper bits, the size in the lower ones.
    block: u64,
}

impl Place {
    fn shown(self) -> Shown {
        Shown { pool: (self.block >> SIZE_BITS) as u16, size: self.block & ((1 << SIZE_BITS) - 1) }
    }

    fn of(address: usize, shown: Shown) -> Self {
        let size = shown.size.min((1 << SIZE_BITS) - 1);
        Self { address: address as u64, block: (u64::from(shown.pool) << SIZE_BITS) | size }
    }
}

/// What became of a block that was to be put into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is there.
    New,
    /// It is there, instead of one at the same address of which nobody told that it went.
    Instead(Shown),
    /// There is no room.
    LeftOut,
}

#[derive(Debug)]
struct Part {
    /// As many as a power of two; at least one is free.
    places: &'static mut [Place],
    used: usize,
}

/// The blocks that Tracy was told of.
#[derive(Debug)]
pub(super) struct Table {
    parts: [Padded<Lock<Part>>; PARTS],
    left_out: AtomicU64,
}

#[inline(always)]
const fn spread(address: u64) -> u64 {
    (address >> 3).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Table {
    /// Places that a table for so many blocks needs: it is full when half of them are taken.
    pub(super) const fn places(blocks: usize) -> usize {
        let places = blocks.saturating_mul(2).next_power_of_two();
        if places < 2 * PARTS { 2 * PARTS } else { places }
    }

    /// In this memory, which is all zeros, and of which there is as much as [`places`](Self::places) says.
    pub(super) fn new(places: &'static mut [Place]) -> Self {
        let each = places.len() / PARTS;
        assert!(each.is_power_of_two() && each >= 2, "as `places` says");
        let mut parts = places.chunks_exact_mut(each);
        Self {
            parts: core::array::from_fn(|_| {
                let places = parts.next().expect("one for each part");
                Padded(Lock::new(Part { places, used: 0 }))
            }),
            left_out: AtomicU64::new(0),
        }
    }

    /// The part that an address belongs to.
    #[inline(always)]
    fn part(&self, address: usize) -> Guard<'_, Part> {
        self.parts[(spread(address as u64) >> 58) as usize % PARTS].0.lock()
    }

    /// Tracy is about to be told of a block.
    pub(super) fn put(&self, address: usize, shown: Shown) -> Put {
        let put = self.part(address).put(Place::of(address, shown));
        if put == Put::LeftOut {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        put
    }

    /// Tracy is about to be told that a block goes; none if it was never told of it.
    pub(super) fn take(&self, address: usize) -> Option<Shown> {
        self.part(address).take(address as u64)
    }

    /// Blocks that found no room.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// Nobody else has one of its locks from here on: the process forks.
    pub(super) fn hold(&self) {
        self.parts.iter().for_each(|part| part.0.hold());
    }

    /// Ends what [`hold`](Self::hold) began.
    pub(super) fn let_go(&self) {
        self.parts.iter().for_each(|part| part.0.let_go());
    }
}

impl Part {
    fn home(&self, address: u64) -> usize {
        (spread(address) >> 32) as usize & (self.places.len() - 1)
    }

    fn after(&self, index: usize) -> usize {
        (index + 1) & (self.places.len() - 1)
    }

    /// Where a block is, or else the free place where it would be.
    fn find(&self, address: u64) -> usize {
        let mut index = self.home(address);
        while self.places[index].address != address && self.places[index].address != 0 {
            index = self.after(index);
        }
        index
    }

    fn put(&mut self, place: Place) -> Put {
        let index = self.find(place.address);
        if self.places[index].address != 0 {
            return Put::Instead(core::mem::replace(&mut self.places[index], place).shown());
        }
        if self.used >= self.places.len() / 2 {
            return Put::LeftOut;
        }
        self.places[index] = place;
        self.used += 1;
        Put::New
    }

    fn take(&mut self, address: u64) -> Option<Shown> {
        let mut hole = self.find(address);
        if self.places[hole].address == 0 {
            return None;
        }
        let shown = self.places[hole].shown();
        self.used -= 1;
        let mut next = self.after(hole);
        while self.places[next].address != 0 {
            // It may move up unless it would then stand before its home.
            let home = self.home(self.places[next].address);
            let mask = self.places.len() - 1;
            if next.wrapping_sub(home) & mask >= next.wrapping_sub(hole) & mask {
                self.places[hole] = self.places[next];
                hole = next;
            }
            next = self.after(next);
        }
        self.places[hole] = Place::default();
        Some(shown)
    }
}
