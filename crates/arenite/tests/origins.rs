//! Where structures were made that were not given back. A process of its own, because the switch and the list are the process's.
#![allow(missing_docs, reason = "a test")]
#![expect(unsafe_code, reason = "raw blocks, and a heap that is ended with one")]

use std::alloc::Layout;
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arenite::os::{Call, fake};
use arenite::region::{Origin, Table, each_origin, origins_left_out};
use arenite::watch::{Leak, LeakMark, LeakReport, LeakedStructure, origins_tracked, track_origins};
use arenite::{
    BlockPool, BucketHeap, Columns, FrameArena, FrameArenaOptions, HandlePool, HandlePoolState, Heap,
    HeapArena, JobArenas, JobArenasOptions, Ledger, MemoryManager, Pool, PoolOptions, Region, RegionOptions,
    ResourceArena, ScratchStack, Secondary, SharedBlockPool, SharedPool, Soa, Tag,
};

/// One test at a time, with the switch on; off again when it ends.
struct Tracking(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tracking {
    fn on() -> Self {
        let alone = alone();
        track_origins(true);
        Self(alone)
    }
}

impl Drop for Tracking {
    fn drop(&mut self) {
        track_origins(false);
    }
}

fn origins() -> Vec<Origin> {
    let mut all = Vec::new();
    each_origin(Ledger::process(), |origin| all.push(origin));
    all
}

fn of_tag(tag: Tag) -> Vec<(&'static str, usize, usize)> {
    let all = origins();
    let of_tag = all.iter().filter(|origin| origin.tag == tag);
    of_tag.map(|origin| (origin.kind, origin.place.line() as usize, origin.committed)).collect()
}

fn row<'a>(report: &'a LeakReport, tag: &str) -> &'a Leak {
    report.tags.iter().find(|leak| leak.tag == tag).unwrap_or_else(|| panic!("no {tag} in {report:?}"))
}

fn told(structure: &LeakedStructure) -> (&str, u64, u64, &str) {
    (&structure.kind, structure.count, structure.committed, &structure.place)
}

#[track_caller]
fn here() -> String {
    let place = Location::caller();
    format!("{}:{}", place.file(), place.line())
}

#[derive(Clone, Copy, Soa)]
struct Row {
    x: f32,
    y: f32,
}

#[test]
fn a_leaked_pool_and_a_leaked_arena_are_named_with_their_place() {
    let _on = Tracking::on();
    assert!(origins_tracked());
    let (pools, arenas) = (Tag::register("leak/pool").unwrap(), Tag::register("leak/arena").unwrap());
    let before: Pool<u64> = Pool::try_new(pools, 1000).unwrap();
    drop(before.insert(1));
    let mark = LeakMark::new(Ledger::process());
    let (pool, at) = (Pool::<[u8; 100]>::try_new(pools, 1000).unwrap(), here());
    drop(pool.insert([0; 100]));
    let (arena, there) = (ResourceArena::try_new(arenas).unwrap(), here());
    arena.insert(7u64);
    for _ in 0..3 {
        arenite::base::frame_begins();
    }
    std::mem::forget((pool, arena));

    let report = mark.report();
    let (pool, arena) = (row(&report, "leak/pool"), row(&report, "leak/arena"));
    assert_eq!(pool.structures.len(), 1, "the one from before is no leak: {report}");
    assert_eq!(told(&pool.structures[0]), ("pool", 1, pool.committed, &*at));
    assert_eq!(told(&arena.structures[0]), ("resource arena", 1, arena.committed, &*there));
    assert!(pool.committed > 0 && arena.committed > 0);
    assert_eq!((pool.structures[0].frames, arena.structures[0].frames), (3, 3));
    let text = report.to_string();
    assert!(text.contains(" made 3 frames (0.0") && text.contains(&format!("s) ago at {at}\n")), "{text}");
    assert!(
        text.contains("\n    resource arena of ") && text.ends_with(&format!("ago at {there}")),
        "{text}"
    );

    let json = serde_json::to_string(&report).unwrap();
    let again: LeakReport = serde_json::from_str(&json).unwrap();
    assert_eq!(again.tags, report.tags);
    let old = r#"{"frames":0,"tags":[{"tag":"a","blocks":0,"bytes":0,"committed":1,"survivors":[]}]}"#;
    let old: LeakReport = serde_json::from_str(old).expect("a report of before");
    assert!(old.tags[0].structures.is_empty() && old.left_out == 0);
}

