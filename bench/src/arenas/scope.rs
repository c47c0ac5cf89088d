//! Open a scope, put 4 × 64 bytes in, close it.

use std::hint::black_box;

use arenite::{Scope, ScratchStack, Tag};

use super::{digest, used};
use crate::harness::Contest;

const SCOPES: usize = 20_000;
const ROOM: usize = 1 << 16;

type Block = [u64; 8];

fn blocks(seed: u64) -> [Block; 4] {
    [[seed; 8], [seed + 1; 8], [seed + 2; 8], [seed + 3; 8]]
}

pub(super) fn run() {
    let mut stack = ScratchStack::try_new(Tag::untagged(), ROOM).expect("a scratch stack");
    stack.try_presize(ROOM).expect("a warm scratch stack");
    let ours = stack.scoped(|scope| {
        let mut guard = scope.guard();
        let inner = guard.scope();
        let answer = digest(blocks(7).map(|block| &*inner.alloc(block)), |block| block[7]);
        drop(guard);
        assert_eq!(scope.used(), 0);
        answer
    });
    let mut nested = ScratchStack::try_new(Tag::untagged(), ROOM).expect("a scratch stack");
    nested.try_presize(ROOM).expect("a warm scratch stack");
    let mut opened = ScratchStack::try_new(Tag::untagged(), ROOM).expect("a scratch stack");
    opened.try_presize(ROOM).expect("a warm scratch stack");

    let mut theirs: bump_scope::Bump = bump_scope::Bump::with_size(ROOM);
    let peer = {
        let mut guard = theirs.scope_guard();
        let inner = guard.scope();
        digest(blocks(7).map(|block| &*inner.alloc(block).into_ref()), |block| block[7])
    };
    assert_eq!(theirs.stats().allocated(), 0);
    let mut their_closures: bump_scope::Bump = bump_scope::Bump::with_size(ROOM);

    Contest::new("scope: enter, 4 x 64 B, exit", "scope", SCOPES)
        .ours("Scope::guard, nested", ours, move || {
            stack.scoped(|scope| {
                for i in 0..SCOPES as u64 {
                    let scope = black_box(&mut *scope);
                    let mut guard = scope.guard();
                    let inner = guard.scope();
                    for block in blocks(i) {
                        used(inner.alloc(block));
                    }
                }
            });
        })
        .ours("Scope::scoped, nested", ours, move || {
            nested.scoped(|scope| {
                for i in 0..SCOPES as u64 {
                    black_box(&mut *scope).scoped(|inner: &mut Scope<'_>| {
                        for block in blocks(i) {
                            used(inner.alloc(block));
                        }
                    });
                }
            });
        })
        .ours("ScratchStack::guard", ours, move || {
            for i in 0..SCOPES as u64 {
                let mut guard = black_box(&mut opened).guard();
                let scope = guard.scope();
                for block in blocks(i) {
                    used(scope.alloc(block));
                }
            }
        })
        .peer("bump-scope scope_guard", peer, move || {
            for i in 0..SCOPES as u64 {
                let mut guard = black_box(&mut theirs).scope_guard();
                let inner = guard.scope();
                for block in blocks(i) {
                    used(inner.alloc(block).into_ref());
                }
            }
        })
        .peer("bump-scope scoped", peer, move || {
            for i in 0..SCOPES as u64 {
                black_box(&mut their_closures).scoped(|inner| {
                    for block in blocks(i) {
                        used(inner.alloc(block).into_ref());
                    }
                });
            }
        })
        .bar("Scope::guard, nested", "bump-scope scope_guard", 0.6)
        .bar("Scope::scoped, nested", "bump-scope scoped", 0.6)
        .run();
}
