use std::boxed::Box;
use std::format;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::String;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock, mpsc};
use std::thread;
use std::vec::Vec;

use super::*;
use crate::ledger::{Budget, Ledger};

const KIB: usize = 1024;

type Cache = ResourceCache<u32, Vec<u8>>;

/// A tag of its own ledger.
fn tag(budget: Budget) -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    let tag = ledger.register("game/textures").unwrap();
    tag.set_budget(budget);
    tag
}

fn cache(limit: usize) -> Cache {
    Cache::new(tag(Budget::hard(limit)))
}

fn load(cache: &Cache, key: u32, bytes: usize) -> Result<Pinned<u32, Vec<u8>>, LoadError<NoRoom>> {
    cache.get_or_load(&key, |room| {
        room.claim(bytes)?;
        Ok(std::vec![key as u8; 4])
    })
}

fn keys(cache: &Cache) -> Vec<u32> {
    (0..100).filter(|key| cache.contains(key)).collect()
}

fn committed(cache: &Cache) -> (usize, usize) {
    let own = cache.tag().account().own;
    (own.committed, own.live)
}

#[test]
fn the_least_recently_used_goes_and_pinned_ones_stay() {
    let cache = cache(4 * KIB);
    let first = load(&cache, 0, KIB).unwrap();
    for key in 1..4 {
        drop(load(&cache, key, KIB).unwrap());
    }
    assert_eq!(*cache.get(&1).unwrap(), [1; 4]); // 2 is now the oldest
    drop(load(&cache, 4, KIB).unwrap());
    assert_eq!(keys(&cache), [0, 1, 3, 4]);
    drop(load(&cache, 5, 2 * KIB).unwrap());
    assert_eq!(keys(&cache), [0, 4, 5]);
    assert_eq!(*first, [0; 4]);
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.loads, stats.evictions), (1, 6, 6, 3));
    assert_eq!((stats.count, stats.bytes, stats.idle_bytes, stats.peak_bytes), (3, 4096, 3072, 4096));
    assert_eq!(committed(&cache), (4096, 4096));
    let tag = cache.tag();
    drop(cache);
    assert_eq!((tag.account().own.committed, *first == [0; 4]), (KIB, true), "a pin outlives the cache");
    drop(first);
    assert_eq!((tag.account().own.committed, tag.account().own.live), (0, 0));
}

#[test]
fn what_can_not_fit_is_an_error_and_unloads_nothing() {
    let cache = cache(4 * KIB);
    let pin = load(&cache, 0, KIB).unwrap();
    (1..4).for_each(|key| drop(load(&cache, key, KIB).unwrap()));
    for bytes in [3 * KIB + 1, 5 * KIB, usize::MAX] {
        let Err(LoadError::NoRoom(refused)) = load(&cache, 9, bytes) else { panic!("it does not fit") };
        assert_eq!((refused.pinned, refused.refused.wanted, refused.refused.in_use), (KIB, bytes, 4 * KIB));
    }
    assert_eq!((keys(&cache), cache.stats().evictions), (Vec::from([0, 1, 2, 3]), 0));
    assert_eq!((cache.stats().refusals, cache.stats().failures), (3, 3));
    assert_eq!(
        format!("{}", load(&cache, 9, 5 * KIB).unwrap_err()),
        "no room for 5.0 KiB under tag `game/textures`: budget of 4.0 KiB, 4.0 KiB in use, 1.0 KiB of it pinned in this \
         cache; raise the budget, load something smaller, or let go of pins"
    );
    drop(load(&cache, 9, 3 * KIB).unwrap());
    assert_eq!(keys(&cache), [0, 9]);
    drop(pin);
}

#[test]
fn a_budget_that_was_lowered_below_what_is_pinned_refuses_at_once() {
    let cache = cache(8 * KIB);
    let pins: Vec<_> = (0..4).map(|key| load(&cache, key, KIB).unwrap()).collect();
    (4..8).for_each(|key| drop(load(&cache, key, KIB).unwrap()));
    cache.tag().set_budget(Budget::hard(4 * KIB));
    assert!(matches!(load(&cache, 9, KIB), Err(LoadError::NoRoom(_))));
    assert_eq!(cache.len(), 8, "four idle ones would not have been enough");
    assert!(load(&cache, 9, 0).is_ok(), "nothing always fits");
    drop(pins);
    drop(load(&cache, 9, 0).unwrap());
    drop(load(&cache, 10, KIB).unwrap());
    assert_eq!(cache.stats().bytes, 4 * KIB);
}

