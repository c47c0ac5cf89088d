//! Small blocks into warm memory, then all of them at once back.

use std::hint::black_box;

use arenite::{FrameArena, FrameArenaOptions, Tag};
use blink_alloc::Blink;

use super::{digest, used};
use crate::harness::Contest;

/// Blocks between two resets: 64 to 256 KiB, which stay in the second-level cache.
const BLOCKS: usize = 4096;

/// Resets in a round, so that the clock does not matter.
const FILLS: usize = 16;

pub(super) fn small() {
    contest("bump 16 B, warm", u128::from, |block| *block as u64);
}

pub(super) fn large() {
    contest("bump 64 B, warm", |value| [value; 8], |block: &[u64; 8]| block[7]);
}

/// Runs a round over `$all`, which `$alloc` allocates in and `$reset` empties.
macro_rules! fills {
    ($all:ident, $value:expr, |$one:ident| $alloc:expr, $reset:expr) => {
        for _ in 0..FILLS {
            let $all = black_box(&mut $all);
            for i in 0..BLOCKS as u64 {
                let $one = $value(i);
                used($alloc);
            }
            $reset;
        }
    };
}

fn contest<T: Copy + 'static>(
    name: &'static str,
    value: impl Fn(u64) -> T + Copy,
    word: impl Fn(&T) -> u64 + Copy,
) {
    let indices = 0..BLOCKS as u64;
    let bytes = BLOCKS * size_of::<T>() + 4096;

    let options = FrameArenaOptions::new(Tag::untagged()).presize(bytes);
    let mut ours = FrameArena::try_with(options).expect("a frame arena");
    ours.begin_frame();
    let ours_answer = digest(indices.clone().map(|i| &*ours.alloc(value(i))), word);

    let mut bumpalo = bumpalo::Bump::with_capacity(bytes);
    let bumpalo_answer = digest(indices.clone().map(|i| &*bumpalo.alloc(value(i))), word);

    let mut blink = Blink::new();
    let blink_answer = digest(indices.clone().map(|i| &*blink.put_no_drop(value(i))), word);
    blink.reset();

    let mut scope: bump_scope::Bump = bump_scope::Bump::with_size(bytes);
    let scope_answer = digest(indices.clone().map(|i| &*scope.alloc(value(i)).into_ref()), word);

    let mut vec: Vec<T> = Vec::with_capacity(BLOCKS);
    vec.extend(indices.clone().map(value));
    let vec_answer = digest(&vec, word);

    let mut boxes: Vec<Box<T>> = Vec::with_capacity(BLOCKS);
    boxes.extend(indices.map(|i| Box::new(value(i))));
    let boxes_answer = digest(boxes.iter().map(|one| &**one), word);
    boxes.clear();

    Contest::new(name, "allocation", BLOCKS * FILLS)
        .ours("FrameArena::alloc", ours_answer, move || {
            fills!(ours, value, |one| ours.alloc(one), ours.begin_frame());
        })
        .peer("bumpalo", bumpalo_answer, move || {
            fills!(bumpalo, value, |one| bumpalo.alloc(one), bumpalo.reset());
        })
        .peer("blink-alloc", blink_answer, move || {
            fills!(blink, value, |one| blink.put_no_drop(one), blink.reset());
        })
        .peer("bump-scope", scope_answer, move || {
            fills!(scope, value, |one| scope.alloc(one).into_ref(), scope.reset());
        })
        .peer("Vec::push, preallocated", vec_answer, move || {
            fills!(vec, value, |one| { vec.push(one); vec.last().expect("pushed") }, vec.clear());
        })
        .peer("Box (system malloc)", boxes_answer, move || {
            fills!(boxes, value, |one| { boxes.push(Box::new(one)); &**boxes.last().expect("pushed") }, boxes.clear());
        })
        .bar("FrameArena::alloc", "bumpalo", 1.0)
        .run();
}
