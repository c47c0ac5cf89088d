//! Programs for the pool against a naive model, and damage to its heads: four bytes are one op, so that property tests (`pool_tests.rs`)
//! shrink them and the fuzz target `mem_pool` mutates them.

use super::pool::{LEAST, PARAGRAPH, Pool, PoolError};

pub(super) const KEY: u64 = 0x1234_5678_9ABC_DEF0;
/// Bytes of a block's head.
pub(super) const HEAD: usize = 32;

/// One step of a program. Blocks are named by which of those there are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Alloc {
        bytes: usize,
        id: u64,
    },
    Free(usize),
    Reference(usize),
    InUse(usize),
    Lock(usize, bool),
    FreeOldest,
    Compact,
    Find(u64),
    /// A pointer that is none.
    FreeAt(usize),
}

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, c]: [u8; 4]) -> Self {
        let number = usize::from(u16::from_ne_bytes([a, b]));
        match kind % 19 {
            0..=3 => Self::Alloc { bytes: usize::from(a) % 200, id: (c % 12).into() },
            4 | 5 => Self::Alloc { bytes: number % 3000, id: (c % 12).into() },
            6..=9 => Self::Free(number),
            10 | 11 => Self::Reference(number),
            12 => Self::InUse(number),
            13 => Self::Lock(number, c % 2 == 0),
            14 | 15 => Self::FreeOldest,
            16 => Self::Compact,
            17 => Self::Find((c % 12).into()),
            _ => Self::FreeAt(number % 8192),
        }
    }
}

/// What a block should be.
#[derive(Clone, Debug)]
struct Block {
    /// Of its own bytes.
    offset: usize,
    bytes: usize,
    id: u64,
    stamp: u64,
    in_use: bool,
    locked: bool,
    fill: u8,
}

impl Block {
    fn start(&self) -> usize {
        self.offset - HEAD
    }

    fn end(&self) -> usize {
        self.offset + self.bytes.max(1).next_multiple_of(PARAGRAPH)
    }
}

/// Blocks in the order of their addresses.
#[derive(Clone, Debug, Default)]
struct Model {
    blocks: Vec<Block>,
    clock: u64,
    size: usize,
}

impl Model {
    fn gaps(&self) -> Vec<(usize, usize)> {
        let starts = self.blocks.iter().map(Block::start).chain([self.size]);
        let ends = core::iter::once(HEAD).chain(self.blocks.iter().map(Block::end));
        ends.zip(starts).map(|(end, start)| (end, start - end)).collect()
    }

