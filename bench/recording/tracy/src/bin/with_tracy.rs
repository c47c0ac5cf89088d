//! The workload on the system's allocator, told to Tracy as its own wrapper of allocators does it: every block from the beginning, with a call
//! stack in the mode `stacks`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU16, Ordering};

use tracy_client_sys::{___tracy_emit_memory_alloc, ___tracy_emit_memory_free};
use tracy_client_sys::{___tracy_emit_memory_alloc_callstack, ___tracy_emit_memory_free_callstack};

/// Frames of a call stack.
static DEPTH: AtomicU16 = AtomicU16::new(0);

struct Told;

fn came(block: *mut u8, size: usize) -> *mut u8 {
    if !block.is_null() {
        // SAFETY: Tracy takes events from before `main` on.
        unsafe {
            match DEPTH.load(Ordering::Relaxed) {
                0 => ___tracy_emit_memory_alloc(block.cast(), size, 1),
                depth => ___tracy_emit_memory_alloc_callstack(block.cast(), size, depth.into(), 1),
            }
        }
    }
    block
}

fn goes(block: *mut u8) {
    // SAFETY: as above.
    unsafe {
        match DEPTH.load(Ordering::Relaxed) {
            0 => ___tracy_emit_memory_free(block.cast(), 1),
            depth => ___tracy_emit_memory_free_callstack(block.cast(), depth.into(), 1),
        }
    }
}

// SAFETY: passes everything on.
unsafe impl GlobalAlloc for Told {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        came(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        goes(block);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        came(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        goes(block);
        // SAFETY: the caller's promise.
        let moved = unsafe { System.realloc(block, layout, size) };
        if moved.is_null() {
            came(block, layout.size())
        } else {
            came(moved, size)
        };
        moved
    }
}

#[global_allocator]
static HEAP: Told = Told;

fn main() {
    let (frames, threads, mode) = recording_bench::arguments();
    recording_bench_tracy::wait();
    if mode.as_deref() == Some("stacks") {
        DEPTH.store(recording_bench_tracy::DEEPEST, Ordering::Relaxed);
    }
    println!("{}", recording_bench::run(frames, threads));
}
