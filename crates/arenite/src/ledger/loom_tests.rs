//! Every interleaving of two threads at one ledger. A model's ledger is small (`CAPACITY`) and leaked.

use std::boxed::Box;

use loom::thread;

use super::*;
use crate::base::sync::AtomicUsize;

fn ledger() -> &'static Ledger {
    Box::leak(Box::new(Ledger::new()))
}

/// Of two charges that do not fit together one is refused, the peak stays within the budget, and sums agree.
#[test]
fn loom_two_charges_never_exceed_one_budget() {
    loom::model(|| {
        let ledger = ledger();
        let root = ledger.register("r").unwrap();
        let (a, b) = (root.child("a").unwrap(), root.child("b").unwrap());
        root.set_budget(Budget::hard(10));
        let other = thread::spawn(move || a.try_charge_committed(6).is_ok());
        let mine = b.try_charge_committed(7).is_ok();
        let theirs = other.join().unwrap();
        assert!(mine != theirs, "one fits, both do not");
        let all = root.account();
        let held = if mine { 7 } else { 6 };
        assert_eq!((all.subtree.committed, all.peak_committed, all.subtree.commits), (held, held, 1));
    });
}

#[test]
fn loom_a_credit_makes_room_for_the_other() {
    loom::model(|| {
        let tag = ledger().register("t").unwrap();
        tag.set_budget(Budget::hard(10));
        tag.try_charge_committed(6).unwrap();
        let other = thread::spawn(move || tag.credit_committed(6));
        let fits = tag.try_charge_committed(7).is_ok();
        other.join().unwrap();
        let account = tag.account();
        assert_eq!(account.own.committed, if fits { 7 } else { 0 });
        assert_eq!(account.peak_committed, if fits { 7 } else { 6 });
    });
}

#[test]
fn loom_one_name_is_one_account() {
    loom::model(|| {
        let ledger = ledger();
        let other = thread::spawn(move || ledger.register("a/b").unwrap());
        let mine = ledger.register("a/b").unwrap();
        assert_eq!(other.join().unwrap(), mine);
        assert_eq!(ledger.len(), 2);
        assert_eq!(mine.name(), "a/b");
    });
}

/// Two threads want the last place: one gets it, the other an error, and a reader sees no half-made account.
#[test]
fn loom_the_last_place_goes_to_one() {
    loom::model(|| {
        let ledger = ledger();
        ledger.register("x/y").unwrap();
        let other = thread::spawn(move || ledger.register("a").is_ok());
        let mine = ledger.register("b").is_ok();
        assert!(ledger.tags().all(|tag| !tag.name().is_empty()));
        assert!(mine != other.join().unwrap());
        assert_eq!(ledger.len(), 3);
        assert_eq!(ledger.untagged().name(), "untagged");
    });
}

/// Two threads cross the mark: the callbacks are called once, by one of them.
#[test]
fn loom_a_crossing_is_told_once() {
    loom::model(|| {
        let tag = ledger().register("t").unwrap();
        tag.set_budget(Budget::soft(10));
        let calls: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(0)));
        tag.on_pressure(Box::leak(Box::new(move |_: &Pressure| {
            calls.fetch_add(1, Ordering::Relaxed);
        })))
        .unwrap();
        let other = thread::spawn(move || tag.try_charge_committed(11).unwrap());
        tag.try_charge_committed(12).unwrap();
        other.join().unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert_eq!(tag.account().own.committed, 23);
    });
}

/// Two threads are refused at once: who asks gets the room that the callback makes, who comes meanwhile fails or fits, and the
/// limit holds.
#[test]
fn loom_who_is_refused_asks_once_and_alone() {
    loom::model(|| {
        let tag = ledger().register("t").unwrap();
        tag.set_budget(Budget::hard(10));
        tag.try_charge_committed(10).unwrap();
        let state: &'static [AtomicUsize; 2] =
            Box::leak(Box::new([AtomicUsize::new(0), AtomicUsize::new(0)]));
        tag.on_pressure(Box::leak(Box::new(move |p: &Pressure| {
            let [inside, calls] = state;
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "nobody else is in here");
            assert_eq!((p.level, p.wanted), (PressureLevel::Refused, 4));
            calls.fetch_add(1, Ordering::Relaxed);
            tag.credit_committed(4);
            inside.fetch_sub(1, Ordering::Relaxed);
        })))
        .unwrap();
        let other = thread::spawn(move || tag.try_charge_committed(4).is_ok());
        let mine = tag.try_charge_committed(4).is_ok();
        let theirs = other.join().unwrap();
        let calls = state[1].load(Ordering::Relaxed);
        assert!(mine || theirs, "who asked had its room, or the other one took it");
        assert!((1..=2).contains(&calls));
        let account = tag.account();
        let held = 4 * (usize::from(mine) + usize::from(theirs));
        assert_eq!((account.own.committed, account.peak_committed), (10 - 4 * calls + held, 10));
        assert_eq!(tag.ledger().callback_panics(), 0);
    });
}
