//! The manager's life, against a ledger of its own.

use std::boxed::Box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::ledger::{Budget, Ledger};
use crate::os::fake;

fn root() -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register("test").expect("a fresh ledger has room")
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_whole_life_leaves_every_account_at_zero() {
    let root = root();
    let mut memory =
        MemoryManager::builder().root(root).scene_sections(&["textures", "sounds"]).build().unwrap();
    let drops = Arc::new(AtomicUsize::new(0));
    let mut stale = None;
    for level in 0..3 {
        let next = memory.load_scene();
        let next_tag = next.tag();
        let textures = next.section("textures").unwrap();
        let pixels = textures.insert_slice_with(100_000, |pixels: &mut [u8]| pixels.fill(level));
        let counted = next.insert(Counted(Arc::clone(&drops)));
        assert!(next.section("meshes").is_none());
        let report = memory.change_scene(next);
        assert_eq!((report.live_after, report.committed_after), (0, 0));
        assert_eq!(report.dropped, if level == 0 { 0 } else { 2 });
        assert_eq!(drops.load(Ordering::Relaxed), usize::from(level));
        if let Some(old) = stale.replace(counted) {
            assert!(memory.resources().get(old).is_none(), "a handle of the old scene");
        }
        for _ in 0..5 {
            let frame = memory.begin_frame();
            assert_eq!(frame.resources().section("textures").unwrap().get(pixels).unwrap()[99_999], level);
            frame.alloc_slice_fill_with(1000, |i| i);
            frame.end();
        }
        assert!(next_tag.account().subtree.live >= 100_000);
    }
    let report = memory.shutdown();
    assert_eq!(drops.load(Ordering::Relaxed), 3);
    assert_eq!((report.frames, report.last_scene.dropped), (15, 2));
    assert_eq!(report.held().count(), 0, "{report}");
    assert!(report.tags.iter().any(|tag| tag.name == "test/scene/0/textures"), "{report}");
    assert_eq!(root.account().subtree.reserved, 0);
}

#[test]
fn a_scene_loads_on_another_thread_while_frames_run() {
    let mut memory = MemoryManager::builder().root(root()).build().unwrap();
    let next = memory.load_scene();
    let old_tag = memory.resources().tag();
    assert_ne!(next.tag(), old_tag);
    let loader = std::thread::spawn(move || {
        let handles: [_; 50] = std::array::from_fn(|i| next.insert_slice_copy(&[i; 1000]));
        (next, handles)
    });
    for _ in 0..100 {
        let _ = memory.begin_frame().end();
    }
    let (next, handles) = loader.join().unwrap();
    memory.change_scene(next);
    let frame = memory.begin_frame();
    for (i, handle) in handles.iter().enumerate() {
        assert_eq!(frame.resources().get(*handle).unwrap()[999], i);
    }
    assert_eq!(old_tag.account().subtree.committed, 0);
}

#[test]
fn frames_are_quiet_after_the_first_ones() {
    // Debug and hardened builds open one buffer and close another each frame: that is their price.
    let allowed = if crate::base::HARDENED { 2 } else { 0 };
    let mut memory = MemoryManager::builder().root(root()).count_page_faults(true).build().unwrap();
    // Refuses nothing; counts the calls of this thread, apart from those of the other tests.
    let calls = fake::fail_all_after(u64::MAX);
    for number in 1..=200u64 {
        let before = calls.seen();
        let frame = memory.begin_frame();
        let numbers = frame.alloc_slice_from_iter((0..5000u64).map(|i| i * number));
        std::thread::scope(|threads| {
            let jobs = frame.jobs();
            threads.spawn(move || jobs.checkout().alloc_slice_fill_with(100, |i| i));
        });
        frame.scratch().scope().alloc_slice_copy(numbers);
        let stats = frame.end();
        assert_eq!(stats.frame, number);
        assert!(stats.used >= 40_000 && stats.jobs_used >= 800 && stats.page_faults.is_some(), "{stats:?}");
        if number > 30 {
            assert!(calls.seen() - before <= allowed, "frame {number}: {} calls", calls.seen() - before);
        }
    }
    let snapshot = memory.snapshot();
    assert!(snapshot.frame.high_water >= 40_000 && snapshot.jobs.used >= 800);
}

