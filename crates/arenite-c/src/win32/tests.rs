//! What C programs can not see: the ledger's figures, budgets whose callbacks call back, and a system that refuses. The rest is
//! held by `ci/win32`.
#![expect(unsafe_code, reason = "calls what C calls")]

use core::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arenite::os::{self, Call, fake};
use arenite::{Budget, Tag};

use super::error::arenite_win32_GetLastError as last_error;
use super::handles::*;
use super::heap::*;
use super::virt::*;

const COMMIT: u32 = 0x1000;
const RESERVE: u32 = 0x2000;
const DECOMMIT: u32 = 0x4000;
const RELEASE: u32 = 0x8000;
const READ_ONLY: u32 = 2;
const READ_WRITE: u32 = 4;
const MOVEABLE: u32 = 2;

/// One test at a time: all share the tags, and their figures are compared.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pages() -> Tag {
    Tag::register("win32/virtual").unwrap()
}

fn figures() -> (usize, usize) {
    let own = pages().account().own;
    (own.reserved, own.committed)
}

fn alloc(address: *mut u8, size: usize, kind: u32, protect: u32) -> *mut u8 {
    // SAFETY: the tests use no page that they take away.
    unsafe { arenite_win32_VirtualAlloc(address.cast(), size, kind, protect) }.cast()
}

fn free(address: *mut u8, size: usize, kind: u32) -> bool {
    // SAFETY: as above.
    unsafe { arenite_win32_VirtualFree(address.cast(), size, kind) != 0 }
}

/// State, protection and length of the run around a page.
fn query(address: *mut u8) -> (u32, u32, usize) {
    let mut words = [0usize; 6];
    // SAFETY: as large as the structure.
    let got = unsafe { arenite_win32_VirtualQuery(address.cast(), words.as_mut_ptr().cast(), 48) };
    assert_eq!(got, 48);
    (words[4] as u32, (words[4] >> 32) as u32, words[3])
}

#[test]
fn every_page_is_charged_and_credited_once() {
    let _alone = alone();
    let page = os::page_size();
    let before = figures();
    let base = alloc(null_mut(), 64 * page, RESERVE, READ_WRITE);
    assert_eq!(figures(), (before.0 + 64 * page, before.1));
    assert_eq!(alloc(base, 10 * page, COMMIT, READ_WRITE), base);
    assert_eq!(alloc(base, 12 * page, COMMIT, READ_ONLY), base);
    assert_eq!(figures().1, before.1 + 12 * page);
    assert!(free(base.wrapping_add(2 * page), 20 * page, DECOMMIT));
    assert!(free(base.wrapping_add(2 * page), 20 * page, DECOMMIT));
    assert_eq!(figures().1, before.1 + 2 * page);
    // What is refused costs nothing.
    assert!(alloc(base, 65 * page, COMMIT, READ_WRITE).is_null());
    assert!(alloc(base, page, COMMIT, 3).is_null());
    assert_eq!(figures().1, before.1 + 2 * page);
    assert!(free(base, 0, RELEASE));
    assert!(!free(base, 0, RELEASE));
    assert_eq!(figures(), before);
}

#[test]
fn a_budget_refuses_with_a_code() {
    let _alone = alone();
    let page = os::page_size();
    let base = alloc(null_mut(), 64 * page, RESERVE, READ_WRITE);
    let before = figures();
    pages().set_budget(Budget::hard(before.1 + 8 * page));
    assert!(alloc(base, 9 * page, COMMIT, READ_WRITE).is_null());
    assert_eq!(last_error(), 1455);
    assert!(alloc(null_mut(), 9 * page, COMMIT, READ_WRITE).is_null());
    assert_eq!((last_error(), figures()), (1455, before));
    assert_eq!(alloc(base, 8 * page, COMMIT, READ_WRITE), base);
    // What has memory already costs nothing more.
    assert_eq!(alloc(base, 8 * page, COMMIT, READ_WRITE), base);
    assert!(alloc(base, 9 * page, COMMIT, READ_WRITE).is_null());
    pages().set_budget(Budget::NONE);
    assert!(free(base, 0, RELEASE));
}

