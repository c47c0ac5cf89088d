// attack: read_after_defragmenting E0502
// attack: written_after_defragmenting E0499
// attack: read_after_it_was_freed E0502
// attack: two_writers E0499
// attack: outlives_the_heap E0505
// attack: changed_through_a_pin E0594
// attack: not_send E0277 cannot be sent between threads safely
// attack: not_sync E0277 cannot be shared between threads safely
// attack: not_static E0597
// attack: slice_of_borrows E0597
// attack: moved_out_of_a_slice E0277 the size for values
// attack: handle_of_another_type E0308
// attack: handle_of_a_narrower_type E0308
// attack: defragmented_while_shared E0596
//! Nothing moves while it is borrowed; what is pinned is only read; what lives in the heap may be dropped anywhere.

use std::alloc::Layout;
use std::cell::Cell;
use std::rc::Rc;

use arenite::{DefragBudget, DefragHandle, DefragHeap, Tag};

fn sent<T: Send + Sync>() {}

fn main() {
    sent::<DefragHeap>();
    sent::<DefragHandle<Rc<u8>>>();
    let mut heap: DefragHeap = DefragHeap::try_new(Tag::untagged()).unwrap();
    let text = heap.insert(String::from("text"));
    let bytes = heap.alloc(Layout::new::<[u8; 9]>());
    let local = 5u8;
    #[cfg(not_send)]
    heap.insert(Rc::new(1u8).clone());
    #[cfg(not_sync)]
    heap.insert(Cell::new(1u8));
    #[cfg(not_static)]
    heap.insert(&local);
    #[cfg(slice_of_borrows)]
    heap.insert_slice_copy(&[&local]);
    heap.insert_slice_copy(&[local]);
    let _ = Cell::new(1u8);

    let read = heap.get(text).unwrap();
    #[cfg(read_after_defragmenting)]
    heap.defragment(DefragBudget::bytes(1000));
    #[cfg(read_after_it_was_freed)]
    heap.free(text).unwrap();
    assert_eq!(read, "text");
    {
        let shared = &heap;
        shared.get(text).unwrap();
        #[cfg(defragmented_while_shared)]
        shared.defragment(DefragBudget::bytes(1000));
    }
    let write = heap.get_mut(bytes).unwrap();
    #[cfg(written_after_defragmenting)]
    heap.defragment(DefragBudget::bytes(1000));
    #[cfg(two_writers)]
    let second = heap.get_mut(bytes).unwrap();
    write[0] = 1;
    #[cfg(two_writers)]
    second.fill(0);

    let mut pin = heap.pin(bytes).unwrap();
    #[cfg(changed_through_a_pin)]
    {
        pin[0] = 2;
    }
    pin = pin.clone();
    heap.defragment(DefragBudget::bytes(1000));
    #[cfg(moved_out_of_a_slice)]
    heap.remove(bytes);
    #[cfg(handle_of_another_type)]
    let _: Option<&u8> = heap.get::<u8>(text);
    // Otherwise a function that keeps what it is given could be called with what does not live that long.
    let function: DefragHandle<fn(&u8)> = heap.insert((|_| ()) as fn(&u8));
    #[cfg(handle_of_a_narrower_type)]
    let _: DefragHandle<fn(&'static u8)> = function;
    heap.get(function).unwrap()(&local);
    let read = heap.get(text).unwrap();
    assert_eq!(read, "text");
    drop(heap);
    #[cfg(outlives_the_heap)]
    assert_eq!(read, "text");
    assert_eq!(pin[0], 1);
}