#[test]
fn a_claim_that_is_refused_half_way_gives_back_the_first_half() {
    let cache = cache(4 * KIB);
    drop(load(&cache, 0, KIB).unwrap());
    let outcome = cache.get_or_load(&1, |room| {
        room.claim(2 * KIB)?;
        assert_eq!(room.bytes(), 2 * KIB);
        room.claim(3 * KIB)?;
        Ok::<_, NoRoom>(Vec::new())
    });
    assert!(matches!(outcome, Err(LoadError::NoRoom(_))));
    assert_eq!((keys(&cache), committed(&cache)), (Vec::from([0]), (KIB, KIB)));
    // Too much claimed: the rest goes back. A refusal that the loader can live with is none.
    let pin = cache.get_or_load(&1, |room| {
        assert!(room.claim(9 * KIB).is_err());
        room.claim(3 * KIB)?;
        room.give_back(2 * KIB);
        Ok::<_, NoRoom>(Vec::new())
    });
    assert_eq!(pin.unwrap().bytes(), KIB);
    assert_eq!((keys(&cache), committed(&cache)), (Vec::from([0, 1]), (2 * KIB, 2 * KIB)));
}

#[test]
fn it_stays_below_the_warning_of_its_tag_and_of_those_above() {
    let cache = cache(100 * KIB);
    let parent = cache.tag().parent().unwrap();
    parent.set_budget(Budget::hard(20 * KIB).warn_at(0.5));
    (0..30).for_each(|key| drop(load(&cache, key, KIB).unwrap()));
    assert_eq!(keys(&cache), (21..30).collect::<Vec<_>>(), "9 KiB are below 10 KiB");
    // Pins may go beyond the warning, up to the limit.
    let pins: Vec<_> = (40..60).map(|key| load(&cache, key, KIB).unwrap()).collect();
    assert_eq!(keys(&cache), (40..60).collect::<Vec<_>>());
    assert!(matches!(load(&cache, 70, 1), Err(LoadError::NoRoom(refused)) if refused.refused.tag == parent));
    drop(pins);
    parent.set_budget(Budget::soft(12 * KIB));
    drop(load(&cache, 70, KIB).unwrap());
    assert_eq!(cache.len(), 12, "a soft limit is a mark, too");
}

