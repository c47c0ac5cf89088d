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
