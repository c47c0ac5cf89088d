// attack: read_after_the_flip E0502
// attack: slice_after_the_flip E0502
// attack: vector_after_the_flip E0502
// attack: read_after_the_freeze E0502
// attack: outlive_the_arena E0505
// attack: kept_text_after_two_flips E0502
// attack: ticket_of_frame_data E0502
// attack: ticket_of_a_local E0597
// attack: flip_in_a_closure E0502
// attack: vector_across_a_move E0505
//! Frame data stays in its frame.

use arenite::{FrameArena, Tag};

fn main() {
    let mut arena = FrameArena::try_new(Tag::untagged()).unwrap();
    arena.begin_frame();
    let value = arena.alloc(1u32);
    let slice = arena.alloc_slice_copy(&[1u8, 2]);
    let mut vector = arena.vec();
    vector.push(1u64);
    assert_eq!((*value, slice.len(), vector.len()), (1, 2, 1));

    let (_, inner) = arena.keep(&*value);
    let kept = {
        let local = 5u8;
        #[cfg(ticket_of_a_local)]
        {
            arena.keep(&local).1
        }
        #[cfg(not(ticket_of_a_local))]
        {
            arena.keep(local).1
        }
    };
    let _copy = kept;
    #[cfg(flip_in_a_closure)]
    arena.alloc_with(|| arena.begin_frame());

    #[cfg(vector_across_a_move)]
    let mut arena = {
        let moved = arena;
        vector.push(2);
        moved
    };
    #[cfg(not(vector_across_a_move))]
    vector.push(2);
    drop(vector);

    #[cfg(not(outlive_the_arena))]
    {
        #[cfg(read_after_the_freeze)]
        let late = arena.alloc(3u8);
        let packet = arena.freeze();
        #[cfg(read_after_the_freeze)]
        assert_eq!(*late, 3);
        drop(packet);
        #[cfg(vector_after_the_flip)]
        let grown = arena.vec::<u8>();
        arena.begin_frame();
        #[cfg(vector_after_the_flip)]
        drop(grown);
        #[cfg(read_after_the_flip)]
        assert_eq!(*value, 1);
        #[cfg(slice_after_the_flip)]
        slice.len();
        #[cfg(ticket_of_frame_data)]
        arena.get(inner);
        let (_, text) = arena.keep_str("text");
        arena.begin_frame();
        let read = arena.get(text).unwrap();
        assert_eq!(read, "text");
        arena.begin_frame();
        #[cfg(kept_text_after_two_flips)]
        assert_eq!(read, "text");
    }
    let last = arena.alloc(1u8);
    assert_eq!(*last, 1);
    drop(arena);
    #[cfg(outlive_the_arena)]
    assert_eq!(*last, 1);
}
