//! The table against the ledger and a system that refuses.

use std::boxed::Box;

use super::*;
use crate::ledger::{Budget, Ledger};
use crate::os::{Call, fake};

fn fresh_tag() -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register("test/table").expect("a fresh ledger has room")
}

const LAYOUTS: [ColumnLayout; 4] =
    [ColumnLayout::bytes(64, 64), ColumnLayout::of::<u32>(), ColumnLayout::bit(), ColumnLayout::of::<()>()];

fn table(tag: Tag, capacity: usize) -> Table<4> {
    Table::try_reserve(&RegionOptions::new(tag, 0), LAYOUTS, capacity, capacity).expect("address space")
}

/// Writes every byte of every row.
fn touch(table: &Table<4>) {
    for (index, bytes) in
        [64 * table.rows(), 4 * table.rows(), table.rows().div_ceil(64) * 8].into_iter().enumerate()
    {
        // SAFETY: memory of all rows is there, and the test uses the table alone.
        unsafe { table.column(index).as_ptr().write_bytes(0xA5, bytes) };
    }
}

#[test]
fn the_ledger_follows_a_table_through_its_life() {
    let tag = fresh_tag();
    let mut table = table(tag, 1 << 20);
    assert_eq!((table.rows(), table.committed()), (0, 0));
    assert_eq!(tag.account().subtree.reserved, table.reserved());
    assert!(table.reserved() >= (64 + 4) << 20);
    let mut grown = 0;
    for rows in [1, 2, 1000, 5000, 5001, 100_000, 1 << 20] {
        table.try_grow(rows).unwrap();
        assert!(table.rows() >= rows.max(grown));
        grown = table.rows();
        touch(&table);
        assert_eq!(tag.account().subtree.committed, table.committed());
    }
    table.publish_live(4711);
    assert_eq!(tag.account().subtree.live, 4711);
    // SAFETY: nobody uses any row.
    unsafe { table.try_shrink(700) }.unwrap();
    assert!((700..2000).contains(&table.rows()));
    assert_eq!(tag.account().subtree.committed, table.committed());
    touch(&table);
    drop(table);
    let account = tag.account().subtree;
    assert_eq!((account.reserved, account.committed, account.live), (0, 0, 0));
}

#[test]
fn columns_are_apart_and_aligned() {
    let tag = fresh_tag();
    let layouts = [
        ColumnLayout::bytes(1, 1),
        ColumnLayout::bytes(16384, 16384),
        ColumnLayout::of::<u64>(),
        ColumnLayout::bit(),
    ];
    let mut table = Table::try_reserve(&RegionOptions::new(tag, 0), layouts, 300, 300).unwrap();
    table.try_grow(300).unwrap();
    let sizes = [300, 300 * 16384, 300 * 8, 40];
    let starts = [0, 1, 2, 3].map(|index| table.column(index).addr().get());
    assert_eq!(starts[1] % 16384, 0);
    for (start, align) in starts.iter().zip([64, 16384, 64, 64]) {
        assert_eq!(start % align, 0);
    }
    for index in 1..4 {
        let end = starts[index - 1] + sizes[index - 1];
        assert!(starts[index] / os::page_size() > end.div_ceil(os::page_size()), "no guard page");
    }
}

#[test]
fn words_for_many_rows_are_there_for_each_of_them() {
    let tag = fresh_tag();
    let layouts = [ColumnLayout::words(3, 64), ColumnLayout::words(1, 4096), ColumnLayout::of::<u8>()];
    let mut table = Table::try_reserve(&RegionOptions::new(tag, 0), layouts, 3 << 20, 3 << 20).unwrap();
    for rows in [1, 64, 65, 4096, 4097, 500_000, 3 << 20] {
        table.try_grow(rows).unwrap();
        let rows = table.rows();
        for (index, bytes) in [rows.div_ceil(64) * 24, rows.div_ceil(4096) * 8, rows].into_iter().enumerate()
        {
            // SAFETY: memory of all rows is there, and the test uses the table alone.
            unsafe { table.column(index).as_ptr().write_bytes(0xA5, bytes) };
        }
        assert_eq!(tag.account().subtree.committed, table.committed());
    }
}