/// The callback of a crossed budget commits, frees and releases in the very reservation that is being committed.
#[test]
fn program_code_may_run_while_pages_are_charged() {
    static BASE: AtomicPtr<u8> = AtomicPtr::new(null_mut());
    static OTHER: AtomicPtr<u8> = AtomicPtr::new(null_mut());
    static CALLED: AtomicU32 = AtomicU32::new(0);

    fn make_room(_: &arenite::ledger::Pressure) {
        let base = BASE.load(Ordering::Relaxed);
        if base.is_null() {
            return;
        }
        CALLED.fetch_add(1, Ordering::Relaxed);
        let page = os::page_size();
        free(OTHER.swap(null_mut(), Ordering::Relaxed), 0, RELEASE);
        alloc(base, page, COMMIT, READ_WRITE);
        free(base.wrapping_add(page), page, DECOMMIT);
        // Every lock is free.
        let block = arenite_win32_HeapAlloc(arenite_win32_GetProcessHeap(), 0, 100);
        let handle = arenite_win32_GlobalAlloc(MOVEABLE, 100);
        assert!(!block.is_null() && !handle.is_null());
        // SAFETY: the ones just made.
        unsafe {
            arenite_win32_GlobalFree(block);
            arenite_win32_GlobalFree(handle);
        }
    }

    let _alone = alone();
    let page = os::page_size();
    pages().on_pressure(&make_room).unwrap();
    let base = alloc(null_mut(), 64 * page, RESERVE, READ_WRITE);
    let before = figures();
    OTHER.store(alloc(null_mut(), 30 * page, COMMIT, READ_WRITE), Ordering::Relaxed);
    BASE.store(base, Ordering::Relaxed);
    pages().set_budget(Budget::hard(before.1 + 40 * page));
    assert_eq!(alloc(base, 20 * page, COMMIT, READ_WRITE), base, "the callback made room");
    BASE.store(null_mut(), Ordering::Relaxed);
    assert!(CALLED.load(Ordering::Relaxed) > 0);
    assert_eq!(query(base), (COMMIT, READ_WRITE, 20 * page));
    assert_eq!(figures(), (before.0, before.1 + 20 * page));
    pages().set_budget(Budget::NONE);
    assert!(free(base, 0, RELEASE));
}

/// Whatever call to the system fails: the answer says so, and book, figures and pages stay in step.
#[test]
fn the_book_survives_a_system_that_refuses() {
    let _alone = alone();
    let page = os::page_size();
    for call in [Call::Reserve, Call::Commit, Call::Protect, Call::Decommit, Call::Release] {
        for allowed in 0..3 {
            let before = figures();
            let base = alloc(null_mut(), 16 * page, RESERVE, READ_WRITE);
            assert_eq!(alloc(base.wrapping_add(page), 2 * page, COMMIT, READ_WRITE), base.wrapping_add(page));
            // SAFETY: the pages that were just committed.
            unsafe { base.add(page).write_bytes(7, 2 * page) };
            let plan = fake::fail_after(call, allowed);
            let mut refused = 0;
            let made = alloc(null_mut(), page, COMMIT, READ_ONLY);
            refused += usize::from(made.is_null());
            refused += usize::from(alloc(base, 8 * page, COMMIT, READ_ONLY).is_null());
            let mut old = 0u32;
            // SAFETY: a good pointer.
            let done = unsafe {
                arenite_win32_VirtualProtect(base.wrapping_add(page).cast(), page, READ_ONLY, &raw mut old)
            };
            refused += usize::from(done == 0);
            refused += usize::from(!free(base.wrapping_add(4 * page), 8 * page, DECOMMIT));
            refused += usize::from(!free(base, 0, RELEASE));
            let faults = plan.refused();
            drop(plan);
            assert!(faults == 0 || refused > 0, "{call:?} after {allowed}: {faults} refusals, none told");
            // Its release may have been what was refused.
            if refused > 0 && query(base).0 != 0x1_0000 {
                let mut committed = 0;
                for index in 0..16 {
                    let at = base.wrapping_add(index * page);
                    let (state, protect, _) = query(at);
                    committed += if state == COMMIT { page } else { 0 };
                    // What the book calls readable is.
                    let there = os::query(at).unwrap();
                    let readable = matches!(there, os::PageState::Committed { .. });
                    assert_eq!(
                        readable,
                        state == COMMIT && protect != 1,
                        "{call:?} after {allowed}, page {index}"
                    );
                    if state == COMMIT {
                        // SAFETY: the system says that it can be read.
                        let byte = unsafe { at.read_volatile() };
                        assert_eq!(byte, if index == 1 || index == 2 { 7 } else { 0 });
                    }
                }
                let others = if made.is_null() { 0 } else { page };
                assert_eq!(figures().1, before.1 + committed + others);
                assert!(free(base, 0, RELEASE));
            }
            assert!(made.is_null() || free(made, 0, RELEASE));
            assert_eq!(figures(), before, "{call:?} after {allowed}");
        }
    }
}