    fn place(&self, bytes: usize) -> Option<usize> {
        let needed = HEAD + bytes.max(1).next_multiple_of(PARAGRAPH);
        self.gaps().into_iter().find(|(_, room)| *room >= needed).map(|(start, _)| start + HEAD)
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn compact(&mut self) {
        let mut end = HEAD;
        for block in &mut self.blocks {
            if !block.locked {
                block.offset = end + HEAD;
            }
            end = block.end();
        }
    }

    fn oldest(&self) -> Option<usize> {
        let may_go = self.blocks.iter().enumerate().filter(|(_, block)| !block.in_use && !block.locked);
        may_go.min_by_key(|(_, block)| block.stamp).map(|(index, _)| index)
    }
}

/// Runs a program in a buffer of so many bytes, both ways.
pub(super) fn run(size: usize, ops: &[Op]) {
    let mut buffer = vec![0xEEu8; size];
    let mut model = Model { size, ..Model::default() };
    Pool::new(&mut buffer, KEY).clear();
    for (step, op) in ops.iter().enumerate() {
        let mut pool = Pool::new(&mut buffer, KEY);
        let count = model.blocks.len();
        let pick = |index: usize| (count > 0).then(|| index % count.max(1));
        match *op {
            Op::Alloc { bytes, id } => match model.place(bytes) {
                None => assert_eq!(pool.alloc(bytes, id), Err(PoolError::Full)),
                Some(offset) => {
                    assert_eq!(pool.alloc(bytes, id), Ok(offset));
                    let fill = step as u8;
                    buffer[offset..offset + bytes].fill(fill);
                    let stamp = model.tick();
                    let block = Block { offset, bytes, id, stamp, in_use: false, locked: false, fill };
                    model.blocks.push(block);
                    model.blocks.sort_by_key(|block| block.offset);
                }
            },
            Op::Free(index) => {
                let Some(index) = pick(index) else { continue };
                let block = model.blocks.remove(index);
                assert_eq!(pool.free(block.offset), Ok(()));
                assert_eq!(pool.free(block.offset), Err(PoolError::NoBlock));
            }
            Op::Reference(index) => {
                let Some(index) = pick(index) else { continue };
                assert_eq!(pool.reference(model.blocks[index].offset), Ok(()));
                let stamp = model.tick();
                let block = &mut model.blocks[index];
                (block.stamp, block.in_use) = (stamp, false);
            }
            Op::InUse(index) => {
                let Some(index) = pick(index) else { continue };
                assert_eq!(pool.in_use(model.blocks[index].offset), Ok(()));
                model.blocks[index].in_use = true;
            }
            Op::Lock(index, locked) => {
                let Some(index) = pick(index) else { continue };
                assert_eq!(pool.lock(model.blocks[index].offset, locked), Ok(()));
                model.blocks[index].locked = locked;
            }
            Op::FreeOldest => match model.oldest() {
                None => assert_eq!(pool.oldest(), Err(PoolError::NotFound)),
                Some(index) => {
                    let block = model.blocks.remove(index);
                    let found = pool.oldest().unwrap();
                    assert_eq!((found.offset, found.id), (block.offset, block.id));
                    assert_eq!(pool.free(found.offset), Ok(()));
                }
            },
            Op::Compact => {
                assert_eq!(pool.compact(), Ok(()));
                model.compact();
            }
            Op::Find(id) => {
                let first = model.blocks.iter().find(|block| block.id == id);
                assert_eq!(pool.find(id).ok(), first.map(|block| block.offset));
            }
            Op::FreeAt(offset) => {
                if model.blocks.iter().all(|block| block.offset != offset) {
                    assert_eq!(pool.free(offset), Err(PoolError::NoBlock));
                }
            }
        }
        let pool = Pool::new(&mut buffer, KEY);
        let gaps = model.gaps();
        assert_eq!(pool.available(), Ok(gaps.iter().map(|(_, room)| room).sum()));
        let largest = gaps.iter().map(|(_, room)| room.saturating_sub(HEAD)).max().unwrap();
        assert_eq!(pool.largest(), Ok(largest));
        assert_eq!(pool.size(), size - HEAD);
        for block in &model.blocks {
            assert_eq!(pool.id(block.offset), Ok(block.id));
        }
        for block in &model.blocks {
            assert!(buffer[block.offset..block.offset + block.bytes].iter().all(|byte| *byte == block.fill));
        }
    }
}

/// Calls everything; whatever it answers, it answers.
pub(super) fn poke(buffer: &mut [u8], offset: usize) -> bool {
    let mut pool = Pool::new(buffer, KEY);
    let damaged = pool.available() == Err(PoolError::Damaged);
    let _ = (pool.largest(), pool.oldest(), pool.find(3), pool.id(offset));
    let _ = (pool.in_use(offset), pool.lock(offset, true), pool.reference(offset));
    let _ = (pool.compact(), pool.free(offset), pool.alloc(40, 1), pool.compact());
    damaged
}

/// Damages a pool of some blocks, a byte for each pair, and calls everything.
pub(super) fn run_damaged(sizes: &[u8], damage: &[[u8; 3]]) {
    let mut buffer = vec![0u8; 2048];
    let mut pool = Pool::new(&mut buffer, KEY);
    pool.clear();
    for (id, bytes) in sizes.iter().enumerate() {
        // What does not fit is left out.
        let _ = pool.alloc((*bytes).into(), id as u64);
    }
    for [low, high, byte] in damage {
        let at = usize::from(u16::from_ne_bytes([*low, *high])) % buffer.len();
        buffer[at] = *byte;
        poke(&mut buffer, at);
    }
}

/// Any bytes are a program: what a fuzz target calls.
#[allow(dead_code, reason = "only where this is a fuzz target")]
pub(super) fn run_any(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    if first % 4 == 3 {
        let (sizes, damage) = rest.split_at(rest.len().min(usize::from(*first) / 16));
        return run_damaged(sizes, damage.as_chunks().0);
    }
    let ops: Vec<Op> = rest.as_chunks::<4>().0.iter().copied().map(Op::from).collect();
    run(LEAST + usize::from(*first) * 2 * PARAGRAPH, &ops);
}
