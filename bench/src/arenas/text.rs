//! Text and slices that are copied in.

use std::hint::black_box;

use arenite::{FrameArena, FrameArenaOptions, Tag};
use bumpalo::Bump;

use super::{hidden, used};
use crate::harness::Contest;

const FILLS: usize = 8;

fn arena(bytes: usize) -> FrameArena {
    let options = FrameArenaOptions::new(Tag::untagged()).presize(bytes);
    let mut arena = FrameArena::try_with(options).expect("a frame arena");
    arena.begin_frame();
    arena
}

fn hash(values: impl IntoIterator<Item = u8>) -> u64 {
    values.into_iter().fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)))
}

pub(super) fn format() {
    const TEXTS: u64 = 1000;
    let mut ours = arena(64 << 10);
    let mut bump = Bump::with_capacity(128 << 10);
    let hp = |i: u64| i as i32 * 37 - 900;
    let our_answer = hash(ours.alloc_fmt(format_args!("unit {}: {} hp", 12, hp(12))).bytes());
    let their_answer = hash(bumpalo::format!(in &bump, "unit {}: {} hp", 12, hp(12)).bytes());
    let global_answer = hash(format!("unit {}: {} hp", 12, hp(12)).bytes());
    Contest::new("fmt: \"unit {}: {} hp\"", "text", TEXTS as usize * FILLS)
        .ours("alloc_fmt", our_answer, move || {
            for _ in 0..FILLS {
                let arena = hidden(&mut ours);
                for i in 0..TEXTS {
                    used(arena.alloc_fmt(format_args!("unit {}: {} hp", i, hp(i))));
                }
                arena.begin_frame();
            }
        })
        .peer("bumpalo::format!", their_answer, move || {
            for _ in 0..FILLS {
                let arena = hidden(&mut bump);
                for i in 0..TEXTS {
                    used(bumpalo::format!(in &*arena, "unit {}: {} hp", i, hp(i)).into_bump_str());
                }
                arena.reset();
            }
        })
        .peer("format! (system malloc)", global_answer, move || {
            for _ in 0..FILLS {
                for i in 0..TEXTS {
                    used(&*format!("unit {}: {} hp", i, hp(i)));
                }
            }
        })
        .bar("alloc_fmt", "bumpalo::format!", 1.0)
        .run();
}

pub(super) fn copy_64() {
    copy("copy: slice of 64 B", 64, 2000);
}

pub(super) fn copy_4k() {
    copy("copy: slice of 4 KiB", 4096, 60);
}

/// The length is hidden from the compiler: a copy of known length would be unrolled for everybody.
fn copy(name: &'static str, bytes: usize, slices: usize) {
    let source: Vec<u8> = (0..bytes).map(|i| i as u8 ^ 0x5A).collect();
    let source = &source[..];
    let room = (bytes + 64) * slices;
    let mut ours = arena(room);
    let mut bump = Bump::with_capacity(room);
    let mut scope: bump_scope::Bump = bump_scope::Bump::with_size(room);
    let our_answer = hash(ours.alloc_slice_copy(source).iter().copied());
    let their_answer = hash(bump.alloc_slice_copy(source).iter().copied());
    let scope_answer = hash(scope.alloc_slice_copy(source).iter().copied());
    Contest::new(name, "slice", slices * FILLS)
        .ours("alloc_slice_copy", our_answer, move || {
            for _ in 0..FILLS {
                let arena = hidden(&mut ours);
                for _ in 0..slices {
                    used(arena.alloc_slice_copy(black_box(source)));
                }
                arena.begin_frame();
            }
        })
        .peer("bumpalo", their_answer, move || {
            for _ in 0..FILLS {
                let arena = hidden(&mut bump);
                for _ in 0..slices {
                    used(arena.alloc_slice_copy(black_box(source)));
                }
                arena.reset();
            }
        })
        .peer("bump-scope", scope_answer, move || {
            for _ in 0..FILLS {
                let arena = hidden(&mut scope);
                for _ in 0..slices {
                    used(arena.alloc_slice_copy(black_box(source)).into_ref());
                }
                arena.reset();
            }
        })
        .bar("alloc_slice_copy", "bumpalo", 1.0)
        .run();
}