#[test]
fn packets_feed_a_render_thread() {
    let mut memory = MemoryManager::builder().root(root()).frames_in_flight(3).build().unwrap();
    let (send, receive) = std::sync::mpsc::sync_channel::<(crate::FramePacket, crate::FrameRef<[u64]>)>(1);
    let render = std::thread::spawn(move || {
        let mut sum = 0;
        for (packet, draws) in receive {
            sum += packet.get(draws).expect("its own frame").iter().sum::<u64>();
        }
        sum
    });
    for number in 0..200u64 {
        let frame = memory.begin_frame();
        let (_, draws) = frame.keep_slice_fill_with(10, |i| i as u64 + number);
        send.send((frame.freeze(), draws)).unwrap();
    }
    drop(send);
    assert_eq!(render.join().unwrap(), (0..200).map(|number| 45 + 10 * number).sum::<u64>());
}

#[test]
fn try_begin_says_when_everything_is_in_flight() {
    let mut memory = MemoryManager::builder().root(root()).frames_in_flight(2).build().unwrap();
    let mut packets = std::vec::Vec::new();
    let refused = loop {
        match memory.try_begin_frame() {
            Ok(frame) => packets.push(frame.freeze()),
            Err(error) => break error,
        }
        assert!(packets.len() <= 3, "two buffers, and one more in hardened builds");
    };
    assert_eq!(refused, FrameError::AllInFlight);
    packets.remove(0);
    assert!(memory.try_begin_frame().is_ok());
}

#[test]
fn a_budget_that_is_too_small_is_an_error_with_a_name() {
    let root = root();
    let builder =
        MemoryManager::builder().root(root).frame_presize(1 << 20).budget("frame", Budget::hard(100_000));
    let Err(error) = builder.build() else { panic!("1 MiB does not fit 100,000 bytes") };
    let text = std::format!("{error}");
    assert!(matches!(error, BuildError::Memory(AllocError::Budget(_))), "{text}");
    assert!(text.contains("test/frame") && text.contains("budget"), "{text}");
    assert_eq!(root.account().subtree.reserved, 0, "nothing is left behind");
    let misspelt = MemoryManager::builder().root(root).budget("scnee", Budget::hard(1 << 20)).build();
    let text = std::format!("{}", misspelt.unwrap_err());
    assert!(text.contains("scnee") && text.contains("scene"), "{text}");
    assert!(root.ledger().find("test/scnee").is_none(), "no such tag was made");
    let many = ["a", "b", "c", "d", "e", "f", "g", "h"];
    assert!(matches!(
        MemoryManager::builder().root(root).scene_sections(&many).build(),
        Err(BuildError::TooManySections { most: 7 })
    ));
}

#[test]
fn forgotten_guards_are_closed_by_the_next_frame() {
    let mut memory = MemoryManager::builder().root(root()).build().unwrap();
    for _ in 0..10 {
        let frame = memory.begin_frame();
        core::mem::forget(frame.scratch());
        assert!(frame.try_scratch().is_err());
        core::mem::forget(frame.jobs().checkout());
    }
    let frame = memory.begin_frame();
    drop(frame.scratch());
    let stats = frame.end();
    assert_eq!((stats.frame, stats.jobs_used), (11, 0));
}

#[test]
fn a_scene_that_the_system_does_not_take_back_is_told_of() {
    let mut memory = MemoryManager::builder().root(root()).scene_sections(&["textures"]).build().unwrap();
    let next = memory.load_scene();
    next.insert_slice_copy(&[1u8; 100_000]);
    next.section("textures").unwrap().insert_slice_copy(&[2u8; 100_000]);
    let tag = next.tag();
    memory.change_scene(next);
    let empty = memory.load_scene();
    let report = {
        let _plan = fake::fail_all_after(0);
        memory.change_scene(empty)
    };
    let held = tag.account().subtree;
    assert!(held.committed >= 200_000, "{held:?}");
    assert_eq!((report.live_after, report.committed_after), (held.live, held.committed));
}

/// Loads a scene of about 500 KB in two arenas and makes it the present one.
fn next_scene(memory: &mut MemoryManager) -> Result<(crate::Resource<[u8]>, SceneReport), AllocError> {
    let next = memory.try_load_scene()?;
    let textures = next.section("textures").expect("the builder names it");
    let handle = textures.try_insert_slice_copy(&[7u8; 300_000])?;
    next.try_insert_slice_copy(&[8u8; 200_000])?;
    Ok((handle, memory.change_scene(next)))
}

