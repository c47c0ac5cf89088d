//! Several borrows at a time.

use super::*;

#[test]
fn disjoint_borrows_are_disjoint_by_slot() {
    let mut pool = pool::<u32>(100);
    let handles: Vec<_> = (0..10).map(|n| pool.insert(n)).collect();
    let twin = Handle::from_bits(handles[2].to_bits() | 1 << 32).unwrap();
    assert_eq!(pool.get_disjoint_mut([handles[2], twin]), Err(DisjointError::Repeated { position: 1 }));
    pool.remove(handles[0]);
    let third = pool.insert(0);
    assert_eq!(third.generation(), 3);
    assert_eq!(pool.get_disjoint_mut([third, third]), Err(DisjointError::Repeated { position: 1 }));
    assert_eq!(
        pool.get_disjoint_slice_mut(&[third, third]).unwrap_err(),
        DisjointError::Repeated { position: 1 }
    );
    assert_eq!(pool.get_disjoint_mut([third, handles[0]]), Err(DisjointError::Stale { position: 1 }));
    let [] = pool.get_disjoint_mut([]).unwrap();

    let [a, b, c] = pool.get_disjoint_mut([handles[9], handles[1], handles[5]]).unwrap();
    (*a, *b, *c) = (*b, *c, *a);
    assert_eq!([9, 1, 5].map(|n| pool[handles[n]]), [1, 5, 9]);

    let all: Vec<&mut u32> = pool.get_disjoint_slice_mut(&handles[1..]).unwrap().collect();
    assert_eq!(all.len(), 9);
    all.into_iter().for_each(|value| *value += 100);
    assert!(handles[1..].iter().all(|handle| pool[*handle] >= 100));
    assert_eq!(
        pool.get_disjoint_slice_mut(&[handles[3], handles[0]]).unwrap_err(),
        DisjointError::Stale { position: 1 }
    );
    assert_eq!(pool.borrow_many().get_mut(handles[3]).copied(), Ok(103), "a refusal lends nothing");
    check(&pool);
}

#[test]
fn a_borrow_lends_each_slot_once_and_a_forgotten_one_is_forgotten() {
    let mut pool = pool::<u32>(300);
    let handles: Vec<_> = (0..300).map(|n| pool.insert(n)).collect();
    for round in 0..4 {
        let mut borrow = pool.borrow_many();
        assert_eq!(borrow.lent(), 0);
        let lent: Vec<&mut u32> = handles.iter().map(|handle| borrow.get_mut(*handle).unwrap()).collect();
        for handle in &handles {
            assert_eq!(borrow.get_mut(*handle), Err(BorrowError::Borrowed));
        }
        assert_eq!(borrow.lent(), 300);
        if round % 2 == 0 {
            std::mem::forget(borrow);
        } else {
            drop(borrow);
        }
        // They outlive the guard.
        lent.into_iter().for_each(|value| *value += 1);
    }
    std::mem::forget({
        let mut borrow = pool.borrow_many();
        borrow.get_mut(handles[7]).unwrap();
        borrow
    });
    // What is left behind matters to nothing else, whatever becomes of the slots meanwhile.
    for handle in &handles {
        assert!(pool.remove(*handle).is_some());
    }
    check(&pool);
    pool.try_trim().unwrap();
    let again: Vec<_> = (0..300).map(|n| pool.insert(n)).collect();
    assert!(pool.reattach(again[7], 0).is_err());
    let mut borrow = pool.borrow_many();
    assert!(again.iter().all(|handle| borrow.get_mut(*handle).is_ok()));
    assert_eq!(borrow.get_mut(handles[7]), Err(BorrowError::Stale));
    drop(borrow);
    check(&pool);
}
