//! Pressure callbacks: once per crossing, hysteresis, re-entrancy, panics, making room.

use std::boxed::Box;
use std::string::ToString;
use std::sync::{Arc, Mutex, OnceLock};
use std::vec::Vec;

use super::tests::{commit, ledger};
use super::*;
use PressureLevel::{Over, Refused, Warning};

/// Everything a tag's callback was told.
type Told = Arc<Mutex<Vec<Pressure>>>;

fn listen(tag: Tag) -> Told {
    let told = Told::default();
    let writer = Arc::clone(&told);
    tag.on_pressure(Box::leak(Box::new(move |p: &Pressure| writer.lock().unwrap().push(*p)))).unwrap();
    told
}

fn levels(told: &Told) -> Vec<PressureLevel> {
    told.lock().unwrap().drain(..).map(|p| p.level).collect()
}

#[test]
fn once_per_crossing_with_hysteresis() {
    let tag = ledger().register("t").unwrap();
    tag.set_budget(Budget::soft(1000).warn_at(0.8));
    let told = listen(tag);
    commit(tag, 799);
    assert_eq!(levels(&told), []);
    commit(tag, 1);
    assert_eq!(levels(&told), [Warning]);
    commit(tag, 100);
    // 760 is 95 % of the mark: not below it, so not armed again.
    tag.credit_committed(140);
    commit(tag, 100);
    assert_eq!(levels(&told), []);
    tag.credit_committed(101);
    commit(tag, 41);
    assert_eq!(levels(&told), [Warning]);
    commit(tag, 201);
    assert_eq!(levels(&told), [Over]);
    commit(tag, 500);
    tag.credit_committed(551);
    assert_eq!(tag.account().own.committed, 950);
    commit(tag, 51);
    assert_eq!(levels(&told), [], "950 is not below 95 % of 1000");
    tag.credit_committed(52);
    commit(tag, 52);
    assert_eq!(levels(&told), [Over], "the warning mark was not left, so only the limit is told");
    tag.credit_committed(1001);
    commit(tag, 1001);
    assert_eq!(levels(&told), [Over], "both marks at once are told once, as the worse");
    tag.credit_committed(100);
    commit(tag, 1);
    assert_eq!(levels(&told), [], "falling back into the warning range is no crossing upwards");
}

#[test]
fn the_parent_is_told_of_its_children() {
    let ledger = ledger();
    let parent = ledger.register("p").unwrap();
    let (a, b) = (parent.child("a").unwrap(), parent.child("b").unwrap());
    parent.set_budget(Budget::soft(100));
    a.set_budget(Budget::soft(10));
    let (told, told_a) = (listen(parent), listen(a));
    commit(b, 95);
    commit(a, 11);
    let all = told.lock().unwrap().clone();
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].tag, all[0].level, all[0].in_use, all[0].wanted), (parent, Over, 106, 0));
    assert_eq!(all[0].budget, Budget::soft(100));
    assert_eq!(told_a.lock().unwrap()[0].tag, a);
}

#[test]
fn each_refusal_is_told_but_not_twice() {
    let tag = ledger().register("t").unwrap();
    tag.set_budget(Budget::hard(100));
    let told = listen(tag);
    commit(tag, 90);
    for _ in 0..3 {
        assert!(tag.try_charge_committed(20).is_err());
    }
    let all = told.lock().unwrap().clone();
    assert_eq!(all.len(), 3);
    for told in all {
        assert_eq!((told.level, told.in_use, told.wanted), (Refused, 90, 20));
    }
    assert_eq!(tag.account().own.committed, 90);
}

