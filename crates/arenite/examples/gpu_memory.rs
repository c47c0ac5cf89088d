//! Memory of a graphics card: textures in large chunks of the driver, shared by handles, and what is uploaded each frame through a ring
//! that fences give back. The driver here is made of numbers, but it is asked what a real one is.
//!
//! `cargo run --release -p arenite --example gpu_memory`

use std::collections::VecDeque;
use std::error::Error;

use arenite::{
    Budget, Bytes, ExternalBlock, ExternalHeap, ExternalOptions, Provider, RingError, Tag, UploadRing,
};

/// What the driver calls a piece of video memory.
struct DeviceMemory(u32);

/// A driver that allows few allocations, as they all do.
#[derive(Default)]
struct Driver {
    last: u32,
    allocations: u32,
}

impl Provider for Driver {
    type Memory = DeviceMemory;
    type Error = &'static str;

    fn allocate(&mut self, _size: u64, align: u64) -> Result<DeviceMemory, Self::Error> {
        assert!(align <= 1 << 16, "a real driver has its own limit");
        if self.allocations == 16 {
            return Err("too many objects");
        }
        self.allocations += 1;
        self.last += 1;
        Ok(DeviceMemory(self.last))
    }

    fn release(&mut self, _memory: DeviceMemory, _size: u64) {
        self.allocations -= 1;
    }
}

/// A texture may be in use by several materials and by frames that are still drawn.
#[derive(Clone)]
struct Texture {
    block: ExternalBlock<Driver>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let tag = Tag::register("gpu/textures")?;
    tag.set_budget(Budget::hard(256 << 20));
    let heap: ExternalHeap<Driver> = ExternalOptions::new(tag).chunk(32 << 20).build(Driver::default());

    // Textures of a level: 256 bytes is what the driver wants offsets to be multiples of, 64 KiB for large ones.
    let mut level = Vec::new();
    for side in (64..=2048_u64).step_by(64) {
        let block = heap.try_allocate(side * side * 4, if side < 512 { 256 } else { 1 << 16 })?;
        assert_eq!(block.offset() % 256, 0);
        level.push(Texture { block });
    }
    let stats = heap.stats();
    println!(
        "{} textures, {} of {} in {} chunks",
        stats.blocks,
        Bytes(stats.used as usize),
        Bytes(stats.capacity as usize),
        stats.chunks
    );

    // What frames draw with stays until they are done, whatever the level does.
    let mut in_flight: VecDeque<(u64, Vec<Texture>)> = VecDeque::new();
    let mut ring = UploadRing::new(3 << 20);
    let (mut completed, mut waits, mut uploaded) = (0, 0, 0);
    for frame in 1..=300_u64 {
        let drawn: Vec<Texture> = level.iter().skip(frame as usize % 7).step_by(7).cloned().collect();
        for draw in 0..40_u64 {
            let size = 4096 + (frame * 31 + draw * 977) % 60_000;
            // Vertices of this draw. A real program copies them to the mapped ring at this offset.
            let place = loop {
                match ring.try_allocate(size, 256) {
                    Ok(place) => break place,
                    Err(RingError::FullUntil { fence }) => {
                        // A real program waits for the device here.
                        waits += 1;
                        completed = completed.max(fence);
                        ring.retire(completed);
                    }
                    Err(error) => return Err(error.into()),
                }
            };
            assert!(place.offset + place.size <= ring.capacity());
            uploaded += place.size;
        }
        // The fence of a frame is its number.
        ring.submit(frame);
        in_flight.push_back((frame, drawn));

        // The device is two frames behind.
        completed = completed.max(frame.saturating_sub(2));
        ring.retire(completed);
        while in_flight.front().is_some_and(|(fence, _)| *fence <= completed) {
            in_flight.pop_front();
        }
        if frame == 150 {
            level.truncate(8);
        }
    }
    println!(
        "{} uploaded through a ring of {}, waited {waits} times",
        Bytes(uploaded as usize),
        Bytes(3 << 20)
    );

    let last = level.last().ok_or("a level")?.block.clone();
    println!("still there: {last:?} of device memory {}, {} handles", last.memory().0, last.handles());
    drop((level, in_flight, last));
    heap.trim();
    println!(
        "at the end: {} chunks, {} charged to `{tag}`",
        heap.stats().chunks,
        Bytes(tag.account().own.committed)
    );
    assert_eq!(tag.account().own.committed, 0);
    Ok(())
}
