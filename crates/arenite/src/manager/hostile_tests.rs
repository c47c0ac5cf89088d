//! What a program can ask of a manager that makes no sense, and what must not come of it: panics, and figures that are wrong.

use std::boxed::Box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::ToString;
use std::sync::atomic::{AtomicU64, Ordering};
use std::vec::Vec;

use super::*;
use crate::ledger::{Budget, Ledger};

fn root() -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register("test").expect("a fresh ledger has room")
}

type Ask = fn(MemoryManagerBuilder) -> MemoryManagerBuilder;

#[test]
fn what_can_not_be_had_is_an_error_and_leaves_nothing() {
    const MOST: usize = usize::MAX;
    let refused: [(&str, Ask); 9] = [
        ("frame_reserve", |builder| builder.frame_reserve(MOST)),
        ("scratch", |builder| builder.scratch(MOST, 0)),
        ("scene_reserve", |builder| builder.scene_reserve(MOST)),
        ("sections", |builder| builder.scene_sections(&["a"; 8])),
        ("section's name", |builder| builder.scene_sections(&["a//b"])),
        ("section's long name", |builder| {
            builder.scene_sections(&["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"])
        }),
        ("budget's name", |builder| builder.budget("scene/a", Budget::hard(1))),
        ("frame's budget", |builder| builder.frame_presize(1 << 20).budget("frame", Budget::hard(4096))),
        ("policy", |builder| builder.frame_policy(FramePolicy::Panic)),
    ];
    for (what, ask) in refused {
        let root = root();
        let error = ask(MemoryManager::builder().root(root)).build().expect_err(what);
        assert!(!error.to_string().is_empty() && !error.to_string().contains('\n'), "{what}: {error}");
        let left = root.account().subtree;
        assert_eq!((left.reserved, left.committed, left.live), (0, 0, 0), "{what}: {error}");
    }
    let odd: [(&str, Ask); 9] = [
        ("no frame memory", |builder| builder.frame_reserve(0)),
        ("no scratch", |builder| builder.scratch(0, 0)),
        ("one job arena", |builder| builder.job_arenas(1)),
        ("no resources", |builder| builder.scene_reserve(0)),
        ("sections of one name", |builder| builder.scene_sections(&["a", "a"])),
        ("all is kept", |builder| builder.scene_keep(MOST)),
        // No more is committed at the start than there is address space for.
        ("frame_presize", |builder| builder.frame_reserve(2 << 20).frame_presize(MOST)),
        ("scratch presize", |builder| builder.scratch(1 << 20, MOST)),
        ("job_presize", |builder| builder.job_presize(1, MOST)),
    ];
    for (what, ask) in odd {
        let root = root();
        if let Ok(mut memory) = ask(MemoryManager::builder().root(root)).build() {
            for _ in 0..3 {
                let frame = memory.begin_frame();
                assert!(frame.try_alloc(7u8).map_or(true, |seven| *seven == 7), "{what}");
                frame.end();
                if let Ok(scene) = memory.try_load_scene() {
                    let _ = scene.try_insert_slice_copy(&[1u8; 5000]);
                    memory.change_scene(scene);
                }
            }
            assert_eq!(memory.shutdown().held().count(), 0, "{what}");
        }
        assert_eq!(root.account().subtree.reserved, 0, "{what}");
    }
}

/// Marks are of a ledger; one that came with a scene from elsewhere is not for the next scene here.
#[test]
fn a_scene_of_another_ledger_brings_no_leaks_of_that_ledger_along() {
    let [here, elsewhere] = [root(), root()];
    let build = |root| MemoryManager::builder().root(root).report_leaks(true).build().unwrap();
    let (mut memory, other) = (build(here), build(elsewhere));
    // All marks that are kept are out with scenes, so that one that comes back would be kept.
    let mut scenes: Vec<Scene> = (0..4).map(|_| memory.load_scene()).collect();
    memory.change_scene(other.load_scene());
    let foreign = elsewhere.child("game").unwrap();
    foreign.try_charge_committed(5000).unwrap();
    let report = memory.change_scene(scenes.pop().unwrap());
    assert_eq!(report.leaks, None, "nobody here knows that ledger");
    let next = memory.load_scene();
    memory.change_scene(next);
    foreign.try_charge_committed(5000).unwrap();
    here.child("game").unwrap().try_charge_committed(700).unwrap();
    let leaks = memory.clear_scene().leaks.expect("they were looked for");
    let told: Vec<_> = leaks.tags.iter().map(|leak| (leak.tag.as_str(), leak.committed)).collect();
    assert_eq!(told, [("test/game", 700)], "of this ledger");
    foreign.credit_committed(10_000);
    here.child("game").unwrap().credit_committed(700);
}