/// What the callback frees is little, so that the figure stays near the limit; it is asked before each failure all the same.
#[test]
fn a_callback_that_frees_a_page_at_a_time_is_always_asked() {
    let ledger = ledger();
    let (tag, other) = (ledger.register("t").unwrap(), ledger.register("other").unwrap());
    let cache = tag.child("cache").unwrap();
    tag.set_budget(Budget::hard(100));
    commit(cache, 50);
    commit(tag, 50);
    tag.on_pressure(Box::leak(Box::new(move |p: &Pressure| {
        assert_eq!(p.level, Refused);
        if cache.account().own.committed >= p.wanted {
            cache.credit_committed(p.wanted);
        }
    })))
    .unwrap();
    for page in 0..20 {
        assert_eq!(tag.try_charge_committed(1), Ok(()), "page {page}");
        commit(other, 1);
        assert_eq!(other.try_transfer_committed(tag, 1), Ok(()), "page {page}");
    }
    assert_eq!((tag.account().own.committed, cache.account().own.committed), (90, 10));
    for _ in 0..10 {
        commit(tag, 1);
    }
    assert!(tag.try_charge_committed(1).is_err(), "nothing is left to free");
    assert_eq!(ledger.callback_panics(), 0);
}

/// A callback that can free nothing now may be able to later, though no figure has changed.
#[test]
fn a_callback_that_was_asked_in_vain_is_asked_again() {
    let tag = ledger().register("t").unwrap();
    let pinned: &'static Mutex<bool> = Box::leak(Box::new(Mutex::new(true)));
    tag.set_budget(Budget::hard(100));
    tag.on_pressure(Box::leak(Box::new(move |p: &Pressure| {
        if !*pinned.lock().unwrap() {
            p.tag.credit_committed(p.wanted);
        }
    })))
    .unwrap();
    commit(tag, 100);
    assert!(tag.try_charge_committed(3).is_err());
    *pinned.lock().unwrap() = false;
    commit(tag, 3);
    assert_eq!(tag.account().own.committed, 100);
}

/// Two tags of a chain that undo each other's work: each is asked once, and the charge fails.
#[test]
fn a_charge_asks_each_tag_once_and_comes_to_an_end() {
    let ledger = ledger();
    let parent = ledger.register("p").unwrap();
    let (tag, sibling) = (parent.child("t").unwrap(), parent.child("s").unwrap());
    tag.set_budget(Budget::hard(100));
    parent.set_budget(Budget::hard(100));
    commit(tag, 95);
    let asked: &'static Mutex<Vec<Tag>> = Box::leak(Box::default());
    tag.on_pressure(Box::leak(Box::new(move |p: &Pressure| {
        asked.lock().unwrap().push(p.tag);
        tag.credit_committed(10);
        commit(sibling, 10);
    })))
    .unwrap();
    parent
        .on_pressure(Box::leak(Box::new(move |p: &Pressure| {
            asked.lock().unwrap().push(p.tag);
            sibling.credit_committed(10);
            commit(tag, 10);
        })))
        .unwrap();
    let refused = tag.try_charge_committed(10).unwrap_err();
    assert_eq!((*asked.lock().unwrap()).as_slice(), [tag, parent]);
    assert_eq!((refused.tag, tag.account().own.committed, sibling.account().own.committed), (tag, 95, 0));
}

/// Nobody waits for a callback of another thread: it may wait for somebody.
#[test]
fn who_is_refused_while_another_thread_is_in_the_callback_fails_at_once() {
    let tag = ledger().register("t").unwrap();
    tag.set_budget(Budget::hard(100));
    tag.on_pressure(&|p| {
        let tag = p.tag;
        let other = std::thread::spawn(move || tag.try_charge_committed(50).is_err());
        assert!(other.join().unwrap());
        assert!(tag.try_charge_committed(50).is_err(), "nor inside itself");
        tag.credit_committed(50);
    })
    .unwrap();
    commit(tag, 100);
    commit(tag, 50);
    assert_eq!((tag.account().own.committed, tag.ledger().callback_panics()), (100, 0));
}

