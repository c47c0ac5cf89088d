// attack: frame_alloc E0080 drop glue
// attack: frame_try_alloc E0080 drop glue
// attack: frame_alloc_with E0080 drop glue
// attack: frame_try_alloc_with E0080 drop glue
// attack: frame_from_iter E0080 drop glue
// attack: frame_fill_with E0080 drop glue
// attack: frame_uninit E0080 drop glue
// attack: frame_keep E0080 drop glue
// attack: frame_keep_iter E0080 drop glue
// attack: frame_into_slice E0080 drop glue
// attack: scope_alloc E0080 drop glue
// attack: scope_alloc_with E0080 drop glue
// attack: job_alloc E0080 drop glue
// attack: job_from_iter E0080 drop glue
// attack: nested_in_a_tuple E0080 drop glue
//! A type whose destructor would never run is refused, after monomorphisation.

use arenite::{FrameArena, JobArenas, ScratchStack, Tag};

fn main() {
    let mut arena = FrameArena::try_new(Tag::untagged()).unwrap();
    arena.begin_frame();
    arena.alloc(1u8);
    #[cfg(frame_alloc)]
    arena.alloc(String::new());
    #[cfg(frame_try_alloc)]
    arena.try_alloc(Box::new(1u8)).unwrap();
    #[cfg(frame_alloc_with)]
    arena.alloc_with(String::new);
    #[cfg(frame_try_alloc_with)]
    arena.try_alloc_with(String::new).unwrap();
    #[cfg(frame_from_iter)]
    arena.alloc_slice_from_iter([vec![1u8]]);
    #[cfg(frame_fill_with)]
    arena.alloc_slice_fill_with(2, |_| std::rc::Rc::new(1u8));
    #[cfg(frame_uninit)]
    arena.alloc_slice_uninit::<String>(2);
    #[cfg(frame_keep)]
    arena.keep(std::cell::RefCell::new(Some(String::new())));
    #[cfg(frame_keep_iter)]
    arena.keep_slice_from_iter([String::new()]);
    // A vector runs destructors, until it becomes a slice.
    let mut vector = arena.vec();
    vector.push(String::new());
    #[cfg(frame_into_slice)]
    vector.into_slice();
    #[cfg(nested_in_a_tuple)]
    arena.alloc((1u8, [None::<std::sync::Arc<u8>>; 1]));

    let mut scratch = ScratchStack::try_new(Tag::untagged(), 1 << 20).unwrap();
    scratch.scoped(|scope| {
        // A box runs its destructor.
        drop(scope.alloc_box(String::new()));
        #[cfg(scope_alloc)]
        scope.alloc(String::new());
        #[cfg(scope_alloc_with)]
        scope.alloc_with(String::new);
    });

    let jobs = JobArenas::try_new(Tag::untagged()).unwrap();
    let job = jobs.checkout();
    job.alloc(1u8);
    #[cfg(job_alloc)]
    job.alloc(String::new());
    #[cfg(job_from_iter)]
    job.alloc_slice_from_iter([String::new()]);
}
