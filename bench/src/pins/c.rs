//! What the functions of `arenite.h` come to when they are called out of line from Rust: `ci/c` compares them with the same calls from C
//! (`crates/arenite-c/tests/pins.c`, which does the same in the same order), and allows five instructions more.
#![expect(unsafe_code, reason = "gives raw blocks back")]

use std::alloc::Layout;
use std::hint::black_box;
use std::ptr::NonNull;

use arenite::heap::bucket::{BlockFault, StdThreads, alloc_noted, try_free};
use arenite::{
    BlockPool, FitHeap, FrameArena, FrameArenaOptions, FreeError, Growing, Heap, Scope, ScratchStack, Tag,
};

/// Blocks that are live at the same time, and batches of them.
const BATCH: usize = 64;
const BATCHES: usize = 1000;
const SIZE: usize = 64;

#[inline(never)]
fn frame_alloc(arena: &FrameArena, size: usize) -> Option<NonNull<u8>> {
    let layout = Layout::from_size_align(size, 16).ok()?;
    arena.try_alloc_layout(layout).ok().map(|room| NonNull::from(room).cast())
}

#[inline(never)]
fn scratch_alloc(scope: &Scope<'_>, size: usize) -> Option<NonNull<u8>> {
    let layout = Layout::from_size_align(size, 16).ok()?;
    scope.try_alloc_layout(layout).ok().map(|room| NonNull::from(room).cast())
}

#[inline(never)]
fn pool_alloc(pool: &BlockPool) -> Option<NonNull<u8>> {
    pool.alloc().ok()
}

#[inline(never)]
fn pool_free(pool: &BlockPool, block: NonNull<u8>) -> Result<(), FreeError> {
    pool.free(block)
}

#[inline(never)]
fn alloc(size: usize) -> Option<NonNull<u8>> {
    alloc_noted::<StdThreads>(size, 16)
}

/// # Safety
/// As [`try_free`].
#[inline(never)]
unsafe fn free(block: *mut u8) -> Result<(), BlockFault> {
    // SAFETY: the caller's.
    unsafe { try_free::<StdThreads>(block) }
}

#[inline(never)]
fn heap_alloc(heap: &Heap, size: usize) -> Option<NonNull<u8>> {
    heap.try_alloc_noted(Layout::from_size_align(size, 16).ok()?).ok()
}

/// # Safety
/// As [`Heap::try_free`].
#[inline(never)]
unsafe fn heap_free(heap: &Heap, block: *mut u8) -> Result<(), BlockFault> {
    // SAFETY: the caller's.
    unsafe { heap.try_free(block) }
}

#[inline(never)]
fn fit_heap_alloc(heap: &mut FitHeap<Growing>, size: usize) -> Option<NonNull<u8>> {
    heap.try_alloc(Layout::from_size_align(size, 16).ok()?).ok()
}

#[inline(never)]
fn fit_heap_free(heap: &mut FitHeap<Growing>, block: NonNull<u8>) -> Result<(), FreeError> {
    heap.free(block)
}

/// Takes a batch of blocks and gives them back, again and again.
fn batches(mut take: impl FnMut() -> Option<NonNull<u8>>, mut give: impl FnMut(NonNull<u8>)) {
    let mut blocks = Vec::with_capacity(BATCH);
    for _ in 0..BATCHES {
        blocks.extend((0..BATCH).map(|_| take().expect("memory")));
        blocks.drain(..).for_each(&mut give);
    }
}

/// Calls all of them.
///
/// # Panics
/// There is no memory, or a block is not taken back.
pub(super) fn run() {
    let (tag, room) = (Tag::untagged(), 2 * BATCH * BATCHES * SIZE);
    let mut frame = FrameArena::try_with(FrameArenaOptions::new(tag).presize(room)).expect("a frame arena");
    frame.begin_frame();
    let mut scratch = ScratchStack::try_new(tag, room).expect("a scratch stack");
    scratch.try_presize(room).expect("a warm scratch stack");
    let mut guard = scratch.guard();
    let scope = guard.scope();
    let take_frame: fn(&FrameArena, usize) -> Option<NonNull<u8>> = black_box(frame_alloc);
    let take_scratch: fn(&Scope<'_>, usize) -> Option<NonNull<u8>> = black_box(scratch_alloc);
    for _ in 0..BATCH * BATCHES {
        take_frame(&frame, SIZE).expect("frame memory");
        take_scratch(&scope, SIZE).expect("scratch memory");
    }

    let layout = Layout::from_size_align(SIZE, 16).expect("a layout");
    let pool = BlockPool::try_new(tag, layout, 1000).expect("a pool");
    let heap = Heap::try_new(tag).expect("a heap");
    let take: fn(&BlockPool) -> Option<NonNull<u8>> = black_box(pool_alloc);
    let give: fn(&BlockPool, NonNull<u8>) -> Result<(), FreeError> = black_box(pool_free);
    batches(|| take(&pool), |block| give(&pool, block).expect("a block"));
    let take: fn(usize) -> Option<NonNull<u8>> = black_box(alloc);
    let give: unsafe fn(*mut u8) -> Result<(), BlockFault> = black_box(free);
    // SAFETY: taken just before, and not used.
    batches(|| take(SIZE), |block| unsafe { give(block.as_ptr()) }.expect("a block"));
    let take: fn(&Heap, usize) -> Option<NonNull<u8>> = black_box(heap_alloc);
    let give: unsafe fn(&Heap, *mut u8) -> Result<(), BlockFault> = black_box(heap_free);
    // SAFETY: as above.
    batches(|| take(&heap, SIZE), |block| unsafe { give(&heap, block.as_ptr()) }.expect("a block"));
    let heap = FitHeap::try_new(Growing::new(tag, 1 << 30)).expect("a fit heap");
    let heap = std::cell::RefCell::new(heap);
    let take: fn(&mut FitHeap<Growing>, usize) -> Option<NonNull<u8>> = black_box(fit_heap_alloc);
    let give: fn(&mut FitHeap<Growing>, NonNull<u8>) -> Result<(), FreeError> = black_box(fit_heap_free);
    batches(
        || take(&mut heap.borrow_mut(), SIZE),
        |block| give(&mut heap.borrow_mut(), block).expect("a block"),
    );
}
