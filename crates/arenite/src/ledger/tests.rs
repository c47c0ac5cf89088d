//! Exact figures, names, capacity, races, texts.

use std::boxed::Box;
use std::collections::HashSet;
use std::format;
use std::string::{String, ToString};
use std::sync::Barrier;
use std::vec;
use std::vec::Vec;

use super::*;

pub(super) fn ledger() -> &'static Ledger {
    Box::leak(Box::new(Ledger::new()))
}

pub(super) fn commit(tag: Tag, bytes: usize) {
    tag.try_charge_committed(bytes).expect("within the budget");
}

#[test]
fn figures_are_exact_and_sum_up_the_tree() {
    let ledger = ledger();
    let scene = ledger.register("scene").unwrap();
    let textures = scene.child("textures").unwrap();
    let agents = ledger.register("scene/agents").unwrap();

    textures.charge_reserved(1000);
    textures.charge_reserved(500);
    agents.charge_reserved(100);
    scene.charge_reserved(7);
    commit(textures, 64);
    commit(textures, 32);
    commit(agents, 8);
    commit(scene, 1);
    textures.move_live(0, 50);
    textures.move_live(50, 40);
    agents.move_live(0, 3);
    textures.credit_committed(32);
    textures.credit_reserved(500);

    let own = textures.account().own;
    assert_eq!((own.reserved, own.committed, own.live), (1000, 64, 40));
    assert_eq!((own.reservations, own.commits, own.decommits), (2, 2, 1));
    assert_eq!(textures.account().subtree, own);
    assert_eq!((textures.account().peak_committed, textures.account().peak_live), (96, 50));

    let all = scene.account();
    assert_eq!((all.own.reserved, all.own.committed, all.own.live), (7, 1, 0));
    assert_eq!((all.subtree.reserved, all.subtree.committed, all.subtree.live), (1107, 73, 43));
    assert_eq!((all.subtree.reservations, all.subtree.commits, all.subtree.decommits), (4, 4, 1));
    // 64 + 32 + 8 + 1 at once; live was 50, then 40 + 3.
    assert_eq!((all.peak_committed, all.peak_live), (105, 50));

    textures.move_live(40, 0);
    textures.credit_committed(64);
    textures.credit_reserved(1000);
    agents.move_live(3, 0);
    agents.credit_committed(8);
    agents.credit_reserved(100);
    scene.credit_committed(1);
    scene.credit_reserved(7);
    let end = scene.account();
    assert_eq!((end.subtree.reserved, end.subtree.committed, end.subtree.live), (0, 0, 0));
    assert_eq!((end.peak_committed, end.peak_live), (105, 50));
}

#[test]
fn the_peak_of_all_is_of_one_moment() {
    let ledger = ledger();
    let (first, second) = (ledger.register("first").unwrap(), ledger.register("second").unwrap());
    let child = second.child("child").unwrap();
    commit(first, 100);
    first.credit_committed(90);
    commit(child, 50);
    assert_eq!(ledger.peak_committed(), 100, "not 150, which were never there together");
    child.transfer_committed(first, 50);
    assert_eq!(ledger.peak_committed(), 100, "what changes hands was there before");
    second.set_budget(Budget::hard(10));
    child.try_charge_committed(60).unwrap_err();
    assert_eq!(ledger.peak_committed(), 100, "what was refused was never there");
    commit(first, 50);
    assert_eq!(ledger.peak_committed(), 110);
}

#[test]
fn a_refused_charge_leaves_no_trace() {
    let ledger = ledger();
    let outer = ledger.register("outer").unwrap();
    let inner = outer.child("mid").unwrap().child("inner").unwrap();
    outer.set_budget(Budget::hard(100));
    commit(inner, 60);
    inner.credit_committed(20);

    let before: Vec<_> = ledger.tags().map(Tag::account).collect();
    let refused = inner.try_charge_committed(61).unwrap_err();
    assert_eq!((refused.tag, refused.limit, refused.in_use, refused.wanted), (outer, 100, 40, 61));
    let after: Vec<_> = ledger.tags().map(Tag::account).collect();
    assert_eq!(before, after);

    // To the last byte.
    commit(inner, 60);
    assert_eq!(outer.account().subtree.committed, 100);
    assert_eq!(outer.account().status, BudgetStatus::Ok);
    assert!(inner.try_charge_committed(1).is_err());
    assert_eq!(inner.try_charge_committed(usize::MAX).unwrap_err().wanted, usize::MAX);
}

