//! Arenite's heap as the global allocator: one line to install, memory by tag.

use std::collections::HashMap;

use arenite::{GlobalHeap, Tag};

#[global_allocator]
static HEAP: GlobalHeap = GlobalHeap;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let names = Tag::register("game/names")?;
    let before = GlobalHeap::enter(names)?;
    let units: HashMap<u32, String> = (0..1000).map(|id| (id, format!("unit number {id}"))).collect();
    GlobalHeap::enter(before)?;

    let stats = GlobalHeap::stats(Some(names));
    println!("{names}: {} blocks, {} bytes", stats.live(), stats.live_bytes());
    println!("committed for it: {}", arenite::Bytes(names.account().own.committed));
    assert_eq!(stats.live(), 1001, "a thousand texts and the table");
    assert!(units.values().all(|name| GlobalHeap::owns(name.as_ptr())));

    drop(units);
    assert_eq!(GlobalHeap::stats(Some(names)).live(), 0);
    println!("{} bytes went back to the system", GlobalHeap::trim());
    Ok(())
}
