//! A heap for one level of a game: its own tag and budget, given back whole.
//!
//! Blocks of a `BucketHeap` are raw, so this program has a few lines of `unsafe`, as a C++ game's level loader would.
#![expect(unsafe_code, reason = "blocks of a heap are raw")]

use std::alloc::Layout;

use arenite::{BucketHeap, Budget, Bytes, Tag};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tag = Tag::register("level")?;
    tag.set_budget(Budget::hard(8 << 20));
    let heap = BucketHeap::try_new(tag)?;

    // Walls, sounds and scripts of many sizes.
    let mut blocks = Vec::new();
    for size in (16..4000).step_by(7) {
        blocks.push(heap.try_alloc(Layout::from_size_align(size, 16)?)?);
    }
    println!("{} blocks, {} in use", heap.stats().live(), Bytes(heap.stats().live_bytes() as usize));
    println!("committed: {}", Bytes(tag.account().own.committed));

    // More than the budget allows is an error, not a crash.
    let refused = heap.try_alloc(Layout::from_size_align(16 << 20, 16)?).unwrap_err();
    println!("{refused}");

    for block in blocks {
        // SAFETY: from this heap, freed once, used by nobody.
        unsafe { heap.free(block) };
    }
    assert_eq!(heap.stats().live(), 0);
    drop(heap);
    assert_eq!(tag.account().own.committed, 0, "the level has left nothing");
    Ok(())
}