#[test]
fn the_nearest_refusing_tag_is_named() {
    let ledger = ledger();
    let outer = ledger.register("outer").unwrap();
    let inner = outer.child("inner").unwrap();
    outer.set_budget(Budget::hard(10));
    inner.set_budget(Budget::hard(5));
    assert_eq!(inner.try_charge_committed(11).unwrap_err().tag, inner);
    inner.set_budget(Budget::NONE);
    assert_eq!(inner.try_charge_committed(11).unwrap_err().tag, outer);
}

#[test]
fn without_a_budget_only_the_address_space_refuses() {
    let tag = ledger().register("t").unwrap();
    commit(tag, usize::MAX - 1);
    let refused = tag.try_charge_committed(2).unwrap_err();
    assert_eq!((refused.limit, refused.in_use, refused.wanted), (usize::MAX, usize::MAX - 1, 2));
    commit(tag, 1);
    assert_eq!(tag.account().own.committed, usize::MAX);
}

#[test]
fn nothing_is_no_commit() {
    let tag = ledger().register("t").unwrap();
    tag.set_budget(Budget::hard(0));
    commit(tag, 0);
    tag.credit_committed(0);
    assert_eq!(tag.account().own, Figures::ZERO);
}

#[test]
fn a_hard_limit_below_what_is_in_use_refuses_until_it_falls() {
    let tag = ledger().register("t").unwrap();
    commit(tag, 100);
    tag.set_budget(Budget::hard(50));
    assert_eq!(tag.account().status, BudgetStatus::Over(50));
    assert!(tag.try_charge_committed(1).is_err());
    tag.credit_committed(51);
    commit(tag, 1);
    assert_eq!(tag.account().own.committed, 50);
    assert!(tag.try_charge_committed(1).is_err());
}

#[test]
fn a_soft_limit_only_reports() {
    let tag = ledger().register("t").unwrap();
    tag.set_budget(Budget::soft(100).warn_at(0.5));
    commit(tag, 49);
    assert_eq!(tag.account().status, BudgetStatus::Ok);
    commit(tag, 1);
    assert_eq!(tag.account().status, BudgetStatus::Warning);
    commit(tag, 50);
    assert_eq!(tag.account().status, BudgetStatus::Warning);
    commit(tag, 11);
    assert_eq!(tag.account().status, BudgetStatus::Over(11));
    assert_eq!(tag.budget(), Budget::soft(100).warn_at(0.5));
}

#[test]
fn warning_fractions_are_kept_in_range() {
    assert_eq!(Budget::hard(1000).warn_at(0.8).warning(), Some(800));
    assert_eq!(Budget::hard(1000).warn_at(-3.0).warning(), Some(0));
    assert_eq!(Budget::hard(1000).warn_at(7.0).warning(), Some(1000));
    assert_eq!(Budget::hard(1000).warn_at(f64::NAN).warning(), Some(1000));
    assert_eq!(Budget::hard(usize::MAX).warn_at(1.0).warning(), Some(usize::MAX));
    assert_eq!(Budget::NONE.warn_at(0.8), Budget::NONE);
}

/// Credits too much in each way; debug builds panic, and in every build the figures stop at zero and other tags keep
/// theirs.
#[test]
fn crediting_too_much_is_noticed_and_never_wraps() {
    let ledger = ledger();
    let parent = ledger.register("p").unwrap();
    let (child, sibling) = (parent.child("c").unwrap(), parent.child("s").unwrap());
    for tag in [child, sibling] {
        tag.charge_reserved(10);
        commit(tag, 10);
        tag.move_live(0, 10);
    }
    let wrongs: [&dyn Fn(); 3] =
        [&|| child.credit_reserved(11), &|| child.credit_committed(11), &|| child.move_live(11, 0)];
    for wrong in wrongs {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(wrong));
        assert_eq!(caught.is_err(), cfg!(debug_assertions));
    }
    let (own, all) = (child.account().own, parent.account().subtree);
    assert_eq!((own.reserved, own.committed, own.live), (0, 0, 0));
    assert_eq!((all.reserved, all.committed, all.live), (10, 10, 10));
}

