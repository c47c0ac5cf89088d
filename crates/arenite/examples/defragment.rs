//! A thousand clips of very different sizes come and go by handle; 50 µs of each frame keep what is free in one piece.
//!
//! The sound card plays one clip all the while, from its own thread: that clip is pinned and never moves.
//!
//! `cargo run --release -p arenite --example defragment`

use std::alloc::Layout;
use std::error::Error;
use std::sync::mpsc;
use std::thread;

use arenite::{Bytes, DefragBudget, DefragHandle, DefragHeap, DefragHeapOptions, DefragPin, MoveReport, Tag};

/// A small generator, the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    /// From 256 bytes to 128 KiB, as often small as large.
    fn clip(&mut self) -> usize {
        let size = 256 << self.below(9);
        size + self.below(size)
    }
}

/// So many frames in which clips come and go; `budget` says what the defragmenter may do in each.
fn play(budget: Option<DefragBudget>) -> Result<f64, Box<dyn Error>> {
    let tag = Tag::register("audio/clips")?;
    let mut clips: DefragHeap = DefragHeap::try_with(DefragHeapOptions::new(tag).reserve(256 << 20))?;
    let mut random = Random(1);
    let mut live: Vec<DefragHandle<[u8]>> = Vec::new();
    for number in 0..1000 {
        let size = random.clip();
        live.push(clips.insert_slice_with(size, |samples: &mut [u8]| samples.fill(number as u8)));
    }

    // The sound card has one of them until it is told to stop.
    let playing = live.swap_remove(500);
    let pin: DefragPin<[u8]> = clips.pin(playing)?;
    let (address, first) = (pin.as_ptr().addr(), pin[0]);
    let (stop, stopped) = mpsc::channel::<()>();
    let card = thread::spawn(move || {
        let _ = stopped.recv();
        assert!(pin.as_ptr().addr() == address && pin.iter().all(|sample| *sample == first));
    });

    let (mut all, mut took) = (MoveReport::default(), Vec::new());
    for frame in 0..3000u32 {
        for _ in 0..4 {
            let which = random.below(live.len());
            clips.free(live.swap_remove(which))?;
            let size = random.clip();
            live.push(clips.insert_slice_with(size, |samples: &mut [u8]| samples.fill(frame as u8)));
        }
        if let Some(budget) = budget {
            let report = clips.defragment(budget);
            took.push(report.nanoseconds);
            all.add(&report);
        }
    }
    println!("{}: {}", if budget.is_some() { "with 50 µs a frame" } else { "never moved" }, clips.stats());
    if budget.is_some() {
        took.sort_unstable();
        let share = |thousandths: usize| took[(took.len() - 1) * thousandths / 1000] / 1000;
        println!("    {all}");
        println!("    a call took {} µs (median), {} µs (99.9 %)", share(500), share(999));
    }
    assert!(clips.free(playing).is_err(), "it is pinned");
    let torn = clips.stats().fragmentation();

    // The owner may go before the sound card does: the memory goes with the last pin.
    drop(clips);
    assert!(tag.account().own.committed > 0);
    stop.send(())?;
    card.join().map_err(|_| "the clip moved")?;
    assert_eq!(tag.account().own.committed, 0);
    Ok(torn)
}

fn main() -> Result<(), Box<dyn Error>> {
    let torn = play(None)?;
    let kept = play(Some(DefragBudget::micros(50)))?;
    println!("torn: {:.0} % without, {:.0} % with", torn * 100.0, kept * 100.0);

    // "Out of memory" and "torn" are told apart, and one call more may help.
    let mut heap: DefragHeap =
        DefragHeap::try_with(DefragHeapOptions::new(Tag::register("level")?).reserve(1 << 20))?;
    let block = Layout::from_size_align(32 << 10, 64)?;
    let blocks: Vec<_> = (0..30).map(|_| heap.alloc(block)).collect();
    for block in blocks.iter().step_by(2) {
        heap.free(*block)?;
    }
    let large = Layout::from_size_align(300 << 10, 64)?;
    println!("\n{}", heap.try_alloc(large).expect_err("no piece is that large"));
    let got = heap.try_alloc_or_defragment(large, DefragBudget::bytes(1 << 20))?;
    println!("defragmented: {} in one piece", Bytes(heap.get(got).map_or(0, <[u8]>::len)));
    Ok(())
}
