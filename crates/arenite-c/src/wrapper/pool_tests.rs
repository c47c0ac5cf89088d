//! The pool against a naive model: the same random programs, and damage.

use proptest::prelude::*;

use super::pool::{LEAST, PARAGRAPH, Pool, PoolError};

const KEY: u64 = 0x1234_5678_9ABC_DEF0;
/// Bytes of a block's head.
const HEAD: usize = 32;

/// One step of a program. Blocks are named by which of those there are.
#[derive(Clone, Debug)]
enum Op {
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

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (prop_oneof![0usize..200, 0usize..3000], 0u64..12).prop_map(|(bytes, id)| Op::Alloc { bytes, id }),
        4 => any::<usize>().prop_map(Op::Free),
        2 => any::<usize>().prop_map(Op::Reference),
        1 => any::<usize>().prop_map(Op::InUse),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(block, locked)| Op::Lock(block, locked)),
        2 => Just(Op::FreeOldest),
        1 => Just(Op::Compact),
        1 => (0u64..12).prop_map(Op::Find),
        1 => (0usize..4096).prop_map(Op::FreeAt),
    ]
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
fn run(size: usize, ops: &[Op]) {
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
fn poke(buffer: &mut [u8], offset: usize) -> bool {
    let mut pool = Pool::new(buffer, KEY);
    let damaged = pool.available() == Err(PoolError::Damaged);
    let _ = (pool.largest(), pool.oldest(), pool.find(3), pool.id(offset));
    let _ = (pool.in_use(offset), pool.lock(offset, true), pool.reference(offset));
    let _ = (pool.compact(), pool.free(offset), pool.alloc(40, 1), pool.compact());
    damaged
}

proptest! {
    #[test]
    fn any_program_does_as_the_model(size in 5usize..400, ops in prop::collection::vec(op(), 1..120)) {
        run(size * PARAGRAPH, &ops);
    }

    /// What the program writes over heads is found, and leads nowhere.
    #[test]
    fn damage_is_an_error(
        sizes in prop::collection::vec(0usize..100, 1..12),
        damage in prop::collection::vec((0usize..2048, any::<u8>()), 1..40),
        offset in 0usize..2048,
    ) {
        let mut buffer = vec![0u8; 2048];
        let mut pool = Pool::new(&mut buffer, KEY);
        pool.clear();
        for (id, bytes) in sizes.iter().enumerate() {
            let _ = pool.alloc(*bytes, id as u64);
        }
        for (at, byte) in damage {
            buffer[at] = byte;
        }
        poke(&mut buffer, offset);
    }
}

#[test]
fn each_byte_of_a_head_is_watched() {
    let mut buffer = vec![0u8; 512];
    let mut pool = Pool::new(&mut buffer, KEY);
    pool.clear();
    let first = pool.alloc(30, 1).unwrap();
    let second = pool.alloc(30, 2).unwrap();
    for head in [0, first - HEAD, second - HEAD] {
        for byte in head..head + HEAD {
            let mut copy = buffer.clone();
            copy[byte] ^= 0x41;
            assert!(poke(&mut copy, first), "byte {byte}");
        }
    }
    // Another pool's bytes are no pool here: the key is another.
    assert_eq!(Pool::new(&mut buffer, KEY + 1).available(), Err(PoolError::Damaged));
}

#[test]
fn the_smallest_pool_has_one_block() {
    let mut buffer = vec![0u8; LEAST];
    let mut pool = Pool::new(&mut buffer, KEY);
    pool.clear();
    assert_eq!((pool.largest(), pool.available()), (Ok(PARAGRAPH), Ok(HEAD + PARAGRAPH)));
    assert_eq!(pool.alloc(PARAGRAPH + 1, 1), Err(PoolError::Full));
    assert_eq!(pool.alloc(usize::MAX, 1), Err(PoolError::Full));
    let block = pool.alloc(PARAGRAPH, 1).unwrap();
    assert_eq!(pool.alloc(0, 2), Err(PoolError::Full));
    assert_eq!((pool.find(1), pool.find(2)), (Ok(block), Err(PoolError::NotFound)));
}
