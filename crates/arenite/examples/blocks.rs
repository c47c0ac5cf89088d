//! Room for a million blocks, memory for those in use; wrong pointers are errors and harm nothing.
//!
//! `cargo run --release -p arenite --example blocks`

use std::alloc::Layout;
use std::error::Error;
use std::ptr::NonNull;

use arenite::{BlockPool, FreeError, Tag};

fn main() -> Result<(), Box<dyn Error>> {
    // Address space for a million blocks of 64 bytes; none of it is memory yet.
    let mut pool = BlockPool::try_new(Tag::register("records")?, Layout::new::<[u8; 64]>(), 1 << 20)?;
    assert_eq!((pool.capacity(), pool.committed()), (1 << 20, 0));

    // Forty blocks, each filled with its number.
    let mut blocks = Vec::new();
    for number in 0..40u8 {
        let mut block = pool.take()?;
        block.fill(number);
        blocks.push((number, block));
    }
    println!(
        "{} blocks are out, {} KiB of {} MiB committed",
        pool.live(),
        pool.committed() >> 10,
        pool.capacity() >> 14
    );

    // They go back from the middle outwards; the ones that stay are what they were.
    while !blocks.is_empty() {
        drop(blocks.remove(blocks.len() / 2));
        assert!(blocks.iter().all(|(number, block)| block.iter().all(|byte| byte == number)));
    }
    assert_eq!(pool.live(), 0);
    // Gone before `free_all` below: while the compiler sees a block, it refuses that.
    drop(blocks);

    // The raw face: pointers, given back by hand. `free` is safe: what is wrong with a pointer is an error.
    let block = pool.alloc()?;
    let four_bytes_in = NonNull::new(block.as_ptr().wrapping_add(4)).ok_or("null")?;
    let never_handed_out = NonNull::new(block.as_ptr().wrapping_add(64 * 1000)).ok_or("null")?;
    let mut local = 7u8;
    assert_eq!(pool.free(NonNull::from(&mut local)), Err(FreeError::Foreign));
    assert_eq!(pool.free(four_bytes_in), Err(FreeError::Misaligned));
    assert_eq!(pool.free(never_handed_out), Err(FreeError::NotAllocated));
    assert_eq!(pool.free(block), Ok(()));
    assert_eq!(pool.free(block), Err(FreeError::DoubleFree));
    println!("given back twice: {}", FreeError::DoubleFree);

    // All at once, without giving each back; then the next forty are the first ones, as if nothing had been there.
    for _ in 0..500 {
        pool.alloc()?;
    }
    assert_eq!(pool.live(), 500);
    pool.free_all();
    println!("all are free again, {} KiB committed", pool.committed() >> 10);
    let fresh = (0..40).map(|_| pool.take_zeroed()).collect::<Result<Vec<_>, _>>()?;
    for (number, block) in fresh.iter().enumerate() {
        assert!(block.iter().all(|byte| *byte == 0));
        assert_eq!(block.as_ptr().addr() - fresh[0].as_ptr().addr(), 64 * number);
    }
    println!("{} fresh blocks are out, {} KiB committed", pool.live(), pool.committed() >> 10);
    Ok(())
}
