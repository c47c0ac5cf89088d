//! A frame loop: 600 frames of draw calls, labels, path-finding scratch and parallel jobs, without a heap call.
//!
//! `cargo run --release -p arenite --example frame`

use std::alloc::System;
use std::error::Error;

use arenite::{FrameRef, MemoryManager};
use rayon::prelude::*;

/// Counts every call of the general heap, so that the loop can show that it makes none.
#[expect(unsafe_code, reason = "a global allocator is unsafe by nature; users of Arenite need none of this")]
mod counting {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::sync::atomic::{AtomicU64, Ordering};

    pub(crate) struct Counting(pub(crate) System);
    static CALLS: AtomicU64 = AtomicU64::new(0);

    pub(crate) fn calls() -> u64 {
        CALLS.load(Ordering::Relaxed)
    }

    // SAFETY: forwards to the system's allocator and keeps its promises.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            CALLS.fetch_add(1, Ordering::Relaxed);
            // SAFETY: the caller's promise, passed on.
            unsafe { self.0.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            CALLS.fetch_add(1, Ordering::Relaxed);
            // SAFETY: the caller's promise, passed on.
            unsafe { self.0.dealloc(block, layout) }
        }
    }
}

#[global_allocator]
static GLOBAL: counting::Counting = counting::Counting(System);

struct DrawCall {
    mesh: u32,
    depth: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    // The loop itself runs on a worker: handing each frame's jobs in from outside would make rayon's queue allocate.
    rayon::ThreadPoolBuilder::new()
        .num_threads(2)
        .build()?
        .install(|| game().map_err(|error| error.to_string()))?;
    Ok(())
}

fn game() -> Result<(), Box<dyn Error>> {
    let mut memory = MemoryManager::builder()
        .frame_presize(1 << 20)
        .job_presize(4, 64 << 10)
        .heap_calls(counting::calls)
        .build()?;
    // A worker that steals for the first time allocates its book-keeping: let each of them do that now.
    let all_here = std::sync::Barrier::new(rayon::current_num_threads());
    (0..rayon::current_num_threads()).into_par_iter().with_max_len(1).for_each(|_| drop(all_here.wait()));

    let mut last: Option<FrameRef<[DrawCall]>> = None;
    let (mut heap_calls, mut memory_calls, mut moved) = (0, 0, 0);

    for number in 0..600u32 {
        let frame = memory.begin_frame();

        // A slice from an iterator of unknown length, kept for the next frame.
        let visible = (0..2000u32)
            .filter(|id| (id * 31 + number) % 7 < 3)
            .map(|id| DrawCall { mesh: id, depth: (id * 97 + number) % 1000 });
        let (draws, kept) = frame.keep_slice_from_iter(visible);
        draws.sort_unstable_by_key(|draw| (draw.depth, draw.mesh));

        // The last frame's slice, read through the kept ticket.
        if let Some(before) = last.and_then(|ticket| frame.get(ticket)) {
            moved += draws.iter().zip(before).filter(|(now, then)| now.mesh != then.mesh).count();
        }
        last = Some(kept);

        // Text, in place.
        let label = frame.alloc_fmt(format_args!("frame {number}: {} draw calls", draws.len()));
        assert!(label.starts_with("frame"));

        // Scratch for a search: freed when the guard goes.
        let mut guard = frame.scratch();
        let scope = guard.scope();
        let queue = scope.alloc_slice_fill_with(256, |i| (i as u32 * 193) % 256);
        queue.sort_unstable();
        drop(guard);

        // Four jobs, each with an arena of its own; their results live until the frame ends.
        let jobs = frame.jobs();
        let sum: u64 = (0..4u64)
            .into_par_iter()
            .map(|job| jobs.checkout().alloc_slice_fill_with(100, |i| job * i as u64).iter().sum::<u64>())
            .sum();
        assert_eq!(sum, 6 * 4950);

        let stats = frame.end();
        if number >= 30 {
            heap_calls += stats.heap_calls.unwrap_or(0);
            memory_calls += stats.memory_calls;
        }
    }

    println!("{moved} draw calls changed their place");
    println!("after 30 frames: {heap_calls} heap calls, {memory_calls} memory system calls");
    println!("{}", memory.shutdown());
    Ok(())
}
