//! A game's frame: which things are seen, their names for a debug overlay, and one list that the next frame reads.

use std::hint::black_box;

use arenite::{FrameArena, FrameArenaOptions, Tag};
use bumpalo::Bump;
use bumpalo::collections::{CollectIn as _, Vec as BumpVec};

use super::used;
use crate::harness::Contest;
use crate::stats::Random;

const FRAMES: u64 = 600;
const THINGS: usize = 400;
const PER_CELL: usize = 12;

#[derive(Clone, Copy)]
struct Thing {
    id: u32,
    health: i32,
}

/// Moves with the frame, so that every list has another length in every frame.
fn seen(thing: Thing, frame: u64) -> bool {
    !(u64::from(thing.id).wrapping_mul(2_654_435_761) ^ frame).count_ones().is_multiple_of(3)
}

/// The members of one cell that need work: how many is not known before.
fn odd(cell: &[Thing]) -> impl Iterator<Item = u32> {
    cell.iter().filter(|it| it.health % 2 != 0).map(|it| it.id)
}

fn hurt(visible: &[Thing]) -> impl Iterator<Item = u32> {
    visible.iter().filter(|it| it.health < 0).map(|it| it.id)
}

fn world() -> Vec<Thing> {
    let mut random = Random(42);
    (0..THINGS as u32).map(|id| Thing { id, health: random.below(200) as i32 - 50 }).collect()
}

fn add(sum: u64, values: impl IntoIterator<Item = u64>) -> u64 {
    values.into_iter().fold(sum, |sum, value| sum.wrapping_mul(31).wrapping_add(value))
}

/// What a frame works out from its lists; the same code for all competitors.
fn outcome(visible: &[Thing], labels: &[&str], cells: &[&[u32]], last: &[u32]) -> u64 {
    let mut sum = add(0, [visible.len() as u64, last.len() as u64]);
    sum = add(sum, labels.iter().map(|label| label.len() as u64 + u64::from(label.as_bytes()[0])));
    sum = add(sum, cells.iter().map(|cell| cell.iter().map(|&id| u64::from(id)).sum()));
    add(sum, last.iter().step_by(7).map(|&id| u64::from(id)))
}

fn ours(world: &[Thing], arena: &mut FrameArena) -> u64 {
    let mut sum = 0;
    let mut last = None;
    for frame in 0..FRAMES {
        arena.begin_frame();
        let arena = &*arena;
        let visible = arena.alloc_slice_from_iter(world.iter().copied().filter(|it| seen(*it, frame)));
        let labels = arena.alloc_slice_from_iter(
            visible
                .iter()
                .step_by(8)
                .map(|it| &*arena.alloc_fmt(format_args!("thing {} hp {}", it.id, it.health))),
        );
        let cells = arena.alloc_slice_from_iter(
            visible.chunks(PER_CELL).map(|cell| &*arena.alloc_slice_from_iter(odd(cell))),
        );
        let (_, kept) = arena.keep_slice_from_iter(hurt(visible));
        let previous = last.and_then(|last| arena.get(last)).unwrap_or_default();
        used(&*cells);
        sum = add(sum, [outcome(visible, labels, cells, previous)]);
        last = Some(kept);
    }
    sum
}

/// The list that the next frame reads is copied out: what lives in the arena ends with the frame.
fn bumpalo(world: &[Thing], bump: &mut Bump) -> u64 {
    let mut sum = 0;
    let mut last = Vec::new();
    for frame in 0..FRAMES {
        bump.reset();
        let arena = &*bump;
        let visible: BumpVec<'_, Thing> =
            world.iter().copied().filter(|it| seen(*it, frame)).collect_in(arena);
        let labels: BumpVec<'_, &str> = visible
            .iter()
            .step_by(8)
            .map(|it| bumpalo::format!(in arena, "thing {} hp {}", it.id, it.health).into_bump_str())
            .collect_in(arena);
        let cells: BumpVec<'_, &[u32]> = visible
            .chunks(PER_CELL)
            .map(|cell| odd(cell).collect_in::<BumpVec<'_, u32>>(arena).into_bump_slice())
            .collect_in(arena);
        used(&*cells);
        sum = add(sum, [outcome(&visible, &labels, &cells, &last)]);
        last.clear();
        last.extend(hurt(&visible));
    }
    sum
}

fn global(world: &[Thing]) -> u64 {
    let mut sum = 0;
    let mut last = Vec::new();
    for frame in 0..FRAMES {
        let visible: Vec<Thing> = world.iter().copied().filter(|it| seen(*it, frame)).collect();
        let texts: Vec<String> =
            visible.iter().step_by(8).map(|it| format!("thing {} hp {}", it.id, it.health)).collect();
        let labels: Vec<&str> = texts.iter().map(String::as_str).collect();
        let lists: Vec<Vec<u32>> = visible.chunks(PER_CELL).map(|cell| odd(cell).collect()).collect();
        let cells: Vec<&[u32]> = lists.iter().map(Vec::as_slice).collect();
        used(&*cells);
        sum = add(sum, [outcome(&visible, &labels, &cells, &last)]);
        last.clear();
        last.extend(hurt(&visible));
    }
    sum
}

pub(super) fn run() {
    let world = world();
    let mut arena = FrameArena::try_with(FrameArenaOptions::new(Tag::untagged()).presize(64 << 10))
        .expect("a frame arena");
    // A fresh arena for the answer: the first frame of a run must have no frame before it.
    let our_answer = ours(&world, &mut arena);
    let mut bump = Bump::new();
    let their_answer = bumpalo(&world, &mut bump);
    Contest::new("frame: 600 frames of lists, labels, one kept list", "frame", FRAMES as usize)
        .ours("FrameArena", our_answer, || _ = black_box(ours(&world, &mut arena)))
        .peer("bumpalo, reset", their_answer, || _ = black_box(bumpalo(&world, &mut bump)))
        .peer("Vec and String", global(&world), || _ = black_box(global(&world)))
        .bar("FrameArena", "bumpalo, reset", 1.0)
        .run();
}
