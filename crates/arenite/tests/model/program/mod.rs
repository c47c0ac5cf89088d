//! Random programs against every arena, compared with naive models. One `Op` type per structure, decoded from four bytes
//! each, so that property tests (`tests/model/main.rs`) shrink them and the fuzz target (`fuzz/fuzz_targets/arenas.rs`)
//! mutates them; both run the same interpreters.
//!
//! | program | checks |
//! |---|---|
//! | [`frame`] | flips, kept values readable exactly one frame, packets, the figures of each frame |
//! | [`scratch`] | nested scopes, marks, boxes with destructors |
//! | [`resource`] | handles, destructors in reverse order and exactly once, clears |
//! | [`job`] | several arenas at once, their scratch, resets |
//! | [`columns`] | names of rows, their order, destructors and clones that panic, memory that goes and comes back |
//! | [`pools`] | pools of blocks and of values, for one thread and shared: misuse told exactly, panics, other threads |
//! | [`handles`] | handles before, during and after their values, destructors, borrows, secondaries |
//! | [`heap`] | the general heap: all sizes and alignments, growth, threads that end, trims, a range that is used up |
//! | [`careful`] | the heaps' face for programs in C: misuse of every kind, told exactly and without harm |
//! | [`named`] | named heaps with and without tracking: handles, discards, reports, other threads |
//! | [`heap_arena`] | arenas of chunks: scopes, marks, resets and clears over a heap that refuses |
//! | [`fit`] | offset allocators: every fit, alignments, resizing in place, segments that come, are drained and go |
//! | [`fit_heap`] | fit heaps over every storage and in every wrapper: misuse told exactly, resizing, moving, trims |
//! | [`ring`] | upload rings: what overlaps, and which fence is waited for |
//! | [`defrag`] | heaps and spaces whose blocks move: pins that outlive them, budgets in bytes and time, moves that others make |
//! | [`cache`] | the resource cache: what is there and in which order it goes, pins, loaders that fail, panic and nest |
//! | [`growing`] | `ArenaVec` and `ArenaString` against `Vec` and `String` |
//!
//! All of them check that live blocks do not overlap, are aligned, and keep their content; that an error says the truth
//! and changes nothing; that the ledger's accounts equal the figures of the arena; and that they are zero at the end.
//! Failures of the system and budgets are ops like any other. No `unsafe` but for the heaps, whose blocks are
//! raw: scopes are recursion.

pub(crate) mod block;
pub(crate) mod cache;
#[cfg(target_pointer_width = "64")]
pub(crate) mod careful;
pub(crate) mod columns;
pub(crate) mod defrag;
pub(crate) mod fit;
pub(crate) mod fit_heap;
pub(crate) mod frame;
pub(crate) mod growing;
pub(crate) mod handles;
#[cfg(target_pointer_width = "64")]
pub(crate) mod heap;
#[cfg(target_pointer_width = "64")]
pub(crate) mod heap_arena;
pub(crate) mod job;
#[cfg(target_pointer_width = "64")]
pub(crate) mod named;
pub(crate) mod pools;
pub(crate) mod resource;
pub(crate) mod ring;
pub(crate) mod scratch;
pub(crate) mod world;

use std::fmt::Debug;

/// Reads a program: four bytes are one op, a remainder is left out.
pub(crate) fn decode<Op: From<[u8; 4]>>(bytes: &[u8]) -> Vec<Op> {
    bytes.as_chunks::<4>().0.iter().copied().map(Op::from).collect()
}

/// A size from one byte: as a rule small, now and then some pages.
pub(crate) fn size(byte: u8) -> usize {
    let low = usize::from(byte & 63);
    match byte >> 6 {
        0 | 1 => usize::from(byte),
        2 => low * 67,
        _ => low * 4099,
    }
}

/// Runs the programs of all structures, picked by the first byte: what a fuzz target calls.
pub(crate) fn run_any(bytes: &[u8]) {
    fn run<Op: From<[u8; 4]> + Debug>(bytes: &[u8], program: fn(&[Op])) {
        program(&decode(bytes));
    }
    let Some((first, rest)) = bytes.split_first() else { return };
    match first % 18 {
        0 => run(rest, frame::run),
        1 => run(rest, scratch::run),
        2 => run(rest, resource::run),
        3 => run(rest, job::run),
        4 => run(rest, growing::run),
        5 => run(rest, columns::run),
        6 => run(rest, pools::run_shared),
        7 => run(rest, handles::run),
        #[cfg(target_pointer_width = "64")]
        8 => run(rest, heap::run),
        #[cfg(target_pointer_width = "64")]
        9 => run(rest, named::run),
        #[cfg(target_pointer_width = "64")]
        10 => run(rest, heap_arena::run),
        11 => run(rest, cache::run),
        12 => run(rest, fit::run),
        #[cfg(target_pointer_width = "64")]
        13 => run(rest, careful::run),
        14 => run(rest, fit_heap::run),
        15 => run(rest, ring::run),
        16 => run(rest, defrag::run),
        _ => run(rest, pools::run),
    }
}