#[test]
fn a_loader_that_fails_or_panics_leaves_the_cache_as_it_was() {
    let cache = cache(8 * KIB);
    drop(load(&cache, 0, KIB).unwrap());
    let failed = cache.get_or_load(&1, |room| {
        room.claim(KIB).unwrap();
        Err::<Vec<u8>, _>("no such file")
    });
    assert_eq!(failed.unwrap_err(), LoadError::Failed("no such file"));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        cache.get_or_load(&1, |room| -> Result<Vec<u8>, NoRoom> {
            room.claim(KIB)?;
            panic!("bad header")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(cache.try_pin(&1).unwrap_err(), PinError::Absent);
    assert_eq!((keys(&cache), committed(&cache), cache.stats().failures), (Vec::from([0]), (KIB, KIB), 2));
    assert_eq!(*load(&cache, 1, KIB).unwrap(), [1; 4]);
}

#[test]
fn insert_replaces_and_refuses_with_the_value() {
    let cache = cache(4 * KIB);
    let old = cache.insert(&1, KIB, Vec::from([1])).unwrap();
    let new = cache.insert(&1, 2 * KIB, Vec::from([2])).unwrap();
    assert_eq!(
        (&*old, &**cache.get(&1).unwrap(), new.ptr_eq(&cache.get(&1).unwrap())),
        (&Vec::from([1]), &[2][..], true)
    );
    assert_eq!(
        (cache.stats().bytes, committed(&cache).0),
        (2 * KIB, 3 * KIB),
        "the old one lives by its pin"
    );
    drop(old);
    assert_eq!(committed(&cache).0, 2 * KIB);
    let refused = cache.insert(&2, 3 * KIB, Vec::from([3])).unwrap_err();
    assert_eq!(refused.value, [3]);
    assert!(matches!(refused.reason, InsertError::NoRoom(reason) if reason.pinned == 2 * KIB));
    assert_eq!(keys(&cache), [1]);
}

#[test]
fn unload_clear_and_trim_leave_what_is_pinned() {
    let cache = cache(100 * KIB);
    let pin = load(&cache, 0, 3 * KIB).unwrap();
    (1..8).for_each(|key| drop(load(&cache, key, KIB).unwrap()));
    assert!(!cache.unload(&0) && cache.unload(&3) && !cache.unload(&3) && !cache.unload(&50));
    assert_eq!(
        (cache.trim_to(20 * KIB), cache.trim_to(7 * KIB), keys(&cache)),
        (0, 2 * KIB, Vec::from([0, 4, 5, 6, 7]))
    );
    assert_eq!((cache.clear(), keys(&cache), *pin == [0; 4]), (4 * KIB, Vec::from([0]), true));
    let other = pin.clone();
    drop(pin);
    assert!(!cache.unload(&0));
    drop(other);
    assert!(cache.unload(&0) && cache.is_empty());
    assert_eq!(committed(&cache), (0, 0));
}

#[test]
fn resources_that_are_charged_by_themselves_are_not_charged_twice() {
    struct Own(Tag, usize);
    impl Drop for Own {
        fn drop(&mut self) {
            self.0.credit_committed(self.1);
        }
    }
    let tag = tag(Budget::hard(4 * KIB));
    let cache = ResourceCache::with(ResourceCacheOptions::new(tag).charged_elsewhere());
    let load = |key: u32, bytes| {
        cache.get_or_load(&key, |room| {
            room.claim(bytes)?;
            tag.try_charge_committed(bytes).expect("room was made");
            Ok::<_, NoRoom>(Own(tag, bytes))
        })
    };
    (0..10).for_each(|key| drop(load(key, KIB).unwrap()));
    assert_eq!((cache.len(), tag.account().own.committed, cache.stats().evictions), (4, 4 * KIB, 6));
    assert!(matches!(load(10, 5 * KIB), Err(LoadError::NoRoom(_))));
    assert_eq!(cache.len(), 4);
    drop(cache);
    assert_eq!(tag.account().own.committed, 0);
}

#[test]
fn the_hook_is_told_of_everything_and_may_call_the_cache() {
    static CACHE: OnceLock<Cache> = OnceLock::new();
    let log = Arc::new(Mutex::new(Vec::<String>::new()));
    let into = Arc::clone(&log);
    let options = ResourceCacheOptions::new(tag(Budget::hard(2 * KIB))).on_event(move |event| {
        let there = CACHE.get().map(Cache::len);
        into.lock().unwrap().push(match event {
            CacheEvent::Loaded { key, bytes } => format!("+{key} {bytes} {there:?}"),
            CacheEvent::Unloaded { key, bytes, why } => format!("-{key} {bytes} {why:?} {there:?}"),
        });
    });
    let cache = CACHE.get_or_init(|| Cache::with(options));
    (0..3).for_each(|key| drop(load(cache, key, KIB).unwrap()));
    drop(cache.insert(&2, KIB, Vec::new()).unwrap());
    assert!(cache.unload(&2));
    assert_eq!(
        *log.lock().unwrap(),
        [
            "+0 1024 Some(1)",
            "+1 1024 Some(2)",
            "-0 1024 Pressure Some(1)",
            "+2 1024 Some(2)",
            "-1 1024 Pressure Some(1)",
            "-2 1024 Replaced Some(1)",
            "+2 1024 Some(1)",
            "-2 1024 Asked Some(0)"
        ]
    );
}

/// A resource whose destructor runs what it was given.
struct OnDrop(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(run) = self.0.take() {
            run();
        }
    }
}

#[test]
fn destructors_may_call_the_cache() {
    let cache: Arc<ResourceCache<u32, OnDrop>> = Arc::new(ResourceCache::new(tag(Budget::hard(2 * KIB))));
    let ran = Arc::new(AtomicUsize::new(0));
    for key in 0..6 {
        let (inner, ran) = (Arc::downgrade(&cache), Arc::clone(&ran));
        let value = OnDrop(Some(Box::new(move || {
            ran.fetch_add(1, Ordering::Relaxed);
            if let Some(cache) = inner.upgrade() {
                drop(cache.get(&key));
                cache.unload(&(key + 1));
                drop(cache.get_or_load(&(key + 100), |room| {
                    room.claim(KIB / 4)?;
                    Ok::<_, NoRoom>(OnDrop(None))
                }));
            }
        })));
        drop(cache.insert(&key, KIB, value).unwrap());
    }
    cache.clear();
    assert_eq!(ran.load(Ordering::Relaxed), 6);
    cache.clear();
    assert_eq!(cache.tag().account().own.committed, 0);
}

#[test]
fn a_destructor_that_panics_is_the_only_one_that_fails() {
    let cache: ResourceCache<u32, OnDrop> = ResourceCache::new(tag(Budget::NONE));
    let ran = Arc::new(AtomicUsize::new(0));
    let fill = || {
        for key in 0..5 {
            let ran = Arc::clone(&ran);
            let run = move || {
                ran.fetch_add(1, Ordering::Relaxed);
                assert!(key % 2 == 0, "bomb {key}");
            };
            drop(cache.insert(&key, KIB, OnDrop(Some(Box::new(run)))).unwrap());
        }
    };
    fill();
    assert!(catch_unwind(AssertUnwindSafe(|| cache.clear())).is_err());
    assert_eq!((ran.load(Ordering::Relaxed), cache.len(), cache.tag().account().own.committed), (5, 0, 0));
    fill();
    let tag = cache.tag();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(cache))).is_err());
    assert_eq!((ran.load(Ordering::Relaxed), tag.account().own.committed), (10, 0));
}

