//! Random programs against every arena, compared with naive models; see [`program`]. The fuzz target `arenas` runs the
//! same programs on inputs of its own.
#![allow(missing_docs, reason = "a test")]

mod pressure;
mod program;
mod replay;

use program::{
    cache, columns, defrag, fit, fit_heap, frame, growing, handles, job, pools, resource, ring, scratch,
};
#[cfg(target_pointer_width = "64")]
use program::{careful, heap, heap_arena, named};
use proptest::collection::vec;
use proptest::prelude::*;

/// Programs of up to 120 ops. Shrinks to few and small ones.
fn program<Op: From<[u8; 4]> + std::fmt::Debug>() -> impl Strategy<Value = Vec<Op>> {
    vec(any::<[u8; 4]>().prop_map(Op::from), 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frame_arenas_agree_with_the_model(ops in program()) {
        frame::run(&ops);
    }

    #[test]
    fn scratch_stacks_agree_with_the_model(ops in program()) {
        scratch::run(&ops);
    }

    #[test]
    fn resource_arenas_agree_with_the_model(ops in program()) {
        resource::run(&ops);
    }

    #[test]
    fn job_arenas_agree_with_the_model(ops in program()) {
        job::run(&ops);
    }

    #[test]
    fn vectors_and_strings_agree_with_the_standard_ones(ops in program()) {
        growing::run(&ops);
    }

    #[test]
    fn columns_agree_with_the_model(ops in program()) {
        columns::run(&ops);
    }

    #[test]
    fn shared_pools_agree_with_the_model(ops in program()) {
        pools::run_shared(&ops);
    }

    #[test]
    fn handle_pools_agree_with_the_model(ops in program()) {
        handles::run(&ops);
    }

    #[test]
    fn caches_agree_with_the_model(ops in program()) {
        cache::run(&ops);
    }

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn heaps_agree_with_the_model(ops in program()) {
        heap::run(&ops);
    }

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn careful_faces_agree_with_the_model(ops in program()) {
        careful::run(&ops);
    }

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn named_heaps_agree_with_the_model(ops in program()) {
        named::run(&ops);
    }

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn heap_arenas_agree_with_the_model(ops in program()) {
        heap_arena::run(&ops);
    }

    #[test]
    fn offset_allocators_agree_with_the_model(ops in program()) {
        fit::run(&ops);
    }

    #[test]
    fn fit_heaps_agree_with_the_model(ops in program()) {
        fit_heap::run(&ops);
    }

    #[test]
    fn upload_rings_agree_with_the_model(ops in program()) {
        ring::run(&ops);
    }

    #[test]
    fn heaps_whose_blocks_move_agree_with_the_model(ops in program()) {
        defrag::run(&ops);
    }

    #[test]
    fn pools_agree_with_the_model(ops in program()) {
        pools::run(&ops);
    }
}

#[test]
fn any_bytes_are_a_program() {
    program::run_any(&[]);
    for first in 0..18 {
        let bytes: Vec<u8> = (0..4000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        program::run_any(&[&[first], &*bytes].concat());
    }
}
