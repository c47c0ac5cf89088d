//! Named heaps: their blocks are recorded one by one, under the heap's tag, whatever tag the thread is under.
#![expect(unsafe_code, reason = "blocks of heaps are raw")]

use std::alloc::Layout;
use std::collections::HashMap;
use std::ptr::NonNull;
use std::thread;

use arenite::record::format::events::What;
use arenite::record::{self, RecordOptions};
use arenite::{Heap, HeapOptions, Tag};
use arenite_inspect::{Capture, Live};

use super::programs::Numbers;
use super::turn;

struct Held {
    block: NonNull<u8>,
    layout: Layout,
    careful: bool,
}

/// Handed from thread to thread.
struct Kept(Vec<Held>);

// SAFETY: blocks of a heap, which any thread may free.
unsafe impl Send for Kept {}

/// Takes, resizes and frees by both faces of a heap; keeps some.
fn storm(heap: &Heap, rounds: usize, seed: u64) -> Kept {
    let (mut numbers, mut kept) = (Numbers(seed), Vec::<Held>::new());
    let other = Tag::register("truth/thread").expect("a tag");
    let _scope = other.try_scope().expect("a scope");
    for round in 0..rounds {
        let size = match numbers.below(40) {
            0 => 1 << 20,
            1..4 => 70_000,
            _ => numbers.below(1500) as usize,
        };
        let layout = Layout::from_size_align(size, 1 << numbers.below(8)).expect("a layout");
        let careful = numbers.below(2) == 0;
        let block = match (careful, numbers.below(2)) {
            (false, 0) => heap.try_alloc(layout),
            (false, _) => heap.try_alloc_zeroed(layout),
            // What C programs do: the fast half first.
            (true, 0) if layout.align() <= 16 => {
                heap.alloc_fast(size).map_or_else(|| heap.try_alloc_noted(layout), Ok)
            }
            (true, _) => heap.try_alloc_zeroed_noted(layout),
        };
        kept.push(Held { block: block.expect("memory"), layout, careful });
        let index = numbers.below(kept.len() as u64) as usize;
        if numbers.below(3) == 0 {
            let held = &mut kept[index];
            let layout =
                Layout::from_size_align(held.layout.size() * 2 + 7, held.layout.align()).expect("a layout");
            // SAFETY: a block of this heap's, asked for with this layout, that nobody else has.
            held.block = unsafe {
                if held.careful {
                    heap.try_resize(held.block.as_ptr(), layout).expect("a block").expect("memory")
                } else {
                    heap.try_realloc(held.block, held.layout, layout.size()).expect("memory")
                }
            };
            held.layout = layout;
        }
        if round % 8 != 0 {
            free(heap, kept.swap_remove(index));
        }
    }
    Kept(kept)
}

fn free(heap: &Heap, held: Held) {
    // SAFETY: a block of this heap's, freed once.
    unsafe {
        if held.careful {
            heap.try_free(held.block.as_ptr()).expect("a block");
        } else {
            heap.free(held.block);
        }
    }
}

#[test]
fn blocks_of_named_heaps_are_what_their_programs_have() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("heaps.arec");
    let recording = record::start(RecordOptions::new(&path)).expect("a recording");
    let names = ["truth/plain", "truth/tracked"];
    let mut heaps = [false, true].map(|tracked| {
        let options = HeapOptions::try_named(names[usize::from(tracked)]).expect("a tag");
        let options = if tracked { options.track_blocks() } else { options };
        Some(Heap::try_with(options).expect("a heap"))
    });
    let (mut kept, mut expected) = ([Vec::new(), Vec::new()], Vec::new());
    for round in 0..4u64 {
        for (heap, kept) in heaps.iter().flatten().zip(&mut kept) {
            let members: Vec<_> = (0..3)
                .map(|member| {
                    let heap = heap.clone();
                    thread::spawn(move || storm(&heap, 400, round * 31 + member))
                })
                .collect();
            for member in members {
                kept.extend(member.join().expect("no panic").0);
            }
            // On another thread than they were made.
            for held in kept.drain(..kept.len() / 2) {
                free(heap, held);
            }
        }
        record::mark("round");
        expected.push(
            kept.each_ref().map(|kept| {
                (kept.len() as u64, kept.iter().map(|held| held.layout.size() as u64).sum::<u64>())
            }),
        );
    }
    // The plain one is ended with all that lives in it, the other one is emptied first.
    let tracked = heaps[1].take().expect("a heap");
    kept[1].drain(..).for_each(|held| free(&tracked, held));
    tracked.try_discard().expect("empty");
    record::mark("round");
    expected.push([expected[3][0], (0, 0)]);
    // SAFETY: nobody uses what is in it any more.
    unsafe { heaps[0].take().expect("a heap").force_discard() };
    record::mark("round");
    expected.push([(0, 0); 2]);
    let summary = recording.stop().expect("written");
    assert_eq!(summary.lost, 0, "{summary}");

    let mut capture = Capture::open(&path).expect("a capture");
    let tags = capture.tags().expect("read");
    let (mut live, mut marks) = (Live::new(), 0);
    capture
        .events(|thread, event| {
            live.take(thread, &event);
            if let What::Mark { .. } = event.what {
                let mut sums: HashMap<&str, (u64, u64)> = HashMap::new();
                for (_, block) in live.iter() {
                    let sum = sums.entry(tags.get(&block.tag).map_or("", String::as_str)).or_default();
                    *sum = (sum.0 + 1, sum.1 + block.size);
                }
                let found = names.map(|name| sums.get(name).copied().unwrap_or_default());
                assert_eq!(found, expected[marks], "at mark {marks}");
                marks += 1;
            }
        })
        .expect("read");
    assert_eq!(marks, 6);
}
