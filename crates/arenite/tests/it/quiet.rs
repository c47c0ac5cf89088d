//! Without an allocator that counts nothing can be found, and that must be said: a test that can not fail is no test.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arenite::{BuildError, FramePolicy, MemoryManager, max_alloc, no_alloc, thread_allocations};

fn told(work: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(work)).expect_err("it must panic");
    panic.downcast_ref::<String>().expect("a text").clone()
}

#[test]
fn gates_say_that_nobody_counts() {
    let text = told(|| no_alloc(|| ()));
    assert!(text.contains("no counting allocator is installed") && text.contains("quiet.rs"), "{text}");
    let text = told(|| max_alloc(1, 1, || ()));
    assert!(text.contains("no counting allocator is installed"), "{text}");
    assert_eq!(thread_allocations(|| 7), (7, None));
}

#[test]
fn a_frame_policy_says_that_nobody_counts() {
    let refused = MemoryManager::builder().frame_policy(FramePolicy::Count).build();
    assert_eq!(refused.err(), Some(BuildError::NoCountingAllocator));
    let mut memory = MemoryManager::builder().build().unwrap();
    let text = told(|| memory.frame_policy(FramePolicy::Warn));
    assert!(text.contains("no counting allocator is installed"), "{text}");
    assert_eq!(memory.begin_frame().end().thread_heap_calls, None);
}