#[test]
fn one_loads_and_the_others_wait() {
    let cache = cache(64 * KIB);
    let (loads, barrier) = (AtomicUsize::new(0), Barrier::new(4));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for key in 0..50 {
                    barrier.wait();
                    let pin = cache.get_or_load(&key, |room| {
                        loads.fetch_add(1, Ordering::Relaxed);
                        room.claim(KIB)?;
                        thread::yield_now();
                        Ok::<_, NoRoom>(Vec::from([key as u8]))
                    });
                    assert_eq!(*pin.unwrap(), [key as u8]);
                    barrier.wait();
                }
            });
        }
    });
    let stats = cache.stats();
    assert_eq!((loads.into_inner(), stats.loads, stats.count), (50, 50, 50));
    assert_eq!(stats.hits + stats.misses, 200);
}

/// Waits until a thread waits for another one's load.
fn until_somebody_waits(cache: &Cache) {
    while cache.stats().waits == 0 {
        thread::yield_now();
    }
}

#[test]
fn when_the_loader_fails_one_of_those_that_wait_goes_on() {
    for panics in [false, true] {
        let (cache, loads) = (cache(64 * KIB), AtomicUsize::new(0));
        let (started, starting) = mpsc::channel();
        thread::scope(|scope| {
            let first = scope.spawn(|| {
                catch_unwind(AssertUnwindSafe(|| {
                    cache.get_or_load(&7, |_| {
                        started.send(()).unwrap();
                        until_somebody_waits(&cache);
                        assert!(!panics, "on purpose");
                        Err::<Vec<u8>, _>("broken")
                    })
                }))
            });
            starting.recv().unwrap();
            assert_eq!(cache.try_pin(&7).unwrap_err(), PinError::Loading);
            let others = [(); 3].map(|()| {
                scope.spawn(|| {
                    let pin = cache.get_or_load(&7, |_| {
                        loads.fetch_add(1, Ordering::Relaxed);
                        Ok::<_, NoRoom>(Vec::from([7]))
                    });
                    assert_eq!(*pin.unwrap(), [7]);
                })
            });
            others.into_iter().for_each(|other| other.join().unwrap());
            match first.join().unwrap() {
                Ok(outcome) => assert_eq!(outcome.unwrap_err(), LoadError::Failed("broken")),
                Err(_) => assert!(panics),
            }
        });
        assert_eq!((loads.into_inner(), cache.stats().loads, cache.stats().failures), (1, 1, 1));
    }
}