#[test]
fn a_busy_table_makes_few_calls_and_small_steps_fill_their_pages() {
    let tag = fresh_tag();
    let mut table = table(tag, 1 << 20);
    let plan = fake::fail_after(Call::Commit, u64::MAX);
    for rows in 1..=1 << 20 {
        table.try_grow(rows).unwrap();
        if rows == 1 {
            assert!(table.committed() <= 64 << 10, "the first step took {}", table.committed());
            assert!(table.rows() >= 800, "its pages hold more than {} rows", table.rows());
        }
    }
    assert!(plan.seen() <= 3 * 40, "{} commits", plan.seen());
}

#[test]
fn a_budget_stops_the_step_before_it_stops_the_need() {
    let tag = fresh_tag();
    let page = os::page_size();
    tag.set_budget(Budget::hard(20 * page));
    let mut table = table(tag, 1 << 20);
    let mut rows = 0;
    let refused = loop {
        match table.try_grow(rows + 1) {
            Ok(()) => rows = table.rows(),
            Err(error) => break error,
        }
        touch(&table);
        assert_eq!(tag.account().subtree.committed, table.committed());
    };
    assert!(matches!(refused, AllocError::Budget(_)), "{refused}");
    assert!(table.committed() >= 18 * page, "{} left unused", 20 * page - table.committed());
    assert_eq!(tag.account().subtree.committed, table.committed());
}

#[test]
fn rows_beyond_the_capacity_are_refused_by_name() {
    let tag = fresh_tag();
    let mut table = table(tag, 100);
    table.try_grow(100).unwrap();
    assert_eq!(table.rows(), 100);
    assert_eq!(table.try_grow(101), Err(AllocError::Full { tag, capacity: 100 }));
    let absurd = Table::try_reserve(&RegionOptions::new(tag, 0), LAYOUTS, usize::MAX, usize::MAX);
    assert!(matches!(absurd, Err(AllocError::TooLarge { .. })), "{absurd:?}");
    // Halved until it fits.
    let halved = Table::try_reserve(&RegionOptions::new(tag, 0), LAYOUTS, usize::MAX, 1).unwrap();
    assert!(halved.capacity() >= 1 << 20);
}

#[test]
fn every_refusal_of_the_system_leaves_ledger_and_rows_right() {
    for at in 0..9 {
        let tag = fresh_tag();
        let mut table = table(tag, 1 << 20);
        table.try_grow(10).unwrap();
        let before = (table.rows(), table.committed());
        {
            // Every call from there on: the step is refused, and just what is needed as well.
            let _plan = fake::fail_after(Call::Commit, at);
            if table.try_grow(before.0 + 1).is_err() {
                assert_eq!((table.rows(), table.committed()), before);
            }
        }
        assert_eq!(tag.account().subtree.committed, table.committed());
        table.try_grow(before.0 + 1).unwrap();
        touch(&table);
        assert_eq!(tag.account().subtree.committed, table.committed());
    }
}

#[test]
fn a_refused_shrink_keeps_the_charge_until_it_is_gone() {
    for at in 0..3 {
        let tag = fresh_tag();
        let mut table = table(tag, 1 << 20);
        table.try_grow(100_000).unwrap();
        {
            let _plan = fake::fail_after(Call::Decommit, at);
            // SAFETY: nobody uses any row.
            let answer = unsafe { table.try_shrink(0) };
            assert!(answer.is_err());
        }
        assert_eq!(tag.account().subtree.committed, table.committed());
        table.try_grow(200_000).unwrap();
        touch(&table);
        assert_eq!(tag.account().subtree.committed, table.committed());
        drop(table);
        assert_eq!(tag.account().subtree.committed, 0);
    }
}
