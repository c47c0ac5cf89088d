//! Attacks on the scratch stack from safe code, its boxes, its poison, its faults.

use std::boxed::Box;
use std::cell::Cell;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::vec::Vec;

use super::*;
use crate::ledger::{Budget, Ledger};
use crate::os::fake;

fn fresh_tag() -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register("test/scratch").expect("a fresh ledger has room")
}

fn stack() -> ScratchStack {
    ScratchStack::try_new(fresh_tag(), 4 << 20).unwrap()
}

/// Counts its drops, in order.
struct Noisy<'a>(&'a Cell<Vec<u32>>, u32);

impl Drop for Noisy<'_> {
    fn drop(&mut self) {
        let mut order = self.0.take();
        order.push(self.1);
        self.0.set(order);
    }
}

#[test]
fn scopes_nest_and_rewind_to_where_they_began() {
    let mut scratch = stack();
    let mut guard = scratch.guard();
    let mut outer = guard.scope();
    let kept = outer.alloc_slice_fill_with(100, |i| i);
    let before = outer.used();
    for depth in 0..5 {
        let sum = outer.scoped(|inner| {
            let words = inner.alloc_slice_fill_with(1000, |i| i + depth);
            let deeper = inner.alloc(1usize);
            let value = inner.scoped(|innermost| *innermost.alloc(40usize) + 1);
            words[10] + *deeper + value
        });
        assert_eq!(sum, 10 + depth + 42);
        assert_eq!(outer.used(), before);
    }
    let more = outer.alloc_slice_fill_with(100, |i| i * 2);
    assert!(kept.iter().zip(more.iter()).all(|(one, two)| one * 2 == *two));
    drop(guard);
    assert_eq!(scratch.used(), 0);
}

#[test]
fn a_scope_that_is_opened_again_starts_over() {
    let mut scratch = stack();
    let mut guard = scratch.guard();
    let first = core::ptr::from_ref(guard.scope().alloc(1u64)).addr();
    let second = core::ptr::from_ref(guard.scope().alloc(2u64)).addr();
    assert_eq!(first, second);
}

#[test]
fn a_panic_in_a_scope_rewinds_it() {
    let mut scratch = stack();
    let dropped = Cell::new(Vec::new());
    let answer = catch_unwind(AssertUnwindSafe(|| {
        scratch.scoped(|scope| {
            let _one = scope.alloc_box(Noisy(&dropped, 1));
            scope.scoped(|inner| {
                let _two = inner.alloc_box(Noisy(&dropped, 2));
                inner.alloc_slice_fill_with(1000, |_| 0u8);
                panic!("in the inner scope");
            })
        })
    }));
    assert!(answer.is_err());
    assert_eq!((scratch.used(), dropped.take()), (0, std::vec![2, 1]));
}

#[test]
fn forgotten_guards_leak_only_until_the_scope_around_ends() {
    let mut scratch = stack();
    {
        let mut guard = scratch.guard();
        let mut outer = guard.scope();
        let kept = outer.alloc(5u64);
        for _ in 0..3 {
            let mut inner = outer.guard();
            inner.scope().alloc_slice_fill_with(100, |_| 1u8);
            mem::forget(inner);
        }
        let after = outer.alloc_slice_copy(&[6u64; 4]);
        assert_eq!((*kept, &*after), (5, &[6; 4][..]));
        assert!(outer.used() >= 300);
    }
    assert_eq!(scratch.used(), 0);
    let mut guard = scratch.guard();
    guard.scope().alloc(1u8);
    mem::forget(guard);
    assert_ne!(scratch.used(), 0);
    scratch.scoped(|scope| assert_eq!(scope.used(), 0, "opening the stack frees what was forgotten"));
}

#[test]
fn swapped_guards_and_scopes_of_two_stacks() {
    let (mut one, mut other) = (stack(), stack());
    let mut guard_one = one.guard();
    let mut guard_other = other.guard();
    mem::swap(&mut guard_one, &mut guard_other);
    let mut scope_one = guard_one.scope();
    let mut scope_other = guard_other.scope();
    let value = scope_one.alloc(1u64);
    mem::swap(&mut scope_one, &mut scope_other);
    let values = (scope_one.alloc(2u64), scope_other.alloc(3u64));
    scope_one.scoped(|inner| inner.alloc_slice_fill_with(50, |_| 0xFFu8)[49]);
    assert_eq!((*value, *values.0, *values.1), (1, 2, 3));
    drop(guard_one);
    drop(guard_other);
    assert_eq!((one.used(), other.used()), (0, 0));
}