/// What the scenes of a manager have committed by their own count.
fn held_by_scenes(memory: &MemoryManager) -> usize {
    let spare = memory.plan.spare.borrow().as_ref().map_or(0, |spare| spare.stats().committed);
    memory.resources().stats().committed + spare
}

fn keeping(root: Tag, keep: usize) -> MemoryManager {
    MemoryManager::builder().root(root).scene_sections(&["textures"]).scene_keep(keep).build().unwrap()
}

#[test]
fn a_scene_gets_the_address_space_of_an_earlier_one() {
    for clear in [false, true] {
        let mut memory = keeping(root(), 0);
        for _ in 0..2 {
            next_scene(&mut memory).unwrap();
        }
        for call in [os::Call::Reserve, os::Call::Release] {
            let plan = fake::fail_after(call, 0);
            let mut handles = std::vec::Vec::new();
            for _ in 0..5 {
                let (handle, report) = next_scene(&mut memory).unwrap();
                assert_eq!((report.live_after, report.committed_after), (0, 0));
                let textures = memory.resources().section("textures").unwrap();
                assert!(
                    handles.iter().all(|&old| textures.get(old).is_none()),
                    "handles of scenes that are over"
                );
                assert_eq!(textures.get(handle).unwrap()[299_999], 7);
                handles.push(handle);
                if clear {
                    assert_eq!(memory.clear_scene().committed_after, 0);
                }
            }
            assert_eq!(plan.seen(), 0, "{call:?}");
        }
        assert_eq!(memory.shutdown().held().count(), 0);
    }
}

#[test]
fn what_is_kept_of_a_scene_serves_the_next_one_and_is_never_more_than_asked() {
    for keep in [0, 1, 5_000, 100_000, 300_000, 1 << 20, usize::MAX] {
        let root = root();
        let mut memory = keeping(root, keep);
        let scenes = root.child("scene").unwrap();
        for round in 0..4 {
            next_scene(&mut memory).unwrap();
            let full = memory.resources().stats().committed;
            assert_eq!(scenes.account().subtree.committed, held_by_scenes(&memory));
            let report = memory.clear_scene();
            assert_eq!((report.dropped, report.live_after), (2, 0));
            assert!(report.committed_after <= keep, "{report:?}");
            assert_eq!(scenes.account().subtree.committed, held_by_scenes(&memory));
            assert!(held_by_scenes(&memory) <= keep, "kept once, not in every scene that was");
            if keep >= full {
                assert_eq!(report.committed_after, full);
            }
            if round >= 1 && keep >= 1 << 20 {
                let calls = fake::fail_all_after(0);
                next_scene(&mut memory).unwrap();
                assert_eq!(calls.seen(), 0, "all of it is there already");
                drop(calls);
                memory.clear_scene();
            }
        }
        // Without a clear between them: what the old scene keeps comes beside the present one.
        for _ in 0..4 {
            let (_, report) = next_scene(&mut memory).unwrap();
            assert!(report.committed_after <= keep);
            let present = memory.resources().stats().committed;
            assert_eq!(scenes.account().subtree.committed, held_by_scenes(&memory));
            assert!(held_by_scenes(&memory) - present <= keep);
        }
        memory.clear_scene();
        memory.try_trim().unwrap();
        assert_eq!(scenes.account().subtree.committed, 0, "no scene follows");
        assert_eq!(memory.shutdown().held().count(), 0);
        assert_eq!(root.account().subtree.reserved, 0);
    }
}

#[test]
fn two_scenes_that_ended_keep_no_more_than_one() {
    let keep = 1 << 20;
    let mut memory = keeping(root(), keep);
    for _ in 0..2 {
        next_scene(&mut memory).unwrap();
    }
    // While the scene that was set aside loads, the present one has nobody to change places with.
    let next = memory.load_scene();
    let handle = next.insert_slice_copy(&[9u8; 600_000]);
    assert!(memory.clear_scene().committed_after >= 500_000);
    let report = memory.change_scene(next);
    assert!(report.committed_after >= 500_000 && report.dropped == 0);
    assert_eq!(memory.resources().get(handle).unwrap()[599_999], 9);
    memory.clear_scene();
    assert!(held_by_scenes(&memory) <= keep, "{}", held_by_scenes(&memory));
    assert_eq!(memory.resources().stats().committed, 0, "what is kept is the next scene's");
}

