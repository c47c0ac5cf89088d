//! Every interleaving of a heap and the pins of its blocks. With a fit that is small by itself: loom's stacks are, too.

use core::alloc::Layout;

use loom::thread;

use super::*;
use crate::heap::fit::FirstFit;
use crate::ledger::Tag;

/// The last pin of a block goes on another thread while the owner wants to change, move and free that block: he is refused, or
/// what was read is read.
#[test]
fn loom_a_block_is_changed_and_moved_after_its_pins_are_gone() {
    loom::model(|| {
        let mut heap: DefragHeap<FirstFit> =
            DefragHeap::try_with(DefragHeapOptions::new(Tag::untagged()).blocks(4)).unwrap();
        let hole = heap.alloc(Layout::new::<[u8; 64]>());
        let block = heap.insert(5u64);
        let pin = heap.pin(block).unwrap();
        heap.free(hole).unwrap();
        let reader = thread::spawn(move || {
            assert_eq!(*pin, 5);
            drop(pin);
        });
        match heap.get_mut(block) {
            Ok(value) => *value = 6,
            Err(error) => assert_eq!(error, DefragError::Pinned),
        }
        let report = heap.defragment(DefragBudget::bytes(1000));
        assert!(report.moved_blocks + report.skipped_pinned == 1, "{report:?}");
        reader.join().unwrap();
        // Whatever was skipped is looked at again.
        let again = heap.defragment(DefragBudget::bytes(1000));
        assert_eq!(report.moved_blocks + again.moved_blocks, 1, "{report:?} {again:?}");
        heap.free(block).unwrap();
    });
}

/// The heap goes while two threads have pins: one of the three frees all of it, after the others are done.
#[test]
fn loom_the_last_one_frees() {
    loom::model(|| {
        let mut heap: DefragHeap<FirstFit> =
            DefragHeap::try_with(DefragHeapOptions::new(Tag::untagged()).blocks(4)).unwrap();
        let block = heap.insert(7u64);
        let one = heap.pin(block).unwrap();
        let two = one.clone();
        let read = |pin: DefragPin<u64>| thread::spawn(move || assert_eq!(*pin, 7));
        let (one, two) = (read(one), read(two));
        drop(heap);
        one.join().unwrap();
        two.join().unwrap();
    });
}
