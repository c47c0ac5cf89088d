//! Program code runs wherever something is charged, and may use the very heap that is charging.

use core::alloc::Layout;
use std::cell::{Cell, RefCell};
use std::vec::Vec;

use super::*;
use crate::ledger::Budget;

type T = StdThreads;

/// A block that fills itself with its own number, and looks after it when it goes.
struct Mine {
    block: NonNull<u8>,
    size: usize,
    seed: u8,
}

impl Mine {
    fn new(block: NonNull<u8>, size: usize, seed: u8) -> Self {
        // SAFETY: so many bytes of a live block.
        unsafe {
            block.write_bytes(seed, size.min(200));
            block.add(size - 1).write(seed);
        }
        Self { block, size, seed }
    }

    fn check(&self) {
        let places = (0..self.size.min(200)).chain([self.size - 1]);
        for at in places {
            // SAFETY: inside the block, written when it was made.
            assert_eq!(unsafe { self.block.add(at).read() }, self.seed, "{:p}", self.block);
        }
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        self.check();
        // SAFETY: a live block, and its only handle.
        unsafe { free::<T>(self.block) };
    }
}

std::thread_local! {
    static HEAP: Cell<Option<&'static BucketHeap>> = const { Cell::new(None) };
    static CALLS: Cell<u32> = const { Cell::new(0) };
    /// How often a callback of the shared tag, which all threads' tests charge, may still take something here.
    static ALLOWED: Cell<u32> = const { Cell::new(0) };
    /// What callbacks keep.
    static KEPT: RefCell<Vec<Mine>> = const { RefCell::new(Vec::new()) };
}

fn block_of(heap: Option<&BucketHeap>, size: usize) -> Option<NonNull<u8>> {
    match heap {
        Some(heap) => heap.try_alloc(Layout::from_size_align(size, 16).unwrap()).ok(),
        None => alloc::<T>(size),
    }
}

/// Takes and gives in the heap that is charging: the class that is just being filled too, and large and huge blocks.
fn come_back() {
    let heap = HEAP.get();
    let call = CALLS.replace(CALLS.get() + 1);
    let mut kept = KEPT.take();
    for index in 0..40 {
        let size = [48, 48, 48, 5000, 1000, 40_000, 300_000, 48][(call as usize + index) % 8];
        if let Some(block) = block_of(heap, size) {
            kept.push(Mine::new(block, size, (call as usize + index) as u8));
        }
        if index % 3 == 0 && !kept.is_empty() {
            drop(kept.swap_remove((index * 7 + call as usize) % kept.len()));
        }
    }
    match (call % 4, heap) {
        (0, Some(heap)) => drop(heap.trim()),
        (0, None) => drop(trim::<T>()),
        (1, _) => kept.clear(),
        _ => {}
    }
    KEPT.set(kept);
}

/// Crosses the mark of a budget with nearly every charge, for as long as there are charges.
fn press(tag: Tag) {
    let committed = tag.account().subtree.committed;
    tag.set_budget(Budget::NONE);
    tag.set_budget(Budget::soft(committed + 1));
}

