//! The operations whose instructions are counted: each in a function of its own that is not inlined, called through a
//! pointer that the compiler can not see through, on warm memory. `ci/instructions` runs this under callgrind.

mod c;
mod heap;

use std::hint::black_box;

use arenite::{
    FrameArena, FrameArenaOptions, FrameRef, Heap, HeapArena, JobArenas, Scope, ScratchStack, Tag,
};

/// Calls of each function.
const CALLS: usize = 1000;

#[inline(never)]
fn frame_alloc_u64(arena: &FrameArena, value: u64) -> &mut u64 {
    arena.alloc(value)
}

#[inline(never)]
fn frame_alloc_u128(arena: &FrameArena, value: u128) -> &mut u128 {
    arena.alloc(value)
}

#[inline(never)]
fn frame_alloc_64_bytes(arena: &FrameArena, value: u64) -> &mut [u64; 8] {
    arena.alloc([value; 8])
}

#[inline(never)]
fn frame_try_alloc_u64(arena: &FrameArena, value: u64) -> Option<&mut u64> {
    arena.try_alloc(value).ok()
}

/// Without what the copy itself costs: a copy of nothing.
#[inline(never)]
fn frame_alloc_slice_copy<'a>(arena: &'a FrameArena, values: &[u32]) -> &'a mut [u32] {
    arena.alloc_slice_copy(values)
}

#[inline(never)]
fn frame_get(arena: &FrameArena, kept: FrameRef<u64>) -> Option<&u64> {
    arena.get(kept)
}

#[inline(never)]
fn heap_arena_alloc_u64(arena: &HeapArena, value: u64) -> &mut u64 {
    arena.alloc(value)
}

#[inline(never)]
fn frame_flip(arena: &mut FrameArena) {
    arena.begin_frame();
}

#[inline(never)]
fn scope_enter_exit(scope: &mut Scope<'_>) {
    let mut guard = scope.guard();
    let inner = guard.scope();
    black_box(&inner);
}

#[inline(never)]
fn scope_enter_alloc_exit(scope: &mut Scope<'_>, value: u64) {
    let mut guard = scope.guard();
    let inner = guard.scope();
    black_box(inner.alloc(value));
}

#[inline(never)]
fn job_checkout_release(jobs: &JobArenas) {
    let arena = jobs.checkout();
    black_box(&arena);
}

#[inline(never)]
fn job_checkout_alloc_release(jobs: &JobArenas, value: u64) -> &mut u64 {
    jobs.checkout().alloc(value)
}

/// Calls every one of them [`CALLS`] times and prints `CALLS`, for the script to divide by.
///
/// # Panics
/// An answer is wrong, or memory can not be had.
pub(crate) fn run() {
    let tag = Tag::untagged();
    let room = 1 << 20;
    let mut frame = FrameArena::try_with(FrameArenaOptions::new(tag).presize(room)).expect("a frame arena");
    frame.begin_frame();
    let kept = frame.keep(41u64).1;
    frame.begin_frame();
    let mut scratch = ScratchStack::try_new(tag, room).expect("a scratch stack");
    scratch.try_presize(room).expect("a warm scratch stack");
    let mut jobs = JobArenas::try_new(tag).expect("job arenas");
    jobs.try_presize(1, room).expect("warm job arenas");

    let calls = black_box(CALLS);
    let f: fn(&FrameArena, u64) -> &mut u64 = black_box(frame_alloc_u64);
    for i in 0..calls as u64 {
        assert_eq!(*f(&frame, i), i);
    }
    let f: fn(&FrameArena, u128) -> &mut u128 = black_box(frame_alloc_u128);
    for i in 0..calls as u128 {
        assert_eq!(*f(&frame, i), i);
    }
    let f: fn(&FrameArena, u64) -> &mut [u64; 8] = black_box(frame_alloc_64_bytes);
    for i in 0..calls as u64 {
        assert_eq!(f(&frame, i)[7], i);
    }
    let f: fn(&FrameArena, u64) -> Option<&mut u64> = black_box(frame_try_alloc_u64);
    for i in 0..calls as u64 {
        assert_eq!(f(&frame, i), Some(&mut { i }));
    }
    let f: for<'a> fn(&'a FrameArena, &[u32]) -> &'a mut [u32] = black_box(frame_alloc_slice_copy);
    for _ in 0..calls {
        assert_eq!(f(&frame, black_box(&[])), []);
    }
    let f: fn(&FrameArena, FrameRef<u64>) -> Option<&u64> = black_box(frame_get);
    for _ in 0..calls {
        assert_eq!(f(&frame, kept), Some(&41));
    }
    let f: fn(&mut FrameArena) = black_box(frame_flip);
    for _ in 0..calls {
        f(&mut frame);
    }
    scratch.scoped(|scope| {
        let f: fn(&mut Scope<'_>) = black_box(scope_enter_exit);
        for _ in 0..calls {
            f(scope);
        }
        let f: fn(&mut Scope<'_>, u64) = black_box(scope_enter_alloc_exit);
        for i in 0..calls as u64 {
            f(scope, i);
        }
        assert_eq!(scope.used(), 0);
    });
    let f: fn(&JobArenas) = black_box(job_checkout_release);
    for _ in 0..calls {
        f(&jobs);
    }
    let f: fn(&JobArenas, u64) -> &mut u64 = black_box(job_checkout_alloc_release);
    for i in 0..calls as u64 {
        assert_eq!(*f(&jobs, i), i);
    }
    heap::run();
    c::run();
    let arena = HeapArena::try_new(&Heap::named("pins")).expect("a heap arena");
    let f: fn(&HeapArena, u64) -> &mut u64 = black_box(heap_arena_alloc_u64);
    for i in 0..calls as u64 {
        assert_eq!(*f(&arena, i), i);
    }
    println!("calls {CALLS}");
}
