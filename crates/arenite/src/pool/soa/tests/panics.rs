//! Constructors, clones, comparisons and destructors that panic.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::{Arc, Mutex};

use super::*;

type Log = Arc<Mutex<Vec<u32>>>;

/// Notes its number when it is dropped; panics then, or when it is cloned, if it is told to.
struct Noisy {
    log: Log,
    number: u32,
    drop_panics: bool,
    clone_panics: bool,
}

impl Drop for Noisy {
    fn drop(&mut self) {
        self.log.lock().unwrap().push(self.number);
        if self.drop_panics {
            panic_any(self.number);
        }
    }
}

impl Clone for Noisy {
    fn clone(&self) -> Self {
        if self.clone_panics {
            resume_unwind(Box::new(self.number));
        }
        Self { log: Arc::clone(&self.log), drop_panics: false, ..*self }
    }
}

#[derive(Soa)]
#[soa(crate = "crate")]
struct Two {
    number: u32,
    one: Noisy,
    plain: u8,
    other: Noisy,
}

fn noisy(log: &Log, number: u32) -> Noisy {
    Noisy { log: Arc::clone(log), number, drop_panics: false, clone_panics: false }
}

fn two(log: &Log, number: u32) -> Two {
    Two { number, one: noisy(log, number), plain: 0, other: noisy(log, number + 1000) }
}

/// `count` rows, and where their drops are noted.
fn rows(count: u32) -> (Columns<Two>, Log) {
    let log = Log::default();
    let mut columns = Columns::try_new(fresh_tag(), 1000).unwrap();
    columns.extend((0..count).map(|number| two(&log, number)));
    (columns, log)
}

fn noted(log: &Log) -> Vec<u32> {
    let mut numbers = core::mem::take(&mut *log.lock().unwrap());
    numbers.sort_unstable();
    numbers
}

fn both(numbers: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let mut all: Vec<u32> = numbers.into_iter().flat_map(|number| [number, number + 1000]).collect();
    all.sort_unstable();
    all
}

/// The number that the first panic carried.
fn caught<R>(run: impl FnOnce() -> R) -> Option<u32> {
    catch_unwind(AssertUnwindSafe(run)).err().map(|payload| *payload.downcast::<u32>().expect("a number"))
}

#[test]
fn all_are_dropped_once_whoever_panics() {
    type Ends = [fn(&mut Columns<Two>); 4];
    let ends: Ends = [
        |columns| columns.clear(),
        |columns| columns.truncate(0),
        |columns| drop(columns.drain()),
        |columns| {
            let empty = Columns::try_new(columns.tag(), 1).unwrap();
            drop(core::mem::replace(columns, empty));
        },
    ];
    for end in ends {
        let (mut columns, log) = rows(10);
        for number in [3, 4, 9] {
            columns.columns_mut().one[number].drop_panics = true;
            columns.columns_mut().other[number].drop_panics = true;
        }
        assert_eq!(caught(|| end(&mut columns)), Some(3), "the first one goes on");
        assert_eq!(noted(&log), both(0..10));
        assert!(columns.is_empty());
        columns.check();
        columns.push(two(&log, 50));
        drop(columns);
        assert_eq!(noted(&log), both([50]));
    }
}

#[test]
fn a_drop_while_a_panic_is_under_way_does_not_end_the_process() {
    let (mut columns, log) = rows(5);
    columns.columns_mut().one[2].drop_panics = true;
    let first = caught(move || {
        let _kept = columns;
        panic_any(77_u32);
    });
    assert_eq!((first, noted(&log)), (Some(77), both(0..5)));
}

#[test]
fn a_sieve_goes_on_when_a_destructor_panics_and_stops_when_it_panics_itself() {
    let (mut columns, log) = rows(10);
    let handles: Vec<_> = columns.handles().collect();
    for number in [2, 6] {
        columns.columns_mut().one[number].drop_panics = true;
    }
    assert_eq!(caught(|| columns.retain(|row| *row.number % 2 == 1)), Some(6));
    assert_eq!(noted(&log), both([0, 2, 4, 6, 8]));
    columns.check();
    assert!(
        handles.iter().enumerate().all(|(number, handle)| columns.contains(*handle) == (number % 2 == 1))
    );

    let mut seen = 0;
    let stopped = caught(|| {
        columns.retain(|_| {
            seen += 1;
            if seen == 3 {
                panic_any(3_u32);
            }
            false
        });
    });
    assert_eq!((stopped, columns.len(), noted(&log).len()), (Some(3), 3, 4));
    columns.check();
    drop(columns);
    assert_eq!(noted(&log).len(), 6);
}

#[test]
fn a_clone_that_panics_leaves_whole_rows() {
    let (mut columns, log) = rows(10);
    columns.columns_mut().other[6].clone_panics = true;
    let mut copies: Columns<Two> = Columns::try_new(fresh_tag(), 100).unwrap();
    copies.push(two(&log, 500));
    assert_eq!(caught(|| copies.extend_from(&columns)), Some(1006));
    // The row's first clone is gone again; six rows are there.
    assert_eq!(noted(&log), [6]);
    assert_eq!(copies.len(), 7);
    let slices = copies.columns();
    assert_eq!((slices.number.len(), slices.one.len(), slices.plain.len(), slices.other.len()), (7, 7, 7, 7));
    assert!(
        copies.iter().all(|row| *row.number == row.one.number && row.one.number + 1000 == row.other.number)
    );
    copies.check();
    assert_eq!(caught(|| columns.cloned(columns.handle_at(6).unwrap()).is_some()), Some(1006));
    drop(copies);
    assert_eq!(noted(&log).len(), 1 + 14);
    drop(columns);
    assert_eq!(noted(&log).len(), 20);
}

#[test]
fn a_constructor_that_panics_leaves_what_was_there() {
    let (mut columns, log) = rows(3);
    let first = caught(|| {
        columns.extend((10..20).map(|number| {
            if number == 15 {
                panic_any(number);
            }
            two(&log, number)
        }));
    });
    assert_eq!((first, columns.len()), (Some(15), 8));
    columns.check();
    drop(columns);
    assert_eq!(noted(&log), both([0, 1, 2, 10, 11, 12, 13, 14]));
}

#[test]
fn a_comparison_that_panics_changes_no_order_and_no_name() {
    let (mut columns, log) = rows(100);
    columns.sort_by_key(|row| row.number.wrapping_mul(2_654_435_761));
    let order: Vec<u32> = columns.columns().number.to_vec();
    let handles: Vec<_> = columns.handles().collect();
    for after in [0, 1, 50, 300] {
        let mut calls = 0;
        let stopped = caught(|| {
            columns.sort_by(|one, other| {
                calls += 1;
                if calls > after {
                    panic_any(1_u32);
                }
                one.number.cmp(other.number)
            });
        });
        assert_eq!(stopped, Some(1));
        assert_eq!(columns.columns().number, order);
        assert!(columns.handles().eq(handles.iter().copied()));
        columns.check();
    }
    // No total order at all: any order or a panic, but every row once.
    let mut toss = 0_u32;
    let _ = catch_unwind(AssertUnwindSafe(|| {
        columns.sort_by(|_, _| {
            toss = toss.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if toss >> 31 == 0 { core::cmp::Ordering::Less } else { core::cmp::Ordering::Greater }
        });
    }));
    columns.check();
    assert!(
        handles.iter().zip(&order).all(|(handle, number)| columns.get(*handle).unwrap().number == number)
    );
    drop(columns);
    assert_eq!(noted(&log), both(0..100));
}