#[test]
fn registering_creates_parents_once_and_in_order() {
    let ledger = ledger();
    assert!(ledger.is_empty());
    let deep = ledger.register("a/b/c").unwrap();
    assert_eq!(ledger.register("a/b/c"), Ok(deep));
    let b = deep.parent().unwrap();
    let a = b.parent().unwrap();
    assert_eq!((a.name(), b.name(), deep.name()), ("a", "a/b", "a/b/c"));
    assert_eq!(a.parent(), None);
    assert_eq!((ledger.find("a"), ledger.find("a/b"), ledger.find("b")), (Some(a), Some(b), None));
    assert_eq!(a.child("b/c"), Ok(deep));
    let names: Vec<_> = ledger.tags().map(Tag::name).collect();
    assert_eq!(names, ["a", "a/b", "a/b/c"]);
    assert_eq!(ledger.tags().len(), 3);
    assert_eq!(ledger.len(), 3);
}

#[test]
fn tags_are_equal_by_account() {
    let (one, two) = (ledger(), ledger());
    let (a, b) = (one.register("same").unwrap(), two.register("same").unwrap());
    assert_ne!(a, b);
    assert_eq!(a, one.register("same").unwrap());
    let set: HashSet<_> = [a, b, a].into();
    assert_eq!(set.len(), 2);
    assert_eq!(
        (format!("{a}"), format!("{a:?}"), format!("{a:>6}")),
        ("same".into(), "Tag(same)".into(), "  same".into())
    );
    fn everywhere<T: Send + Sync + Copy>(_: T) {}
    everywhere(a);
    assert_eq!(size_of::<Tag>(), size_of::<usize>());
    assert!(core::ptr::eq(a.ledger(), one));
}

#[test]
fn names_that_are_allowed() {
    let ledger = ledger();
    for name in
        ["a", "A-Z_0.9", "two words", "Größe/Bäume", "描画/テクスチャ", "a:b(c)", "🎮", &"x".repeat(63)]
    {
        assert_eq!(ledger.register(name).map(Tag::name), Ok(name));
    }
    // The deepest path there can be: 32 parts.
    let deepest = vec!["d"; 32].join("/");
    assert_eq!(deepest.len(), NAME_MAX);
    let tag = ledger.register(&deepest).unwrap();
    assert_eq!(tag.chain().count(), 32);
    let outermost = ledger.find("d").unwrap();
    outermost.set_budget(Budget::soft(1));
    commit(tag, 5);
    assert_eq!(outermost.account().status, BudgetStatus::Over(4));
}

#[test]
fn names_that_are_refused() {
    use NameFault::{EmptySegment, NotPrintable};
    let ledger = ledger();
    for (name, at, fault) in [
        ("", 0, EmptySegment),
        ("/", 0, EmptySegment),
        ("/a", 0, EmptySegment),
        ("a/", 2, EmptySegment),
        ("a//b", 2, EmptySegment),
        ("a/  /b", 2, EmptySegment),
        ("a\nb", 1, NotPrintable),
        ("a/b\0", 3, NotPrintable),
        ("\u{7f}", 0, NotPrintable),
        ("é\u{85}", 2, NotPrintable),
        ("a\u{200b}", 1, NotPrintable),
        ("a\u{202e}b", 1, NotPrintable),
        ("a\u{a0}b", 1, NotPrintable),
    ] {
        assert_eq!(ledger.register(name), Err(TagError::BadName { at, fault }), "{name:?}");
    }
    assert_eq!(ledger.register(&"x".repeat(64)), Err(TagError::NameTooLong { len: 64 }));
    assert!(ledger.is_empty(), "a refused name registers no parent either");

    let long = ledger.register(&"x".repeat(60)).unwrap();
    assert_eq!(long.child("abc"), Err(TagError::NameTooLong { len: 64 }));
    assert_eq!(long.child("a/"), Err(TagError::BadName { at: 63, fault: EmptySegment }));
    assert!(long.child("ab").is_ok());
    assert_eq!(ledger.len(), 2);
}