#[test]
fn a_callback_can_make_room_at_each_tag_that_refuses() {
    let ledger = ledger();
    let parent = ledger.register("p").unwrap();
    let (tag, cache) = (parent.child("t").unwrap(), parent.child("t/cache").unwrap());
    let other = parent.child("other").unwrap();
    tag.set_budget(Budget::hard(100));
    parent.set_budget(Budget::hard(150));
    commit(cache, 80);
    commit(other, 70);
    tag.on_pressure(Box::leak(Box::new(move |p: &Pressure| cache.credit_committed(p.wanted)))).unwrap();
    parent.on_pressure(Box::leak(Box::new(move |_: &Pressure| other.credit_committed(5)))).unwrap();
    // 80 + 30 is too much for `t`: the cache gives up 30. Then 50 + 70 + 30 fits `p` to the byte.
    commit(tag, 30);
    assert_eq!((cache.account().own.committed, other.account().own.committed), (50, 70));
    // 50 + 30 + 20 fits `t` but not `p`, which asks `other`; 5 is not enough, and the charge is refused by `p`.
    let refused = tag.try_charge_committed(20).unwrap_err();
    assert_eq!((refused.tag, refused.in_use), (parent, 145));
    assert_eq!((tag.account().own.committed, other.account().own.committed), (30, 65));
}

#[test]
fn lowering_the_budget_is_a_crossing() {
    let tag = ledger().register("t").unwrap();
    tag.set_budget(Budget::hard(100));
    let told = listen(tag);
    commit(tag, 98);
    assert!(tag.try_charge_committed(20).is_err());
    assert_eq!(levels(&told), [Refused]);
    tag.set_budget(Budget::hard(50));
    assert_eq!(levels(&told), [Over]);
    tag.set_budget(Budget::hard(40));
    assert_eq!(levels(&told), [], "it was over already");
    tag.set_budget(Budget::hard(100).warn_at(0.9));
    assert_eq!(levels(&told), [], "coming down into the warning range is no crossing upwards");
    tag.set_budget(Budget::hard(1000));
    tag.set_budget(Budget::hard(100).warn_at(0.9));
    assert_eq!(levels(&told), [Warning], "the mark came down through the figure");
    tag.set_budget(Budget::NONE);
    commit(tag, 1000);
    assert_eq!(levels(&told), []);
}

#[test]
fn a_callback_never_runs_inside_itself() {
    let ledger = ledger();
    let tag = ledger.register("t").unwrap();
    tag.set_budget(Budget::soft(100).warn_at(0.5));
    let told: &'static Mutex<Vec<(PressureLevel, bool)>> = Box::leak(Box::default());
    let inside: &'static Mutex<bool> = Box::leak(Box::default());
    tag.on_pressure(Box::leak(Box::new(move |p: &Pressure| {
        told.lock().unwrap().push((p.level, core::mem::replace(&mut *inside.lock().unwrap(), true)));
        if p.level == Warning {
            // Crosses the limit of the very tag this call is about, and looks at the ledger: no lock is held.
            commit(p.tag.child("more").unwrap(), 100);
            assert!(p.tag.account().subtree.committed > 100);
        }
        *inside.lock().unwrap() = false;
    })))
    .unwrap();
    commit(tag, 50);
    assert_eq!(*told.lock().unwrap(), [(Warning, false), (Over, false)]);
}

#[test]
fn a_callback_that_goes_up_and_down_comes_to_an_end() {
    let tag = ledger().register("t").unwrap();
    tag.set_budget(Budget::soft(100));
    let calls: &'static Mutex<usize> = Box::leak(Box::default());
    tag.on_pressure(Box::leak(Box::new(move |p: &Pressure| {
        *calls.lock().unwrap() += 1;
        p.tag.credit_committed(p.in_use);
        commit(p.tag, 200);
    })))
    .unwrap();
    commit(tag, 200);
    let first = *calls.lock().unwrap();
    assert!((1..=4).contains(&first));
    assert_eq!(tag.account().own.committed, 200);
    // What was left untold is told at the next charge.
    commit(tag, 1);
    assert!(*calls.lock().unwrap() > first);
}

