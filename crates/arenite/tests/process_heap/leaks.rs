//! Reports of what was left behind.

use std::cell::RefCell;
use std::hint::black_box;
use std::mem::forget;

use arenite::watch::{Leak, LeakGuard, LeakMark, LeakReport};
use arenite::{Heap, HeapOptions, Ledger, MemoryManager, Region, RegionOptions, Tag};

use super::turn;

fn tag(name: &str) -> Tag {
    Tag::register(name).expect("a tag")
}

/// The row of a tag; other tests' threads may come and go under `untagged`.
fn row<'a>(report: &'a LeakReport, tag: &str) -> Option<&'a Leak> {
    report.tags.iter().find(|leak| leak.tag == tag)
}

fn blocks_and_bytes(report: &LeakReport, tag: &str) -> Option<(u64, u64)> {
    row(report, tag).map(|leak| (leak.blocks, leak.bytes))
}

#[test]
fn a_planted_leak_is_named_and_sized_and_a_clean_scene_has_none() {
    let _turn = turn();
    let (rooms, paths) = (tag("leaks/rooms"), tag("leaks/paths"));
    let root = tag("leaks/manager");
    let builder = MemoryManager::builder().root(root).scene_sections(&["textures"]).report_leaks(true);
    let mut memory = builder.build().expect("a manager");
    for level in 0..6u64 {
        let scene = memory.load_scene();
        scene.insert(vec![7u8; 3000]);
        scene.section("textures").expect("a section").insert_slice_copy(&[1u8; 100_000]);
        let first = memory.change_scene(scene);
        assert_eq!(first.leaks, None, "the empty scene before");
        for _ in 0..3 {
            memory.begin_frame().end();
            paths.in_scope(|| drop(black_box(vec![0u64; 500])));
        }
        if level % 2 == 1 {
            rooms.in_scope(|| (0..level).for_each(|_| forget(black_box(Box::new([0u8; 5000])))));
        }
        let leaks = memory.clear_scene().leaks.expect("they were looked for");
        assert_eq!(leaks.frames, 3);
        let expected = (level % 2 == 1).then_some((level, 5120 * level));
        assert_eq!(blocks_and_bytes(&leaks, "leaks/rooms"), expected, "{leaks}");
        let sizes: Vec<_> = leaks.sizes.iter().map(|class| (class.size, class.blocks)).collect();
        if level % 2 == 1 {
            assert!(sizes.contains(&(5120, level)), "{leaks}");
            assert!(leaks.to_string().contains(&format!("{level} of 5.0 KiB")), "{leaks}");
        } else {
            assert!(!sizes.iter().any(|(size, _)| *size == 5120), "{leaks}");
        }
        assert!(row(&leaks, "leaks/paths").is_none(), "{leaks}");
        let own = leaks.tags.iter().any(|leak| leak.tag.starts_with("leaks/manager") || leak.tag == "heap");
        assert!(!own, "{leaks}");
        if level % 2 == 0 {
            assert!(leaks.is_empty() || leaks.tags.iter().all(|leak| leak.tag == "untagged"), "{leaks}");
        } else {
            assert!(leaks.to_string().contains(&format!("leaks/rooms: {level} block")), "{leaks}");
        }
    }
    let report = memory.shutdown();
    let leaks = report.leaks.as_ref().expect("they were looked for");
    assert_eq!(blocks_and_bytes(leaks, "leaks/rooms"), Some((1 + 3 + 5, 9 * 5120)), "{leaks}");
    assert!(report.to_string().contains("leaks/rooms: 9 blocks of 45.0 KiB"), "{report}");

    let memory = MemoryManager::builder().root(root).build().expect("a manager");
    drop(memory.load_scene());
    let report = memory.shutdown();
    assert_eq!((report.leaks, report.last_scene.leaks), (None, None), "nobody asked");
}

#[test]
fn the_manager_itself_is_in_no_report() {
    let _turn = turn();
    // Under a tag that nobody else is in, so that everything counts.
    let here = tag("leaks/everything");
    here.in_scope(|| {
        let builder = MemoryManager::builder().root(tag("leaks/own")).scene_sections(&["a", "b"]);
        let mut memory = builder.report_leaks(true).build().expect("a manager");
        for _ in 0..4 {
            let (one, other) = (memory.load_scene(), memory.load_scene());
            memory.change_scene(one);
            let leaks = memory.change_scene(other).leaks.expect("they were looked for");
            assert_eq!(blocks_and_bytes(&leaks, "leaks/everything"), None, "{leaks}");
        }
        let report = memory.shutdown();
        for leaks in [&report.leaks, &report.last_scene.leaks] {
            let leaks = leaks.as_ref().expect("they were looked for");
            assert_eq!(blocks_and_bytes(leaks, "leaks/everything"), None, "{leaks}");
        }
    });
}

