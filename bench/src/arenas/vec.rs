//! A vector of unknown length that grows by `push` in warm memory.

use std::hint::black_box;

use arenite::{FrameArena, FrameArenaOptions, Tag};
use bump_scope::BumpVec;

use crate::harness::Contest;

/// Pushes `$count` numbers and answers their sum; makes the vector visible at the end, not at each push.
macro_rules! pushes {
    ($count:expr, $vec:expr) => {{
        let mut vec = $vec;
        for i in 0..black_box($count) as u64 {
            vec.push(i);
        }
        black_box(vec.as_slice()).iter().step_by(512).sum::<u64>().wrapping_add(vec.len() as u64)
    }};
}

pub(super) fn short() {
    contest("vec: push 1000 u64", 1000, 100);
}

pub(super) fn long() {
    contest("vec: push 100000 u64", 100_000, 2);
}

fn contest(name: &'static str, count: usize, vectors: usize) {
    let room = 4 << 20;
    let mut ours =
        FrameArena::try_with(FrameArenaOptions::new(Tag::untagged()).presize(room)).expect("a frame arena");
    let mut in_place = move || {
        ours.begin_frame();
        let sum = pushes!(count, Slice(ours.vec()));
        assert!(ours.stats().used <= room);
        sum
    };
    let mut bumpalo = bumpalo::Bump::with_capacity(room);
    let mut downward = move || {
        bumpalo.reset();
        pushes!(count, bumpalo::collections::Vec::new_in(&bumpalo))
    };
    let mut scope: bump_scope::Bump = bump_scope::Bump::with_size(room);
    let mut upward = move || {
        scope.reset();
        pushes!(count, BumpVec::new_in(&scope))
    };
    let std = move || pushes!(count, Vec::new());

    let rounds = move |mut run: Box<dyn FnMut() -> u64>| {
        move || {
            for _ in 0..vectors {
                black_box(run());
            }
        }
    };
    Contest::new(name, "push", count * vectors)
        .ours("ArenaVec", in_place(), rounds(Box::new(in_place)))
        .peer("std Vec", std(), rounds(Box::new(std)))
        .peer("bumpalo Vec", downward(), rounds(Box::new(downward)))
        .peer("bump-scope BumpVec", upward(), rounds(Box::new(upward)))
        .bar("ArenaVec", "bumpalo Vec", 1.0)
        .bar("ArenaVec", "std Vec", 1.0)
        .run();
}

/// Gives our vector the one name that it does not have.
struct Slice<'b>(arenite::ArenaVec<'b, u64>);

impl Slice<'_> {
    #[inline(always)]
    fn push(&mut self, value: u64) {
        self.0.push(value);
    }

    fn as_slice(&self) -> &[u64] {
        &self.0
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}
