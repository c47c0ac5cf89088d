//! What a program can do to the arenas without `unsafe`, across rooms.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use arenite::ledger::Pressure;
use arenite::{
    AllocError, Budget, FrameArena, FrameArenaOptions, JobArenas, JobArenasOptions, Ledger, Resource,
    ResourceArena, ResourceArenaOptions, ScratchStack, Tag,
};
use rayon::prelude::*;

fn ledger() -> &'static Ledger {
    Box::leak(Box::new(Ledger::new()))
}

fn nothing_is_charged(tag: Tag) -> bool {
    let account = tag.account().subtree;
    (account.reserved, account.committed, account.live) == (0, 0, 0)
}

#[test]
fn arenas_under_one_budget_do_not_starve_each_other_silently() {
    let root = ledger().register("game").unwrap();
    let child = |name| root.child(name).unwrap();
    let mut frame = FrameArena::try_with(FrameArenaOptions::new(child("frame")).reserve(8 << 20)).unwrap();
    let mut scratch = ScratchStack::try_new(child("scratch"), 8 << 20).unwrap();
    let mut scene =
        ResourceArena::try_with(ResourceArenaOptions::new(child("scene")).reserve(8 << 20)).unwrap();
    let mut jobs = JobArenas::try_with(JobArenasOptions::new(child("jobs")).reserve(8 << 20)).unwrap();
    frame.begin_frame();
    let kept = frame.alloc_slice_copy(&[1u32; 1000]);
    let wall = scene.insert_slice_copy(&[2u8; 1000]);
    let floor = jobs.checkout().alloc_slice_copy(&[3u16; 1000]);
    scratch.scoped(|scope| scope.alloc_slice_copy(&[4u8; 1000]).len());

    root.set_budget(Budget::hard(root.account().subtree.committed));
    let in_use = root.account().subtree.committed;
    let refusals = [
        frame.try_alloc_slice_uninit::<u8>(4 << 20).map(drop),
        scratch.scoped(|scope| scope.try_alloc_slice_uninit::<u8>(4 << 20).map(drop)),
        scene.try_insert_slice_with(4 << 20, |_: &mut [u8]| Ok::<_, AllocError>(())).map(drop),
        jobs.checkout().try_alloc_slice_uninit::<u8>(4 << 20).map(drop),
    ];
    for refusal in refusals {
        let Err(AllocError::Budget(exceeded)) = refusal else { panic!("{refusal:?}") };
        assert_eq!((exceeded.tag, exceeded.limit, exceeded.in_use), (root, in_use, in_use));
    }
    assert_eq!(root.account().subtree.committed, in_use);
    assert_eq!((kept[999], scene.get(wall).unwrap()[999], floor[999]), (1, 2, 3));

    jobs.reset();
    scene.clear();
    assert!(scene.get(wall).is_none());
    drop((frame, scratch, scene, jobs));
    assert!(nothing_is_charged(root));
}

static SCENE: OnceLock<ResourceArena> = OnceLock::new();

thread_local! {
    static FRAME: FrameArena =
        FrameArena::try_with(FrameArenaOptions::new(tag_of_frame()).reserve(8 << 20)).unwrap();
    static BLOCKS: RefCell<Vec<Vec<usize>>> = const { RefCell::new(Vec::new()) };
}

fn tag_of_frame() -> Tag {
    static TAG: OnceLock<Tag> = OnceLock::new();
    *TAG.get_or_init(|| ledger().register("frame").unwrap())
}

/// Allocates, on the thread that is allocating, in the arena that is allocating.
fn intrude(_: &Pressure) {
    FRAME.with(|arena| {
        let mine = arena.alloc_slice_fill_with(1000, |_| 0x77usize);
        arena.alloc_str("noise");
        let scene = SCENE.get().unwrap();
        let handle = scene.insert_slice_copy(mine);
        assert_eq!(scene.get(handle).unwrap().len(), 1000);
        BLOCKS.with_borrow_mut(|blocks| blocks.push(mine.to_vec()));
    });
}

#[test]
fn a_pressure_callback_reaches_arenas_through_statics() {
    let scene_tag = ledger().register("scene").unwrap();
    SCENE.get_or_init(|| {
        ResourceArena::try_with(ResourceArenaOptions::new(scene_tag).reserve(8 << 20)).unwrap()
    });
    let megabyte = f64::from(1 << 20);
    let warn_at = |bytes: usize| Budget::soft(1 << 30).warn_at(bytes as f64 / (1024.0 * megabyte));
    FRAME.with(|arena| {
        arena.alloc(0u8);
        let tag = tag_of_frame();
        tag.set_budget(warn_at(tag.account().subtree.committed + 1));
        tag.on_pressure(&intrude).unwrap();
        scene_tag.set_budget(warn_at(400 << 10));
        scene_tag.on_pressure(&intrude).unwrap();
        let mut mine: Vec<&mut [usize]> = Vec::new();
        for i in 0..400 {
            mine.push(arena.alloc_slice_fill_with(500, |_| i));
            SCENE.get().unwrap().insert_slice_copy(&[0u8; 2000]);
        }
        for (i, block) in mine.iter().enumerate() {
            assert!(block.iter().all(|word| *word == i), "block {i} was handed out twice");
        }
    });
    let blocks = BLOCKS.take();
    assert_eq!(blocks.len(), 2, "one callback for each arena");
    assert!(blocks.iter().flatten().all(|word| *word == 0x77));
}

