//! Saved and loaded pools, also those that somebody changed in between.

use serde_json::{Value, json};

use super::*;

fn load<T: serde::de::DeserializeOwned>(saved: &Value, capacity: usize) -> Result<HandlePool<T>, StateError> {
    let state: HandlePoolState<T> = serde_json::from_value(saved.clone()).expect("well formed");
    state.try_into_pool(PoolOptions::new(fresh_tag(), capacity))
}

/// A pool with slots in every state.
fn busy() -> (HandlePool<u32>, Vec<Handle<u32>>) {
    let mut pool = pool::<u32>(500).retire_after(4);
    let mut handles: Vec<_> = (0..150).map(|n| pool.insert(n)).collect();
    for round in 0..4 {
        for n in (0..150).step_by(3 + round) {
            pool.remove(handles[n]);
        }
        let old = handles.clone();
        handles.extend((0..20).map(|n| pool.insert(1000 + n)));
        for n in (0..old.len()).step_by(11) {
            pool.remove(old[n]);
        }
    }
    for _ in 0..4 {
        let handle = pool.insert(7);
        handles.push(handle);
        pool.remove(handle);
    }
    pool.detach(*handles.iter().rev().find(|handle| pool.contains(**handle)).unwrap());
    handles.push(pool.reserve());
    handles.push(pool.insert(9));
    handles.extend((0..250).map(|_| pool.reserve()));
    assert!(pool.retired() > 0 && pool.reserved() == 251);
    (pool, handles)
}

#[test]
fn a_loaded_pool_is_the_saved_one() {
    let (mut pool, handles) = busy();
    let saved = serde_json::to_value(&pool).unwrap();
    let mut loaded = load::<u32>(&saved, 500).unwrap();
    check(&loaded);
    let figures =
        |pool: &HandlePool<u32>| (pool.len(), pool.retired(), pool.reserved(), pool.stats().detached);
    assert_eq!(figures(&loaded), figures(&pool));
    for handle in &handles {
        assert_eq!(loaded.get(*handle), pool.get(*handle));
    }
    for pool in [&mut pool, &mut loaded] {
        pool.flush(|handle| handle.index() * 2);
    }
    for handle in &handles {
        assert_eq!(loaded.get(*handle), pool.get(*handle));
    }
    // From here on both do the same, until both are full.
    let mut random = 1_u32;
    for n in 0..2000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if random >> 30 == 0 {
            let handle = handles[random as usize / 64 % handles.len()];
            assert_eq!(pool.remove(handle), loaded.remove(handle));
        } else {
            assert_eq!(pool.try_insert(n).ok(), loaded.try_insert(n).ok());
        }
    }
    assert!(pool.iter().eq(loaded.iter()));
    check(&loaded);
    // Saved while nothing is reserved: the very same text again.
    let saved = serde_json::to_string(&pool).unwrap();
    let again = load::<u32>(&serde_json::from_str(&saved).unwrap(), 500).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), saved);
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let mut pool = pool::<Box<u32>>(10);
    let handles: Vec<_> = (0..4).map(|n| pool.insert(Box::new(n))).collect();
    pool.remove(handles[1]);
    let saved = serde_json::to_value(&pool).unwrap();
    assert!(load::<Box<u32>>(&saved, 10).is_ok());
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut state = saved.clone();
        change(&mut state);
        load::<Box<u32>>(&state, 10).expect_err("it makes no sense")
    };
    assert_eq!(load::<Box<u32>>(&saved, 3).unwrap_err(), StateError::TooMany { slots: 10, capacity: 3 });
    let next = saved["free"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(next, json!(1));
    // Free twice; free and live; live twice; free and detached.
    assert_eq!(refused(&|state| state["free"][0] = next.clone()), StateError::NamedTwice { slot: 1 });
    assert_eq!(refused(&|state| state["values"][0][0] = json!(1)), StateError::NamedTwice { slot: 1 });
    assert_eq!(refused(&|state| state["values"][1][0] = json!(0)), StateError::NamedTwice { slot: 0 });
    assert_eq!(refused(&|state| state["detached"] = json!([1])), StateError::NamedTwice { slot: 1 });
    assert_eq!(refused(&|state| state["reserved"] = json!([5])), StateError::NamedTwice { slot: 5 });
    // Slots that there are not.
    assert_eq!(refused(&|state| state["free"][0] = json!(10)), StateError::NoSuchSlot { slot: 10 });
    assert_eq!(
        refused(&|state| state["values"][0][0] = json!(u32::MAX)),
        StateError::NoSuchSlot { slot: u32::MAX }
    );
    // Generations of another state: live ones odd, others even, none behind the last.
    for (slot, generation) in [(0, 0), (0, 2), (0, u32::MAX), (1, 0xFFFF_FFFE), (1, 3), (5, 1)] {
        let error = refused(&|state| state["generations"][slot] = json!(generation));
        assert_eq!(error, StateError::Generation { slot: slot as u32, generation });
    }
    // A slot that nobody names.
    let error = refused(&|state| drop(state["free"].as_array_mut().unwrap().pop()));
    assert_eq!(error, StateError::Generation { slot: 1, generation: 2 });
    assert!(error.to_string().contains("slot 1"));
    for (field, value) in [("last", 6), ("last", u32::MAX), ("fresh", 1), ("fresh", u32::MAX), ("first", 7)] {
        assert_eq!(refused(&|state| state[field] = json!(value)), StateError::Limits, "{field} {value}");
    }
    for (field, value) in [("taken", 10), ("taken", u32::MAX), ("beyond", 1), ("beyond", u32::MAX)] {
        assert_eq!(
            refused(&|state| state[field] = json!(value)),
            StateError::Reservations,
            "{field} {value}"
        );
    }
    // Random damage is refused or harmless.
    let text = serde_json::to_string(&saved).unwrap();
    for at in 0..text.len() {
        for digit in b"0179" {
            let mut bytes = text.clone().into_bytes();
            if bytes[at].is_ascii_digit() {
                bytes[at] = *digit;
                if let Ok(state) = serde_json::from_slice::<HandlePoolState<Box<u32>>>(&bytes)
                    && let Ok(mut pool) = state.try_into_pool(PoolOptions::new(fresh_tag(), 10))
                {
                    check(&pool);
                    pool.recycle();
                    while pool.try_insert(Box::new(1)).is_ok() {}
                    check(&pool);
                }
            }
        }
    }
}

#[test]
fn secondaries_are_saved_as_a_list() {
    let mut agents = pool::<()>(10);
    let mut names = Secondary::try_new(fresh_tag(), 10).unwrap();
    let (one, two) = (agents.insert(()), agents.insert(()));
    names.insert(two, 2).unwrap();
    names.insert(one, 1).unwrap();
    let saved = serde_json::to_string(&names).unwrap();
    let list: Vec<(Handle<()>, i32)> = serde_json::from_str(&saved).unwrap();
    assert_eq!(list, [(one, 1), (two, 2)]);
}
