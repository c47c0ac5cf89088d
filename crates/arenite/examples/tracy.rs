//! Shows Tracy's profiler what a small game allocates, live. Connect with Tracy 0.14.1 while it runs, or let it wait at its end:
//!
//! ```text
//! TRACY_NO_EXIT=1 cargo run --release --example tracy --features tracy,allocator-api2 -- 16
//! ```
//!
//! The number is how many frames of each call stack are shown; without it, none are. With the name of a file behind it, a sample of one
//! block in 4 KiB is recorded there beside it.

use std::error::Error;
use std::sync::mpsc;

use arenite::record::RecordOptions;
use arenite::tracy::{self, TracyOptions};
use arenite::{Heap, MemoryManager, record};

#[global_allocator]
static HEAP: arenite::GlobalHeap = arenite::GlobalHeap;

arenite::tags! {
    AI = "game/ai";
    RENDER = "game/render";
}

const FRAMES: usize = 200;
const AGENTS: usize = 50;

/// A plan for each agent, which grows and so moves.
fn plan(agents: usize) -> Vec<Vec<u32>> {
    let _scope = AI.scope();
    (0..agents).map(|agent| (0..16 + agent as u32).filter(|step| step % 3 < 2).collect()).collect()
}

fn draw(frame: usize) -> String {
    let _scope = RENDER.scope();
    format!("frame {frame}: {} draws", frame * 7)
}

fn main() -> Result<(), Box<dyn Error>> {
    let depth = std::env::args().nth(1).map_or(Ok(0), |frames| frames.parse())?;
    // Tracy is not told of these, so it is not told that they go either.
    let before = plan(AGENTS);
    let profiling = tracy::start(TracyOptions::new().stack_depth(depth))?;
    let recording =
        std::env::args_os().nth(2).map(|file| record::start(RecordOptions::new(file).sample(4096)));
    let recording = recording.transpose()?;
    record::note(&format!("{} plans were there before", before.len()));

    // Another thread drops what the frames make.
    let (to_clerk, from_frames) = mpsc::channel::<Vec<Vec<u32>>>();
    let clerk = std::thread::spawn(move || from_frames.into_iter().map(|plans| plans.len()).sum::<usize>());

    let level = Heap::named("level");
    let mut memory = MemoryManager::builder().build()?;
    let (mut kept, mut doors) = (Vec::new(), Vec::new());
    for number in 0..FRAMES {
        // A frame for Tracy, too.
        let frame = memory.begin_frame();
        let scratch = frame.alloc_slice_fill_with(100, |index| index);
        assert_eq!(scratch.len(), 100);
        to_clerk.send(plan(AGENTS))?;
        kept.push(draw(number));
        doors.push(level.alloc_box([number; 16]));
        if number == FRAMES / 2 {
            record::mark("half of it");
            // All go at once, with their heap's memory.
            doors.clear();
        }
        frame.end();
    }
    drop((to_clerk, before));
    assert_eq!(clerk.join().expect("it does not panic"), FRAMES * AGENTS);
    assert!(kept.join("\n").ends_with("1393 draws"));

    println!("{FRAMES} frames of {AGENTS} plans; {} blocks were left out", profiling.left_out());
    profiling.stop();
    // Tracy is not told that these go: it shows them as what lives.
    drop((kept, doors));
    if let Some(recording) = recording {
        println!("{}", recording.stop()?);
    }
    Ok(())
}