fn work(heap: Option<&'static BucketHeap>, tag: Tag, rounds: usize) {
    HEAP.set(heap);
    CALLS.set(0);
    let mut held = Vec::new();
    let mut random = 1_usize;
    for round in 0..rounds {
        if round % 3 == 0 {
            press(tag);
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let size = [48, 48, 48, 5000, 1000, 48, 40_000, 300_000][(random >> 33) % 8];
        let block = block_of(heap, size).expect("a soft budget refuses nothing");
        held.push(Mine::new(block, size, round as u8));
        if held.len() > 60 {
            // Whole pages become free at once.
            held.drain(..55).for_each(drop);
        }
    }
    held.iter().for_each(Mine::check);
    drop(held);
    assert!(CALLS.get() > 10, "{} calls", CALLS.get());
    tag.set_budget(Budget::NONE);
    KEPT.take().clear();
    HEAP.set(None);
}

#[test]
fn callbacks_use_the_heap_of_its_own_that_is_charging() {
    let tag = Tag::register("bucket/pressure/own").unwrap();
    let heap: &'static BucketHeap =
        std::boxed::Box::leak(std::boxed::Box::new(BucketHeap::try_new(tag).unwrap()));
    tag.on_pressure(&|_| come_back()).unwrap();
    work(Some(heap), tag, 3000);
    assert_eq!((heap.stats().live(), heap.stats().live_bytes()), (0, 0));
    heap.trim();
    assert!(tag.account().own.committed < 200 << 10, "{:?}", tag.account().own);
}

#[test]
fn callbacks_use_the_heap_of_the_process_that_is_charging() {
    std::thread::spawn(|| {
        let tag = Tag::register("bucket/pressure/process").unwrap();
        tag.on_pressure(&|_| come_back()).unwrap();
        let before = enter::<T>(tag).unwrap();
        work(None, tag, 3000);
        enter::<T>(before).unwrap();
        assert_eq!((process_stats(Some(tag)).live(), process_stats(Some(tag)).live_bytes()), (0, 0));
    })
    .join()
    .unwrap();
}

/// A refused charge asks the callbacks to make room, by which the heap gets it.
#[test]
fn what_a_callback_frees_is_served_at_once() {
    let tag = Tag::register("bucket/pressure/refused").unwrap();
    let heap: &'static BucketHeap =
        std::boxed::Box::leak(std::boxed::Box::new(BucketHeap::try_new(tag).unwrap()));
    HEAP.set(Some(heap));
    tag.on_pressure(&|_| {
        KEPT.take().clear();
        if let Some(heap) = HEAP.get() {
            heap.trim();
        }
    })
    .unwrap();
    for (size, count) in [(48, 4000), (5000, 100), (100_000, 20), (3 << 20, 2)] {
        let ballast = (0..count).map(|_| Mine::new(block_of(Some(heap), size).unwrap(), size, 3)).collect();
        KEPT.set(ballast);
        tag.set_budget(Budget::hard(tag.account().own.committed));
        // More than what is left in the pages.
        let held: Vec<Mine> = (0..count)
            .map(|_| Mine::new(block_of(Some(heap), size).expect("room was made"), size, 5))
            .collect();
        assert!(KEPT.with_borrow(Vec::is_empty), "{size}");
        held.iter().for_each(Mine::check);
        tag.set_budget(Budget::NONE);
    }
    HEAP.set(None);
    assert_eq!(heap.stats().live(), 0);
}

/// Giving a page back charges the heap's own tag, whose callback takes a block of the class that is just being filled.
/// Of bins and the mail, which hardened heaps do without.
#[cfg(not(feature = "hardened"))]
#[test]
fn a_page_that_goes_while_a_bin_is_filled_loses_no_block() {
    fn take() {
        let allowed = ALLOWED.get();
        if allowed == 0 {
            return;
        }
        ALLOWED.set(allowed - 1);
        let Some(block) = alloc::<T>(64) else { return };
        // The bin has some now, and what goes here gives a page that was full something again.
        KEPT.set([Mine::new(block, 64, 9)].into());
    }
    std::thread::spawn(|| {
        let own = Tag::register("bucket/pressure/page").unwrap();
        let shared = process().unwrap().tag();
        shared.on_pressure(&|_| take()).unwrap();
        let before = enter::<T>(own).unwrap();
        let class = class_of(64);
        let mut held: Vec<Mine> =
            (0..4000).map(|seed| Mine::new(alloc::<T>(64).unwrap(), 64, seed as u8)).collect();
        // SAFETY: live blocks; this thread's place; its pages.
        unsafe {
            let page = Page::of(held[2000].block);
            let local = &*T::current();
            assert_ne!(page.as_ref().owner.load(Ordering::Relaxed), local.owner(), "it is full");
            let (mut of_page, rest): (Vec<_>, Vec<_>) =
                held.into_iter().partition(|mine| Page::of(mine.block) == page);
            held = rest;
            // Another thread frees one of its blocks, and is late to say so.
            let sent = of_page.pop().unwrap();
            let block = sent.block;
            core::mem::forget(sent);
            let first = (block.addr().get() - Page::start(page).addr().get()) / class::QUANTUM;
            let late = page.as_ref().remote.push(remote::Chain { first: first as u32, count: 1 }, |below| {
                assert_eq!(below, None);
                block.cast::<segment::Block>().write(segment::Block { next: null_mut() });
            });
            assert!(late);
            // Its owner frees one too, uses all of them again, and frees them all.
            drop(of_page.pop());
            while held.last().is_none_or(|mine| mine.block != block) {
                held.push(Mine::new(alloc::<T>(64).unwrap(), 64, 1));
            }
            held.retain(|mine| Page::of(mine.block) != page);
            drop(of_page);
            assert_eq!(page.as_ref().used.load(Ordering::Relaxed), 0);
            assert!(page.as_ref().remote.in_mail(), "so it can not go yet");
            // Now the mail comes, and the bin is empty.
            local.has_spare(class);
            local.post(page);
            while let Some(block) = local.pop(class) {
                held.push(Mine::new(block, 64, 2));
            }
            let full = held.iter().position(|mine| {
                Page::of(mine.block).as_ref().owner.load(Ordering::Relaxed) != local.owner()
            });
            KEPT.set([held.remove(full.unwrap())].into());
            ALLOWED.set(1);
            shared.set_budget(Budget::soft(shared.account().subtree.committed + 1));
            held.push(Mine::new(alloc::<T>(64).unwrap(), 64, 3));
            shared.set_budget(Budget::NONE);
            assert_eq!(ALLOWED.get(), 0, "the callback ran");
        }
        held.iter().for_each(Mine::check);
        drop(held);
        KEPT.take().clear();
        assert_eq!(process_stats(Some(own)).classes[class - 1].live, 0, "a block was lost");
        enter::<T>(before).unwrap();
    })
    .join()
    .unwrap();
}

#[test]
fn what_only_generosity_asks_for_is_no_refusal() {
    static REFUSED: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);
    let tag = Tag::register("bucket-generous").unwrap();
    tag.set_budget(Budget::hard(1 << 20));
    tag.on_pressure(&|_| {
        REFUSED.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    let heap = BucketHeap::try_new(tag).unwrap();
    let layout = Layout::from_size_align(64, 16).unwrap();
    while heap.try_alloc(layout).is_ok() {
        assert_eq!(REFUSED.load(Ordering::Relaxed), 0);
    }
    assert_eq!(REFUSED.load(Ordering::Relaxed), 1, "once, for the block that there was no room for");
    let page = crate::os::page_size();
    // A hardened page begins with more than one of the system's.
    let unused = if cfg!(feature = "hardened") { 16 * page } else { page };
    assert!(tag.account().own.committed > (1 << 20) - unused, "{:?}", tag.account());
}
