//! Arenas that grow by chunks: filled from nothing and dropped, filled and emptied again and again, and scopes in them.

use arenite::{Heap, HeapArena};

use super::{digest, hidden, used};
use crate::harness::Contest;

/// Bytes between two resets: they stay in the second-level cache.
const BYTES: usize = 256 << 10;
const FILLS: usize = 16;

type Block = [u64; 8];
const BLOCKS: usize = BYTES / size_of::<Block>();

fn last(block: &Block) -> u64 {
    block[7]
}

fn heap() -> Heap {
    Heap::try_named("bench/growing").expect("a heap")
}

/// An arena is made, filled, and dropped.
pub(super) fn fresh() {
    let heap = heap();
    let indices = 0..BLOCKS as u64;
    let first = HeapArena::try_new(&heap).expect("an arena");
    let ours = digest(indices.clone().map(|i| &*first.alloc([i; 8])), last);
    let other = bumpalo::Bump::new();
    let bumpalo = digest(indices.clone().map(|i| &*other.alloc([i; 8])), last);
    let scope: bump_scope::Bump = bump_scope::Bump::new();
    let bump_scope = digest(indices.map(|i| scope.alloc([i; 8]).into_ref()), last);
    drop(first);

    Contest::new("growing: a new arena, 256 KiB of 64 B, dropped", "allocation", BLOCKS * FILLS)
        .ours("HeapArena", ours, move || {
            for _ in 0..FILLS {
                let mut arena = HeapArena::try_new(&heap).expect("an arena");
                let arena = hidden(&mut arena);
                for i in 0..BLOCKS as u64 {
                    used(arena.alloc([i; 8]));
                }
            }
        })
        .peer("bumpalo", bumpalo, || {
            for _ in 0..FILLS {
                let mut arena = bumpalo::Bump::new();
                let arena = hidden(&mut arena);
                for i in 0..BLOCKS as u64 {
                    used(arena.alloc([i; 8]));
                }
            }
        })
        .peer("bump-scope", bump_scope, || {
            for _ in 0..FILLS {
                let mut arena: bump_scope::Bump = bump_scope::Bump::new();
                let arena = hidden(&mut arena);
                for i in 0..BLOCKS as u64 {
                    used(arena.alloc([i; 8]).into_ref());
                }
            }
        })
        .bar("HeapArena", "bumpalo", 1.0)
        .run();
}

/// An arena that nobody has sized is filled and emptied.
pub(super) fn reset() {
    let heap = heap();
    let indices = 0..BLOCKS as u64;
    let mut ours = HeapArena::try_new(&heap).expect("an arena");
    let ours_answer = digest(indices.clone().map(|i| &*ours.alloc([i; 8])), last);
    let mut bumpalo = bumpalo::Bump::new();
    let bumpalo_answer = digest(indices.clone().map(|i| &*bumpalo.alloc([i; 8])), last);
    let mut scope: bump_scope::Bump = bump_scope::Bump::new();
    let scope_answer = digest(indices.map(|i| scope.alloc([i; 8]).into_ref()), last);

    Contest::new("growing: 256 KiB of 64 B, reset", "allocation", BLOCKS * FILLS)
        .ours("HeapArena", ours_answer, move || {
            for _ in 0..FILLS {
                let arena = hidden(&mut ours);
                arena.reset();
                for i in 0..BLOCKS as u64 {
                    used(arena.alloc([i; 8]));
                }
            }
        })
        .peer("bumpalo", bumpalo_answer, move || {
            for _ in 0..FILLS {
                let arena = hidden(&mut bumpalo);
                arena.reset();
                for i in 0..BLOCKS as u64 {
                    used(arena.alloc([i; 8]));
                }
            }
        })
        .peer("bump-scope", scope_answer, move || {
            for _ in 0..FILLS {
                let arena = hidden(&mut scope);
                arena.reset();
                for i in 0..BLOCKS as u64 {
                    used(arena.alloc([i; 8]).into_ref());
                }
            }
        })
        .bar("HeapArena", "bumpalo", 1.0)
        .run();
}

const SCOPES: usize = 20_000;

/// Nested scopes of four blocks each.
pub(super) fn scopes() {
    let heap = heap();
    let mut ours = HeapArena::try_new(&heap).expect("an arena");
    let answer = ours.scoped(|scope| digest((7..11).map(|seed| &*scope.alloc([seed; 8])), last));
    let mut theirs: bump_scope::Bump = bump_scope::Bump::new();
    let peer = theirs.scoped(|scope| digest((7..11).map(|seed| scope.alloc([seed; 8]).into_ref()), last));

    Contest::new("growing: enter a scope, 4 x 64 B written, exit", "scope", SCOPES)
        .ours("HeapArena::scoped", answer, move || {
            for i in 0..SCOPES as u64 {
                hidden(&mut ours).scoped(|scope| {
                    for seed in i..i + 4 {
                        used(scope.alloc([seed; 8]));
                    }
                });
            }
        })
        .peer("bump-scope scoped", peer, move || {
            for i in 0..SCOPES as u64 {
                hidden(&mut theirs).scoped(|scope| {
                    for seed in i..i + 4 {
                        used(scope.alloc([seed; 8]).into_ref());
                    }
                });
            }
        })
        .bar("HeapArena::scoped", "bump-scope scoped", 1.0)
        .run();
}