#[test]
fn each_structure_says_its_kind_its_bytes_and_this_file() {
    let _on = Tracking::on();
    let tag = Tag::register("each").unwrap();
    let mut line = 0;
    // Each on a line of its own: what it is called and how it is made. All of one structure are one entry, and it has what the tag has.
    macro_rules! check {
        ($($kind:literal $made:expr;)*) => {$({
            line += 1;
            let made = $made;
            let committed = tag.account().subtree.committed;
            let all = of_tag(tag);
            assert_eq!(all.len(), 1, "{}: {all:?}", $kind);
            assert_eq!((all[0].0, all[0].1), ($kind, line), "{all:?}");
            assert!(origins().iter().all(|origin| origin.place.file() == file!()));
            // A heap's own tables are left out.
            let tables = if $kind.ends_with("heap") { committed } else { 0 };
            assert!((committed - tables..=committed).contains(&all[0].2), "{committed}: {all:?}");
            drop(made);
            assert!(of_tag(tag).is_empty(), "{}", $kind);
            assert_eq!(tag.account().subtree.committed, 0);
        })*};
    }
    let region = RegionOptions::new(tag, 1 << 20);
    let bounded = PoolOptions::new(tag, 5000).bounded();
    line += line!() as usize + 2;
    #[rustfmt::skip]
    check! {
        "region" { let mut made = Region::try_reserve(region).unwrap(); made.try_grow(100_000).unwrap(); made };
        "region" { let mut all = Vec::new(); Region::try_reserve_array(region, 3, |part| all.push(part)).unwrap(); all[1].try_grow(9999).unwrap(); all };
        "table" { let mut made = Table::try_reserve(&region, [arenite::region::ColumnLayout::of::<u64>()], 5000, 1).unwrap(); made.try_grow(4000).unwrap(); made };
        "frame arena" FrameArena::try_new(tag).unwrap();
        "frame arena" FrameArena::try_with(FrameArenaOptions::new(tag).presize(1 << 20)).unwrap();
        "scratch stack" { let mut made = ScratchStack::try_new(tag, 1 << 20).unwrap(); made.try_presize(5000).unwrap(); made };
        "scratch stack" { let mut made = ScratchStack::try_with(region).unwrap(); made.try_presize(5000).unwrap(); made };
        "resource arena" { let made = ResourceArena::try_new(tag).unwrap(); made.insert([0u8; 5000]); made };
        "job arenas" JobArenas::try_new(tag).unwrap();
        "job arenas" { let mut made = JobArenas::try_with(JobArenasOptions::new(tag).arenas(5)).unwrap(); made.try_presize(3, 5000).unwrap(); made };
        "block pool" BlockPool::try_with(bounded, Layout::new::<[u64; 5]>()).unwrap();
        "block pool" { let made = BlockPool::try_new(tag, Layout::new::<u64>(), 5000).unwrap(); drop(made.take().unwrap()); made };
        "pool" Pool::<u64>::try_with(bounded).unwrap();
        "shared block pool" SharedBlockPool::try_with(bounded, Layout::new::<u64>()).unwrap();
        "shared block pool" SharedBlockPool::try_new(tag, Layout::new::<u64>(), 5000).unwrap();
        "shared pool" SharedPool::<u64>::try_with(bounded).unwrap();
        "shared pool" SharedPool::<u64>::try_new(tag, 5000).unwrap();
        "handle pool" HandlePool::<u64>::try_with(bounded).unwrap();
        "handle pool" { let mut made = HandlePool::<u64>::try_new(tag, 5000).unwrap(); made.insert(1); made };
        "handle pool" state().try_into_pool(PoolOptions::new(tag, 5000)).unwrap();
        "secondary" Secondary::<u64, u8>::try_with(bounded).unwrap();
        "secondary" Secondary::<u64, u8>::try_new(tag, 100).unwrap();
        "columns" Columns::<Row>::try_with(bounded).unwrap();
        "columns" { let mut made = Columns::<Row>::try_new(tag, 5000).unwrap(); made.push(Row { x: 1.0, y: 2.0 }); made };
        "heap" Heap::try_new(tag).unwrap();
        "heap" Heap::try_named("each").unwrap();
        "heap" Heap::named("each");
        "bucket heap" BucketHeap::try_new(tag).unwrap();
    }
}

