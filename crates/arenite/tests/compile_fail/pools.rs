// attack: box_outlives_its_pool E0505
// attack: block_outlives_its_pool E0505
// attack: leaked_value_outlives_its_pool E0505
// attack: leaked_bytes_outlive_their_pool E0505
// attack: all_freed_under_a_box E0502
// attack: all_freed_under_a_block E0502
// attack: all_freed_under_a_leaked_value E0502
// attack: all_freed_under_leaked_bytes E0502
// attack: two_writers E0499
// attack: box_used_after_it_went E0382
// attack: block_used_after_it_went E0382
// attack: value_moved_out_twice E0382
// attack: box_sent E0277 cannot be sent between threads safely
// attack: box_moved_to_a_thread E0277 cannot be sent between threads safely
// attack: box_of_a_cell_shared E0277 cannot be shared between threads safely
// attack: pool_shared E0277 cannot be shared between threads safely
// attack: pool_used_by_two_threads E0277 cannot be shared between threads safely
// attack: blocks_shared E0277 cannot be shared between threads safely
// attack: blocks_used_by_two_threads E0277 cannot be shared between threads safely
// attack: block_sent_off E0597
// attack: pinned_in_a_borrowed_pool E0597
// attack: raw_pointer_made_a_box E0133
// attack: pool_of_shorter_borrows E0597
//! What a pool of one thread hands out ends before the pool. Its boxes stay on its thread, its blocks need not.

use std::alloc::Layout;
use std::cell::Cell;
use std::rc::Rc;
use std::thread;

use arenite::{Block, BlockPool, Pool, PoolBox, Tag};

fn sent<T: Send>() {}
fn shared<T: Sync>() {}

fn main() {
    // The pools may go to another thread, whatever the type: they own no value.
    sent::<Pool<Rc<u8>>>();
    sent::<BlockPool>();
    sent::<Block<'static>>();
    shared::<Block<'static>>();
    shared::<PoolBox<'static, u8>>();
    #[cfg(box_sent)]
    sent::<PoolBox<'static, u8>>();
    #[cfg(box_of_a_cell_shared)]
    shared::<PoolBox<'static, Cell<u8>>>();
    sent::<Cell<u8>>();
    #[cfg(pool_shared)]
    shared::<Pool<u8>>();
    #[cfg(blocks_shared)]
    shared::<BlockPool>();

    let mut values = Pool::<String>::try_new(Tag::untagged(), 10).unwrap();
    let value = values.insert("one".to_owned());
    #[cfg(all_freed_under_a_box)]
    values.free_all();
    assert_eq!(value.len(), 3);
    drop(value);
    #[cfg(box_used_after_it_went)]
    assert_eq!(value.len(), 3);
    values.free_all();

    let value = values.insert("two".to_owned());
    let moved = value.into_inner();
    #[cfg(value_moved_out_twice)]
    let again = value.into_inner();
    assert_eq!(moved.len(), 3);

    let value = values.insert("three".to_owned());
    let raw = value.into_raw();
    #[cfg(raw_pointer_made_a_box)]
    drop(PoolBox::from_raw(&values, raw));
    #[cfg(not(raw_pointer_made_a_box))]
    // SAFETY: given up just now, by a box of this pool, and made a box once.
    drop(unsafe { PoolBox::from_raw(&values, raw) });

    let leaked = values.insert("four".to_owned()).leak();
    #[cfg(all_freed_under_a_leaked_value)]
    values.free_all();
    leaked.push('!');
    // Not used any more: its place may go.
    values.free_all();

    let value = values.insert("five".to_owned());
    thread::scope(|threads| {
        // A look at the value is for every thread, the box is not.
        let (value, pool) = (&value, &values);
        threads.spawn(move || assert_eq!(value.len(), 4));
        #[cfg(pool_used_by_two_threads)]
        threads.spawn(move || drop(pool.insert("six".to_owned())));
        assert_eq!(pool.live(), 1);
    });
    #[cfg(box_moved_to_a_thread)]
    thread::scope(|threads| {
        threads.spawn(move || drop(value));
    });
    #[cfg(not(box_moved_to_a_thread))]
    drop(value);

    let value = values.insert("seven".to_owned());
    let leaked = values.insert("eight".to_owned()).leak();
    #[cfg(not(box_outlives_its_pool))]
    drop(value);
    drop(values);
    #[cfg(box_outlives_its_pool)]
    drop(value);
    #[cfg(leaked_value_outlives_its_pool)]
    assert_eq!(leaked.len(), 5);

    let mut blocks = BlockPool::try_new(Tag::untagged(), Layout::new::<u64>(), 10).unwrap();
    let mut block = blocks.take().unwrap();
    #[cfg(all_freed_under_a_block)]
    blocks.free_all();
    #[cfg(two_writers)]
    {
        let one = &mut block[..];
        let two = &mut block[..];
        one[0] = two[0];
    }
    block[0] = 1;
    drop(block);
    #[cfg(block_used_after_it_went)]
    assert_eq!(block[0], 1);
    let bytes = blocks.take().unwrap().leak();
    #[cfg(all_freed_under_leaked_bytes)]
    blocks.free_all();
    bytes[0] = 1;
    blocks.free_all();

    let block = blocks.take().unwrap();
    thread::scope(|threads| {
        threads.spawn(move || drop(block));
        #[cfg(blocks_used_by_two_threads)]
        threads.spawn(|| drop(blocks.take()));
        drop(blocks.take());
    });
    let block = blocks.take().unwrap();
    let bytes = blocks.take().unwrap().leak();
    #[cfg(not(block_outlives_its_pool))]
    drop(block);
    drop(blocks);
    #[cfg(block_outlives_its_pool)]
    drop(block);
    #[cfg(leaked_bytes_outlive_their_pool)]
    assert_eq!(bytes.len(), 8);

    // Pinned values, and blocks of detached threads, are of pools that are never dropped.
    let forever: &'static Pool<u8> = Box::leak(Box::new(Pool::try_new(Tag::untagged(), 1).unwrap()));
    drop(forever.insert(1).into_pin());
    let forever: &'static BlockPool =
        Box::leak(Box::new(BlockPool::try_new(Tag::untagged(), Layout::new::<u8>(), 1).unwrap()));
    let block = forever.take().unwrap();
    thread::spawn(move || drop(block)).join().unwrap();
    let local = Pool::<u8>::try_new(Tag::untagged(), 1).unwrap();
    let value = local.insert(1);
    #[cfg(pinned_in_a_borrowed_pool)]
    drop(value.into_pin());
    #[cfg(not(pinned_in_a_borrowed_pool))]
    drop(value);
    let local = BlockPool::try_new(Tag::untagged(), Layout::new::<u8>(), 1).unwrap();
    let block = local.take().unwrap();
    #[cfg(block_sent_off)]
    thread::spawn(move || drop(block));
    #[cfg(not(block_sent_off))]
    drop(block);

    let texts = Pool::<&str>::try_new(Tag::untagged(), 10).unwrap();
    let mut kept = texts.insert("long");
    {
        let text = String::from("short");
        #[cfg(pool_of_shorter_borrows)]
        {
            *kept = &text;
        }
        assert_eq!(text, "short");
    }
    assert_eq!(*kept, "long");
    *kept = "longer";
}
