// attack: read_after_the_end E0505
// attack: read_in_the_next_frame E0499
// attack: end_twice E0382
// attack: two_frames E0499
// attack: flip_through_the_frame E0596
// attack: change_the_scene_in_a_frame E0499
// attack: clear_the_scene_in_a_frame E0499
// attack: trim_in_a_frame E0499
// attack: resource_across_a_scene E0502
// attack: section_across_a_scene E0502
// attack: job_data_after_the_end E0505
// attack: scratch_after_the_end E0505
// attack: shut_down_in_a_frame E0505
// attack: frame_shared E0277 cannot be shared between threads safely
//! Nothing of a frame is named after its end, and no scene changes while a frame is open.

use arenite::MemoryManager;

fn main() {
    let mut memory = MemoryManager::builder().build().unwrap();
    let next = memory.load_scene();
    let handle = next.insert(1u8);
    memory.change_scene(next);

    let frame = memory.begin_frame();
    let value = frame.alloc(1u8);
    let result = frame.jobs().checkout().alloc(2u8);
    let scratch = frame.scratch();
    assert_eq!((*value, *result, frame.resources().get(handle)), (1, 2, Some(&1)));
    #[cfg(not(scratch_after_the_end))]
    drop(scratch);
    #[cfg(frame_shared)]
    std::thread::scope(|threads| {
        threads.spawn(|| frame.alloc(1u8).to_owned());
    });
    #[cfg(flip_through_the_frame)]
    frame.freeze_arena_for(|arena: &mut arenite::FrameArena| arena.begin_frame());
    #[cfg(two_frames)]
    let second = memory.begin_frame();
    #[cfg(change_the_scene_in_a_frame)]
    memory.change_scene(todo!());
    #[cfg(clear_the_scene_in_a_frame)]
    memory.clear_scene();
    #[cfg(trim_in_a_frame)]
    memory.try_trim().unwrap();
    #[cfg(shut_down_in_a_frame)]
    println!("{}", memory.shutdown());
    #[cfg(read_in_the_next_frame)]
    let other = memory.begin_frame();
    #[cfg(not(shut_down_in_a_frame))]
    frame.end();
    #[cfg(shut_down_in_a_frame)]
    frame.alloc(1u8);
    #[cfg(end_twice)]
    frame.end();
    #[cfg(read_after_the_end)]
    assert_eq!(*value, 1);
    #[cfg(job_data_after_the_end)]
    assert_eq!(*result, 2);
    #[cfg(scratch_after_the_end)]
    drop(scratch);

    #[cfg(not(shut_down_in_a_frame))]
    {
        let resource = memory.resources().get(handle).unwrap();
        let section = memory.resources().section("none");
        assert_eq!((*resource, section.is_none()), (1, true));
        memory.clear_scene();
        #[cfg(resource_across_a_scene)]
        assert_eq!(*resource, 1);
        #[cfg(section_across_a_scene)]
        assert!(section.is_none());
        println!("{}", memory.shutdown());
    }
}
