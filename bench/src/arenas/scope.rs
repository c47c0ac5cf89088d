//! Open a scope, put 4 × 64 bytes in, close it.

use arenite::{Scope, ScratchStack, Tag};

use super::{digest, hidden, used};
use crate::harness::Contest;

const SCOPES: usize = 20_000;
const ROOM: usize = 1 << 16;

type Block = [u64; 8];

fn last(block: &Block) -> u64 {
    block[7]
}

fn stack() -> ScratchStack {
    let mut stack = ScratchStack::try_new(Tag::untagged(), ROOM).expect("a scratch stack");
    stack.try_presize(ROOM).expect("a warm scratch stack");
    stack
}

/// Each block is written: that costs both the same, and most of it.
pub(super) fn written() {
    let (mut guarded, mut nested, mut opened) = (stack(), stack(), stack());
    let ours = guarded.scoped(|scope| {
        let mut guard = scope.guard();
        let inner = guard.scope();
        let answer = digest((7..11).map(|seed| &*inner.alloc([seed; 8])), last);
        drop(guard);
        assert_eq!(scope.used(), 0);
        answer
    });
    let mut theirs: bump_scope::Bump = bump_scope::Bump::with_size(ROOM);
    let peer = {
        let mut guard = theirs.scope_guard();
        let inner = guard.scope();
        digest((7..11).map(|seed| inner.alloc([seed; 8]).into_ref()), last)
    };
    assert_eq!(theirs.stats().allocated(), 0);
    let mut their_closures: bump_scope::Bump = bump_scope::Bump::with_size(ROOM);

    Contest::new("scope: enter, 4 x 64 B written, exit", "scope", SCOPES)
        .ours("Scope::guard, nested", ours, move || {
            guarded.scoped(|scope| {
                for i in 0..SCOPES as u64 {
                    let mut guard = hidden(&mut *scope).guard();
                    let inner = guard.scope();
                    for seed in i..i + 4 {
                        used(inner.alloc([seed; 8]));
                    }
                }
            });
        })
        .ours("Scope::scoped, nested", ours, move || {
            nested.scoped(|scope| {
                for i in 0..SCOPES as u64 {
                    hidden(&mut *scope).scoped(|inner: &mut Scope<'_>| {
                        for seed in i..i + 4 {
                            used(inner.alloc([seed; 8]));
                        }
                    });
                }
            });
        })
        .ours("ScratchStack::guard", ours, move || {
            for i in 0..SCOPES as u64 {
                let mut guard = hidden(&mut opened).guard();
                let scope = guard.scope();
                for seed in i..i + 4 {
                    used(scope.alloc([seed; 8]));
                }
            }
        })
        .peer("bump-scope scope_guard", peer, move || {
            for i in 0..SCOPES as u64 {
                let mut guard = hidden(&mut theirs).scope_guard();
                let inner = guard.scope();
                for seed in i..i + 4 {
                    used(inner.alloc([seed; 8]).into_ref());
                }
            }
        })
        .peer("bump-scope scoped", peer, move || {
            for i in 0..SCOPES as u64 {
                hidden(&mut their_closures).scoped(|inner| {
                    for seed in i..i + 4 {
                        used(inner.alloc([seed; 8]).into_ref());
                    }
                });
            }
        })
        .bar("Scope::guard, nested", "bump-scope scope_guard", 0.6)
        .bar("Scope::scoped, nested", "bump-scope scoped", 0.6)
        .run();
}

/// One word of each block is written: what is left is the allocator's own work.
pub(super) fn reserved() {
    let (mut guarded, mut nested) = (stack(), stack());
    let ours = guarded.scoped(|scope| {
        let mut guard = scope.guard();
        let inner = guard.scope();
        digest((7..11).map(|i| &*inner.alloc_slice_uninit::<u64>(8)[0].write(i)), |word| *word)
    });
    let mut theirs: bump_scope::Bump = bump_scope::Bump::with_size(ROOM);
    let peer = {
        let mut guard = theirs.scope_guard();
        let inner = guard.scope();
        digest((7..11).map(|i| &*inner.alloc_uninit_slice::<u64>(8).into_mut()[0].write(i)), |word| *word)
    };
    let mut their_closures: bump_scope::Bump = bump_scope::Bump::with_size(ROOM);

    Contest::new("scope: enter, 4 x 64 B with one word written, exit", "scope", SCOPES)
        .ours("Scope::guard, nested", ours, move || {
            guarded.scoped(|scope| {
                for i in 0..SCOPES as u64 {
                    let mut guard = hidden(&mut *scope).guard();
                    let inner = guard.scope();
                    for word in i..i + 4 {
                        used(inner.alloc_slice_uninit::<u64>(8)[0].write(word));
                    }
                }
            });
        })
        .ours("Scope::scoped, nested", ours, move || {
            nested.scoped(|scope| {
                for i in 0..SCOPES as u64 {
                    hidden(&mut *scope).scoped(|inner: &mut Scope<'_>| {
                        for word in i..i + 4 {
                            used(inner.alloc_slice_uninit::<u64>(8)[0].write(word));
                        }
                    });
                }
            });
        })
        .peer("bump-scope scope_guard", peer, move || {
            for i in 0..SCOPES as u64 {
                let mut guard = hidden(&mut theirs).scope_guard();
                let inner = guard.scope();
                for word in i..i + 4 {
                    used(inner.alloc_uninit_slice::<u64>(8).into_mut()[0].write(word));
                }
            }
        })
        .peer("bump-scope scoped", peer, move || {
            for i in 0..SCOPES as u64 {
                hidden(&mut their_closures).scoped(|inner| {
                    for word in i..i + 4 {
                        used(inner.alloc_uninit_slice::<u64>(8).into_mut()[0].write(word));
                    }
                });
            }
        })
        .bar("Scope::guard, nested", "bump-scope scope_guard", 0.6)
        .bar("Scope::scoped, nested", "bump-scope scoped", 0.6)
        .run();
}