#[test]
fn blocks_of_named_heaps_are_told_with_size_age_and_place() {
    let _turn = turn();
    let options = |name| HeapOptions::new(tag(name));
    let tracked = Heap::try_with(options("leaks/tracked").track_blocks()).expect("a heap");
    let plain = Heap::try_with(options("leaks/plain")).expect("a heap");
    let before = tracked.alloc_box([0u8; 999]);
    let mark = LeakMark::new(Ledger::process());
    // What comes and goes makes the heaps keep memory, which is no leak.
    for heap in [&tracked, &plain] {
        drop((0..100).map(|_| heap.alloc_box([0u8; 3000])).collect::<Vec<_>>());
    }
    let mut report = mark.report();
    assert!(row(&report, "leaks/plain").is_some_and(|leak| leak.committed > 0), "{report}");
    report.look_into(&plain);
    report.look_into(&tracked);
    assert!(row(&report, "leaks/plain").is_none() && row(&report, "leaks/tracked").is_none(), "{report}");

    let one = {
        let _site = tracked.site("loading a door");
        tracked.alloc_box([1u8; 100])
    };
    (0..2).for_each(|_| arenite::base::frame_begins());
    let other = tracked.alloc_box([2u8; 300]);
    arenite::base::frame_begins();
    let kept = plain.alloc_box([3u8; 100]);
    let mut report = mark.report();
    report.look_into(&plain);
    report.look_into(&tracked);
    assert_eq!(blocks_and_bytes(&report, "leaks/plain"), Some((1, 112)));
    let leak = row(&report, "leaks/tracked").expect("a leak");
    assert_eq!((leak.blocks, leak.bytes), (2, 400), "without the one from before: {report}");
    let told: Vec<_> = leak.survivors.iter().map(|block| (block.size, block.frames)).collect();
    assert_eq!(told, [(300, 1), (100, 3)]);
    assert!(
        leak.survivors[1].place.starts_with("loading a door (")
            && leak.survivors[1].place.contains("leaks.rs:")
    );
    assert!(report.to_string().contains("100 B made 3 frames ago at loading a door"), "{report}");
    let json = serde_json::to_string(&report).expect("JSON");
    let again: LeakReport = serde_json::from_str(&json).expect("the same");
    assert_eq!(again.tags, report.tags);
    drop((before, one, other, kept));
}

/// The same name on another ledger is another tag.
#[test]
fn a_heap_of_another_ledger_is_not_looked_into() {
    let _turn = turn();
    let elsewhere: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    let there = elsewhere.register("leaks/same-name").expect("a tag");
    let heap = Heap::try_with(HeapOptions::new(there).track_blocks()).expect("a heap");
    let here = tag("leaks/same-name");
    let mark = LeakMark::new(Ledger::process());
    let block = heap.alloc_box([0u8; 100]);
    let mut report = mark.report();
    report.look_into(&heap);
    assert!(row(&report, "leaks/same-name").is_none(), "{report}");
    // Nor does a heap that is empty excuse what has grown here.
    drop(block);
    let mut region = Region::try_reserve(RegionOptions::new(here, 1 << 20)).expect("a region");
    region.try_grow(5000).expect("memory");
    let mut report = mark.report();
    report.look_into(&heap);
    assert!(row(&report, "leaks/same-name").is_some_and(|leak| leak.committed >= 5000), "{report}");
    // Its own ledger's report knows it.
    let mark = LeakMark::new(elsewhere);
    let block = heap.alloc_box([0u8; 50]);
    let mut report = mark.report();
    report.look_into(&heap);
    assert_eq!(blocks_and_bytes(&report, "leaks/same-name"), Some((1, 50)), "{report}");
    drop(block);
}

#[test]
fn regions_are_told_as_committed_memory() {
    let _turn = turn();
    let own = tag("leaks/region");
    let mark = LeakMark::new(Ledger::process());
    let mut region = Region::try_reserve(RegionOptions::new(own, 1 << 20)).expect("a region");
    region.try_grow(100_000).expect("memory");
    let report = mark.report();
    let leak = row(&report, "leaks/region").expect("a leak");
    assert!(leak.committed >= 100_000 && (leak.blocks, leak.bytes) == (0, 0), "{report}");
    // The list by size is of the general heap's blocks alone. Threads of earlier tests may still come and go there, but
    // with nothing as large as the region.
    assert!(report.sizes.iter().all(|class| class.size < 100_000), "{report}");
    drop(region);
    assert!(row(&mark.report(), "leaks/region").is_none());
}

thread_local! {
    static TOLD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn a_guard_tells_at_its_end() {
    let _turn = turn();
    let own = tag("leaks/guard");
    let tell: fn(&LeakReport) = |report| TOLD.with_borrow_mut(|told| told.push(report.to_string()));
    for leaks in [false, true] {
        let _guard = LeakGuard::telling(tell);
        let block = own.in_scope(|| black_box(Box::new([0u64; 100])));
        if leaks {
            forget(block);
        }
    }
    let told = TOLD.take();
    let about: Vec<_> = told.iter().filter(|text| text.contains("leaks/guard")).collect();
    assert_eq!(about.len(), 1, "{told:?}");
    // In hardened mode with a canary.
    let size = if cfg!(feature = "hardened") { 816 } else { 800 };
    assert!(about[0].contains(&format!("leaks/guard: 1 block of {size} B")), "{told:?}");
}
