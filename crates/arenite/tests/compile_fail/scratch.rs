// attack: inner_data_outlives_its_guard E0505
// attack: inner_data_outlives_its_forgotten_guard E0505
// attack: data_outlives_the_stack E0505
// attack: outer_allocates_under_an_inner_guard E0502
// attack: outer_vector_grows_under_an_inner_guard E0502
// attack: outer_string_grows_under_an_inner_guard E0502
// attack: two_inner_guards E0499
// attack: scope_opened_twice E0499
// attack: smuggled_out_of_a_closure E0521
// attack: returned_from_a_closure - lifetime may not live long enough
// attack: box_outlives_its_scope E0505
// attack: box_of_a_shorter_borrow E0597
// attack: vector_outlives_its_scope E0505
// attack: guard_outlives_its_slot E0505
// attack: slot_taken_under_its_guard E0502
//! An inner scope ends before its guard, and the outer one is locked while it lives.

use arenite::{ScopeBox, ScratchSlot, ScratchStack, Tag};

fn main() {
    let mut scratch = ScratchStack::try_new(Tag::untagged(), 1 << 20).unwrap();
    let mut guard = scratch.guard();
    let mut outer = guard.scope();
    let kept = outer.alloc(1u8);

    #[cfg(outer_vector_grows_under_an_inner_guard)]
    let mut vector = outer.vec();
    #[cfg(outer_string_grows_under_an_inner_guard)]
    let mut string = outer.string();
    let mut inner_guard = outer.guard();
    #[cfg(outer_allocates_under_an_inner_guard)]
    outer.alloc(2u8);
    #[cfg(outer_vector_grows_under_an_inner_guard)]
    {
        vector.push(2u8);
        drop(vector);
    }
    #[cfg(outer_string_grows_under_an_inner_guard)]
    {
        string.push('2');
        drop(string);
    }
    #[cfg(two_inner_guards)]
    drop(outer.guard());
    let inner = inner_guard.scope();
    #[cfg(scope_opened_twice)]
    let again = inner_guard.scope();
    let value = inner.alloc(3u8);
    assert_eq!((*value, *kept), (3, 1));
    #[cfg(not(inner_data_outlives_its_forgotten_guard))]
    drop(inner_guard);
    #[cfg(inner_data_outlives_its_guard)]
    assert_eq!(*value, 3);
    #[cfg(inner_data_outlives_its_forgotten_guard)]
    {
        std::mem::forget(inner_guard);
        assert_eq!(*value, 3);
    }
    outer.alloc(4u8);

    #[cfg(smuggled_out_of_a_closure)]
    {
        let mut stolen = None;
        outer.scoped(|scope| stolen = Some(scope.alloc(5u8)));
    }
    outer.scoped(|scope| *scope.alloc(5u8));
    #[cfg(returned_from_a_closure)]
    outer.scoped(|scope| scope.alloc(5u8));

    let boxed = outer.alloc_box(String::from("text"));
    let mut vector = outer.vec();
    vector.push(1u8);
    let borrower: ScopeBox<'_, &u8>;
    {
        let short = 1u8;
        #[cfg(box_of_a_shorter_borrow)]
        {
            borrower = outer.alloc_box(&short);
        }
        #[cfg(not(box_of_a_shorter_borrow))]
        {
            borrower = outer.alloc_box(if short == 1 { &7 } else { &8 });
        }
    }
    assert_eq!(**borrower, 7);
    #[cfg(not(vector_outlives_its_scope))]
    drop(vector);
    #[cfg(not(box_outlives_its_scope))]
    drop(boxed);
    drop(borrower);
    drop(guard);
    #[cfg(vector_outlives_its_scope)]
    {
        vector.push(2);
        drop(vector);
    }
    #[cfg(box_outlives_its_scope)]
    drop(boxed);

    let mut guard = scratch.guard();
    let scope = guard.scope();
    let last = scope.alloc(1u8);
    assert_eq!(*last, 1);
    #[cfg(data_outlives_the_stack)]
    {
        drop(scratch);
        assert_eq!(*last, 1);
    }
    #[cfg(not(data_outlives_the_stack))]
    {
        drop(guard);
        let mut slot = ScratchSlot::new(scratch);
        let guard = slot.guard();
        #[cfg(slot_taken_under_its_guard)]
        slot.get_mut();
        #[cfg(guard_outlives_its_slot)]
        drop(slot);
        drop(guard);
        #[cfg(not(guard_outlives_its_slot))]
        slot.get_mut();
    }
}