#[test]
fn tickets_and_handles_in_the_wrong_hands() {
    let tag = ledger().register("hands").unwrap();
    let arena = || FrameArena::try_with(FrameArenaOptions::new(tag).reserve(1 << 20)).unwrap();
    let mut arenas: Vec<FrameArena> = (0..8).map(|_| arena()).collect();
    let mut scenes: Vec<ResourceArena> = (0..8)
        .map(|_| ResourceArena::try_with(ResourceArenaOptions::new(tag).reserve(1 << 20)).unwrap())
        .collect();
    for arena in &mut arenas {
        arena.begin_frame();
    }
    let tickets: Vec<_> = arenas.iter().map(|arena| arena.keep(7u64).1).collect();
    let handles: Vec<Resource<u64>> = scenes.iter().map(|scene| scene.insert(7u64)).collect();
    for arena in &mut arenas {
        arena.begin_frame();
    }
    for (i, (arena, scene)) in arenas.iter().zip(&scenes).enumerate() {
        for (j, (ticket, handle)) in tickets.iter().zip(&handles).enumerate() {
            assert_eq!(arena.get(*ticket).is_some(), i == j);
            assert_eq!(scene.get(*handle).is_some(), i == j);
        }
    }
    // A dropped arena's address range may be given to the next one; its tickets and handles still name nobody.
    arenas.clear();
    scenes.clear();
    for _ in 0..8 {
        let mut next = arena();
        next.begin_frame();
        next.keep(8u64);
        next.begin_frame();
        assert!(tickets.iter().all(|ticket| next.get(*ticket).is_none()));
        let scene = ResourceArena::try_with(ResourceArenaOptions::new(tag).reserve(1 << 20)).unwrap();
        scene.insert(8u64);
        assert!(handles.iter().all(|handle| scene.get(*handle).is_none()));
    }
    assert!(nothing_is_charged(tag));
}

#[test]
fn jobs_that_steal_while_they_hold_everything() {
    let tag = ledger().register("steal").unwrap();
    let mut jobs = JobArenas::try_with(JobArenasOptions::new(tag).reserve(4 << 20).scratch(2 << 20)).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    for _ in 0..3 {
        let sums: Vec<u64> = pool.install(|| {
            (0..500u64)
                .into_par_iter()
                .map(|number| {
                    let job = jobs.checkout();
                    let mut guard = job.scratch();
                    let scope = guard.scope();
                    let mut list = scope.vec();
                    (0..number % 40).for_each(|i| list.push(i));
                    let (left, right) = rayon::join(
                        || jobs.checkout().alloc_slice_fill_with(20, |_| number).iter().sum::<u64>(),
                        || jobs.checkout().alloc_slice_fill_with(20, |_| number + 1).iter().sum::<u64>(),
                    );
                    list.push(left);
                    list.push(right);
                    let mine = job.alloc_slice_copy(&list);
                    assert_eq!(mine.iter().take(mine.len() - 2).sum::<u64>(), (0..number % 40).sum::<u64>());
                    mine[mine.len() - 1] + mine[mine.len() - 2]
                })
                .collect()
        });
        assert!(sums.iter().enumerate().all(|(number, sum)| *sum == 40 * number as u64 + 20));
        jobs.reset();
    }
    // A job that panics on the pool leaves nothing checked out.
    for _ in 0..5 {
        let answer = catch_unwind(AssertUnwindSafe(|| {
            pool.install(|| {
                (0..100u64).into_par_iter().for_each(|number| {
                    let job = jobs.checkout();
                    let _guard = job.scratch();
                    assert_ne!(number, 50, "one job of many");
                });
            });
        }));
        assert!(answer.is_err());
    }
    // Up to half of them wait for the pool's threads until the next reset; the others are for everybody.
    let arenas = jobs.stats().arenas;
    let half: Vec<_> =
        (0..arenas / 2).map(|_| jobs.try_checkout().expect("half are for everybody")).collect();
    drop(half);
    jobs.reset();
    let all: Vec<_> = (0..arenas).map(|_| jobs.try_checkout().expect("all are home")).collect();
    assert!(jobs.try_checkout().is_err());
    drop(all);
    drop(jobs);
    assert!(nothing_is_charged(tag));
}
