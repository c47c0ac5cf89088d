// attack: two_mutable_borrows E0499
// attack: read_beside_a_write E0502
// attack: insert_while_one_is_read E0502
// attack: remove_while_walking E0499
// attack: outlive_the_pool E0505
// attack: handle_of_another_type E0308
// attack: secondary_of_another_type E0308
// attack: rc_sent E0277 cannot be sent between threads safely
// attack: cell_shared E0277 cannot be shared between threads safely
// attack: secondary_of_rc_sent E0277 cannot be sent between threads safely
// attack: walk_of_cells_sent E0277 cannot be shared between threads safely
// attack: walk_of_rcs_sent E0277 cannot be sent between threads safely
// attack: two_borrow_guards E0499
// attack: borrow_after_the_guard E0499
// attack: flush_through_a_shared_borrow E0596
// attack: pool_of_shorter_borrows E0597
//! What a handle pool lends is nobody else's, its handles name values of their own type, and what must stay on one
//! thread does.

use std::cell::Cell;
use std::rc::Rc;

use arenite::{Handle, HandlePool, Secondary, Tag};

struct Agent;
struct Sound;

fn sent<T: Send>(_: &T) {}
fn shared<T: Sync>(_: &T) {}

fn pool<T>() -> HandlePool<T> {
    HandlePool::try_new(Tag::untagged(), 100).unwrap()
}

fn main() {
    let mut numbers = pool::<u32>();
    let (one, other) = (numbers.insert(1), numbers.insert(2));
    sent(&numbers);
    shared(&numbers);
    {
        let first = numbers.get_mut(one).unwrap();
        #[cfg(two_mutable_borrows)]
        let second = numbers.get_mut(other).unwrap();
        #[cfg(read_beside_a_write)]
        let second = numbers.get(other).unwrap();
        *first += 1;
        #[cfg(any(two_mutable_borrows, read_beside_a_write))]
        assert_eq!(*second, 2);
    }
    {
        let first = numbers.get(one).unwrap();
        #[cfg(insert_while_one_is_read)]
        numbers.insert(3);
        assert_eq!(*first, 2);
    }
    for (handle, value) in &mut numbers {
        #[cfg(remove_while_walking)]
        numbers.remove(handle);
        assert!(*value > 0 && handle.generation() > 0);
    }
    {
        let mut borrow = numbers.borrow_many();
        let (a, b) = (borrow.get_mut(one).unwrap(), borrow.get_mut(other).unwrap());
        #[cfg(two_borrow_guards)]
        let c = numbers.borrow_many().get_mut(one).unwrap();
        drop(borrow);
        #[cfg(borrow_after_the_guard)]
        let c = numbers.get_mut(one).unwrap();
        std::mem::swap(a, b);
        #[cfg(any(two_borrow_guards, borrow_after_the_guard))]
        assert_eq!(*c, 2);
    }
    {
        let reserved = &numbers;
        reserved.reserve();
        #[cfg(flush_through_a_shared_borrow)]
        reserved.flush(|_| 1);
    }

    let mut agents = pool::<Agent>();
    let mut sounds = pool::<Sound>();
    let (agent, sound) = (agents.insert(Agent), sounds.insert(Sound));
    assert!(agents.contains(agent) && sounds.contains(sound));
    #[cfg(handle_of_another_type)]
    assert!(agents.contains(sound));
    let mut names = Secondary::<Agent, &str>::try_new(Tag::untagged(), 100).unwrap();
    names.insert(agent, "orc").unwrap();
    #[cfg(secondary_of_another_type)]
    names.insert(sound, "bark").unwrap();

    let mut counted = pool::<Rc<u8>>();
    let mut cells = pool::<Cell<u8>>();
    let rc: Handle<Rc<u8>> = counted.insert(Rc::new(1));
    let cell = cells.insert(Cell::new(1));
    sent(&rc);
    shared(&cell);
    sent(&cells);
    #[cfg(rc_sent)]
    sent(&counted);
    #[cfg(cell_shared)]
    shared(&cells);
    #[cfg(walk_of_cells_sent)]
    sent(&cells.iter());
    sent(&cells.iter_mut());
    #[cfg(walk_of_rcs_sent)]
    sent(&counted.iter_mut());
    let of_rc = Secondary::<Agent, Rc<u8>>::try_new(Tag::untagged(), 1).unwrap();
    #[cfg(secondary_of_rc_sent)]
    sent(&of_rc);
    drop(of_rc);
    // Of what the handles name nothing is stored.
    sent(&Secondary::<Rc<u8>, u8>::try_new(Tag::untagged(), 1).unwrap());

    let last = numbers.get(one).unwrap();
    assert!(*last > 0);
    drop(numbers);
    #[cfg(outlive_the_pool)]
    assert!(*last > 0);

    let mut texts = pool::<&str>();
    {
        let text = String::from("short");
        #[cfg(pool_of_shorter_borrows)]
        texts.insert(&text);
        assert_eq!(text, "short");
    }
    texts.insert("long");
}
