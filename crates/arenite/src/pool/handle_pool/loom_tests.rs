//! Every interleaving of threads that reserve handles.

use loom::sync::Arc;
use loom::thread;

use super::*;

/// One free slot and one behind the opened ones for three that want one: two get different handles, one is refused, and
/// a flush fills both.
#[test]
fn loom_reserved_handles_are_different_and_no_more_than_there_is_room() {
    loom::model(|| {
        let mut pool = HandlePool::<u32>::try_new(Tag::untagged(), 65).unwrap();
        let handles: [_; 64] = core::array::from_fn(|n| pool.insert(n as u32));
        pool.remove(handles[5]);
        let pool = Arc::new(pool);
        let reserve = |pool: &Arc<HandlePool<u32>>| {
            let pool = Arc::clone(pool);
            thread::spawn(move || pool.try_reserve().ok())
        };
        let (one, two) = (reserve(&pool), reserve(&pool));
        let mut got = [pool.try_reserve().ok(), one.join().unwrap(), two.join().unwrap()];
        got.sort_unstable();
        let [None, Some(first), Some(second)] = got else { panic!("{got:?}") };
        assert_eq!((first.index(), second.index()), (5, 64));
        assert!(!pool.contains(first) && !pool.contains(second));
        let mut pool = Arc::try_unwrap(pool).expect("the threads are done");
        assert_eq!(pool.flush(|handle| handle.index()), 2);
        assert_eq!((pool[first], pool[second], pool.len()), (5, 64, 65));
    });
}
