//! The blocks of a heap by their addresses: open addressing, a power of two of places, at most three quarters of them taken.
//!
//! A block that is freed leaves no mark behind: those that stand behind its place and would be found earlier move up. Room is
//! made by whoever holds no lock ([`Table::with_room`]), and promised ahead: what was promised fits.

/// A block that the program has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// Never 0.
    pub(super) address: usize,
    /// What the program asked for.
    pub(super) size: usize,
    /// What the heap below was asked for: at least 1, and not less than `size` can use.
    pub(super) asked: usize,
    /// The place of the moveable handle it belongs to, plus one; 0: to none.
    pub(super) handle: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Table {
    places: Vec<Block>,
    len: usize,
    promised: usize,
}

impl Table {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), len: 0, promised: 0 }
    }

    /// An empty one with room for so many blocks, if there is memory for it.
    pub(super) fn with_room(blocks: usize) -> Option<Self> {
        let places = blocks.checked_mul(2)?.checked_next_power_of_two()?.max(64);
        let mut table = Self::new();
        table.places.try_reserve_exact(places).ok()?;
        table.places.resize(places, Block::default());
        Some(table)
    }

    /// How many blocks a larger one should have room for; `None` if one more fits here.
    pub(super) fn wants(&self) -> Option<usize> {
        let blocks = self.len + self.promised + 1;
        (blocks > self.room()).then_some(blocks * 2)
    }

    const fn room(&self) -> usize {
        self.places.len() / 4 * 3
    }

    /// Moves to `larger`, which is empty, if it is larger; what is left over is dropped by the caller, without a lock.
    pub(super) fn move_to(&mut self, mut larger: Self) -> Self {
        if larger.places.len() <= self.places.len() {
            return larger;
        }
        larger.promised = self.promised;
        for block in self.iter() {
            larger.put(*block);
        }
        std::mem::replace(self, larger)
    }

    /// Keeps room for a block.
    pub(super) fn promise(&mut self) {
        debug_assert!(self.wants().is_none());
        self.promised += 1;
    }

    /// Room that was kept is not needed.
    pub(super) fn forgo(&mut self) {
        self.promised -= 1;
    }

    /// Adds a block that room was kept for.
    pub(super) fn add(&mut self, block: Block) {
        self.promised -= 1;
        self.put(block);
    }

    fn put(&mut self, block: Block) {
        debug_assert!(block.address != 0 && self.get(block.address).is_none());
        let mask = self.places.len() - 1;
        let mut place = self.home(block.address);
        while self.places[place].address != 0 {
            place = (place + 1) & mask;
        }
        self.places[place] = block;
        self.len += 1;
    }

    /// Where an address is looked for first. Blocks lie at multiples of 16.
    fn home(&self, address: usize) -> usize {
        let bits = self.places.len().trailing_zeros();
        ((address >> 4) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_shr(64 - bits) as usize
    }

    fn find(&self, address: usize) -> Option<usize> {
        if address == 0 || self.places.is_empty() {
            return None;
        }
        let mask = self.places.len() - 1;
        let mut place = self.home(address);
        loop {
            match self.places[place].address {
                0 => return None,
                found if found == address => return Some(place),
                _ => place = (place + 1) & mask,
            }
        }
    }

    pub(super) fn get(&self, address: usize) -> Option<&Block> {
        self.find(address).map(|place| &self.places[place])
    }

    pub(super) fn get_mut(&mut self, address: usize) -> Option<&mut Block> {
        self.find(address).map(|place| &mut self.places[place])
    }

    /// Takes a block out, and keeps its room.
    pub(super) fn take(&mut self, address: usize) -> Option<Block> {
        let mut hole = self.find(address)?;
        let taken = self.places[hole];
        let mask = self.places.len() - 1;
        let mut next = hole;
        loop {
            next = (next + 1) & mask;
            let block = self.places[next];
            if block.address == 0 {
                break;
            }
            // It may stand in the hole if that is not before its home.
            let way = next.wrapping_sub(self.home(block.address)) & mask;
            if way >= next.wrapping_sub(hole) & mask {
                self.places[hole] = block;
                hole = next;
            }
        }
        self.places[hole] = Block::default();
        self.len -= 1;
        self.promised += 1;
        Some(taken)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Block> {
        self.places.iter().filter(|block| block.address != 0)
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn random_changes_agree_with_a_map() {
        let mut seed = 7u64;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) as usize % below
        };
        let mut table = Table::new();
        let mut model = HashMap::new();
        for step in 0..100_000 {
            let address = (1 + random(900)) * 16;
            if let Some(size) = model.remove(&address) {
                assert_eq!(table.take(address).map(|block| block.size), Some(size));
                table.forgo();
                assert!(table.take(address).is_none());
            } else {
                if let Some(blocks) = table.wants() {
                    let larger = Table::with_room(blocks).unwrap();
                    table.move_to(larger);
                }
                table.promise();
                table.add(Block { address, size: step, asked: step, handle: 0 });
                model.insert(address, step);
            }
            assert_eq!(table.len(), model.len());
            let other = random(900) * 16;
            assert_eq!(table.get(other).map(|block| block.size), model.get(&other).copied());
        }
        let mut all: Vec<_> = table.iter().map(|block| (block.address, block.size)).collect();
        let mut expected: Vec<_> = model.into_iter().collect();
        all.sort_unstable();
        expected.sort_unstable();
        assert_eq!(all, expected);
    }
}