#[test]
fn a_heap_gives_all_of_its_memory_back() {
    let _alone = alone();
    let heap_tag = Tag::register("win32/heap").unwrap();
    let committed = || heap_tag.account().own.committed;
    let before = committed();
    let heap = arenite_win32_HeapCreate(0, 0, 0);
    let blocks = (0..1000).map(|size| arenite_win32_HeapAlloc(heap, 0, size * 50)).collect::<Vec<_>>();
    assert!(blocks.iter().all(|block| !block.is_null()) && committed() > before + 10_000_000);
    // SAFETY: nobody uses its blocks.
    assert_eq!(unsafe { arenite_win32_HeapDestroy(heap) }, 1);
    assert_eq!(committed(), before);
    // A budget refuses with a code, and the block to be moved stays.
    let heap = arenite_win32_HeapCreate(0, 0, 0);
    let block = arenite_win32_HeapAlloc(heap, 0, 100);
    heap_tag.set_budget(Budget::hard(committed() + (1 << 20)));
    assert!(arenite_win32_HeapAlloc(heap, 0, 8 << 20).is_null());
    assert_eq!(last_error(), 8);
    // SAFETY: a block of this heap that nobody uses meanwhile.
    assert!(unsafe { arenite_win32_HeapReAlloc(heap, 0, block, 8 << 20) }.is_null());
    assert_eq!((last_error(), arenite_win32_HeapSize(heap, 0, block)), (8, 100));
    heap_tag.set_budget(Budget::NONE);
    // SAFETY: nobody uses its blocks.
    assert_eq!(unsafe { arenite_win32_HeapDestroy(heap) }, 1);
}

/// Who works on a heap when another thread destroys it is told so, or was faster; nothing is torn.
#[test]
fn heaps_are_destroyed_under_way() {
    let _alone = alone();
    static HEAP: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
    static MADE: AtomicUsize = AtomicUsize::new(0);
    static DONE: AtomicBool = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for round in 0usize.. {
                    if DONE.load(Ordering::Relaxed) {
                        break;
                    }
                    let heap = HEAP.load(Ordering::Acquire);
                    let block = arenite_win32_HeapAlloc(heap, 0, round % 300);
                    if block.is_null() {
                        assert_eq!(last_error(), 6);
                        std::thread::yield_now();
                        continue;
                    }
                    MADE.fetch_add(1, Ordering::Relaxed);
                    // SAFETY: a block of this thread's, or gone with its heap.
                    unsafe {
                        let moved = arenite_win32_HeapReAlloc(heap, 0, block, round % 3000);
                        let block = if moved.is_null() { block } else { moved };
                        arenite_win32_HeapFree(heap, 0, block);
                    }
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..300 {
                let made = MADE.load(Ordering::Relaxed);
                HEAP.store(arenite_win32_HeapCreate(0, 0, 0), Ordering::Release);
                while MADE.load(Ordering::Relaxed) < made + 20 {
                    std::thread::yield_now();
                }
                // SAFETY: the other threads do not look into their blocks.
                unsafe { arenite_win32_HeapDestroy(HEAP.load(Ordering::Acquire)) };
            }
            DONE.store(true, Ordering::Relaxed);
        });
    });
}