#[test]
fn a_box_drops_its_value_once_whatever_becomes_of_it() {
    let dropped = Cell::new(Vec::new());
    let mut scratch = stack();
    scratch.scoped(|scope| {
        let boxed = scope.alloc_box(Noisy(&dropped, 1));
        assert_eq!(boxed.1, 1);
        drop(boxed);
        let value = ScopeBox::into_inner(scope.alloc_box(Noisy(&dropped, 2)));
        assert_eq!(dropped.take(), [1], "into_inner drops nothing");
        drop(value);
        let leaked = ScopeBox::leak(scope.alloc_box(Noisy(&dropped, 3)));
        assert_eq!(leaked.1, 3);
        mem::forget(scope.alloc_box(Noisy(&dropped, 4)));
        let (mut left, mut right) =
            (scope.alloc_box(Noisy(&dropped, 5)), scope.alloc_box(Noisy(&dropped, 6)));
        mem::swap(&mut left, &mut right);
        mem::swap(&mut *left, &mut *right);
        let old = mem::replace(&mut *left, Noisy(&dropped, 7));
        assert_eq!((old.1, right.1), (5, 6));
    });
    // `old` was declared last, then `right`, then `left`.
    assert_eq!(dropped.take(), [2, 5, 6, 7]);
    // A zero-sized value has a destructor, too.
    struct Empty;
    std::thread_local!(static GONE: Cell<u32> = const { Cell::new(0) });
    impl Drop for Empty {
        fn drop(&mut self) {
            GONE.set(GONE.get() + 1);
        }
    }
    scratch.scoped(|scope| (0..5).for_each(|_| drop(scope.alloc_box(Empty))));
    assert_eq!(GONE.get(), 5);
}

#[test]
fn a_refused_box_drops_its_value() {
    let tag = fresh_tag();
    let mut scratch = ScratchStack::try_new(tag, 4 << 20).unwrap();
    tag.set_budget(Budget::hard(0));
    let dropped = Cell::new(Vec::new());
    scratch.scoped(|scope| {
        assert!(matches!(scope.try_alloc_box(Noisy(&dropped, 1)), Err(AllocError::Budget(_))));
        assert!(catch_unwind(AssertUnwindSafe(|| drop(scope.alloc_box(Noisy(&dropped, 2))))).is_err());
        assert_eq!(dropped.take(), [1, 2]);
        tag.set_budget(Budget::NONE);
        assert_eq!(scope.alloc_box(Noisy(&dropped, 3)).1, 3);
    });
}

#[test]
fn a_box_goes_to_another_thread_and_is_dropped_there() {
    let mut scratch = stack();
    scratch.scoped(|scope| {
        let text = scope.alloc_box(std::string::String::from("over there"));
        let length = std::thread::scope(|threads| threads.spawn(move || text.len()).join().unwrap());
        let here = scope.alloc_slice_fill_with(100, |_| 1u8);
        assert_eq!((length, here.len()), (10, 100));
    });
}

#[test]
fn vectors_in_a_scope_drop_their_elements_once() {
    let dropped = Cell::new(Vec::new());
    let mut scratch = stack();
    scratch.scoped(|scope| {
        let mut vector = scope.vec();
        let mut other = scope.vec();
        for i in 0..40 {
            vector.push(Noisy(&dropped, i));
            other.push(i);
        }
        assert_eq!(other.len(), 40);
        drop((vector.pop(), vector.remove(0), vector.swap_remove(0)));
        assert_eq!(dropped.take(), [39, 0, 1]);
        vector.retain(|noisy| noisy.1 % 2 == 0);
        assert_eq!(dropped.take().len(), 18);
        vector.truncate(3);
        let mut kept: Vec<u32> = vector.iter().map(|noisy| noisy.1).collect();
        kept.sort_unstable();
        let count = dropped.take().len();
        assert_eq!((kept.len(), count), (3, 16));
        assert!(catch_unwind(AssertUnwindSafe(|| vector.retain(|_| panic!("in the closure")))).is_err());
        drop(vector);
        let mut rest = dropped.take();
        rest.sort_unstable();
        assert_eq!(rest, kept);
    });
}

