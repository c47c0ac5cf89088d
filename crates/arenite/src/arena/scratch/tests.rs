//! Attacks on the scratch stack from safe code, its boxes, its poison, its faults.

use std::boxed::Box;
use std::cell::Cell;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::vec::Vec;

use super::*;
use crate::ledger::{Budget, Ledger};
use crate::os::{Call, fake};

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
fn what_a_forgotten_guard_held_is_used_again() {
    let mut scratch = stack();
    {
        let mut guard = scratch.guard();
        let mut outer = guard.scope();
        let kept = outer.alloc(5u64);
        let mut places = Vec::new();
        for _ in 0..3 {
            let mut inner = outer.guard();
            places.push(inner.scope().alloc_slice_fill_with(100, |_| 1u8).as_ptr());
            mem::forget(inner);
            assert_eq!(outer.used(), 8);
        }
        let after = outer.alloc_slice_copy(&[6u64; 4]);
        places.push(after.as_ptr().cast());
        assert!(places.iter().all(|place| *place == places[0]));
        // Also inside a scope whose own guard is forgotten, and after it.
        let mut inner = outer.guard();
        let mut scope = inner.scope();
        let inside = scope.alloc(7u64);
        mem::forget(scope.guard());
        assert_eq!((*inside, *scope.alloc(8u64)), (7, 8));
        mem::forget(inner);
        let last = outer.alloc(9u64);
        assert_eq!((*kept, &*after, *last), (5, &[6; 4][..], 9));
    }
    let mut guard = scratch.guard();
    let first = core::ptr::from_ref(guard.scope().alloc(1u64)).addr();
    mem::forget(guard);
    assert_eq!(scratch.used(), 0);
    let again = scratch.scoped(|scope| core::ptr::from_ref(scope.alloc(2u64)).addr());
    assert_eq!(first, again);
}

#[test]
fn a_scope_goes_on_after_a_nested_one_has_committed_pages() {
    let tag = fresh_tag();
    let mut scratch = ScratchStack::try_new(tag, 8 << 20).unwrap();
    let mut guard = scratch.guard();
    let mut outer = guard.scope();
    let before = outer.alloc_slice_fill_with(1000, |i| i);
    let committed = tag.account().subtree.committed;
    for round in 0..3 {
        outer.scoped(|inner| {
            assert_eq!(inner.alloc_slice_fill_with(100_000, |_| usize::MAX)[99_999], usize::MAX);
        });
        let grown = tag.account().subtree.committed;
        assert!(grown > committed);
        let plan = fake::fail_after(Call::Commit, 0);
        let after = outer.alloc_slice_fill_with(20_000, |i| i * round);
        assert_eq!(plan.refused(), 0, "what the nested scope committed serves");
        assert!(after.iter().enumerate().all(|(i, word)| *word == i * round));
        assert_eq!(tag.account().subtree.committed, grown);
    }
    assert!(before.iter().enumerate().all(|(i, word)| i == *word));
    assert_eq!(outer.used(), (1000 + 3 * 20_000) * 8);
}

#[test]
fn vectors_strings_and_blocks_share_one_scope() {
    let mut scratch = stack();
    scratch.scoped(|scope| {
        let mut blocks = Vec::new();
        let mut vector = scope.vec();
        let mut string = scope.string();
        for i in 0..300u64 {
            vector.push(i);
            blocks.push(scope.alloc([i; 3]));
            string.push(char::from(b'a' + (i % 26) as u8));
            if i % 50 == 0 {
                let words = scope.alloc_slice_from_iter((0..i).map(|word| word + 1));
                assert!(words.iter().copied().eq(1..=i));
                assert_eq!(scope.alloc_fmt(format_args!("{i}")).parse(), Ok(i));
            }
        }
        assert!(vector.iter().enumerate().all(|(i, word)| i as u64 == *word));
        assert!(blocks.iter().enumerate().all(|(i, block)| **block == [i as u64; 3]));
        assert!(string.bytes().enumerate().all(|(i, byte)| byte == b'a' + (i % 26) as u8));
        let used = scope.used();
        let mut last = scope.vec();
        last.extend([1u64; 500]);
        drop(last);
        assert_eq!(scope.used(), used, "a vector that is last gives its room back");
        assert!(catch_unwind(AssertUnwindSafe(|| *scope.alloc_with(|| -> u64 { panic!("init") }))).is_err());
        assert_eq!(scope.used(), used);
    });
}

