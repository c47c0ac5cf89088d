// attack: read_after_the_clear E0502
// attack: outlive_the_arena E0505
// attack: clear_through_a_shared_borrow E0596
// attack: not_send E0277 cannot be sent between threads safely
// attack: not_sync E0277 cannot be shared between threads safely
// attack: not_static E0597
// attack: slice_not_sync E0277 cannot be shared between threads safely
// attack: slice_of_borrows E0597
// attack: changed_in_place E0594
//! Resources are `Send + Sync + 'static` and are not named after they are gone.

use arenite::{ResourceArena, Tag};

fn main() {
    let mut arena = ResourceArena::try_new(Tag::untagged()).unwrap();
    let handle = arena.insert(String::from("text"));
    let local = 5u8;
    #[cfg(not_send)]
    arena.insert(std::sync::Mutex::new(1u8).lock().unwrap().to_owned() as *const u8 as usize as *const u8);
    #[cfg(not_sync)]
    arena.insert(std::cell::Cell::new(1u8));
    #[cfg(not_static)]
    arena.insert(&local);
    #[cfg(slice_not_sync)]
    arena.insert_slice_copy(&[std::ptr::null::<u8>()]);
    #[cfg(slice_of_borrows)]
    arena.insert_slice_copy(&[&local]);
    arena.insert(local);
    {
        let shared = &arena;
        shared.insert(1u8);
        #[cfg(clear_through_a_shared_borrow)]
        shared.clear();
    }
    let text = arena.get(handle).unwrap();
    #[cfg(changed_in_place)]
    {
        *text = String::new();
    }
    assert_eq!(text, "text");
    arena.clear();
    #[cfg(read_after_the_clear)]
    assert_eq!(text, "text");
    let again = arena.insert(1u8);
    let number = arena.get(again).unwrap();
    assert_eq!(*number, 1);
    drop(arena);
    #[cfg(outlive_the_arena)]
    assert_eq!(*number, 1);
}