#[test]
fn a_full_ledger_says_so_and_keeps_a_place_for_untagged() {
    let ledger = ledger();
    for n in 0..Ledger::CAPACITY - 2 {
        ledger.register(&n.to_string()).unwrap();
    }
    // One place left beside that of `untagged`: two more do not fit, and none of the two is registered.
    assert_eq!(ledger.register("new/tag"), Err(TagError::TagsFull));
    assert_eq!(ledger.len(), Ledger::CAPACITY - 2);
    assert_eq!(ledger.register("untagged/x"), ledger.find("untagged/x").ok_or(TagError::TagsFull));
    assert_eq!(ledger.len(), Ledger::CAPACITY, "the kept place was used for untagged itself");
    assert_eq!(ledger.untagged().name(), "untagged");
    assert_eq!(ledger.register("more"), Err(TagError::TagsFull));
    assert_eq!(ledger.register("7").map(Tag::name), Ok("7"), "what is there is still found");

    let mut all = vec![AccountSnapshot::default(); Ledger::CAPACITY];
    assert_eq!(ledger.snapshot_into(&mut all), Ledger::CAPACITY);
    assert_eq!(all[Ledger::CAPACITY - 1].parent, Some("untagged"));
}

#[test]
fn untagged_always_finds_a_place() {
    let ledger = ledger();
    let mut n = 0;
    while ledger.register(&n.to_string()).is_ok() {
        n += 1;
    }
    assert_eq!(n, Ledger::CAPACITY - 1);
    assert_eq!(ledger.untagged(), ledger.untagged());
    assert_eq!(ledger.len(), Ledger::CAPACITY);
}

#[test]
fn the_process_ledger_is_one() {
    let tag = Tag::register("tests/process").unwrap();
    assert_eq!(Ledger::process().find("tests/process"), Some(tag));
    assert_eq!(Tag::untagged(), Ledger::process().untagged());
}