std::thread_local! {
    static VICTIM: Cell<Option<&'static Scope<'static>>> = const { Cell::new(None) };
    /// Given back by the callback.
    static BALLAST: Cell<Option<crate::ArenaVec<'static, u64>>> = const { Cell::new(None) };
    static LARGE: Cell<usize> = const { Cell::new(0) };
    static STOLEN: Cell<Vec<&'static mut [u64]>> = const { Cell::new(Vec::new()) };
}

/// What a pressure callback can do to the scope whose allocation it interrupts, all of it safe.
fn intrude(_: &crate::ledger::Pressure) {
    let Some(scope) = VICTIM.get() else { return };
    let used = scope.used();
    drop(BALLAST.take());
    assert!(scope.used() <= used);
    let mut stolen = STOLEN.take();
    for fill in 0..4 {
        stolen.push(scope.alloc_slice_fill_with(1 << fill, |_| 0x5151));
    }
    stolen.push(scope.alloc_slice_from_iter((0..100).map(|_| 0x5151)));
    // Large enough to commit pages from inside the charge for others, or so small that they are there.
    stolen.push(scope.alloc_slice_fill_with(LARGE.get(), |_| 0x5151));
    stolen.push(core::slice::from_mut(scope.alloc(0x5151)));
    STOLEN.set(stolen);
}

/// Lets the next growth of a leaked scope run [`intrude`], with a vector to give back first and without one.
fn with_intruder(attack: impl Fn(&'static Scope<'static>)) {
    for (ballast, large) in [(false, 30), (false, 30_000), (true, 30), (true, 30_000)] {
        LARGE.set(large);
        let tag = fresh_tag();
        let scratch = Box::leak(Box::new(ScratchStack::try_new(tag, 8 << 20).unwrap()));
        let guard = Box::leak(Box::new(scratch.guard()));
        let scope: &'static Scope<'static> = Box::leak(Box::new(guard.scope()));
        let kept = scope.alloc_slice_fill_with(100, |_| 0u64);
        if ballast {
            let mut vector = scope.vec();
            vector.extend([1; 50]);
            BALLAST.set(Some(vector));
        }
        let in_use = tag.account().subtree.committed;
        // The next growth crosses the mark.
        tag.set_budget(Budget::soft(1 << 30).warn_at((in_use + 1) as f64 / f64::from(1 << 30)));
        tag.on_pressure(&intrude).unwrap();
        VICTIM.set(Some(scope));
        attack(scope);
        // Whatever was given back is used again here.
        let more = scope.alloc_slice_fill_with(40_000, |_| 0xCCCCu64);
        VICTIM.set(None);
        let stolen = STOLEN.take();
        assert_eq!(stolen.len(), 7, "the callback ran, once");
        for block in &stolen {
            assert!(block.iter().all(|word| *word == 0x5151), "a block of {} was overwritten", block.len());
        }
        assert!(kept.iter().all(|word| *word == 0) && more.iter().all(|word| *word == 0xCCCC));
        let mut places: Vec<_> = stolen.iter().map(|block| block.as_ptr_range()).collect();
        places.extend([kept.as_ptr_range(), more.as_ptr_range()]);
        places.sort_by_key(|place| place.start);
        assert!(places.windows(2).all(|pair| pair[0].end <= pair[1].start), "two blocks overlap");
    }
}

#[test]
fn a_pressure_callback_allocates_in_the_scope_that_grows() {
    with_intruder(|scope| {
        let block = scope.alloc_slice_copy(&std::vec![0xAAAAu64; 20_000]);
        let next = scope.alloc([0xBBBBu64; 100]);
        assert!(block.iter().all(|word| *word == 0xAAAA) && next.iter().all(|word| *word == 0xBBBB));
    });
    with_intruder(|scope| {
        let block = scope.alloc([0xAAAAu64; 20_000]);
        let next = scope.try_alloc([0xBBBBu64; 20_000]).unwrap();
        assert!(block.iter().all(|word| *word == 0xAAAA) && next.iter().all(|word| *word == 0xBBBB));
    });
}

