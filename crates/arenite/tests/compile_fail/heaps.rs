// attack: discarded_under_a_borrow E0505
// attack: used_after_a_discard E0382
// attack: forced_without_unsafe E0133
// attack: site_on_another_thread E0277
// attack: data_outlives_the_arena E0505
// attack: data_survives_a_reset E0502
// attack: data_survives_a_clear E0502
// attack: data_survives_a_release E0502
// attack: vector_survives_a_reset E0502
// attack: box_survives_a_clear E0502
// attack: inner_data_outlives_its_guard E0505
// attack: inner_data_outlives_its_forgotten_guard E0505
// attack: outer_allocates_under_an_inner_guard E0502
// attack: outer_vector_grows_under_an_inner_guard E0502
// attack: arena_allocates_under_a_guard E0502
// attack: arena_is_reset_under_a_guard E0499
// attack: two_inner_guards E0499
// attack: scope_opened_twice E0499
// attack: smuggled_out_of_a_closure E0521
// attack: box_outlives_its_scope E0505
// attack: box_of_a_shorter_borrow E0597
// attack: destructor_would_be_forgotten E0080 drop glue
// attack: arena_shared_by_threads E0277
//! A heap goes when nobody can use it any more; what lives in an arena on it goes no later than its scope.

use arenite::{Heap, HeapArena, ScopeBox};

fn borrow(heap: &Heap) -> &Heap {
    heap
}

fn main() {
    let heap = Heap::named("compile-fail");
    let borrowed = borrow(&heap);
    assert_eq!(borrowed.handles(), 1);

    let site = heap.site("on this thread");
    #[cfg(site_on_another_thread)]
    std::thread::spawn(move || drop(site));
    #[cfg(not(site_on_another_thread))]
    drop(site);

    let mut arena = HeapArena::try_new(&heap).unwrap();
    #[cfg(arena_shared_by_threads)]
    std::thread::scope(|scope| _ = scope.spawn(|| _ = arena.alloc(1u8)));
    #[cfg(destructor_would_be_forgotten)]
    arena.alloc(String::from("text"));
    let value = arena.alloc(1u8);
    assert_eq!(*value, 1);
    let mut numbers = arena.vec();
    numbers.push(1u8);
    let boxed = arena.alloc_box(String::from("text"));
    assert_eq!((numbers.len(), boxed.len()), (1, 4));
    let mark = arena.mark();
    #[cfg(data_survives_a_release)]
    {
        arena.release(mark);
        assert_eq!(*value, 1);
    }
    #[cfg(vector_survives_a_reset)]
    {
        arena.reset();
        numbers.push(2);
    }
    drop(numbers);
    #[cfg(box_survives_a_clear)]
    {
        arena.clear();
        assert_eq!(boxed.len(), 4);
    }
    drop(boxed);
    arena.release(mark);
    let value = arena.alloc(1u8);
    arena.alloc(2u8);
    #[cfg(data_survives_a_reset)]
    {
        arena.reset();
        assert_eq!(*value, 1);
    }
    #[cfg(data_survives_a_clear)]
    {
        arena.clear();
        assert_eq!(*value, 1);
    }
    assert_eq!(*value, 1);
    arena.reset();

    let mut guard = arena.guard();
    #[cfg(arena_allocates_under_a_guard)]
    arena.alloc(1u8);
    #[cfg(arena_is_reset_under_a_guard)]
    arena.reset();
    let mut outer = guard.scope();
    let kept = outer.alloc(1u8);
    #[cfg(outer_vector_grows_under_an_inner_guard)]
    let mut vector = outer.vec();
    let mut inner_guard = outer.guard();
    #[cfg(outer_allocates_under_an_inner_guard)]
    outer.alloc(2u8);
    #[cfg(outer_vector_grows_under_an_inner_guard)]
    {
        vector.push(2u8);
        drop(vector);
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
    let boxed = outer.alloc_box(String::from("text"));
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
    drop(borrower);
    #[cfg(not(box_outlives_its_scope))]
    drop(boxed);
    drop(guard);
    #[cfg(box_outlives_its_scope)]
    drop(boxed);

    let last = arena.alloc(1u8);
    #[cfg(data_outlives_the_arena)]
    drop(arena);
    assert_eq!(*last, 1);
    #[cfg(not(data_outlives_the_arena))]
    drop(arena);

    #[cfg(forced_without_unsafe)]
    heap.clone().force_discard();
    #[cfg(discarded_under_a_borrow)]
    {
        heap.try_discard().unwrap();
        assert_eq!(borrowed.handles(), 1);
    }
    #[cfg(used_after_a_discard)]
    {
        heap.try_discard().unwrap();
        heap.trim();
    }
    #[cfg(not(any(discarded_under_a_borrow, used_after_a_discard)))]
    heap.try_discard().unwrap();
}