#[test]
fn racing_registrations_agree() {
    for _ in 0..50 {
        let ledger = ledger();
        let start = Barrier::new(4);
        let found: Vec<[Tag; 3]> = std::thread::scope(|s| {
            let racers: Vec<_> = (0..4)
                .map(|_| {
                    s.spawn(|| {
                        start.wait();
                        ["a/b", "a/c", "a"].map(|path| ledger.register(path).unwrap())
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert!(found.iter().all(|tags| *tags == found[0]));
        assert_eq!(ledger.len(), 3);
    }
}

#[test]
fn racing_charges_never_exceed_the_budget_and_add_up() {
    let ledger = ledger();
    let root = ledger.register("root").unwrap();
    root.set_budget(Budget::hard(1000));
    let refusals: usize = std::thread::scope(|s| {
        let racers: Vec<_> = (0..4)
            .map(|n| {
                let tag = root.child(&n.to_string()).unwrap();
                s.spawn(move || {
                    let mut refusals = 0;
                    for _ in 0..2000 {
                        // Twice 300 by four threads: sometimes too much.
                        let held =
                            [300, 300].map(|bytes| tag.try_charge_committed(bytes).map_or(0, |()| bytes));
                        refusals += held.iter().filter(|bytes| **bytes == 0).count();
                        held.iter().for_each(|bytes| tag.credit_committed(*bytes));
                    }
                    refusals
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    let all = root.account();
    assert_eq!(all.subtree.committed, 0);
    assert!((600..=1000).contains(&all.peak_committed));
    assert_eq!(all.subtree.commits as usize, 4 * 2 * 2000 - refusals);
    assert_eq!(all.subtree.commits, all.subtree.decommits);
}

/// Two tags exchange bytes under a constant sum; every picture shows that sum.
#[test]
fn a_snapshot_of_all_is_of_one_moment() {
    let ledger = ledger();
    let root = ledger.register("root").unwrap();
    let (a, b) = (root.child("a").unwrap(), root.child("b").unwrap());
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|s| {
        s.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                commit(a, 3);
                b.move_live(0, 3);
                a.credit_committed(3);
                b.move_live(3, 0);
            }
        });
        let mut all = [AccountSnapshot::default(); 3];
        for _ in 0..5000 {
            assert_eq!(ledger.snapshot_into(&mut all), 3);
            assert_eq!(all[0].subtree.committed, all[1].own.committed + all[2].own.committed);
            assert_eq!(all[0].subtree.live, all[1].own.live + all[2].own.live);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let mut short = [AccountSnapshot::default(); 2];
    assert_eq!(ledger.snapshot_into(&mut short), 2);
    assert_eq!((short[1].name, short[1].parent), ("root/a", Some("root")));
}

#[test]
fn texts() {
    let ledger = ledger();
    let tag = ledger.register("scene/textures").unwrap();
    tag.set_budget(Budget::hard(8 << 20).warn_at(0.5));
    commit(tag, (7 << 20) + (1 << 19));
    let text = |error: &dyn std::error::Error| -> String { error.to_string() };
    assert_eq!(
        text(&tag.try_charge_committed(1 << 20).unwrap_err()),
        "tag `scene/textures`: budget of 8.0 MiB would be broken: 7.5 MiB in use, 1.0 MiB wanted; raise the budget or \
         free something under this tag"
    );
    assert_eq!(tag.budget().to_string(), "hard budget of 8.0 MiB, warning from 4.0 MiB");
    assert_eq!(Budget::soft(1024).to_string(), "soft budget of 1.0 KiB");
    assert_eq!(Budget::NONE.to_string(), "no budget");
    assert_eq!(BudgetStatus::Ok.to_string(), "ok");
    assert_eq!(BudgetStatus::Warning.to_string(), "warning");
    assert_eq!(BudgetStatus::Over(2048).to_string(), "over by 2.0 KiB");
    assert_eq!(
        text(&ledger.register("a//b").unwrap_err()),
        "tag name has an empty part at byte 2; write parts joined by single slashes, like `render/textures`"
    );
    assert!(text(&ledger.register("a\t").unwrap_err()).contains("at byte 1 that cannot be printed"));
    assert!(text(&ledger.register(&"x".repeat(70)).unwrap_err()).contains("70 bytes long, at most 63"));
    assert!(text(&TagError::TagsFull).contains("a ledger holds 256"));
    assert_eq!(format!("{ledger:?}"), "Ledger { tags: 2, .. }");
}

#[cfg(feature = "serde")]
#[test]
fn serialized() {
    let tag = ledger().register("a/b").unwrap();
    tag.set_budget(Budget::soft(100).warn_at(0.5));
    commit(tag, 130);
    let json = serde_json::to_value(tag.account()).unwrap();
    assert_eq!(json["name"], "a/b");
    assert_eq!(json["parent"], "a");
    assert_eq!(json["own"]["committed"], 130);
    assert_eq!(json["budget"], serde_json::json!({"kind": "soft", "limit": 100, "warning": 50}));
    assert_eq!(json["status"], serde_json::json!({"over": 30}));
    let parent = serde_json::to_value(tag.parent().unwrap().account()).unwrap();
    assert_eq!(parent["budget"], serde_json::json!({"kind": "none", "limit": null, "warning": null}));
    assert_eq!((&parent["status"], &parent["parent"]), (&serde_json::json!("ok"), &serde_json::json!(null)));
}

#[test]
fn memory_that_changes_hands_is_counted_once() {
    let root = ledger().register("game").unwrap();
    let (heap, level, deep) =
        (root.child("heap").unwrap(), root.child("level").unwrap(), root.child("level/deep").unwrap());
    commit(heap, 100);
    root.set_budget(Budget::hard(100));
    let committed = |tag: Tag| (tag.account().own.committed, tag.account().subtree.committed);
    // The root is full, and has no part in this.
    heap.try_transfer_committed(deep, 60).unwrap();
    assert_eq!(
        [committed(heap), committed(level), committed(deep), committed(root)],
        [(40, 40), (0, 60), (60, 60), (0, 100)]
    );
    assert_eq!((root.account().peak_committed, level.account().peak_committed), (100, 60));
    level.set_budget(Budget::hard(70));
    let refused = heap.try_transfer_committed(deep, 11).unwrap_err();
    assert_eq!((refused.tag, refused.limit, refused.in_use, refused.wanted), (level, 70, 60, 11));
    assert_eq!((committed(heap), committed(deep)), ((40, 40), (60, 60)));
    heap.transfer_committed(deep, 11);
    assert_eq!((committed(heap), committed(level)), ((29, 29), (0, 71)));
    assert_eq!(level.account().status, BudgetStatus::Over(1));
    // Between a tag and its own parent; to itself.
    deep.try_transfer_committed(level, 71).unwrap();
    deep.try_transfer_committed(deep, 5).unwrap();
    assert_eq!((committed(deep), committed(level)), ((0, 0), (71, 71)));
    level.transfer_committed(heap, 71);
    level.transfer_committed(deep, 0);
    assert_eq!((committed(heap), committed(level), committed(root)), ((100, 100), (0, 0), (0, 100)));
    let stranger = ledger().register("game").unwrap();
    assert!(
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| heap.transfer_committed(stranger, 1)))
            .is_err()
    );
    assert_eq!(committed(heap), (100, 100));
}
