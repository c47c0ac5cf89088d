//! The pool against a naive model: random programs (`pool_program.rs`, which the fuzz target `mem_pool` runs, too), and damage.

use proptest::prelude::*;

use super::pool::{LEAST, PARAGRAPH, Pool, PoolError};
use super::pool_program::{HEAD, KEY, Op, poke, run, run_any, run_damaged};

proptest! {
    #[test]
    fn any_program_does_as_the_model(
        size in 5usize..400,
        ops in prop::collection::vec(any::<[u8; 4]>().prop_map(Op::from), 1..120),
    ) {
        run(size * PARAGRAPH, &ops);
    }

    /// What the program writes over heads is found, and leads nowhere.
    #[test]
    fn damage_is_an_error(
        sizes in prop::collection::vec(0u8..100, 1..12),
        damage in prop::collection::vec(any::<[u8; 3]>(), 1..40),
    ) {
        run_damaged(&sizes, &damage);
    }

    #[test]
    fn any_bytes_are_a_program(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        run_any(&bytes);
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
