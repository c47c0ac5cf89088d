//! What the operating system says about memory, and a cache that makes room when it gets tight.
//!
//! `cargo run --release -p arenite --example system_pressure`

use std::alloc::System;
use std::error::Error;
use std::path::Path;
use std::{env, fs, process};

use arenite::watch::{SystemPressure, SystemPressureLevel};
use arenite::{ResourceCache, Tag, TrackingAllocator, assert_no_alloc};

#[global_allocator]
static GLOBAL: TrackingAllocator<System> = TrackingAllocator::new(System);

const MIB: usize = 1 << 20;

/// A control group that has so many bytes of 64 MiB, as the kernel's files would tell it.
fn make_up(root: &Path, bytes: usize) -> std::io::Result<()> {
    let group = root.join("sys/fs/cgroup/game");
    fs::create_dir_all(&group)?;
    fs::create_dir_all(root.join("proc/self"))?;
    fs::write(root.join("proc/self/cgroup"), "0::/game\n")?;
    fs::write(group.join("memory.max"), format!("{}\n", 64 * MIB))?;
    fs::write(group.join("memory.current"), format!("{bytes}\n"))
}

fn main() -> Result<(), Box<dyn Error>> {
    // As this machine is, with a limit of our own beside those of its control groups.
    let mut system = SystemPressure::new().resident_limit(4 << 30);
    println!("this machine: {}", system.poll());

    // From here on one that is made up, to see what happens when memory runs out.
    let root = env::temp_dir().join(format!("arenite-system-pressure-{}", process::id()));
    make_up(&root, 0)?;
    let mut system = SystemPressure::under(&root).marks(0.75, 0.9);
    let pictures: ResourceCache<usize, Vec<u8>> = ResourceCache::new(Tag::register("pictures")?);
    let mut told = Vec::new();
    for number in 0..100 {
        let _picture =
            pictures.insert(&number, MIB, vec![7u8; MIB]).map_err(|refused| refused.to_string())?;
        // What else there is of the program grows, too.
        make_up(&root, pictures.stats().bytes + number * (MIB / 2))?;

        // Now and then, between frames. Looking costs no heap call; what is done about it may.
        let _ = assert_no_alloc!(system.poll());
        system.poll_and_tell(|now| {
            println!("picture {number}: {now}");
            told.push(now.level);
            match now.level {
                SystemPressureLevel::Calm => {}
                SystemPressureLevel::Tight => drop(pictures.trim_to(8 * MIB)),
                SystemPressureLevel::Critical => drop(pictures.clear()),
            }
        });
    }
    fs::remove_dir_all(&root)?;
    use SystemPressureLevel::{Calm, Critical, Tight};
    assert_eq!(told[..3], [Tight, Calm, Tight]);
    assert!(told.contains(&Critical));
    println!("{} pictures are left", pictures.len());
    Ok(())
}
