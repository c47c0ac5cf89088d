//! Records what a small game allocates, and says how large that became. Build it with frame pointers to have whole call stacks:
//!
//! ```text
//! RUSTFLAGS="-C force-frame-pointers=yes" cargo run --example record --features record
//! ```

use std::error::Error;

use arenite::record::{self, RecordOptions};

#[global_allocator]
static HEAP: arenite::GlobalHeap = arenite::GlobalHeap;

arenite::tags! {
    AI = "game/ai";
    RENDER = "game/render";
}

fn plan(agents: usize) -> Vec<Vec<u32>> {
    let _scope = AI.scope();
    (0..agents).map(|agent| (0..16 + agent as u32).collect()).collect()
}

fn draw(frame: usize) -> String {
    let _scope = RENDER.scope();
    format!("frame {frame}: {} draws", frame * 7)
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::temp_dir().join("arenite-example.arec");
    let recording = record::start(RecordOptions::new(&file))?;
    let mut kept = Vec::new();
    for number in 0..100 {
        // A `MemoryManager` says this itself.
        record::frame(number as u64);
        let plans = plan(50);
        assert_eq!(plans.len(), 50);
        kept.push(draw(number));
        if number == 50 {
            record::mark("half of it");
        }
    }
    // Not part of the game.
    recording.pause();
    let report = kept.join("\n");
    recording.resume();
    drop(kept);

    let summary = recording.stop()?;
    println!("{summary}: {}", file.display());
    assert_eq!(summary.lost, 0);
    assert!(report.ends_with("693 draws"));
    std::fs::remove_file(&file)?;
    Ok(())
}
