//! A heap for one level of a game: strings, vectors and maps live in it, and when the level ends it goes whole.
//!
//! Something that still lives is not taken from under its owner: discarding is refused, and the report says what it is, how
//! large, how old, and where it was made.
//!
//! `cargo run --release -p arenite --example level_heap --features allocator-api2`

use std::error::Error;
use std::hash::RandomState;

use arenite::{Budget, Bytes, Heap, HeapArena, HeapOptions, HeapString, MemoryManager};
use hashbrown::HashMap;

/// A door remembers who came through.
struct Door {
    name: HeapString,
    visitors: allocator_api2::vec::Vec<u32, Heap>,
}

type Doors = HashMap<u32, Door, RandomState, Heap>;

fn load_doors(level: &Heap) -> Doors {
    // What this thread makes in tracked heaps is reported under this name, until the end of the function.
    let _at = level.site("loading doors");
    let mut doors = HashMap::with_hasher_in(RandomState::new(), level.clone());
    for id in 0..100u32 {
        let mut name = level.string();
        name.push_str("door to room ");
        name.push_str(if id % 2 == 0 { "left" } else { "right" });
        doors.insert(id, Door { name, visitors: level.vec() });
    }
    doors
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut memory = MemoryManager::builder().build()?;

    // Its own tag, with a budget. Tracking is for debugging: a release build would leave `track_blocks` out.
    let level = Heap::try_with(HeapOptions::try_named("level")?.track_blocks())?;
    let tag = level.tag();
    tag.set_budget(Budget::hard(8 << 20));

    let mut doors = load_doors(&level);
    // An arena on the same heap, for what is freed together: here the paths of one frame.
    let mut paths = HeapArena::try_new(&level)?;
    for number in 0..60u32 {
        let frame = memory.begin_frame();
        let path = paths.alloc_slice_fill_with(500, |step| step as u32 + number);
        if let Some(door) = doors.get_mut(&(path[0] % 100)) {
            door.visitors.push(number);
        }
        paths.reset();
        frame.end();
    }
    println!("{} came through the {}", doors[&7].visitors.len(), doors[&7].name);
    println!("the level: {} committed", Bytes(tag.account().own.committed));

    // More than the budget allows is an error, not a crash.
    let refused = level.vec::<u64>().try_reserve(2 << 20).is_err();
    assert!(refused && paths.try_alloc_slice_fill_with(16 << 20, |_| 0u8).is_err());

    // The level ends, but somebody has kept a door.
    let kept = doors.remove(&7);
    drop((doors, paths));
    let still = level.try_discard().expect_err("the door lives");
    println!("\n{still}\n");
    assert_eq!(still.blocks(), 2, "its name and its visitors");

    drop(kept);
    still.into_heap().try_discard()?;
    println!("the level is gone: {} committed", Bytes(tag.account().own.committed));
    assert_eq!((tag.account().own.committed, tag.account().own.reserved), (0, 0));
    Ok(())
}
