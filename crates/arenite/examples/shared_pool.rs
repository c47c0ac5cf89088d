//! Four threads, one pool: blocks that one thread takes and another one gives back, without a lock.
//!
//! `cargo run --release -p arenite --example shared_pool`

use std::alloc::Layout;
use std::error::Error;
use std::sync::mpsc::sync_channel;
use std::thread;

use arenite::{FreeError, SharedBlock, SharedBlockPool, SharedPool, Tag};

const THREADS: usize = 4;
const BLOCKS: usize = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    // Room for 4096 blocks that can be out at the same time; memory comes as they are used.
    let pool = SharedBlockPool::try_new(Tag::register("messages")?, Layout::new::<[u8; 64]>(), 4096)?;
    let (mut to, from): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| sync_channel::<SharedBlock<'_>>(256)).unzip();
    to.rotate_left(1);
    thread::scope(|threads| {
        for (number, (to_neighbour, mine)) in to.into_iter().zip(from).enumerate() {
            let pool = &pool;
            threads.spawn(move || {
                for count in 0..BLOCKS {
                    let mut block = pool.take().expect("fewer than 4096 are out");
                    block.fill(number as u8);
                    // Every other one is dropped by the neighbour; a full channel gives it back to us.
                    if count % 2 == 0 {
                        drop(to_neighbour.try_send(block));
                        drop(mine.try_recv());
                    }
                }
                drop(to_neighbour);
                mine.into_iter().for_each(drop);
            });
        }
    });
    let stats = pool.stats();
    println!(
        "{} blocks were taken and given back; {} are out, {} idle with threads, {} KiB committed",
        THREADS * BLOCKS,
        stats.live,
        stats.cached,
        stats.committed / 1024
    );
    assert_eq!(stats.live, 0);

    // The raw face: what is wrong with a pointer is an error, and the pool is as it was.
    let block = pool.alloc()?;
    pool.free(block)?;
    assert_eq!(pool.free(block), Err(FreeError::DoubleFree));

    // Values, and boxes that outlive the scope that made them: each keeps the pool alive.
    let names = SharedPool::<String>::try_new(Tag::register("names")?, 1000)?.into_owner()?;
    let name = names.insert_owned("rocket".to_owned());
    drop(names);
    let length = thread::spawn(move || name.len()).join().expect("it does not panic");
    assert_eq!(length, 6);
    Ok(())
}