/// Who counts heap calls is the program; what it counts may be anything.
#[test]
fn a_count_of_heap_calls_that_falls_is_no_panic() {
    static CALLS: AtomicU64 = AtomicU64::new(1000);
    let count: fn() -> u64 = || CALLS.fetch_sub(1, Ordering::Relaxed);
    let mut memory = MemoryManager::builder().root(root()).heap_calls(count).build().unwrap();
    for _ in 0..3 {
        let stats = memory.begin_frame().end();
        assert_eq!(stats.heap_calls, Some(0));
    }
}

/// A count that panics costs its frame, and nothing else.
#[test]
fn a_count_of_heap_calls_that_panics_ends_its_frame() {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let count: fn() -> u64 = || {
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        assert!(call != 1 && call != 4, "on purpose");
        call
    };
    let mut memory = MemoryManager::builder().root(root()).heap_calls(count).build().unwrap();
    let at_the_end = catch_unwind(AssertUnwindSafe(|| memory.begin_frame().end()));
    assert!(at_the_end.is_err());
    let stats = memory.begin_frame().end();
    assert_eq!((stats.frame, stats.heap_calls), (2, Some(1)));
    let at_the_start = catch_unwind(AssertUnwindSafe(|| memory.begin_frame().end()));
    assert!(at_the_start.is_err());
    let frame = memory.begin_frame();
    assert_eq!(*frame.alloc(7), 7);
    assert_eq!(frame.end().frame, 3, "one did not begin");
}

/// A forgotten frame is over when the next one begins, on whatever thread.
#[test]
fn forgotten_frames_and_managers_that_move_do_no_harm() {
    let root = root();
    let mut memory = MemoryManager::builder().root(root).build().unwrap();
    for _ in 0..10 {
        let frame = memory.begin_frame();
        frame.alloc_slice_fill_with(1000, |index| index);
        core::mem::forget(frame.scratch());
        core::mem::forget(frame);
        memory = thread::spawn(move || {
            let frame = memory.begin_frame();
            frame.scratch().scope().alloc(1u8);
            core::mem::forget(frame);
            memory
        })
        .join()
        .unwrap();
    }
    let stats = memory.begin_frame().end();
    assert_eq!((stats.frame, stats.used), (21, 0));
    assert_eq!(memory.shutdown().held().count(), 0);
    assert_eq!(root.account().subtree.reserved, 0);
}

/// A refused charge asks a callback that gives a whole region back, and then the system refuses one call or another.
#[test]
fn room_that_a_callback_makes_is_exact_whatever_the_system_refuses() {
    use crate::region::{Region, RegionOptions};
    use std::sync::Mutex;

    let mut outcomes = [0; 2];
    for allowed in 0..8 {
        let root = root();
        let [own, spare] = ["own", "spare"].map(|name| root.child(name).unwrap());
        let grown = |tag, bytes| {
            let mut region = Region::try_reserve(RegionOptions::new(tag, 1 << 20)).unwrap();
            region.try_grow(bytes).unwrap();
            region
        };
        let mut region = grown(own, 20_000);
        let had = region.committed();
        let ballast: &'static Mutex<Option<Region>> = Box::leak(Box::new(Mutex::new(None)));
        *ballast.lock().unwrap() = Some(grown(spare, 200_000));
        root.set_budget(Budget::hard(root.account().subtree.committed));
        root.on_pressure(Box::leak(Box::new(|_: &crate::ledger::Pressure| {
            ballast.lock().unwrap().take();
        })))
        .unwrap();

        let plan = crate::os::fake::fail_once_after(allowed);
        let answer = region.try_grow(150_000);
        let refused = plan.refused();
        drop(plan);
        assert!(ballast.lock().unwrap().is_none(), "it was asked");
        assert!(answer.is_ok() || refused == 1, "{answer:?}");
        outcomes[usize::from(answer.is_ok())] += 1;
        assert_eq!(region.committed() >= 150_000, answer.is_ok());
        assert!(answer.is_ok() || region.committed() == had, "nothing changed");
        assert_eq!(own.account().own.committed, region.committed());
        // What the system does not take back stays charged, and so makes no room.
        let stuck = spare.account().own.committed;
        assert!(stuck == 0 || allowed == 0 && answer.is_err(), "{allowed}: {stuck}");
        assert_eq!(root.account().subtree.committed, region.committed() + stuck);
        assert_eq!(region.try_grow(150_000).is_ok(), stuck == 0);
        drop(region);
        assert_eq!(root.account().subtree.committed, stuck);
        assert_eq!(root.ledger().callback_panics(), 0);
    }
    assert!(outcomes[0] > 0 && outcomes[1] > 0, "{outcomes:?}");
}
