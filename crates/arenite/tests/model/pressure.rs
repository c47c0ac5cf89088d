//! A pressure callback runs in the middle of an allocation, and may reach the arena that is allocating: through a
//! thread-local, without any `unsafe`.

use std::cell::{Cell, RefCell};

use arenite::{ArenaVec, Budget, FrameArena, FrameArenaOptions, Tag};

thread_local! {
    static ARENA: Cell<Option<&'static FrameArena>> = const { Cell::new(None) };
    /// Given back by the callback, if there is one.
    static BALLAST: RefCell<Option<ArenaVec<'static, u64>>> = const { RefCell::new(None) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
    /// What the callback allocated for itself.
    static MINE: Cell<Option<&'static mut u64>> = const { Cell::new(None) };
}

fn come_back() {
    let Some(arena) = ARENA.get() else { return };
    CALLS.set(CALLS.get() + 1);
    drop(BALLAST.take());
    MINE.set(Some(arena.alloc(7_u64)));
    let stats = arena.stats();
    assert!(stats.used <= stats.committed);
}

/// An arena whose next large allocation calls [`come_back`]. Leaked: thread-locals outlive the test.
fn arena(name: &str) -> &'static FrameArena {
    let tag = Tag::register(name).expect("a tag");
    let arena = FrameArena::try_with(FrameArenaOptions::new(tag).reserve(1 << 20)).expect("address space");
    let committed = tag.account().own.committed;
    tag.set_budget(Budget::soft(committed + (100 << 10)));
    tag.on_pressure(&|_| come_back()).expect("room for a callback");
    let arena: &'static FrameArena = Box::leak(Box::new(arena));
    ARENA.set(Some(arena));
    arena
}

#[test]
fn an_arena_that_grows_serves_its_own_callback_and_stays_whole() {
    let arena = arena("model/pressure/alloc");
    let small = arena.alloc(1_u64);
    let before = arena.stats().used;
    let large = arena.alloc_slice_fill_with(64 << 10, |index| index as u64);
    assert_eq!(CALLS.get(), 1, "the mark was crossed");
    let mine = MINE.take().expect("the callback was served");
    assert_eq!(arena.stats().used - before, size_of_val(large) + size_of_val(mine), "each has its own room");
    let next = arena.alloc(2_u64);
    assert!(large.iter().enumerate().all(|(index, value)| *value == index as u64));
    assert_eq!((*small, *mine, *next), (1, 7, 2));
}

#[test]
fn what_a_callback_frees_is_used_again() {
    let arena = arena("model/pressure/free");
    let mut ballast = arena.vec();
    ballast.extend_from_slice(&[3_u64; 100]);
    let place = ballast.as_ptr().addr();
    BALLAST.set(Some(ballast));
    let large = arena.alloc_slice_fill_with(64 << 10, |index| index as u64);
    assert_eq!(CALLS.get(), 1, "the mark was crossed");
    // The callback itself could allocate in what it had given back.
    assert_eq!(large.as_ptr().addr(), place + size_of::<u64>(), "the ballast made room");
    assert!(large.iter().enumerate().all(|(index, value)| *value == index as u64));
}
