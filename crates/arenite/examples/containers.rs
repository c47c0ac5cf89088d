//! Any container with an allocator parameter lives in an arena: `hashbrown` maps, `allocator_api2`'s vectors.
//!
//! `cargo run --release -p arenite --example containers --features allocator-api2`

use std::error::Error;
use std::hash::RandomState;

use allocator_api2::vec::Vec;
use arenite::{FrameArena, ScratchStack, Tag};
use hashbrown::HashMap;

fn main() -> Result<(), Box<dyn Error>> {
    let mut frame = FrameArena::try_new(Tag::register("frame")?)?;
    let mut scratch = ScratchStack::try_new(Tag::register("scratch")?, 64 << 20)?;
    for number in 0..3u32 {
        frame.begin_frame();

        // Lives as long as the frame; the arena can not begin the next one while it is there.
        let mut by_material = HashMap::with_hasher_in(RandomState::new(), &frame);
        for draw in 0..1000u32 {
            by_material.entry(draw % (7 + number)).or_insert_with(|| Vec::new_in(&frame)).push(draw);
        }

        // Lives as long as the scope.
        let mut guard = scratch.guard();
        let scope = guard.scope();
        let mut order = Vec::new_in(&scope);
        order.extend(by_material.iter().map(|(material, draws)| (draws.len(), *material)));
        order.sort_unstable();

        println!("frame {number}: {} materials, {} bytes of frame memory", order.len(), frame.stats().used);
    }
    Ok(())
}
