//! Who owns the memory? Any allocator, counted: what is in use and was at most, whose it is, how much they may have, and what a
//! level leaves behind, with the line that its scope was opened in.
//!
//! `cargo run --release -p arenite --example who_owns`

use std::alloc::System;
use std::error::Error;
use std::hint::black_box;

use arenite::ledger::Pressure;
use arenite::{Budget, Bytes, Tag, Tagged, TrackingAllocator, last_refusal, no_alloc, tags};

#[global_allocator]
static GLOBAL: TrackingAllocator<System, Tagged> = TrackingAllocator::tagged(System);

tags! {
    AI = "game/ai";
    SOUND = "game/sound";
    LEVEL = "game/level";
}

fn print_tags() {
    for (tag, stats) in GLOBAL.tags().filter(|(_, stats)| stats.bytes != 0) {
        println!("  {:<12} {:>10} in {} blocks", tag, Bytes(stats.bytes as usize), stats.blocks);
    }
}

/// May allocate: what it does not put under a tag of its own is `untagged`, so that it works when the tag is full to the last byte.
fn warn(pressure: &Pressure) {
    println!("{pressure}");
}

fn main() -> Result<(), Box<dyn Error>> {
    // What is in use?
    println!("at the start:     {}", GLOBAL.allocation_stats());
    let megabyte = black_box(vec![0u8; 1 << 20]);
    println!("with 1 MiB more:  {}", GLOBAL.allocation_stats());
    drop(megabyte);
    println!("and without:      {}", GLOBAL.allocation_stats());

    // Whose is it? A block belongs to the tag it was allocated under, whoever resizes or frees it.
    let plans = {
        let _s = AI.scope();
        // Nobody uses them, so the compiler would leave them out.
        black_box(vec![[0u16; 64]; 1000])
    };
    let voices =
        std::thread::spawn(SOUND.carry(|| black_box(vec![0f32; 48_000]))).join().expect("it does not panic");
    println!("by tag:");
    print_tags();
    assert_eq!(GLOBAL.tag_stats(*AI).bytes, 128_000);
    assert_eq!(GLOBAL.tag_stats(*SOUND).bytes, 192_000);
    drop((plans, voices));

    // How much may they have? A warning from 80 % on, a refusal at 100 %.
    SOUND.set_budget(Budget::hard(8 << 20).warn_at(0.8));
    SOUND.on_pressure(&warn)?;
    let mut samples = Vec::new();
    SOUND.in_scope(|| {
        loop {
            let mut sample: Vec<u8> = Vec::new();
            if sample.try_reserve_exact(1 << 20).is_err() {
                break;
            }
            // Which the list of samples is, too.
            samples.push(sample);
        }
    });
    let refusal = last_refusal().expect("the budget refused");
    println!("{} samples, then: {refusal}", samples.len());
    drop(samples);

    // What did a level leave behind?
    let mark = GLOBAL.mark();
    let forgotten = play_level();
    let left = mark.diff();
    println!("the level left behind: {left}");
    assert!(left.grown().all(|row| (row.tag, row.blocks, row.bytes) == (*LEVEL, 1, 5000)));
    // … and under which scope it was made: the line of `let _s` in `play_level`.
    let place = left.grown().flat_map(|row| row.places()).next().expect("one was opened");
    assert!(place.file().ends_with("who_owns.rs") && place.line() > line!());
    drop(forgotten);

    // And a piece of code that must not allocate at all says so, here and in tests.
    let numbers = [3, 1, 2];
    assert_eq!(no_alloc(|| numbers.iter().sum::<i32>()), 6);
    assert_eq!(Tag::current(), Tag::untagged());
    Ok(())
}

/// Frees all that it made but one.
fn play_level() -> Vec<u8> {
    let _s = LEVEL.scope();
    let mut rooms: Vec<Vec<u8>> = (0..10).map(|_| vec![0; 5000]).collect();
    rooms.swap_remove(7)
}
