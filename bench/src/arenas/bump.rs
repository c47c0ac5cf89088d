//! Small blocks into warm memory, then all of them at once back.

use arenite::{FrameArena, FrameArenaOptions, ScratchStack, Tag};
use blink_alloc::Blink;

use super::{digest, hidden, used};
use crate::harness::Contest;

/// Bytes between two resets: they stay in the second-level cache, also twice (a frame arena has two buffers).
const BYTES: usize = 256 << 10;

/// Resets in a round, so that the clock does not matter.
const FILLS: usize = 16;

pub(super) fn small() {
    contest("bump 16 B aligned to 16, warm", u128::from, |block| *block as u64);
}

/// Most types of 16 bytes are aligned to 8; `u128` is the other kind.
pub(super) fn small_words() {
    contest("bump 16 B aligned to 8, warm", |value| [value; 2], |block: &[u64; 2]| block[1]);
}

pub(super) fn large() {
    contest("bump 64 B, warm", |value| [value; 8], |block: &[u64; 8]| block[7]);
}

/// Runs a round over `$all`, which `$alloc` allocates in and `$reset` empties.
macro_rules! fills {
    ($count:ident, $all:ident, $value:expr, |$one:ident| $alloc:expr, $reset:expr) => {
        for _ in 0..FILLS {
            let $all = hidden(&mut $all);
            for i in 0..$count as u64 {
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
    let blocks = BYTES / size_of::<T>();
    let indices = 0..blocks as u64;
    let bytes = BYTES + 4096;

    let options = FrameArenaOptions::new(Tag::untagged()).presize(bytes);
    let mut ours = FrameArena::try_with(options).expect("a frame arena");
    ours.begin_frame();
    let ours_answer = digest(indices.clone().map(|i| &*ours.alloc(value(i))), word);

    let mut stack = ScratchStack::try_new(Tag::untagged(), 1 << 20).expect("a scratch stack");
    stack.try_presize(bytes).expect("a warm scratch stack");
    let scratch_answer = stack.scoped(|scope| digest(indices.clone().map(|i| &*scope.alloc(value(i))), word));

    let mut bumpalo = bumpalo::Bump::with_capacity(bytes);
    let bumpalo_answer = digest(indices.clone().map(|i| &*bumpalo.alloc(value(i))), word);

    let mut blink = Blink::new();
    let blink_answer = digest(indices.clone().map(|i| &*blink.put_no_drop(value(i))), word);
    blink.reset();

    let mut scope: bump_scope::Bump = bump_scope::Bump::with_size(bytes);
    let scope_answer = digest(indices.clone().map(|i| scope.alloc(value(i)).into_ref()), word);

    let mut vec: Vec<T> = Vec::with_capacity(blocks);
    vec.extend(indices.clone().map(value));
    let vec_answer = digest(&vec, word);

    let mut boxes: Vec<Box<T>> = Vec::with_capacity(blocks);
    boxes.extend(indices.map(|i| Box::new(value(i))));
    let boxes_answer = digest(boxes.iter().map(|one| &**one), word);
    boxes.clear();

    Contest::new(name, "allocation", blocks * FILLS)
        .ours("FrameArena::alloc", ours_answer, move || {
            fills!(blocks, ours, value, |one| ours.alloc(one), ours.begin_frame());
        })
        .ours("Scope::alloc", scratch_answer, move || {
            for _ in 0..FILLS {
                let mut guard = hidden(&mut stack).guard();
                let scope = guard.scope();
                for i in 0..blocks as u64 {
                    used(scope.alloc(value(i)));
                }
            }
        })
        .peer("bumpalo", bumpalo_answer, move || {
            fills!(blocks, bumpalo, value, |one| bumpalo.alloc(one), bumpalo.reset());
        })
        .peer("blink-alloc", blink_answer, move || {
            fills!(blocks, blink, value, |one| blink.put_no_drop(one), blink.reset());
        })
        .peer("bump-scope", scope_answer, move || {
            fills!(blocks, scope, value, |one| scope.alloc(one).into_ref(), scope.reset());
        })
        .peer("Vec::push, preallocated", vec_answer, move || {
            fills!(
                blocks,
                vec,
                value,
                |one| {
                    vec.push(one);
                    vec.last().expect("pushed")
                },
                vec.clear()
            );
        })
        .peer("Box (system malloc)", boxes_answer, move || {
            fills!(
                blocks,
                boxes,
                value,
                |one| {
                    boxes.push(Box::new(one));
                    &**boxes.last().expect("pushed")
                },
                boxes.clear()
            );
        })
        .bar("FrameArena::alloc", "bumpalo", 1.0)
        .bar("Scope::alloc", "bumpalo", 1.0)
        .run();
}
