//! Further data by the handles of a pool.

use super::*;

#[test]
fn entries_follow_handles() {
    let mut agents = pool::<()>(10_000);
    let mut names = Secondary::<(), String>::try_new(fresh_tag(), 10_000).unwrap();
    let handles: Vec<_> = (0..5000).map(|_| agents.insert(())).collect();
    for handle in handles.iter().rev().step_by(7) {
        assert_eq!(names.insert(*handle, handle.index().to_string()), Ok(None));
    }
    for (n, handle) in handles.iter().enumerate() {
        let there = (4999 - n).is_multiple_of(7);
        assert_eq!(names.get(*handle).map(String::as_str), there.then_some(&*n.to_string()));
        assert_eq!(names.contains(*handle), there);
    }
    assert!(names.iter().map(|(handle, _)| handle).is_sorted());
    assert_eq!(names.iter().len(), names.len());
    let some = handles[4999];
    assert_eq!(names.insert(some, "other".into()), Ok(Some("4999".into())));
    names.get_mut(some).unwrap().push('!');
    assert_eq!(names.remove(some).unwrap(), "other!");
    assert_eq!(names.remove(some), None);
    agents.retain(|handle, _| handle.index() < 2500);
    names.retain_in(&agents);
    assert_eq!(names.len(), 357);
    for (_, name) in &mut names {
        name.clear();
    }
    assert!((&names).into_iter().all(|(handle, name)| name.is_empty() && agents.contains(handle)));
    names.clear();
    assert!(names.is_empty() && names.iter().next().is_none());
}

#[test]
fn an_old_handle_neither_finds_nor_replaces_the_entry_of_a_new_one() {
    let mut agents = pool::<u8>(10);
    let mut names = Secondary::try_new(fresh_tag(), 10).unwrap();
    let old = agents.insert(1);
    names.insert(old, 1).unwrap();
    agents.remove(old);
    let new = agents.insert(2);
    assert_eq!(names.get(new), None);
    assert_eq!(names.get(old), Some(&1), "it does not see the pool");
    assert_eq!(names.insert(new, 2), Ok(Some(1)));
    assert_eq!(names.get(old), None);
    assert_eq!(names.insert(old, 3), Err(SecondaryError::Stale));
    assert_eq!((names.get(new), names.len()), (Some(&2), 1));
    let far = Handle::from_bits(1 << 32 | 10).unwrap();
    assert!(matches!(names.insert(far, 4), Err(SecondaryError::Alloc(AllocError::Full { .. }))));
    assert_eq!(names.get(far), None);
    for generation in [1, 5, 7, u64::from(u32::MAX)] {
        let forged = Handle::from_bits(generation << 32 | 5).unwrap();
        assert!(names.get(forged).is_none() && names.remove(forged).is_none());
    }
}

#[test]
fn entries_are_dropped_once_whoever_panics() {
    for clear in [true, false] {
        let log = Rc::default();
        let mut agents = pool::<()>(100);
        let mut entries = Secondary::try_new(fresh_tag(), 100).unwrap();
        let tag = entries.tag();
        for n in 0..20 {
            let handle = agents.insert(());
            assert!(entries.insert(handle, tracked(&log, n, n == 4 || n == 9)).is_ok());
        }
        let caught = catch_unwind(AssertUnwindSafe(|| {
            if clear {
                entries.clear();
            }
            drop(entries);
        }));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&4_u32));
        assert_eq!(log.borrow().clone(), (0..20).collect::<Vec<u32>>());
        let account = tag.account().subtree;
        assert_eq!((account.reserved, account.committed, account.live), (0, 0, 0));
    }
}
