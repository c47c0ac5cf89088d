//! A program on `GlobalHeap`: what threads and frames ask of it is found by its own counters, and scopes decide whose it is.

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arenite::{FramePolicy, GlobalHeap, MemoryManager, max_alloc, no_alloc, tags, thread_allocations};

#[global_allocator]
static HEAP: GlobalHeap = GlobalHeap;

/// Bytes of a block for 48, which in hardened mode has a canary.
const ROUNDED: u64 = if cfg!(feature = "hardened") { 64 } else { 48 };

tags! {
    AI = "quiet-heap/ai";
    SOUND = "quiet-heap/sound";
    LEVEL = "quiet-heap/level";
}

fn told(work: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(work)).expect_err("it must panic");
    panic.downcast_ref::<String>().expect("a text").clone()
}

#[test]
fn no_alloc_names_count_size_and_tag() {
    let mut list = Vec::with_capacity(10);
    no_alloc(|| list.extend(0..10u64));
    let text = told(|| {
        no_alloc(|| {
            let _scope = AI.scope();
            black_box([vec![0u8; 64], vec![0u8; 64]]);
            let _scope = SOUND.scope();
            black_box(vec![0u8; 3 << 20]);
        });
    });
    assert!(text.contains("3 allocations of 3.0 MiB") && text.contains("tag `quiet-heap/ai`"), "{text}");
    let text = told(|| drop(max_alloc(1 << 20, 1, || black_box((Box::new(1), Box::new(2))))));
    assert!(text.contains("2 allocations of 32 B") && text.contains("allowed are 1 of 1.0 MiB"), "{text}");
}

#[test]
fn other_threads_do_not_count() {
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                black_box(vec![1u8; 100]);
            }
        });
        for _ in 0..1000 {
            no_alloc(std::thread::yield_now);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let (_, seen) = thread_allocations(|| black_box(Box::new([0u8; 48])));
    let seen = seen.unwrap();
    assert_eq!((seen.calls, seen.bytes), (1, ROUNDED));
}

/// A thread that has not allocated yet takes over what an ended one has, with its figures.
#[test]
fn what_an_earlier_thread_asked_for_does_not_count() {
    for _ in 0..3 {
        std::thread::spawn(|| (0..1000).for_each(|_| drop(black_box(Box::new([0u8; 48]))))).join().unwrap();
        let seen = std::thread::spawn(|| thread_allocations(|| drop(black_box(Box::new([0u8; 48])))).1);
        let seen = seen.join().unwrap().unwrap();
        assert_eq!((seen.calls, seen.bytes), (1, ROUNDED));
    }
}

/// A vector that grows by moving stays whose it was.
#[test]
fn what_grows_keeps_its_tag() {
    for size in [100, 10_000, 100_000, 2 << 20] {
        let mut list = LEVEL.in_scope(|| vec![1u8; size]);
        let _scope = AI.scope();
        // In the way, so that a large one can not grow where it is.
        let between = black_box(vec![0u8; size]);
        list.reserve_exact(3 * size);
        assert_eq!(GlobalHeap::tag_of(list.as_ptr()), Some(*LEVEL), "{size}");
        drop(between);
        list.truncate(size / 10);
        list.shrink_to_fit();
        assert_eq!(GlobalHeap::tag_of(list.as_ptr()), Some(*LEVEL), "{size}");
    }
}

#[test]
fn blocks_live_where_the_scope_says() {
    let live = || GlobalHeap::stats(Some(*LEVEL)).live();
    let mut block = LEVEL.in_scope(|| vec![1u8; 100]);
    assert_eq!(live(), 1);
    // Resized in place under another tag.
    AI.in_scope(|| block.shrink_to(90));
    let job = LEVEL.carry(|| Box::new([0u8; 77]));
    let other = std::thread::spawn(job).join().unwrap();
    assert_eq!(live(), 2);
    std::thread::spawn(move || drop((block, other))).join().unwrap();
    assert_eq!(live(), 0);
}

#[test]
fn a_frame_is_judged() {
    let mut memory = MemoryManager::builder().frame_policy(FramePolicy::Panic).build().unwrap();
    let frame = memory.begin_frame();
    frame.alloc_slice_fill_with(1000, |i| i);
    assert_eq!(frame.end().thread_heap_calls, Some(0));
    let text = told(|| {
        let frame = memory.begin_frame();
        AI.in_scope(|| black_box(vec![0u32; 12]));
        frame.end();
    });
    assert!(text.contains("frame 2, begun at") && text.contains("quiet_heap.rs"), "{text}");
    assert!(
        text.contains(&format!("1 allocation of {ROUNDED} B")) && text.contains("tag `quiet-heap/ai`"),
        "{text}"
    );
}
