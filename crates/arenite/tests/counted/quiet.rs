//! Gates on what a thread allocates.

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use arenite::{
    FramePolicy, MemoryManager, Tag, assert_max_alloc, assert_no_alloc, max_alloc, no_alloc,
    thread_allocations,
};

/// What `work` panics with. Nothing is printed about it.
fn told(work: impl FnOnce()) -> String {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let answer = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(hook);
    let panic = answer.expect_err("it must panic");
    panic.downcast_ref::<String>().expect("a text").clone()
}

pub(crate) fn no_alloc_finds_each_way_to_allocate() {
    let mut list = Vec::with_capacity(10);
    assert_eq!(no_alloc(|| list.extend(0..10u64)), ());
    let text = told(|| no_alloc(|| list.push(1)));
    assert!(text.contains("1 allocation of 160 B") && text.contains("160 bytes aligned to 8"), "{text}");
    let text = told(|| drop(assert_no_alloc!(black_box(vec![0u8; 100]))));
    assert!(text.contains("100 bytes aligned to 1 under tag `untagged`"), "{text}");
    let ai = Tag::register("quiet/ai").unwrap();
    let text = told(|| {
        let _scope = ai.scope();
        no_alloc(|| black_box((Box::new(1u16), Box::new([0u64; 9]))));
    });
    assert!(
        text.contains("2 allocations of 74 B, the first 2 bytes aligned to 2 under tag `quiet/ai`"),
        "{text}"
    );
    assert!(text.contains("scope opened at") && text.contains("quiet.rs:"), "{text}");
    // Freeing is allowed.
    assert_no_alloc!({
        list.clear();
        drop(list);
    });
    // A panic inside goes through, and leaves nothing behind.
    let text = told(|| no_alloc(|| panic!("mine: {}", black_box(1))));
    assert_eq!(text, "mine: 1");
    no_alloc(|| ());
}

pub(crate) fn only_the_own_thread_counts() {
    // Two numbers, because whoever waits at a channel or a lock may need memory for that.
    let [asked, answered] = [const { AtomicUsize::new(0) }; 2];
    thread::scope(|threads| {
        threads.spawn(|| {
            for number in 1..=100 {
                while asked.load(Ordering::Acquire) < number {
                    thread::yield_now();
                }
                black_box(vec![1u8; 1000]);
                answered.store(number, Ordering::Release);
            }
        });
        for number in 1..=100 {
            no_alloc(|| {
                asked.store(number, Ordering::Release);
                while answered.load(Ordering::Acquire) < number {
                    thread::yield_now();
                }
            });
        }
    });
}

pub(crate) fn watches_nest() {
    let text = told(|| {
        no_alloc(|| {
            let (_, inner) = thread_allocations(|| black_box(vec![0u8; 11]));
            assert_eq!(inner.map(|inner| (inner.calls, inner.bytes)), Some((1, 11)));
            black_box(vec![0u8; 12]);
        });
    });
    assert!(text.contains("2 allocations of 23 B, the first 11 bytes"), "{text}");
}

pub(crate) fn max_alloc_bounds_both() {
    let make = |sizes: &[usize]| sizes.iter().for_each(|size| drop(black_box(vec![0u8; *size])));
    max_alloc(300, 2, || make(&[100, 200]));
    let text = told(|| max_alloc(299, 2, || make(&[100, 200])));
    assert!(text.contains("2 allocations of 300 B") && text.contains("allowed are 2 of 299 B"), "{text}");
    let text = told(|| assert_max_alloc!(1000, 1, make(&[100, 200])));
    assert!(text.contains("allowed are 1 of"), "{text}");
}

pub(crate) fn a_frame_is_judged() {
    let mut memory = MemoryManager::builder().frame_policy(FramePolicy::Panic).build().unwrap();
    for _ in 0..3 {
        let frame = memory.begin_frame();
        frame.alloc_slice_fill_with(1000, |i| i);
        assert_eq!(frame.end().thread_heap_calls, Some(0));
    }
    let ai = Tag::register("quiet/ai").unwrap();
    let line = line!() + 2;
    let text = told(|| {
        let frame = memory.begin_frame();
        let _scope = ai.scope();
        black_box(vec![0u32; 12]);
        frame.end();
    });
    assert!(text.contains("frame 4, begun at") && text.contains(&format!("quiet.rs:{line}")), "{text}");
    assert!(
        text.contains("1 allocation of 48 B, the first 48 bytes aligned to 4 under tag `quiet/ai`"),
        "{text}"
    );
    // A frame that is only dropped is judged, too.
    let text = told(|| {
        let _frame = memory.begin_frame();
        black_box(Box::new(5));
    });
    assert!(text.contains("frame 5"), "{text}");
    // Not while the thread panics already, which would end the process.
    let text = told(|| {
        let _frame = memory.begin_frame();
        panic!("{}", black_box(vec![1]).len());
    });
    assert_eq!(text, "1");
    memory.frame_policy(FramePolicy::Count);
    let frame = memory.begin_frame();
    black_box([Box::new(1), Box::new(2)]);
    assert_eq!(frame.end().thread_heap_calls, Some(2));
    // A forgotten frame ends when the next one begins.
    memory.frame_policy(FramePolicy::Panic);
    std::mem::forget(memory.begin_frame());
    black_box(Box::new(5));
    memory.begin_frame().end();
}

pub(crate) fn looking_for_pressure_is_quiet() {
    let mut system = arenite::watch::SystemPressure::new();
    let mut limited = arenite::watch::SystemPressure::new().resident_limit(1);
    assert_no_alloc!({
        black_box(system.poll());
        let mut told = 0;
        for _ in 0..3 {
            limited.poll_and_tell(|_| told += 1);
        }
        assert_eq!(told, 1);
    });
}
