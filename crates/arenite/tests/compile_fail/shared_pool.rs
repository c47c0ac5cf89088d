// attack: block_outlives_its_pool E0505
// attack: box_outlives_its_pool E0505
// attack: leaked_value_outlives_its_pool E0505
// attack: all_freed_under_a_block E0502
// attack: all_freed_under_a_box E0502
// attack: two_writers E0499
// attack: box_of_an_rc_sent E0277 cannot be sent between threads safely
// attack: owned_box_of_an_rc_sent E0277 cannot be sent between threads safely
// attack: box_of_a_cell_shared E0277 cannot be shared between threads safely
// attack: owned_box_of_a_cell_shared E0277 cannot be shared between threads safely
// attack: pinned_in_a_borrowed_pool E0597
// attack: borrowed_box_sent_off E0597
// attack: block_used_after_it_went E0382
//! What a shared pool hands out ends before the pool, and goes to another thread only if its value may.

use std::alloc::Layout;
use std::cell::Cell;
use std::rc::Rc;

use arenite::{OwnedBox, SharedBlock, SharedBlockPool, SharedBox, SharedPool, SharedPoolOwner, Tag};

fn sent<T: Send>() {}
fn shared<T: Sync>() {}

fn main() {
    sent::<SharedBlockPool>();
    shared::<SharedBlockPool>();
    sent::<SharedBlock<'static>>();
    shared::<SharedBlock<'static>>();
    // A pool owns no value: each box does.
    sent::<SharedPool<Rc<u8>>>();
    shared::<SharedPool<Rc<u8>>>();
    sent::<SharedPoolOwner<Rc<u8>>>();
    shared::<SharedPoolOwner<Rc<u8>>>();
    sent::<SharedBox<'static, Cell<u8>>>();
    sent::<OwnedBox<Cell<u8>>>();
    shared::<SharedBox<'static, u8>>();
    shared::<OwnedBox<u8>>();
    #[cfg(box_of_an_rc_sent)]
    sent::<SharedBox<'static, Rc<u8>>>();
    #[cfg(owned_box_of_an_rc_sent)]
    sent::<OwnedBox<Rc<u8>>>();
    #[cfg(box_of_a_cell_shared)]
    shared::<SharedBox<'static, Cell<u8>>>();
    #[cfg(owned_box_of_a_cell_shared)]
    shared::<OwnedBox<Cell<u8>>>();

    let mut blocks = SharedBlockPool::try_new(Tag::untagged(), Layout::new::<u64>(), 10).unwrap();
    let mut block = blocks.take().unwrap();
    block[0] = 1;
    #[cfg(all_freed_under_a_block)]
    blocks.free_all();
    #[cfg(two_writers)]
    {
        let one = &mut block[..];
        let two = &mut block[..];
        one[0] = two[0];
    }
    #[cfg(block_outlives_its_pool)]
    {
        drop(blocks);
        assert_eq!(block[0], 1);
    }
    #[cfg(not(block_outlives_its_pool))]
    {
        assert_eq!(block[0], 1);
        drop(block);
        #[cfg(block_used_after_it_went)]
        assert_eq!(block[0], 1);
        blocks.free_all();
    }

    let mut values = SharedPool::<String>::try_new(Tag::untagged(), 10).unwrap();
    let value = values.insert("one".to_owned());
    #[cfg(all_freed_under_a_box)]
    values.free_all();
    assert_eq!(value.len(), 3);
    drop(value);
    values.free_all();
    let leaked = values.insert("two".to_owned()).leak();
    leaked.push('!');
    #[cfg(box_outlives_its_pool)]
    let value = values.insert("five".to_owned());
    #[cfg(not(leaked_value_outlives_its_pool))]
    assert_eq!(leaked.len(), 4);
    drop(values);
    #[cfg(box_outlives_its_pool)]
    drop(value);
    #[cfg(leaked_value_outlives_its_pool)]
    assert_eq!(leaked.len(), 4);

    let owner = SharedPool::<String>::try_new(Tag::untagged(), 10).unwrap().into_owner().unwrap();
    let value = owner.insert_owned("six".to_owned());
    drop(owner);
    std::thread::spawn(move || drop(value.into_pin())).join().unwrap();

    let last = SharedPool::<String>::try_new(Tag::untagged(), 10).unwrap();
    let value = last.insert("seven".to_owned());
    #[cfg(pinned_in_a_borrowed_pool)]
    drop(value.into_pin());
    #[cfg(borrowed_box_sent_off)]
    std::thread::spawn(move || drop(value));
    #[cfg(not(any(pinned_in_a_borrowed_pool, borrowed_box_sent_off)))]
    drop(value);
}