/// A callback of the inner tag frees so much that the outer one has nothing to be told.
#[test]
fn news_that_is_over_is_not_told() {
    let ledger = ledger();
    let outer = ledger.register("o").unwrap();
    let inner = outer.child("i").unwrap();
    outer.set_budget(Budget::soft(100));
    inner.set_budget(Budget::soft(100));
    inner.on_pressure(Box::leak(Box::new(move |_: &Pressure| inner.credit_committed(60)))).unwrap();
    let told = listen(outer);
    commit(inner, 101);
    assert_eq!(levels(&told), []);
    commit(outer, 60);
    assert_eq!(levels(&told), [Over]);
}

#[cfg(feature = "std")]
#[test]
fn a_panic_in_a_callback_is_caught_and_counted() {
    struct PanicsAgain;
    impl Drop for PanicsAgain {
        fn drop(&mut self) {
            panic!("the payload panics too");
        }
    }
    let ledger = ledger();
    let tag = ledger.register("t").unwrap();
    tag.set_budget(Budget::hard(100));
    tag.on_pressure(&|_| panic!("on purpose")).unwrap();
    tag.on_pressure(&|_| std::panic::panic_any(PanicsAgain)).unwrap();
    let told = listen(tag);
    commit(tag, 60);
    assert!(tag.try_charge_committed(50).is_err());
    assert_eq!(levels(&told), [Refused], "those after it are called all the same");
    assert_eq!(ledger.callback_panics(), 2);
    tag.credit_committed(60);
    assert!(tag.try_charge_committed(101).is_err());
    assert_eq!(levels(&told), [Refused], "the tag can be called again");
    assert_eq!((ledger.callback_panics(), tag.account().own.committed), (4, 0));
}

#[test]
fn places_for_callbacks_run_out() {
    let tag = ledger().register("t").unwrap();
    for _ in 0..CALLBACKS_MAX {
        tag.on_pressure(&|_| {}).unwrap();
    }
    let full = tag.on_pressure(&|_| {}).unwrap_err();
    assert_eq!(full.tag, tag);
    assert_eq!(full.to_string(), "tag `t` has 4 pressure callbacks already; let one of them call the others");
}

#[test]
fn all_callbacks_of_a_tag_are_called_in_order() {
    let tag = ledger().register("t").unwrap();
    let order: &'static Mutex<Vec<usize>> = Box::leak(Box::default());
    for n in 0..CALLBACKS_MAX {
        tag.on_pressure(Box::leak(Box::new(move |_: &Pressure| order.lock().unwrap().push(n)))).unwrap();
    }
    tag.set_budget(Budget::soft(1));
    commit(tag, 2);
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3]);
}

#[test]
fn no_two_threads_are_in_one_tags_callbacks() {
    let ledger = ledger();
    let tag = ledger.register("t").unwrap();
    tag.set_budget(Budget::soft(100));
    static INSIDE: Mutex<()> = Mutex::new(());
    static CALLS: OnceLock<()> = OnceLock::new();
    tag.on_pressure(&|_| {
        let _alone = INSIDE.try_lock().expect("nobody else is in here");
        CALLS.get_or_init(|| ());
        std::thread::yield_now();
    })
    .unwrap();
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                for _ in 0..500 {
                    commit(tag, 60);
                    tag.credit_committed(60);
                }
            });
        }
    });
    commit(tag, 101);
    assert!(CALLS.get().is_some());
    assert_eq!(ledger.callback_panics(), 0);
    assert_eq!(tag.account().own.committed, 101);
}

#[test]
fn pressure_texts() {
    let tag = ledger().register("scene").unwrap();
    tag.set_budget(Budget::hard(2048).warn_at(0.5));
    let told = listen(tag);
    commit(tag, 1024);
    assert!(tag.try_charge_committed(4096).is_err());
    tag.set_budget(Budget::hard(1000));
    let texts: Vec<_> = told.lock().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "tag `scene` nears its budget: 1.0 KiB in use, hard budget of 2.0 KiB, warning from 1.0 KiB",
            "tag `scene` has no room for 4.0 KiB: 1.0 KiB in use, hard budget of 2.0 KiB, warning from 1.0 KiB",
            "tag `scene` is over its budget: 1.0 KiB in use, hard budget of 1000 B",
        ]
    );
}