#[test]
fn a_destructor_that_panics_in_a_vector_runs_once() {
    struct Bomb<'a>(&'a Cell<u32>, bool);
    impl Drop for Bomb<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            assert!(!self.1, "bomb");
        }
    }
    let count = Cell::new(0);
    let mut scratch = stack();
    scratch.scoped(|scope| {
        let mut vector = scope.vec();
        (0..10).for_each(|i| vector.push(Bomb(&count, i == 4)));
        assert!(catch_unwind(AssertUnwindSafe(|| vector.truncate(2))).is_err());
        assert_eq!((vector.len(), count.get()), (2, 8));
        drop(vector);
        assert_eq!(count.get(), 10);
        let bomb = scope.alloc_box(Bomb(&count, true));
        assert!(catch_unwind(AssertUnwindSafe(|| drop(bomb))).is_err());
        assert_eq!(count.get(), 11);
    });
    assert_eq!(scratch.used(), 0);
}

#[test]
fn a_slot_opens_once_at_a_time() {
    let mut slot = ScratchSlot::new(stack());
    let mut guard = slot.guard();
    assert_eq!(slot.try_guard().unwrap_err(), ScratchBusy);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(slot.guard()))).is_err());
    guard.scope().alloc(1u64);
    drop(guard);
    let mut guard = slot.try_guard().expect("closed");
    guard.scope().alloc_slice_fill_with(100, |_| 1u8);
    mem::forget(guard);
    assert_eq!(slot.try_guard().unwrap_err(), ScratchBusy, "a forgotten guard keeps it open");
    assert_eq!(slot.get_mut().used(), 0);
    assert_eq!(slot.guard().scope().used(), 0);
    // Closed on unwinding, too.
    let answer = catch_unwind(AssertUnwindSafe(|| {
        let mut guard = slot.guard();
        guard.scope().alloc(1u8);
        panic!("with an open guard");
    }));
    assert!(answer.is_err());
    drop(slot.try_guard().expect("closed by the panic"));
    // Swapping the guards of two slots closes both.
    let other = ScratchSlot::new(stack());
    let (mut one, mut two) = (slot.guard(), other.guard());
    mem::swap(&mut one, &mut two);
    one.scope().alloc(1u8);
    drop((one, two));
    drop((slot.try_guard().unwrap(), other.try_guard().unwrap()));
}

#[test]
#[cfg(any(debug_assertions, feature = "hardened"))]
fn what_is_rewound_reads_as_poison() {
    let mut scratch = stack();
    let (start, size) = scratch.scoped(|scope| {
        let block = scope.alloc_slice_fill_with(300, |_| 0x11u8);
        (block.as_ptr(), block.len())
    });
    // SAFETY: the stack still has these pages committed, and nobody uses them now.
    let bytes = unsafe { core::slice::from_raw_parts(start, size) };
    assert!(bytes.iter().all(|byte| *byte == crate::base::POISON && *byte == 0xDF));
}

#[test]
fn trimming_gives_back_what_is_not_used() {
    let tag = fresh_tag();
    let mut scratch = ScratchStack::try_new(tag, 4 << 20).unwrap();
    scratch.try_presize(1 << 20).unwrap();
    scratch.scoped(|scope| scope.alloc_slice_fill_with(2 << 20, |_| 1u8).len());
    assert!(tag.account().subtree.committed >= 2 << 20);
    mem::forget(scratch.guard());
    scratch.try_trim(100 << 10).unwrap();
    assert_eq!(scratch.committed(), tag.account().subtree.committed);
    assert!((100 << 10..200 << 10).contains(&scratch.committed()));
    scratch.scoped(|scope| assert_eq!(scope.alloc_slice_fill_with(3 << 20, |_| 2u8)[(3 << 20) - 1], 2));
}

#[test]
fn every_refused_call_is_survived() {
    for allowed in 0..30 {
        let tag = fresh_tag();
        let plan = fake::fail_once_after(allowed);
        let mut made = ScratchStack::try_with(RegionOptions::new(tag, 4 << 20).prefault(true));
        if let Ok(scratch) = &mut made {
            for size in [10usize, 100_000, 300_000, 1_000_000] {
                scratch.scoped(|scope| {
                    let kept = scope.try_alloc(allowed).map(|kept| &*kept).ok();
                    if let Ok(words) = scope.try_alloc_slice_fill_with(size, |i| i as u8) {
                        assert!(words.iter().enumerate().all(|(i, word)| i as u8 == *word));
                    }
                    assert!(kept.is_none_or(|kept| *kept == allowed));
                });
                let _ = scratch.try_trim(size / 2);
                assert_eq!(tag.account().subtree.committed, scratch.committed());
            }
        }
        // A refused release would rightly stay charged, so the plan ends first.
        drop(plan);
        drop(made);
        let account = tag.account().subtree;
        assert_eq!((account.reserved, account.committed, account.live), (0, 0, 0), "after {allowed} calls");
    }
}