fn state() -> HandlePoolState<u64> {
    let mut pool = HandlePool::try_new(Tag::register("elsewhere").unwrap(), 10).unwrap();
    pool.insert(7u64);
    serde_json::from_str(&serde_json::to_string(&pool).unwrap()).unwrap()
}

#[test]
fn heaps_tell_what_they_have_and_stay_when_they_are_leaked() {
    let _on = Tracking::on();
    let tag = Tag::register("heaps").unwrap();
    let heap = Heap::try_new(tag).unwrap();
    let mut arena = HeapArena::try_new(&heap).unwrap();
    arena.alloc_slice_fill_with(300_000, |_| 1u8);
    let figures = |kind: &str| of_tag(tag).iter().find(|it| it.0 == kind).map(|it| it.2);
    let (of_heap, of_arena) = (figures("heap").unwrap(), figures("heap arena").unwrap());
    let committed = tag.account().subtree.committed;
    assert_eq!(of_arena, arena.stats().committed);
    assert!(of_arena >= 300_000 && of_heap >= of_arena, "{of_heap} {of_arena}");
    assert!(of_heap <= committed && committed - of_heap < 200_000, "its tables: {of_heap} of {committed}");
    arena.clear();
    assert_eq!(figures("heap arena"), Some(0));
    drop(arena);
    assert_eq!((figures("heap arena"), figures("heap").is_some()), (None, true));

    let lost = heap.try_alloc(Layout::new::<[u64; 1000]>()).unwrap();
    drop(heap);
    assert!(figures("heap").unwrap() >= 8000, "leaked whole, and still told of");
    // SAFETY: nobody uses it; only written to show that it is there.
    unsafe { lost.write_bytes(1, 8000) };

    let other = Heap::try_new(Tag::register("heaps/discarded").unwrap()).unwrap();
    other.try_alloc(Layout::new::<u64>()).unwrap();
    let tag = other.tag();
    assert_eq!(of_tag(tag).len(), 1);
    // SAFETY: the one block is used by nobody.
    unsafe { other.force_discard() };
    assert!(of_tag(tag).is_empty());
}

#[test]
fn what_is_made_while_it_is_off_is_not_told() {
    let _alone = alone();
    let tag = Tag::register("off").unwrap();
    let mark = LeakMark::new(Ledger::process());
    let before = origins().len();
    let pool = Pool::<[u8; 100]>::try_new(tag, 1000).unwrap();
    drop(pool.insert([0; 100]));
    track_origins(true);
    let frame = FrameArena::try_new(tag).unwrap();
    track_origins(false);
    let report = mark.report();
    let leak = row(&report, "off");
    assert_eq!(leak.structures.len(), 1, "what was made while it was on stays: {report}");
    assert!(leak.structures[0].committed < leak.committed);
    drop(frame);
    assert_eq!(origins().len(), before);
    let report = mark.report();
    assert!(row(&report, "off").structures.is_empty() && row(&report, "off").committed > 0);
    assert!(!report.to_string().contains("ago"), "{report}");
}

#[test]
fn what_is_refused_leaves_no_entry_and_what_can_not_be_released_stays() {
    let _on = Tracking::on();
    let tag = Tag::register("refused").unwrap();
    let makers: [fn(Tag) -> bool; 6] = [
        |tag| Pool::<u64>::try_with(PoolOptions::new(tag, 5000).bounded()).is_ok(),
        |tag| FrameArena::try_with(FrameArenaOptions::new(tag).presize(1 << 20)).is_ok(),
        |tag| JobArenas::try_with(JobArenasOptions::new(tag).arenas(5)).is_ok(),
        |tag| ResourceArena::try_new(tag).is_ok(),
        |tag| SharedPool::<u64>::try_with(PoolOptions::new(tag, 5000).bounded()).is_ok(),
        |tag| Heap::try_new(tag).is_ok(),
    ];
    for (number, make) in makers.iter().enumerate() {
        for call in [Call::Reserve, Call::Commit] {
            let refusals = (0..).find(|allowed| {
                let plan = fake::fail_after(call, *allowed);
                let made = make(tag);
                drop(plan);
                assert!(of_tag(tag).is_empty(), "maker {number}, {call:?} {allowed}: {:?}", of_tag(tag));
                assert_eq!(tag.account().subtree.reserved, 0);
                made
            });
            // A resource arena commits nothing before it is used.
            assert!(refusals > Some(0) || (number, call) == (3, Call::Commit), "maker {number}, {call:?}");
        }
    }

    let tag = Tag::register("refused/release").unwrap();
    let mut region = Region::try_reserve(RegionOptions::new(tag, 1 << 20)).unwrap();
    region.try_grow(1 << 16).unwrap();
    let plan = fake::fail_after(Call::Release, 0);
    drop(region);
    assert_eq!(plan.refused(), 1);
    drop(plan);
    let committed = tag.account().subtree.committed;
    assert!(committed > 0);
    assert_eq!(of_tag(tag).iter().map(|it| (it.0, it.2)).collect::<Vec<_>>(), [("region", committed)]);
}