#[test]
fn a_scene_of_another_manager_is_not_for_the_next_one() {
    let (here, there) = (root(), root());
    let mut memory = keeping(here, 1 << 20);
    let other = MemoryManager::builder().root(there).scene_sections(&["sounds"]).build().unwrap();
    for clear in [false, true] {
        next_scene(&mut memory).unwrap();
        let guest = other.load_scene();
        guest.insert_slice_copy(&[1u8; 100_000]);
        memory.change_scene(guest);
        if clear {
            assert_eq!(memory.clear_scene().committed_after, 0);
        }
        for _ in 0..3 {
            next_scene(&mut memory).unwrap();
        }
        assert_eq!(there.child("scene").unwrap().account().subtree.committed, 0);
    }
    drop(other);
    assert_eq!(memory.shutdown().held().count(), 0);
    assert_eq!((here.account().subtree.reserved, there.account().subtree.reserved), (0, 0));
}

#[test]
fn trimming_leaves_the_present_scene_as_it_is() {
    let mut memory = keeping(root(), 1 << 20);
    let scene = memory.load_scene();
    let (text, many) = (scene.insert_str("still there"), scene.insert_slice_copy(&[3u8; 70_000]));
    memory.change_scene(scene);
    memory.try_trim().unwrap();
    assert_eq!(memory.resources().get(text), Some("still there"));
    assert_eq!(memory.resources().get(many).unwrap()[69_999], 3);
    assert!(memory.resources().stats().committed < 70_000 + 3 * os::page_size());
    let more = memory.resources().insert_slice_copy(&[4u8; 500_000]);
    assert_eq!(memory.resources().get(more).unwrap()[499_999], 4);
}

#[test]
fn kept_scenes_stay_exact_whatever_the_system_refuses() {
    use os::Call;
    for call in [Call::Reserve, Call::Commit, Call::Decommit, Call::Release] {
        for (allowed, keep) in (0..40).flat_map(|allowed| [(allowed, 0), (allowed, 100_000)]) {
            let root = root();
            let scenes = root.child("scene").unwrap();
            let mut memory = keeping(root, keep);
            let plan = fake::fail_after(call, allowed);
            for step in 0..6 {
                // A refused load leaves the present scene alone.
                let _ = next_scene(&mut memory);
                if call != Call::Release {
                    assert_eq!(
                        scenes.account().subtree.committed,
                        held_by_scenes(&memory),
                        "{call:?} {allowed}"
                    );
                }
                if step % 2 == 1 {
                    let report = memory.clear_scene();
                    assert_eq!(report.live_after, 0);
                    assert!(report.committed_after <= keep || call == Call::Decommit, "{report:?}");
                }
                if step == 4 {
                    let _ = memory.try_trim();
                }
            }
            let refused = plan.refused();
            drop(plan);
            // Nothing is refused any more: all that was not lost by a refused release comes back.
            let report = memory.shutdown();
            let held = report.held().count();
            assert!(held == 0 || call == Call::Release && refused > 0, "{call:?} {allowed}: {report}");
            assert!(root.account().subtree.live == 0);
        }
    }
}

#[test]
fn a_destructor_that_panics_spoils_no_later_scene() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("boom");
        }
    }
    let root = root();
    let mut memory = keeping(root, 1 << 20);
    next_scene(&mut memory).unwrap();
    for clear in [false, true] {
        memory.resources().insert(Bomb);
        let next = memory.load_scene();
        let survivor = next.insert(5u32);
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            if clear { memory.clear_scene() } else { memory.change_scene(next) }
        }));
        assert!(unwound.is_err());
        assert_eq!(memory.resources().get(survivor).is_some(), !clear);
        assert_eq!(root.child("scene").unwrap().account().subtree.committed, held_by_scenes(&memory));
    }
    next_scene(&mut memory).unwrap();
    assert_eq!(memory.shutdown().held().count(), 0);
}

#[cfg(feature = "serde")]
#[test]
fn a_snapshot_survives_json() {
    let mut memory = MemoryManager::builder().root(root()).build().unwrap();
    memory.begin_frame().end();
    let snapshot = memory.snapshot();
    let text = serde_json::to_string(&snapshot).unwrap();
    let back: Snapshot = serde_json::from_str(&text).unwrap();
    assert_eq!(snapshot, back);
}