#[test]
fn loaders_may_load_other_keys_but_not_their_own() {
    let cache = cache(64 * KIB);
    let outer = cache.get_or_load(&1, |room| {
        room.claim(KIB)?;
        let inner = load(&cache, 2, KIB).map_err(|_| room.claim(usize::MAX).unwrap_err())?;
        let own = load(&cache, 1, KIB);
        assert!(matches!(own, Err(LoadError::Cycle)));
        Ok::<_, NoRoom>(inner.to_vec())
    });
    assert_eq!((&**outer.unwrap(), keys(&cache)), (&[2; 4][..], Vec::from([1, 2])));
}

#[test]
fn threads_that_wait_for_each_other_are_told() {
    // Through two caches, too: the second key of each pair is in the other one.
    for caches in [1, 2] {
        for threads in [2, 3] {
            let caches: Vec<Cache> = (0..caches).map(|_| cache(64 * KIB)).collect();
            let (barrier, cycles) = (Barrier::new(threads), AtomicUsize::new(0));
            thread::scope(|scope| {
                for number in 0..threads {
                    let (caches, barrier, cycles) = (&caches, &barrier, &cycles);
                    scope.spawn(move || {
                        let at = |key: usize| &caches[key % caches.len()];
                        let next = (number + 1) % threads;
                        let outcome = at(number).get_or_load(&(number as u32), |_| {
                            barrier.wait();
                            match load(at(next), next as u32, KIB) {
                                Ok(pin) => Ok(pin.to_vec()),
                                Err(error) => {
                                    cycles.fetch_add(1, Ordering::Relaxed);
                                    Err(error)
                                }
                            }
                        });
                        // Who was told of the ring fails; the one that waits for it goes on with its own loader.
                        assert!(matches!(outcome, Ok(_) | Err(LoadError::Failed(LoadError::Cycle))));
                    });
                }
            });
            assert_eq!(cycles.into_inner(), 1, "one closes the ring");
        }
    }
}

#[test]
fn what_is_inserted_during_a_load_wins() {
    let cache = cache(64 * KIB);
    let pin = cache.get_or_load(&1, |room| {
        room.claim(KIB)?;
        drop(cache.insert(&1, KIB, Vec::from([5])).expect("it fits"));
        Ok::<_, NoRoom>(Vec::from([6]))
    });
    assert_eq!((&**pin.unwrap(), committed(&cache), cache.stats().loads), (&[5][..], (KIB, KIB), 0));
}

#[test]
fn what_is_inserted_and_unloaded_during_a_load_is_replaced() {
    let cache = cache(64 * KIB);
    let pin = cache.get_or_load(&1, |room| {
        room.claim(KIB)?;
        drop(cache.insert(&1, KIB, Vec::from([5])).expect("it fits"));
        assert!(cache.unload(&1));
        Ok::<_, NoRoom>(Vec::from([6]))
    });
    assert_eq!((&**pin.unwrap(), committed(&cache), cache.stats().loads), (&[6][..], (KIB, KIB), 1));
}

#[test]
fn pressure_callbacks_are_asked_before_a_refusal() {
    static RESERVE: AtomicBool = AtomicBool::new(true);
    static TAG: OnceLock<Tag> = OnceLock::new();
    let cache = cache(4 * KIB);
    let tag = *TAG.get_or_init(|| cache.tag());
    tag.try_charge_committed(3 * KIB).unwrap();
    tag.on_pressure(&|_| {
        if RESERVE.swap(false, Ordering::Relaxed) {
            TAG.get().unwrap().credit_committed(3 * KIB);
        }
    })
    .unwrap();
    drop(load(&cache, 1, KIB).unwrap());
    // 1 KiB idle and none free: 2 KiB do not fit by unloading, but the callback has more.
    drop(load(&cache, 2, 2 * KIB).unwrap());
    assert_eq!((keys(&cache), RESERVE.load(Ordering::Relaxed)), (Vec::from([1, 2]), false));
}

