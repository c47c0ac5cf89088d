//! A render thread that reads finished frames while the next ones are built.
//!
//! `cargo run --release -p arenite --example frames_in_flight`

use std::error::Error;
use std::sync::mpsc::sync_channel;

use arenite::{FramePacket, FrameRef, MemoryManager};

#[derive(Clone, Copy)]
struct Sprite {
    x: f32,
    texture: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    // Three frames under way: one being built, one waiting, one being drawn.
    let mut memory = MemoryManager::builder().frames_in_flight(3).build()?;
    let (submit, submitted) = sync_channel::<(FramePacket, FrameRef<[Sprite]>)>(1);

    let renderer = std::thread::spawn(move || {
        let mut drawn = 0u64;
        for (packet, sprites) in submitted {
            let sprites = packet.get(sprites).expect("the packet holds its own frame");
            drawn += sprites.iter().filter(|sprite| sprite.x >= 0.0 && sprite.texture != 0).count() as u64;
        } // dropping the packet gives its buffer back
        drawn
    });

    for number in 0..1000u32 {
        let frame = memory.begin_frame(); // waits when all buffers are in flight
        let (_, sprites) = frame.keep_slice_fill_with(500, |i| Sprite {
            x: (number + i as u32) as f32 - 100.0,
            texture: i as u32 % 8,
        });
        submit.send((frame.freeze(), sprites))?;
    }
    drop(submit);
    println!("{} sprites drawn", renderer.join().map_err(|_| "the renderer panicked")?);
    println!("{}", memory.shutdown());
    Ok(())
}
