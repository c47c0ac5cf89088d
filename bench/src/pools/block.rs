//! Raw blocks of 64 bytes on one thread: many taken and then given back in random order, and one at a time.
#![expect(unsafe_code, reason = "writes raw blocks, and calls the C library's allocator")]

use std::alloc::Layout;
use std::ptr::NonNull;

use arenite::{Block, BlockPool, Tag};

use super::typed::{COUNT, Mi, Store, Value, pair_of, random_of};
use crate::harness::Contest;

fn pool() -> BlockPool {
    BlockPool::try_new(Tag::untagged(), Layout::new::<Value>(), COUNT).expect("a pool")
}

/// By pointer.
struct Raw(BlockPool);

impl Store for Raw {
    type Held = NonNull<Value>;

    #[inline(always)]
    fn insert(&mut self, value: Value) -> Self::Held {
        let block = self.0.alloc().expect("a block").cast();
        // SAFETY: a block of this layout, ours alone.
        unsafe { block.write(value) };
        block
    }

    #[inline(always)]
    fn look<'h>(&'h self, held: &'h Self::Held) -> &'h Value {
        // SAFETY: written when it was inserted, and not given back yet.
        unsafe { held.as_ref() }
    }

    #[inline(always)]
    fn give(&mut self, held: Self::Held) {
        self.0.free(held.cast()).expect("a block that is out");
    }
}

/// By blocks that give themselves back.
struct Taken(&'static BlockPool);

impl Store for Taken {
    type Held = Block<'static>;

    #[inline(always)]
    fn insert(&mut self, value: Value) -> Self::Held {
        let mut block = self.0.take().expect("a block");
        // SAFETY: a block of this layout, ours alone.
        unsafe { block.as_mut_ptr().cast::<Value>().write(value) };
        block
    }

    #[inline(always)]
    fn look<'h>(&'h self, held: &'h Self::Held) -> &'h Value {
        // SAFETY: a value was written when it was taken.
        unsafe { &*held.as_ptr().cast() }
    }
}

/// The C library's `malloc` and `free`.
struct Malloc;

impl Store for Malloc {
    type Held = NonNull<Value>;

    #[inline(always)]
    fn insert(&mut self, value: Value) -> Self::Held {
        // SAFETY: a block of that size and of `malloc`'s alignment, ours alone, is written.
        unsafe {
            let block = NonNull::new(libc::malloc(size_of::<Value>())).expect("memory").cast();
            block.write(value);
            block
        }
    }

    #[inline(always)]
    fn look<'h>(&'h self, held: &'h Self::Held) -> &'h Value {
        // SAFETY: written when it was inserted, and not given back yet.
        unsafe { held.as_ref() }
    }

    #[inline(always)]
    fn give(&mut self, held: Self::Held) {
        // SAFETY: from `malloc`, and given back once.
        unsafe { libc::free(held.as_ptr().cast()) };
    }
}

/// All of them, in one workload or the other.
macro_rules! all {
    ($add:ident, $contest:expr) => {{
        let contest = $add($contest, "BlockPool::alloc and free", true, Raw(pool()));
        let contest = $add(contest, "BlockPool::take", true, Taken(Box::leak(Box::new(pool()))));
        let contest = $add(contest, "malloc", false, Malloc);
        $add(contest, "mimalloc", false, Mi)
    }};
}

/// Both faces against both peers.
fn run(mut contest: Contest<'_>, malloc: f64) {
    for ours in ["BlockPool::alloc and free", "BlockPool::take"] {
        contest = contest.bar(ours, "malloc", malloc).bar(ours, "mimalloc", 1.0);
    }
    contest.run();
}

pub(super) fn random() {
    let contest = Contest::new("blocks: 4096 of 64 B, given back in random order", "block", COUNT);
    run(all!(random_of, contest), 0.45);
}

pub(super) fn pair() {
    let contest = Contest::new("blocks: take and give back one of 64 B", "pair", COUNT);
    run(all!(pair_of, contest), 1.0);
}
