//! Attacks on the manager from safe code.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use arenite::{Ledger, MemoryManager, Tag};

fn root() -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register("game").unwrap()
}

fn manager(root: Tag) -> MemoryManager {
    MemoryManager::builder().root(root).scene_sections(&["textures", "sounds"]).build().unwrap()
}

struct Bomb(Arc<Mutex<Vec<u32>>>, u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(self.1);
        if self.1 >= 10 {
            std::panic::panic_any(self.1);
        }
    }
}

#[test]
fn forgotten_frames_guards_and_jobs_are_closed_by_the_next_frame() {
    let root = root();
    let mut memory = manager(root);
    let mut last = None;
    for number in 1..=20u64 {
        let frame = memory.begin_frame();
        assert_eq!(frame.frame(), number);
        if let Some((value, kept)) = last.take() {
            assert_eq!(frame.get(kept), Some(&value));
        }
        last = Some((number, frame.keep(number).1));
        mem::forget(frame.scratch());
        assert!(frame.try_scratch().is_err());
        let job = frame.jobs().checkout();
        job.alloc(number);
        mem::forget(job);
        // A frame has no destructor: leaving it open is forgetting it.
        let _open = frame;
    }
    let frame = memory.begin_frame();
    assert_eq!(frame.scratch().scope().used(), 0);
    assert_eq!(frame.end().jobs_used, 0);
    let report = memory.shutdown();
    assert_eq!((report.frames, report.held().count()), (21, 0));
    assert_eq!(root.account().subtree.reserved, 0);
}

#[test]
fn a_frame_that_panics_ends() {
    let mut memory = manager(root());
    for _ in 0..5 {
        let answer = catch_unwind(AssertUnwindSafe(|| {
            let frame = memory.begin_frame();
            let _guard = frame.scratch();
            let job = frame.jobs().checkout();
            job.alloc(1u8);
            frame.alloc_with(|| -> u64 { panic!("in a frame") });
        }));
        assert!(answer.is_err());
        let frame = memory.begin_frame();
        frame.scratch().scope().alloc(1u8);
        assert_eq!(frame.end().jobs_used, 0);
    }
}

#[test]
fn two_managers_do_not_read_each_other() {
    let (mut one, mut other) = (manager(root()), manager(root()));
    let (scene_one, scene_other) = (one.load_scene(), other.load_scene());
    let handle = scene_one.insert(1u32);
    let wall = scene_one.section("textures").unwrap().insert(2u32);
    scene_other.insert(3u32);
    scene_other.section("textures").unwrap().insert(4u32);
    one.change_scene(scene_one);
    other.change_scene(scene_other);
    let kept = one.begin_frame().keep(5u64).1;
    other.begin_frame().keep(6u64);
    {
        let (frame, foreign) = (one.begin_frame(), other.begin_frame());
        assert_eq!((frame.get(kept), foreign.get(kept)), (Some(&5), None));
        assert_eq!((frame.resources().get(handle), foreign.resources().get(handle)), (Some(&1), None));
        let textures = foreign.resources().section("textures").unwrap();
        assert_eq!((textures.get(wall), frame.resources().get(wall)), (None, None), "another section");
    }
    // Swapped managers take what is theirs along.
    mem::swap(&mut one, &mut other);
    assert_eq!((other.resources().get(handle), one.resources().get(handle)), (Some(&1), None));
    // A scene made by one manager and run by another is charged to the one that made it.
    let guest = one.load_scene();
    let guest_handle = guest.insert(7u32);
    other.change_scene(guest);
    assert_eq!((other.resources().get(guest_handle), other.resources().get(handle)), (Some(&7), None));
    assert_eq!(one.shutdown().held().count(), 3, "the guest's account and the two above it");
    assert_eq!(other.resources().get(guest_handle), Some(&7));
}

#[test]
fn destructors_that_panic_in_several_sections_all_run() {
    for by_shutdown in [false, true] {
        let root = root();
        let log = Arc::<Mutex<Vec<u32>>>::default();
        let mut memory = manager(root);
        let scene = memory.load_scene();
        for (section, first) in [(None, 0), (Some("textures"), 3), (Some("sounds"), 6)] {
            let arena = section.map_or(&*scene, |name| scene.section(name).unwrap());
            arena.insert(Bomb(Arc::clone(&log), first));
            arena.insert(Bomb(Arc::clone(&log), first + 10));
            arena.insert(Bomb(Arc::clone(&log), first + 1));
        }
        memory.change_scene(scene);
        let panic = if by_shutdown {
            catch_unwind(AssertUnwindSafe(|| memory.shutdown().frames)).unwrap_err()
        } else {
            let panic = catch_unwind(AssertUnwindSafe(|| memory.clear_scene().dropped)).unwrap_err();
            assert!(memory.resources().is_empty());
            memory.begin_frame().alloc(1u8);
            drop(memory);
            panic
        };
        assert_eq!(panic.downcast_ref(), Some(&16u32), "the first one goes on");
        let mut dropped = mem::take(&mut *log.lock().unwrap());
        assert_eq!(dropped[..3], [7, 16, 6], "the last section first, in reverse");
        dropped.sort_unstable();
        assert_eq!(dropped, [0, 1, 3, 4, 6, 7, 10, 13, 16]);
        let account = root.account().subtree;
        assert_eq!((account.reserved, account.committed, account.live), (0, 0, 0));
    }
}
