//! A tag that is full, whose callback allocates on the thread that stands under it.

use std::sync::atomic::{AtomicUsize, Ordering};

use arenite::ledger::Pressure;
use arenite::{Budget, GlobalHeap, Tag};

use super::turn;

static TOLD: AtomicUsize = AtomicUsize::new(0);

fn tell(pressure: &Pressure) {
    // More than any page that the tag could still have free blocks in, of many sizes.
    for size in [10usize, 100, 1000, 10_000, 100_000, 5 << 20] {
        let text = format!("{pressure}{}", ".".repeat(size));
        let shown = text.as_ptr();
        assert_eq!(GlobalHeap::tag_of(shown), Some(Tag::untagged()));
    }
    TOLD.fetch_add(1, Ordering::Relaxed);
    core::mem::forget(Tag::untagged().scope());
}

#[test]
fn a_callback_may_allocate_when_the_tag_of_its_thread_is_full() {
    let _turn = turn();
    let tag = Tag::register("full-tests").unwrap();
    tag.set_budget(Budget::hard(8 << 20).warn_at(0.8));
    tag.on_pressure(&tell).unwrap();
    let mut kept: Vec<Vec<u8>> = Vec::with_capacity(200_000);
    let _scope = tag.scope();
    for size in [1usize << 20, 3000, 200, 16] {
        loop {
            let mut block: Vec<u8> = Vec::new();
            if block.try_reserve_exact(size).is_err() {
                break;
            }
            assert_eq!(GlobalHeap::tag_of(block.as_ptr()), Some(tag));
            kept.push(block);
        }
        assert_eq!(Tag::current(), tag);
    }
    // A warning, and a refusal of each size at the least.
    assert!(TOLD.load(Ordering::Relaxed) >= 5);
    assert!(tag.account().subtree.committed <= 8 << 20);
    drop(kept);
    tag.set_budget(Budget::NONE);
}
