//! What safe code can do to a typed pool.

use std::boxed::Box;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::format;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::{String, ToString};
use std::vec::Vec;

use super::*;
use crate::ledger::{Budget, Ledger};

fn fresh_tag() -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register("test/pool").expect("a fresh ledger has room")
}

struct Counted<'c>(&'c Cell<u32>, bool);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
        assert!(!self.1, "a destructor that panics");
    }
}

#[test]
fn a_box_is_like_any_other() {
    let pool = Pool::try_new(fresh_tag(), 10).unwrap();
    let mut name = pool.insert(String::from("elf"));
    name.push('!');
    assert_eq!((name.len(), format!("{name} {name:?}")), (4, String::from("elf! \"elf!\"")));
    let other = pool.insert("orc".to_string());
    assert!(name < other && name != other && name.as_ref() == "elf!");
    let mut sorted = [other, name];
    sorted.sort();
    assert_eq!(*sorted[0], "elf!");
    drop(sorted);
    assert_eq!(pool.live(), 0);
}

#[test]
fn destructors_run_once_also_when_they_panic() {
    let dropped = Cell::new(0);
    let mut pool = Pool::try_new(fresh_tag(), 10).unwrap();
    drop(pool.insert(Counted(&dropped, false)));
    assert_eq!((dropped.get(), pool.live()), (1, 0));
    let bomb = pool.insert(Counted(&dropped, true));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(bomb))).is_err());
    assert_eq!((dropped.get(), pool.live()), (2, 0), "its place is free all the same");
    let inner = pool.insert(Counted(&dropped, false)).into_inner();
    assert_eq!((dropped.get(), pool.live()), (2, 0));
    drop(inner);
    let leaked = pool.insert(Counted(&dropped, false)).leak();
    leaked.1 = true;
    core::mem::forget(pool.insert(Counted(&dropped, true)));
    assert_eq!((dropped.get(), pool.live()), (3, 2));
    pool.free_all();
    assert_eq!((dropped.get(), pool.live(), pool.committed()), (3, 0, 0));
}

#[test]
fn constructors_may_panic_and_use_the_pool() {
    let pool = Pool::try_new(fresh_tag(), 100).unwrap();
    let failed = catch_unwind(AssertUnwindSafe(|| drop(pool.insert_with(|| -> u64 { panic!("no value") }))));
    assert!(failed.is_err());
    assert_eq!(pool.live(), 0);
    let outer = pool.insert_with(|| {
        let inner: Vec<_> = (0..50).map(|number| pool.insert(number)).collect();
        inner.iter().map(|number| **number).sum()
    });
    assert_eq!((*outer, pool.live()), (1225, 1));
}

#[test]
fn values_of_any_shape() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(64))]
    struct Line(u8);
    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(4096))]
    struct Page(u8);
    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(32))]
    struct Nothing;

    fn try_all<T: Copy + PartialEq + core::fmt::Debug>(values: impl Iterator<Item = T>) {
        let pool = Pool::try_new(fresh_tag(), 300).unwrap();
        let values: Vec<T> = values.collect();
        let mut boxes: Vec<_> = values.iter().map(|value| pool.insert(*value)).collect();
        let starts: BTreeSet<_> = boxes.iter().map(|value| core::ptr::from_ref(&**value).addr()).collect();
        assert_eq!(starts.len(), boxes.len(), "two values in one place");
        assert!(starts.iter().all(|start| start.is_multiple_of(align_of::<T>())));
        for (boxed, value) in boxes.iter().zip(&values) {
            assert!(**boxed == *value && pool.contains(&raw const **boxed));
        }
        boxes.retain(|value| core::ptr::from_ref(&**value).addr() % 3 == 0);
        assert_eq!(pool.live(), boxes.len());
    }
    try_all((0..255).map(Line));
    try_all((0..100).map(Page));
    try_all((0..100).map(|_| Nothing));
    try_all((0..100).map(|_| ()));
    try_all(0..200u8);
    try_all((0..250u8).map(|byte| [byte; 3]));
    try_all((0..250u8).map(|byte| [u64::from(byte); 9]));
}

#[test]
fn a_refused_value_comes_back() {
    let tag = fresh_tag();
    let pool = Pool::try_with(PoolOptions::new(tag, 2).bounded()).unwrap();
    let kept = [pool.insert(Box::new(1)), pool.insert(Box::new(2))];
    let refused = pool.try_insert(Box::new(3)).expect_err("it is full");
    assert_eq!(refused.error, AllocError::Full { tag, capacity: 2 });
    assert!(refused.to_string().contains("`test/pool`") && refused.to_string().contains('2'));
    assert_eq!(*refused.into_value(), 3);
    let panicked = catch_unwind(AssertUnwindSafe(|| drop(pool.insert(Box::new(4)))));
    assert!(panicked.is_err());
    assert_eq!(kept.map(PoolBox::into_inner), [Box::new(1), Box::new(2)]);

    tag.set_budget(Budget::hard(0));
    let poor = Pool::try_new(tag, 2).unwrap();
    assert!(matches!(poor.try_insert(5).map_err(|refused| refused.error), Err(AllocError::Budget(_))));
}

#[test]
fn raw_pointers_come_back() {
    let dropped = Cell::new(0);
    let pool = Pool::try_new(fresh_tag(), 2).unwrap();
    let raw = pool.insert(Counted(&dropped, false)).into_raw();
    assert_eq!((dropped.get(), pool.live()), (0, 1));
    // SAFETY: from a box of this pool, once.
    drop(unsafe { PoolBox::from_raw(&pool, raw) });
    assert_eq!((dropped.get(), pool.live()), (1, 0));
}

#[test]
fn a_pool_that_lives_for_ever_pins() {
    let pool: &'static Pool<u32> = Box::leak(Box::new(Pool::try_new(fresh_tag(), 2).unwrap()));
    let mut pinned = pool.insert(7).into_pin();
    pinned.set(8);
    assert_eq!(*pinned, 8);
}

#[test]
fn live_bytes_reach_the_ledger_when_asked() {
    let tag = fresh_tag();
    let pool = Pool::try_new(tag, 100).unwrap();
    let boxes: Vec<_> = (0..30u64).map(|number| pool.insert(number)).collect();
    pool.publish();
    assert_eq!((tag.account().subtree.live, pool.stats().live), (240, 30));
    drop(boxes);
    pool.publish();
    assert_eq!((tag.account().subtree.live, pool.stats().high_water), (0, 30));
    drop(pool);
    assert_eq!((tag.account().subtree.committed, tag.account().subtree.reserved), (0, 0));
}