#[test]
fn many_threads_in_a_small_budget_keep_the_figures_right() {
    let cache = cache(16 * KIB);
    thread::scope(|scope| {
        for number in 0..4u32 {
            let cache = &cache;
            scope.spawn(move || {
                let mut seed = number * 977 + 1;
                let mut kept = Vec::new();
                for _ in 0..4000 {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let key = (seed >> 24) % 40;
                    match (seed >> 16) % 16 {
                        0 => drop(cache.unload(&key)),
                        1 => drop(cache.trim_to(8 * KIB)),
                        2 => drop(cache.insert(&key, KIB, std::vec![key as u8; 4])),
                        3 => kept.extend(cache.get(&key)),
                        4 => kept.clear(),
                        _ => {
                            if let Ok(pin) = load(cache, key, KIB) {
                                assert_eq!(*pin, [key as u8; 4]);
                            }
                        }
                    }
                    kept.truncate(2);
                }
            });
        }
    });
    let stats = cache.stats();
    assert_eq!((stats.bytes, stats.idle_bytes), (stats.count * KIB, stats.count * KIB));
    assert_eq!(committed(&cache), (stats.bytes, stats.bytes));
    assert!(cache.tag().account().peak_committed <= 16 * KIB);
    cache.clear();
    assert_eq!(committed(&cache), (0, 0));
}

/// A key whose hashing panics when it is told to.
#[derive(Clone, PartialEq, Eq)]
struct Fragile(u32);

std::thread_local! {
    /// After how many hashes more the next one panics.
    static PANICS_IN: std::cell::Cell<Option<u32>> = const { std::cell::Cell::new(None) };
}

impl std::hash::Hash for Fragile {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        if let Some(left) = PANICS_IN.get() {
            PANICS_IN.set(left.checked_sub(1));
            if left == 0 {
                std::panic::resume_unwind(Box::new("hash"));
            }
        }
        self.0.hash(state);
    }
}

/// Whatever hash panics, the cache goes on as if that call had not been made, or had been made whole.
#[test]
fn a_hash_that_panics_leaves_nothing_half_done() {
    /// Asks its cache when it is dropped: hangs if that happens under the lock.
    struct Nosy(u32, &'static OnceLock<ResourceCache<Fragile, Nosy>>);
    impl Drop for Nosy {
        fn drop(&mut self) {
            let _ = self.1.get().map(ResourceCache::len);
        }
    }
    for fails_at in 0..12 {
        let place: &'static OnceLock<ResourceCache<Fragile, Nosy>> = Box::leak(Box::new(OnceLock::new()));
        let cache = place.get_or_init(|| ResourceCache::new(tag(Budget::hard(3 * KIB))));
        let get = |key: u32| {
            cache.get_or_load(&Fragile(key), |room| room.claim(KIB).map(|()| Nosy(key, place))).map(|it| it.0)
        };
        for key in 0..3 {
            assert_eq!(get(key), Ok(key));
        }
        let steps: [&dyn Fn(); 6] = [
            &|| assert_eq!(get(3), Ok(3)),
            &|| assert_eq!(get(0), Ok(0)),
            &|| assert!([true, false].contains(&cache.unload(&Fragile(1)))),
            &|| drop(cache.insert(&Fragile(2), KIB, Nosy(2, place))),
            &|| drop(cache.insert(&Fragile(9), KIB, Nosy(9, place))),
            &|| assert!(cache.trim_to(KIB) <= 3 * KIB),
        ];
        for step in steps {
            PANICS_IN.set(Some(fails_at));
            let _ = catch_unwind(AssertUnwindSafe(step));
            PANICS_IN.set(None);
            for key in [2, 9, 3, 1, 0] {
                assert_eq!(get(key), Ok(key), "hash {fails_at}");
            }
        }
        cache.clear();
        let stats = cache.stats();
        assert_eq!((stats.count, stats.bytes, stats.idle_bytes), (0, 0, 0), "hash {fails_at}");
        let own = cache.tag().account().own;
        assert_eq!((own.committed, own.live), (0, 0), "hash {fails_at}");
    }
}