#[test]
fn more_structures_than_room_are_counted() {
    let _on = Tracking::on();
    let tag = Tag::register("many").unwrap();
    let mark = LeakMark::new(Ledger::process());
    let (had, left_out) = (origins().len(), origins_left_out());
    let make = || Region::try_reserve(RegionOptions::new(tag, 1 << 12).guard(false)).unwrap();
    let mut all: Vec<Region> = (0..10_000).map(|_| make()).collect();
    let room = origins().len() - had;
    assert!(room < 10_000 && room > 1000, "{room}");
    assert_eq!(origins_left_out() - left_out, 10_000 - room as u64);
    all[0].try_grow(1).unwrap();
    all[9999].try_grow(1).unwrap();
    let report = mark.report();
    let leak = row(&report, "many");
    assert_eq!((leak.structures.len(), leak.structures[0].count), (1, room as u64));
    assert_eq!(leak.structures[0].committed * 2, leak.committed, "one of both is known");
    assert_eq!(report.left_out, 10_000 - room as u64);
    assert!(report.to_string().contains(&format!("{} structures more found no room", report.left_out)));

    // One goes, one comes.
    drop(all.swap_remove(0));
    assert_eq!(of_tag(tag).len(), room - 1);
    all.push(make());
    assert_eq!(of_tag(tag).len(), room);
    drop(all);
    assert_eq!(origins().len(), had);
}

#[test]
fn threads_make_and_drop_while_others_look() {
    let _on = Tracking::on();
    let tags = ["threads/a", "threads/b", "threads/c"].map(|name| Tag::register(name).unwrap());
    std::thread::scope(|threads| {
        let workers = tags.map(|tag| {
            threads.spawn(move || {
                for round in 0..500 {
                    let mut region = Region::try_reserve(RegionOptions::new(tag, 1 << 16)).unwrap();
                    region.try_grow(1 << 12).unwrap();
                    if round % 50 == 0 {
                        let heap = Heap::try_new(tag).unwrap();
                        drop(heap.alloc_box([0u8; 5000]));
                    }
                }
            })
        });
        while !workers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            for origin in origins().iter().filter(|origin| tags.contains(&origin.tag)) {
                assert!(origin.place.file() == file!() && ["region", "heap"].contains(&origin.kind));
                assert!(origin.committed <= 4 << 20, "{origin:?}");
            }
        }
    });
    assert!(tags.iter().all(|tag| of_tag(*tag).is_empty()));
}

#[test]
fn scenes_and_the_shutdown_name_the_place() {
    let _alone = alone();
    let root = Tag::register("managed").unwrap();
    let mut memory =
        MemoryManager::builder().root(root).report_leaks(true).track_origins(true).build().unwrap();
    assert!(origins_tracked());
    let level = memory.load_scene();
    memory.change_scene(level);
    let tag = root.child("rooms").unwrap();
    let (pool, at) = (Pool::<u64>::try_new(tag, 1000).unwrap(), here());
    drop(pool.insert(1));
    memory.begin_frame().end();
    memory.begin_frame().end();
    let leaks = memory.clear_scene().leaks.unwrap();
    let leak = row(&leaks, "managed/rooms");
    assert_eq!(leaks.tags.len(), 1, "the manager's own are no leak: {leaks}");
    assert_eq!(
        (told(&leak.structures[0]), leak.structures[0].frames),
        (("pool", 1, leak.committed, &*at), 2)
    );
    let leaks = memory.shutdown().leaks.unwrap();
    assert_eq!(told(&row(&leaks, "managed/rooms").structures[0]), ("pool", 1, leak.committed, &*at));
    assert!(leaks.to_string().contains(&at), "{leaks}");
    track_origins(false);
    drop(pool);
}