#[test]
fn a_pressure_callback_allocates_behind_a_vector_of_the_scope_that_grows() {
    with_intruder(|scope| {
        let mut vector = scope.vec::<u64>();
        vector.extend(0..50_000);
        assert!(vector.iter().enumerate().all(|(i, word)| i as u64 == *word));
    });
}

#[test]
fn a_pressure_callback_allocates_in_a_scope_before_a_closure_that_panics() {
    with_intruder(|scope| {
        #[repr(align(64))]
        struct Wide([u64; 20_000]);
        let answer = catch_unwind(AssertUnwindSafe(|| scope.alloc_with(|| -> Wide { panic!("init") }).0[0]));
        assert!(answer.is_err());
    });
}

#[test]
fn a_pressure_callback_may_be_refused_in_the_scope_that_grows() {
    fn greedy(_: &crate::ledger::Pressure) {
        if let Some(scope) = VICTIM.get() {
            assert!(scope.try_alloc_slice_uninit::<u64>(usize::MAX / 16).is_err());
            assert!(scope.try_alloc_slice_uninit::<u8>(9 << 20).is_err());
            STOLEN.set(std::vec![scope.alloc_slice_copy(&[0x5151])]);
        }
    }
    let tag = fresh_tag();
    let scratch = Box::leak(Box::new(ScratchStack::try_new(tag, 8 << 20).unwrap()));
    let guard = Box::leak(Box::new(scratch.guard()));
    let scope: &'static Scope<'static> = Box::leak(Box::new(guard.scope()));
    let kept = scope.alloc(1u64);
    tag.on_pressure(&greedy).unwrap();
    VICTIM.set(Some(scope));
    // The charge itself is refused after the callback was served.
    tag.set_budget(Budget::hard(tag.account().subtree.committed));
    assert!(matches!(scope.try_alloc_slice_fill_with(100_000, |_| 0xAAu8), Err(AllocError::Budget(_))));
    VICTIM.set(None);
    let stolen = STOLEN.take();
    assert_eq!(stolen.len(), 1, "the callback ran");
    let next = scope.alloc(3u64);
    tag.set_budget(Budget::NONE);
    let large = scope.alloc_slice_fill_with(100_000, |_| 0xAAu8);
    assert_eq!((*kept, &*stolen[0], *next, large[99_999]), (1, &[0x5151][..], 3, 0xAA));
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
#[cfg(any(debug_assertions, feature = "hardened"))]
fn all_that_a_guard_frees_is_poisoned_and_nothing_else() {
    fn poisoned(place: (*const u8, usize)) -> bool {
        // SAFETY: the stack still has these pages committed, and nobody uses them now.
        unsafe { core::slice::from_raw_parts(place.0, place.1) }.iter().all(|byte| *byte == 0xDF)
    }
    fn filled(scope: &Scope<'_>, size: usize) -> (*const u8, usize) {
        let block = scope.alloc_slice_fill_with(size, |_| 0x11u8);
        (block.as_ptr(), block.len())
    }
    let mut scratch = stack();
    let mut guard = scratch.guard();
    let mut outer = guard.scope();
    let kept = outer.alloc_slice_fill_with(100, |_| 0x22u8);
    let places = {
        let mut inner_guard = outer.guard();
        let first = filled(&inner_guard.scope(), 500);
        let mut inner = inner_guard.scope();
        assert!(poisoned(first), "a scope that is opened again starts over");
        let second = filled(&inner, 300);
        let forgotten = {
            let mut nested = inner.guard();
            // Large enough to commit pages.
            let place = filled(&nested.scope(), 200_000);
            mem::forget(nested);
            place
        };
        let third = filled(&inner, 50);
        // SAFETY: this scope's memory, while its guard is open.
        assert_eq!(unsafe { second.0.read() }, 0x11);
        [first, second, forgotten, third]
    };
    assert!(places.into_iter().all(poisoned));
    assert!(kept.iter().all(|byte| *byte == 0x22), "the scope around it is untouched");
    let place = filled(&outer, 100);
    mem::forget(guard);
    drop(scratch.guard());
    assert!(poisoned(place) && poisoned(places[2]), "the next guard poisons what a forgotten one held");
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
